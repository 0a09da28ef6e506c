"""The name by which this program was started."""

from __future__ import annotations

import sys
from pathlib import Path


def program() -> str:
    """Returns `"python run.py"` if started as such in a checkout, else `"keras-skeleton"`."""
    return "python run.py" if Path(sys.argv[0]).name == "run.py" else "keras-skeleton"
