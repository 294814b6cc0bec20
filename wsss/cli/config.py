"""``wsss config show``: what a stage would run with, and where each value comes from."""

from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from wsss.cli.app import app
from wsss.cli.options import AsJson, CfgOptions, DataRoot, console, from_here, print_json, with_root
from wsss.cli.stages import STAGES, load_stage
from wsss.config import flatten, load_settings
from wsss.errors import ConfigError
from wsss.log import printable
from wsss.presets import find_config

config = typer.Typer(no_args_is_help=True, help="Show settings.")
app.add_typer(config, name="config")


@config.callback()
def _settings() -> None:
    """Show settings."""


@config.command(epilog="Example: wsss config show seeds voc --cfg-options train.epochs=5")
def show(
    stage: Annotated[str, typer.Argument(help="seeds, refine or segment")],
    dataset: Annotated[str, typer.Argument(help="a preset's name")],
    file: Annotated[
        Path | None, typer.Option("--config", help="A config file instead of the preset.")
    ] = None,
    data_root: DataRoot = None,
    cfg_options: CfgOptions = None,
    as_json: AsJson = False,
) -> None:
    """Print the resolved settings of a stage, each with the file that set it last."""
    if stage not in STAGES:
        raise ConfigError(f"expected a stage out of {', '.join(STAGES)}, got {stage!r}: correct the command")
    find_config(stage, dataset, path=from_here(file))
    options = with_root(cfg_options, data_root)
    settings = load_settings(load_stage(stage), dataset, path=from_here(file), options=options)
    if settings.unused:
        raise ConfigError(next(iter(settings.unused.values())))
    resolved, sources = settings.config, settings.sources
    if as_json:
        print_json({name: {"value": value, "from": sources[name]} for name, value in flatten(resolved)})
        return
    out = console()
    for name, value in flatten(resolved):
        # One line each, however long: names can be searched for, and copied to --cfg-options.
        line = Text.assemble(printable(f"{name} = {value!r}"), (f"  # {sources[name]}", "dim"))
        out.print(line, soft_wrap=True)
