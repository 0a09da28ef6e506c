"""NTU RGB+D (60 actions) and NTU RGB+D 120: one or two people, three Kinect v2 at three angles.

A. Shahroudy, J. Liu, T.-T. Ng, G. Wang, "NTU RGB+D: A large scale dataset for 3D human activity
analysis", CVPR 2016. J. Liu, A. Shahroudy, M. Perez, G. Wang, L.-Y. Duan, A. C. Kot, "NTU RGB+D
120: A large-scale benchmark for 3D human activity understanding", TPAMI 2019.
https://rose1.ntu.edu.sg/dataset/actionRecognition/

Layout:
    nturgb+d_skeletons/SsssCcccPpppRrrrAaaa.skeleton   one clip; setup, camera, person, replication
                                                       and action in three digits each; see ntu_text
Clip: (T, m, 25, 3) in meters in camera coordinates, at 30 Hz, m = 1 or 2; joints in Kinect v2
order. Bodies that are absent in a frame are zero there.

'ntu' is A001 to A060 (setups 1 to 17): 56,880 files, of which 302 have no usable skeleton and are
skipped (`lists/ntu60_missing.txt`); 56,578 clips. 'ntu120' is A001 to A120 (setups 1 to 32):
114,480 files, 535 skipped, 113,945 clips.

Reader option `bodies`:
    tracking  (default) one slot per person, in order of appearance. A person is a tracking id, or
              several: whoever is lost and comes back near the same place under a new id keeps the
              slot (`transforms.bodies.join_tracks`). Of more than two people, the two with the most
              motion are kept, as Shahroudy et al. select the main actor. All frames are kept
    file      as in the released MANs code: bodies in the file's order, frame by frame; frames with
              more than two bodies are all zero
    denoised  by the rules of the released code of the View Adaptive networks, on which many graph
              networks train (`transforms.bodies.two_actors`): ids of at most 11 frames and those
              that are mostly wider than high are left out, the others are sorted by motion and
              merged into two slots, and frames without a body are removed

Recordings whose ids do not change are the same in `tracking` as one slot per id.

Protocols (numbers of training and test clips):
    cs    train on 20 of 40 subjects     40,091 and 16,487     ('ntu')
    cv    train on cameras 2 and 3       37,646 and 18,932     ('ntu')
    csub  train on 53 of 106 subjects                          ('ntu120')
    cset  train on even setups                                 ('ntu120')
Validation holds out subjects in cs and csub (in cs those of Das et al., 2019), and a twentieth of
the performances, at random, in cv and cset.
"""

from __future__ import annotations

import os
import re
import sys
from collections import deque
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing, contextmanager
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from keras_skeleton.datasets.clip_with_pixels import ClipWithPixels
from keras_skeleton.datasets.formats.name_list import read_list, read_names
from keras_skeleton.datasets.formats.ntu_text import (
    COLOR,
    JOINTS,
    POSITION,
    STATE,
    SkeletonText,
    SkeletonTextError,
    parse_skeleton,
)
from keras_skeleton.datasets.protocols import PERFORMANCE, Holdout, group_holdout, train_on
from keras_skeleton.datasets.source import Source
from keras_skeleton.datasets.store import StoreWriter
from keras_skeleton.transforms.bodies import MAX_TRACKS, join_tracks, two_actors
from keras_skeleton.utils.errors import DatasetError
from keras_skeleton.utils.files import read_bytes
from keras_skeleton.utils.processes import cores, end_with_parent

NAME = re.compile(r"S(\d{3})C(\d{3})P(\d{3})R(\d{3})A(\d{3})")
SUFFIX = ".skeleton"
VIDEO_SIZE = (1080, 1920)  # height and width of the color video to which pixels refer
MAX_BODIES = 2
NESTED = 3  # folders 'nturgb*' inside each other

CS_SUBJECTS = (1, 2, 4, 5, 8, 9, 13, 14, 15, 16, 17, 18, 19, 25, 27, 28, 31, 34, 35, 38)
CSUB_SUBJECTS = (
    *CS_SUBJECTS,
    45, 46, 47, 49, 50, 52, 53, 54, 55, 56, 57, 58, 59, 70, 74, 78, 80, 81, 82, 83, 84, 85, 86, 89,
    91, 92, 93, 94, 95, 97, 98, 100, 103,
)  # fmt: skip
CV_CAMERAS = (2, 3)
CSET_SETUPS = range(2, 33, 2)

# Starting the processes takes a second, in which one process reads two thousand files.
PARALLEL_FROM = 2000
_CHUNK = 16  # files per task of a process

_LAYOUT = """\
{title}: ask the ROSE Lab for access at
https://rose1.ntu.edu.sg/dataset/actionRecognition/ and download the 3D skeletons,
{archives}
Unpack so that there is
{folders}
(the .skeleton files may also be in PATH itself), then give --data-dir PATH."""

LAYOUT_60 = _LAYOUT.format(
    title="NTU RGB+D",
    archives="nturgbd_skeletons_s001_to_s017.zip (56,880 files; the ROSE Lab lists 5.8 GB).",
    folders="  PATH/nturgb+d_skeletons/S001C001P001R001A001.skeleton ...",
)
LAYOUT_120 = _LAYOUT.format(
    title="NTU RGB+D 120",
    archives="nturgbd_skeletons_s001_to_s017.zip and nturgbd_skeletons_s018_to_s032.zip\n"
    "(114,480 files together).",
    folders="  PATH/nturgb+d_skeletons/S001C001P001R001A001.skeleton ...     (setups 1 to 17)\n"
    "  PATH/nturgb+d_skeletons120/S018C001P008R001A061.skeleton ...  (setups 18 to 32)",
)


CLASSES = read_names("ntu_classes.txt")


def parse_name(name: str) -> dict[str, Any] | None:
    """Parses a clip's name to columns of the table of clips; None for any other name."""
    if (match := NAME.fullmatch(name)) is None:
        return None
    setup, camera, person, replication, action = map(int, match.groups())
    if not 1 <= action <= len(CLASSES):
        return None
    return {
        "label": action - 1,
        "subject": person,
        "view": camera,
        "setup": setup,
        "repetition": replication,
    }


# ---------------------------------------------------------------- files


def scan(root: Path) -> list[Path]:
    """All `.skeleton` files in `root` and in folders `nturgb*` inside, sorted by name.

    Archives may be unpacked into folders of their own, so up to three such folders may be nested.
    Duplicate names are listed once (the release of 120 actions may contain the 60 again).
    """
    found: dict[str, str] = {}
    folders = [(os.fspath(root), 0)]
    for folder, depth in folders:
        inside = []
        with os.scandir(folder) as entries:
            for entry in entries:
                name = entry.name
                if name.lower().endswith(SUFFIX) and not name.startswith("."):
                    found.setdefault(name[: -len(SUFFIX)] + SUFFIX, entry.path)
                elif depth < NESTED and name.startswith("nturgb") and entry.is_dir():
                    inside.append((entry.path, depth + 1))
        folders += sorted(inside)
    return [Path(found[name]) for name in sorted(found)]


def find_files(root: Path, actions: int) -> list[Path]:
    """The files of the first `actions` actions, sorted by name."""
    end = f"{actions:03d}"
    return [p for p in scan(root) if NAME.fullmatch(p.stem) and "000" < p.stem[-3:] <= end]


def count(root: Path, actions: int) -> int:
    """The number of files that are not on the release's list of missing skeletons."""
    missing = set(read_list(f"ntu{actions}_missing.txt"))
    return sum(path.stem not in missing for path in find_files(root, actions))


# ---------------------------------------------------------------- one clip


def _tracks(text: SkeletonText) -> tuple[np.ndarray, np.ndarray]:
    """The frame and the track of each body, int (N,); tracks are numbered by appearance."""
    frame = np.repeat(np.arange(len(text.bodies)), text.bodies)
    track = {name: i for i, name in enumerate(dict.fromkeys(text.ids))}
    return frame, np.array([track[name] for name in text.ids], np.int64)


def follow_tracking(text: SkeletonText) -> np.ndarray:
    """Assigns bodies to slots by person: float32 (T, m, 25, C), m <= 2.

    A person is one tracking id, or several that `join_tracks` joins. Slots are in order of
    appearance. The first three of the C columns are positions.
    """
    return _follow_people(text)[0]


def _follow_people(text: SkeletonText) -> tuple[np.ndarray, int]:
    """The clip of `follow_tracking`, and how many ids belong to people with another one."""
    frame, track_of = _tracks(text)
    places = text.values[..., :3]
    ids = int(track_of.max(initial=-1)) + 1
    track_of = join_tracks(places, frame, track_of)
    kept = list(range(int(track_of.max(initial=-1)) + 1))
    joined = ids - len(kept)
    if len(kept) > MAX_BODIES:
        motion = [places[track_of == i].var(axis=0, dtype=np.float64).sum() for i in kept]
        kept = sorted(np.argsort(motion, kind="stable")[::-1][:MAX_BODIES].tolist())
    clip = np.zeros((len(text.bodies), len(kept), JOINTS, text.values.shape[-1]), np.float32)
    for slot, i in enumerate(kept):
        rows = np.flatnonzero(track_of == i)[::-1]  # of duplicate ids in a frame, the first is kept
        clip[frame[rows], slot] = text.values[rows]
    return clip, joined


def follow_denoised(text: SkeletonText) -> np.ndarray:
    """The two actors of `two_actors`: float32 (T', m, 25, 3), m <= 2, without empty frames.

    Of more than 32 ids, the longest are used.
    """
    frame, track_of = _tracks(text)
    lengths = np.bincount(track_of)
    kept = np.sort(np.argsort(-lengths, kind="stable")[:MAX_TRACKS])
    frames, frame = np.unique(frame, return_inverse=True)
    clip = np.zeros((len(frames), len(kept), JOINTS, 3), np.float32)
    for slot, i in enumerate(kept):
        rows = np.flatnonzero(track_of == i)[::-1]  # of duplicate ids in a frame, the first is kept
        clip[frame[rows], slot] = text.values[rows, :, :3]
    actors = two_actors(clip)
    return actors[:, actors.any(axis=(0, 2, 3))].astype(np.float32)


def follow_file(text: SkeletonText) -> np.ndarray:
    """Assigns bodies to slots in the file's order: float32 (T, m, 25, 3), m <= 2.

    Frames with more than two bodies are zero.
    """
    usable = text.bodies <= MAX_BODIES
    clip = np.zeros(
        (len(text.bodies), int(text.bodies[usable].max(initial=0)), JOINTS, 3), np.float32
    )
    frame = np.repeat(np.arange(len(text.bodies)), text.bodies)
    slot = np.arange(len(frame)) - np.repeat(np.cumsum(text.bodies) - text.bodies, text.bodies)
    rows = usable[frame]
    clip[frame[rows], slot[rows]] = text.values[rows]
    return clip


FOLLOW = {"tracking": follow_tracking, "file": follow_file, "denoised": follow_denoised}


class Clip(NamedTuple):
    """The content of a file: its frames (T, m, 25, 3), or None with the place and the reason.

    `joined` counts ids that were joined to those of the same people.
    """

    path: str
    frames: np.ndarray | None
    where: str = ""
    why: str = ""
    joined: int = 0


def read_clip(path: str | Path, bodies: str = "tracking") -> Clip:
    """Reads one file; errors in the file are returned, not raised."""
    path = str(path)
    try:
        text = parse_skeleton(read_bytes(path, "a clip"))
    except SkeletonTextError as error:
        why = f"{error.message}; the file is cut off or damaged: unpack or download it again"
        return Clip(path, None, f"{path}:{error.line}", why)
    except OSError as error:
        return Clip(path, None, path, error.strerror or str(error))
    if not len(text.bodies):
        return Clip(path, None, path, "has no frames")
    if not text.values.any():
        return Clip(path, None, path, f"no skeleton in any of its {len(text.bodies)} frames")
    clip, joined = _follow_people(text) if bodies == "tracking" else (FOLLOW[bodies](text), 0)
    if not clip.shape[1]:
        why = "more than two bodies in every frame that has any; use bodies=tracking"
        return Clip(path, None, path, why)
    return Clip(path, clip, joined=joined)


def read_clip_with_pixels(path: str | Path) -> ClipWithPixels:
    """Reads a file with the pixel positions of its joints in the color video of 1920 x 1080.

    Bodies are assigned to slots by `follow_tracking`.

    Raises:
        DatasetError: The file is unusable; the message states the line and the reason.
    """
    try:
        text = parse_skeleton(read_bytes(path, "a clip"), (*POSITION, *COLOR, STATE))
    except SkeletonTextError as error:
        raise DatasetError(f"{path}:{error.line}: {error.message}") from None
    except OSError as error:
        raise DatasetError(f"{path}: {error.strerror or error}") from None
    if not len(text.ids):
        raise DatasetError(f"{path}: no skeleton in any of its {len(text.bodies)} frames")
    clip = follow_tracking(text)
    states = np.nan_to_num(clip[..., 5], posinf=0).clip(0, 2).astype(np.uint8)
    return ClipWithPixels(clip[..., :3], clip[..., 3:5], states)


# ---------------------------------------------------------------- all clips


def read_clips(
    paths: Sequence[Path], bodies: str = "tracking", processes: int | None = None
) -> Generator[Clip]:
    """Reads files and yields their clips in the order of `paths`.

    At most a few hundred clips are buffered.

    Args:
        paths: The files.
        bodies: The reader option.
        processes: Number of processes; by default one per core for many files, else 1.
    """
    if processes is None:
        processes = min(cores(), 60) if len(paths) >= PARALLEL_FROM else 1
    if processes == 1:
        for path in paths:
            yield read_clip(path, bodies)
        return
    chunks = [paths[i : i + _CHUNK] for i in range(0, len(paths), _CHUNK)]
    # 'spawn', because a fork of a process that runs TensorFlow may hang.
    number, context = min(processes, len(chunks)), get_context("spawn")
    pool = ProcessPoolExecutor(number, context, end_with_parent)
    waiting: deque[Future[list[Clip]]] = deque()
    try:
        for chunk in chunks:
            with _main_hidden():
                waiting.append(pool.submit(_read_chunk, chunk, bodies))
            if len(waiting) > 2 * processes:
                yield from waiting.popleft().result()
        while waiting:
            yield from waiting.popleft().result()
    except BrokenProcessPool as error:
        raise DatasetError(
            f"a process that reads files was killed, possibly for lack of memory: {error}"
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)


def _read_chunk(paths: Sequence[Path], bodies: str) -> list[Clip]:
    return [read_clip(path, bodies) for path in paths]


@contextmanager
def _main_hidden() -> Iterator[None]:
    """Hides the main script while processes start.

    A spawned process imports the main script again. The readers do not need it: they would import
    Keras for nothing, and a script without `if __name__ == "__main__"` would run again in each
    process.
    """
    main = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main


def read(root: Path, writer: StoreWriter, actions: int, bodies: str = "tracking") -> None:
    """Adds the clips of the first `actions` actions, in order of their names."""
    if bodies not in FOLLOW:
        raise DatasetError(f"bodies='{bodies}' is unknown; choose one of {', '.join(FOLLOW)}")
    for path in scan(root):
        if parse_name(path.stem) is None:
            writer.report.skip(
                path,
                f"its name is not SsssCcccPpppRrrrAaaa{SUFFIX}; rename it, or use --dataset folder",
            )
    missing = set(read_list(f"ntu{actions}_missing.txt"))
    files = find_files(root, actions)
    wanted = [path for path in files if path.stem not in missing]
    if len(files) != len(wanted):
        writer.report.note(
            f"{len(files) - len(wanted)} files are skipped: they are on the release's list "
            f"of {len(missing)} samples with missing skeletons"
        )
    clips = joined = 0
    with closing(read_clips(wanted, bodies)) as results:
        for done, clip in enumerate(results, start=1):
            writer.progress(done, len(wanted))
            if clip.frames is None:
                writer.report.skip(clip.where, clip.why)
                continue
            name = Path(clip.path).stem
            writer.add(clip.frames, name=name, **(parse_name(name) or {}))
            clips += 1
            joined += clip.joined > 0
    if joined:
        writer.report.note(
            f"in {joined} clips a person gets a new tracking id near the same place and keeps the "
            "slot; option bodies=file keeps the file's order"
        )
    writer.report.expect("usable clips", clips, {60: NTU, 120: NTU120}[actions].clips)


# ---------------------------------------------------------------- protocols


def hold_subjects(*subjects: int) -> Holdout:
    """Holds out all training clips of the given subjects."""

    def choose(samples: pd.DataFrame, train: np.ndarray, fold: int) -> np.ndarray:
        return samples["subject"].iloc[train].isin(subjects).to_numpy()

    return choose


# Das et al. (2019) hold out subjects 4, 19 and 31 of 'ntu' in 'cs'. Their validation clips for 'cv'
# are test clips; here, performances of the training views are held out instead (our choice). For
# 'ntu120' three subjects of A061 to A120 are added (our choice).
NTU_PROTOCOLS = {
    "cs": train_on("subject", CS_SUBJECTS, hold_subjects(4, 19, 31)),
    "cv": train_on("view", CV_CAMERAS, group_holdout(PERFORMANCE, groups=0.05)),
}
NTU120_PROTOCOLS = {
    "csub": train_on("subject", CSUB_SUBJECTS, hold_subjects(4, 19, 31, 74, 86, 91)),
    "cset": train_on("setup", CSET_SETUPS, group_holdout(PERFORMANCE, groups=0.05)),
}

NTU = Source(
    name="ntu",
    title="NTU RGB+D (Shahroudy et al., 2016)",
    skeleton="kinect_v2",
    classes=CLASSES[:60],
    protocols=NTU_PROTOCOLS,
    files=partial(find_files, actions=60),
    read=partial(read, actions=60),
    layout=LAYOUT_60,
    count=partial(count, actions=60),
    clips=56_578,
    test_clips={"cs": (16_487,), "cv": (18_932,)},
    options={"bodies": "tracking"},
    fps=30.0,
    version=1,  # 1: people keep their slots under a new id
)
NTU120 = Source(
    name="ntu120",
    title="NTU RGB+D 120 (Liu et al., 2019)",
    skeleton="kinect_v2",
    classes=CLASSES,
    protocols=NTU120_PROTOCOLS,
    files=partial(find_files, actions=120),
    read=partial(read, actions=120),
    layout=LAYOUT_120,
    count=partial(count, actions=120),
    clips=113_945,
    options={"bodies": "tracking"},
    fps=30.0,
    version=1,  # 1: people keep their slots under a new id
)

SOURCES = {"ntu": NTU, "ntu120": NTU120}
