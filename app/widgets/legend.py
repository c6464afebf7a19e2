"""The legend of a label map: every class with its colour, name and key; a click paints with it,
the pointer over it shows where it is. Knows no canvas."""

from __future__ import annotations

from typing import Any

from PySide6.QtCore import QModelIndex, QRectF, QSize, Qt, Signal
from PySide6.QtGui import (
    QColor,
    QKeyEvent,
    QMouseEvent,
    QPainter,
    QPen,
    QResizeEvent,
    QStandardItem,
    QStandardItemModel,
)
from PySide6.QtWidgets import (
    QAbstractItemView,
    QLineEdit,
    QListView,
    QStyle,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QVBoxLayout,
    QWidget,
)

from app import theme
from app.i18n import say, signals, tr
from app.labels import Legend
from app.widgets.parts import Section, row, tool

KEYS = tuple(f"{shift}{n}" for shift in ("", "Shift+") for n in "1234567890")
HIGH, WIDE = 26, 124  # of a class, logical pixels
BAR = 16  # logical pixels that stay free for the scroll bar
ROWS = 4  # so many are seen without scrolling, unless there is more room
SEARCHED = 14  # more classes than that can be searched
NUMBER = Qt.ItemDataRole.UserRole


class _Entry(QStyledItemDelegate):
    """Colour, name, key."""

    def __init__(self, legend: LegendPanel) -> None:
        super().__init__(legend)
        self.panel = legend

    def sizeHint(self, option: QStyleOptionViewItem, index: Any) -> QSize:
        return self.panel.list.gridSize()

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: Any) -> None:
        number = int(index.data(NUMBER))
        legend = self.panel.legend
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        box = QRectF(option.rect).adjusted(1, 1, -1, -1)  # type: ignore[attr-defined]
        state = option.state  # type: ignore[attr-defined]
        chosen, lit = number == self.panel.label, number == self.panel.below
        hover = bool(state & QStyle.StateFlag.State_MouseOver)
        focus = bool(state & QStyle.StateFlag.State_HasFocus) and self.panel.list.hasFocus()
        if chosen or lit or hover:
            painter.setPen(QPen(theme.colour("accent"), 1) if chosen else Qt.PenStyle.NoPen)
            painter.setBrush(theme.colour("accent_soft" if chosen else "hover"))
            painter.drawRoundedRect(box.adjusted(0.5, 0.5, -0.5, -0.5), 5, 5)
        if focus:
            painter.setPen(QPen(theme.colour("focus"), 1.5))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawRoundedRect(box.adjusted(0.5, 0.5, -0.5, -0.5), 5, 5)
        swatch = QRectF(box.left() + 5, box.center().y() - 7, 14, 14)
        painter.setPen(QPen(theme.colour("line"), 1))
        painter.setBrush(QColor(*legend.colours[number]))
        painter.drawRoundedRect(swatch, 3, 3)
        right = box.right() - 6
        painter.setFont(theme.font(11))
        if key := self.panel.key(number):
            width = painter.fontMetrics().horizontalAdvance(key)
            painter.setPen(theme.colour("quiet"))
            place = QRectF(right - width, box.top(), width, box.height())
            painter.drawText(place, Qt.AlignmentFlag.AlignCenter, key)
            right -= width + 4
        unknown = number >= legend.known
        painter.setFont(theme.font(13))
        painter.setPen(theme.colour("quiet" if unknown else "text"))
        if unknown:
            icon = QRectF(right - 14, box.center().y() - 7, 14, 14)
            theme.paint_icon(painter, "warning", icon, theme.colour("failure"))
            right -= 18
        words = QRectF(swatch.right() + 6, box.top(), right - swatch.right() - 6, box.height())
        name = painter.fontMetrics().elidedText(
            index.data(), Qt.TextElideMode.ElideRight, int(words.width())
        )
        painter.drawText(words, Qt.AlignmentFlag.AlignVCenter, name)
        painter.restore()


class _List(QListView):
    """Tells which entry is below the pointer, also that none is."""

    pointed = Signal(int)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        super().mouseMoveEvent(event)
        index = self.indexAt(event.position().toPoint())
        self.pointed.emit(int(index.data(NUMBER)) if index.isValid() else -1)

    def leaveEvent(self, event: Any) -> None:
        super().leaveEvent(event)
        self.pointed.emit(-1)

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        room = self.width() - BAR
        self.setGridSize(QSize(room // max(room // WIDE, 1), HIGH))


class LegendPanel(QWidget):
    chosen = Signal(int)
    pointed = Signal(int)  # the class whose place is to be shown, -1: none

    def __init__(self) -> None:
        super().__init__()
        self.legend, self._rows_of = Legend(), 1
        self.label = self.below = -1
        self.title = Section("Classes")
        self.search = QLineEdit()
        self.search.setClearButtonEnabled(True)
        self.search.setFixedWidth(150)
        say(self.search, "setPlaceholderText", "Find a class")
        say(self.search, "setAccessibleName", "Find a class")
        self.search.textChanged.connect(self._fill)
        self.search.returnPressed.connect(self._choose_first)
        self.palettes = tool("list", "Palettes of classes")
        self.list = _List()
        self.list.setObjectName("Legend")
        self.list.setModel(QStandardItemModel(self))
        self.list.setItemDelegate(_Entry(self))
        self.list.setFlow(QListView.Flow.LeftToRight)
        self.list.setWrapping(True)
        self.list.setResizeMode(QListView.ResizeMode.Adjust)
        self.list.setUniformItemSizes(True)
        self.list.setMouseTracking(True)
        self.list.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.list.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.list.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        say(self.list, "setAccessibleName", "Classes")
        self.list.clicked.connect(self._on_clicked)
        self.list.activated.connect(self._on_clicked)
        self.list.pointed.connect(self.pointed)
        head = row(self.title, None, self.search, self.palettes, space=4)
        box = QVBoxLayout(self)
        box.setContentsMargins(0, 0, 0, 0)
        box.setSpacing(4)
        box.addLayout(head)
        box.addWidget(self.list, 1)
        signals.changed.connect(self._fill)
        theme.signals.changed.connect(self.list.viewport().update)

    def show_legend(self, legend: Legend, title: str, rows_of: int = 0) -> None:
        """rows_of: as high as so many entries need, if that is more"""
        self.legend, self._rows_of = legend, max(len(legend), rows_of)
        say(self.title, "set_words", title)
        self.search.setVisible(len(legend) > SEARCHED)
        self.search.clear()
        self._fill()
        self._fit()

    def show_label(self, number: int) -> None:
        """The class that one paints with."""
        self.label = number
        model = self.list.model()
        for at in range(model.rowCount()):
            index = model.index(at, 0)
            if index.data(NUMBER) == number:
                self.list.setCurrentIndex(index)
                self.list.scrollTo(index)
        self.list.viewport().update()

    def show_below(self, number: int) -> None:
        """The class below the pointer on the canvas."""
        if number != self.below:
            self.below = number
            self.list.viewport().update()

    def key(self, number: int) -> str:
        if number >= len(KEYS):
            return ""
        return KEYS[number].replace("Shift+", "⇧")

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._fit()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() == Qt.Key.Key_Escape and self.search.text():
            self.search.clear()
        else:
            super().keyPressEvent(event)

    def _fit(self) -> None:
        """As high as the classes need, and no higher than a few rows."""
        columns = max((self.width() - BAR) // WIDE, 1)
        rows = min(-(-self._rows_of // columns), ROWS)
        self.list.setFixedHeight(rows * HIGH + 4)

    def _fill(self, *_: object) -> None:
        model = self.list.model()
        assert isinstance(model, QStandardItemModel)
        model.clear()
        wanted = self.search.text().casefold().split()
        for number, name in enumerate(self.legend.names):
            words = f"{name} {tr(name)}".casefold()
            if all(part in words for part in wanted):
                model.appendRow(self._entry(number, tr(name)))
        self.show_label(self.label)

    def _entry(self, number: int, name: str) -> QStandardItem:
        item = QStandardItem(name)
        item.setData(number, NUMBER)
        item.setEditable(False)
        tip = name
        if number >= self.legend.known:
            tip = tr("{name}: this model never saw it.", name=name)
        item.setToolTip(tip)
        item.setAccessibleText(tip)
        return item

    def _on_clicked(self, index: QModelIndex) -> None:
        self.chosen.emit(int(index.data(NUMBER)))

    def _choose_first(self) -> None:
        if self.list.model().rowCount():
            self.chosen.emit(int(self.list.model().index(0, 0).data(NUMBER)))
