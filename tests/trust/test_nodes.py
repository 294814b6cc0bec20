"""All stages over two nodes under torchrun, and as three tasks of SLURM, on one machine."""

import os
import socket
import subprocess
import sys

import pytest

from wsss.artifacts import open_artifact

IMAGES, VAL = 12, 6
# Batches that two processes can share, and three.
SETTINGS = (
    f"dataset.train={IMAGES}", f"dataset.val={VAL}", "dataset.side=96", "seeds.train.resize=48",
    "seeds.train.crop=40", "seeds.train.epochs=2", "seeds.train.batch_size=6", "model.warmup_epochs=1",
    "seeds.infer.scales=(1.0,)", "refine.train.crop=48", "refine.train.batch_size=6", "refine.train.epochs=1",
    "refine.infer.steps=16", "segment.train_cfg.max_iters=3", "segment.train_dataloader.batch_size=6",
    "segment.infer.scales=(1.0,)", "train.num_workers=0",
)  # fmt: skip


def arguments(root):
    return [
        *("-m", "wsss.cli", "run", "all", "demo", "--no-baselines"),
        *("--data-root", str(root / "data"), "--work-dir", str(root / "work"), "--cfg-options", *SETTINGS),
    ]


def finish(root, commands):
    """Start the processes together; status and log of each."""
    started = [
        subprocess.Popen(
            [sys.executable, *command], cwd=root, env=os.environ | environment, text=True,
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
        )
        for command, environment in commands
    ]  # fmt: skip
    try:
        logs = [one.communicate(timeout=900)[1] for one in started]
    finally:
        for one in started:
            one.kill()
    return [one.returncode for one in started], logs


def free_port():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def torchrun(root):
    """Two agents that meet at one address, each with a process of its own, as on two machines."""
    meeting = ("--rdzv-backend", "c10d", "--rdzv-endpoint", f"127.0.0.1:{free_port()}", "--rdzv-id", "job")
    command = ["-m", "torch.distributed.run", "--nnodes", "2", "--nproc-per-node", "1", *meeting]
    return finish(root, [([*command, *arguments(root)], {})] * 2)


def srun(root, tasks):
    """What ``srun`` gives its tasks, and ``scontrol``, which names the nodes."""
    programs = root / "bin"
    programs.mkdir()
    (programs / "scontrol").write_text(
        "#!/bin/sh\n[ \"$*\" = 'show hostnames node[1-3]' ] && echo localhost\n"
    )
    (programs / "scontrol").chmod(0o755)
    common = {
        "PATH": f"{programs}:{os.environ['PATH']}",
        "SLURM_JOB_ID": str(free_port() - 20000) if free_port() >= 20000 else "4711",
        "SLURM_STEP_NUM_TASKS": str(tasks),
        "SLURM_STEP_NODELIST": "node[1-3]",
        "SLURM_LOCALID": "0",
    }
    ranks = [common | {"SLURM_PROCID": str(rank)} for rank in range(tasks)]
    return finish(root, [(arguments(root), one) for one in ranks])


@pytest.mark.slow
@pytest.mark.parametrize("launch", [torchrun, lambda root: srun(root, 3)], ids=["torchrun", "srun"])
def test_all_stages_run_over_nodes(tmp_path, launch):
    statuses, logs = launch(tmp_path)
    assert set(statuses) == {0}, logs
    # One process of all speaks.
    assert sum("write seeds" in log for log in logs) <= 1
    counts = {"seeds": IMAGES, "masks": IMAGES, "segment": VAL}
    for name, count in counts.items():
        assert len(open_artifact(tmp_path / "work" / name).ids) == count
