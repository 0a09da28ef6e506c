"""Optional packages."""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec


def missing_packages(*names: str) -> list[str]:
    """Returns those of the packages that are not installed, without importing any.

    Example:
        >>> from keras_skeleton.utils.packages import missing_packages
        >>> missing_packages("json", "no_such_package")
        ['no_such_package']
    """
    return [name for name in names if find_spec(name) is None]


@contextmanager
def hidden_packages(*names: str) -> Iterator[None]:
    """Makes packages that are not imported yet appear as not installed.

    Use it around the import of a package that imports others only if they are installed.

    Example:
        >>> from keras_skeleton.utils.packages import hidden_packages, missing_packages
        >>> with hidden_packages("wave"):
        ...     missing_packages("wave")
        ['wave']
    """
    hidden = [name for name in names if name not in sys.modules]
    sys.modules.update(dict.fromkeys(hidden))  # type: ignore[arg-type]  # None stops an import
    try:
        yield
    finally:
        for name in hidden:
            if sys.modules.get(name, name) is None:
                del sys.modules[name]


@contextmanager
def no_collection() -> Iterator[None]:
    """Stops the collection of cycles, which a large import only delays, and excludes all objects
    that exist at the end from later ones."""
    running = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if running:
            gc.enable()
