"""The Neocognitron: S-cells against Fukushima's formula, what inhibition and blurring are for, and the snippet of its page."""

import re
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.ndimage import convolve

from restore import backbones
from restore.backbones.neocognitron import CCells, Neocognitron, SCells, blur

WINDOW = np.outer([1, 2, 3, 2, 1], [1, 2, 3, 2, 1]) / 81
"""The paper's fixed weights c and d: they fall off from the centre and sum to 1."""


def bar(*, column, contrast=1.0):
    """A vertical bar of two pixels' width."""
    picture = torch.zeros(1, 1, 16, 16, dtype=torch.double)
    picture[..., 3:13, column : column + 2] = contrast
    return picture


@pytest.fixture
def s_cells():
    torch.manual_seed(0)
    return SCells(1, 24, r=1.5).double()


def test_window_falls_off_as_scipys():
    picture = np.random.default_rng(0).random((9, 12))
    ours = blur(stride=1)(torch.tensor(picture)[None, None])[0, 0]
    inner = slice(2, -2)  # at the border the second mean sees what the first has left there
    np.testing.assert_allclose(ours[inner, inner], convolve(picture, WINDOW, mode="constant")[inner, inner])


def test_s_cells_are_fukushimas_formula():
    torch.manual_seed(0)
    layer = SCells(2, 3, r=4.0).double()
    with torch.no_grad():
        layer.inhibit.uniform_(0, 2)
        layer.excite.weight.mul_(torch.randn_like(layer.excite.weight).sign())  # the sign counts for nothing
    u = torch.rand(1, 2, 9, 9, dtype=torch.double)
    y = layer(u)
    patch = u[0, :, 2:7, 3:8].numpy()
    v = np.sqrt((WINDOW / 2 * patch**2).sum())
    for plane in range(3):
        a, b = layer.excite.weight[plane].abs().detach().numpy(), layer.inhibit[plane].item()
        expected = 4 * max(0, (1 + (a * patch).sum()) / (1 + 4 / 5 * b * v) - 1)
        assert y[0, plane, 4, 5].item() == pytest.approx(expected)


def test_inhibition_is_free_of_weight_decay_and_noise():
    """Both go by the dimensions: one value for each plane has one."""
    weights = [name for name, p in backbones.build("neocognitron").named_parameters() if p.ndim > 1]
    assert weights == [*(f"layers.{i}.excite.weight" for i in (0, 2, 4)), "output.weight"]


def test_c_cells_are_fukushimas_formula():
    u = torch.rand(1, 3, 9, 9, dtype=torch.double)
    d = (torch.tensor(WINDOW) * u[0, :, 2:7, 4:9]).sum((1, 2))
    phi = torch.relu((1 + d) / (1 + d.mean()) - 1)
    torch.testing.assert_close(CCells()(u)[0, :, 2, 3], phi / (0.5 + phi))


def test_inhibition_makes_responses_independent_of_contrast(s_cells):
    faint, clear, glaring = (s_cells(bar(column=7, contrast=c)) for c in (1e-4, 1e7, 1e9))
    assert clear.max() > 0.1
    torch.testing.assert_close(clear, glaring, rtol=1e-4, atol=1e-4)
    assert faint.max() < 0.01 * clear.max()
    u = bar(column=7)
    v = blur(stride=1)(u.square()).sqrt()
    limit = 1.5 * torch.relu(s_cells.excite(u) / (1.5 / 2.5 * s_cells.inhibit.abs()[:, None, None] * v).clamp(min=1e-9) - 1)
    torch.testing.assert_close(glaring, limit, rtol=1e-4, atol=1e-4)


def test_without_inhibition_they_are_not(s_cells):
    with torch.no_grad():
        s_cells.inhibit.zero_()
    once, twice = (s_cells(bar(column=7, contrast=c)) for c in (1.0, 2.0))
    torch.testing.assert_close(twice, 2 * once)


@pytest.mark.parametrize(("r", "answers"), [(1.5, True), (4.0, False)])
def test_a_selective_cell_answers_only_to_its_own_form(r, answers):
    """With ``b`` the norm of ``a``, the ratio in the formula is a cosine, which has to exceed r / (1 + r)."""
    layer = SCells(1, 1, r=r).double()
    own = bar(column=7)[..., 5:10, 5:10]
    other = own.clone()
    other[..., 3] = 0  # a bar half as wide
    window = torch.tensor(WINDOW)
    with torch.no_grad():
        layer.excite.weight.copy_(window * own)
        layer.inhibit.fill_((window * own.square()).sum().sqrt())
    cosine = (window * own * other).sum() / ((window * own**2).sum() * (window * other**2).sum()).sqrt()
    assert 1.5 / 2.5 < cosine < 4 / 5
    assert layer(own * 1e6)[0, 0, 2, 2].item() == pytest.approx(1.0, rel=1e-4)  # r * ((1 + r) / r - 1)
    assert (layer(other * 1e6)[0, 0, 2, 2].item() > 0.05) == answers


def test_c_cells_answer_to_what_is_thereabouts():
    """To a feature that one S-cell finds, the C-cell above answers while it moves by up to two pixels; the S-cell does not."""
    c_cells = CCells()
    answers = []
    for shift in range(4):
        s = torch.zeros(1, 24, 16, 16)
        s[0, 3, 8, 8 + shift] = 9.0
        answers.append(c_cells(s)[0, 3, 4, 4].item())
    d = torch.tensor([1.0, 2 / 3, 1 / 3, 0.0])
    phi = (1 + d) / (1 + d / 24) - 1
    assert answers == pytest.approx((phi / (0.5 + phi)).tolist())
    assert answers[0] > answers[1] > answers[2] > answers[3] == 0


def test_deeper_layers_tolerate_larger_shifts():
    torch.manual_seed(0)
    net = backbones.build("neocognitron").double()
    here, there = (net.features(bar(column=column)) for column in (7, 8))
    changes = [((a - b).norm() / a.norm()).item() for a, b in zip(here, there, strict=True)]
    assert changes[-1] < 0.5 * changes[0]


def test_responses_are_never_negative():
    torch.manual_seed(0)
    net = backbones.build("neocognitron")
    for x in (torch.rand(2, 1, 28, 28), torch.randn(2, 1, 16, 16), torch.zeros(2, 1, 16, 16)):
        assert all((m >= 0).all() and m.isfinite().all() for m in net.features(x))
    assert not any(m.any() for m in net.features(torch.zeros(1, 1, 16, 16)))  # nothing seen, nothing said
    assert net.features(torch.rand(1, 1, 16, 16))[-1].max() < 1


def test_gradients_of_a_black_picture_are_finite():
    x = torch.zeros(1, 1, 16, 16, requires_grad=True)
    net = backbones.build("neocognitron")
    net(x).sum().backward()
    assert all(t.grad.isfinite().all() for t in (x, *net.parameters()))


def test_counts_and_sizes():
    net = backbones.build("neocognitron")
    assert [tuple(p.shape) for p in net.parameters()][:4] == [(24,), (24, 1, 5, 5), (24,), (24, 24, 5, 5)]
    assert not list(net.layers[1].parameters())  # C-cells are fixed
    assert sum(p.numel() for p in net.layers.parameters()) == 29_472
    picture = np.full((40, 30), 255, np.uint8)
    torch.testing.assert_close(net.preprocess(picture), torch.ones(1, 1, 16, 16))  # not normalised
    assert backbones.build("neocognitron", num_classes=0)(torch.rand(2, 1, 28, 28)).shape == (2, 24)


@pytest.mark.parametrize("output_stride", [4, 2, 1])
def test_dilated_maps_at_every_kth_place_are_the_maps(output_stride):
    torch.manual_seed(0)
    net = backbones.build("neocognitron").eval()
    dilated = backbones.build("neocognitron", output_stride=output_stride).eval()
    dilated.load_state_dict(net.state_dict())
    x = torch.rand(1, 1, 32, 48)
    for small, large, reduction in zip(net.features(x), dilated.features(x), net.reductions, strict=True):
        k = max(1, reduction // output_stride)
        torch.testing.assert_close(large[..., ::k, ::k], small, atol=1e-5, rtol=1e-4)


def test_errors():
    with pytest.raises(ValueError, match="got planes for 2 modules and selectivity for 3; expected one of each for each"):
        Neocognitron((8, 8), (4.0, 1.5, 1.5))
    with pytest.raises(ValueError, match="output_stride 16 is not reached; expected one of \\[1, 2, 4, 8\\]"):
        backbones.build("neocognitron", output_stride=16)


def test_snippet_of_the_page(capsys):
    page = (Path(__file__).parent.parent / "docs" / "neocognitron.md").read_text(encoding="utf-8")
    code, printed = re.findall(r"```(?:python|text)\n(.*?)```", page, re.DOTALL)
    exec(code, {})
    assert capsys.readouterr().out == printed
