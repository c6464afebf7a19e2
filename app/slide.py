"""The desk of the Translate room: the photo, what became of it, and what it should have become."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from PySide6.QtCore import Signal, Slot

from app.camera import Camera
from app.commands import Change
from app.masking import FromFilter
from app.results import Shown
from app.studio import Studio
from app.table import Table
from app.translate import DIRECTION, TranslateRoom
from engines.controls import Choice, ImageInput, ModelCard, SketchInput
from engines.job import Failed, Job, Picture, Result

PHOTO, MASK, TRUTH = "photo", "mask", "truth"  # roles; the last is the desk's alone
EMPTY = "Drop a photo here, paste one, or open a file."
WAITING = "The translated photo appears here."
MAIN = "result"
PATIENCE = 5.0  # seconds after which a frame is given up whose result does not come
VIEWS = ("Result", "Truth", "Difference")


@dataclass(frozen=True)
class View:
    """One picture of a result; `before` is what the wipe compares it with."""

    title: str
    picture: Picture
    before: Picture | None


class Slide(Table):
    room: TranslateRoom

    refused = Signal(str)  # why the camera gives no photos

    def __init__(self, room: TranslateRoom, studio: Studio, camera: Camera | None = None) -> None:
        super().__init__(room)
        self.room, self.studio = room, studio
        self.photo: Picture | None = None
        self._role = PHOTO
        self._mask: Picture | None = None
        self._view = MAIN
        self._compared: Result | None = None  # with the truth
        self._asked = ""  # digest of the comparison under way
        self.camera = camera or Camera(self)
        self._frame_at = 0.0  # when the frame came that is being read or translated; 0: none is
        self._reading = self._moves = False  # moves: the photo is a frame of the camera
        room.photo.set_message(EMPTY)
        room.viewer.set_message(WAITING)
        room.turn_wanted.connect(self.turn)
        room.origin_wanted.connect(self.go_back)
        room.view_chosen.connect(self.choose_view)
        room.camera_toggled.connect(self._on_camera)
        self.camera.arrived.connect(self._on_frame)
        self.camera.refused.connect(self._on_refused)
        room.photo.mask_painted.connect(self.paint)
        room.unpainted.connect(lambda: self.paint(None))
        self.from_filter = FromFilter(self, room.brushes, studio)
        room.truth.changed.connect(self._on_truth)
        studio.register_source(TRUTH, room.truth.picture)
        studio.tool_result.connect(self._on_tool)
        studio.recipe_restored.connect(self.take_back)

    # ---- what the window asks --------------------------------------------------------------------

    def adopt(self, card: ModelCard | None) -> None:
        """Another model: it is given the same photo."""
        if card is None:
            return
        for control in card.inputs():
            if control.role in self.room.controls.wells:
                well = self.room.controls.wells[control.role]
                self.studio.register_source(control.role, well.picture)
        self._role = photo_role(card)
        self.studio.register_source(self._role, lambda: self.photo)
        self.studio.register_source(MASK, lambda: self._mask)

    def take_photo(self, picture: Picture) -> bool:
        """A photo by drop, paste or file; what else the model needs is filled first where the photo
        is there already."""
        card = self.studio.card
        needed = {c.role for c in card.inputs() if not c.optional} if card else set[str]()
        for role, well in self.room.controls.wells.items():
            if self.photo is not None and role in needed and well.picture() is None:
                well.set_picture(picture)
                return False
        self.lay(picture)
        self.studio.touch()
        return True

    def lay(self, picture: Picture) -> None:
        """Put a photo on the desk, without asking for a result."""
        self.room.camera.setChecked(False)
        if picture != self.photo:
            self.room.truth.set_picture(None)  # it belongs to the photo before
        self.photo, self._mask = picture, None
        self.room.photo.set_picture(picture)
        origin = self.studio.origin(picture)
        self.room.show_origin(_name(origin) if origin else "")

    def paint(self, mask: Picture | None) -> None:
        """Where the model is to work; undoable."""
        if mask is not None or self._mask is not None:
            change = Change(
                "Painted region", ("", "mask"), self._mask, mask, self._apply_mask, False
            )
            self.studio.undo_stack.push(change)

    def _apply_mask(self, mask: Picture | None) -> None:
        self._mask = mask
        self.room.photo.show_mask(mask)
        self.studio.touch()

    def show_result(self, shown: Shown) -> None:
        self._frame_at = 0.0
        self._compared = None
        self._show(fade=shown.input_ms is None)
        truth = self.room.truth.picture()
        if truth is not None:
            job = Job("difference", images={"made": shown.picture, "truth": truth})
            self._asked = job.digest
            self.studio.submit_tool(job, "difference", "Comparing with the truth")

    def show_failure(self, failed: Failed) -> None:
        super().show_failure(failed)
        self.room.camera.setChecked(False)  # every frame would fail alike

    # ---- the camera ------------------------------------------------------------------------------

    def _on_camera(self, on: bool) -> None:
        self._frame_at = 0.0
        if on:
            self.camera.start()
            return
        self.camera.stop()
        if self._moves:
            self._moves = False
            self.studio.touch()  # the last frame is a photo like any other

    def _on_refused(self, sentence: str) -> None:
        self.room.camera.setChecked(False)
        self.refused.emit(sentence)

    def _on_frame(self, frame: Any) -> None:
        """One frame at a time: while it is read and translated others pass by unseen, so that the
        next one is the newest."""
        if not self.room.in_use():
            self.room.camera.setChecked(False)
        elif not self._reading and time.monotonic() - self._frame_at > PATIENCE:
            self._reading, self._frame_at = True, time.monotonic()
            self.studio.background.do(lambda: self.camera.read(frame), self._on_read)

    def _on_read(self, answer: Any) -> None:
        self._reading = False
        if not self.room.camera.isChecked() or not isinstance(answer, Picture):
            return
        self.photo, self._moves = answer, True
        self.room.photo.set_picture(answer)
        self.room.photo.show_mask(self._mask)
        self.room.show_origin("")
        if self.studio.live and self.studio.card is not None:
            self.studio.flow()
        else:
            self._frame_at = 0.0

    # ---- what is seen of the result --------------------------------------------------------------

    def choose_view(self, view: str) -> None:
        self._view = view
        self._show(fade=False)

    def views(self) -> dict[str, View]:
        """The pictures of the result; where the truth is known, that and the difference from it."""
        shown = self.studio.shown
        if shown is None:
            return {}
        before = shown.job.images.get(self._role)
        found = {MAIN: View(VIEWS[0], shown.picture, before)}
        for title, picture in shown.result.beside.items():
            found[title] = View(title, picture, before)
        truth = self.room.truth.picture()
        if truth is not None:
            found[TRUTH] = View(VIEWS[1], truth, shown.picture)
            if self._compared is not None:
                found["difference"] = View(VIEWS[2], self._compared.pictures[0], truth)
        return found

    def _show(self, fade: bool) -> None:
        views, shown = self.views(), self.studio.shown
        if not views or shown is None:
            return
        chosen = self._view if self._view in views else MAIN
        view = views[chosen]
        self.room.show_views([(id, view.title) for id, view in views.items()], chosen)
        self.room.viewer.show_picture(view.picture, fade)
        self.room.viewer.set_before(view.before)
        whole = view.picture is shown.picture  # only that one has a file with its recipe
        self.room.viewer.set_drag_source(self.studio.drag_file if whole else lambda: None)
        compared = self._compared.numbers if self._compared else {}
        known = self.studio.card.notes if self.studio.card else ()
        notes = [note for note in dict.fromkeys(shown.result.notes) if note not in known]
        self.room.show_numbers({**shown.result.numbers, **compared}, notes)

    def _on_truth(self) -> None:
        self.studio.desk.save_soon()
        if self.studio.shown is not None and self.room.in_use():
            self.show_result(self.studio.shown)

    @Slot(object, object)
    def _on_tool(self, job: Job, result: Result) -> None:
        if job.family == "difference" and job.digest == self._asked:
            self._asked, self._compared = "", result
            self._show(fade=False)

    # ---- directions, recipes, chains -------------------------------------------------------------

    def turn(self) -> None:
        """The other direction; one step of undo."""
        card = self.studio.card
        control = card.control(DIRECTION) if card else None
        if isinstance(control, Choice):
            now = self.studio.values.get(DIRECTION)
            other = next(value for value, _ in control.options if value != now)
            self.studio.set_value(DIRECTION, other)

    def go_back(self) -> None:
        """To the job that made the photo."""
        origin = self.studio.origin(self.photo)
        if origin is not None:
            self.studio.restore(origin)

    def take_back(self, job: Job) -> None:
        """A recipe is back on the desk. Before the first card is here nobody knows whose it is."""
        picture = job.images.get(PHOTO)
        if picture is None and (self.studio.card is None or self.room.in_use()):
            drawn = job.images.get(self._role if self.studio.card else "edges")
            picture = drawn if drawn is not None and drawn.channels > 1 else None
        if picture is None:
            return
        if picture != self.photo or self.studio.origin(picture) is not None:
            self.lay(picture)
        for role, other in job.images.items():
            if role in self.room.controls.wells:
                self.room.controls.wells[role].set_picture(other)
        self._mask = job.images.get(MASK)
        self.room.photo.show_mask(self._mask)
        if job.images.get(TRUTH) is not None:
            self.room.truth.set_picture(job.images[TRUTH])


def photo_role(card: ModelCard) -> str:
    """The input that is the photo of this room."""
    inputs = card.inputs()
    roles = [c.role for c in inputs if isinstance(c, ImageInput) and c.role == PHOTO]
    roles += [c.role for c in inputs if isinstance(c, SketchInput) and c.photo]
    roles += [c.role for c in inputs if not c.optional]
    return roles[0] if roles else PHOTO


def _name(job: Job) -> str:
    return job.checkpoint.partition("@")[0] or job.family
