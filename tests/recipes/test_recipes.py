import dataclasses
import json

import pytest

from keras_skeleton.models.registry import MODELS
from keras_skeleton.recipes.recipe import Recipe
from keras_skeleton.recipes.registry import (
    get_recipe,
    needs_crops,
    recipes,
    with_arguments,
    with_fields,
)
from keras_skeleton.recipes.schedules import Cosine, Plateau
from keras_skeleton.recipes.settings import with_settings
from keras_skeleton.utils.errors import UnknownNameError, UserError


@pytest.mark.parametrize(
    ("dataset", "batch", "epochs"),
    [("ntu", 40, 50), ("hdm05", 20, 100), ("sysu3d", 8, 100), ("ut_kinect", 8, 100)],
)
def test_paper_section_3_1(dataset, batch, epochs):
    for model in ("mans9", "mans_densenet161"):
        recipe = get_recipe(model, dataset)
        assert (recipe.optimizer, recipe.learning_rate, recipe.momentum) == ("sgd", 0.1, 0.9)
        assert (recipe.batch_size, recipe.epochs) == (batch, epochs)


def test_released_code():
    recipe = get_recipe("mans9", "ntu", "released")
    assert (recipe.learning_rate, recipe.nesterov, recipe.batch_size) == (0.01, True, 128)
    assert recipe.schedule == Plateau(drop=0.2, patience=5, cooldown=3, lowest=0.01, margin=1e-4)
    assert recipe.model == {"attention": "frozen", "recurrent_activation": "hard_sigmoid"}
    assert recipe.dataset == {"bodies": "file"}


def test_every_recipe_says_its_sources_and_can_be_written():
    fields = {field.name for field in dataclasses.fields(Recipe)} | {"all"}
    for key, recipe in recipes().items():
        # jcr_rnn is a baseline of detection, no classifier of clips.
        assert key[0] in {*MODELS, "jcr_rnn"}, f"{key}: no such model"
        assert recipe.sources, f"{key}: no sources"
        assert set(recipe.sources) <= fields, f"{key}: sources of no field"
        described = json.loads(json.dumps(recipe.describe()))
        assert described["schedule"]["name"], f"{key}: a schedule without a name"
        assert described["batch_size"] == recipe.batch_size, key
        if key[0] in MODELS:
            unknown = set(recipe.model) - set(MODELS[key[0]].options())
            assert not unknown, f"{key}: the model does not declare {unknown}"
        assert get_recipe(*key).name == key[2], key


def test_unknown_names_suggest_the_nearest():
    with pytest.raises(ValueError, match="Did you mean 'paper'"):
        get_recipe("mans9", "ntu", "papers")
    assert get_recipe("mans9", "some_other_dataset").batch_size == 20


def test_settings_replace_arguments_of_the_model_and_fields_of_the_recipe():
    recipe = get_recipe("mans9", "ntu")
    words = [
        "model.attention=none", "model.ratio=8", "recipe.epochs=5", "recipe.clipnorm=2",
        'recipe.schedule={"name": "cosine", "warmup": 3}', "recipe.stages=none",
    ]  # fmt: skip
    found = with_settings(recipe, "mans9", words)
    assert found.model == {**recipe.model, "attention": "none", "ratio": 8}
    assert (found.epochs, found.clipnorm, found.schedule) == (5, 2, Cosine(3))
    assert found.batch_size == recipe.batch_size
    staged = get_recipe("sta_lstm", "sbu")
    assert staged.stages
    assert with_settings(staged, "sta_lstm", ["recipe.stages=none"]).stages == ()


def test_settings_that_do_not_fit_are_refused():
    recipe = get_recipe("mans9", "ntu")
    for word, named in {
        "model.ratios=8": "'ratio'",
        "recipe.epoch=5": "'epochs'",
        "recipe.epochs=many": "epochs",
        "recipe.epochs=1.5": "epochs",
        "model.ratio=true": "ratio",
        "recipe.stages=three": "stages",
        "recipe.preprocessing=5": "preprocessing",
        "recipe.name=paper": "name",
        "epochs=5": "recipe.KEY",
        "recipe.epochs": "recipe.KEY",
    }.items():
        with pytest.raises(UserError) as error:
            with_settings(recipe, "mans9", [word])
        assert named in str(error.value), word
    with pytest.raises(UnknownNameError, match="epoch"):
        with_fields(recipe, {"epoch": 1})


def test_what_follows_from_an_argument_follows():
    recipe = get_recipe("pose_i3d", "ntu")
    assert len(recipe.stages) == 6
    assert len(with_arguments(recipe, "pose_i3d", {"aggregate": "full_image"}).stages) == 1
    assert with_arguments(recipe, "pose_i3d", {"units": 8}).stages == recipe.stages
    assert needs_crops("pose_i3d")
    assert not needs_crops("mans9")
