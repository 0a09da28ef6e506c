"""Shared code of commands: arguments, loading datasets, run folders, and starting Keras."""

from __future__ import annotations

import argparse
import json
import logging
import os
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from itertools import count, takewhile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from keras_skeleton.datasets.registry import get_source, load_dataset
from keras_skeleton.datasets.source import DATA_VARIABLE
from keras_skeleton.datasets.store import default_cache_dir
from keras_skeleton.utils.errors import UnknownNameError, UserError
from keras_skeleton.utils.lock import InUseError, holds_nothing, locked
from keras_skeleton.utils.packages import hidden_packages, no_collection
from keras_skeleton.utils.program import program

if TYPE_CHECKING:
    from keras_skeleton.datasets.dataset import SkeletonDataset
    from keras_skeleton.datasets.source import Source
    from keras_skeleton.distributed.hosts import Job


def parser_for(command: str, description: str | None) -> argparse.ArgumentParser:
    """Creates the argument parser of a command."""
    return argparse.ArgumentParser(
        prog=f"{program()} {command}",
        description=description,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )


def add_data_arguments(parser: argparse.ArgumentParser) -> argparse._ArgumentGroup:
    """Adds options for the location and reading of datasets."""
    group = parser.add_argument_group("data")
    group.add_argument(
        "--data-dir",
        type=Path,
        help=f"set the dataset's folder or its parent folder (default ${DATA_VARIABLE})",
    )
    group.add_argument(
        "--cache-dir",
        type=Path,
        help=f"store prepared datasets in this folder (default {default_cache_dir()})",
    )
    group.add_argument(
        "--option",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="set a reader option of the dataset, e.g. units=normalised (repeatable)",
    )
    group.add_argument(
        "--strict", action="store_true", help="stop at the first bad file instead of skipping it"
    )
    return group


def add_deterministic(parser: argparse._ActionsContainer) -> None:
    parser.add_argument(
        "--deterministic",
        action="store_true",
        help="make results bit-identical for equal seeds and numbers of threads",
    )


def add_dask(parser: argparse._ActionsContainer, what: str) -> None:
    """Adds --dask; `what` is what workers do."""
    parser.add_argument(
        "--dask",
        metavar="HOST:PORT",
        help=f"run {what} on the workers of the Dask scheduler with this address or .json file",
    )


def whole_number(least: int) -> Callable[[str], int]:
    """Creates an argument type for integers of at least `least`."""

    def parse(text: str) -> int:
        if not text.lstrip("-").isdigit() or int(text) < least:
            raise argparse.ArgumentTypeError(f"'{text}' is not an integer of at least {least}")
        return int(text)

    return parse


def image_size(text: str) -> tuple[float, float]:
    """An argument that is the width and height of an image, such as 1920x1080."""
    width, _, height = text.lower().partition("x")
    if not (width.isdecimal() and height.isdecimal() and int(width) > 0 and int(height) > 0):
        raise argparse.ArgumentTypeError(f"'{text}' is not a size such as 1920x1080")
    return float(width), float(height)


def add_key_point_arguments(group: argparse._ActionsContainer) -> None:
    """Adds options for the files of pose estimators."""
    group.add_argument(
        "--no-track",
        action="store_true",
        help="keep the order of people in the files of pose estimators",
    )
    group.add_argument(
        "--image-size",
        type=image_size,
        metavar="WxH",
        help="set the size of the image for key points from 0 to 1, such as 1920x1080",
    )


@contextmanager
def _quiet() -> Iterator[None]:
    """Hides the startup messages of TensorFlow's C++ code (builds, missing GPUs).

    These are written directly to the file descriptor, before any log setting takes effect. If the
    start fails, they are shown.
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


def _unused_packages() -> list[str]:
    """Packages that Keras or TensorFlow import if they are installed, for functions that no command
    uses. They take a third of the time of the import."""
    chosen = os.environ.get("KERAS_BACKEND")
    if chosen is None:
        home = Path(os.environ.get("KERAS_HOME") or Path.home() / ".keras")
        with suppress(OSError, ValueError):
            chosen = json.loads((home / "keras.json").read_text("utf-8")).get("backend")
    others = ["jax"] if chosen in (None, "tensorflow") else []
    return ["sklearn", "matplotlib", *others]


def start_keras(
    deterministic: bool = False, precision: str | None = None, job: Job | None = None
) -> None:
    """Imports Keras without startup messages and configures it for the whole process.

    Args:
        deterministic: Use deterministic operations.
        precision: Name of a Keras dtype policy, such as `"mixed_bfloat16"`.
        job: Distributed training that this process joins first.
    """
    from keras_skeleton.distributed.devices import free_memory

    if job is not None:
        job.prepare()
        print(f"{job}, coordinator {job.coordinator}: waiting for the others", flush=True)
    with _quiet():
        with hidden_packages(*_unused_packages()), no_collection():
            import keras

        free_memory()
        # Clips differ in length, so some functions are traced several times; that is intended.
        logging.getLogger("tensorflow").addFilter(lambda r: "retracing" not in r.getMessage())
        if job is not None:
            job.join()
        if precision is not None:
            keras.config.set_dtype_policy(precision)
        if deterministic:
            from keras_skeleton.training.pipeline import make_deterministic

            make_deterministic()

        keras.ops.zeros(())  # the first operation initializes the devices


def reader_options(source: Source, given: Sequence[str]) -> dict[str, Any]:
    """Converts `NAME=VALUE` words to reader options, each to the type of its default value."""
    options: dict[str, Any] = {}
    for word in given:
        name, equals, value = word.partition("=")
        if not equals:
            raise UserError(f"--option {word}: expected NAME=VALUE")
        if name not in source.options:
            raise UnknownNameError("reader option", name, source.options, of=source.name)
        default = source.options[name]
        kind = str if default is None else type(default)
        try:
            options[name] = kind(value)
        except ValueError:
            raise UserError(f"--option {word}: '{value}' is not of type {kind.__name__}") from None
    return options


def load(
    args: argparse.Namespace, options: dict[str, Any] | None = None, force: bool = False
) -> SkeletonDataset:
    """Loads the dataset given by the arguments; `--option` overrides `options`."""
    options = {**(options or {}), **reader_options(get_source(args.dataset), args.option)}
    return load_dataset(
        args.dataset, args.data_dir, args.cache_dir, args.strict, force, log=print, **options
    )


def load_named(args: argparse.Namespace, name: str, options: dict[str, Any]) -> SkeletonDataset:
    """Loads the dataset `name` of a run or of the zoo."""
    return load_dataset(name, args.data_dir, args.cache_dir, log=print, **options)


def folders_of(base: Path) -> Iterator[Path]:
    """Yields `base`, `base-2`, `base-3`, ..., the candidate folders of runs without --out."""
    yield base
    for n in count(2):
        yield base.with_name(f"{base.name}-{n}")


def free_folder(base: Path) -> Path:
    """The first folder of `folders_of` that does not exist."""
    return next(folder for folder in folders_of(base) if not folder.exists())


def latest_folder(base: Path) -> Path:
    """The last folder of `folders_of` that exists; `base` if none does."""
    there = list(takewhile(Path.exists, folders_of(base)))
    return there[-1] if there else base


@contextmanager
def folder_of_run(args: argparse.Namespace, base: Path) -> Iterator[Path]:
    """Locks the run folder: --out, or else a new folder named after `base`, or with --resume the
    latest one."""
    with ExitStack() as stack:
        while True:
            out: Path = args.out or (latest_folder(base) if args.resume else free_folder(base))
            if out.exists() and not out.is_dir():
                raise UserError(f"{out} is a file; --out must be a folder")
            try:
                stack.enter_context(locked(out))
                break
            except InUseError:
                if args.out is not None or args.resume:
                    raise  # else another process was faster, and the next folder is free
        if args.resume and not (out / "run.json").exists():
            raise UserError(f"{out}: no run to resume; give the folder of the run with --out")
        if not args.resume:
            _check_free(out, args.fold)
        if args.out is None and not args.resume and out != base:
            print(f"{base} exists; results go to {out}")
        yield out


def _check_free(out: Path, folds: Sequence[int] | None) -> None:
    """Raises UserError if a folder cannot hold these folds (all by default). Called before anything
    is loaded."""
    if holds_nothing(out):
        return
    if not (out / "run.json").exists():
        raise UserError(f"{out} is not empty and has no run.json; choose another --out")
    there = sorted(int(p.name[5:]) for p in out.glob("fold_*") if p.name[5:].isdigit())
    if begun := [k for k in there if folds is None or k in folds]:
        raise UserError(
            f"{out} already holds fold {', '.join(map(str, begun))}; add --resume to continue it, "
            "or choose another --out"
        )


@contextmanager
def resumable(out: Path) -> Iterator[None]:
    """Prints how to resume the run when the user interrupts it."""
    try:
        yield
    except KeyboardInterrupt:
        print(f"\nto resume, add to the same command: --out {out} --resume", file=sys.stderr)
        raise
