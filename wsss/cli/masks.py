"""``wsss masks``: from a folder of tagged images to masks, in one command."""

import enum
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from wsss.artifacts import read_mask
from wsss.cli.app import app
from wsss.cli.options import AsJson, Exif, exif_option, from_here, is_there, print_json
from wsss.cli.plan import Request, describe, make_plan, print_plan
from wsss.cli.run import Weights, weights_option
from wsss.config import load_dataset_settings
from wsss.datasets import build_dataset
from wsss.engine import run_step
from wsss.formats import export_masks
from wsss.images import read_image, say_frame
from wsss.log import logger
from wsss.pictures import MASKS, OVERLAYS, write_overlay
from wsss.presets import CONFIG_DIR
from wsss.progress import track
from wsss.stage import Step

# Fewer images for each class teach a network their backgrounds: docs/results/voc_mini.md.
_FEW = 20
_BATCH = 16


class Effort(str, enum.Enum):
    """How long the networks train, and how seeds become masks."""

    QUICK = "quick"
    THOROUGH = "thorough"


# Training steps of the seeds, and the config of the stage refine.
_STEPS = {Effort.QUICK: 150, Effort.THOROUGH: 600}
_REFINE = {Effort.QUICK: "crf_folder.py", Effort.THOROUGH: "irn_mbv1_folder.py"}


@app.command(epilog="Example: wsss masks photos --out photo-masks --effort quick")
def masks(
    images: Annotated[Path, typer.Argument(callback=is_there, help="The folder of images.")],
    out: Annotated[Path, typer.Option(help="The folder to write: masks/ID.png, overlays/ID.jpg, work/.")],
    tags: Annotated[
        Path | None,
        typer.Option(
            callback=is_there, help="The CSV with the columns file and tags. Default: IMAGES/tags.csv"
        ),
    ] = None,
    effort: Annotated[
        Effort,
        typer.Option(
            help="quick: short training, dense CRF; five minutes of one core for 60 photos. thorough: four "
            "times the steps, and a second network that learns where objects end (IRN)."
        ),
    ] = Effort.QUICK,
    weights: Weights = None,
    exif: Exif = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the plan and stop.")] = False,
    as_json: AsJson = False,
) -> None:
    """Make a mask for each of your tagged images; no ground truth is needed.

    The stages seeds and refine with the presets for own folders; the same command goes on where it was
    stopped.
    """
    folder = out.expanduser().absolute()
    here = [f"dataset.root={from_here(images)}", *exif_option(exif, "folder")]
    if tags is not None:
        here.append(f"dataset.labels={from_here(tags)}")
    dataset = build_dataset(load_dataset_settings("folder", here))
    image_ids = dataset.ids("all")
    _warn_of_few([dataset.tags(one) for one in image_ids], dataset.classes)
    steps = _plan(effort, folder / "work", [*here, *weights_option(weights)], len(image_ids))
    if not as_json:
        print_plan([describe(step) for step in steps])
    if dry_run:
        return
    for step in steps:
        run_step(step)
    made = folder / "work" / "masks"
    export_masks("voc", made, folder / MASKS)
    for image_id in track(image_ids, "overlays"):
        image = read_image(dataset.image_file(image_id))
        labels = read_mask(made / f"{image_id}.png")
        write_overlay(folder / OVERLAYS / f"{image_id}.jpg", image, labels)
    names = ["background", *dataset.classes]
    (folder / "classes.txt").write_text("".join(f"{name}\n" for name in names), encoding="utf-8")
    if as_json:
        print_json({"masks": str(folder / MASKS), "images": len(image_ids), "classes": names})
        return
    logger.info("masks are in %s, labels are the lines of classes.txt from 0", folder / MASKS)
    logger.info("%s", say_frame(dataset.upright))
    logger.info("look at %s before you trust them", folder / OVERLAYS)


def _plan(effort: Effort, work: Path, options: Sequence[str], count: int) -> list[Step]:
    """Both stages, checked before either of them starts."""
    per_epoch = max(count // _BATCH, 1)
    epochs = max(math.ceil(_STEPS[effort] / per_epoch), 4)
    length = [f"train.epochs={epochs}", f"model.warmup_epochs={epochs // 4}"]
    seeds = make_plan(Request("seeds", "folder", work, options=(*options, *length), baselines=False))
    trains = _REFINE[effort] != _REFINE[Effort.QUICK]
    refine = make_plan(
        Request(
            "refine",
            "folder",
            work,
            config=CONFIG_DIR / "refine" / _REFINE[effort],
            options=tuple(options if trains else [one for one in options if one.startswith("dataset.")]),
            planned={"seeds": seeds[-1].as_input()},
            baselines=False,
        )
    )
    return [*seeds, *refine]


def _warn_of_few(tags: Sequence[Sequence[int]], classes: Sequence[str]) -> None:
    """Say which classes have too few images to tell them from their backgrounds."""
    counts = {name: sum(label in one for one in tags) for label, name in enumerate(classes, start=1)}
    few = [f"{name} ({count})" for name, count in counts.items() if count < _FEW]
    if few:
        logger.warning(
            "%d of %d classes have fewer than %d images, and their masks may lie on what surrounds the "
            "objects: %s",
            len(few),
            len(classes),
            _FEW,
            ", ".join(few[:8]) + (", ..." if len(few) > 8 else ""),
        )
