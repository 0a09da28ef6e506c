"""Exports that stand alone: the network, a JSON file that describes it, and `predict.py`.

`predict.py` turns a raw clip into a label with NumPy and the package that runs the exported file.
Its preprocessing is copied from this package (`bundle`) and compared with it before it is written.
"""

from __future__ import annotations

import ast
import inspect
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from textwrap import dedent
from typing import Any, NamedTuple

import keras
import numpy as np

from keras_skeleton.deploy import predictor
from keras_skeleton.deploy.bundle import BundleError, bundle, run_bundle
from keras_skeleton.deploy.export import Agreement, check_exported, export_model
from keras_skeleton.deploy.runtimes import ExportError, load_exported
from keras_skeleton.models.preprocessing import Preprocessing, describe_skeleton
from keras_skeleton.models.registry import MODELS, is_file
from keras_skeleton.utils._version import __version__
from keras_skeleton.utils.errors import UserError
from keras_skeleton.utils.files import write_json, write_text

SCRIPT = "predict.py"
_PROBES = (48, 64)  # two numbers of frames that tell which argument takes them
HEAD = f'''"""{predictor.HELP}

    python predict.py clip.npy [--model FILE] [--top 3]

or, in Python, `predict.predict(clip)`. A clip is an array (T, V, 3) or (T, M, V, 3): frames,
bodies, joints, coordinates. The JSON file beside the network names the joints and the unit. Needs
NumPy and the package that runs the network: onnxruntime, ai-edge-litert or tensorflow.

Written by keras_skeleton; the functions below are copies of its own.
"""

'''


class StandaloneError(ExportError):
    """`predict.py` cannot be written for a network."""


class Standalone(NamedTuple):
    """The files of an export.

    Attributes:
        network: The exported network.
        about: The JSON file that describes it.
        script: `predict.py`; None if it cannot be written for this network.
        why: The reason why there is no script; empty if there is one.
        agreement: The comparison with the network; None without batches.
    """

    network: Path
    about: Path
    script: Path | None
    why: str
    agreement: Agreement | None


def about_path(path: str | Path) -> Path:
    """The JSON file that describes an exported network: its path with `.json` appended."""
    return Path(path).with_name(Path(path).name + ".json")


def write_standalone(
    model: keras.Model,
    preprocessing: Preprocessing,
    classes: Sequence[str],
    path: str | Path,
    format: str = "saved_model",
    temperature: float = 1.0,
    batches: Iterable[Any] = (),
    about: Mapping[str, Any] | None = None,
) -> Standalone:
    """Exports a network with its description (`PATH.json`) and `predict.py` in the same folder.

    Exports of networks with the same preprocessing may share a folder, and then `predict.py`.

    Args:
        model: The network, with its trained weights.
        preprocessing: Preprocessing of raw clips to the network's input.
        classes: Class names, in the order of the logits.
        path: Path of the exported network; it must not exist.
        format: `"saved_model"`, `"litert"` or `"onnx"`.
        temperature: Divisor of the logits before the softmax, above 0.
        batches: Inputs of the network on which both are compared, see `check_exported`.
        about: More entries of the JSON file.

    Returns:
        The files. There is no script for networks with video inputs, nor if preprocessing needs
        another package than NumPy; `why` then says so.

    Raises:
        ExportError: A file exists, or as `export_model`.
        UserError: The temperature is not positive.

    Example:
        >>> import tempfile
        >>> import keras_skeleton as ks
        >>> from keras_skeleton.deploy.standalone import write_standalone
        >>> from keras_skeleton.models.preprocessing import Preprocessing
        >>> from keras_skeleton.skeletons import get_skeleton
        >>> skeleton = get_skeleton("sbu")
        >>> model = ks.build_model("lstm", skeleton, classes=2, units=8, bodies=2)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     files = write_standalone(
        ...         model, Preprocessing("lstm", skeleton, 2), ["hug", "push"], f"{folder}/lstm"
        ...     )
        >>> files.about.name, files.script.name
        ('lstm.json', 'predict.py')
    """
    path = Path(path)
    if not 0 < temperature < float("inf"):
        raise UserError(f"temperature={temperature} must be positive")
    facts = describe(preprocessing)  # may raise before anything is written
    try:
        source, why = predict_source(preprocessing), ""
    except StandaloneError as error:
        source, why = "", str(error)
    json_path, script = about_path(path), path.with_name(SCRIPT)
    if json_path.exists():
        raise ExportError(f"{json_path}: already exists; choose another path or remove it")
    if source and script.exists() and script.read_text("utf-8") != source:
        raise ExportError(
            f"{script}: already exists, for another preprocessing; give each network a folder of "
            "its own"
        )
    export_model(model, path, format)
    compared = list(batches)
    agreement = check_exported(model, path, format, compared) if compared else None
    content: dict[str, Any] = {
        "keras_skeleton": __version__,
        **(about or {}),
        "format": format,
        "inputs": load_exported(path, format).inputs,
        "outputs": "logits",
        "temperature": temperature,
        "classes": list(classes),
        **facts,
    }
    if agreement is not None:
        content |= {
            "clips_compared": agreement.clips,
            "largest_difference": agreement.difference,
            "largest_logit": agreement.largest,
            "same_class": agreement.same,
        }
    if source:
        write_text(script, source)
    write_json(json_path, content)
    return Standalone(path, json_path, script if source else None, why, agreement)


def describe(preprocessing: Preprocessing) -> dict[str, Any]:
    """What a program must know to prepare raw clips, as plain values for JSON.

    Returns:
        `skeleton`, `joints`, `bones` and `joint_roles`; `bodies`, `frames` and `unit`;
        `preprocessing`, every argument of `preprocessing_function` with its value; and
        `frames_argument`, the argument that takes the number of frames, if it depends on the clip.

    Example:
        >>> from keras_skeleton.deploy.standalone import describe
        >>> from keras_skeleton.models.preprocessing import Preprocessing
        >>> from keras_skeleton.skeletons import get_skeleton
        >>> facts = describe(Preprocessing("mans9", get_skeleton("sbu"), bodies=2))
        >>> facts["preprocessing"]
        {'size': 50, 'time': 'pad', 'joints': 'pad', 'coordinates': 'body'}
    """
    function, numbers, frames_argument = _call(preprocessing)
    layout = describe_skeleton(preprocessing.skeleton)
    frames = preprocessing.frames
    if not MODELS[preprocessing.model].sequence:
        frames, frames_argument = numbers.get(frames_argument or "", frames), None
    elif frames_argument is not None:
        del numbers[frames_argument]
    return {
        "skeleton": layout.pop("name"),
        "joints": layout.pop("joints"),
        "bones": layout.pop("bones"),
        "joint_roles": layout,
        "bodies": preprocessing.bodies,
        "frames": frames,
        "unit": preprocessing.unit,
        "preprocessing_function": _label(preprocessing.model, function),
        "frames_argument": frames_argument,
        "preprocessing": numbers,
    }


def predict_source(preprocessing: Preprocessing) -> str:
    """The source of `predict.py`, after a comparison with this package's preprocessing.

    Raises:
        StandaloneError: The network has video inputs, or its preprocessing cannot be copied, or
            the copy differs.
    """
    name = preprocessing.model
    if MODELS[name].video:
        raise StandaloneError(f"'{name}' has video inputs; {SCRIPT} reads skeletons only")
    function, _, _ = _call(preprocessing)
    driver = predictor.__name__
    bound = {f"{driver}.PREPROCESS": function, f"{driver}.FUNCTION": _label(name, function)}
    try:
        copied = bundle([predictor.predict, predictor.main], bound)
    except BundleError as error:
        raise StandaloneError(f"preprocessing of '{name}' cannot be copied: {error}") from None
    source = HEAD + copied + '\n\nif __name__ == "__main__":\n    sys.exit(main())\n'
    _compare(source, preprocessing)
    return source


def _compare(source: str, preprocessing: Preprocessing) -> None:
    """Runs the copy on random clips: more and fewer bodies and frames than the network takes."""
    about = json.loads(json.dumps(describe(preprocessing)))
    script = run_bundle(source)
    rng = np.random.default_rng(0)
    V = preprocessing.skeleton.size
    most = preprocessing.frames or 60
    for T, M in ((2, 1), (most + 7, preprocessing.bodies + 1)):
        clip = rng.normal(0, 0.3, (T, M, V, 3)) + [0, 0, 3]
        wanted = preprocessing(preprocessing.adapt(clip)[0])
        try:
            found = script.network_input(clip, about)[0][0]
        except Exception as error:  # whatever the copied functions raise
            raise StandaloneError(
                f"preprocessing of '{preprocessing.model}' cannot run alone: {error}"
            ) from error
        if found.dtype != wanted.dtype or not np.array_equal(found, wanted):
            raise StandaloneError(
                f"preprocessing of '{preprocessing.model}' gives other values when it runs alone"
            )


def random_batches(preprocessing: Preprocessing, count: int) -> Iterator[np.ndarray]:
    """Yields inputs (1, ...) of a network made from random clips, to compare exports where no
    dataset is at hand.

    Args:
        preprocessing: The network's preprocessing.
        count: Number of inputs.
    """
    rng = np.random.default_rng(0)
    for _ in range(count):
        T, M, V = preprocessing.frames or 60, preprocessing.bodies, preprocessing.skeleton.size
        pose = rng.normal(0, 0.3, (M, V, 3)) + [0, 0, 3]
        clip = pose + rng.normal(0, 0.02, (T, M, V, 3)).cumsum(axis=0)  # a random walk
        yield preprocessing(preprocessing.adapt(clip)[0])[None]


def _call(
    preprocessing: Preprocessing,
) -> tuple[Callable[..., np.ndarray], dict[str, Any], str | None]:
    """The function that a model's preprocessing calls, its arguments, and which of them takes T."""
    prepare = partial(
        MODELS[preprocessing.model].preprocess, preprocessing.skeleton, **preprocessing.choices
    )
    own, *probes = (_keywords(prepare(frames)) for frames in (preprocessing.frames, *_PROBES))
    function, numbers = own
    taking = [
        name
        for name in numbers
        if all(probe[1].get(name) == T for probe, T in zip(probes, _PROBES, strict=True))
    ]
    numbers = {**numbers, **_defaults(function, {"skeleton", *numbers})}
    numbers.pop("skeleton", None)
    try:
        numbers = json.loads(json.dumps(numbers))
    except TypeError as error:
        raise StandaloneError(
            f"preprocessing of '{preprocessing.model}': an argument is no plain value ({error})"
        ) from None
    return function, numbers, taking[0] if taking else None


def _keywords(prepared: Any) -> tuple[Callable[..., np.ndarray], dict[str, Any]]:
    if not isinstance(prepared, partial):
        return prepared, {}
    if prepared.args:
        raise StandaloneError("preprocessing with positional arguments cannot be described")
    return prepared.func, dict(prepared.keywords)


def _defaults(function: Callable[..., Any], given: set[str]) -> dict[str, Any]:
    """Arguments of a function that are not given, with their defaults; also of the function to
    which it hands its other arguments on."""
    found: dict[str, Any] = {}
    rest = None
    for p in inspect.signature(function).parameters.values():
        if p.kind is p.VAR_KEYWORD:
            rest = p.name
        elif p.name not in given and p.default is not p.empty:
            found[p.name] = p.default
    if rest is None:
        return found
    for node in ast.walk(ast.parse(dedent(inspect.getsource(function)))):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name)):
            continue
        handed = {k.arg for k in node.keywords if k.arg is not None}
        if any(k.arg is None and getattr(k.value, "id", "") == rest for k in node.keywords):
            inner = function.__globals__.get(node.func.id)
            if inspect.isfunction(inner):
                found |= _defaults(inner, given | handed | found.keys())
    return found


def _label(model: str, function: Callable[..., Any]) -> str:
    """Name of a preprocessing function; of one in a user's file without its folder."""
    module, name = function.__module__, function.__qualname__.rpartition(".")[2]
    own = is_file(model) and not module.startswith("keras_skeleton.")
    return f"{Path(model.rpartition(':')[0]).stem}.{name}" if own else f"{module}.{name}"
