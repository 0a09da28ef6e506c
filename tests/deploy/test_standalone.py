"""An exported network and its `predict.py` answer as the recognizer does, without this package."""

import json
import os
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import keras
import numpy as np
import pytest
from packaging.requirements import Requirement

from keras_skeleton.deploy.bundle import run_bundle
from keras_skeleton.deploy.export import SUFFIXES, ExportError
from keras_skeleton.deploy.standalone import (
    StandaloneError,
    describe,
    predict_source,
    write_standalone,
)
from keras_skeleton.models.preprocessing import ClipInputError, Preprocessing
from keras_skeleton.models.registry import MODELS, build_model
from keras_skeleton.recognizer import Recognizer
from keras_skeleton.skeletons import get_skeleton
from keras_skeleton.transforms.coordinates import COORDINATES
from keras_skeleton.transforms.image import COORDINATES as IMAGES
from keras_skeleton.utils.errors import UserError

CLASSES = ["wave", "sit", "kick"]
V1 = get_skeleton("kinect_v1")
NAMES = [name for name, entry in MODELS.items() if not entry.video]


def people(T, M, V=20, seed=0):
    """Standing people who move, (T, M, V, 3); body 0 is absent in the first frames."""
    rng = np.random.default_rng(seed)
    poses = rng.normal(0, 0.3, (M, V, 3)) + rng.normal(0, 1, (M, 1, 3)) + [0, 0, 3]
    clip = poses + np.cumsum(rng.normal(0, 0.02, (T, M, V, 3)), axis=0)
    clip[: T // 4, 0] = 0
    return clip


# ---------------------------------------------------------------- the copied preprocessing


def check_copy(preprocessing, monkeypatch, lengths=(2, 5, 70)):
    about = json.loads(json.dumps(describe(preprocessing)))
    source = predict_source(preprocessing)
    clips = [people(T, M, seed=T) for T in lengths for M in (1, 2, 3)]
    wanted = [preprocessing.adapt(clip) for clip in clips]
    wanted = [(preprocessing(clip)[None], notes) for clip, notes in wanted]
    with monkeypatch.context() as blocked:
        for name in [n for n in sys.modules if n.partition(".")[0] == "keras_skeleton"]:
            blocked.setitem(sys.modules, name, None)
        script = run_bundle(source)
        found = [script.network_input(clip, about) for clip in clips]
    for (ours, notes), (theirs, told) in zip(wanted, found, strict=True):
        np.testing.assert_array_equal(theirs, ours, strict=True)
        assert told == notes
    assert len({x.tobytes() for x, _ in found}) == len(clips)  # clips count
    return about, script


@pytest.mark.slow
@pytest.mark.parametrize("bodies", [1, 2])
@pytest.mark.parametrize("name", NAMES)
def test_every_model_prepares_clips_alone_as_in_the_package(name, bodies, monkeypatch):
    check_copy(Preprocessing(name, V1, bodies), monkeypatch)


@pytest.mark.parametrize(
    ("name", "frames", "choices"),
    [
        ("mans9", 40, {"time": "interpolate"}),
        ("mans9", None, {"joints": "interpolate"}),
        *(("stcm9", None, {"coordinates": name}) for name in IMAGES),
        ("lstm", 24, {"unit": 0.1, "tilt": 12.5}),
        ("lstm", 90, {"smooth": True}),
        *(("sta_lstm", 64, {"coordinates": name}) for name in COORDINATES),
        ("csta_cnn", 500, {"coordinates": "actor", "actor": 0}),
    ],
)
def test_choices_are_numbers_of_the_description(name, frames, choices, monkeypatch):
    about, _ = check_copy(Preprocessing(name, V1, 2, frames, choices), monkeypatch)
    assert about["preprocessing"].items() >= choices.items()
    assert about["frames"] == (frames or 50)


@pytest.mark.parametrize("unit", ["m", ""])
@pytest.mark.parametrize("factor", [1, 3, 10, 100, 1000])
def test_another_unit_is_noted_as_in_the_package(unit, factor):
    preprocessing = Preprocessing("lstm", V1, 1, unit=unit)
    about = json.loads(json.dumps(describe(preprocessing)))
    script = run_bundle(predict_source(preprocessing))
    clip = factor * people(20, 1)
    _, notes = script.network_input(clip, about)
    assert notes == preprocessing.size_notes(clip, V1, file=False)
    assert bool(notes) == (unit == "m" and factor > 1)
    layout, choices = get_skeleton("mediapipe_hand21"), {"coordinates": "camera"}
    hand = Preprocessing("lstm", layout, 1, choices=choices, unit=unit)
    about = json.loads(json.dumps(describe(hand)))
    assert script.network_input(factor * people(20, 1, V=21), about)[1] == []  # of no size


def test_the_description_has_every_number():
    about = describe(Preprocessing("sta_lstm", V1, 2, 90, {"coordinates": "pair"}, unit="mm"))
    assert about["preprocessing"] == {
        "coordinates": "pair", "smooth": False, "unit": 1.0, "tilt": 0.0, "actor": None,
    }  # fmt: skip
    assert about["frames_argument"] == "frames"
    assert (about["bodies"], about["frames"], about["unit"]) == (2, 90, "mm")
    assert about["skeleton"] == "kinect_v1"
    assert about["joints"] == list(V1.joints)
    assert about["bones"] == [list(bone) for bone in V1.bones]
    assert about["joint_roles"]["hips"] == list(V1.hips)
    image = describe(Preprocessing("mans_resnet18", V1, 1))
    assert image["preprocessing"]["size"] == image["frames"] == 224
    assert image["frames_argument"] is None


def test_a_model_in_a_users_file(tmp_path, monkeypatch):
    path = tmp_path / "mine.py"
    path.write_text(
        "import numpy as np\n"
        "from functools import partial\n"
        "from keras_skeleton.models.entry import ModelEntry\n"
        "from keras_skeleton.transforms.time import resize\n"
        "SCALE = 3\n"
        "def build(skeleton, classes, frames=None, bodies=1):\n    ...\n"
        "def shrink(clip, length, skeleton, power=2):\n"
        "    return resize(clip[:, 0, :skeleton.size // power] * SCALE, length)\n"
        "def preprocess(skeleton, frames=None, **choices):\n"
        "    return partial(shrink, length=frames or 9, skeleton=skeleton, **choices)\n"
        "ENTRY = ModelEntry(build, preprocess, None, paper='none')\n"
        "def closed(skeleton, frames=None):\n"
        "    return lambda clip: clip[:frames]\n"
        "CLOSED = ModelEntry(build, closed, None, paper='none')\n"
    )
    check_copy(Preprocessing(f"{path}:build", V1, 2), monkeypatch)
    about, _ = check_copy(Preprocessing(f"{path}:ENTRY", V1, 1), monkeypatch)
    assert about["preprocessing"] == {"length": 9, "power": 2}
    assert about["preprocessing_function"] == "mine.shrink"
    with pytest.raises(StandaloneError, match="CLOSED"):
        predict_source(Preprocessing(f"{path}:CLOSED", V1, 1))


NEEDS_SCIPY = """
from functools import partial
from keras_skeleton.models.registry import MODELS
def smoothed(clip, skeleton, frames):
    from scipy.ndimage import gaussian_filter1d
    return gaussian_filter1d(clip, 1.0, axis=0)[:frames]
def preprocess(skeleton, frames=None):
    return partial(smoothed, skeleton=skeleton, frames=frames or 30)
ENTRY = MODELS["lstm"]._replace(preprocess=preprocess)
"""


@pytest.fixture
def needs_scipy(tmp_path):
    """Name of a user's model whose preprocessing imports SciPy."""
    path = tmp_path / "needs_scipy.py"
    path.write_text(NEEDS_SCIPY)
    return f"{path}:ENTRY"


def test_what_cannot_run_alone_is_refused(needs_scipy):
    with pytest.raises(StandaloneError, match="video"):
        predict_source(Preprocessing("pose_i3d", V1, 1))
    with pytest.raises(StandaloneError, match=r"smoothed.*scipy"):
        predict_source(Preprocessing(needs_scipy, V1, 1))


# ---------------------------------------------------------------- exports

SMALL = {"lstm": {"units": 6, "main_layers": 1}}


def make(name="lstm", bodies=2):
    keras.utils.set_random_seed(0)
    arguments = {**SMALL.get(name, {}), **MODELS[name].dataset_arguments(bodies)}
    model = build_model(name, V1, len(CLASSES), **arguments)
    for v in model.weights:  # no bias is 0
        if v.path.endswith(("bias", "beta", "moving_mean")):
            v.assign(v + keras.random.normal(v.shape, stddev=0.1))
    return Recognizer(model, CLASSES, Preprocessing(name, V1, bodies), arguments)


def write(recognizer, path, format, **more):
    own = recognizer.preprocessing
    return write_standalone(recognizer.model, own, recognizer.classes, path, format, **more)


def closure(*names):
    """Distributions that these need."""
    found, todo = {}, [*names]
    while todo:
        name = todo.pop()
        try:
            found[name] = distribution(name)
        except PackageNotFoundError:
            continue
        for line in found[name].requires or ():
            needed = Requirement(line)
            if needed.name not in found and (
                needed.marker is None or needed.marker.evaluate({"extra": ""})
            ):
                todo.append(needed.name)
    return found.values()


def links(folder, *names):
    """A folder that holds links to the files of these distributions only."""
    folder.mkdir()
    for found in closure(*names):
        for part in {file.parts[0] for file in found.files or () if file.parts[0] != ".."}:
            target = Path(found.locate_file(part))
            if target.exists() and not (folder / part).exists():
                (folder / part).symlink_to(target)
    return folder


def python(words, packages, folder):
    """Runs Python without site-packages; prints what went wrong."""
    env = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "KERAS", "COV"))}
    env |= {"PYTHONPATH": str(packages), "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": ""}
    return subprocess.run(
        [sys.executable, "-S", *map(str, words)],
        env=env, cwd=folder, capture_output=True, text=True, check=False,
    )  # fmt: skip


ASKED = """
import json, sys
for name in {absent}:
    try:
        __import__(name)
    except ImportError:
        continue
    raise AssertionError(name + " is there")
import numpy as np
import predict
found = [predict.predict(np.load(path)) for path in sys.argv[1:]]
print(json.dumps([[p.label, p.probability, p.ranking, p.probabilities.tolist()] for p in found]))
"""


def check_script(name, format, runtime, tmp_path, absent):
    """Both uses of `predict.py`, as a script and as a module, against the recognizer."""
    recognizer, temperature = make(name), 1.7
    path = tmp_path / "export" / f"network{SUFFIXES[format]}"
    files = write(recognizer, path, format, temperature=temperature)
    assert (files.why, files.agreement) == ("", None)
    assert files.script == tmp_path / "export" / "predict.py"
    clips = [people(40, 2), people(9, 1)[:, 0], people(70, 3, seed=1)]
    for i, clip in enumerate(clips):
        np.save(tmp_path / f"{i}.npy", clip)
    paths = [tmp_path / f"{i}.npy" for i in range(len(clips))]
    wanted = recognizer.predict(clips)
    packages = links(tmp_path / "packages", "numpy", runtime)

    code = ASKED.format(absent=["keras_skeleton", *absent])
    done = python(["-c", code, *paths], packages, files.script.parent)
    assert done.returncode == 0, done.stderr
    asked = json.loads(done.stdout.splitlines()[-1])
    done = python([files.script, *paths, "--top", 2], packages, tmp_path)
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    for ours, theirs, line in zip(wanted, asked, lines, strict=True):
        scores = np.exp(ours.logits.astype(np.float64) / temperature)
        probabilities = scores / scores.sum()
        label, probability, ranking, found = theirs
        np.testing.assert_allclose(found, probabilities, atol=1e-5)
        assert label == line["label"] == ours.label == ranking[0][0]
        assert probability == line["probability"] == max(found)
        assert len(line["ranking"]) == 2
        assert line["notes"] == list(ours.notes)
    assert lines[2]["notes"]
    assert np.ptp([found[3] for found in asked], axis=0).max() > 1e-3  # clips count
    return packages, files


def test_onnx_alone(tmp_path):
    for package in ("tf2onnx", "onnx", "onnxruntime"):
        pytest.importorskip(package)
    absent = ["keras", "tensorflow", "scipy"]
    packages, files = check_script("lstm", "onnx", "onnxruntime", tmp_path, absent)
    bad = people(9, 1)
    bad[3, 0, 2] = np.nan
    np.save(tmp_path / "bad.npy", bad)
    np.save(tmp_path / "shape.npy", people(9, 1, V=25))
    np.save(tmp_path / "empty.npy", np.zeros((9, 1, 20, 3)))
    (tmp_path / "text.npy").write_text("no array")
    for name, message in [
        ("bad", "NaN"), ("shape", "(9, 1, 25, 3)"), ("empty", "no body"), ("text", ""),
    ]:  # fmt: skip
        done = python([files.script, tmp_path / f"{name}.npy"], packages, tmp_path)
        assert done.returncode == 1
        assert done.stderr.startswith("error: ")
        assert f"{name}.npy" in done.stderr
        assert message in done.stderr
    packages = links(tmp_path / "fewer", "numpy")
    done = python([files.script, tmp_path / "0.npy"], packages, tmp_path)
    assert (done.returncode, "pip install onnxruntime" in done.stderr) == (1, True)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["csta_cnn", "mans9"])
def test_other_models_as_onnx_alone(name, tmp_path):
    for package in ("tf2onnx", "onnx", "onnxruntime"):
        pytest.importorskip(package)
    check_script(name, "onnx", "onnxruntime", tmp_path, ["keras", "tensorflow"])


@pytest.mark.slow
@pytest.mark.parametrize("format", ["litert", "saved_model"])
def test_formats_of_tensorflow_alone(format, tmp_path):
    check_script("lstm", format, "tensorflow", tmp_path, [])


def test_one_folder_for_several_formats_but_one_preprocessing(tmp_path):
    recognizer = make()
    batch = np.stack([recognizer.preprocess(people(20, 2, seed=s))[0] for s in range(2)])
    files = write(
        recognizer, tmp_path / "a", "saved_model", batches=[batch], about={"model": "lstm"}
    )
    about = json.loads(files.about.read_text())
    assert files.agreement.clips == about["clips_compared"] == about["same_class"] == 2
    assert about["largest_difference"] < 1e-5
    assert about["inputs"] == {"skeleton": [None, None, 40, 3]}
    assert (about["outputs"], about["temperature"], about["format"]) == ("logits", 1, "saved_model")
    assert (about["classes"], about["model"]) == (CLASSES, "lstm")
    with pytest.raises(ExportError, match="already exists"):
        write(recognizer, tmp_path / "a", "saved_model")

    script = run_bundle(files.script.read_text(), files.script)
    clip = people(30, 2)
    found, wanted = script.predict(clip, top=1), recognizer.predict(clip)
    assert found.ranking == ((found.label, found.probability),)
    np.testing.assert_allclose(found.probabilities, wanted.probabilities, atol=1e-6)
    np.testing.assert_allclose(found.logits, wanted.logits, atol=1e-5)

    second = write(recognizer, tmp_path / "b", "saved_model")
    assert second.script == files.script
    with pytest.raises(script.PredictError, match=r"--model.*a, b"):
        script.predict(clip)
    named = script.predict(clip, model=tmp_path / "b")
    np.testing.assert_array_equal(named.logits, found.logits)

    with pytest.raises(ExportError, match=r"predict\.py"):
        write(make("two_stream_cnn"), tmp_path / "c", "saved_model")
    assert not (tmp_path / "c").exists()
    other = {**about, "preprocessing_function": "another"}
    second.about.write_text(json.dumps(other))
    script = run_bundle(files.script.read_text(), files.script)
    with pytest.raises(script.PredictError, match="another"):
        script.predict(clip, model=tmp_path / "b")


def test_without_a_script_the_rest_is_written(tmp_path, needs_scipy):
    recognizer = make()
    preprocessing = Preprocessing(needs_scipy, V1, 2)
    files = write_standalone(recognizer.model, preprocessing, CLASSES, tmp_path / "a" / "network")
    assert files.script is None
    assert "scipy" in files.why
    assert sorted(path.name for path in files.network.parent.iterdir()) == [
        "network", "network.json",
    ]  # fmt: skip
    assert json.loads(files.about.read_text())["preprocessing_function"] == "needs_scipy.smoothed"


def test_smoothing_is_part_of_the_script(tmp_path):
    own = Preprocessing("lstm", V1, 2, choices={"smooth": True, "coordinates": "pair"})
    recognizer = make()
    recognizer.preprocessing = own
    files = write_standalone(recognizer.model, own, CLASSES, tmp_path / "a" / "network")
    about = json.loads(files.about.read_text())
    assert about["preprocessing"]["smooth"] is True
    script = run_bundle(files.script.read_text(), files.script)
    clip = people(30, 2)
    assert not np.array_equal(make().preprocess(clip), recognizer.preprocess(clip))
    np.testing.assert_array_equal(script.network_input(clip, about)[0], recognizer.preprocess(clip))
    np.testing.assert_allclose(
        script.predict(clip).logits, recognizer.predict(clip).logits, atol=1e-5
    )


@pytest.mark.parametrize("temperature", [0, -1, float("nan"), float("inf")])
def test_temperatures_are_positive(temperature, tmp_path):
    with pytest.raises(UserError, match="temperature"):
        write(make(), tmp_path / "a", "saved_model", temperature=temperature)
    assert not [*tmp_path.iterdir()]


def test_errors_of_clips_are_those_of_the_package():
    script = run_bundle(predict_source(Preprocessing("lstm", V1, 2)))
    about = describe(Preprocessing("lstm", V1, 2))
    for clip in (np.zeros((4, 20, 2)), np.zeros((4, 1, 20, 3)), np.full((4, 20, 3), np.inf)):
        with pytest.raises(ClipInputError) as ours:
            Preprocessing("lstm", V1, 2).adapt(clip)
        with pytest.raises(script.ClipInputError) as theirs:
            script.network_input(clip, about)
        assert str(theirs.value) == str(ours.value)
