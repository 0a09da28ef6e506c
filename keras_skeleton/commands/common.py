"""What several commands share: arguments, loading a dataset, folders of runs, starting Keras."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import count, takewhile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from keras_skeleton.datasets import get_source, load_dataset
from keras_skeleton.datasets.overview import find_under
from keras_skeleton.datasets.store import default_cache_dir
from keras_skeleton.errors import UnknownNameError, UserError

if TYPE_CHECKING:
    from keras_skeleton.datasets import SkeletonDataset
    from keras_skeleton.datasets.source import Source
    from keras_skeleton.training.distribution import Job


def add_data_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--data-dir", type=Path, help="folder of the dataset as downloaded; only read"
    )
    parser.add_argument(
        "--cache-dir",
        type=Path,
        help=f"where prepared datasets are kept (default {default_cache_dir()})",
    )
    parser.add_argument(
        "--option",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="a reader option of the dataset, see its file: --option units=normalised",
    )
    parser.add_argument(
        "--strict", action="store_true", help="stop at the first bad file instead of leaving it out"
    )


def add_deterministic(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--deterministic",
        action="store_true",
        help="the same bits from the same seed and number of threads",
    )


def whole_number(least: int) -> Callable[[str], int]:
    """An argument's type: a whole number, `least` or more."""

    def parse(text: str) -> int:
        if not text.lstrip("-").isdigit() or int(text) < least:
            raise argparse.ArgumentTypeError(f"'{text}' is not a whole number from {least} up")
        return int(text)

    return parse


@contextmanager
def _quiet() -> Iterator[None]:
    """Keeps what TensorFlow's C++ parts write on their first start (builds, absent GPUs) away.

    They write to the file descriptor itself, before any setting of theirs is read. If the start
    fails, all of it is shown.
    """
    sys.stderr.flush()
    with tempfile.TemporaryFile() as kept, os.fdopen(os.dup(2), "wb") as real:
        os.dup2(kept.fileno(), 2)
        try:
            yield
        except BaseException:
            kept.seek(0)
            real.write(kept.read())
            raise
        finally:
            os.dup2(real.fileno(), 2)


def start_keras(
    deterministic: bool = False, precision: str | None = None, job: Job | None = None
) -> None:
    """Imports Keras, quietly; what is chosen is for the whole process.

    Args:
        deterministic: The same bits from the same seed.
        precision: Keras' name of a policy: what layers compute in.
        job: Meet the other processes of a training over hosts first.
    """
    from keras_skeleton.training.distribution import free_memory

    if job is not None:
        job.prepare()
        print(f"{job}, coordinator {job.coordinator}: waits for the others", flush=True)
    with _quiet():
        import keras

        free_memory()
        if job is not None:
            job.join()
        if precision is not None:
            keras.config.set_dtype_policy(precision)
        if deterministic:
            from keras_skeleton.pipeline import make_deterministic

            make_deterministic()

        keras.ops.zeros(())  # the first operation looks for devices


def reader_options(source: Source, given: Sequence[str]) -> dict[str, Any]:
    """`NAME=VALUE` words as reader options, each of the type of its default."""
    options: dict[str, Any] = {}
    for word in given:
        name, equals, value = word.partition("=")
        if not equals:
            raise UserError(f"--option {word}: write NAME=VALUE")
        if name not in source.options:
            raise UnknownNameError("reader option", name, source.options, of=source.name)
        default = source.options[name]
        kind = str if default is None else type(default)
        try:
            options[name] = kind(value)
        except ValueError:
            raise UserError(f"--option {word}: '{value}' is not a {kind.__name__}") from None
    return options


def load(
    args: argparse.Namespace, options: dict[str, Any] | None = None, force: bool = False
) -> SkeletonDataset:
    options = {**(options or {}), **reader_options(get_source(args.dataset), args.option)}
    return load_dataset(
        args.dataset, args.data_dir, args.cache_dir, args.strict, force, say=print, **options
    )


def load_under(args: argparse.Namespace, name: str, options: dict[str, Any]) -> SkeletonDataset:
    """A dataset whose files are in --data-dir, or in the folder of its name there."""
    source, root = get_source(name), args.data_dir
    if source.needs_root and root is not None:
        root = find_under(source, root) or root
    return load_dataset(name, root, args.cache_dir, say=print, **options)


def folders_of(base: Path) -> Iterator[Path]:
    """`base`, `base-2`, `base-3`, ... without end: where runs without --out go."""
    yield base
    for n in count(2):
        yield base.with_name(f"{base.name}-{n}")


def free_folder(base: Path) -> Path:
    """The first of them that is not there."""
    return next(folder for folder in folders_of(base) if not folder.exists())


def latest_folder(base: Path) -> Path:
    """The last of them that is there; `base` where none is."""
    there = list(takewhile(Path.exists, folders_of(base)))
    return there[-1] if there else base


def folder_of_run(args: argparse.Namespace, base: Path) -> Path:
    """Where results go: --out, or a folder called `base` that is free or, to resume, the last."""
    out: Path = args.out or (latest_folder(base) if args.resume else free_folder(base))
    if args.resume and not (out / "run.json").exists():
        raise UserError(f"{out}: no run to resume here; give its folder with --out")
    if out.exists() and not out.is_dir():
        raise UserError(f"{out} is a file; --out takes a folder")
    return out


@contextmanager
def resumable(out: Path) -> Iterator[None]:
    """Says how to go on when a user stops the run."""
    try:
        yield
    except KeyboardInterrupt:
        print(f"\nto go on, add to the same command: --out {out} --resume", file=sys.stderr)
        raise
