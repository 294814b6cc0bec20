"""Who is who among several processes."""

import os
import signal
import subprocess
import sys

import pytest
import torch

from wsss import distributed
from wsss.cli import run
from wsss.distributed import is_main, launcher, main_says, shard, sum_up
from wsss.errors import ConfigError


@pytest.fixture(autouse=True)
def _no_job(monkeypatch):
    for name in ("WORLD_SIZE", "SLURM_STEP_NUM_TASKS", "SLURM_NTASKS", "GPUS"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, "none"),
        ({"WORLD_SIZE": "1"}, "none"),
        ({"WORLD_SIZE": "2"}, "pytorch"),
        ({"SLURM_STEP_NUM_TASKS": "4"}, "slurm"),
        # A batch script is one process, however many tasks the job may start.
        ({"SLURM_NTASKS": "4", "SLURM_PROCID": "0"}, "none"),
        ({"SLURM_STEP_NUM_TASKS": "4", "WORLD_SIZE": "2"}, "pytorch"),
    ],
)
def test_launcher(monkeypatch, environment, expected):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert launcher() == expected


def test_alone_nothing_is_shared():
    distributed.join()
    distributed.wait()
    assert is_main()
    assert shard(["a", "b", "c"]) == ["a", "b", "c"]
    assert sum_up(torch.tensor([1.0, 2.0])).tolist() == [1.0, 2.0]
    assert [main_says(True), main_says(False)] == [True, False]
    with distributed.main_first():
        pass


@pytest.mark.parametrize("processes", [2, 3, 7])
def test_shares_are_all_of_it_once(monkeypatch, processes):
    monkeypatch.setattr(distributed, "processes", lambda: processes)
    shares = []
    for rank in range(processes):
        monkeypatch.setattr(distributed, "_rank", lambda rank=rank: rank)
        shares.append(shard("abcde"))
    assert sorted(item for share in shares for item in share) == list("abcde")
    assert max(map(len, shares)) - min(map(len, shares)) <= 1


@pytest.mark.parametrize("text", ["0", "-1", "two", "1.5"])
def test_number_of_processes_is_checked(monkeypatch, text):
    monkeypatch.setenv("GPUS", text)
    with pytest.raises(
        ConfigError, match=f"expected GPUS to be a number of processes such as 2, got '{text}'"
    ):
        run._wanted_processes()


def test_more_processes_than_gpus(monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("LOCAL_RANK", "1")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    with pytest.raises(ConfigError, match="expected at most 1 processes on this machine, one per GPU"):
        distributed.join()


MEET = """
import wsss, torch
from wsss.distributed import *
join()
with main_first():
    print("main" if is_main() else "other", flush=True)
print(sum_up(torch.tensor(3.0)).item(), shard("abc"), main_says(is_main()))
exit_together()
"""


def step_of_two(tmp_path, script):
    """What two tasks of a step print, started as srun would."""
    (tmp_path / "scontrol").write_text('#!/bin/sh\n[ "$*" = "show hostnames node[1-2]" ] && echo localhost\n')
    (tmp_path / "scontrol").chmod(0o755)
    tasks = []
    for rank in (0, 1):
        step = {
            "SLURM_STEP_NUM_TASKS": "2",
            "SLURM_PROCID": str(rank),
            "SLURM_LOCALID": str(rank),
            "SLURM_STEP_NODELIST": "node[1-2]",
            "SLURM_JOB_ID": str(os.getpid()),
            "PATH": f"{tmp_path}:{os.environ['PATH']}",
        }
        tasks.append(
            subprocess.Popen(
                [sys.executable, "-c", script], env=os.environ | step, text=True, stdout=subprocess.PIPE
            )
        )
    return [task.communicate(timeout=120)[0] for task in tasks]


def test_slurm_tasks_meet(tmp_path):
    assert step_of_two(tmp_path, MEET) == ["main\n6.0 ['a', 'c'] True\n", "other\n6.0 ['b'] True\n"]


LEAVE = """
import os, signal, wsss
from wsss.cli.app import _in_words
from wsss.distributed import *
join()
if not is_main():
    os.kill(os.getpid(), signal.SIGKILL)
try:
    wait()
except RuntimeError as error:
    print(_in_words(error))
"""


def test_whoever_waits_for_a_killed_task_says_so_in_one_line(tmp_path):
    """As under srun without --kill-on-bad-exit, where nobody ends the others."""
    said, nothing = step_of_two(tmp_path, LEAVE)
    assert said.startswith("expected all processes of the job to go on, another one is gone: ")
    assert said.count("\n") == 1
    assert nothing == ""


LAUNCH = """
import os, signal, sys, time
if os.environ.get("RANK") == "1":
    os.kill(os.getpid(), int(sys.argv[1]))
elif "RANK" in os.environ:
    time.sleep(600)
import wsss
from wsss.distributed import launch
from wsss.errors import TrainingError
try:
    launch(2)
except TrainingError as error:
    print(error)
"""


@pytest.mark.parametrize(
    ("number", "said"),
    [
        (signal.SIGKILL, "SIGKILL ended process 1 (too little memory is a common cause) and the others were"),
        (signal.SIGSEGV, "SIGSEGV ended process 1 and the others were stopped: the same command goes on"),
    ],
)
def test_a_process_that_a_signal_ends_is_named(tmp_path, number, said):
    (tmp_path / "job.py").write_text(LAUNCH)
    command = [sys.executable, tmp_path / "job.py", str(int(number))]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.stdout.startswith("expected 2 processes to work to the end, ")
    assert said in done.stdout


def test_tasks_of_slurm_have_the_local_rank_that_mmengine_reads(monkeypatch):
    for name, value in (("STEP_NUM_TASKS", "2"), ("PROCID", "3"), ("LOCALID", "1")):
        monkeypatch.setenv(f"SLURM_{name}", value)
    monkeypatch.setenv("LOCAL_RANK", "")
    monkeypatch.delenv("LOCAL_RANK")
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    monkeypatch.setattr(distributed, "_slurm_address", lambda: "tcp://nowhere:1")
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    met = {}
    monkeypatch.setattr("torch.distributed.init_process_group", lambda backend, **how: met.update(how))
    distributed.join()
    assert os.environ["LOCAL_RANK"] == "1"
    assert (met["rank"], met["world_size"]) == (3, 2)
