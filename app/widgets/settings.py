"""The settings dialog, built from the declared options, and the editor of shortcuts in it.

Knows options as data (name, label, kind, group, …) and two functions to read and write them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QKeySequence
from PySide6.QtWidgets import (
    QComboBox,
    QDialog,
    QGridLayout,
    QKeySequenceEdit,
    QLineEdit,
    QListWidget,
    QScrollArea,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from app.i18n import say, signals, tr
from app.widgets.parts import Section, Segments, Slider, Switch, button, column, label, row, tool

Read = Callable[[str], Any]
Write = Callable[[str, Any], None]


class NumberField(QWidget):
    """A slider with its number beside it, to be typed where the range is wide."""

    edited = Signal(object)

    def __init__(self, option: Any) -> None:
        super().__init__()
        self.option = option
        self.slider = Slider(option.low, option.high, option.step, option.default)
        self.line = QLineEdit()
        self.line.setFixedWidth(72)
        self.line.setAlignment(Qt.AlignmentFlag.AlignRight)
        say(self.slider, "setAccessibleName", option.label)
        say(self.line, "setAccessibleName", option.label)
        unit = label(option.unit, "quiet") if option.unit else label()
        unit.setFixedWidth(26)
        self.setLayout(row(self.slider, self.line, unit))
        self.slider.moved.connect(self._on_moved)
        self.line.editingFinished.connect(self._on_typed)

    def show_value(self, value: Any) -> None:
        self.slider.show_number(value)
        self.line.setText(f"{value:g}")

    def _on_moved(self, number: float) -> None:
        self.edited.emit(int(number) if isinstance(self.option.default, int) else number)

    def _on_typed(self) -> None:
        try:
            number = float(self.line.text().replace(",", "."))
        except ValueError:
            self.show_value(self.slider.number())
            return
        self.edited.emit(int(number) if isinstance(self.option.default, int) else number)


class ChoiceField(QWidget):
    edited = Signal(object)

    def __init__(self, option: Any) -> None:
        super().__init__()
        self.option = option
        self.segments: Segments | None = None
        self.list = QComboBox()
        if len(option.choices) <= 3:
            self.segments = Segments(option.choices, option.label)
            self.segments.chosen.connect(self.edited.emit)
            self.setLayout(row(self.segments))
        else:
            for value, _ in option.choices:
                self.list.addItem("", value)
            say(self.list, "setAccessibleName", option.label)
            say(self, "set_words", option.label)
            self.list.activated.connect(self._on_activated)
            self.setLayout(row(self.list))

    def set_words(self, _text: str) -> None:
        for n, (_, text) in enumerate(self.option.choices):
            self.list.setItemText(n, tr(text))

    def show_value(self, value: Any) -> None:
        if self.segments:
            self.segments.show_value(value)
        else:
            self.list.setCurrentIndex(max(self.list.findData(value), 0))

    def _on_activated(self) -> None:
        self.edited.emit(self.list.currentData())


class ToggleField(QWidget):
    edited = Signal(object)

    def __init__(self, option: Any) -> None:
        super().__init__()
        self.switch = Switch(option.label)
        self.switch.clicked.connect(self._on_clicked)
        self.setLayout(row(self.switch, None))

    def show_value(self, value: Any) -> None:
        self.switch.setChecked(bool(value))

    def _on_clicked(self) -> None:
        self.edited.emit(self.switch.isChecked())


FIELDS = {"number": NumberField, "choice": ChoiceField, "toggle": ToggleField}


@dataclass(frozen=True)
class Keys:
    """An action as the editor needs it; keys in QKeySequence's portable text."""

    id: str
    text: str
    default: str


def conflicts(wanted: Mapping[str, str]) -> dict[str, list[str]]:
    """keys -> the ids that claim them, for keys that more than one id claims."""
    claims: dict[str, list[str]] = {}
    for id, keys in wanted.items():
        for part in (k.strip() for k in keys.split(", ")):
            if part:
                claims.setdefault(part, []).append(id)
    return {keys: ids for keys, ids in claims.items() if len(ids) > 1}


class ShortcutEditor(QWidget):
    """A key for every action. Two actions never share one: the sentence names the other."""

    edited = Signal(object)  # id -> keys, where they differ from the built-in ones

    def __init__(self, actions: Iterable[Keys], changed: Mapping[str, str]) -> None:
        super().__init__()
        self.acts = {action.id: action for action in actions}
        self._changed = dict(changed)
        self._edits: dict[str, QKeySequenceEdit] = {}
        self.search = QLineEdit()
        self.search.setClearButtonEnabled(True)
        say(self.search, "setPlaceholderText", "Search actions")
        say(self.search, "setAccessibleName", "Search actions")
        self.sentence = label("", "failure", wrap=True)
        self.sentence.hide()
        self._grid = QGridLayout()
        self._grid.setVerticalSpacing(6)
        self._grid.setColumnStretch(0, 1)
        self._rows: dict[str, list[QWidget]] = {}
        for n, action in enumerate(self.acts.values()):
            self._add(n, action)
        reset = button("Reset all shortcuts", icon="reset")
        reset.clicked.connect(self.reset)
        box = column(self.search, self.sentence, margins=0)
        box.addLayout(self._grid)
        box.addLayout(row(reset, None))
        box.addStretch(1)
        self.setLayout(box)
        self.search.textChanged.connect(self._filter)

    def keys(self, id: str) -> str:
        return self._changed.get(id, self.acts[id].default)

    def set_keys(self, id: str, keys: str) -> bool:
        """False, with a sentence, if another action has them."""
        wanted = {other: self.keys(other) for other in self.acts} | {id: keys}
        clash = conflicts(wanted)
        if clash:
            taken, ids = next(iter(clash.items()))
            other = next(i for i in ids if i != id) if id in ids else ids[0]
            text = "{keys} already belongs to “{action}”."
            shown = QKeySequence(taken).toString(QKeySequence.SequenceFormat.NativeText)
            self.sentence.setText(tr(text, keys=shown, action=tr(self.acts[other].text)))
            self.sentence.show()
            self._show(id)
            return False
        self.sentence.hide()
        if keys == self.acts[id].default:
            self._changed.pop(id, None)
        else:
            self._changed[id] = keys
        self._show(id)
        self.edited.emit(dict(self._changed))
        return True

    def reset(self) -> None:
        self._changed = {}
        self.sentence.hide()
        for id in self.acts:
            self._show(id)
        self.edited.emit({})

    def _add(self, n: int, action: Keys) -> None:
        name = label(action.text)
        edit = QKeySequenceEdit()
        edit.setMaximumSequenceLength(1)
        edit.setFixedWidth(150)
        edit.setClearButtonEnabled(True)
        say(edit, "setAccessibleName", action.text)
        back = tool("reset", "Back to the built-in key")
        self._edits[action.id] = edit
        self._rows[action.id] = [name, edit, back]
        for column_, part in enumerate(self._rows[action.id]):
            self._grid.addWidget(part, n, column_)
        self._show(action.id)
        edit.editingFinished.connect(lambda: self._on_edited(action.id))
        back.clicked.connect(lambda: self.set_keys(action.id, action.default))

    def _on_edited(self, id: str) -> None:
        portable = QKeySequence.SequenceFormat.PortableText
        keys = self._edits[id].keySequence().toString(portable)
        if keys != self.keys(id):
            self.set_keys(id, keys)

    def _show(self, id: str) -> None:
        edit, keys = self._edits[id], QKeySequence(self.keys(id).split(", ")[0])
        if edit.keySequence() != keys:
            edit.setKeySequence(keys)
        self._rows[id][2].setEnabled(id in self._changed)

    def _filter(self, text: str) -> None:
        for id, parts in self._rows.items():
            words = f"{tr(self.acts[id].text)} {self.keys(id)}".lower()
            for part in parts:
                part.setVisible(text.lower() in words)


class SettingsDialog(QDialog):
    """Groups at the left, their options at the right; every change counts at once."""

    def __init__(
        self,
        options: Iterable[Any],
        read: Read,
        write: Write,
        shortcuts: Iterable[Keys],
        parent: QWidget | None,
        note: str = "",
    ) -> None:
        super().__init__(parent)
        self._read, self._write = read, write
        self._options = list(options)
        self.fields: dict[str, Any] = {}
        self.editor: ShortcutEditor | None = None
        say(self, "setWindowTitle", "Settings")
        self.resize(760, 540)
        self.groups = QListWidget()
        self.groups.setFixedWidth(170)
        say(self.groups, "setAccessibleName", "Groups of settings")
        self.pages = QStackedWidget()
        self._names = list(dict.fromkeys(option.group for option in self._options))
        for name in self._names:
            self.groups.addItem("")
            self.pages.addWidget(self._page(name, list(shortcuts)))
        self.groups.currentRowChanged.connect(self.pages.setCurrentIndex)
        self.groups.setCurrentRow(0)
        reset = button("Reset everything", "flat")
        reset.clicked.connect(self._on_reset)
        close = button("Close", "primary")
        close.clicked.connect(self.accept)
        body = row(self.groups, self.pages, space=20)
        body.setStretch(1, 1)
        box = QVBoxLayout(self)
        box.setContentsMargins(16, 16, 16, 16)
        box.setSpacing(14)
        if note:
            box.addWidget(label(note, "failure", wrap=True))
        box.addLayout(body)
        box.addLayout(row(reset, None, label("Changes count at once.", "small"), close, space=12))
        signals.changed.connect(self._name_groups)
        self._name_groups()

    def show_value(self, name: str, value: Any) -> None:
        if name in self.fields:
            self.fields[name].show_value(value)

    def _name_groups(self, *_: object) -> None:
        for n, name in enumerate(self._names):
            self.groups.item(n).setText(tr(name))

    def _page(self, group: str, shortcuts: list[Keys]) -> QScrollArea:
        inside = QWidget()
        inside.setObjectName("Plain")
        box = QVBoxLayout(inside)
        box.setContentsMargins(4, 0, 12, 0)
        box.setSpacing(14)
        box.addWidget(Section(group))
        for option in self._options:
            if option.group == group and option.kind == "shortcuts":
                self.editor = ShortcutEditor(shortcuts, self._read(option.name))
                self.editor.edited.connect(lambda value, name=option.name: self._write(name, value))
                box.addWidget(self.editor)
            elif option.group == group:
                box.addLayout(self._line(option))
        box.addStretch(1)
        area = QScrollArea()
        area.setObjectName("Plain")
        area.setWidgetResizable(True)
        area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        area.setWidget(inside)
        return area

    def _line(self, option: Any) -> QGridLayout:
        made = self.fields[option.name] = FIELDS[option.kind](option)
        made.show_value(self._read(option.name))
        made.edited.connect(lambda value, name=option.name: self._write(name, value))
        made.setFixedWidth(270)
        grid = QGridLayout()
        grid.setHorizontalSpacing(16)
        grid.setVerticalSpacing(2)
        grid.setColumnStretch(0, 1)
        grid.addWidget(label(option.label, wrap=True), 0, 0)
        grid.addWidget(made, 0, 1, 2 if option.help else 1, 1, Qt.AlignmentFlag.AlignTop)
        if option.help:
            grid.addWidget(label(option.help, "small", wrap=True), 1, 0)
        return grid

    def _on_reset(self) -> None:
        for option in self._options:
            self._write(option.name, option.default)
            self.show_value(option.name, option.default)
        if self.editor:
            self.editor.reset()
