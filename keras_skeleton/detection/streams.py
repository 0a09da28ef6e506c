"""Untrimmed recordings as networks read them: frame by frame, or interval by interval."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
from scipy.special import softmax

from keras_skeleton.datasets.dataset import SkeletonDataset
from keras_skeleton.detection.curve import Frames
from keras_skeleton.detection.detect import Classify
from keras_skeleton.models.registry import MODELS
from keras_skeleton.transforms.geometry import present
from keras_skeleton.transforms.normalise import main_actor

BATCH = 64  # intervals that are classified at a time
SIZES = (16, 32, 64, 128, 256, 512)  # frames of a batch, so that few sizes are traced


def frames_of(
    dataset: SkeletonDataset, recording: int, model: str, choices: Mapping[str, Any]
) -> Frames:
    """A recording as a network reads it, piece by piece.

    Where coordinates are the main actor's, the body that moves most in the recording is that in
    every piece in which it is there at all, so that frames do not depend on where pieces begin.

    Args:
        dataset: Recordings.
        recording: Which one.
        model: Its name; of a model that reads clips at their own length.
        choices: Of its view of a clip; coordinates have to belong to single frames.
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


def classifier_of(
    dataset: SkeletonDataset,
    recording: int,
    network: keras.Model,
    model: str,
    choices: Mapping[str, Any],
    most: int | None,
) -> Classify:
    """Classifies intervals of a recording.

    Args:
        dataset, recording, model, choices: As for `frames_of`.
        network: To logits (B, C + 1).
        most: Frames that it reads of an interval at most; longer ones are subsampled. None for a
            network that reads a fixed number of frames.
    """
    entry = MODELS[model]

    def classify(intervals: np.ndarray) -> np.ndarray:
        found = []
        for first in range(0, len(intervals), BATCH):
            own = intervals[first : first + BATCH]
            size = None
            if entry.sequence and most:
                longest = min(int((own[:, 1] - own[:, 0]).max()), most)
                size = min(next((s for s in SIZES if s >= longest), most), most)
            read = entry.preprocess(dataset.skeleton, size, **choices)
            clips = [read(dataset.clip(recording, a, b)) for a, b in own.tolist()]
            batch = np.resize(np.stack(clips), (BATCH, *clips[0].shape))
            logits = np.asarray(network.predict_on_batch(batch))[: len(own)]
            found.append(softmax(logits.astype(np.float64), axis=1))
        return np.concatenate(found) if found else np.zeros((0, network.output_shape[-1]))

    return classify
