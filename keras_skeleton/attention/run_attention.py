"""Attention of the networks of a finished run, as tables and figures.

    RUN/fold_01/attention.csv   share of attention on the joints and frames that carry the actions,
                                if these are known
    RUN/fold_01/parts.csv       attention weights of body parts, for networks that have them
    RUN/attention/NAME.png      attention to the first test clip of some classes

`attend_to_clip` collects predictions and attention of one clip.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pandas as pd

from keras_skeleton.attention.attended import attend
from keras_skeleton.attention.parts import draw_parts, part_table
from keras_skeleton.attention.shares import attention_shares
from keras_skeleton.dataset_recognizer import DatasetRecognizer, action_frames
from keras_skeleton.datasets.dataset import Fold, SkeletonDataset
from keras_skeleton.datasets.synthetic.dataset import informative_frames, informative_joints
from keras_skeleton.distributed.devices import current
from keras_skeleton.evaluation.report import write_report
from keras_skeleton.recognizer import Recognizer
from keras_skeleton.training.experiment import Experiment
from keras_skeleton.utils.files import plain_name
from keras_skeleton.utils.tables import write_table
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
        >>> from keras_skeleton.attention.run_attention import write_run_report
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
    # The last fold's table comes last, and the folder of the figures has its name when it is
    # complete: an interrupted run draws them again.
    for number in numbers:
        recognizer = DatasetRecognizer.of_run(run, number, network)
        if number == numbers[-1]:
            clips = first_clips(run.folds[number - 1], recognizer.inputs.labels)
            with _complete(run.folder / "attention") as folder:
                draw(run, recognizer, clips, folder)
        score(run, recognizer, number)


@contextmanager
def _complete(folder: Path) -> Iterator[Path]:
    """A folder for files that are moved to `folder` when all are there."""
    part = folder.with_name(f".{folder.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    yield part
    if folder.is_dir() and part.is_dir():
        for path in part.iterdir():
            path.replace(folder / path.name)
        part.rmdir()
    elif part.is_dir():
        part.replace(folder)


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
    write_table(table, run.fold_folder(number) / "attention.csv", index=False, float_format="%.4f")


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


def draw_frames(
    run: Experiment, recognizer: DatasetRecognizer, clips: np.ndarray, folder: Path
) -> None:
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
        save_figure(figure, folder / f"{plain_name(name)}.png")


# ---------------------------------------------------------------- one clip


def attend_to_clip(run: Experiment, recognizer: Recognizer, number: int, i: int) -> AttendedClip:
    """Collects a clip of an experiment with a network's predictions and attention.

    Args:
        run: An experiment whose model has no video inputs.
        recognizer: A network trained in it.
        number: Fold on which the weights were trained, counted from 1.
        i: Index of the clip.
    """
    dataset, row = run.dataset, run.dataset.samples.iloc[i]
    part = next(
        (name for name, clips in run.folds[number - 1]._asdict().items() if i in clips), "unused"
    )
    fps = dataset.info.get("fps")
    about = {
        "model": run.model,
        "weights": recognizer.name,
        "dataset": f"{dataset.name}, {run.protocol}"
        + (f", fold {number}" if len(run.folds) > 1 else ""),
        "clip": f"{part}, {row['frames']} frames" + (f", {fps:g} fps" if fps else ""),
    }
    return attend(
        recognizer,
        dataset.clip(i),
        str(row["name"]),
        label=int(row["label"]),
        interval=action_frames(row),
        fps=fps,
        about=about,
    )


# ---------------------------------------------------------------- body parts


def score_parts(run: Experiment, recognizer: DatasetRecognizer, number: int) -> None:
    """Writes `parts.csv`, if the network has body-part attention."""
    weights = recognizer.part_weights(recognizer.test)
    if weights is not None:
        table = part_table(run.dataset, recognizer.test, weights)
        write_table(table, run.fold_folder(number) / "parts.csv", index=False, float_format="%.4f")


def draw_crops(
    run: Experiment, recognizer: DatasetRecognizer, clips: np.ndarray, folder: Path
) -> None:
    """Draws the crops of clips with their part weights."""
    assert run.crops is not None
    weights = recognizer.part_weights(clips)
    for k, i in enumerate(clips.tolist()):
        name = plain_name(str(run.dataset.samples["name"].iloc[i]))
        own = None if weights is None else weights[k]
        figure = draw_parts(run.dataset, run.crops, i, own, recognizer.title(i))
        save_figure(figure, folder / f"{name}.png")
