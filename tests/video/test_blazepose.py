"""The parts around BlazePose's networks, and, where these are, the whole on a real film."""

import math
from itertools import islice, pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keras_skeleton.datasets.formats.poses import MEDIAPIPE33
from keras_skeleton.video import blazepose
from keras_skeleton.video.blazepose import (
    CROP,
    DETECTOR,
    HEAT,
    BlazePose,
    Detections,
    Region,
    anchors,
    box_overlap,
    decode,
    merge,
    refine,
    region_between,
    turned_crop,
)
from keras_skeleton.video.film import open_film

angles = st.floats(-math.pi, math.pi)
places = st.floats(-500, 1500)


# ---------------------------------------------------------------- detections


def test_anchors_are_the_centers_of_the_cells_of_five_maps():
    found = anchors()
    assert found.shape == (2254, 2)
    expected = []
    for stride, each in ((8, 2), (16, 2), (32, 6)):
        for row in range(224 // stride):
            for column in range(224 // stride):
                expected += [((column + 0.5) * stride, (row + 0.5) * stride)] * each
    np.testing.assert_array_equal(found, expected)
    assert found[[2, 56, 1568, 1570, 1960, 1966]].tolist() == [
        [12, 4], [4, 12], [8, 8], [24, 8], [16, 16], [48, 16],
    ]  # fmt: skip


def test_decode_equals_a_loop_over_the_anchors():
    rng = np.random.default_rng(0)
    values = rng.normal(0, 20, (2254, 12)).astype(np.float32)
    logits = rng.normal(-3, 2, 2254).astype(np.float32)
    logits[:2] = -200, 200  # no overflow
    expected = []
    for (x, y), row, logit in zip(anchors(), values.astype(float), logits, strict=True):
        score = 1 / (1 + math.exp(-max(float(logit), -80)))
        if score >= 0.5:
            box = [x + row[0] - row[2] / 2, y + row[1] - row[3] / 2]
            box += [x + row[0] + row[2] / 2, y + row[1] + row[3] / 2]
            expected.append((*box, x + row[4], y + row[5], x + row[6], y + row[7], score))
    found = decode(values, logits)
    assert 50 < len(expected) < 500
    np.testing.assert_allclose(
        np.column_stack([*found[:3], found.scores]), expected, rtol=1e-4, atol=1e-3
    )


def test_nothing_is_detected_in_nothing():
    found = decode(np.zeros((2254, 12), np.float32), np.full(2254, -9, np.float32))
    assert [len(part) for part in found] == [0, 0, 0, 0]
    assert [len(part) for part in merge(found)] == [0, 0, 0, 0]


def detections(*rows):
    """Rows of a box's left and top, its size, and the hips, and the reach above them."""
    boxes = [(x, y, x + size, y + size) for x, y, size, *_ in rows]
    hips = np.array([row[3:5] for row in rows], float)
    reach = hips - [(0, row[5]) for row in rows]
    return Detections(np.array(boxes, float), hips, reach, np.array([row[6] for row in rows]))


def test_each_person_has_one_detection():
    face_of_one = (100, 50, 20, 110, 120, 60, 0.7)
    same_face = (103, 52, 20, 112, 200, 60, 0.9)  # elsewhere, but the face is the same
    same_circle = (140, 50, 20, 110, 125, 60, 0.6)  # another face, but the hips are the same
    other = (20, 50, 20, 30, 120, 60, 0.8)

    def scores(*rows):
        return merge(detections(*rows)).scores.tolist()

    assert scores(face_of_one) == [0.7]
    assert scores(face_of_one, same_face) == [0.9]
    assert scores(face_of_one, same_circle) == [0.7]
    assert scores(face_of_one, other) == [0.8, 0.7]
    assert scores(other, face_of_one, same_circle, same_face) == [0.9, 0.8, 0.6]
    child = (160, 90, 10, 130, 120, 15, 0.75)  # in front of an adult: its circle is smaller
    assert scores(face_of_one, child) == [0.75, 0.7]


def test_detections_of_one_face_are_averaged():
    found = merge(detections((100, 50, 20, 110, 120, 60, 0.6), (103, 52, 20, 112, 124, 64, 0.9)))
    weights = np.array([0.6, 0.9]) / 1.5
    np.testing.assert_allclose(found.hips, [weights @ [[110, 120], [112, 124]]])
    np.testing.assert_allclose(found.reach, [weights @ [[110, 60], [112, 60]]])
    np.testing.assert_allclose(found.boxes[0, :2], weights @ [[100, 50], [103, 52]])


hundredths = st.integers(0, 30_000).map(lambda number: number / 100)
corners = st.tuples(*[hundredths] * 4)


@given(corners, corners)
def test_the_overlap_of_boxes_is_symmetric_and_a_share(a, b):
    a, b = (np.array([x, y, x + width, y + height]) for x, y, width, height in (a, b))
    found = box_overlap(a, b)
    assert 0 <= found <= 1 + 1e-9
    assert found == pytest.approx(box_overlap(b, a))
    if (a[2:] - a[:2]).min() > 1e-3:
        assert box_overlap(a, a) == pytest.approx(1)


@pytest.mark.parametrize(
    ("b", "share"),
    [
        ((2, 2, 4, 4), 1),
        ((3, 3, 4, 4), 1 / 4),
        ((3, 3, 5, 5), 1 / 7),
        ((4, 2, 6, 4), 0),
        ((9, 9, 10, 10), 0),
        ((3, 3, 3, 3), 0),
    ],
)
def test_the_overlap_of_boxes(b, share):
    assert box_overlap(np.array([2, 2, 4, 4]), np.array(b)) == pytest.approx(share)


# ---------------------------------------------------------------- regions


@given(places, places, angles, st.floats(1, 1000))
def test_a_region_stands_as_the_person_does(x, y, angle, reach):
    head = (x + reach * math.sin(angle), y - reach * math.cos(angle))
    region = region_between((x, y), head, 0.25)
    assert (region.x, region.y, region.score) == (x, y, 0.25)
    assert region.side == pytest.approx(2.5 * reach, rel=1e-6)
    turn = (region.angle - angle + math.pi) % (2 * math.pi) - math.pi
    assert turn == pytest.approx(0, abs=1e-6)
    assert -math.pi <= region.angle <= math.pi
    # Turned back, the corners are those of an upright square, in order.
    c, s = math.cos(region.angle), math.sin(region.angle)
    upright = (region.corners() - (x, y)) @ np.array([[c, -s], [s, c]])
    half = region.side / 2
    expected = [(-half, -half), (half, -half), (half, half), (-half, half)]
    np.testing.assert_allclose(upright, expected, rtol=1e-6, atol=1e-6)
    middle_of_the_top = region.corners()[:2].mean(axis=0)
    np.testing.assert_allclose(middle_of_the_top - (x, y), 1.25 * (np.array(head) - (x, y)),
                               rtol=1e-6, atol=1e-6)  # fmt: skip


def test_a_point_on_the_hips_gives_a_small_region():
    region = region_between((5, 6), (5, 6))
    assert region[:3] == (5, 6, 1)
    assert math.isfinite(region.angle)


# ---------------------------------------------------------------- crops


def picture(height, width, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def whole(size, angle=0.0):
    return Region(size / 2, size / 2, size, angle)


def test_a_region_of_the_size_of_the_crop_gives_the_pixels():
    image = picture(300, 400)
    crop = turned_crop(image, Region(200, 150, CROP, 0))
    assert crop.shape == (CROP, CROP, 3)
    assert crop.dtype == np.float32
    np.testing.assert_allclose(crop * 255, image[22:278, 72:328], atol=1e-3)


@pytest.mark.parametrize("quarters", [-2, -1, 1, 2])
def test_quarter_turns_give_the_turned_pixels(quarters):
    image = picture(64, 64)
    crop = turned_crop(image, whole(64, quarters * math.pi / 2), size=64)
    # The head is on the right: turning counterclockwise makes the person upright. Pixels are
    # counted from their corners, so that what turns to the first row or column lies one further.
    turned = np.rot90(image, quarters)
    rows, columns = {-2: (1, 1), 2: (1, 1), -1: (0, 1), 1: (1, 0)}[quarters]
    np.testing.assert_allclose(
        crop[rows:, columns:] * 255, turned[: 64 - rows, : 64 - columns], atol=1
    )


def test_outside_of_the_image_are_the_pixels_at_its_edge():
    image = picture(100, 80)
    crop = turned_crop(image, Region(0, 0, 64, 0), size=64) * 255
    np.testing.assert_allclose(crop[32:, 32:], image[:32, :32], atol=1e-3)
    np.testing.assert_allclose(crop[:32, 40], np.tile(image[0, 8], (32, 1)), atol=1e-3)
    np.testing.assert_allclose(crop[50, :32], np.tile(image[18, 0], (32, 1)), atol=1e-3)
    np.testing.assert_allclose(crop[:32, :32], np.tile(image[0, 0], (32, 32, 1)), atol=1e-3)


def test_a_region_beside_the_image_is_black():
    image = np.full((100, 80, 3), 200, np.uint8)
    for x, y in ((-500, 50), (50, 900), (10**6, 10**6)):
        assert not turned_crop(image, Region(x, y, 64, 0.3), size=64).any()


@pytest.mark.parametrize("times", [2, 4, 7.3, 12])
@pytest.mark.parametrize("angle", [0, 0.7])
def test_large_regions_keep_the_grey_levels(times, angle):
    """A slope of grey stays where it is although pixels are left out."""
    side = 64 * times
    size = int(1.6 * side)
    y, x = np.mgrid[:size, :size]
    image = np.stack([20 + 200 * x / size, 20 + 200 * y / size, np.full(x.shape, 90)], axis=-1)
    region = Region(size / 2 + 0.3, size / 2 - 0.4, side, angle)
    crop = turned_crop(np.round(image).astype(np.uint8), region, size=64) * 255
    at = in_image(np.stack(np.mgrid[:64, :64][::-1], axis=-1), region, 64)
    expected = 20 + 200 * at / size
    np.testing.assert_allclose(crop[..., :2], expected, atol=2)
    np.testing.assert_allclose(crop[..., 2], 90, atol=1e-3)


def in_image(points, region, size=CROP):
    """Where points of a crop are in the image: scaled, turned, moved."""
    c, s = math.cos(region.angle), math.sin(region.angle)
    x, y = np.moveaxis((np.asarray(points) / size - 0.5) * region.side, -1, 0)
    return np.stack([region.x + c * x - s * y, region.y + s * x + c * y], axis=-1)


def bright_spot(x, y, height=200, width=240, spread=4.0):
    rows, columns = np.mgrid[:height, :width]
    light = 255 * np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / (2 * spread**2))
    return np.repeat(np.round(light)[..., None], 3, axis=2).astype(np.uint8)


def middle_of_light(crop):
    light = crop.mean(axis=2)
    rows, columns = np.mgrid[: len(light), : light.shape[1]]
    return np.array([(columns * light).sum(), (rows * light).sum()]) / light.sum()


@given(
    x=st.floats(90, 150),
    y=st.floats(70, 130),
    angle=angles,
    side=st.floats(80, 700),
    dx=st.floats(-15, 15),
    dy=st.floats(-15, 15),
)
def test_a_spot_is_found_again_with_a_part_of_a_pixel(x, y, angle, side, dx, dy):
    """Crop, find the spot, map it back: the inverse of the crop."""
    region = Region(x + dx, y + dy, side, angle)
    found = middle_of_light(turned_crop(bright_spot(x, y), region, size=128))
    np.testing.assert_allclose(in_image(found, region, 128), (x, y), atol=0.1 + side / 3000)


# ---------------------------------------------------------------- heat maps


def heat_map(*cells, low=-20.0, high=4.0):
    heat = np.full((HEAT, HEAT, 1), low, np.float32)
    for x, y in cells:
        heat[y, x, 0] = high
    return heat


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        ([(30, 40)], (30, 40)),
        ([(30, 40), (31, 40)], (30.5, 40)),
        ([(30, 40), (31, 40), (30, 41), (31, 41)], (30.5, 40.5)),
        ([(33, 40), (34, 40)], (33, 40)),  # the second is out of the window
    ],
)
def test_points_move_to_the_middle_of_the_heat(cells, expected):
    found = refine(np.array([[30.7 / HEAT, 40.2 / HEAT]]), heat_map(*cells))
    np.testing.assert_allclose(found, [np.array(expected) / HEAT], atol=1e-6)


def test_unsure_heat_leaves_the_point():
    place = np.array([[0.4711, 0.1234]])
    np.testing.assert_array_equal(refine(place, heat_map((30, 8), high=-0.01)), place)
    np.testing.assert_array_equal(refine(place, heat_map((50, 50))), place)  # too far away
    assert (refine(place, heat_map((30, 8), high=0.01)) != place).all()


@pytest.mark.parametrize("corner", [(0, 0), (63, 0), (0, 63), (63, 63)])
def test_at_the_border_the_window_is_smaller(corner):
    place = (np.array([corner]) + 0.5) / HEAT
    heat = np.full((HEAT, HEAT, 1), -80.0, np.float32)
    heat[corner[1], corner[0]] = 2
    inner = np.where(np.array(corner) == 0, 1, 62)
    heat[inner[1], inner[0]] = 2
    expected = (np.array([corner]) + inner) / 2 / HEAT
    np.testing.assert_allclose(refine(place, heat), expected, atol=1e-6)


@pytest.mark.parametrize("place", [(-0.01, 0.5), (0.5, 1.0), (1.7, 0.5), (0.5, -3.0)])
def test_points_outside_stay_where_they_are(place):
    found = refine(np.array([place, (0.5, 0.5)]), np.full((HEAT, HEAT, 2), 3, np.float32))
    np.testing.assert_array_equal(found[0], place)
    np.testing.assert_allclose(found[1], (0.5, 0.5), atol=1e-6)


@given(st.lists(st.tuples(st.floats(-0.2, 1.2), st.floats(-0.2, 1.2)), min_size=1, max_size=5),
       st.integers(0, 2**32 - 1))  # fmt: skip
def test_refined_points_equal_a_loop(places, seed):
    heat = np.random.default_rng(seed).normal(-1, 2, (HEAT, HEAT, len(places)))
    heat = heat.astype(np.float32)
    found = refine(np.array(places), heat)
    for k, (x, y) in enumerate(places):
        column, row = math.floor(x * HEAT), math.floor(y * HEAT)
        cells = [
            (c, r, 1 / (1 + math.exp(-float(heat[r, c, k]))))
            for r in range(max(row - 3, 0), min(row + 4, HEAT))
            for c in range(max(column - 3, 0), min(column + 4, HEAT))
        ]
        expected = (x, y)
        if 0 <= column < HEAT and 0 <= row < HEAT and max(w for *_, w in cells) >= 0.5:
            total = sum(w for *_, w in cells)
            expected = [sum(cell[i] * cell[2] for cell in cells) / total / HEAT for i in (0, 1)]
        np.testing.assert_allclose(found[k], expected, rtol=1e-5, atol=1e-6)


# ---------------------------------------------------------------- networks that are made up


class MadeNetwork:
    """Stands for a network: keeps its input and gives prepared outputs."""

    def __init__(self, outputs):
        self.outputs, self.input = outputs, None

    def __call__(self, image, wanted):
        self.input = image
        return self.outputs


def made(detector=None, landmarks=None):
    pose = BlazePose.__new__(BlazePose)
    pose._detector, pose._landmarks = MadeNetwork(detector), MadeNetwork(landmarks)
    return pose


@pytest.mark.parametrize(("height", "width"), [(224, 224), (480, 640), (1920, 1080), (3, 90)])
def test_detections_are_mapped_from_the_square_to_the_image(height, width):
    values = np.zeros((2254, 12), np.float32)
    logits = np.full((2254, 1), -9, np.float32)
    logits[100] = 2
    values[100, 4:8] = np.array([112, 112, 112, 62]) - np.tile(anchors()[100], 2)
    pose = made(detector=[values, logits])
    (region,) = pose.detect(np.full((height, width, 3), 255, np.uint8))
    side = max(height, width)
    assert region[:2] == pytest.approx((width / 2, height / 2), abs=side / DETECTOR)
    assert region.side == pytest.approx(2.5 * 50 * side / DETECTOR)
    assert region.angle == pytest.approx(0, abs=1e-6)
    assert region.score == pytest.approx(1 / (1 + math.exp(-2)))
    seen = pose._detector.input
    assert seen.shape == (DETECTOR, DETECTOR, 3)
    assert seen.dtype == np.float32
    light = (seen > 0).all(axis=2)  # -1 is black, 1 is white
    assert set(np.unique(seen)) <= {-1, 1}
    for axis, length in ((1, height), (0, width)):
        assert light.any(axis=axis).sum() == pytest.approx(DETECTOR * length / side, abs=1)


@given(places, places, st.floats(20, 900), angles)
def test_landmarks_are_mapped_from_the_crop_to_the_image(x, y, side, angle):
    rng = np.random.default_rng(0)
    values = rng.uniform(0, CROP, (39, 5)).astype(np.float32)
    values[33:35, :2] = (128, 128), (128, 64)
    world = rng.normal(size=(39, 3)).astype(np.float32)
    unsure = np.full((HEAT, HEAT, 39), -9, np.float32)
    pose = made(landmarks=[values.ravel(), np.array([0.75], np.float32), unsure, world.ravel()])
    region = Region(x, y, side, angle)
    found = pose.landmarks(np.zeros((8, 8, 3), np.uint8), region)
    assert found.points.dtype == found.world.dtype == np.float32
    expected = in_image(values[:33, :2], region)
    np.testing.assert_allclose(found.points[:, :2], expected, rtol=1e-4, atol=1e-2)
    visibility = 1 / (1 + np.exp(-values[:33, 3].astype(float)))
    np.testing.assert_allclose(found.points[:, 2], visibility, rtol=1e-4)
    np.testing.assert_array_equal(found.points[:, 2], found.world[:, 3])
    c, s = math.cos(angle), math.sin(angle)
    np.testing.assert_allclose(found.world[:, 0], c * world[:33, 0] - s * world[:33, 1], atol=1e-5)
    np.testing.assert_allclose(found.world[:, 1], s * world[:33, 0] + c * world[:33, 1], atol=1e-5)
    np.testing.assert_array_equal(found.world[:, 2], world[:33, 2])
    assert found.presence == 0.75
    # The next region: the circle reaches a quarter of the crop above its middle.
    assert found.region[:2] == pytest.approx((x, y), abs=1e-3)
    assert found.region.side == pytest.approx(2.5 * side / 4, rel=1e-4)
    assert math.cos(found.region.angle - angle) == pytest.approx(1, abs=1e-6)


# ---------------------------------------------------------------- the networks on a real film


@pytest.fixture(scope="module")
def real(real_pose_models, real_data):
    """The estimator and three frames of a real film, half as large."""
    path = real_data("ntu") / "nturgb+d_rgb" / "S001C001P001R001A001_rgb.avi"
    if not path.is_file():
        pytest.skip(f"no film at {path} (set KERAS_SKELETON_TEST_DATA)")
    frames = open_film(path, most_pixels=960 * 540).frames()
    images = [frame.image for frame in islice(frames, 3)]
    frames.close()
    return BlazePose(real_pose_models, threads=1), images


def point(seen, name):
    return seen.points[MEDIAPIPE33.points.index(name), :2]


def test_the_person_of_a_film_is_found(real):
    pose, images = real
    (region,) = pose.detect(images[0])
    assert region.score > 0.9
    seen = pose.landmarks(images[0], region)
    assert seen.presence > 0.9
    for side in ("left", "right"):
        way = ("nose", f"{side}_shoulder", f"{side}_hip", f"{side}_knee", f"{side}_ankle")
        heights = [point(seen, name)[1] for name in way]
        assert all(a + 5 < b for a, b in pairwise(heights))
        metres = [seen.world[MEDIAPIPE33.points.index(name), 1] for name in way]
        assert all(a + 0.05 < b for a, b in pairwise(metres))
    hips = [MEDIAPIPE33.points.index(f"{side}_hip") for side in ("left", "right")]
    assert np.abs(seen.world[hips, :3].mean(axis=0)).max() < 0.02
    tall = np.ptp(seen.world[:, 1])
    assert 1.2 < tall < 2.2  # meters
    assert seen.points[:, 2].min() >= 0
    assert seen.points[:, 2].max() <= 1
    assert seen.points[:, 2].mean() > 0.8


def test_following_gives_what_detection_gives(real):
    pose, images = real
    region = pose.detect(images[0])[0]
    for image in images:
        found = pose.landmarks(image, pose.detect(image)[0])
        followed = pose.landmarks(image, region)
        apart = np.linalg.norm(found.points[:, :2] - followed.points[:, :2], axis=1)
        assert np.median(apart) < 3  # pixels; the person is 200 tall
        assert apart.max() < 16
        region = followed.region


@pytest.mark.parametrize("quarters", [1, 2, 3])
def test_a_turned_film_gives_the_turned_person(real, quarters):
    pose, images = real
    image = images[0]
    upright = pose.landmarks(image, pose.detect(image)[0])
    turned = np.ascontiguousarray(np.rot90(image, quarters))
    seen = pose.landmarks(turned, pose.detect(turned)[0])
    assert seen.presence > 0.9
    points, world = upright.points[:, :2], upright.world[:, :3].copy()
    width, height = image.shape[1], image.shape[0]
    for _ in range(quarters):
        points = np.stack([points[:, 1], width - points[:, 0]], axis=1)
        world[:, 0], world[:, 1] = world[:, 1].copy(), -world[:, 0]
        width, height = height, width
    apart = np.linalg.norm(seen.points[:, :2] - points, axis=1)
    assert np.median(apart) < 3
    assert apart.max() < 16
    assert np.median(np.linalg.norm(seen.world[:, :3] - world, axis=1)) < 0.08  # meters


def test_an_empty_picture_has_nobody(real):
    pose, _ = real
    assert pose.detect(np.zeros((240, 320, 3), np.uint8)) == []
    assert pose.detect(np.zeros((1, 1, 3), np.uint8)) == []
    seen = pose.landmarks(np.zeros((240, 320, 3), np.uint8), Region(160, 120, 100, 0))
    assert seen.presence < 0.5
    assert np.isfinite(seen.points).all()
    assert blazepose.POINTS == len(seen.points) == MEDIAPIPE33.size
