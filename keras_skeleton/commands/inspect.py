"""Draw a clip as a strip of poses (PNG) and as an animation (GIF, MP4)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from keras_skeleton.commands.common import add_data_arguments, load, parser_for
from keras_skeleton.datasets.registry import get_source
from keras_skeleton.utils.errors import UnknownNameError
from keras_skeleton.utils.files import plain_name


def run(words: Sequence[str]) -> None:
    """Runs the command."""
    parser = parser_for("inspect", __doc__)
    parser.add_argument("--dataset", required=True, help="choose a dataset (see 'list')")
    parser.add_argument("--clip", help="choose a clip by name (default: the first clip)")
    add_data_arguments(parser)
    parser.add_argument(
        "--out", type=Path, default=Path("inspect"), help="write to this folder (default inspect)"
    )
    parser.add_argument(
        "--movie",
        choices=("gif", "mp4"),
        default="gif",
        help="choose the format of the animation (default gif)",
    )
    args = parser.parse_args(words)
    get_source(args.dataset)
    dataset = load(args)
    names = dataset.samples["name"].tolist()
    if args.clip is not None and args.clip not in names:
        raise UnknownNameError("clip", args.clip, names, of=args.dataset)
    i = names.index(args.clip) if args.clip is not None else 0

    from keras_skeleton.viz.animation import animate
    from keras_skeleton.viz.strips import strip_figure
    from keras_skeleton.viz.style import save_figure

    clip, row = dataset.clip(i), dataset.samples.iloc[i]
    print(row.to_string())
    label = dataset.classes[row["label"]]
    title = f"{dataset.name}: '{label}', {row['name']}"
    stem = args.out / plain_name(row["name"])
    fps, unit = dataset.info["fps"], dataset.info["unit"]
    figure = strip_figure(clip, dataset.skeleton, title, fps=fps, unit=unit)
    print(save_figure(figure, stem.with_name(stem.name + ".png")))
    movie = stem.with_name(f"{stem.name}.{args.movie}")
    print(
        animate(
            clip, dataset.skeleton, path=movie, title=title, fps=fps or 30.0, unit=unit, frames=90
        )
    )
