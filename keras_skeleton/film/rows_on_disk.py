"""Rows of numbers that grow on disk, so that an hour of film needs no more memory than a second."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np


class RowsOnDisk:
    """An array whose first axis grows; rows that were never written are zero.

    Args:
        path: A new file.
        shape: Shape of one row.
        dtype: Type of the numbers.

    Example:
        >>> from pathlib import Path
        >>> import numpy as np
        >>> from keras_skeleton.film.rows_on_disk import RowsOnDisk
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     rows = RowsOnDisk(Path(folder) / "rows", (2,), np.int32)
        ...     rows.write(1, np.array([[5, 6]]))
        ...     rows.read(3).tolist()
        [[0, 0], [5, 6], [0, 0]]
    """

    def __init__(self, path: Path, shape: tuple[int, ...], dtype: type) -> None:
        self.path, self.shape, self.dtype = path, shape, np.dtype(dtype)
        self._size = math.prod(shape) * self.dtype.itemsize
        self._file = path.open("w+b")

    def write(self, first: int, rows: np.ndarray) -> None:
        """Writes rows (n, *shape) to the places from `first`."""
        if rows.shape[1:] != self.shape:
            raise ValueError(f"rows have shape {rows.shape}, expected (n, {self.shape})")
        self._file.seek(first * self._size)
        self._file.write(np.ascontiguousarray(rows, self.dtype).tobytes())

    def read(self, length: int) -> np.ndarray:
        """The first `length` rows, a read-only memory map; ends the writing."""
        self._file.truncate(length * self._size)
        self.close()
        if not length or not self._size:
            return np.zeros((length, *self.shape), self.dtype)
        return np.memmap(self.path, self.dtype, "r", shape=(length, *self.shape))

    def close(self) -> None:
        """Ends the writing where nothing is to be read."""
        self._file.close()
