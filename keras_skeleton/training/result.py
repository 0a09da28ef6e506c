"""The result of a training."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from keras_skeleton.evaluation.page import summary


@dataclass(frozen=True)
class Result:
    """The result of `Experiment.fit`. Printing it shows a table of accuracies.

    Attributes:
        folder: The run folder.
        metrics: Metrics of all finished folds in the folder, see `evaluation.report.merge_runs`.

    Example:
        >>> from keras_skeleton.training.result import Result
        >>> from pathlib import Path
        >>> result = Result(Path("runs/mans9_ntu_cs"), {"accuracy": 0.83})
        >>> result.accuracy
        0.83
    """

    folder: Path
    metrics: Mapping[str, Any]

    @property
    def accuracy(self) -> float:
        """Mean test accuracy over the folds, as a fraction; NaN without test clips. The epoch of
        each fold is selected on validation clips; in runs on all training clips, weights are
        averaged instead."""
        found = self.metrics["accuracy"]
        return float("nan") if found is None else float(found)

    def __str__(self) -> str:
        if "folds" in self.metrics:
            return summary(self.metrics)
        clips = self.metrics["clips"]
        held = f"{clips['validation']} more to select the epoch"
        if "epochs_averaged" in self.metrics:
            last, epochs = self.metrics["epochs_averaged"], self.metrics["epochs"]
            held = f"weights averaged over the last {last} of {epochs} epochs"
        return (
            f"trained on {clips['train']} clips, {held}; no test clips, so its accuracy is "
            "unknown: another protocol estimates it"
        )
