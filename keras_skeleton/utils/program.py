"""How this program was called."""

from __future__ import annotations

import sys
from pathlib import Path


def program() -> str:
    """`"python run.py"` in a checkout, else `"keras-skeleton"`."""
    return "python run.py" if Path(sys.argv[0]).name == "run.py" else "keras-skeleton"
