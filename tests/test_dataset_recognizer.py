"""A trained network beside clips: of its own dataset, of another one, and of a run."""

from dataclasses import replace

import keras
import numpy as np
import pytest
from conftest import make_dataset

from keras_skeleton.dataset_recognizer import DatasetRecognizer
from keras_skeleton.datasets.dataset import SkeletonDataset
from keras_skeleton.models.preprocessing import Preprocessing
from keras_skeleton.models.registry import MODELS, build_model
from keras_skeleton.recognizer import Recognizer
from keras_skeleton.training.inputs import clip_inputs
from keras_skeleton.zoo.entries import ZooError
from keras_skeleton.zoo.load import on_dataset
from keras_skeleton.zoo.recognizers import pretrained


def beside(dataset, model="sta_lstm", **choices):
    keras.utils.set_random_seed(0)
    frames = MODELS[model].input_frames(None, int(dataset.samples["frames"].max()))
    network = build_model(model, dataset.skeleton, 3, frames, bodies=dataset.max_bodies)
    (fold,) = dataset.folds("cs")
    inputs = clip_inputs(model, dataset, frames, choices)
    own = Preprocessing(model, dataset.skeleton, dataset.max_bodies, frames, choices)
    recognizer = Recognizer(network, dataset.classes, own, name="mine")
    return DatasetRecognizer(recognizer, dataset, fold.test, inputs, frames)


@pytest.mark.slow
def test_attention_is_on_each_clips_own_frames(toy):
    trained = beside(toy)
    clips = trained.test_clips("class 1")
    assert set(toy.labels[clips]) == {1}
    assert set(clips) <= set(trained.test)
    for i, maps in zip(clips, trained.attention(clips), strict=True):
        T = int(toy.samples["frames"][i])
        assert maps["joints"].shape == (T, 20)
        assert maps["frames"].shape == (T,)
        np.testing.assert_allclose(maps["joints"].sum(axis=1), 1, rtol=1e-5)
    # The same clip alone, without the others' padding around it.
    (alone,) = trained.attention([clips[-1]])
    np.testing.assert_allclose(alone["joints"], maps["joints"], rtol=1e-4)


@pytest.mark.slow
def test_the_score_is_that_of_its_answers(toy):
    trained = beside(toy)
    logits = trained.logits(trained.test)
    assert logits.shape == (len(trained.test), 3)
    right = (logits.argmax(axis=1) == toy.labels[trained.test]).mean()
    assert trained.score().accuracy == pytest.approx(right)
    assert trained.part_weights(trained.test) is None


def test_titles_and_figures_say_what_they_show(toy):
    trained = beside(toy)
    i, other = int(trained.test[0]), int(np.setdiff1d(np.arange(len(toy)), trained.test)[0])
    label = toy.classes[toy.labels[i]]
    title = trained.title(i)
    for word in ("sta_lstm", "toy", f"'{label}'", f"test clip {toy.samples['name'][i]}", "mine"):
        assert word in title
    assert "test clip" not in trained.title(other)
    figure = trained.frame_attention_figure(i, trained.attention([i])[0]["frames"])
    assert figure.get_suptitle() == title
    with pytest.raises(ValueError, match="class 'class 9'"):
        trained.test_clips("class 9")


def test_a_network_of_the_zoo_reads_other_clips_with_its_joints():
    network = pretrained("csta_cnn", "sbu", "5fold")  # for two people
    alone = make_dataset(6, skeleton="sbu")  # of one
    trained = on_dataset(network, alone)
    assert len(trained.test) == 0
    with pytest.raises(ValueError, match="toy: .*'csta_cnn'"):
        trained.score()
    # The same people with nobody beside them.
    rows = alone.rows[:, None].repeat(2, axis=1)
    rows[:, 1] = 0
    samples = alone.samples.assign(start=2 * alone.samples["start"], bodies=2)
    two = SkeletonDataset(
        alone.name, alone.skeleton, alone.classes, rows.reshape(-1, 15, 3), samples, {}
    )
    clips = np.arange(6)
    np.testing.assert_allclose(
        trained.logits(clips), on_dataset(network, two).logits(clips), rtol=1e-5
    )
    assert trained.attention(clips)[0]["joints"].shape == (alone.samples["frames"][0], 30)
    with pytest.raises(ZooError, match="csta_cnn_sbu_5fold_fold1.* sbu.*toy.*kinect_v1"):
        on_dataset(network, make_dataset(6))


def test_clips_other_than_those_of_the_training_are_no_test_clips(toy):
    trained = beside(toy).recognizer
    about = {"dataset": "toy", "protocol": "cs", "fold": 1, "views": 1}
    same = replace(trained, about={**about, "content": toy.content})
    assert len(on_dataset(same, toy).test) == 12
    other = make_dataset(seed=1)
    assert other.content != toy.content
    with pytest.warns(UserWarning, match="'mine' was trained on other clips of 'toy'.*content"):
        assert len(on_dataset(same, other).test) == 0
    asked = replace(same, about={**same.about, "options": {"seed": 1}})
    assert len(on_dataset(asked, other).test) == 12
    unknown = replace(trained, about=about)  # of an older version
    assert len(on_dataset(unknown, other).test) == 12
