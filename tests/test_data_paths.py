"""The same crops whether photographs are in memory, on a device, or decoded by workers."""

import os
import signal
import time
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from skimage import data as samples

from restore import data
from restore.draws import Draws

SIZES = [(90, 120), (70, 64), (64, 200), (40, 300)]


def pictures():
    """Pieces of a photograph; the last is too small for crops of 64."""
    return [samples.astronaut()[50 * i : 50 * i + h, 30:][:, :w].copy() for i, (h, w) in enumerate(SIZES)]


@pytest.fixture
def folder(tmp_path):
    for i, picture in enumerate([pictures()[0], *pictures()]):  # the first is held out
        assert cv2.imwrite(str(tmp_path / f"{i}.png"), picture[..., ::-1])
    return tmp_path


def draw(source, step=0, size=64, count=64):
    numbers = range(step * count, (step + 1) * count)
    return source.draw(Draws(3, numbers, step=step), numbers, size)


@pytest.mark.parametrize("size", [1, 17, 64])
def test_resident_crops_are_the_same(size):
    crops, resident = data.Crops(pictures(), 64), data.Resident(pictures(), 64)
    for step in range(3):
        expected, drawn = draw(crops, step, size), draw(resident, step, size)
        assert torch.equal(drawn, expected)
        assert drawn.is_contiguous(memory_format=torch.channels_last)
        assert drawn.dtype == torch.float32
    assert len(crops) == len(resident) == 3


@pytest.mark.gpu
def test_resident_crops_are_the_same_on_a_gpu():
    resident = data.Resident(pictures(), 64, "cuda")
    drawn = draw(resident)
    assert drawn.device.type == "cuda"
    assert torch.equal(drawn.cpu(), draw(data.Crops(pictures(), 64)))


def test_places_are_drawn_by_area_and_evenly():
    windows = data.Windows(SIZES, 64)
    places = windows.draw(Draws(0, range(20_000)), 50)
    areas = np.array([h * w for h, w in SIZES[:3]])
    assert np.allclose(np.bincount(places.photograph, minlength=3) / 20_000, areas / areas.sum(), atol=0.015)
    for number, (height, width) in enumerate(SIZES[:3]):
        mine = places.photograph == number
        assert set(places.top[mine]) == set(range(height - 49))
        assert set(places.left[mine]) == set(range(width - 49))
    forms = np.bincount(places.turns * 2 + places.mirrored)
    assert len(forms) == 8
    assert abs(forms / 20_000 - 1 / 8).max() < 0.01


@pytest.mark.parametrize("kind", [data.Crops, data.Resident])
def test_crops_that_are_too_large(kind):
    with pytest.raises(ValueError, match="no photograph of 4 holds a crop of 100x100"):
        kind(pictures(), 100)
    with pytest.raises(ValueError, match="no photograph of 0 holds a crop of 8x8"):
        kind([], 8)
    with pytest.raises(ValueError, match="a crop of 33x33 is asked for; expected at most 32x32"):
        draw(kind(pictures(), 32), size=33)


def test_crops_of_photographs_decoded_on_demand_are_the_same(folder):
    say: list[str] = []
    found = data.find(folder, min_side=30, say=say.append)[0]
    loaded = data.load(folder, min_side=30, say=say.append)[0]
    for keep in (0, 2**28):
        shelf = data.OnDemand(found, keep)
        assert torch.equal(draw(data.Crops(shelf, 64, shelf.sizes)), draw(data.Crops(loaded, 64)))
        assert torch.equal(draw(data.Resident(shelf, 64, "cpu", shelf.sizes)), draw(data.Crops(loaded, 64)))
    assert not say


def test_only_the_last_used_stay_decoded(folder):
    found = data.find(folder, min_side=30)[0]
    shelf = data.OnDemand(found, keep=3 * (90 * 120 + 40 * 300))
    for number, kept in ((0, [0]), (1, [0, 1]), (0, [1, 0]), (1, [0, 1]), (2, [1, 2]), (3, [3]), (1, [3, 1])):
        assert shelf[number].shape == (*SIZES[number], 3)
        assert list(shelf.kept) == kept, number
    assert len(shelf) == 4


@dataclass
class Noisy:
    """Crops with noise; step ``broken`` fails."""

    source: Any
    broken: int = -1

    def __call__(self, step):
        if step == self.broken:
            raise ArithmeticError(f"nothing\nfor {step}")
        numbers = range(8 * step, 8 * step + 8)
        draws = Draws(5, numbers, step=step)
        clean = self.source.draw(draws, numbers, 32 + 16 * (step > 2))
        return {"clean": clean, "noisy": clean + 0.1 * draws.normal(*clean.shape[1:]), "process": torch.tensor(os.getpid())}


def runs(process, seconds=5.0):
    """Whether a process is still there after a while."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            os.kill(process, 0)
        except ProcessLookupError:
            return False
        time.sleep(0.05)
    return True


pytestmark = pytest.mark.filterwarnings("ignore:This DataLoader will create")  # where there are fewer processors


def test_batches_are_the_same_with_workers_and_after_a_restart(folder):
    shelf = data.OnDemand(data.find(folder)[0])
    make = Noisy(data.Crops(shelf, 64, shelf.sizes))
    state = torch.get_rng_state()
    inline = list(data.batches(make, range(6), workers=0))
    resident = list(data.batches(Noisy(data.Resident(data.load(folder)[0], 64)), range(6), workers=0))
    iterator = data.batches(make, range(100), workers=2)
    ahead = [next(iterator) for _ in range(6)]
    later = list(data.batches(make, range(4, 6), workers=0))
    for batch, *others in [*zip(inline, resident, ahead, strict=True), *zip(inline[4:], later, strict=True)]:
        for other in others:
            assert torch.equal(batch["clean"], other["clean"])
            assert torch.equal(batch["noisy"], other["noisy"])
            assert other["clean"].is_contiguous(memory_format=torch.channels_last)
    assert [len(batch["clean"][0, 0]) for batch in ahead] == [32, 32, 32, 48, 48, 48]
    processes = {int(batch["process"]) for batch in ahead}
    assert len(processes) == 2
    assert os.getpid() not in processes
    assert torch.equal(torch.get_rng_state(), state)
    iterator.close()
    assert not any(map(runs, processes))


def test_a_batch_that_cannot_be_made():
    crops = data.Crops(pictures(), 48)
    with pytest.raises(ValueError, match="^the batch of step 3 cannot be made: nothing for 3$") as inline:
        list(data.batches(Noisy(crops, broken=3), range(9), workers=0))
    iterator = data.batches(Noisy(crops, broken=3), range(9), workers=1)
    process = int(next(iterator)["process"])
    os.kill(process, signal.SIGINT)  # Ctrl-C is for whom it works for
    assert [len(next(iterator)) for _ in range(2)] == [3, 3]
    with pytest.raises(ValueError, match=f"^{inline.value}$") as ahead:
        next(iterator)
    assert "ArithmeticError" in str(ahead.value.__cause__)
    assert 'in __call__\n    raise ArithmeticError(f"nothing' in str(ahead.value.__cause__)
    assert not runs(process)


class Heavy:
    """What is in torch all the time while a worker hands it over."""

    def __reduce__(self):
        while True:
            torch.ones(64, 64) @ torch.ones(64, 64)


def heavy_after_the_first(step):
    return Heavy() if step else os.getpid()


def test_workers_that_are_let_go_end_quietly_whatever_they_do(capfd):
    iterator = data.batches(heavy_after_the_first, range(9), workers=1)
    process = next(iterator)
    time.sleep(0.5)
    iterator.close()
    assert not runs(process)
    assert not capfd.readouterr().err


@pytest.mark.slow
def test_a_worker_that_is_killed():
    iterator = data.batches(Noisy(data.Crops(pictures(), 48)), range(10**9), workers=1)
    process = int(next(iterator)["process"])
    os.kill(process, signal.SIGKILL)
    with pytest.raises(RuntimeError, match=f"^a worker process was ended: .*{process}.*$"):
        list(iterator)
    assert not runs(process)


def test_a_batch_that_cannot_be_made_for_no_stated_reason():
    def fail(step):
        raise MemoryError

    with pytest.raises(ValueError, match="^the batch of step 7 cannot be made: MemoryError$"):
        next(data.batches(fail, [7], workers=0))


def test_how_many_workers():
    with pytest.raises(ValueError, match="workers is -1; expected 0 or more"):
        next(data.batches(abs, range(3), workers=-1))
