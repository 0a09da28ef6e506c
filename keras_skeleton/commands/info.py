"""Show a model's layers, parameters and FLOPs."""

from __future__ import annotations

from collections.abc import Sequence

from keras_skeleton.commands.common import parser_for, start_keras, whole_number
from keras_skeleton.models.registry import check_model
from keras_skeleton.skeletons import get_skeleton

UNNAMED = "no layer is called joint_attention, frame_attention or part_attention"


def run(words: Sequence[str]) -> None:
    """Runs the command."""
    parser = parser_for("info", __doc__)
    parser.add_argument(
        "--model",
        required=True,
        help="choose a model (see 'list') or your own path/to/file.py:build",
    )
    parser.add_argument(
        "--classes", type=whole_number(2), default=60, help="set the number of classes (default 60)"
    )
    parser.add_argument(
        "--skeleton", default="kinect_v2", help="choose a skeleton (default kinect_v2)"
    )
    parser.add_argument(
        "--frames",
        type=whole_number(1),
        default=100,
        help="set the clip length of models for any length (default 100)",
    )
    args = parser.parse_args(words)
    check_model(args.model)
    get_skeleton(args.skeleton)
    start_keras()
    from keras_skeleton.models.attention_maps import attention_layers
    from keras_skeleton.models.registry import MODELS, build_model
    from keras_skeleton.models.summary import summary

    frames = args.frames if MODELS[args.model].sequence else None
    model = build_model(args.model, args.skeleton, args.classes, frames)
    print(summary(model))
    print(f"attention: {', '.join(attention_layers(model)) or f'none ({UNNAMED})'}")
