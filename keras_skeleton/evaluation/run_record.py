"""Read and compare the configuration of runs (`run.json`).

Needs neither Keras nor TensorFlow. Files of earlier versions can be read as well: `upgraded`
converts their content to the current names.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from keras_skeleton.datasets.registry import SOURCES, get_source
from keras_skeleton.evaluation.scores import ResultsError
from keras_skeleton.utils.errors import UserError
from keras_skeleton.utils.files import read_json, write_json
from keras_skeleton.utils.lock import holds_nothing
from keras_skeleton.utils.processes import THREADS

NEEDED = ("dataset", "protocol", "recipe", "seed", "classes", "skeleton")
RECOGNIZES = ("model", "settings")
# Entries of run.json that may differ between parts of one experiment; all others must be equal.
MAY_DIFFER = frozenset(
    {"command", "versions", "device", "devices", "host", "started", "finished", "seconds",
     "folds", "out", "data_dir", "cache_dir", "notes"}
)  # fmt: skip
# Entries missing in runs of earlier versions; they are added when such a run is resumed.
ADDED = frozenset(
    {
        "bodies",
        "content",
        "crops_content",
        "fingerprint",
        "layout",
        "not_published",
        "options",
        "unit",
    }
)
READ = ("options", "content", "fingerprint")  # entries of run.json that tell what was read
# Which clips a run trains on (`train --train-on`): the protocol's training clips, with validation
# clips held out to select the epoch, as all runs of earlier versions; or both, without a selection.
PART, ALL_CLIPS = "part", "all"
TRAIN_ON = (PART, ALL_CLIPS)
# Names before version 0.2, with their current names.
_RENAMED = {
    "accuracy_paper": "best_test_accuracy",
    "accuracy_paper_std": "best_test_accuracy_std",
    "epoch_paper": "best_test_epoch",
}


class RunError(UserError):
    """Raised if a run cannot be started or resumed."""


def upgraded(content: Any) -> Any:
    """Returns a copy of a record of any version, with the current names.

    Before version 0.2, `variant` was the recipe's name and `recipe` held its fields, of which
    `read` is now `preprocessing`.

    Example:
        >>> from keras_skeleton.evaluation.run_record import upgraded
        >>> upgraded({"variant": "paper", "recipe": {"epochs": 30}, "accuracy_paper": 0.9})
        {'recipe': 'paper', 'best_test_accuracy': 0.9, 'settings': {'epochs': 30}}
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
    """Reads a JSON file of a run, converted to the current names.

    Raises:
        ResultsError: If the file is missing, damaged or not a JSON object.
    """
    try:
        content = read_json(path, "a run's JSON file")
    except FileNotFoundError:
        raise ResultsError(f"{path}: missing; give the folder of a run") from None
    except (ValueError, OSError) as error:
        raise ResultsError(
            f"{path}: damaged ({getattr(error, 'strerror', None) or error})"
        ) from None
    if not isinstance(content, dict):
        raise ResultsError(f"{path}: expected a JSON object, got a {type(content).__name__}")
    return dict(upgraded(content))


def about_run(run: Path) -> dict[str, Any]:
    """Reads the `run.json` of a run, and adds its `task` and the dataset's reader `options`.

    Raises:
        ResultsError: If `run.json` is missing, damaged or incomplete.
    """
    about = read_record(run / "run.json")
    detects = about.setdefault("task", "recognition") == "detection"
    if lacking := {*NEEDED, *(() if detects else RECOGNIZES)} - set(about):
        raise ResultsError(f"{run / 'run.json'}: missing keys: {', '.join(sorted(lacking))}")
    if detects:
        return {**about, "options": {**(about.get("options") or {}), "clips": "untrimmed"}}
    for name in ("dataset", "protocol", "recipe"):
        if not isinstance(about[name], str):
            raise ResultsError(
                f"{run / 'run.json'}: {name} is {about[name]!r:.40}, expected a text"
            )
    known = about["dataset"] in SOURCES  # a dataset made in Python may have any name
    source = get_source(about["dataset"]) if known else None
    own = {} if source is None else source.protocol_options.get(about["protocol"], {})
    settings = about["settings"]
    read: Any = settings.get("dataset") if isinstance(settings, dict) else None
    given: Any = about.get("options", {})
    for name, value in (("settings.dataset", read), ("options", given)):
        if not isinstance(value, dict):
            raise ResultsError(f"{run / 'run.json'}: {name} is {value!r:.40}, expected an object")
    return {**about, "options": {**read, **own, **given}}


def run_folder(path: Path) -> tuple[Path, int | None] | None:
    """The run folder that a path is or lies in, and the number of the fold that a weights file
    belongs to; None if there is no run.

    Example:
        >>> from pathlib import Path
        >>> from keras_skeleton.evaluation.run_record import run_folder
        >>> run_folder(Path("no_such_run/fold_01/best.weights.h5")) is None
        True
    """
    run = next((p for p in (path, *path.parents[:2]) if (p / "run.json").is_file()), None)
    if run is None:
        return None
    fold = re.fullmatch(r"fold_(\d+)", path.parent.name) if path != run else None
    return run, int(fold[1]) if fold else None


def experiment_differences(first: Mapping[str, Any], second: Mapping[str, Any]) -> list[str]:
    """Lists the settings in which two runs differ although parts of one experiment must share them.

    Example:
        >>> from keras_skeleton.evaluation.run_record import experiment_differences
        >>> experiment_differences({"settings": {"epochs": 30}}, {"settings": {"epochs": 12}})
        ['settings.epochs: 30 and 12']
    """
    own, other = _compared(first), _compared(second)
    for key in ADDED - (own.keys() & other.keys()):
        own.pop(key, None)
        other.pop(key, None)
    return _named(own, other)


def _named(own: dict[str, Any], other: dict[str, Any]) -> list[str]:
    """All differences, without the hash of the whole store if those of its parts tell more."""
    if own.get("content") != other.get("content"):
        own.pop("fingerprint", None)
        other.pop("fingerprint", None)
    return list(differences(own, other))


def not_recorded(run: Mapping[str, Any]) -> list[str]:
    """Entries about what was read that a run of an earlier version does not have."""
    return [key for key in READ if run.get(key) is None]


def other_data(run: Mapping[str, Any], read: Mapping[str, Any]) -> list[str]:
    """Lists how the clips of a run differ from those that were read now; entries that either side
    does not have are not compared.

    Args:
        run: Content of `run.json`.
        read: Its entries about the dataset, as they would be now.

    Example:
        >>> from keras_skeleton.evaluation.run_record import other_data
        >>> other_data({"content": {"clips": 282}}, {"content": {"clips": 281}})
        ['content.clips: 282 and 281']
    """
    both = [key for key in READ if None not in (run.get(key), read.get(key))]
    own, other = (
        _compared({"dataset": run.get("dataset"), **{key: record[key] for key in both}})
        for record in (run, read)
    )
    return _named(own, other)


def _compared(run: Mapping[str, Any]) -> dict[str, Any]:
    """The entries of a run that parts of one experiment must share."""
    # Newer versions store options that are not used as None.
    own = {key: value for key, value in run.items() if key not in MAY_DIFFER and value is not None}
    own.setdefault("train_on", PART)
    # Readers gain options; a run from before one had its default.
    name = own.get("dataset")
    if isinstance(own.get("options"), Mapping) and isinstance(name, str) and name in SOURCES:
        own["options"] = {**get_source(name).options, **own["options"]}
    if isinstance(own.get("settings"), Mapping):
        own["settings"] = _without_words(own["settings"])
    if isinstance(own.get("recipes"), Mapping):
        own["recipes"] = {name: _without_words(recipe) for name, recipe in own["recipes"].items()}
    return own


def _without_words(settings: Any) -> Any:
    """The fields of a recipe without descriptions, whose wording may change."""
    if not isinstance(settings, Mapping):
        return settings
    fields = {key: value for key, value in settings.items() if key != "sources"}
    if isinstance(fields.get("stages"), list):
        fields["stages"] = [
            {k: v for k, v in stage.items() if k != "what"} if isinstance(stage, Mapping) else stage
            for stage in fields["stages"]
        ]
    return fields


def differences(a: Any, b: Any, where: str = "") -> Iterator[str]:
    """Yields the differences between two JSON values, one line per value."""
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


def check_run(folder: Path, mine: Mapping[str, Any]) -> dict[str, Any]:
    """Reads the `run.json` of a folder and checks that it belongs to the same experiment.

    Raises:
        RunError: It is damaged, or belongs to another experiment; the differences are listed.
    """
    try:
        theirs = read_record(folder / "run.json")
    except ResultsError as error:
        raise RunError(f"{error}; delete it or choose another --out") from None
    if found := experiment_differences(theirs, mine):
        raise RunError(
            f"{folder} holds another experiment (there and here, {'; '.join(found)}); choose "
            "another --out"
        )
    return theirs


def open_run(
    folder: Path,
    mine: Mapping[str, Any],
    begun: Sequence[int],
    resume: bool,
    log: Callable[[str], None] = print,
) -> None:
    """Creates a run folder, or checks that an existing one belongs to the same experiment.

    Args:
        folder: The run folder.
        mine: The content of its `run.json`.
        begun: Requested folds that the folder already holds.
        resume: Whether the folder may hold requested folds.
        log: Called with notes.

    Raises:
        RunError: If the folder holds another experiment or other files, or, without `resume`,
            requested folds.
    """
    path = folder / "run.json"
    if path.exists():
        theirs = check_run(folder, mine)
        if begun and not resume:
            raise RunError(
                f"{folder} already holds fold {', '.join(map(str, begun))}; "
                "add --resume to continue it, or choose another --out"
            )
        if lacking := {
            key: mine[key] for key in sorted(ADDED) if key in mine and key not in theirs
        }:
            if unknown := [key for key in READ if key in lacking and lacking[key] is not None]:
                names = ", ".join(unknown)
                log(
                    f"note: {path} is of an earlier version and does not record {names} of the "
                    "clips, so that they cannot be compared; recorded from now on"
                )
            write_json(path, {**theirs, **lacking})
    elif folder.exists() and not holds_nothing(folder):
        raise RunError(f"{folder} is not empty and has no run.json; choose another --out")
    else:
        folder.mkdir(parents=True, exist_ok=True)
        write_json(path, portable(mine, folder))


def portable(record: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """A run's record without absolute paths: `data_dir` starts from the run's folder.

    Example:
        >>> from pathlib import Path
        >>> from keras_skeleton.evaluation.run_record import portable
        >>> portable({"data_dir": "/data/ntu"}, Path("/data/runs/1"))
        {'data_dir': '../../ntu'}
    """
    if not record.get("data_dir"):
        return dict(record)
    return {**record, "data_dir": _relative(record["data_dir"], folder)}


def _relative(path: str, start: str | Path = ".") -> str | None:
    """A path from a folder; None for one on another drive."""
    try:
        found = os.path.relpath(os.path.realpath(path), os.path.realpath(start))
    except ValueError:
        return None
    return Path(found).as_posix()


def _portable_word(word: str) -> str:
    """A word of a command line; of an absolute path outside the working folder, its last name."""
    name, mark, value = word.rpartition("=")
    if not Path(value).is_absolute():
        return word
    near = _relative(value)
    outside = near is None or near.startswith("..")
    return f"{name}{mark}{f'PATH/{Path(value).name}' if outside else near}"


def command_line() -> str:
    """The command line that started this process.

    It includes the environment variables that set the number of TensorFlow threads, since results
    depend on it: sums are rounded in a different order. Absolute paths are written from the working
    folder, or as `PATH/NAME` where they are outside of it.
    """
    threads = [f"{name}={os.environ[name]}" for name in THREADS if name in os.environ]
    name = Path(sys.argv[0]).name
    start = [name] if name == "keras-skeleton" else ["python", name]
    return " ".join([*threads, shlex.join([*start, *map(_portable_word, sys.argv[1:])])])
