"""What is drawn on films is where it belongs, and nothing else of the picture changes."""

from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import ImageColor

from keras_skeleton.datasets.formats.poses import MEDIAPIPE33
from keras_skeleton.skeletons import get_skeleton
from keras_skeleton.viz import overlay as drawing
from keras_skeleton.viz.overlay import CLASS_COLOURS, FigureInFilm, Overlay, OverlayError

CLASSES = ["wave", "sit", "none"]
V1 = get_skeleton("kinect_v1")
AT = {name: i for i, name in enumerate(MEDIAPIPE33.points)}
# Half of a standing figure, in heights from the hips: joint, distance from the midline, height.
HALF = """
ear .045 .42  eye .02 .43  shoulder .1 .3  elbow .14 .15  wrist .16 .0  pinky .165 -.03
index .16 -.04  thumb .15 -.03  hip .055 .0  knee .065 -.24  ankle .07 -.47  heel .07 -.49
foot_index .09 -.5
""".split()


@dataclass
class Action:
    start: int
    end: int
    label: str
    unsure: bool | None = None


def standing(x=160, y=120, height=150):
    points = np.full((33, 3), (x, y - 0.41 * height, 0.9))  # the face
    for name, side, up in zip(*[iter(HALF)] * 3, strict=True):
        for who, sign in (("left", 1), ("right", -1)):
            place = (x + sign * float(side) * height, y - float(up) * height, 0.9)
            points[AT[f"{who}_{name}"]] = place
    return points.astype(np.float32)


def gray(size=(240, 320), level=128):
    return np.full((*size, 3), level, np.uint8)


def overlay(size=(240, 320), **options):
    options = {"fps": 30, "classes": CLASSES, "skeleton": "kinect_v1", "duration": 10, **options}
    return Overlay(size, **options)


def changed(picture, image):
    return (picture[: len(image), : image.shape[1]] != image).any(axis=2)


@pytest.mark.parametrize("size", [(240, 320), (241, 321), (121, 160), (720, 1280), (30, 40)])
@pytest.mark.parametrize("rows", [0, 1, 3])
def test_sizes_are_even_and_nobody_changes_nothing(size, rows):
    image = np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8)
    found = overlay(size, rows=rows)
    picture = found.draw(image, [], 1.0)
    assert picture.dtype == np.uint8
    assert picture.shape == (*found.size, 3)
    assert found.film_size == size
    assert (found.size[0] % 2, found.size[1] % 2) == (0, 0)
    np.testing.assert_array_equal(picture[: size[0], : size[1]], image)


def test_large_films_are_drawn_smaller():
    found = overlay((1080, 1920))
    assert found.film_size == (720, 1280)
    points = standing(600, 600, 800)
    picture = found.draw(gray((1080, 1920)), [FigureInFilm(0, points)], 0)
    different = changed(picture, gray((720, 1280)))
    rows, columns = np.nonzero(different)
    assert abs(columns.mean() - 400) < 5
    assert rows.max() == pytest.approx(points[:, 1].max() * 2 / 3, abs=15)


def test_joints_change_and_the_rest_does_not():
    points = standing()
    picture = overlay().draw(gray(), [FigureInFilm(0, points)], 0)
    different = changed(picture, gray())
    for name in ("shoulder", "elbow", "wrist", "hip", "knee", "ankle"):
        for side in ("left", "right"):
            x, y = points[AT[f"{side}_{name}"], :2].round().astype(int)
            assert different[y - 1 : y + 2, x - 1 : x + 2].mean() > 0.5, name
    left, top = points[:, :2].min(axis=0).astype(int) - 12
    right, bottom = points[:, :2].max(axis=0).astype(int) + 12
    different[top:bottom, left:right] = False
    assert not different.any()
    assert not changed(picture, gray())[130:150, 157:163].any()  # between the legs


def test_left_and_right_have_their_colors():
    points = standing(height=220)
    picture = overlay().draw(gray(), [FigureInFilm(0, points)], 0)
    for side, strongest in (("left", 2), ("right", 0)):
        thigh = points[[AT[f"{side}_hip"], AT[f"{side}_knee"]], :2].mean(axis=0)
        x, y = thigh.round().astype(int)
        assert picture[y, x].argmax() == strongest
        assert np.ptp(picture[y, x].astype(int)) > 100


def test_attention_brightens_its_joint():
    points = standing()
    shares = np.ones(20)
    pictures = []
    for share in (0.0, 1.0, 3.0):
        shares[V1.index("right_hand")] = share
        pictures.append(overlay().draw(gray(level=60), [FigureInFilm(0, points, joints=shares)], 0))
    x, y = points[[AT["right_wrist"], AT["right_index"]], :2].mean(axis=0).round().astype(int)
    around = [p[y - 12 : y + 13, x - 12 : x + 13, :2].mean() for p in pictures]
    assert around[2] > around[1] + 20
    assert around[1] > around[0]
    low, _, high = pictures
    different = (low != high).any(axis=2)
    assert different[y, x]
    assert not different[:, x + 40 :].any()


@pytest.mark.parametrize("layout", ["kinect_v1", "kinect_v2", "sbu", "hdm05", "mediapipe_hand21"])
def test_network_joints_are_mixed_from_the_points(layout):
    skeleton = get_skeleton(layout)
    found = overlay(skeleton=layout)
    weights = found._weights.sum(axis=1)
    assert ((abs(weights - 1) < 1e-9) | (weights == 0)).all()
    assert (weights > 0).all() == (layout in ("kinect_v1", "kinect_v2", "sbu"))
    points = standing()
    if "left_knee" in skeleton.joints:
        knee = found._weights[skeleton.index("left_knee")] @ points[:, :2]
        np.testing.assert_allclose(knee, points[AT["left_knee"], :2])
    found.draw(gray(), [FigureInFilm(0, points, joints=np.ones(skeleton.size))], 0)


def test_points_that_are_not_seen_are_paler():
    points = standing(height=220)
    hidden = points.copy()
    hidden[[AT["left_knee"], AT["left_ankle"]], 2] = 0.1
    clear, pale = (
        overlay().draw(gray(), [FigureInFilm(0, p)], 0)[:240].astype(int) - 128
        for p in (points, hidden)
    )
    shin = np.s_[170:215, 166:190]
    assert 0 < np.abs(pale[shin]).sum() < 0.6 * np.abs(clear[shin]).sum()
    np.testing.assert_array_equal(clear[:100], pale[:100])


def text_box(label, points, size=(240, 320), **options):
    """Where a label is: rows and columns that it changes."""
    found = overlay(size)
    person = FigureInFilm(0, points, **options)
    plain = found.draw(gray(size), [person], 0)
    with_text = found.draw(gray(size), [FigureInFilm(0, points, label, **options)], 0)
    rows, columns = np.nonzero((plain != with_text).any(axis=2))
    return rows.min(), rows.max(), columns.min(), columns.max()


def test_the_label_is_near_the_head_and_hides_no_joint():
    points = standing()
    top, bottom, left, right = text_box("wave", points)
    assert bottom < points[AT["left_shoulder"], 1]
    assert abs((left + right) / 2 - 160) < 40
    points[AT["left_elbow"], :2] = 180, 60
    points[AT["left_wrist"], :2] = 168, 25  # a hand above the head
    top, bottom, left, right = text_box("wave", points)
    for x, y in points[[AT["left_elbow"], AT["left_wrist"]], :2]:
        assert not (left <= x <= right and top <= y <= bottom)


@given(
    x=st.floats(-400, 700), y=st.floats(-400, 700), height=st.floats(1, 900),
    label=st.text(max_size=60),
)  # fmt: skip
def test_labels_stay_inside(x, y, height, label):
    found = overlay()
    box = found._label(label or "wave", (255, 255, 255), (1, 2, 3))
    assert box.width <= 320
    figure = drawing._Figure(FigureInFilm(0, standing(x, y, height)), 1.0, 240)
    for place in figure.places(box.size):
        left, top, right, bottom = drawing._inside((*place, *box.size), (320, 240))
        assert left >= 0 <= top
        assert right <= 320
        assert bottom <= 240
        assert (right - left, bottom - top) == box.size
    people = [FigureInFilm(0, standing(x, y, height), label, 0.5)]
    timeline = {0: [Action(0, 300, label)]}
    assert found.draw(gray(), people, 1, timeline, [label]).shape == (*found.size, 3)


@given(arrays(np.float64, (33, 3)), arrays(np.float32, 20))
def test_any_points_can_be_drawn(points, joints):
    with np.errstate(all="ignore"):
        people = [FigureInFilm(0, points, "wave", 0.5, True, joints)]
        assert overlay().draw(gray(), people, 0).any()


def test_text_says_number_class_probability_and_doubt():
    found = overlay()
    points = standing()
    sure, color = found._said(FigureInFilm(1, points, "wave", 0.914, False), several=False)
    assert sure == "wave 91 %"
    unsure, gray_color = found._said(FigureInFilm(1, points, "wave", 0.414, True), several=True)
    assert unsure == "1: wave? 41 %"
    assert max(gray_color) < min(color)
    assert found._said(FigureInFilm(1, points), several=True)[0] == "1"
    assert found._said(FigureInFilm(1, points), several=False)[0] == ""
    assert "none" not in found._said(FigureInFilm(1, points, "none", 0.9), several=False)[0]


def test_labels_of_people_side_by_side_do_not_overlap():
    found = overlay((240, 400))
    people = [FigureInFilm(k, standing(150 + 30 * k), "wave and wave", 0.9) for k in range(3)]
    film = drawing.Image.fromarray(gray((240, 400)))
    taken = []
    film.paste = lambda image, box, mask: taken.append((*box, image.width, image.height))
    found._draw_texts(film, [drawing._Figure(p, 1.0, 240) for p in people], ["a line"])
    assert len(taken) == 4
    boxes = [(x, y, x + w, y + h) for x, y, w, h in taken]
    assert not any(drawing._overlap(a, b) for a, b in combinations(boxes, 2))


def test_a_label_keeps_its_side():
    """It jumps only if it would hide joints, not whenever another side becomes a little better."""
    found = overlay()
    raised = standing()
    raised[AT["left_wrist"], :2] = 160, 40
    for points in (raised, standing(), standing()):
        found.draw(gray(), [FigureInFilm(0, points, "wave")], 0)
        assert found._sides[0] > 0
    found.draw(gray(), [], 0)
    assert found._sides == {}


# ---------------------------------------------------------------- timeline


def row_colors(found, time_s, timeline, row=0, seen=()):
    """Colors along a row of the timeline, near its upper edge, where no text is."""
    people = [FigureInFilm(k, standing()) for k in seen]
    picture = found.draw(gray(), people, time_s, timeline)
    strip = found._timeline
    return picture[240 + strip.pad + row * (strip.row + 2) + 1]


def share_of(line, color):
    return np.mean((line == ImageColor.getrgb(color)).all(axis=1))


def test_bars_have_the_class_color_their_place_and_length():
    line = row_colors(overlay(), 9.0, {0: [Action(0, 150, "wave"), Action(180, 240, "sit")]})
    wave = np.flatnonzero((line == ImageColor.getrgb(CLASS_COLOURS[0])).all(axis=1))
    sit = np.flatnonzero((line == ImageColor.getrgb(CLASS_COLOURS[1])).all(axis=1))
    assert wave.min() < 10
    assert wave.max() == pytest.approx(160, abs=6)
    assert (sit.min(), sit.max()) == (pytest.approx(192, abs=6), pytest.approx(256, abs=6))
    bright = np.flatnonzero((line == drawing.BRIGHT).all(axis=1))
    assert bright.mean() == pytest.approx(0.9 * 320, abs=5)  # the playhead


def test_unsure_bars_are_darker():
    sure = row_colors(overlay(), 9.0, {0: [Action(0, 150, "wave")]})
    unsure = row_colors(overlay(), 9.0, {0: [Action(0, 150, "wave", True)]})
    assert unsure[20:140].mean() < sure[20:140].mean()


def test_long_films_show_a_minute_around_the_playhead():
    found = overlay(duration=200)
    assert found._timeline.shown(10) == (0, 60)
    assert found._timeline.shown(100) == (70, 130)
    assert found._timeline.shown(195) == (140, 200)
    actions = {0: [Action(30 * 20, 30 * 40, "wave"), Action(30 * 100, 30 * 115, "sit")]}
    line = row_colors(found, 100, actions)
    assert share_of(line, CLASS_COLOURS[0]) == 0
    assert share_of(line, CLASS_COLOURS[1]) == pytest.approx(0.25, abs=0.03)


def test_live_films_show_the_last_half_minute():
    found = overlay(duration=None)
    line = row_colors(found, 100, {0: [Action(30 * 85, 30 * 100, "wave")]})
    assert share_of(line[:150], CLASS_COLOURS[0]) == 0
    assert share_of(line, CLASS_COLOURS[0]) == pytest.approx(0.5, abs=0.04)
    row_colors(found, 0.0, {})


def test_each_person_has_a_row():
    found = overlay(rows=2)
    timeline = {0: [Action(0, 300, "wave")], 3: [Action(0, 300, "sit")]}
    assert share_of(row_colors(found, 5, timeline, row=0), CLASS_COLOURS[0]) > 0.8
    assert share_of(row_colors(found, 5, timeline, row=1), CLASS_COLOURS[1]) > 0.8
    timeline[4] = [Action(0, 300, "wave")]  # more people than rows: the latest ones
    assert share_of(row_colors(found, 5, timeline, row=0), CLASS_COLOURS[1]) > 0.8
    late = overlay(rows=2, duration=200)
    timeline[4] = [Action(0, 30, "sit")]
    timeline |= {0: [Action(3000, 6000, "wave")], 3: []}
    assert share_of(row_colors(late, 150, timeline, row=0, seen=[3]), CLASS_COLOURS[0]) > 0.8


def test_people_without_actions_leave_the_rows_to_others():
    timeline = {1: [Action(0, 300, "wave")]}
    for seen in ([0, 1, 2], [2], []):
        assert share_of(row_colors(overlay(), 5, timeline, seen=seen), CLASS_COLOURS[0]) > 0.8
    line = row_colors(overlay(rows=2), 5, timeline, row=1, seen=[0, 2])
    assert share_of(line, CLASS_COLOURS[0]) > 0.8


def test_the_strip_is_drawn_anew_when_actions_come():
    found = overlay()
    assert share_of(row_colors(found, 5, {}), CLASS_COLOURS[0]) == 0
    assert share_of(row_colors(found, 5, {0: [Action(0, 90, "wave")]}), CLASS_COLOURS[0]) > 0.2
    assert share_of(row_colors(found, 5, {0: [Action(0, 180, "wave")]}), CLASS_COLOURS[0]) > 0.5


# ---------------------------------------------------------------- colors

# Machado et al., "A Physiologically-based Model for Simulation of Color Vision Deficiency", 2009,
# severity 1, for linear RGB.
VISION = {
    "normal": np.eye(3),
    "protanopia": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "deuteranopia": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
}


def lab(colors, vision):
    rgb = np.array([ImageColor.getrgb(color) for color in colors]) / 255
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    seen = np.clip(linear @ np.transpose(VISION[vision]), 0, 1)
    to_xyz = [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]
    f = np.cbrt(seen @ np.transpose(to_xyz) / [0.9505, 1, 1.089])
    x, y, z = f.T
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=1)


@pytest.mark.parametrize("vision", VISION)
def test_classes_are_told_apart(vision):
    points = lab(CLASS_COLOURS, vision)
    assert len(points) == 15
    assert min(np.linalg.norm(a - b) for a, b in combinations(points, 2)) > 15  # 2.3 is visible


def test_colors_follow_the_index():
    found = overlay(classes=[f"class {k}" for k in range(40)])
    assert found.colour("class 3") == ImageColor.getrgb(CLASS_COLOURS[3])
    assert found.colour("class 18") == found.colour("class 3")
    assert overlay().colour("none") == overlay().colour("unknown") == drawing.QUIET


def test_what_does_not_fit_is_named():
    found = overlay()
    with pytest.raises(OverlayError, match="240, 320"):
        found.draw(gray((320, 240)), [], 0)
    with pytest.raises(OverlayError, match="uint8"):
        found.draw(gray().astype(float), [], 0)
    with pytest.raises(OverlayError, match="33"):
        found.draw(gray(), [FigureInFilm(0, np.zeros((17, 3)))], 0)
    with pytest.raises(OverlayError, match="20"):
        found.draw(gray(), [FigureInFilm(0, standing(), joints=np.ones(25))], 0)
    for options in ({"fps": 0}, {"rows": -1}, {"size": (0, 5)}):
        with pytest.raises(OverlayError, match="positive"):
            overlay(**options)


def test_no_rows_show_nobody():
    picture = overlay(rows=0).draw(gray(), [FigureInFilm(0, standing())], 5, {0: []})
    assert share_of(picture[240:].reshape(-1, 3), CLASS_COLOURS[2]) == 0
