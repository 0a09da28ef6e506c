"""The benchmark that profiles a training step reads TensorFlow's profiles."""

import sys
from pathlib import Path

import tensorflow as tf

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "benchmarks"))
import profile_training


def test_operations_of_a_profile(tmp_path):
    @tf.function
    def step(x, w):
        return tf.reduce_sum(tf.nn.max_pool2d(tf.nn.conv2d(x, w, 1, "SAME"), 2, 2, "SAME"))

    x, w = tf.random.normal((2, 64, 64, 8)), tf.random.normal((3, 3, 8, 8))
    step(x, w)
    with tf.profiler.experimental.Profile(str(tmp_path)):
        for _ in range(3):
            step(x, w)
    found = list(profile_training.operations(tmp_path))
    kinds = [profile_training.kind(name) for name, _ in found]
    for kind in ("convolutions, forward", "pooling, forward", "reductions"):
        assert kinds.count(kind) == 3, found
    assert all(seconds > 0 for _, seconds in found)


def test_kinds():
    kinds = {
        "Conv2DBackpropFilterWithBias": "convolutions, weight gradients",
        "Conv2DBackpropInput": "convolutions, input gradients",
        "FusedConv2D": "convolutions, forward",
        "MaxPoolGrad": "pooling, gradients",
        "BatchMatMulV2": "matrix products",
        "AddN": "element-wise",
        "BiasAddGrad": "reductions",
        "AssignSubVariableOp": "optimizer updates",
        "Transpose": "copies",
    }
    assert {name: profile_training.kind(name) for name in kinds} == kinds
