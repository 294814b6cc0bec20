"""B-CAM against values that the authors' modules gave on the same weights and inputs."""

import copy
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from seeds.methods.bcam import BCAMNet

REFERENCE = Path(__file__).parents[2] / "reference"
HEADS = {
    "voc": {
        f"{name}.weight": (20, 2048, 1, 1)
        for name in ("fc8_fore", "fc8_back", "fc_attp_fore", "fc_attp_back")
    },
    "cub": {f"aggregator_{side}.weight": (10, 2048, 1, 1) for side in "AB"}
    | {f"classifier_{side}.weight": (20, 2048, 1, 1) for side in "AB"}
    | {f"classifier_{side}.bias": (20,) for side in "AB"},
}
# the authors' names of the logits, in the order of their losses
LOGITS = {
    "voc": {
        "object_object": "logits",
        "background_object": "logits_fore_rev",
        "background_background": "logits_back",
        "object_background": "logits_back_rev",
    },
    "cub": {
        "object_object": "logits",
        "background_object": "logits_rev",
        "background_background": "logits_back",
        "object_background": "logits_back_rev",
    },
}


def authors_state_dict(seed: int, layout: str) -> dict[str, torch.Tensor]:
    """Weights drawn by the recipe of the reference files, under the authors' names."""
    from torchvision.models import resnet50

    shapes = {
        name: tuple(value.shape) for name, value in resnet50().state_dict().items() if "fc." not in name
    }
    state = {}
    for name, shape in (shapes | HEADS[layout]).items():
        rng = np.random.default_rng([seed, *name.encode()])
        if len(shape) == 4:
            values = rng.normal(size=shape) * np.sqrt(2 / np.prod(shape[1:]))
        elif name in HEADS[layout]:
            values = rng.normal(size=shape) * 0.05
        elif name.endswith("num_batches_tracked"):
            continue
        else:
            kind = name.rsplit(".", 1)[1]
            values = np.full(
                shape, {"weight": 0.7, "bias": 0.0, "running_mean": 0.0, "running_var": 1.0}[kind]
            )
        state[name] = torch.tensor(values, dtype=torch.float32)
    return state


def parameter_of(network: BCAMNet, name: str) -> torch.nn.Parameter:
    """The parameter of a name of the authors."""
    sides = {"A": "object", "B": "background", "fore": "object", "back": "background"}
    module, _, kind = name.rpartition(".")
    what, _, side = module.rpartition("_")
    if side in sides:
        role = "aggregator" if what in ("aggregator", "fc_attp") else "classifier"
        return getattr(getattr(network, f"{sides[side]}_{role}"), kind)
    (key,) = network.backbone.rename_library_keys({name: torch.zeros(1)})[0]
    return network.backbone.get_parameter(key)


@pytest.fixture(scope="module", params=["voc", "cub"])
def case(request):
    """(layout, reference, network, images)."""
    layout = request.param
    reference = dict(np.load(REFERENCE / f"bcam_{layout}_r50.npz"))
    seed = int(reference["weight_seed"])
    network = BCAMNet(20, layout=layout, heads=20 if layout == "voc" else 10)
    network.load_reference(
        {f"module.{name}": value for name, value in authors_state_dict(seed, layout).items()}
    )
    image = np.random.default_rng(seed + 1).normal(size=(2, 3, 96, 96))
    return layout, reference, network, torch.tensor(image, dtype=torch.float32)


def test_losses_logits_and_gradients_of_a_training_step(case):
    layout, reference, network, image = case
    network = copy.deepcopy(network).train()  # batch norm's statistics move
    if layout == "voc":
        tags = torch.tensor(reference["tags"])
    else:
        tags = F.one_hot(torch.tensor(reference["labels"]), 20)
    logits = network.all_logits(image)
    # float32 on another machine: 1e-4
    for ours, theirs in LOGITS[layout].items():
        np.testing.assert_allclose(
            logits[ours].detach(), reference[theirs], rtol=1e-4, atol=1e-4, err_msg=ours
        )
    terms = network.losses(image, tags)
    assert list(terms) == [*LOGITS[layout], "total"]
    expected = dict(zip(LOGITS[layout], reference["losses"], strict=True), total=reference["total"])
    for name, term in terms.items():
        assert term.item() == pytest.approx(float(expected[name]), rel=1e-4), name
    terms["total"].backward()
    for name, norm in zip(reference["grad_names"], reference["grad_norms"], strict=True):
        assert parameter_of(network, str(name)).grad.norm().item() == pytest.approx(norm, rel=1e-3), name


@torch.no_grad()
def test_maps(case):
    layout, reference, network, image = case
    network.eval()
    if layout == "voc":
        total = network.maps(image[:1]) + network.maps(image[:1].flip(3)).flip(3)
        np.testing.assert_allclose(total[0], reference["cam"], rtol=1e-4, atol=1e-4)
        np.testing.assert_allclose(network.logits(image), network.all_logits(image)["object_object"])
        return
    logits = network.all_logits(image)
    foreground = logits["object_object"] - logits["background_object"]
    background = logits["background_background"] - logits["object_background"]
    np.testing.assert_allclose(foreground, reference["fore_score"], rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(background, reference["back_score"], rtol=1e-4, atol=1e-4)
    label = torch.tensor(reference["labels"])
    for rule, one_sign in (("cub", False), ("ilsvrc", True)):
        maps = network.gradient_maps(image, label, one_sign=one_sign)
        for ours, side in zip(maps, ("fore", "back"), strict=True):
            # values of 1e-4: only a relative tolerance says something
            np.testing.assert_allclose(
                ours, reference[f"{side}_map_{rule}"], rtol=1e-4, err_msg=f"{side} {rule}"
            )
    of_all_classes = network.maps(image, rule="gradient")
    np.testing.assert_allclose(of_all_classes[[0, 1], label], reference["fore_map_cub"], rtol=1e-4)
