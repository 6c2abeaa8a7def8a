import math

import cv2
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torchvision.ops import box_iou

from restore import backbones
from restore.backbones.resnet import ResNet
from restore.heads import ClassificationHead, Decoder, DenseHead, DetectionHead, Maps, MultiHead, SegmentationHead, focal, reach
from restore.nn.blocks import BasicBlock
from restore.nn.layers import NORMS

FAMILIES = [next(iter(family.VARIANTS)) for family in backbones.FAMILIES]
SIZES = {"mlp": (28, 28)}
"""Encoder that takes one size only -> that size; the others are shown an odd one."""


def small(**options):
    torch.manual_seed(0)
    return ResNet(BasicBlock, (1, 1, 1, 1), (16, 24, 32, 48), num_classes=0, **options)


class Counted(torch.nn.Module):
    """An encoder that remembers what it was shown."""

    def __init__(self, encoder):
        super().__init__()
        self.normalise, self.encoder, self.seen = encoder.normalise, encoder, []

    def features(self, x):
        self.seen.append(x)
        return self.encoder.features(x)


def all_heads(encoder, **options):
    return {
        "class": ClassificationHead(encoder.channels, 5),
        "segmentation": SegmentationHead(encoder.channels, 4, width=16, **options),
        "depth": DenseHead(encoder.channels, 1, width=16, **options),
        "boxes": DetectionHead(encoder.channels, encoder.reductions, 3, width=16, **options),
    }


def targets(size):
    height, width = size
    return {
        "class": torch.tensor([1, 4]),
        "segmentation": torch.randint(0, 4, (2, *size)),
        "depth": torch.rand(2, 1, *size),
        "boxes": [torch.tensor([[2.0, 3.0, width - 5.0, height - 4.0, 2.0]]), torch.zeros(0, 5)],
    }


@pytest.mark.parametrize("name", FAMILIES)
def test_one_pass_feeds_all_heads_and_learns_from_all(name):
    torch.manual_seed(0)
    encoder = backbones.build(name, num_classes=0)
    counted, size = Counted(encoder), SIZES.get(name, (97, 117))
    net = MultiHead(counted, all_heads(encoder))
    x = torch.rand(2, len(encoder.mean), *size)
    outputs = net(x)
    (seen,) = counted.seen
    mean, std = (torch.tensor(values).reshape(-1, 1, 1) for values in (encoder.mean, encoder.std))
    torch.testing.assert_close(seen * std + mean, x)
    grid = (2, math.ceil(size[0] / 4), math.ceil(size[1] / 4))
    assert outputs["class"].shape == (2, 5)
    assert outputs["segmentation"].shape == (2, 4, *size)
    assert outputs["depth"].shape == (2, 1, *size)
    assert [(len(m), *m.shape[2:]) for m in outputs["boxes"]] == [grid] * 3
    assert [m.shape[1] for m in outputs["boxes"]] == [3, 2, 2]
    first = next(p for p in encoder.parameters() if p.requires_grad)
    for head, loss in net.losses(outputs, targets(size)).items():
        (gradient,) = torch.autograd.grad(loss, first, retain_graph=True)
        assert gradient.abs().sum() > 0, head


@pytest.mark.parametrize("norm", NORMS)
def test_every_norm_and_odd_sizes(norm):
    encoder = small().eval()
    net = MultiHead(encoder, all_heads(encoder, norm=norm)).eval()
    for size in [(64, 64), (65, 79), (96, 67)]:
        outputs = net(torch.rand(1, 3, *size))
        assert outputs["depth"].shape == (1, 1, *size)
        assert outputs["boxes"].heat.shape == (1, 3, math.ceil(size[0] / 4), math.ceil(size[1] / 4))


def test_a_frozen_encoder_stays_while_the_heads_learn():
    encoder = small().freeze()
    net = MultiHead(encoder, all_heads(encoder)).train()
    sum(net.losses(net(torch.rand(2, 3, 64, 64)), targets((64, 64))).values()).backward()
    assert all(p.grad is None for p in encoder.parameters())
    assert all(p.grad is not None for p in net.heads.parameters())


def test_losses_are_of_the_targets_given():
    encoder = small()
    net = MultiHead(encoder, all_heads(encoder))
    outputs = net(torch.rand(2, 3, 64, 64))
    losses = net.losses(outputs, {"class": torch.tensor([0, 1])})
    assert list(losses) == ["class"]
    torch.testing.assert_close(losses["class"], F.cross_entropy(outputs["class"], torch.tensor([0, 1])))
    with pytest.raises(ValueError, match="the target 'normals' has no head; expected some of class, segmentation, depth, boxes"):
        net.losses(outputs, {"normals": torch.zeros(1)})


def test_unknown_pixels_do_not_count():
    dense, segmentation = DenseHead([4], 1), SegmentationHead([4], 2)
    nan = math.nan
    output = torch.tensor([[[[1.0, 5.0], [2.0, 0.0]]]], requires_grad=True)
    loss = dense.loss(output, torch.tensor([[[[3.0, nan], [nan, 1.0]]]]))
    loss.backward()
    assert loss == 1.5
    assert output.grad.tolist() == [[[[-0.5, 0], [0, -0.5]]]]
    assert dense.loss(output, torch.full_like(output, nan)) == 0
    logits, labels = torch.randn(2, 2, 3, 4), torch.randint(0, 2, (2, 3, 4))
    torch.testing.assert_close(segmentation.loss(logits, labels), F.cross_entropy(logits, labels))
    labels[1] = 255
    torch.testing.assert_close(segmentation.loss(logits, labels), F.cross_entropy(logits[:1], labels[:1]))
    assert segmentation.loss(logits, torch.full_like(labels, 255)) == 0


def blank(head, size, *, pictures=1):
    """Maps of the shapes that ``head`` gives for pictures of ``size``."""
    return head([torch.zeros(pictures, 8, 2, 2)], torch.zeros(pictures, 3, *size))


@pytest.mark.parametrize(("size", "stride"), [((64, 96), 4), ((61, 99), 4), ((50, 70), 2), ((65, 130), 8)])
def test_decoding_what_was_encoded_gives_the_boxes(size, stride):
    head = DetectionHead([8], [8], 2, stride=stride)
    rng = np.random.default_rng(0)
    pictures = []
    for _ in range(3):
        boxes = []
        for y in range(10, size[0] - 5, 17):
            for x in range(10, size[1] - 5, 17):  # two steps of the coarsest grid apart
                width, height = rng.uniform(1, 30, 2)
                boxes.append([x - width / 2, y - height / 2, x + width / 2, y + height / 2, rng.integers(2)])
        pictures.append(torch.tensor(boxes, dtype=torch.float32))
    like = blank(head, size, pictures=3)
    maps, centres = head.encode(pictures, like)
    assert [m.shape for m in maps] == [m.shape for m in like]
    boxes, scores, classes = head.decode(maps._replace(heat=torch.logit(maps.heat, 1e-6)), top=len(pictures[0]))
    assert (scores > 0.999).all()
    assert centres.sum((1, 2, 3)).tolist() == [len(pictures[0])] * 3
    for expected, *found in zip(pictures, boxes, classes, strict=True):
        order = box_iou(expected[:, :4], found[0]).argmax(1)
        torch.testing.assert_close(found[0][order], expected[:, :4], atol=1e-3, rtol=0)
        assert found[1][order].tolist() == expected[:, 4].tolist()


def test_heat_is_a_gaussian_around_each_centre_and_the_larger_where_two_meet():
    head = DetectionHead([8], [4], 2)
    boxes = torch.tensor([[8.0, 8.0, 40.0, 40.0, 1.0], [24.0, 16.0, 40.0, 32.0, 1.0]])
    heat = head.encode([boxes], blank(head, (64, 64)))[0].heat[0]
    assert heat[0].abs().sum() == 0
    y, x = np.mgrid[:16, :16]
    large, small = ((2 * reach(s, s) + 1) / 6 for s in (8, 4))
    expected = np.maximum(np.exp(-((x - 6) ** 2 + (y - 6) ** 2) / (2 * large**2)), np.exp(-((x - 8) ** 2 + (y - 6) ** 2) / (2 * small**2)))
    np.testing.assert_allclose(heat[1], expected, atol=1e-6)


@pytest.mark.parametrize(("width", "height", "overlap"), [(10, 10, 0.7), (3, 40, 0.7), (25, 8, 0.5)])
def test_a_box_shifted_by_its_reach_overlaps_as_asked(width, height, overlap):
    r = reach(width, height, overlap=overlap)
    boxes = torch.tensor([[0.0, 0.0, width, height], [r, r, width + r, height + r]])
    assert box_iou(boxes[:1], boxes[1:]).item() == pytest.approx(overlap, abs=1e-5)


def test_focal_by_hand():
    p, wanted = torch.tensor([0.8, 0.3, 0.4]), torch.tensor([1.0, 0.0, 0.5])
    expected = -(0.2**2 * math.log(0.8) + 0.3**2 * math.log(0.7) + 0.5**4 * 0.4**2 * math.log(0.6))
    assert focal(p.logit(), wanted).item() == pytest.approx(expected, rel=1e-5)
    assert torch.isfinite(focal(torch.tensor([-200.0, 200.0]), torch.tensor([1.0, 0.0])))


def test_the_detection_loss_by_hand():
    head = DetectionHead([8], [4], 1)
    boxes = [torch.tensor([[8.0, 8.0, 30.0, 40.0, 0.0], [40.0, 40.0, 60.0, 60.0, 0.0]]), torch.zeros(0, 5)]
    right, _ = head.encode(boxes, blank(head, (64, 64), pictures=2))
    right = right._replace(heat=torch.where(right.heat == 1, 40.0, -40.0))
    assert head.loss(right, boxes).item() == pytest.approx(0, abs=1e-6)
    assert head.loss(right._replace(size=right.size + 1), boxes).item() == pytest.approx(0.1 * 2)
    assert head.loss(right._replace(offset=right.offset - 0.5), boxes).item() == pytest.approx(0.5 * 2)
    heat = right.heat.clone()
    heat[1, 0, 3, 3] = 0  # one cell says 1/2 where nothing is, two boxes
    assert head.loss(right._replace(heat=heat), boxes).item() == pytest.approx(0.25 * math.log(2) / 2, rel=1e-4)


def test_decoding_takes_the_warmest_of_neighbours():
    heat = torch.full((1, 2, 4, 5), -9.0)
    heat[0, 1, 1, 1], heat[0, 1, 1, 2], heat[0, 0, 3, 4] = 2, 1, 0
    size, offset = torch.ones(1, 2, 4, 5), torch.full((1, 2, 4, 5), 0.5)
    head = DetectionHead([8], [4], 2)
    boxes, scores, classes = head.decode(Maps(heat, size, offset), top=2)
    assert boxes.tolist() == [[[4, 4, 8, 8], [16, 12, 20, 16]]]
    assert classes.tolist() == [[1, 0]]
    torch.testing.assert_close(scores, torch.tensor([[2.0, 0.0]]).sigmoid())
    assert head.decode(Maps(heat, size, offset))[0].shape == (1, 40, 4)


def rectangles(count, size):
    """Pictures of filled rectangles, class 0 reddish, class 1 bluish, that do not cover one another: (N, 3, size, size), boxes."""
    rng, pictures, boxes = np.random.default_rng(0), [], []
    for _ in range(count):
        picture, drawn = np.full((size, size, 3), 0.5, np.float32), []
        while len(drawn) < 3:
            width, height = rng.integers(10, 30, 2)
            x, y = rng.integers(0, size - width), rng.integers(0, size - height)
            box = torch.tensor([[x, y, x + width, y + height]])
            if drawn and box_iou(box, torch.tensor(drawn)[:, :4]).max() > 0:
                continue
            label = int(rng.integers(2))
            colour = [(0.9, 0.2, 0.1), (0.1, 0.3, 0.9)][label]
            cv2.rectangle(picture, (int(x), int(y)), (int(x + width) - 1, int(y + height) - 1), colour, -1)
            drawn.append([*box[0].tolist(), label])
        pictures.append(torch.from_numpy(picture).permute(2, 0, 1))
        boxes.append(torch.tensor(drawn, dtype=torch.float32))
    return torch.stack(pictures), boxes


def test_the_detector_learns_a_handful_of_pictures_by_heart():
    x, boxes = rectangles(4, 70)
    encoder = small()
    head = DetectionHead(encoder.channels, encoder.reductions, 2, width=32)
    net = MultiHead(encoder, {"boxes": head}).train()
    optimiser = torch.optim.Adam(net.parameters(), lr=3e-3)
    for _ in range(120):
        loss = net.losses(net(x), {"boxes": boxes})["boxes"]
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    found, scores, classes = head.decode(net(x)["boxes"], top=4)
    for expected, *got in zip(boxes, found, scores, classes, strict=True):
        overlap, best = box_iou(expected[:, :4], got[0]).max(1)
        assert (overlap > 0.7).all()
        assert sorted(best.tolist()) == [0, 1, 2]
        assert got[2][best].tolist() == expected[:, 4].tolist()
        assert got[1][2] > 0.4 > got[1][3]


@pytest.mark.parametrize(
    ("box", "message"),
    [
        ([30, 10, 20, 20, 0], "x0 < x1, y0 < y1"),
        ([10, 20, 30, 20, 0], "x0 < x1, y0 < y1"),
        ([60, 10, 80, 20, 0], "its centre in 64 x 32"),
        ([10, -30, 20, 20, 0], "its centre in 64 x 32"),
        ([10, 10, 20, 20, 2], "a class below 2"),
        ([10, 10, 20, 20, -1], "a class below 2"),
        ([10, 10, 20, 20, 0.5], "a class below 2"),
        ([10, math.nan, 20, 20, 0], "the box is .*nan"),
    ],
)
def test_a_wrong_box_is_named(box, message):
    head = DetectionHead([8], [4], 2)
    with pytest.raises(ValueError, match=message):
        head.encode([torch.tensor([box], dtype=torch.float32)], blank(head, (32, 64)))


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: DetectionHead([8], [4], 2, stride=0), "stride is 0; expected at least 1"),
        (lambda: DetectionHead([8], [4], 0), "0 outputs; expected at least 1"),
        (lambda: DetectionHead([], [], 2), "no channels; expected those of one map or more"),
        (lambda: ClassificationHead([8], 0), "0 outputs; expected at least 1"),
        (lambda: ClassificationHead([], 3), "no channels; expected those of one map or more"),
        (lambda: DenseHead([8], -1), "-1 outputs; expected at least 1"),
        (lambda: SegmentationHead([], 2), "no channels"),
        (lambda: Decoder([]), "no channels; expected those of one map or more"),
        (lambda: MultiHead(small(), {"a.b": ClassificationHead([8], 2)}), "a head is called 'a.b'; expected a name without dots"),
        (lambda: MultiHead(small(), {"type": ClassificationHead([8], 2)}), "a head is called 'type'; expected .* no attribute of a module"),
        (lambda: MultiHead(small(), {"": ClassificationHead([8], 2)}), "a head is called ''"),
    ],
)
def test_a_head_that_cannot_be(build, message):
    with pytest.raises(ValueError, match=message):
        build()


def test_fewer_than_no_boxes():
    head = DetectionHead([8], [4], 2)
    with pytest.raises(ValueError, match="top is -1; expected at least 0"):
        head.decode(blank(head, (32, 32)), top=-1)
    assert head.decode(blank(head, (32, 32)), top=0)[0].shape == (1, 0, 4)


@pytest.mark.parametrize("label", [2, 254, 256, -1, -100])
def test_a_label_outside_of_the_classes(label):
    labels = torch.tensor([[[0, 255, label]]])
    with pytest.raises(ValueError, match=f"the label {label}; expected 0 to 1, or 255 where unknown"):
        SegmentationHead([8], 2).loss(torch.zeros(1, 2, 1, 3), labels)


def test_errors_say_what_came_and_what_was_expected():
    head = DetectionHead([8], [4], 2)
    for boxes in ([torch.zeros(2, 4)], []):
        with pytest.raises(ValueError, match=r"boxes are \[.*\]; expected \(M, 5\) for each of 1 pictures"):
            head.loss(blank(head, (32, 32)), boxes)
    with pytest.raises(ValueError, match="2 reductions came with 1 channels; expected one for each map"):
        DetectionHead([8], [4, 8], 2)
