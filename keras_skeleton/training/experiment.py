"""One experiment in one folder: a model on a dataset's folds, by a recipe.

    RUN/run.json          what is run: written first, compared when a run is continued
    RUN/fold_01/ ...      history.csv, scores.npz, metrics.json, best and last weights
    RUN/attention/*.png   what the network looks at, on a few test clips
    RUN/report.html ...   made from the folds by `evaluation.report`

The same folder can take more folds later (`--fold`), or be continued (`--resume`).
"""

from __future__ import annotations

import io
import json
import os
import platform
import shlex
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import keras
import numpy as np

from keras_skeleton import __version__
from keras_skeleton.apart import THREADS, cores
from keras_skeleton.crops import Crops
from keras_skeleton.datasets.dataset import Fold, SkeletonDataset
from keras_skeleton.errors import UserError
from keras_skeleton.evaluation.report import write_report
from keras_skeleton.evaluation.scores import Score, score, write_scores
from keras_skeleton.files import read_json
from keras_skeleton.models import MODELS, build_model
from keras_skeleton.part_inputs import Videos
from keras_skeleton.pipeline import ClipInputs
from keras_skeleton.training.distribution import current
from keras_skeleton.training.features import stream_features
from keras_skeleton.training.fold import EVALUATION_BATCH, FoldFit, Row, predict_copies
from keras_skeleton.training.jobs import Jobs
from keras_skeleton.training.looking import look_at, looked_at
from keras_skeleton.training.parts import published_start, with_crops
from keras_skeleton.training.progress import Progress
from keras_skeleton.training.reading import clip_inputs, frames_read
from keras_skeleton.training.recipes import Recipe
from keras_skeleton.training.staged import stage_epochs, train_stages
from keras_skeleton.training.stages import Stage, freeze
from keras_skeleton.training.state import write_json
from keras_skeleton.training.trained import Trained, called
from keras_skeleton.training.trainee import Trainee, predict_views
from keras_skeleton.transforms.glimpses import PARTS
from keras_skeleton.weights import load_weights

RESULTS = ("history.csv", "scores.npz", "best.weights.h5")  # what a report or a user needs
FREE = {"command", "versions", "device", "started"}  # of run.json: may differ between its parts


class RunError(UserError):
    """The run cannot be started or continued; the message says why and what to do."""


@dataclass
class Experiment:
    """What is run, and where.

    Attributes:
        model: Name of the model.
        dataset: The clips.
        protocol: Name of one of the dataset's protocols.
        variant: Name of the recipe's variant, for the record.
        recipe: The recipe, with whatever the user changed.
        seed: Fold k trains from seed + k - 1.
        folder: Where results go.
        command: The command line, for the record.
        say: Receives lines for the console.
        crops: Videos of the clips' parts, for a model that watches them.
        published: Published I3D weights that its streams start from.
    """

    model: str
    dataset: SkeletonDataset
    protocol: str
    variant: str
    recipe: Recipe
    seed: int
    folder: Path
    command: str
    say: Callable[[str], None] = print
    crops: Crops | None = None
    published: Path | None = None

    def __post_init__(self) -> None:
        if self.dataset.info.get("options", {}).get("clips") == "untrimmed":
            raise RunError(
                f"'{self.protocol}' of '{self.dataset.name}' holds untrimmed recordings, whose "
                "labels mean nothing: they are for detection, not for training a classifier"
            )
        self.folds: list[Fold] = list(self.dataset.folds(self.protocol))
        if not self.folds:
            raise RunError(f"protocol '{self.protocol}' gives no folds on this data")
        self.videos: Videos | None = None
        self._kept: ClipInputs | None = None
        if MODELS[self.model].video:
            if self.crops is None:
                raise RunError(
                    f"'{self.model}' watches videos of hands and body; make them with run.py crops "
                    "and give their folder with --crops"
                )
            self.videos = Videos(self.crops)
            self.folds = with_crops(self.folds, self.dataset, self.crops.frames)
            if lost := len(set(self.dataset.samples["name"]) - set(self.crops.frames)):
                self.say(f"left out, without crops in {self.crops.folder}: clips {lost}")

    @property
    def frames(self) -> int | None:
        """T of the network's input: the recipe's, at most the longest clip where that matters."""
        return frames_read(self.model, self.dataset, self.recipe.frames)

    def build(self, any_length: bool = False, **changes: Any) -> keras.Model:
        """A new network for this dataset; `changes` are arguments other than the recipe's. With
        `any_length` T is free, where the model reads clips at their own length."""
        arguments = {**self.recipe.model, **changes}
        if MODELS[self.model].sequence or MODELS[self.model].video:
            arguments["bodies"] = self.dataset.max_bodies
        if self.crops is not None:
            arguments["size"] = self.crops.size
        classes = len(self.dataset.classes)
        frames = None if any_length and MODELS[self.model].sequence else self.frames
        return build_model(self.model, self.dataset.skeleton, classes, frames, **arguments)

    def inputs(
        self,
        network: keras.Model | None = None,
        features: Mapping[str, np.ndarray] | None = None,
    ) -> ClipInputs:
        """A network's view of all clips, the whole one's by default; `features` in place of
        videos."""
        of = (self.model, self.dataset, self.frames, self.recipe.read)
        if self.videos is None:
            if self._kept is None:  # one for all networks: it remembers what it computed
                self._kept = clip_inputs(*of)
            return self._kept
        return clip_inputs(*of, network or self.build(), self.videos, features)

    def forget(self) -> None:
        """Frees the memory of what the networks read."""
        self._kept = None

    def stage_inputs(
        self, trainees: Mapping[str, Trainee], fold: Fold, folder: Path
    ) -> Callable[[Stage], ClipInputs]:
        """What a stage of a fold reads, once the stages before it are finished."""
        if self.videos is None:
            everything = self.inputs(next(iter(trainees.values())).model)
            return lambda stage: everything

        def inputs(stage: Stage) -> ClipInputs:
            network = trainees[stage.name].model
            if not stage.features:
                return self.inputs(network)
            features = {}
            for track in PARTS:
                stream = trainees[track]
                features[track] = stream_features(
                    stream.model,
                    folder / track / "best.weights.h5",
                    self.inputs(stream.model),
                    np.sort(np.concatenate(fold)),
                    self.recipe.views,
                    stream.recipe.batch_size,
                    folder / "features",
                    self.say,
                )
            return self.inputs(network, features)

        return inputs

    def describe(self) -> dict[str, Any]:
        """The content of run.json: what must agree for runs to be parts of one experiment."""
        jax = ("jax",) if keras.backend.backend() == "jax" else ()
        names = ("tensorflow", *jax, "keras", "numpy", "pandas")
        precision = keras.config.dtype_policy().name
        return {
            "model": self.model,
            "dataset": self.dataset.name,
            "protocol": self.protocol,
            "variant": self.variant,
            # Through JSON, so that it equals what is read back.
            "recipe": json.loads(json.dumps(self.recipe.describe())),
            "seed": self.seed,
            "skeleton": self.dataset.skeleton.name,
            "classes": list(self.dataset.classes),
            "clips": len(self.dataset),
            "folds_total": len(self.folds),
            "command": self.command,
            "versions": {"keras_skeleton": __version__, "python": platform.python_version()}
            | {name: _version(name) for name in names},
            **(
                {"crops": self.crops.size, "published": str(self.published or "")}
                if self.crops
                else {}
            ),
            **({} if precision == "float32" else {"precision": precision}),
            "device": f"{keras.backend.backend()}, {platform.machine()}, {cores()} cores"
            + current().describe(),
            "started": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        }

    def open_folder(self, wanted: Sequence[int], resume: bool) -> None:
        """Makes the folder, or checks that what is there belongs to the same experiment.

        Raises:
            RunError: Another experiment's folder, or folds that are there already.
        """
        begun = [k for k in wanted if self.fold_folder(k).exists()]
        open_run(self.folder, self.describe(), begun, resume)

    def fold_folder(self, number: int) -> Path:
        """Folder of a fold; folds count from 1."""
        return self.folder / f"fold_{number:02d}"

    def train(
        self,
        numbers: Sequence[int] | None = None,
        resume: bool = False,
        jobs: Jobs | None = None,
    ) -> str:
        """Trains the folds (all of them by default) and writes the report; returns its table. With
        `jobs` several at a time.

        Of several processes that train together, only the first one has the folder and a table.
        """
        wanted = self.check_folds(numbers)
        devices = current()
        mine = {key: value for key, value in self.describe().items() if key not in FREE}
        devices.compare({**mine, "folds": wanted, "resume": resume})
        open_folds = devices.decide(lambda: self.begin(wanted, resume))
        with tempfile.TemporaryDirectory(prefix="keras_skeleton_") as thrown_away:
            if devices.process:
                self.folder, self.say = Path(thrown_away), _say_nothing
            if jobs and len(open_folds) > 1:
                jobs.train(open_folds, resume, self.say)
            elif open_folds:
                self.train_folds(open_folds, resume)
        table = ""
        if not devices.process:
            with devices.alone():
                if unseen := [k for k in wanted if not looked_at(self, k)]:
                    look_at(self, unseen)
                table = write_report(self.folder, self.folder)
        devices.leave()
        return table

    def begin(self, wanted: Sequence[int], resume: bool) -> list[int]:
        """Opens the folder; returns those of the folds that are not finished."""
        self.open_folder(wanted, resume)
        open_folds = [k for k in wanted if not self.finished(k)]
        if done := len(wanted) - len(open_folds):
            self.say(f"{done} folds are finished already")
        return open_folds

    def train_folds(
        self, numbers: Sequence[int], resume: bool, trainees: dict[str, Trainee] | None = None
    ) -> None:
        """Trains folds, one after the other, with `trainees` made before or new ones."""
        devices = current()
        devices.send(self.folder, [self.fold_folder(number) for number in numbers])
        trainees = trainees or self.trainees()
        begin = published_start(self.published, self.crops.size if self.crops else 0)
        epochs = [self.epochs(self.folds[number - 1]) for number in numbers]
        progress = Progress(epochs, io.StringIO() if devices.process else None)
        inputs = None if self.recipe.stages else self.inputs(trainees[""].model)
        for number in numbers:
            fold, folder = self.folds[number - 1], self.fold_folder(number)
            self.say(self.split_line(number, fold))
            progress.begin(number)
            seed = self.seed + number - 1
            if inputs is None:
                read = self.stage_inputs(trainees, fold, folder)
                metrics = train_stages(
                    self.recipe.stages, trainees, read, fold, number, seed, folder, progress,
                    resume, begin,
                )  # fmt: skip
                shutil.rmtree(folder / "features", ignore_errors=True)
            else:
                metrics = FoldFit(
                    trainees[""], inputs, fold, number, seed, folder, progress.epoch
                ).run(resume)
            progress.end(metrics)

    def finished(self, number: int) -> bool:
        """Whether a fold is trained; RunError where only a part of its results is left."""
        folder = self.fold_folder(number)
        if not (folder / "metrics.json").exists():
            return False
        if lost := [name for name in RESULTS if not (folder / name).exists()]:
            raise RunError(
                f"{folder} is finished but lacks {', '.join(lost)}; delete the folder to train "
                "this fold again"
            )
        return True

    def final_network(self) -> keras.Model:
        """A new network as a training leaves it."""
        return self.build(**(self.recipe.stages[-1].model if self.recipe.stages else {}))

    def beside(self, network: keras.Model, number: int | None = None, weights: str = "") -> Trained:
        """A network beside the clips, and the test clips of a fold; `weights` is what they are
        called."""
        test = np.arange(0) if number is None else self.folds[number - 1].test
        return Trained(
            self.model, network, self.dataset, test, self.inputs(network), self.frames,
            self.recipe.read, self.recipe.views,
            self.recipe.batch_size if self.videos else EVALUATION_BATCH, weights,
        )  # fmt: skip

    def trained(self, number: int, network: keras.Model | None = None) -> Trained:
        """What a finished fold's training has chosen, beside the clips; `network` takes the
        weights."""
        network = network or self.final_network()
        weights = self.fold_folder(number) / "best.weights.h5"
        load_weights(network, weights)
        return self.beside(network, number, called(weights))

    def trainees(self) -> dict[str, Trainee]:
        """A network made ready for each stage by its name; one, named "", without stages."""
        clips = [len(fold.train) for fold in self.folds]
        if not self.recipe.stages:
            return {"": Trainee(self.build, self.recipe, clips)}
        return {
            stage.name: Trainee(self._builder(stage), replace(self.recipe, **stage.recipe), clips)
            for stage in self.recipe.stages
        }

    def _builder(self, stage: Stage) -> Callable[[], keras.Model]:
        return lambda: freeze(self.build(**stage.model), stage.train)

    def epochs(self, fold: Fold) -> int:
        """Epochs of a fold, of all its stages together."""
        batch = self.recipe.batch_size
        stages = (
            stage_epochs(stage, len(fold.train), stage.recipe.get("batch_size", batch))
            for stage in self.recipe.stages
        )
        return sum(stages) or self.recipe.epochs

    def split_line(self, number: int, fold: Fold) -> str:
        """How many clips train, validate and test."""
        return (
            f"fold {number}/{len(self.folds)}: {len(fold.train)} clips train, "
            f"{len(fold.validation)} validate, {len(fold.test)} test"
        )

    def check_folds(self, numbers: Sequence[int] | None) -> list[int]:
        """The folds asked for (all by default), each with clips to train and to test on."""
        wanted = sorted(set(numbers or range(1, len(self.folds) + 1)))
        for number in wanted:
            if not 1 <= number <= len(self.folds):
                raise RunError(f"there is no fold {number}; folds run from 1 to {len(self.folds)}")
            fold = self.folds[number - 1]
            for what, clips in (("train", fold.train), ("test", fold.test)):
                if not len(clips):
                    raise RunError(
                        f"fold {number} of '{self.protocol}' on '{self.dataset.name}' has no clips "
                        f"to {what} on: {len(self.dataset)} clips were found in all"
                    )
        return wanted

    def evaluate(self, weights: Path, numbers: Sequence[int] | None = None) -> Score:
        """Scores trained weights on one fold's test clips; writes scores.npz and metrics.json.

        Raises:
            RunError: No fold named where there are several: the other folds' test clips trained
                these weights. Or a folder that holds a run.
        """
        wanted = self.check_folds(numbers)
        if len(wanted) > 1:
            raise RunError(
                f"'{self.protocol}' has {len(self.folds)} folds; say with --fold which one these "
                "weights were trained on: what the others test on is among its training clips"
            )
        if (self.folder / "run.json").exists():
            raise RunError(f"{self.folder} holds a run; choose another --out for the scores")
        model = self.build()
        load_weights(model, weights)
        inputs = self.inputs(model)
        test = self.folds[wanted[0] - 1].test
        size = self.recipe.batch_size if self.videos else EVALUATION_BATCH
        forward = model.predict_on_batch
        logits = predict_views(forward, inputs, test, min(size, len(test)), self.recipe.views)
        if copies := self.recipe.test_copies:
            logits = predict_copies(model, inputs, test, copies, self.seed)
        result = score(inputs.labels[test], logits)
        self.folder.mkdir(parents=True, exist_ok=True)
        write_scores(
            self.folder / "scores.npz",
            names=self.dataset.samples["name"].to_numpy(str)[test],
            labels=inputs.labels[test],
            logits=logits,
            classes=self.dataset.classes,
            fold=wanted[0],
        )
        write_json(
            self.folder / "metrics.json",
            {**self.describe(), **result.as_dict(), "weights": str(weights), "folds": wanted},
        )
        return result

    def scored_line(self, result: Score, weights: Path) -> str:
        """What `evaluate` found, for people."""
        copies = self.recipe.test_copies
        return (
            f"{self.model} on {self.dataset.name} {self.protocol}, weights {weights}"
            f"{f', {copies} copies a clip' if copies else ''}: "
            f"{100 * result.accuracy:.2f} % of {result.clips} test clips, "
            f"top 5 {100 * result.top5:.2f} %, mean over classes "
            f"{100 * result.mean_class_accuracy:.2f} %"
        )


def open_run(folder: Path, mine: Mapping[str, Any], begun: Sequence[int], resume: bool) -> None:
    """Makes a run's folder, or checks that what is there belongs to the same experiment.

    Args:
        folder: Of the run.
        mine: The content of its run.json.
        begun: Folds asked for that are there already.
        resume: They may be.

    Raises:
        RunError: Another experiment's folder, or folds that are there already.
    """
    path = folder / "run.json"
    if path.exists():
        try:
            theirs = dict(read_json(path, "a run's notes"))
        except (ValueError, TypeError):
            raise RunError(f"{path} is damaged; delete it or choose another --out") from None
        own, other = (  # what newer versions note and do not use, is None
            {k: v for k, v in d.items() if k not in FREE and v is not None} for d in (mine, theirs)
        )
        if what := "; ".join(_differences(other, own)):
            raise RunError(f"{folder} holds another experiment ({what}); choose another --out")
        if begun and not resume:
            raise RunError(
                f"{folder} already holds fold {', '.join(map(str, begun))}; "
                "add --resume to continue it, or choose another --out"
            )
    elif folder.exists() and any(p.suffix != ".part" for p in folder.iterdir()):
        raise RunError(f"{folder} is not empty and not a run; choose another --out")
    else:
        folder.mkdir(parents=True, exist_ok=True)
        write_json(path, mine)


def _say_nothing(line: str) -> None:
    pass


def _differences(theirs: Mapping[str, Any], mine: Mapping[str, Any]) -> Iterator[str]:
    """What two notes say differently, down to single values: `"epochs: 30 there, 12 here"`."""
    for key in {**mine, **theirs}:
        there, here = theirs.get(key), mine.get(key)
        if isinstance(there, Mapping) and isinstance(here, Mapping):
            yield from (f"{key} {line}" for line in _differences(there, here))
        elif there != here or (key in theirs) != (key in mine):
            yield f"{key}: {_short(theirs, key)} there, {_short(mine, key)} here"


def _short(notes: Mapping[str, Any], key: str) -> str:
    if key not in notes:
        return "nothing"
    text = json.dumps(notes[key])
    return text if len(text) <= 60 else text[:57] + "..."


def _version(package: str) -> str | None:
    try:
        return version(package)
    except ModuleNotFoundError:
        return None


def command_line() -> str:
    """The command that started this process, as one would type it, with the variables that set
    TensorFlow's threads: sums are rounded in another order with another number of them."""
    threads = [f"{name}={os.environ[name]}" for name in THREADS if name in os.environ]
    return " ".join([*threads, shlex.join(["python", Path(sys.argv[0]).name, *sys.argv[1:]])])


__all__ = ["Experiment", "Row", "RunError", "command_line"]
