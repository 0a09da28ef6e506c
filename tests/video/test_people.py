"""People who walk through made-up scenes keep their numbers; an estimator is made up, too."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_people import MadeEstimator, Person, Scene

from keras_skeleton.transforms.one_euro import OneEuro
from keras_skeleton.video.blazepose import MARGIN
from keras_skeleton.video.people import (
    LOOK,
    POINTS,
    REMEMBER,
    WORLD,
    Cuts,
    PeopleTracker,
    is_same,
)

FPS = 30


def follow(*walks, frames=60, people=2, background=lambda t: 60, fps=FPS, **options):
    """Follows a scene; returns the tracker, its estimator and the poses of each frame."""
    scene = Scene(walks, background=background)
    estimator = MadeEstimator(scene, noise=options.pop("noise", 0.0))
    tracker = PeopleTracker(estimator, people, **options)
    return tracker, estimator, [tracker.step(scene.image(t), t / fps) for t in range(frames)]


def numbers(poses):
    return [[pose.person for pose in found] for found in poses]


def check_slots(poses, people):
    """A slot has one person at a time, and is free for a frame before another one gets it."""
    last = {}
    for t, found in enumerate(poses):
        slots = [pose.slot for pose in found]
        assert slots == sorted(set(slots))
        assert all(0 <= slot < people for slot in slots)
        assert len({pose.person for pose in found}) == len(found)
        for pose in found:
            person, seen = last.get(pose.slot, (pose.person, t))
            assert person == pose.person or t > seen + 1
            last[pose.slot] = (pose.person, t)


def stands(x, y=70, first=0, last=10**6, **how):
    return lambda t: Person(x, y, **how) if first <= t <= last else None


def walks(x, speed, y=70, **how):
    return lambda t: Person(x + speed * t, y, **how)


def cut_at(*times):
    """The grey of the background, which changes at these frames."""
    return lambda t: 60 + 100 * (sum(t >= time for time in times) % 2)


# ---------------------------------------------------------------- identities


def test_one_person_keeps_the_number_and_the_points():
    tracker, _, poses = follow(walks(40, 1.0), smooth=False)
    assert numbers(poses) == [[0]] * 60
    assert (tracker.known, tracker.cuts, tracker.crowded) == (1, [], 0)
    for t, (pose,) in enumerate(poses):
        expected = Person(40 + t, 70).landmarks()
        np.testing.assert_array_equal(pose.points, expected.points)
        np.testing.assert_array_equal(pose.world, expected.world)
        assert (pose.slot, pose.presence) == (0, 0.95)


def test_people_who_cross_keep_their_numbers():
    tracker, _, poses = follow(walks(20, 2.0, y=60), walks(140, -2.0, y=75), smooth=False)
    assert numbers(poses) == [[0, 1]] * 60
    for t, (one, other) in enumerate(poses):
        there = {20 + 2.0 * t, 140 - 2.0 * t}
        assert {float(np.round(pose.points[[23, 24], 0].mean(), 3)) for pose in (one, other)} == {
            float(np.round(x, 3)) for x in there
        }
        first = float(poses[0][0].points[[23, 24], 0].mean())
        speed = 2.0 if first == 20 else -2.0
        assert one.points[[23, 24], 0].mean() == pytest.approx(first + speed * t)
    assert tracker.known == 2
    check_slots(poses, 2)


@pytest.mark.parametrize("away", [1, 5, 29])
def test_who_comes_back_within_a_second_is_known(away):
    def walk(t):
        return None if 20 <= t < 20 + away else Person(80, 70)

    tracker, _, poses = follow(walk)
    expected = [[] if 20 <= t < 20 + away else [0] for t in range(60)]
    assert numbers(poses) == expected
    assert tracker.known == 1


def test_who_comes_back_after_more_than_a_second_is_new():
    away = int(REMEMBER * FPS) + 1

    def walk(t):
        return None if 20 <= t < 20 + away else Person(80, 70)

    tracker, _, poses = follow(walk, frames=80)
    assert numbers(poses)[19:21] == [[0], []]
    assert numbers(poses)[20 + away :] == [[1]] * (80 - 20 - away)
    assert tracker.known == 2
    check_slots(poses, 2)


def test_who_comes_back_elsewhere_is_new():
    _, _, poses = follow(lambda t: Person(30 if t < 20 else 130, 70))
    assert numbers(poses) == [[0]] * 20 + [[1]] * 40  # the second place was free
    check_slots(poses, 2)


def test_another_person_in_the_same_place_of_the_clip_comes_after_a_free_frame():
    _, _, poses = follow(lambda t: Person(30 if t < 20 else 130, 70), people=1)
    assert numbers(poses) == [[0]] * 20 + [[]] + [[1]] * 39
    check_slots(poses, 1)


def test_who_has_lost_the_slot_gets_a_new_number():
    def walk(t):
        return Person(30, 70) if t < 20 or t >= 35 else None

    def other(t):
        return Person(130, 70) if 20 <= t < 33 else None

    _, _, poses = follow(walk, other, people=1)
    assert numbers(poses)[19:24] == [[0], [], [1], [1], [1]]
    assert numbers(poses)[36:] == [[2]] * 24
    check_slots(poses, 1)


def test_a_known_and_a_new_person_who_appear_together_get_places_of_their_own():
    def walk(t):
        return None if 20 <= t < 25 else Person(40, 70)

    _, _, poses = follow(walk, stands(120, first=25))
    assert numbers(poses)[24:] == [[], *[[0, 1]] * 35]
    check_slots(poses, 2)


def test_two_tracks_on_one_person_are_joined():
    """One walks behind the other and is not seen any more: the crop shows the one in front."""

    def behind(t):
        return Person(130 - 2 * t, 64) if t < 25 else None

    tracker, _, poses = follow(stands(80, 70, radius=25), behind)
    assert numbers(poses)[10] == [0, 1]
    assert numbers(poses)[25:] == [[0]] * 35
    assert tracker.known == 2


def test_a_person_who_was_hidden_comes_out_with_the_number():
    def behind(t):
        return Person(130 - 2 * t, 64) if t < 25 or t >= 35 else None

    _, _, poses = follow(stands(80, 70, radius=25), behind, frames=70)
    assert numbers(poses)[24] == [0, 1]
    assert numbers(poses)[30] == [0]
    assert {0} < set(numbers(poses)[-1])
    check_slots(poses, 2)


def test_who_leaves_the_image_is_not_looked_for():
    tracker, estimator, poses = follow(walks(150, 3.0, radius=10), frames=30)
    assert numbers(poses)[0] == [0]
    assert numbers(poses)[-1] == []
    assert estimator.looked[-1] < 12
    assert tracker.known == 1


@given(
    st.lists(
        st.tuples(
            st.integers(10, 150), st.floats(-3, 3), st.integers(30, 90), st.integers(0, 60),
            st.integers(1, 60),
        ),
        max_size=5,
    ),
    st.integers(1, 3),
    st.lists(st.integers(1, 90), max_size=2),
)  # fmt: skip
def test_slots_and_numbers_are_sound_whatever_people_do(rows, people, cuts):
    def walk(x, speed, y, first, length):
        def at(t):
            there = first <= t < first + length and t % 17 != x % 17  # lost now and then
            return Person(x + speed * (t - first), y, 15 + y / 10) if there else None

        return at

    tracker, _, poses = follow(
        *(walk(*row) for row in rows), people=people, frames=90, background=cut_at(*cuts)
    )
    check_slots(poses, people)
    seen = sorted({number for found in numbers(poses) for number in found})
    assert seen == list(range(tracker.known))
    for t in tracker.cuts:
        assert not poses[t]
        before = {number for found in numbers(poses[:t]) for number in found}
        assert before.isdisjoint(number for found in numbers(poses[t:]) for number in found)


# ---------------------------------------------------------------- detector


def test_the_detector_looks_a_few_times_a_second_while_there_is_room():
    _, estimator, _ = follow(stands(80), frames=91)
    gaps = np.diff(estimator.detected)
    assert estimator.detected[0] == 0
    assert gaps.min() >= LOOK * FPS
    assert len(estimator.detected) in (9, 10)
    assert len(estimator.looked) <= 91 + 1 + len(estimator.detected)


def test_the_detector_only_counts_while_everybody_is_followed():
    _, estimator, poses = follow(stands(40), stands(120), frames=91)
    assert estimator.detected == [0, 30, 60, 90]
    assert numbers(poses) == [[0, 1]] * 91
    _, estimator, _ = follow(stands(40), people=1)
    assert estimator.detected == [0, 30]


def test_the_detector_looks_in_every_frame_while_nobody_is_followed():
    _, estimator, poses = follow(stands(80, first=20), frames=25)
    assert estimator.detected == list(range(21))
    assert numbers(poses) == [[]] * 20 + [[0]] * 5


def test_who_is_small_is_found_by_closer_looks_at_parts():
    """The detector sees nobody smaller than a quarter of the picture that it is given."""
    scene = Scene([stands(40, radius=30)])
    estimator = MadeEstimator(scene, least=0.25)
    tracker = PeopleTracker(estimator)
    found = [tracker.step(scene.image(t), t / FPS) for t in range(12)]
    first = next(t for t, poses in enumerate(found) if poses)
    assert first < 3
    assert numbers(found)[first:] == [[0]] * (12 - first)
    np.testing.assert_allclose(found[first][0].points, Person(40, 70, 30).landmarks().points)
    assert len(estimator.closer) == first + 1


def test_the_whole_picture_is_looked_at_in_parts():
    for x in range(8, 160, 8):
        estimator = MadeEstimator(Scene([stands(x, radius=30)]), least=0.25)
        tracker = PeopleTracker(estimator)
        assert any(tracker.step(estimator.scene.image(t), t / FPS) for t in range(4))


def test_a_second_person_is_found_within_a_third_of_a_second():
    for first in range(1, 25):
        _, _, poses = follow(stands(40), stands(120, first=first), frames=40)
        assert numbers(poses)[first + 10 :] == [[0, 1]] * (30 - first)
        assert numbers(poses)[:first] == [[0]] * first


def test_a_place_that_is_not_free_yet_is_given_in_the_next_frame():
    """The one who leaves is replaced in the very frame in which the detector looks."""
    _, _, poses = follow(
        stands(40), stands(120, last=9), stands(120, y=20, radius=10, first=10), frames=25
    )
    assert numbers(poses)[9] == [0, 1]
    first = next(t for t, found in enumerate(numbers(poses)) if 2 in found)
    assert first in (10, 11)
    check_slots(poses, 2)


def test_more_people_than_are_followed_are_counted():
    tracker, _, poses = follow(stands(30), stands(80, radius=30), stands(130))
    assert tracker.crowded == 2  # looks, in the first frame and after a second
    assert {len(found) for found in poses} == {2}
    tracker, _, poses = follow(stands(30), stands(80, radius=30), people=1)
    assert tracker.crowded == 2
    assert [found[0].points[:, 0].mean() > 60 for found in poses] == [True] * 60  # the larger one
    tracker, _, _ = follow(stands(30), stands(80), stands(130), people=3)
    assert tracker.crowded == 0


def test_people_whom_the_landmark_network_does_not_confirm_are_not_there():
    tracker, _, poses = follow(stands(80, presence=0.49))
    assert numbers(poses) == [[]] * 60
    assert tracker.known == 0


@pytest.mark.parametrize("people", [0, -1])
def test_a_number_of_people_must_be_positive(people):
    with pytest.raises(ValueError, match=f"people={people}"):
        PeopleTracker(MadeEstimator(Scene([])), people)


# ---------------------------------------------------------------- smoothing


def test_points_are_smoothed_as_the_filter_does():
    _, _, poses = follow(walks(40, 0.5), noise=1.5)
    points, world = OneEuro(*POINTS), OneEuro(*WORLD)
    for t, (pose,) in enumerate(poses):
        x = 40 + 0.5 * t
        seen = Person(x, 70).landmarks(1.5 * np.sin(7.0 * t))
        expected = points(seen.points[:, :2], t / FPS, seen.region.side / MARGIN)
        np.testing.assert_allclose(pose.points[:, :2], expected, rtol=1e-5)
        np.testing.assert_allclose(pose.world[:, :3], world(seen.world[:, :3], t / FPS), rtol=1e-4)
        np.testing.assert_array_equal(pose.points[:, 2], seen.points[:, 2])


def test_the_filter_starts_anew_after_a_gap():
    def walk(t):
        return None if 20 <= t < 30 else Person(80 if t < 20 else 88, 70)

    _, _, poses = follow(walk)
    np.testing.assert_array_equal(poses[30][0].points, Person(88, 70).landmarks().points)
    assert poses[30][0].person == 0


# ---------------------------------------------------------------- cuts


def test_at_a_cut_everybody_is_new():
    tracker, _, poses = follow(stands(40), stands(120), background=cut_at(20, 45))
    assert tracker.cuts == [20, 45]
    assert numbers(poses) == [[0, 1]] * 20 + [[]] + [[2, 3]] * 24 + [[]] + [[4, 5]] * 14
    check_slots(poses, 2)


def test_a_person_lost_before_a_cut_is_not_found_after_it():
    def walk(t):
        return None if 18 <= t < 22 else Person(80, 70)

    _, _, poses = follow(walk, background=cut_at(20))
    assert numbers(poses) == [[0]] * 18 + [[]] * 4 + [[1]] * 38


def texture(seed, height=120, width=400):
    small = np.random.default_rng(seed).integers(0, 256, (height // 8, width // 8))
    return np.kron(small, np.ones((8, 8))).astype(np.uint8)[..., None].repeat(3, axis=2)


def cuts_of(images):
    is_cut = Cuts()
    return [t for t, image in enumerate(images) if is_cut(image)]


@pytest.mark.parametrize("speed", [0, 0.25, 0.5])
def test_a_slow_pan_is_no_cut(speed):
    wide = texture(0)
    assert cuts_of(wide[:, int(speed * t) : int(speed * t) + 160] for t in range(60)) == []


@pytest.mark.parametrize("speed", [2, 4, 8])
def test_a_fast_pan_is_one_cut_at_most(speed):
    """A camera that is swung, or shakes: the people are followed again at once."""
    wide = texture(0, width=160 + 40 * speed)
    assert cuts_of(wide[:, speed * t : speed * t + 160] for t in range(40)) in ([], [1])
    starts = [0] * 20 + [speed * t for t in range(40)]
    assert cuts_of(wide[:, x : x + 160] for x in starts) in ([], [21])


def test_a_cut_to_another_picture_is_found_in_a_pan():
    one, other = texture(0), texture(1)
    pictures = [(one if t < 30 else other)[:, t // 4 : t // 4 + 160] for t in range(60)]
    assert cuts_of(pictures) == [30]


def test_a_person_who_moves_through_the_picture_is_no_cut():
    still = texture(2)[:, :160]

    def image(t):
        picture = still.copy()
        x = (12 * t) % 160
        picture[20:110, x : x + 24] = 255
        return picture

    assert cuts_of(image(t) for t in range(60)) == []


def test_noise_and_a_slow_dusk_are_no_cuts():
    rng = np.random.default_rng(0)
    still = texture(3)[:, :160].astype(float)
    images = (
        np.clip(still * (1 - t / 80) + rng.normal(0, 20, still.shape), 0, 255) for t in range(60)
    )
    assert cuts_of(image.astype(np.uint8) for image in images) == []


@pytest.mark.parametrize("shape", [(1, 1), (2, 500), (48, 64), (1080, 1920)])
def test_cuts_of_films_of_any_size(shape):
    dark, light = np.zeros((*shape, 3), np.uint8), np.full((*shape, 3), 99, np.uint8)
    assert cuts_of([dark, dark, light, light, light, light, dark]) == [2, 6]


# ---------------------------------------------------------------- duplicates


def test_who_is_the_same_person():
    one = Person(80, 70, 20).landmarks()
    assert is_same(one, one)
    assert is_same(one, Person(82, 70, 20).landmarks())
    assert not is_same(one, Person(84, 70, 20).landmarks())
    assert not is_same(Person(84, 70, 20).landmarks(), one)
    assert is_same(Person(0, 0, 200).landmarks(), Person(20, 0, 200).landmarks())
