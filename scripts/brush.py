"""What filling a hole costs on a CPU, by the shipped network, by classical methods and by the shape of LaMa; a verb of `benchmark.py`."""

import time
from collections.abc import Callable
from functools import partial
from typing import Annotated

import cv2
import numpy as np
import torch
import typer
from skimage import data
from torch import nn
from turns import take_turns

from restore import masks, weights
from restore.image import to_float
from restore.nn.arithmetic import table
from restore.runtime import Runtime, has_bf16
from restore.tasks import TASKS
from restore.tasks.inpaint import inpaint

UNIT = "shape of LaMa, torch, fp32"
CLASSICAL = ("telea", "ns", "biharmonic")


def brush(
    weight: Annotated[str, typer.Option(help="Shipped weight, or training run.")] = "inpaint",
    size: Annotated[int, typer.Option(min=64, max=512, help="Height and width of the picture, a multiple of 64.")] = 512,
    sets: Annotated[str, typer.Option("--masks", help="Sets of masks, separated by commas.")] = "thin,large",
    runs: Annotated[int, typer.Option(min=2, help="Timed runs of each; two more come before.")] = 5,
    threads: Annotated[int, typer.Option(min=1, help="Threads of torch, OpenVINO and OpenCV.")] = 2,
    budget: Annotated[float, typer.Option(min=0, help="A contender that had so many seconds runs no more, after four runs.")] = 20.0,
    cpu: Annotated[bool, typer.Option("--cpu", help="Count processor time: steadier than the clock where others work too.")] = False,
) -> None:
    """Seconds to fill holes, in turn: the network alone, `restore inpaint` with texture, Telea, Navier-Stokes, biharmonic, LaMa's shape."""
    if size % 64:
        raise typer.BadParameter(f"{size} is no multiple of 64", param_hint="--size")
    for kind in sets.split(","):
        if kind not in masks.BENCHMARKS:
            raise typer.BadParameter(f"{kind!r} is unknown, expected some of {', '.join(masks.BENCHMARKS)}", param_hint="--masks")
    torch.set_num_threads(threads)
    cv2.setNumThreads(threads)
    torch.manual_seed(0)
    picture, clock = np.ascontiguousarray(data.astronaut()[:size, :size]), time.process_time if cpu else time.perf_counter
    network, lama = weights.load(weight).eval(), LaMa().eval()
    ways = [(kind, ways_to(network, lama, picture, masks.benchmark(kind, (size, size), 0))) for kind in sets.split(",")]
    lines = [["masks", "filled by", "seconds", "of LaMa's shape"]]
    for kind, contenders in ways:
        with torch.inference_mode():
            seconds = take_turns(list(contenders.values()), runs=runs, budget=budget, always=0, clock=clock)
        medians = dict(zip(contenders, np.nanmedian(seconds, 0), strict=True))
        lines += [[kind, name, f"{median:.3f}", f"{median / medians[UNIT]:.3f}"] for name, median in medians.items()]
    parameters = [f"{sum(p.numel() for p in net.parameters()) / 1e6:.2f} M" for net in (network, lama)]
    how = f"{threads} threads, medians of {runs} runs in turn by {'processor time' if cpu else 'wall clock'}, torch {torch.__version__}"
    typer.echo(f"{size} x {size}, {how}; {weight} has {parameters[0]} parameters, LaMa's shape {parameters[1]}\n")
    typer.echo(table(lines, align="llrr", markdown=True))


def ways_to(network: nn.Module, lama: nn.Module, picture: np.ndarray, mask: np.ndarray) -> dict[str, Callable[[], object]]:
    """The ways to fill the holes (H, W) of a picture (H, W, 3) uint8."""
    holes = (mask > 0).astype(np.float32)[..., None]
    array = to_float(picture) * (1 - holes)
    x, m = (torch.from_numpy(part).permute(2, 0, 1)[None].contiguous() for part in (array, holes))
    ways: dict[str, Callable[[], object]] = {"the network, torch, fp32": partial(network, x, m)}
    for precision in ("fp32", "bf16")[: 1 + has_bf16("openvino")]:
        runtime = Runtime(network, device="cpu", precision=precision, runtime="openvino")
        ways[f"the network, OpenVINO, {precision}"] = partial(runtime, array, holes)
        ways[f"restore inpaint, texture and all, {precision}"] = partial(TASKS["inpaint"].function, picture, mask, runtime)
    ways |= {name: partial(inpaint, picture, mask, method=name) for name in CLASSICAL}
    return ways | {UNIT: partial(lama, x, m)}


class LaMa(nn.Sequential):
    """Suvorov et al. 2022, "LaMa", with plain convolutions: three steps down, nine residual blocks at 1/8, three steps up."""

    def __init__(self, width: int = 64, blocks: int = 9) -> None:
        widths = [width * 2**i for i in range(4)]
        head = [nn.ReflectionPad2d(3), *layer(nn.Conv2d(4, width, 7, bias=False))]
        down = [part for i in range(3) for part in layer(nn.Conv2d(widths[i], widths[i + 1], 3, 2, 1, bias=False))]
        body = [Residual(widths[-1]) for _ in range(blocks)]
        up = [part for i in (2, 1, 0) for part in layer(nn.ConvTranspose2d(widths[i + 1], widths[i], 3, 2, 1, 1, bias=False))]
        super().__init__(*head, *down, *body, *up, nn.ReflectionPad2d(3), nn.Conv2d(width, 3, 7), nn.Sigmoid())

    def forward(self, x: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """A picture (N, 3, H, W) and its holes (N, 1, H, W) -> filled."""
        return super().forward(torch.cat([x * (1 - mask), mask], 1))


def layer(conv: nn.Module) -> list[nn.Module]:
    """A convolution, batch norm and ReLU."""
    return [conv, nn.BatchNorm2d(conv.out_channels), nn.ReLU(inplace=True)]  # type: ignore[arg-type]


class Residual(nn.Module):
    """Two convolutions with batch norm, and their input."""

    def __init__(self, width: int) -> None:
        super().__init__()
        first, second = (nn.Conv2d(width, width, 3, padding=1, padding_mode="reflect", bias=False) for _ in range(2))
        self.layers = nn.Sequential(*layer(first), second, nn.BatchNorm2d(width))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, C, H, W) -> the same."""
        return x + self.layers(x)
