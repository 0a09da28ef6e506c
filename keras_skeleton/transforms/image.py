"""The skeleton image that MANs reads: rows are time, columns are joints, channels x, y, z.

Xie et al., "Memory Attention Networks for Skeleton-based Action Recognition", IJCAI 2018.
The paper gives the size of the image and leaves the rest open; the defaults follow the
authors' released `process_data.py`.
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
    """A clip (T, M, V, 3) as a float32 image (size, size, 3).

    Args:
        clip: Positions; absent bodies are zero.
        size: Height and width: 50 for MANs-n, 224 for the ResNet and DenseNet variants.
        skeleton: The joint layout.
        time: `"pad"` (released code: zeros before and after a shorter clip; of a longer
            one `size` frames evenly spread) or `"interpolate"` (always to `size` rows).
        joints: `"pad"` (released code: the columns of two bodies, one after the other, with
            zeros on both sides; a second body that is not in the clip has zeros) or
            `"interpolate"` (the clip's own, stretched to `size` columns).
        coordinates: `"body"` (every body in a frame of its own, fixed in the first pose,
            `to_body_frame`), `"released"` (the same with the first body's signs for both, to the
            letter of the released code), `"hips"` (the camera's axes, the origin between each
            body's hips in every frame), or `"camera"` (as stored).

    Raises:
        ValueError: Wrong shape, NaN, an unknown choice, or more joints than columns with `"pad"`.

    Example:
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
    """float (size,): the clip's frame behind every row of `mans_image`; NaN where it is padding.

    Needed to draw attention over rows on the clip's own time axis.
    """
    frames = np.arange(T, dtype=float)
    if time == "interpolate":
        return resize(frames, size)
    rows = pad_time(frames + 1, size) - 1  # padding becomes -1
    return np.where(rows < 0, np.nan, rows)
