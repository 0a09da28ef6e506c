"""Figures of attention, as in the papers.

STA-LSTM (Song et al., TIP 2018):

    class_attention_figure    Fig. 10: a class's mean attention to joints and frames over time
    engaged_joints_figure     Fig. 8: the joints with the most attention, on a skeleton
    frame_curves_figure       Fig. 9: frame attention over time for several settings
    parameter_figure          Fig. 7: accuracy over the weight of a penalty

CSTA-CNN (Wang, 2019):

    attended_poses_figure     Fig. 4: poses over time, with attention to joints and frames

MANs (Xie et al., IJCAI 2018):

    image_attention_figure    Fig. 1: the image of each coordinate, with attention to its rows

Pose-driven attention (Das et al., WACV 2019):

    parts_figure              Fig. 6: crops of the body parts over time, with their weights
    boxes_figure              boxes of the body parts in the video

Every function returns a Matplotlib `Figure`, created without pyplot.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.collections import LineCollection
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import ArrayLike

from keras_skeleton.skeletons import Skeleton, get_skeleton
from keras_skeleton.viz.poses import draw_pose
from keras_skeleton.viz.style import ATTENTION, COLOURS, EDGE, LABEL, SMALL, TITLE, WIDTH


def mean_attention(maps: Sequence[ArrayLike], size: int | None = None) -> np.ndarray:
    """Mean of the attention maps of clips of different lengths, each resized in time.

    Args:
        maps: One array per clip, (T,) or (T, K), without padding.
        size: Common length; by default the mean length, as in the STA-LSTM paper (about 85 frames
            on NTU RGB+D). The paper interpolates bicubically, this function linearly.

    Returns:
        float64 (size,) or (size, K).

    Raises:
        ValueError: There are no maps, or they differ in K.

    Example:
        >>> from keras_skeleton.viz.attention_plots import mean_attention
        >>> mean_attention([[0.0, 1.0], [0.0, 0.5, 1.0, 1.5]], size=3).tolist()
        [0.0, 0.625, 1.25]
    """
    arrays = [np.asarray(m, np.float64) for m in maps]
    if not arrays:
        raise ValueError("no attention maps to average")
    if len({a.shape[1:] for a in arrays}) > 1 or any(a.ndim not in (1, 2) for a in arrays):
        raise ValueError("attention maps must be (T,) or (T, K) with the same K")
    size = size or round(np.mean([len(a) for a in arrays]))
    at = np.linspace(0, 1, size)
    resized = []
    for a in arrays:
        columns = a.reshape(len(a), -1).T
        own = np.linspace(0, 1, len(a))
        resized.append(np.stack([np.interp(at, own, column) for column in columns], axis=1))
    mean = np.mean(resized, axis=0)
    return mean[:, 0] if arrays[0].ndim == 1 else mean


def joint_names(skeleton: str | Skeleton, joints: int) -> list[str]:
    """Names of K = M * V joints; those of further bodies are numbered."""
    names = get_skeleton(skeleton).joints
    if joints % len(names):
        raise ValueError(f"{joints} joints are not a multiple of {len(names)}, those of one body")
    return [
        name.replace("_", " ") + (f" ({m + 1})" if joints > len(names) else "")
        for m in range(joints // len(names))
        for name in names
    ]


def class_attention_figure(
    joints: ArrayLike | None,
    frames: ArrayLike | None,
    skeleton: str | Skeleton,
    title: str,
    xlabel: str = "frame (clips resized to their mean length)",
) -> Figure:
    """Plots the mean attention of a class over time: frame curve above, joint heat map below.

    Args:
        joints: Joint attention (T, K), or None.
        frames: Frame attention (T,), or None.
        skeleton: Joint layout; K = M * V.
        title: Title; name the dataset, class and model.
        xlabel: Label of the time axis; for a single clip, use "frame".

    Raises:
        ValueError: Neither is given, or their lengths differ.

    Example:
        >>> import numpy as np
        >>> from keras_skeleton.viz.attention_plots import class_attention_figure
        >>> joints, frames = np.full((85, 25), 1 / 25), np.ones(85)
        >>> figure = class_attention_figure(joints, frames, "kinect_v2", "NTU RGB+D: drink water")
        >>> [axes.get_ylabel() for axes in figure.axes]
        ['frame attention', '', 'joint attention']
    """
    heat = None if joints is None else np.asarray(joints, np.float64)
    curve = None if frames is None else np.asarray(frames, np.float64)
    if heat is None and curve is None:
        raise ValueError("give joint attention, frame attention, or both")
    if heat is not None and curve is not None and len(heat) != len(curve):
        raise ValueError(
            f"joint attention has {len(heat)} frames, but frame attention has {len(curve)}"
        )
    K = 0 if heat is None else heat.shape[1]
    ratios = ([1.2] if curve is not None else []) + ([0.16 * K] if K else [])
    fig = Figure(figsize=(WIDTH, sum(ratios) + 1.3), layout="constrained")
    panels = np.atleast_1d(fig.subplots(len(ratios), 1, sharex=True, height_ratios=ratios))
    if curve is not None:
        panels[0].plot(curve, color="black", linewidth=1.8)
        panels[0].set_ylabel("frame attention", fontsize=LABEL)
        panels[0].set_ylim(bottom=0)
    if heat is not None:
        ax = panels[-1]
        image = ax.imshow(
            heat.T, aspect="auto", cmap=ATTENTION, vmin=0, interpolation="nearest", origin="upper"
        )
        ax.set_yticks(range(K), joint_names(skeleton, K), fontsize=SMALL - 2)
        bar = fig.colorbar(image, ax=ax, pad=0.01)
        bar.set_label("joint attention", fontsize=LABEL)
        bar.ax.tick_params(labelsize=SMALL)
    panels[-1].set_xlabel(xlabel, fontsize=LABEL)
    for ax in panels:
        ax.tick_params(axis="x", labelsize=SMALL)
        ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    fig.suptitle(title.replace("$", r"\$"), fontsize=TITLE)
    return fig


def engaged_joints_figure(
    attention: Mapping[str, ArrayLike], pose: ArrayLike, skeleton: str | Skeleton, title: str
) -> Figure:
    """Draws the joints with the most attention, one skeleton per setting; more is larger and
    brighter.

    Args:
        attention: Setting (a class, or a value of lambda) to mean joint attention (K,), K = M * V.
        pose: Pose to draw, (M, V, 3) with y upward.
        skeleton: The joint layout, or its name.
        title: Title; name the dataset and model.

    Raises:
        ValueError: Attention of another number of joints.

    Example:
        >>> import numpy as np
        >>> from keras_skeleton.datasets.synthetic.dataset import make_clips
        >>> from keras_skeleton.viz.attention_plots import engaged_joints_figure
        >>> pose = next(make_clips()).joints[0]
        >>> figure = engaged_joints_figure(
        ...     {"wave": np.linspace(0, 1, 25), "sit": np.ones(25)}, pose, "kinect_v2", "synthetic"
        ... )
        >>> [axes.get_title() for axes in figure.axes[:2]]
        ['wave', 'sit']
    """
    poses = np.asarray(pose, np.float64)
    fig = Figure(figsize=(min(2.6 * len(attention) + 1, 14), 4.2), layout="constrained")
    panels = np.atleast_1d(fig.subplots(1, len(attention)))
    high = max(float(np.max(a)) for a in attention.values())
    points = poses.reshape(-1, 3)
    for ax, (name, values) in zip(panels, attention.items(), strict=True):
        weights = np.asarray(values, np.float64)
        if weights.shape != (len(points),):
            raise ValueError(
                f"attention '{name}' has shape {weights.shape}, expected ({len(points)},)"
            )
        draw_pose(ax, poses, skeleton, width=1.0)
        dots: Any = ax.scatter(
            points[:, 0],
            points[:, 1],
            s=8 + 260 * weights / high,
            c=weights,
            cmap=ATTENTION,
            vmin=0,
            vmax=high,
            zorder=5,
            edgecolors=EDGE,
            linewidths=0.4,
        )
        ax.set_title(name, fontsize=LABEL)
    bar = fig.colorbar(dots, ax=list(panels), pad=0.01)
    bar.set_label("mean joint attention", fontsize=LABEL)
    fig.suptitle(title.replace("$", r"\$"), fontsize=TITLE)
    return fig


def frame_curves_figure(
    curves: Mapping[str, ArrayLike],
    title: str,
    xlabel: str = "frame",
    from_zero: bool = True,
) -> Figure:
    """Plots frame attention over time, one curve per setting.

    Args:
        curves: Name of a setting to frame attention, `{"lambda2 = 0.001": (T,), ...}`.
        title: Title; name the dataset, class, model and weights.
        xlabel: Label of the time axis.
        from_zero: Start the vertical axis at 0; otherwise it covers only the range of the curves.

    Example:
        >>> from keras_skeleton.viz.attention_plots import frame_curves_figure
        >>> figure = frame_curves_figure({"lambda2 = 0.001": [0.5, 1.0, 0.8]}, "drink water")
        >>> figure.axes[0].get_ylabel()
        'frame attention'
    """
    fig = Figure(figsize=(WIDTH, 3.6), layout="constrained")
    ax = fig.subplots()
    for i, (name, curve) in enumerate(curves.items()):
        ax.plot(np.asarray(curve), color=COLOURS[i % len(COLOURS)], linewidth=1.8, label=name)
    ax.set_xlabel(xlabel, fontsize=LABEL)
    ax.set_ylabel("frame attention", fontsize=LABEL)
    if from_zero:
        ax.set_ylim(bottom=0)
    ax.legend(fontsize=SMALL, frameon=False)
    ax.set_title(title.replace("$", r"\$"), fontsize=TITLE)
    return fig


def parameter_figure(
    accuracies: Mapping[str, Mapping[float, float]], name: str, title: str
) -> Figure:
    """Plots accuracy over the weight of a penalty, on a logarithmic axis.

    Args:
        accuracies: Name of a curve to {weight: accuracy}; weights are positive, accuracies are
            fractions.
        name: Name of the weight, for the axis ("lambda 1").
        title: Title; name the dataset, protocol and model.

    Raises:
        ValueError: A weight is not positive.
    """
    fig = Figure(figsize=(0.6 * WIDTH, 3.6), layout="constrained")
    ax = fig.subplots()
    for i, (curve, points) in enumerate(accuracies.items()):
        weights = sorted(points)
        if weights[0] <= 0:
            raise ValueError(f"'{curve}' has a weight of {weights[0]}; weights must be positive")
        values = [100 * points[w] for w in weights]
        ax.plot(weights, values, "o-", color=COLOURS[i % len(COLOURS)], label=curve)
    ax.set_xscale("log")
    ax.set_xlabel(name, fontsize=LABEL)
    ax.set_ylabel("accuracy (%)", fontsize=LABEL)
    ax.legend(fontsize=SMALL, frameon=False)
    ax.set_title(title.replace("$", r"\$"), fontsize=TITLE)
    return fig


def attended_poses_figure(
    clip: ArrayLike,
    skeleton: str | Skeleton,
    joints: ArrayLike,
    frames: ArrayLike,
    title: str,
    poses: int = 6,
    side: int = 0,
    up: int = 1,
    unit: str = "m",
) -> Figure:
    """Draws evenly spaced poses of a clip with joint and frame attention (CSTA-CNN, Fig. 4).

    Joints are larger and brighter for more attention in their frame. The width of a frame's border
    shows the frame's attention, which is also printed above as a percentage of the clip's maximum.

    Args:
        clip: (T, M, V, 3); absent bodies are zero.
        skeleton: The joint layout, or its name.
        joints: Joint attention (T, M * V), not negative.
        frames: Frame attention (T,), not negative.
        title: Title; name the dataset, class, model and weights.
        poses: Number of frames to draw.
        side, up, unit: As for `draw_pose`.

    Raises:
        ValueError: Shapes that do not fit, negative attention, or no body in the clip.

    Example:
        >>> import numpy as np
        >>> from keras_skeleton.datasets.synthetic.dataset import make_clips
        >>> from keras_skeleton.viz.attention_plots import attended_poses_figure
        >>> clip = next(make_clips()).joints
        >>> figure = attended_poses_figure(
        ...     clip, "kinect_v2", np.ones((len(clip), 25)), np.ones(len(clip)), "wave", poses=3
        ... )
        >>> [axes.get_title().split() for axes in figure.axes[:2]]
        [['frame', '0', '100', '%'], ['frame', '47', '100', '%']]
    """
    layout = get_skeleton(skeleton)
    positions = np.asarray(clip, np.float64)
    joint, frame = np.asarray(joints, np.float64), np.asarray(frames, np.float64)
    T, K = len(positions), int(np.prod(positions.shape[1:3]))
    if positions.ndim != 4 or joint.shape != (T, K) or frame.shape != (T,):
        raise ValueError(
            f"clip has shape {positions.shape}, joints {joint.shape} and frames {frame.shape}, "
            "expected (T, M, V, 3), (T, M * V) and (T,)"
        )
    if joint.min() < 0 or frame.min() < 0:
        raise ValueError("attention is negative; pass its absolute value")
    there = (positions != 0).any(axis=(2, 3))  # (T, M)
    if not there.any():
        raise ValueError("the clip shows no body")
    shown = np.unique(np.linspace(0, T - 1, min(poses, T)).round().astype(int))
    points = positions[..., [side, up]]
    used = points[there].reshape(-1, 2)
    low, high = used.min(axis=0), used.max(axis=0)
    margin = 0.08 * (high - low).max()
    share = frame / max(frame.max(), 1e-12)
    size = joint.reshape(positions.shape[:3])
    norm = Normalize(0, max(size[shown][there[shown]].max(), 1e-12))

    width, height = high - low + 2 * margin
    fig = Figure(
        # Panels take about four fifths of the width, the color scale and labels the rest.
        figsize=(
            WIDTH,
            min(max(0.82 * WIDTH / len(shown) * height / width, 1.4), 4)
            + 1.3
            + 0.25 * title.count("\n"),
        ),
        layout="compressed",
    )
    axes = fig.subplots(1, len(shown), sharex=True, sharey=True, squeeze=False)[0]
    for ax, t in zip(axes, shown, strict=True):
        for body in np.flatnonzero(there[t]):
            bones = points[t, body][np.array(layout.bones)]
            ax.add_collection(LineCollection(bones, colors="0.75", linewidths=1.5, zorder=2))
            order = np.argsort(size[t, body])  # largest on top
            dots = ax.scatter(
                *points[t, body][order].T,
                s=8 + 70 * norm(size[t, body][order]),
                c=size[t, body][order],
                norm=norm,
                cmap=ATTENTION,
                edgecolors=EDGE,
                linewidths=0.4,
                zorder=3,
            )
        ax.set_xlim(low[0] - margin, high[0] + margin)
        ax.set_ylim(low[1] - margin, high[1] + margin)
        ax.set_aspect("equal")
        for spine in ax.spines.values():
            spine.set_linewidth(0.5 + 4 * share[t])
            spine.set_color(COLOURS[1] if share[t] > 0.5 else "0.5")
        ax.set_title(f"frame {t}\n{100 * share[t]:.0f} %", fontsize=SMALL)
        ax.tick_params(labelsize=SMALL, length=2)
        ax.xaxis.set_major_locator(MaxNLocator(2))
        ax.set_xlabel(f"{'xyz'[side]} ({unit})" if unit else "xyz"[side], fontsize=SMALL)
    axes[0].set_ylabel(f"{'xyz'[up]} ({unit})" if unit else "xyz"[up], fontsize=LABEL)
    bar = fig.colorbar(dots, ax=axes, shrink=0.8, pad=0.01)
    bar.set_label("joint attention", fontsize=LABEL)
    bar.ax.tick_params(labelsize=SMALL)
    fig.suptitle(
        f"{title}\nborders and percentages: frame attention relative to the clip's maximum",
        fontsize=TITLE,
        wrap=True,
    )
    return fig


def image_attention_figure(
    image: ArrayLike, attention: ArrayLike, title: str, unit: str = "m"
) -> Figure:
    """Plots the input image of MANs, one panel per coordinate, with the attention to its rows.

    Args:
        image: (S, S, 3) from `transforms.mans_image`: rows are time, columns are joints.
        attention: (S, 3), attention of each coordinate to the rows.
        title: Title; name the dataset, class, model and weights.
        unit: Unit of the coordinates; empty for none.

    Raises:
        ValueError: Shapes that do not fit.

    Example:
        >>> import numpy as np
        >>> from keras_skeleton.viz.attention_plots import image_attention_figure
        >>> figure = image_attention_figure(np.ones((50, 50, 3)), np.ones((50, 3)), "mans9")
        >>> [axes.get_title() for axes in figure.axes[:2]]
        ['x of the joints', 'attention']
    """
    pixels, weights = np.asarray(image, np.float64), np.asarray(attention, np.float64)
    S = len(pixels)
    if pixels.shape != (S, S, 3) or weights.shape != (S, 3):
        raise ValueError(
            f"image has shape {pixels.shape} and attention {weights.shape}, expected (S, S, 3) "
            "and (S, 3)"
        )
    fig = Figure(figsize=(WIDTH, 3.6), layout="constrained")
    axes = fig.subplots(1, 6, sharey=True, width_ratios=[3, 1] * 3)
    most = max(float(np.abs(pixels).max()), 1e-6)
    low, high = weights.min(), weights.max()
    margin = max(0.1 * (high - low), 1e-3)
    for c in range(3):
        left, right = axes[2 * c], axes[2 * c + 1]
        shown = left.imshow(
            pixels[..., c],
            aspect="auto",
            cmap="PuOr",
            vmin=-most,
            vmax=most,
            interpolation="nearest",
        )
        left.set_title(f"{'xyz'[c]} of the joints", fontsize=LABEL)
        left.set_xlabel("column (joint)", fontsize=SMALL)
        right.plot(weights[:, c], np.arange(S), color="black", linewidth=1.5)
        right.set_xlim(low - margin, high + margin)
        right.set_title("attention", fontsize=SMALL)
        right.xaxis.set_major_locator(MaxNLocator(2))
        right.grid(alpha=0.3)
        left.tick_params(labelsize=SMALL)
        right.tick_params(labelsize=SMALL - 2)
    axes[0].set_ylabel("row (time, downward)", fontsize=LABEL)
    bar = fig.colorbar(shown, ax=list(axes), pad=0.01)
    bar.set_label(f"coordinate ({unit})" if unit else "coordinate", fontsize=LABEL)
    bar.ax.tick_params(labelsize=SMALL)
    fig.suptitle(title.replace("$", r"\$"), fontsize=TITLE)
    return fig


def parts_figure(
    crops: Mapping[str, ArrayLike], frames: Sequence[int], weights: ArrayLike | None, title: str
) -> Figure:
    """Draws crops of body parts over time with the parts' weights (Das et al., Fig. 6).

    Args:
        crops: Part name to crops, uint8 (n, H, W, 3).
        frames: Numbers of the n frames, for their titles.
        weights: Weights (K,) in the order of `crops`, or None.
        title: Title; name the dataset, class, model and clip.

    Raises:
        ValueError: A part does not have n crops.

    Example:
        >>> import numpy as np
        >>> from keras_skeleton.viz.attention_plots import parts_figure
        >>> crops = {"left_hand": np.zeros((2, 8, 8, 3), "uint8")}
        >>> figure = parts_figure(crops, frames=[0, 20], weights=[0.7], title="drink")
        >>> figure.axes[0].get_ylabel().split()
        ['left', 'hand', 'weight', '0.700']
    """
    videos = {name: np.asarray(video) for name, video in crops.items()}
    if lengths := {len(video) for video in videos.values()} - {len(frames)}:
        raise ValueError(f"parts with {sorted(lengths)} frames, but {len(frames)} frame numbers")
    fig = Figure(
        figsize=(WIDTH, WIDTH * len(videos) / (len(frames) + 1) + 0.5), layout="compressed"
    )
    axes = fig.subplots(len(videos), len(frames), squeeze=False)
    for k, (row, (name, video)) in enumerate(zip(axes, videos.items(), strict=True)):
        for ax, t, picture in zip(row, frames, video, strict=True):
            ax.imshow(picture)
            ax.set_xticks([])
            ax.set_yticks([])
            for spine in ax.spines.values():
                spine.set_visible(False)
            if not k:
                ax.set_title(f"frame {t}", fontsize=SMALL)
        label = name.replace("_", " ")
        if weights is not None:
            label += f"\nweight {np.asarray(weights)[k]:.3f}"
        row[0].set_ylabel(label, fontsize=LABEL, rotation=0, ha="right", va="center")
    fig.suptitle(title, fontsize=TITLE)
    return fig


def boxes_figure(
    video: ArrayLike, boxes: ArrayLike, parts: Sequence[str], frames: Sequence[int], title: str
) -> Figure:
    """Draws the boxes of body parts on frames of a video.

    Args:
        video: Frames uint8 (n, H, W, 3).
        boxes: (n, K, 4): top, left, bottom, right in pixels.
        parts: Names of the K parts.
        frames: Numbers of the n frames, for their titles.
        title: Title; name the dataset and recording.

    Raises:
        ValueError: Shapes that do not fit.
    """
    pictures, edges = np.asarray(video), np.asarray(boxes)
    if edges.shape != (len(pictures), len(parts), 4) or len(frames) != len(pictures):
        raise ValueError(
            f"boxes have shape {edges.shape}, expected ({len(pictures)}, {len(parts)}, 4) for the "
            f"frames and parts, and one number per frame"
        )
    height, width = pictures.shape[1:3]
    columns = min(len(frames), 3)
    rows = -(-len(frames) // columns)
    fig = Figure(
        figsize=(WIDTH, WIDTH / columns * rows * height / width + 0.35 * rows + 0.7),
        layout="compressed",
    )
    axes = fig.subplots(rows, columns, squeeze=False).ravel()
    for ax in axes[len(frames) :]:
        ax.set_axis_off()
    for ax, picture, own, t in zip(axes, pictures, edges, frames, strict=False):
        ax.imshow(picture)
        for (top, left, bottom, right), part, colour in zip(own, parts, COLOURS, strict=False):
            corners = ([left, right, right, left, left], [top, top, bottom, bottom, top])
            ax.plot(*corners, color=colour, linewidth=1.5, label=part.replace("_", " "))
        ax.set_xlim(0, width)
        ax.set_ylim(height, 0)
        ax.set_xticks([])
        ax.set_yticks([])
        ax.set_title(f"frame {t}", fontsize=SMALL)
    handles, labels = axes[0].get_legend_handles_labels()
    fig.legend(handles, labels, loc="outside lower center", ncols=len(parts), fontsize=SMALL)
    fig.suptitle(title, fontsize=TITLE)
    return fig
