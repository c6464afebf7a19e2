"""The sheet one paints meaning on: every pixel has a class, perhaps an object and a look of its
own. Knows no Studio and no palette files; a Legend says what the numbers mean."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from PySide6.QtCore import QPoint, QPointF, QRectF, Signal
from PySide6.QtGui import QColor, QPainter, QRegion

from app.drawing import MAP, Drawing, Fill, Item, Raster, Stroke
from app.i18n import tr
from app.labels import LabelLayers, Legend
from app.widgets.canvas_base import Canvas
from app.widgets.canvas_paper import Paper
from app.widgets.canvas_tools import TOOLS
from engines.job import Picture

FAINT = 0.78  # opacity of the example
LINES = ("pen", "eraser", "line")  # tools that are as wide as the brush


class LabelCanvas(Canvas):
    label_picked = Signal(int)
    hovered = Signal(int)  # the number below the pointer, -1 beside the sheet
    kinds = TOOLS
    invitation = "Paint here, or drop a label map."
    fills = True

    layer = "labels"
    legend = Legend()
    looks = Legend()
    label = 0  # the class, or the look, that tools paint
    apart = False  # every stroke becomes an object of its own
    _lit = -1
    _next = 1  # number of the next object

    def made_layers(self, size: tuple[int, int]) -> LabelLayers:
        return LabelLayers(size, *self._tints())

    @property
    def layers(self) -> LabelLayers:
        layers = self.paper.layers
        assert isinstance(layers, LabelLayers)
        return layers

    def blank(self, size: tuple[int, int]) -> Drawing:
        return Drawing(size, palette=self.legend.id, ground=self.legend.ground)

    # ---- what others ask ------------------------------------------------------------------------

    def picture(self, layer: str) -> Picture | None:
        """Numbers: "labels" (the example's while nothing is painted); "objects" and "looks", or
        None without any."""
        lying = self.paper.lying()
        assert isinstance(lying, LabelLayers)
        return lying.picture(layer)

    def lay(self, paper: Paper) -> None:
        """Another sheet; the one that was there keeps what is on it."""
        if paper is self.paper:
            return
        self._cancel()
        self.paper.disconnect(self)
        self.paper = paper
        self._follow(paper)
        self.selection = None
        self._count()
        self._show_tints()
        self.zoom_fit()

    def restore(self, body: dict[str, Any]) -> None:
        super().restore(body)
        self._count()

    def _follow(self, paper: Paper) -> None:
        super()._follow(paper)
        paper.settled.connect(self._count)

    def set_legend(self, legend: Legend, looks: Legend) -> None:
        self.legend, self.looks, self._lit = legend, looks, -1
        self._show_tints()

    def set_layer(self, layer: str) -> None:
        super().set_layer(layer)
        self._show_tints()

    def set_label(self, number: int) -> None:
        self.label = number
        self.update()

    def set_apart(self, apart: bool) -> None:
        self.apart = apart
        self._count()

    def light(self, number: int) -> None:
        """Show where one class is; -1: all as they are."""
        if number != self._lit:
            self._lit = number
            self._show_tints()

    def import_map(self, text: str, drawing: Drawing) -> None:
        """A map from elsewhere, as one step of undo."""
        self.paper.change(text, drawing, resizes=True)

    def ground(self) -> QColor:
        return QColor(*self.legend.colours[self.legend.ground])

    # ---- what tools paint -----------------------------------------------------------------------

    def marks(self, tool: str) -> dict[str, Any]:
        if self.layer == "looks":
            return {"layer": "looks", "label": 0 if tool == "eraser" else self.label}
        if tool == "eraser":
            return {"layer": "labels", "label": self.legend.ground}
        return {
            "layer": "labels",
            "label": self.label,
            "object": self._next if self.apart else 0,
        }

    def finished(self, item: Stroke | Fill) -> tuple[Item, ...]:
        """Mirror images are objects of their own too."""
        if not item.object:
            return (item,)
        if isinstance(item, Fill):
            each = (replace(item, seeds=(seed,)) for seed in item.seeds)
        else:
            each = (replace(item, paths=(path,)) for path in item.paths)
        return tuple(replace(one, object=item.object + n) for n, one in enumerate(each))

    def stamped(self, items: list[Item]) -> tuple[Item, ...]:
        """As they are in the sample, their objects numbered on from those on the sheet."""
        return tuple(
            replace(item, object=item.object + self._next - 1 if item.object and self.apart else 0)
            if isinstance(item, Stroke | Fill) else item
            for item in items
        )  # fmt: skip

    def _count(self) -> None:
        self._next = self.layers.largest_object() + 1

    def _on_changed(self, region: QRegion) -> None:
        super()._on_changed(region)
        if self._cursor is not None:
            self.hovered.emit(self.below(self._cursor))

    # ---- showing --------------------------------------------------------------------------------

    def _tints(self) -> tuple[np.ndarray, np.ndarray | None]:
        """Of the classes, faded below looks; and of the looks, if those are painted."""
        if self.layer == "looks":
            looks = self.looks.tints if self._lit < 0 else self.looks.lit(self._lit)
            return self.legend.lit(), looks
        return self.legend.tints if self._lit < 0 else self.legend.lit(self._lit), None

    def _show_tints(self) -> None:
        for layers in (self.paper.layers, self.paper.example):
            if isinstance(layers, LabelLayers):
                layers.show_as(*self._tints())
        self.update()

    def paint_paper(self, painter: QPainter, paper: QRectF, clip: QRectF) -> None:
        """A map hides what is below it, so that the photo lies over it."""
        self.paint_shown(painter, paper & clip)
        self.paint_reference(painter, paper)

    def paint_layers(self, painter: QPainter, target: QRectF, source: QRectF, factor: int) -> None:
        smooth = self.zoom * self.devicePixelRatioF() < 1
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform, smooth)
        layers = self.paper.lying()
        painter.setOpacity(FAINT if layers is self.paper.example else 1.0)
        shown = layers.shown("shown", factor)
        if smooth:
            painter.drawImage(target, shown, source)
        else:  # all of it, so that its squares lie the same whatever part is painted
            painter.drawImage(self.view.area(), shown, QRectF(shown.rect()))
        painter.setOpacity(1.0)
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)

    def shows_ring(self) -> bool:
        return self._tool.name in LINES

    def chip(self) -> str:
        words = super().chip()
        below = self.below(self._cursor) if self._cursor is not None else -1
        if below >= 0:
            words = f"{tr(self._shown_legend().name(below))}   {words}"
        elif self.paper.shows_example():
            words += "   " + tr("An example: paint on it, or begin anew.")
        return words

    def _shown_legend(self) -> Legend:
        return self.looks if self.layer == "looks" else self.legend

    # ---- pointer --------------------------------------------------------------------------------

    def below(self, point: QPointF) -> int:
        """The number at a point of the widget, -1 beside the sheet."""
        at = self.to_sheet(point)
        spot = QPoint(int(at.x()), int(at.y()))
        lying = self.paper.lying()
        if at.x() < 0 or at.y() < 0 or not lying.rect.contains(spot):
            return -1
        assert isinstance(lying, LabelLayers)
        return int(lying.numbers(self.layer)[spot.y(), spot.x()])

    def _hover(self, point: QPointF) -> None:
        super()._hover(point)
        self.update_chip()
        self.hovered.emit(self.below(point))

    def leaveEvent(self, event: Any) -> None:
        super().leaveEvent(event)
        self.update_chip()
        self.hovered.emit(-1)

    def pick(self, at: QPointF) -> None:
        number = self.below(self.to_view(at))
        if number >= 0:
            self.label_picked.emit(number)


def traced(palette: str, ground: int, layers: dict[str, Picture]) -> Drawing:
    """A drawing made of pictures of numbers, by the layers of a map."""
    size = layers["labels"].size
    rect = (0.0, 0.0, float(size[0]), float(size[1]))
    items = tuple(Raster(layers[name], rect, name) for name in MAP if name in layers)
    return Drawing(size, items, palette, ground)
