"""The popover that says how a film is painted: how steadily, and in how many steps."""

from __future__ import annotations

from dataclasses import dataclass

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QHBoxLayout, QLabel, QWidget

from app.i18n import signals, tr
from app.widgets.parts import Popover, Section, Slider, button, column, label, row, rule


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


class VideoPopover(Popover):
    wanted = Signal(object)  # Painting

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self._reel = Reel(0, False, None, 0)
        self.steady, self.steps = Slider(0.0, 100.0, 5.0, 80.0), Slider(10.0, 200.0, 10.0, 50.0)
        self.save = button("Make film…", "primary")
        self._said: dict[Slider, QLabel] = {}
        hint = label(
            "Every picture is painted as the first. The paint is carried along with what moves, so "
            "that it does not flicker; at 0 every picture is painted alone.",
            "small",
            wrap=True,
        )
        self.takes = label("", "small", wrap=True)
        box = column(Section("Film"), hint, space=8, margins=14)
        box.addLayout(self._named(self.steady, label("Steadiness")))
        self.steps_line = QWidget()
        self.steps_line.setLayout(self._named(self.steps, label("Steps of a picture")))
        box.addWidget(self.steps_line)
        box.addWidget(rule(vertical=False))
        foot = row(self.takes, self.save)
        foot.setStretch(0, 1)
        box.addLayout(foot)
        self.setLayout(box)
        self.setFixedWidth(348)
        self.save.clicked.connect(self._ask)
        signals.changed.connect(self._write)

    def show_reel(self, reel: Reel) -> None:
        if reel.steps and reel.steps != self._reel.steps:
            self.steps.show_number(max(10.0, reel.steps // 4))
        self._reel = reel
        self.steps_line.setVisible(reel.steps > 0)
        self._write()

    def painting(self) -> Painting:
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

    def _named(self, part: Slider, name: QLabel) -> QHBoxLayout:
        said = self._said[part] = QLabel()
        said.setMinimumWidth(48)
        said.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        name.setBuddy(part)
        part.moved.connect(self._write)
        name.setFixedWidth(116)
        made = row(name, part, said)
        made.setStretch(1, 1)
        return made

    def _write(self, *_: object) -> None:
        self._said[self.steady].setText(f"{self.steady.number():.0f} %")
        self._said[self.steps].setText(f"{self.steps.number():.0f}")
        reel, seconds = self._reel, self.seconds()
        sound = "{count} pictures and their sound" if reel.sound else "{count} pictures"
        words = [tr(sound, count=reel.frames)]
        if seconds is not None:
            words.append(_about(seconds))
        self.takes.setText("\n".join(words))

    def _ask(self) -> None:
        self.hide()
        self.wanted.emit(self.painting())


def _about(seconds: float) -> str:
    if seconds < 90:
        return tr("About {n} s", n=max(round(seconds), 1))
    if seconds < 5400:
        return tr("About {n} min", n=round(seconds / 60))
    return tr("About {n} h", n=round(seconds / 3600))
