"""Calibrate a trained network on the training and validation clips of its fold."""

from __future__ import annotations

from collections.abc import Sequence

import keras
import numpy as np

from keras_skeleton.datasets.dataset import Fold
from keras_skeleton.evaluation.calibration import Calibration, fit_calibration
from keras_skeleton.models.head import pooled_features
from keras_skeleton.training.pipeline import ClipInputs, evaluation_batches
from keras_skeleton.training.trainer import EVALUATION_BATCH


def calibrate(
    model: keras.Model,
    head: Sequence[keras.layers.Layer],
    inputs: ClipInputs,
    fold: Fold,
) -> Calibration:
    """Calibrates a network.

    Args:
        model: The network, with its trained weights.
        head: Its head, from `models.head.head_layers`.
        inputs: Preprocessed inputs of all clips.
        fold: The fold that it was trained on, with at least one validation clip.

    Example:
        >>> from keras_skeleton.training.calibrate import calibrate
        >>> head = head_layers(model, "lstm", "sbu", 8)  # doctest: +SKIP
        >>> calibrate(model, head, inputs, fold).temperature  # doctest: +SKIP
    """
    features, name = pooled_features(model, head)
    both = keras.Model(model.input, {"logits": model.output, "features": features})
    clips = np.concatenate([fold.train, fold.validation])
    found: dict[str, list[np.ndarray]] = {"logits": [], "features": []}
    for batch, _ in evaluation_batches(inputs, clips, min(EVALUATION_BATCH, len(clips))):
        outputs = both.predict_on_batch(np.asarray(batch))
        for key, parts in found.items():
            parts.append(np.asarray(outputs[key], np.float64))
    logits, vectors = (np.concatenate(found[key])[: len(clips)] for key in ("logits", "features"))
    n = len(fold.train)
    return fit_calibration(
        (vectors[:n], inputs.labels[fold.train]),
        (vectors[n:], inputs.labels[fold.validation], logits[n:]),
        layer=name,
    )
