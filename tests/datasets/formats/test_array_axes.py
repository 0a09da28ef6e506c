"""Arrays with other axes are recognised by their shape, never read as people or frames."""

import numpy as np
import pytest
from pose_files import walkers

from keras_skeleton.datasets.formats.array_axes import ORDERS, check_axes, to_axes
from keras_skeleton.datasets.formats.clip_file import ClipError, finish_clip
from keras_skeleton.datasets.formats.poses import pose_clip
from keras_skeleton.datasets.formats.skeleton_toml import known_layout, read_layout
from keras_skeleton.utils.errors import DatasetError


def clip_of(M, T=30, V=25):
    return np.random.default_rng(0).normal(size=(T, M, V, 3)) + 3


def as_axes(clip, axes):
    """(T, M, V, C) with its axes in another order."""
    clip = clip if "M" in axes else clip[:, 0]
    own = "TMVC" if "M" in axes else "TVC"
    return np.transpose(clip, [own.index(axis) for axis in axes])


ALL = [order for orders in ORDERS.values() for order in orders]


@pytest.mark.parametrize("axes", ALL)
@pytest.mark.parametrize("M", [1, 2, 5])
def test_the_line_of_numpy_converts_the_array(axes, M, tmp_path):
    clip = clip_of(M)
    array = as_axes(clip, axes)
    layout = known_layout("kinect_v2")
    if (M, axes) == (2, "TCVM"):
        return  # (30, 3, 25, 2) is three people with x and y, as documented
    if axes in ("TMVC", "TVC"):
        out, _ = finish_clip(array, layout)
    else:
        with pytest.raises(ClipError, match=r"np.transpose\(a, \(") as error:
            finish_clip(array, layout)
        own = tuple(axes.index(axis) for axis in "TMVC" if axis in axes)
        assert f"np.transpose(a, {own})" in str(error.value)
        assert f'axes = "{axes}"' in str(error.value)
        out, _ = finish_clip(np.transpose(array, own), layout)
    people = clip if "M" in axes else clip[:, :1]
    np.testing.assert_allclose(out, people, rtol=1e-6)
    (tmp_path / "skeleton.toml").write_text(f'skeleton = "kinect_v2"\naxes = "{axes}"')
    said, _ = finish_clip(array, read_layout(tmp_path))
    np.testing.assert_array_equal(said, out)


def test_ambiguous_shapes_name_all_readings():
    with pytest.raises(ClipError, match="it may be") as error:
        check_axes((3, 30, 25, 3), 25)  # three people or three coordinates
    for reading in ("(C, T, V, M)", "(M, T, V, C)", "30 people in 3 frames"):
        assert reading in str(error.value)
    with pytest.raises(ClipError, match=r"\(C, T, V, M\), as ST-GCN") as error:
        check_axes((3, 30, 25, 1), 25)
    assert "it may be" not in str(error.value)


@pytest.mark.parametrize(
    "shape",
    [(30, 2, 25, 3), (30, 25, 3), (2, 2, 25, 3), (1, 1, 25, 3), (1, 25, 3), (25, 25, 3),
     (3, 1, 25, 3), (300, 20, 25, 2), (30, 2, 25, 4)],
)  # fmt: skip
def test_right_shapes_are_read(shape):
    check_axes(shape, 25)
    finish_clip(np.random.default_rng(0).normal(size=shape) + 9, known_layout("kinect_v2"))


def test_other_layouts_with_other_axes_are_named():
    with pytest.raises(ClipError, match=r"as \(C, T, V\), it has 17 joints, those of coco17"):
        finish_clip(np.ones((3, 30, 17)), known_layout("kinect_v2"))
    with pytest.raises(ClipError, match=r"its 34 rows are those columns: transpose it, a.T"):
        finish_clip(np.ones((34, 30)), known_layout("coco17"))
    with pytest.raises(ClipError, match="17 joints of coco17 or h36m17 have 34 columns"):
        finish_clip(np.ones((30, 34)), known_layout("kinect_v2"))


def test_batches_of_clips_are_refused():
    with pytest.raises(ClipError, match="it seems to hold 8 clips"):
        finish_clip(np.ones((8, 3, 30, 25, 2)), known_layout("kinect_v2"))


def test_arrays_of_pyskl_become_clips(tmp_path):
    points = walkers("coco17", T=30, M=2)[..., :2]
    (tmp_path / "skeleton.toml").write_text('skeleton = "coco17"\naxes = "MTVC"')
    clip, _ = finish_clip(points.swapaxes(0, 1), read_layout(tmp_path))
    np.testing.assert_allclose(clip, pose_clip(points, "coco17", "xy"), rtol=1e-5)


def test_axes_that_do_not_fit(tmp_path):
    with pytest.raises(ClipError, match="axes = 'CTV' needs 3 axes"):
        to_axes(np.ones((2, 3, 4, 5)), "CTV")
    (tmp_path / "skeleton.toml").write_text('skeleton = "coco17"\naxes = "XYZ"')
    with pytest.raises(DatasetError, match="unknown value of 'axes'"):
        read_layout(tmp_path)
    (tmp_path / "skeleton.toml").write_text('skeleton = "coco17"\ntrack = "no"')
    with pytest.raises(DatasetError, match="track = 'no'"):
        read_layout(tmp_path)
