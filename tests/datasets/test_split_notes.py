"""Who trains and who tests, in words."""

import numpy as np
from own_data import read, write

from keras_skeleton.datasets.dataset import Fold
from keras_skeleton.datasets.split_notes import FEW, noisy_note, subjects_line


def people(tmp_path, names="ann bob carl"):
    lines = ["file,label,subject"]
    lines += [f"{who}{c}{i}.npy,{c},{who}" for who in names.split() for c in "ab" for i in range(3)]
    return read(write(tmp_path / "d", lines), tmp_path / "c")[0]


def test_people_are_named(tmp_path):
    dataset = people(tmp_path)
    (fold,) = dataset.folds("cs")
    line = subjects_line(dataset, fold)
    train, validation = sorted(["ann", "bob"], key=lambda who: who in line.split("validate")[1])
    assert line == f"train on subject {train}, validate on {validation}, test on carl"
    who = dataset.samples["name"].str[:3].to_numpy()
    assert {who[i] for i in fold.train} == {train}
    everyone, nobody = np.arange(len(dataset)), np.zeros(0, int)
    line = subjects_line(dataset, Fold(everyone, nobody, nobody))
    assert line == "train on subjects ann, bob, carl"
    line = subjects_line(dataset, Fold(everyone[::2], nobody, everyone[1::2]))
    assert line == "train on subjects ann, bob, carl, who also test"
    line = subjects_line(dataset, Fold(everyone[:12], nobody, everyone[6:]))
    assert line == "train on subjects ann, bob, test on bob, carl (of these, bob also in training)"
    line = subjects_line(dataset, Fold(everyone[:12], everyone[:2], everyone[6:12]))
    assert line == (
        "train on subjects ann, bob, validate on ann (also in training), test on bob (also in "
        "training)"
    )


def test_nothing_is_said_without_subjects(tmp_path):
    dataset, _ = read(write(tmp_path / "d", ["file,label", "a.npy,x", "b.npy,y"]), tmp_path / "c")
    assert subjects_line(dataset, Fold(np.array([0]), np.zeros(0, int), np.array([1]))) == ""


def test_few_validation_clips_are_a_noisy_choice():
    clips = np.arange(100)
    assert noisy_note(Fold(clips, clips[:FEW], clips)) == ""
    assert "9 validation clips" in noisy_note(Fold(clips, clips[:9], clips))
    assert "1 validation clip " in noisy_note(Fold(clips, clips[:1], clips))
    assert "last epoch" in noisy_note(Fold(clips, clips[:0], clips))
