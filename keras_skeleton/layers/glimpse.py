"""Differentiable crops of body parts from video (Das et al., WACV 2019, Eq. 1)."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from keras_skeleton.layers.elementwise import Elementwise
from keras_skeleton.layers.grouped import PACKAGE


@keras.saving.register_keras_serializable(PACKAGE)
class Glimpse(Elementwise, keras.layers.Layer):
    """Crops boxes from video frames and resizes them to squares, by bilinear interpolation.

    The glimpse sensor of pose-driven I3D (Das et al., WACV 2019, Eq. 1). Inputs:

        video    (B, T, H, W, 3), values 0 to 255. Use uint8: 64 frames of 1920 x 1080 (NTU RGB+D)
                 then take 400 MB
        boxes    (B, T, K, 4): top, left, bottom, right in pixels; see `transforms.glimpses`

    Output (B, T, K, size, size, 3), values in [-1, 1], the input range of I3D. It is differentiable
    with respect to the boxes.

    Args:
        size: Height and width of the crops, in pixels.
        grey: Value of pixels outside the image, 0 to 255.

    Raises:
        ValueError: `size` is below 1, or inputs of another shape.

    Example:
        >>> import numpy as np
        >>> from keras_skeleton.layers.glimpse import Glimpse
        >>> video = np.full((1, 2, 90, 160, 3), 255, "uint8")
        >>> boxes = np.full((1, 2, 3, 4), [10, 20, 42, 52], "float32")  # K = 3 parts
        >>> crops = Glimpse(size=16)(video, boxes)
        >>> tuple(crops.shape), float(crops[0, 0, 0, 0, 0, 0])
        ((1, 2, 3, 16, 16, 3), 1.0)
    """

    def __init__(self, size: int = 224, grey: float = 128.0, **kwargs: Any) -> None:
        kwargs.setdefault("autocast", False)  # half precision has no fractions of pixel 1919
        super().__init__(**kwargs)
        if size < 1:
            raise ValueError(f"size={size} must be at least 1 pixel")
        self.size = size
        self.grey = grey

    def build(self, video_shape: tuple, boxes_shape: tuple) -> None:
        if len(video_shape) != 5 or video_shape[-1] != 3:
            raise ValueError(f"Glimpse expects video (B, T, H, W, 3), got {tuple(video_shape)}")
        if len(boxes_shape) != 4 or boxes_shape[-1] != 4:
            raise ValueError(f"Glimpse expects boxes (B, T, K, 4), got {tuple(boxes_shape)}")

    def call(self, video: Any, boxes: Any) -> Any:
        B, T, H, W, _ = ops.shape(video)
        boxes = ops.cast(boxes, "float32")
        top, left, bottom, right = (boxes[..., i, None] for i in range(4))
        place = (ops.arange(self.size, dtype="float32") + 0.5) / self.size
        # (B, T, K, size). Clipping is safe: beyond one pixel outside, the value is constant.
        y = ops.clip(top + place * (bottom - top) - 0.5, -1.0, ops.cast(H, "float32"))
        x = ops.clip(left + place * (right - left) - 0.5, -1.0, ops.cast(W, "float32"))
        pixels = ops.reshape(video, (-1, 3))
        first = ops.reshape(ops.arange(B * T) * (H * W), (B, T, 1, 1, 1))
        result = 0.0
        for row, row_weight in _neighbours(y):
            for column, column_weight in _neighbours(x):
                a, b = row[..., :, None], column[..., None, :]
                inside = (a >= 0) & (a < H) & (b >= 0) & (b < W)
                index = first + ops.clip(a, 0, H - 1) * W + ops.clip(b, 0, W - 1)
                value = ops.cast(ops.take(pixels, index, axis=0), "float32")
                value = ops.where(inside[..., None], value, self.grey)
                weight = row_weight[..., :, None] * column_weight[..., None, :]
                result = result + weight[..., None] * value
        return ops.cast(result / 127.5 - 1.0, self.compute_dtype)

    def compute_output_shape(self, video_shape: tuple, boxes_shape: tuple) -> tuple:
        return (*boxes_shape[:3], self.size, self.size, 3)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "size": self.size, "grey": self.grey}


def _neighbours(at: Any) -> list[tuple[Any, Any]]:
    """The two pixels around each position, as int32, with their interpolation weights."""
    before = ops.floor(at)
    share = at - before
    index = ops.cast(before, "int32")
    return [(index, 1.0 - share), (index + 1, share)]
