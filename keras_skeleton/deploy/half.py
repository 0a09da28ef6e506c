"""Copies of networks whose convolutions and dense layers compute in bfloat16."""

from __future__ import annotations

import keras

POLICY = "mixed_bfloat16"  # weights stay float32


def in_bfloat16(network: keras.Model) -> keras.Model:
    """Returns a copy of a network in which Keras' own layers compute in bfloat16.

    Numbers of bfloat16 have 8 bits of precision, about three digits. The layers of this package,
    such as motion, attention and loops over time, recurrent layers and wrappers stay as they are,
    and so do the layers that compute the outputs.

    Args:
        network: A functional network; it does not change.

    Example:
        >>> import keras_skeleton as ks
        >>> from keras_skeleton.deploy.half import in_bfloat16
        >>> network = in_bfloat16(ks.build_model("two_stream_cnn", "sbu", classes=8))
        >>> [network.get_layer(name).compute_dtype for name in ("motion", "fc1", "logits")]
        ['float32', 'bfloat16', 'float32']
    """
    last = {id(one._keras_history.operation) for one in keras.tree.flatten(network.output)}

    def copy(layer: keras.layers.Layer) -> keras.layers.Layer:
        settings = layer.get_config()
        if id(layer) not in last and _halved(layer):
            settings["dtype"] = POLICY
        return type(layer).from_config(settings)

    found = keras.models.clone_model(network, clone_function=copy)
    found.set_weights(network.get_weights())
    return found


def _halved(layer: keras.layers.Layer) -> bool:
    kinds = keras.layers
    kept = (kinds.InputLayer, kinds.RNN, kinds.Bidirectional, kinds.Wrapper, keras.Model)
    own = type(layer).__module__.partition(".")[0] == "keras"
    return own and layer.compute_dtype == "float32" and not isinstance(layer, kept)
