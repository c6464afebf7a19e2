"""The one thread that computes: queue, live lanes, cancel, throttle. Knows no widget, no network.

The object lives in the GUI thread and all its methods are called there; only `run` and what it
calls works in the thread. Between the two go frozen values, guarded by one lock. Connect methods of
QObjects to the signals, never lambdas: those would run in the thread.
"""

from __future__ import annotations

import atexit
import logging
import os
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from itertools import count
from typing import Any, Protocol

from PySide6.QtCore import QThread, Signal

from engines.controls import ModelCard
from engines.errors import failure
from engines.job import Cancelled, Event, Failed, Job, Preview, Progress, Result

log = logging.getLogger("worker")

PER_SECOND = 30  # previews and progress of one ticket that leave the thread, at most
NICENESS = 5  # of the thread that computes, on Linux
STOP_MS = 2000  # how long stop() waits for the running step to end


class EngineLike(Protocol):
    """What the worker asks of an engine; its errors carry `kind` and are one sentence."""

    def run(self, job: Job, draft: bool = False) -> Iterator[Event]: ...
    def describe(self, reference: str) -> ModelCard: ...
    def plan(self, job: Job) -> str: ...
    def memory(self) -> dict[str, Any]: ...


@dataclass
class _Run:
    """A ticket and, once it has begun, its generator."""

    ticket: int
    job: Job
    lane: str | None
    title: str = ""
    draft: bool = False
    events: Iterator[Event] | None = None
    cancelled: bool = False
    steps: int = 0
    pending: dict[type, Event] = field(default_factory=dict[type, Event])
    sent_at: float = 0.0


@dataclass(frozen=True)
class _Request:
    """A question that is no job: describe, inspect, plan, or "forget the engine"."""

    ticket: int
    kind: str
    subject: Any


class EngineWorker(QThread):
    """Runs jobs one step at a time, live lanes first.

    A live lane holds one waiting job: a new one replaces it. A running single pass always finishes;
    a run of several steps in a live lane is closed at its next yield once a newer job waits.
    Between two yields of a job without a lane every live lane and one question are served. Each
    ticket ends with exactly one Result, Failed or Cancelled.
    """

    happened = Signal(int, object)  # ticket, Event
    described = Signal(str, object)  # reference, ModelCard | Failed
    inspected = Signal(str, object)  # path, Verdict | Failed
    planned = Signal(object, object)  # Job, what it will take: str | Failed
    began = Signal(int)  # ticket: its first step starts now
    measured = Signal(object)  # the engine's memory(): {"used", "budget", "device"}
    idle = Signal()

    def __init__(
        self,
        engine_factory: Callable[[], EngineLike],
        inspect: Callable[[str], Any] | None = None,
        parent: Any = None,
    ) -> None:
        super().__init__(parent)
        self._factory = engine_factory
        self._inspect = inspect or _doctor
        self._tickets = count(1)
        self._wake = threading.Condition()
        self._lanes: dict[str, _Run] = {}  # waiting, one each
        self._queue: deque[_Run] = deque()  # waiting, in order
        self._requests: deque[_Request] = deque()
        self._running: dict[int, _Run] = {}
        self._stopping = False
        self._engine: EngineLike | None = None  # touched by the thread alone
        self._long: _Run | None = None  # touched by the thread alone
        self._busy: set[str] = set()  # lanes being served; touched by the thread alone
        self.finished.connect(self._forget)

    # ---- asked in the GUI thread -----------------------------------------------------------------

    def submit(
        self, job: Job, lane: str | None = None, title: str = "", draft: bool = False
    ) -> int:
        """Queue `job`; in a lane it replaces the one that waits there. Gives the events' ticket.
        draft: its result may be one."""
        run = _Run(next(self._tickets), job, lane, title, draft)
        with self._wake:
            replaced = None
            if lane is None:
                self._queue.append(run)
            else:
                replaced = self._lanes.pop(lane, None)
                self._lanes[lane] = run
            self._wake.notify()
        self._ensure_running()
        if replaced is not None:
            self.happened.emit(replaced.ticket, Cancelled())
        if self._stopping:
            self.happened.emit(run.ticket, Cancelled())
        return run.ticket

    def describe(self, reference: str) -> int:
        """Ask for the card of a model; the answer is `described`."""
        return self._ask("describe", reference)

    def inspect(self, path: str) -> int:
        """Ask what a file is; the answer is `inspected`."""
        return self._ask("inspect", path)

    def plan(self, job: Job) -> int:
        """Ask what a job will take; the answer is `planned`. Only the last one asked counts."""
        with self._wake:
            waiting = [r for r in self._requests if r.kind != "plan"]
            self._requests = deque(waiting)
        return self._ask("plan", job)

    def renew(self) -> int:
        """Forget the engine and make a new one (its device or budget has changed)."""
        return self._ask("renew", "")

    def cancel(self, ticket: int) -> None:
        """Drop a waiting ticket at once; close a running one at its next yield."""
        with self._wake:
            dropped = self._drop(ticket)
            running = self._running.get(ticket)
            if running is not None:
                running.cancelled = True
            self._wake.notify()
        if dropped:
            self.happened.emit(ticket, Cancelled())

    def stop(self, wait_ms: int = STOP_MS) -> bool:
        """Drop what waits, close what runs at its next yield, end the thread.

        False if a step did not end in time; the thread then ends by itself when that step does.
        """
        with self._wake:
            self._stopping = True
            self._lanes.clear()
            self._queue.clear()
            self._requests.clear()
            self._wake.notify()
        return self.wait(wait_ms) if self.isRunning() else True

    def _forget(self) -> None:
        _ALIVE.discard(self)

    def _ask(self, kind: str, subject: Any) -> int:
        request = _Request(next(self._tickets), kind, subject)
        with self._wake:
            self._requests.append(request)
            self._wake.notify()
        self._ensure_running()
        return request.ticket

    def _ensure_running(self) -> None:
        if not self._stopping and not self.isRunning():
            _ALIVE.add(self)
            self.start(QThread.Priority.LowPriority)

    def _drop(self, ticket: int) -> bool:
        for lane, run in self._lanes.items():
            if run.ticket == ticket:
                del self._lanes[lane]
                return True
        for waiting in (self._queue, self._requests):
            for item in waiting:
                if item.ticket == ticket:
                    waiting.remove(item)  # type: ignore[arg-type]
                    return isinstance(item, _Run)
        return False

    # ---- done in the thread ----------------------------------------------------------------------

    def run(self) -> None:
        _step_back()
        try:
            self._warm_up()
            while self._wait_for_work():
                self._serve_lanes()
                self._serve_request()
                self._step_long()
        finally:
            if self._long is not None:
                self._end(self._long, Cancelled())
            self._engine = None

    def _warm_up(self) -> None:
        """Make the engine before it is needed; a failure is told to the first job that needs it."""
        try:
            self._ready_engine()
        except Exception:
            log.exception("the engine could not be made")

    def _ready_engine(self) -> EngineLike:
        if self._engine is None:
            self._engine = self._factory()
            self._measure()
        return self._engine

    def _wait_for_work(self) -> bool:
        """True when there is something to do, False when the thread should end."""
        announced = False
        while True:
            with self._wake:
                if self._stopping:
                    return False
                if self._lanes or self._queue or self._requests or self._long is not None:
                    return True
                if announced:
                    self._wake.wait()
            if not announced:
                self.idle.emit()
                announced = True

    def _serve_lanes(self) -> None:
        """Each lane that has a job waiting, and is not being served, gets one turn."""
        with self._wake:
            waiting = [lane for lane in self._lanes if lane not in self._busy]
        for lane in waiting:
            with self._wake:
                run = self._lanes.pop(lane, None)
                if run is not None:
                    self._running[run.ticket] = run
            if run is not None:
                self._busy.add(lane)
                self._live(run, lane)
                self._busy.discard(lane)

    def _live(self, run: _Run, lane: str) -> None:
        while self._step(run):
            with self._wake:
                superseded = lane in self._lanes
            if superseded:
                self._end(run, Cancelled())
                return
            self._serve_lanes()
            self._serve_request()

    def _step_long(self) -> None:
        if self._long is None:
            with self._wake:
                if not self._queue:
                    return
                self._long = self._queue.popleft()
                self._running[self._long.ticket] = self._long
        if not self._step(self._long):
            self._long = None

    def _step(self, run: _Run) -> bool:
        """Advance `run` by one yield and send what it gave. False when it is over."""
        if self._ends_now(run):
            return False
        try:
            if run.events is None:
                self.began.emit(run.ticket)
                run.events = iter(self._ready_engine().run(run.job, run.draft))
            event = next(run.events, None)
        except Exception as error:  # a failed job fails alone
            self._end(run, failure(error))
            return False
        run.steps += 1
        if self._ends_now(run):
            return False
        if event is None:
            self._end(run, Failed("internal", "The model ended without giving a picture."))
        elif isinstance(event, Progress | Preview):
            self._throttle(run, event)
            return True
        else:
            self._end(run, event)
        return False

    def _ends_now(self, run: _Run) -> bool:
        with self._wake:
            over = run.cancelled or self._stopping
        if over:
            self._end(run, Cancelled())
        return over

    def _throttle(self, run: _Run, event: Progress | Preview) -> None:
        """Keep the latest of each kind; every 1/30 s let out the one that waited longest. Terms,
        which not every step tells, are not lost."""
        before = run.pending.get(type(event))
        if isinstance(event, Progress) and isinstance(before, Progress) and not event.terms:
            event = replace(event, terms=before.terms)
        run.pending[type(event)] = event
        now = time.monotonic()
        if now - run.sent_at >= 1 / PER_SECOND:
            run.sent_at = now
            self.happened.emit(run.ticket, run.pending.pop(next(iter(run.pending))))

    def _end(self, run: _Run, last: Event) -> None:
        """Close the generator, flush what the throttle kept, send the last event."""
        try:
            if run.events is not None and hasattr(run.events, "close"):
                run.events.close()  # type: ignore[attr-defined]
        except Exception:
            log.exception("ticket %d did not close cleanly", run.ticket)
        run.events = None
        with self._wake:
            self._running.pop(run.ticket, None)
        if not isinstance(last, Cancelled):
            for event in run.pending.values():
                self.happened.emit(run.ticket, event)
        run.pending.clear()
        if isinstance(last, Result | Failed):
            self._measure()
        self.happened.emit(run.ticket, last)

    def _serve_request(self) -> None:
        with self._wake:
            if not self._requests:
                return
            request = self._requests.popleft()
        if request.kind == "renew":
            self._engine = None
            if self._long is None:
                self._warm_up()
            return
        try:
            if request.kind == "describe":
                answer: Any = self._ready_engine().describe(request.subject)
            elif request.kind == "plan":
                answer = self._ready_engine().plan(request.subject)
            else:
                answer = self._inspect(request.subject)
        except Exception as error:  # a question that fails must not end the thread either
            answer = failure(error)
        signals = {"describe": self.described, "plan": self.planned, "inspect": self.inspected}
        if request.kind != "inspect":
            self._measure()
        signals[request.kind].emit(request.subject, answer)

    def _measure(self) -> None:
        try:
            if self._engine is not None:
                self.measured.emit(self._engine.memory())
        except Exception:
            log.exception("the engine could not say how much memory it uses")


_ALIVE: set[EngineWorker] = set()  # a running thread must not be collected with its last reference


@atexit.register
def _stop_all() -> None:
    """A thread in a long step (importing torch, one large picture) cannot be ended, and Qt aborts
    when it destroys a running one. Nothing there is worth saving: leave without it."""
    if not all(worker.stop() for worker in tuple(_ALIVE)):
        logging.shutdown()
        for stream in (sys.stdout, sys.stderr):
            if stream is not None:  # as in a program without a console
                stream.flush()
        os._exit(0)


def _step_back() -> None:
    """Leave the processor to the GUI thread when both want it. Linux ignores a thread's priority
    but gives each its own niceness, and never lets a batch thread take over from one that waits for
    a person; the threads that torch starts from here inherit both."""
    if sys.platform == "linux":
        own = threading.get_native_id()
        os.setpriority(os.PRIO_PROCESS, own, NICENESS)
        os.sched_setscheduler(own, os.SCHED_BATCH, os.sched_param(0))


def _doctor(path: str) -> Any:
    from engines import doctor

    return doctor.inspect(path)
