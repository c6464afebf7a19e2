"""What every test gets: no screen, user folders in tmp_path, and nothing left running behind it."""

from __future__ import annotations

import gc
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
os.environ.setdefault("OMP_NUM_THREADS", "1")

LEAVE_SECONDS = 3.0  # a thread or timer that was told to end has this long


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if {"qapp", "qtbot"} & set(getattr(item, "fixturenames", ())):
            item.add_marker("gui")


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Every user folder of the program lies below this one."""
    folder = tmp_path / "home"
    monkeypatch.setenv("GANVAS_HOME", str(folder))
    for name in ("CONFIG", "DATA", "CACHE", "STATE"):
        monkeypatch.setenv(f"XDG_{name}_HOME", str(folder / name.lower()))
    return folder


@pytest.fixture(autouse=True)
def no_lanes(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test converts a network by the way: engines find no library for it."""
    monkeypatch.setattr("engines.engine.find_spec", lambda _: None)


@pytest.fixture(autouse=True)
def nothing_left(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fails a test that leaves a thread or a timer of Qt running."""
    if request.node.get_closest_marker("gui") is None:
        yield
        return
    before = {id(thing) for thing in _running()}
    yield
    deadline = time.monotonic() + LEAVE_SECONDS
    while left := [thing for thing in _running() if id(thing) not in before]:
        if time.monotonic() > deadline:
            pytest.fail(f"left running: {', '.join(map(repr, left))}")
        _spin()


def _spin() -> None:
    from PySide6.QtCore import QCoreApplication, QEvent

    app = QCoreApplication.instance()
    if app is not None:
        app.sendPostedEvents(None, QEvent.Type.DeferredDelete)
        app.processEvents()
    gc.collect()
    time.sleep(0.01)


def _running() -> list[Any]:
    """Every QThread that runs and every QTimer that is active."""
    core = sys.modules.get("PySide6.QtCore")
    if core is None:
        return []
    from shiboken6 import isValid

    found = []
    for thing in gc.get_objects():
        kind = type(thing)
        if (issubclass(kind, core.QThread) and isValid(thing) and thing.isRunning()) or (
            issubclass(kind, core.QTimer) and isValid(thing) and thing.isActive()
        ):
            found.append(thing)
    main = core.QThread.currentThread()
    return [thing for thing in found if thing is not main]
