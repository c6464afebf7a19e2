"""The popover that says how a film of dreams moves, how long it is, and into which kind of file."""

from __future__ import annotations

from dataclasses import dataclass

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QHBoxLayout, QLabel, QWidget

from app.i18n import signals, tr
from app.widgets.parts import Popover, Section, Segments, Slider, button, column, label, row, rule

RATES = ("12", "25")


@dataclass(frozen=True)
class Travel:
    """What is wanted. zoom: each picture to the next; turn: degrees against the clock; right, down:
    shares of the picture; steps of each picture; kind "mp4", "gif" or "webp"."""

    zoom: float
    turn: float
    right: float
    down: float
    frames: int
    rate: float
    steps: int
    kind: str


class JourneyPopover(Popover):
    wanted = Signal(object)  # Travel

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.zoom = Slider(-5.0, 10.0, 0.5, 2.0)
        self.turn = Slider(-5.0, 5.0, 0.25, 0.0)
        self.right = Slider(-5.0, 5.0, 0.5, 0.0)
        self.down = Slider(-5.0, 5.0, 0.5, 0.0)
        self.seconds = Slider(1.0, 20.0, 0.5, 4.0)
        self.steps = Slider(1.0, 10.0, 1.0, 3.0)
        self.rate = Segments(tuple((n, n) for n in RATES), "Pictures a second")
        self.kind = Segments((("mp4", "MP4"), ("gif", "GIF"), ("webp", "WebP")), "Kind of film")
        self.save = button("Save film…", "primary")
        self._said: dict[Slider, QLabel] = {}
        hint = label(
            "Each picture is the one before, moved and dreamt on; the end leads to the start.",
            "small",
            wrap=True,
        )
        box = column(Section("Film"), hint, space=8, margins=14)
        box.addLayout(self._named(self.zoom, label("Zoom")))
        box.addLayout(self._named(self.turn, label("Turn")))
        box.addLayout(self._named(self.right, label("To the right")))
        box.addLayout(self._named(self.down, label("Downwards")))
        box.addLayout(self._named(self.steps, label("Steps of a picture")))
        box.addWidget(rule(vertical=False))
        box.addLayout(self._named(self.seconds, label("Length")))
        box.addLayout(column(label("Pictures a second"), self.rate, space=4))
        box.addWidget(self.kind)
        box.addLayout(row(None, self.save))
        self.setLayout(box)
        self.setFixedWidth(348)
        self.rate.show_value("12")
        self.kind.show_value("mp4")
        self.rate.chosen.connect(self._write)
        self.save.clicked.connect(self._ask)
        signals.changed.connect(self._write)
        self._write()

    def travel(self) -> Travel:
        rate = float(self.rate.value())
        return Travel(
            1 + self.zoom.number() / 100,
            self.turn.number(),
            self.right.number() / 100,
            self.down.number() / 100,
            max(round(self.seconds.number() * rate), 3),
            rate,
            round(self.steps.number()),
            self.kind.value(),
        )

    def _named(self, part: Slider, name: QLabel) -> QHBoxLayout:
        said = self._said[part] = QLabel()
        said.setMinimumWidth(112)
        said.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        name.setBuddy(part)
        part.moved.connect(self._write)
        name.setFixedWidth(116)
        return row(name, part, said)

    def _write(self, *_: object) -> None:
        travel = self.travel()
        for part in (self.zoom, self.right, self.down):
            self._said[part].setText(f"{part.number():+.1f} %")
        self._said[self.turn].setText(f"{self.turn.number():+.2f}°")
        self._said[self.steps].setText(f"{travel.steps}")
        words = tr("{n} s, {count} pictures", n=f"{self.seconds.number():.1f}", count=travel.frames)
        self._said[self.seconds].setText(words)

    def _ask(self) -> None:
        self.hide()
        self.wanted.emit(self.travel())
