"""Annotated actions of one's own recordings: which files they are in, and which recording each
belongs to.

intervals.csv       the actions of all recordings, also .tsv or .txt, or called annotations; see
                    `formats/annotation_table.py`
NAME.eaf            the actions of NAME.npy beside it, of ELAN; also NAME.txt, NAME.tsv and
                    NAME.intervals.csv, exported by a tool
labels.csv          with columns start and end, where there is neither

Each recording has its actions from the first of these that names it; one that none names has no
action.
"""

from __future__ import annotations

import math
import os
from collections import defaultdict
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
from keras_skeleton.datasets.formats.eaf import read_eaf_tiers
from keras_skeleton.datasets.own_files import FoundClip, is_intervals_file, labels_file
from keras_skeleton.datasets.own_labels import SPLITS, Row, has_times, order, read_labels
from keras_skeleton.datasets.own_names import natural, subjects_in_names
from keras_skeleton.utils.errors import DatasetError
from keras_skeleton.utils.folders import is_there, walk_files

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
        lost: Recordings with lines that cannot be used, and the first of them; an empty name stands
            for lines that name no recording. Their other actions are in the rows, but what lies
            between those is not known to be no action.
    """

    rows: list[Row]
    files: dict[str, Path]
    subjects: dict[str, str]
    views: dict[str, str]
    splits: dict[str, str]
    lost: dict[str, str]


def intervals_file(root: Path) -> Path | None:
    """The folder's table of intervals; None if there is none.

    Raises:
        DatasetError: There are several, or it is no file that can be read.
    """
    try:
        named = sorted(path for path in root.iterdir() if is_intervals_file(path.name))
    except OSError:
        return None
    found = [path for path in named if is_there(path)]
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
    if table is None and not beside and labels is None:
        lines = [f"{root}: has no annotated recordings.", *report.first(), NEEDED]
        raise DatasetError("\n".join(lines))
    read = _Read([], {})
    # Each recording has its actions from the first of these that names it: left to another, it
    # would be taken for a recording without action.
    if table is not None:
        read.add(_of_table(root, table, report, found, options))
        own = {name: paths for name, paths in beside.items() if name not in read.names}
        unread = sorted(p.name for name in beside.keys() - own.keys() for p in beside[name])
        if labels is not None and not has_times(labels):
            unread.insert(0, labels.name)
        if unread:
            report.note(f"the actions are those of {table.name}; not read: {listed(unread)}")
        if own:
            names = listed(sorted(p.name for paths in own.values() for p in paths))
            report.note(f"{table.name} has no line of some recordings: they are those of {names}")
        beside = own
    if beside:
        read.add(_of_files(root, beside, report, found, options))
    if labels is not None and (has_times(labels) or (table is None and not read.names)):
        own_lines = _of_labels(root, report, found, read.names)
        if read.names and (own_lines.lines or own_lines.lost):
            names = listed(sorted(own_lines.names))
            report.note(f"the actions of {names} are those of {labels.name}")
        elif read.names:
            report.note(f"not read, as all its recordings have actions elsewhere: {labels.name}")
        read.add(own_lines)
    elif labels is not None and table is None:
        report.note(f"not read: {labels.name}, which has no times")
    if not any(row.label for row in read.lines) and not read.lost and not report.skipped:
        first = table or labels or next(path for paths in beside.values() for path in paths)
        why = "it has no line but the names of its columns" if not read.lines else "no line has one"
        raise DatasetError(f"{first}: names no action: {why}\n{NEEDED}")
    return _recordings(root, read, report, found)


class _Read(NamedTuple):
    """Lines of one or more files.

    Attributes:
        lines: Actions, and recordings without action.
        lost: Recordings with lines that cannot be used, and the first of them.
    """

    lines: list[Row]
    lost: dict[str, str]

    @property
    def names(self) -> set[str]:
        """The recordings that are named."""
        return ({row.file for row in self.lines} | self.lost.keys()) - {""}

    def add(self, other: _Read) -> None:
        """Adds lines of other files."""
        self.lines.extend(other.lines)
        for name, why in other.lost.items():
            self.lost.setdefault(name, why)


def listed(names: Sequence[str]) -> str:
    """The first names, and how many more there are."""
    more = f" and {len(names) - LISTED} more" if len(names) > LISTED else ""
    return ", ".join(names[:LISTED]) + more


def _of_table(
    root: Path,
    path: Path,
    report: ReadReport,
    found: Sequence[FoundClip],
    options: Options,
) -> _Read:
    content = read_annotation_table(path, *options)
    for note in content.notes:
        report.note(note)
    if not content.names_files:
        if len(found) != 1:
            raise DatasetError(
                f"{path}:1: has no column 'file', and there are {len(found)} recordings; add the "
                "column, or give each recording a table of its own name, such as rec1.txt beside "
                "rec1.npy"
            )
        report.note(f"{path.name}: its intervals are those of '{found[0].name}'")
    clips = _ByName(root, found)
    lost: dict[str, str] = {}
    for line, why, file in content.bad:
        where = f"{path}:{line}"
        report.skip(where, why)
        names = [found[0].name]
        if content.names_files:
            names = clips.candidates(file) if file else [""]
        lost |= {name: f"{where}: {why}" for name in names if name not in lost}
    taken: list[tuple[FoundClip, Annotation, Path]] = []
    for row in content.rows:
        if not content.names_files:
            taken.append((found[0], row, path))
            continue
        name, why = clips.find(row.file)
        if name is None:
            where = f"{path}:{row.line}"
            report.skip(where, why)
            for other in clips.candidates(row.file):
                lost.setdefault(other, f"{where}: {why}")
            continue
        taken.append((clips.clips[name], row, path))
    clips.add_notes(report, path)
    return _Read(_lines(root, taken, report, lost), lost)


def _of_files(
    root: Path,
    beside: dict[str, list[Path]],
    report: ReadReport,
    found: Sequence[FoundClip],
    options: Options,
) -> _Read:
    if twice := next((paths for paths in beside.values() if len(paths) > 1), None):
        names = ", ".join(path.name for path in twice)
        raise DatasetError(f"{twice[0].parent}: {names} may all hold the same actions; keep one")
    taken: list[tuple[FoundClip, Annotation, Path]] = []
    said: dict[str, set[Path]] = defaultdict(set)
    lost: dict[str, str] = {}
    by_name = {clip.name: clip for clip in found}
    for name, (path,) in beside.items():
        content = _eaf(path, options) if path.suffix.lower() == ".eaf" else None
        if content is None:
            content = read_annotation_table(path, *options, names_files=False)
        for note in content.notes:
            said[note.replace(path.name, f"*{path.suffix}", 1)].add(path)
        for line, why, _ in content.bad:
            where = f"{path}:{line}" if line else str(path)
            report.skip(where, why)
            lost.setdefault(name, f"{where}: {why}")
        taken += [(by_name[name], row, path) for row in content.rows]
    for note, of in said.items():
        report.note(f"{note}" + (f" ({len(of)} files)" if len(of) > 1 else ""))
    return _Read(_lines(root, taken, report, lost), lost)


def _eaf(path: Path, options: Options) -> AnnotationTable:
    tiers = read_eaf_tiers(path)
    filled = [tier for tier in tiers if tier.labels] or tiers
    bases = sorted({_tier_base(tier.name) for tier in filled})
    names = ", ".join(f"'{name:.40}'" for name in bases[:LISTED])
    if options.tier not in (None, EVERY):
        own = [tier for tier in tiers if options.tier in (tier.name, _tier_base(tier.name))]
        if any(tier.labels for tier in tiers) and not own:
            raise DatasetError(f"{path}: has no tier '{options.tier}'; its tiers are {names}")
        filled = own
    elif options.tier is None and len(bases) > 1 and any(tier.labels for tier in tiers):
        raise DatasetError(
            f"{path}: has {len(bases)} tiers, {names}: choose the one of the actions with "
            f"--option tier=NAME, or --option tier={EVERY}"
        )
    rows, bad = [], []
    for tier in filled:
        if tier.participant:  # also of a recording without action
            rows.append(Annotation("", 0, None, True, 0, subject=tier.participant))
        for one in tier.labels:
            if not one.label or not one.end > one.start:
                place = "" if math.isnan(one.start) else f" at {one.start:g} s"
                why = f"an annotation{place} in tier '{tier.name:.40}' has no label or no length"
                bad.append((0, why, ""))
                continue
            rows.append(
                Annotation(one.label, one.start, one.end, True, 0, subject=tier.participant)
            )
    return AnnotationTable(rows, bad, [f"{path.name}: read as a file of ELAN, in seconds"], False)


def _tier_base(name: str) -> str:
    stem, _, number = name.rpartition(" ")
    return stem if stem and number.isdecimal() else name


def _of_labels(root: Path, report: ReadReport, found: Sequence[FoundClip], told: set[str]) -> _Read:
    """The segments listed in labels.csv; lines without times are no actions with a time.

    Args:
        told: Recordings whose actions are known already.
    """
    lost: dict[str, str] = {}
    rows = read_labels(root, report, found, lost)
    if not told and not any(not row.whole for row in rows):
        raise DatasetError(
            f"{root}: its labels.csv labels whole files; to find actions in recordings, give each "
            f"action its start and end.\n{NEEDED}"
        )
    for row in rows:
        if row.whole:
            why = f"'{row.file}' has a label, but no start and no end"
            report.skip(row.where, why)
            lost.setdefault(row.file, f"{row.where}: {why}")
    lost = {name: why for name, why in lost.items() if name not in told}
    actions = [row for row in rows if not row.whole and row.file not in told]
    table = labels_file(root)
    assert table is not None
    if not told:
        report.note(
            f"the actions are the segments of {table.name}, frames from 0, the end excluded"
        )
    return _Read(actions, lost)


def _lines(
    root: Path,
    taken: Sequence[tuple[FoundClip, Annotation, Path]],
    report: ReadReport,
    lost: dict[str, str],
) -> list[Row]:
    rows = []
    resolved = root.resolve()
    seen: dict[tuple[str, str, float, float | None], str] = {}
    for clip, note, path in taken:
        where = f"{path}:{note.line}" if note.line else str(path)
        split = note.split.lower()
        if split and split not in SPLITS:
            why = f"split '{note.split:.40}' is not one of {', '.join(SPLITS)}"
            report.skip(where, why)
            lost.setdefault(clip.name, f"{where}: {why}")
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
            times=note.times,
        )
        key = (row.file, row.label, row.start, row.end)
        if row.label and key in seen:
            report.skip(where, f"is the same interval as in {seen[key]}")
            continue
        seen[key] = where
        rows.append(row)
    return rows


def _recordings(
    root: Path, read: _Read, report: ReadReport, found: Sequence[FoundClip]
) -> OwnRecordings:
    """Joins the actions of each recording; who is seen is the same in all its lines."""
    resolved = root.resolve()
    of: dict[str, dict[str, str]] = {"subject": {}, "view": {}, "split": {}}
    for row in read.lines:
        for column, known in of.items():
            value = getattr(row, column)
            if value and known.setdefault(row.file, value) != value:
                raise DatasetError(
                    f"{row.where}: '{row.file}' has {column} '{value}', but '{known[row.file]}' in "
                    f"another line or tier; a recording has one {column} (to ignore a column, "
                    "rename it; to choose a tier of ELAN, give --option tier=NAME)"
                )
    actions = [row for row in read.lines if row.label]
    files = {
        clip.name: clip.path.resolve() if clip.link else resolved / clip.name for clip in found
    }
    files = dict(sorted({row.file: row.path for row in actions}.items() | files.items()))
    if not of["subject"]:
        of["subject"] = subjects_in_names(list(files))
        if of["subject"]:
            people = sorted(set(of["subject"].values()), key=natural)
            report.note(
                f"the subjects were read from the names of the files: {listed(people)}"
                " (a column 'subject' of the table overrides this)"
            )
    active = {row.file for row in actions}
    idle = [f"'{name}'" for name in files if name not in active and name not in read.lost]
    if idle and actions:
        count = "1 recording has" if len(idle) == 1 else f"{len(idle)} recordings have"
        report.note(
            f"{count} no interval, so no action from start to end: {listed(idle)}; move what is "
            "not annotated elsewhere"
        )
    actions.sort(key=order)
    return OwnRecordings(actions, files, of["subject"], of["view"], of["split"], read.lost)


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
        known = self.candidates(file)
        if len(known) > 1:
            return None, f"'{file:.80}' may be {' or '.join(known[:3])}; give its path"
        if not known:
            return None, f"'{file:.80}' is no recording in the folder"
        if known[0] != os.path.normpath(file.replace("\\", "/")):
            self._guessed[file] = known[0]
        return known[0], ""

    def candidates(self, file: str) -> list[str]:
        """The clips that a name may mean."""
        name = os.path.normpath(file.replace("\\", "/"))
        if name in self.clips:
            return [name]
        bare = PureWindowsPath(name).as_posix()
        last = PurePosixPath(bare).name
        for key in (bare, _without_suffix(bare), last, _without_suffix(last)):
            if known := self._stems.get(key.casefold()):
                return known
        return []

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
