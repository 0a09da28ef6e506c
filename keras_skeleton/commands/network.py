"""What training, scoring and exporting share: the arguments that name a network on a dataset, and
the experiment that they stand for."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from keras_skeleton.commands.common import add_data_arguments, load, whole_number
from keras_skeleton.datasets.dataset import protocol_name
from keras_skeleton.datasets.registry import get_source
from keras_skeleton.models.registry import check_model, model_label
from keras_skeleton.recipes.registry import get_recipe, needs_crops
from keras_skeleton.recipes.settings import split_setting, with_settings
from keras_skeleton.utils.errors import UserError
from keras_skeleton.utils.program import program
from keras_skeleton.zoo.entries import Entry, checked_files, find_entry

if TYPE_CHECKING:
    from keras_skeleton.datasets.dataset import SkeletonDataset
    from keras_skeleton.recipes.recipe import Recipe
    from keras_skeleton.training.experiment import Experiment

PRETRAINED = "pretrained"
# Flags of version 0.1 and the settings that they stand for; they go in version 0.3.
OLD_FLAGS = {
    "attention": ("model.attention={}",),
    "ratio": ("model.ratio={}",),
    "aggregate": ("model.aggregate={}",),
    "bidirectional": ("model.bidirectional=true",),
    "no_attention_regularizer": ("model.lambda1=0", "model.lambda2=0"),
    "end_to_end": ("recipe.stages=none",),
    "test_copies": ("recipe.test_copies={}",),
}
_SWITCHES = ("bidirectional", "no_attention_regularizer", "end_to_end")


def add_network_arguments(parser: argparse.ArgumentParser, required: bool = True) -> None:
    """Model, dataset, protocol, and what changes the network."""
    group = parser.add_argument_group("network")
    group.add_argument(
        "--model", required=required, help="its name, or path/to/file.py:build for one of your own"
    )
    group.add_argument("--dataset", required=required, help="its name")
    group.add_argument("--protocol", required=required, help="how the clips are split")
    group.add_argument("--recipe", help="paper (default), released or tuned")
    group.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="OWNER.KEY=VALUE",
        dest="settings",
        help="an argument of the model or a field of the recipe: --set model.attention=none, "
        "--set recipe.learning_rate=0.01",
    )
    group.add_argument(
        "--fold", type=whole_number(1), action="append", help="only this fold, from 1"
    )
    group.add_argument(
        "--crops", type=Path, help="of pose_i3d: folder that the command crops has made"
    )
    for flag in OLD_FLAGS:
        name = "--" + flag.replace("_", "-")
        if flag in _SWITCHES:
            group.add_argument(name, action="store_true", help=argparse.SUPPRESS)
        else:
            group.add_argument(name, help=argparse.SUPPRESS)
    add_data_arguments(parser)


def settings_of(args: argparse.Namespace) -> list[str]:
    """The settings, among them those that flags of version 0.1 stand for."""
    words = []
    for flag, settings in OLD_FLAGS.items():
        if value := getattr(args, flag, None):
            words += [setting.format(value) for setting in settings]
    return words + args.settings


def warn_of_old_flags(args: argparse.Namespace) -> None:
    """Says how flags of version 0.1 are written today."""
    for flag, settings in OLD_FLAGS.items():
        if value := getattr(args, flag, None):
            now = " ".join(f"--set {setting.format(value)}" for setting in settings)
            old = "--" + flag.replace("_", "-")
            print(f"note: {old} goes in version 0.3; write {now}", file=sys.stderr)


def check_names(args: argparse.Namespace) -> None:
    """Refuses what does not exist or go together, before TensorFlow is loaded."""
    source = get_source(args.dataset)
    args.protocol = protocol_name(args.protocol, source.protocols, of=source.name)
    check_model(args.model)
    if args.weights is None if hasattr(args, "weights") else True:
        get_recipe(args.model, args.dataset, args.recipe or "paper")
    elif args.weights != PRETRAINED and not Path(args.weights).exists():
        raise UserError(f"{args.weights}: no such file or folder")
    for word in settings_of(args):
        split_setting(word)
    watches = needs_crops(args.model)
    if args.crops and not watches:
        raise UserError(f"--crops is for models that watch videos, not for '{args.model}'")
    if watches and args.crops is None:
        raise UserError(
            f"'{args.model}' watches videos of hands and body; make them once with: {program()} "
            f"crops --dataset {args.dataset} --data-dir PATH --crops FOLDER, then add --crops "
            "FOLDER"
        )
    source.find(args.data_dir)
    warn_of_old_flags(args)


def refuse(args: argparse.Namespace, names: Sequence[str], why: str) -> None:
    """A UserError that begins with `why` where any of these arguments was given."""
    if given := [name for name in names if getattr(args, name)]:
        flags = ", ".join("--" + name.replace("_", "-") for name in given)
        raise UserError(f"{why}; leave {flags} out".replace("--settings", "--set"))


NETWORK_FLAGS = ("settings", *OLD_FLAGS)


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


def run_name(args: argparse.Namespace) -> str:
    """`MODEL_DATASET_PROTOCOL`, with what is set in the model: the name of a run's folder."""
    own = [split_setting(word) for word in settings_of(args)]
    changed = [f"{key}_{text}" for owner, key, text in own if owner == "model"]
    name = "_".join([model_label(args.model), *changed, args.dataset, args.protocol])
    return re.sub(r"[^\w.+-]", "_", name)


def named_recipe(args: argparse.Namespace) -> Recipe:
    """The recipe with what the arguments change; imports the model."""
    recipe = get_recipe(args.model, args.dataset, args.recipe or "paper")
    return with_settings(recipe, args.model, settings_of(args))


def load_for(args: argparse.Namespace) -> SkeletonDataset:
    """The dataset that the arguments name, read as the recipe and the protocol want it."""
    recipe = get_recipe(args.model, args.dataset, args.recipe or "paper")
    own = get_source(args.dataset).protocol_options.get(args.protocol, {})
    return load(args, {**recipe.dataset, **own})


def open_experiment(
    args: argparse.Namespace,
    dataset: SkeletonDataset,
    recipe: Recipe,
    folder: Path,
    published: Path | None = None,
) -> Experiment:
    """The experiment that the arguments stand for."""
    from keras_skeleton.training.experiment import Experiment
    from keras_skeleton.video.crops import open_crops

    return Experiment(
        args.model,
        dataset,
        args.protocol,
        recipe,
        seed=args.seed,
        folder=folder,
        crops=open_crops(args.crops) if args.crops else None,
        published=published,
    )


def open_pretrained(
    args: argparse.Namespace, entry: Entry, dataset: SkeletonDataset, folder: Path
) -> tuple[Experiment, Path]:
    """The experiment that an entry of the zoo came from, and its file."""
    from keras_skeleton.evaluation.run_record import command_line
    from keras_skeleton.video.crops import open_crops
    from keras_skeleton.zoo.load import experiment_of

    path = checked_files(entry)[0]
    crops = open_crops(args.crops) if args.crops else None
    return experiment_of(entry, dataset, folder, command_line(), crops), path
