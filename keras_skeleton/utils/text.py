"""Formatting of numbers and tables."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence


def percent(
    value: float | None, std: float | None = None, digits: int = 1, unit: str = " %"
) -> str:
    """Formats a fraction as a percentage, with its standard deviation if given.

    None and NaN are formatted as a dash.

    Example:
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
        >>> clock(3725)
        '1:02:05'
    """
    whole = round(seconds)
    return f"{whole // 3600}:{whole // 60 % 60:02d}:{whole % 60:02d}"


def markdown_table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Formats a table in Markdown.

    Example:
        >>> print(markdown_table(["fold", "accuracy"], [["1", "97.5 %"]]))
        | fold | accuracy |
        | --- | --- |
        | 1 | 97.5 % |
    """
    lines = [list(head), ["---"] * len(head), *map(list, rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
