"""Write a paper's table beside ours: run the trainings that are missing, keep their results,
write the table. Rerun the command to resume. Without --table, list the tables."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from pathlib import Path

from keras_skeleton.commands.common import parser_for, start_keras, whole_number
from keras_skeleton.reproduction.tables import ALL, read_tables
from keras_skeleton.utils.errors import UserError


def _parser() -> argparse.ArgumentParser:
    parser = parser_for("reproduce", __doc__)
    parser.add_argument("--table", action="append", help="mans5, sta1, ... or all")
    parser.add_argument(
        "--model",
        action="append",
        default=[],
        metavar="NAME",
        help="train only this network of the tables (may be repeated)",
    )
    parser.add_argument(
        "--data-dir", type=Path, help="folder of a dataset, or with one folder for each by name"
    )
    parser.add_argument("--cache-dir", type=Path, help="where prepared datasets are kept")
    parser.add_argument(
        "--crops", type=Path, help="of pose_i3d: what run.py crops has made, or one folder for each"
    )
    parser.add_argument("--i3d", type=Path, metavar="PATH", help="published I3D weights")
    parser.add_argument(
        "--seeds",
        type=whole_number(1),
        help="how many of each training (default 3 where one takes less than an hour, else 1)",
    )
    parser.add_argument(
        "--most-hours",
        type=float,
        metavar="H",
        help="leave out trainings that are expected to take longer, or whose time is not known",
    )
    parser.add_argument(
        "--jobs",
        type=whole_number(1),
        default=1,
        metavar="N",
        help="train N at a time, each on its part of the cores",
    )
    parser.add_argument(
        "--no-train", action="store_true", help="only the tables, and what is missing"
    )
    parser.add_argument(
        "--quick",
        action="store_true",
        help="only try: a few clips and epochs of each training (of a detection all recordings); "
        "nothing is kept",
    )
    parser.add_argument(
        "--results",
        type=Path,
        default=Path("results"),
        help="what is kept, in its folders runs and tables (default results)",
    )
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("runs") / "reproduce",
        help="folder of the runs themselves (default runs/reproduce)",
    )
    return parser


def run(words: Sequence[str]) -> None:
    """Runs the command."""
    args = _parser().parse_args(words)
    tables = read_tables(args.table or [ALL])
    if not args.table:
        for table in tables:
            of = f"{table.paper}, {table.number}: " if table.paper else ""
            print(f"  {table.name:<11}{of}{table.title}")
        return
    if args.quick and (args.no_train or args.most_hours is not None):
        raise UserError("--quick tries every training; leave out --no-train and --most-hours")
    if args.data_dir is not None and not args.data_dir.is_dir():
        raise UserError(f"{args.data_dir}: no such folder")
    # This process only plans: it must not take the memory of the GPU from those that train.
    os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")
    start_keras()
    from keras_skeleton.reproduction.needs import Place
    from keras_skeleton.reproduction.reproduce import Reproduction

    place = Place(args.data_dir, args.cache_dir, args.crops, args.i3d)
    whole = Reproduction(
        tables,
        place,
        results=args.results,
        out=args.out,
        seeds=args.seeds,
        most_hours=args.most_hours,
        models=args.model,
        init_process=start_keras,
        jobs=args.jobs,
    )
    if args.quick:
        whole.try_out()
        return
    print(whole.plan())
    if not args.no_train:
        try:
            whole.run()
        except KeyboardInterrupt:
            print("\nthe same command goes on where this one stopped")
            raise
    for text in whole.write():
        print("\n" + text)
    print(f"\ntables in {whole.folder}")
