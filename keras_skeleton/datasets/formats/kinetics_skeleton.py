"""Kinetics-skeleton: the JSON files of the ST-GCN release (S. Yan et al., 2018).

`data` lists frames with `frame_index` and `skeleton`, people with `pose` (x, y of COCO's 18 points)
and `score`. Coordinates are fractions of films that had been resized to 340 x 256.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from keras_skeleton.datasets.formats.clip_array import (
    ClipArray,
    ClipError,
    Person,
    assemble,
    in_order,
    numbers,
    points_of,
    whole,
)
from keras_skeleton.datasets.formats.openpose import LAYOUTS

IMAGE = (340.0, 256.0)


def matches(data: Any) -> bool:
    """Whether a JSON has `data`, a list of frames with `skeleton`."""
    frames = data.get("data") if isinstance(data, dict) else None
    return (
        isinstance(frames, list)
        and bool(frames)
        and all(isinstance(frame, dict) and "skeleton" in frame for frame in frames)
    )


def read(data: dict[str, Any]) -> ClipArray:
    """Reads a JSON for which `matches` is true."""
    frames: dict[int, list[Person]] = {}
    for t, frame in enumerate(data["data"]):
        number = whole(frame.get("frame_index", t))
        if number is None or number in frames:
            raise ClipError(f"data[{t}]: frame_index {frame.get('frame_index')!r:.40} is not new")
        frames[number] = []
        for m, person in enumerate(frame["skeleton"] or []):
            where = f"frame {number}: person {m}"
            if not isinstance(person, dict) or not {"pose", "score"} <= set(person):
                raise ClipError(f"{where}: needs 'pose' and 'score'")
            points = points_of(person["pose"], 2, where)
            score = numbers(person["score"], where)
            if score.shape != (len(points),):
                raise ClipError(f"{where}: {score.size} scores for {len(points)} joints")
            frames[number].append(
                Person(np.concatenate([points, score[:, None]], axis=1), f"frame {number}")
            )
    ordered, notes = in_order(frames)
    found = next((len(p.points) for f in ordered for p in f), 0)
    label = data.get("label")
    return assemble(
        ordered,
        "xyc",
        layout=LAYOUTS.get(found),
        normalised=True,
        image_size=IMAGE,
        first=min(frames),
        label=None if label is None else str(label),
        notes=notes,
    )
