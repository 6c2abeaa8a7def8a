import dataclasses
import json
import re
import runpy
import shlex
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
import typer
from PIL import Image
from scipy import ndimage
from skimage import data as photographs

from restore import Restorer, weights
from restore.degrade.blur import benchmark_kernels
from restore.training import checkpoints, engine, evaluation
from restore.training.config import override
from restore.training.recipes import RECIPES

SCRIPT = Path(__file__).parents[1] / "scripts" / "publish.py"


@pytest.fixture(scope="module", autouse=True)
def beside():
    """The scripts' folder is where they find each other, as when Python is given one."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(SCRIPT.parent)
        yield


@pytest.fixture(scope="module")
def published(beside, tmp_path_factory):
    """A run of two steps, published twice under two names."""
    root = tmp_path_factory.mktemp("publish")
    (root / "photographs").mkdir()
    for name in ("astronaut", "coffee"):
        Image.fromarray(getattr(photographs, name)()).save(root / "photographs" / f"{name}.png")
    options = {"widths": [8, 8, 8], "down": [1, 1, 1], "up": [1, 1, 1]}
    config = dataclasses.replace(RECIPES["denoise"](), options=options, steps=2, batch=2, threads=1)
    engine.train(config, source=root / "photographs", out=root / "run", say=lambda line: None)
    (root / "scores.json").write_text(json.dumps({"Kodak24 sigma 25, dB": 31.5}))
    publish = runpy.run_path(str(SCRIPT))["publish"]
    settings = {"recipe": "denoise", "source": root / "photographs", "trained": "no time at all", "out": root / "weights"}
    for name, summary in (("first", ""), ("second", "Not for anything.")):
        publish(root / "run", name=name, scores=root / "scores.json", summary=summary, **settings)
    return root


@pytest.mark.parametrize("wrong", [{"scores": "nowhere.json"}, {"source": "nowhere"}])
def test_a_wrong_call_leaves_what_is_published(published, wrong, tmp_path):
    place = shutil.copytree(published / "weights", tmp_path / "weights")
    before = {path.name: path.read_bytes() for path in place.iterdir()}
    publish = runpy.run_path(str(SCRIPT))["publish"]
    places = {
        "scores": published / "scores.json",
        "source": published / "photographs",
        **{key: tmp_path / path for key, path in wrong.items()},
    }
    with pytest.raises((typer.BadParameter, OSError, ValueError), match="nowhere"):
        publish(published / "run", name="first", recipe="denoise", trained="anew", summary="", out=place, **places)
    assert {path.name: path.read_bytes() for path in place.iterdir()} == before


@pytest.mark.parametrize("wrong", [{"name": "a b"}, {"name": "a.b"}, {"name": "'a'"}, {"licence": ""}, {"summary": "broken \udc80"}])
def test_a_manifest_that_nothing_could_read_leaves_what_is_published(published, wrong, tmp_path):
    place = shutil.copytree(published / "weights", tmp_path / "weights")
    before = {path.name: path.read_bytes() for path in place.iterdir()}
    publish = runpy.run_path(str(SCRIPT))["publish"]
    settings = {"name": "first", "recipe": "denoise", "source": published / "photographs", "trained": "anew", "out": place, **wrong}
    with pytest.raises(typer.BadParameter, match="nothing could read the manifest any more: "):
        publish(published / "run", **settings)
    assert {path.name: path.read_bytes() for path in place.iterdir()} == before


def test_any_character_is_read_back(published, tmp_path):
    entry = next(iter(weights.entries(published / "weights").values()))
    said = "".join(map(chr, [*range(1, 160), 0x2028, 0xFEFF, 0x1F600, 0x10FFFF]))
    entry = dataclasses.replace(entry, summary=said, scores={said: 1e-30})
    (tmp_path / "weights.toml").write_text(runpy.run_path(str(SCRIPT))["render"]({entry.name: entry}), "utf-8", newline="\n")
    assert weights.entries(tmp_path) == {entry.name: entry}


def test_published_weights_load_and_equal_the_run(published):
    entries = weights.entries(published / "weights")
    assert list(entries) == ["first", "second"]
    assert entries["second"].scores == {"Kodak24 sigma 25, dB": 31.5}
    assert [entry.summary for entry in entries.values()] == ["", "Not for anything."]
    averaged = engine.read_checkpoint(published / "run" / "checkpoint.pt")["averaged"]
    for key, value in weights.load("first", place=published / "weights").state_dict().items():
        torch.testing.assert_close(value, averaged[key], rtol=1e-3, atol=1e-6)


def test_card_says_what_the_manifest_says(published):
    card = (published / "weights" / "first.md").read_text("utf-8")
    what = "2 photographs of one folder, 1 of them held out to choose on."
    parts = ["# first", "recipe `denoise`", "no time at all", what, "| Kodak24 sigma 25, dB | 31.5 |", "](first.jpg)", "## Limits"]
    assert [part for part in parts if part not in card] == []


def test_card_says_what_the_run_was_told_and_no_more(published):
    (line,) = [line for line in (published / "weights" / "first.md").read_text("utf-8").splitlines() if line.startswith("- Training")]
    options = "--set options.widths=8,8,8 --set options.down=1,1,1 --set options.up=1,1,1"
    assert f"recipe `denoise`, no time at all; with --set steps=2 --set batch=2 {options}; published at commit" in line


@pytest.mark.parametrize("recipe", RECIPES)
def test_a_run_as_its_recipe_says_was_told_nothing(recipe):
    config = json.loads(json.dumps(checkpoints.describe(RECIPES[recipe]())))
    assert runpy.run_path(str(SCRIPT))["settings"](config, recipe) == ""


def test_what_a_run_was_told_can_be_told_again():
    said = ["start=checkpoint.pt", "objective.sigma=5,25", "lr=0.0005", "patches=0:64:16,6600:256:2", "options.block=plain", "start=a b.pt"]
    config = override(RECIPES["denoise"](), [*said, "threads=1"])
    text = runpy.run_path(str(SCRIPT))["settings"](json.loads(json.dumps(checkpoints.describe(config))), "denoise")
    _, *words = shlex.split(text)
    assert set(words[::2]) == {"--set"}
    assert sorted(words[1::2]) == sorted(said[1:])
    assert override(RECIPES["denoise"](), words[1::2]) == dataclasses.replace(config, threads=0)


def test_another_network_is_named_with_its_options():
    config = override(RECIPES["resnet-cifar10"](), ["network=resnet20", "options.norm=group", "start=runs/a/checkpoint.pt"])
    text = runpy.run_path(str(SCRIPT))["settings"](checkpoints.describe(config), "resnet-cifar10")
    assert text == "with --set network=resnet20 --set start=checkpoint.pt --set options.norm=group"


def test_a_card_opens_with_the_weights_own_sentence_if_it_has_one(published, tmp_path):
    script = runpy.run_path(str(SCRIPT))
    first, second = weights.entries(published / "weights").values()
    for entry, said in ((first, ""), (dataclasses.replace(second, options={}), 'For "old" photographs.')):
        (tmp_path / "weights.toml").write_text(script["render"]({entry.name: dataclasses.replace(entry, summary=said)}), "utf-8")
        assert ("summary" in (tmp_path / "weights.toml").read_text("utf-8")) == bool(said)
        (read,) = weights.entries(tmp_path).values()
        assert read.summary == said
        shutil.copy(published / "weights" / entry.file, tmp_path)
        with pytest.MonkeyPatch.context() as patch:
            patch.setitem(script["write_card"].__globals__, "draw", lambda entry, out: None)
            script["write_card"](read, tmp_path)
    opening = [(tmp_path / f"{name}.md").read_text("utf-8").splitlines()[2:5:2] for name in ("first", "second")]
    recipe = "Colour denoiser with a noise-level map, sigma 0 to 75, float or 8-bit noise."
    assert opening[0][0] == recipe
    assert opening[0][1].startswith("- Network: `restoration` (widths [8, 8, 8], down ")
    assert opening[1][0] == 'For "old" photographs.'
    assert opening[1][1].startswith("- Network: `restoration`, ")


def test_scores_of_restore_evaluate_say_where_they_were_measured(tmp_path):
    path = tmp_path / "scores.json"
    content = {"weight": "mine", "data": "others", "measure": "Mean PSNR.", "pictures": 6, "scores": {"psnr_25": 31.04003}}
    path.write_text(json.dumps(content), "utf-8")
    assert runpy.run_path(str(SCRIPT))["read_scores"](path) == {"6 pictures of others: psnr_25": 31.04}


def test_limits_are_kept_when_published_again(published):
    path = published / "weights" / "second.md"
    path.write_text(path.read_text("utf-8").replace("(to be written)", "Not for faces."), encoding="utf-8")
    settings = {"recipe": "denoise", "source": published / "photographs", "trained": "longer", "out": published / "weights"}
    runpy.run_path(str(SCRIPT))["publish"](published / "run", name="second", **settings)
    card = path.read_text("utf-8")
    assert "Not for faces." in card
    assert "longer" in card


@pytest.fixture(scope="module")
def classifier(tmp_path_factory):
    """A classifier of two steps, published beside a denoiser's entry."""
    root = tmp_path_factory.mktemp("classifier")
    for name, value in (("dark", 0), ("bright", 255)):
        (root / "data" / name).mkdir(parents=True)
        for i in range(12):
            Image.new("L", (28, 28), value).save(root / "data" / name / f"{i}.png")
    config = dataclasses.replace(RECIPES["lenet5"](), options={"num_classes": 2}, steps=2, batch=2, threads=1)
    engine.train(config, source=root / "data", out=root / "run", say=lambda line: None)
    publish = runpy.run_path(str(SCRIPT))["publish"]
    settings = {"recipe": "lenet5", "source": root / "data", "trained": "no time at all", "out": root / "weights"}
    publish(root / "run", name="shades", origin="Drawn by the test.", **settings)
    return root


def test_a_published_classifier_has_its_classes_and_equals_the_run(classifier):
    (entry,) = weights.entries(classifier / "weights").values()
    assert (entry.task, entry.classes, entry.options) == ("classify", ("bright", "dark"), {"num_classes": 2})
    network = weights.load("shades", place=classifier / "weights")
    averaged = engine.read_checkpoint(classifier / "run" / "checkpoint.pt")["averaged"]
    for key, value in network.state_dict().items():
        torch.testing.assert_close(value, averaged[key], rtol=1e-3, atol=1e-6)


def test_the_card_of_a_classifier_names_its_data(classifier):
    card = (classifier / "weights" / "shades.md").read_text("utf-8")
    what = "24 pictures of 28x28x1 in 2 classes, of which every tenth were held out to choose on."
    parts = [what, "Drawn by the test.", "in the order of the outputs: bright, dark.", "recipe `lenet5`"]
    assert [part for part in parts if part not in card] == []


def test_a_denoisers_entry_has_no_classes(published):
    assert "classes" not in (published / "weights" / "weights.toml").read_text("utf-8")


def test_pictures_are_small_and_show_what_the_weight_does(published):
    path = published / "weights" / "first.jpg"
    assert path.stat().st_size < 150_000
    page = np.asarray(Image.open(path))
    given, _, original, difference = (page[12:220, 12 + 220 * i : 220 + 220 * i].astype(int) for i in range(4))
    assert abs(original - photographs.astronaut()[10:218, 120:328]).mean() < 5
    assert 11 < (given - original).std() < 30  # noise of sigma 25, clipped and compressed
    assert difference.mean() > 40  # the network of two steps leaves it


def test_the_difference_is_four_times_as_large():
    row = {key: np.full((1, 2, 3), value, np.uint8) for key, value in (("before", 9), ("after", 30), ("original", 40))}
    row["after"][0, 1] = 200
    shown = runpy.run_path(str(SCRIPT))["with_difference"](row)
    assert list(shown)[:3] == list(row)
    assert shown["4 x difference"][0, :, 0].tolist() == [40, 255]


def test_a_card_is_written_anew_from_the_manifest(published, tmp_path):
    place = shutil.copytree(published / "weights", tmp_path / "weights")
    manifest = place / "weights.toml"
    manifest.write_text(manifest.read_text("utf-8").replace("31.5", "31.6"), "utf-8")
    before = (place / "first.md").read_text("utf-8")
    (place / "first.jpg").unlink()
    card = runpy.run_path(str(SCRIPT))["card"]
    card("first", out=place)
    assert (place / "first.md").read_text("utf-8") == before.replace("31.5", "31.6")
    assert (place / "first.jpg").is_file()
    with pytest.raises(typer.BadParameter, match="'third' is unknown, expected one of first, second"):
        card("third", out=place)


def test_the_published_file_restores_with_its_hash_checked(published, tmp_path):
    path = published / "weights" / "first.safetensors"
    restorer = Restorer(device="cpu", weights={"denoise": path})
    assert restorer.denoise(photographs.astronaut()[:40, :40], sigma=25).shape == (40, 40, 3)
    report = evaluation.evaluate(str(path), published / "photographs", crop=64)
    assert report.pictures == 2
    assert report.scores.keys() == {"psnr_15", "psnr_25", "psnr_50", "psnr_50_8bit", "gain"}
    place = shutil.copytree(published / "weights", tmp_path / "weights")
    content = (place / path.name).read_bytes()
    (place / path.name).write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(weights.WeightsError, match=r"has sha256 \w{64}, expected"):
        weights.load(str(place / path.name))


def test_data_is_described_by_what_was_read(tmp_path):
    """By licence and tier of the manifest, without what the run left out: another licence, a higher tier, too small."""
    rows = ["file\tlicence\ttier\tsource", "a.png\tMIT\t1\tus", "b.png\tMIT\t1\tus", "c.png\tnone stated\t1\tthem"]
    rows += ["d.png\tCC0\t3\tus", "e.png\tCC0\t2\tus", "f.png\tCC0\t1\tus"]
    (tmp_path / "manifest.tsv").write_text("\n".join(rows) + "\n", "utf-8")
    for name in "abcdef":
        Image.new("RGB", (32, 32) if name == "f" else (96, 64)).save(tmp_path / f"{name}.png")
    describe = runpy.run_path(str(SCRIPT))["describe_data"]
    text = describe(tmp_path, {"licence": "open", "tier": "2", "crop": 32, "patches": [[5, 64, 1]]})
    head = "2 photographs, those whose licence is stated and open, of tier 2 at most; chosen on 1 that were held out."
    assert text.splitlines()[0] == head
    assert text.splitlines()[-2:] == ["| MIT | 1 | us | 1 |", "| CC0 | 2 | us | 1 |"]
    assert "| CC0 | 3 | us | 1 |" in describe(tmp_path, {"licence": "any", "crop": 32})


def test_what_cannot_be_published(published, tmp_path):
    publish = runpy.run_path(str(SCRIPT))["publish"]
    settings = {"name": "none", "source": published / "photographs", "trained": "", "out": tmp_path / "weights"}
    with pytest.raises(typer.BadParameter, match="is no run with its config.json: "):
        publish(tmp_path, recipe="denoise", **settings)
    for recipe in ("lenet5", "noise"):
        with pytest.raises(typer.BadParameter, match=f"'{recipe}' did not train this run"):
            publish(published / "run", recipe=recipe, **settings)
    assert not (tmp_path / "weights").exists()


def test_other_tasks_are_shown_as_their_training_shows_them(published, tmp_path):
    settings = ["objective.names=film_grain", "objective.probabilities=1"]
    options = {"widths": [8, 8], "down": [1, 1], "up": [1, 1]}
    config = dataclasses.replace(RECIPES["repair"](), options=options, steps=2, batch=2, threads=1)
    engine.train(override(config, settings), source=published / "photographs", out=tmp_path / "run", say=lambda line: None)
    publish = runpy.run_path(str(SCRIPT))["publish"]
    words = {"name": "mend", "recipe": "repair", "trained": "no time", "origin": "Ours."}
    publish(tmp_path / "run", source=published / "photographs", out=tmp_path / "weights", **words)
    assert np.asarray(Image.open(tmp_path / "weights" / "mend.jpg")).shape[1] == 3 * 220 + 12
    assert "\n\nOurs.\n\n## Scores\n\n(none)" in (tmp_path / "weights" / "mend.md").read_text("utf-8")


def test_cards_of_shipped_weights_have_their_pictures():
    for name, entry in weights.entries().items():
        pictures = re.findall(r"!\[.*\]\((.*)\)", (weights.folder() / f"{name}.md").read_text("utf-8"))
        assert len(pictures) == (entry.task != "classify")
        assert all((weights.folder() / picture).is_file() for picture in pictures)


def test_blurred_pictures_of_a_card():
    """What is given to the network is what SciPy blurs, with 1 % of noise, and it is not told how."""
    given = []

    class Spy:
        def deblur(self, picture):
            given.append(picture)
            return picture

    script = runpy.run_path(str(SCRIPT))
    rows = script["SHEETS"]["deblur"](Spy())
    for row, picture, kernel in zip(rows, given, ("disk_3", "walk_12", "walk_24"), strict=True):
        seen, result, clean = row.values()
        assert seen is picture
        assert result is picture
        wanted = ndimage.correlate(clean.astype(float), benchmark_kernels()[kernel].numpy()[..., None], mode="mirror")
        inside = (wanted > 12) & (wanted < 243)
        assert (seen - wanted)[inside].std() == pytest.approx(np.hypot(2.55, 12**-0.5), rel=0.02)
