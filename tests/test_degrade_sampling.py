import cv2
import numpy as np
import pytest
import torch
from PIL import Image

from restore import degrade
from restore.degrade import sampling
from restore.degrade.sampling import KINDS

FILTERS = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}


def resize(plane: np.ndarray, size: tuple[int, int], kind: str) -> np.ndarray:
    """By OpenCV for "area", in whole numbers for "nearest" (Pillow errs where a centre is on an edge), else by Pillow; size (H, W)."""
    if kind == "nearest":
        rows, columns = ((2 * np.arange(new) + 1) * old // (2 * new) for old, new in zip(plane.shape, size, strict=True))
        return plane[rows][:, columns]
    if kind == "area":
        return cv2.resize(plane, size[::-1], interpolation=cv2.INTER_AREA)
    return np.asarray(Image.fromarray(plane).resize(size[::-1], FILTERS[kind]))


def test_quantize_equals_a_round_trip_through_uint8():
    x = torch.linspace(-0.5, 1.5, 2001)
    stored = np.round(np.clip(x.numpy(), 0, 1) * 255).astype(np.uint8)
    torch.testing.assert_close(degrade.quantize(x), torch.from_numpy(stored.astype(np.float32) / 255))


@pytest.mark.parametrize("up", ["bilinear", "bicubic", "nearest"])
@pytest.mark.parametrize("down", ["area", "bilinear", "bicubic"])
def test_rescaling_is_that_of_pillow_and_opencv(down, up):
    factors = [0.93, 0.6, 0.25]
    x = torch.from_numpy(np.random.default_rng(0).random((3, 2, 21, 34), np.float32))
    kinds = [torch.full((3,), KINDS.index(kind)) for kind in (down, up)]
    ours = sampling.rescale(x, torch.tensor(factors), *kinds).numpy()
    for picture, result, factor in zip(x.numpy(), ours, factors, strict=True):
        small = (round(21 * factor), round(34 * factor))
        expected = [resize(resize(plane, small, down), (21, 34), up) for plane in picture]
        np.testing.assert_allclose(result, expected, atol=2e-6)


def test_each_picture_is_resampled_in_its_own_way():
    x = torch.rand(4, 1, 9, 10).expand(4, 1, 9, 10)
    factor, down, up = torch.tensor([0.5, 0.7, 0.3, 1.0]), torch.tensor([0, 1, 2, 0]), torch.tensor([3, 2, 1, 3])
    together = sampling.rescale(x, factor, down, up)
    alone = [sampling.rescale(x[i : i + 1], factor[i : i + 1], down[i : i + 1], up[i : i + 1]) for i in range(4)]
    torch.testing.assert_close(together, torch.cat(alone))
    torch.testing.assert_close(together[3], x[3])


def test_a_picture_of_one_pixel_survives():
    x = torch.rand(1, 3, 1, 2)
    assert sampling.rescale(x, torch.tensor([0.1]), torch.tensor([2]), torch.tensor([2])).isfinite().all()


def test_cells_are_the_means_of_their_pixels():
    x = torch.rand(1, 3, 12, 20)
    cells = torch.nn.functional.avg_pool2d(x, 4)
    torch.testing.assert_close(sampling.pixelate(x, torch.tensor([4.0])), cells.repeat_interleave(4, 2).repeat_interleave(4, 3))


@pytest.mark.parametrize("dither", [0.0, 1.0])
def test_banding_leaves_as_many_levels_as_were_asked_for(dither):
    x = torch.linspace(-0.2, 1.2, 4000).reshape(1, 1, 40, 100).expand(2, 1, 40, 100)
    y = sampling.banding(x, torch.tensor([8.2, 48]), torch.full((2,), dither), torch.rand(x.shape))
    assert [len(sample.unique()) for sample in y] == [8, 48]
    assert (y.min(), y.max()) == (0, 1)
    off = (y - x.clamp(0, 1)).abs().amax((1, 2, 3)) * torch.tensor([7, 47])
    assert (off <= 0.5 + dither / 2 + 1e-4).all()


def test_dither_keeps_the_mean_of_a_grey():
    x = torch.full((1, 1, 200, 200), 0.43)
    where = torch.rand(x.shape, generator=torch.Generator().manual_seed(0))
    flat, dithered = (sampling.banding(x, torch.tensor([5]), torch.tensor([float(d)]), where).mean() for d in (0, 1))
    assert flat == 0.5
    assert dithered == pytest.approx(0.43, abs=0.005)
