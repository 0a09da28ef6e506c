"""Figures 11 and 12 show what the settings make of a curve."""

import numpy as np
import pandas as pd
import pytest

from keras_skeleton.detection.detect import Settings, candidates, smoothed
from keras_skeleton.detection.figures import attention_figure, proposal_recall_figure

CURVE = np.zeros(100)
CURVE[10:40] = CURVE[60:90] = 2.0
SETTINGS = Settings(window=1, epsilon=0.25, omega=10, scales=False, relative=True)
TRUTH = pd.DataFrame({"video": ["a", "a", "b"], "start": [10, 60, 0], "end": [40, 90, 9]})


def test_a_relative_threshold_is_in_units_of_the_curve():
    values, level = smoothed(CURVE, SETTINGS)
    np.testing.assert_array_equal(values, CURVE)
    assert level == 0.5
    assert smoothed(CURVE, Settings(epsilon=0.25))[1] == 0.25
    assert smoothed(np.zeros(0), SETTINGS)[1] == 0


def test_proposals_are_drawn_where_candidates_are():
    own = TRUTH[TRUTH["video"] == "a"]
    figure = attention_figure({"TAP-U": CURVE}, {"TAP-U": SETTINGS}, own, "a title")
    curve, level, *spans = figure.axes[0].get_lines()
    np.testing.assert_array_equal(curve.get_ydata(), CURVE)
    assert set(level.get_ydata()) == {0.5}
    drawn = [span.get_xdata().tolist() for span in spans]
    assert drawn == candidates(CURVE, SETTINGS).tolist() == [[10, 40], [60, 90]]


def test_recall_of_what_is_proposed():
    figure = proposal_recall_figure({"a": CURVE}, SETTINGS, TRUTH, "a title")
    first = {line.get_label(): line for line in figure.axes[0].get_lines()}
    assert list(first) == ["0", "0.1", "0.2", "0.25", "0.3"]
    # Recordings without a curve do not count: both actions of 'a' are proposed.
    assert first["0.25"].get_ydata()[-1] == pytest.approx(1)
    assert first["0.25"].get_xdata()[-1] == 2
    second = {line.get_label(): line for line in figure.axes[1].get_lines()}
    assert second["60"].get_xdata()[-1] == 1  # both are one proposal, as long as neither
    assert figure.get_suptitle().splitlines()[0] == "a title"
