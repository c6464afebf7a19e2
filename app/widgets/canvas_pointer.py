"""Mouse, finger and pen on the canvas: which of them draws, with what pressure, and what pans.

A pen comes as tablet events and, on many systems, once more as mouse events that imitate it; only
the tablet events count.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtGui import QInputDevice, QMouseEvent, QPointingDevice, QTabletEvent

if TYPE_CHECKING:
    from app.widgets.canvas_base import Canvas

ECHO_SECONDS = 0.5  # an imitated mouse event comes within this time after that of the pen
LIGHTEST = 0.05  # share of the width that the lightest touch draws
LEANS, LIES = 25.0, 60.0  # degrees from upright, at which tilt begins to widen and is full
TILT_WIDENS = 0.8
DRAGS = Qt.MouseButton.LeftButton | Qt.MouseButton.MiddleButton
PENS = (QPointingDevice.PointerType.Pen, QPointingDevice.PointerType.Eraser)


class Pointer:
    def __init__(self, canvas: Canvas) -> None:
        self.canvas = canvas
        self.pen_is_down = False
        self._panning: QPoint | None = None
        self._last_pen = float("-inf")

    # ---- mouse and finger -----------------------------------------------------------------------

    def press(self, event: QMouseEvent) -> None:
        if self._is_echo(event) or event.buttons() & DRAGS == DRAGS:
            return  # one drag at a time
        if event.button() == Qt.MouseButton.MiddleButton or self.canvas.space_held:
            self._pan_from(event.position())
        elif event.button() == Qt.MouseButton.LeftButton:
            self.canvas.touch_down(event.position(), 1.0, event.modifiers())

    def move(self, event: QMouseEvent) -> None:
        if self._is_echo(event) or self._pan_to(event.position()):
            return
        held = bool(event.buttons() & Qt.MouseButton.LeftButton)
        self.canvas.touch_move(event.position(), 1.0, event.modifiers(), held)

    def release(self, event: QMouseEvent) -> None:
        if self._is_echo(event) or self._pan_ended():
            return
        if event.button() == Qt.MouseButton.LeftButton:
            self.canvas.touch_up(event.position(), event.modifiers())

    def _is_echo(self, event: QMouseEvent) -> bool:
        if event.pointerType() in PENS:
            return True
        recent = time.monotonic() - self._last_pen < ECHO_SECONDS
        if not recent:
            self.pen_is_down = False  # its release was lost
        imitated = event.source() != Qt.MouseEventSource.MouseEventNotSynthesized
        return self.pen_is_down or (imitated and recent)

    # ---- pen ------------------------------------------------------------------------------------

    def pen(self, event: QTabletEvent) -> None:
        event.accept()  # so that Qt makes no mouse event of it
        self._last_pen = time.monotonic()
        at, keys, kind = event.position(), event.modifiers(), event.type()
        if kind == event.Type.TabletPress:
            self.pen_is_down = True
            if self.canvas.space_held or event.button() == Qt.MouseButton.MiddleButton:
                self._pan_from(at)
            else:
                turned = event.pointerType() == QPointingDevice.PointerType.Eraser
                self.canvas.touch_down(at, self._pressure(event), keys, turned)
        elif kind == event.Type.TabletMove:
            if not self._pan_to(at):
                self.canvas.touch_move(at, self._pressure(event), keys, self.pen_is_down)
        elif kind == event.Type.TabletRelease:
            if not self._pan_ended() and self.pen_is_down:
                self.canvas.touch_up(at, keys)
            self.pen_is_down = False

    def _pressure(self, event: QTabletEvent) -> float:
        """The share of the brush's width that is drawn: less when light, more when it leans."""
        if not self.canvas.by_pressure:
            return 1.0
        knows = event.pointingDevice().capabilities() & QInputDevice.Capability.Pressure
        pressure = event.pressure() if knows else 1.0
        lean = (max(abs(event.xTilt()), abs(event.yTilt())) - LEANS) / (LIES - LEANS)
        return max(pressure, LIGHTEST) * (1 + TILT_WIDENS * min(max(lean, 0.0), 1.0))

    # ---- panning --------------------------------------------------------------------------------

    def _pan_from(self, at: QPointF) -> None:
        self._panning = at.toPoint()
        self.canvas.setCursor(Qt.CursorShape.ClosedHandCursor)

    def _pan_to(self, at: QPointF) -> bool:
        if self._panning is None:
            return False
        here = at.toPoint()
        self.canvas.view.pan(QPointF(here - self._panning))
        self._panning = here
        self.canvas.update()
        return True

    def _pan_ended(self) -> bool:
        if self._panning is None:
            return False
        self._panning = None
        self.canvas.follow_tool()
        return True
