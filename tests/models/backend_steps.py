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

RATE = 1e-5  # small enough for the 161 layers without normalization by the batch, too


def steps(name):
    """Builds, trains a step, predicts, and gives attention maps; also compiled."""
    keras.utils.set_random_seed(0)
    model, x, y = contract.build(name), contract.inputs(name), np.arange(contract.BATCH)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    # Not compiled as a whole: for the deep networks that would take minutes.
    jit = "auto" if name in contract.FAST else False
    model.compile(keras.optimizers.SGD(RATE), loss, jit_compile=jit)
    before = [np.array(keras.ops.convert_to_numpy(v)) for v in model.trainable_variables]
    assert np.isfinite(model.train_on_batch(x, y))
    after = [keras.ops.convert_to_numpy(v) for v in model.trainable_variables]
    assert any((a != b).any() for a, b in zip(before, after, strict=True))
    logits = model.predict_on_batch(x)
    assert logits.shape == (contract.BATCH, contract.CLASSES)
    assert np.isfinite(logits).all()
    np.testing.assert_allclose(compiled(model)(x), logits, atol=1e-4)
    maps = attention_maps(model, x)
    assert all(np.isfinite(values).all() for values in maps.values())
    return {key: list(values.shape) for key, values in maps.items()}


if __name__ == "__main__":
    for own in sys.argv[1:]:
        row = {"model": own, "backend": keras.backend.backend(), "failed": "", "maps": {}}
        try:
            row["maps"] = steps(own)
        except Exception:
            row["failed"] = traceback.format_exc()
        contract.built.cache_clear()
        print(json.dumps(row), flush=True)
