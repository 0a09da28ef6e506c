"""Names of classes, subjects and views in one's own data: their order, and likely misspellings."""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Sequence

from keras_skeleton.datasets.dataset import ReadReport

LISTED = 20
_NUMBER = re.compile(r"[0-9]{1,9}")


def natural(text: str) -> tuple[list[tuple[int, int, str]], str]:
    """Sorts numbers in names by their value.

    Example:
        >>> from keras_skeleton.datasets.own_names import natural
        >>> sorted(["subject10", "Subject9", "subject2"], key=natural)
        ['subject2', 'Subject9', 'subject10']
    """
    parts = re.findall(r"[0-9]+|[^0-9]+", unicodedata.normalize("NFKC", text).casefold())
    key = [(0, int(p[:30]), "") if p[0] in "0123456789" else (1, 0, p) for p in parts]
    return key, text


def _numbers(names: Iterable[str]) -> bool:
    return all(_NUMBER.fullmatch(name) for name in names)


def _kept_numbers(names: Iterable[str]) -> bool:
    """Whether names of subjects or views are numbers that are used as they are; 0 means none."""
    return all(_NUMBER.fullmatch(name) and int(name) for name in names)


def class_names(labels: Iterable[str]) -> list[str]:
    """The distinct labels, in numerical order if all are numbers, else in alphabetical order."""
    known = set(labels)
    if _numbers(known):
        return sorted(known, key=lambda label: (int(label), label))
    return sorted(known)


def numbered(names: Iterable[str], what: str, report: ReadReport) -> dict[str, int]:
    """Maps names to numbers: their values if all are numbers, 0 for no names, else 1, 2, ... in
    natural order, with a note."""
    known = sorted(set(names), key=natural)
    if known == [""]:
        return {"": 0}
    if _kept_numbers(known):
        return {name: int(name) for name in known}
    listed = ", ".join(f"{i} = {name}" for i, name in enumerate(known[:LISTED], start=1))
    more = f" and {len(known) - LISTED} more" if len(known) > LISTED else ""
    report.note(f"{what} are numbered: {listed}{more}")
    return {name: i for i, name in enumerate(known, start=1)}


_IN_NAMES = tuple(
    re.compile(rf"(?<![a-z])(?:{word})[ _-]?0*([0-9]{{1,9}})(?![0-9])")
    for word in ("subject|subj|sub|person|participant|actor|user", "p", "s")
)


def subjects_in_names(files: Sequence[str]) -> dict[str, str]:
    """The subject of each file, if all names say it in the same way and there are two or more.

    Names such as `s06_e01`, `P003`, `subject_2/walk` and NTU's `S001C001P003` are known.

    Example:
        >>> from keras_skeleton.datasets.own_names import subjects_in_names
        >>> subjects_in_names(["s01_e01.npy", "s02_e01.npy"])
        {'s01_e01.npy': '1', 's02_e01.npy': '2'}
        >>> subjects_in_names(["rec1.npy", "rec2.npy"])
        {}
    """
    for pattern in _IN_NAMES:
        found = {file: pattern.search(file.rsplit(".", 1)[0].casefold()) for file in files}
        numbers = {file: match.group(1) for file, match in found.items() if match and match[1]}
        if len(numbers) == len(files) and len(set(numbers.values())) > 1:
            return numbers
    return {}


def _spelling(name: str) -> str:
    """What remains of a name without case, kinds of spaces, and leading zeros of numbers."""
    text = unicodedata.normalize("NFKC", name).casefold()
    text = re.sub(r"[\s_-]+", " ", text).strip()
    return re.sub(r"(?<![0-9.])0+(?=[0-9])", "", text)


def lookalikes(names: Iterable[str]) -> list[list[str]]:
    """Groups of names that differ only in case, spaces or leading zeros.

    Example:
        >>> from keras_skeleton.datasets.own_names import lookalikes
        >>> lookalikes(["wave", "sit", "Wave", "p1", "p01"])
        [['Wave', 'wave'], ['p01', 'p1']]
    """
    groups: dict[str, set[str]] = defaultdict(set)
    for name in names:
        groups[_spelling(name)].add(name)
    return sorted(sorted(group) for group in groups.values() if len(group) > 1)


def name_lookalikes(names: Sequence[str], what: str, report: ReadReport) -> None:
    """Adds a note about names that are probably the same."""
    groups = lookalikes(names)
    if not groups:
        return
    listed = "; ".join(" and ".join(f"'{name}'" for name in group) for group in groups[:LISTED])
    more = f" and {len(groups) - LISTED} more" if len(groups) > LISTED else ""
    merged = what != "labels" and _kept_numbers(names)
    report.note(
        f"{what} {listed}{more} "
        + ("are read as the same number" if merged else "are probably the same, but are kept apart")
        + f"; give {what} one spelling each"
    )
