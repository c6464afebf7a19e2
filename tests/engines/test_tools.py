"""Tools are jobs without a network."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from engines.controls import defaults
from engines.engine import Engine, EngineError
from engines.families.tools import Edges
from engines.family import families
from engines.job import Job, Picture, Progress, Result

ENGINE = Engine("cpu")


def photo(width: int = 160, height: int = 120, channels: int = 3) -> Picture:
    """A dark disc on a light ground."""
    pixels = np.full((height, width, 3), 230, np.uint8)
    cv2.circle(pixels, (width // 2, height // 2), min(width, height) // 3, (40, 60, 120), -1)
    if channels == 1:
        return Picture(pixels[..., 0])
    if channels == 4:
        return Picture(np.dstack((pixels, np.full((height, width), 255, np.uint8))))
    return Picture(pixels)


def drawn(picture: Picture, size: tuple[int, int] | None = None, **values: object) -> Picture:
    events = list(ENGINE.run(Job("edges", "", values, {"photo": picture}, size=size)))
    last = events[-1]
    assert isinstance(last, Result) and len(last.pictures) == 1
    assert all(isinstance(event, Progress) for event in events[:-1])
    return last.pictures[0]


def ink(picture: Picture) -> float:
    return float((picture.pixels < 128).mean())


def test_the_tool_is_registered_and_needs_no_checkpoint() -> None:
    assert isinstance(families()["edges"], Edges) and families()["edges"].tool
    assert families()["edges"].recognise(None) is None  # type: ignore[arg-type]
    assert ENGINE.describe("edges").family == "edges"


@pytest.mark.parametrize("method", ["canny", "outline", "xdog"])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_a_disc_becomes_a_circle(method: str, channels: int) -> None:
    picture = drawn(photo(channels=channels), method=method)
    assert picture.size == (160, 120) and picture.channels == 1
    assert picture.pixels[2, 2] == 255, "paper"
    assert 0.005 < ink(picture) < 0.25
    ring = picture.pixels[60, 110:130]
    assert ring.min() < 80, "the rim of the disc is drawn"


@pytest.mark.parametrize("size", [(1, 1), (1, 7), (3, 257), (40, 900)])
def test_any_size(size: tuple[int, int]) -> None:
    for method in ("canny", "outline", "xdog"):
        assert drawn(photo(*size), method=method).size == size


def test_a_wished_size_fits_the_whole_photo_on_the_sheet() -> None:
    sheet = drawn(photo(400, 100), size=(192, 256))
    assert sheet.size == (192, 256)
    assert (sheet.pixels[:90] == 255).all() and (sheet.pixels[-90:] == 255).all()
    assert ink(sheet) > 0


def test_controls_do_what_they_say() -> None:
    assert ink(drawn(photo(), width=8)) > 2 * ink(drawn(photo(), width=1))
    rng = np.random.default_rng(0)
    busy = Picture(rng.integers(90, 160, (120, 160, 3), np.uint8))
    assert ink(drawn(busy, smooth=6)) < ink(drawn(busy, smooth=0.5, shortest=0))
    assert ink(drawn(photo(), low=300, high=400, smooth=8)) <= ink(drawn(photo()))
    assert drawn(photo(), width=99) == drawn(photo(), width=12), "clamped"


def test_the_defaults_are_those_of_the_edge_drawer() -> None:
    import inspect

    from engines.edges import photo_to_edges

    parameters = inspect.signature(photo_to_edges).parameters
    values = defaults(ENGINE.describe("edges"))
    assert values.pop("of") == "light"
    assert values == {name: parameters[name].default for name in parameters if name != "rgb"}


def test_the_same_photo_twice_gives_the_same_lines() -> None:
    for method in ("canny", "outline", "xdog"):
        assert drawn(photo(), method=method) == drawn(photo(), method=method)


def test_wrong_input_is_told_in_a_sentence() -> None:
    for job in (Job("edges"), Job("edges", "", {"method": "magic"}, {"photo": photo()})):
        with pytest.raises(EngineError) as caught:
            list(ENGINE.run(job))
        assert caught.value.kind == "input" and str(caught.value).endswith(".")


def test_it_can_be_closed_before_the_work() -> None:
    events = ENGINE.run(Job("edges", "", {}, {"photo": photo()}))
    assert next(events) == Progress(0, 1)
    events.close()


# ---- the difference from the truth ---------------------------------------------------------------


def compared(made: Picture, truth: Picture) -> Result:
    result = list(ENGINE.run(Job("difference", images={"made": made, "truth": truth})))[-1]
    assert isinstance(result, Result)
    return result


def test_the_difference_is_where_two_pictures_differ() -> None:
    truth = photo()
    pixels = truth.pixels.copy()
    pixels[:, :80] = pixels[:, :80] // 2 + 20
    made = Picture(pixels)
    result = compared(made, truth)
    wanted = np.abs(made.pixels.astype(int) - truth.pixels).mean() / 255
    assert result.numbers["difference"] == pytest.approx(wanted, abs=1e-4)
    left, right = (result.pictures[0].pixels[:, part] for part in (slice(60), slice(100, None)))
    assert np.ptp(right.reshape(-1, 3), axis=0).max() == 0  # nothing there
    assert left.sum(2).min() > right[0, 0].sum()
    same = compared(truth, truth)
    assert same.numbers["difference"] == 0 and same.numbers["structure difference"] < 1e-3


def test_pictures_of_other_sizes_and_kinds_can_be_compared() -> None:
    result = compared(photo(80, 60, 4), photo(160, 120, 1))
    assert result.pictures[0].size == (160, 120)
    assert 0 < result.numbers["difference"] < 0.3
