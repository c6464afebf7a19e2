"""The canvas under a moving pen, from the event to the painted widget, on a large sheet."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import TypeVar

from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtGui import QPaintEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication

from app.labels import Legend
from app.widgets.canvas import SketchCanvas
from app.widgets.canvas_base import Canvas
from app.widgets.canvas_labels import LabelCanvas
from benchmarks.table import Row, milliseconds
from engines.job import Picture

SHEET = (2048, 2048)
MAP = (2048, 1024)
VIEW = (900, 900)


class Counted(Canvas):
    """Counts how often it has been painted."""

    painted = 0

    def paintEvent(self, event: QPaintEvent) -> None:
        super().paintEvent(event)
        self.painted += 1


class Watched(Counted, SketchCanvas):
    pass


class WatchedMap(Counted, LabelCanvas):
    pass


AnyCanvas = TypeVar("AnyCanvas", bound=Counted)


def canvas(qapp: QApplication, sheet: tuple[int, int]) -> Watched:
    return shown(qapp, Watched(), sheet)


def shown(qapp: QApplication, made: AnyCanvas, sheet: tuple[int, int]) -> AnyCanvas:
    made.resize(*VIEW)
    made.new_sheet(sheet)
    made.show()
    QTest.qWaitForWindowExposed(made)
    qapp.processEvents()
    return made


def timed(run: Callable[[], object]) -> float:
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def dabs(made: Counted, count: int) -> tuple[list[float], float]:
    """Seconds from a move of the pen to the painted widget; seconds that its release took."""
    made.zoom_fit()
    QTest.mousePress(made, Qt.MouseButton.LeftButton, pos=QPoint(120, 450))
    found = []
    for n in range(count):
        at = QPoint(120 + (n * 7) % 660, 450 + (n * 13) % 260 - 130)

        def dab(at: QPoint = at) -> None:
            painted = made.painted
            QTest.mouseMove(made, at)
            while made.painted == painted:
                QApplication.processEvents()

        found.append(timed(dab))
    end = QPoint(400, 450)
    release = timed(lambda: QTest.mouseRelease(made, Qt.MouseButton.LeftButton, pos=end))
    return found, release


def stroke(made: Counted, row: int) -> None:
    QTest.mousePress(made, Qt.MouseButton.LeftButton, pos=QPoint(150, row))
    for x in range(170, 700, 40):
        QTest.mouseMove(made, QPoint(x, row + x % 17))
    QTest.mouseRelease(made, Qt.MouseButton.LeftButton, pos=QPoint(700, row))


def long_stroke(made: Counted) -> float:
    """Scribbled over the whole sheet; the seconds that its release took."""
    QTest.mousePress(made, Qt.MouseButton.LeftButton, pos=QPoint(60, 60))
    for n in range(600):
        QTest.mouseMove(made, QPoint(60 + (n * 37) % 780, 60 + (n * 53) % 780))
    end = QPoint(400, 400)
    return timed(lambda: QTest.mouseRelease(made, Qt.MouseButton.LeftButton, pos=end))


def rows(quick: bool = False) -> list[Row]:
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    qapp = QApplication.instance() or QApplication([])
    assert isinstance(qapp, QApplication)
    count = 20 if quick else 300
    made = canvas(qapp, SHEET)
    name = f"{SHEET[0]}x{SHEET[1]}"
    found = []
    for layer, brush in (("ink", 3), ("ink", 60), ("hints", 60)):
        made.set_layer(layer)
        made.set_brush(brush)
        what = f"dab to paint, {name}, {layer}, brush {brush} px"
        moves, end = dabs(made, count)
        found.append(Row(what, milliseconds(moves), "p95 8 ms", f"its end {1000 * end:.0f} ms"))
    made.set_layer("ink")
    made.set_symmetry("radial", 8)
    made.set_brush(3)
    what = f"dab to paint, {name}, radial symmetry of 8"
    moves, end = dabs(made, count)
    found.append(Row(what, milliseconds(moves), "p95 8 ms", f"its end {1000 * end:.0f} ms"))
    made.set_symmetry("none")
    made.set_reference(Picture(made.picture("ink").pixels), 0.4)  # type: ignore[union-attr]
    made.set_brush(3)
    what = f"dab to paint, {name}, over a reference photo"
    moves, end = dabs(made, count)
    found.append(Row(what, milliseconds(moves), "p95 8 ms", f"its end {1000 * end:.0f} ms"))
    made.set_reference(None)
    for n in range(5 if quick else 40):
        stroke(made, 100 + 16 * n)

    def undo() -> None:
        painted = made.painted
        made.stack.undo()
        while made.painted == painted:
            QApplication.processEvents()

    times = [timed(undo) for _ in range(4 if quick else 30)]
    found.append(Row(f"undo a stroke to paint, {name}", milliseconds(times), "16 ms"))
    end = long_stroke(made)
    times, again = [], []
    for _ in range(3 if quick else 15):
        times.append(timed(undo))
        again.append(timed(made.stack.redo))
        QApplication.processEvents()
    note = f"its end {1000 * end:.0f} ms, redo {milliseconds(again)}"
    found.append(
        Row(f"undo a stroke of 600 points all over, {name}", milliseconds(times), "", note)
    )
    times = [timed(lambda: made.picture("ink")) for _ in range(5)]
    found.append(Row(f"snapshot of the ink, {name}", milliseconds(times)))
    small = canvas(qapp, (256, 256))
    stroke(small, 300)
    times = [timed(lambda: small.picture("ink")) for _ in range(5)]
    small.close()
    found.append(Row("snapshot of the ink, 256x256", milliseconds(times)))
    made.set_tool("bucket")
    times = []
    for n in range(3):
        at = made.to_view(QPointF(40 + n, 40)).toPoint()
        times.append(timed(lambda at=at: QTest.mouseClick(made, Qt.MouseButton.LeftButton, pos=at)))
    found.append(Row(f"bucket, {name}", milliseconds(times), "", "the first imports OpenCV"))
    times = [timed(made.repaint) for _ in range(5 if quick else 30)]
    found.append(Row(f"paint all of {VIEW[0]}x{VIEW[1]}, {name}", milliseconds(times), "16 ms"))
    made.close()
    return found + map_rows(qapp, quick)


def map_rows(qapp: QApplication, quick: bool) -> list[Row]:
    """The label canvas, on a map as large as the largest official ones."""
    made = shown(qapp, WatchedMap(), MAP)
    names = tuple(f"Class {n}" for n in range(35))
    colours = tuple((7 * n, 255 - 7 * n, 40 + 5 * n) for n in range(35))
    made.set_legend(Legend("35", "", names, colours), Legend())
    name, count = f"map of {MAP[0]}x{MAP[1]}", 20 if quick else 300
    found = []
    for brush, apart in ((12, False), (96, False), (12, True), (96, True)):
        made.set_brush(brush)
        made.set_label(brush % 31 + apart)
        made.set_apart(apart)
        moves, end = dabs(made, count)
        what = f"dab to paint, {name}, brush {brush} px{', objects' if apart else ''}"
        found.append(Row(what, milliseconds(moves), "p95 8 ms", f"its end {1000 * end:.0f} ms"))
    made.set_tool("rectangle")
    moves, end = dabs(made, count)
    what = f"pulled rectangle to paint, {name}, objects"
    found.append(Row(what, milliseconds(moves), "p95 8 ms", f"its end {1000 * end:.0f} ms"))
    made.set_tool("pen")
    made.set_brush(12)
    end = long_stroke(made)

    def painted(act: Callable[[], object]) -> None:
        before = made.painted
        act()
        while made.painted == before:
            QApplication.processEvents()

    times, again = [], []
    for _ in range(3 if quick else 15):
        times.append(timed(lambda: painted(made.stack.undo)))
        again.append(timed(lambda: painted(made.stack.redo)))
    note = f"its end {1000 * end:.0f} ms, redo {milliseconds(again)}"
    found.append(
        Row(f"undo a stroke of 600 points all over, {name}", milliseconds(times), "", note)
    )
    made.set_tool("bucket")
    times = []
    for n in range(3 if quick else 15):
        made.set_label(n + 1)
        at = made.to_view(QPointF(4, 4)).toPoint()
        click = lambda at=at: QTest.mouseClick(made, Qt.MouseButton.LeftButton, pos=at)  # noqa: E731
        times.append(timed(lambda click=click: painted(click)))
    found.append(Row(f"bucket to paint, {name}", milliseconds(times), "50 ms"))
    times = [timed(lambda n=n: painted(lambda: made.light(n))) for n in range(3 if quick else 15)]
    found.append(Row(f"show where a class is, {name}", milliseconds(times), "50 ms"))
    layers = ("labels", "objects", "looks")
    times = [timed(lambda: [made.picture(layer) for layer in layers]) for _ in range(5)]
    found.append(Row(f"snapshot, {name}, objects", milliseconds(times)))
    made.close()
    return found
