"""The photo: fitted, zoomed, wiped, full screen, dragged out. Knows no Studio."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from PySide6.QtCore import QPoint, QPointF, QRectF, QSize, Qt, QVariantAnimation, Signal
from PySide6.QtGui import (
    QColor,
    QContextMenuEvent,
    QDrag,
    QFocusEvent,
    QKeyEvent,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QPixmap,
    QResizeEvent,
    QWheelEvent,
)
from PySide6.QtWidgets import QApplication, QMenu, QPushButton, QWidget

from app import theme
from app.i18n import say, signals, tr
from app.pictures import mime_for, to_pixmap
from app.widgets.busy import BusyLine
from app.widgets.canvas_paint import paint_chip, paint_ground
from app.widgets.viewer_paint import (
    HANDLE,
    message_area,
    paint_checks,
    paint_handle,
    paint_marker,
    paint_message,
    paint_pixmap,
)
from app.widgets.zooming import Viewing
from engines.job import Picture

FADE_MS = 110  # of a result that did not come while drawing
CHIP_ROOM = 36  # rows at the lower edge that the chip may lie on
STEP = 0.02  # of the wipe, or of a place pointed at, for each press of an arrow key
WAYS = {
    Qt.Key.Key_Left: (-1, 0), Qt.Key.Key_Right: (1, 0),
    Qt.Key.Key_Up: (0, -1), Qt.Key.Key_Down: (0, 1),
}  # fmt: skip


class ResultViewer(Viewing):
    action_clicked = Signal()
    drag_requested = Signal()
    pointed = Signal(object)  # QPointF in [0, 1]: a place of the picture, by click or arrow keys
    closed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._picture: Picture | None = None
        self._shown: QPixmap | None = None
        self._old: QPixmap | None = None
        self._before: QPixmap | None = None
        self._input: Picture | None = None  # what _before is made of
        self._over: QPixmap | None = None  # lies over the picture, see set_overlay
        self._over_share = 1.0
        self._wipe, self._share, self._holding = False, 0.5, False
        self._grip = ""  # what the mouse has hold of: "wipe", "pan", "out"
        self._last = QPoint()
        self._message, self._failed = "", False
        self.icon = "pen"  # over a message that is no failure
        self._source: Callable[[], Path | str | None] | None = None
        self._pointing, self._marker = False, QPointF(0.5, 0.5)
        self._pressed = QPoint()
        self._full: ResultViewer | None = None
        self.button = QPushButton(self)
        self.button.hide()
        self.button.clicked.connect(self.action_clicked)
        self.busy = BusyLine(self)
        self._fade = QVariantAnimation(self)
        self._fade.setDuration(FADE_MS)
        self._fade.setStartValue(0.0)
        self._fade.setEndValue(1.0)
        self._fade.valueChanged.connect(self.update)
        self._fade.finished.connect(self._faded)
        theme.signals.changed.connect(self.update)
        signals.changed.connect(self._place_button)

    # ---- what others ask ------------------------------------------------------------------------

    def picture(self) -> Picture | None:
        """The result shown; None while there is a message or only a preview."""
        return self._picture

    def message(self) -> str:
        return self._message

    def show_picture(self, picture: Picture, fade: bool = False) -> None:
        """A result. `fade` where it did not come while one draws."""
        self._old = self._shown if fade and self.isVisible() else None
        self._take(picture)
        self._picture = picture
        if self._old is not None:
            self._fade.start()
        if self._full is not None:
            self._full.show_picture(picture, fade)

    def show_preview(self, picture: Picture) -> None:
        """A picture on its way, shown as it is; it cannot be dragged out."""
        self._take(picture)
        if self._full is not None:
            self._full.show_preview(picture)

    def set_before(self, picture: Picture | None) -> None:
        """The input that wipe and hold show."""
        if picture is not None and picture is self._input:
            return
        self._input = picture
        self._before = to_pixmap(picture) if picture is not None else None
        if self._full is not None:
            self._full.set_before(picture)
        self.update()

    def set_overlay(self, picture: Picture | None) -> None:
        """A picture that lies over the one shown, whatever its size, until another or None."""
        self._over = to_pixmap(picture) if picture is not None else None
        self.update()

    def set_overlay_share(self, share: float) -> None:
        """How much of the overlay is seen: 0 nothing, 1 it alone."""
        self._over_share = share
        self.update()

    def overlaid(self) -> bool:
        return self._over is not None

    def set_wipe(self, on: bool) -> None:
        self._wipe = on
        if self._full is not None:
            self._full.set_wipe(on)
        self._follow(self.mapFromGlobal(self.cursor().pos()))
        self.update()

    def set_pointing(self, on: bool) -> None:
        """Whether a click, or the arrow keys, say a place of the picture, which is marked then."""
        self._pointing = on
        self.update()

    def hold(self, on: bool) -> None:
        """Show the input in the place of the result, as long as a key or button is held."""
        self._holding = on
        self.update()

    def share(self) -> float:
        """Where the wipe stands: 0 shows the result alone, 1 the input alone."""
        return self._share

    def set_message(self, text: str, action: str = "", failed: bool = False) -> None:
        """A sentence in the place of the picture, with a button if there is something to do."""
        self._message, self._failed = text, failed
        self._picture = self._shown = self._old = None
        self.button.setVisible(bool(action))
        if action:
            say(self.button, "setText", action)
        self._place_button()
        if self._full is not None:
            self._full.close()
        self.update()

    def set_busy(self, busy: bool) -> None:
        """A line that runs along the upper edge while something takes long."""
        self.busy.set_busy(busy)

    def set_drag_source(self, source: Callable[[], Path | str | None]) -> None:
        """What gives the file, with its recipe inside, that a drag takes out."""
        self._source = source

    def show_fullscreen(self) -> None:
        """The picture alone on the screen; Esc, F, F11 or a double click ends it."""
        if self._full is not None or self._picture is None:
            return
        full = ResultViewer()
        full.setWindowTitle("Ganvas")
        full.setAccessibleName(self.accessibleName())
        full.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        full.setAttribute(Qt.WidgetAttribute.WA_QuitOnClose, False)
        full._before, full._wipe, full._share = self._before, self._wipe, self._share
        full._source = self._source
        full.show_picture(self._picture)
        full.closed.connect(self._full_closed)
        self._full = full
        full.showFullScreen()

    def fullscreen(self) -> ResultViewer | None:
        return self._full

    def zoom_actual(self) -> None:
        """One pixel of the picture on one of the screen."""
        self._zoom(1 / self.devicePixelRatioF() / self.view.zoom)

    def _zoom(self, factor: float) -> None:
        if self._shown is not None:
            super()._zoom(factor)

    def _take(self, picture: Picture) -> None:
        before = self.view.area() if self._shown is not None else None
        self._picture, self._shown = None, to_pixmap(picture)
        self._message = ""
        self.button.hide()
        self.view.place(self._shown.size(), self.size())
        same = self.view.area() == before  # then what surrounds the picture is painted already
        self.update(self.view.area().toAlignedRect() if same else self.rect())

    def _faded(self) -> None:
        self._old = None
        self.update()

    def _full_closed(self) -> None:
        if self._full is not None:
            self._share = self._full.share()
        self._full = None
        self.update()

    # ---- painting -------------------------------------------------------------------------------

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        black = self.isFullScreen()
        painter.fillRect(event.rect(), QColor("black") if black else theme.colour("sunken"))
        if self._shown is not None:
            if not black:
                paint_ground(painter, self.view.area(), QRectF(event.rect()))
            self._paint_picture(painter, self._shown, self.view.area())
            if self._pointing:
                paint_marker(painter, self._at(self._marker))
            if event.rect().bottom() > self.height() - CHIP_ROOM:
                self._paint_chip(painter, self._shown.size())
        elif self._message:
            words = tr(self._message)
            paint_message(painter, self._message_room(), words, self._failed, self.icon)
        self.paint_frame(painter)
        painter.end()

    def _paint_picture(self, painter: QPainter, shown: QPixmap, area: QRectF) -> None:
        zoom = self.view.zoom
        if shown.hasAlphaChannel():
            paint_checks(painter, area)
        if self._holding and self._before is not None:
            self._paint_before(painter, self._before, area)
            return
        if self._old is not None:
            paint_pixmap(painter, area, self._old, zoom)
            painter.setOpacity(float(self._fade.currentValue() or 0.0))
        paint_pixmap(painter, area, shown, zoom)
        if self._over is not None:
            painter.setOpacity(self._over_share)
            paint_pixmap(painter, area, self._over, area.width() / self._over.width())
        painter.setOpacity(1.0)
        if self._wipe and self._before is not None:
            split = self._split(area)
            painter.save()
            painter.setClipRect(QRectF(area.topLeft(), QPointF(split, area.bottom())))
            self._paint_before(painter, self._before, area)
            painter.restore()
            paint_handle(painter, area, split, self._handle_height(area))

    def _paint_before(self, painter: QPainter, before: QPixmap, area: QRectF) -> None:
        painter.fillRect(area, theme.colour("paper"))
        paint_pixmap(painter, area, before, area.width() / before.width())

    def _at(self, place: QPointF) -> QPointF:
        area = self.view.area()
        return area.topLeft() + QPointF(place.x() * area.width(), place.y() * area.height())

    def _point(self, place: QPointF) -> None:
        self._marker = QPointF(min(max(place.x(), 0.0), 1.0), min(max(place.y(), 0.0), 1.0))
        self.update()
        self.pointed.emit(self._marker)

    def _split(self, area: QRectF) -> float:
        return area.left() + self._share * area.width()

    def _handle_height(self, area: QRectF) -> float:
        """The middle of what is seen of the picture."""
        return (area & QRectF(self.rect())).center().y()

    def _paint_chip(self, painter: QPainter, size: QSize) -> None:
        if self._holding and self._before is not None:
            text = tr("The input")
        else:
            text = tr("{width}x{height} → shown ×{zoom}", width=size.width(), height=size.height(),
                      zoom=f"{self.view.zoom:.3g}")  # fmt: skip
        paint_chip(painter, QPoint(10, self.height() - 10), text, self.width() - 20)

    def _message_room(self) -> QRectF:
        room = QRectF(self.rect())
        return room.adjusted(0, 0, 0, -36) if self.button.isVisibleTo(self) else room

    def _place_button(self, *_: object) -> None:
        self.button.adjustSize()
        below = message_area(self._message_room(), tr(self._message)).bottom()
        self.button.move((self.width() - self.button.width()) // 2, round(below) + 14)

    # ---- pointer --------------------------------------------------------------------------------

    def _on_handle(self, at: QPointF) -> bool:
        if not (self._wipe and self._before is not None and self._shown is not None):
            return False
        area = self.view.area()
        near = abs(at.x() - self._split(area)) <= HANDLE + 3
        return near and area.top() - HANDLE <= at.y() <= area.bottom() + HANDLE

    def _follow(self, at: QPoint) -> None:
        """The cursor says what a press would take hold of."""
        shapes = Qt.CursorShape
        if self._on_handle(QPointF(at)):
            self.setCursor(shapes.SplitHCursor)
        elif self._shown is not None and not self.view.fitted:
            self.setCursor(shapes.OpenHandCursor)
        else:
            self.setCursor(shapes.ArrowCursor)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        self.focus_by_key = False
        self._last = self._pressed = event.position().toPoint()
        if self._shown is None:
            return
        if event.button() == Qt.MouseButton.MiddleButton:
            self._grip = "pan"
        elif event.button() == Qt.MouseButton.LeftButton:
            if self._on_handle(event.position()):
                self._grip = "wipe"
            else:
                self._grip = "out" if self.view.fitted else "pan"
        if self._grip == "pan":
            self.setCursor(Qt.CursorShape.ClosedHandCursor)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        here = event.position().toPoint()
        if self._grip == "wipe":
            area = self.view.area()
            self._set_share((here.x() - area.left()) / max(area.width(), 1))
        elif self._grip == "pan":
            self.view.pan(QPointF(here - self._last))
            self._last = here
            self.update()
        elif self._grip == "out":
            if (here - self._last).manhattanLength() >= QApplication.startDragDistance():
                self._grip = ""
                self._drag_out()
        else:
            self._follow(here)

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        way = (event.position().toPoint() - self._pressed).manhattanLength()
        if self._pointing and self._grip in ("out", "pan") and way < 4:
            area = self.view.area()
            place = event.position() - area.topLeft()
            self._point(QPointF(place.x() / area.width(), place.y() / area.height()))
        self._grip = ""
        self._follow(event.position().toPoint())

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        self._grip = ""
        if self.isFullScreen():
            self.close()
        elif self.view.fitted:
            self.zoom_actual()
        else:
            self.zoom_fit()

    def wheelEvent(self, event: QWheelEvent) -> None:
        if self._shown is not None and self.view.take(event):
            self.update()

    def event(self, event: Any) -> bool:
        kinds = (event.Type.NativeGesture, event.Type.Gesture)
        if event.type() in kinds and self._shown is not None and self.view.take(event):
            self.update()
            return True
        return super().event(event)

    def contextMenuEvent(self, event: QContextMenuEvent) -> None:
        if self._shown is None:
            return
        menu = QMenu(self)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        menu.addAction(tr("Fit"), self.zoom_fit)
        menu.addAction(tr("Actual size"), self.zoom_actual)
        if not self.isFullScreen():
            menu.addAction(tr("Full screen"), self.show_fullscreen)
        menu.popup(event.globalPos())

    def _set_share(self, share: float) -> None:
        self._share = min(max(share, 0.0), 1.0)
        self.update()

    def _drag_out(self) -> None:
        if self._picture is None or self._shown is None:
            return
        self.drag_requested.emit()
        file = self._source() if self._source else None
        drag = QDrag(self)
        drag.setMimeData(mime_for(self._picture, [file] if file else []))
        ratio = self.devicePixelRatioF()
        small = self._shown.scaled(
            QSize(96, 96) * ratio,
            Qt.AspectRatioMode.KeepAspectRatio,
            Qt.TransformationMode.SmoothTransformation,
        )
        small.setDevicePixelRatio(ratio)
        drag.setPixmap(small)
        drag.exec(Qt.DropAction.CopyAction)

    # ---- keys, focus -----------------------------------------------------------------------------

    def keyPressEvent(self, event: QKeyEvent) -> None:
        key = event.key()
        if key == Qt.Key.Key_Space:
            self.hold(True)
        elif self.isFullScreen() and key in (Qt.Key.Key_Escape, Qt.Key.Key_F11, Qt.Key.Key_F):
            self.close()
        elif self.isFullScreen() and key == Qt.Key.Key_W:
            self.set_wipe(not self._wipe)
        elif key in (Qt.Key.Key_Left, Qt.Key.Key_Right) and self._wipe:
            self._set_share(self._share + (STEP if key == Qt.Key.Key_Right else -STEP))
        elif self._pointing and (way := WAYS.get(Qt.Key(key))):
            self._point(self._marker + QPointF(*way) * STEP)
        else:
            super().keyPressEvent(event)
            return
        self.update()

    def keyReleaseEvent(self, event: QKeyEvent) -> None:
        if event.key() == Qt.Key.Key_Space and not event.isAutoRepeat():
            self.hold(False)
        else:
            super().keyReleaseEvent(event)

    def focusOutEvent(self, event: QFocusEvent) -> None:
        self._holding = False
        super().focusOutEvent(event)

    def resizeEvent(self, event: QResizeEvent) -> None:
        self._place_button()
        self.view.place(self._shown.size() if self._shown else QSize(1, 1), self.size())

    def changeEvent(self, event: Any) -> None:
        super().changeEvent(event)
        if event.type() == event.Type.FontChange:
            self._place_button()

    def hideEvent(self, event: Any) -> None:
        self._fade.stop()
        self._faded()
        super().hideEvent(event)

    def closeEvent(self, event: Any) -> None:
        if self._full is not None:
            self._full.close()
        self.closed.emit()
        super().closeEvent(event)
