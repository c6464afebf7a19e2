"""The popover that says how a film of dreams moves, how long it is, and into which kind of file."""

from __future__ import annotations

from dataclasses import dataclass

from PySide6.QtWidgets import QWidget

from app.i18n import tr
from app.widgets.filming import FilmPopover
from app.widgets.parts import Segments, Slider, button, column, label, row, rule

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


class JourneyPopover(FilmPopover):
    room = 112

    def __init__(self, parent: QWidget) -> None:
        hint = label(
            "Each picture is the one before, moved and dreamt on; the end leads to the start.",
            "small",
            wrap=True,
        )
        super().__init__(parent, hint, button("Save film…", "primary"))
        self.zoom = Slider(-5.0, 10.0, 0.5, 2.0)
        self.turn = Slider(-5.0, 5.0, 0.25, 0.0)
        self.right = Slider(-5.0, 5.0, 0.5, 0.0)
        self.down = Slider(-5.0, 5.0, 0.5, 0.0)
        self.seconds = Slider(1.0, 20.0, 0.5, 4.0)
        self.steps = Slider(1.0, 10.0, 1.0, 3.0)
        self.rate = Segments(tuple((n, n) for n in RATES), "Pictures a second")
        self.kind = Segments((("mp4", "MP4"), ("gif", "GIF"), ("webp", "WebP")), "Kind of film")
        box = self.box
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
        self.rate.show_value("12")
        self.kind.show_value("mp4")
        self.rate.chosen.connect(self._write)
        self._write()

    def film(self) -> Travel:
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

    def _write(self, *_: object) -> None:
        travel = self.film()
        for part in (self.zoom, self.right, self.down):
            self._said[part].setText(f"{part.number():+.1f} %")
        self._said[self.turn].setText(f"{self.turn.number():+.2f}°")
        self._said[self.steps].setText(f"{travel.steps}")
        words = tr("{n} s, {count} pictures", n=f"{self.seconds.number():.1f}", count=travel.frames)
        self._said[self.seconds].setText(words)
