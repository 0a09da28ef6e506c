"""A registry of names found in the files of a folder, without importing them.

A new file in `datasets/`, `models/` or `recipes/` is found automatically. Names are parsed from the
source, so rejecting an unknown name takes milliseconds; a file is imported only when one of its
names is requested.
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
    """Maps names to the entries that a package's files declare.

    A file declares entries by assigning a dictionary to `attribute`. The keys must be string
    literals in that dictionary, or in a dictionary `VARIANTS` from which it is built.

    Args:
        package: Full name of the package, such as `"keras_skeleton.models"`.
        folder: Folder of the package's files.
        attribute: Name of the dictionary, such as `"MODELS"`.

    Raises:
        ValueError: Two files declare the same name, or a file's keys are not string literals.
    """

    def __init__(self, package: str, folder: Path, attribute: str) -> None:
        self._package, self._folder, self._attribute = package, folder, attribute

    @cached_property
    def _homes(self) -> dict[str, str]:
        """Maps each name to its module."""
        found: dict[str, str] = {}
        for path in sorted(self._folder.rglob("*.py")):
            for name in _declared(path, self._attribute):
                module = ".".join(path.relative_to(self._folder).with_suffix("").parts)
                if name in found:
                    raise ValueError(f"'{name}' is defined in {found[name]}.py and in {module}.py")
                found[name] = module
        return found

    def path(self, name: str) -> Path:
        """The file that defines an entry."""
        return self._folder.joinpath(*self._homes[name].split(".")).with_suffix(".py")

    def title(self, name: str) -> str:
        """The first paragraph of the docstring of the file that defines an entry."""
        text = ast.get_docstring(ast.parse(self.path(name).read_text("utf-8"))) or ""
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
    """The names that a file declares, in order."""
    text = path.read_text("utf-8")
    if attribute not in text:  # most files: not worth parsing
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
        f"{path}: the keys of {attribute}, or of a dictionary VARIANTS from which it is built, "
        "must be string literals; they are parsed from the source without importing it"
    )
