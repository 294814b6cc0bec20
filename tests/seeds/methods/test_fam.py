"""FAM: each term worked by hand, and what its assumptions change."""

import dataclasses
import math

import pytest
import torch
from torch.nn import functional as F

from seeds.losses import multi_label_classification_loss
from seeds.methods.fam import (
    FAM,
    Assumptions,
    ForegroundMemory,
    LossWeights,
    diversity_loss,
    key_shares,
    pool_parts,
    sparsity_loss,
)
from wsss.errors import ConfigError

CLASSES = 4


def build(**assumptions):
    torch.manual_seed(0)
    return FAM(CLASSES, backbone="plain8", assumptions=Assumptions(**assumptions))


def batch_of(tags):
    image = torch.randn(len(tags), 3, 32, 48, generator=torch.Generator().manual_seed(1))
    return {"image": image, "tags": F.one_hot(torch.tensor(tags), CLASSES).float()}


def features_of(network, image):
    """Features that the backbone gives in evaluation mode."""
    with torch.no_grad():
        return network.backbone(image)[-1]


class TestTerms:
    def test_sparsity_by_hand(self):
        assert sparsity_loss(torch.tensor([[[[0.25, 0.75]]], [[[0.0, 1.0]]]])).item() == pytest.approx(0.5)

    @pytest.mark.parametrize(
        ("parts", "expected"),
        [
            pytest.param([[3.0, 0.0], [0.0, 2.0]], 0.0, id="orthogonal"),
            pytest.param([[3.0, 0.0], [0.5, 0.0]], 1.0, id="same-direction"),
            pytest.param([[1.0, 0.0], [-2.0, 0.0]], -1.0, id="opposite"),
            # cosines of the pairs 1 / sqrt 2, 0, 1 / sqrt 2
            pytest.param([[1.0, 0.0], [1.0, 1.0], [0.0, 1.0]], 2 / 3 / math.sqrt(2), id="three"),
            pytest.param([[1.0, 0.0], [0.0, 0.0]], 0.0, id="empty-part"),
        ],
    )
    def test_diversity_by_hand(self, parts, expected):
        assert diversity_loss(torch.tensor([parts])).item() == pytest.approx(expected, abs=1e-6)
        # The mean over images.
        both = torch.tensor([parts, torch.eye(len(parts), 2).tolist()])
        second = diversity_loss(both[1:]).item()
        assert diversity_loss(both).item() == pytest.approx((expected + second) / 2, abs=1e-6)

    @pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
    def test_diversity_of_empty_parts_has_a_gradient(self, dtype):
        parts = torch.zeros(2, 5, 8, dtype=dtype, requires_grad=True)
        diversity_loss(parts).backward()
        assert torch.isfinite(parts.grad).all()

    def test_diversity_refuses_one_part(self):
        with pytest.raises(ValueError, match="at least two parts, got 1"):
            diversity_loss(torch.ones(2, 1, 3))

    @pytest.mark.parametrize(
        ("scores", "normalization", "expected"),
        [
            ([0.0, math.log(2), math.log(5)], "softmax", [1 / 8, 2 / 8, 5 / 8]),
            ([1.0, 2.0, 5.0], "printed", [1 / 8, 2 / 8, 5 / 8]),
            ([-1.0, 2.0, 1.0], "printed", [-0.5, 1.0, 0.5]),
            ([-1.0, -3.0, 0.0], "printed", [0.25, 0.75, 0.0]),
            ([-1.0, 0.0, 1.0], "printed", [-1e6, 0.0, 1e6]),
            ([-1.0, 0.0, 1.0 - 2.0**-23], "printed", [1e6, 0.0, -1e6]),
        ],
    )
    def test_shares_by_hand(self, scores, normalization, expected):
        shares = key_shares(torch.tensor([scores]), normalization)
        # float32 divisions by the rounded bound
        torch.testing.assert_close(shares, torch.tensor([expected]), rtol=1e-5, atol=1e-6)

    def test_parts_by_hand(self):
        features = torch.tensor([[[[1.0, 2.0]], [[3.0, 5.0]]]])  # two channels on two pixels
        maps = torch.tensor([[[[1.0, 0.0]], [[0.5, 1.0]], [[0.0, 0.0]]]])
        expected = torch.tensor([[[0.5, 1.5], [1.25, 3.25], [0.0, 0.0]]])  # divided by pixels, not by area
        torch.testing.assert_close(pool_parts(features, maps), expected)


class TestMemory:
    def build(self, normalization):
        """Query = mean of the first channel; two keys of one channel; 16 channels."""
        memory = ForegroundMemory(16, num_keys=2, normalization=normalization)
        with torch.no_grad():
            memory.encoder.weight.zero_()
            memory.encoder.weight[0, 0] = 1
            memory.encoder.bias.zero_()
            memory.keys.copy_(torch.tensor([[1.0], [3.0]]))
            memory.values.zero_()
            memory.values[0, 1], memory.values[1, 2] = 1.0, 2.0
        return memory

    @pytest.mark.parametrize(
        ("normalization", "shares"),
        [
            # query (1 + 3) / 2 = 2, scores 2 and 6 (C / 16 = 1)
            ("printed", (0.25, 0.75)),
            ("softmax", (1 / (1 + math.exp(4)), 1 / (1 + math.exp(-4)))),
        ],
    )
    def test_by_hand(self, normalization, shares):
        features = torch.zeros(1, 16, 1, 2)
        features[0, 0] = torch.tensor([[1.0, 3.0]])
        features[0, 1] = torch.tensor([[4.0, 0.0]])
        features[0, 2] = torch.tensor([[0.0, 8.0]])
        scores = self.build(normalization)(features).detach()
        expected = torch.tensor([[[[shares[0] * 1 * 4, shares[1] * 2 * 8]]]])
        torch.testing.assert_close(scores, expected)

    def test_scores_are_divided_by_the_root_of_their_length(self):
        memory = ForegroundMemory(64, num_keys=2, normalization="softmax")
        with torch.no_grad():
            memory.encoder.weight.zero_()
            memory.encoder.bias.fill_(1.0)  # query (1, 1, 1, 1)
            memory.keys.copy_(torch.tensor([[0.0] * 4, [1.0] * 4]))  # scores 0 and 4 / sqrt 4
            memory.values.copy_(torch.tensor([[0.0] * 64, [1.0] * 64]))
        scores = memory(torch.ones(1, 64, 1, 1)).item()
        assert scores == pytest.approx(64 / (1 + math.exp(-2)), rel=1e-5)

    def test_start_of_keys_and_values(self):
        torch.manual_seed(0)
        memory = ForegroundMemory(1024, num_keys=100, normalization="softmax")
        assert memory.keys.shape == (100, 64)
        assert memory.values.shape == (100, 1024)
        # 6,400 and 102,400 draws: a deviation known within 1 % and .3 % (one standard error)
        assert memory.keys.std().item() == pytest.approx(1 / 8, rel=0.04)
        assert memory.values.std().item() == pytest.approx(1 / 32, rel=0.01)
        memory = ForegroundMemory(1024, num_keys=100, normalization="softmax", std=0.5)
        assert memory.values.std().item() == pytest.approx(0.5, rel=0.01)


class TestNetwork:
    @pytest.mark.parametrize(
        "backbone", ["vgg16", "mobilenetv1_100", "resnet50", "resnet18", "inception_v3", "plain8"]
    )
    def test_backbones(self, backbone):
        network = FAM(CLASSES, backbone=backbone).eval()
        image = torch.zeros(1, 3, 64, 96)
        with torch.no_grad():
            output = network(image)
            assert output.foreground.shape == (1, 1, 4, 6)
            assert output.logit.shape == (1, CLASSES)
            assert output.parts.shape == (1, 5, network.backbone.channels[-1])
            assert torch.equal(network.seed_maps(image), output.foreground)
            assert torch.equal(network.logits(image), output.logit)

    def test_forward_step_by_step(self):
        network = build().eval()
        image = batch_of([0, 3])["image"]
        features = features_of(network, image)
        with torch.no_grad():
            output = network(image)
            maps = network.parts(features * output.foreground).sigmoid()
            parts = torch.stack([(features * maps[:, [k]]).mean(dim=(2, 3)) for k in range(5)], dim=1)
            shares = network.importance(parts).squeeze(2).softmax(dim=1)
            pooled = sum(shares[:, [k]] * parts[:, k] for k in range(5))
            torch.testing.assert_close(output.parts, parts)
            torch.testing.assert_close(output.logit, network.classifier(pooled))
        assert 0 < output.foreground.min() < output.foreground.max() < 1

    def test_losses_and_their_weights(self):
        network = build().eval()
        batch = batch_of([0, 3])
        terms = network.losses(batch["image"], batch["tags"])
        output = network(batch["image"])
        classification = F.cross_entropy(output.logit, torch.tensor([0, 3])).item()
        mean, likeness = output.foreground.mean().item(), diversity_loss(output.parts).item()
        assert terms["classification"].item() == pytest.approx(classification, rel=1e-5)
        assert terms["sparsity"].item() == pytest.approx(mean, rel=1e-5)
        assert terms["diversity"].item() == pytest.approx(likeness, rel=1e-5)
        logged = network.training_losses(batch, step=0)
        total = classification + 0.04 * mean + 0.01 * likeness
        assert logged["loss"].item() == pytest.approx(total, rel=1e-6)
        assert logged["mean_map"].item() == pytest.approx(mean, rel=1e-5)
        assert not logged["mean_map"].requires_grad
        network.weights = LossWeights(sparsity=2.0, diversity=3.0)
        total = classification + 2 * mean + 3 * likeness
        assert network.training_losses(batch, step=0)["loss"].item() == pytest.approx(total, rel=1e-6)

    def test_several_tags(self):
        network = build().eval()
        batch = batch_of([0, 3])
        batch["tags"][:, 1] = 1
        expected = multi_label_classification_loss(network.logits(batch["image"]), batch["tags"]).item()
        classification = network.training_losses(batch, step=0)["classification"]
        assert classification.item() == pytest.approx(expected, rel=1e-5)

    @pytest.mark.parametrize("memory", [True, False])
    def test_everything_gets_a_gradient(self, memory):
        network = build(memory=memory).train()
        network.training_losses(batch_of([0, 1, 2, 3]), step=0)["loss"].backward()
        # A bias of the importance adds the same to all parts: the softmax takes it out again.
        rest = {name: p.grad for name, p in network.named_parameters() if name != "importance.bias"}
        assert [name for name, gradient in rest.items() if gradient is None or not gradient.any()] == []
        heads = {id(p) for head in network.heads() for p in head.parameters()}
        pretrained = {id(p) for p in network.backbone.parameters()}
        assert heads.isdisjoint(pretrained)
        assert heads | pretrained == {id(p) for p in network.parameters()}


class TestAssumptions:
    def test_defaults(self):
        assert dataclasses.asdict(Assumptions()) == {
            "normalization": "softmax",
            "pool_from": "input",
            "memory": True,
            "num_keys": 3,
            "num_parts": 5,
            "part_kernel": 3,
            "memory_std": None,
            "output_stride": 16,
        }

    def without_foreground(self, pool_from):
        """A network whose map is 0 everywhere."""
        network = build(pool_from=pool_from, memory=False).eval()
        torch.nn.init.constant_(network.scorer[-1].bias, -1e4)
        return network

    def test_input_lets_a_network_without_foreground_classify(self):
        """The paper's equation 7: parts become constant, the classifier sees the mean of all features."""
        network = self.without_foreground("input")
        image = batch_of([0, 3])["image"]
        features = features_of(network, image)
        with torch.no_grad():
            output = network(image)
        assert int(output.foreground.count_nonzero()) == 0
        torch.testing.assert_close(output.parts[:, 0], 0.5 * features.mean(dim=(2, 3)))
        assert not torch.allclose(output.logit[0], output.logit[1])

    def test_foreground_does_not(self):
        network = self.without_foreground("foreground")
        with torch.no_grad():
            output = network(batch_of([0, 3])["image"])
        assert int(output.parts.count_nonzero()) == 0
        torch.testing.assert_close(output.logit[0], output.logit[1])

    def test_without_memory(self):
        network = build(memory=False)
        layers = [layer for layer in network.scorer if isinstance(layer, torch.nn.Conv2d)]
        assert [(layer.in_channels, layer.out_channels, layer.kernel_size) for layer in layers] == [
            (128, 8, (1, 1)),
            (8, 8, (1, 1)),
            (8, 1, (1, 1)),
        ]

    def test_printed_normalization_reaches_the_map(self):
        image = batch_of([0, 3])["image"]
        softmax, printed = build().eval(), build(normalization="printed").eval()
        printed.load_state_dict(softmax.state_dict())
        with torch.no_grad():
            assert not torch.allclose(softmax.seed_maps(image), printed.seed_maps(image))

    def test_sizes(self):
        network = build(num_keys=7, num_parts=2, part_kernel=1, memory_std=0.25, output_stride=8)
        assert network.scorer.keys.shape == (7, 8)
        assert network.parts.weight.shape == (2, 128, 1, 1)
        assert network.scorer.values.std().item() == pytest.approx(0.25, rel=0.15)  # 896 draws
        assert network.seed_maps(torch.zeros(2, 3, 64, 64)).shape == (2, 1, 8, 8)

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"normalization": "max"}, "normalization out of softmax, printed, got 'max': correct"),
            ({"pool_from": "map"}, "pool_from out of input, foreground, got 'map': correct"),
            ({"num_keys": 0}, "num_keys >= 1, got 0: correct"),
            ({"num_parts": 1}, "num_parts >= 2, got 1: correct"),
            ({"part_kernel": 2}, "an odd part_kernel, got 2: correct"),
            ({"memory_std": 0.0}, r"memory_std > 0 or None, got 0.0: correct"),
            ({"output_stride": 4}, "expected output_stride 8, 16 or 32, got 4"),
        ],
    )
    def test_refused(self, change, message):
        with pytest.raises(ConfigError, match=message):
            build(**change)


def test_learns_to_tell_two_textures():
    """A few steps on patches of two kinds: the loss falls, and the map does not vanish."""
    torch.manual_seed(0)
    network = FAM(2, backbone="plain8").train()
    image = torch.zeros(8, 3, 32, 32)
    image[:4, 0, 8:24, 8:24], image[4:, 2, 8:24, 8:24] = 2.0, 2.0
    batch = {"image": image, "tags": torch.tensor([[1.0, 0]] * 4 + [[0, 1.0]] * 4)}
    optimizer = torch.optim.SGD(network.parameters(), lr=0.05, momentum=0.9)
    losses = []
    for step in range(15):
        terms = network.training_losses(batch, step=step)
        optimizer.zero_grad()
        terms["loss"].backward()
        optimizer.step()
        losses.append(terms["classification"].item())
    assert losses[-1] < 0.5 * losses[0]
    assert terms["mean_map"] > 0.05
