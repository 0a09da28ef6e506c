"""The server behind the local page: jobs, files, and who is refused."""

import http.client
import logging
import pickle
import zipfile
from dataclasses import replace

import numpy as np
import pytest
from served import PAGE, Pretend, Server, about, film, prediction, wait

from keras_skeleton.film.result import FilmResult, PersonResult
from keras_skeleton.film.segments import Segment
from keras_skeleton.predictions import make_row
from keras_skeleton.serve import labeler
from keras_skeleton.serve.app import tame_name
from keras_skeleton.serve.jobs import FULL, FullError, Jobs
from keras_skeleton.serve.labeler import FileLabeler
from keras_skeleton.utils.errors import UserError
from keras_skeleton.zoo.entries import read_zoo
from keras_skeleton.zoo.recognizers import load_recognizer


@pytest.fixture
def server():
    with Server() as running:
        yield running
        folder = running.folder
    assert not folder.exists()  # nothing of anybody's films stays


def upload(server, name, body=b"film", **headers):
    status, job = server.json("POST", f"jobs?name={name}", body, **headers)
    assert status == 201, job
    return job["id"]


# ---------------------------------------------------------------- from file to result


def test_a_film_becomes_a_result(server):
    number = upload(server, "a%20day.mp4", b"1234 and more")
    job = server.finished(number)
    assert server.label.seen == [("a day.mp4", b"1234", None)]
    assert (job["state"], job["name"], job["share"]) == ("done", "a day.mp4", 1)
    assert job["summary"] == "waveHands 93 %"
    answer = job["answer"]
    assert answer["notes"] == ["cuts at 2.0 s"]
    (part,) = answer["parts"]
    first, second = part["segments"]
    assert (first["label"], first["start_s"], first["end_s"]) == ("waveHands", 0.4, 2.0)
    assert (first["unsure"], second["unsure"], part["none"]) == (False, True, False)
    # The copy of the film is deleted as soon as it is not needed.
    assert not list(server.folder.rglob("a day.mp4"))

    status, headers, content = server.ask("GET", f"jobs/{number}/files/overlay")
    assert (status, headers["Content-Type"]) == (200, "video/mp4")
    assert b"ftyp" in content[:16]
    # A browser seeks in a film by asking for parts of it.
    status, headers, part = server.ask("GET", f"jobs/{number}/files/overlay", Range="bytes=4-7")
    assert (status, part) == (206, content[4:8])
    status, headers, content = server.ask("GET", f"jobs/{number}/files/csv")
    assert headers["Content-Disposition"].startswith("attachment")
    assert "a%20day_predictions.csv" in headers["Content-Disposition"]
    assert content == b"label\n"
    status, headers, content = server.ask("GET", f"jobs/{number}/attention/0")
    assert content.decode() == PAGE
    assert "sandbox allow-scripts;" in headers["Content-Security-Policy"]
    for path in (f"jobs/{number}/files/json", f"jobs/{number}/attention/1", "jobs/none"):
        assert server.ask("GET", path)[0] == 404
    assert server.ask("GET", f"jobs/{number}/files/..%2F..%2Fetc%2Fpasswd")[0] == 404


def test_errors_are_said_without_paths_and_tracebacks(server, caplog):
    job = server.finished(upload(server, "broken.mp4"))
    assert (job["state"], job["error"]) == ("failed", "broken.mp4: is damaged; convert it")
    with caplog.at_level(logging.ERROR, "keras_skeleton.serve.jobs"):
        job = server.finished(upload(server, "crash.mp4"))
    assert job["state"] == "failed"
    assert "RuntimeError" in job["error"]
    assert "secret" not in job["error"]
    assert "secret of" in caplog.text  # for the terminal
    assert "Traceback" in caplog.text
    assert not list(server.folder.iterdir())
    # and the next one is labeled
    assert server.finished(upload(server, "next.mp4"))["state"] == "done"


def test_work_in_turn_progress_and_cancelling(server):
    slow = upload(server, "slow.mp4")
    following = upload(server, "following.mp4")
    wait(lambda: server.json("GET", f"jobs/{slow}")[1]["share"] == 0.5, "one half is done")
    _, jobs = server.json("GET", "jobs")
    assert [job["state"] for job in jobs] == ["working", "waiting"]
    assert jobs[0]["text"] == "looking for people, frame 40"

    waiting = upload(server, "waiting.mp4")
    server.json("DELETE", f"jobs/{waiting}")
    assert server.json("GET", f"jobs/{waiting}")[1]["state"] == "cancelled"
    server.json("DELETE", f"jobs/{slow}")
    assert server.finished(slow)["state"] == "cancelled"
    assert server.finished(following)["state"] == "done"
    assert {path.name for path in server.folder.iterdir()} == {following}
    assert len(server.label.seen) == 2  # the one that was cancelled while it waited was never begun

    server.json("DELETE", f"jobs/{following}")
    assert server.json("GET", f"jobs/{following}")[0] == 404
    assert not list(server.folder.iterdir())
    assert server.ask("DELETE", "jobs/unknown")[0] == 200


def test_old_results_make_room():
    with Server(most_results=2) as server:
        numbers = [upload(server, f"{n}.mp4") for n in range(3)]
        server.finished(numbers[-1])
        wait(lambda: len(server.json("GET", "jobs")[1]) == 2, "the oldest is gone")
        wait(lambda: len(list(server.folder.iterdir())) == 2, "its files, too")
        assert [job["id"] for job in server.json("GET", "jobs")[1]] == numbers[1:]


def test_stopping_ends_the_work():
    with Server() as server:
        upload(server, "slow.mp4")
        wait(lambda: server.jobs.all()[0].share == 0.5, "it works")
        folder = server.folder
    assert not folder.exists()


def test_only_so_many_files_wait(tmp_path):
    jobs = Jobs(Pretend(), tmp_path / "jobs")
    (tmp_path / "jobs").mkdir()
    number, path = jobs.new_file("slow.mp4")
    path.write_bytes(b"film")
    first = jobs.submit(number, path, "slow.mp4")
    wait(lambda: first.state == "working", "the first has begun")
    for _ in range(FULL):
        number, path = jobs.new_file("next.mp4")
        jobs.submit(number, path, "next.mp4")
    with pytest.raises(FullError):
        jobs.new_file("more.mp4")
    jobs.close()
    assert not (tmp_path / "jobs").exists()


# ---------------------------------------------------------------- what is refused


def test_wrong_files(server):
    status, answer = server.json("POST", "jobs?name=letter.docx", b"x")
    assert status == 415
    assert ".mp4" in answer["error"]
    assert ".npy" in answer["error"]
    assert server.json("POST", "jobs", b"x")[0] == 415
    assert server.json("POST", "jobs?name=a.npy&layout=elephant", b"x")[0] == 422
    number = server.json("POST", "jobs?name=a.npy&layout=coco17", b"x")[1]["id"]
    assert server.finished(number)["state"] == "done"
    assert server.label.seen == [("a.npy", b"x", "coco17")]


def test_large_files():
    with Server(most_bytes=1000) as server:
        # The length alone is enough, before anything is sent ...
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
        connection.putrequest("POST", f"/{server.key}/jobs?name=a.mp4", skip_host=True)
        for name, value in (
            ("Host", server.host),
            ("Origin", f"http://{server.host}"),
            ("Content-Length", "1001"),
        ):
            connection.putheader(name, value)
        connection.endheaders()
        assert connection.getresponse().status == 413
        connection.close()
        # ... and what hides its length is cut off.
        pieces = iter([b"x" * 900, b"x" * 200])
        assert server.ask("POST", "jobs?name=a.mp4", pieces)[0] == 413
        assert not list(server.folder.iterdir())
        assert not server.label.seen
        upload(server, "a.mp4", b"x" * 1000)


def test_interrupted_uploads_leave_nothing(server):
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    connection.putrequest("POST", f"/{server.key}/jobs?name=a.mp4", skip_host=True)
    for name, value in (
        ("Host", server.host),
        ("Origin", f"http://{server.host}"),
        ("Content-Length", "100000"),
    ):
        connection.putheader(name, value)
    connection.endheaders(b"x" * 1000)
    wait(lambda: list(server.folder.rglob("a.mp4")), "the upload has begun")
    connection.close()
    wait(lambda: not list(server.folder.iterdir()), "it is deleted")
    assert not server.jobs.all()


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example:80", "", "[::1", "a@b"])
def test_other_names_of_the_host_are_refused(server, host):
    """A site whose name is suddenly that of this computer (DNS rebinding)."""
    assert server.ask("GET", "", Host=host)[0] == 403
    headers = {"Host": host, "Origin": f"http://{host}"}
    assert server.ask("POST", "jobs?name=a.mp4", b"x", **headers)[0] == 403
    assert not server.label.seen


def test_localhost_is_this_computer(server):
    assert server.ask("GET", "", Host="localhost:9999")[0] == 200  # through a tunnel


@pytest.mark.parametrize(
    "origin", [None, "null", "https://evil.example", "http://127.0.0.1:1", "http://localhost"]
)
def test_other_sites_cannot_send_anything(server, origin):
    """A form or script of another page that is open in the browser (CSRF)."""
    assert server.ask("POST", "jobs?name=a.mp4", b"x", Origin=origin)[0] == 403
    number = upload(server, "slow.mp4")
    assert server.ask("DELETE", f"jobs/{number}", Origin=origin)[0] == 403
    assert len(server.jobs.all()) == 1
    assert not server.jobs.all()[0].stop.is_set()


@pytest.mark.parametrize("key", ["", "x", "\u00fc".encode().decode("latin-1"), "../x"])
def test_nothing_is_told_without_the_key(server, key):
    from urllib.parse import quote

    for path in ("", "jobs", "page.js"):
        status, _, content = server.ask("GET", path, key=quote(key))
        assert status == 404
        assert b"a_network" not in content
    assert server.ask("POST", "jobs?name=a.mp4", b"x", key=quote(key))[0] == 404


def test_every_answer_has_the_headers(server):
    number = upload(server, "a.mp4")
    server.finished(number)
    for method, path in (
        ("GET", ""), ("GET", "page.js"), ("GET", "jobs"), ("GET", f"jobs/{number}/files/overlay"),
        ("GET", f"jobs/{number}/attention/0"), ("GET", "missing"), ("PUT", "jobs"),
    ):  # fmt: skip
        _, headers, _ = server.ask(method, path)
        assert "default-src 'none'" in headers["Content-Security-Policy"], path
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Cache-Control"] == "no-store"
        assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
        assert "Access-Control-Allow-Origin" not in headers
    _, headers, page = server.ask("GET", "")
    assert "unsafe" not in headers["Content-Security-Policy"]
    assert b"http://" not in page.replace(b"http://www.w3.org", b"")
    assert b"https://" not in page


def test_names_in_the_page_are_only_text():
    evil = "<script>1</script>"
    with Server(about=about(name=evil, classes=(evil, "b"), notes=(evil,))) as server:
        page = server.ask("GET", "")[2]
        assert page.count(b"<script") == 1  # page.js
        assert b"&lt;script&gt;1" in page


@pytest.mark.parametrize(
    ("name", "plain"),
    [
        ("film.mp4", "film.mp4"),
        ("Z\u00fcrich (2).mov", "Z\u00fcrich (2).mov"),
        ("../../etc/passwd", ".._.._etc_passwd"),
        ("..", "_.."),
        ("", "_"),
        ("a\0b\nc%d'\".mp4", "a_b_c_d__.mp4"),
    ],
)
def test_tame_names(name, plain):
    assert tame_name(name) == plain


def test_long_names_fit_into_folders():
    for letter in "a\u00fc\u732b":
        name = tame_name(letter * 500 + ".mp4")
        assert name.endswith(".mp4")
        assert len(name.encode()) < 140


# ---------------------------------------------------------------- the labeler


@pytest.fixture(scope="module")
def recognizer():
    if not read_zoo():
        pytest.skip("no trained weights here")
    return load_recognizer("mans9_synthetic_cs")


def no_pose():
    raise AssertionError("key points need no estimator")


def test_key_points_are_labeled_as_by_predict(recognizer, tmp_path):
    clip = np.random.default_rng(0).normal(size=(40, 25, 3)).astype(np.float32)
    np.save(tmp_path / "clip.npy", clip)
    out = tmp_path / "out"
    out.mkdir()
    said = []
    label = FileLabeler(recognizer, no_pose)
    answer = label(tmp_path / "clip.npy", out, lambda share, text: said.append(share))
    found = recognizer.predict(clip)
    (part,) = answer.parts
    assert part.prediction.label == found.label
    assert part.prediction.probability == pytest.approx(found.probability, abs=1e-5)
    assert (part.start, part.end, answer.frames) == (0, 40, 40)
    assert part.page.read_text("utf-8").startswith("<!DOCTYPE html>")
    assert any("kinect_v2" in note for note in answer.notes)
    assert str(tmp_path) not in answer.files["csv"].read_text()
    assert said == sorted(said)
    assert 0 <= said[0] <= said[-1] <= 1
    for segment in part.segments:
        assert 0 <= segment.start < segment.end <= 40

    # No longer than a window: one action at most.
    np.save(tmp_path / "short.npy", clip[:20])
    (part,) = label(tmp_path / "short.npy", out).parts
    assert [(s.start, s.end) for s in part.segments] in ([(0, 20)], [])

    with pytest.raises(UserError, match="elephant"):
        label(tmp_path / "clip.npy", out, layout="elephant")
    np.save(tmp_path / "empty.npy", clip * 0)
    with pytest.raises(UserError):
        label(tmp_path / "empty.npy", out)


def test_a_file_of_several_clips(recognizer, tmp_path, monkeypatch):
    monkeypatch.setattr(labeler, "MOST_CLIPS", 2)
    monkeypatch.setattr(labeler, "write_attention_page", lambda seen, path: path.touch())
    random = np.random.default_rng(0)
    annotations = [
        {
            "frame_dir": name,
            "label": 0,
            "total_frames": 20,
            "keypoint": random.normal(size=(1, 20, 25, 3)).astype(np.float32),
        }
        for name in ("one", "../two", "three")
    ]
    path = tmp_path / "clips.pkl"
    path.write_bytes(pickle.dumps({"split": {}, "annotations": annotations}))
    (tmp_path / "out").mkdir()
    answer = FileLabeler(recognizer, no_pose)(path, tmp_path / "out")
    assert [part.title for part in answer.parts] == ["one", "../two"]
    assert any("first 2" in note for note in answer.notes)
    assert {part.page.parent for part in answer.parts} == {tmp_path / "out"}
    assert len({part.page for part in answer.parts}) == 2
    rows = answer.files["csv"].read_text().splitlines()
    assert [row.split(",")[0] for row in rows[1:]] == ["one", "../two"]


def test_films_go_through_the_whole_chain(recognizer, tmp_path, monkeypatch):
    """What `label_film` found and wrote is what the page gets."""
    out = tmp_path / "out"
    (out / "keypoints").mkdir(parents=True)
    (out / "keypoints" / "a.npz").write_bytes(b"points")
    (out / "keypoints" / "skeleton.toml").write_text("skeleton")
    found = replace(
        prediction(recognizer.classes[0], 0.9), probabilities=np.ones(len(recognizer.classes))
    )
    people = tuple(
        PersonResult(person, 5, 60, 50, found, (Segment(8, 40, found.label, 0.9),), ())
        for person in (1, 0)
    )
    asked = []

    def label_film(source, network, pose, folder, people_, progress):
        asked.append((source, network, pose, folder, people_))
        progress(0.5, "half")
        rows = (make_row(str(source), 1, 8, 40, 20.0, found),)
        return FilmResult(
            str(source), 20.0, 80, (48, 64), people, rows, ("a note",),
            out / "keypoints" / "a.npz", out / "a.html", out / "a.mp4",
        )  # fmt: skip

    monkeypatch.setattr(labeler, "label_film", label_film)
    made = []
    label = FileLabeler(recognizer, lambda: made.append(1) or "pose", people=3)
    for _ in range(2):
        answer = label(tmp_path / "a.mp4", out)
    assert made == [1]  # loaded once, at the first film
    assert asked[0] == (tmp_path / "a.mp4", recognizer, "pose", out, 3)
    assert (answer.frames, answer.notes) == (80, ("a note",))
    first, second = answer.parts
    assert (first.start, first.end, first.fps) == (5, 60, 20.0)
    assert first.page == out / "a.html"
    assert second.page is None
    assert (first.title, second.title) == ("Person 1", "Person 0")
    assert answer.files["overlay"] == out / "a.mp4"
    assert str(tmp_path) not in answer.files["csv"].read_text()
    with zipfile.ZipFile(answer.files["keypoints"]) as archive:
        assert set(archive.namelist()) == {"a.npz", "skeleton.toml"}


def test_a_small_film_is_a_film(tmp_path):
    """The films of these tests can be read."""
    from keras_skeleton.video.film import open_film

    assert len(list(open_film(film(tmp_path / "a.mp4", 10)).frames())) == 10
