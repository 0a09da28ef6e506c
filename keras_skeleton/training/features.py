"""Output features of frozen video streams, computed once and cached on disk.

    FEATURES/left_hand.npy    float16 (n, views, T'', 1, 1, channels), one row per dataset clip
    FEATURES/left_hand.json   the number of finished clips, checksums of the weights and the clips

An interrupted computation resumes where it stopped; with other weights or clips it starts over.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np

from keras_skeleton.checkpoints.weights import load_weights
from keras_skeleton.models.pose_i3d import POOLED
from keras_skeleton.training.pipeline import ClipInputs
from keras_skeleton.utils.files import read_json, write_json
from keras_skeleton.utils.full_disk import FULL, writing

BLOCK = 64  # clips between two updates of the JSON file


def stream_features(
    network: keras.Model,
    weights: Path,
    inputs: ClipInputs,
    clips: np.ndarray,
    views: int,
    batch_size: int,
    folder: Path,
    log: Callable[[str], None] = print,
) -> np.ndarray:
    """Computes the stream features of one track, as a read-only memory map.

    Args:
        network: A `models.pose_i3d.part_network`, named after its track.
        weights: Trained weights of the network.
        inputs: Its video inputs.
        clips: Indices of the clips to compute; the rows of the others stay zero.
        views: Number of fixed views per clip; training draws from them.
        batch_size: Number of clips per forward pass.
        folder: Output folder.
        log: Called with each line of console output.
    """
    load_weights(network, weights)
    pooled = network.get_layer(POOLED).output
    stream = keras.Model(network.input, pooled)
    shape = (len(inputs.dataset), views, *pooled.shape[1:])
    folder.mkdir(parents=True, exist_ok=True)
    values, note = folder / f"{network.name}.npy", folder / f"{network.name}.json"
    mine = {
        "weights": zlib.crc32(weights.read_bytes()),
        "shape": list(shape),
        "clips": zlib.crc32(np.ascontiguousarray(clips, np.int64).tobytes()),
    }
    done = _done(note, values, mine)
    if not done:
        with writing(values):
            np.lib.format.open_memmap(values, "w+", np.float16, shape).flush()
            _reserve(values)
    kept = np.lib.format.open_memmap(values, "r+")
    for first in range(done, len(clips), BLOCK):
        if not first % (BLOCK * 16):
            log(f"features of {network.name}: {first} of {len(clips)} clips")
        block = clips[first : first + BLOCK]
        for some in np.array_split(block, -(-len(block) // batch_size)):
            for view in range(views):
                found = stream.predict_on_batch(inputs.batch(some, (0, view)))
                kept[some, view] = keras.ops.convert_to_numpy(found)
        kept.flush()
        write_json(note, {**mine, "done": first + len(block)})
    return np.load(values, mmap_mode="r", allow_pickle=False)


def _reserve(path: Path) -> None:
    """Takes the space of a file that will be written as memory; a disk that is full then would end
    the process."""
    if hasattr(os, "posix_fallocate"):
        with open(path, "r+b") as file:
            try:
                os.posix_fallocate(file.fileno(), 0, path.stat().st_size)
            except OSError as error:
                if error.errno in FULL:  # else a file system that cannot
                    raise


def _done(note: Path, values: Path, mine: dict[str, object]) -> int:
    """The number of clips that an earlier run of the same computation has finished."""
    if not (note.exists() and values.exists()):
        return 0
    try:
        theirs = read_json(note, "a note")
        kept = np.load(values, mmap_mode="r", allow_pickle=False)
        if kept.dtype != np.float16 or list(kept.shape) != mine["shape"]:
            return 0
        return int(theirs["done"]) if {**theirs, "done": 0} == {**mine, "done": 0} else 0
    except (ValueError, KeyError, TypeError, OverflowError, OSError):
        return 0
