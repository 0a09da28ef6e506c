"""The fast reader of `.skeleton` text against a plain one, and what it says of broken files."""

from __future__ import annotations

import contextlib
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ntu_files import plain_reader, skeleton_lines, text_of

from keras_skeleton.datasets.formats import ntu_text
from keras_skeleton.datasets.formats.ntu_text import SkeletonTextError, parse_skeleton


def assert_same(text, expected):
    bodies, ids, values = expected
    assert text.bodies.tolist() == bodies
    assert text.ids == ids
    assert text.values.dtype == np.float32
    assert text.values.shape == values.shape
    # Bits, so that -0.0 and NaN count too.
    np.testing.assert_array_equal(text.values.view(np.uint32), values.view(np.uint32))


# ---------------------------------------------------------------- right files


@pytest.mark.parametrize("columns", [(0, 1, 2), (0, 1, 2, 5, 6), (6, 5), tuple(range(12))])
def test_real_files_are_read_like_the_plain_reader_does(real_data, columns):
    files = sorted((real_data("ntu") / "nturgb+d_skeletons").glob("*.skeleton"))
    assert len(files) == 10
    for file in files:
        data = file.read_bytes()
        expected = plain_reader(data, columns)
        assert_same(parse_skeleton(data, columns), expected)
        assert ntu_text._read_fast(data, columns) is not None, f"{file.name} took the slow way"
        assert_same(ntu_text._read_carefully(data, columns), expected)


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("frames", [[1], [2, 1], [0, 1, 0, 2, 0], [1] * 25, [1] * 60, [6]])
def test_frames_and_bodies(frames, end):
    data = text_of(skeleton_lines(frames), end)
    for columns in ((0, 1, 2), (11, 5)):
        text = ntu_text._read_fast(data, columns)
        assert text is not None
        assert_same(text, plain_reader(data, columns))
        assert_same(ntu_text._read_carefully(data, columns), plain_reader(data, columns))


@pytest.mark.parametrize("frames", [[], [0], [0, 0, 0]])
def test_no_frames_or_no_bodies_are_legal(frames):
    text = parse_skeleton(text_of(skeleton_lines(frames)))
    assert text.bodies.tolist() == frames
    assert text.ids == []
    assert text.values.shape == (0, 25, 3)


@pytest.mark.parametrize(
    "change",
    [
        lambda data: data.rstrip(b"\n"),
        lambda data: data + b"\n",
        lambda data: data + b" \r\n\t\n\n",
        lambda data: data.replace(b"\n", b" \n"),
        lambda data: data.replace(b"\n", b"  \r\n"),
        lambda data: data.replace(b" ", b"\t "),
        lambda data: data.replace(b"\n25\n", b"\n 25\n"),
        lambda data: data.replace(b"\n", b"\r\n", 40),
        lambda data: b" " + data,
    ],
)
def test_blanks_do_not_matter(change):
    data = text_of(skeleton_lines([1, 2, 0, 1]))
    assert_same(parse_skeleton(change(data)), plain_reader(data))


def test_more_than_25_bodies_in_a_frame():
    data = text_of(skeleton_lines([25, 1, 30]))  # 25 is also the number of joints
    assert_same(parse_skeleton(data), plain_reader(data))


def test_tracking_ids_are_exact():
    ids = ["0", "72057594037931101", "18446744073709551615", "99999999999999999999"]
    data = text_of(skeleton_lines([4], body=lambda m: ids[m]))
    assert parse_skeleton(data).ids == [int(name) for name in ids]


# As the release writes them, and everything else that float() understands.
kinect_numbers = st.floats(-20, 20).map(lambda x: f"{np.float32(x):.7g}".replace("e", "E"))
any_numbers = st.one_of(
    st.from_regex(r"[-+]?[0-9]{1,6}(\.[0-9]{0,20})?([eE](-[0-9]{1,2}|[+]?[0-9]))?", fullmatch=True),
    st.from_regex(r"-?\.[0-9]{1,12}", fullmatch=True),
    st.floats(-3e38, 3e38).map(repr),
    st.sampled_from(
        ["0", "-0", "-0.0", "0.1", "3.40282346e38", "1e-45", "7e-46", "16777217.0", "0.30000001192"]
    ),
)


def tokens_in_turn(tokens, columns):
    """A joint's line for `skeleton_lines`: the next tokens in these columns, 7 in the others."""

    def joint(i):
        words = ["7"] * 12
        for k, column in enumerate(columns):
            words[column] = tokens[(i * len(columns) + k) % len(tokens)]
        return " ".join(words)

    return joint


@given(st.lists(kinect_numbers, min_size=1, max_size=40), st.sampled_from(["\n", "\r\n"]))
def test_kinect_numbers(tokens, end):
    data = text_of(skeleton_lines([1, 1], joint=tokens_in_turn(tokens, (0, 1, 2))), end)
    assert ntu_text._read_fast(data, (0, 1, 2)) is not None
    assert_same(parse_skeleton(data), plain_reader(data))


@settings(max_examples=200)
@given(st.lists(any_numbers, min_size=1, max_size=16))
def test_any_numbers(tokens):
    columns = (0, 1, 2, 5, 6)
    data = text_of(skeleton_lines([1], joint=tokens_in_turn(tokens, columns)))
    text = ntu_text._read_fast(data, columns)
    assert text is not None
    assert_same(text, plain_reader(data, columns))
    assert_same(ntu_text._read_carefully(data, columns), plain_reader(data, columns))


def test_decimals_of_every_length():
    # One to six digits before the point, none to eighteen behind it.
    tokens = [
        f"{'-' * (b % 2)}{'123456'[:a]}.{'070809010203040506'[:b]}"
        for a in range(1, 7)
        for b in range(19)
    ]
    data = text_of(skeleton_lines([1, 1], joint=tokens_in_turn(tokens, (0, 1, 2))))
    assert_same(parse_skeleton(data), plain_reader(data))


def test_pixels_may_be_unknown_and_positions_not():
    lines = skeleton_lines([1])
    lines[9] = "0.5 0.25 3 270 190 -Infinity NaN 0 0 0 0 2"
    data = text_of(lines)
    values = parse_skeleton(data, (0, 1, 2, 5, 6)).values[0, 5]
    np.testing.assert_array_equal(values, np.float32([0.5, 0.25, 3, -np.inf, np.nan]))
    assert np.isfinite(parse_skeleton(data).values).all()


def test_columns_are_checked():
    for columns in [(0, 12), (-1,)]:
        with pytest.raises(ValueError, match="columns"):
            parse_skeleton(text_of(skeleton_lines([1])), columns)


# ---------------------------------------------------------------- wrong files


def changed(line, text):
    """A right file of three frames (1, 2, 0 bodies) in which one line (from 1) is another."""
    lines = skeleton_lines([1, 2, 0])
    lines[line - 1 : line] = [text] if text is not None else []
    return text_of(lines)


GOOD = text_of(skeleton_lines([1, 2, 0]))  # lines: 1 | 2, 3, 4, 5-29 | 30, 31.. , 58.. | 85


@pytest.mark.parametrize(
    ("data", "line", "message"),
    [
        (b"", 1, "found the end of the file, expected the number of frames"),
        (b" \r\n\n", 1, "found the end of the file, expected the number of frames"),
        (b"\x00\xff\xfe\x89PNG\r\n\x1a\n" * 9, 1, r"found '.*\\xff.*', expected the number of fr"),
        (b"3 frames\n", 1, "found 2 values, expected the number of frames"),
        (b"-3\n", 1, "found '-3', expected the number of frames"),
        (b"9" * 5000 + b"\n1\n", 1, "found '9{40}...', expected the number of frames"),
        (b"1000000000000\n", 2, "end of the file, expected the number of bodies in frame 1 of 1"),
        (b"1\n1000000000000\n", 3, "end of the file, expected 10 values .* body 1 of 10000"),
        (b"1\n\n1\n", 2, "found an empty line, expected the number of bodies"),
        (changed(1, "2"), 85, "found '0', expected the end of the file after 2 frames"),
        (changed(1, "4"), 86, "end of the file, expected the number of bodies in frame 4 of 4"),
        (changed(2, "x"), 2, "found 'x', expected the number of bodies in frame 1 of 3"),
        (changed(2, "2"), 30, "found '2', expected 10 values .* body 2 of 2 in frame 1 of 3"),
        (changed(2, "0"), 3, "found 10 values, expected the number of bodies in frame 2 of 3"),
        (changed(3, "1_0 0 1 1 1 1 0 0 0 2"), 3, "found '1_0', expected the tracking id of body 1"),
        (changed(3, "9" * 21 + " 0 1 1 1 1 0 0 0 2"), 3, "expected the tracking id of body 1"),
        (changed(3, "7205 0 1 1 1 1 0 0 2"), 3, "found 9 values, expected 10 values"),
        (changed(4, "24"), 4, "found 24 joints, expected 25 joints of body 1 of 1 in frame 1 of 3"),
        (changed(4, "26"), 4, "found 26 joints, expected 25"),
        (changed(5, None), 29, "found '2', expected 12 values of joint 25 of body 1 of 1"),
        (changed(7, "0.1 0.2 3 4"), 7, "found 4 values, expected 12 values of joint 3 of body 1"),
        (changed(7, "0 0 3 4 5 6 7 8 9 0 1 2 3"), 7, "found 13 values, expected 12 values"),
        (changed(7, ""), 7, "found an empty line, expected 12 values of joint 3"),
        (changed(7, "0.1 0,2 3 4 5 6 7 8 9 0 1 2"), 7, "'0,2', expected a number in column 2"),
        (changed(7, "0.1 0.2.3 3 4 5 6 7 8 9 0 1 2"), 7, "found '0.2.3', expected a number"),
        (changed(7, "0.1 --0.2 3 4 5 6 7 8 9 0 1 2"), 7, "found '--0.2', expected a number"),
        (changed(7, "0.1 0.1e 3 4 5 6 7 8 9 0 1 2"), 7, "found '0.1e', expected a number"),
        (changed(7, "0.1 1_0.5 3 4 5 6 7 8 9 0 1 2"), 7, "found '1_0.5', expected a number"),
        (changed(7, "0.1 - 3 4 5 6 7 8 9 0 1 2"), 7, "found '-', expected a number"),
        (changed(7, "0.1 . 3 4 5 6 7 8 9 0 1 2"), 7, "found '.', expected a number"),
        (changed(7, "NaN 0.2 3 4 5 6 7 8 9 0 1 2"), 7, "'NaN', expected a finite number in col"),
        (changed(84, "0.1 0.2 -inf 4 5 6 7 8 9 0 1 2"), 84, "'-inf', expected a finite number"),
        (changed(7, "0.1 1e39 3 4 5 6 7 8 9 0 1 2"), 7, "found '1e39', expected a finite number"),
        (GOOD + b"1\n", 86, "found '1', expected the end of the file after 3 frames"),
    ],
)  # fmt: skip
def test_wrong_files_say_where_and_what(data, line, message):
    with pytest.raises(SkeletonTextError, match=message) as caught:
        parse_skeleton(data)
    assert caught.value.line == line
    assert str(caught.value).startswith(f"line {line}: found")


def test_every_truncation_is_noticed():
    # Cutting off the final line end alone is no loss.
    for size in range(len(GOOD) - 1):
        with pytest.raises(SkeletonTextError):
            parse_skeleton(GOOD[:size])
    assert_same(parse_skeleton(GOOD[:-1]), plain_reader(GOOD))


def test_a_stated_count_allocates_nothing():
    data = b"6\n" + b"99\n" * 3 + b"25\n" * 2_000 + b"999999999999\n"
    tracemalloc.start()
    with pytest.raises(SkeletonTextError):
        parse_skeleton(data)
    assert tracemalloc.get_traced_memory()[1] < 4_000_000
    tracemalloc.stop()


@settings(max_examples=400)
@given(
    st.integers(0, len(GOOD) - 1),
    st.integers(0, 200),
    st.one_of(
        st.binary(max_size=4),
        st.sampled_from([b"\n", b"\r", b"\r\n", b" ", b"25\n", b"1", b".", b"-", b"\t", b"e5"]),
    ),
    st.sampled_from([b"\n", b"\r\n"]),
)
def test_both_readers_agree_on_damaged_files(at, length, inserted, end):
    good = GOOD.replace(b"\n", end)
    data = good[:at] + inserted + good[at + length :]
    fast = ntu_text._read_fast(data, (0, 1, 2, 11))
    if fast is not None:
        careful = ntu_text._read_carefully(data, (0, 1, 2, 11))
        assert_same(fast, (careful.bodies.tolist(), careful.ids, careful.values))
    else:
        with contextlib.suppress(SkeletonTextError):  # and no other exception
            parse_skeleton(data, (0, 1, 2, 11))
