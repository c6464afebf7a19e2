"""The Paint room in the real window: real canvas, studio and worker, a scripted engine."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
from PIL import Image
from PySide6.QtCore import QPointF, Qt
from PySide6.QtTest import QTest
from pytestqt.qtbot import QtBot

import app
from app import theme
from app.easel import WAITING
from app.i18n import tr
from app.mapping import LAID, PHOTO, read_table
from app.widgets.canvas_labels import LabelCanvas
from app.widgets.legend import NUMBER
from app.window import OPENING, MainWindow
from engines import palettes
from engines.controls import Choice, ImageInput, ModelCard, SketchInput
from engines.families.pix2pix import Pix2Pix
from engines.families.pix2pix.config import UNetConfig
from engines.job import Event, Job, Picture, Result, job_from_png
from tests.app.fakes import FakeError
from tests.app.test_window import CLOTHES, Bench, negative, urls

LEFT = Qt.MouseButton.LeftButton
FACADES = ModelCard(
    "pix2pixhd", "Labels to facade", rooms=("paint",),
    checkpoint="labels-to-facade@beefbeefbeefbeef",
    controls=(
        SketchInput("labels", "Label map", "labels", (64, 64), "facades", classes=12),
        SketchInput("objects", "Object map", "labels", (64, 64), optional=True),
    ),
)  # fmt: skip
STREETS = ModelCard(
    "pix2pixhd", "Labels to street", rooms=("paint",), seeded=True,
    checkpoint="labels-to-street@cafecafecafecafe",
    controls=(
        SketchInput("labels", "Label map", "labels", (96, 72), "camvid", classes=11),
        ImageInput("photo", "Photo to take the looks from", optional=True),
        Choice("style", "Look of the objects", (("seed", "Drawn"), ("1", "1")), "seed"),
        SketchInput("styles", "Looks", "labels", (96, 72), optional=True, classes=4),
    ),
)  # fmt: skip
PLAIN = ModelCard(
    "pix2pixhd", "Five classes", rooms=("paint",), checkpoint="five@0005000500050005",
    controls=(SketchInput("labels", "Label map", "labels", (64, 64), classes=5),),
)  # fmt: skip
WINDOW = palettes.palette("facades").names.index("window")


def painted(job: Job) -> Iterator[Event]:
    """The numbers as a picture, so that every change of the map is one of the result."""
    labels = job.images["labels"].pixels
    unseen = palettes.unseen(labels, 11 if "street" in job.checkpoint else 12)
    notes = (f"{100 * unseen:.1f} % of the map are classes that this model never saw.",)
    result = np.stack((labels * 20, 255 - labels, labels), 2).astype(np.uint8)
    yield Result((Picture(result),), seconds=0.01, notes=notes if unseen else ())


class PaintBench(Bench):
    scripts: ClassVar = {"pix2pix": negative, "pix2pixhd": painted}
    cards: ClassVar = (FACADES, STREETS, PLAIN, CLOTHES)
    canvas: LabelCanvas

    def click_class(self, number: int) -> None:
        view = self.window.paint.legend.list
        model = view.model()
        rows = (model.index(n, 0) for n in range(model.rowCount()))
        place = view.visualRect(next(i for i in rows if i.data(NUMBER) == number))
        self.qtbot.mouseClick(view.viewport(), LEFT, pos=place.center())

    def rectangle(self, number: int, *corners: tuple[float, float]) -> None:
        self.click_class(number)
        self.act("rectangle")
        self.draw(*corners)

    def labels(self) -> np.ndarray:
        """What the model was given last."""
        return self.settled().images["labels"].pixels

    def colours(self) -> np.ndarray:
        self.canvas.layers.shown("shown", 1)
        return self.canvas.layers.numbers("shown").copy()

    def choose(self, card: ModelCard) -> None:
        self.studio.choose_model(card.checkpoint)
        self.wait(lambda: self.studio.card == card)


@pytest.fixture
def bench(qtbot, tmp_path, qapp):
    theme.apply(qapp, "dark")
    made = PaintBench(qtbot, tmp_path)
    yield made
    made.window.close()
    assert not made.studio.worker.isRunning()


def test_the_room_is_alive_at_first_sight_and_the_first_stroke_adds(bench: PaintBench):
    assert bench.window.room is bench.window.paint and bench.window.rail.rooms["paint"].isChecked()
    example = bench.labels()
    assert len(np.unique(example)) > 4 and bench.canvas.is_empty()
    bench.rectangle(WINDOW, (2, 2), (12, 12))
    labels = bench.labels()
    assert (labels[3:11, 3:11] == WINDOW).all()
    assert np.array_equal(labels[20:], example[20:])
    bench.act("undo")
    bench.act("undo")
    assert np.array_equal(bench.labels(), example)


def test_a_facade_from_an_empty_sheet_is_live_and_kept(bench: PaintBench):
    bench.act("new")
    assert bench.viewer.message() == tr("Paint, and the photo appears here.")
    bench.rectangle(1, (4, 4), (60, 60))
    for x in (10, 26, 42):
        bench.rectangle(WINDOW, (x, 10), (x + 10, 26))
    bench.click_class(3)
    bench.act("polygon")
    for point in ((28, 60), (28, 44), (36, 44), (36, 60), (28, 60)):
        bench.draw(point)
    bench.act("bucket")
    bench.qtbot.keyClick(bench.canvas, Qt.Key.Key_9)  # deco
    bench.draw((2, 2))
    labels = bench.labels()
    assert [int(labels[y, x]) for x, y in ((6, 6), (14, 14), (32, 50), (1, 1))] == [1, 2, 3, 8]
    shown = bench.viewer.picture()
    assert shown.pixels[14, 14, 2] == WINDOW
    bench.wait(lambda: len(bench.studio.history.entries()) > 0)


def test_the_pointer_and_the_legend_speak_of_the_same_class(bench: PaintBench):
    bench.rectangle(WINDOW, (10, 10), (30, 30))
    QTest.mouseMove(bench.canvas, bench.canvas.to_view(QPointF(20, 20)).toPoint())
    assert bench.window.paint.legend.below == WINDOW
    before = bench.colours()
    bench.window.paint.legend.list.pointed.emit(WINDOW)
    lit = bench.colours()
    assert lit[20, 20] == before[20, 20] and lit[1, 1] != before[1, 1]
    bench.window.paint.legend.list.pointed.emit(-1)
    assert np.array_equal(bench.colours(), before)


def test_keys_search_swap_and_eyedropper_choose_classes(bench: PaintBench):
    room, map_ = bench.window.paint, bench.window.map
    bench.qtbot.keyClick(bench.window, Qt.Key.Key_4)
    assert bench.canvas.label == 3 and room.legend.label == 3
    bench.qtbot.keyClick(bench.window, Qt.Key.Key_1, Qt.KeyboardModifier.ShiftModifier)
    assert bench.canvas.label == 10
    bench.act("swap")
    assert bench.canvas.label == 3
    room.legend.search.setText("balc")
    assert room.legend.list.model().rowCount() == 1
    bench.qtbot.keyClick(room.legend.search, Qt.Key.Key_Return)
    assert room.legend.legend.names[bench.canvas.label] == "balcony"
    room.legend.search.clear()
    bench.rectangle(WINDOW, (10, 10), (30, 30))
    bench.click_class(5)
    bench.act("eyedropper")
    bench.draw((20, 20))
    assert bench.canvas.label == WINDOW
    map_.choose_label(200)  # no class of this palette
    assert bench.canvas.label == WINDOW


def test_objects_of_their_own_reach_the_model_only_where_it_takes_them(bench: PaintBench):
    bench.act("new")
    bench.rectangle(WINDOW, (4, 4), (30, 30))
    assert "objects" not in bench.settled().images
    bench.qtbot.mouseClick(bench.window.paint.apart, LEFT)
    bench.rectangle(WINDOW, (30, 4), (50, 30))
    objects = bench.settled().images["objects"].pixels
    assert objects[10, 40] == 1 and objects[10, 10] == 0
    bench.choose(STREETS)
    assert bench.window.paint.apart.isHidden() and not bench.canvas.apart


def test_looks_are_painted_on_objects(bench: PaintBench):
    bench.choose(STREETS)
    wells = bench.window.paint.controls.wells
    assert list(wells) == ["photo"]
    bench.rectangle(8, (10, 10), (40, 40))
    bench.act("layer")
    assert bench.window.paint.legend.legend.names == (
        "As chosen for all",
        "Look 1",
        "Look 2",
        "Look 3",
    )
    bench.click_class(2)
    bench.act("bucket")
    bench.draw((20, 20))
    looks = bench.settled().images["styles"].pixels
    assert looks[20, 20] == 2 and looks[60, 60] == 0
    bench.act("layer")
    assert bench.window.paint.legend.legend.names[8] == "car"


def test_every_palette_has_a_sheet_of_its_own_that_a_restart_brings_back(bench: PaintBench):
    bench.act("new")
    bench.rectangle(WINDOW, (10, 10), (30, 30))
    facade = bench.labels()
    bench.choose(STREETS)
    assert bench.labels().shape == (72, 96)
    bench.rectangle(3, (0, 40), (96, 72))
    street = bench.labels()
    bench.choose(FACADES)
    assert np.array_equal(bench.labels(), facade)
    bench.reopen()
    bench.wait(lambda: bench.studio.card == FACADES)
    assert np.array_equal(bench.labels(), facade) and not bench.canvas.is_empty()
    bench.choose(STREETS)
    assert np.array_equal(bench.labels(), street)
    bench.choose(CLOTHES)
    assert bench.window.room is bench.window.draw and bench.canvas.is_empty()


def test_a_room_whose_model_is_long_in_coming_says_so_and_one_can_stay(
    bench: PaintBench, monkeypatch: pytest.MonkeyPatch
):
    rail, toast = bench.window.rail.rooms, bench.window.toast
    bench.choose(CLOTHES)
    bench.settled()
    known, may = bench.engine.describe, threading.Event()

    def slow(reference: str) -> ModelCard:
        may.wait(10)
        return known(reference)

    monkeypatch.setattr(bench.engine, "describe", slow)
    QTest.mouseClick(rail["paint"], LEFT)
    bench.wait(lambda: toast.isVisible() and toast.text() == tr(OPENING))
    QTest.mouseClick(rail["draw"], LEFT)
    may.set()
    bench.wait(lambda: not toast.isVisible() and not bench.studio.tasks.running())
    assert bench.window.room is bench.window.draw and rail["draw"].isChecked()
    QTest.mouseClick(rail["paint"], LEFT)
    bench.wait(lambda: bench.window.room is bench.window.paint)


def test_a_room_whose_model_cannot_be_read_is_not_entered(
    bench: PaintBench, monkeypatch: pytest.MonkeyPatch
):
    rail = bench.window.rail.rooms
    bench.choose(CLOTHES)
    bench.settled()

    def broken(reference: str) -> ModelCard:
        raise FakeError("checkpoint", "The file ends too early.")

    monkeypatch.setattr(bench.engine, "describe", broken)
    QTest.mouseClick(rail["paint"], LEFT)
    bench.wait(lambda: bench.window.notice.isVisible())
    assert bench.window.room is bench.window.draw and rail["draw"].isChecked()


def test_undo_goes_to_where_the_change_was(bench: PaintBench):
    bench.act("new")
    bench.rectangle(WINDOW, (10, 10), (30, 30))
    bench.choose(STREETS)
    bench.act("undo")
    bench.wait(lambda: bench.studio.card == FACADES)
    assert bench.canvas.is_empty()
    bench.act("redo")
    assert bench.labels()[20, 20] == WINDOW
    bench.choose(CLOTHES)
    bench.act("undo")
    bench.wait(lambda: bench.window.room is bench.window.rooms.get("paint"))
    assert bench.studio.card == FACADES and bench.canvas.is_empty()


def test_a_recipe_can_be_painted_on_again(bench: PaintBench, tmp_path: Path):
    bench.act("new")
    bench.rectangle(1, (4, 4), (60, 60))
    bench.rectangle(WINDOW, (10, 10), (30, 30))
    wanted = bench.labels()
    with bench.qtbot.waitSignal(bench.studio.exported):
        bench.studio.export(tmp_path / "facade.png")
    with bench.qtbot.waitSignal(bench.studio.exported):
        bench.studio.export(tmp_path / "pair.png", "pair")
    recipe = job_from_png(tmp_path / "facade.png")
    assert recipe.drawings["labels"]["palette"] == "facades"
    pair = np.asarray(Image.open(tmp_path / "pair.png"))
    assert pair[20, 20, :3].tolist() == list(palettes.palette("facades").colours[WINDOW])
    bench.act("new")
    bench.studio.open_path(tmp_path / "facade.png")
    bench.wait(lambda: not bench.canvas.is_empty())
    assert np.array_equal(bench.labels(), wanted)
    bench.rectangle(3, (34, 34), (40, 40))
    assert bench.labels()[36, 36] == 3 and bench.labels()[20, 20] == WINDOW


def test_a_recipe_without_strokes_is_painted_on_too(bench: PaintBench):
    labels = Picture(np.full((64, 64), 7, np.uint8))
    objects = Picture(np.tile(np.arange(64, dtype=np.uint8) // 32 + 1, (64, 1)))
    job = Job("pix2pixhd", FACADES.checkpoint, images={"labels": labels, "objects": objects})
    bench.studio.restore(job)
    assert np.array_equal(bench.labels(), labels.pixels)
    assert bench.settled().images["objects"] == objects


# ---- maps from elsewhere -------------------------------------------------------------------------


def indexed(path: Path, numbers: np.ndarray) -> Path:
    """A PNG of numbers whose colours say nothing."""
    image = Image.fromarray(numbers.astype(np.uint8), "P")
    image.putpalette(list(range(256)) * 3)
    image.save(path)
    return path


def test_numbers_and_colours_of_the_palette_are_taken_at_once(bench: PaintBench, tmp_path: Path):
    numbers = np.full((40, 80), 1)
    numbers[10:30, 20:40] = WINDOW
    bench.drop(bench.canvas, urls(indexed(tmp_path / "map.png", numbers)))
    bench.wait(lambda: bench.window.toast.text() == tr(LAID))
    assert bench.canvas.vectors.size == (64, 32) and bench.labels()[16, 24] == WINDOW
    coloured = palettes.coloured(Picture(numbers.astype(np.uint8)), palettes.palette("facades"))
    Image.fromarray(coloured.pixels).save(tmp_path / "map.jpg", quality=92)
    bench.act("undo")
    assert bench.canvas.is_empty()
    bench.drop(bench.canvas, urls(tmp_path / "map.jpg"))
    bench.wait(lambda: not bench.canvas.is_empty())
    labels = bench.labels()
    assert labels[16, 24] == WINDOW and set(np.unique(labels)) == {1, WINDOW}


def test_someone_elses_numbers_are_asked_about(bench: PaintBench, tmp_path: Path):
    numbers = np.full((64, 64), 200)
    numbers[:20] = 31
    bench.drop(bench.canvas, urls(indexed(tmp_path / "theirs.png", numbers)))
    bench.wait(lambda: bench.window.mapping.dialog is not None)
    dialog = bench.window.mapping.dialog
    assert dialog is not None
    bench.wait(lambda: dialog.use.isEnabled())
    assert list(dialog.classes().values()) == [0, 0]
    for value, name in ((200, 1), (31, WINDOW)):
        chosen = dialog._lists[value]
        chosen.setCurrentIndex(name)
        chosen.activated.emit(name)
    bench.wait(lambda: bench.window.mapping._made.labels.pixels[0, 0] == WINDOW)
    bench.qtbot.mouseClick(dialog.use, LEFT)
    labels = bench.labels()
    assert labels[5, 5] == WINDOW and labels[50, 50] == 1


def test_a_photo_lies_over_the_map_and_can_be_read_all_the_same(bench: PaintBench, tmp_path: Path):
    rng = np.random.default_rng(1)
    Image.fromarray(rng.integers(0, 255, (60, 60, 3), np.uint8)).save(tmp_path / "photo.png")
    before = bench.labels()
    bench.drop(bench.canvas, urls(tmp_path / "photo.png"))
    bench.wait(lambda: bench.window.map.reference is not None)
    assert bench.window.toast.text() == tr(PHOTO)
    assert np.array_equal(bench.labels(), before)
    bench.window.toast.acted.emit()
    bench.wait(lambda: bench.window.mapping.dialog is not None)
    bench.window.mapping.dialog.close()
    bench.window.paint.head.reference_menu.removed.emit()
    assert bench.window.map.reference is None


def test_a_table_is_read_by_name_or_number(tmp_path: Path):
    names = ("background", "facade", "window")
    (tmp_path / "a.json").write_text(json.dumps({"colours": {"#ff0000": "Window", "#00ff00": "x"}}))
    assert read_table(tmp_path / "a.json", names) == ("colours", {0xFF0000: 2})
    (tmp_path / "b.json").write_text(json.dumps({"7": 1, "9": "window", "11": 99}))
    assert read_table(tmp_path / "b.json", names) == ("numbers", {7: 1, 9: 2})
    for text in ("[1]", "{", '{"a": 1}'):
        (tmp_path / "c.json").write_text(text)
        with pytest.raises(ValueError, match="no table of classes"):
            read_table(tmp_path / "c.json", names)


def test_objects_come_from_a_file_and_the_map_goes_into_one(bench: PaintBench, tmp_path: Path):
    bench.act("new")
    bench.rectangle(WINDOW, (0, 0), (64, 64))
    numbers = np.tile(np.arange(32) // 16 * 700 + 3, (32, 1)).astype(np.uint16)
    Image.fromarray(numbers).save(tmp_path / "objects.png")
    bench.window.map.lay_objects(palettes.open_objects(tmp_path / "objects.png"))
    objects = bench.settled().images["objects"].pixels
    assert (objects[:, :32] == 0).all() and (objects[:, 32:] == 1).all()
    assert bench.window.map.takes_objects()
    using = palettes.palette("facades")
    palettes.save_labels(bench.window.map.given(), using, tmp_path / "map.png")
    assert np.array_equal(palettes.stored_numbers(tmp_path / "map.png"), bench.labels())
    seen = np.asarray(Image.open(tmp_path / "map.png").convert("RGB"))
    assert seen[5, 5].tolist() == list(using.colours[WINDOW])


def test_another_example_is_faint_on_an_empty_sheet_and_a_step_over_a_painted_one(
    bench: PaintBench,
):
    first = bench.labels()
    bench.qtbot.mouseClick(bench.window.paint.example, LEFT)
    second = bench.labels()
    assert bench.canvas.is_empty() and not np.array_equal(first, second)
    bench.rectangle(WINDOW, (0, 0), (20, 20))
    painted = bench.labels()
    bench.qtbot.mouseClick(bench.window.paint.example, LEFT)
    assert not np.array_equal(bench.labels(), painted)
    bench.act("undo")
    assert np.array_equal(bench.labels(), painted)


# ---- classes that a model does not know ----------------------------------------------------------


def test_classes_that_the_model_never_saw_are_marked_and_told(bench: PaintBench):
    bench.choose(STREETS)  # knows 11 of CamVid's 12
    legend = bench.window.paint.legend
    item = legend.list.model().index(11, 0)
    assert "never saw" in item.data(Qt.ItemDataRole.ToolTipRole)
    bench.rectangle(11, (0, 0), (48, 72))
    bench.settled()
    bench.wait(lambda: "never saw" in bench.window.toast.text())


def test_a_model_without_names_takes_ones_own_palette(bench: PaintBench, tmp_path: Path):
    bench.choose(PLAIN)
    assert bench.canvas.legend.names[4] == "Class 4" and bench.canvas.is_empty()
    bench.rectangle(4, (4, 4), (20, 20))
    body = {"title": "Mine", "classes": [["soil", "#553311"], ["leaf", "#22aa22"]]}
    (tmp_path / "mine.json").write_text(json.dumps(body))
    bench.drop(bench.canvas, urls(tmp_path / "mine.json"))
    bench.wait(lambda: bench.canvas.legend.id == "mine")
    assert bench.canvas.legend.names == ("soil", "leaf", "Class 2", "Class 3", "Class 4")
    assert bench.labels()[10, 10] == 4  # the map is taken along
    assert "mine" in palettes.known()


def test_a_model_that_takes_a_picture_says_so(bench: PaintBench):
    card = ModelCard(
        "pix2pixhd", "Picture to photo", rooms=("paint",), checkpoint="rgb@0001000100010001",
        controls=(ImageInput("picture", "Picture"),),
    )  # fmt: skip
    bench.engine.cards["rgb"] = card
    bench.catalogue.put(card.checkpoint)
    bench.choose(card)
    assert list(bench.window.room.controls.wells) == ["picture"]
    assert bench.viewer.message() == tr(WAITING)


# ---- the real window, the real engine, a small network with random weights -----------------------


@pytest.fixture
def window(qtbot: QtBot, tmp_path: Path) -> Iterator[MainWindow]:
    import torch

    from engines import checkpoint
    from engines.families.pix2pixhd import Pix2PixHD
    from engines.families.pix2pixhd.config import Config, EncoderConfig

    family = Pix2PixHD()
    config = Config(
        12, True, 3, 8, 2, 1, encoder=EncoderConfig(8, 2), clusters=3, palette="facades",
        native=(64, 48),
    )  # fmt: skip
    torch.manual_seed(3)
    weights = family.build(config).state_dict()
    weights["clusters"].normal_()
    weights["cluster_counts"].fill_(3)
    metadata = {"family": family.id, "config": family.to_dict(config)}
    path = tmp_path / "labels-to-tiny.safetensors"
    checkpoint.save(path, weights, metadata)
    made = app.open_window()
    qtbot.addWidget(made)
    made.resize(1280, 800)
    made.show()
    qtbot.waitExposed(made)
    app._begin(made, [])
    made.studio.open_path(path)
    qtbot.waitUntil(lambda: made.room is made.rooms.get("paint"), timeout=60_000)
    yield made
    made.close()


@pytest.mark.slow
def test_a_network_paints_live_and_its_recipe_gives_the_same_pixels(
    window: MainWindow, qtbot: QtBot, tmp_path: Path
) -> None:
    studio, canvas = window.studio, window.map.canvas

    def result() -> Picture:
        def current() -> bool:
            now, shown = studio.job(drawings=False), studio.shown
            return now is not None and shown is not None and shown.job.digest == now.digest

        qtbot.waitUntil(current, timeout=60_000)
        return studio.shown.picture

    def pull(*points: tuple[float, float]) -> None:
        there = [canvas.to_view(QPointF(x, y)).toPoint() for x, y in points]
        QTest.mousePress(canvas, LEFT, pos=there[0])
        QTest.mouseMove(canvas, there[-1])
        QTest.mouseRelease(canvas, LEFT, pos=there[-1])

    example = result()
    assert example.size == (64, 48) and list(window.paint.controls.wells) == ["photo"]
    window.actions_["new"].trigger()
    window.actions_["rectangle"].trigger()
    window.map.choose_label(WINDOW)
    pull((8, 8), (30, 30))
    one = result()
    window.paint.apart.setChecked(True)
    pull((30, 8), (50, 30))  # it touches the first, and is another
    assert studio.job().images["objects"].pixels.max() == 1
    two = result()
    assert two != one
    window.actions_["layer"].trigger()
    looks = []
    for look in (1, 2):
        window.map.choose_label(look)
        window.actions_["bucket"].trigger()
        pull((40, 20))
        looks.append(result())
    assert looks[0] != looks[1]
    with qtbot.waitSignal(studio.exported, timeout=20_000):
        studio.export(tmp_path / "made.png")
    window.actions_["new"].trigger()
    studio.open_path(tmp_path / "made.png")
    qtbot.waitUntil(lambda: not canvas.is_empty(), timeout=60_000)
    assert result() == looks[1]
    assert len(canvas.vectors.items) == 4


# ---- a file that does not say what it was trained for --------------------------------------------

UNKNOWN = replace(
    Pix2Pix().card(UNetConfig(depth=6, norm="instance")), checkpoint="unet@0123012301230123"
)


class PresetBench(PaintBench):
    """An official U-Net whose card is that of what it is used for."""

    cards: ClassVar = (CLOTHES, UNKNOWN)

    def open(self) -> None:
        self.used: dict[str, str] = {}

        def describe(reference: str) -> ModelCard:
            card = next(c for c in self.cards if reference in (c.checkpoint, c.title))
            return Pix2Pix().presented(card, self.used.get(reference, ""))

        self.engine.describe = describe
        self.engine.scripts = {"pix2pix": lambda job: negative(job)}
        self.catalogue.use_for = self.used.__setitem__
        super().open()


def test_what_a_file_is_used_for_decides_the_room_and_is_brought_back(qtbot, tmp_path, qapp):
    theme.apply(qapp, "dark")
    bench = PresetBench(qtbot, tmp_path)
    bench.choose(UNKNOWN)
    assert bench.window.room is bench.window.draw
    combo = bench.window.room.controls.fields["task"].list
    assert combo.currentText() == "Not known"
    combo.setFocus()
    QTest.keyClick(combo, Qt.Key.Key_Down)
    bench.wait(lambda: bench.window.room is bench.window.rooms.get("paint"))
    assert bench.used == {UNKNOWN.checkpoint: "facades"}
    bench.rectangle(WINDOW, (4, 4), (40, 40))
    job = bench.settled()
    assert job.values["task"] == "facades" and job.images["edges"].channels == 1
    assert (job.images["edges"].pixels[8:36, 8:36] == WINDOW).all()
    shown = bench.studio.shown.picture

    bench.studio.set_value("task", "edges")
    bench.wait(lambda: bench.window.room is bench.window.draw)
    assert bench.studio.values["task"] == "edges"
    bench.studio.restore(job, shown)
    bench.wait(lambda: bench.window.room is bench.window.rooms.get("paint"))
    assert bench.settled().digest == job.digest
    bench.window.close()
    assert not bench.studio.worker.isRunning()
