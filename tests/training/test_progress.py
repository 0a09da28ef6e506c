import io
import sys

import pytest

from keras_skeleton.training.progress import Progress
from keras_skeleton.utils.text import clock


class Terminal(io.StringIO):
    """Output that says that it is a terminal."""

    def isatty(self):
        return True


def row(epoch, seconds=2.0):
    return {"epoch": epoch, "loss": 1.5, "accuracy": 0.25, "val_accuracy": 0.5, "seconds": seconds}


END = {"accuracy": 0.9, "epoch_selected": 3, "accuracy_last": 0.8, "validation_accuracy": 0.7}


def test_says_where_it_stands_and_how_long_still():
    out = io.StringIO()
    progress = Progress([5, 5], out)
    progress.on_fold_start(1)
    progress.epoch(row(1, 60.0))  # compiles: says nothing of the time to come
    assert progress.time_left(1) is None
    line = out.getvalue().splitlines()[-1]
    for part in ("fold 1", "epoch 1/5", "loss 1.500", "train 25.0 %", "validation 50.0 %"):
        assert part in line
    assert "left" not in line
    for epoch in (2, 3, 4, 5):
        progress.epoch(row(epoch))
    assert sum("epoch" in line for line in out.getvalue().splitlines()) == 2  # first and last
    assert clock(5 * 2) in out.getvalue().splitlines()[-1]  # of the next fold
    progress.end(END)
    line = out.getvalue().splitlines()[-1]
    for part in ("fold 1", "90.00 %", "epoch 3", "80.00 %"):
        assert part in line
    assert progress.time_left(0) == 10


def test_no_validation_clips_is_a_dash():
    out = io.StringIO()
    progress = Progress([2], out)
    progress.on_fold_start(1)
    progress.epoch({**row(1), "val_accuracy": float("nan")})
    assert "validation -  " in out.getvalue()
    progress.end({**END, "validation_accuracy": None})
    line = out.getvalue().splitlines()[-1]
    assert "80.00 %" in line
    assert "90.00 %" not in line


def test_a_continued_run_counts_only_its_own_epochs():
    progress = Progress([100], io.StringIO())
    progress.on_fold_start(1)
    progress.epoch(row(91, 60.0))
    progress.epoch(row(92, 3.0))
    assert progress.time_left(92) == 8 * 3
    assert clock(3661.4) == "1:01:01"


def test_folds_of_different_length_are_counted():
    progress = Progress([4, 6], io.StringIO())
    progress.on_fold_start(1)
    progress.epoch(row(1))
    progress.epoch(row(2))
    assert progress.time_left(2) == 2.0 * (2 + 6)
    progress.end(END)
    progress.on_fold_start(2)
    assert progress.step_epochs == 6
    assert progress.time_left(6) == 0


def test_a_slow_step_is_counted_at_its_own_pace():
    progress = Progress([30], io.StringIO())
    progress.on_fold_start(1, "step2: quick", 20)
    for epoch in range(1, 21):
        progress.epoch(row(epoch, 1.0))
    progress.on_fold_start(1, "step3: slow", 10, before=20)
    progress.epoch(row(1, 60.0))
    assert progress.time_left(1) == 9 * 1.0  # nothing better is known
    progress.epoch(row(2, 10.0))
    assert progress.time_left(2) == 8 * 10


def test_a_terminal_has_one_live_line_that_an_error_takes_away(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    out = Terminal()
    with pytest.raises(KeyboardInterrupt), Progress([5], out) as progress:
        progress.on_fold_start(1)
        for epoch in (1, 2, 3):
            progress.epoch(row(epoch))
        raise KeyboardInterrupt
    text = out.getvalue()
    assert "\x1b[?25l" in text  # the cursor is hidden,
    assert text.rindex("\x1b[?25h") > text.rindex("\x1b[?25l")  # and shown again
    assert progress._bar is None


def test_names_do_not_control_the_terminal(monkeypatch):
    """Beside a bar, which moves the cursor itself."""
    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    with Progress([2], terminal) as progress:
        progress.on_fold_start(1)
        print("label \x1b]0;title\x07")
        progress.end({**END, "epoch_selected": "\x1b[2J"})
    assert "\x1b]0;" not in terminal.getvalue()
    assert "\x1b[2J" not in terminal.getvalue()
    assert r"\x1b]0;title" in terminal.getvalue()
    assert sys.stdout is terminal
