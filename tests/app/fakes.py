"""Stand-ins at the seam between the studio and the engine: scripted, without torch."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PySide6.QtCore import QObject, QThread, Slot

from engines.controls import Choice, ModelCard, SketchInput, SketchStats, Slider, Toggle
from engines.job import Cancelled, Event, Failed, Job, Picture, Preview, Progress, Result


class FakeError(Exception):
    """Shaped like EngineError."""

    def __init__(self, kind: str, message: str, details: str = "") -> None:
        super().__init__(message)
        self.kind, self.details = kind, details


def picture(value: int = 0, size: tuple[int, int] = (8, 6), channels: int = 3) -> Picture:
    shape = (size[1], size[0]) if channels == 1 else (size[1], size[0], channels)
    return Picture(np.full(shape, value % 256, np.uint8))


def card(name: str = "clothes", digest: str = "0123456789abcdef", **changes: Any) -> ModelCard:
    body: dict[str, Any] = {
        "family": "pix2pix",
        "title": name.title(),
        "controls": (
            SketchInput("canvas", "Drawing", "edges", (192, 256)),
            SketchInput("hints", "Colours", "hints", (192, 256), optional=True),
            Slider("strength", "Variation", 0, 1, 0.01, 0.2),
            Choice(
                "norm",
                "Normalisation",
                (("trained", "As trained"), ("frozen", "Frozen")),
                "trained",
            ),
            Toggle("dropout", "Dropout noise", True),
        ),
        "rooms": ("draw",),
        "seeded": True,
        "sketch": SketchStats((0.01, 0.1), (0.005, 0.02), (0.4, 0.9)),
        "checkpoint": f"{name}@{digest}",
    }
    return ModelCard(**{**body, **changes})


def single_pass(job: Job) -> Iterator[Event]:
    """A picture whose grey is the seed, at once."""
    yield Result((picture(job.seed),), seconds=0.02)


def steps(n: int, seconds: float = 0.0, every: int = 10) -> Callable[[Job], Iterator[Event]]:
    """A script of n steps with a preview every so often."""

    def script(job: Job) -> Iterator[Event]:
        for i in range(n):
            time.sleep(seconds)
            yield Progress(i + 1, n)
            if (i + 1) % every == 0:
                yield Preview(picture(i))
        yield Result((picture(job.seed),), seconds=n * seconds)

    return script


class FakeEngine:
    """Runs the script that `scripts` holds for the job's family, else a single pass.

    log lists what was run, in order, exact whether it was no draft; drafts is whether a draft
    differs from the exact picture (by one step of grey). closed counts the generators that were
    closed or ran out.
    """

    def __init__(self, seconds: float = 0.0) -> None:
        self.seconds = seconds
        self.scripts: dict[str, Callable[[Job], Iterator[Event]]] = {}
        self.cards: dict[str, ModelCard] = {}
        self.log: list[Job] = []
        self.exact: list[bool] = []
        self.drafts = False
        self.closed = 0
        self.thread: QThread | None = None
        self.made = threading.Event()

    def make(self) -> FakeEngine:
        """The factory for a worker."""
        self.thread = QThread.currentThread()
        self.made.set()
        return self

    def run(self, job: Job, draft: bool = False) -> Iterator[Event]:
        assert QThread.currentThread() is self.thread
        self.log.append(job)
        self.exact.append(not draft)
        try:
            time.sleep(self.seconds)
            if draft and self.drafts:
                yield Result((picture(job.seed + 1),), seconds=0.01, draft=True)
            else:
                yield from self.scripts.get(job.family, single_pass)(job)
        finally:
            self.closed += 1

    def describe(self, reference: str) -> ModelCard:
        for name, known in self.cards.items():
            if reference in (name, known.checkpoint):
                return known
        raise FakeError("missing-model", f"There is no model named “{reference}”.")

    def plan(self, job: Job) -> str:
        return ""

    def memory(self) -> dict[str, Any]:
        return {"used": 10_000_000, "budget": 1_000_000_000, "device": "cpu"}


class Listener(QObject):
    """Collects a worker's events, in the GUI thread, with their times of arrival."""

    def __init__(self, worker: Any) -> None:
        super().__init__()
        self.events: list[tuple[int, Event]] = []
        self.times: list[float] = []
        self.answers: list[tuple[str, Any]] = []
        self.idle = 0
        self.home = QThread.currentThread()
        self.foreign = 0
        worker.happened.connect(self.hear)
        worker.described.connect(self.answer)
        worker.inspected.connect(self.answer)
        worker.idle.connect(self.rest)

    @Slot(int, object)
    def hear(self, ticket: int, event: Event) -> None:
        self.foreign += QThread.currentThread() is not self.home
        self.events.append((ticket, event))
        self.times.append(time.perf_counter())

    @Slot(str, object)
    def answer(self, subject: str, answer: Any) -> None:
        self.answers.append((subject, answer))

    @Slot()
    def rest(self) -> None:
        self.idle += 1

    def of(self, ticket: int) -> list[Event]:
        return [event for t, event in self.events if t == ticket]

    def last(self, ticket: int) -> Event | None:
        """The terminal event of a ticket, None while there is none."""
        ends = [e for e in self.of(ticket) if isinstance(e, Result | Failed | Cancelled)]
        assert len(ends) <= 1, ends
        return ends[0] if ends else None


@dataclass(frozen=True)
class FakeEntry:
    name: str
    digest: str
    title: str = ""
    family: str = ""
    rooms: tuple[str, ...] = ()

    @property
    def reference(self) -> str:
        return f"{self.name}@{self.digest}"


@dataclass(frozen=True)
class FakeVerdict:
    kind: str = "model"
    digest: str = ""
    families: tuple[str, ...] = ()
    message: str = ""


class FakeCatalogue:
    """Models by name, digest or path; `add` takes files named name-digest.pth."""

    def __init__(self, *cards: ModelCard) -> None:
        self.known: list[FakeEntry] = []
        self.families: dict[str, str] = {}
        for known in cards:
            self.put(known.checkpoint, known.rooms)

    def put(self, checkpoint: str, rooms: tuple[str, ...] = ()) -> FakeEntry:
        name, _, digest = checkpoint.partition("@")
        entry = FakeEntry(name, digest, family=self.families.get(digest, ""), rooms=rooms)
        self.known.append(entry)
        return entry

    def house(self, reference: str, rooms: tuple[str, ...]) -> None:
        """Where these models are at home does not matter here."""

    def find(self, reference: str, family: str = "") -> FakeEntry | None:
        name, _, digest = reference.partition("@")
        for entry in self.known:
            if (digest and digest == entry.digest) or (not digest and name == entry.name):
                return entry
        return None

    def add(self, path: str | Path, family: str = "") -> FakeEntry:
        name, _, digest = Path(path).stem.partition("-")
        if family:
            self.families[digest] = family
        return self.put(f"{name}@{digest}")

    def entries(self) -> tuple[FakeEntry, ...]:
        return tuple(self.known)

    def default(self) -> FakeEntry | None:
        return self.known[0] if self.known else None


class FakeCanvas:
    """Holds a picture and strokes, as the sketch canvas does."""

    def __init__(self, size: tuple[int, int] = (8, 6)) -> None:
        self.size, self.ink = size, 255
        self.restored: list[Job] = []

    def picture(self) -> Picture:
        return picture(self.ink, self.size, 1)

    def drawing(self) -> dict[str, Any]:
        return {"size": list(self.size), "ink": self.ink}

    def restore(self, job: Job) -> None:
        self.restored.append(job)
        drawing = job.drawings.get("canvas")
        if drawing:
            self.size, self.ink = (drawing["size"][0], drawing["size"][1]), drawing["ink"]
