"""The Faces room: a photo with its faces left, the result right, sliders at the edge. Wires no
Studio."""

from __future__ import annotations

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QVBoxLayout, QWidget

from app.actions import Actions
from app.i18n import say
from app.room import HEAD, Room, well
from app.widgets.faces import FacePhoto
from app.widgets.parts import button, label, row, tool
from app.widgets.toolbar import PhotoHead


class FacesRoom(Room):
    photo_wanted = Signal()
    adjusting = Signal(bool)
    reset_wanted = Signal()
    surprise_wanted = Signal()
    copy_wanted = Signal()
    paste_wanted = Signal()
    example_wanted = Signal()

    def __init__(self, actions: Actions) -> None:
        head = PhotoHead({id: actions[id] for id in HEAD}, title="Result")
        super().__init__(head, "How well this face fits", elsewhere=("face",))
        self.zoomed = self.photo = FacePhoto()
        say(self.photo, "setAccessibleName", "Photo with faces")
        self.found = label("", "quiet")
        self.adjust = tool("adjust", "Move eyes and mouth by hand", checkable=True)
        self.open = tool("reference", "Open a photo…")
        self.example = tool("example", "A sample photo")
        self.adjust.toggled.connect(self.photo.set_adjusting)
        self.open.clicked.connect(self.photo_wanted)
        self.example.clicked.connect(self.example_wanted)
        self.photo.file_wanted.connect(self.photo_wanted)
        self.adjust.setEnabled(False)
        given = QWidget()
        box = QVBoxLayout(given)
        box.setContentsMargins(12, 6, 0, 12)
        box.setSpacing(6)
        title = QWidget()
        title.setLayout(
            row(label("Photo", "title"), None, self.found, self.adjust, self.example, self.open,
                space=4)
        )  # fmt: skip
        title.setFixedHeight(36)
        box.addWidget(title)
        box.addWidget(well(self.photo), 1)
        self.reset, self.surprise = button("Reset"), button("Surprise me")
        self.copy, self.paste = button("Copy edit"), button("Paste edit")
        say(self.copy, "setToolTip", "Keep these settings for another face or photo")
        say(self.paste, "setToolTip", "Use the settings that were copied")
        self.paste.setEnabled(False)
        self.reset.clicked.connect(self.reset_wanted)
        self.surprise.clicked.connect(self.surprise_wanted)
        self.copy.clicked.connect(self.copy_wanted)
        self.paste.clicked.connect(self.paste_wanted)
        self.viewer.icon = "faces"
        self.add_parts(given)
        self.controls_box.addLayout(row(self.reset, self.surprise, None))
        self.controls_box.addLayout(row(self.copy, self.paste, None))

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
        self.adjust.setEnabled(count is not None)
        if count is None:
            self.adjust.setChecked(False)
