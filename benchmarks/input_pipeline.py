"""Compare the speed of the input pipeline with that of training.

    python benchmarks/input_pipeline.py [--rounds 3] [--networks mans9 sta_lstm csta_cnn]

Each measurement has its own process; measurements alternate in each round:

    loading     clips per second from the store, each copied to an array in random order: from a
                newly opened store (in the page cache), from the same memory map again, and from
                rows in memory
    layers      clips per second through the random layers of `keras_skeleton.layers`, for batches
                of clips (64, 300, 2, 25, 3) and of MANs' images (64, 50, 50, 3)
    feeds       clips per second of the whole pipeline with the recipe for NTU RGB+D: preprocessing
                of clips from the store (or from memory), batching, and the random layers in front
                of the network (for CSTA-CNN the sampling of 30 frames)
    trains      clips per second of training on such batches

The clips are synthetic, with the skeleton of NTU RGB+D and two bodies. Preprocessed inputs are
cached in memory after the first epoch if they fit into 4 GB. For NTU RGB+D, this is the case for
MANs' images (1.7 GB), but not for the 300 frames of the other networks (10 GB), which are
preprocessed again in every epoch. Both speeds are measured with all cores; in training, they share
the cores. The goal is a pipeline with at least five times the speed of training.

The speed of reading text files is measured by read_ntu.py.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
from measuring import cell, in_own_process, machine, ratios

NETWORKS = ("mans9", "sta_lstm", "csta_cnn")
CLASSES, BODIES, CLIPS = 60, 2, 640
GOAL = 5  # required ratio of pipeline speed to training speed
WARM, STEPS, SECONDS = 2, 3, 2.0  # warm-up batches, and minimum batches and time of a measurement
LOADING = ("newly opened store", "same memory map again", "rows in memory")
FEEDS = {"store": "store, without caching", "memory": "memory, after the first epoch"}
SHAPES = {"clips": (64, 300, BODIES, 25, 3), "images": (64, 50, 50, 3)}
LAYERS = (
    "RandomRotation", "RandomScale", "RandomJitter", "RandomTemporalCrop", "RandomSymmetry",
    "TemporalSampling",
)  # fmt: skip


def rate(step: Callable[[], object], clips: int) -> float:
    """Clips per second of a step that processes `clips` clips."""
    for _ in range(WARM):
        step()
    steps, start = 0, time.perf_counter()
    while (spent := time.perf_counter() - start) < SECONDS or steps < STEPS:
        step()
        steps += 1
    return steps * clips / spent


def loading() -> dict[str, float]:
    """Clips per second of `SkeletonDataset.clip` for the three cases of `LOADING`."""
    from keras_skeleton import load_dataset
    from keras_skeleton.datasets.dataset import SkeletonDataset
    from keras_skeleton.datasets.store import open_store

    given = load_dataset("synthetic")
    order = np.random.default_rng(0).permutation(len(given))

    def opened() -> SkeletonDataset:
        return open_store(given.info["store"], given.name, given.protocols)

    def seconds(dataset: SkeletonDataset) -> float:
        start = time.perf_counter()
        for i in order:
            dataset.clip(i).copy()
        return time.perf_counter() - start

    kept = opened()
    kept.rows = np.array(kept.rows)
    spent: dict[str, list[float]] = {name: [] for name in LOADING}
    for _ in range(30):
        mapped = opened()
        for name, dataset in zip(LOADING, (mapped, mapped, kept), strict=True):
            spent[name].append(seconds(dataset))
    return {name: len(order) / statistics.median(values) for name, values in spent.items()}


def random_layer(name: str) -> Any:
    """One of `LAYERS`, for two bodies."""
    from keras_skeleton import layers
    from keras_skeleton.layers.temporal_sampling import TemporalSampling
    from keras_skeleton.skeletons import KINECT_V2

    if name == "TemporalSampling":
        return TemporalSampling(30, (0.9, 1.0))
    if name == "RandomSymmetry":
        V = KINECT_V2.size
        order = [m * V + int(v) for m in range(BODIES) for v in KINECT_V2.mirror]
        return layers.RandomSymmetry(order=order, signs=(-1, 1, 1))
    return getattr(layers, name)()


def augmentation(name: str) -> dict[str, float]:
    """Clips per second through a random layer."""
    import tensorflow as tf

    found = {}
    for what, shape in SHAPES.items():
        if name == "TemporalSampling" and what == "images":
            continue
        layer = random_layer(name)
        batch = tf.constant(np.random.default_rng(0).normal(size=shape).astype(np.float32))
        draw = tf.function(lambda x, layer=layer: layer(x, training=True))
        found[what] = rate(lambda x=batch, draw=draw: draw(x).numpy(), shape[0])  # type: ignore
    return found


def network_of(name: str) -> Any:
    """The network with the recipe for NTU RGB+D, for end-to-end training."""
    from keras_skeleton.models.registry import MODELS, build_model
    from keras_skeleton.recipes.registry import get_recipe

    recipe = get_recipe(name, "ntu")
    bodies = {"bodies": BODIES} if MODELS[name].sequence else {}
    return build_model(name, "kinect_v2", CLASSES, recipe.frames, **recipe.model, **bodies)


def feeds(name: str, source: str) -> float:
    """Clips per second of the pipeline."""
    import tensorflow as tf

    from keras_skeleton import layers, load_dataset
    from keras_skeleton.models.registry import MODELS
    from keras_skeleton.recipes.registry import get_recipe
    from keras_skeleton.training.pipeline import Inputs, training_batches

    recipe = get_recipe(name, "ntu")
    dataset = load_dataset("synthetic")
    read = MODELS[name].preprocess(dataset.skeleton, recipe.frames, **recipe.preprocessing)
    inputs = Inputs(dataset, read, **({"memory": 0} if source == "store" else {}))
    batches, steps = training_batches(inputs, np.arange(CLIPS), recipe.batch_size, seed=0)
    front = [getattr(layers, layer)(**arguments) for layer, arguments in recipe.augment]
    front += [layer for layer in network_of(name).layers if layer.name == "sampling"]

    @tf.function
    def draw(x: Any) -> Any:
        for layer in front:
            x = layer(x, training=True)
        return x

    stream = iter(batches)
    for _ in range(steps):  # one epoch, which fills the cache
        next(stream)
    return rate(lambda: draw(next(stream)[0]).numpy(), recipe.batch_size)


def trains(name: str) -> float:
    """Clips per second of training on a fixed batch."""
    import keras
    import tensorflow as tf

    from keras_skeleton.recipes.registry import get_recipe
    from keras_skeleton.training.trainer import Trainer

    recipe = replace(get_recipe(name, "ntu"), augment=(), stages=())

    def build() -> keras.Model:
        network = network_of(name)
        if name != "csta_cnn":
            return network
        return keras.Model(network.get_layer("sampling").output, network.output)

    trainer = Trainer(build, recipe)
    random = np.random.default_rng(0)
    shape = (recipe.batch_size, *trainer.model.input.shape[1:])
    x = tf.constant(random.normal(size=shape).astype(np.float32))
    y = tf.constant(random.integers(CLASSES, size=recipe.batch_size))
    model = trainer.training_model
    return rate(lambda: model.train_on_batch(x, y), recipe.batch_size)


MEASURES: dict[str, Callable[..., Any]] = {
    "loading": loading,
    "layers": augmentation,
    "feeds": feeds,
    "trains": trains,
}


def measured(rounds: int, orders: list[tuple[str, ...]]) -> dict[tuple[str, ...], list[Any]]:
    """Runs every measurement in its own process, alternating in each round."""
    found: dict[tuple[str, ...], list[Any]] = {order: [] for order in orders}
    for _ in range(rounds):
        for order, values in found.items():
            values.append(in_own_process(__file__, *order))
    return found


def show_loading(rounds: list[dict[str, float]]) -> None:
    print("\n| source of clips | clips/s |")
    print("|---|---|")
    for name in LOADING:
        print(f"| {name} | {cell([own[name] for own in rounds])} |")


def show_layers(found: dict[str, list[dict[str, float]]]) -> None:
    print(f"\n| layer, in training | clips {SHAPES['clips']}, clips/s | images, clips/s |")
    print("|---|---|---|")
    for name, rounds in found.items():
        cells = [cell([own[what] for own in rounds]) for what in SHAPES if what in rounds[0]]
        print(f"| {name} | {' | '.join((cells + ['-'])[:2])} |")


def show_networks(found: dict[tuple[str, ...], list[float]], networks: list[str]) -> None:
    print("\n| network | source of clips | feeds, clips/s | trains, clips/s | ratio | goal |")
    print("|---|---|---|---|---|---|")
    for name in networks:
        trained = found["trains", name]
        for source, words in FEEDS.items():
            fed = found["feeds", name, source]
            middle = statistics.median(a / b for a, b in zip(fed, trained, strict=True))
            goal = f"{GOAL}, {'met' if middle >= GOAL else 'missed'}"
            print(
                f"| {name} | {words} | {cell(fed)} | {cell(trained)} "
                f"| {ratios(fed, trained, 1)} | {goal} |"
            )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--networks", nargs="+", default=list(NETWORKS), choices=NETWORKS)
    parser.add_argument("--measure", nargs="+", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure:
        what, *words = arguments.measure
        print(json.dumps(MEASURES[what](*words)))
        return

    networks = arguments.networks
    orders = [
        ("loading",),
        *(("layers", name) for name in LAYERS),
        *(order for name in networks for order in (
            ("trains", name), *(("feeds", name, source) for source in FEEDS)
        )),
    ]  # fmt: skip
    found = measured(arguments.rounds, orders)
    print(machine("tensorflow", "keras"))
    print("Clips per second: median over the rounds (lowest to highest)")
    show_loading(found["loading",])
    show_layers({name: found["layers", name] for name in LAYERS})
    show_networks(found, networks)


if __name__ == "__main__":
    main()
