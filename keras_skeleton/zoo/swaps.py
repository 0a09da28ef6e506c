"""Swap tests of the networks of the zoo: `weights/swaps.json`, for attention pages.

Each is of one weights file, known by its SHA-256: new weights of the same name have none. Needs
neither Keras nor TensorFlow.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from keras_skeleton.evaluation.swap_test import summarize
from keras_skeleton.utils.files import read_json, write_json
from keras_skeleton.zoo.entries import ZOO, Entry, ZooError

FILE = "swaps.json"


def _read(folder: Path) -> dict[str, Any]:
    try:
        return dict(read_json(folder / FILE, "swap tests of a zoo"))
    except FileNotFoundError:
        return {}
    except (ValueError, TypeError, OverflowError) as error:
        raise ZooError(f"{folder / FILE}: damaged ({error}); delete it") from None


def record_swap(
    entry: Entry, clips: pd.DataFrame, command: str, seed: int, folder: Path = ZOO
) -> None:
    """Records the swap test of an entry.

    Args:
        entry: The entry.
        clips: Its swap test, one row per clip; see `evaluation.swap_test`.
        command: Command line that measured it.
        seed: Seed of the swaps and of the bootstrap.
        folder: Folder of the zoo.
    """
    summary = summarize(clips, seed).round(5)
    found = _read(folder)
    found[entry.name] = {
        "weights": entry.files[entry.file],
        "command": command,
        "seed": seed,
        "rows": summary.to_dict("records"),
    }
    write_json(folder / FILE, dict(sorted(found.items())))


def recorded_swap(entry: Entry, folder: Path = ZOO) -> list[dict[str, Any]]:
    """Rows of `summarize` of an entry's swap test; empty if its weights have none.

    Raises:
        ZooError: If the file is damaged.
    """
    found = _read(folder).get(entry.name, {})
    try:
        return list(found["rows"]) if found.get("weights") == entry.files[entry.file] else []
    except (KeyError, TypeError, OverflowError, AttributeError):
        raise ZooError(f"{folder / FILE}: damaged ('{entry.name}'); delete it") from None
