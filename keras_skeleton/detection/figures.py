"""Figures of attention over recordings and of its proposals (Song et al., TIP 2018, Figs. 11 and
12)."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from keras_skeleton.detection.detect import Settings, smoothed
from keras_skeleton.detection.proposals import multiscale, propose
from keras_skeleton.detection.scoring import recall_by_number
from keras_skeleton.viz.detection_plots import curve_figure, recall_figure


def attention_figure(
    curves: Mapping[str, np.ndarray],
    settings: Mapping[str, Settings],
    truth: pd.DataFrame,
    title: str,
    fps: float | None = None,
) -> Figure:
    """Draws the attention of networks over one recording with their proposals (Fig. 11).

    Args:
        curves: Attention of each network, (T,), by its name; one panel per network.
        settings: Settings of each network by its name; proposals are drawn at one scale.
        truth: Annotated actions of the recording, with `start` and `end`.
        title: Title with dataset, recording and weights.
        fps: Frames per second; if None, the time axis is in frames.
    """
    values, levels, proposals = {}, {}, {}
    for name, curve in curves.items():
        values[name], levels[name] = smoothed(curve, settings[name])
        spans = propose(values[name], levels[name], settings[name].omega)
        proposals[name] = pd.DataFrame(spans, columns=["start", "end"])
    return curve_figure(values, proposals, truth=truth, thresholds=levels, title=title, fps=fps)


def proposal_recall_figure(
    curves: Mapping[str, np.ndarray], settings: Settings, truth: pd.DataFrame, title: str
) -> Figure:
    """Draws the recall of proposals for different epsilon, omega and delta (Fig. 12).

    One parameter is varied per panel; the others are those of the settings.

    Args:
        curves: Attention of the network, (T,), by recording.
        settings: Settings of the network.
        truth: Annotated actions, with `video`, `start`, `end`; other recordings are ignored.
        title: Title with dataset, network and weights.
    """
    own = {video: smoothed(curve, settings)[0] for video, curve in curves.items()}
    truth = truth[truth["video"].isin(list(own))]

    def recall(epsilon: float, omega: int, delta: float | None = None) -> pd.DataFrame:
        rows = []
        for video, values in own.items():
            level = epsilon * float(values.max(initial=0)) if settings.relative else epsilon
            spans = propose(values, level, omega)
            if delta:
                spans = multiscale(spans, len(values), delta=delta)
            total = np.concatenate([[0.0], np.cumsum(values)])
            score = (total[spans[:, 1]] - total[spans[:, 0]]) / (spans[:, 1] - spans[:, 0])
            rows.append(
                pd.DataFrame(spans, columns=["start", "end"]).assign(video=video, score=score)
            )
        return recall_by_number(pd.concat(rows), truth)

    e, w = settings.epsilon, settings.omega
    panels = {
        "threshold $\\epsilon$" + (" (fraction of the maximum)" if settings.relative else ""): {
            f"{x:g}": recall(x, w) for x in sorted({0.0, 0.1, 0.2, 0.3, e})
        },
        "distance $\\omega$ (frames)": {f"{x}": recall(e, x) for x in sorted({0, 10, 30, 60, w})},
        "scale $\\delta$ (fraction of the length)": {
            "one scale": recall(e, w),
            **{f"1/{n}": recall(e, w, 1 / n) for n in (2, 3, 4)},
        },
    }
    title = f"{title}\n$\\epsilon$ = {e:g}, $\\omega$ = {w} unless varied"
    return recall_figure(panels, title, "proposals per recording")
