"""Synthetic: 14 actions made by a simulator, with the joints and the frames that carry them.

Nothing to download, nothing to read: `studio.py` acts, films and errs like a Kinect v2, and the
same seed gives the same bytes. The set is made for tests, examples and for scoring attention
against a known truth, not for comparing with published numbers.

Clip: (T, M, 25, 3) in metres, Kinect v2 joints and camera coordinates, 30 frames a second, 30 to
120 frames. The last four classes have two people. By default 14 classes x 10 subjects x 3 cameras
x 2 repetitions = 840 clips; the three cameras see the same performance. Names are in NTU's style;
their A number is the label + 1.

What tells the classes apart:
    one limb            wave_right_hand and wave_left_hand
    a short interval    nod; shake_hands and hand_over
    direction of time   sit_down and stand_up, pick_up and put_down, answer_phone and hang_up,
                        approach and back_away: each is the other one run backwards
In pick_up, put_down, answer_phone and hang_up either hand may act: the subject's better one,
three times in four. Idle hands hang, or rest on the hip, before the belly, at the strap of a bag.

The mean pose over time, which knows nothing of this, does not tell the classes apart: a linear
classifier on it gets about half of the test clips of `cs` right. (On `cv` it gets three quarters,
as the test clips are other views of performances that were trained on: judge models by `cs`.)

Ground truth: the columns `action_start` and `action_end` of the samples (frames, the end not
included) and the extra `informative_joints`, bool (n, 2, 25): the joints that the action moves.

Reader options: `seed`, `subjects`, `repetitions`, and `clips`: "trimmed" (default), or "untrimmed"
for recordings like PKU-MMD's: 20 actions of one person in 3 to 4 minutes, with pauses of about 2 to
12 seconds and idle moves between them, 10 subjects x 2 takes x 3 cameras. Their labels are 0 and
mean nothing (what happens when is in `dataset.intervals`). `write_skeleton_files` writes clips as
NTU RGB+D's files.

Protocols:
    cs      odd subjects train (one of them validates), even ones test; a subject and the partner
            in the classes with two people are both odd or both even
    cv      cameras 2 and 3 train, camera 1 tests
    untrimmed   the subjects of cs, on untrimmed recordings
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from scipy.spatial.transform import Rotation

from keras_skeleton.datasets.dataset import SkeletonDataset
from keras_skeleton.datasets.protocols import PERFORMANCE, group_holdout, train_on
from keras_skeleton.datasets.source import Source
from keras_skeleton.datasets.store import StoreWriter
from keras_skeleton.datasets.synthetic import studio
from keras_skeleton.skeletons import KINECT_V2
from keras_skeleton.utils.errors import DatasetError

CLASSES = tuple(action.name for action in studio.ACTIONS)
VIEWS = (1, 2, 3)
ACTIONS, PAUSE = 20, (2.0, 12.0)  # of the untrimmed recordings; seconds

LAYOUT = "The synthetic set is made by the program: there is nothing to download."


class Clip(NamedTuple):
    """One recorded clip and what is known about it.

    Attributes:
        name: As NTU RGB+D names its files.
        joints: float32 (T, M, V, 3), what the sensor reports, metres in camera coordinates.
        states: uint8 (T, M, V), the Kinect's tracking states: 2 tracked, 1 inferred.
        truth: float64 (T, M, V, 3), the same without noise.
        action: The interval and the joints of the action.
    """

    name: str
    label: int
    subject: int
    view: int
    setup: int
    repetition: int
    joints: np.ndarray
    states: np.ndarray
    truth: np.ndarray
    action: studio.Interval


def make_clips(
    seed: int = 0,
    subjects: int | Sequence[int] = 10,
    repetitions: int | Sequence[int] = 2,
    labels: Sequence[int] | None = None,
    views: Sequence[int] = VIEWS,
) -> Iterator[Clip]:
    """Yields clips, one at a time: subject by subject, then repetition, label and view.

    A clip depends on the seed and its own numbers, not on which others are asked for.

    Args:
        seed: Any whole number from 0.
        subjects: How many (from 1 up), or their numbers.
        repetitions: How many of each action (from 1 up), or their numbers.
        labels: Which classes; all by default.
        views: Which cameras.
    """
    if seed < 0:
        raise DatasetError(f"synthetic: seed = {seed}, expected 0 or more")
    for subject in _numbers("subjects", subjects):
        for repetition in _numbers("repetitions", repetitions):
            for label in range(len(CLASSES)) if labels is None else labels:
                performance = studio.perform(seed, label, subject, repetition)
                for view in views:
                    yield _film(seed, performance, label, subject, view, repetition)


def _numbers(what: str, given: int | Sequence[int]) -> Sequence[int]:
    numbers = range(1, given + 1) if isinstance(given, int) else list(given)
    if not numbers or min(numbers) < 1 or max(numbers) > 999:
        raise DatasetError(f"synthetic: {what} = {given}, expected 1 to 999")
    return numbers


def _film(
    seed: int, performance: studio.Performance, label: int, subject: int, view: int, repetition: int
) -> Clip:
    setup = performance.setup
    truth = studio.place_camera(seed, setup, view).see(performance.joints)
    rng = studio.generator(seed, studio.SENSOR, label, subject, repetition, view)
    joints, states = studio.record(truth, rng)
    name = f"S{setup:03}C{view:03}P{subject:03}R{repetition:03}A{label + 1:03}"
    action = performance.intervals[0]
    return Clip(name, label, subject, view, setup, repetition, joints, states, truth, action)


class Stream(NamedTuple):
    """An untrimmed recording of one person; the fields are those of `Clip`, M = 1."""

    joints: np.ndarray
    states: np.ndarray
    truth: np.ndarray
    actions: tuple[studio.Interval, ...]


def untrimmed(
    seed: int = 0,
    subject: int = 1,
    take: int = 1,
    view: int = 1,
    actions: int = 8,
    pause: tuple[float, float] = (0.3, 1.5),
) -> Stream:
    """Several actions of one subject, one after the other, with pauses in which nothing happens.

    Each take is another one; the views of a take show the same performance.
    """
    performance = studio.perform_stream(seed, subject, take, actions, pause)
    truth = studio.place_camera(seed, performance.setup, view).see(performance.joints)
    rng = studio.generator(seed, studio.SENSOR, subject, take, view)
    return Stream(*studio.record(truth, rng), truth, performance.intervals)


def read(
    root: Path | None,
    writer: StoreWriter,
    seed: int = 0,
    subjects: int = 10,
    repetitions: int = 2,
    clips: str = "trimmed",
) -> None:
    """Makes the clips, or the untrimmed recordings; there is no `root`."""
    if clips == "untrimmed":
        add_streams(writer, seed, subjects, takes=repetitions)
        return
    if clips != "trimmed":
        raise DatasetError(f"clips='{clips}' is not known; choose trimmed or untrimmed")
    for clip in make_clips(seed, subjects, repetitions):
        writer.add(
            clip.joints,
            extras={"informative_joints": clip.action.joints},
            name=clip.name,
            label=clip.label,
            subject=clip.subject,
            view=clip.view,
            setup=clip.setup,
            repetition=clip.repetition,
            action_start=clip.action.start,
            action_end=clip.action.end,
        )


def add_streams(writer: StoreWriter, seed: int, subjects: int, takes: int) -> None:
    """Adds every take of every subject from every camera as one clip, with its intervals."""
    for subject in _numbers("subjects", subjects):
        for take in _numbers("repetitions", takes):
            for view in VIEWS:
                stream = untrimmed(seed, subject, take, view, ACTIONS, PAUSE)
                name = f"C{view:03}P{subject:03}T{take:03}"
                writer.add(
                    stream.joints,
                    name=name,
                    label=0,
                    subject=subject,
                    view=view,
                    setup=1,
                    repetition=take,
                    video=name,
                )
                for action in stream.actions:
                    writer.add_interval(name, action.label, action.start, action.end)


def informative_frames(dataset: SkeletonDataset, i: int) -> np.ndarray:
    """bool (T,): the frames of clip `i` that carry its action."""
    row = dataset.samples.iloc[i]
    frame = np.arange(int(row["frames"]))
    return (frame >= int(row["action_start"])) & (frame < int(row["action_end"]))


def informative_joints(dataset: SkeletonDataset, i: int) -> np.ndarray:
    """bool (2, 25): the joints of each body of clip `i` that its action moves."""
    return np.array(dataset.extras["informative_joints"][i])


# A Kinect v2's pixels from its camera coordinates, a pinhole each: the depth image (512 x 424)
# and the colour image (1920 x 1080), whose camera sits beside it. Fitted to NTU RGB+D files,
# where the residuals are below 0.1 and 0.3 pixels.
DEPTH = {"focal": (366.6, -366.6), "centre": (256.3, 208.5), "beside": (0.0, 0.0)}
COLOUR = {"focal": (1060.0, -1055.0), "centre": (956.2, 571.1), "beside": (71.5, -14.6)}


def pixels(points: np.ndarray, camera: dict[str, tuple[float, float]]) -> np.ndarray:
    """Camera coordinates (..., 3) in metres to pixels (..., 2): `DEPTH` or `COLOUR`."""
    focal, centre, beside = (np.array(camera[key]) for key in ("focal", "centre", "beside"))
    return centre + (focal * points[..., :2] + beside) / points[..., 2:]


def orientations(joints: np.ndarray) -> np.ndarray:
    """Quaternions (..., V, 4), w x y z, of joints (..., V, 3) as the Kinect gives them.

    The y axis runs along the bone from the parent to the joint, the z axis to the person's front
    as far as that allows. The ends of the skeleton (head, feet, finger tips, thumbs) have zeros.
    """
    parents = np.array(KINECT_V2.parents)
    root = KINECT_V2.root
    bone = joints - joints[..., parents, :]
    bone[..., root, :] = joints[..., KINECT_V2.spine[1], :] - joints[..., root, :]
    y = bone / np.linalg.norm(bone, axis=-1, keepdims=True)
    left = joints[..., KINECT_V2.hips[0], :] - joints[..., KINECT_V2.hips[1], :]
    x = np.broadcast_to(left[..., None, :], y.shape)
    # A bone that runs to the side leaves x undecided: there the trunk's direction stands in.
    sideways = np.abs((x * y).sum(-1, keepdims=True)) > 0.9 * np.linalg.norm(x, axis=-1)[..., None]
    x = np.where(sideways, -y[..., [root], :], x)
    z = np.cross(x, y)
    z /= np.linalg.norm(z, axis=-1, keepdims=True)
    axes = np.stack((np.cross(y, z), y, z), axis=-1)
    turned = Rotation.from_matrix(axes.reshape(-1, 3, 3)).as_quat().reshape(*y.shape[:-1], 4)
    ends = [j for j in range(KINECT_V2.size) if j not in KINECT_V2.parents]
    turned[..., ends, :] = 0
    return turned[..., [3, 0, 1, 2]]


def skeleton_text(clip: Clip) -> str:
    """The clip as the text of an NTU RGB+D `.skeleton` file, seven significant digits."""
    joints = clip.joints.astype(np.float64)
    values = np.concatenate(
        (joints, pixels(joints, DEPTH), pixels(joints, COLOUR), orientations(joints)), axis=-1
    )
    lean = joints[..., KINECT_V2.index("spine_shoulder"), :] - joints[..., KINECT_V2.root, :]
    lean /= np.linalg.norm(lean, axis=-1, keepdims=True)
    joint_line = "%.7g " * 11 + "%d"
    lines = [str(len(joints))]
    for t in range(joints.shape[0]):
        lines.append(str(joints.shape[1]))
        for body in range(joints.shape[1]):
            # Tracking id, clipped edges, confidence and state of either hand, restricted, lean.
            track = 72057594037927936 + 1000 * clip.subject + body
            lines.append(f"{track} 0 1 0 1 0 0 {lean[t, body, 0]:.7g} {-lean[t, body, 2]:.7g} 2")
            lines.append(str(joints.shape[2]))
            rows = zip(values[t, body].tolist(), clip.states[t, body].tolist(), strict=True)
            lines.extend(joint_line % (*row, state) for row, state in rows)
    return "\n".join(lines) + "\n"


def write_skeleton_files(
    folder: str | Path,
    seed: int = 0,
    subjects: int | Sequence[int] = 10,
    repetitions: int | Sequence[int] = 2,
    labels: Sequence[int] | None = None,
    views: Sequence[int] = VIEWS,
) -> list[Path]:
    """Writes clips as NTU RGB+D `.skeleton` files, about 0.3 MB each; see `make_clips`.

    The files hold the clips of `load_dataset("synthetic")` with the same seed. Their labels are
    this set's, whatever NTU calls its A001 to A014.

    Returns:
        The paths of the files.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for clip in make_clips(seed, subjects, repetitions, labels, views):
        path = folder / f"{clip.name}.skeleton"
        path.write_text(skeleton_text(clip), "ascii")
        paths.append(path)
    return paths


ODD_SUBJECTS = train_on("subject", range(1, 1000, 2), group_holdout("subject"))
PROTOCOLS = {
    "cs": ODD_SUBJECTS,
    "cv": train_on("view", (2, 3), group_holdout(PERFORMANCE, groups=0.1)),
    "untrimmed": ODD_SUBJECTS,
}

SYNTHETIC = Source(
    name="synthetic",
    title="Synthetic Kinect v2 studio",
    skeleton=KINECT_V2.name,
    classes=CLASSES,
    protocols=PROTOCOLS,
    files=lambda root: [],
    read=read,
    layout=LAYOUT,
    clips=840,
    options={"seed": 0, "subjects": 10, "repetitions": 2, "clips": "trimmed"},
    protocol_options={
        "cs": {"clips": "trimmed"},
        "cv": {"clips": "trimmed"},
        "untrimmed": {"clips": "untrimmed"},
    },
    needs_root=False,
    fps=30.0,
)

SOURCES = {"synthetic": SYNTHETIC}
