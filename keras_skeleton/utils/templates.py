"""HTML pages from Jinja templates, with autoescape."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup


def render(template: Path, **values: Any) -> str:
    """Renders a template. All text is escaped, except values marked by `trusted`.

    Args:
        template: The template's file; it can include others of the same folder.
        **values: Values of the template's variables.

    Raises:
        jinja2.UndefinedError: A variable of the template has no value.
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
    """Marks text that is inserted without escaping: this package's code, numbers, or JSON in which
    `<` is escaped."""
    return Markup(text)  # noqa: S704 - the one place; callers are named in the docstring
