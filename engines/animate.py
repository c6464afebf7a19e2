"""Values that move in time, and the pictures that come of them as a film or a strip.

A Track moves one value, or one number of a list; `timeline` gives the values of every frame.
`write` makes a GIF, an animated WebP or an MP4 from pictures as they come; an MP4 is streamed.
Imports no torch; PyAV only for MP4.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from engines.images import ImageError, flatten
from engines.job import Picture, Progress, Value

FORMATS = (".gif", ".webp", ".mp4")
EASES: Mapping[str, Callable[[float], float]] = {
    "linear": lambda t: t,
    "smooth": lambda t: (1 - math.cos(math.pi * t)) / 2,
    "in": lambda t: t * t,
    "out": lambda t: t * (2 - t),
}
MOST = 3000  # frames of one film


@dataclass(frozen=True)
class Track:
    """The value `name` goes from `start` to `end`; `index` picks one number of a list."""

    name: str
    start: float
    end: float
    index: int | None = None


def timeline(
    values: Mapping[str, Value],
    tracks: Sequence[Track],
    frames: int,
    ease: str = "smooth",
    pingpong: bool = False,
) -> list[dict[str, Value]]:
    """The values of every frame, from the tracks' starts to their ends; with `pingpong` back
    again, ends not doubled, so that the film repeats without a jolt.

    Raises ValueError with one sentence.
    """
    if not 2 <= frames <= MOST:
        raise ValueError(f"A film has 2 to {MOST} pictures.")
    if ease not in EASES:
        raise ValueError(f"Easing is one of {', '.join(EASES)}, not “{ease}”.")
    for track in tracks:
        _check(track, values)
    ways = [EASES[ease](n / (frames - 1)) for n in range(frames)]
    if pingpong:
        ways += ways[-2:0:-1]
    return [_at(values, tracks, way) for way in ways]


def _check(track: Track, values: Mapping[str, Value]) -> None:
    value = values.get(track.name)
    if track.index is None:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise ValueError(f"“{track.name}” is no number that could move.")
    elif not isinstance(value, list | tuple) or not 0 <= track.index < len(value):
        raise ValueError(f"“{track.name}” has no number {track.index + 1} that could move.")


def _at(values: Mapping[str, Value], tracks: Sequence[Track], way: float) -> dict[str, Value]:
    now = dict(values)
    for track in tracks:
        number = round(track.start + (track.end - track.start) * way, 6)
        if track.index is None:
            now[track.name] = number
        else:
            numbers: list[Any] = list(now[track.name])  # pyright: ignore[reportArgumentType]
            numbers[track.index] = number
            now[track.name] = numbers
    return now


def strip(pictures: Sequence[Picture], gap: int = 0) -> Picture:
    """All pictures (of one size) side by side, `gap` white pixels between them."""
    if not pictures:
        raise ValueError("There is no picture for a strip.")
    rows = [_rgb(picture) for picture in pictures]
    height = max(row.shape[0] for row in rows)
    white = np.full((height, gap, 3), 255, np.uint8)
    parts: list[np.ndarray] = []
    for row in rows:
        below = height - row.shape[0]
        parts += [np.pad(row, ((0, below), (0, 0), (0, 0)), constant_values=255), white]
    return Picture(np.concatenate(parts[:-1], axis=1))


def write(
    pictures: Iterable[Picture], path: Path, total: int, rate: float = 25.0, quality: int = 85
) -> Iterator[Progress]:
    """Write a film of `rate` pictures a second; yields Progress after each picture.

    All pictures have the size of the first. A film that is not finished (the generator was closed,
    or a picture failed) leaves no file. Raises ImageError with one sentence.
    """
    suffix = path.suffix.lower()
    if suffix not in FORMATS:
        raise ImageError(f"A film is saved as {', '.join(FORMATS)}, not as “{suffix}”.")
    if not 0.1 <= rate <= 120:
        raise ImageError("A film shows 0.1 to 120 pictures a second.")
    part = path.with_name(f".{path.stem}.part{suffix}")
    writer = _Film(part, rate, quality) if suffix == ".mp4" else _Frames(part, rate, quality)
    size, count, done = (0, 0), 0, False
    try:
        for picture in pictures:
            size = size if count else picture.size
            if picture.size != size:
                raise ImageError("The pictures of a film must all have one size.")
            writer.add(_rgb(picture))
            count += 1
            yield Progress(count, total)
        if not count:
            raise ImageError("There is no picture for a film.")
        writer.close()
        done = True
        part.replace(path)
    finally:
        if not done:
            writer.abandon()
            part.unlink(missing_ok=True)


class _Frames:
    """GIF and WebP; their writer wants all pictures at the end. Those of a GIF wait as 256 colours
    each."""

    def __init__(self, path: Path, rate: float, quality: int) -> None:
        self.path, self.quality = path, quality
        self.pause = max(round(1000 / rate), 20)
        self.kept: list[Image.Image] = []

    def add(self, pixels: np.ndarray) -> None:
        image = Image.fromarray(pixels)
        if self.path.suffix == ".gif":
            image = image.quantize(256, Image.Quantize.MEDIANCUT)
        self.kept.append(image)

    def close(self) -> None:
        first, *rest = self.kept
        options: dict[str, Any] = {"duration": self.pause, "loop": 0, "save_all": True}
        if self.path.suffix == ".webp":
            options |= {"quality": self.quality, "method": 4}
        first.save(self.path, append_images=rest, **options)
        self.kept = []

    def abandon(self) -> None:
        self.kept = []


class _Film:
    """H.264 in MP4, streamed; sides are even, as its colour format wants them."""

    def __init__(self, path: Path, rate: float, quality: int) -> None:
        import av

        self.av = av
        self.container = av.open(str(path), "w", options={"movflags": "+faststart"})
        codec = "libx264" if "libx264" in av.codecs_available else "mpeg4"
        self.stream: Any = self.container.add_stream(
            codec, rate=Fraction(rate).limit_denominator(1000)
        )
        self.stream.pix_fmt = "yuv420p"
        if codec == "libx264":
            self.stream.options = {"crf": str(round(40 - 0.26 * quality)), "preset": "medium"}
        self.begun = False

    def add(self, pixels: np.ndarray) -> None:
        height, width = pixels.shape[:2]
        if height % 2 or width % 2:
            pixels = np.pad(pixels, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
        if not self.begun:
            self.stream.height, self.stream.width = pixels.shape[:2]
            self.begun = True
        frame = self.av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="rgb24")
        self.container.mux(self.stream.encode(frame))

    def close(self) -> None:
        self.container.mux(self.stream.encode(None))
        self.container.close()

    def abandon(self) -> None:
        if self.begun:
            self.container.close()


def _rgb(picture: Picture) -> np.ndarray:
    pixels = flatten(picture).pixels if picture.channels == 4 else picture.pixels
    return np.repeat(pixels[..., None], 3, 2) if pixels.ndim == 2 else pixels


def there_and_back(pictures: Sequence[Picture]) -> Iterator[Picture]:
    """The pictures, then backwards without the two ends."""
    return chain(pictures, reversed(pictures[1:-1]))
