"""Draw where a network looks in a clip: an interactive page (HTML), a movie (MP4, GIF) or a strip
of poses (PNG). By default the pretrained STA-LSTM on the synthetic dataset; with --weights
RUN_DIR the network of that run."""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable, Sequence
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from keras_skeleton.commands.common import load, parser_for, start_keras
from keras_skeleton.commands.network import (
    NETWORK_FLAGS,
    PRETRAINED,
    add_network_arguments,
    check_names,
    load_for,
    named_recipe,
    open_experiment,
    open_pretrained,
    pretrained_entry,
    refuse,
    weights_file,
)
from keras_skeleton.datasets.registry import get_source
from keras_skeleton.evaluation.run_record import about_run
from keras_skeleton.recipes.registry import needs_crops
from keras_skeleton.utils.errors import UnknownNameError, UserError
from keras_skeleton.utils.files import plain_name
from keras_skeleton.zoo.entries import Entry, read_zoo

if TYPE_CHECKING:
    from keras_skeleton.datasets.dataset import SkeletonDataset
    from keras_skeleton.training.experiment import Experiment

    Opened = tuple[Experiment, Path, int, str]  # with weights, their fold, and their label
    Opener = tuple[SkeletonDataset, Callable[[], Opened]]

FORMATS = (".html", ".mp4", ".gif", ".png")
FOLDER = Path("attention")
MOVIE = 150  # frames of a movie, about
NAMES = ("model", "dataset", "protocol")
VIDEO_MODELS = (
    "'{}' weighs body parts of a video, not joints or frames; a training draws them into "
    "RUN_DIR/attention"
)


def run(words: Sequence[str]) -> None:
    """Runs the command."""
    if "--score" in words:
        score = import_module("keras_skeleton.commands.attention_score").run
        return score([word for word in words if word != "--score"])
    parser = parser_for("attention", __doc__)
    add_network_arguments(parser, required=False)
    parser.add_argument("--clip", help="its name (default: the first test clip)")
    parser.add_argument(
        "--weights",
        default=PRETRAINED,
        metavar="FILE",
        help="a file, a run's folder, or 'pretrained' for those of the zoo (default)",
    )
    parser.add_argument(
        "--out",
        type=Path,
        metavar="FILE",
        help=f"ends in {', '.join(FORMATS)} (default {FOLDER}/CLIP.html)",
    )
    parser.add_argument(
        "--score",
        action="store_true",
        help="score how far attention can be trusted instead; see attention --score --help",
    )
    args = parser.parse_args(words)
    args.seed = 0
    out: Path | None = args.out
    if out is not None and out.suffix not in FORMATS:
        raise UserError(f"{out}: ends in none of {', '.join(FORMATS)}, which can be written")
    dataset, make = _opener(args)
    names = dataset.samples["name"].tolist()
    if args.clip is not None and args.clip not in names:
        raise UnknownNameError("clip", args.clip, names, of=args.dataset)

    start_keras()
    from keras_skeleton.attention.run_attention import attend_to_clip
    from keras_skeleton.checkpoints.weights import load_weights

    experiment, weights, number, name = make()
    test = experiment.folds[number - 1].test
    i = names.index(args.clip) if args.clip is not None else int(test[0])
    network = experiment.build()
    load_weights(network, weights)
    seen = attend_to_clip(experiment, network, number, i, name)
    print(f"{seen.name}: {seen.title}, weights {name}")
    out = out or FOLDER / f"{plain_name(seen.name)}.html"
    if out.suffix == ".html":
        from keras_skeleton.viz.attention_page import write_attention_page

        print(write_attention_page(seen, out))
    elif out.suffix == ".png":
        from keras_skeleton.viz.strips import attention_strip_figure
        from keras_skeleton.viz.style import save_figure

        figure = attention_strip_figure(
            seen.clip,
            seen.skeleton,
            seen.frames,
            seen.caption,
            fps=seen.fps,
            interval=seen.interval,
            unit=seen.unit,
            shares=seen.shares,
            top=seen.top_share,
        )
        print(save_figure(figure, out))
    else:
        from keras_skeleton.viz.animation import animate_attention

        print(animate_attention(seen, out, frames=MOVIE))


def _opener(args: argparse.Namespace) -> Opener:
    """The dataset, and what opens the network that is asked for, once Keras is started."""
    named = [name for name in NAMES if getattr(args, name)]
    own = Path(args.weights)
    if args.weights != PRETRAINED and not own.exists():
        raise UserError(f"{own}: no such file or folder")
    if args.weights != PRETRAINED and len(named) < len(NAMES):
        if named or not own.is_dir():
            lacking = ", ".join(f"--{name}" for name in NAMES if name not in named)
            raise UserError(f"{own}: of what network on what data? Add {lacking}")
        return _run_opener(args, own)
    _fill(args)
    if needs_crops(args.model):
        raise UserError(VIDEO_MODELS.format(args.model))
    check_names(args)
    entry = pretrained_entry(args)
    if entry:
        dataset = load(args, dict(entry.options))
        return dataset, partial(_open_entry, args, entry, dataset)
    dataset = load_for(args)
    return dataset, partial(_open_weights, args, dataset)


def _fill(args: argparse.Namespace) -> None:
    """Names that were left out: STA-LSTM, the synthetic set, the protocol that the zoo has."""
    args.model = args.model or "sta_lstm"
    args.dataset = args.dataset or "synthetic"
    if args.protocol is None:
        trained = [
            e.protocol for e in read_zoo() if (e.model, e.dataset) == (args.model, args.dataset)
        ]
        args.protocol = [*trained, *get_source(args.dataset).protocols][0]


def _open_entry(args: argparse.Namespace, entry: Entry, dataset: SkeletonDataset) -> Opened:
    experiment, weights = open_pretrained(args, entry, dataset, FOLDER)
    return experiment, weights, entry.fold, entry.name


def _open_weights(args: argparse.Namespace, dataset: SkeletonDataset) -> Opened:
    from keras_skeleton.recognizer import weights_label

    weights = weights_file(args)
    experiment = open_experiment(args, dataset, named_recipe(args), FOLDER)
    name = weights_label(weights) if Path(args.weights).is_dir() else weights.name
    return experiment, weights, _fold(experiment, args.fold, weights), name


def _run_opener(args: argparse.Namespace, folder: Path) -> Opener:
    """Of a finished run, which says itself what it is."""
    about = about_run(folder)
    refuse(args, ("recipe", *NETWORK_FLAGS), f"{folder}: a run brings its own network")
    if about["task"] == "detection":
        raise UserError(
            f"{folder}: it detects actions; the command detect draws what it attends to"
        )
    if needs_crops(about["model"]):
        raise UserError(VIDEO_MODELS.format(about["model"]))
    args.dataset, args.protocol = about["dataset"], about["protocol"]
    dataset = load(args, about["options"])
    return dataset, partial(_open_run, args, about, dataset)


def _open_run(args: argparse.Namespace, about: dict[str, Any], dataset: SkeletonDataset) -> Opened:
    from keras_skeleton.evaluation.run_record import command_line
    from keras_skeleton.recognizer import weights_label
    from keras_skeleton.zoo.load import experiment_of_run

    weights = weights_file(args)
    experiment = experiment_of_run(about, dataset, FOLDER, command_line())
    return experiment, weights, _fold(experiment, args.fold, weights), weights_label(weights)


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
