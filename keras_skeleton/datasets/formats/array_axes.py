"""Recognises the order of a clip's axes by its shape: T frames, M people, V joints, C coordinates.

ST-GCN stores (C, T, V, M), PYSKL (M, T, V, C). Read as (T, M, V, C), such arrays would be clips of
three frames or of thirty people.
"""

from __future__ import annotations

import numpy as np

from keras_skeleton.datasets.formats.clip_array import ClipError

ORDERS = {
    3: ("TVC", "CTV", "TCV", "VTC"),
    4: ("TMVC", "CTVM", "MTVC", "TVMC", "TCVM", "TMCV", "TVCM", "MCTV", "CMTV"),
}
PEOPLE = 20  # more people in a frame are taken for another axis
OTHERS = {
    "MTVC": "as PYSKL and MMAction2 store it",
    "CTVM": "as ST-GCN stores it",
    "CTV": "as ST-GCN stores one person",
}


def _fits(order: str, shape: tuple[int, ...], joints: int) -> bool:
    size = dict(zip(order, shape, strict=True))
    return (
        size["V"] == joints
        and size["C"] in (2, 3, 4)
        and size.get("M", 1) <= PEOPLE
        and size.get("M", 1) <= size["T"]
    )


def to_axes(array: np.ndarray, axes: str) -> np.ndarray:
    """Brings an array with axes such as `"MTVC"` to (T, M, V, C), or (T, V, C) without M.

    Raises:
        ClipError: The array has another number of axes.

    Example:
        >>> import numpy as np
        >>> from keras_skeleton.datasets.formats.array_axes import to_axes
        >>> to_axes(np.zeros((3, 30, 25, 2)), "CTVM").shape
        (30, 2, 25, 3)
    """
    if array.ndim != len(axes):
        raise ClipError(f"has shape {array.shape}, but axes = {axes!r} needs {len(axes)} axes")
    return np.transpose(array, [axes.index(axis) for axis in "TMVC" if axis in axes])


def check_axes(shape: tuple[int, ...], joints: int) -> None:
    """Refuses a shape that is not (T, V, C) or (T, M, V, C), or may be something else, too.

    Raises:
        ClipError: The message has the line of NumPy that converts the array.

    Example:
        >>> from keras_skeleton.datasets.formats.array_axes import check_axes
        >>> check_axes((3, 30, 25, 1), 25)
        Traceback (most recent call last):
            ...
        keras_skeleton.datasets.formats.clip_array.ClipError: has shape (3, 30, 25, 1): this is...
    """
    if len(shape) == 5 and shape[0] == 1:
        raise ClipError(f"has shape {shape}: save a[0], the only clip in it")
    if len(shape) == 5:
        raise ClipError(
            f"has shape {shape}: it seems to hold {shape[0]} clips; save each as a file of its own"
        )
    orders = ORDERS[len(shape)]
    if _fits(orders[0], shape, joints):
        return
    found = [order for order in orders[1:] if _fits(order, shape, joints)]
    readable = shape[orders[0].index("V")] == joints and shape[-1] in (2, 3, 4)
    if not found:
        return  # no order fits better: what differs is said elsewhere
    lines = []
    for order in found:
        transposed = tuple(order.index(axis) for axis in orders[0])
        of = f", {OTHERS[order]}" if order in OTHERS else ""
        lines.append(
            f"({', '.join(order)}){of}: convert it with np.transpose(a, {transposed}), or set "
            f'axes = "{order}" in skeleton.toml'
        )
    if readable:  # more people than frames
        lines.append(
            f"({', '.join(orders[0])}), with {shape[1]} people in {shape[0]} frames: set "
            f'axes = "{orders[0]}" in skeleton.toml'
        )
    raise ClipError(
        f"has shape {shape}: "
        + (f"this is {lines[0]}" if len(lines) == 1 else "it may be " + "; or ".join(lines))
    )
