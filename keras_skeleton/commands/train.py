"""`run.py --model M --dataset D --protocol P`: trains, or with --weights only scores."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from keras_skeleton.commands.common import (
    add_data_arguments,
    folder_of_run,
    load,
    resumable,
    start_keras,
    whole_number,
)
from keras_skeleton.datasets import get_source
from keras_skeleton.errors import UnknownNameError, UserError


def _parser(description: str | None = None) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="run.py", description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", required=True, help="see run.py list")
    parser.add_argument("--dataset", required=True, help="see run.py list")
    parser.add_argument("--protocol", required=True, help="see run.py list")
    add_data_arguments(parser)
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


def run(words: Sequence[str], description: str | None = None) -> None:
    """Runs the command; `description` is shown by --help."""
    args = _parser(description).parse_args(words)
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
    out = folder_of_run(args, base)

    start_keras()
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
        dataset=load(args, options),
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
    with resumable(out):
        print("\n" + experiment.train(args.fold, args.resume))
    print(f"\nopen {out / 'report.html'}")
