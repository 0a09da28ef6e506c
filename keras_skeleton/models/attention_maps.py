"""What a network attends to: the outputs of its attention layers, found by their names."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from numpy.typing import ArrayLike

from keras_skeleton.models import csta_cnn

# Which layer's output is which attention, for every model that has it.
ATTENTION_LAYERS = {
    "joints": "joint_attention",
    "frames": "frame_attention",
    "parts": "part_attention",
}
COUPLED_LAYERS = {"joints": "position_joints", "frames": "position_frames"}  # of CSTA-CNN


def attention_maps(model: keras.Model, batch: Any) -> dict[str, np.ndarray]:
    """What the model attends to in a batch of its inputs.

    Returns:
        Those that the model has of `"joints"` (B, T, V), `"frames"` (B, T), or (B, T, 3) where
        the coordinates have attention of their own, and `"parts"` (B, K).
    """
    names = {layer.name for layer in model.layers}
    coupled = names & set(COUPLED_LAYERS.values())
    wanted = COUPLED_LAYERS if coupled else ATTENTION_LAYERS
    outputs = {key: model.get_layer(name).output for key, name in wanted.items() if name in names}
    if not outputs:
        return {}
    maps = keras.Model(model.input, outputs)(batch, training=False)
    found = {key: keras.ops.convert_to_numpy(value) for key, value in maps.items()}
    return csta_cnn.maps(found) if coupled else found


def attention_on_frames(attention: ArrayLike, rows: ArrayLike, frames: int) -> np.ndarray:
    """Resamples attention over a model's rows to the clip's own frames, by linear interpolation.

    A model sees R rows (50, say) made from a clip of T frames: by sampling, by interpolation or
    by padding. `rows` says where in the clip each row came from.

    Args:
        attention: (R,) or (R, K), one value (or K of them) a row.
        rows: (R,), the clip's frame of each row, counted from 0; fractions lie between two
            frames, NaN is a row that shows no frame (padding). Need not be sorted. Rows with the
            same frame are averaged.
        frames: T.

    Returns:
        float64 (T,) or (T, K). Frames before the first and after the last row get the value of
        the nearest one.

    Raises:
        ValueError: Shapes that do not fit, or no row that shows a frame.
    """
    values, places = np.asarray(attention, np.float64), np.asarray(rows, np.float64)
    if values.ndim not in (1, 2) or places.shape != values.shape[:1]:
        raise ValueError(
            f"attention has shape {values.shape} and rows {places.shape}, "
            "expected (R,) or (R, K), and (R,)"
        )
    known = np.isfinite(places)
    if not known.any():
        raise ValueError("no row shows a frame of the clip")
    at, which = np.unique(places[known], return_inverse=True)
    table = values.reshape(len(values), -1)[known]
    means = np.zeros((len(at), table.shape[1]))
    np.add.at(means, which, table)
    means /= np.bincount(which)[:, None]
    wanted = np.arange(frames)
    resampled = np.stack([np.interp(wanted, at, column) for column in means.T], axis=1)
    return resampled[:, 0] if values.ndim == 1 else resampled
