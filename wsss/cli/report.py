"""``wsss report``: a page to look at."""

from pathlib import Path
from typing import Annotated

import typer

from wsss.cli.app import app
from wsss.cli.options import AsJson, CfgOptions, DataRoot, from_here, print_json, with_root
from wsss.config import load_dataset_settings
from wsss.datasets import DataSet, build_dataset
from wsss.errors import WsssError
from wsss.log import logger
from wsss.paths import PROJECT_ROOT


@app.command(epilog="Example: wsss report voc")
def report(
    dataset: Annotated[str, typer.Argument(help="A preset's name.")],
    work_dir: Annotated[Path | None, typer.Option(help="Default: work/DATASET")] = None,
    out: Annotated[Path | None, typer.Option(help="The HTML file. Default: WORK_DIR/report.html")] = None,
    pictures: Annotated[int, typer.Option(min=0, help="Images shown for each split.")] = 6,
    data_root: DataRoot = None,
    cfg_options: CfgOptions = None,
    as_json: AsJson = False,
) -> None:
    """Write one HTML page: figures, thresholds and who chose them, scores per class, pictures."""
    # Here, because matplotlib takes its time and no other verb needs it.
    from wsss.report import write_report

    folder = from_here(work_dir) or PROJECT_ROOT / "work" / dataset
    file = from_here(out) or folder / "report.html"
    data = _open_dataset(dataset, with_root(cfg_options, data_root)) if pictures else None
    names = write_report(folder, file, dataset=data, pictures=pictures)
    if as_json:
        print_json({"file": str(file), "artifacts": names})
    else:
        logger.info("the page is %s", file)


def _open_dataset(name: str, options: list[str]) -> DataSet | None:
    settings = load_dataset_settings(name, options)
    try:
        return build_dataset(settings)
    except WsssError as error:
        logger.warning("no pictures: %s", error)
        return None
