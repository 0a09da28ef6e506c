"""Poses and their motion as features of every frame, for networks that read whole recordings."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from keras_skeleton.layers.elementwise import Elementwise
from keras_skeleton.layers.grouped import PACKAGE


@keras.saving.register_keras_serializable(PACKAGE)
class PoseMotion(Elementwise, keras.layers.Layer):
    """Positions relative to each body's root, and how they and the root have moved.

    Input x (B, T, M * V, 3) in camera coordinates; features have the same unit. Output (B, T, D)
    with the features of every body, one after the other, D = M (6 V + 3) + 3 (M - 1):

        p(t, v) = x(t, v) - x(t, root)       positions, 3 V numbers
        p(t + a, v) - p(t - b, v)            their motion over `span` frames, 3 V numbers
        x(t + a, root) - x(t - b, root)      motion of the root, 3 numbers
        x(t, root) - x(t, first root)        bodies after the first only, 3 numbers

    with a = 0 and b = span, or, if the layer sees later frames, a = span // 2 and b = span - a.
    A body is absent where all of its values are zero. Its features are zero there; motion is zero,
    too, if the body is absent at either end or one end lies outside the sequence.

    Args:
        joints: V, the joints of a body.
        root: Index of the root among them.
        span: Number of frames over which motion is taken.
        ahead: Whether the layer sees later frames.

    Raises:
        ValueError: `root` or `span` is out of range, or the input is not (B, T, M * V, 3).

    Example:
        >>> import numpy as np
        >>> from keras_skeleton.layers.pose_motion import PoseMotion
        >>> x = np.ones((2, 30, 2 * 25, 3), "float32")
        >>> tuple(PoseMotion(joints=25)(x).shape)
        (2, 30, 309)
    """

    def __init__(
        self, joints: int, root: int = 0, span: int = 4, ahead: bool = False, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        if not 0 <= root < joints or span < 1:
            raise ValueError(f"joints={joints}, root={root}, span={span}: out of range")
        self.joints, self.root, self.span, self.ahead = joints, root, span, ahead

    @property
    def reach(self) -> tuple[int, int]:
        """Number of frames before and after a frame on which its features depend."""
        after = self.span // 2 if self.ahead else 0
        return self.span - after, after

    def build(self, input_shape: tuple) -> None:
        if len(input_shape) != 4 or input_shape[2] % self.joints or input_shape[3] != 3:
            raise ValueError(
                f"PoseMotion '{self.name}' expects (B, T, M * {self.joints}, 3), "
                f"got {tuple(input_shape)}"
            )

    def call(self, x: Any) -> Any:
        B, T, bodies = ops.shape(x)[0], ops.shape(x)[1], x.shape[2] // self.joints
        x = ops.reshape(x, (B, T, bodies, self.joints, 3))
        there = ops.cast(ops.any(ops.not_equal(x, 0), axis=(3, 4), keepdims=True), x.dtype)
        root = x[:, :, :, self.root : self.root + 1]
        pose = (x - root) * there
        features = []
        for m in range(bodies):
            own = ops.concatenate([pose[:, :, m], root[:, :, m]], axis=2)  # (B, T, V + 1, 3)
            parts = [pose[:, :, m], self._moved(own, there[:, :, m])]
            if m:
                both = there[:, :, m] * there[:, :, 0]
                parts.append((root[:, :, m] - root[:, :, 0]) * both)
            features += [ops.reshape(p, (B, T, p.shape[2] * 3)) for p in parts]
        return ops.concatenate(features, axis=-1)

    def _moved(self, x: Any, there: Any) -> Any:
        """x(t + a) - x(t - b), zero where either is absent or outside the sequence."""
        before, after = self.reach
        T = ops.shape(x)[1]

        def at(values: Any, shift: int) -> Any:  # values(t + shift), zeros outside
            padded = ops.pad(values, ((0, 0), (before, after), (0, 0), (0, 0)))
            return padded[:, before + shift : before + shift + T]

        return (at(x, after) - at(x, -before)) * at(there, after) * at(there, -before)

    def compute_output_shape(self, input_shape: tuple) -> tuple:
        bodies = input_shape[2] // self.joints
        return (*input_shape[:2], bodies * (6 * self.joints + 3) + 3 * (bodies - 1))

    def get_config(self) -> dict[str, Any]:
        own = {"joints": self.joints, "root": self.root, "span": self.span, "ahead": self.ahead}
        return {**super().get_config(), **own}
