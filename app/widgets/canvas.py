"""The sheet one sketches on: ink, colours over it, an example below. Knows no Studio."""

from __future__ import annotations

from typing import Any

from PySide6.QtCore import QPoint, QPointF, QRectF, Signal
from PySide6.QtGui import QColor, QImage, QPainter

from app.drawing import Drawing, Item, Raster, Stroke
from app.i18n import tr
from app.pictures import from_qimage, to_qimage, view
from app.raster import Layers, fitted, layers_of
from app.widgets.canvas_base import Canvas
from app.widgets.canvas_tools import TOOLS
from engines.controls import SketchStats
from engines.job import Picture


class SketchCanvas(Canvas):
    colour_picked = Signal(QColor)
    kinds = TOOLS
    invitation = "Draw here, or drop a photo."

    def made_layers(self, size: tuple[int, int]) -> Layers:
        return Layers(size)

    @property
    def layers(self) -> Layers:
        layers = self.paper.layers
        assert isinstance(layers, Layers)
        return layers

    def picture(self, layer: str) -> Picture | None:
        """A snapshot: "ink" as grey (the example's while nothing is drawn); "hints" as RGBA, or
        None without any."""
        if layer == "ink":
            return from_qimage(self.paper.lying().image("ink"))
        if not self.paper.is_used("hints"):
            return None
        drawn = self.layers.hints
        hints = from_qimage(drawn.convertToFormat(QImage.Format.Format_RGBA8888))
        return hints if hints.pixels[..., 3].any() else None

    def import_edges(self, edges: Picture) -> None:
        """Lines found in a photo, as large as the sheet, in the place of what was drawn."""
        w, h = self.vectors.size
        item = Raster(from_qimage(_grey(to_qimage(edges))), (0, 0, w, h))
        hints = tuple(i for i in self.vectors.items if layers_of(i) == ("hints",))
        self.paper.change("Edges of a photo", Drawing((w, h), (item, *hints)))

    def fit_drawing(self, stats: SketchStats) -> None:
        """Line width, place and extent as the model knows them, in one step."""
        better = fitted(self.vectors, view(self.layers.ink), stats)
        if better is not None and better != self.vectors:
            self.paper.change("Fit drawing", better)

    def marks(self, tool: str) -> dict[str, Any]:
        tint = QColor(0, 0, 0) if self.layer == "ink" else self.colour
        return {"colour": (tint.red(), tint.green(), tint.blue()), "layer": self.layer}

    def stamped(self, items: list[Item]) -> tuple[Item, ...]:
        """Lines as wide as the brush draws them."""
        return tuple(
            Stroke(item.tool, item.paths, self.width_, item.colour, item.layer)
            if isinstance(item, Stroke) and item.layer == "ink" else item
            for item in items
        )  # fmt: skip

    # ---- painting -------------------------------------------------------------------------------

    def is_tinted(self) -> bool:
        return self.layer == "hints"

    def chip(self) -> str:
        text = super().chip()
        if self.paper.shows_example():
            text += "   " + tr("Draw here: the first stroke replaces the example.")
        return text

    def paint_layers(self, painter: QPainter, target: QRectF, source: QRectF, factor: int) -> None:
        if "hints" in self.layers.used:
            painter.drawImage(target, self.layers.shown("hints", factor), source)
        painter.setCompositionMode(QPainter.CompositionMode.CompositionMode_Multiply)
        example = self.paper.example
        if example is not None and self.paper.shows_example():
            painter.setOpacity(0.32)
            painter.drawImage(target, example.shown("ink", factor), source)
            painter.setOpacity(1.0)
        else:
            if self.layer == "hints":
                painter.setOpacity(0.75)
            painter.drawImage(target, self.layers.shown("ink", factor), source)
            painter.setOpacity(1.0)
        painter.setCompositionMode(QPainter.CompositionMode.CompositionMode_SourceOver)

    # ---- eyedropper -----------------------------------------------------------------------------

    def pick(self, at: QPointF) -> None:
        picked = self.pixel(at)
        if picked is not None:
            picked.setAlpha(255)
            self.colour_picked.emit(picked)

    def pixel(self, point: QPointF) -> QColor | None:
        """The colour one sees there: hint, else reference; None outside."""
        spot = QPoint(int(point.x()), int(point.y()))
        if not self.layers.rect.contains(spot):
            return None
        hint = self.layers.hints.pixelColor(spot)
        if hint.alpha() or self._reference is None:
            return hint if hint.alpha() else None
        return self._reference.colour_at(point, QRectF(self.layers.rect))


def _grey(image: QImage) -> QImage:
    return image.convertToFormat(QImage.Format.Format_Grayscale8)
