"""The networks of the papers, one paper per file; `build_model` builds any of them by name."""

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
