"""Images and label maps reach mmsegmentation unchanged, and what does not fit is refused by name."""

import re

import numpy as np
import pytest
from mmseg.registry import DATASETS, TRANSFORMS
from PIL import Image

import segment.transforms  # noqa: F401  (registers)
from segment.checks import check_labels
from segment.dataset import ProjectDataset, dataset_settings, label_files
from wsss.artifacts import MANIFEST, read_mask, voc_palette, write_json, write_mask
from wsss.errors import ArtifactError, ConfigError, DataError
from wsss.images import read_image

pytestmark = pytest.mark.usefixtures("mmseg_scope")

PLAIN = [{"type": "ReadImage"}, {"type": "ReadMask"}, {"type": "PackSegInputs"}]


@pytest.fixture
def sample(tmp_path):
    """An RGB image and a palette mask with label 255."""
    rng = np.random.default_rng(0)
    Image.fromarray(rng.integers(0, 256, (20, 30, 3), dtype=np.uint8)).save(tmp_path / "image.png")
    mask = rng.choice(np.array([0, 1, 6, 255], np.uint8), (20, 30))
    write_mask(tmp_path / "mask.png", mask)
    paths = {"img_path": str(tmp_path / "image.png"), "seg_map_path": str(tmp_path / "mask.png")}
    return {**paths, "num_classes": 6, "seg_fields": [], "label_map": None, "reduce_zero_label": False}


def run_pipeline(sample, steps):
    for step in steps:
        sample = TRANSFORMS.build(step)(sample)
    return sample


def test_palette_masks_are_read_as_indices_and_images_as_rgb(sample):
    read = run_pipeline(sample, PLAIN)
    assert np.array_equal(read["data_samples"].gt_sem_seg.data[0], read_mask(sample["seg_map_path"]))
    assert np.array_equal(read["inputs"].permute(1, 2, 0), read_image(sample["img_path"]))


def test_mmsegs_own_reader_agrees_with_its_default_backend(sample):
    read = run_pipeline(sample, [{"type": "ReadImage"}, {"type": "LoadAnnotations"}])
    assert np.array_equal(read["gt_seg_map"], read_mask(sample["seg_map_path"]))


def test_mask_of_another_size_is_refused(sample, tmp_path):
    write_mask(tmp_path / "mask.png", np.zeros((20, 31), np.uint8))
    with pytest.raises(ArtifactError, match=re.escape("expected a mask of size (20, 30), got (20, 31)")):
        run_pipeline(sample, PLAIN)


def test_label_above_the_classes_is_refused(sample):
    with pytest.raises(ArtifactError, match=r"expected mask values 0\.\.5 or 255, got \[6\]"):
        run_pipeline({**sample, "num_classes": 5}, PLAIN)


@pytest.mark.parametrize(("ratio", "expected"), [(0.5, (10, 15)), (1.0, (20, 30)), (1.5, (30, 45))])
def test_random_scale_is_relative_to_the_image(sample, ratio, expected):
    scale = {"type": "RandomScale", "ratio_range": (ratio, ratio)}
    read = run_pipeline(sample, [*PLAIN[:2], scale])
    assert read["img"].shape[:2] == read["gt_seg_map"].shape == expected
    # Labels are picked, not blended.
    assert set(np.unique(read["gt_seg_map"])) <= {0, 1, 6, 255}


def test_random_scale_keeps_to_its_range(sample):
    heights = [
        run_pipeline(sample, [*PLAIN[:2], {"type": "RandomScale", "ratio_range": (0.5, 1.5)}])["img"].shape[0]
        for _ in range(50)
    ]
    assert min(heights) >= 10
    assert max(heights) <= 30
    assert len(set(heights)) > 5


@pytest.mark.parametrize("ratio_range", [(0.0, 1.0), (1.5, 0.5)])
def test_random_scale_refuses_an_empty_range(ratio_range):
    with pytest.raises(Exception, match="0 < smallest <= largest"):
        TRANSFORMS.build({"type": "RandomScale", "ratio_range": ratio_range})


def test_dataset_serves_ground_truth_of_the_right_split(demo, demo_settings):
    for test_mode, split in ((False, "train"), (True, "val")):
        built = DATASETS.build(
            {"type": "ProjectDataset", "dataset": demo_settings, "test_mode": test_mode, "pipeline": PLAIN}
        )
        assert len(built) == len(demo.ids(split))
        for index, image_id in enumerate(demo.ids(split)):
            assert built.get_data_info(index)["image_id"] == image_id
            label = built[index]["data_samples"].gt_sem_seg.data[0]
            assert np.array_equal(label, read_mask(demo.mask_path(image_id)))


def test_full_supervision_with_part_of_the_classes(demo, demo_settings):
    part = (demo.classes[4], demo.classes[1])
    settings = {"type": "voc", "root": str(demo.root), "labels": str(demo.root / "cls_labels.npy")}
    settings |= {key: demo_settings[key] for key in ("train_split", "val_split")}
    settings |= {"classes": demo.classes, "only": part}
    built = ProjectDataset(dataset=settings, pipeline=PLAIN)
    assert built.metainfo["classes"] == ("background", *part)
    table = np.full(256, 255)
    table[[0, 5, 2]] = 0, 1, 2
    seen = set()
    for index, image_id in enumerate(demo.ids("train")):
        label = built[index]["data_samples"].gt_sem_seg.data[0]
        assert np.array_equal(label, table[read_mask(demo.mask_path(image_id))])
        seen |= set(label.unique().tolist())
    assert {0, 255} < seen <= {0, 1, 2, 255}
    check = check_labels(built.dataset, label_files(built.dataset, built.dataset.ids("train"), None))
    assert check.identical == check.compared > 0
    assert not check.untagged


def test_dataset_names_background_and_palette(demo, demo_settings):
    built = ProjectDataset(dataset=demo_settings)
    assert built.metainfo["classes"] == ("background", *demo.classes)
    assert built.metainfo["palette"] == voc_palette()[: len(demo.classes) + 1].tolist()
    assert built.metainfo["reduce_zero_label"] is False


def test_dataset_serves_masks_of_a_folder(demo, demo_settings, tmp_path):
    for image_id in demo.ids("train"):
        shape = read_mask(demo.mask_path(image_id)).shape
        write_mask(tmp_path / f"{image_id}.png", np.full(shape, 2))
    built = ProjectDataset(dataset=demo_settings, masks=tmp_path, pipeline=PLAIN)
    assert all((item["data_samples"].gt_sem_seg.data == 2).all() for item in built)


def test_missing_masks_are_counted_and_named(demo, tmp_path):
    first, *rest = demo.ids("train")
    write_mask(tmp_path / f"{first}.png", np.zeros((3, 3)))
    with pytest.raises(ArtifactError) as error:
        label_files(demo, demo.ids("train"), tmp_path)
    assert f"missing 5: {', '.join(rest)}" in str(error.value)
    manifest = {"schema": 1, "kind": "masks", "split": "train", "image_ids": [first], "key": "k"}
    write_json(tmp_path / MANIFEST, manifest)
    with pytest.raises(ArtifactError, match="make them for this split"):
        label_files(demo, demo.ids("train"), tmp_path)


def test_missing_ground_truth_is_named(demo, monkeypatch):
    monkeypatch.setattr(demo, "mask_path", lambda image_id: None)
    with pytest.raises(DataError, match=r"expected ground truth for 2 images .* train on masks instead"):
        label_files(demo, demo.ids("val"), None)


def test_settings_may_come_from_a_config_file(tmp_path):
    assert dataset_settings("configs/_base_/demo.py")["type"] == "demo"
    with pytest.raises(ConfigError, match="found no file: correct 'dataset'"):
        dataset_settings(str(tmp_path / "absent.py"))
    (tmp_path / "other.py").write_text("model = dict()\n")
    with pytest.raises(ConfigError, match="expected a table 'dataset'"):
        dataset_settings(str(tmp_path / "other.py"))
