import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms
from restore_cli import filters, main
from skimage import data

from restore import Restorer
from restore.filters import FILTERS, classic
from restore.image import Picture, read, write
from restore.metrics import psnr, ssim
from restore.networks.filtering import OPERATORS

PHOTO = data.astronaut()[60:140, 180:280]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A working folder with photographs."""
    monkeypatch.chdir(tmp_path)
    Path("in/sub").mkdir(parents=True)
    for name in ("a.png", "in/a.png", "in/sub/b.png"):
        Image.fromarray(PHOTO).save(name)
    Path("edges.txt").write_text("1 0 -1\n2 0 -2\n1 0 -1\n")
    return tmp_path


@pytest.fixture
def call(capsys):
    def call(*words):
        with pytest.raises(SystemExit) as stopped:
            main(words)
        captured = capsys.readouterr()
        return stopped.value.code, captured.out.splitlines(), captured.err.splitlines()

    return call


EDGES = [[1, 0, -1], [2, 0, -2], [1, 0, -1]]


@pytest.mark.parametrize(
    ("name", "words", "options"),
    [
        ("gaussian", ["--sigma", "3"], {"sigma": 3.0}),
        ("gaussian", ["--sigma=0.7", "--border", "wrap"], {"sigma": 0.7, "border": "wrap"}),
        ("median", ["--size", "5"], {"size": 5}),
        ("bilateral", ["--sigma-color", "40", "--sigma_space", "2", "--size", "none"], {"sigma_color": 40.0, "sigma_space": 2.0}),
        ("bilateral", ["--size", "7"], {"size": 7}),
        ("high-boost", ["--boost", "2"], {"boost": 2.0}),
        ("brightness", ["--amount", "-30.5"], {"amount": -30.5}),
        ("erosion", ["--shape", "disk"], {"shape": "disk"}),
        ("custom", ["--kernel", "1 0 -1; 2 0 -2; 1 0 -1"], {"kernel": EDGES}),
        ("custom", ["--kernel", "edges.txt", "--flip", "--border", "constant"], {"kernel": EDGES, "flip": True, "border": "constant"}),
        ("custom", ["--kernel", "1 2 1", "--normalise"], {"kernel": [[1, 2, 1]], "normalise": True}),
        ("wiener", ["--kernel", "disk", "--size", "1.5"], {"kernel": "disk", "size": 1.5}),
        ("wiener", ["--kernel", "1 2 1"], {"kernel": [[1, 2, 1]]}),
        ("sobel", [], {}),
    ],
)
def test_the_options_are_those_of_the_filter(folder, call, name, words, options):
    code, out, err = call("filter", name, "a.png", *words, "-o", "b.png")
    assert (code, out) == (0, [])
    assert err[0].startswith("a.png -> b.png (")
    np.testing.assert_array_equal(read("b.png").pixels, FILTERS[name.replace("-", "_")].array(PHOTO, **options))


@pytest.mark.parametrize("words", [["--sigma", "3", "a.png"], ["a.png", "--sigma", "3"]])
def test_options_stand_anywhere_after_the_name(folder, call, words):
    assert call("filter", "-q", "gaussian", *words, "-o", "b.png") == (0, [], [])
    np.testing.assert_array_equal(read("b.png").pixels, FILTERS["gaussian"].array(PHOTO, sigma=3.0))


@pytest.mark.parametrize("centred", [True, False])
def test_match_writes_the_similarity_as_grey(folder, call, centred):
    Image.fromarray(PHOTO[20:29, 30:41]).save("patch.png")
    words = [] if centred else ["--no-centred"]
    assert call("filter", "match", "a.png", "--patch", "patch.png", *words, "-o", "b.png", "-q") == (0, [], [])
    found = read("b.png").pixels
    similarity = FILTERS["match"].array(PHOTO, patch=PHOTO[20:29, 30:41], centred=centred)
    assert np.abs(found[..., :1] / 255 - similarity.clip(0, 1)[..., None]).max() <= 0.502 / 255
    assert found[24, 35, 0] == found.max() == 255
    assert (found == found[..., :1]).all()


def test_what_a_file_says_is_kept(folder, call):
    icc = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    deep = np.random.default_rng(0).integers(0, 65536, (20, 30, 4), np.uint16)
    write(Picture(pixels=deep[..., :3], alpha=deep[..., 3], icc=icc, dpi=(300, 300)), "deep.png")
    assert call("filter", "gaussian", "deep.png", "-o", "out.png", "-q") == (0, [], [])
    result = read("out.png")
    np.testing.assert_array_equal(result.pixels, FILTERS["gaussian"].array(deep[..., :3]))
    np.testing.assert_array_equal(result.alpha, deep[..., 3])
    assert (result.icc, result.dpi) == (icc, pytest.approx((300, 300), abs=0.1))


def test_grey_stays_grey(folder, call):
    Image.fromarray(PHOTO[..., 0]).save("grey.png")
    assert call("filter", "sobel", "grey.png", "-o", "out.png", "-q") == (0, [], [])
    np.testing.assert_array_equal(read("out.png").pixels[..., 0], FILTERS["sobel"].array(PHOTO[..., 0]))


def test_a_folder_with_a_broken_file(folder, call):
    Path("in/broken.png").write_bytes(Path("a.png").read_bytes()[:100])
    code, _, err = call("filter", "box", "in", "-o", "out")
    assert code == 1
    assert [line.partition(" (")[0] for line in err[:1] + err[2:3]] == ["in/a.png -> out/a.png", "in/sub/b.png -> out/sub/b.png"]
    assert err[1].startswith("in/broken.png: ")
    code, _, err = call("filter", "box", "a.png", "-o", "out/a.png")
    assert (code, err) == (1, ["a.png: out/a.png exists; choose --on-exists skip, replace or rename"])
    assert call("filter", "box", "a.png", "-o", "out/a.png", "--on-exists", "replace", "-q") == (0, [], [])


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("filter", "Missing argument 'NAME'"),
        ("filter gaussian", "Missing argument 'PHOTOS'"),
        ("filter gaussian --sigma 3 -o b.png", "Missing argument 'PHOTOS'"),
        ("filter gaussian a.png", "no output is named; expected -o FILE or -o FOLDER"),
        ("filter gausian a.png -o b.png", "no filter is called 'gausian'; did you mean gaussian? `restore filters` lists all"),
        ("filter zzz a.png -o b.png", "no filter is called 'zzz'; `restore filters` lists all"),
        ("filter gaussian a.png -o b.png -x", "no option -x; gaussian takes --sigma 2.0, --border reflect"),
        ("filter gaussian a.png -o b.png -x=3", "no option -x; gaussian takes"),
        ("filter learned-sobel a.png -o b.png", "no filter is called 'learned-sobel'; did you mean learned-"),
        ("filter gaussian a.png -o b.png --size 3", "no option --size; gaussian takes --sigma 2.0, --border reflect"),
        ("filter sharpen a.png -o b.png --no-border", "no option --no-border; sharpen takes --border reflect"),
        ("filter gaussian a.png -o b.png --sigma", "--sigma requires a value; gaussian takes --sigma 2.0, --border reflect"),
        ("filter gaussian a.png -o b.png --sigma two", "--sigma is 'two'; expected a number; gaussian takes --sigma 2.0, --border"),
        ("filter median a.png -o b.png --size 2.5", "--size is '2.5'; expected a whole number; median takes --size 3"),
        ("filter gaussian a.png -o b.png --sigma -3", "sigma is -3; expected above 0"),
        ("filter gaussian a.png -o b.png --sigma nan", "sigma is nan; expected above 0"),
        ("filter median a.png -o b.png --size 4", "size is 4; expected an odd number"),
        ("filter gaussian a.png -o b.png --border mirror", "border is 'mirror'; expected one of reflect, symmetric"),
        ("filter custom a.png -o b.png", "custom needs --kernel; it takes --kernel KERNEL, --flip, --normalise, --border reflect"),
        ("filter custom a.png -o b.png --kernel 1;2;x", "--kernel: row 3 of the kernel holds 'x'; expected numbers"),
        ("filter custom a.png -o b.png --kernel 1,2;3,4", "the kernel is 2x2; expected odd sides"),
        ("filter match a.png -o b.png --patch none.png", "--patch: none.png: no such file"),
        ("filter wiener a.png -o b.png --kernel magic", "kernel is 'magic'; expected one of gaussian, disk, motion"),
        ("filter learned-bilateral a.png -o b.png --strength 2", "--strength is 2; expected a number from 0 to 1"),
        ("filter learned-bilateral a.png -o b.png --sigma 2", "no option --sigma; learned-bilateral takes --strength 0.5"),
        ("filters show magic", "no filter is called 'magic'"),
        ("filters compare a.png -o b.png --with box,magic", "no filter is called 'magic'"),
        ("filters compare a.png -o b.png --with box,", "no filter is called ''"),
        ("filters compare a.png -o b.gif --with box", "b.gif: the suffix '.gif' names no format that can be written"),
    ],
)
def test_a_wrong_call_is_one_line_and_2(folder, call, words, said):
    before = sorted(Path().rglob("*"))
    code, out, err = call(*words.split())
    assert (code, out, len(err)) == (2, [], 1)
    assert err[0].startswith("restore: ")
    assert said in err[0]
    assert sorted(Path().rglob("*")) == before


@pytest.mark.parametrize(
    ("wanted", "said"), [("gaussian 3", "has '3' after 'gaussian'"), ("Gaussian 'x", "Gaussian 'x\": no closing quotation")]
)
def test_a_wrong_list_of_filters(folder, call, wanted, said):
    code, _, err = call("filters", "compare", "a.png", "-o", "b.png", "--with", wanted)
    assert (code, len(err)) == (2, 1)
    assert said in err[0]


def test_every_filter_passes_its_rehearsal():
    needed = {"custom": {"kernel": np.eye(3)}, "match": {"patch": PHOTO[:5, :5]}}
    for row in classic():
        filters.rehearse(row, needed.get(row.name, {}))


def test_the_table(call):
    code, out, err = call("filters")
    assert (code, err) == (0, [])
    heads = [line.split(" (")[0] for line in out[::2]]
    assert heads == [*FILTERS, *(f"learned-{name}" for name in OPERATORS)]
    assert f"gaussian (blur): {FILTERS['gaussian'].summary}" in out
    assert out[out.index(f"gaussian (blur): {FILTERS['gaussian'].summary}") + 1] == "    --sigma 2.0, --border reflect"


def test_the_table_as_markdown(call):
    code, out, _ = call("filters", "--markdown")
    assert code == 0
    assert [cell.strip() for cell in out[0].split("|")[1:-1]] == ["name", "group", "options", "what it does"]
    assert len(out) == 2 + len(FILTERS) + len(OPERATORS)
    assert {line.count("|") for line in out} == {5}


def test_show(call):
    code, out, err = call("filters", "show", "bilateral")
    assert (code, err) == (0, [])
    assert out[0] == "bilateral: --sigma-color 25.0, --sigma-space 3.0, --size none, --border reflect"
    assert out[2] == FILTERS["bilateral"].summary
    assert "    sigma_color: Differences well above it stay, in 8-bit units." in out


def test_compare(folder, call):
    noisy = np.clip(PHOTO + np.random.default_rng(0).normal(0, 15, PHOTO.shape), 0, 255).astype(np.uint8)
    Image.fromarray(noisy).save("noisy.png")
    words = ["--with", "gaussian --sigma 1, custom --kernel '1 2 1' --normalise,median", "--against", "a.png"]
    code, out, err = call("filters", "compare", "noisy.png", "-o", "grid.png", *words)
    assert (code, err) == (0, [])
    smooth = FILTERS["gaussian"].array(noisy, sigma=1.0)
    assert out[0] == f"as it is · {psnr(noisy, PHOTO):.2f} dB · {ssim(noisy, PHOTO):.4f}"
    assert re.fullmatch(rf"gaussian --sigma 1 · \S+ s · {psnr(smooth, PHOTO):.2f} dB · {ssim(smooth, PHOTO):.4f}", out[1])
    assert out[2].startswith("custom --kernel '1 2 1' --normalise · ")
    assert (out[3].split(" · ")[0], out[4:]) == ("median", ["grid.png"])
    grid = read("grid.png").pixels
    windows = np.lib.stride_tricks.sliding_window_view(grid, PHOTO.shape)[..., 0, :, :, :]
    corner = [[tuple(place) for place in np.argwhere((windows[..., 0, 0, :] == shown[0, 0]).all(-1))] for shown in (noisy, smooth)]
    for places, shown in zip(corner, (noisy, smooth), strict=True):
        assert any((windows[place] == shown).all() for place in places)
    code, _, err = call("filters", "compare", "noisy.png", "-o", "grid.png", "--with", "box")
    assert (code, err) == (1, ["restore: grid.png exists; choose --on-exists replace, or another name"])
    code, out, _ = call("filters", "compare", "noisy.png", "-o", "grid.png", "--with", "box", "--on-exists", "replace")
    assert (code, out[0]) == (0, "as it is")
    assert re.fullmatch(r"box · \S+ s", out[1])


def test_compare_shows_large_photographs_smaller(folder, call):
    Image.new("RGB", (1300, 900)).save("large.png")
    assert call("filters", "compare", "large.png", "-o", "grid.png", "--with", "box")[0] == 0
    assert max(read("grid.png").shape) < 2 * 640 + 100


def test_a_comparison_that_cannot_be_made(folder, call):
    Image.new("RGB", (10, 20)).save("small.png")
    code, _, err = call("filters", "compare", "a.png", "-o", "grid.png", "--with", "box", "--against", "small.png")
    assert (code, err) == (1, ["restore: the reference is 10x20 pixels, the photograph 100x80 (width x height)"])
    code, _, err = call("filters", "compare", "none.png", "-o", "grid.png", "--with", "box")
    assert (code, err) == (1, ["restore: none.png: no such file"])
    assert not Path("grid.png").exists()


@pytest.mark.parametrize(
    ("line", "kept"),
    [
        ("filters compare a.png -o {} --with box", "a.png"),
        ("filters compare a.png -o {} --with box --against b.png", "b.png"),
        ("filters compare a.png -o {} --with 'match --patch b.png'", "b.png"),
        ("filter match a.png -o {} --patch b.png", "b.png"),
        ("filter custom a.png -o {} --kernel=kernel.png", "kernel.png"),
    ],
)
def test_what_is_read_is_never_overwritten(folder, call, line, kept):
    Image.fromarray(PHOTO[:10, :10]).save("b.png")
    Path("kernel.png").write_text("1 2 1")  # read whatever it is called
    os.link(kept, "same.png")
    before = Path(kept).read_bytes()
    for name in (kept, "same.png"):
        code, _, err = call(*shlex.split(line.format(name)), "--on-exists", "replace")
        assert code == 2
        assert err[-1] == f"restore: output {name} would overwrite a file that is read; expected another output"
    assert Path(kept).read_bytes() == before


def test_a_name_that_begins_with_a_dash(folder, call):
    Path("a.png").rename("-dash.png")
    Path("--sigma").write_bytes(Path("-dash.png").read_bytes())
    assert call("filter", "gaussian", "--sigma", "3", "-o", "b.png", "-q", "--", "-dash.png") == (0, [], [])
    np.testing.assert_array_equal(read("b.png").pixels, FILTERS["gaussian"].array(PHOTO, sigma=3.0))
    assert call("filter", "gaussian", "-o", "out", "-q", "--", "-dash.png", "--sigma") == (0, [], [])
    assert sorted(os.listdir("out")) == ["--sigma", "-dash.png"]
    assert call("filter", "gaussian", "-dash.png", "-o", "c.png")[2][0].startswith("restore: no option -dash.png; gaussian takes ")
    assert call("filter", "gaussian", "-o", "c.png", "--") == (2, [], ["restore: Missing argument 'PHOTOS'."])


@pytest.mark.parametrize("name", ["learned-bilateral", "learned-non-local-means"])
def test_learned_filters(folder, call, tiny_weights, name):
    assert call("filter", name, "a.png", "-o", "b.png", "--strength", "0.9", "--device", "cpu", "-q") == (0, [], [])
    expected = Restorer(device="cpu").filter(PHOTO, name.removeprefix("learned-").replace("-", "_"), strength=0.9)
    np.testing.assert_array_equal(read("b.png").pixels, expected)
    code, out, _ = call("filters", "compare", "a.png", "-o", "grid.png", "--with", f"box,{name} --strength 0.2", "--device", "cpu")
    assert code == 0
    assert re.fullmatch(rf"{name} --strength 0.2 · \S+ s", out[2])


@pytest.mark.parametrize("words", ["filter learned-beauty a.png -o b.png", "filters compare a.png -o b.png --with learned-beauty"])
def test_without_the_weight_one_line_says_so(folder, call, tiny_weights, words):
    (tiny_weights / "filters.safetensors").unlink()
    code, out, err = call(*words.split())
    assert (code, out, len(err)) == (1, [], 1)
    assert "filters.safetensors cannot be read: No such file" in err[0]
    assert not Path("b.png").exists()


def test_nothing_gets_out_from_under_full_transparency(folder, call):
    disc = np.hypot(*(np.indices((60, 80)) - 30)) < 20
    cut_out = np.dstack([np.full((60, 80, 3), 200) * disc[..., None], 255 * disc]).astype(np.uint8)
    write(Picture.from_array(cut_out), "cut.png")
    assert call("filter", "gaussian", "cut.png", "-o", "b.png", "--sigma", "3")[0] == 0
    np.testing.assert_array_equal(read("b.png").to_array(), cut_out)


def test_a_classic_filter_imports_no_torch(folder):
    root = Path(__file__).parents[1]
    script = """
import sys
from restore_cli import main
try:
    main(["filter", "gaussian", "a.png", "-o", "b.png", "-q"])
finally:
    print("torch" in sys.modules)"""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(root), str(root / "apps")])}
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, env=environment)
    assert done.stdout == "False\n"
