"""`run.py attention --score` on a few synthetic clips and networks with random weights."""

import json
from dataclasses import replace

import keras
import pandas as pd
import pytest

from keras_skeleton.commands.attention_score import run, run_names
from keras_skeleton.datasets.registry import load_dataset
from keras_skeleton.recipes.registry import get_recipe
from keras_skeleton.training.experiment import Experiment
from keras_skeleton.utils.errors import UserError
from keras_skeleton.zoo.entries import Entry, ZooError, read_zoo, sha256
from keras_skeleton.zoo.page import write_zoo
from keras_skeleton.zoo.recognizers import load_recognizer
from keras_skeleton.zoo.swaps import recorded_swap

OPTIONS = {"subjects": 4, "repetitions": 1}
FEW = ["--clips", "4", "--draws", "1"]


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    """Two runs of CSTA-CNN that differ in their seed, as a training leaves them; and a zoo."""
    root = tmp_path_factory.mktemp("score")
    dataset = load_dataset("synthetic", None, root / "cache", log=lambda line: None, **OPTIONS)
    recipe = get_recipe("csta_cnn", "synthetic")
    for seed in (1, 2):
        experiment = Experiment(
            "csta_cnn",
            dataset,
            "cs",
            recipe=recipe,
            seed=seed,
            folder=root / f"seed{seed}",
            command="a command",
        )
        experiment.open([1], resume=False)
        experiment.fold_folder(1).mkdir()
        keras.utils.set_random_seed(seed)
        experiment.build().save_weights(experiment.fold_folder(1) / "best.weights.h5")
    zoo = root / "zoo"
    zoo.mkdir()
    file = zoo / "net.weights.h5"
    file.write_bytes((root / "seed1/fold_01/best.weights.h5").read_bytes())
    entries = [
        entry("csta_synthetic", experiment, file),
        entry("stcm_synthetic", experiment, file, model="stcm9"),
        entry("csta_ut_kinect", experiment, file, where="ut_kinect"),
        entry("tap", experiment, file, task="detection"),
    ]
    write_zoo(entries, zoo)
    return root


def entry(name, run, file, model="csta_cnn", where="synthetic", task="recognition"):
    """An entry whose weights are in `file`."""
    of_csta = model == "csta_cnn"
    dataset, recipe = run.dataset, run.recipe
    return Entry(
        name=name,
        task=task,
        model=model,
        dataset=where,
        files={file.name: sha256(file)},
        arguments={**recipe.model, "bodies": 2} if of_csta else {},
        frames=None,
        preprocessing=recipe.preprocessing if of_csta else {},
        views=1,
        batch_size=16,
        skeleton=dataset.skeleton.name,
        classes=list(dataset.classes),
        options=OPTIONS if where == "synthetic" else {},
        protocol="cs",
        fold=1,
        folds=1,
        recipe="paper",
        seed=1,
        command="",
        figures={"accuracy": 0.0, "accuracy_last": None, "best_test_accuracy": None},
        test_clips=28,
        versions={},
        date="2026-01-01",
    )


@pytest.mark.slow
def test_the_zoo(work, tmp_path, capsys):
    common = ["--zoo", str(work / "zoo"), "--cache-dir", str(work / "cache")]
    words = [*common, *FEW, "--out", str(tmp_path / "out"), "--seed", "3"]
    run(words)
    out = capsys.readouterr().out
    assert "csta_synthetic: 4 test clips" in out
    for name in ("csta_ut_kinect", "stcm_synthetic", "tap"):
        assert f" {name}: " in out
    found = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert found == [
        "attention_curves.csv", "attention_score.csv", "attention_score.json",
        "attention_score.md", "attention_swap.csv", "csta_synthetic.png", "gains.png",
    ]  # fmt: skip
    table = pd.read_csv(tmp_path / "out/attention_score.csv")
    assert table["kind"].tolist() == ["frames", "joints"]
    shares = table[["on_action", "on_action_uniform", "on_action_saliency"]].to_numpy()
    assert ((shares > 0) & (shares < 1)).all()
    assert table["agreement"].isna().all()  # one seed
    assert (table["untrained_pairs"] == 3).all()
    assert table["with_untrained"].between(-1, 1).all()
    curves = pd.read_csv(tmp_path / "out/attention_curves.csv")
    assert list(curves)[:4] == ["network", "kind", "order", "way"]
    assert len(curves) == 11 * 2 * (5 + 3)
    markdown = (tmp_path / "out/attention_score.md").read_text()
    assert "| csta_synthetic | joints | 4 |" in markdown
    record = json.loads((tmp_path / "out/attention_score.json").read_text())
    assert (record["seed"], record["draws"], record["most_clips"]) == (3, 1, 4)
    assert record["networks"]["csta_synthetic"]["weights"] == sha256(work / "zoo/net.weights.h5")
    assert set(record["not_scored"]) == {"csta_ut_kinect", "stcm_synthetic", "tap"}
    for wrong, message in [
        (words, str(tmp_path / "out")),
        ([*common, "--model", "csta"], "'csta'.*'csta_cnn'"),
        ([*common, "--model", "stcm9", "--dataset", "ut_kinect"], str(work / "zoo")),
        ([*common, "--model", "stcm9", "--out", str(tmp_path / "b")], "no network"),
        (["--zoo", str(tmp_path)], f"{tmp_path}: .*zoo.json"),
    ]:
        with pytest.raises(UserError, match=message):
            run(wrong)
    assert not (tmp_path / "b").exists()


@pytest.mark.slow
def test_runs_of_several_seeds_agree_or_not(work, tmp_path, capsys):
    own = [*FEW, "--cache-dir", str(work / "cache")]
    own += [word for key, value in OPTIONS.items() for word in ("--option", f"{key}={value}")]
    run(["--runs", str(work / "seed1"), str(work / "seed2"), *own, "--out", str(tmp_path / "a")])
    assert "agreement" in capsys.readouterr().out
    table = pd.read_csv(tmp_path / "a/attention_score.csv")
    assert table["network"].tolist() == ["seed1", "seed1", "seed2", "seed2"]
    assert (table["agreement_pairs"] == 1).all()
    assert table["agreement"].between(-1, 1).all()
    assert table.groupby("kind")["agreement"].nunique().tolist() == [1, 1]
    assert (table["with_untrained_pairs"] == 6).all()
    for seed in ("seed1", "seed2"):  # for the reports of the runs
        (work / seed / "fold_01" / "swap_clips.csv").unlink()

    weights = str(work / "seed2/fold_01/best.weights.h5")  # the same network, named in another way
    words = ["--model", "csta_cnn", "--dataset", "synthetic", "--protocol", "cs", *own]
    run(["--weights", weights, *words, "--out", str(tmp_path / "b")])
    alone = pd.read_csv(tmp_path / "b/attention_score.csv")
    same = [column for column in table if column.startswith(("attention_", "saliency_", "on_"))]
    pd.testing.assert_frame_equal(alone[same], table[same].iloc[2:].reset_index(drop=True))


@pytest.mark.slow
def test_the_swap_test_alone_is_kept_in_the_zoo_and_shown(work, tmp_path, capsys):
    zoo = work / "zoo"
    words = ["--zoo", str(zoo), "--cache-dir", str(work / "cache"), *FEW, "--only-swap"]
    words += ["--model", "csta_cnn", "--dataset", "synthetic", "--protocol", "cs"]
    run([*words, "--out", str(tmp_path / "a")])
    assert not (zoo / "swaps.json").exists()
    run([*words, "--record", "--out", str(tmp_path / "b")])
    found = sorted(path.name for path in (tmp_path / "b").iterdir())
    assert found == ["attention_score.json", "attention_score.md", "attention_swap.csv"]
    table = pd.read_csv(tmp_path / "b/attention_swap.csv")
    assert table["kind"].unique().tolist() == ["joints", "frames", "joints and frames"]
    assert (table["clips"] == 4).all()
    assert (table["own"] - table["swapped"] - table["cost"]).abs().max() < 1e-4
    out = capsys.readouterr().out
    assert "This network's attention to joints" in out
    rows = load_recognizer("csta_synthetic", folder=zoo).about["swap"]
    assert [row["verdict"] for row in rows] == table["verdict"].tolist()
    with pytest.raises(UserError, match="already holds a score"):
        run([*words, "--out", str(tmp_path / "b")])
    entries = {entry.name: entry for entry in read_zoo(zoo)}
    others = replace(entries["csta_synthetic"], files={"net.weights.h5": "0" * 64})
    assert recorded_swap(others, zoo) == []  # other weights of that name
    (zoo / "swaps.json").write_text('{"csta_synthetic": [1]}')
    with pytest.raises(ZooError, match="swaps.json"):
        recorded_swap(entries["csta_synthetic"], zoo)
    (zoo / "swaps.json").unlink()


def test_what_does_not_go_together_is_refused(work, tmp_path):
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "run.json").write_text("{}")
    for words, message in [
        (["--weights", "x", "--runs", "y"], "--weights.* --runs"),
        (["--weights", "x", "--model", "mans9"], "'x'"),
        (["--weights", str(tmp_path), "--model", "mans9"], "--dataset, --protocol"),
        (["--attention", "none"], "--attention"),
        (["--option", "a=b"], "--option"),
        (["--runs", "x", "--model", "mans9"], "--model"),
        (["--fold", "1", "--fold", "2"], "--fold"),
        (["--runs", str(work / "seed1"), "--fold", "2"], "fold_02"),
        (["--runs", str(tmp_path / "bad")], "run.json.* classes"),
        (["--runs", "a", "a"], "--runs"),
    ]:
        with pytest.raises(UserError, match=message):
            run(words)


def test_runs_are_told_apart_by_their_paths(tmp_path):
    assert run_names([tmp_path / "a", tmp_path / "b"]) == ["a", "b"]
    assert run_names([tmp_path / "a/run", tmp_path / "b/run"]) == ["a_run", "b_run"]
