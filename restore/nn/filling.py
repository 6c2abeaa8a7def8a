"""Holes closed from their borders: smoothly, or with the gradients that one wishes."""

import torch
import torch.nn.functional as F


def push_pull(x: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Fill holes smoothly from their borders (Gortler et al. 1996, "The Lumigraph", section 3.7).

    Values and known-ness are averaged together down a pyramid, then each level takes what it lacks from the coarser one.

    Args:
        x: Pictures (N, C, H, W); what lies in the hole is ignored.
        mask: Holes (N, 1, H, W), non-zero = fill. Where nothing is known the fill is 0.

    Returns:
        ``x`` with its holes filled, (N, C, H, W).

    >>> x = torch.ones(1, 3, 5, 7); mask = torch.zeros(1, 1, 5, 7); mask[..., 1:3, 2:5] = 1
    >>> torch.equal(push_pull(x, mask), x)
    True
    """
    known = (mask == 0).to(x.dtype)
    weighted = torch.where(known > 0, x, torch.zeros((), dtype=x.dtype, device=x.device))
    levels = [(weighted, known)]
    while max(weighted.shape[-2:]) > 1 and bool((known == 0).any()):
        weighted, known = _halved(weighted), _halved(known)
        levels.append((weighted, known))
    filled = weighted / known.clamp_min(1e-12)
    for weighted, known in reversed(levels[:-1]):
        coarse = F.interpolate(filled, size=weighted.shape[-2:], mode="bilinear", align_corners=False)
        filled = torch.where(known > 0, weighted / known.clamp_min(1e-12), coarse)
    return torch.where(mask == 0, x, filled)


def _halved(x: torch.Tensor) -> torch.Tensor:
    """Means of 2x2 pixels, at odd edges of those there are: (N, C, H, W) -> (N, C, ceil(H/2), ceil(W/2)).

    As with ``ceil_mode``, whose windows larger than the picture OpenVINO cannot pool.
    """
    return F.avg_pool2d(F.pad(x, (0, 1, 0, 1), mode="replicate"), 2)


def screened_poisson(b: torch.Tensor, holes: torch.Tensor, *, screen: float, cycles: int = 3) -> torch.Tensor:
    """Solve (4 + screen) x - sum of the four neighbours = b in holes, by multigrid (Brandt 1977); x is 0 elsewhere, edges are mirrored.

    With b the lack of gradients flowing into each pixel, x is the change that brings them nearest (Perez et al. 2003, "Poisson Image
    Editing"; screened: Bhat et al. 2008, "Fourier Analysis of the 2D Screened Poisson Equation for Gradient Domain Problems").

    Args:
        b: (N, C, H, W), only read in holes.
        holes: (N, 1, H, W), non-zero = solve.
        screen: Weight of x = 0, from 0.
        cycles: V-cycles; three leave a tenth of the error or less.

    Returns:
        x, (N, C, H, W).

    >>> x = screened_poisson(torch.ones(1, 1, 3, 3), torch.eye(3)[None, None], screen=1.0, cycles=20)
    >>> round(x[0, 0, 1, 1].item(), 4)  # no neighbour is in a hole: 1 / 5
    0.2
    """
    x, inside = torch.zeros_like(b), (holes != 0).to(b.dtype)
    there = inside.amax((0, 1))
    if there.any():
        rows, columns = (slice(max(0, int(at.min()) - 1), int(at.max()) + 2) for at in there.nonzero().T)  # a 0 around them, as without
        part = x[..., rows, columns]
        for _ in range(cycles):
            part = _v_cycle(part, b[..., rows, columns], inside[..., rows, columns], screen)
        x[..., rows, columns] = part
    return x


def _v_cycle(x: torch.Tensor, b: torch.Tensor, inside: torch.Tensor, screen: float) -> torch.Tensor:
    x = _relax(x, b, inside, screen)
    height, width = x.shape[-2:]
    if min(height, width) > 4 and bool(inside.any()):
        rest = inside * (b + _neighbours(x) - (4 + screen) * x)
        smaller = (_halved(inside) > 0.75).to(b.dtype)
        rest = 4 * _halved(rest) * smaller
        coarse = _v_cycle(torch.zeros_like(rest), rest, smaller, 4 * screen)
        x = x + inside * F.interpolate(coarse, scale_factor=2, mode="bilinear")[..., :height, :width]
    return _relax(x, b, inside, screen)


def _relax(x: torch.Tensor, b: torch.Tensor, inside: torch.Tensor, screen: float) -> torch.Tensor:
    for _ in range(2):
        x = inside * (0.2 * x + 0.8 * (_neighbours(x) + b) / (4 + screen))
    return x


def _neighbours(x: torch.Tensor) -> torch.Tensor:
    x = F.pad(x, (1, 1, 1, 1), mode="replicate")
    return x[..., :-2, 1:-1] + x[..., 2:, 1:-1] + x[..., 1:-1, :-2] + x[..., 1:-1, 2:]
