"""What every row of the table of degradations keeps; each file has tests of its own for what its rows do."""

from functools import cache

import numpy as np
import pytest
import torch
from skimage import data

from restore import degrade
from restore.degrade import DEGRADATIONS
from restore.draws import Draws

SEVERITIES = (0.0, 0.25, 0.5, 0.75, 1.0)
SHAPES = [(2, 1, 17, 33), (2, 3, 17, 33), (1, 3, 40, 24)]
NOT_MONOTONE: dict[str, str] = {}
"""Row -> why PSNR may rise with severity."""
NO_GRADIENT = {"banding": "rounds every pixel", **dict.fromkeys(["jpeg", "double_jpeg", "webp"], "a file rounds every pixel")}
"""Row -> why no gradient reaches the picture."""
LOOKS_AT_NUMBERS = {**dict.fromkeys(["jpeg", "double_jpeg"], "groups samples by subsampling"), "webp": "calls the codec"}
"""Row -> why its function waits for the device."""
rows = pytest.mark.parametrize("name", DEGRADATIONS)


@cache
def photograph(count: int, channels: int, height: int, width: int) -> torch.Tensor:
    """A crop of a photograph, (count, channels, height, width): the same ``count`` times."""
    crop = data.astronaut()[40 : 40 + height, 150 : 150 + width, :channels]
    return torch.from_numpy(crop.astype(np.float32) / 255).permute(2, 0, 1).expand(count, -1, -1, -1).contiguous()


def draw(name: str, x: torch.Tensor, *, seed: int = 0, severity: float | np.ndarray | None = 0.6) -> dict[str, torch.Tensor]:
    return DEGRADATIONS[name].draw(Draws(seed, range(len(x))), tuple(x.shape), severity)


def same(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[key], b[key]) for key in a)


@rows
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_shape_and_type_stay_and_the_input_too(name, shape):
    x = photograph(*shape)
    before, drawn = x.clone(), draw(name, x)
    kept = {key: value.clone() for key, value in drawn.items()}
    y = degrade.apply(name, x, drawn)
    assert (y.shape, y.dtype) == (x.shape, torch.float32)
    assert y.isfinite().all()
    assert torch.equal(x, before)
    assert same(drawn, kept)
    assert not torch.equal(y, x)


@rows
def test_a_batch_is_its_samples_one_by_one(name):
    x = photograph(3, 3, 24, 40)
    together = draw(name, x, severity=np.array([0.1, 0.5, 1.0]))
    result = degrade.apply(name, x, together)
    for i, severity in enumerate((0.1, 0.5, 1.0)):
        alone = DEGRADATIONS[name].draw(Draws(0, [i]), (1, *x.shape[1:]), severity)
        torch.testing.assert_close(alone, {key: value[i : i + 1] for key, value in together.items()}, atol=0, rtol=1e-5)
        torch.testing.assert_close(degrade.apply(name, x[i : i + 1], alone)[0], result[i], atol=2e-6, rtol=0)


@rows
def test_a_seed_says_it_all(name):
    x = photograph(2, 3, 24, 40)
    first, again, other = (draw(name, x, seed=seed, severity=None) for seed in (0, 0, 1))
    assert same(first, again)
    assert not same(first, other)
    results = [degrade.apply(name, x, drawn) for drawn in (first, again, other)]
    assert torch.equal(results[0], results[1])
    assert not torch.equal(results[0], results[2])


@rows
def test_parameters_belong_to_samples(name):
    x = photograph(2, 3, 24, 40)
    for key, value in draw(name, x).items():
        assert value.shape[0] == 2, key
        assert value.dtype == torch.float32, key


@rows
def test_what_does_not_follow_severity_is_drawn_alike(name):
    """Nothing that is drawn after a parameter depends on how much damage that parameter does."""
    x = photograph(2, 3, 24, 40)
    severities = [draw(name, x, severity=severity) for severity in (0.0, 0.6, 1.0)]
    calls = []
    for severity in (0.0, 1.0):
        draws = Draws(0, range(2))
        DEGRADATIONS[name].draw(draws, tuple(x.shape), severity)
        calls.append(draws.uniform().tolist())
    assert calls[0] == calls[1]
    follows = [key for key in severities[0] if not all(torch.equal(drawn[key], severities[0][key]) for drawn in severities)]
    assert follows, "nothing follows severity"


@rows
def test_more_severity_is_less_psnr(name):
    if name in NOT_MONOTONE:
        pytest.skip(NOT_MONOTONE[name])
    x = photograph(4, 3, 128, 128)
    results = [degrade.apply(name, x, draw(name, x, severity=severity)).clamp(0, 1) for severity in SEVERITIES]
    psnr = torch.stack([-10 * (y - x).square().mean((1, 2, 3)).clamp(min=1e-10).log10() for y in results])  # (severities, N)
    assert (psnr.diff(dim=0) <= 0.01).all(), psnr.T
    assert (psnr[-1] < psnr[0]).all(), psnr.T
    assert (psnr[0] - psnr[-1]).mean() > 1, psnr.T


@rows
def test_a_gradient_reaches_the_picture(name):
    if name in NO_GRADIENT:
        pytest.skip(NO_GRADIENT[name])
    x = photograph(1, 3, 17, 33).clone().requires_grad_()
    gradient = torch.autograd.grad(degrade.apply(name, x, draw(name, x)).sum(), x)[0]
    assert gradient.isfinite().all()
    assert (gradient != 0).any()


@rows
def test_autocast_changes_nothing(name):
    x = photograph(2, 3, 24, 40)
    drawn = draw(name, x)
    with torch.autocast("cpu", torch.bfloat16):
        inside = degrade.apply(name, x, drawn)
    assert torch.equal(inside, degrade.apply(name, x, drawn))


@rows
@pytest.mark.parametrize("kind", [torch.float64, torch.bfloat16, torch.float16], ids=str)
def test_other_types_come_back(name, kind):
    x = photograph(2, 3, 24, 40).to(kind)
    drawn = draw(name, x)
    y = degrade.apply(name, x, drawn)
    assert y.dtype == kind
    assert torch.equal(y, degrade.apply(name, x.float(), drawn).to(kind))


@rows
def test_a_batch_of_none_is_none(name):
    x = torch.empty(0, 3, 24, 40)
    assert degrade.apply(name, x, draw(name, x)).shape == x.shape


@rows
@pytest.mark.parametrize("channels", [2, 4])
def test_grey_or_rgb_is_taken_and_nothing_else(name, channels):
    with pytest.raises(ValueError, match=f"pictures have {channels} channels; expected 1 or 3"):
        degrade.apply(name, torch.zeros(1, channels, 8, 8), {})


@rows
@pytest.mark.parametrize("shape", [(2, 1, 1, 1), (2, 3, 1, 9), (1, 3, 40, 1)], ids=str)
def test_pictures_smaller_than_any_kernel(name, shape):
    y = degrade.apply(name, torch.full(shape, 0.5), draw(name, torch.empty(shape), severity=1.0))
    assert y.shape == shape
    assert y.isfinite().all()


@rows
def test_it_stays_on_its_device_and_waits_for_no_number(name):
    """On a device without memory, where a number that is asked for is an error."""
    if name in LOOKS_AT_NUMBERS:
        pytest.skip(LOOKS_AT_NUMBERS[name])
    x = photograph(2, 3, 24, 40)
    drawn = {key: value.to("meta") for key, value in draw(name, x).items()}
    y = DEGRADATIONS[name].function(x.to("meta"), **drawn)
    assert y.is_meta
    assert y.shape == x.shape


@pytest.mark.gpu
@rows
def test_on_the_gpu(name):
    x = photograph(3, 3, 48, 64)
    drawn = draw(name, x)
    y = degrade.apply(name, x.cuda(), {key: value.cuda() for key, value in drawn.items()})
    assert y.is_cuda
    assert (y.cpu() - degrade.apply(name, x, drawn)).abs().mean() < 1e-4  # a sample on the edge of a level may fall to either side


@pytest.mark.parametrize("name", [name for name, row in DEGRADATIONS.items() if row.mask])
def test_the_mask_marks_pixels(name):
    x = photograph(2, 3, 48, 64)
    mask = draw(name, x, severity=1.0)[DEGRADATIONS[name].mask]
    assert mask.shape == (2, 1, 48, 64)
    assert set(mask.unique().tolist()) <= {0, 0.5, 1}
    assert (mask == 1).any()


@pytest.mark.parametrize("name", [name for name, row in DEGRADATIONS.items() if row.array])
def test_the_array_form_is_the_real_thing(name):
    x, array = photograph(3, 3, 40, 56), DEGRADATIONS[name].array
    assert array is not None
    drawn = draw(name, x, severity=np.array([0.1, 0.5, 0.9]))
    result = (degrade.apply(name, x, drawn).clamp(0, 1) * 255).round()
    for i, sample in enumerate(result):
        image = (x[i].permute(1, 2, 0) * 255).round().byte().numpy()
        damaged = array(image, **{key: value[i].item() if value.ndim == 1 else value[i].numpy() for key, value in drawn.items()})
        assert (damaged.shape, damaged.dtype) == (image.shape, np.uint8)
        assert np.abs(damaged - sample.permute(1, 2, 0).numpy()).mean() < 1


@pytest.mark.parametrize("severity", [-0.1, 1.1, float("nan")])
def test_severity_is_a_share(severity):
    with pytest.raises(ValueError, match=r"severity is .*; expected 0 to 1"):
        draw("gaussian_noise", photograph(2, 3, 8, 8), severity=severity)


def test_severity_is_drawn_where_none_is_given():
    x = photograph(1, 1, 2, 2).expand(400, -1, -1, -1)
    sigma = draw("gaussian_noise", x, severity=None)["sigma"]
    assert (sigma.min() < 4, sigma.max() > 73) == (True, True)
    assert float(sigma.mean()) == pytest.approx(38.5, abs=3)
