"""The project's data sets and masks as a data set of mmsegmentation."""

import random
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from mmengine.config import Config
from mmseg.datasets import BaseSegDataset
from mmseg.registry import DATASETS

from wsss.artifacts import MANIFEST, open_artifact, voc_palette
from wsss.datasets import DataSet, build_dataset
from wsss.datasets.base import LabelFile, name_some
from wsss.errors import ArtifactError, ConfigError, DataError
from wsss.paths import resolve_path


@DATASETS.register_module()
class ProjectDataset(BaseSegDataset):
    """One split of one of the project's data sets, with masks or with its ground truth as labels."""

    def __init__(
        self,
        *,
        dataset: str | Mapping[str, Any],
        split: str | None = None,
        masks: str | Path | None = None,
        **kwargs: Any,
    ) -> None:
        """Open the data set.

        Args:
            dataset: the settings that a config holds under ``dataset``, or the config file that holds them.
            split: name of the split; None: the settings' ``val_split`` in test mode, else ``train_split``.
            masks: folder of masks ``ID.png``, published or not. None: ground truth, that is full supervision.
            kwargs: of mmsegmentation's ``BaseSegDataset``: ``pipeline``, ``test_mode``, ``lazy_init``, ...

        Raises:
            ConfigError: there is no such config file, or it describes no data set.
            DataError: the data set is not there, or has no ground truth where it is asked for.
            ArtifactError: masks are missing.
        """
        settings = dataset_settings(dataset)
        self.dataset = build_dataset(settings)
        self.split = split or settings["val_split" if kwargs.get("test_mode") else "train_split"]
        self.masks = None if masks is None else resolve_path(masks)
        labels = len(self.dataset.classes) + 1
        metainfo = {
            "classes": ("background", *self.dataset.classes),
            "palette": voc_palette()[:labels].tolist(),
        }
        super().__init__(metainfo=metainfo, reduce_zero_label=False, **kwargs)

    def load_data_list(self) -> list[dict[str, Any]]:
        """Paths of the split's images and labels."""
        files = label_files(self.dataset, self.dataset.ids(self.split), self.masks)
        return [
            {
                "img_path": str(self.dataset.image_path(image_id)),
                "image_file": self.dataset.image_file(image_id),
                "seg_map_path": str(file.path),
                "label_file": file,
                "image_id": image_id,
                "num_classes": len(self.dataset.classes),
                "label_map": None,
                "reduce_zero_label": False,
                "seg_fields": [],
            }
            for image_id, file in files.items()
        ]

    def __getitem__(self, index: int | tuple[int, int]) -> dict[str, Any]:
        """One image with its labels, through the pipeline.

        Args:
            index: place in the split; or with the seed that the pipeline's draws come from, as
                `segment.loop.PlacedSampler` gives it.
        """
        if isinstance(index, tuple):
            index, seed = index
            # The states that mmcv's and mmsegmentation's transforms draw from.
            random.seed(seed)
            np.random.seed(seed)  # noqa: NPY002
        item: dict[str, Any] = super().__getitem__(index)
        return item

    def prepare_data(self, idx: int) -> Any:
        """One image through the pipeline; its packed sample knows the image id, for messages."""
        info = self.get_data_info(idx)
        known = {"image_id": info["image_id"]}
        item = self.pipeline(info)
        if isinstance(item, dict) and "data_samples" in item:
            item["data_samples"].set_metainfo(known)
        return item


def dataset_settings(dataset: str | Mapping[str, Any]) -> dict[str, Any]:
    """Settings of a data set.

    Args:
        dataset: the settings themselves, or a config file with a table ``dataset``; relative paths start at
            the project root.

    Raises:
        ConfigError: there is no such file, or it has no such table.
    """
    if isinstance(dataset, Mapping):
        return dict(dataset)
    file = resolve_path(dataset)
    if not file.is_file():
        raise ConfigError(f"expected a config of a data set at {file}, found no file: correct 'dataset'")
    settings = Config.fromfile(str(file)).get("dataset")
    if not isinstance(settings, Mapping):
        raise ConfigError(
            f"expected a table 'dataset' in {file}, got {settings!r}: give a config that has one"
        )
    return dict(settings)


def label_files(dataset: DataSet, image_ids: Sequence[str], masks: Path | None) -> dict[str, LabelFile]:
    """Label map of each image.

    Args:
        dataset: where the ground truth is.
        image_ids: images of the split.
        masks: folder of masks, published or not; None: ground truth.

    Returns:
        image id -> label map, in the given order.

    Raises:
        ArtifactError: masks are missing.
        DataError: ground truth is missing.
    """
    if masks is None:
        absent = [image_id for image_id in image_ids if dataset.mask_path(image_id) is None]
        if absent:
            raise DataError(
                f"expected ground truth for {len(image_ids)} images of {dataset.name}, none for "
                f"{name_some(absent)}: train on masks instead (supervision='masks')"
            )
        return {image_id: dataset.truth_file(image_id) for image_id in image_ids}
    if (masks / MANIFEST).is_file():
        artifact = open_artifact(masks)
        files = {image_id: artifact.file(image_id) for image_id in image_ids}
    else:
        files = {image_id: masks / f"{image_id}.png" for image_id in image_ids}
    missing = [image_id for image_id, file in files.items() if not file.is_file()]
    if missing:
        raise ArtifactError(
            f"expected masks of {len(image_ids)} images in {masks}, missing {name_some(missing)}: "
            "make them for this split, or train on the split they were made for (--split)"
        )
    return {image_id: LabelFile(file, len(dataset.classes)) for image_id, file in files.items()}
