"""Random copies of test clips: their probabilities are averaged, and the seed decides on them."""

from dataclasses import replace

import numpy as np
import pytest
from conftest import make_dataset

from keras_skeleton.models.registry import build_model
from keras_skeleton.recipes.registry import get_recipe
from keras_skeleton.training.copies import augmented_logits, predict_copies
from keras_skeleton.training.experiment import Experiment


@pytest.fixture(scope="module")
def network():
    return build_model("lstm", skeleton="sbu", classes=4, bodies=2)


def clips():
    return np.random.default_rng(0).normal(size=(6, 9, 30, 3)).astype("float32")


def probabilities(logits):
    e = np.exp(logits - logits.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def test_each_copy_is_the_clip_or_its_mirror_image(network):
    x, order = clips(), [*range(30)][::-1]
    augment = (("RandomSymmetry", {"order": order, "signs": (-1, 1, 1)}),)
    mirrored = x[:, :, order] * np.float32([-1, 1, 1])
    own, other = (probabilities(network.predict_on_batch(v)) for v in (x, mirrored))
    found = np.exp(augmented_logits(network, x, augment, copies=8, seed=3))
    whole = own - other
    # Of the copies, how many are the clip itself.
    share = ((found - other) * whole).sum(axis=1) / (whole * whole).sum(axis=1)
    np.testing.assert_allclose(share * 8, np.round(share * 8), atol=1e-2)
    assert share.min() < share.max()
    np.testing.assert_allclose(
        found, share[:, None] * own + (1 - share)[:, None] * other, atol=1e-5
    )
    again = np.exp(augmented_logits(network, x, augment, copies=8, seed=3))
    np.testing.assert_array_equal(found, again)
    assert (found != np.exp(augmented_logits(network, x, augment, copies=8, seed=4))).any()


def test_copies_of_a_clip_without_augmentation_are_the_clip(network):
    x = clips()
    found = np.exp(augmented_logits(network, x, (), copies=3))
    np.testing.assert_allclose(found, probabilities(network.predict_on_batch(x)), atol=1e-6)


def test_copies_are_drawn_by_the_augmentation_of_the_recipe(tmp_path):
    scale = (("RandomScale", {"amount": 0.5}),)
    recipe = replace(
        get_recipe("lstm", "sbu"), preprocessing={}, stages=(), augment=scale, test_copies=4
    )
    run = Experiment("lstm", make_dataset(), "cs", recipe, folder=tmp_path / "run")
    network, inputs, test = run.build(), run.inputs(), run.folds[0].test
    expected = augmented_logits(network, inputs.batch(test), recipe.augment, 4, seed=7)
    np.testing.assert_array_equal(predict_copies(network, inputs, test, recipe, 7), expected)
    plain = network.predict_on_batch(inputs.batch(test))
    assert not np.allclose(probabilities(expected), probabilities(plain), atol=1e-4)
