"""The studio's walks, with the real worker thread, real files and a scripted engine."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image
from PySide6.QtGui import QUndoCommand

from app.results import Shown, Status
from app.settings import Settings
from app.studio import Studio
from app.tasks import own_command
from app.worker import EngineWorker
from engines.controls import ImageInput, Slider
from engines.job import Event, Job, Picture, Preview, Progress, Result, job_from_png
from tests.app.fakes import (
    FakeCanvas,
    FakeCatalogue,
    FakeEngine,
    FakeError,
    FakeVerdict,
    card,
    picture,
    steps,
)

CLOTHES = card()
CATS = card("cats", "feedfeedfeedfeed")
SLOW = card(
    "style", "5151515151515151", family="style", live=False,
    controls=(ImageInput("photo", "Photo"), Slider("weight", "Weight", 0, 10, 1, 5)),
)  # fmt: skip


class Bench:
    """A studio with everything around it, and what it has told."""

    def __init__(self, qtbot, folder: Path, engine: FakeEngine | None = None, **verdicts) -> None:
        self.qtbot = qtbot
        self.engine = engine or FakeEngine()
        self.engine.cards = {"clothes": CLOTHES, "cats": CATS, "style": SLOW}
        self.verdicts: dict[str, FakeVerdict] = verdicts
        self.catalogue = FakeCatalogue(CLOTHES, CATS, SLOW)
        self.settings = Settings(folder / "settings.json")
        worker = EngineWorker(self.engine.make, inspect=self.inspect)
        self.studio = Studio(worker, self.settings, folder / "data", self.catalogue)
        self.canvas = FakeCanvas()
        self.photo: Picture | None = None
        self.studio.register_source("canvas", self.canvas.picture, self.canvas.drawing)
        self.studio.register_source("photo", lambda: self.photo)
        self.told: dict[str, list] = {}
        for name in (
            "card_changed", "value_changed", "seed_changed", "live_changed", "result_shown",
            "preview_shown", "failed", "reported", "tie", "recipe_restored", "model_missing",
            "status_changed", "canvas_sheet_wanted", "picture_opened", "folder_opened",
            "tool_result", "exported", "process_preview",
        ):  # fmt: skip
            self.told[name] = []
            getattr(self.studio, name).connect(
                lambda *args, name=name: self.told[name].append(args if len(args) > 1 else args[0])
            )
        self.studio.recipe_restored.connect(self.canvas.restore)

    def inspect(self, path: str) -> FakeVerdict:
        return self.verdicts[Path(path).stem.partition("-")[0]]

    def start(self) -> Bench:
        self.studio.start()
        self.wait(lambda: self.studio.card is not None)
        self.wait(lambda: bool(self.told["result_shown"]))
        return self

    def wait(self, condition, ms: int = 5000) -> None:
        self.qtbot.waitUntil(condition, timeout=ms)

    def shown(self) -> Shown:
        return self.told["result_shown"][-1]

    def draw(self, ink: int) -> None:
        self.canvas.ink = ink
        self.studio.touch()

    def wait_shown(self, ink: int | None = None, **job) -> Shown:
        def there() -> bool:
            shown = self.studio.shown
            if shown is None or any(getattr(shown.job, k) != v for k, v in job.items()):
                return False
            return ink is None or shown.job.images["canvas"].pixels[0, 0] == ink

        self.wait(there)
        return self.shown()

    def choose(self, model: str) -> None:
        self.studio.choose_model(model)
        self.wait(lambda: self.studio.card.checkpoint.startswith(model))

    def kept(self) -> list[Job]:
        return [job_from_png(e.path) for e in self.studio.history.entries()]


@pytest.fixture
def open_bench(qtbot, tmp_path):
    benches: list[Bench] = []

    def opened(**options) -> Bench:
        bench = Bench(qtbot, tmp_path, **options)
        benches.append(bench)
        return bench

    yield opened
    for bench in benches:
        assert bench.studio.close()
        assert not bench.studio.worker.isRunning()


@pytest.fixture
def bench(open_bench):
    return open_bench().start()


# ---- stroke to photo ----------------------------------------------------------------------------


def test_the_program_opens_with_the_default_model_and_a_picture(bench):
    assert bench.studio.card == CLOTHES
    assert bench.told["card_changed"] == [CLOTHES]
    assert bench.studio.values == {"strength": 0.2, "norm": "trained", "dropout": True}
    assert bench.told["canvas_sheet_wanted"] == [(192, 256)]
    assert bench.shown().job.images == {"canvas": picture(255, (8, 6), 1)}


def test_a_stroke_becomes_a_picture_and_its_time_is_measured(bench):
    began = time.perf_counter()
    bench.draw(10)
    shown = bench.wait_shown(10)
    assert shown.picture == shown.result.pictures[0]
    assert 0 < shown.input_ms <= (time.perf_counter() - began) * 1000
    status = bench.told["status_changed"][-1]
    assert (status.device, status.memory_used, status.engine_ms) == ("cpu", 10_000_000, 20.0)
    assert status.stroke_ms == shown.input_ms


def test_the_start_of_the_engine_is_no_time_of_a_stroke(bench):
    results, job = bench.studio._results, bench.shown().job
    for status, counts in ((Status(), False), (Status(device="cpu"), True)):
        results.status = status
        results.expect(10**6 + counts, "live", job, "", time.perf_counter() - 20)
        results.take(10**6 + counts, Result((picture(1),), seconds=0.01))
        assert bench.studio.status.engine_ms == 10
        assert (bench.studio.status.stroke_ms is not None) == counts


def test_a_burst_of_edits_is_one_job(bench):
    before = len(bench.engine.log)
    for ink in range(50):
        bench.draw(ink)
    bench.wait_shown(49)
    assert len(bench.engine.log) == before + 1


def test_the_time_counts_from_the_first_edit_of_a_burst(bench):
    bench.draw(1)
    time.sleep(0.05)
    bench.draw(2)
    assert bench.wait_shown(2).input_ms >= 50


def test_pictures_never_go_back_while_drawing(bench, qtbot):
    bench.engine.seconds = 0.01
    for ink in range(100):
        bench.draw(ink)
        qtbot.wait(1)
    bench.wait_shown(99)
    inks = [s.job.images["canvas"].pixels[0, 0] for s in bench.told["result_shown"][1:]]
    assert inks == sorted(inks)
    assert len(inks) > 2


def test_without_live_nothing_is_computed_until_run(bench, qtbot):
    bench.studio.set_live(False)
    before = len(bench.engine.log)
    bench.draw(5)
    qtbot.wait(30)
    assert len(bench.engine.log) == before
    bench.studio.run()
    bench.wait_shown(5)
    assert bench.settings.get("live") is False
    bench.wait(lambda: len(bench.kept()) == 1)
    assert bench.kept()[0].drawings == {"canvas": {"size": [8, 6], "ink": 5}}
    (task,) = bench.studio.tasks
    assert (task.state, task.title) == ("done", "Clothes")
    bench.studio.set_live(True)
    bench.draw(6)
    bench.wait_shown(6)


def test_a_failing_job_is_told_beside_the_result_and_the_next_one_works(bench):
    def refuse(job: Job) -> Iterator[Event]:
        if job.images["canvas"].pixels[0, 0] == 13:
            raise FakeError("memory", "This drawing is too large.")
        yield Result((picture(1),))

    bench.engine.scripts["pix2pix"] = refuse
    bench.draw(13)
    bench.wait(lambda: bool(bench.told["failed"]))
    place, failure = bench.told["failed"][0]
    assert (place, failure.message) == ("result", "This drawing is too large.")
    bench.draw(14)
    bench.wait_shown(14)


def test_trouble_with_the_weights_is_told_beside_the_model(bench):
    def gone(job: Job) -> Iterator[Event]:
        raise FakeError("missing-model", "The model's file has gone.")
        yield

    bench.engine.scripts["pix2pix"] = gone
    bench.draw(1)
    bench.wait(lambda: bool(bench.told["failed"]))
    assert bench.told["failed"][0][0] == "model"


# ---- values and undo ----------------------------------------------------------------------------


def test_a_value_is_checked_used_and_undone(bench):
    bench.studio.set_value("strength", 7)
    assert bench.studio.values["strength"] == 1.0, "clamped into the slider's range"
    bench.wait_shown(values={"strength": 1.0, "norm": "trained", "dropout": True})
    bench.studio.undo_stack.undo()
    assert bench.studio.values["strength"] == 0.2
    assert bench.told["value_changed"][-1] == ("strength", 0.2)
    bench.wait_shown(values={"strength": 0.2, "norm": "trained", "dropout": True})
    bench.studio.undo_stack.redo()
    assert bench.studio.values["strength"] == 1.0


def test_moving_a_slider_is_one_step_back_and_two_controls_are_two(bench):
    for value in (0.3, 0.4, 0.5):
        bench.studio.set_value("strength", value)
    bench.studio.set_value("norm", "frozen")
    assert bench.studio.undo_stack.count() == 2
    bench.studio.undo_stack.undo()
    bench.studio.undo_stack.undo()
    assert bench.studio.values == {"strength": 0.2, "norm": "trained", "dropout": True}


def test_a_slider_that_is_moved_back_leaves_no_step(bench):
    bench.studio.set_value("strength", 0.3)
    bench.studio.set_value("strength", 0.2)
    assert bench.studio.undo_stack.count() == 0


def test_strokes_and_settings_are_undone_in_the_order_they_were_made(bench):
    class Stroke(QUndoCommand):
        def redo(self) -> None:
            bench.draw(7)

        def undo(self) -> None:
            bench.draw(255)

    bench.studio.set_value("strength", 0.9)
    bench.studio.undo_stack.push(Stroke("stroke"))
    bench.studio.set_value("strength", 0.1)
    assert bench.studio.undo_stack.count() == 3
    bench.studio.undo_stack.undo()
    assert (bench.studio.values["strength"], bench.canvas.ink) == (0.9, 7)
    bench.studio.undo_stack.undo()
    assert (bench.studio.values["strength"], bench.canvas.ink) == (0.9, 255)


def test_a_refused_value_is_told_and_the_old_one_stays(bench):
    bench.studio.set_value("norm", "sideways")
    place, failure = bench.told["failed"][0]
    assert place == "controls"
    assert "sideways" in failure.message
    assert bench.told["value_changed"][-1] == ("norm", "trained")
    bench.studio.set_value("nonsense", 1)
    bench.studio.set_value("canvas", 1)
    assert bench.studio.undo_stack.count() == 0


def test_setting_the_value_it_has_changes_nothing(bench):
    told = len(bench.told["value_changed"])
    bench.studio.set_value("strength", 0.2)
    assert len(bench.told["value_changed"]) == told


def test_surprise_draws_a_seed_that_is_in_the_recipe(bench):
    bench.studio.surprise_me()
    seed = bench.studio.seed
    assert seed > 0
    bench.wait_shown(seed=seed)
    bench.studio.surprise_me()
    bench.studio.undo_stack.undo()
    assert bench.studio.seed == seed
    bench.studio.set_seed(-5)
    assert bench.studio.seed == 0


# ---- models -------------------------------------------------------------------------------------


def test_each_model_keeps_its_own_values(bench):
    bench.studio.set_value("strength", 0.7)
    bench.choose("cats")
    assert bench.studio.values["strength"] == 0.2
    bench.wait_shown(checkpoint=CATS.checkpoint)
    bench.choose("clothes")
    assert bench.studio.values["strength"] == 0.7
    assert bench.told["canvas_sheet_wanted"] == [(192, 256)], "the sheet has the size already"


def test_undo_of_another_models_value_leaves_this_one_alone(bench):
    bench.studio.set_value("strength", 0.7)
    bench.choose("cats")
    bench.studio.undo_stack.undo()
    assert bench.studio.values["strength"] == 0.2
    bench.choose("clothes")
    assert bench.studio.values["strength"] == 0.2


def test_a_late_result_of_the_model_before_is_not_shown(bench, qtbot):
    bench.engine.seconds = 0.05
    order: list[str] = []
    bench.studio.card_changed.connect(lambda card: order.append("card"))
    bench.studio.result_shown.connect(lambda shown: order.append(shown.job.checkpoint))
    bench.draw(33)
    qtbot.wait(20)
    bench.studio.choose_model("cats")
    while "card" not in order:
        bench.draw(34)
        qtbot.wait(3)
    bench.wait_shown(checkpoint=CATS.checkpoint)
    qtbot.wait(100)
    assert set(order[order.index("card") + 1 :]) == {CATS.checkpoint}


def test_the_last_choice_of_a_model_wins(bench, qtbot):
    bench.studio.choose_model("cats")
    bench.studio.choose_model("style")
    bench.wait(lambda: bench.studio.card == SLOW)
    qtbot.wait(30)
    assert bench.studio.card == SLOW
    assert [t for t in bench.studio.tasks if not t.over] == []


def test_an_unknown_model_is_told_beside_the_picker_and_the_old_one_stays(bench):
    bench.studio.choose_model("dogs")
    bench.wait(lambda: bool(bench.told["failed"]))
    assert bench.told["failed"][0][0] == "model"
    assert bench.studio.card == CLOTHES
    assert [t.state for t in bench.studio.tasks] == ["failed"]


def test_a_slow_model_waits_for_run_and_says_what_it_needs(bench, qtbot):
    bench.choose("style")
    assert bench.studio.live is False
    assert bench.settings.get("live") is True, "the person's wish stays for the next fast model"
    bench.studio.run()
    assert "Photo" in bench.told["failed"][-1][1].message
    bench.choose("clothes")
    assert bench.studio.live is True


def test_a_change_of_device_makes_a_new_engine(bench):
    made = []
    bench.studio.worker.measured.connect(made.append)
    bench.engine.made.clear()
    bench.settings.set("device", "cpu")
    assert bench.engine.made.wait(5)
    bench.wait(lambda: len(bench.told["card_changed"]) == 2)


# ---- runs, tasks, tools -------------------------------------------------------------------------


def test_a_long_run_shows_progress_and_previews_and_can_be_cancelled(bench, qtbot):
    bench.choose("style")
    bench.photo = picture(9)
    bench.engine.scripts["style"] = steps(1000, 0.005)
    bench.studio.run()
    task = next(t for t in bench.studio.tasks if not t.over)
    bench.wait(lambda: bool(bench.told["preview_shown"]) and 0 < task.fraction < 1)
    bench.studio.cancel(task.id)
    bench.wait(lambda: task.over)
    assert task.state == "cancelled"
    assert bench.engine.closed == len(bench.engine.log)


def test_strokes_go_through_while_a_long_run_works(bench, qtbot):
    bench.choose("style")
    bench.photo = picture(9)
    bench.engine.scripts["style"] = steps(500, 0.005)
    bench.studio.run()
    run = next(t for t in bench.studio.tasks if not t.over)
    bench.choose("clothes")
    for ink in (1, 2, 3):
        bench.draw(ink)
        bench.wait_shown(ink)
    assert not run.over
    bench.studio.cancel_all()
    bench.wait(lambda: run.over)


def test_a_run_that_ends_after_newer_strokes_is_kept_but_not_shown(bench):
    bench.engine.scripts["style"] = steps(30, 0.01)
    bench.choose("style")
    bench.photo = picture(9)
    bench.studio.run()
    run = next(t for t in bench.studio.tasks if not t.over)
    bench.choose("clothes")
    bench.draw(77)
    bench.wait_shown(77)
    bench.wait(lambda: run.state == "done")
    assert bench.studio.shown.job.family == "pix2pix"
    bench.wait(lambda: any(j.family == "style" for j in bench.kept()))


def test_progress_and_time_left_never_jump_back(bench):
    seen: list[tuple[float, float | None]] = []

    def moody(job: Job) -> Iterator[Event]:
        for done in (1, 5, 3, 6, 7, 8, 9):
            time.sleep(0.2 if done > 5 else 0.15)
            yield Progress(done, 10)
        yield Result((picture(1),))

    bench.engine.scripts["style"] = moody
    bench.choose("style")
    bench.photo = picture(9)
    bench.studio.run()
    task = next(t for t in bench.studio.tasks if not t.over)
    bench.studio.tasks_changed.connect(lambda: seen.append((task.fraction, task.remaining)))
    bench.wait(lambda: task.over)
    fractions = [f for f, _ in seen]
    left = [r for _, r in seen if r is not None]
    assert fractions == sorted(fractions)
    assert left == sorted(left, reverse=True)
    assert len(left) > 2


def test_a_tool_answers_beside_the_live_lane(bench):
    photo = Job("edges", images={"photo": picture(3)})
    bench.studio.submit_tool(photo)
    bench.wait(lambda: bool(bench.told["tool_result"]))
    job, result = bench.told["tool_result"][0]
    assert job == photo
    assert result.pictures
    assert bench.studio.shown.job.family == "pix2pix"


def test_a_failing_tool_is_told_at_its_place(bench):
    def broken(job: Job) -> Iterator[Event]:
        raise FakeError("input", "There are no edges in this photo.")
        yield

    bench.engine.scripts["edges"] = broken
    bench.studio.submit_tool(Job("edges"), lane=None, title="Edges")
    bench.wait(lambda: bool(bench.told["failed"]))
    assert bench.told["failed"] == [("tool", bench.told["failed"][0][1])]
    assert [t.state for t in bench.studio.tasks] == ["failed"]


def test_only_the_last_finished_tasks_stay(bench):
    tasks = bench.studio.tasks
    for i in range(70):
        tasks.apply(tasks.add(f"task {i}").id, Result())
    assert 50 <= len(tasks) <= 51
    tasks.dismiss()
    assert len(tasks) == 0


# ---- history ------------------------------------------------------------------------------------


def test_a_live_result_is_kept_when_the_drawing_rests(bench):
    for ink in (1, 2, 3):
        bench.draw(ink)
        bench.wait_shown(ink)
    assert bench.kept() == [], "not every frame"
    bench.wait(lambda: len(bench.kept()) == 1)
    assert bench.kept()[0].drawings == {"canvas": {"size": [8, 6], "ink": 3}}
    assert bench.kept()[0].images["canvas"].pixels[0, 0] == 3


def test_the_end_of_a_stroke_keeps_its_result_at_once(bench):
    bench.engine.seconds = 0.05
    bench.draw(1)
    bench.studio.settle()
    bench.wait(lambda: len(bench.kept()) == 1, 600)
    assert bench.kept()[0].images["canvas"].pixels[0, 0] == 1


# ---- drafts -------------------------------------------------------------------------------------


@pytest.fixture
def drafting(open_bench):
    """A studio whose engine answers live jobs with drafts, one step of grey too light."""
    bench = open_bench()
    bench.engine.drafts = True
    bench.start()
    bench.wait(lambda: bench.studio.final is not None)
    bench.engine.exact.clear()
    bench.told["result_shown"].clear()
    return bench


def test_a_draft_gives_way_to_the_exact_picture_when_the_hand_pauses(drafting):
    bench = drafting
    bench.draw(10)
    bench.wait(lambda: len(bench.told["result_shown"]) == 2)
    draft, exact = bench.told["result_shown"]
    assert draft.result.draft and draft.picture == picture(bench.studio.seed + 1)
    assert exact.picture == picture(bench.studio.seed) and exact.job.digest == draft.job.digest
    assert bench.engine.exact == [False, True]
    assert bench.studio.status.engine_ms == 10, "the status line tells of what was waited for"
    assert exact.input_ms == draft.input_ms == bench.studio.status.stroke_ms


def test_while_the_hand_moves_nothing_exact_is_computed(drafting):
    bench = drafting
    bench.studio._burst._pause.setInterval(10**6)
    for ink in range(20, 25):
        bench.draw(ink)
        bench.wait_shown(ink)
    assert bench.engine.exact == [False] * 5
    bench.studio._burst.paused.emit()
    bench.wait(lambda: bench.studio.final is not None)
    assert bench.engine.exact == [False] * 5 + [True]
    assert bench.studio.final.job.images["canvas"].pixels[0, 0] == 24


def test_a_pause_before_the_draft_arrives_is_remembered(drafting):
    bench = drafting
    bench.studio._burst._pause.setInterval(10**6)
    bench.engine.seconds = 0.05
    bench.draw(10)
    bench.wait(lambda: bool(bench.studio._results.under_way()))
    bench.studio._burst.paused.emit()
    assert bench.studio.shown.job.images["canvas"].pixels[0, 0] != 10
    bench.wait(lambda: bench.engine.exact == [False, True])
    bench.wait(lambda: bench.studio.final is not None)


def test_a_draft_is_neither_kept_nor_dragged_out(drafting):
    bench, studio = drafting, drafting.studio
    studio._burst._pause.setInterval(10**6)
    bench.draw(10)
    bench.wait_shown(10)
    studio.settle()
    assert studio.drag_file() is None and not bench.kept()
    studio._burst.paused.emit()
    bench.wait(lambda: len(studio.history.entries()) == 1)
    assert bench.kept()[0].digest == studio.final.job.digest
    kept = Picture.from_png(studio.history.entries()[0].path.read_bytes())
    assert kept == picture(studio.seed)


def test_what_is_exported_while_a_draft_is_shown_waits_for_the_exact_picture(drafting, tmp_path):
    bench, studio = drafting, drafting.studio
    studio._burst._pause.setInterval(10**6)
    bench.draw(10)
    bench.wait_shown(10)
    waits, path = [], tmp_path / "a.png"
    studio.waiting.connect(waits.append)
    studio.export(path)
    assert waits == [True] and not path.exists()
    bench.wait(lambda: bench.told["exported"] == [str(path)])
    assert waits == [True, False] and not bench.told["failed"]
    assert Picture.from_png(path.read_bytes()) == picture(studio.seed)
    assert job_from_png(path).drawings["canvas"]["ink"] == 10
    assert bench.engine.exact == [False, True], "computed once, not for each wish"


def test_who_draws_on_while_the_export_waits_gets_what_was_shown(drafting, tmp_path):
    bench, studio = drafting, drafting.studio
    studio._burst._pause.setInterval(10**6)
    bench.engine.seconds = 0.05
    bench.draw(10)
    bench.wait_shown(10)
    studio.export(tmp_path / "a.png")
    for ink in range(11, 16):
        bench.draw(ink)
    bench.wait(lambda: bool(bench.told["exported"]))
    job = job_from_png(tmp_path / "a.png")
    assert job.images["canvas"].pixels[0, 0] == 10 and job.drawings["canvas"]["ink"] == 10
    assert Picture.from_png((tmp_path / "a.png").read_bytes()) == picture(studio.seed)


def test_a_draft_is_sent_and_enlarged_as_its_exact_picture(drafting):
    bench, studio = drafting, drafting.studio
    bench.catalogue.families["e1a46e"] = "enlarge"
    bench.catalogue.put("enlarge-x4@e1a46e")
    studio._burst._pause.setInterval(10**6)
    bench.draw(10)
    bench.wait_shown(10)
    studio.enlarge()
    large = bench.wait_shown(family="enlarge")
    assert large.job.images["photo"] == picture(studio.seed)
    bench.draw(20)
    bench.wait_shown(20, family="pix2pix")
    sent = []
    studio.sent.connect(sent.append)
    studio.send("cats")
    assert not sent
    bench.wait(lambda: studio.card.title == "Cats")
    assert sent == [picture(studio.seed)]
    assert studio.origin(sent[0]).images["canvas"].pixels[0, 0] == 20


def test_what_waits_is_given_up_with_everything_else(drafting, tmp_path):
    bench, studio = drafting, drafting.studio
    studio._burst._pause.setInterval(10**6)
    bench.draw(10)
    bench.wait_shown(10)
    waits = []
    studio.waiting.connect(waits.append)
    studio.export(tmp_path / "a.png")
    studio.cancel_all()
    assert waits == [True, False]
    studio.touch()
    studio._burst.paused.emit()
    bench.wait(lambda: studio.final is not None)
    assert not (tmp_path / "a.png").exists()


def test_what_runs_as_a_task_is_no_draft(drafting):
    bench = drafting
    bench.studio.run()
    bench.wait(lambda: len(bench.studio.history.entries()) == 1)
    assert bench.engine.exact == [True]


# ---- the first picture of a start ---------------------------------------------------------------


def test_the_next_start_shows_the_last_picture_before_anything_is_computed(open_bench, qtbot):
    first = open_bench().start()
    first.draw(10)
    first.wait_shown(10)
    first.wait(lambda: (first.studio.folder / "last.png").exists())
    made = first.wait_shown(10).picture
    first.wait(lambda: job_from_png(first.studio.folder / "last.png").digest
               == first.studio.shown.job.digest)  # fmt: skip
    assert first.studio.close()
    engine = FakeEngine(seconds=0.3)
    again = open_bench(engine=engine)
    again.start()
    shown = again.told["result_shown"][0]
    assert shown.picture == made and engine.exact in ([], [False]) and again.studio.final is None
    again.wait(lambda: again.studio.final is not None)
    assert again.shown().picture == made and engine.exact == [False]


def test_a_last_picture_of_another_desk_is_not_shown(open_bench):
    first = open_bench().start()
    first.wait(lambda: (first.studio.folder / "last.png").exists())
    first.draw(99)
    assert first.studio.close()
    again = open_bench().start()
    assert again.told["result_shown"][0].job.images["canvas"].pixels[0, 0] == 99
    assert again.studio.final is not None


def test_a_damaged_last_picture_is_no_trouble(open_bench, tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "last.png").write_bytes(b"no picture")
    assert open_bench().start().studio.final is not None


def test_enlarging_shows_keeps_and_tells_what_it_was_made_of(bench):
    bench.catalogue.families["e1a46e"] = "enlarge"
    bench.catalogue.put("enlarge-x4@e1a46e")
    bench.engine.scripts["enlarge"] = lambda job: iter(
        [Progress(1, 2), Result((picture(9, (32, 24)),))]
    )
    bench.draw(5)
    shown = bench.wait_shown(5)
    bench.studio.enlarge()
    large = bench.wait_shown(family="enlarge")
    assert large.picture.size == (32, 24) and large.job.checkpoint == "enlarge-x4@e1a46e"
    assert large.job.images["photo"] == shown.picture
    bench.wait(lambda: len(bench.kept()) == 2)
    assert [job.family for job in bench.kept()] == ["enlarge", "pix2pix"], "what it was made of too"
    assert bench.studio.card.family == "pix2pix", "the desk stays as it is"
    recipe = Job.from_json(bench.studio.recipe_json())
    assert recipe == large.job and not recipe.drawings
    bench.draw(6)  # and drawing goes on
    bench.wait_shown(6, family="pix2pix")


def test_a_kept_result_is_enlarged_from_the_film(bench):
    bench.catalogue.families["e1a46e"] = "enlarge"
    bench.catalogue.put("enlarge-x4@e1a46e")
    bench.draw(5)
    first = bench.wait_shown(5)
    bench.wait(lambda: len(bench.kept()) == 1)
    bench.draw(7)
    bench.wait_shown(7)
    bench.studio.enlarge_history(bench.studio.history.entries()[-1].id)
    assert bench.wait_shown(family="enlarge").job.images["photo"] == first.picture


def test_without_an_enlarger_nothing_is_enlarged(bench):
    assert bench.studio.enlarger() is None
    bench.studio.enlarge()
    place, failed = bench.told["failed"][-1]
    assert place == "result" and "no model that enlarges" in failed.message


def test_the_picture_of_a_fresh_start_is_not_history(bench, qtbot):
    qtbot.wait(800)
    bench.studio.settle()
    assert bench.studio.history.entries() == []


def test_a_click_on_the_history_brings_the_whole_recipe_back_and_undo_the_desk_before(bench):
    bench.studio.set_value("strength", 0.7)
    bench.studio.set_seed(42)
    bench.draw(3)
    bench.studio.settle()
    bench.wait(lambda: len(bench.kept()) == 1)
    bench.choose("cats")
    bench.draw(4)
    bench.wait_shown(4)
    bench.studio.set_seed(1)
    bench.studio.restore_history(bench.studio.history.entries()[0].id)
    bench.wait(lambda: bench.studio.card == CLOTHES)
    assert bench.studio.values["strength"] == 0.7
    assert bench.studio.seed == 42
    assert bench.canvas.ink == 3
    bench.wait_shown(3, seed=42)
    bench.studio.undo_stack.undo()
    bench.wait(lambda: bench.studio.card == CATS)
    assert (bench.canvas.ink, bench.studio.seed) == (4, 1)


def test_undo_of_a_recipe_brings_an_empty_sheet_back(bench):
    bench.draw(3)
    bench.studio.settle()
    bench.wait(lambda: len(bench.kept()) == 1)
    bench.studio.register_source("canvas", lambda: None, bench.canvas.drawing)
    bench.draw(255)
    bench.studio.restore_history(bench.studio.history.entries()[0].id)
    bench.wait(lambda: bench.canvas.ink == 3)
    bench.studio.undo_stack.undo()
    assert bench.canvas.ink == 255


def test_a_restored_picture_is_shown_before_anything_is_computed(bench):
    bench.draw(3)
    bench.studio.settle()
    bench.wait(lambda: len(bench.kept()) == 1)
    kept = bench.studio.shown.picture
    bench.studio.set_live(False)
    bench.draw(9)
    ran = len(bench.engine.log)
    bench.studio.restore_history(bench.studio.history.entries()[0].id)
    bench.wait(lambda: bench.canvas.ink == 3)
    assert bench.studio.shown.picture == kept
    assert len(bench.engine.log) == ran


def test_deleted_results_come_back_with_undo(bench):
    for ink in (1, 2):
        bench.draw(ink)
        bench.wait_shown(ink)
        bench.studio.settle()
        bench.wait(lambda ink=ink: len(bench.kept()) == ink)
    before = bench.studio.history.entries()
    bench.studio.delete_history([before[0].id, "nonsense"])
    assert bench.studio.history.entries() == before[1:]
    bench.studio.undo_stack.undo()
    assert bench.studio.history.entries() == before
    assert bench.studio.search_history("clothes") == before
    bench.studio.undo_stack.redo()
    assert bench.studio.history.entries() == before[1:]


def test_a_vanished_file_of_the_history_is_told(bench):
    bench.draw(1)
    bench.studio.settle()
    bench.wait(lambda: len(bench.kept()) == 1)
    entry = bench.studio.history.entries()[0]
    entry.path.unlink()
    bench.studio.restore_history(entry.id)
    bench.wait(lambda: bool(bench.told["failed"]))
    assert bench.told["failed"][0][0] == "history"


# ---- export and opening -------------------------------------------------------------------------


def export(bench, path: Path, **options) -> None:
    done = len(bench.told["exported"]) + len(bench.told["failed"])
    bench.studio.export(path, **options)
    bench.wait(lambda: len(bench.told["exported"]) + len(bench.told["failed"]) > done)


def test_an_exported_png_opens_with_drawing_model_values_and_seed(bench, tmp_path):
    bench.studio.set_value("strength", 0.6)
    bench.studio.set_seed(9)
    bench.draw(21)
    shown = bench.wait_shown(21, seed=9)
    export(bench, tmp_path / "out.png")
    assert job_from_png(tmp_path / "out.png").drawings == {"canvas": {"size": [8, 6], "ink": 21}}
    bench.studio.set_value("strength", 0.1)
    bench.studio.set_seed(1)
    bench.draw(99)
    bench.wait_shown(99)
    bench.studio.open_path(tmp_path / "out.png")
    bench.wait(lambda: bench.canvas.ink == 21)
    assert (bench.studio.seed, bench.studio.values["strength"]) == (9, 0.6)
    assert bench.shown().picture == shown.picture


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp", ".tiff"])
@pytest.mark.parametrize(("what", "width"), [("result", 8), ("input", 8), ("pair", 16)])
def test_every_format_and_every_part_is_exported(bench, tmp_path, suffix, what, width):
    path = tmp_path / f"out{suffix}"
    export(bench, path, what=what, quality=80)
    with Image.open(path) as image:
        assert image.size[0] >= width
        assert image.size[1] == 6
    assert bench.told["exported"] == [str(path)]


def test_an_export_that_fails_says_so_and_leaves_the_file_there(bench, tmp_path):
    (tmp_path / "out.xyz").write_text("mine")
    export(bench, tmp_path / "out.xyz")
    export(bench, tmp_path / "no folder" / "out.png")
    assert [place for place, _ in bench.told["failed"]] == ["export", "export"]
    assert all(f.message.endswith(".") and "\n" not in f.message for _, f in bench.told["failed"])
    assert (tmp_path / "out.xyz").read_text() == "mine"


def test_a_torn_export_leaves_the_old_file_whole(bench, tmp_path, monkeypatch):
    export(bench, tmp_path / "out.png")
    before = (tmp_path / "out.png").read_bytes()

    whole = Path.write_bytes

    def torn(self, data):
        whole(self, data[:50])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", torn)
    export(bench, tmp_path / "out.png")
    assert (tmp_path / "out.png").read_bytes() == before
    assert "No space left on device" in bench.told["failed"][0][1].message
    assert sorted(p.name for p in tmp_path.iterdir() if "out" in p.name) == ["out.png"]


def test_nothing_to_export_is_told(open_bench, tmp_path):
    bench = open_bench()
    bench.studio.export(tmp_path / "out.png")
    assert bench.told["failed"][0][0] == "export"
    assert bench.studio.recipe_json() == ""
    assert bench.studio.drag_file() is None


def test_the_recipe_as_json_is_the_shown_pictures(bench, tmp_path):
    bench.draw(5)
    bench.wait_shown(5)
    job = Job.from_json(bench.studio.recipe_json())
    assert job == bench.studio.shown.job.with_(drawings=job.drawings)
    assert job.drawings["canvas"]["ink"] == 5
    (tmp_path / "recipe.json").write_text(bench.studio.recipe_json())
    bench.draw(6)
    bench.studio.open_path(tmp_path / "recipe.json")
    bench.wait(lambda: bench.canvas.ink == 5)


def test_a_picture_is_dragged_out_with_its_recipe(bench):
    bench.draw(5)
    bench.wait_shown(5)
    path = bench.studio.drag_file()
    assert job_from_png(path).images["canvas"].pixels[0, 0] == 5
    bench.wait(lambda: len(bench.kept()) == 1)
    assert bench.studio.drag_file() == path
    path.unlink()
    again = bench.studio.drag_file()
    assert again.read_bytes() == bench.studio.history.entries()[0].path.read_bytes()


def test_recipes_made_elsewhere_may_hold_any_seed_and_foreign_values(bench):
    values = {"strength": "loud", "norm": ["frozen"], "dropout": False, "unknown": 3}
    drawn = {"canvas": {"size": [8, 6], "ink": 5}}
    recipe = Job("pix2pix", CLOTHES.checkpoint, values, {}, drawn, 2**70)
    bench.studio.restore(Job.from_json(recipe.to_json()))
    assert bench.studio.seed == 2**70
    assert bench.studio.values == {"strength": 0.2, "norm": "trained", "dropout": False}
    bench.wait_shown(5, seed=2**70)


def test_a_recipe_of_a_tool_is_refused_in_a_sentence(bench):
    bench.studio.restore(Job("edges", images={"photo": picture(1)}))
    assert bench.told["failed"][0][0] == "drop"
    assert bench.told["model_missing"] == []


def test_a_recipe_without_its_model_waits_for_the_file(bench, tmp_path):
    lost = Job(
        "pix2pix", "bags@abcdabcdabcdabcd", {"strength": 0.4}, {"canvas": picture(8, (8, 6), 1)},
        {"canvas": {"size": [8, 6], "ink": 8}}, 77,
    )  # fmt: skip
    bench.studio.restore(lost)
    assert bench.told["model_missing"] == [("bags", "abcdabcdabcdabcd")]
    assert bench.studio.card == CLOTHES
    bench.engine.cards["renamed"] = card("renamed", "abcdabcdabcdabcd")
    bench.verdicts["renamed"] = FakeVerdict(digest="abcdabcdabcdabcd", families=("pix2pix",))
    (tmp_path / "renamed-abcdabcdabcdabcd.pth").write_text("weights")
    bench.engine.cards["bags"] = bench.engine.cards.pop("renamed")
    bench.engine.cards["bags@abcdabcdabcdabcd"] = bench.engine.cards["bags"]
    bench.studio.open_path(tmp_path / "renamed-abcdabcdabcdabcd.pth")
    bench.wait(lambda: bench.studio.seed == 77)
    assert bench.studio.values["strength"] == 0.4
    assert bench.canvas.ink == 8


def test_dropped_weights_are_reported_and_loaded(bench, tmp_path):
    bench.verdicts["cats"] = FakeVerdict(digest=CATS.checkpoint[5:], families=("pix2pix",))
    path = tmp_path / f"cats-{CATS.checkpoint[5:]}.pth"
    path.write_text("weights")
    bench.studio.open_path(path)
    bench.wait(lambda: bench.studio.card == CATS)
    assert bench.told["reported"] == [bench.verdicts["cats"]]


def test_a_tie_is_asked_once_and_remembered(bench, tmp_path):
    digest = CATS.checkpoint[5:]
    bench.catalogue.known = [e for e in bench.catalogue.known if e.digest != digest]
    verdict = FakeVerdict(digest=digest, families=("pix2pix", "cyclegan"))
    bench.verdicts["cats"] = verdict
    path = tmp_path / f"cats-{digest}.pth"
    path.write_text("weights")
    bench.studio.open_path(path)
    bench.wait(lambda: bench.told["tie"] == [verdict])
    assert bench.studio.card == CLOTHES
    bench.studio.settle_tie(digest, "cyclegan")
    bench.wait(lambda: bench.studio.card == CATS)
    assert bench.catalogue.families == {digest: "cyclegan"}
    bench.studio.open_path(path)
    bench.wait(lambda: len(bench.told["card_changed"]) == 3)
    assert len(bench.told["tie"]) == 1


def test_a_refused_file_is_told_beside_the_drop(bench, tmp_path):
    bench.verdicts["bad"] = FakeVerdict("refused", message="This file is cut off.")
    (tmp_path / "bad-1.pth").write_text("x")
    bench.studio.open_path(tmp_path / "bad-1.pth")
    bench.wait(lambda: bool(bench.told["failed"]))
    place, failure = bench.told["failed"][0]
    assert (place, failure.message) == ("drop", "This file is cut off.")
    assert bench.told["reported"] == [bench.verdicts["bad"]]
    assert bench.studio.card == CLOTHES


def test_any_other_picture_is_offered_as_a_reference(bench, tmp_path):
    Image.new("RGB", (20, 10), "red").save(tmp_path / "photo.jpg")
    Image.new("L", (5, 4)).save(tmp_path / "plain.png")
    bench.studio.open_path(tmp_path / "photo.jpg")
    bench.studio.open_path(tmp_path / "plain.png")
    bench.wait(lambda: len(bench.told["picture_opened"]) == 2)
    opened = [(p.size, path.name) for p, path in bench.told["picture_opened"]]
    assert opened == [((20, 10), "photo.jpg"), ((5, 4), "plain.png")]


@pytest.mark.parametrize("name", ["gone.png", "broken.png", "broken.json", "empty folder"])
def test_what_cannot_be_opened_is_told_in_one_sentence(bench, tmp_path, name):
    (tmp_path / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nnothing")
    (tmp_path / "broken.json").write_text("{")
    (tmp_path / "empty folder").mkdir()
    bench.studio.open_path(tmp_path / name)
    bench.wait(lambda: bool(bench.told["failed"]))
    place, failure = bench.told["failed"][0]
    assert place == "drop"
    assert failure.message.endswith(".")
    assert "\n" not in failure.message


# ---- batch and processes ------------------------------------------------------------------------


def folder_of(tmp_path: Path, n: int = 5) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    for i in range(n):
        Image.new("L", (8, 6), 10 * i).save(folder / f"{i}.png")
    (folder / "notes.txt").write_text("not a picture")
    return folder


def test_a_folder_becomes_one_task_with_a_result_for_each_picture(bench, tmp_path):
    folder = folder_of(tmp_path)
    (folder / "broken.jpg").write_text("broken")
    bench.studio.open_path(folder)
    bench.wait(lambda: bench.told["folder_opened"] == [(str(folder), 6)])
    task = bench.studio.tasks.get(bench.studio.run_batch(folder, tmp_path / "out"))
    bench.wait(lambda: task.over)
    assert task.state == "done"
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == [f"{i}.png" for i in range(5)]
    assert "5 of 6 pictures" in task.message
    assert "broken.jpg" in task.message
    assert job_from_png(tmp_path / "out" / "3.png").images["canvas"].pixels[0, 0] == 30
    assert bench.studio.shown.job.images["canvas"].pixels[0, 0] == 255, "the desk is not disturbed"


def test_a_batch_goes_on_where_it_ended_and_overwrites_nothing(bench, tmp_path):
    folder, out = folder_of(tmp_path, 3), tmp_path / "out"
    out.mkdir()
    (out / "1.png").write_text("somebody's file")
    first = bench.studio.tasks.get(bench.studio.run_batch(folder, out))
    bench.wait(lambda: first.over)
    ran = len(bench.engine.log)
    assert (out / "1.png").read_text() == "somebody's file"
    assert sorted(p.name for p in out.iterdir()) == ["0.png", "1 2.png", "1.png", "2.png"]
    second = bench.studio.tasks.get(bench.studio.run_batch(folder, out))
    bench.wait(lambda: second.over)
    assert second.state == "done"
    assert len(bench.engine.log) == ran
    assert len(list(out.iterdir())) == 4


def test_a_batch_is_cancelled_between_two_pictures(bench, tmp_path):
    bench.engine.seconds = 0.05
    id = bench.studio.run_batch(folder_of(tmp_path, 30), tmp_path / "out")
    task = bench.studio.tasks.get(id)
    bench.wait(lambda: task.fraction > 0.05)
    bench.studio.cancel(id)
    assert task.state == "cancelled"
    count = len(bench.engine.log)
    bench.draw(1)
    bench.wait_shown(1)
    assert len(bench.engine.log) <= count + 2


def script(tmp_path: Path, text: str) -> list[str]:
    path = tmp_path / "script.py"
    path.write_text(text)
    return [sys.executable, str(path)]


def test_a_process_is_a_task_whose_lines_are_events(bench, tmp_path):
    picture(200).to_png()
    (tmp_path / "sample.png").write_bytes(picture(200).to_png())
    lines = [
        {"event": "progress", "done": 1, "total": 2, "note": "loss 0.5"},
        {"event": "preview", "path": str(tmp_path / "sample.png")},
        {"event": "result", "texts": ["model.safetensors"], "notes": ["Saved."], "seconds": 1},
    ]
    text = "\n".join(f"print({json.dumps(line)!r})" for line in ["hello", *lines])
    task = bench.studio.tasks.get(bench.studio.run_process(script(tmp_path, text), "Training"))
    bench.wait(lambda: task.over)
    assert (task.state, task.message, task.note) == ("done", "Saved.", "loss 0.5")
    assert bench.told["process_preview"] == [(task.id, picture(200))]


def test_a_process_that_dies_is_a_failure_with_its_last_words(bench, tmp_path):
    text = "import sys; print('reading', flush=True); sys.exit('no data found')"
    task = bench.studio.tasks.get(bench.studio.run_process(script(tmp_path, text), "Training"))
    bench.wait(lambda: task.over)
    assert task.state == "failed"
    assert "no data found" in task.details
    assert "reading" in task.details
    missing = bench.studio.tasks.get(bench.studio.run_process(["/no/such/program"], "Training"))
    bench.wait(lambda: missing.over)
    assert missing.state == "failed"


@pytest.mark.slow
def test_our_own_command_line_says_itself_why_it_refuses(bench):
    command = own_command("train", "no such recipe.toml")
    task = bench.studio.tasks.get(bench.studio.run_process(command, "Training"))
    bench.wait(lambda: task.over, 120_000)
    assert task.state == "failed"
    assert "no such recipe" in task.message
    assert task.message.endswith(".")


def test_a_process_is_cancelled_and_ends_with_the_program(bench, tmp_path):
    text = "import time, os; print(os.getpid(), flush=True); time.sleep(60)"
    task = bench.studio.tasks.get(bench.studio.run_process(script(tmp_path, text), "Training"))
    bench.wait(lambda: task.state == "running")
    bench.studio.cancel(task.id)
    bench.wait(lambda: task.over)
    assert task.state == "cancelled"
    pid = tmp_path / "pid"
    text = f"import time, os; open({str(pid)!r}, 'w').write(str(os.getpid())); time.sleep(60)"
    bench.studio.run_process(script(tmp_path, text), "Training")
    bench.wait(lambda: pid.exists() and pid.read_text() != "")
    bench.studio.tasks.stop()
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid.read_text()), 0)


# ---- the desk -----------------------------------------------------------------------------------


def test_the_desk_is_back_after_a_restart(open_bench, tmp_path):
    first = open_bench().start()
    first.choose("cats")
    first.studio.set_value("strength", 0.9)
    first.studio.set_seed(5)
    first.draw(44)
    first.wait_shown(44)
    first.photo = picture(123)
    first.studio.close()
    second = open_bench().start()
    assert second.studio.card == CATS
    assert (second.studio.values["strength"], second.studio.seed) == (0.9, 5)
    assert second.canvas.ink == 44
    assert second.canvas.restored[0].images["photo"] == picture(123)
    assert second.told["canvas_sheet_wanted"] == [], "the restored drawing is not wiped"
    assert second.shown().job.images["canvas"].pixels[0, 0] == 44
    second.choose("clothes")
    assert second.studio.values["strength"] == 0.2


def test_a_desk_whose_model_has_gone_opens_with_the_default(open_bench):
    first = open_bench().start()
    first.choose("cats")
    first.draw(44)
    first.studio.close()
    second = open_bench()
    second.catalogue.known = [e for e in second.catalogue.known if e.name != "cats"]
    second.start()
    assert second.studio.card == CLOTHES
    assert second.told["model_missing"] == [("cats", "feedfeedfeedfeed")]
    assert second.canvas.ink == 44


def test_a_default_model_replaces_one_that_cannot_be_loaded_at_the_start(open_bench):
    first = open_bench().start()
    first.choose("cats")
    first.studio.close()
    second = open_bench()
    del second.engine.cards["cats"]
    second.start()
    assert second.studio.card == CLOTHES
    assert second.told["failed"][0][0] == "model"


def test_a_broken_desk_is_set_aside(open_bench, tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "desk.json").write_text('{"desk": 1, "job": ')
    bench = open_bench().start()
    assert bench.studio.card == CLOTHES
    place, failure = bench.told["failed"][0]
    assert place == "desk"
    assert "desk.json.broken" in failure.message


@pytest.mark.parametrize("wait", [0, 5, 20, 60])
def test_closing_at_any_moment_ends_cleanly(open_bench, qtbot, tmp_path, wait):
    bench = open_bench()
    bench.engine.seconds = 0.02
    bench.studio.start()
    bench.studio.open_path(tmp_path / "nothing.png")
    qtbot.wait(wait)
    bench.draw(3)
    bench.studio.run()
    began = time.perf_counter()
    assert bench.studio.close()
    assert time.perf_counter() - began < 2


def test_preview_of_an_older_ticket_is_not_shown(bench):
    def late(job: Job) -> Iterator[Event]:
        for i in range(40):
            time.sleep(0.01)
            yield Preview(picture(i))
        yield Result((picture(99),))

    bench.engine.scripts["style"] = late
    bench.choose("style")
    bench.photo = picture(9)
    bench.studio.run()
    bench.wait(lambda: bool(bench.told["preview_shown"]))
    bench.choose("clothes")
    bench.draw(7)
    bench.wait_shown(7)
    shown = len(bench.told["preview_shown"])
    bench.wait(lambda: all(t.over for t in bench.studio.tasks))
    assert len(bench.told["preview_shown"]) == shown


def test_a_dropped_yunet_finds_the_faces_from_then_on(open_bench, tmp_path, monkeypatch):
    from engines.facefinder import _yunet_file

    monkeypatch.setenv("GANVAS_HOME", str(tmp_path / "home"))
    file = tmp_path / "detector.onnx"
    file.write_bytes(b"a graph")
    bench = open_bench(detector=FakeVerdict("finder", "It finds faces.")).start()
    bench.studio.finder_added.connect(bench.told.setdefault("finder_added", []).append)
    assert _yunet_file() is None
    bench.studio.open_path(file)
    bench.wait(lambda: bool(bench.told["finder_added"]))
    assert bench.told["finder_added"] == ["yunet-detector.onnx"] and not bench.told["failed"]
    kept = _yunet_file()
    assert kept is not None and kept.read_bytes() == b"a graph"
