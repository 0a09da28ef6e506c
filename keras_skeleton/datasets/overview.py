"""Local status of the datasets: the files found and the stores prepared."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from keras_skeleton.datasets.source import Source
from keras_skeleton.datasets.store import read_manifest
from keras_skeleton.datasets.store_versions import current_version
from keras_skeleton.utils.errors import DatasetError
from keras_skeleton.utils.text import counted

INDENT = " " * 14
MOST = 3  # stores listed of a dataset


def describe(source: Source, cache: Path, data_dir: Path | None = None) -> Iterator[str]:
    """Yields lines about one dataset: name, protocols, files found, and prepared stores."""
    published = f", {source.clips:,} clips" if source.clips else ""
    yield f"  {source.name:<12}{source.title}{published}"
    yield f"{INDENT}protocols: {', '.join(source.protocols)}"
    if data_dir is not None and source.needs_root:
        folder = source.locate(data_dir)
        if folder is None:
            yield (
                f"{INDENT}not found under {data_dir} (keras-skeleton prepare --dataset "
                f"{source.name} shows what to download)"
            )
        else:
            found = source.count_clips(folder)
            missing = source.clips - found
            rest = f", {missing:,} of the published clips are missing" if missing > 0 else ""
            yield f"{INDENT}found: {found:,} clips in {folder}{rest}"
    prepared, unread = _stores(source, cache)
    for lines, rest in ((prepared, "more"), (unread, "more that cannot be used")):
        yield from (f"{INDENT}{line}" for line in lines[:MOST])
        if len(lines) > MOST:
            yield f"{INDENT}and {len(lines) - MOST} {rest} in {cache / f'{source.name}-*'}"


def _stores(source: Source, cache: Path) -> tuple[list[str], list[str]]:
    """What is prepared, and why other stores cannot be used, each with the newest first."""
    prepared, unread = [], []
    found = cache.glob(f"{source.name}-*")
    for store in sorted(found, key=lambda path: path.lstat().st_mtime, reverse=True):
        try:
            if not (current_version(store) / "manifest.json").exists():
                continue  # one that is being prepared
            manifest = read_manifest(store)
        except DatasetError as error:
            unread.append(str(error))
            continue
        if manifest["dataset"] == source.name:
            chosen = {k: v for k, v in manifest["options"].items() if v != source.options.get(k)}
            options = "".join(f", {key}={value}" for key, value in chosen.items())
            left_out = f", {len(manifest['skipped'])} skipped" if manifest["skipped"] else ""
            origin = f" from {manifest['source']}" if source.needs_root else ""
            prepared.append(
                f"prepared: {counted(manifest['clips'], 'clip')}{origin}{options}{left_out}"
            )
    return prepared, unread
