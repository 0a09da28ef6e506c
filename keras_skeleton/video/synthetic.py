"""Videos of the synthetic dataset, in the layout of NTU RGB+D."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from keras_skeleton.datasets.synthetic import dataset as synthetic
from keras_skeleton.datasets.synthetic import studio
from keras_skeleton.datasets.synthetic.rendering import CLOTHES, OUTFITS, render
from keras_skeleton.datasets.synthetic.studio import generator
from keras_skeleton.utils.executor import executor
from keras_skeleton.utils.files import write_atomic
from keras_skeleton.utils.lock import locked
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
    """Writes synthetic clips with their videos in the layout of NTU RGB+D.

    Files are `folder/nturgb+d_skeletons/NAME.skeleton` and `folder/nturgb+d_rgb/NAME_rgb.avi`. As
    in real files, pixel coordinates refer to 1920 x 1080 whatever the size of the video. Existing
    videos are kept.

    The outfit is drawn for each performance from a few that all subjects share, because individual
    colors would reveal the subject or the performance to a network.

    Args:
        folder: Output folder.
        height: Height of the videos in pixels.
        width: Width of the videos in pixels.
        seed, subjects, repetitions, labels, views: As for `synthetic.dataset.make_clips`.

    Returns:
        Paths of the videos.
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
    folder: str | Path,
    seed: int,
    subjects: int,
    repetitions: int,
    workers: int = 1,
    scheduler: str | None = None,
) -> None:
    """Writes all recordings of the synthetic dataset, with several processes or on the workers of a
    Dask scheduler."""
    folder = Path(folder)
    work = partial(_render_subject, folder, seed, repetitions)
    everybody = range(1, subjects + 1)
    if workers == 1 and scheduler is None:
        with locked(folder):
            list(map(work, everybody))
        return
    with locked(folder):
        list(executor(workers, scheduler).map(_nothing, work, everybody, needs=[folder]))


def _nothing() -> None:
    pass


def _render_subject(folder: Path, seed: int, repetitions: int, subject: int) -> None:
    write_recordings(folder, seed=seed, subjects=[subject], repetitions=repetitions)
