"""Draws the pictures of the page on detection: attention and detections in a test recording.

`python docs/draw_detection.py --data-dir PATH`, with UT-Kinect in PATH; a minute on two cores.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from keras_skeleton.datasets.registry import load_dataset
from keras_skeleton.detection.detect import Settings
from keras_skeleton.detection.figures import attention_figure
from keras_skeleton.viz.detection_plots import timeline_figure
from keras_skeleton.viz.style import save_figure
from keras_skeleton.zoo.detectors import load_detector

FIGURES = Path(__file__).resolve().parents[1] / "results" / "figures"
GATE, TAP = "gate_b_ut_kinect_cs", "tap_lstm_ut_kinect_cs"


def main() -> None:
    """Draws both pictures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data-dir", type=Path, help="folder of UT-Kinect")
    args = parser.parse_args()
    dataset = load_dataset("ut_kinect", args.data_dir, clips="untrimmed")
    (fold,) = dataset.folds("cs")
    recording = int(fold.test[0])
    row = dataset.samples.iloc[recording]
    truth = dataset.intervals[dataset.intervals["video"] == row["video"]]
    gate, tap = load_detector(GATE), load_detector(TAP)
    where = f"UT-Kinect, cs: test recording {row['video']}\nweights {GATE} and {TAP}"
    curves = {
        "GATE-B": gate.attention("gate_b", dataset, recording),
        "TAP-U": tap.attention("tap_u", dataset, recording),
    }
    # The gate of GateNet is a probability, and needs neither a filter nor a chosen threshold.
    settings = {
        "GATE-B": Settings(window=1, epsilon=0.5, omega=0, scales=False),
        "TAP-U": tap.settings("tap_u"),
    }
    figure = attention_figure(curves, settings, truth, where)
    save_figure(figure, FIGURES / "detection_attention.png")
    rows = {"annotated": truth}
    for title, detector, method in (("GATE-B", gate, "gate_b"), ("TAP-U-M", tap, "tap_u_m")):
        rows[title] = detector.detect(method, dataset, recording, detector.settings(method))
    figure = timeline_figure(rows, int(row["frames"]), dataset.classes, where)
    save_figure(figure, FIGURES / "detection_timeline.png")


if __name__ == "__main__":
    main()
