"""Steps of undo on the canvas: items added, or another drawing in the place of the one there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtGui import QUndoCommand

from app.drawing import Drawing, Item
from app.raster import Tiles

if TYPE_CHECKING:
    from app.widgets.canvas import SketchCanvas


class Edit(QUndoCommand):
    """Items added to the drawing; undone exactly, by the tiles they touched."""

    def __init__(self, canvas: SketchCanvas, text: str, items: tuple[Item, ...]) -> None:
        super().__init__(text)
        self.canvas, self.items = canvas, items
        self.size = canvas.vectors.size
        self.tiles: Tiles | None = None

    def redo(self) -> None:
        size = self.canvas.vectors.size
        if size != self.size:  # another model drew on another sheet in between
            self.items = Drawing(self.size, self.items).scaled(size).items
            self.size = size
        self.tiles = self.canvas.add(self.items)
        self.canvas.remember(self)
        self.canvas.stroke_finished.emit()

    def undo(self) -> None:
        self.canvas.take_back(self.items, self.tiles)
        self.tiles = None
        self.canvas.stroke_finished.emit()


class Replace(QUndoCommand):
    """Another drawing in the place of the one that was there."""

    def __init__(self, canvas: SketchCanvas, text: str, after: Drawing) -> None:
        super().__init__(text)
        self.canvas, self.before, self.after = canvas, canvas.vectors, after

    def redo(self) -> None:
        self._show(self.after)

    def undo(self) -> None:
        self._show(self.before)

    def _show(self, drawing: Drawing) -> None:
        self.canvas.show_drawing(drawing.scaled(self.canvas.vectors.size))
        self.canvas.stroke_finished.emit()
