import numpy as np
import pandas as pd
import pytest

from keras_skeleton.viz.detection_plots import (
    curve_figure,
    precision_recall_figure,
    recall_figure,
    timeline_figure,
)
from keras_skeleton.viz.style import save_figure

SPANS = pd.DataFrame({"label": [0, 1, 9], "start": [10, 40, 80], "end": [30, 60, 95]})
CLASSES = [f"class {k}" for k in range(10)]


def bars(ax):
    return sorted((round(p.get_x(), 3), round(p.get_width(), 3)) for p in ax.patches)


@pytest.mark.parametrize(("fps", "label"), [(None, "frame"), (10.0, "time (s)")])
def test_timeline(fps, label):
    lines = {"annotated": SPANS, "found": SPANS[:1], "nothing": SPANS[:0]}
    fig = timeline_figure(lines, 100, CLASSES, "a title", fps)
    (ax,) = fig.axes
    unit = fps or 1
    assert bars(ax) == sorted(
        [(10 / unit, 20 / unit)] * 2 + [(40 / unit, 20 / unit), (80 / unit, 15 / unit)]
    )
    assert ax.get_xlabel() == label
    assert ax.get_xlim() == (0, 100 / unit)
    assert [t.get_text() for t in ax.get_yticklabels()] == list(lines)
    assert ax.yaxis_inverted()
    (legend,) = fig.legends
    assert [t.get_text() for t in legend.get_texts()] == ["class 0", "class 1", "class 9"]


def test_overlapping_actions_are_drawn_in_rows_of_their_own():
    both = pd.DataFrame({"label": [0, 1, 2], "start": [0, 20, 60], "end": [50, 40, 90]})
    fig = timeline_figure({"annotated": both, "found": SPANS}, 100, CLASSES, "a title")
    boxes = [p.get_bbox() for p in fig.axes[0].patches]
    assert len(boxes) == 6
    for k, one in enumerate(boxes):
        assert not any(one.count_overlaps([other]) for other in boxes[:k])
    assert len(fig.axes[0].get_yticklabels()) == 2


def test_timeline_tells_many_classes_apart():
    many = pd.DataFrame({"label": range(30), "start": range(30), "end": range(1, 31)})
    fig = timeline_figure({"all": many}, 30, [str(k) for k in range(30)], "many")
    looks = {(p.get_facecolor(), p.get_hatch()) for p in fig.axes[0].patches}
    assert len(looks) == 30


def test_timeline_of_nothing(tmp_path):
    fig = timeline_figure({"detected": SPANS[:0]}, 50, CLASSES, "nothing found")
    assert save_figure(fig, tmp_path / "nothing.png").stat().st_size > 2000


def test_curves():
    curve = np.r_[np.zeros(10), np.ones(20), np.zeros(70)]
    fig = curve_figure(
        {"TAP-U": curve, "TAP-B": 3 * curve}, {"TAP-U": SPANS[:1], "TAP-B": SPANS[:0]}, SPANS,
        {"TAP-U": 0.2, "TAP-B": 0.6}, "a title", 10.0,
    )  # fmt: skip
    first, second = fig.axes
    assert len(first.get_lines()) == 3  # curve, threshold, a proposal
    assert len(second.get_lines()) == 2
    np.testing.assert_array_equal(second.get_lines()[0].get_ydata(), 3 * curve)
    assert second.get_xlabel() == "time (s)"
    assert second.get_ylim()[0] < 0  # a threshold of 0 is not hidden by the frame
    assert [text.get_text() for text in second.texts] == ["0.6"]
    low = curve_figure({"a": 0.01 * curve}, {"a": SPANS[:0]}, SPANS, {"a": 0.5}, "a title")
    assert low.axes[0].get_ylim()[1] > 0.5  # a threshold that is never reached is shown, too
    assert "TAP-B" in second.get_ylabel()


def test_recall_and_precision():
    curve = pd.DataFrame({"number": [0, 1, 2], "recall": [0, 0.4, 0.6]})
    fig = recall_figure({"a": {"0": curve, "1": curve}, "b": {"2": curve}}, "t", "proposals")
    assert [len(ax.get_lines()) for ax in fig.axes] == [2, 1]
    assert fig.axes[0].get_ylabel() == "average recall"
    curve = pd.DataFrame({"recall": [0.1, 0.2], "precision": [1.0, 0.9]})
    fig = precision_recall_figure({f"m{k}": {0.1: curve, 0.5: curve} for k in range(5)}, "t")
    drawn = [ax for ax in fig.axes if ax.get_lines()]
    assert len(drawn) == 5
    texts = [t.get_text() for t in fig.legends[0].get_texts()]
    assert texts == ["IoU threshold 0.1", "IoU threshold 0.5"]
