"""Measurements of `film.py`, each for a process of its own.

    python benchmarks/film_worker.py --measure network csta_cnn_ut_kinect_cs

The last line printed is the result in JSON.
"""

from __future__ import annotations

import json
import resource
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
from film_mediapipe import follow

from keras_skeleton import load_recognizer
from keras_skeleton.film.label import label_film
from keras_skeleton.film.people_labels import PeopleLabeler
from keras_skeleton.film.windows import StreamLabeler
from keras_skeleton.skeletons import KINECT_V2
from keras_skeleton.video.blazepose import BlazePose
from keras_skeleton.video.film import open_film
from keras_skeleton.video.people import PeopleTracker, PersonPose
from keras_skeleton.video.pose_models import find_pose_models
from keras_skeleton.video.reading import MOVIE_CODEC, write_video
from keras_skeleton.viz.overlay import FigureInFilm, Overlay

FPS = 30


def estimator(models: str) -> BlazePose:
    """BlazePose from its files; an empty text is the cache."""
    return BlazePose(find_pose_models(models or None))


def landmarks(frames: str, out: str, models: str) -> dict[str, float]:
    """Follows one person through stored frames as the mediapipe package does; writes the points."""
    tracker = PeopleTracker(estimator(models), people=1)

    def step(image: np.ndarray, time_s: float) -> tuple[np.ndarray, np.ndarray] | None:
        found = tracker.step(image, time_s)
        return (found[0].points[:, :2], found[0].world[:, :3]) if found else None

    points, world, spent = follow(np.load(frames), step)
    np.savez(out, points=points, world=world)
    return spent


def peak() -> float:
    """Maximum resident size of this process in MB."""
    status = Path("/proc/self/status")
    if status.is_file():  # getrusage counts the process that started this one, too
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) / 1e3
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3


def chain(film: str, network: str, how: str, models: str) -> dict[str, float]:
    """Frames per second of `label_film`, CPU ms per frame, and the maximum resident size in MB."""
    recognizer, pose = load_recognizer(network), estimator(models)
    PeopleLabeler(recognizer, FPS, (480, 640)).warm_up()
    everything = how == "overlay"
    with TemporaryDirectory() as out:
        start, spent = time.perf_counter(), time.process_time()
        result = label_film(film, recognizer, pose, out, overlay=everything, attention=everything)
        seconds, spent = time.perf_counter() - start, time.process_time() - spent
    return {"fps": result.frames / seconds, "cpu": 1e3 * spent / result.frames, "MB": peak()}


def parts(film: str, network: str, models: str) -> dict[str, float]:
    """Milliseconds per frame of each part of the chain alone."""
    spent: dict[str, float] = {}
    opened, recognizer = open_film(film), load_recognizer(network)
    tracker = PeopleTracker(estimator(models))
    labeler = PeopleLabeler(recognizer, opened.fps, opened.size)
    labeler.warm_up()
    seconds = (opened.frames_expected or 1) / opened.fps
    overlay = Overlay(opened.size, opened.fps, recognizer.classes, recognizer.skeleton, seconds)
    glow = np.linspace(0, 3, recognizer.skeleton.size)

    def part(name: str, work: Callable[[], list]) -> list:
        start = time.perf_counter()
        done = work()
        spent[name] = 1e3 * (time.perf_counter() - start) / len(frames or done)
        return done

    def picture(k: int) -> np.ndarray:
        figures = [FigureInFilm(p.person, p.points, "wave", 0.9, False, glow) for p in people[k]]
        return overlay.draw(frames[k].image, figures, frames[k].time_s)

    def encode() -> list:
        with TemporaryDirectory() as out:
            path = Path(out) / "film.mp4"
            write_video(path, pictures, opened.fps, MOVIE_CODEC, compact=True)
        return pictures

    frames: list = []
    people: list[list[PersonPose]] = []
    frames = part("decoding", lambda: list(opened.frames()))
    tracker.step(frames[0].image, -1.0)
    people = part("people", lambda: [tracker.step(f.image, f.time_s) for f in frames])
    part("labels", lambda: [*map(labeler.push, people), labeler.finish()])
    pictures = part("drawing", lambda: [picture(k) for k in range(len(frames))])
    part("encoding", encode)
    return spent


def network(name: str) -> dict[str, float]:
    """Milliseconds per window of a network in a stream, and seconds of its compilation."""
    labeler = StreamLabeler(load_recognizer(name), FPS)
    start = time.perf_counter()
    labeler.warm_up()
    compiling = time.perf_counter() - start
    random = np.random.default_rng(0)
    poses = random.normal(size=(KINECT_V2.size, 3)) + random.normal(0, 0.01, (900, 1, 3)).cumsum(0)
    spent = []
    for pose in poses:
        start = time.perf_counter()
        if labeler.push(pose.astype(np.float32)):
            spent.append(1e3 * (time.perf_counter() - start) / len(labeler.sizes))
    return {"ms": statistics.median(spent[2:]), "s": compiling}


MEASUREMENTS: dict[str, Callable[..., dict[str, float]]] = {
    "landmarks": landmarks,
    "chain": chain,
    "parts": parts,
    "network": network,
}

if __name__ == "__main__":
    name, *words = sys.argv[2:]  # the first one is --measure
    print(json.dumps(MEASUREMENTS[name](*words)))
