"""Draws the pictures of README and documentation that no single command writes.

    python docs/draw_pictures.py                          # film, parts, gains: no data needed
    python docs/draw_pictures.py viewer --data-dir PATH   # UT-Kinect in PATH, and Chromium

A picture shows what a command of `keras-skeleton` writes; the script takes the frames or the page
that a document needs. `CONTRIBUTING.md` lists all pictures with their commands.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import pandas as pd
from PIL import Image

from keras_skeleton.utils.errors import UserError

ROOT = Path(__file__).resolve().parents[1]
FIGURES = ROOT / "results" / "figures"
SCORE = ROOT / "results" / "attention" / "score"
WEIGHTS = "sta_lstm_ut_kinect_cs"
CLIP = "s06_e01_waveHands"
SECOND = 1.8  # of the film that its picture shows
WIDE, COLOURS = 640, 200  # of the GIF
PAGE = (1280, 1160)  # pixels


def run_command(*words: str) -> None:
    """Runs `keras-skeleton` with these words."""
    words = (sys.executable, str(ROOT / "run.py"), *words)
    subprocess.run(words, check=True)  # noqa: S603 - constant words and paths


def draw_film(folder: Path, data: Path | None) -> None:
    """A rendered film with its overlay: one frame, and every second one as a GIF."""
    from keras_skeleton.video.reading import open_container, read_video
    from keras_skeleton.video.synthetic import write_recordings

    chosen = {"seed": 3, "subjects": [1], "repetitions": [1], "labels": [6], "views": [2]}
    write_recordings(folder / "film", height=720, width=1280, **chosen)
    films = str(folder / "film" / "nturgb+d_rgb")
    run_command("predict", films, "--people", "1", "--out", str(folder))
    (overlay,) = folder.rglob("*_overlay.mp4")
    container, stream = open_container(overlay)
    with container:
        fps = float(stream.average_rate)
    frames = [Image.fromarray(frame) for frame in read_video(overlay)]
    frames[round(SECOND * fps)].save(FIGURES / "film.png", optimize=True)
    size = (WIDE, round(WIDE * frames[0].height / frames[0].width))
    small = [frame.resize(size, Image.Resampling.LANCZOS) for frame in frames[::2]]
    # One palette for all: what does not move is stored once, and nothing flickers.
    palette = small[len(small) // 2].quantize(COLOURS, Image.Quantize.MAXCOVERAGE, kmeans=1)
    first, *rest = [frame.quantize(palette=palette, dither=Image.Dither.NONE) for frame in small]
    first.save(
        FIGURES / "film.gif",
        save_all=True,
        append_images=rest,
        duration=round(2000 / fps),
        loop=0,
        optimize=True,
    )


def draw_parts(folder: Path, data: Path | None) -> None:
    """Crops of the first rendered test clip with the weights of the parts."""
    from keras_skeleton.attention import parts
    from keras_skeleton.datasets.registry import load_dataset
    from keras_skeleton.video.crops import open_crops, prepare_crops
    from keras_skeleton.video.synthetic import write_recordings
    from keras_skeleton.viz.style import save_figure
    from keras_skeleton.zoo.load import on_dataset
    from keras_skeleton.zoo.recognizers import pretrained

    write_recordings(folder / "films", subjects=[2], repetitions=[1], labels=[0], views=[1])
    network = pretrained("pose_i3d", "synthetic", "cs")
    prepare_crops(
        folder / "films", folder / "crops", network.arguments["size"], dataset="synthetic"
    )
    dataset = load_dataset("synthetic", **network.about["options"])
    crops = open_crops(folder / "crops")
    recognizer = on_dataset(network, dataset, crops)
    i = int(recognizer.test[0])
    weights = recognizer.part_weights([i])[0]
    figure = parts.draw_parts(dataset, crops, i, weights, recognizer.title(i))
    save_figure(figure, FIGURES / "parts.png")


def draw_gains(folder: Path, data: Path | None) -> None:
    """The stored table of `attention --score` as a figure, measured by that command."""
    from keras_skeleton.viz.deletion_plots import gains_figure
    from keras_skeleton.viz.style import save_figure

    title = (
        "Gain of an order over its baseline, with 95 % confidence intervals over test clips\n"
        "baseline of frames: the same curve shifted in time; of joints: a random order"
    )
    table = pd.read_csv(SCORE / "attention_score.csv")
    save_figure(gains_figure(table, title), SCORE / "gains.png")


def draw_viewer(folder: Path, data: Path | None) -> None:
    """The attention page of a real clip, as Chromium shows it."""
    browser = shutil.which("chromium") or shutil.which("chromium-browser")
    if browser is None:
        raise UserError("viewer needs Chromium, which is not on the PATH; install it")
    page = folder / "page.html"
    words = ["--clip", CLIP, "--out", str(page)]
    if data is not None:
        words += ["--data-dir", str(data)]
    run_command("attention", "--weights", WEIGHTS, *words)
    options = (
        "--headless --no-sandbox --disable-gpu --hide-scrollbars --use-gl=angle "
        "--use-angle=swiftshader --enable-unsafe-swiftshader --virtual-time-budget=20000"
    )
    size = f"--window-size={PAGE[0]},{PAGE[1]}"
    picture = folder / "viewer.png"
    profile = f"--user-data-dir={folder / 'profile'}"
    words = [*options.split(), size, profile, f"--screenshot={picture}", page.as_uri()]
    subprocess.run([browser, *words], check=True)  # noqa: S603 - constant words and paths
    with Image.open(picture) as image:
        small = image.convert("RGB").quantize(256, dither=Image.Dither.NONE)
    small.save(FIGURES / "viewer.png", optimize=True)


PICTURES: dict[str, Callable[[Path, Path | None], None]] = {
    "film": draw_film,
    "parts": draw_parts,
    "gains": draw_gains,
    "viewer": draw_viewer,
}


def main() -> None:
    """Draws the pictures that are named."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"any of {', '.join(PICTURES)}")
    parser.add_argument("--data-dir", type=Path, help="folder of UT-Kinect, for viewer")
    args = parser.parse_args()
    if unknown := [name for name in args.names if name not in PICTURES]:
        parser.error(f"no picture {', '.join(unknown)}; choose from {', '.join(PICTURES)}")
    for name in args.names or [name for name in PICTURES if name != "viewer"]:
        with tempfile.TemporaryDirectory() as folder:
            PICTURES[name](Path(folder), args.data_dir)


if __name__ == "__main__":
    main()
