"""The worker with its real thread and a scripted engine."""

from __future__ import annotations

import gc
import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median

import pytest
from PySide6.QtCore import QObject, QTimer, Slot

from app import worker as worker_module
from app.worker import EngineWorker
from engines.controls import ControlError
from engines.job import Cancelled, Event, Failed, Job, Preview, Progress, Result
from tests.app.fakes import FakeEngine, FakeError, Listener, card, picture, steps


@pytest.fixture
def engine():
    return FakeEngine()


@pytest.fixture
def worker(qapp, engine):
    worker = EngineWorker(engine.make, inspect=lambda path: f"verdict on {path}")
    yield worker
    assert worker.stop()


@pytest.fixture
def heard(worker):
    return Listener(worker)


def job(seed: int = 0, family: str = "single") -> Job:
    return Job(family, seed=seed)


def wait_all(qtbot, heard: Listener, tickets, ms: int = 10_000) -> None:
    qtbot.waitUntil(lambda: all(heard.last(t) is not None for t in tickets), timeout=ms)


class Edits(QObject):
    """Submits `n` live jobs, one each `ms`, as a pen would."""

    def __init__(self, worker: EngineWorker, n: int, ms: int, lane: str = "live") -> None:
        super().__init__()
        self.worker, self.left, self.lane = worker, n, lane
        self.tickets: list[int] = []
        self.times: dict[int, float] = {}
        self.timer = QTimer(self)
        self.timer.timeout.connect(self.edit)
        self.timer.start(ms)

    def edit(self) -> None:
        ticket = self.worker.submit(job(len(self.tickets) % 256), self.lane)
        self.tickets.append(ticket)
        self.times[ticket] = time.perf_counter()
        self.left -= 1
        if self.left == 0:
            self.timer.stop()


def test_a_result_arrives_in_the_gui_thread(qtbot, worker, heard):
    ticket = worker.submit(job(7))
    wait_all(qtbot, heard, [ticket])
    assert heard.of(ticket) == [Result((picture(7),), seconds=0.02)]
    assert heard.foreign == 0


def test_400_edits_show_frames_in_order_and_the_last_edit(qtbot, worker, heard, engine):
    engine.seconds = 0.02
    edits = Edits(worker, 400, 2)
    qtbot.waitUntil(
        lambda: edits.left == 0 and heard.last(edits.tickets[-1]) is not None, timeout=20_000
    )
    shown = [t for t, e in heard.events if isinstance(e, Result)]
    assert shown == sorted(shown)
    assert shown[-1] == edits.tickets[-1]
    assert heard.last(shown[-1]).pictures == (picture(399 % 256),)
    assert 10 <= len(shown) < 200, "edits that arrive while a pass runs are folded into the latest"
    wait_all(qtbot, heard, edits.tickets)
    replaced = [t for t in edits.tickets if isinstance(heard.last(t), Cancelled)]
    assert len(replaced) + len(shown) == 400
    assert len(engine.log) == len(shown), "a running single pass is never killed"


def test_live_is_served_within_a_long_job(qtbot, worker, heard, engine):
    engine.scripts["long"] = steps(300, 0.01)
    long = worker.submit(job(1, "long"))
    qtbot.waitUntil(lambda: len(heard.of(long)) > 0)
    edits = Edits(worker, 20, 25)
    qtbot.waitUntil(lambda: edits.left == 0 and heard.last(edits.tickets[-1]) is not None)
    assert heard.last(long) is None, "the long job is still at work"
    waits = [
        at - edits.times[t]
        for (t, e), at in zip(heard.events, heard.times)
        if t in edits.times and isinstance(e, Result)
    ]
    assert len(waits) >= 10
    assert median(waits) < 0.1
    worker.cancel(long)
    wait_all(qtbot, heard, [long])


def test_a_stream_of_edits_does_not_starve_a_long_job(qtbot, worker, heard, engine):
    engine.seconds = 0.01
    engine.scripts["long"] = steps(20)
    long = worker.submit(job(1, "long"))
    edits = Edits(worker, 200, 2)
    wait_all(qtbot, heard, [long])
    assert isinstance(heard.last(long), Result)
    assert edits.left > 0
    qtbot.waitUntil(lambda: edits.left == 0)


def test_a_run_of_several_steps_in_a_live_lane_gives_way_at_its_next_yield(
    qtbot, worker, heard, engine
):
    engine.scripts["dream"] = steps(1000, 0.005)
    first = worker.submit(job(1, "dream"), "live")
    qtbot.waitUntil(lambda: len(heard.of(first)) > 0)
    second = worker.submit(job(2), "live")
    wait_all(qtbot, heard, [first, second])
    assert isinstance(heard.last(first), Cancelled)
    assert isinstance(heard.last(second), Result)
    assert engine.closed == 2


def test_lanes_do_not_replace_each_other(qtbot, worker, heard, engine):
    engine.seconds = 0.02
    tickets = [worker.submit(job(i), lane) for i, lane in enumerate("abc")]
    wait_all(qtbot, heard, tickets)
    assert all(isinstance(heard.last(t), Result) for t in tickets)


def test_another_lane_is_served_within_a_live_run_of_several_steps(qtbot, worker, heard, engine):
    engine.scripts["dream"] = steps(1000, 0.005)
    dream = worker.submit(job(1, "dream"), "dream")
    qtbot.waitUntil(lambda: len(heard.of(dream)) > 0)
    other = worker.submit(job(2), "live")
    wait_all(qtbot, heard, [other])
    assert isinstance(heard.last(other), Result)
    assert heard.last(dream) is None
    worker.cancel(dream)
    wait_all(qtbot, heard, [dream])


def test_cancel_closes_at_the_next_yield(qtbot, worker, heard, engine):
    engine.scripts["long"] = steps(10_000, 0.01)
    ticket = worker.submit(job(1, "long"))
    qtbot.waitUntil(lambda: len(heard.of(ticket)) > 0)
    asked = time.perf_counter()
    worker.cancel(ticket)
    wait_all(qtbot, heard, [ticket])
    assert heard.last(ticket) == Cancelled()
    assert engine.closed == 1, "the generator's finally ran"
    assert heard.times[-1] - asked < 0.3


def test_a_waiting_ticket_is_cancelled_at_once(qtbot, worker, heard, engine):
    engine.scripts["long"] = steps(200, 0.01)
    first, second = worker.submit(job(1, "long")), worker.submit(job(2, "long"))
    worker.cancel(second)
    assert heard.last(second) == Cancelled()
    worker.cancel(first)
    wait_all(qtbot, heard, [first])
    assert all(j.seed != 2 for j in engine.log)


def test_a_result_that_was_cancelled_is_not_shown(qtbot, worker, heard, engine):
    engine.seconds = 0.15
    with qtbot.waitSignal(worker.began):  # listens before the thread can begin
        ticket = worker.submit(job(1), "live")
    worker.cancel(ticket)
    wait_all(qtbot, heard, [ticket])
    assert heard.of(ticket) == [Cancelled()]


def test_terms_that_few_steps_tell_are_not_lost_between_two_sendings(qtbot, worker, heard, engine):
    def long(job: Job) -> Iterator[Event]:
        for step in range(1, 41):
            yield Progress(step, 40, terms={"loss": 1.0 / step} if step == 3 else {})
        yield Result(())

    engine.scripts["long"] = long
    ticket = worker.submit(job(1, "long"))
    wait_all(qtbot, heard, [ticket])
    assert any(e.terms == {"loss": 1 / 3} for e in heard.of(ticket) if isinstance(e, Progress))


def test_cancelling_an_unknown_or_finished_ticket_does_nothing(qtbot, worker, heard):
    ticket = worker.submit(job())
    wait_all(qtbot, heard, [ticket])
    worker.cancel(ticket)
    worker.cancel(12345)
    qtbot.wait(30)
    assert len(heard.events) == 1


def test_previews_and_progress_leave_at_most_thirty_times_a_second(qtbot, worker, heard, engine):
    engine.scripts["long"] = steps(1000, 0.001, every=2)
    ticket = worker.submit(job(1, "long"))
    wait_all(qtbot, heard, [ticket], 20_000)
    spent = heard.times[-1] - heard.times[0]
    events = heard.of(ticket)
    assert len(events) <= spent * 30 + 4
    assert any(isinstance(e, Preview) for e in events)
    done = [e.done for e in events if isinstance(e, Progress)]
    assert done == sorted(done)
    assert events[-3:-1] and {type(e) for e in events[-3:-1]} == {Progress, Preview}
    assert done[-1] == 1000, "the latest progress is flushed before the result"
    assert isinstance(events[-1], Result)


def test_a_failed_job_fails_alone(qtbot, worker, heard, engine):
    def planned(job: Job) -> Iterator[Event]:
        raise FakeError("memory", "The picture is too large for this device.", "log")
        yield

    def refused(job: Job) -> Iterator[Event]:
        raise ControlError("Variation needs a number.")
        yield

    def broken(job: Job) -> Iterator[Event]:
        yield Progress(1, 2)
        raise ZeroDivisionError("oops")

    def silent(job: Job) -> Iterator[Event]:
        yield Progress(1, 1)

    engine.scripts |= {"planned": planned, "refused": refused, "broken": broken, "silent": silent}
    tickets = [worker.submit(job(1, f)) for f in ("planned", "refused", "broken", "silent", "fine")]
    wait_all(qtbot, heard, tickets)
    planned_, refused_, broken_, silent_, fine = (heard.last(t) for t in tickets)
    assert planned_ == Failed("memory", "The picture is too large for this device.", "log")
    assert (refused_.kind, refused_.message) == ("input", "Variation needs a number.")
    assert broken_.kind == "internal"
    assert "ZeroDivisionError" in broken_.details
    assert "\n" not in broken_.message
    assert silent_.kind == "internal"
    assert isinstance(fine, Result)


def test_events_after_a_result_are_not_awaited(qtbot, worker, heard, engine):
    def chatty(job: Job) -> Iterator[Event]:
        yield Result((picture(1),))
        yield Result((picture(2),))

    engine.scripts["chatty"] = chatty
    ticket = worker.submit(job(1, "chatty"))
    wait_all(qtbot, heard, [ticket])
    qtbot.wait(20)
    assert heard.of(ticket) == [Result((picture(1),))]
    assert engine.closed == 1


def test_an_engine_that_cannot_be_made_fails_each_job_with_a_sentence(qtbot):
    def no_engine():
        raise ImportError("libcudart.so.12: cannot open shared object file")

    worker = EngineWorker(no_engine)
    heard = Listener(worker)
    tickets = [worker.submit(job()), worker.submit(job(), "live")]
    wait_all(qtbot, heard, tickets)
    for ticket in tickets:
        assert "libcudart" in heard.last(ticket).message
    assert worker.stop()


def test_questions_are_answered_and_a_failing_one_is_a_failure(qtbot, worker, heard, engine):
    engine.cards["clothes"] = card()
    engine.scripts["long"] = steps(1000, 0.01)
    long = worker.submit(job(1, "long"))
    qtbot.waitUntil(lambda: len(heard.of(long)) > 0)
    worker.describe("clothes")
    worker.describe("nothing")
    worker.inspect("a.pth")
    qtbot.waitUntil(lambda: len(heard.answers) == 3)
    assert heard.last(long) is None, "they were served between two yields"
    answers = dict(heard.answers)
    assert answers["clothes"] == card()
    assert answers["nothing"].kind == "missing-model"
    assert answers["a.pth"] == "verdict on a.pth"
    worker.cancel(long)


def test_renew_makes_a_new_engine(qtbot, engine):
    made = []

    def make():
        made.append(engine.make())
        return engine

    worker = EngineWorker(make)
    heard = Listener(worker)
    wait_all(qtbot, heard, [worker.submit(job())])
    worker.renew()
    wait_all(qtbot, heard, [worker.submit(job())])
    assert len(made) == 2
    assert worker.stop()


def test_idle_is_told_after_the_work(qtbot, worker, heard):
    with qtbot.waitSignal(worker.idle):
        worker.submit(job())
    wait_all(qtbot, heard, [1])


def test_thousands_of_emits_are_sound(qtbot, worker, heard, engine):
    """PySide6 6.12 lost a reference to True with each emit and aborted after some 570."""

    def truthful(job: Job) -> Iterator[Event]:
        yield True  # stands for the answer: what is emitted is the very object True

    engine.scripts["true"] = truthful
    for _ in range(1500):
        worker.submit(job(1, "true"))
    qtbot.waitUntil(lambda: len(heard.events) == 1500, timeout=20_000)
    assert all(event is True for _, event in heard.events)


@pytest.mark.parametrize("seed", range(12))
def test_stopping_at_any_moment_leaves_no_thread(qtbot, engine, seed):
    chance = random.Random(seed)
    engine.seconds = 0.005
    engine.scripts["long"] = steps(1000, 0.02)
    worker = EngineWorker(engine.make)
    heard = Listener(worker)
    for i in range(chance.randrange(4)):
        worker.submit(job(i, chance.choice(["long", "single"])), chance.choice([None, "live"]))
    if chance.random() < 0.7:
        qtbot.wait(chance.randrange(60))
    began = time.perf_counter()
    assert worker.stop()
    assert time.perf_counter() - began < 2
    assert not worker.isRunning()
    told = len(heard.events)
    assert worker.submit(job()) > 0
    assert not worker.isRunning(), "a stopped worker does not start again"
    assert heard.events[told:][-1][1] == Cancelled()


EXIT = """
import sys, time
from PySide6.QtCore import QCoreApplication, QTimer
from app.worker import EngineWorker
from engines.job import Job

class Slow:
    def run(self, job, draft=False):
        time.sleep(30)
        yield
    def memory(self):
        return {}

app = QCoreApplication([])
worker = EngineWorker(Slow)
worker.submit(Job("slow"))
worker.began.connect(app.quit)
app.exec()
print("ended:", worker.stop(100))
"""


def test_the_program_ends_soundly_while_a_step_takes_long():
    """Closing the window while torch is being imported must not end in an abort of Qt."""
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[2])}
    began = time.perf_counter()
    ran = subprocess.run(
        [sys.executable, "-c", EXIT], env=environment, capture_output=True, text=True, timeout=25
    )
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "ended: False\n", "")
    assert time.perf_counter() - began < 20


def test_a_forgotten_worker_is_not_collected_while_it_runs(qtbot, engine):
    engine.scripts["long"] = steps(1000, 0.01)
    worker = EngineWorker(engine.make)
    worker.submit(job(1, "long"))
    assert engine.made.wait(5)
    thread = engine.thread
    del worker
    gc.collect()
    qtbot.wait(30)
    (alive,) = (w for w in worker_module._ALIVE if w is thread)
    assert alive.isRunning()
    assert alive.stop()
    del alive, thread
    engine.thread = None
    qtbot.waitUntil(lambda: not worker_module._ALIVE)


def test_what_jobs_take_is_told_and_only_the_last_one_asked_counts(
    qtbot, worker, engine, heard
) -> None:
    class Asked(QObject):
        def __init__(self) -> None:
            super().__init__()
            self.told: list[tuple[Job, object]] = []
            worker.planned.connect(self.hear)

        @Slot(object, object)
        def hear(self, asked: Job, answer: object) -> None:
            self.told.append((asked, answer))

    engine.plan = lambda asked: f"About {asked.seed} s"
    engine.scripts["slow"] = steps(30, 0.01)
    asked = Asked()
    ticket = worker.submit(job(family="slow"))
    qtbot.waitUntil(lambda: bool(heard.of(ticket)))
    for seed in range(1, 6):
        worker.plan(job(seed))
    qtbot.waitUntil(lambda: any(j.seed == 5 for j, _ in asked.told))
    wait_all(qtbot, heard, [ticket])
    assert asked.told[-1] == (job(5), "About 5 s") and len(asked.told) < 5


def test_after_a_plan_the_device_is_known(qtbot, worker, engine) -> None:
    """Before, no one knows it: an engine tells of it once torch is here, which a plan imports."""

    class Asked(QObject):
        def __init__(self) -> None:
            super().__init__()
            self.devices: list[str] = []
            worker.measured.connect(self.hear)

        @Slot(object)
        def hear(self, memory: dict[str, object]) -> None:
            self.devices.append(str(memory["device"]))

    found = {"device": ""}
    engine.memory = lambda: dict(found)
    engine.plan = lambda asked: found.update(device="cpu") or "About 2 s"
    asked = Asked()
    worker.plan(job())
    qtbot.waitUntil(lambda: asked.devices == ["", "cpu"])
