"""Every command of README and documentation is one that the command line accepts."""

import argparse
import importlib.util
import sys
from pathlib import Path

import pytest

from keras_skeleton.cli import main

ROOT = Path(__file__).resolve().parents[2]


def load_script():
    spec = importlib.util.spec_from_file_location("run_commands", ROOT / "docs/run_commands.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


script = load_script()
COMMANDS = [c for page in script.pages() for c in script.documented(page)]
OURS = [c for c in COMMANDS if c.words and "..." not in c.words]


class Parsed(BaseException):
    """Not an error that the command line would catch."""


def test_there_are_commands():
    assert len(OURS) > 80
    assert {"README.md", "docs/film.md", "docs/papers/mans.md"} <= {c.page for c in OURS}
    joined = [c.text for c in OURS if c.page == "docs/add-a-model.md" and "units=128" in c.text]
    assert joined == [
        "keras-skeleton train --model attentive_lstm.py:build --dataset synthetic --protocol cs "
        "--set model.units=128"
    ]


@pytest.mark.parametrize("command", OURS, ids=lambda c: f"{c.page}:{c.line}")
def test_it_is_accepted(command, monkeypatch, capsys):
    parse = argparse.ArgumentParser.parse_args

    def parsed(self, args=None, namespace=None):
        parse(self, args, namespace)
        raise Parsed

    monkeypatch.setattr(argparse.ArgumentParser, "parse_args", parsed)
    words = [
        word.replace("$SLURM_ARRAY_TASK_ID", "1").replace("PORT", "1") for word in command.words
    ]
    try:
        code = main(words)
    except Parsed:
        return
    except SystemExit as ended:
        code = ended.code
    pytest.fail(f"{command.text}: {code}, {capsys.readouterr().err}")
