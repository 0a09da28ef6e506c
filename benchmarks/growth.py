"""Measure the growth of cost with file size, number of clips, T, B, V and length of streams.

    python benchmarks/growth.py --out results/benchmarks/growth    growth.csv and growth.png
    python benchmarks/growth.py --quick                            few points, as a test

Measurements, in milliseconds:

    reading     parsing one NTU RGB+D file, by its size; preparing a store in one process, by the
                number of files (generated files of one person, about 300 kB)
    loading     opening a store, and then copying each of its clips once in random order, by the
                number of clips (synthetic; in the page cache)
    detection   the attention curve (TAP-LSTM, unidirectional) and the classification of candidates
                by STA-LSTM, by the length of the recording; see detect_stream.py
    training    one training step on random clips of two bodies with the recipe for NTU RGB+D, by
                T, B and V, with the other two at T = 100, B = 32, V = 25. The input of MANs is an
                image of 50 x 50, which has no T and V

Every curve has its own process (for detection, every point). Its points are measured alternately
in each round, so that other load affects all points; the first round is not counted. A point is
the median of the rounds; `low` and `high` are the minimum and maximum.

The exponent is the slope of a least-squares line through the upper half of a curve in logarithmic
coordinates: 1 means proportional cost, 0 constant cost. The lower half is excluded, since fixed
costs dominate there.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import detect_stream
import numpy as np
import pandas as pd
from measuring import in_own_process, machine
from read_ntu import generate

CLASSES, BODIES = 60, 2
BASE = {"T": 100, "B": 32, "V": 25}
ROUNDS = {"reading": 5, "loading": 7, "detection": 3, "training": 5}
FRAMES = (25, 50, 100, 200, 400, 800, 1600)  # in a file of one person; 2.8 kB per frame
FILES = (50, 100, 200, 400, 800, 1600)
CLIPS = (500, 1000, 2000, 4000, 8000)
MINUTES = (3, 6, 12, 24, 48)
COLUMNS = ("what", "network", "axis", "value", "ms", "low", "high")


class Sweep(NamedTuple):
    """A sweep measured by one process: a training step of `network` over values of an axis."""

    network: str
    axis: str
    values: tuple[int, ...]


TRAINING = (
    Sweep("sta_lstm", "T", (25, 50, 100, 200, 400)),
    Sweep("csta_cnn", "T", (50, 100, 200, 400, 800)),
    Sweep("mans9", "B", (8, 16, 32, 64, 128)),
    Sweep("sta_lstm", "B", (8, 16, 32, 64, 128, 256)),
    Sweep("csta_cnn", "B", (8, 16, 32, 64, 128, 256)),
    Sweep("sta_lstm", "V", (13, 25, 50, 100, 200)),
    Sweep("csta_cnn", "V", (13, 25, 50, 100, 200)),
)

Row = dict[str, Any]
Curve = tuple[str, str, str]
"""What, network and axis."""


def in_turn(steps: dict[float, Callable[[], object]], rounds: int) -> dict[float, list[float]]:
    """Milliseconds of every step, measured alternately; the first round is not counted."""
    spent: dict[float, list[float]] = {value: [] for value in steps}
    for turn in range(rounds + 1):
        for value, step in steps.items():
            start = time.perf_counter()
            step()
            if turn:
                spent[value].append(1e3 * (time.perf_counter() - start))
    return spent


def rows(what: str, network: str, axis: str, spent: dict[float, list[float]]) -> list[Row]:
    """The points of a curve."""
    return [
        dict(zip(COLUMNS, (what, network, axis, value, middle, min(ms), max(ms)), strict=True))
        for value, ms in spent.items()
        for middle in [statistics.median(ms)]
    ]


def reading(rounds: int, quick: bool) -> list[Row]:
    """Parsing files, and preparing a store."""
    from keras_skeleton.datasets import ntu
    from keras_skeleton.datasets.formats.ntu_text import parse_skeleton
    from keras_skeleton.datasets.store import StoreWriter

    def prepare(paths: list[Path], folder: Path) -> None:
        with StoreWriter(folder, "kinect_v2", ntu.CLASSES) as writer:
            for clip in ntu.read_clips(paths, processes=1):
                if clip.frames is not None:
                    writer.add(clip.frames, name=Path(clip.path).stem)

    with TemporaryDirectory() as name:
        folder = Path(name)
        texts = {}
        for T in FRAMES[:3] if quick else FRAMES:
            generate(folder / str(T), 1, T)
            texts[T] = next((folder / str(T)).iterdir()).read_bytes()
        parsed = in_turn(
            {round(len(text) / 1e3, 1): partial(parse_skeleton, text) for text in texts.values()},
            3 * rounds,
        )
        generate(folder / "files", 30)
        paths = sorted((folder / "files").iterdir())
        steps: dict[float, Callable[[], object]] = {
            n: partial(prepare, (paths * n)[:n], folder / f"store{n}")
            for n in (FILES[:3] if quick else FILES)
        }
        prepared = in_turn(steps, rounds)
    return [
        *rows("reading a file", "", "file, kB", parsed),
        *rows("files to a store", "", "clips", prepared),
    ]


def loading(rounds: int, quick: bool) -> list[Row]:
    """Opening a store, and copying every clip once."""
    from keras_skeleton import load_dataset
    from keras_skeleton.datasets.store import StoreWriter, open_store

    given = load_dataset("synthetic")
    with TemporaryDirectory() as name:
        folders = {n: Path(name) / str(n) for n in (CLIPS[:3] if quick else CLIPS)}
        for n, folder in folders.items():
            with StoreWriter(folder, given.skeleton.name, given.classes) as writer:
                for i in range(n):
                    k = i % len(given)
                    bodies = int(given.samples["bodies"].iloc[k])
                    writer.add(given.clip(k)[:, :bodies], name=str(i), label=int(given.labels[k]))
        opening: dict[float, list[float]] = {n: [] for n in folders}
        copying: dict[float, list[float]] = {n: [] for n in folders}
        for turn in range(rounds + 1):
            for n, folder in folders.items():
                order = np.random.default_rng(turn).permutation(n)
                start = time.perf_counter()
                dataset = open_store(folder, "many", {})
                opened = time.perf_counter()
                for i in order:
                    dataset.clip(i).copy()
                end = time.perf_counter()
                if turn:
                    opening[n].append(1e3 * (opened - start))
                    copying[n].append(1e3 * (end - opened))
                del dataset  # unmapping takes time as well
    return [
        *rows("opening a store", "", "clips", opening),
        *rows("copying its clips", "", "clips", copying),
    ]


def detection(minutes: int, rounds: int) -> list[Row]:
    """Detection in a recording of the given length."""
    with TemporaryDirectory() as name:
        spent = detect_stream.measure(*detect_stream.stream(Path(name), minutes), rounds)
    found = []
    for what, network, key in (
        ("attention curve", "tap_lstm", "curve, forwards"),
        ("classification", "sta_lstm", "classification"),
    ):
        ms = {float(minutes): [1e3 * seconds for seconds in spent[key]]}
        found += rows(what, network, "recording, minutes", ms)
    return found


def step(network: str, T: int, B: int, V: int) -> Callable[[], object]:
    """One training step on fixed random clips."""
    import keras
    import tensorflow as tf

    from keras_skeleton.models.csta_cnn import csta_cnn
    from keras_skeleton.models.mans import mans
    from keras_skeleton.models.sta_lstm import sta_lstm
    from keras_skeleton.recipes.registry import get_recipe
    from keras_skeleton.training.trainer import Trainer

    recipe = replace(get_recipe(network, "ntu"), augment=(), stages=(), batch_size=B)
    builders: dict[str, Callable[..., keras.Model]] = {
        "mans9": partial(mans, "mans9", CLASSES),
        "sta_lstm": partial(sta_lstm, "sta_lstm", BODIES * V, CLASSES, T),
        "csta_cnn": partial(csta_cnn, "csta_cnn", V, CLASSES, T, BODIES),
    }
    trainer = Trainer(partial(builders[network], **recipe.model), recipe)
    random = np.random.default_rng(0)
    x = random.normal(size=(B, *trainer.model.input.shape[1:])).astype(np.float32)
    y = random.integers(CLASSES, size=B)
    return partial(trainer.training_model.train_on_batch, tf.constant(x), tf.constant(y))


def training(sweep: Sweep, rounds: int) -> list[Row]:
    """Training steps over one axis."""
    steps: dict[float, Callable[[], object]] = {
        value: step(sweep.network, **BASE | {sweep.axis: value}) for value in sweep.values
    }
    return rows("training step", sweep.network, sweep.axis, in_turn(steps, rounds))


def measured(quick: bool) -> pd.DataFrame:
    """Measures all points."""
    rounds = dict.fromkeys(ROUNDS, 1) if quick else ROUNDS
    orders: list[tuple[Any, ...]] = [("reading",), ("loading",)]
    orders += [("detection", minutes) for minutes in (MINUTES[:2] if quick else MINUTES)]
    orders += [("training", i) for i in range(len(TRAINING))]
    found: list[Row] = []
    for order in orders:
        print(*order, file=sys.stderr, flush=True)
        found += in_own_process(__file__, rounds[order[0]], int(quick), *order)
    return pd.DataFrame(found, columns=list(COLUMNS))


def measure(rounds: int, quick: bool, what: str, number: int = 0) -> list[Row]:
    """The work of one process of `measured`."""
    if what == "detection":
        return detection(number, rounds)
    if what == "training":
        sweep = TRAINING[number]
        return training(sweep._replace(values=sweep.values[:3]) if quick else sweep, rounds)
    return {"reading": reading, "loading": loading}[what](rounds, quick)


def curves(table: pd.DataFrame) -> Iterator[tuple[Curve, pd.DataFrame]]:
    """The curves, in the order of measurement."""
    for key, own in table.groupby(["what", "network", "axis"], sort=False):
        yield key, own.sort_values("value")


def exponent(own: pd.DataFrame) -> float:
    """Slope of the upper half of a curve in logarithmic coordinates."""
    upper = own.iloc[min(len(own) // 2, len(own) - 2) :]
    return float(np.polyfit(np.log(upper["value"]), np.log(upper["ms"]), 1)[0])


def draw(table: pd.DataFrame, title: str) -> Any:
    """Draws a figure with one panel per axis."""
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

    from keras_skeleton.viz.style import COLOURS, SMALL, TITLE, WIDTH

    axes_of = {  # axis: panel title and axis label
        "file, kB": ("reading a file", "size of the file (kB)"),
        "clips": ("reading and loading clips", "number of clips"),
        "recording, minutes": ("detection", "length of the recording (minutes)"),
        "T": ("training step by T", "T, frames per clip"),
        "B": ("training step by B", "B, clips per batch"),
        "V": ("training step by V", "V, joints per body"),
    }
    colour_of = {"mans9": 3, "sta_lstm": 1, "csta_cnn": 2}
    fig = Figure(figsize=(WIDTH, 6.4), layout="constrained")
    panels = dict(zip(axes_of, fig.subplots(2, 3).flat, strict=True))
    for axis, panel in panels.items():
        heading, label = axes_of[axis]
        own = [(key, points) for key, points in curves(table) if key[2] == axis]
        key = []
        for i, ((what, network, _), points) in enumerate(own):
            trains = what == "training step"
            name = network if trains else what
            colour, marker = COLOURS[colour_of[network] if trains else i], "osD"[i]
            x, ms = points["value"].to_numpy(float), points["ms"].to_numpy(float)
            spread = [ms - points["low"], points["high"] - ms]
            panel.errorbar(x, ms, spread, color=colour, marker=marker, markersize=4, linewidth=1.6)
            panel.plot(x, ms[-1] * x / x[-1], "--", color=colour, linewidth=1, alpha=0.6)
            key.append(Line2D([], [], color=colour, marker=marker, markersize=4, label=name))
        both = pd.concat([points for _, points in own])
        ticks = np.unique(both["value"])
        panel.set_xscale("log")
        panel.set_yscale("log")
        low, high = both["low"].min() / 1.3, both["high"].max() * 1.3
        panel.set_ylim(low, high * (high / low) ** (0.14 * len(key)))  # room for the legend
        shown = [ticks[0]]
        for x in ticks[1:]:  # each label needs a fifth of the axis
            if x / shown[-1] > (ticks[-1] / ticks[0]) ** 0.19:
                shown.append(x)
        panel.set_xticks(shown, [f"{x:,.0f}" for x in shown])
        panel.set_xticks([], minor=True)
        panel.set_title(heading, fontsize=TITLE - 1)
        panel.set_xlabel(label, fontsize=SMALL)
        panel.set_ylabel("time (ms)", fontsize=SMALL)
        panel.tick_params(labelsize=SMALL)
        panel.spines[["top", "right"]].set_visible(False)
        panel.grid(which="major", color="0.9", linewidth=0.8)
        panel.set_axisbelow(True)
        if len(key) > 1:
            panel.legend(handles=key, fontsize=SMALL, frameon=False, loc="upper left")
    fig.suptitle(title, fontsize=SMALL)
    return fig


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--out", type=Path, help="write growth.csv and growth.png to this folder")
    parser.add_argument("--quick", action="store_true", help="measure few points in one round")
    parser.add_argument("--measure", nargs="+", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure:
        rounds, quick, what, *number = arguments.measure
        print(json.dumps(measure(int(rounds), quick == "1", what, *map(int, number))))
        return

    table = measured(arguments.quick)
    if arguments.out:
        from keras_skeleton.viz.style import save_figure

        arguments.out.mkdir(parents=True, exist_ok=True)
        table.round(4).to_csv(arguments.out / "growth.csv", index=False, lineterminator="\n")
        title = "Cost by size; dashed: proportional growth (slope 1)"
        save_figure(draw(table, title), arguments.out / "growth.png")
    print(machine("tensorflow", "keras"))
    print("\n| what | network | over | from | to | exponent |")
    print("|---|---|---|---|---|---|")
    for (what, network, axis), own in curves(table):
        first, last = own["value"].iloc[[0, -1]]
        print(
            f"| {what} | {network or '-'} | {axis} | {first:,.0f} | {last:,.0f} "
            f"| {exponent(own):.2f} |"
        )


if __name__ == "__main__":
    main()
