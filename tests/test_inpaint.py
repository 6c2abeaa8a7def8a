"""The inpainting task: what lies outside the holes, what fills them, and what it costs."""

import tracemalloc
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import torch
from skimage import data
from skimage.restoration import inpaint_biharmonic

from restore import exemplar, masks, networks
from restore.image import full_scale, to_linear, to_srgb
from restore.runtime import Runtime
from restore.tasks import inpaint
from restore.tasks.fills import METHODS
from restore.tasks.inpaint import Finish, _textured

CLASSICAL = [method for method in METHODS if method != "learned"]
DTYPES = [np.uint8, np.uint16, np.float32]


def in_depth(picture: np.ndarray, dtype: type) -> np.ndarray:
    """Numbers in [0, 1] as ``dtype``."""
    return picture.astype(np.float32) if dtype == np.float32 else np.round(picture * full_scale(dtype)).astype(dtype)


def real_network() -> Runtime:
    torch.manual_seed(0)
    network = networks.build("inpainting", {"widths": [8, 8], "down": [1, 1], "up": [1, 1], "dilations": [1, 2]})
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.05)
    return Runtime(network, device="cpu")


class Mean(SimpleNamespace):
    """A runtime that fills everything with the mean of what is known."""

    multiple_of, min_size, halo = 8, 8, None

    def __init__(self) -> None:
        super().__init__(shapes=[])

    def __call__(self, image: np.ndarray, mask: np.ndarray) -> np.ndarray:
        assert image.dtype == mask.dtype == np.float32
        assert image.shape == (*mask.shape[:2], 3)
        assert not any(side % self.multiple_of for side in image.shape[:2])
        assert not image[mask[..., 0] > 0].any()
        self.shapes.append(image.shape[:2])
        return np.broadcast_to(image[mask[..., 0] == 0].mean(0), image.shape).astype(np.float32)


ASTRONAUT = data.astronaut()[::2, ::2] / 255
HOLES = masks.benchmark("thin", ASTRONAUT.shape[:2], 0) > 0
HOLES[:9, :9] = HOLES[-5:, 100:130] = True


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("channels", [1, 3])
def test_only_holes_change(method: str, dtype: type, channels: int) -> None:
    picture = in_depth(ASTRONAUT[:100, :90, :channels], dtype)
    before, holes = picture.copy(), HOLES[:100, :90]
    result = inpaint(picture, holes, real_network() if method == "learned" else None, method=method)
    assert result.dtype == dtype
    assert result.shape == picture.shape
    np.testing.assert_array_equal(result[~holes], before[~holes])
    np.testing.assert_array_equal(picture, before)
    assert (result[holes] != picture[holes]).mean() > 0.5


@pytest.mark.parametrize(("method", "flag"), [("telea", cv2.INPAINT_TELEA), ("ns", cv2.INPAINT_NS)])
def test_equals_opencv(method: str, flag: int) -> None:
    picture = in_depth(ASTRONAUT, np.uint16)
    holes = np.zeros_like(HOLES)
    holes[6:-6, 6:-6] = HOLES[6:-6, 6:-6]
    expected = np.dstack([cv2.inpaint(np.ascontiguousarray(c), holes.astype(np.uint8), 3, flag) for c in np.moveaxis(picture, 2, 0)])
    difference = np.abs(inpaint(picture, holes, method=method).astype(float) - expected)[holes]
    assert np.median(difference) <= 1
    assert np.quantile(difference, 0.98) < 655  # OpenCV rounds to integers as it goes, and what it does next follows from that


def test_equals_scikit_image() -> None:
    picture = ASTRONAUT.astype(np.float32)
    expected = inpaint_biharmonic(picture, HOLES, channel_axis=2)
    np.testing.assert_allclose(inpaint(picture, HOLES, method="biharmonic"), expected, atol=1e-5)


@pytest.mark.parametrize("method", CLASSICAL)
@pytest.mark.parametrize("dtype", DTYPES)
def test_constant_stays_constant_in_corners_too(method: str, dtype: type) -> None:
    picture = np.full((40, 50, 3), full_scale(dtype) * 0.99, np.float32).astype(dtype)
    holes = np.zeros((40, 50), bool)
    holes[:6, :6] = holes[-6:, -6:] = holes[20:23] = True
    np.testing.assert_array_equal(inpaint(picture, holes, method=method), picture)


@pytest.mark.parametrize("method", CLASSICAL)
@pytest.mark.parametrize("dtype", DTYPES)
def test_fill_stays_within_what_is_known(method: str, dtype: type) -> None:
    ramp = np.add.outer(np.linspace(0, 1, 64), np.linspace(0, 1, 64))[..., None] / 2
    holes = np.zeros((64, 64), bool)
    holes[:8, :8] = holes[-8:, -8:] = True
    picture = in_depth(ramp, dtype)
    filled = inpaint(picture, holes, method=method)[holes]
    assert picture[~holes].min() <= filled.min()
    assert filled.max() <= picture[~holes].max()


@pytest.mark.parametrize("method", CLASSICAL)
def test_16_bits_stay_16_bits(method: str) -> None:
    picture = np.repeat(np.arange(20000, 20000 + 64 * 8, 8, dtype=np.uint16)[None, :, None], 64, 0)
    holes = np.zeros((64, 64), bool)
    holes[20:26, 20:44] = True
    filled = inpaint(picture, holes, method=method)
    assert np.abs(filled.astype(int) - picture).max() < 128  # half a step of 8 bits, where the ramp spans two of them
    assert len(np.unique(filled[holes])) > 10


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("linear", [False, True])
def test_network_fills_in_encoded_light(dtype: type, *, linear: bool) -> None:
    picture = in_depth(np.random.default_rng(0).uniform(0.1, 0.9, (24, 24, 3)), dtype)
    holes = np.zeros((24, 24), bool)
    holes[10:12, 10:14] = True
    result = inpaint(picture, holes, Mean(), linear=linear)
    known = picture[~holes] / full_scale(dtype)
    expected = to_linear(to_srgb(known).mean(0)) if linear else known.mean(0)
    np.testing.assert_allclose(result[holes] / full_scale(dtype), np.broadcast_to(expected, (8, 3)), atol=0.6 / 255)


def test_what_lies_in_a_hole_does_not_matter() -> None:
    picture = ASTRONAUT.astype(np.float32)
    spoilt = np.where(HOLES[..., None], np.float32(np.nan), picture)
    runtime = real_network()
    for method in METHODS:
        np.testing.assert_array_equal(inpaint(spoilt, HOLES, runtime, method=method), inpaint(picture, HOLES, runtime, method=method))


@pytest.mark.parametrize("method", CLASSICAL)
def test_holes_larger_than_a_crop(method: str) -> None:
    picture = np.full((150, 170, 1), 1000, np.uint16)
    holes = np.zeros((150, 170), bool)
    holes[5:, 3:160] = True
    spoilt = np.where(holes[..., None], np.uint16(60000), picture)
    np.testing.assert_array_equal(inpaint(spoilt, holes, method=method, tile=64), picture)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("method", ["ns", "biharmonic"])
def test_thick_holes_keep_one_idea(method: str, dtype: type) -> None:
    picture = in_depth(np.add.outer(np.linspace(0, 0.6, 400), np.linspace(0, 0.4, 350))[..., None], dtype)
    holes = np.zeros((400, 350), bool)
    holes[60:340, 50:300] = True
    spoilt = np.where(holes[..., None], picture.max(), picture)
    result = inpaint(spoilt, holes, method=method, tile=128)
    np.testing.assert_array_equal(result[~holes], picture[~holes])
    assert np.abs(result[holes].astype(float) - picture[holes]).max() / full_scale(dtype) < {"ns": 0.3, "biharmonic": 0.03}[method]


class Chequered(Mean):
    """A runtime that fills everything with a chequerboard, about 0.7 at half the resolution and about 0.3 else."""

    def __init__(self, halved: tuple[int, int]) -> None:
        super().__init__()
        self.halved = halved

    def __call__(self, image: np.ndarray, mask: np.ndarray) -> np.ndarray:
        super().__call__(image, mask)
        mean = 0.7 if image.shape[:2] == self.halved else 0.3
        return np.broadcast_to(mean + 0.1 * (-1.0) ** np.indices(image.shape[:2]).sum(0)[..., None], image.shape).astype(np.float32)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("dtype", DTYPES)
def test_a_thick_hole_has_structure_of_half_the_resolution_and_detail_of_the_full_one(dtype: type, channels: int) -> None:
    holes = np.zeros((320, 352), bool)
    holes[60:260, 80:280] = True
    picture = np.where(holes[..., None], 1.0, 0.5) * np.ones(channels)
    runtime = Chequered((160, 176))
    result = inpaint(in_depth(picture, dtype), holes, runtime, finish=None)[140:180, 160:200] / full_scale(dtype)
    assert runtime.halved in runtime.shapes
    assert result[::2, ::2].mean() - result[::2, 1::2].mean() == pytest.approx(0.2, abs=0.02)
    assert result.mean() == pytest.approx(0.7, abs=0.01)


def test_a_hole_as_large_as_the_picture() -> None:
    holes = np.ones((300, 200), bool)
    holes[299, 199] = False
    picture = np.full((300, 200, 3), 50, np.uint8)
    picture[299, 199] = 7
    assert (inpaint(picture, holes, Mean(), tile=64) == 7).all()


@pytest.mark.parametrize("shape", [(1, 2), (2, 1), (3, 5), (9, 8)])
@pytest.mark.parametrize("method", METHODS)
def test_tiny_pictures(shape: tuple[int, int], method: str) -> None:
    picture = np.full((*shape, 3), 77, np.uint8)
    holes = np.zeros(shape, bool)
    holes[0, 0] = True
    result = inpaint(picture, holes, Mean(), method=method)
    np.testing.assert_array_equal(result, picture)


def test_no_hole() -> None:
    picture, seen = in_depth(ASTRONAUT, np.uint8), []
    result = inpaint(picture, np.zeros_like(HOLES), method="telea", progress=seen.append)
    np.testing.assert_array_equal(result, picture)
    assert not np.shares_memory(result, picture)
    assert seen[-1] == 1


@pytest.mark.parametrize("method", METHODS)
def test_nothing_known(method: str) -> None:
    with pytest.raises(ValueError, match="the mask covers the whole picture; nothing is known that it could be filled from"):
        inpaint(np.zeros((4, 5, 3), np.uint8), np.ones((4, 5)), Mean(), method=method)


@pytest.mark.parametrize("method", METHODS)
def test_what_is_hidden_does_not_matter(method: str) -> None:
    y, x = np.mgrid[:300, :300]
    hidden = np.hypot(y - 150, x - 150) > 130
    holes = np.zeros(hidden.shape, bool)
    holes[140:155, 10:60] = holes[100:260, 130:] = True  # thin; and thick, filled at half the resolution first
    results = []
    for value in (0, 255):
        picture = np.where(hidden[..., None], np.uint8(value), data.astronaut()[:300, :300])
        result = inpaint(picture, holes, Mean(), method=method, hidden=hidden)
        np.testing.assert_array_equal(result[~holes | hidden], picture[~holes | hidden])
        results.append(result[holes & ~hidden])
    np.testing.assert_array_equal(*results)


def test_all_that_is_seen_is_a_hole() -> None:
    hidden = np.arange(20).reshape(4, 5) > 7
    with pytest.raises(ValueError, match="the mask covers all that is seen: the rest is transparent, or not finite; nothing is known"):
        inpaint(np.zeros((4, 5, 3), np.uint8), ~hidden, Mean(), hidden=hidden)


def test_nothing_is_seen() -> None:
    with pytest.raises(ValueError, match="all of the picture is transparent; nothing is known that it could be filled from"):
        inpaint(np.zeros((4, 5, 3), np.uint8), np.eye(4, 5), Mean(), hidden=np.ones((4, 5), bool))


@pytest.mark.parametrize("thickness", [10, 200])
@pytest.mark.parametrize("method", METHODS)
def test_a_hole_far_from_all_that_is_seen_takes_the_nearest_of_it(method: str, thickness: int) -> None:
    hidden, holes = np.ones((900, 220), bool), np.zeros((900, 220), bool)
    hidden[:20], holes[650 : 650 + thickness, 10 : 10 + thickness] = False, True
    picture = np.where(hidden[..., None], np.uint8(77), np.full((*holes.shape, 3), 50, np.uint8))
    result = inpaint(picture, holes, Mean(), method=method, hidden=hidden & ~holes, tile=64)
    np.testing.assert_allclose(result[holes], 50, atol=1)
    np.testing.assert_array_equal(result[~holes], picture[~holes])


@pytest.mark.parametrize("method", METHODS)
def test_a_crop_beside_nothing_but_transparent_pixels_waits_for_its_neighbours(method: str) -> None:
    hidden, holes = np.zeros((300, 200), bool), np.zeros((300, 200), bool)
    hidden[:100], holes[100:250, 40:160] = True, True
    rows = np.broadcast_to(np.linspace(60, 200, 300).astype(np.uint8)[:, None, None], (300, 200, 3))
    results = [
        inpaint(np.where(hidden[..., None], np.uint8(v), rows), holes, Mean(), method=method, hidden=hidden, tile=64) for v in (0, 255)
    ]
    np.testing.assert_array_equal(results[0][holes], results[1][holes])
    assert results[0][holes].min() > 60


def test_a_fill_of_floats_stays_in_the_range_of_the_picture() -> None:
    class Wild(Mean):
        def __call__(self, image: np.ndarray, mask: np.ndarray) -> np.ndarray:
            return np.where(np.indices(image.shape)[1] % 2, np.float32(-3), np.float32(3))

    rng = np.random.default_rng(0)
    for low, high in ((0, 1), (-0.2, 1.5)):
        picture = np.clip(0.5 + rng.normal(0, 0.3, (*HOLES.shape, 3)), 0, 1).astype(np.float32)
        picture[0, 200], picture[1, 200] = low, high
        result = inpaint(picture, HOLES, Wild(), tile=max(HOLES.shape))
        assert (result[HOLES].min(), result[HOLES].max()) == pytest.approx((low, high))


def test_wrong_size() -> None:
    with pytest.raises(ValueError, match=r"the mask is 4x5 pixels, the picture 5x4"):
        inpaint(np.zeros((4, 5, 3), np.uint8), np.ones((5, 4)), method="ns")


def test_unknown_method() -> None:
    with pytest.raises(ValueError, match="method 'magic' is unknown; expected one of learned, telea, ns, biharmonic"):
        inpaint(np.zeros((4, 5, 3), np.uint8), np.eye(4, 5), method="magic")


def test_no_network() -> None:
    with pytest.raises(ValueError, match="method 'learned' needs a runtime with an inpainting network, got None"):
        inpaint(np.zeros((4, 5, 3), np.uint8), np.eye(4, 5))


@pytest.mark.parametrize("wide", [False, True])
@pytest.mark.parametrize("method", METHODS)
def test_what_is_not_finite_stays_and_counts_for_nothing(method: str, *, wide: bool) -> None:
    size = 320 if wide else 64
    picture, holes = np.full((size, size, 3), 0.25, np.float32), np.zeros((size, size), bool)
    holes[size // 4 : 3 * size // 4, size // 4 : 3 * size // 4] = True
    picture[holes] = picture[5, 7] = np.nan
    picture[size // 4 - 2 : size // 4, 10 : size - 10] = [0.25, -np.inf, 0.25]  # along an edge of the hole
    result = inpaint(picture, holes, Mean(), method=method)
    np.testing.assert_allclose(result[holes], 0.25, atol=0.01)
    np.testing.assert_array_equal(result[~holes], picture[~holes])


@pytest.mark.parametrize("method", METHODS)
def test_nothing_is_finite(method: str) -> None:
    with pytest.raises(ValueError, match="covers all that is seen: the rest is transparent, or not finite"):
        inpaint(np.full((8, 8, 1), np.inf, np.float32), np.eye(8), Mean(), method=method)


def test_same_bytes_again() -> None:
    picture, runtime = in_depth(ASTRONAUT, np.uint16), real_network()
    for method in METHODS:
        assert inpaint(picture, HOLES, runtime, method=method).tobytes() == inpaint(picture, HOLES, runtime, method=method).tobytes()


def wide() -> np.ndarray:
    """A wide hole and a scratch, in ``ASTRONAUT``'s size."""
    holes = np.zeros(HOLES.shape, bool)
    holes[60:160, 90:190] = holes[200:203, 20:] = True
    return holes


@pytest.mark.parametrize("linear", [False, True])
@pytest.mark.parametrize("dtype", DTYPES)
def test_texture_comes_into_wide_holes_alone(dtype: type, *, linear: bool) -> None:
    picture, holes = in_depth(ASTRONAUT, dtype), wide()
    seeded = Finish(grain=False, seed=5)
    smooth, textured, again = (inpaint(picture, holes, Mean(), linear=linear, finish=finish) for finish in (None, seeded, seeded))
    changed = (smooth != textured).any(2)
    assert textured.dtype == dtype
    np.testing.assert_array_equal(textured, again)
    assert changed[85:135, 115:165].mean() > 0.95
    assert not changed[~holes].any()
    assert not changed[195:].any()
    inside, scale = (slice(85, 135), slice(115, 165)), full_scale(dtype)
    steps = [np.abs(np.diff(result[inside].astype(np.float64), axis=1)).mean() / scale for result in (smooth, textured, picture)]
    assert steps[0] < 0.1 * steps[1]
    assert 0.3 * steps[2] < steps[1] < 2 * steps[2]


def test_thin_holes_take_no_texture() -> None:
    picture = in_depth(ASTRONAUT, np.uint8)
    np.testing.assert_array_equal(inpaint(picture, HOLES, Mean(), finish=Finish(grain=False)), inpaint(picture, HOLES, Mean(), finish=None))


@pytest.mark.parametrize("width", range(44, 64, 3))
@pytest.mark.parametrize("degrees", [0, 30, 45])
def test_all_that_takes_texture_is_looked_at(width: int, degrees: int) -> None:
    holes = np.zeros((300, 300), np.uint8)
    cv2.fillPoly(holes, [cv2.boxPoints(((151, 148), (200, width), degrees)).round().astype(np.int32)], 1)
    windows = _textured(holes > 0)
    assert windows or not exemplar.share(holes > 0).any()


def test_texture_is_not_copied_from_what_is_not_finite() -> None:
    picture = ASTRONAUT.astype(np.float32)
    picture[::8, 28:36] = np.nan
    holes = np.zeros(HOLES.shape, bool)
    holes[90:160, 170:240] = True
    result = inpaint(picture, holes, Mean(), finish=Finish(grain=False))
    assert (result != inpaint(picture, holes, Mean(), finish=None))[holes].any()
    np.testing.assert_array_equal(np.isnan(result), np.isnan(picture))


def test_texture_of_far_apart_holes_and_of_huge_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exemplar, "LIMIT", 1 << 14)
    picture = np.random.default_rng(0).integers(0, 256, (700, 900, 1), np.uint8)
    holes = np.zeros(picture.shape[:2], bool)
    holes[20:60, 20:60] = holes[300:600, 400:800] = True
    result = inpaint(picture, holes, Mean())
    np.testing.assert_array_equal(result[~holes], picture[~holes])
    assert result[35:45, 35:45].std() > 0.5 * picture.std()
    assert result[400:500, 500:700].std() > 0.5 * picture.std()


def test_texture_of_a_long_stroke_looks_at_its_surroundings_and_not_at_the_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    picture = np.random.default_rng(0).integers(64, 192, (1500, 1500, 1), np.uint8)
    drawn = np.zeros(picture.shape[:2], np.uint8)
    cv2.line(drawn, (50, 50), (1450, 1450), 1, 60)
    cv2.line(drawn, (1450, 50), (50, 1450), 1, 18)
    seen, complete = [], exemplar.complete

    def watched(guess: np.ndarray, *rest: np.ndarray, **others: object) -> np.ndarray:
        seen.append(guess.shape[:2])
        return complete(guess, *rest, **others)

    monkeypatch.setattr(exemplar, "complete", watched)
    result = inpaint(picture, drawn, Mean(), finish=Finish(grain=False))
    assert max(np.prod(shape) for shape in seen) <= 600**2
    assert all(result[at - 4 : at + 4, at - 4 : at + 4].std() > 0.5 * picture.std() for at in range(100, 1400, 100))
    np.testing.assert_array_equal(result[drawn == 0], picture[drawn == 0])


@pytest.mark.parametrize(("holes", "method"), [(HOLES, "ns"), (wide(), "learned")])
def test_progress(holes: np.ndarray, method: str) -> None:
    seen: list[float] = []
    inpaint(in_depth(ASTRONAUT, np.uint8), holes, Mean(), method=method, tile=64, progress=seen.append)
    assert seen == sorted(seen)
    assert (seen[0], seen[-1]) == (0, 1)
    assert len(seen) > 5


class Scarce(Mean):
    """Runs out of memory above ``limit`` pixels a side."""

    limit = 64

    def __call__(self, image: np.ndarray, mask: np.ndarray) -> np.ndarray:
        if max(image.shape[:2]) > self.limit:
            raise RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB")
        return super().__call__(image, mask)


def test_crops_shrink_when_memory_runs_out() -> None:
    runtime = Scarce()
    picture = np.full((*HOLES.shape, 3), 9, np.uint8)
    spoilt = np.where(HOLES[..., None], np.uint8(200), picture)
    np.testing.assert_array_equal(inpaint(spoilt, HOLES, runtime), picture)
    assert max(map(max, runtime.shapes)) == 64


def test_no_memory_at_all() -> None:
    runtime = Scarce()
    runtime.limit = 1
    with pytest.raises(MemoryError, match="not enough memory to fill a hole on a crop of 64 pixels"):
        inpaint(in_depth(ASTRONAUT, np.uint8), HOLES, runtime)


def test_no_memory_for_texture(monkeypatch: pytest.MonkeyPatch) -> None:
    def hungry(*args: object, **others: object) -> None:
        raise RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes")

    monkeypatch.setattr(exemplar, "complete", hungry)
    with pytest.raises(MemoryError, match="not enough memory to give a fill texture and grain"):
        inpaint(in_depth(ASTRONAUT, np.uint8), wide(), Mean())


def test_other_errors_come_through() -> None:
    def broken(image: np.ndarray, mask: np.ndarray) -> np.ndarray:
        raise RuntimeError("broken")

    broken.multiple_of = broken.min_size = 1
    with pytest.raises(RuntimeError, match="broken"):
        inpaint(in_depth(ASTRONAUT, np.uint8), HOLES, broken)


def test_memory_is_input_and_output_and_a_crop() -> None:
    picture = np.full((2500, 3000, 3), 500, np.uint16)
    holes = np.zeros((2500, 3000), np.uint8)
    cv2.line(holes, (10, 10), (2990, 2490), 1, 3)
    tracemalloc.start()
    inpaint(picture, holes, Mean())
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < picture.nbytes + 3 * holes.nbytes + 12e6


class Tint(Mean):
    """As ``Mean``, but reddish."""

    def __call__(self, x: np.ndarray, holes: np.ndarray) -> np.ndarray:
        return super().__call__(x, holes) + np.array([0.06, 0, -0.06], np.float32)


@pytest.mark.parametrize(("colour", "stays"), [((1, 1, 1), False), ((1, 0.87, 0.69), False), (None, True)])
def test_fills_of_toned_pictures_have_their_tone(colour: tuple[float, ...] | None, *, stays: bool) -> None:
    picture = np.rint(255 * (ASTRONAUT if colour is None else ASTRONAUT[..., 1:2] * np.array(colour))).astype(np.uint8)
    plain, tinted = (inpaint(picture, HOLES, network, finish=None)[HOLES].astype(float) for network in (Mean(), Tint()))
    assert (np.abs(tinted - plain - (15.3, 0, -15.3)).max() < 2) == stays
    if colour is not None:
        assert np.abs(tinted / tinted[:, :1] - colour).max() < 0.03


def test_a_fill_of_one_colour_keeps_its_brightness() -> None:
    picture = np.full((64, 64, 3), 90, np.uint8)
    holes = np.zeros((64, 64), bool)
    holes[20:40, 20:40] = True
    result = inpaint(picture, holes, Tint(), finish=None)
    assert np.ptp(result.reshape(-1, 3), 0).max() <= 1
    assert (result == result[..., :1]).all()
