"""The desk on disk: saved as it changes, whole at every moment, back after a kill."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from app.background import Background
from app.desk import Desk, Snapshot
from app.settings import Settings
from app.studio import Studio
from app.worker import EngineWorker
from engines.job import Job, JobError
from tests.app.fakes import FakeCanvas, FakeCatalogue, FakeEngine, card, picture

ROOT = Path(__file__).resolve().parents[2]


def snapshot(seed: int = 1) -> Snapshot:
    job = Job(
        "pix2pix", "clothes@0123456789abcdef", {"strength": 0.5},
        {"canvas": picture(seed, channels=1), "hints": picture(9, channels=4)},
        {"canvas": {"items": [seed, {"points": [[1.5, 2, 0.25]]}]}}, seed,
    )  # fmt: skip
    return Snapshot(job, {"clothes@0123456789abcdef": {"strength": 0.5}}, (192, 256))


@pytest.fixture
def background(qapp):
    background = Background()
    yield background
    background.finish()


class Table:
    """A desk whose snapshot is set by hand."""

    def __init__(self, qtbot, path: Path, background: Background, delay: float = 0.02) -> None:
        self.qtbot, self.now, self.taken = qtbot, snapshot(), 0
        self.desk = Desk(path, background, self.take, delay)

    def take(self) -> Snapshot:
        self.taken += 1
        return self.now

    def open(self) -> Snapshot | None:
        answers: list[Snapshot | None] = []
        self.desk.open(answers.append)
        self.qtbot.waitUntil(lambda: bool(answers))
        return answers[0]

    def save(self, now: Snapshot) -> None:
        self.now = now
        with self.qtbot.waitSignal(self.desk.saved):
            self.desk.save_soon()


@pytest.fixture
def table(qtbot, tmp_path, background):
    return lambda **options: Table(qtbot, tmp_path / "desk.json", background, **options)


def test_a_saved_desk_comes_back_whole(table):
    first = table()
    assert first.open() is None
    first.save(snapshot(7))
    again = table().open()
    assert again == snapshot(7)
    assert again.job.drawings == snapshot(7).job.drawings


def test_changes_within_the_delay_are_saved_once_and_the_last_one_is_in_it(qtbot, table):
    desk = table(delay=0.1)
    desk.open()
    with qtbot.waitSignal(desk.desk.saved):
        for seed in range(20):
            desk.now = snapshot(seed)
            desk.desk.save_soon()
    assert desk.taken == 1
    assert table().open().job.seed == 19


def test_a_desk_that_changes_all_the_time_is_saved_all_the_same(qtbot, table):
    """The delay counts from the first change that is not saved, not from the last."""
    desk = table(delay=0.05)
    desk.open()
    deadline = time.monotonic() + 3
    while desk.taken < 3 and time.monotonic() < deadline:
        desk.desk.save_soon()
        qtbot.wait(5)
    assert desk.taken >= 3


def test_nothing_is_saved_before_the_old_desk_was_read(qtbot, table, tmp_path):
    first = table()
    first.open()
    first.save(snapshot(7))
    second = table()
    second.now = snapshot(0)
    second.desk.save_soon()
    second.desk.close()
    qtbot.wait(60)
    assert second.taken == 0
    assert table().open().job.seed == 7


def test_closing_saves_what_is_not_saved_yet_and_only_that(table, background, qtbot):
    desk = table(delay=60)
    desk.open()
    desk.now = snapshot(5)
    desk.desk.save_soon()
    with qtbot.waitSignal(desk.desk.saved):
        desk.desk.close()
    assert table().open().job.seed == 5
    desk.desk.close()
    assert desk.taken == 1


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"desk": 1}', '{"desk": 1, "job": {}, "remembered": {}, "sheet": 0}']
)
def test_a_broken_desk_is_set_aside_with_a_sentence(qtbot, table, tmp_path, text):
    (tmp_path / "desk.json").write_text(text)
    desk = table()
    with qtbot.waitSignal(desk.desk.failed) as told:
        assert desk.open() is None
    assert "desk.json.broken" in told.args[0]
    assert (tmp_path / "desk.json.broken").read_text() == text
    desk.save(snapshot(3))
    assert table().open().job.seed == 3


def test_a_snapshot_of_another_shape_is_refused():
    body = snapshot().to_dict()
    assert Snapshot.from_dict(json.loads(json.dumps(body))) == snapshot()
    for broken in (None, [], {**body, "sheet": [1]}, {**body, "remembered": 3}, {"job": body}):
        with pytest.raises(JobError):
            Snapshot.from_dict(broken)


def test_what_a_kill_left_half_written_is_removed(table, tmp_path):
    first = table()
    first.open()
    first.save(snapshot(7))
    (tmp_path / ".desk.json.4242.part").write_text('{"desk"')
    assert table().open().job.seed == 7
    assert not (tmp_path / ".desk.json.4242.part").exists()


def test_a_disk_that_refuses_is_told_once_until_it_works_again(qtbot, table, tmp_path):
    desk = table()
    desk.open()
    told: list[str] = []
    desk.desk.failed.connect(told.append)
    (tmp_path / "desk.json").mkdir()
    (tmp_path / "desk.json" / "in the way").write_text("")
    for _ in range(3):
        desk.desk.save_soon()
        taken = desk.taken
        qtbot.waitUntil(lambda taken=taken: desk.taken > taken)
        qtbot.wait(20)
    assert len(told) == 1
    assert told[0].startswith("The desk could not be saved")
    (tmp_path / "desk.json" / "in the way").unlink()
    (tmp_path / "desk.json").rmdir()
    desk.save(snapshot(2))
    assert len(told) == 1


# ---- with a real process that is really killed ---------------------------------------------------

PROGRAM = """
import json
import sys
from PySide6.QtCore import QCoreApplication, QTimer
from app.settings import Settings
from app.studio import Studio
from app.worker import EngineWorker
from tests.app.fakes import FakeCanvas, FakeCatalogue, FakeEngine, card

folder, pause = sys.argv[1], int(sys.argv[2])
app = QCoreApplication([])
engine = FakeEngine()
engine.cards = {"clothes": card()}
settings = Settings(folder + "/settings.json")
settings.set("autosave_seconds", 0.5)
studio = Studio(EngineWorker(engine.make), settings, folder + "/data", FakeCatalogue(card()))
studio.desk.delay = 0.01
canvas = FakeCanvas()
studio.register_source("canvas", canvas.picture, canvas.drawing)
strokes = iter(range(1, 250))

def stroke():
    if studio.card is not None:
        canvas.ink = next(strokes, 250)
        studio.set_seed(canvas.ink)
        studio.touch()
        studio.settle()

def saved():
    print(json.loads(studio.desk.path.read_text())["job"]["seed"], flush=True)

timer = QTimer()
timer.timeout.connect(stroke)
timer.start(pause)
studio.desk.saved.connect(saved)
studio.start()
app.exec()
"""


def draw_until_killed(folder: Path, saves: int, pause: int, extra: float = 0.0) -> int:
    """Draw in another process, kill it after so many saves; the last ink known to be on disk."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "QT_QPA_PLATFORM": "offscreen"}
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(folder), str(pause)],
        stdout=subprocess.PIPE, text=True, env=environment, cwd=ROOT,
    )  # fmt: skip
    assert process.stdout is not None
    ink = 0
    for _ in range(saves):
        ink = int(process.stdout.readline())
    time.sleep(extra)
    process.send_signal(signal.SIGKILL)
    rest = process.stdout.read().split()
    process.stdout.close()
    assert process.wait() == -signal.SIGKILL
    return int(rest[-1]) if rest else ink


@pytest.mark.parametrize("seed", range(3))
def test_desk_and_history_are_back_after_kill_9(qtbot, tmp_path, seed):
    chance = random.Random(seed)
    wait = chance.random() * 0.05
    ink = draw_until_killed(tmp_path, chance.randrange(2, 12), chance.randrange(5, 30), wait)
    engine = FakeEngine()
    engine.cards = {"clothes": card()}
    worker = EngineWorker(engine.make)
    catalogue = FakeCatalogue(card())
    studio = Studio(worker, Settings(tmp_path / "settings.json"), tmp_path / "data", catalogue)
    canvas = FakeCanvas()
    studio.register_source("canvas", canvas.picture, canvas.drawing)
    studio.recipe_restored.connect(canvas.restore)
    told: list[object] = []
    studio.failed.connect(lambda place, failed: told.append((place, failed)))
    studio.start()
    qtbot.waitUntil(lambda: studio.card is not None and studio.shown is not None)
    assert canvas.ink >= ink > 0, "what was saved last is there, or something newer"
    assert canvas.ink == studio.seed
    assert all(entry.path.exists() for entry in studio.history.entries())
    assert told == []
    assert studio.close()
    assert not list((tmp_path / "data").glob(".*.part"))


def test_a_program_that_closes_before_its_model_is_there_loses_nothing(qtbot, tmp_path):
    """The canvas says where its picture comes from once the model's card is known."""
    draw_until_killed(tmp_path, 3, 10)
    before = json.loads((tmp_path / "data" / "desk.json").read_text())
    worker = EngineWorker(FakeEngine().make)
    studio = Studio(
        worker, Settings(tmp_path / "settings.json"), tmp_path / "data", FakeCatalogue(card())
    )
    with qtbot.waitSignal(studio.recipe_restored):
        studio.start()
    studio.touch()
    assert studio.close()
    after = json.loads((tmp_path / "data" / "desk.json").read_text())
    assert after["job"]["drawings"] == before["job"]["drawings"]
    assert after["job"]["images"] == before["job"]["images"]
    assert after["job"]["checkpoint"] == before["job"]["checkpoint"]
    assert after["remembered"] == before["remembered"]
