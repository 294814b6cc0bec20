"""Methods of the stage refine: found by name, checked before anything is made, and CRF's masks."""

import re
from types import SimpleNamespace

import numpy as np
import pytest
from mmengine.config import Config
from PIL import Image

from refine.class_maps import with_class_map
from refine.clock import Clock
from refine.guard import check_seeds
from refine.labels import confident_label, read_seed_as_set
from refine.methods import BUILT_IN, check_settings, find_method, method_defaults, method_of_key
from refine.methods.crf import read_as_set
from refine.stage import run
from wsss.artifacts import Artifact, Seed, read_mask, read_seed, write_mask, write_seed
from wsss.cli.stages import load_config
from wsss.config import CONFIG_DIR, Settings
from wsss.errors import ArtifactError, ConfigError
from wsss.stage import Job
from wsss.thresholds import Threshold

SIZE = (40, 48)
IDS = ("a", "sub/b 1")


def config_of(method, **tables):
    config = Config.fromfile(CONFIG_DIR / "_base_" / "refine.py")
    config.method = method
    config.merge_from_dict(method_defaults(config))
    config.merge_from_dict(tables)
    return config


@pytest.fixture
def job(tmp_path):
    """Two images with a bright block, whose seeds cover its middle and spill over one side."""
    rng = np.random.default_rng(0)
    truth = np.zeros(SIZE, np.uint8)
    truth[8:32, 8:32] = 1
    maps = np.full((1, 10, 12), 0.05, np.float32)
    maps[0, 2:8, 3:9] = 0.9
    for one in IDS:
        image = np.where(truth[..., None] > 0, 200, 40) + rng.integers(0, 10, (*SIZE, 3))
        (tmp_path / "images" / one).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image.astype(np.uint8)).save(tmp_path / "images" / f"{one}.png")
        write_mask(tmp_path / "truth" / f"{one}.png", truth)
        write_seed(
            tmp_path / "seeds" / f"{one}.npz",
            classes=np.array([1]),
            maps=maps,
            size=SIZE,
            thresholds=np.array([0.95]),
        )
    dataset = SimpleNamespace(
        classes=("block", "other"),
        ids=lambda split: IDS,
        tags=lambda one: (1,),
        image_path=lambda one: tmp_path / "images" / f"{one}.png",
        image_file=lambda one: tmp_path / "images" / f"{one}.png",
        mask_path=lambda one: tmp_path / "truth" / f"{one}.png",
        truth=lambda one: read_mask(tmp_path / "truth" / f"{one}.png"),
    )
    seeds = Artifact(tmp_path / "seeds", {"kind": "seeds", "split": "train", "key": "k", "image_ids": IDS})
    return Job(
        Settings(config_of("crf", infer={"num_workers": 2})), dataset, {"seeds": seeds}, tmp_path / "masks"
    )


def masks_of(job):
    return np.stack([read_mask(job.out_dir / f"{one}.png") for one in IDS])


@pytest.mark.parametrize("name", BUILT_IN)
def test_built_in_methods_are_whole_and_their_settings_in_range(name):
    method = find_method(name)
    config = config_of(name)
    assert method.name == name
    if name == "irn":
        config.model.pretrained = None
    assert check_settings(config).name == name
    for setting in method.ranges:
        assert name in method_of_key(setting), setting


def test_an_unknown_method_gets_the_nearest_name():
    with pytest.raises(
        ConfigError, match=r"expected a method out of crf, irn, got 'cfr': did you mean 'crf'\?"
    ):
        find_method("cfr")


def test_a_key_belongs_to_the_methods_that_have_it():
    assert method_of_key("infer.beta") == ("irn",)
    assert method_of_key("infer.seed_power") == ("crf", "irn")
    assert method_of_key("infer.nothing") == ()


def test_a_config_without_a_method_is_irns(tmp_path):
    (tmp_path / "own.py").write_text("infer = dict(beta=8.0)")
    config = load_config("refine", "-", path=tmp_path / "own.py")
    assert (config.method, config.infer.beta, config.infer.steps) == ("irn", 8.0, 256)


def test_defaults_are_copies():
    method_defaults({"method": "crf"})["infer"]["threshold"] = 0.9
    assert method_defaults({"method": "crf"})["infer"]["threshold"] == 0.3


def test_presets_take_the_settings_of_their_method():
    config = load_config("refine", "-", path=CONFIG_DIR / "refine" / "crf_demo.py")
    assert config.infer.iterations == 10
    assert "model" not in config
    with pytest.raises(ConfigError, match=r"expected a known key, got 'infer\.beta'"):
        load_config("refine", "-", path=CONFIG_DIR / "refine" / "crf_demo.py", options=["infer.beta=3.0"])


@pytest.mark.parametrize(
    ("method", "tables", "message"),
    [
        (
            "crf",
            {"infer": {"threshold": 1.0}},
            "expected infer.threshold at least 0 and below 1 or 'tags', got 1.0",
        ),
        ("crf", {"infer": {"iterations": 0}}, "expected infer.iterations at least 1, got 0"),
        (
            "crf",
            {"infer": {"threshold": 0.0, "image_specific": True}},
            "expected infer.threshold above 0 with infer.image_specific=True, got 0",
        ),
        ("crf", {"random_seed": -1}, "expected random_seed at least 0, got -1"),
        (
            "crf",
            {"infer": {"seed_power": 2.0, "image_specific": True}},
            "expected infer.seed_power=1 with infer.image_specific=True, got 2.0",
        ),
        (
            "irn",
            {"infer": {"background_score": 1.5}},
            "expected infer.background_score at least 0 and at most",
        ),
        ("irn", {"train": {"crop": 100}}, "expected a crop that is a multiple of 16 pixels, got 100"),
        (
            "irn",
            {"train": {"rescale": (1.5, 0.5)}},
            "expected 0 < smallest <= largest factor, got (1.5, 0.5)",
        ),
        (
            "irn",
            {"labels": {"background_threshold": 0.4}},
            "expected labels.background_threshold at most labels.foreground_threshold, got 0.4 and 0.3",
        ),
        (
            "irn",
            {"model": {"irnet": {"pretrained": "/no/irnet.pth"}}},
            "expected a trained IRNet at /no/irnet",
        ),
    ],
)
def test_wrong_settings_are_refused_in_one_line(method, tables, message):
    with pytest.raises(ConfigError, match=re.escape(message)) as caught:
        check_settings(config_of(method, **tables))
    assert "\n" not in str(caught.value)


def test_crf_masks_are_scored_and_continued(job):
    result = run(job)
    masks = masks_of(job)
    assert set(np.unique(masks)) == {0, 1}
    # The CRF moves the outline to where the colour changes: it beats the best threshold without one.
    assert result.figures["mIoU"] > result.figures["mIoU_oracle_threshold"] > 0.5
    assert result.thresholds["seed"] == Threshold(0.3, "program")
    assert result.thresholds["oracle_threshold"].chosen_by == "oracle, train"
    assert result.extra["seconds_per_image"]["mask"] > 0
    assert result.extra["initialisation"] == "nothing is trained"
    (job.out_dir / "a.png").unlink()
    kept = (job.out_dir / "sub" / "b 1.png").stat().st_mtime_ns
    again = run(job)
    assert (job.out_dir / "sub" / "b 1.png").stat().st_mtime_ns == kept
    np.testing.assert_array_equal(masks_of(job), masks)
    assert again.figures == result.figures
    assert run(job).extra["seconds_per_image"]["mask"] is None


def test_one_threshold_and_the_crf_are_a_confident_label_with_equal_thresholds(job):
    find_method("crf").write_masks(job, IDS, Clock())
    seed = read_as_set(job.inputs["seeds"].file("a"), job.config.infer)
    image = np.asarray(Image.open(job.dataset.image_path("a")))
    label = confident_label(
        image, seed.upsample(), seed.classes, foreground_threshold=0.3, background_threshold=0.3
    )
    np.testing.assert_array_equal(masks_of(job)[0], label)


def test_without_crf_a_mask_is_the_thresholded_seed(job):
    job.config.infer.crf = False
    job.config.infer.seed_power = 2.0
    find_method("crf").write_masks(job, IDS, Clock())
    seed = read_as_set(job.inputs["seeds"].file("a"), job.config.infer)
    # .9 squared is .81; seeds are stored as float16.
    assert seed.maps.max() == pytest.approx(0.81, abs=1e-3)
    np.testing.assert_array_equal(masks_of(job)[0], seed.upsample()[0] > 0.3)


def test_image_specific_thresholds_stand_in_for_the_fixed_one(job):
    """The seeds' own threshold of .95 is above their highest value of .9: all is background."""
    job.config.infer.image_specific = True
    find_method("crf").write_masks(job, IDS, Clock())
    assert not masks_of(job).any()


def test_borders_that_the_seeds_draw_need_no_threshold(job):
    """Half a cell outside weighs as much as half a cell inside: the border lies where the sum is 0."""
    job.config.infer.crf, job.config.infer.threshold = False, 0.0
    with pytest.raises(ArtifactError, match=r"expected seeds whose method draws .* got others at .*a\.npz"):
        find_method("crf").write_masks(job, IDS, Clock())
    for one in IDS:
        seed = read_seed(job.inputs["seeds"].file(one))
        inside = np.where(seed.maps > 0.5, 0.9, 0)
        write_seed(
            job.inputs["seeds"].file(one),
            classes=seed.classes,
            maps=inside,
            size=SIZE,
            outside=np.where(inside > 0, 0, 0.9),
        )
    find_method("crf").write_masks(job, IDS, Clock())
    # Cells 2 to 7 and 3 to 8 are inside; without what lies outside the border would be a cell further out.
    expected = np.zeros(SIZE, bool)
    expected[8:32, 12:36] = True
    expected[[8, 8, 31, 31], [12, 35, 12, 35]] = False  # three of four cells around a corner are outside
    np.testing.assert_array_equal(masks_of(job)[0] == 1, expected)


def write_agnostic(job, image_id):
    """Leave of a seed its map, halved, as a class-agnostic one."""
    seed = read_seed(job.inputs["seeds"].file(image_id))
    write_seed(
        job.inputs["seeds"].file(image_id),
        classes=np.zeros(0),
        maps=np.zeros((0, 10, 12)),
        size=SIZE,
        foreground=seed.maps[0] / 2,
    )


def test_a_class_agnostic_map_is_the_map_of_the_only_tag():
    foreground = np.array([[0.1, 0.2], [0.4, 0.0]], np.float32)
    alone = Seed(np.zeros(0, np.uint8), np.zeros((0, 2, 2), np.float32), (8, 8), foreground=foreground)
    seed = with_class_map(alone, (3,))
    assert seed.classes.tolist() == [3]
    np.testing.assert_allclose(seed.maps, [[[0.25, 0.5], [1, 0]]], atol=1e-4)
    assert with_class_map(alone, (3, 4)) is alone
    assert with_class_map(alone, ()) is alone
    assert with_class_map(seed, (3,)) is seed


def test_agnostic_seeds_of_one_tag_make_the_masks_of_class_seeds(job):
    job.config.infer.crf = False
    find_method("crf").write_masks(job, IDS, Clock())
    before = masks_of(job)
    for one in IDS:
        (job.out_dir / f"{one}.png").unlink()
        write_agnostic(job, one)
    result = run(job)
    # The class map's maximum is .9, and the agnostic one's becomes 1: no pixel passes .3 by that.
    np.testing.assert_array_equal(masks_of(job), before)
    assert result.figures["mIoU"] > 0.5
    labels = {"image_specific": False}
    seed = read_seed_as_set(job.inputs["seeds"].file("a"), labels, (1,))
    assert (seed.classes.tolist(), seed.maps.shape) == ([1], (1, 10, 12))
    with pytest.raises(ArtifactError, match="expected seeds with image-specific thresholds, got"):
        read_seed_as_set(job.inputs["seeds"].file("a"), {"image_specific": True, "calibrated_to": 0.2}, (1,))


def test_agnostic_seeds_that_name_no_class_are_refused_in_one_line(job):
    write_agnostic(job, "a")
    seeds, dataset = job.inputs["seeds"], job.dataset
    with pytest.raises(ArtifactError, match=r"class-agnostic map alone for the tags \[1\], the method"):
        check_seeds(seeds, dataset, accepts_agnostic=False)
    dataset.tags = lambda one: (1, 2)
    with pytest.raises(ArtifactError, match=r"alone for the tags \[1, 2\], maps of its") as caught:
        run(job)
    assert "got 2 seeds and 1 problems" in str(caught.value)
    assert "\n" not in str(caught.value)
