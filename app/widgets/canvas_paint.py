"""What surrounds a drawing: the table, the brush's ring, the chip in the corner."""

from __future__ import annotations

from PySide6.QtCore import QPoint, QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QPainter, QPen, QPixmap

from app import theme


def paint_ground(painter: QPainter, paper: QRectF, clip: QRectF) -> None:
    """Dots on the table, a soft edge around the sheet."""
    if paper.contains(clip):
        return
    step = 16
    painter.setPen(QPen(theme.colour("dot"), 1.5))
    left, top = int(clip.left()) // step * step, int(clip.top()) // step * step
    dots = [QPoint(x, y) for x in range(left, int(clip.right()) + step, step)
            for y in range(top, int(clip.bottom()) + step, step)
            if not paper.contains(QPointF(x, y))]  # fmt: skip
    if dots:
        painter.drawPoints(dots)
    for reach, alpha in ((6, 14), (3, 26), (1, 40)):  # the inner half lies below the paper
        painter.setPen(QPen(QColor(0, 0, 0, alpha), 2 * reach))
        painter.drawRect(paper.translated(0, 2))


def paint_ring(painter: QPainter, at: QPointF, width: float, tint: QColor | None) -> None:
    """The brush, `width` view pixels wide, with its colour in the middle if it has one."""
    radius = max(width / 2, 1.5)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    for colour, line in ((QColor(255, 255, 255, 170), 2.4), (QColor(20, 20, 24, 220), 1.1)):
        painter.setPen(QPen(colour, line))
        painter.drawEllipse(at, radius, radius)
    if tint is not None:
        painter.setBrush(tint)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.drawEllipse(at, min(radius, 4), min(radius, 4))
        painter.setBrush(Qt.BrushStyle.NoBrush)


def paint_chip(painter: QPainter, corner: QPoint, text: str, room: int) -> None:
    """A small label on a dark ground, its lower left corner at `corner`."""
    painter.save()
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setFont(theme.font(12))
    metrics = painter.fontMetrics()
    text = metrics.elidedText(text, Qt.TextElideMode.ElideRight, max(room - 18, 0))
    box = QRectF(corner.x(), corner.y() - 24, metrics.horizontalAdvance(text) + 18, 24)
    ground = theme.colour("raised")
    ground.setAlpha(235)
    painter.setPen(QPen(theme.colour("line"), 1))
    painter.setBrush(ground)
    painter.drawRoundedRect(box, 5, 5)
    painter.setPen(theme.colour("text"))
    painter.drawText(box, Qt.AlignmentFlag.AlignCenter, text)
    painter.restore()


def inside(pixmap: QPixmap, area: QRectF) -> QRectF:
    """The whole pixmap, as large as it goes in the middle of `area`."""
    size = pixmap.size().toSizeF().scaled(area.size(), Qt.AspectRatioMode.KeepAspectRatio)
    placed = QRectF(0, 0, size.width(), size.height())
    placed.moveCenter(area.center())
    return placed
