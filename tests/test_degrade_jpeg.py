import io

import cv2
import numpy as np
import pytest
import scipy.fft
import torch
from PIL import Image
from skimage import data

from restore.degrade import jpeg
from restore.degrade.jpeg import DCT_LEFT

QUALITIES = (1, 5, 10, 20, 30, 50, 75, 90, 95, 100)
SIZES = [(64, 64), (17, 33), (1, 1), (100, 75), (2, 5), (9, 2), (3, 3), (5, 4), (16, 47)]
MODES = {"4:4:4": 0, "4:2:2": 1, "4:2:0": 2, "grey": -1}


def photograph(height, width):
    return np.ascontiguousarray(data.astronaut()[30 : 30 + height, 180 : 180 + width])


def noise(height, width):
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)


def extremes(height, width):
    """Black and white samples in blocks that look like basis functions, so that much is clipped."""
    rng = np.random.default_rng(1)
    coefficients = rng.standard_normal((height // 8 + 1, width // 8 + 1, 3, 8, 8)) * (rng.random((8, 8)) < 0.2)
    blocks = scipy.fft.idctn(coefficients, axes=(-2, -1)) > 0
    return np.ascontiguousarray(blocks.transpose(0, 3, 1, 4, 2).reshape(height // 8 * 8 + 8, -1, 3)[:height, :width]) * np.uint8(255)


def through_file(image, quality, mode):
    file, grey = io.BytesIO(), mode == -1
    Image.fromarray(image[..., 0] if grey else image).save(file, "JPEG", quality=quality, subsampling=mode)
    return np.array(Image.open(file)).reshape(*image.shape[:2], -1)


def tensor(images):
    return torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2) / 255


def array(x):
    levels = x * 255
    torch.testing.assert_close(levels, levels.round(), rtol=0, atol=1e-4)
    return levels.round().byte().permute(0, 2, 3, 1).numpy()


@pytest.mark.parametrize("kind", [photograph, noise, extremes])
@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("mode", MODES.values(), ids=MODES)
def test_equals_pillow_bit_for_bit(mode, size, kind):
    image = kind(*size)[..., : 1 if mode == -1 else 3]
    x = tensor([image] * len(QUALITIES))
    ours = array(jpeg(x, torch.tensor(QUALITIES), subsampling=max(mode, 0)))
    np.testing.assert_array_equal(ours, [through_file(image, quality, mode) for quality in QUALITIES])


@pytest.mark.parametrize("quality", [10, 75])
def test_equals_opencv_on_a_large_photograph(quality):
    image = data.astronaut()
    _, file = cv2.imencode(".jpg", image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])
    ours = array(jpeg(tensor([image]), torch.tensor([quality])))[0]
    np.testing.assert_array_equal(ours, cv2.imdecode(file, cv2.IMREAD_COLOR)[..., ::-1])


def test_each_picture_has_its_own_quality_and_subsampling():
    x = tensor([noise(20, 37), photograph(20, 37), extremes(20, 37), photograph(20, 37)])
    quality, subsampling = torch.tensor([80.0, 7.0, 40.0, 7.0]), torch.tensor([2.0, 0.0, 1.0, 2.0])
    one_by_one = [jpeg(x[i : i + 1], quality[i : i + 1], subsampling=int(subsampling[i])) for i in range(4)]
    assert torch.equal(jpeg(x, quality, subsampling=subsampling), torch.cat(one_by_one))
    assert not torch.equal(one_by_one[1], one_by_one[3])


def test_layout_type_and_autocast_change_nothing():
    x = tensor([photograph(40, 56)] * 2)
    expected = jpeg(x, torch.tensor([30, 90]))
    assert torch.equal(jpeg(x.contiguous(memory_format=torch.channels_last), torch.tensor([30, 90])), expected)
    assert torch.equal(jpeg(x.half(), torch.tensor([30, 90])), expected.half())
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(jpeg(x, torch.tensor([30, 90])), expected)


def test_what_comes_in_is_clipped_and_rounded_and_left_as_it_is():
    image = photograph(24, 24)
    x = tensor([image])
    rough = x + (torch.rand(x.shape) - 0.5) * 0.9 / 255
    rough[x == 0] = -3
    rough[x == 1] = 7
    before = rough.clone()
    rough.requires_grad_()
    out = jpeg(rough, torch.tensor([60]))
    assert torch.equal(out, jpeg(x, torch.tensor([60])))
    assert torch.equal(rough, before)
    assert not out.requires_grad


@pytest.mark.parametrize(("given", "used"), [(-3.0, 1), (0.4, 1), (37.4, 37), (37.6, 38), (120.0, 100)])
def test_quality_is_rounded_and_clipped(given, used):
    x = tensor([photograph(16, 16)])
    assert torch.equal(jpeg(x, torch.tensor([given])), jpeg(x, torch.tensor([used])))


def test_matrix_is_the_cosine_transform():
    left = np.array(DCT_LEFT)
    matrix = np.hstack((left, np.where(np.arange(8) % 2, -1, 1)[:, None] * left[:, ::-1]))
    exact = scipy.fft.dct(np.eye(8), axis=0, norm="ortho") * 8**0.5 * 2**13
    assert np.abs(matrix - exact).max() < 1.5


def test_wrong_pictures_and_subsamplings_are_named():
    with pytest.raises(ValueError, match="pictures have 4 channels; expected 1 or 3"):
        jpeg(torch.zeros(1, 4, 8, 8), torch.tensor([50]))
    with pytest.raises(ValueError, match="subsampling is 3; expected 0, 1 or 2"):
        jpeg(torch.zeros(1, 3, 8, 8), torch.tensor([50]), subsampling=3)


@pytest.mark.gpu
@pytest.mark.parametrize("subsampling", [0, 1, 2])
def test_gpu_equals_cpu_bit_for_bit(subsampling):
    x = tensor([kind(100, 75) for kind in (photograph, noise, extremes) for _ in QUALITIES])
    quality = torch.tensor(QUALITIES * 3)
    with torch.autocast("cuda", torch.bfloat16):
        ours = jpeg(x.cuda(), quality.cuda(), subsampling=subsampling)
    np.testing.assert_array_equal(array(ours.cpu()), array(jpeg(x, quality, subsampling=subsampling)))
