"""Colours, sizes and saving, the same for every figure.

Figures are made without pyplot: no display, no global state, nothing to close.
"""

from __future__ import annotations

from pathlib import Path

from matplotlib.figure import Figure

from keras_skeleton.utils.files import write_atomic

# Okabe and Ito's palette: eight colours that all common kinds of colour vision tell apart.
COLOURS = (
    "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#F0E442",
)  # fmt: skip
SIDES = {"left": "#0072B2", "right": "#D55E00", "trunk": "#3A3A3A"}
TITLE, LABEL, SMALL = 12, 10, 9  # points; figures are 9 to 10 inches wide
WIDTH = 9.0  # inches
AXES = "xyz"


def plain_text(text: object) -> str:
    """Text that matplotlib draws as it is: names may hold dollar signs, which mean formulas."""
    return str(text).replace("$", r"\$")


def save_figure(fig: Figure, path: str | Path, dpi: int = 150) -> Path:
    """Writes a figure, whole or not at all; the same figure always gives the same bytes.

    Args:
        fig: The figure.
        path: Where to; the ending (`.png`, `.svg`, `.pdf`) says the format.
        dpi: Pixels an inch.

    Returns:
        The path.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    kind = path.suffix.lstrip(".").lower() or "png"
    # Version and date would differ between machines and days.
    metadata = {
        "png": {"Software": None},
        "svg": {"Date": None, "Creator": None},
        "pdf": {"CreationDate": None, "Creator": None, "Producer": None},
    }.get(kind)
    write_atomic(path, lambda part: fig.savefig(part, dpi=dpi, format=kind, metadata=metadata))
    return path


# Confusion matrix
