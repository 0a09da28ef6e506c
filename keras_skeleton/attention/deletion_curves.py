"""Class probabilities of a network while frames or joints of clips are deleted and inserted.

Frames and joints are those of the original clip. The network's input has other rows: MANs resizes a
clip to 50 rows, CSTA-CNN samples 30 frames. Attention and saliency are resampled from these rows to
the clip's frames by the same rule (`attention_on_frames`). Deleting a frame deletes the rows that
are nearest to it. Deletion works in the network's input coordinates: in camera coordinates, fixing
the hip would move all joints of a network that uses the hip as origin.

Joints have one weight per clip, the mean over its frames.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from keras_skeleton.attention.deletion import (
    area,
    importance_order,
    keep_frames,
    keep_joints,
    kept_after,
    mean_pose,
    shifted,
    there,
)
from keras_skeleton.attention.saliency import input_gradient, saliency
from keras_skeleton.attention.score_table import GUIDES
from keras_skeleton.evaluation.scores import softmax
from keras_skeleton.models.attention_maps import attention_on_frames
from keras_skeleton.models.registry import MODELS
from keras_skeleton.training.experiment import Experiment

RESTING = 1000  # maximum number of training clips in the mean pose
BATCH = 32  # batch size of gradients

Maps = list[dict[str, np.ndarray]]
"""One dictionary per clip with `"frames"` (T,) and `"joints"` (T, K), as far as available."""


def baseline(guide: str, kind: str) -> str:
    """The baseline of an order: for frames the same curve shifted in time, for joints a random
    order."""
    return f"{guide}_shifted" if kind == "frames" else "random"


@dataclass(frozen=True)
class Curves:
    """Deletion and insertion curves of n clips.

    Attributes:
        kind: `"frames"` or `"joints"`.
        probability: Probability of the true class, (n, F) at the F fractions of
            `deletion.FRACTIONS`, by order (`attention`, `saliency`, `random`; for frames also
            `attention_shifted`, `saliency_shifted`) and way (`deletion`, `insertion`).
        correct: Whether the true class is predicted, (n, F), by order and way; averaged over
            draws for random and shifted orders.
    """

    kind: str
    probability: Mapping[tuple[str, str], np.ndarray]
    correct: Mapping[tuple[str, str], np.ndarray]

    def gain(self, guide: str, way: str, over: str | None = None) -> np.ndarray:
        """Area between the curves of a guide and of its baseline (or of the order `over`), (n,).

        Positive values mean that the guide is better: lower in deletion, higher in insertion.
        """
        own = self.probability[guide, way]
        other = self.probability[over or baseline(guide, self.kind), way]
        return area(other - own if way == "deletion" else own - other)


class View:
    """A network and its inputs, arranged as rows (frames) and columns (joints).

    Args:
        run: The experiment.
        number: Fold whose training clips define the mean pose, counted from 1.

    Attributes:
        model: The network, with new weights.
        inputs: Preprocessed inputs of all clips.
        shape: Shape of one clip's input.
        rest: Mean pose of the training clips, (K, 3).
    """

    def __init__(self, run: Experiment, number: int) -> None:
        self.run = run
        arguments = run.recipe.stages[-1].model if run.recipe.stages else {}
        self.model = run.build(any_length=True, **arguments)
        self.model.compile(jit_compile=False)  # XLA would compile for every clip length
        self.inputs = run.inputs(self.model)
        shape = self.inputs.shape
        assert isinstance(shape, tuple)  # `check_scorable` excludes networks with video inputs
        self.shape = shape
        train = run.folds[number - 1].train
        known = train[:: -(-len(train) // RESTING)]
        self.rest = mean_pose([self.clip(i)[self.shown(i)] for i in known])

    def clip(self, i: int) -> np.ndarray:
        """The network's input of clip `i`, float32 (R, K, 3), with R rows including padding."""
        batch = np.asarray(self.inputs.batch(np.array([i])))
        return batch.reshape(batch.shape[1], -1, batch.shape[-1])

    def length(self, i: int) -> int:
        """Number of frames T of clip `i`."""
        return int(self.run.dataset.samples["frames"].iloc[i])

    def rows(self, i: int) -> np.ndarray:
        """The clip's frame that each row shows, float (R,); NaN for padding."""
        entry = MODELS[self.run.model]
        return entry.input_frame_index(
            self.length(i), self.run.frames, **self.run.recipe.preprocessing
        )

    def shown(self, i: int) -> np.ndarray:
        """Indices of the rows that are not padding."""
        return np.flatnonzero(np.isfinite(self.rows(i)))

    def saliency(self, clips: np.ndarray) -> Maps:
        """Gradient saliency resampled to the clips' frames; see `attention.saliency`."""
        gradient = input_gradient(self.model)
        entry, run, result = MODELS[self.run.model], self.run, []
        for some in np.array_split(clips, -(-len(clips) // BATCH)):
            batch = np.asarray(self.inputs.batch(some))
            shape = (*batch.shape[:2], -1, batch.shape[-1])
            found = gradient(batch).reshape(shape)
            batch = batch.reshape(shape)
            values = np.where(there(batch), saliency(found, batch, self.rest), 0.0)
            for b, i in enumerate(some):
                rows, T = self.rows(i), self.length(i)
                steps = entry.frame_index(T, run.frames, **run.recipe.preprocessing)
                read = np.where(np.isin(rows, steps), rows, np.nan)  # NaN for unused rows
                joints = attention_on_frames(values[b], read, T)
                result.append({"joints": joints, "frames": joints.sum(axis=1)})
        return result

    def curves(
        self, kind: str, clips: np.ndarray, maps: Maps, gradients: Maps, seed: int, draws: int
    ) -> Curves:
        """Computes deletion and insertion curves of clips.

        Args:
            kind: `"frames"` or `"joints"`.
            clips: Indices of the clips.
            maps: Attention to the clips.
            gradients: Saliency of the clips.
            seed: Seed of the random and shifted orders.
            draws: Number of random and of shifted orders per clip.
        """
        probability: dict[tuple[str, str], list[np.ndarray]] = {}
        correct: dict[tuple[str, str], list[np.ndarray]] = {}
        for k, i in enumerate(clips):
            rng = np.random.default_rng((seed, int(i)))
            values = {"attention": maps[k][kind], "saliency": gradients[k][kind]}
            logits = self._after(kind, int(i), values, rng, draws)
            label = self.inputs.labels[i]
            for key, found in logits:
                chance = softmax(found)[..., label]  # (draws, F)
                right = found.argmax(axis=-1) == label
                probability.setdefault(key, []).append(chance.mean(axis=0))
                correct.setdefault(key, []).append(right.mean(axis=0))
        return Curves(
            kind,
            {key: np.stack(v) for key, v in probability.items()},
            {key: np.stack(v) for key, v in correct.items()},
        )

    def _after(
        self,
        kind: str,
        i: int,
        values: Mapping[str, np.ndarray],
        rng: np.random.Generator,
        draws: int,
    ) -> Iterator[tuple[tuple[str, str], np.ndarray]]:
        """Yields each (order, way) with the logits of clip `i`, (draws, F, classes)."""
        units = np.arange(self.length(i))
        if kind == "joints":
            units = np.flatnonzero(there(self.clip(i)[self.shown(i)]).any(axis=0))
            values = {guide: found[:, units].mean(axis=0) for guide, found in values.items()}

        def ordered(tries: np.ndarray) -> list[np.ndarray]:
            return [importance_order(one, rng) for one in tries]

        orders = {guide: ordered(values[guide][None]) for guide in GUIDES}
        if kind == "frames":
            for guide in GUIDES:
                orders[f"{guide}_shifted"] = ordered(shifted(values[guide], draws, rng))
        orders["random"] = [rng.permutation(len(units)) for _ in range(draws)]

        # Insertion is deletion in the reverse order; a reversed random order is random as well.
        deleted = {(name, "deletion"): some for name, some in orders.items()}
        deleted |= {
            (name, "insertion"): [order[::-1] for order in some]
            for name, some in orders.items()
            if name != "random"
        }
        kept = [kept_after(order)[1:-1] for some in deleted.values() for order in some]
        whole, nothing, *inner = self._predict(kind, i, units, np.concatenate(kept))
        curve = np.reshape(inner, (len(kept), -1, len(whole)))
        ends = [np.broadcast_to(end, (len(kept), 1, len(end))) for end in (whole, nothing)]
        curve = np.concatenate([ends[0], curve, ends[1]], axis=1)  # (orders, F, classes)
        at = 0
        for (name, way), some in deleted.items():
            found = curve[at : at + len(some)]
            at += len(some)
            yield (name, way), found if way == "deletion" else found[:, ::-1]
            if name == "random":
                yield (name, "insertion"), found[:, ::-1]

    def _predict(self, kind: str, i: int, units: np.ndarray, kept: np.ndarray) -> np.ndarray:
        """Logits of clip `i`, (2 + N, classes): of the whole clip, with everything deleted, and
        for each row of `kept` (N, units)."""
        ends = np.stack([np.ones(len(units), bool), np.zeros(len(units), bool)])
        kept = np.concatenate([ends, kept])
        clip, shown = self.clip(i), self.shown(i)
        if kind == "frames":
            rows = np.rint(self.rows(i)[shown]).astype(int)
            copies = keep_frames(clip[shown], kept[:, rows], self.rest)
        else:
            columns = np.ones((len(kept), clip.shape[1]), bool)
            columns[:, units] = kept
            copies = keep_joints(clip[shown], columns, self.rest)
        if MODELS[self.run.model].sequence:  # padding at the end has no effect but costs time
            clip = clip[: shown[-1] + 1]
        batch = np.repeat(clip[None], len(kept), axis=0)
        batch[:, shown] = copies
        batch = batch.reshape(*batch.shape[:2], *self.shape[1:])
        return np.asarray(self.model.predict_on_batch(batch))
