import gzip
import io
import tarfile

import numpy as np
import pytest
import torch
from PIL import Image

from restore import data
from restore.draws import Draws


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


def test_nothing_to_train_on(tmp_path):
    with pytest.raises(ValueError, match="0 photographs to train on and 0 to validate with in .*; expected some of each"):
        data.load(tmp_path)


@pytest.mark.parametrize("size", [16, 12])
def test_crops_come_from_the_photographs_and_depend_on_the_generator_alone(size):
    photo = np.arange(40 * 50 * 3, dtype=np.uint16).astype(np.uint8).reshape(40, 50, 3)
    crops = data.Crops([photo, np.zeros((8, 8, 3), np.uint8)], 16)
    drawn = crops.draw(Draws(3, range(20)), range(20), size)
    assert torch.equal(drawn, crops.draw(Draws(3, range(20)), range(20), size))
    assert not torch.equal(drawn, crops.draw(Draws(4, range(20)), range(20), size))
    windows = np.lib.stride_tricks.sliding_window_view(photo, (size, size, 3))[:, :, 0]
    for crop in (drawn.permute(0, 2, 3, 1).numpy() * 255).round().astype(np.uint8):
        forms = [np.rot90(c, k) for c in (crop, crop[:, ::-1]) for k in range(4)]
        assert any((windows == form).all((-3, -2, -1)).any() for form in forms)


def test_no_photograph_holds_a_crop():
    with pytest.raises(ValueError, match="no photograph of 1 holds a crop of 16x16"):
        data.Crops([np.zeros((8, 8, 3), np.uint8)], 16)


def idx(array):
    return gzip.compress(
        bytes([0, 0, 8, array.ndim]) + b"".join(n.to_bytes(4, "big") for n in array.shape) + array.astype(np.uint8).tobytes()
    )


@pytest.fixture
def digits(tmp_path):
    rng = np.random.default_rng(0)
    sets = {}
    for split, name, count in (("train", "train", 5020), ("test", "t10k", 7)):
        sets[split] = rng.integers(0, 256, (count, 28, 28)), rng.integers(0, 10, count)
        (tmp_path / f"{name}-images-idx3-ubyte.gz").write_bytes(idx(sets[split][0]))
        (tmp_path / f"{name}-labels-idx1-ubyte.gz").write_bytes(idx(sets[split][1]))
    return tmp_path, sets


def test_mnist_holds_out_the_end_of_the_training_split(digits):
    root, sets = digits
    training, held_out = data.load_labelled(root, channels=1)
    pictures, labels = sets["train"]
    assert (training.pictures.shape, training.pictures.dtype, len(held_out)) == ((20, 28, 28, 1), np.uint8, 5000)
    assert np.array_equal(np.concatenate([training.pictures, held_out.pictures])[..., 0], pictures)
    assert np.array_equal(np.concatenate([training.labels, held_out.labels]), labels)
    test = data.read_labelled(root, "test")
    assert np.array_equal(test.pictures, np.repeat(sets["test"][0][..., None], 3, -1))
    assert (test.labels.tolist(), test.names) == (sets["test"][1].tolist(), tuple("0123456789"))


def test_mnist_that_is_broken_is_named(digits):
    root = digits[0]
    path = root / "t10k-labels-idx1-ubyte.gz"
    whole = gzip.decompress(path.read_bytes())
    for content, message in (
        (b"nothing", "cannot be read: Not a gzipped file"),
        (path.read_bytes()[:-9], "cannot be read: Compressed file ended"),
        (gzip.compress(whole[:-1]), "is not an idx file of bytes, or not whole"),
        (gzip.compress(whole[:5]), "is not an idx file of bytes, or not whole"),
        (gzip.compress(b"\0\0\x0d" + whole[3:]), "is not an idx file of bytes, or not whole"),
        (gzip.compress(b""), "is not an idx file of bytes, or not whole"),
    ):
        path.write_bytes(content)
        with pytest.raises(ValueError, match=rf"t10k-labels-idx1-ubyte\.gz {message}"):
            data.read_labelled(root, "test")
    path.unlink()
    with pytest.raises(ValueError, match=r"t10k-labels-idx1-ubyte\.gz cannot be read: .*No such file"):
        data.read_labelled(root, "test")


def packed(path, pictures, labels, **changes):
    files = [encoded(p) for p in pictures]
    arrays = {}
    for split in ("train", "test"):
        arrays[f"bytes_{split}"] = np.frombuffer(b"".join(files), np.uint8)
        arrays[f"off_{split}"] = np.cumsum([0, *map(len, files)])
        arrays[f"y_{split}"] = np.array(labels, np.uint8)
    np.savez(path, names=np.array(["cat", "dog"]), **{**arrays, **changes})
    return path


def test_packed_pictures(tmp_path):
    pictures = [picture(i, (6, 5)) for i in range(4)]
    path = packed(tmp_path / "set.npz", pictures, [1, 0, 1, 1])
    found = data.read_labelled(path, "train")
    assert np.array_equal(found.pictures, np.stack(pictures))
    assert (found.labels.tolist(), found.names) == ([1, 0, 1, 1], ("cat", "dog"))
    grey = data.read_labelled(path, "test", channels=1).pictures
    weights = np.array([0.299, 0.587, 0.114])
    assert np.abs(grey[..., 0] - np.stack(pictures) @ weights).max() <= 1
    with pytest.raises(ValueError, match="4 labelled pictures in .*; expected some to train on and some to validate with"):
        data.load_labelled(path)


def test_packed_pictures_that_are_broken(tmp_path):
    pictures = [picture(i, (6, 5)) for i in range(4)]
    with pytest.raises(ValueError, match=r"4 pictures and labels \[1, 0, 1\]... \(3\); expected one label for each, from 0 to 1"):
        data.read_labelled(packed(tmp_path / "a.npz", pictures, [1, 0, 1]), "train")
    with pytest.raises(ValueError, match=r"4 pictures and labels \[1, 0, 2\]... \(4\); expected one label for each, from 0 to 1"):
        data.read_labelled(packed(tmp_path / "a.npz", pictures, [1, 0, 2, 1]), "train")
    with pytest.raises(ValueError, match="holds 2 pictures; expected some, of one size"):
        data.read_labelled(packed(tmp_path / "b.npz", [pictures[0], picture(1)], [1, 0]), "train")
    np.savez(tmp_path / "c.npz", names=np.array(["cat"]))
    (tmp_path / "d.npz").write_bytes(b"nothing")
    with (tmp_path / "f.npz").open("wb") as file:
        np.save(file, np.zeros(3))
    for name in ("c", "d", "e", "f"):
        with pytest.raises(ValueError, match=rf"{name}\.npz cannot be read as packed pictures: "):
            data.read_labelled(tmp_path / f"{name}.npz", "train")


def test_a_folder_for_each_class(tmp_path):
    for name, count in (("cat", 11), ("dog", 9), ("empty", 0)):
        (tmp_path / "train" / name).mkdir(parents=True)
        for i in range(count):
            (tmp_path / "train" / name / f"{i:02}.png").write_bytes(encoded(picture(i, (16, 16))))
    training, held_out = data.load_labelled(tmp_path, size=16)
    assert (training.pictures.shape, training.names) == ((18, 16, 16, 3), ("cat", "dog"))
    assert held_out.labels.tolist() == [0, 0]
    assert np.array_equal(held_out.pictures, [picture(0, (16, 16)), picture(10, (16, 16))])
    assert np.array_equal(training.labels, [0] * 9 + [1] * 9)
    with pytest.raises(ValueError, match="has no test split; expected a folder .*test"):
        data.read_labelled(tmp_path, "test")
    with pytest.raises(ValueError, match="cat holds 0 folders with pictures; expected one for each of two classes or more"):
        data.read_labelled(tmp_path / "train" / "cat", "train")
    assert data.read_labelled(tmp_path / "train", "train", size=8, channels=1).pictures.shape == (20, 8, 8, 1)
    with pytest.raises(ValueError, match="split is 'all'; expected 'train' or 'test'"):
        data.read_labelled(tmp_path, "all")
    with pytest.raises(ValueError, match="a labelled picture has 1 or 3 channels; the network takes 4"):
        data.read_labelled(tmp_path, "train", channels=4)


def test_pictures_of_folders_are_brought_to_one_size(tmp_path):
    wide = np.zeros((8, 24, 3), np.uint8)
    wide[:, 8:16] = 255
    fitted = data.fit(wide, 8)
    assert np.array_equal(fitted, np.full((8, 8, 3), 255))
    assert data.fit(wide[..., :1], 4).shape == (4, 4, 1)


def numbered(count, side=4):
    """Pictures whose values say which picture and pixel they are."""
    values = np.arange(count * side * side, dtype=np.uint8).reshape(count, side, side, 1)
    return data.Labelled(values, np.arange(count), tuple("abcdefghij"[:count]))


def test_each_example_comes_once_in_an_epoch_and_in_another_order_in_the_next():
    examples = data.Examples(numbered(10), 4, seed=1)
    epochs = [examples.draw(Draws(0, range(10 * e, 10 * e + 10)), range(10 * e, 10 * e + 10), 4)["label"].tolist() for e in range(3)]
    assert [sorted(e) for e in epochs] == [list(range(10))] * 3
    assert epochs[0] != epochs[1] != epochs[2]
    across = examples.draw(Draws(0, range(7, 14)), range(7, 14), 4)  # depends on the numbers alone, not on what was drawn before
    assert across["label"].tolist() == epochs[0][7:] + epochs[1][:4]
    other = data.Examples(numbered(10), 4, seed=2).draw(Draws(0, range(10)), range(10), 4)
    assert other["label"].tolist() != epochs[0]
    whole = (across["x"] * 255).round().to(torch.uint8).permute(0, 2, 3, 1).numpy()
    assert np.array_equal(whole, numbered(10).pictures[across["label"]])


@pytest.mark.parametrize(("padding", "mode"), [("zeros", "constant"), ("reflect", "reflect")])
def test_examples_are_shifted_and_mirrored(padding, mode):
    labelled = numbered(3)
    examples = data.Examples(labelled, 4, shift=2, padding=padding, flip=0.5)
    padded = np.pad(labelled.pictures[..., 0], ((0, 0), (2, 2), (2, 2)), mode)
    seen = set()
    for number in range(300):
        drawn = examples.draw(Draws(number, range(number, number + 1)), range(number, number + 1), 4)
        crop = (drawn["x"][0, 0] * 255).round().to(torch.uint8).numpy()
        windows = np.lib.stride_tricks.sliding_window_view(padded[int(drawn["label"][0])], (4, 4))
        places = {
            (int(y), int(x), flipped)
            for flipped in (False, True)
            for y, x in np.argwhere((windows == crop[:, :: 1 - 2 * flipped]).all((2, 3)))
        }
        assert places
        seen |= places
    assert seen == {(y, x, flipped) for y in range(5) for x in range(5) for flipped in (False, True)}


@pytest.mark.parametrize(("side", "size", "shift"), [(4, 7, 0), (4, 7, 1), (7, 4, 0), (7, 4, 1), (4, 4, 0)])
def test_examples_of_another_size_are_centred(side, size, shift):
    examples = data.Examples(numbered(2, side), size, shift=shift)
    drawn = examples.draw(Draws(0, range(100)), range(100), size)["x"]
    assert drawn.shape == (100, 1, size, size)
    assert len(drawn.flatten(1).unique(dim=0)) == 2 * (2 * shift + 1) ** 2  # two pictures, each at every place
    assert len(examples) == 2
