"""Compute a network's output for every frame of a stream of any length: the attention curve of Song
et al. (TIP 2018, Fig. 4), or the frame labels of JCR-RNN.

A stream is processed in chunks of equal length with context frames on both sides, on which the
LSTMs warm up. Memory use is therefore independent of the stream's length.
"""

from __future__ import annotations

from collections.abc import Callable

import keras
import numpy as np

GATE = "frame_attention"  # the layer that outputs the curve
STEP = 256  # chunks of short streams have a multiple of STEP frames
AROUND = 256  # context of a chunk: LSTMs forget

Frames = Callable[[int, int], np.ndarray]
"""`frames(start, end)` returns the network's input for these frames of a stream, (n, K, 3)."""


def gates_of(model: keras.Model) -> keras.Model:
    """Returns the part of a network that computes frame attention, (B, T), for use with `along`.

    The network must have frame gates (`tap_lstm`, `ta_lstm`, `sta_lstm`) and accept any length.
    """
    return keras.Model(model.input, model.get_layer(GATE).output)


def along(
    model: keras.Model,
    frames: Frames,
    length: int,
    chunk: int = 1024,
    around: int = AROUND,
    batch_size: int = 16,
) -> np.ndarray:
    """Computes a network's output for every frame of a stream, float32 (length, ...).

    Args:
        model: Maps (B, T, K, 3) to (B, T, ...) for any T.
        frames: The stream.
        length: Number of frames of the stream.
        chunk: Number of frames per chunk.
        around: Number of context frames before and after each chunk; those after it matter for
            bidirectional networks only. With 256, the result hardly depends on the position of
            chunks, since LSTMs forget.
        batch_size: Number of chunks per batch.
    """
    if length < 0 or chunk < 1 or around < 0:
        raise ValueError(
            f"length={length}, chunk={chunk}, around={around}: expected length >= 0, chunk >= 1, "
            "around >= 0"
        )
    found = np.empty((length, *model.output_shape[2:]), np.float32)
    # Few shapes, so that the network is traced only a few times for any number of streams.
    chunk = min(chunk, max(-(-length // STEP), 1) * STEP)
    starts = np.arange(0, length, chunk)
    rows = min(batch_size, 1 << max(len(starts) - 1, 0).bit_length())
    for first in range(0, len(starts), rows):
        own = starts[first : first + rows]
        low = np.maximum(own - around, 0)
        high = np.minimum(own + chunk + around, length)
        pieces = [frames(a, b) for a, b in zip(low.tolist(), high.tolist(), strict=True)]
        batch = np.zeros((rows, chunk + 2 * around, *pieces[0].shape[1:]), np.float32)
        for row, piece in zip(batch, pieces, strict=False):
            row[: len(piece)] = piece
        batch[len(pieces) :] = batch[0]  # some GPUs fail on rows without any frame
        outputs = model.predict_on_batch(batch)
        for values, a, s in zip(outputs, low, own, strict=False):
            count = min(chunk, length - s)
            found[s : s + count] = values[s - a : s - a + count]
    return found
