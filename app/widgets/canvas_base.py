"""What every canvas has: view, tools, undo, pointer, keys. Knows no Studio; emits what happened."""

from __future__ import annotations

from typing import Any, ClassVar

from PySide6.QtCore import QEvent, QPoint, QPointF, QRect, QRectF, QSize, Qt, Signal
from PySide6.QtGui import (
    QColor,
    QEnterEvent,
    QFocusEvent,
    QKeyEvent,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QRegion,
    QResizeEvent,
    QTabletEvent,
    QUndoStack,
    QWheelEvent,
)
from PySide6.QtWidgets import QWidget

from app import theme
from app.drawing import Affine, Drawing, Fill, Item, Stroke, symmetries
from app.i18n import tr
from app.pictures import to_qimage
from app.tiles import Tiled
from app.widgets.canvas_paint import (
    Reference,
    paint_chip,
    paint_ground,
    paint_guides,
    paint_invitation,
    paint_ring,
    parts,
)
from app.widgets.canvas_paper import Paper
from app.widgets.canvas_pointer import Pointer
from app.widgets.canvas_tools import Tool
from app.widgets.zooming import CRISP, Viewing
from engines.job import Picture

PARTS = 32  # that many parts are painted one by one, rather than all between them
CHIP = 40  # logical pixels at the foot of the canvas that the words in the corner take


class Canvas(Viewing):
    """A sheet that tools draw on. What lies on it, and how it looks, is the subclass's: `kinds`,
    `made_layers`, `picture`, `paint_layers`."""

    kinds: ClassVar[dict[str, type[Tool]]] = {}
    invitation: ClassVar[str] = ""
    fills: ClassVar[bool] = False  # closed shapes are painted whole

    edited = Signal()
    stroke_finished = Signal()
    zoom_changed = Signal(float)
    tool_changed = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.paper = Paper(self.made_layers, (256, 256), self)
        self._follow(self.paper)
        self.layer, self.width_, self.colour = self.paper.layers.main, 3.0, QColor(200, 32, 47)
        self.symmetry, self.turns = "none", 6
        self.smoothing, self.by_pressure = 0.5, True
        self.stamp: Drawing | None = None
        self.selection: QRect | None = None
        self._tools: dict[str, Tool] = {name: kind(self) for name, kind in self.kinds.items()}
        self._tool = self._tools["pen"]
        self._turned: Tool | None = None  # what waits while the other end of the pen erases
        self._reference: Reference | None = None
        self._opacity = 0.4
        self._invitation = self.invitation
        self._cursor: QPointF | None = None
        self._told = ""  # what the corner says as it is painted
        self._pointer = Pointer(self)
        self.space_held = False
        theme.signals.changed.connect(self.update)
        self.follow_tool()

    # ---- what others ask ------------------------------------------------------------------------

    def set_undo_stack(self, stack: QUndoStack) -> None:
        self.paper.stack = stack

    def made_layers(self, size: tuple[int, int]) -> Tiled:
        """Empty layers of that size."""
        raise NotImplementedError

    def picture(self, layer: str) -> Picture | None:
        """A snapshot of a layer; the example's while nothing is drawn."""
        raise NotImplementedError

    def paint_layers(self, painter: QPainter, target: QRectF, source: QRectF, factor: int) -> None:
        """The part `source` of the layers at 1/factor of their size, onto `target`."""
        raise NotImplementedError

    def marks(self, tool: str) -> dict[str, Any]:
        """What a stroke or fill of that tool paints, as its fields."""
        raise NotImplementedError

    def finished(self, item: Stroke | Fill) -> tuple[Item, ...]:
        """What becomes of a stroke with its mirror images when it is done."""
        return (item,)

    def stamped(self, items: list[Item]) -> tuple[Item, ...]:
        """The items of a sample as they are set on the sheet."""
        return tuple(items)

    def pick(self, at: QPointF) -> None:
        """The eyedropper was used there."""

    @property
    def layers(self) -> Tiled:
        return self.paper.layers

    @property
    def stack(self) -> QUndoStack:
        return self.paper.stack

    @property
    def vectors(self) -> Drawing:
        return self.paper.vectors

    def drawing(self) -> dict[str, Any]:
        return self.vectors.to_json()

    def is_empty(self) -> bool:
        """Nothing on the main layer; the example does not count."""
        return not self.paper.has(self.paper.layers.main)

    def new_sheet(self, size: tuple[int, int]) -> None:
        """An empty sheet of another size; not a step of undo."""
        self.selection = None
        self.blockSignals(True)  # nobody edited anything
        self.paper.show(self.blank((size[0], size[1])))
        self.blockSignals(False)
        self.zoom_fit()

    def blank(self, size: tuple[int, int]) -> Drawing:
        """What an empty sheet of that size is."""
        return Drawing(size)

    def restore(self, body: dict[str, Any]) -> None:
        """A drawing from a recipe; not a step of undo (the studio makes one of it)."""
        self.paper.set_example(None)
        self.paper.show(Drawing.from_json(body))
        self.stroke_finished.emit()

    def clear(self) -> None:
        if self.vectors.items:
            self.paper.change("Clear sheet", self.blank(self.vectors.size))

    def set_example(self, body: dict[str, Any] | None) -> None:
        """A faint outline to begin with: what picture("ink") gives until something is drawn."""
        self.paper.set_example(Drawing.from_json(body) if body is not None else None)

    def set_layer(self, layer: str) -> None:
        self.layer = layer
        self.update()

    def set_tool(self, name: str) -> None:
        if self._turned is not None:
            self._tool.cancel()
            self._tool, self._turned = self._turned, None
        if name not in self._tools or self._tool is self._tools[name]:
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
        self._reference = Reference(to_qimage(picture)) if picture else None
        self._opacity = opacity
        self.update()

    def invite(self, text: str) -> None:
        """What stands on the sheet while there is nothing else."""
        self._invitation = text
        self.update()

    def _follow(self, paper: Paper) -> None:
        paper.changed.connect(self._on_changed)
        paper.settled.connect(self.stroke_finished)
        paper.disturbed.connect(self._cancel)
        paper.resized.connect(self.zoom_fit)

    def copies(self) -> tuple[Affine, ...]:
        """How symmetry repeats a stroke."""
        return symmetries(self.symmetry, self.turns, self.vectors.size)

    def _cancel(self) -> None:
        """What is under way ends without a trace."""
        if self._tool.busy:
            self._tool.cancel()

    def _on_changed(self, region: QRegion) -> None:
        for area in parts(region):
            self.update(self.view.shown(area))
        if self.chip() != self._told:
            self.update_chip()
        if not region.isEmpty():
            self.edited.emit()

    def update_chip(self) -> None:
        self.update(0, self.height() - CHIP, self.width(), CHIP)

    # ---- view -----------------------------------------------------------------------------------

    @property
    def zoom(self) -> float:
        return self.view.zoom

    def to_sheet(self, point: QPointF) -> QPointF:
        return self.view.to_content(point)

    def to_view(self, point: QPointF) -> QPointF:
        return self.view.to_view(point)

    def zoom_fit(self) -> None:
        self.view.place(QSize(*self.vectors.size), self.size())
        super().zoom_fit()

    def _view_changed(self) -> None:
        self.update()
        self.zoom_changed.emit(self.zoom)

    def _ring(self, point: QPointF | None) -> QRect:
        if point is None:
            return QRect()
        reach = self.width_ * self.zoom / 2 + 3
        return QRectF(point.x() - reach, point.y() - reach, 2 * reach, 2 * reach).toAlignedRect()

    # ---- painting -------------------------------------------------------------------------------

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        region = event.region()
        scattered = 1 < region.rectCount() <= PARTS  # as when symmetry repeats a stroke
        for area in parts(region) if scattered else [region.boundingRect()]:
            painter.setClipRect(area)
            self._paint_sheet(painter, QRectF(area))
        painter.setClipping(False)
        self._told = self.chip()
        paint_chip(painter, QPoint(10, self.height() - 10), self._told, self.width() - 20)
        if self._cursor is not None and self.shows_ring() and not self.space_held:
            tinted = self.is_tinted() and self._tool.name != "eraser"
            width = self.width_ * self.zoom
            paint_ring(painter, self._cursor, width, self.colour if tinted else None)
        self.paint_frame(painter)
        painter.end()

    def _paint_sheet(self, painter: QPainter, clip: QRectF) -> None:
        """The part of table and sheet within `clip`."""
        painter.fillRect(clip, theme.colour("sunken"))
        paper = self.view.area()
        paint_ground(painter, paper, clip)
        painter.save()
        painter.setClipRect(paper & clip)
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform, self.zoom < CRISP)
        painter.fillRect(paper, self.ground())
        self.paint_paper(painter, paper, clip)
        paint_guides(painter, paper, self.symmetry, self.turns)
        self._tool.paint(painter)
        if self.paper.is_blank() and self.paper.example is None and self._reference is None:
            paint_invitation(painter, paper, tr(self._invitation), self.ground())
        painter.restore()

    def ground(self) -> QColor:
        """The colour of an empty sheet."""
        return theme.colour("paper")

    def paint_paper(self, painter: QPainter, paper: QRectF, clip: QRectF) -> None:
        """The reference photo, and the layers over it."""
        self.paint_reference(painter, paper)
        self.paint_shown(painter, paper & clip)

    def paint_reference(self, painter: QPainter, paper: QRectF) -> None:
        if self._reference is not None:
            self._reference.paint(painter, paper, self._opacity)

    def shows_ring(self) -> bool:
        return self._tool.brush

    def is_tinted(self) -> bool:
        """Whether the brush's colour is worth showing."""
        return True

    def chip(self) -> str:
        """The words in the corner."""
        return tr("{width} px · {zoom} %", width=f"{self.width_:g}", zoom=round(100 * self.zoom))

    def paint_shown(self, painter: QPainter, shown: QRectF) -> None:
        """The part of the layers that lies within `shown` of the widget."""
        if shown.isEmpty():
            return
        source = QRectF(self.to_sheet(shown.topLeft()), self.to_sheet(shown.bottomRight()))
        source = QRectF(source.toAlignedRect().adjusted(-1, -1, 1, 1) & self.layers.rect)
        target = QRectF(self.to_view(source.topLeft()), self.to_view(source.bottomRight()))
        factor = 1
        while self.zoom * self.devicePixelRatioF() * factor <= 0.5:
            factor *= 2
        source = QRectF(source.topLeft() / factor, source.size() / factor)
        self.paint_layers(painter, target, source, factor)

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
            self._cancel()  # the first finger seemed to draw
            self._view_changed()
            return True
        return super().event(event)

    # ---- keys, focus -----------------------------------------------------------------------------

    def focusOutEvent(self, event: QFocusEvent) -> None:
        self.space_held = False
        super().focusOutEvent(event)

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

    def resizeEvent(self, event: QResizeEvent) -> None:
        self.view.place(QSize(*self.vectors.size), self.size())
        self._view_changed()

    def follow_tool(self) -> None:
        self.setCursor(self._tool.cursor)
        self.update()
