"""Actions in untrimmed streams: proposals from attention, their classification, evaluation."""

from keras_skeleton.detection.scoring import Scores, average_recall, evaluate

__all__ = ["Scores", "average_recall", "evaluate"]
