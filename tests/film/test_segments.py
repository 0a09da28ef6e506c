"""Steps to actions with their times, all at once and one by one."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keras_skeleton.film.segments import (
    Segment,
    SegmentBuilder,
    action_prediction,
    main_label,
    segments,
)
from keras_skeleton.film.windows import Step, WindowError

CLASSES = ("wave", "sit", "none")
ROWS = st.lists(st.one_of(st.none(), st.tuples(*[st.floats(0, 0.5)] * 2)), max_size=30)


def steps_of(*rows, stride=8, classes=CLASSES, unsure=None):
    """Steps with these probabilities of the first classes; the last class has the rest."""
    found = []
    for i, row in enumerate(rows):
        p = np.array([*row, 1 - sum(row)]) if row else np.zeros(len(classes))
        label = classes[int(np.argmax(p))] if row else ""
        doubt = None if unsure is None or not row else unsure[i]
        found.append(Step(i * stride, (i + 1) * stride, p, p, label, float(p.max()), doubt))
    return found


def times(found):
    return [(s.start // 8, s.end // 8, s.label) for s in found]


def test_an_action_starts_high_and_ends_low():
    steps = steps_of((0.4, 0.35), (0.6, 0.2), (0.4, 0.45), (0.35, 0.25), (0.2, 0.4), (0.45, 0.1))
    (found,) = segments(steps)
    assert times([found]) == [(1, 4, "wave")]
    assert found.probability == pytest.approx((0.6 + 0.4 + 0.35) / 3)
    assert segments(steps, enter=0.9) == []


def test_another_action_absence_and_none_end_one():
    wave, sit, none = (0.8, 0.1), (0.1, 0.8), (0.1, 0.1)
    assert times(segments(steps_of(wave, wave, sit, sit, none, none, wave, (), wave))) == [
        (0, 2, "wave"), (2, 4, "sit"), (6, 7, "wave"), (8, 9, "wave"),
    ]  # fmt: skip
    assert times(segments(steps_of(none, wave, none))) == [(1, 2, "wave")]
    assert segments([]) == []


def test_a_single_step_does_not_split():
    wave, sit, none = (0.8, 0.1), (0.1, 0.8), (0.1, 0.1)
    assert times(segments(steps_of(wave, none, wave, sit, wave))) == [(0, 5, "wave")]
    assert times(segments(steps_of(wave, none, none, wave))) == [(0, 1, "wave"), (3, 4, "wave")]


def test_an_action_is_unsure_if_most_of_its_frames_are():
    wave = (0.8, 0.1)
    for doubts, expected in (
        ((True, True, False), True),
        ((True, False, False), False),
        ((True, True, False, False), False),
        (None, None),
    ):
        steps = steps_of(*[wave] * len(doubts or (1,)), unsure=doubts)
        assert segments(steps)[0].unsure is expected
    last = Step(24, 26, np.array([0.8]), np.array([0.8]), "wave", 0.8, False)
    assert segments([*steps_of(wave, unsure=(True,)), last])[0] == Segment(0, 26, "wave", 0.8, True)


@given(ROWS)
def test_actions_are_in_order_and_apart(rows):
    steps = steps_of(*[row or () for row in rows])
    found = segments(steps)
    for one, two in pairwise(found):
        assert one.end <= two.start
        assert one.end < two.start or one.label != two.label
    for one in found:
        assert one.label in CLASSES[:2]
        assert any(s.label == one.label and s.probability >= 0.5 for s in steps)
        assert all(s.label for s in steps if one.start <= s.start < one.end)


def test_thresholds_are_checked():
    for enter, leave in ((0.3, 0.5), (1.5, 0.3), (0.5, -1)):
        with pytest.raises(WindowError, match="leave"):
            segments([], enter, leave)


def all_at_once(steps, enter=0.5, leave=0.3):
    """(start, end, label) of the actions, by looking at all steps."""
    states, state = [], -1
    for step in steps:
        best = int(np.argmax(step.probabilities))
        if not step.label:
            state = -1
        elif step.probability >= enter:
            state = best
        elif state >= 0 and step.probabilities[state] < leave:
            state = -1
        states.append(state)
    for i in range(1, len(states) - 1):
        if states[i - 1] == states[i + 1] in (0, 1) and steps[i].label:
            states[i] = states[i - 1]
    found = []
    for i, state in enumerate(states):
        if state in (0, 1):
            if i and states[i - 1] == state:
                found[-1] = (found[-1][0], steps[i].end, CLASSES[state])
            else:
                found.append((steps[i].start, steps[i].end, CLASSES[state]))
    return found


@given(ROWS)
def test_step_by_step_equals_all_at_once(rows):
    steps = steps_of(*[row or () for row in rows])
    found = [(s.start, s.end, s.label) for s in segments(steps)]
    assert found == all_at_once(steps)


def test_the_current_action_is_known_one_step_late():
    wave, none = (0.8, 0.1), (0.1, 0.1)
    builder = SegmentBuilder()
    current, ended = [], []
    for step in steps_of(wave, wave, none, wave, none, none):
        ended.append(times(builder.push(step)))
        current.append(builder.current and times([builder.current])[0])
    assert current == [None, (0, 1, "wave"), (0, 2, "wave"), (0, 3, "wave"), (0, 4, "wave"), None]
    assert ended == [[], [], [], [], [], [(0, 4, "wave")]]
    assert builder.finish() == []


def test_the_main_label_has_the_most_frames():
    wave, sit, none, unclear = (0.8, 0.1), (0.1, 0.7), (0.1, 0.1), (0.4, 0.35)

    def main(*rows, **how):
        steps = steps_of(*rows, **how)
        found = main_label(steps, segments(steps), CLASSES)
        return found and (found.label, round(found.probability, 3))

    assert main(wave, sit, sit, none) == ("sit", 0.7)
    assert main(wave, none, none, sit, none) == ("none", 0.8)
    assert main(wave, sit, sit, wave, wave) == ("wave", 0.8)
    assert main(wave, (), unclear, unclear) == ("wave", 0.8)
    assert main(unclear, (), unclear) is None
    assert main() is None
    steps = steps_of(wave, wave, sit, unsure=(True, True, False))
    assert main_label(steps, segments(steps), CLASSES).unsure is True


def test_an_action_is_a_prediction():
    (action,) = segments(steps_of((0.8, 0.15), (0.6, 0.3), unsure=(False, False)))
    found = action_prediction(action, CLASSES, top=2)
    assert (found.label, found.unsure, found.doubts) == ("wave", False, ())
    assert found.ranking == (("wave", pytest.approx(0.7)), ("sit", pytest.approx(0.225)))
    np.testing.assert_allclose(np.exp(found.logits), [0.7, 0.225, 0.075], rtol=1e-5)
