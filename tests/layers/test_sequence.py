"""Sequences of different lengths, with zeros where there is nothing."""

import numpy as np
from layer_contract import check_layer

from keras_skeleton.layers.sequence import FrameMask, ScoreAccumulation

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


def test_they_are_layers():
    x = RNG.normal(size=(2, 5, 4)).astype("float32")
    check_layer(FrameMask, inputs=x, shape=(2, 5), dtype="bool", ranks=False)
    check_layer(ScoreAccumulation, inputs=(x, x[..., 0]), shape=(2, 4), ranks=False)
