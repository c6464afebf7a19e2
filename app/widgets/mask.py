"""A region painted over a photo, and a rectangle on it that can be moved and sized.

Both know places in the photo, not what is done there.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PySide6.QtCore import QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QImage, QPainter, QPen

from app import theme
from app.pictures import from_qimage, to_qimage
from engines.job import Picture

LONGEST = 1024  # pixels on a mask's longer side: photos may be larger, masks are soft
REACH = 8  # logical pixels within which an edge is taken hold of
SMALLEST = 8.0  # pixels of the photo on a side of the rectangle


class Mask:
    """Painted white on black, as large as the photo or smaller by a whole factor."""

    def __init__(self, photo: QSize) -> None:
        self.scale = min(1.0, LONGEST / max(photo.width(), photo.height()))
        size = (photo * self.scale).expandedTo(QSize(1, 1))
        self._image = QImage(size, QImage.Format.Format_ARGB32_Premultiplied)
        self.clear()

    def clear(self) -> None:
        self._image.fill(Qt.GlobalColor.transparent)
        self.empty = True

    def stroke(self, start: QPointF, end: QPointF, width: float, erase: bool = False) -> None:
        """A line between two places of the photo, `width` of its pixels wide."""
        painter = QPainter(self._image)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        if erase:
            painter.setCompositionMode(QPainter.CompositionMode.CompositionMode_Clear)
        painter.scale(self.scale, self.scale)
        pen = QPen(QColor("white"), width)
        pen.setCapStyle(Qt.PenCapStyle.RoundCap)
        painter.setPen(pen)
        painter.drawLine(start, end + QPointF(0.01, 0))  # a press alone is a dot
        painter.end()
        self.empty = self.empty and erase

    def picture(self) -> Picture | None:
        """(H, W), 255 where it is painted; None where nothing is."""
        if self.empty:
            return None
        grey = from_qimage(self._image).pixels[..., 3]
        return Picture(grey) if grey.any() else None

    def show(self, picture: Picture | None) -> None:
        """Take over what was painted before; any picture, bright where it holds."""
        self.clear()
        if picture is None:
            return
        pixels = picture.pixels
        grey = pixels if pixels.ndim == 2 else pixels[..., :3].max(2)
        if picture.channels == 4 and pixels[..., 3].min() < 255:
            grey = pixels[..., 3]
        layered = np.stack([grey] * 4, axis=2)
        layered[..., :3] = 255
        image = to_qimage(Picture(layered)).scaled(self._image.size())
        self._image = image.convertToFormat(QImage.Format.Format_ARGB32_Premultiplied)
        self.empty = False

    def paint(self, painter: QPainter, area: QRectF) -> None:
        """Over the photo, which lies in `area`: what is not painted is dimmed."""
        if self.empty:
            return
        shade = QImage(self._image.size(), QImage.Format.Format_ARGB32_Premultiplied)
        shade.fill(QColor(16, 18, 22, 140))
        over = QPainter(shade)
        over.setCompositionMode(QPainter.CompositionMode.CompositionMode_DestinationOut)
        over.drawImage(0, 0, self._image)
        over.end()
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        painter.drawImage(area, shade)


class Region:
    """A rectangle (x, y, width, height) in pixels of the photo: its corners size it, its edges move
    it."""

    def __init__(self, rect: Sequence[float], chosen: bool) -> None:
        x, y, width, height = rect
        self.rect, self.chosen = QRectF(x, y, width, height), chosen
        self._grip, self._last = "", QPointF()

    def numbers(self) -> list[float]:
        r = self.rect.normalized()
        return [round(n, 1) for n in (r.x(), r.y(), r.width(), r.height())]

    def hold(self, at: QPointF, shown: QRectF, there: QPointF) -> bool:
        """Take hold of it at `at` in the view, where it is `shown`; `there` is the same place in
        the photo. False where nothing is near."""
        self._grip, self._last = self.grip(at, shown), there
        return bool(self._grip)

    def grip(self, at: QPointF, shown: QRectF) -> str:
        """ "corner left top" and the like, "edge", or ""."""
        near = {
            "left": abs(at.x() - shown.left()) <= REACH,
            "right": abs(at.x() - shown.right()) <= REACH,
            "top": abs(at.y() - shown.top()) <= REACH,
            "bottom": abs(at.y() - shown.bottom()) <= REACH,
        }
        if not shown.adjusted(-REACH, -REACH, REACH, REACH).contains(at) or not any(near.values()):
            return ""
        across = next((name for name in ("left", "right") if near[name]), "")
        along = next((name for name in ("top", "bottom") if near[name]), "")
        return f"corner {across} {along}" if across and along else "edge"

    def drag(self, there: QPointF, photo: QSize) -> None:
        """The pointer went to another place of the photo; it stays on it."""
        move, self._last = there - self._last, there
        whole = QRectF(0, 0, photo.width(), photo.height())
        rect = QRectF(self.rect)
        if self._grip == "edge":
            rect.translate(move)
            rect.moveLeft(min(max(rect.left(), 0.0), whole.width() - rect.width()))
            rect.moveTop(min(max(rect.top(), 0.0), whole.height() - rect.height()))
        else:
            if "left" in self._grip:
                rect.setLeft(min(max(there.x(), 0.0), rect.right() - SMALLEST))
            if "right" in self._grip:
                rect.setRight(max(min(there.x(), whole.right()), rect.left() + SMALLEST))
            if "top" in self._grip:
                rect.setTop(min(max(there.y(), 0.0), rect.bottom() - SMALLEST))
            if "bottom" in self._grip:
                rect.setBottom(max(min(there.y(), whole.bottom()), rect.top() + SMALLEST))
        self.rect = rect

    def paint(self, painter: QPainter, shown: QRectF) -> None:
        tint = theme.colour("success")
        style = Qt.PenStyle.SolidLine if self.chosen else Qt.PenStyle.DashLine
        for pen in (QPen(QColor(0, 0, 0, 110), 3.2), QPen(tint, 1.6, style)):
            painter.setPen(pen)
            painter.drawRect(shown)
        painter.setPen(QPen(QColor(20, 22, 26), 1))
        painter.setBrush(tint)
        for corner in (shown.topLeft(), shown.topRight(), shown.bottomLeft(), shown.bottomRight()):
            painter.drawRect(QRectF(corner - QPointF(3.5, 3.5), corner + QPointF(3.5, 3.5)))
        painter.setBrush(Qt.BrushStyle.NoBrush)
