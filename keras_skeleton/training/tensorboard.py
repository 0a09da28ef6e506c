"""Scalar logs for TensorBoard (`tensorboard --logdir RUN`)."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType


class ScalarLog:
    """Appends scalars to a TensorBoard event file.

    Writing needs TensorFlow but not the `tensorboard` package. If TensorFlow is not installed,
    nothing is written; `history.csv` holds the same numbers.
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
        """Writes one value per name at this step."""
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
