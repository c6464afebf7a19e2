"""Where a sheet or a picture lies in a widget: fitted, zoomed at a point, moved, kept in sight; and
what such widgets have in common."""

from __future__ import annotations

from typing import Any

from PySide6.QtCore import QPointF, QRect, QRectF, QSize, QSizeF, Qt, Signal
from PySide6.QtGui import (
    QDragEnterEvent,
    QDropEvent,
    QFocusEvent,
    QNativeGestureEvent,
    QPainter,
    QPen,
    QWheelEvent,
)
from PySide6.QtWidgets import QGestureEvent, QPinchGesture, QWidget

from app import theme
from app.pictures import has_payload, read_mime

ZOOMS = (0.05, 64.0)
MARGIN = 18  # around what is fitted
IN_SIGHT = 48  # that much of it cannot be pushed out of the widget
CRISP = 6.0  # from this zoom on pixels are shown as squares


class View:
    """Content of `size` pixels, each `zoom` logical pixels wide, the first one at `corner`."""

    def __init__(self) -> None:
        self.zoom, self.corner, self.fitted = 1.0, QPointF(), True
        self.size, self.room = QSizeF(1, 1), QSizeF(1, 1)

    def place(self, size: QSize, room: QSize) -> None:
        """Another content or another widget size: fitted content stays fitted."""
        changed = size.toSizeF() != self.size
        self.size, self.room = size.toSizeF(), room.toSizeF()
        if self.fitted or changed:
            self.fit()
        else:
            self._keep_in_sight()

    def fit(self) -> None:
        room = self.room - QSizeF(2 * MARGIN, 2 * MARGIN)
        zoom = min(
            max(room.width(), 1) / self.size.width(), max(room.height(), 1) / self.size.height()
        )
        self.zoom = min(max(zoom, ZOOMS[0]), ZOOMS[1])
        shown = self.size * self.zoom
        self.corner = QPointF(
            (self.room.width() - shown.width()) / 2, (self.room.height() - shown.height()) / 2
        )
        self.fitted = True

    def zoom_at(self, point: QPointF, factor: float) -> None:
        """What lies below `point` stays there; beside the content, as long as it stays in sight."""
        held = self.to_content(point)
        self.zoom = min(max(self.zoom * factor, ZOOMS[0]), ZOOMS[1])
        self.corner = point - held * self.zoom
        self.fitted = False
        if not QRectF(QPointF(), self.size).contains(held):
            self._keep_in_sight()

    def pan(self, by: QPointF) -> None:
        self.corner = self.corner + by
        self.fitted = False
        self._keep_in_sight()

    def to_content(self, point: QPointF) -> QPointF:
        return (point - self.corner) / self.zoom

    def to_view(self, point: QPointF) -> QPointF:
        return point * self.zoom + self.corner

    def area(self) -> QRectF:
        """The content in the widget."""
        return QRectF(self.corner, self.size * self.zoom)

    def shown(self, rect: QRect) -> QRect:
        """The logical pixels that show content pixels of `rect`, and a little more."""
        there = QRectF(self.to_view(QPointF(rect.topLeft())), QSizeF(rect.size()) * self.zoom)
        return there.toAlignedRect().adjusted(-2, -2, 2, 2)

    def take(self, event: Any) -> bool:
        """Wheel, pinch on a touchpad or on the screen; False for any other event."""
        if isinstance(event, QWheelEvent):
            self._wheel(event)
        elif isinstance(event, QNativeGestureEvent):
            if event.gestureType() != Qt.NativeGestureType.ZoomNativeGesture:
                return False
            self.zoom_at(event.position(), max(1 + event.value(), 0.1))
        elif isinstance(event, QGestureEvent):
            pinch = event.gesture(Qt.GestureType.PinchGesture)
            if not isinstance(pinch, QPinchGesture):
                return False
            widget = event.widget()
            here = widget.mapFromGlobal(pinch.centerPoint())
            before = widget.mapFromGlobal(pinch.lastCenterPoint())
            if pinch.state() != Qt.GestureState.GestureStarted:
                self.pan(here - before)
            self.zoom_at(here, pinch.scaleFactor())
            event.accept(pinch)
        else:
            return False
        event.accept()
        return True

    def _wheel(self, event: QWheelEvent) -> None:
        """A wheel zooms; two fingers on a touchpad move, with Ctrl they zoom."""
        by_fingers = event.phase() != Qt.ScrollPhase.NoScrollPhase
        if by_fingers and not event.modifiers() & Qt.KeyboardModifier.ControlModifier:
            pixels = event.pixelDelta()
            self.pan(QPointF(pixels if not pixels.isNull() else event.angleDelta() / 2))
        else:
            self.zoom_at(event.position(), 1.0015 ** event.angleDelta().y())

    def _keep_in_sight(self) -> None:
        shown = self.size * self.zoom
        keep_x, keep_y = min(IN_SIGHT, shown.width()), min(IN_SIGHT, shown.height())
        self.corner = QPointF(
            min(max(self.corner.x(), keep_x - shown.width()), self.room.width() - keep_x),
            min(max(self.corner.y(), keep_y - shown.height()), self.room.height() - keep_y),
        )


class Viewing(QWidget):
    """Shows something through a View, and takes files and pictures that are dropped on it."""

    files_dropped = Signal(list)
    picture_dropped = Signal(object)  # Picture

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setMouseTracking(True)
        self.setAcceptDrops(True)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setMinimumSize(160, 160)
        self.grabGesture(Qt.GestureType.PinchGesture)
        self.view = View()
        self._dropping = False
        self.focus_by_key = False

    def paint_frame(self, painter: QPainter) -> None:
        """Around all of it, while something is dragged over it or who came by key is here."""
        if self._dropping or (self.focus_by_key and self.hasFocus()):
            painter.setPen(QPen(theme.colour("accent" if self._dropping else "focus"), 2))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawRect(self.rect().adjusted(1, 1, -1, -1))

    def focusInEvent(self, event: QFocusEvent) -> None:
        keys = (Qt.FocusReason.TabFocusReason, Qt.FocusReason.BacktabFocusReason)
        self.focus_by_key = event.reason() in keys
        self.update()

    def focusOutEvent(self, event: QFocusEvent) -> None:
        self.update()

    def zoom_in(self) -> None:
        self._zoom(1.25)

    def zoom_out(self) -> None:
        self._zoom(0.8)

    def zoom_fit(self) -> None:
        self.view.fit()
        self._view_changed()

    def _zoom(self, factor: float) -> None:
        self.view.zoom_at(QPointF(self.rect().center()), factor)
        self._view_changed()

    def _view_changed(self) -> None:
        self.update()

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        if has_payload(event.mimeData()) and event.source() is not self:
            self._dropping = True
            event.acceptProposedAction()
            self.update()

    def dragLeaveEvent(self, event: Any) -> None:
        self._dropping = False
        self.update()

    def dropEvent(self, event: QDropEvent) -> None:
        self._dropping = False
        self.update()
        payload = read_mime(event.mimeData())
        event.acceptProposedAction()
        if payload.files:
            self.files_dropped.emit(list(payload.files))
        elif payload.picture is not None:
            self.picture_dropped.emit(payload.picture)
