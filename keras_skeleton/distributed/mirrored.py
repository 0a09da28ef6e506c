"""All devices of this host, with TensorFlow's MirroredStrategy (`--devices all`).

Each device processes its part of a batch separately and the gradients are summed. Batch
normalization computes its statistics over all devices (`synchronized`), and gradients are clipped
after summing, so the results match those of one device for a network without dropout and
augmentation. With dropout or augmentation they differ as with another seed, because every device
draws the same random numbers for its part of the batch.

Tested on two logical CPUs, not on GPUs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any

import numpy as np

from keras_skeleton.distributed.devices import Devices, DistributionError, current, padded, use


class Mirrored(Devices):
    """All devices of this host, each with a copy of the network."""

    def __init__(self, names: Sequence[str]) -> None:
        import tensorflow as tf

        self._tf = tf
        self._strategy = tf.distribute.MirroredStrategy(list(names))
        self.replicas = len(names)

    def describe(self) -> str:
        return f", {self.replicas} devices"

    def scope(self) -> AbstractContextManager[Any]:
        return self._strategy.scope()

    def join_statistics(self, model: Any) -> None:
        import keras

        for layer in model.layers:
            if isinstance(layer, keras.Model):
                self.join_statistics(layer)
            elif isinstance(layer, keras.layers.BatchNormalization):
                layer.synchronized = True

    def clip_together(self, optimizer: Any) -> None:
        if (norm := optimizer.clipnorm) is None:
            return
        tf, n, apply = self._tf, self.replicas, optimizer.apply

        def apply_clipped(gradients: Any, variables: Any = None) -> Any:
            # Keras would clip each device's gradients before summing them. Sum and clip them here;
            # each device passes on 1 / n of the result, because Keras sums again.
            context = tf.distribute.get_replica_context()
            whole = context.all_reduce(tf.distribute.ReduceOp.SUM, list(gradients))
            return apply([tf.clip_by_norm(g, norm) / n for g in whole], variables)

        optimizer.clipnorm = None
        optimizer.apply = apply_clipped

    def forward(self, model: Any) -> Callable[[Any], np.ndarray]:
        import keras

        tf, strategy = self._tf, self._strategy

        @tf.function
        def run(shares: Any) -> Any:
            return strategy.run(lambda x: model(x, training=False), args=(shares,))

        def logits(x: Any) -> np.ndarray:
            count = len(keras.tree.flatten(x)[0])
            parts = np.split(padded(count, self.replicas), self.replicas)
            shares = strategy.experimental_distribute_values_from_function(
                lambda context: keras.tree.map_structure(
                    lambda a: tf.constant(a[parts[context.replica_id_in_sync_group]]), x
                )
            )
            found = strategy.experimental_local_results(run(shares))
            return np.concatenate([np.asarray(part) for part in found])[:count]

        return logits


def use_all() -> str:
    """Implements `--devices all`: makes this process train on all devices of this host.

    These are all GPUs, or all of TensorFlow's logical CPUs if there are no GPUs.

    Returns:
        A message that names the devices.

    Raises:
        DistributionError: Keras' backend is not TensorFlow.
    """
    import keras
    import tensorflow as tf

    if (backend := keras.backend.backend()) != "tensorflow":
        raise DistributionError(
            f"--devices all requires Keras' TensorFlow backend, but the backend is '{backend}'; "
            "unset KERAS_BACKEND, or train on JAX with --coordinator"
        )
    names = [d.name for d in tf.config.list_logical_devices("GPU")]
    names = names or [d.name for d in tf.config.list_logical_devices("CPU")]
    kind = names[0].split(":")[-2]
    if len(names) == 1:
        return f"--devices all: there is only one {kind}; training on it"
    if not isinstance(current(), Mirrored):  # a second strategy would conflict with the first one
        use(Mirrored(names))
    return f"training on {len(names)} devices: {kind} 0 to {len(names) - 1}"
