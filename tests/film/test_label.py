"""The whole chain from film to labels, with made-up people and a made-up network."""

import csv
import json
import threading
from html import escape
from itertools import pairwise

import numpy as np
import pytest
from made_network import MadeNetwork
from made_people import MadeEstimator, Person, Scene, write_scene

from keras_skeleton.datasets.clip_sources import read_clips
from keras_skeleton.datasets.registry import load_dataset
from keras_skeleton.evaluation.swap_test import NOT_MEASURED, verdicts
from keras_skeleton.film import overlay_film
from keras_skeleton.film.label import label_film
from keras_skeleton.film.people_labels import kinect_pose
from keras_skeleton.film.result import NobodyError
from keras_skeleton.predictions import write_predictions
from keras_skeleton.recognizer import RecognizerError
from keras_skeleton.skeletons import SkeletonMapError, get_skeleton
from keras_skeleton.video.film import open_film
from keras_skeleton.video.reading import VideoError

SIZE = (48, 64)
FRAMES = 60  # two seconds


def waves_from(first, x=30, **how):
    return lambda t: Person(x, 26, 18, lift=0.9 if t >= first else 0.0, **how)


def in_sight(walk, first, last):
    return lambda t: walk(t) if first <= t <= last else None


def made(folder, *people, frames=FRAMES, name="film.mkv", fps=30, **options):
    """A film of these people, and the estimator that knows them."""
    scene = Scene(people, SIZE, **options)
    return write_scene(scene, folder / name, frames, fps), MadeEstimator(scene)


@pytest.fixture(autouse=True)
def no_thread_is_left():
    before = set(threading.enumerate())
    yield
    assert set(threading.enumerate()) <= before


@pytest.fixture(scope="module")
def labeled(tmp_path_factory):
    """A film of one person who stands and then waves, labeled with all files."""
    folder = tmp_path_factory.mktemp("film")
    film, pose = made(folder, waves_from(30))
    network, shares = MadeNetwork(), []
    result = label_film(
        film, network, pose, folder / "out", progress=lambda share, text: shares.append(share)
    )
    write_predictions(folder / "out", network, result.rows)
    return result, folder / "out", network, shares


def test_all_files_are_written(labeled):
    result, out, _, _ = labeled
    files = {path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file()}
    assert files == {
        "film_overlay.mp4", "film_attention.html", "keypoints/film.npz", "keypoints/skeleton.toml",
        "predictions.csv", "predictions.json",
    }  # fmt: skip
    assert result.overlay == out / "film_overlay.mp4"
    assert result.page == out / "film_attention.html"
    assert result.keypoints == out / "keypoints" / "film.npz"
    assert "film.mkv" in result.page.read_text(encoding="utf-8")


def test_actions_have_their_times(labeled):
    result = labeled[0]
    assert (result.fps, result.frames, result.size) == (30, FRAMES, SIZE)
    (person,) = result.people
    assert (person.person, person.start, person.end, person.frames) == (0, 0, FRAMES, FRAMES)
    first, second = person.segments
    assert (first.label, second.label) == ("sit", "wave")
    assert (first.start, second.end) == (0, FRAMES)
    assert abs(first.end - 30) <= 8
    assert first.end <= second.start <= first.end + 8
    assert [(row.start, row.end) for row in result.rows] == [
        (first.start, first.end), (second.start, second.end),
    ]  # fmt: skip
    for row in result.rows:
        assert (row.start_s, row.end_s) == (row.start / 30, row.end / 30)
        assert row.source == result.source
    assert result.notes == ()
    assert str(result).startswith(result.source)


def test_predictions_are_in_both_files(labeled):
    result, out, network, _ = labeled
    with (out / "predictions.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    content = json.loads((out / "predictions.json").read_text())
    assert content["classes"] == list(network.classes)
    assert len(rows) == len(content["predictions"]) == 2
    for row, told, own in zip(rows, content["predictions"], result.rows, strict=True):
        assert row["label"] == told["label"] == own.prediction.label
        assert float(row["start_s"]) == pytest.approx(told["start_s"], abs=1e-3)
        assert float(row["probability"]) == pytest.approx(told["probability"], abs=1e-4)
        assert sum(told["probabilities"].values()) == pytest.approx(1, abs=1e-4)
        assert row["person"] == "0"


def test_progress_grows_from_0_to_1(labeled):
    shares = labeled[3]
    assert len(shares) == 2 * FRAMES + 1
    assert shares[0] > 0
    assert all(a <= b for a, b in pairwise(shares))
    assert shares[-1] == 1


def test_the_overlay_is_a_film_of_the_same_length(labeled):
    result = labeled[0]
    film = open_film(result.overlay)
    frames = [frame.image for frame in film.frames()]
    assert (len(frames), film.fps) == (FRAMES, 30)
    assert film.notes == ()
    assert all(side % 2 == 0 for side in film.size)
    assert max(image.std() for image in frames) > 10  # the scene is grey: this is drawn
    assert (frames[0] != frames[-1]).any()


def test_key_points_are_read_back(labeled):
    """As a clip by `predict`, and as a dataset's folder: the same poses, rate and label."""
    result, _, network, _ = labeled
    (clip,) = read_clips(result.keypoints)
    assert (clip.skeleton.name, clip.fps, clip.clip.shape) == ("kinect_v2", 30, (60, 1, 25, 3))
    with np.load(result.keypoints) as arrays:
        assert arrays["clip"].dtype == np.float32
        world = arrays["clip"][:, 0]
    expected = np.array([kinect_pose(frame) for frame in world])
    np.testing.assert_allclose(clip.clip[:, 0], expected, atol=1e-5)
    last = network.predict(clip.clip[40:], skeleton=clip.skeleton)
    assert last.label == result.rows[-1].prediction.label == "wave"
    assert network.predict(clip.clip[:25], skeleton=clip.skeleton).label == "sit"


def test_filming_is_recording_a_dataset(tmp_path):
    out = tmp_path / "out"
    for label, first in (("wave", 0), ("sit", 99)):
        for number in range(2):
            film, pose = made(tmp_path, waves_from(first), name=f"{label}_{number}.mkv", frames=20)
            name = f"{label}/{number}"
            result = label_film(
                film, MadeNetwork(), pose, out, overlay=False, attention=False, name=name
            )
            assert result.keypoints == out / "keypoints" / label / f"{number}.npz"
    dataset = load_dataset("folder", out / "keypoints", cache_dir=tmp_path / "cache")
    assert dataset.classes == ("sit", "wave")
    assert dataset.skeleton.name == "kinect_v2"
    assert len(dataset.labels) == 4
    assert dataset.info["fps"] == 30
    network = MadeNetwork()
    for i, label in enumerate(dataset.labels):
        found = network.predict(dataset.clip(i), skeleton=dataset.skeleton)
        assert found.label == dataset.classes[label]


def test_a_name_may_be_in_a_folder(tmp_path):
    film, pose = made(tmp_path, waves_from(0), frames=20)
    out = tmp_path / "out"
    result = label_film(film, MadeNetwork(), pose, out, name="wave/first")
    assert result.page == out / "wave" / "first_attention.html"
    assert result.overlay == out / "wave" / "first_overlay.mp4"
    assert result.page.is_file()
    assert result.overlay.is_file()


# ---------------------------------------------------------------- people


def test_several_people_have_results_of_their_own(tmp_path):
    one = in_sight(waves_from(0, x=16), 0, 29)
    other = waves_from(99, x=48)
    film, pose = made(tmp_path, one, other)
    result = label_film(film, MadeNetwork(), pose, tmp_path / "out")
    first, second = result.people  # who was seen most comes first
    assert (first.frames, second.frames) == (60, 30)
    assert (first.prediction.label, second.prediction.label) == ("sit", "wave")
    assert (second.start, second.end) == (0, 30)
    assert result.prediction.label == "sit"
    assert {row.person for row in result.rows} == {first.person, second.person}
    (clip,) = read_clips(result.keypoints)
    assert clip.clip.shape[1] == 2


def test_only_one_person_is_followed_if_so_wanted(tmp_path):
    film, pose = made(tmp_path, waves_from(0, x=16), waves_from(99, x=48), frames=30)
    result = label_film(film, MadeNetwork(), pose, people=1)
    assert len(result.people) == 1
    assert any("more than 1" in note for note in result.notes)


def test_nobody_is_an_error(tmp_path):
    film, pose = made(tmp_path, frames=20)
    with pytest.raises(NobodyError, match="film.mkv.*nobody"):
        label_film(film, MadeNetwork(), pose, tmp_path / "out")
    assert not [path for path in (tmp_path / "out").rglob("*") if path.is_file()]


def test_who_is_seen_shortly_is_left_out_and_that_is_said(tmp_path):
    short = in_sight(waves_from(0, x=48), 20, 30)
    film, pose = made(tmp_path, waves_from(99, x=16), short)
    result = label_film(film, MadeNetwork(), pose, tmp_path / "out")
    assert len(result.people) == 1
    assert any("1 more person was seen" in note for note in result.notes)
    film, pose = made(tmp_path, short, name="short.mkv")
    with pytest.raises(NobodyError, match="0.5 s"):
        label_film(film, MadeNetwork(), pose)


def test_a_film_shorter_than_that_is_labeled(tmp_path):
    film, pose = made(tmp_path, waves_from(0), frames=5)
    result = label_film(film, MadeNetwork(), pose, tmp_path / "out")
    assert result.prediction.label == "wave"
    assert result.frames == 5
    film, pose = made(tmp_path, waves_from(0), frames=1, name="one.mkv")
    assert label_film(film, MadeNetwork(), pose, tmp_path / "out").frames == 1


def test_what_was_not_seen_well_is_said(tmp_path):
    def walk(t):
        return None if 20 <= t < 35 else Person(30, 26, 18, visible=0.3)

    film, pose = made(tmp_path, walk)
    notes = label_film(film, MadeNetwork(), pose).notes
    assert any("lost in 15 of 60" in note for note in notes)
    assert any("legs" in note and "right arm" in note for note in notes)
    assert any("nobody was found in 15 of 60" in note for note in notes)


def test_the_page_says_what_was_guessed_and_whether_attention_was_measured(tmp_path):
    def seen(visible, **about):
        network = MadeNetwork()
        network.about |= about
        film, pose = made(tmp_path, lambda t: Person(30, 26, 18, visible=visible), frames=20)
        result = label_film(film, network, pose, tmp_path / "out", overlay=False)
        return result, result.page.read_text(encoding="utf-8")

    result, page = seen(0.3)
    (guessed,) = (note for note in result.notes if "guessed" in note)
    assert guessed[1:] in page
    assert escape(NOT_MEASURED) in page
    row = {"kind": "joints", "swap": "other", "clips": 99, "own": 0.9, "swapped": 0.4}
    row |= {"cost": 0.5, "low": 0.4, "high": 0.6, "changed": 0.5, "verdict": "costs"}
    _, page = seen(0.9, swap=[row])
    assert "guessed" not in page
    assert escape(NOT_MEASURED) not in page
    assert verdicts([row])[0][1] in page


def test_cuts_are_said(tmp_path):
    film, pose = made(tmp_path, waves_from(0), background=lambda t: 200 if t >= 30 else 40)
    result = label_film(film, MadeNetwork(), pose)
    assert [(person.start, person.end) for person in result.people] == [(31, 60), (0, 30)] or [
        (person.start, person.end) for person in result.people
    ] == [(0, 30), (31, 60)]
    assert any("cuts at 1.0 s" in note for note in result.notes)


def test_a_place_that_is_taken_over_keeps_the_attention_of_both(tmp_path):
    one = in_sight(waves_from(99, x=12), 0, 29)
    other = in_sight(waves_from(0, x=52), 30, 59)
    film, pose = made(tmp_path, one, other)
    network = MadeNetwork()
    found = []

    def keep(film, result, recording, *others):
        found.append(recording.joints[0][:60].any(axis=1))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("keras_skeleton.film.label.write_overlay", keep)
        result = label_film(film, network, pose, tmp_path / "out", people=1)
    assert [person.label for person in (p.prediction for p in result.people)] == ["sit", "wave"]
    (attended,) = found
    np.testing.assert_array_equal(np.flatnonzero(~attended), [30])


def test_networks_that_need_a_room_are_warned_of(tmp_path):
    film, pose = made(tmp_path, waves_from(0), frames=20)
    result = label_film(film, MadeNetwork(coordinates="first_spine"), pose)
    assert any("first_spine" in note for note in result.notes)


# ---------------------------------------------------------------- files


def test_without_a_folder_nothing_is_written(tmp_path, monkeypatch):
    (tmp_path / "film").mkdir()
    film, pose = made(tmp_path / "film", waves_from(0), frames=20)
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    shares = []
    result = label_film(
        film, MadeNetwork(), pose, progress=lambda share, text: shares.append(share)
    )
    assert (result.keypoints, result.page, result.overlay) == (None, None, None)
    assert not list((tmp_path / "here").iterdir())
    assert list((tmp_path / "film").iterdir()) == [film]
    assert shares[-1] == 1


@pytest.mark.parametrize(
    ("options", "files"),
    [
        ({"overlay": False}, {"film.npz", "skeleton.toml", "film_attention.html"}),
        ({"attention": False}, {"film.npz", "skeleton.toml", "film_overlay.mp4"}),
    ],
)
def test_what_is_not_wanted_is_not_written(tmp_path, options, files):
    film, pose = made(tmp_path, waves_from(0), frames=20)
    shares = []
    label_film(film, MadeNetwork(), pose, tmp_path / "out", **options,
               progress=lambda share, text: shares.append(share))  # fmt: skip
    assert {path.name for path in (tmp_path / "out").rglob("*") if path.is_file()} == files
    assert shares[-1] == 1


def test_the_film_is_not_overwritten_in_its_own_folder(tmp_path):
    for name in ("film.mkv", "film_overlay.mkv"):
        film, pose = made(tmp_path, waves_from(0), frames=20, name=name)
        before = film.read_bytes()
        for _ in range(2):
            result = label_film(film, MadeNetwork(), pose, tmp_path)
            assert film.read_bytes() == before
            assert result.overlay != film
    assert result.overlay.name == "film_overlay_overlay.mp4"


class StopWork(Exception):  # noqa: N818
    """What a page raises when its visitor stops the work."""


@pytest.mark.parametrize("at", [1, 10, 40, 41, 42, 60, 81])
def test_an_exception_of_the_progress_stops_all(tmp_path, at):
    film, pose = made(tmp_path, waves_from(0), frames=40)
    count = 0

    def progress(share, text):
        nonlocal count
        count += 1
        if count == at:
            raise StopWork

    out = tmp_path / "out"
    before = set(threading.enumerate())
    with pytest.raises(StopWork):
        label_film(film, MadeNetwork(), pose, out, progress=progress)
    assert set(threading.enumerate()) <= before
    assert count == at
    left = {path.name for path in out.rglob("*") if path.is_file()}
    assert left <= {"film.npz", "skeleton.toml", "film_attention.html"}
    film.unlink()  # it is not open any more, which matters on Windows


def test_a_full_disk_stops_the_thread_that_reads(tmp_path, monkeypatch):
    film, pose = made(tmp_path, waves_from(0), frames=40)

    def write(path, frames, **options):
        path.write_bytes(b"half")
        next(iter(frames))
        raise OSError(28, "No space left on device", str(path))

    monkeypatch.setattr(overlay_film, "write_video", write)
    before = set(threading.enumerate())
    with pytest.raises(OSError, match="(?i)no space left"):
        label_film(film, MadeNetwork(), pose, tmp_path / "out")
    assert set(threading.enumerate()) <= before
    assert not list((tmp_path / "out").glob("*.mp4"))
    assert not list((tmp_path / "out").glob(".part*"))


@pytest.mark.parametrize(("size", "fps"), [((47, 63), 30), ((91, 35), 12), ((36, 120), 25)])
def test_films_of_any_shape_and_rate(tmp_path, size, fps):
    scene = Scene([lambda t: Person(17, 20, 16, lift=0.9)], size)
    film = write_scene(scene, tmp_path / "film.mkv", 2 * fps, fps)
    result = label_film(film, MadeNetwork(), MadeEstimator(scene), tmp_path / "out")
    assert (result.fps, result.frames, result.size) == (fps, 2 * fps, size)
    assert [(found.label, found.start, found.end) for found in result.people[0].segments] == [
        ("wave", 0, 2 * fps)
    ]
    overlay = open_film(result.overlay)
    assert overlay.fps == fps
    assert sum(1 for _ in overlay.frames()) == 2 * fps
    (clip,) = read_clips(result.keypoints)
    assert clip.fps == fps


def test_an_overlay_in_blocks_hides_who_it_is(tmp_path):
    def noise(t):
        return np.random.default_rng(1).integers(0, 256, (*SIZE, 3), dtype=np.uint8)

    film, pose = made(tmp_path, waves_from(0), frames=6, background=noise)
    results = [
        label_film(film, MadeNetwork(), pose, tmp_path / f"{blocks}", blocks=blocks)
        for blocks in (None, 4)
    ]
    plain, coarse = (next(open_film(r.overlay).frames()).image.astype(float) for r in results)
    corner = slice(30, 48), slice(50, 64)  # nobody is there
    assert coarse[corner].std() < plain[corner].std() / 2


# ---------------------------------------------------------------- refused


def test_networks_of_two_people_are_refused(tmp_path):
    film, pose = made(tmp_path, waves_from(0), frames=5)
    with pytest.raises(RecognizerError, match="one person"):
        label_film(film, MadeNetwork(bodies=2), pose, tmp_path / "out")


def test_networks_of_other_joints_are_refused(tmp_path):
    film, pose = made(tmp_path, waves_from(0), frames=5)
    network = MadeNetwork()
    object.__setattr__(network.preprocessing, "skeleton", get_skeleton("hdm05"))
    with pytest.raises(SkeletonMapError):
        label_film(film, network, pose, tmp_path / "out")


def test_broken_films_are_named(tmp_path):
    (tmp_path / "broken.mp4").write_bytes(b"no film" * 100)
    _, pose = made(tmp_path, waves_from(0), frames=5)
    for name in ("broken.mp4", "lost.mp4"):
        with pytest.raises(VideoError, match=name):
            label_film(tmp_path / name, MadeNetwork(), pose, tmp_path / "out")
    assert not (tmp_path / "out").exists()
