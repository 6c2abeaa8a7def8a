"""JPEG on tensors: what is left of pictures after libjpeg-turbo has written and read them, bit for bit.

It is libjpeg's integer arithmetic in floating point that holds it exactly: products with constants of 13 or 16 bits, half a unit added, the
floor taken. Float32 does for colour, whose sums need 24 bits; the transform takes float64, which autocast and TF32 leave alone, too.
Samples are centred: 128 is 0.
"""

import torch
import torch.nn.functional as F

from restore import jpeg_tables

DCT_LEFT = (
    (8192, 8192, 8192, 8192),
    (11363, 9633, 6437, 2260),
    (10703, 4433, -4433, -10703),
    (9633, -2259, -11362, -6436),
    (8192, -8192, -8192, 8192),
    (6437, -11362, 2261, 9633),
    (4433, -10704, 10704, -4433),
    (2260, -6436, 9633, -11363),
)
"""Left half of the DCT's matrix, times 2**13 and sqrt(8). The right half mirrors it, with the other sign in odd rows.

Between two roundings, the flow graph of Loeffler, Ligtenberg and Moschytz is a sum of products: these are the sums of its constants, each
rounded to 13 bits, which is why 2259, 2260 and 2261 stand for one cosine. The inverse's graph comes to the transposed matrix.
"""


def quantization_table(quality: torch.Tensor) -> torch.Tensor:
    """Quantisation steps that libjpeg writes for a quality.

    Args:
        quality: (N,), 1 to 100, rounded to whole numbers; what lies outside is clipped.

    Returns:
        (N, 2, 8, 8) int32, 1 to 255: of luminance and chrominance, vertical frequency first.

    >>> quantization_table(torch.tensor([50, 75, 100]))[:, 0, 0, :4]
    tensor([[16, 11, 10, 16],
            [ 8,  6,  5,  8],
            [ 1,  1,  1,  1]], dtype=torch.int32)
    """
    tables = torch.from_numpy(jpeg_tables.quantization_table(jpeg_tables.QUALITIES)).to(quality.device)
    return tables[quality.round().clamp(1, 100).long() - 1]


def _pad(x: torch.Tensor, rows: int, columns: int) -> torch.Tensor:
    """Repeat the last row and column up to multiples of ``rows`` and ``columns``."""
    height, width = x.shape[-2:]
    return F.pad(x, (0, -width % columns, 0, -height % rows), mode="replicate")


def _requantize(x: torch.Tensor, steps: torch.Tensor) -> torch.Tensor:
    """Transform blocks of 8 x 8, round their coefficients to multiples of ``steps`` and transform back.

    Args:
        x: Centred samples (N, C, H, W), float32.
        steps: (N, 8, 8) float64.

    Returns:
        Centred samples of the same shape, -128 to 127.
    """
    padded = _pad(x, 8, 8)  # (N, C, 8h, 8w)
    count, channels, height, width = padded.shape
    left = torch.tensor(DCT_LEFT, dtype=torch.float64, device=x.device)
    sign = left.new_tensor([1, -1] * 4).unsqueeze(1)
    matrix, half = torch.cat((left, sign * left.flip(1)), 1), left.new_tensor(0.5)

    def across(samples: torch.Tensor, factors: torch.Tensor, bits: int) -> torch.Tensor:
        return torch.addmm(half, samples.reshape(-1, 8), (factors * 2.0**-bits).contiguous()).floor_()

    def down(samples: torch.Tensor, factors: torch.Tensor, bits: int) -> torch.Tensor:
        strips = samples.reshape(-1, 8, width)
        return torch.baddbmm(half, (factors * 2.0**-bits).expand(len(strips), 8, 8), strips).floor_()

    coefficients = down(across(padded.double(), matrix.T, 11), matrix, 15).view(count, -1, 8, width)  # times 8
    tiled = steps.repeat(1, 1, width // 8).unsqueeze(1)  # (N, 1, 8, 8w)
    # round_ takes ties to the even side, libjpeg away from zero: a millionth more carries a tie over, and nothing that is none.
    coefficients.mul_((1 + 2.0**-20) / 8 / tiled).round_().mul_(tiled)
    samples = across(down(coefficients, matrix.T, 11), matrix, 18).clamp_(-128, 127)
    return samples.view(count, channels, height, width)[..., : x.shape[-2], : x.shape[-1]].float()


def _alternate(x: torch.Tensor, even: float, odd: float) -> torch.Tensor:
    """Add ``even`` and ``odd`` to the columns in turn and round down, in place."""
    return x.add_(x.new_tensor((even, odd)).repeat(x.shape[-1] // 2)).floor_()


def _halve(x: torch.Tensor, tall: int) -> torch.Tensor:
    """Means of ``tall`` x 2 samples; (N, C, H, W) to (N, C, ceil(H / tall), 8w)."""
    mean = F.interpolate(_pad(x, tall, 16), scale_factor=(1 / tall, 0.5), mode="bilinear")
    return _alternate(mean, 0.25 * (tall - 1), 0.5)


def _double(x: torch.Tensor, tall: int) -> torch.Tensor:
    """Twice as wide and ``tall`` times as high, of each sample 3 parts, of its neighbour 1; (N, C, H, W) to (N, C, tall * H, 2W)."""
    if x.shape[-1] <= 2:  # libjpeg repeats samples where a row has so few
        return F.interpolate(x, scale_factor=(tall, 2))
    return _alternate(F.interpolate(x, scale_factor=(tall, 2), mode="bilinear"), 0.25 * tall, 0.5 if tall == 1 else 7 / 16)


def _chroma(x: torch.Tensor, steps: torch.Tensor, mode: int) -> torch.Tensor:
    """Write and read Cb and Cr, centred (N, 2, H, W), with the subsampling ``mode``."""
    if mode == 0:
        return _requantize(x, steps)
    height, width = x.shape[-2:]
    small = _requantize(_halve(x, mode), steps)[..., : -(-width // 2)]
    return _double(small, mode)[..., :height, :width]


def _luma_chroma(x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """RGB (N, 3, H, W), 0 to 255, as centred Y (N, 1, H, W) and Cb, Cr (N, 2, H, W): JFIF's matrix in 16 bits."""
    red, green, blue = x.split(1, 1)
    below = 0.5 - 1 / 65536
    y = (red * (19595 / 65536)).add_(green, alpha=38470 / 65536).add_(blue, alpha=7471 / 65536).add_(0.5).floor_().sub_(128)
    cb = (blue * 0.5).sub_(red, alpha=11059 / 65536).sub_(green, alpha=21709 / 65536).add_(below).floor_()
    cr = (red * 0.5).sub_(green, alpha=27439 / 65536).sub_(blue, alpha=5329 / 65536).add_(below).floor_()
    return y, torch.cat((cb, cr), 1)


def _rgb(y: torch.Tensor, chroma: torch.Tensor) -> torch.Tensor:
    """Back to RGB (N, 3, H, W), clipped to 0 to 255."""
    cb, cr = chroma.split(1, 1)
    red = (cr * (91881 / 65536)).add_(0.5).floor_()
    green = (cb * (-22554 / 65536)).sub_(cr, alpha=46802 / 65536).add_(0.5).floor_()
    blue = (cb * (116130 / 65536)).add_(0.5).floor_()
    return torch.cat((red, green, blue), 1).add_(y).add_(128).clamp_(0, 255)


@torch.no_grad()
def jpeg(x: torch.Tensor, quality: torch.Tensor, *, subsampling: torch.Tensor | int = 2) -> torch.Tensor:
    """What is left of pictures after libjpeg-turbo, as Pillow calls it, has written and read them.

    Equal to the file bit for bit: JFIF's colours, libjpeg's means and "fancy" interpolation of chroma, its slow integer transform and the
    tables of ITU-T T.81, annex K, scaled by quality. The result is piecewise constant in ``x``, so no gradient passes.

    Wallace, "The JPEG Still Picture Compression Standard", CACM 1991; Loeffler, Ligtenberg, Moschytz, "Practical Fast 1-D DCT Algorithms
    with 11 Multiplications", ICASSP 1989.

    Args:
        x: (N, C, H, W) float, C = 1 or 3, clipped to [0, 1] and rounded to 8 bits first; on a device that has float64.
        quality: (N,), 1 to 100, rounded to whole numbers; what lies outside is clipped.
        subsampling: (N,) or one for all, as Pillow counts: 0 is 4:4:4, 1 is 4:2:2, 2 is 4:2:0. Grey pictures have no chroma.

    Returns:
        The shape and type of ``x``: multiples of 1 / 255.

    Raises:
        ValueError: Neither 1 nor 3 channels, or another subsampling.

    The only coefficient of an even square is (90 - 128) * 8 = -304, its step 16 * 5 = 80, so that it becomes -4 * 80 = -320:

    >>> jpeg(torch.full((1, 1, 8, 8), 90 / 255), torch.tensor([10]))[0, 0, 0, 0] * 255
    tensor(88.)
    """
    count, channels = x.shape[:2]
    if channels not in {1, 3}:
        raise ValueError(f"pictures have {channels} channels; expected 1 or 3")
    pixels = x.float().clamp(0, 1).mul_(255).round_()
    steps = quantization_table(quality).double()  # (N, 2, 8, 8)
    if channels == 1:
        return (_requantize(pixels - 128, steps[:, 0]) + 128).div_(255).to(x.dtype)
    y, chroma = _luma_chroma(pixels)
    modes = torch.as_tensor(subsampling, device=x.device).expand(count)
    groups = [(modes == mode).nonzero().squeeze(1) for mode in range(3)]
    if sum(map(len, groups)) != count:
        raise ValueError(f"subsampling is {subsampling}; expected 0, 1 or 2")
    for mode, chosen in enumerate(groups):
        if len(chosen):
            chroma[chosen] = _chroma(chroma[chosen], steps[chosen, 1], mode)
    return _rgb(_requantize(y, steps[:, 0]), chroma).div_(255).to(x.dtype)
