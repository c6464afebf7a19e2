"""The line below a result that says what it shows: words that show where they looked, other
captions to choose from, and what to do with it. Knows no Studio.
"""

from __future__ import annotations

import html

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QFrame, QLabel, QMenu, QSizePolicy, QWidget

from app import theme
from app.i18n import say
from app.theme import colour
from app.widgets.parts import label, row, tool


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
        self.setLayout(box)
        self.others.clicked.connect(self._open_others)
        self.copy.clicked.connect(lambda: self.copy_wanted.emit(self.text()))
        self.close_.clicked.connect(self._on_close)
        theme.signals.changed.connect(self._write)
        self.hide()

    def add_tool(self, part: QWidget) -> None:
        """Before the others."""
        self._box.insertWidget(self._box.indexOf(self.copy), part)

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
        self.others.setVisible(len(texts) > 1)
        self.setAccessibleName(texts[0])
        self.show()

    def clear(self) -> None:
        self._texts, self._held = (), -1
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

    def _open_others(self) -> None:
        menu = QMenu(self)
        for n, text in enumerate(self._texts[1:], 1):
            share = f"\t{self._shares[n]}" if n < len(self._shares) else ""
            menu.addAction(text + share, lambda text=text: self.chosen.emit(text))
        menu.exec(self.others.mapToGlobal(self.others.rect().bottomLeft()))

    def _on_close(self) -> None:
        self.clear()
        self.closed.emit()
