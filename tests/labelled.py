"""A folder of small portraits with labels, as training reads them, made on the spot."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image


def portraits(folder: Path, columns: dict[str, str], side: int = 16) -> Path:
    """One random picture of `side` pixels for each word of the columns ("yes no yes")."""
    rows = list(zip(*(words.split() for words in columns.values())))
    (folder / "train").mkdir(parents=True)
    lines = [",".join(["file", "split", *columns])]
    rng = np.random.default_rng(0)
    for number, words in enumerate(rows):
        pixels = rng.integers(0, 256, (side, side, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / "train" / f"{number}.png")
        lines.append(",".join([f"{number}.png", "train", *words]))
    (folder / "labels.csv").write_text("\n".join(lines))
    return folder
