import numpy as np
import pytest
from scipy import signal
from skimage import data

from restore import image
from restore.filters import FILTERS, kernels
from restore.filters.learned_kernel import LearnedKernel

RNG = np.random.default_rng(0)
ASTRONAUT, CAMERA = data.astronaut()[:192, 100:300], data.camera()[100:300, 100:292]
KERNELS = {
    "Sobel": kernels.SOBEL,
    "Gaussian": kernels.gaussian(1.0),
    "sharpen": kernels.SHARPEN,
    "even": np.array([[1.0, 2.0], [-3.0, 1.0]]),
    "wide": RNG.standard_normal((2, 5)),
    "tall": RNG.standard_normal((4, 1)),
}


def filtered(picture: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    """SciPy's correlation where the kernel lies inside, float32."""
    unit = image.to_float(picture)
    planes = unit.reshape(*unit.shape[:2], -1)
    done = np.stack([signal.correlate2d(planes[..., i], kernel, "valid") for i in range(planes.shape[2])], -1)
    return done.reshape(*done.shape[:2], *unit.shape[2:]).astype(np.float32)


@pytest.mark.parametrize("decorrelate", [True, False])
def test_the_edge_of_a_bar(decorrelate):
    x = np.ones((6, 8), np.float32)
    x[:, 2:6] = 0
    y = filtered(x, np.array([[1.0, -1.0]]))
    assert sorted(set(y.ravel().tolist())) == [-1, 0, 1]
    learned = LearnedKernel((1, 2)).fit([x], [y], steps=300, decorrelate=decorrelate)
    np.testing.assert_allclose(learned.kernel, [[1, -1]], atol=1e-2)
    assert learned.losses[0] == pytest.approx(np.mean(y**2))
    assert (np.diff(learned.losses) <= 1e-9).all()


@pytest.mark.parametrize("picture", [ASTRONAUT, CAMERA], ids=["RGB", "grey"])
@pytest.mark.parametrize("name", KERNELS)
def test_kernels_from_photographs(name, picture):
    kernel = KERNELS[name]
    learned = LearnedKernel(kernel.shape).fit([picture], [filtered(picture, kernel)], steps=200)
    np.testing.assert_allclose(learned.kernel, kernel, atol=1e-2)
    assert learned.history.shape == (201, *kernel.shape)
    assert learned.losses[-1] < 1e-6 * learned.losses[0]


def test_plain_gradient_descent_needs_decorrelation():
    target = filtered(CAMERA, kernels.SOBEL)
    plain = LearnedKernel(3).fit([CAMERA], [target], steps=200, lr=1.0, decorrelate=False)
    assert np.abs(plain.kernel - kernels.SOBEL).max() > 0.1
    np.testing.assert_allclose(plain.fit([CAMERA], [target], steps=200).kernel, kernels.SOBEL, atol=1e-2)


def test_targets_of_the_same_size_whatever_their_border():
    picture = image.to_float(ASTRONAUT)
    for border in ("reflect", "constant"):
        learned = LearnedKernel(3).fit([picture], [FILTERS["sharpen"].array(picture, border=border)])
        np.testing.assert_allclose(learned.kernel, kernels.SHARPEN, atol=1e-2)


def test_bytes_and_several_pictures():
    pictures = [ASTRONAUT, CAMERA, CAMERA[:30, :40]]
    learned = LearnedKernel(7).fit(pictures, [FILTERS["gaussian"].array(picture, sigma=1.0) for picture in pictures])
    np.testing.assert_allclose(learned.kernel, kernels.gaussian(1.0), atol=1e-2)


def test_directions_that_the_picture_does_not_show_stay_zero():
    flat = np.full((9, 9), 0.5, np.float32)
    learned = LearnedKernel(3).fit([flat], [flat], steps=300)
    np.testing.assert_allclose(learned.kernel, np.full((3, 3), 1 / 9), atol=1e-6)


def test_the_loss_is_that_of_the_kernel():
    target = filtered(CAMERA, kernels.EMBOSS)
    learned = LearnedKernel(3).fit([CAMERA], [target], steps=5)
    left = filtered(CAMERA, learned.kernel).astype(np.float64) - target
    assert learned.losses[-1] == pytest.approx(np.mean(left**2), rel=1e-4)


GOOD = np.zeros((5, 5), np.float32)


@pytest.mark.parametrize(
    ("size", "inputs", "targets", "options", "message"),
    [
        (3, [], [], {}, "0 inputs and 0 targets"),
        (3, [GOOD], [GOOD, GOOD], {}, "1 inputs and 2 targets"),
        (7, [GOOD], [GOOD], {}, "no smaller than the kernel's 7x7"),
        (3, [GOOD[0]], [GOOD], {}, r"shape \(5,\)"),
        (3, [GOOD], [GOOD[:4]], {}, r"\(4, 5\); expected \(3, 3\) or \(5, 5\)"),
        ((2, 3), [GOOD], [GOOD], {}, r"\(5, 5\); expected \(4, 3\)$"),
        (3, [GOOD], [GOOD / np.float32(np.nan)], {}, "NaN"),
        (3, [GOOD], [GOOD], {"steps": 0}, "steps is 0"),
        (3, [GOOD], [GOOD], {"lr": 1.5}, "lr is 1.5"),
    ],
)
def test_bad_pairs(size, inputs, targets, options, message):
    with pytest.raises(ValueError, match=message):
        LearnedKernel(size).fit(inputs, targets, **options)


def test_bad_sizes_and_types():
    with pytest.raises(ValueError, match="size is 0"):
        LearnedKernel(0)
    with pytest.raises(TypeError, match="float64"):
        LearnedKernel(3).fit([GOOD.astype(np.float64)], [GOOD])
