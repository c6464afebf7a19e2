"""The Translate room in the real window, and results that are sent from room to room."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import QObject, QPoint, Qt, QThread, Signal
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QLabel

from app import i18n, theme
from app.camera import NONE
from app.slide import WAITING
from engines.chain import steps
from engines.controls import Choice, ImageInput, ModelCard, SketchInput, Toggle, gate
from engines.family import families
from engines.job import Event, Failed, Job, Picture, Result, job_from_png, save_png
from tests.app.fakes import FakeCatalogue, FakeEngine, FakeError
from tests.app.test_window import CLOTHES, Bench, negative, urls

LEFT = Qt.MouseButton.LeftButton
MONET = ModelCard(
    "cyclegan", "Photo to Monet and back",
    controls=(
        ImageInput("photo", "Photo"),
        Choice("direction", "Direction",
               (("AtoB", "Photo → Monet"), ("BtoA", "Monet → Photo")), "AtoB"),
        Toggle("round", "There and back", False),
    ),
    rooms=("translate",), summary="Repaints a photo.", checkpoint="photo-to-monet@1111222233334444",
)  # fmt: skip
MOSAIC = ModelCard(
    "unmosaic", "Remove a mosaic",
    controls=(ImageInput("photo", "Photo"), ImageInput("mask", "Region in mosaic")),
    rooms=("translate",), checkpoint="unmosaic@5555666677778888",
)  # fmt: skip
EITHER = ModelCard(
    "pix2pix", "U-Net 256",
    controls=(SketchInput("edges", "Drawing or photo", "edges", (64, 64), photo=True),),
    rooms=("draw", "translate"), checkpoint="facades@99990000aaaabbbb",
)  # fmt: skip
HOMELESS = ModelCard(
    "style", "Style", controls=(ImageInput("content", "Photo"),), rooms=("nowhere",),
    checkpoint="style@ccccddddeeeeffff",
)  # fmt: skip
CARDS = (CLOTHES, MONET, MOSAIC, EITHER, HOMELESS)


@dataclass(frozen=True)
class Entry:
    name: str
    digest: str
    title: str
    family: str
    rooms: tuple[str, ...]

    @property
    def reference(self) -> str:
        return f"{self.name}@{self.digest}"


class Catalogue(FakeCatalogue):
    def __init__(self) -> None:
        super().__init__()
        self.known = [
            Entry(*c.checkpoint.split("@"), c.title, c.family, c.rooms)  # type: ignore[list-item]
            for c in CARDS
        ]

    def entries(self) -> list[Entry]:
        return self.known  # type: ignore[return-value]


def translated(job: Job) -> Iterator[Event]:
    """The photo in negative, darker the other way round."""
    pixels = 255 - job.images["photo"].pixels[..., :3]
    pixels = pixels // 2 if job.values.get("direction") == "BtoA" else pixels
    numbers = {"structure error": 0.25}
    beside = {}
    if job.values.get("round"):
        numbers["cycle error"] = 0.125
        beside = {"And back": job.images["photo"], "Error": Picture(pixels // 4)}
    yield Result((Picture(pixels),), seconds=0.02, numbers=numbers, beside=beside)


def filled(job: Job) -> Iterator[Event]:
    yield Result((job.images["mask"],), notes=("This is a guess.",))


def photo(value: int = 200, size: tuple[int, int] = (48, 36)) -> Picture:
    return Picture(np.full((size[1], size[0], 3), value, np.uint8))


class Room(Bench):
    def open(self) -> None:
        self.engine = FakeEngine()
        self.engine.scripts = {
            "pix2pix": lambda job: negative(_grey(job)), "cyclegan": translated,
            "unmosaic": filled, "difference": lambda job: families()["difference"].run(None, job),  # type: ignore[arg-type]
        }  # fmt: skip
        self.engine.cards = {card.checkpoint.partition("@")[0]: card for card in CARDS}
        self.catalogue = Catalogue()
        super().open()

    @property
    def canvas(self):
        return self.window.draw.canvas

    @property
    def room(self):
        return self.window.rooms["translate"]

    def enter(self, card: ModelCard = MONET) -> None:
        self.studio.choose_model(card.checkpoint)
        self.wait(lambda: self.studio.card == card)
        assert self.window.room is self.room

    def show(self, picture: Picture) -> Job:
        self.window.take_picture(picture)
        job = self.settled()
        assert job.images["photo"] == picture
        return job

    def send(self, card: ModelCard) -> Job:
        """To a model of this room."""
        with self.qtbot.waitSignal(self.window.studio.sent, timeout=20_000):
            self.window.top.send.chosen.emit("translate", card.checkpoint)
        self.wait(lambda: self.window._sent is None)
        return self.settled()


def _grey(job: Job) -> Job:
    given = job.images["edges"]
    grey = given if given.channels == 1 else Picture(given.pixels[..., 0])
    return job.with_(images={"edges": grey})


@pytest.fixture
def bench(qtbot, tmp_path, qapp) -> Iterator[Room]:
    theme.apply(qapp, "dark")
    made = Room(qtbot, tmp_path)
    yield made
    made.window.close()
    assert not made.studio.worker.isRunning()
    i18n.set_language("en")


# ---- the room ------------------------------------------------------------------------------------


def test_a_photo_model_has_a_room_of_its_own_that_says_what_to_do(bench: Room) -> None:
    bench.enter()
    room = bench.room
    assert bench.window.rail.rooms["translate"].isVisible() and room.photo.button.isVisible()
    assert "Drop a photo" in room.photo.message() and room.viewer.message() == WAITING
    assert not room.below.isVisible() and not room.photo_head.surprise.isVisible()
    assert room.turn.isVisible()
    first, second = room.photo.button.geometry(), room.photo.example.geometry()
    assert room.photo.rect().contains(first.united(second)) and not first.intersects(second)
    QTest.mouseClick(room.photo.example, LEFT)
    bench.wait(lambda: bench.window.table.photo is not None)
    assert bench.settled().images["photo"].size == (640, 480)
    assert not room.photo.button.isVisible() and not room.photo.example.isVisible()
    assert bench.window.focusWidget() is room.photo and not room.photo.focus_by_key
    bench.enter(MOSAIC)
    assert not room.turn.isVisible()


def test_a_dropped_file_is_translated_and_compared_with_itself(bench: Room, tmp_path: Path) -> None:
    bench.enter()
    save_png(photo(), None, tmp_path / "photo.png")
    bench.drop(bench.room.photo, urls(tmp_path / "photo.png"))
    bench.wait(lambda: bench.window.table.photo is not None)
    job = bench.settled()
    assert job.images["photo"] == photo() and not job.origins
    assert bench.room.viewer.picture() == Picture(255 - photo().pixels)
    assert bench.room.viewer._before.size().width() == 48
    assert bench.room.numbers.isVisible() and bench.room.views is None


def test_another_model_of_the_room_is_given_the_same_photo(bench: Room) -> None:
    bench.enter()
    bench.show(photo())
    bench.enter(MOSAIC)
    assert bench.studio.job().images == {"photo": photo()}


def test_a_region_is_painted_on_the_photo_for_models_that_work_on_one(bench: Room) -> None:
    bench.enter()
    bench.show(photo())
    assert not bench.room.brushes.isVisible()
    bench.enter(MOSAIC)
    room, canvas = bench.room, bench.room.photo
    assert room.brushes.isVisible() and "mask" not in room.controls.wells
    middle = canvas.rect().center()
    QTest.mousePress(canvas, LEFT, pos=middle)
    QTest.mouseMove(canvas, middle + QPoint(30, 0))
    QTest.mouseRelease(canvas, LEFT, pos=middle + QPoint(30, 0))
    mask = bench.settled().images["mask"]
    assert mask.size == (48, 36) and mask.pixels[18, 24] == 255 and mask.pixels[2, 2] == 0
    assert room.notes.isVisible() and "guess" in room.notes.text()
    bench.act("undo")
    bench.wait(lambda: "mask" not in bench.studio.job().images)
    bench.act("redo")
    assert bench.settled().images["mask"] == mask
    QTest.mouseClick(room.brushes.clear, LEFT)
    assert "mask" not in bench.studio.job().images


def test_a_mask_gates_what_any_model_makes(bench: Room) -> None:
    """With a soft brush, or from a filter; it goes with the photo from model to model."""
    bench.engine.cards["photo-to-monet"] = gated = replace(
        MONET, controls=(*MONET.controls, gate())
    )
    bench.enter(gated)
    bench.show(photo())
    room, canvas = bench.room, bench.room.photo
    assert room.brush.isVisible() and not room.brushes.isVisible()
    QTest.mouseClick(room.brush, LEFT)
    assert room.brushes.isVisible() and "counts" in room.brushes.said.text()
    middle = canvas.rect().center()
    QTest.mousePress(canvas, LEFT, pos=middle)
    QTest.mouseRelease(canvas, LEFT, pos=middle)
    mask = bench.settled().images["mask"]
    assert mask.pixels[18, 24] == 255 and mask.pixels[2, 2] == 0
    assert len(np.unique(mask.pixels)) > 4  # it fades
    QTest.mouseClick(room.brush, LEFT)
    assert not room.brushes.isVisible() and bench.studio.job().images["mask"] == mask
    recipe = bench.studio.shown.job
    QTest.mouseClick(room.brush, LEFT)
    QTest.mouseClick(room.brushes.clear, LEFT)
    bench.wait(lambda: "mask" not in bench.studio.shown.job.images)
    bench.studio.restore(recipe)
    bench.wait(lambda: bench.studio.job().images.get("mask") == mask)
    bench.enter(MOSAIC)
    assert room.brushes.isVisible() and not room.brush.isVisible()
    assert bench.studio.job().images["mask"] == mask


def test_the_direction_turns_and_undo_turns_it_back(bench: Room) -> None:
    bench.enter()
    bench.show(photo())
    QTest.mouseClick(bench.room.turn, LEFT)
    assert bench.settled().values["direction"] == "BtoA"
    assert bench.room.viewer.picture() == Picture((255 - photo().pixels) // 2)
    bench.act("undo")
    assert bench.settled().values["direction"] == "AtoB"


def test_a_round_trip_can_be_seen_with_its_error_and_numbers(bench: Room) -> None:
    bench.enter()
    bench.show(photo())
    bench.studio.set_value("round", True)
    bench.settled()
    room = bench.room
    assert room.views is not None and [room.views.value()] == ["result"]
    QTest.mouseClick(room.views.part("And back"), LEFT)
    assert room.viewer.picture() == photo()
    QTest.mouseClick(room.views.part("Error"), LEFT)
    assert room.viewer.picture() == Picture((255 - photo().pixels) // 4)
    assert room.viewer._source() is None  # no file carries that picture's recipe
    words = {label.text() for label in room.numbers.findChildren(QLabel) if label.text()}
    assert {"0.250", "0.125", "–", "Content", "Domain"} <= words
    bench.studio.set_value("round", False)
    bench.settled()
    assert room.views is None and room.viewer.picture() == Picture(255 - photo().pixels)
    assert room.viewer._source() is not None


def test_the_truth_is_shown_with_the_difference_until_another_photo_comes(
    bench: Room, tmp_path: Path
) -> None:
    bench.enter()
    bench.show(photo())
    save_png(photo(65), None, tmp_path / "truth.png")
    bench.drop(bench.room.truth, urls(tmp_path / "truth.png"))
    bench.wait(lambda: "difference" in bench.window.desks["translate"].views())
    room = bench.room
    QTest.mouseClick(room.views.part("truth"), LEFT)
    assert room.viewer.picture() == photo(65)
    QTest.mouseClick(room.views.part("difference"), LEFT)
    assert room.viewer.picture().size == (48, 36)
    words = {label.text() for label in room.numbers.findChildren(QLabel)}
    assert f"{10 / 255:.3f}" in words and "Truth" in words
    assert "truth" not in bench.settled().images
    bench.show(photo(10))
    assert room.truth.picture() is None and room.views is None


def test_the_desk_comes_back_after_a_restart(bench: Room) -> None:
    bench.enter()
    bench.show(photo())
    bench.room.truth.set_picture(photo(65))
    bench.reopen()
    bench.wait(lambda: bench.window.room is bench.window.rooms.get("translate"))
    assert bench.settled().images["photo"] == photo()
    assert bench.window.table.photo == photo() and bench.room.truth.picture() == photo(65)


def test_a_model_of_two_rooms_stays_where_one_is(bench: Room) -> None:
    bench.studio.choose_model(EITHER.checkpoint)
    bench.wait(lambda: bench.studio.card == EITHER)
    assert bench.window.room is bench.window.draw
    bench.enter()
    bench.studio.choose_model(EITHER.checkpoint)
    bench.wait(lambda: bench.studio.card == EITHER)
    assert bench.window.room is bench.room
    bench.window.take_picture(photo())
    assert bench.settled().images["edges"] == photo()
    bench.window.rail.room_chosen.emit("draw")
    bench.wait(lambda: bench.window.room is bench.window.draw)


def test_the_draw_room_shows_no_tools_for_what_draws_nothing(bench: Room) -> None:
    draw = bench.window.draw
    assert draw.strip.isVisible() and draw.head.isVisible()
    bench.studio.choose_model(HOMELESS.checkpoint)
    bench.wait(lambda: bench.studio.card == HOMELESS)
    assert bench.window.room is draw
    assert not draw.strip.isVisible() and not draw.head.isVisible()


# ---- from room to room ---------------------------------------------------------------------------


def test_what_can_take_a_picture_is_offered_by_room(bench: Room) -> None:
    offered = {id: [title for _, title in models] for id, _, models in bench.window.targets()}
    assert offered == {
        "draw": ["Edges to clothes", "U-Net 256"],
        "translate": ["Photo to Monet and back", "Remove a mosaic", "U-Net 256"],
    }
    bench.window.top.send.open_menu()
    texts = [act.text().strip() for act in bench.window.top.send.menu.actions()]
    assert texts[:3] == ["Draw", "Edges to clothes", "U-Net 256"]
    bench.window.top.send.menu.hide()


def test_a_sent_result_carries_its_recipe_and_leads_back(bench: Room, tmp_path: Path) -> None:
    bench.draw((20, 30), (150, 200), (60, 220))
    bench.act("live")
    bench.act("run")
    drawn = bench.settled()
    made = bench.studio.shown.picture
    bench.act("live")
    job = bench.send(MONET)
    assert job.images["photo"] == made and job.origins["photo"].digest == drawn.digest
    assert bench.room.origin.isVisible() and "edges-to-clothes" in bench.room.origin.text()
    again = bench.send(MONET)  # on and on
    assert [step.family for step in steps(again)] == ["pix2pix", "cyclegan", "cyclegan"]

    bench.studio.export(tmp_path / "out.png")
    bench.wait((tmp_path / "out.png").exists)
    kept = job_from_png(tmp_path / "out.png")
    assert [step.digest for step in steps(kept)] == [step.digest for step in steps(again)]
    assert steps(kept)[0].drawings["edges"]["items"]

    QTest.mouseClick(bench.room.origin, LEFT)
    assert bench.settled().digest == job.digest
    QTest.mouseClick(bench.room.origin, LEFT)
    bench.wait(lambda: bench.window.room is bench.window.draw)
    assert bench.settled().digest == drawn.digest and not bench.window.draw.canvas.is_empty()


def test_the_chain_outlives_a_restart_and_ends_with_a_photo_of_ones_own(bench: Room) -> None:
    bench.enter()
    bench.show(photo())
    bench.send(MONET)
    bench.reopen()
    bench.wait(lambda: bench.window.room is bench.window.rooms.get("translate"))
    assert [step.family for step in steps(bench.settled())] == ["cyclegan", "cyclegan"]
    assert bench.room.origin.isVisible()
    assert not bench.show(photo(7)).origins and not bench.room.origin.isVisible()


def test_the_whole_chain_is_made_once_more_from_its_first_picture(
    bench: Room, tmp_path: Path
) -> None:
    bench.enter()
    bench.show(photo())
    assert not bench.window.actions_["chain"].isEnabled()
    chained = bench.send(MONET)
    assert bench.window.actions_["chain"].isEnabled()
    changed = chained.with_(
        images={"photo": photo(1)}, origins={"photo": chained.origins["photo"]}
    )  # what lies between is not what the first step makes: the chain puts it right
    save_png(photo(3), changed, tmp_path / "chain.png")
    bench.studio.open_path(tmp_path / "chain.png")
    bench.wait(lambda: bench.studio.job().images["photo"] == photo(1))
    bench.settled()
    bench.act("chain")
    bench.wait(lambda: bench.studio.job().images["photo"] == Picture(255 - photo().pixels))
    assert bench.settled().digest == chained.digest
    assert bench.studio.shown.picture == photo()  # the negative of a negative
    assert bench.room.origin.isVisible()
    assert [task.state for task in bench.studio.tasks][-1] == "done"


def test_a_chain_that_fails_or_is_given_up_leaves_all_as_it_was(bench: Room) -> None:
    bench.enter()
    bench.show(photo())
    chained = bench.send(MONET)
    shown = bench.studio.shown.picture

    def fails(job: Job) -> Iterator[Event]:
        raise FakeError("internal", "It broke.")
        yield

    bench.engine.scripts["cyclegan"] = fails
    row = bench.studio.make_chain()
    bench.wait(lambda: bench.studio.tasks.get(row).state == "failed")
    assert "It broke." in bench.studio.tasks.get(row).message
    bench.engine.scripts["cyclegan"] = translated
    bench.studio.cancel(bench.studio.make_chain())
    assert bench.studio.shown.picture == shown
    assert bench.studio.job(drawings=False).images == chained.images


def test_a_model_that_is_gone_gets_nothing_later(bench: Room) -> None:
    bench.enter()
    bench.show(photo())
    del bench.engine.cards["unmosaic"]
    bench.window.top.send.chosen.emit("translate", MOSAIC.checkpoint)
    bench.wait(bench.window.notice.isVisible)
    bench.enter(EITHER)
    assert bench.settled().images["edges"] == photo()  # and not its translation


# ---- a camera ------------------------------------------------------------------------------------


class Turned(QObject):
    """Frames when a test says so; each is the grey level of its picture."""

    arrived = Signal(object)
    refused = Signal(str)

    def __init__(self) -> None:
        super().__init__()
        self.runs, self.threads = False, []

    def start(self) -> None:
        self.runs = True

    def stop(self) -> None:
        self.runs = False

    def read(self, frame: int) -> Picture:
        self.threads.append(QThread.currentThread())
        return photo(frame)


@pytest.fixture
def turned(bench: Room) -> Turned:
    bench.enter(MONET)
    camera, desk = Turned(), bench.window.desks["translate"]
    desk.camera = camera
    camera.arrived.connect(desk._on_frame)
    camera.refused.connect(desk._on_refused)
    return camera


def level(bench: Room) -> int:
    shown = bench.studio.shown
    return 255 - int(shown.picture.pixels[0, 0, 0]) if shown else -1


def test_frames_are_translated_one_at_a_time_and_the_latest_wins(
    bench: Room, turned: Turned
) -> None:
    bench.room.camera.click()
    assert turned.runs
    bench.engine.seconds = 0.1
    for grey in range(10, 20):
        turned.arrived.emit(grey)  # the first is read, the others pass by
    bench.wait(lambda: level(bench) == 10)
    turned.arrived.emit(40)
    bench.wait(lambda: level(bench) == 40)
    greys = [int(job.images["photo"].pixels[0, 0, 0]) for job in bench.engine.log[-2:]]
    assert greys == [10, 40] and QThread.currentThread() not in turned.threads
    assert bench.window.desks["translate"].photo == photo(40)


def test_only_the_last_frame_is_kept(bench: Room, turned: Turned) -> None:
    bench.room.camera.click()
    for grey in (10, 20, 30):
        turned.arrived.emit(grey)
        bench.wait(lambda grey=grey: level(bench) == grey)
    bench.studio.settle()
    assert not bench.studio.history.entries()
    bench.room.camera.click()
    assert not turned.runs
    bench.wait(lambda: len(bench.studio.history.entries()) == 1)
    turned.arrived.emit(90)  # was on its way
    assert bench.window.desks["translate"].photo == photo(30)


def test_a_photo_or_a_failure_stops_the_camera(bench: Room, turned: Turned) -> None:
    bench.room.camera.click()
    bench.window.take_picture(photo(70))
    assert not turned.runs and not bench.room.camera.isChecked()
    bench.wait(lambda: level(bench) == 70)
    bench.room.camera.click()
    bench.engine.scripts["cyclegan"] = lambda _job: iter([Failed("input", "Too small.")])
    turned.arrived.emit(80)
    bench.wait(lambda: not turned.runs)


def test_without_live_results_the_photo_moves_alone(bench: Room, turned: Turned) -> None:
    bench.studio.set_live(False)
    ran = len(bench.engine.log)
    bench.room.camera.click()
    desk = bench.window.desks["translate"]
    for grey in (10, 20):
        turned.arrived.emit(grey)
        bench.wait(lambda grey=grey: desk.photo == photo(grey))
    assert len(bench.engine.log) == ran


def test_why_there_is_no_camera_is_said(bench: Room, turned: Turned) -> None:
    bench.room.camera.click()
    turned.refused.emit(NONE)
    assert not bench.room.camera.isChecked() and bench.window.notice.text() == NONE
