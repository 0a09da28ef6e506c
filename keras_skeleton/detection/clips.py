"""Cut untrimmed recordings into trimmed clips for training (Song et al., TIP 2018, Algorithm 2,
step 1).

Training set D has the annotated actions; D* has an additional class for the intervals between them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pandas as pd

from keras_skeleton.datasets.dataset import Fold, Protocol, SkeletonDataset
from keras_skeleton.utils.errors import DatasetError

NO_ACTION = "no_action"  # the name of class C + 1
SHORTEST, LONGEST = 10, 90  # clip length of `no_action` in frames: our choice, not in the paper


def trimmed(dataset: SkeletonDataset, with_none: bool = False) -> SkeletonDataset:
    """Cuts the annotated actions of untrimmed recordings into clips (D, or D* `with_none`).

    Clips share the rows of their recordings. In every fold, a clip belongs to the split (train,
    validation, test) of its recording.

    Args:
        dataset: A dataset loaded with `clips=untrimmed`, with one sample per recording.
        with_none: Add class C + 1, `no_action`: the intervals before, between and after the
            actions, cut into equal clips of at most 90 frames. Intervals below 10 frames are
            skipped.

    Raises:
        DatasetError: If the dataset holds trimmed clips, or no annotated actions.
    """
    if dataset.info.get("options", {}).get("clips") != "untrimmed":
        raise DatasetError(
            f"'{dataset.name}' holds trimmed clips; load it with the option clips=untrimmed"
        )
    rows = []
    videos = dataset.samples
    annotated = dict(iter(dataset.intervals.groupby("video")))
    for recording, video in enumerate(videos.to_dict("records")):
        own = annotated.get(video["video"], dataset.intervals[:0])
        spans = own[["label", "start", "end"]].to_numpy(int)
        if with_none:
            free = [(len(dataset.classes), *span) for span in between(own, video["frames"])]
            spans = np.concatenate([spans, np.array(free, int).reshape(-1, 3)])
        for label, start, end in spans[np.argsort(spans[:, 1], kind="stable")].tolist():
            clip = {
                "name": f"{video['video']}_{start:06d}_{end:06d}",
                "label": label,
                "start": video["start"] + start * video["bodies"],
                "frames": end - start,
                "recording": recording,
            }
            rows.append({**video, **clip})
    if not rows:
        raise DatasetError(f"'{dataset.name}': its recordings have no annotated actions")
    return replace(
        dataset,
        classes=(*dataset.classes, NO_ACTION) if with_none else dataset.classes,
        samples=pd.DataFrame(rows),
        protocols={name: _cut(own, videos) for name, own in dataset.protocols.items()},
        extras={},
        info={**dataset.info, "options": {**dataset.info["options"], "clips": "trimmed"}},
    )


def between(
    actions: pd.DataFrame, frames: int, shortest: int = SHORTEST, longest: int = LONGEST
) -> list[tuple[int, int]]:
    """The clips of a recording without action, as (start, end) with the end excluded.

    Args:
        actions: `start` and `end` of the annotated actions; may overlap.
        frames: Number of frames T of the recording.
        shortest: Shorter intervals are skipped.
        longest: Longer intervals are cut into equal parts.
    """
    free = np.ones(frames + 2, bool)
    free[[0, -1]] = False
    for start, end in actions[["start", "end"]].to_numpy(int).tolist():
        free[start + 1 : end + 1] = False
    starts, ends = np.flatnonzero(np.diff(free)).reshape(-1, 2).T
    clips = []
    for start, end in zip(starts.tolist(), ends.tolist(), strict=True):
        if end - start >= shortest:
            cuts = np.linspace(start, end, -(-(end - start) // longest) + 1).round().astype(int)
            clips += list(zip(cuts[:-1].tolist(), cuts[1:].tolist(), strict=True))
    return clips


def _cut(protocol: Protocol, videos: pd.DataFrame) -> Protocol:
    """Converts a protocol for recordings to one for their clips."""

    def folds(samples: pd.DataFrame) -> Iterator[Fold]:
        recording = samples["recording"].to_numpy()
        for fold in protocol(videos):
            yield Fold(*(np.flatnonzero(np.isin(recording, part)) for part in fold))

    return folds
