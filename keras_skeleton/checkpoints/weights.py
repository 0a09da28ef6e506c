"""Loads weights from files of Keras 1, 2 and 3 into a network that was built in code.

The layout is detected from the file's content, not from its name:

    Keras 3          `.weights.h5`: a group `layers`, variables by the path of their layer; also
                     inside a `.keras` archive, of which nothing else is read
    legacy weights   `save_weights` of Keras 1 and 2: the attribute `layer_names`
    legacy model     `save` of Keras 1 and 2: a group `model_weights`; only weights are loaded

Nothing in a file is executed, no link is followed, and an array is read only if its shape is that
of the variable it is loaded into, so loading needs no more memory than the network.

A file of a network that differs, such as in its number of classes, is loaded with `partial=True`:
layers are matched by name, and where Keras numbered them by structure (`checkpoints.structure`).

Two defaults of old Keras versions are not recorded in weight files: up to Keras 2.2, GRUs used
`reset_after=False` (their bias is a vector), and GRUs and LSTMs used a hard sigmoid. Build the
network with the same settings.

Files of the released code of MANs are recognized by their layers, see `checkpoints.mans`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import h5py
import keras
import numpy as np

from keras_skeleton.checkpoints import archive
from keras_skeleton.checkpoints import mans as mans_weights
from keras_skeleton.checkpoints.h5_values import read_names, read_values
from keras_skeleton.checkpoints.mans import Stack
from keras_skeleton.checkpoints.matching import (
    Layers,
    Match,
    by_classes,
    by_layers,
    by_name,
    by_name_or_order,
    layer_path,
)
from keras_skeleton.checkpoints.saving import save_weights
from keras_skeleton.checkpoints.structure import base_and_numbers, is_numbered
from keras_skeleton.utils.errors import UserError

DEEPEST, MOST = 40, 100_000  # limits on nested groups and on items; no weights file has more
MOST_PARTS = 1000  # attributes into which Keras splits a long list of names


class WeightsError(UserError):
    """A weights file cannot be used, or does not fit the network."""


@dataclass(frozen=True)
class Loaded:
    """Result of loading weights.

    Names are those of the file, or of the network if the file has only numbers.

    Attributes:
        layout: `"Keras 3"`, `"legacy weights"` or `"legacy model"`.
        loaded: Variables that were loaded.
        missing: Variables of the network that are not in the file.
        unexpected: Arrays of the file that are not in the network.
        differ: Variables whose shape or data type differs: `"name: (3, 4) in the file, (3, 5)"`.
        by_structure: Those of `loaded` that have another name in the file, and were found by the
            shapes and the order of layers: `"name from name in the file"`. The others were found
            by name.
        omitted: Variables that were not to be loaded.
    """

    layout: str
    loaded: tuple[str, ...]
    missing: tuple[str, ...]
    unexpected: tuple[str, ...]
    differ: tuple[str, ...]
    by_structure: tuple[str, ...] = ()
    omitted: tuple[str, ...] = ()

    @property
    def whole(self) -> bool:
        """Whether every variable of the network was loaded and the file contains nothing else."""
        return not (self.missing or self.unexpected or self.differ or self.omitted)

    def __str__(self) -> str:
        lines = [f"{self.layout}: {len(self.loaded)} loaded"]
        if self.by_structure:
            named = len(self.loaded) - len(self.by_structure)
            lines[0] += f" ({named} by name, {len(self.by_structure)} by structure)"
        for what in ("missing", "unexpected", "differ", "omitted"):
            if names := getattr(self, what):
                more = f" and {len(names) - 5} more" if len(names) > 5 else ""
                shown = ", ".join(f"{name:.200}" for name in names[:5])
                lines.append(f"{what} {len(names)}: {shown}{more}")
        return "; ".join(lines)


def load_weights(
    model: keras.Model,
    path: str | Path,
    partial: bool = False,
    omit: Iterable[keras.Variable] = (),
) -> Loaded:
    """Loads a weights file into a network.

    With `partial`, as for fine-tuning on other classes, layers are matched by name first. Layers
    that Keras numbered may have other numbers in the file; those are matched by structure: the
    shapes of their arrays, in the order of the layers. A layer is then taken as a whole or not at
    all. A Keras 3 file keeps the order of layers only within a class, so there a layer is taken by
    structure only if no other choice fits as many.

    Args:
        model: The network.
        path: A `.h5` file of any of the three layouts, or a `.keras` archive.
        partial: Load the weights that fit. Without it, a file that does not match the network
            exactly changes nothing.
        omit: Variables of the network that are not loaded even if they fit, such as those of its
            head. Needs `partial`.

    Returns:
        What was loaded, by name or by structure, and what was not.

    Raises:
        WeightsError: No such file, a file that is not readable or contains anything but weights, or
            (without `partial`) one that does not match the network. With `partial`, one of which
            nothing fits. A file of the released code of MANs does not match a network with frame
            attention, which it does not contain.

    Example:
        >>> import tempfile
        >>> import keras_skeleton as ks
        >>> model = ks.build_model("mans9", classes=10)
        >>> other = ks.build_model("mans9", classes=8)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     model.save_weights(f"{folder}/mans9.weights.h5")
        ...     result = ks.load_weights(model, f"{folder}/mans9.weights.h5")
        ...     fewer = ks.load_weights(other, f"{folder}/mans9.weights.h5", partial=True)
        >>> result.whole, len(result.missing)
        (True, 0)
        >>> len(result.loaded) - len(fewer.loaded), len(fewer.differ)  # kernel and bias of the head
        (2, 2)
    """
    path = Path(path)
    kept = _identities(model, omit, partial)
    try:
        if reason := archive.refusal(path):
            raise WeightsError(f"{path}: {reason}")
        with TemporaryDirectory() as folder:
            source = path
            if archive.is_archive(path):
                source = archive.extract(path, Path(folder), _size(model))
            with h5py.File(source, "r") as file:
                return _load(model, file, path, partial, kept)
    except (OSError, KeyError, RuntimeError, ValueError, TypeError, RecursionError) as error:
        first = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise WeightsError(f"{path}: not a readable weights file: {first:.500}") from None


def _identities(model: keras.Model, omit: Iterable[keras.Variable], partial: bool) -> set[int]:
    kept = {id(variable) for variable in omit}
    if kept and not partial:
        raise WeightsError("omit leaves variables as they are, which needs partial=True")
    if strangers := len(kept - {id(variable) for variable in model.variables}):
        raise WeightsError(f"omit: {strangers} variables are not of this network")
    return kept


def _size(model: keras.Model) -> int:
    """Bytes of the network's variables, in float32 or wider."""
    return sum(int(np.prod(v.shape)) * max(4, np.dtype(v.dtype).itemsize) for v in model.variables)


def _load(model: keras.Model, file: h5py.File, path: Path, partial: bool, kept: set[int]) -> Loaded:
    root, hint = legacy_root(file), ""
    if root is None:
        layout = "Keras 3"
        wanted, names = _by_path(model)
        found = dict(_keras_3(file))
        if partial:
            match = by_classes(found, wanted, _given_names(file, found), names)
        else:
            match = by_name(found, wanted)
    else:
        layout = "legacy weights" if root == file else "legacy model"
        wanted = dict(_by_layer(model))
        layers = _unwrapped(legacy_layers(root), wanted)
        released = mans_weights.matched(layers, wanted)
        if released is not None:
            match = by_name(released, wanted)
            if "frame_attention/0" in wanted.keys() - released.keys():
                hint = mans_weights.NO_ATTENTION
        else:
            match = by_name_or_order(layers, wanted)
            if partial:
                kinds = {layer.name: type(layer).__name__ for layer in model.layers}
                aligned = by_layers(layers, wanted, kinds)
                if len(aligned.found) == len(wanted) or not match.source:
                    match = aligned
    weights = {id(variable) for variable in model.weights}  # without states of random numbers
    return _copy(path, layout, match, wanted, partial, kept, weights, hint)


def _copy(
    path: Path,
    layout: str,
    match: Match,
    wanted: Mapping[str, keras.Variable],
    partial: bool,
    kept: set[int],
    weights: set[int],
    hint: str,
) -> Loaded:
    found, differ = match.found, {}
    omitted = [name for name, variable in wanted.items() if id(variable) in kept]
    rest = [name for name in wanted if name not in omitted]
    for name in rest:
        if name not in found:
            continue
        data, variable = found[name], wanted[name]
        if data.shape != tuple(variable.shape):
            differ[name] = f"{name}: {data.shape} in the file, {tuple(variable.shape)}"
        elif data.dtype.kind != np.dtype(variable.dtype).kind:
            differ[name] = f"{name}: {data.dtype} in the file, {variable.dtype}"
        elif name in match.halves:
            differ[name] = f"{name}: fits, but its layer does not"
    loaded = [name for name in rest if name in found and name not in differ]
    result = Loaded(
        layout,
        tuple(loaded),
        tuple(name for name in rest if name not in found),
        tuple(match.unexpected),
        tuple(differ.values()),
        tuple(f"{name} from {match.source[name]}" for name in loaded if name in match.source),
        tuple(omitted),
    )
    some = any(id(wanted[name]) in weights for name in loaded) if partial else bool(loaded)
    if not (result.whole or partial) or not some:
        if any((2, *found[name].shape) == tuple(wanted[name].shape) for name in differ):
            hint = "GRUs of Keras versions before 2.3 have reset_after=False"
        hint = hint and f"; {hint}"
        raise WeightsError(f"{path}: these weights do not fit this network ({result}){hint}")
    # Reads all before setting any.
    values = [data.read() if isinstance(data, Stack) else read_values(data)
              for data in (found[name] for name in loaded)]  # fmt: skip
    for name, value in zip(loaded, values, strict=True):
        wanted[name].assign(value)
    return result


# ---------------------------------------------------------------- the file


def legacy_root(file: h5py.File) -> h5py.Group | None:
    """The group that holds the layers of a legacy file; None for other files."""
    if "layer_names" in file.attrs or "layer_names0" in file.attrs:
        return file
    if file.get("model_weights", getlink=True) is not None:
        return _item(file, "model_weights")
    return None


def _datasets(root: h5py.Group) -> Iterator[tuple[str, h5py.Dataset]]:
    """All datasets below a group, by path; only those stored in the file itself."""
    count = 0
    stack = [("", root, 0)]
    while stack:
        start, group, depth = stack.pop()
        for name in group:
            count += 1
            if count > MOST or depth > DEEPEST:
                raise ValueError("it has too many groups for a weights file")
            item = _item(group, name)
            if isinstance(item, h5py.Dataset):
                yield start + name, item
            else:
                stack.append((f"{start}{name}/", item, depth + 1))


def _keras_3(file: h5py.File) -> Iterator[tuple[str, h5py.Dataset]]:
    """The network's arrays in a Keras 3 file, without those of the optimizer."""
    if file.get("layers", getlink=True) is None:
        raise ValueError("it contains neither layers nor layer names")
    for name, data in _datasets(file):
        if "/vars/" in f"/{name}" and not name.startswith("optimizer/"):
            yield name, data


def _given_names(file: h5py.File, paths: Iterable[str]) -> dict[str, str]:
    """Names of layers by their path in a Keras 3 file, without those that Keras numbered.

    Old versions of Keras 3 stored no names.
    """
    names = {}
    for path in dict.fromkeys(layer_path(path) for path in paths):
        group = _item_at(file, path) if path else file
        if not isinstance(group, h5py.Group) or group.get("vars", getlink=True) is None:
            continue
        own = _item(group, "vars")
        (name,) = (read_names(own, "name") if "name" in own.attrs else []) or [""]
        kind = base_and_numbers(path.rpartition("/")[2])[0]
        if not is_numbered(name, kind):
            names[path] = name
    return names


def _item(group: h5py.Group, name: str) -> h5py.Group | h5py.Dataset:
    """A member of a group; refuses links and data stored outside the file."""
    if not isinstance(group, h5py.Group):
        raise ValueError(f"'{group.name}' is not a group")
    if not isinstance(group.get(name, getlink=True), h5py.HardLink):
        raise ValueError(
            f"'{group.name}/{name}' is a link that may point outside the file; not followed"
        )
    item = group[name]
    if isinstance(item, h5py.Dataset) and (item.is_virtual or item.external):
        raise ValueError(f"'{item.name}' is stored outside the file; not read")
    if not isinstance(item, (h5py.Dataset, h5py.Group)):
        raise ValueError(f"'{group.name}/{name}' is neither a dataset nor a group")
    return item


def legacy_layers(root: h5py.Group) -> Layers:
    """The layers of a legacy file and their arrays, in the file's order; reads no array."""
    layers: Layers = {}
    count = 0
    for layer in names_in(root, "layer_names"):
        group = _item_at(root, layer)
        layers[layer] = {}
        weights = names_in(group, "weight_names")
        count += len(weights)
        if count > MOST:
            raise ValueError("it has too many arrays for a weights file")
        for weight in weights:
            item = _item_at(group, weight)
            if not isinstance(item, h5py.Dataset):
                raise ValueError(f"'{item.name}' is not a dataset")
            layers[layer][weight] = item
    return layers


def _unwrapped(layers: Layers, wanted: Mapping[str, keras.Variable]) -> Layers:
    """The inner layers, if one layer holds all arrays.

    A network wrapped for several GPUs (by `multi_gpu_model` of Keras 2, or by the released training
    code of MANs) is saved as one layer whose arrays are prefixed with the names of the inner
    layers.
    """
    full = [name for name, arrays in layers.items() if arrays]
    if len(full) != 1 or any(name.startswith(f"{full[0]}/") for name in wanted):
        return layers
    inner: Layers = {}
    for weight, data in layers[full[0]].items():
        inner.setdefault(weight.partition("/")[0], {})[weight] = data
    return inner


def _item_at(group: h5py.Group, path: str) -> h5py.Group | h5py.Dataset:
    """The item at a path. Every step is checked, because links may be anywhere in the path."""
    item = group
    for step in path.split("/"):
        item = _item(item, step)
    return item


def names_in(group: h5py.Group, attribute: str) -> list[str]:
    """Names in an attribute, which Keras splits if it is long: `names0`, `names1`, ..."""
    names = read_names(group, attribute) if attribute in group.attrs else []
    part = int(attribute in group.attrs)
    while f"{attribute}{part}" in group.attrs:
        names += read_names(group, f"{attribute}{part}")
        part += 1
        if len(names) > MOST or part > MOST_PARTS:
            raise ValueError(f"'{attribute}' has {len(names)} entries")
    return names


# ---------------------------------------------------------------- the network


def _by_path(model: keras.Model) -> tuple[dict[str, keras.Variable], dict[str, str]]:
    """The network's variables by their path in a Keras 3 file, and the names given to its layers.

    Keras has no public API for these paths. So the network is saved once with each variable filled
    with its own number, and its values are restored afterwards.
    """
    variables = model.variables
    kept = [np.array(keras.ops.convert_to_numpy(v)) for v in variables]
    try:
        for number, (variable, value) in enumerate(zip(variables, kept, strict=True)):
            variable.assign(np.full(value.shape, number, value.dtype))
        with TemporaryDirectory() as folder:
            path = Path(folder) / "numbers.weights.h5"
            save_weights(model, path)
            with h5py.File(path, "r") as file:
                found = {name: data for name, data in _keras_3(file) if data.size}
                numbers = {name: int(np.asarray(data).flat[0]) for name, data in found.items()}
                names = _given_names(file, found)
    finally:
        for variable, value in zip(variables, kept, strict=True):
            variable.assign(value)
    return {name: variables[number] for name, number in numbers.items()}, names


def _by_layer(model: keras.Model) -> Iterator[tuple[str, keras.Variable]]:
    """The network's variables by `layer/number`, in the order of legacy files: trainable first."""
    for layer in model.layers:
        trained = {id(v) for v in layer.trainable_weights}
        ordered = sorted(layer.weights, key=lambda v: id(v) not in trained)
        for number, variable in enumerate(ordered):
            yield f"{layer.name}/{number}", variable
