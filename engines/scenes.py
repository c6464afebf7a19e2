"""Scenes of coloured shapes drawn by code, captions of them from a grammar, and a reader that says
what a picture of such a scene shows: a test bed for words to picture and picture to words, in which
the truth is known. Knows no network.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from engines.captiondata import END, Captioned, Entry
from engines.datasets import DataError
from engines.wording import words_of

COLOURS: dict[str, tuple[int, int, int]] = {
    "red": (214, 40, 40),
    "orange": (245, 140, 20),
    "yellow": (250, 215, 40),
    "green": (40, 150, 60),
    "teal": (30, 165, 165),
    "blue": (40, 80, 210),
    "purple": (130, 50, 165),
    "pink": (245, 130, 180),
    "brown": (120, 75, 40),
}
GROUNDS: dict[str, tuple[int, int, int]] = {
    "white": (250, 250, 250),
    "grey": (150, 150, 152),
    "black": (22, 22, 24),
}
RELATIONS: dict[str, tuple[int, int]] = {  # where the first thing lies, seen from the second
    "left of": (-1, 0),
    "right of": (1, 0),
    "above": (0, -1),
    "below": (0, 1),
}
SMALL, LARGE = (0.12, 0.15), (0.2, 0.24)  # half the side of a thing, as a share of the picture's
LARGE_FROM = 0.175


def _star() -> np.ndarray:
    turn = np.arange(10) * np.pi / 5 - np.pi / 2
    radius = np.where(np.arange(10) % 2, 0.42, 1.0)
    return np.stack([np.cos(turn) * radius, np.sin(turn) * radius], 1)


def _heart() -> np.ndarray:
    t = np.linspace(0, 2 * np.pi, 48, endpoint=False)
    x = 16 * np.sin(t) ** 3
    y = -(13 * np.cos(t) - 5 * np.cos(2 * t) - 2 * np.cos(3 * t) - np.cos(4 * t))
    return np.stack([x / 16, (y - 2.5) / 14.5], 1)


def _round(radius: float = 1.0, x: float = 0.0, y: float = 0.0, flat: float = 1.0) -> np.ndarray:
    t = np.linspace(0, 2 * np.pi, 48, endpoint=False)
    return np.stack([x + np.cos(t) * radius, y + np.sin(t) * radius * flat], 1)


def _points(*points: tuple[float, float]) -> np.ndarray:
    return np.array(points, float)


# outlines in [-1, 1], y downwards; what several of them cover an even number of times is a hole
OUTLINES: dict[str, tuple[np.ndarray, ...]] = {
    "circle": (_round(),),
    "square": (_points((-1, -1), (1, -1), (1, 1), (-1, 1)),),
    "triangle": (_points((0, -1), (1, 0.9), (-1, 0.9)),),
    "star": (_star(),),
    "heart": (_heart(),),
    "ring": (_round(), _round(0.55)),
    "cross": (
        _points((-0.35, -1), (0.35, -1), (0.35, -0.35), (1, -0.35), (1, 0.35), (0.35, 0.35),
                (0.35, 1), (-0.35, 1), (-0.35, 0.35), (-1, 0.35), (-1, -0.35), (-0.35, -0.35)),
    ),
    "house": (
        _points((0, -1), (1, -0.1), (0.75, -0.1), (0.75, 1), (-0.75, 1), (-0.75, -0.1), (-1, -0.1)),
        _points((-0.25, 0.3), (0.25, 0.3), (0.25, 1), (-0.25, 1)),
    ),
    "tree": (
        _points((0, -1), (0.6, -0.2), (0.35, -0.2), (0.85, 0.6), (0.18, 0.6), (0.18, 1),
                (-0.18, 1), (-0.18, 0.6), (-0.85, 0.6), (-0.35, -0.2), (-0.6, -0.2)),
    ),
    "fish": (
        _points((-1, 0), (-0.7, -0.35), (-0.2, -0.5), (0.25, -0.35), (0.5, -0.1), (1, -0.5),
                (1, 0.5), (0.5, 0.1), (0.25, 0.35), (-0.2, 0.5), (-0.7, 0.35)),
        _round(0.11, -0.55, -0.1),
    ),
}  # fmt: skip
SHAPES = tuple(OUTLINES)


@dataclass(frozen=True)
class Thing:
    shape: str
    colour: str
    large: bool


@dataclass(frozen=True)
class Scene:
    """One thing on a ground, or two; `relation` says where the first lies, seen from the second."""

    things: tuple[Thing, ...]
    ground: str
    relation: str = ""


def random_scene(
    rng: np.random.Generator,
    pair: float = 0.6,
    shapes: Sequence[str] = SHAPES,
    large: float = 0.5,
) -> Scene:
    """A scene of one thing or, with the chance `pair`, of two of different shape and colour; each
    is large with the chance `large`."""
    count = 2 if rng.random() < pair else 1
    chosen = rng.choice(shapes, count, replace=False)
    colours = rng.choice(list(COLOURS), count, replace=False)
    things = tuple(
        Thing(str(s), str(c), bool(rng.random() < large)) for s, c in zip(chosen, colours)
    )
    relation = str(rng.choice(list(RELATIONS))) if count == 2 else ""
    return Scene(things, str(rng.choice(list(GROUNDS))), relation)


def split_of(scene: Scene) -> str:
    """ "test" for a tenth of what can be said, "val" for another, else "train": no caption of one
    split is a caption of another."""
    key = "/".join(f"{t.shape} {t.colour}" for t in scene.things) + scene.relation
    return {0: "test", 1: "val"}.get(zlib.crc32(key.encode()) % 10, "train")


def captions(scene: Scene) -> tuple[str, ...]:
    """What can be said of a scene, the fullest first."""
    full = [f"a {'large' if t.large else 'small'} {t.colour} {t.shape}" for t in scene.things]
    plain = [_a(f"{t.colour} {t.shape}") for t in scene.things]
    between = f" {scene.relation} "
    said = (between.join(full), between.join(plain))
    return (f"{said[0]} on a {scene.ground} background", *said)


def _a(words: str) -> str:
    return f"{'an' if words[0] == 'o' else 'a'} {words}"


def vocabulary() -> tuple[str, ...]:
    """Every word of the grammar, sorted."""
    words = "a an on background large small " + " ".join((*SHAPES, *COLOURS, *GROUNDS, *RELATIONS))
    return tuple(sorted(set(words.split())))


def parse(caption: str) -> Scene:
    """The scene that a caption of the grammar tells; what it leaves out is small, on white. Raises
    DataError."""
    words = words_of(caption)
    shapes = [k for k, word in enumerate(words) if word in OUTLINES]
    things = []
    for k, begin in zip(shapes, [0, *shapes]):
        colour = next((w for w in words[begin:k] if w in COLOURS), "")
        things.append(Thing(words[k], colour, "large" in words[begin:k]))
    if not 1 <= len(things) <= 2 or any(not t.colour for t in things):
        raise DataError(f"“{caption}” does not name one or two shapes with their colours.")
    ground = next((w for w in words[shapes[-1] :] if w in GROUNDS), "white")
    told = " ".join(words[shapes[0] : shapes[-1]])
    relation = next((r for r in RELATIONS if r in told), "") if len(things) == 2 else ""
    return Scene(tuple(things), ground, relation)


# ---- drawing -------------------------------------------------------------------------------------


def draw(
    scene: Scene, size: tuple[int, int], rng: np.random.Generator, spread: float = 0.2
) -> np.ndarray:
    """The scene (H, W, 3) uint8, its things placed and shaded a little differently each time; one
    alone lies up to `spread` of the sides away from the middle."""
    width, height = size
    picture = np.empty((height, width, 3), np.float32)
    picture[:] = np.array(GROUNDS[scene.ground]) + rng.normal(0, 3, 3)
    for thing, centre in zip(scene.things, _places(scene, rng, spread)):
        radius = rng.uniform(*(LARGE if thing.large else SMALL))
        mask = _mask(thing.shape, size, centre, radius, rng.uniform(-6, 6))[..., None]
        colour = np.array(COLOURS[thing.colour]) + rng.normal(0, 5, 3)
        picture = picture * (1 - mask) + colour * mask
    return np.clip(picture.round(), 0, 255).astype(np.uint8)


def _places(scene: Scene, rng: np.random.Generator, spread: float) -> list[np.ndarray]:
    """Centres (x, y) in shares of the sides."""
    if len(scene.things) == 1:
        return [0.5 + rng.uniform(-spread, spread, 2)]
    away = np.array(RELATIONS[scene.relation]) * 0.25
    return [0.5 + side * away + rng.uniform(-0.02, 0.02, 2) for side in (1, -1)]


def _mask(
    shape: str, size: tuple[int, int], centre: np.ndarray, radius: float, degrees: float
) -> np.ndarray:
    """Cover (H, W) float32 in [0, 1] of a shape."""
    turn = np.radians(degrees)
    matrix = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    finer = 4
    canvas = np.zeros((size[1] * finer, size[0] * finer), np.uint8)
    outlines = [
        ((o @ matrix.T * radius * min(size) + centre * size) * finer).round().astype(np.int32)
        for o in OUTLINES[shape]
    ]
    cv2.fillPoly(canvas, outlines, 255)
    return cv2.resize(canvas, size, interpolation=cv2.INTER_AREA).astype(np.float32) / 255


# ---- reading -------------------------------------------------------------------------------------


def read(picture: np.ndarray) -> Scene | None:
    """The scene that a picture (H, W, 3) uint8 shows, None where nothing stands out: parts unlike
    the rim, each with its nearest colour, and the outline that covers it best."""
    rim = np.concatenate([picture[0], picture[-1], picture[:, 0], picture[:, -1]])
    ground = np.median(rim, axis=0)
    far = np.abs(picture.astype(np.float32) - ground).max(2)
    mask = (far > 45).astype(np.uint8)
    count, labels, stats, centres = cv2.connectedComponentsWithStats(mask, connectivity=8)
    large = [k for k in range(1, count) if stats[k, cv2.CC_STAT_AREA] > 0.006 * mask.size]
    large = sorted(large, key=lambda k: -stats[k, cv2.CC_STAT_AREA])[:2]
    if not large:
        return None
    found = [(_thing(picture, labels == k), centres[k]) for k in large]
    relation = _relation(found[0][1] - found[1][1]) if len(found) == 2 else ""
    return Scene(tuple(thing for thing, _ in found), _nearest(ground, GROUNDS), relation)


def _nearest(colour: np.ndarray, named: dict[str, tuple[int, int, int]]) -> str:
    return min(named, key=lambda n: float(np.abs(colour - np.array(named[n], float)).sum()))


def _relation(away: np.ndarray) -> str:
    return max(RELATIONS, key=lambda r: float(away @ RELATIONS[r]))


def _thing(picture: np.ndarray, mask: np.ndarray) -> Thing:
    """What a part (H, W) bool of a picture is."""
    inner = cv2.erode(mask.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
    colour = np.median(picture[inner if inner.any() else mask], axis=0)
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    cut = mask[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    half = max(cut.shape) / 2 / min(mask.shape)
    seen = _framed(cut)
    overlaps = {
        name: max(float((seen & other).sum() / (seen | other).sum()) for other in turned)
        for name, turned in _templates().items()
    }
    shape = max(overlaps, key=lambda name: overlaps[name])
    return Thing(shape, _nearest(colour, COLOURS), half > LARGE_FROM)


def _framed(cut: np.ndarray) -> np.ndarray:
    """A mask put into a square of 48 pixels, its proportions kept."""
    side = max(cut.shape)
    square = np.zeros((side, side), np.uint8)
    top, left = (side - cut.shape[0]) // 2, (side - cut.shape[1]) // 2
    square[top : top + cut.shape[0], left : left + cut.shape[1]] = cut
    return cv2.resize(square * 255, (48, 48), interpolation=cv2.INTER_AREA) > 127


@cache
def _templates() -> dict[str, list[np.ndarray]]:
    """Each shape as `_framed` gives it, upright and a little turned."""
    return {shape: [_framed(_cut(shape, turn)) for turn in (-5, 0, 5)] for shape in SHAPES}


def _cut(shape: str, degrees: float) -> np.ndarray:
    mask = _mask(shape, (96, 96), np.array([0.5, 0.5]), 0.35, degrees) > 0.5
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    return mask[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def agreement(caption: str, picture: np.ndarray) -> dict[str, bool]:
    """Whether the colours, the shapes and the relation that a caption tells are those that a
    picture (H, W, 3) uint8 shows; the things may be found in either order."""
    told, seen = parse(caption), read(picture)
    if seen is None:
        return {"colour": False, "shape": False, "relation": False}
    turned = {"left of": "right of", "right of": "left of", "above": "below", "below": "above"}
    things, relation = seen.things, seen.relation
    if len(things) == 2 and things[0].shape != told.things[0].shape and told.relation:
        swapped = things[::-1]
        if swapped[0].shape == told.things[0].shape or swapped[0].colour == told.things[0].colour:
            things, relation = swapped, turned[relation]
    return {
        "colour": [t.colour for t in things] == [t.colour for t in told.things],
        "shape": [t.shape for t in things] == [t.shape for t in told.things],
        "relation": relation == told.relation,
    }


# ---- as a training set ---------------------------------------------------------------------------


def drawn(
    count: int = 2000,
    size: tuple[int, int] = (64, 64),
    seed: int = 0,
    split: str = "train",
    pair: float = 0.6,
    shapes: Sequence[str] = SHAPES,
    spread: float = 0.2,
    large: float = 0.5,
    **options: Any,
) -> Captioned:
    """`count` scenes of these shapes with their captions; splits share no caption, and the
    vocabulary is the whole grammar's. A scene of two things comes up with the chance `pair`, a
    large thing with the chance `large`; one alone lies up to `spread` of the sides from the
    middle."""
    rng = np.random.default_rng([seed, ("train", "val", "test").index(split)])
    made: list[Scene] = []
    while len(made) < count:
        scene = random_scene(rng, pair, shapes, large)
        made += [scene] if split_of(scene) == split else []

    entries = [
        Entry(Path(f"scene-{k:05d}"), s.things[0].shape, captions(s), False)
        for k, s in enumerate(made)
    ]
    pictures = [draw(scene, size, rng, spread) for scene in made]
    words = (END, *vocabulary())
    return Captioned(entries, size, words, seed, pictures=pictures, known=SHAPES, **options)


def make(data: dict[str, Any], root: Path, seed: int) -> Captioned:
    """The set that a recipe's [data] table of kind "shapes" asks for: the arguments of `drawn`."""
    data = {k: tuple(v) if k == "size" else v for k, v in data.items()}
    try:
        return drawn(seed=seed, **data)
    except TypeError as error:
        raise DataError(
            f"The recipe's data table has an entry that is unknown: {error}."
        ) from error
