"""The Style room in the real window: real studio and worker, a scripted engine."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
from PySide6.QtCore import Qt

from app import theme
from app.atelier import Atelier
from app.results import Shown
from app.style import StyleRoom
from app.widgets.gallery import PATH
from engines.controls import ImageInput, ModelCard, Slider
from engines.job import Event, Job, Picture, Preview, Progress, Result
from tests.app.test_window import CLOTHES, Bench, negative, photo, urls

LEFT = Qt.MouseButton.LeftButton
MORE = (
    ImageInput("photo", "Photo"),
    ImageInput("style", "Style"),
    Slider("strength", "Style strength", 0, 1, 0.01, 1.0),
    Slider("amount", "Amount of the style", 0, 1, 0.01, 1.0),
    ImageInput("style2", "Second style", optional=True),
    Slider("amount2", "Amount of the second style", 0, 1, 0.01, 1.0),
    ImageInput("style3", "Third style", optional=True),
    Slider("amount3", "Amount of the third style", 0, 1, 0.01, 1.0),
)
ANY = ModelCard("any_style", "Any style", MORE, rooms=("style",),
                checkpoint="any-style@aaaa0000aaaa0000")  # fmt: skip
STEPS = ModelCard(
    "neural_style", "Style in steps", rooms=("style",), live=False,
    controls=(*MORE[:4], ImageInput("progress", "Go on from", optional=True)),
    checkpoint="backbone@bbbb0000bbbb0000",
)  # fmt: skip


def halved(job: Job) -> Iterator[Event]:
    """Photo and mean colour of the style, half and half."""
    colour = job.images["style"].pixels[..., :3].mean((0, 1))
    mixed = job.images["photo"].pixels * 0.5 + colour * 0.5
    yield Result((Picture(mixed.astype(np.uint8)),), seconds=0.01)


def counted(job: Job) -> Iterator[Event]:
    """Each step is lighter by one than what it goes on from."""
    pixels = job.images.get("progress", job.images["photo"]).pixels.copy() // 2
    for step in range(40):
        time.sleep(0.02)
        yield Progress(step + 1, 40)
        pixels = pixels + 1
        yield Preview(Picture(pixels))
    yield Result((Picture(pixels),), seconds=1.0)


class StyleBench(Bench):
    scripts: ClassVar = {"pix2pix": negative, "any_style": halved, "neural_style": counted}
    cards: ClassVar = (CLOTHES, ANY, STEPS)

    def choose(self, card: ModelCard) -> None:
        self.studio.choose_model(card.checkpoint)
        self.wait(lambda: self.studio.card == card)

    def shown(self) -> Shown:
        assert self.studio.shown is not None
        return self.studio.shown

    @property
    def desk(self) -> Atelier:
        return self.window.desks["style"]  # type: ignore[return-value]

    @property
    def room(self) -> StyleRoom:
        return self.window.rooms["style"]  # type: ignore[return-value]


@pytest.fixture
def bench(qtbot, tmp_path, qapp):
    theme.apply(qapp, "dark")
    made = StyleBench(qtbot, tmp_path)
    known = made.catalogue.known
    known[:] = [replace(e, family="neural_style") if e.name == "backbone" else e for e in known]
    made.choose(ANY)
    yield made
    made.window.close()
    assert not made.studio.worker.isRunning()


def saved(folder: Path, name: str, value: int) -> Path:
    path = folder / name
    path.write_bytes(photo(value).to_png())
    return path


def test_a_photo_and_a_style_are_dropped_and_painted_at_once(bench: StyleBench, tmp_path: Path):
    assert bench.window.room is bench.room and bench.window.rail.rooms["style"].isChecked()
    bench.drop(bench.room.photo, urls(saved(tmp_path, "a.png", 10)))
    bench.wait(lambda: bench.desk.photo is not None)
    assert bench.room.photo.picture() == photo(10)
    bench.drop(bench.room.style_well, urls(saved(tmp_path, "b.png", 200)))
    job = bench.settled()
    assert job.images == {"photo": photo(10), "style": photo(200)}
    bench.wait(lambda: bench.room.viewer.picture() == bench.shown().picture)
    bench.drop(bench.room.photo, urls(saved(tmp_path, "c.png", 90)))
    bench.wait(lambda: bench.desk.photo == photo(90))
    assert bench.settled().images == {"photo": photo(90), "style": photo(200)}


def test_two_files_dropped_together_are_photo_and_style(bench: StyleBench, tmp_path: Path):
    first, second = saved(tmp_path, "a.png", 10), saved(tmp_path, "b.png", 200)
    bench.drop(bench.window, urls(first, second))
    bench.wait(lambda: bench.room.style_well.picture() is not None)
    images = bench.settled().images
    assert {images["photo"], images["style"]} == {photo(10), photo(200)}


def test_a_style_of_ours_is_a_click(bench: StyleBench, tmp_path: Path):
    gallery = bench.room.gallery
    bench.wait(lambda: gallery.count() == 15)
    bench.drop(bench.room.photo, urls(saved(tmp_path, "a.png", 10)))
    bench.wait(lambda: bench.desk.photo is not None)
    for row in (1, 0):
        item = gallery.item(row)
        place = gallery.visualItemRect(item).center()
        bench.qtbot.mouseClick(gallery.viewport(), LEFT, pos=place)
        bench.wait(lambda: bench.room.style_well.picture() is not None)
        bench.wait(lambda: bench.desk._for_style == "")
        assert gallery.currentItem() is item and bench.settled().images["style"].size == (512, 512)
    mime = gallery.mimeData([gallery.item(2)])
    assert mime.urls()[0].toLocalFile() == gallery.item(2).data(PATH)


def test_further_styles_are_offered_one_after_the_other(bench: StyleBench):
    wells, fields = bench.room.controls.wells, bench.room.controls.fields
    assert set(wells) == {"style2", "style3"}
    shown = lambda: [n for n, w in (*wells.items(), *fields.items()) if not w.isHidden()]  # noqa: E731
    assert shown() == ["style2", "strength"]
    wells["style2"].set_picture(photo(50))
    assert set(shown()) == {"style2", "style3", "strength", "amount", "amount2"}
    wells["style2"].set_picture(None)
    assert shown() == ["style2", "strength"]


def test_a_result_is_refined_step_by_step_and_gone_on_from(bench: StyleBench, tmp_path: Path):
    room, studio = bench.room, bench.studio
    bench.drop(bench.window, urls(saved(tmp_path, "a.png", 10), saved(tmp_path, "b.png", 200)))
    bench.settled()
    fast = bench.shown().picture
    bench.wait(room.refine.isEnabled)
    bench.qtbot.mouseClick(room.refine, LEFT)
    bench.wait(lambda: studio.card == STEPS and bool(studio.tasks.running()))
    assert (
        bench.room is bench.window.room and room.go_on.isVisible() and not room.refine.isVisible()
    )
    bench.wait(lambda: room.viewer.picture() is not None and room.viewer.picture() != fast)
    bench.act("cancel")
    bench.wait(lambda: not studio.tasks.running() and room.go_on.isEnabled())
    given: list[Picture | None] = []
    room.continue_wanted.connect(lambda: given.append(bench.desk._so_far))
    bench.qtbot.mouseClick(room.go_on, LEFT)
    began = lambda: bench.shown().job.images.get("progress")  # noqa: E731
    bench.wait(lambda: began() == given[0])
    assert given[0] is not None and given[0] != fast
    studio.run()  # from the beginning
    bench.wait(lambda: began() is None)


def test_photo_and_style_are_back_with_a_recipe(bench: StyleBench, tmp_path: Path):
    bench.drop(bench.window, urls(saved(tmp_path, "a.png", 10), saved(tmp_path, "b.png", 200)))
    first = bench.settled()
    bench.drop(bench.room.photo, urls(saved(tmp_path, "c.png", 90)))
    bench.wait(lambda: bench.desk.photo == photo(90))
    bench.settled()
    bench.studio.restore(first)
    assert bench.settled().digest == first.digest
    assert bench.room.photo.picture() == first.images["photo"]
