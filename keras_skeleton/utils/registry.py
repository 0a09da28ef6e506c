"""A table of names that is filled from the files of a folder, without importing them.

`datasets/`, `models/` and `recipes/` need no list of what they hold: a new file is found. Names are
read from the file's text, so asking for an unknown one costs milliseconds; the file is imported
when one of its names is asked for.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from functools import cached_property
from importlib import import_module
from pathlib import Path
from typing import Generic, TypeVar

T = TypeVar("T")


class Registry(Mapping[str, T], Generic[T]):
    """The entries of a package's files by name.

    A file takes part if it assigns a dictionary to `attribute`. Its keys must be written out as
    strings, in it or in a dictionary called `VARIANTS` that it is made from.

    Args:
        package: Full name, such as `"keras_skeleton.models"`.
        folder: Where its files are.
        attribute: Name of the dictionary, such as `"MODELS"`.
    """

    def __init__(self, package: str, folder: Path, attribute: str) -> None:
        self._package, self._folder, self._attribute = package, folder, attribute

    @cached_property
    def _homes(self) -> dict[str, str]:
        """Name to module."""
        found: dict[str, str] = {}
        for path in sorted(self._folder.rglob("*.py")):
            for name in _declared(path, self._attribute):
                module = ".".join(path.relative_to(self._folder).with_suffix("").parts)
                if name in found:
                    raise ValueError(f"'{name}' is in {found[name]}.py and in {module}.py")
                found[name] = module
        return found

    def title(self, name: str) -> str:
        """The first sentence of the docstring of the file that holds an entry."""
        path = self._folder.joinpath(*self._homes[name].split(".")).with_suffix(".py")
        text = ast.get_docstring(ast.parse(path.read_text("utf-8"))) or ""
        return " ".join(text.partition("\n\n")[0].split())

    def __getitem__(self, name: str) -> T:
        module = import_module(f"{self._package}.{self._homes[name]}")
        entry: T = getattr(module, self._attribute)[name]
        return entry

    def __iter__(self) -> Iterator[str]:
        return iter(self._homes)

    def __len__(self) -> int:
        return len(self._homes)

    def __contains__(self, name: object) -> bool:
        return name in self._homes


def _declared(path: Path, attribute: str) -> list[str]:
    """The names that a file declares, in their order."""
    text = path.read_text("utf-8")
    if f"\n{attribute}" not in text:
        return []
    keys: dict[str, list[str]] = {}
    for node in ast.parse(text).body:
        if isinstance(node, ast.Assign):
            targets, value = node.targets, node.value
        elif isinstance(node, ast.AnnAssign) and node.value is not None:
            targets, value = [node.target], node.value
        else:
            continue
        if isinstance(value, ast.Call):  # the registry itself
            continue
        for target in targets:
            if isinstance(target, ast.Name) and target.id in (attribute, "VARIANTS"):
                literal = value.keys if isinstance(value, ast.Dict) else []
                keys[target.id] = [
                    key.value
                    for key in literal
                    if isinstance(key, ast.Constant) and isinstance(key.value, str)
                ]
    if attribute not in keys:
        return []
    if names := keys[attribute] or keys.get("VARIANTS", []):
        return names
    raise ValueError(
        f"{path}: write the keys of {attribute} out as strings, or those of a dictionary VARIANTS "
        "that it is made from; names are read from the text"
    )
