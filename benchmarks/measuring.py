"""Shared code of the benchmarks: measurements in separate processes, and formatting."""

from __future__ import annotations

import json
import os
import platform
import statistics
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from keras_skeleton.utils.processes import cores


def machine(*packages: str) -> str:
    """A line with the processor, its vector extension, cores and package versions."""
    model = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.is_file():
        text = info.read_text()
        names = [line for line in text.splitlines() if line.startswith("model name")]
        model = names[0].split(":", 1)[1].strip() if names else model
        widest = next((name for name in ("avx512f", "avx2") if name in text.split()), None)
        model += f" ({widest.upper().rstrip('F')})" if widest else ""
    versions = [f"Python {platform.python_version()}"]
    for package in packages:
        try:
            versions.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            versions.append(f"no {package}")
    return (
        f"{model}, {cores()} of {os.cpu_count()} cores, {platform.system()}, {', '.join(versions)}"
    )


def in_own_process(script: str, *words: object, python: str = sys.executable) -> Any:
    """Runs `script --measure words` and returns the last line it prints, parsed as JSON."""
    done = subprocess.run(
        [python, script, "--measure", *map(str, words)],
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
        check=True,
        capture_output=True,
        text=True,
    )
    return json.loads(done.stdout.splitlines()[-1])


def cell(values: list[float], digits: int = 0) -> str:
    """Median (lowest to highest)."""
    low, middle, high = min(values), statistics.median(values), max(values)
    return f"{middle:.{digits}f} ({low:.{digits}f} to {high:.{digits}f})"


def ratios(mine: list[float], theirs: list[float], digits: int) -> str:
    """The ratio per round, formatted by `cell`."""
    return cell([a / b for a, b in zip(mine, theirs, strict=True)], digits)
