"""A mask from a classic filter: what it is made by, and how much of the photo it holds.

The popover computes nothing: `wanted` asks for a mask, `show_share` says what came of it. Only
`used` keeps it; whoever closes the popover in another way has changed nothing.
"""

from __future__ import annotations

from PySide6.QtCore import Signal
from PySide6.QtGui import QHideEvent
from PySide6.QtWidgets import QWidget

from app.i18n import say
from app.widgets.controls import ControlPanel
from app.widgets.parts import Popover, Section, button, column, label, row
from engines.controls import ModelCard, defaults
from engines.job import Value

WIDTH = 268  # logical pixels
PICTURES = ("photo", "painted")  # roles that whoever opens it fills
JOIN = "join"  # the control that says what becomes of what is painted
LEAST = 0.001  # a smaller share of the photo counts as none


class MaskFilter(Popover):
    wanted = Signal(dict)  # values of the controls
    used = Signal()
    given_up = Signal()

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.setFixedWidth(WIDTH)
        say(self, "setAccessibleName", "From filter")
        self.form = ControlPanel(PICTURES)
        self.form.changed.connect(self._on_changed)
        self.share = label("", "small", wrap=True)
        self.use = button("Use this mask", "primary")
        self.use.clicked.connect(self._on_use)
        self._values: dict[str, Value] = {}
        self._joins = self._open = False
        box = column(Section("From filter"), self.form, self.share, space=12, margins=14)
        box.addLayout(row(None, self.use))
        self.setLayout(box)

    def offer(self, card: ModelCard, anchor: QWidget, joins: bool) -> None:
        """Open beside `anchor`, with the values of the last time. joins: whether something is
        painted that it can be joined with."""
        if not self._values:
            self.form.build(card)
            self._values = defaults(card)
        self._joins, self._open = joins, True
        say(self.share, "setText", "Computing…")
        self.use.setEnabled(False)
        self._fold()
        self.open_at(anchor, beside=True)
        self.wanted.emit(self.values())

    def values(self) -> dict[str, Value]:
        values = dict(self._values)
        return values if self._joins else {**values, JOIN: "replace"}

    def show_share(self, share: float) -> None:
        """How much of the photo the mask holds, in [0, 1]."""
        self.use.setEnabled(share >= LEAST)
        if share >= LEAST:
            percent = f"{100 * share:.0f}" if share >= 0.1 else f"{100 * share:.1f}"
            say(self.share, "setText", "Holds {percent} % of the photo", percent=percent)
        else:
            say(self.share, "setText", "Nothing in the photo is like that: move a slider.")

    def hideEvent(self, event: QHideEvent) -> None:
        super().hideEvent(event)
        if self._open:
            self._open = False
            self.given_up.emit()

    def _on_use(self) -> None:
        self._open = False
        self.used.emit()
        self.close()

    def _on_changed(self, name: str, value: Value) -> None:
        self._values[name] = value
        self._fold()
        self.wanted.emit(self.values())

    def _fold(self) -> None:
        self.form.fields[JOIN].setVisible(self._joins)
        self.adjustSize()
