"""What every room looks like: input left, result right, controls at the edge. Wires no Studio."""

from __future__ import annotations

from typing import Any

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import (
    QFrame,
    QHBoxLayout,
    QLayout,
    QScrollArea,
    QSplitter,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from app.i18n import say
from app.widgets.caption import CaptionLine
from app.widgets.controls import ControlPanel
from app.widgets.fit import FitGauge
from app.widgets.parts import Notice, Section, button, column, label, row
from app.widgets.toolbar import PhotoHead
from app.widgets.viewer import ResultViewer
from engines.controls import ModelCard

SIDE = 292
HEAD = ("surprise", "caption", "wipe", "fullscreen")  # the actions over a result
HOMES = ("draw", "paint", "translate", "faces", "words", "style", "dream")  # the rooms there are


def home(card: ModelCard | None, heading: str = "") -> str:
    """The room of a model: the one that one is heading for where it is at home there too. One that
    is at home nowhere is drawn for."""
    rooms = [room for room in card.rooms if room in HOMES] if card else []
    return heading if heading in rooms else rooms[0] if rooms else "draw"


class Room(QSplitter):
    """A room makes its input part and hands it to `add_parts`; `zoomed` is the widget in it that
    shows a sheet or a photo: files_dropped, picture_dropped, zoom_in, zoom_out, zoom_fit."""

    zoomed: Any
    says_notes = False  # whether the room shows the notes of a result itself
    acts_itself = False  # whether it does what the button in the place of the result says
    samples = ""  # photos below resources/samples, to begin with

    photo_wanted = Signal()
    example_wanted = Signal()
    details_wanted = Signal()
    sheet_wanted = Signal()

    def __init__(
        self,
        photo_head: PhotoHead,
        gauge_title: str,
        elsewhere: tuple[str, ...] = (),
        gauge: FitGauge | None = None,
    ) -> None:
        super().__init__(Qt.Orientation.Horizontal)
        self.setHandleWidth(12)
        self.setChildrenCollapsible(False)
        self.photo_head, self.viewer = photo_head, ResultViewer()
        self.notice, self.caption = Notice(), CaptionLine()
        self.controls, self.gauge = ControlPanel(elsewhere), gauge or FitGauge()
        say(self.viewer, "setAccessibleName", "Photo")
        self.side = self._side(gauge_title)

    def add_parts(self, given: QWidget, below: QWidget | QLayout | None = None) -> None:
        """`given` is the input with its head; `below` lies under the result; of a layout nothing is
        left where all its parts are hidden."""
        photo = QWidget()
        box = QVBoxLayout(photo)
        box.setContentsMargins(0, 6, 0, 12)
        box.setSpacing(6)
        box.addWidget(self.photo_head)
        box.addWidget(self.notice)
        box.addWidget(well(self.viewer), 1)
        box.addWidget(self.caption)
        if isinstance(below, QLayout):
            box.addLayout(below)
        elif below is not None:
            box.addWidget(below)
        for part, share in ((given, 1), (photo, 1), (self.side, 0)):
            self.addWidget(part)
            self.setStretchFactor(self.indexOf(part), share)
        given.setMinimumWidth(390)
        photo.setMinimumWidth(260)
        self.setSizes([500, 460, SIDE])
        self.show_card(None)

    def _side(self, gauge_title: str) -> QScrollArea:
        area = QScrollArea()
        area.setObjectName("SidePanel")
        area.setWidgetResizable(True)
        area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        area.setMinimumWidth(240)
        area.setMaximumWidth(440)
        inside = QWidget()
        inside.setObjectName("SideBody")
        box = QVBoxLayout(inside)
        box.setContentsMargins(14, 14, 14, 14)
        box.setSpacing(10)
        self.heading = row(Section("Controls"), None, space=2)
        box.addLayout(self.heading)
        box.addWidget(self.controls)
        self.controls_box = QVBoxLayout()
        self.controls_box.setSpacing(8)
        box.addLayout(self.controls_box)
        self.fit_box = QWidget()
        fit = self.gauge_box = QVBoxLayout(self.fit_box)
        fit.setContentsMargins(0, 12, 0, 0)
        fit.setSpacing(10)
        fit.addWidget(Section(gauge_title))
        fit.addWidget(self.gauge)
        box.addWidget(self.fit_box)
        box.addSpacing(12)
        box.addWidget(Section("Model"))
        self.summary = label("", "quiet", wrap=True)
        self.facts = label("", "small", wrap=True)
        box.addWidget(self.summary)
        box.addWidget(self.facts)
        self.details = button("Details", "link")
        self.sheet = button("Sample sheet", "link")
        self.details.clicked.connect(self.details_wanted)
        self.sheet.clicked.connect(self.sheet_wanted)
        links = QHBoxLayout()
        links.setSpacing(10)
        links.addWidget(self.details)
        links.addWidget(self.sheet)
        links.addStretch(1)
        box.addLayout(links)
        box.addStretch(1)
        area.setWidget(inside)
        return area

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Space shows the input as long as it is held, wherever the focus is in the room."""
        if event.key() == Qt.Key.Key_Space and not event.isAutoRepeat():
            self.viewer.hold(True)
        else:
            super().keyPressEvent(event)

    def keyReleaseEvent(self, event: QKeyEvent) -> None:
        if event.key() == Qt.Key.Key_Space and not event.isAutoRepeat():
            self.viewer.hold(False)
        else:
            super().keyReleaseEvent(event)

    def in_use(self) -> bool:
        """Whether this is the room that one is in."""
        stack = self.parentWidget()
        return isinstance(stack, QStackedWidget) and stack.currentWidget() is self

    def show_card(self, card: ModelCard | None) -> None:
        self.controls.build(card)
        self.fit_box.setVisible(bool(card and (card.sketch or card.face)))
        self.gauge.show_fit(None)
        if card is None:
            say(self.summary, "setText", "Choose a model above, or drop a weights file here.")
        else:
            fallback = "{title}: the file says nothing of what it was trained on."
            if card.summary:
                say(self.summary, "setText", card.summary)
            else:
                say(self.summary, "setText", fallback, title=card.title)
        licence = card.licence if card else ""
        self.facts.setVisible(bool(licence))
        if licence:
            say(self.facts, "setText", "Licence: {licence}", licence=licence)
        self.details.setVisible(card is not None)
        self.sheet.setVisible(bool(card and card.sheet))


def inputs(*parts: QWidget) -> tuple[QWidget, QVBoxLayout]:
    """The left part of a room, with `parts` from above to below, and what holds them."""
    made, box = QWidget(), column(*parts, space=6)
    box.setContentsMargins(12, 6, 0, 12)
    made.setLayout(box)
    return made, box


def title_line(title: str, *tools: QWidget) -> QWidget:
    """The line over an input: its title, and tools at the other end."""
    made = QWidget()
    made.setLayout(row(label(title, "title"), None, *tools, space=4))
    made.setFixedHeight(36)
    return made


def well(inside: QWidget) -> QFrame:
    frame = QFrame()
    frame.setObjectName("Well")
    box = QVBoxLayout(frame)
    box.setContentsMargins(1, 1, 1, 1)
    box.addWidget(inside)
    return frame
