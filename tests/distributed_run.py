"""`run.py WORDS` on a toy dataset with a small network, in a process of its own:

distributed_run.py hosts WORDS       one process of several. WEIGHTS names a file for the weights
                                     that it ends with; with DIE it kills itself on the way
distributed_run.py mirrored FOLDER   a training on one device, and one on two that is stopped and
                                     resumed
"""

import os
import signal
import sys
from pathlib import Path

import numpy as np
from conftest import make_dataset

from keras_skeleton import cli
from keras_skeleton.commands import train as command

WORDS = "--model lstm --dataset synthetic --protocol cs --batch-size 8".split()


def open_toy(dropout):
    """Two stages, the second one with batch normalisation and a rate that falls on plateaus."""
    import keras

    from keras_skeleton.models import head
    from keras_skeleton.recipes.recipe import Recipe
    from keras_skeleton.recipes.schedules import Plateau
    from keras_skeleton.recipes.stage import Stage
    from keras_skeleton.training import experiment, fold

    def network(name, skeleton, classes, frames, bodies):
        x = inputs = keras.Input((frames, bodies * skeleton.size, 3))
        x = keras.layers.Reshape((frames, -1))(x)
        x = keras.layers.Conv1D(8, 3, use_bias=False, name="hidden")(x)
        x = keras.layers.BatchNormalization(name="normalised")(x)
        x = keras.layers.Dropout(dropout)(keras.layers.ReLU()(x))
        x = keras.layers.GlobalAveragePooling1D()(x)
        return keras.Model(inputs, keras.layers.Dense(classes, name="scores")(x))

    def opened(args, dataset, recipe, folder, **options):
        recipe = Recipe(
            "sgd", 0.05, momentum=0.9, clipnorm=0.1,
            batch_size=args.batch_size, epochs=3, frames=12,
            schedule=Plateau(patience=1, cooldown=0),
            augment=(("RandomRotation", {"degrees": (5, 5, 5)}),) if dropout else (),
            stages=(
                Stage("first", "the classifier", {}, ("scores",), epochs=1),
                Stage("second", "everything", {}, ("",), epochs=3, take=(("first", ("",)),)),
            ),
        )  # fmt: skip
        return experiment.Experiment(
            "lstm", dataset, "cs", recipe=recipe, seed=args.seed, folder=folder, command="toy"
        )

    experiment.build_model = head.build_model = network
    fold.SAVE_EVERY = -1.0  # after every epoch
    return opened


def after_two_epochs(how):
    """Calls `how` at the end of the second stage's second epoch, when its state is saved."""
    from keras_skeleton.training.fold import FoldFit

    finish = FoldFit.finish_epoch

    def finished(self, logs, started):
        finish(self, logs, started)
        if self.folder.name == "second" and len(self.state.history) == 2:
            how()

    FoldFit.finish_epoch = finished


def keep_weights(path):
    """Every process leaves the weights that it ends with."""
    from keras_skeleton.training.fold import FoldFit

    finish = FoldFit.finish

    def finished(self):
        np.savez(path, *self.trainer.weights())
        return finish(self)

    FoldFit.finish = finished


def hosts(words):
    opened = []

    def late(*arguments, **options):  # only now has Keras been started
        if not opened:
            opened.append(open_toy(dropout=0.3))
            if out := os.environ.get("WEIGHTS"):
                keep_weights(Path(out))
            if os.environ.get("DIE"):
                after_two_epochs(lambda: os.kill(os.getpid(), signal.SIGKILL))
        return opened[0](*arguments, **options)

    command.open_experiment = late
    command.load_for = lambda args: make_dataset()
    return cli.main([*WORDS, *words])


def mirrored(words):
    import tensorflow as tf

    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
    command.open_experiment = open_toy(dropout=0)
    command.load_for = lambda args: make_dataset()

    def run(name, *more):
        return cli.main([*WORDS, "--out", f"{words[0]}/{name}", *more])

    interruptions = [KeyboardInterrupt]

    def interrupt():
        if interruptions:
            raise interruptions.pop()

    assert run("one") == 0
    after_two_epochs(interrupt)
    assert run("two", "--devices", "all") == 130
    assert run("two", "--devices", "all", "--resume") == 0
    assert run("refused", "--devices", "all", "--batch-size", "7") == 2
    assert run("half", "--precision", "mixed_bfloat16") == 0
    assert run("half", "--resume") == 2  # in another precision
    return 0


if __name__ == "__main__":
    kind, *rest = sys.argv[1:]
    raise SystemExit({"hosts": hosts, "mirrored": mirrored}[kind](rest))
