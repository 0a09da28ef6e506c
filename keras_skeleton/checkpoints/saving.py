"""Saves the weights of a network, so that a full disk is an error and not a crash.

HDF5 ends the process with a segmentation fault if its writes to a disk fail. So the file is made
in memory, in the layout of `keras.Model.save_weights`, and written as bytes.
"""

from __future__ import annotations

import io
from functools import partial
from pathlib import Path

import keras
from keras.src.saving import saving_lib  # `save_weights` itself writes only to a disk

from keras_skeleton.utils.files import write_atomic


def save_weights(model: keras.Model, path: str | Path) -> None:
    """Saves all weights of a built network, and its optimizer's state if it was compiled.

    If interrupted, the previous file is unchanged.

    Args:
        model: The network.
        path: The file, by convention `NAME.weights.h5`; `model.load_weights` reads it, too.

    Raises:
        FullDiskError: There is no space for the file.

    Example:
        >>> import keras, tempfile
        >>> from pathlib import Path
        >>> from keras_skeleton.checkpoints.saving import save_weights
        >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(3)])
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     save_weights(model, Path(folder) / "a.weights.h5")
        ...     model.load_weights(Path(folder) / "a.weights.h5")
    """
    content = io.BytesIO()
    store = saving_lib.H5IOStore(content, mode="w")
    saving_lib._save_state(
        model, weights_store=store, assets_store=None, inner_path="", visited_saveables=set()
    )
    store.close()
    write_atomic(path, partial(Path.write_bytes, data=content.getbuffer()))
