"""Joins the steps of a stream to actions with their times, by hysteresis.

SegmentBuilder    step by step, for live streams
segments          all steps at once
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from keras_skeleton.film.windows import Step, WindowError
from keras_skeleton.recognizer import Prediction

NONE = "none"  # the class of people who do nothing in particular


@dataclass(frozen=True)
class Segment:
    """An action with its time.

    Attributes:
        start: First frame.
        end: End (excluded).
        label: The class.
        probability: Its mean probability.
        unsure: Whether most of its frames are in unsure steps; None without a calibration.
        probabilities: Mean probabilities of all classes, float64 (C,).
        doubts: Why it is unsure; empty if it is not.
    """

    start: int
    end: int
    label: str
    probability: float
    unsure: bool | None = None
    probabilities: np.ndarray = field(default_factory=lambda: np.zeros(0), compare=False)
    doubts: tuple[str, ...] = field(default=(), compare=False)


@dataclass
class _Action:
    """Consecutive steps of one state; sums are over frames."""

    state: int
    label: str
    start: int
    end: int
    frames: int = 0
    probabilities: np.ndarray | float = 0.0
    unsure: int = 0
    known: bool = False
    doubts: dict[str, None] = field(default_factory=dict)

    def add(self, step: Step) -> None:
        frames = step.end - step.start
        self.end = step.end
        self.frames += frames
        self.probabilities = self.probabilities + frames * step.probabilities
        self.unsure += frames * bool(step.unsure)
        self.known |= step.unsure is not None
        self.doubts |= dict.fromkeys(step.doubts)

    def segment(self) -> Segment:
        unsure = 2 * self.unsure > self.frames if self.known else None
        mean = np.asarray(self.probabilities) / self.frames
        doubts = tuple(self.doubts) if unsure else ()
        return Segment(
            self.start, self.end, self.label, float(mean[self.state]), unsure, mean, doubts
        )


class SegmentBuilder:
    """Joins steps to actions while they come.

    An action starts with a step whose label has a probability of at least `enter`. It goes on until
    its probability falls below `leave`, another label enters, or nobody is there. A single step
    between two of the same action does not split it, so an action is known one step late. The
    class `"none"` is no action.

    Args:
        enter: Probability from which an action starts.
        leave: Probability below which it ends; at most `enter`.

    Raises:
        WindowError: The probabilities are not in order, or not between 0 and 1.

    Example:
        >>> import numpy as np
        >>> from keras_skeleton.film.segments import SegmentBuilder
        >>> from keras_skeleton.film.windows import Step
        >>> builder = SegmentBuilder()
        >>> for t in range(3):
        ...     ended = builder.push(Step(8 * t, 8 * t + 8, np.zeros(1), np.ones(1), "wave", 1.0))
        >>> builder.current.label, builder.current.end, [s.end for s in builder.finish()]
        ('wave', 16, [24])
    """

    def __init__(self, enter: float = 0.5, leave: float = 0.3) -> None:
        if not 0 <= leave <= enter <= 1:
            raise WindowError(f"enter={enter} and leave={leave}: expected 0 <= leave <= enter <= 1")
        self.enter, self.leave = enter, leave
        self._names: dict[int, str] = {}
        self._state = -1  # index of the action of the newest step; -1 for none
        self._pending: tuple[Step, int] | None = None  # the newest step and its state
        self._before = -1  # state of the step before that one
        self._action: _Action | None = None

    @property
    def current(self) -> Segment | None:
        """The action that goes on, as far as it is known."""
        return None if self._action is None else self._action.segment()

    def push(self, step: Step) -> list[Segment]:
        """Takes the next step; returns the action that ended with it, if any."""
        state = self._enter(step)
        ended: list[Segment] = []
        if self._pending is not None:
            last, own = self._pending
            named = self._names.get(self._before, NONE) != NONE
            ended = self._add(last, self._before if state == self._before and named else own)
        self._pending = step, state
        return ended

    def finish(self) -> list[Segment]:
        """Ends the stream; returns its last actions."""
        ended = self._add(*self._pending) if self._pending is not None else []
        self._pending = None
        return ended + self._close()

    def _enter(self, step: Step) -> int:
        """The state after a step, by hysteresis."""
        if not step.label:
            self._state = -1
            return -1
        best = int(np.argmax(step.probabilities))
        self._names[best] = step.label
        if step.probability >= self.enter:
            self._state = best
        elif self._state >= 0 and step.probabilities[self._state] < self.leave:
            self._state = -1
        return self._state

    def _add(self, step: Step, state: int) -> list[Segment]:
        state = state if step.label else -1
        self._before = state
        ended: list[Segment] = []
        if self._action is None or self._action.state != state:
            ended = self._close()
            name = self._names.get(state, NONE)
            if name != NONE:
                self._action = _Action(state, name, step.start, step.end)
        if self._action is not None:
            self._action.add(step)
        return ended

    def _close(self) -> list[Segment]:
        action, self._action = self._action, None
        return [] if action is None else [action.segment()]


def main_label(
    steps: Sequence[Step], found: Sequence[Segment], classes: Sequence[str]
) -> Segment | None:
    """What somebody does most of the time: an action, or the class `"none"`.

    Args:
        steps: Steps of one labeler.
        found: Their actions, from `segments`.
        classes: The network's classes.

    Returns:
        The label with the most frames, from its first to its last one; None if no step has one.

    Example:
        >>> import numpy as np
        >>> from keras_skeleton.film.segments import main_label, segments
        >>> from keras_skeleton.film.windows import Step
        >>> waves, sits = np.array([0.9, 0.1]), np.array([0.2, 0.8])
        >>> steps = [Step(0, 8, waves, waves, "wave", 0.9), Step(8, 24, sits, sits, "sit", 0.8)]
        >>> main_label(steps, segments(steps), ["wave", "sit"]).label
        'sit'
    """
    actions: dict[str, _Action] = {}
    at = 0
    for step in steps:
        while at < len(found) and found[at].end <= step.start:
            at += 1
        inside = at < len(found) and found[at].start <= step.start and bool(step.label)
        label = found[at].label if inside else step.label if step.label == NONE else ""
        if not label:
            continue
        if label not in actions:
            state = list(classes).index(label)
            actions[label] = _Action(state, label, step.start, step.end)
        actions[label].add(step)
    if not actions:
        return None
    return max(actions.values(), key=lambda action: action.frames).segment()


def action_prediction(action: Segment, classes: Sequence[str], top: int = 3) -> Prediction:
    """An action as a prediction; its logits are the logarithms of its mean probabilities.

    Args:
        action: The action.
        classes: The network's classes.
        top: Number of classes in the ranking; the action's own is the first.
    """
    names, mean = [str(name) for name in classes], action.probabilities
    first = names.index(action.label)
    others = [k for k in np.argsort(-mean, kind="stable") if k != first]
    ranking = tuple((names[k], float(mean[k])) for k in [first, *others][:top])
    return Prediction(
        action.label,
        action.probability,
        ranking,
        mean,
        np.log(np.maximum(mean, 1e-12)).astype(np.float32),
        unsure=action.unsure,
        doubts=action.doubts,
    )


def segments(steps: Sequence[Step], enter: float = 0.5, leave: float = 0.3) -> list[Segment]:
    """Joins steps to actions with their times, see `SegmentBuilder`.

    Args:
        steps: Consecutive steps of one labeler.
        enter: Probability from which an action starts.
        leave: Probability below which it ends; at most `enter`.

    Raises:
        WindowError: The probabilities are not in order, or not between 0 and 1.

    Example:
        >>> import numpy as np
        >>> from keras_skeleton.film.segments import segments
        >>> from keras_skeleton.film.windows import Step
        >>> waves, sits = np.array([0.9, 0.1]), np.array([0.2, 0.8])
        >>> steps = [Step(0, 8, waves, waves, "wave", 0.9), Step(8, 16, waves, waves, "wave", 0.9)]
        >>> steps += [Step(16, 24, sits, sits, "sit", 0.8)]
        >>> [(found.start, found.end, found.label) for found in segments(steps)]
        [(0, 16, 'wave'), (16, 24, 'sit')]
    """
    builder = SegmentBuilder(enter, leave)
    found = [segment for step in steps for segment in builder.push(step)]
    return found + builder.finish()
