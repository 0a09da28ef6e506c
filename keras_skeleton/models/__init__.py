"""The papers' networks: one paper a file; `build_model` in `registry.py` makes any of them."""

from typing import TYPE_CHECKING

from keras_skeleton.utils.lazy import lazy_names

if TYPE_CHECKING:
    from keras_skeleton.models.entry import ModelEntry
    from keras_skeleton.models.registry import MODELS, build_model, check_model

__all__ = ["MODELS", "ModelEntry", "build_model", "check_model"]

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "MODELS": "keras_skeleton.models.registry",
        "ModelEntry": "keras_skeleton.models.entry",
        "build_model": "keras_skeleton.models.registry",
        "check_model": "keras_skeleton.models.registry",
    },
)
