"""A thin line that runs along the upper edge of its parent while something takes long."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QObject, QRectF, Qt, QTimer, QVariantAnimation
from PySide6.QtGui import QHideEvent, QPainter, QPaintEvent
from PySide6.QtWidgets import QWidget

from app import theme

PATIENCE_MS = 300  # what is quicker shows no sign of work
ROUND_MS = 1400
LIT = 0.28  # of the width
HEIGHT = 2


class BusyLine(QWidget):
    """A widget of its own, so that its motion repaints two rows and not the picture below."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self.setAttribute(Qt.WidgetAttribute.WA_OpaquePaintEvent)  # or Qt paints what is below too
        self._round = QVariantAnimation(self)
        self._round.setDuration(ROUND_MS)
        self._round.setStartValue(0.0)
        self._round.setEndValue(1.0)
        self._round.setLoopCount(-1)
        self._round.valueChanged.connect(self.update)
        self._patience = QTimer(self)
        self._patience.setSingleShot(True)
        self._patience.setInterval(PATIENCE_MS)
        self._patience.timeout.connect(self._begin)
        self.hide()
        parent.installEventFilter(self)
        self._over = parent

    def set_busy(self, busy: bool) -> None:
        if not busy:
            self._patience.stop()
            self.hide()
        elif not self._patience.isActive() and self.isHidden():
            self._patience.start()

    def _begin(self) -> None:
        self._lie_on_top()
        self.show()
        self.raise_()
        self._round.start()

    def _lie_on_top(self) -> None:
        self.setGeometry(0, 0, self._over.width(), HEIGHT)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if event.type() == QEvent.Type.Resize:
            self._lie_on_top()
        elif event.type() == QEvent.Type.Close:
            self.set_busy(False)
        return False

    def hideEvent(self, event: QHideEvent) -> None:
        self._round.stop()

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.fillRect(self.rect(), theme.colour("line"))
        lit = LIT * self.width()
        left = float(self._round.currentValue() or 0.0) * (self.width() + lit) - lit
        painter.fillRect(QRectF(left, 0, lit, HEIGHT), theme.colour("accent"))
        painter.end()
