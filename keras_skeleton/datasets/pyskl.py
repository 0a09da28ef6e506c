"""PYSKL annotation files: NTU RGB+D (60 and 120) in one pickle, with cleaned bodies.

H. Duan, J. Wang, K. Chen, D. Lin, "PYSKL: Towards good practices for skeleton action recognition",
ACM Multimedia 2022. https://github.com/kennymckormick/pyskl/blob/main/tools/data/data_doc.md

Layout:
    ntu60_3danno.pkl    a dict with 'split', which maps names like 'xsub_train' to lists of clip
                        names, and 'annotations', a list of dicts with 'frame_dir' (the name of the
                        clip), 'label', 'total_frames' and 'keypoint', an array (M, T, V, C)

This layout is from documentation and from the script that writes the files; the reader was not
tested on the full download. Only 3D skeletons of 25 joints in Kinect v2 order are supported, not
the 2D poses of the *_hrnet.pkl files. Clip: (T, M, 25, 3) in meters in camera coordinates, at
30 Hz. Compared with `ntu`, PYSKL has removed noise and frames without bodies, put the body with
more motion first, and rounded to float16 (2 mm at 3 m).

Pickles can contain code. It is never run: `formats/plain_pickle.py` reads only arrays, strings,
numbers, and lists, tuples and dicts of them, and raises an error for any other content.

Subject, view, setup and repetition are taken from names like those of NTU RGB+D. With other names
they are 0, and the class names are numbers. Reader option `file`: name of the pickle, if there are
several.

Protocols, if the file has the data for them:
    cs, cv, csub, cset    those of `ntu` and `ntu120`, based on the names
    xsub, xview, xset     the file's '<protocol>_train' and '<protocol>_val'
    own                   the file's 'train' and 'val' (or 'test')
With the file's splits, validation holds out a random twentieth of each class.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from keras_skeleton.datasets import ntu
from keras_skeleton.datasets.dataset import Fold, Protocol, ReadReport
from keras_skeleton.datasets.formats import plain_pickle
from keras_skeleton.datasets.protocols import NEITHER, TEST, TRAIN, listed, random_holdout
from keras_skeleton.datasets.source import Source
from keras_skeleton.datasets.store import StoreWriter
from keras_skeleton.utils.errors import DatasetError

JOINTS = 25
CLASSES = ntu.CLASSES
MAX_CLIPS = 1_000_000  # NTU RGB+D 120 has 113,945
SPLITS = {
    "xsub": ("xsub_train", "xsub_val"),
    "xview": ("xview_train", "xview_val"),
    "xset": ("xset_train", "xset_val"),
    "own": ("train", "val"),
}

LAYOUT = """\
PYSKL annotations: download ntu60_3danno.pkl or ntu120_3danno.pkl (3D skeletons) by the links in
https://github.com/kennymckormick/pyskl/blob/main/tools/data/README.md, so that there is
  PATH/ntu60_3danno.pkl
then give --data-dir PATH."""


def find_files(root: Path) -> list[Path]:
    """The pickles in the folder, sorted."""
    return sorted(path for path in root.glob("*.pkl") if path.is_file())


def choose_file(root: Path, file: str) -> Path:
    """The pickle with the given name, or the only one."""
    files = find_files(root)
    chosen = [path for path in files if file in ("", path.name)]
    if len(chosen) != 1:
        has = ", ".join(path.name for path in files)
        raise DatasetError(f"{root}: set the reader option 'file' to one of: {has}")
    return chosen[0]


def read_annotations(path: Path) -> tuple[dict[str, Any], list[Any]]:
    """Reads the splits and annotations of a file."""
    try:
        content = plain_pickle.load(path)
    except plain_pickle.PickleError as error:
        raise DatasetError(str(error)) from None
    except OSError as error:
        raise DatasetError(f"{path}: {error.strerror or error}") from None
    splits = content.get("split") if type(content) is dict else None
    annotations = content.get("annotations") if type(content) is dict else None
    if type(splits) is not dict or type(annotations) is not list:
        raise DatasetError(f"{path}: is not a dict with a dict 'split' and a list 'annotations'")
    if len(annotations) > MAX_CLIPS:
        raise DatasetError(
            f"{path}: {len(annotations):,} annotations are too many (at most {MAX_CLIPS:,})"
        )
    return splits, annotations


def read_clip(annotation: Any) -> np.ndarray | str:
    """Converts an annotation to float32 (T, M, 25, 3), or returns an error message.

    Raises:
        DatasetError: The poses are 2D or have other joints, like all others of such a file.
    """
    if type(annotation) is not dict:
        return "is not a dict"
    name, label = annotation.get("frame_dir"), annotation.get("label")
    points, frames = annotation.get("keypoint"), annotation.get("total_frames")
    if type(name) is not str or not name or not name.isprintable():
        return "has no usable name ('frame_dir')"
    if type(label) is not int or label < 0:
        return f"{name:.40} has no label"
    if not isinstance(points, np.ndarray) or points.ndim != 4 or points.dtype.kind != "f":
        return f"{name:.40} has no 'keypoint' of shape (M, T, {JOINTS}, 3)"
    if points.shape[3] == 2 or "keypoint_score" in annotation:
        raise DatasetError(
            f"{name:.40} has 2D keypoints, but only 3D skeletons are supported.\n{LAYOUT}"
        )
    if points.shape[2:] != (JOINTS, 3):
        raise DatasetError(
            f"{name:.40} has {points.shape[2]} joints with {points.shape[3]} coordinates, "
            f"expected {JOINTS} with 3.\n{LAYOUT}"
        )
    if frames is not None and frames != points.shape[1]:
        return f"{name:.40} has {points.shape[1]} frames, but 'total_frames' is {frames!s:.20}"
    with np.errstate(over="ignore"):  # numbers too large for float32 become infinite
        clip = points.transpose(1, 0, 2, 3).astype(np.float32)
    if not np.isfinite(clip).all():
        return f"{name:.40} contains NaN or infinity"
    if not clip.any():
        return f"{name:.40} has no skeleton in any of its {len(clip)} frames"
    return clip


def read_splits(path: Path, given: dict[str, Any], report: ReadReport) -> dict[str, dict[str, int]]:
    """Maps each of `SPLITS` in the file to a dict from clip names to TRAIN or TEST."""
    splits: dict[str, dict[str, int]] = {}
    for split_name, (train, test) in SPLITS.items():
        if test == "val" and test not in given:
            test = "test"
        if train not in given or test not in given:
            continue
        members = splits[split_name] = {}
        for key, part in ((train, TRAIN), (test, TEST)):
            if type(given[key]) is not list:
                report.skip(f"{path}: split '{key:.40}'", "is not a list of names")
                continue
            for name in given[key]:
                if type(name) is not str or not name.isprintable():
                    report.skip(f"{path}: split '{key:.40}'", "contains an invalid name")
                elif members.setdefault(name, part) != part:
                    report.skip(
                        f"{path}: split '{key:.40}'",
                        f"{name:.40} is also in '{train}'; used for training",
                    )
    return splits


def read(root: Path, writer: StoreWriter, file: str = "") -> None:
    """Adds the clips in order of the file."""
    path = choose_file(root, file)
    given, annotations = read_annotations(path)
    splits = read_splits(path, given, writer.report)
    names = [a.get("frame_dir") if type(a) is dict else None for a in annotations]
    parsed = [ntu.parse_name(name) if type(name) is str else None for name in names]
    labels = [a["label"] for a in annotations if type(a) is dict and type(a.get("label")) is int]
    highest = max(labels, default=0)
    is_ntu = any(parsed)
    if is_ntu:
        count = 60 if highest < 60 else len(CLASSES)
        writer.declare("kinect_v2", CLASSES[:count])
    else:
        count = min(highest + 1, len(annotations))  # at least one clip per class
        writer.declare("kinect_v2", [f"class {label}" for label in range(count)])

    seen: set[str] = set()
    for number, (annotation, columns) in enumerate(zip(annotations, parsed, strict=True)):
        where = f"{path}: annotations[{number}]"
        try:
            clip = read_clip(annotation)
        except DatasetError as error:
            raise DatasetError(f"{where}: {error}") from None
        if isinstance(clip, str):
            writer.report.skip(where, clip)
            continue
        name, label = annotation["frame_dir"], annotation["label"]
        if name in seen:
            writer.report.skip(where, f"{name:.40} occurs twice")
        elif label >= count:
            writer.report.skip(
                where, f"{name:.40} has label {label}, but there are {count} classes"
            )
        elif is_ntu and (columns is None or columns["label"] != label):
            writer.report.skip(where, f"{name:.40} has label {label}, which differs from its name")
        else:
            part = {key: members.get(name, NEITHER) for key, members in splits.items()}
            absent = dict.fromkeys(SPLITS, NEITHER)
            writer.add(
                clip, None, **{"name": name, **(columns or {}), **absent, **part, "label": label}
            )
            seen.add(name)
    if is_ntu:
        published = ntu.NTU.clips if count == 60 else ntu.NTU120.clips
        writer.report.expect("usable clips", len(seen), published)
    for key, members in splits.items():
        if missing := len(members.keys() - seen):
            writer.report.note(f"split '{key}' lists {missing} clips that are missing")


def by_name(name: str, protocol: Protocol, actions: range) -> Protocol:
    """Restricts a protocol of NTU RGB+D to clips with its names and a number of actions."""

    def checked(samples: pd.DataFrame) -> Iterator[Fold]:
        if not (samples["subject"] > 0).all():
            raise DatasetError(f"'{name}' requires clips with names like those of NTU RGB+D")
        if samples["label"].max() not in actions:
            raise DatasetError(
                f"'{name}' requires clips of {actions.stop} actions, not of "
                f"{samples['label'].max() + 1}"
            )
        yield from protocol(samples)

    return checked


PROTOCOLS = {
    **{name: by_name(name, p, range(0, 60)) for name, p in ntu.NTU_PROTOCOLS.items()},
    **{name: by_name(name, p, range(60, 120)) for name, p in ntu.NTU120_PROTOCOLS.items()},
    **{
        name: listed(
            name, random_holdout(0.05), "the file has no splits '{}' and '{}'".format(*splits)
        )
        for name, splits in SPLITS.items()
    },
}

PYSKL = Source(
    name="pyskl",
    title="PYSKL annotations of NTU RGB+D (Duan et al., 2022)",
    skeleton="kinect_v2",
    classes=CLASSES,
    protocols=PROTOCOLS,
    files=find_files,
    read=read,
    layout=LAYOUT,
    clips=ntu.NTU.clips,
    options={"file": ""},
    watch=True,
)

SOURCES = {"pyskl": PYSKL}
