"""What `test_backends.py` does with every model, in a process of its own for each backend.

    KERAS_BACKEND=torch python tests/models/backend_steps.py MODEL ...

Prints a line of JSON for each model; `failed` is the error, or empty.
"""

import json
import sys
import traceback

import keras
import numpy as np
import test_contract as contract

from keras_skeleton import attention_maps, compiled
from keras_skeleton.models.attention_maps import attention_outputs, readable_maps


def steps(name):
    """Builds, predicts and gives attention maps, in one compiled function; small networks are
    trained a step, too: compiling one of the deep ones would take minutes."""
    keras.utils.set_random_seed(0)
    model, x = contract.build(name), contract.inputs(name)
    if name not in contract.SLOW:
        train(model, x)
    outputs = {"logits": model.output, **attention_outputs(model)}
    maps = compiled(keras.Model(model.input, outputs))(x)
    assert all(np.isfinite(values).all() for values in maps.values())
    logits = maps["logits"]
    assert logits.shape == (contract.BATCH, contract.CLASSES)
    if name not in contract.SLOW:
        np.testing.assert_allclose(model.predict_on_batch(x), logits, atol=1e-4)
        maps = attention_maps(model, x)
        assert all(np.isfinite(values).all() for values in maps.values())
    else:
        maps = readable_maps(model, maps)
    return {key: list(values.shape) for key, values in maps.items() if key != "logits"}


def train(model, x):
    """A step, which changes the weights."""
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.SGD(0.01), loss)
    before = [np.array(keras.ops.convert_to_numpy(v)) for v in model.trainable_variables]
    assert np.isfinite(model.train_on_batch(x, np.arange(contract.BATCH)))
    after = [keras.ops.convert_to_numpy(v) for v in model.trainable_variables]
    assert any((a != b).any() for a, b in zip(before, after, strict=True))


if __name__ == "__main__":
    for own in sys.argv[1:]:
        row = {"model": own, "backend": keras.backend.backend(), "failed": "", "maps": {}}
        try:
            row["maps"] = steps(own)
        except Exception:
            row["failed"] = traceback.format_exc()
        contract.built.cache_clear()
        print(json.dumps(row), flush=True)
