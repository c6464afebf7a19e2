"""Moving values, and the films and strips that come of them, read back."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from engines import animate
from engines.animate import Track
from engines.images import ImageError
from engines.job import Picture, Progress


def frame(level: int, size: tuple[int, int] = (48, 32)) -> Picture:
    pixels = np.zeros((size[1], size[0], 3), np.uint8)
    pixels[..., 0], pixels[..., 1] = level, 255 - level
    return Picture(pixels)


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
    numbers = [v["a"] for v in made]
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
    with Image.open(path) as film:
        assert film.n_frames == 3 and film.info["loop"] == 0
        seen = []
        for n in range(3):
            film.seek(n)
            seen.append(np.array(film.convert("RGB"))[16, 24, 0])
            assert film.info["duration"] == 50
    assert np.abs(np.subtract(seen, (10, 120, 240), dtype=int)).max() < 60
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
