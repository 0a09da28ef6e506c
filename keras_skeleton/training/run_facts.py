"""What `run.json` records about the dataset and the machine of a run."""

from __future__ import annotations

import platform
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

import keras

from keras_skeleton.datasets.dataset import SkeletonDataset
from keras_skeleton.distributed.devices import current
from keras_skeleton.models.preprocessing import describe_skeleton
from keras_skeleton.utils._version import __version__
from keras_skeleton.utils.processes import cores


def about_dataset(dataset: SkeletonDataset) -> dict[str, Any]:
    """Joints, classes and options of a dataset, with the folder that it was read from."""
    source = dataset.info.get("source")
    return {
        "skeleton": dataset.skeleton.name,
        "layout": describe_skeleton(dataset.skeleton),
        "bodies": dataset.max_bodies,
        "options": dict(dataset.info.get("options", {})),
        "unit": dataset.info.get("unit", "m"),
        "classes": list(dataset.classes),
        "clips": len(dataset),
        "fingerprint": dataset.fingerprint,
        "content": dataset.content,
        "data_dir": source if source and Path(source).is_dir() else None,
    }


def about_machine() -> dict[str, Any]:
    """Versions of the software, precision, devices and the time."""
    jax = ("jax",) if keras.backend.backend() == "jax" else ()
    names = ("tensorflow", *jax, "keras", "numpy", "pandas")
    precision = keras.config.dtype_policy().name
    return {
        "versions": {"keras_skeleton": __version__, "python": platform.python_version()}
        | {name: _version(name) for name in names},
        **({} if precision == "float32" else {"precision": precision}),
        "device": f"{keras.backend.backend()}, {platform.machine()}, {cores()} cores"
        + current().describe(),
        "started": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
    }


def _version(package: str) -> str | None:
    try:
        return version(package)
    except ModuleNotFoundError:
        return None
