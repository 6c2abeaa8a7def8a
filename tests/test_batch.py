import os
import warnings
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from restore import batch
from restore.batch import BatchError, Beside, Job, Outcome, Partners, Plan, Result, plan, run
from restore.image import read


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty working folder, so that the paths in the tests are short."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def picture(path, seed=0, size=(6, 5)):
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (*size, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)
    return pixels


def aims(work):
    return [(str(job.source), str(job.target)) for job in work.jobs]


def negative(picture, job, progress):
    progress(0.5)
    return picture.replace(pixels=255 - picture.pixels)


# where things go


@pytest.mark.parametrize(
    ("out", "target"),
    [("b.png", "b.png"), ("new/b.tif", "new/b.tif"), ("there", "there/a.png"), ("new.d/", "new.d/a.png"), ("new", "new/a.png")],
)
def test_one_file_goes_to_a_file_or_into_a_folder(folder, out, target):
    picture("a.png")
    Path("there").mkdir()
    assert aims(plan(["a.png"], out)) == [("a.png", target)]


def test_a_folder_is_searched_and_mirrored(folder):
    for name in ("in/b.png", "in/deep/er/a.JPG", "in/deep/a.tif", "in/.hidden.png", "in/.thumbs/a.png"):
        picture(name)
    Path("in/notes.txt").write_text("no picture")
    os.mkfifo("in/pipe.png")
    assert aims(plan(["in"], "out.d")) == [
        ("in/b.png", "out.d/b.png"),
        ("in/deep/a.tif", "out.d/deep/a.tif"),
        ("in/deep/er/a.JPG", "out.d/deep/er/a.JPG"),
    ]


def test_files_and_folders_mix_and_a_named_file_needs_no_suffix(folder):
    picture("in/a.png")
    Path("b.unknown").write_bytes(Path("in/a.png").read_bytes())
    assert aims(plan(["in", "b.unknown"], "out")) == [("in/a.png", "out/a.png"), ("b.unknown", "out/b.unknown")]


def test_links_are_followed_but_not_up(folder):
    picture("in/sub/a.png")
    picture("elsewhere/b.png")
    Path("in/sub/up").symlink_to(folder / "in")
    Path("in/self").symlink_to("self")
    Path("in/other").symlink_to(folder / "elsewhere")
    Path("in/broken.png").symlink_to("nowhere.png")
    work = plan(["in"], "out")
    assert aims(work) == [
        ("in/broken.png", "out/broken.png"),
        ("in/other/b.png", "out/other/b.png"),
        ("in/sub/a.png", "out/sub/a.png"),
    ]
    assert [outcome.status for outcome in run(work, negative)] == ["failed", "done", "done"]


def test_a_folder_that_cannot_be_read_is_a_failure_and_the_rest_goes_on(folder, monkeypatch):
    picture("in/a.png")
    picture("in/shut/b.png")
    listdir = os.listdir

    def refuse(path):
        if Path(path).name == "shut":
            raise PermissionError(13, "Permission denied", str(path))
        return listdir(path)

    monkeypatch.setattr(os, "listdir", refuse)
    work = plan(["in"], "out")
    assert aims(work) == [("in/a.png", "out/a.png")]
    assert work.settled == [Outcome(Path("in/shut"), None, "failed", "Permission denied")]


def test_what_is_read_besides_is_no_photograph(folder):
    picture("in/a.png")
    picture("in/masks/a.png")
    picture("in/mask.png")
    assert aims(plan(["in"], "out", reads=["in/masks", "in/mask.png"])) == [("in/a.png", "out/a.png")]


def test_the_same_file_twice_is_one_job(folder):
    picture("in/a.png")
    assert aims(plan(["in", "in/a.png", "./in"], "out")) == [("in/a.png", "out/a.png")]


def test_names_keep_their_suffix_so_that_formats_do_not_collide(folder):
    picture("in/a.png")
    picture("in/a.jpg")
    assert len(plan(["in"], "out").jobs) == 2


def test_a_missing_file_is_planned_and_fails_when_it_is_read(folder):
    picture("a.png")
    outcomes = list(run(plan(["nowhere.png", "a.png"], "out"), negative))
    assert [(str(o.source), o.status, o.reason) for o in outcomes] == [("nowhere.png", "failed", "no such file"), ("a.png", "done", "")]


# what is refused before anything is written


@pytest.mark.parametrize(
    ("inputs", "out", "options", "said"),
    [
        ([], "out", {}, "no photograph"),
        ([""], "out", {}, "no photograph"),
        (["empty"], "out", {}, "no picture in empty"),
        (["a.png"], "out", {"on_exists": "ask"}, "'ask'; expected one of fail, skip, replace, rename"),
        (["one", "two"], "out", {}, "one/a.png and two/a.png"),
        (["one"], "a.png", {}, "a.png is a file, or named like one; expected a folder"),
        (["one", "b.png"], "a.png", {}, "a.png is a file, or named like one; expected a folder"),
        (["a.png"], "b.xyz", {}, "output b.xyz ends in '.xyz'; expected one of .avif, "),
        (["a.png"], "/dev/null", {}, "output /dev/null ends in ''"),
        (["a.png"], "a.png", {}, "would overwrite a photograph"),
        (["a.png"], "a.png", {"on_exists": "skip"}, "would overwrite a photograph"),
        (["a.png"], "hard.png", {}, "would overwrite a photograph"),
        (["a.png"], ".", {}, "would overwrite a photograph"),
        (["one/a.png", "b.png"], ".", {"on_exists": "replace"}, "would overwrite a photograph"),
        (["one"], "one", {}, "is the input folder"),
        (["one"], "one", {"on_exists": "rename"}, "is the input folder"),
        (["one"], "one/new", {}, "lies in the input folder one"),
        (["one"], "one/new", {"on_exists": "replace"}, "lies in the input folder one"),
        (["one"], "one/sub/new", {}, "lies in the input folder one"),
        (["a.png"], "b.png/c.png", {}, "output b.png is a file; expected a folder"),
        (["a.png"], "b.png/", {}, "output b.png is a file"),
        (["one"], "b.png/new/deep", {}, "output b.png is a file; expected a folder"),
        (["-"], "b.png/new/c.png", {}, "output b.png is a file; expected a folder"),
        (["one"], "to_one", {}, "is the input folder"),
        (["one"], "to_one/new", {}, "lies in the input folder one"),
        (["."], "out", {}, "lies in the input folder ."),
        (["-", "a.png"], "out", {}, "- stands for one picture"),
        (["a.png", "b.png"], "-", {}, "- stands for one picture"),
        (["one"], "-", {}, "- stands for one picture"),
        (["-"], "out", {}, "names a folder"),
        (["-"], "b.xyz", {}, "output b.xyz"),
    ],
)
def test_refused(folder, inputs, out, options, said):
    for name in ("a.png", "b.png", "one/a.png", "two/a.png", "one/sub/c.png"):
        picture(name)
    os.link("a.png", "hard.png")
    Path("to_one").symlink_to("one")
    Path("empty").mkdir()
    if inputs == ["one/a.png", "b.png"]:
        os.unlink("a.png")
        os.link("b.png", "a.png")
    with pytest.raises(BatchError, match=said.replace("(", r"\(")):
        plan(inputs, out, **options)
    assert not Path("out").exists()


def test_a_photograph_is_overwritten_by_its_own_result_when_asked_to(folder):
    before = {name: picture(name, seed) for seed, name in enumerate(("in/a.png", "in/sub/b.png"))}
    assert {o.status for o in run(plan(["in"], "in", on_exists="replace"), negative)} == {"done"}
    for name, pixels in before.items():
        np.testing.assert_array_equal(read(name).pixels, 255 - pixels)


# outputs that exist


@pytest.mark.parametrize(
    ("on_exists", "target", "status"),
    [
        ("fail", "out/a.png", "failed"),
        ("skip", "out/a.png", "skipped"),
        ("replace", "out/a.png", "done"),
        ("rename", "out/a-2.png", "done"),
    ],
)
def test_an_output_that_exists(folder, on_exists, target, status):
    new, old = picture("in/a.png", 1), picture("out/a.png", 2)
    picture("out/a-1.png", 3)
    (outcome,) = run(plan(["in"], "out", on_exists=on_exists), negative)
    assert (str(outcome.target), outcome.status) == (target, status)
    np.testing.assert_array_equal(read(target).pixels, 255 - new if status == "done" else old)
    if on_exists != "replace":
        np.testing.assert_array_equal(read("out/a.png").pixels, old)


def test_a_new_name_is_not_one_that_another_photograph_takes(folder):
    for name in ("in/a.png", "in/a-1.png", "out/a.png"):
        picture(name)
    assert [target for _, target in aims(plan(["in"], "out", on_exists="rename"))] == ["out/a-1.png", "out/a-2.png"]


def test_a_broken_link_counts_as_an_output_that_exists(folder):
    picture("a.png")
    Path("b.png").symlink_to("nowhere.png")
    assert [o.status for o in plan(["a.png"], "b.png").settled] == ["failed"]


def test_skip_resumes_an_interrupted_run(folder):
    names = [f"{letter}.png" for letter in "abc"]
    for seed, name in enumerate(names):
        picture(f"in/{name}", seed)

    def tire(picture, job, progress):
        if job.name.name == "b.png":
            raise KeyboardInterrupt
        return negative(picture, job, progress)

    with pytest.raises(KeyboardInterrupt):
        list(run(plan(["in"], "out", on_exists="skip"), tire))
    assert os.listdir("out") == ["a.png"]
    outcomes = list(run(plan(["in"], "out", on_exists="skip"), negative))
    assert [(o.source.name, o.status) for o in outcomes] == [("a.png", "skipped"), ("b.png", "done"), ("c.png", "done")]
    picture("once/a.png")
    list(run(plan(["in"], "whole"), negative))
    assert {name: Path("out", name).read_bytes() for name in names} == {name: Path("whole", name).read_bytes() for name in names}


# carrying it out


def test_one_bad_file_never_stops_the_rest(folder):
    for name in ("in/a.png", "in/d.png", "in/e.png", "in/f.png", "in/z.png"):
        picture(name)
    Path("in/b.png").write_bytes(Path("in/a.png").read_bytes()[:60])
    Path("in/c.png").write_bytes(b"")
    Path("out").mkdir()

    def stumble(picture, job, progress):
        if job.name.name == "d.png":
            raise KeyError("a mistake\nof ours")
        if job.name.name == "e.png":
            raise MemoryError("not enough memory for a tile of 32")
        return negative(picture, job, progress)

    outcomes = {o.source.name: o for o in run(plan(["in"], "out"), stumble)}
    assert {name: o.status for name, o in outcomes.items()} == {
        name: "done" if name in ("a.png", "f.png", "z.png") else "failed" for name in outcomes
    }
    assert sorted(os.listdir("out")) == ["a.png", "f.png", "z.png"]
    assert all(o.reason and "\n" not in o.reason for o in outcomes.values() if o.status == "failed")
    assert outcomes["d.png"].reason.startswith("KeyError: ")
    assert outcomes["e.png"].reason == "not enough memory for a tile of 32"


def test_an_output_that_cannot_be_written_is_a_failure(folder):
    picture("in/sub/a.png")
    Path("out").mkdir()
    Path("out/sub").write_text("in the way")
    (outcome,) = run(plan(["in"], "out"), negative)
    assert outcome.status == "failed"
    assert outcome.reason.startswith("out/sub: ")


def test_a_suffix_that_cannot_be_written_fails_before_the_work(folder):
    picture("a.png")
    Path("a.png").rename("a.xyz")
    (outcome,) = run(plan(["a.xyz"], "out"), lambda *_: pytest.fail("was called"))
    assert "'.xyz'" in outcome.reason


def test_what_the_format_cannot_hold_fails_before_the_work(folder):
    Image.new("RGBA", (3, 3), (1, 2, 3, 4)).save("a.png")
    (outcome,) = run(plan(["a.png"], "a.jpg"), lambda *_: pytest.fail("was called"))
    assert "alpha" in outcome.reason
    assert not Path("a.jpg").exists()


def test_the_pixel_limit_is_passed_on(folder):
    picture("a.png", size=(10, 10))
    (outcome,) = run(plan(["a.png"], "out"), negative, max_pixels=99)
    assert outcome.status == "failed"
    assert "99" in outcome.reason
    (outcome,) = run(plan(["a.png"], "out"), negative, max_pixels=100)
    assert outcome.status == "done"


def test_progress_names_the_job_and_its_share(folder):
    picture("a.png")
    picture("b.png")
    seen = []
    list(run(plan(["a.png", "b.png"], "out"), negative, progress=lambda job, fraction: seen.append((job.name.name, fraction))))
    assert seen == [("a.png", 0.0), ("a.png", 0.5), ("b.png", 0.0), ("b.png", 0.5)]


def test_what_reading_warns_of_becomes_a_note(folder):
    Image.new("CMYK", (4, 4), (10, 20, 30, 40)).save("a.jpg")
    (outcome,) = run(plan(["a.jpg"], "out.png"), negative)
    assert outcome.status == "done"
    assert "CMYK" in outcome.notes[0]


def test_other_warnings_stay_warnings(folder):
    picture("a.png")

    def complain(picture, job, progress):
        warnings.warn("old", DeprecationWarning, stacklevel=1)
        return picture

    with pytest.warns(DeprecationWarning, match="old"):
        list(run(plan(["a.png"], "out"), complain))


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (PermissionError(13, "Permission denied", "/a"), "/a: Permission denied"),
        (OSError(28, "No space left"), "No space left"),
        (OSError("no number"), "no number"),
        (ValueError("first\n  second"), "first second"),
        (MemoryError(), "MemoryError"),
        (ZeroDivisionError("division by zero"), "ZeroDivisionError: division by zero"),
    ],
)
def test_errors_are_described_in_one_line(error, line):
    assert batch.describe(error) == line


def test_standard_streams(folder, monkeypatch, capsysbinary):
    pixels = picture("a.png")

    class Stdin:
        buffer = open("a.png", "rb")  # noqa: SIM115 - closed below

    monkeypatch.setattr("sys.stdin", Stdin)
    (outcome,) = run(plan(["-"], "-"), negative)
    Stdin.buffer.close()
    assert outcome.status == "done"
    np.testing.assert_array_equal(read(capsysbinary.readouterr().out).pixels, 255 - pixels)
    assert plan(["a.png"], "-") == Plan([Job(Path("a.png"), None, Path("a.png"))])
    assert plan(["-"], "b.png") == Plan([Job(None, Path("b.png"), Path("-"))])


# masks


def test_partners(folder):
    for name in ("masks/a.png", "masks/sub/b.c.TIF", "masks/d.png", "masks/d.jpg", "masks/e.jpg", "masks/e.png"):
        picture(name)
    partners = Partners("masks")
    assert partners.find(Path("a.jpg")) == Path("masks/a.png")
    assert partners.find(Path("sub/b.c.png")) == Path("masks/sub/b.c.TIF")
    assert partners.find(Path("e.png")) == Path("masks/e.png")
    with pytest.raises(ValueError, match=r"no mask masks/b.c.\*"):
        partners.find(Path("b.c.png"))
    with pytest.raises(ValueError, match=r"several masks: masks/d.jpg, masks/d.png; expected one masks/d.\*"):
        partners.find(Path("d.webp"))


def test_a_folder_is_not_called_like_a_picture(folder):
    for name in ("a.png", "b.png"):
        picture(name)
    with pytest.raises(BatchError, match="output out.png is a file, or named like one; expected a folder for more than one photograph"):
        plan(["a.png", "b.png"], "out.png")
    assert [str(job.target) for job in plan(["a.png", "b.png"], "out.png/").jobs] == ["out.png/a.png", "out.png/b.png"]


def test_a_picture_that_comes_back_untouched_is_copied(folder, monkeypatch, capsysbinary):
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)).save("a.jpg", quality=97)
    Image.new("CMYK", (4, 4), (10, 20, 30, 40)).save("ink.jpg")
    content = Path("a.jpg").read_bytes()
    assert [o.notes for o in run(plan(["a.jpg", "ink.jpg"], "out"), lambda picture, *_: picture)] == [(), ()]
    assert Path("out/a.jpg").read_bytes() == content
    assert Path("out/ink.jpg").read_bytes() == Path("ink.jpg").read_bytes()
    list(run(plan(["a.jpg"], "b.png"), lambda picture, *_: picture))
    np.testing.assert_array_equal(read("b.png").pixels, read("a.jpg").pixels)
    list(run(plan(["a.jpg"], "c.jpg"), lambda picture, *_: picture.replace(pixels=picture.pixels)))
    assert Path("c.jpg").read_bytes() != content
    with open("a.jpg", "rb") as file:
        monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=file))
        list(run(plan(["-"], "-"), lambda picture, *_: picture))
    assert capsysbinary.readouterr().out == content


MASK = Beside("mask", "mask.png", (".png",))


def mark(picture, job, progress):
    return Result(picture.replace(pixels=255 - picture.pixels), picture)


def test_standard_output_is_not_for_what_stands_beside_an_output(folder):
    picture("a.png")
    with pytest.raises(BatchError, match="mask - would be standard output; expected a file or a folder"):
        plan(["a.png"], "b.png", beside=Beside("mask", "-", (".png",)))


def test_what_stands_beside_an_output_is_written_with_it_or_not_at_all(folder, monkeypatch):
    picture("a.png")
    Path("mask.png").write_bytes(b"the last one")
    work = plan(["a.png"], "b.png", on_exists="replace", beside=MASK)
    assert work.jobs == [Job(Path("a.png"), Path("b.png"), Path("a.png"), Path("mask.png"))]
    monkeypatch.setattr(batch, "drafted", lambda *_, **__: pytest.fail("the disk is full"))
    with pytest.raises(pytest.fail.Exception):
        list(run(work, mark))
    assert Path("mask.png").read_bytes() == b"the last one"
    monkeypatch.undo()
    monkeypatch.chdir(folder)
    assert [o.status for o in run(work, mark)] == ["done"]
    np.testing.assert_array_equal(read("mask.png").pixels, 255 - read("b.png").pixels)
    Path("mask.png").unlink()
    Path("masks/c.png").mkdir(parents=True)
    work = plan(["a.png"], "c.png", on_exists="replace", beside=Beside("mask", "masks", (".png",)))
    (outcome,) = run(work, lambda *_: pytest.fail("was called"))
    assert outcome.reason == "masks/c.png: is a folder: expected a file name"
    assert sorted(os.listdir()) == ["a.png", "b.png", "masks"]


def test_an_interrupted_output_does_not_count_as_done_before_what_stands_beside_it(folder, monkeypatch):
    picture("a.png")
    replace, moved = os.replace, []

    def move(source, target):
        if moved:
            raise KeyboardInterrupt
        moved.append(Path(target).name)
        replace(source, target)

    monkeypatch.setattr(os, "replace", move)
    with pytest.raises(KeyboardInterrupt):
        list(run(plan(["a.png"], "b.png", on_exists="replace", beside=MASK), mark))
    assert moved == ["mask.png"]
    assert sorted(os.listdir()) == ["a.png", "mask.png"]


def test_what_stands_beside_outputs_has_their_names(folder):
    for name in ("in/a.jpg", "in/sub/b.TIF", "out/a.jpg"):
        picture(name)
    layers = Beside("layer", "layers", (".png", ".tif"))
    places = [str(job.beside) for job in plan(["in"], "out", on_exists="rename", beside=layers).jobs]
    assert places == ["layers/a-1.png", "layers/sub/b.TIF"]
    assert [str(job.beside) for job in plan(["in/a.jpg"], "c.tif", beside=layers).jobs] == ["layers/c.tif"]
    assert [str(job.beside) for job in plan(["-"], "c.tif", beside=layers).jobs] == ["layers/c.tif"]
    assert [str(job.beside) for job in plan(["in/a.jpg"], "-", beside=layers).jobs] == ["layers/a.png"]


@pytest.mark.parametrize(
    ("on_exists", "status", "written"),
    [
        ("fail", "failed", []),
        ("skip", "done", ["masks/a.png", "out/a.png"]),
        ("replace", "done", ["masks/a.png", "out/a.png"]),
        ("rename", "done", ["masks/a-1.png", "out/a.png"]),
    ],
)
def test_what_exists_beside_one_output_is_that_one_s_matter(folder, on_exists, status, written):
    for name in ("in/a.png", "in/b.png"):
        picture(name)
    Path("masks").mkdir()
    Path("masks/a.png").write_bytes(b"of another run")
    work = plan(["in"], "out", on_exists=on_exists, beside=Beside("mask", "masks", (".png",)))
    first, second = run(work, mark)
    assert (first.status, second.status) == (status, "done")
    if status == "failed":
        assert first.reason == "masks/a.png exists; choose on_exists skip, replace or rename"
    new = [str(path) for path in sorted(Path().glob("*/*")) if path.parts[0] != "in" and path.read_bytes() != b"of another run"]
    assert new == sorted([*written, "masks/b.png", "out/b.png"])


@pytest.mark.parametrize(
    ("inputs", "out", "beside", "said"),
    [
        (["in/a.png"], "b.png", "mask.jpg", "mask mask.jpg ends in '.jpg'; expected one of .png"),
        (["in"], "out", "mask.png", "mask mask.png is a file, or named like one; expected a folder for more than one photograph"),
        (["in"], "out", "notes", "mask notes is a file, or named like one; expected a folder"),
        (["in/a.png"], "b.png", "b.png", "mask b.png would overwrite an output; expected another place, or different names"),
        (["in/a.png"], "b.png", "./there/../b.png", "would overwrite an output"),
        (["in"], "out", "out", "mask out/a.png would overwrite an output"),
        (["in/a.jpg", "in/a.png"], "out", "in", "mask in/a.png would overwrite a file that is read"),
        (["in/a.jpg", "in/a.png"], "done", "in", "mask in/a.png would overwrite a file that is read"),
        (["in/a.jpg", "in/a.png"], "done", "done", "mask done/a.png would overwrite an output"),
        (["in/a.png"], "there", "others", "mask others/a.png would overwrite a file that is read"),
        (["in/a.jpg", "in/a.png"], "out", "masks", "mask masks/a.png would overwrite the mask of out/a.jpg"),
        (["-"], "-", "masks", "mask masks: a picture from standard input to standard output has no name; expected a file"),
    ],
)
def test_refused_beside_an_output(folder, inputs, out, beside, said):
    for name in ("in/a.png", "in/a.jpg", "there/c.png", "others/a.png", "done/a.png"):
        picture(name)
    Path("notes").write_text("no picture")
    before = sorted(Path().rglob("*"))
    with pytest.raises(BatchError, match=said):
        plan(inputs, out, on_exists="skip", reads=["others"], beside=Beside("mask", beside, (".png",)))
    assert sorted(Path().rglob("*")) == before


@pytest.mark.parametrize("on_exists", ["fail", "skip", "replace"])
@pytest.mark.parametrize(("inputs", "out"), [(["in/a.png"], "mask.png"), (["in"], "masks"), (["in/a.png"], "masks/sub/b.tif")])
def test_what_is_read_besides_is_never_overwritten(folder, on_exists, inputs, out):
    for name in ("in/a.png", "mask.png", "masks/a.png", "masks/sub/b.tif"):
        picture(name)
    with pytest.raises(BatchError, match="would overwrite a file that is read; expected another output"):
        plan(inputs, out, on_exists=on_exists, reads=["mask.png", "masks", "#ff0000"])
    assert plan(inputs, out, on_exists="rename", reads=["mask.png", "masks"]).jobs


@pytest.mark.parametrize("early", [True, False])
@pytest.mark.parametrize("late", ["out/b.png", "masks/b.png"])
@pytest.mark.parametrize("on_exists", batch.ON_EXISTS)
def test_what_comes_to_exist_during_a_batch_counts_too(folder, on_exists, late, early):
    for name in ("in/a.png", "in/b.png"):
        picture(name)
    called = []

    def work(picture, job, progress):
        called.append(job.name.name)
        if job.name.name == ("a.png" if early else "b.png"):
            Path(late).parent.mkdir(exist_ok=True)
            Path(late).write_bytes(b"of somebody else")
        return mark(picture, job, progress)

    first, second = run(plan(["in"], "out", on_exists=on_exists, beside=Beside("mask", "masks", (".png",))), work)
    assert first.status == "done"
    replaced = on_exists == "replace" or (on_exists, late) == ("skip", "masks/b.png")
    assert (Path(late).read_bytes() == b"of somebody else") != replaced
    written = sorted(str(path) for folder in ("out", "masks") for path in Path(folder).iterdir() if path.name != "a.png")
    if replaced:
        assert (second.status, written) == ("done", ["masks/b.png", "out/b.png"])
    elif on_exists == "rename":
        assert second.status == "done"
        assert written == sorted(["masks/b.png", "out/b.png", late.replace("b.png", "b-1.png")])
        assert str(second.target) == ("out/b-1.png" if late == "out/b.png" else "out/b.png")
    else:
        assert written == [late]
        assert (second.status, second.reason) == {
            "fail": ("failed", f"{late} exists; choose on_exists skip, replace or rename"),
            "skip": ("skipped", ""),
        }[on_exists]
        assert called == (["a.png"] if early else ["a.png", "b.png"])


def test_a_copy_does_not_replace_what_came_to_exist(folder):
    picture("a.png")

    def work(picture, job, progress):
        Path("b.png").write_bytes(b"of somebody else")
        return picture

    (outcome,) = run(plan(["a.png"], "b.png"), work)
    assert (outcome.status, outcome.reason) == ("failed", "b.png exists; choose on_exists skip, replace or rename")
    assert Path("b.png").read_bytes() == b"of somebody else"


def test_a_file_that_comes_to_exist_as_the_draft_takes_its_place(folder, monkeypatch):
    picture("a.png")
    look = batch.obstacle

    def late(job, on_exists):
        found = look(job, on_exists)
        if not found:
            Path("b.png").write_bytes(b"of somebody else")
        return found

    monkeypatch.setattr(batch, "obstacle", late)
    (outcome,) = run(plan(["a.png"], "b.png", on_exists="rename"), negative)
    assert (outcome.status, str(outcome.target)) == ("done", "b-1.png")
    assert Path("b.png").read_bytes() == b"of somebody else"
    assert sorted(os.listdir()) == ["a.png", "b-1.png", "b.png"]
