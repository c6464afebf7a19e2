"""What runs now and what became of it: progress that never jumps back, batches, other processes."""

from __future__ import annotations

import base64
import json
import logging
import sys
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

from PySide6.QtCore import QObject, QProcess, QProcessEnvironment, QTimer, Signal

from app.background import Background, reason, sentence
from app.opening import pictures_in
from engines.controls import ImageInput, SketchInput
from engines.job import (
    Cancelled,
    Event,
    Failed,
    Job,
    JobError,
    Picture,
    Preview,
    Progress,
    Result,
    job_from_png,
    save_png,
)

log = logging.getLogger("tasks")

State = Literal["waiting", "running", "done", "failed", "cancelled"]
FINISHED_KEPT = 50
REFUSED = 2  # exit code of our command line after one sentence on stderr


@dataclass
class Task:
    """A row of the tray. `remaining` is in seconds, None while nothing can be said."""

    id: int  # the worker's ticket, or a negative number for what the worker does not run
    title: str
    state: State = "waiting"
    fraction: float = 0.0  # 0 to 1, never falls
    steps: tuple[int, int] = (0, 0)  # done, total; total 0: unknown
    note: str = ""
    remaining: float | None = None  # never rises
    message: str = ""
    details: str = ""
    began: float = 0.0

    @property
    def over(self) -> bool:
        return self.state in ("done", "failed", "cancelled")

    def begin(self) -> None:
        if self.state == "waiting":
            self.state, self.began = "running", time.monotonic()

    def apply(self, event: Event) -> None:
        self.begin()
        if isinstance(event, Progress):
            self._advance(event)
        elif isinstance(event, Result):
            self.state, self.fraction, self.remaining = "done", 1.0, 0.0
            few = len(event.notes) < 3
            self.message = " ".join(event.notes if few else event.notes[:1])
            self.details = "" if few else "\n".join(event.notes[1:])
        elif isinstance(event, Failed):
            self.state, self.remaining = "failed", None
            self.message, self.details = event.message, event.details
        elif isinstance(event, Cancelled):
            self.state, self.remaining, self.message = "cancelled", None, event.note

    def _advance(self, event: Progress) -> None:
        self.steps, self.note = (event.done, event.total), event.note
        if event.total <= 0:
            return
        self.fraction = max(self.fraction, min(event.done / event.total, 1.0))
        spent, begun = time.monotonic() - self.began, event.before / event.total
        if spent > 0.5 and self.fraction > begun:
            estimate = spent * (1 - self.fraction) / (self.fraction - begun)
            self.remaining = estimate if self.remaining is None else min(self.remaining, estimate)


class Runner(Protocol):
    """What works through a row: its `happened` is a signal of events, the last one ends it."""

    happened: Any

    def start(self) -> None: ...
    def cancel(self) -> None: ...
    def stop(self) -> None: ...
    def deleteLater(self) -> None: ...


class Tasks(QObject):
    """The tray's rows, newest last; a limited number of finished ones stays to be read."""

    changed = Signal()
    preview = Signal(int, object)  # task, Picture: of a batch or a process

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._rows: dict[int, Task] = {}
        self._runners: dict[int, Runner] = {}
        self._next = -1

    def __iter__(self):
        return iter(list(self._rows.values()))

    def __len__(self) -> int:
        return len(self._rows)

    def get(self, id: int) -> Task | None:
        return self._rows.get(id)

    def running(self) -> list[Task]:
        return [task for task in self if not task.over]

    def add(self, title: str, id: int | None = None) -> Task:
        """A new row; without an id (ticket) it gets a negative one."""
        if id is None:
            id, self._next = self._next, self._next - 1
        task = self._rows[id] = Task(id, title)
        for old in [t.id for t in self if t.over][:-FINISHED_KEPT]:
            del self._rows[old]
        self.changed.emit()
        return task

    def begin(self, id: int) -> None:
        if task := self._rows.get(id):
            task.begin()
            self.changed.emit()

    def apply(self, id: int, event: Event) -> None:
        task = self._rows.get(id)
        if task is not None and not task.over:
            task.apply(event)
            self.changed.emit()

    def dismiss(self, id: int | None = None) -> None:
        """Forget a finished row, or all of them."""
        for task in self:
            if task.over and id in (None, task.id):
                del self._rows[task.id]
        self.changed.emit()

    def forget(self, id: int) -> None:
        """Drop a row in whatever state: what it stood for needs no telling."""
        if self._rows.pop(id, None) is not None:
            self.changed.emit()

    def start(self, runner: Runner, title: str) -> int:
        """Begin a batch, a process or a film as a row; gives its number."""
        id = self.add(title).id
        self._runners[id] = runner
        runner.happened.connect(lambda event: self._on_runner(id, event))
        self.begin(id)
        runner.start()
        return id

    def cancel(self, id: int) -> bool:
        """False if `id` is no batch or process: then it is the worker's."""
        runner = self._runners.get(id)
        if runner is not None:
            runner.cancel()
        return runner is not None

    def stop(self) -> None:
        """End every batch and process now: the program closes."""
        for runner in list(self._runners.values()):
            runner.stop()

    def _on_runner(self, id: int, event: Event) -> None:
        if isinstance(event, Preview):
            self.preview.emit(id, event.picture)
            return
        self.apply(id, event)
        if isinstance(event, Result | Failed | Cancelled):
            runner = self._runners.pop(id, None)
            if runner is not None:
                runner.deleteLater()


class Batch(QObject):
    """Every picture of a folder, or of a list, as `role` of a job like the one given, results into
    another folder.

    One picture at a time is in memory. A file that cannot be read or fails is reported and skipped.
    An existing file is never overwritten: if it is this job's result it counts as done, otherwise
    the new one gets a number.
    """

    happened = Signal(object)  # Event; the texts of its Result are the files

    def __init__(
        self,
        source: Path | Sequence[Path],
        target: Path,
        job: Job,
        control: ImageInput | SketchInput,
        submit: Callable[[Job, Callable[[int, Event], None]], int],
        cancel: Callable[[int], None],
        background: Background,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._source, self._target = source, target
        self._name = source.name if isinstance(source, Path) else "the list"
        self._files: deque[Path] = deque()
        self._like, self._control = job, control
        self._submit, self._cancel_ticket = submit, cancel
        self._background = background
        self._total = 0
        self._made: list[str] = []
        self._skipped: list[str] = []
        self._poor: list[str] = []  # what was made and fits badly, and why
        self._ticket = 0
        self._over = False
        self._began = time.monotonic()

    def start(self) -> None:
        source = self._source
        if isinstance(source, Path):
            self._background.do(lambda: pictures_in(source), self._listed)
        else:
            self._listed(source)

    def cancel(self) -> None:
        if self._ticket:
            self._cancel_ticket(self._ticket)
        self._finish(Cancelled())

    stop = cancel

    def _listed(self, answer: Any) -> None:
        if isinstance(answer, Exception):
            self._finish(Failed("input", f"{self._name} cannot be read: {reason(answer)}."))
            return
        self._files, self._total = deque(answer), len(answer)
        self._next()

    def _next(self) -> None:
        if self._over:
            return
        if not self._files:
            self._finish(self._outcome())
            return
        file = self._files[0]
        self.happened.emit(Progress(self._total - len(self._files), self._total, file.name))
        self._background.do(lambda: self._prepare(file), self._prepared)

    def _prepare(self, file: Path) -> tuple[Job, Path | None]:
        """The job for a file and where its result goes; None if it is there already."""
        from engines.mapfiles import open_given

        given = open_given(file, self._control)
        images = {**self._like.images, self._control.role: given}
        job = self._like.with_(images=images)
        return job, free_name(self._target / f"{file.stem}.png", job)

    def _prepared(self, answer: Any) -> None:
        if self._over:
            return
        if isinstance(answer, Exception):
            self._skip(sentence(answer))
            return
        job, path = answer
        if path is None:
            self._made.append(str(self._target / f"{self._files[0].stem}.png"))
            self._files.popleft()
            self._next()
            return
        self._job, self._path = job, path
        self._ticket = self._submit(job, self._on_event)

    def _on_event(self, ticket: int, event: Event) -> None:
        if self._over or ticket != self._ticket:
            return
        if isinstance(event, Result) and event.pictures:
            self._ticket = 0
            if event.fit is not None and event.fit.poor:
                self._poor.append(f"{self._files[0].name}: {event.fit.message}")
            picture, job, path = event.picture, self._job, self._path
            self.happened.emit(Preview(picture))
            self._background.do(lambda: _keep(picture, job, path), self._kept)
        elif isinstance(event, Result | Failed):
            self._ticket = 0
            self._skip(event.message if isinstance(event, Failed) else "The model gave no picture.")
        elif isinstance(event, Cancelled):
            self._finish(Cancelled())

    def _kept(self, answer: Any) -> None:
        if self._over:
            return
        if isinstance(answer, Exception):  # the next one would fail as well: disk full, folder gone
            self._finish(Failed("disk", f"{self._path.name} could not be saved: {reason(answer)}."))
            return
        self._made.append(str(self._path))
        self._files.popleft()
        self._next()

    def _skip(self, why: str) -> None:
        self._skipped.append(f"{self._files.popleft().name}: {why}")
        self._next()

    def _outcome(self) -> Event:
        details = "\n".join(self._skipped)
        if not self._total:
            return Failed("input", f"There are no pictures in {self._name}.")
        if not self._made:
            return Failed("input", f"None of the {self._total} pictures could be used.", details)
        note = f"{len(self._made)} of {self._total} pictures are in {self._target.name}."
        notes = (note, *[f"Skipped {line}" for line in self._skipped], *self._poor)
        return Result(texts=tuple(self._made), seconds=time.monotonic() - self._began, notes=notes)

    def _finish(self, event: Event) -> None:
        if not self._over:
            self._over = True
            self._files.clear()
            self.happened.emit(event)


def free_name(path: Path, job: Job) -> Path | None:
    """`path`, or a numbered one where other files are; None if one of them is this job's result."""
    for n in range(1, 10_000):
        candidate = path if n == 1 else path.with_stem(f"{path.stem} {n}")
        if not candidate.exists():
            return candidate
        try:
            if job_from_png(candidate).digest == job.digest:
                return None
        except JobError:
            continue
    raise JobError(f"There are too many files named {path.name}.")


def _keep(picture: Picture, job: Job, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    save_png(picture, job, path)


class ProcessTask(QObject):
    """Another process, such as `ganvas train …`, whose lines of JSON on stdout are events.

    {"event": "progress", "done", "total", "note"}   {"event": "preview", "path" | "png" (base64)}
    {"event": "result", "texts", "notes", "seconds"}   {"event": "failed", "message", "details"}

    Lines that are none are kept, with those of stderr, as details for a failure.
    """

    happened = Signal(object)  # Event; the last one is Result | Failed | Cancelled

    def __init__(self, arguments: Sequence[str], parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._arguments = list(arguments)
        self._log: deque[str] = deque(maxlen=200)
        self._rest = b""
        self._last: Result | Failed | Cancelled | None = None
        self._over = False
        self._process = QProcess(self)
        environment = QProcessEnvironment.systemEnvironment()
        environment.insert("PYTHONUNBUFFERED", "1")
        self._process.setProcessEnvironment(environment)
        self._process.readyReadStandardOutput.connect(self._read_out)
        self._process.readyReadStandardError.connect(self._read_error)
        self._process.finished.connect(self._ended)
        self._process.errorOccurred.connect(self._broke)
        self._killer = QTimer(self, singleShot=True, interval=5000)
        self._killer.timeout.connect(self._process.kill)

    def start(self) -> None:
        self._process.start(self._arguments[0], self._arguments[1:])

    def cancel(self) -> None:
        """Ask it to end; insist after five seconds."""
        if self._process.state() != QProcess.ProcessState.NotRunning:
            self._last = Cancelled()
            self._killer.start()
            self._process.terminate()

    def stop(self) -> None:
        """End it now and wait: the program closes."""
        if self._process.state() != QProcess.ProcessState.NotRunning:
            self._last = Cancelled()
            self._process.terminate()
            if not self._process.waitForFinished(1000):
                self._process.kill()
                self._process.waitForFinished(1000)

    def _read_out(self) -> None:
        data = self._rest + bytes(self._process.readAllStandardOutput().data())
        *lines, self._rest = data.split(b"\n")
        for line in lines:
            self._take(line.decode("utf-8", "replace").strip())

    def _read_error(self) -> None:
        text = bytes(self._process.readAllStandardError().data()).decode("utf-8", "replace")
        self._log.extend(text.splitlines())

    def _take(self, line: str) -> None:
        event = read_event(line)
        if event is None:
            self._log.append(line)
        elif isinstance(event, Progress | Preview):
            self.happened.emit(event)
        elif self._last is None:
            self._last = event

    def _ended(self, code: int, status: QProcess.ExitStatus) -> None:
        self._read_out()
        self._take(self._rest.decode("utf-8", "replace").strip())
        self._read_error()
        self._killer.stop()
        last = self._last
        crashed = status == QProcess.ExitStatus.CrashExit or code != 0
        if last is None or (crashed and isinstance(last, Result)):
            words = next((line.strip() for line in reversed(self._log) if line.strip()), "")
            said = words if code == REFUSED and words.endswith(".") else ""
            told = said or f"It ended early (code {code})."
            last = Failed("process", told, "\n".join(self._log))
        elif isinstance(last, Failed) and not last.details:
            last = Failed(last.kind, last.message, "\n".join(self._log))
        self._finish(last)

    def _broke(self, error: QProcess.ProcessError) -> None:
        if error == QProcess.ProcessError.FailedToStart:
            what = Path(self._arguments[0]).name
            self._finish(
                Failed("process", f"{what} could not be started.", " ".join(self._arguments))
            )

    def _finish(self, event: Event) -> None:
        if not self._over:
            self._over = True
            self.happened.emit(event)


def read_event(line: str) -> Event | None:
    """The event that a line of JSON stands for, None if it stands for none."""
    try:
        body = json.loads(line)
        kind = body["event"]
        if kind == "progress":
            done, total = int(body["done"]), int(body.get("total", 0))
            return Progress(done, total, str(body.get("note", "")))
        if kind == "preview" and ("png" in body or "path" in body):
            packed = body.get("png")
            data = base64.b64decode(packed) if packed else Path(body["path"]).read_bytes()
            return Preview(Picture.from_png(data))
        if kind == "result":
            texts, notes = tuple(map(str, body.get("texts", ()))), tuple(body.get("notes", ()))
            return Result(texts=texts, notes=notes, seconds=float(body.get("seconds", 0)))
        if kind == "failed":
            return Failed(
                str(body.get("kind", "process")), str(body["message"]), str(body.get("details", ""))
            )
        if kind == "cancelled":
            return Cancelled()
    except (ValueError, KeyError, TypeError, OSError):
        pass
    return None


def own_command(*arguments: str) -> list[str]:
    """The command line that starts this very program with `arguments`."""
    main = Path(__file__).resolve().parent.parent / "main.py"
    return [sys.executable, str(main), *arguments]
