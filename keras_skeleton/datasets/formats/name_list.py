"""Reads published lists, such as class names and missing samples, from the folder `lists`.

Lines that begin with `#` are comments with the source of a list.
"""

from __future__ import annotations

from pathlib import Path

FOLDER = Path(__file__).resolve().parents[1] / "lists"


def read_list(name: str) -> list[str]:
    """The lines of a list without comments."""
    lines = (FOLDER / name).read_text("utf-8").splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def read_names(name: str) -> tuple[str, ...]:
    """The names of a list with lines like `A001 drink water`.

    Example:
        >>> from keras_skeleton.datasets.formats.name_list import read_names
        >>> read_names("ntu_classes.txt")[0]
        'drink water'
    """
    return tuple(line.split(" ", 1)[1] for line in read_list(name))
