"""What the readers of text formats raise."""

from __future__ import annotations


class LineError(ValueError):
    """The text is not what it should be; `line` is where, counted from 1, `message` says what."""

    def __init__(self, line: int, message: str) -> None:
        super().__init__(line, message)
        self.line = line
        self.message = message

    def __str__(self) -> str:
        return f"line {self.line}: {self.message}"
