"""Results kept on disk: found again, searched, removed, put back."""

from __future__ import annotations

import json
from datetime import datetime

import pytest
from PIL import Image

from app.background import Background
from app.history import History
from engines.job import Job, Picture, job_from_png
from tests.app.fakes import picture


@pytest.fixture
def background(qapp):
    background = Background()
    yield background
    background.finish()


@pytest.fixture
def open_history(qtbot, tmp_path, background):
    def opened(**options) -> History:
        history = History(tmp_path / "history", background, **options)
        with qtbot.waitSignal(history.changed):
            history.load()
        return history

    return opened


@pytest.fixture
def history(open_history):
    return open_history()


def job(seed: int, model: str = "clothes@0123456789abcdef", **values) -> Job:
    return Job(
        "pix2pix", model, values, {"canvas": picture(seed, channels=1)},
        {"canvas": {"items": [seed]}}, seed,
    )  # fmt: skip


def keep(qtbot, history: History, seed: int, title: str = "Edges to clothes", **options) -> None:
    with qtbot.waitSignal(history.changed):
        history.add(picture(seed, (400, 300)), job(seed, **options), title)


def test_a_kept_result_is_a_png_with_recipe_and_thumbnail(qtbot, history):
    keep(qtbot, history, 3, strength=0.5)
    (entry,) = history.entries()
    again = job_from_png(entry.path)
    assert again == job(3, strength=0.5)
    assert again.drawings == {"canvas": {"items": [3]}}
    with Image.open(entry.thumbnail) as image:
        assert image.size == (192, 144)
    assert entry.size == (400, 300)
    assert entry.bytes == entry.path.stat().st_size + entry.thumbnail.stat().st_size


def test_newest_first_also_after_a_restart(qtbot, history, open_history):
    for seed in (1, 2, 3):
        keep(qtbot, history, seed)
    assert [e.seed for e in history.entries()] == [3, 2, 1]
    assert open_history().entries() == history.entries()


def test_the_same_job_is_kept_once(qtbot, history, open_history, background):
    keep(qtbot, history, 1)
    history.add(picture(1), job(1), "again")
    keep(qtbot, history, 2)
    assert [e.seed for e in history.entries()] == [2, 1]
    later = open_history()
    later.add(picture(1), job(1), "again")
    keep(qtbot, later, 3)
    assert [e.seed for e in later.entries()] == [3, 2, 1]


def test_search_by_model_value_seed_and_date(qtbot, history):
    keep(qtbot, history, 1, strength=0.25)
    keep(qtbot, history, 2, title="Edges to cats", model="cats@ffff")
    assert [e.seed for e in history.search("CATS")] == [2]
    assert [e.seed for e in history.search("clothes strength=0.25")] == [1]
    assert [e.seed for e in history.search("seed=2")] == [2]
    assert len(history.search(datetime.now().strftime("%Y-%m-%d"))) == 2
    assert len(history.search("today")) == 2
    assert history.search("yesterday") == []
    assert len(history.search("  ")) == 2


def test_removed_entries_come_back(qtbot, history, open_history):
    for seed in (1, 2, 3):
        keep(qtbot, history, seed)
    before = history.entries()
    removed = history.remove([before[1].id])
    assert [e.seed for e in history.entries()] == [3, 1]
    history.put_back(removed)
    assert history.entries() == before
    assert open_history().entries() == before
    assert all(e.path.exists() and e.thumbnail.exists() for e in before)


def test_removed_entries_stay_away_after_a_restart_and_leave_no_file(
    qtbot, history, open_history, tmp_path
):
    keep(qtbot, history, 1)
    keep(qtbot, history, 2)
    history.remove([history.entries()[0].id])
    again = open_history()
    assert [e.seed for e in again.entries()] == [1]
    assert len(list((tmp_path / "history").rglob("*.png"))) == 2


def test_the_oldest_leave_when_the_limit_is_exceeded(qtbot, history, open_history, background):
    keep(qtbot, history, 1)
    history.limit = int(history.entries()[0].bytes * 2.5)
    for seed in (2, 3, 4):
        keep(qtbot, history, seed)
    assert [e.seed for e in history.entries()] == [4, 3]
    assert [e.seed for e in open_history().entries()] == [4, 3]
    history.limit = 1
    keep(qtbot, history, 5)
    assert [e.seed for e in history.entries()] == [5], "the newest is kept at any limit"


def test_opening_gives_job_and_picture(qtbot, history):
    keep(qtbot, history, 9)
    answers = []
    history.open(history.entries()[0].id, answers.append)
    qtbot.waitUntil(lambda: bool(answers))
    assert answers == [(job(9), picture(9, (400, 300)))]


def test_opening_a_file_that_vanished_is_an_error_for_the_asker(qtbot, history):
    keep(qtbot, history, 9)
    history.entries()[0].path.unlink()
    answers = []
    history.open(history.entries()[0].id, answers.append)
    qtbot.waitUntil(lambda: bool(answers))
    assert isinstance(answers[0], ValueError)


def test_a_torn_index_costs_nothing(qtbot, history, open_history, tmp_path):
    for seed in (1, 2):
        keep(qtbot, history, seed)
    index = tmp_path / "history" / "index.jsonl"
    text = index.read_text()
    index.write_text(text[: len(text) - 40])
    assert sorted(e.seed for e in open_history().entries()) == [1, 2]
    assert len(index.read_text().splitlines()) == 2
    index.unlink()
    assert sorted(e.seed for e in open_history().entries()) == [1, 2]
    index.write_text('nonsense\n{"add": {}}\n[1]\n{"remove": 3}\n')
    assert sorted(e.seed for e in open_history().entries()) == [1, 2]


def test_foreign_files_in_the_folder_are_left_alone(qtbot, history, open_history, tmp_path):
    folder = tmp_path / "history"
    Image.new("RGB", (3, 3)).save(folder / "foreign.png")
    (folder / "text.png").write_text("no picture")
    (folder / ".1.png.77.part").write_text("torn by a kill")
    assert open_history().entries() == []
    assert (folder / "foreign.png").exists()
    assert not (folder / ".1.png.77.part").exists()


def test_an_index_cannot_point_outside_the_folder(qtbot, history, open_history, tmp_path):
    keep(qtbot, history, 1)
    index = tmp_path / "history" / "index.jsonl"
    body = json.loads(index.read_text())
    body["add"]["path"] = "../../secret.png"
    index.write_text(json.dumps(body) + "\n")
    (entry,) = open_history().entries()
    assert entry.path.parent == tmp_path / "history"


def test_a_disk_that_refuses_is_told_in_a_sentence(qtbot, tmp_path, background):
    (tmp_path / "history").write_text("a file where the folder should be")
    history = History(tmp_path / "history", background)
    with qtbot.waitSignal(history.failed) as told:
        history.add(Picture(picture().pixels), job(1), "x")
    assert told.args[0].startswith("The result could not be kept")
    assert told.args[0].count(".") == 1
