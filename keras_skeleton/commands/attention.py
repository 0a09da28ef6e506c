"""Visualize the attention of a network to a clip: as an interactive page (HTML), a movie (MP4, GIF)
or a strip of poses (PNG). The default is the pretrained STA-LSTM on the synthetic dataset; use
--weights RUN_DIR for the network of a run."""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable, Sequence
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from keras_skeleton.commands.common import load, parser_for, start_keras
from keras_skeleton.commands.network import (
    PRETRAINED,
    add_network_arguments,
    check_names,
    load_for,
    named_recipe,
    open_experiment,
    open_pretrained,
    pretrained_entry,
    weights_file,
)
from keras_skeleton.datasets.registry import get_source
from keras_skeleton.evaluation.swap_test import NOT_MEASURED, sentences
from keras_skeleton.recipes.registry import needs_crops
from keras_skeleton.utils.errors import UnknownNameError, UserError
from keras_skeleton.utils.files import plain_name
from keras_skeleton.utils.program import program
from keras_skeleton.utils.text import plain
from keras_skeleton.zoo.entries import Entry, read_zoo

if TYPE_CHECKING:
    from keras_skeleton.datasets.dataset import SkeletonDataset
    from keras_skeleton.recognizer import Recognizer
    from keras_skeleton.training.experiment import Experiment

    Opened = tuple[Experiment, Recognizer, int]  # with the fold of the weights
    Opener = tuple[SkeletonDataset, Callable[[], Opened]]

FORMATS = (".html", ".mp4", ".gif", ".png")
FOLDER = Path("attention")
MOVIE = 150  # approximate number of frames in a movie
VIDEO_MODELS = (
    "'{}' attends to body parts of a video, not to joints or frames; training writes their figures "
    "to RUN_DIR/attention"
)


def run(words: Sequence[str]) -> None:
    """Runs the command."""
    if "--score" in words:
        score = import_module("keras_skeleton.commands.attention_score").run
        return score([word for word in words if word != "--score"])
    parser = parser_for("attention", __doc__)
    add_network_arguments(parser)
    parser.add_argument("file", nargs="*", help=argparse.SUPPRESS)
    parser.add_argument("--clip", help="choose a clip by name (default: the first test clip)")
    parser.add_argument(
        "--weights",
        default=PRETRAINED,
        metavar="WEIGHTS",
        help="load a network of the zoo by name, a run folder, a weights file, or 'pretrained' "
        "(default)",
    )
    parser.add_argument(
        "--out",
        type=Path,
        metavar="FILE",
        help=f"write {', '.join(FORMATS)} (default {FOLDER}/CLIP.html)",
    )
    parser.add_argument(
        "--score",
        action="store_true",
        help="measure the faithfulness of attention; see attention --score --help",
    )
    args = parser.parse_args(words)
    if args.file or (args.clip and Path(args.clip).is_file()):
        path = args.file[0] if args.file else args.clip
        raise UserError(
            f"{path}: this command takes a clip of a dataset (--clip NAME); for a file: "
            f"{program()} predict {path} --weights WEIGHTS --attention --out DIR"
        )
    args.seed = 0
    out: Path | None = args.out
    if out is not None and out.suffix not in FORMATS:
        raise UserError(f"--out {out}: unknown format; choose one of {', '.join(FORMATS)}")
    dataset, make = _opener(args)
    names = dataset.samples["name"].tolist()
    if args.clip is not None and args.clip not in names:
        raise UnknownNameError("clip", args.clip, names, of=args.dataset)

    start_keras()
    from keras_skeleton.attention.run_attention import attend_to_clip

    experiment, recognizer, number = make()
    fold = experiment.folds[number - 1]
    first = next(int(part[0]) for part in (fold.test, fold.validation, fold.train) if len(part))
    i = names.index(args.clip) if args.clip is not None else first
    seen = attend_to_clip(experiment, recognizer, number, i)
    print(plain(f"{seen.name}: {seen.title}, weights {recognizer.name}", lines=False))
    swap = recognizer.about.get("swap") or []
    if seen.joints is not None or seen.frames is not None:
        print(*(sentences(swap) or [NOT_MEASURED]), sep="\n")
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
    """The dataset, and a function that opens the requested network once Keras is started."""
    if args.weights == PRETRAINED:
        _fill(args)
    check_names(args)
    if needs_crops(args.model):
        raise UserError(VIDEO_MODELS.format(args.model))
    if args.known is not None:
        start_keras()  # the record of a run is compared with the dataset, which needs Keras
    if entry := pretrained_entry(args):
        dataset = load(args, dict(entry.options))
        return dataset, partial(_open_entry, args, entry, dataset)
    dataset = load_for(args)
    return dataset, partial(_open_weights, args, dataset)


def _fill(args: argparse.Namespace) -> None:
    """Fills in missing names: STA-LSTM, the synthetic dataset, a protocol with pretrained
    weights."""
    args.model = args.model or "sta_lstm"
    args.dataset = args.dataset or "synthetic"
    if args.protocol is None:
        trained = [
            e.protocol for e in read_zoo() if (e.model, e.dataset) == (args.model, args.dataset)
        ]
        args.protocol = [*trained, *get_source(args.dataset).protocols][0]


def _open_entry(args: argparse.Namespace, entry: Entry, dataset: SkeletonDataset) -> Opened:
    from keras_skeleton.zoo.recognizers import of_entry

    experiment, _ = open_pretrained(args, entry, dataset, FOLDER)
    return experiment, of_entry(entry), entry.fold


def _open_weights(args: argparse.Namespace, dataset: SkeletonDataset) -> Opened:
    from keras_skeleton.checkpoints.weights import load_weights
    from keras_skeleton.dataset_recognizer import recognizer_of, weights_label
    from keras_skeleton.zoo.recognizers import load_recognizer

    weights = weights_file(args)
    experiment = open_experiment(args, dataset, named_recipe(args), FOLDER)
    fold = _fold(experiment, args.fold, weights)
    if args.known is not None and weights.name == "best.weights.h5":
        return experiment, load_recognizer(args.known.name, fold), fold
    name = weights_label(weights) if Path(args.weights).is_dir() else weights.name
    network = experiment.build(any_length=True)
    load_weights(network, weights)
    return experiment, recognizer_of(experiment, network, name), fold


def _fold(experiment: Experiment, named: list[int] | None, weights: Path) -> int:
    """The fold of the weights, from --fold or from the name of their folder."""
    wanted = experiment.check_folds(named)
    if len(wanted) == 1:
        return wanted[0]
    if said := re.fullmatch(r"fold_(\d+)", weights.resolve().parent.name):
        return experiment.check_folds([int(said[1])])[0]
    raise UserError(
        f"{weights}: select with --fold the one of {len(wanted)} folds that these weights were "
        "trained on (the test clips of other folds are among its training clips)"
    )
