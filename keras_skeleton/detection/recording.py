"""Read a single recording from a file, or frame by frame from standard input."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from keras_skeleton.datasets.clip_sources import SourceClip, check_content, filled_notes, read_clips
from keras_skeleton.datasets.dataset import SAMPLE_COLUMNS, ReadReport, SkeletonDataset
from keras_skeleton.datasets.formats.array_axes import check_axes
from keras_skeleton.datasets.formats.clip_array import MAX_CELLS, ClipArray
from keras_skeleton.datasets.formats.clip_file import READERS, ClipError, finish_clip, read_array
from keras_skeleton.datasets.formats.frame_lines import parse_frame
from keras_skeleton.datasets.formats.openpose import is_clip_folder
from keras_skeleton.datasets.formats.poses import layouts_of
from keras_skeleton.datasets.formats.skeleton_toml import FILE, Layout, known_layout
from keras_skeleton.datasets.pku_mmd import read_frames
from keras_skeleton.datasets.ut_kinect import SEQUENCE, read_rows
from keras_skeleton.detection.fit import between_frames
from keras_skeleton.models.preprocessing import ClipInputError, Preprocessing
from keras_skeleton.skeletons import (
    KINECT_V2,
    SKELETONS,
    Skeleton,
    SkeletonMapError,
    get_skeleton,
)
from keras_skeleton.transforms.geometry import LARGEST, SMALLEST, body_size
from keras_skeleton.transforms.missing import fill_missing
from keras_skeleton.utils.errors import DatasetError

TEXT = ".txt"
SUFFIXES = (TEXT, *READERS, ".skeleton", ".pkl")
MODEL = "tap_lstm"  # takes recordings as all networks of detection do
# Rows a second, about, of datasets whose files have no times; see docs/datasets.md.
ROWS_A_SECOND = {"ut_kinect": 15.0}
NUMBERS_A_SECOND = 30.0  # of the frame numbers of the Kinect, which skip some
DOUBT = 10  # times smaller or larger than people: another unit, whatever the pose
RATES = 1.25  # recordings whose rate differs by more are resampled to that of the training


def read_recording(
    path: str | Path,
    skeleton: Skeleton,
    bodies: int,
    classes: Sequence[str],
    joints: str | None = None,
    track: bool = True,
    image_size: tuple[float, float] | None = None,
    unit: str = "m",
) -> SkeletonDataset:
    """Reads a recording from a file, as a dataset with one sample.

    Args:
        path: `joints_sXX_eYY.txt` of UT-Kinect, another `.txt` in the format of PKU-MMD, or a file
            or folder of `datasets.clip_sources`: an array, `.skeleton`, or the output of a pose
            estimator.
        skeleton: Skeleton of the detector; other joints are mapped to it by their names.
        bodies: Number of bodies M of the detector's input. Of more, those with the most motion are
            kept; missing ones are zero.
        classes: Class names of the detector.
        joints: Name of the file's joint layout; by default that of a skeleton.toml beside it, else
            what the file says, else the detector's, if the number of joints is the same.
        track: Whether people of pose estimators are followed.
        image_size: Width and height of the image, for key points from 0 to 1.
        unit: Unit that the detector was trained with.

    Returns:
        The dataset, with `fps`, `notes` and `numbers` (see `SourceClip`) in its `info`.

    Raises:
        DatasetError: If the file is missing, damaged, of an unknown format, has joints that cannot
            be mapped, no body, or bodies of an impossible size, such as those in millimetres.

    Example:
        >>> import numpy as np
        >>> from pathlib import Path
        >>> from keras_skeleton.detection.recording import read_recording
        >>> import tempfile
        >>> from keras_skeleton.skeletons import get_skeleton
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder) / "walk.npy"
        ...     np.save(path, np.random.default_rng(0).normal(0, 0.5, (40, 25, 3)))
        ...     dataset = read_recording(path, get_skeleton("kinect_v2"), 2, ["walk"])
        >>> dataset.clip(0).shape
        (40, 2, 25, 3)
    """
    path = Path(path)
    if path.is_dir() and not is_clip_folder(path):
        raise DatasetError(f"{path}: is a folder; give one recording")
    if not path.exists():
        raise DatasetError(f"{path}: no such file")
    check_content(path)
    if path.suffix.lower() == TEXT:
        found = _read_text(path)
    elif path.is_dir() or path.suffix.lower() in SUFFIXES:
        found = _read_file(path, skeleton, joints, track, image_size)
    else:
        raise DatasetError(
            f"{path}: unknown file format; expected {', '.join(SUFFIXES)}, or a film"
        )
    return _with_nobody(recording_of(found, skeleton, bodies, classes, path.stem, unit))


def _with_nobody(recording: SkeletonDataset) -> SkeletonDataset:
    """Adds a note on frames without a body."""
    clip = recording.clip(0)
    if nobody := int((~clip.any(axis=(1, 2, 3))).sum()):
        recording.info["notes"].append(f"nobody is in {nobody} of {len(clip)} frames")
    return recording


def recording_of_array(
    array: np.ndarray,
    skeleton: Skeleton,
    bodies: int,
    classes: Sequence[str],
    joints: str | None = None,
    unit: str = "m",
    name: str = "array",
) -> SkeletonDataset:
    """A recording in an array, read as `read_recording` reads it from a file.

    Args:
        array: (T, V, 3) or (T, M, V, 3), in the unit that the detector was trained with; absent
            bodies are zero, joints that were not seen are NaN.
        skeleton: Skeleton of the detector.
        bodies: Number of bodies M of the detector's input.
        classes: Class names of the detector.
        joints: Name of the array's joint layout; by default the detector's, or the known layout
            with this number of joints.
        unit: Unit that the detector was trained with.
        name: Name of the recording.

    Raises:
        DatasetError: Wrong shape, joints that cannot be mapped, no body, or bodies of an impossible
            size.

    Example:
        >>> import numpy as np
        >>> from keras_skeleton.detection.recording import recording_of_array
        >>> from keras_skeleton.skeletons import KINECT_V2
        >>> poses = np.random.default_rng(0).normal(0, 0.3, (40, 25, 3))
        >>> recording_of_array(poses, KINECT_V2, 2, ["walk"]).clip(0).shape
        (40, 2, 25, 3)
    """
    poses = np.asarray(array)
    notes: list[str] = []
    if poses.ndim not in (3, 4) or 0 in poses.shape or poses.dtype.kind not in "fiu":
        raise DatasetError(
            f"the recording has shape {poses.shape} and type {poses.dtype}; expected numbers, "
            "(T, V, 3) or (T, M, V, 3)"
        )
    count = poses.shape[-2]
    try:
        if joints is None and count != skeleton.size:
            check_axes(poses.shape, skeleton.size)
            joints = stream_skeleton(count, skeleton, None, name).name
        layout = Layout(skeleton) if joints is None else known_layout(joints)
        clip, filled = finish_clip(ClipArray(poses), layout, notes)
    except ClipError as error:
        raise DatasetError(f"{name}: {error}") from None
    notes += filled_notes(filled)
    found = SourceClip(name, clip, layout.skeleton, None, tuple(notes))
    return _with_nobody(recording_of(found, skeleton, bodies, classes, name, unit, "stream"))


def recording_of(
    found: SourceClip,
    skeleton: Skeleton,
    bodies: int,
    classes: Sequence[str],
    name: str,
    unit: str = "m",
    kind: str = "file",
) -> SkeletonDataset:
    """A clip as a recording for a detector, see `read_recording`.

    Args:
        found: The clip.
        skeleton: Skeleton of the detector.
        bodies: Number of bodies M of the detector's input.
        classes: Class names of the detector.
        name: Name of the recording.
        unit: Unit that the detector was trained with.
        kind: `"file"`, `"stream"`, or `"film"`, whose people are in metres whatever their size.

    Returns:
        The dataset, as that of `read_recording`. The notes of its `info` that put the whole result
        in doubt are also in its `warnings`.

    Raises:
        DatasetError: The joints cannot be mapped, there is no body, or bodies have an impossible
            size.
    """
    try:
        own, notes = Preprocessing(MODEL, skeleton, bodies, unit="").adapt(
            found.clip, found.skeleton
        )
    except SkeletonMapError as error:
        raise DatasetError(f"{found.source}: {error}") from None
    except ClipInputError as error:
        raise DatasetError(f"{found.source}: {error} ({len(found.clip)} frames)") from None
    warnings = []
    if kind != "film":
        try:
            warnings = size_warnings(own, skeleton, found.skeleton, unit, kind == "file")
        except ClipInputError as error:
            raise DatasetError(f"{found.source}: {error}") from None
    row: dict[str, Any] = dict.fromkeys(SAMPLE_COLUMNS, 0) | {
        "name": name,
        "video": name,
        "frames": len(own),
        "bodies": bodies,
    }
    return SkeletonDataset(
        name,
        skeleton,
        classes=tuple(classes),
        rows=own.reshape(-1, *own.shape[2:]),
        samples=pd.DataFrame([row]),
        protocols={},
        info={
            "fps": found.fps,
            "notes": [*found.notes, *notes, *warnings],
            "warnings": warnings,
            "numbers": found.numbers,
        },
    )


def size_warnings(
    clip: np.ndarray, skeleton: Skeleton, own: Skeleton, unit: str = "m", file: bool = False
) -> list[str]:
    """A note if the people of a clip may not have the size that a detector knows.

    Args:
        clip: (T, M, V, 3), in the detector's joints.
        skeleton: Skeleton of the detector.
        own: The joint layout that the clip had before.
        unit: Unit that the detector was trained with.
        file: Whether the clip comes from a file, beside which the unit may be put.

    Raises:
        ClipInputError: The size is impossible, so that all detections would be wrong: more than
            ten times smaller or larger than people.

    Example:
        >>> import numpy as np
        >>> from keras_skeleton.detection.recording import size_warnings
        >>> from keras_skeleton.skeletons import KINECT_V2
        >>> clip = np.zeros((5, 1, 25, 3))
        >>> clip[:, :, 3, 1] = 4  # a head
        >>> size_warnings(clip, KINECT_V2, KINECT_V2)[0].split(";")[0]
        'bodies are 4 in size, which is no person in metres'
        >>> size_warnings(1000 * clip / 2, KINECT_V2, KINECT_V2)
        Traceback (most recent call last):
        ...
        keras_skeleton.models.preprocessing.ClipInputError: bodies are 2e+03 in size, ...
    """
    notes = Preprocessing(MODEL, skeleton, clip.shape[1], unit=unit).size_notes(clip, own, file)
    size = body_size(clip) if notes else 0.0
    if size and not SMALLEST / DOUBT <= size <= LARGEST * DOUBT:
        raise ClipInputError(notes[0])
    return notes


def _read_text(path: Path) -> SourceClip:
    """A sequence of UT-Kinect, or a video of PKU-MMD."""
    report = ReadReport(strict=True)
    if SEQUENCE.fullmatch(path.name) is not None:
        numbers, clip, repeated = read_rows(path, report)
        notes = []
        if repeated:
            lines = "1 line repeats" if repeated == 1 else f"{repeated} lines repeat"
            notes.append(f"{lines} the frame number before, and only the first of each was read")
        return SourceClip(
            str(path), clip, get_skeleton("kinect_v1"), None, tuple(notes), numbers=numbers
        )
    return SourceClip(str(path), read_frames(path, report), KINECT_V2, 30.0)


def _read_file(
    path: Path,
    skeleton: Skeleton,
    joints: str | None,
    track: bool,
    image_size: tuple[float, float] | None,
) -> SourceClip:
    if joints is None and path.suffix.lower() in READERS and not _described(path):
        own = _like_detector(path, skeleton)
        if own is not None:
            return own
    clips = list(read_clips(path, joints, track, image_size))
    if len(clips) != 1:
        raise DatasetError(f"{path}: holds {len(clips)} clips; a recording is one")
    return clips[0]


def _described(path: Path) -> bool:
    """Whether a skeleton.toml describes the joints of a file."""
    return any((folder / FILE).is_file() for folder in path.resolve().parents)


def _like_detector(path: Path, skeleton: Skeleton) -> SourceClip | None:
    """A file that does not say its joints but has as many as the detector; None for others."""
    try:
        array = read_array(path)
        count = array.shape[-2] if array.ndim > 2 else array.shape[-1] // 3
        flat = array.ndim > 2 and array.shape[-1] == 2
        if array.joints or array.layout or array.coordinates or flat or count != skeleton.size:
            return None
        notes = [f"{count} joints were read as {skeleton.name}, those of the detector"]
        clip, filled = finish_clip(array, Layout(skeleton), notes)
    except ClipError as error:
        line = f":{error.line}" if error.line else ""
        raise DatasetError(f"{path}{line}: {error}") from None
    notes += filled_notes(filled)
    return SourceClip(str(path), clip, skeleton, array.fps, tuple(notes))


def read_frames_of(
    lines: Iterable[str], skeleton: Skeleton, joints: str | None = None, fps: float | None = None
) -> SourceClip:
    """Reads a stream of JSON frames to its end; joints that were not seen are filled.

    Args:
        lines: The lines, each a frame; see `datasets.formats.frame_lines`.
        skeleton: Skeleton of the detector.
        joints: Name of the stream's joint layout; by default the detector's, or the known layout
            with this number of joints.
        fps: Frames per second.

    Raises:
        DatasetError: There are no frames, or too many, they differ in their joints, or the joints
            are unknown.
    """
    frames: list[np.ndarray] = []
    joints_seen = people = 0
    for n, line in enumerate(lines, start=1):
        frames.append(parse_frame(line, n))
        people, joints_seen = max(people, len(frames[-1])), max(joints_seen, frames[-1].shape[1])
        if n * max(people * joints_seen * 3, 16) > MAX_CELLS:
            raise DatasetError(
                f"standard input: more than {n - 1:,} frames of up to {people} people are too many "
                "for one recording; cut it into parts"
            )
    sizes = {frame.shape[1] for frame in frames if len(frame)}
    if not sizes:
        raise DatasetError("standard input: no frames with a person")
    if len(sizes) > 1:
        raise DatasetError(f"standard input: frames differ in their joints: {sorted(sizes)}")
    size = sizes.pop()
    layout = stream_skeleton(size, skeleton, joints)
    clip = np.zeros((len(frames), max(map(len, frames)), size, 3), np.float32)
    for row, frame in zip(clip, frames, strict=True):
        if len(frame):
            row[: len(frame)] = frame
    clip, filled = fill_missing(clip, layout)
    notes = filled_notes(filled)
    if nobody := int((~clip.any(axis=(1, 2, 3))).sum()):
        notes.append(f"nobody is in {nobody} of {len(clip)} frames")
    return SourceClip("standard input", clip.astype(np.float32), layout, fps, tuple(notes))


def stream_skeleton(
    count: int, skeleton: Skeleton, joints: str | None = None, name: str = "standard input"
) -> Skeleton:
    """The joint layout of a stream with this number of joints.

    Raises:
        DatasetError: No known layout has this number.
    """
    if joints is None and count == skeleton.size:
        return skeleton
    if joints is not None:
        fitting = [own for own in [get_skeleton(joints)] if own.size == count]
    else:
        fitting = [SKELETONS[name] for name in layouts_of(count) if name in SKELETONS]
    if len(fitting) != 1:
        raise DatasetError(
            f"{name}: frames have {count} joints; the detector has {skeleton.size} "
            f"({skeleton.name}); name the layout with --skeleton (in Python skeleton=)"
        )
    return fitting[0]


def times_of(dataset: SkeletonDataset, rate: float | None = None) -> np.ndarray | None:
    """Seconds of the frames of a recording with frame numbers, (T + 1,): the last is its end.

    None without numbers, where frames are even. The first frame is at 0.

    Args:
        dataset: A recording of `read_recording`.
        rate: Frame numbers per second; by default those of the Kinect.

    Example:
        >>> import numpy as np
        >>> from keras_skeleton.datasets.clip_sources import SourceClip
        >>> from keras_skeleton.detection.recording import recording_of, times_of
        >>> from keras_skeleton.skeletons import KINECT_V2
        >>> clip, numbers = np.ones((3, 1, 25, 3), "f"), np.array([516, 518, 522])
        >>> found = SourceClip("a", clip, KINECT_V2, numbers=numbers)
        >>> times_of(recording_of(found, KINECT_V2, 1, ["wave"], "a"), 10).tolist()
        [0.0, 0.2, 0.6, 0.7]
    """
    numbers = dataset.info["numbers"]
    if numbers is None:
        return None
    return (np.append(numbers, numbers[-1] + 1) - numbers[0]) / (rate or NUMBERS_A_SECOND)


def rate_of_rows(times: np.ndarray, run: Mapping[str, Any]) -> float:
    """Frames per second at which a recording with `times_of` is shown to a detector.

    A detector of recordings of this kind takes their rows as they are.

    Args:
        times: Of `times_of`.
        run: The `run` of the detector.
    """
    own = ROWS_A_SECOND.get(run["dataset"])
    return own or float((len(times) - 1) / times[-1])


def trained_fps(run: Mapping[str, Any]) -> float | None:
    """Frames per second of the recordings that a detector was trained on; None if unknown.

    Args:
        run: The `run` of a detector.
    """
    return run["fps"] or ROWS_A_SECOND.get(run["dataset"])


def is_other_rate(trained: float | None, fps: float | None) -> bool:
    """Whether a recording is much faster or slower than those of the training.

    Example:
        >>> from keras_skeleton.detection.recording import is_other_rate
        >>> is_other_rate(15, 30), is_other_rate(30, 25), is_other_rate(None, 60)
        (True, False, False)
    """
    return bool(trained and fps and not 1 / RATES <= fps / trained <= RATES)


def at_rate(dataset: SkeletonDataset, fps: float) -> SkeletonDataset:
    """A recording at another frame rate; joints are interpolated where they are there.

    Args:
        dataset: A recording of `read_recording`, with a frame rate.
        fps: Frames per second of the result.

    Example:
        >>> import numpy as np
        >>> from keras_skeleton.datasets.clip_sources import SourceClip
        >>> from keras_skeleton.detection.recording import at_rate, recording_of
        >>> from keras_skeleton.skeletons import KINECT_V2
        >>> found = SourceClip("a", np.ones((60, 1, 25, 3), "f"), KINECT_V2, 60.0)
        >>> dataset = recording_of(found, KINECT_V2, 1, ["wave"], "a")
        >>> at_rate(dataset, 30).clip(0).shape
        (30, 1, 25, 3)
    """
    clip, step = dataset.clip(0), dataset.info["fps"] / fps
    T = len(clip)
    at = np.minimum(np.arange(max(round(T / step), 1)) * step, T - 1)
    own = between_frames(clip.reshape(T, -1, 3), at).astype(np.float32)
    return replace(
        dataset,
        rows=own.reshape(-1, *clip.shape[2:]),
        samples=dataset.samples.assign(frames=len(own)),
        info={**dataset.info, "fps": fps},
    )


def back_at_rate(found: pd.DataFrame, fps: float, own: float, frames: int) -> pd.DataFrame:
    """Detections in a recording of `at_rate`, in frames of the recording itself.

    Args:
        found: Detections, with `start` and `end`.
        fps: Frames per second that they are given in.
        own: Frames per second of the recording.
        frames: Its number of frames T.

    Example:
        >>> import pandas as pd
        >>> from keras_skeleton.detection.recording import back_at_rate
        >>> found = pd.DataFrame({"start": [10], "end": [20]})
        >>> back_at_rate(found, 30, 60, frames=100).values.tolist()
        [[20, 40]]
    """
    start = (found["start"] * own / fps).round().astype(int).clip(0, frames - 1)
    end = (found["end"] * own / fps).round().astype(int).clip(upper=frames)
    return found.assign(start=start, end=end.clip(lower=start + 1))
