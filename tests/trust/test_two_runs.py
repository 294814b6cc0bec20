"""Two runs on one work folder: the second one stops with one line, and the first one notices nothing."""

import json
import os
import signal


def test_a_second_run_says_one_line_and_the_first_one_ends_as_alone(demo):
    first = demo.start("two-runs", stage="seeds")
    while "runs for demo" not in (line := first.stderr.readline()):
        assert line, "the first run ended"
    os.killpg(first.pid, signal.SIGSTOP)  # until the second one has come
    second = demo.start("two-runs", stage="seeds")
    _, said = second.communicate(timeout=300)
    os.killpg(first.pid, signal.SIGCONT)
    assert second.returncode == 1
    *_, plan, line = said.splitlines()
    assert "plan: seeds: " in plan
    assert f"expected to be the only run on {demo.root}/two-runs/seeds, another one holds it" in line
    _, said = first.communicate(timeout=600)
    assert first.returncode == 0, said
    assert demo.results("two-runs", ["seeds"]) == demo.results("whole", ["seeds"])


def flip_a_bit(file):
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


def test_a_flipped_bit_is_named_refused_and_mended_by_the_command_line(demo, invoke):
    work = demo.root / "whole"
    expected = demo.results("whole")
    hit = work / "masks" / "train_00003.png"
    before = hit.read_bytes()
    kept = {file: file.stat().st_mtime_ns for file in work.glob("*/*.png") if file != hit}
    assert invoke("status", "demo", "--work-dir", work, "--deep")[0] == 0
    flip_a_bit(hit)
    status, printed, _ = invoke("status", "demo", "--work-dir", work, "--deep", "--json")
    assert status == 1
    damaged = {row["name"]: row.get("damaged") for row in json.loads(printed)["demo"]}
    assert {name: len(found or ()) for name, found in damaged.items()} == {
        "masks": 1,
        "seeds": 0,
        "segment": 0,
    }
    assert damaged["masks"][0].startswith("train_00003.png: ")
    status, _, said = invoke(*demo.words("run", "whole"))
    assert status == 1
    assert "train_00003.png" in said.splitlines()[-1]
    assert "wsss repair" in said.splitlines()[-1]
    status, printed, _ = invoke(*demo.words("repair", "whole"), "--json")
    assert (status, json.loads(printed)) == (0, {"masks": ["train_00003.png"]})
    assert hit.read_bytes() == before
    assert {file: file.stat().st_mtime_ns for file in kept} == kept
    assert invoke("status", "demo", "--work-dir", work, "--deep")[0] == 0
    assert demo.results("whole") == expected
