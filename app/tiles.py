"""Layers of pixels that items are painted on, whatever the layers mean: shown small without losing
thin lines, and undone exactly by the tiles that were touched.

Rendering is a function of the items alone, so that a recipe drawn again gives the same pixels.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

import numpy as np
from PySide6.QtCore import QPoint, QPointF, QRect, QRectF, QSize, Qt
from PySide6.QtGui import QImage, QPainter, QPen, QRegion

from app.curves import corners, curve, is_dot, is_even, ribbon, shape
from app.drawing import Drawing, Fill, Item, Move, Path, Raster, Stroke
from app.pictures import view

TILE = 128
Tiles = dict[tuple[str, int, int], QImage]


class Tiled:
    """images: by the name of the layer.

    main       the layer that makes a sheet more than empty
    continues  what is drawn while there is an example adds to the example
    """

    main: ClassVar[str] = ""
    continues: ClassVar[bool] = False

    def __init__(self, size: tuple[int, int]) -> None:
        self.size = QSize(*size)
        self.images: dict[str, QImage] = self.made()
        self.used: set[str] = set()  # layers that may be more than empty
        self._small: dict[str, QImage] = {}
        self._factor = 1
        self._stale: dict[str, list[QRect]] = {}  # in the small copies
        self.clear()

    @property
    def rect(self) -> QRect:
        return QRect(0, 0, self.size.width(), self.size.height())

    # ---- what the layers are, said by those who know --------------------------------------------

    def made(self) -> dict[str, QImage]:
        """The images of all layers, not yet emptied."""
        raise NotImplementedError

    def empty(self, drawing: Drawing | None = None) -> None:
        """All layers as they are before the first item of `drawing`."""
        raise NotImplementedError

    def layers_of(self, item: Item) -> tuple[str, ...]:
        """The layers that an item may change."""
        raise NotImplementedError

    def holds(self, area: QRect) -> bool:
        """Whether anything was drawn there."""
        raise NotImplementedError

    def paint_stroke(self, item: Stroke, smooth: bool = True) -> None:
        raise NotImplementedError

    def paint_fill(self, item: Fill) -> None:
        raise NotImplementedError

    def paint_move(self, item: Move) -> None:
        raise NotImplementedError

    def paint_raster(self, item: Raster) -> None:
        raise NotImplementedError

    # ---- painting -------------------------------------------------------------------------------

    def clear(self) -> None:
        self.empty()
        self._begin()

    def render(self, drawing: Drawing) -> None:
        """The whole drawing, from nothing."""
        self.empty(drawing)
        self._begin()
        for item in drawing.items:
            self.paint(item)

    def _begin(self) -> None:
        self.used.clear()
        self._small.clear()
        self.soil(self.rect, ())

    def paint(self, item: Item) -> QRegion:
        """Add one item; the sheet pixels that may have changed."""
        changed = self.layers_of(item)
        if isinstance(item, Stroke):
            self.paint_stroke(item)
        elif isinstance(item, Fill):
            self.paint_fill(item)
        elif isinstance(item, Move):
            self.paint_move(item)
        else:
            self.paint_raster(item)
        return self._soiled(item, changed)

    def segment(self, stroke: Stroke) -> QRegion:
        """A piece of a stroke under way, not smoothed."""
        changed = self.layers_of(stroke)
        self.paint_stroke(stroke, smooth=False)
        return self._soiled(stroke, changed)

    def _soiled(self, item: Item, changed: tuple[str, ...]) -> QRegion:
        region = QRegion()
        for area in touched(item, self.size):
            self.soil(area, changed)
            region += area
        return region

    def soil(self, area: QRect, layers: Iterable[str]) -> None:
        """These layers look different there now."""
        area = area & self.rect
        self.used.update(layers)
        for layer in layers:
            if layer in self._small and not area.isEmpty():
                stale = self._stale[layer]
                self._stale[layer] = [self.rect] if len(stale) > 64 else [*stale, area]

    # ---- showing --------------------------------------------------------------------------------

    def image(self, layer: str) -> QImage:
        return self.images[layer]

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

    # ---- tiles ----------------------------------------------------------------------------------

    def keep(self, item: Item, into: Tiles) -> None:
        """Copies of the tiles that `item` will touch as they are, unless `into` has them."""
        for area in touched(item, self.size):
            area = area & self.rect
            for row in range(area.top() // TILE, area.bottom() // TILE + 1):
                for column in range(area.left() // TILE, area.right() // TILE + 1):
                    for layer in self.layers_of(item):
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
            view(self.image(layer))[inside(place)] = view(tile)
            self.soil(place, (layer,))
            region += place
        return region


def bytes_of(tiles: Tiles) -> int:
    return sum(tile.sizeInBytes() for tile in tiles.values())


def inside(area: QRect) -> tuple[slice, slice]:
    """The rows and columns of an area, for the pixels of `view`."""
    return np.s_[area.top() : area.bottom() + 1, area.left() : area.right() + 1]


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


def draw_curve(painter: QPainter, pen: QPen, path: Path, width: float, smooth: bool) -> None:
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
