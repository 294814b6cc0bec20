"""IRNet: channel plan, sizes, what is frozen, mean shift, one training step."""

import pytest
import torch

from refine.model import IRNet, edge_of_image
from wsss.errors import ConfigError

# The second has no level at stride 4 or less.
OF_TIMM = ["timm:swin_tiny_patch4_window7_224", "timm:vit_tiny_patch16_224"]


@pytest.fixture(scope="module")
def resnet18():
    torch.manual_seed(0)
    return IRNet("resnet18", radius=5)


def test_channel_plan_of_resnet50():
    network = IRNet("resnet50")
    assert network.backbone.channels == (64, 256, 512, 1024, 2048)
    assert network.backbone.strides == (4, 4, 8, 16, 16)
    shapes = {
        name: tuple(value.shape) for name, value in network.named_parameters() if "backbone" not in name
    }
    convolutions = {name: shape[:2] for name, shape in shapes.items() if len(shape) == 4}
    edge = [(32, channels) for channels in network.backbone.channels] + [(1, 160)]
    assert [shape for name, shape in convolutions.items() if name.startswith("edge")] == edge
    displacement = [
        (64, 64),
        (128, 256),
        (256, 512),
        (256, 1024),
        (256, 2048),
        (256, 768),
        (256, 448),
        (2, 256),
    ]
    assert [shape for name, shape in convolutions.items() if name.startswith("displacement")] == displacement
    groups = [module.num_groups for module in network.modules() if isinstance(module, torch.nn.GroupNorm)]
    assert groups == [4] * 5 + [8, 16, 16, 16, 16, 16, 16]


@pytest.mark.parametrize("backbone", ["resnet18", "mobilenet_v2", "mobilenetv1_100", *OF_TIMM])
@pytest.mark.parametrize("size", [(1, 1), (17, 33), (64, 95)])
def test_outputs_are_at_stride_4(backbone, size):
    network = IRNet(backbone).eval()
    with torch.no_grad():
        edge_logit, displacement = network(torch.zeros(2, 3, *size))
    grid = ((size[0] - 1) // 4 + 1, (size[1] - 1) // 4 + 1)
    assert edge_logit.shape == (2, 1, *grid)
    assert displacement.shape == (2, 2, *grid)


def test_a_backbone_of_another_output_stride():
    network = IRNet("timm:pvt_v2_b0", output_stride=32).eval()
    assert network.backbone.strides == (4, 4, 8, 16, 32)
    with torch.no_grad():
        edge_logit, displacement = network(torch.zeros(1, 3, 37, 50))
    assert edge_logit.shape[2:] == displacement.shape[2:] == (10, 13)


def test_only_the_branches_learn(resnet18):
    resnet18.train()
    image = torch.randn(2, 3, 48, 64, generator=torch.Generator().manual_seed(0))
    label = torch.zeros(2, 12, 16, dtype=torch.uint8)
    label[:, :, 8:] = 3
    before = {name: value.clone() for name, value in resnet18.backbone.state_dict().items()}
    terms = resnet18.training_losses({"image": image, "label": label}, step=0)
    assert set(terms) == {
        "loss",
        "positive",
        "negative",
        "displacement_foreground",
        "displacement_background",
    }
    terms["loss"].backward()
    assert all(parameter.grad is None for parameter in resnet18.backbone.parameters())
    learning = [*resnet18.edge.parameters(), *resnet18.displacement.parameters()]
    assert all(torch.isfinite(parameter.grad).all() for parameter in learning)
    assert sum(parameter.grad.abs().sum() > 0 for parameter in learning) == len(learning)
    # Batch norm's statistics move in a forward pass unless they are fixed.
    assert all(torch.equal(value, before[name]) for name, value in resnet18.backbone.state_dict().items())
    resnet18.zero_grad()


def test_without_displacement_the_edges_learn_the_same():
    image = torch.randn(2, 3, 48, 48, generator=torch.Generator().manual_seed(0))
    label = torch.randint(0, 3, (2, 12, 12), generator=torch.Generator().manual_seed(1))
    torch.manual_seed(0)
    whole = IRNet("resnet18", radius=4)
    half = IRNet("resnet18", radius=4, displacement=False)
    half.load_state_dict({k: v for k, v in whole.state_dict().items() if not k.startswith("displacement")})
    gradients = []
    for network in (whole, half):
        network.training_losses({"image": image, "label": label}, step=0)["loss"].backward()
        gradients.append([parameter.grad for parameter in network.edge.parameters()])
    for one, other in zip(*gradients, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-7)
    assert "displacement_foreground" not in half.training_losses({"image": image, "label": label}, step=0)


def test_mean_shift_counts_in_evaluation_only(resnet18):
    image = torch.randn(1, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        resnet18.train()
        plain = resnet18(image)[1]
        resnet18.mean_shift.copy_(torch.tensor([2.0, -1.0]))
        assert torch.equal(resnet18(image)[1], plain)
        shifted = resnet18.eval()(image)[1]
        resnet18.mean_shift.zero_()
    # No dropout and no batch norm in training mode, so both modes agree but for the shift.
    torch.testing.assert_close(plain - shifted, torch.tensor([2.0, -1.0]).view(1, 2, 1, 1).expand_as(plain))


def test_edge_of_mirror_image_is_mirrored(resnet18):
    resnet18.eval()
    image = torch.randn(3, 32, 48, generator=torch.Generator().manual_seed(0))
    edge = edge_of_image(resnet18, image)
    assert edge.shape == (1, 8, 12)
    assert edge.min() >= 0
    assert edge.max() <= 1
    torch.testing.assert_close(edge_of_image(resnet18, image.flip(2)), edge.flip(2))
    with torch.no_grad():
        mean = (resnet18(image[None])[0] + resnet18(image.flip(2)[None])[0].flip(3)) / 2
    torch.testing.assert_close(edge, mean[0].sigmoid())


def test_edges_of_padded_images_by_a_second_way(resnet18):
    resnet18.eval()
    image = torch.randn(3, 33, 45, generator=torch.Generator().manual_seed(0))
    sides = []
    for one in (image, image.flip(2)):
        padded = torch.zeros(1, 3, 64, 64)
        padded[0, :, :33, :45] = one
        with torch.no_grad():
            sides.append(resnet18.edge_logit(padded)[0, :, :9, :12])
    expected = ((sides[0] + sides[1].flip(2)) / 2).sigmoid()
    torch.testing.assert_close(edge_of_image(resnet18, image, pad_to=64), expected)
    # The padding reaches the statistics of the groups, and so every edge.
    assert (edge_of_image(resnet18, image) - expected).abs().min() > 0


def test_larger_images_are_neither_padded_nor_cut(resnet18):
    resnet18.eval()
    image = torch.randn(3, 32, 48, generator=torch.Generator().manual_seed(0))
    assert torch.equal(edge_of_image(resnet18, image, pad_to=16), edge_of_image(resnet18, image))
    assert edge_of_image(resnet18, image, pad_to=40).shape == (1, 8, 12)


def test_displacement_of_a_network_without():
    network = IRNet("resnet18", displacement=False)
    with pytest.raises(ValueError, match="expected a network with displacement=True, got one without"):
        network(torch.zeros(1, 3, 16, 16))


def authors_checkpoint(network: IRNet) -> dict[str, torch.Tensor]:
    """The network's weights the way the authors' checkpoints name them: twice and thrice, with tables."""
    own = network.state_dict()
    library = {ours: theirs for theirs, ours in network.backbone._names.items()}
    theirs = {
        f"resnet50.{library[key.removeprefix('backbone.')]}": value
        for key, value in own.items()
        if key.startswith("backbone.")
    }
    theirs |= {f"stage2.0.{key[16:]}": value for key, value in theirs.items() if ".layer1." in key}
    for level in range(5):
        for name, branch in (("edge", "edge"), ("dp", "displacement")):
            prefix = f"{branch}.levels.{level}."
            part = {key.removeprefix(prefix): value for key, value in own.items() if key.startswith(prefix)}
            theirs |= {f"fc_{name}{level + 1}.{key}": value for key, value in part.items()}
            theirs |= {f"{name}_layers.{level}.{key}": value for key, value in part.items()}
    for name, ours in (("fc_edge6", "edge.logit"), ("fc_dp6", "displacement.deep")):
        part = {key: value for key, value in own.items() if key.startswith(f"{ours}.")}
        theirs |= {key.replace(ours, name, 1): value for key, value in part.items()}
    theirs |= {
        "fc_dp7.0.weight": own["displacement.joined.0.weight"],
        "fc_dp7.1.weight": own["displacement.joined.1.weight"],
        "fc_dp7.1.bias": own["displacement.joined.1.bias"],
        "fc_dp7.3.weight": own["displacement.field.weight"],
        "fc_dp7.4.running_mean": own["mean_shift"],
        "mean_shift.running_mean": own["mean_shift"],
        "path_indices0": torch.zeros(3, dtype=torch.long),
        "disp_target": torch.zeros(1),
    }
    return theirs


@pytest.mark.parametrize("prefix", ["", "module."])
def test_authors_checkpoint(prefix):
    torch.manual_seed(1)
    trained = IRNet("resnet18")
    trained.mean_shift.copy_(torch.tensor([3.0, -2.0]))
    state = {prefix + key: value for key, value in authors_checkpoint(trained).items()}
    torch.manual_seed(2)
    network = IRNet("resnet18")
    network.load_reference(state)
    own = trained.state_dict()
    assert all(torch.equal(value, own[key]) for key, value in network.state_dict().items())
    edges_alone = IRNet("resnet18", displacement=False)
    edges_alone.load_reference(state)
    assert edges_alone.edge.logit.weight.equal(trained.edge.logit.weight)


def test_another_networks_checkpoint():
    state = authors_checkpoint(IRNet("resnet18"))
    del state["fc_edge6.bias"]
    with pytest.raises(ConfigError, match=r"expected an IRNet on resnet18, .* missing \['edge.logit.bias'\]"):
        IRNet("resnet18").load_reference(state)
    with pytest.raises(ConfigError, match="expected an IRNet on plain8, got a state dict with missing"):
        IRNet("plain8").load_reference(state)
