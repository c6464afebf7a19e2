"""What lies over the photo of the Faces room: a painted mask, a region, several faces' changes; and
the locks of its sliders."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from PySide6.QtCore import QPoint, QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QContextMenuEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QWidget
from pytestqt.qtbot import QtBot

from app.patches import Collage
from app.widgets.controls import AttributesField, BoxField, ControlPanel
from app.widgets.faces import FacePhoto, Spot
from app.widgets.mask import Mask, Region
from app.widgets.strip import PictureStrip
from engines.controls import Attributes, Box, Choice, ModelCard, Slider
from engines.job import Picture

LEFT = Qt.MouseButton.LeftButton
SPOT = Spot((40.0, 30.0, 60.0, 66.0), (58.0, 55.0, 82.0, 55.0, 70.0, 80.0))


def grey(level: int = 90, size: tuple[int, int] = (200, 140)) -> Picture:
    return Picture(np.full((size[1], size[0], 3), level, np.uint8))


# ---- mask ----------------------------------------------------------------------------------------


def test_strokes_are_white_and_can_be_taken_away(qapp: QApplication) -> None:
    mask = Mask(QSize(200, 100))
    assert mask.picture() is None
    mask.stroke(QPointF(20, 50), QPointF(100, 50), 20)
    painted = mask.picture()
    assert painted is not None and painted.size == (200, 100) and painted.channels == 1
    assert painted.pixels[50, 60] == 255 and painted.pixels[50, 150] == 0
    mask.stroke(QPointF(60, 50), QPointF(60, 50), 30, erase=True)
    erased = mask.picture()
    assert erased is not None and erased.pixels[50, 60] == 0 and erased.pixels[50, 25] == 255
    mask.stroke(QPointF(0, 50), QPointF(200, 50), 60, erase=True)
    assert mask.picture() is None


def test_a_soft_brush_fades_and_stays_soft_where_it_goes_twice(qapp: QApplication) -> None:
    mask = Mask(QSize(200, 100), soft=0.5)
    for _ in range(5):
        mask.stroke(QPointF(20, 50), QPointF(180, 50), 60)
    painted = mask.picture()
    assert painted is not None
    across = painted.pixels[:, 100].astype(int)
    assert across[50] == across[38] == 255 and across[15] == across[85] == 0
    assert 0 < across[22] < across[26] < across[32] < 255
    assert np.array_equal(across, across[::-1])


def test_a_mask_of_a_large_photo_is_small_and_comes_back(qapp: QApplication) -> None:
    mask = Mask(QSize(8000, 6000))
    mask.stroke(QPointF(4000, 3000), QPointF(4400, 3000), 800)
    painted = mask.picture()
    assert painted is not None and painted.size == (1024, 768)
    assert painted.pixels[384, 530] == 255
    other = Mask(QSize(8000, 6000))
    other.show(painted)
    assert other.picture() == painted
    other.show(None)
    assert other.picture() is None


@pytest.fixture
def photo(qtbot: QtBot) -> Iterator[FacePhoto]:
    made = FacePhoto()
    qtbot.addWidget(made)
    made.resize(500, 400)
    made.show()
    made.set_picture(grey())
    made.show_faces([SPOT], 0)
    yield made


def drag(widget: QWidget, start: QPoint, end: QPoint) -> None:
    QTest.mousePress(widget, LEFT, pos=start)
    QTest.mouseMove(widget, end)
    QTest.mouseRelease(widget, LEFT, pos=end)


def test_the_brush_paints_where_the_pointer_goes(photo: FacePhoto, qtbot: QtBot) -> None:
    start, end = (photo.view.to_view(QPointF(x, 60)).toPoint() for x in (60, 90))
    with qtbot.assertNotEmitted(photo.mask_painted, wait=20):
        drag(photo, start, end)
    photo.set_painting(True)
    photo.brush = 20 * photo.view.zoom
    with qtbot.waitSignal(photo.mask_painted) as painted:
        drag(photo, start, end)
    mask = painted.args[0]
    assert mask.pixels[60, 75] == 255 and mask.pixels[60, 110] == 0 and mask.pixels[90, 75] == 0


# ---- region --------------------------------------------------------------------------------------


def test_a_corner_sizes_and_an_edge_moves_on_the_photo(qapp: QApplication) -> None:
    region = Region((20, 30, 40, 50), chosen=False)
    shown, size = QRectF(20, 30, 40, 50), QSize(200, 140)
    assert not region.hold(QPointF(40, 55), shown, QPointF(40, 55))
    assert region.hold(QPointF(59, 79), shown, QPointF(59, 79))
    region.drag(QPointF(90, 300), size)
    assert region.numbers() == [20, 30, 70, 110]
    assert region.hold(QPointF(20, 60), QRectF(20, 30, 70, 110), QPointF(20, 60))
    region.drag(QPointF(-80, 60), size)
    assert region.numbers() == [0, 30, 70, 110]


def test_a_region_is_drawn_by_hand_and_given_back(photo: FacePhoto, qtbot: QtBot) -> None:
    photo.show_region((100, 20, 50, 60))
    corner = photo.region().bottomRight().toPoint()
    with qtbot.waitSignal(photo.region_moved) as moved:
        drag(photo, corner, corner + QPoint(20, 10))
    zoom = photo.view.zoom
    assert moved.args[0] == pytest.approx([100, 20, 50 + 20 / zoom, 60 + 10 / zoom], abs=1)
    with qtbot.waitSignal(photo.region_moved) as moved:
        QTest.mouseDClick(photo, LEFT, pos=photo.region().bottomRight().toPoint())
    assert moved.args[0] == []
    photo.show_region(None)
    assert photo.region().isEmpty()


# ---- several faces -------------------------------------------------------------------------------


def test_each_face_keeps_its_change_while_another_is_in_work() -> None:
    whole = grey()
    first, second = whole.pixels.copy(), whole.pixels.copy()
    first[40:60, 50:70], second[40:60, 150:170] = 10, 20
    collage = Collage(whole)
    collage.keep(0, whole, Picture(first), (50, 40, 20, 20))
    collage.keep(1, whole, Picture(second), (150, 40, 20, 20))
    assert np.array_equal(collage.without(0).pixels, second)
    assert np.array_equal(collage.without(1).pixels, first)
    collage.keep(1, whole, None, (150, 40, 20, 20))
    assert collage.without(0) is whole


# ---- locks and what counts -----------------------------------------------------------------------


def right_click(widget: QWidget) -> None:
    at = QPoint(5, 5)
    reason = QContextMenuEvent.Reason.Mouse
    QApplication.sendEvent(widget, QContextMenuEvent(reason, at, widget.mapToGlobal(at)))


@pytest.fixture
def panel(qtbot: QtBot) -> ControlPanel:
    made = ControlPanel()
    qtbot.addWidget(made)
    hair = ("Black", "Blond")
    controls = (
        Attributes("change", "", ("Smile", *hair), -1, 1, exclusive=(hair,)),
        Slider("age", "Age", 0, 5, 0.1, 2),
        Choice("targets", "", (("one", "One"), ("strip", "Strip")), "one"),
        Slider("count", "Pictures", 2, 9, 1, 5, when=("targets", "strip")),
        Box("box", "Region"),
    )
    made.build(ModelCard("x", "X", controls))
    made.resize(300, 500)
    made.show()
    return made


def test_a_right_click_locks_and_another_frees(panel: ControlPanel) -> None:
    panel.set_value("change", [0.5, 0.0, 0.0])
    field = panel.fields["change"]
    assert isinstance(field, AttributesField)
    right_click(field.sliders[0])
    right_click(panel.fields["age"])
    assert panel.locked("change") == {0} and panel.locked("age") == {0}
    assert panel.held("change", [0.0, 1.0, 0.0]) == [0.5, 1.0, 0.0]
    assert panel.held("age", 5.0) == 2.0
    QTest.mouseClick(field.sliders[0].slider, LEFT, pos=QPoint(10, 8))
    assert field.sliders[0].slider.number() == 0.5
    right_click(field.sliders[0])
    assert panel.locked("change") == frozenset()


def test_a_locked_label_is_not_switched_off_by_its_group(panel: ControlPanel, qtbot: QtBot) -> None:
    panel.set_value("change", [0.0, 1.0, 0.0])
    field = panel.fields["change"]
    assert isinstance(field, AttributesField)
    right_click(field.sliders[1])
    with qtbot.assertNotEmitted(panel.changed, wait=20):
        field.sliders[2].slider.setValue(field.sliders[2].slider.maximum())
    numbers = [part.slider.number() for part in field.sliders]
    assert numbers == [0.0, 1.0, 0.0]


def test_what_does_not_count_is_not_shown(panel: ControlPanel) -> None:
    assert panel.fields["count"].isHidden()
    panel.set_value("targets", "strip")
    assert not panel.fields["count"].isHidden()
    panel.set_value("targets", "one")
    assert panel.fields["count"].isHidden()


def test_the_region_says_who_chose_it(panel: ControlPanel, qtbot: QtBot) -> None:
    field = panel.fields["box"]
    assert isinstance(field, BoxField)
    assert field.who.text() == "by the model" and field.free.isHidden()
    panel.set_value("box", [1, 2, 3, 4])
    assert field.who.text() == "by hand"
    with qtbot.waitSignal(panel.changed) as changed:
        field.free.click()
    assert changed.args == ["box", []]


def test_only_what_can_be_chosen_is_chosen(qtbot: QtBot) -> None:
    strip = PictureStrip()
    qtbot.addWidget(strip)
    assert strip.isHidden()
    strip.show_pictures("All", [grey(1), grey(2)], ["The photo", "Fader · id 0.1"], [False, True])
    with qtbot.assertNotEmitted(strip.chosen, wait=20):
        QTest.mouseClick(strip.cells[0], LEFT)
    with qtbot.waitSignal(strip.chosen) as chosen:
        QTest.mouseClick(strip.cells[1], LEFT)
    assert chosen.args == [1] and strip.cells[1].isChecked()
