"""What was measured of a result: its two halves, content and domain, and how far it is from the
truth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from PySide6.QtWidgets import QFrame, QHBoxLayout, QVBoxLayout, QWidget

from app.i18n import say
from app.widgets.parts import column, label

Group = tuple[str, str, tuple[tuple[str, str, str], ...]]  # title, question, its numbers

DOMAIN, TRUTH = "Domain", "Truth"
GROUPS: tuple[Group, ...] = (
    ("Content", "Is it still the same thing?", (
        ("structure error", "structure",
         "Structure error: 0 where light and dark lie as in the photo, 0.5 where they have nothing "
         "in common."),
        ("cycle error", "cycle",
         "Cycle error: mean difference between the photo and what came back of it, 0 to 1."),
    )),
    (DOMAIN, "Does it look like the other side?", (
        ("likeness", "likeness",
         "The score of the model's own discriminator, before and after: 1 is like the pictures it "
         "was trained on, 0 is not."),
    )),
    (TRUTH, "How far is it from the true picture?", (
        ("difference", "difference", "Mean difference from the true picture, 0 to 1."),
        ("structure difference", "structure",
         "0 where light and dark lie as in the true picture, 0.5 where they have nothing in "
         "common."),
    )),
)  # fmt: skip
UNKNOWN = "This model has no discriminator, so that nobody measures it."


class Numbers(QFrame):
    """A group for each question that was answered, the truth in a row of its own; hidden where
    nothing was measured."""

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("Card")
        self._rows = QVBoxLayout(self)
        self._rows.setContentsMargins(12, 6, 12, 8)
        self._rows.setSpacing(6)
        self._shown: list[QWidget] = []
        self.hide()

    def show_numbers(self, numbers: Mapping[str, float]) -> None:
        for old in self._shown:
            self._rows.removeWidget(old)
            old.hide()
            old.deleteLater()
        groups = [group for group in GROUPS if _answered(group, numbers)]
        rows = [[g for g in groups if g[0] != TRUTH], [g for g in groups if g[0] == TRUTH]]
        self._shown = [_line(line, numbers) for line in rows if line]
        for made in self._shown:
            self._rows.addWidget(made)
        self.setVisible(bool(self._shown))


def _answered(group: Group, numbers: Mapping[str, float]) -> bool:
    """A translation always says something of its domain, if only that nobody measures it."""
    known = any(member[0] in numbers for member in group[2])
    return known or (group[0] == DOMAIN and "structure error" in numbers)


def _line(groups: Sequence[Group], numbers: Mapping[str, float]) -> QWidget:
    made = QWidget()
    box = QHBoxLayout(made)
    box.setContentsMargins(0, 0, 0, 0)
    box.setSpacing(20)
    for title, question, members in groups:
        known = [_cell(member, numbers) for member in members if member[0] in numbers]
        known = known or [_pair("–", members[0][1], UNKNOWN)]
        box.addWidget(_group(title, question, known))
    box.addStretch(1)
    return made


def _cell(member: tuple[str, str, str], numbers: Mapping[str, float]) -> QWidget:
    name, word, help = member
    before = numbers.get(f"{name} before")
    text = f"{numbers[name]:.3f}" if before is None else f"{before:.2f} → {numbers[name]:.2f}"
    return _pair(text.replace("-", "−"), word, help)


def _pair(text: str, word: str, help: str) -> QWidget:
    made, value, name = QWidget(), label("", "title"), label(word, "small")
    value.setText(text)
    box = QHBoxLayout(made)
    box.setContentsMargins(0, 0, 0, 0)
    box.setSpacing(5)
    box.addWidget(value)
    box.addWidget(name)
    say(made, "setToolTip", help)
    return made


def _group(title: str, question: str, cells: list[QWidget]) -> QWidget:
    made = QWidget()
    inner = QHBoxLayout()
    inner.setSpacing(12)
    for cell in cells:
        inner.addWidget(cell)
    inner.addStretch(1)
    head = label(title, "small")
    say(head, "setToolTip", question)
    box = column(head, space=1)
    box.addLayout(inner)
    made.setLayout(box)
    return made
