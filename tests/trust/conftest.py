"""A reduced demo, all of whose stages take seconds, and its run that nobody touched."""

import dataclasses
import os
import subprocess
import sys
from pathlib import Path

import pytest

from wsss.artifacts import read_artifact

# Twelve images, one size, a few steps: what matters is that each kind of file and checkpoint is written.
# Two processes can share the batches, and three.
SETTINGS = (
    "dataset.train=12", "dataset.val=4", "dataset.side=96",
    "seeds.train.resize=64", "seeds.train.crop=56", "seeds.train.batch_size=6", "seeds.train.epochs=3",
    "model.warmup_epochs=1", "infer.scales=(1.0,)",
    "refine.train.crop=64", "refine.train.batch_size=6", "refine.train.epochs=3", "refine.infer.steps=16",
    "segment.train_cfg.max_iters=6", "segment.train_dataloader.batch_size=6",
    "segment.default_hooks.checkpoint.interval=2",
)  # fmt: skip
KINDS = ("seeds", "masks", "segment")
# Beside these, files hold times and paths.
RESULTS = (".npz", ".png", ".pth")


@dataclasses.dataclass(frozen=True)
class ReducedDemo:
    """Calls of the command line on one reduced demo.

    ``whole`` is what its first run said, which nobody touched; its work folder has the same name.
    """

    root: Path
    whole: list[str] = dataclasses.field(default_factory=list)

    def words(self, verb, work, *options, stage="all"):
        """Arguments of ``wsss``; options are settings."""
        others = () if stage == "all" else ("refine.", "segment.")
        settings = [one for one in SETTINGS if not one.startswith(others)]
        words = [verb, *([stage] if verb in ("run", "repair") else ()), "demo"]
        words += ["--no-baselines"] if verb in ("run", "repair") else []
        words += ["--data-root", self.root / "data", "--work-dir", self.root / work]
        return [*map(str, words), "--cfg-options", *settings, *options]

    def start(self, work, *options, verb="run", stage="all", processes=1):
        """A call under way, with one thread for each process: sums are rounded in one order."""
        # A session of its own, so that workers can be killed with it.
        return subprocess.Popen(
            [sys.executable, "-m", "wsss.cli", *self.words(verb, work, *options, stage=stage)],
            cwd=self.root, env=os.environ | {"OMP_NUM_THREADS": "1", "GPUS": str(processes)},
            stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True, start_new_session=True,
        )  # fmt: skip

    def run(self, work, *options, **how):
        """Lines that a call says which must end well."""
        return finish(self.start(work, *options, **how))

    def results(self, work, kinds=KINDS, names=RESULTS):
        """Hashes of what was published, by name, where the same settings give the same bytes."""
        return {
            f"{kind}/{name}": digest
            for kind in kinds
            for name, digest in read_artifact(self.root / work / kind).manifest["files"].items()
            if name.endswith(names)
        }


def finish(process):
    """Lines of a call that must end well."""
    _, said = process.communicate(timeout=600)
    assert process.returncode == 0, said
    return said.splitlines()


@pytest.fixture(scope="session")
def demo(tmp_path_factory):
    """The reduced demo after its first run."""
    demo = ReducedDemo(tmp_path_factory.mktemp("demo"))
    demo.whole.extend(demo.run("whole"))
    return demo
