"""Crops of the hands and the body from videos, made once so that training decodes no full frames.

    CROPS/left_hand/NAME.avi      video of the part, as long as the recording
    CROPS/right_hand/, full_body/, full_image/
    CROPS/boxes/NAME.png          the boxes, drawn for the first recordings
    CROPS/crops.csv               one row per finished recording: number of frames, size in pixels,
                                  and for each part the number of frames in which it was not visible
                                  and kept its last box; size, time of change and SHA-256 of the
                                  skeleton file and of the video

An interrupted preparation resumes: recordings listed in crops.csv are skipped, unless one of their
files has changed since.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import partial
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import numpy as np

from keras_skeleton.datasets import ntu, nucla
from keras_skeleton.datasets.clip_with_pixels import ClipWithPixels
from keras_skeleton.datasets.dataset import ReadReport
from keras_skeleton.datasets.store_check import sha256
from keras_skeleton.transforms.glimpses import PARTS, TRACKS, Boxes, part_boxes
from keras_skeleton.transforms.normalise import main_actor
from keras_skeleton.utils.errors import DatasetError, UserError
from keras_skeleton.utils.executor import executor
from keras_skeleton.utils.files import read_text, refuse, write_atomic
from keras_skeleton.utils.full_disk import FullDiskError, writing
from keras_skeleton.utils.lock import locked
from keras_skeleton.video.reading import frames_of, write_video

PICTURES = 6  # recordings whose boxes are drawn
CHUNK = 16  # frames cropped at a time; at 1920 x 1080 they take 100 MB
MAX_TABLE = 64 << 20  # bytes of crops.csv; NTU RGB+D 120 takes 4 MB
MAX_COLUMNS = 64
STAMPS = ("skeleton", "video")  # columns that identify the files of a recording
COLUMNS = ("name", "frames", "size", *(f"held_{part}" for part in PARTS), *STAMPS)


class Crops(NamedTuple):
    """Finished crops.

    Attributes:
        folder: Folder of the crops.
        size: Height and width of a crop in pixels.
        frames: Number of frames of each recording, by name.
        content: A hash of the table: other recordings, or made from other files, have another.
    """

    folder: Path
    size: int
    frames: dict[str, int]
    content: str = ""

    def video(self, track: str, name: str) -> Path:
        """Path of the video of one track of a recording."""
        return self.folder / track / f"{name}.avi"


def open_crops(folder: str | Path) -> Crops:
    """Opens a folder of crops made by `prepare_crops`.

    Args:
        folder: The folder.

    Raises:
        UserError: The folder contains no crops, or a damaged table.

    Example:
        >>> from keras_skeleton.video.crops import open_crops
        >>> crops = open_crops("crops")  # doctest: +SKIP
        >>> crops.size  # doctest: +SKIP
        224
    """
    folder = Path(folder)
    rows = _rows(folder / "crops.csv")
    if not rows:
        raise UserError(
            f"{folder}: no crops in this folder (crops.csv is missing or empty); make them with: "
            f"keras-skeleton crops --dataset D --data-dir PATH --crops {folder}"
        )
    # Rows may have another order after an interruption, and files another time after copying.
    facts = sorted(
        [row["name"], row["frames"], row["size"], *(row.get(key, "")[-64:] for key in STAMPS)]
        for row in rows
    )
    content = hashlib.sha256(json.dumps(facts).encode("utf-8", "surrogatepass")).hexdigest()[:16]
    frames = {row["name"]: int(row["frames"]) for row in rows}
    return Crops(folder, int(rows[0]["size"]), frames, content)


def _rows(path: Path) -> list[dict[str, str]]:
    """The finished rows of a table: a line without an end is being written, or its process was
    killed."""
    if not path.exists():
        return []
    try:
        text = read_text(path, "a table of crops", most=MAX_TABLE)
        reader = csv.DictReader(io.StringIO(text[: text.rfind("\n") + 1]))
        # Short lines would be filled up to the columns of the first.
        if len(reader.fieldnames or ()) > MAX_COLUMNS:
            raise refuse(path, f"has more than {MAX_COLUMNS} columns; choose another folder")
        rows = list(reader)
    except (csv.Error, UnicodeDecodeError) as error:
        raise UserError(f"{path}: damaged ({error}); choose another folder") from None
    for number, row in enumerate(rows, start=2):
        numbers = [row.get("frames") or "", row.get("size") or ""]
        whole = all(re.fullmatch("[0-9]{1,9}", text) for text in numbers)
        if not row.get("name") or None in row or None in row.values() or not whole:
            raise UserError(f"{path}, line {number}: damaged; delete this line to crop it again")
    return rows


class Recordings(NamedTuple):
    """Layout of a dataset's videos and skeletons.

    Attributes:
        skeletons: Function from the data folder to skeleton files, by clip name.
        videos: Function from the data folder to video files, by clip name.
        read: Reads a skeleton file, with the pixel positions of its joints.
        skeleton: Name of the joint layout.
        size: Height and width of the image that pixel positions refer to.
        layout: Description of the expected files, for messages.
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
    """A recording: its name, skeleton file, video, and dataset."""

    name: str
    skeleton: Path
    video: Path
    dataset: str = "ntu"


def find_pairs(root: str | Path, report: ReadReport, dataset: str = "ntu") -> list[Pair]:
    """Finds the recordings that have both files, sorted by name; the others are reported."""
    root = Path(root)
    there = RECORDINGS[dataset]
    skeletons, videos = there.skeletons(root), there.videos(root)
    for name in sorted(videos.keys() - skeletons.keys()):
        report.skip(videos[name], f"has no skeletons: the skeleton file of '{name}' is missing")
    for name in sorted(skeletons.keys() - videos.keys()):
        report.skip(skeletons[name], f"has no video: the video file of '{name}' is missing")
    both = sorted(skeletons.keys() & videos.keys())
    return [Pair(name, skeletons[name], videos[name], dataset) for name in both]


def boxes_of(clip: ClipWithPixels, height: int, width: int, dataset: str = "ntu") -> Boxes:
    """Boxes of the body with the most motion, in pixels of a video of the given size.

    Raises:
        ValueError: A part is not visible in any frame.
    """
    there = RECORDINGS[dataset]
    actor = main_actor(clip.joints)
    scale = (width / there.size[1], height / there.size[0])
    return part_boxes(clip.pixels[:, actor] * scale, there.skeleton, clip.states[:, actor] > 0)


def cropped(pair: Pair, size: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Crops a recording in chunks of frames.

    Yields:
        Crops uint8 (n, 4, size, size, 3), in the order of `TRACKS`, and bool (n, 3), which parts
        kept their last box.

    Raises:
        UserError: Files that cannot be read, or video and skeletons of different lengths.
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
            f"{pair.video}: has {done + rest} frames, but {pair.skeleton.name} has "
            f"{len(clip.joints)}; video and skeletons must have the same length"
        )


def _bytes(values: np.ndarray) -> np.ndarray:
    """Converts values in [-1, 1] to uint8."""
    return np.round((values + 1) * 127.5).clip(0, 255).astype(np.uint8)


def crop_recording(pair: Pair, folder: Path, size: int) -> dict[str, int | str]:
    """Writes the tracks of one recording and returns its row of crops.csv."""
    files = (pair.skeleton, pair.video)
    stamps = [_stamp(path) for path in files]
    crops, held = zip(*cropped(pair, size), strict=True)
    for k, track in enumerate(TRACKS):
        path = folder / track / f"{pair.name}.avi"
        path.parent.mkdir(parents=True, exist_ok=True)
        frames = [frame[k] for chunk in crops for frame in chunk]
        write_atomic(path, partial(write_video, frames=frames))
    missed = np.concatenate(held)
    if any(map(_changed, files, stamps)):
        raise DatasetError(f"{pair.video}: it or its skeletons changed while they were cropped")
    counts = dict(zip(PARTS, missed.sum(axis=0), strict=True))
    return {
        "name": pair.name,
        "frames": len(missed),
        "size": size,
        **{f"held_{part}": int(count) for part, count in counts.items()},
        **dict(zip(STAMPS, stamps, strict=True)),
    }


def _stamp(path: Path) -> str:
    """Size, time of change (ns) and SHA-256 of a file."""
    stat = path.stat()
    return f"{stat.st_size} {stat.st_mtime_ns} {sha256(path)}"


def _changed(path: Path, stamp: str) -> bool:
    """Whether a file is another than at its stamp; it is hashed only if its time is another."""
    stat = path.stat()
    if f"{stat.st_size} {stat.st_mtime_ns}" == stamp.rpartition(" ")[0]:
        return False
    return not stamp.startswith(f"{stat.st_size} ") or sha256(path) != stamp[-64:]


def forget_changed(folder: Path, pairs: Sequence[Pair], log: Callable[[str], None]) -> None:
    """Removes the recordings from crops.csv whose files have changed since they were cropped."""
    path = folder / "crops.csv"
    there = {pair.name: pair for pair in pairs}
    kept, unknown = [], 0
    rows = _rows(path)
    for row in rows:
        files = there.get(row["name"])
        known = all(row.get(key) for key in STAMPS)
        if files is None or not known:  # only listed; or cropped by an earlier version
            unknown += files is not None
            kept.append(row)
        elif any(_changed(getattr(files, key), row[key]) for key in STAMPS):
            log(f"{row['name']}: its files have changed since it was cropped; it is cropped again")
        else:
            kept.append(row)
    if unknown:
        log(
            f"note: {unknown} recordings were cropped by an earlier version; changes of their "
            "files are not noticed"
        )
    if rows and (len(kept) < len(rows) or not {*STAMPS} <= rows[0].keys()):
        write_atomic(path, partial(_write_rows, rows=kept))


def _write_rows(path: Path, rows: Sequence[Mapping[str, str]]) -> None:
    with path.open("w", newline="") as lines:
        writer = csv.DictWriter(lines, COLUMNS, restval="", extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows)


def finished(folder: Path, size: int) -> set[str]:
    """Names of the recordings listed in crops.csv.

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
    scheduler: str | None = None,
) -> ReadReport:
    """Crops all recordings with video and skeletons that are not cropped yet.

    Args:
        root: Folder of the unpacked dataset; only read.
        folder: Output folder.
        size: Height and width of a crop in pixels; I3D was trained on 224.
        strict: Stop at the first unusable recording instead of skipping it.
        log: Called with progress messages.
        workers: Number of processes.
        dataset: A key of `RECORDINGS`.
        draw: Called with each of the first recordings and the path for a picture of its boxes.
        scheduler: Address of a Dask scheduler whose workers crop; they must see the recordings and
            the output folder under the same paths.

    Returns:
        A report of the skipped recordings.

    Raises:
        DatasetError: There is no recording or, with `strict`, an unusable one.
        UserError: The folder contains crops of another size, or a damaged table.
        InUseError: Another process writes to the folder.

    Example:
        >>> from keras_skeleton.video.crops import prepare_crops
        >>> report = prepare_crops("ntu", "crops", workers=8)  # doctest: +SKIP
    """
    folder, report = Path(folder), ReadReport(strict)
    pairs = find_pairs(root, report, dataset)
    if not pairs:
        raise DatasetError(
            f"{root}: no recording with video and skeletons; expected {RECORDINGS[dataset].layout}"
        )
    with locked(folder, "--crops", log):
        _crop(pairs, folder, size, report, log, workers, draw, scheduler)
    return report


def _crop(
    pairs: list[Pair],
    folder: Path,
    size: int,
    report: ReadReport,
    log: Callable[[str], None],
    workers: int,
    draw: Callable[[Pair, Path], object],
    scheduler: str | None,
) -> None:
    finished(folder, size)
    _cut_last_line(folder / "crops.csv")
    forget_changed(folder, pairs, log)
    done = finished(folder, size)
    log(f"{len(pairs)} recordings, {sum(p.name in done for p in pairs)} already cropped")
    left = [pair for pair in pairs if pair.name not in done]
    rows = _rows_of(left, folder, size, workers, scheduler)
    for number, (pair, row) in enumerate(rows, start=1):
        if isinstance(row, UserError):
            report.skip(pair.name, str(row))
            continue
        if len(done) + number <= PICTURES:
            draw(pair, folder / "boxes" / f"{pair.name}.png")
        _append(folder / "crops.csv", row)  # last: the recording is finished
        held = ", ".join(f"{part} {row[f'held_{part}']}" for part in PARTS if row[f"held_{part}"])
        note = f"; last box kept in frames: {held}" if held else ""
        log(f"{number}/{len(left)} {pair.name}: {row['frames']} frames{note}")


def _append(path: Path, row: Mapping[str, int | str]) -> None:
    with writing(path), path.open("a", newline="") as lines:
        writer = csv.DictWriter(lines, COLUMNS)
        if not path.stat().st_size:
            writer.writeheader()
        writer.writerow(row)


def _cut_last_line(path: Path) -> None:
    """Removes a line that a killed process, or one without space, has not finished."""
    with suppress(FileNotFoundError), path.open("r+b") as file:
        content = file.read(MAX_TABLE)
        if not content.endswith(b"\n"):
            file.truncate(content.rfind(b"\n") + 1)


Outcome = dict[str, int | str] | UserError


def _rows_of(
    pairs: list[Pair], folder: Path, size: int, workers: int, scheduler: str | None = None
) -> Iterator[tuple[Pair, Outcome]]:
    """Crops recordings; yields each with its row of crops.csv, or with its error, in order."""
    work = partial(_outcome, folder=folder, size=size)
    if not pairs:
        return
    if scheduler is None and (workers == 1 or len(pairs) < 2):
        yield from zip(pairs, map(work, pairs), strict=True)
        return
    ready: dict[int, Outcome] = {}
    following = 0
    needs = [folder, pairs[0].skeleton, pairs[0].video]
    found = executor(workers, scheduler).map(
        _nothing, partial(_numbered, work), list(enumerate(pairs)), needs=needs
    )
    for (number, _), row in found:
        ready[number] = row
        while following in ready:
            yield pairs[following], ready.pop(following)
            following += 1


def _nothing() -> None:
    pass


def _numbered(work: Callable[[Pair], Outcome], item: tuple[int, Pair]) -> Outcome:
    return work(item[1])


def _outcome(pair: Pair, folder: Path, size: int) -> Outcome:
    try:
        return crop_recording(pair, folder, size)
    except FullDiskError:  # not a fault of this recording
        raise
    except UserError as error:
        return error
