"""BlazePose's files: found, fetched with a made-up pip, checked, and refused."""

import hashlib
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from keras_skeleton.utils.errors import UserError
from keras_skeleton.video import pose_models
from keras_skeleton.video.pose_models import (
    DOWNLOAD,
    FILES,
    PoseModelsError,
    PoseModelsMissingError,
    fetch_pose_models,
    find_pose_models,
    pose_models_folder,
)

LICENSE = "mediapipe-0.10.21.dist-info/LICENSE"
CONTENT = {name: f"network {name}".encode() for name in FILES}
WHEEL = "mediapipe-0.10.21-cp312-cp312-made_up.whl"


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    folder = tmp_path / "cache"
    monkeypatch.setenv("KERAS_SKELETON_CACHE", str(folder))
    return folder / "blazepose"


@pytest.fixture
def made(monkeypatch):
    """Lets the made-up content pass for that of the real wheel."""
    files = {
        name: (inside, hashlib.sha256(CONTENT[name]).hexdigest())
        for name, (inside, _) in FILES.items()
    }
    monkeypatch.setattr(pose_models, "FILES", files)


def wheel(path, omit=(), **changed):
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, (inside, _) in FILES.items():
            if name not in omit:
                content = changed.get(name.removesuffix(".tflite"), CONTENT[name])
                archive.writestr(f"{inside}/{name}", content)
        if "LICENSE" not in omit:
            archive.writestr(LICENSE, "Apache License")
    return path


def folder_of_models(path, omit=(), inside=False):
    for name, (place, _) in FILES.items():
        if name not in omit:
            target = path / place if inside else path
            target.mkdir(parents=True, exist_ok=True)
            (target / name).write_bytes(CONTENT[name])
    return path


def no_parts(folder):
    return not [path for path in folder.rglob("*") if ".part" in path.name]


# ---------------------------------------------------------------- finding


def test_without_the_files_the_message_says_how_to_get_them():
    with pytest.raises(PoseModelsMissingError, match="pose-models"):
        find_pose_models()
    assert issubclass(PoseModelsMissingError, UserError)


def test_the_cache_is_where_the_variable_says(made, cache):
    assert pose_models_folder() == cache
    folder_of_models(cache)
    found = find_pose_models()
    assert found.detector == cache / "pose_detection.tflite"
    assert found.landmarks == cache / "pose_landmark_full.tflite"


@pytest.mark.parametrize("name", list(FILES))
def test_one_file_of_the_cache_is_not_enough(made, cache, name):
    folder_of_models(cache, omit=[name])
    with pytest.raises(PoseModelsMissingError):
        find_pose_models()


@pytest.mark.parametrize("damage", [b"", CONTENT["pose_detection.tflite"][:-1], b"x" * 99])
def test_a_damaged_file_of_the_cache_is_named(made, cache, damage):
    folder_of_models(cache)
    (cache / "pose_detection.tflite").write_bytes(damage)
    with pytest.raises(PoseModelsError) as error:
        find_pose_models()
    assert not isinstance(error.value, PoseModelsMissingError)  # it is not fetched in silence
    for word in (str(cache / "pose_detection.tflite"), "SHA-256", "pose-models"):
        assert word in str(error.value)


@pytest.mark.parametrize("inside", [False, True])
def test_a_folder_holds_the_files_or_an_unpacked_wheel(made, cache, tmp_path, inside):
    folder = folder_of_models(tmp_path / "models", inside=inside)
    found = find_pose_models(folder)
    assert found.landmarks.read_bytes() == CONTENT["pose_landmark_full.tflite"]
    assert folder in found.landmarks.parents
    assert find_pose_models(str(folder)) == found
    assert not cache.exists()


@pytest.mark.parametrize("name", list(FILES))
def test_the_missing_file_of_a_folder_is_named(made, tmp_path, name):
    folder = folder_of_models(tmp_path / "models", omit=[name])
    with pytest.raises(PoseModelsError) as error:
        find_pose_models(folder)
    assert str(folder) in str(error.value)
    assert f"{name} is missing" in str(error.value)


def test_a_place_that_does_not_exist_is_named(tmp_path):
    with pytest.raises(PoseModelsError, match="nowhere"):
        find_pose_models(tmp_path / "nowhere")


def test_the_networks_of_another_release_in_a_folder_are_refused(tmp_path):
    with pytest.raises(PoseModelsError, match="SHA-256"):
        find_pose_models(folder_of_models(tmp_path / "models"))


# ---------------------------------------------------------------- wheels


def test_a_wheel_is_taken_into_the_cache_with_its_license(made, cache, tmp_path):
    found = find_pose_models(wheel(tmp_path / WHEEL))
    assert found.detector.parent == found.landmarks.parent == cache
    assert {path.name for path in cache.iterdir()} == {*FILES, "LICENSE"}
    assert (cache / "LICENSE").read_text() == "Apache License"
    assert find_pose_models() == found
    (tmp_path / WHEEL).unlink()
    assert find_pose_models() == found


def test_a_wheel_mends_a_damaged_cache(made, cache, tmp_path):
    folder_of_models(cache)
    (cache / "pose_detection.tflite").write_bytes(b"half")
    find_pose_models(wheel(tmp_path / WHEEL))
    assert (cache / "pose_detection.tflite").read_bytes() == CONTENT["pose_detection.tflite"]


@pytest.mark.parametrize("changed", ["pose_detection", "pose_landmark_full"])
def test_a_wheel_with_other_networks_is_refused(made, cache, tmp_path, changed):
    path = wheel(tmp_path / WHEEL, **{changed: b"other"})
    with pytest.raises(PoseModelsError) as error:
        find_pose_models(path)
    for word in (str(path), f"{changed}.tflite", "SHA-256", " ".join(DOWNLOAD)):
        assert word in str(error.value)
    assert not cache.exists()  # nothing of it is kept


@pytest.mark.parametrize("omit", [*FILES, "LICENSE"])
def test_an_incomplete_wheel_is_refused(made, cache, tmp_path, omit):
    with pytest.raises(PoseModelsError, match=WHEEL):
        find_pose_models(wheel(tmp_path / WHEEL, omit=[omit]))
    assert not cache.exists()


@pytest.mark.parametrize("cut", [0, 10, 300])
def test_a_file_that_is_no_wheel_is_refused(made, cache, tmp_path, cut):
    path = wheel(tmp_path / WHEEL)
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(PoseModelsError, match="mediapipe==0.10.21"):
        find_pose_models(path)
    assert not cache.exists()


def test_a_damaged_entry_of_a_wheel_is_refused(made, cache, tmp_path):
    path = wheel(tmp_path / WHEEL, pose_detection=bytes(5000))
    data = bytearray(path.read_bytes())
    start = data.index(b"pose_detection.tflite") + len("pose_detection.tflite")
    data[start : start + 4] = b"\xff\xff\xff\xff"
    path.write_bytes(data)
    with pytest.raises(PoseModelsError, match="mediapipe==0.10.21"):
        find_pose_models(path)
    assert not cache.exists()


def test_an_entry_that_unpacks_to_gigabytes_is_read_to_the_limit(cache, tmp_path, monkeypatch):
    monkeypatch.setattr(pose_models, "MOST", 1000)
    path = wheel(tmp_path / WHEEL, pose_detection=bytes(10**7))
    with zipfile.ZipFile(path) as archive:
        place = f"{FILES['pose_detection.tflite'][0]}/pose_detection.tflite"
        assert len(pose_models._member(archive, place)) == 1000
    with pytest.raises(PoseModelsError, match="pose_detection"):
        find_pose_models(path)


def test_the_cache_cannot_be_written(made, cache, tmp_path):
    cache.parent.mkdir()
    cache.write_text("a file where the folder should be")
    with pytest.raises(OSError, match="blazepose"):
        find_pose_models(wheel(tmp_path / WHEEL))


def test_an_interrupted_unpacking_leaves_no_half_file(made, cache, tmp_path, monkeypatch):
    write = Path.write_bytes

    def stop(self, data):
        write(self, data[: len(data) // 2])
        raise KeyboardInterrupt

    path = wheel(tmp_path / WHEEL)
    monkeypatch.setattr(Path, "write_bytes", stop)
    with pytest.raises(KeyboardInterrupt):
        find_pose_models(path)
    monkeypatch.undo()
    assert no_parts(tmp_path)
    assert not any((cache / name).exists() for name in FILES)


def test_the_real_files_are_those_of_the_release(real_pose_models):
    assert real_pose_models.detector.stat().st_size == 2_959_046
    assert real_pose_models.landmarks.stat().st_size == 6_440_512
    license_file = real_pose_models.detector.with_name("LICENSE")
    if license_file.exists():  # a folder of one's own may lack it
        assert "Apache License" in license_file.read_text(encoding="utf-8")


# ---------------------------------------------------------------- fetching


class Pip:
    """Stands for pip: writes a wheel where it is told to, or fails."""

    def __init__(self, error="", raises=None, **changed):
        self.error, self.raises, self.changed, self.commands = error, raises, changed, []

    def __call__(self, command, **options):
        self.commands.append((command, options))
        if self.raises:
            raise self.raises
        if not self.error:
            wheel(Path(command[command.index("--dest") + 1]) / WHEEL, **self.changed)
        return subprocess.CompletedProcess(command, int(bool(self.error)), "", self.error)


@pytest.fixture
def pip(monkeypatch):
    def use(**options):
        fake = Pip(**options)
        monkeypatch.setattr(subprocess, "run", fake)
        return fake

    return use


def test_fetching_asks_pip_for_the_archive_only(made, cache, pip):
    fake = pip()
    found = fetch_pose_models()
    assert found == find_pose_models()
    assert {path.name for path in cache.iterdir()} == {*FILES, "LICENSE"}
    ((command, options),) = fake.commands
    assert command[:4] == [sys.executable, "-m", "pip", "download"]
    assert {"--no-deps", "--only-binary=:all:", "mediapipe==0.10.21"} <= set(command)
    assert "install" not in command
    assert options["timeout"] > 60
    assert not options.get("shell")
    assert not Path(command[command.index("--dest") + 1]).exists()  # the wheel is not kept


OFFLINE = """\
WARNING: Retrying after connection broken by 'NewConnectionError'
ERROR: Could not find a version that satisfies the requirement mediapipe==0.10.21
ERROR: No matching distribution found for mediapipe==0.10.21

"""


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"error": OFFLINE}, "No matching distribution found"),
        ({"error": f"{OFFLINE}[notice] A new release of pip"}, "No matching distribution found"),
        ({"error": "python: No module named pip"}, "No module named pip"),
        ({"error": " "}, "pip"),
        ({"raises": subprocess.TimeoutExpired(["pip"], 600)}, "timed out"),
        ({"raises": OSError("no python")}, "no python"),
        ({"error": "x" * 10_000}, "xxx"),
    ],
)
def test_without_a_network_the_message_says_what_to_fetch(made, cache, pip, options, why):
    pip(**options)
    with pytest.raises(PoseModelsError) as error:
        fetch_pose_models()
    text = str(error.value)
    assert why in text
    assert " ".join(DOWNLOAD) in text
    assert "--pose-models" in text
    assert len(text) < 1000
    assert not cache.exists()


def test_a_wheel_that_was_changed_on_its_way_is_refused(made, cache, pip):
    pip(pose_landmark_full=b"changed")
    with pytest.raises(PoseModelsError, match="SHA-256"):
        fetch_pose_models()
    assert not cache.exists()
