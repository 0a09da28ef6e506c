"""`run.py attention`: draws where a network looks in a clip: as a page that plays (HTML), a movie
(MP4, GIF) or a strip of poses (PNG)."""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from keras_skeleton.commands.common import start_keras
from keras_skeleton.commands.network import (
    PRETRAINED,
    add_network_arguments,
    check_names,
    named_recipe,
    open_experiment,
    open_pretrained,
    pretrained_entry,
    weights_file,
)
from keras_skeleton.errors import UnknownNameError, UserError
from keras_skeleton.files import plain_name

if TYPE_CHECKING:
    from keras_skeleton.training.experiment import Experiment

FORMATS = (".html", ".mp4", ".gif", ".png")
FOLDER = Path("attention")
MOVIE = 150  # frames of a movie, about


def run(words: Sequence[str]) -> None:
    """Runs the command."""
    if "--score" in words:
        score = import_module("keras_skeleton.commands.attention_score").run
        return score([word for word in words if word != "--score"])
    parser = argparse.ArgumentParser(prog="run.py attention", description=__doc__)
    add_network_arguments(parser)
    parser.add_argument("--clip", help="its name (default: the first test clip)")
    parser.add_argument(
        "--weights", default=PRETRAINED, metavar="FILE",
        help="a file, a run's folder, or 'pretrained' for those of the zoo (default)",
    )  # fmt: skip
    parser.add_argument(
        "--out", type=Path, metavar="FILE",
        help=f"ends in {', '.join(FORMATS)} (default {FOLDER}/CLIP.html)",
    )  # fmt: skip
    parser.add_argument(
        "--score", action="store_true",
        help="score how far attention can be trusted instead; see run.py attention --score --help",
    )  # fmt: skip
    args = parser.parse_args(words)
    args.seed = 0
    out: Path | None = args.out
    if out is not None and out.suffix not in FORMATS:
        raise UserError(f"{out}: ends in none of {', '.join(FORMATS)}, which can be written")
    if args.model == "pose_i3d":
        raise UserError(
            "'pose_i3d' weighs body parts of a video, not joints or frames; a training draws them "
            "into RUN_DIR/attention"
        )
    check_names(args)
    entry = pretrained_entry(args)

    start_keras()
    from keras_skeleton.training.looking import look_at_clip
    from keras_skeleton.training.trained import called
    from keras_skeleton.weights import load_weights

    if entry is not None:
        experiment, weights = open_pretrained(args, entry, FOLDER)
        number, name = entry.fold, entry.name
    else:
        weights = weights_file(args)
        experiment = open_experiment(args, named_recipe(args), FOLDER)
        number = _fold(experiment, args.fold, weights)
        name = called(weights) if Path(args.weights).is_dir() else weights.name
    names = experiment.dataset.samples["name"].tolist()
    if args.clip is not None and args.clip not in names:
        raise UnknownNameError("clip", args.clip, names, of=args.dataset)
    fold = experiment.folds[number - 1]
    i = names.index(args.clip) if args.clip is not None else int(fold.test[0])
    network = experiment.build()
    load_weights(network, weights)
    seen = look_at_clip(experiment, network, number, i, name)
    print(f"{seen.name}: {seen.title}")
    out = out or FOLDER / f"{plain_name(seen.name)}.html"
    if out.suffix == ".html":
        from keras_skeleton.attention_page import write_attention_page

        print(write_attention_page(seen, out))
    elif out.suffix == ".png":
        from keras_skeleton.plots import attention_strip_figure, save_figure

        figure = attention_strip_figure(
            seen.clip, seen.skeleton, seen.frames, seen.caption, fps=seen.fps,
            interval=seen.interval, unit=seen.unit, shares=seen.shares, top=seen.top_share,
        )  # fmt: skip
        print(save_figure(figure, out))
    else:
        from keras_skeleton.animation import animate_attention

        print(animate_attention(seen, out, frames=MOVIE))


def _fold(experiment: Experiment, named: list[int] | None, weights: Path) -> int:
    """The fold that weights belong to; a run's folder of a fold says it."""
    wanted = experiment.check_folds(named)
    if len(wanted) == 1:
        return wanted[0]
    if said := re.fullmatch(r"fold_(\d+)", weights.resolve().parent.name):
        return experiment.check_folds([int(said[1])])[0]
    raise UserError(
        f"{weights}: say with --fold which of the {len(wanted)} folds these weights were trained "
        "on: what the others test on is among its training clips"
    )
