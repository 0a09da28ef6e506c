"""Names from files: a terminal obeys none of their characters, a spreadsheet runs no cell."""

import csv
import io
import sys

import numpy as np
import own_data
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keras_skeleton.cli import main
from keras_skeleton.datasets.formats.annotation_table import read_annotation_table
from keras_skeleton.detection.outputs import write_outputs
from keras_skeleton.evaluation.report import write_report
from keras_skeleton.evaluation.scores import write_scores
from keras_skeleton.utils.errors import DatasetError
from keras_skeleton.utils.files import write_json, write_text
from keras_skeleton.utils.tables import read_table, table_text, write_table
from keras_skeleton.utils.terminal import PlainStream, plain_output, raw_stream
from keras_skeleton.utils.text import from_spreadsheet_cell, plain, spreadsheet_cell

ESCAPES = ["\x1b[31mred", "\x9b2J", "a\rb", "\x07", "\u202eevil", "a\u2028b", "caf\udce9", "\x7f"]
FORMULAS = ["=cmd|' /C calc'!A0", "+1+1", "-2+3", "@SUM(A1)", "\t=1", "\r=1", "'=1", "''@x"]
HARMLESS = ["wave", "drink water", "-1", "+3.5e-7", "'tis", "", "a=b", "é", "\N{SNOWMAN}"]


@pytest.mark.parametrize("text", ESCAPES)
def test_what_a_terminal_obeys_is_shown(text):
    shown = plain(text)
    assert all(character.isprintable() for character in shown)
    assert plain(shown) == shown
    assert plain(str(DatasetError(text))) == str(DatasetError(text)) == shown


def test_other_text_is_unchanged():
    for text in [*HARMLESS, "two\nlines\tof text"]:
        assert plain(text) == text
    assert plain("a\nb\tc", lines=False) == r"a\nb\tc"


@given(st.text(alphabet=st.characters(min_codepoint=0)))
def test_no_control_character_is_left(text):
    assert not any(ord(c) < 32 and c not in "\n\t" for c in plain(text))
    plain(text).encode()  # and all of it can be written


def test_a_stream_shows_what_it_cannot_encode():
    file = io.TextIOWrapper(io.BytesIO(), "latin-1", newline="")
    stream = PlainStream(file)
    print("\x1b[0m \N{SNOWMAN} é", file=stream, flush=True)
    assert file.buffer.getvalue().decode("latin-1") == "\\x1b[0m \\u2603 é\n"
    raw_stream(stream).write("\x1b[K")
    file.flush()
    assert file.buffer.getvalue().endswith(b"\x1b[K")


def test_the_streams_are_given_back(capsys):
    before = sys.stdout, sys.stderr
    with plain_output():
        print("\x1b[2J")
    assert (sys.stdout, sys.stderr) == before
    assert capsys.readouterr().out == "\\x1b[2J\n"


def test_the_command_line_shows_names(tmp_path, capsys):
    assert main(["\x1b[31mtrain"]) == 2
    lines = ["file,label,subject", "a.npy,wave\x1b[31m,ann\x9b", "b.npy,=1+1,\x07bob"]
    data = own_data.write(tmp_path / "data", lines)
    (data / "\x1b[2Jz.npy").write_bytes(b"nothing")
    words = ["prepare", "--dataset", "folder", "--data-dir", str(data), "--cache-dir"]
    assert main([*words, str(tmp_path / "cache")]) == 0
    said = capsys.readouterr()
    for text in (said.out, said.err):
        assert "\x1b" not in text
        assert "\x9b" not in text
        assert "\x07" not in text
    assert "\\x1b[31mtrain" in said.err
    assert "\\x1b[2Jz.npy" in said.out


# ---------------------------------------------------------------- spreadsheets


@pytest.mark.parametrize("text", FORMULAS)
def test_formulas_are_quoted(text):
    cell = spreadsheet_cell(text)
    assert cell[0] == "'"
    assert from_spreadsheet_cell(cell) == text


@pytest.mark.parametrize("text", HARMLESS)
def test_other_cells_are_unchanged(text):
    assert spreadsheet_cell(text) == from_spreadsheet_cell(text) == text


@given(st.text())
def test_cells_come_back(text):
    cell = spreadsheet_cell(text)
    assert from_spreadsheet_cell(cell) == text
    assert cell[:1] not in ("=", "@", "\t", "\r")


def test_tables_come_back(tmp_path):
    names = [*FORMULAS, *HARMLESS[:-3]]
    names = [name for name in names if "\r" not in name]  # ends of lines become one
    table = pd.DataFrame(
        {"class": names, "=clips": -np.arange(len(names)), "share": 0.5 - np.arange(len(names))}
    )
    write_table(table, tmp_path / "t.csv", index=False)
    text = (tmp_path / "t.csv").read_text("utf-8")
    cells = [c for row in csv.reader(io.StringIO(text, newline="")) for c in row]
    assert not any(cell[:1] in tuple("=@") for cell in cells)
    back = read_table(tmp_path / "t.csv", "a table").fillna({"class": ""})
    pd.testing.assert_frame_equal(back, table.assign(**{"class": back["class"]}))
    assert [str(name) for name in back["class"]] == names


def test_numbers_are_unchanged():
    table = pd.DataFrame({"a": [-1, 2], "b": [-0.5, np.nan]}, index=pd.Index([-1, 1], name="n"))
    assert table_text(table) == table.to_csv(lineterminator="\n")


def test_short_lines_are_refused(tmp_path):
    write_text(tmp_path / "t.csv", "a,b\n1,2\n3\n")
    with pytest.raises(ValueError, match="line 3 has 1 fields, the first line 2"):
        read_table(tmp_path / "t.csv", "a table")


def test_a_report_of_hostile_classes(tmp_path, capsys):
    classes = ["=cmd|' /C calc'!A0", "@SUM(1)", "-2+3", "\x1b[31mwave", "<script>"]
    run, fold = tmp_path / "run", tmp_path / "run" / "fold_01"
    fold.mkdir(parents=True)
    keys = ("model", "dataset", "protocol", "recipe")
    content = {**dict.fromkeys(keys, "\x1b[2J"), "seed": 0, "classes": classes, "folds_total": 1}
    write_json(run / "run.json", content)
    write_json(fold / "metrics.json", {"fold": 1, "accuracy": 0.8})
    write_text(fold / "history.csv", "epoch,accuracy\n1,0.5\n")
    write_table(
        pd.DataFrame({"class": classes, "clips": 1, "left_hand": -0.5}),
        fold / "parts.csv",
        index=False,
    )
    logits = np.eye(5)
    logits[4] = [1, 0, 0, 0, 0]
    write_scores(fold / "scores.npz", list("abcde"), np.arange(5), logits, classes, 1)
    assert main(["report", str(run), "--out", str(tmp_path / "out")]) == 0
    said = capsys.readouterr()
    assert "\x1b" not in said.out + said.err
    for name in ("per_class.csv", "confusion.csv", "parts.csv"):
        with (tmp_path / "out" / name).open(newline="") as file:
            rows = list(csv.reader(file))
        assert not any(cell[:1] in tuple("=@+") or cell == "-2+3" for row in rows for cell in row)
    shown = [*classes[:3], r"\x1b[31mwave", classes[4]]
    table = read_table(tmp_path / "out/per_class.csv", "classes")
    assert table["class"].tolist() == shown
    assert table["confused_with"].tolist()[4] == classes[0]
    parts = read_table(tmp_path / "out/parts.csv", "parts")
    assert parts["class"].tolist() == shown
    assert parts["left_hand"].tolist() == [-0.5] * 5
    assert write_report(run, tmp_path / "again")


def test_the_report_may_load_and_run_nothing():
    from pathlib import Path

    import keras_skeleton.evaluation.page as page

    text = Path(page.__file__).with_suffix(".html").read_text("utf-8")
    head = text.partition("<title>")[0]
    assert 'http-equiv="Content-Security-Policy"' in head
    assert "default-src 'none'" in head
    assert "script-src" not in head
    assert "<script" not in text


def test_detections_are_read_as_intervals(tmp_path):
    """The table of a recording is a table of annotations, also with such names."""
    classes = ["=1+1", "wave"]
    found = pd.DataFrame(
        [[0, 3, 9, 0.5], [1, 10, 19, 0.25]], columns=["label", "start", "end", "score"]
    )
    write_outputs(tmp_path, "rec", found, 30, classes, "title", file="@rec.npy")
    text = (tmp_path / "rec.csv").read_text()
    assert "'=1+1" in text
    assert "'@rec.npy" in text
    back = read_annotation_table(tmp_path / "rec.csv")
    assert [(row.file, row.label, row.start) for row in back.rows] == [
        ("@rec.npy", "=1+1", 3),
        ("@rec.npy", "wave", 10),
    ]


def test_labels_are_read_as_they_were(tmp_path):
    lines = ["file,label,subject", "a.npy,'=1+1,'@ann", "b.npy,'tis,-1"]
    dataset, _ = own_data.read(own_data.write(tmp_path / "data", lines), tmp_path / "cache")
    assert dataset.classes == ("'tis", "=1+1")
    assert "@ann" in dataset.info["subjects"].values()
