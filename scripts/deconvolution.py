"""What `evaluate.py deblur` sets networks against: the Wiener filter and Richardson-Lucy, on the same blurred pictures.

mkdir photos && tar -xf ../shared/data/train/train-006.tar -C photos && python scripts/deconvolution.py photos --limit 6

prints what ``CHOSEN`` was chosen from, by the mean PSNR over these photographs and all kernels: the best single guess of a round Gaussian
with its regularisation, and the best regularisation where the true kernel is known.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer
from scores import add_noise, centre, pictures

from restore import image, metrics
from restore.degrade.blur import benchmark_kernels, blur
from restore.filters.array.deblur import richardson_lucy, wiener

Array = np.ndarray
Method = Callable[[Array, Array], Array]
"""A blurred picture and its true kernel (k, k) -> a sharp picture."""
NOISE = 2.55  # 1 %
FILTERS: dict[str, tuple[Callable[..., Array], str]] = {"wiener": (wiener, "balance"), "richardson-lucy": (richardson_lucy, "steps")}
"""Name -> the filter, and the option that regularises it."""
CHOSEN = {
    "wiener": ("wiener", 1.25, 0.03),
    "richardson-lucy": ("richardson-lucy", 1.25, 8),
    "wiener-true": ("wiener", None, 0.003),
    "richardson-lucy-true": ("richardson-lucy", None, 24),
}
"""Name -> filter, standard deviation of the Gaussian that it takes for the kernel (None: it knows the true one), regularisation."""
SIGMAS = (0.8, 1.0, 1.25, 1.5)
TRIED = {"wiener": ((0.01, 0.02, 0.03, 0.05, 0.1), (0.002, 0.003, 0.005, 0.01)), "richardson-lucy": ((4, 6, 8, 12), (16, 24, 32, 48))}
"""Filter -> regularisations with a guess, and with the true kernel."""


def damaged(clean: Array, kernel: torch.Tensor, seed: int, crop: int) -> tuple[Array, Array]:
    """The centre of a picture (H, W, 3) uint8, and what a camera makes of it: blur and noise of encoded samples, then 8 bits.

    The whole picture is blurred, its borders mirrored, before the centre is cut out. Each kernel meets the same draw of noise.
    """
    x = torch.from_numpy(image.to_float(clean)).permute(2, 0, 1)[None]  # (1, 3, H, W)
    blurred = centre(blur(x, kernel[None])[0].permute(1, 2, 0).numpy(), crop)
    return np.ascontiguousarray(centre(clean, crop)), add_noise(blurred, NOISE, seed)


def method(name: str, sigma: float | None, amount: float) -> Method:
    """A filter, told the true kernel unless ``sigma`` says what Gaussian to take for it."""
    function, option = FILTERS[name]
    guess = {"kernel": "gaussian", "size": sigma}
    return lambda seen, kernel: function(seen, **{option: amount}, **(guess if sigma else {"kernel": kernel}))


def main(
    data: Annotated[Path, typer.Argument(help="Folder of photographs.")],
    limit: Annotated[int | None, typer.Option(min=1, help="Only the first so many.")] = None,
    crop: Annotated[int, typer.Option(min=64, help="Side of the centre crop that is measured.")] = 256,
) -> None:
    """Print the mean PSNR of each setting, and the best ones."""
    kernels = benchmark_kernels().values()
    cases = [(*damaged(clean, kernel, number, crop), kernel.numpy()) for number, clean in pictures(data, 0, limit) for kernel in kernels]
    print(f"input: {np.mean([metrics.psnr(clean, seen) for clean, seen, _ in cases]):.2f}")
    for name, (guessed, told) in TRIED.items():
        for settings in ([(sigma, amount) for sigma in SIGMAS for amount in guessed], [(None, amount) for amount in told]):
            scores = {}
            for sigma, amount in settings:
                sharpen = method(name, sigma, amount)
                score = np.mean([metrics.psnr(clean, sharpen(seen, kernel)) for clean, seen, kernel in cases])
                scores[name, sigma, amount] = score
                print(f"{name}, {f'sigma {sigma:g}' if sigma else 'true kernel'}, {FILTERS[name][1]} {amount:g}: {score:.2f}", flush=True)
            print(f"best: {max(scores, key=scores.__getitem__)}")


if __name__ == "__main__":
    typer.run(main)
