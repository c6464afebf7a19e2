"""The desk of the Draw room: what lies on the canvas, under it and beside it, for the Studio."""

from __future__ import annotations

import base64
from collections.abc import Collection, Iterable
from typing import Any

from PySide6.QtGui import QColor, QIcon, QPixmap

from app.draw import DrawRoom
from app.drawing import Drawing
from app.easel import Easel
from app.export import main_input
from app.raster import Layers
from app.samples import Sample, samples, samples_for
from app.studio import Studio
from app.widgets.canvas import SketchCanvas
from app.widgets.toolbar import BRUSHES
from engines.controls import ModelCard, SketchInput
from engines.job import Job, Picture

HINT_WIDTH = 12.0  # sheet pixels


class Sheet(Easel):
    at = "draw"
    reference_role = "reference"
    empty = "Draw, and the photo appears here."
    steps = (0.5, 1, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10, 12, 16, 20, 24)

    canvas: SketchCanvas

    def __init__(self, room: DrawRoom, studio: Studio) -> None:
        super().__init__(room, studio, {"ink": 3.0, "hints": HINT_WIDTH})
        self._colours = [QColor("#C8202F"), QColor("#2759B5")]
        drawn = samples()
        self.canvas.set_stamp(drawn[0].drawing if drawn else None)
        self.canvas.set_colour(self._colours[0])
        room.strip.show_colour(self._colours[0])
        self.canvas.colour_picked.connect(self.choose_colour)
        room.strip.colour_chosen.connect(self.choose_colour)

    # ---- what the studio asks for --------------------------------------------------------------

    def adopt(self, card: ModelCard | None) -> None:
        """Another model: say where its pictures come from, and take its line width."""
        if card is None:
            return
        self.register_wells(card)
        sketches = self.sketches(card)
        for control in sketches:
            if control.kind == "hints":
                self.studio.register_source(control.role, self._hints)
            else:
                self.studio.register_source(control.role, self.given, self.drawing)
        if card.sketch is not None:
            low, high = card.sketch.width
            wide = next((c.size[0] for c in sketches), 256)
            self._brushes["ink"] = max(round((low + high) * wide) / 2, BRUSHES[0])
            self._show_brush()
        if "hints" not in {c.kind for c in sketches}:
            self.choose_layer("ink")
        size = next((c.size for c in sketches), self.size())
        if size != self.size() and not self.canvas.vectors.items:
            self.canvas.new_sheet(size)  # an emptied one came back from the last session
        self.offer_example(card)
        self.invite(card)

    def is_drawn(self, control: SketchInput) -> bool:
        return control.drawn

    def given(self) -> Picture | None:
        """The lines. While nothing is drawn: the photo below, where the model takes one, or the
        example's lines; None on an empty sheet."""
        if self.canvas.is_empty():
            if self.gives_photo():
                return self.reference
            if self._example is None:
                return None
        return self.canvas.picture("ink")

    def gives_photo(self) -> bool:
        """Whether the photo below takes the drawing's place."""
        return self.reference is not None and self.canvas.is_empty() and self._takes_photos()

    def _takes_photos(self) -> bool:
        card = self.studio.card
        return card is not None and any(
            isinstance(c, SketchInput) and c.photo for c in card.inputs()
        )

    def _hints(self) -> Picture | None:
        return self.canvas.picture("hints")

    def before(self, job: Job) -> Picture | None:
        return main_input(job)

    # ---- example and recipes -------------------------------------------------------------------

    def fitting(self, card: ModelCard) -> list[Sample]:
        return samples_for(card.checkpoint.partition("@")[0])

    def drawing_of(self, job: Job) -> dict[str, Any] | None:
        photo = self._photo_of(job)
        if photo is not None:
            self.lay_reference(photo)
        drawn = [d for role, d in job.drawings.items() if d and role != "hints"]
        if any("palette" in d for d in drawn):  # a desk has the drawings of all rooms
            return next((d for d in drawn if "palette" not in d), None)
        if drawn:
            return drawn[0]
        if photo is not None:
            return {"size": list(self.size()), "items": []}
        return _traced(job, {self.reference_role, *self.room.controls.wells})

    def _photo_of(self, job: Job) -> Picture | None:
        """The photo that took the drawing's place; drawn lines are grey."""
        roles = self.studio.card.inputs() if self.studio.card and self._takes_photos() else ()
        given = (job.images.get(c.role) for c in roles if isinstance(c, SketchInput) and c.photo)
        return next((p for p in given if p is not None and p.channels > 1), None)

    # ---- tools ---------------------------------------------------------------------------------

    def choose_colour(self, tint: QColor) -> None:
        """A colour is for hints: choosing one goes to that layer."""
        self._colours[0] = tint
        self.canvas.set_colour(tint)
        self.room.strip.show_colour(tint)
        if self.room.head.layer.isVisibleTo(self.room):
            self.choose_layer("hints")

    def swap(self) -> None:
        self._colours.reverse()
        self.choose_colour(self._colours[0])

    def fit(self) -> None:
        """Line width, place and size as in the model's training."""
        card = self.studio.card
        if card is None or card.sketch is None:
            return
        if self._example is not None and self.canvas.is_empty():
            example, self._example = self._example, None
            self.canvas.restore(example)
        self.canvas.fit_drawing(card.sketch)

    def stamps(self, card: ModelCard | None) -> Iterable[tuple[Sample, QIcon]]:
        """What fits the model in use comes first; there is no stamp that does not fit a sheet."""
        fitting = self.fitting(card) if card else []
        rest = [sample for sample in samples() if sample not in fitting]
        return ((sample, _drawn_small(sample.drawing)) for sample in (*fitting, *rest))

    def choose_stamp(self, id: str) -> None:
        self.canvas.set_stamp(next(s.drawing for s in samples() if s.id == id))

    # ---- reference -----------------------------------------------------------------------------

    def take_photo(self, picture: Picture) -> bool:
        """Lay a photo under the drawing; False if an image well took it instead."""
        if self.fill_well(picture):
            return False
        self.lay_reference(picture)
        if self.gives_photo():
            self._on_edited()
        return True

    def remove_reference(self) -> None:
        super().remove_reference()
        if self._takes_photos():
            self._on_edited()

    def import_edges(self, edges: Picture) -> None:
        self.canvas.import_edges(edges)


def _traced(job: Job, beside: Collection[str]) -> dict[str, Any] | None:
    """A drawing made of the recipe's pictures: it was made without strokes, by the command line."""
    items, size = [], None
    for role, picture in job.images.items():
        if role in beside or picture.channels == 3:
            continue
        layer = "hints" if picture.channels == 4 else "ink"
        size = size or picture.size
        png = base64.b64encode(picture.to_png()).decode()
        items.append({"kind": "raster", "png": png, "rect": [0, 0, *picture.size], "layer": layer})
    return {"size": list(size), "items": items} if size else None


def _drawn_small(drawing: dict[str, Any]) -> QIcon:
    """A sample as a picture on a button."""
    vectors = Drawing.from_json(drawing)
    layers = Layers(vectors.size)
    layers.render(vectors)
    return QIcon(QPixmap.fromImage(layers.ink))
