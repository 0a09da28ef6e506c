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

from keras_skeleton.datasets.registry import get_source, load_dataset
from keras_skeleton.datasets.source import DATA_VARIABLE
from keras_skeleton.datasets.store import default_cache_dir
from keras_skeleton.utils.errors import UnknownNameError, UserError
from keras_skeleton.utils.files import is_part
from keras_skeleton.utils.program import program

if TYPE_CHECKING:
    from keras_skeleton.datasets.dataset import SkeletonDataset
    from keras_skeleton.datasets.source import Source
    from keras_skeleton.distributed import Job


def parser_for(command: str, description: str | None) -> argparse.ArgumentParser:
    """A command's parser."""
    return argparse.ArgumentParser(
        prog=f"{program()} {command}",
        description=description,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )


def add_data_arguments(parser: argparse.ArgumentParser) -> argparse._ArgumentGroup:
    """Where the data is and how it is read."""
    group = parser.add_argument_group("data")
    group.add_argument(
        "--data-dir",
        type=Path,
        help="the dataset's folder as downloaded, or a folder that holds it under its name; only "
        f"read (default ${DATA_VARIABLE})",
    )
    group.add_argument(
        "--cache-dir",
        type=Path,
        help=f"where prepared datasets are kept (default {default_cache_dir()})",
    )
    group.add_argument(
        "--option",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="a reader option of the dataset, see its file: --option units=normalised",
    )
    group.add_argument(
        "--strict", action="store_true", help="stop at the first bad file instead of leaving it out"
    )
    return group


def add_deterministic(parser: argparse._ActionsContainer) -> None:
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
    from keras_skeleton.distributed import free_memory

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
            from keras_skeleton.training.pipeline import make_deterministic

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
        args.dataset, args.data_dir, args.cache_dir, args.strict, force, log=print, **options
    )


def load_named(args: argparse.Namespace, name: str, options: dict[str, Any]) -> SkeletonDataset:
    """As `load`, of a dataset that a run or the zoo names."""
    return load_dataset(name, args.data_dir, args.cache_dir, log=print, **options)


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
    if not args.resume:
        _check_free(out, args.fold)
    return out


def _check_free(out: Path, folds: Sequence[int] | None) -> None:
    """A UserError where a run's folder cannot take these folds (all of them by default); found
    before anything is loaded."""
    if not out.exists() or all(is_part(path) for path in out.iterdir()):
        return
    if not (out / "run.json").exists():
        raise UserError(f"{out} is not empty and not a run; choose another --out")
    there = sorted(int(p.name[5:]) for p in out.glob("fold_*") if p.name[5:].isdigit())
    if begun := [k for k in there if folds is None or k in folds]:
        raise UserError(
            f"{out} already holds fold {', '.join(map(str, begun))}; add --resume to continue it, "
            "or choose another --out"
        )


@contextmanager
def resumable(out: Path) -> Iterator[None]:
    """Says how to go on when a user stops the run."""
    try:
        yield
    except KeyboardInterrupt:
        print(f"\nto go on, add to the same command: --out {out} --resume", file=sys.stderr)
        raise
