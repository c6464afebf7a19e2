"""What the numbers or colours of a file mean: a table at the left, the map that comes of it at the
right. The dialog computes nothing: `wanted` asks for the map, `show_map` shows it.
"""

from __future__ import annotations

from collections.abc import Iterable

from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtGui import QColor, QIcon, QPainter, QPixmap, QStandardItem, QStandardItemModel
from PySide6.QtWidgets import QComboBox, QDialog, QGridLayout, QScrollArea, QWidget

from app import theme
from app.i18n import say, tr
from app.labels import Legend
from app.widgets.edges import Fitted
from app.widgets.parts import Segments, button, column, label, row
from engines.job import Picture

MEANINGS = (("numbers", "Numbers"), ("colours", "Colours"))


class MapDialog(QDialog):
    meaning_chosen = Signal(str)  # "numbers" or "colours"
    numbering_chosen = Signal(str)  # of the palette's; "": the numbers as they are
    wanted = Signal(object)  # {value: class}
    used = Signal()
    load_wanted = Signal()
    save_wanted = Signal()

    def __init__(
        self,
        legend: Legend,
        numberings: Iterable[str],
        picture: Picture,
        has_numbers: bool,
        parent: QWidget | None,
    ) -> None:
        super().__init__(parent)
        say(self, "setWindowTitle", "Open a label map")
        self.resize(980, 600)
        self.legend = legend
        self._lists: dict[int, QComboBox] = {}
        self._classes = QStandardItemModel(self)
        for name, colour in zip(legend.names, legend.colours):
            self._classes.appendRow(QStandardItem(_swatch(QColor(*colour)), tr(name)))
        self.meaning = Segments(MEANINGS, "What the file holds")
        self.meaning.setVisible(has_numbers)
        self.meaning.chosen.connect(self.meaning_chosen)
        self.numbering = QComboBox()
        say(self.numbering, "setAccessibleName", "Numbering")
        self.numbering.addItem(tr("As the palette counts"), "")
        for name in numberings:
            self.numbering.addItem(name, name)
        self.numbering.activated.connect(self._on_numbering)
        self.table = QWidget()
        self._rows = QGridLayout(self.table)
        self._rows.setContentsMargins(0, 0, 6, 0)
        self._rows.setSpacing(6)
        self._rows.setColumnStretch(2, 1)
        area = QScrollArea()
        area.setObjectName("Plain")
        area.setWidgetResizable(True)
        area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        area.setWidget(self.table)
        load, save = button("Load table…", "flat"), button("Save table…", "flat")
        load.clicked.connect(self.load_wanted)
        save.clicked.connect(self.save_wanted)
        side = column(self.meaning, self.numbering, space=10)
        side.addWidget(area, 1)
        side.addLayout(row(load, save, None, space=2))
        holder = QWidget()
        holder.setFixedWidth(320)
        holder.setLayout(side)
        self.before, self.after = Fitted("File"), Fitted("Label map")
        self.before.show_picture(picture)
        pictures_ = row(self.before, self.after, space=12)
        pictures_.setStretch(0, 1)
        pictures_.setStretch(1, 1)
        body = row(holder, space=16)
        body.addLayout(pictures_, 1)
        self.sentence = label("", "small", wrap=True)
        self.use = button("Put on the sheet", "primary")
        self.use.setEnabled(False)
        self.use.clicked.connect(self._on_use)
        cancel = button("Close")
        cancel.clicked.connect(self.reject)
        box = column(space=14, margins=16)
        box.addLayout(body, 1)
        foot = row(self.sentence, cancel, self.use)
        foot.setStretch(0, 1)
        box.addLayout(foot)
        self.setLayout(box)

    def show_table(
        self, meaning: str, values: Iterable[tuple[int, float]], classes: dict[int, int]
    ) -> None:
        """The values of the file with their share of it, and the class that each becomes."""
        self.meaning.show_value(meaning)
        self.numbering.setVisible(meaning == "numbers" and self.numbering.count() > 1)
        while (item := self._rows.takeAt(0)) is not None:
            if (old := item.widget()) is not None:
                old.deleteLater()
        self._lists = {}
        for line, (value, share) in enumerate(values):
            self._add_row(line, meaning, value, share, classes.get(value, 0))
        self._rows.setRowStretch(len(self._lists), 1)
        self.wanted.emit(self.classes())

    def classes(self) -> dict[int, int]:
        return {value: max(chosen.currentIndex(), 0) for value, chosen in self._lists.items()}

    def show_map(self, picture: Picture, notes: Iterable[str]) -> None:
        self.after.show_picture(picture)
        self.show_sentence(" ".join(tr(note) for note in notes))
        self.use.setEnabled(True)

    def show_sentence(self, sentence: str) -> None:
        self.sentence.setText(sentence)

    def _add_row(self, line: int, meaning: str, value: int, share: float, number: int) -> None:
        if meaning == "colours":
            what = label()
            what.setPixmap(_swatch(QColor.fromRgb(value)).pixmap(16, 16))
            name = QColor.fromRgb(value).name()
            what.setToolTip(name)
        else:
            name = str(value)
            what = label(name)
        chosen = QComboBox()
        chosen.setModel(self._classes)
        chosen.setCurrentIndex(min(number, self._classes.rowCount() - 1))
        chosen.setAccessibleName(name)
        chosen.activated.connect(lambda _=0: self.wanted.emit(self.classes()))
        self._lists[value] = chosen
        part = label("", "quiet")
        part.setText(f"{100 * share:.1f} %")
        part.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        for place, widget in enumerate((what, part, chosen)):
            self._rows.addWidget(widget, line, place)

    def _on_numbering(self) -> None:
        self.numbering_chosen.emit(str(self.numbering.currentData()))

    def _on_use(self) -> None:
        self.used.emit()
        self.accept()


def _swatch(colour: QColor) -> QIcon:
    drawn = QPixmap(QSize(32, 32))
    drawn.fill(Qt.GlobalColor.transparent)
    painter = QPainter(drawn)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setPen(theme.colour("line"))
    painter.setBrush(colour)
    painter.drawRoundedRect(1, 1, 30, 30, 6, 6)
    painter.end()
    return QIcon(drawn)
