"""A row of small pictures with a line of text below each: targets of one face, or what several
models make of it."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QRectF, QSize, Qt, Signal
from PySide6.QtGui import QKeyEvent, QMouseEvent, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import (
    QAbstractButton,
    QFrame,
    QHBoxLayout,
    QScrollArea,
    QVBoxLayout,
    QWidget,
)

from app import theme
from app.i18n import say
from app.pictures import thumbnail
from app.theme import colour
from app.widgets.parts import button, label, row, tool
from engines.job import Picture

SIDE = 76  # of a small picture


class Cell(QAbstractButton):
    def __init__(self, picture: Picture, text: str, can: bool) -> None:
        super().__init__()
        self._picture, self._small = picture, thumbnail(picture, SIDE, SIDE)
        self._text = text
        self.can = can
        self.setAccessibleName(text)
        self.setToolTip(text)
        self.setCheckable(can)
        self.setAutoExclusive(can)
        if can:
            self.setCursor(Qt.CursorShape.PointingHandCursor)
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus if can else Qt.FocusPolicy.NoFocus)
        self.setFixedSize(self.sizeHint())

    def sizeHint(self) -> QSize:
        lines = self._text.split(" · ")
        wide = max(self.fontMetrics().horizontalAdvance(line) for line in lines)
        return QSize(max(SIDE, min(wide, 110)) + 12, SIDE + 14 + 16 * len(lines))

    def mousePressEvent(self, event: QMouseEvent) -> None:
        if self.can:
            super().mousePressEvent(event)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self.click()
        else:
            super().keyPressEvent(event)

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        box = QRectF(self.rect()).adjusted(1, 1, -1, -1)
        over = self.can and self.underMouse()
        painter.setPen(QPen(colour("accent" if self.isChecked() else "line"), 1.4))
        painter.setBrush(colour("hover" if over else "raised"))
        painter.drawRoundedRect(box, 6, 6)
        if self.hasFocus():
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.setPen(QPen(colour("focus"), 1.4))
            painter.drawRoundedRect(box.adjusted(2, 2, -2, -2), 5, 5)
        ratio = self._small.devicePixelRatio()
        place = QRectF(0, 0, self._small.width() / ratio, self._small.height() / ratio)
        place.moveCenter(QRectF(0, 5, self.width(), SIDE).center())
        painter.drawPixmap(place, self._small, QRectF(self._small.rect()))
        painter.setFont(theme.font(12))
        for n, line in enumerate(self._text.split(" · ")):
            painter.setPen(colour("text" if n == 0 else "quiet"))
            under = QRectF(4, SIDE + 7 + 16 * n, self.width() - 8, 16)
            elided = painter.fontMetrics().elidedText(
                line, Qt.TextElideMode.ElideRight, int(under.width())
            )
            painter.drawText(under, Qt.AlignmentFlag.AlignCenter, elided)


class PictureStrip(QFrame):
    """Hidden while there is nothing to show."""

    chosen = Signal(int)
    save_wanted = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.title = label("", "quiet")
        self.save = button("Save sheet…", "link")
        close = tool("close", "Close")
        self.save.clicked.connect(self.save_wanted)
        close.clicked.connect(self.hide)
        self.cells: list[Cell] = []
        self._row = QHBoxLayout()
        self._row.setContentsMargins(0, 0, 0, 0)
        self._row.setSpacing(6)
        inside = QWidget()
        inside.setObjectName("StripBody")
        inside.setLayout(self._row)
        self._area = QScrollArea()
        self._area.setObjectName("StripArea")
        self._area.setWidget(inside)
        self._area.setWidgetResizable(True)
        self._area.setFrameShape(QFrame.Shape.NoFrame)
        self._area.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        box = QVBoxLayout(self)
        box.setContentsMargins(0, 0, 0, 0)
        box.setSpacing(2)
        box.addLayout(row(self.title, None, self.save, close))
        box.addWidget(self._area)
        self.hide()

    def show_pictures(
        self, title: str, pictures: Sequence[Picture], texts: Sequence[str], can: Sequence[bool]
    ) -> None:
        """`can` says which of them can be chosen."""
        say(self.title, "setText", title)
        while (item := self._row.takeAt(0)) is not None:
            if (old := item.widget()) is not None:
                old.deleteLater()
        self.cells = [Cell(p, t, c) for p, t, c in zip(pictures, texts, can, strict=True)]
        for index, cell in enumerate(self.cells):
            cell.clicked.connect(lambda _=False, index=index: self.chosen.emit(index))
            self._row.addWidget(cell, 0, Qt.AlignmentFlag.AlignTop)
        self._row.addStretch(1)
        tall = max((cell.height() for cell in self.cells), default=0)
        self._area.setFixedHeight(tall + 14)
        self.show()
