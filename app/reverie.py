"""The desk of the Dream room: a photo, its guide, where it is dreamt, and what comes of it; the
small pictures of channels, made one by one while nothing else runs."""

from __future__ import annotations

import re
from typing import Any

from PySide6.QtCore import QPointF

from app.commands import Change
from app.dream import LAYERS, DreamRoom
from app.masking import FromFilter
from app.pictures import to_qimage
from app.results import Shown
from app.studio import Studio
from app.table import Foresight, Table
from engines.controls import ImageInput, ModelCard
from engines.job import Cancelled, Event, Failed, Job, Picture, Result
from engines.thumbnails import Thumbnails, job

EMPTY = "Drop a photo here, paste one, or open a file."
WAITING = "The dream appears here."
MATCHES = "Match map"  # beside the result of a guided dream
LANE = "thumbnails"


class Reverie(Table):
    room: DreamRoom

    def __init__(self, room: DreamRoom, studio: Studio) -> None:
        super().__init__(room)
        self.room, self.studio = room, studio
        self.photo: Picture | None = None
        self._mask: Picture | None = None
        self._so_far: Picture | None = None  # what steps have made of it
        self._going_on = False
        self._thumbnails = Thumbnails()
        self._making: tuple[str, str, int | None] | None = None  # digest, layer, channel
        self._failed: set[tuple[str, str, int | None]] = set()
        self._foresight = Foresight(room, studio)
        room.photo.set_message(EMPTY)
        room.viewer.set_message(WAITING)
        room.viewer.icon = "dream"
        room.guide.changed.connect(self._on_guide)
        room.photo.mask_painted.connect(self.paint)
        room.brushes.cleared.connect(lambda: self.paint(None))
        self.from_filter = FromFilter(self, room.brushes, studio)
        room.dream_wanted.connect(studio.run)
        room.stop_wanted.connect(studio.cancel_all)
        room.continue_wanted.connect(self.go_on)
        room.viewer.pointed.connect(self._on_pointed)
        room.channels.chosen.connect(self._on_chosen)
        room.channels.wanted.connect(self._make_next)
        studio.recipe_restored.connect(self.take_back)
        studio.value_changed.connect(self._on_value)
        studio.preview_shown.connect(self._on_preview)
        studio.tasks_changed.connect(self._on_tasks)

    # ---- what the window asks --------------------------------------------------------------------

    def adopt(self, card: ModelCard | None) -> None:
        """Another model: it is given the same photo and the same guide."""
        if card is None:
            return
        self.ask_wells(c.role for c in card.inputs() if isinstance(c, ImageInput))
        self.studio.register_source("photo", lambda: self.photo)
        self.studio.register_source("guide", self.room.guide.picture)
        self.studio.register_source("mask", lambda: self._mask)
        self.studio.register_source("progress", lambda: self._so_far if self._going_on else None)
        self._show_layers()
        self._on_tasks()

    def take_photo(self, picture: Picture) -> bool:
        self.lay(picture)
        self.studio.touch()
        return True

    def lay(self, picture: Picture) -> None:
        if picture != self.photo:
            self._mask = None
        self.photo, self._so_far = picture, None
        self.room.photo.set_picture(picture)
        self.room.photo.show_mask(self._mask)
        self._on_tasks()

    def show_result(self, shown: Shown) -> None:
        self.room.viewer.show_picture(shown.picture, fade=True)
        self.room.viewer.set_before(self.photo)
        self.room.guide.mark(None)
        if self._dreams():
            self._so_far = shown.picture
        self.room.show_pointing(self._matches() is not None)
        self._on_tasks()

    def take_back(self, job: Job) -> None:
        """A recipe is back on the desk: its photo, its guide, its mask."""
        if "photo" not in job.images:
            return
        self.lay(job.images["photo"])
        self.room.guide.set_picture(job.images.get("guide"))
        self._mask = job.images.get("mask")
        self.room.photo.show_mask(self._mask)

    # ---- photo, guide and region -----------------------------------------------------------------

    def paint(self, mask: Picture | None) -> None:
        """Where it is dreamt; undoable."""
        if mask is not None or self._mask is not None:
            change = Change("Painted region", ("", "mask"), self._mask, mask, self._lay_mask, False)
            self.studio.undo_stack.push(change)

    def _lay_mask(self, mask: Picture | None) -> None:
        self._mask = mask
        self.room.photo.show_mask(mask)
        self.studio.touch()

    def _on_guide(self) -> None:
        self.room.show_pointing(self._matches() is not None)
        self.studio.touch()
        self._foresight.soon()

    def _matches(self) -> Picture | None:
        """Where in the guide the places of the picture shown come from, while that guide lies
        here."""
        shown = self.studio.shown
        same = shown is not None and shown.job.images.get("guide") == self.room.guide.picture()
        return shown.result.beside.get(MATCHES) if shown is not None and same else None

    def _on_pointed(self, place: QPointF) -> None:
        matches = self._matches()
        if matches is None:
            return
        column = min(int(place.x() * matches.width), matches.width - 1)
        row = min(int(place.y() * matches.height), matches.height - 1)
        right, down = matches.pixels[row, column, :2].astype(float) / 255
        self.room.guide.mark(QPointF(right, down))

    # ---- step by step ----------------------------------------------------------------------------

    def go_on(self) -> None:
        """From the last picture, with the values of now."""
        self._going_on = True
        self.studio.run()
        self._going_on = False

    def _dreams(self) -> bool:
        return self.studio.card is not None and self.studio.card.family == "dream"

    def _on_preview(self, picture: Picture) -> None:
        if self._dreams():
            self._so_far = picture

    def _on_tasks(self) -> None:
        if not self.room.in_use():
            return
        busy = bool(self.studio.tasks.running())
        self.room.show_busy(busy)
        self.room.run.setEnabled(busy or self.photo is not None)
        self.room.film.setEnabled(not busy and self.photo is not None)
        self.room.go_on.setEnabled(self._so_far is not None and not busy)
        if not busy:
            self._make_next()
            self._foresight.soon()

    # ---- layers and channels ---------------------------------------------------------------------

    def _on_value(self, name: str, _value: Any) -> None:
        if name == LAYERS:
            self._show_layers()

    def _show_layers(self) -> None:
        """The first layer that is named, where it is one of those offered."""
        text = str(self.studio.values.get(LAYERS, ""))
        name, _, numbers = re.split(r"[,;=\n]", text)[0].partition(":")
        channels = [int(n) for n in re.findall(r"\d+", numbers)]
        if self._dreams():
            self.room.channels.show_chosen(name.strip(), channels)

    def _on_chosen(self, layer: str, channels: list[int]) -> None:
        numbers = ":" + "+".join(map(str, channels)) if channels else ""
        self.studio.set_value(LAYERS, layer + numbers)

    def _make_next(self) -> None:
        """The next small picture that lacks, from the disk or from the worker, which does nothing
        else meanwhile."""
        card = self.studio.card
        if card is None or not self._dreams() or self._making is not None:
            return
        if not self.room.in_use() or self.studio.tasks.running():
            return
        digest, layer = card.checkpoint.partition("@")[2], self.room.channels.layer()
        wanted = [(digest, layer, channel) for channel in self.room.channels.strip.lacking()]
        self._making = next((key for key in wanted if key not in self._failed), None)
        if self._making is not None:
            key = self._making
            self.studio.background.do(lambda: self._thumbnails.find(*key), self._on_found)

    def _on_found(self, answer: Any) -> None:
        card = self.studio.card
        if isinstance(answer, Picture):
            self._show_small(answer)
        elif self._making is not None and card is not None:
            asked = job(card.checkpoint, *self._making[1:])
            self.studio.submit(asked, "Small picture", self._on_small, LANE)

    def _on_small(self, _ticket: int, event: Event) -> None:
        key = self._making
        if isinstance(event, Result) and key is not None:
            picture = event.picture
            self.studio.background.do(lambda: self._thumbnails.keep(*key, picture))
            self._show_small(picture)
        elif isinstance(event, Failed) and key is not None:
            self._failed.add(key)
            self._making = None
            self._make_next()
        elif isinstance(event, Cancelled):
            self._making = None

    def _show_small(self, picture: Picture) -> None:
        key, self._making = self._making, None
        if key is not None and key[1] == self.room.channels.layer():
            self.room.channels.strip.show_picture(key[2], to_qimage(picture))
        self._make_next()
