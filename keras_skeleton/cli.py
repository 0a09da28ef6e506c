"""The command line: `python run.py --model mans9 --dataset ntu --protocol cs --data-dir PATH`."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import count, takewhile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from keras_skeleton.datasets import SOURCES, DatasetError, get_source, load_dataset
from keras_skeleton.datasets.store import default_cache_dir, verify_store
from keras_skeleton.errors import UnknownNameError, UserError

if TYPE_CHECKING:
    from keras_skeleton.datasets import SkeletonDataset
    from keras_skeleton.datasets.source import Source

VIDEOS = ("ntu", "ntu120", "nucla", "synthetic")  # datasets whose joints are known in videos
COMMANDS = ("prepare", "crops", "detect", "inspect", "report", "list", "info")
DESCRIPTION = """\
Trains a model on a dataset by its paper's recipe and scores it. Other commands:
  run.py prepare --dataset D --data-dir PATH   read the raw files into the store, no training
  run.py crops --dataset D --crops FOLDER      videos to crops of hands and body, for pose_i3d
  run.py detect --dataset D --protocol P       actions in untrimmed recordings: train, detect, score
  run.py detect --weights RUN_DIR --stream FILE    ... and in one recording, with what was trained
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
        "--option",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="a reader option of the dataset, see its file: --option units=normalised",
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
    parser.add_argument("--epochs", type=whole_number(1), help="instead of the recipe's")
    parser.add_argument("--batch-size", type=whole_number(1), help="instead of the recipe's")
    parser.add_argument(
        "--attention", choices=("learned", "frozen", "none", "frame_gate"), help="of MANs"
    )
    parser.add_argument(
        "--end-to-end", action="store_true", help="of STA-LSTM: no stages, one training"
    )
    parser.add_argument(
        "--no-attention-regularizer", action="store_true", help="of STA-LSTM: lambda 1 and 2 are 0"
    )
    parser.add_argument(
        "--bidirectional", action="store_true", help="of STA-LSTM: LSTMs also run from the end"
    )
    parser.add_argument(
        "--test-copies", type=whole_number(1), metavar="N",
        help="of CSTA-CNN: score the mean over N random copies of each test clip, too",
    )  # fmt: skip
    parser.add_argument(
        "--crops", type=Path, help="of pose_i3d: folder of what run.py crops has made"
    )
    parser.add_argument(
        "--i3d", type=Path, metavar="PATH",
        help="of pose_i3d: published I3D weights (a checkpoint or the Keras port's .h5)",
    )  # fmt: skip
    parser.add_argument(
        "--aggregate", metavar="ROW",
        help="of pose_i3d: attention (default), sum_0, sum_1, sum_2, concat_0, or one track: "
        "left_hand, right_hand, full_body, full_image",
    )  # fmt: skip
    parser.add_argument(
        "--fold", type=whole_number(1), action="append", help="only this one, from 1"
    )
    parser.add_argument("--seed", type=whole_number(0), default=0, help="fold k takes seed + k - 1")
    parser.add_argument(
        "--out", type=Path, help="folder of results (default runs/MODEL_DATASET_PROTOCOL)"
    )
    parser.add_argument("--resume", action="store_true", help="continue a stopped run in --out")
    parser.add_argument("--weights", type=Path, help="score these weights instead of training")
    return parser


def whole_number(least: int) -> Callable[[str], int]:
    """An argument's type: a whole number, `least` or more."""

    def parse(text: str) -> int:
        if not text.lstrip("-").isdigit() or int(text) < least:
            raise argparse.ArgumentTypeError(f"'{text}' is not a whole number from {least} up")
        return int(text)

    return parse


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command; returns the exit status (0, or 2 with a message for a user's error)."""
    words = list(sys.argv[1:] if arguments is None else arguments) or ["--help"]
    try:
        if words[0] in COMMANDS:
            commands: dict[str, Any] = {
                "prepare": prepare, "crops": crops, "detect": detect, "inspect": inspect,
                "report": report, "list": list_all, "info": info,
            }  # fmt: skip
            commands[words[0]](words[1:])
        elif not words[0].startswith("-"):
            raise UnknownNameError("command", words[0], COMMANDS)
        else:
            train(train_parser().parse_args(words))
    except KeyboardInterrupt:
        print("\nstopped", file=sys.stderr)
        return 130
    except UserError as error:
        print(f"run.py: {error}", file=sys.stderr)
        return 2
    except OSError as error:  # a folder where a file should be, no space, no permission
        if error.filename is None:
            raise
        print(f"run.py: {error.filename}: {error.strerror}", file=sys.stderr)
        return 2
    return 0


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


def reader_options(source: Source, given: Sequence[str]) -> dict[str, Any]:
    """`NAME=VALUE` words as reader options, each of the type of its default."""
    options: dict[str, Any] = {}
    for word in given:
        name, equals, value = word.partition("=")
        if not equals:
            raise UserError(f"--option {word}: write NAME=VALUE")
        if name not in source.options:
            raise UnknownNameError("reader option", name, source.options, of=source.name)
        kind = type(source.options[name])
        try:
            options[name] = kind(value)
        except ValueError:
            raise UserError(f"--option {word}: '{value}' is not a {kind.__name__}") from None
    return options


def _load(
    args: argparse.Namespace, options: dict[str, Any] | None = None, force: bool = False
) -> SkeletonDataset:
    options = {**(options or {}), **reader_options(get_source(args.dataset), args.option)}
    return load_dataset(
        args.dataset, args.data_dir, args.cache_dir, args.strict, force, say=print, **options
    )


def folders_of(base: Path) -> Iterator[Path]:
    """`base`, `base-2`, `base-3`, ... without end: where runs without --out go."""
    yield base
    for n in count(2):
        yield base.with_name(f"{base.name}-{n}")


def free_folder(base: Path) -> Path:
    """The first of them that is not there."""
    return next(folder for folder in folders_of(base) if not folder.exists())


def latest_folder(base: Path) -> Path:
    """The last of them that is there; `base` where none is."""
    there = list(takewhile(Path.exists, folders_of(base)))
    return there[-1] if there else base


def _folder_of_run(args: argparse.Namespace, base: Path) -> Path:
    """Where results go: --out, or a folder called `base` that is free or, to resume, the last."""
    out: Path = args.out or (latest_folder(base) if args.resume else free_folder(base))
    if args.resume and not (out / "run.json").exists():
        raise UserError(f"{out}: no run to resume here; give its folder with --out")
    if out.exists() and not out.is_dir():
        raise UserError(f"{out} is a file; --out takes a folder")
    return out


@contextmanager
def _resumable(out: Path) -> Iterator[None]:
    """Says how to go on when a user stops the run."""
    try:
        yield
    except KeyboardInterrupt:
        print(f"\nto go on, add to the same command: --out {out} --resume", file=sys.stderr)
        raise


def train(args: argparse.Namespace) -> None:
    """Trains, or with --weights only scores."""
    # Names first: a typing error should not wait for TensorFlow to start.
    source = get_source(args.dataset)
    if args.protocol not in source.protocols:
        raise UnknownNameError("protocol", args.protocol, source.protocols, of=source.name)
    if args.attention and not args.model.startswith("mans"):
        raise UserError(f"--attention is for the MANs networks with a TARM, not for '{args.model}'")
    sta_only = args.end_to_end or args.no_attention_regularizer or args.bidirectional
    if sta_only and not args.model.endswith("lstm"):
        raise UserError(
            "--end-to-end, --no-attention-regularizer and --bidirectional are for STA-LSTM, not "
            f"for '{args.model}'"
        )
    if args.test_copies and not args.model.endswith("_cnn"):
        raise UserError(f"--test-copies is for CSTA-CNN and its variants, not for '{args.model}'")
    if (args.crops or args.i3d or args.aggregate) and args.model != "pose_i3d":
        raise UserError(f"--crops, --i3d and --aggregate are for pose_i3d, not for '{args.model}'")
    if args.model == "pose_i3d" and args.crops is None:
        raise UserError(
            "pose_i3d watches videos of hands and body; make them once with: python run.py crops "
            f"--dataset {args.dataset} --data-dir PATH --crops FOLDER, then add --crops FOLDER"
        )
    source.find(args.data_dir)
    base = Path("runs") / f"{args.model}_{args.dataset}_{args.protocol}"
    if args.aggregate:
        base = base.with_name(f"{args.model}_{args.aggregate}_{args.dataset}_{args.protocol}")
    if args.weights is not None:
        base = base.with_name(base.name + "_scored")
    out = _folder_of_run(args, base)

    _start_keras()
    from keras_skeleton.crops import open_crops
    from keras_skeleton.models import check_model
    from keras_skeleton.training.experiment import Experiment, command_line
    from keras_skeleton.training.recipes import get_recipe, with_aggregate

    recipe = get_recipe(check_model(args.model), args.dataset, args.recipe)
    changes = {"epochs": args.epochs, "batch_size": args.batch_size}
    recipe = replace(recipe, **{key: value for key, value in changes.items() if value is not None})
    if args.attention is not None:
        recipe = replace(recipe, model={**recipe.model, "attention": args.attention})
    if args.end_to_end:
        recipe = replace(recipe, stages=())
    if args.bidirectional:
        recipe = replace(recipe, model={**recipe.model, "bidirectional": True})
    if args.aggregate:
        recipe = with_aggregate(recipe, args.aggregate)
    if args.test_copies:
        recipe = replace(recipe, test_copies=args.test_copies)
    if args.no_attention_regularizer:
        recipe = replace(recipe, model={**recipe.model, "lambda1": 0.0, "lambda2": 0.0})

    options = {**recipe.dataset, **source.protocol_options.get(args.protocol, {})}
    experiment = Experiment(
        model=args.model,
        dataset=_load(args, options),
        protocol=args.protocol,
        variant=args.recipe,
        recipe=recipe,
        seed=args.seed,
        folder=out,
        command=command_line(),
        crops=open_crops(args.crops) if args.crops else None,
        published=args.i3d,
    )
    if args.weights is not None:
        print(experiment.evaluate(args.weights, args.fold))
        print(f"scores in {out}")
        return
    print(
        f"{args.model} on {args.dataset}, {args.protocol}, recipe '{args.recipe}'; results in {out}"
    )
    with _resumable(out):
        print("\n" + experiment.train(args.fold, args.resume))
    print(f"\nopen {out / 'report.html'}")


def prepare(words: Sequence[str]) -> None:
    """`run.py prepare`: raw files to the store."""
    parser = argparse.ArgumentParser(prog="run.py prepare", description=prepare.__doc__)
    parser.add_argument("--dataset", required=True)
    _add_data_arguments(parser)
    parser.add_argument("--force", action="store_true", help="make the store again")
    parser.add_argument("--verify", action="store_true", help="check every byte of the store")
    args = parser.parse_args(words)
    get_source(args.dataset)
    dataset = _load(args, force=args.force)
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
    if args.verify:
        verify_store(dataset.info["store"])
        print("every file of the store is as it was made")
    print(f"store: {dataset.info['store']}")


def crops(words: Sequence[str]) -> None:
    """`run.py crops`: videos with skeletons to small videos of hands and body, for pose_i3d."""
    parser = argparse.ArgumentParser(prog="run.py crops", description=crops.__doc__)
    parser.add_argument("--dataset", required=True, help=", ".join(VIDEOS))
    _add_data_arguments(parser)
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
    source.find(args.data_dir)
    from keras_skeleton.datasets.ntu import cores

    workers, root = args.workers or cores(), args.data_dir
    if not source.needs_root:
        from keras_skeleton.datasets.render import render_all

        root = args.crops / "recordings"
        given = {**source.options, **options}
        print(f"renders recordings in {root}")
        render_all(root, given["seed"], given["subjects"], given["repetitions"], workers)
    _start_keras()
    from keras_skeleton.crops import prepare_crops

    report = prepare_crops(root, args.crops, args.size, args.strict, print, workers, source.name)
    for skipped in report.skipped:
        print(f"left out: {skipped.where}: {skipped.why}")
    print(f"crops in {args.crops}")


def detect(words: Sequence[str]) -> None:
    """`run.py detect`: finds actions in untrimmed recordings (Song et al., TIP 2018, Sec. III.E):
    trains on their trimmed clips, detects in the test recordings and scores; or, with --stream,
    detects in one recording with what was trained."""
    parser = argparse.ArgumentParser(prog="run.py detect", description=detect.__doc__)
    parser.add_argument("--model", default="tap_lstm", help="what proposes intervals: tap_lstm")
    parser.add_argument("--classifier", default="sta_lstm", help="what classifies them")
    parser.add_argument("--dataset", help="ut_kinect, synthetic or pku_mmd")
    parser.add_argument("--protocol", help="see run.py list; of synthetic: untrimmed")
    _add_data_arguments(parser)
    parser.add_argument(
        "--bidirectional", action="store_true", help="TAP-B in place of TAP-U: LSTMs run both ways"
    )
    parser.add_argument(
        "--table",
        action="store_true",
        help="all rows of the paper's Tables IV and V, baselines too",
    )
    parser.add_argument("--epochs", type=whole_number(1), help="instead of the recipes'; no stages")
    parser.add_argument("--batch-size", type=whole_number(1), help="instead of the recipes'")
    parser.add_argument("--end-to-end", action="store_true", help="the classifier without stages")
    parser.add_argument("--fold", type=whole_number(1), action="append", help="only this, from 1")
    parser.add_argument("--seed", type=whole_number(0), default=0, help="fold k takes seed + k - 1")
    parser.add_argument("--out", type=Path, help="folder of results")
    parser.add_argument("--resume", action="store_true", help="continue a stopped run, or add rows")
    parser.add_argument("--stream", type=Path, metavar="FILE",
        help="a recording: a .txt of UT-Kinect or PKU-MMD, or .npy, .npz, .json, .csv (T, M, V, 3)",
    )  # fmt: skip
    parser.add_argument("--weights", type=Path, metavar="RUN_DIR", help="of --stream: a former run")
    parser.add_argument("--method", help="of --stream: a row of RUN_DIR's table (default the last)")
    args = parser.parse_args(words)
    if (args.stream is None) != (args.weights is None):
        raise UserError("--stream FILE and --weights RUN_DIR belong together")
    if args.stream is not None:
        _detect_in_stream(args)
        return
    if args.dataset is None or args.protocol is None:
        raise UserError("detect needs --dataset and --protocol (or --stream and --weights)")
    source = get_source(args.dataset)
    if "clips" not in source.options:
        raise UserError(
            f"'{source.name}' has no untrimmed recordings; detection works on "
            f"{', '.join(s.name for s in SOURCES.values() if 'clips' in s.options)}"
        )
    options = {"clips": "untrimmed"}
    fitting = [
        name
        for name in source.protocols
        if source.protocol_options.get(name, options).get("clips", "untrimmed") == "untrimmed"
    ]
    if args.protocol not in fitting:
        raise UnknownNameError("protocol", args.protocol, fitting, of=f"{source.name}, untrimmed")
    if args.model != "tap_lstm":
        raise UnknownNameError("model", args.model, ["tap_lstm"], of="detection")
    source.find(args.data_dir)
    kind = "table" if args.table else "tap_b" if args.bidirectional else "tap_u"
    base = Path("runs") / f"detect_{kind}_{args.dataset}_{args.protocol}"
    out = _folder_of_run(args, base)

    _start_keras()
    from keras_skeleton.detection.detector import METHODS
    from keras_skeleton.detection.experiment import Detection
    from keras_skeleton.models import MODELS, check_model
    from keras_skeleton.training.experiment import command_line
    from keras_skeleton.training.recipes import get_recipe

    if MODELS[check_model(args.classifier)].video:
        raise UserError(f"'{args.classifier}' watches videos; detection works on skeletons")
    recipes = {}
    for name in (args.model, args.classifier, "jcr_rnn"):
        recipe = get_recipe(name, args.dataset)
        if args.epochs is not None:
            recipe = replace(recipe, epochs=args.epochs, stages=())
        if args.batch_size is not None:
            recipe = replace(recipe, batch_size=args.batch_size)
        recipes[name] = replace(recipe, stages=()) if args.end_to_end else recipe
    way = "tap_b" if args.bidirectional else "tap_u"
    detection = Detection(
        dataset=_load(args, options),
        protocol=args.protocol,
        methods=list(METHODS) if args.table else [way, f"{way}_m"],
        classifier=args.classifier,
        recipes=recipes,
        variant="paper",
        seed=args.seed,
        folder=out,
        command=command_line(),
    )
    print(f"detection on {args.dataset}, {args.protocol}; results in {out}")
    with _resumable(out):
        print("\n" + detection.run(args.fold, args.resume))
    print(f"\nscores, files and figures in {out}")


def _detect_in_stream(args: argparse.Namespace) -> None:
    out = args.out or Path("detections")
    _start_keras()
    from keras_skeleton.detection.detector import Detector
    from keras_skeleton.detection.recording import read_recording
    from keras_skeleton.detection_plots import timeline_figure
    from keras_skeleton.plots import save_figure

    detector = Detector(args.weights, (args.fold or [1])[0])
    method = args.method or (detector.methods() or ["tap_u_m"])[-1]
    settings = detector.settings(method)
    run = detector.run
    recording = read_recording(args.stream, detector.skeleton, run["bodies"], run["classes"])
    found = detector.detect(method, recording, 0, settings)
    fps = run["fps"]
    shown = found.assign(label=[run["classes"][k] for k in found["label"]])
    if fps:
        shown = shown.assign(seconds=[f"{a / fps:.1f} - {b / fps:.1f}" for a, b in
                                      zip(shown["start"], shown["end"], strict=True)])  # fmt: skip
    length = int(recording.samples["frames"].iloc[0])
    if len(shown):
        print(shown.to_string(index=False, formatters={"score": "{:.3f}".format}))
    print(f"{len(shown)} actions in {length} frames of {args.stream.name}")
    out.mkdir(parents=True, exist_ok=True)
    table = out / f"{args.stream.stem}.csv"
    shown.to_csv(table, index=False)
    title = f"{args.stream.name}: detected by {method}, trained on {run['dataset']}"
    figure = timeline_figure({"detected": found}, length, run["classes"], title, fps)
    print(f"{table}\n{save_figure(figure, table.with_suffix('.png'))}")


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
    dataset = _load(args)
    names = dataset.samples["name"].tolist()
    if args.clip is not None and args.clip not in names:
        raise UnknownNameError("clip", args.clip, names, of=args.dataset)
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
    parser.add_argument("--classes", type=whole_number(1), default=60)
    parser.add_argument("--skeleton", default="kinect_v2")
    parser.add_argument(
        "--frames", type=whole_number(1), default=100, help="of clips read at their own length"
    )
    args = parser.parse_args(words)
    _start_keras()
    from keras_skeleton.models import MODELS, build_model, check_model
    from keras_skeleton.models.summary import summary

    frames = args.frames if MODELS[check_model(args.model)].sequence else None
    print(summary(build_model(args.model, args.skeleton, args.classes, frames)))
