"""The photo that one works on: zoomed, its faces framed, eyes and mouth moved by hand, a region
painted or framed.

Knows places in a photo, no detector and no model.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from PySide6.QtCore import QPoint, QPointF, QRectF, Qt, Signal
from PySide6.QtGui import (
    QColor,
    QKeyEvent,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QPen,
    QPixmap,
    QResizeEvent,
    QWheelEvent,
)
from PySide6.QtWidgets import QPushButton

from app import theme
from app.i18n import say, signals, tr
from app.pictures import to_pixmap
from app.widgets.canvas_paint import paint_chip, paint_ground
from app.widgets.mask import Mask, Region
from app.widgets.viewer_paint import message_area, paint_message, paint_pixmap
from app.widgets.zooming import Viewing
from engines.job import Picture

REACH = 10  # logical pixels within which a handle is taken hold of
HANDLE = 5.5
GAP = 8  # between the buttons of an empty view
CHIP = "{width}x{height} · every other pixel stays as it is"


@dataclass(frozen=True)
class Spot:
    """A face in pixels of the photo: box (x, y, width, height); points x, y of left eye, right eye,
    mouth; whether something was changed on it."""

    box: tuple[float, float, float, float]
    points: tuple[float, ...]
    edited: bool = False


class FacePhoto(Viewing):
    """A click on a frame chooses that face; with `set_adjusting` its three handles can be drawn,
    with `set_painting` a mask is painted."""

    face_chosen = Signal(int)
    points_moved = Signal(list)  # six numbers, when a handle is let go
    mask_painted = Signal(object)  # Picture | None, when the brush is lifted
    region_moved = Signal(list)  # x, y, width, height, when it is let go; []: the model's own again
    file_wanted = Signal()
    example_wanted = Signal()
    soft = 0.0  # see Mask
    _shown: QPixmap | None = None  # asked for by events while this is made

    def __init__(self, icon: str = "faces", chip: str = CHIP) -> None:
        """icon: over the message while there is no photo; chip: what is said of the photo."""
        super().__init__()
        self._icon, self._chip = icon, chip
        self._spots: tuple[Spot, ...] = ()
        self._active = -1
        self._points: list[float] = []
        self._adjusting = False
        self._held, self._grip, self._last = -1, "", QPointF()
        self._outline: Callable[[Sequence[float]], Sequence[tuple[float, float]]] | None = None
        self._mask: Mask | None = None
        self._region: Region | None = None
        self._painting = self.erasing = False
        self.brush = 40.0  # logical pixels
        self._message = ""
        self.button = QPushButton(self)
        say(self.button, "setText", "Open a photo…")
        self.button.clicked.connect(self.file_wanted)
        self.example = QPushButton(self)
        say(self.example, "setText", "Try an example")
        self.example.clicked.connect(self.example_wanted)
        theme.signals.changed.connect(self.update)
        signals.changed.connect(self._place_buttons)

    # ---- what others ask ------------------------------------------------------------------------

    def set_picture(self, picture: Picture | None) -> None:
        before = self._shown.size() if self._shown is not None else None
        self._shown = to_pixmap(picture) if picture is not None else None
        self._region = None
        self._mask = self._new_mask()
        if self._shown is not None and self._shown.size() != before:
            self.view.place(self._shown.size(), self.size())
            self.view.fit()
        self._show_buttons()
        self.update()

    def show_faces(self, spots: Sequence[Spot], active: int) -> None:
        """All faces and which of them is worked on (-1: none)."""
        self._spots, self._active = tuple(spots), active
        if self._held < 0:
            self._points = list(spots[active].points) if 0 <= active < len(spots) else []
        self.update()

    def set_adjusting(self, on: bool) -> None:
        self._adjusting = on
        self.update()

    def set_outline(
        self, outline: Callable[[Sequence[float]], Sequence[tuple[float, float]]] | None
    ) -> None:
        """What gives the corners of the crop that a model sees, in the photo, by six points."""
        self._outline = outline
        self.update()

    def set_painting(self, on: bool, soft: float | None = None) -> None:
        """soft: that of the brush from now on, see Mask."""
        self._painting = on
        if soft is not None:
            self.soft = soft
            if self._mask is not None:
                self._mask.soft = soft
        self.setCursor(Qt.CursorShape.CrossCursor if on else Qt.CursorShape.ArrowCursor)
        self.update()

    def painted(self) -> Picture | None:
        """What is painted; None where nothing is."""
        return self._mask.picture() if self._mask is not None else None

    def show_mask(self, picture: Picture | None) -> None:
        """What was painted, as it was given out before or comes from elsewhere."""
        if self._mask is not None:
            self._mask.show(picture)
            self.update()

    def show_region(self, rect: Sequence[float] | None, chosen: bool = False) -> None:
        """A rectangle of the photo, x, y, width, height; `chosen` by hand, or found."""
        if self._grip != "region":
            self._region = Region(rect, chosen) if rect else None
            self.update()

    def region(self) -> QRectF:
        """The rectangle in the widget; an empty one where there is none."""
        return self._seen(self._region.rect) if self._region is not None else QRectF()

    def _seen(self, rect: QRectF) -> QRectF:
        return QRectF(self.view.to_view(rect.topLeft()), self.view.to_view(rect.bottomRight()))

    def set_message(self, text: str) -> None:
        """What stands there while there is no photo."""
        self._message = text
        self._show_buttons()
        self.update()

    def message(self) -> str:
        return self._message

    def handle(self, index: int) -> QPointF:
        """Where the handle of left eye (0), right eye (1) or mouth (2) lies in the widget."""
        return self.view.to_view(QPointF(self._points[2 * index], self._points[2 * index + 1]))

    def frame(self, index: int) -> QRectF:
        """The frame of a face in the widget."""
        x, y, width, height = self._spots[index].box
        corner = self.view.to_view(QPointF(x, y))
        return QRectF(corner, self.view.to_view(QPointF(x + width, y + height)))

    # ---- painting -------------------------------------------------------------------------------

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.fillRect(event.rect(), theme.colour("sunken"))
        if self._shown is None:
            if self._message:
                paint_message(painter, self._room(), tr(self._message), False, self._icon)
        else:
            paint_ground(painter, self.view.area(), QRectF(event.rect()))
            paint_pixmap(painter, self.view.area(), self._shown, self.view.zoom)
            self._paint_mask(painter)
            painter.setRenderHint(QPainter.RenderHint.Antialiasing)
            for index in range(len(self._spots)):
                self._paint_spot(painter, index)
            if self._region is not None:
                self._region.paint(painter, self.region())
            if self._adjusting and self._points:
                self._paint_outline(painter)
                self._paint_handles(painter)
            if self._painting and self.underMouse():
                self._paint_brush(painter)
            size = self._shown.size()
            text = tr(self._chip, width=size.width(), height=size.height())
            paint_chip(painter, QPoint(10, self.height() - 10), text, self.width() - 20)
        self.paint_frame(painter)
        painter.end()

    def _new_mask(self) -> Mask | None:
        """An empty one for the photo."""
        return Mask(self._shown.size(), self.soft) if self._shown is not None else None

    def _paint_mask(self, painter: QPainter) -> None:
        if self._mask is not None:
            self._mask.paint(painter, self.view.area())

    def _tint(self) -> QColor:
        """Of the brush."""
        return theme.colour("accent")

    def _paint_spot(self, painter: QPainter, index: int) -> None:
        frame, active = self.frame(index), index == self._active
        tint = theme.colour("accent") if active else QColor(255, 255, 255, 200)
        for pen in (QPen(QColor(0, 0, 0, 110), 3.2), QPen(tint, 1.6)):
            painter.setPen(pen)
            painter.drawRoundedRect(frame, 6, 6)
        word = "editing" if active else "edited" if self._spots[index].edited else ""
        text = f"{index + 1} · {tr(word)}" if word else str(index + 1)
        painter.setFont(theme.font(12))
        metrics = painter.fontMetrics()
        box = QRectF(frame.left(), frame.top() - 22, metrics.horizontalAdvance(text) + 12, 18)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(20, 22, 26, 225))
        painter.drawRoundedRect(box, 4, 4)
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.setPen(theme.colour("accent") if active else QColor(240, 242, 245))
        painter.drawText(box, Qt.AlignmentFlag.AlignCenter, text)

    def _paint_outline(self, painter: QPainter) -> None:
        corners = self._outline(self._points) if self._outline is not None else ()
        if corners:
            painter.setPen(QPen(QColor(255, 255, 255, 170), 1.2, Qt.PenStyle.DashLine))
            painter.drawPolygon([self.view.to_view(QPointF(x, y)) for x, y in corners])

    def _paint_brush(self, painter: QPainter) -> None:
        at = QPointF(self.mapFromGlobal(self.cursor().pos()))
        for width, tint in ((2.6, QColor(0, 0, 0, 120)), (1.2, self._tint())):
            painter.setPen(QPen(tint, width))
            painter.drawEllipse(at, self.brush / 2, self.brush / 2)

    def _paint_handles(self, painter: QPainter) -> None:
        eyes = [self.handle(i) for i in range(3)]
        for width, tint in ((3.0, QColor(0, 0, 0, 90)), (1.2, theme.colour("accent"))):
            painter.setPen(QPen(tint, width))
            painter.drawPolygon(eyes)
        for index, at in enumerate(eyes):
            painter.setPen(QPen(QColor(20, 22, 26), 1.2))
            painter.setBrush(QColor("white") if index == self._held else theme.colour("accent"))
            painter.drawEllipse(at, HANDLE, HANDLE)
        painter.setBrush(Qt.BrushStyle.NoBrush)

    def _room(self) -> QRectF:
        return QRectF(self.rect()).adjusted(0, 0, 0, -36)

    def _show_buttons(self) -> None:
        if self._shown is not None and (self.button.hasFocus() or self.example.hasFocus()):
            self.setFocus()  # or the next button of the window would have it
        for button in (self.button, self.example):
            button.setVisible(self._shown is None and bool(self._message))
        self._place_buttons()

    def _place_buttons(self, *_: object) -> None:
        """Side by side below the message, or one below the other where that is too wide."""
        for button in (self.button, self.example):
            button.adjustSize()
        first, second = self.button.size(), self.example.size()
        top = round(message_area(self._room(), tr(self._message)).bottom()) + 14
        wide = first.width() + GAP + second.width()
        if wide + 2 * GAP <= self.width():
            left = (self.width() - wide) // 2
            self.button.move(left, top)
            self.example.move(left + first.width() + GAP, top)
        else:
            self.button.move((self.width() - first.width()) // 2, top)
            self.example.move((self.width() - second.width()) // 2, top + first.height() + GAP)

    # ---- pointer --------------------------------------------------------------------------------

    def _near(self, at: QPointF) -> int:
        """The handle below the pointer, or -1."""
        if not self._adjusting or not self._points:
            return -1
        far = [(self.handle(i) - at).manhattanLength() for i in range(3)]
        nearest = min(range(3), key=lambda i: far[i])
        return nearest if far[nearest] <= 2 * REACH else -1

    def _face_at(self, at: QPointF) -> int:
        """The smallest frame around the pointer, or -1."""
        inside = [i for i in range(len(self._spots)) if self.frame(i).contains(at)]
        return min(inside, key=lambda i: self.frame(i).width(), default=-1)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        at, self._last = event.position(), event.position()
        if self._shown is None:
            return
        left = event.button() == Qt.MouseButton.LeftButton
        if left and self._painting:
            self._grip = "paint"
            self._paint_to(at)
        elif left and self._near(at) >= 0:
            self._held = self._near(at)
        elif (
            left and self._region and self._region.hold(at, self.region(), self.view.to_content(at))
        ):
            self._grip = "region"
        elif left and self._face_at(at) >= 0:
            self.face_chosen.emit(self._face_at(at))
        elif event.button() in (Qt.MouseButton.LeftButton, Qt.MouseButton.MiddleButton):
            self._grip = "pan"

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        at = event.position()
        if self._held >= 0 and self._shown is not None:
            there = self.view.to_content(at)
            size = self._shown.size()
            self._points[2 * self._held] = min(max(there.x(), 0.0), size.width() - 1.0)
            self._points[2 * self._held + 1] = min(max(there.y(), 0.0), size.height() - 1.0)
            self.update()
        elif self._grip == "pan":
            self.view.pan(at - self._last)
            self.update()
        elif self._grip == "paint":
            self._paint_to(at)
        elif self._grip == "region" and self._region is not None and self._shown is not None:
            self._region.drag(self.view.to_content(at), self._shown.size())
            self.update()
        elif self._painting:
            self.update()
        else:
            self.setCursor(self._shape(at))
        self._last = at

    def _shape(self, at: QPointF) -> Qt.CursorShape:
        """The cursor says what a press would take hold of."""
        if self._near(at) >= 0:
            return Qt.CursorShape.PointingHandCursor
        if self._region is not None and self._region.grip(at, self.region()):
            return Qt.CursorShape.SizeAllCursor
        hand = self._face_at(at) >= 0
        return Qt.CursorShape.PointingHandCursor if hand else Qt.CursorShape.ArrowCursor

    def _paint_to(self, at: QPointF) -> None:
        if self._mask is not None:
            ends = self.view.to_content(self._last), self.view.to_content(at)
            self._mask.stroke(*ends, self.brush / self.view.zoom, self.erasing)
            self.update()

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        held, grip, self._held, self._grip = self._held, self._grip, -1, ""
        if grip == "paint" and self._mask is not None:
            self.mask_painted.emit(self._mask.picture())
        elif grip == "region" and self._region is not None:
            self.region_moved.emit(self._region.numbers())
        elif held >= 0:
            self.points_moved.emit([round(n, 2) for n in self._points])
            self.update()

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        at = event.position()
        if self._region is not None and self._region.grip(at, self.region()):
            self.region_moved.emit([])
        elif self._shown is not None and self._face_at(at) < 0 and not self._painting:
            self.zoom_fit()

    def wheelEvent(self, event: QWheelEvent) -> None:
        if self._shown is not None and self.view.take(event):
            self.update()

    def event(self, event: Any) -> bool:
        wheel = isinstance(event, QWheelEvent)
        if self._shown is not None and not wheel and self.view.take(event):
            self.update()
            return True
        return super().event(event)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        steps = {Qt.Key.Key_Right: 1, Qt.Key.Key_Down: 1, Qt.Key.Key_Left: -1, Qt.Key.Key_Up: -1}
        step = steps.get(Qt.Key(event.key()), 0)
        if step and self._spots:
            self.face_chosen.emit((self._active + step) % len(self._spots))
        else:
            super().keyPressEvent(event)

    # ---- sizes -----------------------------------------------------------------------------------

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        if self._shown is not None:
            self.view.place(self._shown.size(), self.size())
        self._place_buttons()
