"""Shared code of train, attention and export: the arguments that define a network on a dataset, and
the corresponding experiment."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from keras_skeleton.commands.common import add_data_arguments, load, reader_options, whole_number
from keras_skeleton.commands.known_weights import NAMES, PRETRAINED, check_same, complete
from keras_skeleton.datasets.dataset import protocol_name
from keras_skeleton.datasets.registry import get_source
from keras_skeleton.evaluation.run_record import not_recorded, other_data
from keras_skeleton.models.registry import check_model, is_file, model_label
from keras_skeleton.recipes.registry import get_recipe, needs_crops
from keras_skeleton.recipes.settings import check_keys, split_setting, with_settings
from keras_skeleton.utils.errors import DatasetError, UserError
from keras_skeleton.utils.program import program
from keras_skeleton.zoo.entries import Entry, checked_files, find_entry

if TYPE_CHECKING:
    from keras_skeleton.datasets.dataset import SkeletonDataset
    from keras_skeleton.recipes.recipe import Recipe
    from keras_skeleton.training.experiment import Experiment

# Deprecated flags of version 0.1 and the settings that replace them; removed in version 0.3.
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


def add_network_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds options for the model, dataset and protocol, and for settings of the network."""
    parser.set_defaults(known=None, known_start=None)  # see `known_weights.complete`
    group = parser.add_argument_group("network")
    group.add_argument(
        "--model", help="choose a model (see 'list') or your own path/to/file.py:build"
    )
    group.add_argument("--dataset", help="choose a dataset (see 'list')")
    group.add_argument("--protocol", help="choose a protocol, i.e. a split (see 'list')")
    group.add_argument(
        "--recipe", help="choose paper (default), released, tuned, or another (see docs/recipes.md)"
    )
    group.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="OWNER.KEY=VALUE",
        dest="settings",
        help="change the model or recipe, e.g. model.attention=none or recipe.learning_rate=0.01 "
        "(repeatable)",
    )
    group.add_argument(
        "--fold",
        type=whole_number(1),
        action="append",
        help="use only this fold, counted from 1 (repeatable)",
    )
    group.add_argument("--crops", type=Path, help="read crops from this folder (pose_i3d only)")
    for flag in OLD_FLAGS:
        name = "--" + flag.replace("_", "-")
        if flag in _SWITCHES:
            group.add_argument(name, action="store_true", help=argparse.SUPPRESS)
        else:
            group.add_argument(name, help=argparse.SUPPRESS)
    add_data_arguments(parser)


def settings_of(args: argparse.Namespace) -> list[str]:
    """All settings, including those given by deprecated flags."""
    words = []
    for flag, settings in OLD_FLAGS.items():
        if value := getattr(args, flag, None):
            words += [setting.format(value) for setting in settings]
    return words + args.settings


def warn_of_old_flags(args: argparse.Namespace) -> None:
    """Prints a note for each deprecated flag with its replacement."""
    for flag, settings in OLD_FLAGS.items():
        if value := getattr(args, flag, None):
            now = " ".join(f"--set {setting.format(value)}" for setting in settings)
            old = "--" + flag.replace("_", "-")
            print(
                f"note: {old} is deprecated and will be removed in version 0.3; use {now}",
                file=sys.stderr,
            )


def check_names(args: argparse.Namespace, data: bool = True) -> None:
    """Checks names, files and combinations of arguments before TensorFlow is loaded. Names that
    are left out are taken from the record of --weights.

    Args:
        args: The arguments.
        data: Whether the files of the dataset are needed.
    """
    complete(args)
    source = get_source(args.dataset)
    args.protocol = protocol_name(args.protocol, source.protocols, of=source.name)
    check_model(args.model)
    weights = getattr(args, "weights", None)
    if weights is None:
        if not is_file(args.model):  # a file of one's own is imported only after Keras is started
            recipe = get_recipe(args.model, args.dataset, args.recipe or "paper")
            check_keys(recipe, args.model, settings_of(args))
    elif weights != PRETRAINED:
        run_of(args)
        pretrained_entry(args)
    for word in settings_of(args):
        split_setting(word)
    watches = needs_crops(args.model)
    if args.crops and not watches:
        raise UserError(
            f"--crops is for models with video inputs, not for '{args.model}'; omit --crops"
        )
    if watches and args.crops is None:
        raise UserError(
            f"'{args.model}' needs videos of hands and body: create them with {program()} "
            f"crops --dataset {args.dataset} --data-dir PATH --crops FOLDER, then add --crops "
            "FOLDER"
        )
    if data:
        _find_data(args)
    warn_of_old_flags(args)


def _find_data(args: argparse.Namespace) -> None:
    """Raises DatasetError if there are no files of the dataset; names the folder of the run."""
    try:
        get_source(args.dataset).find(args.data_dir)
    except DatasetError as error:
        own = None if args.known is None else args.known.data_dir
        if own is None or own.is_dir() or args.dataset != args.known.dataset:
            raise
        raise DatasetError(f"the run read its clips from {own}, which is gone. {error}") from None


def refuse(args: argparse.Namespace, names: Sequence[str], why: str) -> None:
    """Raises UserError with the reason `why` if any of these arguments is given."""
    if given := [name for name in names if getattr(args, name)]:
        flags = ", ".join("--" + name.replace("_", "-") for name in given)
        raise UserError(f"{why}; omit {flags}".replace("--settings", "--set"))


NETWORK_FLAGS = ("settings", *OLD_FLAGS)


def pretrained_entry(args: argparse.Namespace) -> Entry | None:
    """The zoo entry of `--weights pretrained` or of a file of the zoo; None for other weights.

    Raises:
        UserError: The arguments name another network than the file's.
    """
    if args.weights == PRETRAINED:
        refuse(args, NETWORK_FLAGS, "--weights pretrained defines the network")
        fold = args.fold[0] if args.fold and len(set(args.fold)) == 1 else None
        if args.fold and fold is None:
            raise UserError("--weights pretrained needs one fold; give --fold once")
        entry = find_entry(args.model, args.dataset, args.protocol, args.recipe, fold)
        _check_options(args, entry.name, entry.options)
        return entry
    if args.known is None or args.known.entry is None:
        return None
    check_same(args, args.known, (*NAMES, "recipe"))
    refuse(args, NETWORK_FLAGS, f"{args.known.name} defines the network")
    _check_options(args, args.known.name, args.known.entry.options)
    return args.known.entry


def _check_options(args: argparse.Namespace, name: str, options: Mapping[str, Any]) -> None:
    """Raises UserError if a reader option differs from that of the weights."""
    source = get_source(args.dataset)
    for key, value in reader_options(source, args.option).items():
        own = options.get(key, source.options[key])
        if value != own:
            raise UserError(f"{name} was trained with --option {key}={own}, not {value}")


def run_of(args: argparse.Namespace) -> dict[str, Any] | None:
    """The record of the run that --weights belongs to: its folder, or a file in it; else None.

    Raises:
        UserError: The arguments name another network, protocol or fold than the run's.
    """
    known = args.known
    if known is None or known.about is None:
        return None
    about = known.about
    refuse(args, NETWORK_FLAGS, f"{known.name}: a run defines its own network")
    same = about["dataset"] == args.dataset
    check_same(args, known, ("model", "recipe", *(["protocol"] if same else [])))
    if same:
        _check_options(args, known.name, about["options"])
    if known.fold is not None:
        args.fold = [known.fold]
    return dict(about)


def weights_file(args: argparse.Namespace) -> Path:
    """The weights file given by --weights; for a run folder, the best weights of the fold."""
    path = Path(args.weights)
    if not path.is_dir():
        return path
    folds = sorted(path.glob("fold_*/best.weights.h5"))
    if args.fold and len(set(args.fold)) == 1:
        folds = [f for f in folds if f.parent.name == f"fold_{args.fold[0]:02d}"]
    if len(folds) != 1:
        raise UserError(
            f"{path}: has best weights of {len(folds)} folds; choose one with --fold, or give the "
            ".weights.h5 file"
        )
    return folds[0]


def run_name(args: argparse.Namespace) -> str:
    """Name of a run folder: `MODEL_DATASET_PROTOCOL`, with changed model settings."""
    own = [split_setting(word) for word in settings_of(args)]
    changed = [f"{key}_{text}" for owner, key, text in own if owner == "model"]
    name = "_".join([model_label(args.model), *changed, args.dataset, args.protocol])
    return re.sub(r"[^\w.+-]", "_", name)


def named_recipe(args: argparse.Namespace) -> Recipe:
    """The recipe with the settings of the arguments, or as recorded by the run that --weights
    belongs to; imports the model."""
    if about := run_of(args):
        from keras_skeleton.zoo.load import recipe_of_run

        return recipe_of_run(about)
    recipe = get_recipe(args.model, args.dataset, args.recipe or "paper")
    return with_settings(recipe, args.model, settings_of(args))


def load_for(args: argparse.Namespace) -> SkeletonDataset:
    """Loads the dataset with the reader options of the recipe and the protocol, or of the run that
    --weights belongs to, whose classes and joints it must have."""
    if about := run_of(args):
        from keras_skeleton.zoo.load import check_fit

        options = about["options"] if about["dataset"] == args.dataset else {}
        dataset = load(args, dict(options))
        joints = (about.get("layout") or {}).get("joints")
        trained_on = (about["dataset"], about["skeleton"], about["classes"])
        check_fit(args.weights, *trained_on, dataset, joints)
        note_other_data(about, dataset)
        return dataset
    recipe = get_recipe(args.model, args.dataset, args.recipe or "paper")
    own = get_source(args.dataset).protocol_options.get(args.protocol, {})
    return load(args, {**recipe.dataset, **own})


def note_other_data(about: dict[str, Any], dataset: SkeletonDataset) -> None:
    """Prints a note that names the differences if the clips are not those that a run was trained
    on."""
    if about["dataset"] != dataset.name:
        return
    from keras_skeleton.training.run_facts import about_dataset

    if found := other_data(about, about_dataset(dataset)):
        print(
            f"note: the run was trained on other clips (then and now, {'; '.join(found)}); what it "
            "was trained on may be among today's test clips",
            file=sys.stderr,
        )
    elif unknown := not_recorded(about):
        print(
            f"note: the run is of an earlier version and does not record {', '.join(unknown)} of "
            "its clips, so that they cannot be compared",
            file=sys.stderr,
        )


def open_experiment(
    args: argparse.Namespace,
    dataset: SkeletonDataset,
    recipe: Recipe,
    folder: Path,
    **options: Any,
) -> Experiment:
    """Creates the experiment defined by the arguments, with further options of `Experiment`."""
    from keras_skeleton.training.experiment import Experiment
    from keras_skeleton.video.crops import open_crops

    experiment = Experiment(
        args.model,
        dataset,
        args.protocol,
        recipe,
        seed=args.seed,
        folder=folder,
        crops=open_crops(args.crops) if args.crops else None,
        **options,
    )
    if words := settings_of(args):
        try:  # before a folder is created
            experiment.build()
        except (TypeError, ValueError) as error:
            raise UserError(f"--set {' --set '.join(words)}: {error}") from None
    return experiment


def open_pretrained(
    args: argparse.Namespace, entry: Entry, dataset: SkeletonDataset, folder: Path
) -> tuple[Experiment, Path]:
    """The experiment of a zoo entry and its weights file."""
    from keras_skeleton.evaluation.run_record import command_line
    from keras_skeleton.video.crops import open_crops
    from keras_skeleton.zoo.load import experiment_of

    path = checked_files(entry)[0]
    crops = open_crops(args.crops) if args.crops else None
    return experiment_of(entry, dataset, folder, command_line(), crops), path
