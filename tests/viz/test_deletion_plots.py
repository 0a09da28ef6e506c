import numpy as np
import pandas as pd
import pytest

from keras_skeleton.attention.deletion import FRACTIONS
from keras_skeleton.viz.deletion_plots import deletion_figure, gains_figure


def curves(kinds):
    return pd.concat(
        pd.DataFrame(
            {"kind": kind, "order": order, "way": way, "fraction": FRACTIONS,
             "probability": level * FRACTIONS}
        )
        for kind in kinds
        for way in ("deletion", "insertion")
        for order, level in (("attention", 0.9), ("saliency", 0.5), ("random", 0.7))
    )  # fmt: skip


def test_a_panel_for_every_kind_and_way_with_all_orders():
    fig = deletion_figure(curves(["frames", "joints"]), "csta_cnn on costs of $5")
    titles = [ax.get_title() for ax in fig.axes]
    assert titles == [
        f"{w} of {k}" for k in ("frames", "joints") for w in ("deletion", "insertion")
    ]
    assert fig.axes[2].get_xlabel() == "joints replaced (%)"
    assert fig.axes[0].get_ylabel() == "probability of the true class"
    lines = {line.get_label(): line for line in fig.axes[1].lines}
    assert set(lines) == {"attention", "gradient saliency", "random order"}
    np.testing.assert_allclose(lines["attention"].get_ydata(), 0.9 * FRACTIONS)
    np.testing.assert_allclose(lines["attention"].get_xdata(), 100 * FRACTIONS)
    assert fig.get_suptitle() == r"csta_cnn on costs of \$5"


def test_gains_in_points_with_their_intervals():
    row = {f"{g}_{w}{e}": v for g in ("attention", "saliency") for w in ("deletion", "insertion")
           for e, v in (("", 0.1), ("_low", 0.05), ("_high", 0.2))}  # fmt: skip
    table = pd.DataFrame([{"network": "b", "kind": k, **row} for k in ("joints", "frames")])
    fig = gains_figure(table, "gains")
    assert [label.get_text() for label in fig.axes[0].get_yticklabels()] == [
        "b: frames",
        "b: joints",
    ]
    points, _, (bars,) = fig.axes[1].containers[0]
    assert points.get_xdata() == pytest.approx([10, 10])
    assert bars.get_segments()[0][:, 0] == pytest.approx([5, 20])
    assert "percentage points" in fig.axes[1].get_xlabel()
    assert fig.axes[0].get_ylim() == (1.5, -0.5)  # no mark on the frame, the first row on top
