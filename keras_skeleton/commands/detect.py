"""Detect actions in untrimmed recordings (Song et al., TIP 2018, Sec. III.E).

Train on trimmed clips, then detect and score actions in the test recordings.
With --stream, detect actions in one recording with a trained run or a ready-made detector."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

from keras_skeleton.commands.common import (
    add_data_arguments,
    add_deterministic,
    folder_of_run,
    load,
    parser_for,
    resumable,
    start_keras,
    whole_number,
)
from keras_skeleton.commands.detect_stream import (
    add_settings,
    add_stream_arguments,
    chosen_settings,
    detect_in_stream,
    ready_made,
)
from keras_skeleton.datasets.dataset import protocol_name
from keras_skeleton.datasets.registry import SOURCES, get_source
from keras_skeleton.models.registry import check_model
from keras_skeleton.recipes.gate_net import with_enough_steps
from keras_skeleton.recipes.registry import get_recipe, needs_crops
from keras_skeleton.utils.errors import UserError
from keras_skeleton.utils.lock import locked
from keras_skeleton.utils.program import program

GATES = ("gate_u", "gate_b")  # as in `detection.detector`, which needs Keras


def _parser() -> argparse.ArgumentParser:
    parser = parser_for("detect", __doc__)
    group = parser.add_argument_group("networks")
    group.add_argument(
        "--dataset",
        help="choose ut_kinect, synthetic, pku_mmd or folder (recordings of your own, by default "
        "with gate_b instead of the tap_u and tap_u_m of the paper)",
    )
    group.add_argument(
        "--protocol", help="choose a protocol (synthetic: untrimmed; folder: folds by default)"
    )
    group.add_argument(
        "--recipe", default="paper", help="choose paper (default), released or tuned"
    )
    group.add_argument(
        "--classifier", default="sta_lstm", help="choose the classifier (default sta_lstm)"
    )
    group.add_argument(
        "--bidirectional", action="store_true", help="use TAP-B (bidirectional) instead of TAP-U"
    )
    group.add_argument(
        "--table",
        action="store_true",
        help="run all rows of the paper's Tables IV and V, and gate_u and gate_b",
    )
    group.add_argument(
        "--fold",
        type=whole_number(1),
        action="append",
        help="run only this fold, counted from 1 (repeatable)",
    )
    add_data_arguments(parser)
    group = parser.add_argument_group("training")
    group.add_argument(
        "--epochs", type=whole_number(1), help="override the number of epochs (without stages)"
    )
    group.add_argument("--batch-size", type=whole_number(1), help="override the batch size")
    group.add_argument(
        "--end-to-end", action="store_true", help="train the classifier without stages"
    )
    group.add_argument(
        "--seed", type=whole_number(0), default=0, help="set the seed (fold k uses seed + k - 1)"
    )
    add_deterministic(group)
    group = parser.add_argument_group("results")
    group.add_argument("--out", type=Path, help="write results to this folder")
    group.add_argument("--resume", action="store_true", help="continue a run, or add table rows")
    group.add_argument(
        "--force", action="store_true", help="replace results of --stream that are there"
    )
    add_settings(parser)
    add_stream_arguments(parser)
    parser.epilog = ready_made()
    return parser


def run(words: Sequence[str]) -> None:
    """Runs the command."""
    args = _parser().parse_args(words)
    if args.stream is not None or args.weights is not None:
        with locked(args.out) if args.out else nullcontext():
            detect_in_stream(args)
        return
    if args.dataset is None:
        raise UserError("detect needs --dataset and --protocol (or --stream and --weights)")
    if args.force:
        raise UserError(
            "--force is for --stream; training replaces no run, so choose another --out"
        )
    source = get_source(args.dataset)
    if "clips" not in source.options:
        raise UserError(
            f"'{source.name}' has no untrimmed recordings; choose one of "
            f"{', '.join(s.name for s in SOURCES.values() if 'clips' in s.options)}"
        )
    options = {"clips": "untrimmed"}
    fitting = [
        name
        for name in source.protocols
        if source.protocol_options.get(name, options).get("clips", "untrimmed") == "untrimmed"
    ]
    if args.protocol is None:
        args.protocol = source.protocol_for(args.data_dir)
        if args.protocol is None:
            raise UserError(f"missing --protocol; choose one of {', '.join(fitting)}")
        print(f"using protocol {args.protocol} of '{args.dataset}'")
    args.protocol = protocol_name(args.protocol, fitting, of=f"{source.name}, untrimmed")
    recipes = {}
    check_model(args.classifier)
    if needs_crops(args.classifier):
        raise UserError(f"'{args.classifier}' has video inputs; detection supports skeletons only")
    for name in ("tap_lstm", args.classifier, "jcr_rnn", *GATES):
        # Our own detectors have one recipe, which is not a paper's.
        recipe = get_recipe(name, args.dataset, "tuned" if name in GATES else args.recipe)
        if args.epochs is not None:
            recipe = replace(recipe, epochs=args.epochs, stages=())
        if args.batch_size is not None:
            recipe = replace(recipe, batch_size=args.batch_size)
        recipes[name] = replace(recipe, stages=()) if args.end_to_end else recipe
    source.find(args.data_dir)
    way = "tap_b" if args.bidirectional else "tap_u"
    if args.method is not None and args.table:
        raise UserError("--table runs all methods; leave out --method")
    asked = args.method or args.table or args.bidirectional or chosen_settings(args)
    if source.name == "folder" and not asked:
        args.method = "gate_b"  # TAP-LSTM finds far less
        print("using method gate_b")
    kind = "table" if args.table else (args.method or way).replace(",", "_")
    base = Path("runs") / f"detect_{kind}_{args.dataset}_{args.protocol}"
    with folder_of_run(args, base) as out:
        start_keras(args.deterministic)
        from keras_skeleton.detection.detector import METHODS
        from keras_skeleton.detection.experiment import Detection
        from keras_skeleton.evaluation.run_record import command_line

        named = args.method.split(",") if args.method else [way, f"{way}_m"]
        dataset = load(args, options)
        if args.epochs is None and source.name == "folder":  # of any number and length
            frames = int(dataset.samples["frames"].sum())
            recipes |= {name: with_enough_steps(recipes[name], frames) for name in GATES}
        detection = Detection(
            dataset=dataset,
            protocol=args.protocol,
            methods=list(METHODS) if args.table else named,
            classifier=args.classifier,
            recipes=recipes,
            seed=args.seed,
            folder=out,
            command=command_line(),
            fixed=chosen_settings(args),
        )
        print(f"detection on {args.dataset}, {args.protocol}; results in {out}")
        with resumable(out):
            print("\n" + detection.run(args.fold, args.resume))
        print(f"\nresults are in {out}")
        print(f"to detect in a new recording: {program()} detect --weights {out} --stream NEW")
