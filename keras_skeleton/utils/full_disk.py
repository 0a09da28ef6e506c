"""Says where a disk is full, and how to go on."""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from keras_skeleton.utils.errors import UserError

FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
# In errors of HDF5 and TensorFlow; NumPy's says only how much was written.
SIGNS = ("No space left on device", "Disk quota exceeded", " requested and ")
LITTLE = 64 << 20  # bytes
REMEDY = (
    "free some space, then run the same command again (train and detect: with --out and --resume, "
    "to go on where they stopped)"
)


class FullDiskError(UserError, OSError):
    """There is no space for a file; `filename` is the file."""

    def __str__(self) -> str:
        return str(self.strerror)


@contextmanager
def writing(path: str | Path) -> Iterator[None]:
    """Raises a `FullDiskError` that names the file if its disk is full.

    Example:
        >>> import errno
        >>> from keras_skeleton.utils.full_disk import writing
        >>> with writing("run/state.npz"):
        ...     raise OSError(errno.ENOSPC, "No space left on device")
        Traceback (most recent call last):
            ...
        keras_skeleton.utils.full_disk.FullDiskError: run/state.npz: no space left on the disk ...
    """
    try:
        yield
    except FullDiskError:
        raise
    except Exception as error:
        if not _is_full(error):
            raise
        why = f"{path}: no space left on the disk ({_free(Path(path))} free); {REMEDY}"
        raise FullDiskError(errno.ENOSPC, why, str(path)) from error


def full_disk(error: BaseException) -> str | None:
    """The message for an error that says that a disk is full; None for others."""
    if isinstance(error, FullDiskError):
        return str(error)
    if not _is_full(error):
        return None
    name = getattr(error, "filename", None)
    if name is not None:
        where = f"{os.fsdecode(name)}: no space left on the disk"
    else:
        # What failed is not known: the disks that are full are.
        places = [Path.cwd(), Path(tempfile.gettempdir()), Path.home()]
        little = [str(place) for place in places if _bytes_free(place) < LITTLE]
        where = "no space left on a disk" + (f" (that of {', '.join(little)})" if little else "")
    return f"{where}; {REMEDY}"


def _is_full(error: BaseException | None) -> bool:
    while error is not None:
        if getattr(error, "errno", None) in FULL or any(sign in str(error) for sign in SIGNS):
            return True
        error = error.__cause__ or error.__context__
    return False


def _bytes_free(path: Path) -> int:
    place = next((p for p in (path, *path.absolute().parents) if p.exists()), Path("/"))
    return shutil.disk_usage(place).free


def _free(path: Path) -> str:
    free = _bytes_free(path)
    return f"{free / 2**20:.0f} MiB" if free >= 1 << 20 else f"{free} bytes"
