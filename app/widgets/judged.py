"""What a discriminator with two heads sees in a photo and in what was made of it: its map of how
real each part looks, over the faces, and its classes as bars beside what was asked for.

Knows what it is given (Judged), no model.
"""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QPointF, QRectF, QSizeF, Qt
from PySide6.QtGui import QColor, QLinearGradient, QPainter, QPaintEvent, QPen, QPixmap
from PySide6.QtWidgets import QFrame, QWidget

from app import theme
from app.i18n import say, signals, tr
from app.pictures import to_pixmap
from app.theme import colour
from app.widgets.parts import column, label, row, tool
from engines.job import Judged

FACE = 92  # logical pixels: side of a face
GAP = 10
TALL = FACE + 70  # of the whole content
MADE, REAL = QColor("#E8743B"), QColor("#2FB7A8")  # ends of the map: for eyes of any kind
VEIL = 130  # opacity of the map over a face, of 255
NUMBERED = 4  # so many parts at most have room for their numbers
CLASSES = "How sure it is of each label; ticks: what the photo has, and what was asked for."


class SourceMaps(QWidget):
    """Two faces under their maps, in one scale."""

    def __init__(self) -> None:
        super().__init__()
        self.setFixedSize(2 * FACE + GAP, TALL)
        self._judged: Sequence[Judged] = ()
        self._faces: list[QPixmap] = []
        say(self, "setAccessibleName", "How real each part looks")
        signals.changed.connect(self._say_again)

    def show_judged(self, judged: Sequence[Judged]) -> None:
        self._judged = judged
        self._faces = [to_pixmap(one.picture) for one in judged]
        self._say_again()

    def means(self) -> list[float]:
        return [_mean(one.source) for one in self._judged]

    def ends(self) -> tuple[float, float]:
        """The lowest and the highest number of both maps."""
        numbers = [v for one in self._judged for line in one.source for v in line]
        return (min(numbers), max(numbers)) if numbers else (0.0, 0.0)

    def tint(self, value: float) -> QColor:
        low, high = self.ends()
        share = (value - low) / (high - low) if high > low else 0.5
        ends = zip(*((c.red(), c.green(), c.blue()) for c in (MADE, REAL)))
        return QColor(*(round(a + share * (b - a)) for a, b in ends))

    def number(self, value: float) -> str:
        """With as many places as tell the numbers of both maps apart."""
        low, high = self.ends()
        places = 1 if high - low >= 10 else 2 if high - low >= 0.2 else 3
        return f"{round(value, places) + 0.0:+.{places}f}"

    def _say_again(self, *_: object) -> None:
        said = ", ".join(f"{t}: {self.number(m)}" for t, m in zip(_titles(), self.means()))
        self.setAccessibleDescription(said)
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        painter.setFont(theme.font(11))
        for n, (title, one, mean) in enumerate(zip(_titles(), self._judged, self.means())):
            box = QRectF(n * (FACE + GAP), 18, FACE, FACE)
            line = QRectF(box.left(), 0, FACE, 16)
            painter.setPen(colour("quiet"))
            painter.drawText(line, int(Qt.AlignmentFlag.AlignHCenter), title)
            painter.setPen(colour("text"))
            said = tr("mean {number}", number=self.number(mean))
            painter.drawText(
                line.translated(0, FACE + 20), int(Qt.AlignmentFlag.AlignHCenter), said
            )
            painter.drawPixmap(box, self._faces[n], QRectF(self._faces[n].rect()))
            self._paint_map(painter, box, one.source)
        self._paint_scale(painter, QRectF(0, FACE + 40, self.width(), 8))

    def _paint_map(self, painter: QPainter, box: QRectF, source: Sequence[Sequence[float]]) -> None:
        high, wide = len(source), len(source[0])
        for y, line in enumerate(source):
            for x, value in enumerate(line):
                size = QSizeF(FACE / wide, FACE / high)
                corner = QPointF(x * size.width(), y * size.height())
                part = QRectF(box.topLeft() + corner, size)
                tint = self.tint(value)
                tint.setAlpha(VEIL)
                painter.fillRect(part, tint)
                if high * wide <= NUMBERED:
                    _write(painter, part, self.number(value))

    def _paint_scale(self, painter: QPainter, bar: QRectF) -> None:
        low, high = self.ends()
        ramp = QLinearGradient(bar.left(), 0, bar.right(), 0)
        ramp.setColorAt(0, MADE)
        ramp.setColorAt(1, REAL)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(ramp)
        painter.drawRoundedRect(bar, 4, 4)
        painter.setPen(colour("quiet"))
        below = QRectF(bar.left(), bar.bottom() + 2, bar.width(), 16)
        painter.drawText(below, int(Qt.AlignmentFlag.AlignLeft), self.number(low))
        painter.drawText(below, int(Qt.AlignmentFlag.AlignHCenter), tr("more real →"))
        painter.drawText(below, int(Qt.AlignmentFlag.AlignRight), self.number(high))


class ClassBars(QWidget):
    """A line for each label: how sure the net is of it in the photo (thin) and in the result."""

    def __init__(self) -> None:
        super().__init__()
        self.setMinimumSize(150, TALL)
        self._judged: Sequence[Judged] = ()
        say(self, "setAccessibleName", "Classes")
        say(self, "setToolTip", CLASSES)
        signals.changed.connect(self._say_again)

    def show_judged(self, judged: Sequence[Judged]) -> None:
        self._judged = judged
        count = len(judged[0].classes) if judged else 0
        self.setMinimumHeight(max(TALL, 16 * count + 18))
        self._say_again()

    def lines(self) -> list[tuple[str, list[float], list[float]]]:
        """Label, how sure of it in photo and result, and what was said of both."""
        labels = self._judged[0].classes if self._judged else ()
        return [
            (name, [j.classes[name] for j in self._judged], [j.asked[name] for j in self._judged])
            for name in labels
        ]

    def _say_again(self, *_: object) -> None:
        said = (f"{tr(name)}: {_percents(sure)}" for name, sure, _ in self.lines())
        self.setAccessibleDescription(", ".join(said))
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setFont(theme.font(11))
        lines = self.lines()
        metrics = painter.fontMetrics()
        right = metrics.horizontalAdvance(_percents([1.0, 1.0])) + 6
        widest = max((metrics.horizontalAdvance(tr(name)) for name, *_ in lines), default=0)
        left = min(widest + 8, max(self.width() - right - 48, 40))
        self._paint_legend(painter, QRectF(0, 0, self.width(), 16))
        tall = min((self.height() - 18) / max(len(lines), 1), 26.0)
        for n, (name, sure, asked) in enumerate(lines):
            line = QRectF(0, 18 + n * tall, self.width(), tall)
            painter.setPen(colour("text"))
            text = metrics.elidedText(tr(name), Qt.TextElideMode.ElideRight, int(left) - 6)
            painter.drawText(line, int(Qt.AlignmentFlag.AlignVCenter), text)
            painter.setPen(colour("quiet"))
            flags = Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignRight
            painter.drawText(line, int(flags), _percents(sure))
            bar = QRectF(left, line.center().y() - 5, self.width() - left - right, 10)
            self._paint_bars(painter, bar, sure, asked)

    def _paint_bars(
        self, painter: QPainter, bar: QRectF, sure: Sequence[float], asked: Sequence[float]
    ) -> None:
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(colour("line"))
        painter.drawRoundedRect(bar, 3, 3)
        top = bar.top()
        for part, share, wanted, tint in zip((3.0, 7.0), sure, asked, ("quiet", "accent")):
            area = QRectF(bar.left(), top, max(bar.width() * share, 1.0), part)
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(colour(tint))
            painter.drawRoundedRect(area, 1.5, 1.5)
            at = bar.left() + bar.width() * min(max(wanted, 0.0), 1.0)
            painter.setPen(QPen(colour("text"), 1.6))
            painter.drawLine(QPointF(at, top - 1), QPointF(at, top + part + 1))
            top += part

    def _paint_legend(self, painter: QPainter, area: QRectF) -> None:
        x = area.left()
        for text, tint in zip(_titles(), ("quiet", "accent")):
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(colour(tint))
            painter.drawRoundedRect(QRectF(x, area.center().y() - 3, 10, 6), 2, 2)
            painter.setPen(colour("quiet"))
            painter.drawText(QPointF(x + 14, area.center().y() + 4), text)
            x += 24 + painter.fontMetrics().horizontalAdvance(text)
        painter.setPen(QPen(colour("text"), 1.6))
        painter.drawLine(QPointF(x, area.center().y() - 5), QPointF(x, area.center().y() + 5))
        painter.setPen(colour("quiet"))
        painter.drawText(QPointF(x + 5, area.center().y() + 4), tr("asked"))


class JudgedView(QFrame):
    """Hidden until it is asked for; where something cannot be seen, a sentence says why."""

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("Card")
        title = label("What the discriminator sees", "quiet")
        self.close_ = tool("close", "Close")
        self.maps, self.classes = SourceMaps(), ClassBars()
        self.sentence = label("", "small", wrap=True)
        self.hint = label("Only differences between the numbers count.", "small")
        content = row(self.maps, self.classes, space=14)
        content.setAlignment(self.maps, Qt.AlignmentFlag.AlignTop)
        content.setStretch(1, 1)
        box = column(space=4)
        box.setContentsMargins(12, 4, 12, 8)
        box.addLayout(row(title, None, self.close_))
        box.addLayout(content)
        box.addWidget(self.hint)
        box.addWidget(self.sentence)
        self.setLayout(box)
        self.show_judged((), "")
        self.hide()

    def show_judged(self, judged: Sequence[Judged], sentence: str) -> None:
        """The photo and the result; `sentence` says what is missing, "" where nothing is."""
        pair = tuple(judged[:2])
        mapped = pair if all(one.source for one in pair) else ()
        self.maps.show_judged(mapped)
        self.classes.show_judged(pair)
        for part, there in ((self.maps, mapped), (self.hint, mapped), (self.classes, pair)):
            part.setVisible(bool(there))
        say(self.sentence, "setText", sentence)
        self.sentence.setVisible(bool(sentence))


def _titles() -> tuple[str, str]:
    return tr("Photo"), tr("Result")


def _mean(source: Sequence[Sequence[float]]) -> float:
    numbers = [v for line in source for v in line]
    return sum(numbers) / len(numbers)


def _percents(sure: Sequence[float]) -> str:
    return " → ".join(f"{100 * v:.0f}" for v in sure) + " %"


def _write(painter: QPainter, area: QRectF, text: str) -> None:
    """White on a shadow, so that it is read on any face."""
    for by, tint in ((1, QColor(0, 0, 0, 170)), (0, QColor("white"))):
        painter.setPen(tint)
        painter.drawText(area.translated(by, by), int(Qt.AlignmentFlag.AlignCenter), text)
