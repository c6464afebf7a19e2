"""Which model is in use and which is on its way: the last one asked for wins.

Knows the worker that describes models and the catalogue that finds them, no values and no canvas.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PySide6.QtCore import QObject, Signal, Slot

from app.door import CatalogueLike
from app.tasks import Tasks
from app.worker import EngineWorker
from engines.controls import ModelCard
from engines.job import Cancelled, Failed, Job


@dataclass(frozen=True)
class Wish:
    """The model that is being described, and what to do once its card is here."""

    reference: str
    ticket: int
    job: Job | None = None  # a recipe to bring back
    keep: bool = True  # its first picture is a result the user asked for


class Models(QObject):
    """`card` is that of the model in use, None before the first one is there."""

    arrived = Signal(object)  # Wish: its model is `card` now
    failed = Signal(str, object)  # place, Failed

    def __init__(
        self,
        worker: EngineWorker,
        tasks: Tasks,
        catalogue: CatalogueLike,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self.card: ModelCard | None = None
        self.wish: Wish | None = None
        self._worker, self._tasks, self._catalogue = worker, tasks, catalogue
        worker.described.connect(self._on_described)

    def choose(self, reference: str, job: Job | None = None, keep: bool = True) -> None:
        """Have a model described; `arrived` follows, or `failed`."""
        self.give_up()
        ticket = self._worker.describe(reference)
        self.wish = Wish(reference, ticket, job, keep)
        self._tasks.add(f"Loading {Path(reference).name.partition('@')[0]}", ticket)
        self._tasks.begin(ticket)

    def choose_default(self, but: str = "") -> None:
        """The catalogue's default, where no model is in use yet and none is on its way."""
        entry = self._catalogue.default()
        if entry is None or self.card is not None or self.wish is not None:
            return
        if reference(entry) != but:
            self.choose(reference(entry), keep=False)

    def give_up(self) -> None:
        """Nothing is on its way any more."""
        if self.wish is not None:
            self._worker.cancel(self.wish.ticket)
            self._tasks.forget(self.wish.ticket)
            self.wish = None

    def cancel(self, ticket: int) -> None:
        """The user does not want to wait for it."""
        if self.wish is not None and self.wish.ticket == ticket:
            self.wish = None
            self._tasks.apply(ticket, Cancelled())

    def uses(self, job: Job) -> bool:
        """Whether it is the model of this job."""
        card = self.card
        return (
            card is not None
            and card.family == job.family
            and same_model(card.checkpoint, job.checkpoint)
        )

    @Slot(str, object)
    def _on_described(self, reference: str, answer: ModelCard | Failed) -> None:
        wish = self.wish
        if wish is None or wish.reference != reference:
            return
        self.wish = None
        if isinstance(answer, Failed):
            self._tasks.apply(wish.ticket, answer)
            self.failed.emit("model", answer)
            self.choose_default(but=reference)
        else:
            self._tasks.forget(wish.ticket)
            self.card = answer
            self.arrived.emit(wish)


def reference(entry: Any) -> str:
    """What names a model of the catalogue for good."""
    return f"{entry.name}@{entry.digest}"


def same_model(one: str, other: str) -> bool:
    """The digest decides; names may differ."""
    one_digest, other_digest = one.partition("@")[2], other.partition("@")[2]
    return one_digest == other_digest if one_digest and other_digest else one == other
