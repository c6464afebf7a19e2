"""Two sets of pictures of which no two belong together, for training: a folder for each side."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from engines.datasets import Batch, DataError, chosen, photo_files, read_rgb

SIDES = (("A", "B"), ("trainA", "trainB"), ("a", "b"))
SAMPLES = 0xFFFF  # the step whose batch shows how far a training has come


@dataclass
class UnpairedPhotos:
    """Batches: a and b (N, 3, H, W) uint8: random windows, some mirrored. Every picture is decoded
    once and kept, so that a batch costs only its windows.

    keep    pixels: greatest length of the shorter side at which a picture is kept
    jitter  up to how much larger a picture is made before a window of it is cut (286 / 256 of the
            paper); one that is smaller than the window is made as large as that needs
    """

    files: tuple[Sequence[Path], Sequence[Path]]
    seed: int = 0
    flip: bool = True
    jitter: float = 1.117
    keep: int = 288

    def __post_init__(self) -> None:
        with ThreadPoolExecutor() as pool:
            self.sides = [list(pool.map(self._load, files)) for files in self.files]

    def _load(self, path: Path) -> np.ndarray:
        photo = read_rgb(path)
        height, width = photo.shape[:2]
        scale = self.keep / min(height, width)
        if scale >= 1:
            return photo
        size = (max(self.keep, round(width * scale)), max(self.keep, round(height * scale)))
        return cv2.resize(photo, size, interpolation=cv2.INTER_AREA)

    def __len__(self) -> int:
        return max(len(side) for side in self.sides)

    def batch(self, step: int, count: int, size: tuple[int, int], rank: int = 0) -> Batch:
        rng = np.random.default_rng([self.seed, rank, step])
        found = {}
        for number, (name, photos) in enumerate(zip("ab", self.sides)):
            picks = chosen(count, len(photos), self.seed + 1000 * number, step, rank)
            rows = [self._window(photos[int(pick)], size, rng) for pick in picks]
            found[name] = np.ascontiguousarray(np.stack(rows).transpose(0, 3, 1, 2))
        return found

    def _window(
        self, photo: np.ndarray, size: tuple[int, int], rng: np.random.Generator
    ) -> np.ndarray:
        height, width = photo.shape[:2]
        scale = max(rng.uniform(1, self.jitter), size[0] / width, size[1] / height)
        wide, tall = (max(1, round(side / scale)) for side in size)
        x, y = int(rng.integers(0, width - wide + 1)), int(rng.integers(0, height - tall + 1))
        mirror = -1 if self.flip and rng.random() < 0.5 else 1
        window = photo[y : y + tall, x : x + wide][:, ::mirror]
        if (wide, tall) == size:
            return window
        return cv2.resize(np.ascontiguousarray(window), size, interpolation=cv2.INTER_CUBIC)


def make(data: dict[str, Any], root: Path, seed: int) -> UnpairedPhotos:
    """The data that a recipe's [data] table of kind "unpaired" asks for: folder, the subfolders
    `a` and `b` (without them A and B, or trainA and trainB), and fields of UnpairedPhotos. Raises
    DataError."""
    data = dict(data)
    folder = root / str(data.pop("folder", "."))
    folder = folder if folder.is_dir() else root
    named = data.pop("a", None), data.pop("b", None)
    pairs = ((str(named[0]), str(named[1])),) if all(named) else SIDES
    for a, b in pairs:
        if (folder / a).is_dir() and (folder / b).is_dir():
            files = photo_files(folder / a), photo_files(folder / b)
            return UnpairedPhotos(files, seed, **data)
    wanted = " or ".join(f"{a} and {b}" for a, b in pairs[:2])
    raise DataError(f"{folder} holds no two folders {wanted} with the pictures of the two sides.")
