"""Pure functions on clips (T, M, V, 3): coordinates, bodies, time, and skeleton images for CNNs."""

from keras_skeleton.transforms.bodies import drop_ghosts, merge_bodies, order_by_motion, two_actors
from keras_skeleton.transforms.geometry import body_frame, to_body_frame, to_hips
from keras_skeleton.transforms.image import mans_image
from keras_skeleton.transforms.missing import fill_missing
from keras_skeleton.transforms.normalise import (
    per_torso,
    to_actor_displacement,
    to_actor_frame,
    to_first_spine,
    to_pair_frame,
)
from keras_skeleton.transforms.sample import crop_time, pad_end, sample_segments
from keras_skeleton.transforms.smooth import savitzky_golay
from keras_skeleton.transforms.time import pad_time, resize, subsample_time
from keras_skeleton.transforms.tracking import follow_people, take_people

__all__ = [
    "body_frame",
    "crop_time",
    "drop_ghosts",
    "fill_missing",
    "follow_people",
    "mans_image",
    "merge_bodies",
    "order_by_motion",
    "pad_end",
    "pad_time",
    "per_torso",
    "resize",
    "sample_segments",
    "savitzky_golay",
    "subsample_time",
    "take_people",
    "to_actor_displacement",
    "to_actor_frame",
    "to_body_frame",
    "to_first_spine",
    "to_hips",
    "to_pair_frame",
    "two_actors",
]
