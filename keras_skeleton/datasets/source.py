"""`Source`, the description of a dataset, and the function that loads one."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from keras_skeleton.datasets import store
from keras_skeleton.datasets.dataset import Protocol, SkeletonDataset, first_skipped
from keras_skeleton.datasets.source_files import SourceFiles, listed
from keras_skeleton.datasets.store_check import again
from keras_skeleton.utils.errors import DatasetError

DATA_VARIABLE = "KERAS_SKELETON_DATA"
TRIES = 3


@dataclass(frozen=True)
class Source:
    """Description of a dataset: its files, how to read them, and its protocols.

    Attributes:
        name: Short name, used on the command line.
        title: Full name with authors and year.
        skeleton: Name of the joint layout.
        classes: Class names in label order. If layout and classes depend on the files, `read`
            calls `writer.declare` before the first clip.
        protocols: Maps a protocol's name to its splitting function.
        files: Returns the raw files in a folder; empty if there are none.
        read: `read(root, writer, **options)` adds all clips to the writer of a store.
        layout: What to download, from where, and the expected folder structure; shown if no files
            are found.
        clips: The published number of usable clips.
        options: Reader options with their defaults; each combination has its own store.
        protocol_options: Reader options that a protocol requires; without them the protocol is not
            available (`10fold130` of HDM05 requires its 130 classes).
        test_clips: Published number of test clips in each fold of a protocol; checked if the
            dataset is complete.
        count: Counts the clips in a folder without reading them; by default the number of files.
        needs_root: False for a dataset that is generated rather than read.
        further_files: Returns files that are read besides `files`, such as labels. If any of these
            or of `files` changes, the store is prepared again.
        fps: Frames per second; None if frames are missing or the rate is unknown.
        unit: Unit of the coordinates; empty if there is none.
        default_protocol: Returns the protocol to use for the files in a folder if none is named;
            None if a protocol must be named.
        version: Number of the reader's version, increased if stores must be prepared again.

    Example:
        >>> from keras_skeleton.datasets.registry import get_source
        >>> source = get_source("sbu")
        >>> source.clips, source.skeleton, dict(source.options)
        (282, 'sbu', {'units': 'metres'})
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
    further_files: Callable[[Path], Sequence[Path]] = lambda root: ()
    fps: float | None = None
    unit: str = "m"
    default_protocol: Callable[[Path], str] | None = None
    version: int = 0
    unlabeled: Callable[[Path], str] = lambda root: ""

    def locate(self, root: str | Path | None = None) -> Path | None:
        """Returns the folder with the raw files: `root`, or its subfolder of the dataset's name.

        Args:
            root: By default `$KERAS_SKELETON_DATA`.

        Returns:
            The folder, or None if there are no files or none are needed.
        """
        root = root or os.environ.get(DATA_VARIABLE)
        if not self.needs_root or root is None:
            return None
        for folder in (Path(root) / self.name, Path(root)):
            if folder.is_dir() and self.files(folder):
                return folder
        return None

    def find(self, root: str | Path | None = None) -> Path | None:
        """Like `locate`, but raises an error if there are no files.

        Returns:
            The folder, or None if no files are needed.

        Raises:
            DatasetError: No files were found; the message describes what to download.
        """
        if not self.needs_root:
            return None
        chosen = root or os.environ.get(DATA_VARIABLE)
        if chosen is None:
            raise DatasetError(
                f"'{self.name}' must be downloaded: give its folder, or a folder that contains it "
                f"as '{self.name}', by --data-dir (root= in Python) or in "
                f"{DATA_VARIABLE}.\n{self.layout}"
            )
        if found := self.locate(chosen):
            return found
        if why := self.unlabeled(Path(chosen)):
            raise DatasetError(why)
        if Path(chosen).is_file():
            raise DatasetError(f"{chosen} is a file; --data-dir must be a folder.\n{self.layout}")
        if not Path(chosen).is_dir():
            raise DatasetError(f"{chosen}: no such folder.\n{self.layout}")
        raise DatasetError(
            f"{chosen}: no files of '{self.name}' in this folder or in its subfolder "
            f"'{self.name}'.\n{self.layout}"
        )

    def protocol_for(self, root: str | Path | None = None) -> str | None:
        """The protocol to use if none is named; None if one must be named.

        Args:
            root: As for `find`.

        Raises:
            DatasetError: No files were found.
        """
        if self.default_protocol is None:
            return None
        folder = self.find(root)
        return None if folder is None else self.default_protocol(folder)

    def count_clips(self, root: Path) -> int:
        """The number of clips expected from the files in `root`, without reading the clips."""
        return self.count(root) if self.count is not None else len(self.files(root))

    def check_options(self, options: Mapping[str, Any]) -> dict[str, Any]:
        """Completes reader options with their defaults; a DatasetError for an unknown option."""
        unknown = set(options) - set(self.options)
        if unknown:
            raise DatasetError(
                f"'{self.name}' has no reader option {sorted(unknown)}; "
                f"its options are {sorted(self.options)}"
            )
        return {**self.options, **options}


def _check_splits(source: Source, dataset: SkeletonDataset) -> None:
    """Raises a DatasetError if a complete dataset is not split as published."""
    for name, published in source.test_clips.items():
        if name in dataset.protocols:
            found = [len(fold.test) for fold in dataset.folds(name)]
            if found != list(published):
                raise DatasetError(
                    f"protocol '{name}' of '{source.name}' has {found} test clips in its folds "
                    f"instead of the published {list(published)}; please report this"
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
    """Opens a dataset's store; prepares the store first if it is missing or outdated.

    Args:
        source: The dataset.
        root: Folder with the raw files as downloaded, or a folder that contains it under the
            dataset's name; by default `$KERAS_SKELETON_DATA`. It is not written to.
        cache_dir: Folder of the stores; see `store.default_cache_dir`.
        strict: Raise an error for the first bad file instead of skipping it, and if counts differ
            from the published ones.
        force: Prepare the store again even if it is up to date.
        log: Receives progress messages.
        **options: Reader options, see `Source.options`.

    Raises:
        DatasetError: There are no files or no usable clips, an option is unknown, or (with
            `strict`) a file is bad or missing.

    Example:
        >>> from keras_skeleton.datasets.source import load
        >>> from tempfile import TemporaryDirectory
        >>> from keras_skeleton.datasets.registry import get_source
        >>> with TemporaryDirectory() as cache:
        ...     dataset = load(get_source("synthetic"), cache_dir=cache, subjects=1, repetitions=1)
        >>> len(dataset)
        42
    """
    chosen = source.check_options(options)
    cache = Path(cache_dir) if cache_dir is not None else store.default_cache_dir()
    root = source.find(root)
    if root is not None:  # places in the report stay valid when the working directory changes
        root = root.resolve()
    path = store.store_path(source.name, root, chosen, cache)
    protocols = {
        name: protocol
        for name, protocol in source.protocols.items()
        if source.protocol_options.get(name, {}).items() <= chosen.items()
    }
    for tries_left in reversed(range(TRIES)):
        if (why := "forced" if force else _outdated(source, root, path, strict)) is not None:
            log(f"preparing {source.name} in {path} ({why})")
            _note_older_stores(source, root, path, chosen, log)
            version = _prepare(source, root, path, chosen, strict, log)
        else:
            version = store.current_version(path)
        try:
            way = _again(source, path, root, chosen)
            dataset = store.open_store(version, source.name, protocols, way)
        except DatasetError:
            if version.exists() or not tries_left:
                raise
        else:  # otherwise another process has deleted an old version in this moment
            break
    if len(dataset) == source.clips:
        _check_splits(source, dataset)
    for note in dataset.info["notes"]:
        log(f"note: {note}")
    if skipped := dataset.info["skipped"]:
        what = "item was" if len(skipped) == 1 else "items were"
        log("\n".join([f"{len(skipped)} {what} skipped:", *first_skipped(skipped)]))
        log(f"full list: {version / 'manifest.json'}")
    if strict and dataset.info["published"]:
        raise DatasetError(
            f"{root}: not the published '{source.name}' ({'; '.join(dataset.info['published'])}); "
            "complete it, or omit --strict (strict=False in Python)"
        )
    return dataset


def _again(source: Source, path: Path, root: Path | None, options: Mapping[str, Any]) -> str:
    """The command that writes a store again."""
    cache = path.parent if path.parent != store.default_cache_dir() else None
    changed = {k: v for k, v in options.items() if v != source.options.get(k)}
    return again(source.name, root, cache, changed)


def _note_older_stores(
    source: Source,
    root: Path | None,
    path: Path,
    options: dict[str, Any],
    log: Callable[[str], None],
) -> None:
    """Names the stores that earlier versions of the package have written for the same dataset."""
    for number in range(1, store.FORMAT):
        old = store.store_path(source.name, root, options, path.parent, number)
        if old.exists():
            log(f"{old} was written by an earlier version and is not used; it can be deleted")


def _files(source: Source, root: Path | None, more: Sequence[Path] = ()) -> SourceFiles:
    """The files of a dataset as they are now."""
    if root is None:
        return SourceFiles.of((), None)
    return SourceFiles.of([*source.files(root), *source.further_files(root), *more], root)


def _outdated(source: Source, root: Path | None, path: Path, strict: bool) -> str | None:
    """Why a store must be prepared; None if it is up to date."""
    try:
        version = store.current_version(path)
        if not (version / "manifest.json").exists():
            return "first use"
        manifest = store.read_manifest(version)
        then = SourceFiles.read(version, root)
    except DatasetError as error:
        return str(error)
    now = _files(source, root, [then.path(name) for name in then.skipped])
    now.skipped = then.skipped
    if manifest.get("reader") != source.version:
        return f"'{source.name}' is read in another way since {manifest.get('made')}"
    if changes := now.changes(then):
        return f"the source has changed since {manifest.get('made')}: {listed(changes)}"
    if strict and manifest["skipped"]:
        return f"--strict, and items were skipped before: {len(manifest['skipped'])}"
    if now.newer(then):  # so that contents need not be hashed the next time
        with suppress(OSError):
            now.save(version)
    return None


def _prepare(
    source: Source,
    root: Path | None,
    path: Path,
    options: Mapping[str, Any],
    strict: bool,
    log: Callable[[str], None],
) -> Path:
    files = _files(source, root).hashed()
    return store.prepare(
        path,
        source.skeleton,
        source.classes,
        lambda writer: source.read(root, writer, **options),
        info={
            "dataset": source.name,
            "source": str(root) if root is not None else "made here",
            "source_files": len(source.files(root)) if root is not None else 0,
            "fingerprint": files.fingerprint(source.version),
            "reader": source.version,
            "options": dict(options),
            "fps": options.get("fps", source.fps),
            "unit": source.unit,
        },
        strict=strict,
        log=log,
        sources=files,
    )


def verify(
    source: Source,
    dataset: SkeletonDataset,
    root: str | Path | None = None,
) -> int:
    """Hashes a dataset's raw files and its store, and compares them with what was recorded.

    Args:
        source: The dataset.
        dataset: The dataset, as opened by `load`.
        root: As for `load`.

    Returns:
        The number of raw files.

    Raises:
        DatasetError: A file has changed, even if its size and time are the same.
    """
    folder = Path(dataset.info["store"])
    place = source.find(root)
    place = None if place is None else place.resolve()
    way = _again(source, folder.parent, place, dataset.info["options"])
    store.verify_store(folder, source.name, way)
    then = SourceFiles.read(folder, place)
    now = _files(source, place, [then.path(name) for name in then.skipped])
    if changes := now.changes(then, all_contents=True):
        raise DatasetError(f"{place}: {listed(changes)} since the store was written; {way}")
    return len(now.stats)
