"""``wsss data``: check or build a data set."""

import shlex
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from wsss.cli.app import app
from wsss.cli.options import AsJson, Exif, Frame, console, from_here, is_there, print_json
from wsss.config import load_dataset_settings
from wsss.datasets import FolderDataSet, build_dataset
from wsss.datasets.base import name_some
from wsss.datasets.coco import SPLITS
from wsss.datasets.coco_build import build_coco
from wsss.datasets.folder import ALL
from wsss.datasets.voc_build import check_voc, convert_sbd, download_voc, find_voc
from wsss.images import check_images, read_image
from wsss.log import logger
from wsss.paths import resolve_path
from wsss.progress import track

data = typer.Typer(no_args_is_help=True, help="Check or build a data set.")
app.add_typer(data, name="data")

Preset = Annotated[str, typer.Option(help="Whose settings to start from: configs/_base_/NAME.py.")]
Workers = Annotated[int, typer.Option(min=0, help="Processes; 0: one per CPU core.")]


@data.command(epilog="Example: wsss data voc --root data/VOCdevkit/VOC2012 --download")
def voc(
    root: Annotated[Path | None, typer.Option(help="VOC2012, VOCdevkit or the folder above it.")] = None,
    sbd: Annotated[
        Path | None, typer.Option(help="SBD, to convert its .mat files. Default: ROOT/../../sbd")
    ] = None,
    download: Annotated[bool, typer.Option("--download", help="Fetch VOC 2012 and SBD: 3.4 GB.")] = False,
    labels: Annotated[Path | None, typer.Option(help="cls_labels.npy, for the tags.")] = None,
    preset: Preset = "voc",
    as_json: AsJson = False,
) -> None:
    """Check VOC 2012 list by list, convert SBD's masks, say what is missing; status 1: it cannot be used."""
    settings = load_dataset_settings(preset)
    folder = from_here(root) or resolve_path(settings["root"])
    augmentation = from_here(sbd) or folder.parent.parent / "sbd"
    if download:
        download_voc(folder, augmentation)
    folder = find_voc(folder)
    if download or sbd is not None:
        convert_sbd(folder, augmentation)
    tags = from_here(labels) or (resolve_path(settings["labels"]) if settings["labels"] else None)
    rows = check_voc(folder, counts=settings["counts"], labels=tags)
    if as_json:
        print_json({"root": str(folder), "splits": rows})
    else:
        table = Table(
            "split",
            "images",
            "expected",
            "missing: images",
            "masks",
            "tags",
            "tags differ",
            title=str(folder),
        )
        keys = ("images", "expected", "images_missing", "masks_missing", "tags_missing", "tags_differ")
        for split, row in rows.items():
            table.add_row(split, *(_shown(row.get(key)) for key in keys))
        console().print(table)
    for split, row in rows.items():
        for problem in row["problems"]:
            logger.warning("%s: %s", split, problem)
    if any(rows[split]["problems"] for split in {settings["train_split"], settings["val_split"]}):
        raise typer.Exit(1)


@data.command(epilog="Example: wsss data folder --images photos --tags tags.csv")
def folder(
    images: Annotated[Path, typer.Option(callback=is_there, help="Folder of the images; subfolders count.")],
    tags: Annotated[
        Path | None,
        typer.Option(callback=is_there, help="CSV with file,tags. Default: tags.csv in the folder."),
    ] = None,
    ground_truth: Annotated[
        Path | None, typer.Option(callback=is_there, help="Folder of masks ID.png, for scores.")
    ] = None,
    exif: Exif = None,
    as_json: AsJson = False,
) -> None:
    """Check a folder of your own images and their tags, and print the command that runs all stages on it."""
    root = from_here(images) or images
    given = {"labels": from_here(tags), "ground_truth": from_here(ground_truth)}
    how = Frame.APPLY.value if exif is None else exif.value
    dataset = FolderDataSet(root, labels=given["labels"], ground_truth=given["ground_truth"], exif=how)
    _check_files(dataset)
    dataset.check(ALL)
    ids, left_out = dataset.ids(ALL), dataset.unlisted()
    counts = Counter(label for image_id in ids for label in dataset.tags(image_id))
    per_class = {name: counts[label] for label, name in enumerate(dataset.classes, start=1)}
    command = _command_for(root, {**given, "exif": None if dataset.upright else how})
    if as_json:
        facts = {"images": len(ids), "images_per_class": per_class, "not_in_the_csv": list(left_out)}
        print_json({**facts, "remarks": dataset.remarks, "command": command})
        return
    table = Table("label", "class", "images", title=f"{len(ids)} images in {root}")
    for label, (name, count) in enumerate(per_class.items(), start=1):
        table.add_row(str(label), name, str(count))
    console().print(table)
    for remark in dataset.remarks:
        logger.warning("%s", remark)
    if left_out:
        logger.warning("left out, not in the table of tags, %s", name_some(left_out))
    tags_there = [] if tags is None else ["--tags", str(given["labels"])]
    masks = shlex.join(["wsss", "masks", str(root), "--out", f"{root.name}-masks", *tags_there])
    logger.info("masks in one command: %s", masks)
    logger.info("all stages, with a network at the end: %s", command)


@data.command(epilog="Example: wsss data coco --root data/coco")
def coco(
    root: Annotated[Path | None, typer.Option(help="Folder with train2014, val2014, annotations.")] = None,
    labels: Annotated[Path | None, typer.Option(help="Where to write. Default: the root.")] = None,
    year: Annotated[int | None, typer.Option(help="Which release: 2014 or 2017.")] = None,
    preset: Preset = "coco",
    num_workers: Workers = 0,
    as_json: AsJson = False,
) -> None:
    """Build tags and ground truth of COCO from its annotations; continues where it was stopped."""
    settings = _coco_settings(preset, root=from_here(root), labels=from_here(labels), year=year)
    folder = resolve_path(settings["root"])
    out = resolve_path(settings["labels"] or folder)
    built = {
        split: build_coco(folder, labels=out, split=split, year=settings["year"], num_workers=num_workers)
        for split in SPLITS
    }
    # What was built must be what the stages ask for: the counts, and an image for each mask.
    dataset = build_dataset(settings)
    for split in SPLITS:
        dataset.check(split)
    if as_json:
        print_json({"labels": str(out), **built})
        return
    table = Table("", *SPLITS, title=f"{dataset.name}, {len(dataset.classes)} classes, in {out}")
    for name in built["train"]:
        if name != "images_per_class":
            table.add_row(name.replace("_", " "), *(_shown(built[split][name]) for split in SPLITS))
    for name in dataset.classes:
        table.add_row(
            f"images with {name}", *(str(built[split]["images_per_class"][name]) for split in SPLITS)
        )
    console().print(table)


def _check_files(dataset: FolderDataSet) -> None:
    """Read every image, and every mask that is there."""
    check_images({one: dataset.image_file(one) for one in dataset.ids(ALL)})
    for image_id in track(dataset.ids(ALL), "read images"):
        size = read_image(dataset.image_file(image_id)).shape[:2]
        if dataset.mask_path(image_id) is not None:
            dataset.truth(image_id, size=size)


def _command_for(root: Path, given: Mapping[str, Path | str | None]) -> str:
    """The command that runs all stages on a folder."""
    words = [
        "tools/run_stage.sh",
        "all",
        "folder",
        "--data-root",
        str(root),
        "--work-dir",
        f"work/{root.name}",
    ]
    settings = [f"dataset.{key}={path}" for key, path in given.items() if path is not None]
    return shlex.join([*words, *(["--cfg-options", *settings] if settings else [])])


def _coco_settings(
    preset: str, *, root: Path | None, labels: Path | None, year: int | None
) -> dict[str, Any]:
    """The preset's settings with those of the command line in their place."""
    settings = load_dataset_settings(preset)
    # Another release has other numbers of images, and another root its own labels.
    if year is not None and year != settings["year"]:
        settings |= {"year": year, "counts": {}}
    if root is not None:
        settings |= {"root": root, "labels": labels}
    elif labels is not None:
        settings["labels"] = labels
    return settings


def _shown(value: Any) -> str:
    return "-" if value is None else str(value)
