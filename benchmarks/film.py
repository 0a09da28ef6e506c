"""Measure labels of films: pose estimation, the whole chain, the network's part, memory.

    python benchmarks/film.py --data-dir PATH [--mediapipe PYTHON] [--hour] [--out FILE]

PATH holds `ntu` (films and skeletons of NTU RGB+D) and `films`. PYTHON is the interpreter of an
environment with mediapipe 0.10.21, see `film_mediapipe.py`; without it the comparison is left out.
Every measurement has its own process, and ours alternate with those of the package.

    landmarks  one person followed through frames in memory, compared with the package on the same
               frames: frames per second, processor time, and the mean distance of the 33 points;
               the first frames, in which the networks are prepared, are not timed.
               Joints are compared with those of the Kinect, too, after one rotation and scale per
               film, with the hips in the origin. The films of NTU RGB+D are mirrored, so the points
               are mirrored, too
    chain      `label_film` on 20 seconds of film, two people at most, with overlay and page or
               neither, after the compilation of the network; each part alone, too
    network    `StreamLabeler`, from poses to labels with attention, per window
    memory     maximum resident size of `label_film`, and its growth with the film
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Iterator
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
from film_mediapipe import WARM
from film_worker import FPS
from measuring import cell, in_own_process, machine, ratios
from PIL import Image

from keras_skeleton.datasets.ntu import read_clip
from keras_skeleton.film.people_labels import kinect_pose
from keras_skeleton.skeletons import KINECT_V1, KINECT_V2, joint_map
from keras_skeleton.video.reading import MOVIE_CODEC, read_video, write_video
from keras_skeleton.zoo.entries import read_zoo

SECTIONS = ("landmarks", "chain", "network", "memory")
OURS, THEIRS = (str(Path(__file__).with_name(f"film_{who}.py")) for who in ("worker", "mediapipe"))
SECONDS = 20  # of the film of `chain`
HEAD = (
    "film", "size", "frames", "ours, frames/s", "mediapipe, frames/s", "ratio per round",
    "ours, CPU ms/frame", "mediapipe, CPU ms/frame", "ratio per round", "both found", "mm", "px",
)  # fmt: skip
LARGE, SMALL = (640, 480), (320, 240)  # width and height in `chain` and `memory`
FALLBACK = "csta_cnn_ut_kinect_cs"  # while the zoo has no network for film
NETWORKS = (FALLBACK, "mans9_ut_kinect_cs", "sta_lstm_ut_kinect_cs")


# ---------------------------------------------------------------- numbers


def aligned(points: np.ndarray, target: np.ndarray) -> tuple[np.ndarray, float]:
    """Points (..., 3), rotated and scaled to those of `target`, and the scale.

    Example:
        >>> x = np.random.default_rng(0).normal(size=(9, 3))
        >>> found, scale = aligned(2 * x[:, [1, 2, 0]], x)
        >>> bool(np.allclose(found, x)), round(scale, 3)
        (True, 0.5)
    """
    a, b = points.reshape(-1, 3), target.reshape(-1, 3)
    u, s, vt = np.linalg.svd(a.T @ b)
    signs = np.array([1, 1, np.sign(np.linalg.det(u @ vt))])  # a rotation, no reflection
    scale = float((s * signs).sum() / (a**2).sum())
    return scale * points @ ((u * signs) @ vt), scale


def jitter(joints: np.ndarray) -> float:
    """Mean length of the second differences in time of joints (T, V, 3)."""
    return float(np.linalg.norm(np.diff(joints, 2, axis=0), axis=-1).mean())


def mirrored(joints: np.ndarray) -> np.ndarray:
    """Joints of Kinect v2 (..., 25, 3) as in a mirror: x is reversed, left and right swap."""
    return joints[..., KINECT_V2.mirror, :] * (-1, 1, 1)


def there_and_back(length: int, total: int) -> np.ndarray:
    """Numbers of `total` frames of a film that runs forwards and backwards, int (total,).

    Example:
        >>> there_and_back(3, 8).tolist()
        [0, 1, 2, 1, 0, 1, 2, 1]
    """
    once = np.concatenate([np.arange(length), np.arange(length - 2, 0, -1)])
    return np.resize(once, total)


def middle(frame: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """The middle of a frame (H, W, 3) in the shape of `size`, width and height, scaled to it."""
    height, width = frame.shape[:2]
    scale = min(width / size[0], height / size[1])
    wide, high = round(scale * size[0]), round(scale * size[1])
    left, top = (width - wide) // 2, (height - high) // 2
    part = Image.fromarray(np.ascontiguousarray(frame[top : top + high, left : left + wide]))
    return np.asarray(part.resize(size, Image.Resampling.BILINEAR))


# ---------------------------------------------------------------- report


class Report:
    """Lines that are printed at once and kept."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def __call__(self, text: str = "") -> None:
        print(text, flush=True)
        self.lines.append(text)

    def table(self, *rows: Iterable[object]) -> None:
        head, *others = [[str(word) for word in row] for row in rows]
        for row in (head, ["---"] * len(head), *others):
            self(f"| {' | '.join(row)} |")
        self()


def report_landmarks(
    say: Report, films: list[Path], args: argparse.Namespace, folder: Path
) -> Iterator[tuple[Path, np.ndarray]]:
    """Yields each film at full size with our points in meters, (T, 33, 3), while it measures."""
    rows: list[list[object]] = [[*HEAD]]
    store, found = folder / "frames.npy", {who: folder / f"{who}.npz" for who in ("our", "their")}
    for film, scaled in product(films, (False, True)):
        whole = read_video(film)
        if scaled and whole.shape[1] <= LARGE[1]:
            continue
        frames = np.stack([middle(frame, LARGE) for frame in whole]) if scaled else whole
        np.save(store, frames)
        size, count = f"{frames.shape[2]} x {frames.shape[1]}", len(frames)
        del whole, frames
        spent: dict[str, list[dict[str, float]]] = {"our": [], "their": []}
        for _ in range(args.rounds):
            spent["our"].append(in_own_process(OURS, "landmarks", store, found["our"], args.models))
            if args.mediapipe:
                spent["their"].append(
                    in_own_process(THEIRS, store, found["their"], python=args.mediapipe)
                )
        fps = {who: [s["frames"] / s["wall"] for s in own] for who, own in spent.items()}
        cpu = {who: [1e3 * s["cpu"] / s["frames"] for s in own] for who, own in spent.items()}
        our = np.load(found["our"])
        cells: list[object] = [film.stem[:24], size, count, cell(fps["our"], 1)]
        if args.mediapipe:
            their = np.load(found["their"])
            apart = {k: np.linalg.norm(our[k] - their[k], axis=-1).mean(-1) for k in our.files}
            both = np.isfinite(apart["world"])
            cells += [cell(fps["their"], 1), ratios(fps["our"], fps["their"], 2)]
            cells += [cell(cpu["our"], 1), cell(cpu["their"], 1)]
            cells += [ratios(cpu["their"], cpu["our"], 2), int(both.sum())]
            cells += [f"{1e3 * apart['world'][both].mean():.1f}"]
            cells += [f"{apart['points'][both].mean():.1f}"]
        else:
            cells += ["-", "-", cell(cpu["our"], 1), *"-----"]
        rows.append(cells)
        if not scaled:
            yield film, our["world"]
    say("Landmarks: one person, smoothed; frames in memory. Goals: ratios of 1, 10 mm (NTU)")
    say(f"The first {WARM} frames are not timed. mm, px: mean distance of the 33 points\n")
    say.table(*rows)
    if not args.mediapipe:
        say("The mediapipe package was left out: no --mediapipe\n")


def report_kinect(say: Report, world: dict[Path, np.ndarray]) -> None:
    order = joint_map(KINECT_V2, KINECT_V1)
    rows: list[list[object]] = [
        ["film", "frames", "mm", "scale", "jitter, mm", "Kinect's jitter, mm", "worst joints"]
    ]
    for film, points in world.items():
        stem = film.stem.removesuffix("_rgb")
        text = film.parents[1] / "nturgb+d_skeletons" / f"{stem}.skeleton"
        if not text.exists():
            continue
        kinect = np.asarray(read_clip(text).frames)[: len(points), 0].astype(float)
        there = np.isfinite(points[: len(kinect), 0, 0])
        pose = np.stack([kinect_pose(p) for p in points[: len(kinect)][there]]).astype(float)
        own, true = mirrored(pose)[:, order], kinect[there][:, order]
        own, true = own - own[:, :1], true - true[:, :1]  # the first joint is between the hips
        own, scale = aligned(own, true)
        apart = 1e3 * np.linalg.norm(own - true, axis=-1).mean(axis=0)
        worst = np.argsort(-apart)[:3]
        words = ", ".join(f"{KINECT_V1.joints[k]} {apart[k]:.0f}" for k in worst)
        shaking = [f"{1e3 * jitter(joints):.1f}" for joints in (own, true)]
        rows.append(
            [stem, int(there.sum()), f"{apart.mean():.0f}", f"{scale:.2f}", *shaking, words]
        )
    say("Kinect: mean distance of 20 joints after one rotation and scale per film")
    say("Jitter: mean length of the second difference in time\n")
    say.table(*rows)


def write_repeated(film: Path, size: tuple[int, int], seconds: float, path: Path) -> Path:
    """Writes the middle of a film, forwards and backwards, as a film of a given length."""
    frames = [middle(frame, size) for frame in read_video(film)]
    order = there_and_back(len(frames), round(seconds * FPS))
    write_video(path, (frames[k] for k in order), FPS, MOVIE_CODEC, compact=True)
    return path


def report_chain(say: Report, film: Path, name: str, args: argparse.Namespace) -> None:
    found: dict[str, list[dict[str, float]]] = {"overlay": [], "labels": []}
    for _, how in product(range(args.rounds), found):
        found[how].append(in_own_process(OURS, "chain", film, name, how, args.models))
    alone = [in_own_process(OURS, "parts", film, name, args.models) for _ in range(args.rounds)]
    say(f"The whole chain, {LARGE[0]} x {LARGE[1]}, {SECONDS} s, {name}. Goal: 20 frames/s\n")
    titles = ("label_film with overlay and page", "label_film without")
    say.table(
        ["what", "frames/s", "CPU ms/frame"],
        *(
            [title, *(cell([spent[key] for spent in own], 1) for key in ("fps", "cpu"))]
            for title, own in zip(titles, found.values(), strict=True)
        ),
    )
    say.table(
        ["part alone", "ms/frame"],
        *([part, cell([spent[part] for spent in alone], 1)] for part in alone[0]),
    )


def report_network(say: Report, names: list[str], rounds: int) -> None:
    rows = [["network", "ms/window", "compilation, s"]]
    for name in names:
        spent = [in_own_process(OURS, "network", name) for _ in range(rounds)]
        rows.append([name, *(cell([s[key] for s in spent], 1) for key in ("ms", "s"))])
    say("The network's part of a stream, with attention. Goal: 15 ms per window\n")
    say.table(*rows)


def report_memory(
    say: Report, film: Path, name: str, args: argparse.Namespace, folder: Path
) -> None:
    minutes = args.minutes + [60] * args.hour
    rows = [["what", *(f"{n} min, MB" for n in minutes), "MB per hour"]]
    long = {n: write_repeated(film, SMALL, 60 * n, folder / f"{n}.mp4") for n in minutes}
    for how, title in (("labels", "without overlay"), ("overlay", "with overlay and page")):
        sizes = [
            in_own_process(OURS, "chain", path, name, how, args.models)["MB"]
            for path in long.values()
        ]
        slope = 60 * (sizes[-1] - sizes[0]) / max(minutes[-1] - minutes[0], 1)
        rows.append([title, *(f"{size:.0f}" for size in sizes), f"{slope:.0f}"])
    say(f"Maximum resident size of label_film, {SMALL[0]} x {SMALL[1]}\n")
    say.table(*rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--data-dir", type=Path, required=True)
    parser.add_argument("--mediapipe", metavar="PYTHON", help="an interpreter with mediapipe")
    parser.add_argument("--pose-models", dest="models", default="", help="BlazePose's files")
    parser.add_argument("--only", nargs="+", choices=SECTIONS, default=SECTIONS)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--minutes", type=int, nargs="+", default=[1, 8], help="of `memory`")
    parser.add_argument("--hour", action="store_true", help="`memory` of an hour, too")
    parser.add_argument("--out", type=Path, help="file for the report")
    args = parser.parse_args()
    measured = sorted((args.data_dir / "ntu" / "nturgb+d_rgb").glob("*_rgb.avi"))
    if not measured:
        parser.error(f"{args.data_dir}: no films in ntu/nturgb+d_rgb")
    films = measured + sorted((args.data_dir / "films").glob("*.avi"))
    own = [entry.name for entry in read_zoo() if entry.dataset == "film"]
    name, say = (own or [FALLBACK])[0], Report()
    say(f"{machine('tensorflow', 'keras', 'av', 'pillow')}")
    say(f"{args.rounds} round(s): median (lowest to highest)\n")
    with TemporaryDirectory() as place:
        folder = Path(place)
        if "landmarks" in args.only:
            report_kinect(say, dict(report_landmarks(say, films, args, folder)))
        if "chain" in args.only:
            path = write_repeated(measured[0], LARGE, SECONDS, folder / "chain.mp4")
            report_chain(say, path, name, args)
        if "network" in args.only:
            report_network(say, [*own, *NETWORKS], args.rounds)
        if "memory" in args.only:
            report_memory(say, measured[0], name, args, folder)
    if args.out:
        args.out.write_text("\n".join(say.lines).strip() + "\n")


if __name__ == "__main__":
    main()
