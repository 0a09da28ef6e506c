"""The simulated studio: geometry, ground truth, files, and that it is as hard as it says."""

from __future__ import annotations

import re
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from keras_skeleton import load_dataset
from keras_skeleton.datasets.source import load
from keras_skeleton.datasets.synthetic import dataset as synthetic
from keras_skeleton.datasets.synthetic import studio
from keras_skeleton.skeletons import KINECT_V2
from keras_skeleton.utils.errors import DatasetError

LABELS = range(len(synthetic.CLASSES))
PAIRS = [
    ("sit_down", "stand_up"),
    ("pick_up", "put_down"),
    ("answer_phone", "hang_up"),
    ("approach", "back_away"),
]
AT = studio.AT


def label(name):
    return synthetic.CLASSES.index(name)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    return load(synthetic.SYNTHETIC, cache_dir=tmp_path_factory.mktemp("store"))


@pytest.fixture(scope="module")
def performances():
    """Noise-free performances by class: a left-hander's and a right-hander's."""
    return {
        i: [studio.perform(0, i, subject, repetition) for subject, repetition in ((3, 1), (4, 2))]
        for i in LABELS
    }


def lengths(joints):
    """Bone lengths (..., V - 1) of joints (..., V, 3)."""
    parents, children = np.array(KINECT_V2.bones).T
    return np.linalg.norm(joints[..., children, :] - joints[..., parents, :], axis=-1)


def front(joints):
    """Unit vectors (..., 3) to a person's front."""
    left = joints[..., AT["left_hip"], :] - joints[..., AT["right_hip"], :]
    z = np.cross(left, (0, 1, 0))
    return z / np.linalg.norm(z, axis=-1, keepdims=True)


# --------------------------------------------------------------------------------- as a dataset


def test_default_set(dataset):
    table = dataset.samples
    assert len(dataset) == synthetic.SYNTHETIC.clips == 840
    assert dataset.skeleton is KINECT_V2
    assert len(dataset.classes) >= 12
    assert table["name"].is_unique
    assert all(re.fullmatch(r"S\d{3}C00[123]P\d{3}R00[12]A\d{3}", name) for name in table["name"])
    assert table.groupby("label").size().tolist() == [60] * 14
    assert table["frames"].between(30, 120).all()
    assert not dataset.info["skipped"]


def test_two_people_in_the_last_four_classes(dataset):
    two = dataset.samples["label"].isin([label(a.name) for a in studio.ACTIONS if a.people == 2])
    assert two.sum() == 240
    assert (dataset.samples["bodies"] == np.where(two, 2, 1)).all()
    clip = dataset.clip(int(np.flatnonzero(two)[0]))
    assert clip.shape[1:] == (2, 25, 3)
    assert clip.dtype == np.float32
    assert (np.abs(clip) > 0).all()


def test_everything_is_where_the_sensor_works(dataset):
    rows = np.array(dataset.rows)
    assert np.isfinite(rows).all()
    assert rows[..., 2].min() > 1.7
    assert rows[..., 2].max() < 5.0
    root = rows[:, AT["spine_base"], 2]
    assert np.quantile(root, 0.02) > 2.4
    assert np.quantile(root, 0.98) < 4.6
    inside = synthetic.pixels(rows, synthetic.DEPTH)
    assert ((inside >= 0) & (inside < (512, 424))).all()


def test_a_clip_depends_on_its_own_numbers_only(dataset):
    (clip,) = synthetic.make_clips(0, subjects=[7], repetitions=[2], labels=[12], views=[3])
    i = int(np.flatnonzero(dataset.samples["name"] == clip.name)[0])
    np.testing.assert_array_equal(dataset.clip(i), clip.joints)
    np.testing.assert_array_equal(synthetic.informative_joints(dataset, i), clip.action.joints)
    assert dataset.samples["action_start"][i] == clip.action.start


def test_same_seed_same_bytes(tmp_path):
    options = {"subjects": 2, "repetitions": 1}
    stores = [
        load(synthetic.SYNTHETIC, cache_dir=tmp_path / folder, seed=seed, **options).info
        for folder, seed in (("a", 5), ("b", 5), ("c", 6))
    ]
    first, again, other = ({f: x["sha256"] for f, x in s["files"].items()} for s in stores)
    assert first == again
    assert all(first[file] != other[file] for file in ("rows.npy", "samples.csv"))


@pytest.mark.parametrize("options", [{"seed": -1}, {"subjects": 0}, {"repetitions": 1000}])
def test_bad_options(options, tmp_path):
    with pytest.raises(DatasetError, match=f"synthetic: {next(iter(options))} = "):
        load(synthetic.SYNTHETIC, cache_dir=tmp_path, **options)


def test_protocols_are_disjoint_and_complete(dataset):
    for protocol, sizes in {"cs": (336, 84, 420), "cv": (504, 56, 280)}.items():
        (fold,) = dataset.folds(protocol)
        assert tuple(map(len, fold)) == sizes
        np.testing.assert_array_equal(np.sort(np.concatenate(fold)), np.arange(840))
    (cs,), (cv,) = dataset.folds("cs"), dataset.folds("cv")
    subjects = [set(dataset.samples["subject"].iloc[part]) for part in cs]
    assert [len(part) for part in subjects] == [4, 1, 5]
    assert set(dataset.samples["view"].iloc[cv.test]) == {1}
    assert set(dataset.samples["view"].iloc[cv.train]) == {2, 3}


def test_partners_are_on_the_same_side_of_cs():
    for subject in range(1, 60):
        partner = studio.partner_of(subject)
        assert partner != subject
        assert studio.partner_of(partner) == subject
        assert (partner - subject) % 2 == 0
        assert studio.setup_of(partner) == studio.setup_of(subject)


def mean_pose_accuracy(dataset, features):
    """The best test accuracy on `cs` of ridge classifiers of different strengths."""
    (fold,) = dataset.folds("cs")
    train = np.concatenate((fold.train, fold.validation))
    inputs = (features - features[train].mean(0)) / (features[train].std(0) + 1e-6)
    inputs = np.concatenate((inputs, np.ones((len(inputs), 1))), axis=1)
    targets = np.eye(len(dataset.classes))[dataset.labels]
    accuracies = []
    for strength in (1e-2, 1e-1, 1, 10, 100, 1000):
        square = inputs[train].T @ inputs[train] + strength * np.eye(inputs.shape[1])
        weights = np.linalg.solve(square, inputs[train].T @ targets[train])
        guess = (inputs[fold.test] @ weights).argmax(1)
        accuracies.append((guess == dataset.labels[fold.test]).mean())
    return max(accuracies)


def test_mean_pose_is_not_enough(dataset):
    features = np.zeros((len(dataset), 2 * 25 * 3))
    for i in range(len(dataset)):
        clip = dataset.clip(i)[:, : dataset.samples["bodies"][i]].astype(np.float64)
        centred = clip - clip[:, :1, :1]
        features[i, : centred[0].size] = centred.mean(0).ravel()
    assert 0.25 < mean_pose_accuracy(dataset, features) < 0.60


# ----------------------------------------------------------------------------------- ground truth


def in_every_class(check, performances):
    """Checks all performances of all classes; an error says which one it was."""
    for i in LABELS:
        for k, performance in enumerate(performances[i]):
            try:
                check(performance, synthetic.CLASSES[i])
            except AssertionError as error:
                error.add_note(f"class '{synthetic.CLASSES[i]}', performance {k}")
                raise


def test_informative_joints_and_frames_move_most(performances):
    def check(performance, name):
        ((_, start, end, joints),) = performance.intervals
        M = performance.joints.shape[1]
        assert joints.any(axis=1).tolist() == [True, M == 2]
        assert 3 < start < end <= len(performance.joints) - 3
        speed = np.linalg.norm(np.diff(performance.joints, axis=0), axis=-1)  # (T - 1, M, V)
        during = speed[start : end - 1]
        around = np.concatenate((speed[:start], speed[end:]))
        carrying, others = during[:, joints[:M]].mean(), during[:, ~joints[:M]]
        assert carrying > 3 * around[:, joints[:M]].mean()
        if others.size:
            assert carrying > 3 * others.mean()

    in_every_class(check, performances)


def test_truth_of_a_dataset(dataset):
    for i in (0, 15, 400, 839):
        frames = synthetic.informative_frames(dataset, i)
        assert frames.shape == (dataset.samples["frames"][i],)
        assert 0 < frames.sum() < len(frames)
        assert np.abs(np.diff(frames.astype(int))).sum() == 2  # one stretch, not at the ends
        joints = synthetic.informative_joints(dataset, i)
        assert joints.shape == (2, 25)
        assert joints.dtype == bool
        assert joints[1].any() == (dataset.samples["bodies"][i] == 2)


@pytest.mark.parametrize("side", ["left", "right"])
def test_one_limb_classes(performances, side):
    limb = {AT[f"{side}_{j}"] for j in ("elbow", "wrist", "hand", "hand_tip", "thumb")}
    for performance in performances[label(f"wave_{side}_hand")]:
        assert set(np.flatnonzero(performance.intervals[0].joints[0])) == limb


@pytest.mark.parametrize("pair", PAIRS)
def test_pairs_differ_in_the_direction_of_time_only(pair):
    people = [studio.draw_person(0, n) for n in (1, 3)]
    courses = []
    for name in pair:
        action = studio.ACTIONS[label(name)]
        rng = np.random.default_rng(7)
        scripts = [studio.Script(p, rng, 1.0, "right") for p in people[: action.people]]
        start, end, joints = studio.play(action, scripts, 2.0)
        assert start == 0
        courses.append((scripts, end, joints))
    (forward, end, joints), (backward, same_end, same_joints) = courses
    assert end == same_end
    np.testing.assert_array_equal(joints, same_joints)
    times = np.linspace(-0.2, end + 0.2, 100)
    for there, back in zip(forward, backward, strict=True):
        ahead, behind = there.channels(times), back.channels(end - times)
        for channel in ahead:
            np.testing.assert_allclose(ahead[channel], behind[channel], atol=1e-9)


def test_what_happens(performances):
    """The actions do what their names say."""
    for name, sign in (("sit_down", -1), ("stand_up", 1)):
        for performance in performances[label(name)]:
            head = performance.joints[:, 0, AT["head"], 1]
            assert sign * (head[-1] - head[0]) > 0.25
    for performance in performances[label("pick_up")]:
        wrists = performance.joints[:, 0, [AT["left_wrist"], AT["right_wrist"]], 1]
        assert wrists.min() < 0.4
    for name, sign in (("approach", -1), ("back_away", 1)):
        for performance in performances[label(name)]:
            bases = performance.joints[:, :, AT["spine_base"]]
            apart = np.linalg.norm(bases[:, 0] - bases[:, 1], axis=-1)
            assert sign * (apart[-1] - apart[0]) > 0.6
    for name in ("shake_hands", "hand_over"):
        for performance in performances[label(name)]:
            hands = performance.joints[:, :, AT["right_hand"]]
            assert np.linalg.norm(hands[:, 0] - hands[:, 1], axis=-1).min() < 0.12
            middle = performance.joints.mean(axis=(0, 2))  # (M, 3)
            looks = front(performance.joints[0])
            assert (looks * (middle[::-1] - middle)).sum(-1).min() > 0  # at each other


def test_most_people_use_their_better_hand():
    for subject, side in ((1, "right"), (3, "left")):  # every fifth is left-handed
        assert studio.draw_person(0, subject).handed == side
        used = [
            studio.perform(0, label("answer_phone"), subject, r)
            .intervals[0]
            .joints[0, AT[f"{side}_hand"]]
            for r in range(1, 31)
        ]
        assert 0.5 < np.mean(used) < 1.0


def test_subjects_differ():
    people = [studio.draw_person(0, number) for number in range(1, 11)]
    heights = [studio.place_standing(p)[AT["head"], 1] for p in people]
    assert 1.3 < min(heights) < max(heights) - 0.05 < 1.85
    assert len({p.pace for p in people}) == 10
    assert {p.handed for p in people} == {"left", "right"}
    assert studio.draw_person(0, 4) == people[3]
    assert studio.draw_person(1, 4) != people[3]


def test_actions_fit_into_a_clip():
    """Of many more subjects than the default ten."""
    for i in LABELS:
        for subject in range(11, 36):
            frames = len(studio.perform(3, i, subject, 1).joints)
            assert 30 <= frames <= 120


# -------------------------------------------------------------------------------------- geometry


def test_bones_keep_their_lengths(performances):
    def check(performance, name):
        bones = lengths(performance.joints)
        np.testing.assert_allclose(bones, np.broadcast_to(bones[:1], bones.shape), rtol=1e-9)
        for body in range(bones.shape[1]):
            of_joint = np.zeros(25)
            of_joint[[child for _, child in KINECT_V2.bones]] = bones[0, body]
            np.testing.assert_allclose(of_joint, of_joint[KINECT_V2.mirror], rtol=1e-9)

    in_every_class(check, performances)


def test_bodies_are_plausible(performances):
    def check(performance, name):
        joints = performance.joints
        assert joints[..., 1].min() > 0  # nothing below the floor
        ahead = front(joints)
        for side in ("left", "right"):
            leg = [AT[f"{side}_{joint}"] for joint in ("hip", "knee", "ankle", "foot")]
            hip, knee, ankle, foot = np.moveaxis(joints[:, :, leg], 2, 0)
            assert ((knee - (hip + ankle) / 2) * ahead).sum(-1).min() > 0  # knees bend forwards
            assert ((foot - ankle) * ahead).sum(-1).min() > 0.05
            if name not in ("approach", "back_away"):
                assert np.ptp(ankle, axis=0).max() < 1e-6  # feet stay where they are
                assert ankle[..., 1].max() < 0.1
        speed = np.linalg.norm(np.diff(joints, axis=0), axis=-1) * studio.FRAME_RATE
        assert speed.max() < 6.0  # no joint jumps, elbows included
        jolt = np.abs(np.diff(joints, n=2, axis=0)).max() * studio.FRAME_RATE**2
        assert jolt < 90.0  # m/s^2, at a finger tip

    in_every_class(check, performances)


@given(
    goal=st.tuples(*[st.floats(-1, 1)] * 3).filter(lambda p: np.linalg.norm(p) > 0.05),
    upper=st.floats(0.2, 0.4),
    lower=st.floats(0.2, 0.4),
)
@settings(max_examples=50, deadline=None)
def test_two_bones_reach(goal, upper, lower):
    goal = np.array([goal])
    pole = np.cross(goal, (0.3, 0.5, 0.8)) + 0.1 * goal
    if np.linalg.norm(np.cross(goal, (0.3, 0.5, 0.8))) < 1e-3:
        return
    middle, end = studio.two_bones(np.zeros((1, 3)), goal, upper, lower, pole)
    assert np.linalg.norm(middle) == pytest.approx(upper, rel=1e-9)
    assert np.linalg.norm(end - middle) == pytest.approx(lower, rel=1e-9)
    distance = np.linalg.norm(goal)
    if abs(upper - lower) + 2e-3 < distance < 0.998 * (upper + lower):
        np.testing.assert_allclose(end, goal, atol=1e-9)
    else:  # as near as it gets, in the same direction
        np.testing.assert_allclose(np.cross(end, goal), 0, atol=1e-9)


def test_minimum_jerk():
    phase = np.linspace(-0.5, 1.5, 201)
    course = studio.minimum_jerk(phase)
    assert course[phase <= 0].max() == 0
    assert course[phase >= 1].min() == 1
    assert (np.diff(course) >= 0).all()
    np.testing.assert_allclose(course, 1 - studio.minimum_jerk(1 - phase), atol=1e-12)


# ------------------------------------------------------------------------------ cameras and sensor


def test_cameras_see_the_same_motion():
    one, two, three = synthetic.make_clips(0, subjects=[2], repetitions=[1], labels=[12])
    for other, degrees in ((two, 45), (three, 45)):
        a, b = (c.truth.reshape(-1, 3) - c.truth.reshape(-1, 3).mean(0) for c in (one, other))
        rotation, residual = Rotation.align_vectors(a, b)
        assert residual < 1e-4  # a proper rotation: no view is mirrored
        assert np.degrees(rotation.magnitude()) == pytest.approx(degrees, abs=0.1)
        assert one.action is other.action
        assert not np.array_equal(one.joints, other.joints)


@pytest.mark.parametrize(("repetition", "view"), [(1, 2), (2, 3)])
def test_front_view(repetition, view):
    """As the Kinect has it, a person who faces the sensor has the right shoulder at larger x."""
    for clip in synthetic.make_clips(0, [1, 2], [repetition], labels=[0, 4], views=[view]):
        still = clip.truth[0, 0]
        assert still[AT["right_shoulder"], 0] - still[AT["left_shoulder"], 0] > 0.2
        assert still[AT["head"], 1] - still[AT["left_foot"], 1] > 1.2
        assert still[AT["left_foot"], 2] < still[AT["left_ankle"], 2]  # toes to the sensor
        away = np.degrees(np.arccos(-front(still)[2]))
        assert away < 25


def test_sensor_noise_and_lost_joints():
    error, states = [], []
    for clip in synthetic.make_clips(0, subjects=[1, 2], repetitions=1):
        error.append(np.linalg.norm(clip.joints - clip.truth, axis=-1).reshape(-1, 25))
        states.append(clip.states.reshape(-1, 25))
    error, lost = np.concatenate(error), np.concatenate(states) == studio.INFERRED
    assert set(np.unique(np.concatenate(states))) == {studio.INFERRED, studio.TRACKED}
    assert 0.005 < lost.mean() < 0.1
    assert 0.006 < error[~lost].mean() < 0.015  # about a centimetre
    assert error[lost].mean() > 2 * error[~lost].mean()
    assert lost[:, AT["left_foot"]].any()
    assert not lost[:, AT["spine_base"]].any()
    mean = np.array([error[~lost[:, j], j].mean() for j in range(25)])
    assert mean[AT["left_foot"]] > mean[AT["left_knee"]] > mean[AT["spine_base"]]


def test_stream():
    stream = studio.perform_stream(0, subject=2, take=1, actions=12)
    assert stream.joints.shape[1:] == (1, 25, 3)
    assert len(stream.intervals) == 12
    ends = 0
    for interval in stream.intervals:
        assert ends < interval.start < interval.end < len(stream.joints)
        ends = interval.end
    names = [synthetic.CLASSES[interval.label] for interval in stream.intervals]
    for name, follower in pairwise(names):
        assert follower == studio.FOLLOWS.get(name, follower)
    bones = lengths(stream.joints)
    np.testing.assert_allclose(bones, np.broadcast_to(bones[:1], bones.shape), rtol=1e-9)
    assert np.abs(np.diff(stream.joints, n=2, axis=0)).max() * studio.FRAME_RATE**2 < 90.0
    again = studio.perform_stream(0, subject=2, take=1, actions=12)
    np.testing.assert_array_equal(stream.joints, again.joints)
    assert stream.joints.shape != studio.perform_stream(0, 2, 2, 12).joints.shape


def test_untrimmed():
    one, two = (synthetic.untrimmed(seed=0, subject=2, view=view, actions=5) for view in (1, 2))
    assert one.joints.shape == two.joints.shape == one.truth.shape
    assert one.joints.dtype == np.float32
    assert one.states.shape == one.joints.shape[:3]
    assert [a[:3] for a in one.actions] == [a[:3] for a in two.actions]
    assert np.abs(one.joints - one.truth).mean() < 0.02
    assert np.abs(one.truth - two.truth).max() > 0.1


# ---------------------------------------------------------------------------------- .skeleton files


def read_file(path):
    """Reads a `.skeleton` file, checking every count: header values and (T, M, 25, 12) numbers."""
    lines = iter(path.read_text("ascii").splitlines())
    heads, frames = [], []
    for _ in range(int(next(lines))):
        bodies = []
        for _ in range(int(next(lines))):
            heads.append(next(lines).split())
            assert next(lines) == "25"
            bodies.append([[float(x) for x in next(lines).split()] for _ in range(25)])
        frames.append(bodies)
    assert next(lines, None) is None
    return heads, np.array(frames)


def test_skeleton_files(tmp_path, dataset):
    paths = synthetic.write_skeleton_files(
        tmp_path / "new", subjects=[3], repetitions=[1], labels=[2, 10], views=[1, 2]
    )
    assert [path.name for path in paths] == [
        "S001C001P003R001A003.skeleton",
        "S001C002P003R001A003.skeleton",
        "S001C001P003R001A011.skeleton",
        "S001C002P003R001A011.skeleton",
    ]
    for path in paths:
        heads, values = read_file(path)
        i = int(np.flatnonzero(dataset.samples["name"] == path.stem)[0])
        bodies = int(dataset.samples["bodies"][i])
        assert values.shape == (dataset.samples["frames"][i], bodies, 25, 12)
        np.testing.assert_allclose(values[..., :3], dataset.clip(i)[:, :bodies], rtol=1e-6)
        assert len({head[0] for head in heads}) == bodies
        assert all(len(head) == 10 and head[-1] == "2" for head in heads)

        depth, colour = values[..., 3:5], values[..., 5:7]
        assert ((depth > 0) & (depth < (512, 424))).all()
        assert ((colour > 0) & (colour < (1920, 1080))).all()
        assert set(np.unique(values[..., 11])) <= {1.0, 2.0}

        norm = np.linalg.norm(values[..., 7:11], axis=-1)
        ends = [j for j in range(25) if j not in KINECT_V2.parents]
        inner = [j for j in range(25) if j in KINECT_V2.parents]
        assert (norm[..., ends] == 0).all()
        np.testing.assert_allclose(norm[..., inner], 1, atol=1e-5)


def test_pixels_agree_with_a_kinect():
    """One joint of a real NTU RGB+D recording."""
    point = np.array([0.2181153, 0.1725972, 3.785547])
    np.testing.assert_allclose(synthetic.pixels(point, synthetic.DEPTH), (277.42, 191.82), atol=0.2)
    np.testing.assert_allclose(
        synthetic.pixels(point, synthetic.COLOUR), (1036.23, 519.17), atol=1.0
    )


def test_orientations_follow_the_bones():
    joints = studio.perform(0, label("clap"), 1, 1).joints
    quaternions = synthetic.orientations(joints)
    elbow = Rotation.from_quat(quaternions[:, 0, AT["left_wrist"]][:, [1, 2, 3, 0]])
    bone = joints[:, 0, AT["left_wrist"]] - joints[:, 0, AT["left_elbow"]]
    along = elbow.inv().apply(bone / np.linalg.norm(bone, axis=-1, keepdims=True))
    np.testing.assert_allclose(along, np.broadcast_to((0, 1, 0), along.shape), atol=1e-6)
    base = Rotation.from_quat(quaternions[:, 0, 0][:, [1, 2, 3, 0]])
    assert (base.apply((0, 0, 1)) * front(joints[:, 0])).sum(-1).min() > 0.9


def test_untrimmed_set_has_a_protocol_of_its_own(tmp_path):
    streams = load_dataset(
        "synthetic", cache_dir=tmp_path, clips="untrimmed", subjects=4, repetitions=1
    )
    assert len(streams) == 4 * 3
    assert 2.5 * 60 < streams.samples["frames"].mean() / 30 < 4.5 * 60
    assert list(streams.protocols) == ["untrimmed"]
    assert len(streams.intervals) == 12 * 20
    lengths = dict(zip(streams.samples["name"], streams.samples["frames"], strict=True))
    for _, row in streams.intervals.iterrows():
        assert 0 <= row["start"] < row["end"] <= lengths[row["video"]]
    (fold,) = streams.folds("untrimmed")
    assert set(streams.samples["subject"][fold.test]) == {2, 4}
    with pytest.raises(DatasetError, match="choose trimmed or untrimmed"):
        load_dataset("synthetic", cache_dir=tmp_path, clips="all")
