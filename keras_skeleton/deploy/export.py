"""Export of trained networks to files that run without this package, and checks of these files.

    saved_model   a folder for TensorFlow and TensorFlow Serving, with a dynamic batch size and,
                  if the network has no fixed T, a dynamic number of frames
    litert        a `.tflite` file for phones and small devices, which needs only LiteRT's built-in
                  operations (no "select TensorFlow ops"). Batch size 1, because recurrent layers
                  cannot be converted otherwise; the number of frames as above
    onnx          a `.onnx` file, for example for ONNX Runtime, with dynamic sizes as in
                  `saved_model`. Needs extra packages: `pip install tf2onnx onnxruntime`

Inputs have the network's names: `"skeleton"` (B, T, K, 3) or (B, T, M, V, 3), `"skeleton_image"`
(B, S, S, 3), or the four inputs of `pose_i3d`. The output is logits (B, classes). Zero padding at
the end of clips is detected inside the exported network. Only inference is exported: no dropout,
and deterministic sampling in networks that sample frames.

LiteRT files are run by the package `ai-edge-litert` if it is installed, otherwise by TensorFlow.
"""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Callable, Iterable
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import keras
import numpy as np
from keras import ops

from keras_skeleton.deploy.runtimes import (
    SUFFIXES,
    ExportError,
    check_format,
    first_line,
    load_exported,
    quiet,
)
from keras_skeleton.layers.coupled_attention import Attend
from keras_skeleton.models.head import leaf_layers
from keras_skeleton.utils.packages import missing_packages

INSTALL = "onnx needs extra packages: pip install {}, or the extra keras_skeleton[onnx]"


class Agreement(NamedTuple):
    """Agreement between an exported file and its network.

    Attributes:
        clips: Number of compared clips.
        difference: Largest absolute difference between two logits.
        largest: Largest absolute logit of the network; float32 has about seven digits.
        same: Number of clips with the same predicted class.
    """

    clips: int
    difference: float
    largest: float
    same: int


def export_model(model: keras.Model, path: str | Path, format: str = "saved_model") -> Path:
    """Exports a network to a file (`saved_model`: a folder) and returns its path.

    Args:
        model: A functional network with one tensor or a dict of tensors as input and logits (B,
            classes) as output.
        path: Path of the file; it must not exist. Written atomically.
        format: `"saved_model"`, `"litert"` or `"onnx"`.

    Raises:
        ExportError: The path exists, packages are missing, the Keras backend is not TensorFlow, or
            the format does not support the network.
        UnknownNameError: Unknown format.

    Example:
        >>> import tempfile
        >>> import numpy as np
        >>> import keras_skeleton as ks
        >>> from keras_skeleton.deploy.export import export_model, load_exported
        >>> model = ks.build_model("lstm", "sbu", classes=8, units=8)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = export_model(model, f"{folder}/lstm")
        ...     exported = load_exported(path)
        >>> exported(np.zeros((4, 20, 30, 3), "float32")).shape
        (4, 8)
    """
    path, suffix = Path(path), SUFFIXES[check_format(format)]
    _check_backend()
    if len(model.outputs) != 1:
        raise ExportError(
            f"'{model.name}' has {len(model.outputs)} outputs; only networks with one output can "
            "be exported"
        )
    if format == "onnx" and (missing := missing_packages("tf2onnx", "onnx")):
        raise ExportError(INSTALL.format(" ".join(missing)))
    if path.exists():
        raise ExportError(f"{path}: already exists; choose another path or remove it")
    path.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=f".{path.name}.", dir=path.parent) as folder:
        part = Path(folder) / f"part{suffix}"
        try:
            with quiet():
                WRITERS[format](model, part)
        except OSError:
            raise
        except Exception as error:
            raise ExportError(_reason(model, format, error)) from error
        if path.exists():
            raise ExportError(f"{path}: already exists; another process created it meanwhile")
        os.replace(part, path)
    return path


def check_exported(
    model: keras.Model, path: str | Path, format: str, batches: Iterable[Any]
) -> Agreement:
    """Compares an exported file with its network.

    Args:
        model: The network.
        path: The exported file.
        format: Its format.
        batches: Inputs of the network: arrays (B, ...), or dicts of arrays by input name. B may
            differ between batches. Both sides get the same input, padding included.

    Raises:
        ExportError: As `load_exported`.
        ValueError: There is no batch.

    Example:
        >>> import tempfile
        >>> import numpy as np
        >>> import keras_skeleton as ks
        >>> from keras_skeleton.deploy.export import check_exported, export_model
        >>> model = ks.build_model("lstm", "sbu", classes=8, units=8)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = export_model(model, f"{folder}/lstm")
        ...     agreement = check_exported(model, path, "saved_model", [np.ones((4, 20, 30, 3))])
        >>> agreement.clips, agreement.difference < 1e-4
        (4, True)
    """
    exported = load_exported(path, format)
    wanted, found = [], []
    for batch in batches:
        wanted.append(ops.convert_to_numpy(model(batch, training=False)).astype(np.float32))
        found.append(exported(batch))
    if not wanted:
        raise ValueError("there is no batch to compare")
    ours, theirs = np.concatenate(wanted), np.concatenate(found)
    return Agreement(
        clips=len(ours),
        difference=float(np.abs(theirs - ours).max()),
        largest=float(np.abs(ours).max()),
        same=int((theirs.argmax(axis=1) == ours.argmax(axis=1)).sum()),
    )


# ---------------------------------------------------------------- writing


def _signature(model: keras.Model, clips: int | None) -> list[Any]:
    """The input signature for Keras' exporters; `clips` is B, or None for a dynamic size."""

    def spec(x: Any) -> keras.InputSpec:
        return keras.InputSpec(shape=(clips, *x.shape[1:]), dtype=x.dtype, name=x.name)

    return [keras.tree.map_structure(spec, model.input)]


def _write_saved_model(model: keras.Model, path: Path) -> None:
    model.export(
        path, format="tf_saved_model", verbose=False, input_signature=_signature(model, None)
    )


def _write_litert(model: keras.Model, path: Path) -> None:
    import tensorflow as tf

    _with_stand_ins(model).export(
        path,
        format="litert",
        verbose=False,
        input_signature=_signature(model, 1),
        target_spec={"supported_ops": [tf.lite.OpsSet.TFLITE_BUILTINS]},
    )


def _write_onnx(model: keras.Model, path: Path) -> None:
    with warnings.catch_warnings():  # the converter uses deprecated NumPy names
        warnings.simplefilter("ignore")
        model.export(path, format="onnx", verbose=False, input_signature=_signature(model, None))
    import_module("onnx").checker.check_model(str(path))  # the converter only logs problems


WRITERS: dict[str, Callable[[keras.Model, Path], None]] = {
    "saved_model": _write_saved_model,
    "litert": _write_litert,
    "onnx": _write_onnx,
}


def _in_two_steps(layer: Any, x: Any, pool: Callable[..., Any]) -> Any:
    """Pools videos (B, T, H, W, C) in two image poolings: over rows and columns, then over time."""
    (frames, *area), (stride, *strides) = layer.pool_size, layer.strides
    T, H, W, C = x.shape[1:]
    x = pool(ops.reshape(x, (-1, H, W, C)), tuple(area), tuple(strides), layer.padding)
    H, W = x.shape[1:3]
    x = pool(ops.reshape(x, (-1, T, H * W, C)), (frames, 1), (stride, 1), layer.padding)
    return ops.reshape(x, (-1, x.shape[1], H, W, C))


class _MaxPooling3D(keras.layers.MaxPooling3D):
    def call(self, inputs: Any) -> Any:
        return _in_two_steps(self, inputs, ops.max_pool)


class _AveragePooling3D(keras.layers.AveragePooling3D):
    def call(self, inputs: Any) -> Any:
        return _in_two_steps(self, inputs, ops.average_pool)


class _Attend(Attend):
    """`Attend` with explicit axes, because LiteRT supports at most five.

    Changing the layer itself would change the rounding of gradients in published runs.
    """

    def call(self, x: Any, attention: Any) -> Any:
        if self.axes == "bmt":
            attention = ops.transpose(attention, (0, 2, 1))  # (B, T, M)
        lacking = [axis for axis, name in enumerate("btmvc") if name not in self.axes]
        return x * ops.expand_dims(attention, lacking)


# LiteRT does not support these layers; the replacements compute the same values.
STAND_INS: dict[type, type[keras.layers.Layer]] = {
    keras.layers.MaxPooling3D: _MaxPooling3D,
    keras.layers.AveragePooling3D: _AveragePooling3D,
    Attend: _Attend,
}


def _with_stand_ins(model: keras.Model) -> keras.Model:
    """The network, or a copy with the same weights in which `STAND_INS` replace layers."""
    replaced = any(type(layer) in STAND_INS for layer in leaf_layers(model))
    return copied(model) if replaced else model


def copied(model: keras.Model) -> keras.Model:
    """A copy of a network with the same weights, in which `STAND_INS` replace layers."""

    def copy(layer: keras.layers.Layer) -> keras.layers.Layer:
        return STAND_INS.get(type(layer), type(layer)).from_config(layer.get_config())

    found = keras.models.clone_model(model, clone_function=copy, recursive=True)
    found.set_weights(model.get_weights())
    return found


# ---------------------------------------------------------------- what goes wrong


def _check_backend() -> None:
    if keras.backend.backend() != "tensorflow":
        raise ExportError(
            f"export needs the Keras backend tensorflow, not {keras.backend.backend()}: "
            "set KERAS_BACKEND=tensorflow"
        )


def lacking(error: Exception) -> str:
    """What a converter's error says, in one line."""
    operations = sorted(set(re.findall(r"'tf\.(\w+)' op is neither", str(error))))
    return f"it has no operation for {', '.join(operations)}" if operations else first_line(error)


def _reason(model: keras.Model, format: str, error: Exception) -> str:
    others = " or ".join(name for name in SUFFIXES if name != format)
    return f"{format} does not support '{model.name}': {lacking(error)}; try {others}"
