"""How much of its attention a model spends where the action is, on clips whose truth is known.

Uniform attention would spend on some joints just their share of all joints; what is above that
share was found. Joints of people who are not there count neither way. All frames of a clip count
for its joints, also those before and after the action, in which none of them moves: attention that
rests on the right limb throughout is worth as much here as attention that goes there with the
action. (So a share above uniform says that the joints were told apart, not when; a fixed preference
for arms over legs can reach it for several classes at once.)

For networks that weigh body parts: the weights of every class, and of the hand that acts.
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
    """The share of attention on informative joints, and what uniform attention would spend there.

    Args:
        attention: (T, K), not negative.
        informative: bool (K,).
        there: bool (T, K): joints of people who are in the frame.

    Returns:
        Two floats, means over the frames in which somebody is attended to; NaN where there are
        none or no joint is informative.
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
    """The share of attention on informative frames, and what uniform attention would spend there.

    Args:
        attention: (T,), not negative.
        informative: bool (T,).

    Returns:
        Two floats; the first is NaN where nothing is attended to.
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
    """One row a class, with the mean shares of its clips; see `COLUMNS`.

    Args:
        clips: Each (T, M, V, 3); absent bodies are zero.
        labels: (n,).
        classes: Their names.
        maps: Each clip's attention, `"joints"` (T, M * V) and `"frames"` (T,) or (T, 3), of which
            the mean counts; NaN in the table where the model has none.
        informative_joints: Each bool (at least M, V).
        informative_frames: Each bool (T,).
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
    """Mean weights of the body parts for every class.

    Args:
        weights: (n, K), K the parts of `transforms.glimpses.PARTS`, the hands first.
        labels: (n,).
        classes: Names by label.
        acting: (n,): 0 or 1 for the one hand that acts, -1 where that is not known or both do.

    Returns:
        A row a class that occurs: `class`, `clips`, a column a part, and the weights of the
        `acting_hand` and of the `other_hand`, NaN where no clip has just one.
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
