"""The desk of the Paint room: the label map, its objects and looks, as Studio needs them.

Every palette has a sheet of its own, so that a facade is still there when one comes back from a
street. The numbers of a map mean what its palette says; see engines/palettes.py.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import numpy as np
from PySide6.QtGui import QColor, QIcon, QPixmap

from app import theme
from app.drawing import Drawing, Raster
from app.easel import Easel
from app.labels import LabelLayers, Legend
from app.paint import PaintRoom
from app.samples import Sample, maps, parts
from app.studio import Studio
from app.widgets.canvas_labels import LabelCanvas, traced
from app.widgets.canvas_paper import Paper
from engines.controls import ModelCard, SketchInput
from engines.job import Job, Picture

NOTHING = 255  # where a stamp paints nothing
SHEETS = "map:"  # before the palette, the role under which the desk keeps a sheet not in use
LOOKS = ((46, 50, 58), (255, 180, 84), (91, 192, 190), (255, 107, 107), (140, 160, 255),
         (198, 140, 255), (140, 210, 110), (255, 214, 120), (120, 200, 255), (255, 150, 200),
         (190, 190, 190))  # fmt: skip


class MapSheet(Easel):
    at = "paint"
    reference_role = "map reference"
    empty = "Paint, and the photo appears here."
    steps = (1, 2, 3, 4, 6, 8, 10, 12, 16, 20, 24, 32, 40, 48, 64, 80, 96, 128, 160, 200)

    canvas: LabelCanvas

    def __init__(self, room: PaintRoom, studio: Studio) -> None:
        super().__init__(room, studio, {"labels": 12.0, "looks": 24.0})
        self._papers: dict[str, Paper] = {}  # by palette
        self._examples: dict[str, dict[str, Any] | None] = {}
        self._waiting: dict[str, tuple[Picture, dict[str, Any]]] = {}  # of the last session
        self._labels = {"labels": 0, "looks": 1}  # the number that is painted on each layer
        self._other = 0  # the class that X brings back
        self._models: dict[str, str] = {}  # palette -> the model last used with it
        self._shown = 0  # of the examples
        self._native = (256, 256)  # the sheet that the model knows
        room.legend.chosen.connect(self.choose_label)
        room.legend.pointed.connect(self.canvas.light)
        room.apart.toggled.connect(self._on_apart)
        room.key_pressed.connect(self.choose_label)
        room.example_wanted.connect(self.next_example)
        self.canvas.label_picked.connect(self.choose_label)
        self.canvas.hovered.connect(room.legend.show_below)

    # ---- what the studio asks for ---------------------------------------------------------------

    def adopt(self, card: ModelCard | None) -> None:
        """Another model: its classes, the sheet of its palette, and where its maps come from."""
        if card is None:
            return
        self.register_wells(card)
        sketches = {_layer(c): c for c in reversed(self.sketches(card))}
        for layer, control in sketches.items():
            strokes = self.drawing if layer == "labels" else None
            self.studio.register_source(control.role, lambda n=layer: self._picture(n), strokes)
        self.room.show_objects("objects" in sketches)
        self._on_apart()
        if "labels" in sketches:
            self._take_classes(card, sketches["labels"], sketches.get("looks"))
            self.room.example.setVisible(bool(self.fitting(card)))
            self.offer_example(card)
        self.invite(card)

    def is_drawn(self, control: SketchInput) -> bool:
        return control.kind == "labels"

    def given(self) -> Picture | None:
        """The classes, the example's while nothing is painted; None on an empty sheet."""
        if self.canvas.is_empty() and self._example is None:
            return None
        return self.canvas.picture("labels")

    def _picture(self, layer: str) -> Picture | None:
        return self.given() if layer == "labels" else self.canvas.picture(layer)

    def before(self, job: Job) -> Picture | None:
        """The map in its colours."""
        given = self._given_of(job)
        return coloured(given, self.canvas.legend) if given is not None else None

    def _given_of(self, job: Job) -> Picture | None:
        card = self.studio.card
        roles = (c.role for c in self.sketches(card) if not c.optional) if card else ()
        return next((job.images[role] for role in roles if role in job.images), None)

    # ---- sheets and classes ---------------------------------------------------------------------

    def _take_classes(self, card: ModelCard, main: SketchInput, looks: SketchInput | None) -> None:
        chosen = str(self.studio.settings.recall(f"palette_{card.checkpoint}", "") or "")
        self._native = main.size
        legend = legend_of(main, chosen)
        self._models[legend.id] = card.checkpoint
        self._lay(legend.id)
        self.canvas.set_legend(legend, _looks(looks.classes if looks is not None else 1))
        empty = not self.canvas.vectors.items
        if self.canvas.vectors.palette != legend.id or (empty and main.size != self.size()):
            self.canvas.new_sheet(main.size)
        if legend.id in self._waiting:
            self._take_drawing(self._waiting.pop(legend.id)[1])
        self.room.head.show_layers(looks is not None)
        if looks is None:
            self.choose_layer("labels")
        if self._labels["labels"] in (legend.ground, *range(len(legend), 256)):
            others = (n for n in range(len(legend)) if n != legend.ground)
            self._labels["labels"] = next(others, 0)
        self._show_legend()

    def _lay(self, palette: str) -> None:
        """The sheet of a palette. The one that was there is kept, also by the desk."""
        if palette not in self._papers:
            paper = self._papers[palette] = Paper(self.canvas.made_layers, self.size(), self)
            paper.stack = self.studio.undo_stack
            paper.settled.connect(lambda: self._on_settled(palette))
            self._keep(palette)
        if self._papers[palette] is not self.canvas.paper:
            self.canvas.lay(self._papers[palette])
            self._example = self._examples.get(palette)

    def _keep(self, palette: str) -> None:
        """The desk remembers the sheet of a palette that is not in use."""
        self.studio.register_source(
            SHEETS + palette,
            lambda: aside[0] if (aside := self._aside(palette)) else None,
            lambda: aside[1] if (aside := self._aside(palette)) else None,
        )

    def _aside(self, palette: str) -> tuple[Picture, dict[str, Any]] | None:
        paper = self._papers.get(palette)
        if palette in self._waiting:
            return self._waiting[palette]
        if paper is None or paper is self.canvas.paper or not paper.vectors.items:
            return None
        assert isinstance(paper.layers, LabelLayers)
        picture = paper.layers.picture("labels")
        return (picture, paper.vectors.to_json()) if picture is not None else None

    def _on_settled(self, palette: str) -> None:
        """A sheet that is not seen was changed, by undo: show it."""
        if self._papers[palette] is not self.canvas.paper and palette in self._models:
            self.studio.choose_model(self._models[palette])

    def _show_legend(self) -> None:
        looks = self._layer == "looks"
        legend = self.canvas.looks if looks else self.canvas.legend
        title = "Looks" if looks else "Classes"
        self.room.legend.show_legend(legend, title, len(self.canvas.legend))
        self.choose_label(self._labels[self._layer])

    def choose_label(self, number: int) -> None:
        """Paint with a class, or with a look."""
        legend = self.canvas.looks if self._layer == "looks" else self.canvas.legend
        if number >= len(legend):
            return
        now = self._labels[self._layer]
        if self._layer == "labels" and number != now:
            self._other = now
        self._labels[self._layer] = number
        self.canvas.set_label(number)
        self.canvas.set_colour(QColor(*legend.colours[number]))
        self.room.legend.show_label(number)

    def swap(self) -> None:
        """The class that was painted with before."""
        if self._layer == "labels":
            self.choose_label(self._other)

    def choose_layer(self, layer: str) -> None:
        if layer != self._layer:
            super().choose_layer(layer)
            self._show_legend()

    def fit(self) -> None:
        """A map has no lines to fit."""

    def _on_apart(self, *_: object) -> None:
        shown = not self.room.apart.isHidden()
        self.canvas.set_apart(self.room.apart.isChecked() and shown)

    # ---- example, recipes, stamps ---------------------------------------------------------------

    def fitting(self, card: ModelCard) -> list[Sample]:
        return maps(self.canvas.legend.id)

    def next_example(self) -> None:
        """Another map to begin with; over what was painted it is a step that can be undone."""
        found = maps(self.canvas.legend.id)
        if not found:
            return
        self._shown = (self._shown + 1) % len(found)
        drawing = Drawing.from_json(found[self._shown].drawing)
        if self.canvas.is_empty():
            self.set_example(drawing.to_json())
            self._on_edited()
        else:
            self.canvas.import_map("Example", drawing.scaled(self.size()))

    def set_example(self, drawing: dict[str, Any] | None) -> None:
        super().set_example(drawing)
        self._examples[self.canvas.legend.id] = self._example

    def _on_sheet_wanted(self, size: tuple[int, int]) -> None:
        """A map keeps its shape; only what is much smaller or larger than the model knows is
        brought to that."""
        width, height = self.size()
        zoom = (size[0] * size[1] / (width * height)) ** 0.5
        if self.canvas.vectors.items:
            zoom = zoom if abs(zoom - 1) > 0.25 else 1.0
            size = (round(width * zoom), round(height * zoom))
        super()._on_sheet_wanted(size)

    def take_back(self, job: Job) -> None:
        """The sheets of the last session wait for their models."""
        for role, drawing in job.drawings.items():
            if drawing and "palette" in drawing and role in job.images:
                palette = str(drawing["palette"])
                self._waiting[palette] = job.images[role], drawing
                self._keep(palette)
        photo = job.images.get(self.reference_role)
        if photo is not None:
            self.lay_reference(photo)

    def drawing_of(self, job: Job) -> dict[str, Any] | None:
        if self.studio.card is None:
            return None
        drawn = {role: d for role, d in job.drawings.items() if d and "palette" in d}
        roles = [c.role for c in self.sketches(self.studio.card)]
        found = next((drawn[role] for role in roles if role in drawn), None)
        return found or self._traced(job)

    def _traced(self, job: Job) -> dict[str, Any] | None:
        """A drawing made of a recipe's pictures: it was made without strokes."""
        card = self.studio.card
        layers = {_layer(c): job.images[c.role] for c in reversed(self.sketches(card))
                  if c.role in job.images} if card else {}  # fmt: skip
        if "labels" not in layers or any(
            p.channels > 1 for n, p in layers.items() if n != "objects"
        ):
            return None
        legend = self.canvas.legend
        return traced(legend.id, legend.ground, layers).to_json()

    def stamps(self, card: ModelCard | None) -> Iterable[tuple[Sample, QIcon]]:
        legend = self.canvas.legend
        return ((part, _drawn_small(part, legend)) for part in parts(legend.id))

    def choose_stamp(self, id: str) -> None:
        stamp = next(s.drawing for s in parts(self.canvas.legend.id) if s.id == id)
        self.canvas.set_stamp(stamp)

    # ---- maps and photos from elsewhere ---------------------------------------------------------

    def take_photo(self, picture: Picture) -> bool:
        """Lay a photo over the map; False if an image well took it instead."""
        if self.fill_well(picture):
            return False
        self.lay_reference(picture)
        return True

    def lay_map(self, labels: Picture) -> None:
        """A map (H, W) of classes, about as large as the model's sheet, with its own shape."""
        legend, native = self.canvas.legend, max(self._native)
        drawing = traced(legend.id, legend.ground, {"labels": labels})
        zoom = native / max(labels.size)
        size = tuple(max(round(side * zoom), 1) for side in labels.size)
        self.set_example(None)
        self.canvas.import_map("Label map", drawing.scaled((size[0], size[1])))
        self.canvas.zoom_fit()

    def lay_objects(self, objects: Picture) -> None:
        """The numbers of objects, stretched onto the map."""
        rect = (0.0, 0.0, float(self.size()[0]), float(self.size()[1]))
        self.canvas.paper.commit("Object map", Raster(objects, rect, "objects"))

    def takes_objects(self) -> bool:
        card = self.studio.card
        return card is not None and "objects" in map(_layer, self.sketches(card))

    def coloured(self, labels: Picture) -> Picture:
        return coloured(labels, self.canvas.legend)

    def choose_palette(self, id: str) -> None:
        """Other names and colours for the model's numbers; the map is taken along."""
        card = self.studio.card
        if card is not None and id != self.canvas.legend.id:
            self.studio.settings.remember(f"palette_{card.checkpoint}", id)
            before = self.canvas.vectors
            self.adopt(card)
            if before.items and not self.canvas.vectors.items:
                after = replace(before, palette=self.canvas.legend.id)
                self.canvas.restore(after.to_json())
            self.studio.touch()


def legend_of(control: SketchInput, chosen: str = "") -> Legend:
    """What a model's classes mean: by the palette `chosen` or its own, else by number alone."""
    from engines import palettes

    using = palettes.named(chosen or control.palette, control.classes)
    return Legend(
        using.id, using.title, using.names, using.colours, using.unknown, control.classes or 256
    )


def coloured(labels: Picture, legend: Legend) -> Picture:
    """The map (H, W) in the colours of its classes, (H, W, 3)."""
    bytes_ = legend.tints.view(np.uint8).reshape(256, 4)[:, 2::-1]
    return Picture(bytes_[labels.pixels])


def _looks(count: int) -> Legend:
    names = ("As chosen for all", *(f"Look {n}" for n in range(1, count)))
    colours = tuple(LOOKS[n % len(LOOKS)] for n in range(max(count, 1)))
    return Legend("looks", "Looks", names, colours, 0, count)


def _layer(control: SketchInput) -> str:
    """What a model's map of numbers is: its classes; of those that may be missing, its objects
    (any numbers) and the looks of its objects (so many numbers)."""
    if not control.optional:
        return "labels"
    return "looks" if control.classes else "objects"


def _drawn_small(sample: Sample, legend: Legend) -> QIcon:
    drawing = Drawing.from_json(sample.drawing)
    tints = legend.tints.copy()
    tints[NOTHING] = theme.colour("panel").rgb()
    layers = LabelLayers(drawing.size, tints)
    layers.render(replace(drawing, ground=NOTHING))
    return QIcon(QPixmap.fromImage(layers.shown("shown", 1)))
