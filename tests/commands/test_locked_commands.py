"""A command is refused at once while another one writes to its folder."""

import own_data
import pytest
from holding import held

from keras_skeleton import cli
from keras_skeleton.commands import common, crops, detect, predict, reproduce, train
from keras_skeleton.utils.lock import locked

TRAIN = "train --model mans9 --dataset synthetic --protocol cs"


@pytest.fixture(scope="module")
def used(tmp_path_factory):
    """A folder that another process writes to, with a run in it; and that process."""
    folder = tmp_path_factory.mktemp("used") / "run"
    with held(folder) as process:
        (folder / "run.json").write_text("{}")
        yield folder, process


@pytest.fixture(autouse=True)
def keras(monkeypatch):
    """Nothing is loaded before a command is refused."""

    def start(*_):
        pytest.fail("Keras was started")

    for module in (crops, detect, predict, reproduce, train):
        monkeypatch.setattr(module, "start_keras", start)


@pytest.mark.parametrize(
    ("words", "option"),
    [
        (TRAIN + " --resume --out {}", "--out"),
        (TRAIN + " --out {}", "--out"),
        (TRAIN + " --weights mans9_synthetic_cs --out {}", "--out"),
        ("detect --dataset synthetic --protocol untrimmed --resume --out {}", "--out"),
        ("detect --stream {clip} --weights gate_u_ut_kinect_cs --out {}", "--out"),
        ("crops --dataset synthetic --crops {}", "--crops"),
        ("predict {clip} --weights mans9_synthetic_cs --out {}", "--out"),
        ("report {}", "--out"),
        ("attention --score --out {}", "--out"),
        ("reproduce --table sta1 --out {}", "--out"),
    ],
)
def test_it_is_refused_at_once(words, option, used, tmp_path, capsys):
    folder, process = used
    own_data.write(tmp_path, ["file,label", "clip.npy,wave"])
    before = sorted(folder.iterdir())
    assert cli.main(words.format(folder, clip=tmp_path / "clip.npy").split()) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    for part in (str(folder), str(process.pid), option):
        assert part in said
    assert sorted(folder.iterdir()) == before


def arguments(out=None, resume=False):
    return common.argparse.Namespace(out=out, resume=resume, fold=None)


def test_two_new_runs_get_folders_of_their_own(tmp_path, monkeypatch):
    """The second one finds the name free, and the first one takes it then."""
    base, free = tmp_path / "run", common.free_folder
    with common.folder_of_run(arguments(), base) as mine:
        assert mine == base
        with common.folder_of_run(arguments(), base) as other:
            assert other == tmp_path / "run-2"
        found = iter([base, tmp_path / "run-3"])
        monkeypatch.setattr(common, "free_folder", lambda base: next(found))
        monkeypatch.setattr(common, "locked", lambda out: taken() if out == base else locked(out))
        with common.folder_of_run(arguments(), base) as other:
            assert other == tmp_path / "run-3"
    assert free(base) == base  # nothing was written


def taken():
    raise common.InUseError("taken")
