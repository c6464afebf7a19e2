"""FitGauge: how close the drawing is to what the model was trained on, and the one-click fix."""

from __future__ import annotations

from PySide6.QtCore import QRectF, QSize, Qt, Signal
from PySide6.QtGui import QLinearGradient, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QFrame, QWidget

from app import theme
from app.i18n import say
from app.theme import colour
from app.widgets.parts import button, column, label, row
from engines.job import Fit

EMPTY = ("Draw, and the gauge tells.", "A photo with a face, and the gauge tells.")
FITTED = "Line width, threshold, place and size as in training."


class _Scale(QWidget):
    """From foreign (left) to familiar (right), with a mark."""

    def __init__(self) -> None:
        super().__init__()
        self.score: float | None = None
        self.setFixedHeight(14)

    def sizeHint(self) -> QSize:
        return QSize(160, 14)

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        bar = QRectF(0, self.height() / 2 - 2, self.width(), 4)
        gradient = QLinearGradient(bar.topLeft(), bar.topRight())
        for at, name in ((0.0, "failure"), (0.5, "accent"), (1.0, "success")):
            known = self.score is not None
            gradient.setColorAt(at, colour(name) if known else theme.mixed(name, "line", 0.2))
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(gradient)
        painter.drawRoundedRect(bar, 2, 2)
        if self.score is not None:
            x = 2 + min(max(self.score, 0.0), 1.0) * (self.width() - 4)
            painter.setPen(QPen(colour("window"), 1))
            painter.setBrush(colour("handle" if theme.theme() == "dark" else "text"))
            painter.drawRoundedRect(QRectF(x - 2, 1, 4, 12), 2, 2)


class FitGauge(QFrame):
    fix_wanted = Signal()

    def __init__(self, faces: bool = False) -> None:
        """Of a drawing, or of a face."""
        super().__init__()
        self.setObjectName("Card")
        self._empty = EMPTY[faces]
        self.scale = _Scale()
        self.sentence = label(wrap=True)
        self.fix = button("Adjust eyes and mouth") if faces else button("Fit drawing")
        tip = "Move eyes and mouth by hand" if faces else FITTED
        say(self.fix, "setToolTip", tip)
        self.fix.clicked.connect(self.fix_wanted)
        box = column(self.scale, self.sentence, space=6)
        box.addLayout(row(self.fix, None))
        box.setContentsMargins(10, 8, 10, 10)
        self.setLayout(box)
        self.show_fit(None)

    def show_fit(self, fit: Fit | None) -> None:
        """What the last result said; None while nothing was measured."""
        self.scale.score = fit.score if fit else None
        self.scale.update()
        message = fit.message if fit else self._empty
        say(self.sentence, "setText", message)
        self.fix.setVisible(bool(fit and fit.fixable))
        numbers = (
            ", ".join(f"{name} {value:.3f}" for name, value in fit.measured.items()) if fit else ""
        )
        self.setToolTip(numbers)
        say(self, "setAccessibleName", message)
