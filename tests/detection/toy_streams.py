"""Untrimmed recordings small enough for tests: one hand goes up or out, now and then."""

import numpy as np
import pandas as pd

from keras_skeleton.datasets.dataset import INTERVAL_COLUMNS, SkeletonDataset
from keras_skeleton.datasets.protocols import group_holdout, train_on
from keras_skeleton.detection.fit import Stream, targets
from keras_skeleton.skeletons import get_skeleton

CLASSES = ("up", "out")


def make_streams(recordings=6, actions=6, seed=0):
    """Subjects 1 to 4 train (one of them validates), 5 and 6 test."""
    layout = get_skeleton("kinect_v1")
    rng = np.random.default_rng(seed)
    rest = rng.normal(0, 0.3, (layout.size, 3))
    rows, table, intervals = [], [], []
    for i in range(recordings):
        parts, t, video = [], 0, f"r{i + 1:02d}"
        for k in range(actions):
            label = (i + k) % 2
            pause, length = (int(n) for n in rng.integers((15, 20), (30, 35)))
            move = np.sin(np.linspace(0, 6 * np.pi, length)) ** 2
            clip = np.zeros((pause + length, 1, layout.size, 3))
            clip[pause:, 0, layout.hands[1], 1 if label == 0 else 0] = move
            parts.append(clip)
            intervals.append((video, label, t + pause, t + pause + length))
            t += pause + length
        clip = np.concatenate(parts) + rest
        clip += rng.normal(0, 0.01, clip.shape)
        start = sum(map(len, rows))
        rows.append(clip.reshape(-1, layout.size, 3).astype(np.float32))
        table.append(
            {"name": video, "label": 0, "subject": i + 1, "view": 1, "setup": 1, "repetition": 1,
             "start": start, "frames": t, "bodies": 1, "video": video}
        )  # fmt: skip
    return SkeletonDataset(
        name="toy",
        skeleton=layout,
        classes=CLASSES,
        rows=np.concatenate(rows),
        samples=pd.DataFrame(table),
        protocols={"cs": train_on("subject", range(1, 5), group_holdout("subject"))},
        info={"options": {"clips": "untrimmed"}, "fps": 30.0},
        intervals=pd.DataFrame(intervals, columns=list(INTERVAL_COLUMNS)),
    )


def streams(count=3, seed=0):
    """The first number says the class: an action runs while it is 1 or -1."""
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(count):
        value, spans, t = [], [], 0
        for label in rng.permutation([0, 1, 0, 1]).tolist():
            pause, length = rng.integers(15, 30, 2).tolist()
            value += [0.0] * pause + [1.0 if label else -1.0] * length
            spans.append((label, t + pause, t + pause + length))
            t += pause + length
        frames = rng.normal(0, 0.1, (t, 2, 3)).astype("float32")
        frames[:, 0, 0] += value
        actions = pd.DataFrame(spans, columns=["label", "start", "end"])
        found.append(Stream(frames, *targets(actions, t, 2)))
    return found
