"""What a user reads who mistyped a name."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


def unknown_name(what: str, name: str, known: Iterable[str], of: str = "") -> str:
    """A sentence: unknown dataset 'ntuu'. Did you mean 'ntu'? Known: ntu, sbu, ..."""
    names = list(known)
    near = get_close_matches(name, names, n=1)
    hint = f" Did you mean '{near[0]}'?" if near else ""
    owner = f" of '{of}'" if of else ""
    return f"unknown {what} '{name}'{owner}.{hint} Known: {', '.join(names)}."
