import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from toy_streams import make_streams

from keras_skeleton.detection.clips import NO_ACTION, between, trimmed
from keras_skeleton.utils.errors import DatasetError


def test_actions_become_clips_of_their_recording():
    streams = make_streams()
    clips = trimmed(streams)
    assert clips.classes == streams.classes
    assert len(clips) == len(streams.intervals)
    for i, (_, row) in enumerate(streams.intervals.iterrows()):
        recording = int(np.flatnonzero(streams.samples["video"] == row["video"])[0])
        whole = streams.clip(recording)
        np.testing.assert_array_equal(clips.clip(i), whole[row["start"] : row["end"]])
        assert clips.labels[i] == row["label"]
        assert clips.samples["recording"][i] == recording
    assert clips.samples["name"].is_unique


def test_one_more_class_lies_between():
    streams = make_streams()
    clips = trimmed(streams, with_none=True)
    assert clips.classes == (*streams.classes, NO_ACTION)
    none = clips.samples[clips.labels == 2]
    assert len(none) == len(streams.intervals)  # a pause before each action
    assert set(none["frames"]) <= set(range(15, 30))
    busy = {}
    for row in streams.intervals.itertuples():
        busy.setdefault(row.video, set()).update(range(row.start, row.end))
    start = dict(zip(streams.samples["video"], streams.samples["start"], strict=True))
    for row in none.itertuples():
        first = row.start - start[row.video]
        assert not busy[row.video] & set(range(first, first + row.frames))


def test_folds_follow_the_recordings():
    streams = make_streams()
    clips = trimmed(streams, with_none=True)
    (whole,), (cut,) = streams.folds("cs"), clips.folds("cs")
    assert sorted(np.concatenate(cut).tolist()) == list(range(len(clips)))
    for videos, own in zip(whole, cut, strict=True):
        names = set(streams.samples["video"].iloc[videos])
        assert set(clips.samples["video"].iloc[own]) == names


@given(
    st.integers(1, 500),
    st.lists(st.tuples(st.integers(0, 499), st.integers(1, 120)), max_size=6),
)
def test_between_holds_all_free_frames_and_no_other(frames, given_spans):
    spans = [(a, min(a + n, frames)) for a, n in given_spans if a < frames]
    table = pd.DataFrame(spans, columns=["start", "end"])
    free = np.ones(frames, bool)
    for a, b in spans:
        free[a:b] = False
    found = between(table, frames, shortest=1, longest=40)
    covered = np.zeros(frames, int)
    for a, b in found:
        assert 1 <= b - a <= 40
        covered[a:b] += 1
    np.testing.assert_array_equal(covered, free.astype(int))
    assert all(b - a >= 10 for a, b in between(table, frames))


def test_what_is_no_recording_is_refused(toy):
    with pytest.raises(DatasetError, match="clips=untrimmed"):
        trimmed(toy)
    streams = make_streams()
    streams.intervals = streams.intervals[:0]
    with pytest.raises(DatasetError, match="toy"):
        trimmed(streams)
