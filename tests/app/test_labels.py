"""Walks on the label canvas with real mouse events: every pixel keeps an exact number."""

import json

import numpy as np
import pytest
from PySide6.QtCore import QEvent, QObject, QPoint, QPointF, Qt
from PySide6.QtGui import QRegion, QUndoStack
from PySide6.QtTest import QTest

from app.drawing import Drawing, Fill, Move, Raster, Stroke
from app.labels import LabelLayers, Legend
from app.widgets.canvas_labels import LabelCanvas, traced
from engines.job import Picture

LEFT = Qt.MouseButton.LeftButton
LEGEND = Legend(
    "three", "Three", ("sky", "wall", "window", "door"),
    ((70, 130, 180), (120, 60, 40), (10, 20, 200), (200, 200, 0)), ground=0, known=3,
)  # fmt: skip
LOOKS = Legend("looks", "Looks", ("as chosen", "one", "two"), ((0, 0, 0), (9, 9, 9), (99, 0, 0)))


@pytest.fixture
def canvas(qtbot):
    made = LabelCanvas()
    qtbot.addWidget(made)
    made.set_undo_stack(QUndoStack(made))
    made.resize(600, 560)
    made.set_legend(LEGEND, LOOKS)
    made.new_sheet((64, 48))
    made.set_smoothing(0.0)
    made.set_label(1)
    made.show()
    qtbot.waitExposed(made)
    return made


def pull(canvas, *points):
    there = [canvas.to_view(QPointF(x, y)).toPoint() for x, y in points]
    QTest.mousePress(canvas, LEFT, pos=there[0])
    for place in there[1:]:
        QTest.mouseMove(canvas, place)
    QTest.mouseRelease(canvas, LEFT, pos=there[-1])


def click(canvas, x, y):
    QTest.mouseClick(canvas, LEFT, pos=canvas.to_view(QPointF(x, y)).toPoint())


def numbers(canvas, layer="labels"):
    picture = canvas.picture(layer)
    return None if picture is None else picture.pixels


def colours(canvas):
    canvas.layers.shown("shown", 1)
    return canvas.layers.numbers("shown").copy()


def rectangle(canvas, label, *corners):
    canvas.set_tool("rectangle")
    canvas.set_label(label)
    pull(canvas, *corners)


def agrees_with_its_recipe(canvas):
    drawing = Drawing.from_json(json.loads(json.dumps(canvas.drawing())))
    layers = LabelLayers(drawing.size)
    layers.render(drawing)
    return drawing == canvas.vectors and all(
        layers.picture(n) == canvas.layers.picture(n) for n in ("labels", "objects", "looks")
    )


# ---- numbers -------------------------------------------------------------------------------------


def test_every_number_is_painted_exactly():
    for label in range(256):
        layers = LabelLayers((9, 9))
        path = ((1.5, 1.5, 1.0), (7.5, 7.5, 0.6))
        stroke = Stroke("pen", (path,), 3.0, layer="labels", label=label, object=label * 65793)
        layers.render(Drawing((9, 9), (stroke,), "three", ground=255 - label))
        assert set(np.unique(layers.numbers("labels"))) == {label, 255 - label}
        assert set(np.unique(layers.objects())) == {0, label * 65793}


def test_shapes_are_filled_to_the_pixel():
    layers = LabelLayers((20, 10))
    corners = tuple((x, y, 1.0) for x, y in ((3, 2), (11, 2), (11, 7), (3, 7)))
    layers.render(
        Drawing((20, 10), (Stroke("rectangle", (corners,), 5.0, layer="labels", label=2),))
    )
    wanted = np.zeros((10, 20), np.uint8)
    wanted[2:7, 3:11] = 2
    assert np.array_equal(layers.numbers("labels"), wanted)


def test_a_polygon_that_crosses_itself_has_no_hole():
    layers = LabelLayers((40, 40))
    star = ((20, 2), (30, 36), (3, 14), (37, 14), (10, 36))
    path = tuple((float(x), float(y), 1.0) for x, y in star)
    layers.render(Drawing((40, 40), (Stroke("polygon", (path,), 1.0, layer="labels", label=3),)))
    assert layers.numbers("labels")[20, 20] == 3


def test_a_picture_of_numbers_is_laid_without_mixing():
    given = np.array([[0, 7], [200, 3]], np.uint8)
    objects = np.array([[[0, 0, 9], [1, 0, 0]], [[0, 1, 0], [0, 0, 0]]], np.uint8)
    layers = LabelLayers((8, 6))
    drawing = traced("p", 0, {"labels": Picture(given), "objects": Picture(objects)}).scaled((8, 6))
    layers.render(drawing)
    assert np.array_equal(layers.numbers("labels"), given.repeat(3, 0).repeat(4, 1))
    assert layers.picture("objects").pixels[0, 0].tolist() == [0, 0, 9]
    assert layers.picture("objects").pixels[0, 7].tolist() == [1, 0, 0]


def test_what_is_lifted_leaves_what_is_around_it():
    layers = LabelLayers((30, 20))
    wall = Raster(Picture(np.full((20, 30), 1, np.uint8)), (0, 0, 30, 20), "labels")
    window = Stroke("rectangle", (((4, 4, 1), (10, 4, 1), (10, 10, 1), (4, 10, 1)),), 1.0,
                    layer="labels", label=2, object=5)  # fmt: skip
    layers.render(Drawing((30, 20), (wall, window, Move((4, 4, 6, 6), (20, 8, 6, 6)))))
    labels = layers.numbers("labels")
    assert (labels[4:10, 4:10] == 1).all() and (labels[8:14, 20:26] == 2).all()
    assert (layers.objects()[8:14, 20:26] == 5).all()
    assert (labels == 2).sum() == 36


def test_a_bucket_stays_within_class_and_object():
    layers = LabelLayers((12, 4))
    left = Stroke("rectangle", (((0, 0, 1), (6, 0, 1), (6, 4, 1), (0, 4, 1)),), 1.0,
                  layer="labels", label=2, object=1)  # fmt: skip
    right = Stroke("rectangle", (((6, 0, 1), (12, 0, 1), (12, 4, 1), (6, 4, 1)),), 1.0,
                   layer="labels", label=2, object=2)  # fmt: skip
    layers.render(Drawing((12, 4), (left, right, Fill(((1, 1, 1),), layer="labels", label=3))))
    assert (layers.numbers("labels")[:, :6] == 3).all()
    assert (layers.numbers("labels")[:, 6:] == 2).all()
    assert not layers.objects()[:, :6].any()


def test_a_damaged_number_is_brought_into_range():
    body = {"size": [4, 4], "palette": "p", "ground": -3, "items": [
        {"kind": "fill", "seeds": [1, 1, 1], "layer": "labels", "label": 999, "object": 1 << 40}
    ]}  # fmt: skip
    drawing = Drawing.from_json(body)
    assert (drawing.ground, drawing.items[0].label) == (0, 255)
    assert drawing.items[0].object == (1 << 24) - 1


# ---- the canvas under the hand -------------------------------------------------------------------


def test_tools_paint_the_class_and_the_recipe_gives_the_same(canvas):
    rectangle(canvas, 1, (10, 8), (50, 44))
    rectangle(canvas, 2, (14, 12), (24, 24))
    canvas.set_tool("pen")
    canvas.set_brush(4)
    canvas.set_label(3)
    pull(canvas, (30, 20), (36, 30), (44, 22))
    canvas.set_tool("ellipse")
    pull(canvas, (40, 30), (48, 40))
    canvas.set_tool("bucket")
    canvas.set_label(1)
    click(canvas, 2, 2)
    labels = numbers(canvas)
    assert labels[2, 2] == 1 and labels[16, 18] == 2 and labels[35, 44] == 3
    assert set(np.unique(labels)) == {1, 2, 3}
    assert agrees_with_its_recipe(canvas)


def test_the_eraser_brings_the_ground_back(canvas):
    rectangle(canvas, 1, (0, 0), (64, 48))
    canvas.set_tool("eraser")
    canvas.set_brush(10)
    pull(canvas, (20, 20), (30, 20))
    labels = numbers(canvas)
    assert labels[20, 25] == LEGEND.ground and labels[40, 40] == 1
    assert agrees_with_its_recipe(canvas)


def test_undo_and_redo_are_exact_and_without_end(canvas, monkeypatch):
    monkeypatch.setattr("app.widgets.canvas_paper.UNDO_BYTES", 60_000)
    canvas.set_apart(True)
    states = [numbers(canvas)]
    for n in range(12):
        rectangle(canvas, n % 4, (n * 3, n * 2), (n * 3 + 20, n * 2 + 16))
        states.append(numbers(canvas))
    for wanted in reversed(states[:-1]):
        canvas.stack.undo()
        assert np.array_equal(numbers(canvas), wanted)
    assert numbers(canvas, "objects") is None and canvas.is_empty()
    for wanted in states[1:]:
        canvas.stack.redo()
        assert np.array_equal(numbers(canvas), wanted)
    assert numbers(canvas, "objects").max() == 12


def test_apart_every_stroke_is_an_object(canvas):
    canvas.set_apart(True)
    rectangle(canvas, 2, (4, 4), (20, 20))
    rectangle(canvas, 2, (20, 4), (40, 20))  # they touch
    canvas.set_apart(False)
    rectangle(canvas, 2, (44, 4), (60, 20))
    objects = numbers(canvas, "objects")
    assert [int(objects[10, x]) for x in (10, 30, 50)] == [1, 2, 0]
    border = colours(canvas)[10, 19]
    assert border != colours(canvas)[10, 18]  # the border is seen
    assert agrees_with_its_recipe(canvas)


def test_mirror_images_are_objects_of_their_own(canvas):
    canvas.set_apart(True)
    canvas.set_symmetry("vertical")
    rectangle(canvas, 2, (4, 4), (20, 20))
    objects = numbers(canvas, "objects")
    assert (int(objects[10, 10]), int(objects[10, 54])) == (1, 2)
    canvas.set_tool("bucket")
    canvas.set_label(3)
    click(canvas, 10, 10)
    objects = numbers(canvas, "objects")
    assert (int(objects[10, 10]), int(objects[10, 54])) == (3, 4)
    assert agrees_with_its_recipe(canvas)


def test_looks_are_given_to_whole_objects_and_lost_with_them(canvas):
    rectangle(canvas, 1, (0, 0), (64, 48))
    rectangle(canvas, 2, (10, 10), (20, 20))
    canvas.set_layer("looks")
    canvas.set_label(2)
    canvas.set_tool("bucket")
    click(canvas, 15, 15)
    looks = numbers(canvas, "looks")
    assert (looks[10:20, 10:20] == 2).all() and looks.sum() == 200
    canvas.set_layer("labels")
    canvas.set_label(3)
    click(canvas, 15, 15)
    assert numbers(canvas)[15, 15] == 3 and numbers(canvas, "looks") is None


def test_a_stroke_on_the_example_adds_to_it(canvas):
    example = Drawing((64, 48), (Stroke(
        "rectangle", (((8, 8, 1), (56, 8, 1), (56, 40, 1), (8, 40, 1)),), 1.0,
        layer="labels", label=1),), "three")  # fmt: skip
    canvas.set_example(example.to_json())
    assert canvas.is_empty() and numbers(canvas)[20, 20] == 1
    rectangle(canvas, 2, (20, 20), (30, 30))
    assert numbers(canvas)[10, 10] == 1 and numbers(canvas)[25, 25] == 2
    assert agrees_with_its_recipe(canvas)
    canvas.stack.undo()
    canvas.stack.undo()
    assert canvas.is_empty() and numbers(canvas)[20, 20] == 1
    canvas.set_tool("eraser")
    canvas.set_brush(6)
    pull(canvas, (20, 20), (30, 20))
    assert numbers(canvas)[20, 25] == LEGEND.ground and numbers(canvas)[36, 50] == 1


class Painted(QObject):
    """What was painted of a widget since it watches."""

    def __init__(self):
        super().__init__()
        self.region = QRegion()

    def eventFilter(self, watched, event):
        if event.type() == QEvent.Type.Paint:
            self.region += event.region()
        return False


def test_the_words_about_the_example_leave_no_trace(canvas, qtbot):
    """The sheet lies above the corner that they stand in, so that painting it would not do."""
    example = Drawing((64, 48), (Stroke(
        "rectangle", (((8, 8, 1), (56, 8, 1), (56, 20, 1), (8, 20, 1)),), 1.0,
        layer="labels", label=1),), "three")  # fmt: skip
    canvas.set_example(example.to_json())
    qtbot.waitUntil(lambda: "example" in canvas.chip())
    canvas.repaint()
    seen = Painted()
    canvas.installEventFilter(seen)
    canvas.set_example(None)
    qtbot.waitUntil(lambda: seen.region.contains(canvas.rect().bottomRight() - QPoint(1, 1)))
    assert "example" not in canvas.chip()


def test_the_pointer_names_the_class_and_the_eyedropper_takes_it(canvas, qtbot):
    rectangle(canvas, 2, (20, 20), (40, 40))
    with qtbot.waitSignal(canvas.hovered, check_params_cb=lambda n: n == 2):
        QTest.mouseMove(canvas, canvas.to_view(QPointF(30, 30)).toPoint())
    assert canvas.chip().startswith("window")
    with qtbot.waitSignal(canvas.hovered, check_params_cb=lambda n: n == -1):
        QTest.mouseMove(canvas, canvas.to_view(QPointF(-4, 30)).toPoint())
    canvas.set_tool("eyedropper")
    with qtbot.waitSignal(canvas.label_picked) as picked:
        click(canvas, 30, 30)
    assert picked.args == [2]


def test_a_lit_class_stands_out_and_the_numbers_stay(canvas):
    rectangle(canvas, 2, (20, 20), (40, 40))
    before, shown = numbers(canvas), colours(canvas)
    canvas.light(2)
    now = colours(canvas)
    assert now[30, 30] == shown[30, 30] and now[5, 5] != shown[5, 5]
    canvas.light(-1)
    assert np.array_equal(colours(canvas), shown)
    assert np.array_equal(numbers(canvas), before)


def test_a_stamp_brings_objects_of_its_own(canvas):
    door = Stroke("rectangle", (((2, 2, 1), (8, 2, 1), (8, 18, 1), (2, 18, 1)),), 1.0,
                  layer="labels", label=3, object=1)  # fmt: skip
    canvas.set_stamp(Drawing((10, 20), (door,), "three").to_json())
    canvas.set_apart(True)
    canvas.set_tool("stamp")
    pull(canvas, (4, 4), (14, 24))
    pull(canvas, (30, 4), (40, 24))
    objects = numbers(canvas, "objects")
    assert (int(objects[14, 9]), int(objects[14, 35])) == (1, 2)
    canvas.set_apart(False)
    pull(canvas, (50, 4), (60, 24))
    assert numbers(canvas)[14, 55] == 3 and numbers(canvas, "objects")[14, 55] == 0


def test_a_map_from_elsewhere_brings_its_size_and_goes_again(canvas):
    rectangle(canvas, 1, (0, 0), (30, 30))
    before = numbers(canvas)
    given = Picture(np.arange(20 * 10, dtype=np.uint8).reshape(10, 20) % 4)
    canvas.import_map("Label map", traced("three", 0, {"labels": given}))
    assert canvas.vectors.size == (20, 10) and canvas.picture("labels") == given
    canvas.stack.undo()
    assert np.array_equal(numbers(canvas), before)


def test_another_sheet_leaves_this_one_as_it_is(canvas, qtbot):
    from app.widgets.canvas_paper import Paper

    rectangle(canvas, 1, (0, 0), (30, 30))
    first, before = canvas.paper, numbers(canvas)
    other = Paper(canvas.made_layers, (32, 32), canvas)
    other.stack = canvas.stack
    canvas.lay(other)
    with qtbot.assertNotEmitted(canvas.edited, wait=20):
        first.changed.emit(canvas.layers.rect)
    rectangle(canvas, 2, (0, 0), (10, 10))
    assert canvas.vectors.size == (32, 32) and numbers(canvas)[5, 5] == 2
    canvas.lay(first)
    assert np.array_equal(numbers(canvas), before)


def test_what_is_selected_moves_and_leaves_the_wall(canvas):
    rectangle(canvas, 1, (0, 0), (64, 48))
    rectangle(canvas, 2, (10, 10), (18, 20))
    canvas.set_tool("select")
    pull(canvas, (9, 9), (19, 21))
    pull(canvas, (14, 14), (44, 24))
    labels = numbers(canvas)
    assert labels[14, 14] == 1 and labels[24, 44] == 2 and (labels == 2).sum() == 80
    QTest.keyClick(canvas, Qt.Key.Key_Delete)
    assert (numbers(canvas) == 1).all()
    assert agrees_with_its_recipe(canvas)


def test_objects_are_numbered_on_from_those_of_a_recipe(canvas):
    canvas.set_apart(True)
    for n in range(3):
        rectangle(canvas, 2, (n * 20, 4), (n * 20 + 10, 20))
    recipe = canvas.drawing()
    canvas.new_sheet((64, 48))
    canvas.restore(recipe)
    rectangle(canvas, 2, (4, 30), (20, 40))
    assert numbers(canvas, "objects")[35, 10] == 4


def test_the_class_below_a_resting_pointer_is_told_when_it_changes(canvas, qtbot):
    QTest.mouseMove(canvas, canvas.to_view(QPointF(30, 30)).toPoint())
    whole = Drawing((64, 48), (Fill(((1, 1, 1),), layer="labels", label=3),), "three")
    with qtbot.waitSignal(canvas.hovered, check_params_cb=lambda n: n == 3):
        canvas.restore(whole.to_json())
