"""The form made from a model card: one small factory for each kind of control, and the seed.

Knows controls and values, not the studio: `changed` goes up, `set_value` comes down.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from PySide6.QtCore import QRegularExpression, Qt, Signal
from PySide6.QtGui import QContextMenuEvent, QRegularExpressionValidator
from PySide6.QtWidgets import QComboBox, QLabel, QLineEdit, QVBoxLayout, QWidget

from app import theme
from app.i18n import say, signals, tr
from app.widgets.captionbox import NEAREST, CaptionBox
from app.widgets.images import ImageWell
from app.widgets.namebox import NameBox
from app.widgets.parts import Segments, Slider, Switch, button, column, label, row, tool
from app.widgets.termcurve import TermCurve
from engines import controls as kinds
from engines.controls import Control, ModelCard
from engines.job import Picture, Progress, Value

GESTURES = "Double click: back to its start. Right click: locked."
LOCKED = "Locked: neither hand nor chance moves it. A right click frees it."
SEGMENTS = 3  # so many options stand side by side; more go into a list
LETTERS = 42  # of all their words together, less what each segment takes


class Field(QWidget):
    """A control as shown: emits `edited`, shows what `show_value` says without emitting."""

    edited = Signal(object)

    def show_value(self, value: Value) -> None:
        raise NotImplementedError

    def locked(self) -> frozenset[int]:
        """Places of the numbers that chance and reset leave alone."""
        return frozenset()


class SliderField(Field):
    """A right click locks the slider: it moves no more, by hand or by chance; another frees it."""

    def __init__(self, control: kinds.Slider) -> None:
        super().__init__()
        self.control = control
        c = control
        self.slider = Slider(c.low, c.high, c.step, c.default, c.trained)
        self.number = QLabel()
        self.padlock = QLabel()
        self.padlock.setPixmap(theme.icon("lock", "quiet").pixmap(14, 14))
        self.padlock.hide()
        say(self.slider, "setAccessibleName", c.label)
        say(self.slider, "setToolTip", GESTURES)
        self.slider.moved.connect(self._on_moved)
        box = QVBoxLayout(self)
        box.setContentsMargins(0, 0, 0, 0)
        box.setSpacing(0)
        box.addLayout(row(label(c.label), self.padlock, None, self.number, space=6))
        box.addWidget(self.slider)
        self.curve = TermCurve(c.label)
        box.addWidget(self.curve)
        self.show_value(c.default)

    def show_value(self, value: Value) -> None:
        number = float(value)  # type: ignore[arg-type]
        self.slider.show_number(number)
        self._write(number)

    def show_terms(self, run: int, progress: Progress) -> None:
        """How the term that it weighs goes, if it weighs one."""
        if term := self.control.term:
            mine = {name: value for name, value in progress.terms.items()
                    if f"{name} ".startswith(f"{term} ")}  # fmt: skip
            self.curve.add(run, progress.done, mine)

    def locked(self) -> frozenset[int]:
        return frozenset() if self.slider.isEnabled() else frozenset((0,))

    def contextMenuEvent(self, event: QContextMenuEvent) -> None:
        free = not self.slider.isEnabled()
        self.slider.setEnabled(free)
        self.padlock.setVisible(not free)
        say(self.slider, "setToolTip", GESTURES if free else LOCKED)

    def _on_moved(self, number: float) -> None:
        self._write(number)
        self.edited.emit(number)

    def _write(self, number: float) -> None:
        c = self.control
        places = next((n for n in (0, 1, 2) if c.step >= 10**-n), 4)
        unit = f" {tr(c.unit)}" if c.unit else ""
        self.number.setText(f"{number:.{places}f}{unit}")
        outside = c.trained is not None and not c.trained[0] <= number <= c.trained[1]
        self.number.setProperty("role", "failure" if outside else "")
        self.number.setToolTip(tr("Beyond what the model was trained on.") if outside else "")
        self.number.style().unpolish(self.number)
        self.number.style().polish(self.number)


class SegmentsField(Field):
    def __init__(self, control: kinds.Choice) -> None:
        super().__init__()
        self.segments = Segments(control.options, control.label)
        self.segments.chosen.connect(self.edited.emit)
        box = QVBoxLayout(self)
        box.setContentsMargins(0, 0, 0, 0)
        box.setSpacing(4)
        box.addWidget(label(control.label))
        box.addWidget(self.segments)
        self.show_value(control.default)

    def show_value(self, value: Value) -> None:
        self.segments.show_value(str(value))


class ListField(Field):
    def __init__(self, control: kinds.Choice) -> None:
        super().__init__()
        self.control, self.list = control, QComboBox()
        for value, _ in control.options:
            self.list.addItem("", value)
        say(self.list, "setAccessibleName", control.label)
        say(self, "set_words", control.label)
        self.list.activated.connect(self._on_activated)
        box = QVBoxLayout(self)
        box.setContentsMargins(0, 0, 0, 0)
        box.setSpacing(4)
        box.addWidget(label(control.label))
        box.addWidget(self.list)
        self.show_value(control.default)

    def set_words(self, _text: str) -> None:
        for n, (_, text) in enumerate(self.control.options):
            self.list.setItemText(n, tr(text))

    def show_value(self, value: Value) -> None:
        self.list.setCurrentIndex(max(self.list.findData(value), 0))

    def _on_activated(self) -> None:
        self.edited.emit(self.list.currentData())


class ClassField(Field):
    """A class by its name, or by its number."""

    def __init__(self, control: kinds.ClassChoice) -> None:
        super().__init__()
        self.box = NameBox(control.names, control.near)
        say(self.box.line, "setAccessibleName", control.label)
        self.box.chosen.connect(lambda number: self.edited.emit(float(number)))
        self.setLayout(column(label(control.label), self.box, space=4))
        self.show_value(control.default)

    def show_value(self, value: Value) -> None:
        self.box.show_number(round(float(value)))  # type: ignore[arg-type]


class ToggleField(Field):
    def __init__(self, control: kinds.Toggle) -> None:
        super().__init__()
        self.switch = Switch(control.label)
        self.switch.clicked.connect(self._on_clicked)
        self.setLayout(row(label(control.label), None, self.switch))
        self.show_value(control.default)

    def show_value(self, value: Value) -> None:
        self.switch.setChecked(bool(value))

    def _on_clicked(self) -> None:
        self.edited.emit(self.switch.isChecked())


class TextField(Field):
    def __init__(self, control: kinds.Text) -> None:
        super().__init__()
        self.line = QLineEdit()
        self.line.setMaxLength(control.longest)
        say(self.line, "setAccessibleName", control.label)
        if control.placeholder:
            say(self.line, "setPlaceholderText", control.placeholder)
        self.line.textEdited.connect(self.edited.emit)
        box = QVBoxLayout(self)
        box.setContentsMargins(0, 0, 0, 0)
        box.setSpacing(4)
        box.addWidget(label(control.label))
        box.addWidget(self.line)
        self.show_value(control.default)

    def show_value(self, value: Value) -> None:
        if self.line.text() != value:
            self.line.setText(str(value))


class CaptionField(Field):
    """A text of words that the model knows; below it, what it does not know and what may be
    meant. titled: with the control's label above."""

    def __init__(self, control: kinds.Text, titled: bool = True) -> None:
        super().__init__()
        self.caption = CaptionBox(control.words, control.longest)
        say(self.caption, "setAccessibleName", control.label)
        if control.placeholder:
            say(self.caption, "setPlaceholderText", control.placeholder)
        self._unknown = ""  # the word that others are offered for
        self._near: tuple[str, ...] = ()
        self.unknown = label("", "small", wrap=True)
        self.meant, *self.others = (button("", "link") for _ in range(NEAREST))
        for n, part in enumerate((self.meant, *self.others)):
            part.hide()
            part.clicked.connect(lambda _=False, n=n: self._on_meant(n))
        self.unknown.hide()
        self.caption.edited.connect(self.edited.emit)
        self.caption.unknown_changed.connect(self._on_unknown)
        box = QVBoxLayout(self)
        box.setContentsMargins(0, 0, 0, 0)
        box.setSpacing(4)
        if titled:
            box.addWidget(label(control.label))
        box.addWidget(self.caption)
        box.addWidget(self.unknown)
        box.addLayout(row(self.meant, *self.others, None))
        self.show_value(control.default)

    def show_value(self, value: Value) -> None:
        self.caption.show_text(str(value))

    def _on_unknown(self, unknown: list[tuple[str, tuple[str, ...]]]) -> None:
        self.unknown.setVisible(bool(unknown))
        if unknown:
            words = ", ".join(f"“{word}”" for word, _ in unknown)
            say(self.unknown, "setText", "Unknown to this model: {words}", words=words)
        self._unknown, self._near = next(((w, near) for w, near in unknown if near), ("", ()))
        for n, part in enumerate((self.meant, *self.others)):
            part.setVisible(n < len(self._near))
            if n < len(self._near):
                part.setText(f"“{self._near[n]}”")
        if self._near:
            say(self.meant, "setText", "Say “{word}” instead", word=self._near[0])

    def _on_meant(self, n: int) -> None:
        if n < len(self._near):
            self.caption.replace(self._unknown, self._near[n])
            self.caption.setFocus()


class AttributesField(Field):
    """A slider for every label; of an exclusive group one at most is away from zero, or from the
    lowest where that is more."""

    def __init__(self, control: kinds.Attributes) -> None:
        super().__init__()
        self.control = control
        self.sliders: list[SliderField] = []
        box = QVBoxLayout(self)
        box.setContentsMargins(0, 0, 0, 0)
        box.setSpacing(6)
        self.rest = max(control.low, 0.0)
        if control.label:
            box.addWidget(label(control.label, "quiet"))
        start = control.default or (self.rest,) * len(control.labels)
        low, high, trained = control.low, control.high, control.trained
        for n, name in enumerate(control.labels):
            part = SliderField(kinds.Slider(name, name, low, high, 0.01, start[n], trained=trained))
            part.edited.connect(lambda _value, n=n: self._on_edited(n))
            self.sliders.append(part)
            box.addWidget(part)

    def show_value(self, value: Value) -> None:
        for part, number in zip(self.sliders, value, strict=True):  # type: ignore[arg-type]
            part.show_value(number)

    def locked(self) -> frozenset[int]:
        return frozenset(n for n, part in enumerate(self.sliders) if part.locked())

    def _on_edited(self, moved: int) -> None:
        if self._away(moved):
            others = [n for n in self._excluded(moved) if self._away(n)]
            if self.locked() & set(others):
                self.sliders[moved].show_value(self.rest)
                return
            for other in others:
                self.sliders[other].show_value(self.rest)
        self.edited.emit([part.slider.number() for part in self.sliders])

    def _away(self, place: int) -> bool:
        return self.sliders[place].slider.number() != self.rest

    def _excluded(self, place: int) -> list[int]:
        """The places of the other labels of its group."""
        labels = self.control.labels
        groups = [group for group in self.control.exclusive if labels[place] in group]
        return [labels.index(name) for group in groups for name in group if name != labels[place]]


class BoxField(Field):
    """Says who chose the region, and gives it back to the model."""

    def __init__(self, control: kinds.Box) -> None:
        super().__init__()
        self.who = label("", "quiet")
        self.free = button("Let the model choose", "link")
        self.free.clicked.connect(lambda: self.edited.emit([]))
        box = QVBoxLayout(self)
        box.setContentsMargins(0, 0, 0, 0)
        box.setSpacing(2)
        box.addLayout(row(label(control.label), None, self.who))
        box.addLayout(row(self.free, None))
        self.show_value([])

    def show_value(self, value: Value) -> None:
        say(self.who, "setText", "by hand" if value else "by the model")
        self.free.setVisible(bool(value))


class SeedField(QWidget):
    """The number behind the chance; the dice draws another one unless it is locked."""

    edited = Signal(int)
    dice = Signal()
    locked = Signal(bool)

    def __init__(self) -> None:
        super().__init__()
        self.line = QLineEdit("0")
        self.line.setFixedWidth(104)
        self.line.setAlignment(Qt.AlignmentFlag.AlignRight)
        self.line.setValidator(QRegularExpressionValidator(QRegularExpression(r"\d{1,10}")))
        say(self.line, "setAccessibleName", "Seed")
        self.roll = tool("dice", "Surprise me: another seed")
        self.lock = tool("unlock", "Keep this seed for every new drawing", checkable=True)
        self.line.editingFinished.connect(self._on_edited)
        self.roll.clicked.connect(self.dice)
        self.lock.toggled.connect(self._on_lock)
        self.setLayout(row(label("Seed"), None, self.line, self.roll, self.lock, space=4))

    def show_seed(self, seed: int) -> None:
        if self.line.text() != str(seed):
            self.line.setText(str(seed))

    def show_locked(self, locked: bool) -> None:
        self.lock.setChecked(locked)

    def _on_edited(self) -> None:
        if self.line.isModified() and self.line.text():
            self.line.setModified(False)
            self.edited.emit(int(self.line.text()))

    def _on_lock(self, locked: bool) -> None:
        self.lock.setIcon(theme.icon("lock" if locked else "unlock"))
        self.roll.setEnabled(not locked)
        self.locked.emit(locked)


def _fits(control: kinds.Choice) -> bool:
    """Whether all options have room side by side in a panel of usual width."""
    count = len(control.options)
    return count <= SEGMENTS and sum(len(t) for _, t in control.options) <= LETTERS - 4 * count


def field(control: Control) -> Field | None:
    """How a control is shown; None for what is drawn or dropped instead."""
    if isinstance(control, kinds.Choice):
        return SegmentsField(control) if _fits(control) else ListField(control)
    makers: dict[type, Callable[[Any], Field]] = {
        kinds.Slider: SliderField,
        kinds.ClassChoice: ClassField,
        kinds.Toggle: ToggleField,
        kinds.Text: lambda control: (CaptionField if control.words else TextField)(control),
        kinds.Attributes: AttributesField,
        kinds.Box: BoxField,
    }
    maker = makers.get(type(control))
    return maker(control) if maker else None


class ControlPanel(QWidget):
    """Everything of a card that has a value, its picture wells, and the seed where there is one."""

    changed = Signal(str, object)  # control, value
    picture_changed = Signal(str)  # role of a well
    well_clicked = Signal(object)  # ImageWell that wants a file
    well_filled = Signal(object, list)  # ImageWell, files dropped on it

    def __init__(self, elsewhere: tuple[str, ...] = ()) -> None:
        """`elsewhere`: roles, kinds of drawings, and controls that the room shows itself."""
        super().__init__()
        self._elsewhere = elsewhere
        self.fields: dict[str, Field] = {}
        self.wells: dict[str, ImageWell] = {}
        self._values: dict[str, Any] = {}
        self._conditions: dict[str, tuple[str, str]] = {}  # a control's name: its `when`
        self.seed = SeedField()
        self.seed.hide()
        self._empty = label("This model has nothing to set.", "quiet", wrap=True)
        self._body = QVBoxLayout(self)
        self._body.setContentsMargins(0, 0, 0, 0)
        self._body.setSpacing(12)
        self._body.addWidget(self._empty)
        self._body.addWidget(self.seed)
        signals.changed.connect(self._say_numbers)

    def build(self, card: ModelCard | None) -> None:
        """Another model: another form."""
        for old in (*self.fields.values(), *self.wells.values()):
            self._body.removeWidget(old)
            old.hide()
            old.deleteLater()
        self.fields, self.wells = {}, {}
        self._values, self._conditions = {}, {}
        for control in card.controls if card else ():
            if isinstance(control, kinds.ImageInput) or (
                isinstance(control, kinds.SketchInput) and not control.drawn
            ):
                kind = getattr(control, "kind", "")
                if control.role not in self._elsewhere and kind not in self._elsewhere:
                    self._add_well(control)
            elif getattr(control, "name", "") in self._elsewhere:
                continue
            elif made := field(control):
                self._add_field(control, made)
        self._show_those_that_count()
        self.seed.setVisible(bool(card and card.seeded))
        say(
            self._empty,
            "setText",
            "This model has nothing to set." if card else "No model is loaded.",
        )
        self._empty.setVisible(not self.fields and not self.wells and self.seed.isHidden())

    def set_value(self, name: str, value: Value) -> None:
        if name in self.fields:
            self.fields[name].show_value(value)
            self._values[name] = value
            self._show_those_that_count()

    def show_terms(self, run: int, progress: Progress) -> None:
        """What a run minimises, each term below the slider that weighs it."""
        for made in self.fields.values():
            if isinstance(made, SliderField):
                made.show_terms(run, progress)

    def _show_those_that_count(self) -> None:
        """A control that counts only under one value of another is hidden under the others."""
        for name, (other, wanted) in self._conditions.items():
            self.fields[name].setVisible(self._values.get(other) == wanted)

    def locked(self, name: str) -> frozenset[int]:
        """Places of the control's numbers that are locked; a control of one number has place 0."""
        return self.fields[name].locked() if name in self.fields else frozenset()

    def held(self, name: str, value: Value) -> Value:
        """`value`, but for the numbers that are locked."""
        made, locked = self.fields.get(name), self.locked(name)
        if isinstance(made, SliderField) and locked:
            return made.slider.number()
        if isinstance(made, AttributesField) and isinstance(value, list | tuple):
            now = [part.slider.number() for part in made.sliders]
            return [now[n] if n in locked else number for n, number in enumerate(value)]
        return value

    def picture(self, role: str) -> Picture | None:
        return self.wells[role].picture() if role in self.wells else None

    def _add_field(self, control: Control, made: Field) -> None:
        name = control.name  # type: ignore[union-attr]
        made.edited.connect(lambda value: self._on_edited(name, value))
        self._values[name] = getattr(control, "default", None)
        if when := getattr(control, "when", ()):
            self._conditions[name] = when
        if control.help:  # type: ignore[union-attr]
            say(made, "setToolTip", control.help)  # type: ignore[union-attr]
        self.fields[name] = made
        self._body.insertWidget(self._body.count() - 2, made)

    def _on_edited(self, name: str, value: Value) -> None:
        self._values[name] = value
        self._show_those_that_count()
        self.changed.emit(name, value)

    def _add_well(self, control: kinds.ImageInput | kinds.SketchInput) -> None:
        well = ImageWell(control.label)
        well.changed.connect(lambda: self.picture_changed.emit(control.role))
        well.files_dropped.connect(lambda files: self.well_filled.emit(well, files))
        well.clicked.connect(lambda: self.well_clicked.emit(well))
        self.wells[control.role] = well
        self._body.insertWidget(self._body.count() - 2, well)

    def _say_numbers(self) -> None:
        for made in self.fields.values():
            if isinstance(made, SliderField):
                made._write(made.slider.number())
