"""Pictures of every kind with whatever is known of each: a class, attributes of a face, a map of
labels. Made for training a backbone; knows no network.

Every picture is decoded once and kept, at most KEPT pixels on its shorter side: a step then costs
less than a graphics card takes for it.
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

from engines import palettes
from engines.datasets import Batch, DataError, photo_files, planes, read_rgb, shrunk
from engines.facedata import Row, told

UNKNOWN = -1  # of a class, and of a place in a map of labels
CELL = 8  # pixels on a side that one place of a map of labels stands for
KEPT = 144  # pixels
CONFIDENCE = 0.8  # labels by a model count from this probability on


@dataclass(frozen=True)
class Sample:
    """klass: number of the class, or UNKNOWN; row: what the table says; map: file of labels in the
    numbers of `palette`, which are counted from `first` on."""

    photo: Path
    klass: int
    row: Row
    map: Path | None
    palette: str
    first: int


@dataclass(frozen=True)
class Set:
    """A folder of pictures, as a recipe's table tells of it.

    folder  below the data root
    name    class of all its pictures; or else
    column  of `table` (a CSV with file and perhaps split) that tells each picture's class
    labels  folder with maps of labels of the same names, in the numbers of `palette`
    share   how often a picture of this set comes up against the other sets
    """

    folder: str
    name: str = ""
    table: str = ""
    column: str = ""
    labels: str = ""
    palette: str = ""
    share: float = 1.0


class Mixed:
    """Batches of a random part of each picture, turned over half of the time.

    photo   (N, 3, H, W) uint8; spoiled the same with noise, blur, holes or without colour
    klass   (N,) int64, UNKNOWN (-1) where nothing tells it
    labels, known  (N, attributes) float32 in {0, 1}
    map     (N, H / 8, W / 8) int64, UNKNOWN where there is none

    Raises DataError.
    """

    def __init__(
        self, root: Path, sets: Sequence[Set], attributes: Sequence[str] = (), seed: int = 0
    ) -> None:
        self.seed, self.attributes = seed, tuple(attributes)
        self.classes: tuple[str, ...] = ()
        self.places = 0  # classes of all maps together
        self.samples: list[Sample] = []
        chances: list[float] = []
        for one in sets:
            found = self._samples(root, one)
            self.samples += found
            chances += [one.share / len(found)] * len(found)
            self.places += len(palettes.palette(one.palette)) if one.palette else 0
        self.chances = np.array(chances) / sum(chances)
        self.said = np.array([[told(s.row, a, CONFIDENCE) if s.row else np.nan
                               for a in self.attributes] for s in self.samples])  # fmt: skip
        with ThreadPoolExecutor() as pool:
            self.kept = list(pool.map(_load, self.samples))

    def _samples(self, root: Path, one: Set) -> list[Sample]:
        rows = _rows(root / one.table) if one.table else {}
        found: list[Sample] = []
        for photo in photo_files(root / one.folder):
            row = rows.get(f"{photo.parent.name}/{photo.name}", rows.get(photo.name, {}))
            if one.table and not row:
                continue
            drawn = root / one.labels / f"{photo.stem}.png" if one.labels else None
            klass = self._number(row.get(one.column, "") or one.name)
            found.append(Sample(photo, klass, row, drawn, one.palette, self.places))
        if not found:
            raise DataError(f"No row of {one.table} names a picture in {one.folder}.")
        return found

    def _number(self, name: str) -> int:
        if not name:
            return UNKNOWN
        if name not in self.classes:
            self.classes = (*self.classes, name)
        return self.classes.index(name)

    def __len__(self) -> int:
        return len(self.samples)

    def batch(self, step: int, count: int, size: tuple[int, int], rank: int = 0) -> Batch:
        rng = np.random.default_rng([self.seed, rank, step])
        picks = rng.choice(len(self), count, p=self.chances)
        kept = [self.kept[int(pick)] for pick in picks]
        views = [_view(photo, drawn, size, rng) for photo, drawn in kept]
        photos = np.stack([photo for photo, _ in views])
        said = self.said[picks]
        return {
            "photo": planes(photos),
            "spoiled": planes(np.stack([_spoiled(photo, rng) for photo in photos])),
            "klass": np.array([self.samples[pick].klass for pick in picks], np.int64),
            "labels": np.nan_to_num(said).astype(np.float32),
            "known": (~np.isnan(said)).astype(np.float32),
            "map": np.stack([labels for _, labels in views]),
        }


def _rows(path: Path) -> dict[str, Row]:
    """The rows of a table by "split/file", or by what stands under file where that is a path or
    where there is no split but train."""
    if not path.is_file():
        raise DataError(f"There is no {path.name} in {path.parent}.")
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    found: dict[str, Row] = {}
    for row in rows:
        name, split = row["file"], row.get("split", "train")
        found[name if "/" in name else f"{split}/{name}"] = row
        if split == "train" and "/" not in name:
            found[name] = row
    return found


# ---- one picture ---------------------------------------------------------------------------------


def _load(sample: Sample) -> tuple[np.ndarray, np.ndarray | None]:
    """(photo (H, W, 3) uint8, its map (H, W) int16 or None), made smaller alike."""
    photo = read_rgb(sample.photo)
    small = shrunk(photo, KEPT)
    if sample.map is None:
        return small, None
    using = palettes.palette(sample.palette)
    drawn = palettes.open_labels(sample.map, using).labels.pixels
    side = small.shape[1], small.shape[0]
    drawn = cv2.resize(drawn, side, interpolation=cv2.INTER_NEAREST).astype(np.int16)
    return small, np.where(drawn == using.unknown, UNKNOWN, drawn + sample.first).astype(np.int16)


def _view(
    photo: np.ndarray, drawn: np.ndarray | None, size: tuple[int, int], rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """(part of the photo (H, W, 3), of its map (H / CELL, W / CELL)), turned over half of the
    time."""
    height, width = photo.shape[:2]
    share, stretch = np.sqrt(rng.uniform(0.25, 1.0)), np.exp(rng.uniform(-0.2, 0.2))
    wide, high = (max(8, min(n, round(min(width, height) * share * s)))
                  for n, s in ((width, stretch), (height, 1 / stretch)))  # fmt: skip
    left, top = (int(rng.integers(0, n + 1)) for n in (width - wide, height - high))
    cut, turned = (slice(top, top + high), slice(left, left + wide)), rng.random() < 0.5
    how = cv2.INTER_AREA if wide >= size[0] else cv2.INTER_LINEAR
    part = cv2.resize(photo[cut], size, interpolation=how)
    cells = (size[0] // CELL, size[1] // CELL)
    if drawn is None:
        labels = np.full((cells[1], cells[0]), UNKNOWN, np.int64)
    else:
        labels = cv2.resize(drawn[cut], cells, interpolation=cv2.INTER_NEAREST).astype(np.int64)
    if turned:
        part, labels = part[:, ::-1], labels[:, ::-1]
    return _lit(np.ascontiguousarray(part), rng), np.ascontiguousarray(labels)


def _spoiled(photo: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """What is to be restored: without colour, blurred, noisy or with holes."""
    way = rng.integers(4)
    if way == 0:
        grey = cv2.cvtColor(photo, cv2.COLOR_RGB2GRAY)
        return np.repeat(grey[..., None], 3, axis=2)
    if way == 1:
        return cv2.GaussianBlur(photo, (0, 0), float(rng.uniform(0.8, 2.5)))
    if way == 2:
        noise = rng.standard_normal(photo.shape, np.float32) * np.float32(rng.uniform(8, 40))
        return cv2.add(photo, noise, dtype=cv2.CV_8U)
    holed = photo.copy()
    for _ in range(4):
        side = rng.integers(photo.shape[0] // 8, photo.shape[0] // 3, 2)
        top, left = (int(rng.integers(0, n)) for n in photo.shape[:2])
        holed[top : top + side[0], left : left + side[1]] = rng.integers(0, 256, 3)
    return holed


def _lit(photo: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Another light: brightness, contrast, cast."""
    steps = np.arange(256, dtype=np.float32)[:, None]
    table = (steps - 128) * rng.uniform(0.7, 1.3) + 128 + rng.uniform(-25, 25)
    table = table * rng.uniform(0.9, 1.1, 3)
    return cv2.LUT(photo, table.clip(0, 255).astype(np.uint8)[None])


def make(data: dict[str, Any], root: Path, seed: int) -> Mixed:
    """The [data] table of a recipe: `sets`, a list of tables as Set has them, and `attributes`."""
    try:
        sets = [Set(**one) for one in data.pop("sets")]
    except (KeyError, TypeError) as error:
        raise DataError(f"The recipe's sets lack or misspell an entry: {error}.") from error
    return Mixed(root, sets, data.pop("attributes", ()), seed)
