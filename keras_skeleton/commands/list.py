"""`run.py list`: models, datasets, protocols, and what of them is on this machine."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from keras_skeleton.commands.common import (
    start_keras,
)
from keras_skeleton.datasets import SOURCES, DatasetError
from keras_skeleton.datasets.store import default_cache_dir


def run(words: Sequence[str]) -> None:
    """Runs the command."""
    parser = argparse.ArgumentParser(prog="run.py list", description=__doc__)
    parser.add_argument("--data-dir", type=Path, help="folder with the datasets as downloaded")
    parser.add_argument("--cache-dir", type=Path)
    args = parser.parse_args(words)
    if args.data_dir is not None and not args.data_dir.is_dir():
        raise DatasetError(f"{args.data_dir}: no such folder")
    start_keras()
    from keras_skeleton.datasets.overview import describe
    from keras_skeleton.models import MODELS

    print("models")
    for name, entry in MODELS.items():
        print(f"  {name:<18}{entry.paper}")
    cache = args.cache_dir or default_cache_dir()
    print("\ndatasets")
    for source in SOURCES.values():
        print("\n".join(describe(source, cache, args.data_dir)))
    print(f"\nprepared datasets are kept in {cache}")
