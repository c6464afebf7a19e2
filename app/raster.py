"""The two layers of a sketch: ink and colours. From strokes to their pixels."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from PySide6.QtCore import QRect, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QImage, QPainter, QPen

from app.curves import shape
from app.drawing import CURVES, Affine, Drawing, Fill, Item, Move, Raster, Stroke
from app.pictures import from_qimage, to_qimage, view
from app.tiles import Tiled, draw_curve, inside
from engines.controls import SketchStats
from engines.job import Picture


class Layers(Tiled):
    """ink: grey, 255 paper and 0 ink. hints: colour on nothing, premultiplied."""

    main = "ink"

    def made(self) -> dict[str, QImage]:
        return {
            "ink": QImage(self.size, QImage.Format.Format_Grayscale8),
            "hints": QImage(self.size, QImage.Format.Format_ARGB32_Premultiplied),
        }

    @property
    def ink(self) -> QImage:
        return self.images["ink"]

    @property
    def hints(self) -> QImage:
        return self.images["hints"]

    def empty(self, drawing: Drawing | None = None) -> None:
        self.ink.fill(255)
        self.hints.fill(Qt.GlobalColor.transparent)

    def layers_of(self, item: Item) -> tuple[str, ...]:
        return layers_of(item)

    def holds(self, area: QRect) -> bool:
        here = inside(area & self.rect)
        return bool((view(self.ink)[here] < 255).any() or view(self.hints)[here].any())

    # ---- items ----------------------------------------------------------------------------------

    def paint_stroke(self, item: Stroke, smooth: bool = True) -> None:
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
            if item.tool in CURVES:
                draw_curve(painter, pen, path, item.width, smooth)
            else:
                painter.drawPath(shape(item.tool, path))
        painter.end()

    def paint_fill(self, item: Fill) -> None:
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
        here = inside(area)
        grown = cv2.dilate(mask[1:-1, 1:-1][here], np.ones((3, 3), np.uint8)).view(bool)
        if item.layer == "ink":
            view(self.ink)[here][grown] = 0
        else:
            bits = view(self.hints).view(np.uint32)[..., 0]
            bits[here][grown] = QColor(*item.colour).rgba()

    def paint_move(self, item: Move) -> None:
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

    def paint_raster(self, item: Raster) -> None:
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


def layers_of(item: Item) -> tuple[str, ...]:
    return ("ink", "hints") if isinstance(item, Move) else (item.layer,)


def _on_paper(image: QImage, source: QRect) -> QImage:
    lifted = QImage(source.size(), image.format())
    lifted.fill(255)
    painter = QPainter(lifted)
    painter.drawImage(-source.topLeft(), image)
    painter.end()
    return lifted


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
