"""Registry of the recipes by model, dataset and name.

    paper     follows the paper; where it is silent, the authors' released code; where that is
              silent or does not fit, our choice. The default
    released  follows the authors' released code, also where it differs from the paper
    tuned     our own choice, for a few datasets where we found a better one
    faithful  our own variant of STA-LSTM, whose attention has to choose

Recipes are read from the files of this folder that define `RECIPES`, a dictionary from (model,
dataset, name) to `Recipe`. The dataset `"*"` stands for every dataset without an entry. Such a
file may also define `adapted(recipe, changes)`, which is called when a user changes arguments of
the model, `NEEDS_CROPS = True` if its models take videos, and `TEST_COPIES = True` if they can be
scored on random copies of a clip.
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

# For models without a recipe.
DEFAULT = Recipe(
    optimizer="adam",
    learning_rate=1e-3,
    schedule=Cosine(warmup=1),
    batch_size=16,
    epochs=60,
    clipnorm=1.0,
    sources={"all": "our choice: a starting point for models without a recipe"},
    name="default",
)


@cache
def _families() -> tuple[ModuleType, ...]:
    names = (module.name for module in pkgutil.iter_modules([str(Path(__file__).parent)]))
    modules = [import_module(f"keras_skeleton.recipes.{name}") for name in sorted(names)]
    return tuple(module for module in modules if hasattr(module, "RECIPES"))


@cache
def recipes() -> Mapping[tuple[str, str, str], Recipe]:
    """All recipes, by (model, dataset, name)."""
    return {key: recipe for family in _families() for key, recipe in family.RECIPES.items()}


def get_recipe(model: str, dataset: str, name: str = "paper") -> Recipe:
    """Returns the recipe of a model on a dataset, or that for any dataset (`"*"`).

    A model in your own file may define `RECIPES`, a dictionary from (dataset, name) to `Recipe` in
    the same file; otherwise `DEFAULT` is used.

    Args:
        model: A model's name, or `"path/to/file.py:build"`.
        dataset: A dataset's name.
        name: `"paper"`, `"released"`, `"tuned"`, `"equal"` or `"faithful"`.

    Raises:
        UnknownNameError: No recipe of this name; the message lists those that exist.

    Example:
        >>> from keras_skeleton.recipes.registry import get_recipe
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
    """Whether a model takes videos of body parts; imports no model."""
    return _declares(model, "NEEDS_CROPS")


def takes_copies(model: str) -> bool:
    """Whether a model can be scored on random copies of a clip; imports no model."""
    return is_file(model) or _declares(model, "TEST_COPIES")


def _declares(model: str, name: str) -> bool:
    return any(
        getattr(family, name, False) and any(key[0] == model for key in family.RECIPES)
        for family in _families()
    )


def with_arguments(recipe: Recipe, model: str, changes: Mapping[str, Any]) -> Recipe:
    """The recipe with changed arguments of the model, and the changes that follow from them."""
    recipe = replace(recipe, model={**recipe.model, **changes})
    for family in _families():
        if hasattr(family, "adapted") and any(key[0] == model for key in family.RECIPES):
            recipe = family.adapted(recipe, changes)
    return recipe


def with_fields(recipe: Recipe, changes: Mapping[str, Any]) -> Recipe:
    """The recipe with changed fields.

    Raises:
        UnknownNameError: No such field.
        UserError: A value of the wrong type.
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
    """Checks a field's new value against the type of the old one."""
    if key == "stages":
        if value not in (None, ()):
            raise UserError("recipe.stages: only 'none' (end-to-end training) can be set")
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
        raise UserError(f"recipe.{key}: {value!r} is not of type {kind}")
    return value
