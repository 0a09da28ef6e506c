"""An interactive HTML page of a clip with a network's attention.

attention_page.html is the template and attention_page.js the player; Plotly draws. The page is one
file that contains everything, Plotly included, and loads nothing from the network.
"""

from __future__ import annotations

import html
import json
from pathlib import Path
from typing import Any

import numpy as np
import plotly.graph_objects as go
from plotly.offline import get_plotlyjs
from plotly.subplots import make_subplots

from keras_skeleton.utils.files import write_text
from keras_skeleton.utils.templates import render, trusted
from keras_skeleton.viz.attended_clip import AttendedClip
from keras_skeleton.viz.attention_plots import joint_names
from keras_skeleton.viz.poses import side_of
from keras_skeleton.viz.style import AXES, COLOURS

BARS = 10  # number of classes next to the skeleton, in addition to the true one
CURVES = 3  # number of classes on the timeline, in addition to the true one
# Bone colors by side, dim enough that joints stand out on the dark background.
BONES = {"left": "#4F86B3", "right": "#B5774F", "trunk": "#8A94A6"}
DARK, GRID, TEXT = "#141926", "#2E374A", "#C3CAD6"
# Cividis without its darkest part, which is invisible on the dark background.
GLOW = ((0.0, "#54678F"), (0.35, "#85837D"), (0.7, "#C8B45C"), (1.0, "#FFEA46"))
PLAIN = "#C3CAD6"  # joints without attention
MARGIN = {"l": 64, "r": 16, "t": 22, "b": 40}
ROW, GAP = 74, 30  # pixels: height of a timeline row, and space for the legend between rows


def attention_page(seen: AttendedClip) -> str:
    """Returns the page as text; about 5 MB of it are Plotly."""
    T, M = seen.clip.shape[:2]
    shown = seen.shown_classes(BARS)
    title = seen.heading
    range_ = [-0.5, T - 0.5] if T > 1 else [-1, 1]
    view = {
        "points": _points(seen),
        "bones": [
            [m * seen.skeleton.size + a, m * seen.skeleton.size + b]
            for m in range(M)
            for a, b in seen.skeleton.bones
        ],
        "names": joint_names(seen.skeleton, M * seen.skeleton.size),
        "shares": None if seen.shares is None else _rounded(seen.shares.reshape(T, -1), 3),
        "top": seen.top_share,
        "frames": None if seen.frames is None else _rounded(_mean(seen.frames), 6),
        "classes": [
            {
                "name": str(seen.classes[k]),
                "probability": round(float(seen.probabilities[k]), 5),
                "true": k == seen.label,
            }
            for k in shown
        ],
        "running": None if seen.running is None else _rounded(seen.running[:, shown], 4),
        "fps": seen.fps,
        "margin": MARGIN,
        "range": range_,
        "views": _views(_aspect(_box(seen))),
        "scene": json.loads(_scene(seen).to_json()),
        "timeline": json.loads(_timeline(seen, range_).to_json()),
    }
    right = seen.label in (None, seen.predicted)
    verdict = (
        "recognized"
        if seen.label == seen.predicted
        else f"predicted as {seen.classes[seen.predicted]}"
    )
    bars_title = "Prediction for the whole clip"
    if seen.running is not None:
        bars_title = f"Prediction {'around' if seen.windows else 'up to'} this frame"
    words = {
        "title": title,
        "heading": title,
        "verdict": f"{verdict}, {100 * seen.probabilities[seen.predicted]:.1f} %",
        "bars_title": bars_title,
        "bars_note": _bars_note(seen, len(shown)),
        "attended_title": "Most attended joints in this frame",
        "attended_note": _attended_note(seen),
        "time_note": _time_note(seen),
        "last": str(T - 1),
    }
    # Escaped so that names of files and classes cannot end the script element.
    data = json.dumps(view, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")
    return render(
        Path(__file__).with_suffix(".html"),
        **words,
        wrong=not right,
        about=list(seen.about.items()),
        key=[
            (name, BONES[side])
            for side, name in (("left", "left limbs"), ("right", "right limbs"), ("trunk", "trunk"))
        ],
        view=trusted(data),
        plotly=trusted(get_plotlyjs()),
        script=trusted(Path(__file__).with_suffix(".js").read_text("utf-8")),
    )


def write_attention_page(seen: AttendedClip, path: str | Path) -> Path:
    """Writes an interactive page of a clip with a network's attention.

    The page is a single HTML file that works offline. It plays the clip in 3D and shows joint
    attention, frame attention and class probabilities over time. The file is written atomically.

    Args:
        seen: The clip and its attention.
        path: Output file.

    Returns:
        The path.

    Example:
        >>> import tempfile
        >>> import numpy as np
        >>> from keras_skeleton.skeletons import get_skeleton
        >>> from keras_skeleton.viz.attended_clip import AttendedClip
        >>> from keras_skeleton.viz.attention_page import write_attention_page
        >>> skeleton = get_skeleton("kinect_v2")
        >>> clip, p = np.ones((60, 1, 25, 3)), np.array([0.9, 0.1])
        >>> seen = AttendedClip(clip, skeleton, ["wave", "sit"], 0, p, "clip 1")
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = write_attention_page(seen, f"{folder}/attention.html")
        >>> path.name
        'attention.html'
    """
    path = Path(path)
    text = attention_page(seen)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, text)
    return path


def _rounded(values: np.ndarray, digits: int) -> list[Any]:
    """Nested lists for JSON; NaN becomes None."""
    rounded = np.round(np.asarray(values, np.float64), digits).astype(object)
    rounded[np.isnan(np.asarray(values, np.float64))] = None
    return rounded.tolist()


def _mean(frames: np.ndarray) -> np.ndarray:
    return frames if frames.ndim == 1 else frames.mean(axis=1)


def _drawn(seen: AttendedClip) -> np.ndarray:
    """The clip (T, M, V, 3) in Plotly's axes: side, depth, up."""
    return seen.clip.astype(np.float64)[..., [0, 2, 1]]


def _points(seen: AttendedClip) -> list[Any]:
    """T lists of M * V points; None for absent bodies."""
    V = seen.skeleton.size
    return [
        [point for m, body in enumerate(frame) for point in (body if there[m] else [None] * V)]
        for frame, there in zip(_rounded(_drawn(seen), 4), seen.there, strict=True)
    ]


# ---------------------------------------------------------------- the skeleton

# Camera positions, in units of the box's diagonal.
EYES = {"front": (-0.3, -1.06, 0.26), "side": (1.06, -0.2, 0.24), "above": (0.0, -0.25, 1.15)}


def _views(aspect: np.ndarray) -> dict[str, Any]:
    """Camera by name of the view, far enough away to show the whole box."""
    far = max(float(np.linalg.norm(aspect)), 1.4)
    return {
        name: {
            "eye": {axis: far * value for axis, value in zip(AXES, eye, strict=True)},
            "up": {"x": 0, "y": 0, "z": 1},
            "center": {"x": 0, "y": 0, "z": -0.06},
        }
        for name, eye in EYES.items()
    }


def _box(seen: AttendedClip) -> np.ndarray:
    """Box around all bodies, (2, 3): lowest and highest coordinates."""
    points = _drawn(seen)[seen.there].reshape(-1, 3)
    low, high = points.min(axis=0), points.max(axis=0)
    # A minimum width: a slim box would look far away, and a flat one has no scale.
    least = 0.45 * max((high - low).max(), 1e-3)
    middle, reach = (low + high) / 2, np.maximum(high - low, least) / 2 * 1.06
    ends = np.stack([middle - reach, middle + reach])
    ends[:, 2] = low[2], low[2] + 2 * reach[2]  # the floor is at the lowest joint
    return ends


def _aspect(box: np.ndarray) -> np.ndarray:
    """Edge lengths of the box relative to the longest."""
    edges = box[1] - box[0]
    return edges / edges.max()


def _scene(seen: AttendedClip) -> Any:
    """Empty traces of bones, halos and joints; the player fills them frame by frame."""
    M = seen.clip.shape[1]
    colours = [BONES[side_of(seen.skeleton.joints[child])] for _, child in seen.skeleton.bones] * M
    figure = go.Figure()
    scale = {"colorscale": GLOW, "cmin": 0, "cmax": seen.top_share}
    # A bone is two points and a gap.
    figure.add_scatter3d(
        mode="lines",
        line={"width": 5, "color": [colour for colour in colours for _ in range(3)]},
        hoverinfo="skip",
    )
    figure.add_scatter3d(
        mode="markers",
        marker={"size": 5, "opacity": 0.28, "line": {"width": 0}, **scale},
        hoverinfo="skip",
        visible=seen.joints is not None,
    )
    marker: dict[str, Any] = {"size": 5, "color": PLAIN, "line": {"width": 0}, **scale}
    if seen.joints is not None:
        marker |= {
            "colorbar": {
                "title": {"text": "joint attention<br>(1 = equal for all joints)", "side": "right"},
                "thickness": 12,
                "len": 0.75,
                "x": 1,
                "xpad": 4,
                "outlinewidth": 0,
                "tickfont": {"color": TEXT, "size": 11},
            },
        }
    names = joint_names(seen.skeleton, M * seen.skeleton.size)
    figure.add_scatter3d(
        mode="markers",
        marker=marker,
        text=[html.escape(name) for name in names],
        hovertemplate="%{text}<br>"
        + ("attention %{marker.color:.2f}<br>" if seen.joints is not None else "")
        + "(%{x:.2f}, %{z:.2f}, %{y:.2f})<extra></extra>",
    )

    ends = _box(seen)
    aspect = _aspect(ends)
    axis = {
        "showbackground": False,
        "gridcolor": GRID,
        "zerolinecolor": GRID,
        "showspikes": False,
        "nticks": 5,
        "tickfont": {"color": TEXT, "size": 10},
    }
    labels = ("x", "z, depth", "y, up")
    axes = {
        f"{name}axis": {
            **axis,
            "range": ends[:, c].tolist(),
            "title": {
                "text": f"{labels[c]} ({html.escape(seen.unit)})" if seen.unit else labels[c],
                "font": {"color": TEXT, "size": 11},
            },
        }
        for c, name in enumerate(AXES)
    }
    axes["zaxis"] |= {"showbackground": True, "backgroundcolor": "#1B2233"}
    figure.update_layout(
        template="none",
        paper_bgcolor=DARK,
        font={"color": TEXT, "size": 11},
        margin={"l": 0, "r": 0, "t": 0, "b": 0},
        showlegend=False,
        scene={
            "aspectmode": "manual",
            "aspectratio": dict(zip(AXES, aspect.tolist(), strict=True)),
            "dragmode": False,  # the player handles dragging
            "camera": _views(aspect)["front"],
            **axes,
        },
    )
    return figure


# ---------------------------------------------------------------- the timeline


def _timeline(seen: AttendedClip, range_: list[float]) -> Any:
    """Frame attention above the running probabilities, where available."""
    rows = [what for what in ("frames", "running") if getattr(seen, what) is not None]
    inner = max(len(rows), 1) * (ROW + GAP) - GAP
    figure = make_subplots(
        max(len(rows), 1),
        1,
        shared_xaxes=True,
        vertical_spacing=GAP / inner if len(rows) > 1 else 0,
    )
    x = np.arange(len(seen.clip)).tolist()

    def curve(row: int, y: np.ndarray, name: str, **line: Any) -> None:
        figure.add_scatter(
            x=x,
            y=_rounded(y, 6),
            name=html.escape(name),
            mode="lines" if len(x) > 1 else "markers",
            line=line,
            legend="legend" if row == 1 else "legend2",
            row=row,
            col=1,
        )

    for row, what in enumerate(rows, 1):
        if what == "frames":
            assert seen.frames is not None
            if seen.frames.ndim == 2:
                styles = zip(
                    AXES, ("#56B4E9", "#CC79A7", "#009E73"), ("solid", "dash", "dot"), strict=True
                )
                for c, (name, colour, dash) in enumerate(styles):
                    curve(row, seen.frames[:, c], name, color=colour, dash=dash, width=1.5)
            curve(
                row,
                _mean(seen.frames),
                "mean" if seen.frames.ndim == 2 else "frame attention",
                color="#1D2430",
                width=2.5,
            )
            figure.update_yaxes(title_text="attention", rangemode="normal", row=row, col=1)
        else:
            assert seen.running is not None
            for i, k in enumerate(seen.shown_classes(CURVES)):
                true = k == seen.label
                curve(
                    row,
                    seen.running[:, k],
                    ("\u2713 " if true else "") + str(seen.classes[k]),
                    color=COLOURS[0] if true else COLOURS[1 + i],
                    width=2.5 if true else 1.5,
                    dash="solid" if true else "dash",
                )
            figure.update_yaxes(title_text="probability", range=[-0.03, 1.03], row=row, col=1)
    figure.update_xaxes(
        range=range_,
        showgrid=False,
        zeroline=False,
        ticks="outside",
        nticks=16,
        linecolor="#9AA3B2",
    )
    figure.update_yaxes(nticks=5, zeroline=False, gridcolor="#E3E6EB", fixedrange=True)
    figure.update_xaxes(title_text="frame", title_standoff=4, row=max(len(rows), 1), col=1)
    if seen.interval is not None:
        first, last = seen.interval
        figure.add_vrect(
            x0=max(first - 0.5, range_[0]),
            x1=min(last + 0.5, range_[1]),
            fillcolor="#E69F00",
            opacity=0.18,
            line_width=0,
            layer="below",
        )
    legend = {"orientation": "h", "x": 1, "xanchor": "right", "yanchor": "bottom"}
    figure.update_layout(
        template="none",
        height=inner + MARGIN["t"] + MARGIN["b"],
        margin={**MARGIN, "autoexpand": False},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="#FAFBFC",
        font={"color": "#1D2430", "size": 11},
        showlegend=True,
        legend={**legend, "y": 1},
        legend2={**legend, "y": ROW / inner},
    )
    return figure


# ---------------------------------------------------------------- words


def _bars_note(seen: AttendedClip, shown: int) -> str:
    rest = len(seen.classes) - shown
    note = "" if seen.label is None else "\u2713 marks the true class."
    if seen.running is not None:
        which = "windows around" if seen.windows else "the frames up to"
        note += (
            f" Bars show the prediction from {which} the playhead; dark marks show the prediction "
            "for the whole clip."
        )
    note += f" {rest} less probable classes are not shown." if rest else ""
    return note.strip()


def _attended_note(seen: AttendedClip) -> str:
    if seen.joints is None:
        return "This network has no attention to joints; all joints are drawn alike."
    return (
        "Relative to equal attention to all joints (1.00). The color scale ends at "
        f"{seen.top_share:.1f}."
    )


def _time_note(seen: AttendedClip) -> str:
    notes = []
    if seen.frames is None:
        notes.append("This network has no attention to frames.")
    elif seen.frames.ndim == 2:
        notes.append("Each coordinate has its own attention to frames.")
    if seen.interval is not None:
        notes.append("Shaded: the labeled action.")
    if not seen.fps:
        notes.append("The frame rate is unknown; speed 1 is 30 frames per second.")
    keys = (
        "Click or drag to seek. Space plays or pauses; the arrow keys step by one frame, with "
        "Shift by ten."
    )
    return " ".join(filter(None, [*notes, seen.note, keys]))
