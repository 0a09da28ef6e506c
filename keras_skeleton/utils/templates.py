"""HTML pages from Jinja templates: whatever comes from files is escaped."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup


def render(template: Path, **values: Any) -> str:
    """A template filled in. Text is escaped but for what is marked by `trusted`.

    Args:
        template: Its file; others in the same folder can be included.
        **values: A name that the template uses and that is not given is an error.
    """
    environment = Environment(
        loader=FileSystemLoader(template.parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    return environment.get_template(template.name).render(**values)


def trusted(text: str) -> Markup:
    """Text that is put into a page as it is: code of this package, numbers, JSON whose `<` are
    escaped."""
    return Markup(text)
