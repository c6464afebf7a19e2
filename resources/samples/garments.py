"""Paints the garments that the Words room offers as samples: outlines of ours with a stroke of
colour, through the shipped edges-to-clothes.

`python resources/samples/garments.py` writes garment-*.jpg beside this file. Free for any use.
"""

from __future__ import annotations

import os
from pathlib import Path

import cv2
import numpy as np

from app.drawing import Drawing
from app.pictures import from_qimage
from app.raster import Layers
from app.samples import samples
from engines import images
from engines.engine import Engine
from engines.job import Job, Picture, Result

HERE = Path(__file__).parent
MODEL = HERE.parent / "models" / "edges-to-clothes.safetensors"
LOOKS = {
    "jumper": ((196, 30, 36), 4),
    "trousers": ((28, 44, 120), 2),
    "dress": ((24, 120, 60), 3),
    "t-shirt": ((230, 190, 40), 1),
}  # colour of the stroke, seed


def garment(engine: Engine, outline: str, colour: tuple[int, int, int], seed: int) -> Picture:
    """(256, 192, 3)."""
    sample = next(s for s in samples() if s.id == outline)
    drawing = Drawing.from_json(sample.drawing)
    layers = Layers(drawing.size)
    layers.render(drawing)
    ink = from_qimage(layers.image("ink"))
    hints = np.zeros((ink.height, ink.width, 4), np.uint8)
    middle, high = ink.width // 2, ink.height // 2
    cv2.line(hints, (middle - 14, high - 20), (middle + 14, high - 16), (*colour, 255), 8)
    drawn = {"edges": ink, "hints": Picture(hints)}
    job = Job("pix2pix", str(MODEL), images=drawn, seed=seed)
    *_, last = engine.run(job)
    assert isinstance(last, Result), last
    return last.picture


if __name__ == "__main__":
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    from PySide6.QtGui import QGuiApplication

    application = QGuiApplication([])
    ours = Engine("cpu", lanes=())
    for outline, look in LOOKS.items():
        images.save_picture(garment(ours, outline, *look), HERE / f"garment-{outline}.jpg", 92)
