"""Moving values, and the films and strips that come of them, read back."""

import io
import weakref
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageSequence

from engines import animate
from engines.animate import Track
from engines.images import ImageError
from engines.job import Picture, Progress


def frame(level: int, size: tuple[int, int] = (48, 32)) -> Picture:
    pixels = np.zeros((size[1], size[0], 3), np.uint8)
    pixels[..., 0], pixels[..., 1] = level, 255 - level
    return Picture(pixels)


def shown(path: Path) -> list[tuple[np.ndarray, int]]:
    """The pictures of a GIF or WebP as (H, W, 3) int, and how many milliseconds each stays."""
    with Image.open(path) as film:
        return [
            (np.array(f.convert("RGB")).astype(int), int(f.info["duration"]))
            for f in ImageSequence.Iterator(film)
        ]


def loops(path: Path) -> int:
    """How often a film plays; 0 is for ever."""
    with Image.open(path) as film:
        return film.info.get("loop", 1)


def test_values_move_from_start_to_end_and_back() -> None:
    values = {"strength": 0.5, "attributes": [0.0, 0.3], "output": "crop"}
    tracks = (Track("strength", 0, 2), Track("attributes", -1, 1, index=1))
    there = animate.timeline(values, tracks, 5, "linear")
    assert [v["strength"] for v in there] == [0, 0.5, 1, 1.5, 2]
    assert [v["attributes"] for v in there] == [[0.0, n] for n in (-1, -0.5, 0, 0.5, 1)]
    assert all(v["output"] == "crop" for v in there)
    assert values["attributes"] == [0.0, 0.3]
    back = animate.timeline(values, tracks, 5, "linear", pingpong=True)
    assert [v["strength"] for v in back] == [0, 0.5, 1, 1.5, 2, 1.5, 1, 0.5]


@pytest.mark.parametrize("ease", animate.EASES)
def test_every_easing_begins_ends_and_never_turns(ease: str) -> None:
    made = animate.timeline({"a": 0.0}, (Track("a", 10, 20),), 11, ease)
    numbers = [float(str(v["a"])) for v in made]
    assert numbers[0] == 10 and numbers[-1] == 20 and numbers == sorted(numbers)


@pytest.mark.parametrize(
    ("track", "frames", "ease", "sentence"),
    [
        (Track("b", 0, 1), 5, "linear", "no number that could move"),
        (Track("word", 0, 1), 5, "linear", "no number that could move"),
        (Track("many", 0, 1, 3), 5, "linear", "no number 4"),
        (Track("a", 0, 1), 1, "linear", "2 to 3000"),
        (Track("a", 0, 1), 5, "bouncy", "not “bouncy”"),
    ],
)
def test_what_cannot_move_is_said(track: Track, frames: int, ease: str, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        animate.timeline({"a": 0.0, "word": "x", "many": [1.0]}, (track,), frames, ease)


def test_a_strip_holds_all_pictures_side_by_side() -> None:
    made = animate.strip([frame(0), frame(100), frame(200)], gap=2)
    assert made.size == (3 * 48 + 4, 32)
    assert made.pixels[0, 0, 0] == 0 and made.pixels[0, 50, 0] == 100
    assert (made.pixels[:, 48:50] == 255).all()


@pytest.mark.parametrize("suffix", [".gif", ".webp"])
def test_pictures_become_a_moving_picture(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"a{suffix}"
    told = list(animate.write(map(frame, (10, 120, 240)), path, 3, rate=20))
    assert told == [Progress(1, 3), Progress(2, 3), Progress(3, 3)]
    film = shown(path)
    assert [stays for _, stays in film] == [50, 50, 50] and loops(path) == 0
    seen = [int(pixels[16, 24, 0]) for pixels, _ in film]
    assert np.abs(np.subtract(seen, (10, 120, 240))).max() < 8
    assert seen == sorted(seen)


def test_a_film_plays_at_its_rate_with_its_pictures(tmp_path: Path) -> None:
    import av

    path = tmp_path / "a.mp4"
    pictures = (frame(20 * n, (47, 33)) for n in range(12))
    assert len(list(animate.write(pictures, path, 12, rate=12))) == 12
    with av.open(str(path)) as film:
        stream = film.streams.video[0]
        assert stream.average_rate == 12
        seen = [f.to_ndarray(format="rgb24") for f in film.decode(stream)]
    assert len(seen) == 12 and seen[0].shape == (34, 48, 3)
    levels = [int(s[16, 24, 0]) for s in seen]
    assert np.abs(np.subtract(levels, [20 * n for n in range(12)])).max() < 16


@pytest.mark.parametrize("suffix", animate.FORMATS)
def test_a_film_that_is_given_up_leaves_nothing(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"a{suffix}"
    path.write_bytes(b"the film before")
    running = animate.write((frame(n) for n in range(100)), path, 100)
    next(running)
    next(running)
    running.close()
    assert [p.name for p in tmp_path.iterdir()] == [path.name]
    assert path.read_bytes() == b"the film before"


def moving(count: int, size: tuple[int, int] = (61, 43)) -> list[Picture]:
    """A bright square that wanders over a smooth ground; the second picture is the first again."""
    y, x = np.mgrid[0 : size[1], 0 : size[0]]
    ground = np.stack([40 + x, 60 + y, 90 + 0 * x], 2).astype(np.uint8)
    made = []
    for n in range(count):
        pixels, at = ground.copy(), max(n - 1, 0) * 5 + 3
        pixels[at % 30 : at % 30 + 9, at : at + 9] = (250, 220, 200)
        made.append(Picture(pixels))
    return made


@pytest.mark.parametrize(("suffix", "most"), [(".gif", 3), (".webp", 6)])
def test_what_did_not_change_stays_and_what_did_is_seen(
    suffix: str, most: float, tmp_path: Path
) -> None:
    path = tmp_path / f"a{suffix}"
    pictures = moving(9)
    list(animate.write(pictures, path, 9, rate=10, quality=95))
    film = shown(path)
    assert len(film) == 9 and all(stays == 100 for _, stays in film)
    for (seen, _), picture in zip(film, pictures, strict=True):
        assert seen.shape == (43, 61, 3)
        assert np.abs(seen - picture.pixels).mean() < most
    whole = sum(len(_alone(picture, suffix)) for picture in pictures)
    assert path.stat().st_size < 0.6 * whole


def _alone(picture: Picture, suffix: str) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(picture.pixels).save(buffer, suffix[1:].upper(), quality=95)
    return buffer.getvalue()


@pytest.mark.parametrize(("suffix", "exact"), [(".gif", 20), (".webp", 1)])
def test_a_film_keeps_its_length_at_any_rate(suffix: str, exact: int, tmp_path: Path) -> None:
    path = tmp_path / f"a{suffix}"
    list(animate.write(moving(30), path, 30, rate=30))
    assert abs(sum(stays for _, stays in shown(path)) - 1000) <= exact


@pytest.mark.parametrize("suffix", [".gif", ".webp"])
def test_a_film_may_play_once(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"a{suffix}"
    list(animate.write(moving(3), path, 3, loop=False))
    assert len(shown(path)) == 3 and loops(path) == 1


@pytest.mark.parametrize("suffix", animate.FORMATS)
def test_a_long_film_holds_two_pictures_at_most(suffix: str, tmp_path: Path) -> None:
    made: list[weakref.ref[np.ndarray]] = []

    def pictures() -> Iterator[Picture]:
        for n in range(20):
            picture = frame(12 * n)
            made.append(weakref.ref(picture.pixels))
            yield picture

    for _ in animate.write(pictures(), tmp_path / f"a{suffix}", 20):
        assert sum(ref() is not None for ref in made) <= 3  # one is in the maker's own hands


def test_a_film_is_on_disk_while_it_grows(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for suffix in (".gif", ".webp"):
        path, sizes = tmp_path / f"a{suffix}", []
        noise = (Picture(rng.integers(0, 256, (120, 160, 3), np.uint8)) for _ in range(20))
        for _ in animate.write(noise, path, 20):
            sizes += [part.stat().st_size for part in tmp_path.glob(".*.part*")]
        whole = path.stat().st_size
        assert len(sizes) == 20 and 0.3 * whole < sizes[9] < 0.7 * whole


@pytest.mark.parametrize("suffix", animate.FORMATS)
def test_a_picture_that_fails_leaves_no_film(suffix: str, tmp_path: Path) -> None:
    def pictures() -> Iterator[Picture]:
        yield frame(1)
        raise RuntimeError("the model fell over")

    with pytest.raises(RuntimeError, match="fell over"):
        list(animate.write(pictures(), tmp_path / f"a{suffix}", 2))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("suffix", animate.FORMATS)
def test_a_folder_that_is_not_there_is_named(suffix: str, tmp_path: Path) -> None:
    with pytest.raises(ImageError, match=r"There is no folder .*nowhere"):
        list(animate.write([frame(1)], tmp_path / "nowhere" / f"a{suffix}", 1))


def test_a_picture_that_a_format_cannot_hold_is_refused(tmp_path: Path) -> None:
    wide = Picture(np.zeros((1, 16_500, 3), np.uint8))
    for suffix in (".webp", ".mp4"):
        with pytest.raises(ImageError, match="pixels a side"):
            list(animate.write([wide], tmp_path / f"a{suffix}", 1))


def test_what_is_no_film_is_refused_in_a_sentence(tmp_path: Path) -> None:
    for pictures, name, rate, sentence in (
        ([frame(1)], "a.avi", 25, "not as “.avi”"),
        ([frame(1)], "a.gif", 0, "pictures a second"),
        ([], "a.mp4", 25, "no picture"),
        ([frame(1), frame(2, (20, 20))], "a.webp", 25, "one size"),
    ):
        with pytest.raises(ImageError, match=sentence):
            list(animate.write(pictures, tmp_path / name, 2, rate=rate))
    assert not list(tmp_path.iterdir())
