"""The layers of a label map: classes, objects, looks, and the colours that show them. From items to
exact numbers: no soft edges, no mixing. Knows numbers and colours, not what a class is called.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from PySide6.QtCore import QRect, QRectF, Qt
from PySide6.QtGui import QColor, QImage, QPainter, QPen, QRegion

from app.curves import shape
from app.drawing import CURVES, Affine, Drawing, Fill, Item, Move, Raster, Rect, Stroke
from app.pictures import from_qimage, view
from app.tiles import Tiled, draw_curve, inside
from engines.job import Picture

FILLED = ("rectangle", "ellipse", "polygon")
OPAQUE = np.uint32(0xFF000000)  # the first byte of what a painter leaves
GREYS = np.arange(256, dtype=np.uint32) * 0x010101 | OPAQUE
SCATTERED = 48  # that many places are coloured one by one, rather than all between them


@dataclass(frozen=True)
class Legend:
    """What the numbers of a map mean to a person.

    id, title      of the palette
    names, colours by number
    ground         the class of an empty sheet
    known          numbers from here on a model never saw
    """

    id: str = ""
    title: str = ""
    names: tuple[str, ...] = ("0",)
    colours: tuple[tuple[int, int, int], ...] = ((0, 0, 0),)
    ground: int = 0
    known: int = 256

    def __len__(self) -> int:
        return len(self.names)

    def name(self, number: int) -> str:
        """Also of a number that the palette lacks."""
        return self.names[number] if number < len(self.names) else str(number)

    @cached_property
    def tints(self) -> np.ndarray:
        """(256,) uint32: the colour of every number, magenta where there is none."""
        table = np.full(256, 0xFFFF00FF, np.uint32)
        rgb = np.array(self.colours, np.uint32)
        table[: len(rgb)] = 0xFF000000 | rgb[:, 0] << 16 | rgb[:, 1] << 8 | rgb[:, 2]
        return table

    def lit(self, number: int = -1) -> np.ndarray:
        """The tints with all others faded towards grey."""
        bytes_ = self.tints.view(np.uint8).reshape(256, 4).astype(np.float32)
        grey = bytes_[:, :3].mean(1, keepdims=True)
        faded = 0.22 * bytes_[:, :3] + 0.28 * grey + 0.5 * 46
        made = np.full((256, 4), 255, np.uint8)
        made[:, :3] = np.round(faded)
        if number >= 0:
            made[number] = bytes_[number]
        return made.view(np.uint32)[:, 0]


class LabelLayers(Tiled):
    """labels: the class of every pixel. objects: the number of the object it belongs to, 0 for
    whatever it touches. looks: the look chosen for it, 0 for none. shown: all that in colours.

    tints (256,) uint32: the colour of every class
    looks (256,) uint32: the colour of every look but 0; None while looks are not shown
    """

    main = "labels"
    continues = True

    def __init__(
        self, size: tuple[int, int], tints: np.ndarray = GREYS, looks: np.ndarray | None = None
    ) -> None:
        self.tints, self.looks = tints, looks
        self._pale = QRegion()  # where the colours are not those of the numbers any more
        super().__init__(size)

    def made(self) -> dict[str, QImage]:
        grey, colours = QImage.Format.Format_Grayscale8, QImage.Format.Format_RGB32
        return {
            "labels": QImage(self.size, grey),
            "objects": QImage(self.size, colours),
            "looks": QImage(self.size, grey),
            "shown": QImage(self.size, colours),
        }

    def empty(self, drawing: Drawing | None = None) -> None:
        self.images["labels"].fill(drawing.ground if drawing else 0)
        self.images["objects"].fill(int(OPAQUE))
        self.images["looks"].fill(0)
        self._ground = drawing.ground if drawing else 0

    def layers_of(self, item: Item) -> tuple[str, ...]:
        """What is painted on labels belongs to another object and has lost its look."""
        if not isinstance(item, Move) and item.layer != "labels":
            return (item.layer,)
        numbered = isinstance(item, Stroke | Fill) and item.object > 0
        below = (n for n in ("objects", "looks") if n in self.used or (numbered and n == "objects"))
        return ("labels", *below)

    def holds(self, area: QRect) -> bool:
        return bool((self.numbers("labels")[inside(area & self.rect)] != self._ground).any())

    def numbers(self, layer: str) -> np.ndarray:
        """(H, W): a view of the numbers of a layer; of "objects" uint32 with OPAQUE in front."""
        pixels = view(self.images[layer])
        return pixels if pixels.ndim == 2 else pixels.view(np.uint32)[..., 0]

    def objects(self) -> np.ndarray:
        """(H, W) uint32: a copy of the numbers of the objects."""
        return self.numbers("objects") & ~OPAQUE

    def picture(self, layer: str) -> Picture | None:
        """A snapshot; of objects and looks None where there are none."""
        if layer == "labels":
            return from_qimage(self.images["labels"])
        if layer not in self.used:
            return None
        numbers = self.objects() if layer == "objects" else self.numbers(layer)
        if not numbers.any():
            return None
        if numbers.max() < 256:
            return Picture(numbers.astype(np.uint8))
        three = (numbers >> 16 & 255, numbers >> 8 & 255, numbers & 255)
        return Picture(np.stack(three, 2).astype(np.uint8))

    def largest_object(self) -> int:
        return int(self.objects().max()) if "objects" in self.used else 0

    # ---- colours --------------------------------------------------------------------------------

    def show_as(self, tints: np.ndarray, looks: np.ndarray | None = None) -> None:
        """In these tints of the classes, with those of the looks over them if there are any."""
        self.tints, self.looks = tints, looks
        self.soil(self.rect, ())

    def soil(self, area: QRect, layers: Iterable[str]) -> None:
        super().soil(area, layers)
        self._pale += area.adjusted(-1, -1, 0, 0) & self.rect  # a border lies before its object

    def shown(self, layer: str, factor: int) -> QImage:
        if layer == "shown" and not self._pale.isEmpty():
            region, self._pale = self._pale, QRegion()
            few = region.rectCount() <= SCATTERED
            areas = list(region) if few else [region.boundingRect()]  # pyright: ignore
            for area in areas:
                self._colour(area)
                super().soil(area, ("shown",))
        return super().shown(layer, factor)

    def _colour(self, area: QRect) -> None:
        """Every pixel in the tint of its number; a darker line where two objects of a class
        touch."""
        area = area.adjusted(0, 0, 1, 1) & self.rect
        here = inside(area)
        shown, labels = self.numbers("shown")[here], self.numbers("labels")[here]
        shown[...] = np.take(self.tints, labels, mode="clip")
        if self.looks is not None:
            looks = self.numbers("looks")[here]
            shown[looks > 0] = self.looks[looks[looks > 0]]
        if "objects" not in self.used:
            return
        objects = self.numbers("objects")[here]
        border = np.zeros(labels.shape, bool)
        border[:, :-1] = (objects[:, 1:] != objects[:, :-1]) & (labels[:, 1:] == labels[:, :-1])
        border[:-1] |= (objects[1:] != objects[:-1]) & (labels[1:] == labels[:-1])
        if border.any():
            shown[border] = shown[border] >> 1 & 0x7F7F7F | OPAQUE

    # ---- items ----------------------------------------------------------------------------------

    def paint_stroke(self, item: Stroke, smooth: bool = True) -> None:
        for layer, value in self._values(item):
            tint = QColor.fromRgb(value if layer == "objects" else value * 0x010101)
            painter = QPainter(self.images[layer])
            painter.setCompositionMode(QPainter.CompositionMode.CompositionMode_Source)
            pen = QPen(tint, item.width, Qt.PenStyle.SolidLine, Qt.PenCapStyle.RoundCap)
            pen.setJoinStyle(Qt.PenJoinStyle.RoundJoin)
            painter.setPen(pen)
            for path in item.paths:
                if item.tool in CURVES:
                    draw_curve(painter, pen, path, item.width, smooth)
                elif item.tool in FILLED and len(path) > 2:
                    outline = shape(item.tool, path)
                    outline.setFillRule(Qt.FillRule.WindingFill)
                    painter.fillPath(outline, tint)
                else:
                    painter.drawPath(shape(item.tool, path))
            painter.end()

    def _values(self, item: Stroke | Fill) -> Iterator[tuple[str, int]]:
        """The layers that an item paints on, and the number that it paints there."""
        for layer in self.layers_of(item):
            if layer == "objects":
                yield layer, item.object | int(OPAQUE)
            else:
                yield layer, item.label if layer == item.layer else 0

    def paint_fill(self, item: Fill) -> None:
        """The pixels that touch a seed, of its class and its object."""
        import cv2

        height, width = self.size.height(), self.size.width()
        for x, y in ((int(x), int(y)) for x, y, _ in item.seeds):
            if not (0 <= x < width and 0 <= y < height):
                continue
            same = np.ones((height, width), bool)
            for layer in ("labels", *self.used.intersection(("objects",))):
                numbers = self.numbers(layer)
                same &= numbers == numbers[y, x]
            mask = np.zeros((height + 2, width + 2), np.uint8)
            flags = 4 | cv2.FLOODFILL_MASK_ONLY | (1 << 8)
            *_, box = cv2.floodFill(same.view(np.uint8), mask, (x, y), 0, 0, 0, flags)
            here = inside(QRect(*box))
            filled = mask[1:-1, 1:-1][here].view(bool)
            for layer, value in self._values(item):
                self.numbers(layer)[here][filled] = value

    def paint_move(self, item: Move) -> None:
        """What is lifted leaves the class that surrounds it."""
        source = QRectF(*item.rect).toAlignedRect() & self.rect
        if source.isEmpty():
            return
        rect = (source.x(), source.y(), source.width(), source.height())
        target = Affine.box(item.rect, item.target).rect(rect)
        layers = self.layers_of(item)
        lifted = {layer: self.numbers(layer)[inside(source)].copy() for layer in layers}
        around = self._around(source)
        for layer in layers:
            rest = {"labels": around, "objects": OPAQUE}
            self.numbers(layer)[inside(source)] = rest.get(layer, 0)
            _lay(lifted[layer], self.numbers(layer), target)

    def _around(self, area: QRect) -> int:
        """The class that most pixels beside an area have."""
        labels = self.numbers("labels")
        top, left, bottom, right = area.top(), area.left(), area.bottom(), area.right()
        ring = np.concatenate([
            labels[max(top - 1, 0) : top, left : right + 1].ravel(),
            labels[bottom + 1 : bottom + 2, left : right + 1].ravel(),
            labels[top : bottom + 1, max(left - 1, 0) : left].ravel(),
            labels[top : bottom + 1, right + 1 : right + 2].ravel(),
        ])  # fmt: skip
        return int(np.bincount(ring).argmax()) if len(ring) else self._ground

    def paint_raster(self, item: Raster) -> None:
        pixels = item.picture.pixels.astype(np.uint32)
        if pixels.ndim == 3:
            pixels = pixels[..., 0] << 16 | pixels[..., 1] << 8 | pixels[..., 2]
        for layer in self.layers_of(item):
            numbers = pixels if layer == item.layer else np.zeros_like(pixels)
            numbers = numbers | OPAQUE if layer == "objects" else numbers
            _lay(numbers, self.numbers(layer), item.rect)


def _lay(numbers: np.ndarray, onto: np.ndarray, rect: Rect) -> None:
    """Numbers (h, w) stretched onto `rect` of (H, W), each kept as it is."""
    place = QRectF(*rect)
    left, top = round(place.left()), round(place.top())
    right, bottom = round(place.right()), round(place.bottom())
    height, width = onto.shape
    xs, ys = np.arange(max(left, 0), min(right, width)), np.arange(max(top, 0), min(bottom, height))
    if not len(xs) or not len(ys):
        return
    columns = ((xs - left + 0.5) * numbers.shape[1] / (right - left)).astype(np.intp)
    rows = ((ys - top + 0.5) * numbers.shape[0] / (bottom - top)).astype(np.intp)
    onto[ys[0] : ys[-1] + 1, xs[0] : xs[-1] + 1] = numbers[np.ix_(rows, columns)]
