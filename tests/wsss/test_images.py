import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.transforms import v2

from wsss import images
from wsss.errors import DataError
from wsss.images import (
    IMAGENET_MEAN,
    IMAGENET_STD,
    ImageFile,
    check_images,
    normalize_image,
    read_image,
    read_size,
)

RED, BLUE = (255, 0, 0), (0, 0, 255)


@pytest.fixture
def two():
    """One row of a red and a blue pixel."""
    image = Image.new("RGB", (2, 1), RED)
    image.putpixel((1, 0), BLUE)
    return image


def test_rgb_in_the_order_rows_columns_channels(tmp_path, two):
    two.save(tmp_path / "a.png")

    pixels = read_image(tmp_path / "a.png")

    assert (pixels.shape, pixels.dtype) == ((1, 2, 3), np.uint8)
    assert pixels.tolist() == [[list(RED), list(BLUE)]]
    assert pixels.flags.writeable
    assert pixels.flags.c_contiguous


@pytest.mark.parametrize("mode", ["P", "RGBA", "CMYK"])
def test_other_colour_modes_keep_their_colours(tmp_path, two, mode):
    # TIFF holds all of them without loss.
    two.convert(mode).save(tmp_path / "a.tif")

    assert read_image(tmp_path / "a.tif").tolist() == [[list(RED), list(BLUE)]]


def test_transparent_pixels_keep_the_colour_that_is_stored(tmp_path):
    Image.new("RGBA", (1, 1), (10, 20, 30, 0)).save(tmp_path / "a.png")

    assert read_image(tmp_path / "a.png").tolist() == [[[10, 20, 30]]]


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        pytest.param(np.array([[7]], np.uint8), 7, id="8-bit"),
        pytest.param(np.array([[0x12FF]], np.uint16), 0x12, id="16-bit-keeps-the-upper-8"),
        pytest.param(np.array([[True]]), 255, id="1-bit"),
    ],
)
def test_grayscale_becomes_three_equal_channels(tmp_path, image, expected):
    Image.fromarray(image).save(tmp_path / "a.png")

    assert read_image(tmp_path / "a.png").tolist() == [[[expected] * 3]]


@pytest.mark.parametrize("mode", ["F", "I"])
def test_values_of_unknown_range_are_refused(tmp_path, mode):
    Image.new(mode, (2, 2)).save(tmp_path / "a.tif")

    with pytest.raises(
        DataError, match=rf"8 or 16 bits per value at .*a\.tif, got Pillow mode {mode}: convert"
    ):
        read_image(tmp_path / "a.tif")


@pytest.mark.parametrize("suffix", [".jpg", ".png"])
@pytest.mark.parametrize("share", [0.0, 0.02, 0.5, 0.9])
def test_truncated_files_are_named(tmp_path, suffix, share):
    path = tmp_path / f"a{suffix}"
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    Image.fromarray(noise).save(path)
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])

    with pytest.raises(
        DataError, match=rf"expected a whole image at .*a\{suffix}, got: .+: replace the file"
    ) as caught:
        read_image(path)

    assert "\n" not in str(caught.value)


def test_damage_inside_a_png_is_seen(tmp_path):
    path = tmp_path / "a.png"
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    Image.fromarray(noise).save(path)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(content)

    with pytest.raises(DataError, match=r"expected a whole image at .*a\.png"):
        read_image(path)


def test_a_file_that_is_no_image_is_named(tmp_path):
    (tmp_path / "a.jpg").write_text("hello")

    with pytest.raises(DataError, match=r"expected a whole image at .*a\.jpg, got: cannot identify"):
        read_image(tmp_path / "a.jpg")


def test_an_absent_file_is_named(tmp_path):
    with pytest.raises(DataError, match=r"expected an image at .*a\.jpg, found no file: check dataset\.root"):
        read_image(tmp_path / "a.jpg")


def test_a_folder_is_no_image(tmp_path):
    with pytest.raises(DataError, match="expected a whole image at"):
        read_image(tmp_path)


@pytest.fixture
def folder(tmp_path):
    """Whole images of many kinds, by id."""
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8))
    turned = Image.Exif()
    turned[0x0112] = 6
    noise.save(tmp_path / "a.jpg")
    noise.save(tmp_path / "turned.jpg", exif=turned)
    noise.convert("CMYK").save(tmp_path / "cmyk.jpg")
    noise.convert("L").save(tmp_path / "gray.png")
    noise.resize((1, 1)).save(tmp_path / "one.bmp")
    (tmp_path / "padded.jpg").write_bytes((tmp_path / "a.jpg").read_bytes() + bytes(100))
    return tmp_path


def by_id(folder):
    return {file.stem: file for file in sorted(folder.iterdir())}


def test_whole_images_pass_and_turned_ones_are_named(folder, caplog):
    check_images(by_id(folder))
    assert "the headers of 1 images: turned ask for a rotation; images are turned upright" in caplog.text
    check_images({"b": ImageFile(folder / "turned.jpg", upright=False)})
    assert "the headers of 1 images: b ask for a rotation; images are used as they are stored" in caplog.text


@pytest.mark.parametrize(("name", "cut"), [("a.jpg", 300), ("gray.png", 300), ("one.bmp", 3)])
def test_truncated_images_are_found_without_decoding_the_others(folder, name, cut, monkeypatch):
    file = folder / name
    file.write_bytes(file.read_bytes()[:-cut])
    (folder / "padded.jpg").unlink()  # its end is not in sight either
    read = []
    monkeypatch.setattr(images, "read_image", lambda path: read.append(path.name) or read_image(path))
    with pytest.raises(DataError, match=rf"expected a whole image at .*{name}, got: .*: replace the file"):
        check_images(by_id(folder))
    assert read == sorted({name, "one.bmp"})  # BMP has no end mark


def test_all_broken_images_are_counted(folder):
    files = by_id(folder)
    for name in ("a", "gray"):
        files[name].unlink()
    with pytest.raises(
        DataError, match=r"expected an image at .*a\.jpg, found no file.* \(and 1 images: gray\)"
    ):
        check_images(files)


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "tif"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_images_are_turned_as_viewers_show_them(tmp_path, suffix, orientation):
    """Corner by corner: where EXIF says that row 0 and column 0 of the stored pixels are seen."""
    stored = np.zeros((2, 3), np.uint8)
    stored[0, 0], stored[0, 2], stored[1, 0], stored[1, 2] = 60, 120, 180, 240
    big = np.kron(stored, np.ones((16, 16), np.uint8))
    header = Image.Exif()
    header[0x0112] = orientation
    file = tmp_path / f"a.{suffix}"
    Image.fromarray(np.stack([big] * 3, axis=2)).save(file, exif=header)
    # EXIF 2.3, tag 274: which side of the picture the stored row 0 and column 0 are.
    seen = {
        1: stored,
        2: stored[:, ::-1],
        3: stored[::-1, ::-1],
        4: stored[::-1],
        5: stored.T,
        6: stored[::-1].T,
        7: stored[::-1, ::-1].T,
        8: stored.T[::-1],
    }[orientation]
    image = read_image(file)
    assert read_size(file) == image.shape[:2] == (16 * seen.shape[0], 16 * seen.shape[1])
    found = image[8::16, 8::16, 0].astype(int)
    assert np.abs(found - seen)[:: seen.shape[0] - 1, :: seen.shape[1] - 1].max() <= 12  # JPEG and WebP lose
    kept = ImageFile(file, upright=False)
    if suffix != "tif":  # Pillow turns these itself
        assert read_size(kept) == read_image(kept).shape[:2] == (32, 48)


def test_size_is_read_from_the_header(tmp_path, two):
    header = Image.Exif()
    header[0x0112] = 6
    two.save(tmp_path / "turned.jpg", exif=header)
    assert read_size(tmp_path / "turned.jpg") == (2, 1)
    assert read_size(ImageFile(tmp_path / "turned.jpg", upright=False)) == (1, 2)
    with pytest.raises(DataError, match="found no file"):
        read_size(tmp_path / "none.jpg")
    (tmp_path / "text.jpg").write_text("no image")
    with pytest.raises(DataError, match=r"expected a whole image at .*text\.jpg, got: "):
        read_size(tmp_path / "text.jpg")


def test_a_png_with_its_header_behind_the_pixels_has_one_frame(tmp_path, two):
    """`read_size` does not see such a header, so `read_image` must not follow it."""
    header = Image.Exif()
    header[0x0112] = 6
    two.save(tmp_path / "plain.png")
    two.save(tmp_path / "turned.png", exif=header)
    content = (tmp_path / "turned.png").read_bytes()
    begin = content.index(b"eXIf") - 4
    chunk = content[begin : content.index(b"IDAT") - 4]
    plain = (tmp_path / "plain.png").read_bytes()
    (tmp_path / "late.png").write_bytes(plain[:-12] + chunk + plain[-12:])  # IEND has 12 bytes
    assert Image.open(tmp_path / "late.png").getexif()[0x0112] == 6
    assert read_size(tmp_path / "late.png") == read_image(tmp_path / "late.png").shape[:2] == (1, 2)


def test_normalized_by_hand():
    pixel = np.array([[[255, 0, 128]]], np.uint8)
    expected = [(1 - 0.485) / 0.229, -0.456 / 0.224, (128 / 255 - 0.406) / 0.225]
    np.testing.assert_allclose(normalize_image(pixel)[:, 0, 0], expected, rtol=1e-5)


@pytest.mark.parametrize("size", [(1, 1), (7, 5), (64, 33)])
def test_normalized_to_the_last_bit(size):
    """Stored seeds and masks hang on these bits: the order of the operations is part of the contract."""
    image = np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8)
    mean, deviation = np.float32(IMAGENET_MEAN), np.float32(IMAGENET_STD)
    expected = (image.astype(np.float32) / np.float32(255) - mean) / deviation
    found = normalize_image(image)
    assert np.array_equal(found.permute(1, 2, 0).numpy(), expected)
    assert found.permute(1, 2, 0).is_contiguous()
    # A flipped view, as crops are.
    assert torch.equal(normalize_image(image[:, ::-1]), found.flip(2))


def test_normalized_as_in_the_training_of_seeds():
    image = np.random.default_rng(0).integers(0, 256, (9, 8, 3), dtype=np.uint8)
    other = v2.Compose(
        [v2.ToImage(), v2.ToDtype(torch.float32, scale=True), v2.Normalize(IMAGENET_MEAN, IMAGENET_STD)]
    )
    # torchvision multiplies by 1 / 255: the last bit differs.
    torch.testing.assert_close(
        normalize_image(image), other(image).as_subclass(torch.Tensor), rtol=0, atol=1e-6
    )
