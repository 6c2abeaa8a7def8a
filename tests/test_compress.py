"""Networks as files for other programs: what OpenVINO reads from ONNX is what torch computes."""

import importlib.util
import sys

import numpy as np
import pytest
import torch
from skimage import data

from restore import masks, networks, weights
from restore.compress import ExportError, export_onnx

U_NET = {"widths": [8, 12, 16], "down": [1, 1, 1], "up": [1, 1, 1]}
NETWORKS = {
    "inpainting": ("inpainting", {**U_NET, "dilations": [1, 4]}),
    "inpainting, smooth": ("inpainting", {**U_NET, "dilations": [1, 4], "encoder": "plain", "trunk": 32, "finish": 4}),
    "restoration": ("restoration", U_NET),
    "restoration, plain": ("restoration", {**U_NET, "block": "plain"}),
}
F32 = {"INFERENCE_PRECISION_HINT": "f32"}
HAS_ONNX = importlib.util.find_spec("onnx") is not None


@pytest.mark.skipif(not HAS_ONNX, reason="the package onnx is missing")
@pytest.mark.parametrize("case", NETWORKS)
def test_a_file_gives_what_torch_gives_at_any_size(case, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "openvino_telemetry", None)  # it would report to OpenVINO's makers
    import onnx
    import openvino

    torch.manual_seed(0)
    network = networks.build(*NETWORKS[case]).train()
    for tensor in (*network.parameters(), *(b for b in network.buffers() if b.is_floating_point())):
        torch.nn.init.uniform_(tensor, 0.05 if tensor.ndim < 4 else -0.1, 0.12)
    path = export_onnx(network, tmp_path / "network.onnx")
    assert network.training
    model = onnx.load(path)
    onnx.checker.check_model(model, full_check=True)
    assert [node.name for node in model.graph.input] == ["picture", "level" if case.startswith("restoration") else "mask"]
    compiled = openvino.Core().compile_model(path, "CPU", F32)
    network.eval()
    for height, width in ((8, 8), (64, 104), (200, 48)):
        x, second = torch.rand(1, 3, height, width), (torch.rand(1, 1, height, width) < 0.3).float()
        with torch.inference_mode():
            expected = network(x, second)
        assert expected.std() > 0.01
        got = compiled([x.numpy(), second.numpy()])[0]
        np.testing.assert_allclose(got, expected.numpy(), atol=1e-4, rtol=0)


@pytest.mark.skipif(not HAS_ONNX, reason="the package onnx is missing")
@pytest.mark.parametrize("name", ["denoise", "inpaint"])
def test_files_of_shipped_networks(name, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "openvino_telemetry", None)
    import openvino

    network = weights.load(name).eval()
    compiled = openvino.Core().compile_model(export_onnx(network, tmp_path / "network.onnx"), "CPU", F32)
    for height, width in ((96, 160), (256, 128)):
        x = torch.from_numpy(data.astronaut()[None, :height, :width]).permute(0, 3, 1, 2) / 255
        second = torch.full((1, 1, height, width), 25 / 255)
        if name == "inpaint":
            second = torch.from_numpy(masks.benchmark("medium", (height, width), 0) > 0)[None, None].float()
            x = x * (1 - second)
        with torch.inference_mode():
            expected = network(x, second)
        np.testing.assert_allclose(compiled([x.numpy(), second.numpy()])[0], expected.numpy(), atol=1e-4, rtol=0)


@pytest.mark.skipif(not HAS_ONNX, reason="the package onnx is missing")
@pytest.mark.parametrize("network", ["unet", "filtering"])
def test_networks_that_take_other_things_beside_the_picture(network, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "openvino_telemetry", None)
    import onnx
    import openvino

    torch.manual_seed(0)
    built = networks.build(network, {"width": 8} if network == "filtering" else {"backbone": "resnet18", "outputs": 2}).eval()
    for tensor in built.parameters():
        torch.nn.init.uniform_(tensor, -0.1, 0.12)
    others = {"operator": torch.tensor([2]), "strength": torch.tensor([0.8])} if network == "filtering" else {}
    path = export_onnx(built, tmp_path / "network.onnx")
    assert [node.name for node in onnx.load(path).graph.input] == ["picture", *others]
    compiled = openvino.Core().compile_model(path, "CPU", F32)
    for height, width in ((64, 32), (96, 128)):
        x = torch.rand(1, 3, height, width)
        with torch.inference_mode():
            expected = built(x, *others.values())
        assert expected.std() > 1e-3
        np.testing.assert_allclose(compiled([x.numpy(), *(y.numpy() for y in others.values())])[0], expected.numpy(), atol=1e-4, rtol=0)


@pytest.mark.skipif(not HAS_ONNX, reason="the package onnx is missing")
def test_a_network_that_takes_anything_else_is_refused(tmp_path):
    class Odd(networks.Network):
        def forward(self, x, weather):
            return x

    with pytest.raises(ExportError, match="the network takes weather; expected nothing but a picture, mask, level, operator, strength"):
        export_onnx(Odd(), tmp_path / "network.onnx")


def test_without_onnx_the_error_says_how_to_get_it(tmp_path, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ExportError, match=r"the package onnx is missing; expected it \(pip install 'restore-photographs\[export\]'\)"):
        export_onnx(networks.build("restoration", U_NET), tmp_path / "network.onnx")


@pytest.mark.skipif(not HAS_ONNX, reason="the package onnx is missing")
def test_an_impossible_opset_is_named(tmp_path):
    with pytest.raises(ExportError, match="PyTorch cannot write network.onnx for opset 2: "):
        export_onnx(networks.build("restoration", U_NET), tmp_path / "network.onnx", opset=2)
