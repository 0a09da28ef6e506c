"""Recordings of the synthetic dataset as films, in NTU RGB+D's layout."""

from __future__ import annotations

import multiprocessing
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

from keras_skeleton.datasets.synthetic import dataset as synthetic
from keras_skeleton.datasets.synthetic import studio
from keras_skeleton.datasets.synthetic.rendering import CLOTHES, OUTFITS, render
from keras_skeleton.datasets.synthetic.studio import generator
from keras_skeleton.utils.files import write_atomic
from keras_skeleton.video.reading import write_video


def write_recordings(
    folder: str | Path,
    height: int = 270,
    width: int = 480,
    seed: int = 0,
    subjects: int | Sequence[int] = 10,
    repetitions: int | Sequence[int] = 2,
    labels: Sequence[int] | None = None,
    views: Sequence[int] = synthetic.VIEWS,
) -> list[Path]:
    """Writes clips in NTU RGB+D's layout, with their videos; see `synthetic.make_clips`.

    `folder/nturgb+d_skeletons/NAME.skeleton` and `folder/nturgb+d_rgb/NAME_rgb.avi`. As in real
    files, pixel coordinates count in 1920 x 1080 whatever the size of the video. Videos that are
    there already are kept.

    For every performance one of a few outfits is put on, by everybody the same ones: colours of
    their own would tell a network who acts, or which performance it sees, instead of the action.

    Returns:
        The paths of the videos.
    """
    folder = Path(folder)
    (folder / "nturgb+d_rgb").mkdir(parents=True, exist_ok=True)
    choice = (seed, subjects, repetitions, labels, views)
    synthetic.write_skeleton_files(folder / "nturgb+d_skeletons", *choice)
    paths = []
    for clip in synthetic.make_clips(*choice):
        path = folder / "nturgb+d_rgb" / f"{clip.name}_rgb.avi"
        paths.append(path)
        if not path.exists():
            drawn = generator(seed, CLOTHES, clip.subject, clip.repetition, clip.label)
            wearing = (int(drawn.integers(OUTFITS)),)
            video = render(clip.truth, height, width, seed, wearing)
            write_atomic(path, partial(write_video, frames=video, fps=studio.FRAME_RATE))
    return paths


def render_all(
    folder: str | Path, seed: int, subjects: int, repetitions: int, workers: int = 1
) -> None:
    """All recordings of the synthetic dataset with these options, by several processes."""
    folder = Path(folder)
    work = partial(_render_subject, folder, seed, repetitions)
    everybody = range(1, subjects + 1)
    if workers == 1:
        list(map(work, everybody))
        return
    with ProcessPoolExecutor(workers, multiprocessing.get_context("spawn")) as pool:
        list(pool.map(work, everybody))


def _render_subject(folder: Path, seed: int, repetitions: int, subject: int) -> None:
    write_recordings(folder, seed=seed, subjects=[subject], repetitions=repetitions)
