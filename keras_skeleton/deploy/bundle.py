"""Copies functions, with everything they use, into one Python source that needs only NumPy.

The source is taken from the modules themselves, so a copy cannot drift from what the package does.
"""

from __future__ import annotations

import ast
import builtins
import dis
import hashlib
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from textwrap import dedent
from types import CodeType, ModuleType
from typing import Any

from keras_skeleton.utils.errors import UserError

PACKAGE = __name__.partition(".")[0]
ALLOWED = sys.stdlib_module_names | {"numpy"}
HEAD = "from __future__ import annotations"


class BundleError(UserError):
    """Functions that cannot be copied into one source."""


@dataclass(frozen=True)
class _Import:
    """An import at the top of a module: `import MODULE` or `from MODULE import ATTRIBUTE`."""

    module: str
    attribute: str | None
    name: str  # in the module that imports


class _Module:
    """The source of a module: its definitions and imports by name."""

    def __init__(self, name: str) -> None:
        module = sys.modules.get(name) or import_module(name)
        path = getattr(module, "__file__", None)
        if path is None or not Path(path).is_file():
            raise BundleError(f"module {name}: has no source file")
        self.name = name
        self.path = Path(path)
        text = self.path.read_text("utf-8")
        self.lines = text.splitlines()
        self.tree = ast.parse(text)
        self.definitions: dict[str, ast.stmt] = {}
        self.imports: dict[str, _Import] = {}
        self.unclear: set[str] = set()  # defined more than once, or in a block
        for node in self.tree.body:
            if isinstance(node, (ast.Import, ast.ImportFrom)):
                for found in _imports(node, name):
                    self.imports[found.name] = found
                continue
            for bound in _bound(node):
                if bound in self.definitions:
                    self.unclear.add(bound)
                self.definitions[bound] = node

    @property
    def label(self) -> str:
        """The module's name; for a user's own file the file's name."""
        return self.name if self.name.startswith(f"{PACKAGE}.") else self.path.name

    def text(self, node: ast.stmt) -> str:
        """The source of a definition with its decorators and the comment above."""
        first = min([node.lineno, *(d.lineno for d in getattr(node, "decorator_list", []))]) - 1
        last = node.end_lineno or node.lineno
        lines = self.lines[first:last]
        for start, end in sorted(_examples(node, self.lines), reverse=True):
            del lines[start - first : end - first]
        while (
            first and self.lines[first - 1].startswith("# ") and "----" not in self.lines[first - 1]
        ):
            first -= 1
            lines.insert(0, self.lines[first])
        return dedent("\n".join(lines))


class _Bundle:
    def __init__(self, bind: Mapping[str, Any]) -> None:
        self.bind = dict(bind)
        self.modules: dict[str, _Module] = {}
        self.own: set[str] = set()  # modules of the functions, outside the package
        self.done: set[tuple[str, int]] = set()  # (module, line) of a definition
        self.names: dict[str, tuple[str, str]] = {}  # name: where it comes from
        self.imports: set[_Import] = set()
        self.annotations: list[tuple[_Module, str]] = []  # names that only annotations use
        self.chunks: list[tuple[str, str]] = []  # module, source

    def module(self, name: str) -> _Module:
        if name not in self.modules:
            self.modules[name] = _Module(name)
        return self.modules[name]

    def claim(self, name: str, module: str, what: str) -> None:
        """Reserves a name; what has two meanings cannot be in one source."""
        own = self.names.setdefault(name, (module, what))
        if own != (module, what):
            raise BundleError(
                f"'{name}' of {module} and '{name}' of {own[0]} have the same name; rename one"
            )

    def function(self, function: Any) -> str:
        """Adds a function, also one defined in another; returns its name."""
        code = getattr(function, "__code__", None)
        name = getattr(function, "__name__", repr(function))
        if code is None or not name.isidentifier():
            raise BundleError(f"{name}: only functions defined with `def` can be copied")
        if code.co_freevars:
            raise BundleError(
                f"{function.__module__}.{function.__qualname__} uses "
                f"{', '.join(code.co_freevars)} of the function around it; pass them as arguments"
            )
        self.own.add(function.__module__)
        module = self.module(function.__module__)
        if function.__qualname__ == name:
            self.name(module, name)
        else:
            self.definition(module, _inner(module, name, code), (name,))
        return name

    def name(self, module: _Module, name: str) -> None:
        """Adds what a name means in a module."""
        if f"{module.name}.{name}" in self.bind:
            value = self.bind.pop(f"{module.name}.{name}")
            text = self.function(value) if callable(value) else repr(value)
            self.claim(name, module.name, name)
            self.chunks.append((module.label, f"{name} = {text}"))
        elif name in module.unclear:
            raise BundleError(f"{module.label}: '{name}' is defined more than once")
        elif name in module.definitions:
            node = module.definitions[name]
            self.definition(module, node, tuple(_bound(node)))
        elif name in module.imports:
            self.imported(module, module.imports[name])
        else:
            raise BundleError(f"{module.label}: '{name}' is not defined at the top of the file")

    def annotated(self) -> None:
        """Adds what annotations name, for readers and linters: they are never evaluated."""
        for module, name in self.annotations:
            found = module.imports.get(name)
            standard = found is not None and found.module.partition(".")[0] in ALLOWED
            own = module.name.startswith(f"{PACKAGE}.") and name in module.definitions
            if name not in self.names and (standard or own):
                self.name(module, name)

    def imported(self, module: _Module, found: _Import) -> None:
        top = found.module.partition(".")[0]
        if top in ALLOWED:
            self.claim(found.name, found.module, found.attribute or "")
            self.imports.add(found)
        elif top != PACKAGE and found.module not in self.own:
            raise BundleError(
                f"{module.label}: '{found.name}' comes from the package {top}; preprocessing of "
                "an exported network may use NumPy only"
            )
        elif found.attribute is None:
            raise BundleError(
                f"{module.label}: `import {found.module}` cannot be copied; use `from "
                f"{found.module} import NAME`"
            )
        else:
            home, name = _home(found)
            self.name(self.module(home), name)
            if name != found.name and (found.name, home) not in self.names.items():
                self.claim(found.name, home, name)
                self.chunks.append((module.label, f"{found.name} = {name}"))

    def definition(self, module: _Module, node: ast.stmt, names: Sequence[str]) -> None:
        for name in names:
            self.claim(name, module.name, name)
        if (module.name, node.lineno) in self.done:
            return
        self.done.add((module.name, node.lineno))
        lacking = sorted(_lacking(node))
        if lacking and isinstance(node, ast.FunctionDef):  # the rest may do without it
            self.chunks.append((module.label, _refusal(node.name, lacking)))
            return
        used = _globals(node)
        for name in used:
            if name not in names:
                self.name(module, name)
        self.annotations += [(module, name) for name in sorted(_annotation_names(node))]
        self.chunks.append((module.label, module.text(node)))

    def source(self) -> str:
        parts = [_import_lines(self.imports)]
        before = ""
        for label, text in self.chunks:
            parts.append(text if label == before else f"# From {label}\n\n{text}")
            before = label
        return f"{HEAD}\n\n" + "\n\n\n".join(parts) + "\n"


def bundle(functions: Sequence[Callable[..., Any]], bind: Mapping[str, Any] | None = None) -> str:
    """Returns the source of some functions with all that they use, in the order of their use.

    Args:
        functions: Functions of this package or of a user's file. What they use may be functions,
            classes and constants of this package or of the same file; imports of the standard
            library and of NumPy are kept. Docstrings lose their examples. A function that itself
            imports another package becomes one that raises RuntimeError.
        bind: Other values for names at the top of a module, by full name: functions, or constants.

    Raises:
        BundleError: They use another package, a variable of an enclosing function, or two things of
            the same name.

    Example:
        >>> from keras_skeleton.deploy.bundle import bundle
        >>> from keras_skeleton.transforms.time import pad_time
        >>> source = bundle([pad_time])
        >>> "def pad_centred(" in source, "import keras_skeleton" in source
        (True, False)
    """
    found = _Bundle(bind or {})
    for function in functions:
        found.function(function)
    found.annotated()
    if found.bind:
        raise BundleError(f"nothing uses {', '.join(found.bind)}")
    return found.source()


def run_bundle(source: str, path: str | Path = "predict.py") -> ModuleType:
    """Runs a source as a module; `path` becomes its `__file__`."""
    name = "bundle_" + hashlib.sha256(source.encode()).hexdigest()[:12]
    module = ModuleType(name)
    module.__file__ = str(path)
    sys.modules[name] = module  # dataclasses look their module up
    try:
        # Source that this package has just put together from its own files.
        exec(compile(source, str(path), "exec"), module.__dict__)  # noqa: S102
    finally:
        del sys.modules[name]
    return module


# ---------------------------------------------------------------- reading sources


def _imports(node: ast.Import | ast.ImportFrom, module: str) -> Iterator[_Import]:
    for alias in node.names:
        if isinstance(node, ast.Import):
            yield _Import(alias.name, None, alias.asname or alias.name.partition(".")[0])
        else:
            above = module.split(".")[: -node.level] if node.level else []
            name = ".".join([*above, *([node.module] if node.module else [])])
            yield _Import(name, alias.name, alias.asname or alias.name)


def _bound(node: ast.stmt) -> list[str]:
    """Names that a statement defines at the top of a module."""
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        return [node.name]
    targets: list[ast.expr] = []
    if isinstance(node, ast.Assign):
        targets = node.targets
    elif isinstance(node, ast.AnnAssign) and node.value is not None:
        targets = [node.target]
    return [x.id for target in targets for x in ast.walk(target) if isinstance(x, ast.Name)]


def _inner(module: _Module, name: str, code: CodeType) -> ast.stmt:
    """The definition of a function inside another."""
    for node in ast.walk(module.tree):
        if isinstance(node, ast.FunctionDef) and node.name == name:
            first = min([node.lineno, *(d.lineno for d in node.decorator_list)])
            if first == code.co_firstlineno:
                return node
    raise BundleError(f"{module.label}: the source of '{name}' was not found")


def _home(found: _Import) -> tuple[str, str]:
    """Module and name in which something imported is defined."""
    value = getattr(import_module(found.module), str(found.attribute))
    home, name = getattr(value, "__module__", None), getattr(value, "__name__", None)
    if isinstance(home, str) and isinstance(name, str) and home.startswith(f"{PACKAGE}."):
        return home, name
    return found.module, str(found.attribute)


def _globals(node: ast.stmt) -> list[str]:
    """Names of the module that a definition uses when it runs, in the order of their use."""
    tree = ast.Module(body=[ast.parse(HEAD).body[0], node], type_ignores=[])
    found: dict[str, None] = {}

    def visit(code: CodeType) -> None:
        for step in dis.get_instructions(code):
            if step.opname.startswith("LOAD_") and (
                "GLOBAL" in step.opname or "NAME" in step.opname
            ):
                found[str(step.argval)] = None
        for constant in code.co_consts:
            if isinstance(constant, CodeType):
                visit(constant)

    visit(compile(tree, "<definition>", "exec", dont_inherit=True))
    return [name for name in found if not hasattr(builtins, name) and not name.startswith("__")]


def _annotation_names(node: ast.stmt) -> set[str]:
    annotations: list[ast.expr | None] = []
    for inner in ast.walk(node):
        if isinstance(inner, (ast.arg, ast.AnnAssign)):
            annotations.append(inner.annotation)
        elif isinstance(inner, (ast.FunctionDef, ast.AsyncFunctionDef)):
            annotations.append(inner.returns)
    return {
        name.id
        for annotation in annotations
        if annotation is not None
        for name in ast.walk(annotation)
        if isinstance(name, ast.Name)
    }


def _lacking(node: ast.stmt) -> set[str]:
    """Packages other than the standard library and NumPy that a definition imports itself."""
    found = {
        one.module.partition(".")[0]
        for inner in ast.walk(node)
        if isinstance(inner, (ast.Import, ast.ImportFrom))
        for one in _imports(inner, "")
    }
    return found - ALLOWED


def _refusal(name: str, lacking: Sequence[str]) -> str:
    return (
        f"def {name}(*args: object, **kwargs: object) -> object:\n"
        f'    """Not copied: it needs {", ".join(lacking)}."""\n'
        f'    raise RuntimeError("{name} needs {", ".join(lacking)}, which is not available here")'
    )


def _examples(node: ast.stmt, lines: Sequence[str]) -> Iterator[tuple[int, int]]:
    """Ranges of lines (from 0, end exclusive) of the examples in docstrings."""
    for inner in ast.walk(node):
        if not isinstance(inner, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            continue
        if ast.get_docstring(inner, clean=False) is None:
            continue
        words = inner.body[0]
        start, end = words.lineno - 1, (words.end_lineno or words.lineno) - 1
        for i in range(start, end):
            if lines[i].strip() == "Example:" and lines[end].strip() in ('"""', "'''"):
                while not lines[i - 1].strip():
                    i -= 1
                yield i, end
                break


def _import_lines(imports: Iterable[_Import]) -> str:
    """Import statements: those of the standard library, then those of NumPy."""
    groups: list[str] = []
    for numpy in (False, True):
        some = [one for one in imports if (one.module.partition(".")[0] == "numpy") == numpy]
        plain = {
            f"import {one.module}"
            + ("" if one.name == one.module.partition(".")[0] else f" as {one.name}")
            for one in some
            if one.attribute is None
        }
        named: dict[str, set[str]] = {}
        for one in some:
            if one.attribute is not None:
                given = "" if one.name == one.attribute else f" as {one.name}"
                named.setdefault(one.module, set()).add(one.attribute + given)
        lines = [f"from {module} import {', '.join(sorted(named[module]))}" for module in named]
        if plain or lines:
            groups.append("\n".join([*sorted(plain), *sorted(lines)]))
    return "\n\n".join(groups)
