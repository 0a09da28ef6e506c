"""Reads and writes annotations of ELAN (.eaf, version 3.0, XML).

Times are milliseconds. A tier of ELAN cannot hold two actions at a time, so overlapping ones are
written to further tiers, "actions 2" and so on.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple
from xml.etree import ElementTree
from xml.parsers import expat

from keras_skeleton.utils.errors import DatasetError
from keras_skeleton.utils.files import FileError, read_bytes, reason, write_text
from keras_skeleton.utils.intervals import lanes

MAX_BYTES, MAX_TAGS = 64 << 20, 2 << 20  # a tag of four bytes takes 100 bytes of memory or more
SCHEMA = "http://www.mpi.nl/tools/elan/EAFv3.0.xsd"
XSI = "http://www.w3.org/2001/XMLSchema-instance"
TYPE = "default-lt"
MIME = {
    ".mp4": "video/mp4", ".m4v": "video/mp4", ".mov": "video/quicktime", ".mpg": "video/mpeg",
    ".mpeg": "video/mpeg", ".avi": "video/x-msvideo",
}  # fmt: skip
# Files of ELAN define all four, whether they are used or not; readers rely on the descriptions.
CONSTRAINTS = {
    "Time_Subdivision": "parts of the parent in time, without gaps",
    "Symbolic_Subdivision": "parts of the parent in order, without times",
    "Symbolic_Association": "one for each annotation of the parent",
    "Included_In": "parts of the parent in time, gaps allowed",
}


class TimedLabel(NamedTuple):
    """A label with its times in seconds, nan if ELAN has not aligned them; the tier is empty when
    it is written."""

    label: str
    start: float
    end: float
    tier: str = ""


class EafTier(NamedTuple):
    """A tier with annotations that have times of their own.

    Attributes:
        name: Its name.
        participant: Who is annotated; empty if that is not said.
        labels: The annotations, ordered by start.
    """

    name: str
    participant: str
    labels: list[TimedLabel]


def read_eaf(path: Path) -> list[TimedLabel]:
    """Reads all aligned annotations of a file, ordered by tier and start.

    Annotations that refer to others instead of times are left out.

    Raises:
        DatasetError: The file is not ELAN's.
    """
    found = [one for tier in read_eaf_tiers(path) for one in tier.labels]
    return [one for one in found if not math.isnan(one.start + one.end)]


def read_eaf_tiers(path: Path) -> list[EafTier]:
    """Reads the tiers of a file that can have annotations with times, ordered by name.

    Raises:
        DatasetError: The file is not ELAN's.
    """
    try:
        data = read_bytes(path, "a file of ELAN", MAX_BYTES)
        if data.count(b"<") > MAX_TAGS or data.count(b"=") > MAX_TAGS:
            raise DatasetError(f"{path}: has more than {MAX_TAGS:,} tags or attributes")
        root = _parsed(path, data)
    except FileError as error:
        raise DatasetError(str(error)) from None
    except (expat.ExpatError, ValueError, LookupError, OSError) as error:
        raise DatasetError(f"{path}: is not XML ({reason(error)})") from None
    if root.tag != "ANNOTATION_DOCUMENT":
        raise DatasetError(f"{path}: is not a file of ELAN (it is a '{root.tag:.40}')")
    times: dict[str, float] = {}
    for slot in root.iter("TIME_SLOT"):
        value = slot.get("TIME_VALUE", "")
        if re.fullmatch(r"\d{1,12}", value):
            times[slot.get("TIME_SLOT_ID", "")] = int(value) / 1000
    # Only children are read: to search all of each tier takes the square of tiers in tiers.
    tiers = root.findall("TIER")
    if len(tiers) < sum(1 for _ in root.iter("TIER")):
        raise DatasetError(
            f"{path}: has a tier inside of another element, which ELAN does not write"
        )
    found = []
    for tier in tiers:
        name = tier.get("TIER_ID", "")
        if tier.find("ANNOTATION/REF_ANNOTATION") is not None:
            continue
        labels = [
            TimedLabel(
                (note.findtext("ANNOTATION_VALUE") or "").strip(),
                times.get(note.get("TIME_SLOT_REF1", ""), math.nan),
                times.get(note.get("TIME_SLOT_REF2", ""), math.nan),
                name,
            )
            for note in tier.iterfind("ANNOTATION/ALIGNABLE_ANNOTATION")
        ]
        labels.sort(key=lambda one: (math.isnan(one.start), one.start, one.end))
        found.append(EafTier(name, tier.get("PARTICIPANT", "").strip(), labels))
    return sorted(found, key=lambda one: one.name)


def _parsed(path: Path, data: bytes) -> ElementTree.Element:
    """The root of XML without declarations, which the parser finds in any encoding."""

    def refuse(*_: Any) -> None:
        raise DatasetError(f"{path}: declares a document type, which files of ELAN do not")

    tree = ElementTree.TreeBuilder()
    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.StartDoctypeDeclHandler = parser.EntityDeclHandler = refuse  # entities can explode
    parser.StartElementHandler, parser.EndElementHandler = tree.start, tree.end
    parser.CharacterDataHandler = tree.data
    parser.Parse(data, True)
    return tree.close()


def write_eaf(
    labels: Iterable[TimedLabel],
    path: Path,
    media: Path | None = None,
    tier: str = "actions",
    classes: Sequence[str] = (),
) -> None:
    """Writes labels as a file that ELAN opens.

    Args:
        labels: The labels; their tiers are ignored.
        path: The file.
        media: The film that they belong to.
        tier: Name of the tier.
        classes: Values that ELAN offers when a label is changed.

    Example:
        >>> from pathlib import Path
        >>> from keras_skeleton.datasets.formats.eaf import TimedLabel, read_eaf, write_eaf
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder) / "rec1.eaf"
        ...     write_eaf([TimedLabel("wave", 0.5, 2.0)], path)
        ...     read_eaf(path)
        [TimedLabel(label='wave', start=0.5, end=2.0, tier='actions')]
    """
    rows = sorted(labels, key=lambda one: (one.start, one.end, one.label))
    spans = [(round(1000 * one.start), round(1000 * one.end)) for one in rows]
    spans = [(start, max(end, start + 1)) for start, end in spans]
    root = ElementTree.Element(
        "ANNOTATION_DOCUMENT",
        {
            "AUTHOR": "",
            "DATE": datetime.now(UTC).isoformat(timespec="seconds"),
            "FORMAT": "3.0",
            "VERSION": "3.0",
            "xmlns:xsi": XSI,
            "xsi:noNamespaceSchemaLocation": SCHEMA,
        },
    )
    header = _add(root, "HEADER", MEDIA_FILE="", TIME_UNITS="milliseconds")
    if media is not None:
        _add(
            header,
            "MEDIA_DESCRIPTOR",
            MEDIA_URL=_url(media),
            MIME_TYPE=MIME.get(media.suffix.lower(), "video/*"),
            **_relative_url(media, path),
        )
    _add(header, "PROPERTY", NAME="lastUsedAnnotationId").text = str(len(rows))
    order = _add(root, "TIME_ORDER")
    slots = sorted(
        (time, k, side) for k, span in enumerate(spans) for side, time in enumerate(span)
    )
    name_of: dict[tuple[int, int], str] = {}
    for number, (time, k, side) in enumerate(slots, start=1):
        name_of[k, side] = f"ts{number}"
        _add(order, "TIME_SLOT", TIME_SLOT_ID=f"ts{number}", TIME_VALUE=str(time))
    lane = lanes([start for start, _ in spans], [end for _, end in spans])
    for number in range(int(lane.max(initial=0)) + 1):
        name = tier if number == 0 else f"{tier} {number + 1}"
        own = _add(root, "TIER", LINGUISTIC_TYPE_REF=TYPE, TIER_ID=name)
        for k, row in enumerate(rows):
            if lane[k] == number:
                note = _add(
                    _add(own, "ANNOTATION"),
                    "ALIGNABLE_ANNOTATION",
                    ANNOTATION_ID=f"a{k + 1}",
                    TIME_SLOT_REF1=name_of[k, 0],
                    TIME_SLOT_REF2=name_of[k, 1],
                )
                _add(note, "ANNOTATION_VALUE").text = _legal(row.label)
    kind = {"GRAPHIC_REFERENCES": "false", "LINGUISTIC_TYPE_ID": TYPE, "TIME_ALIGNABLE": "true"}
    if classes:
        kind["CONTROLLED_VOCABULARY_REF"] = tier
    _add(root, "LINGUISTIC_TYPE", **kind)
    if classes:
        _add(root, "LANGUAGE", LANG_ID="und", LANG_LABEL="undetermined (und)")
    for name, what in CONSTRAINTS.items():
        _add(root, "CONSTRAINT", STEREOTYPE=name, DESCRIPTION=what)
    if classes:
        words = _add(root, "CONTROLLED_VOCABULARY", CV_ID=tier)
        _add(words, "DESCRIPTION", LANG_REF="und")
        for k, name in enumerate(classes):
            entry = _add(words, "CV_ENTRY_ML", CVE_ID=f"cve{k + 1}")
            _add(entry, "CVE_VALUE", DESCRIPTION="", LANG_REF="und").text = _legal(name)
    ElementTree.indent(root)
    text = ElementTree.tostring(root, encoding="unicode")
    write_text(path, f'<?xml version="1.0" encoding="UTF-8"?>\n{text}\n')


def _add(parent: ElementTree.Element, name: str, /, **attributes: str) -> ElementTree.Element:
    return ElementTree.SubElement(parent, name, attributes)


def _url(media: Path) -> str:
    """The address of a film as ELAN looks for it: spaces and umlauts as they are."""
    place = media.resolve().as_posix()
    return _legal(f"file://{'' if place.startswith('/') else '/'}{place}")


def _relative_url(media: Path, path: Path) -> dict[str, str]:
    """The way from the file to its film, by which ELAN finds it after both were moved."""
    try:
        way = Path(os.path.relpath(media.resolve(), path.resolve().parent)).as_posix()
    except ValueError:  # on another drive
        return {}
    return {"RELATIVE_MEDIA_URL": _legal(way if way.startswith("../") else f"./{way}")}


def _legal(text: str) -> str:
    """A text without the characters that XML cannot hold."""
    return re.sub(r"[^\t\n\r\x20-\uD7FF\uE000-\uFFFD\U00010000-\U0010FFFF]", "?", text)
