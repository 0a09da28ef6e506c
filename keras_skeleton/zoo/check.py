"""Score a zoo entry again and compare the result with its record."""

from __future__ import annotations

from pathlib import Path

from keras_skeleton.datasets.dataset import SkeletonDataset
from keras_skeleton.detection.detector import Detector
from keras_skeleton.detection.scoring import evaluate
from keras_skeleton.video.crops import Crops
from keras_skeleton.zoo.entries import ZOO, Entry, checked_files
from keras_skeleton.zoo.load import experiment_of

OVERLAPS = (0.3, 0.5, 0.7)  # overlap thresholds of a detector's recorded mAP


def score_entry(
    entry: Entry,
    dataset: SkeletonDataset,
    out: Path,
    command: str = "",
    crops: Crops | None = None,
    folder: Path = ZOO,
) -> tuple[dict[str, float], int]:
    """Scores an entry, after verifying the checksums of its files.

    Args:
        entry: The entry.
        dataset: The entry's dataset, loaded with its options.
        out: Output folder for the scores of the clips.
        command: Command line stored with the scores.
        crops: Videos of hands and body, for networks with video inputs.
        folder: Folder of the zoo.

    Returns:
        The scores by name, and the number of test clips or recordings.
    """
    files = checked_files(entry, folder)
    if entry.task == "detection":
        return score_detector(folder / entry.name, dataset, entry.protocol, entry.fold)
    experiment = experiment_of(entry, dataset, out, command, crops)
    result = experiment.evaluate(files[0], [entry.fold])
    return {"accuracy": result.accuracy}, result.clips


def score_detector(
    run: Path, dataset: SkeletonDataset, protocol: str, number: int
) -> tuple[dict[str, float], int]:
    """Computes a detector's mAP (the paper's rule) on the test recordings of a fold.

    Returns:
        The mAP by method and overlap threshold, and the number of recordings.
    """
    detector = Detector(run, number)
    test = list(dataset.folds(protocol))[number - 1].test.tolist()
    videos = dataset.samples["video"].iloc[test]
    truth = dataset.intervals[dataset.intervals["video"].isin(videos)]
    figures = {}
    for method in detector.methods():
        found = detector.detect_all(method, dataset, test, detector.settings(method))
        classes = detector.run["classes_scored"]
        table = evaluate(found, truth, OVERLAPS, "paper", classes).table
        for overlap in OVERLAPS:
            figures[figure_name(method, overlap)] = float(table["map_action"][overlap])
    return figures, len(test)


def figure_name(method: str, overlap: float) -> str:
    """Name of a detector's mAP at an overlap threshold."""
    return f"{method} at {overlap:g}"


def compared(entry: Entry, figures: dict[str, float], clips: int) -> tuple[str, bool]:
    """Compares scores with the record; returns a text and whether they are equal."""
    words, same = [], clips == entry.test_clips
    if not same:
        words.append(f"{clips} test clips, {entry.test_clips} recorded")
    for name, value in figures.items():
        recorded = entry.figures[name]
        assert recorded is not None
        difference = value - recorded
        same = same and difference == 0
        said = (
            "as recorded"
            if difference == 0
            else (f"recorded {100 * recorded:.2f} %, difference {100 * difference:+.2f}")
        )
        words.append(f"{name} {100 * value:.2f} %, {said}")
    return "; ".join(words), same
