"""``wsss import`` and ``wsss export``: seeds and masks of other methods."""

from pathlib import Path
from typing import Annotated

import typer

from wsss.artifacts import Artifact, open_artifact
from wsss.cli.app import app
from wsss.cli.options import AsJson, CfgOptions, DataRoot, is_there, print_json, with_root
from wsss.config import load_dataset_settings
from wsss.datasets import DataSet, build_dataset
from wsss.formats import (
    EXPORTED_MASKS,
    HIGH_RES,
    IMPORTED_MASKS,
    SEEDS,
    export_masks,
    export_seeds,
    import_masks,
    import_seeds,
)
from wsss.log import logger

imports = typer.Typer(no_args_is_help=True, help="Publish seeds or masks from elsewhere.")
exports = typer.Typer(no_args_is_help=True, help="Write seeds or masks in another method's format.")
app.add_typer(imports, name="import")
app.add_typer(exports, name="export")

Source = Annotated[Path, typer.Argument(callback=is_there, help="The files to import.")]
Published = Annotated[Path, typer.Argument(callback=is_there, help="A published folder.")]
Target = Annotated[Path, typer.Argument(help="The folder to write.")]
Dataset = Annotated[
    str | None,
    typer.Option(help="A preset's name: its data set checks ids, sizes and classes, and tells sizes."),
]
Split = Annotated[
    str | None, typer.Option(help="Split that the files cover. Default: the preset's, or train.")
]
SeedFormat = Annotated[str, typer.Option("--format", help=f"One of {', '.join(SEEDS)}.")]
Maps = Annotated[
    str,
    typer.Option(help="high_res: full maps, as published scores are; cam: those at stride 4 beside them."),
]
MaskIn = Annotated[str, typer.Option("--format", help=f"One of {', '.join(IMPORTED_MASKS)}.")]
MaskOut = Annotated[str, typer.Option("--format", help=f"One of {', '.join(EXPORTED_MASKS)}.")]


@imports.command(
    "seeds", epilog="Example: wsss import seeds irn_cam work/voc/seeds-irn --format irn --dataset voc"
)
def import_seeds_verb(
    src: Source,
    dst: Target,
    format: SeedFormat,
    dataset: Dataset = None,
    split: Split = None,
    maps: Maps = HIGH_RES,
    data_root: DataRoot = None,
    cfg_options: CfgOptions = None,
    as_json: AsJson = False,
) -> None:
    """Publish another method's soft maps, to refine them with `wsss run refine ... --seeds DST`."""
    data, split = _open_dataset(dataset, split, with_root(cfg_options, data_root))
    _report(import_seeds(format, src, dst, dataset=data, split=split, maps=maps), as_json=as_json)


@imports.command(
    "masks", epilog="Example: wsss import masks pseudo_labels work/voc/masks-rib --format irn --dataset voc"
)
def import_masks_verb(
    src: Source,
    dst: Target,
    format: MaskIn,
    dataset: Dataset = None,
    split: Split = None,
    data_root: DataRoot = None,
    cfg_options: CfgOptions = None,
    as_json: AsJson = False,
) -> None:
    """Publish masks from elsewhere, to train on them with `wsss run segment ... --masks DST`."""
    data, split = _open_dataset(dataset, split, with_root(cfg_options, data_root))
    _report(import_masks(format, src, dst, dataset=data, split=split), as_json=as_json)


@exports.command("seeds", epilog="Example: wsss export seeds work/voc/seeds irn_cam --format irn")
def export_seeds_verb(src: Published, dst: Target, format: SeedFormat, as_json: AsJson = False) -> None:
    """Write published seeds as another method's programs read them."""
    export_seeds(format, src, dst)
    _report(open_artifact(src), as_json=as_json, to=dst)


@exports.command("masks", epilog="Example: wsss export masks work/voc/masks masks --format mmseg")
def export_masks_verb(src: Published, dst: Target, format: MaskOut, as_json: AsJson = False) -> None:
    """Write published masks, or a network's predictions, as other programs read them."""
    export_masks(format, src, dst)
    _report(open_artifact(src), as_json=as_json, to=dst)


def _open_dataset(name: str | None, split: str | None, options: list[str]) -> tuple[DataSet | None, str]:
    if name is None:
        return None, split or "train"
    settings = load_dataset_settings(name, options)
    return build_dataset(settings), split or settings["train_split"]


def _report(artifact: Artifact, *, as_json: bool, to: Path | None = None) -> None:
    where = to or artifact.dir
    if as_json:
        print_json(
            {"kind": artifact.kind, "split": artifact.split, "images": len(artifact.ids), "dir": str(where)}
        )
    else:
        logger.info("%s of %d images are in %s", artifact.kind, len(artifact.ids), where)
