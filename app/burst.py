"""Edits come in bursts: one job for each, timed from its first edit; signs when they pause and when
all is quiet."""

from __future__ import annotations

import time

from PySide6.QtCore import QObject, QTimer, Signal

PAUSE_MS = 150  # after the last edit the hand pauses: time for the exact picture
QUIET_MS = 700  # after the last edit a drawing rests


class Burst(QObject):
    due = Signal(float)  # time.perf_counter() of the first edit of the burst that is over
    paused = Signal()
    quiet = Signal()

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._began: float | None = None
        self._over = False
        self._fold = QTimer(self, singleShot=True, interval=0)
        self._fold.timeout.connect(self._tell)
        self._rest = QTimer(self, singleShot=True, interval=QUIET_MS)
        self._rest.timeout.connect(self.quiet)
        self._pause = QTimer(self, singleShot=True, interval=PAUSE_MS)
        self._pause.timeout.connect(self.paused)

    def edit(self, by_hand: bool = True) -> None:
        """Something changed; by hand means that more of it may follow at once."""
        if self._over:
            return
        self._pause.start()
        if by_hand:
            self._rest.start()
        if self._began is None:
            self._began = time.perf_counter()
        if not self._fold.isActive():
            self._fold.start()

    def rest(self) -> None:
        """The hand is off: `quiet` need not be told any more."""
        self._rest.stop()

    def stop(self) -> None:
        """No more edits: the program closes."""
        self._over = True
        for timer in (self._fold, self._rest, self._pause):
            timer.stop()

    def _tell(self) -> None:
        began, self._began = self._began, None
        if began is not None:
            self.due.emit(began)
