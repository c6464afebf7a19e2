"""Filmstrip: every result, newest first. Hover enlarges, click brings the whole recipe back.

Knows entries as data (id, title, time, seed, path, thumbnail); reads their small pictures in Qt's
thread pool.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from PySide6.QtCore import (
    QAbstractListModel,
    QByteArray,
    QEvent,
    QItemSelectionModel,
    QMimeData,
    QModelIndex,
    QObject,
    QPersistentModelIndex,
    QPoint,
    QRect,
    QRectF,
    QRunnable,
    QSize,
    Qt,
    QThreadPool,
    QTimer,
    QUrl,
    Signal,
)
from PySide6.QtGui import (
    QContextMenuEvent,
    QImage,
    QKeyEvent,
    QMouseEvent,
    QPainter,
    QPainterPath,
    QPen,
    QPixmap,
    QWheelEvent,
)
from PySide6.QtWidgets import (
    QFrame,
    QLabel,
    QLineEdit,
    QListView,
    QMenu,
    QStyle,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QVBoxLayout,
)

from app import theme
from app.i18n import say, signals, tr
from app.theme import colour
from app.widgets.parts import label, row

Index = QModelIndex | QPersistentModelIndex
LOADED_KEPT = 400  # small pictures held in memory
LARGE = 320  # longer side of the enlarged picture


class _Loaded(QObject):
    done = Signal(str, QImage)


class _Load(QRunnable):
    """Reads one picture file; the answer arrives in the GUI thread."""

    def __init__(self, key: str, path: Path, side: int, tell: _Loaded) -> None:
        super().__init__()
        self._key, self._path, self._side, self._tell = key, path, side, tell

    def run(self) -> None:
        image = QImage(str(self._path))
        if not image.isNull() and max(image.width(), image.height()) > self._side:
            image = image.scaled(
                QSize(self._side, self._side),
                Qt.AspectRatioMode.KeepAspectRatio,
                Qt.TransformationMode.SmoothTransformation,
            )
        self._tell.done.emit(self._key, image)


class _Results(QAbstractListModel):
    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self.entries: list[Any] = []
        self._pictures: dict[str, QPixmap] = {}
        self._asked: set[str] = set()
        self._tell = _Loaded(self)
        self._tell.done.connect(self._on_loaded)

    def show_entries(self, entries: Sequence[Any]) -> None:
        """Keep what stays in place, so that neither scroll nor selection is lost."""
        old, new = [e.id for e in self.entries], [e.id for e in entries]
        grown = len(new) - len(old)
        if grown > 0 and new[grown:] == old:
            self.beginInsertRows(QModelIndex(), 0, grown - 1)
            self.entries = list(entries)
            self.endInsertRows()
        elif old != new:
            self.beginResetModel()
            self.entries = list(entries)
            self.endResetModel()

    def rowCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008
        return 0 if parent.isValid() else len(self.entries)

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        entry = self.entries[index.row()]
        if role == Qt.ItemDataRole.DecorationRole:
            return self.picture(entry)
        if role in (Qt.ItemDataRole.AccessibleTextRole, Qt.ItemDataRole.ToolTipRole):
            return caption(entry)
        if role == Qt.ItemDataRole.UserRole:
            return entry
        return None

    def flags(self, index: Index) -> Qt.ItemFlag:
        return super().flags(index) | Qt.ItemFlag.ItemIsDragEnabled

    def mimeData(self, indexes: Sequence[QModelIndex]) -> QMimeData:
        """The PNG files themselves: dropped on Ganvas they bring their recipe."""
        mime = QMimeData()
        paths = [str(self.entries[i.row()].path) for i in indexes]
        mime.setUrls([QUrl.fromLocalFile(path) for path in paths])
        mime.setData("application/x-ganvas-result", QByteArray(b"1"))
        return mime

    def picture(self, entry: Any) -> QPixmap | None:
        """The small picture, None until it has been read."""
        if entry.id not in self._pictures and entry.id not in self._asked:
            self._asked.add(entry.id)
            QThreadPool.globalInstance().start(_Load(entry.id, entry.thumbnail, 192, self._tell))
        return self._pictures.get(entry.id)

    def _on_loaded(self, id: str, image: QImage) -> None:
        self._asked.discard(id)
        while len(self._pictures) >= LOADED_KEPT:
            del self._pictures[next(iter(self._pictures))]
        self._pictures[id] = QPixmap.fromImage(image)
        for n, entry in enumerate(self.entries):
            if entry.id == id:
                self.dataChanged.emit(self.index(n), self.index(n))
                return


class _Frame(QStyledItemDelegate):
    """A result as a rounded picture; the one on the desk has an accent border."""

    current = ""

    def sizeHint(self, option: QStyleOptionViewItem, index: Index) -> QSize:
        height = max(option.widget.height() - 4, 48) if option.widget else 96  # type: ignore
        return QSize(round((height - 8) * 0.75) + 10, height)

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: Index) -> None:
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        rect: QRect = option.rect  # type: ignore[attr-defined]
        box = QRectF(rect).adjusted(5, 4, -5, -4)
        state = option.state  # type: ignore[attr-defined]
        path = QPainterPath()
        path.addRoundedRect(box, 5, 5)
        painter.fillPath(path, colour("raised"))
        picture = index.data(Qt.ItemDataRole.DecorationRole)
        if isinstance(picture, QPixmap) and not picture.isNull():
            painter.setClipPath(path)
            painter.drawPixmap(box, picture, _cover(picture, box))
            painter.setClipping(False)
        current = index.data(Qt.ItemDataRole.UserRole).id == self.current
        selected = bool(state & QStyle.StateFlag.State_Selected)
        hover = bool(state & QStyle.StateFlag.State_MouseOver)
        if current or selected or hover:
            tint = "accent" if current else "text" if selected else "quiet"
            painter.setPen(QPen(colour(tint), 2))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawRoundedRect(box.adjusted(-1.5, -1.5, 1.5, 1.5), 6, 6)
        painter.restore()


def _cover(picture: QPixmap, box: QRectF) -> QRectF:
    """The middle part of the picture that has the box's shape."""
    wide, high = picture.width(), picture.height()
    scale = min(wide / box.width(), high / box.height())
    w, h = box.width() * scale, box.height() * scale
    return QRectF((wide - w) / 2, (high - h) / 2, w, h)


class _Strip(QListView):
    """One row; the wheel goes sideways, Delete deletes, resting on a picture enlarges it."""

    delete_wanted = Signal()
    hovered = Signal(object, QRect)  # entry | None, its place on the screen

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("Strip")
        self.setFlow(QListView.Flow.LeftToRight)
        self.setWrapping(False)
        self.setUniformItemSizes(True)
        self.setMouseTracking(True)
        self.setSelectionMode(QListView.SelectionMode.ExtendedSelection)
        self.setHorizontalScrollMode(QListView.ScrollMode.ScrollPerPixel)
        self.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setDragEnabled(True)
        self.setMinimumHeight(60)
        self._rest = QTimer(self, singleShot=True, interval=350)
        self._rest.timeout.connect(self._on_rest)
        self._over = QPersistentModelIndex()

    def wheelEvent(self, event: QWheelEvent) -> None:
        delta = event.angleDelta()
        bar = self.horizontalScrollBar()
        bar.setValue(bar.value() - (delta.x() or delta.y()))
        self._leave()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() in (Qt.Key.Key_Delete, Qt.Key.Key_Backspace):
            self.delete_wanted.emit()
        elif event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self.activated.emit(self.currentIndex())
        else:
            super().keyPressEvent(event)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        super().mouseMoveEvent(event)
        index = self.indexAt(event.position().toPoint())
        if QPersistentModelIndex(index) != self._over:
            self._leave()
            self._over = QPersistentModelIndex(index)
            if index.isValid() and not event.buttons():
                self._rest.start()

    def mousePressEvent(self, event: QMouseEvent) -> None:
        self._leave()
        super().mousePressEvent(event)

    def leaveEvent(self, event: QEvent) -> None:
        self._leave()
        super().leaveEvent(event)

    def resizeEvent(self, event: Any) -> None:
        super().resizeEvent(event)
        self.scheduleDelayedItemsLayout()

    def _leave(self) -> None:
        self._rest.stop()
        self._over = QPersistentModelIndex()
        self.hovered.emit(None, QRect())

    def _on_rest(self) -> None:
        if self._over.isValid():
            index = self.model().index(self._over.row(), 0)
            rect = self.visualRect(index)
            place = QRect(self.viewport().mapToGlobal(rect.topLeft()), rect.size())
            self.hovered.emit(index.data(Qt.ItemDataRole.UserRole), place)


class Filmstrip(QFrame):
    restore_wanted = Signal(str)  # id
    delete_wanted = Signal(list)  # ids
    export_wanted = Signal(str)
    recipe_wanted = Signal(str)
    enlarge_wanted = Signal(str)
    search_changed = Signal(str)

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("Film")
        self.model = _Results(self)
        self.strip = _Strip()
        self.strip.setModel(self.model)
        self._frame = _Frame(self.strip)
        self.strip.setItemDelegate(self._frame)
        self.empty = label("Every result is kept here, with all that made it.", "quiet", wrap=True)
        self.empty.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.count = label("", "quiet")
        self.count.setAlignment(Qt.AlignmentFlag.AlignRight)
        self.search = QLineEdit()
        self.search.setFixedWidth(150)
        self.search.setClearButtonEnabled(True)
        say(self.search, "setPlaceholderText", "Search results")
        say(self.search, "setAccessibleName", "Search results")
        say(self.strip, "setAccessibleName", "Results, newest first")
        side = QVBoxLayout()
        side.setSpacing(8)
        side.addStretch(1)
        side.addWidget(self.count)
        side.addWidget(self.search)
        side.addStretch(1)
        box = row(self.strip, self.empty, space=12)
        box.setContentsMargins(7, 6, 12, 6)
        box.setStretch(0, 1)
        box.setStretch(1, 1)
        box.addLayout(side)
        self.setLayout(box)
        self._large = QLabel(self, Qt.WindowType.ToolTip)
        self._large.setObjectName("Popover")
        self._large.setContentsMargins(6, 6, 6, 6)
        self._tell = _Loaded(self)
        self._tell.done.connect(self._on_large)
        self._wanted: tuple[str, QRect] = ("", QRect())
        self._connect()
        self.show_entries([], 0)

    def _connect(self) -> None:
        self.strip.clicked.connect(self._on_activated)
        self.strip.activated.connect(self._on_activated)
        self.strip.delete_wanted.connect(self._on_delete)
        self.strip.hovered.connect(self._on_hover)
        self.search.textChanged.connect(self.search_changed)
        signals.changed.connect(self._count)

    def show_entries(self, entries: Sequence[Any], total: int) -> None:
        """Newest first; `total` counts those that the search hides too."""
        self.model.show_entries(entries)
        self._total = total
        self.strip.setVisible(bool(entries))
        self.empty.setVisible(not entries)
        text = "Nothing found." if total else "Every result is kept here, with all that made it."
        say(self.empty, "setText", text)
        self._count()

    def mark(self, id: str) -> None:
        """The result that is on the desk now; "" for none."""
        if id != self._frame.current:
            self._frame.current = id
            self.strip.viewport().update()

    def selected(self) -> list[str]:
        rows = sorted(i.row() for i in self.strip.selectionModel().selectedIndexes())
        return [self.model.entries[n].id for n in rows]

    def _count(self, *_: object) -> None:
        shown = len(self.model.entries)
        if shown != self._total:
            text = tr("{n} of {total} results", n=shown, total=self._total)
        else:
            text = tr("1 result") if shown == 1 else tr("{n} results", n=shown)
        self.count.setText(text)

    def _on_activated(self, index: QModelIndex) -> None:
        keys = theme.QGuiApplication.keyboardModifiers()
        choosing = Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.ShiftModifier
        if index.isValid() and not keys & choosing:
            self.restore_wanted.emit(self.model.entries[index.row()].id)

    def _on_delete(self) -> None:
        if ids := self.selected():
            self.delete_wanted.emit(ids)

    def contextMenuEvent(self, event: QContextMenuEvent) -> None:
        self.menu_at(self.strip.viewport().mapFromGlobal(event.globalPos()), event.globalPos())

    def menu_at(self, place: QPoint, where: QPoint) -> None:
        index = self.strip.indexAt(place)
        if not index.isValid():
            index = self.strip.currentIndex()
        if not index.isValid():
            return
        self.strip._leave()
        id = self.model.entries[index.row()].id
        if id not in self.selected():
            select = QItemSelectionModel.SelectionFlag.ClearAndSelect
            self.strip.selectionModel().setCurrentIndex(index, select)
        ids = self.selected()
        menu = QMenu(self)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        one = len(ids) == 1
        for icon, text, signal in (
            ("undo", "Bring this back", self.restore_wanted),
            ("export", "Save a copy…", self.export_wanted),
            ("recipe", "Copy recipe", self.recipe_wanted),
            ("enlarge", "Enlarge", self.enlarge_wanted),
        ):
            action = menu.addAction(theme.icon(icon), tr(text))
            action.setEnabled(one)
            action.triggered.connect(lambda _=False, signal=signal: signal.emit(id))
        menu.addSeparator()
        text = tr("Delete") if one else tr("Delete {n} results", n=len(ids))
        menu.addAction(theme.icon("delete"), text).triggered.connect(
            lambda: self.delete_wanted.emit(ids)
        )
        menu.popup(where)

    def _on_hover(self, entry: Any, place: QRect) -> None:
        if entry is None:
            self._wanted = ("", QRect())
            self._large.hide()
            return
        self._wanted = (entry.id, place)
        QThreadPool.globalInstance().start(_Load(entry.id, entry.path, LARGE, self._tell))

    def _on_large(self, id: str, image: QImage) -> None:
        if id != self._wanted[0] or image.isNull():
            return
        place = self._wanted[1]
        if max(image.width(), image.height()) < LARGE:
            image = image.scaled(
                QSize(LARGE, LARGE),
                Qt.AspectRatioMode.KeepAspectRatio,
                Qt.TransformationMode.SmoothTransformation,
            )
        self._large.setPixmap(QPixmap.fromImage(image))
        self._large.adjustSize()
        left = place.center().x() - self._large.width() // 2
        screen = self.screen().availableGeometry()
        left = max(screen.left() + 4, min(left, screen.right() - self._large.width() - 4))
        self._large.move(left, place.top() - self._large.height() - 8)
        self._large.show()


def caption(entry: Any) -> str:
    """What a result is, in words."""
    made = datetime.fromtimestamp(entry.time).strftime("%Y-%m-%d %H:%M")
    return f"{tr(entry.title)} · {made} · {tr('seed {seed}', seed=entry.seed)}"
