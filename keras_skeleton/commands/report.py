"""Merge run folders of one experiment into one report."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from keras_skeleton.commands.common import parser_for


def run(words: Sequence[str]) -> None:
    """Runs the command."""
    parser = parser_for("report", __doc__)
    parser.add_argument(
        "run_dirs", nargs="+", type=Path, metavar="RUN_DIR", help="run folder with finished folds"
    )
    parser.add_argument("--out", type=Path, help="write to this folder (default: first RUN_DIR)")
    args = parser.parse_args(words)
    from keras_skeleton.evaluation.report import write_report

    out = args.out or args.run_dirs[0]
    print(write_report(args.run_dirs, out))
    print(f"\nopen {out / 'report.html'}")
