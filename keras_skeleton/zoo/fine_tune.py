"""Train a network for other classes, starting from trained weights."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from keras_skeleton.datasets.dataset import SkeletonDataset
from keras_skeleton.datasets.mapped import with_skeleton
from keras_skeleton.models.registry import MODELS
from keras_skeleton.recipes.recipe import Recipe
from keras_skeleton.recipes.registry import get_recipe
from keras_skeleton.recognizer import Recognizer
from keras_skeleton.skeletons import SkeletonMapError, matched_joints
from keras_skeleton.training.experiment import Experiment
from keras_skeleton.training.initial import InitialWeights, InitialWeightsError, Joints
from keras_skeleton.zoo.recognizers import load_recognizer


def fine_tune(
    source: str | Path | Recognizer,
    dataset: SkeletonDataset,
    protocol: str,
    recipe: Recipe | str = "paper",
    freeze: str | None = None,
    rate: float = 1.0,
    **options: Any,
) -> Experiment:
    """Creates an experiment that starts from the weights of a trained network.

    Model, its arguments, preprocessing and joints are those of the weights; optimizer, epochs and
    augmentation come from the recipe, and so does preprocessing if the clips have another number
    of people. All layers but the head are taken.

    Args:
        source: Name of a network of the zoo, folder of a finished run, folder of
            `Recognizer.save`, or a recognizer.
        dataset: The clips, with their own classes. Other joints are mapped by name.
        protocol: Name of one of the dataset's protocols.
        recipe: Recipe, or its name.
        freeze: Regular expression for the names of layers that are not trained.
        rate: Learning rate of the layers that were taken, as a multiple of that of the others.
        **options: Other arguments of `Experiment`, such as `seed`, `folder` and `clips_per_class`.

    Raises:
        InitialWeightsError: If the joints or the unit do not fit.

    Example:
        >>> import keras_skeleton as ks
        >>> dataset = ks.load_dataset("folder", "my_clips")  # doctest: +SKIP
        >>> experiment = ks.fine_tune("csta_cnn_nucla_cv", dataset, "cs")  # doctest: +SKIP
        >>> experiment.fit()  # doctest: +SKIP
    """
    recognizer = source if isinstance(source, Recognizer) else load_recognizer(source)
    model = recognizer.preprocessing.model
    if isinstance(recipe, str):
        recipe = get_recipe(model, dataset.name, recipe)
    log = options.get("log", print)
    return Experiment(
        model,
        fitting_dataset(recognizer, dataset, log),
        protocol,
        recipe_for(recognizer, recipe, dataset, log),
        initial=initial_weights(recognizer, freeze, rate),
        **options,
    )


def initial_weights(
    recognizer: Recognizer, freeze: str | None = None, rate: float = 1.0
) -> InitialWeights:
    """The weights of a recognizer, as the start of a training."""
    about = {key: recognizer.about.get(key) for key in ("dataset", "protocol", "recipe", "fold")}
    return InitialWeights(
        recognizer.name,
        recognizer.model,
        Joints(recognizer.skeleton, recognizer.preprocessing.bodies),
        freeze=freeze,
        rate=rate,
        record={key: value for key, value in about.items() if value is not None},
    )


def recipe_for(
    recognizer: Recognizer,
    recipe: Recipe,
    dataset: SkeletonDataset,
    log: Callable[[str], None] = print,
) -> Recipe:
    """The recipe with the model arguments and the preprocessing of a recognizer, end to end.

    If the clips have another number of people, the recipe's preprocessing stays: coordinates of a
    single person would lose where the people are relative to each other.
    """
    own = recognizer.preprocessing
    arguments = {k: v for k, v in recognizer.arguments.items() if k not in ("bodies", "size")}
    recipe = replace(recipe, model=arguments, stages=())
    if dataset.max_bodies != own.bodies:
        log(
            f"the clips have {dataset.max_bodies} people, those of the weights {own.bodies}: "
            "preprocessing is that of the recipe"
        )
        return recipe
    return replace(recipe, preprocessing=own.choices, frames=own.frames)


def fitting_dataset(
    recognizer: Recognizer, dataset: SkeletonDataset, log: Callable[[str], None] = print
) -> SkeletonDataset:
    """The dataset with joints that weights can be used for.

    They are mapped to those of the network where the dataset has them all. Otherwise they are kept
    if the model has weights for each joint, which can then be taken by the joint's name.

    Raises:
        InitialWeightsError: Neither is possible, or one of both has coordinates in pixels.
    """
    own, preprocessing = dataset.info.get("unit", "m"), recognizer.preprocessing
    if own != preprocessing.unit and "px" in (own, preprocessing.unit):
        raise InitialWeightsError(
            f"{recognizer.name} was trained on coordinates in {preprocessing.unit or 'no unit'}, "
            f"but those of '{dataset.name}' are in {own or 'no unit'}"
        )
    if own != preprocessing.unit:
        log(
            f"note: the weights were trained on coordinates in {preprocessing.unit or 'no unit'}, "
            f"these are in {own or 'no unit'}"
        )
    try:
        mapped = with_skeleton(dataset, recognizer.skeleton)
        if mapped is not dataset:
            log(f"joints of {dataset.skeleton.name} are mapped to {mapped.skeleton.name}")
        return mapped
    except SkeletonMapError as error:
        shared = matched_joints(recognizer.skeleton, dataset.skeleton) >= 0
        fits = MODELS[preprocessing.model].sequence and shared.any()
        if not fits or dataset.skeleton.size == recognizer.skeleton.size:
            raise InitialWeightsError(
                f"{recognizer.name} reads the joints of {recognizer.skeleton.name}, and "
                f"'{preprocessing.model}' has no weights for single joints that could be taken by "
                f"name ({error}); choose weights trained on {dataset.skeleton.name}, or a model "
                "such as sta_lstm or csta_cnn"
            ) from None
        return dataset
