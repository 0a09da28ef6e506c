"""The streams of the command line: they show control characters instead of sending them."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, TextIO, cast

from keras_skeleton.utils.text import plain


class PlainStream:
    """A text stream for text of any origin.

    What a terminal would obey is shown, see `text.plain`, and what the stream cannot encode, too.
    Programs that move the cursor themselves write to `raw_stream`.
    """

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream

    def write(self, text: str) -> int:
        """Writes text; returns its number of characters."""
        text = plain(text)
        encoding = getattr(self.stream, "encoding", None) or "utf-8"
        self.stream.write(text.encode(encoding, "backslashreplace").decode(encoding))
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        """Writes several texts."""
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)


def raw_stream(stream: TextIO) -> TextIO:
    """The stream that takes control characters; only for text of this package."""
    return stream.stream if isinstance(stream, PlainStream) else stream


def plain_streams() -> None:
    """Makes standard output and standard error of this process `PlainStream`s."""
    sys.stdout, sys.stderr = (
        stream if isinstance(stream, PlainStream) else cast(TextIO, PlainStream(stream))
        for stream in (sys.stdout, sys.stderr)
    )


@contextmanager
def plain_output(keep: bool = False) -> Iterator[None]:
    """Makes standard output and standard error `PlainStream`s.

    Args:
        keep: After an error, leave them so: Python prints its message when the program ends.
    """
    before = sys.stdout, sys.stderr
    plain_streams()
    try:
        yield
    except BaseException:
        if keep:
            before = sys.stdout, sys.stderr
        raise
    finally:
        sys.stdout, sys.stderr = before
