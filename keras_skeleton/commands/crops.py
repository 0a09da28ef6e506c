"""Crop videos of hands and body from the recordings of a dataset, for pose_i3d."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from keras_skeleton.commands.common import (
    add_dask,
    add_data_arguments,
    parser_for,
    reader_options,
    start_keras,
    whole_number,
)
from keras_skeleton.datasets.registry import get_source
from keras_skeleton.utils.errors import UserError
from keras_skeleton.utils.executor import check_dask
from keras_skeleton.utils.lock import locked

if TYPE_CHECKING:
    from keras_skeleton.datasets.dataset import ReadReport
    from keras_skeleton.datasets.source import Source

VIDEOS = ("ntu", "ntu120", "nucla", "synthetic")  # datasets with joint positions in videos


def run(words: Sequence[str]) -> None:
    """Runs the command."""
    parser = parser_for("crops", __doc__)
    parser.add_argument("--dataset", required=True, help=f"choose one of {', '.join(VIDEOS)}")
    add_data_arguments(parser)
    parser.add_argument("--crops", type=Path, required=True, help="write crops to this folder")
    parser.add_argument(
        "--size", type=whole_number(32), default=224, help="set the side in pixels (default 224)"
    )
    parser.add_argument(
        "--workers", type=whole_number(1), help="set the number of processes (default: all cores)"
    )
    add_dask(parser, "recordings")
    args = parser.parse_args(words)
    if args.dask is not None:
        if args.workers is not None:
            raise UserError("--dask crops on the workers of a cluster; omit --workers")
        check_dask()
    source = get_source(args.dataset)
    options = reader_options(source, args.option)
    if source.name not in VIDEOS:
        raise UserError(
            f"'{source.name}' has no joint positions in videos, so it cannot be cropped; choose "
            f"one of {', '.join(VIDEOS)}"
        )
    if args.size % 2:
        raise UserError(f"--size {args.size}: must be an even number of pixels")
    root = source.find(args.data_dir)
    with locked(args.crops, "--crops"):
        report = _make(args, source, root, options)
    for skipped in report.skipped:
        print(f"skipped: {skipped.where}: {skipped.why}")
    print(f"crops in {args.crops}")


def _make(
    args: argparse.Namespace, source: Source, root: Path | None, options: dict[str, Any]
) -> ReadReport:
    from keras_skeleton.utils.processes import cores

    workers = args.workers or cores()
    if root is None:  # the synthetic dataset has no files
        from keras_skeleton.video.synthetic import render_all

        root = args.crops / "recordings"
        given = {**source.options, **options}
        print(f"rendering recordings in {root}")
        render_all(root, given["seed"], given["subjects"], given["repetitions"], workers, args.dask)
    start_keras()
    from keras_skeleton.video.crops import prepare_crops
    from keras_skeleton.viz.crop_boxes import save_boxes

    return prepare_crops(
        root,
        args.crops,
        size=args.size,
        strict=args.strict,
        log=print,
        workers=workers,
        scheduler=args.dask,
        dataset=source.name,
        draw=save_boxes,
    )
