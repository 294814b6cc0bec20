"""What the verbs hang on: the application, its exit status and the log on stderr."""

import contextlib
import errno
import functools
import logging
import os
import shlex
import signal
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
import typer.core

from wsss.datasets.made import only_looking
from wsss.distributed import is_main, launcher
from wsss.errors import ArtifactError, ConfigError, TrainingError, WsssError
from wsss.log import OneLine, logger
from wsss.progress import is_live

# torchrun looks for failed processes every tenth of a second, but a process takes a while to end.
_SECONDS_TO_SPEAK = 5.0
# Verbs that find what an interrupted call of theirs has made; all others begin again.
_CONTINUING = ("run", "repair", "data coco", "data voc", "predict", "masks", "submit")
# Verbs that may make data such as the demo's, or make them anew with other settings; all others only look.
_MAKING = ("run", "benchmark", "data")
_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_INTERRUPTED = 128 + signal.SIGINT
_NO_SPACE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
# What gloo says where a process at the other end has died.
_GONE = ("Connection closed by peer", "Connection reset by peer", "Broken pipe")
_NOT_ALLOWED = (errno.EACCES, errno.EPERM, errno.EROFS)


class _Verbs(typer.core.TyperGroup):
    """Verbs of two words: ``evaluate boxes`` beside ``evaluate``."""

    # Typer has click inside or beside it, as its version goes.
    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """The verb that the first word names, or the first two."""
        both = " ".join(args[:2])
        if args[0] in ("seeds", "refine", "segment", "all"):
            raise ConfigError(f"expected a verb, got the stage {args[0]!r}: wsss run {shlex.join(args)}")
        if both in self.commands and len(args) > 1:
            return both, self.commands[both], args[2:]
        return super().resolve_command(ctx, args)


app = typer.Typer(cls=_Verbs, no_args_is_help=True, add_completion=True, pretty_exceptions_enable=False)
_state = {"debug": False, "stopped": False}


@app.callback()
def _options(
    context: typer.Context,
    debug: Annotated[bool, typer.Option(help="Show the traceback of an error.")] = False,
) -> None:
    """Weakly supervised segmentation: image tags in, pixel masks and a trained network out."""
    _state["debug"] = debug
    if context.invoked_subcommand not in _MAKING:
        context.with_resource(only_looking())


def main() -> None:
    """Entry point: exit status 0, 1 where the work failed, 2 where the command was wrong."""
    _log_to_stderr()
    _stop_on_signals()
    try:
        status: Any = app(_repeat_option(sys.argv[1:]), standalone_mode=False)
        # As its version goes, typer hands Ctrl-C on, or turns it into an error or a status.
        if status == _INTERRUPTED:
            raise KeyboardInterrupt
    except (KeyboardInterrupt, typer.Abort):
        _say_interrupted()
        sys.exit(1)
    except Exception as error:
        # A library may turn the interrupt into an error of its own, as mmengine does when it prints a config.
        # torchrun turns signals into this; importing its class would cost every verb a second.
        if _state["stopped"] or type(error).__name__ == "SignalException":
            _say_interrupted()
            sys.exit(1)
        show: Callable[[], None] | None = getattr(error, "show", None)
        if show is None:
            _let_the_first_speak(error)
            said = _in_words(error)
            if said is None or _state["debug"]:
                raise
            logger.error("%s", said)
            sys.exit(2 if isinstance(said, ConfigError) else 1)
        show()
        if "unexpected extra argument" in str(error):
            sys.stderr.write(
                "Put a path with spaces in quotes, and settings behind --cfg-options as KEY=VALUE without "
                "spaces.\n"
            )
        sys.exit(int(getattr(error, "exit_code", 2)))
    sys.exit(status if isinstance(status, int) else 0)


def _stop_on_signals() -> None:
    """SIGTERM, as schedulers send it, stops this process as Ctrl-C does; its workers just end.

    Processes under torchrun keep the default: it sends SIGTERM to the others where one has failed.
    """
    _state["stopped"] = False
    if launcher() == "pytorch":
        return
    with contextlib.suppress(ValueError):  # not in the main thread: a program calls us
        for number in _SIGNALS:
            signal.signal(number, _stop)
        _once_for_children()


def _stop(number: int, frame: Any) -> None:
    _state["stopped"] = True
    raise KeyboardInterrupt


@functools.cache
def _once_for_children() -> None:
    """Let signals end forked workers as the kernel does it, from their first moment on.

    A handler in Python waits for the next line of Python. A worker that is told to end just before it waits
    for a lock would never get there, and the pool that ends it would wait forever.
    """
    block, unblock = (
        functools.partial(signal.pthread_sigmask, how, _SIGNALS)
        for how in (signal.SIG_BLOCK, signal.SIG_UNBLOCK)
    )

    def in_child() -> None:
        for number in _SIGNALS:
            if signal.getsignal(number) is _stop:
                signal.signal(number, signal.SIG_DFL)
        unblock()

    os.register_at_fork(before=block, after_in_parent=unblock, after_in_child=in_child)


def _say_interrupted() -> None:
    """What becomes of the work when somebody stops it, and what to call next."""
    if not is_main():
        return
    words = sys.argv[1:]
    continues = any(words[: len(one.split())] == one.split() for one in _CONTINUING)
    what = "the same command goes on where it stopped" if continues else "the same command begins again"
    logger.error("interrupted: %s: %s", what, shlex.join([Path(sys.argv[0]).name, *words]))


def _in_words(error: Exception) -> WsssError | None:
    """An error as one line; None where it is a fault of the program, whose traceback is wanted."""
    if isinstance(error, WsssError):
        return error
    if isinstance(error, OSError) and error.errno in _NO_SPACE:
        where = f" for {error.filename}" if error.filename else ""
        return ArtifactError(
            f"expected room on the disk{where}, got: {error.strerror}: free space or change --work-dir; the "
            "same command goes on where it stopped"
        )
    if isinstance(error, OSError) and error.errno in _NOT_ALLOWED:
        return ArtifactError(
            f"expected to be allowed to use {error.filename}, got: {error.strerror}: change its permissions "
            "or give another folder"
        )
    # torch names no reason when it cannot write; a full disk is the common one.
    if isinstance(error, RuntimeError) and "PytorchStreamWriter failed writing" in str(error):
        return ArtifactError(
            "expected to write a checkpoint, got a write that failed: free space or change --work-dir; the "
            "same command goes on where it stopped"
        )
    if type(error).__name__ == "DistBackendError" or (
        isinstance(error, RuntimeError) and any(one in str(error) for one in _GONE)
    ):
        return TrainingError(
            "expected all processes of the job to go on, another one is gone: see what it said, or whether "
            "it was killed (too little memory is a common cause); the same command goes on where it stopped"
        )
    if type(error).__name__ == "OutOfMemoryError":
        return TrainingError(
            f"expected the work to fit into the GPU's memory, got: {str(error).splitlines()[0]}: lower "
            "train.batch_size or the crop in --cfg-options, or end what else runs on the GPU"
        )
    if type(error).__name__ == "BrokenProcessPool":
        return TrainingError(
            "expected the processes that work on the images to live, got one killed, most often for want of "
            "memory: lower num_workers; the same command goes on where it stopped"
        )
    if isinstance(error, MemoryError):
        return TrainingError(
            "expected the work to fit into the memory of this machine, got none left: lower num_workers or "
            "the size of the images"
        )
    return None


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


# It takes no type before Python 3.11.
class _ToStderr(logging.StreamHandler):  # type: ignore[type-arg]
    """Writes to what is stderr at the moment: while a loop is shown, its lines go above that."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write one line."""
        self.stream = sys.stderr
        super().emit(record)


def _log_to_stderr() -> None:
    handler = _ToStderr()
    # What a table on the terminal shows is for the log files alone.
    handler.addFilter(lambda record: not (is_live() and hasattr(record, "in_table")))
    handler.setFormatter(OneLine("%(asctime)s %(message)s", datefmt="%H:%M:%S"))
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    logger.propagate = False
