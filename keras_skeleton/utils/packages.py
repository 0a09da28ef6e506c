"""Optional packages."""

from __future__ import annotations

from importlib.util import find_spec


def missing_packages(*names: str) -> list[str]:
    """Returns those of the packages that are not installed, without importing any.

    Example:
        >>> missing_packages("json", "no_such_package")
        ['no_such_package']
    """
    return [name for name in names if find_spec(name) is None]
