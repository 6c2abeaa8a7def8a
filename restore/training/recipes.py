"""One function for each run: what it is trained with; those of the shipped weights among them."""

from collections.abc import Callable
from dataclasses import replace

from restore.training.camera import DenoiseCamera
from restore.training.classify import Classify
from restore.training.config import Config
from restore.training.deblur import Deblur
from restore.training.dejpeg import Dejpeg
from restore.training.denoise import Denoise
from restore.training.imitate import Imitate
from restore.training.inpaint import Inpaint
from restore.training.repair import Repair
from restore.training.segment import Segment

RESTORATION = {"widths": [64, 128, 256], "down": [2, 2, 2], "up": [2, 2, 2], "block": "gated"}
"""Options of the network that the recipes train to denoise, to sharpen and to restore JPEG files; ``docs/networks.md`` says what it was
chosen from. A weight that an earlier release trained may have others: those that the manifest says."""


def denoise() -> Config:
    """Colour denoiser with a noise-level map, sigma 0 to 75, float or 8-bit noise.

    ``restore train denoise --data DIR --out RUN``; two and a quarter hours of one CPU core, and two more on larger crops for what is
    shipped: ``--set start=RUN/checkpoint.pt --set steps=8000 --set decay=1 --set batch=8 --set crop=256 --set lr=0.0007``. Scores:
    ``weights/denoise.md``.
    """
    return Config(
        network="restoration", options=RESTORATION, objective=Denoise(shrunk=0.6, overtold=0.1), steps=31_000, decay=0.535, crop=128
    )


def denoise_camera() -> Config:
    """Denoiser of photographs as cameras write them: demosaicked, curved, sharpened, JPEG; blind or told the level; from the denoiser.

    ``restore train denoise-camera --data DIR --out RUN --set start=denoise``; two and a half hours of one slow CPU core with batch=8, the
    last twenty minutes of them with more crops without noise (``objective.untouched=0.15``): the weight's card has all settings.
    """
    return Config(
        network="restoration",
        options=RESTORATION,
        objective=DenoiseCamera(),
        steps=20_000,
        decay=0.7,
        crop=128,
    )


def dejpeg() -> Config:
    """JPEG restorer of any quality, told or not; colour and grey, single and double files.

    ``restore train dejpeg --data DIR --out RUN --set start=denoise``, or from another denoiser of the same network. It takes
    photographs of tier 1 only, which were good files themselves; an hour and a quarter of one CPU core.
    """
    return Config(
        network="restoration",
        options=RESTORATION,
        objective=Dejpeg(twice=0.4, grey=0.25),
        steps=13_000,
        decay=0.6,
        warmup=400,
        crop=128,
        tier="1",
    )


def deblur() -> Config:
    """Deblurrer of Gaussians, disks and shaken hands, told how wide they are or not.

    ``restore train deblur --data DIR --out RUN --set start=denoise``, or from another denoiser of the same network; 45 minutes
    of one CPU core.
    """
    return Config(network="restoration", options=RESTORATION, objective=Deblur(), steps=9_000, decay=0.6, warmup=300, crop=96)


INPAINTING = {**RESTORATION, "encoder": "gated", "dilations": [1, 2, 4, 8] * 6, "trunk": 320, "finish": 16}
"""Options of the network that fills holes: the denoiser's encoder and decoder, and a trunk. VGG's encoder: ``options.encoder=plain``."""


def inpaint_thin() -> Config:
    """First stage of the inpainting network: small crops with dense thin and medium holes, from the denoiser's weights.

    ``restore train inpaint-thin --data DIR --out RUN --set start=denoise``; about 15 minutes of one CPU core show
    what it can do, an hour is better; the shipped weight had 8,400 steps.
    """
    return Config(
        network="inpainting",
        options=INPAINTING,
        objective=Inpaint(),
        steps=4_000,
        decay=0,
        lr=1e-3,
    )


def inpaint() -> Config:
    """Second stage of the inpainting network: larger crops, all kinds of holes, the perceptual loss; from the first stage.

    ``restore train inpaint --data DIR --out RUN --set start=RUN1/checkpoint.pt --set objective.features=FILE``; about 45 minutes of one
    CPU core. FILE holds the trunk of LPIPS, which is not shipped: see ``losses.Perceptual``. The shipped weight had twenty hours, the
    last ones on crops of 256, and half of its trunk for the last four: ``weights/inpaint.md`` has its settings.
    """
    return Config(
        network="inpainting",
        options=INPAINTING,
        objective=Inpaint(
            kinds=("strokes", "polylines", "boxes", "scratches", "text", "blobs"), area=(0.03, 0.40), deep=0.25, perceptual=0.15
        ),
        steps=6_000,
        batch=8,
        crop=128,
        lr=1e-3,
        validate_every=500,
    )


def inpaint_gan() -> Config:
    """Third stage of the inpainting network: a discriminator asks for sharp edges and texture in wide holes; from the second stage.

    ``restore train inpaint-gan --data DIR --out RUN --set start=RUN2/checkpoint.pt --set objective.features=FILE``, FILE as
    for ``inpaint``: what it holds is what the discriminator sees by. An hour of one CPU core. No shipped weight had it:
    ``docs/inpainting.md`` says what it did.
    """
    config = inpaint()
    objective = replace(  # type: ignore[type-var]
        config.objective, adversarial=0.04, opponent_sees="features", opponent_lr=1e-3, opponent_width=96
    )
    return replace(config, objective=objective, steps=1_700, decay=0.4, lr=3e-4, optimizer="adamw")


def repair() -> Config:
    """Old photographs: undo fading, stains, grain, blur and what files lost, all at once and without being told.

    ``restore train repair --data DIR --out RUN --set start=denoise``. Not run to its end yet.
    """
    return replace(denoise(), objective=Repair(), steps=20_000, batch=8, crop=128, lr=1e-3)


def damage() -> Config:
    """Mark what only inpainting can repair in old photographs: scratches, folds, tears, stains, writing.

    ``restore train damage --data DIR --out RUN``. Not run to its end yet.
    """
    return Config(network="unet", options={"backbone": "resnet18"}, objective=Segment(), steps=20_000, batch=8, crop=128, lr=1e-3)


def filters() -> Config:
    """One network that imitates six slow filters at any strength.

    ``restore train filters --data DIR --out RUN``.
    """
    return Config(network="filtering", objective=Imitate(), steps=20_000, decay=0.7)


def lenet5() -> Config:
    """LeNet-5 with ReLU and max pooling, on MNIST.

    ``restore train lenet5 --data MNIST --out RUN``, where MNIST holds the four files of its publishers; two minutes of one CPU core,
    99.44 % on the test split (mean of the seeds 0 to 4).
    """
    return Config(
        network="lenet5",
        options={"num_classes": 10, "dropout": 0.0},
        objective=Classify(shift=2),
        optimizer="sgd",
        weight_decay=5e-4,
        lr=0.05,
        steps=8_000,
        decay=0.75,
        batch=128,
        crop=28,
        clip=10,
        ema=0.99,
        precision="fp32",
        log_every=500,
        validate_every=2_000,
    )


def lenet5_1998() -> Config:
    """LeNet-5 as in 1998: averaging, scaled tanh, partly connected C3, fixed codes; on MNIST.

    ``restore train lenet5-1998 --data MNIST --out RUN``; two and a half minutes of one CPU core, 99.26 % on the test split (seed 0). The
    optimiser is today's.
    """
    return replace(lenet5(), network="lenet5_1998", lr=0.02)


def cifar10(network: str, *, options: dict[str, object]) -> Config:
    """What the recipes for CIFAR-10 have in common: crops shifted by 2 pixels, mirrored, label smoothing, a long decay."""
    return Config(
        network=network,
        options={"num_classes": 10, **options},
        objective=Classify(shift=2, padding="reflect", flip=0.5, smoothing=0.1),
        steps=9_000,
        decay=0.75,
        batch=128,
        crop=32,
        clip=10,
        ema=0.998,
        validate_every=1_000,
    )


def resnet_cifar10() -> Config:
    """A residual network of 14 layers, twice as wide as the paper's, with Muon, on CIFAR-10.

    ``restore train resnet-cifar10 --data FILE.npz --out RUN``; see ``data.read_packed`` for the file. 54 minutes of one CPU core, 89.2 % on
    the test split of JPEG re-encoded CIFAR-10. On pictures held out it came to 89.5 % after half of the steps and stayed there while the
    loss went on falling: a next run wants more augmentation, not more steps.
    """
    return replace(cifar10("resnet14", options={"widths": [32, 64, 128]}), lr=4e-3, weight_decay=0.1, steps=11_000)


def vgg_cifar10() -> Config:
    """VGG A with batch norm and one linear layer, SGD, on CIFAR-10.

    ``restore train vgg-cifar10 --data FILE.npz --out RUN``. Not run to its end yet.
    """
    return replace(cifar10("vgg11_cifar", options={"dropout": 0.0}), optimizer="sgd", lr=0.05, weight_decay=5e-4)


def nin_cifar10() -> Config:
    """Network in network with batch norm and its dropout, SGD, on CIFAR-10.

    ``restore train nin-cifar10 --data FILE.npz --out RUN``. Not run to its end yet.
    """
    return replace(cifar10("nin_cifar", options={"norm": "batch", "dropout": 0.5}), optimizer="sgd", lr=0.05, weight_decay=5e-4)


def densenet_cifar10() -> Config:
    """DenseNet of 40 layers with the paper's SGD: learning rate 0.1, a tenth of it after half and after three quarters; on CIFAR-10.

    ``restore train densenet-cifar10 --data FILE.npz --out RUN``. The paper has 300 epochs; this has 25. Not run to its
    end yet.
    """
    config = replace(cifar10("densenet40", options={"dropout": 0.0}), optimizer="sgd", lr=0.1, weight_decay=1e-4)
    return replace(config, batch=64, steps=18_000, decay=0, milestones=(9_000, 13_500), gamma=0.1)


def squeezenet_cifar10() -> Config:
    """SqueezeNet with batch norm, RMSProp, on CIFAR-10.

    ``restore train squeezenet-cifar10 --data FILE.npz --out RUN``. Not run to its end yet; one epoch (``steps=352``), two minutes of one
    CPU core, gives 49.9 % on the pictures held out.
    """
    return replace(cifar10("squeezenet_cifar", options={"dropout": 0.2}), optimizer="rmsprop", lr=1e-3, weight_decay=1e-4)


RECIPES: dict[str, Callable[[], Config]] = {
    "denoise": denoise,
    "denoise-camera": denoise_camera,
    "dejpeg": dejpeg,
    "deblur": deblur,
    "inpaint-thin": inpaint_thin,
    "inpaint": inpaint,
    "inpaint-gan": inpaint_gan,
    "repair": repair,
    "damage": damage,
    "filters": filters,
    "lenet5": lenet5,
    "lenet5-1998": lenet5_1998,
    "resnet-cifar10": resnet_cifar10,
    "vgg-cifar10": vgg_cifar10,
    "nin-cifar10": nin_cifar10,
    "densenet-cifar10": densenet_cifar10,
    "squeezenet-cifar10": squeezenet_cifar10,
}
"""Name -> function that returns the run's configuration."""
