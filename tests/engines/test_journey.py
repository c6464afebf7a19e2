"""A film of dreams: how pictures move, that the end leads into the beginning, and its command."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest

from engines import cli
from engines.images import ImageError, open_picture, save_picture
from engines.job import Job, Picture
from engines.journey import Journey, Motion, calmed, moved


def dots(width: int = 41, height: int = 31) -> Picture:
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[height // 2, width // 2] = 255
    pixels[height // 2, width // 2 + 8] = 255
    return Picture(pixels)


def bright(picture: Picture) -> tuple[float, float]:
    """Where (x, y) the brightest pixel right of the middle lies."""
    grey = picture.pixels[..., 0].astype(float)
    y, x = np.unravel_index(grey.argmax(), grey.shape)
    return float(x), float(y)


def test_pictures_are_enlarged_turned_and_shifted() -> None:
    one = np.zeros((31, 41, 3), np.uint8)
    one[15, 28] = 255  # eight pixels right of the middle
    given = Picture(one)
    assert bright(moved(given, Motion(1.5))) == (32, 15)
    assert bright(moved(given, Motion(1.0, 90))) == (20, 7)  # against the clock: up
    assert bright(moved(given, Motion(1.0, right=2 / 41, down=-3 / 31))) == (30, 12)
    assert moved(given, Motion(1.0)) == given


def dreamt(journey: Journey, strength: float = 0.05) -> list[Picture]:
    """The film, where dreaming adds a little of the same soft waves to any picture."""
    rows, columns = np.mgrid[:24, :32]
    wave = 128 + 90 * np.sin(rows / 3) * np.cos(columns / 4)
    found: list[Picture] = []
    while (job := journey.next()) is not None:
        pixels = job.images["photo"].pixels
        made = pixels * (1 - strength) + wave[..., None] * strength
        found += journey.take(Picture(np.rint(made).astype(np.uint8)))
    return found


def test_the_end_leads_into_the_beginning() -> None:
    photo = Picture(np.random.default_rng(0).integers(0, 256, (24, 32, 3), np.uint8))
    film = dreamt(Journey(Job("dream", images={"photo": photo}), Motion(1.04, 1.0), 30))
    steps = [np.abs(a.pixels.astype(int) - b.pixels).mean() for a, b in itertools.pairwise(film)]
    seam = np.abs(film[-1].pixels.astype(int) - film[0].pixels).mean()
    unfaded = np.abs(film[0].pixels.astype(int) - film[len(film) // 2].pixels).mean()
    assert len(film) == 30
    assert seam <= 1.2 * max(steps) and seam < 0.5 * unfaded


def test_each_picture_goes_on_from_the_one_before() -> None:
    photo, guide = dots(32, 24), dots()
    first = Job("dream", "x@y", {"steps": 20, "octaves": 4, "rate": 2.0},
                {"photo": photo, "guide": guide, "progress": photo}, seed=7)  # fmt: skip
    journey = Journey(first, Motion(1.5), 6, steps=2, octaves=1)
    assert journey.next() is first and journey.total == 8
    assert list(journey.take(photo)) == []  # kept for the fade
    second = journey.next()
    assert second is not None and second.seed == 8
    assert second.values == {"steps": 2, "octaves": 1, "rate": 2.0}
    photo = calmed(moved(photo, Motion(1.5)), photo)
    assert second.images == {"photo": photo, "guide": guide}


def test_colours_do_not_run_away() -> None:
    """However each dream stretches them."""
    photo = Picture(np.random.default_rng(0).integers(90, 150, (24, 32, 3), np.uint8))
    journey, spreads = Journey(Job("dream", images={"photo": photo}), Motion(1.02), 60), []
    while (job := journey.next()) is not None:
        pixels = job.images["photo"].pixels.astype(float)
        stretched = np.rint((1.1 * (pixels - 128) + 132).clip(0, 255)).astype(np.uint8)
        spreads += [p.pixels.std() for p in journey.take(Picture(stretched))]
    assert max(spreads) < 2.5 * photo.pixels.std()


@pytest.mark.parametrize(
    ("frames", "motion"), [(2, Motion()), (9, Motion(3)), (9, Motion(right=1))]
)
def test_what_is_no_film_is_told(frames: int, motion: Motion) -> None:
    with pytest.raises(ImageError):
        Journey(Job("dream"), motion, frames)


def test_the_command_writes_a_film(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import av

    photo, film = tmp_path / "photo.png", tmp_path / "made" / "film.mp4"
    save_picture(Picture(np.random.default_rng(1).integers(0, 256, (48, 64, 3), np.uint8)), photo)
    said = ["film", "--image", str(photo), "--frames", "4", "--steps", "1", "--octaves", "1",
            "--set", "steps=1", "--set", "octaves=1", "--set", "layers=relu1_1"]  # fmt: skip
    assert cli.main([*said, "-o", str(film)]) == 0
    assert "4 pictures" in capsys.readouterr().out
    with av.open(str(film)) as container:
        sizes = [(f.width, f.height) for f in container.decode(video=0)]
    assert sizes == [(64, 48)] * 4
    assert cli.main([*said, "-o", str(tmp_path / "film.png")]) == 2
    assert cli.main([*said, "--model", "edges-to-cats", "-o", str(film)]) == 2


def test_a_dream_is_run_by_its_family_where_weights_serve_two(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    photo, made = tmp_path / "photo.png", tmp_path / "made.png"
    save_picture(dots(), photo)
    values = ["--set", "steps=1", "--set", "octaves=1", "--set", "layers=relu1_1"]
    asked = ["run", "--image", f"photo={photo}", *values, "-o", str(made)]
    assert cli.main([*asked, "--model", "backbone", "--family", "dream"]) == 0
    by_family = open_picture(made)
    assert cli.main([*asked, "--model", "dream"]) == 0
    assert open_picture(made) == by_family
    assert cli.main(["run", str(made), "-o", str(tmp_path / "again.png")]) == 0
    assert "same pixels" in capsys.readouterr().out
