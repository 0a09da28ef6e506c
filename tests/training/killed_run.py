"""Trainings that kill themselves, and two deterministic ones, each in a process of its own:
`killed_run.py FOLDER` writes to FOLDER/CASE and says on its last line how each process ended.

All are forked from this process, which has loaded TensorFlow and run nothing of it: until then it
has no threads, so a fork is safe, and loading it is most of what such a process costs.
"""

import json
import os
import signal
import sys
import threading
import traceback
from pathlib import Path

import keras
import numpy as np
from conftest import make_dataset

from keras_skeleton.recipes.recipe import Recipe
from keras_skeleton.recipes.schedules import Plateau
from keras_skeleton.recipes.stage import Stage
from keras_skeleton.training import fold as fold_module
from keras_skeleton.training import state as state_module
from keras_skeleton.training.fold import FoldFit
from keras_skeleton.training.pipeline import Inputs, make_deterministic
from keras_skeleton.training.progress import Progress
from keras_skeleton.training.stages import train_stages
from keras_skeleton.training.trainer import Trainer
from keras_skeleton.training.transfer import freeze

fold_module.SAVE_EVERY = -1.0  # after every epoch
RECIPE = Recipe(
    "adam",
    0.01,
    batch_size=8,
    epochs=6,
    schedule=Plateau(patience=1, cooldown=0),
    augment=(("RandomRotation", {"degrees": (5, 5, 5)}), ("RandomTemporalCrop", {})),
)
STAGES = (
    Stage("first", "the classifier alone", {}, ("scores",), epochs=3),
    Stage("second", "everything", {}, ("",), take=(("first", ("",)),), epochs=6),
)


def network():
    x = inputs = keras.Input((12, 20, 3))
    x = keras.layers.Dense(16, "relu", name="hidden")(keras.layers.Flatten()(x))
    x = keras.layers.Dropout(0.3)(x)
    return keras.Model(inputs, keras.layers.Dense(3, name="scores")(x))


def read(clip):
    return np.pad(clip[:12, 0], ((0, 12 - min(len(clip), 12)), (0, 0), (0, 0))).astype("float32")


def train(folder, staged, resume=False):
    """Dropout, augmentation, shuffling, Adam and a rate that falls on plateaus."""
    dataset = make_dataset()
    (fold,) = dataset.folds("cs")
    inputs = Inputs(dataset, read)
    if staged:
        trainers = {s.name: Trainer(lambda s=s: freeze(network(), s.train), RECIPE) for s in STAGES}
        train_stages(
            STAGES, trainers, lambda stage: inputs, fold, 1, 3, folder, Progress([9]), resume
        )
    else:
        FoldFit(Trainer(network, RECIPE), inputs, fold, 1, 3, folder).run(resume)


def kill():
    os.kill(os.getpid(), signal.SIGKILL)


def in_an_epoch(number=14):
    """While batches are read: 4 training batches an epoch, and the evaluation's."""
    batch, calls = Inputs.batch, []

    def counted(self, indices, draw=(0, 0)):
        calls.append(draw)
        if sum(draw != (0, 0) for draw in calls) == number:
            kill()
        return batch(self, indices, draw)

    Inputs.batch = counted


def in_a_checkpoint():
    """With half of the third checkpoint on disk."""
    calls = []

    def fsync(file):
        calls.append(file)
        if len(calls) == 3:
            os.ftruncate(file, os.fstat(file).st_size // 2)
            kill()

    state_module.os = type("os", (), {"fsync": staticmethod(fsync)})


def in_the_results():
    """With half of the weights' file on disk."""

    def save(model, path):
        model.save_weights(path)
        os.truncate(path, 1000)
        kill()

    fold_module.save_weights = save


def in_the_second_stage():
    in_an_epoch(number=27)


KILLS = {
    in_an_epoch: "plain",
    in_a_checkpoint: "plain",
    in_the_results: "plain",
    in_the_second_stage: "staged",
}


def killed(when, folder):
    when()
    train(folder, KILLS[when] == "staged")


def twice(folder):
    make_deterministic()
    train(folder / "one", staged=False)
    train(folder / "other", staged=False)


def fork(work, *arguments, log):
    """The number of a new process that does the work; what it says goes to a file."""
    if child := os.fork():
        return child
    code = 1
    try:
        with log.open("w") as file:
            os.dup2(file.fileno(), 1)
            os.dup2(file.fileno(), 2)
        work(*arguments)
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)


def main(root, at_a_time=2):
    assert threading.active_count() == 1
    cases = {when.__name__: (killed, when) for when in KILLS} | {"twice": (twice,)}
    waiting, running, ended = list(cases.items()), {}, {}
    while waiting or running:
        while waiting and len(running) < at_a_time:
            name, (work, *arguments) = waiting.pop(0)
            running[fork(work, *arguments, root / name, log=root / f"{name}.log")] = name
        child, status = os.wait()
        ended[running.pop(child)] = os.waitstatus_to_exitcode(status)
    print(json.dumps(ended))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
