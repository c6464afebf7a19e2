"""Photos and pictures of style for the training of fast style nets. Every picture is decoded once
and kept; a batch holds parts of them. Knows no network."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from engines.datasets import Batch, DataError, photo_files, planes, read_rgb, shrunk

RESOURCES = Path(__file__).parents[1] / "resources"


@dataclass(frozen=True)
class Set:
    """A folder of pictures, as a recipe's table tells of it.

    folder   below the data root, or below our resources if `shipped`
    only     one file of it alone
    share    how often a picture of this set comes up against the other sets
    """

    folder: str
    only: str = ""
    share: float = 1.0
    shipped: bool = False

    def files(self, root: Path) -> list[Path]:
        folder = (RESOURCES if self.shipped else root) / self.folder
        found = [p for p in photo_files(folder) if self.only in ("", p.name)]
        if not found:
            raise DataError(f"There is no {self.only} in {folder}.")
        return found


@dataclass(frozen=True)
class Gallery:
    """Decoded pictures (H, W, 3) uint8, and how probable each is."""

    pictures: tuple[np.ndarray, ...]
    chances: np.ndarray

    def pick(self, count: int, rng: np.random.Generator) -> list[np.ndarray]:
        return [self.pictures[n] for n in rng.choice(len(self.pictures), count, p=self.chances)]


def hang(root: Path, sets: Sequence[Set], shorter: int) -> Gallery:
    """Decode all of the sets' pictures, at most `shorter` pixels on their shorter side. Raises
    DataError."""
    files: list[Path] = []
    chances: list[float] = []
    for one in sets:
        found = one.files(root)
        files += found
        chances += [one.share / len(found)] * len(found)
    with ThreadPoolExecutor() as pool:
        pictures = tuple(pool.map(lambda file: shrunk(read_rgb(file), shorter), files))
    return Gallery(pictures, np.array(chances) / sum(chances))


@dataclass(frozen=True)
class Styles:
    """Batches: photo, style (N, 3, H, W) uint8.

    Parts of styles are cut at very different scales, turned, mirrored and recoloured, so that few
    pictures stand for many. The first `same` of each batch have their photo for a style.
    """

    photos: Gallery
    styles: Gallery
    seed: int = 0
    recoloured: float = 0.6  # share of the styles that get other colours
    same: float = 0.0
    styled: bool = True  # whether batches hold styles at all

    def __len__(self) -> int:
        return len(self.photos.pictures)

    def batch(self, step: int, count: int, size: tuple[int, int], rank: int = 0) -> Batch:
        rng = np.random.default_rng([self.seed, rank, step])
        photos = [_part(p, size, 0.5, rng) for p in self.photos.pick(count, rng)]
        found = {"photo": planes(np.stack(photos))}
        if self.styled:
            styles = [self._style(p, size, rng) for p in self.styles.pick(count, rng)]
            own = int(self.same * count)
            found["style"] = planes(np.stack(photos[:own] + styles[own:]))
        return found

    def _style(self, picture: np.ndarray, size: tuple[int, int], rng: np.random.Generator
               ) -> np.ndarray:  # fmt: skip
        if rng.random() < 0.3:
            part = np.rot90(_part(picture, (size[1], size[0]), 0.12, rng))
        else:
            part = _part(picture, size, 0.12, rng)
        part = np.ascontiguousarray(part)
        return recoloured(part, rng) if rng.random() < self.recoloured else part


def _part(
    picture: np.ndarray, size: tuple[int, int], least: float, rng: np.random.Generator
) -> np.ndarray:
    """A random part of `picture` at `size` (width, height), with its proportions; it covers `least`
    of the largest such part or more. Mirrored half of the time."""
    height, width = picture.shape[:2]
    most = min(width / size[0], height / size[1])
    scale = most * np.sqrt(rng.uniform(least, 1.0))
    wide, high = max(2, int(size[0] * scale)), max(2, int(size[1] * scale))
    left, top = int(rng.integers(0, width - wide + 1)), int(rng.integers(0, height - high + 1))
    how = cv2.INTER_AREA if scale > 1 else cv2.INTER_CUBIC
    part = cv2.resize(picture[top : top + high, left : left + wide], size, interpolation=how)
    return part[:, ::-1] if rng.random() < 0.5 else part


def recoloured(picture: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Hue turned by any angle, saturation, contrast and brightness changed."""
    grey = np.full((3, 3), 1 / 3)
    angle = rng.uniform(0, 2 * np.pi)
    cross = np.array([[0, -1, 1], [1, 0, -1], [-1, 1, 0]]) / np.sqrt(3)
    turn = np.cos(angle) * np.eye(3) + (1 - np.cos(angle)) * grey + np.sin(angle) * cross
    saturation, contrast = rng.uniform(0.4, 1.5), rng.uniform(0.7, 1.25)
    matrix = contrast * (saturation * turn + (1 - saturation) * grey)
    middle = 128 * (1 - contrast) + rng.uniform(-30, 30)
    return cv2.transform(picture, np.hstack((matrix, np.full((3, 1), middle))))


def make(data: dict[str, Any], root: Path, seed: int) -> Styles:
    """The [data] table of a recipe: `photos` and `styles`, lists of tables as Set has them; `kept`,
    pixels of the shorter side that pictures are kept at."""
    data = dict(data)
    kept = int(data.pop("kept", 320))
    try:
        photos = [Set(**one) for one in data.pop("photos")]
        styles = [Set(**one) for one in data.pop("styles")]
        return Styles(hang(root, photos, kept), hang(root, styles, kept), seed, **data)
    except (KeyError, TypeError) as error:
        raise DataError(f"The recipe's sets lack or misspell an entry: {error}.") from error
