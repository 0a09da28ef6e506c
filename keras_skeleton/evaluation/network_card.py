"""What a trained network is good for and what not: facts about datasets, and its card in a report.

The model cards of the zoo (`zoo/card.py`) use the same facts. Needs neither Keras nor TensorFlow.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from keras_skeleton.evaluation.run_record import ALL_CLIPS
from keras_skeleton.utils.text import percent

MOST_NAMES = 20  # classes listed in a sentence
GOOD, WEAK = 0.9, 0.5  # recall and precision from which, and below which, a class is named
ENOUGH = 10  # test clips of a class of which something is said
FEW = 100  # test clips; with fewer, one clip changes the accuracy by more than a point


@dataclass(frozen=True)
class Data:
    """A dataset, for a card.

    Attributes:
        title: Name for people.
        content: What was recorded, of whom, by what.
        licence: Under which terms the recordings are published.
        citation: Citation; empty for our own data.
        limits: What a network that was trained on it cannot know.
    """

    title: str
    content: str
    licence: str
    citation: str
    limits: tuple[str, ...]


_RESEARCH = (
    "Published by its authors for research. The files that were read here carry no text of a "
    "licence, so ask the authors before you use the recordings, or networks trained on them, for "
    "anything else. The recordings are not part of this project."
)
_XIA = (
    "L. Xia, C.-C. Chen, J. K. Aggarwal. View invariant human action recognition using histograms "
    "of 3D joints. CVPRW 2012. http://cvrc.ece.utexas.edu/KinectDatasets/HOJ3D.html"
)
_WANG = (
    "J. Wang, X. Nie, Y. Xia, Y. Wu, S.-C. Zhu. Cross-view action modeling, learning and "
    "recognition. CVPR 2014."
)

DATA: Mapping[str, Data] = {
    "ut_kinect": Data(
        "UT-Kinect-Action3D",
        "199 actions of ten people, each action twice, in 20 recordings of one Kinect v1 in one "
        "room.",
        _RESEARCH,
        _XIA,
        (
            "All clips are of one room and one camera; in protocol `cs`, five people are in "
            "training. The accuracy says little about other rooms, cameras and people.",
            "People wave with both hands; a wave of one hand is unlike the training clips.",
        ),
    ),
    "nucla": Data(
        "Northwestern-UCLA Multiview Action3D",
        "1,484 clips of ten people, seen by three Kinects v1 at a time; the skeletons are those "
        "that the authors of CTR-GCN distribute.",
        _RESEARCH,
        _WANG,
        (
            "The test clips of protocol `cv` show the people and the performances of the training "
            "clips from another side, so the accuracy is not that on new people.",
        ),
    ),
    "sbu": Data(
        "SBU Kinect Interaction",
        "282 clips of seven actors in 21 ordered pairs, two people at a time, in front of one "
        "Kinect.",
        _RESEARCH,
        "K. Yun, J. Honorio, D. Chattopadhyay, T. L. Berg, D. Samaras. Two-person interaction "
        "detection using body-pose features and multiple instance learning. CVPRW 2012. "
        "https://www3.cs.stonybrook.edu/~kyun/research/kinect_interaction/index.html",
        (
            "Actors are in several pairs, so people of the test clips are in training clips, too.",
            "The network needs two people in every clip; key points of film do not tell how far "
            "people are from each other, so films are refused.",
            "The 55 test clips of one fold are few: one clip is 1.8 points.",
        ),
    ),
    "hdm05": Data(
        "Mocap Database HDM05",
        "Clips of five actors, recorded by optical motion capture at 120 frames a second.",
        "Creative Commons BY-SA 3.0.",
        "M. Müller, T. Röder, M. Clausen, B. Eberhardt, B. Krüger, A. Weber. Documentation Mocap "
        "Database HDM05. Technical report CG-2007-2, Universität Bonn, 2007. "
        "http://resources.mpi-inf.mpg.de/HDM05",
        (
            "Trained on motion capture, which has no noise of depth sensors or pose estimators.",
            "The five actors followed a script, so motions of one class are much alike.",
        ),
    ),
    "film": Data(
        "UT-Kinect-Action3D and Northwestern-UCLA Multiview Action3D",
        "1,683 clips of both datasets, in the 15 joints that pose estimators have as well, at 30 "
        "frames a second, leveled; windows of 16 and 32 frames of the training clips, segments in "
        "which people do none of the actions (class `none`), and generated clips of waves with "
        "one hand.",
        _RESEARCH,
        f"{_XIA} {_WANG}",
        (
            "Trained on joints of a Kinect, used on key points that BlazePose estimates. Its "
            "accuracy on film was not measured: the five films that were tried are no test.",
            "Waving with one hand is often taken for throwing.",
            "The class `none` is unreliable: other actions can be labelled as one of the classes.",
        ),
    ),
    "synthetic": Data(
        "the synthetic dataset",
        "Recordings of simulated people, generated by this package: a Kinect v2 with its noise and "
        "tracking errors. Nobody was recorded.",
        "Generated by this package, Apache-2.0.",
        "",
        (
            "Real people move differently: the network is for examples, for tests and for "
            "comparing attention with a known truth. Its accuracy is not comparable with published "
            "ones.",
        ),
    ),
}
UNKNOWN = Data("", "", "Not recorded.", "", ())
NO_DECISIONS = "Decisions about people: surveillance, medicine, or safety."


def names(classes: Sequence[str], most: int = MOST_NAMES) -> str:
    """Class names in a sentence, at most `most` of them."""
    more = len(classes) - most
    return ", ".join(classes[:most]) + (f" and {more} more" if more > 0 else "")


def report_card(merged: Mapping[str, Any], classes: pd.DataFrame) -> list[tuple[str, list[str]]]:
    """What a network was trained on, what it is good for, and what not.

    Args:
        merged: Result of `report.merge_runs`.
        classes: Result of `scores.per_class_table`.

    Returns:
        Headings, each with its sentences.
    """
    data = DATA.get(merged["dataset"], UNKNOWN)
    return [
        ("Trained on", _trained_on(merged, data)),
        ("Good for", _good_for(merged, classes)),
        ("Not for", _not_for(merged, classes)),
        *([("Limits", list(data.limits))] if data.limits else []),
    ]


def _trained_on(merged: Mapping[str, Any], data: Data) -> list[str]:
    title = data.title[:1].upper() + data.title[1:]
    lines = [f"{title}: {data.content}" if data.content else f"Dataset {merged['dataset']}."]
    counts = merged["fold_clips"].get("train")
    if counts:
        least, most = counts["least"], counts["most"]
        clips = f"{most}" if least == most else f"{least} to {most}"
        held = (
            "no clips are held out"
            if merged.get("train_on") == ALL_CLIPS
            else "validation clips are held out"
        )
        each = " in each fold" if merged["folds_total"] > 1 else ""
        lines.append(f"{clips} training clips{each} (protocol {merged['protocol']}); {held}.")
    start = merged.get("init_weights")
    if isinstance(start, dict) and "source" in start:
        lines.append(f"Started from the weights {start['source']!s:.200}.")
    return [*lines, f"Licence of the data: {data.licence}"] if data.content else lines


def _good_for(merged: Mapping[str, Any], classes: pd.DataFrame) -> list[str]:
    found = [str(name) for name in merged["classes"]]
    layout = f", joints in the layout {merged['skeleton']}" if "skeleton" in merged else ""
    known = classes[classes["clips"] >= ENOUGH]
    best = known[(known["recall"] >= GOOD) & (known["precision"] >= GOOD)]
    best = best["class"].astype(str).tolist()
    lines = [f"Telling apart {len(found)} actions in clips of one action each{layout}."]
    which = "All classes" if len(best) == len(found) else names(best)
    if best:
        lines.append(f"{which}: recall and precision of at least {percent(GOOD)}.")
    if few := [f"{row['class']} ({row['clips']})" for _, row in classes.iterrows()
               if row["clips"] < ENOUGH]:  # fmt: skip
        lines.append(f"Too few test clips to tell: {names(few)}.")
    return lines


def _not_for(merged: Mapping[str, Any], classes: pd.DataFrame) -> list[str]:
    lines = []
    for figure, what in (("recall", "Often missed"), ("precision", "Often wrong answers")):
        weak = classes[(classes[figure] < WEAK) & (classes["clips"] >= ENOUGH)]
        if len(weak):
            listed = [f"{row['class']} ({percent(row[figure])})" for _, row in weak.iterrows()]
            lines.append(f"{what} ({figure} below {percent(WEAK)}): {names(listed)}.")
    if merged["test_clips"] < FEW:
        lines.append(
            f"Fine comparisons: one of the {merged['test_clips']} test clips is "
            f"{percent(1 / merged['test_clips'])}."
        )
    if "none" not in merged["classes"]:
        lines.append("Other actions: each is labelled as one of its classes.")
    return [*lines, "Long recordings with several actions: use a detector.", NO_DECISIONS]
