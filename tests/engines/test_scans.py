"""Depth, height and heat: the same structure is found whatever device painted it."""

import io

import cv2
import numpy as np
import pytest
from PIL import Image

from engines import edges, images, scans
from engines.controls import defaults
from engines.engine import Engine
from engines.family import families
from engines.job import Job, Picture, Result


def depth(height: int = 120, width: int = 160) -> np.ndarray:
    """Millimetres: a floor that recedes, a box on it, a ball in front."""
    y, x = np.mgrid[:height, :width]
    values = 2600.0 - 6 * y
    values[30:80, 20:70] = 1700
    values[np.hypot(x - 115, y - 70) < 26] = 1250
    return values.astype(np.uint16)


def silhouettes(shape: tuple[int, int] = (120, 160)) -> np.ndarray:
    """One-pixel outlines (H, W) bool of the box and the ball."""
    sheet = np.zeros(shape, np.uint8)
    cv2.rectangle(sheet, (20, 30), (69, 79), 255, 1)
    cv2.circle(sheet, (115, 70), 26, 255, 1)
    return sheet > 0


def found(drawn: np.ndarray) -> tuple[float, float]:
    """(share of the outlines that is drawn, share of what is drawn that is outline), within 3
    px."""
    ink, true = drawn < 128, silhouettes()
    near = np.ones((7, 7), np.uint8)
    grown = cv2.dilate(ink.astype(np.uint8), near) > 0
    around = cv2.dilate(true.astype(np.uint8), near) > 0
    return float(grown[true].mean()), float(around[ink].mean()) if ink.any() else 1.0


def eight_bits(values: np.ndarray) -> np.ndarray:
    return ((values - 1000.0) * 255 / 1800).clip(1, 255).astype(np.uint8)


def painted(name: str) -> np.ndarray:
    return scans._colours(name).astype(np.uint8)[eight_bits(depth())]


def jpeg(rgb: np.ndarray) -> np.ndarray:
    file = io.BytesIO()
    Image.fromarray(rgb).save(file, "JPEG", quality=90)
    return np.asarray(Image.open(file).convert("RGB"))


def drawn_of(picture: Picture) -> np.ndarray:
    card = families()["edges"].card(None)
    job = Job("edges", values={**defaults(card), "of": "measure"}, images={"photo": picture})
    result = list(Engine("cpu").run(job))[-1]
    assert isinstance(result, Result)
    return result.picture.pixels


@pytest.mark.parametrize("name", [*scans._OPENCV, "IRON"])
def test_false_colours_are_recognised_and_become_numbers_again(name: str) -> None:
    picture = jpeg(painted(name))
    assert scans.colour_map(picture) is not None
    values = scans.unfalse(picture).astype(float)
    truth = eight_bits(depth()).astype(float)
    assert np.median(np.abs(values - truth)) <= 6


def test_a_photo_and_a_grey_picture_have_no_map_of_colours() -> None:
    rng = np.random.default_rng(0)
    photo = cv2.resize(rng.integers(0, 255, (9, 12, 3), np.uint8), (160, 120))
    assert scans.colour_map(photo) is None
    assert scans.colour_map(np.repeat(eight_bits(depth())[..., None], 3, 2)) is None


def test_millimetres_in_sixteen_bits_are_seen_and_drawn(tmp_path) -> None:
    file = tmp_path / "depth.png"
    Image.fromarray(depth()).save(file)
    picture = images.open_picture(file)
    assert np.ptp(picture.pixels) > 200  # of 65535 they take 2 %
    covered, right = found(drawn_of(picture))
    assert covered > 0.9 and right > 0.8


@pytest.mark.parametrize("name", ["JET", "IRON", "TURBO"])
def test_false_colours_give_the_edges_of_what_was_measured(name: str) -> None:
    covered, right = found(drawn_of(Picture(jpeg(painted(name)))))
    assert covered > 0.9 and right > 0.7


def test_faint_steps_that_light_would_not_draw_are_drawn() -> None:
    faint = Picture(100 + eight_bits(depth()) // 12)
    assert found(edges.photo_to_edges(images.flatten(faint).pixels))[0] < 0.2
    assert found(drawn_of(faint))[0] > 0.9


def test_holes_are_filled_and_draw_no_lines() -> None:
    values = eight_bits(depth())
    rng = np.random.default_rng(1)
    for x, y in rng.integers(5, 115, (40, 2)):
        cv2.circle(values, (int(x), int(y)), 2, 0, -1)
    assert scans.hole_mask(values).mean() > 0.01
    covered, right = found(drawn_of(Picture(values)))
    assert covered > 0.85 and right > 0.7


def test_dark_that_is_reached_bit_by_bit_is_no_hole() -> None:
    ramp = np.tile(np.arange(160, dtype=np.uint8), (120, 1))
    assert not scans.hole_mask(ramp).any()


def test_nothing_measured_and_everything_alike_draw_nothing() -> None:
    for value in (0, 90):
        assert (drawn_of(Picture(np.full((40, 50), value, np.uint8))) == 255).all()


def test_a_dark_photo_in_sixteen_bits_is_stretched_no_other_is(tmp_path) -> None:
    full = np.linspace(0, 65535, 64 * 64).reshape(64, 64).astype(np.uint16)
    file = tmp_path / "full.png"
    Image.fromarray(full).save(file)
    assert np.abs(images.open_picture(file).pixels - full / 257).max() <= 0.51
    measured = full // 20 + 7000
    measured[:2] = 0
    Image.fromarray(measured.astype(np.uint16)).save(file)
    pixels = images.open_picture(file).pixels
    assert (pixels[:2] == 0).all() and pixels[2:].min() == 1 and pixels.max() == 255
