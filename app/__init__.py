"""start(): the studio in a window. What computes is imported by the worker's thread, after show."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from app.settings import Settings
    from app.window import MainWindow

log = logging.getLogger("studio")

TURN = 0.001  # seconds of Python that another thread has before the GUI's thread comes to its turn


def start(argv: Sequence[str] = ()) -> int:
    """Open the window, and in it the files named in `argv`. Gives the exit code."""
    from PySide6.QtCore import QTimer
    from PySide6.QtWidgets import QApplication

    logging.basicConfig(
        level=os.environ.get("GANVAS_LOG", "WARNING").upper(),
        format="%(asctime)s %(name)s %(levelname)s %(message)s",
    )
    running = QApplication.instance()
    app = running if isinstance(running, QApplication) else QApplication(["ganvas"])
    app.setApplicationName("Ganvas")
    app.setDesktopFileName("ganvas")
    window = open_window()
    sys.excepthook = _caught
    window.show()
    files = [argument for argument in argv if not argument.startswith("-")]
    QTimer.singleShot(0, lambda: _begin(window, files))
    return app.exec()


def open_window(**changes: Any) -> MainWindow:
    """The window with all behind it, not yet shown and with nothing loaded."""
    sys.setswitchinterval(TURN)
    from PySide6.QtWidgets import QApplication

    from app import i18n, theme
    from app.settings import Settings
    from app.studio import Studio
    from app.window import MainWindow
    from app.worker import EngineWorker
    from engines.catalogue import Catalogue
    from engines.folders import data_folder

    settings = changes.get("settings") or Settings()
    app = QApplication.instance()
    assert isinstance(app, QApplication)
    theme.apply(app, settings.get("theme"))
    i18n.set_language(settings.get("language"))
    catalogue = changes.get("catalogue") or Catalogue()
    worker = changes.get("worker") or EngineWorker(lambda: engine(settings, catalogue))
    return MainWindow(Studio(worker, settings, data_folder(), catalogue))


def engine(settings: Settings, catalogue: Any) -> Any:
    """The engine as the settings want it. Called in the worker's thread: here torch comes in."""
    from engines import Engine

    precisions = ("fp32", "bf16", "int8")  # those up to the one that the settings name
    drafts = precisions[: precisions.index(settings.get("draft_precision")) + 1]
    gigabytes = settings.get("memory_budget")
    return Engine(
        settings.get("device"),
        int(gigabytes * 1024**3) or None,
        catalogue,
        half=settings.get("precision") != "full",
        cpu_fallback=settings.get("cpu_fallback"),
        lanes=drafts if settings.get("drafts") else (),
    )


def _begin(window: MainWindow, files: list[str]) -> None:
    """The window is on the screen: bring back the desk, load the model, open what was asked for."""
    studio = window.studio
    studio.background.do(lambda: studio.catalogue.entries())
    studio.start()
    window.open_files(files)


def _caught(kind: type[BaseException], error: BaseException, trace: Any) -> None:
    """A mistake of ours must not end the program: the desk is saved, the log tells."""
    log.error("unexpected failure", exc_info=(kind, error, trace))
