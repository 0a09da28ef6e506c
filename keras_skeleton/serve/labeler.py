"""Labels an uploaded file: a film by `film.label`, key points as `predict` does."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from dataclasses import replace
from itertools import islice
from pathlib import Path

from keras_skeleton.attention.attended import attend
from keras_skeleton.datasets.clip_sources import SUFFIXES, SourceClip, read_clips
from keras_skeleton.film.label import label_film
from keras_skeleton.film.segments import NONE, Segment, segments
from keras_skeleton.film.windows import StreamLabeler
from keras_skeleton.predictions import make_row, write_predictions
from keras_skeleton.recognizer import Prediction, Recognizer
from keras_skeleton.serve.answer import Answer, Part
from keras_skeleton.utils.errors import UserError
from keras_skeleton.video.people import Estimator
from keras_skeleton.viz.attention_page import write_attention_page

# Endings of the films that `open_film` reads.
FILMS = (
    ".mp4", ".m4v", ".mov", ".avi", ".mkv", ".webm", ".mpg", ".mpeg", ".ts", ".mts", ".m2ts",
    ".3gp", ".gif",
)  # fmt: skip
CLIPS = SUFFIXES
MOST_CLIPS = 10  # of one file
FPS = 30.0  # of key points whose rate is unknown

Progress = Callable[[float, str], None]


class FileLabeler:
    """Labels uploaded files with one network.

    Args:
        recognizer: The network.
        pose: Makes the pose estimator, at the first film.
        people: Number of people of a film who are followed at a time.

    Example:
        >>> from pathlib import Path
        >>> from keras_skeleton.serve.labeler import FileLabeler
        >>> label = FileLabeler(recognizer, lambda: BlazePose(find_pose_models()))  # doctest: +SKIP
        >>> label(Path("film.mp4"), Path("out")).summary  # doctest: +SKIP
        'waveHands 93 %'
    """

    def __init__(
        self, recognizer: Recognizer, pose: Callable[[], Estimator], people: int = 2
    ) -> None:
        self.recognizer, self.people = recognizer, people
        self._make_pose = pose
        self._pose: Estimator | None = None

    def __call__(
        self,
        path: Path,
        out: Path,
        progress: Progress = lambda share, text: None,
        layout: str | None = None,
    ) -> Answer:
        """Labels a film or a key-point file.

        Args:
            path: The file.
            out: Existing folder for the results.
            progress: Called with the share that is done and what is being done.
            layout: Joint layout of a key-point file; None for its own.

        Raises:
            UserError: The file cannot be labeled; the message says why.
        """
        if path.suffix.lower() in FILMS:
            return self._film(path, out, progress)
        return self._clips(path, out, progress, layout)

    def _film(self, path: Path, out: Path, progress: Progress) -> Answer:
        if self._pose is None:
            progress(0, "loading the pose estimator")
            self._pose = self._make_pose()
        found = label_film(path, self.recognizer, self._pose, out, self.people, progress=progress)
        rows = [replace(row, source=path.name) for row in found.rows]
        more = {"fps": found.fps, "frames": found.frames, "notes": list(found.notes)}
        write_predictions(out, self.recognizer, rows, more)
        files = {"csv": out / "predictions.csv", "json": out / "predictions.json"}
        if found.overlay is not None:
            files["overlay"] = found.overlay
        if found.keypoints is not None:
            files["keypoints"] = out / "keypoints.zip"
            with zipfile.ZipFile(files["keypoints"], "w", zipfile.ZIP_DEFLATED) as archive:
                for file in sorted(found.keypoints.parent.iterdir()):
                    archive.write(file, file.name)
        alone = len(found.people) == 1
        parts = tuple(
            Part(
                "" if alone else f"Person {who.person}",
                who.start,
                who.end,
                found.fps,
                who.prediction,
                who.segments,
                found.page if number == 0 else None,
            )
            for number, who in enumerate(found.people)
        )
        return Answer(parts, found.frames, found.notes, files)

    def _clips(self, path: Path, out: Path, progress: Progress, layout: str | None) -> Answer:
        progress(0, "reading the key points")
        clips = list(islice(read_clips(path, layout), MOST_CLIPS + 1))
        notes = []
        if len(clips) > MOST_CLIPS:
            clips.pop()
            notes.append(f"the file has more clips; the first {MOST_CLIPS} are shown")
        parts = []
        rows = []
        for number, clip in enumerate(clips):
            title = clip.source.removeprefix(f"{path}").removeprefix(":") or path.name
            where = f"clip {number + 1} of {len(clips)}" if len(clips) > 1 else "the clip"

            def say(share: float, text: str, number: int = number, where: str = where) -> None:
                progress((number + share) / len(clips), f"{text} {where}")

            found = self._predict(clip, say)
            notes += [*clip.notes, *found.notes]
            say(0.2, "labeling windows of")
            actions = self._actions(clip, found, say)
            if any(action.label != found.label for action in actions):
                notes.append(
                    "the label is that of the whole clip; the timeline is labeled in windows of "
                    "about a second, so they differ"
                )
            say(0.7, "drawing the attention of")
            page = out / f"attention{number}.html"
            seen = attend(self.recognizer, clip.clip, title, clip.skeleton, fps=clip.fps)
            write_attention_page(seen, page)
            shown = title if len(clips) > 1 else ""
            parts.append(Part(shown, 0, len(clip.clip), clip.fps, found, actions, page))
            rows.append(make_row(title, None, 0, len(clip.clip), clip.fps, found, clip.notes))
        if not parts:
            raise UserError(f"{path}: no clips in it")
        write_predictions(out, self.recognizer, rows)
        files = {"csv": out / "predictions.csv", "json": out / "predictions.json"}
        longest = max(len(clip.clip) for clip in clips)
        return Answer(tuple(parts), longest, tuple(dict.fromkeys(notes)), files)

    def _predict(self, clip: SourceClip, say: Progress) -> Prediction:
        say(0, "labeling")
        if not clip.clip.any():
            raise UserError(f"{clip.source}: nobody is in it, all key points are missing")
        found: Prediction = self.recognizer.predict(clip.clip, 3, clip.skeleton)
        return found

    def _actions(self, clip: SourceClip, found: Prediction, say: Progress) -> tuple[Segment, ...]:
        """The actions of a clip in windows; one for all frames if it is not longer than these."""
        labeler = StreamLabeler(self.recognizer, clip.fps or FPS, clip.skeleton, attention=False)
        if len(clip.clip) <= labeler.sizes[-1]:
            if found.label == NONE:
                return ()
            return (Segment(0, len(clip.clip), found.label, found.probability, found.unsure),)
        steps = []
        for t, pose in enumerate(clip.clip):
            steps += labeler.push(pose)
            if t % 32 == 0:
                say(0.2 + 0.5 * t / len(clip.clip), "labeling windows of")
        return tuple(segments([*steps, *labeler.finish()]))
