"""The Faces room: a photo with its faces left, the result right, sliders at the edge. Wires no
Studio."""

from __future__ import annotations

from functools import partial

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QMenu, QWidget

from app.actions import Actions
from app.i18n import say
from app.room import HEAD, Room, inputs, title_line, well
from app.widgets.brushes import Brushes
from app.widgets.faces import FacePhoto
from app.widgets.fit import FitGauge
from app.widgets.judged import JudgedView
from app.widgets.parts import button, column, label, row, tool
from app.widgets.strip import PictureStrip
from app.widgets.toolbar import PhotoHead
from engines.controls import ModelCard
from engines.job import Result


class FacesRoom(Room):
    says_notes = True
    samples = "faces-*.jpg"

    adjusting = Signal(bool)
    reset_wanted = Signal()
    surprise_wanted = Signal()
    copy_wanted = Signal()
    paste_wanted = Signal()
    others_wanted = Signal(str)  # the same edit on other photos: on "every" face, or in the "photo"
    lineup_wanted = Signal()  # the face through every model
    unpainted = Signal()

    def __init__(self, actions: Actions) -> None:
        head = PhotoHead({id: actions[id] for id in HEAD}, title="Result")
        gauge = FitGauge(faces=True)
        super().__init__(head, "How well this face fits", ("face", "mask", "explain"), gauge)
        self.zoomed = self.photo = FacePhoto()
        say(self.photo, "setAccessibleName", "Photo with faces")
        self.original = tool("eye", "Hold to see the original (Space)")
        head.add_tool(self.original)
        self.explain = tool("learn", "Explain: what the discriminator sees", checkable=True)
        head.add_tool(self.explain)
        self.viewer.icon = "faces"
        self.strip, self.judged = PictureStrip(), JudgedView()
        self._make_tools()
        self.add_parts(self._given(), column(self.judged, self.strip, space=6))
        self._add_buttons()
        self.notes = label("", "small", wrap=True)
        self.notes.hide()
        self.gauge_box.addWidget(self.notes)
        self._wire()

    def _make_tools(self) -> None:
        self.found = label("", "quiet")
        self.adjust = tool("adjust", "Move eyes and mouth by hand", checkable=True)
        self.paint = tool("brush", "Paint where it may change", checkable=True)
        self.open = tool("reference", "Open a photo…")
        self.example = tool("example", "A sample photo")
        for part in (self.adjust, self.paint):
            part.setEnabled(False)
        self.brushes = Brushes(self.photo, "Changes only where it is painted")
        self.brushes.cleared.connect(self.unpainted)

    def _given(self) -> QWidget:
        over = title_line("Photo", self.found, self.adjust, self.paint, self.example, self.open)
        given, box = inputs(over, self.brushes)
        box.addWidget(well(self.photo), 1)
        return given

    def _add_buttons(self) -> None:
        self.reset = tool("reset", "Reset: every slider to its start")
        self.surprise = tool("dice", "Surprise me: chance moves what is not locked")
        self.copy = tool("copy", "Copy edit: for another face or photo")
        self.paste = tool("recipe", "Paste edit: the settings that were copied")
        self.others, self.lineup = button("To other photos…"), button("Every model")
        say(self.others, "setToolTip", "The same edit on the faces of each photo you choose")
        self._offer_others()
        say(self.lineup, "setToolTip", "This face through every face model, side by side")
        self.paste.setEnabled(False)
        for part in (self.reset, self.surprise, self.copy, self.paste):
            part.setFixedSize(26, 24)
            self.heading.addWidget(part)
        self.controls_box.addLayout(row(self.others, self.lineup, None))

    def _offer_others(self) -> None:
        menu = QMenu(self.others)
        for faces, text in (("every", "Every face in them…"), ("photo", "Their largest face…")):
            action = menu.addAction("")
            say(action, "setText", text)
            action.triggered.connect(partial(self.others_wanted.emit, faces))
        self.others.setMenu(menu)

    def _wire(self) -> None:
        for part, signal in (
            (self.open, self.photo_wanted), (self.example, self.example_wanted),
            (self.reset, self.reset_wanted), (self.surprise, self.surprise_wanted),
            (self.copy, self.copy_wanted), (self.paste, self.paste_wanted),
            (self.lineup, self.lineup_wanted),
        ):  # fmt: skip
            part.clicked.connect(signal)
        self.photo.file_wanted.connect(self.photo_wanted)
        self.photo.example_wanted.connect(self.example_wanted)
        self.adjust.toggled.connect(self.photo.set_adjusting)
        self.adjust.toggled.connect(lambda on: on and self.paint.setChecked(False))
        self.gauge.fix_wanted.connect(lambda: self.adjust.setChecked(True))
        self.paint.toggled.connect(self._on_paint)
        self.original.pressed.connect(lambda: self.viewer.hold(True))
        self.original.released.connect(lambda: self.viewer.hold(False))

    def show_card(self, card: ModelCard | None) -> None:
        super().show_card(card)
        paints = bool(card and card.control("mask"))
        self.paint.setVisible(paints)
        if not paints:
            self.paint.setChecked(False)

    def show_notes(self, result: Result) -> None:
        """What the engine has to say, below the gauge; what the gauge says is not said twice."""
        gauge = result.fit.message if result.fit else ""
        said = " ".join(note for note in dict.fromkeys(result.notes) if note not in gauge)
        say(self.notes, "setText", said)
        self.notes.setVisible(bool(said))

    def show_count(self, count: int | None) -> None:
        """How many faces were found; None while nothing is known."""
        if count is None:
            say(self.found, "setText", "")
        elif count == 0:
            say(self.found, "setText", "No face found: move the handles")
        elif count == 1:
            say(self.found, "setText", "1 face found")
        else:
            say(self.found, "setText", "{n} faces found", n=count)
        for part in (self.adjust, self.paint):
            part.setEnabled(count is not None)
            if count is None:
                part.setChecked(False)

    def _on_paint(self, on: bool) -> None:
        self.brushes.setVisible(on)
        self.photo.set_painting(on)
        if on:
            self.adjust.setChecked(False)
