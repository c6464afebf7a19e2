"""The sheet one draws on: view, tools, layers, undo. Knows no Studio; emits what happened."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from PySide6.QtCore import QEvent, QPoint, QPointF, QRect, QRectF, QSize, Qt, Signal
from PySide6.QtGui import (
    QColor,
    QDragEnterEvent,
    QDropEvent,
    QEnterEvent,
    QFocusEvent,
    QImage,
    QKeyEvent,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QPen,
    QPixmap,
    QResizeEvent,
    QTabletEvent,
    QUndoStack,
    QWheelEvent,
)
from PySide6.QtWidgets import QWidget

from app import theme
from app.drawing import Affine, Drawing, Item, Raster, Stroke, symmetries
from app.i18n import tr
from app.pictures import from_qimage, has_payload, read_mime, to_qimage, view
from app.raster import Layers, Tiles, bytes_of, fitted, layers_of, touched
from app.widgets.canvas_edits import Edit, Replace
from app.widgets.canvas_paint import (
    inside,
    paint_chip,
    paint_ground,
    paint_guides,
    paint_invitation,
    paint_ring,
)
from app.widgets.canvas_pointer import Pointer
from app.widgets.canvas_tools import TOOLS, Tool
from app.widgets.zooming import CRISP, View
from engines.controls import SketchStats
from engines.job import Picture

UNDO_BYTES = 192 << 20  # of kept tiles; older steps are undone by drawing all again
PHOTO_SIDE = 2048  # pixels; a larger reference photo is made smaller


class SketchCanvas(QWidget):
    edited = Signal()
    stroke_finished = Signal()
    zoom_changed = Signal(float)
    tool_changed = Signal(str)
    files_dropped = Signal(list)
    picture_dropped = Signal(object)
    colour_picked = Signal(QColor)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setMouseTracking(True)
        self.setAcceptDrops(True)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setMinimumSize(160, 160)
        self.vectors = Drawing((256, 256))
        self.layers = Layers(self.vectors.size)
        self.stack = QUndoStack(self)
        self.layer, self.width_, self.colour = "ink", 3.0, QColor(200, 32, 47)
        self.symmetry, self.turns = "none", 6
        self.smoothing, self.by_pressure = 0.5, True
        self.stamp: Drawing | None = None
        self.selection: QRect | None = None
        self._tools: dict[str, Tool] = {name: kind(self) for name, kind in TOOLS.items()}
        self._tool = self._tools["pen"]
        self._turned: Tool | None = None  # what waits while the other end of the pen erases
        self._live: Tiles = {}
        self._kept: list[Edit] = []
        self._example: Layers | None = None
        self._photo: QImage | None = None  # the reference: as colours, and as it is painted
        self._reference: QPixmap | None = None
        self._opacity = 0.4
        self.view = View()
        self.grabGesture(Qt.GestureType.PinchGesture)
        self._cursor: QPointF | None = None
        self._pointer = Pointer(self)
        self.space_held = self._dropping = False
        self._drawing_on = ""  # the layer of the stroke under way
        theme.signals.changed.connect(self.update)
        self.follow_tool()

    # ---- what others ask ------------------------------------------------------------------------

    def set_undo_stack(self, stack: QUndoStack) -> None:
        self.stack = stack

    def drawing(self) -> dict[str, Any]:
        return self.vectors.to_json()

    def is_empty(self) -> bool:
        """Nothing on the ink layer; the example does not count."""
        return not any("ink" in layers_of(item) for item in self.vectors.items)

    def picture(self, layer: str) -> Picture | None:
        """A snapshot: "ink" as grey (the example's while nothing is drawn); "hints" as RGBA, or
        None without any."""
        if layer == "ink":
            example = self._example if self._shows_example() else None
            return from_qimage(example.ink if example else self.layers.ink)
        used = any("hints" in layers_of(item) for item in self.vectors.items)
        if not used and self._drawing_on != "hints":
            return None
        hints = from_qimage(self.layers.hints.convertToFormat(QImage.Format.Format_RGBA8888))
        return hints if hints.pixels[..., 3].any() else None

    def _shows_example(self) -> bool:
        return self._example is not None and self.is_empty() and self._drawing_on != "ink"

    def new_sheet(self, size: tuple[int, int]) -> None:
        """An empty sheet of another size; not a step of undo."""
        self.selection = None
        self.show_drawing(Drawing((size[0], size[1])), says=False)
        self.zoom_fit()

    def restore(self, body: dict[str, Any]) -> None:
        """A drawing from a recipe; not a step of undo (the studio makes one of it)."""
        self._example = None
        self.show_drawing(Drawing.from_json(body))
        self.stroke_finished.emit()

    def clear(self) -> None:
        if self.vectors.items:
            self.stack.push(Replace(self, "Clear sheet", Drawing(self.vectors.size)))

    def set_example(self, body: dict[str, Any] | None) -> None:
        """A faint outline to begin with: what picture("ink") gives until something is drawn."""
        self._example = None
        if body is not None:
            example = Drawing.from_json(body).scaled(self.vectors.size)
            self._example = Layers(example.size)
            self._example.render(example)
        self.update()
        self.edited.emit()

    def set_layer(self, layer: str) -> None:
        self.layer = layer
        self.update()

    def set_tool(self, name: str) -> None:
        if self._tool is self._tools[name]:
            return
        self._tool.cancel()
        self._tool = self._tools[name]
        self.follow_tool()
        self.tool_changed.emit(name)

    def set_brush(self, pixels: float) -> None:
        self.width_ = float(pixels)
        self.update()

    def set_colour(self, colour: QColor) -> None:
        self.colour = QColor(colour)
        self.update()

    def set_symmetry(self, name: str, count: int = 6) -> None:
        self.symmetry, self.turns = name, count
        self.update()

    def set_smoothing(self, share: float) -> None:
        """0: as the mouse goes; 1: as smooth as it gets."""
        self.smoothing = min(max(float(share), 0.0), 1.0)

    def set_pressure(self, on: bool) -> None:
        self.by_pressure = on

    def set_stamp(self, body: dict[str, Any] | None) -> None:
        self.stamp = Drawing.from_json(body) if body else None

    def set_reference(self, picture: Picture | None, opacity: float = 0.4) -> None:
        self._photo = _at_most(to_qimage(picture), PHOTO_SIDE) if picture else None
        self._reference = QPixmap.fromImage(self._photo) if self._photo else None
        self._opacity = opacity
        self.update()

    def import_edges(self, edges: Picture) -> None:
        """Lines found in a photo, as large as the sheet, in the place of what was drawn."""
        w, h = self.vectors.size
        item = Raster(from_qimage(_grey(to_qimage(edges))), (0, 0, w, h))
        hints = tuple(i for i in self.vectors.items if layers_of(i) == ("hints",))
        self.stack.push(Replace(self, "Edges of a photo", Drawing((w, h), (item, *hints))))

    def fit_drawing(self, stats: SketchStats) -> None:
        """Line width, place and extent as the model knows them, in one step."""
        better = fitted(self.vectors, view(self.layers.ink), stats)
        if better is not None and better != self.vectors:
            self.stack.push(Replace(self, "Fit drawing", better))

    # ---- changing the drawing -------------------------------------------------------------------

    def add(self, items: tuple[Item, ...]) -> Tiles:
        """Paint items for good; the tiles as they were before."""
        if self._tool.busy:  # redo while a stroke is under way
            self._give_up()
        tiles, self._live = self._live, {}
        area = self.layers.put_back(tiles)
        for item in items:
            self.layers.keep(touched(item, self.layers.size), layers_of(item), tiles)
            area = area.united(self.layers.paint(item))
        size, known = self.vectors.size, self.vectors.items
        self.vectors = Drawing(size, (*known, *items))
        self._changed(area)
        return tiles

    def take_back(self, items: tuple[Item, ...], tiles: Tiles | None) -> None:
        self._give_up()
        self.vectors = Drawing(self.vectors.size, self.vectors.items[: -len(items)])
        if tiles is None:
            self.layers.render(self.vectors)
            self._changed(self.layers.rect)
        else:
            self._changed(self.layers.put_back(tiles))

    def remember(self, edit: Edit) -> None:
        """Keep the tiles of the latest edits, within a budget."""
        self._kept = [e for e in self._kept if e.tiles is not None and e is not edit] + [edit]
        total = sum(bytes_of(e.tiles or {}) for e in self._kept)
        while total > UNDO_BYTES and len(self._kept) > 1:
            oldest = self._kept.pop(0)
            total -= bytes_of(oldest.tiles or {})
            oldest.tiles = None

    def commit(self, text: str, *items: Item) -> None:
        """A finished stroke becomes one step of undo."""
        self.stack.push(Edit(self, text, items))

    def sketch(self, item: Stroke) -> None:
        """Paint a piece of a stroke under way; commit or abandon ends it."""
        for path in item.paths:  # one by one: together they may span the sheet
            piece = replace(item, paths=(path,))
            self.layers.keep(touched(piece, self.layers.size), (item.layer,), self._live)
            self._update_sheet(self.layers.segment(piece))
        self.edited.emit()

    def preview(self, *items: Item) -> None:
        """Show items of which only the last counts, as while a rectangle is pulled."""
        area = self.layers.put_back(self._live)
        for item in items:
            self.layers.keep(touched(item, self.layers.size), layers_of(item), self._live)
            area = area.united(self.layers.paint(item))
        self._changed(area)

    def abandon(self) -> None:
        tiles, self._live = self._live, {}
        if tiles:
            self._changed(self.layers.put_back(tiles))

    def _give_up(self) -> None:
        """What is under way ends without a trace: the drawing below it is about to change."""
        if self._tool.busy:
            self._tool.cancel()
        self.abandon()

    def show_drawing(self, drawing: Drawing, says: bool = True) -> None:
        self._give_up()
        resized = drawing.size != self.vectors.size
        self.vectors = drawing
        for edit in self._kept:
            edit.tiles = None
        self._kept = []
        if resized:
            self.layers = Layers(drawing.size)
            self._example = None
        self.layers.render(drawing)
        if resized:
            self.zoom_fit()
        self.update()
        if says:
            self.edited.emit()

    def copies(self) -> tuple[Affine, ...]:
        """How symmetry repeats a stroke."""
        return symmetries(self.symmetry, self.turns, self.vectors.size)

    def begin(self) -> None:
        """A stroke starts; on the ink layer the example gives way."""
        gives_way = self._shows_example() and self.layer == "ink"
        self._drawing_on = self.layer
        if gives_way:
            self.update()

    def end(self) -> None:
        self._drawing_on = ""

    def _changed(self, area: QRect) -> None:
        if not area.isEmpty():
            self._update_sheet(area)
            self.edited.emit()

    # ---- view -----------------------------------------------------------------------------------

    @property
    def zoom(self) -> float:
        return self.view.zoom

    def to_sheet(self, point: QPointF) -> QPointF:
        return self.view.to_content(point)

    def to_view(self, point: QPointF) -> QPointF:
        return self.view.to_view(point)

    def zoom_in(self) -> None:
        self._zoom_by(1.25)

    def zoom_out(self) -> None:
        self._zoom_by(0.8)

    def zoom_fit(self) -> None:
        self.view.place(QSize(*self.vectors.size), self.size())
        self.view.fit()
        self._view_changed()

    def _zoom_by(self, factor: float) -> None:
        self.view.zoom_at(QPointF(self.rect().center()), factor)
        self._view_changed()

    def _view_changed(self) -> None:
        self.update()
        self.zoom_changed.emit(self.zoom)

    def _update_sheet(self, area: QRect) -> None:
        self.update(self.view.shown(area))

    def _ring(self, point: QPointF | None) -> QRect:
        if point is None:
            return QRect()
        reach = self.width_ * self.zoom / 2 + 3
        return QRectF(point.x() - reach, point.y() - reach, 2 * reach, 2 * reach).toAlignedRect()

    # ---- painting -------------------------------------------------------------------------------

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        clip = QRectF(event.rect())
        painter.fillRect(event.rect(), theme.colour("sunken"))
        paper = self.view.area()
        paint_ground(painter, paper, clip)
        painter.save()
        painter.setClipRect(paper & clip)
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform, self.zoom < CRISP)
        painter.fillRect(paper, theme.colour("paper"))
        if self._reference is not None:
            painter.setOpacity(self._opacity)
            place = inside(self._reference.size(), paper)
            painter.drawPixmap(place, self._reference, QRectF(self._reference.rect()))
            painter.setOpacity(1.0)
        self._paint_layers(painter, paper & clip)
        paint_guides(painter, paper, self.symmetry, self.turns)
        self._tool.paint(painter)
        painter.restore()
        if self._invites() and self._example is None and self._reference is None:
            paint_invitation(painter, paper, tr("Draw here, or drop a photo."))
        paint_chip(painter, QPoint(10, self.height() - 10), self._chip(), self.width() - 20)
        if self._cursor is not None and self._tool.brush and not self.space_held:
            tinted = self.layer == "hints" and self._tool.name != "eraser"
            width = self.width_ * self.zoom
            paint_ring(painter, self._cursor, width, self.colour if tinted else None)
        if self._dropping or (self.hasFocus() and self.focus_by_key):
            painter.setPen(QPen(theme.colour("accent" if self._dropping else "focus"), 2))
            painter.drawRect(self.rect().adjusted(1, 1, -1, -1))
        painter.end()

    def _invites(self) -> bool:
        return self.is_empty() and self._drawing_on != "ink"

    def _chip(self) -> str:
        text = tr("{width} px · {zoom} %", width=f"{self.width_:g}", zoom=round(100 * self.zoom))
        if self._invites() and self._example is not None:
            text += "   " + tr("Draw here: the first stroke replaces the example.")
        return text

    def _paint_layers(self, painter: QPainter, shown: QRectF) -> None:
        if shown.isEmpty():
            return
        source = QRectF(self.to_sheet(shown.topLeft()), self.to_sheet(shown.bottomRight()))
        source = QRectF(source.toAlignedRect().adjusted(-1, -1, 1, 1) & self.layers.rect)
        target = QRectF(self.to_view(source.topLeft()), self.to_view(source.bottomRight()))
        factor = 1
        while self.zoom * self.devicePixelRatioF() * factor <= 0.5:
            factor *= 2
        source = QRectF(source.topLeft() / factor, source.size() / factor)
        if "hints" in self.layers.used:
            painter.drawImage(target, self.layers.shown("hints", factor), source)
        painter.setCompositionMode(QPainter.CompositionMode.CompositionMode_Multiply)
        if self._example is not None and self._shows_example():
            painter.setOpacity(0.32)
            painter.drawImage(target, self._example.shown("ink", factor), source)
            painter.setOpacity(1.0)
        else:
            if self.layer == "hints":
                painter.setOpacity(0.75)
            painter.drawImage(target, self.layers.shown("ink", factor), source)
            painter.setOpacity(1.0)
        painter.setCompositionMode(QPainter.CompositionMode.CompositionMode_SourceOver)

    # ---- pointer --------------------------------------------------------------------------------

    def mousePressEvent(self, event: QMouseEvent) -> None:
        self.focus_by_key = False
        self._pointer.press(event)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        self._pointer.move(event)

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        self._pointer.release(event)

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        if event.button() == Qt.MouseButton.LeftButton and not self._tool.finish():
            self._pointer.press(event)

    def tabletEvent(self, event: QTabletEvent) -> None:
        self._pointer.pen(event)

    def touch_down(
        self, at: QPointF, pressure: float, keys: Qt.KeyboardModifier, turned: bool = False
    ) -> None:
        """Draw from there on; `turned`: with the other end of the pen, which erases."""
        self._hover(at)
        if turned and not self._tool.busy:
            self._turned, self._tool = self._tool, self._tools["eraser"]
        self._tool.press(self.to_sheet(at), pressure, keys)

    def touch_move(
        self, at: QPointF, pressure: float, keys: Qt.KeyboardModifier, held: bool
    ) -> None:
        self._hover(at)
        if held:
            self._tool.move(self.to_sheet(at), pressure, keys)
        else:
            self._tool.hover(self.to_sheet(at))

    def touch_up(self, at: QPointF, keys: Qt.KeyboardModifier) -> None:
        self._tool.release(self.to_sheet(at), keys)
        if self._turned is not None:
            self._tool, self._turned = self._turned, None

    def _hover(self, point: QPointF) -> None:
        before = self._ring(self._cursor)
        self._cursor = point
        self.update(before)
        self.update(self._ring(point))

    def leaveEvent(self, event: Any) -> None:
        self.update(self._ring(self._cursor))
        self._cursor = None

    def enterEvent(self, event: QEnterEvent) -> None:
        self._hover(event.position())

    def wheelEvent(self, event: QWheelEvent) -> None:
        self.view.take(event)
        self._view_changed()

    def event(self, event: Any) -> bool:
        fingers = (QEvent.Type.NativeGesture, QEvent.Type.Gesture)
        if event.type() in fingers and self.view.take(event):
            self._give_up()  # the first finger seemed to draw
            self._view_changed()
            return True
        return super().event(event)

    # ---- keys, focus, drops ---------------------------------------------------------------------

    focus_by_key = False

    def focusInEvent(self, event: QFocusEvent) -> None:
        keys = (Qt.FocusReason.TabFocusReason, Qt.FocusReason.BacktabFocusReason)
        self.focus_by_key = event.reason() in keys
        self.update()

    def focusOutEvent(self, event: QFocusEvent) -> None:
        self.space_held = False
        self.update()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        key = event.key()
        if key == Qt.Key.Key_Space:
            if not event.isAutoRepeat():
                self.space_held = True
                self.setCursor(Qt.CursorShape.OpenHandCursor)
        elif key == Qt.Key.Key_Escape and self._tool.busy:
            self._tool.cancel()
        elif key in (Qt.Key.Key_Return, Qt.Key.Key_Enter) and self._tool.finish():
            pass
        elif not self._tool.key(event):
            super().keyPressEvent(event)

    def keyReleaseEvent(self, event: QKeyEvent) -> None:
        if event.key() == Qt.Key.Key_Space and not event.isAutoRepeat():
            self.space_held = False
            self.follow_tool()
        else:
            super().keyReleaseEvent(event)

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        if has_payload(event.mimeData()):
            event.acceptProposedAction()
            self._dropping = True
            self.update()

    def dragLeaveEvent(self, event: Any) -> None:
        self._dropping = False
        self.update()

    def dropEvent(self, event: QDropEvent) -> None:
        self._dropping = False
        self.update()
        payload = read_mime(event.mimeData())
        event.acceptProposedAction()
        if payload.files:
            self.files_dropped.emit(list(payload.files))
        elif payload.picture is not None:
            self.picture_dropped.emit(payload.picture)

    def resizeEvent(self, event: QResizeEvent) -> None:
        self.view.place(QSize(*self.vectors.size), self.size())
        self._view_changed()

    def pixel(self, point: QPointF) -> QColor | None:
        """The colour one sees there: hint, else reference; None outside."""
        spot = QPoint(int(point.x()), int(point.y()))
        if not self.layers.rect.contains(spot):
            return None
        hint = self.layers.hints.pixelColor(spot)
        if hint.alpha() or self._photo is None:
            return hint if hint.alpha() else None
        area = inside(self._photo.size(), QRectF(self.layers.rect))
        if not area.contains(point):
            return None
        x = (point.x() - area.x()) / area.width() * self._photo.width()
        y = (point.y() - area.y()) / area.height() * self._photo.height()
        return self._photo.pixelColor(int(x), int(y))

    def follow_tool(self) -> None:
        self.setCursor(self._tool.cursor)
        self.update()


def _at_most(image: QImage, side: int) -> QImage:
    """The image, smaller if it is larger than `side`: what is painted at every dab is light."""
    if max(image.width(), image.height()) <= side:
        return image
    keep, smooth = Qt.AspectRatioMode.KeepAspectRatio, Qt.TransformationMode.SmoothTransformation
    return image.scaled(side, side, keep, smooth)


def _grey(image: QImage) -> QImage:
    return image.convertToFormat(QImage.Format.Format_Grayscale8)
