"""The line below a result that says what it shows: words that show where they looked, other
captions to choose from, and what to do with it. Knows no Studio.
"""

from __future__ import annotations

import html

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import (
    QFrame,
    QLabel,
    QMenu,
    QPushButton,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from app import theme
from app.i18n import say
from app.theme import colour
from app.widgets.parts import button, label, row, tool


class CaptionLine(QFrame):
    copy_wanted = Signal(str)
    chosen = Signal(str)  # one of the other captions
    looked = Signal(int)  # the word that is pointed at, -1 for none
    closed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("Card")
        self._texts: tuple[str, ...] = ()
        self._shares: tuple[str, ...] = ()
        self._linked = False
        self._held = -1
        self.words = QLabel()
        self.words.setTextFormat(Qt.TextFormat.RichText)
        self.words.setWordWrap(True)
        self.words.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Minimum)
        by = Qt.TextInteractionFlag
        self.words.setTextInteractionFlags(by.LinksAccessibleByMouse | by.LinksAccessibleByKeyboard)
        self.words.linkHovered.connect(self._on_hovered)
        self.words.linkActivated.connect(self._on_clicked)
        self.sure = label("", "small")
        self.others = tool("down", "Other captions")
        self.copy = tool("copy", "Copy the caption")
        self.close_ = tool("close", "Dismiss")
        box = self._box = row(self.words, self.sure, self.others, self.copy, self.close_, space=4)
        box.setStretch(0, 1)
        box.setContentsMargins(12, 4, 4, 4)
        self._rows, self._unfolded = QVBoxLayout(), False
        self._rows.setContentsMargins(8, 0, 8, 0)
        self._rows.setSpacing(0)
        self.rows: list[QPushButton] = []
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.setSpacing(0)
        outer.addLayout(box)
        outer.addLayout(self._rows)
        self.others.clicked.connect(self._open_others)
        self.copy.clicked.connect(lambda: self.copy_wanted.emit(self.text()))
        self.close_.clicked.connect(self._on_close)
        theme.signals.changed.connect(self._write)
        self.hide()

    def add_tool(self, part: QWidget) -> None:
        """Before the others."""
        self._box.insertWidget(self._box.indexOf(self.copy), part)

    def unfold(self, on: bool) -> None:
        """The other captions in lines of their own, where there is room, or in a menu."""
        self._unfolded = on
        self._show_others()

    def text(self) -> str:
        return self._texts[0] if self._texts else ""

    def show_caption(
        self,
        texts: tuple[str, ...],
        sure: str = "",
        linked: bool = False,
        shares: tuple[str, ...] = (),
    ) -> None:
        """`texts` with the caption first, and how sure each is; `sure` is a sentence for the tip;
        `linked`: its words can show where they looked."""
        self._texts, self._linked, self._held = texts, linked, -1
        self._write()
        self._shares = shares
        self.sure.setText(shares[0] if shares else "")
        say(self.sure, "setToolTip", sure or "")
        self._show_others()
        self.setAccessibleName(texts[0])
        self.show()

    def clear(self) -> None:
        self._texts, self._held = (), -1
        self._show_others()
        self.hide()

    def _write(self, *_: object) -> None:
        if not self._linked:
            self.words.setText(html.escape(self.text()))
            return
        plain, held = colour("text").name(), colour("accent_text").name()
        tints = [held if n == self._held else plain for n in range(len(self.text().split()))]
        self.words.setText(
            " ".join(
                f'<a href="{n}" style="color:{tint};text-decoration:none">{html.escape(word)}</a>'
                for n, (word, tint) in enumerate(zip(self.text().split(), tints))
            )
        )

    def _on_hovered(self, link: str) -> None:
        if self._held < 0:
            self.looked.emit(int(link) if link else -1)

    def _on_clicked(self, link: str) -> None:
        """A click keeps the word's view until it, or another, is clicked."""
        word = int(link)
        self._held = -1 if word == self._held else word
        self._write()
        self.looked.emit(self._held)

    def _show_others(self) -> None:
        self.others.setVisible(len(self._texts) > 1 and not self._unfolded)
        for old in self.rows:
            self._rows.removeWidget(old)
            old.hide()
            old.deleteLater()
        self.rows = [self._other(n) for n in range(1, len(self._texts))] if self._unfolded else []
        for made in self.rows:
            self._rows.addWidget(made)
        self._rows.setContentsMargins(8, 0, 8, 6 if self.rows else 0)

    def _other(self, n: int) -> QPushButton:
        text, share = self._texts[n], self._shares[n] if n < len(self._shares) else ""
        made = button("", "flat")
        made.setLayout(row(_plain(text, "quiet"), None, _plain(share, "small"), margins=4))
        made.setFixedHeight(26)
        made.setAccessibleName(f"{text} {share}".strip())
        say(made, "setToolTip", "Take this caption instead")
        for part in made.findChildren(QLabel):
            part.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        made.clicked.connect(lambda: self.chosen.emit(text))
        return made

    def _open_others(self) -> None:
        menu = QMenu(self)
        for n, text in enumerate(self._texts[1:], 1):
            share = f"\t{self._shares[n]}" if n < len(self._shares) else ""
            menu.addAction(text + share, lambda text=text: self.chosen.emit(text))
        menu.exec(self.others.mapToGlobal(self.others.rect().bottomLeft()))

    def _on_close(self) -> None:
        self.clear()
        self.closed.emit()


def _plain(text: str, role: str) -> QLabel:
    """What is in no language of ours."""
    made = label("", role)
    made.setText(text)
    return made
