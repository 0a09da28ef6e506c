"""HDM05: motion capture of 5 actors at 120 Hz, segmented into 2,337 clips of 130 classes.

M. Mueller, T. Roeder, M. Clausen, B. Eberhardt, B. Krueger, A. Weber, "Documentation: mocap
database HDM05", technical report CG-2007-2, Universitaet Bonn, 2007.
http://resources.mpi-inf.mpg.de/HDM05/

Layout:
    HDM05_cut_amc/HDM_<actor>.asf                                  bones of an actor
    HDM05_cut_amc/<class>/HDM_<actor>_<class>_<NNN>_120.amc        angles of a clip, at 120 Hz
    (the .asf files may also be in the folders of the clips)

Clip: (T, 1, 31, 3) in meters, y up, computed by forward kinematics (`formats/asf_amc.py`): the
root, then the end points of the bones of the .asf file. The floor is near y = 0.

The papers use 65 classes by Cho and Chen (2014), who merged classes that differ only in details
such as the number of repetitions. Their list was not found; the comments of
`lists/hdm05_classes.csv` state what is known and what is our choice.

Reader options:
    classes  65 (default) or 130
    fps      120 (default) or a divisor of it: every second, third, ... frame is kept
    motions  "all" (default), or "found": only the classes of which there are clips, for a part of
             the dataset
    mapping  for 65 classes: path of another table with the format of `lists/hdm05_classes.csv`.
             If its content changes, rename it or prepare again with --force

Protocols:
    10fold   10 random folds, stratified by class; validation holds out a tenth of each class of the
             training clips. The papers' folds (Zhu et al., 2016; the MANs paper, Sec. 3.1) are not
             published; these are drawn with a fixed seed. Clips cut from one take of an actor may
             be both in training and test
    10fold130   the same with 130 classes
    loao     leave one actor out: 5 folds; validation holds out another actor
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from keras_skeleton.datasets.dataset import Fold, ReadReport
from keras_skeleton.datasets.formats.asf_amc import (
    Body,
    MotionTextError,
    parse_amc,
    parse_asf,
    positions,
)
from keras_skeleton.datasets.protocols import group_holdout, leave_one_out, random_holdout, split
from keras_skeleton.datasets.source import Source
from keras_skeleton.datasets.store import StoreWriter
from keras_skeleton.utils.errors import DatasetError
from keras_skeleton.utils.files import read_text, reason

ACTORS = ("bd", "bk", "dg", "mm", "tr")  # subjects 1 to 5
RATE = 120  # frames per second
FRAMES = 613_377  # of all clips, as counted in the MANs paper
NAME = re.compile(r"HDM_([a-z]+)_(\w+)_(\d{3})_120")

# In the order of the layout 'hdm05' in `skeletons.py`.
BONES = (
    "root",
    "lhipjoint", "lfemur", "ltibia", "lfoot", "ltoes",
    "rhipjoint", "rfemur", "rtibia", "rfoot", "rtoes",
    "lowerback", "upperback", "thorax", "lowerneck", "upperneck", "head",
    "lclavicle", "lhumerus", "lradius", "lwrist", "lhand", "lfingers", "lthumb",
    "rclavicle", "rhumerus", "rradius", "rwrist", "rhand", "rfingers", "rthumb",
)  # fmt: skip

TABLE = Path(__file__).parent / "lists" / "hdm05_classes.csv"

LAYOUT = """\
HDM05: download the cut clips in ASF/AMC format (HDM05_cut_amc.zip) from
http://resources.mpi-inf.mpg.de/HDM05/ and unpack them so that there is
  PATH/HDM05_cut_amc/HDM_bd.asf ... HDM_tr.asf                      (5 files)
  PATH/HDM05_cut_amc/clap1Reps/HDM_bd_clap1Reps_001_120.amc ...     (130 folders, 2,337 files)
then give --data-dir PATH."""


# ---------------------------------------------------------------- classes


def read_table(path: Path) -> dict[str, str]:
    """Reads a table of classes: maps the 130 names, in order, to those of the merged classes.

    Raises:
        DatasetError: The file is not such a table; the message states the line.
    """
    try:
        text = read_text(path, "a table of classes", "utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DatasetError(
            f"{path}: cannot be read as a table of classes: {reason(error)}"
        ) from None
    merged: dict[str, str] = {}
    header = None
    for line, row in enumerate(text.splitlines(), start=1):
        if not row.strip() or row.startswith("#"):
            continue
        words = [word.strip() for word in row.split(",")]
        if header is None:
            header = words
            if header != ["motion", "merged"]:
                raise DatasetError(f"{path}:{line}: the first line must be 'motion,merged'")
        elif len(words) != 2 or not all(words):
            raise DatasetError(f"{path}:{line}: '{row[:60]}' is not 'motion,merged'")
        elif words[0] in merged:
            raise DatasetError(f"{path}:{line}: '{words[0]}' occurs twice")
        else:
            merged[words[0]] = words[1]
    return merged


def read_mapping(path: str | Path) -> dict[str, str]:
    """Reads a user's table, which must contain exactly the 130 classes."""
    merged = read_table(Path(path))
    if unknown := [motion for motion in merged if motion not in MOTIONS]:
        raise DatasetError(f"{path}: HDM05 has no class '{unknown[0]}' (see {TABLE})")
    if missing := [motion for motion in MOTIONS if motion not in merged]:
        raise DatasetError(f"{path}: {len(missing)} of 130 classes are missing: '{missing[0]}' ...")
    return merged


MERGED = read_table(TABLE)
MOTIONS = tuple(MERGED)  # the 130
CLASSES = tuple(dict.fromkeys(MERGED.values()))  # the 65


# ---------------------------------------------------------------- files


def cuts_folder(root: Path) -> Path:
    """The folder with one subfolder per class: `root/HDM05_cut_amc`, or `root` itself."""
    return root / "HDM05_cut_amc" if (root / "HDM05_cut_amc").is_dir() else root


def find_files(root: Path) -> list[Path]:
    """The `.asf` and `.amc` files in the folder and its subfolders, sorted."""
    inside = list(cuts_folder(root).iterdir())
    folders = [path for path in inside if path.is_dir()]
    inside += [path for folder in folders for path in folder.iterdir()]
    inside = [path for path in inside if not path.name.startswith(".")]
    return sorted(path for path in inside if path.suffix.lower() in (".asf", ".amc"))


def read_body(path: Path, report: ReadReport) -> tuple[Body, list[int]] | None:
    """Reads the bones of an actor, and the indices of `BONES` among them; None if unusable."""
    try:
        # The files contain a comment in Latin-1.
        body = parse_asf(read_text(path, "an actor's bones", "latin-1"))
    except MotionTextError as error:
        report.skip(f"{path}:{error.line}", f"{error.message}; the actor's clips are skipped")
        return None
    except OSError as error:
        report.skip(path, f"{error.strerror}; the actor's clips are skipped")
        return None
    if sorted(body.names) != sorted(BONES):
        other = sorted(set(body.names) ^ set(BONES))
        report.skip(
            path, f"its bones are not those of HDM05 ({other[0]}); the actor's clips are skipped"
        )
        return None
    return body, [body.names.index(name) for name in BONES]


def read_clip(
    path: Path, body: Body, order: list[int], step: int, report: ReadReport
) -> np.ndarray | None:
    """Reads every `step`-th frame: float32 (T, 1, 31, 3) in meters; None if none is usable."""
    try:
        motion = parse_amc(read_text(path, "a clip", "latin-1"), body)
    except OSError as error:
        report.skip(path, error.strerror or str(error))
        return None
    if not len(motion.values):
        line, why = motion.problems[0] if motion.problems else (1, "has no frames")
        report.skip(f"{path}:{line}", why + ("; no frame is usable" if motion.problems else ""))
        return None
    for line, why in motion.problems:
        report.skip(f"{path}:{line}", why)
    points = positions(body, motion.values[::step])[:, order]
    return points.astype(np.float32)[:, None]


def read(
    root: Path,
    writer: StoreWriter,
    classes: int = 65,
    fps: int = RATE,
    mapping: str = "",
    motions: str = "all",
) -> None:
    """Adds the clips, class by class; with 65 classes, labels are those of the merged classes."""
    if motions not in ("all", "found"):
        raise DatasetError(f"motions={motions}: must be 'all' or 'found'")
    if classes not in (65, 130):
        raise DatasetError(f"classes={classes}: must be 65 (merged classes of HDM05) or 130")
    if not isinstance(fps, int) or fps < 1 or RATE % fps:
        raise DatasetError(f"fps={fps}: must be a divisor of the {RATE} frames per second of HDM05")
    names = {motion: motion for motion in MOTIONS}
    if classes == 65:
        names = read_mapping(mapping) if mapping else MERGED
    if motions == "found":
        there = {path.parent.name for path in find_files(root) if path.suffix.lower() == ".amc"}
        names = {motion: name for motion, name in names.items() if motion in there}
        if not names:
            raise DatasetError(f"{root}: contains none of the 130 classes of HDM05")
    labels = tuple(dict.fromkeys(names.values()))
    writer.declare(HDM05.skeleton, labels)
    bodies: dict[Path | str, tuple[Body, list[int]] | None] = {}
    clips, frames = 0, 0
    for path in find_files(root):
        if path.suffix.lower() != ".amc":
            continue
        match = NAME.fullmatch(path.stem)
        if match is None or match[2] != path.parent.name or match[1] not in ACTORS:
            writer.report.skip(path, "its name is not <class>/HDM_<actor>_<class>_<NNN>_120.amc")
            continue
        actor, motion = match[1], match[2]
        if motion not in names:
            writer.report.skip(path, f"'{motion}' is not one of the 130 classes")
            continue
        places = [folder / f"HDM_{actor}.asf" for folder in (path.parent, path.parent.parent)]
        asf = next((place for place in places if place.is_file()), None)
        if asf is None:
            if actor not in bodies:
                writer.report.skip(places[1], f"missing; the clips of actor {actor} are skipped")
                bodies[actor] = None
            continue
        if asf not in bodies:
            bodies[asf] = read_body(asf, writer.report)
        if (known := bodies[asf]) is None:
            continue
        clip = read_clip(path, *known, RATE // fps, writer.report)
        if clip is None:
            continue
        writer.add(
            clip,
            name=path.stem,
            label=labels.index(names[motion]),
            subject=ACTORS.index(actor) + 1,
            view=1,
            setup=1,
            repetition=int(match[3]),
            motion=motion,
        )
        clips += 1
        frames += len(clip)
    writer.report.expect("usable clips", clips, HDM05.clips)
    if fps == RATE:
        writer.report.expect("frames", frames, FRAMES)


# ---------------------------------------------------------------- protocols


def ten_folds(samples: pd.DataFrame) -> Iterator[Fold]:
    """Ten stratified random folds.

    Each class is shuffled and dealt to the folds in turn, starting after the fold that got the last
    clip of the previous class.
    """
    rng = np.random.default_rng(0)
    labels = samples["label"].to_numpy()
    fold_of = np.zeros(len(samples), np.int64)
    dealt = 0
    for label in np.unique(labels):
        members = rng.permutation(np.flatnonzero(labels == label))
        fold_of[members] = (dealt + np.arange(len(members))) % 10
        dealt += len(members)
    for fold in range(10):
        yield split(samples, fold_of == fold, random_holdout(0.1), fold)


PROTOCOLS = {
    "10fold": ten_folds,
    "10fold130": ten_folds,
    "loao": leave_one_out("subject", group_holdout("subject")),
}

HDM05 = Source(
    name="hdm05",
    title="HDM05 (Mueller et al., 2007)",
    skeleton="hdm05",
    classes=CLASSES,
    protocols=PROTOCOLS,
    files=find_files,
    read=read,
    layout=LAYOUT,
    clips=2337,
    options={"classes": 65, "fps": RATE, "mapping": "", "motions": "all"},
    protocol_options={"10fold": {"classes": 65}, "10fold130": {"classes": 130}},
    count=lambda root: sum(path.suffix.lower() == ".amc" for path in find_files(root)),
    fps=RATE,
)

SOURCES = {"hdm05": HDM05}
