"""`restore inpaint`: painted colours, united masks, grown and soft ones, larger canvases, layers."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from restore_cli import main
from restore_cli.base import WrongCall
from restore_cli.inpaint import WIDEST, read_margins
from scipy import ndimage
from skimage import data, morphology

from restore import masks
from restore.image import Picture, read, write

PHOTO = data.astronaut()[60:160, 100:250]
HOLES = np.zeros(PHOTO.shape[:2], bool)
HOLES[30:36, 20:60] = True


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Image.fromarray(PHOTO).save("a.png")
    Image.fromarray(HOLES).save("mask.png")
    return tmp_path


@pytest.fixture
def call(folder, capsysbinary):
    def call(words):
        with pytest.raises(SystemExit) as stopped:
            main(words.split())
        captured = capsysbinary.readouterr()
        return stopped.value.code, captured.err.decode().splitlines()

    return call


def changed(path="b.png"):
    return (read(path).pixels != PHOTO).any(2)


def strokes(name, **options):
    painted = PHOTO.copy()
    painted[70:74, 10:120] = 255, 0, 0
    Image.fromarray(painted).save(name, **options)
    return painted


def test_a_painted_colour_is_the_mask(call):
    painted = strokes("a.png")
    assert call("inpaint a.png -o b.png --mask #ff0000 --method telea -q") == (0, [])
    result = read("b.png").pixels
    assert np.abs(result.astype(int) - PHOTO).max() < np.abs(painted.astype(int) - PHOTO).max() / 2
    near = ndimage.binary_dilation((painted == (255, 0, 0)).all(2), morphology.disk(3))
    np.testing.assert_array_equal(result[~near], PHOTO[~near])


def test_a_painted_colour_in_a_jpeg_and_its_tolerance(call):
    strokes("a.jpg", quality=85, subsampling=2)
    assert call("inpaint a.jpg -o b.png --mask #f00 --method telea -q") == (0, [])
    reds = [(pixels[70:74, 10:120, 0].astype(int) - pixels[70:74, 10:120, 1]).mean() for pixels in (read("b.png").pixels, PHOTO)]
    assert reds[0] == pytest.approx(reds[1], abs=25)
    code, said = call("inpaint a.jpg -o c.png --mask #f00 --tolerance 0 --method telea")
    assert code == 0
    assert "a.jpg: warning: the mask marks nothing; the photograph is written as it was" in said
    np.testing.assert_array_equal(read("c.png").pixels, read("a.jpg").pixels)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("a.png --mask a.png", "mask a.png is a photograph that is to be repaired; expected another file"),
        ("photographs --mask photographs", "photographs/a.png would be its own mask; expected another folder than photographs"),
        ("a.png --mask .", "a.png would be its own mask; expected another folder than ."),
    ],
)
def test_no_photograph_is_its_own_mask(call, words, said):
    Path("photographs").mkdir()
    Image.fromarray(PHOTO).save("photographs/a.png")
    code, lines = call(f"inpaint {words} -o repaired/ --method telea")
    assert (code, Path("repaired").exists()) == (2, False)
    assert said in " ".join(lines)


def test_masks_may_lie_above_the_photographs(call):
    Path("photographs").mkdir()
    Image.fromarray(PHOTO).save("photographs/mask.png")
    assert call("inpaint photographs -o repaired --mask . --method telea -q") == (0, [])
    assert Path("repaired/mask.png").exists()


def test_to_expand_by_nothing(call):
    Image.fromarray(PHOTO).save("a.png")
    code, said = call("inpaint a.png -o b.png --expand 0 --method telea")
    assert code == 0
    assert "a.png: warning: --expand 0 adds nothing; the photograph is written as it was" in said


def test_several_masks_are_united(call):
    strokes("a.png")
    other = np.zeros_like(HOLES)
    other[5:9, 100:140] = True
    Path("masks").mkdir()
    Image.fromarray(other).save("masks/a.png")
    assert call("inpaint a.png -o b.png --mask mask.png --mask #ff0000 --mask masks --method ns -q") == (0, [])
    after = changed()
    assert all(after[where].mean() > 0.9 for where in (HOLES, other, np.s_[70:74, 10:120]))
    assert not after[:4].any()


def test_growth_and_soft_edges(call):
    assert call("inpaint a.png -o b.png --mask mask.png --method biharmonic --grow 2 -q") == (0, [])
    grown = ndimage.binary_dilation(HOLES, morphology.disk(2))
    assert not changed()[~grown].any()
    assert changed()[grown].mean() > 0.95
    assert call("inpaint a.png -o c.png --mask mask.png --method biharmonic --grow 2 --feather 3 -q") == (0, [])
    distance = ndimage.distance_transform_edt(~grown)
    assert not changed("c.png")[distance >= 4].any()
    soft, hole = read("c.png").pixels.astype(float), distance < 4
    from restore.tasks import inpaint

    whole = inpaint(PHOTO, hole, method="biharmonic").astype(float)
    weights = np.clip(1 - distance / 4, 0, 1)[..., None]
    assert np.abs(soft - (PHOTO + weights * (whole - PHOTO))).max() <= 0.51


def test_the_layer_over_the_photograph_is_the_result(call):
    assert call("inpaint a.png -o b.png --mask mask.png --layer layer.tif --grow 1 --feather 2 --method telea -q") == (0, [])
    layer = read("layer.tif")
    over = np.where(layer.alpha[..., None] == 255, layer.pixels, PHOTO)
    np.testing.assert_array_equal(over, read("b.png").pixels)
    assert set(np.unique(layer.alpha)) == {0, 255}
    np.testing.assert_array_equal(layer.alpha > 0, masks.feather(masks.grow(HOLES, 1), 2) > 0)


def test_layers_of_a_folder_keep_depth_and_profile(call):
    Path("in/sub").mkdir(parents=True)
    write(Picture(pixels=PHOTO.astype(np.uint16) * 200, icc=b"a profile"), "in/sub/deep.png")
    Image.fromarray(PHOTO).save("in/c.jpg", quality=90)
    assert call("inpaint in -o out --mask mask.png --layer layers --method ns -q") == (0, [])
    deep = read("layers/sub/deep.png")
    assert (deep.dtype, deep.icc) == (np.uint16, b"a profile")
    np.testing.assert_array_equal(
        np.where(deep.alpha[..., None], deep.pixels, PHOTO.astype(np.uint16) * 200), read("out/sub/deep.png").pixels
    )
    assert read("layers/c.png").alpha.any()
    assert sorted(path.name for path in Path("layers").rglob("*.*")) == ["c.png", "deep.png"]


def test_layers_that_exist(call):
    words = "inpaint a.png -o b.png --mask mask.png --layer layer.png --method ns -q --on-exists"
    Path("layer.png").write_bytes(b"another one")
    assert call(f"{words} fail") == (1, ["a.png: layer.png exists; choose --on-exists skip, replace or rename"])
    assert call(f"{words} rename") == (0, [])
    assert Path("layer.png").read_bytes() == b"another one"
    np.testing.assert_array_equal(read("layer-1.png").alpha > 0, HOLES)
    assert call(f"{words} skip") == (0, [])
    assert Path("layer.png").read_bytes() == b"another one"  # b.png is there, so that nothing is done
    assert call(f"{words} replace") == (0, [])
    assert Path("layer.png").read_bytes() == Path("layer-1.png").read_bytes()


def test_a_photograph_that_fails_leaves_no_layer(call):
    code, said = call("inpaint a.png -o /proc/b.png --mask mask.png --layer layer.png --method ns")
    assert (code, len(said)) == (1, 1)
    assert not Path("layer.png").exists()
    assert call("inpaint a.png -o b.png --mask mask.png --layer layer.png --method ns -q") == (0, [])


def test_the_widest_edge_is_the_library_s():
    assert masks.edit.WIDEST == WIDEST


def test_a_larger_canvas(call):
    assert call("inpaint a.png -o b.png --expand 8,0,10%,4 --mask mask.png --method ns --layer layer.png -q") == (0, [])
    result, layer = read("b.png").pixels, read("layer.png")
    assert result.shape == (104, 173, 3)
    outside = np.ones((104, 173), bool)
    outside[:100, 8:158] = HOLES
    np.testing.assert_array_equal(layer.alpha > 0, outside)
    inner = result[:100, 8:158]
    np.testing.assert_array_equal(inner[~HOLES], PHOTO[~HOLES])
    assert (inner[HOLES] != PHOTO[HOLES]).any()


@pytest.mark.parametrize(
    ("text", "margins"), [("12", (12,) * 4), ("10%", (30, 20, 30, 20)), ("1,2,3,4", (1, 2, 3, 4)), ("2.5%,0,0,7", (8, 0, 0, 7))]
)
def test_margins(text, margins):
    assert read_margins(text)(200, 300) == margins


@pytest.mark.parametrize("text", ["1,2", "-3", "a", "1,2,3,4,5", "5 %", "1,,2,3", "1.5"])
def test_no_margins(text):
    with pytest.raises(WrongCall, match="--expand is .*; expected pixels or per cent"):
        read_margins(text)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("a.png -o b.png", "nothing says what to fill; expected --mask, --expand, or both"),
        ("a.png -o b.png --mask #ff00", "no mask #ff00; expected a file, a folder of masks with the photographs' names, or a colour"),
        ("a.png -o b.png --expand 3,4", "--expand is '3,4'; expected pixels or per cent"),
        ("a.png -o b.png --mask mask.png --grow -1", "--grow is -1; expected a number from 0 to 10000"),
        ("a.png -o b.png --mask mask.png --grow inf", "--grow is 'inf'; expected a number from 0 to 10000"),
        ("a.png -o b.png --mask mask.png --seed 9223372036854775808", "--seed is 9223372036854775808; expected a whole number from 0 to"),
        ("a.png -o b.png --mask mask.png --feather 10001", "--feather is 10001; expected a number from 0 to 10000"),
        ("- -o - --mask mask.png --layer layers", "layer layers: a picture from standard input to standard output has no name"),
        (
            "a.png -o b.png --mask mask.png --tolerance 5",
            "--tolerance 5 is for a --mask that is a colour; expected one such as '#ff0000'",
        ),
        ("a.png -o b.png --mask mask.png --tolerance 256", "--tolerance is 256; expected a number from 0 to 255"),
        ("a.png -o b.png --mask mask.png --layer c.jpg", "layer c.jpg ends in '.jpg'; expected one of .png, .tif, .tiff"),
        ("a.png -o b.png --mask mask.png --layer b.png", "layer b.png would overwrite an output; expected another place"),
        ("a.png -o b.png --mask mask.png --layer mask.png --on-exists replace", "layer mask.png would overwrite a file"),
        ("a.png -o b.png --mask masks --layer masks/b.png --on-exists replace", "layer masks/b.png would overwrite a file that is read"),
        ("a.png -o mask.png --mask mask.png --on-exists replace", "output mask.png would overwrite a file that is read; expected another"),
        ("a.png -o masks --mask masks --on-exists replace", "output masks/a.png would overwrite a file that is read; expected another"),
        ("a.png mask.png -o out --mask mask.png --layer c.png", "layer c.png is a file, or named like one; expected a folder"),
    ],
)
def test_a_wrong_call_is_one_line_and_2(call, words, said):
    Path("masks").mkdir()
    for name in "ab":
        Image.fromarray(HOLES).save(f"masks/{name}.png")
    before = sorted(Path().rglob("*"))
    code, err = call(f"inpaint {words}")
    assert (code, len(err)) == (2, 1)
    assert said in err[0]
    assert sorted(Path().rglob("*")) == before


def test_margins_wider_than_the_photograph_fail_that_one(call):
    code, err = call("inpaint a.png -o b.png --expand 0,101,0,0 --method ns")
    assert code == 1
    assert err[0] == "a.png: the margin at the top is 101 pixels; expected 0 to 100, as large as the picture"
