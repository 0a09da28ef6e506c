"""Adds recordings of one's own to a store: whole, with their actions beside them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import groupby
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from keras_skeleton.datasets.body_checks import BodyChecks, upward
from keras_skeleton.datasets.dataset import ReadReport
from keras_skeleton.datasets.filled_joints import FilledJoints
from keras_skeleton.datasets.formats.clip_file import ClipError
from keras_skeleton.datasets.formats.skeleton_toml import Layout
from keras_skeleton.datasets.own_clips import ClipNotes, read_recording
from keras_skeleton.datasets.own_intervals import OwnRecordings, listed
from keras_skeleton.datasets.own_labels import NO_RATE, Row
from keras_skeleton.datasets.own_names import class_names, name_lookalikes, numbered
from keras_skeleton.datasets.store import StoreWriter
from keras_skeleton.transforms.geometry import present
from keras_skeleton.utils.errors import DatasetError
from keras_skeleton.utils.files import plain_name

LATE = 2  # frames that an action may end after its recording


def read_untrimmed(writer: StoreWriter, layout: Layout, own: OwnRecordings, people: int) -> None:
    """Adds whole recordings, sorted by file, and their actions."""
    report = writer.report
    classes = class_names(row.label for row in own.rows)
    if not classes:
        lines = ["no action of the recordings can be used", *report.first()]
        raise DatasetError("\n".join(lines))
    label_of = {label: i for i, label in enumerate(classes)}
    subjects = {"": 0} | numbered(own.subjects.values(), "subjects", report)
    views = {"": 0} | numbered(own.views.values(), "views", report)
    for what, names in (("labels", classes), ("subjects", subjects), ("views", views)):
        name_lookalikes([name for name in names if name], what, report)
    writer.declare(layout.skeleton, classes)
    gaps, bodies, notes = FilledJoints(layout), BodyChecks(layout), ClipNotes()
    videos = video_names(own.files)
    rows = {file: list(lines) for file, lines in groupby(own.rows, key=lambda row: row.file)}
    counts: Counter[str] = Counter()
    lost = dict(own.lost)
    if nameless := lost.pop("", ""):
        raise DatasetError(
            f"{nameless}; the line may be of any recording, where its action would count as no "
            "action: correct or delete it"
        )
    used: list[str] = []
    absent: dict[str, tuple[int, int]] = {}
    crowded = cut = 0
    timeless: list[Path] = []
    for number, (file, path) in enumerate(own.files.items(), start=1):
        writer.progress(number, len(own.files))
        if file in lost:
            continue
        try:
            recording = read_recording(path, layout)
        except ClipError as error:
            report.skip(f"{path}:{error.line}" if error.line else path, str(error))
            continue
        notes.add(path, recording)
        part = recording.most_active(people)
        crowded += part is not recording
        if recording.fps is None and any(row.seconds for row in rows.get(file, [])):
            timeless.append(path)
            continue
        check_times(rows.get(file, []), recording.fps, report)
        spans = []
        for row in rows.get(file, []):
            try:
                start, end, shorter = _span(row, len(part.clip), recording.fps)
            except ClipError as error:
                report.skip(row.where, f"'{file}': {error}")
                lost.setdefault(file, f"{row.where}: {error}")
                continue
            cut += shorter
            spans.append((label_of[row.label], start, end))
        if file in lost:
            continue
        used.append(file)
        counts.update(row.label for row in rows.get(file, []))
        columns: dict[str, Any] = {"split": own.splits.get(file, "")} if own.splits else {}
        writer.add(
            part.clip,
            name=videos[file],
            video=videos[file],
            label=0,
            subject=subjects[own.subjects.get(file, "")],
            view=views[own.views.get(file, "")],
            recording=number,
            filled=gaps.add(videos[file], part.clip, part.filled),
            **columns,
        )
        for label, start, end in spans:
            writer.add_interval(videos[file], label, start, end)
        bodies.add(part.clip, file)
        if gone := int((~present(part.clip).any(axis=1)).sum()):
            absent[file] = gone, len(part.clip)
    if not counts:  # else all that is left would be recordings without action
        lines = ["no action of the recordings can be used", *report.first()]
        if timeless:
            lines[0] = (
                f"{timeless[0]}: its intervals are in seconds{_like(timeless)}, but {NO_RATE}"
            )
        raise DatasetError("\n".join(lines))
    if timeless:
        report.skip(timeless[0], f"its intervals are in seconds{_like(timeless)}, but {NO_RATE}")
    if lost:
        report.note(_left_out(lost))
    notes.add_notes(report)
    gaps.add_notes(report)
    bodies.add_notes(report)
    if absent:
        named = [f"'{file}' {gone} of {frames}" for file, (gone, frames) in absent.items()]
        report.note(f"frames without a person: {listed(named)}")
    if crowded:
        report.note(
            f"{crowded} recordings show more than {people} people; those with the most motion were "
            "kept (option people=N keeps more)"
        )
    if cut:
        what = "1 interval ends" if cut == 1 else f"{cut} intervals end"
        report.note(f"{what} a little after the recording, and is cut there")
    if empty := [label for label in classes if not counts[label]]:
        report.note(f"classes without usable intervals: {', '.join(empty)}")
    if not own.subjects:
        report.note(
            "the subjects of the recordings are unknown, so the same person may train and test; "
            "name them in a column 'subject' of the intervals"
        )
    elif unknown := sorted(file for file in used if not own.subjects.get(file)):
        report.note(
            f"the subjects of {len(unknown)} of {len(used)} recordings are unknown, and count as "
            f"one further person: {listed(unknown)}; name them as well, or none"
        )
    writer.info |= {
        "unit": bodies.unit,
        "fps": layout.fps or notes.fps,
        "up": upward(layout),
        "subjects": {str(i): name for name, i in subjects.items() if i},
    }


def _like(paths: Sequence[Path]) -> str:
    """How many more recordings are like the first."""
    more = len(paths) - 1
    return f", like those of {more} more recording{'s' if more > 1 else ''}" if more else ""


def check_times(rows: Sequence[Row], fps: float | None, report: ReadReport) -> None:
    """Refuses actions of a recording whose frames and seconds differ: one of them was corrected.

    Args:
        rows: The actions.
        fps: Frames per second; where it is unknown, most of the actions tell.
        report: Receives a note where the seconds are those of another frame rate.

    Raises:
        DatasetError: They differ by more than a frame.
    """
    pairs = [(row, row.times, row.end) for row in rows if row.times and row.end is not None]
    rates = [
        frame / second
        for row, times, end in pairs
        for frame, second in ((row.start, times[0]), (end, times[1]))
        if second > 0
    ]
    if not rates:
        return
    likely = float(np.median(rates))

    def wrong(rate: float) -> list[Row]:
        return [
            row
            for row, (start_s, end_s, exact), end in pairs
            if max(abs(row.start - start_s * rate), abs(end - end_s * rate)) > 1.01 + exact * rate
        ]

    rate = fps or likely
    if not (found := wrong(rate)):
        return
    if len(set(rates)) > 1 or len(rates) > 2:
        own = wrong(likely)
        if not own and abs(likely / rate - 1) > 0.01:
            report.note(
                f"{found[0].where}: seconds are those of {likely:.3g} frames a second, but '"
                f"{found[0].file}' has {rate:.3g}; the frames are used"
            )
            return
    row = found[0]
    assert row.times is not None
    more = f" (also {len(found) - 1} more actions of '{row.file}')" if len(found) > 1 else ""
    raise DatasetError(
        f"{row.where}: frames {row.start:g} to {row.end:g} are not its {row.times[0]:g} to "
        f"{row.times[1]:g} s, which are frames {row.times[0] * rate:.0f} to "
        f"{row.times[1] * rate:.0f} at {rate:.4g} a second{more}; delete the columns that were "
        "not corrected, those of frames or those of times"
    )


def _left_out(lost: dict[str, str]) -> str:
    """A note about recordings whose annotation is incomplete."""
    named = [
        f"'{file}' ({Path(place).name}{mark}{why})"
        for file, text in sorted(lost.items())
        for place, mark, why in [text.partition(": ")]
    ]
    count = "1 recording is" if len(lost) == 1 else f"{len(lost)} recordings are"
    return (
        f"{count} left out, because the action of a line that cannot be used would count as no "
        f"action: {listed(named)}"
    )


def _span(row: Row, frames: int, fps: float | None) -> tuple[int, int, bool]:
    """Start and end of an action in frames, and whether it was cut at the recording's end.

    A film may be a little longer than its recording, so times may end up to half a second late,
    and frames two frames.
    """
    start, last = row.interval(fps)
    end = frames if last is None else last
    late = max(LATE, fps / 2) if row.seconds and fps is not None else LATE
    if start >= frames or end > frames + late:
        what, value = ("start", start) if start >= frames else ("end", end)
        raise ClipError(
            f"{what} {value} is beyond the recording, which has {frames} frames"
            + ("; is the frame rate right?" if row.seconds else "")
        )
    return start, min(end, frames), end > frames


def video_names(files: Iterable[str]) -> dict[str, str]:
    """Names of recordings for files of results: without suffix, where that is enough.

    Example:
        >>> from keras_skeleton.datasets.own_recordings import video_names
        >>> list(video_names(["a/rec1.npy", "b/rec1.npy", "rec2.npy", "rec2.csv"]).values())
        ['a_rec1', 'b_rec1', 'rec2.npy', 'rec2.csv']
    """
    short = {file: plain_name(str(PurePosixPath(file).with_suffix(""))) for file in files}
    count = Counter(short.values())
    names: dict[str, str] = {}
    taken: set[str] = set()
    for file, name in short.items():
        own = name if count[name] == 1 else plain_name(file)
        while own in taken:
            own += "_"
        names[file] = own
        taken.add(own)
    return names
