"""From events to what is shown and kept: drops what is older than the picture in the viewer.

Knows tickets, jobs and the history; not where jobs come from.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from PySide6.QtCore import QObject, QTimer, Signal, Slot

from app.burst import PAUSE_MS
from app.history import History
from app.tasks import Tasks
from engines.job import Cancelled, Event, Failed, Job, Picture, Preview, Progress, Result

log = logging.getLogger("studio")

MODEL_TROUBLE = ("missing-model", "checkpoint")

ELSEWHERE = -1  # no revision of the desk

Kind = Literal["live", "run", "tool", "batch"]
Follow = Callable[[int, Event], None]


@dataclass(frozen=True)
class Shown:
    """A picture in the viewer. input_ms is from the first edit of its burst to its arrival."""

    picture: Picture
    job: Job
    result: Result
    input_ms: float | None = None


@dataclass(frozen=True)
class Status:
    """The honest numbers; memory in bytes, times in milliseconds, None where not measured yet.
    lane: what live pictures are computed in while the hand moves, "" where that is nothing else."""

    device: str = ""
    memory_used: int = 0
    memory_budget: int = 0
    engine_ms: float | None = None
    stroke_ms: float | None = None
    lane: str = ""


@dataclass(frozen=True)
class _Sent:
    """A submitted job and what its events mean; `touched` is when its burst of edits began;
    `exact` says that it replaces the draft shown."""

    kind: Kind
    job: Job
    title: str
    revision: int
    touched: float | None = None
    follow: Follow | None = None
    exact: bool = False


class Results(QObject):
    """What came of the tickets. Edits are counted: a result knows whether it is the last one's.

    A draft is shown and never kept: once the hand pauses, the exact picture is asked for."""

    shown_changed = Signal(object)  # Shown
    made_elsewhere = Signal(object)  # Shown, of a run that was begun at a desk that one has left
    exact_wanted = Signal(object)  # Shown, which is a draft
    rested = Signal(object)  # Shown: the exact picture of the desk, and the hand pauses
    preview = Signal(object)  # Picture
    terms_told = Signal(int, object)  # ticket, Progress that tells what is minimised
    tool_result = Signal(object, object)  # Job, Result
    failed = Signal(str, object)  # place, Failed
    status_changed = Signal(object)  # Status

    def __init__(
        self,
        tasks: Tasks,
        history: History,
        drawings: Callable[[Iterable[str]], Mapping[str, Any]],
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self.shown: Shown | None = None
        self.status = Status()
        self._tasks, self._history, self._drawings = tasks, history, drawings
        self._sent: dict[int, _Sent] = {}
        self._oldest = 0  # events of older tickets are not shown
        self._revision = 0
        self._shown_revision = ELSEWHERE
        self._kept_revision = 0
        self._settled = False
        self._paused = False
        self._asked = False  # for the exact picture of this revision
        self._draft_age = QTimer(self, singleShot=True, interval=PAUSE_MS)
        self._draft_age.timeout.connect(self._rest)

    def edited(self, keep: bool = True) -> None:
        """The desk changed; with keep=False its result is nothing new for the history."""
        self._revision += 1
        self._settled = self._paused = self._asked = False
        if not keep:
            self._kept_revision = self._revision

    def expect(
        self,
        ticket: int,
        kind: Kind,
        job: Job,
        title: str,
        touched: float | None = None,
        follow: Follow | None = None,
        desk: bool = True,
        exact: bool = False,
    ) -> None:
        """Say what a ticket is; with `follow` its events go there and nowhere else. desk: whether
        the job is what the desk asks for, so that the strokes on it belong to its recipe. exact:
        whether it replaces the draft shown."""
        revision = self._revision if desk else ELSEWHERE
        if not self.status.device:  # the wait would be for the engine's start
            touched = None
        self._sent[ticket] = _Sent(kind, job, title, revision, touched, follow, exact)

    def pause(self) -> None:
        """The hand holds still: a draft is not good enough any more."""
        self._paused = True
        self._rest()

    def _rest(self) -> None:
        shown = self.shown
        if not self._paused or shown is None or self._shown_revision != self._revision:
            return
        if not shown.result.draft:
            self._paused = False
            self.rested.emit(shown)
        elif not self._asked and not self._draft_age.isActive():
            self._asked = True
            self.exact_wanted.emit(shown)

    def settle(self) -> None:
        """No edit is under way any more: the live result of the last one is worth keeping."""
        self._settled = True
        self._keep_settled()

    def forget(self) -> list[int]:
        """Show nothing of what is under way; gives the live tickets, to be cancelled."""
        self._oldest = max([self._oldest, *(t + 1 for t, s in self._sent.items() if not s.follow)])
        return [ticket for ticket, sent in self._sent.items() if sent.kind == "live"]

    def bring_back(self, picture: Picture, job: Job) -> None:
        """Show a picture that was made earlier."""
        self.shown = Shown(picture, job, Result((picture,)))
        self._shown_revision = ELSEWHERE
        self.shown_changed.emit(self.shown)

    def look_at(self, shown: Shown | None) -> None:
        """Another desk, on which this lies since earlier; None: nothing. A draft is none: what the
        desk asks for now takes its place."""
        self.shown = None if shown is not None and shown.result.draft else shown
        self._shown_revision = ELSEWHERE

    def remember(self, picture: Picture, job: Job) -> None:
        """Show at once what an earlier session made of this desk, until its engine has answered.
        It counts as a draft: nothing of it is kept."""
        if self.shown is None:
            self._shown_revision = self._revision
            self.shown = Shown(picture, job, Result((picture,), draft=True), 0.0)
            self._asked = True  # the live job of the desk is on its way already
            self.shown_changed.emit(self.shown)

    def under_way(self) -> list[int]:
        return list(self._sent)

    def recipe(self) -> Job | None:
        """The job of the picture shown, with its strokes if they are still on the canvas."""
        if self.shown is None:
            return None
        job = self.shown.job
        if job.drawings or self._shown_revision != self._revision:
            return job
        return job.with_(drawings=self._drawings(job.images))

    @Slot(int, object)
    def take(self, ticket: int, event: Event) -> None:
        sent = self._sent.get(ticket)
        if sent is None:
            return
        if isinstance(event, Result | Failed | Cancelled):
            del self._sent[ticket]
        if sent.follow is not None:
            sent.follow(ticket, event)
            return
        self._tell_tasks(ticket, sent, event)
        if isinstance(event, Result):
            self._on_result(ticket, sent, event)
        elif isinstance(event, Preview) and ticket >= self._oldest and sent.kind != "tool":
            self._oldest = ticket
            self.preview.emit(event.picture)
        elif isinstance(event, Progress) and event.terms and ticket >= self._oldest:
            self.terms_told.emit(ticket, event)
        elif isinstance(event, Failed):
            self._on_failed(ticket, sent, event)

    @Slot(object)
    def measured(self, memory: Mapping[str, Any]) -> None:
        """What the engine says of its memory."""
        self._set_status(
            replace(
                self.status,
                device=str(memory.get("device", "")),
                memory_used=int(memory.get("used") or 0),
                memory_budget=int(memory.get("budget") or 0),
                lane=str(memory.get("lane", "")),
            )
        )

    def _tell_tasks(self, ticket: int, sent: _Sent, event: Event) -> None:
        """Live jobs get a row only while they take several steps."""
        if sent.kind == "live" and isinstance(event, Result | Cancelled):
            self._tasks.forget(ticket)
        elif sent.kind == "live" and isinstance(event, Progress) and not self._tasks.get(ticket):
            self._tasks.add(sent.title, ticket)
        self._tasks.apply(ticket, event)

    def _on_result(self, ticket: int, sent: _Sent, result: Result) -> None:
        if sent.kind == "tool":
            self.tool_result.emit(sent.job, result)
            return
        if not result.pictures:
            return
        if sent.kind == "run":
            self._history.add(result.picture, sent.job, sent.title)
            self._kept_revision = max(self._kept_revision, sent.revision)
        if ticket < self._oldest:
            if sent.kind == "run":
                self.made_elsewhere.emit(Shown(result.picture, sent.job, result))
            return
        self._oldest, self._shown_revision = ticket, sent.revision
        if sent.exact:  # its time is nobody's waiting
            waited = self.shown.input_ms if self.shown else None
        else:
            waited = (time.perf_counter() - sent.touched) * 1000 if sent.touched else None
            engine_ms = result.seconds * 1000
            self._set_status(replace(self.status, engine_ms=engine_ms, stroke_ms=waited))
        self.shown = Shown(result.picture, sent.job, result, waited)
        self.shown_changed.emit(self.shown)
        if result.draft:  # also where a picture of an earlier session was shown until now
            self._asked = False
            self._draft_age.start()  # who waited for it goes on: no exact pass yet
        self._rest()
        if self._settled:
            self._keep_settled(sent.title)

    def _on_failed(self, ticket: int, sent: _Sent, event: Failed) -> None:
        log.warning("%s: %s\n%s", sent.title, event.message, event.details)
        if sent.kind == "tool":
            self.failed.emit("tool", event)
        elif ticket >= self._oldest:
            self.failed.emit("model" if event.kind in MODEL_TROUBLE else "result", event)

    def _keep_settled(self, title: str = "") -> None:
        """Add the live result to the history once, when it is that of the last edit, and exact."""
        current = self._shown_revision == self._revision
        if self.shown is None or self.shown.result.draft:
            return
        if current and self._kept_revision != self._revision:
            self._kept_revision = self._revision
            job = self.recipe() or self.shown.job
            self._history.add(self.shown.picture, job, title or _name(job))

    def _set_status(self, status: Status) -> None:
        if status != self.status:
            self.status = status
            self.status_changed.emit(status)


def _name(job: Job) -> str:
    return job.checkpoint.partition("@")[0] or job.family
