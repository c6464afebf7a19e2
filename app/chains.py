"""A chain of jobs made again from its first picture, one after the other, in the worker."""

from __future__ import annotations

import time
from collections.abc import Callable

from PySide6.QtCore import QObject, Signal

from engines import chain
from engines.job import Cancelled, Event, Failed, Job, Picture, Preview, Progress, Result


class Chain(QObject):
    """Every job of the chain that ends with `job`. Given up or failed, it changes nothing."""

    happened = Signal(object)  # Event
    made = Signal(object, object)  # Job with its pictures made anew, Picture

    def __init__(
        self,
        job: Job,
        submit: Callable[[Job, Callable[[int, Event], None]], int],
        cancel: Callable[[int], None],
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._walk = chain.again(job)
        self._job: Job | None = None  # the last, once its pictures are here
        self._total, self._done = len(chain.steps(job)), 0
        self._submit, self._cancel_ticket = submit, cancel
        self._ticket, self._over = 0, False
        self._began = time.monotonic()

    def start(self) -> None:
        self._next(None)

    def cancel(self) -> None:
        if self._ticket:
            self._cancel_ticket(self._ticket)
        self._finish(Cancelled())

    stop = cancel

    def _next(self, picture: Picture | None) -> None:
        try:
            wanted = self._walk.send(picture) if picture is not None else next(self._walk)
        except StopIteration as end:
            self._job = wanted = end.value
        self._ticket = self._submit(wanted, self._on_event)

    def _on_event(self, ticket: int, event: Event) -> None:
        if self._over or ticket != self._ticket:
            return
        if isinstance(event, Result) and event.pictures:
            self._ticket = 0
            self._on_picture(event.picture)
        elif isinstance(event, Result):
            self._finish(Failed("internal", "A model of the chain gave no picture."))
        elif isinstance(event, Failed | Cancelled):
            self._ticket = 0
            self._finish(event)

    def _on_picture(self, picture: Picture) -> None:
        self._done += 1
        self.happened.emit(Preview(picture))
        self.happened.emit(Progress(self._done, self._total))
        if self._job is None:
            self._next(picture)
            return
        self.made.emit(self._job, picture)
        self._finish(Result((picture,), seconds=time.monotonic() - self._began))

    def _finish(self, event: Event) -> None:
        if not self._over:
            self._over = True
            self.happened.emit(event)
