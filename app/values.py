"""The values of the model in use and the seed: checked, undoable, remembered for each model."""

from __future__ import annotations

import logging
import random
from collections.abc import Mapping

from PySide6.QtCore import QObject, Signal
from PySide6.QtGui import QUndoStack

from app.commands import Change
from engines.controls import ControlError, ImageInput, ModelCard, SketchInput, defaults
from engines.job import Failed, Value

log = logging.getLogger("studio")

SEEDS = 2**31 - 1


class Values(QObject):
    """`changed` and `seed_changed` tell a form what to show; `edited` says that a result is due."""

    changed = Signal(str, object)  # control, value
    seed_changed = Signal(object)  # int, of any size
    edited = Signal()
    failed = Signal(str, object)  # place, Failed

    def __init__(self, undo_stack: QUndoStack, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.seed = 0
        self.remembered: dict[str, dict[str, Value]] = {}  # checkpoint -> its values
        self._stack = undo_stack
        self._card: ModelCard | None = None
        self._values: dict[str, Value] = {}

    def now(self) -> dict[str, Value]:
        return dict(self._values)

    def remember(self, checkpoint: str, name: str, value: Value) -> None:
        """A value for when the model's next card comes."""
        self.remembered.setdefault(checkpoint, {})[name] = value

    def adopt(self, card: ModelCard) -> None:
        """Another model: the values it had when it was last in use, else its defaults."""
        self._card = card
        self.assume(self.remembered.get(card.checkpoint, {}), self.seed)

    def assume(self, values: Mapping[str, Value], seed: int) -> None:
        """Take over what the model still knows of `values`, defaults for the rest. Not undoable."""
        if self._card is None:
            return
        self._values = _fitting(self._card, values)
        self.remembered[self._card.checkpoint] = dict(self._values)
        for name, value in self._values.items():
            self.changed.emit(name, value)
        self.take_seed(seed)

    def put(self, values: Mapping[str, Value]) -> None:
        """Take over some values without a step to undo and without a result being due; what the
        model does not know or refuses stays as it is."""
        if self._card is not None:
            known = {k: v for k, v in values.items() if k in self._values}
            self.assume({**self._values, **known}, self.seed)

    def take_seed(self, seed: int) -> None:
        self.seed = seed
        self.seed_changed.emit(seed)

    def set(self, name: str, value: Value) -> None:
        """Undoable; a refused value is answered with its sentence and the value that stays."""
        if self._card is None or name not in self._values:
            return
        control, before = self._card.control(name), self._values[name]
        if control is None or isinstance(control, ImageInput | SketchInput):
            return
        try:
            value = control.check(value)
        except ControlError as error:
            self.failed.emit("controls", Failed("input", str(error)))
            self.changed.emit(name, before)
            return
        if value != before:
            checkpoint = self._card.checkpoint

            def apply(value: Value) -> None:
                self._apply(checkpoint, name, value)

            self._stack.push(Change(control.label, (checkpoint, name), before, value, apply))

    def set_seed(self, seed: int) -> None:
        self._change_seed(seed, merges=True)

    def draw_seed(self) -> None:
        self._change_seed(random.SystemRandom().randrange(1, SEEDS), merges=False)

    def _change_seed(self, seed: int, merges: bool) -> None:
        seed = min(max(int(seed), 0), SEEDS)
        if seed != self.seed:
            change = Change("Seed", ("", "seed"), self.seed, seed, self._apply_seed, merges)
            self._stack.push(change)

    def _apply(self, checkpoint: str, name: str, value: Value) -> None:
        self.remember(checkpoint, name, value)
        if self._card is not None and self._card.checkpoint == checkpoint:
            self._values[name] = value
            self.changed.emit(name, value)
            self.edited.emit()

    def _apply_seed(self, seed: int) -> None:
        self.take_seed(seed)
        self.edited.emit()


def _fitting(card: ModelCard, values: Mapping[str, Value]) -> dict[str, Value]:
    """The card's defaults with every one of `values` that it takes."""
    fitting = defaults(card)
    for control in card.controls:
        if isinstance(control, ImageInput | SketchInput) or control.name not in values:
            continue
        try:
            fitting[control.name] = control.check(values[control.name])
        except ControlError as error:
            log.warning("%s", error)
    return fitting
