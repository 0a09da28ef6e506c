"""Action detection in untrimmed recordings, with all results in one folder (Song et al., TIP 2018,
Algorithm 2 and Sec. IV.C): train on trimmed clips, detect in the test recordings, score.

    RUN/run.json                configuration; written first, compared when the run is resumed
    RUN/networks/tap_u, tap_b   run folders of TAP-LSTM, unidirectional and bidirectional
    RUN/networks/classifier     run folder of the classifier of C + 1 classes
    RUN/networks/jcr_rnn        weights and history of JCR-RNN
    RUN/networks/gate_u, gate_b weights and history of GateNet, causal and both ways
    RUN/fold_01/METHOD          settings.json, detections.csv, curves.npz (attention per frame),
                                probabilities.npz (of classes per frame)
    RUN/METHOD                  detections of all folds: tables, frames/VIDEO.csv (label per frame),
                                PKU-MMD files, activitynet.json, elan/VIDEO.eaf
    RUN/scores.csv              scores of each method by both rules; also figures
    RUN/attention.csv           attention within and between actions, and training-free curves

More methods or folds can be added to the folder later (`resume`). An interrupted training continues
from its last saved epoch.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from itertools import product
from pathlib import Path
from typing import Any

import keras
import numpy as np

from keras_skeleton.attention.run_attention import write_run_report
from keras_skeleton.datasets.dataset import Fold, SkeletonDataset
from keras_skeleton.datasets.published import not_published
from keras_skeleton.detection import gate, jcr
from keras_skeleton.detection.clips import trimmed
from keras_skeleton.detection.detect import AnySettings, GateSettings, Settings
from keras_skeleton.detection.detector import (
    GATES,
    METHODS,
    NETWORKS,
    ON_RECORDINGS,
    PROPOSALS,
    TAP,
    WEIGHTS,
    Detector,
)
from keras_skeleton.detection.fit import SIGMA, RecordingFit, Stream, targets
from keras_skeleton.detection.report import write_report
from keras_skeleton.detection.scoring import average_recall
from keras_skeleton.detection.streams import frames_of
from keras_skeleton.detection.svm import WindowSVM
from keras_skeleton.evaluation.run_record import READ, open_run
from keras_skeleton.models.jcr_rnn import jcr_rnn
from keras_skeleton.recipes.recipe import Recipe
from keras_skeleton.training.experiment import Experiment
from keras_skeleton.training.run_facts import about_dataset
from keras_skeleton.utils.errors import UnknownNameError, UserError
from keras_skeleton.utils.files import write_json
from keras_skeleton.utils.full_disk import writing
from keras_skeleton.utils.large_arrays import large_array
from keras_skeleton.utils.lock import locked
from keras_skeleton.utils.tables import write_table
from keras_skeleton.utils.text import counted

# Search grid on the validation recordings. The paper uses epsilon = 0 (0.2 for cross-view),
# omega = 30 and a filter of 30 frames for PKU-MMD.
WINDOWS, EPSILONS, OMEGAS = (5, 15, 30), (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6), (0, 10, 30)
CHOSEN_BY = (0.3, 0.5, 0.7)  # settings are selected by the mean recall at these overlaps


@dataclass
class Detection:
    """Trains and evaluates action detection on one protocol of a dataset.

    Attributes:
        dataset: Recordings, loaded with `clips=untrimmed`.
        protocol: Name of one of the dataset's protocols.
        methods: Detection methods, keys of `METHODS`.
        classifier: Name of the model that classifies intervals.
        recipes: Recipes of `tap_lstm`, `jcr_rnn` and the classifier, by model name; those of
            `gate_u` and `gate_b` if they are among the methods.
        seed: Random seed. Fold k (counted from 1) uses seed + k - 1.
        folder: Output folder.
        command: Command line stored in `run.json`.
        log: Called with each line of console output.
        fixed: Settings of the TAP methods that are given instead of chosen: `window`, `omega`,
            `epsilon` and `relative`.

    Raises:
        UnknownNameError: If a method is unknown.

    Example:
        >>> from keras_skeleton.detection.experiment import Detection
        >>> detection = Detection(
        ...     dataset, "cs", ["tap_u"], "sta_lstm", recipes, seed=0, folder=folder, command=""
        ... )  # doctest: +SKIP
        >>> print(detection.run())  # doctest: +SKIP
    """

    dataset: SkeletonDataset
    protocol: str
    methods: Sequence[str]
    classifier: str
    recipes: Mapping[str, Recipe]
    seed: int
    folder: Path
    command: str
    log: Callable[[str], None] = print
    fixed: Mapping[str, Any] = field(default_factory=dict)
    parts: dict[str, Experiment] = field(init=False)

    def __post_init__(self) -> None:
        for method in self.methods:
            if method not in METHODS:
                raise UnknownNameError("method", method, METHODS, of="detection")
        actions, everything = trimmed(self.dataset), trimmed(self.dataset, with_none=True)
        tap = self.recipes[PROPOSALS]
        both_ways = replace(tap, model={**tap.model, "bidirectional": True})
        made = {
            "tap_u": (PROPOSALS, actions, tap),
            "tap_b": (PROPOSALS, actions, both_ways),
            "classifier": (self.classifier, everything, self.recipes[self.classifier]),
        }
        self.parts = {
            name: Experiment(
                model,
                clips,
                protocol=self.protocol,
                recipe=recipe,
                seed=self.seed,
                folder=self.folder / NETWORKS / name,
                command=self.command,
                log=self.log,
            )
            for name, (model, clips, recipe) in made.items()
        }
        self.folds: list[Fold] = list(self.dataset.folds(self.protocol))

    @property
    def classes(self) -> int:
        """Number of classes that occur in the recordings, over which scores are averaged."""
        return int(self.dataset.intervals["label"].nunique())

    def describe(self) -> dict[str, Any]:
        """The content of `run.json`."""
        part = self.parts["classifier"].describe()
        own = about_dataset(self.dataset)
        kept = ("dataset", "protocol", "recipe", "seed", "skeleton", "layout", "unit",
                "folds_total", "command", "versions", "device", "started")  # fmt: skip
        return {
            "task": "detection",
            "classifier": self.classifier,
            "recipes": {
                name: json.loads(json.dumps(recipe.describe()))
                for name, recipe in self.recipes.items()
            },
            "classes": list(self.dataset.classes),
            "classes_scored": self.classes,
            "recordings": len(self.dataset),
            "fps": self.dataset.info.get("fps"),
            **{key: own[key] for key in READ},
            **not_published(self.dataset, self.protocol),
            "bodies": self.dataset.max_bodies,
            "frames": {name: part.frames for name, part in self.parts.items()},
            **({"settings": dict(self.fixed)} if self.fixed else {}),
            **{name: part[name] for name in kept},
        }

    def run(self, numbers: Sequence[int] | None = None, resume: bool = False) -> str:
        """Trains, detects and scores.

        Args:
            numbers: Fold numbers, counted from 1; all folds by default.
            resume: Continue an interrupted run, or add folds and methods.

        Returns:
            The table of scores, as text.

        Raises:
            RunError: If the folder holds another experiment, or, without `resume`, these folds.
            InUseError: If another process writes to the folder.
        """
        needed = [p for p in self.parts if any(p in METHODS[m] for m in self.methods)]
        if len(self.dataset.classes) < 2 and {"tap_u", "tap_b"} & set(needed):
            raise UserError(
                f"all actions are '{self.dataset.classes[0]}', and TAP-LSTM learns to tell two or "
                "more apart; choose another method, such as --method gate_b"
            )
        wanted = self.parts["tap_u"].check_folds(numbers)
        with locked(self.folder, log=self.log):
            return self._run(wanted, needed, resume)

    def _run(self, wanted: Sequence[int], needed: Sequence[str], resume: bool) -> str:
        begun = [k for k in wanted if (self.folder / f"fold_{k:02d}").exists()]
        open_run(self.folder, self.describe(), begun, resume, self.log)
        for name in needed:
            self.log(f"\n{name}: {self.parts[name].model} on trimmed clips")
            self.parts[name].fit(wanted, resume or self.parts[name].folder.exists())
            if self.parts[name].tests:
                write_run_report(self.parts[name])
            self.parts[name].forget()
        for number in wanted:
            for part in ON_RECORDINGS:
                if any(part in METHODS[method] for method in self.methods):
                    self.train_on_recordings(part, number)
            detector = Detector(self.folder, number)
            for method in self.methods:
                if not (detector.fold / method / "detections.csv").exists():
                    self.log(f"fold {number}: detecting with {method}")
                    self.detect(method, detector)
        return write_report(self.folder, self.dataset.intervals, self.dataset)

    def streams(self, recordings: np.ndarray, part: str = PROPOSALS) -> list[Stream]:
        """Recordings with frame-wise targets, preprocessed for a part (JCR-RNN and the SVM: as for
        TAP-LSTM). The frames are in one array, which is mapped if it is large (PKU-MMD: 3 GB)."""
        found, truth = [], self.dataset.intervals
        own = self.recipes[part if part in GATES else PROPOSALS].preprocessing
        if not len(recordings):
            return []
        T = int(self.dataset.samples["frames"].iloc[recordings].sum())
        one = frames_of(self.dataset, int(recordings[0]), PROPOSALS, own)(0, 1)
        kept, first = large_array((T, *one.shape[1:])), 0
        for i in recordings.tolist():
            row = self.dataset.samples.iloc[i]
            actions, length = truth[truth["video"] == row["video"]], int(row["frames"])
            sigma = gate.SIGMA if part in GATES else SIGMA
            labels, ends = targets(actions, length, len(self.dataset.classes), sigma)
            frames = kept[first : first + length]
            frames[:] = frames_of(self.dataset, i, PROPOSALS, own)(0, length)
            first += length
            found.append(Stream(frames, labels, ends))
        return found

    def train_on_recordings(self, part: str, number: int) -> None:
        """Trains JCR-RNN or GateNet on the recordings of a fold, unless its weights exist.

        A training that was stopped continues from its last saved epoch.
        """
        folder = self.folder / NETWORKS / part / f"fold_{number:02d}"
        if (folder / WEIGHTS).exists():
            return
        recipe, fold, seed = self.recipes[part], self.folds[number - 1], self.seed + number - 1
        self.log(f"\n{part}: fold {number}, {counted(recipe.epochs, 'epoch')} on recordings")
        keras.utils.set_random_seed(seed)
        bodies, classes = self.dataset.max_bodies, len(self.dataset.classes)
        if part == "jcr_rnn":
            network = jcr_rnn(bodies * self.dataset.skeleton.size, classes)
            fit = RecordingFit(network, jcr.losses(), jcr.WEIGHTS, recipe)
            train, held = fold.train, fold.validation
        else:
            network = gate.build_gate(self.dataset.skeleton, classes, bodies, recipe.model)
            fit = RecordingFit(network, gate.losses(), gate.WEIGHTS, recipe)
            train, held = self.taught(fold), fold.validation[:0]
        fit.run(self.streams(train, part), self.streams(held, part), seed, folder, self.log)

    def taught(self, fold: Fold) -> np.ndarray:
        """The recordings that GateNet learns from: nothing is selected on validation recordings, so
        they teach, too."""
        return np.sort(np.concatenate([fold.train, fold.validation]))

    def settings(self, method: str, detector: Detector) -> AnySettings:
        """Selects the settings of a method.

        For GateNet, the lengths of the classes are those of the recordings that it was trained on.
        For TAP methods, the settings whose proposals have the best recall (`CHOSEN_BY`) on the
        validation recordings; without validation actions, the paper's settings for the
        cross-subject protocol of PKU-MMD.
        """
        if method in GATES:
            trained = self.videos(self.taught(self.folds[detector.number - 1]))
            actions = self.dataset.intervals
            actions = actions[actions["video"].isin(trained)]
            return GateSettings(gate.typical_lengths(actions, len(self.dataset.classes)))
        scales = method.endswith("_m")
        plain = Settings(scales=scales, relative=True)
        if method in ("svm_sw", "sta_lstm_sw"):
            plain = replace(plain, overlap=1.0)  # windows overlap anyway: merging is enough
        if method == "svm_sw":
            plain = replace(plain, least=0.0)  # its confidences are not probabilities
        held = self.folds[detector.number - 1].validation
        truth = self.dataset.intervals
        truth = truth[truth["video"].isin(self.videos(held))]
        if method in TAP:
            plain = replace(plain, **self.fixed)
        if method not in TAP or not len(truth):
            return plain
        best: tuple[tuple[float, int], Settings] | None = None
        grid: dict[str, Sequence[Any]]
        grid = {"window": WINDOWS, "epsilon": EPSILONS, "omega": OMEGAS}
        grid |= {name: (value,) for name, value in self.fixed.items() if name in grid}
        for window, epsilon, omega in product(*grid.values()):
            own = replace(plain, window=window, epsilon=epsilon, omega=omega, scales=False)
            found = detector.proposals(method, self.dataset, held.tolist(), own)
            if len(found):
                rank = average_recall(found, truth, CHOSEN_BY), -len(found)
                if best is None or rank > best[0]:
                    best = rank, replace(own, scales=scales)
        return best[1] if best else plain

    def videos(self, recordings: np.ndarray) -> list[str]:
        """Names of recordings."""
        return [str(name) for name in self.dataset.samples["video"].iloc[recordings]]

    def detect(self, method: str, detector: Detector) -> None:
        """Detects actions in the test recordings of a fold; writes settings, curves and
        detections."""
        fold, folder = self.folds[detector.number - 1], detector.fold / method
        settings = self.settings(method, detector)
        if method == "svm_sw":
            detector.svm = WindowSVM(len(self.dataset.classes))
            seed = self.seed + detector.number - 1
            detector.svm.fit(self.streams(fold.train), self.streams(fold.validation), seed)
        videos = self.videos(fold.test)
        lengths = self.dataset.samples["frames"].iloc[fold.test].tolist()
        found = detector.detect_all(method, self.dataset, fold.test.tolist(), settings)
        curves = {
            video: detector.attention(method, self.dataset, i)
            for i, video in zip(fold.test.tolist(), videos, strict=True)
            if method in TAP or method in GATES
        }
        probabilities = {
            video: own.astype(np.float16)
            for i, video in zip(fold.test.tolist(), videos, strict=True)
            if (own := detector.frame_probabilities(method, self.dataset, i)) is not None
        }
        part = folder.with_name(f".{folder.name}.part")
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir(parents=True)
        write_json(
            part / "settings.json",
            {**asdict(settings), "test": dict(zip(videos, lengths, strict=True))},
        )
        for name, arrays in (("curves", curves), ("probabilities", probabilities)):
            if arrays:
                with writing(folder / f"{name}.npz"):
                    np.savez_compressed(part / f"{name}.npz", **arrays)
        write_table(found, part / "detections.csv", index=False)
        shutil.rmtree(folder, ignore_errors=True)
        part.replace(folder)
