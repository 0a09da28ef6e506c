"""Clips with the joints of another layout, without a copy of the dataset."""

import numpy as np
import pytest
from conftest import make_dataset

from keras_skeleton.datasets.mapped import MappedRows, with_skeleton
from keras_skeleton.datasets.registry import load_dataset
from keras_skeleton.skeletons import SkeletonMapError, get_skeleton, joint_map

V1, V2, SBU = (get_skeleton(name) for name in ("kinect_v1", "kinect_v2", "sbu"))


@pytest.fixture(scope="module")
def synthetic(tmp_path_factory):
    """Clips of one and of two people, in a store on disk."""
    cache = tmp_path_factory.mktemp("cache")
    return load_dataset("synthetic", cache_dir=cache, subjects=2, repetitions=1)


@pytest.mark.parametrize("target", [V1, SBU])
def test_clips_are_those_of_the_dataset_with_picked_joints(synthetic, target):
    mapped = with_skeleton(synthetic, target)
    order = joint_map(V2, target)
    assert mapped.skeleton is target
    assert (len(mapped), mapped.max_bodies) == (len(synthetic), synthetic.max_bodies)
    for i in (0, 1, len(synthetic) - 1):
        clip = mapped.clip(i)
        assert clip.dtype == np.float32
        np.testing.assert_array_equal(clip, synthetic.clip(i)[:, :, order])
        np.testing.assert_array_equal(mapped.clip(i, 3, 9), synthetic.clip(i)[3:9, :, order])


def test_joints_keep_their_places(synthetic):
    clip, own = with_skeleton(synthetic, V1).clip(0), synthetic.clip(0)
    for name in ("left_wrist", "right_knee", "head"):
        there, here = V1.joints.index(name), V2.joints.index(name)
        np.testing.assert_array_equal(clip[:, :, there], own[:, :, here])


def test_protocols_labels_and_fingerprint_stay(synthetic):
    mapped = with_skeleton(synthetic, V1)
    np.testing.assert_array_equal(mapped.labels, synthetic.labels)
    for own, its in zip(mapped.folds("cs"), synthetic.folds("cs"), strict=True):
        for one, other in zip(own, its, strict=True):
            np.testing.assert_array_equal(one, other)
    assert mapped.fingerprint == synthetic.fingerprint is not None
    assert synthetic.skeleton is not V1  # the dataset itself is not changed
    assert synthetic.rows.shape[1] == 25


def test_the_ground_truth_is_mapped_too(synthetic):
    mapped, order = with_skeleton(synthetic, V1), joint_map(V2, V1)
    known = synthetic.extras["informative_joints"]
    np.testing.assert_array_equal(mapped.extras["informative_joints"], known[..., order])
    assert with_skeleton(synthetic, V2).extras is synthetic.extras


def test_rows_are_read_on_demand(synthetic):
    """Only what is indexed is read, from the memory map."""

    class Counted:
        def __init__(self, rows):
            self.rows, self.read = rows, 0
            self.shape, self.ndim, self.dtype = rows.shape, rows.ndim, rows.dtype

        def __len__(self):
            return len(self.rows)

        def __getitem__(self, key):
            found = self.rows[key]
            self.read += len(found)
            return found

    mapped = with_skeleton(synthetic, V1)
    assert isinstance(mapped.rows, MappedRows)
    assert isinstance(mapped.rows.stored, np.memmap)
    assert mapped.rows.stored is synthetic.rows
    counted = Counted(synthetic.rows)
    rows = MappedRows(counted, joint_map(V2, V1))
    assert (rows.shape, len(rows), rows.ndim) == ((len(counted), 20, 3), len(counted), 3)
    assert counted.read == 0
    assert rows[10:14].shape == (4, 20, 3)
    assert counted.read == 4


@pytest.mark.parametrize(
    "key", [0, -1, slice(1, 4), slice(None), slice(None, None, -2), [3, 1], np.array([0, 0, 4])]
)
def test_indexing_is_that_of_numpy(key):
    rows = np.random.default_rng(0).normal(size=(5, 4, 3)).astype("float32")
    order = np.array([2, 0, 2])
    np.testing.assert_array_equal(MappedRows(rows, order)[key], rows[:, order][key])


def test_a_mask_of_rows_and_conversion():
    rows = np.random.default_rng(0).normal(size=(5, 4, 3))
    order = np.array([3, 1])
    mapped = MappedRows(rows, order)
    np.testing.assert_array_equal(mapped[np.arange(5) > 2], rows[3:, order])
    np.testing.assert_array_equal(np.asarray(mapped), rows[:, order])
    assert np.asarray(mapped, np.float32).dtype == np.float32


def test_joints_cannot_be_indexed():
    """`rows[:, 2]` would be a joint of the other layout."""
    mapped = MappedRows(np.zeros((5, 4, 3)), np.array([3, 1]))
    for key in ((slice(None), 0), (0, 1), (..., 0)):
        with pytest.raises(IndexError):
            mapped[key]


def test_mapped_twice(synthetic):
    """Kinect v2 to v1 to SBU's joints."""
    twice = with_skeleton(with_skeleton(synthetic, V1), SBU)
    order = joint_map(V2, V1)[joint_map(V1, SBU)]
    np.testing.assert_array_equal(twice.clip(2), synthetic.clip(2)[:, :, order])


def test_the_same_joints_need_no_map(synthetic):
    assert with_skeleton(synthetic, V2) is synthetic


def test_joints_that_are_not_there_are_named():
    with pytest.raises(SkeletonMapError, match="thumb"):
        with_skeleton(make_dataset(skeleton="kinect_v1"), V2)


def test_real_clips(real_data, tmp_path):
    """NTU RGB+D to the joints of the first Kinect."""
    dataset = load_dataset("ntu", real_data("ntu"), cache_dir=tmp_path)
    mapped = with_skeleton(dataset, V1)
    clip = mapped.clip(0)
    np.testing.assert_array_equal(clip, dataset.clip(0)[:, :, joint_map(V2, V1)])
    heights = clip[:, 0].mean(axis=0)[:, 1]
    assert heights[V1.joints.index("head")] > heights[V1.joints.index("left_foot")]
