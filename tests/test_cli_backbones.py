import io
import subprocess
import sys

import pytest
from restore_cli import main

from restore import backbones
from restore.nn.arithmetic import summary


@pytest.fixture
def call(capsys):
    def call(*words):
        with pytest.raises(SystemExit) as stopped:
            main(words)
        captured = capsys.readouterr()
        return stopped.value.code, captured.out.splitlines(), captured.err.splitlines()

    return call


@pytest.fixture
def few(monkeypatch):
    """Two families; the whole table takes seconds."""
    monkeypatch.setattr(
        backbones, "FAMILIES", [family for family in backbones.FAMILIES if {"lenet5", "squeezenet1_1"} & set(family.VARIANTS)]
    )


def test_every_network_is_a_line_in_the_order_of_its_family(call, few):
    code, out, err = call("backbones")
    assert (code, err) == (0, [])
    assert out[0].split() == ["name", "input", "parameters", "GMACs", "field", "paper"]
    assert [line.split()[0] for line in out[1:]] == [name for family in backbones.FAMILIES for name in family.VARIANTS]
    (line,) = [line for line in out if line.startswith("lenet5 ")]
    assert line.split()[:5] == ["lenet5", "1x28x28", "61,706", "0.0004165", "32"]
    assert line.endswith("  LeCun, Bottou, Bengio, Haffner 1998, Gradient-Based Learning Applied to Document Recognition")


def test_each_line_is_out_before_the_next_network_is_built(few, monkeypatch):
    written = []

    def build(name):
        written.append(sys.stdout.buffer.getvalue().count(b"\n"))
        return original(name)

    original = backbones.build
    monkeypatch.setattr(backbones, "build", build)
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.BytesIO(), encoding="utf-8"))
    with pytest.raises(SystemExit):
        main(["backbones"])
    assert written == list(range(1, 1 + sum(len(family.VARIANTS) for family in backbones.FAMILIES)))


@pytest.mark.slow
def test_the_whole_table(call):
    code, out, _ = call("backbones")
    assert code == 0
    assert [line.split()[0] for line in out[1:]] == list(backbones.list())
    papers = [family.PAPER for family in backbones.FAMILIES for _ in family.VARIANTS]
    assert {line.removesuffix(paper)[-2:] for line, paper in zip(out, ["paper", *papers], strict=True)} == {"  "}
    assert len({len(line.removesuffix(paper)) for line, paper in zip(out, ["paper", *papers], strict=True)}) == 1
    (line,) = [line for line in out if line.startswith("resnet50 ")]
    assert line.split()[:5] == ["resnet50", "3x224x224", "25,557,032", "4.089", "427"]


def test_the_table_as_markdown(call, few):
    code, out, _ = call("backbones", "--markdown")
    assert code == 0
    assert [cell.strip() for cell in out[0].split("|")[1:-1]] == ["name", "input", "parameters", "GMACs", "field", "paper"]
    assert set(out[1]) == {"|", ":", "-"}
    assert len({len(line) for line in out}) == 1
    assert ["squeezenet1_1", "3x224x224", "1,235,496", "0.3492", "207"] in [[c.strip() for c in line.split("|")[1:6]] for line in out]


@pytest.mark.parametrize(
    ("words", "size", "options"),
    [
        ("", 224, {}),
        ("--size 96", 96, {}),
        ("--size 96x128 --output-stride 8", (96, 128), {"output_stride": 8}),
        ("--num-classes 10", 224, {"num_classes": 10}),
        ("--num-classes 0", 224, {"num_classes": 0}),
    ],
)
def test_show_prints_the_summary(call, words, size, options):
    code, out, err = call("backbones", "show", "resnet18", *words.split())
    assert (code, err) == (0, [])
    assert out == str(summary(backbones.build("resnet18", **options), size)).splitlines()


def test_show_layers_and_markdown(call):
    result = summary(backbones.build("resnet18"), 64, layers=True)
    assert call("backbones", "show", "resnet18", "--size", "64", "--layers")[1] == str(result).splitlines()
    out = call("backbones", "show", "resnet18", "--size", "64", "--layers", "--markdown")[1]
    assert out == result.render(markdown=True).splitlines()


def test_show_counts_the_channels_that_a_network_takes(call):
    code, out, _ = call("backbones", "show", "lenet5")
    assert code == 0
    assert out[-1].split()[:2] == ["total", "61,706"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("show", "Missing argument 'NAME'"),
        ("show resnet5", "backbone 'resnet5' is unknown; expected one of "),
        ("show resnet18 --size big", "--size is 'big'; expected a side or height x width in pixels, as 224 or 224x320"),
        ("show resnet18 --size 0", "--size is '0'"),
        ("show resnet18 --size 224x", "--size is '224x'"),
        ("show alexnet --size 8", "the network cannot take 3 x 8 x 8: "),
        ("show resnet18 --output-stride 5", "output_stride 5 is not reached; expected one of"),
        ("show resnet18 --num-classes -1", "--num-classes"),
        ("draw", "No such command 'draw'"),
        ("--json", "No such option: --json"),
    ],
)
def test_a_wrong_call_is_one_line_and_2(call, words, said):
    code, out, err = call("backbones", *words.split())
    assert (code, out, len(err)) == (2, [], 1)
    assert err[0].startswith("restore: ")
    assert said in err[0]


def test_help(call):
    code, out, _ = call("--help")
    assert (code, any(line.split()[:1] == ["backbones"] for line in out)) == (0, True)
    code, out, _ = call("backbones", "--help")
    assert (code, any("show" in line for line in out)) == (0, True)
    assert call("backbones", "show", "--help")[0] == 0


def test_help_imports_no_torch():
    script = (
        "import sys\nfrom restore_cli import main\ntry:\n    main(['backbones', '--help'])\nfinally:\n    print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "False"
