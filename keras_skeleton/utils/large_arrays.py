"""Large arrays in temporary files, so that they need not fit into memory."""

from __future__ import annotations

import math
import os
import tempfile
from pathlib import Path

import numpy as np

MEMORY = 1 << 30  # bytes; larger arrays are mapped
DISK = Path("/var/tmp")  # noqa: S108  # unlike /tmp, it is never in memory


def large_array(shape: tuple[int, ...], memory: int = MEMORY) -> np.ndarray:
    """A new float32 array, which is in a temporary file if it is large.

    The file has no name and its space is free again when the array is deleted or the process ends.
    The system moves parts of the array that are not in use out of memory. The file is in
    `$TMPDIR`, else in `/var/tmp`, else in the system's temporary folder. Without enough space
    there, the array is in memory.

    Args:
        shape: Shape of the array.
        memory: Size in bytes up to which the array is in memory.

    Returns:
        The array, with any values.

    Example:
        >>> from keras_skeleton.utils.large_arrays import large_array
        >>> type(large_array((3, 2))).__name__, type(large_array((3, 2), memory=8)).__name__
        ('ndarray', 'memmap')
    """
    size = 4 * math.prod(shape)
    if size <= memory:
        return np.empty(shape, np.float32)
    folder = os.environ.get("TMPDIR") or (DISK if os.access(DISK, os.W_OK) else None)
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            if hasattr(os, "posix_fallocate"):
                os.posix_fallocate(file.fileno(), 0, size)  # else a full disk ends the process
            else:
                file.truncate(size)
            return np.memmap(file, np.float32, "r+", shape=shape)
    except OSError:
        return np.empty(shape, np.float32)
