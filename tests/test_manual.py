"""Oracle: autograd, in float64."""

import re

import cv2
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from restore.nn.manual import LAYERS, LOSSES, BatchNormalisation, Convolution, Dropout, MaxPooling, MeanPooling, Network, Windows, lenet5

IMAGE, ODD, VECTOR = (3, 4, 8, 10), (2, 4, 11, 7), (6, 4)
TORCH = {
    "linear": lambda o: nn.Linear(o["in_features"], o["out_features"]),
    "convolution": lambda o: nn.Conv2d(o["in_channels"], o["out_channels"], o["kernel"], o.get("stride", 1), o.get("padding", 0)),
    "mean_pooling": lambda o: nn.AvgPool2d(o["kernel"], o.get("stride"), o.get("padding", 0)),
    "max_pooling": lambda o: nn.MaxPool2d(o["kernel"], o.get("stride"), o.get("padding", 0)),
    "flatten": lambda o: nn.Flatten(),
    "relu": lambda o: nn.ReLU(),
    "sigmoid": lambda o: nn.Sigmoid(),
    "tanh": lambda o: nn.Tanh(),
    "lrn": lambda o: nn.LocalResponseNorm(o["size"], o["alpha"] * o["size"], o["beta"], o["k"]),  # torch divides alpha by size
    "batch_normalisation": lambda o: nn.BatchNorm2d(o["channels"]),
}
"""Name of a layer -> torch's."""
LRN = {"alpha": 0.3, "beta": 0.75, "k": 2.0}
CASES = [
    ("linear", {"in_features": 4, "out_features": 5}, [VECTOR]),
    *(
        ("convolution", {"in_channels": 4, "out_channels": 5, "kernel": k, "stride": s, "padding": p}, [IMAGE, ODD])
        for k, s, p in [(1, 1, 0), (1, 2, 0), (2, 1, 1), (3, 1, 1), (3, 2, 0), (3, 2, 1), (4, 3, 2), (5, 1, 4), (7, 4, 3), (2, 3, 0)]
    ),
    *(
        (name, {"kernel": k, "stride": s, "padding": p}, [IMAGE, ODD])
        for name in ("mean_pooling", "max_pooling")
        for k, s, p in [(2, 2, 0), (3, 2, 0), (3, 1, 1), (2, 3, 1), (4, 3, 2), (7, 1, 3)]
    ),
    ("mean_pooling", {"kernel": 3}, [IMAGE, ODD]),
    ("max_pooling", {"kernel": 3}, [IMAGE, ODD]),
    *((name, {}, [IMAGE, ODD]) for name in ("flatten", "relu", "sigmoid", "tanh")),
    *(("lrn", {"size": size, **LRN}, [IMAGE, ODD, (2, 9, 3, 2)]) for size in (1, 2, 3, 4, 5, 7)),
    ("batch_normalisation", {"channels": 4}, [IMAGE, ODD]),
]


def close(ours, theirs):
    theirs = theirs.detach().numpy()
    assert ours.shape == theirs.shape
    np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-9 * np.abs(theirs).max())


def twin(specs, network):
    """The same network of torch's layers, with the same parameters."""
    net = nn.Sequential(*(TORCH[name](options) for name, options in specs)).double()
    with torch.no_grad():
        for layer, module in zip(network.layers, net, strict=True):
            for name, value in layer.parameters.items():
                getattr(module, name).copy_(torch.from_numpy(value))
    return net


def randomise(network, rng):
    for layer in network.layers:
        layer.parameters = {name: rng.normal(0, 1, value.shape) for name, value in layer.parameters.items()}


@pytest.mark.parametrize("training", [True, False], ids=["training", "evaluation"])
@pytest.mark.parametrize(("name", "options", "shapes"), CASES, ids=[f"{c[0]}-{'-'.join(map(str, c[1].values()))}" for c in CASES])
def test_output_and_gradients_equal_autograd(name, options, shapes, training):
    for shape in shapes:
        rng = np.random.default_rng(1)
        network = Network([(name, options)])
        randomise(network, rng)
        theirs = twin([(name, options)], network).train(training)
        if name == "batch_normalisation":
            network.layers[0].mean, network.layers[0].variance = rng.normal(size=4), rng.uniform(0.5, 2, 4)
            theirs[0].running_mean.copy_(torch.from_numpy(network.layers[0].mean))
            theirs[0].running_var.copy_(torch.from_numpy(network.layers[0].variance))
        x = rng.normal(0, 2, shape)
        tx = torch.tensor(x, requires_grad=True)
        ty = theirs(tx)
        dy = rng.normal(size=ty.shape)
        ty.backward(torch.from_numpy(dy))
        close(network.forward(x, training=training), ty)
        close(network.backward(dy), tx.grad)
        for key, gradient in network.layers[0].gradients.items():
            close(gradient, getattr(theirs[0], key).grad)


def test_every_layer_has_its_case():
    assert {name for name, _, _ in CASES} | {"dropout"} == set(LAYERS)


def test_batch_normalisation_of_vectors_and_its_running_statistics():
    rng = np.random.default_rng(0)
    ours, theirs = BatchNormalisation(4), nn.BatchNorm1d(4).double()
    for _ in range(3):
        x = rng.normal(1, 3, VECTOR)
        close(ours.forward(x), theirs(torch.from_numpy(x)))
    close(ours.mean, theirs.running_mean)
    close(ours.variance, theirs.running_var)
    ours.training = False
    close(ours.forward(x), theirs.eval()(torch.from_numpy(x)))


def test_dropout_silences_the_same_forward_and_backward():
    layer = Dropout(0.3)
    x = np.ones((400, 500))
    y, dx = layer.forward(x), layer.backward(2 * x)
    np.testing.assert_allclose(np.unique(y), [0, 1 / 0.7])
    np.testing.assert_array_equal(dx, 2 * y)
    assert abs((y == 0).mean() - 0.3) < 0.005  # the standard deviation is 0.001
    assert (layer.forward(x) != y).any()
    layer.training = False
    np.testing.assert_array_equal(layer.forward(x), x)
    np.testing.assert_array_equal(layer.backward(x), x)


def test_sigmoid_and_cross_entropy_do_not_overflow():
    np.testing.assert_array_equal(LAYERS["sigmoid"]().forward(np.array([-1e4, 0.0, 1e4])), [0, 0.5, 1])
    assert LOSSES["cross_entropy"]().forward(np.array([[1e4, -1e4]]), np.array([1])) == 2e4


def test_losses_equal_autograd():
    rng = np.random.default_rng(0)
    x, t, classes = rng.normal(0, 3, (7, 5)), rng.normal(size=(7, 5)), rng.integers(0, 5, 7)
    references = {
        "euclidean": (t, lambda y: ((y - torch.from_numpy(t)) ** 2).sum() / 14),
        "cross_entropy": (classes, lambda y: F.cross_entropy(y, torch.from_numpy(classes))),
    }
    for name, (target, reference) in references.items():
        tx = torch.tensor(x, requires_grad=True)
        expected = reference(tx)
        expected.backward()
        loss = LOSSES[name]()
        assert loss.forward(x, target) == pytest.approx(expected.item(), rel=1e-12)
        close(loss.backward(), tx.grad)
    assert set(references) == set(LOSSES)


def test_unfold_and_fold_are_transposes():
    """<unfold(x), z> = <x, fold(z)>: what makes one the backward of the other."""
    rng = np.random.default_rng(0)
    windows = Windows(3, stride=2, padding=1)
    x = rng.normal(size=ODD)
    unfolded = windows.unfold(x)
    z = rng.normal(size=unfolded.shape)
    assert (unfolded * z).sum() == pytest.approx((x * windows.fold(z)).sum(), rel=1e-12)


@pytest.mark.parametrize("form", [{}, {"activation": "tanh", "pooling": "mean_pooling"}, {"activation": "sigmoid"}], ids=str)
def test_lenet5_learns_as_torch_does(form):
    """Output, every gradient, and three steps of momentum with weight decay."""
    rng = np.random.default_rng(0)
    network = Network(lenet5(**form))
    assert sum(w.size for layer in network.layers for w in layer.parameters.values()) == 61706
    theirs = twin(lenet5(**form), network)
    optimiser = torch.optim.SGD(theirs.parameters(), lr=0.05, momentum=0.9, weight_decay=0.01)
    for _ in range(3):
        x, t = rng.random((4, 1, 28, 28)), rng.integers(0, 10, 4)
        tx = torch.tensor(x, requires_grad=True)
        ty = theirs(tx)
        optimiser.zero_grad()
        F.cross_entropy(ty, torch.from_numpy(t)).backward()
        y = network.forward(x, training=True)
        close(y, ty)
        network.loss.forward(y, t)
        close(network.backward(network.loss.backward()), tx.grad)
        for layer, module in zip(network.layers, theirs, strict=True):
            assert set(layer.gradients) == {name for name, _ in module.named_parameters()}
            for name, parameter in module.named_parameters():
                close(layer.gradients[name], parameter.grad)
        network.step(rate=0.05, momentum=0.9, decay=0.01)
        optimiser.step()
    for layer, module in zip(network.layers, theirs, strict=True):
        for name, parameter in module.named_parameters():
            close(layer.parameters[name], parameter)


def digits(count, seed):
    """Digits in Hershey's font, shifted, scaled, turned and noisy: (N, 1, 28, 28) in [0, 1], and which they are."""
    rng = np.random.default_rng(seed)
    labels, pictures = rng.integers(0, 10, count), np.zeros((count, 1, 28, 28), np.float32)
    for label, picture in zip(labels, pictures, strict=True):
        drawn = cv2.putText(np.zeros((28, 28), np.uint8), str(label), (6, 22), cv2.FONT_HERSHEY_SIMPLEX, rng.uniform(0.6, 0.8), 255, 2)
        turn = cv2.getRotationMatrix2D((14, 14), rng.uniform(-10, 10), 1)
        turn[:, 2] += rng.uniform(-3, 3, 2)
        picture[0] = cv2.warpAffine(drawn, turn, (28, 28)) / 255 + rng.normal(0, 0.1, (28, 28))
    return pictures, labels


def test_lenet5_learns_digits():
    network = Network(lenet5(), dtype=np.float32)
    x, labels = digits(1000, seed=0)
    losses = [network.train_epoch(x, labels, rate=rate, batch=16) for rate in (0.01, 0.01, 0.01, 0.005, 0.002)]
    assert losses[-1] < losses[0] / 4
    x, labels = digits(500, seed=1)
    accuracy = (network.forward(x).argmax(1) == labels).mean()
    assert accuracy > 0.9


def test_a_network_keeps_its_type_and_its_seed():
    specs = [
        ("convolution", {"in_channels": 1, "out_channels": 3, "kernel": 3}),
        ("lrn", {}),
        ("batch_normalisation", {"channels": 3}),
        ("sigmoid", {}),
        ("dropout", {}),
        ("mean_pooling", {"kernel": 2}),
        ("flatten", {}),
        ("linear", {"in_features": 27, "out_features": 2}),
    ]
    x, t = np.random.default_rng(0).random((5, 1, 8, 8)), np.eye(2)[[0, 1, 1, 0, 1]].astype(np.float32)
    outputs = []
    for seed in (0, 0, 1):
        network = Network(specs, loss="euclidean", seed=seed, dtype=np.float32)
        network.train_epoch(x, t, rate=0.1, batch=2)
        outputs.append(network.forward(x))
        assert network.backward(outputs[-1]).dtype == outputs[-1].dtype == np.float32
        assert {w.dtype.name for layer in network.layers for w in layer.parameters.values()} == {"float32"}
    np.testing.assert_array_equal(outputs[0], outputs[1])
    assert (outputs[0] != outputs[2]).any()


def test_errors_say_what_came_and_what_was_expected():
    with pytest.raises(ValueError, match="'pooling' is unknown; expected one of .*max_pooling"):
        Network([("pooling", {})])
    with pytest.raises(ValueError, match="'hinge' is unknown; expected one of cross_entropy, euclidean"):
        Network([], loss="hinge")
    with pytest.raises(ValueError, match="padding is 2 for a window of 3; expected at most half of it"):
        MaxPooling(3, padding=2)
    with pytest.raises(ValueError, match=r"the input is \(2, 1, 4, 9\); expected \(N, C, H, W\) with room for 5 x 5, padding 0 included"):
        Network(lenet5()[3:4]).forward(np.zeros((2, 1, 4, 9)))
    with pytest.raises(ValueError, match=r"the input is \(4, 9\); expected \(N, C, H, W\)"):
        MaxPooling(2).forward(np.zeros((4, 9)))
    with pytest.raises(ValueError, match=r"targets are \(3,\); expected \(3, 1\), as the predictions"):
        LOSSES["euclidean"]().forward(np.zeros((3, 1)), np.zeros(3))


@pytest.mark.parametrize(
    ("layer", "said"),
    [
        (lambda: Convolution(1, 1, 0), "kernel 0, stride 1, padding 0: expected at least 1, 1, 0"),
        (lambda: Convolution(1, 1, 3, stride=0), "kernel 3, stride 0, padding 0: expected at least 1, 1, 0"),
        (lambda: MaxPooling(2, stride=0), "kernel 2, stride 0, padding 0: expected at least 1, 1, 0"),
        (lambda: MaxPooling(2, stride=-1), "kernel 2, stride -1, padding 0: expected at least 1, 1, 0"),
        (lambda: MeanPooling(-1), "kernel -1, stride -1, padding 0: expected at least 1, 1, 0"),
        (lambda: MeanPooling(2, padding=-1), "kernel 2, stride 2, padding -1: expected at least 1, 1, 0"),
        (lambda: Dropout(1.0), "p is 1.0; expected 0 or more, below 1"),
        (lambda: Dropout(2), "p is 2; expected 0 or more, below 1"),
        (lambda: Dropout(-0.1), "p is -0.1; expected 0 or more, below 1"),
    ],
)
def test_arguments_that_cannot_be(layer, said):
    with pytest.raises(ValueError, match=f"^{said}$"):
        layer()


@pytest.mark.parametrize(
    ("targets", "said"),
    [
        ([0, 1, -1], "targets have class [-1]; expected 0 to 9"),
        ([0, 1, 10], "targets have class [10]; expected 0 to 9"),
        ([0, 1], "targets are int64 (2,); expected integers (3,)"),
        (np.eye(10, dtype=int)[:3], "targets are int64 (3, 10); expected integers (3,)"),
        ([0.0, 1.0, 2.0], "targets are float64 (3,); expected integers (3,)"),
    ],
)
def test_classes_that_cannot_be(targets, said):
    with pytest.raises(ValueError, match=f"^{re.escape(said)}$"):
        LOSSES["cross_entropy"]().forward(np.zeros((3, 10)), np.array(targets))


def test_a_step_needs_gradients_and_an_epoch_batches():
    network = Network([("linear", {"in_features": 4, "out_features": 2})])
    with pytest.raises(ValueError, match="^step has no gradients; expected a backward before it$"):
        network.step(rate=0.1)
    for batch in (0, -1):
        with pytest.raises(ValueError, match=f"^batch is {batch}; expected 1 or more$"):
            network.train_epoch(np.zeros((3, 4)), np.zeros(3, int), rate=0.1, batch=batch)
