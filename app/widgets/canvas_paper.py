"""What lies on a sheet: items, their pixels, the stroke under way, the example, undo.

Knows no widget and no pointer; tools draw on it, and it says what changed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from PySide6.QtCore import QObject, QRect, Signal
from PySide6.QtGui import QRegion, QUndoCommand, QUndoStack

from app.drawing import Drawing, Fill, Item, Stroke
from app.tiles import Tiled, Tiles, bytes_of

UNDO_BYTES = 192 << 20  # of kept tiles; older steps are undone by drawing all again


class Paper(QObject):
    changed = Signal(QRegion)  # sheet pixels that look different now
    settled = Signal()  # a step was done, undone or redone
    disturbed = Signal()  # what is under way must end: the drawing below it is about to change
    resized = Signal()

    def __init__(
        self,
        layers: Callable[[tuple[int, int]], Tiled],
        size: tuple[int, int],
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._made = layers
        self.vectors = Drawing(size)
        self.layers = layers(size)
        self.stack = QUndoStack(self)
        self.example: Tiled | None = None
        self._example_items: tuple[Item, ...] = ()
        self._live: Tiles = {}  # as it was below the stroke under way
        self._live_layer = ""
        self._kept: list[Edit] = []

    # ---- what is there --------------------------------------------------------------------------

    def has(self, layer: str) -> bool:
        """Whether anything was drawn on that layer; the example does not count."""
        return any(layer in self.layers.layers_of(item) for item in self.vectors.items)

    def shows_example(self) -> bool:
        return self.example is not None and self.is_blank()

    def is_blank(self) -> bool:
        """Nothing on the main layer, not even of a stroke under way."""
        main = self.layers.main
        return self._live_layer != main and not self.has(main)

    def is_used(self, layer: str) -> bool:
        return self._live_layer == layer or self.has(layer)

    def lying(self) -> Tiled:
        """The layers that one sees: the example's while nothing is drawn."""
        if self.example is not None and self.is_blank():
            return self.example
        return self.layers

    def holds(self, area: QRect) -> bool:
        """Whether anything lies there, be it the example's."""
        return self.lying().holds(area) or self.layers.holds(area)

    # ---- example --------------------------------------------------------------------------------

    def set_example(self, drawing: Drawing | None) -> None:
        self.example, self._example_items = None, ()
        if drawing is not None:
            drawing = drawing.scaled(self.vectors.size)
            self.example, self._example_items = self._made(drawing.size), drawing.items
            self.example.render(drawing)
        self.changed.emit(QRegion(self.layers.rect))

    def adopt_example(self) -> None:
        """What colours, erases or carries the example makes it a drawing."""
        if self.shows_example():
            self.stack.push(Edit(self, "Example", self._example_items))

    # ---- a stroke under way ---------------------------------------------------------------------

    def begin(self, layer: str, adds: bool = True) -> None:
        """A stroke starts. Ink that is added takes the place of the example."""
        if layer != self.layers.main or not adds or self.layers.continues:
            self.adopt_example()
        was_blank = self.is_blank()
        self._live_layer = layer
        if was_blank and layer == self.layers.main:
            self.changed.emit(QRegion(self.layers.rect))

    def end(self) -> None:
        self._live_layer = ""

    def sketch(self, piece: Stroke) -> None:
        """Paint a piece of a stroke under way; commit or abandon ends it."""
        region = QRegion()
        for path in piece.paths:
            one = replace(piece, paths=(path,))
            self.layers.keep(one, self._live)
            region += self.layers.segment(one)
        self.changed.emit(region)

    def preview(self, *items: Item) -> None:
        """Show items of which only the last ones count, as while a rectangle is pulled."""
        region = self.layers.put_back(self._live)
        for item in items:
            self.layers.keep(item, self._live)
            region += self.layers.paint(item)
        self.changed.emit(region)

    def abandon(self) -> None:
        tiles, self._live, self._live_layer = self._live, {}, ""
        if tiles:
            region = self.layers.put_back(tiles)
            self.changed.emit(QRegion(self.layers.rect) if self.is_blank() else region)

    # ---- steps ----------------------------------------------------------------------------------

    def commit(self, text: str, *items: Item) -> None:
        """A finished stroke becomes one step of undo."""
        if self.layers.continues:
            self.adopt_example()
        self.stack.push(Edit(self, text, items))

    def change(self, text: str, drawing: Drawing, resizes: bool = False) -> None:
        """Another drawing becomes one step of undo; it is scaled onto the sheet, or brings its own
        size."""
        self.stack.push(Replace(self, text, drawing, resizes))

    def show(self, drawing: Drawing) -> None:
        """Another drawing in the place of this one; not a step of undo."""
        self.disturbed.emit()
        self.abandon()
        resized = drawing.size != self.vectors.size
        self.vectors = drawing
        for edit in self._kept:
            edit.tiles = None
        self._kept = []
        if resized:
            self.layers = self._made(drawing.size)
            self.example, self._example_items = None, ()
        self.layers.render(drawing)
        if resized:
            self.resized.emit()
        self.changed.emit(QRegion(self.layers.rect))

    def add(self, items: tuple[Item, ...]) -> Tiles:
        """Paint items for good; the tiles as they were before."""
        self.disturbed.emit()
        tiles, self._live = self._live, {}
        region = self.layers.put_back(tiles)
        for item in items:
            self.layers.keep(item, tiles)
            region += self.layers.paint(item)
        was_blank = self.is_blank()
        self.vectors = replace(self.vectors, items=(*self.vectors.items, *items))
        self.changed.emit(QRegion(self.layers.rect) if was_blank else region)
        if any(isinstance(item, Fill) for item in items):  # it said that it may touch all
            tiles = {at: tile for at, tile in tiles.items() if tile != self.layers.tile(at)}
        return tiles

    def take_back(self, items: tuple[Item, ...], tiles: Tiles | None) -> None:
        self.disturbed.emit()
        self.abandon()
        self.vectors = replace(self.vectors, items=self.vectors.items[: -len(items)])
        if tiles is None:
            self.layers.render(self.vectors)
            region = QRegion(self.layers.rect)
        else:
            region = self.layers.put_back(tiles)
        self.changed.emit(QRegion(self.layers.rect) if self.is_blank() else region)

    def remember(self, edit: Edit) -> None:
        """Keep the tiles of the latest edits, within a budget."""
        self._kept = [e for e in self._kept if e.tiles is not None and e is not edit] + [edit]
        total = sum(bytes_of(e.tiles or {}) for e in self._kept)
        while total > UNDO_BYTES and len(self._kept) > 1:
            oldest = self._kept.pop(0)
            total -= bytes_of(oldest.tiles or {})
            oldest.tiles = None


class Edit(QUndoCommand):
    """Items added to the drawing; undone exactly, by the tiles they touched."""

    def __init__(self, paper: Paper, text: str, items: tuple[Item, ...]) -> None:
        super().__init__(text)
        self.paper, self.items = paper, items
        self.size = paper.vectors.size
        self.tiles: Tiles | None = None

    def redo(self) -> None:
        size = self.paper.vectors.size
        if size != self.size:  # another model drew on another sheet in between
            self.items = Drawing(self.size, self.items).scaled(size).items
            self.size = size
        self.tiles = self.paper.add(self.items)
        self.paper.remember(self)
        self.paper.settled.emit()

    def undo(self) -> None:
        self.paper.take_back(self.items, self.tiles)
        self.tiles = None
        self.paper.settled.emit()


class Replace(QUndoCommand):
    """Another drawing in the place of the one that was there."""

    def __init__(self, paper: Paper, text: str, after: Drawing, resizes: bool = False) -> None:
        super().__init__(text)
        self.paper, self.before, self.after = paper, paper.vectors, after
        self.resizes = resizes

    def redo(self) -> None:
        self._show(self.after)

    def undo(self) -> None:
        self._show(self.before)

    def _show(self, drawing: Drawing) -> None:
        size = drawing.size if self.resizes else self.paper.vectors.size
        self.paper.show(drawing.scaled(size))
        self.paper.settled.emit()
