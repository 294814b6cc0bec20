"""Every damage to a published folder is found before use, named, and mended by making those files again."""

import contextlib
import json
import os
import shutil

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mmengine.config import Config
from PIL import Image

from wsss.artifacts import (
    COPY,
    MANIFEST,
    find_damage,
    open_artifact,
    read_artifact,
    restore_manifest,
    write_mask,
    write_seed,
)
from wsss.config import Settings
from wsss.contents import CACHE, Contents
from wsss.datasets import build_dataset
from wsss.engine import plan_step, run_step
from wsss.errors import ArtifactError
from wsss.stage import Result, Stage
from wsss.status import describe_work

IDS = ("a", "b", "c/d")


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Settings of a data set of three images."""
    root = tmp_path_factory.mktemp("data")
    for one in IDS:
        (root / "images" / one).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 8)).save(root / "images" / f"{one}.png")
    (root / "labels.csv").write_text("file,tags\n" + "".join(f"{one}.png,cat\n" for one in IDS))
    dataset = {"type": "folder", "root": str(root / "images"), "labels": str(root / "labels.csv")}
    return Settings(Config({"dataset": dataset | {"train_split": "all", "val_split": "all"}}))


def fill(job):
    """Write what is not there: a mask for each image, its walk, and weights."""
    for number, one in enumerate(IDS, start=1):
        for kind, write in (
            ("", lambda file, n: write_mask(file.with_suffix(".png"), np.full((8, 8), n))),
            (
                "walk",
                lambda file, n: write_seed(
                    file.with_suffix(".npz"),
                    classes=np.array([1]),
                    maps=np.full((1, 2, 2), n / 4),
                    size=(8, 8),
                ),
            ),
        ):
            file = job.out_dir / kind / one
            if not list(file.parent.glob(f"{file.name}.*")):
                write(file, number)
    weights = job.out_dir / "train" / "network.pth"
    if not weights.is_file():
        weights.parent.mkdir(exist_ok=True)
        weights.write_bytes(bytes(range(200)))
    return Result(split="all", image_ids=IDS)


STAGE = Stage("refine", "masks", schema=1, run=fill)


def plan(data, work, **more):
    dataset = build_dataset(data.config.dataset)
    return plan_step(STAGE, data, dataset, dataset_name="toy", work_dir=work, **more)


@pytest.fixture(scope="module")
def published(data, tmp_path_factory):
    work = tmp_path_factory.mktemp("published")
    run_step(plan(data, work))
    for file in work.rglob("*"):
        os.utime(file, (1e9, 1e9))
    return work


def files_of(folder):
    return {
        one.relative_to(folder).as_posix(): one.read_bytes()
        for one in sorted(folder.rglob("*"))
        if one.is_file()
    }


def truncate(file, draw):
    file.write_bytes(file.read_bytes()[: draw(st.integers(0, max(file.stat().st_size - 1, 0)))])


def flip_a_bit(file, draw):
    content = bytearray(file.read_bytes())
    content[draw(st.integers(0, len(content) - 1))] ^= 1 << draw(st.integers(0, 7))
    file.write_bytes(content)


def empty(file, draw):
    file.write_bytes(b"")


def delete(file, draw):
    file.unlink()


def replace(file, draw):
    file.write_bytes(draw(st.binary(max_size=300)))


def replace_by_a_folder(file, draw):
    file.unlink()
    file.mkdir()


def swap(file, draw):
    folder = next(one for one in file.parents if (one / "train").is_dir())
    others = sorted(one for one in folder.rglob("*") if one.is_file() and one != file)
    other = draw(st.sampled_from(others))
    aside = file.with_name("aside")
    file.rename(aside)
    other.rename(file)
    aside.rename(other)


DAMAGES = (truncate, flip_a_bit, empty, delete, replace, replace_by_a_folder, swap)


def says_the_same(file, before):
    """Whether a manifest's JSON means what it meant, though a byte of it may be another."""
    with contextlib.suppress(OSError, ValueError):
        return json.loads(file.read_text()) == json.loads(before)
    return False


def check_one_damage(data, published, scratch, draw):
    work = scratch / "work"
    shutil.rmtree(work, ignore_errors=True)
    shutil.copytree(published, work)
    folder = work / "masks"
    before = files_of(folder)
    # Half of the cases know all files by their sizes and times, the others know nothing.
    if draw(st.booleans()):
        known = Contents(work / CACHE)
        find_damage(read_artifact(folder), known)
        known.save()
    name = draw(st.sampled_from(sorted(before)))
    draw(st.sampled_from(DAMAGES))(folder / name, draw)
    after = files_of(folder)
    hit = {one for one in before if before[one] != after.get(one)}
    hit -= {one for one in {MANIFEST, COPY} & hit if says_the_same(folder / one, before[one])}
    # Found, and named.
    (row,) = describe_work(work, {}, deep=True)
    named = {one.partition(":")[0] for one in row["damaged"]}
    assert named == ({MANIFEST} if MANIFEST in hit else hit)
    # Before use. What else than images is gone hurts nobody who reads seeds or masks.
    if any(one != COPY and (one in after or "/" not in one.removeprefix("c/")) for one in hit):
        with pytest.raises(ArtifactError):
            open_artifact(folder)
    # Mended, and no other file touched.
    whole = {one: (folder / one).stat().st_mtime_ns for one in before if one not in hit}
    restore_manifest(folder)
    step = plan(data, work, repair=True)
    if step.action != "skip":
        run_step(step)
    again = files_of(folder)
    payload = before.keys() - {MANIFEST, COPY}
    assert {one: again.get(one) for one in payload} == {one: before[one] for one in payload}
    assert again.keys() == before.keys()
    assert {one: (folder / one).stat().st_mtime_ns for one in whole.keys() & payload} == {
        one: whole[one] for one in whole.keys() & payload
    }
    open_artifact(folder)


def test_a_plan_is_refused_where_another_run_has_published_since(data, tmp_path):
    step = plan(data, tmp_path)
    run_step(plan(data, tmp_path))
    before = files_of(tmp_path)
    with pytest.raises(
        ArtifactError, match=r"expected .*masks as it was when this run was planned, got another"
    ):
        run_step(step)
    assert files_of(tmp_path) == before


def holds(examples):
    """The property as a test of so many cases."""

    @settings(
        max_examples=examples,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    )
    @given(draw=st.data())
    def test(data, published, tmp_path, draw):
        check_one_damage(data, published, tmp_path, draw.draw)

    return test


test_a_damage_is_found_named_and_mended = holds(25)
test_a_thousand_damages_are_found_named_and_mended = pytest.mark.slow(holds(1000))
