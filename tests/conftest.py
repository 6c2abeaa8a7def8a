"""What all tests share: no other host is reached; small networks with weights of their own."""

import gc
import hashlib
import io
import json
import os
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path

import guard
import pytest

guard.install()

if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch is imported: each process has a core


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """Folders are run by up to four processes; files that are named by this one, which begins ten seconds earlier."""
    return 0 if all(".py" in argument for argument in config.args) else min(4, os.cpu_count() or 1)


@pytest.fixture(autouse=True)
def _offline() -> Iterator[None]:
    guard.attempts.clear()
    yield
    guard.check()


@pytest.fixture(autouse=True, scope="session")
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Compiled networks are kept in a folder of the tests, also by child processes."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RESTORE_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture
def tiny_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a manifest and tiny random networks of the names that are shipped, in the place of those."""
    import torch
    from safetensors.torch import save

    from restore import networks, weights

    folder = tmp_path / "tiny_weights"
    folder.mkdir()
    lines = ["version = 1"]
    torch.manual_seed(0)
    stages = {"widths": [8, 8], "down": [1, 1], "up": [1, 1]}
    layers = {"width": 8, "dilations": [1, 2]}
    for name, task, network, options in (
        ("denoise", "denoise", "restoration", stages),
        ("inpaint", "inpaint", "inpainting", stages),
        ("filters", "filter", "filtering", layers),
        ("dejpeg", "dejpeg", "restoration", stages),
        ("deblur", "deblur", "restoration", stages),
    ):
        built = networks.build(network, options)
        for parameter in built.parameters():
            torch.nn.init.normal_(parameter, std=0.05)
        content = save({key: value.half() if value.is_floating_point() else value for key, value in built.state_dict().items()})
        (folder / f"{name}.safetensors").write_bytes(content)
        lines += [
            f"[{name}]",
            f'network = "{network}"',
            "options = { " + ", ".join(f"{key} = {value}" for key, value in options.items()) + " }",
            f'task = "{task}"',
            f'file = "{name}.safetensors"',
            f'sha256 = "{hashlib.sha256(content).hexdigest()}"',
            f"bytes = {len(content)}",
            'licence = "Apache-2.0"',
            'recipe = "none"',
            'commit = "none"',
        ]
    (folder / "weights.toml").write_text("\n".join(lines), "utf-8")
    monkeypatch.setattr(weights, "folder", lambda: folder)
    return folder


@pytest.fixture
def tiny_classifier(tiny_weights: Path) -> Path:
    """The folder of ``tiny_weights`` with a third entry, "tiny": a random resnet8 that names three classes."""
    import torch
    from safetensors.torch import save

    from restore import backbones

    torch.manual_seed(0)
    content = save(backbones.build("resnet8", num_classes=3).state_dict())
    (tiny_weights / "tiny.safetensors").write_bytes(content)
    lines = [
        "\n[tiny]",
        'network = "resnet8"',
        "options = { num_classes = 3 }",
        'task = "classify"',
        'file = "tiny.safetensors"',
        f'sha256 = "{hashlib.sha256(content).hexdigest()}"',
        f"bytes = {len(content)}",
        'licence = "Apache-2.0"',
        'recipe = "none"',
        'commit = "none"',
        'classes = ["cat", "dog", "cow"]',
    ]
    with (tiny_weights / "weights.toml").open("a", encoding="utf-8") as manifest:
        manifest.write("\n".join(lines))
    return tiny_weights


@pytest.fixture(scope="module")
def page_module():
    """The page's module, with gradio in it."""
    import restore_web

    restore_web.build()
    yield sys.modules["restore_web.page"]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


@pytest.fixture
def tabs(page_module):
    """The package of the page's tabs."""
    return sys.modules["restore_web.tabs"]


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    """A 16-bit TIFF with a profile, EXIF and alpha; its low bytes are not zero."""
    import numpy as np
    from PIL import Image, ImageCms
    from skimage import data

    from restore.image import Picture, read, write

    pixels = data.chelsea().astype(np.uint16) * 257
    pixels ^= np.random.default_rng(0).integers(0, 256, pixels.shape, np.uint16)
    alpha = np.full(pixels.shape[:2], 60001, np.uint16)
    path = tmp_path / "cat.tif"
    with io.BytesIO() as camera:
        exif = Image.Exif()
        exif[0x010F] = "Camera"
        Image.new("RGB", (1, 1)).save(camera, "JPEG", exif=exif)
        metadata = read(camera.getvalue()).exif
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    write(Picture(pixels=pixels, alpha=alpha, icc=profile, exif=metadata, dpi=(300, 300)), path)
    return path


@pytest.fixture
def untrained(tmp_path: Path) -> str:
    """The weight file of a run whose network changes nothing."""
    from restore import networks
    from restore.training import engine

    options = {"widths": [8, 8, 8], "down": [1, 1, 1], "up": [1, 1, 1]}
    run = tmp_path / "run"
    run.mkdir()
    (run / "config.json").write_text(json.dumps({"network": "restoration", "options": options, "task": "denoise"}))
    engine.export(run / "weights.safetensors", networks.build("restoration", options))
    return str(run / "weights.safetensors")
