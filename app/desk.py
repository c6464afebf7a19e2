"""The desk as it lies: drawing, pictures, model, values. Saved as it changes, back after a kill.

Knows no widget: a snapshot comes in as frozen values and is written in the background, whole or
not at all.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from PySide6.QtCore import QObject, QTimer, Signal

from app.background import Background
from app.settings import set_aside, write_json
from engines.job import Job, JobError, Value

log = logging.getLogger("desk")


@dataclass(frozen=True)
class Snapshot:
    """Everything that a restart brings back.

    job         drawings, pictures, model and seed; a desk without a model has checkpoint ""
    remembered  checkpoint -> its values, for every model used so far
    sheet       (width, height) of the canvas that the model last asked for
    """

    job: Job
    remembered: Mapping[str, Mapping[str, Value]] = field(
        default_factory=dict[str, Mapping[str, Value]]
    )
    sheet: tuple[int, int] | None = None

    def to_dict(self) -> dict[str, Any]:
        return {
            "desk": 1,
            "job": json.loads(self.job.to_json()),
            "remembered": {key: dict(values) for key, values in self.remembered.items()},
            "sheet": self.sheet,
        }

    @classmethod
    def from_dict(cls, body: Any) -> Snapshot:
        """Raises JobError if it is none."""
        try:
            sheet = body["sheet"]
            return cls(
                Job.from_json(json.dumps(body["job"])),
                {str(key): dict(values) for key, values in body["remembered"].items()},
                (int(sheet[0]), int(sheet[1])) if sheet else None,
            )
        except (LookupError, TypeError, ValueError, AttributeError) as error:
            raise JobError("This is no desk of Ganvas.") from error


class Desk(QObject):
    """Saves what `snapshot` gives, at most once per `delay`, and not before `open` has answered.

    Otherwise an empty desk could replace the one that is still being read.
    """

    failed = Signal(str)  # one sentence
    saved = Signal()

    def __init__(
        self,
        path: str | Path,
        background: Background,
        snapshot: Callable[[], Snapshot],
        delay: float = 2.0,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self.path = Path(path)
        self.delay = delay  # seconds
        self._background, self._snapshot = background, snapshot
        self._opened = self._writing = self._dirty = self._complained = False
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.timeout.connect(self._save)

    def open(self, then: Callable[[Snapshot | None], None]) -> None:
        """Read the desk of the last session; `then` gets None where there is none."""

        def opened(answer: Any) -> None:
            note = ""
            if isinstance(answer, Exception):
                log.error("the desk could not be read: %s", answer)
                note, answer = set_aside(self.path, "The desk"), None
            then(answer)
            self._opened = True
            if note:
                self.failed.emit(note)

        self._background.do(self._read, opened)

    def save_soon(self) -> None:
        self._dirty = True
        if self._opened and not self._timer.isActive():
            self._timer.start(int(self.delay * 1000))

    def close(self) -> None:
        """Save what is not saved yet; call before the background finishes."""
        self._timer.stop()
        if self._opened and self._dirty:
            self._write()

    def _save(self) -> None:
        if self._writing:
            self._timer.start(int(self.delay * 1000))
        else:
            self._write()

    def _write(self) -> None:
        self._dirty, self._writing = False, True
        snapshot = self._snapshot()
        self._background.do(lambda: write_json(self.path, snapshot.to_dict(), None), self._written)

    def _written(self, answer: Any) -> None:
        self._writing = False
        if isinstance(answer, Exception):
            log.error("the desk could not be saved: %s", answer)
            if not self._complained:
                reason = getattr(answer, "strerror", None) or type(answer).__name__
                self.failed.emit(f"The desk could not be saved: {reason}.")
            self._complained = True
        else:
            self._complained = False
            self.saved.emit()

    def _read(self) -> Snapshot | None:
        for torn in self.path.parent.glob(f".{self.path.name}.*.part"):
            torn.unlink(missing_ok=True)
        if not self.path.exists():
            return None
        return Snapshot.from_dict(json.loads(self.path.read_text("utf-8")))
