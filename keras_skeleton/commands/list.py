"""List models, datasets and protocols, and the datasets available on this machine."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from keras_skeleton.commands.common import parser_for
from keras_skeleton.datasets.overview import describe
from keras_skeleton.datasets.registry import SOURCES
from keras_skeleton.datasets.store import default_cache_dir
from keras_skeleton.models.registry import MODELS
from keras_skeleton.utils.errors import DatasetError


def run(words: Sequence[str]) -> None:
    """Runs the command."""
    parser = parser_for("list", __doc__)
    parser.add_argument("--data-dir", type=Path, help="look for downloaded datasets in this folder")
    parser.add_argument("--cache-dir", type=Path, help="look for prepared datasets in this folder")
    args = parser.parse_args(words)
    if args.data_dir is not None and not args.data_dir.is_dir():
        raise DatasetError(f"{args.data_dir}: no such folder")
    print("models")
    for paper, names in _by_paper().items():
        print(f"  {paper}\n    {', '.join(names)}")
    cache = args.cache_dir or default_cache_dir()
    print("\ndatasets")
    for source in SOURCES.values():
        print("\n".join(describe(source, cache, args.data_dir)))
    print(f"\nprepared datasets are stored in {cache}")


def _by_paper() -> dict[str, list[str]]:
    """Model names grouped by paper, which the first line of their file names. The files are not
    imported, so the list is fast."""
    found: dict[str, list[str]] = {}
    for name in MODELS:
        found.setdefault(MODELS.title(name), []).append(name)
    return found
