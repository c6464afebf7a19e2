"""The desk of the Faces room: the photo, the faces found in it, and what was changed on each.

One face is worked on at a time; the others' changes lie in the photo that the model is given, as
patches over the original, so that every face can be taken up again.
"""

from __future__ import annotations

import json
import random
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from PySide6.QtCore import QObject, Slot

from app.commands import Change
from app.faces import FacesRoom
from app.results import Shown
from app.studio import Studio
from app.widgets.faces import Spot
from engines.controls import Attributes, ImageInput, ModelCard, defaults
from engines.job import Failed, Job, Picture, Result, Value

ROLE, POINTS = "face", "points"
EMPTY = "Drop a photo of people here."
WAITING = "The edited face appears here."


@dataclass(frozen=True)
class Patch:
    """Pixels (H, W, C) uint8 that a face's change put at (x, y) of the photo."""

    x: int
    y: int
    pixels: np.ndarray


@dataclass
class Face:
    """A face of the photo; `values` are its sliders, `patch` what they made of it."""

    spot: Spot
    notes: tuple[str, ...] = ()
    values: Mapping[str, Value] | None = None
    patch: Patch | None = None


def difference(
    before: Picture, after: Picture, box: tuple[float, float, float, float]
) -> Patch | None:
    """What changed around a face (x, y, width, height), as the smallest rectangle; None where
    nothing did or the sizes differ. Looks no further than 1.5 boxes away: no template does."""
    if before.size != after.size or before.channels != after.channels:
        return None
    x, y, width, height = box
    left, top = max(int(x - 1.5 * width), 0), max(int(y - 1.5 * height), 0)
    around = np.s_[top : int(y + 2.5 * height) + 1, left : int(x + 2.5 * width) + 1]
    old, new = before.pixels[around], after.pixels[around]
    changed = (old != new).reshape(*old.shape[:2], -1).any(2)
    rows, columns = np.flatnonzero(changed.any(1)), np.flatnonzero(changed.any(0))
    if not len(rows):
        return None
    inner = new[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    return Patch(left + int(columns[0]), top + int(rows[0]), inner)


def patched(photo: Picture, patches: list[Patch]) -> Picture:
    if not patches:
        return photo
    pixels = photo.pixels.copy()
    for patch in patches:
        height, width = patch.pixels.shape[:2]
        pixels[patch.y : patch.y + height, patch.x : patch.x + width] = patch.pixels
    return Picture(pixels)


class Portrait(QObject):
    def __init__(self, room: FacesRoom, studio: Studio) -> None:
        super().__init__(room)
        self.room, self.studio = room, studio
        self.photo: Picture | None = None  # as it was opened
        self.faces: list[Face] = []
        self.active = -1
        self._given: Picture | None = None  # the photo with the other faces' changes
        self._asked = ""  # digest of the search under way
        self._keep: tuple[float, ...] = ()  # points that a recipe asked for
        self._copied: dict[str, Value] = {}
        room.photo.set_message(EMPTY)
        room.viewer.set_message(WAITING)
        room.photo.face_chosen.connect(self.choose)
        room.photo.points_moved.connect(self.move_points)
        room.reset_wanted.connect(self.reset)
        room.surprise_wanted.connect(self.surprise)
        room.copy_wanted.connect(self.copy)
        room.paste_wanted.connect(self.paste)
        studio.tool_result.connect(self._on_tool)
        studio.recipe_restored.connect(self._on_recipe)
        studio.value_changed.connect(self._on_value)

    # ---- what the window asks --------------------------------------------------------------------

    def adopt(self, card: ModelCard | None) -> None:
        """Another model: it is given the same face."""
        if card is None:
            return
        for control in card.inputs():
            if isinstance(control, ImageInput) and control.role != ROLE:
                role = control.role
                self.studio.register_source(
                    role, lambda role=role: self.room.controls.picture(role)
                )
        self.studio.register_source(ROLE, lambda: self._given)
        for face in self.faces:
            face.values = None  # of another model's controls
        self._tell_points()

    def take_photo(self, picture: Picture) -> bool:
        """A photo by drop, paste or file; a second well of the model takes it first where the photo
        is there already."""
        for role, well in self.room.controls.wells.items():
            if self.photo is not None and well.picture() is None:
                well.set_picture(picture)
                self.studio.register_source(role, well.picture)
                return False
        self._lay(picture, ())
        self.studio.touch()
        return True

    def show_result(self, shown: Shown) -> None:
        live = shown.input_ms is not None
        self.room.viewer.show_picture(shown.picture, fade=not live)
        self.room.viewer.set_before(self.photo if self._whole(shown) else None)
        if 0 <= self.active < len(self.faces) and shown.job.images.get(ROLE) is self._given:
            edited = self._is_edited()
            face = self.faces[self.active]
            if face.spot.edited != edited:
                face.spot = replace(face.spot, edited=edited)
                self._show_faces()

    def show_failure(self, failed: Failed) -> None:
        if self.studio.shown is None:
            self.room.viewer.set_message(failed.message, "Run", failed=True)

    def set_wipe(self, on: bool) -> None:
        self.room.viewer.set_wipe(on)

    def take_setting(self, name: str, value: Any) -> None:
        """No setting concerns this room alone."""

    # ---- faces -----------------------------------------------------------------------------------

    def choose(self, index: int) -> None:
        """Work on another face; undoable, with its own sliders."""
        if index != self.active and 0 <= index < len(self.faces):
            change = Change("Face", ("", "face"), self.active, index, self._go, False)
            self.studio.undo_stack.push(change)

    def move_points(self, points: list[float]) -> None:
        """Eyes and mouth were put right by hand."""
        if 0 <= self.active < len(self.faces):
            self.studio.set_value(POINTS, list(points))

    def reset(self) -> None:
        """Every slider of this face at its start; one step of undo."""
        card = self.studio.card
        if card is not None:
            self._set_all("Reset", defaults(card))

    def surprise(self) -> None:
        """Some attributes at random strengths, within what the model was trained on."""
        card = self.studio.card
        controls = card.controls if card else ()
        chosen = next((c for c in controls if isinstance(c, Attributes)), None)
        if chosen is not None:
            self._set_all("Surprise me", {chosen.name: _drawn(chosen, random.SystemRandom())})

    def copy(self) -> None:
        """Keep this face's settings for another one, in this photo or the next."""
        self._copied = {k: v for k, v in self.studio.values.items() if k not in (POINTS, "output")}
        self.room.paste.setEnabled(bool(self._copied))

    def paste(self) -> None:
        self._set_all("Paste edit", self._copied)

    def _set_all(self, title: str, values: Mapping[str, Value]) -> None:
        """As one step of undo."""
        self.studio.undo_stack.beginMacro(title)
        for name, value in values.items():
            if name != POINTS:
                self.studio.set_value(name, value)
        self.studio.undo_stack.endMacro()

    def _go(self, index: int) -> None:
        self._put_aside()
        self.active = index
        face = self.faces[index]
        others = [f.patch for n, f in enumerate(self.faces) if n != index and f.patch]
        assert self.photo is not None
        self._given = patched(self.photo, others)
        card = self.studio.card
        values = face.values if face.values is not None else defaults(card) if card else {}
        self.studio.put_values({**values, POINTS: list(face.spot.points)})
        self._show_faces()
        self.studio.touch()

    def _put_aside(self) -> None:
        """Remember what the face in work looks like now."""
        if not 0 <= self.active < len(self.faces):
            return
        face, shown = self.faces[self.active], self.studio.shown
        face.values = self.studio.values
        if shown is None or self._given is None or shown.job.images.get(ROLE) is not self._given:
            return
        edited = self._is_edited()
        face.patch = difference(self._given, shown.picture, face.spot.box) if edited else None

    def _is_edited(self) -> bool:
        card = self.studio.card
        now, start = self.studio.values, defaults(card) if card else {}
        return any(now.get(k) != v for k, v in start.items() if k not in (POINTS, "output"))

    def _whole(self, shown: Shown) -> bool:
        """Whether the result is the photo, not the face alone: only then they can be wiped."""
        return self.photo is not None and shown.picture.size == self.photo.size

    def _lay(self, picture: Picture, points: tuple[float, ...]) -> None:
        self.photo, self._given = picture, picture
        self.faces, self.active, self._keep = [], -1, points
        self.room.photo.set_picture(picture)
        self._show_faces()
        self.room.show_count(None)
        job = Job("faces", images={"photo": picture})
        self._asked = job.digest
        self.studio.submit_tool(job, "faces", "Looking for faces")

    @Slot(object, object)
    def _on_tool(self, job: Job, result: Result) -> None:
        if job.family != "faces" or job.digest != self._asked:
            return
        self._asked = ""
        found = json.loads(result.texts[0]) if result.texts else []
        self.faces = [_face(body) for body in found]
        self.room.show_count(len(self.faces))
        if not self.faces and self.photo is not None:
            self.faces = [Face(_supposed(self.photo.size))]
            self.room.adjust.setChecked(True)
        if self.faces:
            self.active = self._nearest(self._keep) if self._keep else 0
            if self._keep:
                face = self.faces[self.active]
                face.spot = replace(face.spot, points=self._keep)
        self._show_faces()
        if not self._keep:
            self._tell_points()
            self.studio.touch()

    def _nearest(self, points: tuple[float, ...]) -> int:
        """The face whose points lie nearest to these."""
        far = [float(np.abs(np.subtract(face.spot.points, points)).sum()) for face in self.faces]
        return int(np.argmin(far))

    def _tell_points(self) -> None:
        """The model is told where the face is, which is no step to undo."""
        if 0 <= self.active < len(self.faces):
            self.studio.put_values({POINTS: list(self.faces[self.active].spot.points)})

    def _on_value(self, name: str, value: Value) -> None:
        """The points were set: by hand, or by undo."""
        if name != POINTS or not 0 <= self.active < len(self.faces):
            return
        points = tuple(float(n) for n in value) if isinstance(value, list | tuple) else ()
        face = self.faces[self.active]
        if len(points) == 6 and points != face.spot.points:
            face.spot = replace(face.spot, points=points)
            self._show_faces()

    def _show_faces(self) -> None:
        self.room.photo.show_faces([face.spot for face in self.faces], self.active)

    def _on_recipe(self, job: Job) -> None:
        """A recipe is back on the desk: its photo, and the face it was about."""
        picture = job.images.get(ROLE)
        if picture is None:
            return
        for role, other in job.images.items():
            if role in self.room.controls.wells:
                self.room.controls.wells[role].set_picture(other)
        points = job.values.get(POINTS)
        kept = tuple(float(n) for n in points) if isinstance(points, list | tuple) else ()
        if picture != self._given:
            self._lay(picture, kept if len(kept) == 6 else ())


def _supposed(size: tuple[int, int]) -> Spot:
    """Where a face may be when none was found: in the middle, for the handles to be moved."""
    width, height = size
    side = 0.5 * min(size)
    x, y = (width - side) / 2, (height - side) / 2
    points = (0.33, 0.38, 0.67, 0.38, 0.5, 0.75)
    placed = tuple(round((y if n % 2 else x) + p * side, 2) for n, p in enumerate(points))
    return Spot((x, y, side, side), placed)


def _drawn(control: Attributes, source: random.Random) -> list[float]:
    """One to three labels away from rest, one at most of an exclusive group."""
    low, high = control.trained or (control.low, control.high)
    rest = max(control.low, 0.0)
    drawn = [rest] * len(control.labels)
    count = source.randint(1, min(3, len(drawn)))
    taken: set[str] = set()
    for index in source.sample(range(len(drawn)), count):
        name = control.labels[index]
        group = next((g for g in control.exclusive if name in g), (name,))
        if not taken & set(group):
            taken |= set(group)
            share = source.uniform(0.5, 1.0)
            end = low if low < rest and source.random() < 0.4 else high
            drawn[index] = round(rest + share * (end - rest), 2)
    return drawn


def _face(body: Mapping[str, Any]) -> Face:
    """What the tool says of a face: {"box": [x, y, width, height], "points": [six], "notes": []}"""
    x, y, width, height = (float(n) for n in body["box"])
    points = tuple(float(n) for n in body["points"])[:6]
    return Face(Spot((x, y, width, height), points), tuple(body.get("notes", ())))
