"""The desk of the Draw room: what lies on the canvas, under it and beside it, as Studio needs it.

Connects canvas and viewer with the studio: sources of pictures, example, reference, brush, recipes.
"""

from __future__ import annotations

import base64
from collections.abc import Collection
from typing import Any

from PySide6.QtCore import QObject
from PySide6.QtGui import QColor, QIcon, QPixmap

from app.draw import DrawRoom
from app.drawing import Drawing, DrawingError
from app.export import main_input
from app.raster import Layers
from app.results import Shown
from app.room import home
from app.samples import samples, samples_for
from app.studio import Studio
from app.widgets.toolbar import BRUSHES, SYMMETRIES, StampMenu
from engines.controls import ImageInput, ModelCard, SketchInput
from engines.job import Failed, Job, Picture

STEPS = (0.5, 1, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10, 12, 16, 20, 24)  # of the brush, sheet pixels
REFERENCE = "reference"  # role under which the desk keeps the photo below the drawing
EMPTY = "Draw, and the photo appears here."
WAITING = "Give the model its pictures, and the photo appears here."
GIVEN = "This model draws from the pictures on the right."
HINT_WIDTH = 12.0  # sheet pixels


class Sheet(QObject):
    def __init__(self, room: DrawRoom, studio: Studio) -> None:
        super().__init__(room)
        self.room, self.studio, self.canvas = room, studio, room.canvas
        self.reference: Picture | None = None
        self._opacity = 0.4
        self._example: dict[str, Any] | None = None
        self._brushes = {"ink": 3.0, "hints": HINT_WIDTH}
        self._layer = "ink"
        self._colours = [QColor("#C8202F"), QColor("#2759B5")]
        self._symmetry = ("none", 6)
        self._stamps = StampMenu(room.strip)
        self._stamps.chosen.connect(self.choose_stamp)
        self.canvas.set_stamp(samples()[0].drawing if samples() else None)
        self.canvas.set_undo_stack(studio.undo_stack)
        studio.register_source(REFERENCE, self._reference)
        self._wire()
        for name in ("smoothing", "pressure"):
            self.take_setting(name, studio.settings.get(name))
        self._show_brush()
        self.canvas.set_colour(self._colours[0])
        room.strip.show_colour(self._colours[0])
        room.viewer.set_message(EMPTY)

    def _wire(self) -> None:
        room, canvas, studio = self.room, self.canvas, self.studio
        canvas.edited.connect(self._on_edited)
        canvas.stroke_finished.connect(studio.settle)
        canvas.colour_picked.connect(self.choose_colour)
        room.head.layer_chosen.connect(self.choose_layer)
        room.head.brush_changed.connect(self.choose_brush)
        room.head.reference_menu.removed.connect(self.remove_reference)
        room.head.reference_menu.opacity_changed.connect(self.set_reference_opacity)
        room.strip.colour_chosen.connect(self.choose_colour)
        room.strip.symmetry_chosen.connect(self.choose_symmetry)
        studio.canvas_sheet_wanted.connect(self._on_sheet_wanted)
        studio.recipe_restored.connect(self._on_recipe)

    # ---- what the studio asks for --------------------------------------------------------------

    def adopt(self, card: ModelCard | None) -> None:
        """Another model: say where its pictures come from, and take its line width."""
        if card is None:
            return
        for role in (control.role for control in _wells(card)):
            self.studio.register_source(role, lambda role=role: self._picture(role))
        for control in _sketches(card):
            if control.kind == "hints":
                self.studio.register_source(control.role, self._hints)
            else:
                self.studio.register_source(control.role, self._ink, self._drawing)
        if card.sketch is not None:
            low, high = card.sketch.width
            wide = next((c.size[0] for c in _sketches(card)), 256)
            self._brushes["ink"] = max(round((low + high) * wide) / 2, BRUSHES[0])
            self._show_brush()
        if "hints" not in {c.kind for c in _sketches(card)}:
            self.choose_layer("ink")
        size = next((c.size for c in _sketches(card)), self.size())
        if size != self.size() and not self.canvas.drawing()["items"]:
            self.canvas.new_sheet(size)  # an emptied one came back from the last session
        self._offer_example(card)
        self.canvas.invite(self.canvas.invitation if self._draws() else GIVEN)
        if self._draws() and self._ink() is None:
            self.room.viewer.set_message(EMPTY)
        elif any(not c.optional and not self._picture(c.role) for c in _wells(card)):
            self.room.viewer.set_message(WAITING)

    def size(self) -> tuple[int, int]:
        width, height = self.canvas.drawing()["size"]
        return width, height

    def _picture(self, role: str) -> Picture | None:
        return self.room.controls.picture(role)

    def _ink(self) -> Picture | None:
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

    def _reference(self) -> Picture | None:
        return self.reference

    def _drawing(self) -> dict[str, Any]:
        """The strokes; an untouched example is marked, so that it comes back as one."""
        drawing = self.canvas.drawing()
        if self._example is None or not self.canvas.is_empty():
            return drawing
        if not drawing["items"]:
            return {**self._example, "example": True}
        return {**drawing, "items": [*self._example["items"], *drawing["items"]]}

    # ---- example and recipes -------------------------------------------------------------------

    def _offer_example(self, card: ModelCard) -> None:
        """A faint outline to begin with, where the model is one of those we know."""
        if not self.canvas.is_empty() or self.canvas.picture("hints") is not None:
            return
        fitting = samples_for(card.checkpoint.partition("@")[0])
        self._set_example(fitting[0].drawing if fitting else None)

    def _set_example(self, drawing: dict[str, Any] | None) -> None:
        if drawing is not None:
            drawing = Drawing.from_json(drawing).scaled(self.size()).to_json()
        self._example = drawing
        self.canvas.blockSignals(True)  # nobody edited anything
        self.canvas.set_example(drawing)
        self.canvas.blockSignals(False)

    def _on_sheet_wanted(self, size: tuple[int, int]) -> None:
        """Another model draws on another sheet: the drawing is scaled onto it."""
        if size == self.size() or home(self.studio.card) != "draw":
            return
        if self.canvas.is_empty():
            self.canvas.new_sheet(size)
            if self.studio.card is not None:
                self._offer_example(self.studio.card)
        else:
            scaled = Drawing.from_json(self.canvas.drawing()).scaled(size)
            self.canvas.restore(scaled.to_json())

    def _on_recipe(self, job: Job) -> None:
        """A recipe is back on the desk: its strokes, else its pictures as they were."""
        if home(self.studio.card) != "draw":
            return
        photo = job.images.get(REFERENCE) or self._photo_of(job)
        if photo is not None:
            self._lay_reference(photo)
        for role, picture in job.images.items():
            if role in self.room.controls.wells:
                self.room.controls.wells[role].set_picture(picture)
        drawing = next((d for r, d in job.drawings.items() if d and r != "hints"), None)
        if drawing is None and self._photo_of(job) is not None:
            drawing = {"size": list(self.size()), "items": []}
        if drawing is None:
            drawing = _traced(job, self.room.controls.wells)
        if drawing is None:
            return
        try:
            if drawing.get("example"):
                self.canvas.new_sheet(tuple(drawing["size"]))
                self._set_example({k: drawing[k] for k in ("size", "items")})
            else:
                Drawing.from_json(drawing)
                self._set_example(None)
                self.canvas.restore(drawing)
        except (DrawingError, KeyError, TypeError) as error:
            self.studio.failed.emit("drop", Failed("input", str(error)))

    def _photo_of(self, job: Job) -> Picture | None:
        """The photo that took the drawing's place; drawn lines are grey."""
        roles = self.studio.card.inputs() if self.studio.card and self._takes_photos() else ()
        given = (job.images.get(c.role) for c in roles if isinstance(c, SketchInput) and c.photo)
        return next((p for p in given if p is not None and p.channels > 1), None)

    def clear(self) -> None:
        """A new sheet; unless the seed is locked, with another seed."""
        self._set_example(None)
        self.canvas.clear()
        self._on_edited()
        card = self.studio.card
        locked = self.room.controls.seed.lock.isChecked()
        if card is not None and card.seeded and not locked and self.studio.live:
            self.studio.surprise_me()

    def _on_edited(self) -> None:
        if self._ink() is None:
            self.room.viewer.set_message(EMPTY)
        self.studio.touch()

    # ---- result --------------------------------------------------------------------------------

    def show_result(self, shown: Shown) -> None:
        live = shown.input_ms is not None
        if live and self._ink() is None and self._draws():
            return  # the sheet was emptied while this was on its way
        self.room.viewer.show_picture(shown.picture, fade=not live)
        self.room.viewer.set_before(main_input(shown.job))

    def show_failure(self, failed: Failed) -> None:
        if self.studio.shown is None:
            self.room.viewer.set_message(failed.message, "Run", failed=True)

    def set_wipe(self, on: bool) -> None:
        self.room.viewer.set_wipe(on)

    # ---- tools ---------------------------------------------------------------------------------

    def choose_tool(self, name: str) -> None:
        if name == "stamp":
            self._open_stamps()
        self.canvas.set_tool(name)

    def choose_layer(self, layer: str) -> None:
        if layer != self._layer:
            self._layer = layer
            self.canvas.set_layer(layer)
            self.room.head.show_layer(layer)
            self._show_brush()

    def other_layer(self) -> None:
        if self.room.head.layer.isVisibleTo(self.room):
            self.choose_layer("hints" if self._layer == "ink" else "ink")

    def choose_brush(self, pixels: float) -> None:
        self._brushes[self._layer] = pixels
        self._show_brush()

    def grow_brush(self, way: int) -> None:
        now = self._brushes[self._layer]
        steps = [s for s in STEPS if (s > now if way > 0 else s < now)]
        if steps:
            self.choose_brush(steps[0] if way > 0 else steps[-1])

    def choose_colour(self, tint: QColor) -> None:
        """A colour is for hints: choosing one goes to that layer."""
        self._colours[0] = tint
        self.canvas.set_colour(tint)
        self.room.strip.show_colour(tint)
        if self.room.head.layer.isVisibleTo(self.room):
            self.choose_layer("hints")

    def swap_colours(self) -> None:
        self._colours.reverse()
        self.choose_colour(self._colours[0])

    def choose_symmetry(self, name: str, turns: int) -> None:
        self._symmetry = (name, turns)
        self.canvas.set_symmetry(name, turns)
        self.room.strip.show_symmetry(name, turns)

    def next_symmetry(self) -> None:
        names = [name for name, _ in SYMMETRIES]
        after = names[(names.index(self._symmetry[0]) + 1) % len(names)]
        self.choose_symmetry(after, self._symmetry[1])

    def fit(self) -> None:
        """Line width, place and size as in the model's training."""
        card = self.studio.card
        if card is None or card.sketch is None:
            return
        if self._example is not None and self.canvas.is_empty():
            example, self._example = self._example, None
            self.canvas.restore(example)
        self.canvas.fit_drawing(card.sketch)

    def take_setting(self, name: str, value: Any) -> None:
        if name == "smoothing":
            self.canvas.set_smoothing(value)
        elif name == "pressure":
            self.canvas.set_pressure(bool(value))

    def _show_brush(self) -> None:
        width = self._brushes[self._layer]
        self.canvas.set_brush(width)
        self.room.head.show_brush(width)

    def _open_stamps(self) -> None:
        """What fits the model in use comes first; there is no stamp that does not fit a sheet."""
        card = self.studio.card
        fitting = samples_for(card.checkpoint.partition("@")[0]) if card else []
        rest = [sample for sample in samples() if sample not in fitting]
        shown = [(s.id, s.title, _drawn_small(s.drawing)) for s in [*fitting, *rest]]
        self._stamps.show_samples(shown)
        self._stamps.open_at(self.room.strip.buttons["stamp"])

    def choose_stamp(self, id: str) -> None:
        self.canvas.set_stamp(next(s.drawing for s in samples() if s.id == id))

    def _draws(self) -> bool:
        """Whether the model in use wants a drawing at all."""
        card = self.studio.card
        return card is not None and any(not c.optional for c in _sketches(card))

    # ---- reference -----------------------------------------------------------------------------

    def take_photo(self, picture: Picture) -> bool:
        """Lay a photo under the drawing; False if an image well took it instead."""
        for role, well in self.room.controls.wells.items():
            if well.picture() is None:
                well.set_picture(picture)
                self.studio.register_source(role, well.picture)
                return False
        self._lay_reference(picture)
        return True

    def remove_reference(self) -> None:
        self.reference = None
        self.canvas.set_reference(None, self._opacity)
        self.room.head.show_reference(False)
        self.studio.desk.save_soon()
        if self._takes_photos():
            self._on_edited()

    def set_reference_opacity(self, opacity: float) -> None:
        self._opacity = opacity
        self.room.head.reference_menu.opacity.show_number(opacity)
        self.studio.settings.remember("reference_opacity", opacity)
        if self.reference is not None:
            self.canvas.set_reference(self.reference, opacity)

    def import_edges(self, edges: Picture) -> None:
        self.canvas.import_edges(edges)

    def _lay_reference(self, picture: Picture) -> None:
        self.reference = picture
        self.canvas.set_reference(picture, self._opacity)
        self.room.head.show_reference(True)
        self.studio.desk.save_soon()
        if self.gives_photo():
            self._on_edited()


def _wells(card: ModelCard) -> list[ImageInput | SketchInput]:
    """The pictures that a model is given beside the canvas."""
    return [c for c in card.inputs() if isinstance(c, ImageInput) or not c.drawn]


def _sketches(card: ModelCard) -> list[SketchInput]:
    """What the canvas draws of a model's input."""
    return [c for c in card.inputs() if isinstance(c, SketchInput) and c.drawn]


def _traced(job: Job, wells: Collection[str]) -> dict[str, Any] | None:
    """A drawing made of the recipe's pictures: it was made without strokes, by the command line."""
    items, size = [], None
    for role, picture in job.images.items():
        if role == REFERENCE or role in wells or picture.channels == 3:
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
