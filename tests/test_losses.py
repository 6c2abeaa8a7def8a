from pathlib import Path

import pytest
import torch

from restore import losses
from restore.metrics import MetricUnavailable

FEATURES = Path(__file__).parents[2] / "shared" / "data" / "lpips" / "squeezenet1_1-features.safetensors"


def test_charbonnier_by_hand():
    prediction, target = torch.tensor([[[[3.0, 0.0]]]]), torch.tensor([[[[0.0, 0.0]]]])
    expected = ((9 + 16) ** 0.5 + 4) / 2
    torch.testing.assert_close(losses.charbonnier(prediction, target, eps=4.0), torch.tensor(expected))


def test_hole_l1_counts_hole_pixels_only():
    prediction, target = torch.zeros(1, 3, 2, 2), torch.zeros(1, 3, 2, 2)
    prediction[..., 0, 0], prediction[..., 1, 1] = 0.5, 9.0
    mask = torch.tensor([[[[1.0, 1.0], [0.0, 0.0]]]])
    torch.testing.assert_close(losses.hole_l1(prediction, target, mask), torch.tensor(0.25))
    assert losses.hole_l1(prediction, target, torch.zeros_like(mask)) == 0


def test_perceptual_needs_its_features(tmp_path):
    with pytest.raises(MetricUnavailable, match="nothing.safetensors does not exist"):
        losses.Perceptual(tmp_path / "nothing.safetensors")


@pytest.mark.skipif(not FEATURES.exists(), reason="the LPIPS trunk is not beside the checkout")
def test_perceptual_tells_blur_from_identity_and_has_a_gradient():
    perceptual = losses.Perceptual(FEATURES)
    x = torch.rand(1, 3, 64, 64)
    blurred = torch.nn.functional.avg_pool2d(x, 5, 1, 2).requires_grad_()
    distance = perceptual(blurred, x)
    distance.backward()
    assert perceptual(x, x) == 0
    assert distance > 0.05
    assert blurred.grad.abs().sum() > 0
