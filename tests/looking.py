"""What the tests of dreams and of styles share: a small backbone, pictures, and generators run to
their end."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path
from typing import Any

import numpy as np

from engines import backbonenet, backbones, checkpoint
from engines.backbones import Config
from engines.engine import Engine
from engines.job import Picture

SMALL = Config(widths=(6, 8, 10), depths=(2, 2, 1), classes=4, hidden=0)


def ended(running: Generator[None, None, Any]) -> Any:
    """What a generator returns."""
    while True:
        try:
            next(running)
        except StopIteration as end:
            return end.value


def picture(seed: int, width: int = 48, height: int = 40, low: int = 0, high: int = 256) -> Picture:
    return Picture(np.random.default_rng(seed).integers(low, high, (height, width, 3), np.uint8))


def small_model(folder: Path) -> tuple[Engine, str]:
    """An engine and the file of a random SMALL."""
    path = folder / "small.safetensors"
    state = backbonenet.random(SMALL, 3).state_dict()
    checkpoint.save(path, state, backbones.to_metadata(SMALL))
    return Engine("cpu"), str(path)
