"""Renders synthetic clips as RGB video: shaded capsules in a plain room.

The camera is the Kinect's color camera as in `synthetic.dataset.pixels`, so joints are drawn at
their 2D coordinates. The videos are intended for testing networks with video input; they are not
realistic.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from keras_skeleton.datasets.ntu import VIDEO_SIZE
from keras_skeleton.datasets.synthetic.dataset import COLOUR, pixels
from keras_skeleton.datasets.synthetic.studio import generator
from keras_skeleton.skeletons import KINECT_V2

CLOTHES, ROOM = 5, 6  # purposes of random generators; studio.py uses 0 to 4

OUTFITS = 12

# Radii in meters at both ends of a bone, by the joint at its end; others have LIMB.
LIMB = 0.045
RADII = {
    "spine_mid": (0.13, 0.12), "spine_shoulder": (0.12, 0.12), "neck": (0.05, 0.05),
    "head": (0.08, 0.1), "left_shoulder": (0.08, 0.055), "right_shoulder": (0.08, 0.055),
    "left_hip": (0.11, 0.085), "right_hip": (0.11, 0.085), "left_knee": (0.08, 0.06),
    "right_knee": (0.08, 0.06), "left_ankle": (0.06, 0.045), "right_ankle": (0.06, 0.045),
    "left_hand_tip": (0.04, 0.03), "right_hand_tip": (0.04, 0.03),
    "left_thumb": (0.03, 0.02), "right_thumb": (0.03, 0.02),
}  # fmt: skip
SKIN = ("head", "neck", "wrist", "hand", "thumb")
LEGS = ("hip", "knee", "ankle", "foot")


def render(
    clip: np.ndarray,
    height: int = 270,
    width: int = 480,
    seed: int = 0,
    wearing: Sequence[int] = (1,),
) -> np.ndarray:
    """Renders a clip as video of the color camera: uint8 (T, height, width, 3).

    Args:
        clip: (T, M, 25, 3), Kinect v2 joints in meters in camera coordinates; absent bodies are
            zero.
        height, width: Size of the video; the camera's own is 1080 x 1920.
        seed: Seed of the colors of skin, clothes and room.
        wearing: Further seeds of the colors of skin and clothes, combined with the body's index.

    Raises:
        ValueError: Wrong shape.
    """
    clip = np.asarray(clip, np.float64)
    if clip.ndim != 4 or clip.shape[2:] != (KINECT_V2.size, 3):
        raise ValueError(f"clip has shape {clip.shape}; expected (T, M, {KINECT_V2.size}, 3)")
    room = _room(height, width, seed)
    colours = [_colours(seed, (*wearing, m)) for m in range(clip.shape[1])]
    frames = np.empty((len(clip), height, width, 3), np.uint8)
    for t, bodies in enumerate(clip):
        image, depth = room.copy(), np.full((height, width), np.inf)
        for body, colour in zip(bodies, colours, strict=True):
            if (body != 0).any():
                _draw(image, depth, body, colour)
        frames[t] = np.round(image)
    return frames


def place(points: np.ndarray, height: int, width: int) -> np.ndarray:
    """Projects camera coordinates (..., 3) to pixels (..., 2), x and y, of a video of this size."""
    return pixels(points, COLOUR) * (width / VIDEO_SIZE[1], height / VIDEO_SIZE[0])


def _room(height: int, width: int, seed: int) -> np.ndarray:
    """Renders a wall and a floor with a color gradient: (height, width, 3), 0 to 255."""
    rng = generator(seed, ROOM)
    wall, floor = rng.uniform(150, 220, 3), rng.uniform(70, 130, 3)
    y = np.linspace(0, 1, height)[:, None, None]
    above = wall * (1 - 0.15 * y)
    below = floor * (0.7 + 0.4 * y)
    return np.broadcast_to(np.where(y < 0.62, above, below), (height, width, 3)).astype(float)


def _colours(seed: int, wearing: Sequence[int]) -> np.ndarray:
    """Colors (25, 3) of the bones, by the joint at their end."""
    rng = generator(seed, CLOTHES, *wearing)
    skin = np.array([225, 175, 145]) * rng.uniform(0.5, 1.05)
    shirt, trousers = rng.uniform(20, 230, 3), rng.uniform(20, 150, 3)
    return np.stack(
        [
            skin
            if any(part in joint for part in SKIN)
            else trousers
            if any(part in joint for part in LEGS)
            else shirt
            for joint in KINECT_V2.joints
        ]
    )


def _draw(image: np.ndarray, depth: np.ndarray, body: np.ndarray, colours: np.ndarray) -> None:
    """Draws one body (25, 3), bone by bone, with a depth buffer."""
    height, width = depth.shape
    at = place(body, height, width)
    scale = COLOUR["focal"][0] * width / VIDEO_SIZE[1]  # pixels per meter at 1 m
    for parent, child in KINECT_V2.bones:
        if (body[[parent, child], 2] < 0.3).any():
            continue  # behind the camera or too close to it
        radii = RADII.get(KINECT_V2.joints[child], (LIMB, LIMB))
        _capsule(
            image,
            depth,
            ends=at[[parent, child]],
            far=body[[parent, child], 2],
            radii=np.array(radii),
            scale=scale,
            colour=colours[child],
        )


def _capsule(
    image: np.ndarray,
    depth: np.ndarray,
    ends: np.ndarray,
    far: np.ndarray,
    radii: np.ndarray,
    scale: float,
    colour: np.ndarray,
) -> None:
    """Draws a bone as a capsule.

    Args:
        image: (height, width, 3), changed in place.
        depth: (height, width), the depth buffer, changed in place.
        ends: (2, 2), x and y in pixels.
        far: (2,), z in meters.
        radii: (2,), in meters.
        scale: Pixels per meter at a distance of 1 m.
        colour: (3,), 0 to 255.
    """
    wide = radii * scale / far
    low = np.floor((ends - wide[:, None]).min(axis=0)).astype(int)
    high = np.ceil((ends + wide[:, None]).max(axis=0)).astype(int)
    (left, top), (right, bottom) = np.maximum(low, 0), np.minimum(high, depth.shape[::-1])
    if left >= right or top >= bottom:
        return
    y, x = np.mgrid[top:bottom, left:right] + 0.5  # centers of the pixels
    along = ends[1] - ends[0]
    length = max(float(along @ along), 1e-12)
    share = np.clip(((x - ends[0, 0]) * along[0] + (y - ends[0, 1]) * along[1]) / length, 0, 1)
    aside = np.hypot(x - ends[0, 0] - share * along[0], y - ends[0, 1] - share * along[1])
    radius = wide[0] + share * (wide[1] - wide[0])
    towards = np.sqrt(np.maximum(1 - (aside / radius) ** 2, 0))  # 1 on the axis, 0 at the edge
    metres = radii[0] + share * (radii[1] - radii[0])
    surface = far[0] + share * (far[1] - far[0]) - towards * metres
    window = (slice(top, bottom), slice(left, right))
    seen = (aside < radius) & (surface < depth[window])
    depth[window][seen] = surface[seen]
    image[window][seen] = (colour * (0.45 + 0.55 * towards[..., None]))[seen]
