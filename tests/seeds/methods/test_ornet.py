"""ORNet: the generator, its losses and the erasing against the authors' modules; the three trainings."""

import dataclasses
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.hooks import Hook

from seeds.losses import multi_label_classification_loss
from seeds.methods.ornet import (
    CHOICES,
    OPTIMIZATION,
    CoarseModel,
    Evaluator,
    FineStage,
    LowLevelGenerator,
    area_loss,
    choices_of,
    weighted_entropy_loss,
)
from seeds.methods.ornet_refinement import (
    ErasingDraws,
    attentive_erasing,
    draw_erasing,
    erasing_region,
    half_size_limits,
    keep_probability,
    masked_image,
)
from wsss.errors import ConfigError
from wsss.optim import build_optimizer
from wsss.training import train_network

REFERENCE = Path(__file__).parents[2] / "reference" / "ornet.npz"
CLASSES = 20


def authors_state_dict(seed: int) -> dict[str, torch.Tensor]:
    """Weights drawn by the recipe of the reference file, under the authors' names."""
    blocks = {
        "down_1.1": (64, 128),
        "down_2.1": (128, 256),
        "down_3.1": (256, 512),
        "up_1.conv": (768, 256),
        "up_2.conv": (384, 192),
        "up_3.conv": (256, CLASSES),
    }
    shapes, norms = {"att_conv2": (CLASSES, CLASSES, 1, 1), "att_conv3": (1, CLASSES, 3, 3)}, {"bn_att3": 1}
    for name, (inputs, outputs) in blocks.items():
        prefix = f"att_layer4.{name}.UConv"
        shapes |= {f"{prefix}.0": (outputs, inputs, 3, 3), f"{prefix}.3": (outputs, outputs, 3, 3)}
        norms |= {f"{prefix}.1": outputs, f"{prefix}.4": outputs}
    state = {}
    for name, shape in shapes.items():
        rng = np.random.default_rng([seed, *f"{name}.weight".encode()])
        drawn = rng.normal(size=shape) * np.sqrt(2 / np.prod(shape[1:]))
        state[f"{name}.weight"] = torch.tensor(drawn, dtype=torch.float32)
    for name, channels in norms.items():
        for entry, value in {"weight": 0.7, "bias": 0.0, "running_mean": 0.0, "running_var": 1.0}.items():
            state[f"{name}.{entry}"] = torch.full((channels,), value)
    return state


@pytest.fixture(scope="module")
def reference():
    return dict(np.load(REFERENCE))


@pytest.fixture(scope="module")
def outputs(reference):
    generator = LowLevelGenerator(CLASSES)
    state = authors_state_dict(int(reference["weight_seed"]))
    generator.load_reference({f"module.{key}": value for key, value in state.items()})
    low = np.random.default_rng(int(reference["low_seed"])).normal(size=(2, 64, 56, 56)).clip(0)
    with torch.no_grad():
        return generator.train()(torch.tensor(low, dtype=torch.float32))


@pytest.fixture
def coarse():
    torch.manual_seed(0)
    return CoarseModel(CLASSES, backbone="resnet18")


@pytest.fixture(scope="module")
def evaluator():
    """The real one, half a gigabyte: tests leave its weights alone, but may freeze it."""
    torch.manual_seed(0)
    return Evaluator(CLASSES)


@pytest.fixture
def fine(coarse, evaluator):
    return FineStage(coarse, evaluator, random=torch.Generator().manual_seed(3)).train()


def batch_of(tags):
    image = torch.randn(len(tags), 3, 64, 64, generator=torch.Generator().manual_seed(1))
    return {"image": image, "tags": torch.nn.functional.one_hot(torch.tensor(tags), CLASSES).float()}


class TestGenerator:
    def test_equals_the_authors(self, reference, outputs):
        feature, attention, auxiliary = outputs
        # float32 convolutions on another machine: 1e-4
        np.testing.assert_allclose(attention.numpy(), reference["attention"], rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(auxiliary.numpy(), reference["auxiliary"], rtol=1e-4, atol=1e-4)
        assert feature.shape == (2, CLASSES, 56, 56)
        assert feature.double().sum().item() == pytest.approx(float(reference["feature_sum"]), rel=1e-4)
        total = feature.double().abs().sum().item()
        assert total == pytest.approx(float(reference["feature_abs_sum"]), rel=1e-4)

    def test_momentum_of_the_blocks_is_low_and_that_of_the_map_is_not(self):
        generator = LowLevelGenerator(3)
        momenta = {m.momentum for m in generator.modules() if isinstance(m, torch.nn.BatchNorm2d)}
        assert momenta == {0.01, 0.1}
        assert generator.norm.momentum == 0.1

    def test_odd_grids_keep_their_size(self):
        generator = LowLevelGenerator(3, in_channels=5).eval()
        feature, attention, auxiliary = generator(torch.zeros(1, 5, 13, 19))
        assert feature.shape == (1, 3, 13, 19)
        assert attention.shape == (1, 1, 13, 19)
        assert auxiliary.shape == (1, 3)

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            pytest.param({"att_conv3.weight": None}, r"missing \['attention.weight'\]", id="missing"),
            pytest.param({"fc.weight": torch.zeros(1)}, r"unknown \['fc.weight'\]", id="unknown"),
            pytest.param(
                {"att_conv2.weight": torch.zeros(7, 7, 1, 1)}, r"shape \['auxiliary.weight'\]", id="shape"
            ),
        ],
    )
    def test_refuses_other_weights(self, change, message):
        state = authors_state_dict(0) | change
        state = {key: value for key, value in state.items() if value is not None}
        with pytest.raises(ConfigError, match=message):
            LowLevelGenerator(CLASSES).load_reference(state)


class TestLosses:
    def test_equal_the_authors(self, reference, outputs):
        feature, attention, _ = outputs
        area = area_loss(attention, torch.tensor(reference["logit"]), feature, top_k=int(reference["topk"]))
        assert area.item() == pytest.approx(float(reference["area_loss"]), rel=1e-4)
        entropy = weighted_entropy_loss(torch.tensor(reference["attention"]))
        assert entropy.item() == pytest.approx(float(reference["entropy_loss"]), rel=1e-5)

    @pytest.mark.parametrize(
        ("top_k", "expected"),
        [
            pytest.param(None, 0.25, id="paper-map-alone"),
            pytest.param(3, 0.25, id="no-rank-beyond-the-third"),
            pytest.param(4, 0.25 - 3.0, id="fourth"),
            pytest.param(25, 0.25 - 3.0 + 10.0, id="to-the-last-of-five"),
        ],
    )
    def test_area_by_hand(self, top_k, expected):
        logit = torch.tensor([[5.0, 4.0, 1.0, 3.0, 2.0]])  # ranked 4th: class 4; 5th: class 2
        feature = torch.tensor([7.0, 7.0, 10.0, 7.0, -3.0]).view(1, 5, 1, 1).expand(1, 5, 2, 2)
        loss = area_loss(torch.full((1, 1, 2, 2), 0.25), logit, feature, top_k=top_k)
        assert loss.item() == pytest.approx(expected)

    def test_area_is_a_mean_over_the_batch_and_a_sum_over_classes(self):
        logit = torch.tensor([[5.0, 4, 3, 2, 1], [1.0, 2, 3, 4, 5]])
        feature = torch.arange(5.0).view(1, 5, 1, 1).expand(2, 5, 2, 2)
        loss = area_loss(torch.zeros(2, 1, 2, 2), logit, feature, top_k=5)
        assert loss.item() == pytest.approx(((3 + 4) + (1 + 0)) / 2)

    def test_area_does_not_reach_the_ranking(self):
        logit = torch.randn(2, 5, requires_grad=True)
        feature = torch.randn(2, 5, 2, 2, requires_grad=True)
        area_loss(torch.zeros(2, 1, 2, 2), logit, feature, top_k=5).backward()
        assert logit.grad is None
        # two of five classes in each image, each pixel 1 / (2 images * 4 pixels)
        assert sorted(feature.grad.unique().tolist()) == [0.0, 0.125]
        assert int((feature.grad > 0).sum()) == 2 * 2 * 4

    @pytest.mark.parametrize(
        ("sizes", "top_k", "message"),
        [
            (((2, 1, 4, 4), (2, 3), (2, 4, 4, 4)), 25, r"got \(2, 1, 4, 4\), \(2, 3\) and \(2, 4, 4, 4\)"),
            (((2, 1, 4, 4), (2, 3), (2, 3, 5, 4)), 25, "expected attention"),
            (((2, 1, 4, 4), (2, 3), (2, 3, 4, 4)), -1, "expected top_k >= 0"),
        ],
    )
    def test_area_refuses(self, sizes, top_k, message):
        with pytest.raises(ValueError, match=message):
            area_loss(*(torch.zeros(size) for size in sizes), top_k=top_k)

    @pytest.mark.parametrize(
        ("value", "expected"),
        [
            pytest.param(0.5, math.log(2), id="undecided"),
            pytest.param(0.4, 0.6730117 * math.exp(-0.5), id="one-width-away"),
            pytest.param(0.0, 0.0, id="decided"),
            pytest.param(1.0, 0.0, id="decided-high"),
        ],
    )
    @pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
    def test_entropy_by_hand(self, value, expected, dtype):
        attention = torch.full((2, 1, 3, 3), value, dtype=dtype, requires_grad=True)
        loss = weighted_entropy_loss(attention)
        # bfloat16 rounds .4 to .4004
        assert loss.item() == pytest.approx(expected, rel=1e-5 if dtype == torch.float32 else 1e-2, abs=1e-6)
        loss.backward()
        assert torch.isfinite(attention.grad).all()


class TestErasing:
    def test_equals_the_authors(self, reference):
        attention = torch.tensor(reference["erase_input"])
        factor, halves = float(reference["erase_factor"]), torch.tensor(reference["erase_half_height_width"])
        limits = half_size_limits(attention, factor)
        np.testing.assert_array_equal(limits.flatten().numpy(), reference["erase_limits"][:, 1])
        region = erasing_region(attention, factor=factor, half_sizes=halves)
        np.testing.assert_array_equal(1.0 - region.float().numpy(), reference["erase_mask"])
        keep = keep_probability(attention, region)
        np.testing.assert_allclose(keep.numpy(), reference["erase_keep_probability"], rtol=1e-6)

    def test_on_given_noise(self, reference):
        attention = torch.tensor(reference["erase_input"], requires_grad=True)
        uniform = torch.rand(attention.shape, generator=torch.Generator().manual_seed(0))
        draws = ErasingDraws(torch.tensor(0.5), torch.tensor(reference["erase_half_height_width"]), uniform)
        erased = attentive_erasing(attention, draws)
        noise = uniform.numpy() < reference["erase_keep_probability"]
        assert 0 < (~noise).sum() < (reference["erase_mask"] == 0).sum()
        expected = (0.6 * reference["erase_input"] + 0.2) * noise
        np.testing.assert_allclose(erased.detach().numpy(), expected, rtol=1e-6)
        erased.sum().backward()
        np.testing.assert_allclose(attention.grad.numpy(), 0.6 * noise, rtol=1e-6)

    def test_the_paper_drops_half(self):
        attention = torch.full((1, 1, 3, 3), 0.9)
        region = torch.eye(3, dtype=torch.bool)[None, None]
        keep = keep_probability(attention, region, drop_probability=0.5)
        torch.testing.assert_close(keep[0, 0], 1 - 0.5 * torch.eye(3))

    def test_window_is_clipped_and_its_edges_stay_out(self):
        attention = torch.zeros(2, 1, 12, 12)
        attention[0, 0, 1, 1], attention[1, 0, 11, 11] = 1.0, 1.0
        # everything is a candidate: the threshold lies below the minimum
        region = erasing_region(attention, factor=1.5, half_sizes=torch.tensor([[5, 4], [4, 5]]))[:, 0]
        expected = torch.zeros(2, 12, 12, dtype=torch.bool)
        expected[0, 1:6, 1:5] = True  # row 0 and column 0 never
        expected[1, 8:, 7:] = True
        assert torch.equal(region, expected)

    def test_draws_stay_in_their_ranges(self):
        attention = torch.zeros(400, 1, 24, 40)
        attention[:, :, 2:21, 5:36] = 1.0  # extents 18 and 30: half sizes below 9 and 15
        draws = draw_erasing(attention, random=torch.Generator().manual_seed(0))
        assert 0 <= draws.factor.item() <= 0.5
        used = draws.half_sizes[draws.half_sizes[:, 0] > 0]
        assert 150 < len(used) < 250  # half of 400, five standard deviations of 10
        assert set(used[:, 0].tolist()) == set(range(4, 9))
        assert set(used[:, 1].tolist()) == set(range(4, 15))
        again = draw_erasing(attention, random=torch.Generator().manual_seed(0))
        assert torch.equal(again.half_sizes, draws.half_sizes)
        assert torch.equal(again.uniform, draws.uniform)

    @pytest.mark.parametrize("rows", [8, 9, 1])
    def test_no_room_leaves_the_image_alone(self, rows):
        attention = torch.zeros(50, 1, 40, 40)
        attention[:, :, 3 : 3 + rows, :] = 1.0  # half of the extent is at most 4: nothing to draw from
        draws = draw_erasing(attention, random=torch.Generator().manual_seed(0))
        assert int(draws.half_sizes.abs().sum()) == 0
        erased = attentive_erasing(attention, draws)
        torch.testing.assert_close(erased, 0.6 * attention + 0.2)

    def test_constant_maps_have_no_candidates(self):
        draws = draw_erasing(torch.full((3, 1, 16, 16), 0.5), random=torch.Generator().manual_seed(0))
        assert int(draws.half_sizes.sum()) == 0

    def test_masks_are_nearest(self):
        masked = masked_image(torch.ones(1, 3, 4, 4), torch.tensor([[[[0.0, 1.0], [0.5, 0.25]]]]))
        expected = torch.tensor(
            [[0.0, 0, 1, 1], [0, 0, 1, 1], [0.5, 0.5, 0.25, 0.25], [0.5, 0.5, 0.25, 0.25]]
        )
        torch.testing.assert_close(masked, expected.expand(1, 3, 4, 4))


class TestCoarse:
    @pytest.mark.parametrize(("backbone", "channels"), [("resnet50", 64), ("vgg16", 128)])
    def test_map_is_a_quarter_of_the_image(self, backbone, channels):
        coarse = CoarseModel(3, backbone=backbone).eval()
        image = torch.zeros(1, 3, 224, 224)
        with torch.no_grad():
            assert coarse.extract(image).shape == (1, channels, 56, 56)
            assert coarse.seed_maps(image).shape == (1, 1, 56, 56)
            assert coarse.logits(image).shape == (1, 3)

    def test_loss_is_both_cross_entropies(self, coarse):
        batch = batch_of([3, 7])
        terms = coarse.train().training_losses(batch, step=0)
        label = torch.tensor([3, 7])
        with torch.no_grad():
            _, attention, auxiliary = coarse.generator(coarse.extract(batch["image"]))
            main = coarse.logits(batch["image"])
        main, auxiliary = (torch.nn.functional.cross_entropy(one, label).item() for one in (main, auxiliary))
        assert terms["classification"].item() == pytest.approx(main, rel=1e-5)
        assert terms["auxiliary"].item() == pytest.approx(auxiliary, rel=1e-5)
        assert terms["loss"].item() == pytest.approx(main + auxiliary, rel=1e-5)
        assert terms["mean_map"].item() == pytest.approx(attention.mean().item(), rel=1e-5)
        terms["loss"].backward()
        assert all(parameter.grad is not None for parameter in coarse.parameters())

    def test_classifier_sees_what_the_map_lets_pass(self, coarse):
        image = batch_of([3, 7])["image"]
        coarse.eval()
        torch.nn.init.constant_(coarse.generator.norm.bias, -1e4)
        assert int(coarse.seed_maps(image).count_nonzero()) == 0
        with torch.no_grad():
            logits = coarse.logits(image)
        torch.testing.assert_close(logits[0], logits[1])

    def test_several_tags(self, coarse):
        batch = batch_of([3, 7])
        batch["tags"][:, 11] = 1
        terms = coarse.train().training_losses(batch, step=0)
        logit = coarse.logits(batch["image"]).detach()
        expected = multi_label_classification_loss(logit, batch["tags"])
        assert terms["classification"].item() == pytest.approx(expected.item(), rel=1e-5)

    def test_loads_the_authors_names(self):
        from torchvision.models import resnet50

        theirs = {key: torch.full_like(value, 2) for key, value in resnet50().state_dict().items()}
        theirs |= {"fc.weight": torch.full((CLASSES, 2048), 3.0), "fc.bias": torch.full((CLASSES,), 4.0)}
        generator = authors_state_dict(0)
        coarse = CoarseModel(CLASSES)
        coarse.load_reference({f"module.{key}": value for key, value in (theirs | generator).items()})
        assert bool((coarse.classifier.weight == 3).all())
        assert all(bool((value == 2).all()) for value in coarse.backbone.state_dict().values())
        assert torch.equal(coarse.generator.attention.weight, generator["att_conv3.weight"])
        del theirs["fc.bias"]
        with pytest.raises(ConfigError, match=r"weights for resnet50, missing \['classifier.bias'\]"):
            coarse.load_reference(theirs | generator)


class TestEvaluator:
    def test_loss_and_dropout(self, evaluator):
        batch = batch_of([3, 7])
        evaluator.eval()
        with torch.no_grad():
            loss = evaluator.training_losses(batch, step=0)["loss"]
            expected = torch.nn.functional.cross_entropy(evaluator(batch["image"]), torch.tensor([3, 7]))
            assert loss.item() == pytest.approx(expected.item(), rel=1e-5)
            evaluator.train()
            assert not torch.equal(evaluator(batch["image"]), evaluator(batch["image"]))

    def test_weights_from_a_file_but_the_last_layer(self, tmp_path, monkeypatch):
        network = torch.nn.Module()
        network.features = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3))
        network.classifier = torch.nn.Sequential(
            torch.nn.Linear(196, 8), torch.nn.ReLU(), torch.nn.Linear(8, 9)
        )
        file = tmp_path / "vgg16.pth"
        torch.save({key: torch.full_like(value, 2) for key, value in network.state_dict().items()}, file)
        # The layers of the real one take half a gigabyte.
        monkeypatch.setattr("torchvision.models.get_model", lambda name, *, weights: network)
        evaluator = Evaluator(CLASSES, pretrained=file)
        state = evaluator.state_dict()
        assert state["classifier.2.weight"].shape == (CLASSES, 8)
        assert not bool((state.pop("classifier.2.weight") == 2).any())
        assert not bool((state.pop("classifier.2.bias") == 2).any())
        assert all(bool((value == 2).all()) for value in state.values())
        torch.save({"features.0.weight": torch.zeros(4, 3, 3, 3)}, file)
        with pytest.raises(ConfigError, match=r"linear layers in .*vgg16.pth, missing \['features.0.bias'"):
            Evaluator(CLASSES, pretrained=file)

    def test_is_torchvisions_vgg16(self, evaluator):
        from torchvision.models import vgg16

        theirs = vgg16(init_weights=False, num_classes=CLASSES)
        theirs.load_state_dict(evaluator.state_dict(), assign=True)
        image = batch_of([1])["image"]
        with torch.no_grad():
            torch.testing.assert_close(evaluator.eval()(image), theirs.eval()(image))


class TestFine:
    def test_trains_the_end_of_the_generator_only(self, fine):
        trained = {name for name, parameter in fine.named_parameters() if parameter.requires_grad}
        layers = tuple(f"coarse.generator.{layer}." for layer in ("up.1", "up.2", "attention", "norm"))
        assert all(name.startswith(layers) for name in trained)
        assert len(trained) == 2 * 6 + 1 + 2
        fine.training_losses(batch_of([3, 7]), step=0)["loss"].backward()
        assert {name for name, parameter in fine.named_parameters() if parameter.grad is not None} == trained

    def test_loss_by_parts(self, fine):
        terms = fine.training_losses(batch_of([3, 7]), step=0)
        total = terms["classification"] + 0.02 * terms["area"] + 1.5 * terms["entropy"]
        assert terms["loss"].item() == pytest.approx(total.item(), rel=1e-6)

    def test_frozen_layers_keep_their_training_mode(self, fine):
        """Running statistics of frozen layers move, the frozen evaluator drops."""
        assert all(module.training for module in fine.modules())
        stem, last = fine.coarse.backbone.levels[0][1], fine.coarse.generator.down[2][4]
        before = stem.running_mean.clone(), last.running_mean.clone()
        fine.training_losses(batch_of([3, 7]), step=0)
        assert not torch.equal(before[0], stem.running_mean)
        assert not torch.equal(before[1], last.running_mean)

    def test_evaluator_sees_the_erased_map(self, coarse):
        class Watched(torch.nn.Module):
            def forward(self, image):
                self.seen = image
                return image.mean((1, 2, 3))[:, None].expand(-1, CLASSES)

        random = torch.Generator().manual_seed(5)
        fine = FineStage(coarse, Watched(), choices=CHOICES["paper"], random=random).train()
        batch = {"image": torch.ones(2, 3, 64, 64), "tags": torch.eye(CLASSES)[:2]}
        terms = fine.training_losses(batch, step=0)
        with torch.no_grad():
            attention = coarse.seed_maps(batch["image"])
        draws = draw_erasing(attention, random=torch.Generator().manual_seed(5))
        erased = attentive_erasing(attention, draws, drop_probability=0.5)
        expected = erased.repeat_interleave(4, 2).repeat_interleave(4, 3).expand(2, 3, 64, 64)
        torch.testing.assert_close(fine.evaluator.seen, expected)
        # The paper's area is the map's mean alone.
        assert terms["area"].item() == pytest.approx(attention.mean().item(), rel=1e-5)

    def test_code_adds_the_features_of_low_ranks(self, coarse):
        class Fixed(torch.nn.Module):
            def forward(self, image):
                return torch.arange(CLASSES).float().expand(len(image), -1) + 0 * image.mean()

        terms = FineStage(coarse, Fixed()).train().training_losses(batch_of([3, 7]), step=0)
        with torch.no_grad():
            feature, attention, _ = coarse.generator(coarse.extract(batch_of([3, 7])["image"]))
        # Of twenty classes the ranks 4 to 25 are all but the three highest.
        expected = attention.mean() + feature[:, : CLASSES - 3].mean(dim=(0, 2, 3)).sum()
        assert terms["area"].item() == pytest.approx(expected.item(), rel=1e-4, abs=1e-5)

    def test_maps_are_plain_and_classes_are_of_the_whole_image(self, fine):
        image = batch_of([3, 7])["image"]
        fine.eval()
        with torch.no_grad():
            maps = fine.seed_maps(image)
            assert maps.shape == (2, 1, 16, 16)
            torch.testing.assert_close(maps, fine.coarse.generator(fine.coarse.extract(image))[1])
            assert torch.equal(fine.logits(image), fine.evaluator(image))


def test_settings():
    code, paper = choices_of("code"), choices_of("paper")
    assert (code.backbone, code.area_top_k, code.drop_probability) == ("resnet50", 25, None)
    assert (paper.backbone, paper.area_top_k, paper.drop_probability) == ("vgg16", None, 0.5)
    with pytest.raises(ConfigError, match="settings out of paper, code, got 'papr': correct 'settings'"):
        choices_of("papr")


class OneWeight(torch.nn.Module):
    """The smallest network that can be trained."""

    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(1))

    def training_losses(self, batch, *, step):
        return {"loss": (self.weight * batch["image"].mean()).sum()}


class Rates(Hook):
    """Keeps the rate of each step and the optimizer's type."""

    def __init__(self):
        self.rates = []

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        self.rates.append(runner.optim_wrapper.get_lr()["lr"][0])
        self.optimizer = type(runner.optim_wrapper.optimizer)


HALF_COSINE = [(1 + math.cos(math.pi * step / 6)) / 2 for step in range(6)]


@pytest.mark.parametrize(
    ("training", "optimizer", "expected"),
    [
        ("coarse", torch.optim.Adam, [1.0] * 6),
        ("evaluator", torch.optim.SGD, HALF_COSINE),
        ("fine", torch.optim.Adam, HALF_COSINE),
    ],
)
def test_optimization_runs(training, optimizer, expected, tmp_path):
    how = dataclasses.replace(OPTIMIZATION[training], epochs=2, batch_size=2)
    network, rates = OneWeight(), Rates()
    train_network(
        network,
        [{"image": torch.ones(3, 4, 4)} for _ in range(6)],
        out_dir=tmp_path,
        schedule=how.schedule(num_workers=0),
        parameter_groups=[{"params": list(network.parameters())}],
        random_seed=0,
        description="test",
        hooks=[rates],
    )
    assert rates.optimizer is optimizer
    assert rates.rates == pytest.approx([how.learning_rate * share for share in expected], rel=1e-6)


def test_adam_takes_the_schedules_settings():
    how = dataclasses.replace(OPTIMIZATION["fine"], weight_decay=0.25)
    optimizer = build_optimizer([{"params": [torch.zeros(1, requires_grad=True)]}], how.schedule())
    assert type(optimizer) is torch.optim.Adam
    assert (optimizer.defaults["lr"], optimizer.defaults["weight_decay"]) == (1e-4, 0.25)
