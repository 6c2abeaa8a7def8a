import io
import pickle
import zlib

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.ndimage import binary_dilation
from skimage import data
from skimage.metrics import peak_signal_noise_ratio

from restore import augment, masks
from restore.augment import A, Degrade, DrawMask, unite
from restore.degrade import DEGRADATIONS, NAMES, apply, degrade, old_photograph
from restore.degrade.arrays import find
from restore.draws import Draws
from restore.image import ImageError
from restore.levels import from_float, to_float

PHOTO = data.astronaut()[60:124, 180:252]
GREY = PHOTO[..., 1]
ZEROS = np.zeros(GREY.shape, np.uint8)
TARGETS = {"damage": "mask"}
MARKING = [name for name, row in DEGRADATIONS.items() if row.mask]
CODECS = [name for name, row in DEGRADATIONS.items() if row.array]


def deep(photo=PHOTO):
    return photo.astype(np.uint16) * 257


@pytest.mark.parametrize("name", NAMES)
def test_every_row_composes_and_the_seed_decides(name):
    def run(seed, image):
        steps = [Degrade(name, severity=(0.6, 0.9), p=1)]
        return A.Compose(steps, additional_targets=TARGETS, seed=seed)(image=image.copy(), damage=ZEROS)

    for image in (PHOTO, deep(GREY)[..., None], to_float(GREY)):
        once, again = run(3, image), run(3, image)
        result = once["image"]
        assert (result.shape, result.dtype, once["damage"].dtype) == (image.shape, image.dtype, np.uint8)
        assert set(np.unique(once["damage"])) <= {0, 255}
        assert result.tobytes() == again["image"].tobytes()
        assert once["damage"].tobytes() == again["damage"].tobytes()
        assert not np.array_equal(result, image)
        assert 0 <= result.min() <= result.max() <= (1 if image.dtype == np.float32 else np.iinfo(image.dtype).max)
        assert once["damage"].any() == (name in MARKING) or name == "old_photograph"


def test_another_seed_is_another_picture():
    pictures = [A.Compose([Degrade("gaussian_noise", p=1)], seed=seed)(image=PHOTO)["image"] for seed in range(3)]
    again = A.Compose([Degrade("gaussian_noise", p=1)], seed=0)
    pictures += [again(image=PHOTO)["image"], again(image=PHOTO)["image"]]
    np.testing.assert_array_equal(pictures[0], pictures[3])
    assert len({picture.tobytes() for picture in pictures}) == 4


@pytest.mark.parametrize("image", [PHOTO, GREY, deep(), to_float(PHOTO)[:40, :30]], ids=["uint8", "grey", "uint16", "float32"])
@pytest.mark.parametrize("name", DEGRADATIONS)
def test_it_is_the_table(name, image):
    """Against the tensor form, or the real codec, with the numbers that albumentations says it has drawn."""
    result = A.Compose([Degrade(name, p=1)], seed=5, save_applied_params=True)(image=image)
    drawn = result["applied_transforms"][0][1]
    row, x = DEGRADATIONS[name], torch.from_numpy(np.atleast_3d(to_float(image)).transpose(2, 0, 1)[None].copy())
    parameters = row.draw(Draws(drawn["seed"], [0]), x.shape, drawn["severity"])
    if name == "jpeg" and image.dtype == np.uint8:
        file = io.BytesIO()
        words = {"subsampling": int(parameters["subsampling"].item())} if image.ndim == 3 else {}
        Image.fromarray(image).save(file, "JPEG", quality=round(parameters["quality"].item()), **words)
        expected = np.array(Image.open(file))
    elif name == "webp" and image.dtype == np.uint8:
        file = io.BytesIO()
        Image.fromarray(image).save(file, "WEBP", quality=round(parameters["quality"].item()))
        expected = np.array(Image.open(file).convert("L" if image.ndim == 2 else "RGB"))
    else:
        after = apply(name, x, parameters)[0].permute(1, 2, 0).numpy().clip(0, 1).reshape(image.shape)
        expected = from_float(after, image.dtype)
    difference = np.abs(result["image"].astype(np.float64) - expected)
    assert difference.max() <= (1 if name in CODECS and image.dtype == np.uint8 else 0)


class Photos(torch.utils.data.Dataset):
    """Digests of one photograph, damaged anew each time."""

    def __init__(self, transform):
        self.transform = transform

    def __len__(self):
        return 6

    def __getitem__(self, index):
        return zlib.crc32(self.transform(image=PHOTO)["image"])


def test_workers_draw_apart_and_so_do_epochs():
    def two_epochs(seed):
        transform = A.Compose([A.HorizontalFlip(), Degrade("gaussian_noise", p=1)], seed=0)
        photos = torch.utils.data.Subset(Photos(transform), range(6))
        generator = torch.Generator().manual_seed(seed)
        loader = torch.utils.data.DataLoader(photos, num_workers=2, worker_init_fn=augment.seed_worker, generator=generator)
        return [digest.item() for _ in range(2) for digest in loader]

    first = two_epochs(0)
    assert len(set(first)) == 12
    assert two_epochs(0) == first
    assert not set(two_epochs(1)) & set(first)


def test_a_worker_without_a_transform_says_so():
    loader = torch.utils.data.DataLoader(Photos(None), num_workers=1, worker_init_fn=augment.seed_worker)
    with pytest.raises(ValueError, match="worker 0 finds no transform; .* in a worker of a DataLoader"):
        next(iter(loader))


def test_codecs_leave_256_levels_in_deeper_pictures_and_others_more():
    assert (degrade(deep(), "jpeg", 0, 0.5)[0] % 257 == 0).all()
    assert len(np.unique(degrade(deep(), "gaussian_blur", 0, 0.5)[0])) > 2000


def test_alpha_stays():
    alpha = np.arange(GREY.size, dtype=np.uint8).reshape(GREY.shape)
    for colours in (PHOTO, GREY[..., None]):
        image = np.dstack([colours, alpha])
        result = Degrade("speckle", (1, 1), p=1)(image=image)["image"]
        np.testing.assert_array_equal(result[..., -1], alpha)
        assert (result[..., :-1] != colours).any()


def test_floats_are_clipped_as_albumentations_does():
    image = np.linspace(-1, 2, 60, dtype=np.float32).reshape(6, 10)
    noisy = A.Compose([Degrade("gaussian_noise", (1, 1), p=1)], seed=0)(image=image)["image"]
    assert (noisy.min(), noisy.max()) == (0, 1)
    np.testing.assert_array_equal(noisy, A.Compose([Degrade("gaussian_noise", (1, 1), p=1)], seed=0)(image=image.clip(0, 1))["image"])


@pytest.mark.parametrize("name", ["gaussian_noise", "scratches", "motion_blur", "jpeg", "double_jpeg", "webp", "fading", "old_photograph"])
def test_psnr_falls_with_severity(name):
    def quality(severity):
        return peak_signal_noise_ratio(PHOTO, A.Compose([Degrade(name, (severity, severity), p=1)], seed=1)(image=PHOTO)["image"])

    values = [quality(severity) for severity in (0, 0.25, 0.5, 0.75, 1)]
    assert values == sorted(values, reverse=True)
    assert values[0] > values[-1] + 1


def test_masks_keypoints_and_boxes_stay_and_p_0_does_nothing():
    given = {
        "image": PHOTO,
        "mask": GREY,
        "masks": [GREY, 255 - GREY],
        "keypoints": np.array([[3.5, 4.25], [70, 60]], np.float32),
        "bboxes": np.array([[5, 6, 40, 50]], np.float32),
        "labels": [1],
    }
    words = {"keypoint_params": A.KeypointParams("xy"), "bbox_params": A.BboxParams("pascal_voc", label_fields=["labels"])}
    result = A.Compose([Degrade("tears", (1, 1), p=1), A.NoOp(), Degrade("jpeg", p=1)], **words)(**given)
    assert (result["image"] != PHOTO).any()
    for key in ("mask", "masks", "keypoints", "bboxes"):
        np.testing.assert_allclose(result[key], given[key], rtol=1e-6)
    result = A.Compose([Degrade("tears", p=0), DrawMask("boxes", fill=0, p=0)], additional_targets=TARGETS)(image=PHOTO, damage=ZEROS)
    np.testing.assert_array_equal(result["image"], PHOTO)
    assert not result["damage"].any()


# what is beyond repair


@pytest.mark.parametrize("name", ["scratches", "film_scratches", "dust", "text", "handwriting", "tears", "flakes"])
def test_damage_is_where_the_picture_changed(name):
    result = A.Compose([Degrade(name, (1, 1), p=1)], seed=2)(image=PHOTO, damage=ZEROS)
    change = np.abs(result["image"].astype(int) - PHOTO).max(2)
    changed = change > 8
    marked = result["damage"] > 0
    assert changed.any()
    assert marked[changed].all()
    if "opacity" in DEGRADATIONS[name].parameters:
        assert binary_dilation(change >= 8, np.ones((3, 3)))[marked].all()
    np.testing.assert_array_equal(result["image"][~marked], PHOTO[~marked])


@pytest.mark.parametrize(("name", "times"), [("jpeg", 1), ("gaussian_blur", 2), ("dust", 2), ("old_photograph", 2)])
def test_what_marks_nothing_is_done_once(monkeypatch, name, times):
    done, real = [], augment.degrade
    monkeypatch.setattr(augment, "degrade", lambda *given, **named: done.append(name) or real(*given, **named))
    given = ZEROS.copy()
    given[10:20, 30:40] = 7
    marked = Degrade(name, p=1)(image=PHOTO, damage=given)["damage"]
    assert len(done) == times
    assert (marked[given > 0] == 255).all()


def test_damage_of_an_old_photograph_is_that_of_the_composition():
    result = A.Compose([Degrade("old_photograph", p=1)], seed=4, save_applied_params=True)(image=PHOTO, damage=ZEROS)
    drawn = result["applied_transforms"][0][1]
    x = torch.from_numpy(to_float(PHOTO).transpose(2, 0, 1)[None].copy())
    _, after, marked = old_photograph(x, Draws(drawn["seed"], [0]), severity=drawn["severity"])
    np.testing.assert_array_equal(result["image"], from_float(after[0].permute(1, 2, 0).numpy(), np.uint8))
    np.testing.assert_array_equal(result["damage"] > 0, marked[0, 0].numpy() > 0)


def test_damage_is_united_moved_and_spread():
    given = ZEROS.copy()
    given[40:44, 20:24] = 7
    steps = [Degrade("scratches", (1, 1), p=1)]
    alone = A.Compose(steps, additional_targets=TARGETS, seed=6)(image=PHOTO, damage=ZEROS)
    both = A.Compose([*steps, A.HorizontalFlip(p=1)], additional_targets=TARGETS, seed=6)(image=PHOTO, damage=given)
    np.testing.assert_array_equal(both["image"], alone["image"][:, ::-1])
    np.testing.assert_array_equal(both["damage"], np.where(given > 0, 255, alone["damage"])[:, ::-1])
    assert not alone["damage"][given > 0].all()
    for name, larger in (("gaussian_blur", True), ("defocus", True), ("gaussian_noise", False)):
        spread = Degrade(name, (0.3, 0.3), p=1)(image=PHOTO, damage=given)["damage"]
        assert (spread[given > 0] > 0).all()
        assert ((spread > 0).sum() > 16) == larger


@pytest.mark.parametrize(("dtype", "white"), [(bool, True), (np.uint8, 255), (np.uint16, 65535), (np.float32, 1)])
@pytest.mark.parametrize("shape", [GREY.shape, (*GREY.shape, 1)])
def test_damage_keeps_its_type_and_shape(dtype, white, shape):
    marked = Degrade("scratches", (1, 1), p=1)(image=PHOTO, damage=np.zeros(shape, dtype))["damage"]
    assert (marked.dtype, marked.shape) == (dtype, shape)
    assert set(np.unique(marked)) == {dtype(0), dtype(white)}


def test_several_images_get_the_same_damage():
    both = A.Compose([Degrade("grey_noise", p=1)], additional_targets={"other": "image"}, seed=0)(image=GREY, other=GREY)
    np.testing.assert_array_equal(both["image"], both["other"])
    colour = A.Compose([Degrade("gaussian_noise", p=1)], additional_targets={"other": "image"}, seed=0)(image=PHOTO, other=GREY)
    assert (colour["image"].shape, colour["other"].shape) == (PHOTO.shape, GREY.shape)
    stack = Degrade("scratches", (1, 1), p=1)(images=np.stack([PHOTO, PHOTO]))["images"]
    np.testing.assert_array_equal(stack[0], stack[1])
    assert (stack[0] != PHOTO).any()


# kept and replayed

STEPS = [
    Degrade("gaussian_blur", (0.1, 0.4), ranges={"ratio": (0.5, 0.6)}, p=0.7),
    A.OneOf([Degrade("scratches", p=0.5), DrawMask(["strokes", "dust"], (0.1, 0.2), fill=0.5)], p=0.9),
    DrawMask("boxes", p=0.5),
    Degrade("jpeg", ranges={"quality": (50, 20)}),
]


@pytest.mark.parametrize("form", ["json", "yaml"])
def test_what_is_saved_does_the_same(tmp_path, form):
    first = A.Compose(STEPS, additional_targets=TARGETS)
    A.save(first, tmp_path / "steps", data_format=form)
    second = A.load(tmp_path / "steps", data_format=form)
    third = A.from_dict(A.to_dict(first))
    assert A.to_dict(third) == A.to_dict(first)
    for seed in range(6):
        results = []
        for steps in (first, second, third, pickle.loads(pickle.dumps(first))):
            steps.set_random_seed(seed)
            results.append(steps(image=PHOTO, damage=ZEROS))
        for result in results[1:]:
            assert result["image"].tobytes() == results[0]["image"].tobytes()
            assert result["damage"].tobytes() == results[0]["damage"].tobytes()


def test_replay():
    steps = A.ReplayCompose(STEPS, additional_targets=TARGETS)
    for _ in range(4):
        first = steps(image=PHOTO, damage=ZEROS)
        again = A.ReplayCompose.replay(first["replay"], image=PHOTO, damage=ZEROS)
        np.testing.assert_array_equal(first["image"], again["image"])
        np.testing.assert_array_equal(first["damage"], again["damage"])


def test_a_range_narrows_what_is_drawn():
    row = find("jpeg", {"quality": (40, 30), "subsampling": (2, 2)})
    drawn = row.draw(Draws(0, range(50)), (50, 3, 8, 8))
    assert 30 <= drawn["quality"].min() <= drawn["quality"].max() <= 40
    assert (drawn["subsampling"] == 2).all()
    assert DEGRADATIONS["jpeg"].parameters["quality"].high == 5


# masks


@pytest.mark.parametrize("kind", masks.MASKS)
def test_every_kind_is_drawn(kind):
    steps = A.Compose([DrawMask(kind, (0.02, 0.6))], additional_targets=TARGETS, seed=8, strict=True)
    result, again = steps(image=PHOTO, damage=ZEROS), steps(image=PHOTO, damage=ZEROS)
    assert result["image"] is not None
    np.testing.assert_array_equal(result["image"], PHOTO)
    assert set(np.unique(result["damage"])) == {0, 255}
    assert 0.02 <= (result["damage"] > 0).mean() <= 0.6
    assert (result["damage"] != again["damage"]).any()
    steps.set_random_seed(8)
    np.testing.assert_array_equal(steps(image=PHOTO, damage=ZEROS)["damage"], result["damage"])


@pytest.mark.parametrize(("dtype", "grey"), [(np.uint8, 64), (np.uint16, 16384), (np.float32, 0.25)])
def test_the_hole_is_filled_and_nothing_else(dtype, grey):
    photo = from_float(to_float(np.dstack([PHOTO, GREY])), dtype)
    result = DrawMask("boxes", (0.1, 0.3), fill=0.25)(image=photo, damage=ZEROS)
    hole = result["damage"] > 0
    assert result["image"].dtype == dtype
    assert (result["image"][hole][:, :3] == dtype(grey)).all()
    np.testing.assert_array_equal(result["image"][~hole], photo[~hole])
    np.testing.assert_array_equal(result["image"][..., 3], photo[..., 3])
    alone = DrawMask("boxes", (0.1, 0.3), fill=1)(image=GREY)["image"]
    assert 0.1 <= (alone == 255).mean() <= 0.31


# what is refused


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: Degrade("scratch"), r"'scratch' is no degradation; expected one of gaussian_noise, .*, old_photograph"),
        (lambda: Degrade("jpeg", (0.2, 1.5)), r"severity is \(0.2, 1.5\); expected two numbers from 0 to 1, the smaller one first"),
        (lambda: Degrade("jpeg", (0.5, 0.2)), r"severity is \(0.5, 0.2\)"),
        (lambda: Degrade("jpeg", (0.5,)), r"severity is \(0.5,\)"),
        (lambda: Degrade("jpeg", 0.5), "severity is 0.5; expected two numbers from 0 to 1"),
        (lambda: Degrade("jpeg", p=2), "p is 2; expected a number from 0 to 1"),
        (lambda: Degrade("jpeg", ranges={"size": (1, 2)}), "jpeg draws no 'size' from a range; expected quality or subsampling"),
        (lambda: Degrade("jpeg", ranges={"quality": (1, 50)}), r"range of quality of jpeg is \(1, 50\); expected two .* 5 and 95"),
        (lambda: Degrade("jpeg", ranges={"quality": (50,)}), r"range of quality of jpeg is \(50,\)"),
        (lambda: Degrade("jpeg", ranges={"quality": 50}), "range of quality of jpeg is 50; expected two numbers"),
        (
            lambda: Degrade("jpeg", ranges={"subsampling": (0.5, 1.5)}),
            r"jpeg is \(0.5, 1.5\); expected whole numbers, the smaller first",
        ),
        (lambda: Degrade("jpeg", ranges={"subsampling": (2, 0)}), r"jpeg is \(2, 0\); expected whole numbers, the smaller first"),
        (lambda: augment.seed_worker(0), "worker 0 finds no transform; expected one in an attribute"),
        (lambda: Degrade("old_photograph", ranges={"size": (1, 2)}), "old_photograph draws no 'size' from a range; expected none"),
        (lambda: DrawMask("holes"), "kinds of masks 'holes'; expected some of strokes, "),
        (lambda: DrawMask([]), r"kinds of masks \[\]; expected some of strokes, "),
        (lambda: DrawMask("boxes", (0.5, 0.2)), r"area is \(0.5, 0.2\); expected two numbers"),
        (lambda: DrawMask("boxes", fill=128), "fill is 128; expected a number from 0 to 1"),
        (lambda: DrawMask("boxes", p=-1), "p is -1; expected a number from 0 to 1"),
        (lambda: DrawMask("boxes")(image=PHOTO), r"a mask is drawn into damage, and that is not passed; expected zeros"),
        (lambda: DrawMask("outpainting", (0.9, 0.9))(image=PHOTO, damage=ZEROS), "1000 draws of outpainting cover"),
        (lambda: Degrade("dust", p=1)(images=PHOTO[None], damage=ZEROS), "damage is marked for one picture; expected image, too"),
        (lambda: Degrade("dust", p=1)(image=PHOTO, damage=ZEROS[1:]), r"damage is of shape \(63, 72\); expected \(64, 72\)"),
        (lambda: Degrade("dust", p=1)(image=PHOTO, damage=PHOTO), r"damage is of shape \(64, 72, 3\)"),
        (lambda: degrade(PHOTO, "dust", 0, 1.5), "severity is 1.5; expected 0 to 1"),
        (lambda: degrade(PHOTO, "dust", 0, 0.5, ranges={"mask": (0, 1)}), "dust draws no 'mask' from a range"),
        (lambda: degrade(PHOTO, "dust", 0, 0.5, mask=ZEROS[1:]), "the mask is 72x63 pixels, the picture 72x64"),
        (lambda: degrade(PHOTO, "dust", -1, 0.5), "seed is -1; expected 0 to"),
        (lambda: degrade(PHOTO, "mud", 0, 0.5), "'mud' is no degradation"),
        (lambda: find("mud"), "'mud' is no degradation"),
        (lambda: augment.span("area", [1]), r"area is \[1\]"),
        (lambda: augment.fraction("p", float("nan")), "p is nan"),
    ],
)
def test_one_line_says_what_is_wrong(make, said):
    with pytest.raises(ValueError, match=said) as error:
        make()
    assert "\n" not in str(error.value)


def test_other_types_and_shapes_are_refused():
    for image in (PHOTO.astype(np.float64), PHOTO.astype(np.int32), np.zeros((8, 8, 5), np.uint8)):
        with pytest.raises(ImageError, match="expected"):
            Degrade("dust", p=1)(image=image)
    with pytest.raises(TypeError, match="pixels of type int64: expected uint8, uint16 or float32"):
        unite(ZEROS.astype(np.int64), ZEROS > 0)
