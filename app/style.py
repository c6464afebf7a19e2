"""The Style room: photo left with the style below it, result right, controls at the edge. Wires no
Studio."""

from __future__ import annotations

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QFrame, QVBoxLayout, QWidget

from app.actions import Actions
from app.i18n import say
from app.room import HEAD, Room, inputs, title_line, well
from app.widgets.gallery import HEIGHT, Gallery
from app.widgets.images import ImageWell
from app.widgets.parts import Elided, button, label, row, tool
from app.widgets.regions import RegionBrushes, RegionPhoto
from app.widgets.toolbar import PhotoHead
from engines.controls import ModelCard

SHOWN_HERE = ("photo", "style", "progress", "before")  # roles that are no wells at the edge
MORE = (2, 3, 4)  # numbers of further styles
MASK = 76  # pixels: height of the well of a mask, which is painted on the photo as a rule
WHERE = ("Where the style goes", "Where the second style goes", "Where the third style goes",
         "Where the fourth style goes")  # fmt: skip


class StyleRoom(Room):
    samples = "landscape*.jpg"

    style_wanted = Signal()
    refine_wanted = Signal()
    continue_wanted = Signal()
    video_wanted = Signal()
    film_wanted = Signal()
    film_refused = Signal()

    def __init__(self, actions: Actions) -> None:
        head = PhotoHead({id: actions[id] for id in HEAD}, title="Result")
        super().__init__(head, "", SHOWN_HERE)
        self.zoomed = self.photo = RegionPhoto("style")
        say(self.photo, "setAccessibleName", "Photo to paint")
        self.brushes = RegionBrushes(self.photo, "Paint where the style goes", WHERE)
        self.brush = tool("brush", "Paint where each style goes", checkable=True)
        self.brush.toggled.connect(self._on_brush)
        self.open, self.open_video = (
            tool("reference", "Open a photo…"),
            tool("film", "Open a film…"),
        )
        self.open_video.clicked.connect(self.video_wanted)
        self.example = tool("example", "A sample photo")
        self.open.clicked.connect(self.photo_wanted)
        self.example.clicked.connect(self.example_wanted)
        self.photo.file_wanted.connect(self.photo_wanted)
        self.photo.example_wanted.connect(self.example_wanted)
        self.style_well, self.gallery = ImageWell("Style"), Gallery("Styles that come with Ganvas")
        self.style_well.setFixedSize(148, HEIGHT)
        self.style_well.clicked.connect(self.style_wanted)
        self.open_style = tool("reference", "Open a picture as style…")
        self.open_style.clicked.connect(self.style_wanted)
        over = title_line("Photo", self.brush, self.example, self.open_video, self.open)
        given, box = inputs(over, self.brushes)
        box.addWidget(well(self.photo), 1)
        box.addWidget(self._video_line())
        self.style_part = QWidget()
        below = QVBoxLayout(self.style_part)
        below.setContentsMargins(0, 0, 0, 0)
        below.setSpacing(6)
        below.addLayout(row(label("Style", "title"), None, self.open_style, space=4))
        below.addLayout(row(self.style_well, self.gallery, space=8))
        box.addWidget(self.style_part)
        self.plan = label("", "small", wrap=True)
        self.add_parts(given, self.plan)
        self.show_plan("")
        self.refine, self.go_on = button("Refine"), button("Continue")
        say(self.refine, "setToolTip", "Go on from this picture, step by step, for finer strokes")
        say(self.go_on, "setToolTip", "Go on from the last picture, with the values of now")
        self.refine.clicked.connect(self.refine_wanted)
        self.go_on.clicked.connect(self.continue_wanted)
        self.refine.hide()
        self.go_on.hide()
        self.controls_box.addLayout(row(self.refine, self.go_on, None))
        self.controls.picture_changed.connect(self._show_used)

    def _video_line(self) -> QWidget:
        """Under the photo, while it is the first picture of a film."""
        self.video, self.video_says = QFrame(), Elided("small")
        self.video.setObjectName("Card")
        self.film, self.no_film = button("Make film…"), tool("close", "Put the film away")
        say(self.film, "setToolTip", "Paint the whole film with the settings of now")
        self.film.clicked.connect(self.film_wanted)
        self.no_film.clicked.connect(self.film_refused)
        line = row(self.video_says, self.film, self.no_film, space=6)
        line.setContentsMargins(10, 6, 6, 6)
        line.setStretch(0, 1)
        self.video.setLayout(line)
        self.video.hide()
        return self.video

    def show_video(self, words: str) -> None:
        """What film lies here; "" for none."""
        self.video_says.setText(words)
        self.video_says.setToolTip(words)
        self.video.setVisible(bool(words))

    def show_card(self, card: ModelCard | None) -> None:
        super().show_card(card)
        self.style_part.setVisible(card is None or card.control("style") is not None)
        for number in (1, *MORE):
            if mask := self.controls.wells.get(mask_role(number)):
                mask.setFixedHeight(MASK)
        self._show_used()
        self.brush.setVisible("mask" in self.controls.wells)
        if self.brush.isHidden():
            self.brush.setChecked(False)

    def show_plan(self, sentence: str) -> None:
        self.plan.setVisible(bool(sentence))
        say(self.plan, "setText", sentence)

    def _on_brush(self, on: bool) -> None:
        self.brushes.setVisible(on)
        self.photo.set_painting(on)
        self._show_used()

    def _show_used(self, *_: object) -> None:
        """A further style is offered when the one before it is there; its amount, and that of the
        first, when there are two. Masks are shown where there are some, and offered for every
        style while one paints."""
        wells, fields = self.controls.wells, self.controls.fields
        there = [role for role in (f"style{n}" for n in MORE) if self.controls.picture(role)]
        for number in MORE:
            before = number == MORE[0] or f"style{number - 1}" in there
            if f"style{number}" in wells:
                wells[f"style{number}"].setVisible(before)
        for number in (1, *MORE):
            end = "" if number == 1 else str(number)
            used = bool(there) if number == 1 else f"style{number}" in there
            painting = self.brush.isChecked() and (number == 1 or used)
            painted = painting or self.controls.picture(f"mask{end}") is not None
            if f"amount{end}" in fields:
                fields[f"amount{end}"].setVisible(used)
            if f"mask{end}" in wells:
                wells[f"mask{end}"].setVisible(painted)
        used = [n for n in MORE if f"style{n}" in there and mask_role(n) in wells]
        self.brushes.show_numbers([1, *used])
        self.show_regions()

    def show_regions(self) -> None:
        """On the photo, what the wells of the masks hold."""
        self.photo.show_regions({n: self.controls.picture(mask_role(n)) for n in (1, *MORE)})


def mask_role(number: int) -> str:
    """Of the mask of a style, from 1 on."""
    return "mask" if number == 1 else f"mask{number}"
