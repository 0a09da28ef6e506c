"""`--set`: other values for what models and recipes declare, checked."""

import pytest

from keras_skeleton.models.registry import MODELS, option_names
from keras_skeleton.recipes.registry import get_recipe
from keras_skeleton.recipes.schedules import Cosine
from keras_skeleton.recipes.settings import check_keys, split_setting, with_settings
from keras_skeleton.utils.errors import UnknownNameError, UserError


def changed(model, dataset, *words):
    return with_settings(get_recipe(model, dataset), model, words)


def test_arguments_of_the_model():
    assert changed("mans9", "ntu", "model.attention=none").model["attention"] == "none"
    assert changed("mans9", "ntu", "model.ratio=8").model["ratio"] == 8
    recipe = changed("sta_lstm", "sbu", "model.lambda1=0", "model.bidirectional=true")
    assert (recipe.model["lambda1"], recipe.model["bidirectional"]) == (0.0, True)
    assert recipe.model["lambda2"] == get_recipe("sta_lstm", "sbu").model["lambda2"]
    assert changed("csta_cnn", "ntu", "model.crop=[0.8,1.0]").model["crop"] == (0.8, 1.0)
    assert changed("sta_lstm", "sbu", "model.hidden=none").model["hidden"] is None


def test_an_aggregate_of_the_pose_network_changes_its_stages():
    whole = get_recipe("pose_i3d", "ntu")
    summed = changed("pose_i3d", "ntu", "model.aggregate=sum_0")
    assert len(whole.stages) == 6
    assert [stage.name for stage in summed.stages] == [
        "left_hand", "right_hand", "full_body", "fixed_streams", "whole",
    ]  # fmt: skip


def test_fields_of_the_recipe():
    recipe = changed(
        "sta_lstm",
        "sbu",
        "recipe.epochs=7",
        "recipe.learning_rate=1",
        "recipe.stages=none",
        'recipe.schedule={"name": "cosine", "warmup": 3}',
        'recipe.preprocessing={"unit": 0.2}',
    )
    assert (recipe.epochs, recipe.learning_rate, recipe.stages) == (7, 1, ())
    assert recipe.schedule == Cosine(warmup=3)
    own = get_recipe("sta_lstm", "sbu").preprocessing
    assert recipe.preprocessing == {**own, "unit": 0.2}
    assert changed("mans9", "ntu", "recipe.schedule=cosine").schedule == Cosine()
    assert changed("mans9", "ntu", "recipe.clipnorm=none").clipnorm is None


@pytest.mark.parametrize(
    ("word", "named"),
    [
        ("model.atention=none", "attention"),
        ("recipe.epoch=3", "epochs"),
        ("recipe.schedule=cosin", "cosine"),
    ],
)
def test_a_misspelt_key_is_named_with_the_nearest(word, named):
    with pytest.raises(UnknownNameError, match=f"'{named}'"):
        changed("mans9", "ntu", word)


@pytest.mark.parametrize(
    "word",
    ["ratio=8", "model.ratio", "net.ratio=8", "model.ratio=many", "recipe.epochs=ten",
     "recipe.epochs=1.5", "recipe.stages=3", "recipe.preprocessing=pad", "recipe.nesterov=3"],
)  # fmt: skip
def test_what_makes_no_sense_is_refused(word):
    with pytest.raises(UserError, match=word.partition("=")[0].split(".")[-1]):
        changed("mans9", "ntu", word)


def test_a_setting_needs_no_import():
    assert split_setting("model.a=b=c") == ("model", "a", "b=c")


def test_every_model_declares_arguments_that_it_takes():
    for name, entry in MODELS.items():
        assert entry.options(), name
        for key in get_recipe(name, "some dataset").model:
            assert key in entry.options() or key == "only", (name, key)


@pytest.mark.parametrize("model", MODELS)
def test_arguments_are_known_without_importing_the_model(model):
    assert option_names(model) == list(MODELS[model].options())


def test_keys_are_checked_without_importing_the_model():
    recipe = get_recipe("mans9", "ntu")
    check_keys(recipe, "mans9", ["model.ratio=8", "recipe.epochs=5"])
    for word, known in (("model.ratoi=8", "'ratio'"), ("recipe.epoch=5", "'epochs'")):
        with pytest.raises(UnknownNameError, match=known):
            check_keys(recipe, "mans9", [word])
    with pytest.raises(UserError, match="epochs"):
        check_keys(recipe, "mans9", ["recipe.epochs=few"])
    check_keys(recipe, "mine.py:build", ["model.anything=1"])  # known once the file is imported
