"""Inputs of the pose-driven network: videos of hands and body (or their stream features), and a
sub-sequence of the skeleton.

Training draws a new random view of each clip in every epoch; evaluation uses fixed views.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from keras_skeleton.datasets.dataset import SkeletonDataset
from keras_skeleton.training.pipeline import Draw, Read
from keras_skeleton.transforms.sample import segment_rows, video_rows
from keras_skeleton.utils.errors import DatasetError
from keras_skeleton.video.crops import Crops
from keras_skeleton.video.reading import read_video

SKELETON = "skeleton"  # the name of the pose network's input

# How frames are sampled from a video: consecutive frames, as in the released code (64 frames,
# about two seconds), or one frame per segment, so that a few frames cover the clip.
VIDEO_RULES = {"neighbours": video_rows, "segments": segment_rows}


class Videos:
    """Frames of cropped videos, cached in memory if they fit.

    Args:
        crops: The cropped videos.
        tracks: Number of tracks that will be used.
        memory: Memory limit in bytes. If the videos need more, nothing is cached and each video is
            decoded on every access.
    """

    def __init__(self, crops: Crops, tracks: int = 3, memory: int = 6 << 30) -> None:
        self.crops = crops
        self._keep = tracks * sum(crops.frames.values()) * crops.size**2 * 3 <= memory
        self._kept: dict[Path, np.ndarray] = {}

    def frames(
        self, track: str, name: str, size: int, rng: np.random.Generator | None, rule: str
    ) -> np.ndarray:
        """Sampled frames of one track of a recording, uint8 (size, side, side, 3).

        Args:
            track: Track name, such as `"left_hand"`.
            name: Recording name.
            size: Number of frames.
            rng: Random generator; None takes the middle.
            rule: A key of `VIDEO_RULES`.

        Raises:
            UserError: If the video cannot be decoded or does not match `crops.csv`.
        """
        rows = VIDEO_RULES[rule](self.crops.frames[name], size, rng)
        path = self.crops.video(track, name)
        if path in self._kept:
            return self._kept[path][rows]
        if not self._keep:
            return read_video(path, rows.tolist(), self.crops.size)
        length = self.crops.frames[name]
        found = read_video(path, size=self.crops.size, most=length)
        if len(found) != length:
            raise DatasetError(f"{path}: has {len(found)} frames, but crops.csv says {length}")
        self._kept[path] = found
        return found[rows]


class PartInputs:
    """Inputs of one network with video streams.

    Args:
        dataset: The clips.
        shape: Shape of each input by name: `"skeleton"` (S, D), the video of a track
            (frames, size, size, 3), or the features of its stream.
        read: Maps a clip (T, M, V, 3) to the pose network's input for every frame, (T, D).
        videos: Videos of all tracks.
        features: Stream features by track, each (n, views, ...), see `training.features`.
        rule: How video frames are sampled, a key of `VIDEO_RULES`.
    """

    def __init__(
        self,
        dataset: SkeletonDataset,
        shape: Mapping[str, tuple[int, ...]],
        read: Read,
        videos: Videos,
        features: Mapping[str, np.ndarray] | None = None,
        rule: str = "neighbours",
    ) -> None:
        if rule not in VIDEO_RULES:
            raise ValueError(f"unknown rule '{rule}'; choose one of {[*VIDEO_RULES]}")
        self.dataset = dataset
        self.labels = dataset.labels.astype(np.int32)
        self.shape = dict(shape)
        self._read = read
        self._videos = videos
        self._features = features or {}
        self._rule = rule
        self._joints: dict[int, np.ndarray] = {}

    def batch(self, indices: np.ndarray, draw: Draw = (0, 0)) -> dict[str, np.ndarray]:
        """A batch of inputs by name, each float32 (B, ...).

        All tracks of a clip use the same frames.

        Raises:
            UserError: If a video cannot be decoded or does not match `crops.csv`.
        """
        return {
            name: np.stack([self._one(name, int(i), draw) for i in indices]) for name in self.shape
        }

    def _one(self, name: str, i: int, draw: Draw) -> np.ndarray:
        rng = None if draw == (0, 0) else np.random.default_rng((*draw, i))
        if name == SKELETON:
            joints = self._skeleton(i)
            return joints[segment_rows(len(joints), self.shape[name][0], rng)]
        if name in self._features:
            views = self._features[name]
            view = draw[1]
            if draw[0] and rng is not None:  # training draws one of the stored views
                view = int(rng.integers(views.shape[1]))
            return views[i, view].astype(np.float32)
        clip = str(self.dataset.samples["name"].iloc[i])
        frames = self._videos.frames(name, clip, self.shape[name][0], rng, self._rule)
        return frames.astype(np.float32) / 127.5 - 1.0

    def _skeleton(self, i: int) -> np.ndarray:
        if i not in self._joints:
            try:
                self._joints[i] = self._read(self.dataset.clip(i))
            except ValueError as error:
                name = self.dataset.samples["name"].iloc[i]
                raise DatasetError(f"{self.dataset.name}, clip '{name}': {error}") from error
        return self._joints[i]
