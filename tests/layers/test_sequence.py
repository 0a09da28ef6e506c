"""Sequences of different lengths, with zeros where there is nothing."""

import numpy as np
import pytest
from layer_contract import check_layer

from keras_skeleton.layers.sequence import (
    FrameDifference,
    FrameMask,
    RelativeGates,
    ScoreAccumulation,
)

RNG = np.random.default_rng(0)


def test_a_frame_counts_where_anything_in_it_is_not_zero():
    x = RNG.normal(size=(3, 5, 4, 3)).astype("float32")
    x[0, 2:] = 0
    x[1, 1] = 0  # nobody in the middle
    x[2] = 0
    x[2, 0, 3, 1] = -1e-30
    expected = [[1, 1, 0, 0, 0], [1, 0, 1, 1, 1], [1, 0, 0, 0, 0]]
    np.testing.assert_array_equal(FrameMask()(x), np.array(expected, bool))


def test_scores_are_summed_with_their_weights():
    z, beta = RNG.normal(size=(2, 5, 4)).astype("float32"), RNG.uniform(size=(2, 5)).astype("f")
    expected = np.einsum("btc,bt->bc", z, beta)
    np.testing.assert_allclose(ScoreAccumulation()(z, beta), expected, atol=1e-5)
    mask = beta > 0.5
    expected = np.stack([z[b, mask[b]].sum(axis=0) for b in range(2)])
    np.testing.assert_allclose(ScoreAccumulation()(z, mask), expected, atol=1e-5)


@pytest.mark.parametrize("span", [1, 2, 7])
def test_a_difference_is_taken_between_frames_in_which_the_joint_is(span):
    x = RNG.normal(size=(2, 6, 3, 3)).astype("float32")
    x[0, 4:] = 0  # padding
    x[1, 2, 1] = 0  # a joint is lost in one frame
    x[1, :, 2] = 0
    expected = np.zeros_like(x)
    for b, t, k in np.ndindex(x.shape[:3]):
        if t >= span and x[b, t, k].any() and x[b, t - span, k].any():
            expected[b, t, k] = x[b, t, k] - x[b, t - span, k]
    np.testing.assert_array_equal(FrameDifference(span)(x), expected)


def test_a_difference_needs_a_span():
    with pytest.raises(ValueError, match="span=0"):
        FrameDifference(0)


def test_relative_gates_have_a_mean_of_one():
    beta = RNG.uniform(size=(3, 5)).astype("float32")
    mask = np.arange(5) < np.array([5, 3, 4])[:, None]
    beta = beta * mask
    beta[2] = 0  # all gates of a clip are closed
    found = np.asarray(RelativeGates()(beta, mask))
    for b in range(2):
        np.testing.assert_allclose(found[b], beta[b] * mask[b].sum() / beta[b].sum(), rtol=1e-5)
    assert (found[2] == 0).all()


def test_they_are_layers():
    x = RNG.normal(size=(2, 5, 4)).astype("float32")
    check_layer(FrameMask, inputs=x, shape=(2, 5), dtype="bool", ranks=False)
    check_layer(ScoreAccumulation, inputs=(x, x[..., 0]), shape=(2, 4), ranks=False)
    joints = RNG.normal(size=(2, 5, 4, 3)).astype("float32")
    check_layer(FrameDifference, {"span": 2}, inputs=joints, shape=joints.shape)
    gates, mask = RNG.uniform(size=(2, 5)).astype("float32"), np.ones((2, 5), bool)
    check_layer(RelativeGates, inputs=(gates, mask), shape=(2, 5), ranks=False)
