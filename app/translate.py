"""The Translate room: a photo left, what became of it right, in as many views as there are. Wires
no Studio."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QVBoxLayout, QWidget

from app.actions import Actions
from app.i18n import say
from app.room import HEAD, Room, inputs, title_line, well
from app.widgets.brushes import Brushes
from app.widgets.faces import FacePhoto
from app.widgets.images import ImageWell
from app.widgets.numbers import Numbers
from app.widgets.parts import Segments, button, label, tool
from app.widgets.toolbar import PhotoHead
from engines.controls import Choice, ImageInput, ModelCard

DIRECTION = "direction"  # the control of nets that know both
SOFT = 0.7  # of the brush where a result fades into the photo


class TranslateRoom(Room):
    says_notes = True
    samples = "landscape*.jpg"

    turn_wanted = Signal()
    camera_toggled = Signal(bool)
    origin_wanted = Signal()
    view_chosen = Signal(str)
    unpainted = Signal()

    def __init__(self, actions: Actions) -> None:
        head = PhotoHead({id: actions[id] for id in HEAD}, title="Result")
        super().__init__(head, "How well the photo fits", elsewhere=("photo", "mask"))
        self.zoomed = self.photo = FacePhoto("translate", "{width}x{height}")
        self.viewer.icon = "translate"
        say(self.photo, "setAccessibleName", "Photo")
        say(self.viewer, "setAccessibleName", "Result")
        self.photo.file_wanted.connect(self.photo_wanted)
        self.photo.example_wanted.connect(self.example_wanted)
        self.origin = button("", "link")
        self.origin.clicked.connect(self.origin_wanted)
        say(self.origin, "setToolTip", "Back to the step before")
        self.turn = tool("turn", "The other direction")
        self.turn.clicked.connect(self.turn_wanted)
        self.example = tool("example", "A sample photo")
        self.example.clicked.connect(self.example_wanted)
        self.open = tool("reference", "Open a photo…")
        self.open.clicked.connect(self.photo_wanted)
        self.camera = tool("camera", "Live from the camera", checkable=True)
        self.camera.toggled.connect(self.camera_toggled)
        self.brush = tool("brush", "Paint where the result counts", checkable=True)
        self.brush.toggled.connect(self._show_brushes)
        self.brushes = Brushes(self.photo, "")
        self.brushes.cleared.connect(self.unpainted)
        self.numbers, self.notes = Numbers(), label("", "small", wrap=True)
        self.truth = ImageWell("True picture, to compare with")
        self.truth.setFixedHeight(92)
        self.views: Segments | None = None
        self._titles: tuple[tuple[str, str], ...] = ()
        self._paints = self._gates = False  # a region; one that gates the result
        self._above = QVBoxLayout()
        self.add_parts(self._given(), self._below())
        self.controls_box.addSpacing(6)
        self.controls_box.addWidget(self.truth)
        self.show_origin("")
        self.notes.hide()
        self._fold()

    def _given(self) -> QWidget:
        tools = (self.origin, self.brush, self.turn, self.example, self.camera, self.open)
        given, box = inputs(title_line("Photo", *tools), self.brushes)
        box.addWidget(well(self.photo), 1)
        return given

    def _below(self) -> QWidget:
        self.below = below = QWidget()
        box = QVBoxLayout(below)
        box.setContentsMargins(0, 0, 0, 0)
        box.setSpacing(6)
        box.addLayout(self._above)
        box.addWidget(self.numbers)
        box.addWidget(self.notes)
        return below

    def show_card(self, card: ModelCard | None) -> None:
        super().show_card(card)
        self.photo_head.surprise.setVisible(bool(card and card.seeded))
        mask = card.control("mask") if card else None
        self._gates = isinstance(mask, ImageInput) and mask.gates
        self._paints = mask is not None
        self.brush.setVisible(self._gates)
        words = "Paint where the result counts" if self._gates else "Paint over the region"
        say(self.brushes.said, "setText", words)
        self._show_brushes()
        control = card.control(DIRECTION) if card else None
        self.turn.setVisible(isinstance(control, Choice) and len(control.options) == 2)

    def _show_brushes(self, *_: object) -> None:
        """Where a model needs a region always; where a mask may gate it when one asks for it."""
        shown = self._paints and (self.brush.isChecked() or not self._gates)
        self.brushes.setVisible(shown)
        self.photo.set_painting(shown, SOFT if self._gates else 0.0)

    def show_origin(self, title: str) -> None:
        """What made the photo, where it was sent here; "" for a photo of one's own."""
        self.origin.setVisible(bool(title))
        if title:
            say(self.origin, "setText", "Made by {title}", title=title)

    def show_views(self, views: Sequence[tuple[str, str]], chosen: str) -> None:
        """(id, title) of what can be seen of the result; one alone needs no choice."""
        titles = tuple(views) if len(views) > 1 else ()
        if titles != self._titles:
            self._titles = titles
            if self.views is not None:
                self._above.removeWidget(self.views)
                self.views.hide()
                self.views.deleteLater()
                self.views = None
            if titles:
                self.views = Segments(titles, "What to see of the result")
                self.views.chosen.connect(self.view_chosen)
                self._above.addWidget(self.views)
        if self.views is not None:
            self.views.show_value(chosen)
        self._fold()

    def show_numbers(self, numbers: Mapping[str, float], notes: Sequence[str]) -> None:
        """What was measured of the result, and what else is to be said of it."""
        self.numbers.show_numbers(numbers)
        said = " ".join(notes)
        say(self.notes, "setText", said)
        self.notes.setVisible(bool(said))
        self._fold()

    def _fold(self) -> None:
        """Nothing below the result takes no room."""
        parts = (self.numbers, self.notes)
        self.below.setVisible(self.views is not None or not all(p.isHidden() for p in parts))
