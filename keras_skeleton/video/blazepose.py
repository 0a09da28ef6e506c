"""BlazePose: people in an image, and the 33 key points of a person, with LiteRT.

V. Bazarevsky et al., "BlazePose: on-device real-time body pose tracking", CV4ARVR 2020
(arXiv:2006.10204); H. Xu et al., "GHUM & GHUML", CVPR 2020, for the points in metres.

    detect      image -> regions: a rotated square around each person (the paper's Sec. 2.2: the
                middle of the hips, and the size and incline of the whole person)
    landmarks   image, region -> 33 key points, and the region of the next frame, so that the
                detector is not needed while a person is followed

This module holds what MediaPipe does around the two networks: anchors, non-maximum suppression, the
turned crop, and the way back into the image.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from keras_skeleton.deploy.runtimes import litert_interpreter, quiet
from keras_skeleton.video.pose_models import PoseModels

DETECTOR, CROP = 224, 256  # pixels of the networks' inputs
STRIDES = (8, 16, 32, 32, 32)  # of the detector's output maps, two anchors at each place
SCORE, OVERLAP = 0.5, 0.3  # of a detection; of two detections of one person
MARGIN = 1.25  # side of the region, in diameters of the circle around the person
POINTS = 33
HEAT, KERNEL, SURE = 64, 7, 0.5  # heat maps: size, window around a point, least value in it


class Region(NamedTuple):
    """A turned square of an image.

    Attributes:
        x: Of its center, in pixels.
        y: Of its center, in pixels.
        side: In pixels.
        angle: In radians; 0 if the person stands upright, positive if the head tilts to the right
            of the image.
        score: Of the detection, 0 to 1.
    """

    x: float
    y: float
    side: float
    angle: float
    score: float = 1.0

    def ends(self) -> np.ndarray:
        """The middle of the hips, and the point of the person's circle above it, (2, 2)."""
        above = (math.sin(self.angle), -math.cos(self.angle))
        return np.array([(0, 0), above]) * self.side / (2 * MARGIN) + (self.x, self.y)

    def corners(self) -> np.ndarray:
        """The four corners, float64 (4, 2)."""
        half = np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)]) * self.side / 2
        return half @ _turn(self.angle).T + (self.x, self.y)


@dataclass(frozen=True)
class Landmarks:
    """The key points of one person.

    Attributes:
        points: float32 (33, 3): x and y in pixels of the image, and the visibility, 0 to 1.
        world: float32 (33, 4): x to the right, y down and z away from the camera in meters, with
            the origin between the hips, and the visibility.
        presence: Probability that the region shows a person.
        region: Where to look in the next frame.
    """

    points: np.ndarray
    world: np.ndarray
    presence: float
    region: Region


class BlazePose:
    """The two networks.

    Args:
        models: Their files, from `find_pose_models`.
        threads: Threads of each network.

    Example:
        >>> from keras_skeleton.video.blazepose import BlazePose
        >>> from keras_skeleton.video.pose_models import find_pose_models
        >>> pose = BlazePose(find_pose_models())  # doctest: +SKIP
        >>> best = pose.detect(image)[0]  # image: uint8 (H, W, 3)  # doctest: +SKIP
        >>> pose.landmarks(image, best).world.shape  # doctest: +SKIP
        (33, 4)
    """

    def __init__(self, models: PoseModels, threads: int = 2) -> None:
        with quiet():
            self._detector = _Network(models.detector, threads)
            self._landmarks = _Network(models.landmarks, threads)

    def detect(self, image: np.ndarray) -> list[Region]:
        """Finds people in an image, the surest first.

        Args:
            image: uint8 (H, W, 3), RGB.
        """
        values, logits = self._detector(squared(image) / np.float32(127.5) - 1, (12, 1))
        found = merge(decode(values, logits[:, 0]))
        height, width = image.shape[:2]
        side = max(height, width)
        corner = np.array([side - width, side - height]) / 2
        hips, reach = (ends * side / DETECTOR - corner for ends in (found.hips, found.reach))
        return [
            region_between(a, b, float(score))
            for a, b, score in zip(hips, reach, found.scores, strict=True)
        ]

    def landmarks(self, image: np.ndarray, region: Region) -> Landmarks:
        """Estimates the key points of the person in a region.

        Args:
            image: uint8 (H, W, 3), RGB.
            region: From `detect`, or from the person's `Landmarks` in the frame before.
        """
        values, presence, heat, world = self._landmarks(
            turned_crop(image, region), (5 * 39, 1, (HEAT, HEAT, 39), 3 * 39)
        )
        values = values.reshape(39, 5)
        places = refine(values[:, :2] / CROP, heat) * region.side - region.side / 2
        points = places @ _turn(region.angle).T + (region.x, region.y)
        visibility = _sigmoid(values[:POINTS, 3:4])
        metres = world.reshape(39, 3)[:POINTS].copy()
        metres[:, :2] = metres[:, :2] @ _turn(region.angle).T
        return Landmarks(
            np.concatenate([points[:POINTS], visibility], axis=1).astype(np.float32),
            np.concatenate([metres, visibility], axis=1).astype(np.float32),
            float(presence[0]),
            # Points 33 and 34 are what the detector gives, too: the hips and the circle.
            region_between(points[33], points[34]),
        )


class Detections(NamedTuple):
    """Detections in pixels of the detector's input; K of them.

    Attributes:
        boxes: Left, top, right and bottom of the face, float32 (K, 4).
        hips: The middle of the hips, (K, 2).
        reach: A point of the circle around the person, above the hips in the body's axes, (K, 2).
        scores: 0 to 1, (K,).
    """

    boxes: np.ndarray
    hips: np.ndarray
    reach: np.ndarray
    scores: np.ndarray


def anchors() -> np.ndarray:
    """Centers of the detector's anchors in pixels of its input, float32 (2254, 2).

    Example:
        >>> from keras_skeleton.video.blazepose import anchors
        >>> anchors()[[0, 1, 2, -1]].tolist()
        [[4.0, 4.0], [4.0, 4.0], [12.0, 4.0], [208.0, 208.0]]
    """
    rows: list[np.ndarray] = []
    done = 0
    while done < len(STRIDES):
        stride = STRIDES[done]
        maps = sum(s == stride for s in STRIDES)  # maps of one stride share their places
        size = DETECTOR // stride
        y, x = np.mgrid[:size, :size]
        centers = (np.stack([x, y], axis=-1).reshape(-1, 2) + 0.5) * stride
        rows.append(np.repeat(centers, 2 * maps, axis=0))
        done += maps
    return np.concatenate(rows).astype(np.float32)


_ANCHORS = anchors()


def decode(values: np.ndarray, logits: np.ndarray) -> Detections:
    """Reads the detector's output, without detections below `SCORE`.

    Args:
        values: (2254, 12): center, width and height of the box and four points, in pixels from the
            anchor.
        logits: (2254,).
    """
    scores = _sigmoid(logits)
    sure = scores >= SCORE
    at, found = _ANCHORS[sure], values[sure]
    center, half = found[:, 0:2] + at, found[:, 2:4] / 2
    boxes = np.concatenate([center - half, center + half], axis=1)
    return Detections(boxes, found[:, 4:6] + at, found[:, 6:8] + at, scores[sure])


def merge(found: Detections) -> Detections:
    """One detection for each person, the surest first.

    Two detections are one person if their boxes overlap, or if their circles share most of their
    area: the boxes are those of faces, which are small. Places are averages of the detections with
    overlapping boxes, weighted by their scores; the score is that of the best.
    """
    left = list(np.argsort(-found.scores, kind="stable"))
    radius = np.linalg.norm(found.reach - found.hips, axis=1)
    kept: list[list[int]] = []
    while left:
        best = left[0]
        group = [k for k in left if box_overlap(found.boxes[best], found.boxes[k]) > OVERLAP]
        left = [k for k in left if k not in group and k != best]
        if not any(
            math.dist(found.hips[best], found.hips[own[0]])
            < 0.35 * min(radius[best], radius[own[0]])
            for own in kept
        ):
            kept.append(group or [best])

    def average(values: np.ndarray) -> np.ndarray:
        rows = [np.average(values[own], axis=0, weights=found.scores[own]) for own in kept]
        return np.reshape(rows, (len(kept), values.shape[1]))

    scores = found.scores[[own[0] for own in kept]]
    return Detections(average(found.boxes), average(found.hips), average(found.reach), scores)


def box_overlap(a: np.ndarray, b: np.ndarray) -> float:
    """Intersection over union of two boxes (left, top, right, bottom).

    Example:
        >>> import numpy as np
        >>> from keras_skeleton.video.blazepose import box_overlap
        >>> box_overlap(np.array([0, 0, 2, 2]), np.array([1, 0, 3, 2])).__round__(3)
        0.333
    """
    width, height = np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2])
    if width <= 0 or height <= 0:
        return 0.0
    both = width * height
    areas = [(c[2] - c[0]) * (c[3] - c[1]) for c in (a, b)]
    return float(both / (sum(areas) - both))


def region_between(
    hips: Sequence[float] | np.ndarray, reach: Sequence[float] | np.ndarray, score: float = 1.0
) -> Region:
    """The region of a person from the middle of the hips and the point on the circle above.

    Example:
        >>> from keras_skeleton.video.blazepose import region_between
        >>> region = region_between((100, 200), (100, 100))  # upright, 100 pixels from the hips
        >>> region.side, abs(region.angle)
        (250.0, 0.0)
    """
    (x, y), (u, v) = map(float, hips), map(float, reach)
    angle = math.pi / 2 - math.atan2(y - v, u - x)
    angle = (angle + math.pi) % (2 * math.pi) - math.pi
    return Region(x, y, max(2 * MARGIN * math.hypot(u - x, v - y), 1.0), angle, score)


def turned_crop(image: np.ndarray, region: Region, size: int = CROP) -> np.ndarray:
    """The pixels of a region, upright: float32 (size, size, 3) in [0, 1].

    Outside the image are the pixels at its edge, as in MediaPipe; black made limbs that are cut off
    end elsewhere.

    Args:
        image: uint8 (H, W, 3).
        region: The region.
        size: Height and width of the result in pixels.
    """
    height, width = image.shape[:2]
    low = np.floor(region.corners().min(axis=0)).astype(int) - 2
    high = np.ceil(region.corners().max(axis=0)).astype(int) + 2
    left, top = np.maximum(low, 0)
    right, bottom = np.minimum(high, (width, height))
    if right <= left or bottom <= top:
        return np.zeros((size, size, 3), np.float32)
    # Large regions are thinned out first, at no less than the resolution of the result.
    step = max(1, int(region.side / (2 * size)))
    part = image[top:bottom:step, left:right:step]
    before = -(-np.array([left - low[0], top - low[1]]) // step)  # rounded up
    after = -(-np.array([high[0] - right, high[1] - bottom]) // step)
    if before.any() or after.any():
        edges = ((before[1], after[1]), (before[0], after[0]), (0, 0))
        part = np.pad(part, edges, mode="edge")
    turn = _turn(region.angle) * region.side / size / step
    # MediaPipe counts pixels from their corners: the first pixel is the region's corner itself.
    center = np.array([region.x - left, region.y - top]) / step + before
    shift = center - turn @ ((size + 1) / 2, (size + 1) / 2) + 0.5
    (a, b), (d, e) = turn.tolist()
    crop = Image.fromarray(part).transform(
        (size, size),
        Image.Transform.AFFINE,
        (a, b, shift[0], d, e, shift[1]),
        Image.Resampling.BILINEAR,
    )
    return np.asarray(crop) * np.float32(1 / 255)


def squared(image: np.ndarray, size: int = DETECTOR) -> np.ndarray:
    """An image in the middle of a black square, scaled: uint8 (size, size, 3).

    Four pixels are mixed for each, as MediaPipe does, however large the image is: the detector
    was trained so. Pixels are counted from their corners, as in `turned_crop`.
    """
    height, width = image.shape[:2]
    scale = max(height, width) / size
    left, top = ((size * scale - length) / 2 for length in (width, height))
    shift = 0.5 - scale / 2
    square = Image.fromarray(image).transform(
        (size, size),
        Image.Transform.AFFINE,
        (scale, 0, shift - left, 0, scale, shift - top),
        Image.Resampling.BILINEAR,
    )
    return np.asarray(square)


def refine(places: np.ndarray, heat: np.ndarray) -> np.ndarray:
    """Moves points to the center of mass of their heat maps, where these are sure.

    Args:
        places: (K, 2), x and y from 0 to 1.
        heat: Logits (64, 64, K).

    Returns:
        float64 (K, 2).
    """
    out = np.array(places, np.float64)
    K = len(out)
    at = np.floor(out * HEAT).astype(int)
    inside = ((at >= 0) & (at < HEAT)).all(axis=1)
    reach = KERNEL // 2
    columns = at[:, 0, None] + np.arange(-reach, reach + 1)  # (K, 7)
    rows = at[:, 1, None] + np.arange(-reach, reach + 1)
    valid = ((rows >= 0) & (rows < HEAT))[:, :, None] & ((columns >= 0) & (columns < HEAT))[:, None]
    window = heat[
        np.clip(rows, 0, HEAT - 1)[:, :, None],
        np.clip(columns, 0, HEAT - 1)[:, None],
        np.arange(K)[:, None, None],
    ]
    weight = np.where(valid, _sigmoid(window), 0)
    sure = inside & (weight.max(axis=(1, 2)) >= SURE)
    total = weight[sure].sum(axis=(1, 2))
    x = (weight[sure] * columns[sure][:, None]).sum(axis=(1, 2)) / total
    y = (weight[sure] * rows[sure][:, :, None]).sum(axis=(1, 2)) / total
    out[sure] = np.stack([x, y], axis=1) / HEAT
    return out


def _sigmoid(logits: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-np.clip(logits, -80, 80)))  # exp(-88) overflows in float32


def _turn(angle: float) -> np.ndarray:
    """Rotates upright axes into the image's, float64 (2, 2)."""
    c, s = math.cos(angle), math.sin(angle)
    return np.array([[c, -s], [s, c]])


class _Network:
    """A LiteRT network with one input; its outputs are found by their shapes."""

    def __init__(self, path: Any, threads: int) -> None:
        self._run = litert_interpreter(path, threads)
        self._run.allocate_tensors()
        self._input = self._run.get_input_details()[0]["index"]
        self._outputs = {
            tuple(int(n) for n in details["shape"][1:]): details["index"]
            for details in self._run.get_output_details()
        }

    def __call__(
        self, image: np.ndarray, wanted: Sequence[int | tuple[int, ...]]
    ) -> list[np.ndarray]:
        """Outputs whose last axis, or whose axes, have the wanted sizes."""
        self._run.set_tensor(self._input, image[None])
        self._run.invoke()
        found = []
        for size in wanted:
            index = next(
                index
                for shape, index in self._outputs.items()
                if shape == size or (shape[-1] == size and len(shape) < 3)
            )
            found.append(self._run.get_tensor(index)[0])
        return found
