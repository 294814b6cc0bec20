"""The table of a training: on a terminal of 80 columns, and the lines that the log keeps."""

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios

import pytest

from wsss.paths import PROJECT_ROOT
from wsss.training_progress import LossMeans, step_span

COLUMNS = 80
# A training of 12 steps with three terms; a hook of its own says something in the middle of it.
SCRIPT = """
import sys, time
from pathlib import Path
import torch
from mmengine.hooks import Hook
from torch import nn
from wsss.cli.app import _log_to_stderr
from wsss.folder import log_file
from wsss.log import logger
from wsss.training import Schedule, train_network

class Points(torch.utils.data.Dataset):
    def __len__(self):
        return 8
    def __getitem__(self, index):
        return {"x": torch.tensor([float(index)])}

class Line(nn.Module):
    def __init__(self):
        super().__init__()
        self.slope = nn.Linear(1, 1, bias=False)
    def training_losses(self, batch, *, step):
        time.sleep(0.25)
        if step == int(sys.argv[2]):
            raise KeyboardInterrupt
        loss = self.slope(batch["x"]).square().mean()
        return {"loss": loss, "background_suppression": loss.detach() * 0 + step, "area": loss.detach()}

class Speaks(Hook):
    def after_train_epoch(self, runner):
        logger.info("epoch %d is over, %s", runner.epoch + 1, "a line longer than the terminal is wide " * 2)

_log_to_stderr()
out_dir = Path(sys.argv[1])
with log_file(out_dir):
    network = Line()
    train_network(
        network, Points(), out_dir=out_dir, description="train line", random_seed=0, hooks=[Speaks()],
        schedule=Schedule(
            epochs=3, batch_size=2, learning_rate=0.01, momentum=0.0, weight_decay=0.0, num_workers=0
        ),
        parameter_groups=[{"params": list(network.parameters())}],
    )
logger.info("after the training")
"""


class Screen:
    """What a terminal shows of the characters that rich sends: text, colours, moves up and erased lines."""

    def __init__(self):
        self.lines, self.row, self.column, self.cursor = [""], 0, 0, True

    def feed(self, text):
        for move, character in re.findall(r"(\x1b\[[?0-9;]*[A-Za-z])|([\s\S])", text):
            if move.endswith("A"):
                self.row -= int(move[2:-1] or 1)
                assert self.row >= 0
            elif move.endswith("K"):
                self.lines[self.row] = ""
            elif move in ("\x1b[?25l", "\x1b[?25h"):
                self.cursor = move.endswith("h")
            elif character == "\r":
                self.column = 0
            elif character == "\n":
                self._next()
            elif character:
                if self.column == COLUMNS:
                    self.column = 0
                    self._next()
                line = self.lines[self.row].ljust(self.column)
                self.lines[self.row] = line[: self.column] + character + line[self.column + 1 :]
                self.column += 1
            else:
                assert move.endswith("m"), f"a move that this screen does not know: {move!r}"

    def _next(self):
        self.row += 1
        if self.row == len(self.lines):
            self.lines.append("")


def on_terminal(tmp_path, *, stop_at=-1):
    """Train in a pseudo-terminal: the screen after each piece of output, the exit status."""
    main, terminal = pty.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 30, COLUMNS, 0, 0))
    environment = {
        key: value for key, value in os.environ.items() if key not in ("COLUMNS", "LINES", "NO_COLOR")
    }
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT, str(tmp_path / "line"), str(stop_at)],
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
        cwd=PROJECT_ROOT,
        env=environment
        | {"TERM": "xterm-256color", "PYTHONPATH": str(PROJECT_ROOT), "PYTHONIOENCODING": "utf-8"},
    )
    os.close(terminal)
    screen, shots, rest = Screen(), [], b""
    while True:
        try:
            got = os.read(main, 65536)
        except OSError:  # Linux says so that the other end is closed
            break
        if not got:
            break
        rest += got
        whole = rest.rpartition(b"\n")[0]
        screen.feed(whole.decode())
        rest = rest[len(whole) :]
        shots.append([line.rstrip() for line in screen.lines])
    screen.feed(rest.decode())
    os.close(main)
    shots.append([line.rstrip() for line in screen.lines])
    return screen, shots, process.wait()


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A whole training: its folder, the screen, its states and the exit status."""
    folder = tmp_path_factory.mktemp("whole")
    return folder, *on_terminal(folder)


def test_one_block_in_a_terminal(whole):
    _, screen, shots, status = whole
    assert status == 0, "\n".join(shots[-1])
    last = "\n".join(shots[-1])
    # Said above the block, which is there once; the means of an epoch are in it, not above it.
    assert len(re.findall(r"train line +━", last)) == 1
    assert len(re.findall(r"epoch \d is over", last)) == 3
    assert "step 12/12, rate" not in last
    assert re.search(
        r"train line +━+ +in 0:00:0\d\n"
        r"  epoch 3/3   step 12/12   rate 0\.00e\+00   \S+ images/s\n"
        r"mean over +steps 9-12 +steps 5-8\n"
        r"loss +\d+\.\d{4} +\d+\.\d{4}\n"
        r"background_suppression +9\.5000 +5\.5000\n"
        r"area +\d+\.\d{4} +\d+\.\d{4}\n",
        last,
    )
    assert re.search(r"\d\d:\d\d:\d\d after the training", shots[-1][-2])
    assert screen.cursor
    # While it ran: the time left, and numbers of the epoch so far.
    middle = "\n".join("\n".join(shot) for shot in shots)
    assert re.search(r"train line +━[━╸╺ ]+ +0:00:0\d left\n  epoch 2/3   step [567]/12 ", middle)
    assert max(len(line) for shot in shots for line in shot) <= COLUMNS


def test_the_log_beside_keeps_the_means_for_the_report(tmp_path):
    on_terminal(tmp_path)
    log = (tmp_path / "line.log").read_text()
    steps = re.findall(
        r"INFO train line: step (\d+)/12, rate \S+, loss (\S+), background_suppression (\S+),", log
    )
    assert [(step, mean) for step, _, mean in steps] == [("4", "1.5000"), ("8", "5.5000"), ("12", "9.5000")]


def test_an_interrupt_gives_the_terminal_back(tmp_path):
    screen, shots, status = on_terminal(tmp_path, stop_at=5)
    assert status != 0
    assert screen.cursor
    last = "\n".join(shots[-1])
    assert re.search(r"step [45]/12 ", last)
    assert last.rstrip().endswith("KeyboardInterrupt")  # below the block, as the line that says what goes on


def test_means_by_hand():
    losses = LossMeans(10)
    for value in (1.0, 2.0, 6.0):
        losses.add({"loss": value})
    assert (losses.first, losses.last, losses.means(), losses.before) == (11, 13, {"loss": 3.0}, None)
    assert losses.close() == {"loss": 3.0}
    assert losses.before is None  # still shown as the present one
    losses.add({"loss": 5.0, "area": 1.0})
    assert (losses.first, losses.last, losses.means()) == (14, 14, {"loss": 5.0, "area": 1.0})
    assert losses.before == (11, 13, {"loss": 3.0})


@pytest.mark.parametrize("count", [1, 2])
def test_a_span_of_one_step_says_so(count):
    losses = LossMeans(0)
    for _ in range(count):
        losses.add({"loss": 1.0})
    assert step_span(losses.first, losses.last) == ("step 1" if count == 1 else "steps 1-2")
