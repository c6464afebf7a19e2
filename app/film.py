"""A film, or a strip of stills, picture by picture: the worker draws, the background writes."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from PySide6.QtCore import QObject, Signal

from app.background import Background, sentence
from engines.job import Cancelled, Event, Failed, Job, Picture, Preview, Progress, Result

GAP = 4  # white pixels between the pictures of a strip


class Film(QObject):
    """The pictures of `jobs`, in order, into one file: .gif, .webp and .mp4 move, all other kinds
    are a strip. At most two pictures of a film are in memory. One that is given up or fails leaves
    no file."""

    happened = Signal(object)  # Event; the text of its Result is the file
    saved = Signal(str)  # path

    def __init__(
        self,
        jobs: Sequence[Job],
        path: Path,
        rate: float,
        submit: Callable[[Job, Callable[[int, Event], None]], int],
        cancel: Callable[[int], None],
        background: Background,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._jobs, self._path = deque(jobs), path
        self._total, self._done = len(jobs), 0
        self._submit, self._cancel_ticket = submit, cancel
        self._background = background
        self._writer = _Writer(path, len(jobs), rate)
        self._ticket, self._over = 0, False
        self._began = time.monotonic()

    def start(self) -> None:
        self._next()

    def cancel(self) -> None:
        if self._ticket:
            self._cancel_ticket(self._ticket)
        self._finish(Cancelled())

    stop = cancel

    def _next(self) -> None:
        if self._over:
            return
        if self._jobs:
            self._ticket = self._submit(self._jobs.popleft(), self._on_event)
        else:
            self._background.do(self._writer.finish, self._on_finished)

    def _on_event(self, ticket: int, event: Event) -> None:
        if self._over or ticket != self._ticket:
            return
        if isinstance(event, Result) and event.pictures:
            self._ticket = 0
            picture = event.picture
            self.happened.emit(Preview(picture))
            self._background.do(lambda: self._writer.add(picture), self._on_written)
        elif isinstance(event, Result):
            self._finish(Failed("internal", "The model gave no picture."))
        elif isinstance(event, Failed | Cancelled):
            self._ticket = 0
            self._finish(event)

    def _on_written(self, answer: Any) -> None:
        if self._over:
            return
        if isinstance(answer, Exception):
            self._finish(Failed("export", sentence(answer)))
            return
        self._done += 1
        self.happened.emit(Progress(self._done, self._total))
        self._next()

    def _on_finished(self, answer: Any) -> None:
        if self._over:
            return
        if isinstance(answer, Exception):
            self._finish(Failed("export", sentence(answer)))
            return
        self.saved.emit(str(self._path))
        seconds = time.monotonic() - self._began
        self._finish(Result(texts=(str(self._path),), seconds=seconds))

    def _finish(self, event: Event) -> None:
        if self._over:
            return
        self._over = True
        self._jobs.clear()
        if not isinstance(event, Result):
            self._background.do(self._writer.give_up)
        self.happened.emit(event)


class _Writer:
    """Used in the background thread alone."""

    def __init__(self, path: Path, total: int, rate: float) -> None:
        self._path, self._total, self._rate = path, total, rate
        self._waiting: deque[Picture] = deque()
        self._parts: list[Picture] = []
        self._steps: Iterator[Progress] | None = None

    def add(self, picture: Picture) -> None:
        from engines import animate

        if self._path.suffix.lower() not in animate.FORMATS:
            self._parts.append(animate.for_strip(picture, self._total))
            return
        if self._steps is None:
            pictures = self._pictures()
            self._steps = animate.write(pictures, self._path, self._total, self._rate)
        self._waiting.append(picture)
        next(self._steps)

    def finish(self) -> None:
        from engines import animate, images

        if self._steps is not None:
            next(self._steps, None)  # nothing waits any more, so that the file is closed
        else:
            images.save_picture(animate.strip(self._parts, GAP), self._path)

    def give_up(self) -> None:
        self._parts.clear()
        if self._steps is not None:
            self._steps.close()  # type: ignore[attr-defined]  # a generator

    def _pictures(self) -> Iterator[Picture]:
        while self._waiting:
            yield self._waiting.popleft()
