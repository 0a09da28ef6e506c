"""What a finished training run is worth: scores, tables, figures and a report."""

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
