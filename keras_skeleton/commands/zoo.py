"""List the trained weights and check their files; with --check score them again, with --add add a
run after re-verifying its accuracy."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

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
from keras_skeleton.zoo.entries import ZOO, ZooError, no_weights, read_zoo
from keras_skeleton.zoo.page import listing


def run(words: Sequence[str]) -> None:
    """Runs the command."""
    parser = parser_for("zoo", __doc__)
    parser.add_argument("--check", action="store_true", help="score every entry again")
    parser.add_argument("--name", action="append", help="of --check: only this entry")
    parser.add_argument("--add", type=Path, metavar="RUN_DIR", help="take in a finished run")
    parser.add_argument("--fold", type=whole_number(1), default=1, help="of --add (default 1)")
    parser.add_argument(
        "--part", help="of --add: ta_lstm or sa_lstm, out of a training of sta_lstm by its steps"
    )
    parser.add_argument(
        "--data-dir", type=Path, help="folder of the dataset, or with one folder for each by name"
    )
    parser.add_argument("--cache-dir", type=Path, help="where prepared datasets are kept")
    parser.add_argument(
        "--option",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="of --add: a reader option that the run had",
    )
    parser.add_argument("--crops", type=Path, help="for pose_i3d: what run.py crops has made")
    parser.add_argument("--zoo", type=Path, default=ZOO, help="another folder in place of weights/")
    args = parser.parse_args(words)
    if args.add is not None:
        _add(args)
    elif args.check:
        _check(args)
    else:
        entries = read_zoo(args.zoo)
        if not entries:
            raise ZooError(no_weights(args.zoo))
        print(listing(entries, args.zoo))


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


def _check(args: argparse.Namespace) -> None:
    entries = read_zoo(args.zoo)
    if args.name:
        known = [e.name for e in entries]
        for name in args.name:
            if name not in known:
                raise UnknownNameError("entry", name, known, of="the zoo")
        entries = [e for e in entries if e.name in args.name]
    start_keras()
    from keras_skeleton.models.registry import MODELS
    from keras_skeleton.video.crops import open_crops
    from keras_skeleton.zoo.check import compared, score_entry

    crops = open_crops(args.crops) if args.crops else None
    counts = {"as recorded": 0, "differs": 0, "not checked": 0}
    for entry in entries:
        watches = MODELS[entry.model].video
        try:
            if watches and crops is None:
                raise DatasetError("watches videos; give --crops FOLDER")
            dataset = load_named(args, entry.dataset, dict(entry.options))
        except DatasetError as error:
            reason = str(error).splitlines()[0]
            counts["not checked"] += 1
            print(f"not checked  {entry.name}: {reason}")
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
        raise ZooError(f"{counts['differs']} entries do not come out as recorded")
