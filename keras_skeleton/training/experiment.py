"""Train a model on the folds of a dataset, with all results in one folder.

    RUN/run.json          the configuration; written first, compared when the run is resumed
    RUN/fold_01/ ...      history.csv, scores.npz, metrics.json, best and last weights,
                          calibration.npz

`attention.run_attention.write_run_report` adds attention figures and `report.html` to the folder.
More folds can be trained into the same folder later, and an interrupted run can be resumed.
"""

from __future__ import annotations

import io
import json
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

import keras
import numpy as np

from keras_skeleton.checkpoints.weights import load_weights
from keras_skeleton.datasets.dataset import Fold, SkeletonDataset
from keras_skeleton.datasets.own_protocols import ALL
from keras_skeleton.datasets.published import not_published
from keras_skeleton.datasets.split_notes import lacking_note, noisy_note, subjects_line
from keras_skeleton.distributed.devices import current
from keras_skeleton.evaluation.calibration import FILE as CALIBRATION
from keras_skeleton.evaluation.calibration import Calibration
from keras_skeleton.evaluation.report import merge_runs
from keras_skeleton.evaluation.run_record import (
    ALL_CLIPS,
    MAY_DIFFER,
    PART,
    TRAIN_ON,
    RunError,
    check_run,
    command_line,
    open_run,
)
from keras_skeleton.evaluation.scores import Score, score, write_scores
from keras_skeleton.models.entry import ModelEntry
from keras_skeleton.models.head import head_layers, named_layers
from keras_skeleton.models.registry import MODELS, build_model, check_model, model_label
from keras_skeleton.recipes.recipe import Recipe
from keras_skeleton.recipes.registry import get_recipe
from keras_skeleton.recipes.schedules import Plateau
from keras_skeleton.recipes.stage import Stage
from keras_skeleton.training.calibrate import calibrate
from keras_skeleton.training.copies import predict_copies
from keras_skeleton.training.features import stream_features
from keras_skeleton.training.few_clips import few_clips
from keras_skeleton.training.fixed_copies import with_copies
from keras_skeleton.training.fold import FoldFit
from keras_skeleton.training.initial import InitialWeights, Joints, Taken
from keras_skeleton.training.inputs import clip_inputs
from keras_skeleton.training.jobs import Jobs
from keras_skeleton.training.part_inputs import Videos
from keras_skeleton.training.parts import StreamStart, published_start, with_crops
from keras_skeleton.training.pipeline import ClipInputs
from keras_skeleton.training.progress import Progress
from keras_skeleton.training.result import Result
from keras_skeleton.training.run_facts import about_dataset, about_machine
from keras_skeleton.training.stages import stage_epochs, train_stages
from keras_skeleton.training.trainer import EVALUATION_BATCH, Trainer, predict_views
from keras_skeleton.training.transfer import freeze
from keras_skeleton.transforms.glimpses import PARTS
from keras_skeleton.utils.errors import UnknownNameError
from keras_skeleton.utils.files import read_json, write_json
from keras_skeleton.utils.lock import locked
from keras_skeleton.video.crops import Crops

RESULTS = ("history.csv", "scores.npz", "best.weights.h5")  # a finished fold has all of them
AVERAGES = "no clips are held out; the weights of the last fifth of the epochs are averaged"
FOLLOWS = "no validation clips, so the learning rate drops when the training loss stops improving"
NOT_CALIBRATED = (
    "not calibrated, because no clips are held out: probabilities are those of the network, and no "
    "prediction is marked as unsure (a run without --train-on all is calibrated)"
)
RESULTS_UNTESTED = ("history.csv", "best.weights.h5")


def free_folder(model: str, dataset: str, protocol: str) -> Path:
    """`runs/MODEL_DATASET_PROTOCOL`, or the first of `...-2`, `...-3`, ... that does not exist."""
    base = Path("runs") / f"{model_label(model)}_{dataset}_{protocol}"
    number, folder = 1, base
    while folder.exists():
        number += 1
        folder = base.with_name(f"{base.name}-{number}")
    return folder


class Experiment:
    """Trains and evaluates one model on one protocol of a dataset.

    Args:
        model: Model name, or `"path/to/file.py:build"`.
        dataset: The clips.
        protocol: Name of one of the dataset's protocols.
        recipe: Recipe name (`"paper"`, `"released"`, `"tuned"`, `"equal"` or `"faithful"`, where
            the model has it), or a `Recipe`.
        seed: Random seed. Fold k (counted from 1) uses seed + k - 1.
        folder: Output folder; by default a new folder `runs/MODEL_DATASET_PROTOCOL`.
        command: Command line stored in `run.json`; by default that of the current process.
        log: Called with each line of console output.
        crops: Videos of hands and body, required by models with video inputs.
        published: File with published I3D weights that initialize the video streams.
        streams: Run folders of `pose_i3d` whose streams initialize them instead, see
            `parts.StreamStart`.
        initial: Weights of another network that the training starts from.
        clips_per_class: Train on this many clips of each class, drawn with the seed of the fold; by
            default on all training clips.
        train_on: `"part"` trains on the protocol's training clips; validation clips are held out
            and select the epoch. `"all"` trains on both without a selection: the fold ends with the
            mean of the weights over the last fifth of the epochs. Such runs are not calibrated.

    Raises:
        UserError: If a name is unknown, if the dataset holds untrimmed recordings, if the protocol
            has no folds, or if the model needs crops and none are given.

    Example:
        >>> import keras_skeleton as ks
        >>> dataset = ks.load_dataset("synthetic", subjects=4, repetitions=1)
        >>> experiment = ks.Experiment(model="mans9", dataset=dataset, protocol="cs")
        >>> experiment.recipe.name, len(experiment.folds)
        ('paper', 1)
        >>> result = experiment.fit()  # doctest: +SKIP
    """

    def __init__(
        self,
        model: str,
        dataset: SkeletonDataset,
        protocol: str,
        recipe: Recipe | str = "paper",
        seed: int = 0,
        folder: str | Path | None = None,
        command: str | None = None,
        log: Callable[[str], None] = print,
        crops: Crops | None = None,
        published: Path | None = None,
        streams: Sequence[Path] = (),
        initial: InitialWeights | None = None,
        clips_per_class: int | None = None,
        train_on: str = PART,
    ) -> None:
        if train_on not in TRAIN_ON:
            raise UnknownNameError("train_on", train_on, TRAIN_ON)
        self.model = check_model(model)
        self.dataset = dataset
        self.protocol = dataset.check_protocol(protocol)
        self.recipe = get_recipe(model, dataset.name, recipe) if isinstance(recipe, str) else recipe
        self.seed = seed
        self.folder = Path(folder or free_folder(model, dataset.name, protocol))
        self.command = command_line() if command is None else command
        self.log = log
        self.crops = crops
        self.published = published
        self.streams = StreamStart(streams) if streams else None
        self.initial = initial
        self.clips_per_class = clips_per_class
        self.train_on = train_on
        options = dataset.info.get("options", {})
        if options.get("clips") == "untrimmed":
            raise RunError(
                f"protocol '{protocol}' of '{dataset.name}' holds untrimmed recordings, which have "
                "no class labels; a classifier cannot be trained on them (use them for detection)"
            )
        self.folds: list[Fold] = list(self.dataset.folds(self.protocol))
        if not self.folds:
            raise RunError(
                f"protocol '{self.protocol}' of '{dataset.name}' has no folds on this data"
            )
        if train_on == ALL_CLIPS:
            self.folds = [
                fold._replace(
                    train=np.union1d(fold.train, fold.validation), validation=fold.validation[:0]
                )
                for fold in self.folds
            ]
        if clips_per_class is not None:
            self.folds = [
                fold._replace(
                    train=few_clips(fold.train, dataset.labels, clips_per_class, seed + k)
                )
                for k, fold in enumerate(self.folds)
            ]
        if initial is not None and (self.recipe.stages or self.entry.video):
            raise RunError(
                f"'{self.model}' is trained in stages, which start from random weights; train it "
                "end to end to start from other weights (--set recipe.stages=none)"
                if self.recipe.stages
                else f"'{self.model}' has video inputs and cannot start from other weights"
            )
        self.videos: Videos | None = None
        self._kept: ClipInputs | None = None
        if self.entry.video:
            if self.crops is None:
                raise RunError(
                    f"'{self.model}' needs videos of hands and body: create them with "
                    "`keras-skeleton crops` and pass their folder with --crops"
                )
            self.videos = Videos(self.crops)
            self.folds = with_crops(self.folds, self.dataset, self.crops.frames)
            if lost := len(set(self.dataset.samples["name"]) - set(self.crops.frames)):
                self.log(f"skipped {lost} clips without crops in {self.crops.folder}")

    @property
    def entry(self) -> ModelEntry:
        """The model's registry entry."""
        return MODELS[self.model]

    @property
    def frames(self) -> int | None:
        """Number of input frames T, or None for any length. Derived from the recipe and, for some
        models, from the longest clip of the dataset."""
        longest = int(self.dataset.samples["frames"].max())
        return self.entry.input_frames(self.recipe.frames, longest)

    def build(self, any_length: bool = False, **changes: Any) -> keras.Model:
        """Builds a new network for this dataset.

        Args:
            any_length: Leave the number of input frames T open, for models that process clips at
                their original length.
            **changes: Model arguments that override the recipe's.
        """
        frames = self.entry.built_frames(self.frames) if any_length else self.frames
        classes = len(self.dataset.classes)
        arguments = self.arguments(**changes)
        return build_model(self.model, self.dataset.skeleton, classes, frames, **arguments)

    def arguments(self, **changes: Any) -> dict[str, Any]:
        """Arguments of `build_model` other than skeleton, classes and frames."""
        size = None if self.crops is None else self.crops.size
        own = self.entry.dataset_arguments(self.dataset.max_bodies, size)
        return {**self.recipe.model, **changes, **own}

    def head(self, network: keras.Model, **changes: Any) -> list[keras.layers.Layer]:
        """The layers of a network of this experiment that depend on the number of classes.

        Args:
            network: The network.
            **changes: Model arguments that it was built with, as in `build`.
        """
        return head_layers(
            network,
            self.model,
            self.dataset.skeleton,
            len(self.dataset.classes),
            frames=self.frames,
            **self.arguments(**changes),
        )

    @cached_property
    def _head_names(self) -> list[str]:
        network = self.build()
        head = {id(layer) for layer in self.head(network)}
        return [name for name, layer in named_layers(network) if id(layer) in head]

    def take(self, network: keras.Model) -> Taken | None:
        """Copies the initial weights into a network; None if there are none."""
        if self.initial is None:
            return None
        joints = Joints(self.dataset.skeleton, self.dataset.max_bodies)
        return self.initial.apply(network, self._head_names, joints)

    @cached_property
    def taken(self) -> Taken | None:
        """What a network takes from the initial weights; None if there are none."""
        if self.initial is None:
            return None
        return self.take(self.initial.frozen(self.build()))  # also checks `freeze`

    def calibrate(self, number: int, weights: Path | None = None) -> Calibration | None:
        """Calibrates weights on the training and validation clips of their fold.

        Args:
            number: Fold number, counted from 1.
            weights: Weights file; by default the best weights of the fold in the run's folder.

        Returns:
            The calibration; None for networks with video inputs, and for folds without validation
            clips.
        """
        fold = self.folds[number - 1]
        if self.videos is not None or not len(fold.validation) or not len(fold.train):
            return None
        network = self.final_network()
        load_weights(network, weights or self.fold_folder(number) / "best.weights.h5")
        head = self.head(network, **self.final_changes)
        return calibrate(network, head, self.inputs(network), fold)

    def inputs(
        self,
        network: keras.Model | None = None,
        features: Mapping[str, np.ndarray] | None = None,
    ) -> ClipInputs:
        """The preprocessed inputs of a network for all clips.

        Args:
            network: The network; by default the full model.
            features: Precomputed stream features by track, which replace the videos.
        """
        of = (self.model, self.dataset, self.frames, self.recipe.preprocessing)
        if self.videos is None:
            if self._kept is None:  # shared by all networks: it caches preprocessed clips
                self._kept = with_copies(clip_inputs(*of), self.recipe.model, self.entry.options())
            return self._kept
        return clip_inputs(*of, network or self.build(), self.videos, features)

    def forget(self) -> None:
        """Frees the memory of the cached inputs."""
        self._kept = None

    def stage_inputs(
        self, trainers: Mapping[str, Trainer], fold: Fold, folder: Path
    ) -> Callable[[Stage], ClipInputs]:
        """Returns a function from a stage of this fold to its inputs. It may be called only once
        the stages before it have finished."""
        if self.videos is None:
            everything = self.inputs(next(iter(trainers.values())).model)
            return lambda stage: everything

        def inputs(stage: Stage) -> ClipInputs:
            network = trainers[stage.name].model
            if not stage.features:
                return self.inputs(network)
            features = {}
            for track in PARTS:
                stream = trainers[track]
                features[track] = stream_features(
                    stream.model,
                    folder / track / "best.weights.h5",
                    inputs=self.inputs(stream.model),
                    clips=np.sort(np.concatenate(fold)),
                    views=self.recipe.views,
                    batch_size=stream.recipe.batch_size,
                    folder=folder / "features",
                    log=self.log,
                )
            return self.inputs(network, features)

        return inputs

    def describe(self) -> dict[str, Any]:
        """The content of `run.json`. Runs with equal settings belong to the same experiment."""
        crops: dict[str, Any] = {}
        if self.crops is not None:
            crops = {
                "crops": self.crops.size,
                "crops_content": self.crops.content,
                "published": str(self.published or ""),
                **({"streams": self.streams.describe()} if self.streams else {}),
            }
        start = {} if self.initial is None else self.initial.describe()
        few = self.clips_per_class
        return {
            "model": self.model,
            "dataset": self.dataset.name,
            "protocol": self.protocol,
            "recipe": self.recipe.name,
            # A JSON round trip, so that it compares equal to the file's content.
            "settings": json.loads(json.dumps(self.recipe.describe())),
            "seed": self.seed,
            **about_dataset(self.dataset),
            **not_published(self.dataset, self.protocol),
            "folds_total": len(self.folds),
            "train_on": self.train_on,
            "command": self.command,
            **crops,
            **({"init_weights": {**start, "taken": str(self.taken)}} if start else {}),
            **({} if few is None else {"clips_per_class": few}),
            **about_machine(),
        }

    def fold_folder(self, number: int) -> Path:
        """Folder of fold `number`, counted from 1."""
        return self.folder / f"fold_{number:02d}"

    def fit(
        self,
        folds: Sequence[int] | None = None,
        resume: bool = False,
        jobs: Jobs | None = None,
    ) -> Result | None:
        """Trains and evaluates folds.

        Args:
            folds: Fold numbers, counted from 1; all folds by default.
            resume: Continue interrupted folds and keep finished ones.
            jobs: Trains several folds in parallel.

        Returns:
            The results of all finished folds in the folder. In distributed training, only the
            first process returns them; the others return None.

        Raises:
            RunError: If the folder holds another experiment, or, without `resume`, these folds.
            InUseError: If another process writes to the folder.
        """
        wanted = self.check_folds(folds)
        devices = current()
        mine = {key: value for key, value in self.describe().items() if key not in MAY_DIFFER}
        devices.compare({**mine, "folds": wanted, "resume": resume})
        with ExitStack() as stack:

            def begin() -> list[int]:  # in the first process, the only one that writes
                stack.enter_context(locked(self.folder, log=self.log))
                return self.open(wanted, resume)

            open_folds = devices.decide(begin)
            if devices.process:
                thrown_away = tempfile.TemporaryDirectory(prefix="keras_skeleton_")
                self.folder, self.log = Path(stack.enter_context(thrown_away)), _log_nothing
            if jobs and open_folds and (len(open_folds) > 1 or jobs.scheduler):
                jobs.train(open_folds, resume, self.log)
            elif open_folds:
                self.train_folds(open_folds, resume)
            if not devices.process:
                with devices.alone():
                    self.calibrate_folds(wanted)
        if devices.process:
            return None
        return Result(self.folder, merge_runs(self.folder) if self.tests else self.untested())

    def untested(self) -> dict[str, Any]:
        """Metrics of a run without test clips, as in `merge_runs`."""
        path = self.fold_folder(1) / "metrics.json"
        return {**self.describe(), **read_json(path, "a fold's metrics"), "hours": None}

    def calibrate_folds(self, numbers: Sequence[int]) -> None:
        """Writes `calibration.npz` of the finished folds that have none."""
        if self.train_on == ALL_CLIPS:
            self.log(NOT_CALIBRATED)
        for number in numbers:
            path = self.fold_folder(number) / CALIBRATION
            if not path.exists() and (found := self.calibrate(number)):
                found.save(path)

    def open(self, wanted: Sequence[int], resume: bool) -> list[int]:
        """Creates the folder, or checks that it belongs to the same experiment; returns the
        unfinished folds.

        Raises:
            RunError: If the folder holds another experiment, or, without `resume`, these folds.
        """
        begun = [k for k in wanted if self.fold_folder(k).exists()]
        open_run(self.folder, self.describe(), begun, resume, self.log)
        open_folds = [k for k in wanted if not self.finished(k)]
        if done := len(wanted) - len(open_folds):
            self.log(f"skipped {done} folds that are already finished")
        return open_folds

    def train_folds(
        self, numbers: Sequence[int], resume: bool, trainers: dict[str, Trainer] | None = None
    ) -> None:
        """Trains folds one after the other, with the given trainers or new ones."""
        devices = current()
        if (self.folder / "run.json").exists():  # a process of its own has read the dataset again
            check_run(self.folder, self.describe())
        devices.send(self.folder, [self.fold_folder(number) for number in numbers])
        size = self.crops.size if self.crops else 0
        load_pretrained = self.streams or published_start(self.published, size)
        epochs = [self.epochs(self.folds[number - 1]) for number in numbers]
        with Progress(epochs, io.StringIO() if devices.process else None) as progress:
            trainers = trainers or self.trainers()
            inputs = None if self.recipe.stages else self.inputs(trainers[""].model)
            for number in numbers:
                fold, folder = self.folds[number - 1], self.fold_folder(number)
                self.log(self.split_line(number, fold))
                about = (subjects_line(self.dataset, fold), lacking_note(self.dataset, fold))
                for line in (*about, *self.notes(fold)):
                    if line:
                        self.log(f"fold {number}: {line}")
                progress.on_fold_start(number)
                seed = self.seed + number - 1
                if inputs is None:
                    read = self.stage_inputs(trainers, fold, folder)
                    metrics = train_stages(
                        self.recipe.stages,
                        trainers,
                        inputs=read,
                        fold=fold,
                        number=number,
                        seed=seed,
                        folder=folder,
                        progress=progress,
                        resume=resume,
                        load_pretrained=load_pretrained,
                        average=self.train_on == ALL_CLIPS,
                    )
                    shutil.rmtree(folder / "features", ignore_errors=True)
                else:
                    metrics = FoldFit(
                        trainers[""],
                        inputs,
                        fold=fold,
                        number=number,
                        seed=seed,
                        folder=folder,
                        on_epoch_end=progress.epoch,
                        start=self.take,
                        average=self.train_on == ALL_CLIPS,
                    ).run(resume)
                progress.end(metrics)

    def finished(self, number: int) -> bool:
        """Whether a fold is finished; raises RunError if some of its files are missing."""
        folder = self.fold_folder(number)
        if not (folder / "metrics.json").exists():
            return False
        needed = RESULTS if self.tests else RESULTS_UNTESTED
        if lost := [name for name in needed if not (folder / name).exists()]:
            raise RunError(
                f"{folder} is finished but {', '.join(lost)} is missing; delete the folder to "
                "train this fold again"
            )
        return True

    def final_network(self) -> keras.Model:
        """Builds the network that training ends with: that of the last stage, if there are
        stages."""
        return self.build(**self.final_changes)

    @property
    def final_changes(self) -> Mapping[str, Any]:
        """The model arguments of the last stage."""
        return self.recipe.stages[-1].model if self.recipe.stages else {}

    def trainers(self) -> dict[str, Trainer]:
        """A trainer for each stage, by stage name; a recipe without stages has one, named ""."""
        clips = [len(fold.train) for fold in self.folds]
        if not self.recipe.stages:
            if (start := self.initial) is None or (taken := self.taken) is None:
                return {"": Trainer(self.build, self.recipe, clips)}
            self.log(f"weights of {start.source}: {taken}")
            if start.freeze is not None:
                layers = named_layers(start.frozen(self.build()))
                still = [name for name, layer in layers if layer.weights and not layer.trainable]
                self.log(f"not trained: {', '.join(still)}")
            rates = dict.fromkeys((*taken.whole, *taken.partly), start.rate)
            return {"": Trainer(lambda: start.frozen(self.build()), self.recipe, clips, rates)}
        return {
            stage.name: Trainer(self._builder(stage), replace(self.recipe, **stage.recipe), clips)
            for stage in self.recipe.stages
        }

    def _builder(self, stage: Stage) -> Callable[[], keras.Model]:
        return lambda: freeze(self.build(**stage.model), stage.train)

    def epochs(self, fold: Fold) -> int:
        """Number of epochs of a fold, summed over its stages."""
        batch = self.recipe.batch_size
        stages = (
            stage_epochs(stage, len(fold.train), stage.recipe.get("batch_size", batch))
            for stage in self.recipe.stages
        )
        return sum(stages) or self.recipe.epochs

    def split_line(self, number: int, fold: Fold) -> str:
        """A line with the numbers of training, validation and test clips."""
        return (
            f"fold {number}/{len(self.folds)}: {len(fold.train)} training, "
            f"{len(fold.validation)} validation, {len(fold.test)} test clips"
        )

    def notes(self, fold: Fold) -> list[str]:
        """Notes on the choice of the weights of a fold."""
        found = [AVERAGES if self.train_on == ALL_CLIPS else noisy_note(fold)]
        stages = [replace(self.recipe, **stage.recipe) for stage in self.recipe.stages]
        schedules = [recipe.schedule for recipe in stages or [self.recipe]]
        if not len(fold.validation) and any(isinstance(s, Plateau) for s in schedules):
            found.append(FOLLOWS)
        return found

    @property
    def tests(self) -> bool:
        """Whether the protocol has test clips; `all` has none."""
        return self.protocol != ALL

    def check_folds(self, numbers: Sequence[int] | None) -> list[int]:
        """Sorted fold numbers (all by default); raises RunError if one does not exist or has no
        training or test clips."""
        wanted = sorted(set(numbers or range(1, len(self.folds) + 1)))
        for number in wanted:
            if not 1 <= number <= len(self.folds):
                raise RunError(f"fold {number} does not exist; choose from 1 to {len(self.folds)}")
            fold = self.folds[number - 1]
            needed = [("train", fold.train)]
            needed += [("test", fold.test)] if self.tests else []
            for what, clips in needed:
                if not len(clips):
                    raise RunError(
                        f"fold {number} of '{self.protocol}' on '{self.dataset.name}' has no clips "
                        f"to {what} on; the dataset has {len(self.dataset)} clips in total"
                    )
        return wanted

    def evaluate(self, weights: Path, numbers: Sequence[int] | None = None) -> Score:
        """Scores trained weights on the test clips of one fold; writes `scores.npz` and
        `metrics.json`.

        Args:
            weights: Weights file.
            numbers: The number of the fold, counted from 1. Required if there are several folds,
                since the test clips of the others were used to train these weights.

        Returns:
            The score on the fold's test clips.

        Raises:
            RunError: If the fold is ambiguous, or if the folder already holds a run.
        """
        wanted = self.check_folds(numbers)
        if not self.tests:
            raise RunError(
                f"'{self.protocol}' trains on all clips and has no test clips to score weights on"
            )
        if len(wanted) > 1:
            raise RunError(
                f"'{self.protocol}' has {len(self.folds)} folds; select with --fold the one that "
                "these weights were trained on (the test clips of other folds are among its "
                "training clips)"
            )
        if (self.folder / "run.json").exists():
            raise RunError(f"{self.folder} already holds a run; choose another folder with --out")
        model = self.build()
        load_weights(model, weights)
        inputs = self.inputs(model)
        test = self.folds[wanted[0] - 1].test
        size = self.recipe.batch_size if self.videos else EVALUATION_BATCH
        forward = model.predict_on_batch
        logits = predict_views(forward, inputs, test, min(size, len(test)), self.recipe.views)
        if self.recipe.test_copies:
            logits = predict_copies(model, inputs, test, self.recipe, self.seed)
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
        """A line of text with the result of `evaluate`."""
        copies = self.recipe.test_copies
        return (
            f"{self.model} on {self.dataset.name} {self.protocol}, weights {weights}"
            f"{f', {copies} copies per clip' if copies else ''}: "
            f"accuracy {100 * result.accuracy:.2f} % on {result.clips} test clips, "
            f"top-5 {100 * result.top5:.2f} %, mean class accuracy "
            f"{100 * result.mean_class_accuracy:.2f} %"
        )


def _log_nothing(line: str) -> None:
    pass
