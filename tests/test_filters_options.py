import numpy as np
import pytest

from restore.filters import FILTERS, classic
from restore.filters.kernels import parse_kernel
from restore.filters.options import apply, kinds_of, options_of, read_value
from restore.image import Picture, read, write

OPTIONS = {row.name: row.options for row in classic()}


@pytest.mark.parametrize(
    ("name", "option", "text", "value"),
    [
        ("gaussian", "sigma", "3", 3.0),
        ("median", "size", "5", 5),
        ("bilateral", "size", "7", 7),
        ("bilateral", "size", "none", None),
        ("bilateral", "size", "", None),
        ("gaussian", "border", "wrap", "wrap"),
        ("wiener", "kernel", "disk", "disk"),
        ("wiener", "kernel", "1 2 1", [[1, 2, 1]]),
        ("custom", "kernel", "0 1 0\n1 0 1\n0 1 0", [[0, 1, 0], [1, 0, 1], [0, 1, 0]]),
    ],
)
def test_values_are_read_as_the_annotation_says(name, option, text, value):
    read = read_value(OPTIONS[name][option], text)
    assert type(read) is (np.ndarray if isinstance(value, list) else type(value))
    np.testing.assert_array_equal(read, value)


@pytest.mark.parametrize(
    ("name", "option", "text", "said"),
    [
        ("gaussian", "sigma", "two", "sigma is 'two'; expected a number"),
        ("gaussian", "sigma", "", "sigma is ''; expected a number"),
        ("median", "size", "2.5", "size is '2.5'; expected a whole number"),
        ("custom", "kernel", "disk", "row 1 of the kernel holds 'disk'; expected numbers"),
    ],
)
def test_what_cannot_be_read_is_named(name, option, text, said):
    with pytest.raises(ValueError, match=said):
        read_value(OPTIONS[name][option], text)


def test_a_kernel_that_is_typed_names_no_file(tmp_path):
    path = tmp_path / "1"
    path.write_text("1 0 -1")
    with pytest.raises(ValueError, match="expected numbers$"):
        parse_kernel(str(path))


def test_every_option_of_the_table_is_of_a_known_kind():
    for row in classic():
        assert row.options == options_of(FILTERS[row.name].array)
        assert row.summary == FILTERS[row.name].summary
        for option in row.options.values():
            assert {int, float, str, bool, np.ndarray} & {*kinds_of(option)}, f"{row.name}: {option}"


def test_hints_are_what_the_documentation_says():
    hints = next(row for row in classic() if row.name == "guided").hints
    assert hints["radius"] == "Of the square window, in pixels."
    assert hints["sigma_color"].endswith("the pixels stay; in 8-bit units; the paper's epsilon is its square.")
    assert next(row for row in classic() if row.name == "gaussian").hints == {}
    for row in classic():
        assert {*row.hints} - {"image"} in ({*row.options}, set()), row.name


def test_a_patch_of_another_depth_is_brought_to_the_picture():
    pixels = np.random.default_rng(0).integers(0, 256, (20, 30, 3), np.uint8).astype(np.uint16) * 257
    found = apply(FILTERS["match"].array, pixels, {"patch": (pixels[4:9, 10:17] // 257).astype(np.uint8)})
    assert (found.dtype, found.shape) == (pixels.dtype, pixels.shape)
    assert np.argwhere(found == 65535).tolist() == [[6, 13, channel] for channel in range(3)]


@pytest.mark.parametrize("shape", [(1, 1, 1), (1, 9, 1), (9, 1, 1), (1, 1, 3)])
def test_the_result_of_a_narrow_picture_can_be_encoded(shape, tmp_path):
    pixels = np.full(shape, 7, np.uint8)
    write(Picture.from_array(apply(FILTERS["median"].array, pixels, {})), tmp_path / "a.png")
    np.testing.assert_array_equal(read(tmp_path / "a.png").pixels, pixels)


def test_the_result_is_like_the_picture():
    pixels = np.random.default_rng(0).integers(0, 256, (20, 30, 3), np.uint8)
    for name in ("canny", "gaussian", "clahe"):
        filtered = apply(FILTERS[name].array, pixels, {})
        assert (filtered.dtype, filtered.shape) == (pixels.dtype, pixels.shape)
    with pytest.raises(ValueError, match="sigma is -1"):
        apply(FILTERS["gaussian"].array, pixels, {"sigma": -1})
