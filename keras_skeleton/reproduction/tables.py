"""The tables of the papers as data: `tables/NAME.toml`, and what must be trained for each row.

    paper, table, title, note   of which paper, for people; empty where a table is our own
    metric                      accuracy (default), or of detections map_action or f1
    overlaps                    of detections: least overlap with the annotated action
    [columns]                   short name = { dataset, protocol, recipe, options, i3d }
    [[rows]]                    name, model (or method, of detections), settings, stage, paper

A row's `paper` gives, for each column in which it has a place, the paper's figure as it is printed
(one for each overlap), or "-" where the paper has none or it could not be read. `stage` says that
the row is read off a stage of the training. `settings` are what `--set` takes. Rows of models
that this package does not build are left out.

Needs neither Keras nor TensorFlow.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from keras_skeleton.datasets.registry import get_source
from keras_skeleton.utils.errors import UnknownNameError, UserError

TABLES = Path(__file__).parent / "tables"
ALL = "all"
DETECTOR = "tap_lstm"


class PaperTableError(UserError):
    """A file of `tables/` that is not a table."""


@dataclass(frozen=True)
class Training:
    """What `run.py --model ...` (or `run.py detect --table ...`) trains, but for the seed.

    Attributes:
        model: Name; `tap_lstm` stands for all methods of detection together.
        dataset, protocol, recipe: Names.
        settings: Arguments of the model that differ from the recipe's, as pairs.
        options: Of the dataset's reader, as pairs.
        i3d: Starts from published I3D weights.
    """

    model: str
    dataset: str
    protocol: str
    recipe: str = "paper"
    settings: tuple[tuple[str, Any], ...] = ()
    options: tuple[tuple[str, Any], ...] = ()
    i3d: bool = False

    @property
    def detection(self) -> bool:
        """Whether it is `run.py detect`."""
        return self.model == DETECTOR

    @property
    def watches(self) -> bool:
        """Whether it needs videos."""
        return self.model == "pose_i3d"

    @property
    def setting_words(self) -> list[str]:
        """The settings as one types them."""
        return [part for key, value in self.settings for part in ("--set", f"model.{key}={value}")]

    @property
    def option_words(self) -> list[str]:
        """The reader's options as one types them."""
        return [f"{name}={value}" for name, value in self.options]

    @property
    def name(self) -> str:
        """For folders; different trainings have different ones."""
        words = ["detect" if self.detection else self.model, self.dataset, self.protocol]
        words += [self.recipe] if self.recipe != "paper" else []
        words += [f"{key}_{value}" for key, value in self.settings]
        words += [word.replace("=", "") for word in self.option_words]
        return "_".join([*words, "i3d"] if self.i3d else words)

    def command(self, seed: int = 0) -> str:
        """What one types to train it; PATH and FOLDER stand for the user's own."""
        words = ["python", "run.py"]
        words += ["detect", "--table"] if self.detection else ["--model", self.model]
        words += ["--dataset", self.dataset, "--protocol", self.protocol]
        words += ["--recipe", self.recipe] if self.recipe != "paper" else []
        words += self.setting_words
        words += [part for word in self.option_words for part in ("--option", word)]
        words += ["--data-dir", "PATH"] if get_source(self.dataset).needs_root else []
        words += ["--crops", "FOLDER"] if self.watches else []
        words += ["--i3d", "PATH"] if self.i3d else []
        return " ".join([*words, "--seed", str(seed)])


@dataclass(frozen=True)
class Row:
    """One row of a table on one dataset.

    Attributes:
        name: As the paper calls it.
        training: What must be trained.
        paper: The paper's figures, one for each overlap (one alone of accuracies), or None.
        stage: Of the training, empty for its end.
        method: Of a detection.
    """

    name: str
    training: Training
    paper: tuple[float | None, ...]
    stage: str = ""
    method: str = ""


@dataclass(frozen=True)
class Table:
    """One table; the attributes are those of the file."""

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
        """What its rows need, each once, in their order."""
        return list(dict.fromkeys(row.training for row in self.rows))


def table_names(folder: Path = TABLES) -> list[str]:
    """Names of all tables."""
    return sorted(path.stem for path in folder.glob("*.toml"))


def read_tables(names: Iterable[str], folder: Path = TABLES) -> list[Table]:
    """Tables by their names, or all of them by `"all"`.

    Raises:
        UnknownNameError: There is no such table.
        PaperTableError: A file that is not one.
    """
    known = table_names(folder)
    wanted: list[str] = []
    for name in names:
        if name not in (ALL, *known):
            raise UnknownNameError("table", name, [ALL, *known])
        wanted += known if name == ALL else [name]
    return [read_table(folder / f"{name}.toml") for name in dict.fromkeys(wanted)]


def read_table(path: Path) -> Table:
    """One table; errors as `read_tables`."""
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
        raise PaperTableError(f"{path}: not a table ({type(error).__name__}: {error})") from None


def _row(row: dict[str, Any], column: dict[str, Any], figures: Any, count: int) -> Row:
    own, place = dict(row), dict(column)
    settings = tuple(own.pop("settings", {}).items())
    options = tuple(place.pop("options", {}).items())
    model = DETECTOR if "method" in own else own.pop("model")
    given = figures if isinstance(figures, list) else [figures] * (count if figures == "-" else 1)
    if len(given) != count:
        raise ValueError(f"{row['name']} has {len(given)} figures in a column, not {count}")
    own["paper"] = tuple(None if figure == "-" else float(figure) for figure in given)
    return Row(training=Training(model, settings=settings, options=options, **place), **own)
