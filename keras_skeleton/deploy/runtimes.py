"""Exported files as functions: each format is run by its own package, without Keras.

`bundle` copies from this module into `predict.py`, so it imports NumPy only; the packages that run
the files are imported when a file is loaded.
"""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from keras_skeleton.utils.errors import UnknownNameError, UserError
from keras_skeleton.utils.packages import missing_packages

# Suffix of each format's files; a SavedModel is a folder.
SUFFIXES = {"saved_model": "", "litert": ".tflite", "onnx": ".onnx"}

# The packages that run a format's files; one of them is enough.
RUNTIMES = {
    "saved_model": ("tensorflow",),
    "litert": ("ai_edge_litert", "tensorflow"),
    "onnx": ("onnxruntime",),
}


class ExportError(UserError):
    """A network cannot be exported, or an exported file cannot be used."""


@dataclass(frozen=True)
class Exported:
    """An exported network. Call it with a batch to get float32 logits (B, classes).

    A batch is one array, or a dict of arrays by input name.

    Attributes:
        path: The file.
        inputs: Shape of each input, by name; the first size is B, and dynamic sizes are None.
    """

    path: Path
    inputs: dict[str, tuple[int | None, ...]]
    _run: Callable[[dict[str, np.ndarray]], np.ndarray]

    def __call__(self, batch: Any) -> np.ndarray:
        if not isinstance(batch, Mapping):
            if len(self.inputs) > 1:
                raise ExportError(
                    f"{self.path}: expects a dict of arrays: {', '.join(self.inputs)}"
                )
            batch = {next(iter(self.inputs)): batch}
        if set(batch) != set(self.inputs):
            raise ExportError(
                f"{self.path}: expects {', '.join(self.inputs)}, got {', '.join(map(str, batch))}"
            )
        arrays = {name: np.asarray(batch[name], np.float32) for name in self.inputs}
        for name, array in arrays.items():
            wanted = self.inputs[name]
            if len(array.shape) != len(wanted) or any(
                size not in (None, given)
                for size, given in zip(wanted[1:], array.shape[1:], strict=True)
            ):
                shape = ", ".join(["B", *("free" if n is None else str(n) for n in wanted[1:])])
                raise ExportError(f"{self.path}: '{name}' expects ({shape}), got {array.shape}")
        return self._run(arrays)


def load_exported(path: str | Path, format: str = "saved_model") -> Exported:
    """Loads an exported file. Load only files that you trust.

    Args:
        path: The file, or the folder of a `saved_model`.
        format: `"saved_model"`, `"litert"` or `"onnx"`.

    Returns:
        The exported network, to be called with batches; see `export_model` for an example.

    Raises:
        ExportError: No such file, another format, or packages are missing.
        UnknownNameError: Unknown format.
    """
    path, suffix = Path(path), SUFFIXES[check_format(format)]
    if not (path.is_file() if suffix else path.is_dir()):
        raise ExportError(f"{path}: no such {'file' if suffix else 'folder'}")
    packages = RUNTIMES[format]
    if missing_packages(*packages) == [*packages]:
        raise ExportError(
            f"{path}: {format} needs {' or '.join(packages)}: "
            f"pip install {packages[0].replace('_', '-')}"
        )
    try:
        with quiet():
            inputs, run = READERS[format](path)
    except UserError:
        raise
    except Exception as error:  # each runtime has its own exceptions
        raise ExportError(f"{path}: not a readable {format} file: {first_line(error)}") from error
    return Exported(path, inputs, run)


Reader = tuple[dict[str, tuple[int | None, ...]], Callable[[dict[str, np.ndarray]], np.ndarray]]


def _read_saved_model(path: Path) -> Reader:
    tf = import_module("tensorflow")
    loaded = tf.saved_model.load(str(path))
    serve = loaded.signatures["serving_default"]
    specs = serve.structured_input_signature[1]

    def run(arrays: dict[str, np.ndarray]) -> np.ndarray:
        # This reference keeps `loaded`, which owns the variables, alive.
        found = loaded.signatures["serving_default"](
            **{name: tf.constant(array) for name, array in arrays.items()}
        )
        (logits,) = found.values()
        return logits.numpy()

    return {name: tuple(spec.shape) for name, spec in specs.items()}, run


def _read_litert(path: Path) -> Reader:
    runner = litert_interpreter(path).get_signature_runner()
    inputs = {
        name: (None, *(None if n < 0 else int(n) for n in details["shape_signature"][1:]))
        for name, details in runner.get_input_details().items()
    }

    def run(arrays: dict[str, np.ndarray]) -> np.ndarray:
        logits = []
        with quiet():  # the first run logs the kernels that it uses
            for i in range(len(next(iter(arrays.values())))):
                found = runner(**{name: array[i : i + 1] for name, array in arrays.items()})
                logits.append(next(iter(found.values())))
        return np.concatenate(logits)

    return inputs, run


def litert_interpreter(model: Path | bytes, threads: int | None = None) -> Any:
    """The interpreter of a LiteRT file, or of its content."""
    options = {"model_content": model} if isinstance(model, bytes) else {"model_path": str(model)}
    with warnings.catch_warnings():  # TensorFlow's is deprecated in favor of ai-edge-litert
        warnings.simplefilter("ignore", UserWarning)
        return litert_class()(**options, num_threads=threads)


def litert_class() -> Any:
    """The class of LiteRT interpreters, of ai-edge-litert or else of TensorFlow."""
    try:
        return import_module("ai_edge_litert.interpreter").Interpreter
    except ModuleNotFoundError:
        tf = import_module("tensorflow")
    if not hasattr(tf.lite, "Interpreter"):
        raise ExportError("this TensorFlow cannot run LiteRT files: pip install ai-edge-litert")
    return tf.lite.Interpreter


def _read_onnx(path: Path) -> Reader:
    session = import_module("onnxruntime").InferenceSession(str(path))
    inputs = {
        x.name: tuple(n if isinstance(n, int) else None for n in x.shape)
        for x in session.get_inputs()
    }
    return inputs, lambda arrays: session.run(None, arrays)[0]


READERS: dict[str, Callable[[Path], Reader]] = {
    "saved_model": _read_saved_model,
    "litert": _read_litert,
    "onnx": _read_onnx,
}


def check_format(name: str) -> str:
    """Returns the name of a format; an UnknownNameError if there is none of this name."""
    if name not in SUFFIXES:
        raise UnknownNameError("format", name, SUFFIXES)
    return name


def first_line(error: Exception) -> str:
    """The first line of an error's message; without a message, its type."""
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__


@contextmanager
def quiet() -> Iterator[None]:
    """Discards what converters and runtimes write to the file descriptor of stderr.

    On failure they write pages, and their exceptions contain the same information.
    """
    sys.stderr.flush()
    kept = os.dup(2)
    try:
        with open(os.devnull, "wb") as nowhere:
            os.dup2(nowhere.fileno(), 2)
        yield
    finally:
        sys.stderr.flush()
        os.dup2(kept, 2)
        os.close(kept)
