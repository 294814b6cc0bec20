import numpy as np
import pytest
import torch
import torch.nn.functional as F
from mmengine.structures import PixelData
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample

import segment.backbone  # noqa: F401  (registers)
from segment.deeplabv2 import DeepLabV2Head, thin_label


def build_segmentor(**settings):
    config = {
        "type": "DeepLabV2",
        "backbone": {"type": "CutBackbone", "name": "resnet18", "output_stride": 8},
        "decode_head": {
            "type": "DeepLabV2Head",
            "in_channels": 512,
            "num_classes": 4,
            "dilations": (1, 2),
            "in_index": 4,
            "loss_decode": {"type": "CrossEntropyLoss", "avg_non_ignore": True},
        },
        **settings,
    }
    torch.manual_seed(0)
    return MODELS.build(config)


def samples_of(labels):
    return [SegDataSample(gt_sem_seg=PixelData(data=label[None])) for label in labels]


def test_head_is_the_sum_of_four_plain_convolutions():
    head = MODELS.build({"type": "DeepLabV2Head", "in_channels": 5, "num_classes": 3, "in_index": 0})
    head.init_weights()
    feature = torch.randn(2, 5, 30, 26, generator=torch.Generator().manual_seed(1))
    state = head.state_dict()
    expected = sum(
        F.conv2d(
            feature,
            state[f"convs.{branch}.weight"],
            state[f"convs.{branch}.bias"],
            padding=dilation,
            dilation=dilation,
        )
        for branch, dilation in enumerate((6, 12, 18, 24))
    )
    # Sums of the same terms in the same order.
    torch.testing.assert_close(head([feature]), expected, rtol=0, atol=1e-6)
    assert set(state) == {f"convs.{branch}.{kind}" for branch in range(4) for kind in ("weight", "bias")}


def test_head_by_hand():
    head = DeepLabV2Head(1, num_classes=3, dilations=(1, 2), in_index=0)
    with torch.no_grad():
        for conv in head.convs:
            conv.weight.fill_(1)
            conv.bias.fill_(0.5)
    feature = torch.zeros(1, 1, 5, 5)
    feature[0, 0, 2, 2] = 1
    # Every cell that a 3x3 kernel of rate 1 or 2 links to the centre gets 1; the centre gets it from both.
    first = torch.tensor(
        [[0, 0, 0, 0, 0], [0, 1, 1, 1, 0], [0, 1, 1, 1, 0], [0, 1, 1, 1, 0], [0, 0, 0, 0, 0]]
    )
    second = torch.tensor(
        [[1, 0, 1, 0, 1], [0, 0, 0, 0, 0], [1, 0, 1, 0, 1], [0, 0, 0, 0, 0], [1, 0, 1, 0, 1]]
    )
    assert torch.equal(head([feature])[0, 0], first + second + 1.0)


def test_head_draws_its_own_weights():
    head = DeepLabV2Head(64, num_classes=21)
    torch.manual_seed(0)
    head.init_weights()
    for conv in head.convs:
        # 12,096 draws: the deviation is known to 1 %.
        assert conv.weight.std().item() == pytest.approx(0.01, rel=0.05)
        assert not conv.bias.any()


def test_losses_are_one_cross_entropy_per_scale_and_one_of_the_maximum():
    network = build_segmentor(train_scales=(0.5, 1.0)).eval()
    network.init_weights()
    image = torch.randn(2, 3, 32, 40, generator=torch.Generator().manual_seed(2))
    label = torch.randint(0, 4, (2, 32, 40), generator=torch.Generator().manual_seed(3))
    label[:, :5] = 255
    losses = network.loss(image, samples_of(label))
    half = F.interpolate(image, size=(16, 20), mode="bilinear", align_corners=False)
    logits = {name: network._forward(one) for name, one in (("scale_0.5", half), ("scale_1.0", image))}
    resized = F.interpolate(logits["scale_0.5"], size=logits["scale_1.0"].shape[2:], mode="bilinear")
    logits["max"] = torch.maximum(resized, logits["scale_1.0"])
    assert set(losses) == {f"decode.loss_{name}" for name in logits}
    for name, logit in logits.items():
        full = F.interpolate(logit, size=(32, 40), mode="bilinear", align_corners=False)
        expected = F.cross_entropy(full, label, ignore_index=255)
        # The same sums in another order.
        torch.testing.assert_close(losses[f"decode.loss_{name}"], expected, rtol=1e-5, atol=1e-6)


def test_a_step_reads_no_number():
    """Tensors of the device "meta" have no content: a GPU would not be waited for."""
    network = build_segmentor(train_scales=(0.5, 1.0), label_stride=8).to("meta")
    label = torch.zeros(1, 32, 32, dtype=torch.long, device="meta")
    losses = network.loss(torch.zeros(1, 3, 32, 32, device="meta"), samples_of(label))
    sum(losses.values()).backward()
    assert all(loss.is_meta for loss in losses.values())


def test_one_scale_has_no_maximum():
    network = build_segmentor(train_scales=(1.0,))
    losses = network.loss(torch.zeros(1, 3, 32, 32), samples_of(torch.zeros(1, 32, 32, dtype=torch.long)))
    assert set(losses) == {"decode.loss_scale_1.0"}


def test_a_batch_without_a_label_gives_a_finite_loss():
    network = build_segmentor(label_stride=8)
    label = torch.full((1, 32, 32), 255)
    losses = network.loss(torch.zeros(1, 3, 32, 32), samples_of(label))
    assert all(value.item() == 0 for value in losses.values())


def test_thin_label_by_hand():
    label = torch.arange(35).reshape(1, 5, 7)
    # Cells of 4: rows 2 and 6 (beyond the end: 4), columns 2 and 6.
    assert thin_label(label, 4).tolist() == [[[16, 20], [30, 34]]]
    assert torch.equal(thin_label(label, 1), label)


@pytest.mark.parametrize("size", [8, 31, 32, 33, 40])
def test_thin_label_has_the_size_of_the_logits(size):
    network = build_segmentor().eval()
    logit = network.scaled_logit(torch.zeros(1, 3, size, size), 1.0)
    assert thin_label(torch.zeros(1, size, size), 8).shape[1:] == logit.shape[2:]


def test_frozen_batch_norm_stays_in_training():
    network = build_segmentor()
    network.train()
    norms = [m for m in network.modules() if isinstance(m, torch.nn.BatchNorm2d)]
    assert norms
    assert not any(norm.training or norm.weight.requires_grad for norm in norms)
    before = {name: value.clone() for name, value in network.named_buffers()}
    network.loss(torch.randn(1, 3, 32, 32), samples_of(torch.zeros(1, 32, 32, dtype=torch.long)))
    assert all(torch.equal(before[name], value) for name, value in network.named_buffers())


def test_batch_norm_learns_from_random_weights():
    backbone = MODELS.build({"type": "CutBackbone", "name": "resnet18", "freeze_norm": False})
    assert all(m.training for m in backbone.modules() if isinstance(m, torch.nn.BatchNorm2d))


@pytest.mark.parametrize("name", ["mobilenet_v2", "mobilenetv1_100", "resnet50"])
def test_backbones_give_a_feature_at_the_output_stride(name):
    backbone = MODELS.build({"type": "CutBackbone", "name": name, "output_stride": 8}).eval()
    with torch.no_grad():
        features = backbone(torch.zeros(1, 3, 64, 48))
    assert features[-1].shape == (1, backbone.network.channels[-1], 8, 6)


@pytest.mark.parametrize(
    ("name", "settings", "size"),
    [
        ("timm:convnext_atto", {"output_stride": 8}, (9, 7)),
        ("timm:swin_tiny_patch4_window7_224", {"output_stride": 16, "dilate": False}, (5, 4)),
        ("timm:vit_small_patch14_dinov2", {"output_stride": 16, "dilate": False}, (5, 4)),
    ],
)
def test_networks_of_timm_learn_under_the_head(name, settings, size):
    backbone = {"type": "CutBackbone", "name": name, **settings}
    channels = MODELS.build(backbone).network.channels
    head = {"type": "DeepLabV2Head", "in_channels": channels[-1], "num_classes": 4, "in_index": 4}
    network = build_segmentor(
        backbone=backbone,
        decode_head={**head, "loss_decode": {"type": "CrossEntropyLoss", "avg_non_ignore": True}},
        train_scales=(1.0,),
    )
    network.train()
    image = torch.randn(1, 3, 66, 50)
    assert network.backbone(image)[-1].shape == (1, channels[-1], *size)
    losses = network.loss(image, samples_of(torch.randint(0, 4, (1, 66, 50))))
    sum(value for key, value in losses.items() if "loss" in key).backward()
    # freeze_norm concerns batch norm alone: there is none.
    assert all(parameter.grad is not None for parameter in network.parameters())


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        pytest.param({"train_scales": ()}, "expected positive train_scales, got []", id="no-scale"),
        pytest.param({"train_scales": (0.0,)}, "expected positive train_scales, got [0.0]", id="zero-scale"),
        pytest.param({"label_stride": 0}, "expected a label_stride of at least 1, got 0", id="label-stride"),
        pytest.param(
            {"weights": "a.pth"}, "expected model.weights=None for a network that mmseg", id="weights"
        ),
    ],
)
def test_wrong_settings_are_refused(settings, message):
    with pytest.raises(Exception, match="expected") as error:
        build_segmentor(**settings)
    assert message in str(error.value)


def test_gradients_reach_backbone_and_head():
    network = build_segmentor(train_scales=(0.5, 1.0), label_stride=8)
    network.init_weights()
    label = torch.from_numpy(np.random.default_rng(0).integers(0, 4, (1, 32, 32)))
    loss = sum(network.loss(torch.randn(1, 3, 32, 32), samples_of(label)).values())
    loss.backward()
    assert network.backbone.network.levels[0][0].weight.grad.abs().sum() > 0
    assert network.decode_head.convs[1].weight.grad.abs().sum() > 0
