"""Share of attention on the joints and frames that carry the action, for clips with ground truth.

Shares are compared with those of uniform attention; a higher share means that attention favors the
informative joints or frames. Joints of absent bodies are ignored. The joint share averages over
all frames, including those before and after the action: constant attention to the right limb counts
as much as attention that moves there during the action. A share above uniform therefore shows which
joints are favored, not when; a constant preference for arms over legs can reach it for several
classes at once.

For networks with body-part attention, `part_weights` averages the weights per class and for the
acting hand.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from keras_skeleton.transforms.geometry import present
from keras_skeleton.transforms.glimpses import PARTS

COLUMNS = ("class", "clips", "joints", "joints_uniform", "frames", "frames_uniform")


def joint_share(
    attention: ArrayLike, informative: ArrayLike, there: ArrayLike
) -> tuple[float, float]:
    """Computes the share of attention on informative joints, for attention and uniform attention.

    Args:
        attention: Non-negative attention to joints, (T, K).
        informative: Joints that carry the action, bool (K,).
        there: Joints of bodies present in each frame, bool (T, K).

    Returns:
        The share of attention and that of uniform attention, averaged over frames with positive
        attention; NaN if there are no such frames or no informative joints.

    Raises:
        ValueError: If the shapes do not match.

    Example:
        >>> import numpy as np
        >>> from keras_skeleton.attention.shares import joint_share
        >>> attention = np.array([[5.0, 1.0, 1.0, 1.0]])  # 1 frame, 4 joints
        >>> joint_share(attention, np.array([True, False, False, False]), attention > 0)
        (0.625, 0.25)
    """
    attention, informative, there = map(np.asarray, (attention, informative, there))
    if attention.shape != there.shape or informative.shape != attention.shape[1:]:
        raise ValueError(
            f"attention has shape {attention.shape}, there {there.shape} and informative "
            f"{informative.shape}, expected (T, K), (T, K) and (K,)"
        )
    weights = np.where(there, attention, 0.0).astype(np.float64)
    total = weights.sum(axis=1)
    used = total > 0
    if not used.any() or not informative.any():
        return float("nan"), float("nan")
    share = weights[used][:, informative].sum(axis=1) / total[used]
    uniform = there[used][:, informative].sum(axis=1) / there[used].sum(axis=1)
    return float(share.mean()), float(uniform.mean())


def frame_share(attention: ArrayLike, informative: ArrayLike) -> tuple[float, float]:
    """Computes the share of attention on informative frames, for attention and uniform attention.

    Args:
        attention: Non-negative attention to frames, (T,).
        informative: Frames that carry the action, bool (T,).

    Returns:
        The share of attention (NaN if attention is zero everywhere) and that of uniform attention.

    Raises:
        ValueError: If the shapes do not match.

    Example:
        >>> from keras_skeleton.attention.shares import frame_share
        >>> frame_share([0.0, 3.0, 1.0, 0.0], [False, True, False, False])
        (0.75, 0.25)
    """
    attention, informative = np.asarray(attention, np.float64), np.asarray(informative)
    if attention.shape != informative.shape or attention.ndim != 1:
        raise ValueError(
            f"attention has shape {attention.shape} and informative {informative.shape}, "
            "expected (T,) twice"
        )
    total = attention.sum()
    if total <= 0:
        return float("nan"), float(informative.mean())
    return float(attention[informative].sum() / total), float(informative.mean())


def attention_shares(
    clips: Sequence[np.ndarray],
    labels: ArrayLike,
    classes: Sequence[str],
    maps: Sequence[Mapping[str, np.ndarray]],
    informative_joints: Sequence[np.ndarray],
    informative_frames: Sequence[np.ndarray],
) -> pd.DataFrame:
    """Computes the mean shares of attention per class.

    Args:
        clips: Clips (T, M, V, 3); absent bodies are zero.
        labels: Class indices, (n,).
        classes: Class names.
        maps: Attention to each clip: `"joints"` (T, M * V), and `"frames"` (T,) or (T, 3), which
            is averaged over coordinates. The table has NaN for missing maps.
        informative_joints: Joints that carry the action of each clip, bool (at least M, V).
        informative_frames: Frames that carry the action of each clip, bool (T,).

    Returns:
        A table with one row per class and the columns `COLUMNS`.

    Example:
        >>> import numpy as np
        >>> from keras_skeleton.attention.shares import attention_shares
        >>> clip = np.ones((2, 1, 2, 3), np.float32)  # 2 frames, 1 body, 2 joints
        >>> table = attention_shares(
        ...     [clip],
        ...     labels=[0],
        ...     classes=["wave"],
        ...     maps=[{"joints": np.array([[3.0, 1.0], [3.0, 1.0]])}],
        ...     informative_joints=[np.array([[True, False]])],
        ...     informative_frames=[np.array([True, True])],
        ... )
        >>> table[["class", "joints", "joints_uniform"]].values.tolist()
        [['wave', 0.75, 0.5]]
    """
    rows = []
    for clip, found, joints, frames in zip(
        clips, maps, informative_joints, informative_frames, strict=True
    ):
        T, M, V, _ = clip.shape
        joint = frame = (float("nan"), float("nan"))
        if "joints" in found:
            there = np.repeat(present(clip), V, axis=1)
            joint = joint_share(found["joints"], joints[:M].reshape(-1), there)
        if "frames" in found:
            frame = frame_share(found["frames"].reshape(T, -1).mean(axis=1), frames)
        rows.append((*joint, *frame))
    table = pd.DataFrame(rows, columns=list(COLUMNS[2:]))
    table["label"] = np.asarray(labels)
    means = table.groupby("label").mean()
    counts = table.groupby("label").size()
    means.insert(0, "class", [classes[label] for label in means.index])
    means.insert(1, "clips", counts)
    return means.reset_index(drop=True)


def part_weights(
    weights: ArrayLike, labels: ArrayLike, classes: Sequence[str], acting: ArrayLike
) -> pd.DataFrame:
    """Computes the mean weights of body parts per class.

    Args:
        weights: Part weights (n, K), in the order of `transforms.glimpses.PARTS` (hands first).
        labels: Class indices, (n,).
        classes: Class names.
        acting: Acting hand of each clip, (n,): 0 for left, 1 for right, -1 if it is unknown or
            both hands act.

    Returns:
        A table with one row per class that occurs: `class`, `clips`, one column per part, and the
        weights of the `acting_hand` and `other_hand` (NaN if no clip has a single acting hand).

    Example:
        >>> from keras_skeleton.attention.shares import part_weights
        >>> table = part_weights([[0.2, 0.5, 0.3]], labels=[0], classes=["wave"], acting=[1])
        >>> table[["right_hand", "acting_hand", "other_hand"]].values.tolist()
        [[0.5, 0.5, 0.2]]
    """
    weights, acting = np.asarray(weights, np.float64), np.asarray(acting)
    table = pd.DataFrame(weights, columns=list(PARTS))
    known, rows = acting >= 0, np.arange(len(weights))
    table["acting_hand"] = np.where(known, weights[rows, np.maximum(acting, 0)], np.nan)
    table["other_hand"] = np.where(known, weights[rows, 1 - np.maximum(acting, 0)], np.nan)
    table["label"] = np.asarray(labels)
    means = table.groupby("label").mean()
    means.insert(0, "class", [classes[label] for label in means.index])
    means.insert(1, "clips", table.groupby("label").size())
    return means.reset_index(drop=True)
