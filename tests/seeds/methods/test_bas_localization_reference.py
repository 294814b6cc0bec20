"""LocalizationBAS (IJCV) against values that the authors' code gave on the same weights and inputs."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from seeds.methods.bas_localization import LocalizationBAS

REFERENCE = Path(__file__).parents[2] / "reference"
BACKBONES = {
    "vgg16": "vgg16",
    "resnet50": "resnet50",
    "mobilenetv1": "mobilenetv1",
    "inception_v3": "inceptionv3",
}
HEADS = {"classifier_cls.": "classifier.", "classifier_loc.0.": "generator."}


def authors_state_dict(name: str, seed: int) -> dict[str, torch.Tensor]:
    """Weights drawn by the recipe of the reference files, under the authors' names."""
    shapes = json.loads((REFERENCE / "shapes.json").read_text())[name]
    constants = {"weight": 0.7, "bias": 0.0, "running_mean": 0.0, "running_var": 1.0}
    state = {}
    for entry, (shape, of_batch_norm) in shapes.items():
        kind = entry.rsplit(".", 1)[1]
        if of_batch_norm:
            if kind != "num_batches_tracked":
                state[entry] = torch.full(shape, constants[kind])
            continue
        deviation = 0.05 if len(shape) == 1 else np.sqrt(2 / np.prod(shape[1:]))
        values = np.random.default_rng([seed, *entry.encode()]).normal(size=shape) * deviation
        state[entry] = torch.tensor(values, dtype=torch.float32)
    return state


class Case:
    """One backbone's reference, our network with its weights, and what both are given."""

    def __init__(self, backbone: str) -> None:
        self.expected = dict(np.load(REFERENCE / f"bas_wsol_{BACKBONES[backbone]}.npz"))
        seed = int(self.expected["weight_seed"])
        self.network = LocalizationBAS(
            backbone, 20, alpha=float(self.expected["alpha"]), beta=float(self.expected["beta"])
        )
        state = authors_state_dict(BACKBONES[backbone], seed)
        self.network.load_reference({f"module.{key}": value for key, value in state.items()})
        self.image = torch.tensor(
            np.random.default_rng(seed + 1).normal(size=(3, 3, 224, 224)), dtype=torch.float32
        )
        self.label = torch.tensor(self.expected["labels"])

    def compare(self, ours: torch.Tensor, name: str) -> None:
        # float32 convolutions on another machine: 1e-4 relative
        np.testing.assert_allclose(
            ours.detach().numpy(), self.expected[name], rtol=1e-4, atol=1e-4, err_msg=name
        )


@pytest.fixture(scope="module", params=list(BACKBONES))
def case(request):
    return Case(request.param)


def test_maps_and_logits_in_evaluation(case):
    """First of the two: afterwards the running statistics are those of a training step."""
    # In training mode still: maps are those of evaluation all the same.
    assert case.network.training
    before = {name: value.clone() for name, value in case.network.state_dict().items()}
    with torch.no_grad():
        case.compare(case.network.maps(case.image, label=case.label)[:, 0], "eval_map_top1")
        case.compare(case.network.maps(case.image, top_k=5)[:, 0], "eval_map_top5")
        assert case.network.training
        case.compare(case.network.eval()(case.image), "eval_logit")
    for name, value in case.network.state_dict().items():
        torch.testing.assert_close(value, before[name], rtol=0, atol=0, msg=name)


def test_losses_and_gradients_of_a_training_step(case):
    terms = case.network.train().losses(case.image, case.label)
    case.compare(terms["logit"], "logit")
    case.compare(terms["guidance_logit"], "frg_logit")
    case.compare(terms["whole_logit"], "s")
    case.compare(terms["background_logit"], "s_bg")
    case.compare(terms["background_suppression"], "bas")
    case.compare(terms["area"], "area")
    case.compare(terms["map"][:, 0], "map")
    case.compare(terms["total"], "total")
    terms["total"].backward()
    norms = dict(zip(case.expected["grad_names"], case.expected["grad_norms"], strict=True))
    parameters = dict(case.network.named_parameters())
    for name, expected in norms.items():
        ours = name
        for theirs, own in HEADS.items():
            ours = ours.replace(theirs, own)
        if ours == name:
            (ours,) = case.network.backbone.rename_library_keys({name: torch.zeros(1)})[0]
            ours = f"backbone.{ours}"
        # In float64: a float32 sum of 19 million squares is 1.5e-3 off by itself.
        norm = parameters[ours].grad.double().norm().item()
        # 1e-3 relative. Inception's bias of the generator: its gradient is a small rest of large terms that
        # passed batch statistics of three images; our float64 is 2.1e-3 off the reference (float32), our
        # float32 between 3e-8 and 1.04e-3, by the number of threads.
        small_rest = (case.network.backbone.name, name) == ("inception_v3", "classifier_loc.0.bias")
        assert norm == pytest.approx(float(expected), rel=3e-3 if small_rest else 1e-3), name
