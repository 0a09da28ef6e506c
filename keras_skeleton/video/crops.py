"""Videos to crops of the hands and the body, once, so that training never decodes full frames.

    CROPS/left_hand/NAME.avi      a video of the part, as long as the recording
    CROPS/right_hand/, full_body/, full_image/
    CROPS/boxes/NAME.png          where the boxes are, of the first recordings
    CROPS/crops.csv               a row a finished recording: frames, side in pixels, and in how
                                  many frames a part was not seen, so that its last box was kept

A stopped preparation goes on where it stopped: what crops.csv lists is not made again.
"""

from __future__ import annotations

import csv
import io
import multiprocessing
import re
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import numpy as np

from keras_skeleton.datasets import ntu, nucla
from keras_skeleton.datasets.clip_with_pixels import ClipWithPixels
from keras_skeleton.datasets.dataset import ReadReport
from keras_skeleton.transforms.glimpses import PARTS, TRACKS, Boxes, part_boxes
from keras_skeleton.transforms.normalise import main_actor
from keras_skeleton.utils.errors import DatasetError, UserError
from keras_skeleton.utils.files import read_text, write_atomic
from keras_skeleton.video.reading import frames_of, write_video

PICTURES = 6  # recordings whose boxes are drawn
CHUNK = 16  # frames cropped at a time; as many of 1920 x 1080 have 100 MB
MAX_TABLE = 64 << 20  # bytes of crops.csv; all of NTU RGB+D 120 take 4 MB
COLUMNS = ("name", "frames", "size", *(f"held_{part}" for part in PARTS))


class Crops(NamedTuple):
    """Finished crops.

    Attributes:
        folder: Where they are.
        size: Their side in pixels.
        frames: Number of frames of each recording by its name.
    """

    folder: Path
    size: int
    frames: dict[str, int]

    def video(self, track: str, name: str) -> Path:
        """The file of one track of a recording."""
        return self.folder / track / f"{name}.avi"


def open_crops(folder: str | Path) -> Crops:
    """What `prepare_crops` has made in a folder; UserError where there is nothing."""
    folder = Path(folder)
    rows = _rows(folder / "crops.csv")
    if not rows:
        raise UserError(
            f"{folder}: no crops here (there is no crops.csv, or no recording in it); make them "
            f"with: python run.py crops --dataset D --data-dir PATH --crops {folder}"
        )
    return Crops(folder, int(rows[0]["size"]), {row["name"]: int(row["frames"]) for row in rows})


def _rows(path: Path) -> list[dict[str, str]]:
    if not path.exists():
        return []
    try:
        rows = list(
            csv.DictReader(io.StringIO(read_text(path, "a table of crops", most=MAX_TABLE)))
        )
    except (csv.Error, UnicodeDecodeError) as error:
        raise UserError(f"{path}: damaged ({error}); choose another folder") from None
    for number, row in enumerate(rows, start=2):
        numbers = [row.get("frames") or "", row.get("size") or ""]
        whole = all(re.fullmatch("[0-9]{1,9}", text) for text in numbers)
        if not row.get("name") or None in row or None in row.values() or not whole:
            raise UserError(f"{path}, line {number}: damaged; delete this line to crop it again")
    return rows


class Recordings(NamedTuple):
    """Where a dataset has its videos, and how its joints are found in them.

    Attributes:
        skeletons, videos: From the data folder to files by the clips' names.
        read: A file of skeletons with the pixels of its joints.
        skeleton: The joint layout.
        size: Height and width of the picture that these pixels count in.
        layout: What the folder must look like, for people.
    """

    skeletons: Callable[[Path], dict[str, Path]]
    videos: Callable[[Path], dict[str, Path]]
    read: Callable[[Path], ClipWithPixels]
    skeleton: str
    size: tuple[int, int]
    layout: str


def _ntu_skeletons(root: Path) -> dict[str, Path]:
    return {path.stem: path for path in ntu.scan(root) if ntu.parse_name(path.stem)}


def _ntu_videos(root: Path) -> dict[str, Path]:
    return {
        path.stem.removesuffix("_rgb"): path
        for folder in (root, *sorted(root.glob("nturgb*")))
        for path in folder.glob("*_rgb.avi")
    }


def _nucla_skeletons(root: Path) -> dict[str, Path]:
    return {path.stem: path for path in nucla.find_files(root)}


NTU = Recordings(
    _ntu_skeletons,
    _ntu_videos,
    read=ntu.read_clip_with_pixels,
    skeleton="kinect_v2",
    size=ntu.VIDEO_SIZE,
    layout="nturgb+d_rgb/SsssCcccPpppRrrrAaaa_rgb.avi and "
    "nturgb+d_skeletons/SsssCcccPpppRrrrAaaa.skeleton",
)
NUCLA = Recordings(
    _nucla_skeletons,
    nucla.find_videos,
    read=nucla.read_clip_with_pixels,
    skeleton="kinect_v1",
    size=nucla.VIDEO_SIZE,
    layout="multiview_action_videos/aAA/vVV_sSS_eEE.avi and all_sqe/aAA_sSS_eEE_vVV.json",
)
RECORDINGS = {"ntu": NTU, "ntu120": NTU, "nucla": NUCLA, "synthetic": NTU}


class Pair(NamedTuple):
    """A recording: its name, its file of skeletons, its video, and the dataset it belongs to."""

    name: str
    skeleton: Path
    video: Path
    dataset: str = "ntu"


def find_pairs(root: str | Path, report: ReadReport, dataset: str = "ntu") -> list[Pair]:
    """A dataset's recordings with both files, sorted by name; the others are reported."""
    root = Path(root)
    there = RECORDINGS[dataset]
    skeletons, videos = there.skeletons(root), there.videos(root)
    for name in sorted(videos.keys() - skeletons.keys()):
        report.skip(videos[name], f"has no skeletons: there is no file of '{name}'")
    for name in sorted(skeletons.keys() - videos.keys()):
        report.skip(skeletons[name], f"has no video: there is no file of '{name}'")
    both = sorted(skeletons.keys() & videos.keys())
    return [Pair(name, skeletons[name], videos[name], dataset) for name in both]


def boxes_of(clip: ClipWithPixels, height: int, width: int, dataset: str = "ntu") -> Boxes:
    """The boxes of the body that moves most, in pixels of a video of that size.

    Raises:
        ValueError: A part that is in no frame.
    """
    there = RECORDINGS[dataset]
    actor = main_actor(clip.joints)
    scale = (width / there.size[1], height / there.size[0])
    return part_boxes(clip.pixels[:, actor] * scale, there.skeleton, clip.states[:, actor] > 0)


def cropped(pair: Pair, size: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yields, a chunk of frames after the other, crops uint8 (n, 4, size, size, 3) and which
    boxes were held, bool (n, 3).

    Raises:
        UserError: Files that cannot be read or do not belong together.
    """
    from keras_skeleton.layers.glimpse import Glimpse

    clip = RECORDINGS[pair.dataset].read(pair.skeleton)
    frames = frames_of(pair.video)
    glimpse, boxes, done = Glimpse(size), None, 0
    while chunk := list(islice(frames, CHUNK)):
        if boxes is None:
            try:
                height, width, _ = chunk[0].shape
                boxes = boxes_of(clip, height, width, pair.dataset)
            except ValueError as error:
                raise DatasetError(f"{pair.skeleton}: {error}") from None
        if done + len(chunk) > len(boxes.edges):
            break
        rows = slice(done, done + len(chunk))
        whole = np.tile([0, 0, *chunk[0].shape[:2]], (len(chunk), 1, 1))
        edges = np.concatenate([boxes.edges[rows], whole], axis=1).astype(np.float32)
        seen = glimpse(np.stack(chunk)[None], edges[None])[0]
        yield _bytes(np.asarray(seen)), boxes.held[rows]
        done += len(chunk)
    rest = len(chunk) + sum(1 for _ in frames)
    if done + rest != len(clip.joints):
        raise DatasetError(
            f"{pair.video}: has {done + rest} frames, {pair.skeleton.name} has "
            f"{len(clip.joints)}; they cannot be laid over each other"
        )


def _bytes(values: np.ndarray) -> np.ndarray:
    """-1 to 1 as 0 to 255."""
    return np.round((values + 1) * 127.5).clip(0, 255).astype(np.uint8)


def crop_recording(pair: Pair, folder: Path, size: int) -> dict[str, int | str]:
    """Writes the tracks of one recording; returns its row of crops.csv."""
    crops, held = zip(*cropped(pair, size), strict=True)
    for k, track in enumerate(TRACKS):
        path = folder / track / f"{pair.name}.avi"
        path.parent.mkdir(parents=True, exist_ok=True)
        frames = [frame[k] for chunk in crops for frame in chunk]
        write_atomic(path, partial(write_video, frames=frames))
    missed = np.concatenate(held)
    counts = dict(zip(PARTS, missed.sum(axis=0), strict=True))
    return {
        "name": pair.name,
        "frames": len(missed),
        "size": size,
        **{f"held_{part}": int(count) for part, count in counts.items()},
    }


def finished(folder: Path, size: int) -> set[str]:
    """Names of the recordings that crops.csv lists.

    Raises:
        UserError: They have another size.
    """
    path = folder / "crops.csv"
    rows = _rows(path)
    if other := {row["size"] for row in rows} - {str(size)}:
        raise UserError(
            f"{path}: holds crops of {', '.join(sorted(other))} pixels, not {size}; choose "
            "another folder"
        )
    return {row["name"] for row in rows}


def prepare_crops(
    root: str | Path,
    folder: str | Path,
    size: int = 224,
    strict: bool = False,
    log: Callable[[str], None] = print,
    workers: int = 1,
    dataset: str = "ntu",
    draw: Callable[[Pair, Path], object] = lambda pair, path: None,
) -> ReadReport:
    """Crops every recording with video and skeletons that is not there yet.

    Args:
        root: Folder of the dataset as unpacked; only read.
        folder: Where crops go.
        size: Side of a crop in pixels; I3D was trained on 224.
        strict: Stop at the first recording that cannot be used instead of leaving it out.
        log: Receives lines for the console.
        workers: Processes that work at the same time.
        dataset: A key of `RECORDINGS`.
        draw: Called with the first recordings and the path of a picture of their boxes.
    """
    folder, report = Path(folder), ReadReport(strict)
    pairs = find_pairs(root, report, dataset)
    if not pairs:
        raise DatasetError(
            f"{root}: no recording with video and skeletons; expected {RECORDINGS[dataset].layout}"
        )
    folder.mkdir(parents=True, exist_ok=True)
    done = finished(folder, size)
    log(f"{len(pairs)} recordings, {sum(p.name in done for p in pairs)} are cropped already")
    left = [pair for pair in pairs if pair.name not in done]
    for number, (pair, row) in enumerate(_rows_of(left, folder, size, workers), start=1):
        if isinstance(row, UserError):
            report.skip(pair.name, str(row))
            continue
        path = folder / "crops.csv"
        new = not path.exists()
        with path.open("a", newline="") as lines:
            writer = csv.DictWriter(lines, COLUMNS)
            if new:
                writer.writeheader()
            writer.writerow(row)
        held = ", ".join(f"{part} {row[f'held_{part}']}" for part in PARTS if row[f"held_{part}"])
        if len(done) + number <= PICTURES:
            draw(pair, folder / "boxes" / f"{pair.name}.png")
        note = f"; last box kept in frames: {held}" if held else ""
        log(f"{number}/{len(left)} {pair.name}: {row['frames']} frames{note}")
    return report


Outcome = dict[str, int | str] | UserError


def _rows_of(
    pairs: list[Pair], folder: Path, size: int, workers: int
) -> Iterator[tuple[Pair, Outcome]]:
    """Crops recordings; yields each with its row of crops.csv, or what is wrong with it."""
    work = partial(_outcome, folder=folder, size=size)
    if workers == 1 or len(pairs) < 2:
        yield from zip(pairs, map(work, pairs), strict=True)
        return
    # Not forked: a process that has used TensorFlow cannot be.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(min(workers, len(pairs)), context) as pool:
        try:
            yield from zip(pairs, pool.map(work, pairs), strict=True)
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def _outcome(pair: Pair, folder: Path, size: int) -> Outcome:
    try:
        return crop_recording(pair, folder, size)
    except UserError as error:
        return error
