"""What lets the very first start show a picture before torch is here. To be run again whenever a
shipped model changes; a test says when that was forgotten.

`python resources/samples/first.py` opens the studio as it is installed, out of sight, and writes
first.png beside this file (the default starter's picture of its example) and ../loaded.json (what
loading each starter tells).
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent


def opened() -> dict[str, Any]:
    """ "DIGEST-FAMILY" -> what loading told, for every starter."""
    from engines.catalogue import Catalogue, split_reference
    from engines.engine import Engine

    engine, found = Engine("cpu", catalogue=Catalogue()), dict[str, Any]()
    for entry in Catalogue().entries():
        card = engine.load(entry.reference, entry.family).card
        _, digest = split_reference(card.checkpoint)
        found[f"{digest}-{card.family}"] = {
            "parameters": card.parameters,
            "notes": list(card.notes),
        }
    return found


def first(target: Path) -> None:
    """The studio's own picture of its first start."""
    from PySide6.QtWidgets import QApplication

    import app

    qapp = QApplication(["ganvas"])
    window = app.open_window()
    window.show()
    app._begin(window, [])
    last = window.studio.folder / "last.png"
    _wait(qapp, last.exists)
    window.close()
    _wait(qapp, lambda: not window.studio.worker.isRunning())
    shutil.copyfile(last, target)


def _wait(qapp: Any, done: Callable[[], bool]) -> None:
    end = time.monotonic() + 120
    while not done() and time.monotonic() < end:
        qapp.processEvents()
        time.sleep(0.01)


if __name__ == "__main__":
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    with tempfile.TemporaryDirectory() as home:
        os.environ["GANVAS_HOME"] = home
        (HERE.parent / "loaded.json").write_text(json.dumps(opened(), indent=1) + "\n", "utf-8")
        first(HERE / "first.png")
