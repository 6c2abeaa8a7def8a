import itertools
import tracemalloc

import numpy as np
import pytest
import torch
from torch import nn

from restore.tiling import crop_to, is_out_of_memory, pad_to, tiled

SIZES = [(1, 1), (1, 9), (5, 3), (16, 17), (33, 40), (64, 64), (65, 31)]


class UNet(nn.Module):
    """Two strided convolutions down, one in the middle, two transposed ones up, a skip: reaches 7 pixels right and down, 10 left and up."""

    def __init__(self):
        super().__init__()
        self.down = nn.ModuleList([nn.Conv2d(3, 4, 3, 2, 1), nn.Conv2d(4, 4, 3, 2, 1)])
        self.middle = nn.Conv2d(4, 4, 3, 1, 1)
        self.up = nn.ModuleList([nn.ConvTranspose2d(4, 4, 2, 2), nn.ConvTranspose2d(4, 2, 2, 2)])

    def forward(self, x):  # (N, 3, H, W)
        half = self.down[0](x).relu()  # (N, 4, H/2, W/2)
        quarter = self.middle(self.down[1](half).relu())  # (N, 4, H/4, W/4)
        return self.up[1](self.up[0](quarter).relu() + half)  # (N, 2, H, W)


def plain():
    return nn.Sequential(nn.Conv2d(3, 4, 3, 1, 1), nn.ReLU(), nn.Conv2d(4, 4, 3, 1, 2, dilation=2), nn.ReLU(), nn.Conv2d(4, 2, 5, 1, 2))


def on_arrays(network):
    def function(array):
        with torch.inference_mode():
            return network(torch.from_numpy(array.transpose(2, 0, 1))[None])[0].permute(1, 2, 0).numpy()

    return function


NETWORKS = {"plain": (plain, 5, 1), "strided": (UNet, 10, 4)}  # name: (build, reach, multiple_of)


@pytest.fixture(params=NETWORKS)
def network(request):
    build, reach, multiple_of = NETWORKS[request.param]
    torch.manual_seed(0)
    return on_arrays(build().eval()), reach, multiple_of


def picture(shape, channels=3):
    return np.random.default_rng(0).uniform(0, 1, (*shape, channels)).astype(np.float32)


@pytest.mark.parametrize("shape", SIZES)
def test_tiles_equal_the_whole(network, shape):
    function, reach, multiple_of = network
    image = picture(shape)
    for tile, min_size in itertools.product((4, 7, 16, 100), (1, 24)):
        whole = crop_to(function(pad_to(image, multiple_of, min_size=min_size)), shape)
        result = tiled(function, image, tile=tile, halo=reach, multiple_of=multiple_of, min_size=min_size)
        assert result.dtype == whole.dtype
        np.testing.assert_allclose(result, whole, rtol=0, atol=1e-6)


def test_a_halo_under_the_reach_is_not_exact(network):
    function, reach, multiple_of = network  # or else the test above could not fail
    image = picture((64, 64))
    result = tiled(function, image, tile=16, halo=max(0, reach - max(1, multiple_of)) // multiple_of * multiple_of, multiple_of=multiple_of)
    assert np.abs(result - function(image)).max() > 1e-4


def test_crops_are_multiples_in_phase_and_large_enough():
    image = np.stack(np.meshgrid(np.arange(53), np.arange(70), indexing="ij"), 2)

    def function(part):
        assert part.shape[0] % 8 == part.shape[1] % 8 == 0
        assert min(part.shape[:2]) >= 40
        assert (part[0, 0] % 8 == 0).all()
        return part

    assert np.array_equal(tiled(function, image, tile=13, halo=3, multiple_of=8, min_size=35), image)


@pytest.mark.parametrize("halo", [None, 0])
def test_a_picture_of_one_tile_runs_once(halo):
    calls = []
    tiled(lambda part: calls.append(part.shape) or part, picture((30, 20)), tile=32, halo=halo, multiple_of=8)
    assert calls == [(32, 24, 3)]


def test_without_a_halo_the_picture_runs_whole():
    calls = []
    tiled(lambda part: calls.append(part.shape) or part, picture((30, 50)), tile=8, halo=None)
    assert calls == [(30, 50, 3)]


def test_the_function_may_write_to_its_tile():
    image = picture((9, 9))
    before = image.copy()

    def function(part):
        part[:] = 0
        return part

    assert not tiled(function, image, tile=4, halo=1).any()
    assert np.array_equal(image, before)


def test_out_receives_the_result():
    image = np.arange(35, dtype=np.uint16).reshape(5, 7, 1)
    out = np.zeros((5, 7, 2), np.uint16)
    result = tiled(lambda part: np.concatenate([part, part + 1], 2), image, tile=3, halo=0, out=out)
    assert result is out
    assert np.array_equal(out, np.concatenate([image, image + 1], 2))


ERRORS = [
    MemoryError("no"),
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
    RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 17179869184 bytes"),
    RuntimeError("Exception from src/inference: std::bad_alloc"),
    RuntimeError("[CPU] Convolution node with name 'conv3' can't alloc"),
]


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_out_of_memory_shrinks_the_tile_and_tries_it_again(network, error):
    function, reach, multiple_of = network
    image, calls = picture((150, 140)), []

    def tight(part):
        calls.append(part.shape[0] * part.shape[1])
        if calls[-1] > 70 * 70:
            raise error
        return function(part)

    result = tiled(tight, image, tile=128, halo=reach, multiple_of=multiple_of)
    np.testing.assert_allclose(result, crop_to(function(pad_to(image, multiple_of)), (150, 140)), rtol=0, atol=1e-6)
    assert sum(size > 70 * 70 for size in calls) == 2  # of 128 and of 64: then it stays small


def test_memory_may_run_out_in_the_middle():
    image, sides, fractions = picture((128, 128)), [], []

    def function(part):
        sides.append(part.shape[0])
        if len(sides) == 3:
            raise MemoryError
        return part + 1

    assert np.array_equal(tiled(function, image, tile=64, halo=0, progress=fractions.append), image + 1)
    assert sides == [64, 64, 64] + [32] * 8  # two done, the third fails and is done in quarters, so is the last
    assert fractions == [0, 0.25, 0.5, *np.arange(9, 17) / 16]


def test_what_says_that_memory_ran_out():
    assert all(is_out_of_memory(error) for error in ERRORS)
    assert not is_out_of_memory(RuntimeError("expected 4 channels"))
    assert not is_out_of_memory(ValueError("out of memory"))


def test_out_of_memory_at_the_smallest_tile_is_an_error():
    def function(part):
        raise RuntimeError("MPS backend out of memory")

    with pytest.raises(MemoryError, match="no memory for a tile of 32 pixels with a halo of 5, the smallest there is"):
        tiled(function, picture((200, 200)), tile=128, halo=5)
    with pytest.raises(MemoryError, match="no memory for a tile of 48 pixels with a halo of 48"):
        tiled(function, picture((200, 200)), tile=128, halo=5, multiple_of=48)
    with pytest.raises(MemoryError, match="no memory for a tile of 7 pixels"):
        tiled(function, picture((7, 3)), halo=5)
    with pytest.raises(MemoryError, match="no memory for a picture of 30x20 pixels, which this network must see whole"):
        tiled(function, picture((20, 30)), halo=None)


def test_other_errors_pass():
    def function(part):
        raise RuntimeError("expected 4 channels")

    with pytest.raises(RuntimeError, match="expected 4 channels"):
        tiled(function, picture((9, 9)), halo=0)


def test_progress_grows_from_0_to_1():
    fractions = []
    tiled(lambda part: part, picture((50, 70)), tile=16, halo=2, progress=fractions.append)
    assert fractions[0] == 0
    assert fractions[-1] == 1
    assert len(fractions) == 1 + 4 * 5
    assert (np.diff(fractions) > 0).all()


def test_memory_is_the_result_and_one_tile():
    image = np.zeros((3000, 2000, 3), np.uint8)
    tracemalloc.start()
    try:
        tiled(lambda part: part + 1, image, tile=256, halo=16)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < image.nbytes + 3 * 288 * 288 * 3  # the tile, its result, small change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"image": np.zeros((4, 4))}, r"expected a picture \(H, W, C\) of at least one pixel, got shape \(4, 4\)"),
        ({"image": np.zeros((0, 4, 3))}, r"got shape \(0, 4, 3\)"),
        ({"tile": 0}, "expected tile >= 1, multiple_of >= 1 and halo >= 0 or None, got 0, 1 and 0"),
        ({"multiple_of": 0}, "got 512, 0 and 0"),
        ({"halo": -1}, "got 512, 1 and -1"),
        ({"function": lambda part: part[1:]}, r"the function made \(3, 4, 3\) of a tile \(4, 4, 3\), expected the same height and width"),
        ({"out": np.zeros((4, 4, 1))}, r"out is float64 \(4, 4, 1\), the function makes float64 \(4, 4, 3\)"),
        ({"out": np.zeros((4, 4, 3), np.uint8)}, r"out is uint8 \(4, 4, 3\), the function makes float64"),
    ],
)
def test_wrong_calls_say_what_is_wrong(change, message):
    call = {"function": lambda part: part, "image": np.zeros((4, 4, 3)), "halo": 0, **change}
    with pytest.raises(ValueError, match=message):
        tiled(**call)


def test_out_must_not_be_the_picture():
    image = picture((4, 4))
    with pytest.raises(ValueError, match="out shares memory with the picture"):
        tiled(lambda part: part, image, halo=0, out=image)


@pytest.mark.parametrize("shape", SIZES)
@pytest.mark.parametrize(("multiple_of", "min_size"), [(1, 1), (8, 1), (8, 60), (5, 12)])
def test_padding_is_that_of_numpy_and_is_undone(shape, multiple_of, min_size):
    image = picture(shape)
    total = [-(-max(size, min_size) // multiple_of) * multiple_of for size in shape]
    expected = image
    for axis, (size, goal) in enumerate(zip(shape, total, strict=True)):
        widths = [(0, 0)] * 3
        widths[axis] = (0, goal - size)
        expected = np.pad(expected, widths, mode="reflect" if goal < 2 * size else "edge")
    padded = pad_to(image, multiple_of, min_size=min_size)
    assert np.array_equal(padded, expected)
    assert np.array_equal(crop_to(padded, shape), image)
    assert np.array_equal(pad_to(image[..., 0], multiple_of, min_size=min_size), expected[..., 0])
    tensor = torch.from_numpy(image.transpose(2, 0, 1))[None]
    on_tensor = pad_to(tensor, multiple_of, min_size=min_size)
    assert np.array_equal(on_tensor[0].permute(1, 2, 0), expected)
    assert torch.equal(crop_to(on_tensor, shape), tensor)


def test_what_fits_is_not_padded():
    image = picture((16, 8))
    assert pad_to(image, 8) is image
