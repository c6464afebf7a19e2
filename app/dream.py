"""The Dream room: photo left with guide and channels below it, result right, controls at the edge.
Wires no Studio."""

from __future__ import annotations

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QHBoxLayout, QVBoxLayout, QWidget

from app.actions import Actions
from app.i18n import say
from app.room import HEAD, Room, inputs, title_line, well
from app.widgets.brushes import Brushes
from app.widgets.channels import HEIGHT, Channels
from app.widgets.faces import FacePhoto
from app.widgets.images import ImageWell
from app.widgets.parts import button, column, label, row, tool
from app.widgets.toolbar import PhotoHead
from engines.controls import ModelCard, Text

SHOWN_HERE = ("photo", "guide", "mask", "progress")  # roles that are no wells at the edge
LAYERS = "layers"  # the control that the channels belong to


class DreamRoom(Room):
    samples = "landscape*.jpg"

    guide_wanted = Signal()
    dream_wanted = Signal()
    stop_wanted = Signal()
    continue_wanted = Signal()
    film_wanted = Signal()

    def __init__(self, actions: Actions) -> None:
        head = PhotoHead({id: actions[id] for id in HEAD}, title="Result")
        super().__init__(head, "", SHOWN_HERE)
        self.zoomed = self.photo = FacePhoto("dream", "{width}x{height}")
        say(self.photo, "setAccessibleName", "Photo")
        say(self.viewer, "setAccessibleName", "Result")
        self.photo.file_wanted.connect(self.photo_wanted)
        self.photo.example_wanted.connect(self.example_wanted)
        self.brushes = Brushes(self.photo, "Paint where to dream")
        self.brush = tool("brush", "Paint where to dream", checkable=True)
        self.brush.toggled.connect(self._on_brush)
        self.open = tool("reference", "Open a photo…")
        self.example = tool("example", "A sample photo")
        self.open.clicked.connect(self.photo_wanted)
        self.example.clicked.connect(self.example_wanted)
        self.guide, self.channels = ImageWell("Guide"), Channels()
        self.guide.setFixedSize(148, HEIGHT)
        self.guide.clicked.connect(self.guide_wanted)
        say(self.guide, "setToolTip", "A picture whose features are to grow in the photo")
        self.add_parts(self._given(), self._below())

    def _given(self) -> QWidget:
        over = title_line("Photo", self.brush, self.example, self.open)
        given, box = inputs(over, self.brushes)
        box.addWidget(well(self.photo), 1)
        guide = QVBoxLayout()
        guide.setSpacing(6)
        self.open_guide = tool("reference", "Open a picture as guide…")
        self.open_guide.clicked.connect(self.guide_wanted)
        guide.addLayout(row(label("Guide", "title"), None, self.open_guide, space=4))
        guide.addWidget(self.guide)
        below = QHBoxLayout()
        below.setSpacing(8)
        below.addLayout(guide)
        below.addWidget(self.channels, 1)
        box.addLayout(below)
        return given

    def _below(self) -> QWidget:
        """Under the result: what it will take, and the buttons: dream or stop, go on, film."""
        self.hint = label(
            "Click the picture: the guide shows what that place takes after.", "small", wrap=True
        )
        self.hint.hide()
        self.plan = label("", "small", wrap=True)
        self.run, self.go_on = button("Dream", "primary"), button("Continue")
        self.film = button("Film…")
        say(self.go_on, "setToolTip", "Go on from the last picture, with the values of now")
        say(self.film, "setToolTip", "A film that goes on and on into the dream")
        self._busy = False
        self.run.clicked.connect(
            lambda: (self.stop_wanted if self._busy else self.dream_wanted).emit()
        )
        self.go_on.clicked.connect(self.continue_wanted)
        self.film.clicked.connect(self.film_wanted)
        below = QWidget()
        ways = row(self.run, self.go_on, self.film, self.plan, space=8)
        ways.setStretch(3, 1)
        box = column(self.hint, space=6)
        box.addLayout(ways)
        below.setLayout(box)
        return below

    def show_busy(self, busy: bool) -> None:
        self._busy = busy
        say(self.run, "setText", "Stop" if busy else "Dream")

    def show_plan(self, sentence: str) -> None:
        say(self.plan, "setText", sentence)

    def show_pointing(self, on: bool) -> None:
        """Whether a click on the result says where in the guide its features come from."""
        self.viewer.set_pointing(on)
        self.hint.setVisible(on)

    def show_card(self, card: ModelCard | None) -> None:
        super().show_card(card)
        control = card.control(LAYERS) if card else None
        self.channels.show_layers(control.layers if isinstance(control, Text) else ())

    def _on_brush(self, on: bool) -> None:
        self.brushes.setVisible(on)
        self.photo.set_painting(on)
