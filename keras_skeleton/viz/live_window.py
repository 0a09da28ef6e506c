"""A window that shows pictures while they come, by Tk, which comes with Python."""

from __future__ import annotations

from typing import Any

import numpy as np


class LiveWindow:
    """A window for pictures of one size; closed by its button, by Escape or by Q.

    Args:
        size: Height and width of the pictures.
        title: Title of the window.

    Raises:
        RuntimeError: There is no screen, or no Tk.

    Example:
        >>> from keras_skeleton.viz.live_window import LiveWindow
        >>> window = LiveWindow((480, 640), "camera 0")  # doctest: +SKIP
        >>> while window.show(picture):  # doctest: +SKIP
        ...     picture = ...
    """

    def __init__(self, size: tuple[int, int], title: str) -> None:
        try:
            import tkinter
        except ImportError as error:
            raise RuntimeError(str(error)) from None
        try:
            self._root = tkinter.Tk()
        except tkinter.TclError as error:
            raise RuntimeError(str(error)) from None
        height, width = size
        self._root.title(title)
        self._root.resizable(False, False)
        self._picture = tkinter.PhotoImage(width=width, height=height)
        tkinter.Label(self._root, image=self._picture, borderwidth=0).pack()
        self._open = True
        self._root.protocol("WM_DELETE_WINDOW", self._stop)
        for key in ("<Escape>", "q", "Q"):
            self._root.bind(key, self._stop)

    def _stop(self, *_: Any) -> None:
        self._open = False

    def show(self, image: np.ndarray) -> bool:
        """Shows a picture, uint8 (H, W, 3); False once the window was closed."""
        if self._open:
            height, width = image.shape[:2]
            self._picture.configure(
                data=b"P6 %d %d 255 " % (width, height) + image.tobytes(), format="PPM"
            )
            self._root.update()
        return self._open

    def close(self) -> None:
        """Closes the window."""
        self._open = False
        self._root.destroy()
