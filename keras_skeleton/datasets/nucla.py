"""Northwestern-UCLA Multiview Action3D: 10 actions, 10 subjects, three simultaneous Kinect v1.

J. Wang, X. Nie, Y. Xia, Y. Wu, S.-C. Zhu, "Cross-view action modeling, learning and
recognition", CVPR 2014.

Layout:
    all_sqe/aAA_sSS_eEE_vVV.json   action, subject, episode, view (camera); an object with the key
                                   'skeletons': T frames of 20 joints of x, y, z in meters

These are the skeletons as distributed by the authors of CTR-GCN (Chen et al., ICCV 2021): 1,484
clips of 1 to 201 frames in Kinect v1 joint order. Papers give other numbers of clips (1,194 or
1,494). Actions 07 and 10 do not exist. Two clips (a02_s09_e04_v02 and _v03) have a single frame;
they are kept. Clip: (T, 1, 20, 3) in meters.

Protocols:
    cv    train on views 1 and 2, test on view 3: 1,020 and 464 clips; V_{1,2}^3 in papers
    cv1   train on views 2 and 3, test on view 1
    cv2   train on views 1 and 3, test on view 2
Validation holds out a tenth of the performances in all training views, not whole subjects, because
the test clips show the training subjects, too.

Videos for networks with video input: multiview_action_videos/aAA/vVV_sSS_eEE.avi, 640 x 480, as
distributed by the dataset's authors. The skeletons have no pixel positions; `read_clip_with_pixels`
projects them with the usual intrinsics of the Kinect v1. This was not verified, because no video of
the dataset was available.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np

from keras_skeleton.datasets.clip_with_pixels import ClipWithPixels
from keras_skeleton.datasets.dataset import ReadReport
from keras_skeleton.datasets.protocols import PERFORMANCE, group_holdout, train_on
from keras_skeleton.datasets.source import Source
from keras_skeleton.datasets.store import StoreWriter
from keras_skeleton.utils.files import read_json, reason

ACTIONS = {
    1: "pick up with one hand",
    2: "pick up with two hands",
    3: "drop trash",
    4: "walk around",
    5: "sit down",
    6: "stand up",
    8: "donning",
    9: "doffing",
    11: "throw",
    12: "carry",
}
CLASSES = tuple(ACTIONS.values())
NAME = re.compile(r"a(\d\d)_s(\d\d)_e(\d\d)_v(\d\d)")
JOINTS = 20
SHORT = 5  # frames; shorter clips are noted
MAX_BYTES, MAX_FRAMES = 16_000_000, 20_000  # the largest file has 127,078 and 201

LAYOUT = """\
Northwestern-UCLA: download all_sqe.zip (the skeletons as JSON; the link is in the README of
https://github.com/Uason-Chen/CTR-GCN) and unpack it so that there is
  PATH/all_sqe/a01_s01_e00_v01.json ...   (1,484 files)
then give --data-dir PATH."""


def clips_folder(root: Path) -> Path:
    """The folder with the files: `root/all_sqe`, or `root` itself."""
    return root / "all_sqe" if (root / "all_sqe").is_dir() else root


def find_files(root: Path) -> list[Path]:
    """The files named `a*_s*.json`, sorted."""
    return sorted(clips_folder(root).glob("a*_s*.json"))


def read_clip(path: Path, report: ReadReport) -> np.ndarray | None:
    """Reads a clip: float32 (T, 1, 20, 3) in meters; None if it is unusable.

    Bad frames are skipped and reported with their number, counted from 1.
    """
    try:
        content = read_json(path, "a clip", MAX_BYTES, encoding=None)
    except json.JSONDecodeError as error:
        report.skip(f"{path}:{error.lineno}", f"not JSON: {error.msg}, column {error.colno}")
        return None
    except (OSError, ValueError) as error:  # ValueError: not UTF-8, -16 or -32
        report.skip(path, reason(error))
        return None
    skeletons = content.get("skeletons") if isinstance(content, dict) else None
    if not isinstance(skeletons, list) or not skeletons:
        report.skip(path, "has no frames (no list under the key 'skeletons')")
        return None
    if len(skeletons) > MAX_FRAMES:
        report.skip(path, f"{len(skeletons):,} frames are too many (at most {MAX_FRAMES:,})")
        return None
    frames = []
    for number, joints in enumerate(skeletons, start=1):
        frame = read_frame(joints)
        if isinstance(frame, str):
            report.skip(path, f"frame {number} {frame}")
        else:
            frames.append(frame)
    return np.stack(frames)[:, None] if frames else None


def read_frame(joints: object) -> np.ndarray | str:
    """Converts a frame to float32 (20, 3), or returns an error message."""
    try:
        with np.errstate(over="ignore"):  # numbers too large for float32 become infinite
            frame = np.asarray(joints, np.float64).astype(np.float32)
    except (TypeError, ValueError, OverflowError):
        return f"is not an array of {JOINTS} x 3 numbers"
    if frame.shape != (JOINTS, 3):
        return f"has shape {frame.shape}, expected ({JOINTS}, 3)"
    if not np.isfinite(frame).all():
        return "contains NaN or infinity"
    return frame


VIDEO_SIZE = (480, 640)  # height and width of the color video
FOCAL, CENTRE = 525.0, (319.5, 239.5)  # in pixels, of the Kinect v1's color camera
BESIDE = 0.025  # meters between the color camera and the depth camera, the origin of the joints


def find_videos(root: Path) -> dict[str, Path]:
    """The videos by clip name, `aAA_sSS_eEE_vVV`."""
    found = {}
    for path in sorted((root / "multiview_action_videos").glob("a*/v*_s*_e*.avi")):
        view, subject, episode = path.stem.split("_")
        found[f"{path.parent.name}_{subject}_{episode}_{view}"] = path
    return found


def read_clip_with_pixels(path: str | Path) -> ClipWithPixels:
    """Reads a clip and projects its joints into the color video of 640 x 480.

    Raises:
        DatasetError: The file is unusable.
    """
    joints = read_clip(Path(path), ReadReport(strict=True))
    assert joints is not None  # a strict report raises
    depth = joints[..., 2]
    states = np.where(depth > 0, np.uint8(2), np.uint8(0))
    with np.errstate(divide="ignore", invalid="ignore"):
        x = CENTRE[0] + FOCAL * (joints[..., 0] + BESIDE) / depth
        y = CENTRE[1] - FOCAL * joints[..., 1] / depth
    return ClipWithPixels(joints, np.stack([x, y], axis=-1).astype(np.float32), states)


def read(root: Path, writer: StoreWriter) -> None:
    """Adds the clips in order of their names."""
    clips = 0
    short = []
    for path in find_files(root):
        match = NAME.fullmatch(path.stem)
        if match is None or int(match[1]) not in ACTIONS:
            writer.report.skip(
                path, "its name is not aAA_sSS_eEE_vVV with an action of 1-6, 8, 9, 11, 12"
            )
            continue
        clip = read_clip(path, writer.report)
        if clip is None:
            continue
        action, subject, episode, view = map(int, match.groups())
        writer.add(
            clip,
            name=path.stem,
            label=CLASSES.index(ACTIONS[action]),
            subject=subject,
            view=view,
            setup=1,
            repetition=episode,
        )
        clips += 1
        if len(clip) < SHORT:
            short.append(f"{path.stem} ({len(clip)})")
    if short:
        writer.report.note(
            f"{len(short)} clips have fewer than {SHORT} frames: {', '.join(short[:10])}"
        )
    writer.report.expect("usable clips", clips, NUCLA.clips)


PROTOCOLS = {
    "cv": train_on("view", (1, 2), group_holdout(PERFORMANCE, groups=0.1)),
    "cv1": train_on("view", (2, 3), group_holdout(PERFORMANCE, groups=0.1)),
    "cv2": train_on("view", (1, 3), group_holdout(PERFORMANCE, groups=0.1)),
}

NUCLA = Source(
    name="nucla",
    title="Northwestern-UCLA Multiview Action3D (Wang et al., 2014)",
    skeleton="kinect_v1",
    classes=CLASSES,
    protocols=PROTOCOLS,
    files=find_files,
    read=read,
    layout=LAYOUT,
    clips=1484,
    test_clips={"cv": (464,), "cv1": (516,), "cv2": (504,)},
)

SOURCES = {"nucla": NUCLA}
