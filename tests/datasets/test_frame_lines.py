"""Frames of a stream, with people and joints that are not there."""

import io
import json

import numpy as np
import pytest

from keras_skeleton.datasets.formats.frame_lines import (
    LINE,
    POINTS,
    UnseenJoints,
    parse_frame,
    read_lines,
)
from keras_skeleton.skeletons import get_skeleton
from keras_skeleton.utils.errors import DatasetError

V1 = get_skeleton("kinect_v1")
NAN = float("nan")


@pytest.mark.parametrize(
    "line",
    ["x", "[1, 2]", "[[1, 2]]", '{"a": 1}', "3", '"a"', "[[1, 2, Infinity]]", "[[1, 2, 1e99]]",
     "[" * 5000, "[[[[1, 2, 3]]]]", "[[1, 2, 3], [1, 2]]", "[[1, 2, 3], 4]"],
)  # fmt: skip
def test_lines_that_are_no_frames(line):
    with pytest.raises(DatasetError, match="line 7"):
        parse_frame(line, 7)


@pytest.mark.parametrize(
    "line",
    ["", "\n", "null", "[]", "[[]]", "[null, null]", "NaN", "[[null, null, null]]",
     "[[NaN, NaN, NaN]]", "[[[NaN, null, NaN]], []]"],
)  # fmt: skip
def test_frames_without_a_person(line):
    assert parse_frame(line, 1).shape == (0, 0, 3)


@pytest.mark.parametrize("missing", [None, [], [None] * 3, [NAN] * 3])
def test_joints_and_people_that_were_not_seen(missing):
    body = [[1, 2, 3], missing, [4, 5, 6]]
    expected = [[1, 2, 3], [NAN] * 3, [4, 5, 6]]
    np.testing.assert_array_equal(parse_frame(json.dumps(body), 1), [expected])
    frame = parse_frame(json.dumps([missing, body]), 1)
    np.testing.assert_array_equal(frame, [[[NAN] * 3] * 3, expected])


def test_unseen_joints_move_with_their_neighbours():
    rng = np.random.default_rng(0)
    rest = rng.normal(size=(1, 20, 3)).astype(np.float32)
    unseen = UnseenJoints(V1)
    np.testing.assert_array_equal(unseen.fill(rest), rest)
    assert not unseen.fill(np.full((1, 20, 3), NAN)).any()  # nobody
    moved = rest + 2
    part = moved.copy()
    part[0, [3, 7, 11, 15]] = NAN  # ends and joints between others
    part[0, V1.root] = NAN
    for _ in range(3):
        np.testing.assert_allclose(unseen.fill(part), moved, atol=1e-5)
    # A joint that was never seen is where its neighbour is.
    first = UnseenJoints(V1).fill(part)
    assert np.isfinite(first).all()
    assert (first[0, 7] == first[0, [a if b == 7 else b for a, b in V1.bones if 7 in (a, b)]]).any()


def test_lines_are_bounded():
    class Stream(io.StringIO):
        most = 0

        def readline(self, size=-1):
            self.most = max(self.most, len(line := super().readline(size)))
            return line

    stream = Stream("null\n[]\n" + "[" * (3 * LINE))
    lines = read_lines(stream)
    assert [next(lines), next(lines)] == ["null\n", "[]\n"]
    with pytest.raises(DatasetError, match="line 3: is longer"):
        next(lines)
    assert stream.most == LINE + 1
    assert list(read_lines(io.StringIO("a\n\nb"))) == ["a\n", "\n", "b"]


def test_people_who_are_nothing_make_no_memory():
    joint = [1, 2, 3]
    with pytest.raises(DatasetError, match=f"line 7: .* {POINTS:,} joints"):
        parse_frame(json.dumps([[joint] * 1000] + [[]] * 1000), 7)
    with pytest.raises(DatasetError, match="line 7: .* lists in lists"):
        parse_frame(json.dumps([[[joint] * 1000] + [[]] * 1000]), 7)
    assert parse_frame(json.dumps([[joint] * 133] + [[]] * 99), 7).shape == (100, 133, 3)


def test_a_number_of_many_digits():
    with pytest.raises(DatasetError, match="line 7: .*too many digits"):
        parse_frame(f"[[1, 2, {'9' * 5000}]]", 7)
