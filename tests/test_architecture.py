"""The package's arrows go one way: no circle, nothing upwards, and few files know TensorFlow."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

from keras_skeleton.cli import COMMANDS
from keras_skeleton.commands import common

PACKAGE = Path(__file__).resolve().parents[1] / "keras_skeleton"
ROOMS = (
    "cli", "commands", "serve", "reproduction", "zoo", "film", "detection", "attention",
    "dataset_recognizer", "predictions", "recognizer", "training",
    "recipes", "evaluation", "viz", "video", "checkpoints", "deploy", "models", "layers",
    "datasets", "transforms", "skeletons", "distributed", "utils",
)  # fmt: skip
HELP = """
Rooms of the package, from top to bottom; a file imports from its own room and from those below:
    {rooms}
If you added a file: put it into the room whose sentence in docs/architecture.md fits. If two rooms
need each other, move what both need into the lower one, or hand it over as an argument.
""".format(rooms=" > ".join(ROOMS))

FILES = sorted(PACKAGE.rglob("*.py"))


def module_of(path: Path) -> str:
    name = ".".join(("keras_skeleton", *path.relative_to(PACKAGE).with_suffix("").parts))
    return name.removesuffix(".__init__")


MODULES = {module_of(path): path for path in FILES}


def imports(path: Path) -> list[str]:
    """Full names of all modules that a file imports anywhere, also inside functions."""
    found = []
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert not node.level, f"{path}: write imports with their full name"
            for alias in node.names:
                inside = f"{node.module}.{alias.name}"
                found.append(inside if inside in MODULES else node.module)
    return found


def own_imports(path: Path) -> list[str]:
    return [name for name in imports(path) if name.split(".")[0] == "keras_skeleton"]


def room_of(module: str) -> str:
    return module.split(".")[1]


def test_every_file_is_in_a_room():
    lost = [
        str(path.relative_to(PACKAGE))
        for path in FILES
        if path != PACKAGE / "__init__.py" and room_of(module_of(path)) not in ROOMS
    ]
    assert not lost, f"{lost} are in no room.{HELP}"


def test_arrows_go_down():
    wrong = []
    for path in FILES:
        module = module_of(path)
        if path.name == "__init__.py" and path.parent == PACKAGE:
            continue
        for other in own_imports(path):
            if other == "keras_skeleton":
                wrong.append(f"{module} imports the package's __init__: import the file itself")
            elif room_of(other) not in ROOMS:
                wrong.append(f"{module} imports {other}, which is in no room")
            elif ROOMS.index(room_of(other)) < ROOMS.index(room_of(module)):
                wrong.append(f"{module} imports {other}, which is above it")
    assert not wrong, "\n".join(wrong) + HELP


def test_files_import_files_not_rooms():
    """A room's __init__ is for users; inside, a name comes from the file that defines it."""
    wrong = [
        f"{module_of(path)} imports from {other}: name the file that defines it"
        for path in FILES
        if path.name != "__init__.py"
        for other in own_imports(path)
        if other in MODULES and MODULES[other].name == "__init__.py"
    ]
    assert not wrong, "\n".join(wrong)


def test_no_circles():
    """Not even between files of one room."""
    arrows = {
        module: [other for other in own_imports(path) if other in MODULES and other != module]
        for module, path in MODULES.items()
        if path.name != "__init__.py"
    }
    done: set[str] = set()

    def visit(module: str, way: list[str]) -> None:
        if module in way:
            raise AssertionError("circle: " + " -> ".join([*way[way.index(module) :], module]))
        if module in done:
            return
        for other in arrows.get(module, []):
            visit(other, [*way, module])
        done.add(module)

    for module in arrows:
        visit(module, [])


def users_of(package: str) -> set[str]:
    return {
        str(path.relative_to(PACKAGE))
        for path in FILES
        if any(module.split(".")[0] == package for module in imports(path))
    }


def test_few_files_import_tensorflow():
    assert users_of("tensorflow") == {
        "deploy/export.py",
        "deploy/litert.py",
        "checkpoints/i3d.py",
        "deploy/compiled.py",  # Keras compiles a prediction only on JAX
        "training/pipeline.py",
        "attention/saliency.py",  # Keras has no call for gradients by an input
        "distributed/devices.py",  # the memory of GPUs
        "distributed/mirrored.py",  # strategies
        "training/tensorboard.py",
    }


def test_few_files_import_jax():
    assert users_of("jax") == {
        "deploy/compiled.py",
        "attention/saliency.py",
        "distributed/hosts.py",
        "distributed/session.py",  # its errors
    }


def loaded_by(code: str) -> set[str]:
    """Top-level packages that are loaded after some code in a new process."""
    done = subprocess.run(
        [sys.executable, "-c", f"{code}; import sys; print(*sys.modules)"],
        check=True, cwd=PACKAGE.parent, capture_output=True, text=True,
    )  # fmt: skip
    return {name.split(".")[0] for name in done.stdout.splitlines()[-1].split()}


HEAVY = {"keras", "tensorflow", "jax", "matplotlib", "scipy", "sklearn"}


@pytest.mark.parametrize(
    "code",
    [
        "import keras_skeleton; keras_skeleton.load_dataset; import keras_skeleton.transforms",
        "from keras_skeleton.models.registry import check_model; check_model('mans9')",
        "from keras_skeleton.recipes.registry import get_recipe; get_recipe('mans9', 'ntu')",
        "from keras_skeleton.cli import main; main(['list'])",
    ],
    ids=["data", "model names", "recipes", "list"],
)
def test_neither_keras_nor_scipy_is_needed(code):
    assert not HEAVY & loaded_by(code)


TRAIN = "train --model mans9 --dataset hdm05 --protocol cs"
# Commands that end before anything is computed.
ENDING = [
    *(f"{command} --help" for command in COMMANDS),
    "prepair",
    "--model mans99 --dataset synthetic --protocol cs",
    "train --model mans9 --dataset synthetik --protocol cs",
    "train --model mans9 --dataset hdm05 --protocol nope",
    f"{TRAIN} --recipe nope",
    f"{TRAIN} --set model.nope=3",
    f"{TRAIN} --set recipe.nope=3",
    "train --weights nope",
    "predict run.py --weights nope",
    "attention --protocol nope",
    "detect --dataset nope",
    "export --weights nope",
    "serve --weights nope",
    "zoo --check --name nope",
    "reproduce --table nope",
    "report nope",
    "info --model nope",
    "info --model mans9 --skeleton nope",
]


def test_help_and_wrong_names_need_neither_keras_nor_scipy():
    """In one process: what any of them loads stays loaded."""
    code = (
        "from keras_skeleton.cli import main\n"
        f"for command in {ENDING}:\n"
        "    try:\n"
        "        status = main(command.split())\n"
        "    except SystemExit as exit:\n"
        "        status = exit.code\n"
        "    assert status == 2 * (not command.endswith('--help')), command\n"
        "pass"
    )
    assert not HEAVY & loaded_by(code)


@pytest.mark.slow
def test_keras_starts_without_packages_that_no_command_uses(monkeypatch):
    monkeypatch.setenv("KERAS_BACKEND", "tensorflow")
    code = "from keras_skeleton.commands.common import start_keras; start_keras()"
    assert not {"sklearn", "matplotlib", "jax"} & loaded_by(code)


def test_jax_is_needed_if_keras_runs_on_it(monkeypatch, tmp_path):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    monkeypatch.delenv("KERAS_BACKEND", raising=False)
    assert "jax" in common._unused_packages()  # no keras.json: TensorFlow
    (tmp_path / "keras.json").write_text('{"backend": "jax"}')
    assert "jax" not in common._unused_packages()
    monkeypatch.setenv("KERAS_BACKEND", "tensorflow")
    assert "jax" in common._unused_packages()
    monkeypatch.setenv("KERAS_BACKEND", "torch")
    assert "jax" not in common._unused_packages()


def test_datasets_are_imported_when_asked_for():
    assert not {"scipy", "pandas", "numpy"} & loaded_by("import keras_skeleton.datasets")
    code = "from keras_skeleton.datasets.registry import get_source; get_source('sbu')"
    assert "scipy" not in loaded_by(code)


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
