import sys
from pathlib import Path
from threading import Event, Thread
from types import SimpleNamespace

import av
import numpy as np
import pytest

from keras_skeleton.video import camera as camera_module
from keras_skeleton.video.camera import Camera, address_of, list_cameras, open_camera
from keras_skeleton.video.reading import VideoError

LONG = 60  # seconds: no test waits for it unless it fails


def image(number):
    return np.full((4, 6, 3), number, np.uint8)


def picture(number):
    return number / 30, image(number)


def camera_of(source):
    return Camera(source, size=(4, 6), fps=30)


def test_who_keeps_up_gets_every_picture_in_order():
    taken = [Event() for _ in range(5)]

    def source():
        for number in range(5):
            yield picture(number)
            assert taken[number].wait(LONG)

    with camera_of(source()) as camera:
        assert (camera.size, camera.fps) == ((4, 6), 30)
        for number, frame in enumerate(camera.frames()):
            assert (frame.number, frame.time_s) == (number, number / 30)
            np.testing.assert_array_equal(frame.image, image(number))
            taken[number].set()
        assert number == 4
        assert camera.skipped == 0


def test_who_is_slow_gets_the_newest_picture():
    taken, stored, go_on = Event(), Event(), Event()
    converted = []

    def source():
        yield picture(0)
        assert taken.wait(LONG)
        for number in range(1, 10):
            yield picture(number)
        stored.set()
        assert go_on.wait(LONG)
        yield picture(10)

    def to_image(array):
        converted.append(int(array[0, 0, 0]))
        return array

    with Camera(source(), size=(4, 6), fps=30, to_image=to_image) as camera:
        frames = camera.frames()
        assert next(frames).time_s == 0
        taken.set()
        assert stored.wait(LONG)
        frame = next(frames)
        assert (frame.number, frame.time_s) == (1, 9 / 30)
        assert frame.image[0, 0, 0] == 9
        assert camera.skipped == 8
        go_on.set()
        frame = next(frames)
        assert (frame.number, frame.time_s) == (2, 10 / 30)
        assert next(frames, None) is None
        assert converted == [0, 9, 10]


def test_the_end_of_the_camera_ends_the_loop():
    with camera_of([]) as camera:
        assert list(camera.frames()) == []
        assert list(camera.frames()) == []


def test_errors_of_the_thread_arrive_after_the_last_picture():
    def source():
        yield picture(0)
        raise OSError(19, "No such device")

    with camera_of(source()) as camera:
        frames = camera.frames()
        assert next(frames).number == 0
        with pytest.raises(VideoError, match="camera failed: No such device"):
            next(frames)
        with pytest.raises(VideoError, match="No such device"):
            list(camera.frames())


def test_closing_stops_the_thread_and_frees_the_camera():
    freed = Event()

    def source():
        try:
            while True:
                yield picture(0)
        finally:
            freed.set()

    camera = camera_of(source())
    numbers = []
    for frame in camera.frames():
        numbers.append(frame.number)
        camera.close()
    assert numbers == [0]
    assert freed.wait(LONG)
    assert not camera._thread.is_alive()
    camera.close()
    with pytest.raises(VideoError, match="closed"):
        list(camera.frames())


def test_closing_wakes_who_waits():
    asked, release = Event(), Event()

    def source():
        asked.set()
        assert release.wait(LONG)
        yield picture(0)

    camera = camera_of(source())

    def close():
        assert asked.wait(LONG)
        camera.close()

    closer = Thread(target=close)
    closer.start()
    assert list(camera.frames()) == []
    release.set()
    closer.join(LONG)
    camera._thread.join(LONG)
    assert not camera._thread.is_alive()


def test_a_camera_that_nobody_read_is_freed():
    freed = Event()

    def source():
        try:
            while True:
                yield picture(0)
        finally:
            freed.set()

    pictures = source()
    next(pictures)  # as open_camera does
    with camera_of(pictures):
        pass
    assert freed.is_set()


def test_names_of_cameras(tmp_path, monkeypatch):
    device = tmp_path / "video2"
    device.touch()
    assert address_of(str(device), "linux") == (str(device), "v4l2")
    assert address_of("0", "darwin") == ("0:none", "avfoundation")
    assert address_of("FaceTime", "darwin") == ("FaceTime:none", "avfoundation")
    found = {"@device_a": "Webcam", "@device_b": "Other"}
    monkeypatch.setattr(camera_module, "list_cameras", lambda platform: found)
    assert address_of("1", "win32") == ("video=@device_b", "dshow")
    assert address_of("Webcam", "win32") == ("video=Webcam", "dshow")
    assert address_of("video=Webcam", "win32") == ("video=Webcam", "dshow")
    with pytest.raises(VideoError, match="'2'.*@device_a.*Webcam.*@device_b.*'0'"):
        address_of("2", "win32")
    with pytest.raises(VideoError, match="nowhere.*no such camera"):
        address_of("nowhere", "linux")
    monkeypatch.setattr(camera_module, "list_cameras", lambda platform: {})
    with pytest.raises(VideoError, match="None was found"):
        address_of("99", "linux")
    with pytest.raises(VideoError, match="plan9"):
        address_of("0", "plan9")


def test_cameras_are_listed(monkeypatch):
    assert all(Path(name).exists() for name in list_cameras("linux"))
    devices = [
        SimpleNamespace(name="0", description="FaceTime", media_types=["video"]),
        SimpleNamespace(name="1", description="Microphone", media_types=["audio"]),
    ]
    module = SimpleNamespace(enumerate_input_devices=lambda kind: devices)
    monkeypatch.setitem(sys.modules, "av.device", module)
    assert list_cameras("darwin") == {"0": "FaceTime"}
    monkeypatch.setitem(sys.modules, "av.device", None)  # PyAV has none
    assert list_cameras("darwin") == {}


@pytest.fixture
def virtual_camera(monkeypatch):
    """A camera that every build of ffmpeg with virtual devices has."""
    address = "testsrc=size=64x48:rate=25:duration=1"
    try:
        av.open(address, format="lavfi").close()
    except ValueError:
        pytest.skip("this ffmpeg has no virtual devices")
    monkeypatch.setattr(camera_module, "address_of", lambda name: (address, "lavfi"))


@pytest.mark.usefixtures("virtual_camera")
def test_a_camera_is_opened_read_and_closed():
    with open_camera("0") as camera:
        assert (camera.size, camera.fps) == ((48, 64), 25)
        frames = list(camera.frames())
    assert 1 <= len(frames) == 24 - camera.skipped
    times = [frame.time_s for frame in frames]
    assert times == sorted(times)
    assert [frame.number for frame in frames] == list(range(len(frames)))
    for frame in frames:
        assert (frame.image.shape, frame.image.dtype) == ((48, 64, 3), np.uint8)
        assert frame.image.flags.c_contiguous


@pytest.mark.usefixtures("virtual_camera")
def test_a_camera_that_is_not_ready_is_asked_again(monkeypatch):
    monkeypatch.setattr(camera_module, "PAUSE", 0)
    refusals = iter([True, True, False, True])

    class Slow:
        """A container that has nothing to give at first, as those of Macs."""

        def __init__(self, container):
            self.container, self.streams = container, container.streams

        def demux(self, stream):
            for packet in self.container.demux(stream):
                yield packet
                if next(refusals, False):
                    raise BlockingIOError(35, "Resource temporarily unavailable")

        def __enter__(self):
            return self

        def __exit__(self, *_):
            self.container.close()

    real = av.open
    monkeypatch.setattr(camera_module.av, "open", lambda *a, **k: Slow(real(*a, **k)))
    with open_camera("0") as camera:
        assert sum(1 for _ in camera.frames()) == 24 - camera.skipped
    assert next(refusals, None) is None


def test_cameras_that_cannot_be_opened_say_why(monkeypatch, tmp_path):
    monkeypatch.setattr(camera_module, "address_of", lambda name: ("x", "v4l2"))

    def message(error):
        def refuse(*args, **options):
            raise error

        monkeypatch.setattr(camera_module.av, "open", refuse)
        with pytest.raises(VideoError, match="camera '0'") as found:
            open_camera("0")
        return str(found.value)

    assert "group 'video'" in message(PermissionError(13, "Permission denied"))
    assert "Close the program" in message(OSError(16, "Device or resource busy"))
    assert "no container format" in message(ValueError("no container format 'v4l2'"))
