"""Unit, upright axis and zeros of one's own clips are checked by the bodies in them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from own_data import TOML, read, standing, write

from keras_skeleton.datasets.body_checks import BodyChecks
from keras_skeleton.datasets.dataset import ReadReport
from keras_skeleton.datasets.formats.poses import turn_up
from keras_skeleton.datasets.formats.skeleton_toml import UPS, Layout, read_layout
from keras_skeleton.skeletons import KINECT_V2
from keras_skeleton.utils.errors import DatasetError

LINES = ["file,label,subject", "a.npy,x,ann", "b.npy,y,bob"]
METRES = standing()


def checked(clip, **layout):
    checks = BodyChecks(Layout(KINECT_V2, **layout))
    checks.add(clip)
    report = ReadReport()
    checks.add_notes(report)
    return checks, report.notes


# ---------------------------------------------------------------- units


@pytest.mark.parametrize(("factor", "unit"), [(1000, "mm"), (100, "cm")])
def test_other_units_than_metres_are_named(tmp_path, factor, unit):
    """Case 60."""
    root = write(tmp_path / "d", LINES, clip=lambda seed: factor * standing(seed=seed))
    dataset, said = read(root, tmp_path / "c")
    assert f'put units = "{unit}" in skeleton.toml' in said
    assert dataset.info["unit"] == ""
    assert np.abs(dataset.clip(0)).max() > 2 * factor  # nothing is changed
    (root / "skeleton.toml").write_text(TOML + f'units = "{unit}"')
    dataset, said = read(root, tmp_path / "c")
    assert "size" not in said
    assert dataset.info["unit"] == "m"
    np.testing.assert_allclose(dataset.clip(0)[..., 2], 2.5, atol=0.1)


@given(height=st.floats(0.4, 2.3))
def test_people_in_metres_are_not_named(height):
    checks, notes = checked(standing(height=height))
    assert notes == []
    assert checks.unit == "m"
    assert checks.size == pytest.approx(height, rel=0.2)


def test_a_declared_unit_that_is_wrong_is_named():
    checks, (note,) = checked(METRES / 1000, unit="mm")
    assert 'units = "mm"' in note
    assert 'put units = "m"' in note
    assert checks.unit == ""
    _, (note,) = checked(METRES * 1000, unit="m")
    assert 'put units = "mm"' in note
    _, (note,) = checked(METRES * 20)
    assert "no person" in note


def test_pixels_and_torsos_are_no_metres():
    flat = METRES * [300, 300, 0] + [500, 500, 0]
    checks, (note,) = checked(flat)
    assert 'units = "pixels" and scale = "torso"' in note.replace("\n", " ")
    assert checks.unit == ""
    checks, notes = checked(flat, unit="pixels")
    assert (checks.unit, notes) == ("px", [])
    checks, notes = checked(METRES * 3, scale="torso")
    assert (checks.unit, notes) == ("torso", [])


def test_fractions_of_the_image_are_named():
    share = METRES * [0.4, 0.4, 0.4] + [0.5, 0.5, 0]
    checks, (note,) = checked(share)
    assert "width and height" in note
    assert checks.unit == ""


# ---------------------------------------------------------------- axes


@pytest.mark.parametrize("up", UPS)
def test_the_axis_that_points_up_is_found_and_turned(tmp_path, up):
    def in_files(clip):  # the inverse of the rotation
        turn = np.stack([turn_up(axis, up) for axis in np.eye(3)])
        return clip @ np.linalg.inv(turn)

    root = write(tmp_path / "d", LINES, clip=lambda seed: in_files(standing(seed=seed)))
    _, said = read(root, tmp_path / "c")
    assert (f'put up = "{up}" in skeleton.toml' in said) == (up != "y")
    assert ("heads are" in said) == (up != "y")
    (root / "skeleton.toml").write_text(TOML + f'up = "{up}"')
    dataset, said = read(root, tmp_path / "c")
    assert "heads are" not in said
    assert dataset.info["up"] == up
    np.testing.assert_allclose(dataset.clip(0), standing(seed=0), atol=1e-6)


@pytest.mark.parametrize("up", UPS)
def test_turning_is_a_rotation(up):
    matrix = np.stack([turn_up(axis, up) for axis in np.eye(3)], axis=1)
    assert np.linalg.det(matrix) == pytest.approx(1)
    np.testing.assert_allclose(matrix @ matrix.T, np.eye(3))


def test_images_have_y_down(tmp_path):
    _, (note,) = checked(METRES * [1, -1, 1])
    assert "below feet" in note
    assert 'up = "-y"' in note
    _, (note,) = checked(METRES * [1, -1, 1], down=True)  # y = "down" of files with y up
    assert 'up = "y"' in note
    assert "instead of 'y'" in note


def test_lying_down_is_no_wrong_axis_if_most_stand():
    checks = BodyChecks(Layout(KINECT_V2))
    for i in range(5):
        checks.add(turn_up(METRES, "x") if i < 2 else METRES)
    report = ReadReport()
    checks.add_notes(report)
    assert report.notes == []


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ('up = "w"', "'up' 'w'"), ('up = "z"\ny = "up"', "remove 'y'"), ("fps = 0", "fps = 0"),
        ('fps = "30"', "fps = '30'"), ("fps = nan", "fps = nan"), ("fps = true", "fps = True"),
        ('zeros = "gone"', "'zeros' 'gone'"), ("fps = 1e9", "up to"),
    ],
)  # fmt: skip
def test_keys_that_make_no_sense(tmp_path, line, why):
    (tmp_path / "skeleton.toml").write_text(TOML + line)
    with pytest.raises(DatasetError, match=why):
        read_layout(tmp_path)


# ---------------------------------------------------------------- zeros


def with_zeros(seed):
    clip = standing(seed=seed)
    if seed == 1:
        clip[5:8, 0, 7] = 0
        clip[:, 0, 23] = 0
    return clip


def test_zeros_are_missing_points_or_named(tmp_path):
    root = write(tmp_path / "d", LINES, clip=with_zeros)
    dataset, said = read(root, tmp_path / "c")
    assert 'put zeros = "missing"' in said
    assert "'b.npy', frame 0" in said
    assert "left_hand (1)" in said
    assert list(dataset.samples["filled"]) == [0, 0]
    (root / "skeleton.toml").write_text(TOML + 'zeros = "kept"')
    kept, said = read(root, tmp_path / "c")
    assert "(0, 0, 0)" not in said
    np.testing.assert_array_equal(kept.rows, dataset.rows)
    (root / "skeleton.toml").write_text(TOML + 'zeros = "missing"')
    filled, said = read(root, tmp_path / "c")
    assert "1 of 2 clips had missing joints" in said
    assert "right_hand_tip (1)" in said
    assert filled.samples["filled"][1] == pytest.approx(23 / 500, abs=1e-4)
    a, b = with_zeros(1)[4, 0, 7], with_zeros(1)[8, 0, 7]
    np.testing.assert_allclose(filled.clip(1)[5:8, 0, 7], np.linspace(a, b, 5)[1:4], atol=1e-5)


def test_clips_centred_on_the_root_have_no_missing_root(tmp_path):
    def centred(seed):
        clip = standing(seed=seed)
        return clip - clip[:, :, :1]

    _, said = read(write(tmp_path / "d", LINES, clip=centred), tmp_path / "c")
    assert "(0, 0, 0)" not in said
