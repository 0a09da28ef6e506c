"""What a training takes from another network, array by array, and what of it is trained."""

import json
import shutil
from dataclasses import replace

import keras
import numpy as np
import pytest
from conftest import make_dataset

from keras_skeleton.checkpoints.weights import WeightsError
from keras_skeleton.evaluation.run_record import RunError
from keras_skeleton.models.head import head_layers, named_layers
from keras_skeleton.models.registry import build_model
from keras_skeleton.recipes.registry import get_recipe
from keras_skeleton.skeletons import get_skeleton
from keras_skeleton.training import fold as fold_module
from keras_skeleton.training.experiment import Experiment
from keras_skeleton.training.few_clips import few_clips
from keras_skeleton.training.initial import InitialWeights, InitialWeightsError, Joints
from keras_skeleton.training.state import TrainingState

CHANGES = {"epochs": 2, "stages": (), "jit": False, "model": {"units": 4}, "batch_size": 8,
           "frames": 12}  # fmt: skip
SMALL = {"sta_lstm": {"units": 6, "hidden": 5}, "csta_cnn": {}, "lstm": {"units": 4}}


def network(name, skeleton="kinect_v1", classes=3, bodies=1, seed=0, **arguments):
    """A network whose weights are all random, also the biases."""
    keras.utils.set_random_seed(seed)
    model = build_model(
        name, skeleton, classes, **{**SMALL.get(name, {}), "bodies": bodies, **arguments}
    )
    rng = np.random.default_rng(seed)
    model.set_weights([w + rng.normal(0, 0.1, w.shape) for w in model.get_weights()])
    return model


def values(model):
    """Copies of all arrays by layer and number, without states of random generators."""
    return {
        (name, k): np.array(keras.ops.convert_to_numpy(v))
        for name, layer in named_layers(model)
        for k, v in enumerate(layer.weights)
    }


def heads(model, name, skeleton, classes, bodies):
    arguments = {**SMALL.get(name, {}), "bodies": bodies}
    return [layer.name for layer in head_layers(model, name, skeleton, classes, **arguments)]


def joints(skeleton, bodies):
    return Joints(get_skeleton(skeleton), bodies)


def random_states(model):
    own = {id(v) for v in model.weights}
    return [keras.ops.convert_to_numpy(v) for v in model.variables if id(v) not in own]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["lstm", "sta_lstm", "csta_cnn", "mans9"])
def test_all_arrays_but_the_heads_are_those_of_the_source(name):
    bodies = {} if name == "mans9" else {"bodies": 1}
    keras.utils.set_random_seed(5)
    source = build_model(name, "kinect_v1", 3, **SMALL.get(name, {}), **bodies)
    keras.utils.set_random_seed(6)
    model = build_model(name, "kinect_v1", 7, **SMALL.get(name, {}), **bodies)
    arguments = {**SMALL.get(name, {}), **bodies}
    head = [layer.name for layer in head_layers(model, name, "kinect_v1", 7, **arguments)]
    before, theirs, random = values(model), values(source), random_states(model)
    own = joints("kinect_v1", 1)
    taken = InitialWeights("source", source, own).apply(model, head, own)
    assert (taken.partly, set(taken.fresh)) == ((), set(head))
    for (layer, k), found in values(model).items():
        wanted = (before if layer in head else theirs)[layer, k]
        np.testing.assert_array_equal(found, wanted, err_msg=f"{layer} {k}")
    inside = sum(layer not in head for layer, _ in before)
    assert (taken.arrays, taken.total) == (inside, len(before))
    assert set(taken.whole) == {layer for layer, _ in before} - set(head)
    for found, wanted in zip(random_states(model), random, strict=True):
        np.testing.assert_array_equal(found, wanted)  # dropout follows the seed of the run


def test_the_source_is_not_changed():
    source, model = network("lstm"), network("lstm", classes=5, seed=1)
    before = values(source)
    InitialWeights("s", source).apply(model, ["main_scores"], joints("kinect_v1", 1))
    for key, found in values(source).items():
        np.testing.assert_array_equal(found, before[key])


def element_by_element(own, its, place, coordinates):
    """An axis of 1 (joints) or 3 (coordinates) rows for each joint, copied one at a time. `place`
    maps (person, joint) of the new network to the row of its joint in the other one, or None."""
    wanted = own.copy()
    for k, other in enumerate(place):
        if other is not None:
            for c in range(coordinates):
                wanted[coordinates * k + c] = its[coordinates * other + c]
    return wanted


# Kinect v1's names for the 15 joints of SBU, whose feet are at the ankles.
SAME = {
    "head": "head", "neck": "shoulder_center", "torso": "spine",
    **{f"{side}_{joint}": f"{side}_{joint}" for side in ("left", "right")
       for joint in ("shoulder", "elbow", "hand", "hip", "knee")},
    "left_foot": "left_ankle", "right_foot": "right_ankle",
}  # fmt: skip


def places(bodies=2, other_bodies=1):
    """The row of each joint of SBU's people among those of Kinect v1's."""
    sbu, v1 = get_skeleton("sbu"), get_skeleton("kinect_v1")
    return [
        m * v1.size + v1.joints.index(SAME[joint]) if m < other_bodies else None
        for m in range(bodies)
        for joint in sbu.joints
    ]


def test_places_are_those_of_the_joint_names():
    rows = joints("sbu", 2).rows_of(joints("kinect_v1", 1))
    assert rows.tolist() == [-1 if k is None else k for k in places()]
    both = joints("sbu", 2).rows_of(joints("kinect_v1", 2))
    assert both.tolist() == places(2, 2)
    assert joints("sbu", 1).rows_of(joints("kinect_v1", 2)).tolist() == places(1)


def test_lstm_rows_are_taken_by_joint_and_person():
    """From one person of Kinect v1 to two people of SBU: the second person keeps its start."""
    source = network("sta_lstm", "kinect_v1", 3, bodies=1)
    model = network("sta_lstm", "sbu", 8, bodies=2, seed=1)
    head = heads(model, "sta_lstm", "sbu", 8, 2)
    before, theirs = values(model), values(source)
    taken = InitialWeights("s", source, joints("kinect_v1", 1)).apply(model, head, joints("sbu", 2))
    assert set(taken.fresh) == set(head)
    assert set(taken.partly) == {"joint_attention", "main_lstm_1", "frame_attention"}
    place, found, by_joint = places(), values(model), 0
    for key, own in before.items():
        its = theirs[key]
        if key[0] in head:
            wanted = own
        elif own.shape == its.shape:
            wanted = its
        else:
            (axis,) = (k for k in range(own.ndim) if own.shape[k] != its.shape[k])
            coordinates = own.shape[axis] // 30
            moved = [np.moveaxis(x, axis, 0) for x in (own, its)]
            wanted = np.moveaxis(element_by_element(*moved, place, coordinates), 0, axis)
            by_joint += 1
        np.testing.assert_array_equal(found[key], wanted, err_msg=str(key))
    # Three LSTM kernels and two dense kernels read coordinates; scores have two arrays of joints.
    assert by_joint == 7
    kernel = found["main_lstm_1", 0]
    np.testing.assert_array_equal(kernel[45:], before["main_lstm_1", 0][45:])


def test_one_person_is_taken_from_two():
    source = network("lstm", "kinect_v1", 3, bodies=2)
    model = network("lstm", "kinect_v1", 3, bodies=1, seed=1)
    InitialWeights("s", source, joints("kinect_v1", 2)).apply(
        model, ["main_scores"], joints("kinect_v1", 1)
    )
    found, theirs = values(model), values(source)
    np.testing.assert_array_equal(found["main_lstm_1", 0], theirs["main_lstm_1", 0][:60])


def test_csta_takes_the_weights_of_joints_by_name():
    """CSTA-CNN shares its weights between people; its attention and transformer know joints."""
    source = network("csta_cnn", "kinect_v1", 3, bodies=1)
    model = network("csta_cnn", "sbu", 8, bodies=2, seed=1)
    head = heads(model, "csta_cnn", "sbu", 8, 2)
    before, theirs = values(model), values(source)
    taken = InitialWeights("s", source, joints("kinect_v1", 1)).apply(model, head, joints("sbu", 2))
    index = [k for k in places(1)]
    found, kinds = values(model), set()
    for key, own in before.items():
        its = theirs[key]
        if key[0] in head:
            wanted = own
        elif own.shape == its.shape:
            wanted = its
        else:
            wanted = its
            for axis in range(own.ndim):
                if own.shape[axis] == its.shape[axis]:
                    continue
                sizes = own.shape[axis], its.shape[axis]
                kinds.add(sizes)
                rows = index if sizes == (15, 20) else [
                    3 * k + c for k in index for c in range(3)
                ]  # fmt: skip
                wanted = np.take(wanted, rows, axis=axis)
        np.testing.assert_array_equal(found[key], wanted, err_msg=str(key))
    assert (15, 20) in kinds
    assert kinds <= {(15, 20), (45, 60)}
    assert set(taken.fresh) == set(head)


def test_joints_that_the_source_lacks_keep_their_start():
    """Kinect v1 to v2: five joints are new."""
    source = network("lstm", "kinect_v1", 3, bodies=1)
    model = network("lstm", "kinect_v2", 3, bodies=1, seed=1)
    before = values(model)["main_lstm_1", 0]
    InitialWeights("s", source, joints("kinect_v1", 1)).apply(model, [], joints("kinect_v2", 1))
    found, v2 = values(model)["main_lstm_1", 0], get_skeleton("kinect_v2").joints
    for name in ("neck", "left_thumb", "right_hand_tip"):
        k = 3 * v2.index(name)
        np.testing.assert_array_equal(found[k : k + 3], before[k : k + 3])
    k, its = 3 * v2.index("left_knee"), 3 * get_skeleton("kinect_v1").joints.index("left_knee")
    kernel = values(source)["main_lstm_1", 0]
    np.testing.assert_array_equal(found[k : k + 3], kernel[its : its + 3])


def test_networks_of_another_width_share_only_what_fits():
    source, model = network("lstm"), network("lstm", units=7, seed=1)
    before = values(model)
    own = joints("kinect_v1", 1)
    with pytest.raises(InitialWeightsError, match="none of its layers"):
        InitialWeights("wide", source, own).apply(model, ["main_scores"], own)
    for key, found in values(model).items():
        np.testing.assert_array_equal(found, before[key])


def test_another_architecture_is_refused():
    own = joints("kinect_v1", 1)
    model = network("lstm", seed=1)
    for source in (network("csta_cnn"), build_model("mans9", "kinect_v1", 3)):
        with pytest.raises(InitialWeightsError, match="lstm"):
            InitialWeights("other", source, own).apply(model, ["main_scores"], own)


# ---------------------------------------------------------------- files of unknown origin


@pytest.mark.parametrize("suffix", [".weights.h5", ".keras", "legacy"])
def test_files_of_unknown_origin(suffix, tmp_path):
    """With other classes; the layers are found by their names, and dropout keeps its seed."""
    source, model = network("lstm"), network("lstm", classes=5, seed=1)
    if suffix == "legacy":
        path = tmp_path / "old.h5"
        write_legacy(source, path)
    else:
        path = tmp_path / f"file{suffix}"
        (source.save if suffix == ".keras" else source.save_weights)(path)
    before, theirs, random = values(model), values(source), random_states(model)
    taken = InitialWeights(str(path), file=path).apply(
        model, ["main_scores"], joints("kinect_v1", 1)
    )
    assert taken.fresh == ("main_scores",)
    assert set(taken.whole) == {"main_lstm_1", "main_lstm_2", "main_lstm_3"}
    assert (taken.arrays, taken.total) == (9, 11)
    for key, found in values(model).items():
        wanted = before if key[0] == "main_scores" else theirs
        np.testing.assert_array_equal(found, wanted[key])
    for found, wanted in zip(random_states(model), random, strict=True):
        np.testing.assert_array_equal(found, wanted)


def write_legacy(model, path):
    """The layout of `save_weights` of Keras 2: layers and their weights in attributes."""
    import h5py

    layers = [layer for layer in model.layers if layer.weights]
    with h5py.File(path, "w") as file:
        file.attrs["layer_names"] = [layer.name.encode() for layer in layers]
        for layer in layers:
            group = file.create_group(layer.name)
            names = [f"{layer.name}/array_{k}:0" for k in range(len(layer.weights))]
            group.attrs["weight_names"] = [name.encode() for name in names]
            for name, weight in zip(names, layer.weights, strict=True):
                group[name] = np.asarray(weight)


def test_the_head_of_a_file_with_the_same_classes_is_not_taken(tmp_path):
    """Whether the classes are the same is not known."""
    source, model = network("lstm"), network("lstm", seed=1)
    source.save_weights(tmp_path / "w.weights.h5")
    before = values(model)
    InitialWeights("f", file=tmp_path / "w.weights.h5").apply(
        model, ["main_scores"], joints("kinect_v1", 1)
    )
    for k in range(2):
        np.testing.assert_array_equal(values(model)["main_scores", k], before["main_scores", k])


def test_a_file_of_another_architecture_is_refused(tmp_path):
    network("csta_cnn").save_weights(tmp_path / "w.weights.h5")
    model = network("lstm", seed=1)
    with pytest.raises((InitialWeightsError, WeightsError)):
        InitialWeights("f", file=tmp_path / "w.weights.h5").apply(
            model, ["main_scores"], joints("kinect_v1", 1)
        )
    (tmp_path / "text.h5").write_text("no weights")
    with pytest.raises(WeightsError, match=r"text\.h5"):
        InitialWeights("f", file=tmp_path / "text.h5").apply(model, [], joints("kinect_v1", 1))


# ---------------------------------------------------------------- freezing and rates


@pytest.mark.parametrize("freeze", ["main_dropout", "nothing", ".*", "main_|logits"])
def test_a_pattern_that_matches_none_or_all_is_refused(freeze):
    """Layers without weights do not count."""
    with pytest.raises(InitialWeightsError, match="main_lstm_1"):
        InitialWeights("s", network("lstm"), freeze=freeze).frozen(network("lstm"))


@pytest.mark.parametrize("freeze", ["(", "*lstm", "[a"])
def test_a_bad_pattern_is_named(freeze):
    with pytest.raises(InitialWeightsError) as error:
        InitialWeights("s", freeze=freeze)
    assert freeze in str(error.value)


@pytest.mark.parametrize("rate", [0, -0.1, 1.5, float("nan"), float("inf")])
def test_a_bad_rate_is_refused(rate):
    with pytest.raises(InitialWeightsError, match="rate"):
        InitialWeights("s", rate=rate)


def test_a_pattern_matches_from_the_start_of_a_name():
    model = InitialWeights("s", freeze="lstm|main_lstm_[12]").frozen(network("lstm"))
    frozen = {layer.name for layer in model.layers if layer.weights and not layer.trainable}
    assert frozen == {"main_lstm_1", "main_lstm_2"}
    assert len(model.trainable_variables) == 5


def experiment(folder, initial=None, name="lstm", dataset=None, seed=0, log=None, **changes):
    recipe = replace(get_recipe(name, "sbu"), **{**CHANGES, **changes})
    own = make_dataset(24) if dataset is None else dataset
    return Experiment(
        name, own, "cs", recipe, seed, folder, command="test", log=log or (lambda line: None),
        initial=initial,
    )  # fmt: skip


def start(**changes):
    source = network("lstm", "kinect_v1", 5, bodies=1, seed=9)
    own = {"record": {"dataset": "nucla", "recipe": "paper"}, **changes}
    return InitialWeights("their weights", source, joints("kinect_v1", 1), **own)


def weights_of(path, name="lstm"):
    model = network(name, "kinect_v1", 3, bodies=1)
    model.load_weights(path)
    return values(model)


@pytest.mark.slow
def test_frozen_weights_stay_bit_identical(tmp_path):
    initial = start(freeze="main_lstm_[12]")
    experiment(tmp_path / "r", initial, epochs=1).fit()
    found = weights_of(tmp_path / "r/fold_01/last.weights.h5")
    theirs = values(initial.network)
    for (layer, k), value in found.items():
        if layer in ("main_lstm_1", "main_lstm_2"):
            np.testing.assert_array_equal(value, theirs[layer, k])
        elif layer == "main_lstm_3":
            assert not np.array_equal(value, theirs[layer, k])
            assert np.abs(value - theirs[layer, k]).max() < 0.5  # it started there


@pytest.mark.slow
def test_a_small_rate_moves_what_was_taken_less(tmp_path):
    found = {}
    for rate in (1.0, 0.01):
        initial = start(rate=rate)
        experiment(tmp_path / str(rate), initial, epochs=1).fit()
        after = weights_of(tmp_path / f"{rate}/fold_01/last.weights.h5")
        theirs = values(initial.network)
        found[rate] = {
            key: np.abs(after[key] - theirs[key]).mean() for key in theirs if "lstm" in key[0]
        }
    for key, moved in found[1.0].items():
        assert 0 < found[0.01][key] < 0.1 * moved, key


@pytest.mark.slow
def test_the_run_records_its_start_and_is_not_resumed_from_another(tmp_path):
    said = []
    run = experiment(
        tmp_path / "r", start(rate=0.5, freeze="main_lstm_1"), epochs=1, log=said.append
    )
    run.fit()
    stored = json.loads((tmp_path / "r/run.json").read_text())["init_weights"]
    taken = stored.pop("taken")
    assert stored == {
        "source": "their weights", "dataset": "nucla", "recipe": "paper",
        "freeze": "main_lstm_1", "rate": 0.5,
    }  # fmt: skip
    assert "9 of 11" in taken
    assert "main_scores" in taken
    assert any("their weights" in line and taken in line for line in said)
    plain = experiment(tmp_path / "plain", epochs=1).describe()
    assert "init_weights" not in plain

    changes = {"rate": 0.4, "freeze": "main_lstm_1"}, {"rate": 0.5}
    for other in (*(start(**changed) for changed in changes), None):
        with pytest.raises(RunError, match="init_weights"):
            experiment(tmp_path / "r", other, epochs=1).fit(resume=True)


@pytest.mark.slow
def test_resumed_it_is_the_uninterrupted_run_bit_by_bit(tmp_path, monkeypatch):
    """Stopped after the second of four epochs, with dropout, a frozen layer and a slow one."""
    monkeypatch.setattr(fold_module, "SAVE_EVERY", -1.0)
    initial = start(rate=0.3, freeze="main_lstm_1")

    class StopError(Exception):
        pass

    def run(folder, stop_after=None, resume=False):
        own = experiment(folder, initial, epochs=4)
        if stop_after is not None:
            finish = fold_module.FoldFit.finish_epoch

            def stopped(self, logs, started):
                finish(self, logs, started)
                if len(self.state.history) == stop_after:
                    raise StopError

            with monkeypatch.context() as patch:
                patch.setattr(fold_module.FoldFit, "finish_epoch", stopped)
                with pytest.raises(StopError):
                    own.fit(resume=resume)
            return
        own.fit(resume=resume)

    run(tmp_path / "whole")
    run(tmp_path / "parts", stop_after=2)
    kept = TrainingState.latest(tmp_path / "parts/fold_01/state.npz")
    assert len(kept.history) == 2
    run(tmp_path / "parts", resume=True)
    for name in ("last", "best"):
        one, other = (
            weights_of(tmp_path / f"{folder}/fold_01/{name}.weights.h5")
            for folder in ("whole", "parts")
        )
        for key in one:
            np.testing.assert_array_equal(one[key], other[key], err_msg=f"{name} {key}")
    with (
        np.load(tmp_path / "whole/fold_01/scores.npz") as one,
        np.load(tmp_path / "parts/fold_01/scores.npz") as other,
    ):
        np.testing.assert_array_equal(one["logits"], other["logits"])


def test_seeds_differ_in_dropout_and_head_only(tmp_path):
    """Two seeds start from the same taken weights."""
    runs = [experiment(tmp_path / str(k), start(), seed=k) for k in (0, 1)]
    networks = []
    for k, run in enumerate(runs):
        keras.utils.set_random_seed(k)
        model = run.build()
        run.take(model)
        networks.append(model)
    one, other = map(values, networks)
    for key in one:
        same = np.array_equal(one[key], other[key])
        assert same == (key[0] != "main_scores" or key[1] == 1), key  # its bias starts at 0
    states = list(map(random_states, networks))
    assert any(not np.array_equal(a, b) for a, b in zip(*states, strict=True))


@pytest.mark.slow
def test_layers_that_keras_numbers_are_taken_frozen_and_slowed_down(tmp_path):
    """A MANs has no names for its convolutions; each network of a process has other numbers."""
    source = build_model("mans9", "kinect_v1", 5)
    initial = InitialWeights(
        "m", source, joints("kinect_v1", 1), freeze="conv2d$|batch_normalization$", rate=0.25
    )
    changes = {
        "model": {},
        "frames": None,
        "preprocessing": get_recipe("mans9", "sbu").preprocessing,
    }
    run = experiment(tmp_path / "r", initial, "mans9", **changes)
    assert run.taken.fresh == ("logits",)
    (trainer,) = run.trainers().values()
    trainer.reset(seed=0)
    run.take(trainer.model)
    theirs, found = values(source), values(trainer.model)
    for key, value in found.items():
        if key[0] != "logits":
            np.testing.assert_array_equal(value, theirs[key])
    frozen = {name for name, layer in named_layers(trainer.model) if not layer.trainable}
    assert frozen == {"conv2d", "batch_normalization"}
    factors = trainer._factors()
    assert sorted(set(factors)) == [0.25, 1.0]
    assert factors.count(1.0) == 2  # kernel and bias of the head


def test_networks_in_stages_cannot_start_from_weights(tmp_path):
    recipe = get_recipe("sta_lstm", "sbu")
    assert recipe.stages
    with pytest.raises(RunError, match="stages"):
        Experiment("sta_lstm", make_dataset(24), "cs", recipe, 0, tmp_path / "r", initial=start())


# ---------------------------------------------------------------- a few clips, and calibrations


def test_few_clips_of_each_class():
    labels = np.array([0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 3])
    clips = np.array([9, 0, 1, 4, 7, 10, 3, 2])
    found = few_clips(clips, labels, 2, seed=0)
    counts = np.bincount(labels[found], minlength=4)
    assert counts.tolist() == [2, 2, 1, 1]
    assert [k for k in clips if k in found] == found.tolist()  # in the given order
    np.testing.assert_array_equal(found, few_clips(clips, labels, 2, seed=0))
    drawn = {tuple(few_clips(clips, labels, 2, seed)) for seed in range(20)}
    assert len(drawn) > 3
    np.testing.assert_array_equal(few_clips(clips, labels, 99, 0), clips)
    assert few_clips(clips[:0], labels, 2, 0).shape == (0,)


def test_every_clip_is_drawn_alike():
    labels, clips = np.zeros(6, int), np.arange(6)
    drawn = np.bincount(np.concatenate([few_clips(clips, labels, 2, s) for s in range(600)]))
    assert drawn.min() > 150  # of 200


def test_only_the_training_clips_are_few(tmp_path):
    dataset = make_dataset()
    runs = [
        Experiment("lstm", dataset, "cs", seed=seed, folder=tmp_path, clips_per_class=few)
        for seed, few in ((0, None), (0, 2), (1, 2))
    ]
    (whole,), (few,), (other,) = (run.folds for run in runs)
    assert set(few.train) < set(whole.train)
    assert np.bincount(dataset.labels[few.train]).tolist() == [2, 2, 2]
    for part in ("validation", "test"):
        np.testing.assert_array_equal(getattr(few, part), getattr(whole, part))
    assert set(few.train) != set(other.train)
    assert runs[1].describe()["clips_per_class"] == 2
    assert "clips_per_class" not in runs[0].describe()


@pytest.mark.slow
def test_a_lost_calibration_is_written_again(tmp_path):
    run = experiment(tmp_path / "r", epochs=1)
    run.fit()
    path = tmp_path / "r/fold_01/calibration.npz"
    first = path.read_bytes()
    before = {p: p.read_bytes() for p in path.parent.glob("*.h5")}
    path.unlink()
    experiment(tmp_path / "r", epochs=1).fit(resume=True)
    assert path.read_bytes() == first
    assert {p: p.read_bytes() for p in path.parent.glob("*.h5")} == before
    shutil.rmtree(tmp_path / "r")


@pytest.mark.slow
def test_without_validation_clips_there_is_no_calibration(tmp_path):
    run = experiment(tmp_path / "r", epochs=1)
    run.folds = [fold._replace(validation=fold.validation[:0]) for fold in run.folds]
    run.fit()
    assert not (tmp_path / "r/fold_01/calibration.npz").exists()
