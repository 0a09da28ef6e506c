"""GateNet in the zoo: added from a detection run, scored again, loaded by its name."""

import sys
from pathlib import Path

import pytest

from keras_skeleton.detection.detector import Detector
from keras_skeleton.detection.experiment import Detection
from keras_skeleton.recipes.recipe import Recipe
from keras_skeleton.zoo.add import add_run
from keras_skeleton.zoo.entries import ZooError, read_zoo
from keras_skeleton.zoo.page import readme

sys.path.append(str(Path(__file__).parents[1] / "detection"))
from toy_streams import make_streams

RECIPE = Recipe(
    optimizer="adam", learning_rate=0.005, batch_size=4, epochs=3, frames=64, jit=False,
    preprocessing={"coordinates": "camera"}, model={"hidden": 8, "width": 8, "dilations": [1, 4]},
)  # fmt: skip


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("gates") / "run"
    recipes = dict.fromkeys(("tap_lstm", "lstm", "jcr_rnn", "gate_u", "gate_b"), RECIPE)
    Detection(
        make_streams(), "cs", ["gate_u", "gate_b"], "lstm", recipes, seed=0, folder=folder,
        command="a test", log=lambda line: None,
    ).run()  # fmt: skip
    return folder


@pytest.mark.slow
def test_a_gate_is_added_and_found(run, tmp_path):
    zoo, streams, lines = tmp_path / "zoo", make_streams(), []
    for part in ("gate_u", "gate_b"):
        entry = add_run(run, streams, tmp_path, part=part, folder=zoo, log=lines.append)
        assert entry.name == f"{part}_toy_cs"
        assert entry.model == part
        assert entry.test_clips == 2
        assert set(entry.figures) == {f"{part} at {x:g}" for x in (0.3, 0.5, 0.7)}
        assert Detector(zoo / entry.name).methods() == [part]
    assert [entry.name for entry in read_zoo(zoo)] == ["gate_b_toy_cs", "gate_u_toy_cs"]
    assert all("as recorded" in line for line in lines)
    text = readme(read_zoo(zoo), zoo)
    assert "| `gate_b_toy_cs` | toy, cs | 1 of 1 | gate_b |" in text


@pytest.mark.slow
def test_what_cannot_be_added(run, tmp_path):
    for part in ("ta_lstm", None):
        with pytest.raises(ZooError, match="gate_u"):
            add_run(run, make_streams(), tmp_path, part=part, folder=tmp_path / "zoo")
