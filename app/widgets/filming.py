"""What the popovers that ask for a film have in common: sliders with their numbers beside them, and
a button."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QHBoxLayout, QLabel, QPushButton, QWidget

from app.i18n import signals
from app.widgets.parts import Popover, Section, Slider, column, row


class FilmPopover(Popover):
    wanted = Signal(object)  # see `film`
    room = 48  # for the number beside a slider

    def __init__(self, parent: QWidget, hint: QLabel, save: QPushButton) -> None:
        super().__init__(parent)
        self.save = save
        self._said: dict[Slider, QLabel] = {}
        self.box = column(Section("Film"), hint, space=8, margins=14)
        self.setLayout(self.box)
        self.setFixedWidth(348)
        save.clicked.connect(self._ask)
        signals.changed.connect(self._write)

    def film(self) -> object:
        """What is wanted."""
        raise NotImplementedError

    def _write(self, *_: object) -> None:
        """Say the numbers."""
        raise NotImplementedError

    def _named(self, part: Slider, name: QLabel) -> QHBoxLayout:
        said = self._said[part] = QLabel()
        said.setMinimumWidth(self.room)
        said.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        name.setBuddy(part)
        name.setFixedWidth(116)
        part.moved.connect(self._write)
        made = row(name, part, said)
        made.setStretch(1, 1)
        return made

    def _ask(self) -> None:
        self.hide()
        self.wanted.emit(self.film())
