"""Larger canvases, and layers of what was synthesised: against Pillow."""

import io

import numpy as np
import pytest
from PIL import Image
from skimage import data

from restore import masks
from restore.image import Picture, read, write

PHOTO = data.astronaut()[100:180, 100:220]


def test_a_larger_canvas_holds_the_picture() -> None:
    larger, border = masks.expand(Picture.from_array(PHOTO), (3, 5, 7, 0))
    assert larger.shape == border.shape == (85, 130)
    np.testing.assert_array_equal(larger.pixels[border == 0].reshape(PHOTO.shape), PHOTO)
    np.testing.assert_array_equal(border[5:, 3:-7], 0)
    assert np.count_nonzero(border) == 85 * 130 - 80 * 120


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_the_border_of_a_transparent_picture_is_opaque(dtype: type) -> None:
    picture = Picture.from_array(np.full((4, 5, 4), 0.25, dtype) if dtype == np.float32 else np.full((4, 5, 4), 9, dtype))
    larger, border = masks.expand(picture, (1, 1, 1, 1))
    assert set(larger.alpha[border > 0]) == {1 if dtype == np.float32 else np.iinfo(dtype).max}
    np.testing.assert_array_equal(larger.alpha[1:-1, 1:-1], picture.alpha)


def test_a_jpeg_stays_a_jpeg_and_its_exif_and_xmp_say_the_new_size() -> None:
    attributes, elements = b'<x tiff:ImageWidth="120" tiff:ImageLength="80"/>', b"<exif:PixelXDimension>120</x><exif:PixelYDimension>80</x>"
    exif, file = Image.Exif(), io.BytesIO()
    exif[271] = "Maker"
    exif.get_ifd(34665).update({40962: 120, 40963: 80})
    Image.fromarray(PHOTO).save(file, "JPEG", quality=80, subsampling=2, exif=exif, icc_profile=b"no profile", xmp=attributes + elements)
    picture = read(file.getvalue())
    larger, _ = masks.expand(picture, (8, 0, 8, 16))
    written = io.BytesIO()
    write(larger, written)
    with Image.open(written) as image, Image.open(file) as original:
        assert image.size == (136, 96)
        assert image.quantization == original.quantization
        assert image.info["icc_profile"] == b"no profile"
        assert image.getexif()[271] == "Maker"
        assert dict(image.getexif().get_ifd(34665)) == {40962: 136, 40963: 96}
        assert image.info["xmp"] == (attributes + elements).replace(b"120", b"136").replace(b"80", b"96")


@pytest.mark.parametrize(("margins", "said"), [((-1, 0, 0, 0), "left is -1 pixels; expected 0 to 120"), ((0, 0, 0, 81), "bottom is 81")])
def test_margins_out_of_range(margins: masks.Margins, said: str) -> None:
    with pytest.raises(ValueError, match=f"the margin at the {said}"):
        masks.expand(Picture.from_array(PHOTO), margins)


@pytest.mark.parametrize("margins", [(1, 2, 3), (1, 2, 3, 4, 5), (1.5, 0, 0, 0), 1, "1234"])
def test_margins_are_four_whole_numbers(margins: tuple) -> None:
    with pytest.raises(ValueError, match=r"the margins are .?1.*; expected four whole numbers: left, top, right, bottom"):
        masks.expand(Picture.from_array(PHOTO), margins)


@pytest.mark.parametrize("format", ["PNG", "TIFF"])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("channels", [1, 3])
def test_a_layer_over_the_photograph_is_the_repaired_one(channels: int, dtype: type, format: str) -> None:
    rng, top = np.random.default_rng(0), np.iinfo(dtype).max
    before, after = rng.integers(0, top, (2, 20, 30, channels), dtype, endpoint=True)
    holes = rng.random((20, 30)) < 0.3
    after = np.where(holes[..., None], after, before)
    file = io.BytesIO()
    write(masks.layer(Picture(pixels=after, icc=b"profile", dpi=(300, 300)), holes), file, format=format)
    found = read(file.getvalue())
    assert found.dtype == dtype
    assert found.icc == b"profile"
    assert found.dpi == pytest.approx((300, 300), abs=0.01)
    np.testing.assert_array_equal(found.alpha, np.where(holes, top, 0))
    opacity = found.alpha[..., None] / top
    np.testing.assert_array_equal(opacity * found.pixels + (1 - opacity) * before, after)
    assert not found.pixels[~holes].any()
    if channels == 3 and dtype == np.uint8 and format == "PNG":
        over = Image.fromarray(before).convert("RGBA")
        over.alpha_composite(Image.open(file))
        np.testing.assert_array_equal(np.asarray(over.convert("RGB")), after)


def test_the_mask_of_a_layer_has_the_size_of_the_picture() -> None:
    with pytest.raises(ValueError, match="the mask is 3x2 pixels, the picture 120x80"):
        masks.layer(Picture.from_array(PHOTO), np.ones((2, 3)))


def test_a_layer_shows_nothing_where_the_photograph_is_transparent():
    pixels = np.full((1, 3, 3), 200, np.uint8)
    picture = Picture(pixels=pixels, alpha=np.array([[0, 128, 255]], np.uint8))
    found = masks.layer(picture, np.ones((1, 3)))
    assert found.alpha.tolist() == [[0, 255, 255]]
    assert found.pixels[0, :, 0].tolist() == [0, 200, 200]
