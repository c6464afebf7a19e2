"""The Paint room: label map left with its legend, photo right, controls at the edge. Wires no
Studio."""

from __future__ import annotations

from PySide6.QtCore import Signal
from PySide6.QtGui import QKeySequence, QShortcut
from PySide6.QtWidgets import QVBoxLayout

from app.actions import TOOLS, Actions
from app.i18n import say
from app.room import HEAD, Room, inputs, well
from app.widgets.canvas_labels import LabelCanvas
from app.widgets.legend import KEYS, LegendPanel
from app.widgets.parts import Segments, row, tool
from app.widgets.toolbar import CanvasHead, PhotoHead, ReferenceMenu, ToolStrip, of
from engines.controls import ModelCard

BRUSHES = (1.0, 200.0)  # sheet pixels


class PaintRoom(Room):
    key_pressed = Signal(int)  # the class of a key
    map_wanted = Signal()
    example_wanted = Signal()

    def __init__(self, actions: Actions) -> None:
        head = PhotoHead({id: actions[id] for id in HEAD})
        super().__init__(head, "How well the map fits", elsewhere=("labels",))
        self.zoomed = self.canvas = LabelCanvas()
        say(self.canvas, "setAccessibleName", "Label map")
        self.open = tool("open", "Open a label map…")
        self.open.clicked.connect(self.map_wanted)
        layer = Segments((("labels", "Classes"), ("looks", "Looks")), "Classes or looks")
        say(layer.part("looks"), "setToolTip", "Give single objects another look.")
        menu = ReferenceMenu(layer, traces=False)
        more = (self.open, of(actions["new"]))
        self.head = CanvasHead("Label map", layer, "labels", menu, more, BRUSHES)
        self.apart = tool("apart", "Every stroke becomes an object of its own", checkable=True)
        self.example = tool("example", "Another example")
        self.example.clicked.connect(self.example_wanted)
        self.strip = ToolStrip([actions[id] for id in TOOLS], [self.apart, self.example])
        self.strip.colour.hide()
        self.legend = LegendPanel()
        for number, key in enumerate(KEYS):
            made = QShortcut(QKeySequence(key), self)  # while the room is seen
            made.activated.connect(lambda number=number: self.key_pressed.emit(number))
        painting, box = inputs(self.head)
        map_ = QVBoxLayout()
        map_.setSpacing(8)
        map_.addWidget(well(self.canvas), 1)
        map_.addWidget(self.legend)
        inner = row(self.strip, space=8)
        inner.addLayout(map_, 1)
        box.addLayout(inner, 1)
        self.viewer.icon = "paint"
        self.add_parts(painting)

    def show_objects(self, there: bool) -> None:
        """Only some models know where one object ends and the next begins."""
        self.apart.setVisible(there)

    def show_card(self, card: ModelCard | None) -> None:
        super().show_card(card)
        if card is None:
            self.head.show_layers(False)
            self.show_objects(False)
