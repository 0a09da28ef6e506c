"""A network whose truth is known, as a model in a file of one's own: it reads a single joint."""

import keras
import numpy as np
from keras import layers

from keras_skeleton.models.entry import ModelEntry
from keras_skeleton.skeletons import get_skeleton
from keras_skeleton.transforms.padded import padded_rows
from keras_skeleton.transforms.sample import pad_end

T, K, LONGEST = 30, 20, 29  # frames that it can read, joints; frames of the longest clip
HAND = get_skeleton("kinect_v1").hands[1]
ACTION = (4, 5, 6)  # the frames in which the hand moves, where the clips are read so


def build(skeleton, classes, frames, joints=None, steps=None, every=1, bodies=1):
    """Reads the hand, in every frame or every second one. Its attention is what `joints` and
    `steps` say, and nothing depends on it."""
    frames = frames or LONGEST
    x = keras.Input((frames, K, 3))
    read = layers.EinsumDense("btkc,tkcn->bn", classes, kernel_initializer="zeros", name="reads")
    logits = read(x)
    kernel = np.zeros(read.kernel.shape, np.float32)
    for c in range(classes):
        kernel[::every, HAND, c, c] = 3.0
    read.set_weights([kernel])

    def attend(equation, shape, axis, values, name):
        layer = layers.EinsumDense(
            equation, shape, bias_axes=axis, kernel_initializer="zeros", name=name
        )
        found = layer(x)
        layer.set_weights([layer.get_weights()[0], np.asarray(values, np.float32)])
        unused = layers.Dense(classes, kernel_initializer="zeros", use_bias=False)
        return unused(layers.Flatten()(found))

    if joints is not None:
        logits += attend("btkc,kcj->btj", (frames, K), "j", joints, "joint_attention")
    if steps is not None:
        logits += attend("bskc,skct->bt", (frames,), "t", steps, "frame_attention")
    return keras.Model(x, logits)


def preprocess(skeleton, frames, pulse=False):
    """Each joint's way from its first place; with `pulse` all of it in the frames of ACTION."""

    def clip_read(clip):
        moved = clip[:, 0] - clip[:1, 0]
        if pulse:
            moved[:, HAND] = (
                np.where(np.isin(np.arange(len(clip)), ACTION)[:, None], 1, 0) * (moved[-1, HAND])
            )
        return pad_end(moved + 1e-3, frames).astype(np.float32)  # zeros are people not there

    return clip_read


def frame_index(length, frames, **choices):
    return padded_rows(length, frames)


def every_second(length, frames, **choices):
    return padded_rows(length, frames)[:length:2]


ENTRY = ModelEntry(build, preprocess, frame_index, "a test")
SEQUENCE = ModelEntry(build, preprocess, every_second, "a test", sequence=True)
