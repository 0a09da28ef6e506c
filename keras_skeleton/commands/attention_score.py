"""Score the faithfulness of trained networks' attention, in one table."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from keras_skeleton.commands.common import (
    free_folder,
    load_named,
    parser_for,
    reader_options,
    start_keras,
    whole_number,
)
from keras_skeleton.commands.network import (
    NETWORK_FLAGS,
    add_network_arguments,
    check_names,
    load_for,
    named_recipe,
    open_experiment,
    pretrained_entry,
    refuse,
    weights_file,
)
from keras_skeleton.datasets.registry import get_source
from keras_skeleton.evaluation import swap_test
from keras_skeleton.evaluation.run_record import about_run, run_folder
from keras_skeleton.models.own_code import recorded_model
from keras_skeleton.utils.errors import DatasetError, UnknownNameError, UserError
from keras_skeleton.utils.files import write_text
from keras_skeleton.utils.lock import locked
from keras_skeleton.zoo.entries import (
    ZOO,
    Entry,
    ZooError,
    checked_files,
    entry_of_file,
    no_weights,
    read_zoo,
)

if TYPE_CHECKING:
    from keras_skeleton.attention.score import AttentionScore
    from keras_skeleton.datasets.dataset import SkeletonDataset
    from keras_skeleton.training.experiment import Experiment

    Opened = tuple[Experiment, Path, int]  # with a network's weights and fold
    Opener = Callable[[Path], Opened]  # called with the output folder

DESCRIPTION = """\
Score the attention of trained networks: its share on the joints and frames that carry the action
(if known), the effect of deleting frames or joints in its order, the agreement between seeds, and
the accuracy with attention that is not the clip's own (the swap test). Runs keep their swap test,
so that their reports and attention pages show it.
The default is all pretrained networks with attention; select among them with --model, --dataset,
--protocol, --recipe and --fold, or use --weights or --runs."""


def _parser() -> argparse.ArgumentParser:
    parser = parser_for("attention --score", DESCRIPTION)
    add_network_arguments(parser)
    parser.add_argument(
        "--weights",
        metavar="WEIGHTS",
        help="score a network of the zoo by name, a run folder, a weights file, or 'pretrained'",
    )
    parser.add_argument(
        "--runs",
        type=Path,
        nargs="+",
        metavar="RUN_DIR",
        help="score finished runs; use several seeds to measure their agreement",
    )
    parser.add_argument("--zoo", type=Path, default=ZOO, help="use this folder instead of weights/")
    parser.add_argument(
        "--clips",
        type=whole_number(1),
        metavar="N",
        help="use at most N random test clips per network (default: all)",
    )
    parser.add_argument(
        "--draws",
        type=whole_number(1),
        default=3,
        metavar="N",
        help="use N random orders, and N other clips to swap with, per clip (default 3)",
    )
    parser.add_argument("--only-swap", action="store_true", help="run the swap test alone")
    parser.add_argument(
        "--record",
        action="store_true",
        help="also record the swap test in the zoo, for the attention pages of its networks",
    )
    parser.add_argument(
        "--seed", type=whole_number(0), default=0, help="set the seed of orders and intervals"
    )
    parser.add_argument(
        "--out", type=Path, help="write to this folder (default runs/attention_score)"
    )
    return parser


def run(words: Sequence[str]) -> None:
    """Runs the command; `words` are its arguments without `--score`."""
    args = _parser().parse_args(words)
    _check(args)
    with locked(args.out or free_folder(Path("runs/attention_score"))) as out:
        _score(args, out)


def _score(args: argparse.Namespace, out: Path) -> None:
    start_keras()
    from keras_skeleton.attention.faithfulness import NotScoredError
    from keras_skeleton.attention.score import AttentionScore
    from keras_skeleton.attention.score_table import EXPLANATION, readable
    from keras_skeleton.evaluation.run_record import command_line
    from keras_skeleton.zoo.page import markdown

    score = AttentionScore(
        out, command_line(), args.seed, args.draws, args.clips, only_swap=args.only_swap
    )
    datasets: dict[str, SkeletonDataset] = {}  # read once for all networks on it
    for name, make in _networks(args, datasets):
        started = time.perf_counter()
        try:
            experiment, weights, fold = make(out)
            clips = score.add(name, experiment, weights, fold)
            _keep(args, score, name, weights)
        except (NotScoredError, DatasetError) as error:
            reason = str(error).splitlines()[0]
            score.left_out[name] = reason
            print(f"skipped {name}: {reason}")
            continue
        print(f"{name}: {clips} test clips, {time.perf_counter() - started:.0f} s", flush=True)
    scores = score.write()
    swaps = score.swap_summary
    parts = [] if scores.empty else [(readable(scores), EXPLANATION)]
    parts.append((swap_test.readable(swaps), swap_test.EXPLANATION))
    page = [f"{markdown(text)}\n\n{words}\n" for text, words in parts]
    write_text(out / "attention_score.md", "\n".join(page))
    for text, words in parts:
        print(f"\n{text.to_string(index=False)}\n\n{words}")
    for name, own in swaps.groupby("network", sort=False):
        print(f"\n{name}:", *swap_test.sentences(own.to_dict("records")), sep="\n")
    print(f"\nresults are in {out}")


def _keep(args: argparse.Namespace, score: AttentionScore, name: str, weights: Path) -> None:
    """Stores a network's swap test where its pages find it: in its run, or in the zoo."""
    from keras_skeleton.zoo.card import write_card
    from keras_skeleton.zoo.swaps import record_swap

    found = score.swaps[name]
    run, fold = run_folder(weights) or (None, None)
    if run is not None and fold is not None:
        swap_test.write_clips(weights.parent / swap_test.CLIPS, found)
    elif args.record and (entry := entry_of_file(weights, args.zoo)):
        record_swap(entry, found, score.command, score.seed, args.zoo)
        write_card(entry, args.zoo)


def _check(args: argparse.Namespace) -> None:
    """Checks combinations of arguments before TensorFlow is loaded."""
    if args.weights is not None and args.runs is not None:
        raise UserError("give --weights or --runs, not both")
    if args.weights is not None:
        check_names(args)
        return
    own = [*NETWORK_FLAGS]
    own += ["option"] if args.runs is None else ["crops", "model", "dataset", "protocol", "recipe"]
    refuse(args, own, "entries of the zoo and runs define their networks")
    if args.fold and len(set(args.fold)) > 1:
        raise UserError("give --fold only once")


def _networks(
    args: argparse.Namespace, datasets: dict[str, SkeletonDataset]
) -> Iterator[tuple[str, Opener]]:
    """Yields the names of the requested networks with functions that open them."""
    if args.runs is not None:
        names = run_names(args.runs)
        for name, folder in zip(names, args.runs, strict=True):
            yield name, partial(_open_run, args, datasets, folder)
        return
    one = pretrained_entry(args) if args.weights else None
    if one is None and args.weights is not None:
        yield Path(args.weights).name.removesuffix(".weights.h5"), partial(_open_weights, args)
    else:
        for entry in [one] if one else _entries(args):
            yield entry.name, partial(_open_entry, args, datasets, entry)


def run_names(folders: Sequence[Path]) -> list[str]:
    """Unique names of runs: the folder names, with as many parent folders as necessary."""
    paths = [folder.resolve() for folder in folders]
    if len(set(paths)) < len(paths):
        raise UserError("--runs contains a folder twice")
    for depth in range(1, max(len(path.parts) for path in paths) + 1):
        names = ["_".join(path.parts[-depth:]).replace("/", "") for path in paths]
        if len(set(names)) == len(names):
            break
    return names


def _entries(args: argparse.Namespace) -> list[Entry]:
    """The entries of the zoo that match the arguments."""
    everything = read_zoo(args.zoo)
    if not everything:
        raise ZooError(no_weights(args.zoo))
    entries = everything
    for key in ("model", "dataset", "protocol", "recipe"):
        wanted = getattr(args, key)
        if wanted is not None:
            known = sorted({getattr(entry, key) for entry in everything})
            if wanted not in known:
                raise UnknownNameError(key, wanted, known, of="the zoo")
            entries = [entry for entry in entries if getattr(entry, key) == wanted]
    if args.fold:
        entries = [entry for entry in entries if entry.fold == args.fold[0]]
    if not entries:
        raise ZooError(
            f"{args.zoo}: no entry matches all arguments; list them with `keras-skeleton zoo`"
        )
    return entries


def _dataset(
    args: argparse.Namespace,
    datasets: dict[str, SkeletonDataset],
    name: str,
    options: Mapping[str, Any],
) -> SkeletonDataset:
    key = f"{name} {args.data_dir} {sorted(options.items())}"
    if key not in datasets:
        datasets[key] = load_named(args, name, dict(options))
    return datasets[key]


def _open_entry(
    args: argparse.Namespace, datasets: dict[str, SkeletonDataset], entry: Entry, out: Path
) -> Opened:
    from keras_skeleton.attention.faithfulness import check_classifies, check_scorable
    from keras_skeleton.evaluation.run_record import command_line
    from keras_skeleton.models.registry import MODELS
    from keras_skeleton.video.crops import open_crops
    from keras_skeleton.zoo.load import experiment_of

    crops = None
    check_classifies(entry.task)
    if MODELS[entry.model].video and args.crops:
        crops = open_crops(args.crops)
    else:
        check_scorable(entry.model)
    dataset = _dataset(args, datasets, entry.dataset, entry.options)
    experiment = experiment_of(entry, dataset, out, command_line(), crops)
    return experiment, checked_files(entry, args.zoo)[0], entry.fold


def _open_run(
    args: argparse.Namespace, datasets: dict[str, SkeletonDataset], folder: Path, out: Path
) -> Opened:
    from keras_skeleton.attention.faithfulness import check_scorable
    from keras_skeleton.evaluation.run_record import command_line
    from keras_skeleton.zoo.load import experiment_of_run

    about = about_run(folder)
    fold = args.fold[0] if args.fold else 1
    weights = folder / f"fold_{fold:02d}" / "best.weights.h5"
    if not weights.is_file():
        raise UserError(f"{weights}: no such file; choose a finished fold with --fold")
    check_scorable(recorded_model(about.get("model", "tap_lstm")), about["task"])
    options = {**about["options"], **reader_options(get_source(about["dataset"]), args.option)}
    if args.data_dir is None and about.get("data_dir"):
        own = (folder / about["data_dir"]).resolve()
        args = argparse.Namespace(**{**vars(args), "data_dir": own if own.is_dir() else None})
    dataset = _dataset(args, datasets, about["dataset"], options)
    return experiment_of_run(about, dataset, out, command_line()), weights, fold


def _open_weights(args: argparse.Namespace, out: Path) -> Opened:
    path = weights_file(args)
    experiment = open_experiment(args, load_for(args), named_recipe(args), out)
    folds = experiment.check_folds(args.fold)
    if len(folds) > 1:
        raise UserError(
            f"'{args.protocol}' has {len(folds)} folds; select with --fold the one that these "
            "weights were trained on"
        )
    return experiment, path, folds[0]
