"""Files as Keras 1 and 2 write them, for the tests of checkpoints."""

import h5py


def write_legacy(model, path, inside="", names=None):
    """Layers by name, weights in order; `names` gives layers other names."""
    names = names or {}
    with h5py.File(path, "w") as file:
        root = file.create_group(inside) if inside else file
        called = [names.get(layer.name, layer.name) for layer in model.layers]
        root.attrs["layer_names"] = [name.encode() for name in called]
        for layer, name in zip(model.layers, called, strict=True):
            group = root.create_group(name)
            trained = {id(v) for v in layer.trainable_weights}
            ordered = sorted(layer.weights, key=lambda v: id(v) not in trained)
            weights = [f"{name}/v{k}:0" for k in range(len(ordered))]
            group.attrs["weight_names"] = [weight.encode() for weight in weights]
            for weight, value in zip(weights, ordered, strict=True):
                group.create_dataset(weight, data=value.numpy())
