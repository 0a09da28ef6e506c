"""Errors that the user can fix.

Their messages state what is wrong, where, and what to do. The command line prints them without a
traceback.
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

from keras_skeleton.utils.text import plain

SHOWN = 20  # names listed in a message
LONGEST = 4000  # characters of a message


class UserError(Exception):
    """An error that the user can fix, such as a wrong path, name or option.

    Example:
        >>> from keras_skeleton.utils.errors import DatasetError, UserError
        >>> issubclass(DatasetError, UserError)
        True
    """

    def __str__(self) -> str:
        # Messages quote names and values from files, which may be long and control a terminal.
        text = super().__str__()
        return plain(text if len(text) <= LONGEST else f"{text[:LONGEST]} ...")


class DatasetError(UserError):
    """Data that cannot be used, such as a missing folder or a damaged file.

    Example:
        >>> from keras_skeleton.utils.errors import DatasetError
        >>> raise DatasetError("labels.csv, line 3: unknown class 'wave'")
        Traceback (most recent call last):
            ...
        keras_skeleton.utils.errors.DatasetError: labels.csv, line 3: unknown class 'wave'
    """


class UnknownNameError(UserError, ValueError):
    """A name that does not exist, with the most similar known name as a suggestion.

    Args:
        what: Kind of name, such as `"dataset"`.
        name: The unknown name.
        known: All valid names; the first 20 are listed.
        of: Owner of the name, such as the skeleton of a joint; empty for none.

    Example:
        >>> from keras_skeleton.utils.errors import UnknownNameError
        >>> str(UnknownNameError("dataset", "ntuu", ["ntu", "sbu"]))
        "unknown dataset 'ntuu'. Did you mean 'ntu'? Known: ntu, sbu."
    """

    def __init__(self, what: str, name: str, known: Iterable[str], of: str = "") -> None:
        names = list(known)
        lower = {str(each).lower(): each for each in reversed(names)}
        near = get_close_matches(name[:80].lower(), lower, n=1)
        hint = f" Did you mean '{lower[near[0]]}'?" if near else ""
        owner = f" of '{of}'" if of else ""
        more = ", ..." if len(names) > SHOWN else ""
        listed = f" Known: {', '.join(names[:SHOWN])}{more}." if names else " There are none."
        super().__init__(f"unknown {what} '{name:.80}'{owner}.{hint}{listed}")
