"""Errors whose message alone tells a user what is wrong, where, and what to do.

The command line shows them without a traceback.
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

SHOWN = 20  # names listed in a message


class UserError(Exception):
    """Something a user can mend."""


class DatasetError(UserError):
    """The data cannot be used; the message says what is wrong, where, and what to do."""


class UnknownNameError(UserError, ValueError):
    """A name that does not exist: "unknown dataset 'ntuu'. Did you mean 'ntu'? Known: ...".

    Args:
        what: Kind of thing.
        name: What was asked for.
        known: What there is; the nearest is suggested, the first ones are listed.
        of: Whose it is.
    """

    def __init__(self, what: str, name: str, known: Iterable[str], of: str = "") -> None:
        names = list(known)
        near = get_close_matches(name[:80], names, n=1)
        hint = f" Did you mean '{near[0]}'?" if near else ""
        owner = f" of '{of}'" if of else ""
        more = ", ..." if len(names) > SHOWN else ""
        super().__init__(
            f"unknown {what} '{name:.80}'{owner}.{hint} Known: {', '.join(names[:SHOWN])}{more}."
        )
