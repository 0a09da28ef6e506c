import numpy as np
import pytest

from keras_skeleton.datasets.registry import load_dataset
from keras_skeleton.models.pose_i3d import joints
from keras_skeleton.training.part_inputs import PartInputs, Videos
from keras_skeleton.training.pipeline import evaluation_batches, training_batches
from keras_skeleton.transforms.sample import segment_rows, video_rows
from keras_skeleton.utils.errors import DatasetError, UserError
from keras_skeleton.video.crops import open_crops, prepare_crops
from keras_skeleton.video.reading import read_video, write_video
from keras_skeleton.video.synthetic import write_recordings

SHAPE = {"left_hand": (8, 16, 16, 3), "right_hand": (8, 16, 16, 3), "skeleton": (5, 150)}


def read(dataset):
    return lambda clip: joints(clip, dataset.skeleton, "camera")


@pytest.fixture(scope="module")
def studio(tmp_path_factory):
    """Clips of one subject, two of them with crops."""
    folder = tmp_path_factory.mktemp("studio")
    dataset = load_dataset("synthetic", cache_dir=folder / "cache", subjects=1, repetitions=1)
    write_recordings(folder, 108, 192, 0, [1], [1], [0, 3], [1])
    prepare_crops(folder, folder / "crops", 16, log=lambda text: None)
    crops = open_crops(folder / "crops")
    clips = np.flatnonzero(dataset.samples["name"].isin(crops.frames))
    return dataset, crops, clips


@pytest.mark.slow
@pytest.mark.parametrize("memory", [0, 1 << 30])
def test_a_batch_holds_the_same_frames_of_every_track(studio, memory):
    dataset, crops, clips = studio
    inputs = PartInputs(dataset, SHAPE, read(dataset), Videos(crops, 2, memory))
    for draw in ((0, 0), (0, 3), (1, 0), (8, 4)):
        batch = inputs.batch(clips, draw)
        assert {name: x.shape[1:] for name, x in batch.items()} == SHAPE
        for k, i in enumerate(clips):
            name = dataset.samples["name"].iloc[i]

            def rng(draw=draw, i=i):
                return None if draw == (0, 0) else np.random.default_rng((*draw, i))

            rows = video_rows(crops.frames[name], 8, rng())
            for track in ("left_hand", "right_hand"):
                expected = read_video(crops.video(track, name))[rows] / 127.5 - 1
                np.testing.assert_allclose(batch[track][k], expected, atol=1e-6)
            clip = dataset.clip(i)
            expected = clip[segment_rows(len(clip), 5, rng())].reshape(5, 150)
            np.testing.assert_allclose(batch["skeleton"][k], expected, atol=1e-6)


def test_epochs_and_views_differ_and_repeat(studio):
    dataset, crops, clips = studio
    inputs = PartInputs(dataset, SHAPE, read(dataset), Videos(crops))
    even = PartInputs(dataset, SHAPE, read(dataset), Videos(crops), rule="segments")
    name = dataset.samples["name"].iloc[clips[0]]
    rows = segment_rows(crops.frames[name], 8)
    expected = read_video(crops.video("left_hand", name))[rows] / 127.5 - 1
    np.testing.assert_allclose(even.batch(clips)["left_hand"][0], expected, atol=1e-6)
    with pytest.raises(ValueError, match="'odd'"):
        PartInputs(dataset, SHAPE, read(dataset), Videos(crops), rule="odd")
    draws = [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (2, 0)]
    seen = [inputs.batch(clips, draw)["skeleton"].tobytes() for draw in draws]
    assert len(set(seen)) == len(draws)
    assert seen == [inputs.batch(clips, draw)["skeleton"].tobytes() for draw in draws]


def test_batches_carry_their_draw(studio):
    dataset, crops, clips = studio
    inputs = PartInputs(dataset, SHAPE, read(dataset), Videos(crops))
    for view in (0, 2):
        ((x, y),) = evaluation_batches(inputs, clips, 2, view)
        expected = inputs.batch(clips, (0, view))
        for name, values in expected.items():
            np.testing.assert_array_equal(x[name], values)
        np.testing.assert_array_equal(y, dataset.labels[clips])
    batches, steps = training_batches(inputs, clips, 2, seed=5, first_epoch=3)
    assert steps == 1
    for epoch, (x, y) in zip((3, 4), batches.take(2), strict=True):
        order = clips[np.argsort(dataset.labels[clips])][np.argsort(np.argsort(y))]
        expected = inputs.batch(order, (6, epoch))
        for name, values in expected.items():
            np.testing.assert_array_equal(x[name], values)


def test_features_in_place_of_videos(studio):
    dataset, crops, clips = studio
    views = np.random.default_rng(0).normal(size=(len(dataset), 4, 2, 1, 1, 6)).astype(np.float16)
    shape = {"left_hand": (2, 1, 1, 6), "skeleton": (5, 150)}
    inputs = PartInputs(dataset, shape, read(dataset), Videos(crops), {"left_hand": views})
    for view in (0, 3):
        found = inputs.batch(clips, (0, view))["left_hand"]
        np.testing.assert_array_equal(found, views[clips, view].astype(np.float32))
    drawn = {inputs.batch(clips[:1], (1, epoch))["left_hand"].tobytes() for epoch in range(40)}
    own = {views[clips[0], view].astype(np.float32).tobytes() for view in range(4)}
    assert drawn == own


def test_videos_that_do_not_fit_are_named(studio, tmp_path):
    dataset, crops, clips = studio
    with pytest.raises(UserError, match=r"no crops .*keras-skeleton crops"):
        open_crops(tmp_path)
    name = dataset.samples["name"].iloc[clips[0]]
    path = tmp_path / "left_hand" / f"{name}.avi"
    path.parent.mkdir()
    line = f"{name},{crops.frames[name]},16,0,0,0\n"
    table = tmp_path / "crops.csv"
    table.write_text("name,frames,size,held_left_hand,held_right_hand,held_full_body\n" + line)
    shape = {"left_hand": SHAPE["left_hand"]}
    for frames, memory, why in (
        (np.zeros((20, 32, 32, 3), np.uint8), 1 << 30, "32 x 32, expected 16 x 16"),
        (np.zeros((9, 16, 16, 3), np.uint8), 1 << 30, "9 frames, .*crops.csv"),
        (np.zeros((9, 16, 16, 3), np.uint8), 0, "has 9 frames, but frame"),
    ):
        write_video(path, frames)
        inputs = PartInputs(dataset, shape, read(dataset), Videos(open_crops(tmp_path), 1, memory))
        with pytest.raises((DatasetError, UserError), match=why):
            inputs.batch(clips[:1])
    table.write_text("name,frames,size,held_left_hand,held_right_hand,held_full_body\nx,1\n")
    with pytest.raises(UserError, match="line 2: damaged"):
        open_crops(tmp_path)
