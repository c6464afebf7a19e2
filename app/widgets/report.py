"""What is said about a model: the doctor's report on a file, a tie to settle, details of a card,
its sample sheet. Knows verdicts and cards as data.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any

from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtGui import QGuiApplication, QPixmap, QResizeEvent
from PySide6.QtWidgets import (
    QButtonGroup,
    QDialog,
    QFrame,
    QGridLayout,
    QLabel,
    QRadioButton,
    QScrollArea,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from app import pictures, theme
from app.i18n import say, tr
from app.widgets.parts import Section, button, column, label, row
from engines.controls import ModelCard, SizeRule
from engines.job import Picture

WIDTH = 520
Fact = str | Callable[[], str]  # a text, or what makes it in the language of the moment


class _Value(QLabel):
    """A fact that is worded anew when the language changes."""

    def __init__(self, words: Callable[[], str]) -> None:
        super().__init__()
        self._words = words
        self.setWordWrap(True)
        self.setTextFormat(Qt.TextFormat.PlainText)
        self.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        say(self, "set_words", "")

    def set_words(self, _text: str) -> None:
        self.setText(self._words())


def facts(pairs: Iterable[tuple[str, Fact]]) -> QGridLayout:
    """Two columns: what, and its value, which can be selected. Without a value there is no row."""
    grid = QGridLayout()
    grid.setHorizontalSpacing(16)
    grid.setVerticalSpacing(6)
    grid.setColumnStretch(1, 1)
    for n, (name, value) in enumerate((n, v) for n, v in pairs if v):
        key = label(name, "quiet")
        key.setAlignment(Qt.AlignmentFlag.AlignTop)
        grid.addWidget(key, n, 0)
        grid.addWidget(_Value(value if callable(value) else partial(tr, value)), n, 1)
    return grid


def _notes(notes: Iterable[str]) -> QFrame:
    """Sentences about repairs, one a line."""
    frame = QFrame()
    frame.setObjectName("Card")
    box = column(space=6, margins=10)
    for note in notes:
        box.addWidget(label(note, "small", wrap=True))
    frame.setLayout(box)
    return frame


def _scrolled(inside: QWidget) -> QScrollArea:
    area = QScrollArea()
    area.setObjectName("Plain")
    area.setWidgetResizable(True)
    area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
    inside.setObjectName("Plain")
    area.setWidget(inside)
    return area


def _thousands(number: int) -> str:
    return f"{number:,}".replace(",", "\u2009")


class DoctorReport(QDialog):
    """What a dropped file is. A tie is asked once; the answer is `settled`."""

    settled = Signal(str, str)  # digest, family

    def __init__(
        self, verdict: Any, names: Mapping[str, str], ask: bool, parent: QWidget | None
    ) -> None:
        super().__init__(parent)
        self.verdict = verdict
        say(self, "setWindowTitle", "The doctor's report")
        self.setMinimumWidth(WIDTH)
        good = verdict.kind == "model"
        badge = QLabel()
        name, tint = ("check", "success") if good else ("failure", "failure")
        badge.setPixmap(theme.icon(name, tint).pixmap(28, 28))
        badge.setFixedSize(32, 32)
        heading = "This is a model" if good else "No model to load"
        if verdict.kind == "refused":
            heading = "This file was refused"
        words = column(label(heading, "heading"), space=4)
        sentence = label(verdict.message, wrap=True)
        sentence.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        words.addWidget(sentence)
        head = row(badge, space=12)
        head.setAlignment(badge, Qt.AlignmentFlag.AlignTop)
        head.addLayout(words, 1)
        box = QVBoxLayout(self)
        box.setContentsMargins(20, 20, 20, 16)
        box.setSpacing(16)
        box.addLayout(head)
        box.addLayout(facts(self._pairs(names)))
        if verdict.notes:
            box.addWidget(Section("Repairs and remarks"))
            box.addWidget(_notes(verdict.notes))
        self._group = QButtonGroup(self)
        if ask:
            self._add_question(box, names)
        box.addStretch(1)
        copy = button("Copy report", "flat")
        copy.clicked.connect(self._on_copy)
        close = button("Use this one" if ask else "Close", "primary" if ask else "")
        close.clicked.connect(self._on_settled if ask else self.accept)
        close.setDefault(True)
        box.addLayout(row(copy, None, close))
        box.setSizeConstraint(QVBoxLayout.SizeConstraint.SetNoConstraint)
        self.resize(WIDTH, box.heightForWidth(WIDTH))
        close.setFocus()

    def _pairs(self, names: Mapping[str, str]) -> list[tuple[str, str]]:
        v = self.verdict
        families = v.families or ((v.family,) if v.family else ())
        return [
            ("Model", v.title),
            ("Family", ", ".join(names.get(f, f) for f in families)),
            ("Network", v.network),
            ("Parameters", _thousands(v.parameters) if v.parameters else ""),
            ("Tensors", _thousands(v.tensors) if v.tensors else ""),
            ("Format", v.format),
            ("Digest", v.digest),
        ]

    def _add_question(self, box: QVBoxLayout, names: Mapping[str, str]) -> None:
        question = "Several families have such weights. Which one trained these?"
        box.addWidget(label(question, wrap=True))
        for n, family in enumerate(self.verdict.families):
            choice = QRadioButton(tr(names.get(family, family)))
            choice.setProperty("family", family)
            choice.setChecked(n == 0)
            self._group.addButton(choice)
            box.addWidget(choice)

    def _on_settled(self) -> None:
        checked = self._group.checkedButton()
        if checked is not None:
            self.settled.emit(self.verdict.digest, checked.property("family"))
        self.accept()

    def _on_copy(self) -> None:
        lines = [f"{name}: {value}" for name, value in self._pairs({}) if value]
        text = "\n".join([self.verdict.message, *lines, *self.verdict.notes])
        QGuiApplication.clipboard().setText(text)


class CardDetails(QDialog):
    """Everything a model card says."""

    def __init__(self, card: ModelCard, parent: QWidget | None) -> None:
        super().__init__(parent)
        say(self, "setWindowTitle", "About this model")
        self.resize(WIDTH + 40, 560)
        inside = QWidget()
        box = column(space=14)
        box.setContentsMargins(0, 0, 8, 0)
        inside.setLayout(box)
        box.addWidget(label(card.title, "heading", wrap=True))
        if card.summary:
            box.addWidget(label(card.summary, wrap=True))
        box.addLayout(facts(self._pairs(card)))
        if card.numbers:
            box.addWidget(Section("Measured on the test pictures"))
            box.addLayout(facts((name, f"{v:g}") for name, v in card.numbers.items()))
        if card.sketch:
            box.addWidget(Section("What its training edges looked like"))
            box.addLayout(facts(self._sketch(card)))
        if card.notes:
            box.addWidget(Section("Repairs and remarks"))
            box.addWidget(_notes(card.notes))
        box.addStretch(1)
        outer = QVBoxLayout(self)
        outer.setContentsMargins(20, 20, 12, 16)
        outer.addWidget(_scrolled(inside))
        close = button("Close")
        close.clicked.connect(self.accept)
        outer.addLayout(row(None, close, 8))

    @staticmethod
    def _pairs(card: ModelCard) -> list[tuple[str, Fact]]:
        rule = card.size
        native = f"{rule.native[0]} × {rule.native[1]}" if rule.native else ""
        return [
            ("Family", card.family),
            ("Network", card.network),
            ("Parameters", _thousands(card.parameters) if card.parameters else ""),
            ("Trained at", native),
            ("Sizes", lambda: _sizes(rule)),
            ("Input", lambda: ", ".join(tr(control.label) for control in card.inputs())),
            ("Training data", card.data),
            ("Licence", card.licence),
            ("Paper", card.paper),
            ("File", card.checkpoint),
        ]

    @staticmethod
    def _sketch(card: ModelCard) -> list[tuple[str, str]]:
        def between(pair: tuple[float, float]) -> str:
            return f"{pair[0]:.3f} – {pair[1]:.3f}"

        assert card.sketch is not None
        return [
            ("Share of ink", between(card.sketch.ink)),
            ("Line width / sheet width", between(card.sketch.width)),
            ("Extent on the sheet", between(card.sketch.extent)),
        ]


def _sizes(rule: SizeRule) -> str:
    if rule.fixed:
        return tr("only the trained one")
    return tr("multiples of {n}", n=rule.multiple_of) if rule.multiple_of > 1 else tr("any")


class Fitted(QLabel):
    """A picture as large as there is room for it."""

    def __init__(self) -> None:
        super().__init__()
        self._whole = QPixmap()
        self.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Ignored)
        self.setMinimumSize(200, 150)

    def show_picture(self, picture: Picture | None) -> None:
        self._whole = pictures.to_pixmap(picture) if picture is not None else QPixmap()
        self._fit()

    def resizeEvent(self, event: QResizeEvent) -> None:
        self._fit()

    def _fit(self) -> None:
        if self._whole.isNull():
            self.clear()
            return
        ratio = self.devicePixelRatioF()
        shown = self._whole.scaled(
            self.size() * ratio,
            Qt.AspectRatioMode.KeepAspectRatio,
            Qt.TransformationMode.SmoothTransformation,
        )
        shown.setDevicePixelRatio(ratio)
        self.setPixmap(shown)


class SheetView(QDialog):
    """One large picture, fitted into the window: a sample sheet."""

    def __init__(self, title: str, picture: Picture, parent: QWidget | None) -> None:
        super().__init__(parent)
        say(self, "setWindowTitle", title)
        shown = Fitted()
        shown.show_picture(picture)
        say(shown, "setAccessibleName", title)
        self.setLayout(column(shown, margins=12))
        room = (parent.screen() if parent else self.screen()).availableGeometry().size() * 0.8
        size = QSize(picture.width, picture.height)
        self.resize(size.scaled(room, Qt.AspectRatioMode.KeepAspectRatio))
