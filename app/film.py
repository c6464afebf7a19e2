"""A film, or a strip of stills, picture by picture: the worker draws, the background writes."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol

from PySide6.QtCore import QObject, Signal

from app.background import Background, sentence
from engines.job import Cancelled, Event, Failed, Job, Picture, Preview, Progress, Result

GAP = 4  # white pixels between the pictures of a strip


class Course(Protocol):
    """Which jobs a film is made of, and which pictures they give it. `total`: jobs; `frames`:
    pictures."""

    @property
    def total(self) -> int: ...
    @property
    def frames(self) -> int: ...
    def next(self) -> Job | None: ...
    def take(self, picture: Picture) -> Iterable[Picture]: ...


class Jobs:
    """Jobs that are known beforehand; each gives one picture."""

    def __init__(self, jobs: Sequence[Job]) -> None:
        self._jobs = deque(jobs)
        self.total = self.frames = len(jobs)

    def next(self) -> Job | None:
        return self._jobs.popleft() if self._jobs else None

    def take(self, picture: Picture) -> Iterable[Picture]:
        return (picture,)


class Film(QObject):
    """The pictures of a course, in order, into one file: .gif, .webp and .mp4 move, all other kinds
    are a strip. At most two pictures of a film are in memory, beside what the course keeps. One
    that is given up or fails leaves no file."""

    happened = Signal(object)  # Event; the text of its Result is the file
    saved = Signal(str)  # path

    def __init__(
        self,
        course: Course,
        path: Path,
        rate: float,
        submit: Callable[[Job, Callable[[int, Event], None]], int],
        cancel: Callable[[int], None],
        background: Background,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._course, self._path = course, path
        self._total, self._done = course.total, 0
        self._submit, self._cancel_ticket = submit, cancel
        self._background = background
        self._writer = _Writer(path, course, rate)
        self._ticket, self._over = 0, False
        self._began = time.monotonic()

    def start(self) -> None:
        self._go_on(self._course.next())

    def cancel(self) -> None:
        if self._ticket:
            self._cancel_ticket(self._ticket)
        self._finish(Cancelled())

    stop = cancel

    def _go_on(self, job: Job | None) -> None:
        if job is not None:
            self._ticket = self._submit(job, self._on_event)
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
        self._go_on(answer)

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
        if not isinstance(event, Result):
            self._background.do(self._writer.give_up)
        self.happened.emit(event)


class _Writer:
    """Used in the background thread alone."""

    def __init__(self, path: Path, course: Course, rate: float) -> None:
        self._path, self._course, self._rate = path, course, rate
        self._total = course.frames
        self._waiting: deque[Picture] = deque()
        self._parts: list[Picture] = []
        self._steps: Iterator[Progress] | None = None

    def add(self, picture: Picture) -> Job | None:
        """Write what the course gives for it; the next job."""
        for ready in self._course.take(picture):
            self._write(ready)
        return self._course.next()

    def _write(self, picture: Picture) -> None:
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
