"""Recordings of one's own with annotated actions, in a folder."""

import numpy as np
import pandas as pd
import pytest

from keras_skeleton.commands.prepare import describe_splits
from keras_skeleton.datasets.folder import FOLDER
from keras_skeleton.datasets.formats.eaf import TimedLabel, write_eaf
from keras_skeleton.datasets.own_recordings import video_names
from keras_skeleton.datasets.source import load
from keras_skeleton.utils.errors import DatasetError

FPS = 20
ACTIONS = [("wave", 10, 30), ("sit", 25, 60), ("wave", 80, 100)]


def record(folder, name="rec1.npy", frames=100, people=1, seed=0):
    rng = np.random.default_rng(seed)
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    np.save(path, rng.normal(0, 0.5, (frames, people, 20, 3)))


@pytest.fixture
def folder(tmp_path):
    place = tmp_path / "own"
    place.mkdir()
    (place / "skeleton.toml").write_text(f'skeleton = "kinect_v1"\nunits = "m"\nfps = {FPS}\n')
    return place


@pytest.fixture
def read(folder, tmp_path):
    def run(said=None, **options):
        options = {"clips": "untrimmed", **options}
        log = (lambda text: None) if said is None else said.append
        return load(FOLDER, folder, tmp_path / "cache", log=log, **options)

    return run


def spans(dataset):
    named = dataset.intervals.assign(label=[dataset.classes[k] for k in dataset.intervals["label"]])
    return named.values.tolist()


EXPECTED = [["rec1", label, start, end] for label, start, end in ACTIONS]


def as_frames(folder):
    lines = [f"rec1.npy,{label},{start},{end}" for label, start, end in ACTIONS]
    (folder / "intervals.csv").write_text("\n".join(["file,label,start,end", *lines]))


def as_seconds_of_a_film(folder):
    lines = [f"C:\\films\\rec1.mp4\t{a / FPS}\t{b / FPS}\t{label}" for label, a, b in ACTIONS]
    text = "\n".join(["File\tBegin Time - ss.msec\tEnd Time - ss.msec\tAnnotation", *lines])
    (folder / "annotations.txt").write_text(text)


def as_a_table_beside(folder):
    lines = [f"{label};{a};{b - 1}" for label, a, b in ACTIONS]
    (folder / "rec1.intervals.csv").write_text("\n".join(["label;start_frame;stop_frame", *lines]))


def as_elan_beside(folder):
    write_eaf([TimedLabel(n, a / FPS, b / FPS) for n, a, b in ACTIONS], folder / "rec1.eaf")


def as_labels(folder):
    lines = [f"rec1.npy,{label},{start},{end}" for label, start, end in ACTIONS]
    (folder / "labels.csv").write_text("\n".join(["file,label,start,end", *lines]))


@pytest.mark.parametrize(
    "write", [as_frames, as_seconds_of_a_film, as_a_table_beside, as_elan_beside, as_labels]
)
def test_the_same_actions_however_they_are_written(folder, read, write):
    record(folder)
    write(folder)
    dataset = read()
    assert len(dataset) == 1
    assert dataset.clip(0).shape == (100, 1, 20, 3)
    assert dataset.samples["video"].tolist() == ["rec1"]
    assert dataset.classes == ("sit", "wave")
    assert spans(dataset) == EXPECTED
    assert dataset.info["fps"] == FPS
    clips = read(clips="trimmed")
    assert clips.samples["frames"].tolist() == [20, 35, 20]
    assert [clips.classes[k] for k in clips.labels] == ["wave", "sit", "wave"]


def test_changed_annotations_are_read_again(folder, read):
    record(folder)
    as_elan_beside(folder)
    assert len(read().intervals) == 3
    write_eaf([TimedLabel("wave", 1, 2)], folder / "rec1.eaf")
    assert spans(read()) == [["rec1", "wave", 20, 40]]


def test_recordings_without_action_are_named(folder, read):
    for k in range(1, 4):
        record(folder, f"rec{k}.npy", seed=k)
    as_frames(folder)
    with (folder / "intervals.csv").open("a") as file:
        file.write("\nrec3.npy,,,")
    said = []
    dataset = read(said)
    assert len(dataset) == 3
    assert set(dataset.intervals["video"]) == {"rec1"}
    (note,) = [text for text in said if "no interval" in text]
    assert "'rec2.npy', 'rec3.npy'" in note


BAD_LINES = [
    "rec2.npy,wave,90,103", "rec2.npy,wave,100,102", "rec2.npy,wave,x,9", "rec2.npy,wave,9,5",
    "rec2.npy,wave,5,5", "rec2.npy,wave,-3,9", "rec2.npy,wave,5,", "rec2.npy,,5,9",
    "rec2.npy,wave,now,5,9", "rec2,wave,1",
]  # fmt: skip


@pytest.mark.parametrize("line", BAD_LINES)
def test_a_recording_with_a_bad_line_is_left_out(folder, read, line):
    record(folder)
    record(folder, "rec2.npy")
    as_frames(folder)
    with (folder / "intervals.csv").open("a") as file:
        file.write(f"\nrec2.npy,sit,20,40\n{line}\nrec4.npy,wave,1,2")
    said = []
    dataset = read(said)
    assert dataset.samples["video"].tolist() == ["rec1"]
    assert spans(dataset) == EXPECTED
    skipped = " ".join(f"{where} {why}" for where, why in dataset.info["skipped"])
    assert "csv:6" in skipped
    assert "csv:7" in skipped
    (note,) = [text for text in said if "left out" in text]
    assert "'rec2.npy' (intervals.csv:6: " in note
    assert not any("no interval" in text for text in said)
    assert len(read(clips="trimmed")) >= len(ACTIONS) + 1  # a clip knows nothing of the others
    with pytest.raises(DatasetError):
        load(FOLDER, folder, strict=True, force=True, clips="untrimmed")


def test_intervals_that_are_two_frames_outside_are_cut(folder, read):
    record(folder)
    (folder / "intervals.csv").write_text("file,label,start,end\nrec1,a,-2,9\nrec1,b,90,102")
    said = []
    assert spans(read(said)) == [["rec1", "a", 0, 9], ["rec1", "b", 90, 100]]
    assert sum("cut there" in text for text in said) == 2


@pytest.mark.parametrize("line", [",wave,1,2", "rec1.npy"])
def test_a_bad_line_that_names_no_recording_stops(folder, read, line):
    record(folder)
    as_frames(folder)
    text = (folder / "intervals.csv").read_text().splitlines()
    (folder / "intervals.csv").write_text(
        "\n".join(",".join((*row.split(",")[1:], row.split(",")[0])) for row in [*text, line])
    )
    with pytest.raises(DatasetError, match=r"intervals\.csv:5"):
        read()


def test_recordings_that_the_table_does_not_name_have_files_of_their_own(folder, read):
    for k in range(1, 6):
        record(folder, f"rec{k}.npy")
    (folder / "intervals.csv").write_text("file,label,start,end\nrec1,sit,5,9\nrec2,,,\n")
    write_eaf([TimedLabel("wave", 1, 2)], folder / "rec2.eaf")  # the table comes first
    write_eaf([TimedLabel("wave", 2, 3)], folder / "rec3.eaf")
    lines = "file,label,start,end\nrec1.npy,wave,1,2\nrec4.npy,wave,7,8"
    (folder / "labels.csv").write_text(lines)
    said = []
    dataset = read(said)
    assert spans(dataset) == [
        ["rec1", "sit", 5, 9],
        ["rec3", "wave", 40, 60],
        ["rec4", "wave", 7, 8],
    ]
    for words in ("not read: rec2.eaf", "rec3.eaf", "'rec2.npy', 'rec5.npy'", "labels.csv"):
        assert any(words in text for text in said), words
    (folder / "intervals.csv").unlink()
    assert [row[0] for row in spans(read())] == ["rec1", "rec2", "rec3", "rec4"]


def test_bad_lines_of_labels_leave_recordings_out_too(folder, read):
    record(folder)
    record(folder, "rec2.npy")
    as_labels(folder)
    with (folder / "labels.csv").open("a") as file:
        file.write("\nrec2.npy,wave,5,9\nrec2.npy,wave,9,5")
    assert read().samples["video"].tolist() == ["rec1"]
    with (folder / "labels.csv").open("a") as file:
        file.write("\n,wave,5,9")
    with pytest.raises(DatasetError, match=r"labels\.csv:7"):
        read()


def test_times_need_the_frame_rate_and_may_end_a_little_late(folder, read):
    record(folder)
    (folder / "intervals.csv").write_text("file,label,start_s,end_s\nrec1,wave,1,2\nrec1,sit,4,5.4")
    said = []
    assert spans(read(said)) == [["rec1", "wave", 20, 40], ["rec1", "sit", 80, 100]]
    assert any("cut there" in text for text in said)
    (folder / "skeleton.toml").write_text('skeleton = "kinect_v1"\nunits = "m"\n')
    record(folder, "rec2.npy")  # has no action, which is no reason to go on
    with pytest.raises(DatasetError, match=r"^[^\n]*fps = "):
        read()


def test_subjects_of_a_column_or_of_names(folder, read):
    for name in ("s01_e01", "s01_e02", "s02_e01", "s03_e01"):
        record(folder, f"{name}.npy", seed=int(name[1:3]))
    lines = [f"{n},wave,1,20" for n in ("s01_e01", "s01_e02", "s02_e01", "s03_e01")]
    (folder / "intervals.csv").write_text("\n".join(["file,label,start,end", *lines]))
    said = []
    dataset = read(said)
    assert dataset.samples["subject"].tolist() == [1, 1, 2, 3]
    assert any("names of the files: 1, 2, 3" in text for text in said)
    lines = [f"{line},{who}" for line, who in zip(lines, "abbc", strict=True)]
    (folder / "intervals.csv").write_text("\n".join(["file,label,start,end,subject", *lines]))
    dataset = read()
    assert dataset.samples["subject"].tolist() == [1, 2, 2, 3]
    assert dataset.info["subjects"] == {"1": "a", "2": "b", "3": "c"}
    lines.append("s01_e01,wave,30,40,z")
    (folder / "intervals.csv").write_text("\n".join(["file,label,start,end,subject", *lines]))
    with pytest.raises(DatasetError, match="one subject"):
        read()


BOTH = "file,label,start,end,start_s,end_s,score\n"


def both(folder, *moved, rate=FPS):
    """A table as `detect` writes it, in which some actions were moved by a second."""
    lines = [
        f"rec1.npy,{label},{a},{b},{a / rate + (k in moved):.4f},{b / rate + (k in moved):.4f},0.9"
        for k, (label, a, b) in enumerate(ACTIONS)
    ]
    (folder / "rec1.intervals.csv").write_text(BOTH + "\n".join(lines))


@pytest.mark.parametrize("toml", ["fps = 20\n", ""])
def test_seconds_that_were_corrected_are_not_ignored(folder, read, toml):
    (folder / "skeleton.toml").write_text(f'skeleton = "kinect_v1"\nunits = "m"\n{toml}')
    record(folder)
    both(folder)
    assert spans(read()) == EXPECTED
    for moved in ((1,), (0, 1, 2)):
        both(folder, *moved)
        for clips in ("untrimmed", "trimmed"):
            with pytest.raises(DatasetError, match=r"csv:[23]: frames .*delete"):
                read(clips=clips)
    path = folder / "rec1.intervals.csv"
    path.write_text(BOTH + "rec1.npy,sit,10,30,0.5,1.55,1\nrec1.npy,wave,40,61,2,3,1")
    assert len(read().intervals) == 2  # a frame more or less


def test_seconds_of_another_frame_rate_are_said(folder, read):
    record(folder)
    both(folder, rate=30)
    said = []
    assert spans(read(said)) == EXPECTED
    assert any("30 frames a second" in text for text in said)
    (folder / "rec1.intervals.csv").write_text(BOTH + "rec1.npy,wave,0,30,0,2.5,0.9")
    with pytest.raises(DatasetError, match="0 to 50"):
        read()


def test_the_file_in_a_table_of_one_recording_does_not_matter(folder, read):
    record(folder)
    lines = [f"obs,film.mp4,a test,{n},{a / FPS},{b / FPS}" for n, a, b in ACTIONS]
    header = "Observation id,Media file,Description,Behavior,Start (s),Stop (s)"
    (folder / "rec1.intervals.csv").write_text("\n".join([header, *lines]))
    assert spans(read()) == EXPECTED


def test_one_recording_in_another_unit_is_named(folder, read):
    lines = ["file,label,start,end"]
    for k in range(1, 5):
        record(folder, f"rec{k}.npy", seed=k)
        lines.append(f"rec{k},wave,1,20")
    (folder / "intervals.csv").write_text("\n".join(lines))
    said = []
    read(said)
    assert not any("another size" in text for text in said)
    np.save(folder / "rec3.npy", 1000 * np.load(folder / "rec3.npy"))
    for clips in ("untrimmed", "trimmed"):
        said = []
        read(said, clips=clips)
        (note,) = [text for text in said if "another size" in text]
        assert "1 of 4" in note
        assert "'rec3.npy" in note


def test_frames_without_a_person_are_named(folder, read):
    record(folder)
    clip = np.load(folder / "rec1.npy")
    clip[30:70] = np.nan
    clip[5, 0, 3] = np.nan
    np.save(folder / "rec1.npy", clip)
    as_frames(folder)
    said = []
    read(said)
    assert any("'rec1.npy' 40 of 100" in text for text in said)
    assert not any(" 0%" in text for text in said)


def test_a_folder_without_annotations_is_told_what_is_missing(folder, read):
    for k in range(1, 7):
        record(folder, f"rec{k}.npy")
    with pytest.raises(DatasetError, match=r"6 recordings .*no intervals\.csv") as error:
        read()
    assert len(str(error.value).splitlines()) < 9
    for lines, why in (([], "names of its columns"), (["rec1,,,"], "no line has one")):
        text = "\n".join(["file,label,start,end", *lines])
        (folder / "intervals.csv").write_text(text)
        with pytest.raises(DatasetError, match=why):
            read()


def test_what_detect_wrote_is_no_recording(folder, read):
    record(folder)
    table = BOTH + "rec1.npy,wave,10,30,0.5,1.5,0.9\n"
    frames = "frame,label,probability,time_s\n0,,0.1,0.0\n"
    for place in (folder, folder / "detections"):
        place.mkdir(exist_ok=True)
        write_eaf([TimedLabel("wave", 0.5, 1.5)], place / "rec1.eaf")
        (place / "rec1.csv").write_text(table)
        for name in ("frames.csv", "rec1.frames.csv"):
            (place / name).write_text(frames)
        for name in ("activitynet.json", "rec1.activitynet.json"):
            (place / name).write_text("{}")
    said = []
    dataset = read(said)
    assert spans(dataset) == [["rec1", "wave", 10, 30]]
    assert dataset.samples["video"].tolist() == ["rec1"]
    assert not dataset.info["skipped"]
    assert not any("2 files" in text or "no interval" in text for text in said)


def name_participant(path, name):
    path.write_text(path.read_text().replace("<TIER ", f'<TIER PARTICIPANT="{name}" '))


def test_participants_of_elan_are_subjects(folder, read):
    for k in range(1, 5):
        record(folder, f"rec{k}.npy", seed=k)
        actions = [TimedLabel("wave", 1, 2)] if k < 4 else []
        write_eaf(actions, folder / f"rec{k}.eaf")
        if k > 1:
            name_participant(folder / f"rec{k}.eaf", "anna" if k < 4 else "ben")
    said = []
    dataset = read(said)
    assert dataset.samples["subject"].tolist() == [0, 1, 1, 2]
    assert dataset.info["subjects"] == {"1": "anna", "2": "ben"}
    (note,) = [text for text in said if "unknown" in text]
    assert "1 of 4 recordings" in note
    assert "rec1.npy" in note
    told = "\n".join(describe_splits(dataset, "all"))
    assert "unknown, anna, ben" in told
    said = []
    assert read(said, clips="trimmed").samples["subject"].tolist() == [0, 1, 1]
    assert any("1 of 3 clips are unknown" in text for text in said)
    name_participant(folder / "rec1.eaf", "carl")
    said = []
    read(said)
    assert not any("unknown" in text for text in said)


def test_annotations_of_elan_without_times_or_label_leave_the_recording_out(folder, read):
    for k in range(1, 4):
        record(folder, f"rec{k}.npy")
        labels = [TimedLabel("" if k == 2 else "wave", 1, 2), TimedLabel("sit", 3, 4)]
        write_eaf(labels, folder / f"rec{k}.eaf")
    path = folder / "rec3.eaf"
    path.write_text(path.read_text().replace(' TIME_VALUE="2000"', ""))
    assert read().samples["video"].tolist() == ["rec1"]


def test_recordings_are_split_as_clips_are(folder, read):
    names = [f"s{k:02d}_e{e:02d}" for k in range(1, 7) for e in (1, 2)]
    for k, name in enumerate(names):
        record(folder, f"{name}.npy", seed=k)
    lines = [f"{name},{'wave' if k % 2 else 'sit'},1,20" for k, name in enumerate(names)]
    (folder / "intervals.csv").write_text("\n".join(["file,label,start,end", *lines]))
    dataset = read()
    subject = dataset.samples["subject"].to_numpy()
    for protocol, folds in (("cs", 1), ("loso", 6), ("folds", 5), ("random", 1), ("all", 1)):
        found = list(dataset.folds(protocol))
        assert len(found) == folds, protocol
        for fold in found:
            assert sorted(np.concatenate(fold)) == list(range(12))
            assert len(fold.validation) >= 2
            assert not set(subject[fold.test]) & set(subject[[*fold.train, *fold.validation]])
            if protocol != "all":
                assert len(fold.test)
    with pytest.raises(DatasetError, match="'split'"):
        list(dataset.folds("split"))


def test_one_recording_can_only_be_trained_on(folder, read):
    record(folder)
    as_frames(folder)
    dataset = read()
    for protocol in ("folds", "random"):
        with pytest.raises(DatasetError, match="one recording only"):
            list(dataset.folds(protocol))
    assert [len(part) for part in next(dataset.folds("all"))] == [1, 0, 0]


def test_more_people_than_wanted(folder, read):
    rng = np.random.default_rng(0)
    clip = np.tile(rng.normal(0, 0.5, (1, 3, 20, 3)), (100, 1, 1, 1))
    clip[:, 2] += rng.normal(0, 0.2, (100, 20, 3))
    np.save(folder / "rec1.npy", clip)
    as_frames(folder)
    said = []
    dataset = read(said, people=1)
    np.testing.assert_allclose(dataset.clip(0)[:, 0], clip[:, 2].astype(np.float32))
    assert any("more than 1 people" in text for text in said)


def test_what_is_refused(folder, read):
    record(folder)
    with pytest.raises(DatasetError, match=r"intervals\.csv"):
        read()
    (folder / "labels.csv").write_text("file,label\nrec1.npy,wave\n")
    with pytest.raises(DatasetError, match="start and end"):
        read()
    as_frames(folder)
    (folder / "annotations.tsv").write_text("")
    with pytest.raises(DatasetError, match="keep one"):
        read()
    (folder / "annotations.tsv").unlink()
    (folder / "intervals.csv").write_text("label,start,end\nwave,1,2\n")
    assert len(read()) == 1  # of the only recording
    record(folder, "rec2.npy")
    with pytest.raises(DatasetError, match="'file'"):
        read()
    (folder / "intervals.csv").unlink()
    as_elan_beside(folder)
    (folder / "rec1.txt").write_text("")
    with pytest.raises(DatasetError, match="keep one"):
        read()
    (folder / "rec1.txt").unlink()
    for option in ({"clips": "whole"}, {"ends": "in"}, {"tier": "feet"}):
        with pytest.raises(DatasetError):
            read(**option)


def test_tables_that_are_not_read_are_named(folder, read):
    record(folder)
    as_frames(folder)
    as_labels(folder)
    as_elan_beside(folder)
    for clips, names in (
        ("untrimmed", ("labels.csv", "rec1.eaf")),
        ("trimmed", ("intervals.csv",)),
    ):
        said = []
        read(said, clips=clips)
        for name in names:
            assert any(name in text and "not" in text for text in said), (clips, name)


def test_names_that_fit_several_recordings(folder, read):
    record(folder, "a/rec1.npy")
    record(folder, "b/rec1.npy")
    record(folder, "c.npy")
    text = "file,label,start,end\nb/rec1,wave,1,20\na/rec1.npy,sit,1,20\nc,sit,1,20\n"
    (folder / "intervals.csv").write_text(text)
    dataset = read()
    all_three = [["a_rec1", "sit", 1, 20], ["b_rec1", "wave", 1, 20], ["c", "sit", 1, 20]]
    assert spans(dataset) == all_three
    (folder / "intervals.csv").write_text(text + "rec1,wave,1,20\n")
    dataset = read()
    assert spans(dataset) == all_three[2:]  # the line may be of both others
    ((where, why),) = dataset.info["skipped"]
    assert where.endswith("csv:5")
    assert "a/rec1.npy or b/rec1.npy" in why


def test_video_names_differ():
    names = video_names(["a/b.npy", "a_b.npy", "a_b.csv", "c.npy"])
    assert len(set(names.values())) == 4
    assert names["c.npy"] == "c"
    assert not any("/" in name for name in names.values())
    assert pd.Series(names).is_unique


def test_times_without_a_frame_rate_are_one_message(folder, read):
    (folder / "skeleton.toml").write_text('skeleton = "kinect_v1"\nunits = "m"\n')
    for name in ("rec1", "rec2", "rec3"):
        record(folder, f"{name}.npy")
    lines = [f"{name},wave,{t},{t + 1}" for name in ("rec1", "rec2", "rec3") for t in range(4)]
    (folder / "intervals.csv").write_text("\n".join(["file,label,start_s,end_s", *lines]))
    for clips in ("untrimmed", "trimmed"):
        with pytest.raises(DatasetError, match="fps = ") as error:
            read(clips=clips)
        assert str(error.value).count("fps = ") == 1


def test_what_was_skipped_is_named_where_nothing_is_left(folder, read, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    for k in range(1, 8):
        record(tmp_path / "elsewhere", f"rec{k}.npy")
        (folder / f"rec{k}.npy").symlink_to(tmp_path / "elsewhere" / f"rec{k}.npy")
    lines = [f"rec{k}.npy,wave,0,10" for k in range(1, 8)]
    (folder / "intervals.csv").write_text("\n".join(["file,label,start,end", *lines]))
    with pytest.raises(DatasetError) as error:
        read()
    text = str(error.value)
    assert str(tmp_path / "elsewhere" / "rec5.npy") in text
    assert "rec6.npy" not in text  # five are named, of seven links and seven lines
    assert "and 9 more" in text
    # With one that is left, the others are named, too.
    record(folder, "rec8.npy")
    with (folder / "intervals.csv").open("a") as file:
        file.write("\nrec8.npy,wave,0,10")
    said = []
    read(said)
    assert any("rec5.npy" in line and "and 9 more" in line for line in said)


def test_all_folds_are_counted_and_the_table_has_its_name(folder, read):
    for k in range(5):
        record(folder, f"rec{k}.npy")
    lines = [f"rec{k}.npy,wave,0,10" for k in range(5)]
    (folder / "intervals.csv").write_text("\n".join(["file,label,start,end", *lines]))
    told = list(describe_splits(read(), "folds"))
    assert any("2 more folds" in line for line in told)
    assert not any("labels.csv" in line for line in told)
    assert any("intervals.csv" in line for line in told)
