"""Which model files of a user may be imported: those that the user has named.

Run folders and saved networks name the model that they need, and `"file.py:build"` is code. A
folder from somebody else must not run any. So a file that only a record names is imported only if
the user has named this very file before: as `--model file.py:build` on a command line, or in
Python. Files are known by their SHA-256, kept in `own_models.json` in the cache folder.
"""

from __future__ import annotations

import hashlib
from contextlib import suppress
from pathlib import Path

from keras_skeleton.datasets.store import default_cache_dir
from keras_skeleton.utils.errors import UserError
from keras_skeleton.utils.files import read_json, write_json

MOST, LARGEST = 1000, 1 << 20  # files that are remembered; bytes of their list
_known: set[str] = set()  # in this process


class OwnCodeError(UserError):
    """A record names Python code that the user has not."""


def is_file(name: str) -> bool:
    """Whether a model's name refers to a file, as in `"path/to/file.py:build"`."""
    if not isinstance(name, str):
        raise UserError(
            f"model={name!r:.80}: expected a name; for a network of your own, write it in a file "
            "and give 'file.py:build'"
        )
    return ".py:" in name


def model_file(name: str) -> Path:
    """The file of `"path/to/file.py:build"`."""
    return Path(name.rpartition(":")[0])


def allow(name: str) -> None:
    """Remembers a model's file as one that the user has named."""
    own = _digest(model_file(name))
    if own in _known:
        return
    _known.add(own)
    before = _remembered()
    if own not in before:
        with suppress(OSError):  # then it is known in this process only
            _list().parent.mkdir(parents=True, exist_ok=True)
            write_json(_list(), {"sha256": [*before, own][-MOST:]})


def recorded_model(name: object) -> str:
    """Checks a model's name that was read from a file; returns it.

    Raises:
        OwnCodeError: It names a Python file that the user has not named, or that has changed since.

    Example:
        >>> from keras_skeleton.models.own_code import recorded_model
        >>> recorded_model("mans9")
        'mans9'
    """
    if not isinstance(name, str):
        raise OwnCodeError(f"{str(name)[:80]!r} is no name of a model")
    if not is_file(name):
        return name
    path = model_file(name)
    if not path.is_file():
        raise OwnCodeError(
            f"the network needs the model '{name[:200]}', but {path} does not exist here; use the "
            "network in the folder that it was trained in, or copy the file to this path"
        )
    if _digest(path) not in _known | set(_remembered()):
        raise OwnCodeError(
            f"the network needs code of {path}, which you have not used before, or which has "
            f"changed since; if you trust it: keras-skeleton info --model {name[:200]}, then the "
            "same command again"
        )
    return name


def _digest(path: Path) -> str:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise UserError(f"{path}: {error.strerror}") from None


def _list() -> Path:
    return default_cache_dir() / "own_models.json"


def _remembered() -> list[str]:
    with suppress(OSError, ValueError, KeyError, TypeError, UserError):
        return [str(own) for own in read_json(_list(), "a list of files", LARGEST)["sha256"]]
    return []
