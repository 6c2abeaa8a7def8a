from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from restore import backbones, losses, metrics

FEATURES = Path(__file__).parents[2] / "shared" / "data" / "lpips" / "squeezenet1_1-features.safetensors"


def pictures(seed=0, n=2, side=64):
    return torch.rand(n, 3, side, side, generator=torch.Generator().manual_seed(seed))


@pytest.fixture(scope="module")
def trunk(tmp_path_factory):
    """Random weights in torchvision's names."""
    from torchvision.models import squeezenet1_1

    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("trunk") / "random.safetensors"
    save_file({key: value for key, value in squeezenet1_1().state_dict().items() if key.startswith("features")}, path)
    return path


@pytest.fixture(scope="module")
def encoder():
    torch.manual_seed(0)
    return backbones.build("resnet18", num_classes=0)


def test_perceptual_needs_its_features(tmp_path):
    with pytest.raises(metrics.MetricUnavailable, match="nothing.safetensors does not exist"):
        losses.Perceptual(tmp_path / "nothing.safetensors")


def test_perceptual_is_lpips(trunk):
    perceptual, network = losses.Perceptual(trunk), metrics.lpips_network("squeeze", trunk)
    x, y = pictures(0), pictures(1)
    expected = network(x * 2 - 1, y * 2 - 1)
    assert expected.min() > 0.01
    torch.testing.assert_close(perceptual(x, y), expected.mean(), rtol=1e-5, atol=0)
    with torch.autocast("cpu", torch.bfloat16):
        torch.testing.assert_close(perceptual(x, y), expected.mean(), rtol=1e-5, atol=0)
    with pytest.raises(ValueError, match="the prediction has shape"):
        perceptual(x, y[:1])


def test_perceptual_moves_alone(trunk):
    losses.Perceptual(trunk).double()
    assert next(metrics.lpips_network("squeeze", trunk).parameters()).dtype == torch.float32


def test_perceptual_has_a_gradient_where_no_feature_fires(tmp_path, trunk):
    from safetensors.torch import load_file

    state = {key: value if "weight" in key else torch.full_like(value, -100) for key, value in load_file(trunk).items()}
    save_file(state, tmp_path / "silent.safetensors")
    x = pictures().requires_grad_()
    losses.Perceptual(tmp_path / "silent.safetensors")(x, pictures(1)).backward()
    assert x.grad.isfinite().all()


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


def test_features_by_hand(encoder):
    x, y = pictures(0), pictures(1)
    with torch.no_grad():
        ours, theirs = (encoder.eval().features(encoder.normalise(z)) for z in (x, y))
    absolute = [float((a - b).abs().mean()) for a, b in zip(ours, theirs, strict=True)]
    squared = [float((a - b).square().mean()) for a, b in zip(ours, theirs, strict=True)]
    assert float(losses.Features(encoder)(x, y)) == pytest.approx(sum(absolute), rel=1e-5)
    chosen = losses.Features(encoder, content={1: 2.0, 4: 0.5}, distance="mse")
    assert float(chosen(x, y)) == pytest.approx(2 * squared[1] + 0.5 * squared[4], rel=1e-5)
    grams = [torch.einsum("nchw,ndhw->ncd", m[2], m[2]) / m[2][0].numel() for m in (ours, theirs)]
    style = losses.Features(encoder, style={2: 3.0})
    assert float(style(x, y)) == pytest.approx(3 * float((grams[0] - grams[1]).abs().mean()), rel=1e-5)
    both = losses.Features(encoder, content={0: 1.0}, style={2: 3.0})
    assert float(both(x, y)) == pytest.approx(absolute[0] + float(style(x, y)), rel=1e-5)


def test_gram_sees_what_and_not_where():
    maps = torch.rand(2, 5, 4, 6)
    shuffled = maps.flatten(2)[:, :, torch.randperm(24)].reshape(2, 5, 4, 6)
    torch.testing.assert_close(losses.gram(maps), losses.gram(shuffled))
    with torch.autocast("cpu", torch.bfloat16):
        assert losses.gram(maps.bfloat16()).dtype == torch.float32


@pytest.mark.parametrize("options", [{}, {"style": {0: 1.0, 3: 1.0}, "distance": "mse"}])
def test_features_teach_the_prediction_alone(encoder, options):
    before = {key: value.clone() for key, value in encoder.state_dict().items()}
    features = losses.Features(encoder, **options).train()
    x, y = pictures(0).requires_grad_(), pictures(1).requires_grad_()
    features(x, y).backward()
    assert x.grad.abs().sum() > 0
    assert y.grad is None
    assert all(torch.equal(value, before[key]) for key, value in encoder.state_dict().items())  # batch statistics among them
    assert not any(p.requires_grad or p.grad is not None for p in features.parameters())
    x.grad = None
    features(x, x.detach()).backward()
    assert features(x, x) == 0
    assert x.grad.isfinite().all()


@pytest.mark.parametrize("options", [{}, {"style": {1: 1.0}}])
def test_features_of_a_batch_and_inside_autocast(encoder, options):
    features, x, y = losses.Features(encoder, **options), pictures(0), pictures(1)
    single = [features(x[i : i + 1], y[i : i + 1]) for i in range(2)]
    torch.testing.assert_close(features(x, y), (single[0] + single[1]) / 2, rtol=1e-4, atol=0)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(features(x, y), features(x, y).float())
        torch.testing.assert_close(features(x, y), (single[0] + single[1]) / 2, rtol=1e-4, atol=0)


@pytest.mark.parametrize("name", ["lenet5", "vgg16", "squeezenet1_1", "densenet121", "inception_v3", "googlenet"])
def test_any_encoder_will_do(name):
    encoder = backbones.build(name, num_classes=0, **({"in_channels": 3} if name == "lenet5" else {}))
    features = losses.Features(encoder, content={0: 1.0})
    x = pictures(0, 1, 96).requires_grad_()
    loss = features(x, pictures(1, 1, 96))
    loss.backward()
    assert loss > 0
    assert x.grad.isfinite().all()


def test_wrong_choices_are_refused(encoder):
    for options in ({"content": {5: 1.0}}, {"style": {5: 1.0}}):
        with pytest.raises(ValueError, match="the backbone has no map 5; expected some of 0 to 4"):
            losses.Features(encoder, **options)
    with pytest.raises(ValueError, match="distance 'cosine' is unknown; expected one of l1, mse"):
        losses.Features(encoder, distance="cosine")
    with pytest.raises(ValueError, match="the prediction has shape"):
        losses.Features(encoder)(pictures(), pictures(n=1))
