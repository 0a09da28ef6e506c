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
from keras_skeleton.viz.style import AXES, COLOURS, EVERY_FRAME, EVERY_JOINT

BARS = 10  # number of classes next to the skeleton, in addition to the true one
CURVES = 3  # number of classes on the timeline, in addition to the true one
# Bone colors by side, dim enough that joints stand out on the dark background.
BONES = {"left": "#4F86B3", "right": "#B5774F", "trunk": "#8A94A6"}
DARK, GRID, TEXT = "#141926", "#2E374A", "#C3CAD6"
# Cividis without its darkest part, which is invisible on the dark background.
GLOW = ((0.0, "#54678F"), (0.35, "#85837D"), (0.7, "#C8B45C"), (1.0, "#FFEA46"))
PLAIN = "#C3CAD6"  # joints without attention
MARGIN = {"l": 40, "r": 12, "t": 22, "b": 40}
ROW, GAP = 84, 44  # pixels: height of a timeline row, and space for the next one's title


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
        "names": _joint_names(seen),
        "shares": None if seen.shares is None else _rounded(seen.shares.reshape(T, -1), 3),
        "top": seen.top_share,
        "frames": None if seen.frame_shares is None else _rounded(_mean(seen.frame_shares), 4),
        "start": seen.peak,
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
        "views": {name: dict(zip(AXES, eye, strict=True)) for name, eye in EYES.items()},
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
        "start": str(seen.peak),
    }
    # Escaped so that names of files and classes cannot end the script element.
    data = json.dumps(view, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")
    return render(
        Path(__file__).with_suffix(".html"),
        **words,
        wrong=not right,
        about=list(seen.about.items()),
        scale=_scale(seen),
        legends=_legends(seen),
        swap=seen.swap,
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


def _joint_names(seen: AttendedClip) -> list[str]:
    """Names of M * V joints; bodies are numbered if the clip shows more than one."""
    M, V = seen.clip.shape[1:3]
    if seen.there.any(axis=0).sum() > 1:
        return joint_names(seen.skeleton, M * V)
    return joint_names(seen.skeleton, V) * M


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

# Directions from which the camera looks; the player finds the distance.
EYES = {"front": (-0.3, -1.06, 0.26), "side": (1.06, -0.2, 0.24), "above": (0.0, -0.25, 1.15)}


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
    figure.add_scatter3d(
        mode="markers",
        marker={"size": 5, "color": PLAIN, "line": {"width": 0}, **scale},
        text=[html.escape(name) for name in _joint_names(seen)],
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
            **axes,
        },
    )
    return figure


# ---------------------------------------------------------------- the timeline


def _timeline(seen: AttendedClip, range_: list[float]) -> Any:
    """Frame attention above the running probabilities, where available. The page has the legend."""
    rows = [what for what in ("frames", "running") if getattr(seen, what) is not None]
    inner = max(len(rows), 1) * (ROW + GAP) - GAP
    figure = make_subplots(
        max(len(rows), 1),
        1,
        shared_xaxes=True,
        vertical_spacing=GAP / inner if len(rows) > 1 else 0,
    )
    x = np.arange(len(seen.clip)).tolist()

    def title(row: int, text: str) -> None:
        figure.add_annotation(
            text=text,
            x=range_[0],
            y=1,
            yref="y domain",
            xanchor="left",
            yanchor="bottom",
            showarrow=False,
            font={"size": 12},
            row=row,
            col=1,
        )

    for row, what in enumerate(rows, 1):
        for name, colour, dash, y in _curves(seen, what):
            figure.add_scatter(
                x=x,
                y=_rounded(y, 6),
                name=html.escape(name),
                mode="lines" if len(x) > 1 else "markers",
                line={"color": colour, "dash": dash, "width": 2.5 if dash == "solid" else 1.5},
                row=row,
                col=1,
            )
        if what == "frames":
            assert seen.frame_shares is not None
            title(row, f"attention to frames ({EVERY_FRAME})")
            most = max(2.0, 1.05 * float(seen.frame_shares.max()))
            figure.update_yaxes(range=[0, most], row=row, col=1)
            figure.add_hline(
                y=1, line={"color": "#9AA3B2", "width": 1, "dash": "dash"}, layer="below", row=row
            )
        else:
            title(row, "probability")
            figure.update_yaxes(range=[-0.03, 1.03], row=row, col=1)
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
    figure.update_layout(
        template="none",
        height=inner + MARGIN["t"] + MARGIN["b"],
        margin={**MARGIN, "autoexpand": False},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="#FAFBFC",
        font={"color": "#1D2430", "size": 11},
        showlegend=False,
    )
    return figure


def _curves(seen: AttendedClip, what: str) -> list[tuple[str, str, str, np.ndarray]]:
    """Name, color, dashes and values of the curves of a row of the timeline."""
    if what == "frames":
        assert seen.frame_shares is not None
        mean = _mean(seen.frame_shares)
        if seen.frame_shares.ndim == 1:
            return [("attention to frames", "#1D2430", "solid", mean)]
        styles = zip(
            AXES, ("#56B4E9", "#CC79A7", "#009E73"), ("dot", "dash", "dashdot"), strict=True
        )
        curves = [
            (name, colour, dash, seen.frame_shares[:, c])
            for c, (name, colour, dash) in enumerate(styles)
        ]
        return [*curves, ("mean", "#1D2430", "solid", mean)]
    assert seen.running is not None
    return [
        (
            ("\u2713 " if k == seen.label else "") + str(seen.classes[k]),
            COLOURS[0] if k == seen.label else COLOURS[1 + i],
            "solid" if k == seen.label else "dash",
            seen.running[:, k],
        )
        for i, k in enumerate(seen.shown_classes(CURVES))
    ]


def _legends(seen: AttendedClip) -> list[tuple[str, list[tuple[str, str, str]]]]:
    """For each row with several curves: what it shows, and its (name, color, line style)."""
    styles = {"solid": "solid", "dot": "dotted"}
    rows = [
        (title, _curves(seen, what))
        for what, title in (("frames", "attention"), ("running", "probability"))
        if getattr(seen, what) is not None
    ]
    return [
        (title, [(name, colour, styles.get(dash, "dashed")) for name, colour, dash, _ in curves])
        for title, curves in rows
        if len(curves) > 1
    ]


def _scale(seen: AttendedClip) -> dict[str, str] | None:
    """The color scale of joint attention, for the page; None without it."""
    if seen.joints is None:
        return None
    return {
        "colours": ", ".join(f"{colour} {100 * at:.0f}%" for at, colour in GLOW),
        "words": EVERY_JOINT,
        "one": f"{100 / seen.top_share:.2f}%",
        "top": f"{seen.top_share:.3g}",
    }


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
    return f"{EVERY_JOINT}; {seen.top_share:.3g} and more is brightest."


def _time_note(seen: AttendedClip) -> str:
    notes = []
    if seen.frames is None:
        notes.append("This network has no attention to frames.")
    else:
        each = "; each coordinate has its own" if seen.frames.ndim == 2 else ""
        notes.append(f"Attention to frames is relative to its mean over the clip{each}.")
        mean = _mean(seen.frame_shares if seen.frame_shares is not None else seen.frames)
        if mean.min() > 0.9 and mean.max() < 1.1:
            notes.append("Here it weighs all frames nearly alike.")
    if seen.interval is not None:
        notes.append("Shaded: the labeled action.")
    if not seen.fps:
        notes.append("The frame rate is unknown; speed 1 is 30 frames per second.")
    keys = (
        "Click or drag to seek. Space plays or pauses; the arrow keys step by one frame, with "
        "Shift by ten."
    )
    return " ".join(filter(None, [*notes, seen.note, keys]))
