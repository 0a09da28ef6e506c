"""`run.py --model M --dataset D --protocol P`: trains, or with --weights only scores."""

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
    resumable,
    start_keras,
    whole_number,
)
from keras_skeleton.commands.network import (
    add_network_arguments,
    check_names,
    named_recipe,
    open_experiment,
    open_pretrained,
    pretrained_entry,
    weights_file,
)
from keras_skeleton.errors import UserError
from keras_skeleton.training.distribution import Job, together, use_all
from keras_skeleton.zoo.entries import Entry

if TYPE_CHECKING:
    from keras_skeleton.training.experiment import Experiment


def _parser(description: str | None = None) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="run.py", description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_network_arguments(parser)
    parser.add_argument("--epochs", type=whole_number(1), help="instead of the recipe's")
    parser.add_argument("--batch-size", type=whole_number(1), help="instead of the recipe's")
    parser.add_argument(
        "--end-to-end", action="store_true", help="of STA-LSTM: no stages, one training"
    )
    parser.add_argument(
        "--test-copies", type=whole_number(1), metavar="N",
        help="of CSTA-CNN: score the mean over N random copies of each test clip, too",
    )  # fmt: skip
    parser.add_argument(
        "--i3d", type=Path, metavar="PATH",
        help="of pose_i3d: published I3D weights (a checkpoint or the Keras port's .h5)",
    )  # fmt: skip
    parser.add_argument("--seed", type=whole_number(0), default=0, help="fold k takes seed + k - 1")
    parser.add_argument(
        "--out", type=Path, help="folder of results (default runs/MODEL_DATASET_PROTOCOL)"
    )
    parser.add_argument("--resume", action="store_true", help="continue a stopped run in --out")
    parser.add_argument(
        "--jobs", type=whole_number(1), default=1, metavar="N",
        help="train N folds at a time, each in a process and on its part of the cores",
    )  # fmt: skip
    add_deterministic(parser)
    add_devices(parser)
    parser.add_argument(
        "--weights", metavar="FILE",
        help="score these weights instead of training: a file, a run's folder, or 'pretrained' "
        "for those of the zoo",
    )  # fmt: skip
    return parser


def add_devices(parser: argparse.ArgumentParser) -> None:
    """What a training works on."""
    parser.add_argument(
        "--precision", choices=("float32", "mixed_bfloat16"), default="float32",
        help="what layers compute in; weights and logits are float32 in both",
    )  # fmt: skip
    parser.add_argument(
        "--devices", choices=("one", "all"), default="one",
        help="all: the GPUs of this host share every batch",
    )  # fmt: skip
    parser.add_argument(
        "--coordinator", metavar="HOST:PORT",
        help="train over hosts, on JAX: the address of process 0; the same in all processes",
    )  # fmt: skip
    parser.add_argument(
        "--processes", type=whole_number(1), metavar="N", help="how many train together"
    )
    parser.add_argument(
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


def run(words: Sequence[str], description: str | None = None) -> None:
    """Runs the command; `description` is shown by --help."""
    args = _parser(description).parse_args(words)
    check_names(args)
    if args.end_to_end and not args.model.endswith("lstm"):
        raise UserError(f"--end-to-end is for STA-LSTM, not for '{args.model}'")
    if args.test_copies and not args.model.endswith("_cnn"):
        raise UserError(f"--test-copies is for CSTA-CNN and its variants, not for '{args.model}'")
    if args.i3d and args.model != "pose_i3d":
        raise UserError(f"--i3d is for pose_i3d, not for '{args.model}'")
    if args.jobs > 1 and (args.coordinator or args.devices == "all" or args.weights):
        raise UserError(
            "--jobs trains folds beside each other on one machine's cores; leave --coordinator, "
            "--devices and --weights out"
        )
    entry = pretrained_entry(args)
    base = Path("runs") / f"{args.model}_{args.dataset}_{args.protocol}"
    if args.aggregate:
        base = base.with_name(f"{args.model}_{args.aggregate}_{args.dataset}_{args.protocol}")
    if args.weights is not None:
        base = base.with_name(base.name + "_scored")
    job = job_of(args)
    first = job is None or not job.process
    out = folder_of_run(args, base) if first else args.out or base  # only the first writes to it
    with together(job) as met:
        start_keras(args.deterministic, args.precision, job)
        met()
        if args.devices == "all":
            print(use_all())
        _run(args, out, entry, first)


def _run(args: argparse.Namespace, out: Path, entry: Entry | None, first: bool) -> None:
    """With Keras started."""
    if entry is not None:
        from keras_skeleton.zoo.check import compared

        experiment, path = open_pretrained(args, entry, out)
        result = experiment.evaluate(path, [entry.fold])
        print(experiment.scored_line(result, path))
        said, _ = compared(entry, {"accuracy": result.accuracy}, result.clips)
        print(f"{entry.name}, fold {entry.fold} of {entry.folds}: {said}\nscores in {out}")
        return
    experiment = _experiment(args, out)
    if args.weights is not None:
        path = weights_file(args)
        print(experiment.scored_line(experiment.evaluate(path, args.fold), path))
        print(f"scores in {out}")
        return
    if first:
        print(
            f"{args.model} on {args.dataset}, {args.protocol}, recipe '{experiment.variant}'; "
            f"results in {out}"
        )
    jobs = None
    if args.jobs > 1:
        from keras_skeleton.training.jobs import Jobs

        jobs = Jobs(
            args.jobs,
            partial(_experiment, args, out),
            partial(start_keras, args.deterministic, args.precision),
        )
    with resumable(out):
        table = experiment.train(args.fold, args.resume, jobs)
    if first:
        print(f"\n{table}\n\nopen {out / 'report.html'}")


def _experiment(args: argparse.Namespace, out: Path) -> Experiment:
    """What the arguments ask for, its dataset loaded."""
    recipe = named_recipe(args)
    changes = {"epochs": args.epochs, "batch_size": args.batch_size}
    recipe = replace(recipe, **{key: value for key, value in changes.items() if value is not None})
    if args.end_to_end:
        recipe = replace(recipe, stages=())
    if args.test_copies:
        recipe = replace(recipe, test_copies=args.test_copies)
    return open_experiment(args, recipe, out, args.i3d)
