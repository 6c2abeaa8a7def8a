import numpy as np
import pytest
from PIL import Image

from restore import image, masks

SHAPES = [(1, 1), (1, 9), (7, 3), (64, 64), (200, 133)]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("kind", masks.MASKS)
def test_every_kind_is_binary_and_the_same_for_the_same_seed(kind, shape):
    first, second, other = (masks.MASKS[kind](shape, rng=np.random.default_rng(seed)) for seed in (5, 5, 6))
    assert first.shape == shape
    assert first.dtype == np.uint8
    assert set(np.unique(first)) <= {0, 255}
    assert np.array_equal(first, second)
    if shape == (200, 133):
        assert first.any()
        assert not first.all()
        assert not np.array_equal(first, other)


@pytest.mark.parametrize("kind", masks.MASKS)
def test_every_kind_refuses_an_empty_shape(kind):
    with pytest.raises(ValueError, match="at least one pixel, got shape 0x4"):
        masks.MASKS[kind]((0, 4), rng=np.random.default_rng(0))


def test_scratches_are_as_wide_as_asked():
    rng = np.random.default_rng(1)
    for width in (1, 3):
        mask = masks.scratches((200, 200), rng=rng, count=(1, 1), width=(width, width), length=(1, 1), upright=1)
        rows = (mask > 0).sum(1)
        assert np.median(rows[rows > 0]) == width


def test_boxes_have_the_size_asked_for_and_stay_inside():
    for seed in range(20):
        mask = masks.boxes((50, 80), rng=np.random.default_rng(seed), count=(1, 1), size=(0.2, 0.2))
        assert (mask > 0).sum() == 10 * 10


def test_blobs_are_discs_without_waves():
    for seed in range(5):
        mask = masks.blobs((401, 401), rng=np.random.default_rng(seed), count=(1, 1), size=(0.1, 0.1), waves=0)
        ys, xs = np.nonzero(mask)
        edge = ys.min() == 0 or xs.min() == 0 or ys.max() == 400 or xs.max() == 400
        assert edge or (mask > 0).sum() == pytest.approx(np.pi * 40.1**2, rel=0.05)


@pytest.mark.parametrize("kind", masks.MASKS)
def test_draw_covers_the_area_asked_for(kind):
    areas = [(masks.draw(kind, (64, 64), np.random.default_rng(seed), area=(0.1, 0.35)) > 0).mean() for seed in range(10)]
    assert min(areas) >= 0.1
    assert max(areas) <= 0.35
    assert max(areas) - min(areas) > 0.05  # the goal is drawn too


def test_draw_mixes_kinds_and_repeats_itself():
    kinds = ["scratches", "dust", "boxes"]
    first, second = (masks.draw(kinds, (90, 70), np.random.default_rng(3), area=(0.1, 0.3)) for _ in range(2))
    assert np.array_equal(first, second)
    assert not masks.draw(kinds, (90, 70), np.random.default_rng(3), area=(0, 0)).any()


@pytest.mark.parametrize(
    ("kinds", "shape", "area", "message"),
    [
        ("stroke", (9, 9), (0.1, 0.2), "unknown kind of mask .'stroke'., expected some of strokes"),
        ([], (9, 9), (0.1, 0.2), "unknown kind"),
        ("boxes", (9, 9), (0.3, 0.2), r"area must be a range within 0 and 1, got \(0.3, 0.2\)"),
        ("boxes", (9, 9), (0.3, 1.2), "area must be a range"),
        ("boxes", (1, 1), (0.3, 0.4), "1000 draws of boxes cover 0.000 of 1x1, expected 0.3 to 0.4"),
    ],
)
def test_draw_says_what_is_wrong(kinds, shape, area, message):
    with pytest.raises(ValueError, match=message):
        masks.draw(kinds, shape, np.random.default_rng(0), area=area)


@pytest.mark.parametrize("kind", masks.BENCHMARKS)
def test_benchmark_sets_have_their_area_and_differ_by_seed(kind):
    low, high = masks.BENCHMARKS[kind][1]
    first, again, other = (masks.benchmark(kind, (250, 250), seed) for seed in (0, 0, 1))
    assert low <= (first > 0).mean() <= high
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_an_unknown_benchmark_is_refused():
    with pytest.raises(ValueError, match="unknown set of masks 'thick', expected one of thin, medium, large"):
        masks.benchmark("thick", (9, 9), 0)


def _saved(tmp_path, array, name="mask.png", **options):
    path = tmp_path / name
    Image.fromarray(array).save(path, **options)
    return path


def test_load_takes_what_is_above_half(tmp_path):
    grey = np.array([[0, 127, 128, 255]], np.uint8)
    assert masks.load(_saved(tmp_path, grey), (1, 4)).tolist() == [[0, 0, 255, 255]]
    wide = np.array([[0, 32767, 32768, 65535]], np.uint16)
    assert masks.load(_saved(tmp_path, wide)).tolist() == [[0, 0, 255, 255]]
    bits = np.array([[False, True]])
    assert masks.load(_saved(tmp_path, bits)).tolist() == [[0, 255]]
    red = np.array([[[0, 0, 0], [255, 0, 0]]], np.uint8)
    assert masks.load(_saved(tmp_path, red)).tolist() == [[0, 255]]


def test_load_is_not_fooled_by_the_ringing_of_jpeg(tmp_path):
    drawn = masks.boxes((64, 96), rng=np.random.default_rng(0), count=(1, 1), size=(0.3, 0.4))
    path = _saved(tmp_path, drawn, "mask.jpg", quality=50)
    with Image.open(path) as file:
        assert not np.array_equal(np.asarray(file) != 0, drawn != 0)
    assert np.array_equal(masks.load(path), drawn)


def test_load_reads_one_colour_painted_on_a_transparent_layer(tmp_path):
    layer = np.zeros((1, 3, 4), np.uint8)
    layer[0, 1, 3] = 255
    assert masks.load(_saved(tmp_path, layer)).tolist() == [[0, 255, 0]]
    layer[0, 2, :3] = 255  # now the colours say it, and alpha does not count
    assert masks.load(_saved(tmp_path, layer)).tolist() == [[0, 0, 255]]


def test_load_applies_the_orientation(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # the top row is shown at the right
    path = _saved(tmp_path, np.array([[255, 0, 0]], np.uint8), exif=exif)
    assert masks.load(path, (3, 1)).tolist() == [[255], [0], [0]]


def test_load_names_both_sizes(tmp_path):
    path = _saved(tmp_path, np.zeros((2, 3), np.uint8))
    with pytest.raises(ValueError, match=r"mask.png is 3x2 pixels, the photograph 5x4 \(width x height\)"):
        masks.load(path, (4, 5))
    with pytest.raises(ValueError, match="the mask is 3x2 pixels"):
        masks.load(path.read_bytes(), (4, 5))


def test_load_refuses_a_mask_of_zeros_and_ones(tmp_path):
    with pytest.raises(ValueError, match=r"no pixel above half of its range: its largest value is 1, half is 127\.5"):
        masks.load(_saved(tmp_path, np.array([[0, 1]], np.uint8)))
    assert not masks.load(_saved(tmp_path, np.zeros((2, 2), np.uint8))).any()


def test_load_passes_on_what_the_reader_says(tmp_path):
    from restore.image import ImageError

    path = tmp_path / "mask.png"
    path.write_bytes(b"no picture")
    with pytest.raises(ImageError):
        masks.load(path)


@pytest.mark.parametrize("dtype", [bool, np.uint8, np.int64, np.float32])
def test_check_takes_non_zero_as_repair(dtype):
    mask = np.array([[0, 1, 0]], dtype)
    for array in (mask, mask[..., None]):
        checked = masks.check(array, (1, 3))
        assert checked.dtype == bool
        assert checked.tolist() == [[False, True, False]]
    assert masks.check(np.array([[0.0, 0.1]]), (1, 2)).tolist() == [[False, True]]


@pytest.mark.parametrize(
    ("mask", "message"),
    [
        (np.zeros((2, 3)), "the mask is 3x2 pixels, the picture 5x4"),
        (np.zeros((4, 5, 3)), r"got float64 of shape \(4, 5, 3\)"),
        (np.zeros(5), r"got float64 of shape \(5,\)"),
        (np.full((4, 5), "x"), r"a mask is an \(H, W\) array of bool, integers or floats, got <U1"),
    ],
)
def test_check_says_what_is_wrong(mask, message):
    with pytest.raises(ValueError, match=message):
        masks.check(mask, (4, 5))


def test_a_mask_may_be_as_large_as_its_photograph(tmp_path, monkeypatch):
    monkeypatch.setattr(image, "DEFAULT_MAX_PIXELS", 10)
    Image.fromarray(np.full((5, 5), 255, np.uint8)).save(tmp_path / "mask.png")
    assert masks.load(tmp_path / "mask.png", (5, 5)).all()
    with pytest.raises(image.ImageError):
        masks.load(tmp_path / "mask.png")
