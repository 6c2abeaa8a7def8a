import io
import os
import re
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms
from restore_cli import degrade, main
from skimage import data
from skimage.metrics import peak_signal_noise_ratio

from restore import masks
from restore.degrade import DEGRADATIONS, NAMES
from restore.image import Picture, read, write

PHOTO = data.astronaut()[60:140, 180:280]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A working folder with photographs."""
    monkeypatch.chdir(tmp_path)
    Path("in/sub").mkdir(parents=True)
    for name in ("a.png", "in/a.png", "in/sub/b.png"):
        Image.fromarray(PHOTO).save(name)
    return tmp_path


@pytest.fixture
def call(capsys):
    def call(*words):
        with pytest.raises(SystemExit) as stopped:
            main(words)
        captured = capsys.readouterr()
        return stopped.value.code, captured.out.splitlines(), captured.err.splitlines()

    return call


def test_the_list_is_the_table(call):
    code, out, err = call("degradations")
    assert (code, err) == (0, [])
    assert [line.split(" (")[0] for line in out[::2]] == list(NAMES)
    assert f"    quality {DEGRADATIONS['webp'].parameters['quality'].low:g} to " in "\n".join(out)
    assert not any("``" in line for line in out)
    assert all(line.startswith("    ") for line in out[1::2])
    code, out, err = call("degradations", "--markdown")
    assert (code, err) == (0, [])
    assert [line.split("`")[1] for line in out[2:]] == list(NAMES)


def test_the_page_is_what_is_printed(call):
    page = (Path(__file__).parents[1] / "docs" / "degradations.md").read_text(encoding="utf-8")
    _, out, _ = call("degradations", "--markdown")
    assert "\n".join(out) in page
    for name, function in masks.MASKS.items():
        assert re.search(rf"\| `{name}` +\| {re.escape(function.__doc__.splitlines()[0])} +\|", page)


def test_each_says_something_else(call):
    _, out, _ = call("degradations")
    said = [line.partition(": ")[2] for line in out[::2]]
    assert len(set(said)) == len(NAMES)
    assert not any("(N" in line for line in said)
    assert "    first 95 to one of 5 to 30 by severity, second 95" in "\n".join(out)


@pytest.mark.parametrize("name", ["gaussian-noise", "jpeg", "scratches", "old_photograph"])
def test_the_path_and_the_seed_decide(folder, call, name):
    for out, seed in (("one", "3"), ("two", "3"), ("other", "4")):
        assert call("degrade", name, "in", "-o", out, "--severity", "0.9", "--seed", seed, "-q") == (0, [], [])
    for path in ("a.png", "sub/b.png"):
        assert Path("one", path).read_bytes() == Path("two", path).read_bytes()
        assert name == "jpeg" or (read(f"one/{path}").pixels != read(f"other/{path}").pixels).any()
        assert (read(f"one/{path}").pixels != PHOTO).any()
    assert name == "jpeg" or (read("one/a.png").pixels != read("one/sub/b.png").pixels).any()
    assert call("degrade", name, "in/a.png", "-o", "three.png", "--severity", "0.9", "--seed", "3", "-q") == (0, [], [])
    np.testing.assert_array_equal(read("three.png").pixels, read("one/a.png").pixels)


def test_more_severe_is_worse(folder, call):
    values = []
    for severity in ("0", "0.5", "1"):
        assert call("degrade", "film-grain", "a.png", "-o", f"{severity}.png", "--severity", severity, "-q") == (0, [], [])
        values.append(peak_signal_noise_ratio(PHOTO, read(f"{severity}.png").pixels))
    assert values == sorted(values, reverse=True)
    assert call("degrade", "film-grain", "a.png", "-o", "default.png", "-q") == (0, [], [])
    assert Path("default.png").read_bytes() == Path("0.5.png").read_bytes()


def test_masks_mirror_the_photographs(folder, call):
    code, _, err = call("degrade", "scratches", "in", "-o", "out", "--mask-out", "masks", "--severity", "1")
    assert code == 0
    assert [line.partition(" (")[0] for line in err[:2]] == ["in/a.png -> out/a.png", "in/sub/b.png -> out/sub/b.png"]
    for path in ("a.png", "sub/b.png"):
        mask, result = read(f"masks/{path}"), read(f"out/{path}").pixels
        assert mask.pixels.shape == (80, 100, 1)
        assert set(np.unique(mask.pixels)) == {0, 255}
        marked = mask.pixels[..., 0] > 0
        assert (np.abs(result.astype(int) - PHOTO).max(2)[~marked] <= 8).all()
        assert (np.abs(result.astype(int) - PHOTO).max(2)[marked] > 8).mean() > 0.3
    assert call("inpaint", "out", "--mask", "masks", "-o", "again", "--method", "telea", "-q") == (0, [], [])
    assert peak_signal_noise_ratio(PHOTO, read("again/a.png").pixels) > peak_signal_noise_ratio(PHOTO, read("out/a.png").pixels) + 3


def test_a_mask_is_named_as_its_output_and_never_overwritten_unasked(folder, call):
    words = ["degrade", "tears", "a.png", "--mask-out", "masks", "-q"]
    assert call(*words, "-o", "b.webp") == (0, [], [])
    first = Path("masks/b.png").read_bytes()
    os.unlink("b.webp")
    assert call(*words, "-o", "b.webp", "--seed", "1") == (
        1,
        [],
        ["a.png: masks/b.png exists; choose --on-exists skip, replace or rename"],
    )
    assert not Path("b.webp").exists()
    assert Path("masks/b.png").read_bytes() == first
    assert call(*words, "-o", "b.webp", "--seed", "1", "--on-exists", "replace") == (0, [], [])
    assert Path("masks/b.png").read_bytes() != first
    assert call(*words, "-o", "b.webp", "--on-exists", "rename") == (0, [], [])
    assert Path("masks/b-1.png").read_bytes() == first
    assert call(*words, "-o", "b.webp", "--on-exists", "skip") == (0, [], [])
    assert sorted(os.listdir("masks")) == ["b-1.png", "b.png"]


@pytest.mark.parametrize(("on_exists", "mask"), [("skip", "b.png"), ("rename", "b-1.png")])
def test_an_interrupted_run_goes_on(folder, call, on_exists, mask):
    words = ["degrade", "tears", "in", "-o", "out", "--mask-out", "masks", "-q"]
    assert call(*words) == (0, [], [])
    result, marked = Path("out/sub/b.png").read_bytes(), Path("masks/sub/b.png").read_bytes()
    os.unlink("out/sub/b.png")
    Path("masks/sub/b.png").write_bytes(b"of another run")
    assert call(*words, "--on-exists", on_exists) == (0, [], [])
    assert Path("out/sub/b.png").read_bytes() == result
    assert Path("masks/sub", mask).read_bytes() == marked
    assert sorted(os.listdir("masks/sub")) == sorted({"b.png", mask})


def test_a_photograph_that_fails_leaves_no_mask(folder, call):
    code, _, err = call("degrade", "tears", "a.png", "-o", "/proc/b.png", "--mask-out", "masks")
    assert (code, len(err)) == (1, 1)
    assert list(Path().glob("masks/*")) == []


def test_masks_among_the_photographs_are_no_photographs(folder, call):
    assert call("degrade", "dust", "in", "-o", "out", "--mask-out", "in/masks", "-q") == (0, [], [])
    assert call("degrade", "dust", "in", "-o", "out", "--mask-out", "in/masks", "--on-exists", "replace", "-q") == (0, [], [])
    assert sorted(path.name for path in Path("out").rglob("*.png")) == ["a.png", "b.png"]


def test_depth_alpha_and_what_a_file_says_are_kept(folder, call):
    icc = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    deep = np.random.default_rng(0).integers(0, 65536, (20, 30, 4), np.uint16)
    write(Picture(pixels=deep[..., :3], alpha=deep[..., 3], icc=icc, dpi=(300, 300)), "deep.png")
    assert call("degrade", "vignette", "deep.png", "-o", "out.png", "-q") == (0, [], [])
    result = read("out.png")
    assert result.pixels.dtype == np.uint16
    assert len(np.unique(result.pixels)) > 1500
    np.testing.assert_array_equal(result.alpha, deep[..., 3])
    assert (result.icc, result.dpi) == (icc, pytest.approx((300, 300), abs=0.1))


def test_a_codec_says_what_it_leaves_of_16_bits(folder, call):
    Image.fromarray(PHOTO[..., 0].astype(np.uint16) * 257 + 5).save("deep.png")
    code, _, err = call("degrade", "webp", "deep.png", "-o", "out.png")
    assert (code, err[0]) == (0, "deep.png: warning: webp leaves 256 levels: its files have 8 bits")
    assert read("out.png").pixels.dtype == np.uint16
    assert (read("out.png").pixels % 257 == 0).all()


def test_grey_stays_grey(folder, call):
    Image.fromarray(PHOTO[..., 0]).save("grey.png")
    assert call("degrade", "old-photograph", "grey.png", "-o", "out.png", "-q") == (0, [], [])
    assert read("out.png").pixels.shape == (80, 100, 1)


def test_a_folder_with_a_broken_file(folder, call):
    Path("in/broken.png").write_bytes(Path("a.png").read_bytes()[:100])
    code, _, err = call("degrade", "dust", "in", "-o", "out", "--mask-out", "masks")
    assert code == 1
    assert err[1].startswith("in/broken.png: ")
    assert sorted(path.name for path in Path("masks").rglob("*.png")) == ["a.png", "b.png"]
    code, _, err = call("degrade", "dust", "a.png", "-o", "out/a.png")
    assert (code, err) == (1, ["a.png: out/a.png exists; choose --on-exists skip, replace or rename"])


def test_standard_streams(folder, call, monkeypatch):
    class Bytes(io.BytesIO):
        name = "<stdin>"

    for seed in ("0", "1"):
        stream = io.TextIOWrapper(Bytes(Path("a.png").read_bytes()))
        monkeypatch.setattr(sys, "stdin", stream)
        assert call("degrade", "tears", "-", "-o", f"{seed}.png", "--seed", seed, "--mask-out", "masks", "-q") == (0, [], [])
    assert (read("0.png").pixels != read("1.png").pixels).any()
    assert sorted(os.listdir("masks")) == ["0.png", "1.png"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("degrade", "Missing argument 'NAME'"),
        ("degrade dust", "Missing argument 'PHOTOS'"),
        ("degrade dust a.png", "no output is named; expected -o FILE or -o FOLDER"),
        ("degrade gausian_noise a.png -o b.png", "no degradation is called 'gausian_noise'; did you mean gaussian_noise or "),
        ("degrade zzz a.png -o b.png", "no degradation is called 'zzz'; `restore degradations` lists all"),
        ("degrade dust a.png -o b.png --severity 1.5", "--severity is 1.5; expected a number from 0 to 1"),
        ("degrade dust a.png -o b.png --severity nan", "--severity is nan; expected a number from 0 to 1"),
        ("degrade dust a.png -o b.png --severity much", "--severity is 'much'; expected a number"),
        ("degrade dust a.png -o b.png --seed -1", "--seed is -1; expected a whole number of 0 or more"),
        ("degrade dust a.png -o b.png --seed x", "--seed is 'x'; expected a whole number of 0 or more"),
        ("degrade dust a.png -o a.png", "output a.png would overwrite a photograph"),
        ("degrade dust a.png -o b.png --mask-out a.png", "mask a.png would overwrite a file that is read"),
        ("degrade dust in -o out --mask-out out", "mask out/a.png would overwrite an output; expected another place"),
        ("degrade dust in/a.png -o b.png --mask-out .", "mask b.png would overwrite an output"),
        ("degrade dust a.png a.jpg -o out --mask-out masks", "mask masks/a.png would overwrite the mask of out/a.png; expected"),
        (
            "degrade sepia a.png -o b.png --mask-out masks",
            "--mask-out: sepia leaves nothing that only inpainting repairs; expected one of",
        ),
        ("degrade dust - --mask-out masks", "mask masks: a picture from standard input to standard output has no name"),
        ("degradations dust", "unexpected extra argument"),
    ],
)
def test_a_wrong_call_is_one_line_and_2(folder, call, monkeypatch, words, said):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO()))
    before = sorted(Path().rglob("*"))
    code, out, err = call(*words.split())
    assert (code, out, len(err)) == (2, [], 1)
    assert err[0].startswith("restore: ")
    assert said in err[0]
    assert sorted(Path().rglob("*")) == before


def test_every_range_is_told():
    for name, row in DEGRADATIONS.items():
        told = list(degrade.ranges(row))
        assert told, name
        assert len(told) >= sum(hasattr(drawn, "low") and hasattr(drawn, "high") for drawn in row.parameters.values())
