"""Plan and run the missing trainings of tables, store their results, and write the tables."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import Any, NamedTuple

from keras_skeleton.reproduction.needs import Place, missing_seeds
from keras_skeleton.reproduction.page import FOLDER, grid, write_table
from keras_skeleton.reproduction.stored import Result, keep, read_results, seeds_of
from keras_skeleton.reproduction.tables import Table, Training
from keras_skeleton.reproduction.train import expected_hours, quick_run, train
from keras_skeleton.utils.errors import UnknownNameError
from keras_skeleton.utils.executor import executor
from keras_skeleton.utils.processes import run_in_process


class Run(NamedTuple):
    """A training with a seed and its expected hours (None if unknown)."""

    training: Training
    seed: int
    hours: float | None


def _nothing() -> None:
    pass


def folder_of(run: Run, out: Path) -> Path:
    """The folder of a run."""
    return out / f"{run.training.name}_seed{run.seed}"


def train_one(
    run: Run, place: Place, out: Path, log: Callable[[str], None] = print
) -> dict[str, Any]:
    """Runs one training; returns entries to add to its stored result."""
    log(f"\n{run.training.command(run.seed)}")
    return train(run.training, run.seed, place, folder_of(run, out), log)


@dataclass
class Reproduction:
    """Reproduces a list of tables.

    Attributes:
        tables: The tables.
        place: Locations of the user's data.
        results: Folder of stored results, with the subfolders `runs` and `tables`.
        out: Folder of the runs.
        seeds: Number of seeds of each training; None for the default.
        most_hours: Longer trainings are skipped.
        models: Train only these models; empty for all.
        train_on: Run only the trainings on `"all"` clips, or only those on a `"part"` of them, with
            validation clips held out; None for both.
        log: Called with each line of console output.
        init_process: Called first in the process of each training, which frees its memory at the
            end; None to train in this process.
        jobs: Number of trainings in parallel; they share the cores.
        scheduler: Address of a Dask scheduler whose workers train; None for processes of this
            machine.
    """

    tables: Sequence[Table]
    place: Place
    results: Path
    out: Path
    seeds: int | None = None
    most_hours: float | None = None
    models: Collection[str] = ()
    train_on: str | None = None
    log: Callable[[str], None] = print
    init_process: Callable[[], None] | None = None
    jobs: int = 1
    scheduler: str | None = None
    _estimates: dict[Training, float | None] = field(default_factory=dict, init=False, repr=False)

    @property
    def parallel(self) -> bool:
        """Whether several trainings run at the same time."""
        return self.jobs > 1 or self.scheduler is not None

    @property
    def folder(self) -> Path:
        """Output folder of the tables."""
        return self.results / FOLDER

    @cached_property
    def trainings(self) -> list[Training]:
        """The trainings of all rows, without duplicates."""
        return list(dict.fromkeys(t for table in self.tables for t in table.trainings))

    @cached_property
    def wanted(self) -> list[Training]:
        """The trainings of the selected models and clips.

        Raises:
            UnknownNameError: If a model is in none of the tables.
        """
        names = dict.fromkeys(training.model for training in self.trainings)
        for model in self.models:
            if model not in names:
                where = ", ".join(table.name for table in self.tables)
                raise UnknownNameError("model", model, names, of=where)
        return [
            training
            for training in self.trainings
            if (not self.models or training.model in self.models)
            and self.train_on in (None, training.train_on)
        ]

    @cached_property
    def lacks(self) -> dict[Training, str]:
        """The reason why each training cannot be run; empty if it can."""
        return {training: self.place.lacks(training) for training in self.trainings}

    def missing(self, results: Sequence[Result]) -> list[Run]:
        """Runs that can be started and have no results; first seeds come before second seeds."""
        found = []
        for training in self.wanted:
            if not self.lacks[training]:
                there = seeds_of(results, training)
                hours = self._hours(training, results)
                seeds = missing_seeds(there, hours, self.seeds)
                found += [(len(there) + i, Run(training, s, hours)) for i, s in enumerate(seeds)]
        return [run for _, run in sorted(found, key=lambda pair: pair[0])]

    def _hours(self, training: Training, results: Sequence[Result]) -> float | None:
        """Expected hours, estimated once; replaced by measured hours as soon as there are some."""
        if training not in self._estimates or seeds_of(results, training):
            self._estimates[training] = expected_hours(training, results, self.place)
        return self._estimates[training]

    def short(self, run: Run) -> bool:
        """Whether a run is within the limit of hours."""
        return self.most_hours is None or (run.hours is not None and run.hours <= self.most_hours)

    def plan(self) -> str:
        """A text that lists the missing runs with their hours, and those that cannot be run."""
        results = read_results(self.results)
        lines, total, unknown = [], 0.0, 0
        for run in self.missing(results):
            took = "? h" if run.hours is None else f"{run.hours:.2f} h"
            left = "" if self.short(run) else "   (skipped: --most-hours)"
            lines.append(f"  {took:>8}  {run.training.command(run.seed)}{left}")
            if self.short(run):
                total += run.hours or 0
                unknown += run.hours is None
        if lines:
            rest = f", and {unknown} runs of unknown length" if unknown else ""
            lines.insert(0, f"missing runs: about {total:.1f} hours{rest}")
        else:
            lines.append("no missing runs can be started")
        absent = [t for t in self.wanted if self.lacks[t] and not seeds_of(results, t)]
        if absent:
            lines.append("missing runs that cannot be started:")
            lines += [f"  {self.lacks[t]}: {t.command()}" for t in absent]
        return "\n".join(lines)

    def run(self) -> None:
        """Runs the missing trainings; stores each result and updates the tables."""
        tried: set[tuple[Training, int]] = set()
        while True:
            results = read_results(self.results)  # again: hours or results may be new
            todo = [
                run
                for run in self.missing(results)
                if self.short(run) and (run.training, run.seed) not in tried
            ]
            if not todo:
                return
            todo = todo if self.parallel else todo[:1]
            tried |= {(run.training, run.seed) for run in todo}
            for run, more in self._trained(todo):
                folder = folder_of(run, self.out)
                stored = keep(folder, run.training, run.seed, self.results, **more)
                self.log(f"stored in {stored}")
                self.write()

    def _trained(self, runs: Sequence[Run]) -> Iterator[tuple[Run, dict[str, Any]]]:
        """Trains runs; yields each with the entries to add to its stored result."""
        if self.parallel:
            work = partial(train_one, place=self.place, out=self.out)
            yield from executor(self.jobs, self.scheduler).map(
                self.init_process or _nothing, work, runs, anew=True, needs=[self.out]
            )
            return
        for run in runs:
            yield run, self._do(train_one, run, self.place, self.out, self.log)

    def _do(self, work: Callable[..., Any], *arguments: Any) -> Any:
        return (
            run_in_process(self.init_process, work, *arguments)
            if self.init_process
            else work(*arguments)
        )

    def write(self) -> list[str]:
        """Writes the tables from stored results; returns them as text."""
        results = read_results(self.results)
        return [
            f"{table.title} ({table.name})\n\n"
            + grid(table, write_table(table, results, self.folder), self._reasons())
            for table in self.tables
        ]

    def _reasons(self) -> dict[Training, str]:
        return {training: reason for training, reason in self.lacks.items() if reason}

    def try_out(self) -> None:
        """Tests every training on a few clips and epochs; results and tables are not changed."""
        for number, training in enumerate(self.wanted, 1):
            if reason := self.lacks[training]:
                self.log(f"{reason}: {training.command()}")
                continue
            self.log(f"\nquick, {number} of {len(self.wanted)}: {training.command()}")
            folder = self.out / "quick" / training.name
            self._do(quick_run, training, self.place, folder, self.log)
        self.log(f"\ntest runs are in {self.out / 'quick'}; no results were stored")
