"""The Style room in the real window: real studio and worker, a scripted engine."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, cast

import av
import numpy as np
import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QFileDialog

from app import theme
from app.atelier import Atelier
from app.results import Shown
from app.style import StyleRoom
from app.widgets.controls import SegmentsField
from app.widgets.gallery import PATH
from app.widgets.regions import RegionPhoto
from engines.controls import ImageInput, ModelCard, Slider
from engines.family import families
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
    controls=(
        *MORE[:2],
        Slider("strength", "Style strength", 0, 1, 0.01, 1.0, term="style"),
        *MORE[3:6],
        Slider("tv", "Smoothness", 0, 1, 0.01, 0.5, term="smoothness"),
        *(ImageInput(role, "Where", optional=True) for role in ("mask", "mask2")),
        ImageInput("progress", "Go on from", optional=True),
    ),
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
        terms = {"style relu1_1": 10 / (step + 1), "style relu2_1": 90.0} if step % 4 == 0 else {}
        yield Progress(step + 1, 40, terms=terms)
        pixels = pixels + 1
        yield Preview(Picture(pixels))
    yield Result((Picture(pixels),), seconds=1.0)


class StyleBench(Bench):
    scripts: ClassVar = {
        "pix2pix": negative, "any_style": halved, "neural_style": counted,
        "mask": lambda job: families()["mask"].run(None, job),  # type: ignore[arg-type]
    }  # fmt: skip
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
    assert bench.desk.photo == photo(10)
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


def drag(photo: RegionPhoto, start: QPoint, end: QPoint) -> None:
    QTest.mousePress(photo, LEFT, pos=start)
    QTest.mouseMove(photo, end)
    QTest.mouseRelease(photo, LEFT, pos=end)


def test_where_each_style_goes_is_painted_and_comes_back(bench: StyleBench, tmp_path: Path):
    room, studio = bench.room, bench.studio
    bench.drop(bench.window, urls(saved(tmp_path, "a.png", 10), saved(tmp_path, "b.png", 200)))
    bench.settled()
    assert not room.brush.isVisible()  # one pass knows no regions
    bench.choose(STEPS)
    QTest.mouseClick(room.brush, LEFT)
    assert room.brushes.isVisible() and not any(n.isVisible() for n in room.brushes.numbers)
    wells = room.controls.wells
    wells["style2"].set_picture(photo(50))
    assert [n.number for n in room.brushes.numbers if n.isVisible()] == [1, 2]
    QTest.mouseClick(room.brushes.numbers[1], LEFT)
    bare, middle = room.photo.grab().toImage(), room.photo.rect().center()
    drag(room.photo, middle, middle + QPoint(30, 0))
    mask = wells["mask2"].picture()
    assert mask is not None and wells["mask"].picture() is None
    assert len(np.unique(mask.pixels)) > 3  # soft
    tinted = room.photo.grab().toImage()
    assert tinted.pixelColor(middle) != bare.pixelColor(middle)
    assert wells["mask"].isVisible()  # a mask made elsewhere can be dropped there
    QTest.mouseClick(room.brush, LEFT)
    assert wells["mask2"].isVisible() and not wells["mask"].isVisible()
    assert room.photo.grab().toImage().pixelColor(middle) == bare.pixelColor(middle)
    job = studio.job()
    assert job is not None and job.images["mask2"] == mask and "mask" not in job.images

    QTest.mouseClick(room.brush, LEFT)
    QTest.mouseClick(room.brushes.clear, LEFT)
    assert wells["mask2"].picture() is None
    bench.act("undo")
    assert wells["mask2"].picture() == mask
    bench.act("undo")
    assert wells["mask2"].picture() is None
    bench.act("redo")
    bench.choose(ANY)
    bench.choose(STEPS)  # style and region are still there
    assert room.controls.picture("style2") == photo(50) and studio.job() == job
    bench.drop(room.photo, urls(saved(tmp_path, "c.png", 90)))
    bench.wait(lambda: bench.desk.photo == photo(90))
    assert room.controls.picture("mask2") is None  # it was painted on the photo before
    studio.restore(job)
    bench.wait(lambda: room.controls.picture("mask2") == mask)
    assert studio.job() == job


def test_terms_are_curves_below_the_sliders_that_weigh_them(bench: StyleBench, tmp_path: Path):
    studio = bench.studio
    bench.drop(bench.window, urls(saved(tmp_path, "a.png", 10), saved(tmp_path, "b.png", 200)))
    bench.settled()
    bench.choose(STEPS)
    field = lambda name: bench.room.controls.fields[name]  # noqa: E731
    curve = field("strength").curve  # type: ignore[union-attr]
    assert not curve.isVisible()
    studio.run()
    bench.wait(lambda: len(curve.points()) >= 3)
    assert curve.isVisible() and not field("tv").curve.isVisible()  # type: ignore[union-attr]
    bench.wait(lambda: not studio.tasks.running())
    steps, values = zip(*curve.points(), strict=True)
    assert list(steps) == sorted(steps) and steps[-1] >= 33
    assert list(values) == sorted(values, reverse=True) and values[-1] < 91
    bench.wait(lambda: "relu2_1: 90" in curve.toolTip())
    studio.run()  # another run, another curve
    bench.wait(lambda: curve.points()[-1][0] < 20)
    bench.act("cancel")
    bench.wait(lambda: not studio.tasks.running())


def test_what_a_style_takes_is_said_before_it_runs(bench: StyleBench, tmp_path: Path):
    room = bench.room
    bench.engine.plan = lambda job: f"About {job.values['strength']:.2f} s"  # type: ignore
    bench.drop(bench.window, urls(saved(tmp_path, "a.png", 10), saved(tmp_path, "b.png", 200)))
    bench.settled()
    bench.choose(STEPS)
    bench.wait(lambda: room.plan.isVisible() and room.plan.text() == "About 1.00 s")
    bench.studio.set_value("strength", 0.25)
    bench.wait(lambda: room.plan.text() == "About 0.25 s")
    room.style_well.set_picture(None)
    bench.wait(lambda: not room.plan.isVisible())


def test_photo_and_style_are_back_with_a_recipe(bench: StyleBench, tmp_path: Path):
    bench.drop(bench.window, urls(saved(tmp_path, "a.png", 10), saved(tmp_path, "b.png", 200)))
    first = bench.settled()
    bench.drop(bench.room.photo, urls(saved(tmp_path, "c.png", 90)))
    bench.wait(lambda: bench.desk.photo == photo(90))
    bench.settled()
    bench.studio.restore(first)
    assert bench.settled().digest == first.digest
    assert bench.desk.photo == first.images["photo"]


# ---- films ---------------------------------------------------------------------------------------


def clip(folder: Path, count: int = 6) -> Path:
    """A grey square that moves over a ramp."""
    path = folder / "walk.mp4"
    with av.open(str(path), "w") as container:
        stream = cast(Any, container.add_stream("libx264", rate=12))
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for number in range(count):
            pixels = np.repeat(np.linspace(20, 220, 64).astype(np.uint8)[None, :, None], 48, 0)
            pixels = np.repeat(pixels, 3, 2)
            pixels[16:32, 8 + 2 * number : 24 + 2 * number] = 90
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def to_film(bench: StyleBench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A film dropped on the photo, a style beside it, and the popover open."""
    made = tmp_path / "made.mp4"
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *a, **k: (str(made), ""))
    bench.drop(bench.room.photo, urls(clip(tmp_path)))
    bench.wait(lambda: bench.desk.clip is not None)
    bench.drop(bench.room.style_well, urls(saved(tmp_path, "b.png", 200)))
    bench.settled()
    QTest.mouseClick(bench.room.film, LEFT)
    return made


def test_a_film_is_dropped_its_first_picture_painted_and_then_all(
    bench: StyleBench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    room, studio = bench.room, bench.studio
    assert not room.video.isVisible()
    made = to_film(bench, tmp_path, monkeypatch)
    assert (
        room.video.isVisible()
        and room.video_says.text() == "walk.mp4: 0.5 s, 6 pictures of 64 x 48"
    )
    popover = bench.window.asking.video
    assert popover is not None and popover.isVisible() and not popover.steps_line.isVisible()
    assert popover.takes.text() == "6 pictures\nAbout 1 s"
    assert bench.desk.clip is not None
    assert bench.shown().job.images["photo"] == bench.desk.clip.first == bench.desk.photo
    QTest.mouseClick(popover.save, LEFT)
    bench.wait(lambda: made.exists() and not studio.tasks.running())
    with av.open(str(made)) as container:
        assert sum(1 for _ in container.decode(video=0)) == 6
    task = list(studio.tasks)[-1]
    assert task.state == "done" and task.steps == (6, 6) and task.message.startswith("Flicker ")
    assert bench.window.toast.text().startswith("Saved as made.mp4. Flicker ")
    assert room.viewer.picture() == bench.shown().picture  # no longer the last of the film
    bench.drop(room.photo, urls(saved(tmp_path, "a.png", 10)))
    bench.wait(lambda: bench.desk.photo == photo(10))
    assert bench.desk.clip is None and not room.video.isVisible()


def test_a_film_that_is_cancelled_is_kept_and_gone_on_with(
    bench: StyleBench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    studio, window = bench.studio, bench.window
    made = to_film(bench, tmp_path, monkeypatch)
    assert window.asking.video is not None
    bench.engine.seconds = 0.1
    QTest.mouseClick(window.asking.video.save, LEFT)
    bench.wait(lambda: any(t.steps[0] >= 2 for t in studio.tasks))
    bench.act("cancel")
    stopped = list(studio.tasks)[-1]
    assert stopped.state == "cancelled" and "of 6 pictures are kept" in stopped.message
    assert window.toast.text() == stopped.message and not made.exists()
    count = int(stopped.message.split()[0])
    asked = len(bench.engine.log)
    QTest.mouseClick(bench.room.film, LEFT)
    QTest.mouseClick(window.asking.video.save, LEFT)
    bench.wait(made.exists)
    assert len(bench.engine.log) - asked == 6 - count
    bench.wait(lambda: not studio.tasks.running())
    assert not (tmp_path / "made.mp4.parts").exists()


def test_a_film_opens_the_style_room(bench: StyleBench, tmp_path: Path):
    bench.choose(CLOTHES)
    bench.drop(bench.window, urls(clip(tmp_path)))
    bench.wait(lambda: bench.window.room is bench.room and bench.desk.clip is not None)


def test_a_broken_film_is_told_in_a_sentence(bench: StyleBench, tmp_path: Path):
    broken = tmp_path / "broken.mov"
    broken.write_bytes(b"nothing of a film")
    bench.drop(bench.room.photo, urls(broken))
    bench.wait(lambda: bench.window.notice.isVisible())
    assert bench.window.notice.text().startswith("broken.mov is damaged, or no film")
    assert bench.desk.clip is None


def test_a_filter_makes_the_region_of_the_chosen_style_and_joins_what_is_painted(
    bench: StyleBench, tmp_path: Path
):
    room, desk = bench.room, bench.desk
    half = np.full((36, 48, 3), 20, np.uint8)
    half[:, 24:] = 240
    (tmp_path / "half.png").write_bytes(Picture(half).to_png())
    bench.drop(bench.window, urls(tmp_path / "half.png", saved(tmp_path, "b.png", 200)))
    bench.settled()
    bench.choose(STEPS)
    QTest.mouseClick(room.brush, LEFT)
    wells, popover = room.controls.wells, desk.from_filter.popover
    wells["style2"].set_picture(photo(50))
    QTest.mouseClick(room.brushes.numbers[1], LEFT)
    middle = room.photo.rect().center()
    room.photo.brush = 400  # more than the photo is wide
    drag(room.photo, middle, middle + QPoint(2, 0))
    painted = wells["mask2"].picture()
    assert painted is not None

    QTest.mouseClick(room.brushes.filter, LEFT)
    fields = popover.form.fields
    assert popover.isVisible() and fields["join"].isVisible()
    for name, part in (("filter", "lightness"), ("join", "within")):
        QTest.mouseClick(cast(SegmentsField, fields[name]).segments.part(part), LEFT)
    bench.wait(lambda: popover.use.isEnabled() and desk.from_filter._asked is None)
    assert wells["mask2"].picture() == painted  # only tried
    QTest.mouseClick(popover.use, LEFT)
    made = wells["mask2"].picture()
    assert made is not None and wells["mask"].picture() is None and not popover.isVisible()
    assert not made.pixels[:, :20].any() and made.pixels[18, 26] == painted.pixels[18, 26] > 0
    bench.act("undo")
    assert wells["mask2"].picture() == painted
