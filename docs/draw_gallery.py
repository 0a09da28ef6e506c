"""Draws the pictures of the gallery: our counterparts of the papers' figures.

    python docs/draw_gallery.py                          # from notebooks and stored results
    python docs/draw_gallery.py confusion --data-dir PATH   # Northwestern-UCLA in PATH
    python docs/draw_gallery.py --check                  # exit with status 1 if one is outdated

Pictures of the notebooks are taken out of their stored outputs: to change one, run its notebook
again by `python notebooks/execute.py NAME`.
"""

from __future__ import annotations

import argparse
import base64
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from keras_skeleton.viz.style import COLOURS, LABEL, SMALL, TITLE, WIDTH, save_figure

ROOT = Path(__file__).resolve().parents[1]
GALLERY = ROOT / "docs" / "_static" / "gallery"
LAMBDAS = ROOT / "results" / "attention" / "sta7"
MIDDLE = 0.01  # of the weights of the penalty, the one between the smallest and the largest
CONFUSION = "csta_cnn_nucla_cv"
PARTS = ("left_hand", "right_hand", "full_body")
RUNS = (
    "pose_i3d_synthetic_cs",
    "pose_i3d_synthetic_cs_subjects20_repetitions1_seed100",
    "pose_i3d_synthetic_cs_subjects20_repetitions1_seed200",
)


class Stored(NamedTuple):
    """A picture in the outputs of a notebook.

    Attributes:
        notebook: Name of the notebook.
        code: What only the code of its cell says.
        number: Number of the picture among those of the cell.
    """

    notebook: str
    code: str
    number: int = 0


NOTEBOOKS = {
    "mans_fig1": Stored("02_mans_attention", "image_attention_figure(image[0]"),
    "mans_fig3": Stored("02_mans_attention", "curves_figure(histories"),
    "sta_fig8": Stored("03_sta_lstm_attention", "engaged_joints_figure(\n"),
    "sta_fig9": Stored("03_sta_lstm_attention", "frames_only = load_recognizer"),
    "sta_fig10": Stored("03_sta_lstm_attention", 'load_recognizer("sta_lstm", "ut_kinect"'),
    "sta_fig11": Stored("06_detection", "attention_figure(\n            {"),
    "sta_fig12": Stored("06_detection", "proposal_recall_figure("),
    "sta_fig13": Stored("06_detection", "precision_recall_figure(\n"),
    "csta_fig1": Stored("04_csta_attention", "draw(ut_kinect, label)"),
    "csta_fig4": Stored("04_csta_attention", "draw(sbu, label)"),
    "pose_fig1": Stored("05_pose_i3d_parts", "draw_boxes(find_pairs(recordings"),
    "pose_fig6": Stored("05_pose_i3d_parts", "display(draw_parts(dataset", 1),
}


def picture_of(stored: Stored) -> bytes:
    """The PNG of a notebook's stored output."""
    path = ROOT / "notebooks" / f"{stored.notebook}.ipynb"
    cells = json.loads(path.read_text("utf-8"))["cells"]
    fitting = [
        cell
        for cell in cells
        if cell["cell_type"] == "code" and stored.code in "".join(cell["source"])
    ]
    found = [
        output["data"]["image/png"]
        for cell in fitting
        for output in cell["outputs"]
        if "image/png" in output.get("data", {})
    ]
    if len(fitting) != 1 or stored.number >= len(found):
        raise SystemExit(f"{path}: no picture of a cell with {stored.code!r}")
    return base64.b64decode("".join(found[stored.number]))


def draw_gain(data: Path | None) -> Figure:
    """Fig. 6 of STA-LSTM: what attention and its penalties add, from the stored table."""
    table = pd.read_csv(ROOT / "results" / "tables" / "stafig6.csv")
    table = table[(table["dataset"] == "sbu") & table["validation"].notna()]
    names = list(dict.fromkeys(table["row"]))
    fig = Figure(figsize=(WIDTH, 3.6), layout="constrained")
    ax = fig.add_subplot()
    for k, recipe in enumerate(("paper", "tuned")):
        own = table[table["recipe"] == recipe].set_index("row").reindex(names)
        seeds = own["seeds"].astype(str).str.split().str.len()
        ax.errorbar(
            np.arange(len(names)) + 0.16 * k - 0.08,
            own["validation"],
            own["validation_std"].where(seeds > 1),
            fmt="os"[k],
            capsize=3,
            color=COLOURS[k],
            label=f"recipe {recipe}",
        )
    ax.set_xticks(range(len(names)), [name.replace(" (", "\n(") for name in names], fontsize=SMALL)
    ax.grid(axis="y", alpha=0.3)
    ax.set_ylabel("accuracy (%)", fontsize=LABEL)
    ax.set_title(
        "SBU, 5 folds: epoch selected on validation clips, mean and standard deviation\n"
        "over seeds 0, 100, 200 (without a whisker: seed 0 alone)",
        fontsize=TITLE,
    )
    ax.legend(fontsize=SMALL, ncols=2)
    return fig


def draw_weights(data: Path | None) -> Figure:
    """Figs. 4a and 5a of the pose-driven network: weights of the parts, from stored runs."""
    tables = [
        pd.read_csv(ROOT / "results" / "runs" / run / "parts.csv").set_index("class")[list(PARTS)]
        for run in RUNS
    ]
    mean = sum(tables) / len(tables)
    fig = Figure(figsize=(WIDTH, 3.8), layout="constrained")
    ax = fig.add_subplot()
    for k, part in enumerate(PARTS):
        places = np.arange(len(mean)) + 0.27 * (k - 1)
        ax.bar(places, mean[part], 0.25, color=COLOURS[k], label=part.replace("_", " "))
        for table in tables:
            ax.plot(places, table[part], ".", color="black", markersize=3)
    ax.set_xticks(range(len(mean)), mean.index, rotation=30, ha="right", fontsize=SMALL)
    ax.set_ylabel("weight", fontsize=LABEL)
    ax.set_title(
        "pose_i3d, rendered video of the synthetic dataset: weights of the parts by class,\n"
        "mean over seeds 0, 100, 200 (dots: each seed)",
        fontsize=TITLE,
    )
    ax.legend(fontsize=SMALL, ncols=3)
    return fig


def draw_lambda(number: int) -> Figure:
    """Fig. 7 of STA-LSTM: accuracy over lambda 1 or 2, from the stored table."""
    from keras_skeleton.viz.attention_plots import parameter_figure

    table = pd.read_csv(ROOT / "results" / "tables" / "sta7.csv", dtype={"all_clips_seeds": str})
    table = table[(table["dataset"] == "synthetic") & table["all_clips"].notna()]
    table = table[table["row"].str.contains(f"lambda {number}")]
    weights = table["row"].str.rsplit(" ", n=1).str[1].astype(float)
    (model,), (seeds,) = table["model"].unique(), table["all_clips_seeds"].unique()
    return parameter_figure(
        {f"last weights, seed {seeds}": dict(zip(weights, table["all_clips"] / 100, strict=True))},
        f"lambda {number}",
        f"{model} on synthetic, cs, recipe tuned",
    )


def draw_lambda1_joints(data: Path | None) -> Figure:
    """Fig. 8 of STA-LSTM: mean attention to joints, by lambda 1."""
    from keras_skeleton.datasets.synthetic.dataset import make_clips
    from keras_skeleton.viz.attention_plots import engaged_joints_figure

    table, about = pd.read_csv(LAMBDAS / "joints.csv"), read_about()
    chosen = table["lambda1"].isin([table["lambda1"].min(), MIDDLE, table["lambda1"].max()])
    pose = next(clip.joints[0] for clip in make_clips() if len(clip.joints[0]) == 2)
    return engaged_joints_figure(
        {
            f"$\\lambda_1$ = {weight:g}": own["attention"].to_numpy()
            for weight, own in table[chosen].groupby("lambda1")
        },
        pose,
        "kinect_v2",
        f"sa_lstm on synthetic, recipe tuned, seed {about['seed']}: "
        f"mean over {about['clips']} test clips",
    )


def draw_lambda2_frames(data: Path | None) -> Figure:
    """Fig. 9 of STA-LSTM: attention to the frames of one class, by lambda 2."""
    from keras_skeleton.viz.attention_plots import frame_curves_figure

    table, about = pd.read_csv(LAMBDAS / "frames.csv"), read_about()
    return frame_curves_figure(
        {
            f"$\\lambda_2$ = {weight:g}": own["attention"].to_numpy()
            for weight, own in table.groupby("lambda2")
        },
        f"ta_lstm on synthetic, recipe tuned, seed {about['seed']}: '{about['class']}', "
        f"mean of {about['clips_of_the_class']} test clips",
        "frame (clips resized to their mean length)",
    )


def read_about() -> dict[str, Any]:
    """What `docs/measure_lambdas.py` measured."""
    return json.loads((LAMBDAS / "about.json").read_text("utf-8"))


def draw_confusion(data: Path | None) -> Figure:
    """Fig. 3 of CSTA-CNN: a confusion matrix, of the pretrained network on N-UCLA."""
    from keras_skeleton.datasets.registry import load_dataset
    from keras_skeleton.evaluation.scores import confusion_matrix
    from keras_skeleton.viz.accuracy_plots import confusion_figure
    from keras_skeleton.zoo.load import on_dataset
    from keras_skeleton.zoo.recognizers import load_recognizer

    network = load_recognizer(CONFUSION)
    dataset = load_dataset("nucla", data, **network.about["options"])
    recognizer = on_dataset(network, dataset)
    labels = dataset.labels[recognizer.test]
    predicted = recognizer.logits(recognizer.test).argmax(axis=-1)
    accuracy = 100 * float((labels == predicted).mean())
    return confusion_figure(
        confusion_matrix(labels, predicted, len(dataset.classes)),
        dataset.classes,
        f"N-UCLA, cv: {CONFUSION}, accuracy {accuracy:.1f} %",
    )


FIGURES: dict[str, tuple[str, Callable[[Path | None], Figure]]] = {
    "gain": ("sta_fig6", draw_gain),
    "weights": ("pose_fig4", draw_weights),
    "lambda1": ("sta_fig7a", lambda data: draw_lambda(1)),
    "lambda2": ("sta_fig7b", lambda data: draw_lambda(2)),
    "lambda1_joints": ("sta_fig8_lambda1", draw_lambda1_joints),
    "lambda2_frames": ("sta_fig9_lambda2", draw_lambda2_frames),
    "confusion": ("csta_fig3", draw_confusion),
}
NEEDS_DATA = ("confusion",)


def outdated() -> list[str]:
    """Pictures that differ from those in the notebooks."""
    paths = {name: GALLERY / f"{name}.png" for name in NOTEBOOKS}
    return [
        name
        for name, stored in NOTEBOOKS.items()
        if not paths[name].is_file() or paths[name].read_bytes() != picture_of(stored)
    ]


def main() -> None:
    """Draws the pictures that are named, or all that need no data."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"any of {', '.join(FIGURES)}")
    parser.add_argument("--data-dir", type=Path, help="folder of N-UCLA, for confusion")
    parser.add_argument("--check", action="store_true", help="only compare with the notebooks")
    args = parser.parse_args()
    if unknown := [name for name in args.names if name not in FIGURES]:
        parser.error(f"no picture {', '.join(unknown)}; choose from {', '.join(FIGURES)}")
    if args.check:
        if found := outdated():
            sys.exit(f"outdated: {', '.join(found)}; run python docs/draw_gallery.py")
        return
    GALLERY.mkdir(parents=True, exist_ok=True)
    for name in args.names or [name for name in FIGURES if name not in NEEDS_DATA]:
        file, draw = FIGURES[name]
        save_figure(draw(args.data_dir), GALLERY / f"{file}.png")
    if not args.names:
        for name, stored in NOTEBOOKS.items():
            (GALLERY / f"{name}.png").write_bytes(picture_of(stored))


if __name__ == "__main__":
    main()
