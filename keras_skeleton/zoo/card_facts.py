"""What model cards say about networks and papers. Needs neither Keras nor TensorFlow."""

from __future__ import annotations

from collections.abc import Mapping

_STA = (
    "S. Song, C. Lan, J. Xing, W. Zeng, J. Liu. Spatio-Temporal Attention-Based LSTM Networks for "
    "3D Action Recognition and Detection. IEEE Transactions on Image Processing 27(7), 2018."
)
_CSTA = (
    "J. Wang. Learning Coupled Spatial-Temporal Attention for Skeleton-Based Action Recognition. "
    "2019. arXiv:1909.10214"
)
_MANS = (
    "C. Xie, C. Li, B. Zhang, C. Chen, J. Han, C. Zou, J. Liu. Memory Attention Networks for "
    "Skeleton-based Action Recognition. IJCAI 2018. arXiv:1804.08254"
)
_POSE = (
    "S. Das, A. Chaudhary, F. Bremond, M. Thonnat. Where to Focus on for Human Action Recognition? "
    "WACV 2019."
)
# By model: what it is, its paper (empty: our own), and the page of the documentation.
MODELS: Mapping[str, tuple[str, str, str]] = {
    "mans9": ("MANs-9, a CNN on skeleton images with attention to frames", _MANS, "papers/mans.md"),
    "lstm": (
        "LSTM, the network of STA-LSTM without attention, as a baseline",
        _STA,
        "papers/sta-lstm.md",
    ),
    "sa_lstm": ("SA-LSTM, an LSTM with attention to joints", _STA, "papers/sta-lstm.md"),
    "ta_lstm": ("TA-LSTM, an LSTM with attention to frames", _STA, "papers/sta-lstm.md"),
    "sta_lstm": (
        "STA-LSTM, an LSTM with attention to joints and to frames",
        _STA,
        "papers/sta-lstm.md",
    ),
    "csta_cnn": (
        "CSTA-CNN, a CNN with coupled attention to joints and frames",
        _CSTA,
        "papers/csta-cnn.md",
    ),
    "pose_i3d": (
        "Pose-driven I3D, three video networks for hands and body, weighted by the pose",
        _POSE,
        "papers/pose-i3d.md",
    ),
    "tap_lstm": (
        "TAP-LSTM, whose attention to frames proposes actions, with STA-LSTM as their classifier",
        _STA,
        "detection.md",
    ),
    "gate_u": (
        "GateNet, our own detector, for live use: it sees nine later frames",
        "",
        "detection.md",
    ),
    "gate_b": (
        "GateNet, our own detector, for whole recordings: it sees 65 frames on both sides",
        "",
        "detection.md",
    ),
}

# Limits of some networks, by model and dataset; "*" is any.
LIMITS: Mapping[tuple[str, str], tuple[str, ...]] = {
    ("csta_cnn", "nucla"): (
        "The number of epochs was chosen after view 3, the test view, had been scored, so the "
        "accuracy is not free of selection on test clips.",
    ),
    ("csta_cnn", "film"): (
        "The generated waves were added because earlier networks missed the wave of one film.",
    ),
    ("gate_u", "ut_kinect"): (
        "The look-ahead of nine frames was added after the test scores of a network without it had "
        "been seen, so the figures are not free of selection on test recordings.",
    ),
    ("gate_b", "*"): ("Its output is 65 frames late, 2.2 seconds at 30 frames a second.",),
    ("gate_u", "*"): ("Its output is nine frames late, 0.3 seconds at 30 frames a second.",),
    ("tap_lstm", "*"): (
        "It finds far fewer actions than `gate_b`; it is the paper's method, for comparison.",
    ),
    ("pose_i3d", "*"): (
        "It takes crops of hands and body beside the skeleton (`keras-skeleton crops`). The "
        "videos are rendered: capsules in a plain room.",
        "The skeleton alone does better than the network that it guides.",
    ),
}
ORDER = (
    "The recordings have their ten actions in the same order, which a network with context can "
    "learn."
)
