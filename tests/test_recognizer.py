"""A trained network answers for raw clips as it was scored."""

import json

import numpy as np
import pytest

from keras_skeleton.models.preprocessing import ClipInputError, Preprocessing
from keras_skeleton.models.registry import MODELS, build_model
from keras_skeleton.recognizer import Recognizer, RecognizerError
from keras_skeleton.skeletons import SkeletonMapError, get_skeleton
from keras_skeleton.utils.errors import UnknownNameError, UserError
from keras_skeleton.zoo.entries import ZOO, read_zoo
from keras_skeleton.zoo.recognizers import load_recognizer

CLASSES = ("wave", "sit", "kick")
needs_zoo = pytest.mark.skipif(not read_zoo(), reason="no trained weights here")


def make(model="sta_lstm", skeleton="kinect_v1", bodies=1, **arguments):
    layout = get_skeleton(skeleton)
    entry = MODELS[model]
    own = {**arguments, **entry.dataset_arguments(bodies)}
    choices = {"coordinates": "actor"} if model == "sta_lstm" else {}
    return Recognizer(
        build_model(model, layout, len(CLASSES), **own),
        CLASSES,
        Preprocessing(model, layout, bodies, choices=choices),
        own,
        name="test",
    )


def person(T=20, V=20, seed=0, moves=0.1):
    rng = np.random.default_rng(seed)
    pose = rng.normal(0, 0.3, (V, 3)) + [0, 0, 3]
    return pose + np.linspace(0, moves, T)[:, None, None] * rng.normal(size=3)


@pytest.mark.slow
def test_predict_ranks_the_classes():
    recognizer = make()
    clip = person()
    found = recognizer.predict(clip)
    assert found.label == found.ranking[0][0]
    assert found.probability == pytest.approx(found.probabilities.max())
    assert found.probabilities.sum() == pytest.approx(1)
    assert [label for label, _ in found.ranking] == [
        CLASSES[k] for k in np.argsort(-found.probabilities)
    ]
    batch = recognizer.preprocess(clip)
    logits = np.asarray(recognizer.model.predict_on_batch(batch))[0]
    np.testing.assert_allclose(found.logits, logits, rtol=1e-4, atol=1e-5)


@pytest.mark.slow
def test_a_list_gives_what_each_clip_gives_alone():
    recognizer = make()
    clips = [person(T, seed=T) for T in (9, 33, 20)]
    together = recognizer.predict(clips)
    for clip, found in zip(clips, together, strict=True):
        alone = recognizer.predict(clip[:, None])  # (T, 1, V, 3)
        np.testing.assert_allclose(found.logits, alone.logits, rtol=1e-4, atol=1e-5)


def test_people_are_filled_or_the_most_active_are_taken():
    recognizer = make(bodies=2)
    still, waves, walks = (person(seed=s, moves=m) for s, m in ((1, 0.0), (2, 1.0), (3, 2.0)))
    alone = recognizer.predict(waves)
    assert not alone.notes
    crowd = recognizer.predict(np.stack([still, waves, walks], axis=1))
    both = recognizer.predict(np.stack([waves, walks], axis=1))
    np.testing.assert_allclose(crowd.logits, both.logits, rtol=1e-5)
    assert "(1, 2)" in crowd.notes[0]


def test_joints_of_another_layout_are_mapped_or_refused():
    recognizer = make()
    v2, v1 = get_skeleton("kinect_v2"), get_skeleton("kinect_v1")
    clip = person(V=25)
    found = recognizer.predict(clip, skeleton=v2)
    names = {
        "hip_center": "spine_base",
        "spine": "spine_mid",
        "shoulder_center": "spine_shoulder",
    }
    order = [v2.index(names.get(joint, joint)) for joint in v1.joints]
    same = recognizer.predict(clip[:, order])
    np.testing.assert_allclose(found.logits, same.logits, rtol=1e-5)
    assert any("kinect_v2" in note for note in found.notes)
    with pytest.raises(SkeletonMapError, match="left_wrist"):
        recognizer.predict(person(V=15), skeleton="sbu")


@pytest.mark.parametrize(
    ("clip", "named"),
    [
        (np.zeros((5, 20, 3)), "zero"),
        (np.full((5, 20, 3), np.nan), "NaN"),
        (np.ones((5, 25, 3)), r"\(5, 25, 3\)"),
        (np.ones((20, 3)), r"\(20, 3\)"),
        ("clip.npy", "clip.npy: .*read_clips"),
        (np.ones((0, 20, 3)), r"\(0, 20, 3\)"),
    ],
)
def test_what_cannot_be_read_is_refused(clip, named):
    with pytest.raises(ClipInputError, match=named):
        make().predict(clip)


@pytest.mark.slow
@pytest.mark.parametrize("model", ["mans9", "sta_lstm", "csta_cnn"])
def test_attention_is_at_the_clips_own_frames(model):
    recognizer = make(model)
    maps = recognizer.attention(person(T=37))
    assert maps
    for name, values in maps.items():
        assert len(values) == 37
        assert np.isfinite(values).all(), name


@pytest.mark.slow
def test_saved_and_loaded_it_says_the_same(tmp_path):
    recognizer = make("csta_cnn", "sbu", bodies=2)
    clip = np.stack([person(V=15, seed=1), person(V=15, seed=2)], axis=1)
    folder = recognizer.save(tmp_path / "saved")
    assert sorted(p.name for p in folder.iterdir()) == ["model.weights.h5", "recognizer.json"]
    again = load_recognizer(folder)
    assert (again.classes, again.skeleton) == (recognizer.classes, recognizer.skeleton)
    np.testing.assert_allclose(
        again.predict(clip).logits, recognizer.predict(clip).logits, rtol=1e-5
    )
    with pytest.raises(RecognizerError, match="saved"):
        recognizer.save(folder)
    (folder / "recognizer.json").write_text(json.dumps({"classes": []}))
    with pytest.raises(RecognizerError, match=r"recognizer\.json"):
        load_recognizer(folder)


def test_what_is_no_recognizer_is_named(tmp_path):
    with pytest.raises(UserError, match=tmp_path.name):
        load_recognizer(tmp_path)
    video = Recognizer(None, CLASSES, Preprocessing("pose_i3d", get_skeleton("kinect_v2"), 2))
    with pytest.raises(RecognizerError, match="pose_i3d"):
        video.predict(person(V=25))


@needs_zoo
def test_a_misspelt_name_is_named_with_the_nearest():
    with pytest.raises(UnknownNameError, match="'sta_lstm_ut_kinect_cs'"):
        load_recognizer("sta_lstm_ut_kinect", folder=ZOO)


@pytest.mark.slow
@needs_zoo
@pytest.mark.parametrize("name", ["mans9_synthetic_cs", "sta_lstm_synthetic_cs_tuned"])
def test_it_gets_the_recorded_accuracy_on_bare_clips(name, tmp_path):
    """As arrays, without dataset, protocol or labels."""
    from keras_skeleton.datasets.registry import load_dataset

    entry = next(entry for entry in read_zoo() if entry.name == name)
    dataset = load_dataset("synthetic", cache_dir=tmp_path, **entry.options)
    test = next(dataset.folds(entry.protocol)).test
    found = load_recognizer(name).predict([dataset.clip(i) for i in test])
    labels = [dataset.classes[k] for k in dataset.labels[test]]
    right = np.mean([a.label == b for a, b in zip(found, labels, strict=True)])
    assert right == pytest.approx(entry.figures["accuracy"], abs=1e-9)
