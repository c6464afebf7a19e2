"""Films in files: read upright and in time, written in pieces, joined with their sound."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from engines import videofile
from engines.images import ImageError
from engines.job import Picture
from engines.videofile import Frame

SIZE = (64, 48)


def ramp(number: int, size: tuple[int, int] = SIZE) -> np.ndarray:
    """Smooth, so that compression keeps it; its red says its number."""
    pixels = np.full((size[1], size[0], 3), 90, np.uint8)
    pixels[..., 0] = 10 * number + 20
    pixels[..., 1] = np.linspace(40, 200, size[0]).astype(np.uint8)
    return pixels


def write(
    path: Path, times: list[int], sound: str = "", size: tuple[int, int] = SIZE, turned: int = 0
) -> Path:
    """A film with a picture at each of these times, in 1/1000 s, and a tone."""
    with av.open(str(path), "w") as container:
        codec = "libvpx-vp9" if path.suffix == ".webm" else "libx264"
        stream: Any = container.add_stream(codec, rate=25)
        stream.width, stream.height = size
        stream.pix_fmt = "yuv420p"
        stream.codec_context.time_base = Fraction(1, 1000)
        if turned:
            stream.set_display_rotation(turned)
        tone: Any = container.add_stream(sound, rate=48000) if sound else None
        for number, time in enumerate(times):
            frame = av.VideoFrame.from_ndarray(ramp(number, size), format="rgb24")
            frame.pts, frame.time_base = time, Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
        if tone is not None:
            samples = np.sin(np.arange(48000 * times[-1] // 1000) / 20)
            layout = tone.layout.name
            planes = np.repeat(samples[None], len(tone.layout.channels), 0)
            resampler = av.AudioResampler(tone.format, layout, 48000)
            given = av.AudioFrame.from_ndarray(planes.astype(np.float32), "fltp", layout)
            given.sample_rate, given.pts, given.time_base = 48000, 0, Fraction(1, 48000)
            for ready in (*resampler.resample(given), *resampler.resample(None)):
                size_of = tone.codec_context.frame_size or ready.samples
                fifo = av.AudioFifo()
                fifo.write(ready)
                while (piece := fifo.read(size_of, partial=True)) is not None:
                    container.mux(tone.encode(piece))
            container.mux(tone.encode(None))
    return path


def packets(path: Path) -> list[bytes]:
    with av.open(str(path)) as container:
        return [bytes(p) for p in container.demux(audio=0) if p.dts is not None]


def remade(clip: videofile.Clip, folder: Path, each: int = 3) -> Path:
    """The same pictures again, in pieces."""
    found = list(videofile.frames(clip))
    pieces = []
    for begin in range(0, len(found), each):
        pieces.append(folder / f"{begin}.nut")
        videofile.write_piece(iter(found[begin : begin + each]), pieces[-1], clip)
    videofile.join(pieces, clip, folder / "made.mp4", {"comment": "a note"})
    return folder / "made.mp4"


EVEN, UNEVEN = [40 * n for n in range(8)], [0, 40, 80, 200, 240, 300, 340, 500]


@pytest.mark.parametrize("times", [EVEN, UNEVEN])
@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.mov"])
def test_pictures_times_and_rate_stay(tmp_path: Path, name: str, times: list[int]) -> None:
    clip = videofile.look(write(tmp_path / name, times))
    assert clip.first.size == SIZE and clip.frames in (8, 13, 14) and not clip.sound
    again = videofile.look(remade(clip, tmp_path))
    before, after = list(videofile.frames(clip)), list(videofile.frames(again))
    assert [float((f.time - again.start) * again.unit) for f in after] == pytest.approx(
        [t / 1000 for t in times]
    )
    assert len(before) == len(after) == 8
    if times is EVEN:
        assert float(again.rate) == float(clip.rate) == 25
    for one, other in zip(before, after, strict=True):
        apart = np.abs(one.picture.pixels.astype(int) - other.picture.pixels)
        assert apart.mean() < 2  # colours come back too


def test_colours_are_those_of_screens(tmp_path: Path) -> None:
    clip = videofile.look(remade(videofile.look(write(tmp_path / "a.mp4", EVEN)), tmp_path))
    with av.open(str(clip.path)) as container:
        context = container.streams.video[0].codec_context
        assert (context.colorspace, context.color_primaries, context.color_trc) == (1, 1, 1)
        assert container.metadata["comment"] == "a note"


@pytest.mark.parametrize(("name", "sound", "kept"), [
    ("a.mp4", "aac", True), ("a.mkv", "libmp3lame", True), ("a.webm", "libopus", True),
    ("a.mkv", "pcm_s16le", False), ("a.mkv", "mp2", False),
])  # fmt: skip
def test_sound_is_copied_where_mp4_takes_it(
    tmp_path: Path, name: str, sound: str, kept: bool
) -> None:
    given = write(tmp_path / name, EVEN, sound)
    clip = videofile.look(given)
    made = remade(clip, tmp_path)
    assert clip.sound
    assert (packets(made) == packets(given)) == kept
    with av.open(str(made)) as container:
        audio: Any = container.streams.audio[0]
        name_of = audio.codec_context.codec.canonical_name
        assert name_of in sound if kept else name_of == "aac"
        tone = np.concatenate([f.to_ndarray()[:1].ravel() for f in container.decode(audio)])
    assert len(tone) == pytest.approx(48000 * 0.28, rel=0.15)
    assert float(np.abs(tone).max()) == pytest.approx(1, abs=0.2)


def test_films_of_phones_stand_upright(tmp_path: Path) -> None:
    with av.open(str(write(tmp_path / "a.mp4", EVEN, turned=90))) as container:
        turn = next(container.decode(video=0)).rotation
    clip = videofile.look(tmp_path / "a.mp4")
    assert turn in (90, -90) and clip.first.size == (48, 64)
    column = clip.first.pixels[:, 24, 1].astype(int)  # left to right has become up or down
    assert (column[-1] - column[0]) * turn < -100 * abs(turn)
    made = videofile.look(remade(clip, tmp_path))
    assert np.abs(made.first.pixels.astype(int) - clip.first.pixels).mean() < 2


def test_odd_sides_become_even(tmp_path: Path) -> None:
    clip = videofile.look(write(tmp_path / "a.mkv", EVEN))
    odd = videofile.Clip(clip.path, Picture(clip.first.pixels[:47, :63]), clip.rate, 8, clip.unit,
                         clip.start, False, clip.shape)  # fmt: skip
    videofile.write_piece(iter([Frame(odd.first, 0)]), tmp_path / "0.nut", odd)
    videofile.join([tmp_path / "0.nut"], odd, tmp_path / "odd.mp4", {})
    assert videofile.look(tmp_path / "odd.mp4").first.size == SIZE


def test_reading_goes_on_in_the_middle(tmp_path: Path) -> None:
    clip = videofile.look(write(tmp_path / "a.mp4", UNEVEN))
    whole, rest = list(videofile.frames(clip)), list(videofile.frames(clip, 5))
    assert [f.time for f in rest] == [f.time for f in whole[5:]]
    assert [f.picture for f in rest] == [f.picture for f in whole[5:]]


def test_what_is_no_film_is_told_in_one_sentence(tmp_path: Path) -> None:
    good = write(tmp_path / "a.mp4", EVEN)
    broken = {
        "gone.mp4": None, "empty.mp4": b"", "text.mkv": b"no film " * 99,
        "cut.mp4": good.read_bytes()[:900],
    }  # fmt: skip
    for name, data in broken.items():
        if data is not None:
            (tmp_path / name).write_bytes(data)
        with pytest.raises(ImageError) as told:
            videofile.look(tmp_path / name)
        assert str(told.value).startswith(name) and str(told.value).count(".") == 2
    small = write(tmp_path / "small.mkv", EVEN, size=(8, 8))
    with pytest.raises(ImageError, match="too small"):
        videofile.look(small)
    only = tmp_path / "tone.mka"
    with av.open(str(only), "w", format="matroska") as container:
        tone: Any = container.add_stream("aac", rate=48000)
        silence = av.AudioFrame.from_ndarray(np.zeros((2, 1024), np.float32), "fltp", "stereo")
        silence.sample_rate = 48000
        container.mux(tone.encode(silence))
        container.mux(tone.encode(None))
    with pytest.raises(ImageError, match="holds no film"):
        videofile.look(only)
