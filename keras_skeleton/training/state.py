"""Everything that a stopped training needs to go on as if it had not been stopped.

One `.npz` a fold: all variables of the network, its augmentation and the optimizer (the
states of the random generators among them), the history, and the best epoch so far. It is
written whole or not at all, the one before it is kept (`state.previous.npz`), and both are read
with `allow_pickle=False`.
"""

from __future__ import annotations

import io
import json
import os
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from keras_skeleton.utils.errors import UserError
from keras_skeleton.utils.files import write_atomic


class StateError(UserError, ValueError):
    """A saved state that cannot be used; the message says where, why and what to do."""


@dataclass
class TrainingState:
    """State after `len(history)` epochs.

    Attributes:
        variables: Values of all variables, in the trainer's order.
        history: One row an epoch.
        best_weights: The network's weights after the epoch selected on validation.
        best_logits: float32 (n, C): logits of the test clips at that epoch.
    """

    variables: list[np.ndarray]
    history: list[dict[str, float]] = field(default_factory=list)
    best_weights: list[np.ndarray] = field(default_factory=list)
    best_logits: np.ndarray = field(default_factory=lambda: np.zeros((0, 0), np.float32))

    def save(self, path: Path) -> None:
        """Writes the file under another name first, so that a stop in between does no harm; the
        file that was there is kept as `previous`."""
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
    def latest(cls, path: Path, log: Callable[[str], None] = print) -> TrainingState | None:
        """What `save` wrote last, or the one before where that is damaged or was not finished.

        None where there is neither; StateError where nothing that is there can be read.
        """
        damaged = None
        for place in (path, previous(path)):
            if not place.exists():
                continue
            try:
                state = cls.load(place)
            except StateError as error:
                damaged = damaged or error
                continue
            if damaged:
                log(f"{damaged}; goes on from the one before, epoch {len(state.history)}")
            return state
        if damaged:
            raise StateError(f"{damaged}; delete it to train this fold again")
        return None

    @classmethod
    def load(cls, path: Path) -> TrainingState:
        """Reads what `save` wrote; StateError where the file is damaged."""
        try:
            with path.open("rb") as file:
                with zipfile.ZipFile(file) as archive:
                    # As `save` writes it, nothing is packed: it takes no more memory than disk.
                    if any(member.compress_type for member in archive.infolist()):
                        raise ValueError("its arrays are compressed")
                file.seek(0)
                with np.load(file, allow_pickle=False) as data:
                    return cls._from(data)
        except Exception as error:
            raise StateError(f"{path}: damaged ({error})") from error

    @classmethod
    def _from(cls, data: Mapping[str, np.ndarray]) -> TrainingState:
        count = {key: sum(k.startswith(key) for k in data) for key in ("variable_", "best_")}
        history = json.loads(str(data["history"]))
        if not all(isinstance(v, (int, float)) for row in history for v in row.values()):
            raise ValueError("its history holds more than numbers")
        return cls(
            variables=[data[f"variable_{i}"] for i in range(count["variable_"])],
            history=history,
            best_weights=[data[f"best_{i}"] for i in range(count["best_"])],
            best_logits=data["logits"],
        )


def previous(path: Path) -> Path:
    """Where the state before the last one is kept."""
    return path.with_name("state.previous.npz")


def delete_state(path: Path) -> None:
    """Deletes a state that is no longer needed, and the one before."""
    for place in (path, previous(path)):
        place.unlink(missing_ok=True)
