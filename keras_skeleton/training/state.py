"""Saved training state: an interrupted training resumes with the same result.

Each fold has one `.npz` file with all variables of the network, its augmentation and the optimizer
(including the states of random generators), the history, and the best epoch so far. It is written
atomically, the previous one is kept as `state.previous.npz`, and both are loaded with
`allow_pickle=False`.
"""

from __future__ import annotations

import io
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from keras_skeleton.utils.errors import UserError
from keras_skeleton.utils.files import FileError, open_arrays, write_atomic

MOST = 64 << 30  # bytes of a state, if the size of the network is not known


class StateError(UserError, ValueError):
    """Raised if a saved training state cannot be used."""


@dataclass
class TrainingState:
    """Training state after `len(history)` epochs.

    Attributes:
        variables: Values of all variables, in the order of `Trainer.variables`.
        history: One row per epoch.
        best_weights: Weights of the network after the epoch selected on validation clips; if
            weights are averaged, their mean so far, float64.
        best_logits: Logits of the test clips at that epoch, float32 (n, C).

    Example:
        >>> import numpy as np
        >>> from pathlib import Path
        >>> from keras_skeleton.training.state import TrainingState
        >>> import tempfile
        >>> state = TrainingState([np.zeros(3)], history=[{"epoch": 1, "loss": 0.5}])
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     state.save(Path(folder) / "state.npz")
        ...     TrainingState.load(Path(folder) / "state.npz").history
        [{'epoch': 1, 'loss': 0.5}]
    """

    variables: list[np.ndarray]
    history: list[dict[str, float]] = field(default_factory=list)
    best_weights: list[np.ndarray] = field(default_factory=list)
    best_logits: np.ndarray = field(default_factory=lambda: np.zeros((0, 0), np.float32))

    def save(self, path: Path) -> None:
        """Writes the state atomically and keeps the previous file as `state.previous.npz`."""
        arrays = {f"variable_{i}": np.asarray(v) for i, v in enumerate(self.variables)}
        arrays |= {f"best_{i}": np.asarray(v) for i, v in enumerate(self.best_weights)}
        buffer = io.BytesIO()
        arrays |= {"history": np.array(json.dumps(self.history)), "logits": self.best_logits}
        np.savez(buffer, **arrays)  # type: ignore[arg-type]

        def write(part: Path) -> None:
            with part.open("wb") as file:
                file.write(buffer.getbuffer())
                file.flush()
                os.fsync(file.fileno())
            if path.exists():
                path.replace(previous(path))

        write_atomic(path, write)

    @classmethod
    def latest(
        cls, path: Path, log: Callable[[str], None] = print, most: int = MOST
    ) -> TrainingState | None:
        """Loads the last saved state, or the previous one if the last is damaged.

        Args:
            path: The file.
            log: Called with a note if the previous state is used.
            most: Largest size allowed, in bytes.

        Returns:
            The state, or None if there is none.

        Raises:
            StateError: If there are files but none can be loaded.
        """
        damaged = None
        for place in (path, previous(path)):
            if not place.exists():
                continue
            try:
                state = cls.load(place, most)
            except StateError as error:
                damaged = damaged or error
                continue
            if damaged:
                log(f"{damaged}; resuming from the previous state, epoch {len(state.history)}")
            return state
        if damaged:
            raise StateError(f"{damaged}; delete it to train this fold again")
        return None

    @classmethod
    def load(cls, path: Path, most: int = MOST) -> TrainingState:
        """Loads a file written by `save`; raises StateError if it is damaged, or has more than
        `most` bytes."""
        try:
            with open_arrays(path, "the state of this training", most) as data:
                # `save` does not compress, so the arrays need no more memory than disk space.
                if data.zip is None or any(m.compress_type for m in data.zip.infolist()):
                    raise ValueError("its arrays are compressed")
                return cls._from(data)
        except FileError as error:
            raise StateError(str(error)) from None
        except Exception as error:
            raise StateError(f"{path}: damaged ({error!s:.300})") from error

    @classmethod
    def _from(cls, data: Mapping[str, np.ndarray]) -> TrainingState:
        count = {key: sum(k.startswith(key) for k in data) for key in ("variable_", "best_")}
        history = json.loads(str(data["history"]))
        if not all(isinstance(v, (int, float)) for row in history for v in row.values()):
            raise ValueError("its history contains values that are not numbers")
        return cls(
            variables=[data[f"variable_{i}"] for i in range(count["variable_"])],
            history=history,
            best_weights=[data[f"best_{i}"] for i in range(count["best_"])],
            best_logits=data["logits"],
        )


def previous(path: Path) -> Path:
    """Path of the previous state."""
    return path.with_name("state.previous.npz")


def delete_state(path: Path) -> None:
    """Deletes a state and its previous version."""
    for place in (path, previous(path)):
        place.unlink(missing_ok=True)
