"""Every kind of picture in, the same kind out."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from restore import kinds
from restore.image import ImageError, Picture, read, write

rng = np.random.default_rng(0)


def there_and_back(image):
    pictures, repack = kinds.unpack(image)
    assert all(isinstance(picture, Picture) for picture in pictures)
    return repack([picture.replace(pixels=picture.pixels.copy()) for picture in pictures])


def random_array(shape: tuple[int, ...], dtype: type) -> np.ndarray:
    return rng.random(shape).astype(dtype) if dtype == np.float32 else rng.integers(0, np.iinfo(dtype).max, shape, dtype)


@pytest.mark.parametrize("shape", [(4, 5), (4, 5, 1), (4, 5, 2), (4, 5, 3), (4, 5, 4), (1, 1)])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_arrays(shape: tuple[int, ...], dtype: type) -> None:
    array = random_array(shape, dtype)
    result = there_and_back(array)
    assert result.dtype == dtype
    np.testing.assert_array_equal(result, array)
    np.testing.assert_array_equal(there_and_back(array[::-1]), array[::-1])


@pytest.mark.parametrize("shape", [(1, 4, 5), (2, 4, 5), (3, 4, 5), (4, 4, 5), (1, 3, 4, 5), (6, 1, 4, 5), (2, 4, 4, 5), (3, 1, 1)])
@pytest.mark.parametrize("dtype", [torch.uint8, torch.uint16, torch.float32, torch.float16, torch.bfloat16])
def test_tensors(shape: tuple[int, ...], dtype: torch.dtype) -> None:
    tensor = (torch.rand(shape) * (1 if dtype.is_floating_point else 255)).to(dtype)
    pictures, _ = kinds.unpack(tensor)
    assert len(pictures) == (shape[0] if len(shape) == 4 else 1)
    assert pictures[0].shape == shape[-2:]
    result = there_and_back(tensor)
    assert (result.dtype, result.shape, result.device) == (tensor.dtype, tensor.shape, tensor.device)
    assert torch.equal(result, tensor)


def test_tensor_channels_come_in_order() -> None:
    (picture,), _ = kinds.unpack(torch.arange(4, dtype=torch.uint8).reshape(4, 1, 1))
    assert picture.pixels[0, 0].tolist() == [0, 1, 2]
    assert picture.alpha is not None
    assert picture.alpha[0, 0] == 3


def test_tensors_that_need_gradients() -> None:
    tensor = torch.rand(3, 4, 5, requires_grad=True)
    assert torch.equal(there_and_back(tensor), tensor.detach())


@pytest.mark.gpu
def test_tensors_on_a_gpu() -> None:
    tensor = torch.rand(3, 4, 5, device="cuda")
    assert torch.equal(there_and_back(tensor), tensor)


@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA", "I;16", "F"])
def test_pil_images(mode: str) -> None:
    channels = {"LA": (2,), "RGB": (3,), "RGBA": (4,)}.get(mode, ())
    array = random_array((4, 5, *channels), {"I;16": np.uint16, "F": np.float32}.get(mode, np.uint8))
    image = Image.fromarray(array)
    assert image.mode == mode
    image.info["icc_profile"] = b"profile"
    result = there_and_back(image)
    assert (result.mode, result.size, result.info) == (mode, image.size, image.info)
    np.testing.assert_array_equal(np.asarray(result), array)


@pytest.mark.parametrize("transparent", [False, True])
def test_pil_palettes_come_back_as_colours(transparent: bool) -> None:
    image = Image.fromarray(random_array((4, 5, 3), np.uint8)).quantize(8)
    if transparent:
        image.info["transparency"] = 0
    mode = "RGBA" if transparent else "RGB"
    result = there_and_back(image)
    assert result.mode == mode
    np.testing.assert_array_equal(np.asarray(result), np.asarray(image.convert(mode)))
    assert "transparency" not in result.info


@pytest.mark.parametrize(("mode", "key", "becomes"), [("L", 7, "LA"), ("RGB", (7, 7, 7), "RGBA")])
def test_a_transparent_colour_of_a_pil_image_becomes_alpha(mode: str, key: object, becomes: str) -> None:
    image = Image.new(mode, (6, 4), 0 if mode == "L" else (0, 0, 0))
    image.paste(key, (1, 1, 4, 3))
    image.info["transparency"] = key
    result = there_and_back(image)
    assert result.mode == becomes
    assert "transparency" not in result.info
    assert (np.asarray(result)[..., -1] == 0).sum() == 6


def test_pil_bilevel_comes_back_grey() -> None:
    image = Image.fromarray(random_array((4, 5), np.uint8) > 127)
    result = there_and_back(image)
    assert result.mode == "L"
    np.testing.assert_array_equal(np.asarray(result) > 0, np.asarray(image))


@pytest.mark.parametrize("mode", ["CMYK", "YCbCr", "LAB", "HSV", "I", "La", "RGBa", "PA"])
def test_other_pil_modes(mode: str) -> None:
    with pytest.raises(ImageError, match=f"PIL image of mode {mode} is not taken; convert it to one of L, LA, RGB, RGBA, I;16"):
        kinds.unpack(Image.new(mode, (4, 5)))


def test_profile_of_a_pil_image_counts() -> None:
    image = Image.new("RGB", (4, 5))
    image.info["icc_profile"] = b"profile"
    assert kinds.unpack(image)[0][0].icc == b"profile"


def test_paths_and_pictures_give_pictures(tmp_path: Path) -> None:
    array = random_array((4, 5, 3), np.uint16)
    write(Picture.from_array(array), tmp_path / "a.png")
    for path in (tmp_path / "a.png", str(tmp_path / "a.png")):
        result = there_and_back(path)
        assert isinstance(result, Picture)
        np.testing.assert_array_equal(result.pixels, array)
    assert there_and_back(result).format == "PNG"


@pytest.mark.parametrize("image", [None, 3, [[1, 2]], b"bytes"])
def test_no_picture(image: object) -> None:
    with pytest.raises(TypeError, match=f"an image is a path, .* or a Picture, got {type(image).__name__}"):
        kinds.unpack(image)


@pytest.mark.parametrize("dtype", [bool, np.int32, np.float64, np.float16])
def test_other_arrays(dtype: type) -> None:
    with pytest.raises(ImageError, match="expected uint8, uint16 or float32"):
        kinds.unpack(np.zeros((4, 5), dtype))


@pytest.mark.parametrize("dtype", [torch.bool, torch.int64, torch.float64])
def test_other_tensors(dtype: torch.dtype) -> None:
    with pytest.raises(ImageError, match=f"a tensor of {dtype} is not taken; expected torch.uint8, uint16, float32"):
        kinds.unpack(torch.zeros(3, 4, 5, dtype=dtype))


@pytest.mark.parametrize("shape", [(4, 5), (0, 3, 4, 5), (1, 1, 3, 4, 5), (3, 0, 5)])
def test_tensors_of_other_shapes(shape: tuple[int, ...]) -> None:
    with pytest.raises(ImageError, match=r"a tensor of shape .* is no picture; expected \(C, H, W\) or \(N, C, H, W\)"):
        kinds.unpack(torch.zeros(shape))


HOLES = random_array((4, 5), np.uint8) > 100


def all_kinds_of_masks(folder: Path) -> dict[str, object]:
    grey = HOLES.astype(np.uint8) * 255
    write(Picture.from_array(grey), folder / "mask.png")
    return {
        "bool": HOLES,
        "uint8 1": HOLES.astype(np.uint8),
        "float": HOLES[..., None] * 0.1,
        "path": folder / "mask.png",
        "str": str(folder / "mask.png"),
        "PIL L": Image.fromarray(grey),
        "PIL 1": Image.fromarray(HOLES),
        "PIL RGB": Image.fromarray(grey).convert("RGB"),
        "Picture": Picture.from_array(grey),
        "tensor": torch.from_numpy(HOLES),
        "tensor (1, H, W)": torch.from_numpy(HOLES)[None].half(),
        "tensor (1, 1, H, W)": torch.from_numpy(grey)[None, None],
    }


def test_masks(tmp_path: Path) -> None:
    for name, mask in all_kinds_of_masks(tmp_path).items():
        for holes in kinds.unpack_masks(mask, [(4, 5)] * 2):
            assert holes.dtype == bool, name
            np.testing.assert_array_equal(holes, HOLES, err_msg=name)


def test_one_mask_for_each_picture() -> None:
    both = torch.from_numpy(np.stack([HOLES, ~HOLES]))[:, None]
    first, second = kinds.unpack_masks(both, [(4, 5), (4, 5)])
    np.testing.assert_array_equal(first, ~second)
    with pytest.raises(ValueError, match="2 masks came for 3 pictures; expected one for each, or one for all"):
        kinds.unpack_masks(both, [(4, 5)] * 3)


def test_several_masks_are_united() -> None:
    other = np.zeros(HOLES.shape, np.uint8)
    other[0] = 255
    (holes,) = kinds.unpack_masks([HOLES, Picture.from_array(other)], [HOLES.shape])
    np.testing.assert_array_equal(holes, HOLES | (other > 0))
    with pytest.raises(ValueError, match="the list of masks is empty"):
        kinds.unpack_masks([], [HOLES.shape])


def test_an_array_of_another_size_comes_back_as_it_is() -> None:
    for more in ((), (1,), (3,)):
        _, repack = kinds.unpack(np.zeros((4, 5, *more), np.uint8))
        assert repack([Picture.from_array(np.zeros((6, 9, *more), np.uint8))]).shape == (6, 9, *more)


def test_images_as_masks_count_above_half() -> None:
    ringing = np.where(HOLES, 250, 20).astype(np.uint8)
    for mask in (Image.fromarray(ringing), Picture.from_array(ringing)):
        np.testing.assert_array_equal(kinds.unpack_masks(mask, [(4, 5)])[0], HOLES)
    assert kinds.unpack_masks(ringing, [(4, 5)])[0].all()


def test_mask_of_another_size(tmp_path: Path) -> None:
    for name, mask in all_kinds_of_masks(tmp_path).items():
        with pytest.raises(ValueError, match=r"5x4.*7x6") as raised:
            kinds.unpack_masks(mask, [(6, 7)])
        assert "\n" not in str(raised.value), name


def test_no_mask() -> None:
    with pytest.raises(TypeError, match="a mask is a path, .* or a Picture, got NoneType"):
        kinds.unpack_masks(None, [(4, 5)])


def test_mask_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match=r"none\.png"):
        kinds.unpack_masks(tmp_path / "none.png", [(4, 5)])


@pytest.mark.parametrize("orientation", range(1, 9))
def test_pil_images_and_their_masks_are_turned_upright(orientation, tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (6, 9, 3), np.uint8)
    exif = Image.Exif()
    exif[274] = orientation
    Image.fromarray(pixels).save(tmp_path / "turned.png", exif=exif)
    upright = read(tmp_path / "turned.png").pixels
    with Image.open(tmp_path / "turned.png") as image:
        (picture,), repack = kinds.unpack(image)
        result = repack([picture])
        (holes,) = kinds.unpack_masks(image, [upright.shape[:2]])
    np.testing.assert_array_equal(picture.pixels, upright)
    np.testing.assert_array_equal(np.asarray(result), upright)
    assert result.getexif().get(274, 1) == 1
    np.testing.assert_array_equal(holes, (upright > 127.5).any(2))


def test_masks_of_all_kinds_follow_the_rules_of_files():
    painted = np.zeros((4, 5, 4), np.uint8)
    painted[1, 2, 3] = 255  # one colour on a transparent layer
    for mask in (Image.fromarray(painted), Picture.from_array(painted)):
        (holes,) = kinds.unpack_masks(mask, [(4, 5)])
        assert np.argwhere(holes).tolist() == [[1, 2]]
    with pytest.raises(ValueError, match="no pixel above half of its range"):
        kinds.unpack_masks(Image.fromarray(np.eye(4, dtype=np.uint8)), [(4, 4)])


def test_progress_of_two_steps() -> None:
    seen: list[float] = []
    first, second = kinds.halves(seen.append, 0.8)
    for step, done in ((first, 0.5), (first, 1.0), (second, 0.5), (second, 1.0)):
        step(done)
    assert seen == pytest.approx([0.4, 0.8, 0.9, 1.0])
    assert kinds.halves(None, 0.5) == (None, None)


def test_a_picture_that_nothing_is_done_to() -> None:
    seen: list[float] = []
    picture = Picture.from_array(np.zeros((2, 2), np.uint8))
    assert kinds.untouched(picture, seen.append) is picture
    assert kinds.untouched(picture, None) is picture
    assert seen == [1]
