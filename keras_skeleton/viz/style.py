"""Colors, sizes and saving, shared by all figures.

Figures are created without pyplot: they need no display, have no global state, and need not be
closed.
"""

from __future__ import annotations

from pathlib import Path
from textwrap import wrap

from matplotlib.figure import Figure

from keras_skeleton.utils.files import write_atomic
from keras_skeleton.utils.text import plain

# Palette of Okabe and Ito: eight colors that remain distinct with common color blindness.
COLOURS = (
    "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#F0E442",
)  # fmt: skip
SIDES = {"left": "#0072B2", "right": "#D55E00", "trunk": "#3A3A3A"}
TITLE, LABEL, SMALL = 12, 10, 9  # points; figures are 9 to 10 inches wide
WIDTH = 9.0  # inches
AXES = "xyz"
# Attention is yellow where there is much and dark where there is little, in every figure, page and
# film. On white, dots need an edge.
ATTENTION = "cividis"
EDGE = "0.2"
EVERY_FRAME, EVERY_JOINT = "1 = every frame alike", "1 = every joint alike"


def plain_text(text: object) -> str:
    """Escapes dollar signs, which Matplotlib would interpret as formulas, and shows control
    characters, for which fonts have no sign."""
    return plain(str(text)).replace("$", r"\$")


def wrapped(text: str, letters: int = 100) -> str:
    """Breaks long lines of a title."""
    return "\n".join("\n".join(wrap(line, letters)) for line in text.split("\n"))


def save_figure(fig: Figure, path: str | Path, dpi: int = 150) -> Path:
    """Writes a figure to a file atomically. The same figure always gives the same bytes.

    Args:
        fig: The figure.
        path: The file; its suffix selects the format (`.png`, `.svg`, `.pdf`).
        dpi: Pixels per inch.

    Returns:
        The path.

    Example:
        >>> import tempfile
        >>> from matplotlib.figure import Figure
        >>> from keras_skeleton.viz.style import save_figure
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = save_figure(Figure(), f"{folder}/empty.png")
        >>> path.name
        'empty.png'
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    kind = path.suffix.lstrip(".").lower() or "png"
    # Metadata such as version and date would change the bytes.
    metadata = {
        "png": {"Software": None},
        "svg": {"Date": None, "Creator": None},
        "pdf": {"CreationDate": None, "Creator": None, "Producer": None},
    }.get(kind)
    write_atomic(path, lambda part: fig.savefig(part, dpi=dpi, format=kind, metadata=metadata))
    return path
