"""Films in files: read picture by picture, written in pieces, and joined to an MP4 that keeps the
sound. Holds one picture at a time. Imports no torch.

Times are whole numbers of a clip's `unit`, so that a film of uneven rate keeps its rhythm and its
sound stays in step.
"""

from __future__ import annotations

import heapq
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from engines.flow import LEAST
from engines.images import ImageError, flatten, resize
from engines.job import Picture

COPIED = ("aac", "mp3", "ac3", "eac3", "alac", "opus", "flac")  # sound that an MP4 takes as it is
RATES = (8000, 16000, 22050, 24000, 32000, 44100, 48000)  # of AAC, in Hz
LAYOUTS = {1: "mono", 6: "5.1"}  # channels -> what they become; all others stereo
QUALITY = 85  # as of JPEG
PIECES = "nut"  # keeps times to the tick, and needs no end to be read


@dataclass(frozen=True)
class Clip:
    """What a film is. first: its first picture; rate: pictures a second; frames: how many there
    are, as far as the file says; unit: seconds of a tick; start: ticks of the first picture; shape:
    width of a pixel against its height."""

    path: Path
    first: Picture
    rate: Fraction
    frames: int
    unit: Fraction
    start: int
    sound: bool
    shape: Fraction

    @property
    def seconds(self) -> float:
        return float(self.frames / self.rate)


@dataclass(frozen=True)
class Frame:
    """RGB, upright; `time` in ticks of its clip, growing from frame to frame."""

    picture: Picture
    time: int


# ---- reading -------------------------------------------------------------------------------------


def look(path: Path) -> Clip:
    """What is in a file. Raises ImageError with one sentence."""
    with _opened(path) as (container, stream):
        first = next(_upright(container, stream), None)
        if first is None:
            raise ImageError(f"{path.name} holds no picture that can be read.")
        picture, pts, turned = first
        if min(picture.size) < LEAST:
            raise ImageError(f"{path.name} is too small: a film needs {LEAST} pixels a side.")
        rate = stream.average_rate or stream.guessed_rate or Fraction(25)
        shape = stream.sample_aspect_ratio or Fraction(1)
        return Clip(
            path,
            picture,
            Fraction(rate),
            stream.frames or max(1, round(_seconds(container, stream) * rate)),
            Fraction(stream.time_base),
            0 if pts is None else pts,
            bool(container.streams.audio),
            1 / Fraction(shape) if turned else Fraction(shape),
        )


def frames(clip: Clip, skip: int = 0) -> Generator[Frame]:
    """From picture number `skip` on. Raises ImageError with one sentence."""
    last: int | None = None
    with _opened(clip.path) as (container, stream):
        for number, (picture, pts, _) in enumerate(_upright(container, stream, skip)):
            time = clip.start + round(number / clip.rate / clip.unit) if pts is None else pts
            last = time if last is None else max(time, last + 1)
            if picture is not None:
                yield Frame(picture, last)


@contextmanager
def _opened(path: Path) -> Iterator[tuple[Any, Any]]:
    """(container, its film), or what is wrong with it as one sentence."""
    import av
    from av.error import FFmpegError

    if not path.is_file():
        raise ImageError(f"{path.name} is not there any more.")
    try:
        with av.open(str(path)) as container:
            if not container.streams.video:
                raise ImageError(f"{path.name} holds no film.")
            stream = container.streams.video[0]
            stream.thread_type = "AUTO"
            yield container, stream
    except (FFmpegError, UnicodeError) as error:
        raise ImageError(f"{path.name} is damaged, or no film that Ganvas can read.") from error


def _upright(container: Any, stream: Any, skip: int = 0) -> Iterator[tuple[Any, int | None, bool]]:
    """(picture, time, whether it lay on its side); None for the first `skip` pictures."""
    for number, frame in enumerate(container.decode(stream)):
        if number < skip:
            yield None, frame.pts, False
            continue
        quarters = round(frame.rotation / 90) % 4
        pixels = np.rot90(frame.to_ndarray(format="rgb24"), quarters)
        yield Picture(np.ascontiguousarray(pixels)), frame.pts, quarters % 2 == 1


def _seconds(container: Any, stream: Any) -> float:
    if stream.duration:
        return float(stream.duration * stream.time_base)
    return (container.duration or 0) / 1e6


# ---- writing -------------------------------------------------------------------------------------


def add_stream(container: Any, size: tuple[int, int], rate: Fraction, quality: int) -> Any:
    """An H.264 stream for pictures of `size` (width, height), its sides made even as its colours
    want it; `quality` as of JPEG."""
    import av

    codec = "libx264" if "libx264" in av.codecs_available else "mpeg4"
    stream = container.add_stream(codec, rate=rate)
    stream.width, stream.height = (side + side % 2 for side in size)
    stream.pix_fmt = "yuv420p"
    context = stream.codec_context
    context.colorspace = context.color_primaries = context.color_trc = 1  # BT.709, as of screens
    context.color_range = 1
    if codec == "libx264":
        stream.options = {"crf": str(round(40 - 0.26 * quality)), "preset": "medium"}
    return stream


def to_frame(pixels: np.ndarray) -> Any:
    """RGB (H, W, 3) for a stream of add_stream."""
    import av
    from av.video.reformatter import ColorRange, Colorspace

    height, width = pixels.shape[:2]
    if height % 2 or width % 2:
        pixels = np.pad(pixels, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
    frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="rgb24")
    return frame.reformat(
        format="yuv420p", dst_colorspace=Colorspace.ITU709, dst_color_range=ColorRange.MPEG
    )


def write_piece(pictures: Iterable[Frame], path: Path, clip: Clip) -> None:
    """Some pictures of a film, brought to its size, as a file that `join` takes. Pictures refer to
    none after them, so that pieces follow on each other without a gap."""
    import av

    with av.open(str(path), "w", format=PIECES) as container:
        stream = add_stream(container, clip.first.size, clip.rate, QUALITY)
        stream.codec_context.max_b_frames = 0
        stream.codec_context.time_base = clip.unit
        stream.codec_context.sample_aspect_ratio = clip.shape
        for one in pictures:
            frame = to_frame(resize(flatten(one.picture).pixels, clip.first.size))
            frame.pts, frame.time_base = one.time, clip.unit
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def join(pieces: Sequence[Path], clip: Clip, path: Path, notes: Mapping[str, str]) -> None:
    """The pieces one after the other, with the sound of the clip: as it is where an MP4 can hold
    it, else as AAC. Nothing is left of a film that cannot be written. `notes`: metadata."""
    import av

    part = path.with_name(f".{path.stem}.part{path.suffix}")
    try:
        with (
            av.open(str(clip.path)) as source,
            av.open(str(part), "w", format="mp4", options={"movflags": "+faststart"}) as target,
            av.open(str(pieces[0])) as first,
        ):
            target.metadata.update(notes)
            film = target.add_stream_from_template(first.streams.video[0])
            begin = _begin(source, clip)
            streams = [_film(pieces, clip, film, begin)]
            if clip.sound:
                streams.append(_sound(source, target, begin))
            for _, packet in heapq.merge(*streams, key=lambda pair: pair[0]):
                target.mux(packet)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def _begin(source: Any, clip: Clip) -> Fraction:
    """Seconds of the source that become the beginning: of its picture or of its sound; sound before
    zero is none that is heard."""
    begin = clip.start * clip.unit
    if clip.sound:
        sound = source.streams.audio[0]
        early = (sound.start_time or 0) * sound.time_base
        begin = min(begin, early) if early >= 0 else begin
    return Fraction(begin)


def _film(
    pieces: Sequence[Path], clip: Clip, stream: Any, begin: Fraction
) -> Iterator[tuple[Fraction, Any]]:
    """(seconds, packet) of all pieces."""
    import av

    shift = round(begin / clip.unit)
    for piece in pieces:
        with av.open(str(piece)) as container:
            for packet in container.demux(video=0):
                if packet.pts is None:  # the end
                    continue
                ticks = Fraction(packet.time_base) / clip.unit
                packet.pts = packet.dts = round(packet.pts * ticks) - shift
                packet.duration = round(1 / clip.rate / clip.unit)
                packet.time_base, packet.stream = clip.unit, stream
                yield packet.pts * clip.unit, packet


def _sound(source: Any, target: Any, begin: Fraction) -> Iterator[tuple[Fraction, Any]]:
    """(seconds, packet) of the first sound of the source, in a stream of the target."""
    given = source.streams.audio[0]
    if given.codec_context.codec.canonical_name in COPIED:
        return _copied(source, given, target.add_stream_from_template(given), begin)
    rate = given.codec_context.sample_rate
    made = target.add_stream("aac", rate=rate if rate in RATES else RATES[-1])
    made.layout = LAYOUTS.get(given.codec_context.layout.nb_channels, "stereo")
    return _encoded(source, given, made, begin)


def _copied(source: Any, given: Any, made: Any, begin: Fraction) -> Iterator[tuple[Fraction, Any]]:
    unit = Fraction(given.time_base)
    shift = round(begin / unit)
    for packet in source.demux(given):
        if packet.dts is None:  # the end
            continue
        packet.pts, packet.dts = (packet.pts or packet.dts) - shift, packet.dts - shift
        packet.stream = made
        yield packet.dts * unit, packet


def _encoded(source: Any, given: Any, made: Any, begin: Fraction) -> Iterator[tuple[Fraction, Any]]:
    from itertools import chain

    import av

    plain = av.AudioResampler(format="fltp", layout=made.layout, rate=made.rate)
    for frame in chain(source.decode(given), (None,)):
        if frame is not None and frame.pts is not None:
            frame.pts -= round(begin / Fraction(frame.time_base))
        for ready in plain.resample(frame):
            for packet in made.encode(ready):
                yield packet.pts * Fraction(packet.time_base), packet
    for packet in made.encode(None):
        yield packet.pts * Fraction(packet.time_base), packet
