"""Sphinx configuration: `python -m sphinx -W -b html docs docs/_build/html`.

No page needs the network: formulas become MathML while the site is built, and all scripts, styles
and fonts are the theme's own files.
"""

from __future__ import annotations

import inspect
import os
import re
import sys
from pathlib import Path
from shutil import copyfile
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")  # building pages needs no GPU

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
sys.path.insert(0, str(ROOT))

from docutils.nodes import SkipNode  # noqa: E402
from docutils.utils.math.latex2mathml import tex2mathml  # noqa: E402
from sphinx.ext.napoleon import GoogleDocstring  # noqa: E402

import keras_skeleton  # noqa: E402

# ---------------------------------------------------------------- project

project = "keras_skeleton"
author = "The keras_skeleton developers"
copyright = f"{author}, Apache-2.0"
version = release = keras_skeleton.__version__

# ---------------------------------------------------------------- what is read

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
    "sphinx_copybutton",
    "sphinx_design",
]
source_suffix = {".rst": "restructuredtext", ".md": "myst-nb", ".ipynb": "myst-nb"}
exclude_patterns = ["_build", "_templates", "**.ipynb_checkpoints", "_generated"]
templates_path = ["_templates"]

myst_enable_extensions = ["colon_fence", "deflist", "dollarmath", "fieldlist", "tasklist"]
myst_heading_anchors = 3
nb_execution_mode = "off"  # the notebooks are shown as they are stored
nb_merge_streams = True

autosummary_generate = True
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented"
autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
autodoc_inherit_docstrings = False  # the methods of Keras' layers are described there
napoleon_numpy_docstring = False
napoleon_use_ivar = True
napoleon_use_admonition_for_examples = False
default_role = "py:obj"  # `name` in a docstring is code, and a link where the name is documented

copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True

# ---------------------------------------------------------------- how it looks

html_theme = "pydata_sphinx_theme"
html_title = "keras_skeleton"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_logo = "_static/logo.svg"
html_favicon = "_static/logo.svg"
html_show_sourcelink = False
html_copy_source = False
html_theme_options = {
    "logo": {"text": "keras_skeleton", "alt_text": "keras_skeleton"},
    "navbar_align": "left",
    "header_links_before_dropdown": 8,
    "show_nav_level": 1,
    "navigation_with_keys": False,
    "show_toc_level": 2,
    "secondary_sidebar_items": ["page-toc"],
    "footer_start": ["copyright"],
    "footer_end": [],
    "pygments_light_style": "a11y-high-contrast-light",
    "pygments_dark_style": "a11y-high-contrast-dark",
}
html_sidebars = {
    "index": [], "get-started": [], "results": [], "changes": [], "api": ["sidebar-nav-bs"],
}  # fmt: skip

# ---------------------------------------------------------------- notebooks


def copy_notebooks(folder: Path = HERE / "notebooks") -> None:
    """Copies the notebooks with their stored outputs beside `notebooks/index.md`.

    Only changed files are written, so that a second build reads nothing again.
    """
    for source in sorted((ROOT / "notebooks").glob("*.ipynb")):
        target = folder / source.name
        if not target.is_file() or target.read_bytes() != source.read_bytes():
            copyfile(source, target)


copy_notebooks()

# ---------------------------------------------------------------- formulas without MathJax


def _visit_math(self: Any, node: Any) -> None:
    self.body.append(tex2mathml(node.astext()))
    raise SkipNode


def _visit_displaymath(self: Any, node: Any) -> None:
    text = node.astext()
    if "\\\\" in text and "\\begin" not in text:
        text = f"\\begin{{aligned}}{text}\\end{{aligned}}"
    number = f'<span class="eqno">({node["number"]})</span>' if node.get("number") else ""
    formula = tex2mathml(text).replace("<math ", '<math display="block" ', 1)
    self.body.append(f'<div class="math">{number}{formula}</div>\n')
    raise SkipNode


html_math_renderer = "mathml"

# ---------------------------------------------------------------- docstrings

SECTIONS = re.compile(
    r"(Args|Arguments|Attributes|Example|Examples|Note|Notes|Raises|References|Returns|Warns|"
    r"Warning|Yields):$"
)

# Signs that reStructuredText would take for markup: *.pkl and |x|. Not those in `code`.
LONE_STAR = re.compile(r"(?<![\w*\\])\*(?=[\w.])(?![^*]*\w\*(?!\w))")


def plain_text(line: str) -> str:
    """A line of prose with such signs escaped."""
    parts = line.split("`")
    parts[::2] = [LONE_STAR.sub(r"\\*", part).replace("|", r"\|") for part in parts[::2]]
    return "`".join(parts)


def literal_blocks(lines: list[str]) -> list[str]:
    """Indented text in a docstring (layouts, formulas, tables) as literal blocks.

    Sections that napoleon knows and doctests are left as they are.
    """
    result: list[str] = []
    section, inside = "", False
    for i, line in enumerate(lines):
        indent = len(line) - len(line.lstrip())
        if line.strip() and indent == 0:
            match = SECTIONS.match(line.strip())
            section, inside = match[1] if match else "", False
        elif line.strip() and not section and not inside and not _is_list(lines, i):
            inside = True
            if result and result[-1].strip():
                result.append("")
            if not (len(result) > 1 and result[-2].rstrip().endswith("::")):
                result += [".. code-block:: text", ""]
        verbatim = inside or section in ("Example", "Examples")
        result.append(line if verbatim else plain_text(line))
        following = lines[i + 1] if i + 1 < len(lines) else ""
        if inside and following.strip() and not following.startswith(" "):
            result.append("")
    return result


def _is_list(lines: list[str], i: int) -> bool:
    """Whether an indented line goes on with an item of a list or an option of a directive."""
    before = next((line for line in reversed(lines[:i]) if line[:1].strip()), "")
    return bool(re.match(r"([-*+]|\d+[.)]|\.\.) ", before))


def _process_docstring(
    app: Any, what: str, name: str, obj: Any, options: Any, lines: list[str]
) -> None:
    lines[:] = literal_blocks(lines)


# ---------------------------------------------------------------- pages


def _read_source(app: Any, docname: str, source: list[str]) -> None:
    """Drops the empty line at the end of an example: doctest needs it to see where output ends."""
    source[0] = re.sub(r"\n\n```$", "\n```", source[0], flags=re.MULTILINE)


# ---------------------------------------------------------------- setup


def _skip_member(app: Any, what: str, name: str, obj: Any, skip: bool, options: Any) -> bool | None:
    """Leaves out fields of NamedTuples, which `Attributes` describes."""
    return True if type(obj).__name__ == "_tuplegetter" else None


def _process_signature(
    app: Any, what: str, name: str, obj: Any, options: Any, signature: str, returned: str
) -> tuple[str, str] | None:
    """The arguments of a Keras layer's `__init__`, which Keras hides behind its `__new__`."""
    if what != "class" or signature != "(*args, **kwargs)":
        return None
    own = inspect.signature(obj.__init__)
    parameters = [
        p.replace(annotation=p.empty) for p in own.parameters.values() if p.name != "self"
    ]
    return str(own.replace(parameters=parameters, return_annotation=own.empty)), returned


# A property's docstring is a sentence: napoleon takes what stands before a colon for its type.
GoogleDocstring._consume_inline_attribute = lambda self: ("", self._consume_to_end())


def setup(app: Any) -> None:
    app.add_html_math_renderer("mathml", (_visit_math, None), (_visit_displaymath, None))
    app.connect("source-read", _read_source)
    app.connect("autodoc-process-docstring", _process_docstring, priority=400)  # before napoleon
    app.connect("autodoc-process-signature", _process_signature)
    app.connect("autodoc-skip-member", _skip_member)
