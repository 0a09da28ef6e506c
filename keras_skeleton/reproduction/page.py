"""Write tables with the published numbers and ours, as Markdown and CSV."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from keras_skeleton.datasets.registry import get_source
from keras_skeleton.evaluation.page import ALL, BEST, SELECTED
from keras_skeleton.reproduction.compare import Difference, paired_difference
from keras_skeleton.reproduction.needs import mean_hours
from keras_skeleton.reproduction.stored import Result, figures, seeds_of
from keras_skeleton.reproduction.tables import GATES, Row, Table, Training
from keras_skeleton.utils.files import write_text

FOLDER = "tables"  # subfolder of the results
Spread = tuple[float, float | None]  # mean and standard deviation over seeds
HELD_OUT = " †"  # marks a figure of runs that hold validation clips out
EXPLAINED = f"""\
Test accuracies in percent. *The paper*: as printed. *{ALL.capitalize()}*: no clips are held \
out and no epoch is selected; weights are averaged over the last fifth of the epochs. \
*{SELECTED.capitalize()}*: of the epoch with the best accuracy on validation clips, which are held \
out from the training clips. *{BEST.capitalize()}*: the best test accuracy of any epoch, the \
papers' convention. It is biased upwards, since the epoch is selected on the test clips. The runs \
are those on all training clips, as in most papers;{HELD_OUT} where there are none, those with \
validation clips held out. Our numbers are means over seeds of the mean over folds, ± the standard \
deviation over seeds if there are several. *Seeds* and *hours* (training time of one seed, all \
folds and stages, on one or two cores): of the runs on all training clips / with validation clips \
held out."""
DETECTS = """\
*The paper*: as printed, for the minimum overlaps {overlaps}. *Ours*: means over seeds, ± the \
standard deviation if there are several."""
COMPARED = """\
*Difference*: of the named network less the row's, the mean over all pairs of a fold and a seed \
that both have, with its 95 % interval (Student's t), of the runs on all training clips / with \
validation clips held out. Pairs share clips, so the interval is somewhat too narrow."""
UNSEEN = """\
No results are stored for {datasets}, in this table or another, because the recordings were not \
available. `python run.py prepare --dataset NAME` prints what to download."""


@dataclass(frozen=True)
class Line:
    """A row of a table with the stored results.

    Attributes:
        row: The row.
        results: Stored results by seed, with validation clips held out.
        convention: Our numbers of the best epoch on test clips, one per overlap (a single one for
            accuracies): mean and standard deviation over seeds (None for one seed), or None.
        validation: The same for the epoch selected on validation clips.
        all_results: Stored results by seed of the training on all training clips.
        all_convention: As `convention`, of these results.
        all_clips: The same for the weights averaged over the last epochs of these results.
    """

    row: Row
    results: Mapping[int, Result]
    convention: Sequence[Spread | None]
    validation: Sequence[Spread | None]
    all_results: Mapping[int, Result]
    all_convention: Sequence[Spread | None]
    all_clips: Sequence[Spread | None]

    def less(self, lines: Sequence[Line]) -> tuple[Difference | None, Difference | None]:
        """By how much the row that this one is compared with is above it: of the runs on all
        training clips, and of those with validation clips held out."""
        own = self.row.training
        others = [
            line
            for line in lines
            if line.row.name == self.row.against
            and (line.row.training.dataset, line.row.training.protocol)
            == (own.dataset, own.protocol)
        ]
        others.sort(key=lambda line: line.row.training.recipe != own.recipe)  # its recipe, if there
        for line in others[:1]:
            return (
                paired_difference(line.all_results, self.all_results),
                paired_difference(line.results, self.results),
            )
        return None, None

    @property
    def folds(self) -> int | None:
        """Number of folds of the protocol; None without results."""
        found = [*self.all_results.values(), *self.results.values()]
        return found[0].about["folds_total"] if found else None

    @property
    def hours(self) -> float | None:
        """Mean training time of one seed, with validation clips held out."""
        return mean_hours([result.hours for result in self.results.values()])

    @property
    def all_hours(self) -> float | None:
        """Mean training time of one seed on all training clips."""
        return mean_hours([result.hours for result in self.all_results.values()])


def lines_of(table: Table, results: Sequence[Result]) -> list[Line]:
    """The rows of a table with their stored results."""
    lines = []
    for row in table.rows:
        nothing = [None] * len(row.paper)
        columns: list[Any] = []
        for training in (row.training, row.on_all_clips):
            found = {} if training not in row.trainings else seeds_of(results, training)
            own = [figures(r, row, table.metric, table.overlaps) for r in found.values()]
            columns += [
                found,
                _over_seeds([convention for convention, _ in own]) or nothing,
                _over_seeds([accuracy for _, accuracy in own]) or nothing,
            ]
        lines.append(Line(row, *columns))
    return lines


def _over_seeds(seeds: Sequence[Sequence[float | None]]) -> list[Spread | None]:
    found: list[Spread | None] = []
    for values in zip(*seeds, strict=True):
        known = [value for value in values if value is not None]
        std = float(np.std(known)) if len(known) > 1 else None
        found.append((float(np.mean(known)), std) if len(known) == len(values) else None)
    return found


def grid(table: Table, lines: Sequence[Line], why: Mapping[Training, str]) -> str:
    """The table as Markdown; `why` has the reason for each training without results."""
    rows = []
    compared = any(line.row.against for line in lines)
    for line in lines:
        training = line.row.training
        network = f"`{' '.join([training.model, *training.setting_words])}`"
        absent = why.get(training, "not run")
        best = _ours(table, line.all_convention if line.all_results else line.convention)
        row = {
            "row": line.row.name,
            "network": f"{network}, {line.row.stage}" if line.row.stage else network,
            "dataset, protocol": ", ".join(
                [training.dataset, training.protocol, *training.option_words]
            ),
            "recipe": "tuned" if training.model == GATES else training.recipe,
            "the paper": _papers(table, line),
            ALL: _ours(table, line.all_clips) if line.all_results else absent,
            SELECTED: _ours(table, line.validation) if line.results else absent,
            BEST: best if line.all_results or best == "-" else best + HELD_OUT,
            "seeds": f"{len(line.all_results)} / {len(line.results)}",
            "folds": "-" if line.folds is None else f"{line.folds}",
            "hours": f"{_hours(line.all_hours)} / {_hours(line.hours)}",
        }
        if compared:
            row |= {"difference": _difference(line, lines)}
        if table.overlaps:  # all rows use the same networks, and nothing is selected on test data
            del row["network"], row[ALL], row[BEST]
            row |= {"seeds": f"{len(line.results)}", "hours": _hours(line.hours)}
        rows.append(row)
    text = [list(rows[0]), ["---"] * len(rows[0]), *(list(row.values()) for row in rows)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in text)


def _difference(line: Line, lines: Sequence[Line]) -> str:
    found = _slashed("-" if one is None else str(one) for one in line.less(lines))
    return found if found == "-" else f"{line.row.against}: {found}"


def _hours(hours: float | None) -> str:
    return "-" if hours is None else f"{hours:.2f}"


def _papers(table: Table, line: Line) -> str:
    form = "{:.3f}" if table.overlaps else "{}"
    return _slashed("-" if figure is None else form.format(figure) for figure in line.row.paper)


def _ours(table: Table, values: Sequence[Spread | None]) -> str:
    form, unit = ("{:.3f}" if table.overlaps else "{:.1f}"), _unit(table)
    return _slashed(
        "-" if value is None else " ± ".join(form.format(unit * v) for v in value if v is not None)
        for value in values
    )


def _slashed(figures: Iterable[str]) -> str:
    """Joins the numbers of all overlaps; a single dash if there are none."""
    found = list(figures)
    return " / ".join(found) if set(found) != {"-"} else "-"


def _unit(table: Table) -> int:
    return 1 if table.overlaps else 100


def markdown(table: Table, lines: Sequence[Line], datasets: Collection[str]) -> str:
    """The page of a table: description, table, and commands of missing trainings.

    Args:
        table: The table.
        lines: Its rows with results.
        datasets: Datasets with stored results, in this table or another.
    """
    of = f"{table.paper}, {table.number}" if table.paper else "not in a paper"
    overlaps = ", ".join(f"{overlap:g}" for overlap in table.overlaps)
    command = f"python run.py reproduce --table {table.name}"
    parts = [
        f"# {table.title}",
        f"`{table.name}`: {of}. Generated from `results/` by `{command} --no-train`; do not edit.",
        DETECTS.format(overlaps=overlaps) if table.overlaps else EXPLAINED,
        *([COMPARED] if any(row.against for row in table.rows) else []),
        *([table.note.replace("\n", " ")] if table.note else []),
        grid(table, lines, {}),
    ]
    if absent := commands(lines):
        needed = {t.dataset: get_source(t.dataset).needs_root for t in _not_run(lines)}
        unseen = [f"`{name}`" for name, root in needed.items() if root and name not in datasets]
        parts += [
            "## Not run",
            *([UNSEEN.format(datasets=", ".join(unseen))] if unseen else []),
            f"`{command} --data-dir PATH{_also(lines)}` runs the missing trainings. The individual "
            "commands are:",
            "```sh\n" + "\n".join(absent) + "\n```",
        ]
    return "\n\n".join(parts) + "\n"


def _also(lines: Sequence[Line]) -> str:
    """Further options of `reproduce` that the missing trainings need."""
    absent = _not_run(lines)
    crops = " --crops FOLDER" if any(training.watches for training in absent) else ""
    i3d = " --i3d PATH" if any(training.i3d for training in absent) else ""
    streams = " --streams RUN_DIR" if any(training.streams for training in absent) else ""
    return crops + i3d + streams


def _not_run(lines: Sequence[Line]) -> list[Training]:
    found = []
    for line in lines:
        for training in line.row.trainings:
            there = line.results if training == line.row.training else line.all_results
            found += [] if there else [training]
    return found


def commands(lines: Sequence[Line]) -> list[str]:
    """The commands of trainings without results."""
    return list(dict.fromkeys(training.command() for training in _not_run(lines)))


def frame(table: Table, lines: Sequence[Line]) -> pd.DataFrame:
    """A table with one row per number, in the paper's unit: accuracies in percent, detection scores
    as fractions."""
    rows, unit = [], _unit(table)
    for line in lines:
        training = line.row.training
        for i, paper in enumerate(line.row.paper):
            rows.append(
                {
                    "row": line.row.name,
                    "model": training.model,
                    "settings": " ".join(training.setting_words),
                    "stage": line.row.stage or line.row.method,
                    "dataset": training.dataset,
                    "protocol": training.protocol,
                    "recipe": training.recipe,
                    "metric": table.metric,
                    "overlap": table.overlaps[i] if table.overlaps else None,
                    "paper": paper,
                    **_columns("all_clips", line.all_clips[i], unit),
                    **_columns("all_clips_best", line.all_convention[i], unit),
                    **_columns("convention", line.convention[i], unit),
                    **_columns("validation", line.validation[i], unit),
                    "seeds": " ".join(map(str, line.results)),
                    "folds": line.folds,
                    "hours": line.hours,
                    "results": " ".join(r.folder.name for r in line.results.values()),
                    "command": training.command(next(iter(line.results), 0)),
                    "all_clips_seeds": " ".join(map(str, line.all_results)),
                    "all_clips_hours": line.all_hours,
                    "all_clips_results": " ".join(r.folder.name for r in line.all_results.values()),
                    **_differences(line, lines),
                }
            )
    return pd.DataFrame(rows).astype({"folds": "Int64"})


def _differences(line: Line, lines: Sequence[Line]) -> dict[str, Any]:
    if not line.row.against:
        return {}
    found: dict[str, Any] = {"against": line.row.against}
    for name, own in zip(("all_clips_less", "less"), line.less(lines), strict=True):
        for part in ("mean", "low", "high", "pairs"):
            found[f"{name}_{part}"] = None if own is None else getattr(own, part)
    return found


def _columns(name: str, value: Spread | None, unit: float) -> dict[str, float | None]:
    mean, std = value or (None, None)
    return {
        name: None if mean is None else unit * mean,
        f"{name}_std": None if std is None else unit * std,
    }


def write_table(table: Table, results: Sequence[Result], folder: Path) -> list[Line]:
    """Writes NAME.md and NAME.csv atomically; returns the rows."""
    lines = lines_of(table, results)
    datasets = {result.about["dataset"] for result in results}
    folder.mkdir(parents=True, exist_ok=True)
    text = frame(table, lines).to_csv(index=False, float_format="%.6g", lineterminator="\n")
    for suffix, content in ((".csv", text), (".md", markdown(table, lines, datasets))):
        write_text(folder / f"{table.name}{suffix}", content)
    return lines
