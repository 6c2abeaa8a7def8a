import socket
from pathlib import Path

import cv2
import numpy as np
import pytest
import skimage
import torch
from safetensors.torch import save_file
from scipy.ndimage import gaussian_filter
from skimage import metrics as oracle
from skimage.transform import downscale_local_mean

from restore import metrics

FEATURES = Path(__file__).resolve().parents[2] / "shared/data/lpips/squeezenet1_1-features.safetensors"


@pytest.fixture(scope="module")
def pair():
    clean = skimage.data.chelsea()[:120, :150]
    noise = np.random.default_rng(0).normal(0, 20, clean.shape)
    return clean, np.clip(np.rint(clean + noise), 0, 255).astype(np.uint8)


@pytest.fixture
def mask(pair):
    mask = np.zeros(pair[0].shape[:2], np.uint8)
    mask[20:50, 90:] = 255
    return mask


def convert(picture, dtype):
    factor = {np.uint8: 1, np.uint16: 257, np.float32: 1 / 255}[dtype]
    return (picture * np.float64(factor)).astype(dtype)


@pytest.mark.parametrize("channels", ["colour", "grey", "one"])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_psnr_and_ssim_are_those_of_scikit_image(pair, dtype, channels):
    pick = {"colour": np.s_[:], "grey": np.s_[..., 0], "one": np.s_[..., :1]}[channels]
    a, b = (convert(picture, dtype)[pick] for picture in pair)
    span = {np.uint8: 255, np.uint16: 65535, np.float32: 1}[dtype]
    assert metrics.psnr(a, b) == pytest.approx(oracle.peak_signal_noise_ratio(a, b, data_range=span), abs=1e-5)
    options = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False, "data_range": span}
    expected = oracle.structural_similarity(a, b, channel_axis=None if a.ndim == 2 else 2, **options)
    assert metrics.ssim(a, b) == pytest.approx(expected, abs=1e-5)


def test_with_a_mask_only_its_pixels_count(pair, mask):
    a, b = pair
    hole = mask > 0
    assert metrics.psnr(a, b, mask=mask) == pytest.approx(oracle.peak_signal_noise_ratio(a[hole], b[hole]))
    options = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False, "channel_axis": 2}
    everywhere = oracle.structural_similarity(a, b, full=True, **options)[1]
    assert metrics.ssim(a, b, mask=mask) == pytest.approx(everywhere[hole].mean(), abs=1e-9)
    elsewhere = np.where(hole[..., None], a, b)
    assert metrics.psnr(a, elsewhere, mask=mask) == float("inf")
    assert metrics.psnr(a, elsewhere) < 30


def test_the_range_is_that_of_the_type_and_not_of_the_content():
    dark = np.zeros((4, 4), np.uint16)
    assert metrics.psnr(dark, dark + 257) == pytest.approx(metrics.psnr(np.zeros((4, 4), np.uint8), np.ones((4, 4), np.uint8)))
    assert metrics.psnr(np.zeros((4, 4)), np.full((4, 4), 10.0)) == pytest.approx(-20)


def test_types_may_differ(pair):
    a, b = pair
    assert metrics.psnr(a, convert(b, np.uint16)) == pytest.approx(metrics.psnr(a, b))
    assert metrics.psnr(a, convert(a, np.uint16)) == float("inf")


def test_psnr_y_is_that_of_the_luma(pair, mask):
    a, b = pair
    luma = [skimage.color.rgb2ycbcr(picture)[..., 0] for picture in pair]
    assert metrics.psnr_y(a, b) == pytest.approx(oracle.peak_signal_noise_ratio(*luma, data_range=255), abs=1e-9)
    hole = mask > 0
    assert metrics.psnr_y(a, b, mask=mask) == pytest.approx(
        oracle.peak_signal_noise_ratio(luma[0][hole], luma[1][hole], data_range=255), abs=1e-3
    )
    assert metrics.psnr_y(a[..., 0], b[..., 0]) == metrics.psnr(a[..., 0], b[..., 0])
    with pytest.raises(ValueError, match="expected 1 or 3 channels, got 2"):
        metrics.psnr_y(a[..., :2], b[..., :2])


def test_ssim_y_is_that_of_the_luma(pair, mask):
    luma = [skimage.color.rgb2ycbcr(picture)[..., 0] for picture in pair]
    options = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False, "data_range": 255, "full": True}
    expected, everywhere = oracle.structural_similarity(*luma, **options)
    assert metrics.ssim_y(*pair) == pytest.approx(expected, abs=1e-9)
    assert metrics.ssim_y(*pair, mask=mask) == pytest.approx(everywhere[mask > 0].mean(), abs=1e-9)
    assert metrics.ssim_y(pair[0][..., 0], pair[1][..., 0]) == metrics.ssim(pair[0][..., 0], pair[1][..., 0])
    with pytest.raises(ValueError, match="expected 1 or 3 channels, got 2"):
        metrics.ssim_y(pair[0][..., :2], pair[1][..., :2])


@pytest.fixture(scope="module", params=[(192, 240), (283, 177)], ids=["even", "odd"])
def large(request):
    height, width = request.param
    clean = skimage.data.chelsea()[:height, :width]
    noise = np.random.default_rng(0).normal(0, 40, clean.shape)
    return clean, np.clip(np.rint(clean + noise), 0, 255).astype(np.uint8)


def ms_ssim_by_scikit_image(a, b):
    """One channel, step by step; scikit-image gives luminance times the rest, from which the luminance is divided out."""
    product = 1.0
    for scale, power in enumerate([0.0448, 0.2856, 0.3001, 0.2363, 0.1333]):
        if scale:
            a, b = (downscale_local_mean(p[: p.shape[0] // 2 * 2, : p.shape[1] // 2 * 2], 2) for p in (a, b))
        options = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False, "data_range": 1, "full": True}
        values = oracle.structural_similarity(a, b, **options)[1]
        if scale < 4:
            mean_a, mean_b = (gaussian_filter(p, 1.5, truncate=3.5) for p in (a, b))
            values = values / ((2 * mean_a * mean_b + 1e-4) / (mean_a**2 + mean_b**2 + 1e-4))
        product *= values[5:-5, 5:-5].mean() ** power
    return product


def test_ms_ssim_is_that_of_scikit_image_scale_by_scale(large):
    channels = [[picture[..., i] / 255 for picture in large] for i in range(3)]
    expected = [ms_ssim_by_scikit_image(*channel) for channel in channels]
    assert 0.3 < min(expected) < max(expected) < 0.9
    assert metrics.ms_ssim(large[0][..., 1], large[1][..., 1]) == pytest.approx(expected[1], abs=1e-9)
    assert metrics.ms_ssim(*large) == pytest.approx(np.mean(expected), abs=1e-9)


def test_ms_ssim_of_opposites_is_zero_and_of_equals_one(large):
    assert metrics.ms_ssim(large[0], large[0]) == pytest.approx(1)
    assert metrics.ms_ssim(large[0], 255 - large[0]) == 0
    with pytest.raises(ValueError, match="expected pictures of at least 176x176 pixels, got 240x175"):
        metrics.ms_ssim(np.zeros((175, 240)), np.zeros((175, 240)))


def psnr_b_by_hand(a, b, block):
    """The sums of the paper, pixel by pixel."""
    (height, width), at_border, elsewhere = b.shape, [], []
    for i in range(height):
        for j in range(width):
            if j + 1 < width:
                (at_border if (j + 1) % block == 0 else elsewhere).append((b[i, j] - b[i, j + 1]) ** 2)
            if i + 1 < height:
                (at_border if (i + 1) % block == 0 else elsewhere).append((b[i, j] - b[i + 1, j]) ** 2)
    excess = np.mean(at_border) - np.mean(elsewhere)
    effect = np.log2(block) / np.log2(min(height, width)) * excess if excess > 0 else 0
    return -10 * np.log10(np.mean((a - b) ** 2) + effect)


def test_psnr_b_is_the_papers_and_below_psnr_where_there_are_blocks(pair):
    clean = pair[0]
    written, encoded = cv2.imencode(".jpg", clean[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 10])
    assert written
    jpeg = cv2.imdecode(encoded, cv2.IMREAD_COLOR)[..., ::-1]
    luma = [skimage.color.rgb2ycbcr(picture)[..., 0] / 255 for picture in (clean, jpeg)]
    for block in (8, 16, 5):
        assert metrics.psnr_b(clean, jpeg, block=block) == pytest.approx(psnr_b_by_hand(*luma, block), abs=1e-6)
    assert metrics.psnr_b(clean, jpeg) < metrics.psnr_y(clean, jpeg) - 1
    shifted = [picture[3:, 4:] for picture in (clean, jpeg)]
    assert metrics.psnr_b(*shifted) == pytest.approx(metrics.psnr_y(*shifted))  # its blocks are elsewhere
    assert metrics.psnr_b(clean * 0, clean * 0) == float("inf")


def test_psnr_b_needs_more_than_a_block():
    for shape, block in (((8, 30), 8), ((30, 30), 1)):
        with pytest.raises(ValueError, match=f"at least 2 pixels in a longer picture, got {block} in 30x{shape[0]}"):
            metrics.psnr_b(np.zeros(shape), np.zeros(shape), block=block)
    with pytest.raises(ValueError, match="expected 1 or 3 channels, got 2"):
        metrics.psnr_b(np.zeros((30, 30, 2)), np.zeros((30, 30, 2)))


def test_equal_pictures(pair):
    a = pair[0]
    assert metrics.psnr(a, a) == metrics.psnr_y(a, a) == float("inf")
    assert metrics.ssim(a, a) == pytest.approx(1)


@pytest.mark.parametrize(
    "metric", [metrics.psnr, metrics.psnr_y, metrics.psnr_b, metrics.ssim, metrics.ssim_y, metrics.ms_ssim, metrics.lpips]
)
def test_wrong_pictures_are_refused(metric):
    def zeros(*shape, dtype=np.uint8):
        return np.zeros(shape, dtype)

    with pytest.raises(ValueError, match=r"the pictures differ in shape: \(40, 40, 3\) and \(40, 41, 3\)"):
        metric(zeros(40, 40, 3), zeros(40, 41, 3))
    with pytest.raises(ValueError, match="unsigned integers or floats, got bool"):
        metric(zeros(40, 40, dtype=bool), zeros(40, 40, dtype=bool))
    with pytest.raises(ValueError, match=r"got uint8 of shape \(40,\)"):
        metric(zeros(40), zeros(40))
    with pytest.raises(ValueError, match=r"got uint8 of shape \(0, 40\)"):
        metric(zeros(0, 40), zeros(0, 40))


@pytest.mark.parametrize("metric", [metrics.psnr, metrics.psnr_y, metrics.ssim, metrics.ssim_y])
def test_wrong_masks_are_refused(metric, pair):
    with pytest.raises(ValueError, match=r"expected a mask of shape \(120, 150\) that is not zero everywhere, got \(150, 120\)"):
        metric(*pair, mask=np.ones((150, 120)))
    with pytest.raises(ValueError, match="that is not zero everywhere"):
        metric(*pair, mask=np.zeros((120, 150)))


def test_ssim_and_lpips_need_some_pixels():
    for metric in (metrics.ssim, metrics.ssim_y):
        with pytest.raises(ValueError, match="expected pictures of at least 11x11 pixels, got 30x10"):
            metric(np.zeros((10, 30)), np.zeros((10, 30)))
    with pytest.raises(ValueError, match=r"1 or 3 channels and at least 32x32 pixels, got shape \(31, 40, 3\)"):
        metrics.lpips(np.zeros((31, 40, 3)), np.zeros((31, 40, 3)))
    with pytest.raises(ValueError, match=r"got shape \(40, 40, 2\)"):
        metrics.lpips(np.zeros((40, 40, 2)), np.zeros((40, 40, 2)))


def test_lpips_without_weights_says_so_and_asks_nobody(tmp_path, monkeypatch, pair):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: pytest.fail("looked up a host"))
    for net in metrics.TRUNKS:
        with pytest.raises(metrics.MetricUnavailable, match=rf"LPIPS \({net}\) needs ImageNet weights: no features file was given and "):
            metrics.lpips(*pair, net=net)
    with pytest.raises(metrics.MetricUnavailable, match=r"nowhere.safetensors does not exist"):
        metrics.lpips(*pair, features=tmp_path / "nowhere.safetensors")
    with pytest.raises(ValueError, match="unknown trunk 'resnet', expected one of squeeze, alex, vgg"):
        metrics.lpips(*pair, net="resnet")


def test_lpips_refuses_the_features_of_another_trunk(tmp_path, pair):
    save_file({"features.0.weight": torch.zeros(64, 3, 3, 3)}, tmp_path / "other.safetensors")
    with pytest.raises(metrics.MetricUnavailable, match="does not hold the features of LPIPS's trunk squeeze: 'features.0.bias'"):
        metrics.lpips(*pair, features=tmp_path / "other.safetensors")
    with pytest.raises(metrics.MetricUnavailable, match="does not hold the features of LPIPS's trunk alex"):
        metrics.lpips(*pair, net="alex", features=tmp_path / "other.safetensors")


@pytest.fixture(scope="module")
def trunk(tmp_path_factory):
    """Random weights in torchvision's names."""
    from torchvision.models import squeezenet1_1

    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("trunk") / "random.safetensors"
    save_file({key: value for key, value in squeezenet1_1().state_dict().items() if key.startswith("features")}, path)
    return path


@pytest.mark.filterwarnings("ignore::UserWarning:torchvision")
def test_lpips_is_that_of_its_package(pair, trunk):
    import lpips
    from safetensors.torch import load_file

    network, state = lpips.LPIPS(net="squeeze", pnet_rand=True, verbose=False), load_file(trunk)
    network.net.load_state_dict({key: state["features." + key.split(".", 1)[1]] for key in network.net.state_dict()})
    with torch.inference_mode():
        expected = float(network(*(lpips.im2tensor(picture) for picture in pair)))
    assert expected > 0.01
    assert metrics.lpips(*pair, features=trunk) == pytest.approx(expected, abs=1e-5)
    assert metrics.lpips(*(convert(picture, np.float32) for picture in pair), features=str(trunk)) == pytest.approx(expected, abs=1e-5)
    grey = [picture[..., 0] for picture in pair]
    assert metrics.lpips(*grey, features=trunk) == metrics.lpips(*(np.stack([picture] * 3, 2) for picture in grey), features=trunk)
    assert metrics.lpips(pair[0], pair[0], features=trunk) == 0


@pytest.mark.skipif(not FEATURES.exists(), reason="needs the ImageNet features in ../shared/data/lpips")
def test_lpips_with_imagenet_features_follows_the_eye(pair):
    clean, noisy = pair
    shifted = np.clip(clean.astype(int) + 8, 0, 255).astype(np.uint8)
    assert 5 * metrics.lpips(clean, shifted, features=FEATURES) < metrics.lpips(clean, noisy, features=FEATURES)


def test_iou_and_dice():
    a, b = np.zeros((4, 5), np.uint8), np.zeros((4, 5), bool)
    assert metrics.iou(a, b) == metrics.dice(a, b) == 1
    a[:2], b[1:3] = 255, True
    assert metrics.iou(a, b) == pytest.approx(5 / 15)
    assert metrics.dice(a, b) == pytest.approx(10 / 20)
    assert metrics.iou(a, ~b & False) == metrics.dice(a, ~b & False) == 0
    for metric in (metrics.iou, metrics.dice):
        with pytest.raises(ValueError, match=r"the masks differ in shape: \(4, 5\) and \(5, 4\)"):
            metric(a, b.T)
