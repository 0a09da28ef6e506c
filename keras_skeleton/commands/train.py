"""Train a model on a dataset by its paper's recipe and score it; with --weights only score."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from keras_skeleton.commands.common import (
    add_deterministic,
    folder_of_run,
    load,
    parser_for,
    resumable,
    start_keras,
    whole_number,
)
from keras_skeleton.commands.network import (
    add_network_arguments,
    check_names,
    load_for,
    named_recipe,
    open_experiment,
    open_pretrained,
    pretrained_entry,
    run_name,
    weights_file,
)
from keras_skeleton.distributed import Job, current, distributed_session, use_all
from keras_skeleton.recipes.registry import needs_crops
from keras_skeleton.utils.errors import UserError
from keras_skeleton.zoo.entries import Entry

if TYPE_CHECKING:
    from keras_skeleton.datasets.dataset import SkeletonDataset
    from keras_skeleton.training.experiment import Experiment


def _parser() -> argparse.ArgumentParser:
    parser = parser_for("train", __doc__)
    add_network_arguments(parser)
    group = parser.add_argument_group("training")
    group.add_argument("--epochs", type=whole_number(1), help="instead of the recipe's")
    group.add_argument("--batch-size", type=whole_number(1), help="instead of the recipe's")
    group.add_argument(
        "--i3d",
        type=Path,
        metavar="PATH",
        help="of pose_i3d: published I3D weights (a checkpoint or the Keras port's .h5)",
    )
    group.add_argument("--seed", type=whole_number(0), default=0, help="fold k takes seed + k - 1")
    group = parser.add_argument_group("results")
    group.add_argument(
        "--out", type=Path, help="folder of results (default runs/MODEL_DATASET_PROTOCOL)"
    )
    group.add_argument("--resume", action="store_true", help="continue a stopped run in --out")
    group.add_argument(
        "--weights",
        metavar="FILE",
        help="score these weights instead of training: a file, a run's folder, or 'pretrained' "
        "for those of the zoo",
    )
    add_devices(parser)
    return parser


def add_devices(parser: argparse.ArgumentParser) -> None:
    """What a training works on."""
    group = parser.add_argument_group("devices")
    group.add_argument(
        "--jobs",
        type=whole_number(1),
        default=1,
        metavar="N",
        help="train N folds at a time, each in a process and on its part of the cores",
    )
    add_deterministic(group)
    group.add_argument(
        "--precision",
        choices=("float32", "mixed_bfloat16"),
        default="float32",
        help="what layers compute in; weights and logits are float32 in both",
    )
    group.add_argument(
        "--devices",
        choices=("one", "all"),
        default="one",
        help="all: the GPUs of this host share every batch",
    )
    group.add_argument(
        "--coordinator",
        metavar="HOST:PORT",
        help="train over hosts, on JAX: the address of process 0; the same in all processes",
    )
    group.add_argument(
        "--processes", type=whole_number(1), metavar="N", help="how many train together"
    )
    group.add_argument(
        "--process-id", type=whole_number(0), metavar="I", help="which one this is, from 0"
    )


def job_of(args: argparse.Namespace) -> Job | None:
    """Which process this is of those that train together, if any do."""
    given = (args.coordinator, args.processes, args.process_id)
    if given == (None, None, None):
        return None
    if None in given:
        raise UserError("--coordinator, --processes and --process-id go together")
    if args.devices == "all":
        raise UserError("--coordinator uses all devices of every host; leave --devices out")
    if args.weights is not None:
        raise UserError("--weights scores in one process; leave --coordinator out")
    if args.deterministic:
        raise UserError(
            "--deterministic is about TensorFlow's operations; on GPUs of JAX, where --coordinator "
            "trains, set XLA_FLAGS=--xla_gpu_deterministic_ops=true"
        )
    return Job(args.coordinator, args.processes, args.process_id)


def run(words: Sequence[str]) -> None:
    """Runs the command."""
    args = _parser().parse_args(words)
    check_names(args)
    if args.i3d and not needs_crops(args.model):
        raise UserError(f"--i3d is for models that watch videos, not for '{args.model}'")
    if (
        args.i3d
        and not args.i3d.exists()
        and not args.i3d.with_name(args.i3d.name + ".index").exists()
    ):
        raise UserError(f"--i3d {args.i3d}: no such file")
    if args.jobs > 1 and (args.coordinator or args.devices == "all" or args.weights):
        raise UserError(
            "--jobs trains folds beside each other on one machine's cores; leave --coordinator, "
            "--devices and --weights out"
        )
    entry = pretrained_entry(args)
    base = Path("runs") / run_name(args)
    if args.weights is not None:
        base = base.with_name(base.name + "_scored")
    job = job_of(args)
    first = job is None or not job.process
    out = folder_of_run(args, base) if first else args.out or base  # only the first writes to it
    if first:
        what = "weights of " if args.weights is not None else ""
        print(f"{what}{args.model} on {args.dataset}, {args.protocol}; starting Keras", flush=True)
    with distributed_session(job) as met:
        start_keras(args.deterministic, args.precision, job)
        met()
        if args.devices == "all":
            print(use_all())
        if args.weights is not None:
            _score(args, out, entry)
        else:
            _train(args, out, first)


def _score(args: argparse.Namespace, out: Path, entry: Entry | None) -> None:
    if entry is not None:
        from keras_skeleton.zoo.check import compared

        dataset = load(args, dict(entry.options))
        experiment, path = open_pretrained(args, entry, dataset, out)
        result = experiment.evaluate(path, [entry.fold])
        print(experiment.scored_line(result, path))
        said, _ = compared(entry, {"accuracy": result.accuracy}, result.clips)
        print(f"{entry.name}, fold {entry.fold} of {entry.folds}: {said}\nscores in {out}")
        return
    experiment, path = _experiment(args, out), weights_file(args)
    print(experiment.scored_line(experiment.evaluate(path, args.fold), path))
    print(f"scores in {out}")


def _train(args: argparse.Namespace, out: Path, first: bool) -> None:
    experiment = _experiment(args, out)
    if first:
        print(f"recipe '{experiment.recipe.name}'; results in {out}")
    jobs = None
    if args.jobs > 1:
        from keras_skeleton.training.jobs import Jobs

        jobs = Jobs(
            args.jobs,
            partial(_experiment, args, out),
            partial(start_keras, args.deterministic, args.precision),
        )
    with resumable(out):
        experiment.fit(args.fold, args.resume, jobs)
        if first:
            from keras_skeleton.attention.run_attention import write_run_report

            table = write_run_report(experiment)
            print(f"\n{table}\n\nopen {out / 'report.html'}")
    current().leave()


def _experiment(args: argparse.Namespace, out: Path) -> Experiment:
    """What the arguments ask for, its dataset loaded."""
    recipe = named_recipe(args)
    changes = {"epochs": args.epochs, "batch_size": args.batch_size}
    recipe = replace(recipe, **{key: value for key, value in changes.items() if value is not None})
    dataset: SkeletonDataset = load_for(args)
    return open_experiment(args, dataset, recipe, out, args.i3d)
