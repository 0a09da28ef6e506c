"""The command line: `keras-skeleton train --model mans9 --dataset ntu --protocol cs`, or in a
checkout `python run.py ...`."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from importlib import import_module

from keras_skeleton.utils.errors import UnknownNameError, UserError
from keras_skeleton.utils.program import program

# Command: what it does.
COMMANDS = {
    "train": "train a model on a dataset by its paper's recipe, or score weights",
    "attention": "draw where a network looks in a clip, or score its attention",
    "detect": "find actions in untrimmed recordings",
    "inspect": "draw a clip as poses and as an animation",
    "prepare": "read a dataset's raw files into the cache",
    "crops": "cut videos of hands and body out of films, for pose_i3d",
    "report": "merge the folds of one experiment into one report",
    "export": "write a trained network to SavedModel, LiteRT or ONNX",
    "zoo": "list, check or add trained weights",
    "reproduce": "run the papers' tables again",
    "list": "list models, datasets and protocols",
    "info": "show a model's layers, parameters and FLOPs",
}


def guide() -> str:
    """What is printed where no command is given."""
    width = max(map(len, COMMANDS))
    lines = [f"  {name:<{width}}  {what}" for name, what in COMMANDS.items()]
    return "\n".join(
        [
            "Attention models for human actions from skeletons.",
            "",
            "Train on a synthetic dataset generated locally (five minutes on two cores):",
            f"  {program()} train --model mans9 --dataset synthetic --protocol cs",
            "See where a trained network looks:",
            f"  {program()} attention",
            "",
            "Commands:",
            *lines,
            "",
            f"{program()} COMMAND --help lists a command's options. Without a command's name, "
            "'train' runs.",
        ]
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command; returns the exit status (0, or 2 with a message for a user's error)."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    # TensorFlow reads this when it is imported; its notes on start-up are of no use to a user.
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
            import_module(f"keras_skeleton.commands.{name}").run(words)
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
    except OSError as error:  # a folder where a file should be, no space, no permission
        if error.filename is None:
            raise
        print(f"{program()}: {error.filename}: {error.strerror}", file=sys.stderr)
        return 2
    return 0


def _nobody_reads() -> bool:
    """Whether standard output was closed, as by `keras-skeleton list | head -1`; what is left to be
    printed then goes nowhere."""
    try:
        print(flush=True)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return True
    return False
