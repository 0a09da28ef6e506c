"""The PyTorch twins of the benchmarks are the networks that they are compared with."""

import sys
from pathlib import Path

import keras
import numpy as np
import pytest

from keras_skeleton.models.csta_cnn import csta_cnn
from keras_skeleton.models.mans import mans
from keras_skeleton.models.pose_i3d import pose_i3d
from keras_skeleton.models.sta_lstm import sta_lstm

torch = pytest.importorskip("torch", reason="PyTorch is only needed by benchmarks/throughput.py")
sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "benchmarks"))
import twins  # noqa: E402

CLASSES = 7
POSE = {"steps": 3, "values": 30, "units": 6, "lambda1": 1e-5, "lambda2": 1e-3, "width": 0.1}
LAMBDAS = {"lambda1": 1e-2, "lambda2": 1e-3, "lambda3": 5e-5}


def csta_without_sampling():
    network = csta_cnn("csta_cnn", 25, CLASSES, 30)
    return keras.Model(network.get_layer("sampling").output, network.output)


CASES = {
    "mans9": (lambda: mans("mans9", CLASSES), lambda: twins.Mans9(CLASSES)),
    "sta_lstm": (
        lambda: sta_lstm("sta_lstm", 50, CLASSES, 12, **LAMBDAS),
        lambda: twins.StaLstm(50, CLASSES, **LAMBDAS),
    ),
    "csta_cnn": (csta_without_sampling, lambda: twins.CstaCnn(25, CLASSES)),
    "pose_i3d": (
        lambda: pose_i3d(classes=CLASSES, frames=8, size=32, regularized="all", **POSE),
        lambda: twins.PoseI3d(classes=CLASSES, **POSE),
    ),
}


@pytest.fixture(params=CASES)
def pair(request):
    """The network, its twin and a batch of two clips."""
    keras.utils.set_random_seed(0)
    torch.manual_seed(0)
    ours, twin = (build() for build in CASES[request.param])
    random = np.random.default_rng(0)

    def batch(tensor):
        return random.normal(size=(2, *tensor.shape[1:])).astype(np.float32)

    return ours, twin, keras.tree.map_structure(batch, ours.input)


def tensors(clips):
    return keras.tree.map_structure(torch.from_numpy, clips)


def trainable(network):
    return sum(int(np.prod(v.shape)) for v in network.trainable_variables)


def test_as_many_parameters_but_for_second_biases(pair):
    ours, twin, _ = pair
    second = sum(p.numel() for name, p in twin.named_parameters() if "bias_hh" in name)
    trained = sum(p.numel() for p in twin.parameters() if p.requires_grad)
    assert trained - second == trainable(ours)


def test_logits_have_the_same_shape(pair):
    ours, twin, clips = pair
    with torch.inference_mode():
        logits = twin.eval()(tensors(clips))
    assert tuple(logits.shape) == ours(clips).shape == (2, CLASSES)


def test_the_same_weights_decay_alike(pair):
    ours, twin, _ = pair
    found = {}
    for variable in ours.trainable_variables:
        if isinstance(variable.regularizer, keras.regularizers.L2):
            weight = round(float(variable.regularizer.l2), 9)
            found[weight] = found.get(weight, 0) + int(np.prod(variable.shape))
    expected = {}
    for parameter, weight in twin.decayed().items():
        expected[round(weight, 9)] = expected.get(round(weight, 9), 0) + parameter.numel()
    assert found == expected


def test_the_same_connections_have_an_l1_norm():
    ours, twin = (build() for build in CASES["sta_lstm"])
    l1 = [v for v in ours.trainable_variables if isinstance(v.regularizer, keras.regularizers.L1)]
    assert sum(int(np.prod(v.shape)) for v in l1) == sum(p.numel() for p in twin.connections())


def test_a_step_changes_every_parameter(pair):
    from keras_skeleton.recipes.registry import get_recipe

    _, twin, clips = pair
    parameters = [p for p in twin.parameters() if p.requires_grad]
    before = [p.detach().clone() for p in parameters]
    optimizer = twins.optimizer(twin, get_recipe("mans9", "ntu"))
    twin.loss(tensors(clips), torch.tensor([0, 1])).backward()
    optimizer.step()
    assert all((p != b).any() for p, b in zip(parameters, before, strict=True))
