"""One person in front of a camera, with made-up people."""

import numpy as np
import pytest
from made_people import MadeEstimator, Person, Scene, write_scene

from keras_skeleton.detection.recording import at_rate, recording_of
from keras_skeleton.film.film_stream import film_poses
from keras_skeleton.film.live_person import LivePerson
from keras_skeleton.skeletons import KINECT_V2
from keras_skeleton.video.film import FilmFrame

SIZE = (48, 64)


def waver(t):
    return Person(20, 26, 14, lift=0.4 * np.sin(t / 4) ** 2)


def follow(scene, times, fps, person=None):
    """The poses of a camera that takes pictures at these times; the scene has 30 a second."""
    live = LivePerson(MadeEstimator(scene), fps, person)
    poses = []
    for number, time_s in enumerate(times):
        poses += live.push(FilmFrame(number, time_s, scene.image(round(30 * (time_s - times[0])))))
    return poses, live


@pytest.mark.parametrize("fps", [15, 30, 20])
def test_the_poses_are_those_of_the_film(tmp_path, fps):
    scene = Scene([waver], SIZE)
    times = [t / 30 for t in range(90)]
    poses, _ = follow(scene, times, fps)
    film = film_poses(write_scene(scene, tmp_path / "film.mkv", 90), MadeEstimator(scene))
    recording = recording_of(film.clip, KINECT_V2, 1, ["wave"], "film")
    whole = (recording if fps == 30 else at_rate(recording, fps)).clip(0)[:, 0]
    found = np.stack([pose.joints for pose in poses])
    assert abs(len(found) - len(whole)) <= 1
    T = min(len(found), len(whole))
    np.testing.assert_allclose(found[:T], whole[:T], atol=2e-5)


def test_a_slow_and_uneven_camera_keeps_the_time():
    scene = Scene([lambda t: Person(20, 26, 14, lift=0.4 * np.sin(t / 12) ** 2)], SIZE)
    steps = np.random.default_rng(0).choice([3, 4, 5], 22)
    times = [5 + t / 30 for t in np.cumsum(steps) - steps[0]]
    poses, live = follow(scene, times, 15)
    even, _ = follow(scene, [t / 30 for t in range(90)], 15)
    assert live.first_s == 5
    assert len(poses) == int((times[-1] - 5) * 15 + 1e-6) + 1
    apart = [np.abs(a.joints - b.joints).max() for a, b in zip(poses[5:], even[5:], strict=False)]
    assert max(apart) < 0.1  # of 0.4 m that the hand moves


def test_who_is_seen_first_is_followed_until_gone():
    def visitor(t):
        return Person(20, 26, 14) if t < 60 and not 20 <= t < 35 else None

    def other(t):
        return Person(50, 26, 10) if t >= 10 else None

    scene = Scene([visitor, other], SIZE)
    poses, live = follow(scene, [t / 30 for t in range(150)], 15)
    persons = [pose.person for pose in poses]
    changes = [t for t in range(1, len(persons)) if persons[t] != persons[t - 1]]
    assert persons[0] == 0
    assert [persons[t] for t in changes] == [1]
    assert 30 + 15 <= changes[0] <= 30 + 18  # a second after the visitor left
    assert not poses[13].joints.any()  # the visitor is out of sight, not forgotten
    assert poses[13].found is None
    assert poses[-1].joints.any()
    assert live.person == 1


def test_one_person_only():
    scene = Scene([waver, lambda t: Person(50, 26, 10) if t >= 30 else None], SIZE)
    poses, _ = follow(scene, [t / 30 for t in range(60)], 15, person=1)
    assert poses[10].person is None
    assert poses[-1].person == 1
    nobody, live = follow(scene, [t / 30 for t in range(60)], 15, person=7)
    assert live.person is None
    assert not any(pose.joints.any() for pose in nobody)
