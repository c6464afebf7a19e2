"""Gallery: a strip of small pictures to choose from, or to drag elsewhere. Knows their files, not
what they are for."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from PySide6.QtCore import QMimeData, QSize, Qt, QUrl, Signal
from PySide6.QtGui import QIcon, QImage, QPixmap, QWheelEvent
from PySide6.QtWidgets import QAbstractItemView, QListView, QListWidget, QListWidgetItem

from app.i18n import say, signals, tr

SIDE, HEIGHT = 96, 132  # pixels: of a picture, of the strip with its scroll bar
PATH, TITLE = Qt.ItemDataRole.UserRole, Qt.ItemDataRole.UserRole + 1


class Gallery(QListWidget):
    chosen = Signal(str)  # path

    def __init__(self, name: str) -> None:
        super().__init__()
        self.setObjectName("Gallery")
        self.setViewMode(QListView.ViewMode.IconMode)
        self.setFlow(QListView.Flow.LeftToRight)
        self.setWrapping(False)
        self.setMovement(QListView.Movement.Static)
        self.setUniformItemSizes(True)
        self.setIconSize(QSize(SIDE, SIDE))
        self.setGridSize(QSize(SIDE + 8, SIDE + 8))
        self.setFixedHeight(HEIGHT)
        self.setDragEnabled(True)
        self.setDragDropMode(QAbstractItemView.DragDropMode.DragOnly)
        self.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        say(self, "setAccessibleName", name)
        self.itemActivated.connect(self._choose)
        self.itemClicked.connect(self._choose)
        signals.changed.connect(self._say_titles)

    def show_pictures(self, found: Iterable[tuple[Path, str, QImage]]) -> None:
        """(file, title, small picture), the first first."""
        self.clear()
        for path, title, image in found:
            icon, small = QIcon(), QPixmap.fromImage(image)
            for mode in (QIcon.Mode.Normal, QIcon.Mode.Selected):  # chosen, it is not tinted
                icon.addPixmap(small, mode)
            item = QListWidgetItem(icon, "")
            item.setData(PATH, str(path))
            item.setData(TITLE, title)
            self.addItem(item)
        self._say_titles()

    def mark(self, path: str) -> None:
        """Frame the picture that is in use; none where it is none of these."""
        for row in range(self.count()):
            item = self.item(row)
            if item.data(PATH) == path:
                self.setCurrentItem(item)
                return
        self.clearSelection()

    def mimeData(self, items: Sequence[QListWidgetItem]) -> QMimeData:
        data = QMimeData()
        data.setUrls([QUrl.fromLocalFile(str(item.data(PATH))) for item in items])
        return data

    def wheelEvent(self, event: QWheelEvent) -> None:
        """A wheel that turns up and down moves the strip along."""
        bar, by = self.horizontalScrollBar(), event.angleDelta()
        bar.setValue(bar.value() - (by.x() or by.y()))
        event.accept()

    def _choose(self, item: QListWidgetItem) -> None:
        self.chosen.emit(str(item.data(PATH)))

    def _say_titles(self) -> None:
        for row in range(self.count()):
            title = tr(str(self.item(row).data(TITLE)))
            self.item(row).setToolTip(title)
            self.item(row).setData(Qt.ItemDataRole.AccessibleTextRole, title)
