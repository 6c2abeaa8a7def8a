"""Networks as ONNX files, for whatever else runs those; needs the package onnx (``pip install 'restore-photographs[export]'``)."""

import importlib.util
import warnings
from os import PathLike
from pathlib import Path

import torch

from restore.networks.base import LONGEST, Network

OPSET = 17


class ExportError(RuntimeError):
    """A network cannot be written; the message is one line."""


def export_onnx(network: Network, path: str | PathLike[str], *, opset: int = OPSET) -> Path:
    """Write a network that takes a picture and a mask, or a picture and a level, as an ONNX file of open height and width.

    Its inputs are ``picture`` (1, 3, H, W), and ``mask`` or ``level`` (1, 1, H, W), float32; its output is ``restored`` (1, 3, H, W). H and
    W are multiples of the network's ``multiple_of``, at most ``restore.networks.base.LONGEST``.

    Args:
        network: With its weights, on the CPU.
        path: The file.
        opset: Version of ONNX's operators.

    Returns:
        The file.

    Raises:
        ExportError: The package onnx is missing, or PyTorch cannot write the network for this opset.
    """
    if importlib.util.find_spec("onnx") is None:
        raise ExportError("the package onnx is missing; expected it (pip install 'restore-photographs[export]')")
    names, size = ["picture", "mask" if network.takes_mask else "level"], (LONGEST, network.multiple_of)
    example = torch.zeros(1, 3, *size), torch.ones(1, 1, *size)  # all hole, so that a loop until there is none left sees all scales
    training = network.training
    with warnings.catch_warnings(), torch.inference_mode():
        warnings.simplefilter("ignore")  # of the tracer: what depends on sizes is right for LONGEST, and so for all
        try:
            torch.onnx.export(
                network.eval(),
                example,
                path,
                dynamo=False,  # the newer way cannot follow a loop that depends on data
                opset_version=opset,
                input_names=names,
                output_names=["restored"],
                dynamic_axes={name: {2: "height", 3: "width"} for name in (*names, "restored")},
            )
        except (RuntimeError, ValueError) as error:
            raise ExportError(f"PyTorch cannot write {Path(path).name} for opset {opset}: {' '.join(str(error).split())[:300]}") from error
        finally:
            network.train(training)
    return Path(path)
