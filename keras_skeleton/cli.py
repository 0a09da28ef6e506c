"""Command line: `keras-skeleton train --model mans9 --dataset ntu --protocol cs`, or
`python run.py ...` in a checkout."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from importlib import import_module

from keras_skeleton.utils.errors import UnknownNameError, UserError
from keras_skeleton.utils.full_disk import full_disk
from keras_skeleton.utils.program import program
from keras_skeleton.utils.terminal import plain_output

# Commands with their descriptions.
COMMANDS = {
    "predict": "predict action labels of films, of a camera or of clips with a trained network",
    "serve": "label films and key-point files on a local page",
    "train": "train and evaluate a model on a dataset, or score trained weights",
    "attention": "visualize the attention of a network, or score its attention",
    "detect": "detect actions in untrimmed recordings",
    "inspect": "draw a clip as poses and as an animation",
    "prepare": "convert a dataset's raw files and store them in the cache",
    "pose-models": "fetch the pose estimator that films and cameras need",
    "crops": "crop videos of hands and body from recordings, for pose_i3d",
    "report": "merge run folders of one experiment into one report",
    "export": "export a trained network to SavedModel, LiteRT or ONNX",
    "zoo": "list, check or add pretrained weights",
    "reproduce": "reproduce the tables of the papers",
    "list": "list models, datasets and protocols",
    "info": "show a model's layers, parameters and FLOPs",
}


def guide() -> str:
    """The text printed if no command is given."""
    width = max(map(len, COMMANDS))
    lines = [f"  {name:<{width}}  {what}" for name, what in COMMANDS.items()]
    return "\n".join(
        [
            "Attention models for skeleton-based action recognition.",
            "",
            "Train on a synthetic dataset generated locally (five minutes on two cores):",
            f"  {program()} train --model mans9 --dataset synthetic --protocol cs",
            "Visualize the attention of a pretrained network:",
            f"  {program()} attention",
            "",
            "Commands:",
            *lines,
            "",
            f"Run {program()} COMMAND --help for the options of a command. The default command is "
            "'train'.",
        ]
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command.

    Args:
        arguments: The command line without the program name; by default `sys.argv[1:]`.

    Returns:
        The exit status: 0, 1 if standard output was closed, 2 with a message for user errors, or
        130 if interrupted.
    """
    with plain_output(keep=arguments is None):
        return _run(list(sys.argv[1:] if arguments is None else arguments))


def _run(words: list[str]) -> int:
    # Hides TensorFlow's startup messages; read when TensorFlow is imported.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    try:
        if not words or words in (["--help"], ["-h"], ["help"]):
            print(guide())
        elif words == ["--version"]:
            from keras_skeleton.utils._version import __version__

            print(f"keras_skeleton {__version__}")
        else:
            name = "train" if words[0].startswith("-") else words.pop(0)
            if name not in COMMANDS:
                raise UnknownNameError("command", name, COMMANDS)
            import_module(f"keras_skeleton.commands.{name.replace('-', '_')}").run(words)
        sys.stdout.flush()
    except KeyboardInterrupt:
        print("\nstopped", file=sys.stderr)
        return 130
    except UserError as error:
        print(f"{program()}: {error}", file=sys.stderr)
        return 2
    except BrokenPipeError:
        if not _nobody_reads():
            raise
        return 1
    except Exception as error:
        if (message := full_disk(error)) is None:
            # Others that a user can mend: a folder instead of a file, no permission.
            if not isinstance(error, OSError) or error.filename is None:
                raise
            message = f"{error.filename}: {error.strerror}"
        print(f"{program()}: {message}", file=sys.stderr)
        return 2
    return 0


def _nobody_reads() -> bool:
    """Whether standard output was closed, as by `keras-skeleton list | head -1`. Further output is
    then discarded."""
    try:
        print(flush=True)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return True
    return False
