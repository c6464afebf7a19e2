"""Walks on the canvas with real mouse, key and pen events."""

import numpy as np
import pytest
from PySide6.QtCore import QEvent, QPoint, QPointF, Qt
from PySide6.QtGui import (
    QColor,
    QDragEnterEvent,
    QDropEvent,
    QEventPoint,
    QImage,
    QInputDevice,
    QMouseEvent,
    QNativeGestureEvent,
    QPointingDevice,
    QRegion,
    QTabletEvent,
    QUndoStack,
    QWheelEvent,
)
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication

from app.drawing import Drawing
from app.pictures import from_qimage, mime_for, view
from app.raster import Layers
from app.tiles import bytes_of
from app.widgets.canvas import SketchCanvas
from app.widgets.canvas_paint import parts
from engines import edges
from engines.controls import SketchStats
from engines.job import Picture

LEFT = Qt.MouseButton.LeftButton
SHIFT = Qt.KeyboardModifier.ShiftModifier
STATS = SketchStats(ink=(0.01, 0.2), width=(0.008, 0.014), extent=(0.6, 0.95))


@pytest.fixture
def canvas(qtbot):
    made = SketchCanvas()
    qtbot.addWidget(made)
    stack = QUndoStack(made)
    made.set_undo_stack(stack)
    made.resize(600, 560)
    made.new_sheet((256, 256))
    made.set_smoothing(0.0)
    made.show()
    qtbot.waitExposed(made)
    return made


def at(canvas, x, y):
    return canvas.to_view(QPointF(x, y)).toPoint()


def pull(canvas, *points, keys=Qt.KeyboardModifier.NoModifier, release=True):
    """Press at the first sheet point, move through the others, release at the last."""
    QTest.mousePress(canvas, LEFT, keys, at(canvas, *points[0]))
    for point in points[1:]:
        move(canvas, at(canvas, *point), keys)
    if release:
        QTest.mouseRelease(canvas, LEFT, keys, at(canvas, *points[-1]))


def move(canvas, point, keys=Qt.KeyboardModifier.NoModifier):
    """QTest.mouseMove knows no modifiers."""
    event = QMouseEvent(QEvent.Type.MouseMove, QPointF(point), canvas.mapToGlobal(QPointF(point)),
                        Qt.MouseButton.NoButton, LEFT, keys)  # fmt: skip
    QApplication.sendEvent(canvas, event)


def ink(canvas):
    return canvas.picture("ink").pixels


def redrawn(canvas):
    """The pixels that the recipe alone gives."""
    drawing = Drawing.from_json(canvas.drawing())
    layers = Layers(drawing.size)
    layers.render(drawing)
    return layers


def agrees_with_its_recipe(canvas):
    layers = redrawn(canvas)
    return layers.ink == canvas.layers.ink and layers.hints == canvas.layers.hints


def scribble(canvas, row=60):
    pull(canvas, (30, row), (70, row + 30), (120, row - 20), (200, row + 10))


# ---- pen, eraser, shapes -------------------------------------------------------------------------


def test_a_stroke_leaves_dark_ink_and_says_so(canvas, qtbot):
    edits = []
    canvas.edited.connect(lambda: edits.append(1))
    with qtbot.waitSignal(canvas.stroke_finished):
        pull(canvas, (30, 128), (100, 128), (220, 128))
    assert len(edits) >= 3
    assert ink(canvas)[128, 40:210].max() < 40
    assert ink(canvas)[100].min() == 255
    assert len(canvas.drawing()["items"]) == 1
    assert agrees_with_its_recipe(canvas)


def test_ink_shows_while_the_pen_still_moves(canvas):
    pull(canvas, (30, 128), (100, 128), (220, 128), release=False)
    assert ink(canvas)[128, 100] < 60
    assert canvas.drawing()["items"] == []
    QTest.mouseRelease(canvas, LEFT, pos=at(canvas, 220, 128))


def test_a_click_leaves_a_dot_as_wide_as_the_brush(canvas):
    canvas.set_brush(12)
    QTest.mouseClick(canvas, LEFT, pos=at(canvas, 128, 128))
    area = (255 - ink(canvas).astype(float)).sum() / 255
    assert area == pytest.approx(np.pi * 36, rel=0.06)


def test_the_eraser_takes_ink_away(canvas):
    pull(canvas, (30, 128), (220, 128))
    canvas.set_tool("eraser")
    canvas.set_brush(30)
    pull(canvas, (128, 100), (128, 160))
    assert ink(canvas)[120:136, 122:134].min() == 255
    assert ink(canvas)[128, 60] < 40
    assert agrees_with_its_recipe(canvas)


@pytest.mark.parametrize("tool", ["line", "rectangle", "ellipse"])
def test_shapes_reach_from_corner_to_corner(canvas, tool):
    canvas.set_tool(tool)
    pull(canvas, (50, 60), (100, 100), (200, 180))
    rows, columns = np.nonzero(ink(canvas) < 128)
    assert (rows.min(), columns.min()) == pytest.approx((59, 49), abs=2)
    assert (rows.max(), columns.max()) == pytest.approx((181, 201), abs=2)
    assert agrees_with_its_recipe(canvas)


@pytest.mark.parametrize("tool", ["rectangle", "ellipse"])
def test_shift_makes_shapes_even(canvas, tool):
    canvas.set_tool(tool)
    pull(canvas, (50, 50), (150, 90), keys=SHIFT)
    rows, columns = np.nonzero(ink(canvas) < 128)
    assert np.ptp(rows) == pytest.approx(np.ptp(columns), abs=1)


@pytest.mark.parametrize("tool", ["pen", "line"])
def test_shift_straightens_lines(canvas, tool):
    canvas.set_tool(tool)
    pull(canvas, (40, 128), (120, 150), (220, 135), keys=SHIFT)
    rows, _ = np.nonzero(ink(canvas) < 128)
    assert np.ptp(rows) <= 4


@pytest.mark.parametrize("way", ["enter", "double", "first"])
def test_a_polygon_closes(canvas, way):
    canvas.set_tool("polygon")
    for point in ((60, 60), (200, 60), (128, 200)):
        QTest.mouseClick(canvas, LEFT, pos=at(canvas, *point))
    assert canvas.drawing()["items"] == []
    if way == "enter":
        QTest.keyClick(canvas, Qt.Key.Key_Return)
    elif way == "double":
        QTest.mouseDClick(canvas, LEFT, pos=at(canvas, 128, 200))
    else:
        QTest.mouseClick(canvas, LEFT, pos=at(canvas, 61, 60))
    (item,) = canvas.drawing()["items"]
    assert item["kind"] == "polygon" and len(item["paths"][0]) == 9
    assert ink(canvas)[130, 94] < 128  # on the closing side
    assert agrees_with_its_recipe(canvas)


def test_escape_gives_up_what_is_under_way(canvas):
    for tool in ("pen", "rectangle", "polygon"):
        canvas.set_tool(tool)
        pull(canvas, (40, 40), (90, 120), release=False)
        QTest.keyClick(canvas, Qt.Key.Key_Escape)
        QTest.mouseRelease(canvas, LEFT, pos=at(canvas, 90, 120))
        assert ink(canvas).min() == 255 and canvas.stack.count() == 0, tool


def test_smoothing_calms_a_trembling_hand(canvas):
    def roughness():
        canvas.clear()
        pull(canvas, *[(30 + 4 * n, 128 + (6 if n % 2 else -6)) for n in range(45)])
        dark = 255.0 - ink(canvas)[:, 50:190]
        middle = (dark * np.arange(256)[:, None]).sum(axis=0) / dark.sum(axis=0)
        return middle.std()

    canvas.set_smoothing(0.0)
    rough = roughness()
    canvas.set_smoothing(1.0)
    assert roughness() < 0.7 * rough


# ---- pen tablet ----------------------------------------------------------------------------------


def tablet(canvas, kind, point, pressure, pen=QPointingDevice.PointerType.Pen, tilt=0):
    device = QPointingDevice(
        "pen", 7, QInputDevice.DeviceType.Stylus, pen, QInputDevice.Capability.Pressure, 1, 2,
    )  # fmt: skip
    spot = QPointF(at(canvas, *point))
    button = LEFT if kind != QEvent.Type.TabletMove else Qt.MouseButton.NoButton
    held = LEFT if kind != QEvent.Type.TabletRelease else Qt.MouseButton.NoButton
    event = QTabletEvent(
        kind, device, spot, canvas.mapToGlobal(spot), pressure, tilt, 0, 0, 0, 0,
        Qt.KeyboardModifier.NoModifier, button, held,
    )  # fmt: skip
    assert event.point(0).state() != QEventPoint.State.Unknown
    QApplication.sendEvent(canvas, event)
    return event


def tablet_stroke(canvas, points, **options):
    kinds = QEvent.Type
    tablet(canvas, kinds.TabletPress, points[0][:2], points[0][2], **options)
    for x, y, pressure in points[1:]:
        event = tablet(canvas, kinds.TabletMove, (x, y), pressure, **options)
        assert event.isAccepted()
    tablet(canvas, kinds.TabletRelease, points[-1][:2], 0.0, **options)


def test_pressure_makes_lines_wide(canvas):
    canvas.set_brush(20)
    tablet_stroke(canvas, [(20 + 9 * n, 128, 0.1 + 0.9 * n / 24) for n in range(25)])
    dark = (ink(canvas) < 128).sum(axis=0)
    assert 0 < dark[40] < dark[120] < dark[215] <= 21
    assert agrees_with_its_recipe(canvas)


def test_pressure_can_be_turned_off(canvas):
    canvas.set_brush(20)
    canvas.set_pressure(False)
    tablet_stroke(canvas, [(20 + 9 * n, 128, 0.1 + 0.9 * n / 24) for n in range(25)])
    dark = (ink(canvas) < 128).sum(axis=0)
    assert dark[40] == pytest.approx(20, abs=1) and dark[40] == dark[215]


def test_the_other_end_of_the_pen_erases(canvas):
    pull(canvas, (30, 128), (220, 128))
    canvas.set_brush(40)
    points = [(20 + 10 * n, 128, 1.0) for n in range(22)]
    tablet_stroke(canvas, points, pen=QPointingDevice.PointerType.Eraser)
    assert ink(canvas)[128].min() == 255
    tablet_stroke(canvas, points)
    assert ink(canvas)[128, 128] == 0  # the tool chosen is still the pen


# ---- undo ----------------------------------------------------------------------------------------


def everything(canvas):
    """One step of each kind, and the pixels after each."""

    def states():
        yield lambda: scribble(canvas)
        canvas.set_symmetry("radial", 5)
        yield lambda: pull(canvas, (140, 60), (180, 80), (200, 120))
        canvas.set_symmetry("none")
        canvas.set_tool("ellipse")
        yield lambda: pull(canvas, (90, 90), (160, 170))
        canvas.set_tool("bucket")
        yield lambda: QTest.mouseClick(canvas, LEFT, pos=at(canvas, 125, 130))
        canvas.set_tool("eraser")
        yield lambda: scribble(canvas, 70)
        canvas.set_layer("hints")
        canvas.set_tool("pen")
        canvas.set_brush(17)
        yield lambda: scribble(canvas, 160)
        canvas.set_tool("bucket")
        yield lambda: QTest.mouseClick(canvas, LEFT, pos=at(canvas, 10, 10))
        canvas.set_tool("select")

        def carry():
            pull(canvas, (60, 60), (180, 200))
            pull(canvas, (100, 100), (140, 120))

        yield carry
        canvas.set_layer("ink")
        yield lambda: canvas.fit_drawing(STATS)
        yield lambda: canvas.import_edges(Picture(np.full((64, 48), 90, np.uint8)))
        yield canvas.clear
        canvas.set_tool("line")
        yield lambda: pull(canvas, (20, 20), (230, 200))

    for step in states():
        step()
        yield canvas.layers.ink.copy(), canvas.layers.hints.copy()


@pytest.mark.parametrize("budget", [192 << 20, 0], ids=["tiles", "drawn again"])
def test_undo_and_redo_are_exact_to_the_pixel(canvas, monkeypatch, budget):
    monkeypatch.setattr("app.widgets.canvas_paper.UNDO_BYTES", budget)
    blank = canvas.layers.ink.copy(), canvas.layers.hints.copy()
    after = [blank, *everything(canvas)]
    assert canvas.stack.count() == len(after) - 1 == 12
    for expected in reversed(after[:-1]):
        canvas.stack.undo()
        assert (canvas.layers.ink, canvas.layers.hints) == expected
    assert canvas.drawing()["items"] == []
    for expected in after[1:]:
        canvas.stack.redo()
        assert (canvas.layers.ink, canvas.layers.hints) == expected
    assert agrees_with_its_recipe(canvas)


def test_kept_tiles_stay_within_the_budget(canvas, monkeypatch):
    monkeypatch.setattr("app.widgets.canvas_paper.UNDO_BYTES", 300_000)
    for n in range(30):
        scribble(canvas, 40 + 5 * n)
    kept = [canvas.stack.command(n).tiles for n in range(30)]
    assert sum(bytes_of(tiles) for tiles in kept if tiles) <= 300_000
    for _ in range(30):
        canvas.stack.undo()
    assert ink(canvas).min() == 255


def test_undo_in_the_middle_of_a_stroke_gives_it_up(canvas):
    scribble(canvas)
    pull(canvas, (30, 200), (200, 200), release=False)
    canvas.stack.undo()
    QTest.mouseRelease(canvas, LEFT, pos=at(canvas, 200, 200))
    assert ink(canvas).min() == 255 and canvas.drawing()["items"] == []
    pull(canvas, (30, 200), (200, 200), release=False)
    canvas.stack.redo()
    QTest.mouseRelease(canvas, LEFT, pos=at(canvas, 200, 200))
    assert len(canvas.drawing()["items"]) == 1 and agrees_with_its_recipe(canvas)


def test_redo_on_a_larger_sheet_draws_larger(canvas):
    pull(canvas, (64, 64), (192, 64))
    pull(canvas, (64, 192), (192, 192))
    canvas.stack.undo()
    scaled = Drawing.from_json(canvas.drawing()).scaled((512, 512))
    canvas.restore(scaled.to_json())
    canvas.stack.redo()
    assert ink(canvas).shape == (512, 512)
    assert ink(canvas)[384, 256] < 60 and ink(canvas)[128, 256] < 60
    canvas.stack.undo()
    canvas.stack.undo()
    assert ink(canvas).min() == 255


def test_each_undo_says_that_the_drawing_changed(canvas, qtbot):
    scribble(canvas)
    canvas.clear()
    for step in (canvas.stack.undo, canvas.stack.undo, canvas.stack.redo, canvas.stack.redo):
        with qtbot.waitSignals([canvas.edited, canvas.stroke_finished]):
            step()


# ---- layers, example, colours --------------------------------------------------------------------

RED = QColor(210, 20, 40)
EXAMPLE = {
    "size": [128, 128],
    "items": [
        {"kind": "line", "paths": [[20, 64, 1, 108, 64, 1]], "width": 4, "colour": [0, 0, 0]}
    ],
}


def test_hints_are_colour_on_nothing(canvas):
    assert canvas.picture("hints") is None
    canvas.set_layer("hints")
    canvas.set_colour(RED)
    canvas.set_brush(20)
    pull(canvas, (60, 100), (200, 100), release=False)
    assert canvas.picture("hints").pixels[100, 100].tolist() == [210, 20, 40, 255]
    QTest.mouseRelease(canvas, LEFT, pos=at(canvas, 200, 100))
    hints = canvas.picture("hints").pixels
    assert hints[100, 100].tolist() == [210, 20, 40, 255] and hints[200, 100].tolist() == [0] * 4
    assert canvas.is_empty() and ink(canvas).min() == 255
    canvas.set_tool("eraser")
    canvas.set_brush(60)
    pull(canvas, (40, 100), (230, 100))
    assert canvas.picture("hints") is None


def test_the_example_gives_way_to_the_first_stroke(canvas):
    canvas.set_example(EXAMPLE)
    assert canvas.is_empty() and ink(canvas)[128, 60] == 0
    pull(canvas, (30, 200), (200, 200), release=False)
    assert ink(canvas)[128, 60] == 255 and ink(canvas)[200, 60] < 60
    QTest.mouseRelease(canvas, LEFT, pos=at(canvas, 200, 200))
    assert ink(canvas)[128, 60] == 255 and not canvas.is_empty()
    canvas.stack.undo()
    assert canvas.is_empty() and ink(canvas)[128, 60] == 0
    assert canvas.drawing()["items"] == []


def test_colour_hints_leave_the_example_where_it_is(canvas):
    canvas.set_example(EXAMPLE)
    canvas.set_layer("hints")
    pull(canvas, (30, 200), (200, 200), release=False)
    assert ink(canvas)[128, 60] == 0
    QTest.mouseRelease(canvas, LEFT, pos=at(canvas, 200, 200))
    assert ink(canvas)[128, 60] == 0 and canvas.picture("hints") is not None


@pytest.mark.parametrize("name, count, spots", [
    ("vertical", 0, [(60, 80), (196, 80)]),
    ("horizontal", 0, [(60, 80), (60, 176)]),
    ("both", 0, [(60, 80), (196, 80), (60, 176), (196, 176)]),
    ("radial", 4, [(60, 80), (176, 60), (196, 176), (80, 196)]),
])  # fmt: skip
def test_symmetry_repeats_every_stroke(canvas, name, count, spots):
    canvas.set_symmetry(name, count)
    canvas.set_brush(8)
    QTest.mouseClick(canvas, LEFT, pos=at(canvas, 60, 80))
    dark = ink(canvas) < 128
    assert all(dark[y, x] for x, y in spots)
    assert dark.sum() == pytest.approx(len(spots) * np.pi * 16, rel=0.12)
    assert canvas.stack.count() == 1 and agrees_with_its_recipe(canvas)


def test_the_bucket_stops_at_ink(canvas):
    canvas.set_tool("rectangle")
    pull(canvas, (60, 60), (200, 200))
    canvas.set_layer("hints")
    canvas.set_colour(RED)
    canvas.set_tool("bucket")
    QTest.mouseClick(canvas, LEFT, pos=at(canvas, 128, 128))
    alpha = canvas.picture("hints").pixels[..., 3]
    assert (
        alpha[100:160, 100:160].min() == 255 and alpha[:50].max() == 0 and alpha[:, 210:].max() == 0
    )
    QTest.mouseClick(canvas, LEFT, pos=QPoint(3, 3))  # beside the sheet
    assert canvas.stack.count() == 2 and agrees_with_its_recipe(canvas)


def test_the_eyedropper_takes_hints_before_the_photo(canvas, qtbot):
    canvas.set_reference(Picture(np.full((256, 256, 3), (10, 200, 30), np.uint8)), 0.5)
    canvas.set_layer("hints")
    canvas.set_colour(RED)
    canvas.set_brush(30)
    pull(canvas, (60, 100), (100, 100))
    canvas.set_tool("eyedropper")
    with qtbot.waitSignal(canvas.colour_picked) as picked:
        QTest.mouseClick(canvas, LEFT, pos=at(canvas, 80, 100))
    assert picked.args[0].getRgb() == RED.getRgb()
    with qtbot.waitSignal(canvas.colour_picked) as picked:
        QTest.mouseClick(canvas, LEFT, pos=at(canvas, 200, 200))
    assert picked.args[0].getRgb()[:3] == (10, 200, 30)
    assert canvas.stack.count() == 1


def test_what_is_selected_is_carried_by_mouse_and_arrows(canvas):
    canvas.set_brush(20)
    QTest.mouseClick(canvas, LEFT, pos=at(canvas, 60, 60))
    before = ink(canvas)[45:75, 45:75].copy()
    canvas.set_tool("select")
    pull(canvas, (40, 40), (80, 80))
    pull(canvas, (60, 60), (160, 110))
    after = ink(canvas)
    assert after[40:80, 40:80].min() == 255
    rows, columns = np.nonzero(after < 128)
    assert (rows.mean(), columns.mean()) == pytest.approx((109.5, 159.5), abs=1.1)
    assert (after < 255).sum() == (before < 255).sum()
    QTest.keyClick(canvas, Qt.Key.Key_Right)
    assert np.nonzero(ink(canvas) < 128)[1].mean() == columns.mean() + 1
    QTest.keyClick(canvas, Qt.Key.Key_Delete)
    assert ink(canvas).min() == 255
    assert agrees_with_its_recipe(canvas)


def test_a_stamp_is_as_large_as_it_is_pulled(canvas):
    canvas.set_stamp(EXAMPLE)
    canvas.set_tool("stamp")
    pull(canvas, (40, 40), (168, 168))
    columns = np.nonzero((ink(canvas) < 128).any(axis=0))[0]
    assert (columns[0], columns[-1]) == pytest.approx((60, 148), abs=3)
    canvas.stack.undo()
    assert ink(canvas).min() == 255


# ---- edges of a photo, fit -----------------------------------------------------------------------


@pytest.mark.parametrize("width, reach", [(1.0, 30), (14.0, 40), (3.0, 120), (8.0, 124)])
def test_fitting_makes_a_drawing_familiar(canvas, width, reach):
    canvas.set_brush(width)
    canvas.set_tool("ellipse")
    pull(canvas, (100 - reach * 0.7, 100 - reach * 0.7), (100 + reach, 100 + reach))
    canvas.set_tool("pen")
    pull(canvas, (90, 90), (100, 100), (110, 92))
    before = edges.fit(ink(canvas), STATS).score
    canvas.fit_drawing(STATS)
    found = edges.measure(ink(canvas))
    assert STATS.extent[0] - 0.02 <= found["extent"] <= STATS.extent[1] + 0.02
    assert STATS.width[0] * 0.9 <= found["width"] <= STATS.width[1] * 1.1
    assert edges.fit(ink(canvas), STATS).score >= max(before, 0.95)
    canvas.stack.undo()
    assert edges.fit(ink(canvas), STATS).score == before


@pytest.mark.parametrize("width", [1.0, 7.0])
def test_fitting_redraws_imported_lines(canvas, width):
    lines = np.zeros((256, 256), bool)
    lines[60, 60:200] = lines[200, 60:200] = lines[60:200, 60] = lines[60:201, 200] = True
    canvas.import_edges(Picture(edges.draw_lines(lines, width)))
    assert edges.fit(ink(canvas), STATS).score < 0.9
    canvas.fit_drawing(STATS)
    assert edges.fit(ink(canvas), STATS).score >= 0.95
    once = canvas.drawing()
    canvas.fit_drawing(STATS)
    assert canvas.drawing() == once and canvas.stack.count() == 2 and agrees_with_its_recipe(canvas)


def test_fitting_an_empty_sheet_is_no_step(canvas):
    canvas.fit_drawing(STATS)
    assert canvas.stack.count() == 0


def test_imported_edges_fill_the_sheet_and_keep_hints(canvas):
    canvas.set_layer("hints")
    pull(canvas, (60, 100), (100, 100))
    photo = np.full((300, 400), 255, np.uint8)
    photo[100:110] = 0
    canvas.import_edges(Picture(photo))
    assert not canvas.is_empty() and canvas.picture("hints") is not None
    assert ink(canvas)[88:92, 20:230].max() < 60 and agrees_with_its_recipe(canvas)
    canvas.stack.undo()
    assert canvas.is_empty()


def test_a_recipe_brings_the_drawing_back(canvas, qtbot):
    scribble(canvas)
    recipe, pixels = canvas.drawing(), ink(canvas).copy()
    other = SketchCanvas()
    qtbot.addWidget(other)
    other.restore(recipe)
    assert (ink(other) == pixels).all() and other.drawing() == recipe


# ---- view ----------------------------------------------------------------------------------------


def wheel(canvas, point, steps):
    spot = QPointF(point)
    event = QWheelEvent(spot, canvas.mapToGlobal(spot), QPoint(), QPoint(0, 120 * steps),
                        Qt.MouseButton.NoButton, Qt.KeyboardModifier.NoModifier,
                        Qt.ScrollPhase.NoScrollPhase, False)  # fmt: skip
    QApplication.sendEvent(canvas, event)


def test_the_wheel_zooms_at_the_cursor(canvas):
    point = at(canvas, 200, 60)
    before, zoom = canvas.to_sheet(QPointF(point)), canvas.zoom
    wheel(canvas, point, 3)
    after = canvas.to_sheet(QPointF(point))
    assert canvas.zoom > 1.3 * zoom
    assert (after.x(), after.y()) == pytest.approx((before.x(), before.y()), abs=0.01)
    canvas.zoom_fit()
    assert canvas.zoom == pytest.approx(zoom)


def test_space_pans_and_draws_nothing(canvas):
    before = at(canvas, 0, 0)
    QTest.keyPress(canvas, Qt.Key.Key_Space)
    pull(canvas, (100, 100), (120, 110))
    QTest.keyRelease(canvas, Qt.Key.Key_Space)
    moved = at(canvas, 0, 0) - before
    assert moved.x() == pytest.approx(20 * canvas.zoom, abs=2) and canvas.stack.count() == 0
    pull(canvas, (100, 100), (120, 110))
    assert canvas.stack.count() == 1


def test_a_small_dab_repaints_a_small_part(canvas, qtbot):
    canvas.new_sheet((2048, 2048))
    pull(canvas, (280, 300), (290, 300))  # the first stroke takes the invitation away
    QApplication.processEvents()
    areas = []
    original = canvas.paintEvent
    canvas.paintEvent = lambda event: (areas.append(event.region().boundingRect()), original(event))
    pull(canvas, (300, 300), (340, 300), release=False)
    qtbot.waitUntil(lambda: bool(areas))
    assert max(a.width() * a.height() for a in areas) < 0.05 * canvas.width() * canvas.height()
    QTest.mouseRelease(canvas, LEFT, pos=at(canvas, 340, 300))


def test_thin_lines_of_a_large_sheet_stay_whole_when_shown_small(canvas):
    canvas.resize(400, 400)
    canvas.new_sheet((2048, 2048))
    canvas.set_brush(3)
    canvas.set_tool("line")
    pull(canvas, (200, 1000), (1800, 1090))
    shown = canvas.grab().toImage()
    y = [at(canvas, x, 1000 + 90 * (x - 200) / 1600).y() for x in range(300, 1700, 7)]
    x = [at(canvas, x, 1000).x() for x in range(300, 1700, 7)]
    ridge = [min(shown.pixelColor(a, b + d).lightness() for d in (-1, 0, 1)) for a, b in zip(x, y)]
    assert max(ridge) < 235, "the line is broken"


def test_drops(canvas, qtbot, tmp_path):
    picture = Picture(np.zeros((4, 4, 3), np.uint8))

    def drop(mime):
        how = Qt.DropAction.CopyAction, mime, LEFT, Qt.KeyboardModifier.NoModifier
        enter = QDragEnterEvent(QPoint(50, 50), *how)
        canvas.dragEnterEvent(enter)
        assert enter.isAccepted()
        canvas.dropEvent(QDropEvent(QPointF(50, 50), *how))

    mime = mime_for(picture, [tmp_path / "a.png"])
    with qtbot.waitSignal(canvas.files_dropped) as dropped:
        drop(mime)
    assert dropped.args == [[str(tmp_path / "a.png")]]
    bare = mime_for(picture)
    with qtbot.waitSignal(canvas.picture_dropped) as dropped:
        drop(bare)
    assert dropped.args == [picture]


def test_a_pen_that_comes_twice_draws_once(canvas):
    kinds = QEvent.Type
    tablet(canvas, kinds.TabletPress, (40, 60), 0.5)
    imitation(canvas, kinds.MouseButtonPress, (40, 60))
    tablet(canvas, kinds.TabletMove, (200, 60), 0.5)
    imitation(canvas, kinds.MouseMove, (200, 160))
    tablet(canvas, kinds.TabletRelease, (200, 60), 0.0)
    imitation(canvas, kinds.MouseButtonRelease, (200, 60))
    imitation(canvas, kinds.MouseButtonPress, (90, 90))  # some systems send them late
    imitation(canvas, kinds.MouseButtonRelease, (90, 200))
    assert canvas.stack.count() == 1 and ink(canvas)[90:].min() == 255


def imitation(canvas, kind, point):
    """The mouse event that a system makes of a pen's."""
    spot = QPointF(at(canvas, *point))
    button = LEFT if kind != QEvent.Type.MouseMove else Qt.MouseButton.NoButton
    event = QMouseEvent(
        kind, spot, spot, canvas.mapToGlobal(spot), button, LEFT, Qt.KeyboardModifier.NoModifier,
        Qt.MouseEventSource.MouseEventSynthesizedBySystem,
    )  # fmt: skip
    QApplication.sendEvent(canvas, event)


def test_a_leaning_pen_draws_wider(canvas):
    canvas.set_brush(10)
    widths = []
    for row, tilt in ((60, 0), (130, 45), (200, 75)):
        tablet_stroke(canvas, [(40, row, 0.5), (120, row, 0.5), (220, row, 0.5)], tilt=tilt)
        widths.append((ink(canvas)[row - 25 : row + 25, 120] < 128).sum())
    assert widths[0] == pytest.approx(5, abs=1) and widths[2] == pytest.approx(9, abs=1)
    assert widths[0] < widths[1] < widths[2]
    assert agrees_with_its_recipe(canvas)


def test_a_pen_pans_too(canvas):
    before = at(canvas, 0, 0)
    QTest.keyPress(canvas, Qt.Key.Key_Space)
    tablet_stroke(canvas, [(100, 100, 1.0), (120, 110, 1.0)])
    QTest.keyRelease(canvas, Qt.Key.Key_Space)
    assert (at(canvas, 0, 0) - before).x() > 10 and canvas.stack.count() == 0


def test_a_pinch_zooms_and_gives_up_what_the_first_finger_drew(canvas):
    pull(canvas, (100, 100), (120, 110), release=False)
    before = canvas.zoom
    spot = QPointF(at(canvas, 150, 150))
    held = canvas.to_sheet(spot)
    event = QNativeGestureEvent(
        Qt.NativeGestureType.ZoomNativeGesture, QPointingDevice.primaryPointingDevice(), 2, spot,
        spot, canvas.mapToGlobal(spot), 0.25, QPointF(),
    )  # fmt: skip
    QApplication.sendEvent(canvas, event)
    QTest.mouseRelease(canvas, LEFT, pos=at(canvas, 120, 110))
    assert canvas.zoom == pytest.approx(1.25 * before)
    there = canvas.to_view(held)
    assert (there.x(), there.y()) == pytest.approx((spot.x(), spot.y()), abs=0.01)
    assert ink(canvas).min() == 255 and canvas.stack.count() == 0


# ---- the example becomes a drawing ---------------------------------------------------------------


@pytest.mark.parametrize("layer, tool", [("hints", "pen"), ("hints", "bucket"), ("ink", "eraser")])
def test_who_works_on_the_example_gets_it_as_a_drawing(canvas, layer, tool):
    canvas.set_example(EXAMPLE)
    canvas.set_layer(layer)
    canvas.set_tool(tool)
    canvas.set_brush(12)
    QTest.mouseClick(canvas, LEFT, pos=at(canvas, 128, 128 if layer == "ink" else 40))
    assert not canvas.is_empty() and canvas.stack.count() == 2
    assert ink(canvas)[128, 60] == 0 and agrees_with_its_recipe(canvas)
    if tool == "bucket":  # it stops at the example's line
        filled = canvas.picture("hints").pixels[..., 3] > 0
        assert filled[60, 128] and not filled[128, 128]
    if tool == "eraser":
        assert ink(canvas)[128, 128] == 255
    canvas.stack.undo()
    assert canvas.picture("hints") is None and ink(canvas)[128, 128] == 0
    canvas.stack.undo()
    assert canvas.is_empty() and canvas.drawing()["items"] == [] and ink(canvas)[128, 60] == 0


def test_giving_up_a_first_stroke_brings_the_example_back(canvas):
    canvas.set_example(EXAMPLE)
    pull(canvas, (30, 200), (200, 200), release=False)
    assert ink(canvas)[128, 60] == 255
    QTest.keyClick(canvas, Qt.Key.Key_Escape)
    QTest.mouseRelease(canvas, LEFT, pos=at(canvas, 200, 200))
    assert ink(canvas)[128, 60] == 0 and canvas.is_empty()
    shown = canvas.grab().toImage().pixelColor(at(canvas, 60, 128)).lightness()
    assert 100 < shown < 220, "it is faint again"


@pytest.mark.parametrize("layer", ["ink", "hints"])
def test_erasing_nothing_is_no_step(canvas, layer):
    canvas.set_layer(layer)
    canvas.set_tool("eraser")
    pull(canvas, (30, 30), (200, 200))
    assert canvas.stack.count() == 0 and canvas.is_empty()


def test_backspace_takes_the_last_corner_back(canvas):
    canvas.set_tool("polygon")
    for point in ((60, 60), (200, 60), (128, 200)):
        QTest.mouseClick(canvas, LEFT, pos=at(canvas, *point))
    QTest.keyClick(canvas, Qt.Key.Key_Backspace)
    assert ink(canvas)[180:].min() == 255 and ink(canvas)[60, 128] < 60
    QTest.mouseClick(canvas, LEFT, pos=at(canvas, 200, 120))
    QTest.keyClick(canvas, Qt.Key.Key_Return)
    (item,) = canvas.drawing()["items"]
    assert len(item["paths"][0]) == 9
    QTest.mouseClick(canvas, LEFT, pos=at(canvas, 20, 20))
    QTest.keyClick(canvas, Qt.Key.Key_Backspace)
    assert canvas.stack.count() == 1 and ink(canvas)[:40].min() == 255


def test_escape_lets_a_selection_go(canvas):
    scribble(canvas)
    canvas.set_tool("select")
    pull(canvas, (40, 40), (180, 180))
    assert canvas.selection is not None
    QTest.keyClick(canvas, Qt.Key.Key_Escape)
    QTest.keyClick(canvas, Qt.Key.Key_Right)
    assert canvas.selection is None and canvas.stack.count() == 1


# ---- what is painted -----------------------------------------------------------------------------


def accent_pixels(canvas):
    shown = from_qimage(canvas.grab().toImage()).pixels[..., :3].astype(int)
    return (shown[..., 0] - shown[..., 2] > 60).sum(axis=0)


def test_guides_show_where_the_drawing_mirrors(canvas):
    assert accent_pixels(canvas).max() == 0
    canvas.set_symmetry("vertical")
    columns = accent_pixels(canvas)
    middle = at(canvas, 128, 0).x()
    assert columns[middle - 1 : middle + 2].sum() > 100 and columns[: middle - 3].max() == 0
    canvas.set_symmetry("none")
    assert accent_pixels(canvas).max() == 0


def test_mirrored_dabs_repaint_only_themselves(canvas, qtbot):
    canvas.new_sheet((2048, 2048))
    pull(canvas, (900, 900), (910, 900))  # the first stroke takes the invitation away
    canvas.set_symmetry("both")
    QApplication.processEvents()
    painted = []
    original = canvas.paintEvent
    canvas.paintEvent = lambda event: (painted.append(QRegion(event.region())), original(event))
    pull(canvas, (300, 300), (340, 300), release=False)
    qtbot.waitUntil(lambda: bool(painted))
    area = sum(r.width() * r.height() for region in painted for r in parts(region))
    assert area < 0.08 * canvas.width() * canvas.height()
    QTest.mouseRelease(canvas, LEFT, pos=at(canvas, 340, 300))
    assert agrees_with_its_recipe(canvas)


def test_parts_painted_alone_look_like_the_whole(canvas):
    """After many small repaints the widget shows what one full repaint shows."""
    canvas.new_sheet((700, 900))
    canvas.set_symmetry("radial", 5)
    canvas.set_brush(5)
    canvas.leaveEvent(None)  # no ring
    store = QImage(canvas.size(), QImage.Format.Format_RGB32)
    canvas.render(store)
    areas = []
    canvas.paper.changed.connect(lambda r: areas.extend(canvas.view.shown(a) for a in parts(r)))
    pull(canvas, *[(200 + 9 * n, 300 + (n * n) % 50) for n in range(30)])
    canvas.leaveEvent(None)
    for area in areas:
        canvas.render(store, area.topLeft(), QRegion(area))
    whole = QImage(store.size(), store.format())
    canvas.render(whole)
    one, two = (from_qimage(image).pixels.astype(int) for image in (store, whole))
    assert abs(one - two).max() <= 3


def test_a_fill_keeps_only_the_tiles_it_changed(canvas):
    canvas.new_sheet((1024, 1024))
    canvas.set_tool("rectangle")
    pull(canvas, (100, 100), (220, 220))
    canvas.set_tool("bucket")
    QTest.mouseClick(canvas, LEFT, pos=at(canvas, 160, 160))
    assert 0 < len(canvas.stack.command(1).tiles) <= 4
    canvas.stack.undo()
    assert ink(canvas)[160, 160] == 255 and agrees_with_its_recipe(canvas)


def test_a_large_reference_is_light_and_its_colours_can_be_picked(canvas, qtbot):
    photo = np.zeros((3000, 4000, 3), np.uint8)
    photo[:, 2000:] = (10, 200, 30)
    canvas.set_reference(Picture(photo), 0.5)
    light = canvas._reference.image
    assert max(light.width(), light.height()) == 2048
    canvas.set_tool("eyedropper")
    with qtbot.waitSignal(canvas.colour_picked) as picked:
        QTest.mouseClick(canvas, LEFT, pos=at(canvas, 200, 128))
    assert picked.args[0].getRgb()[:3] == (10, 200, 30)


@pytest.mark.parametrize("way", ["pull", "arrow"])
def test_what_is_carried_of_the_example_becomes_a_drawing(canvas, way):
    canvas.set_example(EXAMPLE)
    canvas.set_tool("select")
    pull(canvas, (20, 110), (240, 146))
    if way == "pull":
        pull(canvas, (128, 128), (128, 168))
    else:
        for _ in range(4):
            QTest.keyClick(canvas, Qt.Key.Key_Down, SHIFT)
    assert ink(canvas)[168, 128] == 0 and ink(canvas)[128, 128] == 255
    assert canvas.selection is not None and agrees_with_its_recipe(canvas)
    while canvas.stack.canUndo():
        canvas.stack.undo()
    assert canvas.is_empty() and ink(canvas)[128, 128] == 0


def test_a_pen_lifted_slowly_leaves_no_blob(canvas):
    canvas.set_brush(20)
    tablet_stroke(canvas, [(40 + 6 * n, 128, max(1 - n / 24, 0.0)) for n in range(25)])
    dark = (ink(canvas) < 128).sum(axis=0)
    assert dark[60] > 15 and dark[176:].max() <= 6 and agrees_with_its_recipe(canvas)


@pytest.mark.parametrize("seed", range(4))
def test_whatever_one_does_pixels_recipe_and_undo_agree(canvas, monkeypatch, seed):
    chance = np.random.default_rng(seed)
    monkeypatch.setattr("app.widgets.canvas_paper.UNDO_BYTES", 400_000)
    canvas.set_stamp(EXAMPLE)
    canvas.set_example(EXAMPLE)
    tools = [
        "pen",
        "eraser",
        "line",
        "rectangle",
        "ellipse",
        "polygon",
        "bucket",
        "select",
        "stamp",
    ]
    others = [
        canvas.stack.undo,
        canvas.stack.redo,
        lambda: QTest.keyClick(canvas, Qt.Key.Key_Escape),
        lambda: QTest.keyClick(canvas, Qt.Key.Key_Return),
        lambda: canvas.fit_drawing(STATS),
        canvas.clear,
    ]

    def spot():
        return tuple(int(v) for v in chance.integers(-20, 276, 2))

    for _ in range(60):
        canvas.set_tool(str(chance.choice(tools)))
        canvas.set_layer(str(chance.choice(["ink", "hints"])))
        canvas.set_symmetry(str(chance.choice(["none", "vertical", "both", "radial"])), 3)
        canvas.set_brush(float(chance.integers(1, 30)))
        points = [spot() for _ in range(int(chance.integers(1, 5)))]
        pull(canvas, *points, release=False)
        if chance.random() < 0.4:
            others[int(chance.choice(len(others), p=[0.4, 0.2, 0.1, 0.1, 0.1, 0.1]))]()
        QTest.mouseRelease(canvas, LEFT, pos=at(canvas, *points[-1]))
        if canvas.paper._live_layer == "":
            assert agrees_with_its_recipe(canvas)
    canvas.set_tool("pen")
    items, steps = canvas.drawing()["items"], canvas.stack.index()
    end = ink(canvas).copy()
    while canvas.stack.canUndo():
        canvas.stack.undo()
    assert canvas.drawing()["items"] == []
    assert (np.array(view(canvas.layers.ink)) == 255).all()
    assert ink(canvas)[128, 128] == 0, "the example is back"
    canvas.stack.setIndex(steps)
    assert canvas.drawing()["items"] == items and (ink(canvas) == end).all()


@pytest.mark.parametrize(
    "size", [(1, 1), (1, 7), (3, 2), (257, 129), (1, 2048), (2048, 1), (2048, 2048)], ids=str
)
def test_every_tool_works_on_a_sheet_of_any_size(canvas, size):
    canvas.new_sheet(size)
    canvas.set_stamp(EXAMPLE)
    paper = canvas.view.area().toAlignedRect()
    for tool in canvas._tools:
        canvas.set_tool(tool)
        QTest.mousePress(canvas, LEFT, pos=paper.topLeft() + QPoint(1, 1))
        move(canvas, paper.center())
        QTest.mouseRelease(canvas, LEFT, pos=paper.bottomRight())
        QTest.keyClick(canvas, Qt.Key.Key_Return)
        QTest.mouseClick(canvas, LEFT, pos=paper.center())
        QTest.keyClick(canvas, Qt.Key.Key_Escape)
    canvas.fit_drawing(STATS)
    assert agrees_with_its_recipe(canvas)
    assert ink(canvas).shape == size[::-1] and not canvas.grab().isNull()
    while canvas.stack.canUndo():
        canvas.stack.undo()
    assert ink(canvas).min() == 255 and canvas.picture("hints") is None


@pytest.mark.parametrize("size", [(1, 1), (96, 64)], ids=str)
def test_fitting_a_picture_that_is_ink_all_over_ends_and_keeps_it(canvas, size):
    canvas.new_sheet(size)
    canvas.import_edges(Picture(np.zeros((30, 40), np.uint8)))
    canvas.fit_drawing(STATS)
    assert ink(canvas)[size[1] // 2, size[0] // 2] == 0 and agrees_with_its_recipe(canvas)


MIDDLE = Qt.MouseButton.MiddleButton


@pytest.mark.parametrize("first, second", [(LEFT, MIDDLE), (MIDDLE, LEFT)], ids=["draw", "pan"])
def test_one_drag_at_a_time(canvas, first, second):
    spot = at(canvas, 60, 60)
    QTest.mousePress(canvas, first, pos=spot)
    QTest.mousePress(canvas, second, pos=spot)
    for button in (LEFT, MIDDLE):
        QTest.mouseRelease(canvas, button, pos=spot)
    assert not canvas._tool.busy and canvas.stack.count() == (first == LEFT)
    before = canvas.stack.count()
    scribble(canvas, 150)
    assert canvas.stack.count() == before + 1 and agrees_with_its_recipe(canvas)


@pytest.mark.parametrize("name", ["line", "eraser", "pen"])
def test_a_tool_chosen_while_the_other_end_erases_stays_chosen(canvas, name):
    scribble(canvas)
    before = ink(canvas).copy()
    kinds, end = QEvent.Type, QPointingDevice.PointerType.Eraser
    tablet(canvas, kinds.TabletPress, (30, 60), 0.5, pen=end)
    tablet(canvas, kinds.TabletMove, (70, 90), 0.5, pen=end)
    canvas.set_tool(name)
    tablet(canvas, kinds.TabletRelease, (70, 90), 0.0, pen=end)
    assert canvas._tool.name == name
    assert (ink(canvas) == before).all() and canvas.stack.count() == 1


def test_carrying_nothing_is_no_step(canvas):
    canvas.set_tool("select")
    for key in (Qt.Key.Key_Right, Qt.Key.Key_Delete):
        pull(canvas, (20, 100), (120, 150))
        QTest.keyClick(canvas, key)
    pull(canvas, (20, 100), (120, 150))
    pull(canvas, (50, 120), (70, 130))
    assert canvas.stack.count() == 0 and canvas.is_empty()
    canvas.set_tool("pen")
    canvas.set_layer("hints")
    pull(canvas, (40, 120), (60, 120))
    canvas.set_tool("select")
    pull(canvas, (20, 100), (120, 150))
    QTest.keyClick(canvas, Qt.Key.Key_Delete)
    assert canvas.stack.count() == 2 and canvas.picture("hints") is None


def test_zooming_beside_the_sheet_keeps_it_in_sight(canvas):
    for _ in range(12):
        wheel(canvas, QPoint(2, 2), 3)
    assert canvas.zoom > 20 and canvas.view.area().intersects(canvas.rect().toRectF())


@pytest.mark.parametrize("name", ["none", "vertical", "horizontal", "both", "radial"])
def test_symmetry_repeats_stamps(canvas, name):
    canvas.set_stamp(EXAMPLE)
    canvas.set_tool("stamp")
    canvas.set_symmetry(name, 4)
    pull(canvas, (30, 30), (100, 100))
    lines = ink(canvas) < 128
    expected = np.zeros_like(lines)
    canvas.stack.undo()
    canvas.set_symmetry("none")
    pull(canvas, (30, 30), (100, 100))
    once = ink(canvas) < 128
    mirrored = {
        "none": [once],
        "vertical": [once, once[:, ::-1]],
        "horizontal": [once, once[::-1]],
        "both": [once, once[:, ::-1], once[::-1], once[::-1, ::-1]],
        "radial": [np.rot90(once, n) for n in range(4)],
    }[name]
    for part in mirrored:
        expected |= part
    assert (lines != expected).sum() <= 0.1 * expected.sum(), "but for soft edges"
    canvas.stack.undo()
    assert ink(canvas).min() == 255 and agrees_with_its_recipe(canvas)
