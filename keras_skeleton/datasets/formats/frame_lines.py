"""Frames of a stream, one line of JSON each: (V, 3) or (M, V, 3).

Every line is a frame. `null`, `[]`, NaN and an empty line are one in which nobody is; a joint of
NaN or null was not seen.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, TextIO

import numpy as np

from keras_skeleton.skeletons import Skeleton
from keras_skeleton.utils.errors import DatasetError
from keras_skeleton.utils.files import reason, size_text

LINE = 1 << 20  # characters; a hundred people with faces and hands take as many
POINTS = 1 << 16  # joints of all people of a frame
NOBODY = np.zeros((0, 0, 3), np.float32)
MISSING = [float("nan")] * 3  # a joint
LARGEST = 1e15  # its square is within float32


def read_lines(stream: TextIO) -> Iterator[str]:
    """The lines of a stream, as it yields them itself, but none of any length.

    Raises:
        DatasetError: A line is longer than a frame can be.

    Example:
        >>> from keras_skeleton.datasets.formats.frame_lines import read_lines
        >>> import io
        >>> list(read_lines(io.StringIO("[]\\nnull\\n")))
        ['[]\\n', 'null\\n']
    """
    number = 1
    while line := stream.readline(LINE + 1):
        if len(line) > LINE:
            raise DatasetError(
                f"line {number}: is longer than {size_text(LINE)}, so it is no frame"
            )
        yield line
        number += 1


def parse_frame(line: str, number: int) -> np.ndarray:
    """A frame of a stream, float32 (M, V, 3); NaN for joints that were not seen.

    Args:
        line: JSON with (V, 3) or (M, V, 3).
        number: Number of the line, for messages.

    Returns:
        The frame; (0, 0, 3) for `null`, `[]`, NaN and an empty line, in which nobody is.

    Raises:
        DatasetError: The line is no frame, or contains infinity or a number above 1e15.

    Example:
        >>> from keras_skeleton.datasets.formats.frame_lines import parse_frame
        >>> parse_frame("[[0, 1, 2], [3, 4, 5]]", 1).shape
        (1, 2, 3)
        >>> parse_frame("[[0, 1, 2], null]", 1).tolist()
        [[[0.0, 1.0, 2.0], [nan, nan, nan]]]
        >>> parse_frame("null", 1).shape
        (0, 0, 3)
    """
    try:
        content = json.loads(line) if line.strip() else None
        if _is_nothing(content):
            return NOBODY
        _check_points(content)
        frame = np.asarray(_completed(content), np.float64)
    except (ValueError, TypeError, RecursionError, OverflowError) as error:
        raise DatasetError(f"line {number}: not a JSON frame ({reason(error)[:200]})") from None
    if frame.ndim not in (2, 3) or frame.shape[-1] != 3 or 0 in frame.shape:
        raise DatasetError(f"line {number}: has shape {frame.shape}; expected (V, 3) or (M, V, 3)")
    if (np.abs(frame) > LARGEST).any():  # NaN is not
        raise DatasetError(f"line {number}: contains infinity, or a number that is too large")
    frame = frame.astype(np.float32)
    return frame[None] if frame.ndim == 2 else frame


def _is_nothing(content: Any) -> bool:
    if isinstance(content, list):
        return all(map(_is_nothing, content))
    return content is None or (isinstance(content, float) and np.isnan(content))


def _check_points(content: Any) -> None:
    """Bounds the frame: people that are nothing take two characters, but the memory of others."""
    rows = [own for own in content if isinstance(own, list)] if isinstance(content, list) else []
    people = [own for own in rows if any(isinstance(joint, list) for joint in own)]
    points = [joint for own in people for joint in own if isinstance(joint, list)]
    if any(isinstance(number, list) for joint in points for number in joint):
        raise ValueError("it has lists in lists of joints")
    if rows and len(content) * max(map(len, people), default=1) > POINTS:
        raise ValueError(f"it has more than {POINTS:,} joints")


def _completed(content: Any) -> Any:
    """The frame, with joints and people in place of those that are nothing."""
    if not isinstance(content, list):
        return content
    known = [own for own in content if not _is_nothing(own)]
    if not all(isinstance(own, list) for own in known):
        return content
    people = [own for own in known if any(isinstance(joint, list) for joint in own)]
    if not people:
        return [MISSING if _is_nothing(own) else own for own in content]
    nobody = [MISSING] * len(people[0])
    return [nobody if _is_nothing(own) else _completed(own) for own in content]


class UnseenJoints:
    """Fills joints that were not seen, frame by frame.

    A joint stays as it was last seen from its neighbour along the bones; before that, it is where
    the neighbour is. A body without a joint is absent and becomes zero.

    Args:
        skeleton: The joint layout.

    Example:
        >>> import numpy as np
        >>> from keras_skeleton.datasets.formats.frame_lines import UnseenJoints
        >>> from keras_skeleton.skeletons import get_skeleton
        >>> unseen = UnseenJoints(get_skeleton("kinect_v1"))
        >>> pose = np.ones((1, 20, 3), "float32")
        >>> filled = unseen.fill(pose)
        >>> pose[0, 7] = np.nan
        >>> unseen.fill(pose + 1)[0, 7].tolist()
        [2.0, 2.0, 2.0]
    """

    def __init__(self, skeleton: Skeleton) -> None:
        self._bones = skeleton.bones
        self._last: dict[int, np.ndarray] = {}  # the pose of each body when it was there

    def fill(self, pose: np.ndarray) -> np.ndarray:
        """Takes the next frame, (M, V, 3) with NaN; returns it without."""
        pose = np.array(pose, np.float32)
        missing = np.isnan(pose).any(axis=-1)  # (M, V)
        pose[missing] = 0.0
        for m, body in enumerate(pose):
            if not body.any():
                continue
            if missing[m].any():
                self._fill(body, missing[m].copy(), self._last.get(m, np.zeros_like(body)))
            self._last[m] = body.copy()
        return pose

    def _fill(self, body: np.ndarray, missing: np.ndarray, last: np.ndarray) -> None:
        while missing.any():  # the bones form a tree: each pass reaches at least one more joint
            left = int(missing.sum())
            for pair in self._bones:
                for joint, other in (pair, pair[::-1]):
                    if missing[joint] and not missing[other]:
                        body[joint] = body[other] + last[joint] - last[other]
                        missing[joint] = False
            if int(missing.sum()) == left:
                break
