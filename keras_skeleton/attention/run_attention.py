"""Attention of the networks of a finished run, as tables and figures.

    RUN/fold_01/attention.csv   share of attention on the joints and frames that carry the actions,
                                if these are known
    RUN/fold_01/parts.csv       attention weights of body parts, for networks that have them
    RUN/attention/NAME.png      attention to the first test clip of some classes

`attend_to_clip` collects predictions and attention of one clip.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import keras
import numpy as np
import pandas as pd

from keras_skeleton.attention.parts import draw_parts, part_table
from keras_skeleton.attention.shares import attention_shares
from keras_skeleton.dataset_recognizer import DatasetRecognizer, action_frames
from keras_skeleton.datasets.dataset import Fold, SkeletonDataset
from keras_skeleton.datasets.synthetic.dataset import informative_frames, informative_joints
from keras_skeleton.distributed import current
from keras_skeleton.evaluation.report import write_report
from keras_skeleton.evaluation.scores import softmax
from keras_skeleton.models.attention_maps import COUPLED_LAYERS
from keras_skeleton.training.experiment import Experiment
from keras_skeleton.transforms.geometry import present
from keras_skeleton.utils.errors import DatasetError
from keras_skeleton.utils.files import plain_name
from keras_skeleton.viz.attended_clip import AttendedClip
from keras_skeleton.viz.style import save_figure

PICTURES = 6  # one per class


def write_run_report(run: Experiment) -> str:
    """Writes attention tables, attention figures and the HTML report of a trained run.

    Attention that has already been written is not computed again.

    Args:
        run: An experiment with at least one finished fold.

    Returns:
        The table of accuracies, as text.

    Raises:
        ResultsError: If no fold is finished, or if files are missing or damaged.

    Example:
        >>> result = experiment.fit()  # doctest: +SKIP
        >>> print(write_run_report(experiment))  # doctest: +SKIP
    """
    finished = [k for k in range(1, len(run.folds) + 1) if run.finished(k)]
    with current().alone():
        if unseen := [k for k in finished if not has_attention(run, k)]:
            write_attention(run, unseen)
        return write_report(run.folder, run.folder)


def has_attention(run: Experiment, number: int) -> bool:
    """Whether the attention files of a fold exist."""
    folder = run.fold_folder(number)
    if run.videos is not None:
        return (folder / "parts.csv").exists()
    known = "informative_joints" in run.dataset.extras
    pictures = (run.folder / "attention").exists()
    return pictures and (not known or (folder / "attention.csv").exists())


def write_attention(run: Experiment, numbers: Sequence[int]) -> None:
    """Writes the attention tables of these folds' selected networks, and figures of the last."""
    score = score_frames if run.videos is None else score_parts
    draw = draw_frames if run.videos is None else draw_crops
    network = run.final_network()
    for number in numbers:
        recognizer = DatasetRecognizer.of_run(run, number, network)
        score(run, recognizer, number)
    draw(run, recognizer, first_clips(run.folds[numbers[-1] - 1], recognizer.inputs.labels))


def first_clips(fold: Fold, labels: np.ndarray) -> np.ndarray:
    """Indices of the first test clip of each of the first `PICTURES` classes."""
    own = labels[fold.test]
    return np.array([fold.test[np.argmax(own == label)] for label in np.unique(own)[:PICTURES]])


# ---------------------------------------------------------------- joints and frames


def score_frames(run: Experiment, recognizer: DatasetRecognizer, number: int) -> None:
    """Writes `attention.csv`, if the joints and frames that carry the actions are known."""
    if "informative_joints" not in run.dataset.extras:
        return
    maps = recognizer.attention(recognizer.test)
    if not maps[0]:
        return
    table = known_shares(run.dataset, recognizer.test, maps)
    table.to_csv(run.fold_folder(number) / "attention.csv", index=False, float_format="%.4f")


def known_shares(
    dataset: SkeletonDataset, clips: np.ndarray, maps: Sequence[Mapping[str, np.ndarray]]
) -> pd.DataFrame:
    """`attention_shares` for clips of a dataset with known informative joints and frames."""
    return attention_shares(
        [dataset.clip(i) for i in clips],
        dataset.labels[clips],
        classes=dataset.classes,
        maps=maps,
        informative_joints=[informative_joints(dataset, i) for i in clips],
        informative_frames=[informative_frames(dataset, i) for i in clips],
    )


def draw_frames(run: Experiment, recognizer: DatasetRecognizer, clips: np.ndarray) -> None:
    """Draws the frame attention of clips above their poses."""
    for i, maps in zip(clips.tolist(), recognizer.attention(clips), strict=True):
        if "frames" not in maps:
            return
        name = run.dataset.samples["name"].iloc[i]
        try:
            figure = recognizer.frame_attention_figure(i, maps["frames"])
        except ValueError as error:  # a clip without a body must not abort the run
            run.log(f"skipped the figure of {name}: {error}")
            continue
        save_figure(figure, run.folder / "attention" / f"{plain_name(name)}.png")


# ---------------------------------------------------------------- one clip

LENGTHS = 60  # maximum number of prefixes of a clip that are classified


def running_probabilities(run: Experiment, model: keras.Model, i: int) -> np.ndarray:
    """Class probabilities of clip `i` if it ended after each frame.

    Each prefix is classified as a clip of its own, so this works for any network. Of longer clips,
    `LENGTHS` prefixes are classified and the rest is interpolated linearly.

    Returns:
        Probabilities after each frame, float64 (T, C); NaN before the first frame with a body.

    Raises:
        DatasetError: If the clip has no body.
    """
    clip = run.dataset.clip(i)
    seen = np.flatnonzero(present(clip).any(axis=1))
    if not len(seen):
        raise DatasetError(f"clip '{run.dataset.samples['name'].iloc[i]}' has no body in any frame")
    read = run.entry.preprocess(run.dataset.skeleton, run.frames, **run.recipe.preprocessing)
    ends = np.arange(seen[0], len(clip))
    if len(ends) > LENGTHS:
        ends = np.unique(np.linspace(seen[0], len(clip) - 1, LENGTHS).round().astype(int))
    beginnings = np.stack([read(clip[: end + 1]) for end in ends])
    logits = keras.ops.convert_to_numpy(model.predict_on_batch(beginnings)).astype(np.float64)
    known = softmax(logits)
    every = np.arange(len(clip))
    running = np.stack([np.interp(every, ends, column) for column in known.T], axis=1)
    running[: seen[0]] = np.nan
    return running


def attend_to_clip(
    run: Experiment, model: keras.Model, number: int, i: int, weights: str
) -> AttendedClip:
    """Collects a clip with the network's predictions and attention.

    Args:
        run: An experiment whose model has no video inputs.
        model: The network, with its weights.
        number: Fold on which the weights were trained, counted from 1.
        i: Index of the clip.
        weights: Name of the weights, used in titles.
    """
    dataset, row = run.dataset, run.dataset.samples.iloc[i]
    (maps,) = DatasetRecognizer.of_network(run, model).attention([i])
    running = running_probabilities(run, model, i)
    part = next(
        (name for name, clips in run.folds[number - 1]._asdict().items() if i in clips), "unused"
    )
    fps = dataset.info.get("fps")
    about = {
        "model": run.model,
        "weights": weights,
        "dataset": f"{dataset.name}, {run.protocol}"
        + (f", fold {number}" if len(run.folds) > 1 else ""),
        "clip": f"{part}, {row['frames']} frames" + (f", {fps:g} fps" if fps else ""),
    }
    coupled = {layer.name for layer in model.layers} & set(COUPLED_LAYERS.values())
    return AttendedClip(
        clip=dataset.clip(i),
        skeleton=dataset.skeleton,
        classes=dataset.classes,
        label=int(row["label"]),
        probabilities=running[-1],
        name=str(row["name"]),
        about=about,
        joints=maps.get("joints"),
        frames=maps.get("frames"),
        running=running,
        interval=action_frames(row),
        fps=fps,
        unit=dataset.info.get("unit", "m"),
        note="This network's attention weights are signed; their absolute values in its position "
        "stream are shown."
        if coupled
        else "",
    )


# ---------------------------------------------------------------- body parts


def score_parts(run: Experiment, recognizer: DatasetRecognizer, number: int) -> None:
    """Writes `parts.csv`, if the network has body-part attention."""
    weights = recognizer.part_weights(recognizer.test)
    if weights is not None:
        table = part_table(run.dataset, recognizer.test, weights)
        table.to_csv(run.fold_folder(number) / "parts.csv", index=False, float_format="%.4f")


def draw_crops(run: Experiment, recognizer: DatasetRecognizer, clips: np.ndarray) -> None:
    """Draws the crops of clips with their part weights."""
    assert run.crops is not None
    weights = recognizer.part_weights(clips)
    for k, i in enumerate(clips.tolist()):
        name = plain_name(str(run.dataset.samples["name"].iloc[i]))
        own = None if weights is None else weights[k]
        figure = draw_parts(run.dataset, run.crops, i, own, recognizer.title(i))
        save_figure(figure, run.folder / "attention" / f"{name}.png")
