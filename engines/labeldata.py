"""Photos with label maps, for training: a folder "photo" and a folder "label" with files of equal
names, the label files with the class numbers of a palette (engines/palettes.py)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from engines import palettes
from engines.datasets import Batch, DataError, chosen, photo_files, read_rgb, to_signed
from engines.images import ImageError


@dataclass
class LabelledPhotos:
    """Batches: labels (N, 1, H, W) int64, objects (N, 1, H, W) int64, photo (N, 3, H, W) float32
    in [-1, 1]. Objects are regions that touch; classes without countable things are one each.

    jitter  how much larger a picture is made before a random window of it is cut
    """

    files: list[tuple[Path, Path]]
    palette: str
    seed: int = 0
    flip: bool = True
    jitter: float = 1.06

    def __post_init__(self) -> None:
        self.using = palettes.palette(self.palette)

    def __len__(self) -> int:
        return len(self.files)

    def pair(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        """(labels (H, W), photo (H, W, 3)), uint8. Raises DataError where they do not fit."""
        label, photo = self.files[index]
        try:
            labels = palettes.open_labels(label, self.using).labels.pixels
        except ImageError as error:
            raise DataError(str(error)) from error
        pixels = read_rgb(photo)
        if labels.shape != pixels.shape[:2]:
            raise DataError(f"{label.name} has another size than its photo.")
        return labels, pixels

    def batch(self, step: int, count: int, size: tuple[int, int], rank: int = 0) -> Batch:
        rng = np.random.default_rng([self.seed, rank, step])
        picks = chosen(count, len(self), self.seed, step, rank)
        rows = [self._cut(*self.pair(int(pick)), size, rng) for pick in picks]
        labels, photo = (np.stack(column) for column in zip(*rows))
        things = self.using.things
        stuff = frozenset(range(len(self.using))) - things if things else frozenset()
        objects = np.stack([palettes.regions(x, stuff) for x in labels])
        return {
            "labels": labels[:, None].astype(np.int64),
            "objects": objects[:, None].astype(np.int64),
            "photo": to_signed(photo),
        }

    def _cut(
        self,
        labels: np.ndarray,
        photo: np.ndarray,
        size: tuple[int, int],
        rng: np.random.Generator,
    ) -> tuple[np.ndarray, np.ndarray]:
        """A random window of both, enlarged a little and perhaps mirrored, at `size`."""
        large = tuple(round(side * self.jitter) for side in size)
        x, y = (int(rng.integers(0, a - b + 1)) for a, b in zip(large, size))
        window = np.s_[y : y + size[1], x : x + size[0]]
        mirror = -1 if self.flip and rng.random() < 0.5 else 1
        smaller = photo.shape[1] > large[0]
        smooth = cv2.INTER_AREA if smaller else cv2.INTER_CUBIC
        return (
            cv2.resize(labels, large, interpolation=cv2.INTER_NEAREST_EXACT)[window][:, ::mirror],
            cv2.resize(photo, large, interpolation=smooth)[window][:, ::mirror],
        )


def make(data: dict[str, Any], root: Path, seed: int) -> LabelledPhotos:
    """The data that a recipe's [data] table of kind "labels" asks for: folder, palette, and the
    fields of LabelledPhotos. Raises DataError."""
    data = dict(data)
    folder = root / str(data.pop("folder", "."))
    folder = folder if folder.is_dir() else root
    name = str(data.pop("palette", ""))
    if name not in palettes.known():
        raise DataError(f"The palette is one of {', '.join(palettes.known())}, not “{name}”.")
    labels = {f.stem: f for f in photo_files(folder / "label")}
    files = [(labels[f.stem], f) for f in photo_files(folder / "photo") if f.stem in labels]
    if not files:
        raise DataError(f"No photo in {folder} has a label map of the same name.")
    return LabelledPhotos(files, name, seed, **data)
