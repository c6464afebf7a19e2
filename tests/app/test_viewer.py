"""Walks on the result: fit, zoom, wipe, hold, full screen, drag out, messages, drops."""

import numpy as np
import pytest
from PySide6.QtCore import QMimeData, QPoint, QPointF, Qt, QUrl
from PySide6.QtGui import QDrag, QDragEnterEvent, QDropEvent, QWheelEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication

from app.pictures import from_qimage, mime_for
from app.widgets.viewer import ResultViewer
from app.widgets.viewer_paint import message_area
from engines.job import Picture

LEFT = Qt.MouseButton.LeftButton
PLAIN = Qt.KeyboardModifier.NoModifier


def plain(colour, size=(100, 100)):
    return Picture(np.full((size[1], size[0], len(colour)), colour, np.uint8))


GREEN, BLUE = plain((20, 180, 40)), plain((10, 40, 220))
PAPER = Picture(np.full((100, 100), 250, np.uint8))


@pytest.fixture
def viewer(qtbot):
    made = ResultViewer()
    qtbot.addWidget(made)
    made.resize(400, 400)
    made.show()
    qtbot.waitExposed(made)
    return made


def seen(viewer, x, y):
    """The colour of the widget at a share of its size."""
    shot = viewer.grab().toImage()
    return shot.pixelColor(round(x * (shot.width() - 1)), round(y * (shot.height() - 1))).getRgb()[
        :3
    ]


def wheel(viewer, spot, turned):
    event = QWheelEvent(spot, viewer.mapToGlobal(spot), QPoint(), QPoint(0, turned),
                        Qt.MouseButton.NoButton, PLAIN, Qt.ScrollPhase.NoScrollPhase,
                        False)  # fmt: skip
    QApplication.sendEvent(viewer, event)


def test_a_picture_is_fitted_into_the_middle(viewer):
    viewer.show_picture(plain((20, 180, 40), (100, 50)))
    assert seen(viewer, 0.5, 0.5) == (20, 180, 40)
    assert seen(viewer, 0.1, 0.5) == (20, 180, 40) != seen(viewer, 0.5, 0.2)
    viewer.resize(200, 400)
    assert seen(viewer, 0.5, 0.5) == (20, 180, 40) != seen(viewer, 0.5, 0.3)


def test_a_preview_is_shown_but_not_given_out(viewer):
    viewer.show_picture(GREEN)
    viewer.show_preview(BLUE)
    assert seen(viewer, 0.5, 0.5) == (10, 40, 220) and viewer.picture() is None


def test_the_wipe_shows_the_drawing_left_of_its_handle(viewer):
    viewer.show_picture(GREEN)
    viewer.set_before(PAPER)
    viewer.set_wipe(True)
    assert seen(viewer, 0.3, 0.3) == (250, 250, 250) and seen(viewer, 0.7, 0.3) == (20, 180, 40)
    QTest.mousePress(viewer, LEFT, pos=QPoint(200, 200))
    QTest.mouseMove(viewer, QPoint(80, 210))
    QTest.mouseRelease(viewer, LEFT, pos=QPoint(80, 210))
    assert seen(viewer, 0.3, 0.3) == (20, 180, 40) and seen(viewer, 0.12, 0.3) == (250, 250, 250)
    QTest.mousePress(viewer, LEFT, pos=QPoint(80, 200))
    QTest.mouseMove(viewer, QPoint(-500, 210))
    QTest.mouseRelease(viewer, LEFT, pos=QPoint(-500, 210))
    assert seen(viewer, 0.07, 0.3) == (20, 180, 40)
    viewer.set_wipe(False)
    assert seen(viewer, 0.12, 0.3) == (20, 180, 40)


def test_the_handle_is_a_white_disc_on_the_line(viewer):
    viewer.show_picture(GREEN)
    viewer.set_before(BLUE)
    viewer.set_wipe(True)
    assert min(seen(viewer, 0.5 + 7 / 400, 0.5 + 5 / 400)) > 235


def test_arrows_move_the_wipe(viewer):
    viewer.show_picture(GREEN)
    viewer.set_before(PAPER)
    viewer.set_wipe(True)
    for _ in range(10):
        QTest.keyClick(viewer, Qt.Key.Key_Right)
    assert seen(viewer, 0.6, 0.3) == (250, 250, 250)


def test_holding_space_shows_the_input(viewer):
    viewer.show_picture(GREEN)
    viewer.set_before(PAPER)
    QTest.keyPress(viewer, Qt.Key.Key_Space)
    assert seen(viewer, 0.5, 0.5) == (250, 250, 250)
    QTest.keyRelease(viewer, Qt.Key.Key_Space)
    assert seen(viewer, 0.5, 0.5) == (20, 180, 40)


def test_the_wheel_zooms_at_the_cursor_and_a_double_click_fits(viewer):
    half = np.full((100, 100, 3), (20, 180, 40), np.uint8)
    half[:, 50:] = (10, 40, 220)
    viewer.show_picture(Picture(half))
    spot = QPointF(210, 100)
    turn = QPoint(), QPoint(0, 1200), Qt.MouseButton.NoButton, PLAIN
    event = QWheelEvent(spot, viewer.mapToGlobal(spot), *turn, Qt.ScrollPhase.NoScrollPhase, False)
    QApplication.sendEvent(viewer, event)
    assert seen(viewer, 215 / 400, 0.25) == (10, 40, 220)
    assert seen(viewer, 0.02, 0.25) == (20, 180, 40)  # beyond where the fitted picture ends
    QTest.mousePress(viewer, LEFT, pos=QPoint(200, 200))
    QTest.mouseMove(viewer, QPoint(40, 200))
    QTest.mouseRelease(viewer, LEFT, pos=QPoint(40, 200))
    assert seen(viewer, 150 / 400, 0.5) == (10, 40, 220)
    QTest.mouseDClick(viewer, LEFT, pos=QPoint(200, 200))
    assert seen(viewer, 0.25, 0.5) == (20, 180, 40) != seen(viewer, 0.02, 0.5)


def test_transparency_lies_on_checks(viewer):
    viewer.show_picture(plain((200, 0, 0, 0)))
    shot = viewer.grab().toImage()
    colours = {shot.pixelColor(x, 200).name() for x in range(100, 300)}
    assert len(colours) >= 2 and all(int(c[1:3], 16) >= 190 for c in colours)


def test_a_failure_is_a_sentence_with_a_way_out(viewer, qtbot):
    viewer.show_picture(GREEN)
    viewer.set_message("There was not enough memory.", "Try smaller")
    assert viewer.picture() is None and seen(viewer, 0.25, 0.25) != (20, 180, 40)
    assert viewer.button.isVisible() and viewer.button.text() == "Try smaller"
    with qtbot.waitSignal(viewer.action_clicked):
        QTest.mouseClick(viewer.button, LEFT)
    viewer.show_picture(GREEN)
    assert not viewer.button.isVisible() and seen(viewer, 0.5, 0.5) == (20, 180, 40)
    viewer.set_message("Draw, and the photo appears here.")
    assert not viewer.button.isVisible()


def test_a_faded_picture_arrives_whole(viewer, qtbot):
    viewer.show_picture(GREEN)
    viewer.show_picture(BLUE, fade=True)
    qtbot.waitUntil(lambda: seen(viewer, 0.5, 0.5) == (10, 40, 220), timeout=2000)


def test_full_screen_shows_what_comes_and_ends_with_escape(viewer, qtbot):
    viewer.show_fullscreen()
    assert not viewer.fullscreen()  # nothing to show
    viewer.show_picture(GREEN)
    viewer.show_fullscreen()
    full = viewer.fullscreen()
    qtbot.waitUntil(full.isVisible)
    viewer.show_picture(BLUE)
    assert full.picture() == BLUE and seen(full, 0.5, 0.5) == (10, 40, 220)
    assert seen(full, 0.001, 0.5) == (0, 0, 0)
    QTest.keyClick(full, Qt.Key.Key_Escape)
    qtbot.waitUntil(lambda: not viewer.fullscreen())
    viewer.show_picture(GREEN)


def pull_out(viewer, monkeypatch):
    taken = []

    def run(drag, *_):
        taken.append((drag.mimeData().urls(), drag.mimeData().hasImage()))
        return Qt.DropAction.CopyAction

    monkeypatch.setattr(QDrag, "exec", run)
    QTest.mousePress(viewer, LEFT, pos=QPoint(200, 150))
    QTest.mouseMove(viewer, QPoint(230, 190))
    QTest.mouseMove(viewer, QPoint(250, 220))
    QTest.mouseRelease(viewer, LEFT, pos=QPoint(250, 220))
    return taken


def test_dragging_takes_out_the_file_with_its_recipe(viewer, monkeypatch, tmp_path):
    path = tmp_path / "result.png"
    viewer.set_drag_source(lambda: path)
    assert pull_out(viewer, monkeypatch) == []
    viewer.show_picture(GREEN)
    assert pull_out(viewer, monkeypatch) == [([QUrl.fromLocalFile(str(path))], True)]
    viewer.set_drag_source(lambda: None)
    assert pull_out(viewer, monkeypatch) == [([], True)]


def test_a_preview_cannot_be_dragged_out(viewer, monkeypatch, tmp_path):
    viewer.set_drag_source(lambda: tmp_path / "result.png")
    viewer.show_picture(GREEN)
    viewer.show_preview(BLUE)
    assert pull_out(viewer, monkeypatch) == []
    viewer.show_picture(BLUE)
    assert len(pull_out(viewer, monkeypatch)) == 1


def test_dropped_files_are_passed_on(viewer, qtbot, tmp_path):
    mime = QMimeData()
    mime.setUrls([QUrl.fromLocalFile(str(tmp_path / "net.pth"))])
    how = Qt.DropAction.CopyAction, mime, LEFT, PLAIN
    enter = QDragEnterEvent(QPoint(50, 50), *how)
    viewer.dragEnterEvent(enter)
    assert enter.isAccepted()
    with qtbot.waitSignal(viewer.files_dropped) as dropped:
        viewer.dropEvent(QDropEvent(QPointF(50, 50), *how))
    assert dropped.args == [[str(tmp_path / "net.pth")]]


def test_a_dropped_picture_is_passed_on(viewer, qtbot):
    how = Qt.DropAction.CopyAction, mime_for(BLUE), LEFT, PLAIN
    with qtbot.waitSignal(viewer.picture_dropped) as dropped:
        viewer.dropEvent(QDropEvent(QPointF(50, 50), *how))
    assert dropped.args == [BLUE]


@pytest.mark.parametrize("spot", [(90, 70), (200, 200), (330, 380)])
def test_the_wheel_keeps_what_is_under_the_cursor(viewer, spot):
    viewer.show_picture(GREEN)
    held, before = viewer.view.to_content(QPointF(*spot)), viewer.view.zoom
    wheel(viewer, QPointF(*spot), 360)
    there = viewer.view.to_view(held)
    assert viewer.view.zoom > before
    assert (there.x(), there.y()) == pytest.approx(spot, abs=1e-6)


def test_the_next_live_picture_keeps_zoom_and_place(viewer):
    viewer.show_picture(GREEN)
    wheel(viewer, QPointF(100, 300), 480)
    before = viewer.view.area()
    viewer.show_picture(BLUE)
    assert viewer.view.area() == before
    viewer.show_picture(plain((1, 2, 3), (64, 32)))  # of another size: fitted anew
    assert viewer.view.fitted


def test_a_zoomed_picture_cannot_be_pushed_out_of_sight(viewer):
    viewer.show_picture(GREEN)
    wheel(viewer, QPointF(200, 200), 480)
    for spot in ((5000, 5000), (-5000, 4000), (-5000, -5000)):
        QTest.mousePress(viewer, LEFT, pos=QPoint(200, 200))
        QTest.mouseMove(viewer, QPoint(*spot))
        QTest.mouseRelease(viewer, LEFT, pos=QPoint(*spot))
        assert (viewer.view.area() & viewer.rect().toRectF()).width() >= 40


def test_a_double_click_on_a_fitted_picture_shows_it_one_to_one(viewer):
    viewer.show_picture(plain((20, 180, 40), (900, 900)))
    QTest.mouseDClick(viewer, LEFT, pos=QPoint(200, 200))
    assert viewer.view.zoom * viewer.devicePixelRatioF() == pytest.approx(1)
    QTest.mouseDClick(viewer, LEFT, pos=QPoint(200, 200))
    assert viewer.view.fitted and viewer.view.zoom < 0.5


def test_pixels_become_squares_at_high_zoom(viewer):
    pixels = np.zeros((8, 8, 3), np.uint8)
    pixels[:, 4:] = 255
    viewer.show_picture(Picture(pixels))  # 45 times as large
    assert seen(viewer, 198 / 399, 0.5) == (0, 0, 0) and seen(viewer, 201 / 399, 0.5) == (255,) * 3


def test_fine_lines_are_averaged_when_small(viewer):
    pixels = np.full((2000, 2000, 3), 255, np.uint8)
    pixels[:, ::2] = 0
    viewer.show_picture(Picture(pixels))
    middle = from_qimage(viewer.grab().toImage()).pixels[150:250, 150:250, :3]
    assert np.ptp(middle) < 32 and middle.mean() == pytest.approx(127, abs=4)


def test_a_long_message_leaves_the_button_below_it(viewer):
    viewer.set_message("The network needs more memory than there is here. " * 6, "Run", failed=True)
    words = message_area(viewer._message_room(), viewer.message())
    assert words.height() > 60 and words.bottom() < viewer.button.geometry().top()
    assert viewer.rect().contains(viewer.button.geometry())


def test_work_shows_only_when_it_takes_long(viewer, qtbot):
    viewer.set_busy(True)
    viewer.set_busy(True)
    assert not viewer.busy.isVisible()
    viewer.set_busy(False)
    qtbot.wait(350)
    assert not viewer.busy.isVisible()
    viewer.set_busy(True)
    qtbot.waitUntil(viewer.busy.isVisible, timeout=2000)
    assert viewer.busy.width() == viewer.width()
    viewer.set_busy(False)
    assert not viewer.busy.isVisible()


def test_full_screen_has_the_wipe_and_hands_it_back(viewer, qtbot):
    viewer.show_picture(GREEN)
    viewer.set_before(BLUE)
    viewer.show_fullscreen()
    full = viewer.fullscreen()
    qtbot.waitExposed(full)
    QTest.keyClick(full, Qt.Key.Key_W)
    QTest.keyClick(full, Qt.Key.Key_Right)
    assert seen(full, 0.45, 0.5) == (10, 40, 220)
    QTest.keyClick(full, Qt.Key.Key_F11)
    assert not viewer.fullscreen() and viewer.share() == pytest.approx(0.52)


def test_a_closed_viewer_takes_its_full_screen_along(viewer):
    viewer.show_picture(GREEN)
    viewer.show_fullscreen()
    gone = []
    viewer.fullscreen().closed.connect(lambda: gone.append(1))
    viewer.close()
    assert gone == [1]
