"""Masks from filters on a desk whose photo is painted on: asks for them, shows them over the photo
while one tries, and gives the one that is used to the desk, as if it had been painted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QObject, Slot

from app.widgets.brushes import Brushes
from app.widgets.maskfilter import MaskFilter
from engines.family import families
from engines.job import Job, Picture, Result

if TYPE_CHECKING:
    from app.studio import Studio

TOOL = "mask"  # the tool, and its lane


class FromFilter(QObject):
    """table: a desk with `photo`, `paint(mask)` and `room.photo`, on which the brushes paint."""

    def __init__(self, table: Any, brushes: Brushes, studio: Studio) -> None:
        super().__init__(table)
        self._table, self._brushes, self._studio = table, brushes, studio
        self._before: Picture | None = None  # what was painted when the popover opened
        self._made: Picture | None = None
        self._asked: Job | None = None  # whose answer is not here yet
        self._using = False  # the answer is to be used as soon as it is here
        self.popover = MaskFilter(brushes)
        brushes.filter.clicked.connect(self.offer)
        self.popover.wanted.connect(self._ask)
        self.popover.used.connect(self._on_used)
        self.popover.given_up.connect(self._on_given_up)
        studio.tool_result.connect(self._on_tool)

    def offer(self) -> None:
        if self._table.photo is None:
            self._studio.told.emit("A mask is taken from a photo: open one first.")
            return
        self._before, self._made = self._table.room.photo.painted(), None
        card = families()[TOOL].card(None)
        self.popover.offer(card, self._brushes, self._before is not None)

    def _ask(self, values: dict[str, Any]) -> None:
        pictures = {"photo": self._table.photo, "painted": self._before}
        given = {role: picture for role, picture in pictures.items() if picture is not None}
        self._asked = Job(TOOL, values=values, images=given)
        self._studio.submit_tool(self._asked, TOOL, "Mask from a filter")

    @Slot(object, object)
    def _on_tool(self, job: Job, result: Result) -> None:
        if job is not self._asked:
            return
        self._asked, self._made = None, result.picture
        self._table.room.photo.show_mask(self._made)
        self.popover.show_share(result.numbers["share"])
        if self._using:
            self._on_used()

    def _on_used(self) -> None:
        self._using = self._asked is not None
        if not self._using:
            self._table.paint(self._made)

    def _on_given_up(self) -> None:
        self._asked = None
        self._table.room.photo.show_mask(self._before)
