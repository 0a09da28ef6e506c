"""`load_detector`: the trained networks of a detector, from the zoo or a run folder."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from keras_skeleton.evaluation.run_record import about_run
from keras_skeleton.utils.errors import UnknownNameError, UserError
from keras_skeleton.zoo.entries import ZOO, Entry, checked_files, no_weights, read_zoo

if TYPE_CHECKING:
    from keras_skeleton.detection.detector import Detector

# What the networks are for, by model; in this order in lists.
USES = {
    "gate_b": "for whole recordings",
    "gate_u": "live, or for whole recordings",
    "tap_lstm": "the paper's proposals (Song et al., 2018), which find far less",
}
GENERAL = ("pretrained", "zoo", "default", "best", "auto")  # words that name no detector


def detectors(folder: Path = ZOO) -> list[Entry]:
    """The detectors of the zoo, those to try first at the top."""
    order = list(USES)
    found = [entry for entry in read_zoo(folder) if entry.task == "detection"]
    return sorted(found, key=lambda e: order.index(e.model) if e.model in order else len(order))


def describe_detectors(folder: Path = ZOO) -> str:
    """A line for each detector of the zoo; empty if it has none."""
    lines = []
    for entry in detectors(folder):
        names = list(entry.classes)
        listed = ", ".join(names[:6]) + (", ..." if len(names) > 6 else "")
        use = f"      {USES[entry.model]}\n" if entry.model in USES else ""
        lines.append(f"  {entry.name}\n{use}      {entry.dataset}, {entry.skeleton}: {listed}")
    return "\n".join(lines)


def find_detector(source: str | Path, folder: Path = ZOO) -> Path:
    """The folder of a detector; imports no TensorFlow.

    Args:
        source: Name of a detector of the zoo, or the folder of a detection run.
        folder: Folder of the zoo.

    Raises:
        UserError: There is no such detector; the message names those of the zoo.
        UnknownNameError: The same, with a name that is similar to one of them.
    """
    path, name = Path(source), str(source)
    if (path / "run.json").is_file():
        if about_run(path)["task"] != "detection":
            raise UserError(f"{path} is a run of a classifier of clips; use the command predict")
        return path
    entries = {entry.name: entry for entry in read_zoo(folder)}
    if name in entries and entries[name].task == "detection":
        checked_files(entries[name], folder)
        return folder / name
    known = describe_detectors(folder)
    ready = f"the ready-made detectors are\n{known}" if known else no_weights(folder)
    if name in entries:
        raise UserError(f"'{name}' labels clips (command predict), it detects nothing; {ready}")
    if path.exists():
        raise UserError(f"{path}: no detection run (run.json is missing); {ready}")
    if name.casefold() in GENERAL or not known:
        raise UserError(f"--weights {name}: name the detector; {ready}")
    if len(path.parts) > 1:
        raise UserError(f"{path}: no such folder; {ready}")
    raise UnknownNameError("detector", name, [entry.name for entry in detectors(folder)])


def load_detector(source: str | Path, fold: int = 1, folder: Path = ZOO) -> Detector:
    """Loads a detector with its settings.

    Args:
        source: Name of a detector of the zoo, or the folder of a detection run.
        fold: Fold of the run, counted from 1.
        folder: Folder of the zoo.

    Raises:
        UserError: As for `find_detector`, or the run is damaged.

    Example:
        >>> from keras_skeleton.zoo.detectors import load_detector
        >>> detector = load_detector("gate_b_ut_kinect_cs")  # doctest: +SKIP
        >>> detector.methods()  # doctest: +SKIP
        ['gate_b']
    """
    from keras_skeleton.detection.detector import Detector

    return Detector(find_detector(source, folder), fold)
