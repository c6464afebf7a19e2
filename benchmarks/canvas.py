"""The canvas under a moving pen, from the event to the painted widget, on a large sheet."""

from __future__ import annotations

import os
import time
from collections.abc import Callable

from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtGui import QPaintEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication

from app.widgets.canvas import SketchCanvas
from benchmarks.table import Row, milliseconds
from engines.job import Picture

SHEET = (2048, 2048)
VIEW = (900, 900)


class Watched(SketchCanvas):
    """Counts how often it has been painted."""

    painted = 0

    def paintEvent(self, event: QPaintEvent) -> None:
        super().paintEvent(event)
        self.painted += 1


def canvas(qapp: QApplication, sheet: tuple[int, int]) -> Watched:
    made = Watched()
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


def dabs(made: Watched, count: int) -> tuple[list[float], float]:
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


def stroke(made: Watched, row: int) -> None:
    QTest.mousePress(made, Qt.MouseButton.LeftButton, pos=QPoint(150, row))
    for x in range(170, 700, 40):
        QTest.mouseMove(made, QPoint(x, row + x % 17))
    QTest.mouseRelease(made, Qt.MouseButton.LeftButton, pos=QPoint(700, row))


def long_stroke(made: Watched) -> float:
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
    return found
