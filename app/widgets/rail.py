"""The rail: rooms above, models and settings below. Only what exists is on it."""

from __future__ import annotations

from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtWidgets import QButtonGroup, QFrame, QToolButton, QVBoxLayout

from app import theme
from app.i18n import say

WIDTH = 72


class Rail(QFrame):
    room_chosen = Signal(str)
    menu_wanted = Signal()
    models_wanted = Signal()
    settings_wanted = Signal()

    def __init__(self, rooms: tuple[tuple[str, str, str], ...]) -> None:
        """rooms: (id, title, icon)"""
        super().__init__()
        self.setObjectName("Rail")
        self.setFixedWidth(WIDTH)
        self.logo = QToolButton()
        self.logo.setObjectName("Logo")
        self.logo.setText("G")
        self.logo.setFixedSize(58, 38)
        say(self.logo, "setToolTip", "Everything Ganvas can do")
        say(self.logo, "setAccessibleName", "Main menu")
        self.logo.clicked.connect(self.menu_wanted)
        self._group = QButtonGroup(self)
        box = QVBoxLayout(self)
        box.setContentsMargins(7, 5, 7, 8)
        box.setSpacing(4)
        box.addWidget(self.logo)
        self.rooms: dict[str, QToolButton] = {}
        for id, title, icon in rooms:
            made = self.rooms[id] = self._button(title, icon)
            made.setCheckable(True)
            self._group.addButton(made)
            made.clicked.connect(lambda _=False, id=id: self.room_chosen.emit(id))
            box.addWidget(made)
        next(iter(self.rooms.values())).setChecked(True)
        box.addStretch(1)
        self.models = self._button("Models", "models")
        self.settings = self._button("Settings", "settings")
        self.models.clicked.connect(self.models_wanted)
        self.settings.clicked.connect(self.settings_wanted)
        box.addWidget(self.models)
        box.addWidget(self.settings)

    def show_room(self, id: str) -> None:
        """The room one is in."""
        self.rooms[id].setChecked(True)

    def show_rooms(self, ids: set[str]) -> None:
        for id, made in self.rooms.items():
            made.setVisible(id in ids)

    def _button(self, title: str, icon: str) -> QToolButton:
        made = QToolButton()
        made.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextUnderIcon)
        made.setIcon(theme.icon(icon))
        made.setIconSize(QSize(theme.ICON, theme.ICON))
        made.setFixedSize(58, 50)
        made.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        made.setCursor(Qt.CursorShape.PointingHandCursor)
        say(made, "setText", title)
        say(made, "setAccessibleName", title)
        return made
