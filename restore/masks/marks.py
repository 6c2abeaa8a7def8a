"""Small marks: writing, specks."""

import cv2
import numpy as np

from restore.masks.base import Count, Range, Shape, canvas, ribbon


def text(shape: Shape, *, rng: np.random.Generator, count: Count = (1, 2), size: Range = (0.03, 0.06)) -> np.ndarray:
    """Random words in the fonts of OpenCV, as captions and date stamps.

    Args:
        shape: (H, W).
        rng: where the numbers come from.
        count: fewest and most words.
        size: smallest and largest height of the letters; never under 6 pixels.

    Returns:
        (H, W) uint8, 0 or 255.

    >>> text((32, 48), rng=np.random.default_rng(0)).shape
    (32, 48)
    """
    mask = canvas(shape)
    letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
    for _ in range(rng.integers(count[0], count[1], endpoint=True)):
        word = "".join(letters[i] for i in rng.integers(0, len(letters), rng.integers(3, 12)))
        height = max(6.0, min(shape) * rng.uniform(*size))
        font = int(rng.choice([cv2.FONT_HERSHEY_SIMPLEX, cv2.FONT_HERSHEY_DUPLEX, cv2.FONT_HERSHEY_COMPLEX, cv2.FONT_HERSHEY_TRIPLEX]))
        weight = max(1, round(height / 12))
        scale = height / 22  # capitals of these fonts are about 22 pixels high at scale 1
        (width, _), _ = cv2.getTextSize(word, font, scale, weight)
        x = int(rng.uniform(-width / 3, max(1, shape[1] - width * 2 / 3)))
        y = int(rng.uniform(height / 2, shape[0] + height / 2))
        cv2.putText(mask, word, (x, y), font, scale, 255, weight)
    return np.where(mask > 127, np.uint8(255), np.uint8(0))  # OpenCV 5 smooths the letters' edges


def dust(shape: Shape, *, rng: np.random.Generator, count: Count = (5, 30), size: Range = (0.001, 0.012), hairs: float = 0.1) -> np.ndarray:
    """Specks, most of them tiny, and a few curved hairs.

    Args:
        shape: (H, W).
        rng: where the numbers come from.
        count: fewest and most specks.
        size: smallest and largest half axis of a speck.
        hairs: share of the hairs, 0 to 1.

    Returns:
        (H, W) uint8, 0 or 255.

    >>> dust((32, 48), rng=np.random.default_rng(0)).shape
    (32, 48)
    """
    mask = canvas(shape)
    side, number = min(shape), int(rng.integers(count[0], count[1], endpoint=True))
    numbers = rng.uniform(0, 1, (number, 6))
    for x, y, a, b, angle, kind in numbers:
        centre = int(x * shape[1]), int(y * shape[0])
        axes = [round(side * (size[0] + part**3 * (size[1] - size[0]))) for part in (a, b)]  # most are tiny
        if kind < hairs:
            radius = 3 + round(side * 0.1 * a)
            cv2.ellipse(mask, centre, (radius, max(1, round(radius * b))), angle * 360, 0, 40 + 140 * b, 255, 1)
        else:
            cv2.ellipse(mask, centre, axes, angle * 360, 0, 360, 255, -1)
    return mask


def handwriting(
    shape: Shape,
    *,
    rng: np.random.Generator,
    count: Count = (1, 3),
    letters: Count = (3, 16),
    size: Range = (0.02, 0.05),
    width: Range = (0.002, 0.005),
    slant: Range = (0.1, 0.6),
) -> np.ndarray:
    """Scribbled lines of words: loops of a pen that goes up and down while it moves on, heavier downwards.

    Two coupled oscillations whose sizes change from letter to letter (Hollerbach, An Oscillation Theory of Handwriting, 1981).

    Args:
        shape: (H, W).
        rng: where the numbers come from.
        count: fewest and most lines.
        letters: fewest and most letters of a line; the pen is lifted after a fifth of them.
        size: smallest and largest height of the small letters; never under 3 pixels.
        width: thinnest and widest line; never under a pixel.
        slant: least and most that letters lean to the right, as a share of their height.

    Returns:
        (H, W) uint8, 0 or 255.

    >>> handwriting((32, 48), rng=np.random.default_rng(0)).shape
    (32, 48)
    """
    mask, side = canvas(shape), min(shape)
    for _ in range(rng.integers(count[0], count[1], endpoint=True)):
        tall, pen, lean, tilt = max(3.0, side * rng.uniform(*size)), side * rng.uniform(*width), rng.uniform(*slant), rng.normal(0, 0.06)
        beats = 2 * int(rng.integers(letters[0], letters[1], endpoint=True)) + 1
        extremes = np.where(np.arange(beats) % 2, 1.0, 0.0) * rng.normal(1, 0.12, beats)
        kinds = rng.uniform(0, 1, beats)
        extremes[(np.arange(beats) % 2 == 1) & (kinds < 0.25)] = rng.uniform(1.9, 2.4)
        extremes[(np.arange(beats) % 2 == 0) & (kinds < 0.12)] = -rng.uniform(0.8, 1.2)
        time = np.linspace(0, beats - 1, 10 * (beats - 1) + 1)
        before, part = np.minimum(time.astype(int), beats - 2), time - np.minimum(time.astype(int), beats - 2)
        up = extremes[before] + (extremes[before + 1] - extremes[before]) * (1 - np.cos(np.pi * part)) / 2
        loops, phases = (np.interp(time, np.arange(beats), rng.uniform(*limits, beats)) for limits in ((0.15, 0.55), (-0.5, 1.3)))
        lifted = (np.arange(beats) % 2 == 0) & (rng.uniform(0, 1, beats) < 0.2)
        advance = 0.45 * np.cumsum(rng.uniform(0.6, 1.3, beats) + 2 * np.roll(lifted, 1))
        on = np.interp(time, np.arange(beats), advance) + loops * np.sin(np.pi * time + phases)
        x, y = tall * (on + lean * up), -tall * up
        start = rng.uniform((-0.3, 0), 1) * shape[::-1]
        points = start + np.stack([x * np.cos(tilt) - y * np.sin(tilt), x * np.sin(tilt) + y * np.cos(tilt)], 1)
        half = (pen * (0.6 + 0.4 * np.tanh(np.gradient(y) / tall * 8)) / 2 - 0.5).clip(0)
        for beat in np.flatnonzero(~lifted[:-1]):
            stroke = slice(10 * beat, 10 * beat + 11)
            ribbon(mask, points[stroke], half[stroke], half[stroke])
    return mask
