"""Photos of several folders, held in memory, for trainings that spoil a photo and restore it.

Every picture is read once. A batch is nothing but windows cut out of them, as bytes: what spoils
them runs on the device (engines/spoiling.py). Knows no network.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from engines.datasets import Batch, DataError, photo_files, read_rgb


@dataclass(frozen=True)
class Set:
    """A folder of photos, as a recipe's table tells of it.

    folder  below the data root
    table   a CSV with file and split: only the files that it calls "train" are read
    share   how often a photo of this set comes up against the other sets
    """

    folder: str
    table: str = ""
    share: float = 1.0


class Photos:
    """Batches of windows, mirrored half of the time: photo (N, H, W, 3) uint8.

    short   what the short side of a photo is scaled to when it is read; 0: as it is. A photo that
            is smaller than a window is enlarged to it.
    turned  whether windows also come turned by 90 degrees

    Raises DataError.
    """

    def __init__(
        self, root: Path, sets: Sequence[Set], short: int = 0, turned: bool = False, seed: int = 0
    ) -> None:
        self.seed, self.turned = seed, turned
        self.photos: list[np.ndarray] = []
        chances: list[np.ndarray] = []
        with ThreadPoolExecutor() as pool:
            for one in sets:
                found = list(pool.map(lambda file: _read(file, short), listed(root, one)))
                self.photos += found
                chances.append(np.full(len(found), one.share / len(found)))
        joined = np.concatenate(chances)
        self.chances = joined / joined.sum()

    def __len__(self) -> int:
        return len(self.photos)

    def batch(self, step: int, count: int, size: tuple[int, int], rank: int = 0) -> Batch:
        rng = np.random.default_rng([self.seed, rank, step])
        picks = rng.choice(len(self), count, p=self.chances)
        windows = [self._window(self.photos[int(pick)], size, rng) for pick in picks]
        return {"photo": np.stack(windows)}

    def _window(
        self, photo: np.ndarray, size: tuple[int, int], rng: np.random.Generator
    ) -> np.ndarray:
        if self.turned and rng.random() < 0.5:
            photo = photo.swapaxes(0, 1)
        width, height = size
        need = max(height / photo.shape[0], width / photo.shape[1])
        if need > 1:
            wide, tall = (int(np.ceil(side * need)) for side in photo.shape[1::-1])
            photo = cv2.resize(np.ascontiguousarray(photo), (wide, tall))
        top = int(rng.integers(0, photo.shape[0] - height + 1))
        left = int(rng.integers(0, photo.shape[1] - width + 1))
        window = photo[top : top + height, left : left + width]
        return window[:, ::-1] if rng.random() < 0.5 else window


def listed(root: Path, one: Set, split: str = "train") -> list[Path]:
    """The photos of a set, of one split where a table tells it. Raises DataError."""
    files = photo_files(root / one.folder)
    if not one.table:
        return files
    path = root / one.table
    if not path.is_file():
        raise DataError(f"There is no {path.name} in {path.parent}.")
    with path.open(newline="", encoding="utf-8") as rows:
        named = {Path(r["file"]).name for r in csv.DictReader(rows) if r["split"] == split}
    kept = [file for file in files if file.name in named]
    if not kept:
        raise DataError(f"No row of {one.table} names a picture in {one.folder}.")
    return kept


def _read(file: Path, short: int) -> np.ndarray:
    photo = read_rgb(file)
    if not short:
        return photo
    scale = short / min(photo.shape[:2])
    wide, tall = (max(short, round(side * scale)) for side in photo.shape[1::-1])
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    return cv2.resize(photo, (wide, tall), interpolation=how)


def make(data: dict[str, Any], root: Path, seed: int) -> Photos:
    """The data set of a recipe's [data] table of kind "photos"."""
    try:
        sets = [Set(**one) for one in data.pop("sets")]
        return Photos(root, sets, seed=seed, **data)
    except (KeyError, TypeError) as error:
        raise DataError(f"The recipe's data lack or misspell an entry: {error}.") from error
