"""Simulation of a Kinect v2 studio: people with 25 joints, actions, three cameras, sensor noise.

A performance is generated in four steps, each in its own section of this file:

    person     bone lengths, pace, posture and handedness, drawn from the subject's number
    script     the actions over time, as minimum-jerk movements of named channels
    joints     from channels to 25 joint positions: a chain for the trunk, two-bone limbs
    camera     from studio to camera coordinates; then noise and lost joints

Coordinates are right-handed with y up, in meters. In a person's own frame x points to the person's
left and z to the front; in the studio the floor is y = 0; in camera coordinates x points to the
sensor's left and z away from it, as in the Kinect SDK. Time is in seconds, at 30 frames per second.
Each random generator is seeded by its purpose and the clip's numbers, so a clip does not depend on
other clips.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from keras_skeleton.skeletons import KINECT_V2

FRAME_RATE = 30
AT = {joint: i for i, joint in enumerate(KINECT_V2.joints)}
V = KINECT_V2.size
SIDES = {"left": 1.0, "right": -1.0}  # the sign of x

Rng = np.random.Generator
PERSON, PERFORMANCE, SETUP, SENSOR, STREAM = range(5)  # purposes of random generators


def generator(seed: int, purpose: int, *indices: int) -> Rng:
    """Returns the random generator for a purpose and indices."""
    return np.random.default_rng((seed, purpose, *indices))


# ---------------------------------------------------------------------------------------- person

# Bone lengths in meters, of a person of medium height; both sides have the same lengths.
BONES = {
    "lower_trunk": 0.27, "upper_trunk": 0.22, "neck": 0.07, "head": 0.14,
    "shoulder": 0.17, "upper_arm": 0.26, "forearm": 0.24, "hand": 0.075, "hand_tip": 0.075,
    "thumb": 0.045, "hip": 0.085, "thigh": 0.38, "shin": 0.37, "foot": 0.12,
}  # fmt: skip
ANKLE_HEIGHT = 0.085


@dataclass(frozen=True)
class Person:
    """The constant properties of a subject.

    Attributes:
        number: The subject's number, from 1.
        bones: Maps a bone's name to its length in meters.
        handed: `"right"` or `"left"`.
        pace: Relative speed of movements.
        size: Relative size of gestures.
        lean: Lean of the trunk when standing (forward, to the left), in degrees.
        sway: Relative amount of sway when standing still.
    """

    number: int
    bones: dict[str, float]
    handed: str
    pace: float
    size: float
    lean: tuple[float, float]
    sway: float

    @property
    def arm(self) -> float:
        """Length of a stretched arm from shoulder to wrist, in meters."""
        return self.bones["upper_arm"] + self.bones["forearm"]

    @property
    def leg(self) -> float:
        """Length of a stretched leg from hip to ankle, in meters."""
        return self.bones["thigh"] + self.bones["shin"]


def draw_person(seed: int, number: int) -> Person:
    """Draws the person of a subject's number; every fifth one (3, 8, ...) is left-handed."""
    rng = generator(seed, PERSON, number)
    height = np.clip(rng.normal(1.0, 0.04), 0.92, 1.08)
    bones = {
        bone: float(length * height * np.clip(rng.normal(1.0, 0.03), 0.92, 1.08))
        for bone, length in BONES.items()
    }
    return Person(
        number=number,
        bones=bones,
        handed="left" if number % 5 == 3 else "right",
        pace=float(rng.uniform(0.88, 1.18)),
        size=float(rng.uniform(0.85, 1.15)),
        lean=(float(rng.normal(2.0, 2.5)), float(rng.normal(0.0, 1.2))),
        sway=float(rng.uniform(0.6, 1.4)),
    )


# ---------------------------------------------------------------------------------------- script

# The channels of a person and their values when standing.
#   pelvis   offset from the standing position (left, up, front), in meters
#   trunk    angles (forward, to the left, twist to the left), in degrees
#   head     forward tilt, in degrees
#   *_hand   the wrist relative to its shoulder (out, up, front), in arm lengths; 'out' points away
#            from the body's midline on both sides; lean and twist of the trunk do not rotate it
#   *_elbow  sideways elevation of the elbow, in degrees
#   *_foot   offset from the foot's standing position (out, front), in meters
#   *_lift   height of the foot above the floor, in meters
STANDING: dict[str, tuple[float, ...]] = {
    "pelvis": (0, 0, 0), "trunk": (0, 0, 0), "head": (0,),
    "left_hand": (0.16, -0.95, 0.08), "right_hand": (0.16, -0.95, 0.08),
    "left_elbow": (0,), "right_elbow": (0,),
    "left_foot": (0, 0), "right_foot": (0, 0), "left_lift": (0,), "right_lift": (0,),
}  # fmt: skip

# Positions of an idle hand: its wrist, its elbow, and the probability.
IDLE_HANDS = (
    ((0.15, -0.92, 0.08), 0.0, 0.90),  # hanging down
    ((0.16, -0.66, -0.02), 35.0, 0.04),  # on the hip
    ((-0.22, -0.66, 0.34), 15.0, 0.04),  # in front of the belly
    ((-0.02, -0.14, 0.34), 5.0, 0.02),  # at the strap of a bag
)

# Variation of the stance between clips (standard deviations, in the channels' units).
STANCE: dict[str, tuple[float, ...]] = {
    "trunk": (2.0, 1.0, 6.0), "head": (5.0,),
    "left_foot": (0.015, 0.03), "right_foot": (0.015, 0.03),
}  # fmt: skip

# Amplitude of each channel's sway, in the channel's unit.
SWAY: dict[str, tuple[float, ...]] = {
    "pelvis": (0.007, 0.0, 0.006), "trunk": (0.8, 0.5, 1.2), "head": (1.5,),
    "left_hand": (0.015, 0.01, 0.02), "right_hand": (0.015, 0.01, 0.02),
    "left_elbow": (2.0,), "right_elbow": (2.0,),
}  # fmt: skip


def _joints(names: str) -> tuple[int, ...]:
    return tuple(AT[name] for name in names.split())


_LIMBS = {
    f"{side}_{limb}": _joints(" ".join(f"{side}_{joint}" for joint in joints.split()))
    for side in SIDES
    for limb, joints in {
        "arm": "elbow wrist hand hand_tip thumb",
        "leg": "knee ankle foot",
    }.items()
}
_ON_FLOOR = _joints("left_ankle left_foot right_ankle right_foot")

# The joints that a channel moves.
CARRIES: dict[str, tuple[int, ...]] = {
    "pelvis": tuple(i for i in range(V) if i not in _ON_FLOOR),
    "trunk": (
        *_joints("spine_mid spine_shoulder neck head left_shoulder right_shoulder"),
        *_LIMBS["left_arm"],
        *_LIMBS["right_arm"],
    ),
    "head": _joints("neck head"),
    **{f"{side}_{part}": _LIMBS[f"{side}_arm"] for side in SIDES for part in ("hand", "elbow")},
    **{f"{side}_{part}": _LIMBS[f"{side}_leg"] for side in SIDES for part in ("foot", "lift")},
}


def minimum_jerk(phase: np.ndarray) -> np.ndarray:
    """Minimum-jerk profile from 0 to 1 for phases 0 to 1; constant outside.

    Velocity and acceleration are zero at both ends.
    """
    x = np.clip(phase, 0.0, 1.0)
    return x**3 * (10 - 15 * x + 6 * x**2)


class Move(NamedTuple):
    """A minimum-jerk movement that adds `change` to a channel from `start` to `end` seconds."""

    channel: str
    start: float
    end: float
    change: np.ndarray


class Script:
    """The movements of one person over time.

    The value of a channel over time is its first value plus all of its moves, so moves may overlap.
    `begin` starts a move without advancing the current time; `move` also advances it.

    Args:
        person: The person.
        rng: Random generator for differences between repetitions.
        pace: Divisor of all durations.
        side: The acting hand, `"left"` or `"right"`.
        stance: Constant offsets of channels, see `draw_stance`.
    """

    def __init__(
        self,
        person: Person,
        rng: Rng,
        pace: float,
        side: str,
        stance: dict[str, np.ndarray] | None = None,
    ) -> None:
        self.person = person
        self.rng = rng
        self.pace = pace
        self.side = side
        self.stance = stance or {}
        self.size = person.size * rng.uniform(0.9, 1.1)
        self.now = 0.0
        self.first = {channel: np.array(value, float) for channel, value in STANDING.items()}
        for name in SIDES:
            wrist, elbow, _ = IDLE_HANDS[rng.choice(len(IDLE_HANDS), p=[p for *_, p in IDLE_HANDS])]
            self.first[f"{name}_hand"] = self.near(wrist, 0.02)
            self.first[f"{name}_elbow"] = np.array([elbow])
        self.pose = dict(self.first)  # values of the channels after all moves
        self.moves: list[Move] = []

    def channel(self, name: str) -> str:
        """Resolves `hand` and `elbow` to the acting side, and `other_hand` to the other side."""
        if name == "other_hand":
            return "left_hand" if self.side == "right" else "right_hand"
        return f"{self.side}_{name}" if name in ("hand", "elbow") else name

    def begin(self, seconds: float, *, after: Any = 0.0, **targets: Any) -> None:
        """Starts to move channels to their targets, `after` seconds from the current time.

        A target may have fewer values than its channel; the other values do not change.
        """
        start = self.now + after / self.pace
        for name, target in targets.items():
            channel = self.channel(name)
            goal = self.pose[channel].copy()
            values = np.atleast_1d(np.asarray(target, float))
            goal[: len(values)] = values
            change = goal - self.pose[channel]
            if not change.any():
                continue
            end = start + seconds / self.pace
            self.moves.append(Move(channel, start, end, change))
            self.pose[channel] = goal
            if channel in ("left_hand", "right_hand") and abs(change[1]) > 0.5:
                # A large vertical movement makes an arc in front of the shoulder.
                arc, middle = np.array((0.0, 0.0, 0.3 * abs(change[1]))), (start + end) / 2
                self.moves.append(Move(channel, start, middle, arc))
                self.moves.append(Move(channel, middle, end, -arc))

    def move(self, seconds: float, **targets: Any) -> None:
        """Moves channels to their targets and advances the time."""
        self.begin(seconds, **targets)
        self.wait(seconds)

    def rest(self, seconds: float, *names: str) -> None:
        """Moves channels back to their first values and advances the time."""
        self.move(seconds, **{name: self.first[self.channel(name)] for name in names})

    def wait(self, seconds: float) -> None:
        """Advances the time."""
        self.now += seconds / self.pace

    def delay(self, seconds: float) -> None:
        """Delays all moves."""
        self.now += seconds
        self.moves = [m._replace(start=m.start + seconds, end=m.end + seconds) for m in self.moves]

    def near(self, point: Sequence[float], spread: float = 0.03) -> np.ndarray:
        """Draws a point near the given one."""
        return np.asarray(point) + np.clip(
            self.rng.normal(0, spread, len(point)), -2 * spread, 2 * spread
        )

    def wrist_at(self, side: str, point: Sequence[float] | np.ndarray, lean: float) -> np.ndarray:
        """The value of the hand channel that puts the wrist at `point`.

        Args:
            side: `"left"` or `"right"`.
            point: (3,), in meters in the person's own frame.
            lean: Forward lean of the person, in degrees.
        """
        pose = {channel: np.array([value], float) for channel, value in STANDING.items()}
        pose["trunk"][0, 0] = lean
        for channel, added in self.stance.items():
            pose[channel] += added
        shoulder = place_joints(self.person, pose)[0, AT[f"{side}_shoulder"]]
        return (np.asarray(point) - shoulder) * (SIDES[side], 1, 1) / self.person.arm

    def channels(self, times: np.ndarray) -> dict[str, np.ndarray]:
        """All channels (T, size) at the given times in seconds, without sway."""
        course = {
            channel: np.tile(value + self.stance.get(channel, 0.0), (len(times), 1))
            for channel, value in self.first.items()
        }
        for channel, start, end, change in self.moves:
            phase = (times - start) / (end - start)
            course[channel] += minimum_jerk(phase)[:, None] * change
        return course


def moved_joints(moves: Sequence[Move]) -> np.ndarray:
    """The joints that these moves affect, bool (V,)."""
    moved = np.zeros(V, bool)
    for move in moves:
        moved[list(CARRIES[move.channel])] = True
    return moved


def draw_stance(rng: Rng) -> dict[str, np.ndarray]:
    """Draws constant offsets of channels, which vary the stance between clips."""
    return {channel: rng.normal(0, extent) for channel, extent in STANCE.items()}


def sway(person: Person, rng: Rng, times: np.ndarray) -> dict[str, np.ndarray]:
    """Draws the sway of the channels (T, size), each a sum of three slow waves."""
    added = {}
    for channel, extent in SWAY.items():
        scale = np.array(extent) * person.sway
        speed = 2 * np.pi * rng.uniform(0.1, 0.6, (3, len(extent)))
        phase = rng.uniform(0, 2 * np.pi, (3, len(extent)))
        weight = rng.dirichlet((2, 2, 2), len(extent)).T
        added[channel] = scale * (weight * np.sin(times[:, None, None] * speed + phase)).sum(1)
    return added


# --------------------------------------------------------------------------------------- actions

# Positions of the wrist, in the units of the hand channels.
EAR = (0.10, 0.22, 0.16)
HOLDING = (-0.02, -0.42, 0.62)
LAP = (-0.05, -0.76, 0.42)


def wave(s: Script, side: str) -> None:
    """Raises one hand and swings it two to four times; the other hand is idle."""
    hand, elbow = f"{side}_hand", f"{side}_elbow"
    out, up, front = s.near((0.34, 0.40, 0.36))
    swing = 0.22 * s.size
    s.move(0.6, **{hand: (out, up, front), elbow: 5})
    for _ in range(s.rng.integers(2, 5)):
        s.move(0.2, **{hand: (out + swing, up - 0.3 * swing, front)})
        s.move(0.2, **{hand: (out - swing, up - 0.1 * swing, front)})
    s.rest(0.65, hand, elbow)


def answer_phone(s: Script) -> None:
    """Moves an object from in front of the belly to the ear and keeps it there; the head tilts."""
    s.move(0.5, hand=s.near(HOLDING), elbow=0)
    s.wait(s.rng.uniform(0.1, 0.4))
    s.begin(0.5, after=0.3, head=10)
    s.move(0.8, hand=s.near(EAR), elbow=5)


def clap(s: Script) -> None:
    """Raises both hands and claps three to six times."""
    up, front = s.near((-0.22, 0.60))
    together, apart = -0.27, -0.27 + 0.34 * s.size
    s.begin(0.5, left_elbow=0, right_elbow=0)
    s.move(0.5, left_hand=(apart, up, front), right_hand=(apart, up, front))
    for i in range(n := int(s.rng.integers(3, 7))):
        s.move(0.14, left_hand=together, right_hand=together)
        if i < n - 1:
            s.move(0.14, left_hand=apart, right_hand=apart)
    s.rest(0.55, "left_hand", "right_hand", "left_elbow", "right_elbow")


def nod(s: Script) -> None:
    """Nods one to three times; only the head moves."""
    for _ in range(s.rng.integers(1, 4)):
        s.move(0.25, head=34 * s.size)
        s.move(0.27, head=0)


def sit_down(s: Script) -> None:
    """Moves the pelvis back and down to a chair; the trunk leans forward and straightens again."""
    seat = np.array((0.0, -0.43, -0.42)) * s.person.leg
    s.begin(1.3, after=0.15, pelvis=seat)
    s.begin(1.0, after=0.3, left_hand=s.near(LAP), right_hand=s.near(LAP))
    s.begin(1.0, after=0.3, left_elbow=0, right_elbow=0)
    s.move(0.8, trunk=s.rng.uniform(28, 38))
    s.move(0.75, trunk=s.rng.uniform(-2, 6))


def pick_up(s: Script) -> None:
    """Picks up an object from the floor and holds it in front of the belly."""
    low = np.array((0.0, -0.45, -0.26)) * s.person.leg
    s.begin(0.9, trunk=s.rng.uniform(60, 70), head=-15, pelvis=low)
    s.begin(0.9, other_hand=(0.16, -0.70, 0.30), elbow=0)
    s.move(0.9, hand=s.near((-0.15, -0.91, 0.22), 0.02))
    s.wait(0.12)
    s.begin(0.9, trunk=0, head=0, pelvis=(0, 0, 0), other_hand=s.first[s.channel("other_hand")])
    s.move(1.0, hand=s.near(HOLDING))


def walk(s: Script, metres: float, seconds: float) -> None:
    """Walks three steps forward; the arms swing opposite to the legs."""
    steps = 3
    feet = ["left", "right"] if s.rng.random() < 0.5 else ["right", "left"]
    step = seconds / steps
    s.begin(seconds, pelvis=(0, 0, metres))
    for i in range(steps):
        foot, arm = feet[i % 2], feet[(i + 1) % 2]
        # The foot lands as far ahead of the body as it is behind the body when it is lifted.
        phase = 1.0 if i >= steps - 2 else (i + 1.5) / steps
        ahead = metres * float(minimum_jerk(np.array(phase)))
        s.begin(step, **{f"{foot}_foot": (0, ahead)})
        s.begin(step / 2, **{f"{foot}_lift": 0.07})
        s.begin(step / 2, after=step / 2, **{f"{foot}_lift": 0})
        swing = 0.0 if i == steps - 1 else 0.22 * s.size
        ahead_hand, back_hand = f"{arm}_hand", f"{foot}_hand"
        s.begin(step, **{ahead_hand: s.first[ahead_hand] + (0, 0.3 * swing, swing)})
        s.move(step, **{back_hand: s.first[back_hand] - (0, 0, 0.8 * swing)})
    s.rest(0.3, "left_hand", "right_hand")


REACHING = 6.0  # forward lean of people who reach out for each other, in degrees


def _between(a: Script, b: Script, gap: float) -> tuple[np.ndarray, np.ndarray]:
    """Values of the right hand channels of two people whose hands meet."""
    heights = [place_standing(s.person)[AT["spine_mid"], 1] for s in (a, b)]
    meet = a.near((0.0, float(np.mean(heights)), gap / 2), 0.02)
    points = meet, meet * (-1, 1, -1) + (0, 0, gap)  # in the frame of each person
    one, other = (
        s.wrist_at("right", point - (0, 0, s.person.bones["hand"]), REACHING)
        for s, point in zip((a, b), points, strict=True)
    )
    return one, other


def shake_hands(a: Script, b: Script, gap: float) -> None:
    """Right hands meet halfway, regardless of handedness, and shake three to five times."""
    beats = int(a.rng.integers(3, 6))
    for s, wrist in zip((a, b), _between(a, b, gap), strict=True):
        s.pace = a.pace  # both move at the same pace
        up = np.array((0.0, 0.08 * a.size / s.person.arm, 0.0))
        s.begin(0.6, trunk=REACHING)
        s.move(0.6, right_hand=wrist, right_elbow=0)
        for _ in range(beats):
            s.move(0.16, right_hand=wrist + up)
            s.move(0.16, right_hand=wrist - up)
        s.begin(0.6, trunk=0)
        s.rest(0.6, "right_hand", "right_elbow")


def hand_over(a: Script, b: Script, gap: float) -> None:
    """One person holds an object and gives it to the other, who reaches out slightly later."""
    if a.rng.random() < 0.5:
        a, b = b, a
    b.pace = a.pace
    late, pause = a.rng.uniform(0.2, 0.5), a.rng.uniform(0.3, 0.7)
    a.first["right_hand"] = a.pose["right_hand"] = a.near(HOLDING)
    a.first["right_elbow"] = a.pose["right_elbow"] = np.zeros(1)
    hangs = IDLE_HANDS[0][0]
    for s, wrist in zip((a, b), _between(a, b, gap), strict=True):
        s.wait(late if s is b else 0)
        s.begin(0.6, trunk=REACHING)
        s.move(0.6, right_hand=wrist, right_elbow=0)
        s.wait(pause if s is b else late + pause + 0.1)
        s.begin(0.6, trunk=0)
        s.move(0.6, right_hand=s.near(hangs if s is a else HOLDING, 0.02))


def approach(a: Script, b: Script, gap: float) -> None:
    """Both people walk towards each other until they are an arm's length apart."""
    share = a.rng.uniform(0.4, 0.6)
    metres = gap - a.rng.uniform(0.9, 1.05)
    for s, part in ((a, share), (b, 1 - share)):
        walk(s, part * metres, s.rng.uniform(1.5, 1.8))


@dataclass(frozen=True)
class Action:
    """A class.

    Attributes:
        name: Name of the class.
        play: Adds the action to the script of one person, or to those of two people, given the gap
            between them.
        people: Number of people, 1 or 2.
        gap: Initial distance between two people in meters, (minimum, maximum).
        reverse: Whether the class is `play` reversed in time.
    """

    name: str
    play: Callable[..., None]
    people: int = 1
    gap: tuple[float, float] = (0.0, 0.0)
    reverse: bool = False


ACTIONS = (
    Action("wave_right_hand", lambda s: wave(s, "right")),
    Action("wave_left_hand", lambda s: wave(s, "left")),
    Action("clap", clap),
    Action("nod", nod),
    Action("sit_down", sit_down),
    Action("stand_up", sit_down, reverse=True),
    Action("pick_up", pick_up),
    Action("put_down", pick_up, reverse=True),
    Action("answer_phone", answer_phone),
    Action("hang_up", answer_phone, reverse=True),
    Action("shake_hands", shake_hands, people=2, gap=(0.78, 0.88)),
    Action("hand_over", hand_over, people=2, gap=(0.78, 0.88)),
    Action("approach", approach, people=2, gap=(1.9, 2.1)),
    Action("back_away", approach, people=2, gap=(1.9, 2.1), reverse=True),
)


def play(
    action: Action, scripts: Sequence[Script], gap: float = 0.0
) -> tuple[float, float, np.ndarray]:
    """Adds an action to the scripts of its people, at their current time.

    Returns:
        Its start and end in seconds, and the joints that it moves, bool (2, V).
    """
    drafts = [Script(s.person, s.rng, s.pace, s.side, s.stance) for s in scripts]
    action.play(*drafts, *([gap] if action.people == 2 else []))
    length = max(draft.now for draft in drafts)
    joints = np.zeros((2, V), bool)
    for i, (s, draft) in enumerate(zip(scripts, drafts, strict=True)):
        begin, end, moves = draft.first, draft.pose, draft.moves
        if action.reverse:
            begin, end = end, begin
            moves = [Move(m.channel, length - m.end, length - m.start, -m.change) for m in moves]
        if s.moves:
            s.move(0.5, **begin)  # move to the initial pose of the action
        else:
            s.first = dict(begin)
        s.moves += [m._replace(start=s.now + m.start, end=s.now + m.end) for m in moves]
        s.pose = dict(end)
        s.now += length
        joints[i] = moved_joints(moves)
    return scripts[0].now - length, scripts[0].now, joints


# ---------------------------------------------------------------------------------------- joints


def _rotation(degrees: np.ndarray, axis: int) -> np.ndarray:
    """Rotation matrices (T, 3, 3) about one axis."""
    angle = np.radians(np.asarray(degrees, float))
    i, j = (axis + 1) % 3, (axis + 2) % 3
    matrix = np.zeros((*angle.shape, 3, 3))
    matrix[..., axis, axis] = 1
    matrix[..., i, i] = matrix[..., j, j] = np.cos(angle)
    matrix[..., j, i] = np.sin(angle)
    matrix[..., i, j] = -matrix[..., j, i]
    return matrix


def _unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


def two_bones(
    start: np.ndarray, goal: np.ndarray, upper: float, lower: float, pole: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Inverse kinematics of a limb of two bones that reaches for a goal.

    Args:
        start: (T, 3), the start of the limb.
        goal: (T, 3), the target of its end.
        upper, lower: Lengths of the two bones.
        pole: (T, 3), the direction in which the middle joint bends.

    Returns:
        The positions (T, 3) of the middle joint and of the end. If the goal is out of reach, the
        end is as close to it as the bone lengths permit.
    """
    axis = goal - start
    distance = np.linalg.norm(axis, axis=-1, keepdims=True)
    axis = axis / distance
    distance = np.clip(distance, abs(upper - lower) + 1e-3, 0.999 * (upper + lower))
    along = (upper**2 - lower**2 + distance**2) / (2 * distance)
    away = np.sqrt(np.maximum(upper**2 - along**2, 0))
    bend = _unit(pole - (pole * axis).sum(-1, keepdims=True) * axis)
    return start + along * axis + away * bend, start + distance * axis


def place_joints(person: Person, channels: dict[str, np.ndarray]) -> np.ndarray:
    """Joint positions (T, 25, 3) in the person's own frame; the floor is y = 0."""
    bones = person.bones
    lean, side, twist = channels["trunk"].T
    lean, side = lean + person.lean[0], side + person.lean[1]
    nodding = channels["head"][:, 0]
    T = len(lean)
    joints = np.zeros((T, V, 3))

    def put(joint: str, parent: str, frame: np.ndarray, offset: Any) -> None:
        joints[:, AT[joint]] = joints[:, AT[parent]] + frame @ np.asarray(offset)

    # The pelvis follows a part of the lean and twist, the chest follows them completely.
    pelvis = _rotation(0.25 * twist, 1) @ _rotation(0.35 * lean, 0)
    waist = _rotation(0.5 * twist, 1) @ _rotation(0.75 * lean, 0) @ _rotation(-0.5 * side, 2)
    twisted = _rotation(twist, 1)
    chest = twisted @ _rotation(lean, 0) @ _rotation(-side, 2)

    # Feet first, because their positions limit the height of the pelvis.
    hip = bones["hip"] * _unit(np.array((1.0, -0.35, 0.0)))
    base = channels["pelvis"].copy()
    base[:, 1] += ANKLE_HEIGHT + 0.985 * person.leg - hip[1]
    ankles, excess = {}, [np.zeros(T)]
    for name, sign in SIDES.items():
        out, front = channels[f"{name}_foot"].T
        lift = channels[f"{name}_lift"][:, 0]
        ankles[name] = np.stack((sign * (hip[0] + 0.03 + out), ANKLE_HEIGHT + lift, front), axis=-1)
        apart = base + pelvis @ (hip * (sign, 1, 1)) - ankles[name]
        level = apart[:, 0] ** 2 + apart[:, 2] ** 2
        excess.append(apart[:, 1] - np.sqrt(np.maximum((0.99 * person.leg) ** 2 - level, 0.0)))
    # Smooth maximum: lower the pelvis until both feet can be reached.
    base[:, 1] -= 0.004 * np.logaddexp.reduce(np.array(excess) / 0.004, axis=0)

    joints[:, AT["spine_base"]] = base
    put("spine_mid", "spine_base", waist, (0, bones["lower_trunk"], 0))
    put("spine_shoulder", "spine_mid", chest, (0, bones["upper_trunk"], 0))
    put("neck", "spine_shoulder", chest @ _rotation(0.5 * nodding, 0), (0, bones["neck"], 0))
    put("head", "neck", chest @ _rotation(nodding, 0), (0, bones["head"], 0))

    for name, sign in SIDES.items():
        # Leg: the knee bends forward and slightly outward; the sole stays level.
        put(f"{name}_hip", "spine_base", pelvis, hip * (sign, 1, 1))
        forward = np.broadcast_to((0.12 * sign, 0.0, 1.0), (T, 3))
        hip_at = joints[:, AT[f"{name}_hip"]]
        knee, ankle = two_bones(hip_at, ankles[name], bones["thigh"], bones["shin"], forward)
        joints[:, AT[f"{name}_knee"]] = knee
        joints[:, AT[f"{name}_ankle"]] = ankle
        toes = _unit(np.array((0.2 * sign, -0.5, 0.9)))
        joints[:, AT[f"{name}_foot"]] = ankle + bones["foot"] * toes

        # Arm: the elbow points down, backward for a lowered hand and forward for a raised one, and
        # sideways according to its channel.
        across = bones["shoulder"] * _unit(np.array((sign, -0.25, 0.0)))
        put(f"{name}_shoulder", "spine_shoulder", chest, across)
        up = minimum_jerk(channels[f"{name}_hand"][:, 1:2] + 0.95)
        pole = (0.25 * sign, -0.85, -0.45) + up * (0.2 * sign, 0.1, 0.85)
        raised = np.radians(channels[f"{name}_elbow"])
        pole = np.cos(raised) * pole + np.sin(raised) * (sign, 0.0, -0.2)
        reach = channels[f"{name}_hand"] * (sign, 1, 1) * person.arm
        shoulder = joints[:, AT[f"{name}_shoulder"]]
        goal = shoulder + reach
        elbow, wrist = two_bones(shoulder, goal, bones["upper_arm"], bones["forearm"], pole)
        joints[:, AT[f"{name}_elbow"]] = elbow
        joints[:, AT[f"{name}_wrist"]] = wrist

        # Hand: it continues the forearm, bent slightly inward; the thumb points away.
        forearm = (wrist - elbow) / bones["forearm"]
        inwards = -sign * twisted[:, :, 0]
        hand = wrist + bones["hand"] * _unit(forearm + 0.2 * inwards)
        off = -sign * np.cross(forearm, inwards)
        joints[:, AT[f"{name}_hand"]] = hand
        joints[:, AT[f"{name}_hand_tip"]] = hand + bones["hand_tip"] * _unit(
            forearm + 0.4 * inwards
        )
        joints[:, AT[f"{name}_thumb"]] = hand + bones["thumb"] * _unit(0.6 * forearm + 0.8 * off)
    return joints


def place_standing(person: Person) -> np.ndarray:
    """Joint positions (25, 3) of the person standing still, in the person's own frame."""
    return place_joints(person, {c: np.array([v], float) for c, v in STANDING.items()})[0]


# ----------------------------------------------------------------------------------- performance


class Interval(NamedTuple):
    """An action of a performance: its frames [start, end) and the joints (2, V) that it moves."""

    label: int
    start: int
    end: int
    joints: np.ndarray


@dataclass(frozen=True)
class Performance:
    """Noise-free motion in the studio.

    Attributes:
        joints: (T, M, V, 3) in meters; the floor is y = 0.
        intervals: The actions, in order.
        setup: Number of the camera setup.
    """

    joints: np.ndarray
    intervals: tuple[Interval, ...]
    setup: int


def setup_of(subject: int) -> int:
    """The camera setup of a subject; it changes after every fourth subject."""
    return 1 + (subject - 1) // 4


def partner_of(subject: int) -> int:
    """The partner of a subject in actions of two people: 1 and 3, 2 and 4, 5 and 7, ...

    Both numbers are odd or both are even, so a split by odd and even subjects separates people.
    """
    return subject + 2 if (subject - 1) % 4 < 2 else subject - 2


def _stage(
    scripts: Sequence[Script], frames: int, gap: float, facing: float, rng: Rng
) -> np.ndarray:
    """Computes the joints (T, M, V, 3) of people in the studio from their scripts.

    One person faces the direction `facing` in degrees (0 is along z, 90 along x). Two people stand
    `gap` meters apart on a line perpendicular to it and face each other.
    """
    times = np.arange(frames) / FRAME_RATE
    centre = np.array((rng.uniform(-0.12, 0.12), 0.0, rng.uniform(-0.12, 0.12)))
    first = rng.choice((-90.0, 90.0))
    bodies = []
    for i, script in enumerate(scripts):
        channels = script.channels(times)
        for channel, added in sway(script.person, rng, times).items():
            channels[channel] += added
        heading = facing if len(scripts) == 1 else facing + (first if i == 0 else -first)
        turn = _rotation(np.array(heading), 1)
        own = place_joints(script.person, channels) - (0.0, 0.0, gap / 2)
        bodies.append(own @ turn.T + centre)
    return np.stack(bodies, axis=1)


def acting_hand(person: Person, rng: Rng) -> str:
    """Draws the acting hand, `"left"` or `"right"`: the dominant one with probability 0.75."""
    other = "left" if person.handed == "right" else "right"
    return person.handed if rng.random() < 0.75 else other


def _cast(seed: int, subject: int, rng: Rng) -> Script:
    """Creates the script of a subject."""
    person = draw_person(seed, subject)
    pace, side = person.pace * rng.uniform(0.92, 1.08), acting_hand(person, rng)
    return Script(person, rng, pace, side, draw_stance(rng))


def perform(seed: int, label: int, subject: int, repetition: int) -> Performance:
    """Generates one action, with short still phases before and after it.

    In odd repetitions the subject faces camera 2, in even ones camera 3, within 10 degrees; two
    people stand on a line perpendicular to this direction.
    """
    action = ACTIONS[label]
    rng = generator(seed, PERFORMANCE, label, subject, repetition)
    scripts = [_cast(seed, n, rng) for n in (subject, partner_of(subject))[: action.people]]
    gap = float(rng.uniform(*action.gap))
    _, seconds, joints = play(action, scripts, gap)
    length = int(np.ceil(seconds * FRAME_RATE))  # at most 106 (2.85 s at a pace of 0.81)
    before = int(rng.integers(4, min(31, 117 - length)))
    after = int(rng.integers(4, min(31, 121 - length - before)))
    after = max(after, 30 - length - before)
    for script in scripts:
        script.delay(before / FRAME_RATE)
    facing = CAMERA_ANGLES[3 - repetition % 2] + 180.0 + rng.uniform(-10, 10)
    return Performance(
        joints=_stage(scripts, before + length + after, gap, facing, rng),
        intervals=(Interval(label, before, before + length, joints),),
        setup=setup_of(subject),
    )


# Actions that must be followed by a certain other one.
FOLLOWS = {"sit_down": "stand_up", "pick_up": "put_down", "answer_phone": "hang_up"}


def idle(s: Script, seconds: float) -> None:
    """Adds idle movements, each followed by its reverse.

    People turn or lean, shift their weight, look down, or lift a foot or a hanging hand.
    """
    over = s.now + seconds / s.pace
    while s.now + 4.3 / s.pace < over:  # duration of the longest move with its pauses
        side = str(s.rng.choice(list(SIDES)))
        sign = SIDES[side]
        moves = [
            ("trunk", (0.0, 0.0, 25.0 * sign)), ("trunk", (3.0, 5.0 * sign, 0.0)),
            ("pelvis", (0.05 * sign, -0.01, 0.0)), ("head", (12.0,)), (f"{side}_lift", (0.06,)),
        ]  # fmt: skip
        if s.pose[f"{side}_hand"][1] < -0.6:
            moves.append((f"{side}_hand", (-0.1, 0.3, 0.2)))
        channel, change = moves[s.rng.integers(len(moves))]
        before = s.pose[channel].copy()
        s.wait(s.rng.uniform(0.2, 1.5))
        s.move(
            s.rng.uniform(0.5, 1.0),
            **{channel: before + np.array(change) * s.rng.uniform(0.5, 1.0)},
        )
        s.wait(s.rng.uniform(0.1, 0.8))
        s.move(s.rng.uniform(0.5, 1.0), **{channel: before})
    s.now = max(s.now, over)


def perform_stream(
    seed: int,
    subject: int,
    take: int,
    actions: int = 8,
    pause: tuple[float, float] = (0.3, 1.5),
) -> Performance:
    """Generates an untrimmed performance of several actions of one subject.

    Args:
        seed: An integer from 0.
        subject: Number of the subject, from 1.
        take: Number of the performance, from 1.
        actions: Number of actions.
        pause: Range of the pauses between them in seconds; longer pauses have idle movements.
    """
    rng = generator(seed, STREAM, subject, take)
    script = _cast(seed, subject, rng)
    pace = script.pace
    names = [action.name for action in ACTIONS]
    starts = [a.name for a in ACTIONS if a.people == 1 and not a.reverse]
    intervals: list[Interval] = []
    name = ""
    for _ in range(actions):
        idle(script, rng.uniform(*pause))
        if name in FOLLOWS:
            name = FOLLOWS[name]  # with the same hand
        else:
            name = str(rng.choice(starts))
            script.side = acting_hand(script.person, rng)
        script.pace = pace * rng.uniform(0.92, 1.08)
        label = names.index(name)
        start, end, joints = play(ACTIONS[label], [script])
        start, end = np.floor(start * FRAME_RATE), np.ceil(end * FRAME_RATE)
        intervals.append(Interval(label, int(start), int(end), joints))
    idle(script, rng.uniform(*pause))
    facing = CAMERA_ANGLES[3 - take % 2] + 180.0 + rng.uniform(-10, 10)
    frames = int(np.ceil(script.now * FRAME_RATE))
    return Performance(
        _stage([script], frames, 0.0, facing, rng), tuple(intervals), setup_of(subject)
    )


# ---------------------------------------------------------------------------------------- camera

# Viewing direction of each camera in degrees, as for people. As in NTU RGB+D, camera 1 is in the
# middle between cameras 2 and 3, and a subject faces camera 2 or camera 3. Thus camera 1 always
# records people from 45 degrees, the others record them from the front or from the side.
CAMERA_ANGLES = {1: 0.0, 2: 45.0, 3: -45.0}


@dataclass(frozen=True)
class Camera:
    """Position and orientation of a camera in the studio.

    Attributes:
        position: (3,), in meters.
        axes: (3, 3), with the camera's x (to its left), y and z (viewing direction) as rows.
    """

    position: np.ndarray
    axes: np.ndarray

    def see(self, points: np.ndarray) -> np.ndarray:
        """Converts studio coordinates (..., 3) to camera coordinates."""
        return (points - self.position) @ self.axes.T


def place_camera(seed: int, setup: int, view: int) -> Camera:
    """Camera `view` (1 to 3) of a setup; the setup determines its distance and height."""
    rng = generator(seed, SETUP, setup)
    distance, height, pitch = rng.uniform(3.3, 3.7), rng.uniform(0.6, 1.1), rng.uniform(-2, 2)
    axes = _rotation(np.array(CAMERA_ANGLES[view]), 1) @ _rotation(np.array(pitch), 0)
    position = -distance * axes[:, 2] * (1, 0, 1) + (0, height, 0)
    return Camera(position, axes.T)


# Noise of a joint at a distance of 3.5 m, in meters (standard deviation over all three axes).
_NOISE = {
    "spine head neck shoulder hip": 0.006, "elbow knee": 0.010, "wrist ankle": 0.013,
    "hand foot": 0.016, "tip thumb": 0.020,
}  # fmt: skip
NOISE = np.array(
    [
        max(size for names, size in _NOISE.items() if any(n in joint for n in names.split()))
        for joint in KINECT_V2.joints
    ]
)

# Joints that are lost together, and the joint to which they are attached.
LOSABLE = [
    (_joints(" ".join(f"{side}_{joint}" for joint in lost.split())), AT[f"{side}_{parent}"])
    for side in SIDES
    for parent, lost in {
        "elbow": "wrist hand hand_tip thumb",
        "shoulder": "elbow wrist hand hand_tip thumb",
        "hand": "hand_tip thumb",
        "knee": "ankle foot",
        "ankle": "foot",
    }.items()
]

INFERRED, TRACKED = 1, 2  # the Kinect SDK's tracking states


def record(points: np.ndarray, rng: Rng) -> tuple[np.ndarray, np.ndarray]:
    """Simulates the sensor for bodies (T, M, V, 3) in camera coordinates.

    Half of the noise is independent in each frame, the other half drifts over a third of a second.
    It is proportional to the distance and larger along the line of sight. A limb is sometimes lost
    for several frames, four times as often if it is farther away than the trunk. It then keeps its
    position relative to its parent, with an error, and jumps back.

    Returns:
        Positions, float32 (T, M, V, 3), and tracking states, uint8 (T, M, V).
    """
    T, M = points.shape[:2]
    white = rng.standard_normal((T, M, V, 3))
    window = np.hanning(13)[1:-1]
    drift = rng.standard_normal((T + len(window) - 1, M, V, 3))
    drift = np.lib.stride_tricks.sliding_window_view(drift, len(window), axis=0) @ window
    noise = (white + drift / np.linalg.norm(window)) / np.sqrt(2)
    noise *= np.array((0.5, 0.5, 0.7)) * NOISE[:, None]
    seen = points + noise * (points[..., 2:] / 3.5)
    states = np.full((T, M, V), TRACKED, np.uint8)
    middle = AT["spine_mid"]
    for body in range(M):
        for lost, parent in LOSABLE:
            far = points[:, body, lost, 2].mean() > points[:, body, middle, 2].mean() + 0.08
            rate = 0.16 if far else 0.04  # a second
            for _ in range(rng.poisson(rate * T / FRAME_RATE)):
                start, length = int(rng.integers(0, T)), int(rng.integers(3, 13))
                stretch = slice(start, min(start + length, T))
                held = seen[start, body, lost] - seen[start, body, parent]
                held = held + rng.normal(0, 0.02, 3)
                shaken = rng.normal(0, 0.008, (stretch.stop - start, len(lost), 3))
                seen[stretch, body, lost] = seen[stretch, body, parent][:, None] + held + shaken
                states[stretch, body, lost] = INFERRED
    return seen.astype(np.float32), states
