"""The penalties of Eq. 7 against a computation by hand, and their independence of the batch."""

import keras
import numpy as np
import pytest

from keras_skeleton.layers.attention_penalties import (
    AttentionEntropy,
    EqualJointAttention,
    FrameAttentionNorm,
)
from keras_skeleton.layers.frame_gate import FrameGate
from keras_skeleton.layers.joint_gate import JointGate


def gates(B=3, T=5, K=4, seed=0):
    rng = np.random.default_rng(seed)
    lengths = np.array([5, 3, 1])[:B]
    mask = np.arange(T) < lengths[:, None]
    alpha = rng.dirichlet(np.ones(K), (B, T)) * mask[..., None]
    beta = rng.uniform(0, 2, (B, T)) * mask
    return alpha.astype("float32"), beta.astype("float32"), mask, lengths


def test_equal_joint_attention_is_equation_7():
    alpha, _, mask, lengths = gates()
    expected = np.mean(
        [
            sum(
                (1 - sum(alpha[b, t, k] for t in range(lengths[b])) / lengths[b]) ** 2
                for k in range(4)
            )
            for b in range(3)
        ]
    )
    assert float(EqualJointAttention(0.5)(alpha, mask)) == pytest.approx(0.5 * expected, rel=1e-5)


@pytest.mark.parametrize("K", [4, 30])
def test_what_the_gain_does_to_equal_and_to_narrow_attention(K):
    equal = np.full((1, 6, K), 1 / K, "float32")
    single = np.eye(K, dtype="float32")[None, [0] * 6]
    printed, gained = EqualJointAttention(0.5), EqualJointAttention(0.5, gain=K)
    assert float(printed(single)) - float(printed(equal)) == pytest.approx(
        0.5 * (1 - 1 / K), rel=1e-4
    )
    assert float(gained(equal)) == pytest.approx(0, abs=1e-6)
    assert float(gained(single)) == pytest.approx(0.5 * K * (K - 1), rel=1e-5)


def test_frame_attention_norm_is_equation_7():
    _, beta, mask, lengths = gates()
    expected = np.mean([sum(abs(beta[b, : lengths[b]])) / lengths[b] for b in range(3)])
    assert float(FrameAttentionNorm(0.5)(beta, mask)) == pytest.approx(0.5 * expected, rel=1e-5)


def test_entropy_of_joints_and_of_frames():
    alpha, beta, _, lengths = gates()
    expected = np.mean(
        [
            np.mean([-sum(p * np.log(p) for p in alpha[b, t]) for t in range(lengths[b])])
            for b in range(3)
        ]
    )
    assert float(AttentionEntropy(0.5)(alpha)) == pytest.approx(0.5 * expected, rel=1e-4)
    shares = [beta[b, : lengths[b]] / beta[b].sum() for b in range(3)]
    expected = np.mean([-sum(p * np.log(p) for p in share) for share in shares])
    assert float(AttentionEntropy(0.5)(beta)) == pytest.approx(0.5 * expected, rel=1e-4)


def test_entropy_of_equal_of_narrow_and_of_no_attention():
    entropy = AttentionEntropy(2.0)
    assert float(entropy(np.ones((2, 3, 7), "float32"))) == pytest.approx(2 * np.log(7), rel=1e-5)
    assert float(entropy(np.eye(7, dtype="float32")[None, [2, 5]])) == pytest.approx(0, abs=1e-6)
    assert float(entropy(np.zeros((2, 3), "float32"))) == 0
    beta = np.ones((1, 5), "float32")  # its scale does not matter
    assert float(entropy(3 * beta)) == pytest.approx(float(entropy(beta)), rel=1e-5)


@pytest.mark.parametrize(
    "penalty", [EqualJointAttention(2.0), FrameAttentionNorm(2.0), AttentionEntropy(2.0)]
)
def test_the_batch_size_does_not_matter(penalty):
    alpha, beta, mask, _ = gates()
    values = beta if isinstance(penalty, FrameAttentionNorm) else alpha
    once = float(penalty(values, mask))
    twice = float(penalty(np.concatenate([values, values]), np.concatenate([mask, mask])))
    assert twice == pytest.approx(once, rel=1e-6)
    alone = np.mean([float(penalty(values[b : b + 1], mask[b : b + 1])) for b in range(3)])
    assert alone == pytest.approx(once, rel=1e-5)


def test_padding_does_not_matter():
    alpha, beta, mask, _ = gates()
    for penalty, values in (
        (EqualJointAttention(1.0), alpha),
        (FrameAttentionNorm(1.0), beta),
        (AttentionEntropy(1.0), alpha),
        (AttentionEntropy(1.0), beta),
    ):
        short = float(penalty(values[:1], None))  # the first clip fills all frames
        more = np.concatenate([values[:1], np.zeros_like(values[:1])], axis=1)
        padded = float(penalty(more, np.concatenate([mask[:1], ~mask[:1]], axis=1)))
        assert padded == pytest.approx(short, rel=1e-6)


def test_gates_add_them_to_the_loss_once():
    x = np.random.default_rng(0).normal(size=(2, 6, 4, 3)).astype("float32")
    gate = JointGate(5, penalty=EqualJointAttention(0.1))
    alpha = gate(x)
    assert [float(v) for v in gate.losses] == [
        pytest.approx(float(EqualJointAttention(0.1)(alpha)))
    ]
    gate = FrameGate(5, penalty=FrameAttentionNorm(0.1))
    beta = gate(x.reshape(2, 6, 12))
    assert [float(v) for v in gate.losses] == [pytest.approx(float(FrameAttentionNorm(0.1)(beta)))]


@pytest.mark.parametrize(
    "penalty", [EqualJointAttention(0.3, gain=4), FrameAttentionNorm(0.3), AttentionEntropy(0.3)]
)
def test_round_trip(penalty):
    again = keras.regularizers.deserialize(keras.regularizers.serialize(penalty))
    assert type(again) is type(penalty)
    assert again.get_config() == penalty.get_config()
    assert again.weight == 0.3
