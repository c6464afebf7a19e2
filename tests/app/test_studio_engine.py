"""The studio with the real engine: weights dropped, drawn with, exported, opened again."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from app.settings import Settings
from app.studio import Studio
from app.worker import EngineWorker
from engines.catalogue import Catalogue
from engines.job import Picture, job_from_png
from tests.app.fakes import FakeCanvas

pytestmark = pytest.mark.slow


class Canvas(FakeCanvas):
    """A grey step whose place is the drawing."""

    def picture(self) -> Picture:
        pixels = np.full((self.size[1], self.size[0]), 255, np.uint8)
        pixels[:, : self.ink % self.size[0]] = 0
        return Picture(pixels)


class Bench:
    def __init__(self, qtbot, folder: Path) -> None:
        from engines import Engine

        self.wait = lambda condition: qtbot.waitUntil(condition, timeout=60_000)
        self.catalogue = Catalogue(shipped=folder / "no starters", own=folder / "models.json")
        worker = EngineWorker(lambda: Engine("cpu", catalogue=self.catalogue))
        settings = Settings(folder / "settings.json")
        self.studio = Studio(worker, settings, folder / "data", self.catalogue)
        self.canvas = Canvas((64, 96))
        self.studio.register_source("edges", self.canvas.picture, self.canvas.drawing)
        self.told: dict[str, list] = {}
        for name in ("failed", "reported", "model_missing", "exported", "result_shown"):
            self.told[name] = []
            getattr(self.studio, name).connect(
                lambda *args, name=name: self.told[name].append(args if len(args) > 1 else args[0])
            )
        self.studio.recipe_restored.connect(self.restore)
        self.studio.start()

    def restore(self, job) -> None:
        for drawing in job.drawings.values():
            self.canvas.size, self.canvas.ink = tuple(drawing["size"]), drawing["ink"]

    def draw(self, ink: int) -> Picture:
        self.canvas.ink = ink
        wanted = self.canvas.picture()
        self.studio.touch()
        self.wait(lambda: self.told["failed"] or self.shown() == wanted)
        assert self.told["failed"] == []
        return self.studio.shown.picture

    def shown(self) -> Picture | None:
        shown = self.studio.shown
        return next(iter(shown.job.images.values())) if shown else None


@pytest.fixture
def weights(tmp_path) -> Path:
    """A tiny official U-Net, as people have them: a .pth of tensors, wrapped for several GPUs."""
    import torch

    from engines.families.pix2pix import Pix2Pix
    from engines.families.pix2pix.config import UNetConfig

    torch.manual_seed(0)
    net = Pix2Pix().build(UNetConfig(inputs=1, width=4, depth=5, dropout=False))
    path = tmp_path / "tiny.pth"
    torch.save({f"module.{key}": value for key, value in net.state_dict().items()}, path)
    return path


@pytest.fixture
def bench(qtbot, tmp_path):
    benches = []

    def opened() -> Bench:
        benches.append(Bench(qtbot, tmp_path))
        return benches[-1]

    yield opened
    for bench in benches:
        assert bench.studio.close()


def test_dropped_weights_draw_export_and_open_again_to_the_same_pixels(bench, weights, tmp_path):
    first = bench()
    first.studio.open_path(weights)
    first.wait(lambda: first.studio.card is not None)
    (verdict,) = first.told["reported"]
    assert (verdict.kind, verdict.family) == ("model", "pix2pix")
    assert first.studio.card.checkpoint == f"tiny@{verdict.digest}"
    made = first.draw(20)
    assert made.size == (64, 96)
    assert first.draw(40) != made
    assert first.draw(20) == made, "the same job gives the same pixels"
    first.wait(lambda: first.studio.status.device == "cpu")
    assert first.studio.status.memory_used > 0
    first.studio.export(tmp_path / "out.png")
    first.wait(lambda: first.told["exported"] == [str(tmp_path / "out.png")])
    first.draw(50)
    first.studio.close()

    second = bench()
    second.wait(lambda: second.studio.card is not None)
    assert second.studio.card.checkpoint == first.studio.card.checkpoint, "the desk is back"
    assert second.canvas.ink == 50
    second.studio.open_path(tmp_path / "out.png")
    second.wait(lambda: second.canvas.ink == 20)
    assert second.studio.shown.picture == made
    second.wait(lambda: second.studio.shown.input_ms is not None)
    assert second.studio.shown.picture == made, "computed again, not only shown again"
    assert second.told["failed"] == []


def test_a_recipe_names_its_missing_model_and_goes_on_when_the_file_comes(bench, weights, tmp_path):
    first = bench()
    first.studio.open_path(weights)
    first.wait(lambda: first.studio.card is not None)
    first.draw(20)
    first.studio.export(tmp_path / "out.png")
    first.wait(lambda: bool(first.told["exported"]))
    first.studio.close()
    (tmp_path / "models.json").unlink()
    (tmp_path / "data" / "desk.json").unlink()
    moved = weights.rename(tmp_path / "renamed.pth")

    second = bench()
    second.studio.open_path(tmp_path / "out.png")
    second.wait(lambda: bool(second.told["model_missing"]))
    digest = job_from_png(tmp_path / "out.png").checkpoint.partition("@")[2]
    assert second.told["model_missing"] == [("tiny", digest)]
    second.studio.open_path(moved)
    second.wait(lambda: second.canvas.ink == 20)
    second.wait(lambda: second.studio.shown is not None)
    assert second.studio.shown.picture == first.studio.shown.picture


def test_a_file_that_is_no_model_is_refused_and_drawing_goes_on(bench, weights, tmp_path):
    (tmp_path / "text.pth").write_text("hello")
    studio = bench()
    studio.studio.open_path(weights)
    studio.wait(lambda: studio.studio.card is not None)
    studio.draw(20)
    studio.studio.open_path(tmp_path / "text.pth")
    studio.wait(lambda: bool(studio.told["failed"]))
    place, failure = studio.told["failed"].pop()
    assert place == "drop"
    assert "text.pth" in failure.message
    studio.draw(30)
