"""Made-up people in made-up pictures, and a pose estimator that knows them.

Scene            who is where in each frame; its pictures hold the number of the frame
MadeEstimator    stands for BlazePose: reads that number and looks the people up
write_scene      the pictures as a film, lossless
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from functools import lru_cache
from pathlib import Path

import av
import numpy as np

from keras_skeleton.datasets.formats.poses import MEDIAPIPE33
from keras_skeleton.video.blazepose import Landmarks, Region

NAMES = MEDIAPIPE33.points


def _standing() -> np.ndarray:
    """Somebody who stands, in meters: x right, y down, z away, from the hips; (33, 3)."""
    rows = {"nose": (0, -0.65), "shoulder": (0.17, -0.5), "elbow": (0.22, -0.25),
            "wrist": (0.25, 0.0), "pinky": (0.26, 0.08), "index": (0.25, 0.1),
            "thumb": (0.24, 0.06), "hip": (0.1, 0.0), "knee": (0.11, 0.42), "ankle": (0.12, 0.82),
            "heel": (0.12, 0.87), "foot": (0.13, 0.9), "ear": (0.08, -0.66), "mouth": (0.03, -0.6),
            "eye": (0.03, -0.68)}  # fmt: skip
    points = np.zeros((33, 3))
    for i, name in enumerate(NAMES):
        part = next(word for word in name.split("_") if word in rows)
        x, y = rows[part]
        points[i] = (x if "left" in name else -x, y, 0.01 * (i % 3))
    return points


STANDING = _standing()
ARMS = {
    side: [i for i, name in enumerate(NAMES) if name.startswith(side)
           and name.split("_")[1] in ("wrist", "pinky", "index", "thumb")]
    for side in ("left", "right")
}  # fmt: skip


@dataclass(frozen=True)
class Person:
    """Somebody in one picture: place of the hips and radius of the circle in pixels.

    Attributes:
        lift: Meters by which the left hand is lifted.
        presence: What the landmark network says.
        visible: Visibility of all points.
    """

    x: float
    y: float
    radius: float = 24.0
    lift: float = 0.0
    presence: float = 0.95
    visible: float = 0.9

    def landmarks(self, shift: float = 0.0) -> Landmarks:
        world = STANDING.copy()
        world[ARMS["left"], 1] -= self.lift
        points = (self.x + shift, self.y) + world[:, :2] * self.radius
        visibility = np.full((33, 1), self.visible)
        return Landmarks(
            np.concatenate([points, visibility], axis=1).astype(np.float32),
            np.concatenate([world, visibility], axis=1).astype(np.float32),
            self.presence,
            self.region(),
        )

    def region(self) -> Region:
        return Region(self.x, self.y, 2.5 * self.radius, 0.0, 0.9)


Walk = Callable[[int], Person | None]


@dataclass
class Scene:
    """People by functions from frame number to `Person`, or None where they are not in sight."""

    people: Sequence[Walk]
    size: tuple[int, int] = (120, 160)
    background: Callable[[int], int | np.ndarray] = lambda t: 60

    def at(self, t: int) -> list[Person]:
        return [person for walk in self.people if (person := walk(t)) is not None]

    def image(self, t: int) -> np.ndarray:
        """The picture, uint8 (H, W, 3). The lower halves of two neighbours' bytes hold the place
        and the frame, so that each part of the picture says where it is from."""
        height, width = self.size
        image = np.empty((height, width, 3), np.uint8)
        image[:] = self.background(t)
        return (image & 0xF0) | _numbered(height, width, t)


@lru_cache(maxsize=256)
def _numbered(height: int, width: int, t: int) -> np.ndarray:
    assert max(width // 2, height) <= 128, "too large to be numbered"
    assert t < 256, "too many to be numbered"
    rows, columns = np.mgrid[:height, :width]
    code = (t << 14) | (rows << 7) | (columns // 2)  # 22 bits: 11 for each of two pixels
    bits = np.where(columns % 2, (1 << 11) | (code >> 11), code & 0x7FF)
    return ((bits[..., None] >> np.array([8, 4, 0])) & 15).astype(np.uint8)


def _origin(part: np.ndarray) -> tuple[int, int, int]:
    """Frame, row and column of the first pixel of a part of a picture."""
    low = part[0, :2].astype(int) & 15
    words = (low << np.array([8, 4, 0])).sum(axis=1)
    odd = int(words[0] >> 11)
    assert int(words[1] >> 11) != odd, "not a picture of a scene"
    even_word, odd_word = (words[1], words[0]) if odd else (words[0], words[1])
    code = (int(odd_word & 0x7FF) << 11) | int(even_word)
    # With an odd first column, the even neighbour belongs to the next pair.
    column = 2 * (code & 127) - 1 if odd else 2 * (code & 127)
    return code >> 14, (code >> 7) & 127, column


@dataclass
class MadeEstimator:
    """Finds the people of a scene, the largest first; of two in a region, the nearer one.

    Attributes:
        noise: Pixels by which points tremble.
        least: Radius that the detector sees, in sides of the picture that it is given.
        detected: Frames in which the detector was given the whole picture.
        closer: Frames in which it was given a part.
        looked: Frames in which the landmark network was asked.
    """

    scene: Scene
    noise: float = 0.0
    least: float = 0.0
    detected: list[int] = field(default_factory=list)
    closer: list[int] = field(default_factory=list)
    looked: list[int] = field(default_factory=list)

    def detect(self, image: np.ndarray) -> list[Region]:
        height, width = image.shape[:2]
        if width < 2:
            return []
        t, top, left = _origin(image)
        (self.detected if (height, width) == self.scene.size else self.closer).append(t)
        people = sorted(self.scene.at(t), key=lambda person: -person.radius)
        return [
            region._replace(x=region.x - left, y=region.y - top)
            for person in people
            if left <= person.x < left + width
            and top <= person.y < top + height
            and person.radius >= self.least * max(height, width)
            for region in [person.region()]
        ]

    def landmarks(self, image: np.ndarray, region: Region) -> Landmarks:
        assert image.shape[:2] == self.scene.size
        t, *_ = _origin(image)
        self.looked.append(t)
        shift = self.noise * float(np.sin(7.0 * t))
        near = [
            (np.hypot(person.x - region.x, person.y - region.y), person)
            for person in self.scene.at(t)
        ]
        near = [pair for pair in near if pair[0] < region.side / 2.5]
        if not near:
            return Person(region.x, region.y, region.side / 2.5, presence=0.02).landmarks()
        return min(near, key=lambda pair: pair[0])[1].landmarks(shift)


def write_scene(scene: Scene, path: Path, frames: int, fps: float = 30) -> Path:
    """The pictures of a scene as a lossless film (.mkv)."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=Fraction(fps).limit_denominator(1001))
        stream.height, stream.width = scene.size
        stream.pix_fmt = "bgr0"
        for t in range(frames):
            picture = av.VideoFrame.from_ndarray(scene.image(t), format="rgb24")
            container.mux(stream.encode(picture))
        container.mux(stream.encode())
    return path
