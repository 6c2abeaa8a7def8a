import io
import tarfile

import cv2
import numpy as np
import pytest
import tifffile
from PIL import Image
from skimage import data as samples

from restore import data
from restore.data import photographs


def draw(seed, size=(80, 100)):
    return np.random.default_rng(seed).integers(0, 256, (*size, 3), np.uint8)


def encode(array, kind="PNG", orientation=1, quality=75):
    buffer = io.BytesIO()
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(array).save(buffer, kind, exif=exif, quality=quality, subsampling=0)
    return buffer.getvalue()


def write_shard(path, pictures):
    with tarfile.open(path, "w") as tar:
        for name, content in pictures.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))


def write_manifest(folder, rows):
    lines = ["file\tlicence\ttier", *("\t".join(row) for row in rows)]
    (folder / "manifest.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")


@pytest.fixture
def shards(tmp_path):
    """Two shards of four: open and closed licences of tiers 1 and 2; picture i of shard s is draw(10 * s + i)."""
    rows = []
    for number, shard in enumerate(("train-000", "train-006")):
        names = [f"{shard}-{i}.png" for i in range(4)]
        write_shard(tmp_path / f"{shard}.tar", {name: encode(draw(10 * number + i)) for i, name in enumerate(names)})
        licences = ["MIT", "none stated (research)", "non-commercial", "CC0"]
        rows += [(name, licence, str(1 + i // 2)) for i, (name, licence) in enumerate(zip(names, licences, strict=True))]
    write_manifest(tmp_path, rows)
    return tmp_path


def which(pictures):
    """The seeds that pictures were drawn from."""
    return [next(seed for seed in range(40) if np.array_equal(draw(seed, p.shape[:2]), p)) for p in pictures]


@pytest.mark.parametrize(
    ("licence", "tier", "training", "held_out"),
    [
        ("open", "any", [0, 3], [10, 11, 12, 13]),
        ("open", 1, [0], [10, 11]),
        ("open", "2", [0, 3], [10, 11, 12, 13]),
        ("any", 1, [0, 1], [10, 11]),
        ("any", "any", [0, 1, 2, 3], [10, 11, 12, 13]),
    ],
)
def test_photographs_are_chosen_by_licence_and_tier(shards, licence, tier, training, held_out):
    said = []
    loaded = data.load(shards, licence=licence, tier=tier, say=said.append)
    assert (which(loaded[0]), which(loaded[1]), said) == (training, held_out, [])
    found = data.find(shards, licence=licence, tier=tier, say=said.append)
    for part, pictures in zip(found, loaded, strict=True):
        assert [(p.height, p.width) for p in part] == [p.shape[:2] for p in pictures]
        assert all(np.array_equal(p.decode(), q) for p, q in zip(part, pictures, strict=True))


def test_another_shard_or_every_tenth_for_validation(shards):
    training, held_out = data.load(shards, validation="train-000", licence="any")
    assert (which(training), which(held_out)) == ([10, 11, 12, 13], [0, 1, 2, 3])
    training, held_out = data.load(shards / "train-006.tar", validation="other", licence="any")
    assert (which(training), which(held_out)) == ([11, 12, 13], [10])
    training, held_out = data.load(shards, validation="other")
    assert (which(training), which(held_out)) == ([3, 10, 13], [0])


def test_unknown_choices(shards):
    with pytest.raises(ValueError, match="licence 'free' is unknown; expected 'open' or 'any'"):
        data.find(shards, licence="free")
    for tier in ("best", -1, 1.5):
        with pytest.raises(ValueError, match=f"tier {tier!r} is unknown; expected 'any' or the highest number that is taken"):
            data.find(shards, tier=tier)


def test_photographs_without_a_row_are_left_out_and_counted(shards):
    write_manifest(shards, [("train-000-0.png", "MIT", "1"), ("train-000-1.png", "MIT", "1")])
    said = []
    training, held_out = data.load(shards, say=said.append)
    assert (which(training), len(held_out)) == ([0, 1], 4)
    assert said == [f"2 photographs without a row in {shards / 'manifest.tsv'} are left out, train-000-2.png the first"]
    assert len(data.load(shards, licence="any", say=said.append)[0]) == 4
    assert len(said) == 1


def test_a_manifest_that_cannot_decide(shards):
    manifest = shards / "manifest.tsv"
    for text, tier, message in (
        ("file\tlicence\na.png\tMIT\n", 1, "has no tier for a.png; expected the columns file, licence, tier, with tabs between"),
        ("file,licence\na.png,MIT\n", "any", "has no file for None; expected the columns file, licence, with tabs between"),
        ("file\tlicence\ttier\na.png\tMIT\thigh\n", 1, "has the tier 'high' for a.png; expected a number"),
    ):
        manifest.write_text(text, encoding="utf-8")
        with pytest.raises(ValueError, match=f"manifest.tsv {message}"):
            data.find(shards, tier=tier)
    manifest.unlink()
    with pytest.raises(ValueError, match="no .*manifest.tsv beside the shards; expected one, or licence 'any' and tier 'any'"):
        data.find(shards)
    assert len(data.find(shards, licence="any")[0]) == 4


def test_a_manifest_beside_loose_pictures_and_lists_decides_too(tmp_path):
    for i in range(4):
        (tmp_path / f"{i}.png").write_bytes(encode(draw(i)))
    (tmp_path / "list.txt").write_text("3.png\n\n# others\n  2.png\n1.png\n3.png\n", encoding="utf-8-sig")
    training, held_out = data.load(tmp_path / "list.txt")
    assert (which(training), which(held_out)) == ([2, 1], [3])
    write_manifest(tmp_path, [(f"{i}.png", "none stated" if i == 2 else "MIT", "1") for i in range(4)])
    for root, expected in ((tmp_path, ([1, 3], [0])), (tmp_path / "list.txt", ([1], [3]))):
        training, held_out = data.load(root)
        assert (which(training), which(held_out)) == expected


def test_what_is_not_there(tmp_path):
    (tmp_path / "list.txt").write_text("here.png\n", encoding="utf-8")
    for root, name in ((tmp_path / "list.txt", "here.png"), (tmp_path / "no", "no"), (tmp_path / "no.txt", "no.txt")):
        with pytest.raises(ValueError, match=rf"no file .*{name}; expected a folder of pictures or shards, a shard"):
            data.find(root)


def test_a_damaged_shard_is_named(shards):
    shard = shards / "train-000.tar"
    content = shard.read_bytes()
    shard.write_bytes(content[:30_000])
    with pytest.raises(ValueError, match="train-000.tar is not a whole tar file: .*; expected one, not compressed"):
        data.find(shards)
    with tarfile.open(shard, "w:gz") as tar:
        tar.add(shards / "manifest.tsv")
    with pytest.raises(ValueError, match="train-000.tar is not a whole tar file: .*; expected one, not compressed"):
        data.find(shards)


@pytest.fixture
def own(tmp_path):
    """A folder as people have them: name -> the upright RGB pixels it should give, exactly or within 4 levels for JPEG."""
    smooth = cv2.resize(samples.astronaut(), (120, 90), interpolation=cv2.INTER_AREA)
    ramp = np.linspace(0, 65535, 70 * 80).round().astype(np.uint16).reshape(70, 80)
    alpha = np.dstack([draw(1), draw(2)[..., 0]])
    palette = Image.fromarray(smooth).quantize(32)
    files = {
        "grey.png": (encode(draw(3)[..., 0]), np.repeat(draw(3)[..., :1], 3, 2)),
        "alpha.png": (encode(alpha), draw(1)),
        "grey16.png": (cv2.imencode(".png", ramp)[1].tobytes(), np.repeat(np.rint(ramp / 257).astype(np.uint8)[..., None], 3, 2)),
        "photo.JPG": (encode(smooth, "JPEG", quality=100), smooth),
        "turned.jpg": (encode(np.rot90(smooth), "JPEG", 6, quality=100), smooth),  # 6: the camera's top is the picture's right side
        "turned.png": (encode(np.rot90(smooth), orientation=6), smooth),
        "photo.webp": (encode(smooth, "WEBP", quality=100), None),
    }
    (tmp_path / "deep").mkdir()
    for name, (content, _) in files.items():
        (tmp_path / "deep" / name).write_bytes(content)
    expected = {name: pixels for name, (_, pixels) in files.items()}
    palette.save(tmp_path / "deep" / "palette.png")
    expected["palette.png"] = np.asarray(palette.convert("RGB"))
    tifffile.imwrite(tmp_path / "deep" / "rgb16.tif", np.dstack([ramp] * 3), photometric="rgb")
    expected["rgb16.tif"] = expected["grey16.png"]
    tifffile.imwrite(tmp_path / "deep" / "float.tiff", draw(4).astype(np.float32) / 255, photometric="rgb")  # Pillow cannot open it
    expected["float.tiff"] = draw(4)
    (tmp_path / "notes.txt").write_text("no picture", encoding="utf-8")
    (tmp_path / "broken.jpg").write_bytes(b"\xff\xd8\xff nothing")
    (tmp_path / "empty.png").touch()
    (tmp_path / "small.png").write_bytes(encode(draw(5, (20, 200))))
    return tmp_path, expected


def test_a_folder_of_ones_own(own):
    root, expected = own
    said = []
    training, held_out = data.find(root, say=said.append)
    found = {p.path.name: p for p in training + held_out}
    assert found.keys() == expected.keys()
    assert [p.path.name for p in held_out] == [sorted(expected)[0]]
    for name, pixels in expected.items():
        got = found[name].decode()
        assert got.shape == (found[name].height, found[name].width, 3)
        if pixels is not None:
            assert np.abs(got.astype(int) - pixels).max() <= (4 if name.lower().endswith("jpg") else 0), name
    assert len(said) == 3
    assert said[0].startswith(f"{root / 'broken.jpg'} cannot be read as a picture: ")
    assert said[1] == f"{root / 'empty.png'} cannot be read as a picture: is empty; left out"
    assert said[2] == f"1 photographs with a side below 64 pixels are left out, {root / 'small.png'} the first"
    loaded = data.load(root, say=said.append)
    assert [len(part) for part in loaded] == [len(training), len(held_out)]
    assert all(np.array_equal(p.decode(), q) for p, q in zip(training, loaded[0], strict=True))


def test_a_picture_that_ends_early(tmp_path):
    for i in range(12):
        (tmp_path / f"{i:02}.jpg").write_bytes(encode(draw(i), "JPEG")[: 3000 if i in (0, 5) else None])
    said = []
    training, held_out = data.load(tmp_path, say=said.append)
    assert (len(training), len(held_out)) == (9, 1)
    assert [line.partition(" cannot")[0] for line in said] == [str(tmp_path / "00.jpg"), str(tmp_path / "05.jpg")]
    photographs = data.find(tmp_path, say=said.append)[0]  # of which only the headers are read
    assert (len(photographs), len(said)) == (10, 2)
    with pytest.raises(ValueError, match=r"05.jpg cannot be read as a picture: "):
        photographs[4].decode()


def test_a_picture_that_changed_after_it_was_found(tmp_path):
    for i in range(3):
        (tmp_path / f"{i}.png").write_bytes(encode(draw(i)))
    first, second = data.find(tmp_path)[0]
    first.path.write_bytes(encode(np.zeros((70, 90, 3), np.uint8)))
    with pytest.raises(ValueError, match="1.png is 90 x 70 pixels; expected 100 x 80, as when it was found"):
        first.decode()
    second.path.unlink()
    with pytest.raises(ValueError, match="2.png cannot be read: No such file or directory"):
        second.decode()


def test_nothing_left(tmp_path):
    with pytest.raises(
        ValueError, match="0 photographs to train on and 0 to validate with in .*, 64 pixels or larger; expected some of each"
    ):
        data.find(tmp_path)
    (tmp_path / "one.png").write_bytes(encode(draw(0)))
    with pytest.raises(ValueError, match="0 photographs to train on and 1 to validate with"):
        data.load(tmp_path)


def test_headers_are_read_without_decoding():
    content = encode(draw(0))
    assert photographs.measure(io.BytesIO(content[:200]), "") == (80, 100)  # the rest is not there to be decoded
