"""ModelPicker: what can be loaded, by room, with search; and the room of all models.

Knows entries of a catalogue as data (name, digest, title, family, rooms, bytes, path, shipped) and
model cards; loads nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from PySide6.QtCore import QEvent, QObject, QSize, Qt, Signal
from PySide6.QtGui import QKeyEvent, QPainter, QPaintEvent, QResizeEvent
from PySide6.QtWidgets import (
    QAbstractButton,
    QDialog,
    QLineEdit,
    QListWidget,
    QListWidgetItem,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from app import theme
from app.i18n import say, signals, tr
from app.theme import colour
from app.widgets.parts import Popover, button, label, row, rule
from app.widgets.report import Fitted, facts
from engines.controls import ModelCard
from engines.job import Picture

ROOMS = {
    "draw": "Draw", "paint": "Paint", "translate": "Translate", "faces": "Faces", "words": "Words",
    "style": "Style", "dream": "Dream", "": "Other models",
}  # fmt: skip
REFERENCE = Qt.ItemDataRole.UserRole


@dataclass(frozen=True)
class ModelRow:
    """One model as listed. `detail` is quiet text beside the title."""

    reference: str  # "name@digest"
    title: str
    detail: str
    room: str
    search: str

    @classmethod
    def of(cls, entry: Any) -> ModelRow:
        rooms = tuple(getattr(entry, "rooms", ()) or ())
        room = next((r for r in rooms if r in ROOMS), "")
        title = getattr(entry, "title", "") or entry.name
        megabytes = (getattr(entry, "bytes", 0) or 0) / 1e6
        parts = [getattr(entry, "family", "")]
        parts += [f"{megabytes:.1f} MB"] if megabytes else []
        parts += [tr("starter")] if getattr(entry, "shipped", False) else []
        words = " ".join([title, entry.name, *parts, str(getattr(entry, "path", ""))]).lower()
        reference = f"{entry.name}@{entry.digest}"
        return cls(reference, title, " · ".join(p for p in parts if p), room, words)


class ModelList(QWidget):
    """A search field above the models, grouped by room; that of the model in use comes first."""

    chosen = Signal(str)  # reference
    pointed = Signal(str)  # reference under the cursor of the keyboard or mouse

    def __init__(self) -> None:
        super().__init__()
        self._rows: list[ModelRow] = []
        self._current = ""
        self.search = QLineEdit()
        self.search.setClearButtonEnabled(True)
        say(self.search, "setPlaceholderText", "Search models")
        say(self.search, "setAccessibleName", "Search models")
        self.list = QListWidget()
        self.list.setUniformItemSizes(False)
        say(self.list, "setAccessibleName", "Models")
        self.empty = label("No model has such a name.", "quiet", wrap=True)
        box = QVBoxLayout(self)
        box.setContentsMargins(0, 0, 0, 0)
        box.setSpacing(8)
        for part in (self.search, self.list, self.empty):
            box.addWidget(part)
        self.search.textChanged.connect(self._fill)
        self.search.installEventFilter(self)
        self.list.itemClicked.connect(self._on_item)
        self.list.itemActivated.connect(self._on_item)
        self.list.currentItemChanged.connect(self._on_current)
        signals.changed.connect(self._fill)

    def show_models(self, entries: Iterable[Any], current: str) -> None:
        self._rows = [ModelRow.of(entry) for entry in entries]
        self._current = current
        self._fill()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """The arrow keys and Enter in the search field belong to the list."""
        if isinstance(event, QKeyEvent) and event.type() == QEvent.Type.KeyPress:
            if event.key() in (Qt.Key.Key_Down, Qt.Key.Key_Up):
                self.list.keyPressEvent(event)
                return True
            if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
                self._on_item(self.list.currentItem())
                return True
        return super().eventFilter(watched, event)

    def _fill(self, *_: object) -> None:
        words = self.search.text().lower().split()
        found = [r for r in self._rows if all(word in r.search for word in words)]
        self.list.clear()
        here = next((r.room for r in self._rows if r.reference == self._current), "")
        for room in sorted(ROOMS, key=lambda room: room != here):
            inside = [r for r in found if r.room == room]
            if inside:
                self._add_heading(tr(ROOMS[room]))
            for one in inside:
                self._add(one)
        if words and self.list.currentItem() is None and found:
            self.list.setCurrentRow(1)  # below the heading: what Enter takes
        self.list.setVisible(bool(found))
        self.empty.setVisible(not found)

    def _add_heading(self, title: str) -> None:
        heading = QListWidgetItem(title.upper())
        heading.setFlags(Qt.ItemFlag.NoItemFlags)
        heading.setFont(theme.font(11, theme.QFont.Weight.DemiBold))
        heading.setForeground(colour("quiet"))
        self.list.addItem(heading)

    def _add(self, one: ModelRow) -> None:
        item = QListWidgetItem(f"{tr(one.title)}\n{one.detail}")
        item.setData(REFERENCE, one.reference)
        item.setIcon(
            theme.icon(
                "check" if one.reference == self._current else "model",
                "accent_text" if one.reference == self._current else "quiet",
            )
        )
        self.list.addItem(item)
        if one.reference == self._current:
            self.list.setCurrentItem(item)

    def _on_item(self, item: QListWidgetItem | None) -> None:
        if item is not None and item.data(REFERENCE):
            self.chosen.emit(item.data(REFERENCE))

    def _on_current(self, item: QListWidgetItem | None) -> None:
        if item is not None and item.data(REFERENCE):
            self.pointed.emit(item.data(REFERENCE))


class ModelPicker(QAbstractButton):
    """The model in use, and a menu of the others."""

    chosen = Signal(str)
    file_wanted = Signal()
    opened = Signal()  # the menu is about to show: the list may be renewed

    def __init__(self) -> None:
        super().__init__()
        self._title, self._detail, self._state = "", "", "none"
        self._entries: list[Any] = []
        self._current = ""
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)
        self.models = ModelList()
        self.file = button("Open model file…", icon="open")
        self._menu = Popover(self)
        box = QVBoxLayout(self._menu)
        box.setContentsMargins(10, 10, 10, 10)
        box.addWidget(self.models)
        box.addWidget(self.file)
        self._menu.setMinimumSize(360, 500)
        self.clicked.connect(self.open_menu)
        self.models.chosen.connect(self._on_chosen)
        self.file.clicked.connect(self._on_file)
        signals.changed.connect(self._name)
        self._name()

    def show_card(self, card: ModelCard | None, shipped: bool = False) -> None:
        if card is None:
            self._title, self._detail, self._state, self._current = "", "", "none", ""
        else:
            native = card.size.native
            size = f"{native[0]}×{native[1]}" if native else ""
            words = [card.family, size, "starter" if shipped else ""]
            self._title, self._state = card.title, "ready"
            self._detail, self._current = "\n".join(w for w in words if w), card.checkpoint
        self._name()

    def show_state(self, state: str) -> None:
        """ "none", "loading", "ready" or "failed": the colour of the dot."""
        if state != self._state:
            self._state = state
            self._name()

    def show_models(self, entries: Iterable[Any]) -> None:
        self._entries = list(entries)

    def open_menu(self) -> None:
        self.opened.emit()
        self.models.search.clear()
        self.models.show_models(self._entries, self._current)
        self._menu.open_at(self)
        self.models.search.setFocus()

    def sizeHint(self) -> QSize:
        metrics = self.fontMetrics()
        words = metrics.horizontalAdvance(self._words()[0]) + metrics.horizontalAdvance(
            self._words()[1]
        )
        return QSize(min(max(words + 76, 220), 460), 32)

    def minimumSizeHint(self) -> QSize:
        return QSize(180, 32)

    def _words(self) -> tuple[str, str]:
        waiting = {"none": "No model", "loading": "Loading…", "failed": "No model"}
        title = tr(self._title) if self._title else tr(waiting.get(self._state, "No model"))
        return title, " · ".join(tr(w) for w in self._detail.split("\n") if w)

    def _name(self, *_: object) -> None:
        title, detail = self._words()
        self.setAccessibleName(tr("Model: {title}", title=title))
        self.setToolTip(f"{title}\n{detail}" if detail else title)
        self.updateGeometry()
        self.update()

    def resizeEvent(self, event: QResizeEvent) -> None:
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        box = theme.QRectF(self.rect()).adjusted(0.5, 0.5, -0.5, -0.5)
        painter.setPen(colour("focus" if self.hasFocus() else "line"))
        painter.setBrush(colour("hover" if self.underMouse() else "raised"))
        painter.drawRoundedRect(box, theme.RADIUS, theme.RADIUS)
        dots = {"ready": "success", "loading": "accent", "failed": "failure"}
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(colour(dots.get(self._state, "faint")))
        painter.drawEllipse(theme.QPointF(16, box.center().y()), 3.5, 3.5)
        title, detail = self._words()
        middle = Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft
        room = box.adjusted(28, 0, -34, 0)
        painter.setPen(colour("text"))
        shown = self.fontMetrics().elidedText(title, Qt.TextElideMode.ElideRight, int(room.width()))
        painter.drawText(room, int(middle), shown)
        rest = room.adjusted(self.fontMetrics().horizontalAdvance(shown) + 10, 0, 0, 0)
        if rest.width() > 24:
            painter.setFont(theme.font(12))
            painter.setPen(colour("quiet"))
            shown = painter.fontMetrics().elidedText(
                detail, Qt.TextElideMode.ElideRight, int(rest.width())
            )
            painter.drawText(rest, int(middle), shown)
        caret = theme.QRectF(box.right() - 24, box.center().y() - 7, 14, 14)
        theme.paint_icon(painter, "down", caret, colour("quiet"))

    def _on_chosen(self, reference: str) -> None:
        self._menu.hide()
        self.chosen.emit(reference)

    def _on_file(self) -> None:
        self._menu.hide()
        self.file_wanted.emit()


class ModelsDialog(QDialog):
    """Every model that is known: what it is and what it makes, and a button to use it."""

    chosen = Signal(str)
    file_wanted = Signal()
    pointed = Signal(str)  # reference: what is told of it goes to `show_about`

    def __init__(self, entries: Iterable[Any], current: str, parent: QWidget) -> None:
        super().__init__(parent)
        say(self, "setWindowTitle", "Models")
        self.resize(940, 640)
        self._entries = {f"{e.name}@{e.digest}": e for e in entries}
        self.reference = ""  # of the one that is told of
        self.models = ModelList()
        self.models.setMinimumWidth(300)
        self.title = label("", "heading", wrap=True)
        self.summary = label("", wrap=True)
        self.ships = label("Comes with Ganvas and works offline.", "quiet", wrap=True)
        self.sheet = Fitted()
        say(self.sheet, "setAccessibleName", "Sample sheet")
        self.facts = QWidget()
        self.use = button("Use this model", "primary")
        self.file = button("Open model file…", icon="open")
        side = self._side = QVBoxLayout()
        side.setSpacing(10)
        for part in (self.title, self.summary, self.ships, self.sheet, self.facts):
            side.addWidget(part)
        side.setStretchFactor(self.sheet, 1)
        hint = "A weights file can also be dropped anywhere on the window."
        side.addWidget(label(hint, "small", wrap=True))
        side.addLayout(row(self.use, self.file, None))
        line = rule()
        line.setMinimumHeight(0)
        line.setMaximumHeight(16777215)
        box = row(self.models, line, space=16, margins=16)
        box.addLayout(side, 1)
        self.setLayout(box)
        self.models.pointed.connect(self._on_pointed)
        self.models.list.itemActivated.connect(self._on_use)
        self.use.clicked.connect(self._on_use)
        self.file.clicked.connect(self._on_file)
        self.models.show_models(self._entries.values(), current)
        self.use.setEnabled(bool(self.reference))

    def show_about(self, reference: str, told: Mapping[str, str], sheet: Picture | None) -> None:
        """What the file says of itself, by "summary", "data" and "licence", and its sheet."""
        if reference == self.reference:
            self._show(told)
            self.sheet.show_picture(sheet)

    def _on_pointed(self, reference: str) -> None:
        self.reference = reference
        self.use.setEnabled(True)
        self.sheet.show_picture(None)
        self._show({})
        self.pointed.emit(reference)

    def _show(self, told: Mapping[str, str]) -> None:
        entry = self._entries[self.reference]
        say(self.title, "setText", getattr(entry, "title", "") or entry.name)
        say(self.summary, "setText", told.get("summary", ""))
        self.summary.setVisible("summary" in told)
        self.ships.setVisible(getattr(entry, "shipped", False))
        pairs = (
            ("Training data", told.get("data", "")),
            ("Licence", told.get("licence", "")),
            ("Family", getattr(entry, "family", "")),
            ("Size", f"{(getattr(entry, 'bytes', 0) or 0) / 1e6:.1f} MB"),
            ("Model", self.reference),
            ("File", str(getattr(entry, "path", "") or "")),
        )
        before, self.facts = self.facts, QWidget()
        grid = facts(pairs)
        grid.setContentsMargins(0, 0, 0, 0)
        self.facts.setLayout(grid)
        self._side.replaceWidget(before, self.facts)
        before.deleteLater()

    def _on_use(self) -> None:
        if self.reference:
            self.chosen.emit(self.reference)
            self.accept()

    def _on_file(self) -> None:
        self.accept()
        self.file_wanted.emit()
