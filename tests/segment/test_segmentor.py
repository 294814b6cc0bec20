"""Networks as objects: published, packed, in ONNX; and predictions of anyone's files."""

import json

import numpy as np
import pytest
import torch
from PIL import Image

import wsss
from segment.files import How, predict_files, read_tags
from segment.segmentor import MARGIN, _spans, load_segmentor, pack_segmentor
from segment.stage import STAGE
from wsss.artifacts import read_mask, read_seed
from wsss.config import Settings
from wsss.engine import run_stage
from wsss.errors import ArtifactError, ConfigError
from wsss.images import read_image
from wsss.pictures import Picture, find_pictures, overlay


@pytest.fixture(scope="module")
def published(demo_settings, tmp_path_factory):
    from tests.segment.conftest import tiny_settings

    config = tiny_settings(demo_settings)
    config.infer.update(flip=True, crf=True, scales=(0.5, 1.0))
    config.train_cfg.max_iters = 2
    work = tmp_path_factory.mktemp("published")
    return run_stage(STAGE, Settings(config), dataset_name="tiny", work_dir=work).dir


@pytest.fixture(scope="module")
def segmentor(published):
    return load_segmentor(published)


def test_a_published_network_predicts_what_the_stage_published(segmentor, published, demo):
    assert segmentor.classes == tuple(demo.classes)
    assert segmentor.facts["split"] == "val"
    for image_id in demo.ids("val"):
        labels = segmentor.predict(read_image(demo.image_path(image_id)), crf=False)
        stored = read_mask(published / "predictions" / "val" / f"{image_id}.png")
        np.testing.assert_array_equal(labels, stored)


@pytest.mark.parametrize(("crf", "folder"), [(False, "predictions"), (True, "predictions_crf")])
@pytest.mark.parametrize("batch", [1, 2])
def test_files_of_val_are_the_published_files(segmentor, published, demo, tmp_path, crf, folder, batch):
    pictures = [Picture(demo.image_path(one), one) for one in demo.ids("val")]
    # None: the CRF is what the network was published with.
    how = How(batch=batch, crf=None if crf else False)
    assert predict_files(segmentor, pictures, tmp_path, how=how) == {}
    for one in pictures:
        stored = published / folder / "val" / f"{one.name}.png"
        assert (tmp_path / "masks" / f"{one.name}.png").read_bytes() == stored.read_bytes()


def test_a_packed_network_is_the_same_network(segmentor, published, tmp_path, demo):
    pack_segmentor(segmentor, tmp_path / "one.wsss")
    again = wsss.load_segmentor(tmp_path / "one.wsss")
    image = read_image(demo.image_path(demo.ids("val")[0]))
    np.testing.assert_array_equal(again.probabilities(image), segmentor.probabilities(image))
    assert (again.classes, again.facts) == (segmentor.classes, dict(segmentor.facts))
    # Packed again it is the same file.
    pack_segmentor(again, tmp_path / "two.wsss")
    twice = load_segmentor(tmp_path / "two.wsss")
    assert twice.model == again.model


def change(file, **entries):
    content = torch.load(file, weights_only=True)
    torch.save(content | entries, file)


@pytest.mark.parametrize(
    "damage",
    ["empty", "text", "format", "description", "weights", "type", "bare", "argument", "flip", "classes"],
)
def test_what_is_no_packed_network_is_refused_in_one_line(segmentor, tmp_path, damage):
    file = tmp_path / "one.wsss"
    pack_segmentor(segmentor, file)
    if damage == "empty":
        file.write_bytes(b"")
    elif damage == "text":
        file.write_text("no network")
    elif damage == "format":
        change(file, format="another")
    elif damage == "description":
        change(file, description="{")
    elif damage == "weights":
        change(file, state_dict={"a": torch.ones(1)})
    else:
        description = json.loads(torch.load(file, weights_only=True)["description"])
        if damage == "type":
            description["model"]["type"] = "os.system"
        elif damage == "bare":
            description["model"] = {}
        elif damage == "argument":
            description["model"]["decode_head"]["nonsense"] = 1
        elif damage == "flip":
            del description["infer"]["flip"]
        else:
            description["classes"] = description["classes"][:2]
        change(file, description=json.dumps(description))
    with pytest.raises(ArtifactError, match=r"^expected .*one\.wsss.*: ") as refused:
        load_segmentor(file)
    assert "\n" not in str(refused.value)


def test_what_is_no_network_is_refused(tmp_path):
    with pytest.raises(ArtifactError, match=r"expected manifest\.json"):
        load_segmentor(tmp_path)


@pytest.mark.parametrize("length", [1, 400, 401, 500, 1000, 7919])
def test_windows_cover_each_pixel_once_with_context(length):
    window = 2 * MARGIN + 16
    spans = _spans(length, window)
    kept = [index for span in spans for index in range(*span.kept.indices(length))]
    assert kept == list(range(length))
    for span in spans:
        assert 0 <= span.begin < span.end <= length
        assert span.end - span.begin == min(window, length)
        assert span.kept.start == 0 or span.kept.start - span.begin >= MARGIN
        assert span.kept.stop == length or span.end - span.kept.stop >= MARGIN


def test_large_images_go_through_windows(segmentor, demo, monkeypatch):
    with pytest.raises(ConfigError, match="expected a window above"):
        segmentor.predict(np.zeros((4, 4, 3), np.uint8), window=2 * MARGIN)
    monkeypatch.setattr("segment.segmentor.MARGIN", 32)
    image = np.tile(read_image(demo.image_path(demo.ids("val")[0])), (2, 2, 1))
    seen = []
    original = type(segmentor).batch_probabilities
    monkeypatch.setattr(
        type(segmentor),
        "batch_probabilities",
        lambda self, images, **how: seen.append(images[0].shape) or original(self, images, **how),
    )
    windows = segmentor.predict(image, window=96)
    assert len(seen) > 4
    assert max(max(shape[:2]) for shape in seen) == 96
    whole = segmentor.predict(image)
    assert windows.shape == whole.shape == image.shape[:2]
    # The field of view of the network is larger than the context.
    assert (windows == whole).mean() > 0.8


def test_tags_leave_their_classes_alone(segmentor, demo):
    image = read_image(demo.image_path(demo.ids("val")[0]))
    tag = demo.classes[2]
    for crf in (False, True):
        assert set(np.unique(segmentor.predict(image, tags=[tag.upper()], crf=crf))) <= {0, 3}
        assert set(np.unique(segmentor.predict(image, tags=[], crf=crf))) == {0}
    with pytest.raises(ConfigError, match="expected tags out of the network's classes"):
        segmentor.predict(image, tags=["unicorn"])


@pytest.fixture
def photos(tmp_path, demo):
    """Two photos of one size, one lying on its side, one that is none."""
    folder = tmp_path / "photos"
    (folder / "more").mkdir(parents=True)
    image = read_image(demo.image_path(demo.ids("val")[0]))
    Image.fromarray(image).save(folder / "a.png")
    Image.fromarray(image[:, ::-1]).save(folder / "more" / "b.png")
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(image[:40]).save(folder / "more" / "lying.jpg", exif=exif)
    (folder / "broken.png").write_bytes((folder / "a.png").read_bytes()[:200])
    (folder / "notes.md").write_text("no image")
    return folder


def names(*inputs):
    return [one.name for one in find_pictures([str(one) for one in inputs])]


def test_files_folders_patterns_and_lists_name_images(photos, tmp_path):
    assert names(photos) == ["a", "broken", "more/b", "more/lying"]
    assert names(photos / "a.png", photos / "more" / "*.png") == ["a", "b"]
    (tmp_path / "list.txt").write_text("photos/a.png\n\nphotos/more/b.png\n")
    assert names(tmp_path / "list.txt") == ["photos/a", "photos/more/b"]
    # As Windows' editors write it; and one that is not in UTF-8.
    (tmp_path / "list.txt").write_text("\ufeffphotos/a.png\r\n", encoding="utf-8")
    assert names(tmp_path / "list.txt") == ["photos/a"]
    (tmp_path / "list.txt").write_bytes(b"\xe9.png\n")
    with pytest.raises(ConfigError, match=r"expected a list in UTF-8, got other bytes in .*list\.txt"):
        names(tmp_path / "list.txt")
    # Predictions inside the folder of images are no images of the next call.
    (photos / "masks").mkdir()
    (photos / "more").rename(photos / "masks" / "more")
    assert [one.name for one in find_pictures([str(photos)], out_dir=photos)] == ["a", "broken"]
    # Else an overlay asked for later would be made of a mask, and the mask written over what was given.
    with pytest.raises(ConfigError, match=r"expected images outside of .*masks and .*overlays"):
        find_pictures([str(photos / "masks")], out_dir=photos)
    with pytest.raises(ConfigError, match="expected an image, a folder with images, a pattern or a list"):
        names(photos / "nothing*.png")
    Image.new("RGB", (3, 3)).save(tmp_path / "a.png")
    with pytest.raises(ConfigError, match="expected images with names of their own"):
        names(photos / "a.png", tmp_path / "a.png")


@pytest.mark.parametrize("batch", [1, 3])
def test_files_are_predicted_and_the_unreadable_one_is_named(segmentor, photos, tmp_path, batch):
    out = tmp_path / "out"
    how = How(batch=batch, overlays=True, probabilities=True, rle=True)
    pictures = find_pictures([str(photos)])
    unreadable = predict_files(segmentor, pictures, out, how=how)
    assert list(unreadable) == ["broken"]
    assert "broken.png" in unreadable["broken"]
    labels = read_mask(out / "masks" / "a.png")
    np.testing.assert_array_equal(labels, segmentor.predict(read_image(photos / "a.png")))
    assert read_mask(out / "masks" / "more" / "lying.png").shape == (labels.shape[1], 40)
    assert read_seed(out / "probabilities" / "more" / "b.npz").size == labels.shape
    assert Image.open(out / "overlays" / "a.jpg").size == labels.shape[::-1]
    content = json.loads((out / "predictions.json").read_text())
    assert [one["file_name"] for one in content["images"]] == ["a.png", "more/b.png", "more/lying.png"]
    # A second call does nothing again; a lost mask alone is made anew; other settings are refused.
    kept = {file: file.stat().st_mtime_ns for file in out.rglob("*.png")}
    (out / "masks" / "more" / "b.png").unlink()
    predict_files(segmentor, pictures, out, how=how)
    changed = [file.stem for file, when in kept.items() if file.stat().st_mtime_ns != when]
    assert changed == ["b"]
    with pytest.raises(ConfigError, match="got another flip: choose another --out"):
        predict_files(segmentor, pictures, out, how=How(flip=False))
    as_stored = [one for one in pictures if one.name == "more/lying"]
    predict_files(segmentor, as_stored, tmp_path / "stored", how=How(upright=False, batch=batch))
    assert read_mask(tmp_path / "stored" / "masks" / "more" / "lying.png").shape == (40, labels.shape[1])


def test_probabilities_asked_for_later_are_made(segmentor, photos, tmp_path):
    pictures = [Picture(photos / "a.png", "a")]
    predict_files(segmentor, pictures, tmp_path, how=How())
    assert not (tmp_path / "probabilities").exists()
    predict_files(segmentor, pictures, tmp_path, how=How(probabilities=True))
    assert (tmp_path / "probabilities" / "a.npz").is_file()


def test_tags_out_of_a_table(segmentor, photos, tmp_path):
    table = tmp_path / "tags.csv"
    first, second = segmentor.classes[:2]
    table.write_text(f"file;tags\na.png;{first.upper()}\nmore/b.png;{first}, {second}\n")
    tags, remarks = read_tags(table, segmentor.classes)
    assert tags == {"a": (first,), "more/b": (first, second)}
    assert remarks
    pictures = [Picture(photos / "a.png", "a")]
    predict_files(segmentor, pictures, tmp_path / "out", how=How(), tags=tags)
    assert set(np.unique(read_mask(tmp_path / "out" / "masks" / "a.png"))) <= {0, 1}
    with pytest.raises(ConfigError, match=r"got none for 1 \(first: other\)"):
        predict_files(segmentor, [Picture(photos / "a.png", "other")], tmp_path / "o2", how=How(), tags=tags)
    table.write_text("file,tags\na.png,unicorn\n")
    with pytest.raises(ConfigError, match="got 'unicorn' in line 2"):
        read_tags(table, segmentor.classes)


def test_overlays_leave_the_background_alone():
    image = np.full((2, 2, 3), 100, np.uint8)
    drawn = overlay(image, np.array([[0, 1], [0, 0]], np.uint8))
    assert (drawn[[0, 1, 1], [0, 0, 1]] == 100).all()
    assert drawn[0, 1].tolist() == [115, 45, 45]  # .45 x 100 + .55 x (128, 0, 0)
    # A tall one, drawn in bands, is the same all the way down.
    tall = overlay(np.full((600, 2, 3), 100, np.uint8), np.tile(np.array([[0, 1]], np.uint8), (600, 1)))
    assert (tall[:, 0] == 100).all()
    assert (tall[:, 1] == [115, 45, 45]).all()


def test_onnx_computes_the_same_for_any_size(segmentor, tmp_path):
    pytest.importorskip("onnx")
    runtime = pytest.importorskip("onnxruntime")
    from segment.onnx import export_onnx

    export_onnx(segmentor, tmp_path / "one.onnx")
    session = runtime.InferenceSession(str(tmp_path / "one.onnx"), providers=["CPUExecutionProvider"])
    rng = np.random.default_rng(0)
    for size in [(96, 96), (65, 120), (201, 90)]:
        image = rng.integers(0, 256, (*size, 3), np.uint8)
        batch = image.transpose(2, 0, 1)[None].astype(np.float32)
        (found,) = session.run(None, {"image": batch})
        expected = segmentor.probabilities(image, scales=[1.0], flip=False)
        np.testing.assert_allclose(found[0], expected, atol=1e-4)
    assert session.get_modelmeta().custom_metadata_map["classes"].split("\n") == list(segmentor.classes)
