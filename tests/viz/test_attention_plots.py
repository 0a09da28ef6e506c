import numpy as np
import pytest

from keras_skeleton.skeletons import get_skeleton
from keras_skeleton.viz.attention_plots import (
    attended_poses_figure,
    boxes_figure,
    class_attention_figure,
    engaged_joints_figure,
    frame_curves_figure,
    image_attention_figure,
    joint_names,
    mean_attention,
    parameter_figure,
    parts_figure,
)


def test_mean_attention_resizes_every_clip():
    ramp = [np.linspace(0, 1, T) for T in (10, 20, 30)]
    np.testing.assert_allclose(mean_attention(ramp), np.linspace(0, 1, 20))
    maps = [np.stack([a, 1 - a], axis=1) for a in ramp]
    np.testing.assert_allclose(mean_attention(maps, 5)[:, 1], [1, 0.75, 0.5, 0.25, 0])
    with pytest.raises(ValueError, match="no attention maps"):
        mean_attention([])
    with pytest.raises(ValueError, match="the same K"):
        mean_attention([np.zeros((4, 2)), np.zeros((4, 3))])


def test_joint_names_tell_the_bodies_apart():
    assert joint_names("sbu", 15)[0] == "head"
    assert joint_names("sbu", 30)[15:17] == ["head (2)", "neck (2)"]
    with pytest.raises(ValueError, match="31 joints are not a multiple of 15"):
        joint_names("sbu", 31)


def test_class_attention_shows_both_on_one_time_axis():
    joints = np.random.default_rng(0).dirichlet(np.ones(30), 25)
    figure = class_attention_figure(joints, np.arange(25.0), "sbu", "sbu: kicking, sta_lstm")
    curve, heat, bar = figure.axes
    assert curve.get_shared_x_axes().joined(curve, heat)
    np.testing.assert_array_equal(curve.lines[0].get_ydata(), np.arange(25.0))
    np.testing.assert_allclose(heat.images[0].get_array(), joints.T)
    assert [t.get_text() for t in heat.get_yticklabels()] == joint_names("sbu", 30)
    assert bar.get_ylabel() == "joint attention"
    assert len(class_attention_figure(None, np.ones(5), "sbu", "t").axes) == 1
    with pytest.raises(ValueError, match="25 frames, .* has 5"):
        class_attention_figure(joints, np.ones(5), "sbu", "t")
    with pytest.raises(ValueError, match="joint attention, frame attention, or both"):
        class_attention_figure(None, None, "sbu", "t")


def test_engaged_joints_are_drawn_where_they_are():
    pose = np.random.default_rng(0).normal(size=(2, 15, 3))
    weights = np.arange(30.0)
    figure = engaged_joints_figure({"a": weights, "b": weights / 2}, pose, "sbu", "t")
    dots = figure.axes[0].collections[-1]
    np.testing.assert_allclose(dots.get_offsets(), pose.reshape(-1, 3)[:, :2])
    np.testing.assert_allclose(dots.get_array(), weights)
    assert dots.get_sizes()[29] > dots.get_sizes()[1]
    half = figure.axes[1].collections[-1]
    assert half.get_sizes()[29] < dots.get_sizes()[29]  # one scale for all settings
    with pytest.raises(ValueError, match=r"expected \(30,\)"):
        engaged_joints_figure({"a": np.ones(15)}, pose, "sbu", "t")


def test_curves_and_parameters_are_labelled():
    figure = frame_curves_figure({"lambda 2 = 0.1": np.ones(4), "lambda 2 = 1": np.zeros(4)}, "t")
    (ax,) = figure.axes
    assert [t.get_text() for t in ax.get_legend().get_texts()] == ["lambda 2 = 0.1", "lambda 2 = 1"]
    assert ax.get_ylim()[0] == 0
    (ax,) = frame_curves_figure({"a": 2 + np.arange(4)}, "t", "row", from_zero=False).axes
    assert ax.get_ylim()[0] > 1
    assert ax.get_xlabel() == "row"
    figure = parameter_figure({"cs": {0.1: 0.5, 0.01: 0.75}}, "lambda 1", "t")
    (ax,) = figure.axes
    assert ax.get_xscale() == "log"
    np.testing.assert_allclose(ax.lines[0].get_xdata(), [0.01, 0.1])
    np.testing.assert_allclose(ax.lines[0].get_ydata(), [75, 50])
    with pytest.raises(ValueError, match="must be positive"):
        parameter_figure({"cs": {0.0: 0.5}}, "lambda 1", "t")


def test_attended_poses_mark_joints_and_frames_where_they_are():
    rng = np.random.default_rng(0)
    clip = rng.normal(size=(11, 2, 15, 3))
    clip[:, 1] = 0  # nobody there
    joints, frames = rng.random((11, 30)), np.linspace(0, 2, 11)
    figure = attended_poses_figure(clip, "sbu", joints, frames, "csta_cnn on sbu", poses=3)
    *panels, bar = figure.axes
    assert [ax.get_title() for ax in panels] == ["frame 0\n0 %", "frame 5\n50 %", "frame 10\n100 %"]
    borders = [ax.spines["left"].get_linewidth() for ax in panels]
    assert borders == sorted(borders)
    for ax, t in zip(panels, (0, 5, 10), strict=True):
        bones, dots = ax.collections
        assert len(bones.get_segments()) == len(get_skeleton("sbu").bones)  # one body
        order = np.argsort(joints[t, :15])
        np.testing.assert_allclose(dots.get_offsets(), clip[t, 0][order][:, :2])
        np.testing.assert_allclose(dots.get_array(), joints[t, :15][order])
        assert (np.diff(dots.get_sizes()) >= 0).all()
    assert bar.get_ylabel() == "joint attention"


def test_attended_poses_refuse_what_does_not_fit():
    clip = np.ones((4, 1, 15, 3))
    with pytest.raises(ValueError, match="expected"):
        attended_poses_figure(clip, "sbu", np.ones((4, 14)), np.ones(4), "")
    with pytest.raises(ValueError, match="negative"):
        attended_poses_figure(clip, "sbu", -np.ones((4, 15)), np.ones(4), "")
    with pytest.raises(ValueError, match="no body"):
        attended_poses_figure(clip * 0, "sbu", np.ones((4, 15)), np.ones(4), "")


def test_the_image_of_mans_and_the_attention_to_its_rows():
    rng = np.random.default_rng(0)
    image, attention = rng.normal(size=(50, 50, 3)), rng.random((50, 3))
    figure = image_attention_figure(image, attention, "mans9 on ut_kinect")
    for c in range(3):
        panel, curve = figure.axes[2 * c : 2 * c + 2]
        np.testing.assert_allclose(panel.images[0].get_array(), image[..., c])
        x, y = curve.lines[0].get_data()
        np.testing.assert_array_equal(x, attention[:, c])
        np.testing.assert_array_equal(y, np.arange(50))
        assert panel.get_ylim() == curve.get_ylim() == (49.5, -0.5)  # time runs downwards
        assert panel.images[0].get_clim()[0] == -panel.images[0].get_clim()[1]
    assert figure.axes[-1].get_ylabel() == "coordinate (m)"
    with pytest.raises(ValueError, match="expected"):
        image_attention_figure(image, attention[:, :2], "t")


def test_parts_and_their_weights():
    crops = {part: np.full((4, 8, 8, 3), 90, np.uint8) for part in ("left_hand", "full_body")}
    figure = parts_figure(crops, [0, 7, 14, 21], np.array([0.25, 0.75]), "a title")
    assert len(figure.axes) == 8
    assert figure.axes[0].get_ylabel() == "left hand\nweight 0.250"
    assert figure.axes[4].get_ylabel() == "full body\nweight 0.750"
    assert figure.axes[1].get_title() == "frame 7"
    assert parts_figure(crops, [0, 7, 14, 21], None, "a title").axes[0].get_ylabel() == "left hand"
    with pytest.raises(ValueError, match=r"\[4\] frames, but 3"):
        parts_figure(crops, [0, 7, 14], None, "a title")


def test_boxes_are_drawn_where_they_are():
    video = np.zeros((2, 30, 40, 3), np.uint8)
    boxes = np.array([[[1, 2, 11, 12]], [[5, 6, 15, 16]]], float)
    figure = boxes_figure(video, boxes, ["left_hand"], [0, 9], "a title")
    (line,) = figure.axes[1].get_lines()
    assert set(line.get_xdata()) == {6, 16}
    assert set(line.get_ydata()) == {5, 15}
    assert figure.axes[0].get_ylim() == (30, 0)  # rows count downwards
    with pytest.raises(ValueError, match="boxes have shape"):
        boxes_figure(video, boxes[:1], ["left_hand"], [0, 9], "a title")
