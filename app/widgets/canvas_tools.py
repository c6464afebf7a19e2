"""The tools of the canvas: each turns presses and moves, in sheet pixels, into items."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, ClassVar

from PySide6.QtCore import QPointF, QRect, QRectF, Qt
from PySide6.QtGui import QKeyEvent, QPainter, QPen

from app import theme
from app.drawing import Affine, Fill, Item, Move, Path, Stroke

if TYPE_CHECKING:
    from app.widgets.canvas_base import Canvas

Keys = Qt.KeyboardModifier
NEAR = 6.0  # view pixels within which a polygon's first corner is hit


class Tool:
    name: ClassVar[str] = ""
    brush: ClassVar[bool] = True  # shows the brush's ring
    cursor: ClassVar[Qt.CursorShape] = Qt.CursorShape.CrossCursor

    def __init__(self, canvas: Canvas) -> None:
        self.canvas = canvas
        self.busy = False

    def press(self, at: QPointF, pressure: float, keys: Keys) -> None: ...
    def move(self, at: QPointF, pressure: float, keys: Keys) -> None: ...
    def release(self, at: QPointF, keys: Keys) -> None: ...
    def hover(self, at: QPointF) -> None: ...
    def paint(self, painter: QPainter) -> None: ...

    def finish(self) -> bool:
        """Enter or a double click; False if there is nothing to finish."""
        return False

    def key(self, event: QKeyEvent) -> bool:
        return False

    def cancel(self) -> None:
        if self.busy:
            self.busy = False
            self.canvas.paper.abandon()

    def commit(self, text: str, item: Stroke | Fill) -> None:
        self.canvas.paper.commit(text, *self.canvas.finished(item))

    def stroke(self, tool: str, path: Path) -> Stroke:
        """`path` and its mirror images, with the canvas's brush."""
        paths = tuple(copy.path(path) for copy in self.canvas.copies())
        return Stroke(tool, paths, self.canvas.width_, **self.canvas.marks(tool))


class Pen(Tool):
    """Follows the hand; the mouse is smoothed, Shift draws straight from where it began."""

    name = "pen"
    text = "Stroke"
    adds = True

    def press(self, at: QPointF, pressure: float, keys: Keys) -> None:
        self.canvas.paper.begin(self.canvas.layer, self.adds)
        self.busy = True
        self._points: list[tuple[float, float, float]] = [(at.x(), at.y(), pressure)]
        self._straight = False
        self.canvas.paper.sketch(self.stroke(self.name, tuple(self._points)))

    def move(self, at: QPointF, pressure: float, keys: Keys) -> None:
        if not self.busy:
            return
        first, last = self._points[0], self._points[-1]
        if keys & Keys.ShiftModifier:
            self._straight = True
            end = straightened(QPointF(first[0], first[1]), at)
            self._points = [first, (end.x(), end.y(), pressure)]
            self.canvas.paper.preview(self.stroke(self.name, tuple(self._points)))
            return
        if self._straight:
            self._straight = False
            self.canvas.paper.preview(self.stroke(self.name, tuple(self._points)))
        # the pen follows on a spring: the more smoothing, the softer
        pull = 1 - 0.75 * self.canvas.smoothing
        x = last[0] + pull * (at.x() - last[0])
        y = last[1] + pull * (at.y() - last[1])
        if math.dist((x, y), last[:2]) * self.canvas.zoom < 0.5:
            return
        self._points.append((x, y, last[2] + 0.5 * (pressure - last[2])))
        self.canvas.paper.sketch(self.stroke(self.name, (last, self._points[-1])))

    def release(self, at: QPointF, keys: Keys) -> None:
        if not self.busy:
            return
        self.busy = False
        last = self._points[-1]
        far = math.dist((at.x(), at.y()), last[:2]) * self.canvas.zoom
        if not self._straight and len(self._points) > 1 and far > 0.5:
            self._points.append((at.x(), at.y(), last[2]))
        rounded = tuple((round(x, 2), round(y, 2), round(p, 3)) for x, y, p in self._points)
        self.canvas.paper.end()
        self.commit(self.text, self.stroke(self.name, rounded))


class Eraser(Pen):
    name = "eraser"
    text = "Erase"
    adds = False

    def press(self, at: QPointF, pressure: float, keys: Keys) -> None:
        paper = self.canvas.paper
        is_main = self.canvas.layer == paper.layers.main
        if paper.has(self.canvas.layer) or (is_main and paper.shows_example()):
            super().press(at, pressure, keys)


class Shape(Tool):
    """Pulled from corner to corner; Shift makes it even."""

    def press(self, at: QPointF, pressure: float, keys: Keys) -> None:
        self.canvas.paper.begin(self.canvas.layer)
        self.busy = True
        self._from = self._to = at

    def move(self, at: QPointF, pressure: float, keys: Keys) -> None:
        if self.busy:
            self._to = self.even(at) if keys & Keys.ShiftModifier else at
            self.canvas.paper.preview(self.made())

    def release(self, at: QPointF, keys: Keys) -> None:
        if not self.busy:
            return
        self.move(at, 1.0, keys)
        self.busy = False
        self.canvas.paper.end()
        reach = self._to - self._from
        if math.hypot(reach.x(), reach.y()) * self.canvas.zoom < 2:
            self.canvas.paper.abandon()
        else:
            self.commit(self.name.capitalize(), self.made())

    def even(self, at: QPointF) -> QPointF:
        reach = at - self._from
        side = max(abs(reach.x()), abs(reach.y()))
        return self._from + QPointF(math.copysign(side, reach.x()), math.copysign(side, reach.y()))

    def made(self) -> Stroke:
        raise NotImplementedError


class Line(Shape):
    name = "line"

    def even(self, at: QPointF) -> QPointF:
        return straightened(self._from, at)

    def made(self) -> Stroke:
        return self.stroke("line", (_at(self._from), _at(self._to)))


class Rectangle(Shape):
    name = "rectangle"

    def made(self) -> Stroke:
        a, b = self._from, self._to
        corners = (a, QPointF(b.x(), a.y()), b, QPointF(a.x(), b.y()))
        return self.stroke("rectangle", tuple(_at(c) for c in corners))


class Ellipse(Shape):
    name = "ellipse"

    def made(self) -> Stroke:
        middle = (self._from + self._to) / 2
        right = QPointF(max(self._from.x(), self._to.x()), middle.y())
        low = QPointF(middle.x(), max(self._from.y(), self._to.y()))
        return self.stroke("ellipse", (_at(middle), _at(right), _at(low)))


class Polygon(Tool):
    """Click by click; the first corner, Enter or a double click closes it."""

    name = "polygon"

    def __init__(self, canvas: Canvas) -> None:
        super().__init__(canvas)
        self._corners: list[QPointF] = []

    def press(self, at: QPointF, pressure: float, keys: Keys) -> None:
        if self._corners and keys & Keys.ShiftModifier:
            at = straightened(self._corners[-1], at)
        if len(self._corners) > 2 and self._hits_first(at):
            self.finish()
            return
        if not self._corners:
            self.canvas.paper.begin(self.canvas.layer)
            self.busy = True
        self._corners.append(at)
        self.hover(at)

    def hover(self, at: QPointF) -> None:
        if self.busy:
            path = tuple(_at(c) for c in (*self._corners, at))
            closed = self.canvas.fills and len(path) > 2
            self.canvas.paper.preview(self.stroke("polygon" if closed else "line", path))

    def move(self, at: QPointF, pressure: float, keys: Keys) -> None:
        self.hover(at)

    def finish(self) -> bool:
        if not self.busy:
            return False
        corners, self._corners, self.busy = self._corners, [], False
        self.canvas.paper.end()
        if len(corners) < 2:
            self.canvas.paper.abandon()
        else:
            self.commit("Polygon", self.stroke("polygon", tuple(_at(c) for c in corners)))
        return True

    def key(self, event: QKeyEvent) -> bool:
        """Backspace takes the last corner back."""
        if event.key() != Qt.Key.Key_Backspace or not self.busy:
            return False
        last = self._corners.pop()
        if self._corners:
            self.hover(self._corners[-1])
        else:
            self._corners = [last]
            self.cancel()
        return True

    def cancel(self) -> None:
        self._corners = []
        super().cancel()

    def _hits_first(self, at: QPointF) -> bool:
        reach = at - self._corners[0]
        return math.hypot(reach.x(), reach.y()) * self.canvas.zoom <= NEAR


class Bucket(Tool):
    name, brush = "bucket", False
    cursor = Qt.CursorShape.PointingHandCursor

    def press(self, at: QPointF, pressure: float, keys: Keys) -> None:
        if self.canvas.paper.layers.rect.contains(int(at.x()), int(at.y())):
            if self.canvas.layer == "hints":
                self.canvas.paper.adopt_example()
            seeds = tuple(copy.point(_at(at)) for copy in self.canvas.copies())
            self.commit("Fill", Fill(seeds, **self.canvas.marks("bucket")))


class Eyedropper(Tool):
    name, brush = "eyedropper", False
    cursor = Qt.CursorShape.PointingHandCursor

    def press(self, at: QPointF, pressure: float, keys: Keys) -> None:
        self.canvas.pick(at)

    def move(self, at: QPointF, pressure: float, keys: Keys) -> None:
        self.press(at, pressure, keys)


class Select(Tool):
    """Pull a frame, then pull what is in it; arrows move it by a pixel, Delete takes it away."""

    name, brush = "select", False

    def press(self, at: QPointF, pressure: float, keys: Keys) -> None:
        self._from = at
        chosen = self.canvas.selection
        self._moving = (
            chosen is not None and QRectF(chosen).contains(at) and self.canvas.paper.holds(chosen)
        )
        self._start = QRect(chosen) if chosen is not None and self._moving else None
        if self._moving:
            self.canvas.paper.adopt_example()
        else:
            self.canvas.selection = None
            self.canvas.update()
        self.busy = True

    def move(self, at: QPointF, pressure: float, keys: Keys) -> None:
        if not self.busy:
            return
        if self._start is None:
            frame = QRectF(self._from, at).normalized().toAlignedRect()
            self.canvas.selection = frame & self.canvas.paper.layers.rect
            self.canvas.update()
        else:
            reach = (at - self._from).toPoint()
            self.canvas.selection = self._start.translated(reach)
            self.canvas.paper.preview(self._moved(self._start, self.canvas.selection))

    def release(self, at: QPointF, keys: Keys) -> None:
        if not self.busy:
            return
        self.busy = False
        chosen = self.canvas.selection
        if self._start is None:
            if chosen is not None and (chosen.width() < 3 or chosen.height() < 3):
                self.canvas.selection = None
                self.canvas.update()
        elif chosen is not None and chosen != self._start:
            self.canvas.paper.commit("Move", self._moved(self._start, chosen))

    def key(self, event: QKeyEvent) -> bool:
        chosen = self.canvas.selection
        if chosen is None:
            return False
        steps: dict[int, tuple[int, int]]
        steps = {Qt.Key.Key_Left: (-1, 0), Qt.Key.Key_Right: (1, 0), Qt.Key.Key_Up: (0, -1),
                 Qt.Key.Key_Down: (0, 1)}  # fmt: skip
        key = event.key()
        if key in steps:
            far = 10 if event.modifiers() & Keys.ShiftModifier else 1
            target = chosen.translated(steps[key][0] * far, steps[key][1] * far)
            self._carry("Move", chosen, target)
            self.canvas.selection = target
        elif key in (Qt.Key.Key_Delete, Qt.Key.Key_Backspace):
            self._carry("Erase", chosen, QRect(-chosen.width() - 8, 0, *_size(chosen)))
            self.canvas.selection = None
        elif key == Qt.Key.Key_Escape:
            self.canvas.selection = None
        else:
            return False
        self.canvas.update()
        return True

    def _carry(self, text: str, chosen: QRect, target: QRect) -> None:
        if self.canvas.paper.holds(chosen):
            self.canvas.paper.adopt_example()
            self.canvas.paper.commit(text, self._moved(chosen, target))

    def cancel(self) -> None:
        self.canvas.selection = None
        self.canvas.update()
        super().cancel()

    def paint(self, painter: QPainter) -> None:
        chosen = self.canvas.selection
        if chosen is None:
            return
        frame = QRectF(chosen)
        shown = QRectF(
            self.canvas.to_view(frame.topLeft()), self.canvas.to_view(frame.bottomRight())
        )
        painter.setPen(QPen(theme.colour("panel"), 1))
        painter.drawRect(shown)
        dashes = QPen(theme.colour("accent"), 1, Qt.PenStyle.DashLine)
        painter.setPen(dashes)
        painter.drawRect(shown)

    @staticmethod
    def _moved(rect: QRect, target: QRect) -> Move:
        return Move((rect.x(), rect.y(), *_size(rect)), (target.x(), target.y(), *_size(target)))


class Stamp(Tool):
    """Sets a sample outline: a click as large as it is, a pull as large as one pulls."""

    name, brush = "stamp", False

    def press(self, at: QPointF, pressure: float, keys: Keys) -> None:
        if self.canvas.stamp is not None:
            self.canvas.paper.begin(self.canvas.layer)
            self.busy = True
            self._from = self._to = at
            self.canvas.paper.preview(*self._made())

    def move(self, at: QPointF, pressure: float, keys: Keys) -> None:
        if self.busy:
            self._to = at
            self.canvas.paper.preview(*self._made())

    def release(self, at: QPointF, keys: Keys) -> None:
        if self.busy:
            self.busy = False
            self._to = at
            self.canvas.paper.end()
            self.canvas.paper.commit("Stamp", *self._made())

    def _made(self) -> tuple[Item, ...]:
        stamp = self.canvas.stamp
        assert stamp is not None
        width, height = stamp.size
        pulled = QRectF(self._from, self._to).normalized()
        scale = min(pulled.width() / width, pulled.height() / height)
        middle = pulled.center()
        if max(pulled.width(), pulled.height()) * self.canvas.zoom < 8:
            sheet = self.canvas.paper.vectors.size
            scale, middle = 0.6 * min(sheet[0] / width, sheet[1] / height), self._from
        box = (
            middle.x() - width * scale / 2,
            middle.y() - height * scale / 2,
            width * scale,
            height * scale,
        )
        once = stamp.through(Affine.box((0, 0, width, height), box))
        placed = [item for copy in self.canvas.copies() for item in once.through(copy).items]
        return self.canvas.stamped(placed)


def straightened(a: QPointF, b: QPointF) -> QPointF:
    """`b` turned about `a` to the nearest of eight directions."""
    reach = b - a
    step = math.pi / 4
    angle = round(math.atan2(reach.y(), reach.x()) / step) * step
    along = reach.x() * math.cos(angle) + reach.y() * math.sin(angle)
    return a + QPointF(along * math.cos(angle), along * math.sin(angle))


def _at(point: QPointF) -> tuple[float, float, float]:
    return round(point.x(), 2), round(point.y(), 2), 1.0


def _size(rect: QRect) -> tuple[int, int]:
    return rect.width(), rect.height()


TOOLS: dict[str, type[Tool]] = {
    tool.name: tool
    for tool in (Pen, Eraser, Line, Rectangle, Ellipse, Polygon, Bucket, Eyedropper, Select, Stamp)
}
