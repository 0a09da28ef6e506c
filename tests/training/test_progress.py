import io

from keras_skeleton.training.progress import Progress
from keras_skeleton.utils.text import clock


def row(epoch, seconds=2.0):
    return {"epoch": epoch, "loss": 1.5, "accuracy": 0.25, "val_accuracy": 0.5, "seconds": seconds}


def test_says_where_it_stands_and_how_long_still():
    out = io.StringIO()
    progress = Progress([5, 5], out)
    progress.begin(1)
    progress.epoch(row(1))
    assert "fold 1  epoch 1/5  loss 1.500  train 25.0 %  validation 50.0 %" in out.getvalue()
    assert "0:00:18 left" in out.getvalue()  # 4 epochs of this fold, 5 of the next
    for epoch in (2, 3, 4, 5):
        progress.epoch(row(epoch))
    assert out.getvalue().count("\n") == 2  # in a file: not a line an epoch, but the last
    progress.end(
        {"accuracy": 0.9, "epoch_selected": 3, "accuracy_last": 0.8, "validation_accuracy": 0.7}
    )
    assert "fold 1 done: test 90.00 % (epoch 3, selected on validation)" in out.getvalue()
    assert progress.time_left(0) == 10


def test_no_validation_clips_is_a_dash():
    out = io.StringIO()
    progress = Progress([2], out)
    progress.epoch({**row(1), "val_accuracy": float("nan")})
    assert "validation -  " in out.getvalue()


def test_a_continued_run_counts_only_its_own_epochs():
    progress = Progress([100], io.StringIO())
    progress.begin(1)
    progress.epoch(row(91, 3.0))
    assert progress.time_left(91) == 27
    assert clock(3661.4) == "1:01:01"


def test_folds_of_different_length_are_counted():
    progress = Progress([4, 6], io.StringIO())
    progress.begin(1)
    progress.trained, progress.spent = 1, 2.0
    assert progress.time_left(1) == 2.0 * (3 + 6)
    progress.finished = 1
    progress.begin(2)
    assert progress.step_epochs == 6
    assert progress.time_left(6) == 0


def test_a_slow_step_is_counted_at_its_own_pace():
    progress = Progress([30], io.StringIO())
    progress.begin(1, "step2: quick", 20)
    for epoch in range(1, 21):
        progress.epoch(row(epoch, 1.0))
    progress.begin(1, "step3: slow", 10, before=20)
    progress.epoch(row(1, 10.0))
    assert progress.time_left(1) == 9 * 10
