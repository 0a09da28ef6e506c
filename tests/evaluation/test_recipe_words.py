"""The settings of a training in words."""

import json

import pytest

from keras_skeleton.evaluation.recipe_words import in_words, recipe_rows, words
from keras_skeleton.recipes.recipe import Recipe
from keras_skeleton.recipes.schedules import Cosine
from keras_skeleton.recipes.stage import Stage

PLAIN = Recipe("adam", 1e-3, 8, 10, sources={"all": "ours", "epochs": "Sec. 4"})


def rows_of(recipe):
    rows, rest = recipe_rows(json.loads(json.dumps(recipe.describe())))
    return {name: (value, source) for name, value, source in rows}, rest


def test_every_setting_that_is_used_has_a_row():
    rows, rest = rows_of(PLAIN)
    assert rest == "ours"
    assert rows["optimizer"] == ("Adam", "")
    assert rows["epochs"] == ("10", "Sec. 4")
    assert not {"momentum", "nesterov", "stages", "views", "network"} & set(rows)
    assert not any(sign in value for value, _ in rows.values() for sign in "{}[]_")


def test_values_are_words():
    recipe = Recipe(
        "sgd", 0.1, 8, 10, momentum=0.9, schedule=Cosine(warmup=3), clipnorm=1.0,
        augment=(("RandomRotation", {"degrees": (5, 20, 5)}),
                 ("RandomSymmetry", {"order": tuple(range(30))})),
        model={"lambda1": 1e-3, "gate_gain": "joints"},
        stages=(Stage("one", "gates alone", {}, ("frame_attention",), iterations=1000),),
    )  # fmt: skip
    rows, _ = rows_of(recipe)
    assert rows["momentum"][0] == "0.9"
    assert rows["learning rate over time"][0].endswith("(warmup 3)")
    changes = rows["random changes of training clips"][0]
    assert changes == "random rotation (degrees 5, 20, 5); random symmetry (order 30 values)"
    assert rows["network"][0] == "lambda 1: 0.001; gate gain: joints"
    assert rows["stage 1"][0] == "gates alone; 1,000 iterations; trains frame attention"


def test_unknown_settings_keep_their_names():
    assert recipe_rows({"a_new_switch": True}) == ([("a new switch", "yes", "")], "")
    assert words("test_copies") == "test copies"
    assert in_words("paper, Sec. 4") == "paper, Sec. 4"


@pytest.mark.parametrize("value", [None, [], {}, "x", 3, [[1], {"a": None}], {"name": []}])
def test_any_value_of_a_file_is_shown(value):
    keys = ("optimizer", "schedule", "augment", "stages", "jit", "sources", "momentum", "other")
    rows, _ = recipe_rows(dict.fromkeys(keys, value))
    assert all(isinstance(cell, str) for row in rows for cell in row)
