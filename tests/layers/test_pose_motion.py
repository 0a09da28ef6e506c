import keras
import numpy as np
import pytest
from layer_contract import check_layer

from keras_skeleton.layers.pose_motion import PoseMotion

V = 5


def clip(bodies=2, frames=20, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(2, frames, bodies, V, 3)).astype("float32") + [0, 0, 3]
    if bodies > 1:
        x[0, 8:13, 1] = 0  # the second body leaves and comes back
    x[1, 17:] = 0  # padding
    return x.reshape(2, frames, bodies * V, 3).astype("float32")


@pytest.mark.parametrize("ahead", [False, True])
def test_contract(ahead):
    check_layer(
        PoseMotion, {"joints": V, "root": 1, "ahead": ahead}, inputs=clip(),
        shape=(2, 20, 2 * (6 * V + 3) + 3), half=0.1,
    )  # fmt: skip


@pytest.mark.parametrize(("ahead", "a", "b"), [(False, 0, 3), (True, 1, 2)])
def test_each_feature(ahead, a, b):
    x = clip().reshape(2, 20, 2, V, 3)
    layer = PoseMotion(V, root=1, span=3, ahead=ahead)
    found = np.asarray(layer(clip()))
    assert layer.reach == (b, a)
    own, other = found[..., : 6 * V + 3], found[..., 6 * V + 3 :]
    for t in (0, 2, 5, 9, 15, 19):
        for m, features in enumerate((own, other)):
            here = x[0, t, m].any()
            pose = x[0, t, m] - x[0, t, m, 1] if here else np.zeros((V, 3))
            np.testing.assert_allclose(features[0, t, : 3 * V], pose.ravel(), atol=1e-5)
            both = t - b >= 0 and t + a < 20 and x[0, t - b, m].any() and x[0, t + a, m].any()
            ends = [x[0, s, m] - x[0, s, m, 1] for s in (t - b, min(t + a, 19))]
            roots = [x[0, s, m, 1] for s in (t - b, min(t + a, 19))]
            moved = np.vstack([ends[1] - ends[0], [roots[1] - roots[0]]]) * both
            np.testing.assert_allclose(features[0, t, 3 * V : 6 * V + 3], moved.ravel(), atol=1e-5)
        apart = (x[0, t, 1, 1] - x[0, t, 0, 1]) * x[0, t, 1].any()
        np.testing.assert_allclose(found[0, t, -3:], apart, atol=1e-5)


def test_what_cannot_be():
    with pytest.raises(ValueError, match="expects"):
        PoseMotion(joints=4)(clip())
    for wrong in ({"joints": 4, "root": 4}, {"joints": 4, "span": 0}):
        with pytest.raises(ValueError, match="out of range"):
            PoseMotion(**wrong)


def test_length_may_be_unknown():
    outputs = PoseMotion(V)(keras.Input((None, 2 * V, 3)))
    assert outputs.shape == (None, None, 2 * (6 * V + 3) + 3)
