import cv2
import numpy as np
import pytest

from engines import edges
from engines.controls import SketchStats


def disc(size: int = 128, radius: int = 40, colour=(200, 40, 40), ground=(240, 240, 235)):
    picture = np.full((size, size, 3), ground, np.uint8)
    cv2.circle(picture, (size // 2, size // 2), radius, colour, -1)
    return picture


@pytest.mark.parametrize("column", [20, 33, 64, 101])
def test_an_edge_is_drawn_where_it_is(column: int) -> None:
    photo = np.zeros((64, 128, 3), np.uint8)
    photo[:, column:] = 255
    drawn = edges.photo_to_edges(photo, width=1.0, shortest=0)
    ink = 255 - drawn[10:-10].astype(float)
    centre = (ink * np.arange(128)).sum() / ink.sum()
    assert abs(centre - (column - 0.5)) <= 0.6


def test_two_colours_of_equal_lightness_still_have_an_edge() -> None:
    photo = np.zeros((64, 64, 3), np.uint8)
    photo[:, :32] = (200, 60, 60)
    photo[:, 32:] = (60, 131, 60)
    grey = cv2.cvtColor(photo, cv2.COLOR_RGB2GRAY)
    assert abs(int(grey[0, 0]) - int(grey[0, 63])) < 3
    assert (edges.photo_to_edges(photo) < 128).any()


@pytest.mark.parametrize("method", edges.METHODS)
def test_every_method_draws_dark_lines_on_white(method: str) -> None:
    drawn = edges.photo_to_edges(disc(), method)
    assert drawn.shape == (128, 128) and drawn.dtype == np.uint8
    assert 0.005 < (drawn < 128).mean() < 0.3
    assert drawn[2, 2] == 255


def test_an_unknown_method_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="canny, xdog, outline"):
        edges.photo_to_edges(disc(), "magic")


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (7, 1), (33, 200)])
@pytest.mark.parametrize("method", edges.METHODS)
def test_any_size_is_taken(shape: tuple[int, int], method: str) -> None:
    drawn = edges.photo_to_edges(np.full((*shape, 3), 90, np.uint8), method)
    assert drawn.shape == shape


@pytest.mark.parametrize("width", [1.5, 3.0, 6.0])
def test_line_width_is_measured_as_drawn(width: float) -> None:
    lines = np.zeros((200, 200), bool)
    lines[100, 20:180] = True
    measured = edges.measure(edges.draw_lines(lines, width))
    assert measured["width"] * 200 == pytest.approx(width, abs=1.0)
    assert measured["extent"] == pytest.approx(0.8, abs=0.06)


def test_the_subject_is_found_and_outlined() -> None:
    mask = edges.subject_mask(disc())
    truth = np.linalg.norm(np.indices((128, 128)).transpose(1, 2, 0) - 64, axis=2) <= 40
    overlap = (mask & truth).sum() / (mask | truth).sum()
    assert overlap > 0.95
    contour = edges.mask_contour(mask)
    radii = np.linalg.norm(np.argwhere(contour) - 64, axis=1)
    assert len(radii) > 150 and np.abs(radii - 40).max() < 4


STATS = SketchStats(ink=(0.02, 0.12), width=(0.01, 0.03), extent=(0.6, 1.0))


def circle(radius: int, width: int, size: int = 200) -> np.ndarray:
    sheet = np.full((size, size), 255, np.uint8)
    cv2.circle(sheet, (size // 2, size // 2), radius, 0, width, cv2.LINE_AA)
    return sheet


def test_fit_names_what_is_off_and_what_can_be_mended() -> None:
    good = edges.fit(circle(80, 4), STATS)
    assert good.score > 0.95 and not good.fixable
    small = edges.fit(circle(15, 4), STATS)
    assert small.score < 0.7 and "smaller" in small.message and small.fixable
    thick = edges.fit(circle(80, 20), STATS)
    assert "thicker" in thick.message and thick.score < good.score
    empty = edges.fit(np.full((50, 50), 255, np.uint8), STATS)
    assert empty.score == 0 and "empty" in empty.message and not empty.fixable
    full = edges.fit(np.zeros((50, 40), np.uint8), STATS)
    assert full.score < 0.5 and not full.fixable
    assert 0.9 < full.measured["width"] <= 1.1


def test_thinning_keeps_the_line_and_loses_the_width() -> None:
    thinned = edges.thin(circle(80, 9))
    assert 300 < thinned.sum() < 1500
    radii = np.linalg.norm(np.argwhere(thinned) - 100, axis=1)
    assert abs(np.median(radii) - 80) < 1.5
