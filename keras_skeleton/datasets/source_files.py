"""The raw files of a dataset as they were when a store was made, to notice later changes.

`sources.json` in the store's folder holds the size, time of change and SHA-256 of each file. As in
make and git, a file with the same size and time is taken for unchanged. The content of others is
hashed, so files that were only copied or touched do not make a store outdated.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from keras_skeleton.datasets.store_check import sha256
from keras_skeleton.utils.errors import DatasetError
from keras_skeleton.utils.files import read_json, reason, write_json

FILE = "sources.json"
MAX_BYTES = 256 << 20
RECENT = 2_000_000_000  # ns; a file changed so shortly before may change again in the same tick
SHOWN = 3


@dataclass
class SourceFiles:
    """Files of a dataset at one moment.

    Attributes:
        root: Folder of the dataset.
        stats: Size in bytes and time of change in ns of each file, by its path in `root`.
        hashes: SHA-256 by path, as far as known.
        taken: Time of `stats`, in ns.
        skipped: Paths that the reader skipped although they are none of the dataset's files.

    Example:
        >>> from pathlib import Path
        >>> from keras_skeleton.datasets.source_files import SourceFiles
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     path = Path(folder, "a.txt")
        ...     _ = path.write_text("1")
        ...     then = SourceFiles.of([path], Path(folder)).hashed()
        ...     _ = path.write_text("2, and more")
        ...     SourceFiles.of([path], Path(folder)).changes(then)
        ['a.txt has changed']
    """

    root: Path | None
    stats: dict[str, tuple[int, int]] = field(default_factory=dict)
    hashes: dict[str, str] = field(default_factory=dict)
    taken: int = 0
    skipped: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, files: Iterable[Path], root: Path | None) -> SourceFiles:
        """Sizes and times of files; those that do not exist are left out."""
        own = cls(root, taken=time.time_ns())
        start = "" if root is None else f"{root}{os.sep}"
        for path in sorted({os.fspath(file) for file in files}):  # faster than paths
            try:
                stat = os.stat(path)  # noqa: PTH116
            except OSError:
                continue
            own.stats[path.removeprefix(start)] = stat.st_size, stat.st_mtime_ns
        return own

    def path(self, name: str) -> Path:
        """The full path of a file."""
        return Path(name) if self.root is None else self.root / name

    def hashed(self) -> SourceFiles:
        """Hashes all files whose content is not known yet; returns itself.

        Raises:
            DatasetError: A file cannot be read.
        """
        for name in self.stats:
            if name not in self.hashes:
                self.hashes[name] = self._hash(name)
        return self

    def _hash(self, name: str) -> str:
        path = self.path(name)
        if not path.is_file():  # a folder or a device: nothing to hash
            return ""
        try:
            return sha256(path)
        except OSError as error:
            # A file without permission is skipped by the reader; it is known by its size and time.
            return f"not readable: {reason(error)}"

    def fingerprint(self, version: int = 0) -> str:
        """A hash of the paths and contents; files must be `hashed`."""
        lines = [f"{name} {self.hashes[name]}" for name in sorted(self.stats)]
        if version:
            lines.append(f"version {version}")
        text = "\n".join(lines).encode("utf-8", "surrogateescape")
        return hashlib.sha256(text).hexdigest()[:16]

    def changes(self, then: SourceFiles, all_contents: bool = False) -> list[str]:
        """Compares the files with those at an earlier moment, and takes over known hashes.

        Args:
            then: The files at an earlier moment, `hashed`.
            all_contents: Hash all files, also those of the same size and time.

        Returns:
            What has changed, one line per file.
        """
        found = [f"{name} is missing" for name in then.stats if name not in self.stats]
        for name, stat in self.stats.items():
            if name not in then.stats:
                found.append(f"{name} is new")
                continue
            recent = stat[1] > then.taken - RECENT
            if stat == then.stats[name] and not recent and not all_contents:
                self.hashes[name] = then.hashes[name]
            elif stat[0] != then.stats[name][0]:
                found.append(f"{name} has changed")
            else:
                self.hashes[name] = self._hash(name)
                if self.hashes[name] != then.hashes[name]:
                    found.append(f"{name} has changed")
        return found

    def newer(self, then: SourceFiles) -> bool:
        """Whether recording these files again saves hashing them."""
        recent = any(stat[1] > then.taken - RECENT for stat in self.stats.values())
        return recent or self.stats != then.stats

    def check_unchanged(self) -> None:
        """Raises a DatasetError if a file has changed since `stats` was taken."""
        now = SourceFiles.of([self.path(name) for name in self.stats], self.root)
        for name, stat in self.stats.items():
            if now.stats.get(name) != stat:
                raise DatasetError(
                    f"{self.path(name)}: has changed while it was read; run the command again"
                )

    def add_skipped(self, files: Iterable[Path]) -> None:
        """Adds files that the reader skipped: the store is outdated if they change."""
        more = SourceFiles.of(files, self.root)
        self.skipped = [name for name in more.stats if name not in self.stats]
        for name in self.skipped:
            self.stats[name] = more.stats[name]
        self.hashed()

    def save(self, folder: Path) -> None:
        """Writes `sources.json`."""
        files = {name: [*stat, self.hashes[name]] for name, stat in self.stats.items()}
        write_json(folder / FILE, {"taken": self.taken, "files": files, "skipped": self.skipped})

    @classmethod
    def read(cls, folder: Path, root: Path | None) -> SourceFiles:
        """Reads `sources.json`.

        Raises:
            DatasetError: It is missing or damaged.
        """
        path = folder / FILE
        try:
            content: Mapping[str, Any] = read_json(path, "a list of source files", MAX_BYTES)
            skipped = [str(name) for name in content["skipped"]]
            own = cls(root, taken=int(content["taken"]), skipped=skipped)
            for name, (size, changed, digest) in content["files"].items():
                own.stats[str(name)] = int(size), int(changed)
                own.hashes[str(name)] = str(digest)
        except (OSError, ValueError, KeyError, TypeError, OverflowError, AttributeError) as error:
            raise DatasetError(f"{path}: not readable ({reason(error)})") from None
        return own


def listed(changes: list[str]) -> str:
    """The first changes in words.

    Example:
        >>> from keras_skeleton.datasets.source_files import listed
        >>> listed(["a is new", "b is new", "c is new", "d is new"])
        'a is new, b is new, c is new and 1 more'
    """
    more = len(changes) - SHOWN
    return ", ".join(changes[:SHOWN]) + (f" and {more} more" if more > 0 else "")
