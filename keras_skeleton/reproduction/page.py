"""Write tables with the published numbers and ours, as Markdown and CSV."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from keras_skeleton.datasets.registry import get_source
from keras_skeleton.reproduction.needs import mean_hours
from keras_skeleton.reproduction.stored import Result, figures, seeds_of
from keras_skeleton.reproduction.tables import GATES, Row, Table, Training
from keras_skeleton.utils.files import write_text

FOLDER = "tables"  # subfolder of the results
Spread = tuple[float, float | None]  # mean and standard deviation over seeds
EXPLAINED = """\
All accuracies are in percent. *The paper*: as printed. *Paper's convention*: the best test \
accuracy of any epoch; it is biased upwards, since the epoch is selected on the test clips. \
*Selected on validation*: test accuracy of the epoch with the best accuracy on validation clips, \
which are held out from the training clips. Our numbers are means over seeds of the mean over \
folds, ± the standard deviation over seeds if there are several. *Hours*: training time of one \
seed, all folds and stages, on one or two cores."""
DETECTS = """\
*The paper*: as printed, for the minimum overlaps {overlaps}. *Ours*: means over seeds, ± the \
standard deviation if there are several."""
UNSEEN = """\
No results are stored for {datasets}, in this table or another, because the recordings were not \
available. `python run.py prepare --dataset NAME` prints what to download."""


@dataclass(frozen=True)
class Line:
    """A row of a table with the stored results.

    Attributes:
        row: The row.
        results: Stored results by seed.
        convention: Our numbers by the papers' convention, one per overlap (a single one for
            accuracies): mean and standard deviation over seeds (None for one seed), or None.
        validation: The same for the epoch selected on validation clips.
    """

    row: Row
    results: Mapping[int, Result]
    convention: Sequence[Spread | None]
    validation: Sequence[Spread | None]

    @property
    def folds(self) -> int:
        """Number of folds of the protocol."""
        return next(iter(self.results.values())).about["folds_total"]

    @property
    def hours(self) -> float | None:
        """Mean training time of one seed."""
        return mean_hours([result.hours for result in self.results.values()])


def lines_of(table: Table, results: Sequence[Result]) -> list[Line]:
    """The rows of a table with their stored results."""
    lines = []
    for row in table.rows:
        found = seeds_of(results, row.training)
        own = [figures(r, row, table.metric, table.overlaps) for r in found.values()]
        nothing = [None] * len(row.paper)
        lines.append(
            Line(
                row,
                found,
                _over_seeds([convention for convention, _ in own]) or nothing,
                _over_seeds([validation for _, validation in own]) or nothing,
            )
        )
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
    for line in lines:
        training = line.row.training
        network = f"`{' '.join([training.model, *training.setting_words])}`"
        ours = _ours(table, line.validation) if line.results else why.get(training, "not run")
        row = {
            "row": line.row.name,
            "network": f"{network}, {line.row.stage}" if line.row.stage else network,
            "dataset, protocol": ", ".join(
                [training.dataset, training.protocol, *training.option_words]
            ),
            "recipe": "tuned" if training.model == GATES else training.recipe,
            "the paper": _papers(table, line),
            "ours, paper's convention": _ours(table, line.convention),
            "ours, selected on validation": ours,
            "seeds": f"{len(line.results)}",
            "folds": f"{line.folds}" if line.results else "-",
            "hours": "-" if line.hours is None else f"{line.hours:.2f}",
        }
        if table.overlaps:  # all rows use the same networks, and nothing is selected on test data
            del row["network"], row["ours, paper's convention"]
        rows.append(row)
    text = [list(rows[0]), ["---"] * len(rows[0]), *(list(row.values()) for row in rows)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in text)


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
    return crops + (" --i3d PATH" if any(training.i3d for training in absent) else "")


def _not_run(lines: Sequence[Line]) -> list[Training]:
    return [line.row.training for line in lines if not line.results]


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
                    **_columns("convention", line.convention[i], unit),
                    **_columns("validation", line.validation[i], unit),
                    "seeds": " ".join(map(str, line.results)),
                    "folds": line.folds if line.results else None,
                    "hours": line.hours,
                    "results": " ".join(r.folder.name for r in line.results.values()),
                    "command": training.command(next(iter(line.results), 0)),
                }
            )
    return pd.DataFrame(rows).astype({"folds": "Int64"})


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
