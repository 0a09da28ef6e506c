"""The tables of the papers (`tables/NAME.toml`) and the training of each row.

    paper, table, title, note   the source; paper and table are empty for our own tables
    metric                      accuracy (default); for detection map_action or f1
    overlaps                    for detection: minimum overlaps with the annotated action
    [columns]                   short name = { dataset, protocol, recipe, options, i3d, streams }
    [[rows]]                    name, model (for detection method), settings, stage, against, paper

Each row is trained twice: on all training clips, for our main figure, and with validation clips
held out, which select the epoch. Detectors are trained once.

`paper` in a row has the published number for each column of the row as printed (one per overlap),
or "-" if there is none or it is illegible. `stage` names the stage of the training whose accuracy
the row has. `settings` are model settings, as given by `--set`. Rows of models that this package
does not include are omitted. `against` names the row that a row is compared with, pair by pair.

Needs neither Keras nor TensorFlow.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from keras_skeleton.datasets.registry import get_source
from keras_skeleton.evaluation.run_record import ALL_CLIPS, PART
from keras_skeleton.utils.errors import UnknownNameError, UserError

TABLES = Path(__file__).parent / "tables"
ALL = "all"
DETECTOR = "tap_lstm"
GATES = "gates"
# The methods of a detection run, by the name that stands for it in `Training.model`.
DETECTORS = {
    DETECTOR: ("svm_sw", "sta_lstm_sw", "jcr_rnn", "sta_lstm_jcr", "tap_u", "tap_u_m", "tap_b",
               "tap_b_m"),
    GATES: ("gate_u", "gate_b"),
}  # fmt: skip


class PaperTableError(UserError):
    """Raised if a file of `tables/` is not a valid table."""


@dataclass(frozen=True)
class Training:
    """A training with `run.py --model ...` (or `run.py detect --table ...`), without its seed.

    Attributes:
        model: Model name; `tap_lstm` stands for detection with all methods of the paper, `gates`
            for detection with our own.
        dataset: Dataset name.
        protocol: Protocol name.
        recipe: Recipe name.
        settings: Model arguments that differ from the recipe, as (name, value) pairs.
        options: Reader options of the dataset, as (name, value) pairs.
        i3d: Whether training starts from published I3D weights.
        streams: Dataset on which the streams that training starts from were trained.
        train_on: `"all"` training clips, or a `"part"` of them, as `train --train-on`.
    """

    model: str
    dataset: str
    protocol: str
    recipe: str = "paper"
    settings: tuple[tuple[str, Any], ...] = ()
    options: tuple[tuple[str, Any], ...] = ()
    i3d: bool = False
    streams: str = ""
    train_on: str = PART

    @property
    def detection(self) -> bool:
        """Whether this is a detection run (`run.py detect`)."""
        return self.model in DETECTORS

    @property
    def watches(self) -> bool:
        """Whether the model has video inputs."""
        return self.model == "pose_i3d"

    @property
    def setting_words(self) -> list[str]:
        """The settings as command-line words."""
        return [part for key, value in self.settings for part in ("--set", f"model.{key}={value}")]

    @property
    def option_words(self) -> list[str]:
        """The reader options as command-line words."""
        return [f"{name}={value}" for name, value in self.options]

    @property
    def name(self) -> str:
        """A unique name, used for folders."""
        model = {DETECTOR: "detect", GATES: "detect_gates"}.get(self.model, self.model)
        words = [model, self.dataset, self.protocol]
        words += [self.recipe] if self.recipe != "paper" else []
        words += [f"{key}_{value}" for key, value in self.settings]
        words += [word.replace("=", "") for word in self.option_words]
        words += ["i3d"] if self.i3d else []
        words += [f"{self.streams}_streams"] if self.streams else []
        return "_".join([*words, "all_clips"] if self.train_on == ALL_CLIPS else words)

    def command(self, seed: int = 0) -> str:
        """The command of the training, with placeholders PATH and FOLDER."""
        words = ["python", "run.py"]
        words += {
            DETECTOR: ["detect", "--table"],
            GATES: ["detect", "--method", ",".join(DETECTORS[GATES])],
        }.get(self.model, ["--model", self.model])
        words += ["--dataset", self.dataset, "--protocol", self.protocol]
        words += ["--recipe", self.recipe] if self.recipe != "paper" else []
        words += self.setting_words
        words += [part for word in self.option_words for part in ("--option", word)]
        words += ["--data-dir", "PATH"] if get_source(self.dataset).needs_root else []
        words += ["--crops", "FOLDER"] if self.watches else []
        words += ["--i3d", "PATH"] if self.i3d else []
        words += ["--streams", "RUN_DIR"] if self.streams else []
        words += ["--train-on", self.train_on] if self.train_on != PART else []
        return " ".join([*words, "--seed", str(seed)])


@dataclass(frozen=True)
class Row:
    """A row of a table, for one dataset.

    Attributes:
        name: Name in the paper.
        training: The training of the row, with validation clips held out.
        paper: Published numbers or None, one per overlap (a single one for accuracies).
        stage: Stage of the training whose accuracy the row has; empty for the final one.
        method: Detection method.
        against: Name of the row that this one is compared with; empty for none.
    """

    name: str
    training: Training
    paper: tuple[float | None, ...]
    stage: str = ""
    method: str = ""
    against: str = ""

    @property
    def trainings(self) -> tuple[Training, ...]:
        """The training on all clips, then that with validation clips held out; a single one for
        detectors."""
        own = (self.training,)
        return own if self.training.detection else (self.on_all_clips, *own)

    @property
    def on_all_clips(self) -> Training:
        """The training of the row on all training clips."""
        return replace(self.training, train_on=ALL_CLIPS)


@dataclass(frozen=True)
class Table:
    """A table; see the module for its attributes."""

    name: str
    paper: str
    number: str
    title: str
    note: str
    metric: str
    overlaps: tuple[float, ...]
    rows: tuple[Row, ...]

    @property
    def trainings(self) -> list[Training]:
        """The trainings of all rows in order, without duplicates."""
        return list(dict.fromkeys(t for row in self.rows for t in row.trainings))


def table_names(folder: Path = TABLES) -> list[str]:
    """Names of all tables."""
    return sorted(path.stem for path in folder.glob("*.toml"))


def read_tables(names: Iterable[str], folder: Path = TABLES) -> list[Table]:
    """Reads tables by name, or all tables for the name `"all"`.

    Raises:
        UnknownNameError: If there is no such table.
        PaperTableError: If a file is not a valid table.
    """
    known = table_names(folder)
    wanted: list[str] = []
    for name in names:
        if name not in (ALL, *known):
            raise UnknownNameError("table", name, [ALL, *known])
        wanted += known if name == ALL else [name]
    return [read_table(folder / f"{name}.toml") for name in dict.fromkeys(wanted)]


def read_table(path: Path) -> Table:
    """Reads one table; raises PaperTableError if the file is not valid."""
    try:
        content = tomllib.loads(path.read_text("utf-8"))
        overlaps = tuple(content.pop("overlaps", ()))
        columns, rows = content.pop("columns"), content.pop("rows")
        return Table(
            name=path.stem,
            paper=content.pop("paper"),
            number=content.pop("table"),
            title=content.pop("title"),
            note=content.pop("note", "").strip(),
            metric=content.pop("metric", "accuracy"),
            overlaps=overlaps,
            rows=tuple(
                _row(row, columns[name], figures, len(overlaps) or 1)
                for row in rows
                for name, figures in row["paper"].items()
            ),
            **content,
        )
    except (tomllib.TOMLDecodeError, KeyError, TypeError, ValueError) as error:
        raise PaperTableError(
            f"{path}: not a valid table ({type(error).__name__}: {error})"
        ) from None


def _row(row: dict[str, Any], column: dict[str, Any], figures: Any, count: int) -> Row:
    own, place = dict(row), dict(column)
    settings = tuple(own.pop("settings", {}).items())
    options = tuple(place.pop("options", {}).items())
    if "method" in own:
        model = next(name for name, methods in DETECTORS.items() if own["method"] in methods)
    else:
        model = own.pop("model")
    given = figures if isinstance(figures, list) else [figures] * (count if figures == "-" else 1)
    if len(given) != count:
        raise ValueError(f"row '{row['name']}' has {len(given)} numbers in a column, not {count}")
    own["paper"] = tuple(None if figure == "-" else float(figure) for figure in given)
    return Row(training=Training(model, settings=settings, options=options, **place), **own)
