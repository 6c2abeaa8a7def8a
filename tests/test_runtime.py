"""Running a network on arrays."""

import ast
import importlib.util
import inspect
import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
from test_offline import run

from restore import networks, runtime
from restore.runtime import Runtime, cache, compiled

OPTIONS = {
    "restoration": {"widths": [8, 8], "down": [1, 1], "up": [1, 1]},
    "inpainting": {"widths": [8, 8], "down": [1, 1], "up": [1, 1], "dilations": [1, 8]},
    "filtering": {"width": 8, "dilations": [1, 4]},
    "unet": {"backbone": "resnet8", "outputs": 4},
}
"""Of networks whose default is not small."""
rng = np.random.default_rng(0)
IMAGE = rng.random((16, 24, 3), np.float32)


def network(name: str = "restoration") -> networks.Network:
    torch.manual_seed(0)
    built = networks.build(name, OPTIONS.get(name)).eval()
    for parameter in built.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    return built


def conditions(name: str, shape: tuple[int, int]) -> list:
    """Everything that a network of this name takes beside a picture of this shape."""
    built = networks.build(name, OPTIONS.get(name))
    if len(inspect.signature(built.forward).parameters) == 1:
        return [()]
    if built.takes_mask:
        return [(rng.random((*shape, 1)) < share).astype(np.float32) for share in (0.3, 0.999, 0, 1)]
    if name == "filtering":
        return [(0, 0.0), (3, 0.7), (5, 1.0)]
    return [0.0, 0.1, np.float64(0.3), (rng.random((*shape, 1)) * 0.3).astype(np.float32)]


@pytest.fixture
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("RESTORE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.mark.parametrize("name", networks.NETWORKS)
@pytest.mark.parametrize("engine", ["torch", "openvino"])
def test_equals_the_network(engine: str, name: str) -> None:
    built = network(name)
    runner = Runtime(built, device="cpu", runtime=engine)
    assert (runner.multiple_of, runner.min_size, runner.halo) == (built.multiple_of, built.min_size, built.halo)
    least = max(built.multiple_of, built.min_size)
    for shape in [(least, least), (least, 3 * least), (13 * least, 5 * least), (least, 4096)]:
        image = rng.random((*shape, 3), np.float32)
        x = torch.from_numpy(image.transpose(2, 0, 1)[None].copy())
        for condition in conditions(name, shape):
            others = condition if isinstance(condition, tuple) else (condition,)
            given = [torch.from_numpy(o.transpose(2, 0, 1)[None].copy()) if isinstance(o, np.ndarray) else o for o in others]
            with torch.no_grad():
                expected = built(x, *given)[0].permute(1, 2, 0).numpy()
            result = runner(image, condition)
            assert result.dtype == np.float32
            np.testing.assert_allclose(result, expected, atol=1e-4)
            assert result.shape != image.shape or np.abs(result - image).max() > 0.01
    assert runner.engine == engine


@pytest.mark.parametrize("engine", ["torch", "openvino"])
def test_bf16_is_close_and_not_the_same(engine: str) -> None:
    exact = Runtime(network(), device="cpu", runtime=engine)(IMAGE, 0.1)
    fast = Runtime(network(), device="cpu", precision="bf16", runtime=engine)(IMAGE, 0.1)
    assert fast.dtype == np.float32
    assert np.abs(fast - exact).max() < 0.02
    if engine == "torch" or "BF16" in compiled.capabilities():
        assert np.abs(fast - exact).max() > 0


def test_bf16_keeps_what_the_network_passes_on() -> None:
    built = networks.build("restoration", OPTIONS["restoration"])  # untrained, it returns its input
    for engine in ("torch", "openvino"):
        result = Runtime(built, device="cpu", precision="bf16", runtime=engine)(IMAGE, 0.1)
        np.testing.assert_array_equal(result, IMAGE, err_msg=engine)


@pytest.mark.parametrize("engine", ["torch", "openvino"])
def test_needs_no_contiguous_array(engine: str) -> None:
    runner = Runtime(network(), device="cpu", runtime=engine)
    np.testing.assert_array_equal(runner(IMAGE[:, ::-1], 0.1), runner(IMAGE[:, ::-1].copy(), 0.1))


@pytest.mark.parametrize("engine", ["torch", "openvino"])
def test_threads(engine: str) -> None:
    runner = Runtime(network(), device="cpu", runtime=engine)
    images = [rng.random((16, 16 + 4 * i, 3), np.float32) for i in range(8)] * 4
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(lambda image: runner(image, 0.1), images))
    for image, result in zip(images, results, strict=True):
        np.testing.assert_allclose(result, runner(image, 0.1), atol=1e-6)


def test_uses_as_many_threads_as_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    compile_model = compiled.core().compile_model

    class Core:
        def __getattr__(self, name: str):
            return getattr(compiled.openvino.Core(), name)

        def compile_model(self, model, device, options):
            seen.append(options["INFERENCE_NUM_THREADS"])
            return compile_model(model, device, options)

    monkeypatch.setattr(compiled, "core", Core)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 3)
    monkeypatch.setattr(cache, "load", lambda key: None)
    Runtime(network(), device="cpu", runtime="openvino")(IMAGE, 0.1)
    assert seen == [3]


def test_auto_takes_the_best_device(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    assert runtime.pick_device("auto") == "cpu"
    assert runtime.pick_engine("auto", "auto") == ("openvino", "cpu")
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    assert runtime.pick_device("auto") == "mps"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert runtime.pick_device("auto") == "cuda"
    assert runtime.pick_device("cuda:1") == "cuda:1"
    assert runtime.pick_device("cpu") == "cpu"
    with pytest.raises(ValueError, match="device 'cuda:2' is not there; expected auto or one of cuda, cuda:0, cuda:1, mps, cpu"):
        runtime.pick_device("cuda:2")
    assert runtime.pick_engine("auto", "auto") == ("torch", "cuda")
    assert runtime.pick_engine("auto", "cpu") == ("openvino", "cpu")
    assert runtime.pick_engine("openvino", "auto") == ("openvino", "cpu")
    with pytest.raises(ValueError, match="runtime 'openvino' runs on the device cpu, got 'mps'"):
        runtime.pick_engine("openvino", "mps")


def test_unknown_device() -> None:
    with pytest.raises(ValueError, match="device 'tpu' is not there; expected auto or one of"):
        Runtime(network(), device="tpu")


def test_unknown_precision() -> None:
    with pytest.raises(ValueError, match="precision 'int3' is unknown; expected one of fp32, bf16"):
        Runtime(network(), device="cpu", precision="int3")


def test_unknown_runtime() -> None:
    with pytest.raises(ValueError, match="runtime 'onnx' is unknown; expected one of auto, torch, openvino"):
        Runtime(network(), device="cpu", runtime="onnx")


def test_without_openvino(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    runner = Runtime(network(), device="cpu")
    assert runner(IMAGE, 0.1).shape == IMAGE.shape
    assert (runner.engine, runtime.has_bf16(runner.engine)) == ("torch", False)
    with pytest.raises(ValueError, match="runtime 'openvino' is not installed; expected torch or auto, or first: pip install openvino"):
        Runtime(network(), device="cpu", runtime="openvino")


def test_a_broken_openvino_is_told_of(tmp_path: Path) -> None:
    """It is found, but cannot be imported: torch runs the network, and the warning says why."""
    (tmp_path / "openvino.py").write_text("raise ImportError('no library\\nof that name')", "utf-8")
    code = """
        import sys, warnings, numpy
        sys.path.insert(0, "")
        from restore import networks
        from restore.runtime import Runtime, has_bf16
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            runner = Runtime(networks.build("restoration", {"widths": [8], "down": [1], "up": [1]}), device="cpu")
            for _ in range(2):
                assert runner(numpy.ones((8, 8, 3), numpy.float32), 0.1).shape == (8, 8, 3)
        assert runner.engine == "torch" and not has_bf16("openvino")
        print([str(warning.message) for warning in caught])
        """
    result = run(code, tmp_path)
    assert result.returncode == 0, result.stderr
    (said,) = ast.literal_eval(result.stdout)
    assert said == "OpenVINO cannot run this network, torch runs it, more slowly (ImportError: no library of that name)"


def test_a_network_that_cannot_be_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(network: networks.Network, signature: compiled.Signature) -> None:
        raise RuntimeError("no such\n  operator")

    monkeypatch.setattr(compiled, "convert", fail)
    monkeypatch.setattr(cache, "load", lambda key: None)
    expected = Runtime(network(), device="cpu", runtime="torch")(IMAGE, 0.1)
    runner = Runtime(network(), device="cpu")
    with pytest.warns(RuntimeWarning, match=r"torch runs it, more slowly \(RuntimeError: no such operator\)$"):
        np.testing.assert_array_equal(runner(IMAGE, 0.1), expected)
    np.testing.assert_array_equal(runner(IMAGE, 0.1), expected)
    with pytest.raises(RuntimeError, match="no such"):
        Runtime(network(), device="cpu", runtime="openvino")(IMAGE, 0.1)


@pytest.mark.parametrize("error", [MemoryError(), RuntimeError("std::bad_alloc")])
def test_memory_that_runs_out_is_passed_on(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    """The tiles shrink then."""

    def fail(network: networks.Network, signature: compiled.Signature) -> None:
        raise error

    monkeypatch.setattr(compiled, "convert", fail)
    monkeypatch.setattr(cache, "load", lambda key: None)
    with pytest.raises(type(error)):
        Runtime(network(), device="cpu")(IMAGE, 0.1)


MEMORY = """
    import resource, numpy, torch
    from restore import networks
    from restore.runtime import Runtime
    from restore.tiling import tiled
    torch.set_num_threads(THREADS)
    runner = Runtime(networks.build("restoration", {"widths": [32, 32], "down": [1, 1], "up": [1, 1]}), device="cpu", runtime="openvino")
    picture = numpy.random.default_rng(0).random((1536, 1024, 3), numpy.float32)
    runner(picture[:64, :64], 0.1)
    sizes = []
    def run(part):
        sizes.append(len(part))
        return runner(part, 0.1)
    virtual = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (virtual + 350 * 2**20, resource.RLIM_INFINITY))
    result = tiled(run, picture, tile=1536, halo=runner.halo, multiple_of=runner.multiple_of)
    resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    assert sizes[0] == 1536 and sizes[-1] < 1536, sizes
    assert runner.engine == "openvino"
    numpy.testing.assert_allclose(result, runner(picture, 0.1), atol=1e-5)
    """


@pytest.mark.skipif(sys.platform != "linux", reason="limits memory as Linux does")
@pytest.mark.parametrize("threads", [1, 2])
def test_tiles_shrink_where_memory_is_short(threads: int, tmp_path: Path) -> None:
    result = run(f"THREADS = {threads}\n" + "\n".join(line.removeprefix("    ") for line in MEMORY.splitlines()), tmp_path)
    assert result.returncode == 0, result.stderr


def test_other_failures_are_passed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    runner = Runtime(network(), device="cpu", runtime="openvino")
    expected = runner(IMAGE, 0.1)
    with pytest.raises(RuntimeError, match="shape") as raised:
        runner(IMAGE[..., :2], 0.1)
    assert not isinstance(raised.value, MemoryError)
    np.testing.assert_array_equal(runner(IMAGE, 0.1), expected)


def test_the_cache_is_used(own_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = Runtime(network(), device="cpu", runtime="openvino")(IMAGE, 0.1)
    (file,) = own_cache.iterdir()
    with monkeypatch.context() as patch:
        patch.setattr(compiled, "convert", None)
        np.testing.assert_array_equal(Runtime(network(), device="cpu", runtime="openvino")(IMAGE, 0.1), expected)
    Runtime(network(), device="cpu", runtime="openvino", precision="bf16")(IMAGE, 0.1)
    Runtime(network(), device="cpu", runtime="openvino")(IMAGE, np.full((16, 24, 1), 0.1, np.float32))
    assert len(list(own_cache.iterdir())) == 3
    assert file in own_cache.iterdir()


@pytest.mark.parametrize("damage", [lambda b: b"", lambda b: b[:-9], lambda b: b[:40], lambda b: b[:-999] + b"\1" + b[-998:]])
def test_a_damaged_cache_is_replaced(damage, own_cache: Path) -> None:
    expected = Runtime(network(), device="cpu", runtime="openvino")(IMAGE, 0.1)
    (file,) = own_cache.iterdir()
    whole = file.read_bytes()
    file.write_bytes(damage(whole))
    assert cache.load(file.stem) is None
    np.testing.assert_array_equal(Runtime(network(), device="cpu", runtime="openvino")(IMAGE, 0.1), expected)
    assert cache.load(file.stem)


def test_what_openvino_does_not_know_is_replaced(own_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "key", lambda *facts: "mine")
    cache.store("mine", b"of another version")
    assert cache.load("mine") == b"of another version"
    Runtime(network(), device="cpu", runtime="openvino")(IMAGE, 0.1)
    assert len(cache.load("mine") or b"") > 1000


def test_a_cache_that_may_only_be_read_is_used(own_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache.store("a", b"1")

    def refuse(path: Path) -> None:
        raise PermissionError(path)

    monkeypatch.setattr(os, "utime", refuse)
    assert cache.load("a") == b"1"


@pytest.mark.parametrize("place", ["", "file", "file/below"])
def test_a_cache_that_cannot_be_written_stops_nothing(place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_bytes(b"")
    monkeypatch.setenv("RESTORE_CACHE", place and str(tmp_path / place))
    monkeypatch.chdir(tmp_path)
    assert Runtime(network(), device="cpu", runtime="openvino")(IMAGE, 0.1).shape == IMAGE.shape
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_full_disk_leaves_nothing_behind(own_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(draft: str, path: Path) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(os, "replace", fail)
    cache.store("a", b"1")
    assert list(own_cache.iterdir()) == []


def test_the_cache_forgets_what_is_old_and_nothing_else(own_cache: Path) -> None:
    own_cache.mkdir()
    (own_cache / "letter.txt").write_text("mine")
    for i in range(cache.KEPT + 3):
        cache.store(str(i), b"x")
        os.utime(own_cache / f"{i}{cache.SUFFIX}", (i, i))
    assert cache.load("3") == b"x"  # which makes it the newest
    cache.store("last", b"x")
    assert cache.load("4") is None
    assert [cache.load(name) for name in ("3", "5", "last")] == [b"x"] * 3
    assert (own_cache / "letter.txt").exists()
    assert len(list(own_cache.glob("*"))) == cache.KEPT + 1


@pytest.mark.parametrize(
    ("platform", "variables", "expected"),
    [
        ("linux", {"HOME": "/h"}, "/h/.cache/restore-photographs"),
        ("linux", {"HOME": "/h", "XDG_CACHE_HOME": "/x"}, "/x/restore-photographs"),
        ("linux", {"HOME": "/h", "XDG_CACHE_HOME": "x"}, "/h/.cache/restore-photographs"),
        ("darwin", {"HOME": "/h"}, "/h/Library/Caches/restore-photographs"),
        ("win32", {"LOCALAPPDATA": "/l"}, "/l/restore-photographs"),
        ("win32", {}, None),
        ("linux", {"HOME": "/h", "RESTORE_CACHE": "/r"}, "/r"),
        ("linux", {"HOME": "/h", "RESTORE_CACHE": ""}, None),
    ],
)
@pytest.mark.skipif(os.name != "posix", reason="paths of POSIX")
def test_the_folder_of_the_cache(platform: str, variables: dict, expected: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RESTORE_CACHE", "XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys, "platform", platform)
    assert cache.folder() == (expected and Path(expected))


def test_the_key_is_of_all_that_counts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def build(**options) -> networks.Network:
        torch.manual_seed(0)
        return networks.build("inpainting", {**OPTIONS["inpainting"], **options})

    other = build()
    next(iter(other.parameters())).data.view(-1)[0] += 1e-6
    keys = [cache.key(build(), "fp32"), cache.key(build(), "bf16"), cache.key(other, "fp32"), cache.key(build(dilations=[1, 4]), "fp32")]
    assert cache.key(build(), "fp32") == keys[0]
    (tmp_path / "nn").mkdir()
    (tmp_path / "nn" / "blocks.py").write_text("# another convolution")
    monkeypatch.setattr(cache, "__file__", str(tmp_path / "runtime" / "cache.py"))
    keys.append(cache.key(build(), "fp32"))
    assert len(set(keys)) == 5
    assert None not in keys


def test_layers_from_elsewhere_are_not_cached(own_cache: Path) -> None:
    class Mine(networks.Network):
        def forward(self, x: torch.Tensor, level: torch.Tensor) -> torch.Tensor:
            return x * 2 + level

    np.testing.assert_allclose(Runtime(Mine(), device="cpu", runtime="openvino")(IMAGE, 0.5), IMAGE * 2 + 0.5, atol=1e-6)
    assert not own_cache.exists()


CONVERSION = """
    import numpy
    from restore import networks
    from restore.runtime import Runtime
    runner = Runtime(networks.build("restoration", {"widths": [8], "down": [1], "up": [1]}), device="cpu", runtime="openvino")
    assert runner(numpy.ones((8, 8, 3), numpy.float32), 0.1).shape == (8, 8, 3)
    import sys
    assert "openvino_telemetry" not in sys.modules or FIRST
    """


@pytest.mark.parametrize("first", [False, True])
def test_reports_to_nobody_and_writes_only_its_cache(first: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not even where the package that reports has been imported before."""
    home = tmp_path / "home"
    home.mkdir()
    for name in ("RESTORE_CACHE", "XDG_CACHE_HOME", "CI"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(home))
    begin = "import openvino_telemetry, sys; reporter = sys.modules['openvino_telemetry']; FIRST = True" if first else "FIRST = False"
    end = "assert sys.modules['openvino_telemetry'] is reporter" if first else ""
    program = "\n".join([begin, *(line.removeprefix("    ") for line in CONVERSION.splitlines()), end])
    result = run(program, tmp_path)
    assert result.returncode == 0, result.stderr
    files = [path.relative_to(home).parts for path in home.rglob("*") if path.is_file()]
    assert [parts[:2] for parts in files] == [(".cache", "restore-photographs")]


def test_the_reporter_would_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the test above would see if the package were not hidden: OpenVINO writes to the home folder at its import."""
    monkeypatch.delenv("CI", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    subprocess.run(
        [
            sys.executable,
            "-c",
            f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r}); import guard; guard.install(); import openvino",
        ],
        check=True,
        timeout=120,
    )
    assert [path for path in tmp_path.rglob("*") if path.is_file()]


def test_compiles_once_for_all_sizes_and_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    made, convert, barrier = [], compiled.convert, threading.Barrier(4)

    def count(network: networks.Network, signature: compiled.Signature):
        made.append(signature)
        return convert(network, signature)

    monkeypatch.setattr(compiled, "convert", count)
    monkeypatch.setattr(cache, "load", lambda key: None)
    runner = Runtime(network(), device="cpu", runtime="openvino")

    def work(i: int) -> None:
        barrier.wait()
        for j in range(3):
            runner(rng.random((8 + 4 * i, 8 + 4 * j, 3), np.float32), 0.1)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(4)))
    assert len(made) == 1


@pytest.mark.gpu
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_gpu_agrees_with_the_cpu(precision: str) -> None:
    expected = Runtime(network(), device="cpu")(IMAGE, 0.1)
    result = Runtime(network(), device="cuda", precision=precision)(IMAGE, 0.1)
    np.testing.assert_allclose(result, expected, atol=1e-3 if precision == "fp32" else 0.02)
