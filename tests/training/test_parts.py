"""The pose-driven network's run: stages, features on disk, views, and what it leaves."""

import csv
import json
from dataclasses import replace

import keras
import numpy as np
import pandas as pd
import pytest
from conftest import make_dataset

from keras_skeleton.attention.parts import acting_hands
from keras_skeleton.attention.run_attention import write_run_report
from keras_skeleton.evaluation.run_record import RunError
from keras_skeleton.models import i3d as i3d_module
from keras_skeleton.models.i3d import Small, i3d
from keras_skeleton.models.pose_i3d import part_network
from keras_skeleton.recipes.pose_i3d import aggregated, pose_joint_training
from keras_skeleton.recipes.registry import get_recipe, with_arguments
from keras_skeleton.training import features as features_module
from keras_skeleton.training import fold as fold_module
from keras_skeleton.training.experiment import Experiment
from keras_skeleton.training.features import stream_features
from keras_skeleton.training.part_inputs import Videos
from keras_skeleton.training.parts import StreamStart, published_start
from keras_skeleton.training.transfer import freeze, take_over
from keras_skeleton.transforms.glimpses import PARTS, TRACKS
from keras_skeleton.utils.errors import UserError
from keras_skeleton.video.crops import COLUMNS, open_crops
from keras_skeleton.video.reading import write_video

STAGES = pose_joint_training({"epochs": 2, "learning_rate": 0.01}, {"epochs": 1}, n1=2, n2=1)


@pytest.fixture(scope="module", autouse=True)
def short_trunk():
    """Two of I3D's nine blocks: the stages do not care, and compiling takes a fifth."""
    kept = ("MaxPool2d_4a_3x3", "MaxPool2d_5a_2x2", "Mixed_5b", "Mixed_5c")
    patch = pytest.MonkeyPatch()
    patch.setattr(i3d_module, "TRUNK", {name: i3d_module.TRUNK[name] for name in kept})
    yield
    patch.undo()


@pytest.fixture(scope="module")
def crops(tmp_path_factory):
    """Videos of the toy dataset's clips but one: their brightness tells the class."""
    folder, dataset = tmp_path_factory.mktemp("crops"), make_dataset(24)
    rng = np.random.default_rng(0)
    with (folder / "crops.csv").open("w", newline="") as lines:
        writer = csv.DictWriter(lines, COLUMNS)
        writer.writeheader()
        for row in dataset.samples.iloc[:-1].to_dict("records"):
            for track in TRACKS:
                path = folder / track / f"{row['name']}.avi"
                path.parent.mkdir(exist_ok=True)
                noise = rng.integers(0, 60, (12, 32, 32, 3))
                write_video(path, (noise + 80 * row["label"]).astype(np.uint8))
            held = {f"held_{part}": 0 for part in PARTS}
            writer.writerow({"name": row["name"], "frames": 12, "size": 32, **held})
    return open_crops(folder)


def experiment(folder, crops, stages=STAGES, aggregate="attention", said=None, **changes):
    recipe = replace(
        get_recipe("pose_i3d", "ntu"),
        model={"steps": 4, "units": 6, "lambda1": 1e-3, "width": 0.05, "momentum": 0.5},
        preprocessing={"coordinates": "camera"},
        frames=8,
        batch_size=8,
        views=2,
        stages=stages,
    )
    recipe = with_arguments(replace(recipe, **changes), "pose_i3d", {"aggregate": aggregate})
    return Experiment(
        "pose_i3d", make_dataset(24), "cs", recipe, folder=folder, command="test",
        log=(said if said is not None else []).append, crops=crops,
    )  # fmt: skip


def test_the_steps_of_algorithm_1():
    recipe = get_recipe("pose_i3d", "ntu")
    stages = {stage.name: stage for stage in recipe.stages}
    assert list(stages) == [*PARTS, "pose", "fixed_streams", "whole"]
    assert stages["fixed_streams"].epochs == 10  # N1
    assert stages["whole"].epochs == 25  # N2
    assert stages["left_hand"].recipe["optimizer"] == "sgd"
    assert not any("pose_lstm_1".startswith(prefix) for prefix in stages["whole"].train)
    taken = dict(stages["whole"].take)
    assert all(taken[part] == ("i3d_",) for part in PARTS)
    assert "pose_lstm" in taken["fixed_streams"]
    assert [s.name for s in aggregated(recipe.stages, "sum_0")] == [
        *PARTS, "fixed_streams", "whole",
    ]  # fmt: skip
    for row in ("sum_1", "sum_2"):
        kept = aggregated(recipe.stages, row)
        assert [s.name for s in kept] == [*PARTS, "whole"]
        assert [name for name, _ in kept[-1].take] == list(PARTS)
    (alone,) = aggregated(recipe.stages, "full_image")
    assert alone.model == {"only": "full_image"}
    with pytest.raises(ValueError, match="Did you mean 'sum_1'"):
        with_arguments(recipe, "pose_i3d", {"aggregate": "sum1"})


def test_streams_that_end_earlier_take_the_blocks_they_have(crops, tmp_path):
    run = experiment(tmp_path, crops, aggregate="sum_1")
    part, whole = run.build(only="left_hand"), run.build()
    assert take_over(whole, part, ("i3d_",)) == ["i3d_left_hand"]
    short, long = whole.get_layer("i3d_left_hand"), part.get_layer("i3d_left_hand")
    assert len(short.layers) < len(long.layers)
    for layer in short.layers:
        for a, b in zip(layer.weights, long.get_layer(layer.name).weights, strict=True):
            np.testing.assert_array_equal(a, b)


@pytest.fixture(scope="module")
def finished(crops, tmp_path_factory):
    """A run that was stopped in step 5 and continued; what was said before and after."""
    folder = tmp_path_factory.mktemp("run") / "r"
    said, patch = [], pytest.MonkeyPatch()
    on_epoch_end = fold_module.FoldFit.finish_epoch

    def stopping(fit, logs, started):
        on_epoch_end(fit, logs, started)
        if fit.folder.name == "fixed_streams":
            raise KeyboardInterrupt

    patch.setattr(fold_module.FoldFit, "finish_epoch", stopping)
    with pytest.raises(KeyboardInterrupt):
        experiment(folder, crops, said=said).fit()
    patch.undo()
    before = len(said)
    features = {p: (folder / "fold_01/features" / f"{p}.npy").read_bytes() for p in PARTS}
    trained = (folder / "fold_01/left_hand/last.weights.h5").read_bytes()
    run = experiment(folder, crops, said=said)
    run.fit(resume=True)
    write_run_report(run)
    assert (folder / "fold_01/left_hand/last.weights.h5").read_bytes() == trained
    return folder, said, before, features


@pytest.mark.slow
def test_a_run_leaves_every_stage_and_the_weights_of_parts(finished):
    folder, said, before, _ = finished
    assert said[0].startswith("skipped 1 clips without crops in ")
    assert sum("features of" in line for line in said[:before]) == 3
    assert not any("features of" in line for line in said[before:])  # they were kept
    fold = folder / "fold_01"
    assert not (fold / "features").exists()
    metrics = json.loads((fold / "metrics.json").read_text())
    assert [s["name"] for s in metrics["stages"]] == [stage.name for stage in STAGES]
    watched = {s["name"]: s["best_test_accuracy"] is not None for s in metrics["stages"]}
    assert watched == {name: name == "whole" for name in watched}
    assert metrics["views"] == 2
    assert metrics["epochs"] == 2 * 3 + 1 + 2 + 1
    parts = pd.read_csv(folder / "parts.csv")
    np.testing.assert_allclose(parts[list(PARTS)].sum(axis=1), 1, atol=1e-3)
    assert parts["acting_hand"].isna().all()  # not known of this dataset
    assert "acting hand" in (folder / "report.html").read_text("utf-8")
    assert len(list((folder / "attention").glob("*.png"))) == 3


@pytest.mark.slow
def test_what_is_fixed_stays_and_what_is_trained_moves(finished, crops):
    folder, *_ = finished
    run = experiment(folder, crops)
    whole = run.build()
    whole.load_weights(folder / "fold_01/whole/last.weights.h5")
    before = run.build(features=True)
    before.load_weights(folder / "fold_01/fixed_streams/best.weights.h5")
    part = run.build(only="right_hand")
    part.load_weights(folder / "fold_01/right_hand/best.weights.h5")

    def same(a, b):
        pairs = zip(a.get_weights(), b.get_weights(), strict=True)
        return all(np.array_equal(x, y) for x, y in pairs)

    for name in ("pose_lstm_1", "pose_lstm_2", "pose_lstm_3"):
        assert same(whole.get_layer(name), before.get_layer(name))
    name = "Conv3d_6a_1x1_conv"
    assert not same(whole.get_layer(name), before.get_layer(name))
    stream = "i3d_right_hand"
    assert not same(whole.get_layer(stream), part.get_layer(stream))


@pytest.mark.slow
def test_the_result_is_the_mean_over_the_views(finished, crops):
    folder, *_ = finished
    run = experiment(folder, crops)
    model = run.build()
    model.load_weights(folder / "fold_01/best.weights.h5")
    inputs, test = run.inputs(model), run.folds[0].test
    views = [model.predict(inputs.batch(test, (0, v)), verbose=0) for v in (0, 1)]
    with np.load(folder / "fold_01/scores.npz") as scores:
        np.testing.assert_allclose(scores["logits"], np.mean(views, axis=0), atol=1e-4)
    again = experiment(folder.parent / "scored", crops)
    result = again.evaluate(folder / "fold_01/best.weights.h5")
    accuracy = json.loads((folder / "fold_01/metrics.json").read_text())["accuracy"]
    assert (result.accuracy, result.clips) == (accuracy, len(test))


@pytest.mark.slow
def test_features_are_computed_once_for_the_same_weights(crops, tmp_path, monkeypatch):
    run = experiment(tmp_path, crops)
    network = run.build(only="left_hand")
    weights = tmp_path / "a.weights.h5"
    network.save_weights(weights)
    inputs, clips = run.inputs(network), np.arange(0, 20, 2)
    said = []

    def compute():
        return stream_features(network, weights, inputs, clips, 3, 4, tmp_path / "f", said.append)

    monkeypatch.setattr(features_module, "BLOCK", 4)
    write, notes = features_module.write_json, []

    def stopping(path, content):
        write(path, content)
        notes.append(content["done"])
        if len(notes) == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(features_module, "write_json", stopping)
    with pytest.raises(KeyboardInterrupt):
        compute()
    found = compute()
    assert notes == [4, 8, 10]
    again = np.array(compute())
    assert notes == [4, 8, 10]  # nothing more to do
    np.testing.assert_array_equal(again, found)
    stream = keras.Model(network.input, network.get_layer("global_avg_pool").output)
    for view in range(3):
        expected = np.asarray(stream(inputs.batch(clips, (0, view))))
        np.testing.assert_allclose(found[clips, view], expected, atol=2e-3)
    assert not found[1::2].any()
    network.set_weights([w + 0.01 for w in network.get_weights()])
    network.save_weights(weights)
    assert not np.array_equal(compute(), again)
    assert notes == [4, 8, 10, 4, 8, 10]


@pytest.mark.slow
def test_one_track_alone(crops, tmp_path):
    said = []
    run = experiment(tmp_path / "r", crops, STAGES, "full_image", said)
    assert [stage.name for stage in run.recipe.stages] == ["full_image"]
    run.fit()
    write_run_report(run)
    assert not (tmp_path / "r" / "parts.csv").exists()
    metrics = json.loads((tmp_path / "r/fold_01/metrics.json").read_text())
    assert [stage["name"] for stage in metrics["stages"]] == ["full_image"]


@pytest.mark.slow
def test_published_weights_reach_the_streams(tmp_path, crops):
    keras.utils.set_random_seed(3)
    published = i3d(frames=8, size=32, top=False)
    path = tmp_path / "port.h5"
    published.save_weights(tmp_path / "x.weights.h5")
    write_port(published, path)
    start = published_start(path, 32)
    run = experiment(tmp_path, crops, model={"steps": 4, "units": 6})
    model = run.build(only="full_body")
    start(model)
    stream = model.get_layer("i3d_full_body")
    for layer in published.layers:
        for a, b in zip(layer.weights, stream.get_layer(layer.name).weights, strict=True):
            np.testing.assert_array_equal(a, b)
    narrow = experiment(tmp_path, crops).build(only="full_body")
    with pytest.raises(UserError, match="not fit this network"):
        start(narrow)


def stream_run(folder, track, seed, width=0.05):
    """A finished run with one stage of a track; returns its network."""
    keras.utils.set_random_seed(seed)
    network = part_network(track, 7, 8, 32, Small(width, 0.5))
    place = folder / "fold_01" / track
    place.mkdir(parents=True)
    network.save_weights(place / "best.weights.h5")
    settings = {"model": {"width": width, "momentum": 0.5}, "frames": 8}
    about = {"model": "pose_i3d", "dataset": "ntu", "protocol": "cs", "recipe": "paper", "seed": 0}
    about |= {"classes": list("abcdefg"), "crops": 32, "settings": settings}
    (folder / "run.json").write_text(json.dumps(about))
    return network


@pytest.mark.slow
def test_streams_of_another_run_are_the_start(tmp_path, crops):
    one, two = tmp_path / "hands", tmp_path / "body"
    networks = {
        "left_hand": stream_run(one, "left_hand", 1),
        "full_body": stream_run(two, "full_body", 2),
    }
    start = StreamStart([one, two])
    run = experiment(tmp_path, crops)
    for track, source in networks.items():
        model = run.build(only=track)
        start(model)
        same = zip(
            model.get_layer(f"i3d_{track}").weights, source.get_layer(f"i3d_{track}").weights,
            strict=True,
        )  # fmt: skip
        for a, b in same:
            np.testing.assert_array_equal(a, b, err_msg=a.path)
    summed = experiment(tmp_path, crops, aggregate="sum_1").build()
    with pytest.raises(UserError, match="no stage 'right_hand'"):
        start(summed)
    start(run.build(only="pose"))  # nothing to take
    about = start.describe()
    assert (about["dataset"], about["protocol"]) == ("ntu", "cs")
    assert list(about["weights"]) == ["0/left_hand", "1/full_body"]
    whole = Experiment(
        "pose_i3d", make_dataset(24), "cs", run.recipe, folder=tmp_path, command="test",
        log=lambda line: None, crops=crops, streams=[one, two],
    )  # fmt: skip
    assert whole.describe()["streams"] == about
    assert "streams" not in run.describe()


@pytest.mark.slow
def test_streams_that_do_not_fit(tmp_path, crops):
    stream_run(tmp_path / "wide", "left_hand", 1, width=0.1)
    start, model = StreamStart([tmp_path / "wide"]), experiment(tmp_path, crops)
    with pytest.raises(UserError, match="another width"):
        start(model.build(only="left_hand"))
    (tmp_path / "other").mkdir()
    (tmp_path / "other/run.json").write_text('{"model": "mans9"}')
    with pytest.raises(UserError, match="not a run of pose_i3d"):
        StreamStart([tmp_path / "other"])


def write_port(model, path):
    """An I3D in the layout of the Keras port's `.h5`."""
    import h5py

    with h5py.File(path, "w") as file:
        layers = [layer for layer in model.layers if layer.weights]
        file.attrs["layer_names"] = [layer.name.encode() for layer in model.layers]
        for layer in model.layers:
            group = file.create_group(layer.name)
            names = [f"{layer.name}/{v.name}:0" for v in layer.weights] if layer in layers else []
            group.attrs["weight_names"] = [name.encode() for name in names]
            for name, value in zip(names, layer.get_weights(), strict=False):
                group.create_dataset(name, data=value)


def test_refusals(tmp_path, crops):
    with pytest.raises(RunError, match="videos of hands and body.* --crops"):
        experiment(tmp_path, None)


def test_the_acting_hand_of_synthetic_clips(tmp_path):
    from keras_skeleton.datasets.registry import load_dataset

    dataset = load_dataset("synthetic", cache_dir=tmp_path, subjects=1, repetitions=1)
    hands = acting_hands(dataset, np.arange(len(dataset)))
    by_class = {c: set(hands[dataset.labels == k]) for k, c in enumerate(dataset.classes)}
    assert by_class["wave_left_hand"] == {0}
    assert by_class["wave_right_hand"] == {1}
    assert by_class["nod"] == {-1}
    assert by_class["answer_phone"] in ({0}, {1})
    assert by_class["pick_up"] == {-1}  # bending moves them both
    assert set(acting_hands(make_dataset(4), np.arange(4))) == {-1}


def test_videos_are_kept_only_where_they_fit(crops):
    assert Videos(crops, 3)._keep
    assert not Videos(crops, 3, memory=1000)._keep
    assert Small() == (1.0, 0.99, 0.0)


def test_the_released_recipe(crops, tmp_path):
    """Learning rate, batch, dropout, last state, the dense head, and how rates fall."""
    for dataset, steps, units in (("ntu", 20, 512), ("nucla", 5, 128)):
        recipe = get_recipe("pose_i3d", dataset, "released")
        assert (recipe.learning_rate, recipe.batch_size, recipe.views) == (1e-3, 8, 1)
        assert (recipe.model["steps"], recipe.model["units"]) == (steps, units)
        assert (recipe.model["dropout"], recipe.model["states"]) == (0.6, "last")
    # ReduceLROnPlateau as in Keras: drops after epochs 8, 15, 22, and no floor.
    rates = [recipe.schedule.factor(epoch, 100, [1.0] * 100) for epoch in range(30)]
    drops = [k for k in range(1, 30) if rates[k] < rates[k - 1]]
    assert drops == [8, 15, 22, 29]
    assert rates[-1] == pytest.approx(1e-4)
    small = {"steps": 4, "units": 6, "width": 0.05, "momentum": 0.5}
    run = experiment(
        tmp_path, crops, recipe.stages, model={**recipe.model, **small}, preprocessing={}
    )
    networks = {}
    for stage in run.recipe.stages:
        network = networks[stage.name] = freeze(run.build(**stage.model), stage.train)
        for name, layers in stage.take:
            assert take_over(network, networks[name], layers)
    whole, before = networks["whole"], networks["fixed_streams"]
    assert whole.get_layer("logits").trainable
    np.testing.assert_array_equal(
        whole.get_layer("logits").kernel, before.get_layer("logits").kernel
    )
    rates = {name: networks[name].get_layer("pose_dropout").rate for name in ("pose", "whole")}
    assert rates == {"pose": 0.5, "whole": 0.6}


@pytest.mark.slow
@pytest.mark.parametrize("row", ["attention", "sum_0", "concat_0", "sum_1", "sum_2"])
def test_every_stage_finds_what_it_takes_over(row, crops, tmp_path):
    run = experiment(tmp_path, crops, aggregate=row)
    networks = {}
    for stage in run.recipe.stages:
        network = networks[stage.name] = freeze(run.build(**stage.model), stage.train)
        assert network.trainable_weights
        for name, layers in stage.take:
            assert take_over(network, networks[name], layers)
    whole = networks["whole"]
    assert {layer.name for layer in whole.layers if layer.weights and not layer.trainable} == (
        {"pose_lstm_1", "pose_lstm_2", "pose_lstm_3"} if row == "attention" else set()
    )
