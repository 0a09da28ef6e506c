"""Settings of the command line: `--set model.KEY=VALUE` and `--set recipe.KEY=VALUE`.

Keys and values are checked against the arguments of the model and the fields of the recipe.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from keras_skeleton.models.registry import MODELS, option_names
from keras_skeleton.recipes.recipe import Recipe
from keras_skeleton.recipes.registry import takes_copies, with_arguments, with_fields
from keras_skeleton.utils.errors import UnknownNameError, UserError

_WORDS = {"none": None, "true": True, "false": False}


def split_setting(word: str) -> tuple[str, str, str]:
    """Splits a setting into owner (`"model"` or `"recipe"`), key and value; imports nothing.

    Raises:
        UserError: Not of the form `model.KEY=VALUE` or `recipe.KEY=VALUE`.
    """
    name, equals, text = word.partition("=")
    owner, dot, key = name.partition(".")
    if not (equals and dot and key) or owner not in ("model", "recipe"):
        raise UserError(f"--set {word}: write model.KEY=VALUE or recipe.KEY=VALUE")
    return owner, key, text


def check_keys(recipe: Recipe, model: str, words: Iterable[str]) -> None:
    """Checks the keys of settings, and the values of the recipe's, without importing the model.

    Raises:
        UnknownNameError: The model has no such argument, or the recipe no such field.
        UserError: A value of the wrong type.
    """
    known = option_names(model)
    for word in words:
        owner, key, text = split_setting(word)
        if owner == "recipe":
            with_fields(recipe, {key: _value(text)})
        elif known is not None and key not in known:
            raise UnknownNameError("argument", key, known, of=model)


def with_settings(recipe: Recipe, model: str, words: Iterable[str]) -> Recipe:
    """Applies settings to a recipe, in order.

    Args:
        recipe: A recipe of the model.
        model: The model's name.
        words: Settings such as `"model.attention=none"`, `"recipe.epochs=10"` or
            `'recipe.schedule={"name": "cosine", "warmup": 3}'`.

    Returns:
        The changed recipe.

    Raises:
        UnknownNameError: The model has no such argument, or the recipe no such field.
        UserError: A value of the wrong type.

    Example:
        >>> from keras_skeleton.recipes.registry import get_recipe
        >>> from keras_skeleton.recipes.settings import with_settings
        >>> recipe = get_recipe("mans9", "ntu")
        >>> with_settings(recipe, "mans9", ["model.ratio=8", "recipe.epochs=5"]).model["ratio"]
        8
    """
    arguments: dict[str, Any] = {}
    fields: dict[str, Any] = {}
    declared = MODELS[model].options()
    for word in words:
        owner, key, text = split_setting(word)
        if owner == "recipe":
            fields[key] = _value(text)
        elif key not in declared:
            raise UnknownNameError("argument", key, declared, of=model)
        else:
            arguments[key] = _argument(key, text, recipe.model.get(key, declared[key]))
    if arguments:
        recipe = with_arguments(recipe, model, arguments)
    changed = with_fields(recipe, fields)
    if changed.test_copies < 0:
        raise UserError(f"recipe.test_copies={changed.test_copies}: expected 0 or more copies")
    if fields.get("test_copies") and not (takes_copies(model) or changed.augment):
        raise UserError(
            f"recipe.test_copies={changed.test_copies}: '{model}' does not sample frames, and its "
            "recipe has no augmentation, so all copies of a clip are the same"
        )
    return changed


def _value(text: str) -> Any:
    """A value from JSON, from one of the words none, true and false, or the text itself."""
    if text.lower() in _WORDS:
        return _WORDS[text.lower()]
    try:
        value = json.loads(text)
    except ValueError:
        return text
    return tuple(value) if isinstance(value, list) else value


def _argument(key: str, text: str, default: Any) -> Any:
    """An argument's value, converted to the type of its default."""
    if isinstance(default, str):  # "none" may be a valid word, as in model.attention=none
        return text
    value = _value(text)
    if default is None or value is None:
        return value
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if isinstance(default, float) and number:
        return float(value)
    if type(value) is not type(default):
        raise UserError(
            f"--set model.{key}={text}: expected {type(default).__name__}, such as {default}"
        )
    return value
