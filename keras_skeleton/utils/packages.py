"""Packages that only some commands need."""

from __future__ import annotations

from importlib.util import find_spec


def missing_packages(*names: str) -> list[str]:
    """Those of the packages that are not installed; none is imported."""
    return [name for name in names if find_spec(name) is None]
