"""Pictures of the boxes in which body parts are cropped."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from keras_skeleton.transforms.glimpses import PARTS
from keras_skeleton.video.crops import RECORDINGS, Pair, boxes_of
from keras_skeleton.video.reading import coarse, read_video
from keras_skeleton.viz.attention_plots import boxes_figure
from keras_skeleton.viz.style import save_figure


def draw_boxes(pair: Pair, pixels: int | None = None) -> Figure:
    """Draws the boxes of a recording's parts on some of its frames.

    Args:
        pair: The recording.
        pixels: Pixelate the frames to this number of rows, see `video.reading.coarse`.
    """
    clip = RECORDINGS[pair.dataset].read(pair.skeleton)
    shown = np.linspace(0, len(clip.joints) - 1, 6).round().astype(int)
    video = read_video(pair.video, shown.tolist())
    video = coarse(video, pixels) if pixels else video
    height, width = video.shape[1:3]
    boxes = boxes_of(clip, height, width, pair.dataset)
    title = f"{pair.dataset}, recording {pair.name}: boxes of the crops"
    return boxes_figure(video, boxes.edges[shown], PARTS, shown.tolist(), title)


def save_boxes(pair: Pair, path: Path) -> None:
    """Saves the figure of `draw_boxes`."""
    save_figure(draw_boxes(pair), path)
