"""Draws people's skeletons, labels and attention on the frames of a film, and a timeline below.

    Overlay       draws frame after frame
    FigureInFilm  what is drawn of one person

Fast enough for live films: Pillow draws each person in a layer of twice the resolution, which
smooths the lines; texts are rendered once and kept.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol

import numpy as np
from matplotlib import colormaps
from PIL import Image, ImageColor, ImageDraw, ImageFont

from keras_skeleton.datasets.formats.poses import MEDIAPIPE33
from keras_skeleton.skeletons import KINECT_V2, Skeleton, get_skeleton, matched_joints
from keras_skeleton.utils.errors import UserError
from keras_skeleton.viz.style import SIDES

# The palette of figures (without black, which the dark strip hides), then colors chosen one by one
# as far as possible from all before them, as people with protanopia, deuteranopia and normal vision
# see them.
CLASS_COLOURS = (
    "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#F0E442", "#6030FC",
    "#D8FCA8", "#6078FC", "#D8FCE4", "#B43030", "#C0E4FC", "#9CB460", "#B4CC9C",
)  # fmt: skip
NONE = "none"  # the class of people who do nothing in particular
MOST_HEIGHT = 720  # pixels; larger films are drawn smaller
WINDOW, LIVE_WINDOW = 60.0, 30.0  # seconds that the timeline shows at most
TOP_SHARE = 3.0  # attention at the upper end of the color scale; 1 is equal attention
VISIBLE = 0.5  # points of lower visibility are drawn thinner and paler
FINE = 2  # resolution of a person's layer, relative to the picture
LABEL_BOX = (18, 20, 24, 220)
STRIP, TRACK, QUIET, BRIGHT = (24, 26, 31), (38, 41, 48), (175, 178, 185), (245, 245, 245)

Color = tuple[int, int, int]
Box = tuple[int, int, int, int]  # left, top, right, bottom

_LIMBS = ("shoulder elbow", "elbow wrist", "hip knee", "knee ankle")
_P = {name: i for i, name in enumerate(MEDIAPIPE33.points)}
BONES = tuple(
    (_P[f"{side}_{a}"], _P[f"{side}_{b}"], side)
    for a, b in map(str.split, _LIMBS)
    for side in ("left", "right")
) + (
    (_P["left_shoulder"], _P["right_shoulder"], "trunk"),
    (_P["left_hip"], _P["right_hip"], "trunk"),
    (_P["left_shoulder"], _P["left_hip"], "trunk"),
    (_P["right_shoulder"], _P["right_hip"], "trunk"),
)
_SHOULDERS = (_P["left_shoulder"], _P["right_shoulder"])
_HIPS = (_P["left_hip"], _P["right_hip"])
_EARS, _NOSE = (_P["left_ear"], _P["right_ear"]), _P["nose"]
_BODY = sorted({point for a, b, _ in BONES for point in (a, b)})


class OverlayError(UserError, ValueError):
    """Something that cannot be drawn; the message says what does not fit."""


class Bar(Protocol):
    """An action in the timeline, such as `film.windows.Segment`."""

    @property
    def start(self) -> int:
        """First frame."""

    @property
    def end(self) -> int:
        """End (excluded)."""

    @property
    def label(self) -> str:
        """The class."""

    @property
    def unsure(self) -> bool | None:
        """Whether the label is unsure."""


@dataclass(frozen=True)
class FigureInFilm:
    """What is drawn of one person in one frame.

    Attributes:
        person: Number of the person, from 0.
        points: BlazePose's 33 points, float (33, 3): x and y in pixels of the film's frame, and
            the visibility from 0 to 1.
        label: The class; empty if it is unknown.
        probability: Its probability; None to omit it.
        unsure: Whether the label is unsure.
        joints: Attention to the network's joints relative to equal attention (1), (V,); None to
            draw no attention.
    """

    person: int
    points: np.ndarray
    label: str = ""
    probability: float | None = None
    unsure: bool | None = None
    joints: np.ndarray | None = None


class Overlay:
    """Draws on the frames of a film.

    Args:
        size: Height and width of the film's frames in pixels.
        fps: Frames per second, for the timeline.
        classes: The network's classes; the color of a class depends on its index.
        skeleton: Joint layout of the attention.
        duration: Length of the film in seconds; None for a live film, whose timeline shows the
            last 30 seconds.
        rows: Number of people in the timeline; 0 for none.
        attention: Whether the legend explains the attention.

    Attributes:
        size: Height and width of the drawn pictures, both even: those of the film, at most 720
            pixels high, and the timeline below.
        film_size: Height and width of the film in the picture.

    Raises:
        OverlayError: Sizes that are not positive.

    Example:
        >>> import numpy as np
        >>> from keras_skeleton.viz.overlay import Overlay
        >>> overlay = Overlay((480, 640), 30, ["wave", "sit"], duration=10)
        >>> picture = overlay.draw(np.zeros((480, 640, 3), np.uint8), [], time_s=0)
        >>> picture.shape[:2] == overlay.size, picture.shape[1]
        (True, 640)
    """

    def __init__(
        self,
        size: tuple[int, int],
        fps: float,
        classes: Sequence[str],
        skeleton: str | Skeleton = "kinect_v2",
        duration: float | None = None,
        rows: int = 1,
        attention: bool = True,
    ) -> None:
        if min(size) < 1 or not fps > 0 or rows < 0:
            raise OverlayError(
                f"frames of {size[0]} x {size[1]} pixels at {fps:g} frames per second, {rows} rows "
                "of people: all must be positive"
            )
        self._given = (int(size[0]), int(size[1]))
        scale = min(1.0, MOST_HEIGHT / size[0])
        self._scale = scale
        height, width = (max(1, round(n * scale)) for n in self._given)
        self.film_size = (height, width)
        self.fps, self.rows, self.duration = fps, rows, duration
        self._index = {str(name): k for k, name in enumerate(classes)}
        self._text = int(np.clip(height / 28, 11, 28))  # pixels
        self._weights = _network_joints(get_skeleton(skeleton))
        self._attention = attention
        self._sides: dict[int, int] = {}  # where the label of each person was drawn last
        self._timeline = _Timeline(self, width + width % 2, height)
        self.size = (height + self._timeline.height, width + width % 2)

    def colour(self, label: str) -> Color:
        """Color of a class; gray for the class `"none"` and for unknown ones."""
        if label == NONE or label not in self._index:
            return QUIET
        return _rgb(CLASS_COLOURS[self._index[label] % len(CLASS_COLOURS)])

    def draw(
        self,
        image: np.ndarray,
        people: Sequence[FigureInFilm],
        time_s: float,
        timeline: Mapping[int, Sequence[Bar]] | None = None,
        lines: Sequence[str] = (),
    ) -> np.ndarray:
        """Draws one frame.

        Args:
            image: The frame, uint8 (H, W, 3).
            people: The people in it.
            time_s: Its time in seconds.
            timeline: Actions of each person, by the person's number.
            lines: Remarks for the upper left corner.

        Returns:
            The picture, uint8 (*size, 3).

        Raises:
            OverlayError: The frame has another size, or points or attention another shape.
        """
        if image.shape != (*self._given, 3) or image.dtype != np.uint8:
            raise OverlayError(
                f"the frame has shape {image.shape} and type {image.dtype}; expected "
                f"({self._given[0]}, {self._given[1]}, 3) of uint8"
            )
        height, width = self.film_size
        film = Image.fromarray(image)
        if film.size != (width, height):
            film = film.resize((width, height), Image.Resampling.BILINEAR)
        figures = [_Figure(self._check(person), self._scale, height) for person in people]
        for figure in figures:
            figure.draw(film, self._weights)
        self._draw_texts(film, figures, lines)
        timeline = timeline or {}
        strip = self._timeline.draw(time_s, timeline, [person.person for person in people])
        picture = Image.new("RGB", self.size[::-1])
        picture.paste(film)
        picture.paste(strip, (0, height))
        return np.array(picture)

    def _check(self, person: FigureInFilm) -> FigureInFilm:
        if person.points.shape != (MEDIAPIPE33.size, 3):
            raise OverlayError(f"points have shape {person.points.shape}; expected (33, 3)")
        if person.joints is not None and person.joints.shape != self._weights.shape[:1]:
            raise OverlayError(
                f"attention has shape {person.joints.shape}; expected ({len(self._weights)},)"
            )
        return person

    # ---------------------------------------------------------------- texts

    def _draw_texts(
        self, film: Image.Image, figures: Sequence[_Figure], lines: Sequence[str]
    ) -> None:
        taken: list[Box] = []
        for line in lines:
            label = self._label(line, BRIGHT, None)
            place = (4, taken[-1][3] + 2 if taken else 4)
            taken.append(_inside((*place, *label.size), film.size))
            film.paste(label, taken[-1][:2], label)
        several = len(figures) > 1 or self.rows > 1
        points = np.concatenate([f.points for f in figures]) if figures else np.zeros((0, 2))
        sides = {}
        for figure in figures:
            number = figure.person.person
            text, color = self._said(figure.person, several)
            if not text:
                continue
            known = figure.person.label not in ("", NONE)
            label = self._label(text, color, self.colour(figure.person.label) if known else None)
            places = figure.places(label.size)
            boxes = [_inside((*place, *label.size), film.size) for place in places]
            moved = [math.dist(box[:2], place) for box, place in zip(boxes, places, strict=True)]
            last = self._sides.get(number)
            costs = [
                10 * any(_overlap(box, other) for other in taken)
                + min(4, _count_inside(points, box))
                + 3 * away / self._text
                + (0 if k == last else 1 + 0.1 * k)  # a label that jumps is hard to read
                for k, (box, away) in enumerate(zip(boxes, moved, strict=True))
            ]
            sides[number] = int(np.argmin(costs))
            taken.append(boxes[sides[number]])
            film.paste(label, taken[-1][:2], label)
        self._sides = sides

    def _said(self, person: FigureInFilm, several: bool) -> tuple[str, Color]:
        """The text for a person, and its color."""
        words, color = [], BRIGHT
        if several:
            words.append(f"{person.person}:")
        if person.label == NONE:
            words.append("no action")
            color = QUIET
        elif person.label:
            words.append(person.label + ("?" if person.unsure else ""))
            color = QUIET if person.unsure else BRIGHT
            if person.probability is not None:
                words.append(f"{100 * person.probability:.0f} %")
        return " ".join(words).removesuffix(":"), color

    def _label(self, text: str, color: Color, mark: Color | None) -> Image.Image:
        """A dark box with a text, no wider than the film."""
        pad = max(3, self._text // 3)
        stripe = max(3, self._text // 4) if mark else 0
        most = self.film_size[1] - 2 * pad - stripe - 2
        return _text_box(_shortened(text, self._text, most), self._text, color, mark, pad, stripe)


def _inside(box: Box, film: tuple[int, int]) -> Box:
    """A box of (left, top, width, height), moved into the film, as (left, top, right, bottom)."""
    x, y, w, h = box
    x, y = max(0, min(x, film[0] - w)), max(0, min(y, film[1] - h))
    return x, y, x + w, y + h


def _count_inside(points: np.ndarray, box: Box) -> int:
    """How many points (n, 2) a box hides."""
    low, high = np.array(box[:2]), np.array(box[2:])
    return int(((points >= low) & (points < high)).all(axis=1).sum())


def _overlap(one: Box, two: Box) -> bool:
    return one[0] < two[2] and two[0] < one[2] and one[1] < two[3] and two[1] < one[3]


class _Figure:
    """One person in the picture.

    Attributes:
        person: What is drawn.
        points: (33, 2) in pixels of the picture.
        visibility: (33,).
        head: Center of the head, (2,), and its radius.
        reach: Length of the trunk in pixels.
        width: Width of the bones in pixels.
    """

    def __init__(self, person: FigureInFilm, scale: float, height: int) -> None:
        self.person = person
        points = np.nan_to_num(np.asarray(person.points, np.float64))
        limit = 8.0 * max(height, 100) / scale  # far outside, but a drawable number
        self.points = np.clip(points[:, :2], -limit, limit) * scale
        self.visibility = points[:, 2]
        shoulders = self.points[list(_SHOULDERS)]
        hips = self.points[list(_HIPS)]
        torso = _length(shoulders.mean(axis=0) - hips.mean(axis=0))
        wide = _length(shoulders[0] - shoulders[1])
        ears = self.points[list(_EARS)]
        centre = ears.mean(axis=0)
        radius = max(
            0.62 * _length(ears[0] - ears[1]),
            0.8 * _length(self.points[_NOSE] - centre),
            0.2 * wide,
        )
        self.reach = min(max(torso, 1.2 * wide, 8.0), max(8.0, 0.6 * height))
        self.head = centre, min(radius, 0.5 * self.reach)
        self.width = float(np.clip(0.035 * self.reach, 1.5, max(2.0, height / 110)))

    def places(self, label: tuple[int, int]) -> list[tuple[int, int]]:
        """Upper left corners for a label of this width and height, the best ones first."""
        (x, y), radius = self.head
        w, h = label
        gap = self.width + 4
        above, left, right = y - radius - gap - h, x - radius - gap - w, x + radius + gap
        top, bottom = self.points[:, 1].min() - 3 * gap - h, self.points[:, 1].max() + gap
        found = [(x - w / 2, above), (right, above), (left, above), (right, y - h / 2)]
        found += [(left, y - h / 2), (x - w / 2, top), (x - w / 2, bottom)]
        return [(round(float(a)), round(float(b))) for a, b in found]

    def draw(self, film: Image.Image, weights: np.ndarray) -> None:
        dots = []  # place, radius, color, visibility
        if self.person.joints is not None:
            shares = np.nan_to_num(np.asarray(self.person.joints, np.float64))
            parts = np.clip(shares / TOP_SHARE, 0, 1)
            places = weights @ self.points
            known = np.flatnonzero(weights.any(axis=1))
            seen = [self.visibility[row != 0].min(initial=1.0) for row in weights]
            for k in sorted(known.tolist(), key=lambda k: parts[k]):  # the brightest on top
                color = _cividis(int(255 * parts[k]))
                radius = round(self.reach * (0.06 + 0.24 * parts[k]))
                self._glow(film, places[k], radius, color, 0.25 + 0.65 * parts[k])
                dots.append((places[k], self.width * (0.8 + 1.2 * parts[k]), color, seen[k]))
        else:
            for k in _BODY:
                dots.append((self.points[k], 0.9 * self.width, BRIGHT, self.visibility[k]))
        self._draw_bones(film, dots)

    def _glow(
        self, film: Image.Image, place: np.ndarray, radius: int, color: Color, strength: float
    ) -> None:
        mask = _blob(radius, round(20 * strength))
        x, y = (round(float(v)) - radius for v in place)
        if -2 * radius < x < film.width and -2 * radius < y < film.height:
            film.paste(color, (x, y, x + mask.width, y + mask.height), mask)

    def _draw_bones(
        self,
        film: Image.Image,
        dots: Iterable[tuple[np.ndarray, float, Color, float]],
    ) -> None:
        centre, radius = self.head
        dots = list(dots)
        drawn = [self.points[_BODY], centre - radius, centre + radius]
        drawn += [place for place, *_ in dots]
        corners = np.concatenate([np.atleast_2d(points) for points in drawn])
        margin = 3 * self.width + 3
        low = np.maximum(np.floor(corners.min(axis=0) - margin), 0).astype(int)
        high = np.minimum(np.ceil(corners.max(axis=0) + margin), film.size).astype(int)
        if not (high > low).all():
            return
        size = tuple(int(n) for n in (high - low) * FINE)
        layer = Image.new("RGBA", (size[0], size[1]), (255, 255, 255, 0))
        pen = ImageDraw.Draw(layer)

        def at(point: np.ndarray) -> tuple[float, float]:
            x, y = (point - low) * FINE
            return float(x), float(y)

        shoulders = self.points[list(_SHOULDERS)].mean(axis=0)
        towards = shoulders - centre
        length = _length(towards)
        neck = centre + towards * min(1.0, radius / length) if length else centre
        lines = [(shoulders, neck, "trunk", self.visibility[list(_SHOULDERS)].min())]
        for a, b, side in BONES:
            visibility = self.visibility[[a, b]].min()
            lines.append((self.points[a], self.points[b], side, visibility))
        lines.sort(key=lambda line: line[3] >= VISIBLE)  # those that are seen on top
        edge = min(1.6, max(0.8, 0.5 * self.width))  # of the white casing, which any film shows
        for casing in (True, False):
            for one, two, side, visibility in lines:
                clear = visibility >= VISIBLE
                width = self.width * (1.0 if clear else 0.5) + (edge if casing else 0)
                color = (255, 255, 255) if casing else _rgb(SIDES[side])
                alpha = (215 if casing else 255) if clear else (60 if casing else 130)
                _line(pen, at(one), at(two), width * FINE, (*color, alpha))
            width = 0.8 * self.width + (edge if casing else 0)
            color = (255, 255, 255) if casing else _rgb(SIDES["trunk"])
            x, y = at(centre)
            r = (radius + width / 2) * FINE
            pen.ellipse(
                (x - r, y - r, x + r, y + r),
                outline=(*color, 215 if casing else 255),
                width=max(1, round(width * FINE)),
            )
        for place, size_, color, visibility in dots:
            clear = visibility >= VISIBLE
            r = size_ * (1.0 if clear else 0.7) * FINE
            x, y = at(place)
            pen.ellipse(
                (x - r, y - r, x + r, y + r),
                fill=(*color, 255 if clear else 150),
                outline=(20, 20, 20, 230 if clear else 110),
                width=max(1, round(0.5 * FINE)),
            )
        layer = layer.reduce(FINE)
        film.paste(layer, (int(low[0]), int(low[1])), layer)


def _length(vector: np.ndarray) -> float:
    return float(np.linalg.norm(vector))


def _line(
    pen: ImageDraw.ImageDraw,
    one: tuple[float, float],
    two: tuple[float, float],
    width: float,
    color: tuple[int, int, int, int],
) -> None:
    """A line with round ends."""
    pen.line((*one, *two), fill=color, width=max(1, round(width)))
    r = width / 2
    for x, y in (one, two):
        pen.ellipse((x - r, y - r, x + r, y + r), fill=color)


class _Timeline:
    """The strip below the film: people in rows, seconds, a playhead and a legend."""

    def __init__(self, overlay: Overlay, width: int, above: int) -> None:
        self.overlay, self.width = overlay, width
        self.text = max(10, round(0.8 * overlay._text))
        self.row = round(1.7 * self.text)
        self.pad = max(3, self.text // 3)
        self.left = self.pad
        if overlay.rows > 1:
            self.left += math.ceil(_font(self.text).getlength("88")) + self.pad
        height = 2 * self.pad + overlay.rows * (self.row + 2) + round(1.5 * self.text)
        self.legend_top = height
        self.has_legend = width >= 22 * self.text
        height += round(1.6 * self.text) if self.has_legend else 0
        self.height = height + (above + height) % 2
        self._drawn: tuple[object, Image.Image] | None = None

    def shown(self, time_s: float) -> tuple[float, float]:
        """First and last second of the strip."""
        if self.overlay.duration is None:
            return time_s - LIVE_WINDOW, time_s
        duration = max(self.overlay.duration, 1 / self.overlay.fps)
        if duration <= WINDOW:
            return 0.0, duration
        start = min(max(time_s - WINDOW / 2, 0.0), duration - WINDOW)
        return start, start + WINDOW

    def draw(
        self, time_s: float, timeline: Mapping[int, Sequence[Bar]], seen: Sequence[int]
    ) -> Image.Image:
        start, end = self.shown(time_s)
        fps = self.overlay.fps
        bars = {
            person: tuple(
                (bar.start / fps, bar.end / fps, bar.label, bool(bar.unsure))
                for bar in timeline[person]
                if bar.end / fps > start and bar.start / fps < end
            )
            for person in timeline
        }
        people = self._people(bars, seen)
        what = (start, end, tuple((person, bars.get(person, ())) for person in people))
        if self._drawn is None or self._drawn[0] != what:
            self._drawn = what, self._strip(start, end, [(p, bars.get(p, ())) for p in people])
        strip = self._drawn[1].copy()
        x = round(self._x(time_s, start, end))
        bottom = self.pad + self.overlay.rows * (self.row + 2)
        pen = ImageDraw.Draw(strip)
        pen.rectangle((x - 1, self.pad - 2, x + 1, bottom), fill=BRIGHT, outline=STRIP)
        r = self.pad
        pen.polygon([(x - r, 0), (x + r, 0), (x, r + 1)], fill=BRIGHT)
        return strip

    def _people(self, bars: Mapping[int, Sequence[object]], seen: Sequence[int]) -> list[int]:
        """The people in the rows: those of the timeline, then others in the film.

        If there are too many, the latest of those who are in the film or in the strip.
        """
        rows = self.overlay.rows
        known, others = sorted(bars), sorted({*seen} - {*bars})
        if len(known) > rows:
            known = [person for person in known if bars[person] or person in seen]
            known = known[max(0, len(known) - rows) :]
        return sorted(known + others[: rows - len(known)])

    def _x(self, time_s: float, start: float, end: float) -> float:
        right = self.width - self.pad - 1
        return self.left + (time_s - start) / (end - start) * (right - self.left)

    def _strip(
        self,
        start: float,
        end: float,
        people: Sequence[tuple[int, Sequence[tuple[float, float, str, bool]]]],
    ) -> Image.Image:
        strip = Image.new("RGB", (self.width, self.height), STRIP)
        pen = ImageDraw.Draw(strip)
        right = self.width - self.pad - 1
        for i in range(self.overlay.rows):
            top = self.pad + i * (self.row + 2)
            pen.rectangle((self.left, top, right, top + self.row - 1), fill=TRACK)
            if i < len(people):
                if self.overlay.rows > 1:
                    self._write(strip, str(people[i][0]), self.pad, top, QUIET)
                self._bars(strip, pen, top, people[i][1], start, end)
        self._axis(strip, pen, start, end)
        if self.has_legend:
            self._legend(strip, pen)
        return strip

    def _bars(
        self,
        strip: Image.Image,
        pen: ImageDraw.ImageDraw,
        top: int,
        bars: Sequence[tuple[float, float, str, bool]],
        start: float,
        end: float,
    ) -> None:
        right = self.width - self.pad - 1
        font = _font(self.text)
        for i, (first, last, label, unsure) in enumerate(bars):
            x0 = max(self.left, round(self._x(first, start, end)))
            x1 = max(x0, min(right, round(self._x(last, start, end)) - 2))
            color = self.overlay.colour(label)
            fill = _mix(color, TRACK, 0.35) if unsure else color
            pen.rectangle((x0, top, x1, top + self.row - 1), fill=fill, outline=color)
            text = _clean(label + ("?" if unsure else ""))
            wide, room = font.getlength(text), x1 - x0 - 2 * self.pad
            follows = self._x(bars[i + 1][0], start, end) if i + 1 < len(bars) else right
            if wide <= room:
                self._write(strip, text, x0 + self.pad, top, _on(fill))
            elif wide + 2 * self.pad <= follows - x1:
                self._write(strip, text, x1 + self.pad, top, QUIET if unsure else BRIGHT)
            elif len(short := _shortened(text, self.text, room)) > 3:
                self._write(strip, short, x0 + self.pad, top, _on(fill))

    def _write(self, strip: Image.Image, text: str, x: float, top: int, color: Color) -> None:
        """Writes a text into a row, centered in its height."""
        pen = ImageDraw.Draw(strip)
        pen.text((x, top + self.row / 2), text, font=_font(self.text), fill=color, anchor="lm")

    def _axis(self, strip: Image.Image, pen: ImageDraw.ImageDraw, start: float, end: float) -> None:
        live = self.overlay.duration is None
        font = _font(self.text)
        top = self.pad + self.overlay.rows * (self.row + 2)
        room = (self.width - self.left - self.pad) / (4.5 * self.text)
        steps = (0.5, 1, 2, 5, 10, 15, 30, 60)
        step = next((s for s in steps if (end - start) / s <= room), steps[-1])
        zero = end if live else 0.0
        first, last = math.ceil((start - zero) / step), math.floor((end - zero) / step + 1e-9)
        for k in range(first, last + 1):
            x = self._x(zero + k * step, start, end)
            pen.line((x, top, x, top + self.pad // 2 + 1), fill=QUIET)
            text = "now" if live and not k else _clock(k * step)
            half = font.getlength(text) / 2
            x = min(max(x, half + 1), self.width - half - 2)
            pen.text((x, top + self.pad // 2 + 2), text, font=font, fill=QUIET, anchor="ma")

    def _legend(self, strip: Image.Image, pen: ImageDraw.ImageDraw) -> None:
        font = _font(self.text)
        y = self.legend_top + round(0.6 * self.text)
        x = float(self.left)
        for side in ("left", "right"):
            pen.line((x, y, x + self.text, y), fill=_rgb(SIDES[side]), width=max(2, self.pad))
            x += 1.4 * self.text
            pen.text((x, y), side, font=font, fill=QUIET, anchor="lm")
            x += font.getlength(side) + self.text
        if not self.overlay._attention:
            return
        ends = ("attention  low", "high")
        width = 5 * self.text
        x = self.width - self.pad - font.getlength("".join(ends)) - width - self.text
        pen.text((x, y), ends[0], font=font, fill=QUIET, anchor="lm")
        x += font.getlength(ends[0]) + self.text / 2
        for k in range(width):
            color = _cividis(255 * k // max(1, width - 1))
            pen.line((x + k, y - self.text // 3, x + k, y + self.text // 3), fill=color)
        pen.text((x + width + self.text / 2, y), ends[1], font=font, fill=QUIET, anchor="lm")


# ---------------------------------------------------------------- parts


def _network_joints(skeleton: Skeleton) -> np.ndarray:
    """Weights (V, 33) of BlazePose's points for each joint; zero for joints that it lacks."""
    weights = np.zeros((skeleton.size, MEDIAPIPE33.size))
    for row, joint in zip(weights, matched_joints(KINECT_V2, skeleton), strict=True):
        if joint >= 0:
            for point, weight in MEDIAPIPE33.table[KINECT_V2.joints[joint]][0].items():
                row[point] = weight
    return weights


def _clock(seconds: float) -> str:
    """A time on the axis: "5 s", "-5 s" or "1:05"."""
    if abs(seconds) < 60:
        return f"{seconds:g} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}:{rest:02d}"


def _rgb(color: str) -> Color:
    red, green, blue = ImageColor.getrgb(color)[:3]
    return red, green, blue


def _mix(one: Color, two: Color, part: float) -> Color:
    red, green, blue = (round(part * a + (1 - part) * b) for a, b in zip(one, two, strict=True))
    return red, green, blue


def _on(color: Color) -> Color:
    """Black or white, whichever is easier to read on a color."""
    luminance = sum(w * (c / 255) ** 2.2 for w, c in zip((0.21, 0.72, 0.07), color, strict=True))
    return (10, 10, 10) if luminance > 0.2 else BRIGHT


def _clean(text: str) -> str:
    """A text in one line that a font can take."""
    return " ".join(text.split()).encode("utf-8", "replace").decode("utf-8")


@lru_cache(maxsize=16)
def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)


@lru_cache(maxsize=512)
def _shortened(text: str, size: int, most: float) -> str:
    """A text in one line, with an ellipsis if it is wider than `most` pixels."""
    text, font = _clean(text), _font(size)
    if font.getlength(text) <= most:
        return text
    while text and font.getlength(text + "…") > most:
        text = text[:-1]
    return text.rstrip() + "…" if text else ""


@lru_cache(maxsize=512)
def _text_box(
    text: str, size: int, color: Color, mark: Color | None, pad: int, stripe: int
) -> Image.Image:
    """A text on a dark box, RGBA; a stripe at its left in the color `mark`."""
    width = math.ceil(_font(size).getlength(text)) + 2 * pad + stripe
    height = round(1.25 * size) + pad
    box = Image.new("RGBA", (width, height), LABEL_BOX)
    pen = ImageDraw.Draw(box)
    if mark:
        pen.rectangle((0, 0, stripe - 1, height), fill=(*mark, 255))
    pen.text((stripe + pad, height / 2), text, font=_font(size), fill=(*color, 255), anchor="lm")
    return box


@lru_cache(maxsize=256)
def _blob(radius: int, strength: int) -> Image.Image:
    """A round mask that fades from the center, `strength` of 20 at most."""
    line = np.arange(-radius, radius + 1) / max(radius, 1)
    fall = np.clip(1 - np.hypot(line[:, None], line[None]), 0, 1) ** 1.5
    return Image.fromarray((255 * fall * strength / 20).astype(np.uint8))


@lru_cache(maxsize=256)
def _cividis(level: int) -> Color:
    red, green, blue, _ = colormaps["cividis"](level, bytes=True)
    return int(red), int(green), int(blue)
