"""How a term of a loss goes while it is minimised: a small curve with the number of now. Knows
steps and numbers, no job."""

from __future__ import annotations

import math
from collections.abc import Mapping

from PySide6.QtCore import QPointF, QRectF, QSize, Qt, QTimer
from PySide6.QtGui import QPainter, QPaintEvent, QPen, QPolygonF
from PySide6.QtWidgets import QSizePolicy, QWidget

from app import theme
from app.i18n import tr

REPAINT_MS = 250
MOST = 240  # points kept; of more every second one goes
NUMBER = 62  # pixels for the number at the right
STEEP = 10.0  # from this ratio of the largest to the smallest on, a curve is drawn in logarithms


class TermCurve(QWidget):
    """Points come as fast as they like; it is painted a few times a second."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self._name, self._run = name, 0
        self._points: list[tuple[int, float]] = []
        self._every = 1  # steps that a point stands for
        self._last: Mapping[str, float] = {}
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self._quiet = QTimer(self, singleShot=True, interval=REPAINT_MS)
        self._quiet.timeout.connect(self._show)
        theme.signals.changed.connect(self.update)
        self.hide()

    def sizeHint(self) -> QSize:
        return QSize(120, 26)

    def points(self) -> list[tuple[int, float]]:
        """(step, value), as they are drawn."""
        return list(self._points)

    def logarithmic(self) -> bool:
        values = [value for _, value in self._points]
        return bool(values) and min(values) > 0 and max(values) > STEEP * min(values)

    def add(self, run: int, step: int, parts: Mapping[str, float]) -> None:
        """What a term's parts are at a step. Another run begins another curve, and without parts
        there is none."""
        if run != self._run:
            self._run, self._points, self._every = run, [], 1
        value = math.fsum(parts.values())
        if parts and math.isfinite(value):
            if self._points and step - self._points[-1][0] < self._every:
                self._points.pop()
            self._points.append((step, value))
            self._thin()
        self._last = parts
        self.setVisible(bool(self._points))
        if not self._quiet.isActive():
            self._quiet.start()

    def _thin(self) -> None:
        if len(self._points) > MOST:
            self._every = 2 * max(self._every, self._points[1][0] - self._points[0][0])
            self._points = self._points[::2]

    def _show(self) -> None:
        if self._points:
            words = tr("{term} at step {step}: {value}", term=tr(self._name),
                       step=self._points[-1][0], value=_short(self._points[-1][1]))  # fmt: skip
            parts = [f"{name}: {_short(value)}" for name, value in self._last.items()]
            self.setToolTip("\n".join((words, *(parts if len(parts) > 1 else ()))))
            self.setAccessibleName(words)
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        if not self._points:
            return
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        area = QRectF(self.rect()).adjusted(1, 3, -NUMBER, -3)
        painter.setPen(QPen(theme.colour("line"), 1))
        painter.drawLine(area.bottomLeft() + QPointF(0, 1), area.bottomRight() + QPointF(0, 1))
        painter.setFont(theme.font(11))
        if self.logarithmic():
            painter.setPen(theme.colour("quiet"))
            corner = Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignBottom
            painter.drawText(area.adjusted(0, 0, 0, -1), int(corner), tr("log"))
        line = self._line(area)
        painter.setPen(QPen(theme.colour("success"), 1.5))
        painter.drawPolyline(line)
        painter.setBrush(theme.colour("success"))
        painter.drawEllipse(line.last(), 1.5, 1.5)
        painter.setPen(theme.colour("quiet"))
        right = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
        painter.drawText(self.rect(), int(right), _short(self._points[-1][1]))

    def _line(self, area: QRectF) -> QPolygonF:
        log = self.logarithmic()
        heights = [math.log(value) if log else value for _, value in self._points]
        low, high = min(heights), max(heights)
        first, last = self._points[0][0], self._points[-1][0]
        wide, tall = max(last - first, 1), (high - low) or 1.0
        return QPolygonF([
            QPointF(area.left() + (step - first) / wide * area.width(),
                    area.bottom() - (height - low) / tall * area.height())
            for (step, _), height in zip(self._points, heights, strict=True)
        ])  # fmt: skip


def _short(value: float) -> str:
    """Three digits, and as few signs as that takes."""
    mantissa, _, power = f"{value:.3g}".partition("e")
    return f"{mantissa}e{int(power)}" if power else mantissa
