"""What a camera makes of noise: it is on the sensor, and demosaicking, white balance, colour matrix and curves form it."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F

from restore.degrade.base import column
from restore.degrade.blur import blur, gaussian_kernels
from restore.degrade.noise import bayer, decode_srgb, demosaic, encode_srgb, scatter
from restore.degrade.tone import luma
from restore.filters.tensor.base import pad

INTERPOLATIONS = ("none", "bilinear", "gradient")
"""How a sensor's missing colours are found: it has all of them, the mean of the nearest, or ``demosaic_gradient``."""
WIDEST = 13
"""Side of the kernels by which noise is smoothed, in pixels."""


@dataclass(frozen=True, kw_only=True)
class Camera:
    """A camera for each picture of a batch.

    Attributes:
        shot: Standard deviation of the photon noise at the sensor's white, in 8-bit units, (N,).
        read: Of the noise of reading, (N,), above 0.
        gains: White balance (N, 3), by which the sensor's colours are multiplied.
        crosstalk: (N, 3, 3), rows summing to 1: how the sensor's filters mix red, green and blue light.
        phase: Of the Bayer pattern, (N,), 0 to 3.
        interpolation: The place in ``INTERPOLATIONS``, (N,).
        contrast: Of the tone curve after sRGB's, (N,), above 0; 1: none; at 1.5 it is about smoothstep, which Brooks et al. take.
    """

    shot: torch.Tensor
    read: torch.Tensor
    gains: torch.Tensor
    crosstalk: torch.Tensor
    phase: torch.Tensor
    interpolation: torch.Tensor
    contrast: torch.Tensor

    def expose(self, x: torch.Tensor, noise: torch.Tensor) -> torch.Tensor:
        """Put noise where a camera has it; the picture's own detail stays as it is, as an ideal demosaicking leaves it.

        Brooks et al., "Unprocessing images for learned raw denoising", CVPR 2019.

        Args:
            x: Pictures (N, 3, H, W) in [0, 1].
            noise: Standard normal samples of the same shape.

        Returns:
            (N, 3, H, W); without noise ``x`` itself; in [0, 1], as the tone curve has no values elsewhere.
        """
        light = decode_srgb(toned(x, 1 / self.contrast))
        sensor = torch.einsum("nij,njhw->nihw", self.crosstalk, light) / self.gains[:, :, None, None]
        grain, pattern, kind = scatter(sensor, self.shot, self.read) * noise, bayer(self.phase, *x.shape[2:]), column(self.interpolation)
        seen = pattern * grain
        grain = torch.where(kind == 0, grain, torch.where(kind == 1, demosaic(seen), demosaic_gradient(seen, pattern)))
        light = light + torch.einsum("nij,njhw->nihw", torch.linalg.inv(self.crosstalk), grain * self.gains[:, :, None, None])
        return toned(encode_srgb(light), self.contrast)


def toned(x: torch.Tensor, contrast: torch.Tensor) -> torch.Tensor:
    """A tone curve through black, middle grey and white, of slope ``contrast`` (N,) in the middle; ``1 / contrast`` undoes it.

    >>> toned(torch.tensor([[[[0.0, 0.25, 0.5, 1.0]]]]), torch.tensor([2.0]))
    tensor([[[[0.0000, 0.1000, 0.5000, 1.0000]]]])
    """
    x, power = x.clamp(0, 1), column(contrast)
    bright, dark = x**power, (1 - x) ** power
    return bright / (bright + dark)


def demosaic_gradient(mosaic: torch.Tensor, pattern: torch.Tensor) -> torch.Tensor:
    """Fill in the colours that a Bayer sensor did not see: bilinearly, corrected by the gradient of the colour that it saw there.

    Malvar, He, Cutler, "High-quality linear interpolation for demosaicing of Bayer-patterned color images", ICASSP 2004. It leaves more
    noise than the bilinear one, and more of it alike in all colours.

    Args:
        mosaic: (N, 3, H, W), zeros where a colour was not seen.
        pattern: Which colour was seen where, as ``degrade.noise.bayer`` says it.

    >>> pattern = bayer(torch.zeros(1), 8, 8)
    >>> demosaic_gradient(pattern, pattern).unique()
    tensor([1.])
    """
    plane = pad(mosaic.sum(1, keepdim=True), 2, 2, "reflect")
    cross = [[0, 0, -2, 0, 0], [0, 0, 4, 0, 0], [-2, 4, 8, 4, -2], [0, 0, 4, 0, 0], [0, 0, -2, 0, 0]]
    along = [[0, 0, 1, 0, 0], [0, -2, 0, -2, 0], [-2, 8, 10, 8, -2], [0, -2, 0, -2, 0], [0, 0, 1, 0, 0]]
    across = [list(row) for row in zip(*along, strict=True)]
    corners = [[0, 0, -3, 0, 0], [0, 4, 0, 4, 0], [-3, 0, 12, 0, -3], [0, 4, 0, 4, 0], [0, 0, -3, 0, 0]]
    found = F.conv2d(plane, plane.new_tensor([cross, along, across, corners])[:, None] / 16)
    green, beside, below, opposite = found.split(1, 1)
    red, seen, blue = pattern.split(1, 1)
    in_red_row = (red.sum(3, keepdim=True) > 0).to(plane.dtype)
    at_green = in_red_row * beside + (1 - in_red_row) * below, in_red_row * below + (1 - in_red_row) * beside
    filled = [blue * opposite + seen * at_green[0], (red + blue) * green, red * opposite + seen * at_green[1]]
    return mosaic + torch.cat(filled, 1)


def smoothed(noise: torch.Tensor, brightness: torch.Tensor, colour: torch.Tensor) -> torch.Tensor:
    """Smooth noise (N, 3, H, W) as cameras do: that of colour more than that of brightness.

    Args:
        noise: What was added to pictures.
        brightness: Standard deviation in pixels of the Gaussian for luma, (N,), above 0 and at most 2; below 0.2 it does nothing.
        colour: Of that for the rest.
    """
    grey = luma(noise)
    kernels = [gaussian_kernels(width, width, torch.zeros_like(width), WIDEST) for width in (brightness, colour)]
    return blur(grey, kernels[0]) + blur(noise - grey, kernels[1])


def sharpening(amount: torch.Tensor, width: torch.Tensor, size: int = 9) -> torch.Tensor:
    """Kernels (N, size, size) of unsharp masking: the picture and ``amount`` times its difference to itself, blurred by ``width`` pixels.

    >>> sharpening(torch.tensor([0.5]), torch.tensor([0.5]), 3)[0, 1].round(decimals=3)
    tensor([-0.0420,  1.1900, -0.0420])
    """
    blurring = amount[:, None, None] * gaussian_kernels(width, width, torch.zeros_like(width), size)
    kernels = -blurring
    kernels[:, size // 2, size // 2] += 1 + amount
    return kernels
