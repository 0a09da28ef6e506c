"""The fastest way is chosen by measurement, for each shape."""

from itertools import count

import numpy as np
import pytest

from keras_skeleton.deploy.compiled import compiled
from keras_skeleton.deploy.fastest import ROUNDS, fastest
from keras_skeleton.deploy.runtimes import ExportError
from keras_skeleton.models.registry import build_model
from keras_skeleton.utils.errors import UserError


class Clock:
    """Each way adds its own seconds."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


def ways(clock, calls, **seconds):
    """Ways that take these seconds per clip, and note that they were called."""

    def way(name, own):
        def run(x):
            calls.append(name)
            if own is None:
                raise ExportError(f"{name}: not supported")
            clock.now += own(len(x))
            return 2 * x

        return run

    return {name: way(name, own) for name, own in seconds.items()}


def test_each_shape_has_its_fastest_way():
    clock, calls = Clock(), []
    run = fastest(
        ways(clock, calls, slow_start=lambda n: 5, steady=lambda n: n, broken=None), clock
    )
    for clips, name in ((2, "steady"), (40, "slow_start")):
        x = np.ones((clips, 3))
        np.testing.assert_array_equal(run(x), 2 * x)
        assert calls.count("broken") == 1
        assert calls.count("steady") >= ROUNDS
        calls.clear()
        run(x)
        assert calls == [name]
        calls.clear()


def test_an_outlier_does_not_decide():
    clock, turn = Clock(), count()

    def hiccup(n):
        return 100 if next(turn) == 2 else 1

    calls = []
    run = fastest(ways(clock, calls, good=hiccup, bad=lambda n: 2), clock)
    run(np.ones((1, 3)))
    calls.clear()
    run(np.ones((1, 3)))
    assert calls == ["good"]


def test_without_any_way_the_reason_is_given():
    clock = Clock()
    with pytest.raises(ExportError, match="not supported"):
        fastest(ways(clock, [], broken=None), clock)(np.ones((1, 3)))


@pytest.mark.slow
@pytest.mark.parametrize("runtime", ["graph", "fastest"])
@pytest.mark.parametrize("name", ["csta_cnn", "lstm"])
def test_logits_are_those_of_the_network(name, runtime):
    model = build_model(name, "sbu", 5, 30)
    forward = compiled(model, runtime)
    for clips in (1, 9):
        shape = (clips, *[n or 30 for n in model.input_shape[1:]])
        x = np.random.default_rng(clips).normal(size=shape).astype("float32")
        for _ in range(2):
            np.testing.assert_allclose(forward(x), model.predict_on_batch(x), atol=1e-4)


@pytest.mark.parametrize("runtime", ["graph", "litert", "fastest"])
def test_what_does_not_go_together(runtime):
    model = build_model("lstm", "sbu", 5, 10, units=4)
    with pytest.raises(UserError, match="bfloat16"):
        compiled(model, runtime, precision="bfloat16")
    if runtime != "litert":
        with pytest.raises(UserError, match="threads"):
            compiled(model, runtime, threads=1)
