"""Writes the tables of results in the documentation from what is stored in the repository.

    python docs/generate_results.py            write docs/_generated/*.md and README's table
    python docs/generate_results.py --check    exit with status 1 if a committed file differs

Reads `results/` and `weights/zoo.json`; needs neither TensorFlow nor data.
`results/tables/NAME.csv` (written by the `reproduce` command) lists the rows of a table and the
runs behind them; the numbers come from those runs' `metrics.json` or `scores.csv`. If the two
disagree, nothing is written.
"""

from __future__ import annotations

import argparse
import json
import math
import re
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

ROOT = Path(__file__).resolve().parents[1]
OUT = "docs/_generated"
BEGIN, END = "<!-- results: begin -->", "<!-- results: end -->"

DATASETS = {
    "ntu": "NTU RGB+D",
    "hdm05": "HDM05",
    "sysu3d": "SYSU-3D",
    "ut_kinect": "UT-Kinect",
    "sbu": "SBU",
    "nucla": "N-UCLA",
    "uestc": "UESTC",
    "pku_mmd": "PKU-MMD",
    "synthetic": "synthetic",
    "film": "UT-Kinect and N-UCLA",
}
HERE = ("ut_kinect", "sbu", "nucla")  # real data with a table of all networks
RULES = {  # heading: keys in metrics.json, the newest first
    "selected on validation clips": ("accuracy",),
    "last epoch": ("accuracy_last",),
    "best epoch on test clips": ("best_test_accuracy", "accuracy_paper"),
}
SELECTED, LAST, BEST = RULES
ALL = "all training clips, last weights"  # accuracies of runs of their own
COLUMNS = (ALL, *RULES)
HELD_OUT = " †"  # marks a best epoch of runs that hold validation clips out
NOT_RUN = "not run"
CHOSEN = (
    "Validation clips are held out of the training clips, except in the column *all training "
    "clips, last weights*, whose weights are averaged over the last fifth of the epochs. *Best "
    "epoch on test clips* is the papers' convention and too high by construction"
)
CHOSEN_BEST = f"{CHOSEN}; those marked{HELD_OUT} are of runs with validation clips held out"
CHOSEN_HELD_OUT = "Validation clips are held out of the training clips"
THETAS = (0.1, 0.3, 0.5, 0.7)
ACCURACY = "Test accuracy in percent"
# What a page is made from, and its text.
Page = tuple[str, str]


class StoredResultsError(Exception):
    """Stored results that are missing or contradict each other."""


# --- Reading what is stored ---------------------------------------------------------------------


def stored(*places: str) -> Path:
    """The first of several places, relative to `results/`, that exists."""
    for place in places:
        if (path := ROOT / "results" / place).exists():
            return path
    raise StoredResultsError(f"results/ has none of: {', '.join(places)}")


@cache
def run(name: str) -> dict[str, Any]:
    """A stored run's metrics.json, or a detection's run.json."""
    folder = stored(f"runs/{name}", name)
    for file in ("metrics.json", "run.json"):
        if (folder / file).exists():
            return dict(json.loads((folder / file).read_text("utf-8")))
    raise StoredResultsError(f"{folder} has neither metrics.json nor run.json")


def run_csv(name: str, file: str, **options: Any) -> pd.DataFrame:
    """A CSV file of a stored run."""
    return pd.read_csv(stored(f"runs/{name}/{file}", f"{name}/{file}"), **options)


def first(place: Mapping[str, Any], keys: Sequence[str]) -> Any:
    """The value of the first key that is there; None if there is none."""
    return next((place[key] for key in keys if key in place), None)


@dataclass(frozen=True)
class Row:
    """One row of results/tables/NAME.csv with the runs behind it.

    Attributes:
        name: As the paper calls it.
        model, stage, dataset, protocol, recipe: What was trained; of a detection, `stage` is the
            method.
        paper: The printed figure, or None.
        overlap: Of a detection, the least overlap.
        runs: Folders of the runs, one a seed; validation clips were held out.
        all_runs: The same of the runs on all training clips.
    """

    name: str
    model: str
    stage: str
    dataset: str
    protocol: str
    recipe: str
    paper: float | None
    overlap: float | None
    runs: tuple[str, ...]
    all_runs: tuple[str, ...] = ()

    @property
    def place(self) -> str:
        """Dataset and protocol, for people."""
        return f"{DATASETS[self.dataset]}, `{self.protocol}`"

    @property
    def seeds(self) -> list[int]:
        """Of the runs."""
        return sorted(run(name)["seed"] for name in self.runs or self.all_runs)

    def cell(self, rule: str, form: Callable[[Sequence[float]], str] | None = None) -> str:
        """What a table shows in a column of `COLUMNS`; the best epoch is preferably that of runs
        on all training clips."""
        everything = rule == ALL or (rule == BEST and bool(self.all_runs))
        if not (self.all_runs if everything else self.runs):
            return NOT_RUN
        values = self.values(rule, everything)
        mark = HELD_OUT if rule == BEST and not everything and values else ""
        return (form or spread)(values) + mark

    def values(self, rule: str, everything: bool = False) -> list[float]:
        """Accuracy in percent of each run, or with `everything` of each run on all training
        clips; empty if one run has none."""
        found = []
        for name in self.all_runs if everything else self.runs:
            about = run(name)
            places = [about]
            if self.stage:
                stages = [s for fold in about["folds"] for s in fold.get("stages", [])]
                places = [stage for stage in stages if stage["name"] == self.stage]
                if len(places) != about["folds_total"]:
                    raise StoredResultsError(f"{name} lacks stage {self.stage}")
            own = [first(place, RULES.get(rule, RULES[SELECTED])) for place in places]
            if None in own:
                return []
            found.append(100 * float(np.mean(own)))
        return found

    def batches(self) -> int:
        """Batches that one fold of the first run trained on, over all stages up to this one."""
        about = run([*self.runs, *self.all_runs][0])
        recipe = about["settings"] if "settings" in about else about["recipe"]
        fold = about["folds"][0]
        clips, size = fold["clips"]["train"], recipe["batch_size"]
        stages = {stage["name"]: stage for stage in recipe.get("stages", [])}
        if not stages:
            return fold["epochs"] * math.ceil(clips / size)
        wanted, todo = set(), [self.stage or list(stages)[-1]]
        while todo:  # a stage and those it takes weights from
            wanted.add(name := todo.pop())
            todo += [earlier for earlier, _ in stages[name].get("take", [])]
        return sum(
            stages[name].get("iterations", 0)
            or stages[name]["epochs"]
            * math.ceil(clips / stages[name].get("recipe", {}).get("batch_size", size))
            for name in wanted
        )


@cache
def read_table(name: str) -> tuple[Row, ...]:
    """The rows of results/tables/NAME.csv, compared with the runs that they name."""
    path = stored(f"tables/{name}.csv")
    rows = []
    for found in pd.read_csv(path, dtype={"results": str}).to_dict("records"):
        about: dict[str, Any] = {
            str(key): None if pd.isna(value) else value for key, value in found.items()
        }
        row = Row(
            name=about["row"],
            model=about["model"],
            stage=about["stage"] or "",
            dataset=about["dataset"],
            protocol=str(about["protocol"]),
            recipe=about["recipe"],
            paper=about["paper"],
            overlap=about["overlap"],
            runs=tuple((about["results"] or "").split()),
            all_runs=tuple((about.get("all_clips_results") or "").split()),
        )
        if row.overlap is None and row.runs:
            _compare(path, row, about, SELECTED, ("selected", "validation"))
            _compare(path, row, about, BEST, ("best_test_accuracy", "best_test", "convention"))
        if row.all_runs:
            _compare(path, row, about, ALL, ("all_clips",))
        rows.append(row)
    return tuple(rows)


def _compare(
    path: Path, row: Row, about: Mapping[str, Any], rule: str, columns: Sequence[str]
) -> None:
    shown, values = first(about, columns), row.values(rule, rule == ALL)
    if shown is not None and values and abs(shown - np.mean(values)) > 0.01:
        raise StoredResultsError(
            f"{path.name}, {row.name} on {row.dataset}: {rule} is {shown}, "
            f"but {np.mean(values):.4f} in the runs"
        )


# --- Markdown -----------------------------------------------------------------------------------

NUMBER = re.compile(r"[-+]?[\d.,]+( ± [\d.]+)?( †)?( \(\d\)| \[.*\])?|-|not run|")


def grid(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table; columns of numbers are aligned to the right."""
    body = [list(row) for row in rows]
    if not body:
        raise StoredResultsError(f"no rows for the table of {', '.join(header)}")
    marks = [
        "---:" if k and all(NUMBER.fullmatch(row[k]) for row in body) else "---"
        for k in range(len(header))
    ]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in [list(header), marks, *body])


def spread(values: Sequence[float], form: str = "{:.1f}") -> str:
    """Mean ± standard deviation; the mean alone of one value, a dash of none."""
    if not len(values):
        return "-"
    shown = [np.mean(values), *([np.std(values)] if len(values) > 1 else [])]
    return " ± ".join(form.format(value) for value in shown)


def printed_figure(value: float | None, digits: int | None = 1) -> str:
    """A figure of a paper; as few digits as it needs if `digits` is None."""
    if value is None:
        return ""
    return f"{value:g}" if digits is None else f"{value:.{1 if value == 100 else digits}f}"


def capital(text: str) -> str:
    """With a capital first letter."""
    return text[0].upper() + text[1:]


def averaged(rows: Sequence[Row]) -> str:
    """`mean ± standard deviation over seeds ...`, with the recipe if it is one for all rows."""
    seeds = max((row.seeds for row in rows), key=len)
    text = f"seed {seeds[0]}"
    if len(seeds) > 1:
        text = f"mean ± standard deviation over seeds {', '.join(map(str, seeds))}"
    if any(row.seeds != seeds for row in rows):
        text += " (in brackets their number where there are fewer)"
    if any(run(name)["folds_total"] > 1 for row in rows for name in (*row.runs, *row.all_runs)):
        text += ", each a mean over the folds"
    recipes = dict.fromkeys(row.recipe for row in rows)
    return f"{text}; recipe `{next(iter(recipes))}`" if len(recipes) == 1 else text


# --- Recognition --------------------------------------------------------------------------------


def ours(rows: Sequence[Row], source: str) -> Page:
    """Our figures of all rows that were run, beside the paper's."""
    rows = [row for row in rows if row.runs or row.all_runs]
    places = dict.fromkeys(row.place for row in rows)
    most = max(len(own) for row in rows for own in (row.runs, row.all_runs))
    optional = {
        "dataset, protocol": len(places) > 1,
        "recipe": len({row.recipe for row in rows}) > 1,
        "paper": any(row.paper is not None for row in rows),
    }
    body = []
    for row in rows:
        cells = {
            "network": row.name,
            "dataset, protocol": row.place,
            "recipe": f"`{row.recipe}`",
            **{rule: row.cell(rule) for rule in COLUMNS},
            "paper": printed_figure(row.paper),
            "batches": f"{row.batches():,}",
        }
        best = row.all_runs or row.runs  # as in `Row.cell`
        for rule, own in ((ALL, row.all_runs), (SELECTED, row.runs), (BEST, best)):
            if 0 < len(own) < most:
                cells[rule] += f" ({len(own)})"
        body.append({key: cells[key] for key in cells if optional.get(key, True)})
    note = (
        f"{ACCURACY}, {averaged(rows)}. {CHOSEN_BEST}. *Batches*: training steps of one fold, all "
        "stages together."
    )
    if len(places) == 1:
        note = f"{capital(rows[0].place)}. {note}"
    runs = f"results/tables/{source}.csv and the runs that it names"
    return runs, f"{note}\n\n{grid(list(body[0]), [list(cells.values()) for cells in body])}"


def our_page(name: str, only: Sequence[str] = tuple(DATASETS)) -> Page:
    """Our rows of a table of results/tables, on some datasets."""
    return ours([row for row in read_table(name) if row.dataset in only], name)


def paper_page(name: str, digits: int | None) -> Page:
    """The paper's table alone: a line a row, a column a dataset and protocol."""
    rows = [row for row in read_table(name) if row.paper is not None]
    found = {(row.name, row.dataset, row.protocol, row.overlap): row.paper for row in rows}

    def table(first_heading: str, columns: Mapping[str, tuple[str, str, float | None]]) -> str:
        body = [
            [of, *(printed_figure(found.get((of, *key)), digits) for key in columns.values())]
            for of in dict.fromkeys(row.name for row in rows)
        ]
        return grid([first_heading, *columns], body)

    places = {f"{DATASETS[r.dataset]} `{r.protocol}`": (r.dataset, r.protocol) for r in rows}
    if rows[0].overlap:  # one table a protocol
        tables = [
            table(title, {f"{r.overlap:g}": (*place, r.overlap) for r in rows
                          if (r.dataset, r.protocol) == place})
            for title, place in places.items()
        ]  # fmt: skip
    else:
        datasets = [dataset for dataset, _ in places.values()]
        columns: dict[str, tuple[str, str, float | None]] = {}
        for title, place in places.items():  # short: a protocol only where there are several
            short = (
                title.replace(" RGB+D", "") if datasets.count(place[0]) > 1 else title.split()[0]
            )
            columns[short] = (*place, None)
        tables = [table("network", columns)]
    done = {row.dataset for row in rows if row.runs or row.all_runs}
    missing = dict.fromkeys(DATASETS[row.dataset] for row in rows if row.dataset not in done)
    note = f"As printed in the paper. Not run here: {', '.join(missing)}." if missing else ""
    return f"results/tables/{name}.csv", "\n\n".join([note, *tables])


MAIN = [  # table, row, dataset, protocol, recipe
    ("mans5", "MANs-9", "ut_kinect", "loocv", "paper"),
    ("mans5", "MANs-9", "ut_kinect", "loocv", "tuned"),
    ("ut_kinect", "MANs-9", "ut_kinect", "cs", "paper"),
    ("ut_kinect", "LSTM", "ut_kinect", "cs", "paper"),
    ("ut_kinect", "STA-LSTM", "ut_kinect", "cs", "paper"),
    ("ut_kinect", "CSTA-CNN", "ut_kinect", "cs", "paper"),
    ("sta1", "LSTM", "sbu", "5fold", "paper"),
    ("sta1", "STA-LSTM", "sbu", "5fold", "paper"),
    ("sta1", "LSTM", "sbu", "5fold", "tuned"),
    ("sta1", "STA-LSTM", "sbu", "5fold", "tuned"),
    ("sbu", "CSTA-CNN", "sbu", "5fold", "paper"),
    ("nucla", "LSTM", "nucla", "cv", "paper"),
    ("nucla", "STA-LSTM", "nucla", "cv", "paper"),
    ("nucla", "CSTA-CNN", "nucla", "cv", "paper"),
    ("synthetic", "MANs-9", "synthetic", "cs", "paper"),
    ("synthetic", "STA-LSTM", "synthetic", "cs", "tuned"),
    ("pose1", "sum+attention", "synthetic", "cs", "paper"),
]


def main_row(table: str, *wanted: str) -> Row:
    """One row of `MAIN`."""
    for row in read_table(table):
        if (row.name, row.dataset, row.protocol, row.recipe) == wanted and row.runs:
            return row
    raise StoredResultsError(f"{table}.csv has no runs for {wanted}")


def main_results() -> Page:
    """The one table of README."""

    def mean(values: Sequence[float]) -> str:
        return f"{np.mean(values):.1f}"

    rows = [main_row(*wanted) for wanted in MAIN]
    if any(row.seeds != [0, 100, 200] for row in rows):
        raise StoredResultsError("README's table is of the seeds 0, 100 and 200")
    body = [
        [
            f"`{row.model}`",
            row.place if row.model != "pose_i3d" else row.place.replace(",", " video,"),
            f"`{row.recipe}`",
            row.cell(ALL) + _few(row.all_runs),
            row.cell(SELECTED),
            row.cell(LAST, mean),
            row.cell(BEST, mean) + _few(row.all_runs),
            printed_figure(row.paper),
        ]
        for row in rows
    ]
    note = (
        f"{ACCURACY}, mean over folds and seeds (0, 100, 200), ± standard deviation over seeds. "
        f"{CHOSEN_BEST}."
    )
    table = grid(["model", "dataset, protocol", "recipe", *COLUMNS, "paper"], body)
    return "results/tables/*.csv and the runs that they name", f"{note}\n\n{table}"


def _few(runs: Sequence[str]) -> str:
    """The number of runs in brackets, if there are fewer than three."""
    return f" ({len(runs)})" if 0 < len(runs) < 3 else ""


def networks() -> Page:
    """All networks on all real datasets that are here: on all training clips, and selected on
    validation clips."""
    tables = [[row for row in read_table(name) if row.recipe == _shown(row)] for name in HERE]
    body = []
    for rows in zip(*tables, strict=True):
        if len({row.name for row in rows}) != 1:
            raise StoredResultsError(f"the tables {HERE} list other networks")
        cells = [
            f"{row.cell(ALL)}{_few(row.all_runs)} / {row.cell(SELECTED)}{_few(row.runs)}"
            if row.runs or row.all_runs
            else NOT_RUN
            for row in rows
        ]
        body.append([rows[0].name, *cells])
    note = (
        f"{ACCURACY}, *{ALL}* / *{SELECTED}*: mean ± standard deviation over seeds 0, 100, 200; "
        "in brackets the number of seeds where there are fewer. Recipe `paper`; the LSTM family "
        "on SBU by `tuned`."
    )
    header = ["network", *(rows[0].place for rows in tables)]
    return f"results/tables/{{{','.join(HERE)}}}.csv", f"{note}\n\n{grid(header, body)}"


def _shown(row: Row) -> str:
    """The recipe of a row's network in `networks`."""
    return "tuned" if "LSTM" in row.name and row.dataset == "sbu" else "paper"


def copies() -> Page:
    """Accuracies on random copies of the test clips, of the runs on all training clips."""
    body = []
    for row in (row for name in ("mans5", *HERE) for row in read_table(name) if not row.stage):
        runs = [run(name) for name in row.all_runs if "accuracy_copies" in run(name)]
        if runs:
            each = [[100 * about[key] for about in runs] for key in ("accuracy", "accuracy_copies")]
            seeds = " ".join(str(about["seed"]) for about in runs)
            count = runs[0]["settings"]["test_copies"]
            cells = (row.name, row.place, f"`{row.recipe}`", *map(spread, each), f"{count}", seeds)
            body.append(list(cells))
    note = f"{ACCURACY}, {ALL}, mean over folds, ± standard deviation over seeds."
    header = ["network", "dataset, protocol", "recipe", "the clip itself", "its random copies",
              "copies", "seeds"]  # fmt: skip
    return "the runs that results/tables/*.csv name", f"{note}\n\n{grid(header, body)}"


def compared(name: str) -> Page:
    """Networks beside those that they are compared with, pair by pair."""
    table = pd.read_csv(stored(f"tables/{name}.csv"))

    def less(about: pd.Series, prefix: str) -> str:
        mean, low, high, pairs = (about[f"{prefix}_{x}"] for x in ("mean", "low", "high", "pairs"))
        if pd.isna(mean):
            return "-"
        interval = "" if pd.isna(low) else f" [{low:+.1f}, {high:+.1f}]"
        return f"{about['against']}: {mean:+.1f}{interval} ({pairs:.0f})"

    rows = []
    for row, (_, about) in zip(read_table(name), table.iterrows(), strict=True):
        if row.runs or row.all_runs:
            rows.append(
                [row.name, row.place, f"`{row.recipe}`", f"{row.batches():,}", row.cell(ALL),
                 less(about, "all_clips_less"), row.cell(SELECTED), less(about, "less")]
            )  # fmt: skip
    note = (
        f"{ACCURACY}, means ± standard deviations over seeds, each a mean over the folds. *"
        "Difference*: of the named network less the row's, mean over all "
        "pairs of a fold and a seed, with its 95 % interval and the number of pairs; those of one "
        "dataset share clips, so the interval is somewhat too narrow. *Batches*: of one fold."
    )
    header = ["network", "dataset, protocol", "recipe", "batches", ALL, "difference",
              SELECTED, "difference"]  # fmt: skip
    return (
        f"results/tables/{name}.csv and the runs that it names",
        f"{note}\n\n{grid(header, rows)}",
    )


def csta_datasets() -> Page:
    """The rows of CSTA-CNN's Table 3 on every real dataset that is here."""
    models = ("csta_cnn", "ta_cnn", "sa_cnn", "two_stream_cnn")
    rows = [row for name in HERE for row in read_table(name) if row.model in models]
    return ours(rows, f"{{{','.join(HERE)}}}")


def mans_loocv() -> Page:
    """How often validation and test clips are all right on UT-Kinect, leaving one sequence out."""
    rows = [row for row in read_table("mans5") if row.dataset == "ut_kinect" and row.runs]
    body = []
    for row in rows:
        folds = [fold for name in row.runs for fold in run(name)["folds"]]
        best = [first(fold, RULES[BEST]) for fold in folds]
        validation = [fold["validation_accuracy"] for fold in folds]
        counts = (f"{values.count(1.0)} of {len(folds)}" for values in (validation, best))
        body.append([f"`{row.recipe}`", *counts])
    note = (
        f"{rows[0].name}, {rows[0].place}, folds of seeds {', '.join(map(str, rows[0].seeds))}: in "
        "how many the selected epoch has 100 % on validation clips, and in how many some epoch has "
        "100 % on test clips."
    )
    header = ["recipe", "100 % on validation", "100 % on test"]
    return "results/tables/mans5.csv and the runs that it names", f"{note}\n\n{grid(header, body)}"


# --- Detection ----------------------------------------------------------------------------------


def detection_rows(dataset: str, table: str = "sta4") -> list[Row]:
    """One row a method, and for our own ones (`detection`) a protocol."""
    rows = [row for row in read_table(table) if row.dataset == dataset and row.runs]
    return [row for row in rows if row.overlap == THETAS[0]]


def own_detection(dataset: str) -> list[str]:
    """mAP and F1 of our own detectors; empty if none is stored."""
    rows, body = detection_rows(dataset, "detection"), []
    for row in rows:
        scores = [run_csv(name, "scores.csv") for name in row.runs]
        paper = [table[table["rule"] == "paper"].set_index(["method", "theta"]) for table in scores]
        for metric, title in (("map_action", "mAP"), ("f1", "F1")):
            values = (
                spread([table.loc[(row.stage, theta), metric] for table in paper], "{:.3f}")
                for theta in THETAS
            )
            body.append([row.name, f"`{row.protocol}`", title, *values, f"{len(row.runs)}"])
    if not body:
        return []
    header = ["our own", "protocol", "score", *(f"{theta:g}" for theta in THETAS), "seeds"]
    took = {row.protocol: f"{hours(row.runs)} for `{row.protocol}`" for row in rows}
    both = f"GATE-U and GATE-B together took {', '.join(took.values())}."
    return [grid(header, body), both]


def hours(names: Sequence[str]) -> str:
    """The wall-clock hours of the runs that were measured, from least to most."""
    found = sorted({f"{run(name)['hours']:.2f}" for name in names if "hours" in run(name)})
    if not found:
        return "an unknown time"
    return f"{' to '.join(dict.fromkeys((found[0], found[-1])))} h a seed"


def detection(dataset: str) -> Page:
    """Mean average precision and F1 of all methods, by the paper's Eqs. 10 to 13."""
    rows = detection_rows(dataset)
    scores = [run_csv(name, "scores.csv") for name in rows[0].runs]
    paper = [table[table["rule"] == "paper"].set_index(["method", "theta"]) for table in scores]
    grids = []
    for metric, title in (("map_action", "mAP"), ("f1", "F1")):
        body = [
            [
                row.name,
                *(
                    spread([table.loc[(row.stage, theta), metric] for table in paper], "{:.3f}")
                    for theta in THETAS
                ),
            ]
            for row in rows
        ]
        grids.append(grid([title, *(f"{theta:g}" for theta in THETAS)], body))
    note = (
        f"{capital(rows[0].place)}. Mean average precision and F1 (Eqs. 10 to 13) at four "
        f"thresholds of overlap, {averaged(rows)}. Settings of the paper's methods are chosen on "
        "validation recordings, those of GateNet on training subjects of UT-Kinect; nothing is "
        "chosen on test recordings, except for GATE-U, whose look-ahead was added after test "
        "scores on UT-Kinect had been seen. Training and detection by the paper's methods took "
        f"{hours(rows[0].runs)} on one core, beside other work."
    )
    names = [row.runs for row in (rows[0], *detection_rows(dataset, "detection"))]
    runs = ", ".join(dict.fromkeys(name for own in names for name in own))
    return f"scores.csv of {runs}", "\n\n".join([note, *grids, *own_detection(dataset)])


CURVES = {  # rows of a detection's attention.csv; `training_free.CURVES` has no seed
    "tap_u": "gate of TAP-LSTM, forwards",
    "tap_b": "gate of TAP-LSTM, both ways",
    "gate_u": "gate of GATE-U",
    "gate_b": "gate of GATE-B",
    "pose_speed": "no training: speed of the pose",
    "pose_distance": "no training: distance from the median pose",
}


def detection_attention() -> Page:
    """Whether frame gates, and curves that need no training, tell action frames from others."""
    runs: dict[str, dict[str, list[str]]] = {}  # by recordings and curve
    for dataset in ("ut_kinect", "synthetic"):
        first_row = detection_rows(dataset)[0]
        own = runs.setdefault(first_row.place, {})
        own |= {curve: [*first_row.runs] for curve in ("tap_u", "tap_b")}
        for row in detection_rows(dataset, "detection"):
            runs.setdefault(row.place, {})[row.stage] = [*row.runs]
    body: list[list[str]] = []
    sources: list[str] = []
    for place, by_curve in runs.items():
        sources += [name for names in by_curve.values() for name in names]
        one = next(iter(by_curve.values()))[:1]  # without training all seeds are the same
        for curve, title in CURVES.items():
            names = by_curve.get(curve, one if curve.startswith("pose_") else [])
            tables = [run_csv(name, "attention.csv", index_col="method") for name in names]
            values = [
                100 * table.loc[curve, "higher_in_actions"]
                for table in tables
                if curve in table.index or not curve.startswith("pose_")
            ]
            if values:
                seeds = ", ".join(f"{value:.1f}" for value in values) if len(values) > 1 else ""
                body.append([place, title, spread(values), seeds])
    note = (
        "In how many of 100 pairs of a frame inside an annotated action and one outside the value "
        "is higher inside; 50 is chance. Mean ± standard deviation over seeds 0, 100 and 200, then "
        "each of them."
    )
    table = grid(["recordings", "value", "higher inside", "seed by seed"], body)
    return f"attention.csv of {', '.join(dict.fromkeys(sources))}", f"{note}\n\n{table}"


def tap_gate() -> Page:
    """The frame gate of TAP-LSTM in the actions of each class, and between them."""
    table = pd.read_csv(stored("benchmarks/tap_gate.csv"))
    between = table["actions"].isna()
    table = pd.concat([table[~between].sort_values("mean", ascending=False), table[between]])
    body = [
        [
            row["class"] if math.isnan(row["actions"]) else f"`{row['class']}`",
            *(
                "-" if math.isnan(row[key]) else f"{row[key]:.2f}"
                for key in ("mean", "first", "last")
            ),
        ]
        for row in table.to_dict("records")
    ]
    (name,) = set(table["network"])
    note = (
        f"Frame gate of `{name}` (forwards, seed 0) in the test recordings: mean over the frames "
        "of an action, over the first and over the last fifth of them, averaged over actions."
    )
    header = ["class", "mean", "first fifth", "last fifth"]
    return "results/benchmarks/tap_gate.csv", f"{note}\n\n{grid(header, body)}"


def tap_lambda2() -> Page:
    """The choice of lambda 2 of TAP-LSTM on validation recordings."""
    table = pd.read_csv(stored("benchmarks/tap_lambda2.csv"))
    body = []
    keys = ["dataset", "protocol", "method", "lambda2"]
    for (dataset, protocol, method, value), own in table.groupby(keys, sort=False):
        body.append(
            [
                f"{DATASETS[dataset]}, `{protocol}`",
                CURVES[method].rpartition(", ")[2],
                f"{value:g}",
                spread(own["recall_validation"].tolist(), "{:.3f}"),
                spread(own["recall_test"].tolist(), "{:.3f}"),
                spread((100 * own["auc_test"]).tolist()),
                spread(own["map_0.5"].tolist(), "{:.3f}"),
                spread(own["map_m_0.5"].tolist(), "{:.3f}"),
                f"{len(own)}",
            ]
        )
    note = (
        "Recall of the proposals on validation recordings, by which lambda 2 is chosen, and what "
        "the test recordings give: recall, pairs of frames as above, and mAP at an overlap of 0.5 "
        "with one scale and with nine, by the classifier of the ready-made detector."
    )
    header = ["recordings", "direction", "lambda 2", "validation", "test", "higher inside",
              "one scale", "nine scales", "seeds"]  # fmt: skip
    return "results/benchmarks/tap_lambda2.csv", f"{note}\n\n{grid(header, body)}"


# --- Attention ----------------------------------------------------------------------------------


def read_scores() -> tuple[str, pd.DataFrame, dict[str, Any]]:
    """Where the scores of attention are, the table, and what is known of it."""
    folder = stored("attention/score", "attention_score")
    about = json.loads((folder / "attention_score.json").read_text("utf-8"))
    place = folder.relative_to(ROOT) / "attention_score.csv"
    return place.as_posix(), pd.read_csv(ROOT / place), about


def attention_score(kind: str) -> Page:
    """Deletion and insertion in the order of attention, beside gradient saliency."""
    source, table, about = read_scores()
    if {network["seed"] for network in about["networks"].values()} != {0}:
        raise StoredResultsError(f"{source}: not all networks have seed 0")

    def interval(row: Any, name: str) -> str:
        mean, low, high = (100 * row[f"{name}{end}"] for end in ("", "_low", "_high"))
        return f"{mean:+.1f} [{low:+.1f}, {high:+.1f}]"

    body = [
        [
            f"`{row['network']}`",
            *(interval(row, f"attention_{way}") for way in ("deletion", "insertion")),
            f"{100 * row['saliency_deletion']:+.1f} / {100 * row['saliency_insertion']:+.1f}",
        ]
        for _, row in table[table["kind"] == kind].iterrows()
    ]
    rival = "a random order of joints" if kind == "joints" else "the same attention shifted in time"
    note = (
        f"Attention to {kind}. By how many points of probability of the true class, averaged over "
        f"the curve, the order of attention beats {rival}, with a 95 % interval over test clips "
        f"(at most {about['most_clips']}); 0 is no better. *Saliency*: deletion and insertion in "
        "the order of the gradient. Networks of `weights/`, one training each (seed 0)."
    )
    header = ["network", "deletion", "insertion", "saliency"]
    return source, f"{note}\n\n{grid(header, body)}"


def attention_score_summary() -> Page:
    """In how many networks the intervals lie above or below 0."""
    source, table, _ = read_scores()
    body = []
    for kind in ("joints", "frames"):
        own = table[table["kind"] == kind]
        for way in ("deletion", "insertion"):
            low, high = own[f"attention_{way}_low"], own[f"attention_{way}_high"]
            above, below = int((low > 0).sum()), int((high < 0).sum())
            more = int((own[f"saliency_{way}"] > own[f"attention_{way}"]).sum())
            counts = [len(own), above, len(own) - above - below, below, more]
            body.append([f"{kind}, {way}", *map(str, counts)])
    note = (
        "Number of networks whose 95 % interval lies above 0 (*better*), contains 0 (*no "
        "difference*), or lies below 0 (*worse*), and number of networks in which the order of the "
        "gradient does better than the order of attention."
    )
    header = ["attention to", "networks", "better", "no difference", "worse", "gradient better"]
    return source, f"{note}\n\n{grid(header, body)}"


SWAPS = {"other": "another class", "mean": "mean", "uniform": "uniform", "reversed": "reversed"}
SWAP_WORDS = {"costs": "yes", "nothing": "hardly", "unclear": "unclear"}


def attention_swap() -> Page:
    """Accuracy with attention that is not the clip's own."""
    folder = stored("attention/swap")
    files = sorted(folder.glob("*/attention_swap.csv"))
    abouts = [
        json.loads((path.parent / "attention_score.json").read_text("utf-8")) for path in files
    ]
    if {(about["seed"], about["draws"], about["most_clips"]) for about in abouts} != {(0, 3, None)}:
        raise StoredResultsError(f"{folder}: expected seed 0, 3 draws and all test clips")
    table = pd.concat([pd.read_csv(path) for path in files], ignore_index=True)
    if table.duplicated(["network", "kind", "swap"]).any():
        raise StoredResultsError(f"{folder}: a network is there twice")
    body = []
    for (network, kind), own in table.groupby(["network", "kind"], sort=False):
        rows = own.set_index("swap")
        other = rows.loc["other"]
        cost, low, high = (100 * other[key] for key in ("cost", "low", "high"))
        body.append(
            [
                f"`{network}`",
                kind,
                str(other["clips"]),
                f"{100 * other['own']:.1f}",
                *(
                    f"{100 * rows.loc[swap, 'swapped']:.1f}" if swap in rows.index else "-"
                    for swap in SWAPS
                ),
                f"{cost:+.1f} [{low:+.1f}, {high:+.1f}]",
                SWAP_WORDS[other["verdict"]],
            ]
        )
    note = (
        "Test accuracy in percent with the clip's own attention, with that of a test clip of "
        "another class (mean of three draws), with the mean attention of the training clips at "
        "each position, with uniform attention, and with its own reversed in time. *Cost*: own "
        "minus another class, in points, with the 95 % interval of paired differences over test "
        "clips (bootstrap). *Depends*: whether attention depends on the clip, by that interval. "
        "Networks of `weights/`, one training each (seed 0)."
    )
    header = ["network", "attention to", "clips", "own", *SWAPS.values(), "cost", "depends"]
    return "results/attention/swap/*/attention_swap.csv", f"{note}\n\n{grid(header, body)}"


def attention_seeds() -> Page:
    """How far two trainings attend to the same."""
    folder = stored("attention/score_seeds", "attention_score_seeds")
    table = pd.read_csv(folder / "attention_score.csv")
    clips = set(table["clips"])
    if len(clips) != 1:
        raise StoredResultsError(f"{folder}: the numbers of clips differ: {clips}")

    def correlation(rows: pd.DataFrame, name: str) -> str:
        if not len(rows) or np.isnan(rows.iloc[0][name]):
            return ""
        mean, sd, pairs = (rows.iloc[0][f"{name}{end}"] for end in ("", "_spread", "_pairs"))
        return f"{mean:.2f}" + (f" ± {sd:.2f}" if pairs > 1 else "")

    body = [
        [
            f"`{model}`",
            DATASETS[dataset],
            f"{own['network'].nunique()}",
            *(
                correlation(own[own["kind"] == kind], name)
                for kind in ("joints", "frames")
                for name in ("agreement", "untrained")
            ),
        ]
        for (model, dataset), own in table.groupby(["model", "dataset"], sort=False)
    ]
    note = (
        "Rank correlation (Spearman) of the attention of two seeds to the same "
        f"{clips.pop()} test clips, mean ± standard deviation over pairs of seeds. *Untrained*: "
        "the same between networks with random weights. Recipe `paper`."
    )
    header = ["model", "dataset", "seeds", "joints", "untrained", "frames", "untrained"]
    source = (folder.relative_to(ROOT) / "attention_score.csv").as_posix()
    return source, f"{note}\n\n{grid(header, body)}"


def attention_synthetic() -> Page:
    """STA-LSTM's attention on what carries the action."""
    rows = {
        row.recipe: row for row in read_table("synthetic") if row.name == "STA-LSTM" and row.runs
    }
    if any(row.seeds != [0, 100, 200] for row in rows.values()):
        raise StoredResultsError("synthetic.csv: STA-LSTM is expected with seeds 0, 100 and 200")
    found = {}
    for recipe, row in rows.items():
        tables = [run_csv(name, "attention.csv", index_col="class") for name in row.runs]
        found[recipe] = sum(tables[1:], tables[0]) / len(tables)
    tuned, paper = found["tuned"], found["paper"]
    body = [
        [
            f"`{name}`",
            *(f"{100 * value:.1f}" for value in
              tuned.loc[name, ["joints", "joints_uniform", "frames", "frames_uniform"]]),
            *(f"{100 * value:.1f}" for value in paper.loc[name, ["joints", "frames"]]),
        ]
        for name in tuned.index
    ]  # fmt: skip
    note = (
        "Percent of the attention of STA-LSTM that falls on the joints and frames that carry the "
        "action, beside the percent that uniform attention puts there. Synthetic dataset, `cs`, "
        "mean over test clips and seeds 0, 100, 200; recipe `tuned`, the last two columns `paper`."
    )
    header = ["class", "joints", "uniform", "frames", "uniform", "joints, `paper`",
              "frames, `paper`"]  # fmt: skip
    runs = ", ".join(name for row in rows.values() for name in row.runs)
    return f"attention.csv of {runs}", f"{note}\n\n{grid(header, body)}"


def faithful_attention() -> Page:
    """Attention of STA-LSTM on what carries the action, with the recipes `faithful` and `tuned`."""
    rows = {row.recipe: row for row in read_table("faithful") if row.dataset == "synthetic"}
    found, seeds = {}, {}
    for recipe in ("faithful", "tuned"):
        runs = rows[recipe].runs
        tables = [run_csv(name, "attention.csv", index_col="class") for name in runs]
        found[recipe] = sum(tables[1:], tables[0]) / len(tables)
        seeds[recipe] = ", ".join(str(run(name)["seed"]) for name in runs)
    ours, usual = found["faithful"], found["tuned"]
    every = pd.DataFrame({"ours": ours.mean(), "usual": usual.mean()}).T
    body = [
        [name, *(f"{100 * table.loc[key, column]:.1f}" for column in ("joints", "frames")
                 for table, key, column in (
                     (own, key_own, f"{column}_uniform"), (own, key_own, column),
                     (other, key_other, column)))]
        for name, own, key_own, other, key_other in [
            *((f"`{c}`", ours, c, usual, c) for c in ours.index),
            ("**mean**", every, "ours", every, "usual"),
        ]
    ]  # fmt: skip
    note = (
        "Percent of attention on the joints and frames that carry the action. Synthetic dataset, "
        f"`cs`, mean over test clips; recipe `faithful` with seed {seeds['faithful']}, `tuned` "
        f"with seeds {seeds['tuned']}."
    )
    header = ["class", "joints, uniform", "`faithful`", "`tuned`", "frames, uniform", "`faithful`",
              "`tuned`"]  # fmt: skip
    runs = ", ".join(name for recipe in found for name in rows[recipe].runs)
    return f"attention.csv of {runs}", f"{note}\n\n{grid(header, body)}"


# --- Pose-driven attention ----------------------------------------------------------------------

STEPS = {
    "left_hand": "2: I3D on the left hand",
    "right_hand": "2: I3D on the right hand",
    "full_body": "2: I3D on the full body",
    "pose": "3: LSTMs on the skeleton alone",
    "fixed_streams": "5: attention and pose LSTMs, I3D streams frozen",
    "whole": "6: everything but the pose LSTMs",
}
PARTS = ("left_hand", "right_hand", "full_body")
RENDERED = "Rendered video of the synthetic dataset, `cs`"


def pose_row(stage: str = "") -> Row:
    """The runs of the pose-driven network, read off at one stage of the training."""
    row = next(row for row in read_table("pose1") if row.runs and not row.stage)
    return Row(row.name, row.model, stage, row.dataset, row.protocol, row.recipe, None, None,
               row.runs)  # fmt: skip


def pose_stages() -> Page:
    """Accuracy after every step of Algorithm 1 on rendered video."""
    row = pose_row()
    body = []
    for stage in run(row.runs[0])["folds"][0]["stages"]:
        own = pose_row(stage["name"])
        body.append([STEPS[stage["name"]], *(spread(own.values(rule)) for rule in RULES)])
    clips = run(row.runs[0])["folds"][0]["clips"]
    note = (
        f"{RENDERED}, {clips['train']} training, {clips['validation']} validation and "
        f"{clips['test']} test clips. {ACCURACY} after each step of Algorithm 1, "
        f"{averaged([row])}. {CHOSEN_HELD_OUT}."
    )
    table = grid(["step", *RULES], body)
    return f"metrics.json of {', '.join(row.runs)}", f"{note}\n\n{table}"


def pose_parts() -> Page:
    """Mean weights of the parts by class, and of the acting hand seed by seed."""
    row = pose_row()
    tables = [run_csv(name, "parts.csv", index_col="class") for name in row.runs]
    mean = sum(tables[1:], tables[0]) / len(tables)
    body = []
    for name in mean.index:
        shares = [f"{100 * mean.loc[name, part]:.1f}" for part in PARTS]
        hands = [f"{100 * table.loc[name, 'acting_hand']:.1f}" for table in tables]
        acting = "" if np.isnan(mean.loc[name, "acting_hand"]) else " / ".join(hands)
        body.append([f"`{name}`", *shares, acting])
    note = (
        f"{RENDERED}. Weights of the parts in percent, mean over the test clips of a class and "
        f"seeds {', '.join(map(str, row.seeds))}; recipe `{row.recipe}`. Where one hand acts, the "
        "last column gives its weight seed by seed."
    )
    header = ["class", "left hand", "right hand", "full body", "acting hand, by seed"]
    return f"parts.csv of {', '.join(row.runs)}", f"{note}\n\n{grid(header, body)}"


# --- Trained weights, speed ---------------------------------------------------------------------


def zoo() -> Page:
    """The trained weights that come with the project."""
    entries = json.loads((ROOT / "weights" / "zoo.json").read_text("utf-8"))["entries"]
    body = []
    for entry in entries:
        if entry["task"] != "recognition":
            continue
        fold = f", fold {entry['fold']} of {entry['folds']}" if entry["folds"] > 1 else ""
        place = f"{DATASETS[entry['dataset']]}, `{entry['protocol']}`{fold}"
        shown = {rule: f"{100 * first(entry['figures'], keys):.1f}" for rule, keys in RULES.items()}
        if entry.get("train_on") == "all":
            shown |= {ALL: shown[SELECTED], SELECTED: "-"}
        body.append({"name": f"`{entry['name']}`", "dataset, protocol": place, **shown})
        if entry["seed"] or entry["recipe"] != ("tuned" if "_tuned" in entry["name"] else "paper"):
            raise StoredResultsError(f"zoo.json: {entry['name']} is of another seed or recipe")
    everything = any(ALL in cells for cells in body)
    chosen = CHOSEN if everything else CHOSEN_HELD_OUT
    note = (
        f"{ACCURACY} of single trainings (seed 0); recipe `tuned` where the name says so, else "
        f"`paper`. {chosen}. The weights are those of the first figure of a row."
    )
    header = ["name", "dataset, protocol", *([ALL] if everything else []), *RULES]
    table = grid(header, [[cells.get(key, "-") for key in header] for cells in body])
    return "weights/zoo.json", f"{note}\n\n{table}"


def throughput() -> Page:
    """Clips a second on two cores, beside the same networks in PyTorch."""
    body = []
    for task in ("train", "infer"):
        file = f"throughput_{task}.txt"
        lines = stored(f"benchmarks/{file}", file).read_text("utf-8").splitlines()
        table = [line for line in lines if line.startswith("| ") and f"| {task} |" in line]
        for line in table:
            network, _, batch, own, twin, ratio, _ = (
                cell.strip() for cell in line.strip("|").split("|")
            )
            body.append([network, task, batch, *(cell.split()[0] for cell in (own, twin, ratio))])
    note = (
        "Clips a second on two CPU cores, with AVX2 for training and AVX-512 for inference, "
        "medians of three rounds; the ratio is the median of the rounds' ratios. The PyTorch twin "
        "is the same network in its fastest mode."
    )
    header = ["network", "task", "batch", "keras_skeleton", "PyTorch twin", "ratio"]
    return "results/benchmarks/throughput_*.txt", f"{note}\n\n{grid(header, body)}"


FAMILIES = {  # models of the zoo
    "MANs-9": ("mans9",),
    "LSTM, SA-, TA-, STA-LSTM": ("lstm", "sa_lstm", "ta_lstm", "sta_lstm"),
    "CSTA-CNN": ("csta_cnn",),
}


def unsure() -> Page:
    """How well `unsure` finds clips unlike the training clips, and wrong labels."""
    path = stored("benchmarks/unsure.csv")
    table = pd.read_csv(path, comment="#")
    families = {model: family for family, models in FAMILIES.items() for model in models}
    table["family"] = table["model"].map(families)
    if table["family"].isna().any():
        raise StoredResultsError(f"{path.name}: a model of no family")
    order = [*FAMILIES]

    def groups(rows: pd.DataFrame, keys: Sequence[str]) -> Iterable[tuple[Any, pd.DataFrame]]:
        places = rows.groupby([*keys, "family"], sort=False)
        return sorted(
            places,
            key=lambda item: (
                HERE.index(item[0][0]),
                # datasets first, then windows of the own recordings
                *(HERE.index(k) if k in HERE else len(HERE) for k in item[0][1:-1]),
                order.index(item[0][-1]),
            ),
        )

    def shares(values: Iterable[float]) -> list[str]:
        return [f"{100 * value:.1f}" for value in values]

    def marked_right(own: pd.DataFrame, ending: str) -> float:
        part = own["unsure_known"] if ending == "unsure" else 1 - own["unsure_known"]
        clips = (part * own["clips_known"]).round()
        right = (clips * own[f"right_if_{ending}"].fillna(0)).sum()
        return float(right / clips.sum())

    unlike = [
        [
            DATASETS[trained],
            DATASETS.get(other, other),
            family,
            f"{len(own)}",
            *(f"{own[f'auroc_{score}'].mean():.2f}" for score in ("probability", "distance")),
            *shares(own[[f"unsure_{which}" for which in ("known", "unknown")]].mean()),
        ]
        for (trained, other, family), own in groups(table, ["dataset", "unknown"])
    ]
    known = [
        [
            DATASETS[trained],
            family,
            *shares(marked_right(own, ending) for ending in ("sure", "unsure")),
            *shares(own[["calibration_error_before", "calibration_error"]].mean()),
            *(f"{own[key].mean():.2f}" for key in ("cross_entropy_before", "cross_entropy")),
        ]
        for (trained, family), own in groups(table.drop_duplicates("weights"), ["dataset"])
    ]
    note = (
        "Mean over the networks of `weights/` of a family. *Unlike*: other clips than those that "
        "the network was trained for. *AUROC*: how often such a clip has a lower probability, or a "
        "larger distance, than a test clip of its own dataset; 0.5 is chance. *Marked*: percent of "
        "clips marked as unsure, test clips of its own dataset and unlike clips."
    )
    header = ["trained on", "unlike", "networks", "number", "AUROC, probability",
              "AUROC, distance", "marked, own", "marked, unlike"]  # fmt: skip
    second = (
        "Test clips of its own dataset. *Right*: percent of right labels among clips that are not "
        "marked and among those that are, all networks together. *Calibration error*: mean "
        "distance of probability and accuracy in 15 bins, in points of percent; it and the "
        "cross-entropy before and after division by the temperature."
    )
    header_known = ["trained on", "networks", "right, not marked", "right, marked",
                    "calibration error", "after", "cross-entropy", "after"]  # fmt: skip
    parts = [note, grid(header, unlike), second, grid(header_known, known)]
    return "results/benchmarks/unsure.csv", "\n\n".join(parts)


# --- Writing and checking -----------------------------------------------------------------------


def fine_tuning() -> Page:
    """Accuracy of training on few clips, from scratch and from weights of the zoo."""
    path = stored("benchmarks/fine_tuning.csv")
    table = pd.read_csv(path)
    scratch = table["start"] == "scratch"
    keys = ["dataset", "fold", "model", "clips_per_class"]
    rows = []
    pairs = table[~scratch & (table["rate"] == 1)].merge(
        table[scratch], on=[*keys, "seed"], suffixes=("", "_scratch")
    )
    for (dataset, fold, model, count), both in pairs.groupby(keys):
        fine, plain = 100 * both["accuracy_last"], 100 * both["accuracy_last_scratch"]
        trained_on = next(name for name in HERE if f"_{name}_" in both["start"].iloc[0])
        rows.append(
            [
                DATASETS[trained_on],
                DATASETS[dataset],
                f"{fold}",
                f"`{model}`",
                f"{count}",
                spread(plain.tolist()),
                spread(fine.tolist()),
                f"{(fine - plain).mean():+.1f}",
                f"{len(both)}",
            ]
        )
    note = (
        "Test accuracy in percent after the last epoch: mean ± standard "
        "deviation over seeds, which also draw the clips."
    )
    header = ["weights of", "fine-tuned on", "fold", "model", "clips per class", "from scratch",
              "fine-tuned", "difference", "seeds"]  # fmt: skip
    order = {DATASETS[name]: k for k, name in enumerate(HERE)}
    rows.sort(key=lambda row: (order[row[0]], order[row[1]], int(row[2]), row[3], int(row[4])))
    return "results/benchmarks/fine_tuning.csv", f"{note}\n\n{grid(header, rows)}"


def film_network() -> Page:
    """Accuracy of the networks for film beside those that were trained on UT-Kinect alone."""
    path = stored("benchmarks/film_network.csv")
    table = pd.read_csv(path)
    columns = [(part, 0) for part in ("all", "UT-Kinect", "N-UCLA", "none")]
    columns += [("UT-Kinect", size) for size in (16, 32, 64)]
    rows = []
    for film in (True, False):  # first the networks for film
        own = table[table["network"].str.contains("_film_") == film]
        for network, found in own.groupby("network"):
            cells = []
            for part, window in columns:
                here = found[(found["part"] == part) & (found["window"] == window)]
                cells.append(spread((100 * here["accuracy"]).tolist()))
            rows.append([f"`{network}`", *cells, f"{found['seed'].nunique()}"])
    one = table[table["network"].str.contains("_film_") & (table["window"] == 0)]
    counts = {part: int(own["clips"].iloc[0]) for part, own in one.groupby("part")}
    note = (
        f"{ACCURACY} on subjects that are not in training ({counts['all']:,} clips: "
        f"{counts['UT-Kinect']} actions of UT-Kinect, {counts['N-UCLA']} of N-UCLA, "
        f"{counts['none']} pieces of no action, whose accuracy is their recall), epoch selected on "
        "validation: mean ± standard deviation over seeds. Windows lie in the middle of the "
        "clips, in frames of film (30 a second). Networks of UT-Kinect have ten classes to choose "
        "from, those for film fourteen."
    )
    header = ["network", "all", "UT-Kinect", "N-UCLA", "no action",
              *(f"UT-Kinect, {size} frames" for size in (16, 32, 64)), "seeds"]  # fmt: skip
    return "results/benchmarks/film_network.csv", f"{note}\n\n{grid(header, rows)}"


WHAT_FILMS_SHOW = {
    "RATRACE_wave_f_nm_np1_fr_goo_37.avi": "a man waves one hand; upper body only",
    "SchoolRulesHowTheyHelpUs_wave_f_nm_np1_ba_med_0.avi": "a man waves, his back to the camera",
    "hmdb51_Turnk_r_Pippi_Michel_cartwheel_f_cm_np2_le_med_6.avi":
        "person 0 turns a cartwheel, person 1 sits in front",
    "S001C001P001R001A001_rgb.avi": "NTU RGB+D: a woman drinks",
    "S001C001P001R001A002_rgb.avi": "NTU RGB+D: a woman eats",
}  # fmt: skip


def film_says() -> Page:
    """What the network for films says of films."""
    table = pd.read_csv(stored("benchmarks/film_says.csv"), keep_default_na=False)
    rows = []
    for row in table.itertuples():
        said = f"{row.label} {100 * row.probability:.0f} %"
        said += f", unsure ({row.doubts})" if row.unsure in (True, "True") else ""
        who = f"{row.person}, {row.person_seconds} s"
        rows.append([WHAT_FILMS_SHOW[row.film], who, said, row.actions.replace("; ", "<br>")])
    header = ["film", "person", "most of the time", "actions, in seconds"]
    return "results/benchmarks/film_says.csv", grid(header, rows)


PAGES: dict[str, Callable[[], Page]] = {
    "main_results": main_results,
    "networks": networks,
    **{f"networks_{name}": partial(our_page, name) for name in (*HERE, "synthetic", "hdm05")},
    **{f"{name}_paper": partial(paper_page, name, 2) for name in ("mans3", "mans4", "mans5")},
    **{f"{name}_paper": partial(paper_page, name, 1) for name in ("sta2", "sta3")},
    **{f"{name}_paper": partial(paper_page, name, 3) for name in ("sta4", "sta5")},
    **{f"{name}_paper": partial(paper_page, name, 1) for name in ("csta1", "csta2", "csta3")},
    **{f"{name}_paper": partial(paper_page, name, None) for name in ("pose1", "pose2", "pose4")},
    **{f"{name}_ours": partial(our_page, name) for name in ("mans4", "mans5")},
    "stafig6_sbu": partial(our_page, "stafig6", only=["sbu"]),
    "stafig6_others": partial(our_page, "stafig6", only=["ut_kinect", "nucla"]),
    "copies": copies,
    "attention_adds": partial(compared, "attention"),
    "mans_pooled": partial(compared, "pooled"),
    "csta_datasets": csta_datasets,
    "mans_loocv": mans_loocv,
    **{f"detection_{name}": partial(detection, name) for name in ("ut_kinect", "synthetic")},
    "detection_attention": detection_attention,
    "tap_gate": tap_gate,
    "tap_lambda2": tap_lambda2,
    **{f"attention_score_{kind}": partial(attention_score, kind) for kind in ("joints", "frames")},
    "attention_score_summary": attention_score_summary,
    "attention_seeds": attention_seeds,
    "attention_swap": attention_swap,
    "attention_synthetic": attention_synthetic,
    "faithful_attention": faithful_attention,
    "faithful_accuracy": partial(compared, "faithful"),
    "pose_stages": pose_stages,
    "pose_parts": pose_parts,
    "zoo": zoo,
    "throughput": throughput,
    "unsure": unsure,
    "fine_tuning": fine_tuning,
    "film_network": film_network,
    "film_says": film_says,
}


def render() -> dict[str, str]:
    """Text of every generated file by its path relative to the repository, README included."""
    files = {}
    for name, make in PAGES.items():
        source, text = make()
        head = f"<!-- Generated by docs/generate_results.py from {source}; do not edit. -->"
        files[f"{OUT}/{name}.md"] = f"{head}\n\n{text.strip()}\n"
    readme = (ROOT / "README.md").read_text("utf-8")
    if (readme.count(BEGIN), readme.count(END)) != (1, 1):
        raise StoredResultsError(f"README.md lacks the lines {BEGIN} and {END}")
    before, after = readme.split(BEGIN)[0], readme.split(END)[1]
    _, table = main_results()
    return {**files, "README.md": f"{before}{BEGIN}\n\n{table}\n\n{END}{after}"}


def stale() -> list[str]:
    """What `--check` complains of: files that differ, lack, or are generated no more."""
    files = render()
    found = [
        f"{path} differs from the stored results"
        for path, text in files.items()
        if not (ROOT / path).exists() or (ROOT / path).read_text("utf-8") != text
    ]
    there = {f"{OUT}/{path.name}" for path in (ROOT / OUT).glob("*.md")}
    return found + [f"{path} is not generated any more" for path in sorted(there - files.keys())]


def write() -> int:
    """Writes all files and removes what is generated no more; returns how many there are."""
    files = render()
    (ROOT / OUT).mkdir(parents=True, exist_ok=True)
    for path in (ROOT / OUT).glob("*.md"):
        if f"{OUT}/{path.name}" not in files:
            path.unlink()
    for name, text in files.items():
        (ROOT / name).write_text(text, "utf-8")
    return len(files)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; returns the exit status."""
    parser = argparse.ArgumentParser(description="Write the documentation's tables of results.")
    parser.add_argument("--check", action="store_true", help="compare, do not write")
    try:
        if not parser.parse_args(arguments).check:
            print(f"wrote {write()} files: {OUT}/*.md and the table in README.md")
            return 0
        if found := stale():
            print(*found, "Run: python docs/generate_results.py", sep="\n", file=sys.stderr)
        return 1 if found else 0
    except StoredResultsError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
