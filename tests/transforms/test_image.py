import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation
from test_geometry import standing

from keras_skeleton.transforms.geometry import to_body_frame
from keras_skeleton.transforms.image import image_rows, mans_image


def clip_of(T, M=2, V=25, seed=0):
    return np.random.default_rng(seed).normal(size=(T, M, V, 3))


def released_image(clip, size):
    """The released preprocessing's last step, written out one row and column at a time."""
    body = to_body_frame(clip)
    T, M, V, _ = body.shape
    image = np.zeros((size, size, 3))
    columns = (size - M * V) // 2
    rows = range(T) if size >= T else np.linspace(0, T - 1, size, dtype=int)
    top = (size - T) // 2 if size >= T else 0
    for row, t in enumerate(rows):
        for m in range(M):
            for v in range(V):
                image[top + row, columns + m * V + v] = body[t, m, v]
    return image


@pytest.mark.parametrize("T", [1, 7, 49, 50, 51, 103])
@pytest.mark.parametrize("size", [50, 224])
def test_default_is_the_released_preprocessing(T, size):
    clip = clip_of(T)
    np.testing.assert_allclose(mans_image(clip, size), released_image(clip, size), atol=1e-5)


@given(turn=st.integers(0, 999), shift=st.tuples(*[st.floats(-9, 9)] * 3))
def test_a_turned_and_shifted_clip_gives_the_same_image(turn, shift):
    clip = standing("kinect_v2", T=60, M=2)
    moved = clip @ Rotation.random(random_state=turn).as_matrix().T + shift
    np.testing.assert_allclose(mans_image(moved), mans_image(clip), atol=1e-5)


def test_the_hips_are_the_origin_in_every_frame():
    clip = standing("kinect_v1", T=50) + np.linspace(0, 3, 50)[:, None, None, None]
    image = mans_image(clip, 50, "kinect_v1", coordinates="hips")
    hips = image[:, [5 + 12, 5 + 16]].mean(axis=1)  # 2 x 20 of 50 columns, 5 on each side
    np.testing.assert_allclose(hips, 0, atol=1e-6)
    clip[10] = 0  # an absent body stays zero
    assert (mans_image(clip, 50, "kinect_v1", coordinates="hips")[10] == 0).all()


def test_one_body_has_the_columns_of_the_first_of_two():
    clip = clip_of(60, M=1)
    two = np.concatenate([clip, np.zeros_like(clip)], axis=1)
    np.testing.assert_array_equal(mans_image(clip), mans_image(two))
    assert (mans_image(clip)[:, 25:] == 0).all()


def test_released_signs_are_the_first_bodys():
    clip = standing("kinect_v2", T=60, M=2)
    clip[:, 1, :, [0, 2]] *= -1  # the second one faces the other way
    each, first = mans_image(clip), mans_image(clip, coordinates="released")
    np.testing.assert_array_equal(each[:, :25], first[:, :25])
    assert mans_image(clip[:, :1]).shape == (50, 50, 3)


def test_fifty_columns_hold_two_kinect_bodies_exactly():
    image = mans_image(clip_of(30), coordinates="camera")
    assert image.dtype == np.float32
    np.testing.assert_allclose(image[10], clip_of(30)[0].reshape(50, 3), rtol=1e-6)
    assert (image[:10] == 0).all()
    assert (image[40:] == 0).all()


@given(T=st.integers(1, 120), V=st.sampled_from([15, 20, 25, 31]), size=st.sampled_from([50, 64]))
def test_interpolation_fills_the_image_and_keeps_the_corners(T, V, size):
    layouts = {15: "sbu", 20: "kinect_v1", 25: "kinect_v2", 31: "hdm05"}
    clip = clip_of(T, M=1, V=V)
    image = mans_image(
        clip, size, layouts[V], time="interpolate", joints="interpolate", coordinates="camera"
    )
    assert image.shape == (size, size, 3)
    for row, t in ((0, 0), (-1, -1)):
        np.testing.assert_allclose(image[row, 0], clip[t, 0, 0], atol=1e-5)
        np.testing.assert_allclose(image[row, -1], clip[t, 0, -1], atol=1e-5)


@pytest.mark.parametrize("time", ["pad", "interpolate"])
@given(T=st.integers(1, 130))
def test_rows_know_their_frames(time, T):
    clip = np.ones((T, 2, 25, 3)) * np.arange(1, T + 1)[:, None, None, None]
    image = mans_image(clip, time=time, coordinates="camera")
    rows = image_rows(T, time=time)
    shown = np.isfinite(rows)
    np.testing.assert_allclose(image[shown, 0, 0], rows[shown] + 1, rtol=1e-5)
    assert (image[~shown] == 0).all()


def test_bad_arguments_are_refused():
    with pytest.raises(ValueError, match="2 bodies x 31 joints do not fit into 50"):
        mans_image(clip_of(5, V=31), skeleton="hdm05")
    with pytest.raises(ValueError, match="time='crop' is unknown"):
        mans_image(clip_of(5), time="crop")
    with pytest.raises(ValueError, match="unknown skeleton"):
        mans_image(clip_of(5), skeleton="kinect")
