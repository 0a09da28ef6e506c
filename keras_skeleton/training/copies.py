"""Scores clips by the mean probability of random copies of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_skeleton.layers import augmentation
from keras_skeleton.models.csta_cnn import copies_logits
from keras_skeleton.recipes.recipe import Recipe
from keras_skeleton.training.pipeline import ClipInputs

BATCH = 64  # clips at a time


def predict_copies(
    model: keras.Model, inputs: ClipInputs, clips: np.ndarray, recipe: Recipe, seed: int
) -> np.ndarray:
    """Log of the mean class probability over `recipe.test_copies` random copies of each clip.

    Copies of a network that samples frames are sampled and cropped as in its training; those of
    other networks are drawn by the recipe's augmentation.

    Args:
        model: The network.
        inputs: Its inputs.
        clips: Indices of the clips, (n,).
        recipe: The recipe of its training.
        seed: The same seed gives the same copies.

    Returns:
        float32 (n, C).
    """
    samples = "sampling" in {layer.name for layer in model.layers}
    found = []
    for some in np.array_split(clips, -(-len(clips) // BATCH)):
        batch = inputs.batch(some)
        found.append(
            copies_logits(model, batch, recipe.test_copies, seed)
            if samples
            else augmented_logits(model, batch, recipe.augment, recipe.test_copies, seed)
        )
    return np.concatenate(found)


def augmented_logits(
    model: keras.Model,
    clips: Any,
    augment: Sequence[tuple[str, Mapping[str, Any]]],
    copies: int,
    seed: int = 0,
) -> np.ndarray:
    """Log of the mean class probability over augmented copies of each clip.

    Args:
        model: The network.
        clips: Its input, (B, ...).
        augment: Layers of `layers.augmentation`, as (class, arguments).
        copies: Number of copies, at least 1.
        seed: The same seed gives the same copies.

    Returns:
        float32 (B, C).

    Example:
        >>> import numpy as np
        >>> from keras_skeleton.models.registry import build_model
        >>> from keras_skeleton.training.copies import augmented_logits
        >>> model = build_model("lstm", classes=5)
        >>> clips = np.ones((3, 20, 50, 3), "float32")
        >>> turned = (("RandomRotation", {"degrees": (0, 20, 0)}),)
        >>> augmented_logits(model, clips, turned, copies=4).shape
        (3, 5)
    """
    total = 0.0
    for copy in range(copies):
        changed = clips
        for number, (name, arguments) in enumerate(augment):
            own = {**arguments, "seed": (seed * copies + copy) * len(augment) + number}
            changed = getattr(augmentation, name)(**own)(changed, training=True)
        logits = ops.convert_to_numpy(model.predict_on_batch(changed)).astype(np.float64)
        total = total + np.exp(logits - np.logaddexp.reduce(logits, axis=-1, keepdims=True))
    return np.log(np.asarray(total) / copies + 1e-12).astype(np.float32)
