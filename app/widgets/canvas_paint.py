"""What surrounds a drawing: the table, the brush's ring, the chip in the corner."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

from PySide6.QtCore import QPoint, QPointF, QRect, QRectF, Qt
from PySide6.QtGui import QColor, QImage, QPainter, QPen, QPixmap, QPolygon, QRegion

from app import theme

PHOTO_SIDE = 2048  # pixels; a larger reference photo is made smaller


def paint_ground(painter: QPainter, paper: QRectF, clip: QRectF) -> None:
    """Dots on the table, a soft edge around the sheet."""
    if paper.contains(clip):
        return
    painter.setPen(QPen(theme.colour("dot"), 1.5))
    painter.drawPoints(_dots(paper.getRect(), clip.getRect()))
    sheet = paper.toRect()
    inside = QRegion(sheet.adjusted(1, 1, -1, -1))
    for reach, alpha in ((1, 72), (3, 39), (6, 14)):  # strips: a wide pen takes three times as long
        around = QRegion(sheet.adjusted(-reach, 2 - reach, reach, 2 + reach))
        strips: Any = around - inside  # PySide does not say that regions can be walked through
        for strip in strips:
            painter.fillRect(strip, QColor(0, 0, 0, alpha))
        inside |= around


@lru_cache(maxsize=32)
def _dots(paper: tuple[float, ...], clip: tuple[float, ...]) -> QPolygon:
    """Of the table within `clip`, none below the paper; both x, y, width and height."""
    sheet, area, step = QRectF(*paper), QRectF(*clip), 16
    left, top = int(area.left()) // step * step, int(area.top()) // step * step
    return QPolygon(
        [QPoint(x, y) for x in range(left, int(area.right()) + step, step)
         for y in range(top, int(area.bottom()) + step, step)
         if not sheet.contains(QPointF(x, y))]
    )  # fmt: skip


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


def paint_guides(painter: QPainter, paper: QRectF, symmetry: str, turns: int) -> None:
    """Thin lines where the drawing mirrors or turns."""
    middle = paper.center()
    reach = math.hypot(paper.width(), paper.height()) / 2
    ends: list[QPointF] = []
    if symmetry in ("vertical", "both"):
        ends += [QPointF(0, -reach), QPointF(0, reach)]
    if symmetry in ("horizontal", "both"):
        ends += [QPointF(-reach, 0), QPointF(reach, 0)]
    if symmetry == "radial":
        angles = [2 * math.pi * n / turns - math.pi / 2 for n in range(turns)]
        ends += [QPointF(math.cos(a), math.sin(a)) * reach for a in angles]
    if not ends:
        return
    tint = theme.colour("accent")
    tint.setAlpha(170)
    painter.setPen(QPen(tint, 1, Qt.PenStyle.DashLine))
    for end in ends:
        painter.drawLine(middle, middle + end)


def paint_invitation(painter: QPainter, paper: QRectF, text: str, ground: QColor) -> None:
    """A pen and a sentence in the middle of an empty sheet, whose colour no theme changes."""
    light = ground.lightnessF() > 0.6
    tint = QColor(theme.TOKENS["faint"][1]) if light else QColor(255, 255, 255, 170)
    middle = paper.center()
    theme.paint_icon(painter, "pen", QRectF(middle.x() - 16, middle.y() - 36, 32, 32), tint)
    painter.setPen(QColor(theme.TOKENS["quiet"][1]) if light else QColor(255, 255, 255, 225))
    painter.setFont(theme.font(13))
    words = QRectF(paper.left() + 8, middle.y() + 8, paper.width() - 16, 60)
    flags = Qt.AlignmentFlag.AlignHCenter | Qt.AlignmentFlag.AlignTop | Qt.TextFlag.TextWordWrap
    painter.drawText(words, flags, text)


class Reference:
    """A photo below the drawing, as large as it goes in the middle of the sheet."""

    def __init__(self, image: QImage) -> None:
        if max(image.width(), image.height()) > PHOTO_SIDE:  # it is painted at every dab
            keep, smooth = Qt.AspectRatioMode.KeepAspectRatio, Qt.TransformationMode
            image = image.scaled(PHOTO_SIDE, PHOTO_SIDE, keep, smooth.SmoothTransformation)
        self.image, self._shown = image, QPixmap.fromImage(image)

    def paint(self, painter: QPainter, paper: QRectF, opacity: float) -> None:
        painter.setOpacity(opacity)
        painter.drawPixmap(self._place(paper), self._shown, QRectF(self._shown.rect()))
        painter.setOpacity(1.0)

    def colour_at(self, point: QPointF, sheet: QRectF) -> QColor | None:
        """Its colour at a point of the sheet; None beside it."""
        place = self._place(sheet)
        if not place.contains(point):
            return None
        x = (point.x() - place.x()) / place.width() * self.image.width()
        y = (point.y() - place.y()) / place.height() * self.image.height()
        spot = QPoint(min(int(x), self.image.width() - 1), min(int(y), self.image.height() - 1))
        return self.image.pixelColor(spot)

    def _place(self, area: QRectF) -> QRectF:
        keep = Qt.AspectRatioMode.KeepAspectRatio
        shown = self.image.size().toSizeF().scaled(area.size(), keep)
        placed = QRectF(0, 0, shown.width(), shown.height())
        placed.moveCenter(area.center())
        return placed


def parts(region: QRegion) -> list[QRect]:
    return list(region)  # pyright: ignore[reportArgumentType]  (its types forget that it iterates)
