"""What a region is painted on a photo with: size, eraser, a filter, and a button that takes it all
away."""

from __future__ import annotations

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QWidget

from app.i18n import say
from app.widgets.faces import FacePhoto
from app.widgets.parts import Slider, label, row, tool

SIZES = (8.0, 160.0)  # logical pixels


class Brushes(QWidget):
    cleared = Signal()

    def __init__(self, photo: FacePhoto, words: str) -> None:
        super().__init__()
        self._photo = photo
        self.size_ = Slider(*SIZES, 1.0, photo.brush)
        self.size_.setFixedWidth(110)
        say(self.size_, "setAccessibleName", "Brush size")
        say(self.size_, "setToolTip", "Brush size")
        self.size_.moved.connect(self._on_size)
        self.eraser = tool("eraser", "Eraser", checkable=True)
        self.eraser.toggled.connect(self._on_eraser)
        self.filter = tool("filter", "From filter…: a mask of edges, stripes or lightness")
        self.clear = tool("clear", "Nothing painted")
        self.clear.clicked.connect(self.cleared)
        self.said = label(words, "quiet")
        tools = self.size_, self.eraser, self.filter, self.clear
        self.parts = row(self.said, None, *tools, space=4)
        self.setLayout(self.parts)
        self.hide()

    def _on_size(self, pixels: float) -> None:
        self._photo.brush = pixels
        self._photo.update()

    def _on_eraser(self, on: bool) -> None:
        self._photo.erasing = on
