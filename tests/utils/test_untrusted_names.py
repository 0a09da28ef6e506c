"""Names that are not UTF-8, files that never end, and lists of which a reader took the square."""

import json
import os

import numpy as np
import own_data
import pytest

from keras_skeleton.datasets import pyskl
from keras_skeleton.datasets.dataset import ReadReport
from keras_skeleton.datasets.formats.asf_amc import MAX_BONES, MotionTextError, parse_asf
from keras_skeleton.datasets.formats.clip_file import ClipError, read_array
from keras_skeleton.datasets.ntu import find_files
from keras_skeleton.datasets.own_intervals import Options, read_intervals
from keras_skeleton.datasets.own_recordings import video_names
from keras_skeleton.training.state import StateError, TrainingState
from keras_skeleton.utils.errors import UserError
from keras_skeleton.zoo.entries import ZooError, read_zoo

BAD = b"caf\xe9.npy"  # as in archives of Windows


@pytest.fixture
def badly_named(tmp_path):
    """A folder of clips, one of which has a name that is not UTF-8."""
    data = own_data.write(tmp_path / "data", ["file,label", "wave/a.npy,wave", "nod/b.npy,nod"])
    (data / "labels.csv").unlink()
    try:
        with open(os.fsencode(data / "wave") + b"/" + BAD, "wb") as file:
            file.write((data / "wave/a.npy").read_bytes())
    except OSError:
        pytest.skip("this file system takes only UTF-8")
    return data


def test_a_name_that_is_not_utf8_is_left_out_and_listed(badly_named, tmp_path):
    dataset, _ = own_data.read(badly_named, tmp_path / "cache")
    assert len(dataset) == 2
    ((where, why),) = dataset.info["skipped"]
    assert os.fsencode(where).endswith(BAD)
    assert "rename" in why
    again, said = own_data.read(badly_named, tmp_path / "cache")
    assert len(again) == 2
    assert "preparing" not in said
    with pytest.raises(UserError, match=r"caf\\xe9"):
        own_data.read(badly_named, tmp_path / "strict", strict=True)


def test_names_of_ntu_that_are_not_utf8(tmp_path):
    folder = tmp_path / "nturgb+d_skeletons"
    folder.mkdir()
    try:
        open(os.fsencode(folder) + b"/S001C001P001R001A001\xe9.skeleton", "wb").close()
    except OSError:
        pytest.skip("this file system takes only UTF-8")
    files = find_files(tmp_path, 60)
    assert len(files) == 0  # its name is no name of the release


def test_a_damaged_array_stops_no_folder(tmp_path):
    """The header of one is cut so that NumPy's tokenizer fails."""
    data = own_data.write(tmp_path / "data", ["file,label", "a.npy,wave", "b.npy,nod", "c.npy,nod"])
    content = bytearray((data / "c.npy").read_bytes())
    content[10:20] = b"'''(((((((("[:10]
    (data / "c.npy").write_bytes(content)
    dataset, _ = own_data.read(data, tmp_path / "cache")
    assert len(dataset) == 2
    assert "c.npy" in own_data.skipped(dataset)[0]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs pipes")
def test_pipes_are_not_waited_for(tmp_path):
    for name in ("state.npz", "a.npy", "a.npz", "a.json", "a.csv"):
        os.mkfifo(tmp_path / name)
    with pytest.raises(StateError, match=r"state\.npz: is a device or a pipe"):
        TrainingState.latest(tmp_path / "state.npz")
    for name in ("a.npy", "a.npz", "a.json", "a.csv"):
        with pytest.raises(ClipError, match="pipe"):
            read_array(tmp_path / name)


def asf(bones):
    lines = [":units", "length 0.45", "angle deg", ":root", "position 0 0 0", ":bonedata"]
    for k in range(bones):
        lines += ["begin", f"name b{k}", "direction 0 1 0", "length 1", "axis 0 0 0 XYZ", "end"]
    lines += [":hierarchy", "begin", *(f"root b{k}" for k in range(bones)), "end"]
    return "\n".join(lines)


def test_a_body_of_many_bones():
    assert len(parse_asf(asf(MAX_BONES - 1)).bones) == MAX_BONES
    with pytest.raises(MotionTextError, match="more than 1000 bones"):
        parse_asf(asf(20_000))


def test_many_labels_take_no_square():
    labels = [f"label {k}" for k in range(20_000)]
    names, place = pyskl._classes(labels, {})
    assert [names[place[label]] for label in labels] == labels
    assert len(video_names([f"a/{k}.npy" for k in range(20_000)])) == 20_000


def test_many_recordings_take_no_square(tmp_path):
    """Without their files: the table alone once took minutes."""
    from keras_skeleton.datasets.own_files import FoundClip

    count = 5000
    found = [FoundClip(f"{k}.npy", tmp_path / f"{k}.npy") for k in range(count)]
    lines = [f"{k}.npy,label {k},1,2" for k in range(count)]
    (tmp_path / "intervals.csv").write_text("\n".join(["file,label,start,end", *lines]))
    report = ReadReport()
    rows = read_intervals(tmp_path, report, found, Options(None, "", 0)).rows
    assert len(rows) == count


@pytest.mark.parametrize(
    "change",
    [
        {"files": ["a.h5"]},
        {"files": {}},
        {"files": {"a.h5": 1}},
        {"classes": "abc"},
        {"figures": {"accuracy": "1"}},
        {"name": None},
        {"frames": "30"},
    ],
)
def test_a_zoo_of_other_types(change, tmp_path):
    from pathlib import Path

    zoo = json.loads((Path(__file__).parents[2] / "weights/zoo.json").read_text())
    entry = {**zoo["entries"][0], **change}
    (tmp_path / "zoo.json").write_text(json.dumps({"entries": [entry]}))
    with pytest.raises(ZooError, match=r"zoo\.json: damaged"):
        read_zoo(tmp_path)


def test_the_state_is_no_larger_than_its_network(tmp_path):
    path = tmp_path / "state.npz"
    TrainingState([np.zeros(1000)]).save(path)
    assert TrainingState.latest(path, most=1 << 20) is not None
    with pytest.raises(StateError, match="too large"):
        TrainingState.latest(path, most=1000)
