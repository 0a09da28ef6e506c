"""Figs. 4 and 5 of Das et al. from the stages of a run."""

import json

import numpy as np
import pandas as pd
import pytest

from keras_skeleton.attention.parts_by_class import parts_by_class, write_parts_by_class
from keras_skeleton.commands.report import run as report
from keras_skeleton.evaluation.scores import ResultsError, write_scores
from keras_skeleton.transforms.glimpses import PARTS
from keras_skeleton.viz.part_plots import part_bars_figure

CLASSES, LABELS = ["drink", "wave", "jump"], np.array([0, 0, 0, 0, 1, 1])
# Which clips each network gets right.
RIGHT = {
    "left_hand": [1, 0, 0, 0, 1, 1], "right_hand": [1, 1, 1, 0, 0, 0],
    "full_body": [1, 1, 0, 0, 1, 0], "pose": [0, 0, 0, 0, 1, 1], "": [1, 1, 1, 1, 1, 0],
}  # fmt: skip


def scores(folder, right, names=None):
    answers = np.where(right, LABELS, 2)
    folder.mkdir(parents=True, exist_ok=True)
    names = names or [f"clip{i}" for i in range(6)]
    write_scores(
        folder / "scores.npz",
        names,
        LABELS,
        np.eye(3, dtype="f")[answers],
        CLASSES,
        np.ones(6, int),
    )


@pytest.fixture
def made(tmp_path):
    fold = tmp_path / "run" / "fold_01"
    for name, right in RIGHT.items():
        scores(fold / name, right)
    parts = {"class": ["drink", "wave"], "clips": [4, 2]}
    parts |= {part: [0.2 + 0.1 * k, 0.5 - 0.1 * k] for k, part in enumerate(PARTS)}
    pd.DataFrame(parts).to_csv(fold / "parts.csv", index=False)
    about = {"model": "pose_i3d", "dataset": "toy", "protocol": "cs"}
    (tmp_path / "run/run.json").write_text(json.dumps(about))
    scores(tmp_path / "sum" / "fold_01", [1, 1, 0, 0, 1, 1])
    return tmp_path


def test_weights_beside_accuracies(made):
    table = parts_by_class(made / "run", made / "sum")
    assert list(table["class"]) == ["drink", "wave"]  # attention adds 0.25, and loses 0.5
    assert list(table["clips"]) == [4, 2]
    np.testing.assert_allclose(table["weight_left_hand"], [0.2, 0.5])
    np.testing.assert_allclose(table["weight_full_body"], [0.4, 0.3])
    expected = {
        "left_hand": [0.25, 1], "right_hand": [0.75, 0], "full_body": [0.5, 0.5], "pose": [0, 1],
        "aggregation": [0.5, 1], "attention": [1, 0.5],
    }  # fmt: skip
    for name, values in expected.items():
        np.testing.assert_allclose(table[f"accuracy_{name}"], values, err_msg=name)
    assert "accuracy_aggregation" not in parts_by_class(made / "run")


def test_other_clips_are_refused(made):
    scores(made / "sum" / "fold_01", RIGHT["pose"], names=list("abcdef"))
    with pytest.raises(ResultsError, match="other test clips"):
        parts_by_class(made / "run", made / "sum")
    with pytest.raises(ResultsError, match=r"no fold has parts.csv"):
        parts_by_class(made / "sum")
    with pytest.raises(ResultsError, match="no test clips of class jump"):
        write_parts_by_class(made / "run", made, classes=["jump"])


def test_the_command_writes_table_and_figure(made, capsys):
    words = ["--body-parts", "--aggregation", str(made / "sum"), "--out", str(made / "out")]
    report([str(made / "run"), *words])
    assert (made / "out/parts_by_class.png").stat().st_size > 1000
    table = pd.read_csv(made / "out/parts_by_class.csv")
    assert list(table["class"]) == ["drink", "wave"]
    assert "drink" in capsys.readouterr().out


def test_a_part_has_one_colour():
    weights = pd.DataFrame({"left_hand": [0.7]}, index=["wave"])
    other = pd.DataFrame({"pose": [0.2], "left_hand": [0.5]}, index=["wave"])
    above, below = part_bars_figure(weights, other, "title").axes
    assert above.patches[0].get_facecolor() == below.patches[1].get_facecolor()
    with pytest.raises(ValueError, match="other classes"):
        part_bars_figure(weights, other.rename({"wave": "nod"}), "title")
