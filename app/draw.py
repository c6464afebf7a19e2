"""The Draw room: drawing left, photo right, controls at the edge. Lays out; wires no Studio."""

from __future__ import annotations

from app.actions import TOOLS, Actions
from app.i18n import say
from app.room import HEAD, Room, inputs, well
from app.widgets.canvas import SketchCanvas
from app.widgets.parts import row
from app.widgets.toolbar import DrawHead, PhotoHead, ToolStrip
from engines.controls import ModelCard, SketchInput


class DrawRoom(Room):
    def __init__(self, actions: Actions) -> None:
        head = PhotoHead({id: actions[id] for id in HEAD})
        super().__init__(head, "How well the drawing fits")
        self.zoomed = self.canvas = SketchCanvas()
        self.head = DrawHead(actions["edges"], actions["new"])
        self.strip = ToolStrip([actions[id] for id in TOOLS])
        say(self.canvas, "setAccessibleName", "Drawing")
        drawing, box = inputs(self.head)
        inner = row(self.strip, well(self.canvas), space=8)
        inner.setStretch(1, 1)
        box.addLayout(inner, 1)
        self.add_parts(drawing)

    def show_card(self, card: ModelCard | None) -> None:
        super().show_card(card)
        kinds = {c.kind for c in card.inputs() if isinstance(c, SketchInput)} if card else set()
        drawn = not card or any(isinstance(c, SketchInput) and c.drawn for c in card.inputs())
        self.strip.setVisible(drawn)
        self.head.setVisible(drawn)
        self.head.show_layers("hints" in kinds)
        self.strip.colour.setVisible("hints" in kinds)
