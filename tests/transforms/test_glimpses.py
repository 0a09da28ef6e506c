import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keras_skeleton.datasets.ntu import read_clip_with_pixels
from keras_skeleton.skeletons import get_skeleton
from keras_skeleton.transforms.glimpses import BODY_MARGIN, GREY, HAND, PARTS, crop, part_boxes

layout = get_skeleton("kinect_v2")


def standing(T=30, height=500.0, seed=0):
    """Pixels (T, 25, 2) of somebody who sways before a camera."""
    rng = np.random.default_rng(seed)
    points = rng.normal([900, 500], [60, height / 3], (T, 25, 2))
    for pair, y in ((layout.shoulders, 300), (layout.hips, 300 + height / 4)):
        points[:, pair[0]] = [940, y]
        points[:, pair[1]] = [860, y]
    return points


def test_boxes_step_by_step():
    points = standing()
    boxes = part_boxes(points)
    assert boxes.edges.shape == (30, 3, 4)
    assert not boxes.held.any()
    side = HAND * 125  # the trunk is 125 pixels long in every frame
    for k, joint in enumerate(layout.hands):
        x, y = points[7, joint]
        expected = [y - side, x - side, y + side, x + side]
        np.testing.assert_allclose(boxes.edges[7, k], expected)
    margin = BODY_MARGIN * 125
    low, high = points[7].min(axis=0) - margin, points[7].max(axis=0) + margin
    np.testing.assert_allclose(boxes.edges[7, 2], [low[1], low[0], high[1], high[0]])
    assert PARTS == ("left_hand", "right_hand", "full_body")


@given(scale=st.floats(0.1, 5), shift=st.tuples(st.floats(-500, 500), st.floats(-500, 500)))
def test_boxes_move_and_grow_with_the_person(scale, shift):
    points = standing()
    found = part_boxes(points * scale + shift).edges
    expected = part_boxes(points).edges * scale + np.tile(shift[::-1], 2)
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_the_last_good_box_is_kept():
    points = standing()
    left, right = layout.hands
    points[:3, left] = np.nan  # before the first good one: that
    points[10:14, left] = 0
    tracked = np.ones((30, 25), bool)
    tracked[20, right] = False
    tracked[25, :13] = False  # the body: too few joints
    boxes = part_boxes(points, tracked=tracked)
    assert np.flatnonzero(boxes.held[:, 0]).tolist() == [0, 1, 2, 10, 11, 12, 13, 25]
    assert np.flatnonzero(boxes.held[:, 1]).tolist() == [20, 25]
    assert np.flatnonzero(boxes.held[:, 2]).tolist() == [25]
    np.testing.assert_array_equal(boxes.edges[:3, 0], boxes.edges[[3] * 3, 0])
    np.testing.assert_array_equal(boxes.edges[10:14, 0], boxes.edges[[9] * 4, 0])
    np.testing.assert_array_equal(boxes.edges[25, 2], boxes.edges[24, 2])


def test_one_wild_frame_does_not_change_the_size():
    points = standing()
    points[12, layout.hips[0]] = [940, 900]
    side = np.diff(part_boxes(points).edges[:, 0, [0, 2]], axis=1)
    np.testing.assert_allclose(side, 2 * HAND * 125)


def test_what_cannot_be_cropped_says_why():
    with pytest.raises(ValueError, match=r"expected \(T, 25, 2\)"):
        part_boxes(np.zeros((4, 25, 3)))
    with pytest.raises(ValueError, match="no frame shows both shoulders and both hips"):
        part_boxes(np.zeros((4, 25, 2)))
    points = standing()
    points[:, layout.hands[1]] = np.inf
    with pytest.raises(ValueError, match="'right_hand' .* the 30 frames"):
        part_boxes(points)
    with pytest.raises(ValueError, match="tracked has shape"):
        part_boxes(standing(), tracked=np.ones((30, 24), bool))


def test_a_crop_of_whole_pixels_is_a_slice():
    image = np.random.default_rng(0).integers(0, 256, (1, 20, 30, 3))
    np.testing.assert_allclose(crop(image, np.array([[3, 5, 11, 13]]), 8)[0], image[0, 3:11, 5:13])
    halved = crop(image, np.array([[4, 4, 12, 12]]), 4)[0]
    means = image[0, 4:12, 4:12].reshape(4, 2, 4, 2, 3).mean(axis=(1, 3))
    np.testing.assert_allclose(halved, means)  # of two pixels in each direction


@settings(max_examples=20)
@given(st.tuples(*[st.floats(-40, 40)] * 2), st.floats(1, 60))
def test_outside_the_image_is_grey(corner, side):
    image = np.full((1, 10, 12, 3), 200.0)
    out = crop(image, np.array([[*corner, corner[0] + side, corner[1] + side]]), 5)[0]
    assert ((out >= GREY - 1e-9) & (out <= 200 + 1e-9)).all()
    far = crop(image, np.array([[-90.0, -90.0, -50.0, -50.0]]), 3)
    assert (far == GREY).all()


def test_boxes_of_real_recordings_follow_the_hands(real_data):
    folder = real_data("ntu") / "nturgb+d_skeletons"
    for name in ("S001C001P001R001A001", "S001C001P001R001A002"):
        clip = read_clip_with_pixels(folder / f"{name}.skeleton")
        assert clip.joints.shape[1] == 1
        pixels = clip.pixels[:, 0]
        boxes = part_boxes(pixels, tracked=clip.states[:, 0] > 0)
        for k, joint in enumerate(layout.hands):
            seen = ~boxes.held[:, k]
            assert seen.all()  # inferred joints (state 1) have a place, too
            centre = boxes.edges[:, k].reshape(-1, 2, 2).mean(axis=1)[:, ::-1]
            np.testing.assert_allclose(centre[seen], pixels[seen, joint], atol=1e-3)
        body = boxes.edges[~boxes.held[:, 2], 2]
        assert (body[:, 0] > -100).all()
        assert (body[:, 2] < 1180).all()
