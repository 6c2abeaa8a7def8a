"""The quantisation tables against those of Pillow's files."""

import io

import numpy as np
import pytest
import torch
from PIL import Image

from restore.degrade.jpeg import quantization_table as of_tensors
from restore.jpeg_tables import CHROMINANCE, LUMINANCE, QUALITIES, level, quantization_table
from restore.tasks.dejpeg import level_of


def test_tables_are_those_of_pillows_files() -> None:
    tables = quantization_table(QUALITIES)
    assert tables.shape == (100, 2, 8, 8)
    for quality, ours in zip(QUALITIES.tolist(), tables.reshape(100, 2, 64).tolist(), strict=True):
        file = io.BytesIO()
        Image.new("RGB", (8, 8)).save(file, "JPEG", quality=quality)
        theirs = Image.open(file).quantization
        assert ours == [theirs[0], theirs[1]]
    np.testing.assert_array_equal(tables[49], [LUMINANCE, CHROMINANCE])


def test_one_number_gives_one_pair_and_what_lies_outside_is_clipped() -> None:
    np.testing.assert_array_equal(quantization_table(75), quantization_table([[75]])[0, 0])
    np.testing.assert_array_equal(quantization_table([-3, 0, 101]), quantization_table([1, 1, 100]))


def test_those_of_tensors_are_the_same() -> None:
    ours = of_tensors(torch.arange(1, 101))
    assert ours.dtype == torch.int32
    np.testing.assert_array_equal(ours, quantization_table(QUALITIES))


def test_a_network_hears_of_a_quality_what_it_heard_in_training() -> None:
    heard = level(torch.arange(1.0, 101))
    assert heard.tolist() == pytest.approx([level_of(quality) for quality in range(1, 101)])
    assert float(heard.min()) > 0
