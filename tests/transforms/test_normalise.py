import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from keras_skeleton.skeletons import SKELETONS, get_skeleton
from keras_skeleton.transforms.normalise import (
    main_actor,
    per_torso,
    to_actor_displacement,
    to_actor_frame,
    to_first_spine,
    to_pair_frame,
    torso_length,
)

BODIES = [name for name, layout in SKELETONS.items() if layout.hips]
seeds = st.integers(0, 999)
shifts = st.tuples(*[st.floats(-9, 9)] * 3)


def clip_of(T=7, M=2, V=25, seed=0, gaps=False):
    rng = np.random.default_rng(seed)
    clip = rng.normal(size=(T, M, V, 3))
    if gaps:
        clip[rng.random((T, M)) < 0.4] = 0
        clip[rng.integers(T), 0] = rng.normal(size=(V, 3))
    return clip


def actor_frame(clip, m, scale=True, reference="each"):
    """Shahroudy's words, one frame at a time, for Kinect v2."""
    out = np.zeros_like(clip)
    there = [t for t in range(len(clip)) if (clip[t, m] != 0).any()]
    for t in range(len(clip)):
        before = [s for s in there if s <= t]
        pose = clip[before[-1] if before and reference == "each" else there[0], m]
        x = pose[4] - pose[8]  # right shoulder (8) to left shoulder (4)
        x = x / np.linalg.norm(x)
        spine = pose[1] - pose[0]  # base to middle
        y = spine - (spine @ x) * x
        y = y / np.linalg.norm(y)
        z = np.cross(x, y)
        for body in range(clip.shape[1]):
            if (clip[t, body] == 0).all():
                continue
            for v in range(25):
                p = clip[t, body, v] - pose[1]
                out[t, body, v] = [p @ x, p @ y, p @ z]
                if scale:
                    out[t, body, v] /= np.linalg.norm(spine)
    return out


@pytest.mark.parametrize("scale", [True, False])
@pytest.mark.parametrize("reference", ["each", "first"])
@given(seed=seeds, m=st.integers(0, 1))
def test_actor_frame_is_the_papers(reference, scale, seed, m):
    clip = clip_of(seed=seed, gaps=True)
    clip[3, m] = clip_of(seed=seed + 1)[3, m]
    out = to_actor_frame(clip, reference=reference, scale=scale, actor=m)
    np.testing.assert_allclose(out, actor_frame(clip, m, scale, reference), atol=1e-9)


@pytest.mark.parametrize("skeleton", BODIES)
@given(seed=seeds, turn=seeds, shift=shifts, size=st.floats(0.1, 10))
def test_camera_and_size_do_not_matter(skeleton, seed, turn, shift, size):
    clip = clip_of(V=get_skeleton(skeleton).size, seed=seed)
    moved = size * clip @ Rotation.random(random_state=turn).as_matrix().T + shift
    for reference in ("each", "first"):
        np.testing.assert_allclose(
            to_actor_frame(moved, skeleton, reference),
            to_actor_frame(clip, skeleton, reference),
            rtol=1e-6,
            atol=1e-8,
        )


@pytest.mark.parametrize("skeleton", BODIES)
def test_axes_point_left_up_and_the_spine_is_one(skeleton):
    layout = get_skeleton(skeleton)
    out = to_actor_frame(clip_of(M=1, V=layout.size), layout)[:, 0]
    left, right = (out[:, j] for j in layout.shoulders)
    base, middle = (out[:, j] for j in layout.spine)
    np.testing.assert_allclose(middle, 0, atol=1e-12)
    np.testing.assert_allclose((left - right)[:, 1:], 0, atol=1e-9)
    assert ((left - right)[:, 0] > 0).all()
    assert ((middle - base)[:, 1] > 0).all()
    np.testing.assert_allclose((middle - base)[:, 2], 0, atol=1e-9)
    np.testing.assert_allclose(np.linalg.norm(middle - base, axis=-1), 1)


def test_all_bodies_follow_the_main_actor():
    """Distances between two people remain, in the main actor's unit."""
    clip = clip_of()
    clip[:, 0] = clip[:1, 0] + np.linspace(0, 0.1, 7)[:, None, None]  # hardly moves
    assert main_actor(clip) == 1
    out = to_actor_frame(clip)
    np.testing.assert_array_equal(out, to_actor_frame(clip, actor=1))
    spine = np.linalg.norm(clip[:, 1, 1] - clip[:, 1, 0], axis=-1)
    between = np.linalg.norm(clip[:, 0, 3] - clip[:, 1, 3], axis=-1)
    np.testing.assert_allclose(
        np.linalg.norm(out[:, 0, 3] - out[:, 1, 3], axis=-1), between / spine
    )


def test_an_actor_seen_once_is_found():
    """One frame has no motion, and neither has a body that is never there."""
    clip = np.zeros((5, 3, 25, 3))
    clip[2, 1] = clip_of()[0, 0]
    assert main_actor(clip) == 1
    np.testing.assert_allclose(to_actor_frame(clip)[2, 1, 1], 0, atol=1e-12)
    with pytest.raises(ValueError, match="actor=2"):
        to_actor_frame(clip, actor=2)
    with pytest.raises(ValueError, match="actor=-1"):
        to_actor_frame(clip, actor=-1)


def test_displacement_is_what_is_left_of_the_first_actors_frame():
    clip = clip_of(T=12, M=3, gaps=True)
    clip[:, 2] = 0
    out = to_actor_displacement(clip, actor=0)
    first = to_actor_frame(clip, reference="first", actor=0)
    for m in range(2):
        frames = [t for t in range(12) if clip[t, m].any()]
        begins = sum(first[t, m] for t in frames[:5]) / min(5, len(frames))
        for t in range(12):
            np.testing.assert_allclose(
                out[t, m], first[t, m] - begins if t in frames else 0, atol=1e-12
            )
    assert not out[:, 2].any()
    noisy = clip_of(T=1) + 0.01 * clip_of(T=12, seed=1)
    assert to_actor_displacement(noisy)[0].any(axis=(1, 2)).all()  # no frame looks like padding
    assert not to_actor_displacement(np.zeros((3, 1, 25, 3))).any()


def test_what_does_not_move_has_no_displacement():
    pose = clip_of(T=1)
    clip = np.repeat(pose, 20, axis=0)
    clip[10:, 1, 7] += (0.0, 0.3, 0.4)
    out = to_actor_displacement(clip, actor=0)
    length = np.linalg.norm(pose[0, 0, 1] - pose[0, 0, 0])
    np.testing.assert_allclose(np.linalg.norm(out[10:, 1, 7], axis=-1), 0.5 / length)
    out[10:, 1, 7] = 0
    np.testing.assert_allclose(out, 0, atol=1e-12)


def test_degenerate_poses_stay_finite_and_nobody_stays_nobody():
    points = np.full((4, 1, 25, 3), 0.7)
    np.testing.assert_allclose(to_actor_frame(points), 0, atol=1e-12)
    line = np.zeros((4, 1, 25, 3))
    line[..., 0] = np.arange(25) + 1.0  # shoulders and spine on one line: the camera's axes
    np.testing.assert_allclose(to_actor_frame(line)[0, 0, :, 0], np.arange(25) - 1.0)
    for function in (to_actor_frame, to_first_spine):
        assert (function(np.zeros((4, 2, 25, 3))) == 0).all()


@given(seed=seeds, shift=shifts)
def test_first_spine_is_the_released_translation(seed, shift):
    clip = clip_of(seed=seed, gaps=True)
    expected = np.zeros_like(clip)
    first = next(t for t in range(7) if (clip[t, 0] != 0).any())
    for t in range(7):
        for m in range(2):
            if (clip[t, m] != 0).any():
                expected[t, m] = clip[t, m] - clip[first, 0, 1]
    np.testing.assert_array_equal(to_first_spine(clip), expected)
    there = (clip != 0).any(axis=(2, 3), keepdims=True)
    moved = np.where(there, clip + shift, 0)
    np.testing.assert_allclose(to_first_spine(moved), expected, atol=1e-12)


def test_first_spine_of_p_i3d_moves_absent_bodies_too():
    clip = clip_of()
    clip[:, 1] = 0
    flat = clip.reshape(7, 150)  # the released code's layout
    expected = (flat - np.tile(flat[0, 3:6], 50)).reshape(7, 2, 25, 3)
    np.testing.assert_array_equal(to_first_spine(clip, move_absent=True), expected)
    assert (to_first_spine(clip)[:, 1] == 0).all()


def test_the_first_body_that_is_there_starts_at_the_origin():
    clip = clip_of()
    clip[:, 0] = 0
    clip[:2, 1] = 0
    out = to_first_spine(clip)
    np.testing.assert_array_equal(out[2, 1, 1], [0, 0, 0])
    assert (out[:2] == 0).all()


@pytest.mark.parametrize("skeleton", BODIES)
@given(seed=seeds, size=st.floats(0.01, 1000))
def test_the_torso_becomes_the_unit(skeleton, seed, size):
    layout = get_skeleton(skeleton)
    clip = clip_of(V=layout.size, seed=seed, gaps=True)
    lengths = [
        np.linalg.norm(body[list(layout.shoulders)].mean(0) - body[list(layout.hips)].mean(0))
        for body in clip.reshape(-1, layout.size, 3)
        if (body != 0).any()
    ]
    assert torso_length(clip, layout) == pytest.approx(np.median(lengths))
    np.testing.assert_allclose(
        per_torso(size * clip, layout), clip / np.median(lengths), rtol=1e-9, atol=1e-12
    )


def test_wrong_clips_are_refused():
    for function in (to_actor_frame, to_first_spine, per_torso):
        with pytest.raises(ValueError, match=r"expected \(T, M, 25, 3\)"):
            function(np.zeros((4, 20, 3)))
        bad = clip_of()
        bad[3, 0, 2, 1] = np.nan
        with pytest.raises(ValueError, match="infinity, first in frame 3"):
            function(bad)
    with pytest.raises(ValueError, match="reference='last' is unknown"):
        to_actor_frame(clip_of(), reference="last")
    for nothing in (np.zeros((4, 1, 25, 3)), np.ones((4, 1, 25, 3))):
        with pytest.raises(ValueError, match="length of the torso is 0"):
            per_torso(nothing)


def test_pair_frame_step_by_step():
    clip = np.random.default_rng(0).normal(size=(5, 2, 15, 3)) + [0, 1, 3]
    out = to_pair_frame(clip, "sbu")
    root = get_skeleton("sbu").root
    np.testing.assert_allclose(out[:, :, root].sum(axis=1), 0, atol=1e-12)  # midway, every frame
    apart = out[0, 1, root] - out[0, 0, root]
    assert apart[0] == pytest.approx(np.hypot(*(clip[0, 1, root] - clip[0, 0, root])[[0, 2]]))
    assert apart[2] == pytest.approx(0, abs=1e-12)
    np.testing.assert_allclose(  # turned about the vertical alone: lengths and heights are kept
        np.linalg.norm(out[:, 0] - out[:, 1], axis=-1),
        np.linalg.norm(clip[:, 0] - clip[:, 1], axis=-1),
    )
    heights = clip[..., 1] - clip[:, :, root, 1].mean(axis=1)[:, None, None]
    np.testing.assert_allclose(out[..., 1], heights)


@given(degrees=st.floats(-180, 180), shift=st.tuples(*[st.floats(-9, 9)] * 3))
def test_pair_frame_does_not_depend_on_place_or_heading(degrees, shift):
    clip = np.random.default_rng(1).normal(size=(4, 2, 15, 3)) + [[[0.0]], [[2.0]]] * np.ones(3)
    turn = Rotation.from_euler("y", degrees, degrees=True).as_matrix()
    np.testing.assert_allclose(
        to_pair_frame(clip @ turn.T + shift, "sbu"), to_pair_frame(clip, "sbu"), atol=1e-8
    )


def test_pair_frame_of_one_person_and_of_absent_ones():
    alone = np.random.default_rng(2).normal(size=(4, 1, 15, 3)) + 5
    root = get_skeleton("sbu").root
    np.testing.assert_allclose(to_pair_frame(alone, "sbu"), alone - alone[:, :, root : root + 1])
    clip = np.random.default_rng(3).normal(size=(4, 2, 15, 3)) + 5
    clip[:2, 1] = 0
    out = to_pair_frame(clip, "sbu")
    assert (out[:2, 1] == 0).all()
    np.testing.assert_allclose(out[0, 0, root], 0, atol=1e-12)
