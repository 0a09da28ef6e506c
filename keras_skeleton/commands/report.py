"""Merge run folders of one experiment into one report; or compare body parts, class by class."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from keras_skeleton.commands.common import parser_for
from keras_skeleton.evaluation.run_record import read_record
from keras_skeleton.utils.errors import UserError


def run(words: Sequence[str]) -> None:
    """Runs the command."""
    parser = parser_for("report", __doc__)
    parser.add_argument(
        "run_dirs", nargs="+", type=Path, metavar="RUN_DIR", help="run folder with finished folds"
    )
    parser.add_argument("--out", type=Path, help="write to this folder (default: first RUN_DIR)")
    parser.add_argument(
        "--body-parts",
        action="store_true",
        help="instead of the report, write the weights of body parts beside the accuracy of each "
        "part, by class (parts_by_class.csv and .png of a run of pose_i3d)",
    )
    parser.add_argument(
        "--aggregation",
        type=Path,
        metavar="RUN_DIR",
        help="with --body-parts: add a run without attention (model.aggregate=sum_0)",
    )
    parser.add_argument(
        "--classes", metavar="NAMES", help="with --body-parts: draw these, separated by commas"
    )
    args = parser.parse_args(words)
    out = args.out or args.run_dirs[0]
    for folder in args.run_dirs:  # before the import of matplotlib
        read_record(folder / "run.json")
    if args.body_parts:
        _body_parts(args, out)
        return
    if args.aggregation or args.classes:
        raise UserError("--aggregation and --classes need --body-parts")
    from keras_skeleton.evaluation.report import write_report

    print(write_report(args.run_dirs, out))
    print(f"\nopen {out / 'report.html'}")


def _body_parts(args: argparse.Namespace, out: Path) -> None:
    from keras_skeleton.attention.parts_by_class import TABLE, write_parts_by_class

    if len(args.run_dirs) > 1:
        raise UserError("--body-parts is for one RUN_DIR")
    classes = args.classes.split(",") if args.classes else None
    table = write_parts_by_class(args.run_dirs[0], out, args.aggregation, classes)
    print(table.to_string(index=False, float_format=lambda value: f"{100 * value:.1f}"))
    print(f"\nopen {out / TABLE} and {(out / TABLE).with_suffix('.png')}")
