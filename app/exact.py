"""What leaves the viewer is exact: whoever asks while a draft is shown waits for the exact picture
of that very draft, and what was asked for then happens by itself.

Knows no widget and no file.
"""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QObject, Signal

from app.results import Follow, Results, Shown
from engines.job import Event, Failed, Job, Picture, Result

Act = Callable[[Picture, Job], None]  # the exact picture and its recipe
LANE = "exact"


class Exact(QObject):
    """One wish waits at a time: a newer one takes its place."""

    waiting = Signal(bool)
    failed = Signal(object)  # Failed: the exact picture could not be made, the wish is dropped

    def __init__(
        self,
        results: Results,
        submit: Callable[[Job, str, Follow, str], int],
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._results, self._submit = results, submit
        self._wish: tuple[Job, Job, Act] | None = None  # the job as it was drafted, its recipe
        self._ticket = 0
        results.shown_changed.connect(self._on_shown)
        results.failed.connect(self._on_trouble)

    def ask(self, act: Act) -> bool:
        """Call act(picture, recipe) with what is shown: now, or once it is exact. False if nothing
        is shown."""
        shown, recipe = self._results.shown, self._results.recipe()
        if shown is None or recipe is None:
            return False
        if not shown.result.draft:
            self._wish = None
            act(shown.picture, recipe)
            return True
        self._wish, self._ticket = (shown.job, recipe, act), 0
        self.waiting.emit(True)
        self._results.pause()
        return True

    def move_on(self) -> None:
        """The desk is about to change: its exact picture will be another one, so that what is
        waited for is computed by itself."""
        if self._wish is not None and not self._ticket:
            self._ticket = self._submit(self._wish[0], "The exact picture", self._on_event, LANE)

    def drop(self) -> None:
        if self._wish is not None:
            self._wish = None
            self.waiting.emit(False)

    def _on_shown(self, shown: Shown) -> None:
        if self._wish is not None and shown.job is self._wish[0] and not shown.result.draft:
            self._go_on(shown.picture)

    def _on_event(self, ticket: int, event: Event) -> None:
        if self._wish is None or ticket != self._ticket:
            return
        if isinstance(event, Result) and event.pictures:
            self._go_on(event.picture)
        elif isinstance(event, Failed):
            self.failed.emit(event)
            self.drop()

    def _on_trouble(self, place: str, _failed: Failed) -> None:
        """What the desk asks for failed, and told so."""
        if place in ("result", "model") and not self._ticket:
            self.drop()

    def _go_on(self, picture: Picture) -> None:
        assert self._wish is not None
        _, recipe, act = self._wish
        self.drop()
        act(picture, recipe)
