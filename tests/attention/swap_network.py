"""A network whose attention decides: where it looks is the class. Or its attention does nothing."""

import keras
import numpy as np
from keras import layers

from keras_skeleton.layers.sequence import FrameMask
from keras_skeleton.models.entry import ModelEntry
from keras_skeleton.transforms.padded import padded_rows
from keras_skeleton.transforms.sample import pad_end

STEPS, K, CLASSES = 30, 6, 3
PARTS = np.arange(K) % CLASSES  # the class that a joint stands for


def build(skeleton, classes, frames, kinds=(), needs=True, mask=True, bodies=1):
    """Input (B, T, K, 1): 1 wherever the clip is and what `preprocess` marks is 2.

    The gates are the marks, so attention is the class' third of the frames and third of the
    joints. If it is needed, the class is read from the attention of the first kind alone; otherwise
    from the input.
    """
    x = keras.Input((frames or STEPS, K, 1))
    there = FrameMask(name="mask")(x) if mask else None
    marks = layers.Reshape((-1, K), name="marks")(x)
    found = {}
    if "joints" in kinds:
        joints = layers.Activation("relu", name="joint_attention")(marks - 1)
        found["joints"] = keras.ops.mean(joints, axis=1)  # (B, K)
    if "frames" in kinds:
        frame = layers.Activation("relu", name="frame_attention")(
            keras.ops.mean(marks - 1, axis=-1)
        )
        if there is not None:
            frame = layers.Multiply()([frame, keras.ops.cast(there, "float32")])
        found["frames"] = frame
    used = found[kinds[0]] if needs and kinds else keras.ops.sum(marks - 1, axis=1)
    # Attention that is not used is in the network all the same.
    nothing = sum(0.0 * keras.ops.sum(v, axis=-1, keepdims=True) for v in found.values())
    kernel = np.eye(CLASSES, dtype="float32")
    if used is found.get("frames"):
        used = by_thirds(marks, used)
    else:
        kernel = kernel[PARTS]
    dense = layers.Dense(classes, use_bias=False, kernel_initializer="zeros", name="reads")
    logits = dense(used)
    dense.set_weights([kernel])
    return keras.Model(x, logits + nothing + FIRST)


def by_thirds(marks, values):
    """Sums of values (B, T) over the thirds of the frames that are there, (B, 3)."""
    inside = keras.ops.cast(keras.ops.any(keras.ops.not_equal(marks, 0), axis=-1), "float32")
    length = keras.ops.sum(inside, axis=1, keepdims=True)
    place = (keras.ops.cumsum(inside, axis=1) - 1) / (length - 1)
    thirds = [keras.ops.cast((place >= low) & (place <= high), "float32") for low, high in THIRDS]
    return keras.ops.stack([keras.ops.sum(values * inside * t, axis=1) for t in thirds], axis=-1)


THIRDS = ((0.0, 0.3), (0.4, 0.6), (0.7, 1.0))
FIRST = np.array([[1e-3, 0.0, 0.0]], np.float32)  # the class of a tie


def preprocess(skeleton, frames):
    """Marks the third of the frames and of the joints that belongs to the class."""

    def read(clip):
        moved = clip[-1, 0, skeleton.hands[1]] - clip[0, 0, skeleton.hands[1]]
        label = int(np.argmax(moved))
        T = len(clip)
        place = np.arange(T) / max(T - 1, 1)
        low, high = THIRDS[label]
        marked = ((place >= low) & (place <= high))[:, None] & (label == PARTS)
        return pad_end((1.0 + marked)[..., None].astype(np.float32), frames)

    return read


ENTRY = ModelEntry(
    build,
    preprocess,
    lambda length, frames, **choices: padded_rows(length, frames),
    "a test",
)
