"""Masks by classic filters, on pictures whose answer is known."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from engines import masks
from engines.controls import defaults
from engines.engine import Engine
from engines.job import Job, Picture, Result

ENGINE = Engine("cpu")


def step(low: int, high: int, size: int = 80) -> np.ndarray:
    """Dark left, light right."""
    pixels = np.full((size, size, 3), low, np.uint8)
    pixels[:, size // 2 :] = high
    return pixels


def waves(direction: float, wavelength: float, contrast: float = 1.0, size: int = 128):
    """Stripes (size, size, 3), `direction` counter-clockwise from level."""
    down, right = np.mgrid[:size, :size].astype(float)
    turn = np.deg2rad(direction)
    off = right * np.sin(turn) + down * np.cos(turn)
    grey = 127.5 + 127.5 * contrast * np.sin(2 * np.pi * off / wavelength)
    return np.repeat(np.rint(grey).astype(np.uint8)[..., None], 3, 2)


def made(photo: np.ndarray | Picture, **values: object) -> Result:
    images = {"photo": photo if isinstance(photo, Picture) else Picture(photo)}
    if isinstance(painted := values.pop("painted", None), Picture):
        images["painted"] = painted
    result = list(ENGINE.run(Job("mask", values=values, images=images)))[-1]  # type: ignore[arg-type]
    assert isinstance(result, Result)
    return result


@pytest.mark.parametrize("smooth", [2.0, 3.0, 5.0])
def test_an_edge_is_as_strong_as_its_step_is_high(smooth: float) -> None:
    photo = step(51, 153)  # 40 % of black to white
    for weakest, wanted in ((0.38, 0.05), (0.3, 1 / 3), (0.2, 1.0), (0.42, 0.0)):
        mask = masks.edges(photo, weakest, smooth)
        assert mask[40, 39:41].max() == pytest.approx(wanted, abs=0.06)
        assert mask[:, :10].max() == mask[:, 70:].max() == 0


def test_two_colours_of_one_lightness_have_an_edge() -> None:
    photo = step(0, 0)
    photo[:, :40], photo[:, 40:] = (120, 80, 80), (80, 98, 98)  # grey 92 both
    assert np.ptp(cv2.cvtColor(photo, cv2.COLOR_RGB2GRAY)) <= 1
    assert masks.edges(photo, 0.07, 1.0)[40, 40] > 0.9


@pytest.mark.parametrize(("direction", "wavelength"), [(0, 8), (30, 8), (90, 12), (135, 40)])
def test_stripes_answer_to_their_direction_and_width_alone(direction: float, wavelength: int):
    photo = waves(direction, wavelength, 0.5, size=max(128, 10 * wavelength))
    middle = len(photo) // 2
    inside = np.s_[middle - 20 : middle + 20, middle - 20 : middle + 20]
    right = masks.stripes(photo, direction, wavelength, 0.3)[inside]
    assert right.mean() == pytest.approx(0.5 / 0.3 - 1, abs=0.08) and np.ptp(right) < 0.2
    for other in ((direction + 60, wavelength), (direction, wavelength * 2.2)):
        assert masks.stripes(photo, *other, 0.1)[inside].max() < 0.2
    assert masks.stripes(photo, direction + 180, wavelength, 0.3)[inside] == pytest.approx(
        right, abs=1e-3
    )


def test_lightness_holds_between_its_limits_and_fades_beyond() -> None:
    levels = [0, 50, 100, 150, 255]
    photo = np.array(levels, np.uint8).reshape(1, -1, 1).repeat(3, 2)
    light = cv2.cvtColor(photo.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)[0, :, 0]
    mask = masks.lightness(photo, light[1], light[3])[0]
    assert mask.tolist() == [0, 1, 1, 1, 0]
    assert masks.lightness(photo, light[3], light[1])[0].tolist() == mask.tolist()
    assert masks.lightness(photo, light[3] + 3, 100)[0, 3] == pytest.approx(0.5, abs=1e-3)
    assert masks.lightness(photo, 0, 100).min() == 1


def test_a_flat_photo_holds_nothing_and_its_opposite_everything() -> None:
    flat = np.full((30, 40, 3), 90, np.uint8)
    for filter in ("edges", "stripes"):
        nothing = made(flat, filter=filter)
        assert not nothing.picture.pixels.any() and nothing.numbers["share"] == 0
        assert made(flat, filter=filter, invert=True).picture.pixels.min() == 255


def test_lengths_are_shares_of_the_photo() -> None:
    small = waves(20, 16, size=256)
    large = cv2.resize(small, (2048, 2048), interpolation=cv2.INTER_CUBIC)
    one = made(small, filter="stripes", direction=20, wavelength=6.25, faintest=40)
    other = made(large, filter="stripes", direction=20, wavelength=6.25, faintest=40)
    assert other.picture.size == (masks.LONGEST, masks.LONGEST)
    assert one.numbers["share"] > 0.9
    assert one.numbers["share"] == pytest.approx(other.numbers["share"], abs=0.03)


def test_blur_softens_and_keeps_the_amount() -> None:
    photo = step(0, 255)
    sharp = made(photo, filter="lightness", darkest=50)
    soft = made(photo, filter="lightness", darkest=50, blur=5)
    assert set(np.unique(sharp.picture.pixels)) == {0, 255}
    row = soft.picture.pixels[40].astype(int)
    assert (np.diff(row) >= 0).all() and 100 < row[39] < row[40] < 155
    assert soft.numbers["share"] == pytest.approx(sharp.numbers["share"], abs=0.01)


def test_it_joins_what_is_painted() -> None:
    photo = step(0, 255)
    painted = np.zeros((160, 160), np.uint8)  # of another size
    painted[:80] = 200
    values = {"filter": "lightness", "darkest": 50, "painted": Picture(painted)}
    corners = {
        join: made(photo, join=join, **values).picture.pixels[[5, 5, 75, 75], [5, 75, 5, 75]]
        for join in ("replace", "add", "within")
    }
    assert corners["replace"].tolist() == [0, 255, 0, 255]
    assert corners["add"].tolist() == [200, 255, 0, 255]
    assert corners["within"].tolist() == [0, 200, 0, 0]


@pytest.mark.parametrize("size", [(1, 1), (1, 7), (3, 257)])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_any_photo(size: tuple[int, int], channels: int) -> None:
    shape = size[::-1] if channels == 1 else (*size[::-1], channels)
    photo = Picture(np.random.default_rng(0).integers(0, 256, shape, np.uint8))
    for filter in ("edges", "stripes", "lightness"):
        assert made(photo, filter=filter, wavelength=12, blur=5).picture.size == size


def test_the_defaults_are_those_of_the_filters() -> None:
    import inspect

    parameters = inspect.signature(masks.from_photo).parameters
    known = {n: p.default for n, p in parameters.items() if n not in ("photo", "painted")}
    assert defaults(ENGINE.describe("mask")) == known
