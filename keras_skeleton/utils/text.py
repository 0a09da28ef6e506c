"""Formatting of numbers and tables, and of text that came from files.

Names of classes, subjects, files and layers are written by others. A terminal obeys control
characters in them, and a spreadsheet runs cells that begin like a formula. `plain` and
`spreadsheet_cell` are the two places that take this away.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence

# What a terminal obeys (C0 and C1 without tab and line feed), what turns the order of text around
# or separates lines, and bytes of names that are not UTF-8 (lone surrogates).
_OBEYED = re.compile(
    "[\\0-\\x08\\x0b-\\x1f\\x7f-\\x9f\\u061c\\u200e\\u200f\\u2028-\\u202e\\u2066-\\u2069\\ud800-\\udfff]"
)
_LINES = re.compile("[\\t\\n]")
_NUMBER = r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?"
_FORMULA = re.compile(rf"'*(?!{_NUMBER}\Z)[=+\-@\t\r]")
_QUOTED = re.compile(rf"''*(?!{_NUMBER}\Z)[=+\-@\t\r]")


def plain(text: str, lines: bool = True) -> str:
    r"""Shows control characters instead of sending them; other text is unchanged.

    Args:
        text: Any text.
        lines: Whether line feeds and tabs are kept.

    Example:
        >>> from keras_skeleton.utils.text import plain
        >>> print(plain("wave\x1b[31m"), plain("caf\udce9"), plain("a\nb", lines=False))
        wave\x1b[31m caf\xe9 a\nb
    """
    text = _OBEYED.sub(_shown, text)
    return text if lines else _LINES.sub(lambda found: {"\t": r"\t", "\n": r"\n"}[found[0]], text)


def _shown(found: re.Match[str]) -> str:
    number = ord(found[0])
    if 0xDC80 <= number <= 0xDCFF:  # a byte of a name that is not UTF-8
        number -= 0xDC00
    return rf"\x{number:02x}" if number < 0x100 else rf"\u{number:04x}"


def spreadsheet_cell(text: str) -> str:
    """Text for a cell of a CSV file that a spreadsheet may open: no formula; numbers are unchanged.

    Example:
        >>> from keras_skeleton.utils.text import spreadsheet_cell
        >>> spreadsheet_cell("=1+1"), spreadsheet_cell("-3.5"), spreadsheet_cell("wave")
        ("'=1+1", '-3.5', 'wave')
    """
    return f"'{text}" if _FORMULA.match(text) else text


def from_spreadsheet_cell(text: str) -> str:
    """The inverse of `spreadsheet_cell`.

    Example:
        >>> from keras_skeleton.utils.text import from_spreadsheet_cell
        >>> from_spreadsheet_cell("'=1+1"), from_spreadsheet_cell("'tis")
        ('=1+1', "'tis")
    """
    return text[1:] if _QUOTED.match(text) else text


def counted(number: int, what: str) -> str:
    """A number with its noun.

    Example:
        >>> from keras_skeleton.utils.text import counted
        >>> counted(1, "action"), counted(1200, "clip")
        ('1 action', '1,200 clips')
    """
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def percent(
    value: float | None, std: float | None = None, digits: int = 1, unit: str = " %"
) -> str:
    """Formats a fraction as a percentage, with its standard deviation if given.

    None and NaN are formatted as a dash.

    Example:
        >>> from keras_skeleton.utils.text import percent
        >>> percent(0.9752), percent(0.9752, 0.012), percent(None)
        ('97.5 %', '97.5 ± 1.2 %', '-')
    """
    if value is None or not math.isfinite(value):
        return "-"
    spread = f" ± {100 * std:.{digits}f}" if std is not None else ""
    return f"{100 * value:.{digits}f}{spread}{unit}"


def clock(seconds: float) -> str:
    """Formats seconds as h:mm:ss.

    Example:
        >>> from keras_skeleton.utils.text import clock
        >>> clock(3725)
        '1:02:05'
    """
    whole = round(seconds)
    return f"{whole // 3600}:{whole // 60 % 60:02d}:{whole % 60:02d}"


def markdown_table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Formats a table in Markdown.

    Example:
        >>> from keras_skeleton.utils.text import markdown_table
        >>> print(markdown_table(["fold", "accuracy"], [["1", "97.5 %"]]))
        | fold | accuracy |
        | --- | --- |
        | 1 | 97.5 % |
    """
    lines = [list(head), ["---"] * len(head), *map(list, rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
