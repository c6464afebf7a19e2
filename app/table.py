"""What every desk answers in the same way: a failure, the wipe, another seed, a setting; and for
those whose jobs take their time, what the next one will take."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QObject, QTimer, Slot

from engines.job import Failed

if TYPE_CHECKING:
    from app.studio import Studio
    from engines.videofile import Clip

QUIET_MS = 300  # after the last change, before it is asked what a job would take


class Table(QObject):
    """What lies in a room, and how Studio is asked for what comes of it."""

    room: Any  # a Room; the desk says which
    studio: Studio

    def ask_wells(self, roles: Iterable[str]) -> None:
        """These pictures come from the wells beside the controls."""
        for role in roles:
            self.studio.register_source(role, lambda role=role: self.room.controls.picture(role))

    def show_failure(self, failed: Failed) -> None:
        if self.studio.shown is None:
            self.room.viewer.set_message(failed.message, "Run", failed=True)

    def take_video(self, clip: Clip) -> bool:
        """A film by drop or file; False where none can lie."""
        return False

    def set_wipe(self, on: bool) -> None:
        self.room.viewer.set_wipe(on)

    def surprise(self) -> None:
        """Another seed."""
        self.studio.surprise_me()

    def take_setting(self, name: str, value: Any) -> None:
        """No setting concerns this room alone."""


class Foresight(QObject):
    """Once the hand rests, has the room show what the desk's job would take."""

    def __init__(self, room: Any, studio: Studio) -> None:
        super().__init__(room)
        self._room, self._studio = room, studio
        self._quiet = QTimer(self, singleShot=True, interval=QUIET_MS)
        self._quiet.timeout.connect(self._ask)
        studio.value_changed.connect(self.soon)
        studio.tasks_changed.connect(self._on_tasks)
        studio.planned.connect(self._tell)

    def soon(self, *_: object) -> None:
        self._quiet.start()

    @Slot()
    def _on_tasks(self) -> None:
        if not self._studio.tasks.running():
            self.soon()

    def _ask(self) -> None:
        if self._room.in_use() and not self._studio.tasks.running():
            self._studio.plan()

    @Slot(str)
    def _tell(self, sentence: str) -> None:
        if self._room.in_use():
            self._room.show_plan(sentence)
