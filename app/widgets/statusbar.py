"""The honest numbers, always visible: device, memory, engine time, stroke to picture."""

from __future__ import annotations

from typing import Any

from PySide6.QtCore import Qt, QTimer
from PySide6.QtWidgets import QFrame, QLabel, QWidget

from app.i18n import signals, tr
from app.widgets.parts import row

DEVICES = {"cuda": "CUDA", "mps": "Apple graphics", "cpu": "Processor"}
GIB = 1024**3
REST_MS = 100  # numbers that change faster cannot be read


def memory_words(used: int, budget: int) -> str:
    """ "0.4 GB of 139 GB": what the models take of what they may take."""

    def size(n: int) -> str:
        if n < 0.1 * GIB:
            return f"{n / 1024**2:.0f} MB"
        return f"{n / GIB:.1f} GB" if n < 9.95 * GIB else f"{n / GIB:.0f} GB"

    return tr("{used} of {budget}", used=size(used), budget=size(budget)) if budget else size(used)


class StatusBar(QFrame):
    def __init__(self, tray: QWidget) -> None:
        super().__init__()
        self.setObjectName("StatusBar")
        self.setFixedHeight(28)
        self.device, self.engine, self.stroke = QLabel(), QLabel(), QLabel()
        self.lane = QLabel()
        for part in (self.device, self.engine, self.stroke, self.lane):
            part.setTextFormat(Qt.TextFormat.RichText)
            part.setProperty("role", "small")
        box = row(self.device, self.engine, self.stroke, self.lane, None, tray, space=20)
        box.setContentsMargins(12, 0, 6, 0)
        self.setLayout(box)
        self._status: Any = None
        self._rests = QTimer(self, singleShot=True, interval=REST_MS)
        self._rests.timeout.connect(self._write_late)
        self._late = False  # whether there is something to write when the rest is over
        signals.changed.connect(self._write)
        self._write()

    def show_status(self, status: Any) -> None:
        """status: device, memory_used, memory_budget, engine_ms, stroke_ms, lane"""
        new = self._status is None or self._status.device != status.device
        self._status = status
        if self._rests.isActive() and not new:
            self._late = True
        else:
            self._write()
            self._rests.start()

    def _write_late(self) -> None:
        if self._late:
            self._write()
            self._rests.start()

    def _write(self, *_: object) -> None:
        s, self._late = self._status, False
        if s is None or not s.device:
            self.device.setText(tr("The engine is starting…"))
        else:
            kind, _, name = s.device.partition(" ")
            kind = DEVICES.get(kind.partition(":")[0]) or kind
            what = f"<b>{tr(kind)}</b> {name}".strip()
            self.device.setText(f"{what} · {memory_words(s.memory_used, s.memory_budget)}")
            self.device.setToolTip(tr("What computes, and the memory that models take of it."))
        self._time(self.engine, tr("engine"), s.engine_ms if s else None)
        self._lane(s.lane if s else "")
        self._time(self.stroke, tr("stroke to picture"), s.stroke_ms if s else None)

    def _lane(self, lane: str) -> None:
        """What drafts are computed in: the name of a library, and why it is no faster one."""
        name, _, why = lane.partition(": ")
        self.lane.setVisible(bool(name))
        self.lane.setText(tr(name))
        told = tr("What draws while pen or slider moves; the exact picture follows when you pause.")
        self.lane.setToolTip(f"{told}\n{tr(why)}" if why else told)

    @staticmethod
    def _time(shown: QLabel, what: str, milliseconds: float | None) -> None:
        shown.setVisible(milliseconds is not None)
        if milliseconds is not None:
            shown.setText(f"{what} <b>{milliseconds:.0f} ms</b>")
            shown.setAccessibleName(f"{what} {milliseconds:.0f} ms")
