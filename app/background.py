"""Disk work off the GUI thread: one thread, in order, answers back in the GUI thread."""

from __future__ import annotations

import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

from PySide6.QtCore import QObject, Qt, Signal, Slot

log = logging.getLogger("background")


class Background(QObject):
    """Runs what may take longer than a frame; it may touch frozen values and files only."""

    _done = Signal()

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._pool = ThreadPoolExecutor(1, "background")
        self._answers: SimpleQueue[tuple[Callable[[Any], None], Any]] = SimpleQueue()
        self._finished = False
        self._done.connect(self._deliver, Qt.ConnectionType.QueuedConnection)

    def do(self, work: Callable[[], Any], then: Callable[[Any], None] | None = None) -> None:
        """Call `work` in the thread, then `then` in the GUI thread with its answer or exception."""
        if self._finished:
            self._work(work, then)
            self._deliver()
        else:
            self._pool.submit(self._work, work, then)

    def finish(self) -> None:
        """Wait for all that was asked and deliver the answers; what these ask is done at once."""
        self._finished = True
        self._pool.shutdown(wait=True)
        self._deliver()

    def _work(self, work: Callable[[], Any], then: Callable[[Any], None] | None) -> None:
        try:
            answer = work()
        except Exception as error:  # it travels to whoever asked
            answer = error
            if then is None or not isinstance(error, OSError | ValueError):
                log.exception("work in the background failed")
        if then is not None:
            self._answers.put((then, answer))
            self._done.emit()

    @Slot()
    def _deliver(self) -> None:
        while True:
            try:
                then, answer = self._answers.get_nowait()
            except Empty:
                return
            then(answer)


def sentence(error: Exception) -> str:
    """An exception of reading or writing as one sentence for people."""
    if isinstance(error, OSError) and error.strerror:
        return f"{Path(str(error.filename or 'The file')).name}: {error.strerror}."
    if isinstance(error, ValueError) and type(error).__module__.startswith(("engines.", "app.")):
        return str(error)
    return f"Something went wrong inside ({type(error).__name__}: {error})."


def reason(error: Exception) -> str:
    """The same as the end of a sentence, without its full stop."""
    return (getattr(error, "strerror", None) or str(error)).rstrip(".") or type(error).__name__
