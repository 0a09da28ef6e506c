"""`--set model.KEY=VALUE` and `--set recipe.KEY=VALUE`: another value for one argument of the model
or one field of the recipe, checked against what the two declare."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from keras_skeleton.models.registry import MODELS
from keras_skeleton.recipes.recipe import Recipe
from keras_skeleton.recipes.registry import with_arguments, with_fields
from keras_skeleton.utils.errors import UnknownNameError, UserError

_WORDS = {"none": None, "true": True, "false": False}


def split_setting(word: str) -> tuple[str, str, str]:
    """Owner (`"model"` or `"recipe"`), key and text of a setting; imports nothing.

    Raises:
        UserError: Not `model.KEY=VALUE` or `recipe.KEY=VALUE`.
    """
    name, equals, text = word.partition("=")
    owner, dot, key = name.partition(".")
    if not (equals and dot and key) or owner not in ("model", "recipe"):
        raise UserError(f"--set {word}: write model.KEY=VALUE or recipe.KEY=VALUE")
    return owner, key, text


def with_settings(recipe: Recipe, model: str, words: Iterable[str]) -> Recipe:
    """The recipe with settings, in their order.

    Args:
        recipe: Of the model.
        model: Its name.
        words: Such as `"model.attention=none"`, `"recipe.epochs=10"`,
            `'recipe.schedule={"name": "cosine", "warmup": 3}'`.

    Raises:
        UnknownNameError: The model has no such argument, or recipes no such field.
        UserError: A value of another kind than is declared.

    Example:
        >>> from keras_skeleton.recipes.registry import get_recipe
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
    return with_fields(recipe, fields)


def _value(text: str) -> Any:
    """JSON, one of the words none, true and false, or the text itself."""
    if text.lower() in _WORDS:
        return _WORDS[text.lower()]
    try:
        value = json.loads(text)
    except ValueError:
        return text
    return tuple(value) if isinstance(value, list) else value


def _argument(key: str, text: str, default: Any) -> Any:
    """An argument's value, of its default's kind."""
    if isinstance(default, str):  # "none" is a word there, as in model.attention=none
        return text
    value = _value(text)
    if default is None or value is None:
        return value
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if isinstance(default, float) and number:
        return float(value)
    if type(value) is not type(default):
        raise UserError(f"--set model.{key}={text}: expected a {type(default).__name__}")
    return value
