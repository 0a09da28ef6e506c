"""Train a network that labels every frame, on windows of whole recordings; resumable.

JCR-RNN and GateNet are trained by it. A fold's folder holds `state.npz` while it trains, and
`best.weights.h5` and `history.csv` at the end.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np
import pandas as pd

from keras_skeleton.checkpoints.saving import save_weights
from keras_skeleton.layers import augmentation
from keras_skeleton.recipes.recipe import Recipe
from keras_skeleton.training.fold import SAVE_EVERY, DivergedError
from keras_skeleton.training.progress import EVERY
from keras_skeleton.training.state import StateError, TrainingState, delete_state
from keras_skeleton.training.trainer import OPTIMIZERS
from keras_skeleton.utils.files import remove_parts
from keras_skeleton.utils.tables import write_table

SIGMA = 5.0  # width of the confidence curves at starts and ends, in frames; from memory (JCR-RNN)
SIZE = 200  # window length, if a recipe has none
WEIGHTS = "best.weights.h5"


class Stream(NamedTuple):
    """A recording with frame-wise targets.

    Attributes:
        frames: Network inputs, float32 (T, K, 3).
        labels: Class of each frame, int32 (T,); C for no action.
        ends: Confidences of start and end, float32 (T, 2), see `targets`.
    """

    frames: np.ndarray
    labels: np.ndarray
    ends: np.ndarray


def targets(
    actions: pd.DataFrame, frames: int, classes: int, sigma: float = SIGMA
) -> tuple[np.ndarray, np.ndarray]:
    """Computes the frame-wise targets of a recording.

    Args:
        actions: Annotated actions, with `label`, `start`, `end`.
        frames: Number of frames T.
        classes: Number of classes C.
        sigma: Width of the confidence curves, in frames.

    Returns:
        Labels, int32 (T,), with C for no action; and confidences of start and end, float32 (T, 2):
        exp(-d^2 / (2 sigma^2)) for the distance d to the nearest first or last frame of an action.
    """
    labels = np.full(frames, classes, np.int32)
    ends = np.zeros((frames, 2), np.float32)
    t = np.arange(frames)
    for label, start, end in actions[["label", "start", "end"]].to_numpy(int).tolist():
        labels[start:end] = label
        for column, at in enumerate((start, end - 1)):
            bump = np.exp(-((t - at) ** 2) / (2 * sigma**2))
            ends[:, column] = np.maximum(ends[:, column], bump)
    return labels, ends


class Windows(keras.utils.PyDataset):
    """Batches of windows of recordings, with new window positions in every epoch.

    Args:
        streams: The recordings.
        size: Window length in frames; shorter windows are padded with zeros of weight 0.
        batch_size: Batch size B.
        seed: Seed of positions, speeds and order; None for fixed positions in order.
        speed: Each window is played faster or slower by a random factor between 1 / speed and
            speed, from a random position; frames between two frames are interpolated, and targets
            follow. With 1, every frame is seen once in an epoch.
        epoch: Number of epochs already done.
    """

    def __init__(
        self,
        streams: Sequence[Stream],
        size: int,
        batch_size: int,
        seed: int | None,
        speed: float = 1.0,
        epoch: int = 0,
    ) -> None:
        super().__init__()
        if speed < 1:
            raise ValueError(f"speed={speed} must be at least 1")
        self.streams, self.size, self.batch_size, self.seed = streams, size, batch_size, seed
        self.speed, self.epoch = speed, epoch
        self.count = sum(-(-len(s.frames) // size) for s in streams)
        self._cut()

    def _cut(self) -> None:
        """Draws (stream, start, rate) of every window; a window may start before the stream."""
        rng = None if self.seed is None else np.random.default_rng((self.seed, self.epoch))
        cuts: list[tuple[int, float, float]] = []
        for i, stream in enumerate(self.streams):
            length = len(stream.frames)
            windows = -(-length // self.size)
            if rng is not None and self.speed > 1:
                for rate in self.speed ** rng.uniform(-1, 1, windows):
                    span = rate * self.size  # three quarters of it lie in the stream, if they fit
                    low, high = sorted((-span / 4, length - 0.75 * span))
                    cuts.append((i, float(rng.uniform(low, high)), float(rate)))
                continue
            spare = windows * self.size - length
            first = 0 if rng is None else -int(rng.integers(spare + 1))
            cuts += [(i, first + k * self.size, 1.0) for k in range(windows)]
        self.cuts = cuts if rng is None else [cuts[k] for k in rng.permutation(len(cuts))]

    def on_epoch_end(self) -> None:
        self.epoch += 1
        self._cut()

    def __len__(self) -> int:
        return math.ceil(self.count / self.batch_size)

    def __getitem__(self, step: int) -> tuple[np.ndarray, dict[str, Any], dict[str, Any]]:
        first = step * self.batch_size
        own = [self.cuts[k % self.count] for k in range(first, first + self.batch_size)]
        first_stream = self.streams[0]
        shape = (len(own), self.size)
        x = np.zeros((*shape, *first_stream.frames.shape[1:]), np.float32)
        labels, ends = np.zeros(shape, np.int32), np.zeros((*shape, 2), np.float32)
        weight = np.zeros(shape, np.float32)
        for row, (i, start, rate) in enumerate(own):
            stream = self.streams[i]
            at = start + rate * np.arange(self.size)
            at = at[(at >= 0) & (at <= len(stream.frames) - 1)]
            n, nearest = len(at), np.round(at).astype(int)
            x[row, :n] = between_frames(stream.frames, at)
            labels[row, :n] = stream.labels[nearest]
            ends[row, :n] = stream.ends[nearest]
            weight[row, :n] = 1
        return x, {"labels": labels, "ends": ends}, {"labels": weight, "ends": weight}


def between_frames(frames: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Frames (T, K, 3) at positions (n,), interpolated; where a joint is absent (zeros) in one of
    the two frames, it is that of the nearer frame."""
    low = np.floor(at).astype(int)
    high = np.minimum(low + 1, len(frames) - 1)
    part = (at - low).astype(np.float32)[:, None, None]
    a, b = frames[low], frames[high]
    both = (a.any(axis=-1) & b.any(axis=-1))[..., None]
    return np.where(both, a + part * (b - a), np.where(part < 0.5, a, b))


class RecordingFit:
    """Trains one network on recordings and keeps the weights of the selected epoch.

    The epoch with the lowest validation loss is selected, or, without validation recordings, the
    last one.

    Args:
        network: A network with the outputs `labels` (B, T, C + 1) and `ends` (B, T, 2).
        losses: Loss of each output, by name.
        weights: Weight of each loss, by name.
        recipe: Optimizer, learning rate and its schedule, epochs, batch size, window length,
            speed and augmentation.
    """

    def __init__(
        self,
        network: keras.Model,
        losses: Mapping[str, keras.losses.Loss],
        weights: Mapping[str, float],
        recipe: Recipe,
    ) -> None:
        self.network, self.recipe = network, recipe
        layers = [getattr(augmentation, name)(**own) for name, own in recipe.augment]
        self.model = network
        if layers:
            x = h = keras.Input(network.input_shape[1:])
            for layer in layers:
                h = layer(h)
            self.model = keras.Model(x, network(h))
        self.model.compile(
            optimizer=OPTIMIZERS[recipe.optimizer](recipe),
            loss=dict(losses),
            loss_weights=dict(weights),
            jit_compile=False,
        )
        self.model.optimizer.build(self.model.trainable_variables)

    def variables(self) -> list[keras.Variable]:
        """All variables that training changes."""
        return [*self.model.variables, *self.model.optimizer.variables]

    def run(
        self,
        train: Sequence[Stream],
        validation: Sequence[Stream],
        seed: int,
        folder: Path | None = None,
        log: Callable[[str], None] = lambda line: None,
    ) -> pd.DataFrame:
        """Trains, or continues from the state in `folder`; restores the selected weights.

        Args:
            train: Training recordings.
            validation: Validation recordings; may be empty.
            seed: Seed of the window positions.
            folder: Folder for the state, and finally for the history and the weights.
            log: Called with a line of progress every few seconds.

        Returns:
            The history, with one row per epoch.

        Raises:
            DivergedError: If a loss is NaN or infinite.
            StateError: If the saved state is damaged or of another network.
        """
        recipe = self.recipe
        state = TrainingState([])
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
            remove_parts(folder)
            state = self._restored(folder / "state.npz", log) or state
        history = state.history
        saved = told = time.monotonic()

        def rate(epoch: int) -> float:
            losses = [row["val_loss"] for row in history if "val_loss" in row]
            return recipe.learning_rate * recipe.schedule.factor(epoch, recipe.epochs, losses)

        def on_epoch_end(epoch: int, logs: dict[str, float] | None) -> None:
            nonlocal saved, told
            row = {"epoch": epoch + 1, **{k: float(v) for k, v in (logs or {}).items()}}
            if not np.isfinite(list(row.values())).all():
                raise DivergedError(
                    f"the loss of {self.network.name} is NaN or infinite after epoch {epoch + 1}; "
                    "try another --seed or a larger --batch-size"
                )
            history.append(row)
            losses = [r.get("val_loss", np.inf) for r in history]
            if losses[-1] <= min(losses):
                state.best_weights = self.network.get_weights()
            now = time.monotonic()
            if now - told > EVERY or epoch + 1 == recipe.epochs:
                told = now
                text = f"  validation loss {row['val_loss']:.3f}" if "val_loss" in row else ""
                log(f"epoch {epoch + 1}/{recipe.epochs}  loss {row['loss']:.3f}{text}")
            if folder is not None and now - saved > SAVE_EVERY:
                saved = now
                self._save(state, folder)

        size = recipe.frames or SIZE
        held = Windows(validation, size, recipe.batch_size, None) if validation else None
        done = len(history)
        windows = Windows(train, size, recipe.batch_size, seed, recipe.speed, done)
        if done < recipe.epochs:
            self.model.fit(
                windows,
                validation_data=held,
                initial_epoch=done,
                epochs=recipe.epochs,
                shuffle=False,  # the windows are shuffled
                callbacks=[
                    keras.callbacks.LearningRateScheduler(lambda epoch, _: rate(epoch)),
                    keras.callbacks.LambdaCallback(on_epoch_end=on_epoch_end),
                ],
                verbose=0,
            )
        self.network.set_weights(state.best_weights)
        table = pd.DataFrame(history)
        if folder is not None:
            write_table(table, folder / "history.csv", index=False)
            save_weights(self.network, folder / WEIGHTS)
            delete_state(folder / "state.npz")
        return table

    def _save(self, state: TrainingState, folder: Path) -> None:
        state.variables = [np.array(keras.ops.convert_to_numpy(v)) for v in self.variables()]
        state.save(folder / "state.npz")

    def _restored(self, path: Path, log: Callable[[str], None]) -> TrainingState | None:
        state = TrainingState.latest(path, log)
        if state is None:
            return None
        variables = self.variables()
        if [tuple(v.shape) for v in variables] != [np.shape(x) for x in state.variables]:
            raise StateError(f"{path}: the saved training state belongs to another network")
        for variable, value in zip(variables, state.variables, strict=True):
            variable.assign(value)
        log(f"continuing after epoch {len(state.history)}")
        return state


def per_frame(network: keras.Model) -> keras.Model:
    """Returns the network with one output, (B, T, C + 3), for `along`: class probabilities, then
    confidences of start and end."""
    probabilities = keras.layers.Activation("softmax")(network.output["labels"])
    joined = keras.layers.Concatenate()([probabilities, network.output["ends"]])
    return keras.Model(network.input, joined)
