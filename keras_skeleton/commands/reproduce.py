"""Reproduce tables of the papers: run missing trainings, store their results, and write each table
next to the published one. Rerun the command to resume. Without --table, list the tables."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path

from keras_skeleton.commands.common import add_dask, parser_for, start_keras, whole_number
from keras_skeleton.evaluation.run_record import TRAIN_ON
from keras_skeleton.reproduction.tables import ALL, Table, read_tables
from keras_skeleton.utils.errors import UserError
from keras_skeleton.utils.executor import check_dask
from keras_skeleton.utils.lock import locked


def _parser() -> argparse.ArgumentParser:
    parser = parser_for("reproduce", __doc__)
    parser.add_argument(
        "--table", action="append", help="choose a table (mans5, sta1, ...) or all (repeatable)"
    )
    parser.add_argument(
        "--model",
        action="append",
        default=[],
        metavar="NAME",
        help="train only this model of the tables (repeatable)",
    )
    parser.add_argument(
        "--train-on",
        choices=TRAIN_ON,
        help="run only the trainings on all training clips, or only those on a part of them, with "
        "validation clips held out (default both)",
    )
    parser.add_argument(
        "--data-dir", type=Path, help="set the dataset's folder, or the parent folder of datasets"
    )
    parser.add_argument("--cache-dir", type=Path, help="store prepared datasets in this folder")
    parser.add_argument(
        "--crops", type=Path, help="read crops for pose_i3d from this folder, or its parent"
    )
    parser.add_argument(
        "--i3d", type=Path, metavar="PATH", help="load published I3D weights from this path"
    )
    parser.add_argument(
        "--streams",
        type=Path,
        action="append",
        default=[],
        metavar="RUN_DIR",
        help="start the rows of pose2 that need it from the streams of this run on NTU "
        "(repeatable)",
    )
    parser.add_argument(
        "--seeds",
        type=whole_number(1),
        help="set the number of seeds (default 3 for trainings under an hour, else 1)",
    )
    parser.add_argument(
        "--most-hours",
        type=float,
        metavar="H",
        help="skip trainings that take longer than H hours or an unknown time",
    )
    parser.add_argument(
        "--jobs",
        type=whole_number(1),
        default=1,
        metavar="N",
        help="run N trainings in parallel, which share the cores",
    )
    add_dask(parser, "trainings")
    parser.add_argument(
        "--no-train", action="store_true", help="only write the tables and list missing trainings"
    )
    parser.add_argument(
        "--quick",
        action="store_true",
        help="test each training on a few clips and epochs, without storing results",
    )
    parser.add_argument(
        "--results",
        type=Path,
        default=Path("results"),
        help="store results in its subfolders runs and tables (default results)",
    )
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("runs") / "reproduce",
        help="write run folders to this folder (default runs/reproduce)",
    )
    return parser


def run(words: Sequence[str]) -> None:
    """Runs the command."""
    args = _parser().parse_args(words)
    tables = read_tables(args.table or [ALL])
    if not args.table:
        for table in tables:
            of = f"{table.paper}, {table.number}: " if table.paper else ""
            print(f"  {table.name:<14}{of}{table.title}")
        return
    if args.quick and (args.no_train or args.most_hours is not None):
        raise UserError("--quick tests every training; omit --no-train and --most-hours")
    if args.dask is not None:
        check_dask()
        if args.jobs > 1 or args.quick or args.no_train:
            raise UserError("--dask trains on workers; omit --jobs, --quick and --no-train")
    if args.data_dir is not None and not args.data_dir.is_dir():
        raise UserError(f"{args.data_dir}: no such folder")
    # Only the run folders: stored results are added to by any number of commands.
    with nullcontext() if args.no_train else locked(args.out):
        _reproduce(args, tables)


def _reproduce(args: argparse.Namespace, tables: Sequence[Table]) -> None:
    # This process only plans; it must leave GPU memory to the training processes.
    os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")
    start_keras()
    from keras_skeleton.reproduction.needs import Place
    from keras_skeleton.reproduction.reproduce import Reproduction

    place = Place(args.data_dir, args.cache_dir, args.crops, args.i3d, tuple(args.streams))
    whole = Reproduction(
        tables,
        place,
        results=args.results,
        out=args.out,
        seeds=args.seeds,
        most_hours=args.most_hours,
        models=args.model,
        train_on=args.train_on,
        init_process=start_keras,
        jobs=args.jobs,
        scheduler=args.dask,
    )
    if args.quick:
        whole.try_out()
        return
    print(whole.plan())
    if not args.no_train:
        try:
            whole.run()
        except KeyboardInterrupt:
            print("\nrerun the same command to resume")
            raise
    for text in whole.write():
        print("\n" + text)
    print(f"\ntables are in {whole.folder}")
