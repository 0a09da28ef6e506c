"""What the benchmarks share: one measurement in a process of its own, and how figures are shown."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
from typing import Any


def in_own_process(script: str, *words: object) -> Any:
    """What `script --measure words` prints last, as JSON: a number, mostly."""
    done = subprocess.run(
        [sys.executable, script, "--measure", *map(str, words)],
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    return json.loads(done.stdout.splitlines()[-1])


def cell(values: list[float], digits: int = 0) -> str:
    """Median (lowest to highest)."""
    low, middle, high = min(values), statistics.median(values), max(values)
    return f"{middle:.{digits}f} ({low:.{digits}f} to {high:.{digits}f})"


def ratios(mine: list[float], theirs: list[float], digits: int) -> str:
    """The ratio, round by round, as a `cell`."""
    return cell([a / b for a, b in zip(mine, theirs, strict=True)], digits)
