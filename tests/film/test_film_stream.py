"""The joints of one person of a film, with made-up people."""

import numpy as np
import pytest
from made_people import MadeEstimator, Person, Scene, write_scene

from keras_skeleton.film.film_stream import film_poses, place_note
from keras_skeleton.film.people_labels import kinect_pose
from keras_skeleton.film.result import NobodyError
from keras_skeleton.skeletons import KINECT_V2

SIZE, FRAMES = (48, 96), 30


def made(folder, *people, frames=FRAMES):
    scene = Scene(people, SIZE)
    return write_scene(scene, folder / "film.mkv", frames, 15), MadeEstimator(scene)


def test_who_is_seen_most_is_taken(tmp_path):
    def short(t):
        return Person(20, 26, 18) if t < 12 else None

    def long(t):
        return Person(75, 26, 14, lift=0.9 if t >= 15 else 0.0)

    film, pose = made(tmp_path, short, long)
    found = film_poses(film, pose)
    clip = found.clip
    assert clip.clip.shape == (FRAMES, 1, KINECT_V2.size, 3)
    assert (clip.fps, clip.skeleton) == (15, KINECT_V2)
    assert found.seen[found.person] == max(found.seen.values())
    hand = clip.clip[:, 0, KINECT_V2.index("left_hand"), 1]
    assert hand[-3:].min() > hand[5:10].max() + 0.5  # the long one lifts a hand
    assert any("--person" in note for note in clip.notes)
    other = film_poses(film, pose, person=1 - found.person)
    assert other.person == 1 - found.person
    there = other.clip.clip.any(axis=(1, 2, 3))
    assert there[:10].any()
    assert not there[20:].any()
    assert any("not found in" in note for note in other.clip.notes)
    with pytest.raises(NobodyError, match="no person 5"):
        film_poses(film, pose, person=5)


def test_joints_are_those_of_the_estimator(tmp_path):
    film, pose = made(tmp_path, lambda t: Person(40, 26, 18))
    shares = []
    found = film_poses(film, pose, progress=lambda share, text: shares.append(share))
    expected = kinect_pose(Person(40, 26, 18).landmarks().world)
    np.testing.assert_allclose(found.clip.clip[10, 0], expected, atol=1e-3)
    assert shares == sorted(shares)
    assert not found.clip.notes


def test_a_film_of_nobody(tmp_path):
    film, pose = made(tmp_path)
    with pytest.raises(NobodyError, match="nobody was found"):
        film_poses(film, pose)


def test_coordinates_that_film_does_not_have():
    assert "actor_displacement" in place_note("actor_displacement")
    assert place_note("hips") is None
