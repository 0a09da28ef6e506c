"""A person of a film as a clip with attention, for the attention page."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from keras_skeleton.attention.attended import swap_card
from keras_skeleton.film.people_labels import kinect_pose
from keras_skeleton.film.recording import Recording
from keras_skeleton.film.result import FilmResult, seen_badly
from keras_skeleton.recognizer import Recognizer
from keras_skeleton.skeletons import KINECT_V2
from keras_skeleton.viz.attended_clip import AttendedClip

PAGE = 60.0  # seconds of the attention page


def film_clip(result: FilmResult, recording: Recording, recognizer: Recognizer) -> AttendedClip:
    """The first person of a film as a clip with attention, the first minute at most."""
    person = result.people[0]
    who = next(who for who in recording.labels if who.person == person.person)
    slot = who.slot
    end = min(person.end, person.start + round(PAGE * result.fps))
    frames = np.arange(person.start, end)
    there = recording.persons[frames, slot] == person.person + 1
    poses = np.zeros((len(frames), 1, KINECT_V2.size, 3), np.float32)
    poses[there, 0] = [kinect_pose(world) for world in recording.world[frames[there], slot]]
    clip, _ = recognizer.preprocessing.adapt(poses, KINECT_V2)
    running = np.full((len(frames), len(recognizer.classes)), np.nan)
    for step in person.steps:
        if step.label:
            running[max(0, step.start - person.start) : step.end - person.start] = (
                step.probabilities
            )
    about = {
        "weights": recognizer.name,
        "film": f"{result.frames} frames, {result.frames / result.fps:.1f} s",
        "person": f"{person.person}, frames {person.start} to {end - 1}",
    }
    if person.prediction.unsure:
        about["unsure"] = ", ".join(person.prediction.doubts)
    joints = np.asarray(recording.joints[slot][frames])
    attended = np.asarray(recording.frames[slot][frames])
    return AttendedClip(
        clip=clip,
        skeleton=recognizer.skeleton,
        classes=tuple(recognizer.classes),
        label=None,
        probabilities=person.prediction.probabilities,
        name=Path(result.source).name,
        about=about,
        joints=joints if joints.any() else None,
        frames=attended if attended.any() else None,
        running=running,
        windows=True,
        fps=result.fps,
        unit=recognizer.preprocessing.unit,
        note=" ".join(f"{one[:1].upper()}{one[1:]}." for one in seen_badly(who, person.end)),
        swap=swap_card(recognizer, bool(joints.any() or attended.any())),
    )
