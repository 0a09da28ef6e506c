"""Store the weights of a zoo entry in half precision, where no answer of it changes."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from keras_skeleton.datasets.dataset import SkeletonDataset
from keras_skeleton.evaluation.scores import read_scores
from keras_skeleton.video.crops import Crops
from keras_skeleton.zoo.add import HALF, halve, halved_note, take_files
from keras_skeleton.zoo.calibrate import calibrate_entry
from keras_skeleton.zoo.check import compared, score_entry
from keras_skeleton.zoo.entries import ZOO, Entry, ZooError, checked_files, sha256


def halve_entry(
    entry: Entry,
    dataset: SkeletonDataset,
    scratch: Path,
    crops: Crops | None = None,
    folder: Path = ZOO,
    log: Callable[[str], None] = print,
) -> Entry:
    """Rewrites the weights of an entry with float16 instead of float32 and calibrates it again.

    The zoo changes only if every test clip keeps its class and the accuracy is as recorded. Its
    swap test is of the former file, so measure it again: `attention --score --only-swap --record`.

    Args:
        entry: A recognition entry.
        dataset: The entry's dataset, loaded with its options.
        scratch: An empty folder for temporary results.
        crops: Videos of hands and body, for networks with video inputs.
        folder: Folder of the zoo.
        log: Called with each line of console output.

    Returns:
        The new entry.

    Raises:
        ZooError: The entry is a detector or halved already, or an answer would change.

    Example:
        >>> from pathlib import Path
        >>> from keras_skeleton.zoo.halve import halve_entry
        >>> entry = halve_entry(entry, dataset, Path("scratch"))  # doctest: +SKIP
    """
    if entry.task != "recognition":
        raise ZooError(f"'{entry.name}' is a detector; only recognition networks are halved")
    if HALF in entry.note:
        raise ZooError(f"'{entry.name}' is stored in half precision already")
    with TemporaryDirectory(prefix=".halving-", dir=folder) as name:
        made = Path(name)
        for path in checked_files(entry, folder):
            shutil.copyfile(path, made / path.name)
        halve(made / entry.file)
        files = {**entry.files, entry.file: sha256(made / entry.file)}
        new = replace(entry, files=files, note=halved_note(entry.note))
        whole, half = scratch / "whole", scratch / "half"
        score_entry(entry, dataset, whole, crops=crops, folder=folder)
        said, same = compared(new, *score_entry(new, dataset, half, crops=crops, folder=made))
        before, after = (read_scores(place / "scores.npz").logits for place in (whole, half))
        changed = int((before.argmax(-1) != after.argmax(-1)).sum())
        log(
            f"{entry.name}: {said}; {changed} of {len(after)} test clips change their class; "
            f"logits change by at most {abs(before - after).max():.1e}"
        )
        if changed or not same:
            raise ZooError(f"'{entry.name}' answers otherwise in half precision; left as it is")
        new = calibrate_entry(new, dataset, made, scratch / "calibration")
        take_files(new, made, folder)
    return new
