"""The popover that says how a film is painted: how steadily, and in how many steps."""

from __future__ import annotations

from dataclasses import dataclass

from PySide6.QtWidgets import QWidget

from app.i18n import tr
from app.widgets.filming import FilmPopover
from app.widgets.parts import Slider, button, label, lasting, row, rule


@dataclass(frozen=True)
class Reel:
    """The film that lies here. seconds: what one picture takes, None where nobody knows; steps: of
    its first picture, 0 where the model paints in one pass."""

    frames: int
    sound: bool
    seconds: float | None
    steps: int


@dataclass(frozen=True)
class Painting:
    """What is wanted. steadiness: 0, every picture alone, to 1; steps of every picture that goes on
    from another."""

    steadiness: float
    steps: int


class VideoPopover(FilmPopover):
    def __init__(self, parent: QWidget) -> None:
        hint = label(
            "Every picture is painted as the first. The paint is carried along with what moves, so "
            "that it does not flicker; at 0 every picture is painted alone.",
            "small",
            wrap=True,
        )
        super().__init__(parent, hint, button("Make film…", "primary"))
        self._reel = Reel(0, False, None, 0)
        self.steady, self.steps = Slider(0.0, 100.0, 5.0, 80.0), Slider(10.0, 200.0, 10.0, 50.0)
        self.takes, box = label("", "small", wrap=True), self.box
        box.addLayout(self._named(self.steady, label("Steadiness")))
        self.steps_line = QWidget()
        self.steps_line.setLayout(self._named(self.steps, label("Steps of a picture")))
        box.addWidget(self.steps_line)
        box.addWidget(rule(vertical=False))
        foot = row(self.takes, self.save)
        foot.setStretch(0, 1)
        box.addLayout(foot)

    def show_reel(self, reel: Reel) -> None:
        if reel.steps and reel.steps != self._reel.steps:
            self.steps.show_number(max(10.0, reel.steps // 4))
        self._reel = reel
        self.steps_line.setVisible(reel.steps > 0)
        self._write()

    def film(self) -> Painting:
        return Painting(self.steady.number() / 100, round(self.steps.number()))

    def seconds(self) -> float | None:
        """What the whole film takes, about."""
        reel = self._reel
        if reel.seconds is None:
            return None
        share = 1.0
        if reel.steps and self.steady.number():
            share = self.steps.number() / reel.steps
        return reel.seconds * (1 + (reel.frames - 1) * share)

    def _write(self, *_: object) -> None:
        self._said[self.steady].setText(f"{self.steady.number():.0f} %")
        self._said[self.steps].setText(f"{self.steps.number():.0f}")
        reel, seconds = self._reel, self.seconds()
        sound = "{count} pictures and their sound" if reel.sound else "{count} pictures"
        words = [tr(sound, count=reel.frames)]
        if seconds is not None:
            words.append(lasting(seconds, "About {n} s", "About {n} min", "About {n} h"))
        self.takes.setText("\n".join(words))
