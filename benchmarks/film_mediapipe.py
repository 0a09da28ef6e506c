"""Follow one person through stored frames with the mediapipe package; `film.py` runs this script.

    python -m venv PLACE; PLACE/bin/pip install mediapipe==0.10.21 numpy
    python benchmarks/film.py --data-dir PATH --mediapipe PLACE/bin/python

The package needs an environment of its own, since it cannot be installed beside a current
TensorFlow. Nothing of keras_skeleton is imported here.
"""

import json
import sys
import time

import numpy as np

WARM = 5  # frames before the clock starts: the networks are prepared in the first one
POINTS = 33


def follow(frames, step):
    """Runs a pose estimator over frames.

    Args:
        frames: uint8 (T, H, W, 3).
        step: Takes a frame and its time in seconds; returns points (33, 2) in pixels and (33, 3) in
            meters, or None if nobody is found.

    Returns:
        Points (T, 33, 2) and (T, 33, 3), NaN where nobody is, and a dict with the number of timed
        frames, their seconds, and their seconds of processor time in all threads.
    """
    points = np.full((len(frames), POINTS, 2), np.nan)
    world = np.full((len(frames), POINTS, 3), np.nan)
    start = spent = 0.0
    for t, frame in enumerate(frames):
        if t == WARM:
            start, spent = time.perf_counter(), time.process_time()
        found = step(frame, t / 30)
        if found is not None:
            points[t], world[t] = found
    wall, cpu = time.perf_counter() - start, time.process_time() - spent
    return points, world, {"frames": len(frames) - WARM, "wall": wall, "cpu": cpu}


def main():
    import mediapipe

    _, source, out = sys.argv[1:]  # the first one is --measure
    frames = np.load(source)
    height, width = frames.shape[1:3]
    pose = mediapipe.solutions.pose.Pose(
        static_image_mode=False, model_complexity=1, smooth_landmarks=True
    )

    def step(frame, time_s):  # the package itself assumes 30 frames per second
        found = pose.process(frame)
        if found.pose_landmarks is None:
            return None
        points = [(p.x * width, p.y * height) for p in found.pose_landmarks.landmark]
        return points, [(p.x, p.y, p.z) for p in found.pose_world_landmarks.landmark]

    points, world, spent = follow(frames, step)
    np.savez(out, points=points, world=world)
    print(json.dumps(spent))


if __name__ == "__main__":
    main()
