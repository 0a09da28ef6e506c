"""Train a model on a dataset and evaluate it. With --weights, only evaluate."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from keras_skeleton.commands.common import (
    add_dask,
    add_deterministic,
    folder_of_run,
    load,
    parser_for,
    resumable,
    start_keras,
    whole_number,
)
from keras_skeleton.commands.known_weights import saved_model
from keras_skeleton.commands.network import (
    add_network_arguments,
    check_names,
    load_for,
    named_recipe,
    open_experiment,
    open_pretrained,
    pretrained_entry,
    refuse,
    run_name,
    run_of,
    settings_of,
    weights_file,
)
from keras_skeleton.datasets.own_protocols import ALL
from keras_skeleton.distributed.devices import current
from keras_skeleton.distributed.hosts import Job
from keras_skeleton.distributed.mirrored import use_all
from keras_skeleton.distributed.session import distributed_session
from keras_skeleton.evaluation.run_record import PART, TRAIN_ON
from keras_skeleton.recipes.registry import needs_crops
from keras_skeleton.recipes.settings import with_settings
from keras_skeleton.utils.errors import UserError
from keras_skeleton.utils.executor import check_dask
from keras_skeleton.utils.program import program
from keras_skeleton.zoo.entries import Entry

if TYPE_CHECKING:
    from keras_skeleton.datasets.dataset import SkeletonDataset
    from keras_skeleton.recipes.recipe import Recipe
    from keras_skeleton.training.experiment import Experiment
    from keras_skeleton.training.initial import InitialWeights


def _parser() -> argparse.ArgumentParser:
    parser = parser_for("train", __doc__)
    add_network_arguments(parser)
    group = parser.add_argument_group("training")
    group.add_argument("--epochs", type=whole_number(1), help="override the number of epochs")
    group.add_argument("--batch-size", type=whole_number(1), help="override the batch size")
    group.add_argument(
        "--i3d",
        type=Path,
        metavar="PATH",
        help="start pose_i3d from published I3D weights (checkpoint or .h5)",
    )
    group.add_argument(
        "--streams",
        type=Path,
        action="append",
        default=[],
        metavar="RUN_DIR",
        help="start the streams of pose_i3d from those of another run, such as one on NTU "
        "(repeatable: each track is taken from the first run that has it)",
    )
    group.add_argument(
        "--seed", type=whole_number(0), default=0, help="set the seed (fold k uses seed + k - 1)"
    )
    group.add_argument(
        "--final",
        action="store_true",
        help="train on all of your own clips, without test clips: the network to use afterwards",
    )
    group.add_argument(
        "--clips-per-class",
        type=whole_number(1),
        metavar="N",
        help="train on N clips of each class, drawn with the seed",
    )
    group.add_argument(
        "--train-on",
        choices=TRAIN_ON,
        default=PART,
        help="part: hold validation clips out, which select the epoch (default). all: hold no "
        "clips out and select no epoch; the weights of the last fifth of the epochs are averaged",
    )
    group = parser.add_argument_group("fine-tuning")
    group.add_argument(
        "--init-weights",
        metavar="WEIGHTS",
        help="start from a network of the zoo by name, a run folder, a folder of Recognizer.save, "
        "or a weights file; all layers but the last are taken",
    )
    group.add_argument(
        "--freeze", metavar="REGEX", help="do not train the layers with a matching name"
    )
    group.add_argument(
        "--init-rate",
        type=float,
        metavar="FACTOR",
        help="multiply the learning rate of the layers that were taken (default 1)",
    )
    group = parser.add_argument_group("results")
    group.add_argument(
        "--out", type=Path, help="write to this folder (default runs/MODEL_DATASET_PROTOCOL)"
    )
    group.add_argument("--resume", action="store_true", help="continue an interrupted run in --out")
    group.add_argument(
        "--weights",
        metavar="WEIGHTS",
        help="evaluate a network of the zoo by name, a run folder, a weights file, or 'pretrained' "
        "without training",
    )
    add_devices(parser)
    return parser


def add_devices(parser: argparse.ArgumentParser) -> None:
    """Adds options for processes, devices and precision."""
    group = parser.add_argument_group("devices")
    group.add_argument(
        "--jobs",
        type=whole_number(1),
        default=1,
        metavar="N",
        help="train N folds in parallel processes, which share the cores",
    )
    add_dask(group, "folds")
    add_deterministic(group)
    group.add_argument(
        "--precision",
        choices=("float32", "mixed_bfloat16"),
        default="float32",
        help="choose the precision of layers; weights and logits stay float32",
    )
    group.add_argument(
        "--devices",
        choices=("one", "all"),
        default="one",
        help="use one GPU (default), or split batches over all GPUs of this host",
    )
    group.add_argument(
        "--coordinator",
        metavar="HOST:PORT",
        help="train on several hosts with JAX; set the address of process 0",
    )
    group.add_argument(
        "--processes", type=whole_number(1), metavar="N", help="set the total number of processes"
    )
    group.add_argument(
        "--process-id",
        type=whole_number(0),
        metavar="I",
        help="set the number of this process (from 0)",
    )


def job_of(args: argparse.Namespace) -> Job | None:
    """The distributed training that this process belongs to; None if it trains alone."""
    given = (args.coordinator, args.processes, args.process_id)
    if given == (None, None, None):
        return None
    if None in given:
        raise UserError("--coordinator, --processes and --process-id must be given together")
    if args.devices == "all":
        raise UserError("--coordinator uses all devices of every host; omit --devices")
    if args.weights is not None:
        raise UserError("--weights evaluates in one process; omit --coordinator")
    if args.deterministic:
        raise UserError(
            "--deterministic works with TensorFlow only, but --coordinator trains with JAX; set "
            "XLA_FLAGS=--xla_gpu_deterministic_ops=true instead"
        )
    return Job(args.coordinator, args.processes, args.process_id)


def run(words: Sequence[str]) -> None:
    """Runs the command."""
    args = _parser().parse_args(words)
    if args.final:
        refuse(args, ("protocol", "weights", "fold"), "--final trains on all clips")
        args.protocol = ALL
    if args.weights is not None and args.train_on != PART:
        raise UserError("--train-on is for training, and --weights evaluates; omit one of them")
    check_names(args)
    _check_start(args)
    if args.i3d and not needs_crops(args.model):
        raise UserError(f"--i3d is for models with video inputs, not for '{args.model}'")
    if args.streams and not needs_crops(args.model):
        raise UserError(f"--streams is for models with video inputs, not for '{args.model}'")
    if args.streams and (args.i3d or args.weights):
        raise UserError("--streams starts a training: omit --i3d and --weights")
    if (
        args.i3d
        and not args.i3d.exists()
        and not args.i3d.with_name(args.i3d.name + ".index").exists()
    ):
        raise UserError(f"--i3d {args.i3d}: no such file")
    if args.jobs > 1 and (args.coordinator or args.devices == "all" or args.weights):
        raise UserError(
            "--jobs trains folds in parallel on the CPU cores of one machine; omit --coordinator, "
            "--devices and --weights"
        )
    if args.dask is not None:
        if args.jobs > 1 or args.coordinator or args.devices == "all" or args.weights:
            raise UserError(
                "--dask trains folds on the workers of a cluster; omit --jobs, --coordinator, "
                "--devices and --weights"
            )
        check_dask()
    entry = pretrained_entry(args)
    base = Path("runs") / run_name(args)
    if args.weights is not None:
        base = base.with_name(base.name + "_scored")
    job = job_of(args)
    first = job is None or not job.process
    with ExitStack() as stack:
        # Only the first process writes.
        out = stack.enter_context(folder_of_run(args, base)) if first else args.out or base
        if first:
            what = f"{'' if args.weights is None else 'weights of '}{args.model} on {args.dataset}"
            print(f"{what}, {args.protocol}; starting Keras", flush=True)
        met = stack.enter_context(distributed_session(job))
        start_keras(args.deterministic, args.precision, job)
        met()
        if args.devices == "all":
            print(use_all())
        if args.weights is not None:
            _score(args, out, entry)
        else:
            _train(args, out, first)


def _check_start(args: argparse.Namespace) -> None:
    """Checks the options of fine-tuning before TensorFlow is loaded."""
    if args.init_weights is None:
        refuse(args, ("freeze", "init_rate"), "fine-tuning needs --init-weights")
        return
    refuse(args, ("weights", "i3d"), "--init-weights starts a training")
    if args.init_rate is not None and not 0 < args.init_rate <= 1:
        raise UserError(f"--init-rate {args.init_rate:g}: expected a number above 0, at most 1")
    start = args.known_start
    own = start.model if start is not None else saved_model(Path(args.init_weights))
    if own not in (None, args.model):
        name = args.init_weights if start is None else start.name
        raise UserError(f"{name} is a {own}, not a {args.model}; omit --model")
    if start is None or start.about is None or start.fold is not None:
        return
    folds = sorted(Path(start.name).glob("fold_*/best.weights.h5"))
    if len(folds) != 1:
        given = f"give that of one, such as {folds[0]}" if folds else "finish it with --resume"
        raise UserError(
            f"--init-weights {args.init_weights}: has weights of {len(folds)} folds; {given}"
        )


def _score(args: argparse.Namespace, out: Path, entry: Entry | None) -> None:
    if entry is not None:
        from keras_skeleton.zoo.check import compared

        dataset = load(args, dict(entry.options))
        experiment, path = open_pretrained(args, entry, dataset, out)
        result = experiment.evaluate(path, [entry.fold])
        print(experiment.scored_line(result, path))
        said, _ = compared(entry, {"accuracy": result.accuracy}, result.clips)
        print(f"{entry.name}, fold {entry.fold} of {entry.folds}: {said}\nscores are in {out}")
        return
    experiment, path = _experiment(args, out), weights_file(args)
    print(experiment.scored_line(experiment.evaluate(path, args.fold), path))
    print(f"scores are in {out}")


def _train(args: argparse.Namespace, out: Path, first: bool) -> None:
    experiment = _experiment(args, out)
    if first:
        print(f"recipe '{experiment.recipe.name}'; writing results to {out}")
    jobs = None
    if args.jobs > 1 or args.dask:
        from keras_skeleton.training.jobs import Jobs

        jobs = Jobs(
            args.jobs,
            partial(_experiment, args, out),
            partial(start_keras, args.deterministic, args.precision),
            scheduler=args.dask,
            needs=(out / "run.json",),
        )
    with resumable(out):
        result = experiment.fit(args.fold, args.resume, jobs)
        if first and not experiment.tests:
            print(f"\n{result}\nlabel new clips: {program()} predict CLIP --weights {out}")
        elif first:
            from keras_skeleton.attention.run_attention import write_run_report

            table = write_run_report(experiment)
            print(f"\n{table}\n\nopen {out / 'report.html'}")
    current().leave()


def _experiment(args: argparse.Namespace, out: Path) -> Experiment:
    """Creates the experiment defined by the arguments and loads its dataset."""
    recipe = named_recipe(args)
    dataset: SkeletonDataset = load_for(args)
    start = None
    if args.init_weights is not None:
        recipe, dataset, start = _start(args, recipe, dataset)
    about = run_of(args)  # of the weights that are evaluated
    changes = {"epochs": args.epochs, "batch_size": args.batch_size}
    if args.epochs is not None and recipe.stages:
        raise UserError(
            f"--epochs has no effect on '{args.model}', which is trained in stages; add --set "
            "recipe.stages=none to train it end to end, or omit --epochs"
        )
    recipe = replace(recipe, **{key: value for key, value in changes.items() if value is not None})
    return open_experiment(
        args,
        dataset,
        recipe,
        out,
        published=args.i3d,
        streams=args.streams,
        initial=start,
        clips_per_class=args.clips_per_class,
        train_on=args.train_on if about is None else about.get("train_on", PART),
    )


def _start(
    args: argparse.Namespace, recipe: Recipe, dataset: SkeletonDataset
) -> tuple[Recipe, SkeletonDataset, InitialWeights]:
    """The recipe and the dataset as the initial weights need them, and these weights."""
    from keras_skeleton.checkpoints.weights import load_weights
    from keras_skeleton.training.initial import InitialWeights
    from keras_skeleton.zoo.fine_tune import fitting_dataset, initial_weights, recipe_for
    from keras_skeleton.zoo.recognizers import load_recognizer

    rate = 1.0 if args.init_rate is None else args.init_rate
    path = Path(args.init_weights)
    known = args.known_start
    if path.is_file() and known is None:  # of unknown origin
        own = InitialWeights(str(path), file=path, freeze=args.freeze, rate=rate)
        return replace(recipe, stages=()), dataset, own
    source = path if known is None else known.entry.name if known.entry else known.name
    recognizer = load_recognizer(source, known.fold if known and known.about else None)
    if path.is_file() and known and known.about and path.name != "best.weights.h5":
        load_weights(recognizer.model, path)  # the file of the run that is named
        recognizer.name = str(path)
    recipe = with_settings(recipe_for(recognizer, recipe, dataset), args.model, settings_of(args))
    mapped = fitting_dataset(recognizer, dataset)
    return recipe, mapped, initial_weights(recognizer, args.freeze, rate)
