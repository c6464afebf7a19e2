"""What a person feels, through the real window with its real engine: starting, drawing, cancelling.

Runs offscreen unless QT_QPA_PLATFORM says otherwise, with user folders of its own.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

from benchmarks.table import Row, milliseconds, share

ROOT = Path(__file__).resolve().parent.parent
TICK_MS = 16  # one frame of a screen at 60 Hz
PAINTERS = ("labels-to-facade", "labels-to-street")
PATIENCE = 120.0  # seconds for one picture
SHIRT = ((70, 40), (36, 60), (12, 110), (40, 126), (52, 100), (50, 224), (96, 230), (142, 224),
         (140, 100), (152, 126), (180, 110), (156, 60), (122, 40), (96, 62), (70, 40))  # fmt: skip


def rows(quick: bool = False) -> list[Row]:
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    with tempfile.TemporaryDirectory() as home:
        os.environ["GANVAS_HOME"] = home
        return [*_starts(1 if quick else 5), *_desk(quick, Path(home)), *_lanes(quick, Path(home))]


# ---- starting ------------------------------------------------------------------------------------


def _starts(rounds: int) -> list[Row]:
    """Whole processes, from the call to the first paint and to the first photo."""
    cold, *told = [_start() for _ in range(rounds + 1)]  # the first one fills the caches
    visible, first = ([t[name] for t in told] for name in ("visible", "picture"))
    memory = max(t["memory"] for t in told)
    return [
        Row("start to window painted", milliseconds(visible), "0.8 s"),
        Row(
            "the very first start to first photo",
            milliseconds([cold["picture"]]),
            "4 s",
            "the one that ships",
        ),
        Row("start to first photo", milliseconds(first), "1.5 s", "that of the last session"),
        Row("memory of the window, before torch", f"{memory / 1e6:.0f} MB", "400 MB"),
    ]


def _start() -> dict[str, float]:
    call = [sys.executable, "-m", "benchmarks.studio", str(time.time())]
    ended = subprocess.run(call, cwd=ROOT, capture_output=True, text=True, check=True)
    return json.loads(ended.stdout.splitlines()[-1])


def _started(began: float) -> dict[str, float]:
    """In the process that is measured: seconds since `began` (time.time() of its caller)."""
    from PySide6.QtWidgets import QApplication

    import app

    qapp = QApplication(["ganvas"])
    window = app.open_window()
    window.show()
    _wait(qapp, lambda: _is_exposed(window))
    qapp.processEvents()
    visible = time.time() - began
    memory = _resident()
    app._begin(window, [])
    _wait(qapp, lambda: window.studio.shown is not None)
    picture = time.time() - began
    _wait(qapp, (window.studio.folder / "last.png").exists)  # for the next start
    window.close()
    _wait(qapp, lambda: not window.studio.worker.isRunning())
    return {"visible": visible, "picture": picture, "memory": memory}


def _resident() -> int:
    """Bytes that this process has in memory."""
    import psutil

    return psutil.Process().memory_info().rss


def _is_exposed(window: Any) -> bool:
    handle = window.windowHandle()
    return handle is not None and handle.isExposed()


# ---- drawing -------------------------------------------------------------------------------------


def _desk(quick: bool, home: Path) -> list[Row]:
    """What torch alone does."""
    from app.settings import Settings

    Settings().set("drafts", False)
    desk = Desk()
    found: list[Row] = []
    if desk.studio.catalogue.default() is not None:
        desk.wait(lambda: desk.studio.shown is not None)
        found += desk.measure("stroke to photo, starter", 5 if quick else 60, "40 ms")
    desk.open(_official(home / "official"))
    found += desk.measure("stroke to photo, official U-Net 256", 3 if quick else 20, "60 ms")
    found += [desk.gaps(2 if quick else 20), desk.cancel(1 if quick else 5)]
    desk.close()
    Settings().set("drafts", True)
    return found


def _lanes(quick: bool, home: Path) -> list[Row]:
    """The same strokes with drafts by converted networks, once these are there."""
    desk = Desk()
    found: list[Row] = []
    desk.wait(lambda: desk.studio.card is not None)
    starter = desk.studio.catalogue.default()
    if starter is not None:
        desk.choose(starter.reference)  # the window opens with the model of the last time
        lane = desk.prepare()
        found += desk.measure(f"stroke to photo, starter, {lane}", 5 if quick else 60, "40 ms")
    for name in PAINTERS:
        entry = desk.studio.catalogue.find(name)
        if entry is None:
            continue
        desk.choose(entry.reference)
        lane = desk.prepare()
        what = f"painted label to photo, {name}, {lane}"
        found += desk.measure(what, 5 if quick else 30, canvas=desk.window.paint.canvas)
    desk.open(home / "official" / "latest_net_G.pth")
    lane = desk.prepare()
    name = f"stroke to photo, official U-Net 256, {lane}"
    found += desk.measure(name, 3 if quick else 20, "60 ms")
    desk.close()
    return found


def _official(folder: Path) -> Path:
    """The official U-Net 256 with random weights, in a file as the reference saves it."""
    import torch

    from engines.families.pix2pix.build import build
    from engines.families.pix2pix.config import UNetConfig

    folder.mkdir()
    torch.manual_seed(0)
    torch.save(build(UNetConfig()).state_dict(), folder / "latest_net_G.pth")
    return folder / "latest_net_G.pth"


class Desk:
    """The window, opened, with hands."""

    def __init__(self) -> None:
        from PySide6.QtWidgets import QApplication

        import app

        running = QApplication.instance()
        self.qapp = running if isinstance(running, QApplication) else QApplication(["ganvas"])
        self.window = app.open_window()
        self.studio, self.canvas = self.window.studio, self.window.room.canvas
        self.window.resize(1440, 900)
        self.window.show()
        self.wait(lambda: _is_exposed(self.window))
        app._begin(self.window, [])

    def wait(self, done: Callable[[], bool]) -> None:
        _wait(self.qapp, done)

    def open(self, path: Path) -> None:
        """Drop a weights file, and wait until its photo of the desk is shown."""
        before = self.studio.card
        self.studio.open_path(path)
        self.wait(lambda: self.studio.card is not None and self.studio.card is not before)
        self.wait(self._is_current)

    def choose(self, reference: str) -> None:
        """Take a model of the catalogue, and wait until its photo of the desk is shown."""
        self.studio.choose_model(reference)
        self.wait(lambda: self.studio.card is not None and self.studio.card.checkpoint == reference)
        self.wait(self._is_current)

    def prepare(self) -> str:
        """Ask for the same picture until its lane is there, or will not come; what it then is."""
        end = time.perf_counter() + 3 * PATIENCE
        lane = ""
        while time.perf_counter() < end:
            self._once_more()
            lane, _, why = self.studio.status.lane.partition(": ")
            if why:
                return lane
            if lane != "PyTorch":  # it is being made, and nothing else runs meanwhile; or is here
                self.studio.worker._engine._workshop.wait()  # type: ignore[union-attr]
                self._once_more()
                return self.studio.status.lane.partition(": ")[0]
        return lane

    def _once_more(self) -> None:
        """The photo of the desk as it is, computed anew."""
        before = self.studio.shown
        self.studio.touch()
        self.wait(lambda: self.studio.shown is not before and self._is_settled())

    def _is_settled(self) -> bool:
        return self._is_current() and not self.studio._results.under_way()

    def measure(self, name: str, count: int, target: str = "", canvas: Any = None) -> list[Row]:
        """From each mouse event of a stroke to the photo of it in the viewer, one at a time."""
        from PySide6.QtCore import QPointF, Qt
        from PySide6.QtTest import QTest

        canvas = canvas or self.canvas
        width, height = canvas.vectors.size
        left = Qt.MouseButton.LeftButton
        places = [QPointF(x / 192 * width, y / 256 * height) for x, y in SHIRT]
        times, engine, n = [], [], 0
        while len(times) < count:
            begin, *rest = (canvas.to_view(p).toPoint() for p in places)
            QTest.mousePress(canvas, left, pos=begin)
            self.wait(self._is_current)
            for place in rest:
                started = time.perf_counter()
                QTest.mouseMove(canvas, place)
                self.wait(self._is_current)
                times.append(time.perf_counter() - started)
                engine.append((self.studio.status.engine_ms or 0.0) / 1000)
            QTest.mouseRelease(canvas, left, pos=rest[-1])
            self.wait(self._is_current)
            n += 1
            places = [QPointF((p.x() + 5 * n) % width, (p.y() + 3 * n) % height) for p in places]
        note = f"of which engine {milliseconds(engine[:count])}"
        return [Row(name, milliseconds(times[:count]), target, note)]

    def gaps(self, seconds: float) -> Row:
        """Between ticks of a timer in the GUI thread, while the worker is never idle."""
        from PySide6.QtCore import Qt, QTimer

        ticks: list[float] = []
        timer = QTimer(self.window)
        timer.setTimerType(Qt.TimerType.PreciseTimer)
        timer.timeout.connect(lambda: ticks.append(time.perf_counter()))
        runs = self._keep_busy(seconds)
        timer.start(TICK_MS)
        end = time.perf_counter() + seconds
        self.wait(lambda: time.perf_counter() > end)
        timer.stop()
        self.studio.cancel_all()
        gaps = sorted(b - a for a, b in pairwise(ticks))
        note = (
            f"median {1000 * share(gaps, 0.5):.1f} ms, longest {1000 * gaps[-1]:.1f}, {runs} jobs"
        )
        return Row(
            "gap between GUI frames, p99", f"{1000 * share(gaps, 0.99):.1f} ms", "20 ms", note
        )

    def cancel(self, rounds: int) -> Row:
        """From Cancel, with a queue of runs, to an idle worker; a single pass is not cut short."""
        times = []
        for _ in range(rounds):
            self._keep_busy(20)
            until = time.perf_counter() + 0.3
            self.wait(lambda until=until: time.perf_counter() > until)
            idle: list[float] = []

            def note(idle: list[float] = idle) -> None:
                idle.append(time.perf_counter())

            self.studio.worker.idle.connect(note, _queued())
            started = time.perf_counter()
            self.studio.cancel_all()
            self.wait(lambda idle=idle: bool(idle))
            times.append(idle[0] - started)
            self.studio.worker.idle.disconnect(note)
        return Row("cancel to idle", milliseconds(times), "0.3 s", "a queue of official U-Nets")

    def _keep_busy(self, seconds: float) -> int:
        each = max((self.studio.status.engine_ms or 100.0) / 1000, 0.01)
        count = int(seconds / each) + 5
        for _ in range(count):
            self.studio.run()
        return count

    def _is_current(self) -> bool:
        """Whether the viewer shows the photo of the desk as it is now."""
        now, shown = self.studio.job(drawings=False), self.studio.shown
        return now is not None and shown is not None and shown.job.digest == now.digest

    def close(self) -> None:
        self.window.close()
        self.wait(lambda: not self.studio.worker.isRunning())


def _queued() -> Any:
    from PySide6.QtCore import Qt

    return Qt.ConnectionType.QueuedConnection


def _wait(qapp: Any, done: Callable[[], bool]) -> None:
    """Serve events until `done`; sleeps between them, so that the worker has the processor."""
    from PySide6.QtCore import QEventLoop, QTimer

    heart = QTimer(interval=20)  # wakes the loop, should the last event be past already
    heart.start()
    end = time.perf_counter() + PATIENCE
    while not done():
        if time.perf_counter() > end:
            raise TimeoutError(f"nothing came for {PATIENCE:.0f} s")
        qapp.processEvents(QEventLoop.ProcessEventsFlag.WaitForMoreEvents)
    heart.stop()


if __name__ == "__main__":
    print(json.dumps(_started(float(sys.argv[1]))))
