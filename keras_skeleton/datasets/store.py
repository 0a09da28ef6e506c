"""The compact on-disk store of a dataset, written once from the raw files and then memory-mapped.

A store is a folder of plain files:

    rows.npy        float32 (R, V, 3), see `SkeletonDataset.rows`
    samples.csv     the table of clips
    extra_*.npy     further arrays with one row per clip
    intervals.csv   annotated actions of untrimmed videos (see `INTERVAL_COLUMNS`)
    manifest.json   source, reader options, counts, skipped items, and the size and SHA-256 of all
                    other files

It is written under a temporary name and renamed when complete, so an interrupted preparation leaves
no incomplete store. Arrays are read with `allow_pickle=False`.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import time
import uuid
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from keras_skeleton.datasets.dataset import (
    INTERVAL_COLUMNS,
    SAMPLE_COLUMNS,
    Protocol,
    ReadReport,
    SkeletonDataset,
)
from keras_skeleton.skeletons import SKELETONS, Skeleton, get_skeleton
from keras_skeleton.utils.errors import DatasetError
from keras_skeleton.utils.files import FileError, read_json

MAX_MANIFEST = 256 << 20  # bytes; it lists all skipped files
FORMAT = 2  # increase it if older stores must be prepared again


def default_cache_dir() -> Path:
    """Returns `$KERAS_SKELETON_CACHE`, or `keras_skeleton` in `$XDG_CACHE_HOME` or `~/.cache`."""
    if chosen := os.environ.get("KERAS_SKELETON_CACHE"):
        return Path(chosen)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "keras_skeleton"


class StoreWriter:
    """Writes a store clip by clip, with only one clip in memory at a time.

    It is a context manager: on normal exit the store is completed, on an exception it is removed.

    Args:
        path: Folder of the store; an existing one is replaced.
        skeleton: Name of the joint layout.
        classes: Class names.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     with StoreWriter(Path(folder, "toy"), "kinect_v2", ["wave", "nod"]) as writer:
        ...         writer.add(np.ones((30, 1, 25, 3)), name="clip1", label=0, subject=1)
        ...     dataset = open_store(Path(folder, "toy"), "toy", protocols={})
        ...     dataset.clip(0).shape
        (30, 1, 25, 3)
    """

    def __init__(self, path: str | Path, skeleton: str, classes: Sequence[str]) -> None:
        self.path = Path(path)
        self.skeleton = get_skeleton(skeleton)
        self.classes = tuple(classes)
        self.report = ReadReport()
        self.info: dict[str, Any] = {}
        self.log: Callable[[str], None] = lambda text: None
        self._told = time.monotonic()
        self._table: list[dict[str, Any]] = []
        self._extras: dict[str, list[np.ndarray]] = {}
        self._intervals: list[tuple[str, int, int, int]] = []
        self._rows = 0

    def __enter__(self) -> StoreWriter:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        # Jobs on several machines may prepare the same store at once, each in its own folder.
        self._folder = self.path.with_name(f".{self.path.name}.{uuid.uuid4().hex}.part")
        self._folder.mkdir()
        _sweep(self.path)
        self._file = open(self._folder / "rows.npy", "wb")
        self._write_header()
        return self

    def _write_header(self) -> None:
        # NumPy pads the header for growth along the first axis, so it can be overwritten in place.
        shape = (self._rows, self.skeleton.size, 3)
        header = {"descr": "<f4", "fortran_order": False, "shape": shape}
        self._file.seek(0)
        np.lib.format.write_array_header_1_0(self._file, header)

    def declare(self, skeleton: str | Skeleton, classes: Sequence[str]) -> None:
        """Sets layout and classes that depend on the files; call it before adding clips."""
        if self._rows or self._table:
            raise ValueError("layout and classes must be declared before the first clip is added")
        self.skeleton, self.classes = get_skeleton(skeleton), tuple(classes)
        self._write_header()

    def progress(self, done: int, total: int) -> None:
        """Logs the progress every few seconds."""
        if time.monotonic() - self._told > 5:
            self._told = time.monotonic()
            self.log(f"  {done:,} of {total:,} files read")

    def add_rows(self, frames: np.ndarray) -> int:
        """Appends frames (T, M, V, 3) and returns the index of their first row."""
        if frames.ndim != 4 or frames.shape[2:] != (self.skeleton.size, 3):
            raise DatasetError(
                f"frames have shape {frames.shape}, expected (T, M, {self.skeleton.size}, 3)"
            )
        start = self._rows
        self._file.write(np.ascontiguousarray(frames, "<f4").tobytes())
        self._rows += frames.shape[0] * frames.shape[1]
        return start

    def add_sample(self, extras: dict[str, np.ndarray] | None = None, **columns: Any) -> None:
        """Adds a clip whose rows were written by `add_rows`; clips may overlap.

        Args:
            extras: Arrays to store with the clip.
            **columns: Values of `SAMPLE_COLUMNS`, including start, frames and bodies.
        """
        if columns["frames"] < 1 or columns["bodies"] < 1:
            raise DatasetError(f"clip '{columns.get('name')}' has no frames")
        self._table.append({column: 0 for column in SAMPLE_COLUMNS} | columns)
        for key, value in (extras or {}).items():
            self._extras.setdefault(key, []).append(np.asarray(value))

    def add(
        self, clip: np.ndarray, extras: dict[str, np.ndarray] | None = None, **columns: Any
    ) -> None:
        """Appends a clip.

        Args:
            clip: (T, M, V, 3).
            extras: Arrays to store with the clip.
            **columns: Values of `SAMPLE_COLUMNS`, such as name, label and subject, or of others.
        """
        start = self.add_rows(clip)
        self.add_sample(extras, start=start, frames=clip.shape[0], bodies=clip.shape[1], **columns)

    def add_interval(self, video: str, label: int, start: int, end: int) -> None:
        """Adds an annotated action, the frames `start` to `end` - 1 of an untrimmed video."""
        if not (0 <= start < end and 0 <= label < len(self.classes)):
            raise DatasetError(f"video '{video}': invalid interval {label=}, {start=}, {end=}")
        self._intervals.append((video, label, start, end))

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None:
            self._file.close()
            shutil.rmtree(self._folder, ignore_errors=True)
            return
        self._write_header()
        self._file.close()
        table = pd.DataFrame(self._table, columns=None if self._table else list(SAMPLE_COLUMNS))
        table.to_csv(self._folder / "samples.csv", index=False, lineterminator="\n")
        if self._intervals:
            intervals = pd.DataFrame(self._intervals, columns=list(INTERVAL_COLUMNS))
            intervals.to_csv(self._folder / "intervals.csv", index=False, lineterminator="\n")
        for key, values in self._extras.items():
            np.save(self._folder / f"extra_{key}.npy", np.stack(values), allow_pickle=False)
        files = {
            path.name: {"bytes": path.stat().st_size, "sha256": _sha256(path)}
            for path in sorted(self._folder.iterdir())
        }
        manifest = {
            "format": FORMAT,
            "skeleton": _skeleton_entry(self.skeleton),
            "classes": list(self.classes),
            "clips": len(table),
            "rows": self._rows,
            "made": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
            **self.info,
            "notes": self.report.notes,
            "skipped": [list(item) for item in self.report.skipped],
            "skipped_files": skipped_files(item.where for item in self.report.skipped),
            "files": files,
        }
        text = json.dumps(manifest, indent=1, default=str) + "\n"
        (self._folder / "manifest.json").write_text(text, "utf-8")
        try:
            if self.path.exists():
                shutil.rmtree(self.path)
            os.replace(self._folder, self.path)
        except OSError:
            # Another job has completed the same store first: keep that one.
            shutil.rmtree(self._folder, ignore_errors=True)
            read_manifest(self.path)


def _skeleton_entry(skeleton: Skeleton) -> str | dict[str, Any]:
    """A layout in the manifest: its name, or all its fields if it is user-defined."""
    return skeleton.name if SKELETONS.get(skeleton.name) == skeleton else asdict(skeleton)


def _skeleton_of(entry: str | dict[str, Any]) -> Skeleton:
    """The layout of a manifest's entry; the inverse of `_skeleton_entry`."""
    if isinstance(entry, str):
        return get_skeleton(entry)

    def tuples(value: Any) -> Any:  # JSON has only lists
        return tuple(map(tuples, value)) if isinstance(value, list) else value

    return Skeleton(**{key: tuples(value) for key, value in entry.items()})


def _sweep(path: Path) -> None:
    """Removes files of preparations of the same store that were killed more than a day ago."""
    for part in path.parent.glob(f".{path.name}.*.part"):
        if time.time() - part.stat().st_mtime > 24 * 3600:
            shutil.rmtree(part, ignore_errors=True)


def skipped_files(places: Iterable[str]) -> dict[str, list[int]]:
    """Size and date of the files in places like `folder/file.txt:12`, to detect changes."""
    names = {place if Path(place).is_file() else place.rpartition(":")[0] for place in places}
    facts = {name: Path(name).stat() for name in sorted(names) if name and Path(name).is_file()}
    return {name: [stat.st_size, stat.st_mtime_ns] for name, stat in facts.items()}


def _sha256(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_manifest(path: str | Path) -> dict[str, Any]:
    """Reads the manifest of a store; a DatasetError if there is no valid store in the folder."""
    path = Path(path)
    try:
        manifest = read_json(path / "manifest.json", "a store's manifest", MAX_MANIFEST)
    except FileError as error:
        raise DatasetError(f"{error}; delete the folder") from None
    except FileNotFoundError:
        raise DatasetError(f"{path}: not a prepared store (manifest.json is missing)") from None
    except ValueError as error:
        raise DatasetError(f"{path / 'manifest.json'}: {error}; delete the folder") from None
    if not isinstance(manifest, dict):
        raise DatasetError(f"{path / 'manifest.json'}: not a manifest; delete the folder")
    if manifest.get("format") != FORMAT:
        raise DatasetError(
            f"{path}: written by another version (format {manifest.get('format')}, expected "
            f"{FORMAT}); delete the folder and prepare again"
        )
    return manifest


def open_store(path: str | Path, name: str, protocols: dict[str, Protocol]) -> SkeletonDataset:
    """Opens a store; its rows are memory-mapped.

    Only the sizes of the files are checked; `verify_store` checks their content.

    Args:
        path: Folder of the store.
        name: Name of the dataset.
        protocols: Protocols of the dataset.

    Raises:
        DatasetError: There is no store in the folder, it has another format, or its files do not
            match the manifest.

    Example:
        >>> open_store("/no/such/folder", "toy", protocols={})
        Traceback (most recent call last):
            ...
        keras_skeleton.utils.errors.DatasetError: /no/such/folder: not a prepared store ...
    """
    path = Path(path)
    manifest = read_manifest(path)
    for file, facts in manifest["files"].items():
        if not (path / file).is_file() or (path / file).stat().st_size != facts["bytes"]:
            raise DatasetError(
                f"{path / file}: missing, or its size is not {facts['bytes']} bytes; "
                "delete the folder and prepare again"
            )
    skeleton = _skeleton_of(manifest["skeleton"])
    rows = (
        np.load(path / "rows.npy", mmap_mode="r", allow_pickle=False)
        if manifest["rows"]
        else np.zeros((0, skeleton.size, 3), np.float32)
    )
    extras = {
        file.stem.removeprefix("extra_"): np.load(file, mmap_mode="r", allow_pickle=False)
        for file in sorted(path.glob("extra_*.npy"))
    }
    text = {"name": str, "video": str}
    intervals = pd.DataFrame(columns=list(INTERVAL_COLUMNS))
    if "intervals.csv" in manifest["files"]:
        intervals = pd.read_csv(path / "intervals.csv", dtype=text, keep_default_na=False)
    return SkeletonDataset(
        name=name,
        skeleton=skeleton,
        classes=tuple(manifest["classes"]),
        rows=rows,
        samples=pd.read_csv(path / "samples.csv", dtype=text, keep_default_na=False),
        protocols=protocols,
        extras=extras,
        info=manifest | {"store": str(path)},
        intervals=intervals,
    )


def verify_store(path: str | Path) -> None:
    """Compares the SHA-256 of every file of a store with its manifest.

    Args:
        path: Folder of the store.

    Raises:
        DatasetError: There is no store in the folder, or a file has changed.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     with StoreWriter(Path(folder, "toy"), "kinect_v2", ["wave"]) as writer:
        ...         writer.add(np.ones((30, 1, 25, 3)), name="clip1", label=0)
        ...     verify_store(Path(folder, "toy"))
    """
    path = Path(path)
    for file, facts in read_manifest(path)["files"].items():
        if _sha256(path / file) != facts["sha256"]:
            raise DatasetError(f"{path / file}: changed since it was written; prepare again")


def store_path(name: str, root: str | Path | None, options: dict[str, Any], cache: Path) -> Path:
    """The folder of a store, one for each dataset, source folder and combination of options."""
    source = str(Path(root).resolve()) if root is not None else "made here"
    key = json.dumps([FORMAT, name, source, options], sort_keys=True, default=str)
    return cache / f"{name}-{hashlib.sha256(key.encode()).hexdigest()[:10]}"


def prepare(
    path: Path,
    skeleton: str,
    classes: Sequence[str],
    fill: Callable[[StoreWriter], None],
    info: dict[str, Any],
    strict: bool = False,
    log: Callable[[str], None] = lambda text: None,
) -> None:
    """Writes a store; `fill` reads the source and adds its clips to the writer."""
    from keras_skeleton.utils._version import __version__

    with StoreWriter(path, skeleton, classes) as writer:
        writer.report.strict = strict
        writer.log = log
        writer.info = info | {"version": __version__}
        fill(writer)
        if not writer._table:
            reasons = "".join(f"\n  {s.where}: {s.why}" for s in writer.report.skipped[:5])
            raise DatasetError(f"{info.get('source')}: no usable clips were found{reasons}")
