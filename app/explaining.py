"""What the discriminator of a face model sees, asked for once the hand rests, and only while the
view is open."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, QTimer

from app.faces import FacesRoom
from engines.controls import ModelCard
from engines.job import Event, Failed, Job, Result

if TYPE_CHECKING:
    from app.studio import Studio

EXPLAIN = "explain"  # the control of models that can, and the lane
JUDGED = ("stargan",)  # families whose files may come without what is needed
REST_MS = 150  # after the last result
EMPTY = "It shows when there is a result."
WAITING = "The discriminator is looking…"
MISSING = (
    "This model came without its discriminator: drop that here (200000-D.ckpt), or open a folder "
    "that holds both."
)
UNKNOWN = (
    "This is seen by the small net that labels photos: the discriminator, whose source map is "
    "missing here, stays with a model that is trained with keep_discriminator = true."
)


class Explaining(QObject):
    def __init__(self, room: FacesRoom, studio: Studio) -> None:
        super().__init__(room)
        self._room, self._studio = room, studio
        self._asked: Job | None = None
        self._ticket = 0
        self._rest = QTimer(self, singleShot=True, interval=REST_MS)
        self._rest.timeout.connect(self._ask)
        room.explain.toggled.connect(self._on_toggled)
        room.judged.close_.clicked.connect(lambda: room.explain.setChecked(False))
        studio.result_shown.connect(self._on_result)

    def adopt(self, card: ModelCard | None) -> None:
        """Another model: what was told is of the one before."""
        explains = card is not None and (self._can(card) or card.family in JUDGED)
        self._room.explain.setVisible(explains)
        if not explains:
            self._room.explain.setChecked(False)
        self._asked = None
        self._room.judged.show_judged((), EMPTY if card and self._can(card) else MISSING)

    def _can(self, card: ModelCard) -> bool:
        return card.control(EXPLAIN) is not None

    def _on_toggled(self, on: bool) -> None:
        self._room.judged.setVisible(on)
        if on:
            self._ask()

    def _on_result(self, *_: object) -> None:
        if self._room.in_use() and self._room.explain.isChecked():
            self._rest.start()

    def _ask(self) -> None:
        card, shown = self._studio.card, self._studio.shown
        if card is None or shown is None or not self._can(card):
            return
        if shown.job.checkpoint != card.checkpoint or not self._room.explain.isChecked():
            return
        alone = {EXPLAIN: True, "targets": "one", "output": "crop"}
        job = shown.job.with_(values={**shown.job.values, **alone})
        if self._asked is None or job.digest != self._asked.digest:
            self._asked = job
            if not self._room.judged.sentence.isHidden():
                self._room.judged.show_judged((), WAITING)
            self._ticket = self._studio.submit(job, "Explain", self._on_event, EXPLAIN)

    def _on_event(self, ticket: int, event: Event) -> None:
        if ticket != self._ticket or self._asked is None:
            return
        if isinstance(event, Result):
            whole = all(one.source for one in event.judged)
            self._room.judged.show_judged(event.judged, "" if whole else UNKNOWN)
        elif isinstance(event, Failed):
            self._room.judged.show_judged((), event.message)
