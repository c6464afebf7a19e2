"""What every desk answers in the same way: a failure, the wipe, another seed, a setting."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QObject

from engines.job import Failed

if TYPE_CHECKING:
    from app.studio import Studio
    from engines.videofile import Clip


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
