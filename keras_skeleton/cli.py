"""The command line: `python run.py --model mans9 --dataset ntu --protocol cs --data-dir PATH`."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from importlib import import_module

from keras_skeleton.commands import train
from keras_skeleton.errors import UnknownNameError, UserError

COMMANDS = (
    "prepare", "crops", "detect", "inspect", "attention", "report", "reproduce", "list", "info",
    "zoo", "export",
)  # fmt: skip
DESCRIPTION = """\
Trains a model on a dataset by its paper's recipe and scores it. Other commands:
  run.py prepare --dataset D --data-dir PATH   read the raw files into the store, no training
  run.py crops --dataset D --crops FOLDER      videos to crops of hands and body, for pose_i3d
  run.py detect --dataset D --protocol P       actions in untrimmed recordings: train, detect, score
  run.py detect --weights RUN_DIR --stream FILE    ... and in one recording, with what was trained
  run.py inspect --dataset D [--clip NAME]     draw a clip: a strip of poses and an animation
  run.py attention [--clip NAME]               where a network looks in a clip: a page that plays
  run.py report RUN_DIR...                     merge the folds of one experiment
  run.py reproduce --table T --data-dir PATH   a paper's table beside ours, what lacks is run
  run.py zoo [--check]                         trained networks of weights/; scores them again
  run.py list                                  models, datasets, protocols, what is on disk
  run.py info --model M                        layers, parameters and FLOPs of a model"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command; returns the exit status (0, or 2 with a message for a user's error)."""
    words = list(sys.argv[1:] if arguments is None else arguments) or ["--help"]
    try:
        if words[0] in COMMANDS:
            import_module(f"keras_skeleton.commands.{words[0]}").run(words[1:])
        elif not words[0].startswith("-"):
            raise UnknownNameError("command", words[0], COMMANDS)
        else:
            train.run(words, DESCRIPTION)
        sys.stdout.flush()
    except KeyboardInterrupt:
        print("\nstopped", file=sys.stderr)
        return 130
    except UserError as error:
        print(f"run.py: {error}", file=sys.stderr)
        return 2
    except BrokenPipeError:
        if not _nobody_reads():
            raise
        return 1
    except OSError as error:  # a folder where a file should be, no space, no permission
        if error.filename is None:
            raise
        print(f"run.py: {error.filename}: {error.strerror}", file=sys.stderr)
        return 2
    return 0


def _nobody_reads() -> bool:
    """Whether standard output was closed, as by `run.py list | head -1`; what is left to be printed
    then goes nowhere."""
    try:
        print(flush=True)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return True
    return False
