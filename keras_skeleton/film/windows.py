"""Labels of a stream of poses, in windows of it, while it lasts.

    StreamLabeler    poses in, one `Step` per block of frames out
    whole            one prediction for all steps

A network is trained on clips of one action, so it is shown short windows of the stream. Each block
of `stride` frames is labeled by windows of several sizes around its centre. At both ends of the
stream they are shifted inwards, and they are shorter only if the whole stream is. A label depends
on nothing but the poses: a live stream gets the labels of the finished recording, `delay` frames
later.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from keras_skeleton.models.registry import MODELS
from keras_skeleton.recognizer import Prediction, Recognizer, RecognizerError
from keras_skeleton.skeletons import Skeleton, get_skeleton, joint_map
from keras_skeleton.transforms.bodies import motion
from keras_skeleton.transforms.geometry import present
from keras_skeleton.utils.errors import UserError

FPS = 30.0  # the rate that sizes and strides are given for
LEAST = 2  # frames of the shortest clip
MOST = 8  # steps that go through the network together


class WindowError(UserError, ValueError):
    """Windows or poses that cannot be used; the message says why and what to do."""


@dataclass(frozen=True)
class Step:
    """What a network says about one block of frames.

    Attributes:
        start: First frame of the block.
        end: End of the block (excluded).
        logits: Mean logits of the windows around the block, float64 (C,); zeros if nobody is there.
        probabilities: Probabilities of all classes, float64 (C,); zeros if nobody is there.
        label: The most probable class; empty if nobody is there.
        probability: Its probability; 0 if nobody is there.
        unsure: As in `Prediction`; None without a calibration or if nobody is there.
        doubts: Why the step is unsure; empty if it is not.
        joints: Attention to the network's joints in the largest window, relative to equal
            attention (1), float32 (end - start, M, V); 0 in frames and for people that this
            window's clip leaves out. None if the network has none or nobody is there.
        frames: Attention to the frames, relative to the mean of the largest window, float32
            (end - start,); 0 in frames that its clip leaves out. None as for `joints`.
        distance: Mean distance of the windows to the training clips; None as for `unsure`.
    """

    start: int
    end: int
    logits: np.ndarray
    probabilities: np.ndarray
    label: str = ""
    probability: float = 0.0
    unsure: bool | None = None
    doubts: tuple[str, ...] = ()
    joints: np.ndarray | None = None
    frames: np.ndarray | None = None
    distance: float | None = None


@dataclass(frozen=True)
class _Window:
    """A clip for the network: its first frame, the pushed bodies in it, and the adapted clip."""

    start: int
    bodies: np.ndarray
    clip: np.ndarray


class StreamLabeler:
    """Labels a stream of poses of one person, or of all for networks of several bodies.

    Sizes and stride are frames at 30 frames per second; at another rate they are scaled and
    rounded. The labeler keeps at most the frames of the largest window and one stride. Absent
    frames at the ends of a window are cut off; if more than half of its frames are absent, only
    the longest run of present frames that touches the block is shown to the network.

    Args:
        recognizer: The network.
        fps: Frames per second of the stream.
        skeleton: Joint layout of the poses; mapped to the network's by joint names.
        sizes: Frames of the windows, whose logits are averaged.
        stride: Frames of a block.
        attention: Whether the steps have attention.
        first: Number of the stream's first frame, from which the steps count.

    Raises:
        WindowError: A window is shorter than a stride, or a number is not positive.
        SkeletonMapError: The skeleton cannot be mapped to the network's.
        RecognizerError: The network needs films in addition to joints.

    Example:
        >>> from keras_skeleton.film.windows import StreamLabeler
        >>> labeler = StreamLabeler(recognizer, fps=30, skeleton="kinect_v2")  # doctest: +SKIP
        >>> steps = [s for pose in clip for s in labeler.push(pose)]  # doctest: +SKIP
        >>> steps += labeler.finish()  # doctest: +SKIP
        >>> for step in steps:  # doctest: +SKIP
        ...     print(step.start / 30, step.end / 30, step.label)
    """

    def __init__(
        self,
        recognizer: Recognizer,
        fps: float,
        skeleton: str | Skeleton = "kinect_v2",
        sizes: Sequence[int] = (16, 32),
        stride: int = 8,
        attention: bool = True,
        first: int = 0,
    ) -> None:
        self.recognizer, self.attention, self.first = recognizer, attention, first
        self.skeleton = get_skeleton(skeleton)
        if MODELS[recognizer.preprocessing.model].video:
            raise RecognizerError(
                f"'{recognizer.preprocessing.model}' needs crops of hands and body in addition to "
                "joints, so it cannot label a stream of poses; use another network"
            )
        joint_map(self.skeleton, recognizer.skeleton)
        if not (0 < fps < float("inf") and sizes and stride > 0 and min(sizes) >= stride):
            raise WindowError(
                f"windows of {tuple(sizes)} frames every {stride} frames at {fps:g} frames per "
                "second: all must be positive, and no window shorter than the stride"
            )
        self.sizes = tuple(sorted(_scaled(size, fps, LEAST) for size in sizes))
        self.stride = _scaled(stride, fps, 1)
        self._frames = recognizer.preprocessing.input_frames(self.sizes[-1])
        self._poses: list[np.ndarray] = []  # the last poses of the stream
        self._length = 0  # frames pushed
        self._next = 0  # first frame of the next block
        self._finished = False

    @property
    def delay(self) -> int:
        """Frames between the end of a block and the moment when its step is known."""
        return self.sizes[-1] - self.stride - self._before(self.sizes[-1])

    def _before(self, size: int) -> int:
        """Frames of a window before its block."""
        return (size - self.stride) // 2

    def push(self, pose: np.ndarray) -> list[Step]:
        """Takes the next pose and returns the steps that are known with it, mostly none.

        Args:
            pose: (M, V, 3) or (V, 3), y upward; absent bodies are zero. M is the same in all
                frames.

        Raises:
            WindowError: Wrong shape, NaN or infinity, or the stream is finished.
        """
        if self._finished:
            raise WindowError("this stream is finished; create another labeler")
        self._poses.append(self._checked(pose))
        self._length += 1
        blocks = []
        while self._is_ready(self._next):
            blocks.append((self._next, self._next + self.stride))
            self._next += self.stride
        steps = self._steps(blocks)
        # A window that ends with the stream may become the last one.
        kept = max(0, min(self._next, self._length - self.sizes[-1]))
        del self._poses[: kept - (self._length - len(self._poses))]
        return steps

    def _is_ready(self, start: int) -> bool:
        """Whether all windows around a block are complete, wherever the stream ends."""
        return all(max(start - self._before(size), 0) + size <= self._length for size in self.sizes)

    def finish(self) -> list[Step]:
        """Ends the stream and returns its last steps; the very last may be shorter than a stride.

        Example:
            >>> labeler.finish()[-1].end == len(clip)  # doctest: +SKIP
            True
        """
        blocks = [
            (start, min(start + self.stride, self._length))
            for start in range(self._next, self._length, self.stride)
        ]
        steps = self._steps(blocks)
        self._poses, self._next, self._finished = [], self._length, True
        return steps

    def warm_up(self) -> None:
        """Compiles the network, so that the first step of a live stream is as fast as the others.

        Example:
            >>> labeler.warm_up()  # doctest: +SKIP
        """
        own = self.recognizer.preprocessing
        pose = np.random.default_rng(0).normal(size=(self.sizes[-1], 1, self.skeleton.size, 3))
        window = _Window(0, np.arange(1), own.adapt(pose.astype(np.float32), self.skeleton)[0])
        for steps in (1, 2):  # with the second shape, TensorFlow compiles for any batch size
            self._outputs([window] * (steps * len(self.sizes)))

    def _checked(self, pose: np.ndarray) -> np.ndarray:
        array = np.asarray(pose)
        array = array[None] if array.ndim == 2 else array
        bodies = len(self._poses[0]) if self._poses else None
        wanted = (bodies or "M", self.skeleton.size, 3)
        if (
            array.ndim != 3
            or array.shape[1:] != wanted[1:]
            or not len(array)
            or bodies not in (None, len(array))
        ):
            raise WindowError(
                f"frame {self.first + self._length}: the pose has shape {np.shape(pose)}; expected "
                f"({wanted[0]}, {wanted[1]}, 3), the joints of {self.skeleton.name}"
            )
        if array.dtype.kind not in "fiu" or not np.isfinite(array).all():
            raise WindowError(
                f"frame {self.first + self._length}: the pose contains NaN or infinity; fill "
                "missing joints first, see transforms.fill_missing"
            )
        return array.astype(np.float32)

    # ---------------------------------------------------------------- blocks to steps

    def _steps(self, blocks: Sequence[tuple[int, int]]) -> list[Step]:
        found = []
        for first in range(0, len(blocks), MOST):
            found += self._some_steps(blocks[first : first + MOST])
        return found

    def _some_steps(self, blocks: Sequence[tuple[int, int]]) -> list[Step]:
        windows = [self._windows(block) for block in blocks]
        flat = [window for own in windows for window in own]
        outputs = self._outputs(flat) if flat else {}
        distances = None
        if self.recognizer.calibration is not None and flat:
            distances = self.recognizer.calibration.distances(outputs["features"])
        steps, row = [], 0
        for (start, end), own in zip(blocks, windows, strict=True):
            if not own:
                steps.append(self._nobody(start, end))
                continue
            rows = slice(row, row + len(own))
            row = rows.stop
            found = self.recognizer.prediction(
                outputs["logits"][rows].astype(np.float64).mean(axis=0),
                None if distances is None else float(np.mean(distances[rows])),
                top=1,
            )
            last = {key: values[row - 1] for key, values in outputs.items()}  # the largest window
            joints, frames = self._attention(start, end, own[-1], last)
            steps.append(
                Step(
                    start=self.first + start,
                    end=self.first + end,
                    logits=found.logits,
                    probabilities=found.probabilities,
                    label=found.label,
                    probability=found.probability,
                    unsure=found.unsure,
                    doubts=found.doubts,
                    joints=joints,
                    frames=frames,
                    distance=found.distance,
                )
            )
        return steps

    def _nobody(self, start: int, end: int) -> Step:
        zeros = np.zeros(len(self.recognizer.classes))
        return Step(self.first + start, self.first + end, zeros, zeros)

    def _windows(self, block: tuple[int, int]) -> list[_Window]:
        """The clips around a block, one a size; none if nobody is in the block."""
        offset = self._length - len(self._poses)  # frame of the first pose kept
        start, end = block
        if not np.any(self._poses[start - offset : end - offset]):
            return []
        found = []
        for size in self.sizes:
            first = max(0, min(start - self._before(size), self._length - size))
            poses = np.stack(self._poses[first - offset : first - offset + size])
            inside, outside = _used(
                np.asarray(present(poses).any(axis=1)), start - first, min(end - first, len(poses))
            )
            poses = poses[inside:outside]
            if len(poses) < LEAST:
                poses = np.repeat(poses, LEAST, axis=0)
            bodies = _chosen_bodies(poses, self.recognizer.preprocessing.bodies)
            clip, _ = self.recognizer.preprocessing.adapt(poses[:, bodies], self.skeleton)
            found.append(_Window(first + inside, bodies, clip))
        return found

    def _outputs(self, windows: Sequence[_Window]) -> dict[str, np.ndarray]:
        """Outputs of the network, in one call with one of few batch shapes."""
        own = self.recognizer.preprocessing
        batch = np.stack([own(window.clip, self._frames) for window in windows])
        size = len(self.sizes)
        while size < len(windows):
            size *= 2
        outputs = self.recognizer.outputs(np.resize(batch, (size, *batch.shape[1:])))
        return {key: values[: len(windows)] for key, values in outputs.items()}

    def _attention(
        self, start: int, end: int, window: _Window, outputs: dict[str, np.ndarray]
    ) -> tuple[np.ndarray | None, np.ndarray | None]:
        """Attention to joints and frames of a block, from the outputs for one window."""
        if not self.attention:
            return None, None
        length = len(window.clip)
        maps = self.recognizer.maps_on_frames(outputs, length, self._frames)
        first, last = max(start, window.start), min(end, window.start + length)
        source = slice(first - window.start, last - window.start)
        target = slice(first - start, last - start)
        joints = frames = None
        if "joints" in maps:
            shares = _shares(maps["joints"][source], axis=1)
            M, V = len(self._poses[0]), self.recognizer.skeleton.size
            joints = np.zeros((end - start, M, V), np.float32)
            shares = shares.reshape(len(shares), -1, V)[:, : len(window.bodies)]
            joints[target, window.bodies] = shares
        if "frames" in maps:
            shares = _shares(maps["frames"].reshape(length, -1).mean(axis=1), axis=0)
            frames = np.zeros(end - start, np.float32)
            frames[target] = shares[source]
        return joints, frames


def _scaled(frames: int, fps: float, least: int) -> int:
    return max(least, int(frames * fps / FPS + 0.5))


def _used(there: np.ndarray, start: int, end: int) -> tuple[int, int]:
    """First and last frame (excluded) of a window that are shown to the network.

    Args:
        there: Whether anybody is in each frame of the window, bool (T,).
        start: First frame of the block, in the window; somebody is in the block.
        end: Its end.
    """
    seen = np.flatnonzero(there)
    if 2 * len(seen) >= len(there):
        return int(seen[0]), int(seen[-1]) + 1
    edges = np.flatnonzero(np.diff(np.concatenate([[0], there, [0]])))
    runs = [(int(a), int(b)) for a, b in edges.reshape(-1, 2) if a < end and b > start]
    return max(runs, key=lambda run: run[1] - run[0])


def _chosen_bodies(clip: np.ndarray, most: int) -> np.ndarray:
    """Indices of the bodies of a clip for a network of `most` bodies, as `fit_bodies` does."""
    there = np.flatnonzero(present(clip).any(axis=0))
    if len(there) <= most:
        return there
    return np.sort(there[np.argsort(-motion(clip[:, there]), kind="stable")[:most]])


def _shares(attention: np.ndarray, axis: int) -> np.ndarray:
    """Attention relative to equal attention along an axis; 1 where there is none at all."""
    mean = np.asarray(attention, np.float64).mean(axis=axis, keepdims=True)
    return np.divide(attention, mean, out=np.ones(attention.shape), where=mean > 0)


def whole(steps: Sequence[Step], recognizer: Recognizer, top: int = 3) -> Prediction | None:
    """One prediction for all steps with somebody, from their mean logits and distance.

    Args:
        steps: Steps of a labeler, or some of them.
        recognizer: The labeler's network.
        top: Number of classes in the ranking.

    Returns:
        The prediction; None if nobody is in any step.

    Example:
        >>> from keras_skeleton.film.windows import whole
        >>> print(whole(steps, labeler.recognizer))  # doctest: +SKIP
        wave 90.0 %
    """
    seen = [step for step in steps if step.label]
    if not seen:
        return None
    weights = [step.end - step.start for step in seen]
    distances = [step.distance for step in seen if step.distance is not None]
    calibrated = len(distances) == len(seen)
    return recognizer.prediction(
        np.average([step.logits for step in seen], axis=0, weights=weights),
        float(np.average(distances, weights=weights)) if calibrated else None,
        top,
    )
