"""Tables of actions as tools and people write them; every action is read back."""

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keras_skeleton.datasets.formats.annotation_table import Annotation, read_annotation_table
from keras_skeleton.utils.errors import DatasetError


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return tmp_path_factory.mktemp("tables") / "intervals.csv"


def read(place, text, encoding="utf-8", **options):
    place.write_bytes(text.encode(encoding))
    return read_annotation_table(place, **options)


def actions(table):
    return [(row.file, row.label, row.start, row.end, row.seconds) for row in table.rows]


ACTION = st.tuples(
    st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), min_size=1).filter(
        lambda name: name.casefold() != "no_action"
    ),
    st.integers(0, 10**6),
    st.integers(1, 10**4),
)
FORMATS = {
    "frames": (("file", "label", "start", "end"), lambda ms: str(ms), 1, False),
    "seconds": (("file", "label", "start_s", "end_s"), lambda ms: f"{ms / 1000:.3f}", 1000, True),
    "ms": (("Video", "Action", "Begin (ms)", "End (ms)"), str, 1000, True),
    "clock": (
        ("File", "Annotation", "Begin Time - hh:mm:ss.ms", "End Time - hh:mm:ss.ms"),
        lambda ms: f"{ms // 3600000:02d}:{ms // 60000 % 60:02d}:{ms % 60000 / 1000:06.3f}",
        1000,
        True,
    ),
}


@given(
    rows=st.lists(ACTION, min_size=1, max_size=6),
    name=st.sampled_from(sorted(FORMATS)),
    delimiter=st.sampled_from(",;\t"),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
    newline=st.sampled_from(["\n", "\r\n"]),
    order=st.permutations(range(4)),
)
def test_what_is_written_is_read(place, rows, name, delimiter, encoding, newline, order):
    header, write, scale, seconds = FORMATS[name]
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter=delimiter, lineterminator=newline)
    writer.writerow([header[k] for k in order])
    for label, start, length in rows:
        fields = ("rec.npy", label, write(start), write(start + length))
        writer.writerow([fields[k] for k in order])
    table = read(place, text.getvalue(), encoding)
    assert not table.bad
    assert table.names_files
    expected = [
        ("rec.npy", label, start / scale, (start + length) / scale, seconds)
        for label, start, length in rows
    ]
    assert [one[:2] for one in actions(table)] == [one[:2] for one in expected]
    for found, wanted in zip(actions(table), expected, strict=True):
        assert found[2:] == pytest.approx(wanted[2:], abs=1e-6)


@given(st.binary(max_size=300) | st.text(max_size=300).map(str.encode))
def test_whatever_is_in_the_file_is_read_or_refused(place, data):
    place.write_bytes(data)
    try:
        table = read_annotation_table(place)
    except DatasetError:
        return
    for row in table.rows:
        assert row.start >= 0
        assert row.end is None or row.end > row.start


@given(st.lists(st.sampled_from(
    ["file", "label", "start", "end", "start_s", "onset", "a", "1", "2.5", "0:01", "tier", ""]
), max_size=12), st.integers(1, 4))  # fmt: skip
def test_tables_of_likely_words_are_read_or_refused(place, words, width):
    lines = [",".join(words[k : k + width]) for k in range(0, len(words), width)]
    test_whatever_is_in_the_file_is_read_or_refused.hypothesis.inner_test(
        place, "\n".join(lines).encode()
    )


ELAN = (
    "Tier\tParticipant\tBegin Time - hh:mm:ss.ms\tBegin Time - ss.msec\tBegin Time - msec\t"
    "End Time - hh:mm:ss.ms\tEnd Time - ss.msec\tEnd Time - msec\tDuration - msec\tAnnotation\n"
    "hands\tann\t00:00:01.200\t1.2\t1200\t00:00:03.450\t3.45\t3450\t2250\twave, twice\n"
)


def test_elan_with_all_its_formats_of_time(place):
    (row,) = read(place, ELAN).rows
    assert row == Annotation("wave, twice", 1.2, 3.45, True, 2, "", "ann", "", "", "hands")


def test_a_time_that_was_corrected_in_one_unit_only_is_refused(place):
    with pytest.raises(DatasetError, match=r"csv:2: .*delete"):
        read(place, ELAN.replace("\t3450\t", "\t3950\t"))


def test_comments_stand_before_the_names_of_columns(place):
    text = '"#file:///films/rec1.mp4"\n#\n\nlabel,start,end\n#1,10,20\n'
    assert [row[:3] for row in read(place, text).rows] == [("#1", 10, 20)]


def test_elan_without_names_of_columns(place):
    text = "default\t\t00:00:01.200\t00:00:03.450\t00:00:02.250\twave\n"
    text += "default\t\t00:01:00.000\t00:01:02.000\t00:00:02.000\tsit\n"
    table = read(place, text)
    assert [row[:3] for row in table.rows] == [("wave", 1.2, 3.45), ("sit", 60.0, 62.0)]
    assert not table.names_files


def test_elan_with_a_column_for_each_tier(place):
    text = "Begin Time - ss.msec\tEnd Time - ss.msec\thands\tfeet\n"
    text += "1.0\t2.0\twave\t\n3.0\t4.0\t\tkick\n"
    with pytest.raises(DatasetError, match="'hands', 'feet'"):
        read(place, text)
    assert [row[:3] for row in read(place, text, tier="feet").rows] == [("kick", 3, 4)]


def test_tiers_are_chosen_and_numbered_ones_belong_together(place):
    text = "tier,start_s,end_s,label\nA,1,2,x\nB,1,2,y\nA 2,1.5,3,z\n"
    with pytest.raises(DatasetError, match="'A', 'B'.*--option tier"):
        read(place, text)
    assert [row.label for row in read(place, text, tier="A").rows] == ["x", "z"]
    assert len(read(place, text, tier="all").rows) == 3
    with pytest.raises(DatasetError, match="no tier 'C'"):
        read(place, text, tier="C")


def test_other_tools(place):
    (audacity,) = read(place, "1.500000\t3.250000\twave\n").rows
    assert audacity[:4] == ("wave", 1.5, 3.25, True)
    praat = "tmin\ttext\ttmax\n0.25\twave\t1.5\n"
    assert [row[:3] for row in read(place, praat).rows] == [("wave", 0.25, 1.5)]
    anet = "video-id,t-start,t-end,label\nv1,1.0,2.5,wave\n"
    assert actions(read(place, anet)) == [("v1", "wave", 1, 2.5, True)]
    boris = "Observation id,Behavior,Start (s),Stop (s),Duration (s)\nrec1,wave,1.5,3,1.5\n"
    assert actions(read(place, boris)) == [("rec1", "wave", 1.5, 3, True)]
    (long,) = read(place, "label,onset_ms,duration_ms\nwave,500,250\n").rows
    assert long[1:3] == (0.5, 0.75)
    frames = "frame,label\n0,a\n1,a\n2,a\n3,b\n5,b\n6,no_action\n"
    spans = [row[:3] for row in read(place, frames).rows if row.label]
    assert spans == [("a", 0, 3), ("b", 3, 4), ("b", 5, 6)]


# The columns of BORIS's aggregated events: of version 7, and of version 8 and later.
BORIS = {
    "Observation id,Observation date,Media file,Total length,FPS,Subject,Behavior,Modifiers,"
    "Behavior type,Start (s),Stop (s),Duration (s),Comment start,Comment stop":
    "ann wave,2020-01-01 10:00:00,/films/rec1.mp4,60.0,25.0,ann,wave,,STATE,1.5,3.0,1.5,a,b",
    "Observation id,Observation date,Description,Observation type,Source,Time offset (s),"
    "Coding duration,Media duration (s),FPS (frame/s),Subject,"
    "Observation duration by subject by observation,Behavior,Behavioral category,Modifier #1,"
    "Behavior type,Start (s),Stop (s),Duration (s),Media file name,Image index start,"
    "Image index stop,Image file path start,Image file path stop,Comment start,Comment stop":
    "ann wave,2024-01-01 10:00:00,a test,Media file(s),player #1:/films/rec1.mp4,0.0,58.0,60.0,"
    "25.0,ann,58.0,wave,arms,,STATE,1.5,3.0,1.5,/films/rec1.mp4,37,75,NA,NA,a,b",
}  # fmt: skip


@pytest.mark.parametrize("header", BORIS)
def test_aggregated_events_of_boris(place, header):
    text = f"{header}\n{BORIS[header]}\n"
    table = read(place, text)
    assert actions(table) == [("/films/rec1.mp4", "wave", 1.5, 3, True)]
    assert table.rows[0].subject == "ann"
    table = read(place, text.replace("ann,", "No focal subject,"), names_files=False)
    assert not table.names_files
    assert table.rows[0].subject == ""
    assert read(place, "file,observation id,video,label,start,end\n,,,a,1,2\n",
                names_files=False).rows[0].label == "a"  # fmt: skip


def test_a_table_of_one_recording_does_not_name_several(place):
    text = "file,label,start,end\nrec1,a,1,2\nrec2,a,1,2\n"
    assert len(read(place, text).rows) == 2
    with pytest.raises(DatasetError, match="rec1.*rec2"):
        read(place, text, names_files=False)


def test_tabular_events_of_boris_are_refused_with_what_to_do(place):
    header = "Observation id,Subject,Behavior,Behavior type,Time,Media file name,Comment"
    with pytest.raises(DatasetError, match="aggregated"):
        read(place, f"{header}\na,ann,wave,START,1.5,rec1.mp4,\na,ann,wave,STOP,3,rec1.mp4,\n")


def test_where_an_end_is_included(place):
    for header, ends, end in (
        ("start_frame,end_frame", "", 20), ("start_frame,end_frame", "included", 21),
        ("start_frame,stop_frame", "", 21), ("first_frame,last_frame", "", 21),
        ("start_frame,stop_frame", "excluded", 20),
    ):  # fmt: skip
        (row,) = read(place, f"label,{header}\nwave,10,20\n", ends=ends).rows
        assert (row.start, row.end) == (10, end), header
    (row,) = read(place, "label,start,end\nwave,10,20\n", first_frame=1).rows
    assert (row.start, row.end) == (9, 19)
    (row,) = read(place, "label,start,duration_frames\nwave,10,20\n", first_frame=1).rows
    assert (row.start, row.end) == (9, 29)


def test_frames_win_over_times_and_it_is_said(place):
    table = read(place, "label,start,end,start_s,end_s,score\nwave,30,60,1,2,0.9\n")
    assert table.rows[0][1:4] == (30, 60, False)
    assert table.rows[0].times == (1, 2, 0.5)
    assert table.notes == [
        "intervals.csv: start and end are frames from 0, the end excluded; not used: 'start_s', "
        "'end_s', 'score'"
    ]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("label,begin time,end time\nwave,10,20\n", "frames, seconds or milliseconds"),
        ("label,start,end\nwave,1.5,2.5\n", "start_s"),
        ("action,category,start,end\nwave,x,1,2\n", "'action' and 'category'"),
        ("label,start_s,begin (s),end_s\nwave,1,1,2\n", "'start_s' and 'begin \\(s\\)'"),
        ("label,start\nwave,1\n", "same unit"),
        ("label,begin_ms,end_frame\nwave,1,2\n", "same unit"),
        ("label,file\nwave,rec\n", "no columns of times"),
        ("a,b,c\n1,2,3\n", "must name the columns"),
        ("", "empty"),
        ("frame,x\n1,2\n", "labels"),
    ],
)
def test_what_may_mean_two_things_is_refused(place, text, why):
    with pytest.raises(DatasetError, match=why):
        read(place, text)


def test_long_numbers_are_read_once(place):
    """The square of these characters would take minutes."""
    for digits, why in (
        (f"0.{'0' * 120_000}x", "is not a whole frame"),
        ("0." + "1" * 120_000, ""),
    ):
        text = f"file,label,start,end\na.npy,wave,0,{digits}\na.npy,sit,1,5\n"
        if why:
            ((line, said, file),) = read(place, text).bad
            assert (line, file) == (2, "a.npy")
            assert why in said
        else:
            with pytest.raises(DatasetError, match="not a whole frame") as error:
                read(place, text)
            assert len(str(error.value)) < 400
    text = f"file,label,start,end\na.npy,-{'1' * 120_000}x,0,5\n"
    assert len(read(place, text).rows) == 1


def test_bad_lines_are_named_and_others_read(place):
    lines = [
        "a,wave,1,2",
        "a,wave,5,4",
        ",wave,1,2",
        "b,,1,2",
        "b,x,1,",
        "b,x,-3,2",
        "c",
        "d,,,",
        "d,y,-2,9",
    ]
    text = "\n".join(["file,label,start,end", *lines])
    table = read(place, text)
    assert actions(table) == [
        ("a", "wave", 1, 2, False),
        ("d", "", 0, None, False),
        ("d", "y", 0, 9, False),
    ]
    assert [line for line, _, _ in table.bad] == [3, 4, 5, 6, 7, 8]
    assert [file for _, _, file in table.bad] == ["a", "", "b", "b", "b", "c"]
