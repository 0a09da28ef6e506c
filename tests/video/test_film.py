import weakref
from fractions import Fraction

import av
import numpy as np
import pytest

from keras_skeleton.video import film as film_module
from keras_skeleton.video.film import open_film
from keras_skeleton.video.reading import VideoError, frames_of

MILLISECOND = Fraction(1, 1000)
NUMBERS = 8  # grey levels between the frames of a film: its frame number can be read from a pixel


def numbered(number, height=48, width=64):
    return np.full((height, width, 3), number * NUMBERS, np.uint8)


def write_film(path, stamps, image=numbered, rate=30, unit=None, codec="ffv1", pixels="bgr0",
               aspect=None, options=None, file_options=None):  # fmt: skip
    """A film whose frames have these time stamps; lossless, unless another codec is given."""
    unit = unit or 1 / Fraction(rate)
    with av.open(str(path), "w", options=file_options or {}) as container:
        stream = container.add_stream(codec, rate=rate, options=options or {})
        stream.height, stream.width = image(0).shape[:2]
        stream.pix_fmt = pixels
        stream.codec_context.time_base = unit
        if aspect:
            stream.codec_context.sample_aspect_ratio = aspect
        for number, stamp in enumerate(stamps):
            frame = av.VideoFrame.from_ndarray(image(number), format="rgb24")
            frame.pts, frame.time_base = stamp, unit
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def mpeg4(path, stamps, **others):
    """A film in a container that ffv1 is not for."""
    return write_film(path, stamps, codec="mpeg4", pixels="yuv420p", **others)


def numbers_of(film):
    return [round(frame.image[0, 0].mean() / NUMBERS) for frame in film.frames()]


def times_of(film):
    return [frame.time_s for frame in film.frames()]


@pytest.mark.parametrize("rate", [10, 24, Fraction(30000, 1001), 30, 45])
@pytest.mark.parametrize("name", ["film.mkv", "film.mov"])
def test_a_constant_rate_gives_the_frames_one_to_one(tmp_path, name, rate):
    write = write_film if name.endswith("mkv") else mpeg4
    film = open_film(write(tmp_path / name, range(31), rate=rate))
    assert film.fps == film.source_fps == pytest.approx(float(rate))
    assert film.size == (48, 64)
    assert film.frames_expected == 31
    assert film.notes == ()
    frames = list(film.frames())
    assert [frame.number for frame in frames] == list(range(31))
    assert [frame.time_s for frame in frames] == [number / film.fps for number in range(31)]
    for frame, stored in zip(frames, frames_of(film.path), strict=True):
        assert frame.image.dtype == np.uint8
        assert frame.image.flags.c_contiguous
        np.testing.assert_array_equal(frame.image, stored)
    assert film.notes == ()


def test_a_long_film_keeps_its_frames_although_matroska_rounds_to_milliseconds(tmp_path):
    film = open_film(write_film(tmp_path / "long.mkv", range(900), image=lambda n: numbered(n % 30),
                                rate=Fraction(24000, 1001)))  # fmt: skip
    assert numbers_of(film) == [n % 30 for n in range(900)]
    assert film.notes == ()


@pytest.mark.parametrize(
    ("rate", "fps", "step"),
    [(45, 45, 1), (46, 23, 2), (50, 25, 2), (60, 30, 2), (90, 30, 3), (120, 30, 4), (240, 30, 8)],
)
def test_of_fast_films_every_nth_frame_is_used(tmp_path, rate, fps, step):
    film = open_film(write_film(tmp_path / "fast.mkv", range(31), rate=rate))
    assert (film.fps, film.source_fps) == (fps, rate)
    assert numbers_of(film) == list(range(0, 31, step))
    assert film.frames_expected == len(range(0, 31, step))
    assert times_of(film) == pytest.approx(np.arange(0, 31, step) / rate)
    assert len(film.notes) == (step > 1)


def test_the_limit_can_be_chosen(tmp_path):
    path = write_film(tmp_path / "fast.mkv", range(31), rate=60)
    assert open_film(path, most_fps=60).fps == 60
    assert open_film(path, most_fps=15).fps == 15
    with pytest.raises(ValueError, match="most_fps=0"):
        open_film(path, most_fps=0)


@pytest.mark.parametrize("suffix", ["mkv", "mov"])
def test_uneven_times_give_the_frame_nearest_to_each_tick(tmp_path, suffix):
    stamps = [0, 20, 50, 120, 200, 290, 300, 405, 500, 600, 780, 800]
    write = write_film if suffix == "mkv" else mpeg4
    film = open_film(write(tmp_path / f"uneven.{suffix}", stamps, unit=MILLISECOND))
    assert film.fps == pytest.approx(11 / 0.8)
    assert len(film.notes) == 1
    ticks = times_of(film)
    assert ticks == pytest.approx(np.arange(12) / film.fps)
    distances = np.abs(np.array(ticks)[:, None] - np.array(stamps) / 1000)
    assert numbers_of(film) == distances.argmin(1).tolist()


def test_a_film_that_becomes_slower_keeps_its_time(tmp_path):
    stamps = [*range(0, 10000, 25), *range(10000, 12000, 50)]  # after what is looked at first
    film = open_film(write_film(tmp_path / "dark.mkv", stamps, image=lambda n: numbered(n % 30),
                                unit=MILLISECOND, rate=40))  # fmt: skip
    assert film.fps == 40
    assert film.notes == ()
    assert len(numbers_of(film)) == 400 + 79
    assert len(film.notes) == 1


def test_dropped_frames_of_a_camera_are_repeated(tmp_path):
    stamps = [n for n in range(31) if n not in (7, 20)]
    film = open_film(write_film(tmp_path / "drops.mkv", stamps))
    assert film.fps == 30
    frames = list(film.frames())
    assert len(frames) == 31
    np.testing.assert_array_equal(frames[7].image, frames[6].image)
    assert frames[7].image is not frames[6].image  # who draws on one does not draw on the other
    assert len(film.notes) == 1


@pytest.mark.parametrize(
    ("matrix", "corner", "turned"),
    [
        ((0, 1, -1, 0), "upper right", True),  # a phone held upright: 90 degrees clockwise
        ((-1, 0, 0, -1), "lower right", False),
        ((0, -1, 1, 0), "lower left", True),
        ((-1, 0, 0, 1), "upper right", False),  # mirrored
        ((0, 1, 1, 0), "upper left", True),
        ((1, 0, 0, 1), "upper left", False),
    ],
)
def test_phones_films_are_upright(tmp_path, matrix, corner, turned):
    def upper_left(number):
        image = np.zeros((48, 64, 3), np.uint8)
        image[:16, :16] = 255
        return image

    path = mpeg4(tmp_path / "phone.mp4", range(5), image=upper_left)
    with_matrix(path, matrix)
    film = open_film(path)
    assert film.size == ((64, 48) if turned else (48, 64))
    for frame in film.frames():
        assert frame.image.shape == (*film.size, 3)
        assert frame.image.flags.c_contiguous
        rows = {"upper": slice(2, 14), "lower": slice(-14, -2)}
        columns = {"left": slice(2, 14), "right": slice(-14, -2)}
        for row, place in rows.items():
            for column, side in columns.items():
                bright = frame.image[place, side].mean() > 128
                assert bright == (f"{row} {column}" == corner)
    assert len(film.notes) == (matrix != (1, 0, 0, 1))


def with_matrix(path, matrix):
    """Sets the display matrix in the header of an MP4's track."""
    content = path.read_bytes()
    a, b, c, d = (int(value) << 16 for value in matrix)
    numbers = np.array([a, b, 0, c, d, 0, 0, 0, 1 << 30], ">i4").tobytes()
    at = content.index(b"tkhd") + 4 + 40
    path.write_bytes(content[:at] + numbers + content[at + len(numbers) :])


def test_pixels_become_square(tmp_path):
    film = open_film(mpeg4(tmp_path / "wide.mp4", range(3), aspect=Fraction(4, 3)))
    assert film.size == (48, 85)
    assert next(film.frames()).image.shape == (48, 85, 3)
    assert len(film.notes) == 1
    path = with_aspect_and_turn(tmp_path)
    film = open_film(path)
    assert film.size == (128, 48)  # the stored width is scaled, then the frame is turned
    assert next(film.frames()).image.shape == (128, 48, 3)
    film = open_film(mpeg4(tmp_path / "odd.mp4", range(3), aspect=Fraction(8, 1)))
    assert film.size == (48, 64)
    assert len(film.notes) == 1


def with_aspect_and_turn(folder):
    path = mpeg4(folder / "both.mp4", range(3), aspect=Fraction(2, 1))
    with_matrix(path, (0, 1, -1, 0))
    return path


def test_large_frames_can_be_scaled_down(tmp_path):
    path = write_film(tmp_path / "film.mkv", range(3))
    film = open_film(path, most_pixels=48 * 64 // 4)
    assert film.size == (24, 32)
    assert next(film.frames()).image.shape == (24, 32, 3)
    assert len(film.notes) == 1
    assert open_film(path, most_pixels=48 * 64).size == (48, 64)
    with pytest.raises(ValueError, match="most_pixels=0"):
        open_film(path, most_pixels=0)


@pytest.mark.parametrize(
    "pixels", ["yuv420p10le", "gray", "gray16le", "yuva420p", "bgra", "yuv444p"]
)
def test_other_kinds_of_pixels_become_rgb(tmp_path, pixels):
    def halves(number):
        image = numbered(number + 5)
        image[:, 32:] = 255
        return image

    film = open_film(write_film(tmp_path / "film.mkv", range(5), image=halves, pixels=pixels))
    frames = list(film.frames())
    assert len(frames) == 5
    for number, frame in enumerate(frames):
        assert frame.image.shape == (48, 64, 3)
        np.testing.assert_allclose(frame.image.astype(int), halves(number), atol=4)


def test_a_gif_is_a_film(tmp_path):
    film = open_film(
        write_film(tmp_path / "film.gif", range(8), rate=10, codec="gif", pixels="rgb8")
    )
    assert (film.fps, film.size) == (10, (48, 64))
    assert len(list(film.frames())) == 8


def test_one_frame_is_a_film(tmp_path):
    film = open_film(write_film(tmp_path / "one.mkv", range(1)))
    assert len(list(film.frames())) == 1


@pytest.mark.parametrize("name", ["Grüße 映画.mkv", "a b  c.mkv", "%03d %s #1?.mkv", "file:x.mkv"])
def test_any_name_of_a_file(tmp_path, name):
    try:
        path = write_film(tmp_path / "film.mkv", range(3)).rename(tmp_path / name)
    except OSError:
        pytest.skip("not a name on this system")
    assert numbers_of(open_film(path)) == [0, 1, 2]
    assert numbers_of(open_film(str(path))) == [0, 1, 2]


def test_titles_need_not_be_utf8(tmp_path):
    path = tmp_path / "title.avi"
    with av.open(str(path), "w") as container:
        container.metadata["title"] = "Titel"
        stream = container.add_stream("mpeg4", rate=30)
        stream.height, stream.width, stream.pix_fmt = 48, 64, "yuv420p"
        container.mux(stream.encode(av.VideoFrame.from_ndarray(numbered(0), format="rgb24")))
        container.mux(stream.encode())
    content = path.read_bytes()
    assert content.count(b"Titel") == 1
    path.write_bytes(content.replace(b"Titel", b"T\xfctel"))
    assert len(list(open_film(path).frames())) == 1
    assert len(list(frames_of(path))) == 1


def test_files_that_are_no_films_say_so(tmp_path):
    def message(path):
        with pytest.raises(VideoError, match=path.name) as found:
            open_film(path)
        return str(found.value)

    assert "no such file" in message(tmp_path / "none.mp4")
    assert "no such file" in message(tmp_path)
    (tmp_path / "empty.mp4").touch()
    assert "empty (0 bytes)" in message(tmp_path / "empty.mp4")
    (tmp_path / "text.mp4").write_text("no film\n" * 100)
    assert "convert it" in message(tmp_path / "text.mp4")
    (tmp_path / "list.m3u8").write_text("#EXTM3U\n#EXTINF:1,\nfilm.ts\n#EXT-X-ENDLIST\n")
    assert "convert it" in message(tmp_path / "list.m3u8")
    with av.open(str(tmp_path / "sound.mp4"), "w") as container:
        stream = container.add_stream("aac", rate=44100)
        sound = av.AudioFrame.from_ndarray(np.zeros((1, 44100), np.float32), "fltp", "mono")
        sound.rate = 44100
        container.mux(stream.encode(sound))
        container.mux(stream.encode())
    assert "contains no video" in message(tmp_path / "sound.mp4")
    with av.open(str(tmp_path / "zero.avi"), "w") as container:
        stream = container.add_stream("mpeg4", rate=30)
        stream.height, stream.width, stream.pix_fmt = 48, 64, "yuv420p"
        container.start_encoding()
    message(tmp_path / "zero.avi")


def noise(number):
    return np.random.default_rng(number).integers(0, 256, (48, 64, 3), np.uint8)


@pytest.mark.parametrize("suffix", ["mkv", "mov", "avi"])
def test_a_download_that_stopped_gives_what_there_is(tmp_path, suffix):
    path = tmp_path / f"whole.{suffix}"
    if suffix == "mov":
        mpeg4(path, range(90), image=noise, file_options={"movflags": "faststart"})
    else:
        write_film(path, range(90), image=noise)
    whole = list(open_film(path).frames())
    assert len(whole) == 90
    cut = tmp_path / f"cut.{suffix}"
    cut.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    film = open_film(cut)
    assert film.notes == ()
    frames = list(film.frames())
    assert 35 < len(frames) < 55
    for frame, same in zip(frames[:-1], whole, strict=False):
        np.testing.assert_array_equal(frame.image, same.image)
    assert len(film.notes) == 1
    assert f"{len(frames) / 30:.1f} s" in film.notes[0]
    list(film.frames())
    assert len(film.notes) == 1  # said once


def test_a_damaged_place_is_skipped_and_noted(tmp_path):
    path = write_film(tmp_path / "film.mkv", range(60), image=noise, options={"slicecrc": "1"})
    content = bytearray(path.read_bytes())
    with av.open(str(path)) as container:
        packets = [packet for packet in container.demux(video=0) if packet.size]
    at = content.index(bytes(packets[30])[:64])
    content[at : at + 1] = b"\xff"
    path.write_bytes(content)
    film = open_film(path)
    frames = list(film.frames())
    assert len(frames) >= 55
    assert np.isclose(frames[-1].time_s, 59 / 30)


def test_the_size_may_change_within_a_film(tmp_path):
    small, large = (
        write_film(
            tmp_path / f"{size}.ts",
            range(20),
            codec="mpeg2video",
            pixels="yuv420p",
            image=lambda n, size=size: numbered(10, size, size),
        )
        for size in (64, 128)
    )
    (tmp_path / "both.ts").write_bytes(small.read_bytes() + large.read_bytes())
    film = open_film(tmp_path / "both.ts")
    shapes = [frame.image.shape for frame in film.frames()]
    assert set(shapes) == {(64, 64, 3)}
    assert len(shapes) >= 38
    assert any("size" in note for note in film.notes)
    assert any("time stamps" in note for note in film.notes)  # they start again


def test_frames_that_are_too_large_are_refused(tmp_path, monkeypatch):
    path = write_film(tmp_path / "film.mkv", range(3))
    film = open_film(path)
    monkeypatch.setattr(film_module, "MAX_PIXELS", 1000)
    with pytest.raises(VideoError, match="too large"):
        list(film.frames())
    with pytest.raises(VideoError, match="too large"):
        open_film(path)


def test_missing_and_jumping_time_stamps_are_counted():
    clock = film_module._Clock(MILLISECOND, 0.1)
    stamps = [None, 5000, None, 5200, 5200, 5400, 999999, 1000099, 10, 110]
    assert [clock(stamp) for stamp in stamps] == pytest.approx(np.arange(10) / 10)
    assert clock.repaired


def test_a_film_can_be_read_twice_and_in_part(tmp_path):
    film = open_film(write_film(tmp_path / "film.mkv", range(10)))
    for frame in film.frames():
        if frame.number == 3:
            break
    assert numbers_of(film) == list(range(10))
    film.path.unlink()
    with pytest.raises(VideoError, match="no such file"):
        next(film.frames())


def test_memory_does_not_grow_with_the_film(tmp_path):
    film = open_film(write_film(tmp_path / "film.mkv", range(0, 600, 2), rate=60,
                                image=lambda n: numbered(n % 30)))  # fmt: skip
    alive, most = set(), 0
    for frame in film.frames():
        alive.add(frame.number)
        weakref.finalize(frame.image, alive.remove, frame.number)
        most = max(most, len(alive))
    assert frame.number > 250
    assert most <= 3


def test_real_films(real_data):
    # Each has one packet without a picture, thus one frame less than its header says.
    for name, frames in (
        ("RATRACE_wave_f_nm_np1_fr_goo_37", 72),
        ("SchoolRulesHowTheyHelpUs_wave_f_nm_np1_ba_med_0", 74),
        ("hmdb51_Turnk_r_Pippi_Michel_cartwheel_f_cm_np2_le_med_6", 83),
    ):
        film = open_film(real_data("films") / f"{name}.avi")
        assert film.fps == 30
        assert film.frames_expected == frames + 1
        found = list(film.frames())
        assert len(found) == frames
        for frame, stored in zip(found, frames_of(film.path), strict=True):
            np.testing.assert_array_equal(frame.image, stored)
        assert film.notes == ()
