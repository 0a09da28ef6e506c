"""`run.py info`: a model's layers, parameters and FLOPs a clip."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from keras_skeleton.commands.common import (
    start_keras,
    whole_number,
)


def run(words: Sequence[str]) -> None:
    """Runs the command."""
    parser = argparse.ArgumentParser(prog="run.py info", description=__doc__)
    parser.add_argument("--model", required=True)
    parser.add_argument("--classes", type=whole_number(1), default=60)
    parser.add_argument("--skeleton", default="kinect_v2")
    parser.add_argument(
        "--frames", type=whole_number(1), default=100, help="of clips read at their own length"
    )
    args = parser.parse_args(words)
    start_keras()
    from keras_skeleton.models import MODELS, build_model, check_model
    from keras_skeleton.models.summary import summary

    frames = args.frames if MODELS[check_model(args.model)].sequence else None
    print(summary(build_model(args.model, args.skeleton, args.classes, frames)))
