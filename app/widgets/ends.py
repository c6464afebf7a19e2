"""A slider with two ends: where a number starts and where it goes."""

from __future__ import annotations

from PySide6.QtCore import QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QKeyEvent, QMouseEvent, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QWidget

from app import theme
from app.theme import colour

STEP = 0.02  # of the whole range, for each press of an arrow key


class Ends(QWidget):
    """The hollow knob is the start, the full one the end; where both lie together nothing moves.
    A double click lays both on the rest. Arrow keys move the end, with Shift the start."""

    moved = Signal(float, float)  # start, end

    def __init__(
        self, low: float, high: float, rest: float, trained: tuple[float, float] | None
    ) -> None:
        super().__init__()
        self.low, self.high, self.rest, self.trained = low, high, rest, trained
        self.start = self.end = rest
        self._held = ""
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setCursor(Qt.CursorShape.PointingHandCursor)

    def sizeHint(self) -> QSize:
        return QSize(180, 22)

    def minimumSizeHint(self) -> QSize:
        return QSize(80, 22)

    def show_ends(self, start: float, end: float) -> None:
        """Without telling anyone."""
        self.start, self.end = (min(max(n, self.low), self.high) for n in (start, end))
        self.update()

    def moves(self) -> bool:
        return self.start != self.end

    # ---- painting -------------------------------------------------------------------------------

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        middle = self.height() / 2
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(colour("line"))
        painter.drawRoundedRect(QRectF(1, middle - 2, self.width() - 2, 4), 2, 2)
        if self.trained:
            left, right = self._x(self.trained[0]), self._x(self.trained[1])
            painter.setBrush(theme.mixed("success", "line", 0.45))
            painter.drawRoundedRect(QRectF(left, middle - 2, max(right - left, 2), 4), 2, 2)
        a, b = self._x(self.start), self._x(self.end)
        painter.setBrush(colour("accent"))
        painter.drawRoundedRect(QRectF(min(a, b), middle - 2, abs(b - a), 4), 2, 2)
        self._paint_knob(painter, a, hollow=True)
        self._paint_knob(painter, b, hollow=not self.moves())

    def _paint_knob(self, painter: QPainter, x: float, hollow: bool) -> None:
        box = QRectF(x - 6, self.height() / 2 - 6, 12, 12)
        if self.hasFocus():
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.setPen(QPen(colour("focus"), 1.2))
            painter.drawEllipse(box.adjusted(-2, -2, 2, 2))
        tint = colour("accent" if self.moves() else "handle")
        painter.setPen(QPen(tint, 2))
        painter.setBrush(colour("panel") if hollow else tint)
        painter.drawEllipse(box.adjusted(1, 1, -1, -1))

    def _x(self, number: float) -> float:
        share = (number - self.low) / (self.high - self.low) if self.high > self.low else 0.0
        return 8 + min(max(share, 0.0), 1.0) * (self.width() - 16)

    def _number(self, x: float) -> float:
        share = min(max((x - 8) / max(self.width() - 16, 1), 0.0), 1.0)
        return round(self.low + share * (self.high - self.low), 2)

    # ---- hands ----------------------------------------------------------------------------------

    def mousePressEvent(self, event: QMouseEvent) -> None:
        if event.button() == Qt.MouseButton.LeftButton:
            self._held = self._nearest(event.position())
            self._take(event.position())

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        if self._held:
            self._take(event.position())

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        self._held = ""

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        self._held = ""
        self._set(self.rest, self.rest)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        ways = {Qt.Key.Key_Right: 1, Qt.Key.Key_Up: 1, Qt.Key.Key_Left: -1, Qt.Key.Key_Down: -1}
        way = ways.get(Qt.Key(event.key()), 0) * STEP * (self.high - self.low)
        if not way:
            super().keyPressEvent(event)
        elif event.modifiers() & Qt.KeyboardModifier.ShiftModifier:
            self._set(self.start + way, self.end)
        else:
            self._set(self.start, self.end + way)

    def _nearest(self, at: QPointF) -> str:
        """Which knob a press takes; of two that lie together the end, which is what one moves."""
        far = abs(at.x() - self._x(self.start)), abs(at.x() - self._x(self.end))
        return "start" if far[0] < far[1] else "end"

    def _take(self, at: QPointF) -> None:
        number = self._number(at.x())
        self._set(*((number, self.end) if self._held == "start" else (self.start, number)))

    def _set(self, start: float, end: float) -> None:
        before = self.start, self.end
        self.show_ends(round(start, 2), round(end, 2))
        if (self.start, self.end) != before:
            self.moved.emit(self.start, self.end)
