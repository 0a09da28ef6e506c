import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from keras_skeleton.skeletons import get_skeleton
from keras_skeleton.transforms.geometry import level
from keras_skeleton.transforms.padded import padded, padded_rows

layout = get_skeleton("kinect_v2")
CLIP = np.random.default_rng(0).normal(size=(7, 2, 25, 3))


def test_a_clip_keeps_its_length_and_ends_with_zeros():
    out = padded(CLIP, layout, 10, "camera")
    assert out.dtype == np.float32
    np.testing.assert_array_equal(out[:7], CLIP.astype(np.float32))
    assert (out[7:] == 0).all()
    assert padded(CLIP, layout, 4, "camera").shape == (4, 2, 25, 3)


def test_rows_say_which_frame_they_show():
    numbered = np.ones((7, 1, 25, 3)) * (1 + np.arange(7))[:, None, None, None]
    for frames in (4, 7, 10):
        shown = padded(numbered, layout, frames, "camera")[:, 0, 0, 0] - 1
        rows = padded_rows(7, frames)
        np.testing.assert_array_equal(np.where(np.isnan(rows), -1, rows), shown)


def test_the_unit_is_the_length_of_one():
    metres = padded(CLIP, layout, 7, "first_spine")
    np.testing.assert_allclose(padded(CLIP, layout, 7, "first_spine", unit=0.2), metres * 5, 1e-6)
    with pytest.raises(ValueError, match="unit=0"):
        padded(CLIP, layout, 7, unit=0)


def test_a_tilted_cameras_clip_is_made_level_before_all_else():
    """The camera looks down by 12 degrees: what is vertical leans towards it in its image."""
    down = Rotation.from_euler("x", -12, degrees=True).as_matrix()
    seen = CLIP @ down.T
    up = np.array([0, 1, 0]) @ down.T
    assert up[2] < 0
    np.testing.assert_allclose(level(up, 12), [0, 1, 0], atol=1e-12)
    np.testing.assert_allclose(level(seen, 12), CLIP, atol=1e-12)
    expected = padded(CLIP, layout, 7, "actor")
    np.testing.assert_allclose(padded(seen, layout, 7, "actor", tilt=12), expected, atol=1e-5)
    absent = CLIP.copy()
    absent[:, 1] = 0
    assert (padded(absent, layout, 7, "first_spine", tilt=12)[:, 1] == 0).all()
