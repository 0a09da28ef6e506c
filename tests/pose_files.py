"""Standing people as key points, and the files in which pose estimators write them."""

import json

import numpy as np

from keras_skeleton.datasets.formats.poses import get_pose

# Somebody 1.7 m tall who faces the camera, in metres and a Kinect's axes: y up, z away
# from the camera, x to the camera's left, so that the person's left is at negative x.
BODY = {
    "nose": (0, 0.63, -0.11), "neck": (0, 0.45, 0), "mid_hip": (0, 0, 0),
    "pelvis": (0, 0, 0), "spine": (0, 0.22, 0), "thorax": (0, 0.45, 0),
    "head_top": (0, 0.78, -0.02),
    "mouth_left": (-0.03, 0.58, -0.09), "mouth_right": (0.03, 0.58, -0.09),
}  # fmt: skip
LEFT = {
    "eye": (-0.03, 0.66, -0.09), "eye_inner": (-0.02, 0.66, -0.09), "eye_outer": (-0.05, 0.66, 0),
    "ear": (-0.08, 0.64, 0), "shoulder": (-0.18, 0.45, 0), "elbow": (-0.22, 0.15, 0),
    "wrist": (-0.23, -0.1, 0), "pinky": (-0.24, -0.18, 0.03), "index": (-0.24, -0.18, -0.03),
    "thumb": (-0.21, -0.14, -0.04), "hip": (-0.1, 0, 0), "knee": (-0.1, -0.42, 0),
    "ankle": (-0.1, -0.82, 0.02), "heel": (-0.1, -0.87, 0.06), "foot_index": (-0.12, -0.87, -0.15),
    "big_toe": (-0.09, -0.87, -0.15), "small_toe": (-0.15, -0.87, -0.13),
}  # fmt: skip
for _name, (_x, _y, _z) in LEFT.items():
    BODY["left_" + _name] = (_x, _y, _z)
    BODY["right_" + _name] = (-_x, _y, _z)


def person(pose, T=4, M=1):
    """(T, M, K, 3): the key points of the standing person, in metres and a Kinect's axes."""
    points = np.array([BODY[name] for name in get_pose(pose).points], float)
    return np.tile(points, (T, M, 1, 1)) + [0.3, 0.1, 3]


def picture(points, size=400.0):
    """Kinect's axes to those of an image, in pixels: x right, y down, z away."""
    return points * [-size, -size, size] + [640, 480, 0]


def walkers(pose, T=8, M=2):
    """(T, M, K, 3) in pixels: people side by side, who sway and raise the left wrist."""
    points = person(pose, T, M)
    points += np.arange(M)[None, :, None, None] * [-0.9, 0, 0]
    points += np.sin(np.arange(T))[:, None, None, None] * [0.02, 0, 0]
    wrist = get_pose(pose).points.index("left_wrist")
    points[:, :, wrist, 1] += np.linspace(0, 0.5, T)[:, None]
    return picture(points)


def triples(points, confidence=0.9):
    """x1, y1, c1, x2, ... of one person (K, 3), rounded as estimators do."""
    with_confidence = np.concatenate([points[:, :2], np.full((len(points), 1), confidence)], axis=1)
    return with_confidence.round(3).ravel().tolist()


def openpose(people, key="pose_keypoints_2d"):
    """One frame of OpenPose; `people` are (K, 3)."""
    others = {"face_keypoints_2d": [], "hand_left_keypoints_2d": [], "pose_keypoints_3d": []}
    return {
        "version": 1.3,
        "people": [{"person_id": [-1], key: triples(points), **others} for points in people],
    }


def write(path, content):
    """Writes JSON and returns the path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))
    return path


def openpose_folder(folder, clip, first=0):
    """A folder of `*_keypoints.json`, one for each frame of (T, M, K, 3)."""
    for t, people in enumerate(clip, start=first):
        write(folder / f"{folder.name}_{t:012d}_keypoints.json", openpose(people))
    return folder
