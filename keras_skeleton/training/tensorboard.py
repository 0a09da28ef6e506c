"""Scalar logs for TensorBoard (`tensorboard --logdir RUN`)."""

from __future__ import annotations

import time
import uuid
from pathlib import Path
from types import TracebackType


class ScalarLog:
    """Appends scalars to a TensorBoard event file.

    Writing needs TensorFlow but not the `tensorboard` package. If TensorFlow is not installed,
    nothing is written; `history.csv` holds the same numbers.

    The file's name has a random number in place of the host's name, which TensorFlow would put
    there.
    """

    def __init__(self, folder: Path) -> None:
        try:
            import tensorflow as tf
        except ModuleNotFoundError:
            self._writer = None
            return
        self._tf = tf
        self._metadata = tf.compat.v1.SummaryMetadata(
            plugin_data=tf.compat.v1.SummaryMetadata.PluginData(plugin_name="scalars")
        )
        folder.mkdir(parents=True, exist_ok=True)
        name = f"events.out.tfevents.{time.time():.0f}.{uuid.uuid4().hex[:12]}.v2"
        self._writer = tf.io.TFRecordWriter(str(folder / name))
        self._add(file_version="brain.Event:2")

    def __enter__(self) -> ScalarLog:
        return self

    def write(self, step: int, **scalars: float) -> None:
        """Writes one value per name at this step."""
        if self._writer is None:
            return
        values = [
            self._tf.compat.v1.Summary.Value(
                tag=name,
                tensor=self._tf.make_tensor_proto(value, self._tf.float32),
                metadata=self._metadata,
            )
            for name, value in scalars.items()
        ]
        self._add(step=step, summary=self._tf.compat.v1.Summary(value=values))
        self._writer.flush()

    def _add(self, **content: object) -> None:
        if self._writer is None:
            return
        event = self._tf.compat.v1.Event(wall_time=time.time(), **content)
        self._writer.write(event.SerializeToString())

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._writer is not None:
            self._writer.close()
