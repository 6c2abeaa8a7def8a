import importlib.util
import io
import json
from pathlib import Path

import numpy as np
import pytest
import skimage
import torch
import typer
from PIL import Image
from scipy import ndimage
from typer.testing import CliRunner

from restore import backbones, image, masks, metrics, networks
from restore.networks.filtering import OPERATORS
from restore.training import engine

SCRIPT = Path(__file__).resolve().parents[1] / "scripts" / "evaluate.py"


@pytest.fixture(scope="module")
def script():
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(SCRIPT.parent)  # as `python scripts/evaluate.py` does: the script imports its neighbours
        yield load()


def load():
    spec = importlib.util.spec_from_file_location("evaluate", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pictures")
    Image.fromarray(skimage.data.astronaut()[100:180, 100:170]).save(folder / "b.png")
    Image.fromarray(np.full((64, 64), 128, np.uint8)).save(folder / "a.png")
    (folder / "notes.txt").write_text("no picture")
    return folder


@pytest.fixture
def evaluate(script, folder, tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))  # no LPIPS: the table is the same on every machine

    def run(*arguments, before=()):
        file = tmp_path / "scores.json"
        before = ["--features", str(tmp_path / "nowhere"), *before]
        result = CliRunner().invoke(script.app, [*before, *arguments, "--data", str(folder), "--json", str(file)])
        return result, json.loads(file.read_text()) if file.exists() else None

    return run


def test_the_noisy_input_has_the_psnr_of_its_noise(evaluate):
    result, rows = evaluate("denoise", "--method", "none", "--sigma", "5,25", "--noise", "float,clipped")
    assert result.exit_code == 0, result.output
    assert [(row["method"], row["noise"], row["sigma"]) for row in rows] == [
        ("none", kind, sigma) for kind in ("float", "clipped") for sigma in (5, 25)
    ]
    for row in rows:
        grey = row["pictures"]["psnr"][0]
        assert grey == pytest.approx(20 * np.log10(255 / row["sigma"]), abs=0.15)
        assert row["psnr"] == pytest.approx(np.mean(row["pictures"]["psnr"]))
        assert len(row["pictures"]["psnr"]) == 2
    assert [row["psnr"] for row in rows[:2]] == [row["psnr"] for row in rows[2:]]  # scores are those of 8 bits
    table = result.stdout.splitlines()
    assert table[:2] == ["| method | noise | sigma | psnr | ssim | lpips | seconds |", "|" + "---|" * 7]
    assert len(table) == 2 + 4
    assert table[2].startswith(f"| none | float | 5 | {rows[0]['psnr']:.2f} | {rows[0]['ssim']:.4f} | - | ")
    assert "LPIPS is missing" in result.stderr


def test_classical_denoisers_denoise(evaluate):
    _, rows = evaluate("denoise", "--method", "none,bilateral,nlm", "--sigma", "25")
    assert all(row["psnr"] > rows[0]["psnr"] + 3 for row in rows[1:])


def test_noise_is_seeded_and_the_same_for_both_kinds(script):
    clean = np.full((9, 9, 3), 250, np.uint8)
    noisy = script.add_noise(clean, 50, 3, "float")
    assert noisy.dtype == np.float32
    assert noisy.max() > 1
    assert np.array_equal(script.add_noise(clean, 50, 3), np.rint(np.clip(noisy, 0, 1) * 255))
    assert not np.array_equal(script.add_noise(clean, 50, 4, "float"), noisy)


@pytest.mark.parametrize("kind", ["shared", "sepia"])
def test_noise_that_channels_share_is_told_from_what_it_lies_on(evaluate, script, kind):
    clean = np.full((64, 64, 3), 120, np.uint8)
    clean = script.toned(clean) if kind == "sepia" else clean
    rest = script.add_noise(clean, 20, 1, kind) - clean.astype(float)
    assert np.sqrt(np.square(rest).mean()) == pytest.approx(20, rel=0.03)
    assert np.corrcoef(rest.reshape(-1, 3).T).min() > 0.999
    assert (np.ptp(rest.std((0, 1))) > 5) == (kind == "sepia")
    _, rows = evaluate("--blind", "denoise", "--weight", "denoise", "--method", "none", "--sigma", "25", "--noise", kind)
    assert rows[1]["psnr"] > rows[0]["psnr"] + 5


def test_centre_crops(script, folder):
    found = dict(script.pictures(folder, 40, None))
    assert list(found) == [0, 1]
    assert np.array_equal(found[1], skimage.data.astronaut()[120:160, 115:155])
    assert found[0].shape == (40, 40, 3)
    assert [picture.shape for _, picture in script.pictures(folder, 0, None)] == [(64, 64, 3), (80, 70, 3)]


def test_inpainting_is_measured_in_the_hole(evaluate, tmp_path):
    out = tmp_path / "out"
    result, rows = evaluate("inpaint", "--method", "telea,ns,biharmonic", "--masks", "thin,large", before=["--out", str(out)])
    assert result.exit_code == 0, result.output
    assert [row["method"] for row in rows] == ["telea", "ns", "biharmonic"] * 2
    clean = skimage.data.astronaut()[100:180, 100:170]
    for row in rows:
        low, high = masks.BENCHMARKS[row["masks"]][1]
        assert low <= row["area"] <= high
        hole = masks.benchmark(row["masks"], (80, 70), 1) > 0
        filled = image.read(out / f"{row['method']}-{row['masks']}-01.png").pixels
        assert np.array_equal(filled[~hole], clean[~hole])
        error = np.square(filled[hole].astype(float) - clean[hole]).mean()
        assert row["pictures"]["psnr"][1] == pytest.approx(10 * np.log10(255**2 / error))
    assert rows[0]["pictures"]["psnr"][0] > 45  # a grey picture is filled with its grey


@pytest.fixture
def untrained_for(untrained):
    """The same for another task."""

    def change(task):
        path = Path(untrained).parent / "config.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), "task": task}))
        return untrained

    return change


def test_a_run_of_training_is_measured(evaluate, untrained):
    result, rows = evaluate("denoise", "--weight", untrained, "--method", "none", "--sigma", "25")
    assert result.exit_code == 0, result.output
    assert [row["method"] for row in rows] == ["none", "run-weights"]
    assert rows[1]["psnr"] == pytest.approx(rows[0]["psnr"], abs=0.01)  # untrained, the network changes nothing


@pytest.mark.parametrize("best", [False, True])
def test_best_is_the_mean_over_turns(script, untrained, best):
    (network,) = script.networks("denoise", untrained, script.Settings(None, None, "cpu", "fp32", None, False, best)).values()
    calls = []
    network.__self__.runtime("denoise")._ready = lambda others: lambda image, others: calls.append(image.shape) or image
    network(np.zeros((64, 80, 3), np.uint8), sigma=20)
    assert len(calls) == (8 if best else 1)


def test_jpeg_files_are_those_of_pillow(evaluate, untrained_for, tmp_path):
    words = ["--weight", untrained_for("dejpeg"), "--files", "grey,colour,double", "--jpeg-quality", "10,40"]
    result, rows = evaluate("dejpeg", *words, before=["--out", str(tmp_path / "out")])
    assert result.exit_code == 0, result.output
    assert [(row["files"], row["quality"]) for row in rows] == [(kind, q) for kind in ("grey", "colour", "double") for q in (10, 40)]
    clean = skimage.data.astronaut()[100:180, 100:170]
    for row in rows:
        picture = Image.fromarray(clean) if row["files"] == "colour" else Image.fromarray(clean).convert("L")
        wanted, scores = np.asarray(picture).astype(float), row["pictures"]
        if row["files"] != "double":
            file = io.BytesIO()
            picture.save(file, "JPEG", quality=row["quality"], subsampling="4:2:0")
            error = np.square(np.asarray(Image.open(file)) - wanted).mean()
            assert scores["input psnr"][1] == pytest.approx(10 * np.log10(255**2 / error))
        restored = image.read(tmp_path / "out" / f"run-weights-{row['files']}-{row['quality']}-01.png").pixels
        error = np.square(restored.reshape(wanted.shape) - wanted).mean()
        assert scores["psnr"][1] == pytest.approx(10 * np.log10(255**2 / error))
        assert scores["gained psnr"] == pytest.approx([0, 0], abs=1e-6)  # untrained, the network changes nothing
    table = result.stdout.splitlines()
    assert table[0] == "| method | files | quality | input psnr | psnr | gained psnr | psnr_b | ssim | seconds |"
    assert table[2].startswith(f"| run-weights | grey | 10 | {rows[0]['psnr']:.2f} | {rows[0]['psnr']:.2f} | 0.00 | ")


@pytest.mark.parametrize(("before", "told"), [([], [10, 70, 10, 50]), (["--blind"], ["auto"] * 4)])
def test_networks_hear_of_the_quality_or_not(script, evaluate, monkeypatch, before, told):
    heard = []

    def network(pixels, *, jpeg_quality):
        heard.append(jpeg_quality)
        return pixels

    monkeypatch.setattr(script, "networks", lambda task, weight, options: {"spy": network})
    result, _ = evaluate("dejpeg", "--weight", "spy", "--files", "grey,double", "--jpeg-quality", "10,70", before=[*before, "--limit", "1"])
    assert result.exit_code == 0, result.output
    assert heard == told


def test_two_files_lose_more_than_the_better_one_and_have_grids_apart(script):
    clean = skimage.data.astronaut()[100:228, 100:228]
    wanted, file = script.coded(clean, "double", 10)
    _, better = script.coded(clean, "grey", 50)
    assert metrics.psnr(wanted, file) < metrics.psnr(wanted, better) - 2
    steps = np.abs(np.diff(file[..., 0].astype(float), axis=1)).mean(0)  # between columns
    at = [steps[(np.arange(127) + 1) % 8 == phase].mean() for phase in range(8)]
    assert set(np.argsort(at)[-2:]) == {0, 4}


def test_blurred_pictures_are_those_of_scipy(script):
    whole = skimage.data.astronaut()[:300, :280]
    for kind, kernel in script.KERNELS.items():
        clean, seen = script.deconvolution.damaged(whole, kernel, 3, 200)
        assert np.array_equal(clean, whole[50:250, 40:240])
        exact = np.stack([ndimage.correlate(whole[..., i].astype(float), kernel.numpy(), mode="mirror") for i in range(3)], 2)
        difference = seen - exact[50:250, 40:240]
        assert seen.dtype == np.uint8
        inside = (exact[50:250, 40:240] > 12) & (exact[50:250, 40:240] < 243)
        assert np.sqrt(np.square(difference[inside]).mean()) == pytest.approx(np.hypot(2.55, 12**-0.5), rel=0.02), kind
        assert abs(difference[inside].mean()) < 0.03
        assert np.array_equal(script.deconvolution.damaged(whole, kernel, 3, 200)[1], seen)
        assert not np.array_equal(script.deconvolution.damaged(whole, kernel, 4, 200)[1], seen)


@pytest.mark.parametrize(("words", "told"), [([], (True, True)), (["--no-texture", "--no-grain"], (False, False))])
def test_texture_and_grain_can_be_left_out(script, evaluate, monkeypatch, words, told):
    heard = []

    def network(pixels, mask, *, texture, grain):
        heard.append((texture, grain))
        return pixels

    monkeypatch.setattr(script, "networks", lambda task, weight, options: {"spy": network})
    monkeypatch.setattr(script.holes, "trained_on_lpips", lambda weight: False)
    result, _ = evaluate("inpaint", "--weight", "spy", "--method", "ns", "--masks", "thin", *words, before=["--limit", "1"])
    assert result.exit_code == 0, result.output
    assert heard == [told]


@pytest.fixture
def face(tmp_path):
    """A folder with a picture that has edges, which flat ones lack."""
    (tmp_path / "face").mkdir()
    Image.fromarray(skimage.data.astronaut()[20:180, 140:300]).save(tmp_path / "face" / "a.png")
    return tmp_path / "face"


def test_deblurring_is_measured(script, untrained_for, face, tmp_path):
    methods = ["wiener", "richardson-lucy", "wiener-true", "richardson-lucy-true"]
    words = [
        "--weight",
        untrained_for("deblur"),
        "--method",
        ",".join(methods),
        "--kernel",
        "gaussian_2,walk_8",
        "--crop",
        "96",
        "--data",
        str(face),
    ]
    file = tmp_path / "scores.json"
    result = CliRunner().invoke(script.app, ["--out", str(tmp_path / "out"), "deblur", *words, "--json", str(file)])
    assert result.exit_code == 0, result.output
    rows = json.loads(file.read_text())
    names = [*methods, "run-weights"]
    assert [(row["kernel"], row["method"]) for row in rows] == [(kind, name) for kind in ("gaussian_2", "walk_8", "all") for name in names]
    clean = skimage.data.astronaut()[52:148, 172:268]
    for row in rows[:-5]:
        restored = image.read(tmp_path / "out" / f"{row['method']}-{row['kernel']}-00.png").pixels
        error = np.square(restored.astype(float) - clean).mean()
        assert row["psnr"] == pytest.approx(10 * np.log10(255**2 / error))
        assert row["gained psnr"] == pytest.approx(row["psnr"] - row["input psnr"])
    score = {(row["method"], row["kernel"]): row["pictures"]["gained psnr"] for row in rows}
    assert score["run-weights", "gaussian_2"] == pytest.approx([0], abs=1e-6)  # untrained, the network changes nothing
    for name in methods:
        assert score[name, "all"] == [*score[name, "gaussian_2"], *score[name, "walk_8"]]
        assert score[name, "gaussian_2"][0] > 0.3
    for name in methods[:2]:
        assert min(score[f"{name}-true", kind][0] - score[name, kind][0] for kind in ("gaussian_2", "walk_8")) > 0.3
    head = "| method | kernel | input psnr | input ssim | psnr | ssim | gained psnr | seconds |"
    assert result.stdout.splitlines()[0] == head


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ([], [{}, {}]),
        (["--told", "width"], [{"width": pytest.approx(2, abs=0.01)}, {"width": 4}]),
        (["--told", "kernel", "--blur", "lens"], [{"kernel": (25, 25)}] * 2),
    ],
)
def test_networks_hear_of_the_kernel_or_not(script, evaluate, monkeypatch, words, told):
    heard, causes = [], set()

    def network(pixels, *, blur, **hints):
        causes.add(blur)
        heard.append({name: getattr(hint, "shape", hint) for name, hint in hints.items()})
        return pixels

    monkeypatch.setattr(script, "networks", lambda task, weight, options: {"spy": network})
    result, _ = evaluate("deblur", "--weight", "spy", "--kernel", "gaussian_2,walk_24", *words, before=["--limit", "1"])
    assert result.exit_code == 0, result.output
    assert heard == told
    assert causes == {"lens" if "lens" in words else "auto"}


def test_deconvolution_is_chosen_on_photographs(script, face, monkeypatch):
    monkeypatch.setattr(script.deconvolution, "SIGMAS", (1.0, 6.0))
    monkeypatch.setattr(script.deconvolution, "TRIED", {"wiener": ((0.03, 9.0), (0.01, 9.0))})
    choosing = typer.Typer()
    choosing.command()(script.deconvolution.main)
    result = CliRunner().invoke(choosing, [str(face), "--crop", "64"])
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert len(lines) == 1 + 4 + 1 + 2 + 1
    assert lines[0].startswith("input: ")
    assert [line for line in lines if line.startswith("best")] == ["best: ('wiener', 1.0, 0.03)", "best: ('wiener', None, 0.01)"]


@pytest.fixture(scope="module")
def sides(tmp_path_factory):
    """Dark pictures and bright ones in a test split, and a classifier that knows them, but one picture that lies."""
    root = tmp_path_factory.mktemp("sides")
    for name, values in (("bright", [255, 200, 180, 0]), ("dark", [0, 40, 60, 80])):
        (root / "test" / name).mkdir(parents=True)
        for i, value in enumerate(values):
            Image.fromarray(np.full((28, 28), value, np.uint8)).save(root / "test" / name / f"{i}.png")
    network = backbones.build("lenet5", num_classes=2)
    for parameter in network.parameters():
        torch.nn.init.zeros_(parameter)
    with torch.no_grad():
        for layer in (network.c1[0], network.c3[0], network.c5[0]):
            layer.weight[0, 0, 2, 2] = 1  # hands the brightness on
        network.f6[0].weight[0, 0], network.output.weight[0, 0], network.output.bias[1] = 1, 1, 1.3
    for name in ("a", "b"):
        (root / name).mkdir()
        (root / name / "config.json").write_text(json.dumps({"network": "lenet5", "options": {"num_classes": 2}, "task": "classify"}))
        engine.export(root / name / "weights.safetensors", network)
    return root


def test_classifiers_are_measured_on_the_test_split(script, sides, tmp_path):
    files = ",".join(str(sides / name / "weights.safetensors") for name in ("a", "b"))
    file = tmp_path / "scores.json"
    result = CliRunner().invoke(script.app, ["classify", "--weight", files, "--data", str(sides), "--mirror", "--json", str(file)])
    assert result.exit_code == 0, result.output
    rows = json.loads(file.read_text())
    assert [row["method"] for row in rows] == ["a-weights", "a-weights, mirrored too", "b-weights", "b-weights, mirrored too"]
    assert [(row["pictures"], row["errors"], row["accuracy"]) for row in rows] == [(8, 1, 87.5)] * 4
    lines = result.stdout.splitlines()
    assert lines[0] == "| method | pictures | errors | accuracy | seconds |"
    assert lines[2].startswith("| a-weights | 8 | 1 | 87.50 | ")
    assert lines[-1] == "mean of 2: 87.500, standard deviation 0.000"


def test_mirrored_probabilities_are_averaged(script):
    class Left(torch.nn.Module):
        def normalise(self, x):
            return x

        def forward(self, x):
            return torch.stack([x[:, 0, 0, 0], torch.zeros(len(x))], 1)

    x = torch.tensor([[[[2.0, -1.0]]]])
    chances = script.predict(Left(), x, "fp32", mirrored=True)
    expected = [(1 / (1 + np.exp(-2)) + 1 / (1 + np.exp(1))) / 2]
    assert chances[0].tolist() == pytest.approx([*expected, 1 - expected[0]])
    assert script.predict(Left(), x, "fp32", mirrored=False)[0, 0].item() == pytest.approx(1 / (1 + np.exp(-2)))


def test_a_restoration_network_is_no_classifier(script, sides):
    result = CliRunner().invoke(script.app, ["classify", "--weight", "denoise", "--data", str(sides)])
    assert result.exit_code == 2
    assert "'denoise' is no classifier" in " ".join(result.stderr.replace("│", " ").split())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["denoise"], "nothing to measure: give --weight or --method"),
        (["denoise", "--method", "median"], "'median' is unknown, expected some of none, bilateral, wavelet, nlm"),
        (["denoise", "--method", "none", "--noise", "salt"], "'salt' is unknown, expected some of float, clipped, shared, sepia"),
        (["denoise", "--method", "none", "--sigma", "15;25"], "'15;25' is not a list of numbers"),
        (["dejpeg", "--weight", "", "--files", "jpeg2000"], "'jpeg2000' is unknown, expected some of grey, colour, double"),
        (["dejpeg", "--weight", "", "--jpeg-quality", "best"], "'best' is not a list of numbers"),
        (["deblur"], "nothing to measure: give --weight or --method"),
        (
            ["deblur", "--weight", "deblur", "--told", "kernel", "--blur", "shake"],
            "a shake's path is found; 'kernel' cannot be told beside it",
        ),
        (["denoise", "--weight", "denoise", "--sigma", "15,100"], "'15,100' leaves 0 to 75, which networks know"),
        (["--precision", "bf16x", "denoise", "--weight", "denoise"], "'bf16x' is not one of 'fp32', 'bf16', 'auto'"),
        (["deblur", "--method", "inverse"], "'inverse' is unknown, expected some of wiener, richardson-lucy, wiener-true"),
        (["deblur", "--method", "wiener", "--kernel", "disk_4"], "'disk_4' is unknown, expected some of gaussian_1.2, gaussian_2, disk_3"),
        (["denoise", "--weight", "nope"], "Invalid value for --weight: weight 'nope' is unknown; expected one of denoise, inpaint"),
        (["denoise", "--weight", "none/weights.safetensors"], "weight 'none/weights.safetensors' is unknown; expected one of denoise"),
        (["denoise", "--weight", "dejpeg"], "weight 'dejpeg' is for the task 'dejpeg', not 'denoise'"),
        (["classify", "--weight", "nope"], "Invalid value for --weight: weight 'nope' is unknown; expected one of denoise, inpaint"),
        (["inpaint", "--method", "none"], "'none' is unknown, expected some of telea, ns, biharmonic"),
        (["inpaint", "--method", "ns", "--masks", "thick"], "'thick' is unknown, expected some of thin, medium, large"),
    ],
)
def test_wrong_calls_say_what_is_wrong(evaluate, arguments, message):
    result, rows = evaluate(*arguments)
    assert result.exit_code == 2
    assert rows is None
    assert message in " ".join(result.stderr.replace("│", " ").split())


def test_numbers_that_cannot_be_kept_are_not_measured(script, tmp_path):
    result = CliRunner().invoke(script.app, ["denoise", "--method", "none", "--json", str(tmp_path / "nowhere" / "a.json")])
    assert result.exit_code == 2
    assert "is no folder" in " ".join(result.stderr.replace("│", " ").split())


def test_an_empty_folder_is_refused(script, tmp_path):
    result = CliRunner().invoke(script.app, ["inpaint", "--method", "ns", "--data", str(tmp_path)])
    assert result.exit_code == 2
    assert "holds no pictures" in " ".join(result.stderr.replace("│", " ").split())


def test_learned_filters_are_measured_against_their_operators(evaluate, tmp_path, folder):
    options = {"width": 8, "dilations": [1]}
    run = tmp_path / "run"
    run.mkdir()
    (run / "config.json").write_text(json.dumps({"network": "filtering", "options": options, "task": "filter"}))
    engine.export(run / "weights.safetensors", networks.build("filtering", options))
    words = ["--weight", str(run / "weights.safetensors"), "--operator", "beauty,bilateral", "--strength", "0.1,0.9", "--crop", "40"]
    result, rows = evaluate("filter", *words)
    assert result.exit_code == 0, result.output
    assert [(row["operator"], row["strength"]) for row in rows] == [(name, s) for name in ("beauty", "bilateral") for s in (0.1, 0.9)]
    clean = skimage.data.astronaut()[120:160, 115:155]
    for row in rows:
        wanted = OPERATORS[row["operator"]](clean, row["strength"])
        error = np.square(wanted.astype(float) - clean).mean()
        scores = row["pictures"]
        assert scores["unfiltered psnr"][1] == pytest.approx(10 * np.log10(255**2 / error))
        assert scores["psnr"] == scores["unfiltered psnr"]  # untrained, the network changes nothing
        assert scores["ssim"] == scores["unfiltered ssim"]
        assert min(row["seconds"], row["operator seconds"]) > 0
    head, _, first, *_ = result.stdout.splitlines()
    columns = "method | operator | strength | psnr | ssim | unfiltered psnr | unfiltered ssim | seconds | operator seconds"
    assert head == f"| {columns} |"
    assert first.startswith("| run-weights | beauty | 0.1 | ")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--operator", "sobel"], "'sobel' is unknown"),
        (["--strength", "0.5,2"], "'0.5,2' leaves 0 to 1"),
        (["--strength", "x"], "not a list"),
    ],
)
def test_wrong_calls_of_learned_filters(evaluate, words, said):
    result, _ = evaluate("filter", *words)
    assert result.exit_code == 2
    assert said in " ".join(result.stderr.replace("│", " ").split())
