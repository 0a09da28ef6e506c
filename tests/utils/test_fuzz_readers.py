"""Random damage to small valid files: readers answer, or say in one sentence what is wrong.

Bytes are replaced, deleted, inserted and repeated; in JSON, values are replaced by others of all
types. Whatever comes out of a reader but a `UserError` (or the error that its callers report) is a
failure, and so is a read that takes long or much memory.
"""

import hashlib
import io
import json
import pickle
import signal
import struct
import zipfile
import zlib
from contextlib import contextmanager
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ntu_files import skeleton_lines, text_of
from PIL import Image

from keras_skeleton.checkpoints.h5_values import read_names, read_values
from keras_skeleton.datasets import ntu, nucla, pku_mmd, pyskl, sbu, sysu3d, uestc, ut_kinect
from keras_skeleton.datasets.dataset import ReadReport
from keras_skeleton.datasets.formats.annotation_table import read_annotation_table
from keras_skeleton.datasets.formats.asf_amc import MotionTextError, parse_amc, parse_asf
from keras_skeleton.datasets.formats.clip_file import ClipError, finish_clip, read_array
from keras_skeleton.datasets.formats.eaf import TimedLabel, read_eaf, write_eaf
from keras_skeleton.datasets.formats.mat_file import MatFileError
from keras_skeleton.datasets.formats.skeleton_toml import known_layout, read_layout
from keras_skeleton.datasets.own_labels import read_labels
from keras_skeleton.datasets.store import StoreWriter, open_store
from keras_skeleton.detection.detect import read_settings
from keras_skeleton.detection.report import _read_detections
from keras_skeleton.evaluation.calibration import Calibration
from keras_skeleton.evaluation.page import _picture, html_page, summary
from keras_skeleton.evaluation.report import merge_runs, read_history
from keras_skeleton.evaluation.run_record import about_run
from keras_skeleton.evaluation.scores import per_class_table, write_scores
from keras_skeleton.training.state import TrainingState
from keras_skeleton.utils.errors import UserError
from keras_skeleton.utils.files import write_json, write_text
from keras_skeleton.video.crops import open_crops
from keras_skeleton.video.reading import frames_of, write_video
from keras_skeleton.zoo.entries import checked_files, read_zoo

resource = pytest.importorskip("resource")
pytestmark = pytest.mark.slow

SECONDS, MEGABYTES = 60, 600  # on a busy machine; a read takes milliseconds
BODY = np.linspace(-1, 1, 4 * 25 * 3).reshape(4, 25, 3).round(3)


# ---------------------------------------------------------------- small valid files


def npy(path):
    np.save(path, BODY)


def npz(path):
    np.savez_compressed(path, clip=BODY, fps=30.0)


def clip_json(path):
    write_json(path, BODY.tolist())


def points(count, scale=1.0, columns=3):
    joints = [[scale * (100 + 7 * k % 31), scale * (50 + 11 * k), 0.9] for k in range(count)]
    return [number for joint in joints for number in joint[:columns]]


def openpose(path):
    frame = {"people": [{"pose_keypoints_2d": points(25), "person_id": [-1]}]}
    write_json(path, {"version": 1.3, "frames": [frame, frame]})


def alphapose(path):
    person = {"image_id": "0.jpg", "category_id": 1, "keypoints": points(17), "score": 2.5}
    write_json(path, [person, {**person, "image_id": "1.jpg", "idx": 1}])


def mmpose(path):
    person = {
        "keypoints": np.reshape(points(17, columns=2), (17, 2)).tolist(),
        "keypoint_scores": [0.5] * 17,
    }
    write_json(path, {"meta_info": {}, "instance_info": [{"frame_id": 1, "instances": [person]}]})


def kinetics(path):
    people = [{"pose": points(18, 1e-3, columns=2), "score": [0.5] * 18}]
    write_json(path, {"data": [{"frame_index": 1, "skeleton": people}], "label": "a"})


def clip_csv(path):
    names = [f"{axis}{joint}" for joint in range(25) for axis in "xyz"]
    rows = [[t, 0, *BODY[t].ravel()] for t in range(4)]
    lines = [["frame", "person", *names], *rows]
    write_text(path, "\n".join(",".join(map(str, line)) for line in lines))


def toml(path):
    write_text(
        path,
        'joints = ["a", "left_b", "right_b"]\nbones = [["a", "left_b"], ["a", "right_b"]]\n'
        'root = "a"\nfps = 30\nunits = "mm"\n[roles]\nhips = ["left_b", "right_b"]\n',
    )


def labels(path):
    npy(path.parent / "a.npy")
    write_text(path, "file,label,subject,start,end\na.npy,wave,1,0,2\na.npy,nod,2,2,4\n")


def intervals(path):
    write_text(path, "file,label,start_s,end_s\na,wave,0.5,2\na,nod,1:02,1:05\n")


def eaf(path):
    write_eaf([TimedLabel("wave", 0.5, 2.0), TimedLabel("nod", 3.0, 4.0)], path)


def skeleton(path):
    path.write_bytes(text_of(skeleton_lines([1, 2])))


def nucla_json(path):
    write_json(path, {"skeletons": [[[0.5, 1.5, 2.5]] * 20] * 3})


def ut_sequence(path):
    write_text(path, "\n".join(f"{t} " + " ".join(["1.5"] * 60) for t in range(3)))


def ut_labels(path):
    write_text(path, "s01_e01\nwalk: 252 390\nsitDown: 572 686\n")


def sbu_text(path):
    write_text(path, "\n".join(",".join([str(t), *["0.5"] * 90]) for t in range(3)))


def uestc_text(path):
    write_text(path, "".join("#\n" + "0.5 0.5 1.5\n" * 25 for _ in range(3)))


def pku(path):
    write_text(path, "\n".join(" ".join(["0.5"] * 150) for _ in range(3)))


ASF = """:units
length 0.45
angle deg
:root
order TX TY TZ RX RY RZ
axis XYZ
position 0 0 0
orientation 0 0 0
:bonedata
begin
name a
direction 0.3 -0.9 0
length 7.3
axis 0 0 20 XYZ
dof rx ry rz
end
:hierarchy
begin
root a
end
"""


def asf(path):
    write_text(path, ASF)


def amc(path):
    write_text(path, ":DEGREES\n1\nroot 1 2 3 4 5 6\na 1 2 3\n2\nroot 1 2 3 4 5 6\na 1 2 3\n")


def mat(path, packed=False):
    numbers = np.arange(20 * 3 * 2, dtype="<f8").tobytes()
    inner = (
        struct.pack("<IIII", 6, 8, 6, 0)
        + struct.pack("<IIiiii", 5, 12, 20, 3, 2, 0)
        + struct.pack("<HH4s", 1, 2, b"SW\0\0")
        + struct.pack("<II", 9, len(numbers))
        + numbers
    )
    content = struct.pack("<II", 14, len(inner)) + inner
    if packed:
        content = zlib.compress(content)
        content = struct.pack("<II", 15, len(content)) + content
    start = b"MATLAB 5.0 MAT-file".ljust(124) + struct.pack("<H", 0x100) + b"IM"
    path.write_bytes(start + content)


def packed_mat(path):
    mat(path, packed=True)


def annotations(path):
    one = {
        "frame_dir": "S001C001P001R001A001", "label": 0, "total_frames": 4,
        "keypoint": np.zeros((1, 4, 25, 3), np.float32),
    }  # fmt: skip
    path.write_bytes(pickle.dumps({"split": {"train": ["x"]}, "annotations": [one]}, 4))


def scores_of(path):
    write_scores(path, ["x", "y"], [0, 1], np.eye(2), ["a", "b"], 1)


def run(path):
    """A run folder; the damaged file is one of its files."""
    root = path if path.name == "run.json" else path.parent
    root = root.parent
    fold = root / "fold_01"
    fold.mkdir(parents=True, exist_ok=True)
    write_json(
        root / "run.json",
        {
            "model": "m", "dataset": "d", "protocol": "p", "recipe": "paper", "seed": 0,
            "classes": ["a", "b"], "folds_total": 1, "command": "x", "versions": {"a": "1"},
            "skeleton": "kinect_v2", "settings": {"dataset": {}, "epochs": 3}, "clips": 5,
        },
    )  # fmt: skip
    write_json(
        fold / "metrics.json",
        {
            "fold": 1, "accuracy": 1.0, "accuracy_last": 0.5, "seconds": 3.5, "epochs": 3,
            "clips": {"train": 3, "validation": 1, "test": 2}, "epoch_selected": 1,
        },
    )  # fmt: skip
    write_text(fold / "history.csv", "epoch,accuracy\n1,0.5\n2,0.75\n")
    scores_of(fold / "scores.npz")


def detection_run(path):
    write_json(
        path,
        {
            "classes": ["a"], "classes_scored": 1, "skeleton": "kinect_v1", "bodies": 1,
            "fps": None, "classifier": "sta_lstm", "frames": {"tap_u": None, "classifier": 30},
            "recipes": {"tap_lstm": {"model": {}, "read": {}}},
        },
    )  # fmt: skip


def detection_settings(path):
    write_json(path, {"epsilon": 0.5, "test": {"a": 30}})


def detections(path):
    table = pd.DataFrame([["a", 0, 1, 5, 0.5]], columns=["video", "label", "start", "end", "score"])
    table.to_csv(path, index=False)


def history(path):
    write_text(path, "epoch,accuracy,val_accuracy\n1,0.5,0.5\n2,0.75,nan\n")


def crops(path):
    write_text(path, "name,frames,size,held_left_hand\na,5,224,0\nb,7,224,1\n")


def zoo(path):
    write_text(path.parent / "a.h5", "x")
    digest = hashlib.sha256(b"x").hexdigest()
    entry = json.loads((Path(__file__).parents[2] / "weights/zoo.json").read_text())["entries"][0]
    write_json(path, {"entries": [{**entry, "files": {"a.h5": digest}}]})


def calibration(path):
    Calibration(
        temperature=1.5, min_probability=0.5, max_distance=3.0, layer="a",
        whitening=np.eye(3), centres=np.zeros((2, 3)), clips=5,
    ).save(path)  # fmt: skip


def state(path):
    history = [{"epoch": 1, "loss": 0.5}]
    TrainingState([np.zeros(3)], history, [np.ones(3)], np.zeros((2, 3), np.float32)).save(path)


def store(path):
    folder = path.parent
    with StoreWriter(folder / "store", "kinect_v2", ["wave"]) as writer:
        writer.add(BODY[:, None], name="clip1", label=0, subject=1)
        writer.add_interval("clip1", 0, 0, 2)


def weights(path):
    with h5py.File(path, "w") as file:
        file.attrs["layer_names"] = [b"d"]
        file.attrs["more"] = ["d", "e"]
        options = {"compression": "gzip", "shuffle": True}
        file.create_dataset("d/kernel", data=np.arange(60.0).reshape(10, 6), **options)
        file.create_dataset("d/bias", data=np.arange(6.0))


def film(path):
    write_video(path, (np.full((32, 32, 3), 20 * t, np.uint8) for t in range(6)))


def picture(path):
    Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(path)


# ---------------------------------------------------------------- readers


def read_clip(path, layout="kinect_v2"):
    finish_clip(read_array(path), known_layout(layout))


def read_as(layout):
    return lambda path: read_clip(path, layout)


def read_h5(path):
    with h5py.File(path) as file:
        read_names(file, "layer_names")
        read_names(file, "more")
        read_values(file["d/kernel"])
        read_values(file["d/bias"])


def read_body(path):
    body = parse_asf(path.read_text("utf-8", "replace"))
    parse_amc("1\nroot 1 2 3 4 5 6\n", body)


def read_all_frames(path):
    for _ in frames_of(path):
        pass


def report():
    return ReadReport()


def report_of(folder):
    """The report without its figures."""
    merged = merge_runs(folder)
    summary(merged)
    html_page(merged, per_class_table([0, 1], np.eye(2), ["a", "b"]), {})


# Name of the file, what makes it, what reads it, and the errors that its callers report.
H5 = (OSError, KeyError, RuntimeError, ValueError, TypeError, RecursionError)  # as load_weights
CASES = {
    "npy": ("a.npy", npy, read_clip, ClipError),
    "npz": ("a.npz", npz, read_clip, ClipError),
    "csv": ("a.csv", clip_csv, read_clip, ClipError),
    "skeleton.toml": ("skeleton.toml", toml, lambda path: read_layout(path.parent), ()),
    "labels.csv": ("labels.csv", labels, lambda path: read_labels(path.parent, report()), ()),
    "intervals": ("intervals.csv", intervals, read_annotation_table, ()),
    "eaf": ("a.eaf", eaf, read_eaf, ()),
    "skeleton": ("S001C001P001R001A001.skeleton", skeleton, ntu.read_clip, ()),
    "skeleton, pixels": (
        "S001C001P001R001A001.skeleton", skeleton, ntu.read_clip_with_pixels, ()
    ),
    "nucla": ("a01_s01_e01_v01.json", nucla_json, lambda p: nucla.read_clip(p, report()), ()),
    "ut_kinect": ("joints_s01_e01.txt", ut_sequence,
                  lambda path: ut_kinect.read_sequence(path, report()), ()),
    "ut_kinect labels": ("actionLabel.txt", ut_labels,
                         lambda path: ut_kinect.read_labels(path, report()), ()),
    "sbu": ("skeleton_pos.txt", sbu_text, lambda path: sbu.read_clip(path, report()), ()),
    "uestc": ("a0.txt", uestc_text, lambda path: uestc.read_lines(path, report()), ()),
    "pku_mmd": ("0002-L.txt", pku, lambda path: pku_mmd.read_frames(path, report()), ()),
    "asf": ("a.asf", asf, read_body, MotionTextError),
    "amc": ("a.amc", amc, lambda p: parse_amc(p.read_text("latin-1"), parse_asf(ASF)), ()),
    "mat": ("a.mat", mat, sysu3d.read_clip, MatFileError),
    "mat, packed": ("a.mat", packed_mat, sysu3d.read_clip, MatFileError),
    "pickle": ("a.pkl", annotations, pyskl.read_annotations, ()),
    "scores": ("fold_01/scores.npz", run, lambda path: merge_runs(path.parents[1]), ()),
    "history": ("history.csv", history, read_history, ()),
    "detections": ("detections.csv", detections, lambda path: _read_detections(path, 3), ()),
    "crops": ("crops.csv", crops, lambda path: open_crops(path.parent), ()),
    "calibration": ("calibration.npz", calibration, Calibration.load, ()),
    "state": ("state.npz", state, lambda path: TrainingState.latest(path, most=1 << 20), ()),
    "h5": ("a.h5", weights, read_h5, H5),
    "film": ("a.avi", film, read_all_frames, ()),
    "film, mp4": ("a.mp4", film, read_all_frames, ()),
    "picture": ("a.png", picture, lambda path: _picture(path, "a"), ()),
}  # fmt: skip


def read_detection_run(path):
    from keras_skeleton.detection.detector import read_run  # imports Keras

    read_run(path.parent)


def about_own_run(path):
    about_run(path.parent)


JSON_CASES = {
    "clip": ("a.json", clip_json, read_clip, ClipError),
    "openpose": ("a.json", openpose, read_as("openpose_body25"), ClipError),
    "alphapose": ("a.json", alphapose, read_as("coco17"), ClipError),
    "mmpose": ("a.json", mmpose, read_as("coco17"), ClipError),
    "kinetics": ("a.json", kinetics, read_as("openpose_coco18"), ClipError),
    "nucla": CASES["nucla"],
    "run.json": ("run.json", run, lambda path: report_of(path.parent), ()),
    "run.json, about": ("run.json", run, about_own_run, ()),
    "metrics.json": ("fold_01/metrics.json", run, lambda path: report_of(path.parents[1]), ()),
    "detection run": ("run.json", detection_run, read_detection_run, ()),
    "settings": ("settings.json", detection_settings, read_settings, ()),
    "zoo.json": (
        "zoo.json",
        zoo,
        lambda path: [checked_files(entry, path.parent) for entry in read_zoo(path.parent)],
        (),
    ),
}


@contextmanager
def bounded():
    """What happens inside may take so many seconds and megabytes more."""

    def late(*_):
        raise AssertionError(f"took more than {SECONDS} s")

    pages = int(Path("/proc/self/statm").read_text().split()[0])
    before = resource.getrlimit(resource.RLIMIT_AS)
    handler = signal.signal(signal.SIGALRM, late)
    signal.alarm(SECONDS)
    resource.setrlimit(
        resource.RLIMIT_AS, (pages * resource.getpagesize() + (MEGABYTES << 20), before[1])
    )
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)
        signal.alarm(0)
        signal.signal(signal.SIGALRM, handler)


def check(case, path):
    _, _, read, allowed = case
    said = ""
    try:
        with bounded():
            read(path)
    except UserError as error:
        said = str(error)
    except allowed as error:
        said = str(error)
    assert len(said) < 5000


EDITS = st.lists(
    st.tuples(
        st.sampled_from(["replace", "flip", "delete", "insert", "repeat", "cut", "swap"]),
        st.floats(0, 1),
        st.integers(1, 16),
        st.one_of(
            st.binary(min_size=1, max_size=8),
            st.sampled_from([b"-1", b"1e999", b"nan", b"9" * 30, b'"', b",", b"\n", b"\0", b"=",
                             b"\xff\xff\xff\xff", b"\0\0\0\x80", b"[", b"{", b"'"]),
        ),
    ),
    min_size=1,
    max_size=6,
)  # fmt: skip


def damaged(data, edits):
    data = bytearray(data)
    for kind, where, count, new in edits:
        at = int(where * max(0, len(data) - 1))
        part = bytes(data[at : at + count])
        if kind == "replace":
            data[at : at + len(new)] = new
        elif kind == "flip" and part:
            data[at] ^= 1 << count % 8
        elif kind == "delete":
            del data[at : at + count]
        elif kind == "insert":
            data[at:at] = new
        elif kind == "repeat":
            data[at:at] = part * 50
        elif kind == "cut":
            del data[at:]
        elif kind == "swap":
            data[at : at + count] = part[::-1]
    return bytes(data)


FUZZ = settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@pytest.mark.parametrize("name", [*CASES, *(f"json {name}" for name in JSON_CASES)])
def test_damaged_bytes(name, tmp_path_factory):
    case = CASES.get(name) or JSON_CASES[name.removeprefix("json ")]
    folder = tmp_path_factory.mktemp("fuzz")
    path = folder / case[0]
    path.parent.mkdir(parents=True, exist_ok=True)
    case[1](path)
    valid = path.read_bytes()
    case[2](path)  # which is valid

    @FUZZ
    @given(EDITS)
    def tried(edits):
        path.write_bytes(damaged(valid, edits))
        check(case, path)

    tried()


VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.sampled_from([-1, 0, 2**31, 2**63, 10**18, 10**400, 1e308, float("nan"), float("inf")]),
    st.floats(),
    st.text(max_size=5),
    st.sampled_from(["", "../x", "/abs", "\ud800", "\x1b[2J", "kinect_v2", "paper", "x" * 5000]),
    st.lists(st.integers(-2, 2), max_size=3),
    st.dictionaries(st.text(max_size=3), st.none(), max_size=2),
)
CHANGES = st.lists(
    st.tuples(st.lists(st.floats(0, 0.999), min_size=1, max_size=6), VALUES, st.booleans()),
    min_size=1,
    max_size=3,
)


def changed(content, way, value, drop):
    """Replaces or deletes the value at a random place of JSON."""
    here = content
    for k, step in enumerate(way):
        keys = list(here) if isinstance(here, dict) else list(range(len(here)))
        if not keys:
            return
        key = keys[int(step * len(keys))]
        if k < len(way) - 1 and isinstance(here[key], (dict, list)) and here[key]:
            here = here[key]
            continue
        if drop:
            del here[key]
        else:
            here[key] = value
        return


@pytest.mark.parametrize("name", JSON_CASES)
def test_values_of_other_types(name, tmp_path_factory):
    case = JSON_CASES[name]
    folder = tmp_path_factory.mktemp("fuzz")
    path = folder / case[0]
    path.parent.mkdir(parents=True, exist_ok=True)
    case[1](path)
    valid = path.read_text()
    case[2](path)

    @FUZZ
    @given(CHANGES)
    def tried(changes):
        content = json.loads(valid)
        for way, value, drop in changes:
            changed(content, way, value, drop)
        path.write_text(json.dumps(content))
        check(case, path)

    tried()


def _store_files(folder):
    return [p for p in sorted((folder / "store").rglob("*")) if p.is_file()]


def test_damaged_stores(tmp_path):
    path = tmp_path / "x"
    store(path)
    files = {file: file.read_bytes() for file in _store_files(tmp_path)}

    @FUZZ
    @given(st.integers(0, len(files) - 1), EDITS)
    def tried(which, edits):
        for number, (file, valid) in enumerate(files.items()):
            file.write_bytes(damaged(valid, edits) if number == which else valid)
        check((None, None, lambda place: open_store(place, "toy", {}), ()), tmp_path / "store")

    tried()


def test_manifests_of_other_types(tmp_path):
    store(tmp_path / "x")
    (path,) = (file for file in _store_files(tmp_path) if file.name == "manifest.json")
    valid = path.read_text()

    @FUZZ
    @given(CHANGES)
    def tried(changes):
        content = json.loads(valid)
        for way, value, drop in changes:
            changed(content, way, value, drop)
        path.write_text(json.dumps(content))
        check((None, None, lambda place: open_store(place, "toy", {}), ()), tmp_path / "store")

    tried()


@pytest.mark.parametrize("kind", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_arrays_with_damaged_headers(kind, tmp_path):
    """Inside an archive, whose checksums would notice damage from outside."""
    buffer = io.BytesIO()
    np.save(buffer, BODY)
    valid = buffer.getvalue()
    path = tmp_path / "a.npz"

    @FUZZ
    @given(EDITS)
    def tried(edits):
        # Damage within the first fifth, where the header is.
        edits = [(name, where / 5 if name != "cut" else where, *rest)
                 for name, where, *rest in edits]  # fmt: skip
        with zipfile.ZipFile(path, "w", kind) as archive:
            archive.writestr("clip.npy", damaged(valid, edits))
        check((None, None, read_clip, ClipError), path)
        path.with_suffix(".npy").write_bytes(damaged(valid, edits))
        check((None, None, read_clip, ClipError), path.with_suffix(".npy"))

    tried()
