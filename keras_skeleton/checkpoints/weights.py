"""Weights from `.h5` files of Keras 1, 2 and 3 into a network that was built in code.

Three layouts are told apart by what is in the file, whatever its name:

    Keras 3          `.weights.h5`: a group `layers`, variables by the path of their layer
    legacy weights   `save_weights` of Keras 1 and 2: the attribute `layer_names`
    legacy model     `save` of Keras 1 and 2: a group `model_weights`; only weights are taken

Nothing in a file is run, no link is followed, and no array is read whose shape is not that of the
variable that it is for, so a file can cost no more memory than the network has.

Two defaults of old files cannot be seen in their names: up to Keras 2.2 GRUs were made with
`reset_after=False` (their bias is a vector) and GRUs and LSTMs with a hard sigmoid; build the
network with the same.

What the released code of MANs wrote is known by its layers, see `mans_weights`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeAlias

import h5py
import keras
import numpy as np

from keras_skeleton.checkpoints import mans as mans_weights
from keras_skeleton.utils.errors import UserError

Array: TypeAlias = h5py.Dataset | mans_weights.Stack
Layers: TypeAlias = dict[str, dict[str, h5py.Dataset]]  # a layer's name: its arrays by theirs

DEEPEST, MOST = 40, 100_000  # groups inside groups, things in a file: more is no weights file


class WeightsError(UserError):
    """A weights file that cannot be used, or not with this network."""


@dataclass(frozen=True)
class Loaded:
    """What became of a file's weights; names are those of the file, or the network's where the
    file's are numbers only.

    Attributes:
        layout: `"Keras 3"`, `"legacy weights"` or `"legacy model"`.
        loaded: Were taken.
        missing: The network has them, the file has not.
        unexpected: The file has them, the network has not.
        differ: Both have them, in another shape or kind: `"name: (3, 4) in the file, (3, 5)"`.
    """

    layout: str
    loaded: tuple[str, ...]
    missing: tuple[str, ...]
    unexpected: tuple[str, ...]
    differ: tuple[str, ...]

    @property
    def whole(self) -> bool:
        """Every variable of the network was found, and nothing else."""
        return not (self.missing or self.unexpected or self.differ)

    def __str__(self) -> str:
        lines = [f"{self.layout}: {len(self.loaded)} taken"]
        for what in ("missing", "unexpected", "differ"):
            if names := getattr(self, what):
                more = f" and {len(names) - 5} more" if len(names) > 5 else ""
                lines.append(f"{what} {len(names)}: {', '.join(names[:5])}{more}")
        return "; ".join(lines)


def load_weights(model: keras.Model, path: str | Path, partial: bool = False) -> Loaded:
    """Copies a file's weights into a network.

    Args:
        model: The network, built.
        path: A `.h5` file of any of the three layouts.
        partial: Take what fits. Without, a file that does not fit as a whole changes nothing.

    Raises:
        WeightsError: No such file, not readable, something that does not belong into a file of
            weights, or (without `partial`) one that does not fit. A file of the released MANs
            code does not fit a network with frame attention, which it lacks.
    """
    path = Path(path)
    if not path.is_file():
        raise WeightsError(f"{path}: no such file; weights are in a .h5 file")
    try:
        with h5py.File(path, "r") as file:
            root, hint = legacy_root(file), ""
            if root is None:
                layout, wanted = "Keras 3", _by_path(model)
                found: Mapping[str, Array] = dict(_keras_3(file))
            else:
                layout = "legacy weights" if root == file else "legacy model"
                wanted = dict(_by_layer(model))
                layers = _unwrapped(legacy_layers(root), wanted)
                released = mans_weights.matched(layers, wanted)
                if released is None:
                    found = _named_alike(layers, wanted)
                else:
                    found = released
                    if "frame_attention/0" in wanted.keys() - found.keys():
                        hint = mans_weights.NO_ATTENTION
            return _copy(path, layout, found=found, wanted=wanted, partial=partial, hint=hint)
    except (OSError, KeyError, RuntimeError, ValueError, TypeError, RecursionError) as error:
        first = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise WeightsError(f"{path}: not a readable file of weights: {first}") from None


def _copy(
    path: Path,
    layout: str,
    found: Mapping[str, Array],
    wanted: Mapping[str, keras.Variable],
    partial: bool,
    hint: str,
) -> Loaded:
    differ = {}
    for name in wanted.keys() & found.keys():
        data, variable = found[name], wanted[name]
        if data.shape != tuple(variable.shape):
            differ[name] = f"{name}: {data.shape} in the file, {tuple(variable.shape)}"
        elif data.dtype.kind != np.dtype(variable.dtype).kind:
            differ[name] = f"{name}: {data.dtype} in the file, {variable.dtype}"
    loaded = [name for name in wanted if name in found and name not in differ]
    result = Loaded(
        layout,
        tuple(loaded),
        tuple(name for name in wanted if name not in found),
        tuple(name for name in found if name not in wanted),
        tuple(differ[name] for name in wanted if name in differ),
    )
    if not (result.whole or partial) or not loaded:
        if any((2, *found[name].shape) == tuple(wanted[name].shape) for name in differ):
            hint = "a GRU from before Keras 2.3 has reset_after=False"
        hint = hint and f"; {hint}"
        raise WeightsError(f"{path}: these weights do not fit this network ({result}){hint}")
    values = [np.asarray(found[name]) for name in loaded]  # all are read before one is set
    for name, value in zip(loaded, values, strict=True):
        wanted[name].assign(value)
    return result


# ---------------------------------------------------------------- the file


def legacy_root(file: h5py.File) -> h5py.Group | None:
    """Where a legacy file has its layers; None where it names none."""
    if "layer_names" in file.attrs or "layer_names0" in file.attrs:
        return file
    if file.get("model_weights", getlink=True) is not None:
        return _item(file, "model_weights")
    return None


def _datasets(root: h5py.Group) -> Iterator[tuple[str, h5py.Dataset]]:
    """Everything below a group by its path; only what lies in the file itself."""
    count = 0
    stack = [("", root, 0)]
    while stack:
        start, group, depth = stack.pop()
        for name in group:
            count += 1
            if count > MOST or depth > DEEPEST:
                raise ValueError("more groups than a network has layers")
            item = _item(group, name)
            if isinstance(item, h5py.Dataset):
                yield start + name, item
            else:
                stack.append((f"{start}{name}/", item, depth + 1))


def _keras_3(file: h5py.File) -> Iterator[tuple[str, h5py.Dataset]]:
    """The network's arrays of a file of Keras 3, without its optimizer's."""
    if file.get("layers", getlink=True) is None:
        raise ValueError("it has neither layers nor the names of any")
    for name, data in _datasets(file):
        if "/vars/" in f"/{name}" and not name.startswith("optimizer/"):
            yield name, data


def _item(group: h5py.Group, name: str) -> h5py.Group | h5py.Dataset:
    """A member of a group, if it is a part of this file: neither a link nor data elsewhere."""
    if not isinstance(group, h5py.Group):
        raise ValueError(f"'{group.name}' has no parts")
    if not isinstance(group.get(name, getlink=True), h5py.HardLink):
        raise ValueError(
            f"'{group.name}/{name}' is a link and perhaps points out of the file; not followed"
        )
    item = group[name]
    if isinstance(item, h5py.Dataset) and (item.is_virtual or item.external):
        raise ValueError(f"'{item.name}' points out of the file; not read")
    if not isinstance(item, (h5py.Dataset, h5py.Group)):
        raise ValueError(f"'{group.name}/{name}' is neither numbers nor a group")
    return item


def legacy_layers(root: h5py.Group) -> Layers:
    """The layers of a legacy file and their arrays, in the file's own order; nothing is read."""
    layers: Layers = {}
    for layer in names_in(root, "layer_names"):
        group = _item_at(root, layer)
        layers[layer] = {}
        for weight in names_in(group, "weight_names"):
            item = _item_at(group, weight)
            if not isinstance(item, h5py.Dataset):
                raise ValueError(f"'{item.name}' holds no numbers")
            layers[layer][weight] = item
    return layers


def _unwrapped(layers: Layers, wanted: Mapping[str, keras.Variable]) -> Layers:
    """The layers inside of the one that holds all arrays.

    Such is a network that was wrapped for several GPUs, as the released training of MANs does and
    `multi_gpu_model` of Keras 2: a layer of the stored one, whose arrays begin with their own
    layers' names.
    """
    full = [name for name, arrays in layers.items() if arrays]
    if len(full) != 1 or any(name.startswith(f"{full[0]}/") for name in wanted):
        return layers
    inner: Layers = {}
    for weight, data in layers[full[0]].items():
        inner.setdefault(weight.partition("/")[0], {})[weight] = data
    return inner


def _item_at(group: h5py.Group, path: str) -> h5py.Group | h5py.Dataset:
    """What lies at a path, step by step: links hide in the middle, too."""
    item = group
    for step in path.split("/"):
        item = _item(item, step)
    return item


def _named_alike(layers: Layers, wanted: Mapping[str, keras.Variable]) -> dict[str, Array]:
    """The file's arrays as `layer/number`, or under the network's names where these differ but all
    shapes agree in their order: Keras numbers layers without a name of their own, and legacy files
    were read by order."""
    found = {
        f"{layer}/{number}": data
        for layer, arrays in layers.items()
        for number, data in enumerate(arrays.values())
    }
    alike = [d.shape for d in found.values()] == [tuple(v.shape) for v in wanted.values()]
    if alike and found.keys() != wanted.keys():
        return dict(zip(wanted, found.values(), strict=True))
    return found


def names_in(group: h5py.Group, attribute: str) -> list[str]:
    """An attribute with names, which Keras parts where it is long: `names0`, `names1`, ..."""
    parts = [group.attrs[attribute]] if attribute in group.attrs else []
    while f"{attribute}{len(parts)}" in group.attrs:
        parts.append(group.attrs[f"{attribute}{len(parts)}"])
    found = [name for part in parts for name in np.asarray(part).ravel().tolist()]
    names = [name.decode("utf-8") if isinstance(name, bytes) else str(name) for name in found]
    if len(names) > MOST:
        raise ValueError(f"'{attribute}' has {len(names)} entries")
    return names


# ---------------------------------------------------------------- the network


def _by_path(model: keras.Model) -> dict[str, keras.Variable]:
    """The network's variables by their paths in a file of Keras 3.

    Keras has no public way to ask for these paths. So the network is saved once with each
    variable full of its own number, and gets its values back.
    """
    variables = model.variables
    kept = [np.array(keras.ops.convert_to_numpy(v)) for v in variables]
    try:
        for number, (variable, value) in enumerate(zip(variables, kept, strict=True)):
            variable.assign(np.full(value.shape, number, value.dtype))
        with TemporaryDirectory() as folder:
            path = Path(folder) / "numbers.weights.h5"
            model.save_weights(path)
            with h5py.File(path, "r") as file:
                numbers = {
                    name: int(np.asarray(data).flat[0])
                    for name, data in _keras_3(file)
                    if data.size
                }
    finally:
        for variable, value in zip(variables, kept, strict=True):
            variable.assign(value)
    return {name: variables[number] for name, number in numbers.items()}


def _by_layer(model: keras.Model) -> Iterator[tuple[str, keras.Variable]]:
    """The network's variables as `layer/number`, in the order of legacy files: those that are
    trained first."""
    for layer in model.layers:
        trained = {id(v) for v in layer.trainable_weights}
        ordered = sorted(layer.weights, key=lambda v: id(v) not in trained)
        for number, variable in enumerate(ordered):
            yield f"{layer.name}/{number}", variable
