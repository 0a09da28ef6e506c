import numpy as np
import pytest

from keras_skeleton.video.reading import VideoError, coarse, frames_of, read_video, write_video


def moving_square(T=9, height=48, width=64):
    frames = np.full((T, height, width, 3), 90, np.uint8)
    for t in range(T):
        frames[t, 10:30, 4 * t : 4 * t + 20] = (220, 30, 60)
    return frames


@pytest.fixture
def video(tmp_path):
    write_video(tmp_path / "square.avi", moving_square())
    return tmp_path / "square.avi"


def test_what_was_written_is_read(video):
    frames = read_video(video)
    assert frames.shape == (9, 48, 64, 3)
    assert frames.dtype == np.uint8
    assert np.abs(frames.astype(int) - moving_square()).mean() < 6
    assert frames[8, 20, 40, 0] > 180 > 120 > frames[8, 20, 10, 0]  # red, and not blue, first


def test_rows_in_any_order_also_twice(video):
    whole = read_video(video)
    np.testing.assert_array_equal(read_video(video, [5, 0, 5]), whole[[5, 0, 5]])


def test_videos_that_cannot_be_read_say_why(video, tmp_path):
    with pytest.raises(VideoError, match="none.avi: no such file"):
        read_video(tmp_path / "none.avi")
    (tmp_path / "text.avi").write_text("not a video at all")
    with pytest.raises(VideoError, match="text.avi: decoding failed at the first frame"):
        read_video(tmp_path / "text.avi")
    with pytest.raises(VideoError, match="9 frames.*frame 12"):
        read_video(video, [3, 12])
    with pytest.raises(ValueError, match="at least one frame"):
        read_video(video, [])
    with pytest.raises(ValueError, match="no frames to write"):
        write_video(tmp_path / "empty.avi", [])
    (tmp_path / "cut.avi").write_bytes(video.read_bytes()[:2000])
    with pytest.raises(VideoError, match="cut.avi"):
        read_video(tmp_path / "cut.avi", range(9))


def test_real_recordings_have_a_frame_for_every_skeleton(real_data):
    folder = real_data("ntu") / "nturgb+d_rgb"
    for name, frames in (("S001C001P001R001A001", 103), ("S001C001P001R001A002", 158)):
        count = 0
        for frame in frames_of(folder / f"{name}_rgb.avi"):
            assert frame.shape == (1080, 1920, 3)
            count += 1
        assert count == frames


def test_coarse_frames_are_blocks_with_the_means_of_what_was_there():
    frames = np.random.default_rng(0).integers(0, 256, (2, 48, 96, 3), np.uint8)
    blocks = coarse(frames, 6)
    assert blocks.shape == frames.shape
    means = frames.reshape(2, 6, 8, 12, 8, 3).mean(axis=(2, 4))
    expected = np.repeat(np.repeat(means, 8, axis=1), 8, axis=2)
    np.testing.assert_allclose(blocks, expected, atol=1.01)  # rounded twice
