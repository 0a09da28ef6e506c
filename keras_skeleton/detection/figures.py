"""Attention over recordings as figures, with what it proposes (Song et al., TIP 2018, Figs. 11
and 12)."""

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
    """Fig. 11: attention over one recording, a panel a network, with its proposals.

    Args:
        curves: Name of a network to its attention (T,), as it puts it out.
        settings: By the same names; the proposals are drawn at one scale.
        truth: What is annotated in the recording: `start`, `end`.
        title: Says dataset, recording and weights.
        fps: Frames a second; without, time is drawn in frames.
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
    """Fig. 12: how the recall of proposals depends on epsilon, omega and delta, each with the
    others as in the settings.

    Args:
        curves: Name of a recording to a network's attention (T,), as it puts it out.
        settings: The network's.
        truth: What is annotated: `video`, `start`, `end`; other recordings do not count.
        title: Says dataset, network and weights.
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
        "threshold $\\epsilon$" + (" (share of the maximum)" if settings.relative else ""): {
            f"{x:g}": recall(x, w) for x in sorted({0.0, 0.1, 0.2, 0.3, e})
        },
        "distance $\\omega$ (frames)": {f"{x}": recall(e, x) for x in sorted({0, 10, 30, 60, w})},
        "scale $\\delta$ (share of the length)": {
            "one scale": recall(e, w),
            **{f"1/{n}": recall(e, w, 1 / n) for n in (2, 3, 4)},
        },
    }
    title = f"{title}\n$\\epsilon$ = {e:g}, $\\omega$ = {w} unless varied"
    return recall_figure(panels, title, "proposals in a recording")
