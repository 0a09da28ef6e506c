"""Helpers for the pose-driven network: input shapes, clips with crops, and weights that its streams
start from: published I3D weights, or streams of another run."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import keras

from keras_skeleton.checkpoints.i3d import load_i3d_weights
from keras_skeleton.checkpoints.weights import load_weights
from keras_skeleton.datasets.dataset import Fold, SkeletonDataset
from keras_skeleton.evaluation.run_record import read_record
from keras_skeleton.models.i3d import Small, i3d
from keras_skeleton.models.pose_i3d import part_network
from keras_skeleton.training.transfer import take_over
from keras_skeleton.utils.errors import UserError


def input_shapes(network: keras.Model) -> dict[str, tuple[int, ...]]:
    """Shape of every named input, without the batch axis."""
    return {name: tuple(tensor.shape[1:]) for name, tensor in network.input.items()}


def with_crops(folds: Sequence[Fold], dataset: SkeletonDataset, names: Any) -> list[Fold]:
    """The folds, restricted to clips that have crops."""
    there = dataset.samples["name"].isin(names).to_numpy()
    return [Fold(*(clips[there[clips]] for clips in fold)) for fold in folds]


def published_start(path: Path | None, size: int) -> Callable[[keras.Model], None]:
    """Returns a function that loads published I3D weights into a network's streams.

    It also initializes the blocks after the sum of streams (`sum_1` and `sum_2`). Without a path,
    the function does nothing.
    """
    if path is None:
        return lambda model: None
    source = i3d(frames=8, size=size, top=False)  # the weights do not depend on the clip length
    load_i3d_weights(source, path)

    def start(model: keras.Model) -> None:
        streams = [layer for layer in model.layers if isinstance(layer, keras.Model)]
        try:
            for stream in streams:
                take_over(stream, source, ("",))
            take_over(model, source, ("Conv3d_5",))
        except ValueError as error:
            raise UserError(
                f"{path}: the published I3D weights do not fit this network, whose streams have "
                f"fewer channels: {error}"
            ) from None

    return start


@dataclass(frozen=True)
class StreamRun:
    """The streams of a finished run of `pose_i3d`, as the start of those of another run.

    Das et al. (WACV 2019, Tables 2 and 4) start on N-UCLA from streams trained on NTU RGB+D.

    Attributes:
        folder: The run, with `fold_01/TRACK/best.weights.h5`.

    Raises:
        UserError: The run is of another model.
    """

    folder: Path

    def __post_init__(self) -> None:
        if self.about.get("model") != "pose_i3d":
            raise UserError(f"--streams {self.folder}: not a run of pose_i3d, which has streams")

    @cached_property
    def about(self) -> dict[str, Any]:
        """The content of `run.json`."""
        return read_record(self.folder / "run.json")

    def weights(self, track: str) -> Path:
        """The weights file of a track."""
        return self.folder / "fold_01" / track / "best.weights.h5"

    def stream(self, track: str) -> keras.Model:
        """The trained stream of a track."""
        settings = self.about["settings"]
        model = settings["model"]
        network = part_network(
            track,
            len(self.about["classes"]),
            settings["frames"] or 64,
            size=self.about["crops"],
            small=Small(model.get("width", 1.0), model.get("momentum", 0.99)),
            head=model.get("head", "mean"),
        )
        load_weights(network, self.weights(track))
        return network.get_layer(f"i3d_{track}")


class StreamStart:
    """Starts the streams of a network from those of other runs; each track is taken from the first
    run that has it.

    Args:
        folders: Run folders.

    Raises:
        UserError: If a folder is no run of `pose_i3d`.
    """

    def __init__(self, folders: Sequence[Path]) -> None:
        self.runs = [StreamRun(Path(folder)) for folder in folders]
        self._known: dict[str, keras.Model] = {}

    def describe(self) -> dict[str, Any]:
        """The entry of `run.json`: where the streams come from, and checksums of their weights."""
        found: dict[str, Any] = {
            key: self.runs[0].about.get(key) for key in ("dataset", "protocol", "recipe", "seed")
        }
        files = {
            f"{number}/{path.parent.name}": zlib.crc32(path.read_bytes())
            for number, run in enumerate(self.runs)
            for path in sorted(run.folder.glob("fold_01/*/best.weights.h5"))
        }
        return {**found, "weights": files}

    def stream(self, track: str) -> keras.Model:
        """The trained stream of a track.

        Raises:
            UserError: If none of the runs has it.
        """
        if track not in self._known:
            run = next((run for run in self.runs if run.weights(track).is_file()), None)
            if run is None:
                where = ", ".join(str(run.folder) for run in self.runs)
                raise UserError(
                    f"--streams {where}: no stage '{track}' (fold_01/{track}/best.weights.h5); a "
                    f"run with --set model.aggregate={track} has it"
                )
            self._known[track] = run.stream(track)
        return self._known[track]

    def __call__(self, model: keras.Model) -> None:
        """Copies streams, and for `sum_1` and `sum_2` the blocks behind the sum, those of the full
        body, into a network."""
        streams = [layer for layer in model.layers if isinstance(layer, keras.Model)]
        try:
            for stream in streams:
                take_over(stream, self.stream(stream.name.removeprefix("i3d_")), ("",))
            if any(layer.name.startswith("Conv3d_5") for layer in model.layers):
                take_over(model, self.stream("full_body"), ("Conv3d_5",))
        except ValueError as error:
            raise UserError(
                f"--streams {self.runs[0].folder}: its streams have another width: {error}"
            ) from None
