"""prepare and inspect say about one's own clips what matters before training."""

import re

import numpy as np
import pytest
from own_data import TOML, standing, write

from keras_skeleton.cli import main


@pytest.fixture
def folder(tmp_path):
    lines = ["file,label,subject,fps"]
    lines += [f"{who}{i}.npy,{'ab'[i % 2]},{who},30" for who in ("ann", "bob") for i in range(4)]
    return write(tmp_path / "d", lines, clip=lambda seed: 1000 * standing(M=2, seed=seed))


def run(command, folder, tmp_path, capsys, *words):
    where = ["--data-dir", str(folder), "--cache-dir", str(tmp_path / "cache")]
    assert main([command, "--dataset", "folder", *where, *words]) == 0
    return capsys.readouterr().out


def test_prepare_says_who_trains_and_what_is_doubtful(folder, tmp_path, capsys):
    out = run("prepare", folder, tmp_path, capsys)
    assert "8 clips, 160 frames, 2 classes" in out
    assert "folds (default) fold 1/2: 4 train, 0 validation, 4 test" in out
    assert "train on subject bob, test on ann" in out
    assert "columns that are not used: 'fps'" in out
    assert 'units = "mm"' in out
    assert "all fold 1/1" in out
    text = (folder / "labels.csv").read_text().replace(",b,", ",a,")
    (folder / "labels.csv").write_text(text)
    out = run("prepare", folder, tmp_path, capsys)
    assert out.count("predict PATH") == 1  # the reason is the same for all protocols


@pytest.mark.slow
def test_inspect_prints_the_unit_that_is_true(folder, tmp_path, capsys, monkeypatch):
    from keras_skeleton.viz import strips

    labels = []
    monkeypatch.setattr(
        strips,
        "axis_label",
        lambda axis, unit: labels.append(unit) or f"{axis}",
    )
    where = ["--out", str(tmp_path / "out")]
    out = run("inspect", folder, tmp_path, capsys, *where)
    assert "people: 2, in 20, 20 of 20 frames" in out
    assert re.search(r"unit: unknown; a person measures 1[67]\d\d", out)
    assert "frame rate: unknown" in out
    (folder / "skeleton.toml").write_text(TOML + 'units = "mm"\nfps = 25\nup = "y"\n')
    np.save(folder / "ann0.npy", np.where(np.arange(25)[:, None] == 7, np.nan, 1000 * standing()))
    out = run("inspect", folder, tmp_path, capsys, *where)
    assert re.search(r"unit: m; a person measures 1\.[67]", out)
    assert "frame rate: 25" in out
    assert "missing joints, interpolated: 4.0%" in out
    assert labels == ["", "m"]
