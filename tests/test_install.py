"""The wheel: complete, installable into a new environment, and of use from any folder."""

import os
import subprocess
import sys
import tomllib
import venv
import zipfile
from email.parser import Parser
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "keras_skeleton"

pytestmark = pytest.mark.slow


def run(*words, **options):
    done = subprocess.run(words, capture_output=True, text=True, **options)
    assert not done.returncode, f"{' '.join(map(str, words))}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="session")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    names = run("git", "ls-files", "-co", "--exclude-standard", cwd=ROOT).splitlines()
    for name in names:  # a clean copy: an old build/ may hold files that are gone
        if (ROOT / name).is_file() and name.split("/")[0] not in (
            "results",
            "weights",
            "notebooks",
        ):
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            (source / name).write_bytes((ROOT / name).read_bytes())
    try:
        run(sys.executable, "-m", "build", "--wheel", "-o", folder, source)
    except AssertionError as error:
        if "onnection" in str(error):
            pytest.skip("no network to fetch the build system from")
        raise
    (path,) = folder.glob("*.whl")
    return path


def test_the_wheel_holds_every_file_and_lists_the_requirements(wheel):
    with zipfile.ZipFile(wheel) as archive:
        names = {n for n in archive.namelist() if n.startswith("keras_skeleton/")}
        (metadata,) = (n for n in archive.namelist() if n.endswith("METADATA"))
        about = Parser().parsestr(archive.read(metadata).decode())
    tracked = run("git", "ls-files", "-co", "--exclude-standard", "keras_skeleton", cwd=ROOT)
    there = {name for name in tracked.splitlines() if (ROOT / name).is_file()}
    assert names == there
    wanted = {
        line.split("#")[0].split(";")[0].strip().split(">")[0].split("~")[0].split("=")[0]
        for line in (ROOT / "requirements.txt").read_text().splitlines()
        if line.split("#")[0].strip()
    }
    lines = about.get_all("Requires-Dist")
    found = {
        line.split(">")[0].split("~")[0].split("<")[0].split("=")[0].split("!")[0].strip()
        for line in lines
        if "extra ==" not in line
    }
    assert {name.replace("_", "-") for name in found} == {w.replace("_", "-") for w in wanted}
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert {"dev", "docs", "onnx", "jax", "torch", "video"} <= set(extras["optional-dependencies"])


@pytest.fixture(scope="session")
def installed(wheel, tmp_path_factory):
    """The folder of a new environment's programs, with the wheel in it."""
    folder = tmp_path_factory.mktemp("installed")
    venv.create(folder / "venv", with_pip=True)
    programs = folder / "venv" / ("Scripts" if os.name == "nt" else "bin")
    done = subprocess.run(
        [programs / "python", "-m", "pip", "install", "-q", wheel], capture_output=True, text=True
    )
    if done.returncode and "onnection" in done.stderr:
        pytest.skip("no network to install the requirements from")
    assert not done.returncode, done.stderr
    return programs


def test_the_installed_command_lists_trains_and_loads_what_it_left(installed, tmp_path):
    variables = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "KERAS_"))}
    variables |= {"KERAS_SKELETON_CACHE": str(tmp_path / "cache"), "TF_CPP_MIN_LOG_LEVEL": "3"}
    options = {"cwd": tmp_path, "env": variables}
    command = installed / "keras-skeleton"

    assert "mans9" in run(command, "list", **options)
    assert "MFLOPs" in run(command, "info", "--model", "mans9", **options)
    words = "--model mans9 --dataset synthetic --protocol cs --epochs 2 --out run".split()
    words += ["--option", "subjects=4", "--option", "repetitions=1"]
    done = subprocess.run([command, "train", *words], capture_output=True, text=True, **options)
    assert not done.returncode, done.stderr
    assert not done.stderr  # a quiet console: nothing of TensorFlow's start
    for name in ("report.html", "metrics.json", "fold_01/best.weights.h5"):
        assert (tmp_path / "run" / name).is_file()
    code = (
        "import keras_skeleton as ks, json; about = json.load(open('run/run.json'));"
        "model = ks.build_model('mans9', about['skeleton'], len(about['classes']));"
        "ks.load_weights(model, 'run/fold_01/best.weights.h5');"
        "print(ks.__file__, model.count_params())"
    )
    where = run(installed / "python", "-c", code, **options)
    assert str(ROOT) not in where

    # Weights are not in the wheel: the message says where they are looked for, a variable tells.
    lost = subprocess.run(
        [command, "zoo"], capture_output=True, text=True, cwd=tmp_path, env=variables
    )
    assert lost.returncode == 2
    assert "KERAS_SKELETON_WEIGHTS" in lost.stderr
    told = variables | {"KERAS_SKELETON_WEIGHTS": str(ROOT / "weights")}
    assert "all files match their SHA-256" in run(command, "zoo", cwd=tmp_path, env=told)
