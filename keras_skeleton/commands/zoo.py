"""List pretrained weights and verify their files. With --check, also verify their accuracy; with
--calibrate, calibrate them again; with --halve, store them in half precision; with --export-card,
write their model cards; with --add, add a run after verifying its accuracy."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from keras_skeleton.commands.common import (
    load_named,
    parser_for,
    reader_options,
    start_keras,
    whole_number,
)
from keras_skeleton.datasets.registry import get_source
from keras_skeleton.evaluation.run_record import about_run
from keras_skeleton.utils.errors import DatasetError, UnknownNameError
from keras_skeleton.zoo.card import card, write_card, write_cards
from keras_skeleton.zoo.entries import ZOO, Entry, ZooError, no_weights, read_zoo
from keras_skeleton.zoo.page import listing

if TYPE_CHECKING:
    from keras_skeleton.datasets.dataset import SkeletonDataset


def run(words: Sequence[str]) -> None:
    """Runs the command."""
    parser = parser_for("zoo", __doc__)
    parser.add_argument("--check", action="store_true", help="verify the accuracy of every entry")
    parser.add_argument(
        "--calibrate",
        action="store_true",
        help="fit the temperature and the thresholds of 'unsure' of every entry on its dataset",
    )
    parser.add_argument(
        "--halve",
        action="store_true",
        help="store the weights of the entries given with --name in half precision, if no answer "
        "on their test clips changes",
    )
    parser.add_argument(
        "--name", action="append", help="check, calibrate or halve only this entry (repeatable)"
    )
    parser.add_argument(
        "--export-card",
        metavar="NAME",
        help="print the model card of an entry, in Hugging Face's format, or write it to --out; "
        "'all': those of all entries, to the folder --out (default: cards/ of the zoo)",
    )
    parser.add_argument("--out", type=Path, help="with --export-card, write to this file or folder")
    parser.add_argument("--add", type=Path, metavar="RUN_DIR", help="add a finished run")
    parser.add_argument(
        "--fold", type=whole_number(1), default=1, help="add this fold of the run (default 1)"
    )
    parser.add_argument(
        "--part",
        help="add ta_lstm or sa_lstm from a stage-wise training of sta_lstm, or gate_u or gate_b "
        "from a detection run",
    )
    parser.add_argument(
        "--data-dir", type=Path, help="set the dataset's folder, or the parent folder of datasets"
    )
    parser.add_argument("--cache-dir", type=Path, help="store prepared datasets in this folder")
    parser.add_argument(
        "--option",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="set a reader option of the run to add",
    )
    parser.add_argument("--crops", type=Path, help="read crops for pose_i3d from this folder")
    parser.add_argument("--zoo", type=Path, default=ZOO, help="use this folder instead of weights/")
    args = parser.parse_args(words)
    if args.out is not None and args.export_card is None:
        parser.error("--out needs --export-card")
    if args.export_card is not None:
        _export_card(args)
    elif args.add is not None:
        _add(args)
    elif args.check or args.calibrate or args.halve:
        if args.halve and not args.name:
            parser.error("--halve needs --name")
        _each(args)
    else:
        entries = read_zoo(args.zoo)
        if not entries:
            raise ZooError(no_weights(args.zoo))
        print(listing(entries, args.zoo))


def _export_card(args: argparse.Namespace) -> None:
    entries = read_zoo(args.zoo)
    if not entries:
        raise ZooError(no_weights(args.zoo))
    if args.export_card == "all":
        print(f"{len(entries)} cards in {write_cards(entries, args.zoo, args.out)}")
        return
    (entry,) = _named([args.export_card], entries)
    if args.out is None:
        print(card(entry, args.zoo), end="")
    else:
        write_card(entry, args.zoo, args.out)
        print(f"card of {entry.name} in {args.out}")


def _named(names: Sequence[str], entries: Sequence[Entry]) -> list[Entry]:
    """The entries with these names."""
    known = [e.name for e in entries]
    for name in names:
        if name not in known:
            raise UnknownNameError("entry", name, known, of="the zoo")
    return [e for e in entries if e.name in names]


def _add(args: argparse.Namespace) -> None:
    about = about_run(args.add)
    start_keras()
    from keras_skeleton.video.crops import open_crops
    from keras_skeleton.zoo.add import add_run

    source = get_source(about["dataset"])
    options = {**about["options"], **reader_options(source, args.option)}
    dataset = load_named(args, source.name, options)
    crops = open_crops(args.crops) if args.crops else None
    with TemporaryDirectory() as scratch:
        entry = add_run(
            args.add,
            dataset,
            scratch=Path(scratch),
            number=args.fold,
            part=args.part,
            crops=crops,
            folder=args.zoo,
        )
    print(f"added {entry.name} to {args.zoo}")


def _each(args: argparse.Namespace) -> None:
    """Checks, calibrates or halves the entries."""
    entries = read_zoo(args.zoo)
    if args.name:
        entries = _named(args.name, entries)
    start_keras()
    run_each = _halve if args.halve else _calibrate if args.calibrate else _check
    run_each(args, entries)


def _watches(entry: Entry) -> bool:
    """Whether a network has video inputs; detectors have none."""
    from keras_skeleton.models.registry import MODELS

    return entry.task == "recognition" and MODELS[entry.model].video


def _dataset_of(args: argparse.Namespace, entry: Entry) -> SkeletonDataset | None:
    """The entry's dataset; prints a line and returns None if it cannot be had."""

    try:
        if _watches(entry) and args.crops is None:
            raise DatasetError("the model has video inputs; give --crops FOLDER")
        return load_named(args, entry.dataset, dict(entry.options))
    except DatasetError as error:
        print(f"skipped      {entry.name}: {str(error).splitlines()[0]}")
        return None


def _calibrate(args: argparse.Namespace, entries: Sequence[Entry]) -> None:
    from keras_skeleton.models.registry import MODELS
    from keras_skeleton.zoo.calibrate import calibrate_entry
    from keras_skeleton.zoo.page import write_zoo

    for entry in entries:
        if entry.task != "recognition" or MODELS[entry.model].video:
            continue
        if (dataset := _dataset_of(args, entry)) is None:
            continue
        with TemporaryDirectory() as scratch:
            new = calibrate_entry(entry, dataset, args.zoo, Path(scratch))
        write_zoo([new if e.name == new.name else e for e in read_zoo(args.zoo)], args.zoo)
        print(f"{'calibrated' if new != entry else 'unchanged':<13}{entry.name}", flush=True)


def _halve(args: argparse.Namespace, entries: Sequence[Entry]) -> None:
    from keras_skeleton.video.crops import open_crops
    from keras_skeleton.zoo.halve import halve_entry

    crops = open_crops(args.crops) if args.crops else None
    for entry in entries:
        if (dataset := _dataset_of(args, entry)) is None:
            continue
        watches = _watches(entry)
        with TemporaryDirectory() as scratch:
            halve_entry(entry, dataset, Path(scratch), crops if watches else None, args.zoo)


def _check(args: argparse.Namespace, entries: Sequence[Entry]) -> None:
    from keras_skeleton.video.crops import open_crops
    from keras_skeleton.zoo.check import compared, score_entry

    crops = open_crops(args.crops) if args.crops else None
    counts = {"as recorded": 0, "differs": 0, "skipped": 0}
    for entry in entries:
        watches = _watches(entry)
        if (dataset := _dataset_of(args, entry)) is None:
            counts["skipped"] += 1
            continue
        with TemporaryDirectory() as scratch:
            found = score_entry(
                entry, dataset, Path(scratch), crops=crops if watches else None, folder=args.zoo
            )
        said, same = compared(entry, *found)
        counts["as recorded" if same else "differs"] += 1
        print(f"{'as recorded' if same else 'DIFFERS':<13}{entry.name}: {said}")
    print("; ".join(f"{number} {what}" for what, number in counts.items()))
    if counts["differs"]:
        raise ZooError(f"the accuracy of {counts['differs']} entries differs from the record")
