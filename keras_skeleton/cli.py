"""The command line: `python run.py --model mans9 --dataset ntu --protocol cs --data-dir PATH`."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from keras_skeleton.datasets import SOURCES, DatasetError, get_source, load_dataset
from keras_skeleton.datasets.store import default_cache_dir
from keras_skeleton.names import unknown_name

if TYPE_CHECKING:
    from keras_skeleton.datasets import SkeletonDataset

COMMANDS = ("prepare", "inspect", "report", "list", "info")
DESCRIPTION = """\
Trains a model on a dataset by its paper's recipe and scores it. Other commands:
  run.py prepare --dataset D --data-dir PATH   read the raw files into the store, no training
  run.py inspect --dataset D [--clip NAME]     draw a clip: a strip of poses and an animation
  run.py report RUN_DIR...                     merge the folds of one experiment
  run.py list                                  models, datasets, protocols, what is on disk
  run.py info --model M                        layers, parameters and FLOPs of a model"""


def _add_data_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--data-dir", type=Path, help="folder of the dataset as downloaded; only read"
    )
    parser.add_argument(
        "--cache-dir",
        type=Path,
        help=f"where prepared datasets are kept (default {default_cache_dir()})",
    )
    parser.add_argument(
        "--strict", action="store_true", help="stop at the first bad file instead of leaving it out"
    )


def train_parser() -> argparse.ArgumentParser:
    """Arguments of training and evaluation."""
    parser = argparse.ArgumentParser(
        prog="run.py", description=DESCRIPTION, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", required=True, help="see run.py list")
    parser.add_argument("--dataset", required=True, help="see run.py list")
    parser.add_argument("--protocol", required=True, help="see run.py list")
    _add_data_arguments(parser)
    parser.add_argument("--recipe", default="paper", help="paper (default), released or tuned")
    parser.add_argument("--epochs", type=_positive, help="instead of the recipe's")
    parser.add_argument("--batch-size", type=_positive, help="instead of the recipe's")
    parser.add_argument("--attention", help="of MANs: learned, frozen, none or frame_gate")
    parser.add_argument(
        "--end-to-end", action="store_true", help="of STA-LSTM: no stages, one training"
    )
    parser.add_argument(
        "--no-attention-regularizer", action="store_true", help="of STA-LSTM: lambda 1 and 2 are 0"
    )
    parser.add_argument("--fold", type=_positive, action="append", help="only this fold, from 1")
    parser.add_argument("--seed", type=int, default=0, help="fold k trains from seed + k - 1")
    parser.add_argument(
        "--out", type=Path, help="folder of results (default runs/MODEL_DATASET_PROTOCOL)"
    )
    parser.add_argument("--resume", action="store_true", help="continue a stopped run in --out")
    parser.add_argument("--weights", type=Path, help="score these weights instead of training")
    return parser


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{value} is not 1 or more")
    return value


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command; returns the exit status (0, or 2 with a message for a user's error)."""
    words = list(sys.argv[1:] if arguments is None else arguments) or ["--help"]
    try:
        if words and words[0] in COMMANDS:
            commands: dict[str, Any] = {
                "prepare": prepare, "inspect": inspect, "report": report, "list": list_all,
                "info": info,
            }  # fmt: skip
            commands[words[0]](words[1:])
        elif words and not words[0].startswith("-"):
            raise ValueError(unknown_name("command", words[0], COMMANDS))
        else:
            train(train_parser().parse_args(words))
    except KeyboardInterrupt:
        print("\nstopped; add --resume to the same command to go on", file=sys.stderr)
        return 130
    except Exception as error:
        if not _is_users(error):
            raise
        print(f"run.py: {error}", file=sys.stderr)
        return 2
    return 0


def _is_users(error: Exception) -> bool:
    """Whether the message alone tells a user what to do; anything else shows its traceback."""
    if type(error).__name__ in ("DatasetError", "DivergedError", "ResultsError", "RunError"):
        return True
    # Our own checks raise plain ValueErrors; those of other libraries are faults to be traced.
    last = traceback.extract_tb(error.__traceback__)[-1]
    return type(error) is ValueError and Path(last.filename).is_relative_to(Path(__file__).parent)


@contextmanager
def _quiet() -> Iterator[None]:
    """Keeps what TensorFlow's C++ parts write on their first start (builds, absent GPUs) away.

    They write to the file descriptor itself, before any setting of theirs is read. If the start
    fails, all of it is shown.
    """
    sys.stderr.flush()
    with tempfile.TemporaryFile() as kept, os.fdopen(os.dup(2), "wb") as real:
        os.dup2(kept.fileno(), 2)
        try:
            yield
        except BaseException:
            kept.seek(0)
            real.write(kept.read())
            raise
        finally:
            os.dup2(real.fileno(), 2)


def _start_keras() -> None:
    with _quiet():
        import keras

        keras.ops.zeros(())  # the first operation looks for devices


def _load(
    args: argparse.Namespace, options: dict[str, Any], force: bool = False
) -> SkeletonDataset:
    return load_dataset(
        args.dataset, args.data_dir, args.cache_dir, args.strict, force, say=print, **options
    )


def free_folder(base: Path) -> Path:
    """`base`, or `base-2`, `base-3`, ... where it exists."""
    folder, n = base, 1
    while folder.exists():
        n += 1
        folder = base.with_name(f"{base.name}-{n}")
    return folder


def train(args: argparse.Namespace) -> None:
    """Trains, or with --weights only scores."""
    # Names first: a typing error should not wait for TensorFlow to start.
    source = get_source(args.dataset)
    if args.protocol not in source.protocols:
        raise ValueError(unknown_name("protocol", args.protocol, source.protocols, of=source.name))
    source.find(args.data_dir)

    _start_keras()
    from keras_skeleton.models import check_model
    from keras_skeleton.training.experiment import Experiment, command_line
    from keras_skeleton.training.recipes import get_recipe

    recipe = get_recipe(check_model(args.model), args.dataset, args.recipe)
    changes = {"epochs": args.epochs, "batch_size": args.batch_size}
    recipe = replace(recipe, **{key: value for key, value in changes.items() if value is not None})
    if args.attention is not None:
        recipe = replace(recipe, model={**recipe.model, "attention": args.attention})
    if args.end_to_end:
        recipe = replace(recipe, stages=())
    if args.no_attention_regularizer:
        recipe = replace(recipe, model={**recipe.model, "lambda1": 0.0, "lambda2": 0.0})

    base = Path("runs") / f"{args.model}_{args.dataset}_{args.protocol}"
    out = args.out or (base if args.resume else free_folder(base))
    if args.resume and not (out / "run.json").exists():
        raise DatasetError(f"{out}: no run to resume here; give its folder with --out")
    experiment = Experiment(
        model=args.model,
        dataset=_load(args, {**recipe.dataset, **source.protocol_options.get(args.protocol, {})}),
        protocol=args.protocol,
        variant=args.recipe,
        recipe=recipe,
        seed=args.seed,
        folder=out,
        command=command_line(),
    )
    if args.weights is not None:
        print(experiment.evaluate(args.weights, args.fold))
    else:
        print(
            f"{args.model} on {args.dataset}, {args.protocol}, recipe '{args.recipe}'; "
            f"results in {out}"
        )
        print("\n" + experiment.train(args.fold, args.resume))
        print(f"\nopen {out / 'report.html'}")


def prepare(words: Sequence[str]) -> None:
    """`run.py prepare`: raw files to the store."""
    parser = argparse.ArgumentParser(prog="run.py prepare", description=prepare.__doc__)
    parser.add_argument("--dataset", required=True)
    _add_data_arguments(parser)
    parser.add_argument("--force", action="store_true", help="make the store again")
    args = parser.parse_args(words)
    get_source(args.dataset)
    dataset = _load(args, {}, force=args.force)
    frames = int(dataset.samples["frames"].sum())
    print(f"{dataset.name}: {len(dataset)} clips, {frames} frames, {len(dataset.classes)} classes")
    for protocol in dataset.protocols:
        try:
            folds = list(dataset.folds(protocol))
        except DatasetError as error:  # of a user's own clips: too few subjects, say
            print(f"  {protocol}: {error}")
            continue
        for number, fold in enumerate(folds[:3], start=1):
            print(
                f"  {protocol} fold {number}/{len(folds)}: {len(fold.train)} train, "
                f"{len(fold.validation)} validation, {len(fold.test)} test"
            )
    print(f"store: {dataset.info['store']}")


def inspect(words: Sequence[str]) -> None:
    """`run.py inspect`: draws a clip as a strip of poses (PNG) and as an animation (GIF, MP4)."""
    parser = argparse.ArgumentParser(prog="run.py inspect", description=inspect.__doc__)
    parser.add_argument("--dataset", required=True)
    parser.add_argument("--clip", help="its name (default: the first clip)")
    _add_data_arguments(parser)
    parser.add_argument(
        "--out", type=Path, default=Path("inspect"), help="folder (default inspect)"
    )
    parser.add_argument("--movie", choices=("gif", "mp4"), default="gif")
    args = parser.parse_args(words)
    get_source(args.dataset)
    dataset = _load(args, {})
    names = dataset.samples["name"].tolist()
    if args.clip is not None and args.clip not in names:
        message = unknown_name("clip", args.clip, names[:20], of=args.dataset)
        raise ValueError(message + (" ..." if len(names) > 20 else ""))
    i = names.index(args.clip) if args.clip is not None else 0

    from keras_skeleton.animation import animate
    from keras_skeleton.plots import save_figure, strip_figure

    clip, row = dataset.clip(i), dataset.samples.iloc[i]
    print(row.to_string())
    label = dataset.classes[row["label"]]
    title = f"{dataset.name}: '{label}', {row['name']}"
    stem = args.out / row["name"].replace("/", "_")
    fps, unit = dataset.info["fps"], dataset.info["unit"]
    figure = strip_figure(clip, dataset.skeleton, title, fps=fps, unit=unit)
    print(save_figure(figure, stem.with_name(stem.name + ".png")))
    movie = stem.with_name(f"{stem.name}.{args.movie}")
    print(animate(clip, dataset.skeleton, movie, title, fps or 30.0, unit, frames=90))


def report(words: Sequence[str]) -> None:
    """`run.py report`: merges run folders of one experiment (the parts of a job array)."""
    parser = argparse.ArgumentParser(prog="run.py report", description=report.__doc__)
    parser.add_argument("run_dirs", nargs="+", type=Path, metavar="RUN_DIR")
    parser.add_argument("--out", type=Path, help="where to (default: the first RUN_DIR)")
    args = parser.parse_args(words)
    from keras_skeleton.evaluation.report import write_report

    out = args.out or args.run_dirs[0]
    print(write_report(args.run_dirs, out))
    print(f"\nopen {out / 'report.html'}")


def list_all(words: Sequence[str]) -> None:
    """`run.py list`: models, datasets, protocols, and what of them is on this machine."""
    parser = argparse.ArgumentParser(prog="run.py list", description=list_all.__doc__)
    parser.add_argument("--data-dir", type=Path, help="folder with the datasets as downloaded")
    parser.add_argument("--cache-dir", type=Path)
    args = parser.parse_args(words)
    if args.data_dir is not None and not args.data_dir.is_dir():
        raise DatasetError(f"{args.data_dir}: no such folder")
    _start_keras()
    from keras_skeleton.datasets.overview import describe
    from keras_skeleton.models import MODELS

    print("models")
    for name, entry in MODELS.items():
        print(f"  {name:<18}{entry.paper}")
    cache = args.cache_dir or default_cache_dir()
    print("\ndatasets")
    for source in SOURCES.values():
        print("\n".join(describe(source, cache, args.data_dir)))
    print(f"\nprepared datasets are kept in {cache}")


def info(words: Sequence[str]) -> None:
    """`run.py info`: a model's layers, parameters and FLOPs a clip."""
    parser = argparse.ArgumentParser(prog="run.py info", description=info.__doc__)
    parser.add_argument("--model", required=True)
    parser.add_argument("--classes", type=_positive, default=60)
    parser.add_argument("--skeleton", default="kinect_v2")
    args = parser.parse_args(words)
    _start_keras()
    from keras_skeleton.models import build_model
    from keras_skeleton.models.summary import summary

    print(summary(build_model(args.model, args.skeleton, args.classes)))
