"""Through the door come dropped paths and go exported files; both off the GUI thread."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from PySide6.QtCore import QObject, Signal, Slot

from app.background import Background, sentence
from app.export import What, export
from app.opening import Folder, Pair, PaletteFile, Recipe, Video, open_file
from app.tasks import Tasks
from app.worker import EngineWorker
from engines.folders import keep_finder
from engines.job import Failed, Job, Picture, save_png


class CatalogueLike(Protocol):
    """What is asked of engines.catalogue.Catalogue; its entries have name, digest and family."""

    def find(self, reference: str, family: str = "") -> Any | None: ...
    def add(self, path: str | Path) -> Any: ...
    def default(self) -> Any | None: ...
    def entries(self) -> Any: ...
    def house(self, reference: str, rooms: tuple[str, ...]) -> None: ...
    def use_for(self, reference: str, preset: str) -> None: ...


class Door(QObject):
    failed = Signal(str, object)  # place, Failed
    recipe_opened = Signal(object, object)  # Job, Picture | None
    picture_opened = Signal(object, object)  # Picture, the Path it came from
    video_opened = Signal(object)  # Clip
    palette_opened = Signal(str)  # path
    folder_opened = Signal(str, int)  # path, pictures in it
    reported = Signal(object)  # Verdict
    tie = Signal(object)  # Verdict
    model_added = Signal(str)  # "name@digest"
    exported = Signal(str)  # path
    finder_added = Signal(str)  # name of the file that finds faces from now on

    def __init__(
        self,
        worker: EngineWorker,
        tasks: Tasks,
        catalogue: CatalogueLike,
        background: Background,
        model: Callable[[], Path | None],
        parent: QObject | None = None,
    ) -> None:
        """model: where the one in use lies, to which a discriminator may be dropped."""
        super().__init__(parent)
        self._model = model
        self._worker, self._tasks = worker, tasks
        self._catalogue, self._background = catalogue, background
        self._inspecting: dict[str, int] = {}  # path -> ticket
        self._ties: dict[str, str] = {}  # digest -> path
        worker.inspected.connect(self._on_inspected)

    def open_path(self, path: str | Path) -> None:
        path, model = Path(path), self._model()
        self._background.do(
            lambda: open_file(path, model), lambda answer: self._on_opened(path, answer)
        )

    def settle_tie(self, digest: str, family: str) -> None:
        path = self._ties.pop(digest, None)
        if path is not None:
            self._add(path, family)

    def export(
        self, picture: Picture, job: Job, path: Path, what: What, quality: int, caption: str = ""
    ) -> None:
        self._background.do(
            lambda: export(picture, job, path, what, quality, caption),
            lambda answer: self._on_exported(path, answer),
        )

    def _on_opened(self, path: Path, answer: Any) -> None:
        path = answer.folder if isinstance(answer, Pair) else path
        if isinstance(answer, Exception):
            self.failed.emit("drop", Failed("input", sentence(answer)))
        elif isinstance(answer, Recipe):
            self.recipe_opened.emit(answer.job, answer.picture)
        elif isinstance(answer, PaletteFile):
            self.palette_opened.emit(str(path))
        elif isinstance(answer, Folder):
            self.folder_opened.emit(str(path), answer.pictures)
        elif isinstance(answer, Picture):
            self.picture_opened.emit(answer, path)
        elif isinstance(answer, Video):
            self.video_opened.emit(answer.clip)
        elif str(path) not in self._inspecting:
            ticket = self._inspecting[str(path)] = self._worker.inspect(str(path))
            self._tasks.add(f"Reading {path.name}", ticket)
            self._tasks.begin(ticket)

    @Slot(str, object)
    def _on_inspected(self, path: str, answer: Any) -> None:
        ticket = self._inspecting.pop(path, None)
        if ticket is None:
            return
        self._tasks.forget(ticket)
        if isinstance(answer, Failed):
            self.failed.emit("drop", answer)
            return
        self.reported.emit(answer)
        if answer.kind == "finder":
            finder = Path(path)
            self._background.do(lambda: keep_finder(finder), self._on_finder)
        elif answer.kind != "model":
            self.failed.emit("drop", Failed("checkpoint", answer.message))
        elif len(answer.families) > 1 and not self._known_family(answer.digest):
            self._ties[answer.digest] = path
            self.tie.emit(answer)
        else:
            self._add(path, answer.families[0] if len(answer.families) == 1 else "")

    def _known_family(self, digest: str) -> str:
        entry = self._catalogue.find(f"@{digest}")
        return getattr(entry, "family", "") if entry is not None else ""

    def _add(self, path: str, family: str = "") -> None:
        catalogue = self._catalogue

        def add() -> Any:
            return catalogue.add(path, family) if family else catalogue.add(path)  # type: ignore

        self._background.do(add, self._on_added)

    def _on_added(self, answer: Any) -> None:
        if isinstance(answer, Exception):
            self.failed.emit("drop", Failed("checkpoint", sentence(answer)))
        else:
            self.model_added.emit(f"{answer.name}@{answer.digest}")

    def _on_finder(self, answer: Any) -> None:
        if isinstance(answer, Exception):
            self.failed.emit("drop", Failed("disk", sentence(answer)))
        else:
            self.finder_added.emit(answer.name)

    def _on_exported(self, path: Path, answer: Any) -> None:
        if isinstance(answer, Exception):
            self.failed.emit("export", Failed("export", sentence(answer)))
        else:
            self.exported.emit(str(path))


def kept_for_drag(folder: Path, picture: Picture, job: Job, kept: Path | None) -> Path:
    """A PNG with its recipe for another program to take, under a name for people. A result that
    the history keeps is on disk already; only a picture of this moment is written here."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{job.checkpoint.partition('@')[0] or job.family}-{job.digest[:8]}.png"
    if not path.exists():
        if kept is not None and kept.exists():
            shutil.copyfile(kept, path)
        else:
            save_png(picture, job, path)
    return path
