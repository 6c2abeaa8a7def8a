"""What the shipped denoisers cost on a CPU, beside the shapes of two known ones; a verb of `benchmark.py`."""

import itertools
import time
from collections.abc import Callable, Iterator
from copy import deepcopy
from functools import partial
from typing import Annotated

import numpy as np
import torch
import torch.nn.functional as F
import typer
from torch import nn
from turns import take_turns

from restore import weights
from restore.networks import Network
from restore.networks.restoration import level_map
from restore.nn.arithmetic import summary, table
from restore.runtime import Runtime, has_bf16
from restore.tasks import TASKS

LEVEL = 25 / 255
UNIT = ("shape of FFDNet", "torch, fp32")


def price(
    weight: Annotated[
        str, typer.Option(help="Shipped weights, or training runs, separated by commas.", show_default="those of denoise")
    ] = "",
    size: Annotated[int, typer.Option(min=64, help="Height and width of the picture, a multiple of 64.")] = 512,
    runs: Annotated[int, typer.Option(min=2, help="Timed runs of each; two more come before.")] = 9,
    threads: Annotated[int, typer.Option(min=1, help="Threads of torch and of OpenVINO.")] = 2,
    budget: Annotated[float, typer.Option(min=0, help="A contender that had so many seconds runs no more, after four runs.")] = 20.0,
    cpu: Annotated[bool, typer.Option("--cpu", help="Count processor time: steadier than the clock where others work too.")] = False,
) -> None:
    """Seconds of denoisers for one picture, in turn: ours as users get them, by OpenVINO, and by torch; two known ones' shapes by torch."""
    if size % 64:
        raise typer.BadParameter(f"{size} is no multiple of 64", param_hint="--size")
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    shipped = f"{TASKS['denoise'].weight},{TASKS['denoise'].fast}"
    networks: dict[str, nn.Module] = {name: weights.load(name) for name in (weight or shipped).split(",") if name}
    networks |= {UNIT[0]: FFDNet(), "shape of DRUNet": DRUNet()}
    picture, ways = torch.rand(1, 3, size, size), {}
    for name, network in networks.items():
        ways |= {(name, how): run for how, run in runs_of(network.eval(), picture)}
    with torch.inference_mode():
        seconds = take_turns(list(ways.values()), runs=runs, budget=budget, always=0, clock=time.process_time if cpu else time.perf_counter)
    medians = dict(zip(ways, np.nanmedian(seconds, 0), strict=True))
    lines = [["network", "parameters", "GMAC at 256x256", "run by", "seconds", f"of {UNIT[0]}"]]
    for (name, how), median in medians.items():
        cost = summary(Told(networks[name]), 256)
        lines.append([name, f"{cost.parameters:,}", f"{cost.macs / 1e9:.2f}", how, f"{median:.3f}", f"{median / medians[UNIT]:.3f}"])
    clock = "processor time" if cpu else "wall clock"
    typer.echo(f"{size} x {size}, {threads} threads, medians of {runs} runs in turn by {clock}, torch {torch.__version__}\n")
    typer.echo(table(lines, align="lrrlrr", markdown=True))


def runs_of(network: nn.Module, picture: torch.Tensor) -> Iterator[tuple[str, Callable[[], object]]]:
    """The ways to run a network on a picture (1, 3, H, W); those of OpenVINO for ours alone."""
    if isinstance(network, Network):
        array = picture[0].permute(1, 2, 0).contiguous().numpy()
        for precision in ("fp32", "bf16")[: 1 + has_bf16("openvino")]:
            yield f"OpenVINO, {precision}", partial(Runtime(network, device="cpu", precision=precision, runtime="openvino"), array, LEVEL)
    yield UNIT[1], partial(network, picture, LEVEL)
    last = torch.channels_last
    yield "torch, bf16, channels last", partial(in_bf16, deepcopy(network).to(memory_format=last), picture.contiguous(memory_format=last))


def in_bf16(network: nn.Module, picture: torch.Tensor) -> None:
    """One pass with products in bfloat16."""
    with torch.autocast("cpu", torch.bfloat16):
        network(picture, LEVEL)


class Told(nn.Module):
    """A denoiser that is told the level, as a network of one input."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """A noisy picture -> a clean one, both (N, 3, H, W)."""
        return self.network(x, LEVEL)


class FFDNet(nn.Module):
    """Zhang, Zuo, Zhang 2018, "FFDNet", for colour: 12 layers of 96 channels at half the size."""

    def __init__(self) -> None:
        super().__init__()
        hidden = [nn.Sequential(nn.Conv2d(96, 96, 3, padding=1), nn.ReLU(inplace=True)) for _ in range(10)]
        head = nn.Sequential(nn.Conv2d(13, 96, 3, padding=1), nn.ReLU(inplace=True))
        self.layers = nn.Sequential(head, *hidden, nn.Conv2d(96, 12, 3, padding=1))

    def forward(self, x: torch.Tensor, level: float) -> torch.Tensor:
        """A noisy picture (N, 3, H, W) and the level of its noise -> a clean one."""
        small = F.pixel_unshuffle(x, 2)  # (N, 12, H/2, W/2)
        return F.pixel_shuffle(self.layers(torch.cat([small, level_map(level, small)], 1)), 2)


class DRUNet(nn.Module):
    """Zhang et al. 2021, "Plug-and-Play Image Restoration with Deep Denoiser Prior", for colour: a U-Net without biases."""

    def __init__(self, widths: tuple[int, ...] = (64, 128, 256, 512), depth: int = 4) -> None:
        super().__init__()
        steps = list(itertools.pairwise(widths))
        self.head = nn.Conv2d(4, widths[0], 3, padding=1, bias=False)
        self.down = nn.ModuleList(nn.Sequential(*blocks(fine, depth), nn.Conv2d(fine, coarse, 2, 2, bias=False)) for fine, coarse in steps)
        self.body = nn.Sequential(*blocks(widths[-1], depth))
        self.up = nn.ModuleList(
            nn.Sequential(nn.ConvTranspose2d(coarse, fine, 2, 2, bias=False), *blocks(fine, depth)) for fine, coarse in reversed(steps)
        )
        self.tail = nn.Conv2d(widths[0], 3, 3, padding=1, bias=False)

    def forward(self, x: torch.Tensor, level: float) -> torch.Tensor:
        """A noisy picture (N, 3, H, W) and the level of its noise -> a clean one."""
        maps = [self.head(torch.cat([x, level_map(level, x)], 1))]
        for down in self.down:
            maps.append(down(maps[-1]))
        y = self.body(maps[-1])
        for up, skip in zip(self.up, reversed(maps), strict=False):
            y = up(y + skip)
        return self.tail(y + maps[0])


def blocks(width: int, depth: int) -> list[nn.Module]:
    """So many residual blocks."""
    return [Residual(width) for _ in range(depth)]


class Residual(nn.Module):
    """Two convolutions without biases, and their input."""

    def __init__(self, width: int) -> None:
        super().__init__()
        first, second = (nn.Conv2d(width, width, 3, padding=1, bias=False) for _ in range(2))
        self.layers = nn.Sequential(first, nn.ReLU(inplace=True), second)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, C, H, W) -> the same."""
        return x + self.layers(x)
