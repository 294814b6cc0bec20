"""``wsss data`` for localisation: check what was downloaded, or make what needs no download."""

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from wsss.cli.data import data
from wsss.cli.options import AsJson, console, from_here, print_json
from wsss.config import load_dataset_settings
from wsss.datasets import LocalizationDataSet, build_dataset
from wsss.datasets.located_check import examine
from wsss.errors import ConfigError, DataError
from wsss.log import logger

Root = Annotated[Path | None, typer.Option(help="Folder of the data. Default: the preset's.")]
Metadata = Annotated[Path | None, typer.Option(help="Folder of the lists. Default: the preset's.")]
Layout = Annotated[str | None, typer.Option(help="Form of the lists: wsol is wsolevaluation's.")]

_COLUMNS = ("images", "expected", "images_missing", "with_boxes", "with_masks", "masks_missing")
_LISTS = "github.com/clovaai/wsolevaluation has the lists in its folder metadata"
_SOURCES = {
    "cub": "unpack CUB_200_2011.tgz, and for masks segmentations.tgz inside it: see CUB-200-2011 "
    "at www.vision.caltech.edu",
    "ilsvrc": "train and val (ILSVRC2012_img_*.tar) come from image-net.org after registration; "
    f"{_LISTS} and tells how to fetch val2 (ImageNetV2)",
    "openimages": f"{_LISTS} and tells how to fetch the images; train_images.txt, test_images.txt and "
    "test_mask.txt are those of BAS, or give --layout wsol",
}


@data.command(epilog="Example: wsss data cub --root data/CUB_200_2011")
def cub(root: Root = None, metadata: Metadata = None, layout: Layout = None, as_json: AsJson = False) -> None:
    """Check CUB-200-2011, say what is missing and where it comes from; status 1: it cannot be used."""
    _check("cub", root, metadata, layout, as_json=as_json)


@data.command(epilog="Example: wsss data ilsvrc --root data/ILSVRC --metadata wsolevaluation/metadata/ILSVRC")
def ilsvrc(
    root: Root = None, metadata: Metadata = None, layout: Layout = None, as_json: AsJson = False
) -> None:
    """Check ILSVRC 2012, say what is missing and where it comes from; status 1: it cannot be used."""
    _check("ilsvrc", root, metadata, layout, as_json=as_json)


@data.command(epilog="Example: wsss data openimages --root data/OpenImages --layout wsol")
def openimages(
    root: Root = None, metadata: Metadata = None, layout: Layout = None, as_json: AsJson = False
) -> None:
    """Check OpenImages with masks, say what is missing and where from; status 1: it cannot be used."""
    _check("openimages", root, metadata, layout, as_json=as_json)


@data.command("voc_boxes", epilog="Example: wsss data voc_boxes --images data/VOCdevkit/VOC2012")
def voc_boxes(
    root: Annotated[Path | None, typer.Option(help="Where to write. Default: the preset's.")] = None,
    images: Annotated[Path | None, typer.Option(help="Folder in VOC's layout. Default: voc_mini.")] = None,
    labels: Annotated[Path | None, typer.Option(help="Its cls_labels.npy, if it has no XML files.")] = None,
    as_json: AsJson = False,
) -> None:
    """Write lists of a VOC folder's images of one class, with boxes of their masks; images stay there."""
    settings = load_dataset_settings("voc_boxes")
    if images is not None:
        # Another folder has other numbers of images, and tags of its own.
        settings |= {"images": from_here(images), "labels": None, "counts": {}}
    if labels is not None:
        settings["labels"] = from_here(labels)
    _report("voc_boxes", settings, root, as_json=as_json)


@data.command("demo_boxes", epilog="Example: wsss data demo_boxes")
def demo_boxes(
    root: Annotated[Path | None, typer.Option(help="Where to write. Default: the preset's.")] = None,
    as_json: AsJson = False,
) -> None:
    """Draw the demo's pictures of one class each, with exact boxes and masks."""
    _report("demo_boxes", load_dataset_settings("demo_boxes"), root, as_json=as_json)


def _check(
    preset: str, root: Path | None, metadata: Path | None, layout: str | None, *, as_json: bool
) -> None:
    settings = load_dataset_settings(preset)
    if layout is not None and layout != settings["layout"]:
        settings |= {"layout": layout, "metadata": None}
    if metadata is not None:
        settings["metadata"] = from_here(metadata)
    try:
        _report(preset, settings, root, as_json=as_json)
    except (ConfigError, DataError) as error:
        raise type(error)(f"{error}; {_SOURCES[preset]}") from error


def _report(preset: str, settings: dict[str, Any], root: Path | None, *, as_json: bool) -> None:
    """Open the data set, which makes it where it is one that we make, and tell what is there."""
    if root is not None:
        settings["root"] = from_here(root)
    dataset = build_dataset(settings)
    if not isinstance(dataset, LocalizationDataSet):
        raise ConfigError(f"expected a preset of a localisation set, got {preset}: correct configs/_base_")
    wanted = (settings["train_split"], settings["val_split"])
    rows = examine(dataset, counts=dict(settings.get("counts") or {}), wanted=wanted)
    if as_json:
        print_json({"root": str(dataset.root), "metadata": str(dataset.metadata), "splits": rows})
    else:
        title = f"{preset}, {len(dataset.classes)} classes, {dataset.root}"
        table = Table("split", *(one.replace("_", " ") for one in _COLUMNS), title=title)
        for split, row in rows.items():
            cells = (row.get(one) for one in _COLUMNS)
            table.add_row(split, *("-" if one is None else str(one) for one in cells))
        console().print(table)
    for split, row in rows.items():
        for problem in row["problems"]:
            logger.warning("%s: %s", split, problem)
    if any(rows[split]["problems"] for split in wanted):
        if preset in _SOURCES:
            logger.warning("%s", _SOURCES[preset])
        raise typer.Exit(1)
