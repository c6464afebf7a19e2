"""A film, or a strip of stills, picture by picture: the worker draws, the background writes."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
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


class Reel(Protocol):
    """What becomes of the pictures of a film. Its methods are called in the background thread, and
    give the next job, None after the last.

    done, total  jobs; resumed: those that an earlier run did; kept: one sentence that says what
                 remains if it is given up now, "" if nothing does; last: the picture made last
    """

    output: Path
    resumed: int

    @property
    def done(self) -> int: ...
    @property
    def total(self) -> int: ...
    @property
    def kept(self) -> str: ...
    @property
    def last(self) -> Picture | None: ...
    def begin(self) -> Job | None: ...
    def add(self, picture: Picture) -> Job | None: ...
    def finish(self) -> Result: ...
    def give_up(self) -> None: ...


class Film(QObject):
    """Has every job of a reel run, one after the other."""

    happened = Signal(object)  # Event; the text of its Result is the file
    saved = Signal(str, str)  # path, what there is to say of it

    def __init__(
        self,
        reel: Reel,
        submit: Callable[[Job, Callable[[int, Event], None]], int],
        cancel: Callable[[int], None],
        background: Background,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._reel = reel
        self._submit, self._cancel_ticket = submit, cancel
        self._background = background
        self._ticket, self._over = 0, False
        self._began = time.monotonic()

    def start(self) -> None:
        self._background.do(self._reel.begin, self._on_begun)

    def cancel(self) -> None:
        if self._ticket:
            self._cancel_ticket(self._ticket)
        self._finish(Cancelled(self._reel.kept))

    stop = cancel

    def _on_begun(self, answer: Any) -> None:
        if not self._over and not isinstance(answer, Exception) and self._reel.resumed:
            note = f"Goes on from picture {self._reel.resumed + 1}"
            self.happened.emit(self._progress(note))
        self._go_on(answer)

    def _progress(self, note: str = "") -> Progress:
        reel = self._reel
        return Progress(reel.done, reel.total, note, before=reel.resumed)

    def _go_on(self, answer: Any) -> None:
        """`answer`: the next job, None, or why there is none."""
        if self._over:
            return
        if isinstance(answer, Exception):
            self._finish(Failed("export", sentence(answer)))
        elif answer is not None:
            self._ticket = self._submit(answer, self._on_event)
        else:
            self._background.do(self._reel.finish, self._on_finished)

    def _on_event(self, ticket: int, event: Event) -> None:
        if self._over or ticket != self._ticket:
            return
        if isinstance(event, Result) and event.pictures:
            self._ticket = 0
            picture = event.picture
            self._background.do(lambda: self._reel.add(picture), self._on_written)
        elif isinstance(event, Result):
            self._finish(Failed("internal", "The model gave no picture."))
        elif isinstance(event, Preview):
            self.happened.emit(event)
        elif isinstance(event, Failed | Cancelled):
            self._ticket = 0
            self._finish(Cancelled(self._reel.kept) if isinstance(event, Cancelled) else event)

    def _on_written(self, answer: Any) -> None:
        if not self._over and not isinstance(answer, Exception):
            if self._reel.last is not None:
                self.happened.emit(Preview(self._reel.last))
            self.happened.emit(self._progress())
        self._go_on(answer)

    def _on_finished(self, answer: Any) -> None:
        if self._over:
            return
        if isinstance(answer, Exception):
            self._finish(Failed("export", sentence(answer)))
            return
        self.saved.emit(str(self._reel.output), " ".join(answer.notes))
        self._finish(replace(answer, seconds=time.monotonic() - self._began))

    def _finish(self, event: Event) -> None:
        if self._over:
            return
        self._over = True
        if not isinstance(event, Result):
            self._background.do(self._reel.give_up)
        self.happened.emit(event)


class Written:
    """The pictures of a course, in order, into one file: .gif, .webp and .mp4 move, all other kinds
    are a strip. At most two pictures of a film are in memory, beside what the course keeps. One
    that is given up or fails leaves no file."""

    resumed, kept = 0, ""

    def __init__(self, course: Course, path: Path, rate: float = 25.0) -> None:
        self.output, self._course, self._rate = path, course, rate
        self.done, self.total = 0, course.total
        self._frames = course.frames
        self.last: Picture | None = None
        self._waiting: deque[Picture] = deque()
        self._parts: list[Picture] = []
        self._steps: Iterator[Progress] | None = None

    def begin(self) -> Job | None:
        return self._course.next()

    def add(self, picture: Picture) -> Job | None:
        """Write what the course gives for it; the next job."""
        for ready in self._course.take(picture):
            self._write(ready)
        self.done, self.last = self.done + 1, picture
        return self._course.next()

    def _write(self, picture: Picture) -> None:
        from engines import animate

        if self.output.suffix.lower() not in animate.FORMATS:
            self._parts.append(animate.for_strip(picture, self._frames))
            return
        if self._steps is None:
            pictures = self._pictures()
            self._steps = animate.write(pictures, self.output, self._frames, self._rate)
        self._waiting.append(picture)
        next(self._steps)

    def finish(self) -> Result:
        from engines import animate, images

        if self._steps is not None:
            next(self._steps, None)  # nothing waits any more, so that the file is closed
        else:
            images.save_picture(animate.strip(self._parts, GAP), self.output)
        return Result(texts=(str(self.output),))

    def give_up(self) -> None:
        self._parts.clear()
        if self._steps is not None:
            self._steps.close()  # type: ignore[attr-defined]  # a generator

    def _pictures(self) -> Iterator[Picture]:
        while self._waiting:
            yield self._waiting.popleft()
