"""Training pictures from disk: joined A|B files, two folders, or photos alone with inputs made by
engines/pairs.py.

A batch is a function of (seed, step, rank) alone, so a resumed training sees exactly what an
uninterrupted one would have seen. Batches are numpy dictionaries; tensors are made by the trainer.
Knows no network.
"""

from __future__ import annotations

from collections.abc import Generator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol

import cv2
import numpy as np

from engines import images, pairs
from engines.edges import measure

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff")
Batch = dict[str, np.ndarray]
# kinds of data with a module, and a make(), of their own
ELSEWHERE = {
    "captions": "engines.captiondata",
    "faces": "engines.facedata",
    "face_pairs": "engines.facepairs",
    "face_swaps": "engines.faceswaps",
    "labels": "engines.labeldata",
    "mixed": "engines.backbonedata",
    "pasted-faces": "engines.findernet",
    "unpaired": "engines.unpaireddata",
    "shapes": "engines.scenes",
    "styles": "engines.styledata",
    "photos": "engines.photodata",
}


class DataError(ValueError):
    """The data folder does not hold what the recipe asks for; the message is one sentence."""


class DataSet(Protocol):
    def __len__(self) -> int: ...

    def batch(self, step: int, count: int, size: tuple[int, int], rank: int = 0) -> Batch:
        """`count` samples at `size` (width, height); the same arguments give the same batch."""
        ...


def photo_files(folder: Path) -> list[Path]:
    """The pictures in a folder, sorted by name. Raises DataError when there is none."""
    if not folder.is_dir():
        raise DataError(f"There is no folder {folder}.")
    found = sorted(p for p in folder.iterdir() if p.suffix.lower() in SUFFIXES)
    if not found:
        raise DataError(f"There is no picture in {folder}.")
    return found


def read_rgb(path: Path) -> np.ndarray:
    """(H, W, 3) uint8."""
    return np.array(images.flatten(images.open_picture(path)).pixels)


def read_photo(path: Path, size: tuple[int, int], trim: bool = False) -> np.ndarray:
    """(H, W, 3) uint8 at `size` (width, height), squeezed into it; `trim` drops a white margin."""
    photo = read_rgb(path)
    photo = pairs.trimmed(photo) if trim else photo
    return cv2.resize(photo, size, interpolation=cv2.INTER_AREA)


def chosen(count: int, total: int, seed: int, step: int, rank: int) -> np.ndarray:
    """Indices of the samples of one step: epochs are shuffled permutations, walked without gaps."""
    positions = np.arange(count) + count * step
    picks = np.empty(count, np.int64)
    for epoch in np.unique(positions // total):
        order = np.random.default_rng([seed, rank, 7, int(epoch)]).permutation(total)
        inside = positions // total == epoch
        picks[inside] = order[positions[inside] % total]
    return picks


def to_signed(pixels: np.ndarray) -> np.ndarray:
    """(N, H, W, C) uint8 -> (N, C, H, W) float32 in [-1, 1]."""
    return np.ascontiguousarray(pixels.transpose(0, 3, 1, 2), np.float32) / 127.5 - 1


def planes(pixels: np.ndarray) -> np.ndarray:
    """(N, H, W, C) uint8 as (N, C, H, W), without a copy: a quarter of the floats' way to a device,
    which makes them itself (training.signed)."""
    return pixels.transpose(0, 3, 1, 2)


def shrunk(photo: np.ndarray, shorter: int) -> np.ndarray:
    """(H, W, 3) uint8 whose shorter side is at most `shorter`."""
    height, width = photo.shape[:2]
    share = shorter / min(height, width)
    if share >= 1:
        return photo
    size = (round(width * share), round(height * share))
    return cv2.resize(photo, size, interpolation=cv2.INTER_AREA)


@dataclass
class EdgePhotos:
    """Photos alone; edges and colour hints are drawn anew each time.

    Batches: edges (N, 1, H, W), hints (N, 4, H, W), named (N, 1, H, W) in {0, 1}: where some hint
    says the colour, photo (N, 3, H, W).

    trim    drop the white margin of a photo
    plain   how much oftener a photo with a plain ground is drawn than another: its lines are all
            of the subject
    """

    folder: Path
    native: tuple[int, int]
    seed: int = 0
    flip: bool = True
    hinted: float = 0.55
    trim: bool = False
    plain: int = 1
    dyed: float = 0.3  # share of the hinted photos whose subject gets a random colour
    style: pairs.EdgeStyle = field(default_factory=pairs.EdgeStyle)

    def __post_init__(self) -> None:
        self.files = photo_files(self.folder)
        with ThreadPoolExecutor() as pool:
            loaded = list(pool.map(self._load, self.files))
        self.photos = [photo for photo, _ in loaded]
        self.banks = [bank for _, bank in loaded]
        often = [self.plain if pairs.on_plain_ground(p) else 1 for p in self.photos]
        self.order = np.repeat(np.arange(len(loaded)), often)

    def _load(self, path: Path) -> tuple[np.ndarray, np.ndarray]:
        photo = read_photo(path, self.native, self.trim)
        return photo, pairs.line_bank(photo)

    def __len__(self) -> int:
        return len(self.files)

    def batch(self, step: int, count: int, size: tuple[int, int], rank: int = 0) -> Batch:
        rng = np.random.default_rng([self.seed, rank, step])
        picks = self.order[chosen(count, len(self.order), self.seed, step, rank)]
        rows = [self._sample(int(pick), size, rng) for pick in picks]
        edges, hints, named, photo = (np.stack(column) for column in zip(*rows))
        mask = hints[..., 3:] / np.float32(255)
        colours = (hints[..., :3] / np.float32(127.5) - 1) * mask
        return {
            "edges": to_signed(edges[..., None]),
            "hints": np.ascontiguousarray(
                np.concatenate((colours, mask), 3).transpose(0, 3, 1, 2), np.float32
            ),
            "named": named[:, None].astype(np.float32),
            "photo": to_signed(photo),
        }

    def _sample(
        self, index: int, size: tuple[int, int], rng: np.random.Generator
    ) -> tuple[np.ndarray, ...]:
        photo, bank = self.photos[index], self.banks[index]
        if self.flip and rng.random() < 0.5:
            photo, bank = photo[:, ::-1], bank[:, ::-1]
        edges = pairs.hand_edges(np.ascontiguousarray(bank), self.style, rng)
        mask = (bank & pairs.SUBJECT) > 0
        photo, edges, mask = self._moved(np.ascontiguousarray(photo), edges, mask, size, rng)
        count = int(rng.integers(1, 4) if rng.random() < 0.6 else rng.integers(4, 16))
        count = count if rng.random() < self.hinted else 0
        if count and rng.random() < self.dyed:
            photo = pairs.recoloured(photo, mask, rng)
        hints, named = pairs.colour_hints(photo, mask, count, rng)
        return edges, hints, named, photo

    def _moved(
        self,
        photo: np.ndarray,
        edges: np.ndarray,
        mask: np.ndarray,
        size: tuple[int, int],
        rng: np.random.Generator,
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Photo, edges and mask scaled and shifted a little together, at `size`."""
        width, height = self.native
        scale = rng.uniform(0.94, 1.1)
        shift = rng.uniform(-0.04, 0.04, 2) * (width, height) + (1 - scale) / 2 * np.array(
            (width, height)
        )
        matrix = np.array([[scale, 0, shift[0]], [0, scale, shift[1]]], np.float32)
        photo = cv2.warpAffine(photo, matrix, self.native, borderMode=cv2.BORDER_REFLECT_101)
        edges = cv2.warpAffine(edges, matrix, self.native, borderValue=255)
        solid = cv2.warpAffine(mask.astype(np.uint8) * 255, matrix, self.native)
        if size != self.native:
            photo, edges, solid = (
                cv2.resize(a, size, interpolation=cv2.INTER_AREA) for a in (photo, edges, solid)
            )
        return photo, edges, solid > 127

    def stats(self, samples: int = 400) -> dict[str, tuple[float, float]]:
        """5th and 95th percentile of ink, width and extent of the training edges, as SketchStats
        wants them."""
        rng = np.random.default_rng(self.seed)
        measured = []
        for index in rng.choice(self.order, samples):
            drawn = measure(pairs.hand_edges(self.banks[index], self.style, rng))
            if drawn["ink"] > 0:
                measured.append([drawn["ink"], drawn["width"], drawn["extent"]])
        low, high = np.percentile(measured, [5, 95], axis=0)
        return {
            name: (float(low[i]), float(high[i]))
            for i, name in enumerate(("ink", "width", "extent"))
        }


@dataclass
class Pairs:
    """Paired pictures: joined A|B files, two folders, or photos whose inputs a maker derives.

    Batches: input (N, C, H, W) and target (N, 3, H, W) in [-1, 1]. `files` holds (input, target)
    paths; the input is None where `maker` derives it from the target. With `halves`, both are the
    halves of one joined file.
    """

    files: list[tuple[Path | None, Path]]
    direction: str = "AtoB"
    maker: str = ""
    halves: bool = False
    seed: int = 0
    flip: bool = True
    jitter: float = 1.117  # 286 / 256 of the paper: enlarge, then cut a random window

    def __len__(self) -> int:
        return len(self.files)

    def pair(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        """(input, target), each (H, W, 3) uint8."""
        source, target = self.files[index]
        second = read_rgb(target)
        if self.halves:
            middle = second.shape[1] // 2
            first, second = second[:, :middle], second[:, middle : 2 * middle]
        elif source is None:
            first = pairs.MAKERS[self.maker](second)
        else:
            first = read_rgb(source)
        return (second, first) if self.direction == "BtoA" else (first, second)

    def batch(self, step: int, count: int, size: tuple[int, int], rank: int = 0) -> Batch:
        rng = np.random.default_rng([self.seed, rank, step])
        picks = chosen(count, len(self), self.seed, step, rank)
        rows = [self._cut(*self.pair(int(pick)), size, rng) for pick in picks]
        first, second = (np.stack(column) for column in zip(*rows))
        return {"input": to_signed(first), "target": to_signed(second)}

    def _cut(
        self, first: np.ndarray, second: np.ndarray, size: tuple[int, int], rng: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray]:
        large = tuple(round(side * self.jitter) for side in size)
        x, y = (int(rng.integers(0, a - b + 1)) for a, b in zip(large, size))
        window = np.s_[y : y + size[1], x : x + size[0]]
        mirror = -1 if self.flip and rng.random() < 0.5 else 1
        cut = [
            cv2.resize(p, large, interpolation=cv2.INTER_CUBIC)[window][:, ::mirror]
            for p in (first, second)
        ]
        return cut[0], cut[1]


def find_pairs(
    folder: Path, maker: str = "", direction: str = "AtoB", seed: int = 0, **options: Any
) -> Pairs:
    """Pairs from a folder, its layout recognised without flags (S58).

    Subfolders A and B (or trainA and trainB) hold pictures of equal names; otherwise, with `maker`,
    every picture is a photo; otherwise every picture is a joined A|B file. Raises DataError with
    one sentence.
    """
    for a, b in (("A", "B"), ("trainA", "trainB"), ("a", "b")):
        if (folder / a).is_dir() and (folder / b).is_dir():
            return Pairs(_matched(folder / a, folder / b), direction, seed=seed, **options)
    files = photo_files(folder)
    if maker:
        if maker not in pairs.MAKERS:
            raise DataError(f"The pair maker is one of {', '.join(pairs.MAKERS)}, not “{maker}”.")
        return Pairs([(None, f) for f in files], direction, maker, seed=seed, **options)
    odd = [f.name for f in files[:50] if not _looks_joined(f)]
    if odd:
        raise DataError(
            f"{odd[0]} is not a joined A|B picture; put the two sides into folders A and B, or "
            "name a pair maker."
        )
    return Pairs([(None, f) for f in files], direction, halves=True, seed=seed, **options)


def _matched(a: Path, b: Path) -> list[tuple[Path | None, Path]]:
    targets = {f.stem: f for f in photo_files(b)}
    matched: list[tuple[Path | None, Path]] = [
        (f, targets[f.stem]) for f in photo_files(a) if f.stem in targets
    ]
    if not matched:
        raise DataError(f"No picture in {a.name} has a partner of the same name in {b.name}.")
    return matched


def _looks_joined(path: Path) -> bool:
    height, width = read_rgb(path).shape[:2]
    return width % 2 == 0 and width >= 1.3 * height


def make_dataset(data: dict[str, Any], root: Path, seed: int) -> DataSet:
    """The data set that a recipe's [data] table asks for, below `root` (or `root` itself if it
    holds pictures)."""
    data = dict(data)
    kind = data.pop("kind", "pairs")
    if kind in ELSEWHERE:
        return import_module(ELSEWHERE[kind]).make(data, root, seed)
    folder = root / str(data.pop("folder", "."))
    if not folder.is_dir() and root.is_dir():
        folder = root
    if kind == "edges":
        native = tuple(data.pop("native"))
        told: dict[str, Any] = data.pop("style", {})
        style = pairs.EdgeStyle(
            **{k: tuple(v) if isinstance(v, list) else v for k, v in told.items()}  # pyright: ignore[reportArgumentType]
        )
        return EdgePhotos(folder, (int(native[0]), int(native[1])), seed, style=style, **data)
    if kind == "pairs":
        return find_pairs(folder, seed=seed, **data)
    raise DataError(f"A recipe's data kind is edges, pairs, {', '.join(ELSEWHERE)}, not “{kind}”.")


class Prefetch:
    """The batches of steps start, start + 1, ... made ahead of time in threads, in order."""

    def __init__(
        self,
        data: DataSet,
        count: int,
        size: tuple[int, int],
        start: int,
        stop: int,
        rank: int = 0,
        workers: int = 1,
        ahead: int = 3,
    ) -> None:
        self._make = lambda step: data.batch(step, count, size, rank)
        self._steps = iter(range(start, stop))
        self._pool = ThreadPoolExecutor(workers)
        self._ahead = ahead

    def __iter__(self) -> Generator[Batch]:
        waiting: list[Future[Any]] = []
        try:
            for step in self._steps:
                waiting.append(self._pool.submit(self._make, step))
                if len(waiting) > self._ahead:
                    yield waiting.pop(0).result()
            while waiting:
                yield waiting.pop(0).result()
        finally:
            self._pool.shutdown(wait=False, cancel_futures=True)
