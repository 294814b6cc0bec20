"""Every command on a page is run by a test or stands here with what it needs; verbs take all of them."""

import re
import shlex

import pytest
import typer

from wsss.cli.app import _repeat_option, app
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
    r"wsss config show \S+ demo --config my-": "tests/seeds/test_add_method.py",
    r"pip install --editable my-": "tests/wsss/test_add_backbone.py",
    r"tensorboard ": "tests/wsss/test_live.py",
    r"(torchrun|srun) ": "tests/trust/test_nodes.py",
    r"python benchmarks": "tests/test_bench.py",
    r"(LOCKED=1 WHEELS=wheels )?tools/setup\.sh$": "tests/tools/test_scripts.py",
}
# Pattern of commands -> why no test runs them.
NEEDS = {
    r"(GPUS=4 )?wsss (run|plan) .*\b(voc|coco)\b": "VOC 2012 or COCO",
    r"make ": "the set-up, and runs this test",
    r"python -m pip wheel": "a network",
    r"docker ": "Docker and a network",
}


PAGES = [
    *(PROJECT_ROOT / name for name in ("README.md", "CONTRIBUTING.md", "benchmarks/README.md")),
    *sorted((PROJECT_ROOT / "docs").rglob("*.md")),
]
CALL = r"([A-Z]+=\S+ )*(wsss [a-z]|(tools/|make|python|pip|docker|tensorboard|torchrun|srun|bash|git)(?! ?=))"


def commands():
    """Lines of code blocks that call something; templates with | or ... are none."""
    for file in PAGES:
        blocks = re.findall(r"^```(\w*)\n(.*?)^```", file.read_text("utf-8"), re.M | re.S)
        lines = [line for kind, block in blocks if not kind for line in block.splitlines()]
        for line in lines:
            command = _plain(line.partition("  #")[0].strip())
            is_template = "|" in command or "..." in command
            if not is_template and re.match(CALL, command):
                yield file.name, command


def inline_commands():
    """Calls of verbs within the text; words in capitals and ... stand for what readers fill in."""
    for file in PAGES:
        text = re.sub(r"^```.*?^```", "", file.read_text("utf-8"), flags=re.M | re.S)
        for found in re.findall(r"`([^`]+)`", text):
            command = _plain(" ".join(found.split()))
            if re.match(r"([A-Z]+=\S+ )*wsss [a-z]", command):
                yield file.name, command


def _plain(command):
    """A call without the folder that the program lies in."""
    command = re.sub(r"tools/(run_stage\.sh|wsss)", _verb, command)
    return re.sub(r"(^|\s)(?:\S+/)?\.venv/bin/", r"\1", command)


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


def parse(command):
    """Let a verb read its words; an unknown verb or option, or one without its value, raises."""
    words = _repeat_option(shlex.split(command.partition("wsss ")[2]))
    group = typer.main.get_command(app)
    context = group.make_context("wsss", list(words), resilient_parsing=True)
    name, verb, rest = group.resolve_command(context, words)
    assert name in group.commands, f"no verb {words[0]}"
    verb.make_parser(verb.context_class(verb)).parse_args(list(rest))


VERBS = sorted({one for one in (*commands(), *inline_commands()) if re.match(r"([A-Z]+=\S+ )*wsss ", one[1])})


@pytest.mark.parametrize(("page", "command"), VERBS)
def test_verbs_take_what_the_pages_print(page, command):
    """In commands too that no test can run."""
    parse(command)


def test_verbs_refuse_what_they_do_not_know():
    with pytest.raises(Exception, match="No such option"):
        parse("wsss show demo train_00000 --figures x.pdf")
    with pytest.raises(AssertionError, match="no verb paint"):
        parse("wsss paint demo")


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
