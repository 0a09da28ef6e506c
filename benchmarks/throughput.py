"""Measure the training and inference speed of MANs-9, STA-LSTM and CSTA-CNN, compared with PyTorch.

    pip install torch        optional, for the comparison
    python benchmarks/throughput.py [--model mans9] [--what infer] [--batch 8] [--rounds 3]
                                    [--seconds 10]

Speed is given in clips per second, on random clips of the size of NTU RGB+D with 60 classes. Each
measurement has its own process; our network and the PyTorch twin alternate. Steps are timed
individually, after warm-up steps (tracing, memory); the speed is that of the median step, so that
other load on the machine has little effect.

    train   `Trainer` with a recipe for NTU RGB+D, end to end, without augmentation and gradient
            clipping. CSTA-CNN trains on batches with sampled frames. All frames are valid: for
            shorter clips, a twin with `nn.LSTM` would need packed sequences, while our masks cost
            the same for all lengths
    infer   `keras_skeleton.compiled`, from arrays to arrays, by XLA and on LiteRT

The twins (`twins.py`) have the same loss and optimizer. In the first round, each is tested with
contiguous weights, channels last and torch.compile, on all cores and on one; the fastest mode is
used and printed with its measurements.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from importlib.util import find_spec
from itertools import pairwise, product
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
from measuring import cell, in_own_process, machine, ratios

if TYPE_CHECKING:
    from keras_skeleton.recipes.recipe import Recipe

CLASSES = 60
WARM_STEPS, WARM_SECONDS = 3, 2.0
STEPS = 24  # steps per epoch of our training, as for 200 clips in batches of 8
TIMED_STEPS = 5  # minimum number of timed steps
TRY_SECONDS = 1.0  # time to test each mode of the twin, after a warm-up of half of it
PEERS = {"ours": "keras_skeleton", "fastest": "fastest runtime", "twin": "PyTorch twin"}


@dataclass(frozen=True)
class Case:
    """A row of the table; `goal` is the required ratio of speeds."""

    model: str
    what: str
    batch: int
    goal: float
    clip: tuple[int, ...]  # shape of the input

    @property
    def title(self) -> str:
        return f"{self.model}, T = {self.clip[0]}"

    @property
    def recipe(self) -> Recipe:
        from keras_skeleton.recipes.registry import get_recipe

        own = get_recipe(self.model, "ntu")
        return replace(own, batch_size=self.batch, augment=(), clipnorm=None, stages=())

    def data(self) -> tuple[np.ndarray, np.ndarray]:
        """A batch of clips and labels."""
        random = np.random.default_rng(0)
        x = random.normal(size=(self.batch, *self.clip)).astype(np.float32)
        return x, random.integers(CLASSES, size=self.batch)


IMAGE, SAMPLED = (50, 50, 3), (30, 2, 25, 3)
CASES = [
    Case("mans9", "train", 8, 1.5, IMAGE),
    Case("mans9", "train", 40, 1.1, IMAGE),
    Case("sta_lstm", "train", 256, 1.3, (100, 50, 3)),
    Case("sta_lstm", "train", 8, 1.0, (50, 50, 3)),  # as long as clips of SBU
    Case("csta_cnn", "train", 64, 1.3, SAMPLED),
    *(Case("mans9", "infer", batch, 1.2, IMAGE) for batch in (1, 8, 40)),
    *(Case("sta_lstm", "infer", batch, 1.2, (100, 50, 3)) for batch in (1, 8, 40)),
    *(Case("csta_cnn", "infer", batch, 1.2, SAMPLED) for batch in (1, 8, 40)),
]


class Clock:
    """Times steps; call `tick` after each step.

    Args:
        seconds: Duration of the measurement.
        warm: Seconds of warm-up before it, which start after the first steps.
    """

    def __init__(self, seconds: float, warm: float = WARM_SECONDS) -> None:
        self.seconds, self.warm = seconds, warm
        self.steps, self.start = 0, math.inf
        self.ticks: list[float] = []

    def tick(self) -> bool:
        """Records a step; returns whether the measurement is finished."""
        now = time.perf_counter()
        self.steps += 1
        if self.steps == WARM_STEPS:
            self.start = now + self.warm
        if now >= self.start:
            self.ticks.append(now)
        return now >= self.start + self.seconds and len(self.ticks) > TIMED_STEPS

    def median(self) -> float:
        """Median seconds per step."""
        return statistics.median(b - a for a, b in pairwise(self.ticks))

    def time(self, step: Callable[[], object]) -> float:
        """Runs a step until the measurement is finished; returns its median seconds."""
        step()
        while not self.tick():
            step()
        return self.median()


def network(case: Case) -> Any:
    """Our network; CSTA-CNN without its sampling layer."""
    import keras

    from keras_skeleton.models.csta_cnn import csta_cnn
    from keras_skeleton.models.mans import mans
    from keras_skeleton.models.sta_lstm import sta_lstm

    T, *axes, _ = case.clip
    arguments = case.recipe.model
    if case.model == "mans9":
        return mans("mans9", CLASSES, T, **arguments)
    if case.model == "sta_lstm":
        return sta_lstm("sta_lstm", axes[0], CLASSES, T, **arguments)
    whole = csta_cnn("csta_cnn", axes[1], CLASSES, T, axes[0], **arguments)
    rest = keras.Model(whole.get_layer("sampling").output, whole.output)
    return keras.models.clone_model(rest)  # so that its layers belong to one network only


def ours(case: Case, seconds: float, way: str = "", runtime: str = "xla") -> tuple[float, str]:
    """Clips per second of our network, and an empty mode; the runtime is that of inference."""
    import keras
    import tensorflow as tf

    from keras_skeleton import compiled
    from keras_skeleton.training.trainer import Trainer

    x, y = case.data()
    clock = Clock(seconds)
    if case.what == "infer":
        forward = compiled(network(case), runtime)
        return case.batch / clock.time(lambda: forward(x)), ""
    trainer = Trainer(lambda: network(case), case.recipe, [STEPS * case.batch])

    class Ticks(keras.callbacks.Callback):
        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            self.model.stop_training = clock.tick()

    data = tf.data.Dataset.from_tensors((x, y)).repeat()
    steps = 10**9 * trainer.steps_per_execution
    trainer.training_model.fit(data, steps_per_epoch=steps, callbacks=[Ticks()], verbose=0)
    return trainer.steps_per_execution * case.batch / clock.median(), ""


def twin_network(case: Case, channels_last: bool) -> Any:
    import torch
    from twins import CstaCnn, Mans9, StaLstm

    layout = torch.channels_last if channels_last else torch.contiguous_format
    if case.model == "mans9":
        return Mans9(CLASSES, case.clip[0], memory_format=layout)
    if case.model == "sta_lstm":
        return StaLstm(case.clip[1], CLASSES, **case.recipe.model)
    return CstaCnn(case.clip[2], CLASSES, case.clip[0], memory_format=layout)


def twin_step(case: Case, channels_last: bool, compiled: bool) -> Callable[[], object]:
    """A training or inference step of a new twin."""
    import torch
    from twins import optimizer

    torch.manual_seed(0)
    torch.compiler.reset()
    network = twin_network(case, channels_last)
    network.to(memory_format=network.memory_format)
    x, y = case.data()
    forward = torch.compile(network) if compiled else network
    loss = torch.compile(network.loss) if compiled else network.loss
    optimize = optimizer(network, case.recipe)
    clips, labels = torch.from_numpy(x), torch.from_numpy(y)

    def train() -> None:
        optimize.zero_grad(set_to_none=True)
        loss(clips, labels).backward()
        optimize.step()

    def infer() -> np.ndarray:
        with torch.inference_mode():
            return forward(torch.from_numpy(x)).numpy()

    network.train(case.what == "train")
    return train if case.what == "train" else infer


def ways(case: Case) -> dict[str, tuple[bool, bool, int]]:
    """Modes of the twin by name: channels last, compiled, number of threads."""
    import torch

    layouts = {"contiguous": (False, False)}
    if case.model == "sta_lstm":  # no convolutions
        layouts["compiled"] = (False, True)
    else:
        layouts |= {"channels last": (True, False), "channels last, compiled": (True, True)}
    threads = sorted({1, torch.get_num_threads()})
    return {
        f"{name}, threads: {n}": (*layout, n)
        for (name, layout), n in product(layouts.items(), threads)
    }


def twin(case: Case, seconds: float, way: str = "") -> tuple[float, str]:
    """Clips per second of the twin, and its mode; by default the fastest mode is used."""
    import torch

    found = ways(case)

    def run(name: str, clock: Clock) -> float:
        *choices, threads = found[name]
        torch.set_num_threads(threads)
        return clock.time(twin_step(case, *choices))

    if not way:
        tried = {}
        for name in found:
            try:
                tried[name] = run(name, Clock(TRY_SECONDS, TRY_SECONDS / 2))
            except Exception as error:  # e.g. torch.compile without a C++ compiler
                print(f"skipped {name}: {type(error).__name__}", file=sys.stderr)
        way = min(tried, key=tried.__getitem__)
    return case.batch / run(way, Clock(seconds)), way


def table(found: dict[Case, dict[str, list[float]]]) -> Iterator[str]:
    """Yields the lines of the table: one for each runtime of a case."""
    yield (
        "| network | what | batch | keras_skeleton, clips/s | PyTorch twin, clips/s "
        "| ratio per round | goal |"
    )
    yield "|---|---|---|---|---|---|---|"
    for case, rates in found.items():
        for peer in rates:
            if peer == "twin":
                continue
            title = case.title if peer == "ours" else f"{case.title}, {PEERS[peer]}"
            both = ["not installed", "-"]
            if "twin" in rates:
                both = [cell(rates["twin"]), ratios(rates[peer], rates["twin"], 2)]
            cells = [title, case.what, str(case.batch), cell(rates[peer]), *both, str(case.goal)]
            yield f"| {' | '.join(cells)} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--model", action="append", choices=sorted({case.model for case in CASES}))
    parser.add_argument("--what", action="append", choices=("train", "infer"))
    parser.add_argument("--batch", action="append", type=int)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=10, help="set the time per measurement")
    parser.add_argument("--measure", nargs="+", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        peer, number, seconds, *way = options.measure
        measure = {"ours": ours, "fastest": partial(ours, runtime="fastest"), "twin": twin}[peer]
        print(json.dumps(measure(CASES[int(number)], float(seconds), *way)))
        return

    found: dict[Case, dict[str, list[float]]] = {}
    for number, case in enumerate(CASES):
        if case.model not in (options.model or [case.model]):
            continue
        if case.what not in (options.what or [case.what]):
            continue
        if case.batch not in (options.batch or [case.batch]):
            continue
        peers = ["ours", *(["fastest"] if case.what == "infer" else [])]
        peers += ["twin"] if find_spec("torch") else []
        rates = found.setdefault(case, {peer: [] for peer in peers})
        ways: dict[str, str] = {}  # the twin's fastest mode is determined once
        for _, peer in product(range(options.rounds), peers):
            known = [ways[peer]] if ways.get(peer) else []
            rate, how = in_own_process(__file__, peer, number, options.seconds, *known)
            ways[peer] = how
            rates[peer].append(rate)
            line = f"{case.title}, {case.what}, {case.batch}: {PEERS[peer]} {rate:.0f} clips/s"
            print(f"{line} ({how})" if how else line, flush=True)

    print(f"\n{machine('tensorflow', 'keras', 'torch')}\n")
    print("Median over the rounds (lowest to highest)\n")
    print("\n".join(table(found)))


if __name__ == "__main__":
    main()
