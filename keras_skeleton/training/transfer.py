"""Freeze layers, and copy weights from another network."""

from __future__ import annotations

import keras


def freeze(model: keras.Model, train: tuple[str, ...]) -> keras.Model:
    """Freezes all layers except those whose names start with one of `train`; returns the model."""
    for layer in model.layers:
        layer.trainable = layer.name.startswith(train)
    return model


def take_over(model: keras.Model, earlier: keras.Model, layers: tuple[str, ...]) -> list[str]:
    """Copies the weights of layers whose names occur in both networks and start with one of
    `layers`; returns their names."""
    there = {layer.name: layer for layer in earlier.layers}
    taken = []
    for layer in model.layers:
        if layer.name in there and layer.name.startswith(layers) and layer.weights:
            if isinstance(layer, keras.Model):  # a stream, which may have fewer layers here
                take_over(layer, there[layer.name], ("",))
            else:
                layer.set_weights(there[layer.name].get_weights())
            taken.append(layer.name)
    return taken
