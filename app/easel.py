"""What the desks of all rooms with a canvas have: brush and tools, the example, the reference
photo, the result beside it, recipes. What a sheet means to a model is the subclass's."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar

from PySide6.QtCore import Signal
from PySide6.QtGui import QIcon

from app.drawing import Drawing, DrawingError
from app.results import Shown
from app.samples import Sample
from app.studio import Studio
from app.table import Table
from app.widgets.toolbar import SYMMETRIES, StampMenu
from engines.controls import ImageInput, ModelCard, SketchInput
from engines.job import Failed, Job, Picture

WAITING = "Give the model its pictures, and the photo appears here."
GIVEN = "This model draws from the pictures on the right."


class Easel(Table):
    changed_elsewhere = Signal()  # by undo, while one is in another room

    """at       the room it stands in
    reference_role  under which the desk keeps the photo below or over the drawing
    empty    what stands where the photo will be, while nothing is drawn
    steps    of the brush, in sheet pixels
    """

    at: ClassVar[str]
    reference_role: ClassVar[str]
    empty: ClassVar[str]
    steps: ClassVar[tuple[float, ...]]

    canvas: Any  # a Canvas; the subclass says which

    def __init__(self, room: Any, studio: Studio, brushes: dict[str, float]) -> None:
        super().__init__(room)
        self.room, self.studio = room, studio
        self.canvas = room.canvas
        self.reference: Picture | None = None
        self._opacity = 0.4
        self._example: dict[str, Any] | None = None
        self._brushes, self._layer = brushes, next(iter(brushes))
        self._symmetry = ("none", 6)
        self._stamps = StampMenu(room.strip)
        self._stamps.chosen.connect(self.choose_stamp)
        self.canvas.set_undo_stack(studio.undo_stack)
        studio.register_source(self.reference_role, lambda: self.reference)
        for name in ("smoothing", "pressure"):
            self.take_setting(name, studio.settings.get(name))
        self._show_brush()
        room.viewer.set_message(self.empty)
        self.canvas.edited.connect(self._on_edited)
        self.canvas.stroke_finished.connect(self._on_finished)
        room.head.layer_chosen.connect(self.choose_layer)
        room.head.brush_changed.connect(self.choose_brush)
        room.head.reference_menu.removed.connect(self.remove_reference)
        room.head.reference_menu.opacity_changed.connect(self.set_reference_opacity)
        room.strip.symmetry_chosen.connect(self.choose_symmetry)
        studio.canvas_sheet_wanted.connect(self._on_sheet_wanted)
        studio.recipe_restored.connect(self._on_recipe)

    # ---- what the subclass says -----------------------------------------------------------------

    def adopt(self, card: ModelCard | None) -> None:
        """Another model: say where its pictures come from."""
        raise NotImplementedError

    def given(self) -> Picture | None:
        """What the model is given of the sheet; None while it is empty."""
        raise NotImplementedError

    def fitting(self, card: ModelCard) -> list[Sample]:
        """Examples for a model."""
        raise NotImplementedError

    def stamps(self, card: ModelCard | None) -> Iterable[tuple[Sample, QIcon]]:
        """What can be stamped, the fitting first."""
        raise NotImplementedError

    def is_drawn(self, control: SketchInput) -> bool:
        """Whether this canvas draws a model's input."""
        raise NotImplementedError

    def take_photo(self, picture: Picture) -> bool:
        """Lay a photo under or over the drawing; False if an image well took it instead."""
        raise NotImplementedError

    def fit(self) -> None:
        """Bring the drawing closer to what the model knows."""
        raise NotImplementedError

    def swap(self) -> None:
        """What was drawn with before."""
        raise NotImplementedError

    def take_back(self, job: Job) -> None:
        """What lay on the sheet when the program was closed; the sheet was made since."""

    def drawing_of(self, job: Job) -> dict[str, Any] | None:
        """The drawing that a recipe asks to be on this sheet."""
        raise NotImplementedError

    # ---- what the studio asks for ---------------------------------------------------------------

    def size(self) -> tuple[int, int]:
        return self.canvas.vectors.size

    def sketches(self, card: ModelCard) -> list[SketchInput]:
        """What the canvas draws of a model's input."""
        return [c for c in card.inputs() if isinstance(c, SketchInput) and self.is_drawn(c)]

    def wells(self, card: ModelCard) -> list[ImageInput | SketchInput]:
        """The pictures that a model is given beside the canvas."""
        drawn = self.sketches(card)
        return [c for c in card.inputs() if c not in drawn]

    def draws(self) -> bool:
        """Whether the model in use wants a drawing at all."""
        card = self.studio.card
        return card is not None and any(not c.optional for c in self.sketches(card))

    def register_wells(self, card: ModelCard) -> None:
        self.ask_wells(control.role for control in self.wells(card))

    def invite(self, card: ModelCard) -> None:
        """Say what the model waits for."""
        self.canvas.invite(self.canvas.invitation if self.draws() else GIVEN)
        wells = (c for c in self.wells(card) if not c.optional)
        if self.draws() and self.given() is None:
            self.room.viewer.set_message(self.empty)
        elif any(not self.room.controls.picture(c.role) for c in wells):
            self.room.viewer.set_message(WAITING)

    def drawing(self) -> dict[str, Any]:
        """The strokes; an untouched example is marked, so that it comes back as one."""
        drawing = self.canvas.drawing()
        if self._example is None or not self.canvas.is_empty():
            return drawing
        if not drawing["items"]:
            return {**self._example, "example": True}
        return {**drawing, "items": [*self._example["items"], *drawing["items"]]}

    # ---- example and recipes --------------------------------------------------------------------

    def set_example(self, drawing: dict[str, Any] | None) -> None:
        if drawing is not None:
            drawing = Drawing.from_json(drawing).scaled(self.size()).to_json()
        self._example = drawing
        self.canvas.blockSignals(True)  # nobody edited anything
        self.canvas.set_example(drawing)
        self.canvas.blockSignals(False)

    def _on_sheet_wanted(self, size: tuple[int, int]) -> None:
        """Another model draws on another sheet: the drawing is scaled onto it."""
        card = self.studio.card
        if size == self.size() or not self.room.in_use():
            return
        if not self.canvas.is_empty():
            self.canvas.restore(self.canvas.vectors.scaled(size).to_json())
            return
        self.canvas.new_sheet(size)
        if card is not None:
            self.offer_example(card)

    def offer_example(self, card: ModelCard) -> None:
        """A faint outline to begin with, where the model is one of those we know."""
        if not self.canvas.vectors.items:
            fitting = self.fitting(card)
            self.set_example(fitting[0].drawing if fitting else None)

    def _on_recipe(self, job: Job) -> None:
        """A recipe is back on the desk: its strokes, else its pictures as they were."""
        if self.studio.card is not None and not self.room.in_use():
            return
        photo = job.images.get(self.reference_role)
        if photo is not None:
            self.lay_reference(photo)
        if self.studio.card is not None:
            for role, picture in job.images.items():
                if role in self.room.controls.wells:
                    self.room.controls.wells[role].set_picture(picture)
        try:
            drawing = self.drawing_of(job)
            if drawing is not None:
                self._take_drawing(drawing)
        except (DrawingError, KeyError, TypeError) as error:
            self.studio.failed.emit("drop", Failed("input", str(error)))

    def _take_drawing(self, drawing: dict[str, Any]) -> None:
        if drawing.get("example"):
            self.canvas.new_sheet(tuple(drawing["size"]))
            self.set_example({k: v for k, v in drawing.items() if k != "example"})
        else:
            Drawing.from_json(drawing)
            self.set_example(None)
            self.canvas.restore(drawing)

    def clear(self) -> None:
        """A new sheet; unless the seed is locked, with another seed."""
        self.set_example(None)
        self.canvas.clear()
        self._on_edited()
        card = self.studio.card
        locked = self.room.controls.seed.lock.isChecked()
        if card is not None and card.seeded and not locked and self.studio.live:
            self.studio.surprise_me()

    def _on_finished(self) -> None:
        if self.room.in_use():
            self.studio.settle()
        else:
            self.changed_elsewhere.emit()

    def _on_edited(self) -> None:
        if self.given() is None:
            self.room.viewer.set_message(self.empty)
        if self.room.in_use():
            self.studio.touch()

    # ---- result ---------------------------------------------------------------------------------

    def show_result(self, shown: Shown) -> None:
        live = shown.input_ms is not None
        if live and self.given() is None and self.draws():
            return  # the sheet was emptied while this was on its way
        self.room.viewer.show_picture(shown.picture, fade=not live)
        self.room.viewer.set_before(self.before(shown.job))

    def before(self, job: Job) -> Picture | None:
        """What the result is compared with."""
        raise NotImplementedError

    # ---- tools ----------------------------------------------------------------------------------

    def choose_tool(self, name: str) -> None:
        self.canvas.set_tool(name)

    def choose_layer(self, layer: str) -> None:
        if layer != self._layer:
            self._layer = layer
            self.canvas.set_layer(layer)
            self.room.head.show_layer(layer)
            self._show_brush()

    def other_layer(self) -> None:
        if self.room.head.layer.isVisibleTo(self.room):
            self.choose_layer(next(name for name in self._brushes if name != self._layer))

    def choose_brush(self, pixels: float) -> None:
        self._brushes[self._layer] = pixels
        self._show_brush()

    def grow_brush(self, way: int) -> None:
        now = self._brushes[self._layer]
        steps = [s for s in self.steps if (s > now if way > 0 else s < now)]
        if steps:
            self.choose_brush(steps[0] if way > 0 else steps[-1])

    def choose_symmetry(self, name: str, turns: int) -> None:
        self._symmetry = (name, turns)
        self.canvas.set_symmetry(name, turns)
        self.room.strip.show_symmetry(name, turns)

    def next_symmetry(self) -> None:
        names = [name for name, _ in SYMMETRIES]
        after = names[(names.index(self._symmetry[0]) + 1) % len(names)]
        self.choose_symmetry(after, self._symmetry[1])

    def take_setting(self, name: str, value: Any) -> None:
        if name == "smoothing":
            self.canvas.set_smoothing(value)
        elif name == "pressure":
            self.canvas.set_pressure(bool(value))

    def _show_brush(self) -> None:
        width = self._brushes[self._layer]
        self.canvas.set_brush(width)
        self.room.head.show_brush(width)

    def open_stamps(self) -> None:
        shown = [(s.id, s.title, icon) for s, icon in self.stamps(self.studio.card)]
        self._stamps.show_samples(shown)
        self._stamps.open_at(self.room.strip.buttons["stamp"])

    def choose_stamp(self, id: str) -> None:
        raise NotImplementedError

    # ---- reference ------------------------------------------------------------------------------

    def remove_reference(self) -> None:
        self.reference = None
        self.canvas.set_reference(None, self._opacity)
        self.room.head.show_reference(False)
        self.studio.desk.save_soon()

    def set_reference_opacity(self, opacity: float) -> None:
        self._opacity = opacity
        self.room.head.reference_menu.opacity.show_number(opacity)
        self.studio.settings.remember("reference_opacity", opacity)
        if self.reference is not None:
            self.canvas.set_reference(self.reference, opacity)

    def fill_well(self, picture: Picture) -> bool:
        """Whether an empty image well took a photo."""
        for role, well in self.room.controls.wells.items():
            if well.picture() is None:
                well.set_picture(picture)
                self.studio.register_source(role, well.picture)
                return True
        return False

    def lay(self, picture: Picture) -> None:
        """A photo that was sent here lies under the drawing."""
        self.lay_reference(picture)

    def lay_reference(self, picture: Picture) -> None:
        self.reference = picture
        self.canvas.set_reference(picture, self._opacity)
        self.room.head.show_reference(True)
        self.studio.desk.save_soon()
