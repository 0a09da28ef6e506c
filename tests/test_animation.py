from itertools import pairwise

import numpy as np
import pytest
from PIL import Image

from keras_skeleton.animation import animate


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


def test_what_cannot_be_drawn_is_refused(tmp_path, monkeypatch):
    with pytest.raises(ValueError, match=r"expected \(T, M, 25, 3\)"):
        animate(clip(), "kinect_v2", tmp_path / "a.gif", "toy")
    with pytest.raises(ValueError, match="shows no body"):
        animate(np.zeros((5, 1, 20, 3)), "kinect_v1", tmp_path / "a.gif", "toy")
    with pytest.raises(ValueError, match=r"ends in .gif or .mp4"):
        animate(clip(), "kinect_v1", tmp_path / "a.avi", "toy")
    monkeypatch.setenv("PATH", "")
    with pytest.raises(ValueError, match="needs the program ffmpeg"):
        animate(clip(), "kinect_v1", tmp_path / "a.mp4", "toy")
    assert not list(tmp_path.iterdir())
