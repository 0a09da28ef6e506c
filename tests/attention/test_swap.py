"""The swap test: exact for every model, and right about networks whose truth is known."""

import json
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import keras
import numpy as np
import pandas as pd
import pytest
import swap_network
from swap_network import CLASSES, STEPS

from keras_skeleton.attention.attended import attend
from keras_skeleton.attention.faithfulness import NotScoredError
from keras_skeleton.attention.swap import stretched, swap_fold, swap_test
from keras_skeleton.evaluation.swap_test import BOTH, NOT_MEASURED, summarize
from keras_skeleton.layers.part_attention import WeightedParts
from keras_skeleton.models.attention_maps import attention_layers, with_given_attention
from keras_skeleton.models.gate_net import gate_net
from keras_skeleton.models.preprocessing import Preprocessing
from keras_skeleton.models.registry import MODELS
from keras_skeleton.recipes.registry import get_recipe
from keras_skeleton.recognizer import Recognizer
from keras_skeleton.training.experiment import Experiment

sys.path.append(str(Path(__file__).parents[1] / "models"))
from test_contract import BODIES, FRAMES, SKELETON, SLOW, built, inputs

ATTENDS = [
    pytest.param(name, marks=pytest.mark.slow) if name in SLOW else name
    for name in MODELS
    if name not in ("stcm9", "stcm_densenet161", "lstm", "two_stream_cnn")
]


def read(model, x, names):
    """The model's output, and its attention by name of the layer."""
    outputs = [model.get_layer(name).output for name in names]
    out, *maps = keras.Model(model.input, [model.output, *outputs])(x)
    return out, dict(zip(names, map(np.asarray, maps), strict=True))


@pytest.mark.slow
@pytest.mark.parametrize("name", ATTENDS)
def test_own_attention_gives_the_own_logits(name):
    model, x = built(name), inputs(name)
    before = json.dumps(model.get_config(), default=str), model.get_weights()
    kinds = attention_layers(model)
    assert kinds
    every = [name for names in kinds.values() for name in names]
    own, maps = read(model, x, every)
    for names in {*kinds.values(), tuple(every)}:
        network, flat = with_given_attention(model, names), keras.tree.flatten(x)
        given = network([*flat, *[maps[name] for name in names]])
        np.testing.assert_allclose(given, own, atol=1e-5)
        other = network([*flat, *[maps[name] + 1 for name in names]])
        assert np.abs(np.asarray(other) - np.asarray(own)).max() > 1e-4
    after = json.dumps(model.get_config(), default=str), model.get_weights()
    assert after[0] == before[0]
    for a, b in zip(before[1], after[1], strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_detector_takes_its_gates():
    model = gate_net(joints=20, classes=3, hidden=8, width=8, dilations=(1,))
    x = np.random.default_rng(0).normal(size=(2, 12, 20, 3)).astype("float32")
    own, maps = read(model, x, ["frame_attention"])
    given = with_given_attention(model, ["frame_attention"])([x, maps["frame_attention"]])
    assert set(own) == set(given) == {"labels", "ends"}
    np.testing.assert_allclose(given["labels"], own["labels"], atol=1e-5)


def test_a_layer_that_is_not_there_is_named():
    with pytest.raises(ValueError, match="frame_attention"):
        with_given_attention(built("lstm"), ["frame_attention"])


def test_maps_are_resampled_from_clip_to_clip():
    shown, onto = np.array([0, 1, 1, 1, 0], bool), np.array([1, 1, 1, 1, 1, 0], bool)
    values = np.array([9.0, 0.0, 2.0, 4.0, 9.0])
    assert stretched(values, shown, onto).tolist() == [0, 1, 2, 3, 4, 4]
    assert stretched(values, shown, shown)[1:4].tolist() == [0, 2, 4]
    columns = np.stack([values, -values], axis=1)[:, None]  # (S, 1, 2)
    assert stretched(columns, shown, onto)[:, 0, 1].tolist() == [0, -1, -2, -3, -4, -4]
    one = np.array([0, 0, 1, 0, 0], bool)  # a single frame fills every clip
    assert stretched(values, one, onto).tolist() == [2] * 6
    assert stretched(values, shown, one)[2] == 0


@pytest.fixture
def network(toy, tmp_path):
    """`network("joints", needs=True)`: an experiment and weights of a network of `swap_network`."""

    def make(*kinds, needs, mask=True):
        recipe = replace(
            get_recipe("mans9", "ut_kinect"),
            model={"kinds": list(kinds), "needs": needs, "mask": mask},
            preprocessing={},
            frames=STEPS,
        )
        name = f"{swap_network.__file__}:ENTRY"
        run = Experiment(name, toy, "cs", recipe, folder=tmp_path, command="")
        weights = tmp_path / "toy.weights.h5"
        run.build().save_weights(weights)
        return run, weights

    return make


def costs(found):
    rows = summarize(found).set_index(["kind", "swap"])
    return {key: (row["own"], row["swapped"], row["verdict"]) for key, row in rows.iterrows()}


@pytest.mark.parametrize("mask", [True, False])
def test_attention_that_decides_costs_everything(network, mask):
    """Which third of the clip is attended to is the class: another class is always wrong."""
    found = costs(swap_fold(*network("frames", needs=True, mask=mask), 1))
    assert found["frames", "other"] == (1.0, 0.0, "costs")
    # The mean and uniform attention are the same for all clips: one class of three is right.
    assert found["frames", "mean"][1] == pytest.approx(1 / CLASSES)
    assert found["frames", "uniform"][1] == pytest.approx(1 / CLASSES)
    # Reversed, the first third is the last and the middle stays.
    assert found["frames", "reversed"][1] == pytest.approx(1 / CLASSES)


def test_joints_and_frames_are_exchanged_one_by_one_and_together(network):
    found = costs(swap_fold(*network("joints", "frames", needs=True), 1))
    assert found["joints", "other"] == (1.0, 0.0, "costs")
    assert found["frames", "other"] == (1.0, 1.0, "unclear")  # joints decide here; few clips
    assert found[BOTH, "other"] == (1.0, 0.0, "costs")
    assert found["joints", "uniform"][1] == pytest.approx(1 / CLASSES)
    assert ("joints", "reversed") not in found
    assert (BOTH, "reversed") not in found


def test_attention_that_does_nothing_costs_nothing(network):
    found = swap_fold(*network("joints", "frames", needs=False), 1)
    assert all(row == (1.0, 1.0, "unclear") for row in costs(found).values())  # few clips
    assert (found["changed"] == 0).all()


def test_a_seed_gives_the_same_again(network, toy):
    run, weights = network("frames", needs=True)
    first, again = (swap_fold(run, weights, 1, seed=3, draws=2, most=6) for _ in range(2))
    assert first.equals(again)
    assert first["clip"].nunique() == 6
    assert first["swapped"].isin([0, 0.5, 1]).all()


def test_what_cannot_be_swapped_is_left_out(network, toy):
    run, weights = network("frames", needs=True)
    model = run.build()
    model.load_weights(weights)
    test = run.folds[0].test
    of_one = test[toy.labels[test] == 0]
    assert "other" not in set(swap_test(run, model, 1, of_one)["swap"])
    run.folds[0] = run.folds[0]._replace(train=test[:0])
    assert "mean" not in set(swap_test(run, model, 1, test[:4])["swap"])
    with pytest.raises(NotScoredError, match="no attention"):
        swap_fold(*network(needs=False), 1)


def test_weights_of_body_parts():
    """Inputs by name and videos, as of `pose_i3d`: attention without a time axis."""
    inputs_ = {name: keras.Input((4,), name=name) for name in ("body", "hand", "skeleton")}
    alpha = keras.layers.Dense(2, "softmax", name="part_attention")(inputs_["skeleton"])
    parts = [inputs_["body"], inputs_["hand"]]
    model = keras.Model(inputs_, WeightedParts(name="aggregated")(alpha, parts))
    rng = np.random.default_rng(0)
    x = {name: rng.normal(size=(6, 4)).astype("float32") for name in inputs_}
    said = np.argmax(model.predict_on_batch(x), axis=1)
    run = SimpleNamespace(
        inputs=lambda model: SimpleNamespace(
            labels=(said + [0, 0, 1, 0, 0, 0]) % 4,
            batch=lambda clips: {name: values[clips] for name, values in x.items()},
        ),
        videos=True,
        recipe=SimpleNamespace(batch_size=4),
        folds=[SimpleNamespace(train=np.array([4, 5]))],
        dataset=SimpleNamespace(samples=pd.DataFrame({"name": list("abcdef")})),
    )
    found = swap_test(run, model, 1, np.arange(4))
    assert set(found["kind"]) == {"parts"}
    uniform = found[found["swap"] == "uniform"]
    assert uniform["own"].tolist() == [1, 1, 0, 1]
    half = np.argmax(x["body"] + x["hand"], axis=1)[:4]
    assert uniform["changed"].tolist() == (half != said[:4]).tolist()
    assert {"mean", "uniform"} <= set(found["swap"])
    assert "reversed" not in set(found["swap"])


@pytest.mark.slow
@pytest.mark.parametrize("verdict", ["nothing", None])
def test_an_attention_page_says_what_was_found(verdict):
    rows = [{"kind": "frames", "swap": "other", "clips": 9, "own": 1, "swapped": 1, "cost": 0,
             "low": 0, "high": 0, "changed": 0, "verdict": verdict}]  # fmt: skip
    recognizer = Recognizer(
        built("ta_lstm"),
        "abcd",
        Preprocessing("ta_lstm", SKELETON, bodies=BODIES, frames=FRAMES),
        about={"swap": rows} if verdict else {},
    )
    clip = np.random.default_rng(0).normal(size=(FRAMES, BODIES, SKELETON.size, 3))
    seen = attend(recognizer, clip.astype("float32"), "a clip")
    if verdict:
        assert seen.about["attention"] == "hardly depends on the clip"
        ((said, heading, _),) = seen.swap
        assert said == verdict
        assert "hardly depends on the clip" in heading
    else:
        assert "attention" not in seen.about
        assert [heading for _, heading, _ in seen.swap] == [NOT_MEASURED]
