"""A photo on which a region is painted for each of several pictures, in a tint of its own, and what
it is painted with. Knows numbers from 1 on, not what they stand for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from PySide6.QtCore import QRectF, Qt
from PySide6.QtGui import QColor, QPainter, QPaintEvent
from PySide6.QtWidgets import QButtonGroup

from app import theme
from app.i18n import say
from app.widgets.brushes import Brushes
from app.widgets.faces import FacePhoto
from app.widgets.mask import Mask
from app.widgets.parts import Swatch
from engines.job import Picture

TINTS = (QColor(255, 159, 28), QColor(46, 196, 182), QColor(199, 125, 255), QColor(138, 201, 38))
VEIL = 150  # opacity of a tint over the photo, of 255


class RegionPhoto(FacePhoto):
    """All regions are seen while one paints; the brush works on the chosen one."""

    soft = 0.7

    def __init__(self, icon: str) -> None:
        super().__init__(icon, "{width}x{height}")
        self._masks: dict[int, Mask] = {}
        self._pictures: dict[int, Picture | None] = {}
        self.number = 1

    def set_picture(self, picture: Picture | None) -> None:
        super().set_picture(picture)
        self._masks, self._pictures = {}, {}
        self.choose(self.number)

    def choose(self, number: int) -> None:
        """Paint the region of this number from now on."""
        self.number = number
        if number not in self._masks and (made := self._new_mask()) is not None:
            self._masks[number] = made
        self._mask = self._masks.get(number)
        self.update()

    def show_regions(self, regions: Mapping[int, Picture | None]) -> None:
        """What was painted for each number."""
        for number, picture in regions.items():
            mask = self._masks.get(number) or self._new_mask()
            if mask is not None and picture != self._pictures.get(number):
                mask.show(picture)
                self._masks[number], self._pictures[number] = mask, picture
        self.choose(self.number)

    def _paint_mask(self, painter: QPainter) -> None:
        for number, mask in self._masks.items():
            if self._painting:
                tint = QColor(TINTS[number - 1])
                tint.setAlpha(VEIL)
                mask.tint(painter, self.view.area(), tint)

    def _tint(self) -> QColor:
        return TINTS[self.number - 1]


class _Number(Swatch):
    """A number on its tint."""

    def __init__(self, number: int, what: str) -> None:
        super().__init__(TINTS[number - 1])
        self.number = number
        self.setCheckable(True)
        say(self, "setAccessibleName", what)
        say(self, "setToolTip", what)

    def paintEvent(self, event: QPaintEvent) -> None:
        super().paintEvent(event)
        painter = QPainter(self)
        painter.setPen(QColor(20, 22, 26))
        painter.setFont(theme.font(11))
        painter.drawText(QRectF(self.rect()), int(Qt.AlignmentFlag.AlignCenter), str(self.number))


class RegionBrushes(Brushes):
    """Which region is painted, beside size and eraser."""

    def __init__(self, photo: RegionPhoto, words: str, what: Sequence[str]) -> None:
        """words: said while there is one; what: the name of each."""
        super().__init__(photo, words)
        self._regions = photo
        self._group = QButtonGroup(self)
        self.numbers = [_Number(n, name) for n, name in enumerate(what, 1)]
        for part in self.numbers:
            self._group.addButton(part, part.number)
            self.parts.insertWidget(part.number, part)
        self.numbers[0].setChecked(True)
        self._group.idClicked.connect(photo.choose)
        self.show_numbers(())

    def show_numbers(self, used: Sequence[int]) -> None:
        """Those that can be painted for; no choice is offered between fewer than two."""
        for part in self.numbers:
            part.setVisible(len(used) > 1 and part.number in used)
        self.said.setVisible(len(used) < 2)
        if used and self._regions.number not in used:
            self.numbers[used[0] - 1].setChecked(True)
            self._regions.choose(used[0])
