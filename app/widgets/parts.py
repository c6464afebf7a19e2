"""The small parts that panels are made of: switch, slider, segments, notice, popover, labels."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QPoint, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QColor, QKeyEvent, QMouseEvent, QPainter, QPaintEvent, QPen, QWheelEvent
from PySide6.QtWidgets import (
    QAbstractButton,
    QBoxLayout,
    QButtonGroup,
    QFrame,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QSizePolicy,
    QSlider,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from app import theme
from app.i18n import say, tr
from app.theme import colour

STEPS = 10_000  # of a slider whose control says nothing finer


def row(*things: QWidget | int | None, space: int = 8, margins: int = 0) -> QHBoxLayout:
    box = QHBoxLayout()
    _fill(box, things, space, margins)
    return box


def column(*things: QWidget | int | None, space: int = 8, margins: int = 0) -> QVBoxLayout:
    """Widgets from top to bottom; None is a stretch, a number a gap in pixels."""
    box = QVBoxLayout()
    _fill(box, things, space, margins)
    return box


def _fill(
    box: QBoxLayout, things: Sequence[QWidget | int | None], space: int, margins: int
) -> None:
    box.setSpacing(space)
    box.setContentsMargins(margins, margins, margins, margins)
    for thing in things:
        if thing is None:
            box.addStretch(1)
        elif isinstance(thing, int):
            box.addSpacing(thing)
        else:
            box.addWidget(thing)


def lasting(seconds: float, *texts: str) -> str:
    """A time in one of the texts, for seconds, minutes and hours {n}."""
    if seconds < 90:
        return tr(texts[0], n=max(round(seconds), 1))
    if seconds < 5400:
        return tr(texts[1], n=round(seconds / 60))
    return tr(texts[2], n=round(seconds / 3600))


def label(text: str = "", role: str = "", wrap: bool = False) -> QLabel:
    made = QLabel()
    made.setProperty("role", role)
    made.setWordWrap(wrap)
    made.setTextFormat(Qt.TextFormat.PlainText)
    if wrap:
        made.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Minimum)
    if text:
        say(made, "setText", text)
    return made


class Section(QLabel):
    """A heading in small capitals."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.setProperty("role", "section")
        say(self, "set_words", text)

    def set_words(self, text: str) -> None:
        self.setText(text.upper())


def button(text: str, role: str = "", icon: str = "") -> QPushButton:
    made = QPushButton()
    made.setProperty("role", role)
    made.setCursor(Qt.CursorShape.PointingHandCursor)
    say(made, "setText", text)
    if icon:
        made.setIcon(theme.icon(icon, "on_accent" if role == "primary" else "text"))
        made.setIconSize(QSize(16, 16))
    return made


def tool(icon: str, tip: str, checkable: bool = False) -> QToolButton:
    """A square button of one icon; its tip is its name for screen readers too."""
    made = QToolButton()
    made.setIcon(theme.icon(icon))
    made.setIconSize(QSize(theme.ICON, theme.ICON))
    made.setFixedSize(theme.CONTROL + 2, theme.CONTROL)
    made.setCheckable(checkable)
    made.setFocusPolicy(Qt.FocusPolicy.TabFocus)
    say(made, "setToolTip", tip)
    say(made, "setAccessibleName", tip)
    return made


def rule(vertical: bool = True) -> QFrame:
    line = QFrame()
    if vertical:
        line.setFixedSize(1, 20)
    else:
        line.setFixedHeight(1)
    line.setObjectName("Rule")
    return line


class Switch(QAbstractButton):
    """On or off, as a pill with a knob."""

    def __init__(self, name: str = "") -> None:
        super().__init__()
        self.setCheckable(True)
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        if name:
            say(self, "setAccessibleName", name)

    def sizeHint(self) -> QSize:
        return QSize(34, 22)

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        box = QRectF(2, (self.height() - 17) / 2, 30, 17)
        on = self.isChecked() and self.isEnabled()
        if self.hasFocus():
            painter.setPen(QPen(colour("focus"), 1.5))
            painter.drawRoundedRect(box.adjusted(-1.5, -1.5, 1.5, 1.5), 10, 10)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(colour("accent") if on else theme.mixed("quiet", "panel", 0.35))
        painter.drawRoundedRect(box, 8.5, 8.5)
        knob = QRectF(0, 0, 13, 13)
        knob.moveCenter(box.center() + QPoint(7 if self.isChecked() else -7, 0))
        painter.setBrush(colour("on_accent" if on else "handle"))
        painter.setOpacity(1.0 if self.isEnabled() else 0.5)
        painter.drawEllipse(knob)


class Slider(QSlider):
    """A number from low to high in steps; shows the trained part, jumps to a click, and goes back
    to its default on a double click."""

    moved = Signal(float)

    def __init__(
        self,
        low: float,
        high: float,
        step: float,
        default: float,
        trained: tuple[float, float] | None = None,
    ) -> None:
        super().__init__(Qt.Orientation.Horizontal)
        self.low, self.high, self.default, self.trained = low, high, default, trained
        self.step = step if step > 0 else (high - low) / STEPS
        self.setRange(0, max(round((high - low) / self.step), 1))
        self.setPageStep(max(self.maximum() // 10, 1))
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setMinimumWidth(60)
        self._quiet = False
        self.show_number(default)
        self.valueChanged.connect(self._on_value)

    def number(self) -> float:
        return min(self.low + self.value() * self.step, self.high)

    def show_number(self, number: float) -> None:
        """Without telling anyone."""
        self._quiet = True
        self.setValue(round((number - self.low) / self.step))
        self._quiet = False
        self.update()

    def sizeHint(self) -> QSize:
        return QSize(120, 20)

    def minimumSizeHint(self) -> QSize:
        return QSize(60, 20)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        if event.button() == Qt.MouseButton.LeftButton:
            self.setSliderDown(True)
            self._go_to(event.position().x())

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        if self.isSliderDown():
            self._go_to(event.position().x())

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        self.setSliderDown(False)

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        self.setSliderDown(False)
        self.setValue(round((self.default - self.low) / self.step))

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() in (Qt.Key.Key_Delete, Qt.Key.Key_Backspace):
            self.setValue(round((self.default - self.low) / self.step))
        else:
            super().keyPressEvent(event)

    def wheelEvent(self, event: QWheelEvent) -> None:
        if self.hasFocus():
            super().wheelEvent(event)
        else:
            event.ignore()  # the panel scrolls, and no value changes by accident

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        middle = self.height() / 2
        groove = QRectF(1, middle - 2, self.width() - 2, 4)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(colour("line"))
        painter.drawRoundedRect(groove, 2, 2)
        if self.trained:
            left, right = self._x(self.trained[0]), self._x(self.trained[1])
            painter.setBrush(theme.mixed("success", "line", 0.45))
            painter.drawRoundedRect(QRectF(left, middle - 2, max(right - left, 2), 4), 2, 2)
        x = self._x(self.number())
        painter.setBrush(colour("accent") if self.isEnabled() else colour("faint"))
        rest = self._x(0.0) if self.low < 0 < self.high else 1.0  # to both sides it grows from 0
        painter.drawRoundedRect(QRectF(min(x, rest), middle - 2, abs(x - rest), 4), 2, 2)
        if rest > 1.0:
            painter.drawRect(QRectF(rest - 0.5, middle - 4, 1, 8))
        if self.trained:
            painter.setBrush(colour("success"))
            for end in self.trained:
                if self.low < end < self.high:
                    painter.drawRect(QRectF(self._x(end) - 0.75, middle + 4, 1.5, 4))
        if self.hasFocus():
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.setPen(QPen(colour("focus"), 1.5))
            painter.drawEllipse(QRectF(x - 8.5, middle - 8.5, 17, 17))
        painter.setPen(QPen(colour("shade"), 1 if theme.theme() == "light" else 0.5))
        painter.setBrush(colour("handle") if self.isEnabled() else colour("faint"))
        painter.drawEllipse(QRectF(x - 6.5, middle - 6.5, 13, 13))

    def _x(self, number: float) -> float:
        share = (number - self.low) / (self.high - self.low) if self.high > self.low else 0
        return 8 + min(max(share, 0), 1) * (self.width() - 16)

    def _go_to(self, x: float) -> None:
        share = (x - 8) / max(self.width() - 16, 1)
        self.setValue(round(min(max(share, 0.0), 1.0) * self.maximum()))

    def _on_value(self) -> None:
        self.update()
        if not self._quiet:
            self.moved.emit(self.number())


class Segments(QFrame):
    """A few choices side by side, one of them on."""

    chosen = Signal(str)

    def __init__(self, options: Sequence[tuple[str, str]], name: str = "") -> None:
        super().__init__()
        self.setObjectName("Segments")
        self.setFixedHeight(theme.CONTROL)
        self._group = QButtonGroup(self)
        self._buttons: dict[str, QPushButton] = {}
        box = row(space=2, margins=2)
        self.setLayout(box)
        for value, text in options:
            part = QPushButton()
            part.setCheckable(True)
            part.setCursor(Qt.CursorShape.PointingHandCursor)
            say(part, "setText", text)
            part.setFixedHeight(theme.CONTROL - 6)
            self._group.addButton(part)
            self._buttons[value] = part
            box.addWidget(part, 1)
        if name:
            say(self, "setAccessibleName", name)
        self._group.buttonClicked.connect(self._on_click)

    def value(self) -> str:
        checked = self._group.checkedButton()
        return next((v for v, b in self._buttons.items() if b is checked), "")

    def show_value(self, value: str) -> None:
        if value in self._buttons:
            self._buttons[value].setChecked(True)

    def part(self, value: str) -> QPushButton:
        return self._buttons[value]

    def _on_click(self) -> None:
        self.chosen.emit(self.value())


class Swatch(QAbstractButton):
    """A round of one colour; checked ones have a ring."""

    def __init__(self, tint: QColor, name: str = "") -> None:
        super().__init__()
        self.tint = tint
        self.setFixedSize(22, 22)
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.setAccessibleName(name or tint.name())
        self.setToolTip(name or tint.name())

    def set_tint(self, tint: QColor) -> None:
        self.tint = tint
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        box = QRectF(self.rect()).adjusted(4, 4, -4, -4)
        if self.isChecked() or self.hasFocus() or self.underMouse():
            painter.setPen(QPen(colour("focus" if self.hasFocus() else "quiet"), 1.5))
            painter.drawEllipse(box.adjusted(-2.5, -2.5, 2.5, 2.5))
        painter.setOpacity(1.0 if self.isEnabled() else 0.35)
        painter.setPen(QPen(colour("line"), 1))
        painter.setBrush(self.tint)
        painter.drawEllipse(box)


class Notice(QFrame):
    """One sentence beside the thing that failed, with the remedy as a button where there is one."""

    acted = Signal()
    closed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("Notice")
        self._icon = QLabel()
        self._icon.setFixedSize(18, 18)
        self._text = label(wrap=True)
        self._text.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self._action = button("")
        self._close = tool("close", "Dismiss")
        self._action.clicked.connect(self.acted)
        self._close.clicked.connect(self._on_close)
        box = row(self._icon, self._text, self._action, self._close, space=8)
        box.setStretch(1, 1)
        box.setContentsMargins(12, 6, 6, 6)
        self.setLayout(box)
        self.hide()

    def tell(self, sentence: str, remedy: str = "", kind: str = "failure") -> None:
        """Show a sentence (English; translated here)."""
        say(self._text, "setText", sentence)
        say(self, "setAccessibleName", sentence)
        if remedy:
            say(self._action, "setText", remedy)
        self._action.setVisible(bool(remedy))
        if self.property("kind") != kind:
            self.setProperty("kind", kind)
            self.style().unpolish(self)
            self.style().polish(self)
        name, tint = ("info", "accent_text") if kind == "info" else ("warning", "failure")
        self._icon.setPixmap(theme.icon(name, tint).pixmap(18, 18))
        self.show()

    def text(self) -> str:
        return self._text.text()

    def height_for(self, width: int) -> int:
        """Pixels that the sentence needs when the notice is `width` wide."""
        parts = [self._icon.width(), self._close.sizeHint().width()]
        if not self._action.isHidden():
            parts.append(self._action.sizeHint().width())
        left = width - 20 - sum(parts) - 8 * len(parts)
        return max(self._text.heightForWidth(max(left, 80)) + 20, 42)

    def _on_close(self) -> None:
        self.hide()
        self.closed.emit()


class Popover(QFrame):
    """A panel that opens at a button and closes by a click elsewhere or Escape."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent, Qt.WindowType.Popup | Qt.WindowType.FramelessWindowHint)
        self.setObjectName("Popover")

    def open_at(
        self, anchor: QWidget, above: bool = False, right: bool = False, beside: bool = False
    ) -> None:
        """Under the anchor (or above it), left or right edges in line, or at its right side; inside
        the screen."""
        self.adjustSize()
        size = self.size()
        at = anchor.mapToGlobal(QPoint(0, anchor.height() + 4))
        if above:
            at = anchor.mapToGlobal(QPoint(0, -size.height() - 4))
        if beside:
            at = anchor.mapToGlobal(QPoint(anchor.width() + 4, 4))
        if right:
            at.setX(at.x() + anchor.width() - size.width())
        screen = anchor.screen().availableGeometry()
        at.setX(max(screen.left() + 4, min(at.x(), screen.right() - size.width() - 4)))
        at.setY(max(screen.top() + 4, min(at.y(), screen.bottom() - size.height() - 4)))
        self.move(at)
        self.show()


class Elided(QLabel):
    """A line that ends in … where there is no room; the whole of it is in the tip."""

    def __init__(self, role: str = "") -> None:
        super().__init__()
        self.setProperty("role", role)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self.setMinimumWidth(24)

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        room = self.contentsRect()
        text = self.fontMetrics().elidedText(self.text(), Qt.TextElideMode.ElideRight, room.width())
        painter.setPen(self.palette().color(self.foregroundRole()))
        painter.drawText(room, Qt.AlignmentFlag.AlignVCenter | self.alignment(), text)

    def minimumSizeHint(self) -> QSize:
        return QSize(24, super().minimumSizeHint().height())
