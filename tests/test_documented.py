"""Every command in README, CONTRIBUTING and docs is run by a test, or stands here with what it needs."""

import re
import shlex

import pytest

from wsss.paths import PROJECT_ROOT

# Run below, as they are printed, in the folder of the practitioner's example.
RUN = [
    "wsss data folder --images example/JPEGImages",
    "wsss masks example/JPEGImages --out example-masks",
    "wsss config show seeds demo",
    "wsss data folder --images photos",
    "wsss masks photos --out photo-masks",
    "wsss doctor",
]
# These two would train for minutes; the plan is all that is run of them.
AS_PLAN = {"wsss masks example/JPEGImages --out example-masks", "wsss masks photos --out photo-masks"}
# Pattern of commands -> the test that runs such a command, on smaller data or with fewer steps.
ELSEWHERE = {
    r"wsss run (all|seeds|refine|segment) demo\b": "tests/pipeline/test_demo.py",
    r"wsss run all folder ": "tests/pipeline/test_folder.py",
    r"wsss evaluate work/demo/": "tests/pipeline/test_demo.py",
    r"wsss evaluate boxes ": "tests/wsss/test_evaluate_boxes.py",
    r"wsss (report|export|status|compare) ": "tests/wsss/test_cli.py",
    r"wsss (import|evaluate) .*voc": "tests/wsss/test_formats.py",
    r"wsss (predict|pack) ": "tests/segment/test_segmentor.py",
    r"wsss show ": "tests/wsss/test_show.py",
    r"wsss benchmark ": "tests/wsss/test_benchmark.py",
    r"wsss results ": "tests/wsss/test_results.py",
    r"wsss data (voc|coco)\b": "tests/wsss/datasets/test_voc_build.py",
    r"wsss data (voc_boxes|cub|ilsvrc|openimages)\b": "tests/wsss/test_cli.py",
    r"(LOCKED=1 WHEELS=wheels )?tools/setup\.sh$": "tests/tools/test_scripts.py",
}
# Pattern of commands -> why no test runs them.
NEEDS = {
    r"(GPUS=4 )?wsss (run|plan) .*\b(voc|coco)\b": "VOC 2012 or COCO",
    r"make ": "the set-up, and runs this test",
    r"python -m pip wheel": "a network",
    r"docker ": "Docker and a network",
}


def commands():
    """Lines of code blocks that call something of ours; templates with | or ... are none."""
    pages = [PROJECT_ROOT / "README.md", PROJECT_ROOT / "CONTRIBUTING.md"]
    for file in (*pages, *sorted((PROJECT_ROOT / "docs").glob("*.md"))):
        blocks = re.findall(r"^```(\w*)\n(.*?)^```", file.read_text("utf-8"), re.M | re.S)
        lines = [line for kind, block in blocks if kind != "python" for line in block.splitlines()]
        for line in lines:
            command = re.sub(r"tools/(run_stage\.sh|wsss)", _verb, line.partition("  #")[0].strip())
            is_template = "|" in command or "..." in command
            if not is_template and re.match(
                r"([A-Z]+=\S+ )*(wsss [a-z]|tools/|make |python -m|docker )", command
            ):
                yield file.name, command


def _verb(found):
    return "wsss run" if found[1] == "run_stage.sh" else "wsss"


def test_every_command_is_run_or_has_a_reason():
    patterns = {**ELSEWHERE, **NEEDS}
    unknown = [
        f"{page}: {command}"
        for page, command in commands()
        if command not in RUN and not any(re.match(pattern, command) for pattern in patterns)
    ]
    assert unknown == [], "run them in this file, or name the test that does"
    known = {command for _, command in commands()}
    assert set(RUN) <= known, "printed nowhere any more"
    assert [one for one in patterns if not any(re.match(one, command) for command in known)] == []
    assert [file for file in ELSEWHERE.values() if not (PROJECT_ROOT / file).is_file()] == []


@pytest.fixture(scope="module")
def example(tmp_path_factory):
    """The folder after the practitioner's Python was run as it is printed; `photos` are the same."""
    folder = tmp_path_factory.mktemp("practitioner")
    page = (PROJECT_ROOT / "docs" / "own-folder.md").read_text("utf-8")
    (block,) = re.findall(r"^```python\n(.*?)^```", page, re.M | re.S)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        exec(compile(block, "own-folder.md", "exec"), {})
    (folder / "photos").symlink_to(folder / "example" / "JPEGImages")
    return folder


@pytest.mark.parametrize("command", RUN)
def test_a_command_runs_as_printed(invoke, monkeypatch, example, command):
    monkeypatch.chdir(example)
    words = shlex.split(command)[1:]
    code, out, err = invoke(*words, *(["--dry-run"] if command in AS_PLAN else []))
    assert code == 0, err
    assert out
    assert not list(example.glob("*-masks/masks"))
