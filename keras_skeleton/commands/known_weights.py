"""What is known about the weights that a command was given: an entry of the zoo, or a run."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from keras_skeleton.datasets.registry import get_source
from keras_skeleton.evaluation.run_record import about_run, run_folder
from keras_skeleton.models.own_code import recorded_model
from keras_skeleton.utils.errors import UnknownNameError, UserError
from keras_skeleton.zoo.entries import ZOO, Entry, entry_of_file, no_weights, read_zoo

PRETRAINED = "pretrained"
NAMES = ("model", "dataset", "protocol")


@dataclass(frozen=True)
class KnownWeights:
    """Weights with a record.

    Attributes:
        name: Their name in messages.
        model, dataset, protocol, recipe: What they were trained with.
        fold: The fold that they were trained on; None for a run with several folds.
        entry: The entry of the zoo, if they are in the zoo.
        about: The record of the run, if they belong to a run.
        data_dir: The folder that the run read its dataset from, if it is recorded.
    """

    name: str
    model: str
    dataset: str
    protocol: str
    recipe: str
    fold: int | None
    entry: Entry | None = None
    about: dict[str, Any] | None = None
    data_dir: Path | None = None


def known_weights(source: str | Path) -> KnownWeights | None:
    """The record of weights; None if there is none.

    Args:
        source: Name of a network of the zoo, a file of the zoo (also under another name: it is
            known by its SHA-256), a run folder, or a file in one.

    Raises:
        UserError: If the run or the entry is a detector.
    """
    path = Path(source)
    entry = _entry(path, str(source))
    if entry is not None:
        if entry.task != "recognition":
            raise UserError(f"'{entry.name}' is a detector; use the command detect")
        name = entry.name if not path.exists() else f"{path} ('{entry.name}' of the zoo)"
        own = {key: getattr(entry, key) for key in (*NAMES, "recipe", "fold")}
        return KnownWeights(name, entry=entry, **own)
    found = run_folder(path)
    if found is None:
        return None
    run, fold = found
    about = about_run(run)
    if about["task"] != "recognition":
        raise UserError(f"{run} is a detection run; use the command detect")
    recorded_model(about["model"])
    return KnownWeights(
        str(run),
        **{key: about[key] for key in (*NAMES, "recipe")},
        fold=fold,
        about=about,
        # From the run's folder; absolute in runs of earlier versions.
        data_dir=(run / about["data_dir"]).resolve() if about.get("data_dir") else None,
    )


def _entry(path: Path, name: str) -> Entry | None:
    if path.is_file():
        return entry_of_file(path)
    if path.exists():
        return None
    return next((entry for entry in read_zoo() if entry.name == name), None)


def check_exists(source: str, flag: str) -> None:
    """Raises an error for weights that are neither a path nor a name of the zoo; imports no
    TensorFlow."""
    path = Path(source)
    if path.exists():
        return
    if len(path.parts) > 1 or path.suffix in (".h5", ".keras"):
        raise UserError(f"{flag} {source}: no such file or folder")
    entries = [entry.name for entry in read_zoo()]
    if not entries:
        raise UserError(f"{flag} {source}: no such file or folder, and {no_weights(ZOO)}")
    if source not in entries:
        raise UnknownNameError("network", source, entries, of="the zoo")


def complete(args: argparse.Namespace) -> None:
    """Fills in the model, dataset and protocol that the arguments leave out, from the record of
    `--weights`, and `args.known` with that record; of `--init-weights`, only the model.

    Raises:
        UserError: If a name is still missing, or if the arguments name other weights.
    """
    start = getattr(args, "init_weights", None)
    weights = getattr(args, "weights", None)
    args.known, args.known_start = None, None
    if start is not None:
        check_exists(start, "--init-weights")
        args.known_start = known_weights(start)
        model = args.known_start and args.known_start.model
        if args.model is None:
            args.model = model or saved_model(Path(start))
    elif weights not in (None, PRETRAINED):
        check_exists(weights, "--weights")
        if Path(weights, "recognizer.json").is_file():
            raise UserError(
                f"{weights} is a folder of Recognizer.save, which knows no dataset; use it with "
                "the commands predict and export, or start a training from it with --init-weights"
            )
        args.known = known_weights(weights)
        if args.known is not None:
            if args.known.entry is not None:
                check_same(args, args.known, ("model", "dataset"))  # protocols have aliases
            elif args.dataset not in (None, args.known.dataset) and args.protocol is None:
                raise UserError(
                    f"{args.known.name} was trained on {args.known.dataset}, not {args.dataset}; "
                    "to use it there, name the --protocol"
                )
            for name in NAMES:
                if getattr(args, name) is None:
                    setattr(args, name, getattr(args.known, name))
            own = args.known.data_dir
            same = args.dataset == args.known.dataset
            if same and args.data_dir is None and own is not None and own.is_dir():
                args.data_dir = own
    if args.protocol is None and args.dataset is not None:
        args.protocol = get_source(args.dataset).protocol_for(args.data_dir)
        if args.protocol is not None:
            print(f"using protocol {args.protocol} of '{args.dataset}'")
    if lacking := [f"--{name}" for name in NAMES if getattr(args, name) is None]:
        unknown = start if args.model is None else None
        why = _why(weights if start is None else None, unknown)
        raise UserError(f"missing {', '.join(lacking)}{why}")


def saved_model(folder: Path) -> str | None:
    """The model of a folder of `Recognizer.save`; None for others."""
    from keras_skeleton.utils.files import read_json

    path = folder / "recognizer.json"
    if not path.is_file():
        return None
    try:
        return recorded_model(read_json(path, "a recognizer")["preprocessing"]["model"])
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(f"{path}: damaged ({error})") from None


def _why(weights: str | None, start: str | None) -> str:
    if weights == PRETRAINED:
        return "; or give the name of the network as --weights (see the command zoo)"
    if weights is not None:
        return f": {weights} has no record (run.json) of what it was trained on"
    return f": {start} has no record of its model" if start else ""


def check_same(args: argparse.Namespace, known: KnownWeights, names: Sequence[str]) -> None:
    """Raises UserError if the arguments name something else than the record, naming both."""
    given = {name: getattr(args, name) for name in names}
    if differ := {k: v for k, v in given.items() if v not in (None, getattr(known, k))}:
        both = ", ".join(f"{k} {getattr(known, k)}, not {v}" for k, v in differ.items())
        raise UserError(f"{known.name} was trained with {both}")
    if args.fold and known.fold is not None and set(args.fold) != {known.fold}:
        folds = ", ".join(map(str, args.fold))
        raise UserError(f"{known.name} was trained on fold {known.fold}, not {folds}")
