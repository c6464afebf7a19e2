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
    """From 0 to 255, as large as the photo or smaller by a whole factor."""

    def __init__(self, photo: QSize, soft: float = 0.0) -> None:
        """soft: the share of the brush's radius over which it fades."""
        self.scale, self.soft = min(1.0, LONGEST / max(photo.width(), photo.height())), soft
        size = (photo * self.scale).expandedTo(QSize(1, 1))
        self._grey = np.zeros((size.height(), size.width()), np.uint8)
        self._veils: dict[tuple[int, bool], QImage] = {}

    def clear(self) -> None:
        self._grey[:] = 0
        self._veils.clear()

    @property
    def empty(self) -> bool:
        return not self._grey.any()

    def stroke(self, start: QPointF, end: QPointF, width: float, erase: bool = False) -> None:
        """A line between two places of the photo, `width` of its pixels wide. Where lines cross the
        stronger counts, so that a soft brush stays soft."""
        a, b = start * self.scale, end * self.scale
        radius = max(width * self.scale / 2, 0.5)
        rows = _span(a.y(), b.y(), radius, self._grey.shape[0])
        columns = _span(a.x(), b.x(), radius, self._grey.shape[1])
        down = np.arange(*rows, dtype=np.float32)[:, None] + 0.5
        across = np.arange(*columns, dtype=np.float32) + 0.5
        along = b - a
        length = max(QPointF.dotProduct(along, along), 1e-9)
        share = ((across - a.x()) * along.x() + (down - a.y()) * along.y()) / length
        share = share.clip(0, 1)
        far = np.hypot(across - a.x() - share * along.x(), down - a.y() - share * along.y())
        cover = ((radius + 0.5 - far) / max(radius * self.soft, 1.0)).clip(0, 1)
        level = np.rint(255 * cover * cover * (3 - 2 * cover)).astype(np.uint8)
        part = self._grey[slice(*rows), slice(*columns)]
        part[:] = np.minimum(part, 255 - level) if erase else np.maximum(part, level)
        self._veils.clear()

    def picture(self) -> Picture | None:
        """(H, W), 255 where it is painted; None where nothing is."""
        return None if self.empty else Picture(self._grey.copy())

    def show(self, picture: Picture | None) -> None:
        """Take over what was painted before; any picture, bright where it holds."""
        self.clear()
        if picture is None:
            return
        pixels = picture.pixels
        grey = pixels if pixels.ndim == 2 else pixels[..., :3].max(2)
        if picture.channels == 4 and pixels[..., 3].min() < 255:
            grey = pixels[..., 3]
        high, wide = self._grey.shape
        smooth = Qt.TransformationMode.SmoothTransformation
        image = to_qimage(Picture(grey)).scaled(wide, high, mode=smooth)
        self._grey[:] = from_qimage(image).pixels.reshape(high, wide, -1)[..., 0]

    def paint(self, painter: QPainter, area: QRectF) -> None:
        """Over the photo, which lies in `area`: what is not painted is dimmed."""
        self._lay(painter, area, QColor(16, 18, 22, 140), outside=True)

    def tint(self, painter: QPainter, area: QRectF, colour: QColor) -> None:
        """The same, but what is painted has a colour."""
        self._lay(painter, area, colour, outside=False)

    def _lay(self, painter: QPainter, area: QRectF, colour: QColor, outside: bool) -> None:
        if self.empty:
            return
        key = colour.rgba(), outside
        if key not in self._veils:
            self._veils[key] = self._veil(colour, outside)
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        painter.drawImage(area, self._veils[key])

    def _veil(self, colour: QColor, outside: bool) -> QImage:
        high, wide = self._grey.shape
        veil = QImage(wide, high, QImage.Format.Format_ARGB32_Premultiplied)
        veil.fill(colour)
        modes = QPainter.CompositionMode
        over = QPainter(veil)
        over.setCompositionMode(
            modes.CompositionMode_DestinationOut if outside else modes.CompositionMode_DestinationIn
        )
        over.drawImage(0, 0, QImage(self._grey.data, wide, high, wide, QImage.Format.Format_Alpha8))
        over.end()
        return veil


def _span(one: float, other: float, radius: float, most: int) -> tuple[int, int]:
    """(first, end) of the pixels that a line may touch."""
    first = min(max(int(min(one, other) - radius - 1), 0), most)
    return first, max(first, min(int(max(one, other) + radius + 2), most))


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
