"""`Source`: what a dataset's file says about itself, and `load_dataset` on top of it."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from keras_skeleton.datasets import store
from keras_skeleton.datasets.dataset import Protocol, SkeletonDataset
from keras_skeleton.utils.errors import DatasetError

DATA_VARIABLE = "KERAS_SKELETON_DATA"


@dataclass(frozen=True)
class Source:
    """One dataset: where its files lie, how they are read, how it is split.

    Attributes:
        name: Short name on the command line.
        title: Full name with authors and year.
        skeleton: Name of the joint layout.
        classes: Class names in label order. (Where only the files know layout and classes,
            `read` calls `writer.declare` before the first clip.)
        protocols: Protocol name to splitting function.
        files: Finds the raw files under the folder that a user gives (empty if none are there).
        read: `read(root, writer, **options)` adds every clip to the store's writer.
        layout: What to download, from where, and how the folder must look: shown when
            nothing is found.
        clips: The published number of usable clips.
        options: Reader options with their defaults; each choice makes a store of its own.
        protocol_options: Options that a protocol needs; it is offered only by a dataset that was
            read with them (`10fold130` of HDM05 needs its 130 classes).
        test_clips: Published test clips of each fold of a protocol; checked where the dataset is
            complete.
        count: Counts the clips under a folder without reading them; by default its files.
        needs_root: False for a dataset that is made, not read.
        watch: Look at the sizes and dates of the files, too, to see whether they have changed:
            for files that a user edits in place.
        fps: Frames a second, or None where frames are missing or their pace is unknown.
        unit: Unit of the coordinates; empty where there is none.
    """

    name: str
    title: str
    skeleton: str
    classes: Sequence[str]
    protocols: Mapping[str, Protocol]
    files: Callable[[Path], Sequence[Path]]
    read: Callable[..., None]
    layout: str
    clips: int
    options: Mapping[str, Any] = field(default_factory=dict)
    protocol_options: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    test_clips: Mapping[str, Sequence[int]] = field(default_factory=dict)
    count: Callable[[Path], int] | None = None
    needs_root: bool = True
    watch: bool = False
    fps: float | None = None
    unit: str = "m"

    def locate(self, root: str | Path | None = None) -> Path | None:
        """The folder with the raw files: `root` or the folder of the dataset's name in it.

        Args:
            root: By default `$KERAS_SKELETON_DATA`.

        Returns:
            None where no files are there, or where none are needed.
        """
        root = root or os.environ.get(DATA_VARIABLE)
        if not self.needs_root or root is None:
            return None
        for folder in (Path(root) / self.name, Path(root)):
            if folder.is_dir() and self.files(folder):
                return folder
        return None

    def find(self, root: str | Path | None = None) -> Path | None:
        """As `locate`; None only where no files are needed.

        Raises:
            DatasetError: Nothing there; says what to download and where to put it.
        """
        if not self.needs_root:
            return None
        chosen = root or os.environ.get(DATA_VARIABLE)
        if chosen is None:
            raise DatasetError(
                f"'{self.name}' has to be downloaded: give its folder, or one that holds it under "
                f"the name '{self.name}', with --data-dir (root= in Python) or in "
                f"{DATA_VARIABLE}.\n{self.layout}"
            )
        if found := self.locate(chosen):
            return found
        if Path(chosen).is_file():
            raise DatasetError(f"{chosen} is a file; --data-dir takes a folder.\n{self.layout}")
        if not Path(chosen).is_dir():
            raise DatasetError(f"{chosen}: no such folder.\n{self.layout}")
        raise DatasetError(
            f"{chosen}: holds no files of '{self.name}', nor does a folder '{self.name}' in it.\n"
            f"{self.layout}"
        )

    def count_clips(self, root: Path) -> int:
        """How many clips the files under `root` should give; nothing is read but lists."""
        return self.count(root) if self.count is not None else len(self.files(root))

    def check_options(self, options: Mapping[str, Any]) -> dict[str, Any]:
        """All reader options, given or default; a DatasetError for an unknown one."""
        unknown = set(options) - set(self.options)
        if unknown:
            raise DatasetError(
                f"'{self.name}' has no reader option {sorted(unknown)}; "
                f"it has {sorted(self.options)}"
            )
        return {**self.options, **options}


def _fingerprint(files: Sequence[Path], watch: bool = False) -> str:
    """Changes when files are added, removed or renamed; with `watch` also when one is edited."""
    names = sorted(file.name for file in files)
    if watch:
        facts = [(file, file.stat()) for file in sorted(files)]
        names = [f"{file} {stat.st_size} {stat.st_mtime_ns}" for file, stat in facts]
    return hashlib.sha256("\n".join(names).encode()).hexdigest()[:16]


def _check_splits(source: Source, dataset: SkeletonDataset) -> None:
    """A DatasetError where a complete dataset is not split as published."""
    for name, published in source.test_clips.items():
        if name in dataset.protocols:
            found = [len(fold.test) for fold in dataset.folds(name)]
            if found != list(published):
                raise DatasetError(
                    f"'{name}' of '{source.name}' tests {found} clips in its folds, published are "
                    f"{list(published)}: please report this"
                )


def load(
    source: Source,
    root: str | Path | None = None,
    cache_dir: str | Path | None = None,
    strict: bool = False,
    force: bool = False,
    log: Callable[[str], None] = lambda text: None,
    **options: Any,
) -> SkeletonDataset:
    """Opens the dataset's store, and makes it first where it is missing or out of date.

    Args:
        source: The dataset.
        root: Folder with the raw files as downloaded, or one that holds it under the dataset's
            name; by default `$KERAS_SKELETON_DATA`. Not written to.
        cache_dir: Where stores live; see `store.default_cache_dir`.
        strict: Stop at the first bad file instead of leaving it out.
        force: Make the store again even if there is one.
        log: Receives lines about what is being done.
        **options: Reader options, see `Source.options`.

    Raises:
        DatasetError: Nothing to read, no usable clip, or (with `strict`) a bad file.
    """
    chosen = source.check_options(options)
    cache = Path(cache_dir) if cache_dir is not None else store.default_cache_dir()
    root = source.find(root)
    files = source.files(root) if root is not None else []
    path = store.store_path(source.name, root, chosen, cache)
    fingerprint = _fingerprint(files, source.watch)

    reason = "forced" if force else None
    if reason is None:
        try:
            manifest = store.read_manifest(path)
            if manifest.get("fingerprint") != fingerprint:
                reason = f"the source has changed since {manifest.get('made')}"
            elif store.skipped_files(manifest["skipped_files"]) != manifest["skipped_files"]:
                reason = "a file that was left out has changed"
            elif strict and manifest["skipped"]:
                reason = f"--strict, and items were left out before: {len(manifest['skipped'])}"
        except DatasetError as error:
            reason = "first use" if not path.exists() else str(error)
    if reason is not None:
        log(f"preparing {source.name} in {path} ({reason})")
        store.prepare(
            path,
            source.skeleton,
            source.classes,
            lambda writer: source.read(root, writer, **chosen),
            info={
                "dataset": source.name,
                "source": str(root.resolve()) if root is not None else "made here",
                "source_files": len(files),
                "fingerprint": fingerprint,
                "options": chosen,
                "fps": chosen.get("fps", source.fps),
                "unit": source.unit,
            },
            strict=strict,
            log=log,
        )
    protocols = {
        name: protocol
        for name, protocol in source.protocols.items()
        if source.protocol_options.get(name, {}).items() <= chosen.items()
    }
    dataset = store.open_store(path, source.name, protocols)
    if len(dataset) == source.clips:
        _check_splits(source, dataset)
    for note in dataset.info["notes"]:
        log(f"note: {note}")
    if skipped := dataset.info["skipped"]:
        what = "item was" if len(skipped) == 1 else "items were"
        log(f"{len(skipped)} {what} left out; the first: {skipped[0][0]}: {skipped[0][1]}")
        log(f"all of them: {path / 'manifest.json'}")
    return dataset
