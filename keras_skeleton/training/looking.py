"""What the networks of a finished run attend to, as tables and pictures.

RUN/fold_01/attention.csv   shares on the joints and frames that carry the actions, where known
RUN/fold_01/parts.csv       weights of the body parts, of networks that have them
RUN/attention/NAME.png      the first test clip of some classes
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import keras
import numpy as np

from keras_skeleton.datasets.dataset import Fold
from keras_skeleton.datasets.synthetic import informative_frames, informative_joints
from keras_skeleton.evaluation.attention import attention_shares
from keras_skeleton.files import plain_name
from keras_skeleton.models import MODELS, attention_maps
from keras_skeleton.pipeline import ClipInputs
from keras_skeleton.plots import attention_on_frames, attention_strip_figure, save_figure
from keras_skeleton.training.parts import draw_parts, part_table, weigh_parts
from keras_skeleton.weights import load_weights

if TYPE_CHECKING:
    from keras_skeleton.training.experiment import Experiment

PICTURES = 6  # each of another class
BATCH = 64


def looked_at(run: Experiment, number: int) -> bool:
    """Whether what belongs to a fold is there."""
    folder = run.fold_folder(number)
    if run.videos is not None:
        return (folder / "parts.csv").exists()
    known = "informative_joints" in run.dataset.extras
    pictures = (run.folder / "attention").exists()
    return pictures and (not known or (folder / "attention.csv").exists())


def look_at(run: Experiment, numbers: Sequence[int]) -> None:
    """Scores what these folds' selected networks attend to, and draws the last one's."""
    model = run.build(**(run.recipe.stages[-1].model if run.recipe.stages else {}))
    inputs = run.inputs(model)
    score = score_frames if run.videos is None else score_parts
    draw = draw_frames if run.videos is None else draw_crops
    for number in numbers:
        load_weights(model, run.fold_folder(number) / "best.weights.h5")
        score(run, model, inputs, number)
    draw(run, model, inputs, first_clips(run.folds[numbers[-1] - 1], inputs.labels))


def first_clips(fold: Fold, labels: np.ndarray) -> np.ndarray:
    """The first test clip of some classes."""
    own = labels[fold.test]
    return np.array([fold.test[np.argmax(own == label)] for label in np.unique(own)[:PICTURES]])


# ---------------------------------------------------------------- joints and frames


def attention(
    run: Experiment, model: keras.Model, inputs: ClipInputs, clips: np.ndarray
) -> list[dict[str, np.ndarray]]:
    """Attention at each clip's own frames: `"joints"` (T, K), `"frames"` (T,), as there are."""
    result = []
    for some in np.array_split(clips, -(-len(clips) // BATCH)):
        maps = attention_maps(model, inputs.batch(some))
        for b, i in enumerate(some):
            length = int(run.dataset.samples["frames"].iloc[i])
            rows = MODELS[run.model].rows(length, run.frames, **run.recipe.read)
            result.append(
                {
                    name: attention_on_frames(values[b], rows, length)
                    for name, values in maps.items()
                    if name in ("joints", "frames")
                }
            )
    return result


def score_frames(run: Experiment, model: keras.Model, inputs: ClipInputs, number: int) -> None:
    """Writes attention.csv, where it is known what carries the actions."""
    dataset, test = run.dataset, run.folds[number - 1].test
    if "informative_joints" not in dataset.extras:
        return
    maps = attention(run, model, inputs, test)
    if not maps[0]:
        return
    table = attention_shares(
        [dataset.clip(i) for i in test],
        dataset.labels[test],
        dataset.classes,
        maps,
        [informative_joints(dataset, i) for i in test],
        [informative_frames(dataset, i) for i in test],
    )
    table.to_csv(run.fold_folder(number) / "attention.csv", index=False, float_format="%.4f")


def draw_frames(run: Experiment, model: keras.Model, inputs: ClipInputs, clips: np.ndarray) -> None:
    """Draws the frame attention of clips, above their poses."""
    dataset = run.dataset
    for i, maps in zip(clips, attention(run, model, inputs, clips), strict=True):
        if "frames" not in maps:
            return
        row = dataset.samples.iloc[i]
        interval = None
        if "action_start" in row:
            interval = (row["action_start"], row["action_end"] - 1)
        label = dataset.classes[row["label"]]
        try:
            figure = attention_strip_figure(
                dataset.clip(i),
                dataset.skeleton,
                maps["frames"],
                title=f"{run.model} on {dataset.name}: '{label}', test clip {row['name']}",
                interval=interval,
                fps=dataset.info.get("fps"),
                unit=dataset.info.get("unit", "m"),
            )
        except ValueError as error:  # a clip without a body: no reason to lose the run
            run.say(f"no picture of {row['name']}: {error}")
            continue
        save_figure(figure, run.folder / "attention" / f"{plain_name(row['name'])}.png")


# ---------------------------------------------------------------- body parts


def score_parts(run: Experiment, model: keras.Model, inputs: ClipInputs, number: int) -> None:
    """Writes parts.csv, where the network weighs parts."""
    test = run.folds[number - 1].test
    weights = weigh_parts(model, inputs, test, run.recipe.batch_size)
    if weights is not None:
        table = part_table(run.dataset, test, weights)
        table.to_csv(run.fold_folder(number) / "parts.csv", index=False, float_format="%.4f")


def draw_crops(run: Experiment, model: keras.Model, inputs: ClipInputs, clips: np.ndarray) -> None:
    """Draws the crops of clips, with the weights of their parts."""
    assert run.videos is not None
    weights = weigh_parts(model, inputs, clips, run.recipe.batch_size)
    for k, i in enumerate(clips):
        name = plain_name(str(run.dataset.samples["name"].iloc[i]))
        path = run.folder / "attention" / f"{name}.png"
        own = None if weights is None else weights[k]
        draw_parts(run.dataset, run.videos, i, own, run.model, path)
