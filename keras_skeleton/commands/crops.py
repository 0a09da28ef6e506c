"""Cut videos of hands and body out of a dataset's films, for pose_i3d."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from keras_skeleton.commands.common import (
    add_data_arguments,
    parser_for,
    reader_options,
    start_keras,
    whole_number,
)
from keras_skeleton.datasets.registry import get_source
from keras_skeleton.utils.errors import UserError

VIDEOS = ("ntu", "ntu120", "nucla", "synthetic")  # datasets whose joints are known in videos


def run(words: Sequence[str]) -> None:
    """Runs the command."""
    parser = parser_for("crops", __doc__)
    parser.add_argument("--dataset", required=True, help=", ".join(VIDEOS))
    add_data_arguments(parser)
    parser.add_argument("--crops", type=Path, required=True, help="folder where they go")
    parser.add_argument("--size", type=whole_number(32), default=224, help="in pixels")
    parser.add_argument("--workers", type=whole_number(1), help="processes (default: every core)")
    args = parser.parse_args(words)
    source = get_source(args.dataset)
    options = reader_options(source, args.option)
    if source.name not in VIDEOS:
        raise UserError(
            f"crops of '{source.name}' cannot be made: its joints are not known in a video; they "
            f"are in {', '.join(VIDEOS)}"
        )
    if args.size % 2:
        raise UserError(f"--size {args.size}: videos have an even number of pixels")
    root = source.find(args.data_dir)
    from keras_skeleton.utils.processes import cores

    workers = args.workers or cores()
    if root is None:  # synthetic: nothing to read
        from keras_skeleton.video.synthetic import render_all

        root = args.crops / "recordings"
        given = {**source.options, **options}
        print(f"renders recordings in {root}")
        render_all(root, given["seed"], given["subjects"], given["repetitions"], workers)
    start_keras()
    from keras_skeleton.video.crops import prepare_crops
    from keras_skeleton.viz.crop_boxes import save_boxes

    report = prepare_crops(
        root,
        args.crops,
        size=args.size,
        strict=args.strict,
        log=print,
        workers=workers,
        dataset=source.name,
        draw=save_boxes,
    )
    for skipped in report.skipped:
        print(f"left out: {skipped.where}: {skipped.why}")
    print(f"crops in {args.crops}")
