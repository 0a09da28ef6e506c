"""Recipes by model, dataset and name; one file a family of models.

    paper     what the paper says; where it is silent, the authors' released code; where that is
              silent or does not fit, our choice. The default.
    released  the authors' released code, also where it differs from the paper.
    tuned     our own, where we found a better one; for a few datasets.

A file of this folder takes part if it has `RECIPES`, a dictionary from (model, dataset, name) to
`Recipe`; the dataset `"*"` is any other one. If it also has `adapted(recipe, changes)`, that is
called when a user changes arguments of the model; `NEEDS_CROPS = True` says that its models watch
videos.
"""

from __future__ import annotations

import pkgutil
from collections.abc import Mapping
from dataclasses import fields, replace
from functools import cache
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

from keras_skeleton.models.registry import is_file, own_module
from keras_skeleton.recipes.recipe import Recipe
from keras_skeleton.recipes.schedules import Cosine
from keras_skeleton.utils.errors import UnknownNameError, UserError

# For models that bring no recipe of their own.
DEFAULT = Recipe(
    optimizer="adam",
    learning_rate=1e-3,
    schedule=Cosine(warmup=1),
    batch_size=16,
    epochs=60,
    clipnorm=1.0,
    sources={"all": "our choice: a start for models that bring no recipe of their own"},
)


@cache
def _families() -> tuple[ModuleType, ...]:
    names = (module.name for module in pkgutil.iter_modules([str(Path(__file__).parent)]))
    modules = [import_module(f"keras_skeleton.recipes.{name}") for name in sorted(names)]
    return tuple(module for module in modules if hasattr(module, "RECIPES"))


@cache
def recipes() -> Mapping[tuple[str, str, str], Recipe]:
    """All recipes by (model, dataset, name)."""
    return {key: recipe for family in _families() for key, recipe in family.RECIPES.items()}


def get_recipe(model: str, dataset: str, name: str = "paper") -> Recipe:
    """The recipe for a model on a dataset; one for any dataset (`"*"`) where there is none.

    A model in a file of one's own may bring `RECIPES`, a dictionary from (dataset, name) to
    `Recipe`; without one it is trained by `DEFAULT`.

    Raises:
        UnknownNameError: Unknown name, with those that there are.

    Example:
        >>> get_recipe("mans9", "ntu").batch_size
        40
    """
    if is_file(model):
        own = getattr(own_module(model), "RECIPES", {})
        table = {(model, *key): recipe for key, recipe in own.items()}
    else:
        table = dict(recipes())
    for place in (dataset, "*"):
        if (model, place, name) in table:
            return replace(table[model, place, name], name=name)
    names = {n for m, d, n in table if m == model and d in (dataset, "*")}
    if not names and name == "paper":
        return DEFAULT
    raise UnknownNameError("recipe", name, sorted(names), of=f"{model} on {dataset}")


def needs_crops(model: str) -> bool:
    """Whether a model watches videos of a clip's parts; imports no model."""
    return any(
        getattr(family, "NEEDS_CROPS", False) and any(key[0] == model for key in family.RECIPES)
        for family in _families()
    )


def with_arguments(recipe: Recipe, model: str, changes: Mapping[str, Any]) -> Recipe:
    """The recipe with other arguments of the model, and what follows from them."""
    recipe = replace(recipe, model={**recipe.model, **changes})
    for family in _families():
        if hasattr(family, "adapted") and any(key[0] == model for key in family.RECIPES):
            recipe = family.adapted(recipe, changes)
    return recipe


def with_fields(recipe: Recipe, changes: Mapping[str, Any]) -> Recipe:
    """The recipe with other values of its fields.

    Raises:
        UnknownNameError: No such field.
        UserError: A value of another kind.
    """
    known = {field.name: getattr(recipe, field.name) for field in fields(Recipe)}
    for hidden in ("name", "sources", "model"):
        del known[hidden]
    found: dict[str, Any] = {}
    for key, value in changes.items():
        if key not in known:
            raise UnknownNameError("field", key, known, of="recipe")
        found[key] = _checked(key, known[key], value)
    return replace(recipe, **found)


def _checked(key: str, old: Any, value: Any) -> Any:
    """A field's new value, of the kind that it has."""
    if key == "stages":
        if value not in (None, ()):
            raise UserError("recipe.stages: 'none' trains from end to end; nothing else can be set")
        return ()
    if key == "schedule":
        from keras_skeleton.recipes.schedules import named_schedule

        return named_schedule(value)
    if isinstance(old, Mapping):
        if not isinstance(value, Mapping):
            raise UserError(f'recipe.{key}: write a JSON object, such as {{"unit": 0.2}}')
        return {**old, **value}
    numbers = (int, float)
    if old is None or value is None or isinstance(old, bool | str):
        fits = old is None or value is None or isinstance(value, type(old) | bool | str)
    elif isinstance(old, float):
        fits = isinstance(value, numbers) and not isinstance(value, bool)
    else:
        fits = isinstance(value, type(old)) and not isinstance(value, bool)
    if not fits:
        kind = type(old).__name__
        raise UserError(f"recipe.{key}: {value!r} is no {kind}")
    return value
