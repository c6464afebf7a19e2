"""Channels: what each channel of a layer looks for, as small pictures that arrive one by one, to
choose from. Knows layers and numbers, no network."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QRectF, QSize, Qt, QTimer, Signal
from PySide6.QtGui import QIcon, QImage, QKeyEvent, QPainter, QPen, QPixmap, QResizeEvent
from PySide6.QtWidgets import (
    QAbstractItemView,
    QComboBox,
    QListView,
    QListWidgetItem,
    QVBoxLayout,
    QWidget,
)

from app import theme
from app.i18n import say, signals, tr
from app.widgets.gallery import TITLE, Gallery
from app.widgets.parts import label, row

KEY = Qt.ItemDataRole.UserRole + 2
SIDE, GRID, HEIGHT = 68, 75, 182  # pixels: of a picture, with its rim, of two rows of them
FRAME = 3  # pixels: of the frame around a chosen one
RATIO = 2  # pixels that a picture has for each of the screen's, for fine screens
SMOOTH = (Qt.AspectRatioMode.IgnoreAspectRatio, Qt.TransformationMode.SmoothTransformation)
QUIET_MS = 150  # after the strip was moved, before pictures are asked for


class Strip(Gallery):
    """A tile for the whole layer, then one for each channel."""

    seen = Signal()  # other tiles may be in sight

    def __init__(self) -> None:
        super().__init__("Channels of the layer")
        self.setFlow(QListView.Flow.TopToBottom)
        self.setWrapping(True)
        self.setIconSize(QSize(SIDE, SIDE))
        self.setGridSize(QSize(GRID, GRID))
        self.setFixedHeight(HEIGHT)
        self.setDragEnabled(False)
        self.setDragDropMode(QAbstractItemView.DragDropMode.NoDragDrop)
        self.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        self._quiet = QTimer(self, singleShot=True, interval=QUIET_MS)
        self._quiet.timeout.connect(self.seen)
        self.horizontalScrollBar().valueChanged.connect(lambda _: self._quiet.start())
        theme.signals.changed.connect(self._paint_anew)

    def show_channels(self, count: int) -> None:
        self.clear()
        for channel in (None, *range(count)):
            item = QListWidgetItem(_tile(channel), "")
            item.setData(KEY, channel)
            item.setData(TITLE, "")
            self.addItem(item)
        self._say_titles()
        self._quiet.start()

    def show_picture(self, channel: int | None, image: QImage) -> None:
        item = self._item(channel)
        if item is not None:
            small = image.scaled(QSize(SIDE, SIDE) * RATIO, *SMOOTH)
            item.setIcon(_framed(QPixmap.fromImage(small)))
            item.setData(TITLE, "here")

    def lacking(self) -> list[int | None]:
        """Channels in sight, from the left, that have no picture yet."""
        area, found = self.viewport().rect(), list[int | None]()
        for place in range(self.count()):
            item = self.item(place)
            if not item.data(TITLE) and self.visualItemRect(item).intersects(area):
                found.append(item.data(KEY))
        return found

    def choose_channels(self, channels: Sequence[int]) -> None:
        """Frame these, or the whole layer if there are none."""
        wanted = set(channels) or {None}
        for place in range(self.count()):
            item = self.item(place)
            item.setSelected(item.data(KEY) in wanted)

    def chosen_channels(self) -> list[int]:
        """Nothing for the whole layer."""
        keys = [item.data(KEY) for item in self.selectedItems()]
        return [] if None in keys else sorted(keys)

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._quiet.start()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        super().keyPressEvent(event)
        if event.key() in (Qt.Key.Key_Space, Qt.Key.Key_Select):
            self._choose(self.currentItem())

    def hideEvent(self, event: object) -> None:
        self._quiet.stop()

    def _item(self, channel: int | None) -> QListWidgetItem | None:
        place = 0 if channel is None else channel + 1
        return self.item(place)

    def _choose(self, item: QListWidgetItem) -> None:
        self.chosen.emit("")

    def _say_titles(self) -> None:
        for place in range(self.count()):
            channel = self.item(place).data(KEY)
            words = tr("Channel {n}", n=channel) if channel is not None else tr("The whole layer")
            self.item(place).setToolTip(words)
            self.item(place).setData(Qt.ItemDataRole.AccessibleTextRole, words)

    def _paint_anew(self) -> None:
        for place in range(self.count()):
            item = self.item(place)
            here = item.icon().pixmap(QSize(SIDE, SIDE) * RATIO)
            item.setIcon(_framed(here) if item.data(TITLE) else _tile(item.data(KEY)))


class Channels(QWidget):
    """`chosen` says a layer and its channels; none are all."""

    chosen = Signal(str, list)
    wanted = Signal()  # pictures may lack

    def __init__(self) -> None:
        super().__init__()
        self.layers, self.strip = QComboBox(), Strip()
        say(self.layers, "setAccessibleName", "Layer")
        self._widths: dict[str, int] = {}
        self.layers.activated.connect(self._on_layer)
        self.strip.chosen.connect(self._on_chosen)
        self.strip.seen.connect(self.wanted)
        box = QVBoxLayout(self)
        box.setContentsMargins(0, 0, 0, 0)
        box.setSpacing(6)
        box.addLayout(row(label("What is looked for", "title"), None, self.layers, space=8))
        box.addWidget(self.strip)
        signals.changed.connect(self._say_layers)

    def show_layers(self, layers: Sequence[tuple[str, int]]) -> None:
        """(name, channels) of a network."""
        self._widths = dict(layers)
        self.layers.clear()
        for name in self._widths:
            self.layers.addItem("", name)
        self._say_layers()
        self.strip.clear()

    def layer(self) -> str:
        return str(self.layers.currentData() or "")

    def show_chosen(self, layer: str, channels: Sequence[int]) -> None:
        """Without telling anyone; a layer that is not offered is left alone."""
        place = self.layers.findData(layer)
        if place < 0:
            self.strip.clearSelection()
            return
        if place != self.layers.currentIndex() or not self.strip.count():
            self.layers.setCurrentIndex(place)
            self.strip.show_channels(self._widths[layer])
        self.strip.choose_channels(channels)

    def _on_layer(self) -> None:
        self.strip.show_channels(self._widths[self.layer()])
        self.strip.choose_channels(())
        self.chosen.emit(self.layer(), [])

    def _on_chosen(self, _path: str) -> None:
        channels = self.strip.chosen_channels()
        self.strip.choose_channels(channels)
        self.chosen.emit(self.layer(), channels)

    def _say_layers(self) -> None:
        for place, (name, count) in enumerate(self._widths.items()):
            self.layers.setItemText(
                place, tr("{layer} · {count} channels", layer=name, count=count)
            )


def _framed(small: QPixmap) -> QIcon:
    """Chosen, it has a frame and is not tinted."""
    icon, chosen = QIcon(small), QPixmap(small)
    painter = QPainter(chosen)
    wide = FRAME * small.width() / SIDE
    painter.setPen(QPen(theme.colour("accent"), wide))
    inset = wide / 2
    painter.drawRect(QRectF(chosen.rect()).adjusted(inset, inset, -inset, -inset))
    painter.end()
    icon.addPixmap(chosen, QIcon.Mode.Selected)
    return icon


def _tile(channel: int | None) -> QIcon:
    """In the place of a picture that is not here yet: its number."""
    drawn = QPixmap(QSize(SIDE, SIDE))
    drawn.fill(theme.colour("raised"))
    painter = QPainter(drawn)
    painter.setPen(theme.colour("quiet"))
    painter.setFont(theme.font(13))
    words = tr("All") if channel is None else str(channel)
    painter.drawText(QRectF(0, 0, SIDE, SIDE), int(Qt.AlignmentFlag.AlignCenter), words)
    painter.end()
    return _framed(drawn)
