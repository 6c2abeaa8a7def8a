import cv2
import numpy as np
import pytest
import torch
from skimage import data

from restore import degrade
from restore.degrade import DEGRADATIONS
from restore.degrade.codec import double_jpeg, jpeg_array, webp, webp_array
from restore.draws import Draws

CODECS = ["jpeg", "double_jpeg", "webp"]


def photographs(count, channels, height, width):
    tops = np.linspace(0, 512 - height, count).astype(int)
    return np.stack([data.astronaut()[top : top + height, 100 : 100 + width, :channels] for top in tops])


def tensor(images):
    return torch.from_numpy(images).permute(0, 3, 1, 2) / 255


def array(x):
    return (x * 255).round().byte().permute(0, 2, 3, 1).numpy()


@pytest.mark.parametrize("shape", [(1, 40, 56), (3, 40, 56), (3, 33, 19), (1, 9, 70), (3, 2, 3)], ids=str)
@pytest.mark.parametrize("name", CODECS)
def test_a_tensor_gets_what_the_real_codec_does_to_an_array(name, shape):
    images = photographs(16, *shape)
    row = DEGRADATIONS[name]
    drawn = row.draw(Draws(3, range(16)), (16, *shape))
    ours = array(degrade.apply(name, tensor(images), drawn))
    for i, image in enumerate(images):
        numbers = {key: value[i].item() if value.ndim == 1 else value[i].numpy() for key, value in drawn.items()}
        np.testing.assert_array_equal(ours[i], row.array(image, **numbers))


@pytest.mark.parametrize("name", CODECS)
def test_psnr_falls_as_severity_rises(name):
    x = tensor(photographs(12, 3, 128, 128))
    psnr = []
    for severity in np.linspace(0, 1, 7):
        drawn = DEGRADATIONS[name].draw(Draws(1, range(12)), tuple(x.shape), severity)
        psnr.append(-10 * (degrade.apply(name, x, drawn) - x).square().mean((1, 2, 3)).log10())
    assert (torch.stack(psnr).diff(dim=0) < 0).all()


def test_at_full_severity_qualities_are_those_of_archives():
    drawn = DEGRADATIONS["double_jpeg"].draw(Draws(0, range(400)), (400, 3, 8, 8), 1.0)
    for key in ("first", "second"):
        assert (drawn[key].min() < 6, drawn[key].max() > 29) == (True, True)
        assert float(drawn[key].mean()) == pytest.approx(17.5, abs=1)
    assert sorted(set(map(tuple, drawn["shift"].int().tolist()))) == [(row, column) for row in range(8) for column in range(8)]
    assert DEGRADATIONS["jpeg"].draw(Draws(0, [0]), (1, 3, 8, 8), 1.0)["quality"].item() == 5


def test_two_aligned_files_are_one_after_the_other():
    x = tensor(photographs(2, 3, 32, 48))
    first, second, together = torch.tensor([20, 60]), torch.tensor([70, 30]), torch.zeros(2, 2)
    once = degrade.jpeg(x, first, subsampling=0)
    assert torch.equal(double_jpeg(x, first, second, together, subsampling=0), degrade.jpeg(once, second, subsampling=0))


@pytest.mark.parametrize(("rows", "columns"), [(0, 0), (3, 5), (7, 1)])
def test_the_first_grid_stands_where_shift_says(rows, columns):
    """At the lowest quality most blocks are even, so that steps stand where blocks meet; a second file of the highest leaves them there."""
    ramp = np.add.outer(np.arange(80), np.arange(96))[None, :, :, None].astype(np.uint8)
    out = double_jpeg(tensor(ramp), torch.tensor([1]), torch.tensor([100]), torch.tensor([[rows, columns]]))[0, 0]
    for steps, offset in ((out.diff(dim=0).abs().mean(1), rows), (out.diff(dim=1).abs().mean(0), columns)):  # [i]: from i to i + 1
        inside = steps[8:]  # a first block may hold the picture's edge, repeated, and little else
        edges = (np.arange(9, 9 + len(inside)) + offset) % 8 == 0
        assert inside[edges].min() > 2 * inside[~edges].max()


@pytest.mark.parametrize("quality", [1, 50, 95])
def test_webp_equals_opencvs(quality):
    image = photographs(1, 3, 120, 75)[0]
    _, file = cv2.imencode(".webp", image[..., ::-1], [cv2.IMWRITE_WEBP_QUALITY, quality])
    theirs = cv2.imdecode(file, cv2.IMREAD_COLOR)[..., ::-1]
    assert np.abs(webp_array(image, quality) - theirs.astype(int)).max() <= 1


def test_webp_keeps_grey_pictures_grey_and_types():
    x = tensor(photographs(2, 1, 40, 24))
    out = webp(x, torch.tensor([30, 90]))
    colour = webp(x.expand(-1, 3, -1, -1), torch.tensor([30, 90]))
    torch.testing.assert_close(out.expand(-1, 3, -1, -1), colour, rtol=0, atol=1.01 / 255)
    assert webp(x.half(), torch.tensor([30, 90])).dtype == torch.float16
    assert not webp(x.requires_grad_(), torch.tensor([30, 90])).requires_grad


def test_quality_of_a_file_is_rounded_and_clipped():
    image = photographs(1, 3, 24, 24)[0]
    for array_form in (jpeg_array, webp_array):
        for given, used in ((-3.0, 1), (0.2, 1), (37.4, 37), (37.6, 38), (120.0, 100)):
            np.testing.assert_array_equal(array_form(image, given), array_form(image, used))
