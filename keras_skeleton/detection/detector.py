"""`Detector`: the trained networks of a detection run, applied to recordings."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd

from keras_skeleton.checkpoints.weights import load_weights
from keras_skeleton.datasets.dataset import SkeletonDataset
from keras_skeleton.detection import jcr
from keras_skeleton.detection.curve import AROUND, Frames, along, gates_of
from keras_skeleton.detection.detect import (
    AnySettings,
    Classify,
    GateSettings,
    Settings,
    candidates,
    classified,
    read_settings,
    windows,
)
from keras_skeleton.detection.detections import Detections, at_trained_rate
from keras_skeleton.detection.fit import per_frame
from keras_skeleton.detection.gate import build_gate, decode
from keras_skeleton.detection.recording import read_recording, recording_of_array
from keras_skeleton.detection.streams import classifier_of, frames_of
from keras_skeleton.detection.svm import SIZE, STEP, WindowSVM
from keras_skeleton.evaluation.run_record import upgraded
from keras_skeleton.models.gate_net import reach
from keras_skeleton.models.jcr_rnn import jcr_rnn
from keras_skeleton.models.own_code import recorded_model
from keras_skeleton.models.preprocessing import Preprocessing, read_skeleton
from keras_skeleton.models.registry import MODELS, build_model
from keras_skeleton.recognizer import Recognizer
from keras_skeleton.skeletons import Skeleton, get_skeleton
from keras_skeleton.utils.errors import UnknownNameError, UserError
from keras_skeleton.utils.files import FileError, read_json

PROPOSALS = "tap_lstm"
TAP = {"tap_u": "tap_u", "tap_u_m": "tap_u", "tap_b": "tap_b", "tap_b_m": "tap_b"}
# Rows of the paper's Tables IV and V with the networks that each needs.
OF_PAPER: dict[str, tuple[str, ...]] = {
    "svm_sw": (),
    "sta_lstm_sw": ("classifier",),
    "jcr_rnn": ("jcr_rnn",),
    "sta_lstm_jcr": ("jcr_rnn", "classifier"),
    **{name: (network, "classifier") for name, network in TAP.items()},
}
# Our own detector: GateNet on the frames so far (causal), and on those before and after.
GATES = ("gate_u", "gate_b")
METHODS = OF_PAPER | {name: (name,) for name in GATES}
# Networks that are trained on whole recordings; alone, they are methods that label every frame.
ON_RECORDINGS = ("jcr_rnn", *GATES)
NETWORKS, WEIGHTS = "networks", "best.weights.h5"
# Limits of the sizes in run.json: a damaged file could otherwise lead to a network that fills the
# memory before its weights are found not to fit.
MOST_BODIES, MOST_UNITS = 16, 10_000
MOST_CLASSES = 10_000


def read_run(folder: Path) -> dict[str, Any]:
    """Reads the `run.json` of a detection run and checks the sizes of its networks."""
    path = folder / "run.json"
    try:
        run = dict(upgraded(read_json(path, "a run's JSON file")))
        run["classes_scored"]
    except FileError:
        raise
    except (OSError, ValueError, TypeError, OverflowError, KeyError):
        raise UserError(f"{folder}: no detection run (run.json is missing or damaged)") from None
    try:
        sizes = [run["frames"], [recipe["model"] for recipe in run["recipes"].values()]]
        right = (
            type(run["bodies"]) is int
            and 1 <= run["bodies"] <= MOST_BODIES
            and 1 <= len(run["classes"]) <= MOST_CLASSES
            and all(type(name) is str for name in run["classes"])
            and all(abs(number) <= MOST_UNITS for number in _numbers(sizes))
            and (run["fps"] is None or 0 < run["fps"] <= MOST_UNITS)
            and type(run["classifier"]) is str
        )
    except (TypeError, OverflowError, KeyError, AttributeError):
        right = False
    if not right:
        raise UserError(f"{path}: damaged or of another version (its sizes are out of range)")
    return run


def _skeleton_of(run: dict[str, Any], folder: Path) -> Skeleton:
    """The joint layout of a run; older runs have only its name."""
    if not run.get("layout"):
        return get_skeleton(run["skeleton"])
    try:
        return read_skeleton(run["layout"])
    except (TypeError, OverflowError, KeyError, ValueError):
        raise UserError(f"{folder / 'run.json'}: damaged (its joint layout)") from None


def _numbers(content: Any) -> list[float]:
    """All numbers in a JSON value."""
    if isinstance(content, (dict, list)):
        inside = content.values() if isinstance(content, dict) else content
        return [number for item in inside for number in _numbers(item)]
    return [content] if isinstance(content, (int, float)) else []


class Detector:
    """Detects actions with the trained networks of one fold of a detection run.

    Args:
        folder: Folder of the run, see `detection.experiment`.
        number: Fold number, counted from 1.

    Attributes:
        svm: The classifier of the method `svm_sw`, which is not stored; set it before use.

    Raises:
        UserError: If the folder does not hold a detection run.

    Example:
        >>> from pathlib import Path
        >>> from keras_skeleton.detection.detector import Detector
        >>> detector = Detector(Path("runs/detect_tap_u_ut_kinect_cs"))  # doctest: +SKIP
        >>> detector.detect_recording("recording.npy", fps=30).table  # doctest: +SKIP
    """

    def __init__(self, folder: Path, number: int = 1) -> None:
        self.run = read_run(folder)
        self.folder, self.number = folder, number
        self.skeleton = _skeleton_of(self.run, folder)
        self.classes = len(self.run["classes"])
        self.svm: WindowSVM | None = None
        self._networks: dict[str, keras.Model] = {}
        self._known: SkeletonDataset | None = None  # the dataset of the cached curves
        self._kept: dict[tuple[str, int], np.ndarray] = {}

    @property
    def fold(self) -> Path:
        """The fold's folder."""
        return self.folder / f"fold_{self.number:02d}"

    def network(self, part: str) -> keras.Model:
        """The trained network of a part, for clips of any length if the model supports it.

        For TAP-LSTM these are only its gates; JCR-RNN has all its outputs joined into one.
        """
        if part not in self._networks:
            place = self.folder / NETWORKS / part / self.fold.name / WEIGHTS
            if not place.is_file():
                raise UserError(f"{place}: no such file; '{part}' was not trained in this run")
            network = self._build(part)
            load_weights(network, place)
            if part in ON_RECORDINGS:
                network = per_frame(network)
            elif part != "classifier":
                network = gates_of(network)
            self._networks[part] = network
        return self._networks[part]

    def _build(self, part: str) -> keras.Model:
        bodies = self.run["bodies"]
        if part == "jcr_rnn":
            return jcr_rnn(bodies * self.skeleton.size, self.classes)
        if part in GATES:
            return build_gate(self.skeleton, self.classes, bodies, self.recipe(part)["model"])
        name = recorded_model(self.run["classifier"]) if part == "classifier" else PROPOSALS
        entry = MODELS[name]
        arguments = {**self.run["recipes"][name]["model"], **entry.dataset_arguments(bodies)}
        frames = entry.built_frames(self.run["frames"][part])
        if part == "tap_b":
            arguments["bidirectional"] = True
        classes = self.classes + (part == "classifier")
        return build_model(name, self.skeleton, classes, frames, **arguments)

    def recipe(self, part: str) -> dict[str, Any]:
        """The recipe of GateNet, as stored in the run.

        Raises:
            UserError: If the run was made without it.
        """
        if part not in self.run["recipes"]:
            raise UserError(f"{self.folder}: '{part}' is not in the recipes of this run")
        return dict(self.run["recipes"][part])

    def frames(self, dataset: SkeletonDataset, recording: int, part: str = PROPOSALS) -> Frames:
        """A recording, preprocessed for a part; TAP-LSTM, JCR-RNN and the SVM have the same."""
        own = self.recipe(part if part in GATES else PROPOSALS)
        return frames_of(dataset, recording, PROPOSALS, own["preprocessing"])

    def curve(self, part: str, dataset: SkeletonDataset, recording: int) -> np.ndarray:
        """The output of a part for every frame, (T,), or (T, C + 3) for JCR-RNN and GateNet;
        cached."""
        if self._known is not dataset:
            self._known, self._kept = dataset, {}
        key = (part, recording)
        if key not in self._kept:
            length = int(dataset.samples["frames"].iloc[recording])
            around = max(self.reach(part)) if part in GATES else AROUND
            frames = self.frames(dataset, recording, part)
            self._kept[key] = along(self.network(part), frames, length, around=around)
        return self._kept[key]

    def attention(self, method: str, dataset: SkeletonDataset, recording: int) -> np.ndarray:
        """Attention to every frame of a recording, (T,), of a TAP method or of GateNet."""
        if method in GATES:
            return 1 - self.curve(method, dataset, recording)[:, self.classes]
        return self.curve(TAP[method], dataset, recording)

    def frame_probabilities(
        self, method: str, dataset: SkeletonDataset, recording: int
    ) -> np.ndarray | None:
        """Probabilities of the classes and of no action for every frame, (T, C + 1), of methods
        that label frames; None for others."""
        if method not in ON_RECORDINGS:
            return None
        return self.curve(method, dataset, recording)[:, : self.classes + 1]

    def reach(self, part: str) -> tuple[int, int]:
        """Number of frames before and after a frame on which the outputs of GateNet depend."""
        return reach(self.network(part))

    def classify(self, dataset: SkeletonDataset, recording: int) -> Classify:
        """A function that classifies intervals of a recording."""
        return classifier_of(dataset, recording, self.recognizer)

    @cached_property
    def recognizer(self) -> Recognizer:
        """The classifier of intervals. Its last class stands for no action."""
        name = self.run["classifier"]
        preprocessing = Preprocessing(
            name,
            self.skeleton,
            bodies=self.run["bodies"],
            frames=self.run["frames"]["classifier"],
            choices=self.run["recipes"][name]["preprocessing"],
        )
        classes = [*self.run["classes"], "no action"]
        return Recognizer(self.network("classifier"), classes, preprocessing, name=str(self.folder))

    def folds(self) -> list[int]:
        """The folds of the run, by number from 1."""
        numbers = [own.name[5:] for own in self.folder.glob("fold_[0-9]*") if own.is_dir()]
        return sorted(int(number) for number in numbers if number.isdecimal())

    def methods(self) -> list[str]:
        """The methods run on this fold, in the order of the paper's tables (TAP methods last)."""
        return [name for name in METHODS if (self.fold / name / "settings.json").is_file()]

    def settings(self, method: str) -> AnySettings:
        """The settings that the run selected for a method.

        Raises:
            UserError: If the run does not include the method.
        """
        if method not in METHODS:
            raise UnknownNameError("method", method, METHODS, of="detection")
        path = self.fold / method / "settings.json"
        if not self.fold.is_dir():
            known = self.folds()
            raise UserError(f"{self.folder}: has no fold {self.number}; its folds are {known}")
        if not path.is_file():
            raise UserError(
                f"{path.parent}: method '{method}' was not run; choose one of {self.methods()}"
            )
        settings = read_settings(path)[0]
        if isinstance(settings, GateSettings):
            fits = method in GATES and len(settings.lengths) == self.classes
        else:
            fits = method not in GATES
        if not fits:
            raise UserError(f"{path}: damaged (not the settings of '{method}')")
        return settings

    def default_method(self, live: bool = False) -> str:
        """The last method of the run; for streams, `gate_u` if it is there."""
        methods = self.methods()
        if live and "gate_u" in methods:
            return "gate_u"
        return methods[-1] if methods else "tap_u_m"

    def detect_recording(
        self,
        source: str | Path | np.ndarray | SkeletonDataset,
        fps: float | None = None,
        skeleton: str | None = None,
        method: str | None = None,
        settings: AnySettings | None = None,
    ) -> Detections:
        """Detects actions in one recording, as `keras-skeleton detect --stream` does.

        Joints are mapped to those of the detector, and the recording is resampled to the detector's
        frame rate if its own differs by more than a quarter.

        Args:
            source: A file (see `recording.read_recording`); an array (T, V, 3) or (T, M, V, 3) in
                metres, joints that were not seen NaN; or what `recording.recording_of` returns.
            fps: Frames per second of the recording, if the file does not say it. Without both, that
                of the training recordings is taken, and a note says so.
            skeleton: Name of the joint layout of the recording; by default that of the file, or of
                the detector.
            method: A key of `METHODS`; by default the run's last.
            settings: Parameters of detection; by default those that the run selected.

        Returns:
            The detections, in frames of the recording and in seconds, with notes.

        Raises:
            DatasetError: The recording cannot be read, has no body or bodies of an impossible size.
            UserError: The run does not include the method, or `fps` is not positive.

        Example:
            >>> from keras_skeleton.zoo.detectors import load_detector
            >>> detector = load_detector("gate_b_ut_kinect_cs")  # doctest: +SKIP
            >>> found = detector.detect_recording(poses, fps=30)  # doctest: +SKIP
            >>> print(found.table, found.notes)  # doctest: +SKIP
        """
        if fps is not None and not 0 < fps < float("inf"):
            raise UserError(f"fps={fps}: must be frames per second, above 0")
        name = method or self.default_method()
        chosen = settings or self.settings(name)
        known = (self.skeleton, self.run["bodies"], self.run["classes"])
        unit = self.run.get("unit", "m")
        if isinstance(source, SkeletonDataset):
            recording = source
        elif isinstance(source, (str, Path)):
            recording = read_recording(source, *known, joints=skeleton, unit=unit)
        else:
            recording = recording_of_array(source, *known, joints=skeleton, unit=unit)

        def detect(own: SkeletonDataset) -> tuple[pd.DataFrame, np.ndarray | None]:
            return self.detect(name, own, 0, chosen), self.frame_probabilities(name, own, 0)

        return at_trained_rate(detect, self.run, recording, fps)

    def proposals(
        self, method: str, dataset: SkeletonDataset, recordings: Sequence[int], settings: Settings
    ) -> pd.DataFrame:
        """Proposals of TAP-LSTM, a table with the columns `video`, `start`, `end`, `score` (mean
        attention)."""
        rows = []
        for i in recordings:
            curve = self.curve(TAP[method], dataset, i)
            total = np.concatenate([[0.0], np.cumsum(curve, dtype=np.float64)])
            for start, end in candidates(curve, settings).tolist():
                score = (total[end] - total[start]) / (end - start)
                rows.append((str(dataset.samples["video"].iloc[i]), start, end, score))
        return pd.DataFrame(rows, columns=["video", "start", "end", "score"])

    def detect(
        self, method: str, dataset: SkeletonDataset, recording: int, settings: AnySettings
    ) -> pd.DataFrame:
        """Detects actions in one recording of a dataset at the frame rate of the training.

        The recording is taken as it is: it is not resampled, and `fps` in the dataset's `info` is
        not looked at. For a file or an array of any rate, use `detect_recording`.

        Args:
            method: A key of `METHODS`.
            dataset: The recordings, with the detector's joints and bodies, and with as many frames
                per second as the training recordings (see `recording.trained_fps`).
            recording: Index of the recording.
            settings: Parameters of detection.

        Returns:
            A table with the columns `label`, `start`, `end` (frames, end excluded), `score`.
        """
        length = int(dataset.samples["frames"].iloc[recording])
        if method in GATES:
            if not isinstance(settings, GateSettings):
                raise ValueError(f"settings of '{method}' must be GateSettings")
            said = self.curve(method, dataset, recording)
            return decode(said[:, :-2], said[:, -2:], settings)
        if not isinstance(settings, Settings):
            raise ValueError(f"settings of '{method}' must be Settings")
        if method == "svm_sw":
            return self._slide(dataset, recording, settings)
        if "jcr_rnn" in METHODS[method]:
            said = self.curve("jcr_rnn", dataset, recording)
            found = jcr.read_off(said[:, :-2], said[:, -2:])
            if method == "jcr_rnn":
                return found
            intervals = found[["start", "end"]].drop_duplicates().to_numpy(np.int64)
        elif method == "sta_lstm_sw":
            intervals = windows(length, SIZE, STEP)
        else:
            intervals = candidates(self.curve(TAP[method], dataset, recording), settings)
        return classified(intervals, self.classify(dataset, recording), settings)

    def detect_all(
        self,
        method: str,
        dataset: SkeletonDataset,
        recordings: Sequence[int],
        settings: AnySettings,
    ) -> pd.DataFrame:
        """As `detect`, for several recordings, with an additional column `video`."""
        tables = [
            self.detect(method, dataset, i, settings).assign(
                video=str(dataset.samples["video"].iloc[i])
            )
            for i in recordings
        ]
        columns = ["video", "label", "start", "end", "score"]
        return pd.concat(tables)[columns] if tables else pd.DataFrame(columns=columns)

    def _slide(self, dataset: SkeletonDataset, recording: int, settings: Settings) -> pd.DataFrame:
        if self.svm is None:
            raise UserError("svm_sw stores no weights: it can be used only in the run that fits it")
        svm, length = self.svm, int(dataset.samples["frames"].iloc[recording])
        frames = self.frames(dataset, recording)(0, length)
        spans = windows(length, SIZE, STEP)
        return classified(spans, lambda _: svm.classify(frames), settings)
