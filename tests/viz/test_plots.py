"""Figures: what stands on the axes, and that the data stand where they belong."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.collections import LineCollection, PathCollection
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from keras_skeleton.models.attention_maps import attention_on_frames
from keras_skeleton.skeletons import KINECT_V1, SKELETONS
from keras_skeleton.viz.accuracy_plots import confusion_figure, curves_figure
from keras_skeleton.viz.poses import draw_pose
from keras_skeleton.viz.strips import attention_strip_figure, strip_figure
from keras_skeleton.viz.style import SIDES, save_figure


def make_clip(frames=40, bodies=1, skeleton=KINECT_V1, seed=0):
    """A clip that walks sideways: every joint has a height and a place of its own."""
    rng = np.random.default_rng(seed)
    clip = rng.normal(0, 0.3, (frames, bodies, skeleton.size, 3))
    clip[..., 0] += np.linspace(-2, 2, frames)[:, None, None]
    return clip


def bones(ax):
    """The segments (bones, 2, 2) of every body drawn, in the order of drawing."""
    return [np.array(c.get_segments()) for c in ax.collections if isinstance(c, LineCollection)]


def panel(fig, label):
    return next(ax for ax in fig.axes if ax.get_label() == label)


def draw(fig, tmp_path):
    """Saves the figure: layout and fonts are only then worked out, and may warn."""
    return save_figure(fig, tmp_path / "figure.png", dpi=50)


# Poses


@pytest.mark.parametrize("skeleton", SKELETONS.values(), ids=SKELETONS)
def test_pose_stands_where_its_joints_are(skeleton, tmp_path):
    pose = make_clip(1, 2, skeleton)[0]
    fig = Figure()
    ax = fig.add_subplot()
    draw_pose(ax, pose, skeleton.name, side=2, up=1)
    for body, segments in enumerate(bones(ax)):
        np.testing.assert_allclose(segments, pose[body][np.array(skeleton.bones)][..., [2, 1]])
    assert len(bones(ax)) == 2
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("z (m)", "y (m)")
    draw(fig, tmp_path)
    across, upwards = np.diff(ax.transData.transform([(0, 0), (1, 0), (0, 0), (0, 1)]), axis=0)[::2]
    assert across[0] == pytest.approx(upwards[1])  # equal scale
    low, high = pose[..., 1].min(), pose[..., 1].max()
    assert ax.get_ylim()[0] <= low < high <= ax.get_ylim()[1]  # up is up, and all of it is seen


def test_sides_have_their_colours():
    fig = Figure()
    ax = fig.add_subplot()
    draw_pose(ax, make_clip()[0], KINECT_V1)
    colours = [to_hex(colour).upper() for colour in ax.collections[0].get_colors()]
    for (_, child), colour in zip(KINECT_V1.bones, colours, strict=True):
        side = KINECT_V1.joints[child].split("_")[0]
        assert colour == SIDES.get(side, SIDES["trunk"])


def test_absent_bodies_are_not_drawn():
    pose = make_clip(1, 3)[0]
    pose[1] = 0
    pose[2, 5] = np.nan
    fig = Figure()
    ax = fig.add_subplot()
    draw_pose(ax, pose, KINECT_V1)
    assert len(bones(ax)) == 1


@pytest.mark.parametrize(
    ("shape", "options", "message"),
    [
        ((20, 3), {}, r"pose has shape \(20, 3\), expected \(M, V, 3\)"),
        ((1, 25, 3), {}, r"expected \(T, M, 20, 3\)"),
        ((1, 20, 3), {"side": 1}, "two different values"),
        ((1, 20, 3), {"up": 3}, "two different values"),
    ],
)
def test_bad_poses(shape, options, message):
    with pytest.raises(ValueError, match=message):
        draw_pose(Figure().add_subplot(), np.ones(shape), KINECT_V1, **options)


# Strips


@pytest.mark.parametrize(("frames", "bodies"), [(1, 1), (2, 2), (7, 1), (25, 2), (120, 1)])
def test_strip_poses_stand_over_their_frames_in_one_scale(frames, bodies, tmp_path):
    clip = make_clip(frames, bodies)
    fig = strip_figure(clip, KINECT_V1, "UT-Kinect, walk", fps=30)
    draw(fig, tmp_path)
    ax = panel(fig, "strip")
    drawn = bones(ax)
    assert len(drawn) % bodies == 0
    poses = len(drawn) // bodies
    assert poses <= 12
    shown = sorted(line.get_xdata()[0] for line in ax.lines if line.get_linestyle() == "-")
    assert len(shown) == poses

    # Undo the drawing: inches over frames back to metres around the root of frame t.
    origin, right, upper = ax.transData.transform([(0, 0), (1, 0), (0, 1)])
    frames_per_metre = (upper - origin)[1] / (right - origin)[0]
    tree = np.array(KINECT_V1.bones)
    for i, t in enumerate(shown):
        t = int(t)
        centre = clip[t, :, KINECT_V1.root, 0].mean()
        for body in range(bodies):
            segments = drawn[i * bodies + body]
            wanted = clip[t, body][tree]
            np.testing.assert_allclose(segments[..., 1], wanted[..., 1])
            sideways = (segments[..., 0] - t) / frames_per_metre
            np.testing.assert_allclose(sideways, wanted[..., 0] - centre, atol=1e-6)
    every = np.concatenate(drawn).reshape(-1, 2)
    assert ax.get_xlim()[0] <= every[:, 0].min()
    assert every[:, 0].max() <= ax.get_xlim()[1]
    assert ax.get_ylim()[0] <= every[:, 1].min()
    assert every[:, 1].max() <= ax.get_ylim()[1]


def test_strip_takes_the_number_of_poses():
    assert len(bones(panel(strip_figure(make_clip(), KINECT_V1, "", poses=5), "strip"))) == 5
    assert len(bones(panel(strip_figure(make_clip(3), KINECT_V1, "", poses=9), "strip"))) == 3
    assert len(bones(panel(strip_figure(make_clip(9), KINECT_V1, "", poses=1), "strip"))) == 1


def test_attention_and_strip_share_their_frames(tmp_path):
    attention = np.linspace(0, 1, 40)
    fig = attention_strip_figure(
        make_clip(), "kinect_v1", attention, "UT-Kinect, $walk$", fps=30, interval=(10, 19)
    )
    draw(fig, tmp_path)
    top, strip = panel(fig, "attention"), panel(fig, "strip")
    assert top.get_xlim() == strip.get_xlim()
    boxes = [ax.get_position() for ax in (top, strip)]
    assert (boxes[0].x0, boxes[0].x1) == (boxes[1].x0, boxes[1].x1)
    assert boxes[0].y0 > boxes[1].y1  # above the poses
    assert (strip.get_xlabel(), strip.get_ylabel()) == ("frame", "y (m)")
    assert "every frame alike" in top.get_ylabel()
    assert top.get_ylim()[0] == 0
    curve = next(line for line in top.lines if line.get_label() == "mean")
    np.testing.assert_allclose(
        curve.get_xydata(), np.stack([np.arange(40), attention / attention.mean()], 1)
    )
    assert top.child_axes[0].get_xlabel() == "time (s)"
    for ax in (top, strip):
        shade = ax.patches[0].get_extents().transformed(ax.transData.inverted())
        assert (shade.x0, shade.x1) == pytest.approx((9.5, 19.5))
    entries = [text.get_text() for text in fig.legends[0].get_texts()]
    assert entries == ["left limbs", "right limbs", "trunk and head", "labeled action"]


def test_attention_by_coordinate(tmp_path):
    attention = np.random.default_rng(0).random((40, 3))
    fig = attention_strip_figure(make_clip(bodies=2), KINECT_V1, attention, "two bodies")
    draw(fig, tmp_path)
    top = panel(fig, "attention")
    lines = {line.get_label(): line.get_ydata() for line in top.lines}
    for i, name in enumerate("xyz"):
        np.testing.assert_allclose(lines[name], attention[:, i] / attention.mean())
    np.testing.assert_allclose(lines["mean"], attention.mean(axis=1) / attention.mean())
    assert "second body (paler)" in [text.get_text() for text in fig.legends[0].get_texts()]


def test_joints_of_the_strip_are_marked_by_their_attention():
    clip = make_clip(bodies=2)
    shares = np.random.default_rng(0).random(clip.shape[:3])
    fig = attention_strip_figure(clip, KINECT_V1, None, "t", poses=4, shares=shares, top=0.5)
    strip, scale = panel(fig, "strip"), panel(fig, "scale")
    dots = [c for c in strip.collections if isinstance(c, PathCollection)]
    assert len(dots) == 4 * 2
    order = np.argsort(shares[0, 0])
    np.testing.assert_allclose(dots[0].get_array(), shares[0, 0][order])
    assert (np.diff(dots[0].get_sizes()) >= 0).all()
    assert dots[0].get_sizes()[-1] == 74  # beyond the end of the scale they grow no more
    assert scale.get_ylabel().startswith("attention to joints")
    assert scale.get_position().x0 > strip.get_position().x1
    with pytest.raises(ValueError, match="shares have shape"):
        attention_strip_figure(clip, KINECT_V1, None, "t", shares=shares[1:])


def test_strip_of_a_body_that_comes_late(tmp_path):
    clip = make_clip(30, 2)
    clip[:20, 1] = 0
    clip[:3] = 0  # nobody at all
    fig = strip_figure(clip, KINECT_V1, "late", poses=4)  # frames 0, 10, 19 and 29
    assert len(bones(panel(fig, "strip"))) == 0 + 1 + 1 + 2
    draw(fig, tmp_path)


@pytest.mark.parametrize(
    ("attention", "message"),
    [
        (np.zeros(50), "attention_on_frames"),
        (np.zeros((40, 2)), r"expected \(40,\) or \(40, 3\)"),
        (np.full(40, np.nan), "NaN"),
    ],
)
def test_bad_attention(attention, message):
    with pytest.raises(ValueError, match=message):
        attention_strip_figure(make_clip(), KINECT_V1, attention, "")


def test_bad_clips():
    with pytest.raises(ValueError, match="shows no body"):
        strip_figure(np.zeros((5, 1, 20, 3)), KINECT_V1, "")
    with pytest.raises(ValueError, match=r"expected \(T, M, 20, 3\)"):
        strip_figure(np.zeros((0, 1, 20, 3)), KINECT_V1, "")


# Attention on other frames


def test_attention_on_frames_by_hand():
    # Three rows at frames 0, 2 and 3 of a clip of five frames.
    resampled = attention_on_frames([1.0, 3.0, 7.0], [0, 2, 3], 5)
    np.testing.assert_allclose(resampled, [1, 2, 3, 7, 7])
    # The same out of order, with padding and with one row split into two of the same mean.
    rows = [3, np.nan, 0, 2, 2]
    resampled = attention_on_frames([7.0, 99, 1, 2, 4], rows, 5)
    np.testing.assert_allclose(resampled, [1, 2, 3, 7, 7])


def test_attention_on_frames_keeps_columns():
    attention = np.random.default_rng(0).random((50, 3))
    resampled = attention_on_frames(attention, np.linspace(0, 9, 50), 10)
    assert resampled.shape == (10, 3)
    for i in range(3):
        alone = attention_on_frames(attention[:, i], np.linspace(0, 9, 50), 10)
        np.testing.assert_array_equal(resampled[:, i], alone)


@settings(max_examples=50, deadline=None)
@given(st.integers(2, 60), st.integers(2, 60), st.floats(-2, 2), st.floats(-2, 2))
def test_attention_on_frames_keeps_a_straight_line(rows, frames, slope, start):
    places = np.linspace(0, frames - 1, rows)
    resampled = attention_on_frames(start + slope * places, places, frames)
    np.testing.assert_allclose(resampled, start + slope * np.arange(frames), atol=1e-9)


@pytest.mark.parametrize(
    ("attention", "rows", "message"),
    [
        (np.ones(5), np.arange(4), "expected"),
        (np.ones((5, 3, 1)), np.arange(5), "expected"),
        (np.ones(2), [np.nan, np.nan], "no row shows a frame"),
    ],
)
def test_attention_on_frames_refuses(attention, rows, message):
    with pytest.raises(ValueError, match=message):
        attention_on_frames(attention, rows, 5)


# Confusion


def test_confusion_figure(tmp_path):
    matrix = np.array([[3, 1, 0], [0, 0, 0], [0, 2, 2]])
    classes = ("walk", "$sit$", "throw")
    fig = confusion_figure(matrix, classes, "MANs on UT-Kinect")
    draw(fig, tmp_path)
    ax, bar = fig.axes
    share = ax.images[0].get_array()
    np.testing.assert_allclose(share[[0, 2]], [[0.75, 0.25, 0], [0, 0.5, 0.5]])
    assert share.mask[1].all()  # no clips, no share
    written = {text.get_position(): text.get_text() for text in ax.texts}
    assert written == {(0, 0): "3", (1, 0): "1", (1, 2): "2", (2, 2): "2"}
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("predicted class", "true class")
    assert [label.get_text() for label in ax.get_yticklabels()] == ["walk", r"\$sit\$", "throw"]
    assert bar.get_ylabel() == "share of the true class's clips"
    assert ax.get_title() == "MANs on UT-Kinect"


@pytest.mark.parametrize("classes", [1, 25, 60])
def test_confusion_labels_do_not_overlap_and_stay_inside(classes, tmp_path):
    rng = np.random.default_rng(0)
    matrix = rng.integers(0, 3, (classes, classes)) + 50 * np.eye(classes, dtype=int)
    names = [f"class {i} with a long name, longer than most" for i in range(classes)]
    fig = confusion_figure(matrix, names, "NTU RGB+D, cross-subject, MANs-9")
    draw(fig, tmp_path)
    fig.draw_without_rendering()  # at the figure's own resolution, in which places are measured
    ax = fig.axes[0]
    for labels, low, high in (
        (ax.get_yticklabels(), "y0", "y1"),
        (ax.get_xticklabels(), "x0", "x1"),
    ):
        boxes = sorted(
            (label.get_window_extent() for label in labels), key=lambda box: getattr(box, low)
        )
        for first, second in pairwise(boxes):
            assert getattr(first, high) <= getattr(second, low) + 1
        for box in boxes:
            assert box.x0 >= -1
            assert box.y0 >= -1
    assert ax.yaxis.label.get_window_extent().x0 >= -1
    numbered = [label.get_text() for label in ax.get_xticklabels()]
    assert (numbered[-1] == "60") == (classes == 60)


def test_confusion_refuses():
    with pytest.raises(ValueError, match=r"expected \(C, C\)"):
        confusion_figure(np.ones((2, 3)), "ab", "")
    with pytest.raises(ValueError, match="3 class names for 2 classes"):
        confusion_figure(np.ones((2, 2)), "abc", "")


def history(errors, shift=0.0, **columns):
    errors = np.asarray(errors, float) + shift
    table = {
        "epoch": range(1, len(errors) + 1),
        "accuracy": 1 - errors,
        "test_accuracy": 1 - errors,
    }
    return pd.DataFrame(table | columns)


def test_curves_of_several_models(tmp_path):
    errors = [0.5, 0.3, 0.2]
    fig = curves_figure(
        {
            "STCM-9": history(errors, 0.1),
            "MANs-9": history(errors, val_accuracy=[0.4, 0.6, np.nan]),
        },
        "NTU RGB+D, cross-subject",
        selected={"MANs-9": 2},
    )
    draw(fig, tmp_path)
    left, right = fig.axes
    assert [text.get_text() for text in left.get_legend().get_texts()] == ["STCM-9", "MANs-9"]
    assert (left.get_ylabel(), right.get_ylabel()) == ("training error (%)", "testing error (%)")
    assert left.get_xlabel() == right.get_xlabel() == "epoch"
    np.testing.assert_allclose(left.lines[1].get_ydata(), [50, 30, 20])
    np.testing.assert_allclose(right.lines[0].get_ydata(), [60, 40, 30])
    dashed = next(line for line in right.lines if line.get_linestyle() == "--")
    np.testing.assert_allclose(dashed.get_xydata(), [[1, 60], [2, 40]])  # NaN: not measured
    dot = next(line for line in right.lines if line.get_marker() == "o")
    np.testing.assert_allclose(dot.get_xydata(), [[2, 30]])
    assert fig.get_suptitle() == "NTU RGB+D, cross-subject"
    key = [text.get_text() for text in right.get_legend().get_texts()]
    assert key == ["testing", "validation", "selected on validation clips"]


def test_curves_of_folds(tmp_path):
    folds = [history([0.5, 0.3, 0.2]), history([0.7, 0.5])]  # the second one stopped early
    fig = curves_figure({"MANs-9": folds}, "UT-Kinect", selected={"MANs-9": [3, 1]})
    draw(fig, tmp_path)
    right = fig.axes[1]
    np.testing.assert_allclose(right.lines[0].get_ydata(), [60, 40, 20])
    band = right.collections[0].get_paths()[0].vertices
    assert {(1.0, 50.0), (1.0, 70.0), (2.0, 30.0), (2.0, 50.0)} <= set(map(tuple, band.round(6)))
    dots = [line.get_xydata()[0].tolist() for line in right.lines if line.get_marker() == "o"]
    np.testing.assert_allclose(dots, [[3, 20], [1, 70]])
    assert right.get_ylim()[0] == 0
    assert right.get_ylim()[1] > 70


@pytest.mark.parametrize(
    ("columns", "label"),
    [(["val_accuracy"], "validation error (%)"), ([], "testing error (%)")],
)
def test_curves_without_test_clips(columns, label, tmp_path):
    table = history([0.5], val_accuracy=[0.4])[["epoch", "accuracy", *columns]]
    fig = curves_figure({"one epoch": table}, "UT-Kinect", selected={"one epoch": 1})
    draw(fig, tmp_path)
    assert fig.axes[1].get_ylabel() == label
    assert [text.get_text() for text in fig.axes[1].texts] == ([] if columns else ["not measured"])


def test_an_epoch_written_twice_counts_once():
    table = pd.concat([history([0.5, 0.3]), history([0.9, 0.2]).tail(1)])
    fig = curves_figure({"resumed": table}, "")
    np.testing.assert_allclose(fig.axes[0].lines[0].get_ydata(), [50, 20])


def test_curves_refuse():
    with pytest.raises(ValueError, match="no histories"):
        curves_figure({}, "")
    with pytest.raises(ValueError, match=r"history of 'a': .*\['accuracy'\]"):
        curves_figure({"a": pd.DataFrame({"epoch": [1]})}, "")
    with pytest.raises(ValueError, match="2 selected epochs for 1 histories"):
        curves_figure({"a": history([0.5])}, "", selected={"a": [1, 2]})


# Files


@pytest.mark.parametrize("kind", ["png", "pdf"])
def test_saving_is_repeatable(kind, tmp_path):
    saved = [
        save_figure(strip_figure(make_clip(10), KINECT_V1, "twice"), tmp_path / name / f"a.{kind}")
        for name in ("one", "two")
    ]
    assert saved[0].read_bytes() == saved[1].read_bytes()
    assert [path.name for path in saved[0].parent.iterdir()] == [f"a.{kind}"]


def test_failed_saving_leaves_nothing(tmp_path):
    with pytest.raises(ValueError, match="not supported"):
        save_figure(Figure(), tmp_path / "a.nonsense")
    assert list(tmp_path.iterdir()) == []


# Real clips


def test_real_clip_stands_upright(real_data, tmp_path):
    """In a real recording the head is drawn above the feet, and the body is as tall as a person."""
    folder = real_data("ut_kinect") / "joints"
    rows = [line.split() for line in (folder / "joints_s01_e01.txt").read_text().splitlines()]
    clip = np.array([row[1:] for row in rows if len(row) == 61], float).reshape(-1, 1, 20, 3)[
        100:140
    ]
    fig = strip_figure(clip, KINECT_V1, "UT-Kinect")
    draw(fig, tmp_path)
    ax = panel(fig, "strip")
    assert 1.0 < np.diff(ax.get_ylim())[0] < 2.5
    head = [bone[1] for bone in KINECT_V1.bones].index(KINECT_V1.index("head"))
    for segments in bones(ax):
        above = ax.transData.transform(segments[head, 1])[1]
        assert above == max(ax.transData.transform(point)[1] for point in segments.reshape(-1, 2))
