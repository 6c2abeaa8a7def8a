import pytest
import torch

from restore import backbones, networks
from restore.nn.layers import resize_to


def tiny(**changes):
    return networks.build("unet", {"backbone": "resnet14", "encoder": {"widths": [8, 8, 16]}, "outputs": 2, **changes})


@pytest.mark.parametrize("backbone", ["resnet18", "vgg11_bn", "densenet121", "squeezenet1_1", "googlenet", "alexnet"])
def test_any_backbone_gives_a_logit_for_each_pixel_and_output(backbone):
    network = networks.build("unet", {"backbone": backbone, "outputs": 3}).eval()
    with torch.inference_mode():
        assert network(torch.rand(1, 3, 97, 130)).shape == (1, 3, 97, 130)
    assert network.encoder.state_dict().keys() == backbones.build(backbone, num_classes=0).state_dict().keys()


def test_batch_equals_loop():
    network, x = tiny().eval(), torch.rand(3, 3, 32, 40)
    with torch.inference_mode():
        torch.testing.assert_close(network(x), torch.cat([network(x[i : i + 1]) for i in range(3)]), atol=1e-5, rtol=0)


def test_every_parameter_receives_a_gradient():
    network = tiny().train()
    network(torch.rand(2, 3, 32, 32)).square().mean().backward()
    assert [key for key, p in network.named_parameters() if p.grad is None or not p.grad.any()] == []


def test_a_pixel_of_the_finest_grid_can_be_marked():
    """Single white pixels on grey: what is found must not be smeared over a cell of the encoder."""
    torch.manual_seed(0)
    network = tiny(outputs=1, norm="none").train()
    optimizer = torch.optim.AdamW(network.parameters(), lr=3e-3)
    for _ in range(100):
        mask = (torch.rand(8, 1, 24, 24) < 0.03).float()
        loss = torch.nn.functional.binary_cross_entropy_with_logits(network(0.5 + 0.5 * mask.expand(-1, 3, -1, -1)), mask)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    found = network.eval()(0.5 + 0.5 * mask.expand(-1, 3, -1, -1)) > 0
    assert (found == (mask > 0)).float().mean() > 0.995


def test_it_normalises_by_itself():
    network, x = tiny().eval(), torch.rand(1, 3, 32, 32)
    maps = network.encoder.features(network.encoder.normalise(x))
    logits = torch.nn.functional.pixel_shuffle(network.tail(network.decoder(maps)), network.encoder.reductions[0])
    assert torch.equal(network(x), resize_to(logits, like=x))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"backbone": "resnet19"}, "backbone 'resnet19' is unknown"),
        ({"outputs": 0}, "0 outputs; expected at least 1"),
        ({"encoder": {"colour": 1}}, "backbone 'resnet14' takes no 'colour'"),
        ({"depth": "two"}, "do not fit network 'unet'"),
    ],
)
def test_what_it_cannot_be(options, message):
    with pytest.raises(ValueError, match=message):
        tiny(**options)
