"""Registry of the models by name, and `build_model`."""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib.util import module_from_spec, spec_from_file_location
from inspect import Parameter, signature
from pathlib import Path
from typing import TYPE_CHECKING, Any

from keras_skeleton.models.arguments import declared_names
from keras_skeleton.models.own_code import allow, is_file, model_file
from keras_skeleton.skeletons import Skeleton, get_skeleton
from keras_skeleton.utils.errors import UnknownNameError, UserError
from keras_skeleton.utils.registry import Registry

if TYPE_CHECKING:
    import keras

    from keras_skeleton.models.entry import ModelEntry


class Models(Registry["ModelEntry"]):
    """The models of this folder, and models in other files: `"path/to/file.py:build"`."""

    def __getitem__(self, name: str) -> ModelEntry:
        return _own(name) if is_file(name) else super().__getitem__(name)

    def __contains__(self, name: object) -> bool:
        return (isinstance(name, str) and is_file(name)) or super().__contains__(name)


ARGUMENTS = ("skeleton", "classes", "frames", "bodies")  # that a user's function must take
MODELS = Models("keras_skeleton.models", Path(__file__).parent, "MODELS")


def model_label(name: str) -> str:
    """The model's name for folder names: `"path/to/file.py:build"` becomes `"file_build"`."""
    if not is_file(name):
        return name
    path, _, attribute = name.rpartition(":")
    return f"{Path(path).stem}_{attribute}"


def check_model(name: str) -> str:
    """Checks a model's name that a user has given, without importing TensorFlow; returns it.

    A name that was read from a file is checked by `own_code.recorded_model` before.

    Raises:
        UnknownNameError: No such model; the message suggests the closest name.
        UserError: The file of `"path/to/file.py:build"` does not exist.

    Example:
        >>> from keras_skeleton.models import check_model
        >>> check_model("mans9")
        'mans9'
    """
    if is_file(name):
        path = model_file(name)
        if not path.is_file():
            raise UserError(f"--model {name}: {path} does not exist")
        allow(name)
    elif name not in MODELS:
        if name.endswith(".py") or ":" in name:
            raise UserError(
                f"--model {name:.80}: a network of your own is FILE.py:FUNCTION, such as "
                "gru.py:build"
            )
        raise UnknownNameError("model", name, MODELS)
    return name


def option_names(name: str) -> list[str] | None:
    """Names of the arguments in `ModelEntry.options`, read from a model's file without importing
    it; None if they are not known that way.

    Example:
        >>> from keras_skeleton.models.registry import option_names
        >>> option_names("stcm9")[:2]
        ['attention', 'ratio']
    """
    return None if is_file(name) else declared_names(MODELS.path(name))


def _own(name: str) -> ModelEntry:
    """The entry defined in a user's file: a `ModelEntry`, or a function that builds the network."""
    from keras_skeleton.models.entry import ModelEntry, sequence_entry

    path, _, attribute = name.rpartition(":")
    module = own_module(name)
    try:
        found: ModelEntry | Callable[..., keras.Model] = getattr(module, attribute)
    except AttributeError:
        raise UserError(f"{path}: '{attribute}' is not defined in this file") from None
    if isinstance(found, ModelEntry):
        return found
    if not callable(found):
        raise UserError(f"{path}: '{attribute}' is neither a function nor a ModelEntry")
    parameters = signature(found).parameters.values()
    taken = {parameter.name for parameter in parameters}
    anything = any(parameter.kind is Parameter.VAR_KEYWORD for parameter in parameters)
    if lost := [a for a in ARGUMENTS if a not in taken and not anything]:
        raise UserError(
            f"{path}: {attribute}() does not take {', '.join(lost)}; define "
            f"{attribute}({', '.join(ARGUMENTS)}, ...)"
        )
    return sequence_entry(found, paper=f"{Path(path).name}:{attribute}")


def own_module(name: str) -> Any:
    """The module of a model in a user's file."""
    return _load(model_file(name).resolve())


def _load(path: Path) -> Any:
    """Imports a file only once, because layers can be registered under a name only once."""
    name = f"keras_skeleton_own_{path.stem}_{abs(hash(path))}"
    if name in sys.modules:
        return sys.modules[name]
    spec = spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise UserError(f"{path}: not a Python file")
    module = module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def build_model(
    name: str,
    skeleton: str | Skeleton = "kinect_v2",
    classes: int = 60,
    frames: int | None = None,
    **arguments: Any,
) -> keras.Model:
    """Builds a network whose output is logits (B, classes).

    Args:
        name: A key of `MODELS`, or `"path/to/file.py:build"`.
        skeleton: Joint layout of the clips, or its name.
        classes: Number of classes, at least 2.
        frames: T of the model's input; by default that of the paper.
        **arguments: Other arguments of the model's build function, such as `attention="none"` for
            MANs; see the model's file.

    Raises:
        ValueError: Unknown model or skeleton, or an invalid value.
        TypeError: The model has no such argument.

    Example:
        >>> from keras_skeleton import build_model
        >>> model = build_model("mans9", classes=10)
        >>> model.output_shape
        (None, 10)
    """
    if classes < 2:
        raise ValueError(f"classes={classes} must be at least 2")
    entry = MODELS[check_model(name)]
    layout = get_skeleton(skeleton)
    model = entry.build(layout, classes, frames, **arguments)
    if is_file(name):
        _check_own(name, model, layout, classes, entry.sequence)
    return model


def _check_own(name: str, model: Any, skeleton: Skeleton, classes: int, sequence: bool) -> None:
    """Raises UserError if a user's function returns something that cannot be trained here."""
    import keras

    if not isinstance(model, keras.Model):
        raise UserError(f"{name}: returned {type(model).__name__}, expected a keras.Model")
    given = model.input_shape
    if sequence and not (
        isinstance(given, tuple) and len(given) == 4 and given[3] == 3
        and given[2] is not None and given[2] % skeleton.size == 0
    ):  # fmt: skip
        raise UserError(
            f"{name}: its input has the shape {given}, expected (B, T, M * V, 3) with M people of "
            f"V = {skeleton.size} joints; for another input write a ModelEntry "
            "(docs/add-a-model.md)"
        )
    if model.output_shape != (None, classes):
        raise UserError(
            f"{name}: its output has the shape {model.output_shape}, expected logits (B, {classes})"
        )
    last = model.output._keras_history.operation
    if isinstance(last, keras.layers.Softmax) or (
        getattr(last, "activation", None) is keras.activations.softmax
    ):
        raise UserError(f"{name}: ends in a softmax; return logits, without it")
