"""What the numbers of a label map mean: palettes of classes as data, and label maps from index
files, colour files and other people's numbering. Knows no network.

A label map is a Picture (H, W) of class numbers. Numbers that a palette lacks are kept as they are
by `mapped` and counted by `unseen`; whoever uses the map decides what becomes of them.
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cache, cached_property
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from engines import images
from engines.folders import data_folder
from engines.images import ImageError
from engines.job import Picture

FOLDER = Path(__file__).resolve().parent.parent / "resources" / "palettes"
NEAR = 8.0  # distance in RGB up to which a colour is meant to be the palette's
FAR = 60.0  # distance in RGB from which a colour is none of the palette's
SPECK = 6  # pixels: smaller regions of a colour file are taken for noise
FILLED = 255  # the number for "no class", which a map of up to 255 classes leaves free


@dataclass(frozen=True)
class Palette:
    """names and colours (RGB) by class number.

    unknown  the class that stands for "nothing known here"
    things   classes of countable objects; all others are one region each ("stuff")
    ids      other numberings by name: {"trainId": {their number: ours}}
    """

    id: str
    title: str
    names: tuple[str, ...]
    colours: tuple[tuple[int, int, int], ...]
    unknown: int = 0
    things: frozenset[int] = frozenset()
    ids: Mapping[str, Mapping[int, int]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.names)

    @cached_property
    def table(self) -> np.ndarray:
        """(256, 3) uint8: the colour of every number, white where there is no class."""
        table = np.full((256, 3), 255, np.uint8)
        table[: len(self)] = self.colours
        return table


@cache
def palette(name: str) -> Palette:
    """A palette that Ganvas brings along, or one of a person's own. Raises KeyError, or ImageError
    for a damaged file."""
    files = _files()
    if name not in files:
        raise KeyError(name)
    return parsed(name, files[name].read_text(encoding="utf-8"))


def known() -> tuple[str, ...]:
    return tuple(sorted(_files()))


def _files() -> dict[str, Path]:
    """One's own do not hide those that Ganvas brings along: their numbers are trained into nets."""
    return {path.stem: path for folder in (own_folder(), FOLDER) for path in folder.glob("*.json")}


def own_folder() -> Path:
    return data_folder() / "palettes"


def add(path: Path) -> Palette:
    """Keep a copy of a palette file among one's own. Raises ImageError."""
    text = path.read_text(encoding="utf-8", errors="replace")
    made = parsed(path.stem, text)
    if (FOLDER / path.name).exists():
        raise ImageError(f"There is a palette named {path.stem} already; give yours another name.")
    own_folder().mkdir(parents=True, exist_ok=True)
    (own_folder() / path.name).write_text(text, encoding="utf-8")
    palette.cache_clear()
    return made


def named(name: str, count: int) -> Palette:
    """The palette of that name if it is known, else `count` classes without names; known ones that
    have fewer classes are continued without names."""
    plain = _plain(count)
    if name not in known():
        return plain
    found = palette(name)
    names = (*found.names, *plain.names[len(found) :])
    return replace(found, names=names, colours=(*found.colours, *plain.colours[len(found) :]))


def _plain(count: int) -> Palette:
    """Classes of which only the number is known, in colours far from each other."""
    count = min(max(count, 1), FILLED)
    place = np.arange(count)
    hue, pale, dark = place * 0.618034 % 1, place % 2, place % 3
    hsv = np.stack((180 * hue, 230 - 80 * pale, 240 - 50 * dark), 1)
    rgb = cv2.cvtColor(hsv[None].astype(np.uint8), cv2.COLOR_HSV2RGB)[0]
    colours = tuple((int(r), int(g), int(b)) for r, g, b in rgb)
    return Palette(f"{count} classes", "", tuple(f"Class {n}" for n in range(count)), colours)


def parsed(name: str, text: str) -> Palette:
    """A palette from JSON: {"title", "classes": [[name, "#rrggbb"], ...], "unknown", "things",
    "ids"}; all but the classes may be absent. Raises ImageError with one sentence."""
    try:
        body = json.loads(text)
        rows = [(str(label), _rgb(colour)) for label, colour in body["classes"]]
        if not 0 < len(rows) <= FILLED:
            raise ValueError
        return Palette(
            name,
            str(body.get("title", name)),
            tuple(label for label, _ in rows),
            tuple(colour for _, colour in rows),
            int(body.get("unknown", 0)),
            frozenset(int(n) for n in body.get("things", ())),
            {
                str(kind): {int(theirs): int(ours) for theirs, ours in pairs.items()}
                for kind, pairs in body.get("ids", {}).items()
            },
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ImageError(
            f"{name} is no palette; it needs up to {FILLED} classes, each a name and a colour "
            "such as “#8040ff”."
        ) from error


def _rgb(text: str) -> tuple[int, int, int]:
    if len(text) != 7 or text[0] != "#":
        raise ValueError(text)
    return int(text[1:3], 16), int(text[3:5], 16), int(text[5:7], 16)


# ---- importing -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Imported:
    """A label map (H, W) and what to tell of how it came about."""

    labels: Picture
    notes: tuple[str, ...] = ()


def open_labels(source: str | Path | bytes, using: Palette, numbering: str = "") -> Imported:
    """The label map in a file: of an index or grey file its numbers, translated by the palette's
    `numbering` if one is named; of a colour file the nearest colours, cleaned. Raises
    ImageError."""
    numbers = stored_numbers(source)
    if numbers is None:
        return from_colours(images.open_picture(source), using)
    return from_numbers(numbers, using, numbering)


def stored_numbers(source: str | Path | bytes) -> np.ndarray | None:
    """(H, W) numbers as the file stores them; None for a colour picture."""
    images.open_picture(source)  # refuses what is damaged, too large or no picture
    data = source if isinstance(source, bytes) else Path(source).read_bytes()
    with Image.open(io.BytesIO(data), formats=images.FORMATS) as image:
        if image.mode not in ("P", "L", "1") and not image.mode.startswith("I"):
            return None
        return np.asarray(image).astype(np.int64)


def from_numbers(numbers: np.ndarray, using: Palette, numbering: str = "") -> Imported:
    """Numbers (H, W), any integers, as classes. What neither the palette nor the numbering knows
    becomes the palette's `unknown`."""
    table = dict(using.ids[numbering]) if numbering else {n: n for n in range(len(using))}
    labels, lost = mapped(numbers, table, using.unknown)
    return Imported(labels, lost_note(lost, using))


def lost_note(lost: float, using: Palette) -> tuple[str, ...]:
    """What to tell of that share of a map."""
    if not lost:
        return ()
    share = f"{100 * lost:.1f} % of the map have numbers that {using.title} does not know"
    return (f"{share}; they became “{using.names[using.unknown]}”.",)


def open_objects(source: str | Path | bytes) -> Picture:
    """An object map: equal pixels for one object, whatever numbers (up to 32 bits) the file uses
    for it. (H, W) of numbers from 0 on, or with more than 256 objects (H, W, 3) of their three
    bytes. Raises ImageError."""
    numbers = stored_numbers(source)
    if numbers is None:
        return images.flatten(images.open_picture(source))
    _, places = np.unique(numbers, return_inverse=True)
    dense = places.reshape(numbers.shape)
    if dense.max() < 256:
        return Picture(dense.astype(np.uint8))
    three = np.stack((dense >> 16 & 255, dense >> 8 & 255, dense & 255), 2)
    return Picture(three.astype(np.uint8))


def object_numbers(picture: Picture) -> np.ndarray:
    """int64 (H, W): the number that the bytes of each pixel make."""
    pixels = picture.pixels if picture.channels == 1 else images.flatten(picture).pixels
    if pixels.ndim == 2:
        return pixels.astype(np.int64)
    return pixels.astype(np.int64) @ np.array([1 << 16, 1 << 8, 1])


def mapped(numbers: np.ndarray, table: Mapping[int, int], otherwise: int) -> tuple[Picture, float]:
    """Numbers (H, W) by someone's table, and the share of pixels that it lacks."""
    theirs, places = np.unique(numbers, return_inverse=True)
    ours = np.array([table.get(int(n), -1) for n in theirs])
    found = ours[places.reshape(numbers.shape)]
    labels = np.where(found < 0, otherwise, found).astype(np.uint8)
    return Picture(labels), float((found < 0).mean())


def from_colours(picture: Picture, using: Palette, speck: int = SPECK) -> Imported:
    """The class of the nearest colour. Pixels far from all colours, regions smaller than `speck`
    and thin lines of inexact colours, which compression leaves along borders, take the class of
    the nearest sure pixel."""
    labels, distance = nearest(images.flatten(picture).pixels, using)
    sure = (distance <= NEAR) | ((distance <= FAR) & _solid(labels))
    if speck > 1:
        sure &= sizes(labels) >= speck
    if not sure.any():
        raise ImageError(f"This picture shows none of the colours of {using.title}.")
    labels = filled(labels, sure)
    share = 1 - float(sure.mean())
    note = f"{100 * share:.1f} % of the picture had no clear colour and were filled from beside."
    return Imported(Picture(labels), (note,) if share >= 0.001 else ())


def nearest(pixels: np.ndarray, using: Palette) -> tuple[np.ndarray, np.ndarray]:
    """Class number (H, W) of each RGB pixel (H, W, 3) and the distance (H, W) in RGB steps; of
    equal colours the first class."""
    packed = (pixels.astype(np.uint32) @ np.array([1 << 16, 1 << 8, 1], np.uint32)).ravel()
    colours, places = np.unique(packed, return_inverse=True)
    rgb = np.stack((colours >> 16, colours >> 8 & 255, colours & 255), 1).astype(np.float32)
    wanted = np.array(using.colours, np.float32)
    index = np.empty(len(rgb), np.uint8)
    for start in range(0, len(rgb), 1 << 16):
        part = rgb[start : start + (1 << 16)]
        index[start : start + len(part)] = (
            (wanted**2).sum(1) - 2 * part @ wanted.T
        ).argmin(1)  # fmt: skip
    distance = np.sqrt(((rgb - wanted[index]) ** 2).sum(1))
    shape = pixels.shape[:2]
    return index[places].reshape(shape), distance[places].reshape(shape)


def _solid(labels: np.ndarray) -> np.ndarray:
    """Whether the nearest 3x3 square of one class is of the pixel's own class."""
    square = np.ones((3, 3), np.uint8)
    core = cv2.erode(labels, square) == cv2.dilate(labels, square)
    return filled(labels, core) == labels if core.any() else core


def filled(labels: np.ndarray, sure: np.ndarray) -> np.ndarray:
    """Class numbers (H, W) with those of the nearest sure pixel where they are not sure."""
    if sure.all():
        return labels
    _, areas = cv2.distanceTransformWithLabels(
        (~sure).astype(np.uint8), cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL
    )
    areas = np.asarray(areas, np.intp)
    values = np.zeros(int(areas.max()) + 1, labels.dtype)
    values[areas[sure]] = labels[sure]
    return values[areas]


# ---- regions -------------------------------------------------------------------------------------


def regions(labels: np.ndarray, one_each: frozenset[int] = frozenset()) -> np.ndarray:
    """int32 (H, W): equal numbers for pixels of one class that touch by an edge, from 1 on.
    Classes in `one_each` are one region each, however scattered."""
    height, width = labels.shape
    linked = np.zeros((2 * height - 1, 2 * width - 1), np.uint8)  # pixels, and links between them
    linked[::2, ::2] = 1
    linked[1::2, ::2] = labels[1:] == labels[:-1]
    linked[::2, 1::2] = labels[:, 1:] == labels[:, :-1]
    _, numbers = cv2.connectedComponents(linked, connectivity=4)
    found = np.ascontiguousarray(numbers[::2, ::2], np.intp)
    if not one_each:
        return found.astype(np.int32)
    classes = np.zeros(int(found.max()) + 1, np.int64)
    classes[found.ravel()] = labels.ravel()
    own = np.arange(len(classes), dtype=np.int64)
    joined = np.isin(classes, list(one_each)) & (own > 0)
    own[joined] = len(classes) + classes[joined]
    _, dense = np.unique(own[1:], return_inverse=True)
    return (np.concatenate(([0], dense + 1)).astype(np.int32))[found]


def sizes(labels: np.ndarray) -> np.ndarray:
    """Pixels (H, W) in the region that each pixel belongs to."""
    numbers = regions(labels)
    return np.bincount(numbers.ravel())[numbers]


# ---- showing -------------------------------------------------------------------------------------


def coloured(labels: Picture, using: Palette) -> Picture:
    """The label map in the palette's colours, (H, W, 3)."""
    return Picture(using.table[labels.pixels])


def save_labels(labels: Picture, using: Palette, path: Path) -> None:
    """The map (H, W) as a PNG of its class numbers, which shows them in the palette's colours."""
    image = Image.fromarray(labels.pixels)
    image.putpalette(using.table.ravel().tolist())
    image.save(path, "PNG")


def unseen(labels: np.ndarray, classes: int) -> float:
    """Share of pixels whose number is none of a model's classes 0 .. classes - 1."""
    return float((labels >= classes).mean())
