"""The compact on-disk store of a dataset, written once from the raw files and then memory-mapped.

A store is a folder with versions (see `store_versions`). A version is a folder of plain files:

    rows.npy        float32 (R, V, 3), see `SkeletonDataset.rows`
    samples.csv     the table of clips
    extra_*.npy     further arrays with one row per clip
    intervals.csv   annotated actions of untrimmed videos (see `INTERVAL_COLUMNS`)
    manifest.json   source, reader options, counts, skipped items, the size and SHA-256 of the files
                    above, and a hash of its own content
    sources.json    the raw files that were read (see `source_files`)
    verified.json   when the files were last verified (see `store_check`)

It is written under a temporary name and renamed when complete, so an interrupted preparation leaves
no incomplete store. Arrays are read with `allow_pickle=False`.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
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
from keras_skeleton.datasets.source_files import SourceFiles
from keras_skeleton.datasets.store_check import (
    again,
    check_contents,
    check_sizes,
    open_array,
    record_verified,
    sha256,
    verify_once,
)
from keras_skeleton.datasets.store_versions import (
    current_version,
    discard,
    mark_used,
    new_version,
    publish,
    writing,
)
from keras_skeleton.skeletons import SKELETONS, Skeleton, get_skeleton
from keras_skeleton.utils.errors import DatasetError
from keras_skeleton.utils.files import FileError, read_json, reason

MAX_MANIFEST = 256 << 20  # bytes; it lists all skipped files
FORMAT = 3  # increase it if older stores must be prepared again


def default_cache_dir() -> Path:
    """Returns `$KERAS_SKELETON_CACHE`, or `keras_skeleton` in `$XDG_CACHE_HOME` or `~/.cache`."""
    if chosen := os.environ.get("KERAS_SKELETON_CACHE"):
        return Path(chosen)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "keras_skeleton"


class StoreWriter:
    """Writes a store clip by clip, with only one clip in memory at a time.

    It is a context manager: on normal exit the store is completed, on an exception it is removed.

    Args:
        path: Folder of the store; its current version is replaced when the new one is complete.
        skeleton: Name of the joint layout.
        classes: Class names.

    Example:
        >>> from pathlib import Path
        >>> import numpy as np
        >>> from keras_skeleton.datasets.store import StoreWriter, open_store
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
        self.version = self.path  # after the exit, the folder of the version
        self.skeleton = get_skeleton(skeleton)
        self.classes = tuple(classes)
        self.report = ReadReport()
        self.info: dict[str, Any] = {}
        self.log: Callable[[str], None] = lambda text: None
        self.sources: SourceFiles | None = None
        self._told = time.monotonic()
        self._table: list[dict[str, Any]] = []
        self._extras: dict[str, list[np.ndarray]] = {}
        self._intervals: list[tuple[str, int, int, int]] = []
        self._rows = 0

    def __enter__(self) -> StoreWriter:
        # Jobs on several machines may prepare the same store at once, each in its own folder.
        self._folder = new_version(self.path)
        with writing(self.path):
            self._file = open(self._folder / "rows.npy", "wb")
        self._write_header()
        return self

    def _write_header(self) -> None:
        # NumPy pads the header for growth along the first axis, so it can be overwritten in place.
        shape = (self._rows, self.skeleton.size, 3)
        header = {"descr": "<f4", "fortran_order": False, "shape": shape}
        with writing(self.path):
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
        values = np.ascontiguousarray(frames, "<f4")
        if not np.isfinite(values).all():
            raise DatasetError("frames have NaN or infinite values; zeros mark absent bodies")
        start = self._rows
        with writing(self.path):
            self._file.write(values.tobytes())
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
        try:
            if kind is None:
                with writing(self.path):
                    digest = self._complete()
                self.version = publish(
                    self._folder, self.path, digest, lambda there: _is_whole(there, digest)
                )
        finally:
            with suppress(OSError):  # the disk may be full
                self._file.close()
            if self._folder.exists():
                discard(self._folder)

    def _complete(self) -> str:
        """Writes all other files of the version; returns the hash of its content."""
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
            path.name: {"bytes": path.stat().st_size, "sha256": sha256(path)}
            for path in sorted(self._folder.iterdir())
        }
        content = {
            "format": FORMAT,
            "skeleton": _skeleton_entry(self.skeleton),
            "classes": list(self.classes),
            "clips": len(table),
            "rows": self._rows,
            **self.info,
            "notes": self.report.notes,
            "published": self.report.published,
            "skipped": [list(item) for item in self.report.skipped],
            "files": files,
        }
        digest = _digest(content)
        made = time.strftime("%Y-%m-%dT%H:%M:%S%z")
        text = json.dumps({**content, "made": made, "digest": digest}, indent=1, default=str) + "\n"
        (self._folder / "manifest.json").write_text(text, "utf-8")
        if self.sources is not None:
            self.sources.save(self._folder)
        record_verified(self._folder, files)
        for path in self._folder.iterdir():
            _flush(path)
        return digest


def _flush(path: Path) -> None:
    """Waits until a file is on disk: after a power failure, a complete name means complete data."""
    with open(path, "rb") as file:
        os.fsync(file.fileno())


def _digest(manifest: Mapping[str, Any]) -> str:
    """A hash of a manifest's content, without the time at which it was written."""
    content = {key: value for key, value in manifest.items() if key not in ("made", "digest")}
    content = json.loads(json.dumps(content, default=str))  # as it is read from the file
    text = json.dumps(content, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _is_whole(version: Path, digest: str) -> bool:
    """Whether a folder is a version with this content, undamaged."""
    try:
        manifest = read_manifest(version)
        check_contents(version, manifest["files"], "")
    except DatasetError:
        return False
    return bool(manifest["digest"] == digest)


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


def skipped_files(places: Iterable[str]) -> list[Path]:
    """The files in places like `folder/file.txt:12`."""
    names = {place if Path(place).is_file() else place.rpartition(":")[0] for place in places}
    return [Path(name) for name in sorted(names) if name and Path(name).is_file()]


_TYPES: dict[str, type] = {
    "classes": list, "clips": int, "rows": int, "notes": list, "skipped": list, "files": dict,
}  # fmt: skip


def read_manifest(path: str | Path) -> dict[str, Any]:
    """Reads the manifest of a store's current version, or of a version.

    Raises:
        DatasetError: There is no valid store in the folder.
    """
    path = current_version(path)
    file = path / "manifest.json"
    way = "delete the folder and prepare again"
    try:
        manifest = read_json(file, "a store's manifest", MAX_MANIFEST)
    except (FileNotFoundError, NotADirectoryError):
        raise DatasetError(f"{path}: not a prepared store (manifest.json is missing)") from None
    except FileError as error:
        raise DatasetError(f"{error}; {way}") from None
    except (ValueError, OSError) as error:
        raise DatasetError(f"{file}: {reason(error)}; {way}") from None
    if not isinstance(manifest, dict):
        raise DatasetError(f"{file}: not a manifest; {way}")
    if manifest.get("format") != FORMAT:
        raise DatasetError(
            f"{path}: written by another version (format {manifest.get('format')}, expected "
            f"{FORMAT}); {way}"
        )
    if manifest.get("digest") != _digest(manifest):
        raise DatasetError(f"{file}: changed since it was written; {way}")
    wrong = [key for key, kind in _TYPES.items() if not isinstance(manifest.get(key), kind)]
    if wrong or not all(
        isinstance(facts, dict)
        and isinstance(facts.get("bytes"), int)
        and isinstance(facts.get("sha256"), str)
        and Path(name).name == name
        for name, facts in manifest["files"].items()
    ):
        raise DatasetError(f"{file}: not a manifest ({', '.join(wrong) or 'files'}); {way}")
    return manifest


def open_store(
    path: str | Path, name: str, protocols: dict[str, Protocol], way: str = ""
) -> SkeletonDataset:
    """Opens a store; its rows are memory-mapped.

    The contents of the files are verified when they are opened for the first time after a change.

    Args:
        path: Folder of the store, or of one of its versions.
        name: Name of the dataset.
        protocols: Protocols of the dataset.
        way: What to do about a damaged store, for the error message.

    Raises:
        DatasetError: There is no store in the folder, it has another format, or its files do not
            match the manifest or have values that are not finite.

    Example:
        >>> from keras_skeleton.datasets.store import open_store
        >>> open_store("/no/such/folder", "toy", protocols={})
        Traceback (most recent call last):
            ...
        keras_skeleton.utils.errors.DatasetError: /no/such/folder: not a prepared store ...
    """
    path = current_version(path)
    mark_used(path)
    manifest = read_manifest(path)
    files, way = manifest["files"], way or again(name)
    check_sizes(path, files, way)
    skeleton = _skeleton_of(manifest["skeleton"])
    rows = (
        open_array(path / "rows.npy", "f4", way)
        if manifest["rows"]
        else np.zeros((0, skeleton.size, 3), np.float32)
    )
    if len(rows) != manifest["rows"]:
        raise DatasetError(
            f"{path / 'rows.npy'}: has {len(rows)} rows, expected {manifest['rows']}; {way}"
        )
    extras = {
        file.removesuffix(".npy").removeprefix("extra_"): open_array(path / file, "fiubU", way)
        for file in sorted(files)
        if file.startswith("extra_")
    }
    verify_once(path, files, way)
    intervals = pd.DataFrame(columns=list(INTERVAL_COLUMNS))
    if "intervals.csv" in files:
        intervals = _read_table(path / "intervals.csv", way)
    samples = _read_table(path / "samples.csv", way)
    if lost := [key for key, values in extras.items() if len(values) != len(samples)]:
        raise DatasetError(f"{path / f'extra_{lost[0]}.npy'}: not one row per clip; {way}")
    return SkeletonDataset(
        name=name,
        skeleton=skeleton,
        classes=tuple(manifest["classes"]),
        rows=rows,
        samples=samples,
        protocols=protocols,
        extras=extras,
        info=manifest | {"store": str(path)},
        intervals=intervals,
    )


def _read_table(path: Path, way: str) -> pd.DataFrame:
    try:
        return pd.read_csv(path, dtype={"name": str, "video": str}, keep_default_na=False)
    except (ValueError, OSError) as error:
        raise DatasetError(f"{path}: damaged ({reason(error)}); {way}") from None


def verify_store(path: str | Path, name: str = "", way: str = "") -> None:
    """Compares the SHA-256 of every file of a store with its manifest.

    Args:
        path: Folder of the store, or of one of its versions.
        name: Name of the dataset, for the error message.
        way: What to do about a damaged store, for the error message.

    Raises:
        DatasetError: There is no store in the folder, or a file has changed or has values that are
            not finite.

    Example:
        >>> from pathlib import Path
        >>> import numpy as np
        >>> from keras_skeleton.datasets.store import StoreWriter, verify_store
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     with StoreWriter(Path(folder, "toy"), "kinect_v2", ["wave"]) as writer:
        ...         writer.add(np.ones((30, 1, 25, 3)), name="clip1", label=0)
        ...     verify_store(Path(folder, "toy"))
    """
    path = current_version(path)
    check_contents(path, read_manifest(path)["files"], way or again(name))


def store_path(
    name: str, root: str | Path | None, options: dict[str, Any], cache: Path, format: int = FORMAT
) -> Path:
    """The folder of a store, one for each dataset, source folder and combination of options."""
    source = str(Path(root).resolve()) if root is not None else "made here"
    key = json.dumps([format, name, source, options], sort_keys=True, default=str)
    return cache / f"{name}-{hashlib.sha256(key.encode()).hexdigest()[:10]}"


def prepare(
    path: Path,
    skeleton: str,
    classes: Sequence[str],
    fill: Callable[[StoreWriter], None],
    info: dict[str, Any],
    strict: bool = False,
    log: Callable[[str], None] = lambda text: None,
    sources: SourceFiles | None = None,
) -> Path:
    """Writes a store; `fill` reads the source and adds its clips to the writer.

    Returns:
        The folder of the new version.
    """
    from keras_skeleton.utils._version import __version__

    with StoreWriter(path, skeleton, classes) as writer:
        writer.report.strict = strict
        writer.log = log
        writer.info = info | {"version": __version__}
        writer.sources = sources
        fill(writer)
        if not writer._table:
            lines = [f"{info.get('source')}: no usable clips were found", *writer.report.first()]
            raise DatasetError("\n".join(lines))
        if sources is not None:
            sources.check_unchanged()
            sources.add_skipped(skipped_files(item.where for item in writer.report.skipped))
    return writer.version
