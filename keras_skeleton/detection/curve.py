"""What a network puts out for every frame of a stream of any length, piece by piece: the attention
curve of Song et al. (TIP 2018, Fig. 4), or the frame labels of JCR-RNN.

A stream is read in chunks of equal length, each with frames around it for the LSTMs to warm up
on, so memory does not depend on how long it is.
"""

from __future__ import annotations

from collections.abc import Callable

import keras
import numpy as np

GATE = "frame_attention"  # the layer whose output is the curve
STEP = 256  # frames: chunks of short streams are a multiple of it

Frames = Callable[[int, int], np.ndarray]
"""`frames(start, end)`: what the network reads of these frames of a stream, (n, K, 3)."""


def gates_of(model: keras.Model) -> keras.Model:
    """The part of a network with frame gates (`tap_lstm`, `ta_lstm`, `sta_lstm`), built for any
    length, that puts out their attention, (B, T): for `along`, which gives the curve."""
    return keras.Model(model.input, model.get_layer(GATE).output)


def along(
    model: keras.Model,
    frames: Frames,
    length: int,
    chunk: int = 1024,
    around: int = 256,
    batch_size: int = 16,
) -> np.ndarray:
    """float32 (length, ...): a network's output for every frame of a stream.

    Args:
        model: (B, T, K, 3) to (B, T, ...), for any T.
        frames: The stream.
        length: T of the stream.
        chunk: Frames whose output one pass gives.
        around: Frames before and behind them that the pass also reads; those behind matter to
            bidirectional networks. LSTMs forget: with 256 the result hardly depends on where
            chunks begin.
        batch_size: Chunks at a time.
    """
    if length < 0 or chunk < 1 or around < 0:
        raise ValueError(f"length={length}, chunk={chunk}, around={around}: none can be negative")
    found = np.empty((length, *model.output_shape[2:]), np.float32)
    # Few shapes, so that a network is traced a few times only, however many streams there are.
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
        batch[len(pieces) :] = batch[0]  # a row without any frame is refused on some GPUs
        outputs = model.predict_on_batch(batch)
        for values, a, s in zip(outputs, low, own, strict=False):
            count = min(chunk, length - s)
            found[s : s + count] = values[s - a : s - a + count]
    return found
