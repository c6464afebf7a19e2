"""Strokes become clean pixels: no seams, no holes, the same at every size."""

import numpy as np
import pytest

from app.drawing import Drawing, Fill, Stroke
from app.pictures import view
from app.raster import Layers
from app.tiles import touched

ARC = [(20 + 8 * n, 128 - 60 * np.sin(n / 8), 1.0) for n in range(27)]


def drawn(*items, size=(256, 256)):
    layers = Layers(size)
    layers.render(Drawing(size, items))
    return layers


def ink(*items, size=(256, 256)):
    layers = drawn(*items, size=size)
    return view(layers.ink).astype(int)


def pressed(by):
    """The arc with a pressure for each point."""
    return tuple((x, y, by(n)) for n, (x, y, _) in enumerate(ARC))


def test_a_line_of_varying_width_has_no_seams():
    even = ink(Stroke("pen", (pressed(lambda n: 0.8),), 9.0))
    nearly = ink(Stroke("pen", (pressed(lambda n: 0.8 + 0.002 * (n % 2)),), 9.0))
    assert abs(even - nearly).max() <= 40  # the soft edge; beads would differ by a hundred
    assert abs(even - nearly).mean() < 0.3


def test_width_follows_the_pressure():
    found = ink(
        Stroke("pen", (((20.0, 128.0, 0.2), (128.0, 128.0, 0.6), (236.0, 128.0, 1.0)),), 40.0)
    )
    widths = ((255 - found) / 255).sum(axis=0)
    assert widths[30] == pytest.approx(8, abs=3) and widths[230] == pytest.approx(39, abs=3)
    assert (np.diff(widths[25:230]) > -0.3).all()


def test_a_leaning_pen_stays_within_what_it_says_it_touches():
    stroke = Stroke("pen", (((60.0, 60.0, 1.0), (120.0, 90.0, 1.8), (200.0, 70.0, 1.5)),), 20.0)
    layers = drawn(stroke)
    rows, columns = np.nonzero(view(layers.ink) < 255)
    (area,) = touched(stroke, layers.size)
    assert area.top() <= rows.min() and rows.max() <= area.bottom()
    assert area.left() <= columns.min() and columns.max() <= area.right()


@pytest.mark.parametrize("tool, points", [
    ("pen", ARC),
    ("ellipse", [(128, 128, 1), (220, 128, 1), (128, 60, 1)]),
    ("polygon", [(40, 40, 1), (220, 60, 1), (120, 210, 1)]),
    ("pen", pressed(lambda n: 0.3 + 0.02 * n)),
])  # fmt: skip
def test_twice_as_large_is_the_same_drawing(tool, points):
    drawing = Drawing((256, 256), (Stroke(tool, (tuple(points),), 6.0),))
    small, large = Layers((256, 256)), Layers((512, 512))
    small.render(drawing)
    large.render(drawing.scaled((512, 512)))
    averaged = view(large.ink).reshape(256, 2, 256, 2).mean(axis=(1, 3))
    assert abs(averaged - view(small.ink)).mean() < 0.6
    assert abs(averaged - view(small.ink)).max() < 100


CORNERS = ((60.0, 60.0, 1.0), (200.0, 60.0, 1.0), (200.0, 200.0, 1.0), (60.0, 200.0, 1.0))
BOX = Stroke("rectangle", (CORNERS,), 4.0)


def test_a_fill_reaches_the_line_from_inside_only():
    found = ink(BOX, Fill(((130.0, 130.0, 1.0),)))
    assert found[58:202, 130].max() <= 130 and found[130, 58:202].max() <= 130
    assert found[:56].min() == found[:, 206:].min() == 255
    assert (found[62:198, 62:198] == 0).all()


def test_two_seeds_fill_two_regions_and_a_stray_one_nothing():
    seeds = ((130.0, 130.0, 1.0), (10.0, 10.0, 1.0), (131.0, 130.0, 1.0), (-5.0, 999.0, 1.0))
    layers = drawn(BOX, Fill(seeds, (200, 30, 40), "hints"))
    hints = view(layers.hints)
    assert hints[130, 130].tolist() == hints[5, 250].tolist() == [40, 30, 200, 255]
    assert (hints[..., 3] == 0).sum() <= 4 * 140 * 4, "only below the lines nothing is filled"
    assert (view(layers.ink) == ink(BOX)).all()
    outside = drawn(BOX, Fill(((-1.0, 3.0, 1.0),), (1, 2, 3), "hints"))
    assert not view(outside.hints).any()


def test_a_fill_of_the_whole_sheet_reaches_its_corners():
    found = ink(Fill(((3.0, 3.0, 1.0),)), size=(37, 53))
    assert found.shape == (53, 37) and found.max() == 0
