"""The swap test: classify test clips with attention that is not their own.

A network whose attention says something about a clip should suffer if it is given the attention of
another one. Attention is exchanged inside the network (`with_given_attention`); everything else is
computed from the clip itself:

    other      the attention of a random test clip of another class; the mean of several draws
    mean       the mean attention of the training clips at each position
    uniform    the clip's own attention, averaged: over frames for frame attention (so frame gates
               keep their mean), over joints for joint attention (a softmax becomes 1 / K), over
               parts for body parts
    reversed   the clip's own attention, last frame first; frame attention only

Kinds of attention (joints, frames) are exchanged one by one and together. CSTA-CNN's attention is
that of both streams. A network with views is tested on the middle one.

Clips differ in length, and a map has one value per step of the network's time axis. So a map is
resampled linearly from the steps that show the other clip to those that show this one: first step
on first, last on last. Steps without data stay 0 in networks that mask them (`FrameMask`); in
others (MANs pads its image at both ends) they get the value of the nearest step that shows the
clip.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
import pandas as pd

from keras_skeleton.attention.faithfulness import NotScoredError, some_test_clips
from keras_skeleton.checkpoints.weights import load_weights
from keras_skeleton.evaluation.swap_test import BOTH, COLUMNS
from keras_skeleton.layers.sequence import FrameMask
from keras_skeleton.models.attention_maps import (
    attention_layers,
    is_coupled,
    with_given_attention,
)
from keras_skeleton.training.experiment import Experiment

Arrays = Mapping[str, np.ndarray]
BATCH = 32
TRAINING = 500  # maximum number of training clips in the mean


@dataclass(frozen=True)
class _Axes:
    """Axes of the output of an attention layer for one clip: time (None: there is none), and what
    uniform attention is equal over."""

    time: int | None
    equal: int


def _axes(kind: str, coupled: bool) -> _Axes:
    if kind == "parts":
        return _Axes(None, 0)
    if coupled:  # joints (M, V), frames (M, T)
        return _Axes(1 if kind == "frames" else None, 1)
    return _Axes(0, 0 if kind == "frames" else 1)  # joints (T, K); frames (T,) or (T, 3)


def stretched(values: np.ndarray, shown: np.ndarray, onto: np.ndarray) -> np.ndarray:
    """Resamples a map from the steps that show one clip to those that show another.

    Args:
        values: Map of one clip, (S, ...).
        shown: Steps that show this clip, bool (S,).
        onto: Steps that show the other clip, bool (R,).

    Returns:
        The map, (R, ...). Steps before the first and after the last of `onto` have the value of the
        nearest one.

    Example:
        >>> import numpy as np
        >>> from keras_skeleton.attention.swap import stretched
        >>> values = np.array([9.0, 0.0, 1.0, 9.0])  # steps 1 and 2 show a clip of two frames
        >>> shown = np.array([False, True, True, False])
        >>> stretched(values, shown, onto=np.array([True, True, True, False])).tolist()
        [0.0, 0.5, 1.0, 1.0]
    """
    return _at(values, shown, _places(onto, np.arange(len(onto))))


def _places(shown: np.ndarray, steps: np.ndarray) -> np.ndarray:
    """Positions of steps relative to the first (0) and last (1) step that shows a clip."""
    there = np.flatnonzero(shown) if shown.any() else np.arange(len(shown))
    return (steps - there[0]) / max(there[-1] - there[0], 1)


def _at(values: np.ndarray, shown: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Values of a map at relative positions, (len(places), ...)."""
    there = np.flatnonzero(shown) if shown.any() else np.arange(len(shown))
    own = _places(shown, there)
    table = values[there].reshape(len(there), -1).astype(np.float64)
    found = np.stack([np.interp(places, own, column) for column in table.T], axis=1)
    return found.reshape(len(places), *values.shape[1:])


@dataclass(frozen=True)
class _Map:
    """Output of an attention layer for one clip, time axis first if there is one.

    Attributes:
        values: (S, ...) or, without time, (K,) or (M, V).
        axes: Axes of the layer's output.
        shown: Steps that show the clip, bool (S,); None without a time axis.
        masked: Whether the network keeps all other steps at 0.
    """

    values: np.ndarray
    axes: _Axes
    shown: np.ndarray | None
    masked: bool

    def output(self, values: np.ndarray) -> np.ndarray:
        """Values as the layer would put them out."""
        if self.shown is None or self.axes.time is None:
            return values
        if self.masked:
            values = np.where(self.shown.reshape(-1, *[1] * (values.ndim - 1)), values, 0)
        return np.moveaxis(values, 0, self.axes.time)

    def given(self, values: np.ndarray, shown: np.ndarray | None) -> np.ndarray:
        """The attention of another clip, resampled to this one's steps."""
        if self.shown is None or shown is None:
            return values
        return self.output(stretched(values, shown, self.shown))

    def uniform(self) -> np.ndarray:
        """The attention, averaged over what it could tell apart."""
        values = self.output(self.values)
        if self.shown is None or self.axes.equal != self.axes.time:
            mean = values.mean(axis=self.axes.equal, keepdims=True)
            return np.broadcast_to(mean, values.shape)
        mean = self.values[self._there()].mean(axis=0, keepdims=True)
        return self.output(np.broadcast_to(mean, self.values.shape))

    def reversed(self) -> np.ndarray:
        """The attention with the last step that shows the clip first."""
        there = self._there()
        values = self.values.copy()
        values[there] = values[there[::-1]]
        return self.output(values)

    def _there(self) -> np.ndarray:
        assert self.shown is not None
        return np.flatnonzero(self.shown) if self.shown.any() else np.arange(len(self.shown))


Maps = Mapping[str, _Map]
"""Of one clip, by name of the layer."""


class _Network:
    """A network whose attention can be exchanged, with the inputs of a dataset's clips."""

    def __init__(self, run: Experiment, model: keras.Model) -> None:
        self.run, self.model = run, model
        self.inputs = run.inputs(model)
        layers = attention_layers(model)
        self.kinds: dict[str, tuple[str, ...]] = dict(layers)
        if len(layers) > 1:
            self.kinds[BOTH] = tuple(name for names in layers.values() for name in names)
        coupled = is_coupled(model)
        self.axes = {name: _axes(kind, coupled) for kind, names in layers.items() for name in names}
        self.masks = any(isinstance(layer, FrameMask) for layer in model.layers)
        self.batch_size = BATCH if run.videos is None else run.recipe.batch_size

    def read(self, clips: np.ndarray) -> Iterator[tuple[Maps, int]]:
        """Yields the maps of each clip, and the class that the network says."""
        outputs = [self.model.get_layer(name).output for name in self.axes]
        reads = _compiled(keras.Model(self.model.input, [*outputs, self.model.output]))
        for some, x in self._batches(clips):
            *maps, logits = self._predict(reads, x)
            for b, i in enumerate(some):
                own = zip(self.axes.items(), maps, strict=True)
                yield (
                    {name: self._map(int(i), x[0][b], v[b], axes) for (name, axes), v in own},
                    int(np.argmax(logits[b])),
                )

    def answers(self, network: keras.Model, clips: np.ndarray, maps: list[Arrays]) -> np.ndarray:
        """Classes that a network of `with_given_attention` says, given the outputs of its layers
        for each clip."""
        found, at = [], 0
        for some, x in self._batches(clips):
            own = maps[at : at + len(some)]
            at += len(some)
            given = [np.stack([one[name] for one in own]).astype(np.float32) for name in own[0]]
            (logits,) = self._predict(network, [*x, *given])
            found.append(np.argmax(logits, axis=-1))
        return np.concatenate(found)

    def _map(self, i: int, x: np.ndarray, values: np.ndarray, axes: _Axes) -> _Map:
        if axes.time is None:
            return _Map(values, axes, None, masked=False)
        values = np.moveaxis(values, axes.time, 0)
        steps = len(values)
        if self.masks and len(x) == steps:
            shown = np.any(x != 0, axis=tuple(range(1, x.ndim)))
            return _Map(values, axes, shown, masked=True)
        run = self.run
        length = int(run.dataset.samples["frames"].iloc[i])
        rows = run.entry.frame_index(length, run.frames, **run.recipe.preprocessing)
        shown = np.isfinite(rows) if len(rows) == steps else np.ones(steps, bool)
        return _Map(values, axes, shown, masked=False)

    def _batches(self, clips: np.ndarray) -> Iterator[tuple[np.ndarray, list[np.ndarray]]]:
        for some in np.array_split(clips, -(-len(clips) // self.batch_size)):
            batch = self.inputs.batch(some)
            yield some, [np.asarray(x) for x in keras.tree.flatten(batch)]

    def _predict(self, model: keras.Model, x: list[np.ndarray]) -> list[np.ndarray]:
        """Outputs of a batch. All batches have one size, so that nothing is traced twice."""
        n = len(x[0])
        whole = [np.resize(one, (self.batch_size, *one.shape[1:])) for one in x]
        outputs = model.predict_on_batch(keras.tree.pack_sequence_as(model.input, whole))
        return [keras.ops.convert_to_numpy(o)[:n] for o in keras.tree.flatten(outputs)]


def _compiled(model: keras.Model) -> keras.Model:
    model.compile(jit_compile=False)
    return model


def swap_fold(
    run: Experiment,
    weights: Path,
    number: int,
    seed: int = 0,
    draws: int = 3,
    most: int | None = None,
) -> pd.DataFrame:
    """Runs the swap test of a trained network on the test clips of a fold.

    Args:
        run: The experiment of the network.
        weights: Weights file.
        number: Fold number, counted from 1.
        seed: Seed of the choice of other clips, and of the subset of clips.
        draws: Number of other clips for each clip.
        most: Maximum number of test clips; all by default.

    Returns:
        The table of `swap_test`.

    Raises:
        NotScoredError: If the network has no attention.
    """
    arguments = run.recipe.stages[-1].model if run.recipe.stages else {}
    model = run.build(any_length=run.videos is None, **arguments)
    if not attention_layers(model):
        raise NotScoredError("the network has no attention")
    load_weights(model, weights)
    return swap_test(run, model, number, some_test_clips(run, number, most, seed), seed, draws)


def swap_test(
    run: Experiment,
    model: keras.Model,
    number: int,
    clips: np.ndarray,
    seed: int = 0,
    draws: int = 3,
) -> pd.DataFrame:
    """Classifies clips with attention that is not their own.

    Each kind of attention (joints, frames, parts) is exchanged alone, then all together, for

        other      the attention of a random test clip of another class
        mean       the mean attention of the training clips at each position
        uniform    the clip's own attention, averaged over frames, joints or parts
        reversed   the clip's own attention, last frame first; attention to frames only

    Everything else in the network is computed from the clip itself.

    Args:
        run: The experiment of the network.
        model: The network, with its weights; it is not changed.
        number: Fold, counted from 1; its training clips give the mean attention.
        clips: Indices of the test clips.
        seed: Seed of the choice of other clips.
        draws: Number of other clips for each clip.

    Returns:
        One row per clip, kind of attention and swap; see `evaluation.swap_test.summarize`. Empty
        for a network without attention. Without training clips there is no swap `mean`, with clips
        of one class no swap `other`.

    Example:
        >>> from keras_skeleton.attention.swap import swap_test
        >>> from keras_skeleton.evaluation.swap_test import summarize
        >>> found = swap_test(experiment, model, 1, experiment.folds[0].test)  # doctest: +SKIP
        >>> summarize(found)[["kind", "swap", "cost", "low", "high"]]  # doctest: +SKIP
    """
    network, clips = _Network(run, model), np.asarray(clips)
    if not network.kinds or not len(clips):
        return pd.DataFrame(columns=list(COLUMNS))
    read = list(network.read(clips))
    maps, said = [own for own, _ in read], np.array([answer for _, answer in read])
    labels = network.inputs.labels[clips]
    train = run.folds[number - 1].train
    means = _mean_maps(network, train[:: max(-(-len(train) // TRAINING), 1)])
    others = _others(labels, draws, seed)

    tables = []
    for kind, names in network.kinds.items():
        exchanged = _compiled(with_given_attention(model, names))
        for swap, tries in _swaps(kind, names, maps, means, others).items():
            found = [network.answers(exchanged, clips, given) for given in tries]
            tables.append(
                pd.DataFrame(
                    {
                        "clip": run.dataset.samples["name"].iloc[clips].to_numpy(),
                        "kind": kind,
                        "swap": swap,
                        "own": (said == labels).astype(float),
                        "swapped": np.mean([answer == labels for answer in found], axis=0),
                        "changed": np.mean([answer != said for answer in found], axis=0),
                    }
                )
            )
    return pd.concat(tables, ignore_index=True)


def _swaps(
    kind: str,
    names: Sequence[str],
    maps: Sequence[Maps],
    means: Mapping[str, tuple[np.ndarray, np.ndarray | None]] | None,
    others: np.ndarray | None,
) -> dict[str, list[list[Arrays]]]:
    """For each swap its draws; for each draw and clip the outputs of the layers `names`."""

    def every(make: Callable[[int, str], np.ndarray]) -> list[Arrays]:
        return [{name: make(k, name) for name in names} for k in range(len(maps))]

    def of_other(other: np.ndarray) -> list[Arrays]:
        def make(k: int, name: str) -> np.ndarray:
            them = maps[other[k]][name]
            return maps[k][name].given(them.values, them.shown)

        return every(make)

    swaps = {}
    if others is not None:
        swaps["other"] = [of_other(other) for other in others]
    if means is not None:
        swaps["mean"] = [every(lambda k, name: maps[k][name].given(*means[name]))]
    swaps["uniform"] = [every(lambda k, name: maps[k][name].uniform())]
    if kind == "frames":
        swaps["reversed"] = [every(lambda k, name: maps[k][name].reversed())]
    return swaps


def _others(labels: np.ndarray, draws: int, seed: int) -> np.ndarray | None:
    """For each draw and clip a clip of another class, int (draws, n); None if there is none."""
    if len(np.unique(labels)) < 2:
        return None
    rng = np.random.default_rng(seed)
    candidates = {label: np.flatnonzero(labels != label) for label in np.unique(labels)}
    return np.array([[rng.choice(candidates[own]) for own in labels] for _ in range(draws)])


def _mean_maps(
    network: _Network, clips: np.ndarray
) -> dict[str, tuple[np.ndarray, np.ndarray | None]] | None:
    """Mean attention over clips at each relative position, by layer, as the values and shown steps
    of a clip that fills all steps; None without clips."""
    if not len(clips):
        return None
    total: dict[str, tuple[np.ndarray, np.ndarray | None]] = {}
    for maps, _ in network.read(clips):
        for name, own in maps.items():
            values, full = own.values, None
            if own.shown is not None:
                full = np.ones(len(own.shown), bool)
                values = stretched(values, own.shown, full)
            before = total[name][0] if name in total else np.float64(0)
            total[name] = (before + values / len(clips), full)
    return total
