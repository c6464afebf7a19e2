"""From strokes to pixels: the two layers of a sheet, and exact undo by the tiles touched.

Rendering is a function of the items alone, so that a recipe drawn again gives the same pixels.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np
from PySide6.QtCore import QPoint, QPointF, QRect, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QImage, QPainter, QPen, QRegion

from app.curves import corners, curve, is_dot, is_even, ribbon, shape
from app.drawing import Affine, Drawing, Fill, Item, Move, Path, Raster, Stroke
from app.pictures import from_qimage, to_qimage, view
from engines.controls import SketchStats
from engines.job import Picture

TILE = 128
Tiles = dict[tuple[str, int, int], QImage]


class Layers:
    """ink: grey, 255 paper and 0 ink. hints: colour on nothing, premultiplied."""

    def __init__(self, size: tuple[int, int]) -> None:
        self.size = QSize(*size)
        self.ink = QImage(self.size, QImage.Format.Format_Grayscale8)
        self.hints = QImage(self.size, QImage.Format.Format_ARGB32_Premultiplied)
        self.used: set[str] = set()  # layers that may be more than empty
        self._small: dict[str, QImage] = {}
        self._factor = 1
        self._stale: dict[str, list[QRect]] = {"ink": [], "hints": []}  # in the small copies
        self.clear()

    @property
    def rect(self) -> QRect:
        return QRect(0, 0, self.size.width(), self.size.height())

    def clear(self) -> None:
        self.ink.fill(255)
        self.hints.fill(Qt.GlobalColor.transparent)
        self._soil(self.rect, ("ink", "hints"))
        self.used.clear()

    def shown(self, layer: str, factor: int) -> QImage:
        """The layer at 1/factor of its size, averaged, so that thin lines stay whole."""
        if factor == 1:
            return self.image(layer)
        if factor != self._factor:
            self._small, self._factor = {}, factor
        if layer not in self._small:
            w, h = -(-self.size.width() // factor), -(-self.size.height() // factor)
            self._small[layer] = QImage(w, h, self.image(layer).format())
            self._stale[layer] = [self.rect]
        for area in self._stale[layer]:
            self._reduce(layer, area)
        self._stale[layer] = []
        return self._small[layer]

    def _reduce(self, layer: str, area: QRect) -> None:
        f, small = self._factor, self._small[layer]
        left, top = area.left() // f, area.top() // f
        place = QRect(QPoint(left, top), QPoint(area.right() // f, area.bottom() // f))
        full = QRect(left * f, top * f, place.width() * f, place.height() * f) & self.rect
        averaged = (
            self.image(layer)
            .copy(full)
            .scaled(place.size(), mode=Qt.TransformationMode.SmoothTransformation)
        )
        painter = QPainter(small)
        painter.setCompositionMode(QPainter.CompositionMode.CompositionMode_Source)
        painter.drawImage(place.topLeft(), averaged)
        painter.end()

    def _soil(self, area: QRect, layers: Iterable[str]) -> None:
        area = area & self.rect
        self.used.update(layers)
        for layer in layers:
            if layer in self._small and not area.isEmpty():
                stale = self._stale[layer]
                self._stale[layer] = [self.rect] if len(stale) > 64 else [*stale, area]

    def image(self, layer: str) -> QImage:
        return self.ink if layer == "ink" else self.hints

    def render(self, drawing: Drawing) -> None:
        """The whole drawing, from nothing."""
        self.clear()
        for item in drawing.items:
            self.paint(item)

    def paint(self, item: Item) -> QRegion:
        """Add one item; the sheet pixels that may have changed."""
        if isinstance(item, Stroke):
            self._stroke(item)
        elif isinstance(item, Fill):
            self._fill(item)
        elif isinstance(item, Move):
            self._move(item)
        else:
            self._raster(item)
        return self._soiled(item)

    def segment(self, stroke: Stroke) -> QRegion:
        """A piece of a stroke under way, not smoothed."""
        self._stroke(stroke, smooth=False)
        return self._soiled(stroke)

    def _soiled(self, item: Item) -> QRegion:
        region = QRegion()
        for area in touched(item, self.size):
            self._soil(area, layers_of(item))
            region += area
        return region

    # ---- items ----------------------------------------------------------------------------------

    def _stroke(self, item: Stroke, smooth: bool = True) -> None:
        painter = QPainter(self.image(item.layer))
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        colour = QColor(0, 0, 0) if item.layer == "ink" else QColor(*item.colour)
        if item.tool == "eraser":
            colour = QColor(255, 255, 255)
            if item.layer == "hints":
                painter.setCompositionMode(QPainter.CompositionMode.CompositionMode_Clear)
        pen = QPen(colour, item.width, Qt.PenStyle.SolidLine, Qt.PenCapStyle.RoundCap)
        pen.setJoinStyle(Qt.PenJoinStyle.RoundJoin)
        painter.setPen(pen)
        for path in item.paths:
            if item.tool in ("pen", "eraser"):
                _draw_curve(painter, pen, path, item.width, smooth)
            else:
                painter.drawPath(shape(item.tool, path))
        painter.end()

    def _fill(self, item: Fill) -> None:
        """Every seed fills the region that ink encloses; on hints it is also bounded by ink."""
        import cv2

        ink = np.ascontiguousarray(view(self.ink))
        height, width = ink.shape
        _, binary = cv2.threshold(ink, 127, 255, cv2.THRESH_BINARY)
        mask = np.zeros((height + 2, width + 2), np.uint8)  # 1 where it is filled
        flags = 4 | cv2.FLOODFILL_MASK_ONLY | (1 << 8)
        area = QRect()
        for x, y, _ in item.seeds:
            if 0 <= x < width and 0 <= y < height and not mask[int(y) + 1, int(x) + 1]:
                *_, box = cv2.floodFill(binary, mask, (int(x), int(y)), 0, 0, 0, flags)
                area = area.united(QRect(*box))
        if area.isEmpty():
            return
        area = area.adjusted(-1, -1, 1, 1) & self.rect  # half of the soft edge of the lines
        here = np.s_[area.top() : area.bottom() + 1, area.left() : area.right() + 1]
        grown = cv2.dilate(mask[1:-1, 1:-1][here], np.ones((3, 3), np.uint8)).view(bool)
        if item.layer == "ink":
            view(self.ink)[here][grown] = 0
        else:
            bits = view(self.hints).view(np.uint32)[..., 0]
            bits[here][grown] = QColor(*item.colour).rgba()

    def _move(self, item: Move) -> None:
        source, target = QRectF(*item.rect).toAlignedRect(), QRectF(*item.target).toAlignedRect()
        for layer in ("ink", "hints"):
            image = self.image(layer)
            lifted = image.copy(source)
            if layer == "ink":  # beyond the sheet there is paper
                lifted = _on_paper(image, source)
            painter = QPainter(image)
            painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
            if layer == "ink":
                painter.fillRect(source, Qt.GlobalColor.white)
                painter.setCompositionMode(QPainter.CompositionMode.CompositionMode_Multiply)
            else:
                painter.setCompositionMode(QPainter.CompositionMode.CompositionMode_Clear)
                painter.fillRect(source, Qt.GlobalColor.transparent)
                painter.setCompositionMode(QPainter.CompositionMode.CompositionMode_SourceOver)
            painter.drawImage(target, lifted)
            painter.end()

    def _raster(self, item: Raster) -> None:
        painter = QPainter(self.image(item.layer))
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        if item.layer == "ink":
            painter.setCompositionMode(QPainter.CompositionMode.CompositionMode_Multiply)
        image = to_qimage(item.picture)
        target = QRectF(*item.rect)
        if target.size().toSize() == image.size():
            painter.drawImage(target.topLeft(), image)
        else:
            painter.drawImage(target, image)
        painter.end()

    # ---- tiles ----------------------------------------------------------------------------------

    def keep(self, item: Item, into: Tiles) -> None:
        """Copies of the tiles that `item` will touch as they are, unless `into` has them."""
        for area in touched(item, self.size):
            area = area & self.rect
            for row in range(area.top() // TILE, area.bottom() // TILE + 1):
                for column in range(area.left() // TILE, area.right() // TILE + 1):
                    for layer in layers_of(item):
                        if (layer, column, row) not in into:
                            into[layer, column, row] = self.tile((layer, column, row))

    def tile(self, at: tuple[str, int, int]) -> QImage:
        """A copy of the tile in that layer, column and row as it is now."""
        layer, column, row = at
        place = QRect(column * TILE, row * TILE, TILE, TILE)
        return self.image(layer).copy(place & self.rect)

    def put_back(self, tiles: Tiles) -> QRegion:
        """Those tiles as they were; what they cover."""
        region = QRegion()
        for (layer, column, row), tile in tiles.items():
            place = QRect(column * TILE, row * TILE, tile.width(), tile.height())
            painter = QPainter(self.image(layer))
            painter.setCompositionMode(QPainter.CompositionMode.CompositionMode_Source)
            painter.drawImage(place, tile)
            painter.end()
            self._soil(place, (layer,))
            region += place
        return region


def bytes_of(tiles: Tiles) -> int:
    return sum(tile.sizeInBytes() for tile in tiles.values())


def layers_of(item: Item) -> tuple[str, ...]:
    return ("ink", "hints") if isinstance(item, Move) else (item.layer,)


def touched(item: Item, size: QSize) -> list[QRect]:
    """The parts of the sheet that an item may change: one for each path, since the mirror images
    of a short stroke may lie far apart."""
    sheet = QRect(0, 0, size.width(), size.height())
    if isinstance(item, Fill):
        found = [sheet]
    elif isinstance(item, Move):
        found = [QRectF(*rect).toAlignedRect() for rect in (item.rect, item.target)]
    elif isinstance(item, Raster):
        found = [QRectF(*item.rect).toAlignedRect().adjusted(-1, -1, 1, 1)]
    else:
        found = [_touched(item, path) for path in item.paths]
    return [area & sheet for area in found if area.intersects(sheet)]


def _touched(item: Stroke, path: Path) -> QRect:
    reach = item.width * max(1.0, *(p[2] for p in path)) / 2 + 2
    return bounds(item, path).adjusted(-reach, -reach, reach, reach).toAlignedRect()


def bounds(item: Stroke, path: Path) -> QRectF:
    """The box around one path's middle line."""
    if item.tool == "ellipse":
        return shape("ellipse", path).boundingRect()
    xs, ys = [p[0] for p in path], [p[1] for p in path]
    return QRectF(min(xs), min(ys), max(max(xs) - min(xs), 0.01), max(max(ys) - min(ys), 0.01))


def _on_paper(image: QImage, source: QRect) -> QImage:
    lifted = QImage(source.size(), image.format())
    lifted.fill(255)
    painter = QPainter(lifted)
    painter.drawImage(-source.topLeft(), image)
    painter.end()
    return lifted


def _draw_curve(painter: QPainter, pen: QPen, path: Path, width: float, smooth: bool) -> None:
    """A pen's path: a dot, a smooth curve, or, where the pressure varies, a shape of its own."""
    pen.setWidthF(width * path[0][2])
    if is_dot(path):
        painter.setPen(pen)
        painter.drawPoint(QPointF(path[0][0], path[0][1]))
    elif is_even(path):
        painter.setPen(pen)
        painter.drawPath(curve(path) if smooth else corners(path))
    else:
        painter.fillPath(ribbon(path, width, smooth), pen.brush())


# ---- fitting a drawing to a model ---------------------------------------------------------------


def fitted(drawing: Drawing, ink: np.ndarray, stats: SketchStats) -> Drawing | None:
    """The drawing with line width, place and extent as a model knows them; None on an empty sheet.

    ink   what the drawing looks like now, (H, W) uint8
    """
    dark = ink < 128
    rows, columns = np.flatnonzero(dark.any(1)), np.flatnonzero(dark.any(0))
    if len(rows) == 0:
        return None
    w, h = drawing.size
    left, top = float(columns[0]), float(rows[0])
    wide, high = float(columns[-1] + 1 - left), float(rows[-1] + 1 - top)
    scale = _extent_wanted(max(wide / w, high / h), stats) / max(wide / w, high / h)
    target = (left, top, wide, high)
    if scale != 1:
        target = ((w - wide * scale) / 2, (h - high * scale) / 2, wide * scale, high * scale)
    moved = drawing.through(Affine.box((left, top, wide, high), target))
    width = round(max((stats.width[0] + stats.width[1]) / 2 * w - 0.5, 0.8), 2)
    items = tuple(_with_lines(item, width, stats.width, w) for item in moved.items)
    return Drawing(drawing.size, items)


def _extent_wanted(extent: float, stats: SketchStats) -> float:
    low, high = stats.extent
    return min((low + high) / 2, 0.9) if extent < low else min(extent, high)


def _with_lines(item: Item, width: float, known: tuple[float, float], sheet: int) -> Item:
    """The item with ink lines of `width` pixels; a raster only where its own are not in `known`."""
    if isinstance(item, Stroke) and item.layer == "ink" and item.tool != "eraser":
        return replace(item, width=width)
    if not isinstance(item, Raster) or item.layer != "ink":
        return item
    from engines import edges

    size = QRectF(*item.rect).size().toSize().expandedTo(QSize(1, 1))
    stretched = to_qimage(item.picture).scaled(
        size, mode=Qt.TransformationMode.SmoothTransformation
    )
    grey = from_qimage(stretched.convertToFormat(QImage.Format.Format_Grayscale8)).pixels
    now = edges.measure(grey)["width"] * size.width() / sheet
    if not now or known[0] <= now <= known[1]:
        return item
    lines = edges.thin(grey)
    if not lines.any():  # ink all over
        return item
    return replace(item, picture=Picture(edges.draw_lines(lines, width)))
