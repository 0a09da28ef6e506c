import numpy as np
from layer_contract import check_layer

from keras_skeleton.layers.two_stream import BodiesToBatch, MaxOverBodies, Motion


def clips(B=3, T=5, M=2, V=4):
    return np.random.default_rng(0).normal(size=(B, T, M, V, 3)).astype("float32")


def test_motion_is_the_next_frame_less_this_one_and_ends_with_zero():
    x = clips()
    motion = np.asarray(Motion()(x))
    np.testing.assert_allclose(motion[:, :-1], np.diff(x, axis=1), atol=1e-6)
    assert (motion[:, -1] == 0).all()


def test_people_are_folded_and_their_maximum_unfolds_them():
    x = clips()
    folded = np.asarray(BodiesToBatch()(x))
    assert folded.shape == BodiesToBatch().compute_output_shape(x.shape) == (6, 5, 4, 3)
    for b in range(3):
        for m in range(2):
            np.testing.assert_array_equal(folded[2 * b + m], x[b, :, m])
    found = np.asarray(MaxOverBodies(2)(folded.reshape(6, -1)))
    np.testing.assert_array_equal(found, x.transpose(0, 2, 1, 3, 4).reshape(3, 2, -1).max(axis=1))


def test_they_are_layers():
    check_layer(Motion, inputs=clips(), shape=(3, 5, 2, 4, 3), ranks=False)
    check_layer(BodiesToBatch, inputs=clips(), shape=(6, 5, 4, 3))
    people = clips().reshape(6, -1)
    check_layer(MaxOverBodies, {"bodies": 2}, inputs=people, shape=(3, 60), ranks=False)
