"""Your own clips: a folder with one file per clip, their labels, and a description of the joints.

    labels.csv      columns file and label, optionally subject, view, split, and start, end (frames)
                    or start_s, end_s (seconds) for segments of a recording; see `own_labels.py`
    skeleton.toml   the joints, unit, frame rate and axes; see `formats/skeleton_toml.py`
    *.npy *.npz *.json *.csv *.skeleton   the clips, also in subfolders

Without labels.csv, the clips of a class lie in a folder of its name. The actions of recordings are
in intervals.csv, or in a file of ELAN or a table beside each recording; see `own_intervals.py`.

A clip is an array (T, V, 3), or (T, M, V, 3) for M people, or (T, V, 2) for 2D poses (z = 0), or
(T, V * 3) with all joints of a frame in a row. A `.npz` file contains it as `clip`, otherwise its
first array is used. A `.json` file contains a list of frames, or an object with such a list as
`skeletons`, or the output of a pose estimator. A `.csv` file contains one row per frame, with or
without a header. `.skeleton` files of the Kinect may have any name and need no skeleton.toml.
Nothing is ever unpickled. A body that is absent in a frame is all zeros or NaN. A missing joint is
NaN (an empty field in CSV, null in JSON); it is interpolated from other frames. The fraction of
filled joints is reported and stored in the column `filled` of the table of clips.

Classes are the labels in alphabetical order, or in numerical order if all are numbers. Subjects and
views that are not numbers are numbered from 1, in natural order (p2 before p10). Clips are sorted
by file and start. The column `recording` numbers the files. What looks wrong, such as an unknown
column, two spellings of a name, another unit than metres or heads below feet, is named in a note,
and not changed.

Reader options:
    skeleton    a known layout or pose format that replaces the joints in skeleton.toml
    people      the largest number of people in a clip (default 2); of more, those with the most
                motion are kept
    track       yes (default), or no to keep the order of people in the files of pose estimators
    clips       trimmed (default), one clip per label; untrimmed, one clip per recording, for
                detection: its label is 0 and has no meaning, the actions are in `dataset.intervals`
    tier        of tables and files of ELAN, the tier with the actions; all for all tiers
    ends        excluded (default) or included: whether an end in frames belongs to the action
    first_frame number of a recording's first frame in tables (default 0)

Protocols: see `own_protocols.py`.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from itertools import groupby
from pathlib import Path
from typing import Any

from keras_skeleton.datasets.body_checks import BodyChecks, upward
from keras_skeleton.datasets.class_folders import (
    class_folders,
    read_class_folders,
    split_folders,
)
from keras_skeleton.datasets.clip_sources import layout_of
from keras_skeleton.datasets.dataset import ReadReport
from keras_skeleton.datasets.filled_joints import FilledJoints
from keras_skeleton.datasets.formats.clip_file import ClipError, read_array
from keras_skeleton.datasets.formats.skeleton_toml import EXAMPLE, Layout, read_layout, read_partial
from keras_skeleton.datasets.formats.skeleton_toml import FILE as SKELETON
from keras_skeleton.datasets.own_clips import ClipNotes, read_recording
from keras_skeleton.datasets.own_files import (
    KINECT,
    LABELS,
    FoundClip,
    labels_file,
    left_out,
    walk_clips,
)
from keras_skeleton.datasets.own_intervals import (
    NEEDED,
    Options,
    annotation_files,
    intervals_file,
    read_intervals,
)
from keras_skeleton.datasets.own_labels import NO_RATE, Row, has_split, read_labels
from keras_skeleton.datasets.own_names import class_names, name_lookalikes, numbered
from keras_skeleton.datasets.own_protocols import DEFAULT, PROTOCOLS, SPLIT
from keras_skeleton.datasets.own_recordings import check_times, read_untrimmed
from keras_skeleton.datasets.source import Source
from keras_skeleton.datasets.store import StoreWriter
from keras_skeleton.skeletons import KINECT_V2
from keras_skeleton.utils.errors import DatasetError
from keras_skeleton.utils.folders import is_there

PEOPLE = 2
CLIPS = ("trimmed", "untrimmed")
TRIED = 20  # clips that are read to find their joints

LAYOUT = f"""\
A folder of your own clips:
  PATH/labels.csv        file,label,subject   (subject is optional, as are view, split, start, end)
                         jump/ann_01.npy,jump,ann
  PATH/jump/ann_01.npy   (T, V, 3) or (T, M, V, 3); also .npz, .json, .csv, .skeleton
  PATH/skeleton.toml     the joints:
{EXAMPLE}
Without labels.csv, the clips of each class must lie in a folder of its name, such as PATH/jump.
{NEEDED}
Then give --data-dir PATH."""


def clips_of(root: Path) -> list[FoundClip]:
    """The clips of a folder with labels or annotated actions; empty for other folders."""
    found = walk_clips(root)
    if labels_file(root) is not None or class_folders(found, is_there(root / SKELETON)):
        return found
    return found if annotation_files(root, found) else []


def find_files(root: Path) -> list[Path]:
    """labels.csv, skeleton.toml, files of annotations and all files that may be clips; empty if
    there are no labels."""
    labels = labels_file(root)
    found = clips_of(root)
    if labels is None and not found:
        return []
    files = [path for path in (labels, root / SKELETON) if path is not None and is_there(path)]
    files += annotation_files(root, found)
    for clip in found:
        files += _inside(clip.path) if clip.folder else [clip.path]
    return files


def unlabeled(root: Path) -> str:
    """What is missing in a folder that has clips and nothing about them; empty for others."""
    found = walk_clips(root) if root.is_dir() else []
    if not found:
        return ""
    files = "1 recording or clip" if len(found) == 1 else f"{len(found)} recordings or clips"
    return (
        f"{root}: {files}, but no intervals.csv and no {LABELS}.\n{NEEDED}\n"
        f"Clips of one action each are listed in PATH/{LABELS} (file,label,subject), or those of "
        "each class lie in a folder of its name. PATH/skeleton.toml names joints and frame rate."
    )


def _inside(folder: Path) -> list[Path]:
    with os.scandir(folder) as entries:
        return sorted(Path(entry.path) for entry in entries if entry.is_file())


def default_protocol(root: Path) -> str:
    """`split` if the labels say what to train on, otherwise `folds`."""
    labels = intervals_file(root) or labels_file(root)
    split = split_folders(walk_clips(root)) if labels is None else has_split(labels)
    return SPLIT if split else DEFAULT


def folder_layout(
    root: Path, skeleton: str | None, found: Sequence[FoundClip], report: ReadReport
) -> Layout:
    """The layout of a folder; without one in skeleton.toml, that of its first clip that can be
    read."""
    described = is_there(root / SKELETON)
    if skeleton is not None or (described and read_partial(root) is None):
        return read_layout(root, skeleton)
    others = [clip.path for clip in found if clip.path.suffix.lower() != KINECT]
    if found and not others:
        return read_layout(root, KINECT_V2.name) if described else Layout(KINECT_V2, unit="m")
    for path in others[:TRIED]:
        notes: list[str] = []
        try:
            layout = layout_of(path, read_array(path), None, notes)
        except ClipError:
            continue
        except DatasetError as error:
            raise DatasetError(f"{error}\n{root / SKELETON} describes joints:\n{EXAMPLE}") from None
        how = "; ".join(notes) or f"joints are those of the {SKELETON} nearest to the clips"
        what = (
            f"{SKELETON} names no joints" if described else f"there is no {SKELETON} in the folder"
        )
        report.note(f"{what}: {how} (by '{path.name}')")
        return layout
    return read_layout(root, skeleton)


def read(
    root: Path,
    writer: StoreWriter,
    skeleton: str | None = None,
    people: int = PEOPLE,
    track: str | bool = "yes",
    clips: str = "trimmed",
    tier: str | None = None,
    ends: str = "",
    first_frame: int = 0,
) -> None:
    """Adds all labeled clips, sorted by file and start, or all recordings with their actions."""
    if clips not in CLIPS:
        raise DatasetError(f"option clips={clips}: must be {' or '.join(CLIPS)}")
    if ends not in ("", "excluded", "included"):
        raise DatasetError(f"option ends={ends}: must be excluded or included")
    if people < 1:
        raise DatasetError(f"option people={people}: must be at least 1")
    if track not in (True, False, "yes", "no"):
        raise DatasetError(f"option track={track}: must be yes or no")
    report = writer.report
    found = clips_of(root)
    for path, why in left_out(root):
        report.skip(path, why)
    layout = folder_layout(root, skeleton, found, report)
    layout = replace(layout, track=layout.track and track in (True, "yes"))
    options = Options(tier or None, ends, first_frame)
    if clips == "untrimmed":
        read_untrimmed(writer, layout, read_intervals(root, report, found, options), people)
        return
    rows = _labeled(root, found, report, options)
    classes = class_names(row.label for row in rows)
    label_of = {label: i for i, label in enumerate(classes)}
    known = [row.subject for row in rows if row.subject]
    subjects = {"": 0} | numbered(known, "subjects", report)
    views = {"": 0} | numbered((row.view for row in rows if row.view), "views", report)
    for what, names in (("labels", classes), ("subjects", subjects), ("views", views)):
        name_lookalikes([name for name in names if name], what, report)
    writer.declare(layout.skeleton, classes)
    gaps, bodies, notes = FilledJoints(layout), BodyChecks(layout), ClipNotes()
    split = any(row.split for row in rows)
    counts: Counter[str] = Counter()
    crowded = 0
    timeless: list[Row] = []
    recordings = {path: i for i, path in enumerate(dict.fromkeys(row.path for row in rows), 1)}
    for path, group in groupby(rows, key=lambda row: row.path):
        lines = list(group)
        writer.progress(recordings[path], len(recordings))
        try:
            recording = read_recording(path, layout)
        except ClipError as error:
            report.skip(f"{path}:{error.line}" if error.line else path, str(error))
            continue
        notes.add(path, recording)
        check_times(lines, recording.fps, report)
        for row in lines:
            if row.seconds and not row.whole and recording.fps is None:
                timeless.append(row)
                continue
            try:
                start, end = row.interval(recording.fps)
                everyone = recording.segment(start, end)
                name = row.file if row.whole else f"{row.file}:{start}-{start + len(everyone.clip)}"
                if name in gaps.shares:
                    raise ClipError(f"is the same clip as another line, '{name}'")
            except ClipError as error:
                report.skip(row.where, f"'{row.file}': {error}")
                continue
            part = everyone.most_active(people)
            crowded += part is not everyone
            columns: dict[str, Any] = {"split": row.split} if split else {}
            writer.add(
                part.clip,
                name=name,
                label=label_of[row.label],
                subject=subjects[row.subject],
                view=views[row.view],
                recording=recordings[path],
                filled=gaps.add(name, part.clip, part.filled),
                **columns,
            )
            bodies.add(part.clip, name)
            counts[row.label] += 1
    if timeless:
        count = "" if len(timeless) == 1 else f", like those of {len(timeless) - 1} more lines"
        report.skip(timeless[0].where, f"its times are in seconds{count}, but {NO_RATE}")
    notes.add_notes(report)
    gaps.add_notes(report)
    bodies.add_notes(report)
    if crowded:
        report.note(
            f"{crowded} clips show more than {people} people; those with the most motion were kept "
            "(option people=N keeps more)"
        )
    _note_classes(classes, counts, report)
    if known and len(known) < len(rows):
        report.note(
            f"the subjects of {len(rows) - len(known)} of {len(rows)} clips are unknown, and count "
            "as one further person; name them as well, or none"
        )
    if not known:
        report.note(
            "the subjects of the clips are unknown, so the same person may be in training and test "
            "clips; name them in the column 'subject' of labels.csv"
        )
    writer.info |= {
        "unit": bodies.unit,
        "fps": layout.fps or notes.fps,
        "up": upward(layout),
        "subjects": {str(i): name for name, i in subjects.items() if i},
    }


def _labeled(
    root: Path, found: Sequence[FoundClip], report: ReadReport, options: Options
) -> list[Row]:
    """The labeled clips, sorted; clips without a label are reported."""
    if labels_file(root) is None:
        folders = class_folders(found, is_there(root / SKELETON))
        if intervals_file(root) is not None or not folders:
            own = read_intervals(root, report, found, options)
            return [
                row._replace(
                    subject=own.subjects.get(row.file, ""),
                    view=own.views.get(row.file, ""),
                    split=own.splits.get(row.file, ""),
                )
                for row in own.rows
            ]
        return read_class_folders(root, found, report)
    if (unread := intervals_file(root)) is not None:
        report.note(f"{LABELS} is read, {unread.name} is not; clips=untrimmed reads it")
    rows = read_labels(root, report, found)
    listed = {row.path for row in rows}
    resolved = root.resolve()
    for clip in found:
        if (clip.path.resolve() if clip.link else resolved / clip.name) not in listed:
            report.skip(clip.path, f"not listed in {LABELS}, or in a bad line")
    return rows


def _note_classes(classes: Sequence[str], clips: Counter[str], report: ReadReport) -> None:
    if empty := [label for label in classes if not clips[label]]:
        report.note(f"classes without usable clips: {', '.join(empty)}")
    if len(classes) > 1 and (once := [label for label in classes if clips[label] == 1]):
        listed = ", ".join(f"'{label}'" for label in once[:20]) + (
            f" and {len(once) - 20} more" if len(once) > 20 else ""
        )
        report.note(f"classes of one clip, which cannot be both trained and tested: {listed}")


FOLDER = Source(
    name="folder",
    title="Your own clips",
    skeleton=KINECT_V2.name,  # until skeleton.toml is read
    classes=(),
    protocols=PROTOCOLS,
    files=find_files,
    read=read,
    layout=LAYOUT,
    clips=0,
    count=lambda root: len(clips_of(root)),
    options={
        "skeleton": None,
        "people": PEOPLE,
        "track": "yes",
        "clips": "trimmed",
        "tier": None,
        "ends": "",
        "first_frame": 0,
    },
    default_protocol=default_protocol,
    version=2,
    unlabeled=unlabeled,
)

SOURCES = {"folder": FOLDER}
