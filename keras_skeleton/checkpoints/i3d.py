"""Loads published I3D weights into `models.i3d`.

Two publications of the same weights are supported:

    checkpoint   the authors' TensorFlow checkpoint (deepmind/kinetics-i3d, data/checkpoints/
                 rgb_imagenet and flow_imagenet: model.ckpt.index, model.ckpt.data-00000-of-00001).
                 Every tensor's checksum is compared with that of the published file
    port         the `.h5` file of the Keras port (dlpbc/keras-kinetics-i3d, release v0.2), with or
                 without the classifier

Weights are copied layer by layer into a network that was built in code; nothing in a file is
executed. If the network has another number of classes, its classifier is left unchanged.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping
from pathlib import Path

import h5py
import keras
import numpy as np

from keras_skeleton.checkpoints.h5_values import read_values
from keras_skeleton.checkpoints.weights import WeightsError, legacy_layers, legacy_root

CHECKSUMS = Path(__file__).with_name("i3d_checksums.csv")
CLASSIFIER = "Conv3d_6a_1x1_conv"
STREAMS = {3: "rgb", 2: "flow"}  # by number of input channels
MOST = 3 * 3 * 3 * 192 * 384  # size of the largest tensor
CRC_MASK = 0xA282EAD8  # constant that TensorFlow adds to stored checksums


def load_i3d_weights(model: keras.Model, path: str | Path, verify: bool = True) -> list[str]:
    """Loads published weights into an I3D network.

    Args:
        model: A network of `models.i3d.i3d`, with any `top` and `until`.
        path: A `.h5` file of the port, or a checkpoint: its folder, its `.index` file, or the
            common prefix of its files.
        verify: Compare a checkpoint's tensors with the published checksums. Without it, any
            checkpoint with the same names and shapes is accepted, such as one you trained further.

    Returns:
        Names of the layers left unchanged: empty, or the classifier if the file has none or one for
        another number of classes.

    Raises:
        WeightsError: No such file, or tensors that are missing or have another shape or checksum.

    Example:
        >>> from keras_skeleton.checkpoints.i3d import load_i3d_weights
        >>> from keras_skeleton.models.i3d import i3d
        >>> load_i3d_weights(i3d(), "rgb_imagenet")  # doctest: +SKIP
        []
    """
    path = Path(path)
    wanted = {
        layer.name: [tuple(v.shape) for v in layer.weights]
        for layer in model.layers
        if layer.weights
    }
    if path.suffix in (".h5", ".hdf5"):
        found = read_port(path, list(wanted))
    else:
        first = next(iter(wanted.values()))[0]
        found = read_checkpoint(path, list(wanted), STREAMS[first[3]], verify)
    kept = []
    for name, shapes in wanted.items():
        there = [value.shape for value in found.get(name, [])]
        if there == shapes:
            continue
        if name != CLASSIFIER:
            what = f"has shapes {there}, expected {shapes}" if there else "is missing"
            raise WeightsError(f"{path}: layer '{name}' {what}; the file is of another network")
        kept.append(name)
    for name in wanted:
        if name not in kept:
            model.get_layer(name).set_weights(found[name])
    return kept


# --- The authors' checkpoint -------------------------------------------------------------------


def checkpoint_scope(layer: str) -> str:
    """A layer's scope in the authors' checkpoint, without the stream's prefix."""
    name = layer.removesuffix("_conv").removesuffix("_bn")
    if name == "Conv3d_6a_1x1":
        return "Logits/Conv3d_0c_1x1"
    inside = re.fullmatch(r"Conv3d_(\d[b-f])_(\d)([ab])_(\dx\d)", name)
    if inside is None:
        return name
    block, branch, place, size = inside.groups()
    if (block, branch, size) == ("5b", "2", "3x3"):
        place = "a"  # irregular name in the published files
    return f"Mixed_{block}/Branch_{branch}/Conv3d_0{place}_{size}"


def tensor_names(layer: str) -> list[str]:
    """The checkpoint's tensors of a layer, in the order of its Keras weights."""
    scope = checkpoint_scope(layer)
    if layer.endswith("_bn"):
        return [f"{scope}/batch_norm/{n}" for n in ("beta", "moving_mean", "moving_variance")]
    kernel = f"{scope}/conv_3d/w"
    return [kernel, f"{scope}/conv_3d/b"] if layer == CLASSIFIER else [kernel]


def published_checksums(stream: str) -> dict[str, int]:
    """Tensor name to CRC-32C, from the index of the published checkpoint."""
    with CHECKSUMS.open(newline="") as lines:
        return {row["tensor"]: int(row[stream], 16) for row in csv.DictReader(lines)}


def checksum_agrees(value: np.ndarray, published: int) -> bool:
    """Whether a float32 tensor has this CRC-32C, plain or masked as TensorFlow stores it."""
    import google_crc32c

    plain = google_crc32c.value(np.ascontiguousarray(value, "<f4").tobytes())
    masked = ((plain >> 15 | plain << 17) + CRC_MASK) & 0xFFFFFFFF
    return published in (plain, masked)


def checkpoint_prefix(path: Path) -> Path:
    """The common prefix of a checkpoint's files."""
    if path.is_dir():
        found = sorted(path.glob("*.index"))
        if len(found) != 1:
            raise WeightsError(
                f"{path}: {len(found)} checkpoints (.index files) in this folder, expected 1; "
                "give the path of one"
            )
        path = found[0]
    prefix = path.with_suffix("") if path.suffix == ".index" else path
    if not prefix.with_name(prefix.name + ".index").is_file():
        raise WeightsError(
            f"{prefix}.index: no such file; a checkpoint consists of a .index and a "
            ".data-00000-of-00001 file in one folder, a weights file of the Keras port ends in .h5"
        )
    return prefix


def read_checkpoint(
    path: Path, layers: list[str], stream: str, verify: bool
) -> dict[str, list[np.ndarray]]:
    """Reads the weights of the given layers and checks every tensor."""
    import tensorflow as tf  # no other library reads these checkpoints

    unreadable = (tf.errors.OpError, ValueError, RuntimeError, LookupError, OSError)

    prefix = checkpoint_prefix(path)
    try:
        reader = tf.train.load_checkpoint(str(prefix))
        shapes: Mapping[str, list[int]] = reader.get_variable_to_shape_map()
    except unreadable as error:
        raise WeightsError(f"{prefix}: not a readable checkpoint: {_first_line(error)}") from None
    start = "RGB/" if stream == "rgb" else "Flow/"
    starts = [f"{start}inception_i3d/", "inception_i3d/"]  # the second: Kinetics-600
    published = published_checksums(stream)
    found: dict[str, list[np.ndarray]] = {}
    for layer in layers:
        names = tensor_names(layer)
        stored = [next((s + n for s in starts if s + n in shapes), None) for n in names]
        if None in stored:
            if layer == CLASSIFIER:
                continue
            missing = names[stored.index(None)]
            raise WeightsError(
                f"{prefix}: no tensor '{start}inception_i3d/{missing}'; this may be the checkpoint "
                f"of the other stream, the network takes {stream}"
            )
        try:
            values = [np.asarray(reader.get_tensor(n), np.float32) for n in stored]
        except unreadable as error:
            raise WeightsError(f"{prefix}, layer {layer}: {_first_line(error)}") from None
        for name, value in zip(names, values, strict=True):
            if verify and not checksum_agrees(value, published[name]):
                raise WeightsError(
                    f"{prefix}: tensor '{name}' differs from the published one (checksum). "
                    "The file is damaged or was trained further; download it again, or use "
                    "verify=False if it is meant to differ"
                )
        if layer.endswith("_bn"):  # some versions store (1, 1, 1, 1, channels)
            values = [value.reshape(-1) for value in values]
        found[layer] = values
    return found


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__


# --- The Keras port's .h5 ----------------------------------------------------------------------


def read_port(path: Path, layers: list[str]) -> dict[str, list[np.ndarray]]:
    """Reads the weights of the given layers, if the file has them, in the file's order."""
    if not path.is_file():
        raise WeightsError(f"{path}: no such file")
    try:
        with h5py.File(path, "r") as file:
            root = legacy_root(file)
            if root is None:
                raise WeightsError(
                    f"{path}: not a weights file of Keras 1 or 2 (no layer names); the port's "
                    "files are called rgb_inception_i3d_..._tf_kernels.h5"
                )
            arrays = legacy_layers(root)
            return {
                layer: [_values(data) for data in arrays[layer].values()]
                for layer in layers
                if layer in arrays
            }
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise WeightsError(f"{path}: not a readable weights file: {_first_line(error)}") from None


def _values(data: h5py.Dataset) -> np.ndarray:
    """A dataset's values; refuses datasets larger than any tensor of I3D."""
    if data.size > MOST:
        raise WeightsError(
            f"{data.file.filename}: '{data.name}' has shape {data.shape}; no tensor of I3D is as "
            "large, not read"
        )
    return read_values(data).astype(np.float32)
