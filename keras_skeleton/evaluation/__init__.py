"""Evaluate finished training runs: scores, tables, figures and an HTML report."""

from typing import TYPE_CHECKING

from keras_skeleton.utils.lazy import lazy_names

if TYPE_CHECKING:
    from keras_skeleton.evaluation.page import summary
    from keras_skeleton.evaluation.report import merge_runs, read_experiment, write_report
    from keras_skeleton.evaluation.scores import (
        ClipScores,
        ResultsError,
        Score,
        confusion_matrix,
        mean_class_accuracy,
        per_class_table,
        read_scores,
        score,
        softmax,
        top_k_accuracy,
        write_scores,
    )

__all__ = [
    "ClipScores",
    "ResultsError",
    "Score",
    "confusion_matrix",
    "mean_class_accuracy",
    "merge_runs",
    "per_class_table",
    "read_experiment",
    "read_scores",
    "score",
    "softmax",
    "summary",
    "top_k_accuracy",
    "write_report",
    "write_scores",
]

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "ClipScores": "keras_skeleton.evaluation.scores",
        "ResultsError": "keras_skeleton.evaluation.scores",
        "Score": "keras_skeleton.evaluation.scores",
        "confusion_matrix": "keras_skeleton.evaluation.scores",
        "mean_class_accuracy": "keras_skeleton.evaluation.scores",
        "merge_runs": "keras_skeleton.evaluation.report",
        "per_class_table": "keras_skeleton.evaluation.scores",
        "read_experiment": "keras_skeleton.evaluation.report",
        "read_scores": "keras_skeleton.evaluation.scores",
        "score": "keras_skeleton.evaluation.scores",
        "softmax": "keras_skeleton.evaluation.scores",
        "summary": "keras_skeleton.evaluation.page",
        "top_k_accuracy": "keras_skeleton.evaluation.scores",
        "write_report": "keras_skeleton.evaluation.report",
        "write_scores": "keras_skeleton.evaluation.scores",
    },
)
