"""Annotated actions of one's own recordings: which files they are in, and which recording each
belongs to.

intervals.csv       the actions of all recordings, also .tsv or .txt, or called annotations; see
                    `formats/annotation_table.py`
NAME.eaf            the actions of NAME.npy beside it, of ELAN; also NAME.txt, NAME.tsv and
                    NAME.intervals.csv, exported by a tool
labels.csv          with columns start and end, where there is neither

A recording without a line has no action.
"""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import NamedTuple

from keras_skeleton.datasets.dataset import ReadReport
from keras_skeleton.datasets.formats.annotation_table import (
    EVERY,
    Annotation,
    AnnotationTable,
    read_annotation_table,
)
from keras_skeleton.datasets.formats.eaf import read_eaf
from keras_skeleton.datasets.own_files import FoundClip, is_intervals_file, labels_file
from keras_skeleton.datasets.own_labels import SPLITS, Row, order, read_labels
from keras_skeleton.datasets.own_names import natural, subjects_in_names
from keras_skeleton.utils.errors import DatasetError
from keras_skeleton.utils.folders import walk_files

BESIDE = (".eaf", ".txt", ".tsv", ".intervals.csv", ".intervals.tsv", ".intervals.txt")
NEEDED = """\
A folder of your own recordings:
  PATH/intervals.csv    file,label,start,end,subject   (frames from 0, the end excluded; or start_s,
                        rec1.npy,wave,10,60,ann         end_s in seconds; subject is optional)
  PATH/rec1.npy         the recordings, in any format of clips
Or, beside each recording, PATH/rec1.eaf of ELAN, or a table of a tool as PATH/rec1.txt."""
LISTED = 10


class Options(NamedTuple):
    """How tables of intervals are read; see `read_annotation_table`."""

    tier: str | None = None
    ends: str = ""
    first_frame: int = 0


class OwnRecordings(NamedTuple):
    """The recordings of a folder, with their actions.

    Attributes:
        rows: The actions, sorted by recording and start.
        files: Name and path of all recordings, sorted by name.
        subjects: Name of the subject of recordings by file; empty names are left out.
        views, splits: The same for views and splits.
    """

    rows: list[Row]
    files: dict[str, Path]
    subjects: dict[str, str]
    views: dict[str, str]
    splits: dict[str, str]


def intervals_file(root: Path) -> Path | None:
    """The folder's table of intervals; None if there is none.

    Raises:
        DatasetError: There are several.
    """
    try:
        found = sorted(p for p in root.iterdir() if is_intervals_file(p.name) and p.is_file())
    except OSError:
        return None
    if len(found) > 1:
        names = ", ".join(path.name for path in found)
        raise DatasetError(f"{root}: has {names}, which may all hold the intervals; keep one")
    return found[0] if found else None


def beside_files(root: Path, found: Iterable[FoundClip]) -> dict[str, list[Path]]:
    """The files of annotations beside clips, by the clip's name."""
    there: dict[str, list[Path]] = defaultdict(list)
    for path in walk_files(root):
        suffix = next((s for s in reversed(BESIDE) if path.name.lower().endswith(s)), None)
        if suffix is not None and not is_intervals_file(path.name):
            key = path.relative_to(root).as_posix()[: -len(suffix)]
            there[key].append(path)
    return {
        clip.name: sorted(there[key])
        for clip in found
        if (key := clip.name if clip.folder else _without_suffix(clip.name)) in there
    }


def annotation_files(root: Path, found: Iterable[FoundClip]) -> list[Path]:
    """All files that actions are read from: the table of the folder, else those beside clips."""
    table = intervals_file(root)
    if table is not None:
        return [table]
    return sorted({path for paths in beside_files(root, found).values() for path in paths})


def read_intervals(
    root: Path, report: ReadReport, found: Sequence[FoundClip], options: Options
) -> OwnRecordings:
    """Reads the annotated actions of a folder.

    Args:
        root: The folder.
        report: Receives bad lines and notes.
        found: The clips in the folder.
        options: How tables are read.

    Raises:
        DatasetError: There are no annotations, or they cannot be read in only one way.
    """
    resolved = root.resolve()
    inside = []
    for clip in found:
        if clip.link and not clip.path.resolve().is_relative_to(resolved):
            where = clip.path.resolve()
            report.skip(clip.path, f"is a link that leads outside the folder, to {where}; copy it")
        else:
            inside.append(clip)
    found = inside
    table, beside, labels = intervals_file(root), beside_files(root, found), labels_file(root)
    if table is not None:
        unread = sorted(path.name for paths in beside.values() for path in paths)
        if labels is not None:
            unread.insert(0, labels.name)
        if unread:
            more = f" and {len(unread) - LISTED} more" if len(unread) > LISTED else ""
            listed = ", ".join(unread[:LISTED])
            report.note(f"the actions are those of {table.name}; not read: {listed}{more}")
        return _of_table(root, table, report, found, options)
    if beside:
        return _of_files(root, beside, report, found, options)
    if labels is not None:
        return _of_labels(root, report, found)
    lines = [f"{root}: has no annotated recordings.", *report.first(), NEEDED]
    raise DatasetError("\n".join(lines))


def _of_table(
    root: Path,
    path: Path,
    report: ReadReport,
    found: Sequence[FoundClip],
    options: Options,
) -> OwnRecordings:
    content = read_annotation_table(path, *options)
    for note in content.notes:
        report.note(note)
    clips = _ByName(root, found)
    lost: set[str] = set()  # recordings with nothing but bad lines
    for line, why, file in content.bad:
        report.skip(f"{path}:{line}", why)
        if file:
            lost |= {name for name, _ in [clips.find(file)] if name}
    if not content.names_files:
        if len(found) != 1:
            raise DatasetError(
                f"{path}:1: has no column 'file', and there are {len(found)} recordings; add the "
                "column, or give each recording a table of its own name, such as rec1.txt beside "
                "rec1.npy"
            )
        report.note(f"{path.name}: its intervals are those of '{found[0].name}'")
    taken: list[tuple[FoundClip, Annotation, Path]] = []
    for row in content.rows:
        if not content.names_files:
            taken.append((found[0], row, path))
            continue
        name, why = clips.find(row.file)
        if name is None:
            report.skip(f"{path}:{row.line}", why)
            continue
        taken.append((clips.clips[name], row, path))
    clips.add_notes(report, path)
    lost -= {clip.name for clip, _, _ in taken}
    return _collect(root, taken, report, found, lost)


def _of_files(
    root: Path,
    beside: dict[str, list[Path]],
    report: ReadReport,
    found: Sequence[FoundClip],
    options: Options,
) -> OwnRecordings:
    if twice := next((paths for paths in beside.values() if len(paths) > 1), None):
        names = ", ".join(path.name for path in twice)
        raise DatasetError(f"{twice[0].parent}: {names} may all hold the same actions; keep one")
    taken: list[tuple[FoundClip, Annotation, Path]] = []
    said: Counter[str] = Counter()
    lost: set[str] = set()
    by_name = {clip.name: clip for clip in found}
    for name, (path,) in beside.items():
        content = _eaf(path, options) if path.suffix.lower() == ".eaf" else None
        if content is None:
            content = read_annotation_table(path, *options)
        for note in content.notes:
            said[note.replace(path.name, f"*{path.suffix}", 1)] += 1
        for line, why, _ in content.bad:
            report.skip(f"{path}:{line}" if line else path, why)
        if content.bad and not content.rows:
            lost.add(name)
        taken += [(by_name[name], row, path) for row in content.rows]
    for note, count in said.items():
        report.note(f"{note}" + (f" ({count} files)" if count > 1 else ""))
    return _collect(root, taken, report, found, lost)


def _eaf(path: Path, options: Options) -> AnnotationTable:
    labels = read_eaf(path)
    tiers = sorted({one.tier for one in labels})
    bases = sorted({_tier_base(tier) for tier in tiers})
    listed = ", ".join(f"'{tier:.40}'" for tier in bases[:LISTED])
    notes, bad = [], []
    if options.tier not in (None, EVERY):
        own = [one for one in labels if options.tier in (one.tier, _tier_base(one.tier))]
        if labels and not own:
            raise DatasetError(f"{path}: has no tier '{options.tier}'; its tiers are {listed}")
        labels = own
    elif options.tier is None and len(bases) > 1:
        raise DatasetError(
            f"{path}: has {len(bases)} tiers, {listed}: choose the one of the actions with "
            f"--option tier=NAME, or --option tier={EVERY}"
        )
    rows = []
    for one in labels:
        if not one.label or one.end <= one.start:
            bad.append((0, f"an annotation at {one.start:g} s has no label or no length", ""))
            continue
        rows.append(Annotation(one.label, one.start, one.end, True, 0))
    notes.append(f"{path.name}: read as a file of ELAN, in seconds")
    return AnnotationTable(rows, bad, notes, False)


def _tier_base(name: str) -> str:
    stem, _, number = name.rpartition(" ")
    return stem if stem and number.isdecimal() else name


def _of_labels(root: Path, report: ReadReport, found: Sequence[FoundClip]) -> OwnRecordings:
    """The segments listed in labels.csv; lines without times are no actions with a time."""
    rows = read_labels(root, report, found)
    if not any(not row.whole for row in rows):
        raise DatasetError(
            f"{root}: its labels.csv labels whole files; to find actions in recordings, give each "
            f"action its start and end.\n{NEEDED}"
        )
    actions = [row for row in rows if not row.whole]
    for row in rows:
        if row.whole:
            report.skip(row.where, f"'{row.file}' has a label, but no start and no end")
    lost = {row.file for row in rows} - {row.file for row in actions}
    table = labels_file(root)
    assert table is not None
    report.note(f"the actions are the segments of {table.name}, frames from 0, the end excluded")
    return _recordings(actions, actions, report, found, root, lost)


def _collect(
    root: Path,
    taken: Sequence[tuple[FoundClip, Annotation, Path]],
    report: ReadReport,
    found: Sequence[FoundClip],
    lost: set[str],
) -> OwnRecordings:
    rows = []
    resolved = root.resolve()
    seen: dict[tuple[str, str, float, float | None], str] = {}
    for clip, note, path in taken:
        where = f"{path}:{note.line}" if note.line else str(path)
        split = note.split.lower()
        if split and split not in SPLITS:
            report.skip(where, f"split '{note.split:.40}' is not one of {', '.join(SPLITS)}")
            continue
        row = Row(
            file=clip.name,
            start=note.start,
            end=note.end,
            seconds=note.seconds,
            path=clip.path.resolve() if clip.link else resolved / clip.name,
            label=note.label,
            subject=note.subject,
            view=note.view,
            split=SPLITS[split] if split else "",
            where=where,
        )
        key = (row.file, row.label, row.start, row.end)
        if row.label and key in seen:
            report.skip(where, f"is the same interval as in {seen[key]}")
            continue
        seen[key] = where
        rows.append(row)
    return _recordings([row for row in rows if row.label], rows, report, found, root, lost)


def _recordings(
    actions: list[Row],
    lines: Sequence[Row],
    report: ReadReport,
    found: Sequence[FoundClip],
    root: Path,
    lost: set[str],
) -> OwnRecordings:
    """Joins the actions of each recording; who is seen is the same in all its lines."""
    resolved = root.resolve()
    of: dict[str, dict[str, str]] = {"subject": {}, "view": {}, "split": {}}
    for row in lines:
        for column, known in of.items():
            value = getattr(row, column)
            if value and known.setdefault(row.file, value) != value:
                raise DatasetError(
                    f"{row.where}: '{row.file}' has {column} '{value}', but '{known[row.file]}' in "
                    f"another line; a recording has one {column} (to ignore the column, rename it)"
                )
    for name in sorted(lost):
        report.skip(root / name, "none of its intervals can be used")
    files = {
        clip.name: clip.path.resolve() if clip.link else resolved / clip.name
        for clip in found
        if clip.name not in lost
    }
    files = dict(sorted({row.file: row.path for row in actions}.items() | files.items()))
    if not of["subject"]:
        of["subject"] = subjects_in_names(list(files))
        if of["subject"]:
            people = sorted(set(of["subject"].values()), key=natural)
            report.note(
                f"the subjects were read from the names of the files: {', '.join(people[:LISTED])}"
                + (f" and {len(people) - LISTED} more" if len(people) > LISTED else "")
                + " (a column 'subject' of the table overrides this)"
            )
    active = {row.file for row in actions}
    idle = [name for name in files if name not in active]
    if idle and actions:
        listed = ", ".join(f"'{name}'" for name in idle[:LISTED])
        more = f" and {len(idle) - LISTED} more" if len(idle) > LISTED else ""
        count = "1 recording has" if len(idle) == 1 else f"{len(idle)} recordings have"
        report.note(
            f"{count} no interval, so no action from start to end: {listed}{more}; move what is "
            "not annotated elsewhere"
        )
    return OwnRecordings(sorted(actions, key=order), files, of["subject"], of["view"], of["split"])


class _ByName:
    """The clips of a folder by the names that tables use: paths, names of films, bare names."""

    def __init__(self, root: Path, found: Iterable[FoundClip]) -> None:
        self.clips = {clip.name: clip for clip in found}
        self.root = root
        self._stems: dict[str, list[str]] = defaultdict(list)
        for clip in self.clips.values():
            for key in {_without_suffix(clip.name), clip.name, PurePosixPath(clip.name).name}:
                self._stems[key.casefold()].append(clip.name)
            stem = _without_suffix(PurePosixPath(clip.name).name)
            if clip.name not in self._stems[stem.casefold()]:
                self._stems[stem.casefold()].append(clip.name)
        self._guessed: dict[str, str] = {}

    def find(self, file: str) -> tuple[str | None, str]:
        """The clip's name, or None and why there is none."""
        name = os.path.normpath(file.replace("\\", "/"))
        if name in self.clips:
            return name, ""
        bare = PureWindowsPath(name).as_posix()
        tries = [bare, _without_suffix(bare)]
        last = PurePosixPath(bare).name
        tries += [last, _without_suffix(last)]
        for key in tries:
            known = self._stems.get(key.casefold(), [])
            if len(known) == 1:
                self._guessed[file] = known[0]
                return known[0], ""
            if len(known) > 1:
                return None, f"'{file:.80}' may be {' or '.join(known[:3])}; give its path"
        return None, f"'{file:.80}' is no recording in the folder"

    def add_notes(self, report: ReadReport, path: Path) -> None:
        """Says which names were matched without their paths."""
        if self._guessed:
            first, name = next(iter(self._guessed.items()))
            count = len(self._guessed)
            more = f" (and {count - 1} more)" if count > 1 else ""
            report.note(f"{path.name}: '{first:.80}' is read as '{name}'{more}")


def _without_suffix(name: str) -> str:
    path = PurePosixPath(name)
    return str(path.with_suffix("")) if path.suffix else name
