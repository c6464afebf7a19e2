"""From a slider to the face that is meant by it, through the real window: the official StarGAN at
128 pixels with random weights, and our starter.

Runs offscreen unless QT_QPA_PLATFORM says otherwise, with user folders of its own.
"""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path

from benchmarks.studio import ROOT, Desk
from benchmarks.table import Row, milliseconds

PHOTO = ROOT / "resources" / "samples" / "faces-one.jpg"
STEPS = 24  # places on a slider, from one end to the other, that the hand visits


def rows(quick: bool = False) -> list[Row]:
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    with tempfile.TemporaryDirectory() as home:
        os.environ["GANVAS_HOME"] = home
        nets = {
            "official StarGAN 128": _official(Path(home) / "official"),
            "starter 128": ROOT / "resources" / "models" / "face-attributes.safetensors",
        }
        count = 5 if quick else 60
        return [_slider(*net, count, lanes) for net in nets.items() for lanes in (False, True)]


def _official(folder: Path) -> Path:
    """The official generator of CelebA with random weights, in a file as the reference saves it."""
    import torch

    from engines.families.stargan.build import build
    from engines.families.stargan.config import Config

    folder.mkdir()
    torch.manual_seed(0)
    torch.save(build(Config()).state_dict(), folder / "200000-G.ckpt")
    return folder / "200000-G.ckpt"


def _slider(name: str, path: Path, count: int, lanes: bool) -> Row:
    from app.settings import Settings

    Settings().set("drafts", lanes)
    desk = FaceDesk(path)
    name = f"{name}, {desk.prepare()}" if lanes else name
    times, engine = desk.slide(count)
    size = "x".join(map(str, desk.photo_size()))
    desk.close()
    note = f"of which engine {milliseconds(engine)}; one face of a photo of {size}"
    return Row(f"slider to face, {name}", milliseconds(times), "60 ms", note)


class FaceDesk(Desk):
    """The window with a face in it."""

    def __init__(self, weights: Path) -> None:
        super().__init__()
        self.studio.open_path(weights)
        self.wait(lambda: self.studio.card is not None and self.studio.card.family == "stargan")
        self.studio.open_path(PHOTO)
        self.wait(lambda: bool(self.window.table.faces) and self._is_current())

    def photo_size(self) -> tuple[int, int]:
        return self.window.table.photo.size

    def slide(self, count: int) -> tuple[list[float], list[float]]:
        """Seconds from each mouse event on the handle of a slider to the face of that value in the
        viewer, one at a time, and those of them in the engine."""
        from PySide6.QtCore import QPoint, Qt
        from PySide6.QtTest import QTest

        sliders = self.window.room.controls.fields["attributes"].sliders
        left = Qt.MouseButton.LeftButton
        times: list[float] = []
        engine: list[float] = []
        while len(times) < count:
            slider = sliders[len(times) // STEPS % len(sliders)].slider
            places = [QPoint(8 + n * (slider.width() - 16) // STEPS, 10) for n in range(STEPS + 1)]
            QTest.mousePress(slider, left, pos=places[0])
            self.wait(self._is_shown)
            for place in places[1:]:
                started = time.perf_counter()
                QTest.mouseMove(slider, place)
                self.wait(self._is_shown)
                times.append(time.perf_counter() - started)
                engine.append((self.studio.status.engine_ms or 0.0) / 1000)
            QTest.mouseRelease(slider, left, pos=places[-1])
        return times[:count], engine[:count]

    def _is_shown(self) -> bool:
        """Whether the viewer shows the face of the values on the desk."""
        shown, viewer = self.studio.shown, self.window.room.viewer
        return self._is_current() and shown is not None and viewer.picture() is shown.picture
