"""Freezing layers, and taking weights over from another network."""

from __future__ import annotations

import keras


def freeze(model: keras.Model, train: tuple[str, ...]) -> keras.Model:
    """Freezes every layer whose name begins with none of `train`; returns the model."""
    for layer in model.layers:
        layer.trainable = layer.name.startswith(train)
    return model


def take_over(model: keras.Model, earlier: keras.Model, layers: tuple[str, ...]) -> list[str]:
    """Copies the weights of layers that both have and whose names begin as given; their names."""
    there = {layer.name: layer for layer in earlier.layers}
    taken = []
    for layer in model.layers:
        if layer.name in there and layer.name.startswith(layers) and layer.weights:
            if isinstance(layer, keras.Model):  # a stream, which may end earlier here
                take_over(layer, there[layer.name], ("",))
            else:
                layer.set_weights(there[layer.name].get_weights())
            taken.append(layer.name)
    return taken
