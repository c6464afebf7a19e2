"""ImageWell: where a photo, a style or a guide picture is dropped. Knows pictures, not models."""

from __future__ import annotations

from PySide6.QtCore import QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import (
    QDragEnterEvent,
    QDropEvent,
    QKeyEvent,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QPen,
    QPixmap,
)
from PySide6.QtWidgets import QWidget

from app import pictures
from app.i18n import say, tr
from app.theme import colour
from app.widgets.viewer_paint import paint_marker
from engines.job import Picture


class ImageWell(QWidget):
    """Shows its picture or an invitation; a click asks for a file, Delete empties it."""

    changed = Signal()
    files_dropped = Signal(list)
    clicked = Signal()

    def __init__(self, name: str) -> None:
        super().__init__()
        self._name, self._picture = name, None
        self._shown = QPixmap()
        self._hovered = False
        self._marker: QPointF | None = None
        self.setAcceptDrops(True)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        say(self, "setAccessibleName", name)

    def picture(self) -> Picture | None:
        return self._picture

    def set_picture(self, picture: Picture | None) -> None:
        if picture == self._picture:
            return
        self._picture = picture
        self._shown = pictures.to_pixmap(picture) if picture else QPixmap()
        self._marker = None
        self.update()
        self.changed.emit()

    def mark(self, place: QPointF | None) -> None:
        """Point at a place of the picture, in [0, 1]; None: at none."""
        self._marker = place
        self.update()

    def marked(self) -> QPointF | None:
        return self._marker

    def sizeHint(self) -> QSize:
        return QSize(200, 132)

    def minimumSizeHint(self) -> QSize:
        return QSize(120, 96)

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        box = QRectF(self.rect()).adjusted(0.5, 0.5, -0.5, -0.5)
        edge = "accent" if self._hovered else "focus" if self.hasFocus() else "line"
        style = Qt.PenStyle.SolidLine if self._picture else Qt.PenStyle.DashLine
        painter.setPen(QPen(colour(edge), 1, style))
        painter.setBrush(colour("sunken"))
        painter.drawRoundedRect(box, 6, 6)
        if self._shown.isNull():
            painter.setPen(colour("quiet"))
            words = f"{tr(self._name)}\n{tr('Drop a picture here, or click to choose one.')}"
            flags = Qt.AlignmentFlag.AlignCenter | Qt.TextFlag.TextWordWrap
            painter.drawText(box.adjusted(12, 8, -12, -8), int(flags), words)
            return
        size = self._shown.size().scaled(
            (box.size() - QSize(8, 8)).toSize(), Qt.AspectRatioMode.KeepAspectRatio
        )
        place = QRectF(0, 0, size.width(), size.height())
        place.moveCenter(box.center())
        painter.drawPixmap(place, self._shown, QRectF(self._shown.rect()))
        if self._marker is not None:
            across, down = self._marker.x() * place.width(), self._marker.y() * place.height()
            paint_marker(painter, place.topLeft() + QPointF(across, down))

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        if event.button() == Qt.MouseButton.LeftButton:
            self.clicked.emit()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() in (Qt.Key.Key_Delete, Qt.Key.Key_Backspace):
            self.set_picture(None)
        elif event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Space):
            self.clicked.emit()
        else:
            super().keyPressEvent(event)

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        if pictures.has_payload(event.mimeData()):
            self._hovered = True
            self.update()
            event.acceptProposedAction()

    def dragLeaveEvent(self, event: object) -> None:
        self._hovered = False
        self.update()

    def dropEvent(self, event: QDropEvent) -> None:
        self._hovered = False
        payload = pictures.read_mime(event.mimeData())
        if payload.picture is not None:
            self.set_picture(payload.picture)
        elif payload.files:
            self.files_dropped.emit(list(payload.files))
        self.update()
        event.acceptProposedAction()
