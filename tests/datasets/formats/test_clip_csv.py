"""Headers of .csv files are obeyed, or refused with the column's name."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pose_files import walkers

from keras_skeleton.datasets.formats.clip_file import ClipError, finish_clip, read_array
from keras_skeleton.datasets.formats.joint_names import layouts_with, plain
from keras_skeleton.datasets.formats.poses import pose_clip
from keras_skeleton.datasets.formats.skeleton_toml import known_layout
from keras_skeleton.skeletons import get_skeleton

CLIP = (np.random.default_rng(0).normal(size=(6, 25, 3)) + 3).round(4)
NAMES = get_skeleton("kinect_v2").joints
LAYOUT = known_layout("kinect_v2")


def table(clip, name, names=None, kinds="xyz"):
    """Columns named by `name`, a format of joint and axis; `names` instead of numbers."""
    joints = range(clip.shape[1]) if names is None else names
    return pd.DataFrame(
        {
            name.format(joint, kind): clip[:, k, c]
            for k, joint in enumerate(joints)
            for c, kind in enumerate(kinds)
        }
    )


def read(path, frame, layout=LAYOUT, **options):
    frame.to_csv(path, **options)
    return finish_clip(read_array(path), layout)[0]


@pytest.mark.parametrize(
    "name",
    ["{1}{0}", "{1}_{0}", "{0}_{1}", "{0}{1}", "j{0}_{1}", "joint_{0}_{1}", "joint{0}.{1}",
     "kp{0}_{1}", "landmark_{0:02d}_{1}", "{1}[{0}]", "{1}.{0}", "point {0} {1}"],
)  # fmt: skip
@pytest.mark.parametrize("index", [True, False])
def test_joints_by_number_in_any_order(name, index, tmp_path):
    frame = table(CLIP, name)
    mixed = frame[np.random.default_rng(1).permutation(frame.columns)]
    blocks = frame[sorted(frame.columns, key=lambda c: [k in c.lower() for k in "xyz"])]
    for columns in (frame, mixed, blocks, frame.rename(columns=str.upper)):
        clip = read(tmp_path / "a.csv", columns, index=index)
        np.testing.assert_allclose(clip[:, 0], CLIP, rtol=1e-6)


@pytest.mark.parametrize("name", ["{0}_{1}", "{1}_{0}", "{0}.{1}", "{0} {1}", "{1}:{0}"])
@pytest.mark.parametrize("spell", [str, str.upper, str.title])
def test_joints_by_name_in_any_order(name, spell, tmp_path):
    frame = table(CLIP, name, [spell(joint) for joint in NAMES])
    mixed = frame[np.random.default_rng(1).permutation(frame.columns)]
    clip = read(tmp_path / "a.csv", mixed, index=False)
    np.testing.assert_allclose(clip[:, 0], CLIP, rtol=1e-6)


def test_names_of_the_sdk(tmp_path):
    def sdk(joint):
        words = joint.split("_")
        side = words[0].title() if words[0] in ("left", "right") else ""
        return "".join(word.title() for word in words[bool(side) :]) + side

    assert sdk("left_hand_tip") == "HandTipLeft"
    frame = table(CLIP, "{0}_{1}", [sdk(joint) for joint in NAMES])
    np.testing.assert_allclose(
        read(tmp_path / "a.csv", frame[frame.columns[::-1]], index=False)[:, 0], CLIP, rtol=1e-6
    )
    camel = table(CLIP, "{0}{1}", [sdk(joint) for joint in NAMES], kinds="XYZ")
    np.testing.assert_allclose(read(tmp_path / "a.csv", camel, index=False)[:, 0], CLIP, rtol=1e-6)
    assert plain("LShoulder") == plain("left_shoulder") == "left shoulder"
    assert layouts_with([joint.upper() for joint in NAMES]) == ["kinect_v2"]


@pytest.mark.parametrize("kind", ["c", "v", "visibility", "score", "confidence", "conf"])
def test_confidences_and_presences(kind, tmp_path):
    points = walkers("coco17", M=1)
    values = np.concatenate([points[:, 0, :, :2], np.full((8, 17, 2), 0.7)], axis=-1)
    values[3, 9, 2] = 0
    frame = table(values, "{1}{0}" if len(kind) == 1 else "{0}_{1}", kinds=["x", "y", kind, "p"])
    frame.to_csv(tmp_path / "a.csv", index=False)
    array = read_array(tmp_path / "a.csv")
    assert (array.coordinates, array.shape) == ("xyc", (8, 1, 17, 3))
    clip, filled = finish_clip(array, known_layout("coco17"))
    np.testing.assert_allclose(
        clip[[0, 7]], pose_clip(points[..., :2], "coco17", "xy")[[0, 7]], atol=1e-4
    )
    assert filled[3, 0, NAMES.index("left_wrist")]


def test_repeated_names_as_a_spreadsheet_and_as_pandas_write_them(tmp_path):
    frame = table(CLIP, "{1}{0}")
    frame.columns = ["x", "y", "z"] * 25
    clip = read(tmp_path / "a.csv", frame, index=False)
    np.testing.assert_allclose(clip[:, 0], CLIP, rtol=1e-6)
    frame.columns = [f"{k}.{j}" if j else k for j in range(25) for k in "xyz"]
    clip = read(tmp_path / "a.csv", frame, index=False)
    np.testing.assert_allclose(clip[:, 0], CLIP, rtol=1e-6)


def test_counted_columns_with_an_index(tmp_path):
    """pandas writes ',0,1,2' before rows that begin with their number."""
    clip = read(tmp_path / "a.csv", pd.DataFrame(CLIP.reshape(6, 75)))
    np.testing.assert_allclose(clip[:, 0], CLIP, rtol=1e-6)
    np.savetxt(tmp_path / "b.csv", np.c_[np.arange(6), CLIP.reshape(6, 75)], delimiter=",")
    with pytest.raises(ClipError, match="the first column counts frames: give it a header"):
        finish_clip(read_array(tmp_path / "b.csv"), LAYOUT)


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_separators_quotes_marks_and_decimal_commas(separator, end, tmp_path):
    text = table(CLIP, "{1}{0}").to_csv(
        index=False, sep=separator, lineterminator=end, quoting=1, encoding="utf-8"
    )
    if separator != ",":
        head, rest = text.split(end, 1)
        text = head + end + rest.replace(".", ",")
    (tmp_path / "a.csv").write_bytes(b"\xef\xbb\xbf" + text.encode())
    clip, _ = finish_clip(read_array(tmp_path / "a.csv"), LAYOUT)
    np.testing.assert_allclose(clip[:, 0], CLIP, rtol=1e-6)


@pytest.mark.parametrize("column", ["frame", "Frame", "frame_id", "frame number", "FrameIndex"])
def test_frames_are_ordered_and_gaps_are_empty(column, tmp_path):
    column = {"FrameIndex": "frame_index"}.get(column, column)
    frame = table(CLIP, "{1}{0}")
    frame.insert(0, column, [10, 11, 12, 15, 16, 17])
    for order in (frame, frame.iloc[[3, 0, 5, 2, 1, 4]]):
        order.to_csv(tmp_path / "a.csv", index=False)
        array = read_array(tmp_path / "a.csv")
        assert array.first == 10
        clip, _ = finish_clip(array, LAYOUT)
        np.testing.assert_allclose(clip[[0, 1, 2, 5, 6, 7], 0], CLIP, rtol=1e-6)
        assert not clip[3:5].any()
        assert "2 of 8 frames" in array.notes[0]


def test_times_order_the_rows_and_give_the_rate(tmp_path):
    for column, times in (
        ("timestamp", [0, 0.04, 0.08, 0.12, 0.16, 0.2]),
        ("timestamp_ms", [1000, 1040, 1080, 1120, 1160, 1200]),
        ("time", [0, 40, 80, 120, 160, 200]),
    ):
        frame = table(CLIP, "{1}{0}")
        frame[column] = times
        frame.iloc[[3, 0, 5, 2, 1, 4]].to_csv(tmp_path / "a.csv", index=False)
        array = read_array(tmp_path / "a.csv")
        assert array.fps == 25
        clip, _ = finish_clip(array, LAYOUT)
        np.testing.assert_allclose(clip[:, 0], CLIP, rtol=1e-6)


def test_several_people_in_a_frame(tmp_path):
    points = walkers("coco17")[..., :2].round(3)
    rows = table(points.reshape(16, 17, 2), "{1}{0}", kinds="xy")
    rows.insert(0, "frame", np.repeat(np.arange(8), 2))
    mixed = rows.iloc[[1, 0, *range(2, 16)]]
    mixed.to_csv(tmp_path / "a.csv", index=False)
    clip, _ = finish_clip(read_array(tmp_path / "a.csv"), known_layout("coco17"))
    wanted = pose_clip(points, "coco17", "xy")
    np.testing.assert_allclose(clip, wanted[:, ::-1], atol=1e-4)
    rows.insert(1, "person_id", np.tile([4, 9], 8))
    rows.to_csv(tmp_path / "a.csv", index=False)
    array = read_array(tmp_path / "a.csv")
    assert array.ids.tolist() == [[4, 9]] * 8
    with pytest.raises(ClipError, match="column for the person, but none for the frame"):
        rows.drop(columns="frame").to_csv(tmp_path / "a.csv", index=False)
        read_array(tmp_path / "a.csv")


@pytest.mark.parametrize("names", [True, False])
def test_a_row_for_each_joint(names, tmp_path):
    rows = pd.DataFrame(
        {
            "frame": np.repeat(np.arange(6), 25),
            "landmark": np.tile(NAMES if names else np.arange(25), 6),
            **{k: CLIP[..., c].ravel() for c, k in enumerate("xyz")},
        }
    )
    rows = rows.sample(frac=1, random_state=0)
    clip = read(tmp_path / "a.csv", rows.drop(rows.index[3]), index=False)
    lost = np.unravel_index(rows.index[3], (6, 25))
    kept = np.ones((6, 25), bool)
    kept[lost] = False
    np.testing.assert_allclose(clip[:, 0][kept], CLIP[kept], rtol=1e-6)
    with pytest.raises(ClipError, match="no column 'frame'"):
        read(tmp_path / "a.csv", rows.drop(columns="frame"), index=False)


def test_empty_fields_and_rows(tmp_path):
    frame = table(CLIP, "{1}{0}")
    frame.loc[2, ["x6", "y6", "z6"]] = np.nan
    frame.loc[4] = np.nan
    frame.insert(0, "frame", range(6))
    frame.to_csv(tmp_path / "a.csv", index=False)
    clip, filled = finish_clip(read_array(tmp_path / "a.csv"), LAYOUT)
    assert not clip[4].any()
    assert np.argwhere(filled).tolist() == [[2, 0, 6]]


def test_columns_that_are_not_known_are_named(tmp_path):
    def refused(frame, why, layout=LAYOUT):
        with pytest.raises(ClipError, match=why):
            read(tmp_path / "a.csv", frame, layout, index=False)

    frame = table(CLIP, "{1}{0}")
    refused(frame.assign(label="wave"), "unknown column 'label'")
    refused(frame.assign(speed=1, mood=2), "unknown columns 'speed', 'mood'")
    refused(frame.drop(columns="y7"), "joint '7' has no column for y")
    refused(frame.drop(columns=["x7", "y7", "z7"]), r"numbered to 24, but \[7\] are missing")
    refused(frame.iloc[:, :-3], "has 24 joints, expected 25 of kinect_v2")
    refused(frame[[c for c in frame if c[0] != "y"]], "columns for 'xz' only")
    refused(frame.assign(frame=1, frame_id=1), "both the frame")
    refused(frame.assign(frame=0.5), "frame 0.5 is not a whole number")
    named = table(CLIP, "{0}_{1}", NAMES)
    refused(named.rename(columns=lambda c: c.replace("neck", "nack")), "missing neck; unknown nack")
    refused(named, 'the joints of kinect_v2: set skeleton = "kinect_v2"', known_layout("sbu"))
    with pytest.raises(ClipError, match="its numbers are xyz"):
        read(tmp_path / "a.csv", frame, replace(LAYOUT, coordinates="xyc"), index=False)


@pytest.mark.parametrize(
    ("header", "why"),
    [
        ("0_x,0_y,100000000_x,100000000_y", r"missing"),
        ("9" * 10 + "_x," + "9" * 10 + "_y", "not the number of a joint"),
        (",".join(f"j{'9' * 5000}_{kind}" for kind in "xy"), "not the number of a joint"),
        (",".join(f"{k}_{kind}" for k in range(1001) for kind in "xy"), "1,001 joints"),
    ],
)
def test_a_number_in_a_header_makes_no_memory(header, why, tmp_path):
    path = tmp_path / "a.csv"
    path.write_text(header + "\n" + ",".join("1" * len(header.split(","))) + "\n")
    with pytest.raises(ClipError, match=why) as error:
        read_array(path)
    assert len(str(error.value)) < 300


def test_rows_of_joints_are_bounded(tmp_path):
    path = tmp_path / "a.csv"
    for name in ("{}", "j{}", "9" * 5000 + "{}"):
        lines = [f"{k},{name.format(k)},1,2" for k in range(1001)]
        path.write_text("\n".join(["frame,joint,x,y", *lines]))
        with pytest.raises(ClipError, match="1,001 joints"):
            read_array(path)
    path.write_text(f"frame,joint,x,y\n0,{'9' * 5000},1,2\n")  # a name, too long for a number
    assert read_array(path).shape == (1, 1, 1, 2)


def test_numbers_from_one(tmp_path):
    frame = table(CLIP, "{1}{0}")
    frame.columns = [f"{c[0]}{int(c[1:]) + 1}" for c in frame]
    np.testing.assert_allclose(read(tmp_path / "a.csv", frame, index=False)[:, 0], CLIP, rtol=1e-6)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    header=st.lists(
        st.sampled_from(["x0", "y0", "z0", "x1", "y1", "frame", "t", "joint", "id", "", "x", "y",
                         "a_x", "a_y", "0", "1", "2", "v0", "person"]),
        min_size=1, max_size=8,
    ),
    rows=st.lists(st.lists(st.sampled_from(["", "0", "1.5", "2", "nan", "inf", "x"]), max_size=8),
                  max_size=5),
)  # fmt: skip
def test_any_header_is_read_or_refused(header, rows, tmp_path):
    text = "\n".join(",".join(row) for row in [header, *rows])
    (tmp_path / "a.csv").write_text(text)
    why, array = "", None
    try:
        array = read_array(tmp_path / "a.csv")
    except ClipError as error:
        why = str(error)
    assert array is not None or (why and "cannot be read" not in why)
