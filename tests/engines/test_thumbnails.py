"""Small pictures of what channels look for: what job makes one, and how they are kept."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from engines.catalogue import Catalogue
from engines.controls import Text, checked
from engines.engine import Engine
from engines.job import Picture, Result
from engines.thumbnails import SIDE, Thumbnails, job


def picture(seed: int) -> Picture:
    return Picture(np.random.default_rng(seed).integers(0, 256, (40, 40, 3), np.uint8))


def test_a_channel_is_dreamt_from_noise_and_answers_to_it(tmp_path: Path) -> None:
    engine = Engine("cpu", catalogue=Catalogue(own=tmp_path / "models.json"))
    card = engine.describe("dream")
    control = card.control("layers")
    assert isinstance(control, Text) and dict(control.layers)["relu1_1"] == 24
    made = []
    for channel in (3, 4, None):
        asked = job(card.checkpoint, "relu1_1", channel)
        checked(asked, card)
        *_, last = engine.run(asked)
        assert isinstance(last, Result) and last.picture.size == (SIDE, SIDE)
        made.append(last.picture)
    assert len({p.digest for p in made}) == 3


def test_they_are_kept_by_weights_layer_and_channel(tmp_path: Path) -> None:
    kept = Thumbnails(tmp_path)
    kept.keep("a1", "inception4c/output", 3, picture(1))
    assert kept.find("a1", "inception4c/output", 3) == picture(1)
    for other in (("b2", "inception4c/output", 3), ("a1", "inception4c/output", None)):
        assert kept.find(*other) is None
    next(tmp_path.rglob("*.png")).write_bytes(b"broken")
    assert kept.find("a1", "inception4c/output", 3) is None


def test_those_that_nobody_looked_at_for_longest_leave_first(tmp_path: Path) -> None:
    size = len(picture(0).to_png())
    kept = Thumbnails(tmp_path, megabytes=3.5 * size / 1e6)
    for channel in range(3):
        kept.keep("a1", "relu1_1", channel, picture(channel))
        path = next(tmp_path.rglob(f"relu1_1-{channel}.png"))
        os.utime(path, (1000 + channel, 1000 + channel))
    assert kept.find("a1", "relu1_1", 0) is not None  # looked at: it stays
    kept.keep("a1", "relu1_1", 3, picture(3))
    left = [c for c in range(4) if kept.find("a1", "relu1_1", c) is not None]
    assert left == [0, 2, 3]
