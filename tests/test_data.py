import io
import tarfile

import numpy as np
import pytest
import torch
from PIL import Image

from restore import data


def picture(value, size=(80, 100)):
    rng = np.random.default_rng(value)
    return rng.integers(0, 256, (*size, 3), np.uint8)


def encoded(array):
    buffer = io.BytesIO()
    Image.fromarray(array).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.fixture
def shards(tmp_path):
    rows = ["file\tsource\tlicence\tw\th\tsrc_jpeg_q\tnoise\ttier\tshard"]
    licences = ["MIT", "none stated", "non-commercial research (upstream)", "CC0"]
    for shard in ("train-000", "train-006"):
        with tarfile.open(tmp_path / f"{shard}.tar", "w") as tar:
            for i, licence in enumerate(licences):
                content = encoded(picture(i + (10 if shard == "train-006" else 0)))
                info = tarfile.TarInfo(f"{shard}-{i}.png")
                info.size = len(content)
                tar.addfile(info, io.BytesIO(content))
                rows.append(f"{shard}-{i}.png\tx\t{licence}\t100\t80\t90\t0.1\t1\t{shard}")
    (tmp_path / "manifest.tsv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    return tmp_path


def test_open_licences_only_and_validation_apart(shards):
    training, held_out = data.load(shards)
    assert [int(p.sum()) for p in training] == [int(picture(i).sum()) for i in (0, 3)]
    assert [int(p.sum()) for p in held_out] == [int(picture(i + 10).sum()) for i in range(4)]


def test_any_licence(shards):
    training, _ = data.load(shards, licence="any")
    assert len(training) == 4
    with pytest.raises(ValueError, match="licence 'free' is unknown; expected 'open' or 'any'"):
        data.load(shards, licence="free")


def test_a_folder_of_pictures(tmp_path):
    (tmp_path / "deep").mkdir()
    for i in range(12):
        (tmp_path / "deep" / f"{i:02}.PNG").write_bytes(encoded(picture(i)))
    (tmp_path / "small.png").write_bytes(encoded(picture(0, (20, 20))))
    (tmp_path / "notes.txt").write_text("no picture")
    training, held_out = data.load(tmp_path)
    assert (len(training), len(held_out)) == (10, 2)


def test_a_broken_picture_is_named(tmp_path):
    (tmp_path / "broken.jpg").write_bytes(b"\xff\xd8\xff nothing")
    with pytest.raises(ValueError, match="broken.jpg cannot be read as a picture"):
        data.load(tmp_path)


def test_nothing_to_train_on(tmp_path):
    with pytest.raises(ValueError, match="0 photographs to train on and 0 to validate with in .*; expected some of each"):
        data.load(tmp_path)


def test_crops_come_from_the_photographs_and_depend_on_the_generator_alone():
    photo = np.arange(40 * 50 * 3, dtype=np.uint16).astype(np.uint8).reshape(40, 50, 3)
    crops = data.Crops([photo, np.zeros((8, 8, 3), np.uint8)], 16)
    drawn = crops.draw(np.random.default_rng(3), range(20))
    assert torch.equal(drawn, crops.draw(np.random.default_rng(3), range(20)))
    assert not torch.equal(drawn, crops.draw(np.random.default_rng(4), range(20)))
    windows = np.lib.stride_tricks.sliding_window_view(photo, (16, 16, 3))[:, :, 0]
    for crop in (drawn.permute(0, 2, 3, 1).numpy() * 255).round().astype(np.uint8):
        forms = [np.rot90(c, k) for c in (crop, crop[:, ::-1]) for k in range(4)]
        assert any((windows == form).all((-3, -2, -1)).any() for form in forms)


def test_no_photograph_holds_a_crop():
    with pytest.raises(ValueError, match="no photograph of 1 holds a crop of 16x16"):
        data.Crops([np.zeros((8, 8, 3), np.uint8)], 16)
