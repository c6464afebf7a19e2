"""A line that finds a name among many by any part of it, and takes the name's number too. Knows
names, not what they name."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from PySide6.QtCore import QStringListModel, Qt, Signal
from PySide6.QtWidgets import QCompleter, QLineEdit, QListView, QWidget

from app.i18n import say, signals, tr
from app.widgets.parts import button, column, label, row

OFFERED = 8  # names that are shown at once
NEAREST = 3


class NameBox(QWidget):
    """`chosen` says the number of a name that a person took; `show_number` emits nothing."""

    chosen = Signal(int)

    def __init__(self, names: Sequence[str], near: Callable[[str], tuple[str, ...]]) -> None:
        """near: the names most like a text."""
        super().__init__()
        self._names, self._near = tuple(names), near
        self._numbers = {name.casefold(): n for n, name in reversed(list(enumerate(names)))}
        self._number = 0
        self.line, self.number = QLineEdit(), label("", "quiet")
        self.completer = QCompleter(QStringListModel(sorted(set(names), key=str.casefold), self))
        self.completer.setParent(self)
        self.offers = QListView()
        self.completer.setPopup(self.offers)
        self.completer.setFilterMode(Qt.MatchFlag.MatchContains)
        self.completer.setCaseSensitivity(Qt.CaseSensitivity.CaseInsensitive)
        self.completer.setMaxVisibleItems(OFFERED)
        self.line.setCompleter(self.completer)
        self.unknown = label("", "small", wrap=True)
        self.meant = tuple(button("", "link") for _ in range(NEAREST))
        for part in self.meant:
            part.clicked.connect(lambda _=False, part=part: self._take(part.text()))
        self.completer.activated.connect(self._take)
        self.line.editingFinished.connect(self._on_finished)
        box = column(space=2)
        box.addLayout(row(self.line, self.number, space=6))
        box.addWidget(self.unknown)
        for part in self.meant:
            box.addLayout(row(part, None))
        self.setLayout(box)
        self._show_near(None)
        signals.changed.connect(self._say_number)

    def show_number(self, number: int) -> None:
        self._number = number
        self.line.setText(self._names[number])
        self.line.setCursorPosition(0)
        self.line.setModified(False)
        self._say_number()
        self._show_near(None)

    def _say_number(self) -> None:
        self.number.setText(tr("no. {n}", n=self._number))

    def _on_finished(self) -> None:
        offered = self.offers.isVisible() and self.offers.currentIndex().isValid()
        if self.line.isModified() and not offered:
            self._take(self.line.text())

    def _take(self, text: str) -> None:
        text = " ".join(text.split())
        number = int(text) if text.isdecimal() else self._numbers.get(text.casefold(), -1)
        if not text:
            self.show_number(self._number)
        elif 0 <= number < len(self._names):
            changed = number != self._number
            self.show_number(number)
            if changed:
                self.chosen.emit(number)
        else:
            self._show_near(text)

    def _show_near(self, text: str | None) -> None:
        """What is said of a text that is no name, and which names may be meant; None: nothing."""
        near = () if text is None else self._near(text)
        self.unknown.setVisible(text is not None)
        if text is not None and near:
            say(self.unknown, "setText", "There is no class “{name}”. Is one of these meant?",
                name=text)  # fmt: skip
        elif text is not None:
            words = "There is no class “{name}”; the numbers go from 0 to {n}."
            say(self.unknown, "setText", words, name=text, n=len(self._names) - 1)
        for n, part in enumerate(self.meant):
            part.setVisible(n < len(near))
            part.setText(near[n] if n < len(near) else "")
