"""Execute notebooks and store them with their outputs.

    python notebooks/execute.py                     # all notebooks
    python notebooks/execute.py 05_pose_i3d_parts   # one notebook

Needs `pip install -r requirements-dev.txt` and the data that each notebook names, in the folder
`$KERAS_SKELETON_DATA`. Output that differs between machines and runs is removed: everything on
stderr, TensorFlow's warnings that it retraces, timestamps and the version of the kernel.
"""

from __future__ import annotations

import os
import re
import sys
import time
from pathlib import Path

import nbformat
from nbclient import NotebookClient

HERE = Path(__file__).resolve().parent
TIMEOUT = 600  # seconds for each cell
# The first code of every notebook: installs the package where it is missing, such as in Colab.
INSTALL = """\
# Without the package, such as in Colab: set CHECKOUT and run this cell. Else it does nothing.
CHECKOUT = ""  # the address of the project's git repository, or a folder with its checkout
import importlib.util
import os
import subprocess
import sys

if importlib.util.find_spec("keras_skeleton") is None:
    assert CHECKOUT, "the package keras_skeleton is not installed; set CHECKOUT"
    subprocess.run(["git", "clone", "--quiet", "--depth", "1", CHECKOUT, "checkout"], check=True)
    subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", "./checkout"], check=True)
    os.environ["KERAS_SKELETON_WEIGHTS"] = os.path.abspath("checkout/weights")"""
# Printed to stdout, with addresses that differ from run to run; about speed only.
RETRACING = re.compile(r"^WARNING:tensorflow:.*\bretracing\b.*\n?", re.M)


def execute(path: Path) -> tuple[float, float]:
    """Executes a notebook in place and returns its wall time and CPU time in seconds."""
    notebook = nbformat.read(path, as_version=4)
    start, before = time.monotonic(), os.times()
    NotebookClient(
        notebook,
        timeout=TIMEOUT,
        kernel_name="python3",
        record_timing=False,
        coalesce_streams=True,
        resources={"metadata": {"path": str(HERE)}},
    ).execute()
    seconds, after = time.monotonic() - start, os.times()
    busy = after.children_user - before.children_user
    busy += after.children_system - before.children_system
    clean(notebook)
    nbformat.write(notebook, path)
    return seconds, busy


def clean(notebook: nbformat.NotebookNode) -> None:
    """Removes output that differs between machines and runs."""
    notebook.metadata = {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    for number, cell in enumerate(notebook.cells):
        cell.id = f"cell{number:02d}"
        cell.metadata = {}
        if cell.cell_type == "code":
            cell.outputs = [kept for kept in map(_clean_output, cell.outputs) if kept is not None]


def _clean_output(output: nbformat.NotebookNode) -> nbformat.NotebookNode | None:
    """What of an output is the same everywhere: None if nothing is."""
    if output.output_type != "stream":
        return output
    output.text = RETRACING.sub("", output.text)
    return output if output.name != "stderr" and output.text else None


if __name__ == "__main__":
    names = sys.argv[1:] or sorted(path.stem for path in HERE.glob("*.ipynb"))
    for name in names:
        path = HERE / f"{Path(name).stem}.ipynb"
        seconds, busy = execute(path)
        size = path.stat().st_size / 1e6
        print(f"{path.name}: {seconds:.0f} s, {busy:.0f} s of CPU; {size:.2f} MB", flush=True)
