"""PYSKL annotation files: NTU RGB+D (60 and 120), others and your own, in one pickle.

H. Duan, J. Wang, K. Chen, D. Lin, "PYSKL: Towards good practices for skeleton action recognition",
ACM Multimedia 2022. https://github.com/kennymckormick/pyskl/blob/main/tools/data/data_doc.md

Layout:
    ntu60_3danno.pkl    a dict with 'split', which maps names like 'xsub_train' to lists of clip
                        names, and 'annotations', a list of dicts with 'frame_dir' (the name of the
                        clip), 'label', 'total_frames' and 'keypoint', an array (M, T, V, C)

Own files may also be a list of annotations, a dict of them by name, or a dict of such lists by part
('train', 'val'). This layout is from documentation and from the scripts that write the files; the
reader was not tested on the full download. Clip: (T, m, 25, 3), joints in Kinect v2 order:

    3D    25 joints (Kinect v2) in meters in camera coordinates, at 30 Hz. Compared with `ntu`,
          PYSKL has removed noise and frames without bodies, put the body with more motion first,
          and rounded to float16 (2 mm at 3 m)
    2D    17 keypoints (COCO, the *_hrnet.pkl files) in pixels, converted by `formats.poses` as in
          `folder`: y up, z = 0, in units of the person's torso. Keypoints between -2 and 2 are
          taken as normalized and multiplied by the width and height in 'img_shape'

A joint whose 'keypoint_score' is 0 is missing and interpolated. People of 2D files are followed
from frame to frame (`transforms.tracking`). Of more than two bodies, the two with the most motion
are kept. Notes say how often.

Pickles can contain code. It is never run: `formats/plain_pickle.py` reads only arrays, strings,
numbers, and lists, tuples and dicts of them, and raises an error for any other content.

Subject, view, setup and repetition are taken from names like those of NTU RGB+D; with other names
they are 0. Classes are those of NTU RGB+D if labels agree with such names, else the file's own (a
list or dict 'classes', 'class_names', 'label_names' or 'label_map', also in 'metainfo'), else the
labels that occur. Reader option `file`: name of the pickle, if there are several.

Protocols, if the file has the data for them:
    cs, cv, csub, cset    those of `ntu` and `ntu120`, based on the names
    xsub, xview, xset     the file's '<protocol>_train' and '<protocol>_val'
    own                   the file's 'train' and 'val' (or 'test'), or other names of its own; with
                          several pairs ('train1' and 'test1', ...), one fold for each
    random                trains on 70 %, tests on 30 %; keeps subjects together if they are known
With the file's splits, validation holds out a random twentieth of each class, unless the file has
'train', 'val' and 'test'.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from keras_skeleton.datasets import ntu
from keras_skeleton.datasets.dataset import Fold, Protocol
from keras_skeleton.datasets.formats import plain_pickle
from keras_skeleton.datasets.formats.poses import COCO17, pose_clip, split_coordinates
from keras_skeleton.datasets.pyskl_splits import (
    COLUMNS,
    by_file,
    clip_name,
    random_split,
    read_splits,
    split_columns,
)
from keras_skeleton.datasets.source import Source
from keras_skeleton.datasets.store import StoreWriter
from keras_skeleton.transforms.bodies import order_by_motion
from keras_skeleton.transforms.geometry import present
from keras_skeleton.transforms.missing import fill_missing
from keras_skeleton.transforms.normalise import torso_length
from keras_skeleton.transforms.tracking import follow_people, take_people
from keras_skeleton.utils.errors import DatasetError

JOINTS, KEYPOINTS = 25, COCO17.size
MAX_BODIES = 2
CLASSES = ntu.CLASSES
MAX_CLIPS = 1_000_000  # NTU RGB+D 120 has 113,945
MAX_LABEL = 10**9
SUFFIXES = (".pkl", ".pickle")
CLASS_KEYS = ("classes", "class_names", "label_names", "action_names", "categories", "label_map")
NORMALIZED = 2.0  # keypoints up to here are no pixels
TORSO = (0.1, 1.5)  # meters; the torso of a child and more than that of any adult
MEASURED = 200  # clips whose unit is checked

LAYOUT = """\
PYSKL annotations: download ntu60_3danno.pkl or ntu120_3danno.pkl (3D skeletons; *_hrnet.pkl has 2D
poses) by the links in https://github.com/kennymckormick/pyskl/blob/main/tools/data/README.md, so
that there is
  PATH/ntu60_3danno.pkl
then give --data-dir PATH."""

EXPECTED = f"(M, T, {JOINTS}, 3) or (M, T, {KEYPOINTS}, 2)"

# ---------------------------------------------------------------- the file


def find_files(root: Path) -> list[Path]:
    """The pickles in the folder, sorted."""
    return sorted(p for p in root.iterdir() if p.suffix.lower() in SUFFIXES and p.is_file())


def choose_file(root: Path, file: str) -> Path:
    """The pickle with the given name, or the only one."""
    files = find_files(root)
    chosen = [path for path in files if file in ("", path.name)]
    if len(chosen) != 1:
        has = ", ".join(path.name for path in files)
        raise DatasetError(f"{root}: set the reader option 'file' to one of: {has}")
    return chosen[0]


class Annotations(NamedTuple):
    """The content of a file: its splits, its annotations, and its class names by label."""

    splits: dict[Any, Any]
    annotations: list[Any]
    classes: dict[int, str]


def read_annotations(path: Path) -> Annotations:
    """Reads the splits, annotations and class names of a file.

    Raises:
        DatasetError: The file cannot be read, or contains no annotations.
    """
    try:
        content = plain_pickle.load(path)
    except plain_pickle.PickleError as error:
        raise DatasetError(str(error)) from None
    except OSError as error:
        raise DatasetError(f"{path}: {error.strerror or error}") from None
    splits: Any = {}
    annotations: Any = content
    if type(content) is dict:
        splits = content.get("split", content.get("splits"))
        if splits is None or (type(splits) in (list, tuple) and not splits):
            splits = {}
        annotations = content.get("annotations")
        if annotations is None and type(splits) is dict and not splits:
            splits, annotations = _parts(content)
    if type(annotations) is dict:
        annotations = [_named(annotations[key], str(key)) for key in annotations]
    if type(splits) is not dict or type(annotations) not in (list, tuple):
        found = f"a dict with {list(content)!s:.80}" if type(content) is dict else "other data"
        raise DatasetError(
            f"{path}: has {found}; expected a dict with a dict 'split' and a list 'annotations', "
            "or a list of annotations"
        )
    if len(annotations) > MAX_CLIPS:
        raise DatasetError(
            f"{path}: {len(annotations):,} annotations are too many (at most {MAX_CLIPS:,})"
        )
    classes = read_classes(content) if type(content) is dict else {}
    return Annotations(splits, list(annotations), classes)


def _is_annotation(value: Any) -> bool:
    return type(value) is dict and "keypoint" in value


def _named(annotation: Any, name: str) -> Any:
    """An annotation with a name, if it has none."""
    return {"frame_dir": name, **annotation} if type(annotation) is dict else annotation


def _parts(content: dict[Any, Any]) -> tuple[dict[Any, Any], Any]:
    """Splits and annotations of a dict of annotations by name, or of lists of them by part."""
    if any(map(_is_annotation, content.values())):
        return {}, {key: value for key, value in content.items() if type(value) is dict}
    lists = {
        key: v for key, v in content.items() if type(v) is list and any(map(_is_annotation, v))
    }
    named = {
        key: [_named(annotation, f"{key}/{i}") for i, annotation in enumerate(items)]
        for key, items in lists.items()
    }
    splits = {
        key: [a["frame_dir"] for a in items if type(a) is dict] for key, items in named.items()
    }
    annotations = [annotation for items in named.values() for annotation in items]
    return splits, annotations if named else None


def read_classes(content: dict[Any, Any]) -> dict[int, str]:
    """The class names of a file by label, sorted by label; empty if it has none that are usable."""
    meta = content.get("metainfo")
    for table in (content, meta if type(meta) is dict else {}):
        for key in CLASS_KEYS:
            value: Any = table.get(key)
            if type(value) is dict:
                pairs = [(b, a) if type(a) is str and type(b) is int else (a, b)
                         for a, b in value.items()]  # fmt: skip
            elif type(value) in (list, tuple):
                pairs = list(enumerate(value))
            else:
                continue
            names = {read_label(label): name for label, name in pairs}
            usable = all(type(k) is int and _is_text(v) for k, v in names.items())
            if names and usable and len(set(names.values())) == len(pairs):
                return dict(sorted(names.items()))  # type: ignore[arg-type]
    return {}


# ---------------------------------------------------------------- one clip


def _is_text(value: Any) -> bool:
    return type(value) is str and bool(value.strip()) and value.isprintable()


def read_label(label: Any) -> int | str | None:
    """A label as an integer, else as text; None if it is neither."""
    if isinstance(label, np.ndarray) and label.size == 1:
        label = label.item()
    if type(label) is float and label.is_integer() and abs(label) <= MAX_LABEL:
        label = int(label)
    if type(label) is str and label.isascii() and label.isdigit() and len(label) < 10:
        label = int(label)
    if type(label) is int:
        return label if 0 <= label <= MAX_LABEL else None
    return label.strip() if _is_text(label) else None


class Points(NamedTuple):
    """Key points, (M, T, V, C), and their scores, (M, T, V) or None."""

    points: np.ndarray
    scores: np.ndarray | None

    @property
    def flat(self) -> bool:
        """Whether they are 2D."""
        return self.points.shape[3] == 2


def _array(value: Any) -> np.ndarray | None:
    """An array of numbers; None if it is none."""
    if isinstance(value, list | tuple):
        try:
            value = np.array(value, np.float64)
        except (ValueError, TypeError, OverflowError):
            return None
    return value if isinstance(value, np.ndarray) and value.dtype.kind in "fiu" else None


def read_points(annotation: dict[Any, Any]) -> Points | str:
    """The key points of an annotation, or what is wrong with them."""
    points, scores = _array(annotation.get("keypoint")), annotation.get("keypoint_score")
    frames = annotation.get("total_frames")
    if isinstance(frames, np.ndarray):
        frames = frames.item() if frames.size == 1 else str(frames.shape)
    if points is not None and points.ndim == 3 and len(points) == frames:
        points = points[None]  # one person
    if points is None or points.ndim != 4:
        found = "" if points is None else f", but one of shape {points.shape!s:.40}"
        return f"has no 'keypoint' of shape {EXPECTED}{found}"
    M, T, V, C = points.shape
    if frames is not None and frames != T:
        swapped = "; the axes look like (T, M, V, C), transpose them" if frames == M else ""
        return f"has {T} frames, but 'total_frames' is {frames!s:.20}{swapped}"
    if scores is not None:
        scores = _array(scores)
        if scores is None or scores.size != M * T * V:
            return f"has no 'keypoint_score' of shape {(M, T, V)}"
        scores = scores.reshape(M, T, V)
    elif (V, C) == (JOINTS, 4) or ((V, C) == (KEYPOINTS, 3) and _has_scores(points)):
        points, scores = points[..., :-1], points[..., -1]
    V, C = points.shape[2:]
    if (V, C) not in ((JOINTS, 3), (KEYPOINTS, 2)):
        return (
            f"has {V} joints with {C} coordinates, expected {JOINTS} with 3 or {KEYPOINTS} with 2"
            "; save its clips as .npy files and describe the joints for --dataset folder"
        )
    return Points(points, scores)


def _has_scores(points: np.ndarray) -> bool:
    """Whether the third coordinate looks like the score of a key point in pixels."""
    last = points[..., 2]
    return bool(((last >= 0) & (last <= 1.5)).all() and np.abs(points).max(initial=0) > 10)


def _from_kinect(points: np.ndarray, scores: np.ndarray | None) -> np.ndarray | str:
    with np.errstate(over="ignore"):  # numbers too large for float32 become infinite
        clip = points.transpose(1, 0, 2, 3).astype(np.float32)
    if not np.isfinite(clip).all():
        frame = np.argwhere(~np.isfinite(clip))[0, 0]
        return f"contains NaN or infinity, first in frame {frame}"
    if scores is not None:
        missing = ~(scores.transpose(1, 0, 2) > 0) & clip.any(axis=-1)
        if missing.any():
            gaps = np.where(missing[..., None], np.nan, clip)
            clip = fill_missing(gaps, "kinect_v2")[0].astype(np.float32)
    return clip


def _from_coco(
    points: np.ndarray, scores: np.ndarray | None, img_shape: Any
) -> tuple[np.ndarray, int] | str:
    """The clip and the number of frames in which people change places."""
    points = points.transpose(1, 0, 2, 3).astype(np.float64)
    if np.isinf(points).any():
        return f"contains infinity, first in frame {np.argwhere(np.isinf(points))[0, 0]}"
    if scores is not None:
        points = np.concatenate([points, scores.transpose(1, 0, 2)[..., None]], axis=-1)
        points[np.isnan(points[..., 2]), 2] = 0
    known = np.isfinite(points[..., :2]).all(axis=-1)
    if np.abs(points[known][:, :2]).max(initial=0) <= NORMALIZED and points[known][:, :2].any():
        size = _array(img_shape)
        if size is None or size.shape != (2,) or not (np.isfinite(size) & (size > 0)).all():
            return "has normalized keypoints, which need 'img_shape', (height, width) in pixels"
        points[..., :2] *= size[::-1]  # from (height, width) to x and y
    coordinates = "xy" if scores is None else "xyc"
    changes = 0
    if points.shape[1] > 1:
        order, changes = follow_people(split_coordinates(points, coordinates))
        points = take_people(points, order) if changes else points
    try:
        with np.errstate(over="ignore"):
            clip = pose_clip(points, COCO17, coordinates).astype(np.float32)
    except ValueError as error:
        return f"cannot be scaled to the person's torso: {error}"
    if not np.isfinite(clip).all():
        return "contains a number that is too large"
    return clip, changes


class _Found(NamedTuple):
    """A clip, whether its poses are 2D, the file's bodies, and frames in which places changed."""

    clip: np.ndarray
    flat: bool
    bodies: int
    changes: int


def _read(annotation: Any) -> _Found | str:
    """Converts an annotation, or returns an error message."""
    if type(annotation) is not dict:
        return "is not a dict"
    name = clip_name(annotation.get("frame_dir"))
    if name is None:
        return "has no usable name ('frame_dir')"
    if read_label(annotation.get("label")) is None:
        return f"{name:.40} has no label"
    found = read_points(annotation)
    if isinstance(found, str):
        return f"{name:.40} {found}"
    made: np.ndarray | tuple[np.ndarray, int] | str
    if found.flat:
        made = _from_coco(found.points, found.scores, annotation.get("img_shape"))
    else:
        made = _from_kinect(found.points, found.scores)
    if isinstance(made, str):
        return f"{name:.40} {made}"
    clip, changes = made if isinstance(made, tuple) else (made, 0)
    if not clip.any():
        return f"{name:.40} has no skeleton in any of its {len(clip)} frames"
    if found.flat:  # 3D files keep empty slots, as the published ones are stored
        clip = clip[:, present(clip).any(axis=0)]
    bodies = clip.shape[1]
    if bodies > MAX_BODIES:
        clip = order_by_motion(clip)[:, :MAX_BODIES].astype(np.float32)
    return _Found(clip, found.flat, bodies, changes)


def read_clip(annotation: Any) -> np.ndarray | str:
    """Converts an annotation to float32 (T, m, 25, 3), or returns an error message."""
    found = _read(annotation)
    return found if isinstance(found, str) else found.clip


# ---------------------------------------------------------------- all clips


def _classes(
    labels: list[int | str | None], given: dict[int, str]
) -> tuple[list[str], dict[int | str, int]]:
    """The class names, and the class of each label."""
    if given:
        indices: dict[int | str, int] = {label: i for i, label in enumerate(given)}
        return list(given.values()), indices | {name: i for i, name in enumerate(given.values())}
    known = [label for label in set(labels) if label is not None]
    if all(type(label) is int for label in known):
        numbers = sorted(known)
        return [f"class {label}" for label in numbers], {x: i for i, x in enumerate(numbers)}
    names = sorted({str(label) for label in known})
    place = {name: i for i, name in enumerate(names)}
    return names, {label: place[str(label)] for label in known}


def read(root: Path, writer: StoreWriter, file: str = "") -> None:
    """Adds the clips in order of the file."""
    path = choose_file(root, file)
    given, annotations, own_classes = read_annotations(path)
    report = writer.report
    splits = read_splits(path, given, report)
    dicts = [a if type(a) is dict else {} for a in annotations]
    names = [clip_name(a.get("frame_dir")) for a in dicts]
    labels = [read_label(a.get("label")) for a in dicts]
    parsed = [ntu.parse_name(name) if name else None for name in names]
    agree = [
        columns["label"] == label for columns, label in zip(parsed, labels, strict=True) if columns
    ]
    is_ntu = 2 * sum(agree) > sum(label is not None for label in labels)
    if is_ntu:
        highest = max((label for label in labels if isinstance(label, int)), default=0)
        classes = list(CLASSES[: 60 if highest < 60 else len(CLASSES)])
        class_of: dict[int | str, int] = {i: i for i in range(len(classes))}
    else:
        classes, class_of = _classes(labels, own_classes)
        if agree:
            report.note(
                "names are like those of NTU RGB+D, but most labels differ from them; the labels "
                "are classes of their own"
            )
    writer.declare("kinect_v2", classes)

    seen: set[str] = set()
    flat: bool | None = None
    crowded = followed = 0
    torsos: list[float] = []
    for number, (annotation, columns) in enumerate(zip(annotations, parsed, strict=True)):
        writer.progress(number, len(annotations))
        where = f"{path}: annotations[{number}]"
        found = _read(annotation)
        if isinstance(found, str):
            report.skip(where, found)
            continue
        clip, is_flat, bodies, changes = found
        name, label = names[number] or "", labels[number]
        if name in seen:
            report.skip(where, f"{name:.40} occurs twice")
        elif label is None or label not in class_of:
            report.skip(
                where, f"{name:.40} has label {label!s:.20}, but there are {len(classes)} classes"
            )
        elif is_ntu and (columns is None or columns["label"] != label):
            report.skip(where, f"{name:.40} has label {label}, which differs from its name")
        elif flat is not None and flat != is_flat:
            kinds = ("3D", "2D") if flat else ("2D", "3D")
            report.skip(
                where,
                f"{name:.40} is {kinds[0]}, but the clips before it are {kinds[1]}; put it into "
                "a file of its own",
            )
        else:
            flat = is_flat
            crowded += bodies > MAX_BODIES
            followed += changes > 0
            own = {**(columns or {}), **split_columns(name, splits), "label": class_of[label]}
            writer.add(clip, name=name, **own)
            seen.add(name)
            if not flat and len(torsos) < MEASURED:
                torsos.append(torso_length(clip))
    if torsos and not TORSO[0] <= (torso := float(np.median(torsos))) <= TORSO[1]:
        report.note(
            f"torsos are {torso:.3g} long (median), so coordinates are not meters, as in PYSKL's "
            "files; networks trained in meters do not fit"
        )
    if flat:
        writer.info["unit"] = ""
        report.note("2D poses of 17 keypoints were converted to Kinect v2 joints, with z = 0")
    if followed:
        report.note(
            f"in {followed} clips people change places in the file; they were followed by their "
            "joints"
        )
    if crowded:
        report.note(
            f"{crowded} clips have more than {MAX_BODIES} bodies; those with the most motion "
            "were kept"
        )
    if is_ntu:
        published = ntu.NTU.clips if len(classes) == 60 else ntu.NTU120.clips
        report.expect("usable clips", len(seen), published)
    for key, members in splits.items():
        if missing := len(members.keys() - seen):
            report.note(f"split '{key}' lists {missing} clips that are missing")
    if not splits:
        report.note("the file has no splits of training and test clips; use protocol 'random'")


def by_name(name: str, protocol: Protocol, actions: range) -> Protocol:
    """Restricts a protocol of NTU RGB+D to clips with its names and a number of actions."""

    def checked(samples: pd.DataFrame) -> Iterator[Fold]:
        if not (samples["subject"] > 0).all():
            raise DatasetError(
                f"'{name}' requires clips with names like those of NTU RGB+D; use 'own' or 'random'"
            )
        if samples["label"].max() not in actions:
            raise DatasetError(
                f"'{name}' requires clips of {actions.stop} actions, not of "
                f"{samples['label'].max() + 1}"
            )
        yield from protocol(samples)

    return checked


def _absent(column: str) -> str:
    pair = "'train' and 'val'" if column == "own" else f"'{column}_train' and '{column}_val'"
    return f"the file has no splits {pair}, or no usable clips in one of them; use 'random'"


PROTOCOLS = {
    **{name: by_name(name, p, range(0, 60)) for name, p in ntu.NTU_PROTOCOLS.items()},
    **{name: by_name(name, p, range(60, 120)) for name, p in ntu.NTU120_PROTOCOLS.items()},
    **{name: by_file(name, _absent(name)) for name in COLUMNS},
    "random": random_split,
}

PYSKL = Source(
    name="pyskl",
    title="PYSKL annotations (Duan et al., 2022)",
    skeleton="kinect_v2",
    classes=CLASSES,
    protocols=PROTOCOLS,
    files=find_files,
    read=read,
    layout=LAYOUT,
    clips=ntu.NTU.clips,
    options={"file": ""},
    version=1,
)

SOURCES = {"pyskl": PYSKL}
