"""Random augmentation of skeleton clips, as Keras layers.

Each layer maps clips (B, T, ..., 3) to clips of the same shape; axis 1 is time and the last axis
holds x, y and z. Every clip of a batch is changed at random on its own. Outside training the input
is returned unchanged.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import keras
from keras import ops, random

from keras_skeleton.layers.elementwise import Elementwise
from keras_skeleton.layers.grouped import PACKAGE
from keras_skeleton.layers.temporal_sampling import lengths


class _Augmentation(Elementwise, keras.layers.Layer):
    def __init__(self, seed: int | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.seed = seed
        self.seed_generator = random.SeedGenerator(seed)

    def build(self, input_shape: tuple) -> None:
        if len(input_shape) < 3 or input_shape[-1] != 3:
            raise ValueError(
                f"{type(self).__name__} expects (B, T, ..., 3), got {tuple(input_shape)}"
            )

    def call(self, inputs: Any, training: bool = False) -> Any:
        return self.change(inputs) if training else inputs

    def change(self, clips: Any) -> Any:
        raise TypeError("subclasses must implement change()")

    def uniform(self, clips: Any, low: float, high: float, *shape: int) -> Any:
        """Random numbers (B, *shape), uniform in [low, high)."""
        drawn = random.uniform(
            (ops.shape(clips)[0], *shape), low, high, dtype="float32", seed=self.seed_generator
        )
        return ops.cast(drawn, clips.dtype)

    def compute_output_shape(self, input_shape: tuple) -> tuple:
        return tuple(input_shape)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "seed": self.seed}


@keras.saving.register_keras_serializable(PACKAGE)
class RandomRotation(_Augmentation):
    """Rotates each clip about x, then y, then z by random angles.

    Args:
        degrees: Largest angles about x, y and z, in degrees. Each angle is uniform between minus
            and plus its largest value.
        seed: Seed of the random numbers; None draws one.

    Example:
        >>> import numpy as np
        >>> from keras_skeleton.layers import RandomRotation
        >>> clips = np.ones((8, 30, 2, 25, 3), "float32")  # B, T, M, V, C
        >>> layer = RandomRotation((0, 60, 0), seed=0)
        >>> tuple(layer(clips, training=True).shape)
        (8, 30, 2, 25, 3)
        >>> bool(np.all(layer(clips) == clips))  # outside training
        True
    """

    def __init__(self, degrees: tuple[float, float, float] = (5, 5, 15), **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.degrees = tuple(degrees)

    def change(self, clips: Any) -> Any:
        rotation = None
        for axis, degrees in enumerate(self.degrees):
            limit = math.radians(degrees)
            angle = self.uniform(clips, -limit, limit)
            c, s, one, zero = (
                ops.cos(angle),
                ops.sin(angle),
                ops.ones_like(angle),
                ops.zeros_like(angle),
            )
            rows = {
                0: (one, zero, zero, zero, c, -s, zero, s, c),
                1: (c, zero, s, zero, one, zero, -s, zero, c),
                2: (c, -s, zero, s, c, zero, zero, zero, one),
            }[axis]
            turn = ops.reshape(ops.stack(rows, axis=-1), (-1, 3, 3))
            rotation = turn if rotation is None else ops.matmul(turn, rotation)
        flat = ops.reshape(clips, (ops.shape(clips)[0], -1, 3))
        return ops.reshape(ops.matmul(flat, ops.transpose(rotation, (0, 2, 1))), ops.shape(clips))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "degrees": self.degrees}


@keras.saving.register_keras_serializable(PACKAGE)
class RandomScale(_Augmentation):
    """Multiplies each coordinate of a clip by a random factor.

    Args:
        amount: The factors of x, y and z are uniform in [1 - amount, 1 + amount).
        seed: Seed of the random numbers; None draws one.

    Example:
        >>> import numpy as np
        >>> from keras_skeleton.layers import RandomScale
        >>> clips = np.ones((8, 30, 25, 3), "float32")
        >>> scaled = np.asarray(RandomScale(0.1, seed=0)(clips, training=True))
        >>> bool((abs(scaled - 1) <= 0.1001).all())
        True
    """

    def __init__(self, amount: float = 0.1, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.amount = amount

    def change(self, clips: Any) -> Any:
        factors = self.uniform(clips, 1 - self.amount, 1 + self.amount, 3)
        return clips * ops.reshape(factors, (-1, *[1] * (len(clips.shape) - 2), 3))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "amount": self.amount}


@keras.saving.register_keras_serializable(PACKAGE)
class RandomJitter(_Augmentation):
    """Adds Gaussian noise to every coordinate.

    Joints whose coordinates are all zero stay zero, so padded frames and absent bodies remain
    recognizable. (A real joint exactly at the origin is not moved either.)

    Args:
        stddev: Standard deviation of the noise, in units of the input; not negative.
        seed: Seed of the random numbers; None draws one.

    Raises:
        ValueError: `stddev` is negative.

    Example:
        >>> import numpy as np
        >>> from keras_skeleton.layers import RandomJitter
        >>> padding = np.zeros((8, 30, 25, 3), "float32")
        >>> bool(np.all(RandomJitter(0.1)(padding, training=True) == 0))
        True
    """

    def __init__(self, stddev: float = 0.1, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if stddev < 0:
            raise ValueError(f"stddev={stddev} must not be negative")
        self.stddev = stddev

    def change(self, clips: Any) -> Any:
        noise = random.normal(
            ops.shape(clips), stddev=self.stddev, dtype="float32", seed=self.seed_generator
        )
        there = ops.any(ops.not_equal(clips, 0), axis=-1, keepdims=True)
        return ops.where(there, clips + ops.cast(noise, clips.dtype), clips)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "stddev": self.stddev}


@keras.saving.register_keras_serializable(PACKAGE)
class RandomTemporalCrop(_Augmentation):
    """Crops a random part of each clip and interpolates it back to T frames.

    Args:
        smallest: Smallest share of the clip that is kept, in (0, 1]. The share is uniform in
            [smallest, 1), its position uniform over the clip.
        seed: Seed of the random numbers; None draws one.

    Raises:
        ValueError: `smallest` is not in (0, 1].

    Example:
        >>> import numpy as np
        >>> from keras_skeleton.layers import RandomTemporalCrop
        >>> clips = np.ones((8, 30, 25, 3), "float32")
        >>> tuple(RandomTemporalCrop(0.5)(clips, training=True).shape)
        (8, 30, 25, 3)
    """

    def __init__(self, smallest: float = 0.9, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if not 0 < smallest <= 1:
            raise ValueError(f"smallest={smallest} is not in (0, 1]")
        self.smallest = smallest

    def change(self, clips: Any) -> Any:
        T = clips.shape[1]
        share = self.uniform(clips, self.smallest, 1.0, 1)
        start = self.uniform(clips, 0.0, 1.0, 1) * (1 - share)
        at = (start + share * ops.cast(ops.linspace(0.0, 1.0, T), clips.dtype)) * (T - 1)  # (B, T)
        # Linear interpolation as one matrix product with (B, T, T) hat functions: unlike a gather
        # of rows, it runs on every backend.
        frames = ops.cast(ops.arange(T), clips.dtype)
        weights = ops.relu(1 - ops.abs(at[:, :, None] - frames))
        flat = ops.reshape(clips, (ops.shape(clips)[0], T, -1))
        return ops.reshape(ops.matmul(weights, flat), ops.shape(clips))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "smallest": self.smallest}


@keras.saving.register_keras_serializable(PACKAGE)
class RandomSymmetry(_Augmentation):
    """Replaces each clip, with probability 1/2, by its image under a symmetry of the data.

    For example, a left-right mirror swaps the joints of both sides and changes the sign of one
    coordinate; two people who trade places swap all joints and change the signs of two.

    Args:
        order: Joint k of the image is joint order[k] of the clip. Joints are counted over all axes
            between time and coordinates: V of them, or M * V.
        signs: Factors of x, y and z.
        seed: Seed of the random numbers; None draws one.

    Raises:
        ValueError: `order` is not a permutation, or the input has another number of joints.

    Example:
        >>> import numpy as np
        >>> from keras_skeleton.layers import RandomSymmetry
        >>> from keras_skeleton.skeletons import get_skeleton
        >>> mirror = RandomSymmetry(get_skeleton("kinect_v2").mirror, signs=(-1, 1, 1))
        >>> clips = np.ones((8, 30, 1, 25, 3), "float32")  # B, T, M, V, C
        >>> tuple(mirror(clips, training=True).shape)
        (8, 30, 1, 25, 3)
    """

    def __init__(
        self, order: Sequence[int], signs: tuple[float, float, float], **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.order = [int(k) for k in order]
        self.signs = tuple(signs)
        if sorted(self.order) != list(range(len(self.order))):
            raise ValueError(f"order={self.order} must name each joint exactly once")

    def build(self, input_shape: tuple) -> None:
        super().build(input_shape)
        if math.prod(input_shape[2:-1]) != len(self.order):
            raise ValueError(
                f"{type(self).__name__} '{self.name}' has an order of {len(self.order)} joints, "
                f"which does not fit clips of shape {tuple(input_shape)}"
            )

    def change(self, clips: Any) -> Any:
        shape = ops.shape(clips)
        flat = ops.reshape(clips, (*shape[:2], len(self.order), 3))
        image = ops.take(flat, self.order, axis=2) * ops.cast(self.signs, clips.dtype)
        image = ops.reshape(image, shape)
        drawn = self.uniform(clips, 0.0, 1.0, *[1] * (len(clips.shape) - 1))
        return ops.where(drawn < 0.5, image, clips)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "order": self.order, "signs": self.signs}


class _OnJoints(_Augmentation):
    """An augmentation that knows the joints; it counts them over all axes between time and
    coordinates: V of them, or M * V."""

    joints: int  # number of joints; that of a body for networks of several

    def build(self, input_shape: tuple) -> None:
        super().build(input_shape)
        if math.prod(input_shape[2:-1]) % self.joints:
            raise ValueError(
                f"{type(self).__name__} '{self.name}' is for bodies of {self.joints} joints, which "
                f"do not fit clips of shape {tuple(input_shape)}"
            )

    def bodies(self, clips: Any) -> Any:
        """The clips as (B, T, M, V, 3)."""
        shape = ops.shape(clips)
        M = math.prod(clips.shape[2:-1]) // self.joints
        return ops.reshape(clips, (shape[0], shape[1], M, self.joints, 3))


def _present(clips: Any) -> Any:
    """Whether each joint is there, that is, not all zero: bool (..., 1)."""
    return ops.any(ops.not_equal(clips, 0), axis=-1, keepdims=True)


@keras.saving.register_keras_serializable(PACKAGE)
class RandomAmplitude(_Augmentation):
    """Makes the movements of each clip smaller or larger: its distance from the clip's mean pose is
    multiplied by a random factor.

    Absent joints (zeros) stay zero and do not count in the mean.

    Args:
        least: Smallest factor.
        most: Largest factor.
        seed: Seed of the random numbers; None draws one.

    Raises:
        ValueError: Not 0 <= least <= most.

    Example:
        >>> import numpy as np
        >>> from keras_skeleton.layers import RandomAmplitude
        >>> clips = np.random.default_rng(0).normal(size=(8, 30, 25, 3)).astype("float32")
        >>> smaller = np.asarray(RandomAmplitude(0.2, 0.5)(clips, training=True))
        >>> bool((smaller.std(axis=1) < 0.51 * clips.std(axis=1)).all())
        True
    """

    def __init__(self, least: float = 0.6, most: float = 1.2, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if not 0 <= least <= most:
            raise ValueError(f"least={least} must be in [0, most={most}]")
        self.least, self.most = least, most

    def change(self, clips: Any) -> Any:
        there = _present(clips)
        count = ops.sum(ops.cast(there, clips.dtype), axis=1, keepdims=True)
        mean = ops.sum(clips, axis=1, keepdims=True) / ops.maximum(count, 1)
        factor = self.uniform(clips, self.least, self.most, *[1] * (len(clips.shape) - 1))
        return ops.where(there, mean + factor * (clips - mean), clips)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "least": self.least, "most": self.most}


@keras.saving.register_keras_serializable(PACKAGE)
class RandomBoneLength(_OnJoints):
    """Multiplies the length of each bone by a random factor, one for a clip.

    Directions of bones and the place of the root are kept. Left and right bones get the same
    factor. Absent bodies, whose joints are all zero, stay zero.

    Args:
        bones: The V - 1 pairs (parent, child) of the tree, as in `Skeleton.bones`.
        root: Index of the tree's root.
        mirror: Joint `mirror[k]` is joint k on the other side, as in `Skeleton.mirror`; None if
            each bone has a factor of its own.
        amount: The factors are uniform in [1 - amount, 1 + amount).
        seed: Seed of the random numbers; None draws one.

    Raises:
        ValueError: The bones form no tree, or do not fit the input.

    Example:
        >>> import numpy as np
        >>> from keras_skeleton.layers import RandomBoneLength
        >>> from keras_skeleton.skeletons import get_skeleton
        >>> body = get_skeleton("body15")
        >>> layer = RandomBoneLength(body.bones, body.root, mirror=body.mirror, amount=0.2)
        >>> clips = np.ones((8, 30, 1, 15, 3), "float32")  # B, T, M, V, C
        >>> tuple(layer(clips, training=True).shape)
        (8, 30, 1, 15, 3)
    """

    def __init__(
        self,
        bones: Sequence[Sequence[int]],
        root: int,
        mirror: Sequence[int] | None = None,
        amount: float = 0.15,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.bones = [[int(a), int(b)] for a, b in bones]
        self.root = int(root)
        self.joints = len(self.bones) + 1
        self.mirror = None if mirror is None else [int(k) for k in mirror]
        self.amount = amount
        parents = {child: parent for parent, child in self.bones}
        everything = list(range(self.joints))
        if sorted([*parents, self.root]) != everything:
            raise ValueError(f"the bones do not form a tree with the root {self.root}")
        if self.mirror is not None and sorted(self.mirror) != everything:
            raise ValueError(f"mirror={self.mirror} must name each joint exactly once")
        # Row j has ones at the joints whose bones lead from the root to joint j.
        self._paths = [[0.0] * self.joints for _ in everything]
        for j in everything:
            at, steps = j, 0
            while at != self.root:
                self._paths[j][at] = 1.0
                at, steps = parents[at], steps + 1
                if steps > self.joints:
                    raise ValueError(f"the bones do not form a tree with the root {self.root}")
        self._parents = [parents.get(j, j) for j in everything]
        pairs = everything if self.mirror is None else self.mirror
        self._shared = [min(j, pairs[j]) for j in everything]

    def change(self, clips: Any) -> Any:
        bodies = self.bodies(clips)
        own = bodies - ops.take(bodies, self._parents, axis=3)  # the root's is zero
        factor = self.uniform(clips, 1 - self.amount, 1 + self.amount, self.joints)
        factor = ops.take(factor, self._shared, axis=1)[:, None, None, :, None]
        paths = ops.cast(self._paths, clips.dtype)
        # (B, T, M, 3, V) by the transposed paths: unlike einsum, it has one form on every backend.
        along = ops.matmul(ops.swapaxes(own * factor, 3, 4), ops.transpose(paths))
        moved = ops.take(bodies, [self.root], axis=3) + ops.swapaxes(along, 3, 4)
        there = ops.any(_present(bodies), axis=3, keepdims=True)
        return ops.reshape(ops.where(there, moved, bodies), ops.shape(clips))

    def get_config(self) -> dict[str, Any]:
        own = {"bones": self.bones, "root": self.root, "mirror": self.mirror, "amount": self.amount}
        return {**super().get_config(), **own}


@keras.saving.register_keras_serializable(PACKAGE)
class RandomDroppedLimb(_OnJoints):
    """Loses a random limb for a part of the clip, as a pose estimator does if it is not seen.

    With equal probability the limb keeps its first pose of that part, or every joint of it is put
    elsewhere and wanders from there, as a limb that an estimator makes up. Absent joints (zeros)
    stay zero.

    Args:
        limbs: Indices of the joints of each limb; one limb is drawn for a clip.
        joints: Number of joints V of a body.
        probability: Probability that a clip loses a limb.
        smallest: The part is a share of the clip, uniform in [smallest, 1).
        stddev: Standard deviation of both the displacement and the way that a joint wanders until
            the end of the part, in units of the input.
        seed: Seed of the random numbers; None draws one.

    Raises:
        ValueError: No limbs, joints that do not exist, or a probability or share out of range.

    Example:
        >>> import numpy as np
        >>> from keras_skeleton.layers import RandomDroppedLimb
        >>> layer = RandomDroppedLimb([[1], [2, 3]], joints=4, probability=1.0, seed=0)
        >>> clips = np.random.default_rng(0).normal(size=(8, 30, 4, 3)).astype("float32")
        >>> moved = np.asarray(layer(clips, training=True)) != clips
        >>> bool(moved.any(axis=(1, 2, 3)).all()), bool(moved[:, :, 0].any())
        (True, False)
    """

    def __init__(
        self,
        limbs: Sequence[Sequence[int]],
        joints: int,
        probability: float = 0.3,
        smallest: float = 0.3,
        stddev: float = 0.15,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.limbs = [[int(j) for j in limb] for limb in limbs]
        self.joints = int(joints)
        self.probability, self.smallest, self.stddev = probability, smallest, stddev
        if not self.limbs or any(not 0 <= j < self.joints for limb in self.limbs for j in limb):
            raise ValueError(f"limbs={self.limbs} must be lists of joints below {self.joints}")
        if not 0 <= probability <= 1 or not 0 < smallest <= 1 or stddev < 0:
            raise ValueError(
                f"probability={probability} must be in [0, 1], smallest={smallest} in (0, 1], and "
                f"stddev={stddev} not negative"
            )

    def change(self, clips: Any) -> Any:
        kind, clips = clips.dtype, ops.cast(clips, "float32")  # half precision counts to 256
        bodies = self.bodies(clips)
        T, dtype = clips.shape[1], clips.dtype
        length = ops.cast(lengths(clips), dtype)[:, None]  # (B, 1)
        part = ops.maximum(self.uniform(clips, self.smallest, 1.0, 1) * length, 1.0)
        start = ops.floor(self.uniform(clips, 0.0, 1.0, 1) * (length - part))
        frames = ops.cast(ops.arange(T), dtype)[None]
        inside = (frames >= start) & (frames < start + part)  # (B, T)
        lost = self.uniform(clips, 0.0, 1.0, 1) < self.probability
        each = [[float(j in limb) for j in range(self.joints)] for limb in self.limbs]
        # Which limb: the largest of a number for each, since not every backend draws integers.
        drawn = ops.argmax(self.uniform(clips, 0.0, 1.0, len(self.limbs)), axis=1)
        limb = ops.take(ops.cast(each, dtype), drawn, axis=0) > 0  # (B, V)
        chosen = (inside & lost)[:, :, None, None, None] & limb[:, None, None, :, None]

        first = ops.cast(ops.equal(frames, start), dtype)[:, :, None, None, None]
        held = ops.sum(bodies * first, axis=1, keepdims=True)
        steps = random.normal(ops.shape(bodies), dtype="float32", seed=self.seed_generator)
        wild = self.uniform(clips, 0.0, 1.0, 1) < 0.5
        # The step of the first frame is the displacement, the others are short.
        scale = ops.where(ops.equal(frames, start), 1.0, 1.0 / ops.sqrt(part)) * self.stddev
        scale = ops.where(wild, scale, 0.0)[:, :, None, None, None]
        walk = ops.cumsum(ops.where(chosen, steps * scale, 0.0), axis=1)
        there = _present(bodies) & _present(held)
        out = ops.where(chosen & there, held + walk, bodies)
        return ops.cast(ops.reshape(out, ops.shape(clips)), kind)

    def get_config(self) -> dict[str, Any]:
        names = ("limbs", "joints", "probability", "smallest", "stddev")
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}


@keras.saving.register_keras_serializable(PACKAGE)
class RandomFrameRate(_Augmentation):
    """Lowers the frame rate of each clip and brings it back to its length.

    Of every r frames one is kept, with r uniform in [1, most); the others repeat it, as in a film
    whose player fills in frames, or are interpolated between those that are kept, with equal
    probability. r need not be a whole number. Absent joints (zeros) stay zero.

    Args:
        most: Largest factor by which the rate is lowered, at least 1.
        seed: Seed of the random numbers; None draws one.

    Raises:
        ValueError: `most` is below 1.

    Example:
        >>> import numpy as np
        >>> from keras_skeleton.layers import RandomFrameRate
        >>> clips = np.ones((8, 30, 25, 3), "float32")
        >>> tuple(RandomFrameRate(3.0)(clips, training=True).shape)
        (8, 30, 25, 3)
    """

    def __init__(self, most: float = 2.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if most < 1:
            raise ValueError(f"most={most} must be at least 1")
        self.most = most

    def change(self, clips: Any) -> Any:
        kind, clips = clips.dtype, ops.cast(clips, "float32")  # half precision counts to 256
        T, dtype = clips.shape[1], clips.dtype
        last = ops.cast(lengths(clips), dtype)[:, None] - 1
        frames = ops.cast(ops.arange(T), dtype)[None]
        r = self.uniform(clips, 1.0, self.most, 1)
        phase = self.uniform(clips, 0.0, 1.0, 1) * r
        before = ops.floor((frames + phase) / r) * r - phase  # (B, T), not after the frame
        # Frames that are kept are whole: no new poses are made up. 1e-3: rounding of `before`.
        first, second = (
            ops.clip(ops.ceil(place - 1e-3), 0.0, last) for place in (before, before + r)
        )
        share = ops.clip((frames - first) / ops.maximum(second - first, 1.0), 0.0, 1.0)
        holds = self.uniform(clips, 0.0, 1.0, 1) < 0.5
        share = ops.where(holds, 0.0, share)[:, :, None]
        one, other = (
            ops.cast(ops.equal(place[:, :, None], frames[:, None]), dtype)
            for place in (first, second)
        )
        weights = (1 - share) * one + share * other  # (B, T, T)
        flat = ops.reshape(clips, (ops.shape(clips)[0], T, -1, 3))
        there = _present(flat)
        known = ops.cast(there, dtype)[..., 0]
        total = ops.matmul(weights, known)[..., None]  # weight of the frames in which a joint is
        shape = ops.shape(flat)
        mean = ops.matmul(weights, ops.reshape(flat, (shape[0], T, -1)))
        mean = ops.reshape(mean, shape) / ops.maximum(total, 1e-6)
        mixed = ops.where(there & (total > 1e-3), mean, flat)
        return ops.cast(ops.reshape(mixed, ops.shape(clips)), kind)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "most": self.most}


@keras.saving.register_keras_serializable(PACKAGE)
class RandomSmoothNoise(_Augmentation):
    """Adds noise that changes slowly, as the errors of a pose estimator do.

    Each joint and coordinate has its own Gaussian noise, smoothed over time by a Gaussian whose
    width is drawn for each clip: small widths tremble, large ones displace a joint for the whole
    clip. Its standard deviation is drawn for each clip, too. Absent joints (zeros) stay zero.

    Args:
        stddev: Largest standard deviation of x and y, in units of the input; that of a clip is
            uniform in [0, stddev).
        depth: Factor of the noise of z, which estimators see least.
        width: Smallest and largest width of the smoothing, in frames; drawn evenly on a logarithmic
            scale.
        seed: Seed of the random numbers; None draws one.

    Raises:
        ValueError: `stddev` or `depth` is negative, or `width` is not ascending and positive.

    Example:
        >>> import numpy as np
        >>> from keras_skeleton.layers import RandomSmoothNoise
        >>> clips = np.ones((8, 30, 25, 3), "float32")
        >>> tuple(RandomSmoothNoise(0.03, depth=2.0)(clips, training=True).shape)
        (8, 30, 25, 3)
    """

    def __init__(
        self,
        stddev: float = 0.03,
        depth: float = 2.0,
        width: tuple[float, float] = (1.0, 100.0),
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if stddev < 0 or depth < 0 or not 0 < width[0] <= width[1]:
            raise ValueError(
                f"stddev={stddev} and depth={depth} must not be negative, width={width} positive "
                "and ascending"
            )
        self.stddev, self.depth, self.width = stddev, depth, tuple(width)

    def change(self, clips: Any) -> Any:
        T, dtype = clips.shape[1], clips.dtype
        low, high = (math.log(w) for w in self.width)
        width = ops.exp(self.uniform(clips, low, high, 1, 1))
        frames = ops.cast(ops.arange(T), dtype)
        smooth = ops.exp(-0.5 * ops.square((frames[:, None] - frames[None]) / width))  # (B, T, T)
        smooth = smooth / ops.sqrt(ops.sum(ops.square(smooth), axis=-1, keepdims=True))
        shape = ops.shape(clips)
        noise = random.normal((shape[0], T, math.prod(clips.shape[2:])), seed=self.seed_generator)
        noise = ops.reshape(ops.matmul(smooth, ops.cast(noise, dtype)), shape)
        scale = self.uniform(clips, 0.0, self.stddev, *[1] * (len(clips.shape) - 1))
        noise = noise * scale * ops.cast([1.0, 1.0, self.depth], dtype)
        return ops.where(_present(clips), clips + noise, clips)

    def get_config(self) -> dict[str, Any]:
        own = {"stddev": self.stddev, "depth": self.depth, "width": self.width}
        return {**super().get_config(), **own}
