"""The words of a caption as chips: how much each counts, how well each matches, and which one is
looked at. Knows no model.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from PySide6.QtCore import QPoint, QPointF, QRect, QRectF, QSize, Qt, Signal
from PySide6.QtGui import (
    QFontMetrics,
    QKeyEvent,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QPen,
    QResizeEvent,
)
from PySide6.QtWidgets import QFrame, QScrollArea, QWidget

from app import theme
from app.i18n import say, signals, tr
from app.theme import colour
from app.widgets.parts import Slider

WEIGHTS = (0.0, 2.0)
WIDE, TALL, LOW, GAP = 92, 62, 44, 6  # of a chip with and without a match; between chips
ROWS = 2  # that are seen before the rest is scrolled to


@dataclass(frozen=True)
class Word:
    """`weight` in [0, 2]; `match` a cosine in [-1, 1], None where nobody measured it; one that is
    not `known` counts nothing; `near` is a sentence of the words nearest to it."""

    text: str
    weight: float = 1.0
    match: float | None = None
    known: bool = True
    near: str = ""


class Chip(QFrame):
    moved = Signal(float)
    clicked = Signal()

    def __init__(self, word: Word, weighs: bool, matches: bool) -> None:
        super().__init__()
        self.word, self.chosen, self._matches = word, False, matches
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.slider = Slider(*WEIGHTS, 0.05, 1.0)
        self.slider.setParent(self)
        self.slider.setVisible(weighs and word.known)
        self.slider.setCursor(Qt.CursorShape.ArrowCursor)
        self.slider.moved.connect(self._on_moved)
        self.show_word(word)
        self.setFixedSize(self.sizeHint())

    def sizeHint(self) -> QSize:
        wide = QFontMetrics(theme.font()).horizontalAdvance(self.word.text) + 54
        return QSize(min(max(WIDE, wide), 180), TALL if self._matches else LOW)

    def show_word(self, word: Word) -> None:
        self.word = word
        self.slider.show_number(word.weight)
        say(self.slider, "setAccessibleName", "Weight of “{word}”", word=word.text)
        self.setAccessibleName(word.text)
        if not word.known:
            say(self, "setToolTip", "The model does not know “{word}”.", word=word.text)
        elif word.near:
            say(self, "setToolTip", word.near)
        else:
            say(self, "setToolTip", "Show where “{word}” counts", word=word.text)
        self.update()

    def show_chosen(self, chosen: bool) -> None:
        self.chosen = chosen
        self.update()

    def resizeEvent(self, event: QResizeEvent) -> None:
        self.slider.setGeometry(6, 22, self.width() - 12, 20)

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        if event.button() == Qt.MouseButton.LeftButton and self.rect().contains(
            event.position().toPoint()
        ):
            self.clicked.emit()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter, Qt.Key.Key_Space):
            self.clicked.emit()
        else:
            super().keyPressEvent(event)

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        edge = "focus" if self.hasFocus() else "accent" if self.chosen else "line"
        painter.setPen(QPen(colour(edge), 1.2))
        fill = "accent_soft" if self.chosen else "hover" if self.underMouse() else "raised"
        painter.setBrush(colour(fill))
        painter.drawRoundedRect(QRectF(self.rect()).adjusted(1, 1, -1, -1), 6, 6)
        self._paint_words(painter)
        if self._matches and self.word.known:
            self._paint_match(painter)

    def _paint_words(self, painter: QPainter) -> None:
        word = self.word
        line = QRectF(10, 4, self.width() - 20, 18)
        painter.setFont(theme.font())
        painter.setPen(colour("text" if word.known and word.weight > 0 else "quiet"))
        room = line.width() - (34 if self.slider.isVisibleTo(self) else 0)
        text = painter.fontMetrics().elidedText(word.text, Qt.TextElideMode.ElideRight, int(room))
        painter.drawText(line, Qt.AlignmentFlag.AlignVCenter, text)
        if not word.known:
            _wave(painter, line.left(), painter.fontMetrics().horizontalAdvance(text), 22)
            painter.setFont(theme.font(12))
            painter.setPen(colour("quiet"))
            painter.drawText(line.translated(0, 20), Qt.AlignmentFlag.AlignVCenter, tr("unknown"))
        elif self.slider.isVisibleTo(self):
            painter.setFont(theme.font(12))
            painter.setPen(colour("accent_text"))
            right = Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignRight
            if word.weight != 1:
                painter.drawText(line, right, f"×{word.weight:.2f}".rstrip("0").rstrip("."))

    def _paint_match(self, painter: QPainter) -> None:
        """A bar from 0 to 1 and its number."""
        match = self.word.match
        bar = QRectF(14, TALL - 13, self.width() - 54, 4)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(colour("line"))
        painter.drawRoundedRect(bar, 2, 2)
        if match is None:
            return
        painter.setBrush(colour("success"))
        bar.setWidth(bar.width() * min(max(match, 0.0), 1.0))
        painter.drawRoundedRect(bar, 2, 2)
        painter.setFont(theme.font(11))
        painter.setPen(colour("quiet"))
        right = Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignRight
        painter.drawText(
            QRectF(10, TALL - 20, self.width() - 20, 18),
            right,
            f"{match:.2f}".replace("-0.00", "0.00"),
        )

    def _on_moved(self, weight: float) -> None:
        self.moved.emit(round(weight, 2))


class WordChips(QScrollArea):
    """A chip for each word, in lines; `weighed` tells all weights when one was moved."""

    weighed = Signal(list)
    chosen = Signal(int)  # place of the word that is to be looked at, -1 for none

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("Plain")
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self._inside = QWidget()
        self._inside.setObjectName("StripBody")
        self.setWidget(self._inside)
        self.chips: list[Chip] = []
        self._shape: tuple[object, ...] = ()
        self._chosen = -1
        signals.changed.connect(self._say_again)
        self.hide()

    def words(self) -> list[Word]:
        return [chip.word for chip in self.chips]

    def place(self) -> int:
        """Of the word that is looked at."""
        return self._chosen

    def show_words(self, words: Sequence[Word], weighs: bool = True, matches: bool = False) -> None:
        """weighs: with a slider each; matches: with a bar each."""
        shape = (tuple((w.text, w.known) for w in words), weighs, matches)
        if shape == self._shape:
            for chip, word in zip(self.chips, words, strict=True):
                chip.show_word(word)
            return
        self._shape = shape
        for old in self.chips:
            old.hide()
            old.deleteLater()
        self.chips = []
        for n, word in enumerate(words):
            chip = Chip(word, weighs, matches)
            chip.setParent(self._inside)
            chip.moved.connect(lambda weight, n=n: self._on_moved(n, weight))
            chip.clicked.connect(lambda n=n: self._on_clicked(n))
            chip.show_chosen(n == self._chosen)
            chip.show()
            self.chips.append(chip)
        self.setVisible(bool(words))
        self._lay()

    def show_chosen(self, place: int) -> None:
        self._chosen = place
        for n, chip in enumerate(self.chips):
            chip.show_chosen(n == place)

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._lay()

    def _say_again(self, *_: object) -> None:
        for chip in self.chips:
            chip.update()

    def _lay(self) -> None:
        """From left to right, line by line."""
        room, at, tall = self.viewport().width(), QPoint(0, 0), 0
        for chip in self.chips:
            if at.x() and at.x() + chip.width() > room:
                at = QPoint(0, at.y() + chip.height() + GAP)
            chip.setGeometry(QRect(at, chip.size()))
            at.setX(at.x() + chip.width() + GAP)
            tall = chip.height()
        self._inside.resize(room, at.y() + tall)
        seen = min(at.y() + tall, ROWS * (tall + GAP) + (tall // 2 if at.y() > tall + GAP else 0))
        self.setFixedHeight(max(seen, 1))

    def _on_moved(self, n: int, weight: float) -> None:
        chip = self.chips[n]
        chip.show_word(replace(chip.word, weight=weight))
        self.weighed.emit([chip.word.weight for chip in self.chips])

    def _on_clicked(self, n: int) -> None:
        if self.chips[n].word.known:
            self.show_chosen(-1 if n == self._chosen else n)
            self.chosen.emit(self._chosen)


def _wave(painter: QPainter, left: float, wide: float, y: float) -> None:
    painter.setPen(QPen(colour("failure"), 1.1))
    steps = max(int(wide / 3), 1)
    points = [QPointF(left + 3 * n, y + (1.2 if n % 2 else -1.2)) for n in range(steps + 1)]
    painter.drawPolyline(points)
