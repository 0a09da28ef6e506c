import keras
import numpy as np
import pytest
from layer_contract import check_layer

from keras_skeleton.layers.dilated_block import DilatedBlock

D, T = 6, 30
H = np.random.default_rng(0).normal(size=(2, T, D)).astype("float32")
MASK = np.ones((2, T), bool)


@pytest.mark.parametrize("causal", [False, True])
def test_contract(causal):
    arguments = {"units": D, "dilation": 2, "causal": causal, "dropout": 0.3}
    check_layer(
        DilatedBlock, arguments, inputs=(H, MASK), shape=H.shape, ranks=False, half=0.3,
        weights=2 * D + 3 * D * D + D + D * D + D, flops=2 * T * 4 * D * D,
    )  # fmt: skip
    with pytest.raises(ValueError, match="expects"):
        DilatedBlock(D + 1)(H, MASK)


@pytest.mark.parametrize(("causal", "seen"), [(False, {11, 15, 19}), (True, {15, 19, 23})])
def test_a_frame_reaches_as_far_as_it_says(causal, seen):
    block = DilatedBlock(D, dilation=4, causal=causal)
    before = np.asarray(block(H, MASK))
    changed = H.copy()
    changed[:, 15, 0] += 1  # all would be taken back by the normalization
    after = np.asarray(block(changed, MASK))
    where = np.flatnonzero(np.abs(after - before).max(axis=(0, 2)) > 1e-6)
    assert set(where.tolist()) == seen
    back, ahead = block.reach
    assert seen <= set(range(15 - ahead, 15 + back + 1))


def test_masked_frames_are_like_frames_outside():
    block = DilatedBlock(D, dilation=4)
    mask = MASK.copy()
    mask[:, 20:] = False
    found = np.asarray(block(H, mask))
    np.testing.assert_allclose(found[:, :20], block(H[:, :20], MASK[:, :20]), atol=1e-6)
    assert not found[:, 20:].any()


def test_dropout_is_for_training():
    keras.utils.set_random_seed(0)
    block = DilatedBlock(D, dropout=0.5)
    np.testing.assert_array_equal(block(H, MASK), block(H, MASK))
    assert np.abs(np.asarray(block(H, MASK, training=True)) - np.asarray(block(H, MASK))).max() > 0
