"""The Draw room: drawing left, photo right, controls at the edge. Lays out; wires no Studio."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QFrame, QHBoxLayout, QScrollArea, QSplitter, QVBoxLayout, QWidget

from app.actions import TOOLS, Actions
from app.i18n import say
from app.widgets.canvas import SketchCanvas
from app.widgets.controls import ControlPanel
from app.widgets.fit import FitGauge
from app.widgets.parts import Notice, Section, button, label, row
from app.widgets.toolbar import DrawHead, PhotoHead, ToolStrip
from app.widgets.viewer import ResultViewer
from engines.controls import ModelCard, SketchInput

SIDE = 292


class DrawRoom(QSplitter):
    details_wanted = Signal()
    sheet_wanted = Signal()

    def __init__(self, actions: Actions) -> None:
        super().__init__(Qt.Orientation.Horizontal)
        self.setHandleWidth(12)
        self.setChildrenCollapsible(False)
        self.canvas, self.viewer = SketchCanvas(), ResultViewer()
        self.head = DrawHead(actions["edges"], actions["new"])
        self.strip = ToolStrip([actions[id] for id in TOOLS])
        self.photo_head = PhotoHead(actions["surprise"], actions["wipe"], actions["fullscreen"])
        self.notice = Notice()
        self.controls, self.gauge = ControlPanel(), FitGauge()
        say(self.canvas, "setAccessibleName", "Drawing")
        say(self.viewer, "setAccessibleName", "Photo")
        drawing = QWidget()
        box = QVBoxLayout(drawing)
        box.setContentsMargins(12, 6, 0, 12)
        box.setSpacing(6)
        box.addWidget(self.head)
        inner = row(self.strip, _well(self.canvas), space=8)
        inner.setStretch(1, 1)
        box.addLayout(inner, 1)
        photo = QWidget()
        box = QVBoxLayout(photo)
        box.setContentsMargins(0, 6, 0, 12)
        box.setSpacing(6)
        box.addWidget(self.photo_head)
        box.addWidget(self.notice)
        box.addWidget(_well(self.viewer), 1)
        self.side = self._side()
        for part, share in ((drawing, 1), (photo, 1), (self.side, 0)):
            self.addWidget(part)
            self.setStretchFactor(self.indexOf(part), share)
        drawing.setMinimumWidth(390)
        photo.setMinimumWidth(260)
        self.setSizes([500, 460, SIDE])
        self.show_card(None)

    def _side(self) -> QScrollArea:
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
        box.addWidget(Section("Controls"))
        box.addWidget(self.controls)
        self._fit = QWidget()
        fit = QVBoxLayout(self._fit)
        fit.setContentsMargins(0, 12, 0, 0)
        fit.setSpacing(10)
        fit.addWidget(Section("How well the drawing fits"))
        fit.addWidget(self.gauge)
        box.addWidget(self._fit)
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

    def show_card(self, card: ModelCard | None) -> None:
        self.controls.build(card)
        kinds = {c.kind for c in card.inputs() if isinstance(c, SketchInput)} if card else set()
        self.head.show_layers("hints" in kinds)
        self.strip.colour.setVisible("hints" in kinds)
        self._fit.setVisible(bool(card and card.sketch))
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


def _well(inside: QWidget) -> QFrame:
    frame = QFrame()
    frame.setObjectName("Well")
    box = QVBoxLayout(frame)
    box.setContentsMargins(1, 1, 1, 1)
    box.addWidget(inside)
    return frame
