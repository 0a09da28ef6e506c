"""Calibrate an entry of the zoo on the training and validation clips of its dataset."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from keras_skeleton.datasets.dataset import SkeletonDataset
from keras_skeleton.evaluation.calibration import FILE
from keras_skeleton.models.registry import MODELS
from keras_skeleton.zoo.entries import Entry, checked_files, sha256
from keras_skeleton.zoo.load import experiment_of


def calibrate_entry(entry: Entry, dataset: SkeletonDataset, folder: Path, scratch: Path) -> Entry:
    """Writes the calibration file of a recognition entry.

    Args:
        entry: The entry.
        dataset: The entry's dataset, loaded with its options.
        folder: Folder of the entry's files; the calibration is written there.
        scratch: A folder for temporary results.

    Returns:
        The entry with its calibration file. It is unchanged for detectors, for networks with video
        inputs, and for folds without validation clips, as all are of networks that were trained on
        all clips.

    Example:
        >>> from pathlib import Path
        >>> from keras_skeleton.zoo.calibrate import calibrate_entry
        >>> entry = calibrate_entry(entry, dataset, ZOO, Path("scratch"))  # doctest: +SKIP
        >>> list(entry.files)  # doctest: +SKIP
        ['mans9_ut_kinect_cs.weights.h5', 'mans9_ut_kinect_cs.calibration.npz']
    """
    if entry.task != "recognition" or MODELS[entry.model].video:
        return entry
    # Only the weights: an earlier calibration may be lost or damaged.
    only = replace(entry, files={entry.file: entry.files[entry.file]})
    weights = checked_files(only, folder)[0]
    experiment = experiment_of(entry, dataset, scratch, command="")
    found = experiment.calibrate(entry.fold, weights)
    if found is None:
        return entry
    file = f"{entry.name}.{FILE}"
    found.save(folder / file)
    files = {**entry.files, file: sha256(folder / file)}
    return replace(entry, files=files, bodies=dataset.max_bodies)
