"""Files that were made to do harm, or are of the wrong kind: each is refused in one sentence, with
few bytes read and little memory taken, and nothing in it is run.

Elsewhere: weights in `test_weights.py` and `test_i3d_weights.py`; pickles opcode by opcode in
`datasets/formats/test_plain_pickle.py`; MAT-files, among them a bomb, in `test_mat_file.py` beside
it; clips that are no clips, and lists that lead out of the folder, in `datasets/test_folder.py`;
broken runs in `evaluation/test_report.py`.
"""

import ast
import io
import json
import os
import pickle
import zipfile
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from keras_skeleton import cli
from keras_skeleton.checkpoints.structure import base_and_numbers
from keras_skeleton.datasets import nucla
from keras_skeleton.datasets.dataset import LISTED, ReadReport
from keras_skeleton.datasets.formats import ntu_text
from keras_skeleton.datasets.formats.clip_file import ClipError, read_array
from keras_skeleton.datasets.formats.skeleton_toml import read_layout
from keras_skeleton.datasets.hdm05 import read_clip as read_motion
from keras_skeleton.datasets.hdm05 import read_mapping
from keras_skeleton.datasets.pku_mmd import read_frames
from keras_skeleton.datasets.registry import SOURCES
from keras_skeleton.datasets.source import load
from keras_skeleton.datasets.store import FORMAT, open_store
from keras_skeleton.datasets.ut_kinect import read_labels, read_sequence
from keras_skeleton.detection.detect import Settings, read_settings
from keras_skeleton.detection.recording import read_recording
from keras_skeleton.detection.report import _curves, _read_detections
from keras_skeleton.detection.tables import read_pku_mmd, write_pku_mmd
from keras_skeleton.evaluation.page import _picture
from keras_skeleton.evaluation.report import read_experiment, read_history
from keras_skeleton.evaluation.scores import read_scores, write_scores
from keras_skeleton.skeletons import get_skeleton
from keras_skeleton.utils import files
from keras_skeleton.utils.errors import DatasetError, UnknownNameError, UserError
from keras_skeleton.utils.text import from_spreadsheet_cell, spreadsheet_cell
from keras_skeleton.video import reading as video
from keras_skeleton.video.crops import open_crops
from keras_skeleton.video.reading import VideoError, frames_of, write_video

PACKAGE = Path(cli.__file__).parent
GIGABYTE = 1 << 30
TOO_LARGE = "1.0 GiB"
STRICT = ReadReport(strict=True)


def huge(path):
    """A file of a gigabyte that takes no room on the disk."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        file.truncate(GIGABYTE)
    return path


def bytes_read():
    """By this process so far, from files of all kinds."""
    return int(Path("/proc/self/io").read_text().split()[1])


@contextmanager
def bounded(megabytes=400, read=100):
    """What happens inside may take that many more megabytes of memory, and read that many."""
    try:
        import resource

        pages = int(Path("/proc/self/statm").read_text().split()[0])
        start = bytes_read()
    except (ImportError, OSError):
        pytest.skip("neither memory nor what is read can be bounded here")
    before = resource.getrlimit(resource.RLIMIT_AS)
    most = pages * resource.getpagesize() + (megabytes << 20)
    resource.setrlimit(resource.RLIMIT_AS, (most, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)
    assert bytes_read() - start < read << 20


def refused(call, *fragments, read=100):
    """Checks that a call ends with one sentence that holds the fragments."""
    with bounded(read=read), pytest.raises((UserError, ClipError)) as error:
        call()
    text = str(error.value)
    assert len(text) < 1000
    for fragment in fragments:
        assert fragment in text
    assert text.count("\n") <= 2  # a list of what was left out, and the first of it


# ---------------------------------------------------------------- a gigabyte where a text should be

# Of every dataset: files that are as they should be, and the one of a gigabyte.
SKELETON = b"1\n0\n"
TREES = {
    "ntu": ({}, "nturgb+d_skeletons/S001C001P001R001A001.skeleton"),
    "nucla": ({}, "all_sqe/a01_s01_e01_v01.json"),
    "sbu": ({}, "s01s02/01/001/skeleton_pos.txt"),
    "uestc": ({}, "skeleton/a0_d1_p001_c1_skeleton.txt"),
    "uestc .mat": ({}, "mat_from_skeleton/a0_d1_p001_c1_skeleton.mat"),
    "sysu3d": ({}, "3DvideoNorm/s1/video1/sklWorld.mat"),
    "ut_kinect": (
        {"joints/actionLabel.txt": b"s01_e01\nwalk: 1 2\n"}, "joints/joints_s01_e01.txt"
    ),
    "ut_kinect labels": ({"joints/joints_s01_e01.txt": b""}, "joints/actionLabel.txt"),
    "pku_mmd": ({"label/0002-L.txt": b"1,0,5,1\n"}, "skeleton/0002-L.txt"),
    "pku_mmd labels": ({"skeleton/0002-L.txt": b""}, "label/0002-L.txt"),
    "pku_mmd split": (
        {"skeleton/0002-L.txt": b"", "label/0002-L.txt": b""}, "split/cross-view.txt"
    ),
    "hdm05 bones": ({"clap1Reps/HDM_bd_clap1Reps_001_120.amc": b""}, "HDM_bd.asf"),
    "folder": (
        {"labels.csv": b"file,label\na.npy,x\n", "skeleton.toml": b"skeleton='sbu'"}, "a.npy"
    ),
    "folder .csv": (
        {"labels.csv": b"file,label\na.csv,x\n", "skeleton.toml": b"skeleton='sbu'"}, "a.csv"
    ),
    "folder labels": ({"skeleton.toml": b"skeleton='sbu'"}, "labels.csv"),
    "folder layout": ({"labels.csv": b"file,label\na.npy,x\n"}, "skeleton.toml"),
}  # fmt: skip


def plant(root, tree):
    for name, content in tree.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)


@pytest.mark.slow
@pytest.mark.parametrize("case", TREES)
def test_a_gigabyte_in_a_dataset_is_left_out_or_refused(case, tmp_path):
    others, name = TREES[case]
    root = tmp_path / "data"
    plant(root, others)
    huge(root / name)
    source = SOURCES[case.split()[0]]
    fragment = "256 MiB" if name.startswith("a.") else TOO_LARGE
    for strict in (False, True):
        refused(
            lambda strict=strict: load(source, root, tmp_path / "cache", strict=strict),
            Path(name).name,
            fragment,
            read=1200,  # its hash, by which changes are noticed
        )


def a_run(folder):
    """The folder of a run that `report` reads."""
    fold = folder / "fold_01"
    fold.mkdir(parents=True)
    run = {
        "model": "m", "dataset": "d", "protocol": "p", "recipe": {}, "seed": 0,
        "classes": ["a", "b"], "folds_total": 1,
    }  # fmt: skip
    (folder / "run.json").write_text(json.dumps(run))
    (fold / "metrics.json").write_text(json.dumps({"fold": 1, "accuracy": 1.0}))
    (fold / "history.csv").write_text("epoch,accuracy\n1,0.5\n")
    write_scores(fold / "scores.npz", ["x", "y"], [0, 1], np.eye(2), ["a", "b"], 1)
    return folder


def a_detection_run(folder, **changes):
    """The folder of a run that `detect --stream` reads; without weights."""
    (folder / "fold_01" / "tap_u").mkdir(parents=True)
    run = {
        "classes": ["a"], "classes_scored": 1, "skeleton": "kinect_v1", "bodies": 1, "fps": None,
        "classifier": "sta_lstm", "frames": {"tap_u": None, "classifier": 30},
        "recipes": {"tap_lstm": {"model": {}, "read": {}}}, **changes,
    }  # fmt: skip
    (folder / "run.json").write_text(json.dumps(run))
    return folder


def detector(path):
    from keras_skeleton.detection.detector import Detector

    return Detector(path.parent)


def open_run(path):
    from keras_skeleton.evaluation.run_record import open_run

    open_run(path.parent, {"seed": 0}, [], True)


def load_state(path):
    from keras_skeleton.training.state import TrainingState

    TrainingState.load(path)


def curves(path):
    with _curves(path) as arrays:
        dict(arrays)


READERS = {
    "run.json": lambda path: read_experiment(path.parent),
    "fold_01/metrics.json": lambda path: read_experiment(path.parents[1]),
    "fold_01/history.csv": read_history,
    "fold_01/scores.npz": lambda path: read_experiment(path.parents[1]),
    "fold_01/state.npz": load_state,
    "fold_01/tap_u/curves.npz": curves,
    "fold_01/tap_u/settings.json": read_settings,
    "fold_01/tap_u/detections.csv": lambda path: _read_detections(path, 3),
    "pku_mmd/0002-L.txt": lambda path: read_pku_mmd(path.parent),
    "attention/clip.png": lambda path: _picture(path, "a clip"),
    "crops.csv": lambda path: open_crops(path.parent),
    "manifest.json": lambda path: open_store(path.parent, "toy", {}),
    "mapping.csv": read_mapping,
    "HDM_bd_clap1Reps_001_120.amc": lambda path: read_motion(path, None, [], 1, STRICT),
    "clip.json": read_array,
    "clip.npz": read_array,
    "0002-L.txt": lambda path: read_recording(path, get_skeleton("kinect_v2"), 1, ["a"]),
    "joints_s01_e01.txt": lambda path: read_recording(path, get_skeleton("kinect_v1"), 1, ["a"]),
}


@pytest.mark.parametrize("name", READERS)
def test_a_gigabyte_elsewhere_is_refused(name, tmp_path):
    path = huge(a_run(tmp_path / "run") / name)
    fragment = {
        "clip.json": "256",
        "clip.npz": "256",
        "fold_01/state.npz": "",
    }
    refused(lambda: READERS[name](path), fragment.get(name, TOO_LARGE))


@pytest.mark.parametrize("read", [detector, open_run])
def test_a_gigabyte_in_a_run_that_goes_on(read, tmp_path):
    path = huge(tmp_path / "run.json")
    read_first = pytest.importorskip("keras")  # its start needs memory of its own
    assert read_first
    __import__("keras_skeleton.detection.detector")
    __import__("keras_skeleton.training.experiment")
    refused(lambda: read(path), TOO_LARGE)
    path.write_bytes(b'{"a":' * 100_000)
    refused(lambda: read(path), "run.json", "nested")


@pytest.mark.parametrize("command", ["report", "prepare"])
def test_the_command_line_says_one_line(command, tmp_path, capsys):
    huge(a_run(tmp_path / "run") / "run.json")
    huge(tmp_path / "data" / "labels.csv")
    words = {
        "report": ["report", str(tmp_path / "run")],
        "prepare": [
            *("prepare --dataset folder --option skeleton=sbu --data-dir".split()),
            *(str(tmp_path / "data"), "--cache-dir", str(tmp_path / "cache")),
        ],
    }
    assert cli.main(words[command]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert TOO_LARGE in line


# ---------------------------------------------------------------- less than that, but absurd


def test_lines_without_end_and_without_number(tmp_path, monkeypatch):
    path = tmp_path / "a.txt"
    path.write_bytes(bytes(files.LINE + 1))
    refused(lambda: files.read_text(path, "a clip"), "a.txt", "262,144 bytes")
    monkeypatch.setattr(files, "LINE", 100)
    path.write_bytes(b"1 2\r\n" * 100)
    assert files.read_text(path, "a clip", lines=100) == "1 2\n" * 100
    path.write_bytes(b"1\n" * 300)
    refused(lambda: files.read_text(path, "a clip", lines=100), "a.txt", "100 lines")


def test_devices_and_pipes_are_not_waited_for(tmp_path):
    folder = tmp_path / "data" / "s01s02" / "01" / "001"
    folder.mkdir(parents=True)
    os.mkfifo(folder / "skeleton_pos.txt")
    refused(lambda: load(SOURCES["sbu"], tmp_path / "data", tmp_path / "c"), "device")
    folder = tmp_path / "ntu"
    folder.mkdir()
    (folder / "S001C001P001R001A001.skeleton").symlink_to("/dev/zero")
    refused(lambda: load(SOURCES["ntu"], folder, tmp_path / "c"), "device")


def test_a_file_of_nothing_but_errors_does_not_fill_the_list(tmp_path):
    path = tmp_path / "joints_s01_e01.txt"
    path.write_text("1 2\n" * (3 * LISTED))
    report = ReadReport()
    read_sequence(path, report)
    assert len(report.skipped) == LISTED
    assert report.skipped[-1].why != report.skipped[-2].why  # says that there are more
    path = tmp_path / "a01_s01_e01_v01.json"
    path.write_text('{"skeletons": [' + "[]," * 30_000 + "[]]}")
    report = ReadReport()
    assert nucla.read_clip(path, report) is None
    ((_, why),) = report.skipped
    assert "30,001" in why
    assert "20,000" in why


def test_json_of_more_lists_than_there_is_memory(tmp_path):
    path = tmp_path / "clip.json"
    path.write_bytes(b"[" + b"[]," * (8 << 20) + b"[]]")
    refused(lambda: read_array(path), "6,291,456")


NESTED = ("run.json", "fold_01/metrics.json", "fold_01/tap_u/settings.json", "manifest.json")


@pytest.mark.parametrize("name", NESTED)
@pytest.mark.parametrize("text", [b"[" * 100_000, b'{"a":' * 100_000], ids=["lists", "objects"])
def test_json_without_end(name, text, tmp_path):
    path = a_run(tmp_path / "run") / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(text)
    refused(lambda: READERS[name](path), path.name, "nested")


def test_toml_without_end(tmp_path):
    plant(tmp_path, {"labels.csv": b"file,label\n", "skeleton.toml": b"a = " + b"[" * 100_000})
    refused(lambda: load(SOURCES["folder"], tmp_path, tmp_path / "c"), "nested")
    (tmp_path / "skeleton.toml").write_text(f"skeleton = '{'coco' * 10_000}'")
    refused(lambda: load(SOURCES["folder"], tmp_path, tmp_path / "c"), "skeleton.toml")


@pytest.mark.parametrize("part", ['\\"', '\\"""\n', "'" * 3 + "a\n", '"a\n', '"""\\"""', "\\'"])
def test_toml_of_texts_that_do_not_end(part, tmp_path):
    """To search for the end of each would take the square of the file's size: minutes."""
    path = tmp_path / "skeleton.toml"
    path.write_text(part * (250_000 // len(part)))
    refused(lambda: read_layout(tmp_path), "skeleton.toml")
    path.write_text('skeleton = "kinect_v2"  # "' + '\nunits = "m" # \'')
    assert read_layout(tmp_path).unit == "m"


@pytest.mark.parametrize("value", ["9" * 5000, "0x" + "f" * 5000])
def test_whole_numbers_of_many_digits(value, tmp_path):
    (tmp_path / "skeleton.toml").write_text(f"skeleton = 'coco17'\nfps = {value}")
    refused(lambda: read_layout(tmp_path), "skeleton.toml", "too many digits")
    path = tmp_path / "run.json"
    path.write_text(f'{{"a": {"9" * len(value)}}}')
    with pytest.raises(ValueError, match="too many digits"):
        files.read_json(path, "a file")
    path = tmp_path / "clip.json"
    path.write_text(f"[[[1, 2, {'9' * len(value)}]]]")
    with pytest.raises(ClipError, match="too many digits"):
        read_array(path)


def test_long_numbers_are_read_once():
    """Each of these would take the square of its digits."""
    digits = "1" * 130_000
    assert from_spreadsheet_cell(f"'-{digits}x") == f"-{digits}x"
    assert spreadsheet_cell(f"-{digits}x") == f"'-{digits}x"
    assert spreadsheet_cell(f"-{digits}.5e3") == f"-{digits}.5e3"
    name = "_1" * 50_000 + "x"
    assert base_and_numbers(name) == (name, ())
    assert base_and_numbers("conv2d_10_1") == ("conv2d", (10, 1))
    assert base_and_numbers(f"a_{digits}") == (f"a_{digits}", ())
    assert ntu_text._number(b"1" * 130_000 + b"x") is None


def test_an_absurd_name_is_not_repeated():
    assert len(str(UnknownNameError("clip", "x" * 1_000_000, ["a"]))) < 200


def test_numbers_beyond_measure(tmp_path):
    path = tmp_path / "joints_s01_e01.txt"
    row = " ".join(["1"] * 60)
    path.write_text(f"1e300 {row}\n2 1e300 {row[2:]}\n3 -inf {row[2:]}\n4 {row}\n")
    report = ReadReport()
    numbers, frames = read_sequence(path, report)
    assert list(numbers) == [4]
    assert np.isfinite(frames).all()
    assert [where.rpartition(":")[2] for where, _ in report.skipped] == ["1", "2", "3"]
    labels = tmp_path / "actionLabel.txt"
    labels.write_text(f"s01_e01\nwalk: 1 {'9' * 5000}\nwalk: {'9' * 20} {'9' * 21}\n")
    report = ReadReport()
    assert read_labels(labels, report) == {"s01_e01": []}
    assert [where.rpartition(":")[2] for where, _ in report.skipped] == ["2", "3"]
    path = tmp_path / "0002-L.txt"
    path.write_text(" ".join(["1e300"] * 150) + "\n" + " ".join(["0x1"] * 150))
    report = ReadReport()
    assert not read_frames(path, report).any()
    assert len(report.skipped) == 2


# ---------------------------------------------------------------- arrays


class Code:
    """What a pickle of it does when it is loaded: it makes a file."""

    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return open, (str(self.marker), "w")


def forged(path, shape=(1 << 29,), size=4 << 30, name="logits.npy"):
    """An .npz of a few kilobytes with an array of gigabytes."""
    header = io.BytesIO()
    content = {"descr": "<f8", "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(header, content)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, header.getvalue() + bytes(1 << 20))
        archive.infolist()[0].file_size = size
    return path


ARRAYS = {
    name: READERS[name] for name in ("fold_01/scores.npz", "fold_01/state.npz", "clip.npz")
} | {"fold_01/tap_u/curves.npz": curves}
KEYS = ("names", "labels", "logits", "classes", "fold", "variable_0", "history", "clip", "0002-L")


@pytest.mark.parametrize("name", ARRAYS)
def test_archives(name, tmp_path):
    path, marker = a_run(tmp_path / "run") / name, tmp_path / "was here"
    path.parent.mkdir(exist_ok=True)

    np.savez(path, **dict.fromkeys(KEYS, np.array([Code(marker)], object)))
    refused(lambda: ARRAYS[name](path), path.name if "clip" not in name else "allow_pickle")
    pickled = pickle.dumps(Code(marker))
    path.write_bytes(pickled)
    refused(lambda: ARRAYS[name](path))
    assert not marker.exists()
    pickle.loads(pickled).close()  # the code would have worked
    assert marker.exists()

    bomb = forged(path)
    assert bomb.stat().st_size < 10_000
    refused(lambda: ARRAYS[name](path), "4.0 GiB" if "state" not in name else "compressed")
    for member in KEYS:  # its list says less than the array's header
        forged(path, size=1 << 20, name=f"{member}.npy")
        refused(lambda: ARRAYS[name](path))

    np.savez(path, **dict.fromkeys(KEYS, np.zeros(1000)))
    whole = path.read_bytes()
    for length in (0, 1, 30, 4000, len(whole) - 1):
        path.write_bytes(whole[:length])
        refused(lambda: ARRAYS[name](path))


def test_entries_of_an_archive_that_are_no_arrays(tmp_path):
    path = tmp_path / "clip.npz"
    header = io.BytesIO()
    content = {"descr": "<f8", "fortran_order": False, "shape": (400_000_000,)}
    np.lib.format.write_array_header_1_0(header, content)
    # NumPy reads an array whatever its name is: this one claims 3 GB.
    for entry in (b"text", header.getvalue() + bytes(800)):
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("clip", entry)
        with pytest.raises(ClipError, match="'clip', which is no array"):
            read_array(path)
    for shape in ((True, 17, 3), (-1, 17, 3)):
        header = io.BytesIO()
        np.lib.format.write_array_header_1_0(header, {**content, "shape": shape})
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("clip.npy", header.getvalue() + bytes(17 * 3 * 8))
        with pytest.raises(ClipError, match="damaged header"):
            read_array(path)
    path = tmp_path / "scores.npz"
    np.savez(path, names=["a"])
    refused(lambda: read_scores(path), "has no array labels, logits, classes, fold; expected")


def test_an_archive_of_a_hundred_thousand_arrays(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "ARRAYS", 100)
    np.savez(tmp_path / "a.npz", **{f"a{i}": np.zeros(0) for i in range(101)})
    refused(lambda: read_scores(tmp_path / "a.npz"), "a.npz", "100")


WRONG = {
    "logits": (np.eye(2, dtype=complex), np.eye(2).astype(str), np.eye(2) * np.nan,
               np.full((2, 2), np.inf), np.zeros((2, 2), "M8[s]"), np.zeros((1 << 20, 0))),
    "labels": (np.array(["0", "1"]), np.zeros(2, "M8[s]"), np.array([0, 1 << 63], np.uint64),
               np.array([0.0, 1.0]), np.array([0, -1])),
    "names": (np.array([b"a", b"b"]), np.zeros(2), np.array("one")),
    "fold": (np.array([1.5, 1.5]), np.array(["1", "1"])),
}  # fmt: skip


@pytest.mark.parametrize("key", WRONG)
def test_scores_of_other_kinds(key, tmp_path):
    path = tmp_path / "scores.npz"
    write_scores(path, ["x", "y"], [0, 1], np.eye(2), ["a", "b"], 1)
    good = dict(np.load(path, allow_pickle=False))
    read_scores(path)
    for values in WRONG[key]:
        np.savez(path, **{**good, key: values})
        refused(lambda: read_scores(path), "scores.npz")


def test_a_store_of_pickles(tmp_path):
    """As `test_store.py`, but with code in it."""
    np.save(tmp_path / "rows.npy", np.array([Code(tmp_path / "x")], object), allow_pickle=True)
    size = (tmp_path / "rows.npy").stat().st_size
    files = {"rows.npy": {"bytes": size}}
    manifest = {"format": FORMAT, "skeleton": "sbu", "rows": 1, "files": files}
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises((ValueError, UserError)):
        open_store(tmp_path, "toy", {})
    assert not (tmp_path / "x").exists()


# ---------------------------------------------------------------- runs


@pytest.mark.parametrize(
    "changes",
    [
        {"bodies": 10**12}, {"bodies": True}, {"bodies": "2"}, {"classes": 3}, {"classes": []},
        {"frames": {"tap_u": 10**9}}, {"recipes": {"tap_lstm": {"model": {"units": 10**9}}}},
        {"recipes": 5}, {"recipes": {"tap_lstm": {}}}, {"fps": 0}, {"classifier": ["sta_lstm"]},
    ],
    ids=str,
)  # fmt: skip
def test_detectors_beyond_measure(changes, tmp_path):
    __import__("keras_skeleton.detection.detector")  # Keras' start needs memory of its own
    detector(a_detection_run(tmp_path / "good") / "run.json")
    path = a_detection_run(tmp_path / "run", **changes) / "run.json"
    refused(lambda: detector(path), "run.json")


def test_real_runs_are_within_all_bounds():
    from keras_skeleton.detection.detector import read_run

    for path in PACKAGE.parent.glob("results/detect_*/run.json"):
        assert read_run(path.parent)["classes"]


@pytest.mark.parametrize(
    "text",
    [
        "", "[]", "{}", '{"test": []}', '{"test": {"a": "x"}}', '{"test": {}, "window": 1e12}',
        '{"test": {}, "omega": -1}', '{"test": {}, "epsilon": NaN}', '{"test": {}, "shell": "ls"}',
        '{"test": {}, "window": "__import__(1)"}', '{"test": {}, "window": ' + "9" * 5000 + "}",
    ],
)  # fmt: skip
def test_settings_that_make_no_sense(text, tmp_path):
    path = tmp_path / "settings.json"
    path.write_text(text)
    refused(lambda: read_settings(path), "settings.json")
    path.write_text(json.dumps({"epsilon": 1, "test": {"a": 7}}))
    assert read_settings(path) == (Settings(epsilon=1), {"a": 7})


@pytest.mark.parametrize(
    "text",
    [
        "", "x", "\0", "{}a,5,0,9,1\n", "{}a,0,9,0,1\n", "{}a,0,0,inf,1\n", "{}a,0,x,9,1\n",
        "{}a,-1,0,9,1\n", "{}a,0,0,9\n", "{}a,0,0,9,1,2,3\n",
    ],
)  # fmt: skip
def test_detections_that_make_no_sense(text, tmp_path):
    path = tmp_path / "detections.csv"
    path.write_text(text.replace("{}", "video,label,start,end,score\n"))
    refused(lambda: _read_detections(path, 3), "detections.csv")


GOOD_ROW = "name,frames,size,held_a\nx,5,64,0\n"


@pytest.mark.parametrize(
    "text",
    [
        b"\xff\xfe", b"name\nx\n", GOOD_ROW.replace("64", "x").encode(), b"\0" * 300_000,
        GOOD_ROW.replace("5", "-5").encode(), GOOD_ROW.replace("64", "9" * 5000).encode(),
        GOOD_ROW.replace("0\n", "0,1,2\n").encode(), GOOD_ROW.replace("x,", ",").encode(),
    ],
)  # fmt: skip
def test_tables_of_crops_that_make_no_sense(text, tmp_path):
    (tmp_path / "crops.csv").write_bytes(text)
    refused(lambda: open_crops(tmp_path), "crops.csv")
    (tmp_path / "crops.csv").write_text(GOOD_ROW)
    assert open_crops(tmp_path).frames == {"x": 5}


# ---------------------------------------------------------------- names that lead outside


@pytest.mark.parametrize(
    "name", ["../../x", "/x", "..", ".", "...", "a/../..", "..\\x", "c:x", "\0"]
)
def test_a_clips_name_stays_in_its_folder(name, tmp_path):
    path = (tmp_path / f"{files.plain_name(name)}.png").resolve()
    assert path.parent == tmp_path
    assert path.name not in ("", ".png", tmp_path.name + ".png")
    assert (tmp_path / files.plain_name(name)).resolve().parent == tmp_path
    assert (tmp_path / files.plain_name(name)).resolve() != tmp_path


def test_names_that_are_no_harm_are_kept():
    for name in ("S001C001P001R001A001", "s01_e01_walk", "Anna's clip (2).take-1", "ä b"):
        assert files.plain_name(name) == name


@pytest.mark.parametrize("name", ["../../x", "."])
def test_inspect_writes_into_its_folder(name, tmp_path, capsys):
    clip = np.random.default_rng(0).normal(size=(1, 4, 25, 3)).astype(np.float32)
    annotation = {"frame_dir": name, "label": 0, "keypoint": clip, "total_frames": 4}
    (tmp_path / "data").mkdir()
    (tmp_path / "a" / "b" / "c").mkdir(parents=True)
    content = {"split": {}, "annotations": [annotation]}
    (tmp_path / "data" / "a.pkl").write_bytes(pickle.dumps(content))
    words = ["inspect", "--dataset", "pyskl", "--data-dir", str(tmp_path / "data")]
    out = tmp_path / "a" / "b" / "c"
    before = {p for p in tmp_path.rglob("*") if "cache" not in p.parts}
    words += ["--cache-dir", str(tmp_path / "cache"), "--out", str(out)]
    assert cli.main(words) == 0
    made = {p for p in tmp_path.rglob("*") if "cache" not in p.parts} - before
    assert {p.parent for p in made} == {out}
    assert {p.suffix for p in made} == {".png", ".gif"}


@pytest.mark.parametrize("video", ["../../x", "/abs/x", "..", "a\\b"])
def test_detections_are_written_into_their_folder(video, tmp_path):
    table = pd.DataFrame(
        [(video, 1, 0, 9, 0.5)], columns=["video", "label", "start", "end", "score"]
    )
    out = tmp_path / "a" / "b" / "c"
    refused(lambda: write_pku_mmd(table, out), video)
    refused(lambda: write_pku_mmd(table[:0], out, [video]), video)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_a_picture_that_leads_to_a_private_file_is_not_shown(tmp_path):
    (tmp_path / "secret.txt").write_text("secret")
    (tmp_path / "clip.png").symlink_to(tmp_path / "secret.txt")
    refused(lambda: _picture(tmp_path / "clip.png", ""), "clip.png")


# ---------------------------------------------------------------- videos


def test_videos_that_lead_to_other_files_or_are_too_large(tmp_path, monkeypatch):
    real = tmp_path / "real.avi"
    write_video(real, np.zeros((3, 64, 64, 3), np.uint8))
    assert len(list(frames_of(real))) == 3
    texts = {
        "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{}\n#EXT-X-ENDLIST\n",
        "ffconcat version 1.0\nfile '{}'\n",
    }
    for text in texts:
        for target in (real.name, f"file:{real}", "http://127.0.0.1:9/x.avi"):
            playlist = tmp_path / "playlist.avi"
            playlist.write_text(text.format(target))
            with pytest.raises(VideoError, match="decoding failed"):
                list(frames_of(playlist))
    monkeypatch.setattr(video, "MAX_PIXELS", 64 * 64 - 1)
    refused(lambda: list(frames_of(real)), "64 x 64")


# ---------------------------------------------------------------- the source itself

LOADERS = {"pickle", "_pickle", "cPickle", "marshal", "shelve", "dill", "joblib", "cloudpickle",
           "jsonpickle"}  # fmt: skip
CALLS = {
    "eval", "exec", "compile", "__import__", "os.system", "os.popen", "pickle.load", "load_model",
    "model_from_json", "model_from_config", "deserialize_keras_object", "yaml.load", "extractall",
    "enable_unsafe_deserialization", "read_pickle", "unpack_archive", "loadmat", "getstatusoutput",
}  # fmt: skip

# bundle.py runs the source that it has written from functions of this package, to compare both.
# executor.py sends functions to the workers of the user's own cluster, as Dask does; no file.
OWN_SOURCE = {("bundle.py", "exec"), ("bundle.py", "compile"), ("executor.py", "pickle"),
              ("executor.py", "cloudpickle")}  # fmt: skip


def loaders(node):
    """What a part of a program has that can run what a file holds."""
    if isinstance(node, ast.Import):
        yield from LOADERS & {alias.name.split(".")[0] for alias in node.names}
    elif isinstance(node, ast.ImportFrom):
        yield from LOADERS & {(node.module or "").split(".")[0]}
    elif isinstance(node, ast.Call):
        name = ast.unparse(node.func)
        given = {word.arg: ast.unparse(word.value) for word in node.keywords}
        if name == "compile" or {name, name.rsplit(".", 1)[-1]} & (CALLS - {"compile"}):
            yield name
        if given.get("shell", "False") != "False":
            yield f"shell={given['shell']}"
        if given.get("allow_pickle", str(name == "np.load")) != "False":
            yield f"{name} without allow_pickle=False"


def test_nothing_in_the_package_can_run_what_a_file_holds():
    found = [
        f"{path.relative_to(PACKAGE)}:{node.lineno}: {what}"
        for path in sorted(PACKAGE.rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        for what in loaders(node)
        if (path.name, what) not in OWN_SOURCE
    ]
    assert not found, "\n".join(found)
    for line in ("import pickle", "from dill import load", "eval(x)", "np.load(path)",
                 "f(x, allow_pickle=True)", "run(x, shell=True)",
                 "keras.models.load_model(x)"):  # fmt: skip
        assert any(list(loaders(node)) for node in ast.walk(ast.parse(line))), line


def test_the_strict_report_stops_at_the_first_bad_place():
    with pytest.raises(DatasetError):
        ReadReport(strict=True).skip("a:1", "bad")
