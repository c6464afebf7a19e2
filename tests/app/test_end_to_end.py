"""From a pen on the sheet to a PNG and back: the real window, the real engine, a real network."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PySide6.QtCore import QPointF, Qt
from PySide6.QtWidgets import QFileDialog

import app
from app import i18n, theme
from app.lastpicture import FIRST
from app.widgets.controls import SliderField
from engines.catalogue import Catalogue
from engines.job import Job, Picture, job_from_png


@pytest.fixture(scope="module")
def models(tmp_path_factory) -> Catalogue | None:
    """None: the shipped default is there. Otherwise a small network of the starter's kind, with
    weights from a seed: its photos are no good, but they are made by the same code."""
    if Catalogue().default() is not None:
        return None
    import torch

    from engines import checkpoint
    from engines.families.pix2pix import Pix2Pix
    from engines.families.pix2pix.config import MultimodalConfig

    folder = tmp_path_factory.mktemp("shipped")
    (folder / "models").mkdir()
    family, config = Pix2Pix(), MultimodalConfig(widths=(8, 12, 16, 16, 16), code=4)
    torch.manual_seed(1)
    card = {"title": "Edges to clothes", "summary": "Random weights, for tests.",
            "sketch": {"ink": [0.01, 0.1], "width": [0.01, 0.02], "extent": [0.5, 1]}}  # fmt: skip
    metadata = {"family": family.id, "config": family.to_dict(config), "card": card}
    path = folder / "models" / "edges-to-clothes.safetensors"
    checkpoint.save(path, family.build(config).state_dict(), metadata)
    entry = {"name": "edges-to-clothes", "title": "Edges to clothes", "family": "pix2pix",
             "rooms": ["draw"], "file": path.name, "licence": "MIT"}  # fmt: skip
    (folder / "models.json").write_text(json.dumps({"models": [entry]}))
    return Catalogue(folder)


class Desk:
    """The program as a person has it: opened, with hands."""

    def __init__(self, qtbot, models: Catalogue | None) -> None:
        self.qtbot = qtbot
        self.window = app.open_window(catalogue=models)
        qtbot.addWidget(self.window)
        self.window.resize(1440, 900)
        self.window.show()
        qtbot.waitExposed(self.window)
        self.studio = self.window.studio
        app._begin(self.window, [])
        qtbot.waitUntil(lambda: self.studio.shown is not None, timeout=60_000)

    def draw(self, *points: tuple[float, float]) -> None:
        """A stroke with the mouse, in sheet pixels."""
        canvas = self.window.room.canvas
        places = [canvas.to_view(QPointF(*point)).toPoint() for point in points]
        left = Qt.MouseButton.LeftButton
        self.qtbot.mousePress(canvas, left, pos=places[0])
        for place in places[1:]:
            self.qtbot.mouseMove(canvas, place)
        self.qtbot.mouseRelease(canvas, left, pos=places[-1])

    def photo(self) -> tuple[Job, Picture]:
        """What the viewer shows, once it is the photo of the desk as it is now."""

        def current() -> bool:
            now, shown = self.studio.job(drawings=False), self.studio.shown
            return now is not None and shown is not None and shown.job.digest == now.digest

        self.qtbot.waitUntil(current, timeout=60_000)
        shown = self.studio.shown
        assert shown is not None and self.window.room.viewer.picture() == shown.picture
        return shown.job, shown.picture

    def press(self, key: Qt.Key, *modifiers: Qt.KeyboardModifier) -> None:
        held = Qt.KeyboardModifier.NoModifier
        for modifier in modifiers:
            held |= modifier
        self.qtbot.keyClick(self.window.room.canvas, key, held)

    def close(self) -> None:
        self.window.close()
        self.qtbot.waitUntil(lambda: not self.studio.worker.isRunning(), timeout=60_000)


SHIRT = ((70, 40), (36, 60), (12, 110), (40, 126), (52, 100), (50, 224), (96, 230), (142, 224),
         (140, 100), (152, 126), (180, 110), (156, 60), (122, 40), (96, 62), (70, 40))  # fmt: skip


@pytest.mark.slow
def test_draw_change_undo_export_and_draw_again(qtbot, tmp_path, monkeypatch, models, qapp):
    desk = Desk(qtbot, models)
    window = desk.window
    example, _ = desk.photo()
    assert window.room.canvas.is_empty() and (example.images["edges"].pixels < 128).any()

    desk.draw(*SHIRT)
    drawn, photo = desk.photo()
    assert drawn.images["edges"] != example.images["edges"]
    assert photo.size == (192, 256) and photo.channels == 3
    assert np.ptp(photo.pixels) > 0, "a photo is not one colour"

    slider = next(f for f in window.room.controls.fields.values() if isinstance(f, SliderField))
    qtbot.keyClick(slider.slider, Qt.Key.Key_End)
    varied, other = desk.photo()
    assert varied.values != drawn.values and other != photo

    desk.press(Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    again, same = desk.photo()
    assert again.digest == drawn.digest and same == photo

    desk.draw((70, 150), (120, 150))
    desk.photo()
    window.room.strip.menu.chosen.emit(theme.QColor("#C8202F"))
    desk.draw((80, 180), (110, 190))
    final, picture = desk.photo()
    assert {"edges", "hints"} <= set(final.images)

    target = tmp_path / "shirt.png"
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *a, **k: (str(target), ""))
    window.top.export.save.click()
    qtbot.waitUntil(target.exists, timeout=10_000)
    assert job_from_png(target).digest == final.digest
    assert Picture.from_png(target.read_bytes()) == picture
    strokes = window.room.canvas.drawing()
    desk.close()

    monkeypatch.setenv("GANVAS_HOME", str(tmp_path / "elsewhere"))  # another desk, as next week
    later = Desk(qtbot, models)
    later.window.open_files([str(target)])
    qtbot.waitUntil(lambda: later.window.room.canvas.drawing() == strokes, timeout=10_000)
    assert later.studio.seed == final.seed and later.studio.values == dict(final.values)
    later.studio.run()
    qtbot.waitUntil(lambda: bool(later.studio.history.entries()), timeout=60_000)
    replayed, pixels = later.photo()
    assert replayed.digest == final.digest
    assert np.array_equal(pixels.pixels, picture.pixels), "the same pixels"
    later.close()


@pytest.mark.slow
def test_the_desk_survives_and_the_language_changes_with_the_real_engine(qtbot, models, qapp):
    desk = Desk(qtbot, models)
    desk.draw((60, 60), (130, 70), (120, 180), (70, 180), (60, 60))
    job, picture = desk.photo()
    desk.studio.settings.set("language", "zh_CN")
    assert desk.window.rail.models.text() == "模型"
    desk.studio.settings.set("theme", "light")
    desk.close()
    later = Desk(qtbot, models)
    again, pixels = later.photo()
    assert again.digest == job.digest and pixels == picture
    assert i18n.language() == "zh_CN" and theme.theme() == "light"
    later.studio.settings.set("language", "en")
    later.studio.settings.set("theme", "dark")
    later.close()


@pytest.mark.slow
def test_the_very_first_start_shows_the_starter_s_picture_before_it_is_computed(qtbot, qapp):
    """resources/samples/first.png is of the default starter and of its example, and no other than
    what the engine makes of them; resources/samples/first.py writes it anew."""
    default = Catalogue().default()
    assert default is not None and FIRST.exists()
    window = app.open_window()
    qtbot.addWidget(window)
    studio, told = window.studio, []
    studio.result_shown.connect(told.append)
    window.show()
    app._begin(window, [])
    qtbot.waitUntil(lambda: bool(told), timeout=60_000)
    shipped, kept = Picture.from_png(FIRST.read_bytes()), job_from_png(FIRST)
    assert told[0].picture == shipped and told[0].result.draft
    assert told[0].job.digest == kept.digest and kept.checkpoint == default.reference
    qtbot.waitUntil(lambda: studio.final is not None, timeout=60_000)
    final = studio.final
    assert final is not None and final.job.digest == kept.digest
    apart = np.abs(final.picture.pixels.astype(int) - shipped.pixels.astype(int))
    assert apart.mean() < 1
    window.close()
    qtbot.waitUntil(lambda: not studio.worker.isRunning(), timeout=60_000)
