"""The base of the methods that train networks and run them over scales and flips."""

import abc
import functools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from torch import nn

from seeds.contract import MapKind, Plan, Seeds, Training
from seeds.infer import OWN_CAM, write_seeds
from seeds.threshold import threshold_of_tags
from seeds.train import load_given, train_in_turn
from wsss.backbones import build_backbone
from wsss.datasets import DataSet
from wsss.distributed import is_main, wait
from wsss.ranges import OneOf, Range
from wsss.scored import scored_images
from wsss.stage import Job
from wsss.thresholds import TAGS


def split_to_write(config: Mapping[str, Any]) -> str:
    """The split that seeds are written of: ``infer.split``, else the training split."""
    return str(config["infer"]["split"] or config["dataset"]["train_split"])


class TrainedMethod(abc.ABC):
    """A `seeds.methods.SeedMethod` with one or several trainings in turn; only `name` and `build` are a must.

    Attributes:
        name: as in the config's ``method``.
        defaults: as in `SeedMethod`.
        ranges: as in `SeedMethod`.
    """

    name: str
    defaults: ClassVar[Mapping[str, Any]] = {}
    ranges: ClassVar[Mapping[str, Range | OneOf]] = {}

    @abc.abstractmethod
    def build(self, training: str, plan: Plan, trained: Mapping[str, nn.Module]) -> Training:
        """Build the untrained network of one training and say how it is trained.

        The random generator is seeded before each call.

        Args:
            training: one of `trainings`.
            plan: settings, classes and number of images.
            trained: the networks of the trainings before this one, by name.

        Raises:
            ConfigError: the network cannot be built with these settings.
        """

    def check(self, config: Mapping[str, Any]) -> None:  # noqa: B027  refusing nothing is a fine default
        """Refuse settings that contradict each other. Here none do."""

    def check_inputs(self, config: Mapping[str, Any], dataset: DataSet, image_ids: Sequence[str]) -> None:
        """Refuse weights and images that this method cannot work on; called before anything is made.

        Here the backbone is built, where ``model.output_stride`` says how, or the whole network where
        ``model.weights`` gives it.

        Args:
            config: the resolved settings of the stage.
            dataset: it was checked for what all methods need.
            image_ids: images of the training split.

        Raises:
            ConfigError: weights do not fit.
            DataError: the tags are not such as the method can learn from.
        """
        if config["model"].get("weights") is not None:
            load_given(self, Plan(config, tuple(dataset.classes), len(image_ids)))
            return
        # A method without the setting has a stride of its own, and finds out when it builds its network.
        if "output_stride" in config["model"]:
            given = config["model"]["pretrained"]
            build_backbone(
                config["model"]["backbone"],
                pretrained=None if given == "imagenet" else given,
                output_stride=config["model"]["output_stride"],
            )

    def weights(self, config: Mapping[str, Any]) -> tuple[tuple[str, Any], ...]:
        """Networks with initial weights: the library's name, and as in ``model.pretrained``. Here one."""
        if config["model"].get("weights") is not None:
            return ()
        return ((config["model"]["backbone"], config["model"]["pretrained"]),)

    def map_kind(self, config: Mapping[str, Any]) -> MapKind:
        """Here "class": one map per class."""
        return "class"

    def trainings(self, config: Mapping[str, Any]) -> tuple[str, ...]:
        """Names of the trainings, in turn. A single one fills ``train/``, several fill ``train/NAME/``."""
        return ("train",)

    def predictor(self, config: Mapping[str, Any], trained: Mapping[str, nn.Module]) -> nn.Module:
        """The `seeds.methods.Predictor` that the trained networks make up. Here the last one of them."""
        return list(trained.values())[-1]

    def make(self, job: Job) -> Seeds:
        """Train what is not trained yet, then write the seed of each image of the split to write.

        Raises:
            DataError: an image or its tags are missing or broken; found before anything is trained.
        """
        config, dataset = job.config, job.dataset
        split = split_to_write(config)
        image_ids, training_ids = dataset.ids(split), dataset.ids(config.dataset.train_split)
        scored = scored_images(config, dataset, image_ids, split=split)
        own_cam = scored.image_ids if scored is not None and config.infer.get("own_cam") else ()
        predictor, figures = train_in_turn(self, config, dataset, training_ids, out_dir=job.out_dir / "train")
        write_seeds(
            predictor,
            dataset,
            image_ids,
            out_dir=job.out_dir,
            settings=config.infer,
            kind=self.map_kind(config),
            own_cam_of=own_cam,
        )
        given = config.model.get("weights")
        start = f"trained weights {Path(given).name}, not trained here" if given else config.model.pretrained
        extra = {
            "initialisation": str(start or "random weights"),
            "geometry": config.infer.get("geometry", "stretch"),
        }
        wait()
        chosen = {}
        if config.infer.threshold == TAGS and is_main():
            look = functools.partial(threshold_of_tags, predictor, dataset, scale=config.infer.scales[0])
            chosen["seed_fixed"] = look(image_ids, folder=job.out_dir)
            if own_cam:
                chosen["own_cam_fixed"] = look(own_cam, folder=job.out_dir / OWN_CAM)
        return Seeds(
            split, image_ids, has_own_cam=bool(own_cam), thresholds=chosen, figures=figures, extra=extra
        )
