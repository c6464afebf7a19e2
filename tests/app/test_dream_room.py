"""The Dream room in the real window: first with a scripted engine, then with a tiny network."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QFileDialog

from app import theme
from app.dream import DreamRoom
from app.pictures import from_qimage
from app.results import Shown
from app.reverie import Reverie
from app.settings import Settings
from app.studio import Studio
from app.widgets.controls import ClassField
from app.window import MainWindow
from app.worker import EngineWorker
from engines.catalogue import Catalogue
from engines.controls import ClassChoice, ImageInput, ModelCard, Slider, Text
from engines.family import families
from engines.job import Event, Job, Picture, Preview, Progress, Result
from tests.app.test_window import CLOTHES, Bench, negative, photo, urls

LEFT = Qt.MouseButton.LeftButton
DREAM = ModelCard(
    "dream", "Dream", rooms=("dream",), live=False, checkpoint="dream@dddd0000dddd0000",
    controls=(
        ImageInput("photo", "Photo"),
        ImageInput("guide", "Guide", optional=True),
        ImageInput("mask", "Where to dream", optional=True, over="photo"),
        ImageInput("progress", "Go on from", optional=True),
        Text("layers", "Layers", "relu2_1", layers=(("relu1_1", 5), ("relu2_1", 3))),
        Slider("steps", "Steps", 1, 50, 1, 40),
        ClassChoice("class", "Which class", ("tabby", "tiger cat", "crane", "great grey owl")),
    ),
)  # fmt: skip


def counted(job: Job) -> Iterator[Event]:
    """Each step is lighter by one than what it goes on from. With a guide, every place is said to
    come from the mirrored place of the guide."""
    if job.values.get("longest"):  # a small picture of a channel
        channel = str(job.values["layers"]).partition(":")[2] or "200"
        yield Result((photo(int(channel)),), seconds=0.01)
        return
    pixels = job.images.get("progress", job.images["photo"]).pixels.copy() // 2
    for step in range(round(float(str(job.values["steps"])))):
        time.sleep(0.01)
        yield Progress(step + 1, 40)
        pixels = pixels + 1
        yield Preview(Picture(pixels))
    beside: dict[str, Picture] = {}
    if "guide" in job.images:
        ramp = np.linspace(255, 0, pixels.shape[1]).astype(np.uint8)
        place = np.zeros_like(pixels)
        place[..., 0], place[..., 1] = ramp, 51
        beside["Match map"] = Picture(place)
    yield Result((Picture(pixels),), seconds=1.0, beside=beside)


class DreamBench(Bench):
    scripts: ClassVar = {
        "pix2pix": negative, "dream": counted,
        "mask": lambda job: families()["mask"].run(None, job),  # type: ignore[arg-type]
    }  # fmt: skip
    cards: ClassVar = (CLOTHES, DREAM)

    def shown(self) -> Shown:
        assert self.studio.shown is not None
        return self.studio.shown

    @property
    def room(self) -> DreamRoom:
        return self.window.rooms["dream"]  # type: ignore[return-value]

    @property
    def desk(self) -> Reverie:
        return self.window.desks["dream"]  # type: ignore[return-value]

    def lay(self, folder: Path, value: int = 100) -> None:
        self.drop(self.room.photo, urls(saved(folder, "photo.png", value)))
        self.wait(lambda: self.desk.photo == photo(value))

    def dream(self) -> Job:
        before = self.studio.shown
        QTest.mouseClick(self.room.run, LEFT)
        self.wait(lambda: self.studio.shown is not before and not self.studio.tasks.running())
        return self.shown().job


def saved(folder: Path, name: str, value: int) -> Path:
    path = folder / name
    path.write_bytes(photo(value).to_png())
    return path


@pytest.fixture
def bench(qtbot, tmp_path, qapp, monkeypatch):
    monkeypatch.setenv("GANVAS_HOME", str(tmp_path / "home"))
    theme.apply(qapp, "dark")
    made = DreamBench(qtbot, tmp_path)
    made.engine.plan = lambda job: f"About {job.values['steps']:.0f} s and 90 MB of memory"  # type: ignore
    QTest.mouseClick(made.window.rail.rooms["dream"], LEFT)
    made.wait(lambda: made.studio.card == DREAM)
    yield made
    made.window.close()
    assert not made.studio.worker.isRunning()


def test_a_photo_is_dropped_dreamt_stopped_and_gone_on_from(bench: DreamBench, tmp_path: Path):
    room, studio = bench.room, bench.studio
    assert bench.window.room is room and not room.run.isEnabled() and not room.go_on.isEnabled()
    bench.lay(tmp_path)
    assert room.run.isEnabled() and room.run.text() == "Dream"
    QTest.mouseClick(room.run, LEFT)
    bench.wait(lambda: bool(studio.tasks.running()) and room.run.text() == "Stop")
    bench.wait(lambda: bench.desk._so_far is not None)
    QTest.mouseClick(room.run, LEFT)
    bench.wait(lambda: not studio.tasks.running() and room.go_on.isEnabled())
    so_far = bench.desk._so_far
    QTest.mouseClick(room.go_on, LEFT)
    bench.wait(lambda: bench.shown().job.images.get("progress") == so_far)
    assert bench.dream().images.get("progress") is None  # from the beginning


def test_what_it_takes_is_said_before_it_runs(bench: DreamBench, tmp_path: Path):
    assert bench.room.plan.text() == ""
    bench.lay(tmp_path)
    bench.wait(lambda: bench.room.plan.text() == "About 40 s and 90 MB of memory")
    bench.studio.set_value("steps", 7)
    bench.wait(lambda: bench.room.plan.text().startswith("About 7 s"))


def test_a_class_is_found_by_a_part_of_its_name_or_by_its_number(bench: DreamBench):
    field = bench.room.controls.fields["class"]
    assert isinstance(field, ClassField)
    box, line = field.box, field.box.line
    asked = lambda: bench.studio.values["class"]  # noqa: E731
    assert line.text() == "tabby" and box.number.text() == "no. 0"

    def typed(text: str) -> None:
        QTest.mouseClick(line, LEFT)
        line.selectAll()
        QTest.keyClicks(line, text)

    typed("owl")
    bench.wait(box.offers.isVisible)
    assert [i.data() for i in indexes(box.completer.completionModel())] == ["great grey owl"]
    QTest.keyClick(box.offers, Qt.Key.Key_Down)
    QTest.keyClick(box.offers, Qt.Key.Key_Return)
    assert asked() == 3.0 and line.text() == "great grey owl" and box.number.text() == "no. 3"
    typed("1")
    QTest.keyClick(line, Qt.Key.Key_Return)
    assert asked() == 1.0 and line.text() == "tiger cat"
    typed("tyger cat")
    QTest.keyClick(line, Qt.Key.Key_Return)
    assert asked() == 1.0 and "“tyger cat”" in box.unknown.text() and box.unknown.isVisible()
    assert [part.text() for part in box.meant if part.isVisible()] == ["tiger cat"]
    typed("Crane")
    QTest.keyClick(line, Qt.Key.Key_Return)
    assert asked() == 2.0 and line.text() == "crane" and not box.unknown.isVisible()
    bench.studio.set_value("class", 1.0)
    assert line.text() == "tiger cat"
    typed("9")
    QTest.keyClick(line, Qt.Key.Key_Return)
    assert asked() == 1.0 and "from 0 to 3" in box.unknown.text()


def indexes(model: Any) -> list[Any]:
    return [model.index(row, 0) for row in range(model.rowCount())]


def test_a_click_on_the_result_marks_its_place_in_the_guide(bench: DreamBench, tmp_path: Path):
    room = bench.room
    bench.lay(tmp_path)
    bench.studio.set_value("steps", 2)
    assert bench.dream().images.keys() == {"photo"} and not room.hint.isVisible()
    bench.drop(room.guide, urls(saved(tmp_path, "guide.png", 30)))
    bench.wait(lambda: room.guide.picture() == photo(30))
    assert bench.desk.photo == photo(100) and "guide" in bench.dream().images
    assert room.hint.isVisible() and room.guide.marked() is None
    area = room.viewer.view.area()
    at = area.topLeft() + QPointF(area.width() * 0.25, area.height() * 0.5)
    QTest.mouseClick(room.viewer, LEFT, pos=at.toPoint())
    mark = room.guide.marked()
    assert mark is not None and abs(mark.x() - 0.75) < 0.1 and abs(mark.y() - 0.2) < 0.01
    for _ in range(10):
        QTest.keyClick(room.viewer, Qt.Key.Key_Right)
    assert room.guide.marked().x() < mark.x() - 0.1  # type: ignore[union-attr]
    room.guide.set_picture(photo(31))  # another guide: the map is not its
    assert room.guide.marked() is None and not room.hint.isVisible()


def test_where_it_is_dreamt_is_painted(bench: DreamBench, tmp_path: Path):
    room = bench.room
    bench.lay(tmp_path)
    assert not room.brushes.isVisible()
    QTest.mouseClick(room.brush, LEFT)
    middle = room.photo.rect().center()
    QTest.mousePress(room.photo, LEFT, pos=middle)
    QTest.mouseMove(room.photo, middle + QPoint(30, 0))
    QTest.mouseRelease(room.photo, LEFT, pos=middle + QPoint(30, 0))
    mask = bench.desk._mask
    assert room.brushes.isVisible() and mask is not None and mask.pixels.any()
    bench.studio.set_value("steps", 2)
    assert bench.dream().images["mask"] == mask
    bench.act("undo")
    bench.act("undo")
    assert bench.desk._mask is None
    assert "mask" not in bench.dream().images


def test_small_pictures_of_channels_arrive_and_are_chosen_by_a_click(bench: DreamBench):
    strip, layers = bench.room.channels.strip, bench.room.channels.layers
    assert layers.currentData() == "relu2_1" and strip.count() == 4
    bench.wait(lambda: not strip.lacking())
    made = [job.values["layers"] for job in bench.engine.log if job.family == "dream"]
    assert made == ["relu2_1", "conv2_1:0", "conv2_1:1", "conv2_1:2"]
    click(bench, 2)
    assert bench.studio.values["layers"] == "relu2_1:1"
    click(bench, 3, Qt.KeyboardModifier.ControlModifier)
    assert bench.studio.values["layers"] == "relu2_1:1+2"
    click(bench, 0)
    assert bench.studio.values["layers"] == "relu2_1"
    layers.setCurrentIndex(0)
    layers.activated.emit(0)
    assert bench.studio.values["layers"] == "relu1_1" and strip.count() == 6
    bench.act("undo")
    assert layers.currentData() == "relu2_1" and strip.chosen_channels() == []
    bench.studio.set_value("layers", "relu1_1:3, relu2_1")
    assert layers.currentData() == "relu1_1" and strip.chosen_channels() == [3]


def click(bench: DreamBench, place: int, how: Any = Qt.KeyboardModifier.NoModifier) -> None:
    strip = bench.room.channels.strip
    item = strip.item(place)
    strip.scrollToItem(item)
    QTest.mouseClick(strip.viewport(), LEFT, how, strip.visualItemRect(item).center())


def test_small_pictures_are_made_once_and_wait_while_a_dream_runs(
    bench: DreamBench, tmp_path: Path
):
    bench.wait(lambda: not bench.room.channels.strip.lacking())
    bench.lay(tmp_path)
    QTest.mouseClick(bench.room.run, LEFT)
    bench.wait(lambda: bool(bench.studio.tasks.running()))
    bench.room.channels.chosen.emit("relu1_1", [])
    QTest.qWait(250)
    assert not any(j.values.get("layers") == "conv1_1:0" for j in bench.engine.log)
    bench.act("cancel")
    bench.wait(lambda: any(j.values.get("layers") == "conv1_1:0" for j in bench.engine.log))
    bench.wait(lambda: not bench.room.channels.strip.lacking())
    count = len(bench.engine.log)
    bench.room.channels.chosen.emit("relu2_1", [])
    bench.wait(lambda: not bench.room.channels.strip.lacking())
    assert len(bench.engine.log) == count  # from the disk


def test_a_film_is_asked_for_and_made(bench: DreamBench, tmp_path: Path, monkeypatch):
    import av

    bench.lay(tmp_path)
    bench.studio.set_value("steps", 2)
    film = tmp_path / "dream.mp4"
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *a, **k: (str(film), ""))
    bench.wait(bench.room.film.isEnabled)
    QTest.mouseClick(bench.room.film, LEFT)
    popover = bench.window.asking.journey
    assert popover is not None and popover.isVisible()
    popover.seconds.setValue(0)
    popover.zoom.setValue(popover.zoom.maximum())
    assert (popover.film().frames, popover.film().zoom) == (12, 1.1)
    QTest.mouseClick(popover.save, LEFT)
    bench.wait(film.exists)
    with av.open(str(film)) as container:
        assert sum(1 for _ in container.decode(video=0)) == 12
    jobs = [job for job in bench.engine.log if "photo" in job.images and job.values["steps"] == 3]
    assert len(jobs) == len({job.seed for job in jobs}) == 15  # 12 and the fade, but the first


def test_photo_guide_and_region_are_back_with_a_recipe(bench: DreamBench, tmp_path: Path):
    mask = Picture(np.full((6, 8), 255, np.uint8))
    job = Job("dream", DREAM.checkpoint, {"layers": "relu1_1:2"},
              {"photo": photo(9), "guide": photo(8), "mask": mask}, seed=4)  # fmt: skip
    bench.studio.restore(job)
    bench.wait(lambda: bench.desk.photo == photo(9))
    assert bench.room.guide.picture() == photo(8) and bench.desk._mask == mask
    assert bench.room.channels.strip.chosen_channels() == [2] and bench.studio.seed == 4


# ---- with a real engine --------------------------------------------------------------------------


def test_what_leaves_a_room_is_what_lies_in_it(bench: DreamBench, tmp_path: Path):
    """Not the last picture of another room, which is not seen here."""
    window, studio, draw = bench.window, bench.studio, bench.window.rooms["draw"]
    assert studio.shown is None and not window.actions_["export"].isEnabled()
    bench.lay(tmp_path)
    bench.dream()
    dream = bench.shown()
    bench.wait(lambda: len(studio.history.entries()) == 1)
    QTest.mouseClick(window.rail.rooms["draw"], LEFT)
    bench.wait(lambda: studio.card == CLOTHES and window.room is draw)
    studio.run()
    bench.wait(lambda: bench.shown().job.family == "pix2pix" and not bench.shown().result.draft)
    drawn = draw.viewer.picture()
    assert drawn == bench.shown().picture
    QTest.mouseClick(window.rail.rooms["dream"], LEFT)
    bench.wait(lambda: window.room is bench.room)
    assert studio.shown is dream and bench.room.viewer.picture() == dream.picture
    entry = next(e for e in studio.history.entries() if e.digest == dream.job.digest)
    assert window.film._frame.current == entry.id and window.actions_["export"].isEnabled()
    bench.act("copy")
    assert from_qimage(QGuiApplication.clipboard().image()) == dream.picture


@pytest.mark.parametrize("returns", ["before", "after"])
def test_what_was_begun_in_a_room_lies_there_when_one_comes_back(
    bench: DreamBench, tmp_path: Path, returns: str
):
    window, studio, draw = bench.window, bench.studio, bench.window.rooms["draw"]
    bench.lay(tmp_path)
    QTest.mouseClick(bench.room.run, LEFT)
    bench.wait(lambda: bool(studio.tasks.running()))
    QTest.mouseClick(window.rail.rooms["draw"], LEFT)
    bench.wait(lambda: window.room is draw)
    if returns == "after":
        bench.wait(lambda: not studio.tasks.running() and bool(studio.history.entries()))
        assert studio.shown is None or studio.shown.job.family == "pix2pix"
    QTest.mouseClick(window.rail.rooms["dream"], LEFT)
    bench.wait(lambda: window.room is bench.room)
    if returns == "before":
        assert studio.tasks.running()
    bench.wait(lambda: studio.shown is not None and studio.shown.job.family == "dream")
    assert bench.room.viewer.picture() == bench.shown().picture
    bench.wait(lambda: len(studio.history.entries()) == 1)
    assert window.film._frame.current == studio.history.entries()[0].id
    assert window.actions_["export"].isEnabled()
    assert draw.viewer.picture() != bench.shown().picture


def test_who_works_in_a_room_has_the_keys_of_the_next_one(bench: DreamBench):
    """Not those of the first button of the window."""
    window, steps = bench.window, bench.room.controls.fields["steps"]
    steps.setFocus()
    assert bench.room.isAncestorOf(window.focusWidget())
    QTest.mouseClick(window.rail.rooms["draw"], LEFT)
    bench.wait(lambda: window.room is window.rooms["draw"])
    assert window.focusWidget() is window.room
    QTest.mouseClick(window.rail.rooms["dream"], LEFT)
    bench.wait(lambda: window.room is bench.room)
    assert window.focusWidget() is bench.room


def test_a_result_comes_back_in_its_own_room(bench: DreamBench, tmp_path: Path):
    window, studio, draw = bench.window, bench.studio, bench.window.rooms["draw"]
    bench.lay(tmp_path)
    first = bench.dream()
    picture = bench.shown().picture
    studio.set_value("steps", 7)
    bench.dream()
    QTest.mouseClick(window.rail.rooms["draw"], LEFT)
    bench.wait(lambda: window.room is draw)
    before = draw.viewer.picture()
    studio.restore(first, picture)
    assert draw.viewer.picture() is before
    bench.wait(lambda: window.room is bench.room)
    assert bench.room.viewer.picture() == picture and bench.shown().job.digest == first.digest
    assert draw.viewer.picture() is before


def test_a_tiny_network_dreams_in_the_window(qtbot, tmp_path: Path, qapp, monkeypatch):
    """Two models of one file: the room chooses the one that dreams; a VGG dropped here too."""
    import torch

    from engines import backbonenet, backbones, checkpoint
    from engines.engine import Engine

    monkeypatch.setenv("GANVAS_HOME", str(tmp_path / "home"))
    config = backbones.Config(widths=(4, 6), depths=(1, 1), classes=0, hidden=0)
    torch.manual_seed(0)
    weights = tmp_path / "tiny.safetensors"
    checkpoint.save(weights, backbonenet.random(config, 1).state_dict(), {"family": "dream"})
    catalogue = Catalogue(own=tmp_path / "models.json", shipped=tmp_path / "none")
    assert [e.family for e in (catalogue.add(weights), *catalogue.entries())] == [
        "dream", "dream", "neural_style",
    ]  # fmt: skip
    worker = EngineWorker(lambda: Engine("cpu", catalogue=catalogue))
    studio = Studio(worker, Settings(tmp_path / "s.json"), tmp_path / "data", catalogue)
    window = MainWindow(studio)
    qtbot.addWidget(window)
    window.resize(1280, 800)
    window.show()
    studio.start()
    wait = lambda done: qtbot.waitUntil(done, timeout=60_000)  # noqa: E731
    wait(lambda: studio.card is not None and "dream" in window.rooms)
    room, desk = window.rooms["dream"], window.desks["dream"]
    assert isinstance(room, DreamRoom) and isinstance(desk, Reverie)
    window.take_picture(Picture(np.random.default_rng(0).integers(0, 256, (48, 64, 3), np.uint8)))
    studio.set_value("steps", 3)
    wait(lambda: room.plan.text().startswith("About "))
    room.guide.set_picture(photo(90))
    QTest.mouseClick(room.run, LEFT)
    wait(lambda: studio.shown is not None and not studio.tasks.running())
    assert studio.shown is not None and studio.shown.picture.size == (64, 48)
    QTest.mouseClick(room.viewer, LEFT, pos=room.viewer.view.area().center().toPoint())
    assert room.guide.marked() is not None
    wait(lambda: not room.channels.strip.lacking())
    dreamt = studio.shown.job
    QTest.mouseClick(window.rail.rooms["style"], LEFT)
    wait(lambda: studio.card is not None and studio.card.family == "neural_style")
    assert studio.shown is None
    studio.restore(dreamt)  # the same weights, of the other family
    wait(lambda: studio.card is not None and studio.card.family == "dream")
    assert window.room is room
    window.close()
    wait(lambda: not worker.isRunning())


def test_a_mask_comes_from_a_filter_and_is_undone_like_a_stroke(bench: DreamBench, tmp_path: Path):
    room, popover = bench.room, bench.desk.from_filter.popover
    QTest.mouseClick(room.brush, LEFT)
    QTest.mouseClick(room.brushes.filter, LEFT)
    assert not popover.isVisible()  # of no photo
    half = np.full((60, 80, 3), 20, np.uint8)
    half[:, 40:] = 240
    (tmp_path / "half.png").write_bytes(Picture(half).to_png())
    bench.drop(room.photo, urls(tmp_path / "half.png"))
    bench.wait(lambda: bench.desk.photo == Picture(half))
    QTest.mouseClick(room.brushes.filter, LEFT)
    bench.wait(lambda: popover.isVisible() and popover.use.isEnabled())
    form = popover.form.fields
    assert not form["join"].isVisible() and form["weakest"].isVisible()
    edges = room.photo.painted()
    assert edges is not None and edges.pixels[30, 40] == 255 and not edges.pixels[:, :30].any()
    light = form["filter"].segments.part("lightness")  # type: ignore[attr-defined]
    QTest.mouseClick(light, LEFT)
    bench.wait(lambda: popover.share.text() == "Holds 50 % of the photo")
    assert form["darkest"].isVisible() and not form["weakest"].isVisible()
    assert bench.desk._mask is None  # only tried
    QTest.keyClick(popover, Qt.Key.Key_Escape)
    assert not popover.isVisible() and room.photo.painted() is None

    QTest.mouseClick(room.brushes.filter, LEFT)  # with the values of the last time
    QTest.mouseClick(form["invert"].switch, LEFT)  # type: ignore[attr-defined]
    bench.wait(lambda: popover.use.isEnabled() and bench.desk.from_filter._asked is None)
    QTest.mouseClick(popover.use, LEFT)
    mask = bench.desk._mask
    assert mask is not None and mask.pixels[30, 10] == 255 and mask.pixels[30, 70] == 0
    bench.studio.set_value("steps", 2)
    assert bench.dream().images["mask"] == mask
    bench.act("undo")
    bench.act("undo")
    assert bench.desk._mask is None and room.photo.painted() is None


def test_a_filter_that_holds_nothing_cannot_be_used(bench: DreamBench, tmp_path: Path):
    flat = Picture(np.full((60, 80, 3), 90, np.uint8))
    (tmp_path / "flat.png").write_bytes(flat.to_png())
    bench.drop(bench.room.photo, urls(tmp_path / "flat.png"))
    bench.wait(lambda: bench.desk.photo == flat)
    QTest.mouseClick(bench.room.brush, LEFT)
    QTest.mouseClick(bench.room.brushes.filter, LEFT)
    popover = bench.desk.from_filter.popover
    bench.wait(lambda: popover.share.text().startswith("Nothing in the photo"))
    assert not popover.use.isEnabled()
