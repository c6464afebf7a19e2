"""Values that move in time, and the pictures that come of them as a film or a strip.

A Track moves one value, or one number of a list; `timeline` gives the values of every frame.
`write` makes a GIF, an animated WebP or an MP4 from pictures as they come and holds no more than
two of them, however long the film. Imports no torch; PyAV only for MP4.
"""

from __future__ import annotations

import io
import math
import struct
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from engines.controls import ModelCard, numbers
from engines.images import ImageError, flatten, resize
from engines.job import Picture, Progress, Value

FORMATS = (".gif", ".webp", ".mp4")
EASES: Mapping[str, Callable[[float], float]] = {
    "linear": lambda t: t,
    "smooth": lambda t: (1 - math.cos(math.pi * t)) / 2,
    "in": lambda t: t * t,
    "out": lambda t: t * (2 - t),
}
STRIP = 12_000  # pixels that a strip is long at most
MOST = 3000  # frames of one film
LONGEST = {".gif": 65_535, ".webp": 16_383, ".mp4": 16_384}  # pixels on a side


@dataclass(frozen=True)
class Track:
    """The value `name` goes from `start` to `end`; `index` picks one number of a list."""

    name: str
    start: float
    end: float
    index: int | None = None


def tracks(card: ModelCard, moves: Sequence[str]) -> list[Track]:
    """What "NAME=FROM:TO" says; a name is that of a control, or a label of one with several
    numbers. Raises ValueError with one sentence."""
    known = numbers(card)
    found: list[Track] = []
    for move in moves:
        name, _, ends = move.partition("=")
        start, _, end = ends.partition(":")
        word = name.strip().casefold()
        chosen = [n for n in known if n.index is not None and n.label.casefold() == word]
        chosen = chosen or [n for n in known if n.index is None and n.name.casefold() == word]
        if not chosen:
            names = ", ".join(n.label if n.index is not None else n.name for n in known)
            raise ImageError(f"{card.title} has no “{name}” that could move; it has {names}.")
        try:
            found.append(Track(chosen[0].name, float(start), float(end), chosen[0].index))
        except ValueError:
            raise ImageError(f"“{move}” should read NAME=FROM:TO.") from None
    if not found:
        raise ImageError("Say what moves: NAME=FROM:TO.")
    return found


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
        raise ImageError(f"A film has 2 to {MOST} pictures.")
    if ease not in EASES:
        raise ImageError(f"Easing is one of {', '.join(EASES)}, not “{ease}”.")
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
            raise ImageError(f"“{track.name}” is no number that could move.")
    elif not isinstance(value, list | tuple) or not 0 <= track.index < len(value):
        raise ImageError(f"“{track.name}” has no number {track.index + 1} that could move.")


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


def for_strip(picture: Picture, count: int) -> Picture:
    """A picture of a strip of `count`, made smaller if that would be too long."""
    share = STRIP / (count * picture.width)
    if share >= 1:
        return picture
    size = max(1, int(picture.width * share)), max(1, int(picture.height * share))
    return Picture(resize(picture.pixels, size))


def strip(pictures: Sequence[Picture], gap: int = 0) -> Picture:
    """All pictures (of one size) side by side, `gap` white pixels between them."""
    if not pictures:
        raise ImageError("There is no picture for a strip.")
    rows = [_rgb(picture) for picture in pictures]
    height = max(row.shape[0] for row in rows)
    white = np.full((height, gap, 3), 255, np.uint8)
    parts: list[np.ndarray] = []
    for row in rows:
        below = height - row.shape[0]
        parts += [np.pad(row, ((0, below), (0, 0), (0, 0)), constant_values=255), white]
    return Picture(np.concatenate(parts[:-1], axis=1))


def write(
    pictures: Iterable[Picture],
    path: Path,
    total: int,
    rate: float = 25.0,
    quality: int = 85,
    loop: bool = True,
) -> Generator[Progress, None, None]:
    """Write a film of `rate` pictures a second; yields Progress after each picture. GIF and WebP
    repeat for ever with `loop`, else play once; whether an MP4 does is up to its player.

    All pictures have the size of the first. A film that is not finished (the generator was closed,
    or a picture failed) leaves no file. Raises ImageError with one sentence.
    """
    suffix = path.suffix.lower()
    if suffix not in FORMATS:
        raise ImageError(f"A film is saved as {', '.join(FORMATS)}, not as “{suffix}”.")
    if not 0.1 <= rate <= 120:
        raise ImageError("A film shows 0.1 to 120 pictures a second.")
    part = path.with_name(f".{path.stem}.part{suffix}")
    writer: _Gif | _WebP | _Film | None = None
    size, count, done = (0, 0), 0, False
    try:
        for picture in pictures:
            if writer is None:
                size = picture.size
                if max(size) > LONGEST[suffix]:
                    raise ImageError(f"{suffix} holds at most {LONGEST[suffix]} pixels a side.")
                with _saying(path):
                    writer = _writer(part, size, rate, quality, loop)
            if picture.size != size:
                raise ImageError("The pictures of a film must all have one size.")
            with _saying(path):
                writer.add(_rgb(picture))
            count += 1
            yield Progress(count, total)
        if writer is None:
            raise ImageError("There is no picture for a film.")
        with _saying(path):
            writer.close()
            part.replace(path)
        done = True
    finally:
        if not done:
            if writer is not None:
                writer.abandon()
            part.unlink(missing_ok=True)


@contextmanager
def _saying(path: Path) -> Iterator[None]:
    """What the disk refuses, as one sentence."""
    try:
        yield
    except FileNotFoundError as error:
        raise ImageError(f"There is no folder {path.parent}.") from error
    except OSError as error:
        raise ImageError(f"{path.name} cannot be written: {error.strerror or error}.") from error


def _writer(
    part: Path, size: tuple[int, int], rate: float, quality: int, loop: bool
) -> _Gif | _WebP | _Film:
    if part.suffix == ".mp4":
        return _Film(part, size, rate, quality)
    if part.suffix == ".gif":
        return _Gif(part, size, rate, loop)
    return _WebP(part, size, rate, quality, loop)


class _Clock:
    """How long each picture stays, in whole steps of `unit` seconds, without drifting."""

    def __init__(self, rate: float, unit: float, least: int) -> None:
        self.steps, self.least = 1 / (rate * unit), least
        self.shown = self.told = 0

    def next(self) -> int:
        self.shown += 1
        stays = max(round(self.shown * self.steps) - self.told, self.least)
        self.told += stays
        return stays


def _changed(pixels: np.ndarray, before: np.ndarray | None) -> tuple[int, int, int, int]:
    """left, top, right, bottom of what differs from the picture before; left and top are even (a
    WebP asks for that), and of equal pictures one corner is taken."""
    height, width = pixels.shape[:2]
    if before is None:
        return 0, 0, width, height
    differs = (pixels != before).any(2)
    rows, columns = (np.flatnonzero(differs.any(axis)) for axis in (1, 0))
    if not rows.size:
        return 0, 0, 1, 1
    left, top = int(columns[0]) // 2 * 2, int(rows[0]) // 2 * 2
    return left, top, int(columns[-1]) + 1, int(rows[-1]) + 1


class _Gif:
    """GIF89a, picture by picture: of each only what changed, with 256 colours of its own."""

    def __init__(self, path: Path, size: tuple[int, int], rate: float, loop: bool) -> None:
        self.file = path.open("wb")
        self.clock = _Clock(rate, 0.01, least=2)  # viewers slow down what is shorter
        self.before: np.ndarray | None = None
        self.file.write(b"GIF89a" + struct.pack("<HHBBB", *size, 0x70, 0, 0))
        if loop:
            self.file.write(b"\x21\xff\x0bNETSCAPE2.0\x03\x01\0\0\0")

    def add(self, pixels: np.ndarray) -> None:
        left, top, right, bottom = _changed(pixels, self.before)
        self.before = pixels
        image = Image.fromarray(np.ascontiguousarray(pixels[top:bottom, left:right]))
        buffer = io.BytesIO()
        image.quantize(256, Image.Quantize.MEDIANCUT).save(buffer, "GIF", optimize=False)
        palette, flags, data = _still(buffer.getvalue())
        stays = struct.pack("<BBBBHBB", 0x21, 0xF9, 4, 1 << 2, self.clock.next(), 0, 0)
        place = struct.pack("<BHHHHB", 0x2C, left, top, right - left, bottom - top, flags)
        self.file.write(stays + place + palette + data)

    def close(self) -> None:
        self.file.write(b"\x3b")
        self.file.close()

    def abandon(self) -> None:
        self.file.close()


def _still(gif: bytes) -> tuple[bytes, int, bytes]:
    """Of a GIF with one picture: its colours, the flags of its descriptor with those colours as
    local ones, its data."""
    flags = gif[10]
    at = 13 + 3 * (2 << (flags & 7)) if flags & 0x80 else 13
    colours, bits = gif[13:at], flags & 7
    while gif[at] == 0x21:  # extensions: blocks, each behind its length
        at += 2
        while gif[at]:
            at += gif[at] + 1
        at += 1
    flags = gif[at + 9]
    if flags & 0x80:
        bits, end = flags & 7, at + 10 + 3 * (2 << (flags & 7))
        return gif[at + 10 : end], flags, gif[end:-1]
    return colours, flags | 0x80 | bits, gif[at + 10 : -1]


class _WebP:
    """An animated WebP, written picture by picture: of each only what changed. Its length is
    entered at the end."""

    def __init__(
        self, path: Path, size: tuple[int, int], rate: float, quality: int, loop: bool
    ) -> None:
        self.file = path.open("wb")
        self.clock, self.quality = _Clock(rate, 0.001, least=8), quality
        self.before: np.ndarray | None = None
        self.file.write(b"RIFF\0\0\0\0WEBP")
        self._chunk(b"VP8X", b"\x02\0\0\0" + _three(size[0] - 1) + _three(size[1] - 1))
        self._chunk(b"ANIM", b"\xff\xff\xff\xff" + struct.pack("<H", 0 if loop else 1))

    def add(self, pixels: np.ndarray) -> None:
        left, top, right, bottom = _changed(pixels, self.before)
        self.before = pixels
        image = Image.fromarray(np.ascontiguousarray(pixels[top:bottom, left:right]))
        buffer = io.BytesIO()
        image.save(buffer, "WEBP", quality=self.quality, method=4)
        place = (left // 2, top // 2, right - left - 1, bottom - top - 1, self.clock.next())
        unblended = b"\x02"
        self._chunk(b"ANMF", b"".join(map(_three, place)) + unblended + buffer.getvalue()[12:])

    def _chunk(self, name: bytes, body: bytes) -> None:
        self.file.write(name + struct.pack("<I", len(body)) + body + b"\0" * (len(body) % 2))

    def close(self) -> None:
        length = self.file.tell() - 8
        self.file.seek(4)
        self.file.write(struct.pack("<I", length))
        self.file.close()

    def abandon(self) -> None:
        self.file.close()


def _three(number: int) -> bytes:
    return number.to_bytes(3, "little")


class _Film:
    """H.264 in MP4, streamed; sides are even, as its colour format wants them."""

    def __init__(self, path: Path, size: tuple[int, int], rate: float, quality: int) -> None:
        import av

        from engines import videofile

        self.frame = videofile.to_frame
        self.container = av.open(str(path), "w", options={"movflags": "+faststart"})
        pictures = Fraction(rate).limit_denominator(1000)
        self.stream = videofile.add_stream(self.container, size, pictures, quality)

    def add(self, pixels: np.ndarray) -> None:
        self.container.mux(self.stream.encode(self.frame(pixels)))

    def close(self) -> None:
        self.container.mux(self.stream.encode(None))
        self.container.close()

    def abandon(self) -> None:
        self.container.close()


def _rgb(picture: Picture) -> np.ndarray:
    pixels = flatten(picture).pixels if picture.channels == 4 else picture.pixels
    return np.repeat(pixels[..., None], 3, 2) if pixels.ndim == 2 else pixels
