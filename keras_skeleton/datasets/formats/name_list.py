"""Published lists as readable files: class names, missing samples, mappings.

Lines that begin with `#` say where a list comes from.
"""

from __future__ import annotations

from pathlib import Path

FOLDER = Path(__file__).resolve().parents[1] / "lists"


def read_list(name: str) -> list[str]:
    """The lines of a list, without its comments."""
    lines = (FOLDER / name).read_text("utf-8").splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def read_names(name: str) -> tuple[str, ...]:
    """The names of a list whose lines are `A001 drink water`."""
    return tuple(line.split(" ", 1)[1] for line in read_list(name))
