"""Skeleton images, the input of MANs: rows are frames, columns are joints, channels are x, y, z.

Xie et al., "Memory Attention Networks for Skeleton-based Action Recognition", IJCAI 2018. The paper
specifies only the size of the image; the defaults follow the authors' released `process_data.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np

from keras_skeleton.skeletons import Skeleton, get_skeleton
from keras_skeleton.transforms.geometry import check_clip, to_body_frame, to_hips
from keras_skeleton.transforms.time import pad_centred, pad_time, resize

FITS = ("pad", "interpolate")
COORDINATES: dict[str, Callable[..., np.ndarray]] = {
    "body": to_body_frame,
    "released": partial(to_body_frame, signs="first"),
    "hips": to_hips,
    "camera": check_clip,
}
BODIES = 2  # the released code has columns for two people in every image


def mans_image(
    clip: np.ndarray,
    size: int = 50,
    skeleton: str | Skeleton = "kinect_v2",
    time: str = "pad",
    joints: str = "pad",
    coordinates: str = "body",
) -> np.ndarray:
    """Converts a clip to a skeleton image: float32 (size, size, 3).

    Args:
        clip: (T, M, V, 3); absent bodies are zero.
        size: Height and width: 50 for MANs-n, 224 for the ResNet and DenseNet variants.
        skeleton: The joint layout.
        time: `"pad"` (released code: a shorter clip is padded with zeros on both sides, a longer
            one is subsampled evenly to `size` frames) or `"interpolate"` (to `size` rows).
        joints: `"pad"` (released code: the columns of two bodies side by side, padded with zeros on
            both sides; a missing second body is zero) or `"interpolate"` (the columns of the clip's
            bodies, interpolated to `size` columns).
        coordinates: `"body"` (each body in its own frame, fixed by its first pose; see
            `to_body_frame`), `"released"` (the same, with the first body's signs for both bodies,
            as in the released code), `"hips"` (camera axes, with the origin at the middle of each
            body's hips in each frame), or `"camera"` (as stored).

    Raises:
        ValueError: Wrong shape, NaN or infinity, an unknown option, or more joints than columns
            with `joints="pad"`.

    Example:
        >>> import numpy as np
        >>> from keras_skeleton.transforms.image import mans_image
        >>> clip = np.random.default_rng(0).normal(size=(80, 2, 25, 3))
        >>> mans_image(clip).shape
        (50, 50, 3)
    """
    layout = get_skeleton(skeleton)
    for name, choice, known in (
        ("time", time, FITS),
        ("joints", joints, FITS),
        ("coordinates", coordinates, tuple(COORDINATES)),
    ):
        if choice not in known:
            raise ValueError(f"{name}='{choice}' is unknown; it is one of {known}")
    clip = COORDINATES[coordinates](clip, layout)
    T, M, V, C = clip.shape
    if joints == "pad" and size < M * V:
        raise ValueError(
            f"{M} bodies x {V} joints do not fit into {size} columns; "
            "use joints='interpolate' or a larger size"
        )
    if joints == "pad" and M < BODIES and size >= BODIES * V:
        clip = np.pad(clip, ((0, 0), (0, BODIES - M), (0, 0), (0, 0)))
    image = clip.reshape(T, -1, C)
    image = pad_time(image, size) if time == "pad" else resize(image, size)
    image = pad_centred(image, size, 1) if joints == "pad" else resize(image, size, 1)
    return image.astype(np.float32)


def image_rows(T: int, size: int = 50, time: str = "pad") -> np.ndarray:
    """The clip's frame in each row of `mans_image`: float64 (size,), NaN for padding.

    It maps attention over rows to the clip's time axis; with `time="interpolate"` frames are
    fractional.
    """
    frames = np.arange(T, dtype=float)
    if time == "interpolate":
        return resize(frames, size)
    rows = pad_time(frames + 1, size) - 1  # padding becomes -1
    return np.where(rows < 0, np.nan, rows)
