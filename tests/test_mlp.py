"""The multilayer perceptron against torch.nn.functional, and its options."""

import pytest
import torch
import torch.nn.functional as F

from restore import backbones
from restore.backbones.mlp import MLP


def test_parameters_of_lecuns_300_100():
    shapes = [tuple(p.shape) for p in backbones.build("mlp").parameters()]
    assert shapes == [(300, 784), (300,), (100, 300), (100,), (10, 100), (10,)]


def test_output_is_dense_layers_and_tanh():
    net = backbones.build("mlp").eval()
    x = torch.randn(3, 1, 28, 28)
    w1, b1, w2, b2, w3, b3 = net.parameters()
    first = torch.tanh(F.linear(x.flatten(1), w1, b1))
    second = torch.tanh(F.linear(first, w2, b2))
    maps = net.features(x)
    assert torch.equal(maps[0].flatten(1), first)
    assert torch.equal(maps[1].flatten(1), second)
    assert torch.equal(net(x), F.linear(second, w3, b3))


def test_a_dense_layer_is_a_convolution_as_large_as_its_input():
    net = MLP((7,), size=6, in_channels=2, activation="none")
    x = torch.randn(2, 2, 6, 6)
    w, b = list(net.parameters())[:2]
    torch.testing.assert_close(net.features(x)[0], F.conv2d(x, w.reshape(7, 2, 6, 6), b))


def test_a_permutation_of_the_pixels_means_nothing_to_it():
    net = backbones.build("mlp").eval()
    x, order = torch.randn(2, 1, 28, 28), torch.randperm(784)
    permuted = backbones.build("mlp").eval()
    state = net.state_dict()
    state["hidden.0.1.weight"] = state["hidden.0.1.weight"][:, order]
    permuted.load_state_dict(state)
    torch.testing.assert_close(permuted(x.flatten(1)[:, order].reshape(x.shape)), net(x))


def test_options():
    options = {"widths": (20,), "size": 32, "activation": "sigmoid", "dropout": 0.5}
    net = backbones.build("mlp", in_channels=3, num_classes=0, options=options)
    assert (net.channels, net.reductions, net.input_size) == ([20], [32], (32, 32))
    x = torch.randn(4, 3, 32, 32)
    assert torch.equal(net.train()(x), net(x))  # no dropout before the only hidden layer
    assert net(x).shape == (4, 20)
    assert 0 < net(x).min() < net(x).max() < 1
    head = backbones.build("mlp", options={"dropout": 0.5}).train()
    x = x[:, :1, :28, :28]
    assert not torch.equal(head(x), head(x))
    assert torch.equal(head.features(x)[0], head.features(x)[0])
    assert not torch.equal(head.features(x)[1], head.features(x)[1])


def test_it_learns_by_backpropagation_what_no_single_layer_can():
    """Exclusive or, the example that Rumelhart, Hinton and Williams begin with."""
    torch.manual_seed(0)
    net = MLP((8,), size=2, num_classes=2)
    a, b = torch.tensor([0.0, 0.0, 1.0, 1.0]), torch.tensor([0.0, 1.0, 0.0, 1.0])
    x = torch.stack([a, b, b, a], 1).reshape(4, 1, 2, 2)
    target = torch.tensor([0, 1, 1, 0])
    optimiser = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)
    for _ in range(200):
        optimiser.zero_grad()
        F.cross_entropy(net(x), target).backward()
        optimiser.step()
    assert torch.equal(net(x).argmax(1), target)


def test_errors():
    with pytest.raises(ValueError, match=r"input is of shape \(1, 1, 32, 32\); expected \(N, 1, 28, 28\)"):
        backbones.build("mlp")(torch.zeros(1, 1, 32, 32))
    with pytest.raises(ValueError, match=r"input is of shape \(1, 3, 28, 28\); expected \(N, 1, 28, 28\)"):
        backbones.build("mlp").features(torch.zeros(1, 3, 28, 28))
    with pytest.raises(ValueError, match="widths is empty; expected the units of at least one hidden layer"):
        backbones.build("mlp", options={"widths": ()})
    with pytest.raises(ValueError, match="activation 'gelu' is unknown; expected one of "):
        backbones.build("mlp", activation="gelu")
