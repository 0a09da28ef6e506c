"""Who trains and who tests, in words."""

import numpy as np
import pandas as pd
from own_data import read, write

from keras_skeleton.datasets.dataset import Fold
from keras_skeleton.datasets.split_notes import FEW, lacking_note, noisy_note, subjects_line


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


def test_classes_without_training_clips_are_named(tmp_path):
    lines = ["file,label,subject"]
    lines += [f"{who}{i}.npy,wave,{who}" for who in ("ann", "bob") for i in range(3)]
    lines += ["ann4.npy,push,ann", "ann5.npy,push,ann", "bob6.npy,clap,bob"]
    dataset, _ = read(write(tmp_path / "d", lines), tmp_path / "c")
    who = dataset.samples["name"].str[:3].to_numpy()
    ann, bob, nobody = np.flatnonzero(who == "ann"), np.flatnonzero(who == "bob"), np.zeros(0, int)
    note = lacking_note(dataset, Fold(bob, nobody, ann))
    assert note.startswith("no training clip of: push (all its clips are of subject ann)")
    assert "clap (it has one clip)" in lacking_note(dataset, Fold(ann, nobody, bob))
    assert lacking_note(dataset, Fold(np.arange(len(dataset)), nobody, ann)) == ""
    assert lacking_note(dataset, Fold(ann, bob, nobody)) == ""  # nothing is tested
    # Its clips are of both, but none trains: there is no reason to give.
    waves = np.flatnonzero(dataset.labels == dataset.classes.index("wave"))
    others = np.setdiff1d(np.arange(len(dataset)), waves)
    note = lacking_note(dataset, Fold(others, nobody, waves))
    assert note.startswith("no training clip of: wave;")


def test_subjects_may_be_pairs_of_people(tmp_path):
    dataset = people(tmp_path, "ab bc de")
    pairs = dataset.samples["name"].str[:2]
    actors = pd.DataFrame({f"actor{k + 1}": pairs.str[k].map("abcde".index) for k in (0, 1)})
    dataset.samples = pd.concat([dataset.samples, actors], axis=1)
    ab, bc, de = (np.flatnonzero(pairs == pair) for pair in ("ab", "bc", "de"))
    line = subjects_line(dataset, Fold(np.concatenate([ab, de]), ab[:0], bc))
    assert line == (
        "train on pairs ab, de, test on bc; of the 2 people in the test pairs, 1 also in training "
        "pairs"
    )
    assert subjects_line(dataset, Fold(ab, ab[:0], de)) == "train on pair ab, test on de"
