"""The desk of the Faces room: the photo, the faces found in it, and what was changed on each.

One face is worked on at a time; the others' changes lie in the photo that the model is given, as
patches over the original, so that every face can be taken up again.
"""

from __future__ import annotations

import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from PySide6.QtCore import Slot

from app.commands import Change
from app.explaining import Explaining
from app.faces import FacesRoom
from app.masking import FromFilter
from app.patches import Collage
from app.results import Shown
from app.studio import Studio
from app.table import Table
from app.widgets.faces import Spot
from engines.controls import (
    Attributes,
    Box,
    FacePoints,
    FaceTemplate,
    ImageInput,
    ModelCard,
    Slider,
    defaults,
)
from engines.job import Cancelled, Event, Job, Picture, Result, Value

ROLE, MASK, POINTS, BOX, OUTPUT = "face", "mask", "points", "box", "output"
EMPTY = "Drop a photo of people here."
WAITING = "The edited face appears here."
SEVERAL = ("all", "strip", "matrix", "back", "attention")  # values that ask for several pictures
LINEUP = "One face through every model"
TARGETS = "Every picture of this result"


@dataclass
class Face:
    """A face of the photo, and its sliders."""

    spot: Spot
    notes: tuple[str, ...] = ()
    values: Mapping[str, Value] | None = None


class Portrait(Table):
    room: FacesRoom

    def __init__(self, room: FacesRoom, studio: Studio) -> None:
        super().__init__(room)
        self.room, self.studio = room, studio
        self.photo: Picture | None = None  # as it was opened
        self.faces: list[Face] = []
        self.active = -1
        self.sheet: Picture | None = None  # of the pictures in the strip
        self._given: Picture | None = None  # the photo with the other faces' changes
        self._collage: Collage | None = None
        self._turn = 0  # late answers of the background are known by it
        self._mask: Picture | None = None
        self._asked: Job | None = None  # the search under way
        self._opened: Picture | None = None  # of a recipe, while it is compared with the photo here
        self._keep: tuple[float, ...] = ()  # points that a recipe asked for
        self._copied: dict[str, Value] = {}
        self._offered: tuple[Mapping[str, Value], ...] = ()  # what made the strip's pictures
        room.photo.set_message(EMPTY)
        room.viewer.set_message(WAITING)
        self.explaining = Explaining(room, studio)
        self.from_filter = FromFilter(self, room.brushes, studio)
        self._wire()

    def _wire(self) -> None:
        room, studio = self.room, self.studio
        room.photo.face_chosen.connect(self.choose)
        room.photo.points_moved.connect(self.move_points)
        room.photo.mask_painted.connect(self.paint)
        room.photo.region_moved.connect(lambda box: studio.set_value(BOX, box))
        room.unpainted.connect(lambda: self.paint(None))
        room.reset_wanted.connect(self.reset)
        room.surprise_wanted.connect(self.surprise)
        room.copy_wanted.connect(self.copy)
        room.paste_wanted.connect(self.paste)
        room.lineup_wanted.connect(self.line_up)
        room.strip.chosen.connect(self.take_offered)
        studio.tool_result.connect(self._on_tool)
        studio.recipe_restored.connect(self.take_back)
        studio.value_changed.connect(self._on_value)
        studio.values_adopted.connect(self._tell_points)

    # ---- what the window asks --------------------------------------------------------------------

    def adopt(self, card: ModelCard | None) -> None:
        """Another model: it is given the same face."""
        self.explaining.adopt(card)
        if card is None:
            return
        inputs = (c.role for c in card.inputs() if isinstance(c, ImageInput))
        self.ask_wells(role for role in inputs if role not in (ROLE, MASK))
        self.studio.register_source(ROLE, self._source)
        self.studio.register_source(MASK, lambda: self._mask)
        self.room.photo.set_outline(partial(_outline, card.face) if card.face else None)
        self.room.photo.show_region(None)
        if self._offered and "model" not in self._offered[-1]:
            self.room.strip.hide()
        for face in self.faces:
            face.values = None  # of another model's controls

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

    def lay(self, picture: Picture) -> None:
        """A photo that was sent here takes the place of the one on the desk."""
        self._lay(picture, ())

    def show_result(self, shown: Shown) -> None:
        result, viewer = shown.result, self.room.viewer
        viewer.show_picture(shown.picture, fade=shown.input_ms is None)
        self._show_before(shown)
        self.room.photo.show_region(result.region, chosen=bool(shown.job.values.get(BOX)))
        self.room.show_notes(result)
        if len(result.pictures) > 1:
            texts = result.texts if len(result.texts) == len(result.pictures) else ()
            self._offer(TARGETS, result, texts or [str(n + 1) for n in range(len(result.pictures))])
        if self._is_of_now(shown) and 0 <= self.active < len(self.faces):
            self._mark(self.faces if self._is_every() else [self.faces[self.active]])

    def _mark(self, faces: Sequence[Face]) -> None:
        """Their frames say whether the sliders, as they are now, change them."""
        edited = self._is_edited()
        if any(face.spot.edited != edited for face in faces):
            for face in faces:
                face.spot = replace(face.spot, edited=edited)
            self._show_faces()

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

    def paint(self, mask: Picture | None) -> None:
        """Where alone the face may change; None: everywhere. Undoable."""
        if mask is not None or self._mask is not None:
            change = Change(
                "Painted region", ("", "mask"), self._mask, mask, self._apply_mask, False
            )
            self.studio.undo_stack.push(change)

    def reset(self) -> None:
        """Every slider of this face at its start; one step of undo."""
        card = self.studio.card
        if card is not None:
            self._set_all("Reset", self._elsewhere(defaults(card)))

    def surprise(self) -> None:
        """Some attributes at random strengths, or every slider, within what the model was trained
        on; what is locked stays."""
        card, chance = self.studio.card, random.SystemRandom()
        moving = [c for c in card.controls if isinstance(c, Attributes | Slider)] if card else []
        moving = [c for c in moving if not c.still]
        chosen = next((c for c in moving if isinstance(c, Attributes)), None)
        if chosen is not None:
            locked = self.room.controls.locked(chosen.name)
            self._set_all("Surprise me", {chosen.name: _drawn(chosen, chance, locked)})
        elif moving:
            ends = {c.name: c.trained or (c.low, c.high) for c in moving}
            self._set_all("Surprise me", {n: round(chance.uniform(*e), 2) for n, e in ends.items()})
        if card is not None and card.seeded:
            self.studio.surprise_me()

    def copy(self) -> None:
        """Keep this face's settings for another one, in this photo or the next."""
        self._copied = self._elsewhere(self.studio.values)
        self.room.paste.setEnabled(bool(self._copied))

    def paste(self) -> None:
        self._set_all("Paste edit", self._copied)

    def _elsewhere(self, values: Mapping[str, Value]) -> dict[str, Value]:
        """Those that say nothing of places in this photo, nor of what is shown."""
        card = self.studio.card
        places = [c.name for c in card.controls if isinstance(c, FacePoints | Box)] if card else []
        return {k: v for k, v in values.items() if k not in (*places, OUTPUT)}

    def _set_all(self, title: str, values: Mapping[str, Value]) -> None:
        """As one step of undo; what is locked stays."""
        self.studio.undo_stack.beginMacro(title)
        for name, value in values.items():
            self.studio.set_value(name, self.room.controls.held(name, value))
        self.studio.undo_stack.endMacro()

    def _apply_mask(self, mask: Picture | None) -> None:
        self._show_mask(mask)
        self.studio.touch()

    def _go(self, index: int) -> None:
        self._leave()
        self.room.strip.hide()
        self.active = index
        face = self.faces[index]
        values = face.values if face.values is not None else self._untouched()
        self.studio.put_values({**values, POINTS: list(face.spot.points)})
        self._show_faces()
        self._given = None  # until the photo without this face's own change is there
        self._compose()

    def _untouched(self) -> dict[str, Value]:
        """The values of a face that nobody worked on: what moves is at its start, how the model
        works stays as it is."""
        card, values = self.studio.card, self.studio.values
        start = defaults(card) if card else {}
        sliders = [c for c in card.controls if isinstance(c, Attributes | Slider)] if card else []
        moving = [c.name for c in sliders if not c.still]
        return {**values, **{name: start[name] for name in moving}, BOX: []}

    # ---- several faces in one photo --------------------------------------------------------------

    def _leave(self) -> None:
        """Remember what the face in work looks like now. Where its last result is not there yet, or
        shows the face alone, it is computed behind the next face."""
        if not 0 <= self.active < len(self.faces) or self._collage is None:
            return
        if self._is_every():
            self._part()
            return
        face, shown, given, collage = (
            self.faces[self.active], self.studio.final, self._given, self._collage,
        )  # fmt: skip
        face.values = self.studio.values
        if given is None:
            return
        keep = partial(collage.keep, self.active, given, box=face.spot.box)
        if not self._is_edited():
            self.studio.background.do(partial(keep, None))
        elif shown is not None and self._is_of_now(shown) and self._whole(shown):
            self.studio.background.do(partial(keep, shown.picture))
        elif (job := self.studio.job(drawings=False)) is not None:
            self._make_late(job, keep)

    def _part(self) -> None:
        """The same edit was on every face; from now on each has it for itself."""
        job, photo, collage = self.studio.job(drawings=False), self.photo, self._collage
        if job is None or photo is None or collage is None:
            return
        self._mark(self.faces)
        for number, face in enumerate(self.faces):
            places: dict[str, Value] = {POINTS: list(face.spot.points), OUTPUT: "photo"}
            face.values = {**job.values, **places, **({BOX: []} if BOX in job.values else {})}
            if self._is_edited():
                keep = partial(collage.keep, number, photo, box=face.spot.box)
                self._make_late(job.with_(values=face.values), keep)

    def _make_late(self, job: Job, keep: Any) -> None:
        """One face in its photo, computed behind what is shown and given to `keep`."""
        card = self.studio.card
        start = defaults(card) if card else {}
        single = {k: start[k] for k, v in job.values.items() if str(v) in SEVERAL}
        job = job.with_(values={**job.values, **single, OUTPUT: "photo"})
        late = partial(self._on_late, self._collage, keep)
        self.studio.submit(job, card.title if card else "", late)

    def _on_late(self, collage: Collage | None, keep: Any, _ticket: int, event: Event) -> None:
        if isinstance(event, Result) and event.pictures and collage is self._collage:
            self.studio.background.do(partial(keep, event.picture))
            self._compose()

    def _compose(self) -> None:
        collage, index = self._collage, self.active
        self._turn += 1
        if collage is not None:
            answer = partial(self._on_composed, self._turn)
            self.studio.background.do(lambda: collage.without(index), answer)

    def _on_composed(self, turn: int, answer: Any) -> None:
        if turn == self._turn and isinstance(answer, Picture):
            self._given = answer
            self.studio.touch()

    def _is_of_now(self, shown: Shown) -> bool:
        """Whether the result is that of the face and the values on the desk."""
        given = self._source()
        same = given is not None and shown.job.images.get(ROLE) is given
        return (
            same
            and shown.job.images.get(MASK) is self._mask
            and (dict(shown.job.values) == self.studio.values)
        )

    def _source(self) -> Picture | None:
        """What the model is given: the photo with the other faces' changes, or, where it changes
        every face, the photo as it was opened."""
        if self._opened is not None or self._given is None:
            return self._opened
        return self.photo if self._is_every() else self._given

    def _is_every(self) -> bool:
        return self.studio.values.get(OUTPUT) == "every"

    def _is_edited(self) -> bool:
        """Whether a label was moved; models without labels change every face that they see."""
        card = self.studio.card
        now, start = self.studio.values, defaults(card) if card else {}
        labels = [c.name for c in card.controls if isinstance(c, Attributes)] if card else []
        return not labels or any(now.get(name) != start[name] for name in labels)

    def _whole(self, shown: Shown) -> bool:
        """Whether the result is the photo, not the face alone or a sheet."""
        return self.photo is not None and shown.picture.size == self.photo.size

    def _show_before(self, shown: Shown) -> None:
        """What wipe and hold show: the photo, or the same face in it."""
        viewer, card = self.room.viewer, self.studio.card
        points = shown.job.values.get(POINTS)
        alone = shown.job.values.get(OUTPUT) == "crop" and len(shown.result.pictures) == 1
        if self._whole(shown):
            viewer.set_before(self.photo)
        elif alone and card and card.face and self.photo and isinstance(points, list) and points:
            photo, face = self.photo, card.face
            self.studio.background.do(
                lambda: _crop(photo, face, points), partial(self._on_crop, shown)
            )
        else:
            viewer.set_before(None)

    def _on_crop(self, shown: Shown, answer: Any) -> None:
        if shown is self.studio.shown:
            self.room.viewer.set_before(answer if isinstance(answer, Picture) else None)

    # ---- the strip -------------------------------------------------------------------------------

    def line_up(self) -> None:
        """The face in work through every face model that is here."""
        entries = [e for e in self.studio.catalogue.entries() if "faces" in (e.rooms or ())]
        names = [f"{e.name}@{e.digest}" for e in entries if getattr(e, "installed", True)]
        if self._given is None or not names:
            return
        images = {ROLE: self._given}
        other = self.room.controls.picture("other")
        if other is not None:
            images["other"] = other
        values: dict[str, Value] = {"models": "\n".join(names), "wish": self._wish()}
        if 0 <= self.active < len(self.faces):
            values[POINTS] = list(self.faces[self.active].spot.points)
        job = Job("lineup", values=values, images=images)
        ticket = self.studio.submit(job, LINEUP, self._on_lineup)
        self.studio.tasks.add(LINEUP, ticket)

    def take_offered(self, index: int) -> None:
        """What a picture of the strip was made by comes onto the desk: a target, or a model."""
        values = dict(self._offered[index])
        model = str(values.pop("model", ""))
        entry = self.studio.catalogue.find(model) if model else None
        if not model:
            self._set_all("Target", values)
        elif entry is not None and self._given is not None:
            if 0 <= self.active < len(self.faces):
                values[POINTS] = list(self.faces[self.active].spot.points)
            self.studio.restore(Job(entry.family, model, values, {ROLE: self._given}))

    def _on_lineup(self, ticket: int, event: Event) -> None:
        self.studio.tasks.apply(ticket, event)
        if isinstance(event, Result):
            self.studio.tasks.forget(ticket)
            self._offer(LINEUP, event, event.texts)
        elif isinstance(event, Cancelled):
            self.studio.tasks.forget(ticket)

    def _offer(self, title: str, result: Result, texts: Sequence[str]) -> None:
        values = result.values
        self._offered = values if len(values) == len(texts) else tuple({} for _ in texts)
        texts = [text.replace(": identity distance ", " · id ") for text in texts]
        self.sheet = result.picture
        can = [bool(v) for v in self._offered]
        small = [self._around_face(picture) for picture in result.pictures]
        self.room.strip.show_pictures(title, small, texts, can)

    def _around_face(self, picture: Picture) -> Picture:
        """Of a whole photo the part around the face in work."""
        if self.photo is None or picture.size != self.photo.size or self.active < 0:
            return picture
        x, y, width, height = self.faces[self.active].spot.box
        left, top = max(int(x - 0.4 * width), 0), max(int(y - 0.4 * height), 0)
        part = np.s_[top : int(y + 1.3 * height), left : int(x + 1.4 * width)]
        return Picture(picture.pixels[part])

    def _wish(self) -> str:
        """The label that is changed most."""
        card = self.studio.card
        control = card.control("attributes") if card else None
        strengths = self.studio.values.get("attributes")
        if not isinstance(control, Attributes) or not isinstance(strengths, list):
            return ""
        most = max(range(len(strengths)), key=lambda n: abs(float(strengths[n])))
        return control.labels[most] if strengths[most] else ""

    # ---- the photo -------------------------------------------------------------------------------

    def _lay(self, picture: Picture, points: tuple[float, ...]) -> None:
        self.photo, self._given, self._opened = picture, picture, None
        self._collage, self._turn = Collage(picture), self._turn + 1
        self.faces, self.active, self._keep = [], -1, points
        self._mask = None
        self.room.strip.hide()
        self.room.photo.set_picture(picture)
        self._show_faces()
        self.room.show_count(None)
        self._asked = Job("faces", images={"photo": picture})
        self.studio.submit_tool(self._asked, "faces", "Looking for faces")

    @Slot(object, object)
    def _on_tool(self, job: Job, result: Result) -> None:
        if job is not self._asked:
            return
        self._asked = None
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

    def take_back(self, job: Job) -> None:
        """A recipe is back on the desk: its photo, and the face it was about."""
        picture = job.images.get(ROLE)
        if picture is None:
            return
        for role, other in job.images.items():
            if role in self.room.controls.wells:
                self.room.controls.wells[role].set_picture(other)
        points = job.values.get(POINTS)
        kept = tuple(float(n) for n in points) if isinstance(points, list | tuple) else ()
        kept = kept if len(kept) == 6 else ()
        mask, known = job.images.get(MASK), self.photo if self._is_every() else self._given
        if known is None:
            self._lay(picture, kept)
        elif known is not picture:  # at once what the model is given; its faces may be known here
            self._opened = picture
            answer = partial(self._on_compared, picture, kept, mask)
            self.studio.background.do(lambda: _same(picture, known), answer)
        self._show_mask(mask)

    def _on_compared(
        self, picture: Picture, points: tuple[float, ...], mask: Picture | None, answer: Any
    ) -> None:
        if picture is not self._opened:
            return
        self._opened = None
        if answer is not True:
            self._lay(picture, points)
            self._show_mask(mask)
        elif self._is_every():
            self.photo = picture
        else:
            self._given = picture

    def _show_mask(self, mask: Picture | None) -> None:
        self._mask = mask
        self.room.photo.show_mask(mask)


def _same(one: Picture, other: Picture) -> bool:
    """Whether two pictures look the same, told by one pixel in many first; no digest is needed."""
    if one is other or one.size != other.size or one.channels != other.channels:
        return one is other
    few = np.s_[::61, ::61]
    return np.array_equal(one.pixels[few], other.pixels[few]) and np.array_equal(
        one.pixels, other.pixels
    )


def _outline(template: FaceTemplate, points: Sequence[float]) -> Sequence[tuple[float, float]]:
    from engines import faces

    return faces.outline(points, template)


def _crop(photo: Picture, template: FaceTemplate, points: Sequence[Any]) -> Picture:
    from engines import faces

    return faces.cut(photo, template, [float(n) for n in points]).crop


def _supposed(size: tuple[int, int]) -> Spot:
    """Where a face may be when none was found: in the middle, for the handles to be moved."""
    width, height = size
    side = 0.5 * min(size)
    x, y = (width - side) / 2, (height - side) / 2
    points = (0.33, 0.38, 0.67, 0.38, 0.5, 0.75)
    placed = tuple(round((y if n % 2 else x) + p * side, 2) for n, p in enumerate(points))
    return Spot((x, y, side, side), placed)


def _drawn(
    control: Attributes, source: random.Random, locked: frozenset[int] = frozenset()
) -> list[float]:
    """One to three labels away from rest, one at most of an exclusive group; locked ones, and those
    of a group with a locked one in it, stay at rest (the panel keeps what is locked)."""
    low, high = control.trained or (control.low, control.high)
    rest = max(control.low, 0.0)
    drawn = [rest] * len(control.labels)
    groups = [next((g for g in control.exclusive if name in g), (name,)) for name in control.labels]
    taken = {name for place in locked for name in groups[place]}
    free = [place for place, name in enumerate(control.labels) if name not in taken]
    count = source.randint(1, min(3, len(free))) if free else 0
    for place in source.sample(free, count):
        if not taken & set(groups[place]):
            taken |= set(groups[place])
            share = source.uniform(0.5, 1.0)
            end = low if low < rest and source.random() < 0.4 else high
            drawn[place] = round(rest + share * (end - rest), 2)
    return drawn


def _face(body: Mapping[str, Any]) -> Face:
    """What the tool says of a face: {"box": [x, y, width, height], "points": [six], "notes": []}"""
    x, y, width, height = (float(n) for n in body["box"])
    points = tuple(float(n) for n in body["points"])[:6]
    return Face(Spot((x, y, width, height), points), tuple(body.get("notes", ())))
