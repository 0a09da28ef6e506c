"""Layers without matrix products."""

from __future__ import annotations


class Elementwise:
    """Mixed into layers that work element by element, which counts as no FLOPs, as is usual."""

    def flops(self, input_shape: tuple) -> int:
        """Multiplications and additions of the matrix products a clip: none."""
        return 0
