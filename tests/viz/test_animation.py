from itertools import pairwise

import numpy as np
import pytest
from PIL import Image

from keras_skeleton.skeletons import KINECT_V1
from keras_skeleton.video.reading import read_video
from keras_skeleton.viz.animation import animate, animate_attention
from keras_skeleton.viz.attended_clip import AttendedClip


def clip(T=12, M=2):
    poses = np.random.default_rng(0).normal(0, 0.4, (T, M, 20, 3)) + [0, 1, 3]
    poses[:4, 1] = 0  # the second body comes later
    return poses


def frames_of(path):
    with Image.open(path) as picture:
        frames = []
        for i in range(picture.n_frames):
            picture.seek(i)
            frames.append(np.asarray(picture.convert("RGB")).astype(int))
        return frames, picture.info["duration"]


def test_a_gif_shows_every_frame_at_the_clips_pace(tmp_path):
    path = animate(clip(), "kinect_v1", tmp_path / "a.gif", "toy: clip $1", fps=10)
    frames, duration = frames_of(path)
    assert len(frames) == 12
    assert duration == 100  # milliseconds
    assert frames[0].shape == (480, 480, 3)
    assert all(np.abs(a - b).max() > 50 for a, b in pairwise(frames))


def test_long_clips_are_thinned_at_the_same_pace(tmp_path):
    path = animate(clip(25), "kinect_v1", tmp_path / "a.gif", "toy", fps=20, frames=10)
    frames, duration = frames_of(path)
    assert len(frames) == 9  # every third
    assert duration == pytest.approx(150, abs=10)


def test_what_cannot_be_drawn_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"expected \(T, M, 25, 3\)"):
        animate(clip(), "kinect_v2", tmp_path / "a.gif", "toy")
    with pytest.raises(ValueError, match="shows no body"):
        animate(np.zeros((5, 1, 20, 3)), "kinect_v1", tmp_path / "a.gif", "toy")
    with pytest.raises(ValueError, match=r"must end in \.gif or \.mp4"):
        animate(clip(), "kinect_v1", tmp_path / "a.avi", "toy")
    assert not list(tmp_path.iterdir())


def test_an_mp4_needs_no_other_program(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", "")
    path = animate(clip(5), "kinect_v1", tmp_path / "a.mp4", "toy", fps=10)
    frames = read_video(path).astype(int)
    assert frames.shape == (5, 480, 480, 3)
    assert np.abs(frames[0] - frames[-1]).max() > 50
    assert [p.name for p in tmp_path.iterdir()] == ["a.mp4"]


def attended(**changes):
    T, classes = 4, ("walk", "wave $1")
    poses = np.tile(np.random.default_rng(0).normal(0, 0.4, (20, 3)), (T, 2, 1, 1))
    poses[:2, 1] = 0
    joints = np.full((T, 40), 0.01)
    joints[-1, 5] = 0.6  # in the last frame one joint stands out
    running = np.array([[np.nan, np.nan], [0.5, 0.5], [0.4, 0.6], [0.1, 0.9]])
    values = {
        "clip": poses, "skeleton": KINECT_V1, "classes": classes, "label": 1, "name": "a",
        "probabilities": running[-1], "joints": joints, "frames": np.arange(4.0),
        "running": running, "interval": (1, 2), "fps": 10.0,
    }  # fmt: skip
    return AttendedClip(**{**values, **changes})


def test_attention_glows_and_the_line_moves(tmp_path):
    frames, duration = frames_of(animate_attention(attended(), tmp_path / "a.gif"))
    assert len(frames) == 4
    assert duration == 100

    def columns_of_the_line(frame):
        low = frame[470:560]  # the time line's panel
        red = (low[..., 0] > 180) & (low[..., 1] < 130) & (low[..., 2] < 60)
        return np.flatnonzero(red.mean(axis=0) > 0.7).mean()

    places = [columns_of_the_line(frame) for frame in frames]
    steps = np.diff(places)
    assert (steps > 100).all()
    np.testing.assert_allclose(steps, steps.mean(), atol=3)

    def yellow(frame):  # the end of the colours, among the joints
        part = frame[60:450, :440]
        return ((part[..., 0] > 220) & (part[..., 1] > 200) & (part[..., 2] < 120)).sum()

    assert yellow(frames[3]) > yellow(frames[1]) + 20


def test_attention_that_a_network_lacks_is_left_out(tmp_path):
    seen = attended(joints=None, frames=None, fps=None)
    frames, duration = frames_of(animate_attention(seen, tmp_path / "a.gif", frames=2))
    assert len(frames) == 2
    assert duration == pytest.approx(2000 / 30, abs=10)
