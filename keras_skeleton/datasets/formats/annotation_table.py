"""Reads tables of actions with their times, as annotation tools and people write them.

    file,label,start,end           frames from 0, the end excluded
    file,label,start_s,end_s       seconds, or 1:30
    tab-delimited text of ELAN     tier, begin and end as hh:mm:ss.ms, ss.msec or msec, annotation;
                                   with or without column names, or with one column for each tier
    others                         columns such as onset, stop_frame, begin_ms, duration, behavior;
                                   a frame and its label in each row; label tracks of Audacity

Fields are separated by commas, semicolons or tabs. Columns are known by their names; what they are
read as is in the notes. What can be read in two ways is refused.
"""

from __future__ import annotations

import csv
import io
import math
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from keras_skeleton.utils.errors import DatasetError
from keras_skeleton.utils.files import FileError, read_bytes, reason
from keras_skeleton.utils.text import from_spreadsheet_cell

MAX_BYTES, MAX_CELLS = 64 << 20, 2 << 20
LISTED = 10
MOST_FRAMES = 10**9
CLOSE_S = 0.04  # columns of times may differ by a frame of a film
EARLY, EARLY_S = 2, 0.1  # starts that are up to so many frames or seconds before 0 are 0
EVERY = "all"  # value of the option tier
NO_ACTION = "no action"

ROLES = {
    "file": (
        "file", "filename", "file_name", "filepath", "file_path", "path", "recording", "video",
        "video_id", "video_name", "video_file", "media", "media_file", "media_file_name",
        "media_file_path", "observation_id",
    ),
    "label": (
        "label", "labels", "class", "class_name", "action", "activity", "gesture", "category",
        "annotation", "annotation_value", "event", "behavior", "behaviour", "value", "text",
        "description",
    ),
    "subject": (
        "subject", "subject_id", "subjects", "person", "person_id", "actor", "performer",
        "participant", "user",
    ),
    "view": ("view", "views", "camera", "cam"),
    "split": ("split", "set", "subset", "partition"),
    "tier": ("tier", "tier_name", "tiers", "track", "layer"),
    "frame": ("frame", "frame_number", "frame_id", "frame_index", "frame_idx", "frame_no"),
}  # fmt: skip
# Names that count only where no other has the role: in tables of BORIS, the name and the
# description of an observation stand beside the film and the behavior.
WEAK = {"observation_id", "description"}
NOT_TIMES = {"time_offset", "time_offset_s"}  # of BORIS; "offset" is an end elsewhere
NOBODY = "no focal subject"  # of BORIS
BOUNDARIES = {
    "start": "start", "begin": "start", "beginning": "start", "onset": "start", "from": "start",
    "first": "start", "end": "end", "stop": "end", "offset": "end", "to": "end", "finish": "end",
    "last": "end", "tmin": "start", "tmax": "end", "duration": "duration",
}  # fmt: skip
FRAMES, MILLISECONDS, SECONDS, CLOCK, UNSAID = "frames", "ms", "s", "clock", "unsaid"
UNITS = {
    "frame": FRAMES, "frames": FRAMES, "ms": MILLISECONDS, "msec": MILLISECONDS,
    "msecs": MILLISECONDS, "millis": MILLISECONDS, "milliseconds": MILLISECONDS, "s": SECONDS,
    "sec": SECONDS, "secs": SECONDS, "second": SECONDS, "seconds": SECONDS,
}  # fmt: skip
FILLERS = {"time", "timestamp", "number", "index", "idx", "no", "t"}
BEST = (FRAMES, MILLISECONDS, SECONDS, CLOCK)  # of several units, the first is read
NAMES = {
    FRAMES: "frames", MILLISECONDS: "milliseconds", SECONDS: "seconds", CLOCK: "times of a clock",
}  # fmt: skip
_CLOCK = re.compile(r"(?:(\d{1,4}):)?(\d{1,4}):(\d{1,2}(?:[.,]\d+)?)")


class Annotation(NamedTuple):
    """One action of a table, or a recording without action.

    Attributes:
        label: The class; empty for a recording without action.
        start: First frame from 0, or a time in seconds.
        end: End (excluded); None for the end of the recording.
        seconds: Whether start and end are times.
        line: Line of the file.
        file: The recording; empty if there is no such column, as the following.
        subject, view, split, tier: Further columns.
        times: Start and end once more in seconds and how precise these are, if the table has both
            frames and times.
    """

    label: str
    start: float
    end: float | None
    seconds: bool
    line: int
    file: str = ""
    subject: str = ""
    view: str = ""
    split: str = ""
    tier: str = ""
    times: tuple[float, float, float] | None = None


class AnnotationTable(NamedTuple):
    """The content of a file of annotations.

    Attributes:
        rows: The actions, in the file's order.
        bad: Line and reason of each line that cannot be used, and the file named in it; empty if
            that is unknown.
        notes: What was read as what.
        names_files: Whether the rows say which recording they belong to.
    """

    rows: list[Annotation]
    bad: list[tuple[int, str, str]]
    notes: list[str]
    names_files: bool


class _BadLineError(ValueError):
    """A line that cannot be used."""


class _Times(NamedTuple):
    """The columns of times that are read, their unit, and the same in other units."""

    start: int
    end: int | None
    duration: int | None
    unit: str
    others: tuple[_Times, ...] = ()


def read_annotation_table(
    path: Path,
    tier: str | None = None,
    ends: str = "",
    first_frame: int = 0,
    names_files: bool = True,
) -> AnnotationTable:
    """Reads a table of actions.

    Args:
        path: The file.
        tier: The tier to read; by default the only one. `"all"` reads all tiers.
        ends: `"excluded"` or `"included"`, whether the end is a frame of the action. By default
            excluded, but included for columns `last_frame` and `stop_frame`.
        first_frame: Number of a recording's first frame.
        names_files: Whether the column of files matters. A table of one recording is known by its
            own name.

    Raises:
        DatasetError: The file cannot be read, or its columns have no or more than one meaning.

    Example:
        >>> from pathlib import Path
        >>> from keras_skeleton.datasets.formats.annotation_table import read_annotation_table
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder) / "intervals.csv"
        ...     _ = path.write_text("file,action,begin_ms,end_ms\\nrec1.npy,wave,500,2000\\n")
        ...     table = read_annotation_table(path)
        >>> table.rows[0].label, table.rows[0].start, table.rows[0].end
        ('wave', 0.5, 2.0)
    """
    rows = _cells(path)
    if not rows:
        raise DatasetError(f"{path}: is empty; expected a table such as\nfile,label,start,end")
    notes: list[str] = []
    header = [_normal(word) for word in rows[0][1]]
    if _is_header(header):
        body = rows[1:]
    else:
        header, body = _without_header(path, rows), rows
    roles = _roles(path, header, rows[0][1], names_files)
    width = len(header)
    bad = [
        (line, f"{len(words)} fields, expected {width}", _likely_file(words, roles, width))
        for line, words in body
        if len(words) != width
    ]
    body = [(line, words) for line, words in body if len(words) == width]
    given = rows[0][1] if body is not rows and _is_header(header) else header
    if not names_files and (column := roles.pop("file", None)) is not None:
        files = sorted({words[column] for _, words in body if words[column]})
        if len(files) > 1:
            names = ", ".join(f"'{name:.80}'" for name in files[:3])
            raise DatasetError(
                f"{path}: is the table of one recording, but its '{given[column]:.40}' names "
                f"{len(files)}: {names}; call it intervals.csv, or rename the column"
            )
    for role in ("subject", "view", "split", "tier"):  # tools write columns that nobody filled
        if role in roles and not any(words[roles[role]] for _, words in body):
            del roles[role]
    body = _of_tier(path, body, roles, header, given, tier, notes)
    frames = roles.get("frame")
    if not any(_boundary(name) for name in header) and frames is not None:
        if "label" not in roles:
            raise DatasetError(f"{path}: has no column of labels; name it 'label'")
        found, wrong = _runs(body, roles, frames, first_frame)
        notes.append(
            f"{path.name}: '{given[frames]}' is a frame number from {first_frame}, and frames of "
            "the same label in a row are an action"
        )
        return AnnotationTable(found, bad + wrong, notes, "file" in roles)
    times = _times(path, header, given, body)
    if "label" not in roles:
        roles["label"] = _only_text(path, header, given, body, roles, times)
    inclusive = ends == "included"
    if not ends and times.end is not None:
        inclusive = header[times.end] in ("last_frame", "stop_frame")
    found = []
    precision = {one: _precision(body, one) for one in times.others}
    dropped = early = 0
    for line, words in body:
        try:
            row = _row(words, line, roles, times, inclusive, first_frame)
        except _BadLineError as error:
            file = words[roles["file"]] if "file" in roles else ""
            bad.append((line, str(error), file))
            continue
        if _normal(row.label).replace("_", " ") == NO_ACTION:
            dropped += 1
            row = row._replace(label="", start=0, end=None)
        try:
            row = _compared(words, row, times, precision)
        except _BadLineError as error:
            raise DatasetError(f"{path}:{line}: {error}") from None
        if row.start < 0:
            early += 1
            row = row._replace(start=0)
        found.append(row)
    notes.append(_said(path, given, roles, times, inclusive, first_frame))
    if early:
        what = "1 interval starts" if early == 1 else f"{early} intervals start"
        notes.append(f"{path.name}: {what} a little before the recording, and was cut there")
    if dropped:
        notes.append(f"{path.name}: {dropped} intervals are labeled as no action")
    return AnnotationTable(found, sorted(bad), notes, "file" in roles)


# ---------------------------------------------------------------- text to cells


def _cells(path: Path) -> list[tuple[int, list[str]]]:
    """Line numbers and fields of all lines but empty ones, and comments before the first."""
    try:
        data = read_bytes(path, "a table of annotations", MAX_BYTES)
        utf16 = data[:2] in (b"\xff\xfe", b"\xfe\xff")
        text = data.decode("utf-16" if utf16 else "utf-8-sig")
    except FileError as error:
        raise DatasetError(str(error)) from None
    except UnicodeDecodeError as error:
        raise DatasetError(f"{path}: {reason(error)}; save it as UTF-8") from None
    except OSError as error:
        raise DatasetError(f"{path}: {reason(error)}") from None
    if "\0" in text:
        raise DatasetError(f"{path}: is not a text file")
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    first = next((line for line in lines if _is_content(line)), "")
    delimiter = max(",;\t", key=lambda mark: len(next(csv.reader([first], delimiter=mark), [])))
    if text.count(delimiter) + len(lines) > MAX_CELLS:
        raise DatasetError(f"{path}: has more than {MAX_CELLS:,} cells, too many of annotations")
    reader = csv.reader(io.StringIO("\n".join(lines), newline=""), delimiter=delimiter)
    found: list[tuple[int, list[str]]] = []
    try:
        for words in reader:
            stripped = [from_spreadsheet_cell(word.strip()) for word in words]
            comment = not found and stripped and stripped[0].lstrip('"').startswith("#")
            if any(stripped) and not comment:
                found.append((reader.line_num, stripped))
    except csv.Error as error:
        raise DatasetError(f"{path}:{reader.line_num}: {error}") from None
    return found


def _is_content(line: str) -> bool:
    return bool(line.strip(' ,;\t"')) and not line.lstrip('" ').startswith("#")


def _normal(name: str) -> str:
    """A column's name in lower case with `_` between words: "beginTime (ms)" is begin_time_ms."""
    text = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name.strip())
    return re.sub(r"[^0-9a-z]+", "_", text.casefold()).strip("_")


# ---------------------------------------------------------------- what a column is


def _boundary(name: str) -> tuple[str, str] | None:
    """Which end a column is, and its unit; None for others.

    Example:
        >>> _boundary("begin_time_ss_msec"), _boundary("stop_frame"), _boundary("label")
        (('start', 's'), ('end', 'frames'), None)
    """
    if name in NOT_TIMES:
        return None
    unit = None
    for pattern, own in (
        ("_hh_mm_ss_ms", CLOCK),
        ("_hh_mm_ss_msec", CLOCK),
        ("_hh_mm_ss", CLOCK),
        ("_ss_msec", SECONDS),
        ("_ss_ms", SECONDS),
    ):
        if name.endswith(pattern):
            name, unit = name.removesuffix(pattern), own
            break
    words = name.split("_")
    sides = [BOUNDARIES[word] for word in words if word in BOUNDARIES]
    others = [word for word in words if word not in BOUNDARIES and word not in FILLERS]
    units = [UNITS[word] for word in others if word in UNITS]
    if len(sides) != 1 or len(units) != len(others) or len(units) > 1 or (unit and units):
        return None
    if words[0] in ("first", "last") and units != [FRAMES]:
        return None
    if unit is None and not units:
        bare = name in ("start", "end", "begin", "stop", "from", "to")
        return sides[0], FRAMES + "?" if bare else UNSAID
    return sides[0], unit or units[0]


def _is_header(names: Sequence[str]) -> bool:
    known = {name for names_of in ROLES.values() for name in names_of}
    return any(name in known or _boundary(name) is not None for name in names)


def _roles(path: Path, header: Sequence[str], given: Sequence[str], named: bool) -> dict[str, int]:
    """The column of each role; the role's own name wins over others."""
    found: dict[str, int] = {}
    for role, names in ROLES.items():
        own = [k for k, name in enumerate(header) if name in names]
        exact = [k for k in own if header[k] == names[0]]
        own = [k for k in own if header[k] not in WEAK] or own
        if role == "file" and not named and not exact:
            own = own[:1]  # the recording is known, so it does not matter which
        if len(exact or own) > 1:
            listed = " and ".join(f"'{given[k]:.40}'" for k in (exact or own)[:LISTED])
            raise DatasetError(
                f"{path}:1: {listed} may both be the {role}; name the one to read '{names[0]}', "
                "and rename or remove the other"
            )
        if own:
            found[role] = (exact or own)[0]
    return found


def _times(
    path: Path, header: Sequence[str], given: Sequence[str], body: list[tuple[int, list[str]]]
) -> _Times:
    """The columns of start and end, or duration, in the best unit that both have."""
    places: dict[tuple[str, str], list[int]] = defaultdict(list)
    for k, name in enumerate(header):
        found = _boundary(name)
        if found is None:
            continue
        side, unit = found
        if unit == FRAMES + "?":
            unit = CLOCK if _looks(body, k, _CLOCK) else FRAMES
        elif unit == UNSAID:
            unit = _unsaid(path, given[k], body, k)
        places[side, unit].append(k)
    for (side, _), own in places.items():
        if len(own) > 1:
            listed = " and ".join(f"'{given[k]:.40}'" for k in own[:LISTED])
            raise DatasetError(f"{path}:1: {listed} may both be the {side}; remove or rename one")
    known: list[_Times] = []
    for unit in BEST:
        start = places.get(("start", unit))
        end, duration = places.get(("end", unit)), places.get(("duration", unit))
        if start and (end or duration):
            if unit == FRAMES:
                _check_whole(path, given, body, [start[0], (end or duration or [0])[0]])
            known.append(
                _Times(start[0], end[0] if end else None, duration[0] if duration else None, unit)
            )
    if known:
        return known[0]._replace(others=tuple(one for one in known[1:] if one.end is not None))
    have = ", ".join(f"'{name:.40}'" for name in given[:LISTED])
    if {"time", "behavior"} <= set(header):
        raise DatasetError(
            f"{path}:1: has a line for each start and each stop; export the aggregated events of "
            "BORIS, with both in a line (not the tabular events)"
        )
    if places:
        raise DatasetError(
            f"{path}:1: start and end must both be there, in the same unit; its columns "
            f"are {have}. Name them start, end (frames), start_s, end_s or start_ms, end_ms"
        )
    raise DatasetError(
        f"{path}:1: has no columns of times; its columns are {have}. Name them start, end "
        "(frames), start_s, end_s (seconds) or start_ms, end_ms (milliseconds)"
    )


def _looks(body: list[tuple[int, list[str]]], column: int, pattern: re.Pattern[str]) -> bool:
    """Whether all values of a column that has any look like this."""
    values = [words[column] for _, words in body if words[column]]
    return bool(values) and all(pattern.fullmatch(value) for value in values)


def _unsaid(path: Path, name: str, body: list[tuple[int, list[str]]], column: int) -> str:
    """The unit of a column such as 'begin time', by its values."""
    if _looks(body, column, _CLOCK):
        return CLOCK
    values = [words[column] for _, words in body if words[column]]
    if any(re.fullmatch(r"\d+[.,]\d+", value) for value in values):
        return SECONDS
    if not values:
        return SECONDS
    raise DatasetError(
        f"{path}:1: are the values of '{name:.40}' frames, seconds or milliseconds? Add the unit "
        "to the names of both columns: start_frame, start_s or start_ms"
    )


def _check_whole(
    path: Path, given: Sequence[str], body: list[tuple[int, list[str]]], columns: Iterable[int]
) -> None:
    """Frames are whole numbers; a column with others is probably in seconds."""
    for column in columns:
        for line, words in body:
            if re.fullmatch(r"\d+[.,]0*[1-9]\d*", words[column]):
                raise DatasetError(
                    f"{path}:{line}: '{words[column]:.40}' in column '{given[column]:.40}' is not "
                    "a whole frame; if it is in seconds, name the columns start_s and end_s"
                )


def _only_text(
    path: Path,
    header: Sequence[str],
    given: Sequence[str],
    body: list[tuple[int, list[str]]],
    roles: Mapping[str, int],
    times: _Times,
) -> int:
    """The column of labels that has another name: the only one left with text."""
    free = [
        k
        for k, name in enumerate(header)
        if k not in roles.values()
        and _boundary(name) is None
        and any(re.search(r"[^\W\d_]", words[k]) for _, words in body)
    ]
    if len(free) == 1:
        return free[0]
    have = ", ".join(f"'{given[k]:.40}'" for k in free[:LISTED]) or "none"
    raise DatasetError(
        f"{path}:1: has no column 'label', and its other columns with text are {have}; name the "
        "column of the actions 'label', or choose a tier with --option tier=NAME"
    )


def _of_tier(
    path: Path,
    body: list[tuple[int, list[str]]],
    roles: dict[str, int],
    header: list[str],
    given: Sequence[str],
    tier: str | None,
    notes: list[str],
) -> list[tuple[int, list[str]]]:
    """The lines of the tier that is read; a tier may also be a column of its own."""
    if "tier" not in roles:
        columns = [k for k, name in enumerate(given) if tier is not None and name == tier]
        if columns:
            roles["label"] = columns[0]
            return [(line, words) for line, words in body if words[columns[0]]]
        if tier not in (None, EVERY):
            raise DatasetError(f"{path}: has no tier '{tier}'")
        return body
    column = roles["tier"]
    tiers = sorted({words[column] for _, words in body})
    bases = sorted({_tier_base(name) for name in tiers})
    listed = ", ".join(f"'{name:.40}'" for name in bases[:LISTED])
    if tier == EVERY or (tier is None and len(bases) < 2):
        return body
    if tier is None:
        raise DatasetError(
            f"{path}: has {len(bases)} tiers, {listed}: choose the one of the actions with "
            f"--option tier=NAME, or --option tier={EVERY}"
        )
    own = [
        (line, words) for line, words in body if tier in (words[column], _tier_base(words[column]))
    ]
    if not own:
        raise DatasetError(f"{path}: has no tier '{tier}'; its tiers are {listed}")
    if len(own) < len(body):
        notes.append(f"{path.name}: {len(body) - len(own)} annotations of other tiers are not read")
    return own


def _tier_base(name: str) -> str:
    """A tier's name without a number: overlapping actions are in tiers 'actions', 'actions 2'."""
    return re.sub(r" \d+$", "", name)


def _without_header(path: Path, rows: list[tuple[int, list[str]]]) -> list[str]:
    """Names of the columns of a file that has none, by its values."""
    width = len(rows[0][1])
    body = [(line, words) for line, words in rows if len(words) == width]
    number = re.compile(r"\d+[.,]\d+")
    clocks = [k for k in range(width) if _looks(body, k, _CLOCK)]
    if width == 3 and _looks(body, 0, number) and _looks(body, 1, number):
        return ["start_s", "end_s", "label"]
    if len(clocks) == 3:  # begin, end and duration
        for _, words in body:
            start, end, length = (_seconds(words[k]) for k in clocks)
            if not math.isclose(end - start, length, abs_tol=0.002):
                break
        else:
            clocks = clocks[:2]
    names = [f"column {k + 1}" for k in range(width)]
    text = [
        k
        for k in range(width)
        if any(re.search(r"[^\W\d_]", words[k]) for _, words in body) and k not in clocks
    ]
    if len(clocks) == 2 and text:
        names[clocks[0]], names[clocks[1]] = "start_hh_mm_ss_ms", "end_hh_mm_ss_ms"
        names[text[-1]] = "label"
        if text[0] == 0 != text[-1]:
            names[0] = "tier"
        return names
    raise DatasetError(
        f"{path}:{rows[0][0]}: the first line must name the columns, such as "
        "file,label,start,end; if a tool wrote the file, export it with column names"
    )


# ---------------------------------------------------------------- lines to actions


def _seconds(text: str) -> float:
    match = _CLOCK.fullmatch(text)
    if match is None:
        return math.nan
    hours, minutes, seconds = match.groups()
    return 3600 * int(hours or 0) + 60 * int(minutes) + float(seconds.replace(",", "."))


def _number(text: str, unit: str) -> float:
    """A frame, or a time in seconds."""
    if unit in (CLOCK, SECONDS) and ":" in text:
        value = _seconds(text)
    elif not re.fullmatch(r"-?\d{1,12}(?:[.,]\d*)?", text):
        value = math.nan
    else:
        value = float(text.replace(",", ".")) / (1000 if unit == MILLISECONDS else 1)
    if not value < MOST_FRAMES or (unit == FRAMES and value != int(value)):
        what = "a whole frame" if unit == FRAMES else f"a time in {NAMES[unit]}"
        raise _BadLineError(f"'{text:.40}' is not {what}")
    return value


def _likely_file(words: Sequence[str], roles: Mapping[str, int], width: int) -> str:
    """The file in a line with too many or too few fields, which may have moved those between."""
    column = roles.get("file")
    if column == 0:
        return words[0]
    return words[-1] if column == width - 1 else ""


def _row(
    words: Sequence[str],
    line: int,
    roles: Mapping[str, int],
    times: _Times,
    inclusive: bool,
    first_frame: int,
) -> Annotation:
    fields: dict[str, Any] = {
        role: words[roles[role]]
        for role in ("file", "label", "subject", "view", "split", "tier")
        if role in roles
    }
    if fields.get("subject", "").casefold() == NOBODY:
        fields["subject"] = ""
    if "file" in roles and not fields["file"]:
        raise _BadLineError("empty field file")
    seconds = times.unit != FRAMES
    last = times.end if times.end is not None else times.duration
    assert last is not None
    begin, finish = words[times.start], words[last]
    if not fields["label"]:
        if begin or finish:
            raise _BadLineError("has times, but no label")
        return Annotation(start=0, end=None, seconds=seconds, line=line, **fields)
    if not begin or not finish:
        raise _BadLineError("has a label, but no start or no end")
    start, end = _number(begin, times.unit), _number(finish, times.unit)
    if times.end is None:
        end += start
    elif inclusive and not seconds:
        end += 1
    if not seconds:
        start, end = start - first_frame, end - first_frame
    if start < -(EARLY_S if seconds else EARLY):
        what = "0 s" if seconds else f"frame {first_frame}"
        raise _BadLineError(f"starts at {begin}, but recordings start at {what}")
    if end <= max(start, 0):
        raise _BadLineError(f"ends at {finish}, but starts at {begin}")
    return Annotation(start=start, end=end, seconds=seconds, line=line, **fields)


def _precision(body: list[tuple[int, list[str]]], times: _Times) -> float:
    """Half of the last digit of times in seconds."""
    assert times.end is not None
    values = [words[column] for _, words in body for column in (times.start, times.end)]
    digits = max((len(re.split("[.,]", value)[1]) for value in values if re.search("[.,]", value)),
                 default=0)  # fmt: skip
    return 0.5 * 10.0**-digits / (1000 if times.unit == MILLISECONDS else 1)


def _compared(
    words: Sequence[str], row: Annotation, times: _Times, precision: Mapping[_Times, float]
) -> Annotation:
    """A line with its times in a second unit, which people correct without correcting the first."""
    for other in times.others:
        assert other.end is not None
        try:
            start, end = (
                _number(words[other.start], other.unit),
                _number(words[other.end], other.unit),
            )
        except _BadLineError:
            continue
        exact = precision[other]
        if times.unit == FRAMES:
            return row._replace(times=(start, end, exact))
        if (
            row.end is not None
            and max(abs(start - row.start), abs(end - row.end)) > CLOSE_S + exact
        ):
            raise _BadLineError(
                f"is from {row.start:g} to {row.end:g} s in {NAMES[times.unit]}, but from "
                f"{start:g} to {end:g} s in {NAMES[other.unit]}; delete the columns that are wrong"
            )
    return row


def _runs(
    body: list[tuple[int, list[str]]], roles: Mapping[str, int], frames: int, first_frame: int
) -> tuple[list[Annotation], list[tuple[int, str, str]]]:
    """Actions of a table with one frame a line: frames of the same label in a row."""
    fields = ("file", "label", "subject", "view", "split", "tier")
    frame_of: dict[tuple[str, ...], dict[int, int]] = defaultdict(dict)
    bad = []
    for line, words in body:
        key = tuple(words[roles[role]] if role in roles else "" for role in fields)
        try:
            number = _number(words[frames], FRAMES) - first_frame
            if number < 0:
                raise _BadLineError(f"frames are counted from {first_frame}")
        except _BadLineError as error:
            bad.append((line, str(error), key[0]))
            continue
        frame_of[key].setdefault(int(number), line)
    found = []
    for key, lines in frame_of.items():
        own: dict[str, Any] = dict(zip(fields, key, strict=True))
        numbers = sorted(lines)
        if not own["label"] or _normal(own["label"]).replace("_", " ") == NO_ACTION:
            found.append(Annotation(start=0, end=None, seconds=False, line=lines[numbers[0]],
                                    **{**own, "label": ""}))  # fmt: skip
            continue
        begin = 0
        for k in range(1, len(numbers) + 1):
            if k == len(numbers) or numbers[k] != numbers[k - 1] + 1:
                found.append(
                    Annotation(start=numbers[begin], end=numbers[k - 1] + 1, seconds=False,
                               line=lines[numbers[begin]], **own)
                )  # fmt: skip
                begin = k
    return sorted(found, key=lambda row: row.line), bad


def _said(
    path: Path,
    given: Sequence[str],
    roles: Mapping[str, int],
    times: _Times,
    inclusive: bool,
    first_frame: int,
) -> str:
    """What the columns were read as."""
    last = times.end if times.end is not None else times.duration
    assert last is not None
    side = "end" if times.end is not None else "duration"
    pairs = [*roles.items(), ("start", times.start), (side, last)]
    words = [f"'{given[column]}' is the {role}" for role, column in pairs if given[column] != role]
    unit = f"start and {side} are {NAMES[times.unit]}"
    if times.unit == FRAMES:
        kind = "included" if inclusive else "excluded"
        unit += f" from {first_frame}" + (f", the end {kind}" if side == "end" else "")
    read = {*roles.values(), times.start, last}
    left = [f"'{name:.40}'" for k, name in enumerate(given) if k not in read and name]
    rest = f"; not used: {', '.join(left[:LISTED])}" if left else ""
    return f"{path.name}: {', '.join([*words, unit])}{rest}"
