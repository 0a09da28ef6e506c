"""Preprocess untrimmed recordings for networks, by frames or by intervals."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from scipy.special import softmax

from keras_skeleton.datasets.dataset import SkeletonDataset
from keras_skeleton.detection.curve import Frames
from keras_skeleton.detection.detect import Classify
from keras_skeleton.models.registry import MODELS
from keras_skeleton.recognizer import Recognizer
from keras_skeleton.transforms.geometry import present
from keras_skeleton.transforms.normalise import main_actor

BATCH = 64  # intervals per batch


def frames_of(
    dataset: SkeletonDataset, recording: int, model: str, choices: Mapping[str, Any]
) -> Frames:
    """Returns a function that preprocesses ranges of frames of a recording.

    If coordinates are relative to the main actor, this is the body that moves most in the whole
    recording, in every range in which it is present. Frames therefore do not depend on the range.

    Args:
        dataset: The recordings.
        recording: Index of the recording.
        model: Name of a model that processes clips at their original length.
        choices: Preprocessing options; coordinates must be computed per frame.
    """
    entry = MODELS[model]
    many = str(choices.get("coordinates")).startswith("actor") and dataset.max_bodies > 1
    actor = main_actor(dataset.clip(recording)) if many else None

    def frames(start: int, end: int) -> np.ndarray:
        clip = dataset.clip(recording, start, end)
        there = actor is not None and present(clip)[:, actor].any()
        of = {"actor": actor} if there else {}
        return entry.preprocess(dataset.skeleton, end - start, **choices, **of)(clip)

    return frames


def classifier_of(dataset: SkeletonDataset, recording: int, recognizer: Recognizer) -> Classify:
    """Returns a function that classifies intervals of a recording.

    Args:
        dataset: The recordings.
        recording: Index of the recording.
        recognizer: The classifier, with logits (B, C + 1).
    """
    own = recognizer.preprocessing

    def classify(intervals: np.ndarray) -> np.ndarray:
        found = []
        for first in range(0, len(intervals), BATCH):
            some = intervals[first : first + BATCH]
            frames = own.input_frames(int((some[:, 1] - some[:, 0]).max()))
            clips = [own(dataset.clip(recording, a, b), frames) for a, b in some.tolist()]
            batch = np.resize(np.stack(clips), (BATCH, *clips[0].shape))
            logits = recognizer.outputs(batch)["logits"][: len(some)]
            found.append(softmax(logits.astype(np.float64), axis=1))
        return np.concatenate(found) if found else np.zeros((0, len(recognizer.classes)))

    return classify
