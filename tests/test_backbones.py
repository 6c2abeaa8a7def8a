"""Properties of every encoder, over the table; tests of one family are in tests/test_FAMILY.py."""

import pytest
import torch
import torchvision

from restore import backbones
from restore.backbones.base import adapt_input

TORCHVISION = [name for family in backbones.FAMILIES for name in family.TORCHVISION]
SMALLEST = {family.__name__.rpartition(".")[2]: min(family.VARIANTS, key=lambda n: n) for family in backbones.FAMILIES}


def randomise(net):
    """Statistics of batch norm that are no identity."""
    for module in net.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 1.5)


@pytest.fixture(scope="module", params=TORCHVISION)
def pair(request):
    """A network of ours with torchvision's weights, beside torchvision's."""
    torch.manual_seed(0)
    theirs = torchvision.models.get_model(request.param, weights=None, **UNINITIALISED.get(request.param, {})).eval()
    randomise(theirs)
    with torch.device("meta"):
        ours = backbones.build(request.param).eval()
    ours.to_empty(device="cpu").load_state_dict(theirs.state_dict())
    return ours, theirs


UNINITIALISED = {name: {"init_weights": False} for name in ("googlenet", "inception_v3")}
"""Arguments that spare torchvision its slow initialisation (torch's own is as random)."""


def test_keys_and_parameters_equal_torchvision(pair):
    ours, theirs = pair
    assert list(ours.state_dict()) == list(theirs.state_dict())
    theirs.load_state_dict(ours.state_dict())


@pytest.mark.parametrize("size", [(224, 224), (229, 251)])
def test_logits_equal_torchvision(pair, size):
    ours, theirs = pair
    x = torch.randn(1, 3, *size)
    with torch.inference_mode():
        assert torch.equal(ours(x), theirs(x))
