"""Tells weight files from other files, and takes the weights out of `.keras` archives.

A `.keras` archive is a zip file. Only its member `model.weights.h5` is read; its configuration,
which may name code, is not. The member is written to a path of our own choice, so names in the
archive lead nowhere, and no more of it is written than the network can need.
"""

from __future__ import annotations

import stat
import zipfile
import zlib
from pathlib import Path

import h5py

WEIGHTS = "model.weights.h5"
TIMES, SPARE = 5, 64 << 20  # weights, up to three moments of an optimizer, and what HDF5 adds
STEP = 1 << 20  # bytes copied at once

WRITE = "model.save_weights('name.weights.h5')"
TENSORFLOW = f"load it in TensorFlow into the network's code and write {WRITE} from there"
SAVED_MODEL = f"a SavedModel of TensorFlow, not a weight file of Keras; {TENSORFLOW}"
CHECKPOINT = (
    f"a TensorFlow checkpoint, not a weight file of Keras; {TENSORFLOW} (the published checkpoints "
    "of I3D: checkpoints.i3d.load_i3d_weights)"
)
PYTORCH = (
    "a file of PyTorch, whose arrays have other names, orders and axes; copy them layer by layer "
    f"into a Keras network and write {WRITE}"
)
PICKLE = "a pickle, which may run code, not a weight file of Keras"


def refusal(path: Path) -> str:
    """Says what a path is, and what to do, if it is neither HDF5 nor a zip file with weights.

    Args:
        path: A file, a folder, or the common prefix of a checkpoint's files.

    Returns:
        Empty if it may be read.
    """
    if path.is_dir():
        if (path / "saved_model.pb").is_file():
            return SAVED_MODEL
        if next(path.glob("*.index"), None):
            return CHECKPOINT
        return "a folder, expected a file of weights (.h5 or .keras)"
    if not path.is_file():
        if path.with_name(path.name + ".index").is_file():
            return CHECKPOINT
        return "no such file; expected a .h5 file of weights or a .keras archive"
    if h5py.is_hdf5(path):
        return ""
    with path.open("rb") as file:
        start = file.read(64)
    if zipfile.is_zipfile(path):
        return _refused_zip(path)
    if start.startswith(b"PK\x03\x04"):
        return "not a readable weights file: a zip file whose end is missing; copy it again"
    if path.name == "saved_model.pb":
        return SAVED_MODEL
    if path.suffix == ".index" or ".data-0" in path.name or path.name == "checkpoint":
        return CHECKPOINT
    if start[:1] == b"\x80" and start[1:2] in b"\2\3\4\5":
        is_torch = b"\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19" in start  # how torch.save once began
        return PYTORCH if is_torch or path.suffix in (".pt", ".pth") else PICKLE
    if path.suffix in (".pt", ".pth"):
        return PYTORCH
    if start.startswith(b"\x89HDF\r\n\x1a\n"):
        return ""  # h5py says what is wrong with it
    return "not a readable weights file: neither HDF5 (.h5) nor a .keras archive"


def is_archive(path: Path) -> bool:
    """Whether a file is to be read with `extract`."""
    return not h5py.is_hdf5(path) and zipfile.is_zipfile(path)


def extract(path: Path, folder: Path, network_bytes: int) -> Path:
    """Writes the weights of a `.keras` archive into a folder.

    Args:
        path: The archive.
        folder: An empty folder.
        network_bytes: Size of the network's variables.

    Returns:
        The file with the weights.

    Raises:
        ValueError: A member that is damaged, encrypted, a link or larger than the network can need.
    """
    most = TIMES * network_bytes + SPARE
    large = f"its {WEIGHTS} has more than {most / 1e6:.0f} MB, too much for this network; not read"
    target = folder / "weights.h5"
    try:
        with zipfile.ZipFile(path) as archive:
            member = archive.getinfo(WEIGHTS)
            if stat.S_ISLNK(member.external_attr >> 16):
                raise ValueError(f"its {WEIGHTS} is a link; not followed")
            if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                raise ValueError(f"its {WEIGHTS} is compressed as Keras never does; not read")
            if member.file_size > most:
                raise ValueError(large)
            with archive.open(member) as source, target.open("wb") as file:
                left = most  # what the archive says of its sizes need not be true
                while data := source.read(STEP):
                    left -= len(data)
                    if left < 0:
                        raise ValueError(large)
                    file.write(data)
    except (zipfile.BadZipFile, EOFError, zlib.error) as error:
        raise ValueError(f"a damaged .keras archive ({error}); copy it again") from None
    return target


def _refused_zip(path: Path) -> str:
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, NotImplementedError, ValueError) as error:
        return f"not a readable weights file: a damaged zip file ({error}); copy it again"
    if WEIGHTS in names:
        return ""
    if any(name.rpartition("/")[2] == "data.pkl" for name in names):
        return PYTORCH
    if "config.json" in names:
        return (
            f"a .keras archive without {WEIGHTS}, as Keras writes in parts or with NumPy; load the "
            f"model in Keras and write {WRITE}"
        )
    return (
        f"a zip file without {WEIGHTS}, no .keras archive; unpack it and name the file of weights"
    )
