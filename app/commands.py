"""What undo takes back besides strokes: values, seed, recipes, deleted results."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from PySide6.QtGui import QUndoCommand

MERGE_SECONDS = 1.0  # changes of one control within this time are one step


class Change(QUndoCommand):
    """A value that was `before` and is `after`; quick changes of one `subject` are one step."""

    def __init__(
        self,
        text: str,
        subject: tuple[str, str],
        before: Any,
        after: Any,
        apply: Callable[[Any], None],
        merges: bool = True,
    ) -> None:
        super().__init__(text)
        self.subject, self.before, self.after = subject, before, after
        self.apply, self.merges = apply, merges
        self.at = time.monotonic()

    def id(self) -> int:
        return 0x6A17 if self.merges else -1

    def redo(self) -> None:
        self.apply(self.after)

    def undo(self) -> None:
        self.apply(self.before)

    def mergeWith(self, other: QUndoCommand) -> bool:
        if not isinstance(other, Change) or other.subject != self.subject:
            return False
        if other.at - self.at > MERGE_SECONDS:
            return False
        self.after, self.at = other.after, other.at
        self.setObsolete(self.after == self.before)
        return True


class Deletion(QUndoCommand):
    """Results that were taken out of the history."""

    def __init__(
        self,
        text: str,
        ids: list[str],
        remove: Callable[[list[str]], list[Any]],
        put_back: Callable[[list[Any]], None],
    ) -> None:
        super().__init__(text)
        self.ids, self.remove, self.put_back = ids, remove, put_back
        self.removed: list[Any] = []

    def redo(self) -> None:
        self.removed = self.remove(self.ids)

    def undo(self) -> None:
        self.put_back(self.removed)
