"""A grid of runs: read, planned, run with failures, continued, and its table."""

import contextlib
import csv
import io
import json
import sys
import types

import pytest

from wsss.artifacts import write_json
from wsss.cli import app, grid_jobs
from wsss.cli import benchmark as benchmark_verb
from wsss.cli.grid import read_grid
from wsss.cli.grid_jobs import Runner, environments, is_done, plan_grid
from wsss.cli.grid_table import COLUMNS, means, table_rows, write_table
from wsss.errors import ConfigError, WsssError
from wsss.paths import PROJECT_ROOT

TINY = [
    "dataset.train=8", "dataset.val=2", "dataset.side=96", "seeds.train.epochs=1", "seeds.train.batch_size=4",
    "seeds.train.num_workers=0", "seeds.infer.scales=(1.0,)", "seeds.train.resize=48", "seeds.train.crop=48",
    "seeds.infer.image_specific=False",
]  # fmt: skip


@pytest.fixture
def grid_of(tmp_path):
    """Keys of a grid -> the grid, from a file; the data set is made in the test's folder."""

    def make(**content):
        content.setdefault("options", [*TINY, f"dataset.root={tmp_path / 'data'}"])
        file = tmp_path / "grid.py"
        file.write_text("".join(f"{key} = {value!r}\n" for key, value in content.items()))
        return read_grid(file)

    return make


@pytest.fixture
def in_this_process(monkeypatch):
    """Run the commands of jobs here: the start of Python costs more than the work; gives what was run."""
    commands = []

    class Process:
        def __init__(self, command, *, stdout, stderr, **_):
            commands.append(command[3:])
            output = io.StringIO()
            self.returncode = 0
            try:
                with contextlib.redirect_stdout(output):
                    app(command[3:], standalone_mode=False)
            except WsssError as error:
                stderr.write(f"a line before\n12:00:00 {error}\n".encode())
                self.returncode = 1
            self.output = output.getvalue().encode()

        def communicate(self):
            return self.output, None

    monkeypatch.setattr(
        grid_jobs, "subprocess", types.SimpleNamespace(Popen=Process, PIPE=None, DEVNULL=None)
    )
    return commands


def run(grid, out):
    cells = plan_grid(grid, out)
    runner = Runner(cells)
    runner.run(lambda: write_table(table_rows(cells, runner.failures), out / "table.csv"))
    return table_rows(cells, runner.failures)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"datasets": ["demo"], "method": ["cam"]}, "expected a key out of datasets, methods, refine"),
        ({"datasets": ["demo"]}, "expected methods in"),
        ({"datasets": "demo", "methods": ["cam"]}, "expected datasets as"),
        ({"datasets": ["demo"], "methods": {"cam": {"options": "a.b=1"}}}, "expected options of cam in"),
        ({"datasets": ["demo"], "methods": {"cam": {"option": []}}}, "config and options, got 'option'"),
        ({"datasets": ["demo"], "methods": {"a/b": {}}}, "got 'a/b' in methods"),
        ({"datasets": {"demo": {"config": "x.py"}}, "methods": ["cam"]}, "got 'config' in datasets"),
        ({"datasets": ["demo"], "methods": ["cam"], "random_seeds": [True]}, "expected random_seeds such as"),
    ],
)
def test_a_broken_grid_is_refused(grid_of, content, message):
    with pytest.raises(ConfigError, match="expected") as raised:
        grid_of(**content)
    assert message in str(raised.value)


def test_the_grids_that_are_here_name_configs_that_are_here():
    files = sorted((PROJECT_ROOT / "benchmarks" / "grids").glob("*.py"))
    assert len(files) >= 4
    for file in files:
        grid = read_grid(file)
        for stage, axis in (("seeds", grid.methods), ("refine", grid.refine)):
            for entry in axis:
                for dataset in grid.datasets:
                    config = entry.config_file(stage, dataset.name, file.parent)
                    assert config.is_file(), f"{file.name}: {config}"


def test_a_grid_that_does_not_run_is_refused(tmp_path):
    (tmp_path / "grid.py").write_text("datasets = [")
    with pytest.raises(ConfigError, match="expected a grid that is Python, got SyntaxError"):
        read_grid(tmp_path / "grid.py")
    with pytest.raises(ConfigError, match="found no file: see benchmarks/grids/"):
        read_grid(tmp_path / "gird.py")


def test_an_override_that_no_job_knows_is_refused(grid_of, tmp_path):
    cam = {"cam": {"config": "cam_plain8_{dataset}.py"}}
    with pytest.raises(ConfigError, match="did you mean"):
        plan_grid(grid_of(datasets=["demo_boxes"], methods=cam, options=["train.epoch=1"]), tmp_path)


def test_without_a_refine_method_seeds_alone_are_made_and_scored(grid_of, tmp_path, in_this_process):
    grid = grid_of(datasets=["demo"], methods={"cam": {"config": "cam_plain8_demo.py"}})
    (row,) = run(grid, tmp_path / "out")
    assert [command[:2] for command in in_this_process] == [["run", "seeds"]]
    assert (row["state"], row["refine"], row["masks mIoU"]) == ("done", "", None)
    assert 0 < row["seeds mIoU, oracle"] < 100


def test_the_plan_of_a_segmentation_set_chains_the_stages(grid_of, tmp_path):
    grid = grid_of(
        datasets=["demo"],
        methods={"cam": {"config": "cam_plain8_demo.py", "options": ["train.learning_rate=0.02"]}},
        refine={"irn": {}, "crf": {"config": "crf_demo.py"}},
        random_seeds=[3],
    )
    (cell,) = plan_grid(grid, tmp_path / "out")
    assert [job.makes.name for job in cell.jobs] == [
        "seeds-cam-3", "masks-cam-3-irn", "segment-cam-3-irn", "masks-cam-3-crf", "segment-cam-3-crf",
    ]  # fmt: skip
    assert not any(job.refused for job in cell.jobs)
    seeds, masks, network = (job.step for job in cell.jobs[:3])
    assert seeds.settings.config.train.learning_rate == 0.02
    # A method's overrides are for its stage alone, the random seed is for all.
    assert masks.settings.config.train.learning_rate == 0.1
    assert {step.settings.config.random_seed for step in (seeds, masks, network)} == {3}
    assert masks.state["inputs"]["input seeds"] == seeds.state["key"]
    assert network.state["inputs"]["input masks"] == masks.state["key"]
    # Nothing but the check of the images was written.
    assert not list((tmp_path / "out").rglob("manifest.json"))


def test_a_config_of_another_data_set_is_refused(grid_of, tmp_path):
    grid = grid_of(datasets=["demo_boxes"], methods={"cam": {"config": "cam_plain8_demo.py"}})
    (cell,) = plan_grid(grid, tmp_path / "out")
    assert "expected a config for the data set demo_boxes, got one for demo" in cell.jobs[0].refused
    assert cell.jobs[1].refused == cell.jobs[0].refused


def test_a_job_that_fails_is_named_and_the_others_go_on(grid_of, tmp_path, in_this_process):
    methods = {
        "nothing": {"config": "nothing_{dataset}.py"},
        "cam": {"config": "cam_plain8_{dataset}.py"},
    }
    grid, out = grid_of(datasets=["demo_boxes"], methods=methods), tmp_path / "out"
    rows = run(grid, out)
    assert [row["state"] for row in rows] == ["failed", "done"]
    assert "nothing_demo_boxes.py, found no file" in rows[0]["reason"]
    assert [command[0] for command in in_this_process] == ["run", "evaluate"]
    # The same figures as the manifest and the verb give.
    seeds = json.loads((out / "demo_boxes" / "seeds-cam-0" / "manifest.json").read_text())
    boxes = json.loads((out / "demo_boxes" / "boxes-cam-0.json").read_text())
    assert rows[1]["seeds mIoU, oracle"] == round(100 * seeds["figures"]["mIoU"], 2)
    assert rows[1]["GT-known, oracle"] == boxes["boxes"][0]["iou_50"]
    assert rows[1]["whole image, IoU .5"] == boxes["boxes"][5]["iou_50"]
    assert rows[1]["PxAP"] == round(boxes["pixels"]["PxAP"], 2)
    with (out / "table.csv").open(newline="") as opened:
        read = list(csv.DictReader(opened))
    assert [row["state"] for row in read] == ["failed", "done"]
    assert float(read[1]["PxAP"]) == rows[1]["PxAP"]

    # The same grid again runs nothing; new options run their part alone.
    assert [row["state"] for row in run(grid, out)] == ["failed", "done"]
    assert len(in_this_process) == 2
    (out / "demo_boxes" / "boxes-cam-0.json").write_text(json.dumps(boxes | {"key": "of other seeds"}))
    (_, cell) = plan_grid(grid, out)
    assert [is_done(job, cell) for job in cell.jobs] == [True, False]


def test_a_process_that_fails_blocks_only_what_needs_it(grid_of, tmp_path, in_this_process, monkeypatch):
    methods = {"cam": {"config": "cam_plain8_{dataset}.py"}}
    grid, out = grid_of(datasets=["demo_boxes"], methods=methods, random_seeds=[0, 1]), tmp_path / "out"
    cells = plan_grid(grid, out)
    monkeypatch.setattr(
        "wsss.cli.run.run_step", failing_once(sys.modules["wsss.cli.run"].run_step, "expected luck, got none")
    )
    runner = Runner(cells)
    runner.run(lambda: None)
    rows = table_rows(cells, runner.failures)
    assert [(row["state"], row["reason"]) for row in rows] == [
        ("failed", "expected luck, got none"),
        ("done", ""),
    ]
    assert [command[0] for command in in_this_process] == ["run", "run", "evaluate"]


def failing_once(function, message):
    calls = []

    def call(step):
        calls.append(step)
        if len(calls) == 1:
            raise WsssError(message)
        return function(step)

    return call


def test_settings_that_differ_and_means(grid_of, tmp_path):
    """A table from manifests written by hand: 10 and 14 have mean 12 and deviation 2.83."""
    methods = {"cam": {"config": "cam_plain8_{dataset}.py"}}
    grid, out = grid_of(datasets=["demo_boxes"], methods=methods, random_seeds=[0, 1]), tmp_path / "out"
    cells = plan_grid(grid, out)
    for seed, score, rate in ((0, 0.10, 0.5), (1, 0.14, 0.25)):
        settings = {"method": "cam", "train.rate": rate, "random_seed": seed, "dataset.name": "demo_boxes"}
        folder = out / "demo_boxes"
        manifest = {
            "key": "k",
            "figures": {"mIoU": score},
            "settings": settings,
            "seconds": 2.5,
            "code": "abc",
        }
        write_json(folder / f"seeds-cam-{seed}" / "manifest.json", manifest)
        write_json(folder / f"boxes-cam-{seed}.json", {"key": "k", "boxes": []})
    rows = table_rows(cells, {})
    assert [row["settings"] for row in rows] == ["seeds.train.rate=0.5", "seeds.train.rate=0.25"]
    assert [row["seeds seconds"] for row in rows] == [2.5, 2.5]
    assert set(rows[0]) == set(COLUMNS)
    (mean,) = means(rows)
    assert mean["seeds mIoU, oracle"] == (pytest.approx(12), pytest.approx(2.828, abs=1e-3))
    assert mean["random seeds"] == 2


def test_each_process_has_a_gpu_of_its_own(monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2,5")
    assert [one["CUDA_VISIBLE_DEVICES"] for one in environments(2)] == ["2", "5"]
    with pytest.raises(ConfigError, match="expected at most 2 jobs at a time, one per GPU, got 3"):
        environments(3)
    # One process sees what it saw before.
    assert "CUDA_VISIBLE_DEVICES" not in environments(1)[0]


def test_a_table_of_long_names_fits_80_letters(monkeypatch, capsys, tmp_path):
    monkeypatch.setenv("COLUMNS", "80")
    figures = {
        "seeds mIoU, oracle": 46.6,
        "CAM of the same network": 46.3,
        "masks mIoU": 53.4,
        "val mIoU": 52.7,
    }
    rows = [
        dict.fromkeys(COLUMNS)
        | {"dataset": "demo", "method": "bas_localization", "refine": "irn", "random seed": seed}
        | {"state": "done", "reason": ""}
        | figures
        for seed in (0, 1)
    ]
    benchmark_verb._print_table(rows, tmp_path / "table.csv")
    lines = [line.rstrip() for line in capsys.readouterr().out.splitlines()]
    assert max(map(len, lines)) <= 80
    assert "bas_localization  irn     0          46.6      46.3      53.4      52.7" in lines
    assert "bas_localization  irn     mean of 2  46.6±0.0  46.3±0.0  53.4±0.0  52.7±0.0" in lines
