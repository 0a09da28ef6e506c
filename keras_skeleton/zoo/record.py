"""What a finished run says of itself: its run.json. Needs neither Keras nor TensorFlow."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from keras_skeleton.datasets import get_source
from keras_skeleton.files import read_json
from keras_skeleton.zoo.entries import ZooError

NEEDED = ("dataset", "protocol", "variant", "seed", "classes", "skeleton")
RECOGNIZES = ("model", "recipe")


def about_run(run: Path) -> dict[str, Any]:
    """The content of a run's run.json, `task` and the reader's `options` among it.

    Raises:
        ZooError: No run there.
    """
    about = read_record(run / "run.json")
    detects = about.setdefault("task", "recognition") == "detection"
    if lacking := {*NEEDED, *(() if detects else RECOGNIZES)} - set(about):
        raise ZooError(f"{run / 'run.json'}: lacks {', '.join(sorted(lacking))}")
    if detects:
        return {**about, "options": {"clips": "untrimmed"}}
    own = get_source(about["dataset"]).protocol_options.get(about["protocol"], {})
    return {**about, "options": {**about["recipe"]["dataset"], **own}}


def read_record(path: Path) -> dict[str, Any]:
    """A file that a finished run left; ZooError where it did not."""
    try:
        return dict(read_json(path, "a run's record"))
    except (OSError, ValueError, TypeError):
        raise ZooError(f"{path}: missing or damaged; name the folder of a finished run") from None
