"""How attention works, to be played with: a word and four regions of a picture as arrows that are
drawn to where one likes, and what becomes of scores, weights and what is read."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
from PySide6.QtCore import QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QColor, QKeyEvent, QMouseEvent, QPainter, QPaintEvent, QPen, QPolygonF
from PySide6.QtWidgets import QDialog, QGridLayout, QVBoxLayout, QWidget

from app import theme
from app.attending import Attended, Numbers, Setting, attend, relation
from app.i18n import say, signals, tr
from app.theme import colour
from app.widgets.parts import Segments, Slider, button, column, label, row

WORD = "Word"
REGIONS = (("Wing", "#C8333B"), ("Beak", "#E0A82E"), ("Sky", "#3F7FC4"), ("Leaf", "#3C9A57"))
QUERY = (1.0, 0.45)
KEYS = ((0.95, 0.25), (0.35, 1.05), (-0.9, 0.55), (-0.25, -0.95))
REACH = 1.6  # that far from the middle an arrow may point
STEP = 0.05  # of an arrow key
GRIP = 14  # pixels around a head that take hold of it
FORMULAS: Mapping[str, str] = {
    "dot": "score = q · k / √2",
    "cosine": "score = q · k / (|q| |k|)",
    "additive": "score = v · tanh(W₁q + W₂k)",
    "bilinear": "score = q W k",
}
MEANINGS: Mapping[str, str] = {
    "dot": "Word and region must have the same size. The score grows with the length of both "
    "arrows and with how alike they point.",
    "cosine": "Only the direction counts, the length does not: the relevance that the word maps "
    "and the match of a caption are made of.",
    "additive": "Word and region are put beside one another and go through a small network, so "
    "that their sizes may differ. Its weights are fixed here; training finds them.",
    "bilinear": "A learned matrix stands between them: it turns and stretches the word (dashed) "
    "before the regions are compared with it.",
}
SHARING: Mapping[str, str] = {
    "softmax": "Softmax: the weights are shares of one whole, so regions compete.",
    "sigmoid": "Sigmoid: each region is judged for itself; all may count, or none.",
}


class Plane(QWidget):
    """The arrows; `moved` when one was drawn elsewhere."""

    moved = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.setFixedSize(372, 372)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setMouseTracking(True)
        self.arrows = [QPointF(*QUERY), *(QPointF(*key) for key in KEYS)]
        self.held = 0  # 0 is the word, then the regions
        self._dragging = False
        self.shadow: QPointF | None = None  # the word as a learned relation sees it
        self.weights = [0.0] * len(KEYS)
        say(self, "setAccessibleName", "Arrows of a word and four regions")
        say(self, "setToolTip", "Draw an arrow by its head; or 1 to 5 and the arrow keys")
        signals.changed.connect(self._say_again)

    def _say_again(self, *_: object) -> None:
        self.update()

    def query(self) -> Numbers:
        return np.array([self.arrows[0].x(), self.arrows[0].y()])

    def keys(self) -> Numbers:
        return np.array([[a.x(), a.y()] for a in self.arrows[1:]])

    def reset(self) -> None:
        self.arrows = [QPointF(*QUERY), *(QPointF(*key) for key in KEYS)]
        self.moved.emit()

    def head(self, n: int) -> QPointF:
        """Where the head of an arrow is, in pixels."""
        return self._place(self.arrows[n])

    def _place(self, at: QPointF) -> QPointF:
        middle, scale = self.width() / 2, self.width() / 2 / (REACH + 0.15)
        return QPointF(middle + at.x() * scale, middle - at.y() * scale)

    def _point(self, n: int, at: QPointF) -> None:
        far = math.hypot(at.x(), at.y())
        self.arrows[n] = at * (REACH / far) if far > REACH else at
        self.moved.emit()

    def mousePressEvent(self, event: QMouseEvent) -> None:
        near = [(self._far(n, event.position()), n) for n in range(len(self.arrows))]
        far, n = min(near)
        self._dragging = far <= GRIP
        if self._dragging:
            self.held = n
            self.update()

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        if self._dragging:
            middle, scale = self.width() / 2, self.width() / 2 / (REACH + 0.15)
            at = event.position()
            self._point(self.held, QPointF((at.x() - middle) / scale, (middle - at.y()) / scale))
        else:
            near = any(self._far(n, event.position()) <= GRIP for n in range(len(self.arrows)))
            shape = Qt.CursorShape.OpenHandCursor if near else Qt.CursorShape.ArrowCursor
            self.setCursor(shape)

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        self._dragging = False

    def _far(self, n: int, at: QPointF) -> float:
        gap = self.head(n) - at
        return math.hypot(gap.x(), gap.y())

    def keyPressEvent(self, event: QKeyEvent) -> None:
        keys = Qt.Key
        by = {keys.Key_Left: (-STEP, 0.0), keys.Key_Right: (STEP, 0.0), keys.Key_Up: (0.0, STEP),
              keys.Key_Down: (0.0, -STEP)}.get(keys(event.key()))  # fmt: skip
        number = event.key() - int(keys.Key_1)
        if by is not None:
            self._point(self.held, self.arrows[self.held] + QPointF(*by))
        elif 0 <= number < len(self.arrows):
            self.held = number
            self.update()
        else:
            super().keyPressEvent(event)

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(QPen(colour("line"), 1))
        painter.setBrush(colour("sunken"))
        painter.drawRoundedRect(QRectF(self.rect()).adjusted(0.5, 0.5, -0.5, -0.5), 8, 8)
        self._paint_grid(painter)
        for n, (name, code) in enumerate(REGIONS, 1):
            tint = QColor(code)
            self._paint_arrow(painter, n, tint, tr(name), 2 + 5 * min(self.weights[n - 1], 1.0))
        if self.shadow is not None:
            painter.setPen(QPen(colour("accent"), 1.6, Qt.PenStyle.DashLine))
            painter.drawLine(self._place(QPointF()), self._place(self.shadow))
        self._paint_arrow(painter, 0, colour("text"), tr(WORD), 2.5)

    def _paint_grid(self, painter: QPainter) -> None:
        painter.setBrush(Qt.BrushStyle.NoBrush)
        middle = self._place(QPointF())
        painter.setPen(QPen(colour("dot"), 1))
        one = self._place(QPointF(1, 0)).x() - middle.x()
        for radius in (0.5, 1.0, 1.5):
            painter.drawEllipse(middle, radius * one, radius * one)
        painter.drawLine(QPointF(8, middle.y()), QPointF(self.width() - 8, middle.y()))
        painter.drawLine(QPointF(middle.x(), 8), QPointF(middle.x(), self.height() - 8))

    def _paint_arrow(self, painter: QPainter, n: int, tint: QColor, name: str, wide: float) -> None:
        start, end = self._place(QPointF()), self.head(n)
        angle = math.atan2(end.y() - start.y(), end.x() - start.x())
        painter.setPen(QPen(tint, wide, Qt.PenStyle.SolidLine, Qt.PenCapStyle.RoundCap))
        back = QPointF(math.cos(angle), math.sin(angle)) * (8 + wide / 2)
        painter.drawLine(start, end - back)
        sides = [angle + math.pi - 0.45, angle + math.pi + 0.45]
        size = 11 + wide
        points = [end, *(end + QPointF(math.cos(a), math.sin(a)) * size for a in sides)]
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(tint)
        painter.drawPolygon(QPolygonF(points))
        if self.hasFocus() and self.held == n:
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.setPen(QPen(colour("focus"), 1.5))
            painter.drawEllipse(end, GRIP, GRIP)
        self._paint_name(painter, end, angle, name, n == 0)

    def _paint_name(
        self, painter: QPainter, end: QPointF, angle: float, name: str, strong: bool
    ) -> None:
        painter.setFont(theme.font(12))
        metrics = painter.fontMetrics()
        box = QRectF(0, 0, metrics.horizontalAdvance(name) + 10, 18)
        box.moveCenter(end + QPointF(math.cos(angle) * 24, math.sin(angle) * 18))
        room = QRectF(self.rect()).adjusted(3, 3, -3, -3)
        box.moveLeft(min(max(box.left(), room.left()), room.right() - box.width()))
        box.moveTop(min(max(box.top(), room.top()), room.bottom() - box.height()))
        painter.setPen(Qt.PenStyle.NoPen)
        ground = colour("panel")
        ground.setAlphaF(0.85)
        painter.setBrush(ground)
        painter.drawRoundedRect(box, 4, 4)
        painter.setPen(colour("accent_text" if strong else "text"))
        painter.drawText(box, Qt.AlignmentFlag.AlignCenter, name)


class Bars(QWidget):
    """Score and weight of each region, and the colour that is read."""

    def __init__(self) -> None:
        super().__init__()
        self.setFixedSize(340, 34 * len(REGIONS) + 34)
        self.attended: Attended | None = None
        say(self, "setAccessibleName", "Scores and weights")
        signals.changed.connect(self._say_again)

    def _say_again(self, *_: object) -> None:
        self.update()

    def show_attended(self, attended: Attended) -> None:
        self.attended = attended
        says = ", ".join(
            f"{tr(name)} {weight:.2f}" for (name, _), weight in zip(REGIONS, attended.weights)
        )
        self.setAccessibleDescription(says)
        self.update()

    def read(self) -> QColor:
        """What was read, as a colour."""
        red, green, blue = self.attended.read if self.attended is not None else (0.0, 0.0, 0.0)
        return QColor(round(red), round(green), round(blue))

    def paintEvent(self, event: QPaintEvent) -> None:
        if self.attended is None:
            return
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setFont(theme.font(11))
        painter.setPen(colour("quiet"))
        middle = Qt.AlignmentFlag.AlignVCenter
        right = middle | Qt.AlignmentFlag.AlignRight
        painter.drawText(QRectF(60, 0, 60, 26), right, tr("Score"))
        painter.drawText(QRectF(140, 0, 100, 26), middle, tr("Weight"))
        for n, (name, code) in enumerate(REGIONS):
            line = QRectF(0, 30 + 34 * n, self.width(), 28)
            weight = float(self.attended.weights[n])
            painter.setFont(theme.font())
            painter.setPen(colour("text"))
            painter.drawText(line, middle, tr(name))
            painter.drawText(
                QRectF(60, line.top(), 60, 28), right, f"{self.attended.scores[n]:+.2f}"
            )
            painter.drawText(line, right, f"{weight:.2f}")
            bar = QRectF(140, line.center().y() - 4, 150, 8)
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(colour("line"))
            painter.drawRoundedRect(bar, 4, 4)
            painter.setBrush(QColor(code))
            bar.setWidth(max(bar.width() * min(weight, 1.0), 1))
            painter.drawRoundedRect(bar, 4, 4)


class Swatch(QWidget):
    def __init__(self) -> None:
        super().__init__()
        self.tint = QColor("black")
        self.setFixedSize(72, 28)

    def sizeHint(self) -> QSize:
        return QSize(72, 28)

    def show_tint(self, tint: QColor) -> None:
        self.tint = tint
        self.setAccessibleName(tint.name())
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(QPen(colour("line"), 1))
        painter.setBrush(self.tint)
        painter.drawRoundedRect(QRectF(self.rect()).adjusted(0.5, 0.5, -0.5, -0.5), 6, 6)


class AttentionPage(QDialog):
    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        say(self, "setWindowTitle", "How attention works")
        self.plane, self.bars, self.swatch = Plane(), Bars(), Swatch()
        self.form = Segments(
            (("dot", "Dot product"), ("cosine", "Cosine"), ("additive", "Concatenation"),
             ("bilinear", "Learned relation")), "How word and region are compared",
        )  # fmt: skip
        self.share = Segments(
            (("softmax", "Softmax"), ("sigmoid", "Sigmoid")), "How scores become weights"
        )
        self.sharpness = Slider(0.1, 8.0, 0.1, 2.0)
        self.turn, self.stretch = Slider(-180, 180, 1, 0), Slider(0.0, 2.0, 0.05, 1.0)
        self.formula, self.meaning = label("", "title"), label("", "small", wrap=True)
        self.sharing = label("", "small", wrap=True)
        self.form.show_value("dot")
        self.share.show_value("softmax")
        self._lay_out()
        for signal in (self.form.chosen, self.share.chosen, self.sharpness.moved, self.turn.moved,
                       self.stretch.moved, self.plane.moved):  # fmt: skip
            signal.connect(self.show_attended)
        self.show_attended()

    def setting(self) -> Setting:
        return Setting(
            self.form.value(), self.share.value(), self.sharpness.number(),
            self.turn.number(), self.stretch.number(),
        )  # fmt: skip

    def show_attended(self, *_: object) -> None:
        setting = self.setting()
        colours = [QColor(code) for _, code in REGIONS]
        values = np.array([(c.red(), c.green(), c.blue()) for c in colours], dtype=np.float64)
        attended = attend(self.plane.query(), self.plane.keys(), values, setting)
        self.plane.weights = [float(w) for w in attended.weights]
        learned = setting.form == "bilinear"
        seen = relation(setting.turn, setting.stretch).T @ self.plane.query()
        self.plane.shadow = QPointF(*seen) if learned else None
        self.plane.update()
        self.bars.show_attended(attended)
        self.swatch.show_tint(self.bars.read())
        self.formula.setText(FORMULAS[setting.form])
        say(self.meaning, "setText", MEANINGS[setting.form])
        say(self.sharing, "setText", SHARING[setting.share])
        self._relation.setEnabled(learned)

    def _lay_out(self) -> None:
        hint = ("A word asks, four regions of a picture answer. Draw the arrows: the better one "
                "points as the word does, the more of its colour is read.")  # fmt: skip
        text = label("", "quiet", wrap=True)
        say(text, "setText", hint)
        self._relation = QWidget()
        grid = QGridLayout(self._relation)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setSpacing(6)
        for n, (name, part) in enumerate((("Turn", self.turn), ("Stretch", self.stretch))):
            say(part, "setAccessibleName", name)
            grid.addWidget(label(name), n, 0)
            grid.addWidget(part, n, 1)
        say(self.sharpness, "setAccessibleName", "Sharpness")
        reset = button("Reset")
        reset.clicked.connect(self._on_reset)
        close = button("Close")
        close.clicked.connect(self.accept)
        self.meaning.setMinimumHeight(50)
        self.sharing.setMinimumHeight(34)
        right = column(self.formula, self.meaning, self._relation, space=8)
        right.addSpacing(4)
        right.addLayout(row(label("Sharpness"), self.sharpness))
        right.addWidget(self.bars)
        right.addWidget(self.sharing)
        right.addLayout(row(label("What is read"), self.swatch, None))
        right.addStretch(1)
        both = row(self.plane, space=20)
        both.setAlignment(self.plane, Qt.AlignmentFlag.AlignTop)
        both.addLayout(right)
        box = QVBoxLayout(self)
        box.setContentsMargins(20, 18, 20, 16)
        box.setSpacing(12)
        box.addWidget(text)
        box.addLayout(row(self.form, self.share, space=12))
        box.addLayout(both)
        box.addLayout(row(None, reset, close))

    def _on_reset(self) -> None:
        for part in (self.sharpness, self.turn, self.stretch):
            part.show_number(part.default)
        self.plane.reset()
