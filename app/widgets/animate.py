"""The popover that says what moves, how long, how, and into which kind of file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QComboBox, QFrame, QLabel, QScrollArea, QVBoxLayout, QWidget

from app.i18n import say, signals, tr
from app.widgets.ends import Ends
from app.widgets.parts import (
    Popover,
    Section,
    Segments,
    Slider,
    Switch,
    button,
    column,
    label,
    row,
    rule,
)
from engines.controls import ModelCard, Number, numbers
from engines.job import Value

EASINGS = (("smooth", "Smooth"), ("linear", "Even"), ("in", "Slow at first"),
           ("out", "Slow at last"))  # fmt: skip
RATES = ("12", "25", "50")
STILLS = 7  # pictures of a strip
TALL = 290  # pixels of the list of numbers, before it scrolls


@dataclass(frozen=True)
class Move:
    """A value, or one place of a list, that goes from start to end."""

    name: str
    index: int | None
    start: float
    end: float


@dataclass(frozen=True)
class Animation:
    """What is wanted. kind is "gif", "webp", "mp4" or "strip"; output as the card's control says,
    "" where it has none."""

    moves: tuple[Move, ...]
    frames: int
    rate: float
    ease: str
    pingpong: bool
    kind: str
    output: str


class _Row(QWidget):
    def __init__(self, number: Number) -> None:
        super().__init__()
        self.number = number
        self.ends = Ends(number.low, number.high, number.rest, number.trained)
        self.says = QLabel()
        say(self.ends, "setAccessibleName", number.label)
        box = QVBoxLayout(self)
        box.setContentsMargins(0, 0, 0, 0)
        box.setSpacing(0)
        box.addLayout(row(label(number.label), None, self.says))
        box.addWidget(self.ends)
        self.ends.moved.connect(self.write)
        self.write()

    def write(self, *_: object) -> None:
        ends = self.ends
        moving = f"{ends.start:.2f} → {ends.end:.2f}" if ends.moves() else f"{ends.end:.2f}"
        self.says.setText(moving)
        self.says.setProperty("role", "" if ends.moves() else "quiet")
        self.says.style().unpolish(self.says)
        self.says.style().polish(self.says)

    def way(self) -> Move:
        return Move(self.number.name, self.number.index, self.ends.start, self.ends.end)


class AnimatePopover(Popover):
    wanted = Signal(object)  # Animation

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self._rows: list[_Row] = []
        self.list = QVBoxLayout()
        self.list.setSpacing(8)
        inside = QWidget()
        inside.setObjectName("SideBody")
        inside.setLayout(self.list)
        self.list.setContentsMargins(0, 0, 8, 0)
        self.area = QScrollArea()
        self.area.setWidgetResizable(True)
        self.area.setFrameShape(QFrame.Shape.NoFrame)
        self.area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.area.setWidget(inside)
        self.seconds = Slider(0.5, 10.0, 0.5, 2.0)
        self.length = QLabel()
        self.rate = Segments(tuple((n, n) for n in RATES), "Pictures a second")
        self.ease = QComboBox()
        self.back = Switch("Back and forth")
        self.output = Segments(
            (("photo", "Whole photo"), ("crop", "Face alone"), ("every", "Every face")),
            "What the film shows",
        )
        self.kind = Segments((("mp4", "MP4"), ("gif", "GIF"), ("webp", "WebP")), "Kind of film")
        self.save = button("Save film…", "primary")
        self.strip = button("Save strip…")
        say(self.strip, "setToolTip", "Seven pictures of the way, side by side, as one picture.")
        self._make()
        self._wire()

    def _make(self) -> None:
        for value, _ in EASINGS:
            self.ease.addItem("", value)
        self.rate.show_value("25")
        self.kind.show_value("mp4")
        self.output.show_value("photo")
        self.back.setChecked(True)
        say(self.seconds, "setAccessibleName", "Length")
        say(self.ease, "setAccessibleName", "Movement")
        say(self, "say_words", "Movement")
        hint = "Draw the full knob to where a number goes, the hollow one to where it starts."
        box = column(Section("Animate"), label(hint, "small", wrap=True), space=8, margins=14)
        box.addWidget(self.area)
        box.addWidget(rule(vertical=False))
        box.addLayout(row(label("Length"), self.seconds, self.length))
        box.addLayout(_named("Pictures a second", self.rate))
        box.addLayout(_named("Movement", self.ease))
        box.addLayout(row(label("Back and forth"), None, self.back))
        box.addWidget(self.output)
        box.addWidget(self.kind)
        box.addLayout(row(self.strip, None, self.save))
        self.length.setMinimumWidth(84)
        self.length.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        self.setLayout(box)
        self.setFixedWidth(348)

    def _wire(self) -> None:
        self.seconds.moved.connect(self._write)
        self.rate.chosen.connect(self._write)
        self.back.toggled.connect(self._write)
        self.save.clicked.connect(lambda: self._ask(self.kind.value()))
        self.strip.clicked.connect(lambda: self._ask("strip"))
        signals.changed.connect(self._write)
        self._write()

    def say_words(self, _text: str) -> None:
        for n, (_, text) in enumerate(EASINGS):
            self.ease.setItemText(n, tr(text))

    # ---- what others ask ------------------------------------------------------------------------

    def show_card(self, card: ModelCard, values: Mapping[str, Value]) -> None:
        """What this model can move: what was changed goes from its rest to where it is now; where
        nothing was, the first number goes to the end of its trained range."""
        for old in self._rows:
            self.list.removeWidget(old)
            old.deleteLater()
        self._rows = [_Row(number) for number in numbers(card)]
        for made in self._rows:
            self.list.addWidget(made)
            now = _now(made.number, values)
            made.ends.show_ends(made.number.rest, now)
            made.ends.moved.connect(self._write)
            made.write()
        if self._rows and not any(made.ends.moves() for made in self._rows):
            first = self._rows[0].number
            high = first.trained[1] if first.trained else first.high
            self._rows[0].ends.show_ends(first.rest, high if high != first.rest else first.low)
            self._rows[0].write()
        wanted = sum(made.sizeHint().height() + 8 for made in self._rows)
        self.area.setFixedHeight(min(wanted, TALL))
        self.output.setVisible(card.control("output") is not None)
        self._write()

    def rows(self) -> list[_Row]:
        return list(self._rows)

    def animation(self, kind: str) -> Animation:
        moves = tuple(made.way() for made in self._rows if made.ends.moves())
        output = self.output.value() if not self.output.isHidden() else ""
        back = self.back.isChecked() and kind != "strip"
        return Animation(
            moves, STILLS if kind == "strip" else self._frames(), float(self.rate.value()),
            str(self.ease.currentData()), back, kind, output,
        )  # fmt: skip

    def _frames(self) -> int:
        return max(round(self.seconds.number() * float(self.rate.value())), 2)

    def _ask(self, kind: str) -> None:
        self.hide()
        self.wanted.emit(self.animation(kind))

    def _write(self, *_: object) -> None:
        count = self._frames() * 2 - 2 if self.back.isChecked() else self._frames()
        seconds = count / float(self.rate.value())
        self.length.setText(tr("{n} s, {count} pictures", n=f"{seconds:.1f}", count=count))
        moving = any(made.ends.moves() for made in self._rows)
        self.save.setEnabled(moving)
        self.strip.setEnabled(moving)


def _named(text: str, part: QWidget) -> QVBoxLayout:
    return column(label(text), part, space=4)


def _now(number: Number, values: Mapping[str, Value]) -> float:
    value = values.get(number.name, number.rest)
    if number.index is not None and isinstance(value, list | tuple):
        return float(value[number.index])
    return float(value) if isinstance(value, int | float) else number.rest
