"""What the verbs hang on: the application, its exit status and the log on stderr."""

import logging
import sys
import time
from collections.abc import Callable, Sequence
from typing import Annotated, Any

import typer
import typer.core
from torch.distributed.elastic.multiprocessing.api import SignalException

from wsss.distributed import is_main, launcher
from wsss.errors import ConfigError, WsssError
from wsss.log import logger

# torchrun looks for failed processes every tenth of a second, but a process takes a while to end.
_SECONDS_TO_SPEAK = 5.0


class _Verbs(typer.core.TyperGroup):
    """Verbs of two words: ``evaluate boxes`` beside ``evaluate``."""

    # Typer has click inside or beside it, as its version goes.
    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """The verb that the first word names, or the first two."""
        both = " ".join(args[:2])
        if both in self.commands and len(args) > 1:
            return both, self.commands[both], args[2:]
        return super().resolve_command(ctx, args)


app = typer.Typer(cls=_Verbs, no_args_is_help=True, add_completion=True, pretty_exceptions_enable=False)
_state = {"debug": False}


@app.callback()
def _options(debug: Annotated[bool, typer.Option(help="Show the traceback of an error.")] = False) -> None:
    """Weakly supervised segmentation: image tags in, pixel masks and a trained network out."""
    _state["debug"] = debug


def main() -> None:
    """Entry point: exit status 0, 1 where the work failed, 2 where the command was wrong."""
    _log_to_stderr()
    try:
        status: Any = app(_repeat_option(sys.argv[1:]), standalone_mode=False)
    except typer.Abort:
        sys.exit(1)
    except WsssError as error:
        _let_the_first_speak(error)
        if _state["debug"]:
            raise
        logger.error("%s", error)
        sys.exit(2 if isinstance(error, ConfigError) else 1)
    except (KeyboardInterrupt, SignalException):
        if is_main():
            logger.error("interrupted: the same command continues where it stopped")
        sys.exit(1)
    except Exception as error:
        show: Callable[[], None] | None = getattr(error, "show", None)
        if show is None:
            _let_the_first_speak(error)
            raise
        show()
        sys.exit(int(getattr(error, "exit_code", 2)))
    sys.exit(status if isinstance(status, int) else 0)


def _let_the_first_speak(error: Exception) -> None:
    """Of several processes that fail for one reason, let one say it: torchrun ends the others meanwhile.

    A clear error in the main process is the one to read. The others may have the same, or only notice that a
    process is gone.
    """
    if launcher() != "none" and not (is_main() and isinstance(error, WsssError)):
        time.sleep(_SECONDS_TO_SPEAK)


def _repeat_option(arguments: Sequence[str]) -> list[str]:
    """Let several settings follow one ``--cfg-options``, as in the tools of mmengine's family."""
    repeated: list[str] = []
    for word, before in zip(arguments, ["", *arguments], strict=False):
        among_settings = "--cfg-options" in repeated[-2:] and before != "--cfg-options"
        repeated += ["--cfg-options", word] if among_settings and _is_setting(word) else [word]
    return repeated


def _is_setting(word: str) -> bool:
    return "=" in word and not word.startswith("-")


def _log_to_stderr() -> None:
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s", datefmt="%H:%M:%S"))
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    logger.propagate = False
