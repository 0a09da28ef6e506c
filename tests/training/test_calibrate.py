"""A calibration from its fold to the predictions, and what becomes of one that does not belong."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
from conftest import make_dataset

from keras_skeleton.cli import main
from keras_skeleton.evaluation.calibration import FILE, Calibration, fit_temperature
from keras_skeleton.recipes.registry import get_recipe
from keras_skeleton.recognizer import Recognizer, RecognizerError
from keras_skeleton.training.experiment import Experiment
from keras_skeleton.zoo.calibrate import calibrate_entry
from keras_skeleton.zoo.entries import ZOO, checked_files, read_zoo
from keras_skeleton.zoo.recognizers import load_recognizer

CHANGES = {"epochs": 4, "stages": (), "jit": False, "model": {"units": 6}, "batch_size": 8,
           "learning_rate": 0.01}  # fmt: skip


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    """A finished run of an LSTM."""
    folder = tmp_path_factory.mktemp("calibrate")
    recipe = replace(get_recipe("lstm", "sbu"), **CHANGES)
    dataset = replace(make_dataset(), name="folder")
    run = Experiment("lstm", dataset, "cs", recipe, 0, folder / "run", log=lambda line: None)
    run.fit()
    return run, load_recognizer(folder / "run"), folder


@pytest.mark.slow
def test_the_recognizer_says_what_the_calibration_was_fitted_on(work):
    """Thresholds are quantiles over the validation clips, which the recognizer reads one by one
    and without the padding of the whole dataset."""
    run, recognizer, _ = work
    (fold,) = run.folds
    calibration = recognizer.calibration
    found = recognizer.predict([run.dataset.clip(i) for i in fold.validation])
    assert calibration.clips == len(fold.validation)
    probabilities = [p.probability for p in found]
    distances = [p.distance for p in found]
    assert calibration.min_probability == pytest.approx(np.quantile(probabilities, 0.05), rel=1e-3)
    assert calibration.max_distance == pytest.approx(np.quantile(distances, 0.95), rel=1e-3)
    logits = np.stack([p.logits for p in found])
    wanted = fit_temperature(logits, run.dataset.labels[fold.validation])
    assert calibration.temperature == pytest.approx(wanted, rel=1e-3)


@pytest.mark.slow
def test_a_prediction_is_unsure_by_its_two_numbers(work):
    run, recognizer, _ = work
    for i in range(4):
        found = recognizer.predict(run.dataset.clip(i))
        assert found.unsure == recognizer.calibration.unsure(found.probability, found.distance)
        assert ("unsure" in str(found)) == found.unsure
        scaled = found.logits / recognizer.calibration.temperature
        wanted = np.exp(scaled - scaled.max())
        np.testing.assert_allclose(found.probabilities, wanted / wanted.sum(), rtol=1e-5)


@pytest.mark.slow
def test_clips_unlike_all_others_are_unsure(work):
    _, recognizer, _ = work
    noise = np.random.default_rng(0).normal(0, 5, (20, 1, 20, 3)).astype("float32")
    found = recognizer.predict(noise)
    assert found.unsure
    assert found.distance > recognizer.calibration.max_distance


def test_distances_of_a_list_are_those_of_each_clip(work):
    run, recognizer, _ = work
    clips = [run.dataset.clip(i) for i in range(3)]
    together = [p.distance for p in recognizer.predict(clips)]
    alone = [recognizer.predict(clip).distance for clip in clips]
    np.testing.assert_allclose(together, alone, rtol=1e-3)


def test_without_a_calibration_nothing_is_said(work):
    run, recognizer, _ = work
    plain = replace(recognizer, calibration=None).predict(run.dataset.clip(0))
    assert (plain.unsure, plain.distance) == (None, None)
    assert "unsure" not in str(plain)
    assert plain.label == recognizer.predict(run.dataset.clip(0)).label


def test_it_is_saved_and_loaded_with_the_network(work):
    run, recognizer, folder = work
    again = Recognizer.load(recognizer.save(folder / "saved"))
    one, other = (r.predict(run.dataset.clip(5)) for r in (recognizer, again))
    assert other.distance == pytest.approx(one.distance, rel=1e-4)
    assert other.probability == pytest.approx(one.probability, rel=1e-5)


@pytest.mark.parametrize("changed", ["layer", "features", "classes"])
def test_the_calibration_of_another_network_is_refused(changed, work, tmp_path):
    _, recognizer, folder = work
    own = recognizer.calibration
    D, C = len(own.whitening), len(own.centres)
    other = {
        "layer": {"layer": "some_layer"},
        "features": {"whitening": np.eye(D + 1), "centres": np.zeros((C, D + 1))},
        "classes": {"centres": np.zeros((C + 1, D))},
    }[changed]
    foreign = replace(own, **other)
    with pytest.raises(RecognizerError, match="calibration"):
        replace(recognizer, calibration=foreign)
    shutil.copytree(folder / "run", tmp_path / "run")
    foreign.save(tmp_path / "run/fold_01" / FILE)
    with pytest.raises(RecognizerError, match="calibration"):
        load_recognizer(tmp_path / "run")


def test_predict_writes_what_is_unsure(work, tmp_path, capsys):
    run, recognizer, folder = work
    np.save(tmp_path / "known.npy", run.dataset.clip(0))
    np.save(tmp_path / "noise.npy", np.random.default_rng(0).normal(0, 5, (20, 20, 3)))
    sources = [str(tmp_path / f"{name}.npy") for name in ("known", "noise")]
    words = ["--weights", str(folder / "run"), "--skeleton", "kinect_v1"]
    assert main(["predict", *sources, *words, "--out", str(tmp_path / "out")]) == 0
    content = json.loads((tmp_path / "out/predictions.json").read_text())
    found = content["predictions"]
    assert found[1]["unsure"] is True
    wanted = recognizer.predict(run.dataset.clip(0))
    assert found[0]["unsure"] == wanted.unsure
    assert found[0]["distance"] == pytest.approx(wanted.distance, rel=1e-3)
    rows = (tmp_path / "out/predictions.csv").read_text().splitlines()
    column = rows[0].split(",").index("unsure")
    assert rows[2].split(",")[column] == "true"
    said = capsys.readouterr().out
    assert f"unsure: {sum(row['unsure'] for row in found)}" in said
    assert "no calibration" not in said


def test_predict_says_that_there_is_no_calibration(work, tmp_path, capsys):
    run, _, folder = work
    shutil.copytree(folder / "run", tmp_path / "run")
    (tmp_path / "run/fold_01" / FILE).unlink()
    np.save(tmp_path / "clip.npy", run.dataset.clip(0))
    words = ["--weights", str(tmp_path / "run"), "--skeleton", "kinect_v1"]
    words += ["--out", str(tmp_path / "out")]
    assert main(["predict", str(tmp_path / "clip.npy"), *words]) == 0
    said = capsys.readouterr().out
    assert "no calibration" in said
    assert "unsure:" not in said
    (row,) = json.loads((tmp_path / "out/predictions.json").read_text())["predictions"]
    assert (row["unsure"], row["distance"]) == (None, None)


@pytest.mark.slow
@pytest.mark.skipif(not read_zoo(), reason="no trained weights here")
@pytest.mark.parametrize("state", ["whole", "damaged", "lost"])
def test_an_entry_is_calibrated_again(state, tmp_path):
    """On a part of its dataset; its earlier calibration may be damaged or lost."""
    from keras_skeleton.datasets.registry import load_dataset

    entry = next(e for e in read_zoo() if e.name == "lstm_synthetic_cs_tuned")
    weights, *_ = checked_files(replace(entry, files={entry.file: entry.files[entry.file]}))
    shutil.copyfile(weights, tmp_path / weights.name)
    old = tmp_path / f"{entry.name}.{FILE}"
    if state != "lost":
        shutil.copyfile(ZOO / old.name, old)
    if state == "damaged":
        old.write_bytes(b"PK")
    options = {**entry.options, "subjects": 4, "repetitions": 1}
    dataset = load_dataset("synthetic", cache_dir=tmp_path / "cache", **options)
    new = calibrate_entry(entry, dataset, tmp_path, tmp_path / "scratch")
    assert set(new.files) == {weights.name, old.name}
    checked_files(new, tmp_path)
    calibration = Calibration.load(old)
    (fold,) = dataset.folds("cs")
    assert calibration.clips == len(fold.validation)
    assert calibration.layer == "main_scores"
    assert replace(new, files=entry.files, bodies=entry.bodies) == entry
