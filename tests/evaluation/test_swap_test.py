"""Costs, intervals and words of the swap test, and its files."""

import numpy as np
import pandas as pd
import pytest
from test_report import make_run

from keras_skeleton.evaluation.page import NO_INFORMATION
from keras_skeleton.evaluation.report import write_report
from keras_skeleton.evaluation.scores import ResultsError
from keras_skeleton.evaluation.swap_test import (
    BOTH,
    CLIPS,
    NOT_MEASURED,
    SUMMARY,
    label,
    read_clips,
    read_rows,
    readable,
    sentences,
    summarize,
    verdict,
    verdicts,
    write_clips,
)


def clips(kind="frames", swap="other", own=(1,) * 100, swapped=(1.0,) * 100, name="clip"):
    swapped = np.asarray(swapped, float)
    return pd.DataFrame(
        {
            "clip": [f"{name}{k}" for k in range(len(own))],
            "kind": kind,
            "swap": swap,
            "own": np.asarray(own, float),
            "swapped": swapped,
            "changed": (swapped != own).astype(float),
        }
    )


@pytest.mark.parametrize(
    ("low", "high", "clips", "said"),
    [
        (0.05, 0.2, 12, "costs"),
        (0.001, 0.02, 99, "costs"),
        (0.001, 0.009, 99, "nothing"),  # shown, but below a point
        (0.0, 0.03, 99, "nothing"),
        (-0.1, -0.02, 99, "nothing"),  # it even helps
        (-0.03, 0.05, 99, "unclear"),
        (0.0, 0.2, 99, "unclear"),
        (0.0, 0.0, 61, "nothing"),
        (0.0, 0.0, 60, "unclear"),  # none of 60 changes: up to 3 / 60 may
    ],
)
def test_the_rule(low, high, clips, said):
    assert verdict(low, high, clips) == said


def test_the_cost_is_a_paired_difference_over_clips():
    own, swapped = [1] * 80 + [0] * 20, [1.0] * 60 + [0.0] * 30 + [1.0] * 10
    table = pd.concat([clips(own=own, swapped=swapped), clips(kind="joints")])
    first, second = summarize(table).to_dict("records")
    assert (first["own"], first["swapped"], first["clips"]) == (0.8, 0.7, 100)
    assert first["cost"] == pytest.approx(0.1)
    assert first["changed"] == pytest.approx(0.3)
    # The standard error of the paired difference is 0.0539.
    assert first["low"] == pytest.approx(0.1 - 1.96 * 0.0539, abs=0.02)
    assert first["high"] == pytest.approx(0.1 + 1.96 * 0.0539, abs=0.02)
    assert (second["cost"], second["low"], second["high"]) == (0, 0, 0)
    assert second["verdict"] == "nothing"
    assert summarize(table).equals(summarize(table))
    text = readable(summarize(table)).to_dict("records")
    assert text[0]["own"] == "80.0"
    assert text[0]["cost"].startswith("+10.0 [")


def rows(**verdicts):
    values = {"clips": 9, "own": 0.8, "swapped": 0.7, "cost": 0.1, "low": 0, "high": 0.2}
    return [
        {**values, "kind": kind.replace("_", " "), "swap": "other", "changed": 0.3, "verdict": said}
        for kind, said in verdicts.items()
    ]


def test_words_follow_the_verdict():
    hardly, may, does = (
        sentences(rows(frames=said))[0] for said in ("nothing", "unclear", "costs")
    )
    assert "frames hardly depends on the clip" in hardly
    assert "may or may not depend" in may
    assert "frames depends on the clip" in does
    for text in (hardly, may, does):
        assert "80.0 %" in text
        assert "70.0 %" in text
        assert "+10.0 [+0.0, +20.0]" in text
    mean = {**rows(frames="nothing")[0], "swap": "mean"}
    assert "but its mean" in sentences([*rows(frames="costs"), mean])[0]
    assert "but its mean" in verdicts([*rows(frames="costs"), mean])[0][1]
    assert "but its mean" not in sentences([*rows(frames="nothing"), mean])[0]
    assert sentences([]) == []


def test_a_page_shows_a_verdict_per_kind():
    found = verdicts(rows(joints="costs", frames="nothing", joints_and_frames="costs"))
    assert [said for said, *_ in found] == ["costs", "nothing"]
    assert "frames hardly" in found[1][1]
    assert "80.0 %" in found[1][2]
    together = verdicts(rows(joints="nothing", frames="unclear", joints_and_frames="costs"))
    assert [said for said, *_ in together] == ["nothing", "unclear", "costs"]
    assert verdicts([]) == []


def test_labels_are_short():
    assert label([]) == ""
    assert label(rows(parts="costs")) == "depends on the clip"
    assert label(rows(joints="nothing", frames="nothing")) == "hardly depends on the clip"
    mixed = label(rows(joints="costs", frames="nothing", joints_and_frames="costs"))
    assert mixed == "to joints depends on the clip, to frames hardly"
    # Neither alone, but both together.
    both = {"joints": "nothing", "frames": "nothing", BOTH.replace(" ", "_"): "costs"}
    assert label(rows(**both)) == "depends on the clip"


def test_files(tmp_path):
    for fold, name in ((tmp_path / "fold_01", "a"), (tmp_path / "fold_02", "b")):
        assert read_rows(fold) == []
        fold.mkdir()
        write_clips(fold / CLIPS, clips(name=name, own=[1] * 5, swapped=[0.5] * 5))
    both = read_clips([tmp_path / "fold_01", tmp_path / "fold_02", tmp_path / "fold_03"])
    assert len(both) == 10
    (row,) = read_rows(tmp_path / "fold_01")
    assert (row["clips"], row["swapped"]) == (5, 0.5)
    assert read_clips([tmp_path / "fold_03"]) is None


@pytest.mark.parametrize(
    "text",
    ["clip,kind\n1,2\n", "", "clip,kind,swap,own,swapped,changed\na,frames,other,x,1,0\n",
     "clip,kind,swap,own,swapped,changed\na,frames,nobody,1,1,0\n",
     "clip,kind,swap,own,swapped,changed\na,frames,other,1,,0\n"],
)  # fmt: skip
def test_damaged_files_are_named(text, tmp_path):
    (tmp_path / CLIPS).write_text(text)
    with pytest.raises(ResultsError, match=CLIPS):
        read_clips([tmp_path])


def test_a_report_pools_the_folds_and_says_what_was_found(tmp_path):
    run = make_run(tmp_path / "run")
    write_report(run, tmp_path / "before")
    assert not (tmp_path / "before" / SUMMARY).exists()
    assert NOT_MEASURED not in (tmp_path / "before/report.html").read_text()  # no attention at all
    for fold, swapped in (("fold_01", 1.0), ("fold_03", 0.0)):
        write_clips(run / fold / CLIPS, clips(name=fold, own=[1] * 50, swapped=[swapped] * 50))
    write_report(run, tmp_path / "after")
    table = pd.read_csv(tmp_path / "after" / SUMMARY)
    (row,) = table.to_dict("records")
    assert (row["clips"], row["swapped"], row["verdict"]) == (100, 0.5, "costs")
    page = (tmp_path / "after/report.html").read_text()
    assert NO_INFORMATION not in page
    for fold in ("fold_01", "fold_03"):
        write_clips(run / fold / CLIPS, clips(name=fold, own=[1] * 50, swapped=[1.0] * 50))
    write_report(run, tmp_path / "again")
    assert NO_INFORMATION in (tmp_path / "again/report.html").read_text()
    assert sentences([row])[0].replace("'", "&#39;") in page
    assert "of a clip of another class" in page
