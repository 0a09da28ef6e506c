"""Labels in front of a camera, with made-up people and a made-up network."""

import pytest
from made_network import MadeNetwork
from made_people import MadeEstimator, Person, Scene, write_scene

from keras_skeleton.datasets.clip_sources import read_clips
from keras_skeleton.film.label import label_film
from keras_skeleton.film.live import LiveLabeler, record_live
from keras_skeleton.video.camera import Camera
from keras_skeleton.video.film import FilmFrame, open_film

SIZE = (48, 64)


class Source:
    """A camera that gives every picture of a scene, at the times of its frames."""

    def __init__(self, scene, frames, every=1, fps=30):
        self.size, self.scene = scene.size, scene
        self.shown = range(0, frames, every)
        self.fps = fps

    def frames(self):
        for number, t in enumerate(self.shown):
            yield FilmFrame(number, t / self.fps, self.scene.image(t))


def waves(first, last=10**6, x=30):
    return lambda t: Person(x, 26, 18, lift=0.9 if first <= t < last else 0.0)


def live(scene, people=1):
    labeler = LiveLabeler(MadeNetwork(), MadeEstimator(scene), scene.size, people)
    return labeler


@pytest.fixture(autouse=True)
def no_compilation(monkeypatch):
    monkeypatch.setattr("keras_skeleton.film.people_labels.PeopleLabeler.warm_up", lambda _: None)


def test_a_camera_says_what_the_film_says(tmp_path):
    scene = Scene([waves(40, 80)], SIZE)
    labeler = live(scene)
    events = [e for picture in labeler.run(Source(scene, 130)) for e in picture.events]
    events += labeler.finish()
    film = write_scene(scene, tmp_path / "film.mkv", 130)
    offline = label_film(film, MadeNetwork(), MadeEstimator(scene))
    ended = [(e.segment.start, e.segment.end, e.segment.label) for e in events if e.kind == "end"]
    assert ended == [(s.start, s.end, s.label) for s in offline.people[0].segments]
    assert [e.kind for e in events] == ["start", "end"] * len(ended)
    started = [e.segment.start for e in events if e.kind == "start"]
    assert started == [start for start, *_ in ended]


def test_announcements_are_as_late_as_they_say():
    scene = Scene([waves(40)], SIZE)
    labeler = live(scene)
    for picture in labeler.run(Source(scene, 130)):
        for event in picture.events:
            segment = event.segment
            at = segment.start if event.kind == "start" else segment.end
            late = (labeler.ticks - at) / 30
            assert event.delay_s == pytest.approx(late, abs=0.1)  # and the time of computing
            assert event.delay_s >= labeler.label_delay_s
    assert labeler.label_delay_s == pytest.approx((32 - 8) / 2 / 30)


def test_skipped_pictures_do_not_change_the_times():
    scene = Scene([waves(40, 80)], SIZE)

    def ended(every):
        labeler = live(scene)
        events = [e for p in labeler.run(Source(scene, 131, every)) for e in p.events]
        return [e.segment for e in [*events, *labeler.finish()] if e.kind == "end"]

    for one, two in zip(ended(1), ended(5), strict=True):
        assert one.label == two.label
        assert abs(one.start - two.start) <= 8
        assert abs(one.end - two.end) <= 8


def test_pictures_have_labels_and_a_timeline():
    scene = Scene([waves(0), lambda t: Person(50, 26, 10) if t < 20 else None], SIZE)
    labeler = live(scene, people=2)
    pictures = list(labeler.run(Source(scene, 60)))
    assert len(pictures) == 60
    assert {p.image.shape for p in pictures} == {(*labeler.picture_size, 3)}
    assert pictures[0].labels[0] == ("", None, None)
    assert pictures[-1].labels[0][0] == "wave"
    assert set(pictures[10].labels) == {0, 1}
    assert set(pictures[-1].labels) == {0}


def test_memory_does_not_grow():
    """Who left is forgotten, and what the timeline does not show."""

    def visitor(k):  # 40 people, one after the other
        return lambda t: Person(30, 26, 18, lift=0.9) if 40 * k <= t < 40 * k + 36 else None

    scene = Scene([visitor(k) for k in range(6)], SIZE)
    labeler = live(scene)
    slow = Source(scene, 240, fps=3)  # 80 seconds
    kept = []
    for _ in labeler.run(slow):
        kept.append((len(labeler._people), len(labeler._labeler.people)))
    assert labeler._tracker.known == 6
    assert max(people for people, _ in kept) <= 4
    assert max(people for _, people in kept) <= 4


def test_everything_is_written(tmp_path):
    scene = Scene([waves(20)], SIZE)
    labeler = live(scene)
    shown = []
    result = record_live(
        labeler, Source(scene, 61, every=2), tmp_path, "day", lambda p: shown.append(p) or True
    )
    assert result.pictures == len(shown) == 31
    assert result.seconds == pytest.approx(2.0)
    assert result.segments[-1][1].label == "wave"
    film = open_film(result.overlay)
    assert film.fps == pytest.approx(30)
    assert len(list(film.frames())) == labeler.ticks == 61  # thirty a second, whatever came
    (clip,) = read_clips(result.keypoints)
    assert clip.clip.shape == (61, 1, 25, 3)
    assert clip.fps == 30


@pytest.mark.parametrize("how", ["show", "seconds"])
def test_it_stops(tmp_path, how):
    scene = Scene([waves(0)], SIZE)
    shown = []

    def show(picture):
        shown.append(picture)
        return how != "show" or len(shown) < 10

    result = record_live(
        live(scene), Source(scene, 200), tmp_path, "a", show, overlay=False,
        seconds=1.0 if how == "seconds" else None,
    )  # fmt: skip
    assert result.pictures == len(shown) == (10 if how == "show" else 31)
    assert result.overlay is None
    assert not list(tmp_path.glob("*.mp4"))


def test_nobody_leaves_no_key_points(tmp_path):
    scene = Scene([], SIZE)
    result = record_live(live(scene), Source(scene, 20), tmp_path, "a", lambda p: True)
    assert result.keypoints is None
    assert result.segments == []
    assert result.overlay.is_file()


@pytest.mark.parametrize("seen", [0, 10])
def test_what_was_seen_before_a_camera_failed_is_written(tmp_path, seen):
    scene = Scene([waves(0)], SIZE)
    labeler = live(scene)

    def pictures():
        for t in range(seen):
            yield t / 30, scene.image(t)
        raise OSError("unplugged")

    with Camera(pictures(), SIZE, 30) as camera:
        if not seen:
            with pytest.raises(Exception, match="unplugged"):
                record_live(labeler, camera, tmp_path, "a", lambda p: True)
            assert not [path for path in tmp_path.rglob("*") if path.is_file()]
            return
        result = record_live(labeler, camera, tmp_path, "a", lambda p: True)
    assert "unplugged" in str(result.error)
    assert result.pictures > 0
    assert len(list(open_film(result.overlay).frames())) == labeler.ticks
    assert not [path for path in tmp_path.rglob("*") if path.name.startswith(".part")]


def test_the_window_needs_a_screen(monkeypatch):
    from keras_skeleton.viz.live_window import LiveWindow

    pytest.importorskip("tkinter")
    monkeypatch.delenv("DISPLAY", raising=False)
    with pytest.raises(RuntimeError):
        LiveWindow((48, 64), "test")
