"""The command line's errors: one line, a status, no traceback."""

import logging
import sys

import pytest

from wsss.cli import main


@pytest.fixture
def call(monkeypatch, capsys, tmp_path):
    """Run the command line in an empty folder: arguments -> (exit status, what it wrote to stderr)."""
    monkeypatch.chdir(tmp_path)
    handlers = list(logging.getLogger("wsss").handlers)

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["wsss", *arguments])
        with pytest.raises(SystemExit) as stopped:
            main()
        return stopped.value.code, capsys.readouterr().err

    yield run
    logging.getLogger("wsss").handlers = handlers
    logging.getLogger("wsss").propagate = True


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (("run", "seed", "demo"), 2, "expected a stage out of seeds, refine, segment or all, got 'seed'"),
        (("run", "seeds", "demo", "--cfg-options", "train.epoch=1"), 2, "did you mean 'train.epochs'"),
        (
            ("run", "seeds", "demo", "--cfg-options", "seed=1", "train.epoch=1"),
            2,
            "did you mean 'train.epochs'",
        ),
        (("run", "seeds", "demo", "--cfg-options", "seed=1", "stray"), 2, "unexpected extra argument"),
        (("run", "seeds", "demos"), 2, "choose out of"),
        (("run", "all", "demo", "--config", "mine.py"), 2, "expected one stage with --config, got all"),
        (("run", "seeds", "voc", "--data-root", "nowhere"), 1, "nowhere"),
        (("run", "seeds"), 2, "Missing argument"),
        (("evaluate", "empty", "demo"), 1, "expected manifest.json in empty"),
    ],
)
def test_errors_are_one_line_with_a_status(call, arguments, status, message):
    code, stderr = call(*arguments)
    assert code == status
    assert message in stderr
    assert "Traceback" not in stderr


def test_help_names_the_commands(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["wsss", "--help"])
    with pytest.raises(SystemExit) as stopped:
        main()
    assert stopped.value.code == 0
    shown = capsys.readouterr().out
    assert "run" in shown
    assert "evaluate" in shown
