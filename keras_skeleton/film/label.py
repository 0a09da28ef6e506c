"""Labels a film: key points, actions with their times, attention page and overlay.

The film is read twice: first people are found, followed and labeled, then the overlay is drawn.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from keras_skeleton.film.attended_film import film_clip
from keras_skeleton.film.keypoints import KEYPOINTS, write_keypoints
from keras_skeleton.film.overlay_film import write_overlay
from keras_skeleton.film.recording import Progress, record_film
from keras_skeleton.film.result import FilmResult, film_result
from keras_skeleton.recognizer import Recognizer
from keras_skeleton.utils.files import plain_name
from keras_skeleton.video.blazepose import BlazePose
from keras_skeleton.video.film import open_film
from keras_skeleton.video.film_files import OVERLAY, PAGE
from keras_skeleton.video.people import Estimator
from keras_skeleton.video.pose_models import find_pose_models
from keras_skeleton.viz.attention_page import write_attention_page


def label_film(
    source: str | Path,
    recognizer: Recognizer,
    pose: Estimator | None = None,
    out: str | Path | None = None,
    people: int = 2,
    overlay: bool = True,
    attention: bool = True,
    progress: Progress | None = None,
    blocks: int | None = None,
    name: str | None = None,
) -> FilmResult:
    """Labels the people of a film.

    Args:
        source: The film.
        recognizer: A network of one person.
        pose: The pose estimator; by default BlazePose, whose networks `fetch_pose_models` or the
            command pose-models has fetched. For several films, one for all is faster.
        out: Output folder for key points, page and overlay; by default nothing is written.
        people: Number of people who are followed at a time.
        overlay: Whether the overlay is drawn.
        attention: Whether the attention page is written, and joints glow in the overlay.
        progress: Called with the share that is done, 0 to 1, and what is being done. An exception
            that it raises stops the work.
        blocks: Rows of blocks to which the overlay coarsens the film, so that nobody is recognized;
            None to show the film as it is.
        name: Name of the written files, also in a folder such as `"wave/film1"`; by default the
            film's.

    Raises:
        VideoError: The film cannot be read.
        PoseModelsMissingError: BlazePose has not been fetched yet.
        NobodyError: Nobody was found in it, or nobody for half a second.
        RecognizerError: The network takes two bodies.
        SkeletonMapError: Its joints cannot be estimated from film.

    Example:
        >>> from keras_skeleton import label_film
        >>> recognizer = ks.load_recognizer("csta_cnn_film_cs")  # doctest: +SKIP
        >>> print(label_film("film.mp4", recognizer, out="labels"))  # doctest: +SKIP
        film.mp4: waveHands 47.5 %
    """
    say = progress or (lambda share, text: None)
    film = open_film(source)
    pose = pose or BlazePose(find_pose_models())
    folder = None if out is None else Path(out)
    with TemporaryDirectory(prefix="keras-skeleton-", ignore_cleanup_errors=True) as scratch:
        share = 0.7 if folder and overlay else 1.0
        recording = record_film(
            film, recognizer, pose, people, Path(scratch), lambda s, text: say(share * s, text)
        )
        result = film_result(film, recognizer, recording)
        if folder is None:
            return result
        name = name or plain_name(film.path.stem)
        keypoints = write_keypoints(recording.world, film.fps, folder / KEYPOINTS, name)
        result = replace(result, keypoints=keypoints)
        if attention:
            page = folder / f"{name}{PAGE}"
            write_attention_page(film_clip(result, recording, recognizer), page)
            result = replace(result, page=page)
        if overlay:
            path = folder / f"{name}{OVERLAY}"
            write_overlay(
                film, result, recording, recognizer, path,
                lambda s, text: say(share + (1 - share) * s, text), blocks,
            )  # fmt: skip
            result = replace(result, overlay=path)
        return result
