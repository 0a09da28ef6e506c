"""What training, scoring and exporting share: the arguments that name a network on a dataset, and
the experiment that they stand for."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from keras_skeleton.commands.common import add_data_arguments, load, whole_number
from keras_skeleton.datasets import get_source
from keras_skeleton.errors import UnknownNameError, UserError
from keras_skeleton.zoo.entries import Entry, checked_files, find_entry

if TYPE_CHECKING:
    from keras_skeleton.training.experiment import Experiment
    from keras_skeleton.training.recipes import Recipe

PRETRAINED = "pretrained"
# Arguments that change the network of a recipe.
NETWORK_FLAGS = ("attention", "ratio", "bidirectional", "aggregate", "no_attention_regularizer")


def add_network_arguments(parser: argparse.ArgumentParser, required: bool = True) -> None:
    """Model, dataset, protocol, and what changes the network."""
    parser.add_argument("--model", required=required, help="see run.py list")
    parser.add_argument("--dataset", required=required, help="see run.py list")
    parser.add_argument("--protocol", required=required, help="see run.py list")
    add_data_arguments(parser)
    parser.add_argument("--recipe", help="paper (default), released or tuned")
    parser.add_argument(
        "--attention", choices=("learned", "frozen", "none", "frame_gate"), help="of MANs"
    )
    parser.add_argument("--ratio", type=whole_number(1), help="of MANs: alpha of Eq. 8, 16")
    parser.add_argument(
        "--no-attention-regularizer", action="store_true", help="of STA-LSTM: lambda 1 and 2 are 0"
    )
    parser.add_argument(
        "--bidirectional", action="store_true", help="of STA-LSTM: LSTMs also run from the end"
    )
    parser.add_argument(
        "--crops", type=Path, help="of pose_i3d: folder of what run.py crops has made"
    )
    parser.add_argument(
        "--aggregate", metavar="ROW",
        help="of pose_i3d: attention (default), sum_0, sum_1, sum_2, concat_0, or one track: "
        "left_hand, right_hand, full_body, full_image",
    )  # fmt: skip
    parser.add_argument(
        "--fold", type=whole_number(1), action="append", help="only this one, from 1"
    )


def check_names(args: argparse.Namespace) -> None:
    """Refuses what does not go together; a typing error should not wait for TensorFlow to start."""
    source = get_source(args.dataset)
    if args.protocol not in source.protocols:
        raise UnknownNameError("protocol", args.protocol, source.protocols, of=source.name)
    for flag in ("attention", "ratio"):
        if getattr(args, flag) and not args.model.startswith("mans"):
            raise UserError(
                f"--{flag} is for the MANs networks with a TARM, not for '{args.model}'"
            )
    if (args.no_attention_regularizer or args.bidirectional) and not args.model.endswith("lstm"):
        raise UserError(
            "--no-attention-regularizer and --bidirectional are for STA-LSTM, not for "
            f"'{args.model}'"
        )
    if (args.crops or args.aggregate) and args.model != "pose_i3d":
        raise UserError(f"--crops and --aggregate are for pose_i3d, not for '{args.model}'")
    if args.model == "pose_i3d" and args.crops is None:
        raise UserError(
            "pose_i3d watches videos of hands and body; make them once with: python run.py crops "
            f"--dataset {args.dataset} --data-dir PATH --crops FOLDER, then add --crops FOLDER"
        )
    source.find(args.data_dir)


def refuse(args: argparse.Namespace, names: Sequence[str], why: str) -> None:
    """A UserError that begins with `why` where any of these arguments was given."""
    if given := [name for name in names if getattr(args, name)]:
        flags = ", ".join("--" + name.replace("_", "-") for name in given)
        raise UserError(f"{why}; leave {flags} out")


def pretrained_entry(args: argparse.Namespace) -> Entry | None:
    """What `--weights pretrained` stands for, if that was said."""
    if args.weights != PRETRAINED:
        return None
    refuse(args, NETWORK_FLAGS, "--weights pretrained brings its own network")
    fold = args.fold[0] if args.fold and len(set(args.fold)) == 1 else None
    if args.fold and fold is None:
        raise UserError("--weights pretrained scores one fold; name one with --fold")
    return find_entry(args.model, args.dataset, args.protocol, args.recipe, fold)


def weights_file(args: argparse.Namespace) -> Path:
    """The file that --weights names; of a run's folder the fold's best weights."""
    path = Path(args.weights)
    if not path.is_dir():
        return path
    folds = sorted(path.glob("fold_*/best.weights.h5"))
    if args.fold and len(set(args.fold)) == 1:
        folds = [f for f in folds if f.parent.name == f"fold_{args.fold[0]:02d}"]
    if len(folds) != 1:
        raise UserError(
            f"{path}: has best weights of {len(folds)} folds; name one with --fold, or name the "
            ".weights.h5 file"
        )
    return folds[0]


def named_recipe(args: argparse.Namespace) -> Recipe:
    """The recipe with what the arguments change in its network."""
    from keras_skeleton.models import check_model
    from keras_skeleton.training.recipes import changed, get_recipe

    recipe = get_recipe(check_model(args.model), args.dataset, args.recipe or "paper")
    return changed(recipe, **{name: getattr(args, name) for name in NETWORK_FLAGS})


def open_experiment(
    args: argparse.Namespace, recipe: Recipe, folder: Path, published: Path | None = None
) -> Experiment:
    """The experiment with its dataset loaded."""
    from keras_skeleton.crops import open_crops
    from keras_skeleton.training.experiment import Experiment, command_line

    own = get_source(args.dataset).protocol_options.get(args.protocol, {})
    return Experiment(
        model=args.model,
        dataset=load(args, {**recipe.dataset, **own}),
        protocol=args.protocol,
        variant=args.recipe or "paper",
        recipe=recipe,
        seed=args.seed,
        folder=folder,
        command=command_line(),
        crops=open_crops(args.crops) if args.crops else None,
        published=published,
    )


def open_pretrained(
    args: argparse.Namespace, entry: Entry, folder: Path
) -> tuple[Experiment, Path]:
    """The experiment that an entry of the zoo came from, and its file."""
    from keras_skeleton.crops import open_crops
    from keras_skeleton.training.experiment import command_line
    from keras_skeleton.zoo.load import experiment_of

    path = checked_files(entry)[0]
    dataset = load(args, dict(entry.options))
    crops = open_crops(args.crops) if args.crops else None
    return experiment_of(entry, dataset, folder, command_line(), crops), path
