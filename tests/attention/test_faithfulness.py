"""Networks whose truth is known: one reads a single joint, one a few frames."""

from dataclasses import replace

import numpy as np
import pytest
import toy_network
from toy_network import ACTION, HAND, LONGEST, K, T

from keras_skeleton.attention.deletion import FRACTIONS, confidence_interval
from keras_skeleton.attention.deletion_curves import View
from keras_skeleton.attention.faithfulness import (
    NotScoredError,
    check_scorable,
    mean_curves,
    measure,
    score_rows,
    some_test_clips,
    untrained_attention,
)
from keras_skeleton.evaluation.scores import softmax
from keras_skeleton.recipes.registry import get_recipe
from keras_skeleton.training.experiment import Experiment

WAYS = ("deletion", "insertion")


@pytest.fixture
def network(toy, tmp_path):
    """`network(joints=..., steps=..., pulse=...)`: an experiment and the file of its weights."""

    def make(entry="ENTRY", pulse=False, **attention):
        recipe = replace(
            get_recipe("mans9", "ut_kinect"),
            model=attention,
            preprocessing={"pulse": pulse},
            frames=T,
        )
        run = Experiment(
            f"{toy_network.__file__}:{entry}", toy, "cs", recipe, folder=tmp_path, command=""
        )
        weights = tmp_path / "toy.weights.h5"
        run.build().save_weights(weights)
        return run, weights

    return make


def peak(size, at):
    values = np.full(size, 0.1)
    values[list(np.atleast_1d(at))] = 1.0
    return values


def gain(found, kind, guide="attention", way="deletion"):
    return confidence_interval(found.curves[kind].gain(guide, way))


def test_attention_to_the_one_joint_that_is_read_is_found_faithful(network):
    found = measure(*network(joints=peak(K, HAND)), 1)
    curves = found.curves["joints"].probability
    deletion, insertion = (curves["attention", way].mean(axis=0) for way in WAYS)
    assert deletion[0] > 0.95  # two of 20 joints are a tenth; after that nothing is known
    np.testing.assert_allclose(deletion[1:], 1 / 3, atol=0.02)
    assert insertion[0] == pytest.approx(deletion[-1])
    np.testing.assert_allclose(insertion[1:], deletion[0], atol=0.02)
    for guide in ("attention", "saliency"):  # both know the hand, and nothing else matters
        for way in WAYS:
            mean, low, high = gain(found, "joints", guide, way)
            assert 0.05 < low <= mean <= high < 0.65
    for maps in found.saliency:
        assert (maps["joints"].sum(axis=0).argmax()) == HAND
        assert maps["joints"][:, HAND].sum() > 0.99 * maps["joints"].sum()


def test_attention_elsewhere_is_worse_than_chance_and_the_same_everywhere_is_chance(network):
    found = measure(*network(joints=1 - peak(K, HAND)), 1)  # all but the hand
    assert gain(found, "joints")[2] < -0.05
    assert gain(found, "joints", way="insertion")[2] < -0.05
    found = measure(*network(joints=np.ones(K)), 1, draws=20)
    for way in WAYS:
        mean, low, high = gain(found, "joints", way=way)
        assert low < 0 < high
        assert abs(mean) < 0.2


def test_attention_to_the_frames_that_are_read(network, toy):
    found = measure(*network(steps=peak(T, ACTION), pulse=True), 1)
    for way in WAYS:
        _, low, _ = gain(found, "frames", way=way)
        assert low > 0.05
        assert gain(found, "frames", "saliency", way)[1] > 0.05
    for maps, i in zip(found.saliency, found.clips, strict=True):
        assert len(maps["frames"]) == toy.samples["frames"].iloc[i]
        assert set(np.argsort(maps["frames"])[-3:]) == set(ACTION)


def test_a_smooth_order_of_frames_beats_chance_wherever_it_is(network):
    """Why the baseline of frames is the same curve moved: it deletes as many neighbours at once."""
    hill = np.exp(-(((np.arange(T) - 12) / 4) ** 2))  # over frames where nothing happens
    curves = measure(*network(steps=hill, pulse=True), 1, draws=10).curves["frames"]
    anywhere, chance = (
        curves.probability[order, "deletion"].mean() for order in ("attention_shifted", "random")
    )
    assert chance - anywhere > 0.02
    assert confidence_interval(curves.gain("attention", "deletion"))[2] < 0


@pytest.mark.slow
def test_a_seed_gives_the_same_again(network):
    experiment = network(joints=np.ones(K), steps=np.ones(T))
    first, again, other = (measure(*experiment, 1, seed=seed) for seed in (3, 3, 4))
    assert score_rows(first, 3) == score_rows(again, 3)
    assert mean_curves(first).equals(mean_curves(again))
    assert not mean_curves(first).equals(mean_curves(other))


def test_rows_and_curves_for_tables(network):
    found = measure(*network(joints=np.ones(K), steps=np.ones(T)), 1, most=5)
    rows = score_rows(found)
    assert [row["kind"] for row in rows] == ["frames", "joints"]
    for row in rows:
        assert row["clips"] == 5
        assert row["accuracy"] == 1.0
        assert np.isnan(row["on_action"])  # nobody knows what carries the action here
        assert row["attention_deletion_low"] <= row["attention_deletion"]
        assert row["saliency_insertion"] <= row["saliency_insertion_high"]
    table = mean_curves(found)
    assert len(table) == 11 * 2 * (5 + 3)  # orders of frames and of joints
    assert set(table["fraction"]) == set(FRACTIONS)
    ends = table[(table["fraction"] == 1) & (table["way"] == "insertion")]
    assert np.ptp(ends["probability"]) < 1e-6  # every order ends with the whole clip


def test_some_clips_are_drawn_from_the_seed(network):
    run, _ = network(joints=np.ones(K))
    test = run.folds[0].test
    assert some_test_clips(run, 1, None, 0).tolist() == test.tolist()
    some = some_test_clips(run, 1, 4, 0)
    assert len(some) == 4
    assert set(some) < set(test)
    assert some.tolist() == some_test_clips(run, 1, 4, 0).tolist()
    assert some.tolist() != some_test_clips(run, 1, 4, 1).tolist()


def test_what_is_not_scored_says_why(network):
    with pytest.raises(NotScoredError, match="no attention"):
        measure(*network(), 1)
    with pytest.raises(NotScoredError, match="body parts"):
        check_scorable("pose_i3d")
    with pytest.raises(NotScoredError, match="detect"):
        check_scorable("tap_lstm", "detection")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["csta_cnn", "mans9", "sta_lstm"])
def test_the_papers_networks(name, toy, tmp_path):
    """Attention and saliency at the clips' frames; the curves' ends are the network's answers."""
    recipe = replace(get_recipe(name, "ut_kinect"), stages=())
    if name == "sta_lstm":
        recipe = replace(recipe, model={**recipe.model, "units": 8})
    run = Experiment(name, toy, "cs", recipe, folder=tmp_path, command="")
    model = run.build()
    model.save_weights(tmp_path / "some.weights.h5")
    found = measure(run, tmp_path / "some.weights.h5", 1, draws=1, most=3)
    kinds = {"mans9": {"frames"}}.get(name, {"frames", "joints"})
    assert set(found.curves) == kinds
    for i, *maps in zip(found.clips, found.attention, found.saliency, strict=True):
        length = toy.samples["frames"].iloc[i]
        for one in maps:
            assert set(one) == kinds
            assert one["frames"].shape == (length,)
            assert (one["frames"] >= 0).all()
            if "joints" in kinds:
                assert one["joints"].shape == (length, 20)
    inputs = run.inputs(model)
    whole = softmax(np.asarray(model(inputs.batch(found.clips))))
    truth = whole[np.arange(3), inputs.labels[found.clips]]
    for curves in found.curves.values():
        for values in curves.probability.values():
            assert values.shape == (3, 11)
        np.testing.assert_allclose(curves.probability["random", "deletion"][:, 0], truth, 1e-3)
        np.testing.assert_allclose(curves.probability["saliency", "insertion"][:, -1], truth, 1e-3)
    first, again = (untrained_attention(run, found.clips, 5) for _ in range(2))
    np.testing.assert_array_equal(first[0]["frames"], again[0]["frames"])
    assert (first[0]["frames"] != found.attention[0]["frames"]).any()


def test_frames_between_those_that_are_read_have_their_neighbours_saliency(network, toy):
    run, _ = network("SEQUENCE", every=2)
    assert run.frames == LONGEST == toy.samples["frames"].max()
    view = View(run, 1)
    (found,) = view.saliency(np.array([toy.samples["frames"].idxmax()]))
    hand = found["joints"][:, HAND]
    assert (hand[::2] > 0).all()
    np.testing.assert_allclose(hand[1::2], (hand[:-1:2] + hand[2::2]) / 2)
    np.testing.assert_allclose(found["frames"], found["joints"].sum(axis=1))
