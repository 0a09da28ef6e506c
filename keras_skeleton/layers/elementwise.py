"""Layers without matrix products."""

from __future__ import annotations


class Elementwise:
    """Mixin for element-wise layers, which count as 0 FLOPs, as is usual."""

    def flops(self, input_shape: tuple) -> int:
        """Multiplications and additions of the matrix products, per clip: 0."""
        return 0
