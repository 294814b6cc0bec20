"""Settings of masks that are chosen without ground truth."""

from types import SimpleNamespace

import numpy as np
import pytest
from mmengine.config import Config
from PIL import Image

from refine.by_tags import BY_CONTRAST, color_contrasts, power_of, resolve, seed_threshold
from refine.clock import Clock
from refine.methods import check_settings, find_method, method_defaults
from wsss.artifacts import Artifact, read_mask, write_seed
from wsss.config import CONFIG_DIR, Settings
from wsss.errors import ConfigError
from wsss.evaluate import THRESHOLDS
from wsss.stage import Job
from wsss.thresholds import BY_TAGS, Threshold

ALL = {
    "labels": {"foreground_threshold": "tags", "background_threshold": "tags"},
    "infer": {"seed_power": "tags"},
}


def job_of(tmp_path, method, tables, **published):
    """An image whose left half is red; its seed is .9 there and .4 on the rest."""
    config = Config.fromfile(CONFIG_DIR / "_base_" / "refine.py")
    config.method = method
    config.merge_from_dict(method_defaults(config))
    config.merge_from_dict(tables)
    pixels = np.zeros((16, 32, 3), np.uint8)
    pixels[:, :16, 0] = 200
    Image.fromarray(pixels).save(tmp_path / "a.png")
    maps = np.full((1, 4, 8), 0.4, np.float32)
    maps[..., :4] = 0.9
    write_seed(tmp_path / "seeds" / "a.npz", classes=np.array([1]), maps=maps, size=(16, 32))
    manifest = {"kind": "seeds", "split": "train", "image_ids": ["a"], "thresholds": published}
    dataset = SimpleNamespace(tags=lambda one: (1,), image_file=lambda one: tmp_path / "a.png")
    seeds = Artifact(tmp_path / "seeds", manifest)
    return Job(Settings(config), dataset, {"seeds": seeds}, tmp_path / "masks")


def test_colour_contrast_by_hand():
    """Two colours, and maps that part them at .5: all of the variance lies between, or a share of it."""
    image = np.zeros((1, 4, 3), np.uint8)
    image[0, :2] = 255
    found = color_contrasts(image, np.array([[1.0, 0.8, 0.3, 0.1]], np.float32))
    # White and black lie at +1 and -1 around their mean. Parting 1 of 4: 1 * (1 + 1/3) of a total of 4.
    for threshold, expected in ((0.05, 0), (0.2, 1 / 3), (0.5, 1), (0.9, 1 / 3)):
        at = int(np.abs(THRESHOLDS - threshold).argmin())
        assert found[at] == pytest.approx(expected, abs=1e-4), threshold
    assert not color_contrasts(np.zeros((1, 4, 3), np.uint8), np.ones((1, 4), np.float32)).any()


def test_seeds_that_chose_their_threshold_keep_it_and_others_part_colours(tmp_path):
    own = Threshold(0.6, BY_TAGS)
    job = job_of(tmp_path, "irn", ALL, seed_fixed=own.as_json())
    assert seed_threshold(job.inputs["seeds"], job.dataset) == own
    job = job_of(tmp_path, "irn", ALL, seed_fixed=Threshold(0.6, "preset a.py").as_json())
    found = seed_threshold(job.inputs["seeds"], job.dataset)
    assert found.chosen_by == BY_CONTRAST
    assert 0.4 <= found.value < 0.9


def test_thresholds_follow_from_that_of_the_seeds(tmp_path):
    job, chosen = resolve(job_of(tmp_path, "irn", ALL, seed_fixed=Threshold(0.22**0.5, BY_TAGS).as_json()))
    # .22 is where the authors' settings expect it: the maps want a power of 2.
    assert chosen["seed_power"].value == pytest.approx(3)
    assert job.config.infer.seed_power == pytest.approx(3)
    assert job.config.labels.foreground_threshold == pytest.approx(0.3**0.5, abs=1e-4)
    assert job.config.labels.background_threshold == pytest.approx(0.17**0.5, abs=1e-4)
    assert "without ground truth" in chosen["confident_foreground"].chosen_by
    assert job.config.infer.background_score == 0.22


def test_authors_settings_for_seeds_with_their_threshold():
    assert power_of(Threshold(0.22, BY_TAGS)) == 1


def test_numbers_stay(tmp_path):
    job = job_of(tmp_path, "irn", {})
    assert resolve(job) == (job, {})


def test_crf_masks_at_the_threshold_that_parts_colours(tmp_path):
    job = job_of(
        tmp_path, "crf", {"infer": {"threshold": "tags", "crf": False, "num_workers": 1, "seed_power": 2.0}}
    )
    made = find_method("crf").write_masks(job, ["a"], Clock())
    mask = read_mask(job.out_dir / "a.png")
    # The maps are at stride 4, so their border is a few pixels wide.
    assert (mask[:, :14] == 1).all()
    assert (mask[:, 20:] == 0).all()
    # To the power of the maps.
    assert 0.16 <= made.thresholds["seed"].value < 0.81


@pytest.mark.parametrize(
    ("method", "tables", "message"),
    [
        ("irn", {"labels": {"foreground_threshold": "tags"}}, "numbers, got 0.17 and 'tags'"),
        ("irn", {"infer": {"beta": "tags"}}, "expected infer.beta above 0, got 'tags'"),
        ("irn", {"infer": {"background_score": "tag"}}, "at least 0 and at most 1 or 'tags', got 'tag'"),
        ("crf", {"infer": {"threshold": "tags", "image_specific": True}}, "image_specific=True, got 'tags'"),
    ],
)  # fmt: skip
def test_what_cannot_be_chosen_is_refused(tmp_path, method, tables, message):
    with pytest.raises(ConfigError, match=message):
        check_settings(job_of(tmp_path, method, tables).config)
