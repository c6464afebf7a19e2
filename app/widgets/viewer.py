"""The photo: fitted, zoomed, wiped against the drawing, full screen, dragged out. Knows no Studio."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from PySide6.QtCore import QEvent, QPoint, QPointF, QRectF, QSize, Qt, QVariantAnimation, Signal
from PySide6.QtGui import (
    QColor,
    QDrag,
    QDragEnterEvent,
    QDropEvent,
    QFocusEvent,
    QKeyEvent,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QPen,
    QPixmap,
    QResizeEvent,
    QWheelEvent,
)
from PySide6.QtWidgets import QApplication, QPushButton, QWidget

from app import theme
from app.i18n import say, tr
from app.pictures import has_payload, mime_for, read_mime, to_pixmap
from app.widgets.canvas import MARGIN, ZOOMS, paint_chip
from engines.job import Picture

FADE_MS = 110  # of a result that did not come while drawing
HANDLE = 11


class ResultViewer(QWidget):
    files_dropped = Signal(list)
    action_clicked = Signal()
    closed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setMouseTracking(True)
        self.setAcceptDrops(True)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setMinimumSize(160, 160)
        self._picture: Picture | None = None
        self._shown: QPixmap | None = None
        self._old: QPixmap | None = None
        self._before: QPixmap | None = None
        self._wipe, self._share, self._holding = False, 0.5, False
        self._zoom, self._corner, self._fitted = 1.0, QPointF(), True
        self._grip: str = ""
        self._last = QPoint()
        self._message = self._action = ""
        self._source: Callable[[], Path | str | None] | None = None
        self._full: ResultViewer | None = None
        self._by_key = False
        self.button = QPushButton(self)
        self.button.hide()
        self.button.clicked.connect(self.action_clicked)
        self._fade = QVariantAnimation(self)
        self._fade.setDuration(FADE_MS)
        self._fade.setStartValue(0.0)
        self._fade.setEndValue(1.0)
        self._fade.valueChanged.connect(self.update)
        self._fade.finished.connect(self._faded)
        theme.signals.changed.connect(self.update)

    # ---- what others ask ------------------------------------------------------------------------

    def picture(self) -> Picture | None:
        return self._picture

    def show_picture(self, picture: Picture, fade: bool = False) -> None:
        """A result. `fade` where it did not come while one draws."""
        self._old = self._shown if fade else None
        self._take(picture)
        if self._old is not None:
            self._fade.start()

    def show_preview(self, picture: Picture) -> None:
        """A picture on its way, shown as it is; it cannot be dragged out."""
        kept = self._picture
        self._take(picture)
        self._picture = kept

    def set_before(self, picture: Picture | None) -> None:
        """The input that wipe and hold show."""
        self._before = to_pixmap(picture) if picture is not None else None
        self.update()

    def set_wipe(self, on: bool) -> None:
        self._wipe = on
        self._hand(self.mapFromGlobal(self.cursor().pos()))
        self.update()

    def set_message(self, text: str, action: str = "") -> None:
        """A sentence in the place of the picture, with a button if there is something to do."""
        self._message, self._action = text, action
        self._picture = self._shown = self._old = None
        self.button.setVisible(bool(action))
        if action:
            say(self.button, "setText", action)
        self._place_button()
        self.update()

    def set_drag_source(self, source: Callable[[], Path | str | None]) -> None:
        """What gives the file, with its recipe inside, that a drag takes out."""
        self._source = source

    def show_fullscreen(self) -> None:
        """The picture alone on the screen; Esc, F11 or a double click ends it."""
        if self._full is not None or self._picture is None:
            return
        full = ResultViewer()
        full.setWindowTitle("Ganvas")
        full.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        full._before, full._wipe, full._share = self._before, self._wipe, self._share
        full.show_picture(self._picture)
        full.closed.connect(self._full_closed)
        self._full = full
        full.showFullScreen()

    def is_fullscreen(self) -> bool:
        return self._full is not None

    def zoom_in(self) -> None:
        self._zoom_at(QPointF(self.rect().center()), 1.25)

    def zoom_out(self) -> None:
        self._zoom_at(QPointF(self.rect().center()), 0.8)

    def zoom_fit(self) -> None:
        if self._shown is None:
            return
        size, room = self._shown.size(), self.size() - QSize(2 * MARGIN, 2 * MARGIN)
        zoom = min(max(room.width(), 1) / size.width(), max(room.height(), 1) / size.height())
        self._zoom = min(max(zoom, ZOOMS[0]), ZOOMS[1])
        w, h = size.width() * self._zoom, size.height() * self._zoom
        self._corner = QPointF((self.width() - w) / 2, (self.height() - h) / 2)
        self._fitted = True
        self.update()

    def _take(self, picture: Picture) -> None:
        before = self._shown.size() if self._shown is not None else None
        self._picture, self._shown = picture, to_pixmap(picture)
        self._message = ""
        self.button.hide()
        if self._fitted or before != self._shown.size():
            self.zoom_fit()
        if self._full is not None:
            self._full.show_picture(picture)
        self.update()

    def _faded(self) -> None:
        self._old = None
        self.update()

    def _full_closed(self) -> None:
        self._full = None

    # ---- painting -------------------------------------------------------------------------------

    def _area(self) -> QRectF:
        size = self._shown.size() if self._shown is not None else QSize()
        return QRectF(self._corner, QPointF(self._corner.x() + size.width() * self._zoom,
                                            self._corner.y() + size.height() * self._zoom))  # fmt: skip

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        full = self.isFullScreen()
        painter.fillRect(event.rect(), QColor("black") if full else theme.colour("sunken"))
        if self._shown is None:
            self._paint_message(painter)
        else:
            self._paint_picture(painter, self._area())
            self._paint_chip(painter)
        if self._by_key and self.hasFocus():
            painter.setPen(QPen(theme.colour("focus"), 2))
            painter.drawRect(self.rect().adjusted(1, 1, -1, -1))
        painter.end()

    def _paint_picture(self, painter: QPainter, area: QRectF) -> None:
        assert self._shown is not None
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform, self._zoom < 6)
        if self._shown.hasAlphaChannel():
            _paint_checks(painter, area)
        if self._holding and self._before is not None:
            self._paint_before(painter, area)
            return
        if self._old is not None:
            painter.drawPixmap(area, self._old, QRectF(self._old.rect()))
            painter.setOpacity(float(self._fade.currentValue() or 0.0))
        painter.drawPixmap(area, self._shown, QRectF(self._shown.rect()))
        painter.setOpacity(1.0)
        if self._wipe and self._before is not None:
            split = self._split(area)
            painter.save()
            painter.setClipRect(QRectF(area.topLeft(), QPointF(split, area.bottom())))
            self._paint_before(painter, area)
            painter.restore()
            self._paint_handle(painter, area, split)

    def _paint_before(self, painter: QPainter, area: QRectF) -> None:
        assert self._before is not None
        painter.fillRect(area, theme.colour("paper"))
        painter.drawPixmap(area, self._before, QRectF(self._before.rect()))

    def _split(self, area: QRectF) -> float:
        return area.left() + self._share * area.width()

    def _paint_handle(self, painter: QPainter, area: QRectF, split: float) -> None:
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(QPen(QColor(0, 0, 0, 70), 3))
        painter.drawLine(QPointF(split, area.top()), QPointF(split, area.bottom()))
        painter.setPen(QPen(QColor(255, 255, 255), 1.4))
        painter.drawLine(QPointF(split, area.top()), QPointF(split, area.bottom()))
        middle = QPointF(split, self._handle_height(area))
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(0, 0, 0, 60))
        painter.drawEllipse(middle + QPointF(0, 1), HANDLE + 1.5, HANDLE + 1.5)
        painter.setBrush(QColor(255, 255, 255))
        painter.drawEllipse(middle, HANDLE, HANDLE)
        painter.setPen(
            QPen(QColor(60, 64, 72), 1.6, Qt.PenStyle.SolidLine, Qt.PenCapStyle.RoundCap)
        )
        for side in (-1, 1):
            tip = middle + QPointF(side * 6, 0)
            painter.drawLine(tip, tip + QPointF(-side * 2.6, -3))
            painter.drawLine(tip, tip + QPointF(-side * 2.6, 3))
        painter.setBrush(Qt.BrushStyle.NoBrush)

    def _handle_height(self, area: QRectF) -> float:
        """The middle of what is seen of the picture."""
        return (area & QRectF(self.rect())).center().y()

    def _paint_chip(self, painter: QPainter) -> None:
        assert self._shown is not None
        size = self._shown.size()
        text = tr("{width}x{height} → shown ×{zoom}", width=size.width(), height=size.height(),
                  zoom=f"{self._zoom:.2g}")  # fmt: skip
        paint_chip(painter, QPoint(10, self.height() - 10), text, self.width() - 20)

    def _paint_message(self, painter: QPainter) -> None:
        if not self._message:
            return
        painter.setPen(theme.colour("quiet"))
        painter.setFont(theme.font(14))
        room = QRectF(self.rect()).adjusted(24, 0, -24, -32 if self._action else 0)
        flags = Qt.AlignmentFlag.AlignCenter | Qt.TextFlag.TextWordWrap
        painter.drawText(room, flags, tr(self._message))

    def _place_button(self) -> None:
        self.button.adjustSize()
        self.button.move((self.width() - self.button.width()) // 2, self.height() // 2 + 14)

    # ---- pointer and keys -----------------------------------------------------------------------

    def _on_handle(self, at: QPointF) -> bool:
        if not (self._wipe and self._before is not None and self._shown is not None):
            return False
        area = self._area()
        near = abs(at.x() - self._split(area)) <= HANDLE + 3
        return near and area.top() - HANDLE <= at.y() <= area.bottom() + HANDLE

    def _hand(self, at: QPoint) -> None:
        grip = self._on_handle(QPointF(at))
        self.setCursor(Qt.CursorShape.SplitHCursor if grip else Qt.CursorShape.ArrowCursor)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        self._by_key = False
        self._last = event.position().toPoint()
        if event.button() == Qt.MouseButton.MiddleButton:
            self._grip = "pan"
        elif event.button() == Qt.MouseButton.LeftButton and self._shown is not None:
            if self._on_handle(event.position()):
                self._grip = "wipe"
            else:
                self._grip = "pan" if not self._fitted else "out"

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        here = event.position().toPoint()
        if self._grip == "wipe":
            area = self._area()
            self._share = min(max((here.x() - area.left()) / max(area.width(), 1), 0.0), 1.0)
            self.update()
        elif self._grip == "pan":
            self._corner += QPointF(here - self._last)
            self._last, self._fitted = here, False
            self.update()
        elif self._grip == "out":
            if (here - self._last).manhattanLength() >= QApplication.startDragDistance():
                self._grip = ""
                self._drag_out()
        else:
            self._hand(here)

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        self._grip = ""

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        if self.isFullScreen():
            self.close()
        else:
            self.zoom_fit()

    def wheelEvent(self, event: QWheelEvent) -> None:
        self._zoom_at(event.position(), 1.0015 ** event.angleDelta().y())

    def _zoom_at(self, point: QPointF, factor: float) -> None:
        if self._shown is None:
            return
        held = (point - self._corner) / self._zoom
        self._zoom = min(max(self._zoom * factor, ZOOMS[0]), ZOOMS[1])
        self._corner = point - held * self._zoom
        self._fitted = False
        self.update()

    def _drag_out(self) -> None:
        file = self._source() if self._source else None
        if self._picture is None:
            return
        drag = QDrag(self)
        drag.setMimeData(mime_for(self._picture, [file] if file else []))
        if self._shown is not None:
            small = self._shown.scaled(96, 96, Qt.AspectRatioMode.KeepAspectRatio,
                                       Qt.TransformationMode.SmoothTransformation)  # fmt: skip
            drag.setPixmap(small)
        drag.exec(Qt.DropAction.CopyAction)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        key = event.key()
        if key == Qt.Key.Key_Space and not event.isAutoRepeat():
            self._holding = True
        elif key in (Qt.Key.Key_Escape, Qt.Key.Key_F11) and self.isFullScreen():
            self.close()
        elif key in (Qt.Key.Key_Left, Qt.Key.Key_Right) and self._wipe:
            step = 0.02 if key == Qt.Key.Key_Right else -0.02
            self._share = min(max(self._share + step, 0.0), 1.0)
        else:
            super().keyPressEvent(event)
            return
        self.update()

    def keyReleaseEvent(self, event: QKeyEvent) -> None:
        if event.key() == Qt.Key.Key_Space and not event.isAutoRepeat():
            self._holding = False
            self.update()
        else:
            super().keyReleaseEvent(event)

    def focusInEvent(self, event: QFocusEvent) -> None:
        keys = (Qt.FocusReason.TabFocusReason, Qt.FocusReason.BacktabFocusReason)
        self._by_key = event.reason() in keys
        self.update()

    def focusOutEvent(self, event: QFocusEvent) -> None:
        self._holding = False
        self.update()

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        if has_payload(event.mimeData()) and event.source() is not self:
            event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent) -> None:
        payload = read_mime(event.mimeData())
        if payload.files:
            event.acceptProposedAction()
            self.files_dropped.emit(list(payload.files))

    def resizeEvent(self, event: QResizeEvent) -> None:
        self._place_button()
        if self._fitted:
            self.zoom_fit()

    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if event.type() == QEvent.Type.FontChange:
            self._place_button()

    def closeEvent(self, event: QEvent) -> None:
        self.closed.emit()
        super().closeEvent(event)  # pyright: ignore[reportArgumentType]


def _paint_checks(painter: QPainter, area: QRectF) -> None:
    """Squares below what is transparent."""
    painter.fillRect(area, QColor("#FFFFFF"))
    tile = QPixmap(16, 16)
    tile.fill(QColor("#FFFFFF"))
    inside = QPainter(tile)
    inside.fillRect(0, 0, 8, 8, QColor("#D9DCE1"))
    inside.fillRect(8, 8, 8, 8, QColor("#D9DCE1"))
    inside.end()
    painter.drawTiledPixmap(area, tile)
