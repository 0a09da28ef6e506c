"""Labels of one's own clips by the folders that they are in, without a `labels.csv`.

wave/*.npy          the folder's name is the label
train/wave/*.npy    also with folders train, val and test, which are the split
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from keras_skeleton.datasets.dataset import ReadReport
from keras_skeleton.datasets.own_files import LABELS, FoundClip
from keras_skeleton.datasets.own_labels import SPLITS, TEST, TRAIN, Row, order


def class_folders(found: Sequence[FoundClip], described: bool) -> list[FoundClip]:
    """The clips that lie in class folders; empty if the folder does not look like such.

    Args:
        found: The clips in the folder.
        described: Whether the folder describes its joints. Otherwise it might be any folder, such
            as one of datasets: all clips must then lie in two or more folders, and none deeper.
    """
    inside = [clip for clip in found if "/" in clip.name]
    if described:
        return inside
    parts = [clip.name.split("/") for clip in inside]
    flat = all(len(part) == 2 and part[1].lower() != LABELS for part in parts)
    return inside if flat and len({part[0] for part in parts}) > 1 else []


def split_folders(found: Iterable[FoundClip]) -> bool:
    """Whether the clips lie in train/LABEL and test/LABEL."""
    parts = [clip.name.split("/") for clip in found if "/" in clip.name]
    tops = {SPLITS.get(part[0].lower()) for part in parts}
    return {TRAIN, TEST} <= tops and None not in tops and all(len(part) > 2 for part in parts)


def read_class_folders(root: Path, found: Sequence[FoundClip], report: ReadReport) -> list[Row]:
    """The clips of class folders: the label is the name of the folder, the first of several."""
    splits = split_folders(found)
    resolved = root.resolve()
    rows = []
    for clip in found:
        parts = clip.name.split("/")
        if len(parts) == 1:
            report.skip(clip.path, "lies in no class folder, and there is no labels.csv")
            continue
        path = resolved / clip.name
        if clip.link and not (path := clip.path.resolve()).is_relative_to(resolved):
            report.skip(clip.path, "leads outside the folder")
            continue
        split = SPLITS[parts[0].lower()] if splits else ""
        label = parts[1 if splits else 0]
        rows.append(Row(clip.name, 0, None, False, path, label, split=split, where=str(clip.path)))
    counts = Counter(row.label for row in rows)
    listed = ", ".join(f"{label} {count}" for label, count in sorted(counts.items())[:20])
    more = f" and {len(counts) - 20} more" if len(counts) > 20 else ""
    report.note(
        "there is no labels.csv: the label of a clip is the name of its "
        + ("folder in train, val or test" if splits else "folder")
        + f" ({listed}{more})"
    )
    rows.sort(key=order)
    return rows
