"""The package's arrows go one way, and few rooms know TensorFlow."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "keras_skeleton"

# Each room and the rooms that it may import from (itself always).
ALLOWED = {
    "errors": set(),
    "apart": {"errors"},
    "files": {"errors"},
    "skeletons": {"errors"},
    "transforms": {"skeletons", "errors"},
    "datasets": {"skeletons", "errors", "files", "transforms", "video", "apart", "__init__"},
    "layers": {"errors"},
    "mans_weights": set(),
    "weights": {"mans_weights", "errors"},
    "i3d_weights": {"weights"},
    "video": {"errors"},
    "crops": {
        "attention_plots", "plots", "layers", "datasets", "transforms", "video", "files", "errors",
    },
    "part_inputs": {"crops", "pipeline", "video", "datasets", "transforms", "errors"},
    "models": {"layers", "transforms", "skeletons", "errors"},
    "export": {"layers", "errors"},
    "saliency": {"errors"},
    "inference": {"apart", "errors"},
    "pipeline": {"datasets", "transforms", "skeletons"},
    "plots": {"skeletons"},
    "attended_clip": {"skeletons"},
    "attention_page": {"attended_clip", "attention_plots", "plots"},
    "animation": {"attended_clip", "plots", "skeletons", "video"},
    "attention_plots": {"plots", "skeletons"},
    "deletion_plots": {"plots"},
    "evaluation": {"transforms", "plots", "skeletons", "files", "errors"},
    "training": {
        "models", "layers", "pipeline", "part_inputs", "crops", "video", "i3d_weights", "datasets",
        "transforms", "evaluation", "plots", "attention_plots", "attended_clip", "deletion_plots",
        "saliency", "skeletons", "weights", "files", "apart", "errors", "__init__",
    },
    "detection": {
        "training", "models", "layers", "datasets", "transforms", "skeletons", "detection_plots",
        "plots", "weights", "files", "errors",
    },
    "detection_plots": {"plots"},
    "zoo": {
        "training", "detection", "models", "datasets", "crops", "part_inputs", "weights", "files",
        "errors",
    },
    "reproduction": {
        "training", "detection", "evaluation", "models", "datasets", "crops", "files", "apart",
        "errors",
    },
    "cli": {"commands", "errors"},
    "commands": {
        "zoo", "reproduction", "pipeline", "export", "weights",
        "training", "detection", "evaluation", "crops", "models", "datasets", "detection_plots",
        "plots", "animation", "attention_page", "errors", "files", "skeletons",
    },
    "__init__": {"datasets", "inference", "models", "transforms", "weights", "zoo"},
}  # fmt: skip


def room_of(path):
    relative = path.relative_to(PACKAGE)
    return relative.parts[0] if len(relative.parts) > 1 else relative.stem


def imports(path):
    """Modules that a file imports anywhere, also inside functions."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            module = node.module or ""
            yield module
            if module == "keras_skeleton":
                yield from (f"keras_skeleton.{alias.name}" for alias in node.names)


FILES = sorted(PACKAGE.rglob("*.py"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_arrows_go_one_way(path):
    room = room_of(path)
    for module in imports(path):
        if module.startswith("keras_skeleton."):
            other = module.split(".")[1]
            other = "__init__" if other.startswith("__") else other
            assert other == room or other in ALLOWED[room], f"{room} imports {module}"


def test_few_files_import_tensorflow():
    users = {
        str(path.relative_to(PACKAGE))
        for path in FILES
        if any(module.split(".")[0] == "tensorflow" for module in imports(path))
    }
    assert users == {
        "export.py",
        "i3d_weights.py",
        "inference.py",  # Keras compiles a prediction only on JAX
        "pipeline.py",
        "saliency.py",  # Keras has no call for gradients by an input
        "training/distribution.py",  # strategies, and the memory of GPUs
        "training/tensorboard.py",
    }


def test_three_files_import_jax():
    users = {
        str(path.relative_to(PACKAGE))
        for path in FILES
        if any(module.split(".")[0] == "jax" for module in imports(path))
    }
    assert users == {"inference.py", "saliency.py", "training/distribution.py"}


def test_reading_data_needs_neither_keras_nor_tensorflow():
    code = (
        "import sys, keras_skeleton; keras_skeleton.load_dataset; import keras_skeleton.transforms;"
        "assert not {'keras', 'tensorflow', 'matplotlib'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=PACKAGE.parent)


@pytest.mark.parametrize(("chosen", "found"), [(None, "1"), ("0", "0")])
def test_onednn_is_asked_for_unless_the_user_has_chosen(chosen, found):
    variables = {k: v for k, v in os.environ.items() if k != "TF_ENABLE_ONEDNN_OPTS"}
    if chosen is not None:
        variables["TF_ENABLE_ONEDNN_OPTS"] = chosen
    code = "import os, keras_skeleton; print(os.environ['TF_ENABLE_ONEDNN_OPTS'])"
    done = subprocess.run(
        [sys.executable, "-c", code],
        check=True, cwd=PACKAGE.parent, env=variables, capture_output=True, text=True,
    )  # fmt: skip
    assert done.stdout.strip() == found
