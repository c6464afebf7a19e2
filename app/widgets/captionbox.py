"""A box for captions in the words that a model knows: completes them, underlines others and names
the nearest known ones. Knows words, not models.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Sequence

from PySide6.QtCore import QStringListModel, Qt, Signal
from PySide6.QtGui import (
    QFontMetrics,
    QKeyEvent,
    QSyntaxHighlighter,
    QTextCharFormat,
    QTextCursor,
    QTextDocument,
)
from PySide6.QtWidgets import QCompleter, QListView, QPlainTextEdit

from app import theme

LINES = 3
OFFERED = 6  # completions that are shown at once
NEAREST = 3
_WORD = re.compile(r"\w+(?:-\w+)*")
_TAKE = (Qt.Key.Key_Return, Qt.Key.Key_Enter, Qt.Key.Key_Tab, Qt.Key.Key_Escape)


class CaptionBox(QPlainTextEdit):
    """`edited` and `unknown_changed` say what a person did; `show_text` emits only the latter."""

    edited = Signal(str)
    unknown_changed = Signal(list)  # of (word, nearest known words)

    def __init__(self, words: Sequence[str], longest: int) -> None:
        super().__init__()
        self.known, self.longest = frozenset(words), longest
        self.setTabChangesFocus(True)
        self.setLineWrapMode(QPlainTextEdit.LineWrapMode.WidgetWidth)
        self.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAsNeeded)
        height = QFontMetrics(self.font()).lineSpacing() * LINES
        self.setFixedHeight(height + 2 * (self.frameWidth() + 8))
        self._marks = _Marks(self.document(), self)
        self._unknown: list[tuple[str, tuple[str, ...]]] = []
        self._showing = False
        self.completer = QCompleter(QStringListModel(sorted(self.known), self), self)
        self.offers = QListView()
        self.completer.setPopup(self.offers)
        self.completer.setWidget(self)
        self.completer.setCaseSensitivity(Qt.CaseSensitivity.CaseInsensitive)
        self.completer.setMaxVisibleItems(OFFERED)
        self.completer.activated.connect(self.complete)
        self.textChanged.connect(self._on_changed)

    def text(self) -> str:
        return " ".join(self.toPlainText().split("\n"))

    def show_text(self, text: str) -> None:
        if text != self.text():
            self._showing = True
            self.setPlainText(text)
            self._showing = False

    def unknown(self) -> list[tuple[str, tuple[str, ...]]]:
        """Finished words that the model does not know, each with the nearest that it knows."""
        found = {w: nearest(w, self.known) for w, _ in self.strangers(self.toPlainText())}
        return list(found.items())

    def strangers(self, text: str, begin: int = 0) -> Iterator[tuple[str, int]]:
        """Words of `text`, which begins at `begin` of the whole, that are not known, and where; the
        word that is being typed is none as long as it may become a known one."""
        cursor = self.textCursor().position() - begin if self.hasFocus() else -1
        for match in _WORD.finditer(text):
            word = match[0].lower()
            if word in self.known or any(part in self.known for part in word.split("-")):
                continue
            growing = match.end() == cursor and any(w.startswith(word) for w in self.known)
            if not growing:
                yield match[0], match.start()

    def replace(self, word: str, other: str) -> None:
        """Every `word` of the caption by `other`, as if a person had typed it."""
        text = re.sub(rf"(?<![\w-]){re.escape(word)}(?![\w-])", lambda _: other, self.text())
        self.selectAll()
        self.insertPlainText(text)

    def complete(self, word: str) -> None:
        """The word at the cursor becomes `word`."""
        cursor = self.textCursor()
        cursor.movePosition(
            QTextCursor.MoveOperation.Left, QTextCursor.MoveMode.KeepAnchor, len(self._typed())
        )
        cursor.insertText(word)
        self.setTextCursor(cursor)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if self.offers.isVisible() and event.key() in _TAKE:
            event.ignore()  # the completer takes it
            return
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            return  # a caption is one line
        super().keyPressEvent(event)
        self._offer(bool(event.text().strip()))

    def _typed(self) -> str:
        """The beginning of a word before the cursor."""
        cursor = self.textCursor()
        before = cursor.block().text()[: cursor.positionInBlock()]
        match = re.search(r"[\w-]+$", before)
        return match[0] if match else ""

    def _offer(self, typed: bool) -> None:
        begun = self._typed()
        self.completer.setCompletionPrefix(begun)
        count = self.completer.completionCount()
        done = count == 1 and self.completer.currentCompletion() == begun.lower()
        if not typed or not begun or not count or done:
            self.offers.hide()
            return
        self.offers.setCurrentIndex(self.completer.completionModel().index(0, 0))
        where = self.cursorRect()
        bar = self.offers.verticalScrollBar().sizeHint().width()
        where.setWidth(self.offers.sizeHintForColumn(0) + bar + 12)
        self.completer.complete(where)

    def _on_changed(self) -> None:
        text = self.text()
        if len(text) > self.longest:
            self.show_text(text[: self.longest])
            self.moveCursor(QTextCursor.MoveOperation.End)
        unknown = self.unknown()
        if unknown != self._unknown:
            self._unknown = unknown
            self.unknown_changed.emit(unknown)
        if not self._showing:
            self.edited.emit(self.text())


class _Marks(QSyntaxHighlighter):
    """A wavy line under unknown words."""

    def __init__(self, document: QTextDocument, box: CaptionBox) -> None:
        super().__init__(document)
        self.box = box

    def highlightBlock(self, text: str) -> None:
        style = QTextCharFormat()
        style.setUnderlineStyle(QTextCharFormat.UnderlineStyle.WaveUnderline)
        style.setUnderlineColor(theme.colour("failure"))
        for word, at in self.box.strangers(text, self.currentBlock().position()):
            self.setFormat(at, len(word), style)


def nearest(word: str, known: frozenset[str]) -> tuple[str, ...]:
    return tuple(difflib.get_close_matches(word.lower(), sorted(known), NEAREST, 0.6))
