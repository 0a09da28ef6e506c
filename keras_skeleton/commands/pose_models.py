"""Fetch the pose estimator BlazePose, which `predict` needs for films and cameras.

Its two networks (Apache-2.0, 9 MB) are no part of this project. They lie in a wheel of MediaPipe,
which pip downloads (36 MB) as an archive; it is not installed.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from keras_skeleton.commands.common import parser_for
from keras_skeleton.video.pose_models import (
    PoseModels,
    PoseModelsMissingError,
    fetch_pose_models,
    find_pose_models,
)

if TYPE_CHECKING:
    from keras_skeleton.video.blazepose import BlazePose


def add_pose_models(parser: argparse._ActionsContainer) -> None:
    """Adds the option --pose-models."""
    parser.add_argument(
        "--pose-models",
        type=Path,
        metavar="PATH",
        help="take the networks of BlazePose from this folder, or from a wheel of MediaPipe "
        "(default: the cache)",
    )


def run(words: Sequence[str]) -> None:
    """Runs the command."""
    parser = parser_for("pose-models", __doc__)
    add_pose_models(parser)
    args = parser.parse_args(words)
    try:
        models = find_pose_models(args.pose_models)
    except PoseModelsMissingError:
        print("fetching mediapipe 0.10.21 with pip (36 MB) ...", flush=True)
        models = fetch_pose_models()
    for path in (models.detector, models.landmarks):
        print(path)


def pose_models(place: Path | None) -> PoseModels:
    """BlazePose's files; where somebody sits at the terminal, asks whether to fetch them.

    Raises:
        PoseModelsError: They are missing or damaged.
    """
    try:
        return find_pose_models(place)
    except PoseModelsMissingError as error:
        if not (sys.stdin.isatty() and sys.stdout.isatty()):
            raise
        print(error)
        if input("Fetch it now with pip (36 MB)? [Y/n] ").strip().lower() not in ("", "y", "yes"):
            raise
        return fetch_pose_models()


def pose_estimator(models: PoseModels) -> BlazePose:
    """The pose estimator; imports TensorFlow."""
    from keras_skeleton.video.blazepose import BlazePose

    return BlazePose(models)
