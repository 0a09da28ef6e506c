"""Everybody is labeled by poses of their own."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from made_network import MadeNetwork
from made_people import Person

from keras_skeleton.datasets.formats.poses import MEDIAPIPE33, pose_clip
from keras_skeleton.film.people_labels import PeopleLabeler, is_visible, kinect_pose
from keras_skeleton.film.windows import StreamLabeler
from keras_skeleton.recognizer import RecognizerError
from keras_skeleton.skeletons import KINECT_V2
from keras_skeleton.video.people import REMEMBER, PersonPose

FPS, SIZE = 30, (120, 160)
WAVE, STAND = 0.9, 0.0  # lift of the hand in meters


def pose_of(person, lift=STAND, slot=0, **how):
    seen = Person(80, 60, lift=lift, **how).landmarks()
    return PersonPose(person, slot, seen.points, seen.world, 0.9)


def label(frames, recognizer=None, fps=FPS, **options):
    """The labeler, and the steps of each person, of frames that are lists of poses."""
    labeler = PeopleLabeler(recognizer or MadeNetwork(), fps, SIZE, **options)
    steps = {}
    for people in frames:
        for who, step in labeler.push(people):
            steps.setdefault(who.person, []).append(step)
    for who, step in labeler.finish():
        steps.setdefault(who.person, []).append(step)
    return labeler, steps


def alone(lifts, first=0):
    """The steps of one person whose hand is lifted so in each frame; None: not there."""
    labeler = StreamLabeler(MadeNetwork(), FPS, KINECT_V2, first=first)
    steps = []
    for lift in lifts:
        pose = np.zeros((25, 3)) if lift is None else kinect_pose(pose_of(0, lift).world)
        steps += labeler.push(pose)
    return steps + labeler.finish()


def compare(found, expected):
    assert [(s.start, s.end, s.label) for s in found] == [
        (s.start, s.end, s.label) for s in expected
    ]
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one.logits, other.logits)
        if other.joints is None:
            assert one.joints is None
        else:
            np.testing.assert_array_equal(one.joints, other.joints)


@given(arrays.arrays(np.float32, (4, 33, 4), elements=st.floats(-2, 2, width=16)))
def test_a_pose_is_that_of_the_reader_of_key_points(world):
    world[..., 3] = 0.9
    there = np.abs(world[..., :3]).sum(axis=2) > 0
    if not there.all():
        world[~there, 0] = 0.5  # for the reader, a point at (0, 0, 0) is missing
    expected = pose_clip(world, "mediapipe33", "xyzc")[:, 0]
    for frame, pose in zip(world, expected, strict=True):
        found = kinect_pose(frame)
        assert found.dtype == np.float32
        np.testing.assert_allclose(found, pose, atol=1e-6)


def test_a_pose_stands_upright():
    pose = kinect_pose(pose_of(0).world)
    height = {name: pose[KINECT_V2.index(name), 1] for name in ("head", "spine_base", "left_foot")}
    assert height["head"] > height["spine_base"] > height["left_foot"]
    left, right = (pose[KINECT_V2.index(f"{side}_shoulder")] for side in ("left", "right"))
    assert left[0] < right[0]  # seen from the front; a Kinect's x goes to its left


def test_one_person_is_labeled_as_a_stream():
    lifts = [STAND] * 40 + [WAVE] * 40
    labeler, steps = label([[pose_of(0, lift)] for lift in lifts])
    compare(steps[0], alone(lifts))
    assert [s.label for s in steps[0]][::9] == ["sit", "wave"]
    who = labeler.people[0]
    assert (who.first, who.last, who.frames, who.slot) == (0, 79, 80, 0)


def test_people_do_not_share_windows():
    frames = []
    for t in range(70):
        people = [pose_of(0, STAND)] if t < 50 else []
        frames.append(people + ([pose_of(7, WAVE, slot=1)] if t >= 13 else []))
    labeler, steps = label(frames)
    assert list(labeler.people) == [0, 7]
    compare(steps[7], alone([WAVE] * 57, first=13))
    assert {step.label for step in steps[7]} == {"wave"}
    # Who left is remembered for the rest of the film.
    compare(steps[0], alone([STAND] * 50 + [None] * 20))
    assert [s.label for s in steps[0]][-3:] == ["sit", "", ""]
    assert (labeler.people[7].first, labeler.people[7].last) == (13, 69)
    assert (labeler.people[0].last, labeler.people[0].frames) == (49, 50)


@pytest.mark.parametrize("fps", [10, 24, 30])
def test_somebody_who_is_lost_for_less_than_a_second_keeps_the_labeler(fps):
    gap = int(REMEMBER * fps)
    there = [True] * 40 + [False] * gap + [True] * 40
    labeler, steps = label([[pose_of(0)] if seen else [] for seen in there], fps=fps)
    assert list(labeler.people) == [0]
    who = labeler.people[0]
    assert (who.first, who.last, who.frames) == (0, len(there) - 1, 80)
    assert steps[0][0].start == 0
    assert steps[0][-1].end == len(there)
    assert all(a.end == b.start for a, b in pairwise(steps[0]))


def test_what_is_known_of_people_who_left_is_small():
    frames = [[pose_of(t // 10, slot=t // 10 % 2)] for t in range(600)]
    labeler = PeopleLabeler(MadeNetwork(), FPS, SIZE)
    for number, people in enumerate(frames):
        labeler.push(people)
        assert len(labeler._open) <= 2 + FPS * REMEMBER // 10
        closed = [who for n, who in labeler.people.items() if n not in labeler._open]
        assert all(who._labeler is None for who in closed)
        assert len(closed) >= number // 10 - 5
    labeler.finish()
    assert not labeler._open
    assert len(labeler.people) == 60


def test_every_frame_of_everybody_is_in_one_step():
    """Whoever comes and goes; each step is in the frames of its person."""
    rng = np.random.default_rng(0)
    frames = [[] for _ in range(200)]
    spans = {}
    for person in range(12):
        first = int(rng.integers(0, 190))
        last = min(199, first + int(rng.integers(0, 60)))
        spans[person] = first, last
        for t in range(first, last + 1):
            if t in (first, last) or rng.random() > 0.2:
                frames[t].append(pose_of(person, slot=person))
    labeler, steps = label(frames)
    for person, (first, last) in spans.items():
        own = steps[person]
        assert own[0].start == first
        assert own[-1].end > last
        assert own[-1].end <= 200
        assert all(a.end == b.start for a, b in pairwise(own))
        assert labeler.people[person].last == last


def test_points_that_were_not_seen_are_counted():
    guessed = [pose_of(0, visible=0.49)]
    labeler, _ = label([[pose_of(0)]] * 6 + [guessed] * 4)
    assert (labeler.people[0].unseen == 4).all()


def test_what_is_visible():
    points = np.tile([5.0, 5.0, 0.5], (MEDIAPIPE33.size, 1))
    points[:6] = [(-0.1, 5, 1), (160, 5, 1), (5, -0.1, 1), (5, 120, 1), (5, 5, 0.49), (0, 0, 1)]
    assert is_visible(points, SIZE).tolist() == [False] * 5 + [True] * 28


def test_networks_of_two_people_are_refused():
    with pytest.raises(RecognizerError, match="one person"):
        PeopleLabeler(MadeNetwork(bodies=2, name="both"), FPS, SIZE)


def test_without_attention_steps_have_none():
    _, steps = label([[pose_of(0)]] * 20, attention=False)
    assert {step.joints is None for step in steps[0]} == {True}


def test_the_delay_is_that_of_the_stream():
    labeler = PeopleLabeler(MadeNetwork(), FPS, SIZE)
    assert labeler.delay == StreamLabeler(MadeNetwork(), FPS, KINECT_V2).delay
    late = [t - step.end for t in range(1, 100) for _, step in labeler.push([pose_of(3)])]
    assert set(late[4:]) == {labeler.delay}
