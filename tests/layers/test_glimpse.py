import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import ops

from keras_skeleton.layers.glimpse import Glimpse
from keras_skeleton.transforms.glimpses import crop

VIDEO = np.random.default_rng(0).integers(0, 256, (2, 3, 14, 17, 3)).astype("uint8")


@settings(max_examples=25)
@given(seed=st.integers(0, 10_000), size=st.integers(1, 7))
def test_it_is_the_reference(seed, size):
    rng = np.random.default_rng(seed)
    corner = rng.uniform(-25, 25, (2, 3, 2, 2))
    boxes = np.concatenate([corner, corner + rng.uniform(0.5, 40, corner.shape)], -1)
    found = np.asarray(Glimpse(size)(VIDEO, boxes.astype("float32")))
    assert found.shape == (2, 3, 2, size, size, 3)
    for b in range(2):
        for k in range(2):
            expected = crop(VIDEO[b], boxes[b, :, k].astype("float32"), size) / 127.5 - 1
            np.testing.assert_allclose(found[b, :, k], expected, atol=2e-4)


def test_bytes_and_floats_give_the_same():
    boxes = np.broadcast_to(np.float32([2, 3, 9, 11]), (2, 3, 1, 4))
    as_bytes = np.asarray(Glimpse(5)(VIDEO, boxes))
    as_floats = np.asarray(Glimpse(5)(VIDEO.astype("float32"), boxes))
    np.testing.assert_array_equal(as_bytes, as_floats)
    assert as_bytes.min() >= -1
    assert as_bytes.max() <= 1


def test_the_result_can_be_differentiated_by_the_boxes():
    """A ramp that grows by one a column: moving the box right by dx adds dx to every pixel."""
    ramp = np.broadcast_to(np.arange(40.0)[None, None, None, :, None], (1, 1, 30, 40, 3))
    box = np.float32([[[[5.2, 6.3, 15.7, 18.9]]]])

    class Moved(keras.layers.Layer):
        def build(self, _):
            self.by = self.add_weight(shape=(4,), initializer="zeros", name="by")

        def call(self, x):
            return Glimpse(6)(ops.convert_to_tensor(ramp.astype("float32")), x + self.by)

    inputs = keras.Input((1, 1, 4))
    layer = Moved()
    model = keras.Model(inputs, layer(inputs))
    model.compile(keras.optimizers.SGD(1.0), loss=lambda _, y: ops.mean(y) * 127.5)
    model.train_on_batch(box, np.zeros((1, 1, 1, 6, 6, 3), "float32"))
    np.testing.assert_allclose(np.asarray(layer.by), [0, -0.5, 0, -0.5], atol=1e-4)


def test_mixed_precision_keeps_places_exact():
    wide = np.zeros((1, 1, 4, 1920, 3), "uint8")
    wide[..., 1901, :] = 255
    box = np.float32([[[[0, 1900, 4, 1904]]]])
    layer = Glimpse(4, dtype="mixed_bfloat16")
    found = layer(wide, box)
    assert keras.backend.standardize_dtype(found.dtype) == "bfloat16"
    white = np.asarray(ops.cast(found, "float32"))[0, 0, 0, :, :, 0]
    np.testing.assert_array_equal(white, np.tile([-1, 1, -1, -1], (4, 1)))


def test_saved_and_restored_and_shapes():
    layer = Glimpse(9, grey=100.0)
    again = Glimpse.from_config(layer.get_config())
    assert (again.size, again.grey) == (9, 100.0)
    video = keras.Input((3, None, None, 3), dtype="uint8")
    boxes = keras.Input((3, 3, 4))
    assert layer(video, boxes).shape == (None, 3, 3, 9, 9, 3)
    with pytest.raises(ValueError, match="expects video"):
        Glimpse(4)(np.zeros((1, 2, 3, 3), "uint8"), np.zeros((1, 2, 1, 4), "float32"))
    with pytest.raises(ValueError, match="expects boxes"):
        Glimpse(4)(VIDEO, np.zeros((2, 3, 4), "float32"))
    with pytest.raises(ValueError, match="size=0"):
        Glimpse(0)
