"""The arguments of a model that a user may set."""

from __future__ import annotations

import ast
from pathlib import Path

# Arguments of a build function that follow from the dataset, not from the user.
GIVEN = {"name", "skeleton", "classes", "frames", "joints", "values", "bodies", "size"}


def declared_names(path: Path) -> list[str] | None:
    """Names of the arguments that a model's file declares, read without importing it.

    Args:
        path: A file with `ModelEntry(..., declares=FUNCTION)`.

    Returns:
        The names; None if the file has no such entry, or several that differ.
    """
    tree = ast.parse(path.read_text("utf-8"))
    declared = {
        value.value.id
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "ModelEntry"
        for value in node.keywords
        if value.arg == "declares" and isinstance(value.value, ast.Name)
    }
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and {node.name} == declared:
            arguments = [*node.args.args, *node.args.kwonlyargs]
            return [a.arg for a in arguments if a.arg not in GIVEN]
    return None
