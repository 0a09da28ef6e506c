import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from keras_skeleton.skeletons import SKELETONS, get_skeleton
from keras_skeleton.transforms.geometry import body_frame, to_body_frame

BODIES = [name for name, layout in SKELETONS.items() if layout.hips]


def standing(skeleton, T=6, M=1, seed=0):
    """A plausible standing body that sways: hips, shoulders and feet where they belong."""
    layout = get_skeleton(skeleton)
    rng = np.random.default_rng(seed)
    pose = rng.normal(0, 0.05, (layout.size, 3))
    for joint, name in enumerate(layout.joints):
        side = 0.2 if name.startswith("right_") else -0.2 if name.startswith("left_") else 0
        pose[joint, 0] += side
        height = {"hip": 0, "knee": -0.4, "ankle": -0.8, "foot": -0.85, "toes": -0.85}
        height |= {"shoulder": 0.5, "elbow": 0.2, "wrist": 0, "hand": 0, "head": 0.8, "neck": 0.6}
        pose[joint, 1] += next((h for key, h in height.items() if key in name), 0.25)
        pose[joint, 2] -= 0.15 if name.endswith(("foot", "toes")) else 0  # towards the camera
    clip = np.tile(pose, (T, M, 1, 1)) + rng.normal(0, 0.01, (T, M, layout.size, 3))
    return clip + np.arange(M)[None, :, None, None] * [1.0, 0, 0]


def test_frame_is_the_released_codes():
    """Against the released code's formula, written out: PCA of the torso, cross products, R^-1."""
    layout = get_skeleton("kinect_v2")
    pose = standing("kinect_v2")[0, 0]
    origin, axes = body_frame(pose, layout)
    np.testing.assert_allclose(origin, (pose[12] + pose[16]) / 2)
    torso = pose[[0, 1, 4, 8, 12, 16, 20]] - origin
    values, vectors = np.linalg.eigh(np.cov(torso.T))
    z = vectors[:, np.argmax(values)]
    z = z * np.sign(z @ axes[:, 2])
    y = np.cross(pose[12] - pose[16], z)
    x = np.cross(y, z)
    expected = np.stack([v / np.linalg.norm(v) for v in (x, y, z)], axis=1)
    np.testing.assert_allclose(axes, expected, atol=1e-12)


@pytest.mark.parametrize("skeleton", BODIES)
@given(seed=st.integers(0, 999), turn=st.integers(0, 999), shift=st.tuples(*[st.floats(-9, 9)] * 3))
def test_camera_position_does_not_matter(skeleton, seed, turn, shift):
    clip = standing(skeleton, M=2, seed=seed)
    moved = clip @ Rotation.random(random_state=turn).as_matrix().T + shift
    np.testing.assert_allclose(
        to_body_frame(moved, skeleton), to_body_frame(clip, skeleton), atol=1e-9
    )


@pytest.mark.parametrize("skeleton", BODIES)
def test_axes_point_right_forwards_up(skeleton):
    layout = get_skeleton(skeleton)
    body = to_body_frame(standing(skeleton), layout)[:, 0]
    assert (body[:, layout.hips[1], 0] > body[:, layout.hips[0], 0]).all()
    assert (body[:, layout.shoulders[0], 2] > body[:, layout.hips[0], 2]).all()
    for ankle, foot in layout.feet:
        assert body[:, foot, 1].mean() > body[:, ankle, 1].mean()
    np.testing.assert_allclose(body[0, list(layout.hips)].mean(axis=0), 0, atol=1e-12)


def test_lengths_are_kept_and_absent_bodies_stay_zero():
    clip = standing("kinect_v2", M=2)
    clip[:3, 1] = 0
    out = to_body_frame(clip)
    assert (out[:3, 1] == 0).all()
    assert (out[3:, 1] != 0).any()
    length = np.linalg.norm(clip[:, 0, 4] - clip[:, 0, 5], axis=-1)
    np.testing.assert_allclose(np.linalg.norm(out[:, 0, 4] - out[:, 0, 5], axis=-1), length)


def test_walking_through_the_room_remains():
    clip = standing("kinect_v2", T=10) + np.linspace(0, 2, 10)[:, None, None, None] * [1, 0, 0]
    moved = np.linalg.norm(np.diff(to_body_frame(clip)[:, 0, 0], axis=0).sum(axis=0))
    assert moved == pytest.approx(2, abs=0.1)


def test_degenerate_poses_stay_finite():
    clip = np.full((4, 1, 25, 3), 0.7)
    assert np.isfinite(to_body_frame(clip)).all()
    assert (to_body_frame(np.zeros((4, 2, 25, 3))) == 0).all()


def test_wrong_clips_are_refused():
    with pytest.raises(ValueError, match=r"expected \(T, M, 25, 3\)"):
        to_body_frame(np.zeros((4, 20, 3)))
    bad = standing("kinect_v2")
    bad[3, 0, 2, 1] = np.nan
    with pytest.raises(ValueError, match="infinity, first in frame 3"):
        to_body_frame(bad)
