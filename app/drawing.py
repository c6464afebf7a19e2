"""What is drawn, as vectors: strokes, fills, moves, rasters. Knows neither Qt nor the screen;
app.raster and app.labels turn it into pixels, and a recipe carries it as JSON and can redraw it at
another size.

Coordinates are sheet pixels, x to the right, y down, the pixel (0, 0) covering [0, 1) x [0, 1).
"""

from __future__ import annotations

import base64
import binascii
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from engines.job import JobError, Picture

Point = tuple[float, float, float]  # x, y, pressure in [0, 1]
Path = tuple[Point, ...]
Colour = tuple[int, int, int]
Rect = tuple[float, float, float, float]  # x, y, width, height

SKETCH = ("ink", "hints")
MAP = ("labels", "objects", "looks")
LAYERS = (*SKETCH, *MAP)
CHANNELS = {"ink": (1,), "hints": (4,), "labels": (1,), "objects": (1, 3), "looks": (1,)}
CURVES = ("pen", "eraser")
SHAPES = ("line", "rectangle", "ellipse", "polygon")
LARGEST = 8192


class DrawingError(ValueError):
    """A drawing that cannot be read; the message is one sentence for the user."""


@dataclass(frozen=True)
class Affine:
    """(x, y) -> (a x + b y + dx, c x + d y + dy)."""

    a: float = 1.0
    b: float = 0.0
    c: float = 0.0
    d: float = 1.0
    dx: float = 0.0
    dy: float = 0.0

    @classmethod
    def box(cls, source: Rect, target: Rect) -> Affine:
        """Carries the box `source` onto the box `target`."""
        sx = target[2] / max(source[2], 1e-6)
        sy = target[3] / max(source[3], 1e-6)
        return cls(sx, 0, 0, sy, target[0] - sx * source[0], target[1] - sy * source[1])

    @property
    def zoom(self) -> float:
        """By how much a line grows: the root of the area's growth."""
        return math.sqrt(abs(self.a * self.d - self.b * self.c))

    def point(self, p: Point) -> Point:
        x = self.a * p[0] + self.b * p[1] + self.dx
        y = self.c * p[0] + self.d * p[1] + self.dy
        return round(x, 2), round(y, 2), p[2]

    def path(self, path: Iterable[Point]) -> Path:
        return tuple(self.point(p) for p in path)

    def rect(self, rect: Rect) -> Rect:
        """The upright box around the carried `rect`."""
        x, y, w, h = rect
        corners = self.path([(x, y, 1), (x + w, y, 1), (x, y + h, 1), (x + w, y + h, 1)])
        xs, ys = [p[0] for p in corners], [p[1] for p in corners]
        return min(xs), min(ys), max(xs) - min(xs), max(ys) - min(ys)


def symmetries(name: str, count: int, size: tuple[int, int]) -> tuple[Affine, ...]:
    """How every stroke is repeated about the middle of the sheet; the first leaves it as it is.

    name   "none"; "vertical": left and right mirror each other; "horizontal": top and bottom do;
           "both"; "radial": `count` turns
    """
    w, h = size
    across, down = Affine(a=-1, dx=w), Affine(d=-1, dy=h)
    known = {
        "none": (Affine(),),
        "vertical": (Affine(), across),
        "horizontal": (Affine(), down),
        "both": (Affine(), across, down, Affine(a=-1, d=-1, dx=w, dy=h)),
    }
    if name != "radial":
        return known[name]
    turns = []
    for k in range(max(count, 1)):
        cos, sin = math.cos(2 * math.pi * k / count), math.sin(2 * math.pi * k / count)
        dx, dy = w / 2 - cos * w / 2 + sin * h / 2, h / 2 - sin * w / 2 - cos * h / 2
        turns.append(Affine(cos, -sin, sin, cos, dx, dy))
    return tuple(turns)


@dataclass(frozen=True)
class Stroke:
    """Lines of one movement; several paths where symmetry repeated it.

    tool    "pen", "eraser": the path is smoothed; "line", "polygon": its corners (a polygon
            closes); "rectangle": its four corners; "ellipse": centre and ends of two half axes
    width   in sheet pixels at pressure 1
    label   on a label map: the class, or on "looks" the look; closed shapes are filled with it
    object  on a label map: the object it belongs to; 0: to whatever it touches
    """

    tool: str
    paths: tuple[Path, ...]
    width: float
    colour: Colour = (0, 0, 0)
    layer: str = "ink"
    label: int = 0
    object: int = 0

    def through(self, affine: Affine) -> Stroke:
        paths = tuple(affine.path(path) for path in self.paths)
        return replace(self, paths=paths, width=round(self.width * affine.zoom, 3))

    def to_dict(self) -> dict[str, Any]:
        paths = [[v for p in path for v in p] for path in self.paths]
        return {"kind": self.tool, "paths": paths, "width": self.width, **_meaning(self)}


@dataclass(frozen=True)
class Fill:
    """A bucket emptied at these points; label and object as of a Stroke."""

    seeds: Path
    colour: Colour = (0, 0, 0)
    layer: str = "ink"
    label: int = 0
    object: int = 0

    def through(self, affine: Affine) -> Fill:
        return replace(self, seeds=affine.path(self.seeds))

    def to_dict(self) -> dict[str, Any]:
        seeds = [v for p in self.seeds for v in p]
        return {"kind": "fill", "seeds": seeds, **_meaning(self)}


@dataclass(frozen=True)
class Move:
    """What lies in `rect` on all layers, carried to `target`."""

    rect: Rect
    target: Rect

    def through(self, affine: Affine) -> Move:
        return Move(affine.rect(self.rect), affine.rect(self.target))

    def to_dict(self) -> dict[str, Any]:
        return {"kind": "move", "rect": list(self.rect), "target": list(self.target)}


@dataclass(frozen=True)
class Raster:
    """A picture laid on a layer: on ink (H, W), 255 paper, 0 ink; on hints RGBA; on labels and
    looks (H, W) of numbers, on objects also (H, W, 3), the three bytes of a number."""

    picture: Picture
    rect: Rect
    layer: str = "ink"

    def through(self, affine: Affine) -> Raster:
        return replace(self, rect=affine.rect(self.rect))

    def to_dict(self) -> dict[str, Any]:
        png = base64.b64encode(self.picture.to_png()).decode()
        return {"kind": "raster", "png": png, "rect": list(self.rect), "layer": self.layer}


Item = Stroke | Fill | Move | Raster


@dataclass(frozen=True)
class Drawing:
    """Items in the order in which they were drawn, on a sheet of `size` (width, height).

    palette  of a label map: what its numbers mean (engines/palettes.py)
    ground   of a label map: the class of an empty sheet
    """

    size: tuple[int, int]
    items: tuple[Item, ...] = ()
    palette: str = ""
    ground: int = 0

    def through(self, affine: Affine) -> Drawing:
        return replace(self, items=tuple(item.through(affine) for item in self.items))

    def scaled(self, size: tuple[int, int]) -> Drawing:
        """The same drawing stretched onto another sheet."""
        if size == self.size:
            return self
        affine = Affine.box((0, 0, *self.size), (0, 0, *size))
        return replace(self.through(affine), size=size)

    def to_json(self) -> dict[str, Any]:
        """Plain data: what json.dumps takes."""
        body = {"size": list(self.size), "items": [item.to_dict() for item in self.items]}
        return body | ({"palette": self.palette, "ground": self.ground} if self.palette else {})

    @classmethod
    def from_json(cls, body: Any) -> Drawing:
        """Inverse of to_json. Raises DrawingError with one sentence."""
        try:
            width, height = (int(v) for v in body["size"])
            if not (0 < width <= LARGEST and 0 < height <= LARGEST):
                raise DrawingError(
                    f"A sheet has 1 to {LARGEST} pixels a side, not {width}x{height}."
                )
            items = tuple(_item(item) for item in body["items"])
            ground = _number(body.get("ground", 0))
            return cls((width, height), items, str(body.get("palette", "")), ground)
        except DrawingError:
            raise
        except (KeyError, TypeError, ValueError, JobError, OSError, binascii.Error) as error:
            raise DrawingError("The drawing in this recipe is damaged.") from error


def _item(body: Mapping[str, Any]) -> Item:
    kind = body["kind"]
    layer = body.get("layer", "ink")
    if layer not in LAYERS:
        raise ValueError(layer)
    if kind == "fill":
        return Fill(_path(body["seeds"]), _colour(body), layer, *_marks(body))
    if kind == "move":
        return Move(_rect(body["rect"]), _rect(body["target"]))
    if kind == "raster":
        picture = Picture.from_png(base64.b64decode(body["png"], validate=True))
        if picture.channels not in CHANNELS[layer]:
            raise ValueError(layer)
        return Raster(picture, _rect(body["rect"]), layer)
    if kind not in CURVES + SHAPES:
        raise ValueError(kind)
    paths = tuple(_path(path) for path in body["paths"])
    shortest = {"ellipse": 3, "rectangle": 4}.get(kind, 1)
    if not paths or min(map(len, paths)) < shortest:
        raise ValueError(kind)
    (width,) = _numbers([body["width"]])
    width = min(max(width, 0.0), LARGEST)
    return Stroke(kind, paths, width, _colour(body), layer, *_marks(body))


def _numbers(values: Iterable[Any]) -> tuple[float, ...]:
    """Finite numbers within a few sheets of the sheet: what lies farther only costs time."""
    numbers = tuple(float(v) for v in values)
    if not all(abs(v) <= 8 * LARGEST for v in numbers):
        raise ValueError("not a coordinate")
    return numbers


def _path(values: Any) -> Path:
    flat = _numbers(values)
    if len(flat) % 3:
        raise ValueError("x, y and pressure")
    return tuple(zip(flat[::3], flat[1::3], flat[2::3]))


def _rect(values: Any) -> Rect:
    x, y, w, h = _numbers(values)
    return x, y, max(w, 0.0), max(h, 0.0)


def _colour(body: Mapping[str, Any]) -> Colour:
    red, green, blue = (min(max(int(v), 0), 255) for v in body.get("colour", (0, 0, 0)))
    return red, green, blue


def _meaning(item: Stroke | Fill) -> dict[str, Any]:
    """What an item paints: a colour, or on a label map a class and an object."""
    if item.layer in SKETCH:
        return {"colour": list(item.colour), "layer": item.layer}
    own = {"object": item.object} if item.object else {}
    return {"layer": item.layer, "label": item.label, **own}


def _marks(body: Mapping[str, Any]) -> tuple[int, int]:
    return _number(body.get("label", 0)), _number(body.get("object", 0), (1 << 24) - 1)


def _number(value: Any, largest: int = 255) -> int:
    return min(max(int(value), 0), largest)
