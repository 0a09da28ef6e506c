"""Scalars of a training for TensorBoard (`tensorboard --logdir RUN`)."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType


class ScalarLog:
    """Appends scalars to an event file, in the form that TensorBoard's scalar page reads.

    Writing needs TensorFlow but not the `tensorboard` package. Where TensorFlow is not
    installed, nothing is written: `history.csv` holds the same numbers.
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
        self._writer = tf.summary.create_file_writer(str(folder))

    def __enter__(self) -> ScalarLog:
        return self

    def write(self, step: int, **scalars: float) -> None:
        """Adds one value a name at this step."""
        if self._writer is None:
            return
        with self._writer.as_default():
            for name, value in scalars.items():
                tensor = self._tf.constant(value, self._tf.float32)
                self._tf.summary.write(name, tensor, step=step, metadata=self._metadata)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._writer is not None:
            self._writer.close()
