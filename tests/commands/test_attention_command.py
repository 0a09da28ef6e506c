"""`run.py attention`: which network and clip it takes, what it writes, what it refuses."""

import json
import random
import re

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from keras_skeleton import load_dataset
from keras_skeleton.attention import attended
from keras_skeleton.cli import main
from keras_skeleton.dataset_recognizer import recognizer_of
from keras_skeleton.evaluation.scores import softmax
from keras_skeleton.models.attention_maps import attention_maps
from keras_skeleton.models.registry import MODELS
from keras_skeleton.recipes.registry import get_recipe
from keras_skeleton.recipes.settings import with_settings
from keras_skeleton.training.experiment import Experiment
from keras_skeleton.video.reading import read_video


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    """A folder of clips of four people: the right hand goes up or out. Nobody is there at first."""
    folder = tmp_path_factory.mktemp("clips")
    rng = np.random.default_rng(0)
    rest = rng.normal(0, 0.3, (20, 3)) + [0, 0, 2.5]
    rows = []
    for subject in "abcd":
        for label, axis in (("wave", 1), ("throw", 0)):
            clip = np.tile(rest, (9, 1, 1, 1)) + rng.normal(0, 0.01, (9, 1, 20, 3))
            clip[:, 0, 11, axis] += np.linspace(0, 1, 9)
            clip[:2] = 0
            np.save(folder / f"{subject}_{label}.npy", clip.astype(np.float32))
            rows.append((f"{subject}_{label}.npy", label, subject))
    table = pd.DataFrame(rows, columns=["file", "label", "subject"])
    table.to_csv(folder / "labels.csv", index=False)
    (folder / "skeleton.toml").write_text('skeleton = "kinect_v1"\n')
    return folder


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


def experiment(clips, cache, model, protocol="cs", folder=None, settings=()):
    dataset = load_dataset("folder", clips, cache, log=lambda line: None)
    recipe = with_settings(get_recipe(model, "folder"), model, settings)
    folder = folder or clips / "none"
    return Experiment(model, dataset, protocol, recipe=recipe, folder=folder, command="")


@pytest.fixture(scope="module")
def weights(clips, cache, tmp_path_factory):
    """`weights(model)`: a file of an untrained network's."""
    folder = tmp_path_factory.mktemp("weights")

    def save(model):
        path = folder / f"{model}.weights.h5"
        if not path.exists():
            random.seed(1)  # of those whose frame gates are not all closed
            experiment(clips, cache, model).build().save_weights(path)
        return path

    return save


@pytest.fixture
def attention(clips, cache, weights):
    """`attention(model, out, *more)`: the command on that folder; its exit status."""

    def run(model, out, *more):
        words = f"attention --model {model} --dataset folder --protocol cs".split()
        where = ["--data-dir", str(clips), "--cache-dir", str(cache), "--out", str(out)]
        return main([*words, *where, "--weights", str(weights(model)), *more])

    return run


def view_of(path):
    return json.loads(re.search(r'id="view">(.*?)</script>', path.read_text("utf-8"), re.DOTALL)[1])


@pytest.mark.slow
def test_the_page_shows_what_the_network_does(attention, clips, cache, weights, tmp_path, capsys):
    page = tmp_path / "page.html"
    run = experiment(clips, cache, "sta_lstm")
    i = int(run.folds[0].test[-1])
    name = run.dataset.samples["name"].iloc[i]
    assert attention("sta_lstm", page, "--clip", name) == 0
    said = capsys.readouterr().out
    assert f"{name}: '{run.dataset.classes[run.dataset.labels[i]]}', " in said
    assert said.splitlines()[-1] == str(page)

    network = run.build()
    network.load_weights(weights("sta_lstm"))
    batch = run.inputs(network).batch(np.array([i]))
    maps = attention_maps(network, batch)
    view = view_of(page)
    there = slice(2, 9)  # frames with somebody
    expected_shares = 20 * maps["joints"][0, there]
    np.testing.assert_allclose(view["shares"][2:], expected_shares, atol=2e-3)
    frames = maps["frames"][0, :9]
    np.testing.assert_allclose(view["frames"], frames / frames.mean(), atol=1e-4)
    probabilities = softmax(network.predict_on_batch(batch))[0]
    shown = {c["name"]: c["probability"] for c in view["classes"]}
    expected = dict(zip(run.dataset.classes, probabilities, strict=True))
    assert shown == pytest.approx(expected, abs=1e-4)
    # Had the clip ended at frame 5, the network would have read six frames.
    part = run.dataset.clip(i)[:6]
    choices = run.recipe.preprocessing
    read = MODELS["sta_lstm"].preprocess(run.dataset.skeleton, run.frames, **choices)
    sooner = softmax(network.predict_on_batch(read(part)[None]))[0]
    order = [run.dataset.classes.index(c["name"]) for c in view["classes"]]
    np.testing.assert_allclose(view["running"][5], sooner[order], atol=2e-4)
    assert view["running"][1] == [None, None]
    assert "test, 9 frames" in page.read_text("utf-8")


@pytest.mark.slow
def test_long_clips_are_read_at_some_lengths(clips, cache, monkeypatch):
    run = experiment(clips, cache, "mans9")
    network = run.build()
    recognizer, clip = recognizer_of(run, network), run.dataset.clip(0)
    every = attended.running_probabilities(recognizer, clip)
    assert np.isnan(every[:2]).all()
    np.testing.assert_allclose(every[2:].sum(axis=1), 1)
    monkeypatch.setattr(attended, "LENGTHS", 3)
    some = attended.running_probabilities(recognizer, clip)
    np.testing.assert_allclose(some[[2, 5, 8]], every[[2, 5, 8]], atol=1e-6)
    np.testing.assert_allclose(some[4], (some[2] + 2 * some[5]) / 3, atol=1e-6)


@pytest.mark.slow
def test_every_kind_of_attention_has_a_page(attention, tmp_path):
    for model in ("mans9", "csta_cnn", "lstm"):
        page = tmp_path / f"{model}.html"
        assert attention(model, page) == 0
        view, text = view_of(page), page.read_text("utf-8")
        assert (view["shares"] is None) == (model != "csta_cnn")
        assert (view["frames"] is None) == (model == "lstm")
        assert ("weights are signed" in text) == (model == "csta_cnn")
        assert ("each coordinate has its own" in text) == (model == "mans9")


@pytest.mark.slow
def test_pictures_and_movies(attention, tmp_path):
    assert attention("sta_lstm", tmp_path / "a.png") == 0
    with Image.open(tmp_path / "a.png") as picture:
        assert len(set(np.asarray(picture.convert("RGB")).reshape(-1, 3).sum(axis=1))) > 50
    assert attention("mans9", tmp_path / "a.mp4") == 0
    assert read_video(tmp_path / "a.mp4").shape == (9, 624, 960, 3)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.mp4", "a.png"]


def test_what_cannot_be_drawn_is_said_at_once(attention, tmp_path, capsys):
    page = tmp_path / "a.html"
    for words, names in (
        ((tmp_path / "a.webm",), ("a.webm: ", ".html, .mp4, .gif, .png")),
        ((page, "--clip", "a_wavee"), ("'a_wavee'", "'folder'", "'a_wave.npy'")),
        ((page, "--protocol", "csx"), ("'csx'", "loso")),
        ((page, "--protocol", "loso"), ("--fold", "4 folds")),
        ((page, "--weights", "pretrained"), ("'sta_lstm' on folder, cs",)),
    ):
        assert attention("sta_lstm", *words) == 2
        error = capsys.readouterr().err
        assert [name for name in names if name not in error] == [], (words, error)
    words = "attention --model pose_i3d --dataset synthetic --protocol cs".split()
    assert main(words) == 2
    assert "'pose_i3d'" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_a_runs_folder_tells_the_fold(attention, weights, clips, cache, tmp_path):
    fold = tmp_path / "run" / "fold_02"
    fold.mkdir(parents=True)
    (fold / "best.weights.h5").write_bytes(weights("lstm").read_bytes())
    page = tmp_path / "page.html"
    more = ["--protocol", "loso", "--weights", str(tmp_path / "run")]
    assert attention("lstm", page, *more) == 0
    assert "folder, loso, fold 2" in page.read_text("utf-8")
    assert "run/fold_02" in page.read_text("utf-8")
    run = experiment(clips, cache, "lstm", "loso")
    first = run.dataset.samples["name"].iloc[run.folds[1].test[0]]
    assert f": {first}" in re.search("<title>(.*?)</title>", page.read_text("utf-8"))[1]


def test_a_run_says_itself_what_it_is(clips, cache, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    run = experiment(clips, cache, "mans9", "loso", tmp_path / "run", ["model.attention=none"])
    run.open([2, 3], resume=False)
    for number in (2, 3):
        run.fold_folder(number).mkdir()
        run.build().save_weights(run.fold_folder(number) / "best.weights.h5")
    data = ["--data-dir", str(clips), "--cache-dir", str(cache)]
    more = ["attention", "--weights", "run", *data, "--out", "page.html"]
    assert main([*more, "--fold", "3"]) == 0
    page = (tmp_path / "page.html").read_text("utf-8")
    assert "folder, loso, fold 3" in page
    assert "run/fold_03" in page
    assert view_of(tmp_path / "page.html")["frames"] is None  # no attention, as it was trained
    about = json.loads((tmp_path / "run" / "run.json").read_text())
    lacking = {key: value for key, value in about.items() if key != "recipe"}
    capsys.readouterr()
    for words, record, names in (
        ([], about, ("run", "2 folds", "--fold")),
        (["--recipe", "tuned"], about, ("run", "paper", "tuned")),
        (["--set", "model.ratio=4"], about, ("run", "--set")),
        (["--model", "lstm"], about, ("run", about["model"], "lstm")),
        (["--weights", "run/none.h5"], about, ("run/none.h5: ",)),
        (["--weights", "none"], about, ("'none'",)),
        (["--weights", str(tmp_path)], about, (f"{tmp_path}", "run.json", "--model")),
        ([], {**about, "task": "detection"}, ("run", "detect")),
        ([], {**about, "model": "pose_i3d"}, ("'pose_i3d'",)),
        ([], lacking, ("run.json: ", "recipe")),
    ):
        (tmp_path / "run" / "run.json").write_text(json.dumps(record))
        assert main([*more, *words]) == 2
        error = capsys.readouterr().err
        assert [name for name in names if name not in error] == [], (words, error)


def test_without_names_it_is_the_zoos_sta_lstm(tmp_path, monkeypatch, capsys):
    """On the synthetic set; of another dataset the protocol that the zoo has."""
    monkeypatch.chdir(tmp_path)
    assert main(["attention", "--clip", "S001C001P002R001A001", "--out", "page.html"]) == 0
    page = (tmp_path / "page.html").read_text("utf-8")
    assert "sta_lstm_synthetic_cs_tuned" in page
    assert "S001C001P002R001A001" in page
    capsys.readouterr()
    assert main(["attention", "--dataset", "ntu"]) == 2
    assert "ntu" in capsys.readouterr().err
    assert main(["attention", "--dataset", "sbuu"]) == 2
    assert "'sbuu'" in capsys.readouterr().err
    assert main(["attention", "--clip", "S001"]) == 2
    assert "'S001' of 'synthetic'" in capsys.readouterr().err


def test_the_zoos_network_on_real_recordings(real_data, tmp_path, capsys):
    words = "attention --dataset ut_kinect".split()  # the rest is what the zoo has
    where = ["--data-dir", str(real_data("ut_kinect")), "--cache-dir", str(tmp_path / "cache")]
    page = tmp_path / "page.html"
    assert main([*words, *where, "--clip", "s06_e01_waveHands", "--out", str(page)]) == 0
    assert "s06_e01_waveHands: 'waveHands', " in capsys.readouterr().out
    shares = np.array(view_of(page)["shares"])
    np.testing.assert_allclose(shares.mean(axis=1), 1, atol=1e-3)
    names = view_of(page)["names"]
    most = {names[k] for k in np.argsort(shares.mean(axis=0))[-2:]}
    assert most <= {"left hand", "right hand", "left wrist", "right wrist"}
