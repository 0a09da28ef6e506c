"""Merging of runs, refusals, and the files of a report."""

from __future__ import annotations

import json
import re
import warnings
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from keras_skeleton.evaluation.report import merge_runs, write_report
from keras_skeleton.evaluation.scores import ResultsError, read_scores, score, write_scores
from keras_skeleton.viz.accuracy_plots import confusion_figure

CLASSES = ["walk", "sit & <stand>", "throw"]
RUN = {
    "model": "mans9",
    "dataset": "ut_kinect",
    "protocol": "loocv",
    "recipe": {"epochs": 4, "learning_rate": 0.001, "source": "Sec. <3.1>"},
    "seed": 0,
    "command": "python run.py train --note '<script>alert(1)</script>'",
    "versions": {"keras": "3.0", "numpy": "2.0"},
    "skeleton": "kinect_v1",
    "classes": CLASSES,
    "parameters": 1234,
    "clips": 11,
    "options": {},
    "content": {"clips": 11},
    "fingerprint": "a",
    "folds_total": 3,
}
# One wrong clip of three, none, two: accuracies 2/3, 1, 1/3.
GUESSES = {1: [0, 1, 0], 2: [0, 1, 2], 3: [1, 1, 1]}


def make_run(folder: Path, folds=(1, 2, 3), **changes) -> Path:
    """A run folder as training leaves it."""
    folder.mkdir(parents=True)
    (folder / "run.json").write_text(json.dumps(RUN | changes), "utf-8")
    for fold in folds:
        make_fold(folder / f"fold_{fold:02d}", fold)
    return folder


def make_fold(folder: Path, fold: int, **changes) -> None:
    folder.mkdir()
    labels = np.arange(3)
    logits = np.eye(3)[GUESSES[fold]] * 2
    write_scores(
        folder / "scores.npz", [f"s{fold}_{c}" for c in "abc"], labels, logits, CLASSES, fold
    )
    history = pd.DataFrame(
        {
            "epoch": [1, 2, 3, 4],
            "loss": 1.0,
            "accuracy": [0.3, 0.6, 0.9, 1.0],
            "val_loss": 1.0,
            "val_accuracy": [0.3, 0.5, 0.7, 0.6],
            "test_loss": 1.0,
            "test_accuracy": [0.3, 0.4, 0.6, 0.7],
            "learning_rate": 0.001,
            "seconds": 2.0,
        }
    )
    history.to_csv(folder / "history.csv", index=False)
    result = score(labels, logits)
    metrics = {
        "fold": fold,
        "accuracy": result.accuracy,
        "accuracy_last": 0.5,
        "best_test_accuracy": 1.0,
        "validation_accuracy": 0.7,
        "epoch_selected": 3,
        "best_test_epoch": 4,
        "epochs": 4,
        "top5": result.top5,
        "mean_class_accuracy": result.mean_class_accuracy,
        "seconds": 1200.0,
        "clips": {"train": 5 + fold, "validation": 2, "test": 3},
        "test_loss": float("nan"),
    }
    (folder / "metrics.json").write_text(json.dumps(metrics | changes), "utf-8")


def edit(path: Path, **changes) -> None:
    path.write_text(json.dumps(json.loads(path.read_text("utf-8")) | changes), "utf-8")


def test_merge_by_hand(tmp_path):
    merged = merge_runs(make_run(tmp_path / "run"))
    assert merged["accuracy"] == pytest.approx(2 / 3)
    assert merged["accuracy_std"] == pytest.approx(np.std([2 / 3, 1, 1 / 3]))
    assert merged["accuracy_last"] == 0.5
    assert merged["best_test_accuracy"] == 1.0
    assert merged["best_test_accuracy_std"] == 0.0
    assert merged["accuracy_pooled"] == pytest.approx(6 / 9)
    # Class 0 is right in folds 1 and 2, class 1 in all three, class 2 in fold 2.
    assert merged["mean_class_accuracy"] == pytest.approx((2 / 3 + 1 + 1 / 3) / 3)
    assert merged["top5"] == 1.0
    assert merged["test_clips"] == 9
    assert merged["fold_clips"]["train"] == {"least": 6, "most": 8}
    assert merged["hours"] == pytest.approx(1.0)
    assert [fold["fold"] for fold in merged["folds"]] == [1, 2, 3]
    assert merged["complete"] is True
    assert merged["folds_missing"] == []
    assert merged["command"] == RUN["command"]
    assert merged["seed"] == 0
    assert merged["notes"] == []


def test_parts_of_a_job_array_give_the_same_as_one_run(tmp_path):
    whole = merge_runs(make_run(tmp_path / "whole"))
    parts = [
        make_run(tmp_path / "b", folds=(3,), command="second"),
        make_run(tmp_path / "a", folds=(1, 2), command="first"),
    ]
    merged = merge_runs(parts)
    assert merged.pop("command") == "second\nfirst"
    whole.pop("command")
    assert json.dumps(merged) == json.dumps(whole)


def test_incomplete(tmp_path):
    run = make_run(tmp_path / "run", folds=(1, 3))
    (run / "fold_02").mkdir()
    merged = merge_runs([run])
    assert merged["complete"] is False
    assert merged["folds_missing"] == [2]
    assert (merged["folds_done"], merged["folds_total"]) == (2, 3)
    (note,) = merged["notes"]
    assert "not finished: fold 2." in note


def test_a_fold_begun_in_one_part_and_finished_in_another_counts(tmp_path):
    parts = [make_run(tmp_path / "a", folds=(1,)), make_run(tmp_path / "b", folds=(2, 3))]
    (parts[0] / "fold_02").mkdir()
    merged = merge_runs(parts)
    assert merged["complete"] is True
    assert merged["notes"] == []


def test_what_was_not_measured_is_none(tmp_path):
    run = make_run(tmp_path / "run")
    edit(run / "fold_02" / "metrics.json", best_test_accuracy=None)
    merged = merge_runs(run)
    assert merged["best_test_accuracy"] is None
    assert merged["best_test_accuracy_std"] is None


def test_the_same_folder_twice_counts_once(tmp_path, monkeypatch):
    run = make_run(tmp_path / "run")
    monkeypatch.chdir(tmp_path)
    assert merge_runs([run, "run"])["folds_done"] == 3


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model": "sta_lstm"}, "model: mans9 and sta_lstm"),
        ({"dataset": "ntu"}, "dataset: ut_kinect and ntu"),
        ({"protocol": "cs"}, "protocol: loocv and cs"),
        ({"seed": 7}, "seed: 0 and 7"),
        ({"recipe": RUN["recipe"] | {"epochs": 9}}, r"recipe\.epochs: 4 and 9"),
        ({"classes": ["walk", "sit", "throw"]}, r"classes\[1\]: sit & <stand> and sit"),
        ({"a_new_switch": True}, "a_new_switch: nothing and true"),
    ],
)
def test_different_experiments_are_refused(tmp_path, changes, message):
    first = make_run(tmp_path / "a", folds=(1,))
    second = make_run(tmp_path / "b", folds=(), **changes)
    with pytest.raises(ResultsError, match=f"(?s)a and .*b are different experiments:.*{message}"):
        merge_runs([first, second])


def test_other_software_is_noted(tmp_path):
    first = make_run(tmp_path / "a", folds=(1,))
    second = make_run(tmp_path / "b", folds=(2, 3), versions={"keras": "3.1", "numpy": "2.0"})
    (note,) = merge_runs([first, second])["notes"]
    assert "versions.keras: 3.0 and 3.1" in note


def test_the_same_fold_twice_is_refused(tmp_path):
    first = make_run(tmp_path / "a", folds=(1, 2))
    second = make_run(tmp_path / "b", folds=(2, 3))
    with pytest.raises(ResultsError, match=r"fold 2 .*twice: .*a.fold_02 and .*b.fold_02"):
        merge_runs([first, second])


def test_a_checkpoint_that_does_not_match_is_noted(tmp_path):
    run = make_run(tmp_path / "run")
    edit(run / "fold_02" / "metrics.json", accuracy=2 / 3)
    (note,) = merge_runs(run)["notes"]
    assert re.search(r"Fold 2: .*66\.7 % in metrics\.json, .*100\.0 % .*scores\.npz", note)


def test_a_fold_without_validation_clips_is_noted(tmp_path):
    run = make_run(tmp_path / "run")
    edit(run / "fold_02" / "metrics.json", validation_accuracy=None)
    merged = merge_runs(run)
    (note,) = merged["notes"]
    assert note.startswith("No validation clips")
    assert note.endswith("fold 2.")
    assert merged["validation_accuracy"] is None


def broken(name: str, run: Path) -> None:
    """Breaks one file of a run."""
    fold = run / "fold_01"
    {
        "no run.json": lambda: (run / "run.json").unlink(),
        "garbled run.json": lambda: (run / "run.json").write_text("{"),
        "run.json is a list": lambda: (run / "run.json").write_text("[]"),
        "run.json without protocol": lambda: (run / "run.json").write_text('{"model": "m"}'),
        "folds_total": lambda: edit(run / "run.json", folds_total="many"),
        "garbled metrics": lambda: (fold / "metrics.json").write_text('{"fold": 1, "accu'),
        "binary metrics": lambda: (fold / "metrics.json").write_bytes(b"\xff\xfe\x00"),
        "no accuracy": lambda: (fold / "metrics.json").write_text('{"fold": 1}'),
        "percent": lambda: edit(fold / "metrics.json", accuracy=66.7),
        "NaN accuracy": lambda: edit(fold / "metrics.json", accuracy=float("nan")),
        "other fold": lambda: edit(fold / "metrics.json", fold=2),
        "text for seconds": lambda: edit(fold / "metrics.json", seconds="long"),
        "list of clips": lambda: edit(fold / "metrics.json", clips=[1, 2]),
        "no scores": lambda: (fold / "scores.npz").unlink(),
        "other classes": lambda: write_scores(
            fold / "scores.npz", "abc", [0, 1, 2], np.eye(3), "xyz", 1
        ),
        "no clips": lambda: write_scores(
            fold / "scores.npz", [], np.zeros(0, int), np.zeros((0, 3)), CLASSES, 1
        ),
    }[name]()


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("no run.json", r"run\.json: missing"),
        ("garbled run.json", r"run\.json: damaged"),
        ("run.json is a list", r"run\.json: .*a list"),
        ("run.json without protocol", r"run\.json: missing keys: dataset, protocol"),
        ("folds_total", r"folds_total is 'many'"),
        ("garbled metrics", r"fold_01.metrics\.json: damaged"),
        ("binary metrics", r"fold_01.metrics\.json: damaged"),
        ("no accuracy", "accuracy is None, expected a fraction"),
        ("percent", r"accuracy is 66\.7, expected a fraction"),
        ("NaN accuracy", "accuracy is nan, expected a fraction"),
        ("other fold", r"fold_01.metrics\.json: fold is 2"),
        ("text for seconds", "seconds is 'long', expected a number"),
        ("list of clips", r"clips is \[1, 2\]"),
        ("no scores", r"scores\.npz: missing"),
        ("other classes", r"scores\.npz: its classes differ"),
        ("no clips", r"scores\.npz: contains no clips"),
    ],
)
def test_broken_files_are_named(tmp_path, name, message):
    run = make_run(tmp_path / "run")
    broken(name, run)
    with pytest.raises(ResultsError, match=message):
        merge_runs(run)


@pytest.mark.parametrize("value", [5, "x", True, [[1]], {"a": None}, None, 1e999, 10**400])
@pytest.mark.parametrize(
    "key", ["dataset", "protocol", "recipe", "settings", "options", "versions", "classes"]
)
def test_entries_of_another_type_are_named_or_do_not_matter(tmp_path, key, value):
    run = make_run(tmp_path / "run", folds=(1,))
    edit(run / "run.json", **{key: value})
    said = []
    try:
        write_report(run, tmp_path / "out")
    except ResultsError as error:
        said.append(str(error))
    assert all("run.json" in text or "scores.npz" in text for text in said)
    assert all(len(text) < 500 for text in said)


@pytest.mark.parametrize("key", ["seconds", "epochs", "epoch_selected"])
def test_numbers_beyond_all_measure_are_named(tmp_path, key):
    run = make_run(tmp_path / "run")
    edit(run / "fold_02" / "metrics.json", **{key: 10**400})
    with pytest.raises(ResultsError, match=rf"metrics\.json: {key} is 1000+, expected a number"):
        merge_runs(run)


def test_a_fold_too_many(tmp_path):
    run = make_run(tmp_path / "run", folds_total=2)
    with pytest.raises(ResultsError, match="fold is 3, .*2 folds"):
        merge_runs(run)


def test_nothing_to_merge(tmp_path):
    with pytest.raises(ResultsError, match="no run folder"):
        merge_runs([])
    with pytest.raises(ResultsError, match="no such folder"):
        merge_runs(tmp_path / "nowhere")
    empty = make_run(tmp_path / "empty", folds=())
    with pytest.raises(ResultsError, match=r"no finished fold .there is no fold_01"):
        merge_runs(empty)
    (empty / "fold_01").mkdir()
    with pytest.raises(ResultsError, match=r"no finished fold .*no metrics\.json yet"):
        merge_runs(empty)


class Page(HTMLParser):
    """Checks that tags close in order and collects what a test asks about."""

    VOID = ("meta", "img")

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.images: list[str] = []
        self.tags: set[str] = set()
        self.words = ""
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        if tag == "img":
            self.images.append(dict(attrs)["src"])
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words += data + "\n"


@pytest.fixture
def report(tmp_path):
    """A finished report of a run with one picture of attention: (folder, console text)."""
    run = make_run(tmp_path / "run")
    (run / "attention").mkdir()
    (run / "attention" / "walk <1>.png").write_bytes(b"\x89PNG\r\n not looked into")
    out = tmp_path / "out"
    return out, write_report(run, out)


def test_report_files(report):
    out, _ = report
    assert sorted(path.name for path in out.iterdir()) == [
        "confusion.csv", "confusion.png", "curves.png", "metrics.json", "per_class.csv",
        "report.html", "scores.npz",
    ]  # fmt: skip
    metrics = json.loads((out / "metrics.json").read_text("utf-8"), parse_constant=pytest.fail)
    assert metrics["accuracy"] == pytest.approx(2 / 3)
    assert metrics["folds"][0]["test_loss"] is None  # NaN is not JSON
    matrix = pd.read_csv(out / "confusion.csv", index_col=0)
    assert list(matrix.columns) == CLASSES
    np.testing.assert_array_equal(matrix, [[2, 1, 0], [0, 3, 0], [1, 1, 1]])
    table = pd.read_csv(out / "per_class.csv")
    assert table["recall"].tolist() == pytest.approx([2 / 3, 1, 1 / 3])
    pooled = read_scores(out / "scores.npz")
    assert pooled.fold.tolist() == [1, 1, 1, 2, 2, 2, 3, 3, 3]
    assert pooled.names[3] == "s2_a"
    assert (out / "curves.png").read_bytes().startswith(b"\x89PNG")


def test_page(report):
    out, _ = report
    text = (out / "report.html").read_text("utf-8")
    page = Page(text)
    assert "script" not in page.tags  # what files say is shown, not run
    assert "alert(1)" in page.words
    assert "sit & <stand>" in page.words
    assert "Sec. <3.1>" in page.words
    assert "walk <1>" in page.words
    assert len(page.images) == 3
    assert all(source.startswith("data:image/png;base64,") for source in page.images)
    assert "http" not in text.replace("http-equiv", "")  # no network
    selected = page.words.index("Selected on validation clips")
    last = page.words.index("Last epoch")
    paper = page.words.index("Best epoch on test clips")
    assert selected < last < paper
    assert "66.7 ± 27.2 %" in page.words[selected:last]
    assert "100.0 ± 0.0 %" in page.words[paper:]


def test_pictures_of_attention_have_captions(tmp_path):
    run = make_run(tmp_path / "run")
    (run / "attention").mkdir()
    for name in ("s1_a", "s1_c", "s2_b", "of nobody"):
        (run / "attention" / f"{name}.png").write_bytes(b"\x89PNG\r\n not looked into")
    write_report(run, tmp_path / "out")
    words = Page((tmp_path / "out" / "report.html").read_text("utf-8")).words
    assert "walk, recognized. Test clip s1_a." in words
    assert "throw, taken for walk. Test clip s1_c." in words
    assert "sit & <stand>, recognized. Test clip s2_b." in words
    assert "Clip of nobody." in words


def test_a_report_says_where_attention_says_nothing(tmp_path):
    run = make_run(tmp_path / "run", folds=(1,), folds_total=1)
    shares = pd.DataFrame(
        {"class": CLASSES, "clips": 1, "joints": np.nan, "joints_uniform": np.nan,
         "frames": [0.9, 0.505, 0.2], "frames_uniform": [0.5, 0.5, 0.5]}
    )  # fmt: skip
    shares.to_csv(run / "fold_01" / "attention.csv", index=False)
    write_report(run, tmp_path / "out")
    words = Page((tmp_path / "out" / "report.html").read_text("utf-8")).words
    assert "In 2 of 3 classes, the share of attention to frames" in words
    assert ": sit & <stand>, throw." in words
    assert "attention to joints" not in words
    assert "on joints" not in words
    assert "on frames" in words


def test_console_text(report):
    _, text = report
    lines = text.splitlines()
    assert lines[0].startswith("mans9 on ut_kinect (loocv)")
    assert "1.0 hours" in lines[0]
    assert any(line.split()[:4] == ["1", "6", "2", "3"] for line in lines)
    assert any(
        line.startswith("selected on validation clips") and "66.7 ± 27.2 %" in line
        for line in lines
    )
    assert max(map(len, lines)) <= 100


def test_a_run_on_all_clips_says_so(tmp_path):
    run = make_run(tmp_path / "run", folds=(), train_on="all")
    for fold in (1, 2, 3):
        make_fold(
            run / f"fold_{fold:02d}", fold,
            validation_accuracy=None, epoch_selected=None, weights="last, averaged",
            epochs_averaged=1, clips={"train": 7 + fold, "validation": 0, "test": 3},
        )  # fmt: skip
    merged = merge_runs(run)
    assert (merged["train_on"], merged["weights"]) == ("all", "last, averaged")
    assert merged["notes"] == []  # nothing was meant to be selected
    assert merged["validation_accuracy"] is None
    lines = write_report(run, tmp_path / "out").splitlines()
    assert any(line.startswith("all training clips, last weights  66.7 ± 27.2 %") for line in lines)
    head = next(line.split() for line in lines if line.startswith("fold "))
    first = next(line.split() for line in lines if line.split()[:1] == ["1"])
    assert head == ["fold", "train", "test", "averaged", "last", "epochs", "best", "epoch", "min"]
    assert first[:3] == ["1", "8", "3"]
    assert not any("validation" in line for line in lines)
    page = Page((tmp_path / "out" / "report.html").read_text("utf-8"))
    assert "All training clips, last weights" in page.words
    assert "validation accuracy" not in page.words
    metrics = json.loads((tmp_path / "out" / "metrics.json").read_text())
    assert metrics["train_on"] == "all"
    with pytest.raises(ResultsError, match="train_on: part and all"):
        merge_runs([make_run(tmp_path / "part", folds=(1,)), run])


def test_one_fold_has_no_deviation(tmp_path):
    text = write_report(make_run(tmp_path / "run", folds=(1,), folds_total=1), tmp_path / "out")
    assert "±" not in text
    assert "±" not in (tmp_path / "out" / "report.html").read_text("utf-8")


def test_incomplete_report_says_so(tmp_path):
    out = tmp_path / "out"
    text = write_report(make_run(tmp_path / "run", folds=(1,)), out)
    said = "Incomplete: 1 of 3 folds are finished; missing: 2, 3."
    assert said in text
    assert said in (out / "report.html").read_text("utf-8")


def test_report_into_the_run_folder_can_be_repeated(tmp_path):
    run = make_run(tmp_path / "run")
    first = write_report(run, run)
    pictures = (run / "curves.png").read_bytes()
    assert write_report(run, run) == first
    assert (run / "curves.png").read_bytes() == pictures


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, r"history\.csv: missing"),
        ("", r"history\.csv: not readable"),
        ("epoch,accuracy\n1,1e308\n2,-1e308\n", r"history\.csv: has accuracies"),
        ("epoch,loss\n1,2\n", r"history\.csv: has no column accuracy"),
        ("epoch,accuracy\n1,soon\n", r"history\.csv: not readable"),
        ("epoch,accuracy\n", r"history\.csv: has no epochs"),
        ("epoch,accuracy\n1e999,0.5\n", r"history\.csv: has no epochs"),
        (f"epoch,accuracy\n{10**400},0.5\n", r"history\.csv: (not readable|has no epochs)"),
    ],
)
def test_broken_history(tmp_path, content, message):
    run = make_run(tmp_path / "run")
    path = run / "fold_02" / "history.csv"
    path.unlink()
    if content is not None:
        path.write_text(content)
    with pytest.raises(ResultsError, match=f"fold_02.{message}"):
        write_report(run, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model": "m" * 1_000_000}, "model is 'mmm.*too long"),
        ({"not_published": 5}, "not_published is 5, expected a list"),
        ({"classes": [str(i) for i in range(5001)]}, "5,001 classes"),
    ],
)
def test_records_that_no_run_leaves_are_refused(tmp_path, changes, message):
    with pytest.raises(ResultsError, match=message):
        write_report(make_run(tmp_path / "run", **changes), tmp_path / "out")


def test_tables_of_attention_that_no_run_leaves_are_refused(tmp_path):
    run = make_run(tmp_path / "run")
    (run / "fold_02" / "attention.csv").write_text("class,clips,joints\na,3,0.5\n")
    with pytest.raises(ResultsError, match=r"fold_02/attention\.csv: has no column joints_uniform"):
        write_report(run, tmp_path / "out")


def test_no_file_of_a_report_controls_a_terminal(tmp_path):
    names = ["wave\x1b[2J", "si\x07t", "nod\x9b"]
    run = make_run(tmp_path / "run", folds=(), classes=names, folds_total=1)
    make_fold(run / "fold_01", 1)
    scores = dict(np.load(run / "fold_01" / "scores.npz"))
    np.savez(run / "fold_01" / "scores.npz", **scores | {"classes": np.array(names)})
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph")
        write_report(run, tmp_path / "out")
    for name in ("per_class.csv", "confusion.csv", "report.html", "metrics.json"):
        text = (tmp_path / "out" / name).read_text("utf-8")
        assert not re.search("[\0-\x08\x0b-\x1f\x7f-\x9f]", text), name
    assert r"wave\x1b[2J" in (tmp_path / "out" / "per_class.csv").read_text("utf-8")


def test_a_confusion_matrix_of_many_classes_has_few_labels():
    figure = confusion_figure(np.eye(1000), [f"c{i}" for i in range(1000)], "many")
    assert [len(ticks()) for ticks in (figure.axes[0].get_xticks, figure.axes[0].get_yticks)] == [
        200,
        200,
    ]
