"""UT-Kinect and Northwestern-UCLA together, in joints that pose estimation of film has, too.

A network trained on these clips labels key points estimated from film. The datasets and their
papers are described in `ut_kinect.py` and `nucla.py`.

Layout: the folders of both datasets, as downloaded, in one folder
    ut_kinect/joints/...    see `ut_kinect.py`
    nucla/all_sqe/...       see `nucla.py`

Clip: (T, 1, 15, 3) in meters, joints in the order of the layout 'body15', at 30 frames per second,
y up. What was made alike between the datasets, and between them and film:

    frame rate   UT-Kinect's frame numbers count sixtieths of a second, about four a row; rows are
                 interpolated to every second number. Northwestern-UCLA has no times: its people
                 walk as fast as UT-Kinect's at about 15 rows a second, so that each second frame is
                 interpolated
    tilt         both cameras look down: the line from the ankles to the shoulders of people who
                 stand is tilted by 8 degrees in UT-Kinect and by 14, 14 and 18.5 degrees in the
                 three views of Northwestern-UCLA. Each clip is leveled by its angle
    centres      Kinect's 'hip_center' is 7 cm above the hips, its 'shoulder_center' 10 cm above the
                 shoulders; those of estimators are in the middle of them, and so they are here

Classes: UT-Kinect's ten, with six of Northwestern-UCLA's merged into them (walk around, sit down,
stand up, pick up with one or two hands, throw, carry), 'drop trash', 'donning' and 'doffing' of
Northwestern-UCLA, and 'none': what people do between the actions of UT-Kinect. Parts of 'none'
start and end a third of a second away from actions, have no missing frames for half a second, and
are cut into pieces of 16 to 48 frames. Pieces in which the person moves through the room by more
than 0.2 m a second are left out, because they show what the class 'walk' shows.

Windows: film is labeled in windows that know nothing of where an action starts. So windows of 16
and 32 frames are clips, too: of UT-Kinect six of each size, spread over the action, with what
surrounds an action that is shorter; of 'none' three of each size, within their piece; of
Northwestern-UCLA, which has ten times as many clips, the middle one of each size. Column `window`
is their length, 0 for whole clips. Column `setup` is 1 for UT-Kinect, 2 for Northwestern-UCLA,
whose subjects are numbered from 101.

Made clips (column `made` is 1; never test clips): UT-Kinect's people wave widely with both hands
beside the body, people in films mostly with one hand, often by a few centimeters and before the
body. So each 'waveHands' is there twelve times more: each arm held as the same person holds it in
the middle of three other parts of the recording, the other one waving as it did or by a third, as
it is or turned about the shoulder to the front by up to 70 degrees. Each piece of 'none' is there
twice more, with one arm and with both held as in actions, because an arm that is held somewhere is
no action yet.

Protocols (validation holds out one training subject of each dataset, with all windows):
    cs    train on subjects 1 to 5 of both datasets, test on the whole clips of the others; those of
          UT-Kinect are the test clips of its own protocol `cs`
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from keras_skeleton.datasets import nucla, ut_kinect
from keras_skeleton.datasets.dataset import Fold
from keras_skeleton.datasets.source import Source
from keras_skeleton.datasets.store import StoreWriter
from keras_skeleton.skeletons import BODY15, KINECT_V1, joint_map
from keras_skeleton.transforms.geometry import level

NONE = "none"
CLASSES = (*ut_kinect.CLASSES, "drop trash", "donning", "doffing", NONE)
MERGED = {
    "walk around": "walk",
    "sit down": "sitDown",
    "stand up": "standUp",
    "pick up with one hand": "pickUp",
    "pick up with two hands": "pickUp",
}
FPS = 30.0
TICK = 2  # UT-Kinect's frame numbers in 1 / FPS seconds
TWICE = 2  # frames of 1 / FPS seconds in a row of Northwestern-UCLA
UT_TILT, NUCLA_TILT = 8.0, {1: 14.0, 2: 14.0, 3: 18.5}  # degrees; of training subjects who stand
AWAY = 10  # frames between an action and a piece of 'none'
GAP = 15  # missing frames that end a piece of 'none'
SHORTEST, LONGEST = 16, 48  # frames of a piece of 'none'
STILL = 0.2  # meters a second; who moves faster through the room walks
WINDOWS = (16, 32)  # frames
MANY, SOME, ONE = 6, 3, 1  # windows of each size: UT-Kinect's actions, 'none', Northwestern-UCLA
TWO_HANDS = "waveHands"  # is also made with one hand
HELD = (NONE, "carry", "clapHands")  # parts of a recording in which the other arm is held
SHARES = (1.0, 0.35)  # of the movement of the hand that waves
FRONT = (0.0, 35.0, 70.0)  # degrees by which its arm is turned to the front
POSED = ("waveHands", "push", "throw", "clapHands", "pull")  # arms held in pieces of 'none'
AROUND = 16  # frames kept before and after an action of UT-Kinect
UT, NUCLA = 1, 2  # values of the column `setup`
FIRST_NUCLA = 100  # added to the numbers of Northwestern-UCLA's subjects
TRAINING = range(1, 6)  # subjects of each dataset

_JOINTS = joint_map(KINECT_V1, BODY15)

LAYOUT = f"""\
UT-Kinect and Northwestern-UCLA in one folder:
  PATH/ut_kinect/joints/joints_s01_e01.txt ...
  PATH/nucla/all_sqe/a01_s01_e00_v01.json ...
then give --data-dir PATH.
{ut_kinect.LAYOUT}
{nucla.LAYOUT}"""


def _folders(root: Path) -> tuple[Path, Path] | None:
    """The folders of both datasets; None if one of them is not there."""
    own = root / "ut_kinect", root / "nucla"
    there = own[0].is_dir() and ut_kinect.find_files(own[0])
    return own if there and own[1].is_dir() and nucla.find_files(own[1]) else None


def find_files(root: Path) -> list[Path]:
    """The files of both datasets; none if one of them is not there."""
    if (own := _folders(root)) is None:
        return []
    return [*ut_kinect.find_files(own[0]), *nucla.find_files(own[1])]


def resample(frames: np.ndarray, at: np.ndarray, times: np.ndarray) -> np.ndarray:
    """Interpolates poses (T, ...) of the times `at` (T,) at other times (S,): float64 (S, ...).

    Example:
        >>> import numpy as np
        >>> from keras_skeleton.datasets.film import resample
        >>> resample(np.array([[0.0], [2.0]]), np.array([0, 4]), np.array([0, 1, 2])).ravel()
        array([0. , 0.5, 1. ])
    """
    flat = frames.reshape(len(frames), -1)
    columns = [np.interp(times, at, column) for column in flat.T]
    return np.stack(columns, axis=1).reshape(len(times), *frames.shape[1:])


def centred(frames: np.ndarray) -> np.ndarray:
    """Poses (..., 15, 3) with both centres in the middle of hips and shoulders."""
    out = np.array(frames)
    for joint, pair in (("hip_center", BODY15.hips), ("shoulder_center", BODY15.shoulders)):
        out[..., BODY15.index(joint), :] = frames[..., pair, :].mean(axis=-2)
    return out


def pieces(length: int) -> Iterator[tuple[int, int]]:
    """Cuts `length` frames into equal pieces of at most LONGEST frames; none below SHORTEST.

    Example:
        >>> from keras_skeleton.datasets.film import pieces
        >>> list(pieces(100)), list(pieces(15))
        ([(0, 33), (33, 66), (66, 100)], [])
    """
    if length >= SHORTEST:
        cuts = np.linspace(0, length, -(-length // LONGEST) + 1).astype(int)
        yield from zip(cuts[:-1].tolist(), cuts[1:].tolist(), strict=True)


def windows(
    first: int, last: int, length: int, many: int, beyond: bool = False
) -> Iterator[tuple[int, int]]:
    """Windows (start, size) of an action that takes frames `first` to `last` - 1 of a recording.

    Args:
        first: First frame of the action.
        last: End of the action (excluded).
        length: Number of frames of the recording.
        many: Number of windows of each size. Their middles are spread evenly over the action, at
            least a quarter of their size from its ends if it is long enough.
        beyond: Whether windows may reach beyond the action. Otherwise there are none of a size that
            is not shorter than the action.

    Example:
        >>> from keras_skeleton.datasets.film import windows
        >>> list(windows(0, 40, 40, many=1))
        [(12, 16), (4, 32)]
        >>> list(windows(30, 50, 90, many=3, beyond=True))[-3:]  # 20 frames in windows of 32
        [(22, 32), (24, 32), (26, 32)]
    """
    for size in WINDOWS:
        low, high = (0, length) if beyond else (first, last)
        if high - low < size or (not beyond and last - first <= size):
            continue
        edge = min(size / 4, (last - first) / 2)
        shares = np.linspace(0, 1, many) if many > 1 else np.array([0.5])
        middles = first + edge + shares * (last - first - 2 * edge)
        starts = np.clip(middles - size / 2, low, high - size).astype(int)
        yield from ((start, size) for start in starts.tolist())


def between(numbers: np.ndarray, intervals: list[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Parts (first and last frame number) of a sequence that belong to no action.

    They are AWAY frames away from the actions, and end at GAP missing frames.
    """
    there = numbers[
        ~np.logical_or.reduce(
            [
                (numbers >= start - AWAY * TICK) & (numbers <= end + AWAY * TICK)
                for start, end in intervals
            ]
            or [np.zeros(len(numbers), bool)]
        )
    ]
    for part in np.split(there, np.flatnonzero(np.diff(there) > GAP * TICK) + 1):
        if len(part):
            yield int(part[0]), int(part[-1])


def speed(frames: np.ndarray) -> float:
    """Speed of the hips over the floor from the first to the last pose (T, 1, V, 3) of Kinect v1,
    in meters a second."""
    way = frames[-1, 0, KINECT_V1.root] - frames[0, 0, KINECT_V1.root]
    return float(np.hypot(way[0], way[2]) * FPS / max(len(frames) - 1, 1))


def read(root: Path, writer: StoreWriter) -> None:
    """Adds the clips of UT-Kinect, 'none' and Northwestern-UCLA, each with its windows."""
    own = _folders(root)
    assert own is not None  # `find_files` found them
    actions = _read_ut_kinect(own[0], writer) + _read_nucla(own[1], writer)
    writer.report.expect("usable clips of actions", actions, FILM.clips)


def _add(
    writer: StoreWriter,
    frames: np.ndarray,
    name: str,
    label: str,
    many: int,
    inside: tuple[int, int] | None = None,
    **columns: Any,
) -> None:
    """Adds a clip of Kinect v1 joints and its windows.

    Args:
        writer: The store.
        frames: (T, 1, 20, 3).
        name: Name of the clip.
        label: Its class.
        many: Number of windows of each size.
        inside: Frames of the action (the end excluded), with its surroundings before and after,
            which windows may reach into; None if the clip has no surroundings.
        **columns: Further columns.
    """
    first, last = inside or (0, len(frames))
    start = writer.add_rows(centred(frames[:, :, _JOINTS]))
    rest = {"label": CLASSES.index(label), "bodies": 1, "made": 0, **columns}
    writer.add_sample(name=name, start=start + first, frames=last - first, window=0, **rest)
    own = windows(first, last, len(frames), many, beyond=inside is not None)
    for number, (at, size) in enumerate(own, start=1):
        writer.add_sample(
            name=f"{name}_w{number:02d}", start=start + at, frames=size, window=size, **rest
        )


ARM = ("elbow", "wrist", "hand")


def one_handed(
    frames: np.ndarray, pose: np.ndarray, side: str, share: float = 1.0, front: float = 0.0
) -> np.ndarray:
    """Clips of Kinect v1 joints (T, 1, 20, 3) in which one arm is held as in a pose (20, 3).

    The pose is turned about the vertical so that its shoulders have the direction of the clip's.

    Args:
        frames: The clip.
        pose: The pose.
        side: The arm that is held: `"left"` or `"right"`.
        share: Movements of the other arm, relative to its shoulder, are multiplied by it.
        front: Degrees by which the other arm is turned about the vertical through its shoulder,
            from the side of the body to its front.
    """
    left, right = KINECT_V1.shoulders
    across = frames[:, 0, left] - frames[:, 0, right]  # (T, 3)
    own = pose[left] - pose[right]
    turn = np.arctan2(across[:, 2], across[:, 0]) - np.arctan2(own[2], own[0])  # (T,)
    c, s = np.cos(turn), np.sin(turn)
    shoulder, other = (left, right) if side == "left" else (right, left)
    out = np.array(frames)
    for part in ARM:
        joint = KINECT_V1.index(f"{side}_{part}")
        x, y, z = pose[joint] - pose[shoulder]
        held = np.stack([c * x - s * z, np.full_like(c, y), s * x + c * z], axis=-1)
        out[:, 0, joint] = frames[:, 0, shoulder] + held
        joint = int(KINECT_V1.mirror[joint])
        way = frames[:, 0, joint] - frames[:, 0, other]
        mean = way.mean(axis=0)
        way = mean + share * (way - mean)
        # The front is (left - right shoulder) x up: the arms are turned in opposite directions.
        angle = np.radians(-front if side == "right" else front)
        x = np.cos(angle) * way[:, 0] + np.sin(angle) * way[:, 2]
        z = np.cos(angle) * way[:, 2] - np.sin(angle) * way[:, 0]
        out[:, 0, joint] = frames[:, 0, other] + np.stack([x, way[:, 1], z], axis=-1)
    return out


def _add_made(
    writer: StoreWriter,
    name: str,
    both: list[tuple[np.ndarray, tuple[int, int]]],
    rest: list[np.ndarray],
    held: dict[str, np.ndarray],
    **columns: Any,
) -> None:
    """Adds the clips that are made of a recording's `TWO_HANDS` and of its pieces of 'none'.

    Args:
        writer: The store.
        name: Name of the recording.
        both: Each `TWO_HANDS` with its surroundings, and its frames in them.
        rest: The pieces of 'none'.
        held: The pose in the middle of each part, by its class.
        **columns: Further columns.
    """
    columns |= {"made": 1}
    for clip, inside in both:
        for side in ("left", "right"):
            for k, other in enumerate(part for part in HELD if part in held):
                for n, share in enumerate(SHARES):
                    front = FRONT[(k + n) % len(FRONT)]
                    made = one_handed(clip, held[other], side, share, front)
                    part = f"{name}_{TWO_HANDS}_{side}_as_in_{other}_{share:g}"
                    _add(writer, made, part, TWO_HANDS, ONE, inside=inside, **columns)
    poses = [part for part in POSED if part in held]
    for number, clip in enumerate(rest if poses else []):
        side, other = ("left", "right") if number % 2 else ("right", "left")
        pose, second = (poses[(number // 2 + k) % len(poses)] for k in (0, 1))
        one = one_handed(clip, held[pose], side)
        part = f"{name}_{NONE}{number + 1:02d}_{side}_as_in_{pose}"
        _add(writer, one, part, NONE, ONE, **columns)
        made = one_handed(one, held[second], other)
        _add(writer, made, f"{part}_{other}_as_in_{second}", NONE, ONE, **columns)


def _read_ut_kinect(root: Path, writer: StoreWriter) -> int:
    actions, count_of_rest = 0, 0
    for name, numbers, frames, intervals in ut_kinect.sequences(root, writer.report):
        columns: dict[str, Any] = {
            "subject": int(name[1:3]),
            "repetition": int(name[5:7]),
            "view": 1,
            "setup": UT,
        }
        frames = level(frames, UT_TILT)
        held: dict[str, np.ndarray] = {}  # the pose in the middle of a part
        both: list[tuple[np.ndarray, tuple[int, int]]] = []
        rest: list[np.ndarray] = []
        for interval in intervals:
            own = numbers[(numbers >= interval.start) & (numbers <= interval.end)]
            start = max(int(own[0]) - AROUND * TICK, int(numbers[0]))
            end = min(int(own[-1]) + AROUND * TICK, int(numbers[-1]))
            first, last = (int(own[0]) - start) // TICK, (int(own[-1]) - start) // TICK + 1
            times = np.arange(start, end + 1, TICK)
            clip = resample(frames, numbers, times)
            action = interval.action
            _add(writer, clip, f"{name}_{action}", action, MANY, inside=(first, last), **columns)
            actions += 1
            held.setdefault(action, clip[(first + last) // 2, 0])
            if action == TWO_HANDS:
                both.append((clip, (first, last)))
        for first, last in between(numbers, [(i.start, i.end) for i in intervals]):
            clip = resample(frames, numbers, np.arange(first, last + 1, TICK))
            for start, end in pieces(len(clip)):
                if speed(clip[start:end]) <= STILL:
                    part = f"{name}_{NONE}_{first + TICK * start}"
                    _add(writer, clip[start:end], part, NONE, SOME, **columns)
                    held.setdefault(NONE, clip[(start + end) // 2, 0])
                    rest.append(clip[start:end])
        count_of_rest += len(rest)
        _add_made(writer, name, both, rest, held, **columns)
    writer.report.note(
        f"{count_of_rest} pieces between UT-Kinect's actions are clips of the class '{NONE}'"
    )
    return actions


def _read_nucla(root: Path, writer: StoreWriter) -> int:
    actions = 0
    for path in nucla.find_files(root):
        match = nucla.NAME.fullmatch(path.stem)
        if match is None or int(match[1]) not in nucla.ACTIONS:
            writer.report.skip(
                path, "its name is not aAA_sSS_eEE_vVV with an action of 1-6, 8, 9, 11, 12"
            )
            continue
        clip = nucla.read_clip(path, writer.report)
        if clip is None:
            continue
        action, subject, episode, view = map(int, match.groups())
        rows = np.arange(len(clip))
        clip = resample(clip, TWICE * rows, np.arange(TWICE * (len(clip) - 1) + 1))
        label = nucla.ACTIONS[action]
        _add(
            writer,
            level(clip, NUCLA_TILT.get(view, NUCLA_TILT[1])),
            path.stem,
            MERGED.get(label, label),
            ONE,
            subject=FIRST_NUCLA + subject,
            repetition=episode,
            view=view,
            setup=NUCLA,
        )
        actions += 1
    return actions


def count(root: Path) -> int:
    """The number of clips of actions, without windows and 'none'."""
    own = _folders(root)
    assert own is not None
    return ut_kinect.count(own[0]) + len(nucla.find_files(own[1]))


def cross_subject(samples: pd.DataFrame) -> Iterator[Fold]:
    """Trains on half of each dataset's subjects and tests on the whole clips of the others."""
    number = samples["subject"] % FIRST_NUCLA
    train = number.isin(TRAINING)
    held = np.zeros(len(samples), bool)
    for seed, setup in enumerate((UT, NUCLA)):
        subjects = sorted(samples["subject"][train & (samples["setup"] == setup)].unique())
        if len(subjects) > 1:
            chosen = np.random.default_rng(seed).choice(subjects)
            held |= (samples["subject"] == chosen).to_numpy()
    test = ~train & (samples["window"] == 0) & (samples["made"] == 0)
    yield Fold(*(np.flatnonzero(part) for part in (train & ~held, train & held, test)))


FILM = Source(
    name="film",
    title="UT-Kinect (Xia et al., 2012) and Northwestern-UCLA (Wang et al., 2014), for film",
    skeleton=BODY15.name,
    classes=CLASSES,
    protocols={"cs": cross_subject},
    files=find_files,
    read=read,
    layout=LAYOUT,
    clips=199 + 1484,
    further_files=lambda root: ut_kinect.label_files(root / "ut_kinect"),
    count=count,
    fps=FPS,
)

SOURCES = {"film": FILM}
