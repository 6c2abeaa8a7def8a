"""Networks as ONNX files, for whatever else runs those; needs the package onnx (``pip install 'restore-photographs[export]'``)."""

import importlib.util
import inspect
import warnings
from os import PathLike
from pathlib import Path

import torch

from restore.networks.base import LONGEST, Network

OPSET = 17
SCALARS = {"operator": torch.zeros(1, dtype=torch.long), "strength": torch.full((1,), 0.5)}
"""Inputs that are one number for the whole picture."""


class ExportError(RuntimeError):
    """A network cannot be written; the message is one line."""


def export_onnx(network: Network, path: str | PathLike[str], *, opset: int = OPSET) -> Path:
    """Write a network as an ONNX file of open height and width.

    Its first input is ``picture`` (1, 3, H, W), float32; the others are called as in the network's ``forward``: ``mask`` or ``level``
    (1, 1, H, W), float32, or ``operator`` (1,), int64, and ``strength`` (1,), float32. Its output is ``restored`` (1, 3, H, W), or a
    U-Net's logits (1, outputs, H, W). H and W are multiples of the network's ``multiple_of``, at most ``restore.networks.base.LONGEST``.

    Args:
        network: With its weights, on the CPU.
        path: The file.
        opset: Version of ONNX's operators.

    Returns:
        The file.

    Raises:
        ExportError: The package onnx is missing, the network takes something else, or PyTorch cannot write it for this opset.
    """
    if importlib.util.find_spec("onnx") is None:
        raise ExportError("the package onnx is missing; expected it (pip install 'restore-photographs[export]')")
    inputs = examples(network)
    training = network.training
    with warnings.catch_warnings(), torch.inference_mode():
        warnings.simplefilter("ignore")  # of the tracer: what depends on sizes is right for LONGEST, and so for all
        try:
            torch.onnx.export(
                network.eval(),
                tuple(inputs.values()),
                path,
                dynamo=False,  # the newer way cannot follow a loop that depends on data
                opset_version=opset,
                input_names=[*inputs],
                output_names=["restored"],
                dynamic_axes={name: {2: "height", 3: "width"} for name in (*inputs, "restored") if name not in SCALARS},
            )
        except (RuntimeError, ValueError) as error:
            raise ExportError(f"PyTorch cannot write {Path(path).name} for opset {opset}: {' '.join(str(error).split())[:300]}") from error
        finally:
            network.train(training)
    return Path(path)


def examples(network: Network) -> dict[str, torch.Tensor]:
    """What a network is traced with: the name of each input, and a tensor for it.

    Raises:
        ExportError: It takes something else than ``export_onnx`` says.
    """
    size = LONGEST, network.multiple_of
    whole = torch.ones(1, 1, *size)  # all hole, so that a loop until there is none left sees all scales
    known = {"mask": whole, "level": whole, **SCALARS}
    _, *others = inspect.signature(network.forward).parameters
    if unknown := [name for name in others if name not in known]:
        raise ExportError(f"the network takes {', '.join(unknown)}; expected nothing but a picture, {', '.join(known)}")
    return {"picture": torch.zeros(1, 3, *size), **{name: known[name] for name in others}}
