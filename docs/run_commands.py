"""Runs the commands of README and documentation in an empty folder, as a reader would.

    python docs/run_commands.py --out tried                     # what needs no recordings
    python docs/run_commands.py --out tried --data-dir PATH     # PATH/ut_kinect, PATH/sbu, ...
    python docs/run_commands.py --out tried --page docs/film.md

Trainings are cut to one epoch and tables are made from stored runs only, so results are not those
of the documentation; everything else runs as it stands there. Files that the pages speak of, such
as `clip.npy` and `recordings/`, are made first. The output is a folder with a log for each command
and `commands.csv`: page, line, command as run, exit status, seconds, and why one was left out.
"""

from __future__ import annotations

import argparse
import csv
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PROGRAM = "keras-skeleton"
TIMEOUT = 900  # seconds for a command

# What cannot run here, by words in the command.
LEFT_OUT = {
    r"camera:0": "needs a camera",
    r"^(pip|python -m venv|source|pre-commit|sbatch)\b": "installs or schedules",
    r"^python -m pytest": "is the test suite",
    r"HOST:PORT": "needs several machines",
    r"\.\.\.": "is a part of a command",
    r"--i3d PATH|ntu": "needs NTU RGB+D or weights of I3D",
    r"mixed_bfloat16": "needs a GPU",
    r"pose-models --pose-models": "needs the wheel that was downloaded before",
    r"serve\b": "does not end by itself",
    r"runs/fold\*": "needs the runs of a job array",
    r"zoo --add|--aggregation|^python predict\.py": "needs a run or an export of the reader's",
    r"^python docs/(?!.*--check)": "writes to the checkout",
    r"benchmarks/growth": "needs an idle machine for an hour",
    r"gestures": "needs the reader that the page writes",
}


@dataclass(frozen=True)
class Command:
    """A command of a page; `line` is that of its first word."""

    page: str
    line: int
    text: str

    @property
    def words(self) -> list[str]:
        """Its words, without the program; empty if it is of another program."""
        words = shlex.split(self.text.rpartition("| ")[2])
        if words[:2] == ["python", "run.py"]:
            return words[2:]
        return words[1:] if words[:1] == [PROGRAM] else []


def pages() -> list[Path]:
    """README and the pages of the documentation, in the order of a reader."""
    first = ["README.md", "docs/get-started.md", "docs/your-own-clips.md"]
    rest = sorted(str(p.relative_to(ROOT)) for p in (ROOT / "docs").rglob("*.md"))
    rest = [page for page in rest if "_generated" not in page]
    return [ROOT / page for page in dict.fromkeys([*first, "CONTRIBUTING.md", *rest])]


def documented(page: Path) -> Iterator[Command]:
    """The commands in a page's blocks of shell."""
    inside, start, text = False, 0, ""
    for number, line in enumerate(page.read_text("utf-8").splitlines(), 1):
        if line.startswith("```"):
            inside = not inside and line[3:].strip() == "sh"
        elif inside:
            part = re.sub(r"(^|\s)#.*", "", line).rstrip()
            start = start if text else number
            text += part.removesuffix("\\")
            if not part.endswith("\\"):
                if text.strip():
                    name = str(page.relative_to(ROOT))
                    yield Command(name, start, " ".join(text.split()))
                text = ""


def shortened(words: list[str], data: Path | None, models: set[str]) -> list[str]:
    """The words of a command as it is run here."""
    words = [str(data) if word == "PATH" and data else word for word in words]
    name = words[0]
    if name == "train" and "--weights" not in words:
        model = words[words.index("--model") + 1] if "--model" in words else ""
        stages = ["--set", "recipe.stages=none"] if model in models else []
        words += [*stages, "--epochs", "1"]
    elif name == "detect" and "--weights" not in words:
        words += ["--epochs", "1"]
    elif name == "reproduce" and "--table" in words:
        words += [] if {"--quick", "--no-train"} & {*words} else ["--no-train"]
    elif name == "attention" and "--score" in words and "--clips" not in words:
        words += ["--clips", "8"]
        if not {"--weights", "--runs"} & {*words}:  # else all networks of the zoo
            words += ["--weights", "sta_lstm_ut_kinect_cs"]
    return words


def make_files(folder: Path, data: Path | None) -> None:
    """The files that the pages speak of."""
    import numpy as np

    from keras_skeleton.datasets.registry import load_dataset

    dataset = load_dataset("synthetic", subjects=2, repetitions=1)
    names = {"wave": "wave_right_hand", "sit": "sit_down", "none": "stand_up"}
    for name in ("clip", "new", "new_clip", "recording"):
        np.save(folder / f"{name}.npy", dataset.clip(0))
    for top in ("clips", "my_clips"):
        for label in ("wave", "sit"):
            found = np.flatnonzero(dataset.labels == dataset.classes.index(names[label]))
            for number, i in enumerate(found, 1):
                path = folder / top / label / f"{number:03d}.npy"
                path.parent.mkdir(parents=True, exist_ok=True)
                np.save(path, dataset.clip(int(i)))
        (folder / top / "skeleton.toml").write_text('skeleton = "kinect_v2"\nfps = 30\n')
    recordings = folder / "recordings"
    recordings.mkdir()
    rows = ["file,label,start,end,subject"]
    for number, subject in enumerate(("anna", "ben", "cleo"), 1):
        clips = [dataset.clip(i)[:, :1] for i in range(number, number + 6)]
        np.save(recordings / f"rec{number}.npy", np.concatenate(clips))
        at = 0
        for clip, label in zip(clips, ("wave", "", "sit", "", "wave", ""), strict=True):
            rows += [f"rec{number}.npy,{label},{at},{at + len(clip)},{subject}"] if label else []
            at += len(clip)
    (recordings / "intervals.csv").write_text("\n".join(rows) + "\n")
    shutil.copy(folder / "clips" / "skeleton.toml", recordings)
    shutil.copytree(recordings, folder / "recordings_of_predict")
    (folder / "recordings_of_predict" / "intervals.csv").unlink()
    frames = "import json, sys\nimport numpy as np\n"
    frames += (
        "for frame in np.load('clip.npy')[:, 0, :20]:\n    print(json.dumps(frame.tolist()))\n"
    )
    (folder / "joints.py").write_text(frames)
    sensor = folder / "bin" / "my_sensor"
    sensor.parent.mkdir()
    sensor.write_text(f"#!/bin/sh\nexec {shlex.quote(sys.executable)} joints.py\n")
    sensor.chmod(0o755)
    shutil.copy(ROOT / "docs" / "examples" / "attentive_lstm.py", folder)
    if data and (data / "ut_kinect").is_dir():
        joints = next((data / "ut_kinect").rglob("joints_s06_e01.txt"), None)
        if joints is not None:
            shutil.copy(joints, folder)
    films = sorted(p for p in (data / "films").rglob("*") if p.is_file()) if data else []
    for name in ("film.mp4", "new.mp4", "films/wave/1.mp4", "films/wave/2.mp4", "films/sit/1.mp4",
                 "films/sit/2.mp4", "films/none/1.mp4"):  # fmt: skip
        if films:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(min(films, key=lambda path: path.stat().st_size), folder / name)


def why_not(command: Command, folder: Path, data: Path | None) -> str:
    """Why a command is left out; empty if it is run."""
    for pattern, reason in LEFT_OUT.items():
        if re.search(pattern, command.text):
            return reason
    if "RUN_DIR" in command.text:
        return "needs a run of the reader's"
    if "PATH" in command.words and data is None:
        return "needs recordings (--data-dir)"
    missing = [w for w in command.words if re.search(r"^[\w/]+\.(mp4|txt)$", w)]
    if lost := [w for w in missing if "--out" not in command.words and not (folder / w).exists()]:
        return f"needs {', '.join(lost)}"
    return "" if command.words or command.text.startswith("python docs/") else "another program"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--out", type=Path, required=True, help="a folder that does not exist")
    parser.add_argument("--data-dir", type=Path, help="folder of the datasets")
    parser.add_argument("--page", action="append", help="only this page")
    parser.add_argument("--list", action="store_true", help="list the commands and stop")
    args = parser.parse_args()
    from keras_skeleton.recipes.registry import get_recipe

    data = args.data_dir.resolve() if args.data_dir else None
    args.out.mkdir(parents=True)
    out = args.out.resolve()
    work = out / "work"
    work.mkdir()
    make_files(work, data)
    names = ("sta_lstm", "ta_lstm", "sa_lstm", "pose_i3d")
    staged = {name for name in names if get_recipe(name, "synthetic").stages}
    environment = {
        **os.environ,
        "PATH": f"{work / 'bin'}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
    }
    failed = 0
    with (out / "commands.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["page", "line", "command", "status", "seconds", "left out"])
        for page in pages():
            if args.page and str(page.relative_to(ROOT)) not in args.page:
                continue
            for number, command in enumerate(documented(page)):
                if args.list:
                    print(f"{command.page}:{command.line}: {command.text}")
                    continue
                reason = why_not(command, work, data)
                line, status, seconds = command.text, "", ""
                if not reason:
                    line, code, taken = _run(command, number, out, work, environment, data, staged)
                    status, seconds, failed = str(code), f"{taken:.1f}", failed + (code != 0)
                table.writerow([command.page, command.line, line, status, seconds, reason])
                file.flush()
                print(f"{command.page}:{command.line}: {status or 'left out'}  {line}", flush=True)
    return min(failed, 1)


def _run(
    command: Command,
    number: int,
    out: Path,
    work: Path,
    environment: dict[str, str],
    data: Path | None,
    staged: set[str],
) -> tuple[str, int, float]:
    """Runs a command; the command as run, its exit status and its seconds."""
    before, mark, _ = command.text.rpartition("| ")
    if command.words:
        words = shortened(command.words, data, staged)
        if words[0] == "predict" and "recordings/" in words:
            words[words.index("recordings/")] = "recordings_of_predict"
        line = f"{before}{mark}{shlex.quote(sys.executable)} {ROOT / 'run.py'} {shlex.join(words)}"
        shown = f"{before}{mark}{PROGRAM} {shlex.join(words)}"
    else:
        shown = command.text
        line = re.sub("^python ", f"{shlex.quote(sys.executable)} ", shown)
    folder = work if command.words else ROOT
    log = out / f"{command.page.replace('/', '_')}_{number:02d}.log"
    begin = time.perf_counter()
    with log.open("w") as file:
        file.write(f"$ {shown}\n")
        file.flush()
        process = subprocess.Popen(  # noqa: S602 - the pipes of our own pages
            line, shell=True, cwd=folder, env=environment, stdin=subprocess.DEVNULL,
            stdout=file, stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
        try:
            code = process.wait(TIMEOUT)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            code = process.wait()
    return shown, code, time.perf_counter() - begin


if __name__ == "__main__":
    sys.exit(main())
