"""Two networks against each other: losses of a generator and of a discriminator on maps of logits, one for each patch.

The discriminator's logit is high where it takes a patch for real. A training step:

    fake = generator(...)
    loss of the discriminator: discriminator(real), discriminator(fake.detach()), and r1 of the real pictures
    loss of the generator: discriminator(fake), and feature_matching
"""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import torch
import torch.nn.functional as F

from restore.losses.base import expanded, mean, precise
from restore.losses.distance import distance as distance_called


class GeneratorLoss(Protocol):
    """What a generator minimises."""

    def __call__(self, fake_logits: torch.Tensor, *, weight: torch.Tensor | None = None) -> torch.Tensor:
        """As ``nonsaturating_generator``."""
        ...


class DiscriminatorLoss(Protocol):
    """What a discriminator minimises."""

    def __call__(self, real_logits: torch.Tensor, fake_logits: torch.Tensor, *, fake: torch.Tensor | None = None) -> torch.Tensor:
        """As ``nonsaturating_discriminator``."""
        ...


class Adversarial(NamedTuple):
    """The losses of the two players."""

    generator: GeneratorLoss
    discriminator: DiscriminatorLoss


def nonsaturating_generator(fake_logits: torch.Tensor, *, weight: torch.Tensor | None = None) -> torch.Tensor:
    """``-log D(fake)``: the more a patch is taken for fake, the more the generator learns (Goodfellow et al. 2014, section 3).

    Args:
        fake_logits: (N, 1, h, w), what the discriminator says of the generator's pictures; its parameters are meant to be left alone.
        weight: (N, 1, h, w), how much each patch counts; None: all alike.

    Raises:
        ValueError: The shape of ``weight`` does not expand to that of the logits.

    >>> nonsaturating_generator(torch.zeros(1, 1, 2, 2))
    tensor(0.6931)
    """
    return mean(F.softplus(-precise(fake_logits)), weight)


def nonsaturating_discriminator(real_logits: torch.Tensor, fake_logits: torch.Tensor, *, fake: torch.Tensor | None = None) -> torch.Tensor:
    """``-log D(real) - log(1 - D(fake))``, the logistic loss (Goodfellow et al. 2014, "Generative Adversarial Nets").

    Args:
        real_logits: (N, 1, h, w), of photographs.
        fake_logits: (N, 1, h, w), of what the generator made, detached from it.
        fake: (N, 1, h, w), 1 for the patches of the generator's pictures that count as fake; the others are labelled real. In inpainting
            only those count that touch the hole (Suvorov et al. 2022, "LaMa", section 2.3.2): see
            ``restore.networks.discriminator.PatchDiscriminator.touched``. None: all are fake.

    Raises:
        ValueError: The shape of ``fake`` does not expand to that of the logits.

    >>> nonsaturating_discriminator(torch.zeros(1, 1, 2, 2), torch.zeros(1, 1, 2, 2))
    tensor(1.3863)
    """
    real_logits, fake_logits = precise(real_logits), precise(fake_logits)
    return F.softplus(-real_logits).mean() + labelled(F.softplus(fake_logits), F.softplus(-fake_logits), fake)


def hinge_generator(fake_logits: torch.Tensor, *, weight: torch.Tensor | None = None) -> torch.Tensor:
    """``-D(fake)`` (Lim, Ye 2017, "Geometric GAN"); arguments and errors are those of ``nonsaturating_generator``.

    >>> hinge_generator(torch.full((1, 1, 2, 2), 0.5))
    tensor(-0.5000)
    """
    return mean(-precise(fake_logits), weight)


def hinge_discriminator(real_logits: torch.Tensor, fake_logits: torch.Tensor, *, fake: torch.Tensor | None = None) -> torch.Tensor:
    """``max(0, 1 - D(real)) + max(0, 1 + D(fake))`` (Lim, Ye 2017); arguments and errors are those of ``nonsaturating_discriminator``.

    >>> hinge_discriminator(torch.full((1, 1, 2, 2), 0.25), torch.full((1, 1, 2, 2), -3.0))
    tensor(0.7500)
    """
    real_logits, fake_logits = precise(real_logits), precise(fake_logits)
    return F.relu(1 - real_logits).mean() + labelled(F.relu(1 + fake_logits), F.relu(1 - fake_logits), fake)


def relativistic(judged: torch.Tensor, other: torch.Tensor, *, weight: torch.Tensor | None = None) -> torch.Tensor:
    """``-log sigmoid(judged - other)``: each patch should look more real than the one at its place in the other picture.

    Jolicoeur-Martineau 2019, "The relativistic discriminator: a key element missing from standard GAN" (RpGAN). Where the two show the
    same scene, what a discriminator thinks of the scene is no matter. A generator minimises it with ``judged`` of its own pictures; the
    discriminator with ``judged`` of the photographs.

    Args:
        judged: (N, 1, h, w), logits.
        other: Of the same shape, of the other player's pictures.
        weight: (N, 1, h, w), how much each patch counts; the mean is over all patches, whatever they count. None: all by 1.

    Raises:
        ValueError: The shape of ``weight`` does not expand to that of the logits.

    >>> relativistic(torch.zeros(1, 1, 2, 2), torch.zeros(1, 1, 2, 2), weight=torch.tensor([[[[1.0, 0.0]]]]))
    tensor(0.3466)
    """
    values = F.softplus(precise(other) - precise(judged))
    return values.mean() if weight is None else (values * expanded(weight, values)).mean()


def labelled(if_fake: torch.Tensor, if_real: torch.Tensor, fake: torch.Tensor | None) -> torch.Tensor:
    """Mean of the losses (N, 1, h, w) of patches labelled fake or real by the map ``fake``.

    >>> labelled(torch.ones(1, 1, 1, 2), torch.zeros(1, 1, 1, 2), torch.tensor([[[[1, 0]]]]))
    tensor(0.5000)
    """
    if fake is None:
        return if_fake.mean()
    return if_real.lerp(if_fake, expanded(fake, if_fake, name="map of fake patches").to(if_fake)).mean()


ADVERSARIAL = {
    "nonsaturating": Adversarial(nonsaturating_generator, nonsaturating_discriminator),
    "hinge": Adversarial(hinge_generator, hinge_discriminator),
}
"""Name -> the losses of generator and discriminator."""


def r1(real_logits: torch.Tensor, pictures: torch.Tensor) -> torch.Tensor:
    """Squared gradient of the discriminator at real pictures: mean over the batch of ``|d sum(logits) / d picture|^2``.

    It keeps the discriminator flat where it should be indifferent (Mescheder, Geiger, Nowozin 2018, "Which Training Methods for GANs do
    actually Converge?", equation 9, which weighs it by gamma / 2). Its gradient is a second derivative: run the discriminator outside
    autocast for it. With batch norm the samples are not independent, and the loss of a batch is not the mean of its samples'.

    Args:
        real_logits: (N, 1, h, w), what the discriminator says of ``pictures``.
        pictures: (N, C, H, W), that require a gradient: ``pictures.requires_grad_()`` before the discriminator sees them.

    Raises:
        ValueError: ``pictures`` require no gradient.

    >>> x = torch.rand(2, 3, 4, 4, requires_grad=True)
    >>> float(r1((2 * x).sum((1, 2, 3)), x))  # 48 values, each with gradient 2
    192.0
    """
    if not pictures.requires_grad:
        raise ValueError("the pictures require no gradient; expected requires_grad_() before the discriminator sees them")
    (gradient,) = torch.autograd.grad(real_logits.sum(), pictures, create_graph=True)
    return precise(gradient).square().sum() / len(pictures)


def feature_matching(fakes: Sequence[torch.Tensor], reals: Sequence[torch.Tensor], *, distance: str = "l1") -> torch.Tensor:
    """Distance of a discriminator's feature maps of fake and real pictures, its mean over the layers.

    Wang et al. 2018, "High-Resolution Image Synthesis and Semantic Manipulation with Conditional GANs" (pix2pixHD), equation 4, with L1;
    LaMa takes the squared error.

    Args:
        fakes: Maps (N, C_i, h_i, w_i) of the generator's pictures.
        reals: Maps of the photographs, of the same shapes; no gradient goes there.
        distance: A name in ``DISTANCES``.

    Raises:
        ValueError: No maps, different numbers or shapes of them, or an unknown distance.

    >>> feature_matching([torch.ones(1, 2, 4, 4), torch.ones(1, 4, 2, 2)], [torch.zeros(1, 2, 4, 4), torch.ones(1, 4, 2, 2)])
    tensor(0.5000)
    """
    if not fakes or len(fakes) != len(reals):
        raise ValueError(f"{len(fakes)} maps of fakes and {len(reals)} of photographs; expected as many, and at least one")
    apart = distance_called(distance)
    return torch.stack([apart(fake, real.detach()) for fake, real in zip(fakes, reals, strict=True)]).mean()
