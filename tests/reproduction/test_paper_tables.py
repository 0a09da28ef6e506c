"""The papers' tables as data: each row names what exists, and its command means the same."""

import shlex
from itertools import chain

import pytest

from keras_skeleton.commands.network import named_recipe
from keras_skeleton.commands.train import _parser
from keras_skeleton.datasets.registry import get_source
from keras_skeleton.detection.detector import METHODS
from keras_skeleton.reproduction.stored import recipe_of, recipes_of
from keras_skeleton.reproduction.tables import (
    DETECTORS,
    PaperTableError,
    read_table,
    read_tables,
)
from keras_skeleton.utils.errors import UnknownNameError

TABLES = {table.name: table for table in read_tables(["all"])}


def papers(name, row, dataset, protocol, recipe="paper"):
    (found,) = [
        r.paper
        for r in TABLES[name].rows
        if (r.name, r.training.dataset, r.training.protocol, r.training.recipe)
        == (row, dataset, protocol, recipe)
    ]
    return found


def test_every_row_can_be_trained_by_its_command():
    rows = chain(*(table.rows for table in TABLES.values()))
    for row, training in ((own, training) for own in rows for training in own.trainings):
        words = shlex.split(training.command(7))
        assert words[:2] == ["python", "run.py"]
        assert training.protocol in get_source(training.dataset).protocols
        assert ("PATH" in words) == (get_source(training.dataset).needs_root or training.i3d)
        if training.detection:
            assert row.method in METHODS
            assert "clips" in get_source(training.dataset).options
            ours = set(DETECTORS["gates"]) if training.model == "gates" else set()
            assert set(recipes_of(training)) == {"tap_lstm", "sta_lstm", "jcr_rnn"} | ours
            continue
        args = _parser().parse_args(words[2:])
        assert (args.model, args.dataset, args.protocol) == (
            training.model, training.dataset, training.protocol
        )  # fmt: skip
        assert args.seed == 7
        assert args.train_on == training.train_on
        assert args.option == training.option_words
        assert named_recipe(args) == recipe_of(training), training.command()
        if row.stage:
            assert row.stage in [stage.name for stage in recipe_of(training).stages]


def test_each_network_is_trained_on_all_clips_and_on_a_part_of_them():
    for table in TABLES.values():
        for row in table.rows:
            kinds = [training.train_on for training in row.trainings]
            assert kinds == (["part"] if row.training.detection else ["all", "part"])
            assert row.trainings[-1] == row.training


def test_different_trainings_have_different_folders():
    trainings = set(chain(*(table.trainings for table in TABLES.values())))
    assert len({training.name for training in trainings}) == len(trainings) > 80


def test_what_papers_quote_of_each_other_and_of_themselves_agrees():
    for protocol in ("cs", "cv"):
        own = papers("sta2", "STA-LSTM", "ntu", protocol)
        for other in ("mans5", "csta2", "stafig6"):
            assert papers(other, "STA-LSTM", "ntu", protocol) == own
        assert papers("mans4", "MANs-9", "ntu", protocol) == papers(
            "mans5", "MANs-9", "ntu", protocol
        )
        assert papers("csta2", "CSTA-CNN", "ntu", protocol) == papers(
            "csta3", "CSTA-CNN", "ntu", protocol
        )
    for row in ("LSTM", "STA-LSTM"):
        for recipe in ("paper", "tuned"):
            assert papers("sta1", row, "sbu", "5fold", recipe) == papers(
                "stafig6", row, "sbu", "5fold", recipe
            )
    # Table III: "improvement of 3.2% and 1.6%"
    gains = [
        papers("sta3", "STA-LSTM", "pku_mmd", p)[0] - papers("sta3", "LSTM", "pku_mmd", p)[0]
        for p in ("cs", "cv")
    ]
    assert gains == pytest.approx([3.2, 1.6])


def test_streams_of_another_dataset():
    """The second column of Table 2 of Das et al.; its last number is that of Table 4."""
    table, first = TABLES["pose4"], TABLES["pose2"]
    assert [row.name for row in table.rows] == [row.name for row in first.rows]
    assert all(new.paper > old.paper for new, old in zip(table.rows, first.rows, strict=True))
    assert table.rows[-1].paper == (93.10,)
    training = table.rows[-1].training
    assert training.command().endswith("--crops FOLDER --streams RUN_DIR --seed 0")
    assert training.name == "pose_i3d_nucla_cv_ntu_streams"


def test_lambdas_of_fig_7():
    swept = {
        name: [dict(row.training.settings)[name] for row in TABLES["sta7"].rows
               if name in dict(row.training.settings) and row.training.protocol == "cv"]
        for name in ("lambda1", "lambda2")
    }  # fmt: skip
    assert swept == {
        "lambda1": [1e-4, 1e-3, 1e-2, 1e-1, 1.0],
        "lambda2": [1e-5, 1e-4, 1e-3, 1e-2, 1e-1],
    }
    models = {row.training.model for row in TABLES["sta7"].rows}
    assert models == {"sa_lstm", "ta_lstm"}


def test_figures_that_could_not_be_read_are_left_out():
    assert papers("sta5", "TAP-B", "pku_mmd", "cs") == (0.544, 0.514, 0.461, None)
    assert papers("sta5", "TAP-B", "pku_mmd", "cv") == (None,) * 4
    assert papers("stafig6", "TA-LSTM", "ntu", "cv") == (None,)


def test_a_damaged_table_is_named(tmp_path):
    head = 'paper = ""\ntable = ""\ntitle = ""\n[columns]\n'
    column = 'a = {dataset = "sbu", protocol = "5fold"}\n'
    row = '[[rows]]\nname = "x"\nmodel = "lstm"\npaper = '
    path = tmp_path / "own1.toml"
    for text in (
        "paper = ",
        head,
        head + column + row + "{ b = 1 }\n",
        head + column + row + "{ a = [1, 2] }\n",
    ):
        path.write_text(text)
        with pytest.raises(PaperTableError, match="own1.toml: "):
            read_table(path)


def test_an_unknown_table_is_named_with_the_nearest():
    with pytest.raises(UnknownNameError, match="'mans6'.*'mans"):
        read_tables(["sta1", "mans6"])
