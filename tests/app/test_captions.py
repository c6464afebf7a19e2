"""The caption of a result: asked for, its words pointed at, chosen, copied, exported."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtGui import QGuiApplication

from app import captions
from engines import images
from engines.controls import ImageInput, ModelCard
from engines.job import Event, Job, Picture, Result
from tests.app.fakes import FakeError
from tests.app.test_window import CLOTHES, Bench, Catalogue
from tests.app.test_window import opened as opened  # the fixture

SAYS = ModelCard("captioning", "Captions", (ImageInput("photo", "Picture"),), rooms=("words",),
                 checkpoint="caption-all@cafecafecafecafe")  # fmt: skip
TEXTS = ("a red dress", "a dark red dress", "a red skirt")


def says(job: Job) -> Iterator[Event]:
    """Three captions; with attention the best, and for each word a picture as grey as its place."""
    photo = job.images["photo"]
    if job.values.get("show") == "attention":
        looked = (Picture(np.full_like(photo.pixels, 50 * n)) for n in range(3))
        yield Result((photo, *looked), (TEXTS[0], *TEXTS[0].split()))
    else:
        yield Result((photo,), TEXTS, notes=("Sure to 83%, 5%, 2%; least of “red” (61%).",))


@pytest.fixture
def bench(opened) -> Bench:
    made = opened()
    made.engine.scripts["captioning"] = says
    made.engine.cards["caption-all"] = SAYS
    made.catalogue.families["cafecafecafecafe"] = "captioning"
    made.catalogue.put(SAYS.checkpoint)
    made.draw((40, 40), (120, 200))
    made.settled()
    return made


def line(bench: Bench):
    return bench.window.room.caption


def captioned(bench: Bench) -> None:
    bench.act("caption")
    bench.wait(lambda: line(bench).isVisible())


def test_a_result_gets_its_caption_and_how_sure_it_is(bench: Bench) -> None:
    assert not line(bench).isVisible()
    captioned(bench)
    assert line(bench).text() == "a red dress"
    assert line(bench).sure.text() == "83%"
    assert line(bench).others.isVisible()


def test_a_caption_leaves_with_its_picture_and_comes_back_with_it(bench: Bench) -> None:
    captioned(bench)
    seed = bench.studio.seed
    bench.studio.set_seed(seed + 1)
    bench.settled()
    assert not line(bench).isVisible()
    asked = len(bench.engine.log)
    bench.studio.set_seed(seed)
    bench.settled()
    assert line(bench).text() == "a red dress"
    assert sum(j.family == "captioning" for j in bench.engine.log[asked:]) == 0


def test_another_caption_is_chosen_and_copied(bench: Bench) -> None:
    captioned(bench)
    line(bench).chosen.emit("a red skirt")
    assert line(bench).text() == "a red skirt"
    line(bench).copy.click()
    assert QGuiApplication.clipboard().text() == "a red skirt"


def test_a_word_shows_where_it_looked_while_it_is_pointed_at(bench: Bench) -> None:
    captioned(bench)
    result = bench.viewer.picture()
    line(bench).words.linkHovered.emit("1")
    bench.wait(lambda: bench.viewer.picture() is None)  # a look, not the result
    line(bench).words.linkHovered.emit("")
    assert bench.viewer.picture() == result
    line(bench).words.linkActivated.emit("2")
    assert bench.viewer.picture() is None
    line(bench).words.linkActivated.emit("2")
    assert bench.viewer.picture() == result


def test_words_of_another_caption_show_nothing(bench: Bench) -> None:
    captioned(bench)
    line(bench).chosen.emit("a red skirt")
    assert "href" not in line(bench).words.text()
    line(bench).chosen.emit("a red dress")
    assert "href" in line(bench).words.text()


def test_the_export_carries_the_caption_on_request(bench: Bench, tmp_path: Path) -> None:
    for name, wanted in (
        ("bare.png", ""),
        ("told.png", "a red dress"),
        ("told.jpg", "a red dress"),
    ):
        bench.studio.settings.set("export_caption", bool(wanted))
        bench.studio.export(tmp_path / name)
        bench.wait(lambda name=name: (tmp_path / name).exists())
        assert images.caption_in(tmp_path / name) == wanted


def test_the_export_panel_asks_for_the_caption(bench: Bench) -> None:
    panel = bench.window.top.export
    panel.open_menu()
    assert not panel.caption.isChecked()
    panel.caption.click()
    assert bench.studio.settings.get("export_caption") is True
    panel.menu.hide()


def test_the_export_is_written_without_a_captioner_too(bench: Bench, tmp_path: Path) -> None:
    bench.catalogue.known = Catalogue(CLOTHES).known
    bench.studio.settings.set("export_caption", True)
    bench.studio.export(tmp_path / "bare.png")
    bench.wait(lambda: (tmp_path / "bare.png").exists())
    assert images.caption_in(tmp_path / "bare.png") == ""
    assert bench.window.notice.text() == captions.NONE


def test_a_captioner_that_fails_says_so(bench: Bench) -> None:
    def fails(job: Job) -> Iterator[Event]:
        raise FakeError("checkpoint", "The captioner is damaged.")
        yield

    bench.engine.scripts["captioning"] = fails
    bench.act("caption")
    bench.wait(lambda: bench.window.notice.text() == "The captioner is damaged.")
    assert not line(bench).isVisible()
