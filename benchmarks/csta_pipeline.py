"""Whether the input pipeline of CSTA-CNN is fast enough for the network.

    python benchmarks/csta_pipeline.py

Two figures, in turn, each in a process of its own, with the recipe for NTU RGB+D (batch 64):

    feeds       clips a second that the pipeline makes: clips out of the store (or out of memory),
                padded to 300 frames, gathered into batches, then sampled or cropped at random to
                30 frames
    consumes    clips a second on which the network trains, given batches of 30 frames

The clips are synthetic, of NTU's skeleton and two bodies; `all cores` is as in a training, where
the two run at the same time and share them.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
from measuring import cell, in_own_process, ratios

FRAMES, CLASSES = 300, 60
WARM, STEPS = 3, 30
FEEDS = {"store": "each clip read and padded anew", "memory": "clips kept after the first epoch"}


def feeds(source: str) -> float:
    """Clips a second out of the pipeline."""
    import tensorflow as tf

    from keras_skeleton import load_dataset
    from keras_skeleton.layers.temporal_sampling import TemporalSampling
    from keras_skeleton.models import MODELS
    from keras_skeleton.pipeline import Inputs, training_batches
    from keras_skeleton.training.recipes import get_recipe

    recipe = get_recipe("csta_cnn", "ntu")
    dataset = load_dataset("synthetic")
    read = MODELS["csta_cnn"].read(dataset.skeleton, FRAMES, **recipe.read)
    inputs = Inputs(dataset, read, **({"memory": 0} if source == "store" else {}))
    clips = np.arange(min(len(dataset), 640))
    batches, steps = training_batches(inputs, clips, recipe.batch_size, seed=0)
    sampling = TemporalSampling(30, recipe.model["crop"])
    draw = tf.function(lambda x: sampling(x, training=True))
    stream = iter(batches)
    for _ in range(max(WARM, steps + WARM)):  # an epoch, so that what is kept is there
        draw(next(stream)[0]).numpy()
    start = time.perf_counter()
    for _ in range(STEPS):
        draw(next(stream)[0]).numpy()
    return STEPS * recipe.batch_size / (time.perf_counter() - start)


def consumes() -> float:
    """Clips a second of training on batches that are there already."""
    import keras
    import tensorflow as tf

    from keras_skeleton.models.csta_cnn import SAMPLED, csta_cnn
    from keras_skeleton.training.recipes import get_recipe
    from keras_skeleton.training.trainee import Trainee

    recipe = replace(get_recipe("csta_cnn", "ntu"), augment=())

    def build() -> keras.Model:
        network = csta_cnn("csta_cnn", 25, CLASSES, FRAMES, **recipe.model)
        return keras.Model(network.get_layer("sampling").output, network.output)

    trainee = Trainee(build, recipe)
    random = np.random.default_rng(0)
    x = random.normal(size=(recipe.batch_size, SAMPLED, 2, 25, 3)).astype(np.float32)
    y = random.integers(CLASSES, size=recipe.batch_size)
    data = tf.data.Dataset.from_tensors((x, y)).repeat()
    trainee.training_model.fit(data, steps_per_epoch=WARM, verbose=0)
    start = time.perf_counter()
    trainee.training_model.fit(data, steps_per_epoch=STEPS, verbose=0)
    return STEPS * recipe.batch_size / (time.perf_counter() - start)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--measure", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure:
        what = arguments.measure
        print(json.dumps(consumes() if what == "consumes" else feeds(what)))
        return

    found: dict[str, list[float]] = {name: [] for name in ("consumes", *FEEDS)}
    for _ in range(arguments.rounds):
        for name, values in found.items():
            values.append(in_own_process(__file__, name))

    consumed = found.pop("consumes")
    print("\nClips a second: median over the rounds (lowest to highest)")
    print("| | clips a second | times what the network consumes, round by round |")
    print("|---|---|---|")
    print(f"| the network trains | {cell(consumed)} | |")
    for name, values in found.items():
        print(f"| pipeline, {FEEDS[name]} | {cell(values)} | {ratios(values, consumed, 1)} |")


if __name__ == "__main__":
    main()
