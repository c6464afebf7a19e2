"""The Send to button: the models of every room that could take the result, by room."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QPoint, Signal
from PySide6.QtWidgets import QMenu, QWidget

from app.i18n import say, tr
from app.widgets.parts import button, row

Target = tuple[str, str, Sequence[tuple[str, str]]]  # id of a room, its title, (reference, title)


class SendButton(QWidget):
    opened = Signal()  # answer with show_targets
    chosen = Signal(str, str)  # room, reference of a model

    def __init__(self) -> None:
        super().__init__()
        self.button = button("Send to", icon="down")
        self.button.setLayoutDirection(self.layoutDirection().RightToLeft)
        self.setLayout(row(self.button))
        self.menu = QMenu(self)
        self.button.clicked.connect(self.open_menu)
        self.set_ready(False)

    def set_ready(self, ready: bool) -> None:
        self.button.setEnabled(ready)
        tip = "Go on with the result, in another model" if ready else "There is no result yet."
        say(self.button, "setToolTip", tip)

    def show_targets(self, targets: Sequence[Target]) -> None:
        self.menu.clear()
        for room, title, models in targets:
            self.menu.addAction(tr(title)).setEnabled(False)
            for reference, name in models:
                act = self.menu.addAction(f"    {tr(name)}")
                act.triggered.connect(
                    lambda _=False, room=room, reference=reference: self.chosen.emit(
                        room, reference
                    )
                )
        if not targets:
            self.menu.addAction(tr("No model takes a picture.")).setEnabled(False)

    def open_menu(self) -> None:
        self.opened.emit()
        corner = QPoint(self.button.width() - self.menu.sizeHint().width(), self.button.height())
        self.menu.popup(self.button.mapToGlobal(corner + QPoint(0, 4)))
