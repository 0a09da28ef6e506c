"""Draw a clip as a strip of poses (PNG) and as an animation (GIF, MP4)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from keras_skeleton.commands.common import add_data_arguments, load, parser_for
from keras_skeleton.datasets.registry import get_source
from keras_skeleton.transforms.geometry import present
from keras_skeleton.utils.errors import UnknownNameError
from keras_skeleton.utils.files import plain_name

if TYPE_CHECKING:
    from keras_skeleton.datasets.dataset import SkeletonDataset


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
    for line in describe_clip(clip, dataset, i):
        print(line)
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


def describe_clip(clip: np.ndarray, dataset: SkeletonDataset, i: int) -> Iterator[str]:
    """Yields lines about people, unit, axes and missing joints of a clip.

    Args:
        clip: Clip `i`, (T, M, V, 3).
        dataset: The dataset.
        i: Index of the clip.
    """
    there = present(clip)
    counts = [int(n) for n in there.sum(axis=0) if n]
    frames = ", ".join(map(str, counts))
    yield f"people: {len(counts)}, in {frames} of {len(clip)} frames"
    unit = dataset.info.get("unit", "m")
    if there.any():
        size = float(np.median(np.ptp(clip[there], axis=1).max(axis=1)))
        low, high = clip[there].min(axis=(0, 1)), clip[there].max(axis=(0, 1))
        ranges = ", ".join(
            f"{a} {x:.4g} to {y:.4g}" for a, x, y in zip("xyz", low, high, strict=True)
        )
        yield f"unit: {unit or 'unknown'}; a person measures {size:.4g}; {ranges}"
    up = dataset.info.get("up", "y")
    yield "up: y" + (f" ({up} in the files)" if up != "y" else "")
    fps = dataset.info.get("fps")
    yield f"frame rate: {f'{fps:g} per second' if fps else 'unknown'}"
    if "filled" in dataset.samples:
        share = float(dataset.samples["filled"].iloc[i])
        yield f"missing joints, interpolated: {share:.1%}"
    zero: np.ndarray = np.all(clip == 0, axis=-1) & there[:, :, None]
    if joints := np.flatnonzero(zero.any(axis=(0, 1))).tolist():
        yield f"joints at (0, 0, 0): {', '.join(dataset.skeleton.joints[j] for j in joints)}"
