"""The error class of readers of text formats."""

from __future__ import annotations


class LineError(ValueError):
    """A text does not have the expected format.

    Attributes:
        line: Line number, counted from 1.
        message: What is wrong there.
    """

    def __init__(self, line: int, message: str) -> None:
        super().__init__(line, message)
        self.line = line
        self.message = message

    def __str__(self) -> str:
        return f"line {self.line}: {self.message}"
