"""BAS for localisation as a seed method: a map for each class, or the mean map of the best classes."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from torch import Tensor, nn

from seeds.contract import MapKind, Plan, Training
from seeds.localization_backbones import LIBRARY_NAMES, build_localization_backbone
from seeds.localization_settings import CUB_TRAINING, SQUARE_INFERENCE, STEP_RANGES, check_nesterov, in_steps
from seeds.methods.bas_localization import VERSIONS, LocalizationBAS
from seeds.methods.trained import TrainedMethod
from seeds.single_tag import SEVERAL_TAGS, check_single_tags, single_tag_images
from seeds.train import check_warmup
from wsss.datasets import DataSet
from wsss.errors import ConfigError
from wsss.ranges import COUNT, NOT_NEGATIVE, OneOf, Range


class BestClassesBAS(nn.Module):
    """`LocalizationBAS` as a predictor of one map: the mean of those of the classes with the highest logits.

    Attributes:
        network: the trained one.
        backbone: its backbone.
        top_k: number of classes.
    """

    def __init__(self, network: LocalizationBAS, top_k: int) -> None:
        """Wrap a network, which is not copied."""
        super().__init__()
        self.network = network
        self.backbone = network.backbone
        self.top_k = top_k

    def seed_maps(self, image: Tensor) -> Tensor:
        """The class-agnostic map: (B, 3, H, W) -> (B, 1, H / 8, W / 8) in [0, 1]."""
        return self.network.maps(image, top_k=self.top_k)

    def logits(self, image: Tensor) -> Tensor:
        """Logits of a batch: (B, 3, H, W) -> (B, C)."""
        return self.network(image)


class BASLocalizationMethod(TrainedMethod):
    """`LocalizationBAS`; the defaults are the authors' of CUB on ResNet50, but for ``top_k``."""

    name = "bas_localization"
    defaults: ClassVar[Mapping[str, Any]] = {
        "model": {
            "version": "ijcv",  # of the authors' two codes; or "cvpr22", "cvpr22_ilsvrc"
            "hidden": 1024,  # channels of the classifier's convolutions
            "alpha": 0.5,  # weight of the classification of what the map shows
            "beta": 1.5,  # weight of the map's area
            # ours, as in method bas: without them the maps of few classes may die within ten steps
            "normalize_features": False,  # mean 0, deviation 1 before the generator
            "warmup_epochs": 0,  # classification alone first
        },
        "train": {
            **CUB_TRAINING,  # new layers have 10 times the rate, biases twice that of weights
            "several_tags": "stop",  # or "leave_out": learn from the images with one tag alone
        },
        "infer": {
            **SQUARE_INFERENCE,
            "top_k": 1,  # classes whose maps are averaged, the best predicted ones; 1: that of each tag
            "threshold": 0.1,
        },
    }
    ranges: ClassVar[Mapping[str, Range | OneOf]] = {
        **STEP_RANGES,
        "model.backbone": OneOf(tuple(LIBRARY_NAMES)),
        "model.version": OneOf(tuple(VERSIONS)),
        "model.hidden": COUNT,
        "model.alpha": NOT_NEGATIVE,
        "model.beta": NOT_NEGATIVE,
        "model.warmup_epochs": NOT_NEGATIVE,
        "train.several_tags": OneOf(SEVERAL_TAGS),
        "infer.top_k": COUNT,
        "infer.resize": NOT_NEGATIVE,
    }

    def check(self, config: Mapping[str, Any]) -> None:
        """Nesterov's momentum needs one, maps are trained, rates fall with the depth in other backbones."""
        check_nesterov(config["train"])
        check_warmup(config)
        if config["train"]["layer_decay"] != 1:
            raise ConfigError(
                f"expected train.layer_decay=1 with method 'bas_localization', got "
                f"{config['train']['layer_decay']}: its backbones have no levels, leave it out"
            )

    def check_inputs(self, config: Mapping[str, Any], dataset: DataSet, image_ids: Sequence[str]) -> None:
        """One tag for each image, no more maps to average than classes, weights that fit."""
        check_single_tags(dataset, image_ids, config["train"])
        _check_top_k(config["infer"]["top_k"], len(dataset.classes))
        given = config["model"]["pretrained"]
        if given != "imagenet":
            build_localization_backbone(config["model"]["backbone"], pretrained=given)

    def weights(self, config: Mapping[str, Any]) -> tuple[tuple[str, Any], ...]:
        """The backbone's, by the library's name."""
        return ((LIBRARY_NAMES[config["model"]["backbone"]], config["model"]["pretrained"]),)

    def map_kind(self, config: Mapping[str, Any]) -> MapKind:
        """Class maps; one class-agnostic map where those of several classes are averaged."""
        return "class" if config["infer"]["top_k"] == 1 else "agnostic"

    def build(self, training: str, plan: Plan, trained: Mapping[str, nn.Module]) -> Training:
        """One training of classifier and generator; the rate falls in steps."""
        model, train = plan.config["model"], plan.config["train"]
        network = LocalizationBAS(
            model["backbone"],
            len(plan.classes),
            alpha=model["alpha"],
            beta=model["beta"],
            version=model["version"],
            hidden=model["hidden"],
            pretrained=model["pretrained"],
            normalize_features=model["normalize_features"],
            warmup_steps=model["warmup_epochs"] * plan.steps_per_epoch,
        )
        return Training(
            network,
            in_steps(plan.schedule, train["decay_epochs"]),
            network.parameter_groups(learning_rate=train["learning_rate"]),
            images=lambda dataset, image_ids: single_tag_images(dataset, image_ids, train),
        )

    def predictor(self, config: Mapping[str, Any], trained: Mapping[str, nn.Module]) -> nn.Module:
        """The trained network, or the mean of its best maps."""
        network = trained["train"]
        assert isinstance(network, LocalizationBAS)
        top_k = config["infer"]["top_k"]
        return network if top_k == 1 else BestClassesBAS(network, top_k)


def _check_top_k(top_k: int, classes: int) -> None:
    if top_k > classes:
        raise ConfigError(
            f"expected infer.top_k at most {classes}, the number of classes, got {top_k}: lower it"
        )


METHOD = BASLocalizationMethod()
