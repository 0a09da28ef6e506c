"""Pure functions on clips (T, M, V, 3): geometry, time, and the images that CNNs read."""

from keras_skeleton.transforms.geometry import body_frame, to_body_frame, to_hips
from keras_skeleton.transforms.image import mans_image
from keras_skeleton.transforms.time import pad_time, resize, subsample_time

__all__ = [
    "body_frame",
    "mans_image",
    "pad_time",
    "resize",
    "subsample_time",
    "to_body_frame",
    "to_hips",
]
