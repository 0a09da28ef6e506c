import dataclasses
import json

import numpy as np
import pytest

from keras_skeleton.layers import augmentation
from keras_skeleton.models.registry import MODELS
from keras_skeleton.recipes.recipe import Recipe
from keras_skeleton.recipes.registry import get_recipe, needs_crops, recipes
from keras_skeleton.recipes.schedules import Plateau
from keras_skeleton.skeletons import get_skeleton


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
        # Networks that label frames of recordings are no classifiers of clips.
        assert key[0] in {*MODELS, "jcr_rnn", "gate_u", "gate_b"}, f"{key}: no such model"
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


def test_one_model_watches_videos():
    assert [name for name in MODELS if needs_crops(name)] == ["pose_i3d"]
    assert [name for name in MODELS if MODELS[name].video] == ["pose_i3d"]


def test_recipes_for_film_fit_its_joints():
    body = get_skeleton("body15")
    augment = get_recipe("csta_cnn", "film").augment
    assert sorted(dict(augment)["RandomSymmetry"]["order"]) == list(range(body.size))
    lost = set()
    for name, arguments in augment:
        lost |= {body.joints[j] for limb in arguments.get("limbs", ()) for j in limb}
        layer = getattr(augmentation, name)(**arguments)
        clips = np.ones((2, 8, 1, body.size, 3), "float32")
        assert layer(clips, training=True).shape == clips.shape, name
    assert {"left_wrist", "right_ankle", "head"} <= lost
    assert not {body.joints[j] for j in body.hips} & lost


@pytest.mark.parametrize(("frames", "epochs"), [(1, 600), (4000, 300), (10**7, 20)])
def test_few_recordings_have_as_many_steps_as_many(frames, epochs):
    from keras_skeleton.recipes.gate_net import with_enough_steps

    recipe = get_recipe("gate_b", "folder", "tuned")
    assert with_enough_steps(recipe, frames).epochs == epochs


@pytest.mark.parametrize(("model", "spatial", "temporal"), [
    ("lstm", False, False), ("sa_lstm", True, False), ("ta_lstm", False, True),
])  # fmt: skip
def test_equal_recipes_have_the_steps_of_algorithm_1(model, spatial, temporal):
    whole, own = get_recipe("sta_lstm", "sbu", "tuned"), get_recipe(model, "sbu", "equal")
    lengths = sorted(stage.iterations for stage in whole.stages)
    assert sorted(stage.iterations for stage in own.stages) == lengths
    assert sum(lengths) == 6500
    kinds = [*(["joint_attention"] if spatial else []), *(["frame_attention"] if temporal else [])]
    done = set()
    for stage in own.stages:
        assert all(name in done for name, _ in stage.take)
        done.add(stage.name)
    assert sorted(own.stages[-1].train) == sorted(["main", *kinds])
    assert own.stages[-1].take == ((own.stages[-2].name, own.stages[-1].train),)
