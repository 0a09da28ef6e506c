"""What a run says of itself: `run.json`, and whether two runs are one experiment.

Needs neither Keras nor TensorFlow. Files of earlier versions are read, too: `upgraded` gives their
content the names of today.
"""

from __future__ import annotations

import json
import os
import shlex
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from keras_skeleton.datasets.registry import get_source
from keras_skeleton.evaluation.scores import ResultsError
from keras_skeleton.utils.errors import UserError
from keras_skeleton.utils.files import is_part, read_json, write_json
from keras_skeleton.utils.processes import THREADS

NEEDED = ("dataset", "protocol", "recipe", "seed", "classes", "skeleton")
RECOGNIZES = ("model", "settings")
# Entries of run.json that parts of one experiment may disagree in; all others must be the same.
MAY_DIFFER = frozenset(
    {"command", "versions", "device", "devices", "host", "started", "finished", "seconds",
     "folds", "out", "data_dir", "cache_dir", "notes"}
)  # fmt: skip
# Names before version 0.2, and those of today.
_RENAMED = {
    "accuracy_paper": "best_test_accuracy",
    "accuracy_paper_std": "best_test_accuracy_std",
    "epoch_paper": "best_test_epoch",
}


class RunError(UserError):
    """The run cannot be started or continued; the message says why and what to do."""


def upgraded(content: Any) -> Any:
    """A record of any version with the names of today; the original is left as it is.

    Before version 0.2, `variant` was the recipe's name and `recipe` its fields, whose `read` is
    called `preprocessing` today.
    """
    if isinstance(content, list):
        return [upgraded(item) for item in content]
    if not isinstance(content, Mapping):
        return content
    new = {_RENAMED.get(key, key): upgraded(value) for key, value in content.items()}
    if "variant" in new:
        if isinstance(new.get("recipe"), dict):
            new["settings"] = _preprocessing(new["recipe"])
        new["recipe"] = new.pop("variant")
    if isinstance(new.get("recipes"), dict):
        new["recipes"] = {name: _preprocessing(own) for name, own in new["recipes"].items()}
    return new


def _preprocessing(settings: Any) -> Any:
    if not isinstance(settings, dict):
        return settings
    return {("preprocessing" if key == "read" else key): value for key, value in settings.items()}


def read_record(path: Path) -> dict[str, Any]:
    """A JSON file that a run left, with the names of today.

    Raises:
        ResultsError: Missing, unreadable or not an object.
    """
    try:
        content = read_json(path, "a run's notes")
    except FileNotFoundError:
        raise ResultsError(f"{path}: missing; name the folder of a run") from None
    except (ValueError, OSError) as error:
        raise ResultsError(
            f"{path}: damaged ({getattr(error, 'strerror', None) or error})"
        ) from None
    if not isinstance(content, dict):
        raise ResultsError(f"{path}: holds a {type(content).__name__}, expected an object")
    return dict(upgraded(content))


def about_run(run: Path) -> dict[str, Any]:
    """The content of a run's run.json, with its `task` and the reader's `options`.

    Raises:
        ResultsError: No run there.
    """
    about = read_record(run / "run.json")
    detects = about.setdefault("task", "recognition") == "detection"
    if lacking := {*NEEDED, *(() if detects else RECOGNIZES)} - set(about):
        raise ResultsError(f"{run / 'run.json'}: lacks {', '.join(sorted(lacking))}")
    if detects:
        return {**about, "options": {"clips": "untrimmed"}}
    own = get_source(about["dataset"]).protocol_options.get(about["protocol"], {})
    return {**about, "options": {**about["settings"]["dataset"], **own}}


def experiment_differences(first: Mapping[str, Any], second: Mapping[str, Any]) -> list[str]:
    """What two runs disagree in that parts of one experiment must share, down to single values:
    `["settings.epochs: 30 and 12"]`."""
    own, other = (
        # What newer versions note and do not use, is None.
        {key: value for key, value in run.items() if key not in MAY_DIFFER and value is not None}
        for run in (first, second)
    )
    return list(differences(own, other))


def differences(a: Any, b: Any, where: str = "") -> Iterator[str]:
    """What two JSON values disagree in."""
    if isinstance(a, Mapping) and isinstance(b, Mapping):
        for key in {**a, **b}:
            name = f"{where}.{key}" if where else str(key)
            yield from differences(a.get(key, "nothing"), b.get(key, "nothing"), name)
    elif isinstance(a, list) and isinstance(b, list) and len(a) == len(b):
        for i, (x, y) in enumerate(zip(a, b, strict=True)):
            yield from differences(x, y, f"{where}[{i}]")
    elif a != b:
        yield f"{where}: {_short(a)} and {_short(b)}"


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value)
    return text if len(text) <= 80 else text[:77] + "..."


def open_run(folder: Path, mine: Mapping[str, Any], begun: Sequence[int], resume: bool) -> None:
    """Makes a run's folder, or checks that what is there belongs to the same experiment.

    Args:
        folder: Of the run.
        mine: The content of its run.json.
        begun: Folds asked for that are there already.
        resume: They may be.

    Raises:
        RunError: Another experiment's folder, or folds that are there already.
    """
    path = folder / "run.json"
    if path.exists():
        try:
            theirs = read_record(path)
        except ResultsError:
            raise RunError(f"{path} is damaged; delete it or choose another --out") from None
        if found := experiment_differences(theirs, mine):
            raise RunError(
                f"{folder} holds another experiment (there and here: {'; '.join(found)}); choose "
                "another --out"
            )
        if begun and not resume:
            raise RunError(
                f"{folder} already holds fold {', '.join(map(str, begun))}; "
                "add --resume to continue it, or choose another --out"
            )
    elif folder.exists() and any(not is_part(p) for p in folder.iterdir()):
        raise RunError(f"{folder} is not empty and not a run; choose another --out")
    else:
        folder.mkdir(parents=True, exist_ok=True)
        write_json(path, mine)


def command_line() -> str:
    """The command that started this process, as one would type it, with the variables that set
    TensorFlow's threads: sums are rounded in another order with another number of them."""
    threads = [f"{name}={os.environ[name]}" for name in THREADS if name in os.environ]
    name = Path(sys.argv[0]).name
    start = [name] if name == "keras-skeleton" else ["python", name]
    return " ".join([*threads, shlex.join([*start, *sys.argv[1:]])])
